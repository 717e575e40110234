"""The reference pages say what the program does: every setting and command is there, and examples are valid."""

import re
from pathlib import Path

from app.policy.commands import HELP
from app.policy.config import RepoConfig, read_config, validate_config
from app.policy.operator import read_operator
from app.settings import PREFIX, SETTINGS

DOCS = Path(__file__).parents[1] / "docs"


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def example(name: str) -> str:
    found = re.search(r"```yaml\n(.*?)```", page(name), re.DOTALL)
    assert found is not None
    return found[1]


def test_every_setting_has_its_line() -> None:
    lines = page("settings.md").splitlines()
    for setting in SETTINGS:
        default = "must be set" if setting.default is None else (f"`{setting.default}`" if setting.default else "none")
        assert f"| `{PREFIX}{setting.name}` | {setting.what} | {default} | `{setting.example}` |" in lines


def test_every_command_has_its_line() -> None:
    lines = page("commands.md").splitlines()
    for entry in HELP.values():
        assert any(line.startswith(f"| `{entry.usage}` | {entry.what} |") for line in lines)


def test_the_configuration_example_is_valid_and_complete() -> None:
    assert validate_config(example("configuration.md")) == []
    config = read_config(example("configuration.md"))
    assert isinstance(config, RepoConfig)
    assert config.file.model_fields_set == set(type(config.file).model_fields)


def test_the_operators_example_is_valid() -> None:
    assert len(read_operator(example("settings.md")).bindings) == 2

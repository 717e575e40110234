"""The documents hold: links resolve, command lines parse, examples are valid, and no page speaks of a machine or a registry."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any, cast

import click
import pytest
import yaml

from app.cli import main
from app.diagnosis.signatures import CATALOGUE
from app.policy.config import config_schema, validate_config
from app.policy.operator import read_operator

ROOT = Path(__file__).parents[1]
TRACKED = [
    ROOT / name
    for name in subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    if name and (ROOT / name).is_file()
]
PAGES = [
    path for path in TRACKED if path.suffix == ".md" and (path.parent == ROOT or path.is_relative_to(ROOT / "docs"))
]
LINK = re.compile(r"\]\((?!https?://|#|mailto:)([^)\s#]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:\.venv/bin/)?infra-audit [a-z][^`]*)`")


def test_every_link_between_pages_resolves() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in PAGES
        for target in LINK.findall(path.read_text("utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []


def command_lines() -> list[str]:
    lines: list[str] = []
    for path in PAGES:
        text = path.read_text("utf-8")
        for language, block in FENCE.findall(text):
            if language in ("sh", "console", "bash"):
                joined = block.replace("\\\n", " ")
                lines += [
                    line.strip()
                    for line in joined.splitlines()
                    if re.match(r"(?:\.venv/bin/)?infra-audit ", line.strip())
                ]
        lines += [" ".join(found.split()) for found in INLINE.findall(text)]
    return sorted(set(lines))


@pytest.mark.parametrize("line", command_lines())
def test_every_command_line_of_the_pages_parses(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = main.commands.get(words[0])
    assert command is not None, f"no command {words[0]}"
    try:
        command.make_context(words[0], words[1:])
    except click.MissingParameter:
        pass  # an excerpt may leave out what has no default
    except click.UsageError as wrong:
        pytest.fail(f"{line}: {wrong.format_message()}")


def test_every_key_of_the_configuration_stands_on_its_page() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    names: set[str] = set()

    def collect(schema: Any) -> None:
        match schema:
            case dict():
                names.update(cast("dict[str, Any]", schema).get("properties", {}))
                for value in cast("dict[str, Any]", schema).values():
                    collect(value)
            case list():
                for value in cast("list[Any]", schema):
                    collect(value)
            case _:
                pass

    collect(config_schema())
    assert names
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", page)) == []


def test_the_examples_on_the_pages_are_valid() -> None:
    checked = 0
    for path in PAGES:
        for language, block in FENCE.findall(path.read_text("utf-8")):
            if language not in ("yaml", "yml"):
                continue
            top = yaml.safe_load(block)
            if "bindings" in top:
                assert read_operator(block).bindings
                checked += 1
            elif {"labels", "environments", "services", "owners"} & set(top):
                assert validate_config(block) == []
                checked += 1
    assert checked >= 3


def test_every_module_stands_on_the_map() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"^\| `([\w/.]+)` \|", page, re.MULTILINE)
    modules = {
        str(path.relative_to(ROOT / "app"))
        for path in TRACKED
        if path.suffix == ".py" and path.is_relative_to(ROOT / "app") and path.name != "__init__.py"
    }
    folders = tuple(name for name in named if name.endswith("/"))
    assert sorted(module for module in modules if module not in named and not module.startswith(folders)) == []
    assert sorted(name for name in named if not (ROOT / "app" / name).exists()) == []
    assert len(named) == len(set(named))


def test_every_signature_has_its_page() -> None:
    pages = {path.stem for path in (ROOT / "docs" / "signatures").glob("*.md")}
    assert sorted(signature.id for signature in CATALOGUE if signature.id not in pages) == []


HOSTS = re.compile(
    "|".join(("py" + r"pi\.org", "python" + r"hosted\.org", "npm" + r"js\.(?:org|com)", "deb" + r"ian\.org"))
)
MACHINE = re.compile(r"(?<![\w/.])/(?:work|tmp)/(?:main|shared|\.library|contract|bash_jobs)|/root/")


def test_no_tracked_file_names_a_registry_or_a_place_on_a_machine() -> None:
    found: list[str] = []
    for path in TRACKED:
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        if path == Path(__file__):
            continue
        found += [
            f"{path.relative_to(ROOT)}: {hit[0]}" for pattern in (HOSTS, MACHINE) for hit in pattern.finditer(text)
        ]
    assert found == []

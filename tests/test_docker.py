"""The image's recipe, read: this machine may have nothing to build it with."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
LINES = [line.split(None, 1) for line in TEXT.splitlines() if line.strip() and not line.startswith("#")]


def arguments(word: str) -> list[str]:
    return [rest for first, rest in LINES if first == word]


def test_everything_that_is_copied_is_there() -> None:
    sources = [shlex.split(rest)[:-1] for rest in arguments("COPY") if not rest.startswith("--from")]
    assert sources
    assert [name for names in sources for name in names if not (ROOT / name).exists()] == []


def test_what_runs_needs_is_in_the_image() -> None:
    copied = {shlex.split(rest)[0] for rest in arguments("COPY")}
    assert {"app", "templates", "app.yml", "requirements.txt"} <= copied


def test_it_runs_as_a_number_that_is_not_root() -> None:
    (user,) = arguments("USER")
    assert user.isdigit()  # a cluster that forbids root can tell a number only
    assert int(user) > 0
    assert f"--uid {user}" in TEXT


def test_packages_are_installed_by_their_hashes_alone() -> None:
    installs = re.findall(r"pip install[^&\n]*", TEXT)
    assert installs
    assert all("--require-hashes" in one for one in installs)


def test_only_the_volume_is_written() -> None:
    (volume,) = arguments("VOLUME")
    (settings,) = [rest for rest in arguments("ENV") if "INFRA_AUDIT_STORE" in rest]
    store = dict(pair.split("=", 1) for pair in shlex.split(settings))["INFRA_AUDIT_STORE"]
    assert Path(store).parent == Path(volume)

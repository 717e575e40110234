"""The bundled incidents, audited as a user would: files in, findings out."""

import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from click.testing import CliRunner, Result
from pydantic import TypeAdapter

from app.cli import main
from app.evidence.model import Evidence
from app.investigate import Findings, conclude

ROOT = Path(__file__).parents[1] / "examples"
NAMES = sorted(path.name for path in ROOT.iterdir() if (path / "issue.md").is_file())


def command(name: str, *more: str) -> list[str]:
    folder = ROOT / name
    return [
        "audit", "--logs", str(folder / "logs.jsonl.gz"), "--repo", str(folder / "repo.bundle"),
        "--issue", str(folder / "issue.md"), *more,
    ]  # fmt: skip


def run(name: str, *more: str) -> Result:
    return CliRunner().invoke(main, command(name, *more), catch_exceptions=False)


@lru_cache(maxsize=32)
def audited(name: str) -> Findings:
    """The findings on one bundled incident."""
    return findings(command(name))


def findings(arguments: Sequence[str]) -> Findings:
    """What the command line finds, by its saved evidence."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "evidence.json"
        done = CliRunner().invoke(main, [*arguments, "--save", str(saved), "--format", "json"], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return conclude(TypeAdapter(Evidence).validate_json(saved.read_bytes()))


@dataclass(frozen=True)
class Commits:
    """Commit ids of an example by a word of their subject."""

    subjects: dict[str, str]

    def of(self, word: str) -> str:
        (sha,) = [sha for sha, subject in self.subjects.items() if word in subject]
        return sha


def commits(name: str, folder: Path) -> Commits:
    target = folder / name
    subprocess.run(["git", "clone", "--quiet", "--bare", str(ROOT / name / "repo.bundle"), str(target)], check=True)
    log = subprocess.run(
        ["git", "-C", str(target), "log", "--all", "--format=%H %s"], check=True, capture_output=True, text=True
    )
    return Commits(dict(line.split(" ", 1) for line in log.stdout.splitlines()))

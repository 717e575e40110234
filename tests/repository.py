"""A real git repository that a test builds step by step, with whatever dates the story wants to mislead with."""

import os
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.evidence.model import CommitSha

BEGIN = datetime(2025, 9, 15, 8, 0, tzinfo=UTC)


class Repository:
    """`main` is checked out at first. Each commit is dated an hour after the last one unless a date is given."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.pulls: list[tuple[tuple[str, ...], str]] = []
        """Commits of squashed branches, and the commit that each became."""
        self._at = BEGIN - timedelta(days=30)
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "A Developer")
        self.git("config", "user.email", "developer@example.com")
        self.git("config", "commit.gpgsign", "false")

    def git(self, *args: str, date: datetime | None = None) -> str:
        self._at += timedelta(hours=1)
        stamp = (date or self._at).isoformat()
        env = os.environ | {
            "GIT_AUTHOR_DATE": stamp,
            "GIT_COMMITTER_DATE": stamp,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_EDITOR": "true",
        }
        done = subprocess.run(["git", *args], cwd=self.path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"git {args}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def feed(self, stream: str) -> None:
        """Many commits at once, as `git fast-import` takes them."""
        subprocess.run(["git", "fast-import", "--quiet"], cwd=self.path, input=stream.encode(), check=True)

    @property
    def tip(self) -> CommitSha:
        return CommitSha(self.git("rev-parse", "HEAD"))

    def commit(
        self, subject: str, files: Mapping[str, str], *, body: str = "", date: datetime | None = None
    ) -> CommitSha:
        for name, text in files.items():
            target = self.path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", f"{subject}\n\n{body}".strip(), date=date)
        return self.tip

    def branch(self, name: str, at: str = "HEAD") -> None:
        self.git("checkout", "--quiet", "-b", name, at)

    def checkout(self, name: str) -> None:
        self.git("checkout", "--quiet", name)

    def merge(self, branch: str, *, subject: str | None = None) -> CommitSha:
        self.git("merge", "--quiet", "--no-ff", "-m", subject or f"Merge branch '{branch}'", branch)
        return self.tip

    def squash(self, branch: str, subject: str) -> CommitSha:
        commits = self.git("rev-list", f"HEAD..{branch}").split()
        self.git("merge", "--quiet", "--squash", branch)
        self.git("commit", "--quiet", "-m", subject)
        self.pulls.append((tuple(commits), self.tip))
        return self.tip

    def cherry_pick(self, sha: str, *options: str, date: datetime | None = None) -> CommitSha:
        self.git("cherry-pick", *options, sha, date=date)
        return self.tip

    def revert(self, sha: str, *options: str, date: datetime | None = None) -> CommitSha:
        self.git("revert", "--no-edit", *options, sha, date=date)
        return self.tip

    def shallow_clone(self, path: Path, depth: int) -> Path:
        """A clone with every branch, cut off `depth` commits back."""
        self.git("clone", "--quiet", f"--depth={depth}", "--no-single-branch", f"file://{self.path}", str(path))
        return path


CODE = """\
import socket

from app import settings


def connect(host):
    timeout = settings.connect_timeout
    deadline = 8.0
    return socket.create_connection((host, 5432), timeout=deadline)


def close(connection):
    connection.close()


def ping(connection):
    connection.send(b"ping")
    return connection.recv(4)
"""
FIXED = CODE.replace("deadline = 8.0", "deadline = timeout or 25.0")
"""`CODE` with the fault mended."""

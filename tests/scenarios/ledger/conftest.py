"""Every story is told twice: to a clone, and to the GitHub API over the same repository."""

from functools import cache
from pathlib import Path

import httpx
import pytest

from app.github.client import GitHub
from app.github.history import GitHubHistory, Memory
from app.history import History
from app.sources.git import open_clone
from tests.fakes.github import FakeGitHub, create_app
from tests.repository import CODE, Repository
from tests.scenarios.ledger.story import Story

LIMIT = 28
"""Calls that are left to the history of an audit."""


@cache
def _github() -> FakeGitHub:
    return FakeGitHub()


def by_clone(repository: Repository) -> History:
    return open_clone(repository.path)


def by_github(repository: Repository) -> History:
    """Behind a stand-in GitHub that knows each squashed branch as a pull request."""
    state, name = _github(), f"acme/{repository.path.name}"
    state.repositories.pop(name, None)
    state.add_repository(name, git=repository.path, merged_pulls=repository.pulls)
    client = GitHub(state.app_id, state.private_key, transport=httpx.ASGITransport(create_app(state)))
    return GitHubHistory(client.installation(state.installation), name, limit=LIMIT, memory=Memory())


@pytest.fixture(params=[by_clone, by_github], ids=["clone", "api"], autouse=True)
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Story, "source", staticmethod(request.param), raising=False)


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repo")
    repository.commit(
        "Begin", {"app/db.py": CODE, "app/settings.py": "connect_timeout = 25.0\n", "README.md": "shop\n"}
    )
    return repository

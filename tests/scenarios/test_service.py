"""The service as its users meet it: somebody writes on an issue, and reads the thread afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes import github as fake
from tests.fakes.github import FakeGitHub, FakeIssue, FakeRepository
from tests.fakes.service import eventually, service


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with fake.running(FakeGitHub()) as state:
        yield state


@pytest.fixture
def repository(github: FakeGitHub) -> FakeRepository:
    return github.add_repository("acme/shop", roles={"dana": "write", "tri": "triage", "rita": "read"})


@pytest.fixture
def issue(github: FakeGitHub, repository: FakeRepository) -> FakeIssue:
    return github.open_issue(repository, "checkout fails since noon")


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "audit.db")


def reactions(github: FakeGitHub, repository: FakeRepository, author: str) -> set[str]:
    found = [c for c in repository.comments.values() if c.author == author]
    return {content for comment in found for _, content in comment.reactions}


def is_report(body: str) -> bool:
    return body.startswith("<!-- infra-audit report") and "in progress" not in body


def test_a_command_leads_to_one_report(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    with service(github, store):
        assert github.send(github.say(repository, issue, "dana", "please look\n/audit since=1h")) == 202
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        ours = github.ours(repository, issue)
        assert [is_report(c.body) for c in ours] == [True]
        assert "Five Whys" in ours[0].body
        assert reactions(github, repository, "dana") == {"eyes", "rocket"}

"""History by the API, over a real repository behind a stand-in GitHub."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.errors import SourceRefused
from app.evidence.entries import parse_entry
from app.evidence.model import (
    CommitClaim,
    CommitSha,
    CommitSource,
    Containment,
    HistoryFacts,
    IssueRef,
    Observations,
    Request,
    Revision,
    RevisionName,
    Scope,
    ServiceName,
    Window,
)
from app.evidence.observe import Observer
from app.github.client import GitHub
from app.github.history import GitHubHistory, Memory
from app.history import confirm_commits, read_history
from app.redact import cut
from tests.fakes import github as fake
from tests.fakes.github import FakeGitHub, FakeRepository
from tests.fakes.openapi.contract import contract

BEGIN = datetime(2025, 9, 15, 8, 0, tzinfo=UTC)


class Clone:
    """A small real repository."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")

    def git(self, *args: str) -> str:
        names = {f"GIT_{who}_{what}": "dana" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["git", "-C", str(self.path), *args],
            capture_output=True,
            text=True,
            check=True,
            env={**names, "PATH": PATH},
        )
        return done.stdout.strip()

    def commit(self, message: str, **files: str) -> CommitSha:
        for name, text in files.items():
            (self.path / f"{name}.py").write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return CommitSha(self.git("rev-parse", "HEAD"))


PATH = subprocess.run(["sh", "-c", "echo $PATH"], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with fake.running(FakeGitHub()) as state:
        state.contract = contract()
        yield state
        assert state.violations == []


@pytest.fixture
def repository(github: FakeGitHub, clone: Clone) -> FakeRepository:
    return github.add_repository("acme/shop", git=clone.path)


@pytest.fixture
async def history(github: FakeGitHub, repository: FakeRepository) -> AsyncIterator[GitHubHistory]:
    client = GitHub(github.app_id, github.private_key, base_url=github.address)
    yield GitHubHistory(client.installation(99), "acme/shop", limit=40, memory=Memory())
    await client.close()


async def test_commits_come_with_their_changes(history: GitHubHistory, clone: Clone) -> None:
    clone.commit("First", shop="a = 1\n")
    second = clone.commit("Second\n\nwith a body", shop="a = 2\n", other="b = 1\n")
    assert await history.head() == second
    assert await history.resolve(second[:9]) == second
    assert await history.resolve("0123456") is None
    assert await history.resolve("--help") is None
    (commit,) = await history.commits([second])
    assert (commit.subject, commit.body) == ("Second", "with a body")
    assert [(c.old_path, c.path) for c in commit.changes] == [(None, "other.py"), ("shop.py", "shop.py")]
    assert commit.changes[1].hunks[0].added == ((1, "a = 2"),)


async def test_files_trees_and_blame(history: GitHubHistory, clone: Clone) -> None:
    first = clone.commit("First", shop="a = 1\nb = 1\n")
    second = clone.commit("Second", shop="a = 1\nb = 2\n")
    assert await history.paths(first) == ("shop.py",)
    assert await history.file(first, "shop.py") == "a = 1\nb = 1\n"
    assert await history.file(first, "nowhere.py") is None
    blame = await history.blame(second, "shop.py", 2)
    assert blame is not None
    assert (blame.sha, blame.subject) == (second, "Second")


async def test_a_range_is_newest_first_and_says_when_it_is_cut(history: GitHubHistory, clone: Clone) -> None:
    base = clone.commit("Base")
    shas = [clone.commit(f"Commit {number}") for number in range(3)]
    assert await history.between(base, shas[-1], limit=10) == (tuple(reversed(shas)), True)
    assert await history.between(base, shas[-1], limit=2) == (tuple(reversed(shas))[:2], False)


async def test_an_ancestor_is_contained_and_a_later_commit_is_not(history: GitHubHistory, clone: Clone) -> None:
    fix = clone.commit("Fix", shop="a = 2\n")
    running = clone.commit("Next", shop="a = 3\n")
    assert (await history.containment(fix, running)).state is Containment.CONTAINED
    assert (await history.containment(running, running)).state is Containment.CONTAINED
    assert (await history.containment(running, fix)).state is Containment.ABSENT


async def test_a_reverted_fix_is_not_contained_until_it_is_applied_again(history: GitHubHistory, clone: Clone) -> None:
    clone.commit("Base", shop="a = 1\n")
    fix = clone.commit("Fix", shop="a = 2\n")
    clone.git("revert", "--no-edit", fix)
    revert = CommitSha(clone.git("rev-parse", "HEAD"))
    fact = await history.containment(fix, revert)
    assert (fact.state, fact.via) == (Containment.REVERTED, revert)
    clone.git("revert", "--no-edit", revert)
    again = CommitSha(clone.git("rev-parse", "HEAD"))
    assert (await history.containment(fix, again)).state in (Containment.CONTAINED, Containment.EQUIVALENT)


@pytest.mark.parametrize("note", [("-x",), ()], ids=["says so", "same change"])
async def test_a_picked_fix_is_carried_by_another_commit(
    history: GitHubHistory, clone: Clone, note: tuple[str, ...]
) -> None:
    base = clone.commit("Base", shop="connect_timeout = 1\n")
    fix = clone.commit("Fix the timeout", shop="connect_timeout = 2\n")
    clone.git("checkout", "-q", "-b", "release", base)
    clone.commit("Release notes", notes="x = 1\n")
    clone.git("cherry-pick", *note, fix)
    picked = CommitSha(clone.git("rev-parse", "HEAD"))
    fact = await history.containment(fix, picked)
    assert (fact.state, fact.via) == (Containment.EQUIVALENT, picked)


async def test_what_the_allowance_does_not_reach_is_unknown(
    github: FakeGitHub, repository: FakeRepository, clone: Clone
) -> None:
    fix, running = clone.commit("Fix"), clone.commit("Next")
    client = GitHub(github.app_id, github.private_key, base_url=github.address)
    history = GitHubHistory(client.installation(99), "acme/shop", limit=0, memory=Memory())
    fact = await history.containment(fix, running)
    assert fact.state is Containment.UNKNOWN
    assert "spent" in fact.reason
    with pytest.raises(SourceRefused):
        await history.head()
    await client.close()


async def test_what_never_changes_is_asked_once(github: FakeGitHub, repository: FakeRepository, clone: Clone) -> None:
    fix, running = clone.commit("Fix", shop="a = 1\n"), clone.commit("Next")
    client, memory = GitHub(github.app_id, github.private_key, base_url=github.address), Memory()
    for _ in range(2):
        session = client.installation(99)
        history = GitHubHistory(session, "acme/shop", limit=40, memory=memory)
        await history.containment(fix, running)
        await history.commits([fix])
        await history.paths(fix)
        await history.file(fix, "shop.py")
    assert session.calls == 0
    await client.close()


async def test_another_repository_knows_nothing_of_it(history: GitHubHistory, github: FakeGitHub, clone: Clone) -> None:
    clone.commit("First")
    github.repositories.clear()
    with pytest.raises(SourceRefused):
        await history.head()


# --- how many calls it takes ---

FAILS = """Traceback (most recent call last):
  File "/workspace/shop.py", line 4, in connect
    raise TimeoutError(f"connect timed out after {deadline}s")
TimeoutError: connect timed out after 8.0s"""
CODE = """def connect():
    deadline = 8.0
    work()
    raise TimeoutError(f"connect timed out after {deadline}s")
"""


def _revision(name: str, sha: str, minute: int, *, serving: bool) -> Revision:
    claim = CommitClaim(CommitSha(sha), CommitSource.REVISION_LABEL)
    at = BEGIN + timedelta(minutes=minute)
    return Revision(RevisionName(name), ServiceName("api"), (claim,), at, True, None, serving, at, False, None, ())


def _observed(revision: str) -> Observations:
    observer = Observer()
    for minute in range(6, 16):
        raw = {
            "timestamp": (BEGIN + timedelta(minutes=minute)).isoformat(),
            "insertId": f"i{minute}",
            "logName": "projects/shop/logs/run.googleapis.com%2Fstderr",
            "resource": {"type": "cloud_run_revision", "labels": {"service_name": "api", "revision_name": revision}},
            "severity": "ERROR",
            "textPayload": FAILS,
        }
        observer.add(parse_entry(raw, "logs.jsonl:1"))
    return observer.finish()


async def _audit(history: GitHubHistory, before: str, running: str, text: str) -> tuple[HistoryFacts, list[str]]:
    window = Window(BEGIN, BEGIN + timedelta(hours=1))
    issue = IssueRef("acme/shop", 7, cut("Timeouts"), cut(text))
    request = Request(window, window.end, issue=issue, scope=Scope(source_roots=("/workspace",)))
    revisions = await confirm_commits(
        history, [_revision("api-1", before, 0, serving=False), _revision("api-2", running, 5, serving=True)]
    )
    facts, gaps = await read_history(history, request, _observed("api-2"), revisions, None)
    return facts, [gap.reason for gap in gaps]


async def test_a_small_repository_is_read_whole_in_a_dozen_calls(github: FakeGitHub, clone: Clone) -> None:
    repository = github.add_repository("acme/shop", git=clone.path)
    before = clone.commit("Begin", shop="def connect():\n    work()\n")
    running = clone.commit("Give up after 8 s", shop=CODE)
    fix = clone.commit("Wait for 25 s", shop=CODE.replace("8.0", "25.0"))
    client = GitHub(github.app_id, github.private_key, base_url=github.address)
    session = client.installation(99)
    history = GitHubHistory(session, repository.full_name, limit=28, memory=Memory())
    facts, gaps = await _audit(history, before, running, f"fixed by {fix[:9]}")
    assert gaps == []
    assert session.calls <= 12
    assert [(f.fix, f.running, f.state) for f in facts.containment] == [
        (fix, running, Containment.ABSENT),
        (fix, before, Containment.ABSENT),
    ]
    assert [rollout.commits for rollout in facts.rollouts] == [(running,)]
    excerpt = facts.frames[0].excerpt
    assert excerpt is not None
    assert excerpt.blame is not None
    assert excerpt.blame.sha == running
    assert {(c.role, c.value) for c in facts.constants if c.name.endswith("deadline")} >= {
        ("running", "8.0"),
        ("head", "25.0"),
    }
    await client.close()


async def test_of_a_large_rollout_the_commits_that_touch_the_failing_code_are_read_and_the_rest_is_said(
    github: FakeGitHub, clone: Clone
) -> None:
    repository = github.add_repository("acme/shop", git=clone.path)
    before = clone.commit("Begin", shop="def connect():\n    work()\n")
    culprit = clone.commit("Give up after 8 s", shop=CODE)
    for number in range(60):
        running = clone.commit(f"Page {number}", page=f"number = {number}\n")
    client = GitHub(github.app_id, github.private_key, base_url=github.address)
    session = client.installation(99)
    history = GitHubHistory(session, repository.full_name, limit=28, memory=Memory())
    facts, gaps = await _audit(history, before, running, "it fails")
    assert session.calls <= 28
    assert len(facts.rollouts[0].commits) == 61
    read = {commit.sha for commit in facts.commits if commit.changes and commit.changes[0].path == "shop.py"}
    assert read == {culprit, before}
    (gap,) = gaps
    assert gap.startswith("the changes of 51 of 60 commits")
    assert facts.frames[0].excerpt is not None
    await client.close()


# --- what was deployed ---


async def test_a_deployment_under_way_when_a_revision_was_made_tells_its_commit_where_nothing_else_does(
    history: GitHubHistory, repository: FakeRepository, clone: Clone
) -> None:
    old, new, other = clone.commit("Old"), clone.commit("New"), clone.commit("Other")

    def at(minute: int) -> str:
        return (BEGIN + timedelta(minutes=minute)).isoformat()

    repository.deployments = [
        ("staging", other, at(19), [("SUCCESS", at(24))]),
        ("staging", new, at(19), [("SUCCESS", at(22)), ("IN_PROGRESS", at(19))]),
        ("staging", new, at(9), [("SUCCESS", at(12)), ("INACTIVE", at(30))]),
        ("staging", other, at(9), [("FAILURE", at(12))]),
        ("production", old, at(9), [("SUCCESS", at(12))]),
    ]
    labelled = _revision("api-1", old, 10, serving=False)
    silent = replace(_revision("api-2", old, 10, serving=True), commits=())
    torn = replace(_revision("api-3", old, 20, serving=True), commits=())
    before = replace(_revision("api-4", old, 5, serving=True), commits=())
    told = await confirm_commits(history, [labelled, silent, torn, before], environment="staging")
    assert [revision.commit for revision in told] == [old, new, None, None]
    assert told[1].commits == (CommitClaim(new, CommitSource.GITHUB_DEPLOYMENT, True),)
    assert {claim.sha for claim in told[2].commits} == {new, other}
    assert (await confirm_commits(history, [silent]))[0].commit is None
    assert (await confirm_commits(history, [silent], environment="production"))[0].commit == old

"""Whatever GitHub leaves out or does not answer, no verdict is wrong for it: it is right, or unknown with its reason."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.diagnosis.ledger import build_ledger
from app.diagnosis.model import CommitRef, CompareRef, FixVerdict, LedgerRow, Match, RevisionRef, plain
from app.errors import SourceRefused
from app.evidence.model import CommitSha, Evidence
from app.github import client
from app.github.client import GitHub
from app.github.history import GitHubHistory, Memory
from tests.fakes import github as fake
from tests.fakes.github import FakeGitHub, FakeRepository, Fault
from tests.fakes.openapi.contract import contract
from tests.repository import CODE, FIXED, Repository
from tests.scenarios.ledger.conftest import LIMIT
from tests.scenarios.ledger.story import CONTAINED, GROUP, Story, cured

ASKED = r"^/(repos|graphql)"


@pytest.fixture(scope="module")
def server() -> Iterator[FakeGitHub]:
    with fake.running(FakeGitHub()) as state:
        state.contract = contract()
        yield state


@pytest.fixture
def github(server: FakeGitHub) -> Iterator[FakeGitHub]:
    server.repositories.clear()
    server.faults.clear()
    server.requests.clear()
    yield server
    assert server.violations == []


@pytest.fixture(autouse=True)
async def source(github: FakeGitHub, repo: Repository, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Stories are told to the API alone, over HTTP; nobody waits between attempts."""
    clients: list[GitHub] = []

    async def at_once(_seconds: float) -> None:
        await asyncio.sleep(0)

    def by_http(_repository: Repository) -> GitHubHistory:
        clients.append(GitHub(github.app_id, github.private_key, base_url=github.address, sleep=at_once))
        return GitHubHistory(clients[-1].installation(github.installation), "acme/shop", limit=LIMIT, memory=Memory())

    monkeypatch.setattr(Story, "source", staticmethod(by_http), raising=False)
    github.add_repository("acme/shop", git=repo.path)
    yield
    for one in clients:
        await one.close()


@pytest.fixture
def shop(github: FakeGitHub) -> FakeRepository:
    return github.repositories["acme/shop"]


def judged(evidence: Evidence, fix: str) -> LedgerRow | None:
    """None: the fix was not even found."""
    rows = build_ledger(evidence, (Match(CommitSha(fix), GROUP, 0.9, True, (), ()),))
    return next((row for row in rows if row.fix.sha == fix), None)


# --- what happened to the fix, and the verdict that is right ---


def merged(repo: Repository) -> tuple[Story, str, FixVerdict]:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    return cured(repo, base, repo.merge("topic"), fix), fix, CONTAINED


def left_out(repo: Repository) -> tuple[Story, str, FixVerdict]:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    repo.git("merge", "--quiet", "--strategy=ours", "-m", "Merge topic", "topic")
    return cured(repo, base, repo.commit("More", {"README.md": "y\n"}), fix), fix, FixVerdict.NOT_DEPLOYED


def reverted(repo: Repository) -> tuple[Story, str, FixVerdict]:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.revert(fix)
    return cured(repo, base, repo.commit("More", {"README.md": "y\n"}), fix), fix, FixVerdict.NOT_DEPLOYED


def picked(repo: Repository) -> tuple[Story, str, FixVerdict]:
    base = repo.tip
    repo.branch("release-1")
    repo.commit("Else", {"README.md": "x\n"})
    repo.checkout("main")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("release-1")
    running = repo.cherry_pick(fix)
    repo.checkout("main")
    return cured(repo, base, running, fix), fix, CONTAINED


def missing(repo: Repository) -> tuple[Story, str, FixVerdict]:
    base = repo.tip
    repo.branch("release-1")
    running = repo.commit("Else", {"app/db.py": CODE.replace("ping", "pong")})
    repo.checkout("main")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    return cured(repo, base, running, fix), fix, FixVerdict.NOT_DEPLOYED


HAPPENED = [merged, left_out, reverted, picked, missing]
LIMITED = {
    "x-ratelimit-remaining": "0",
    "x-ratelimit-reset": str(int((datetime.now(UTC) + timedelta(hours=1)).timestamp())),
}


@pytest.mark.parametrize("happened", HAPPENED)
@pytest.mark.parametrize(
    "fault",
    [
        lambda skip: Fault("ANY", ASKED, 502, times=3, skip=skip),
        lambda skip: Fault("ANY", ASKED, 500, times=99, skip=skip),
        lambda skip: Fault("ANY", ASKED, 403, times=99, skip=skip, headers=LIMITED, message="API rate limit exceeded"),
        lambda skip: Fault("ANY", ASKED, 403, skip=skip, message="Resource not accessible by integration"),
        lambda skip: Fault("ANY", ASKED, 404, skip=skip, message="Not Found"),
    ],
    ids=["one broken gateway", "out from then on", "limited from then on", "one forbidden", "one missing"],
)
async def test_whichever_question_fails_no_verdict_is_wrong(
    repo: Repository,
    github: FakeGitHub,
    happened: Callable[[Repository], tuple[Story, str, FixVerdict]],
    fault: Callable[[int], Fault],
) -> None:
    story, fix, right = happened(repo)
    assert await story.verdict(fix) is right
    questions = len([path for _, path, _ in github.requests if not path.endswith("access_tokens")])
    heard: set[FixVerdict | None] = set()
    for skip in range(questions):
        github.faults[:] = [fault(skip)]
        try:
            evidence = await story.evidence()
        except SourceRefused:
            continue  # nothing was read at all, and the report says so
        row = judged(evidence, fix)
        heard.add(row.verdict if row else None)
        assert row is None or row.verdict in (right, FixVerdict.UNKNOWN), plain(row.because.text)
        assert row is not None or evidence.gaps
    assert heard


async def test_an_answer_that_does_not_come_leaves_only_its_question_open(
    repo: Repository, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hanging:
        def at(self, method: str, path: str, body: Any) -> bool | None:
            return False if "/compare/" in path or path.endswith(f"/commits/{fix}") else None

    story, fix, _ = merged(repo)
    monkeypatch.setattr(client, "TIMEOUT", 0.3)
    monkeypatch.setattr(github, "deaths", Hanging())
    row = await story.row(fix)
    assert row.verdict is FixVerdict.UNKNOWN
    assert "GitHub cannot be reached: ReadTimeout" in plain(row.because.text)


async def test_unknown_comes_with_what_a_reader_can_run(repo: Repository, github: FakeGitHub) -> None:
    story, fix, _ = merged(repo)
    github.faults.append(Fault("GET", f"/commits/{fix}$", 500, times=99))
    row = await story.row(fix)
    assert row.verdict is FixVerdict.UNKNOWN
    assert "what it changes was not read" in plain(row.because.text)
    refs = {type(ref) for ref in row.because.evidence}
    assert CompareRef in refs
    assert RevisionRef in refs


async def test_a_fix_whose_fork_is_gone_is_unknown(repo: Repository) -> None:
    story, _, _ = merged(repo)
    gone = CommitSha("c0ffee" * 6 + "c0ff")
    story.linked = (gone,)
    row = await story.row(gone)
    assert row.verdict is FixVerdict.UNKNOWN
    assert CommitRef(gone) in row.because.evidence


async def test_a_running_commit_that_was_pushed_away_is_unknown(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.branch("lost")
    running = repo.commit("Else", {"README.md": "x\n"})
    repo.checkout("main")
    story = cured(repo, base, running, fix)
    repo.git("branch", "-D", "lost")
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("prune", "--expire=now")
    assert await story.verdict(fix) is FixVerdict.UNKNOWN
    assert f"claims to run {running[:12]}, which the repository does not have" in await story.because(fix)


async def test_another_default_branch_changes_no_answer(repo: Repository) -> None:
    story, fix, right = merged(repo)
    repo.git("branch", "-m", "main", "trunk")
    assert await story.verdict(fix) is right


async def test_a_repository_without_a_commit_says_so(repo: Repository, shop: FakeRepository, tmp_path: Any) -> None:
    story, fix, _ = merged(repo)
    shop.git = Repository(tmp_path / "empty").path
    with pytest.raises(SourceRefused, match="no commits"):
        await story.row(fix)


async def test_a_repository_that_is_hidden_is_not_said_to_be_empty(repo: Repository, github: FakeGitHub) -> None:
    story, fix, _ = merged(repo)
    github.repositories.clear()
    with pytest.raises(SourceRefused, match="404 Not Found"):
        await story.row(fix)


# --- parts of an answer ---


async def test_files_that_a_query_could_not_give_are_read_one_by_one(
    repo: Repository, shop: FakeRepository, github: FakeGitHub
) -> None:
    story, fix, right = left_out(repo)
    shop.broken = {f"{repo.tip}:app/db.py", f"{fix}:app/db.py"}
    assert await story.verdict(fix) is right
    assert sum("/contents/" in path for _, path, _ in github.requests) == 2


async def test_a_running_commit_that_a_query_could_not_give_is_not_said_to_be_missing(
    repo: Repository, shop: FakeRepository
) -> None:
    story, fix, right = picked(repo)
    shop.broken = {repo.git("rev-parse", "release-1")}
    assert await story.verdict(fix) in (right, FixVerdict.UNKNOWN)
    assert "does not have" not in await story.because(fix)


# --- what GitHub leaves out of a commit ---

DATA = "".join(f"row {number}\n" for number in range(400))


async def test_equal_small_changes_are_not_the_same_when_the_large_ones_were_not_compared(
    repo: Repository, shop: FakeRepository
) -> None:
    base = repo.commit("Data", {"data.csv": "row 0\n"})
    repo.branch("release-1")
    running = repo.commit(
        "Another", {"app/settings.py": "connect_timeout = 30.0\n", "data.csv": DATA.replace("1", "7")}
    )
    repo.checkout("main")
    fix = repo.commit("Fix", {"app/settings.py": "connect_timeout = 30.0\n", "data.csv": DATA})
    shop.largest_patch = 1000
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.UNKNOWN


async def test_large_files_with_the_same_content_are_the_same_change(repo: Repository, shop: FakeRepository) -> None:
    base = repo.commit("Data", {"data.csv": "row 0\n"})
    repo.branch("release-1")
    repo.commit("Else", {"README.md": "x\n"})
    repo.checkout("main")
    fix = repo.commit("Fix", {"app/settings.py": "connect_timeout = 30.0\n", "data.csv": DATA})
    repo.checkout("release-1")
    running = repo.cherry_pick(fix)
    shop.largest_patch = 1000
    assert await cured(repo, base, running, fix).verdict(fix) is CONTAINED


async def test_a_large_change_that_was_put_back_is_seen_by_the_file(repo: Repository, shop: FakeRepository) -> None:
    base = repo.commit("Data", {"data.csv": "row 0\n"})
    fix = repo.commit("Fix", {"data.csv": DATA})
    running = repo.commit("Smaller again", {"data.csv": "row 0\n"})
    shop.largest_patch = 1000
    story = cured(repo, base, running, fix)
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED
    assert "a change that puts back what it replaced" in await story.because(fix)


async def test_of_more_files_than_a_commit_lists_none_is_taken_for_all(repo: Repository) -> None:
    base = repo.tip
    many = {f"pages/{number:03}.txt": f"page {number} of many\n" for number in range(310)}
    repo.branch("release-1")
    running = repo.commit("Pages", many | {"pages/309.txt": "another page\n"})
    repo.checkout("main")
    fix = repo.commit("Fix", many)
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.UNKNOWN


async def test_a_merge_further_back_than_a_comparison_lists_is_still_noticed(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    repo.git("merge", "--quiet", "--strategy=ours", "-m", "Merge topic", "topic")
    stream = "".join(
        f"commit refs/heads/main\ncommitter A <a@example.com> {1_757_000_000 + number} +0000\ndata 1\n.\n"
        + ("from refs/heads/main^0\n" if number == 0 else "")
        for number in range(700)
    )
    repo.feed(stream)
    story = cured(repo, base, repo.tip, fix)
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED
    assert "the place is as it was before" in await story.because(fix)

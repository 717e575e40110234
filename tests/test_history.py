"""What is read of a repository for one incident: bounded, most telling first, and what is refused becomes a gap."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.errors import SourceRefused
from app.evidence.deployments import assemble_revisions
from app.evidence.entries import parse_entry
from app.evidence.model import (
    CommitClaim,
    CommitSha,
    CommitSource,
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
from app.history import Budget, History, confirm_commits, issue_numbers, mentions_of, read_history
from app.redact import cut
from app.sources.git import Clone, open_clone
from tests.repository import CODE, FIXED, Repository

BEGIN = datetime(2025, 9, 15, 8, 0, tzinfo=UTC)
WINDOW = Window(BEGIN, BEGIN + timedelta(hours=1))
TRACE = """\
Traceback (most recent call last):
  File "/workspace/app/db.py", line 9, in connect
    return socket.create_connection((host, 5432), timeout=deadline)
  File "/usr/lib/python3.11/socket.py", line 851, in create_connection
    raise exceptions[0]
TimeoutError: connect timed out after 8.0s"""


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repo")
    repository.commit("Begin", {"app/db.py": CODE, "app/settings.py": "connect_timeout = 25.0\n"})
    return repository


def observed(commit: str, *, revision: str = "api-00001-abc") -> Observations:
    observer = Observer()
    for minute in range(10):
        raw = {
            "timestamp": (BEGIN + timedelta(minutes=minute)).isoformat(),
            "insertId": f"i{minute}",
            "logName": "projects/shop/logs/run.googleapis.com%2Fstderr",
            "resource": {"type": "cloud_run_revision", "labels": {"service_name": "api", "revision_name": revision}},
            "labels": {"instanceId": "a", "commit-sha": commit},
            "severity": "ERROR",
            "textPayload": TRACE,
        }
        observer.add(parse_entry(raw, "logs.jsonl:1"))
    return observer.finish()


def asked(body: str = "", **fields: object) -> Request:
    issue = IssueRef("octo/shop", 7, cut("Timeouts"), cut(body))
    return replace(Request(WINDOW, WINDOW.end, issue=issue, scope=Scope(source_roots=("/workspace",))), **fields)


async def read(
    history: History, request: Request, observations: Observations, budget: Budget | None = None
) -> tuple[HistoryFacts, list[str]]:
    revisions = await confirm_commits(history, assemble_revisions(observations, (), {}, WINDOW))
    facts, gaps = await read_history(history, request, observations, revisions, None, budget=budget or Budget())
    return facts, [gap.reason for gap in gaps]


# --- the code behind the errors ---


async def test_own_frames_are_shown_at_the_running_commit_and_not_at_the_head(repo: Repository) -> None:
    running = repo.tip
    repo.commit("Move", {"app/db.py": "# moved\n" * 5 + CODE})
    facts, gaps = await read(open_clone(repo.path), asked(), observed(running))
    (source,) = facts.frames
    assert (source.path, source.frame.function) == ("app/db.py", "connect")
    excerpt = source.excerpt
    assert excerpt is not None
    assert (excerpt.sha, excerpt.role, excerpt.line, excerpt.function) == (running, "running", 9, "connect")
    assert dict(excerpt.lines)[9] == "    return socket.create_connection((host, 5432), timeout=deadline)"
    assert excerpt.blame is not None
    assert (excerpt.blame.sha, excerpt.blame.author) == (running, "A Developer")
    assert gaps == []


async def test_when_the_running_commit_is_not_known_the_head_is_shown_and_said(repo: Repository) -> None:
    facts, _ = await read(open_clone(repo.path), asked(), observed("f" * 40))
    excerpt = facts.frames[0].excerpt
    assert excerpt is not None
    assert (excerpt.sha, excerpt.role) == (repo.tip, "head")


async def test_secrets_do_not_reach_the_excerpt(repo: Repository) -> None:
    secret = "ghp_" + "Zx81" * 9
    repo.commit("Oops", {"app/db.py": CODE.replace("deadline = 8.0", f"deadline = 8.0  # {secret}")})
    facts, _ = await read(open_clone(repo.path), asked(), observed(repo.tip))
    assert facts.frames[0].excerpt is not None
    assert secret not in repr(facts)


async def test_constants_beside_the_observed_value_are_read_where_it_runs_at_the_head_and_in_the_fix(
    repo: Repository,
) -> None:
    running = repo.tip
    fix = repo.commit("Wait longer", {"app/db.py": CODE.replace("deadline = 8.0", "deadline = 25.0")}, body="Fixes #7")
    facts, _ = await read(open_clone(repo.path), asked(), observed(running))
    told = {(c.role, c.sha, c.value) for c in facts.constants if c.name.endswith("deadline")}
    assert told == {
        ("running", running, "8.0"),
        ("head", fix, "25.0"),
        ("fix-before", fix, "8.0"),
        ("fix-after", fix, "25.0"),
    }


async def test_the_file_that_holds_the_message_is_read_though_no_frame_names_it(repo: Repository) -> None:
    text = 'CONNECT_TIMEOUT = 8.0\n\n\ndef refuse(s):\n    raise TimeoutError(f"connect timed out after {s}s")\n'
    sha = repo.commit("Limits", {"app/limits.py": text})
    facts, _ = await read(open_clone(repo.path), asked(), observed(sha))
    assert any(constant.path == "app/limits.py" and constant.name == "CONNECT_TIMEOUT" for constant in facts.constants)


async def test_a_constant_that_only_a_fix_points_to_is_read_where_it_runs_and_at_the_head(repo: Repository) -> None:
    running = repo.commit("Limits", {"app/limits.py": "CONNECT_TIMEOUT = 8.0\n"})
    fix = repo.commit("Wait longer", {"app/limits.py": "CONNECT_TIMEOUT = 25.0\n"}, body="Fixes #7")
    facts, _ = await read(open_clone(repo.path), asked(), observed(running))
    told = {(c.role, c.sha, c.value) for c in facts.constants if c.path == "app/limits.py"}
    assert {("running", running, "8.0"), ("head", fix, "25.0")} <= told


# --- rollouts and commits ---


async def test_what_a_rollout_brought_is_told_between_known_commits(repo: Repository) -> None:
    old = repo.tip
    one = repo.commit("One", {"a": "1\n"})
    two = repo.commit("Two", {"a": "2\n"})
    revisions = tuple(
        Revision(
            RevisionName(name),
            ServiceName("api"),
            (CommitClaim(CommitSha(sha), CommitSource.REVISION_LABEL, True),),
            None,
            True,
            None,
            serving,
            BEGIN + timedelta(minutes=minute),
            False,
            None,
            (),
        )
        for name, sha, serving, minute in (("api-1", old, False, 0), ("api-2", two, True, 5))
    )
    facts, _ = await read_history(open_clone(repo.path), asked(), observed(old), revisions, None)
    (rollout,) = facts.rollouts
    assert (rollout.revision, rollout.previous, rollout.running) == ("api-2", old, two)
    assert (rollout.commits, rollout.complete) == ((two, one), True)
    facts, _ = await read_history(
        open_clone(repo.path), asked(), observed(old), revisions, None, budget=Budget(range=1)
    )
    assert (facts.rollouts[0].commits, facts.rollouts[0].complete) == ((two,), False)


async def test_the_budget_bounds_what_is_read_and_named_fixes_come_first(repo: Repository) -> None:
    running = repo.tip
    fix = repo.commit("Named", {"app/db.py": FIXED}, body="Fixes #7")
    for i in range(6):
        repo.commit(f"Other {i}", {"n": f"{i}\n"})
    facts, _ = await read(open_clone(repo.path), asked(), observed(running), Budget(changes=2, recent=10))
    assert len(facts.commits) == 2
    assert fix in {commit.sha for commit in facts.commits}
    assert facts.commits_read == 8


async def test_short_claims_become_full_and_tags_that_are_no_commits_are_dropped(repo: Repository) -> None:
    def revision(*claims: CommitClaim) -> Revision:
        name, service = RevisionName("api-1"), ServiceName("api")
        return Revision(name, service, claims, None, None, None, None, None, True, None, ())

    known = CommitClaim(CommitSha(repo.tip[:8]), CommitSource.REVISION_LABEL)
    tag = CommitClaim(CommitSha("abc1234"), CommitSource.IMAGE_TAG)
    wrong = CommitClaim(CommitSha("f" * 40), CommitSource.REVISION_LABEL)
    told, bad = await confirm_commits(open_clone(repo.path), [revision(known, tag), revision(wrong)])
    assert told.commits == (CommitClaim(repo.tip, CommitSource.REVISION_LABEL, True),)
    assert bad.commits == (replace(wrong, in_history=False),)


# --- refusals ---


class Refusing(Clone):
    """A clone that refuses some questions."""

    def __init__(self, clone: Clone, *refused: str) -> None:
        super().__init__(clone._shadow, clone._objects, clone._timeout)  # pyright: ignore[reportPrivateUsage]
        self.kept = clone
        self.refused = refused

    def _check(self, name: str) -> None:
        if name in self.refused:
            raise SourceRefused("history", f"no {name} today", meaning="not read")

    async def paths(self, sha: CommitSha) -> tuple[str, ...]:
        self._check("paths")
        return await super().paths(sha)

    async def recent(self, *, limit: int):  # pyright: ignore[reportReturnType]
        self._check("recent")
        return await super().recent(limit=limit)

    async def commits(self, shas: Sequence[CommitSha]):  # pyright: ignore[reportReturnType]
        self._check("commits")
        return await super().commits(shas)

    async def head(self) -> CommitSha:
        self._check("head")
        return await super().head()


@pytest.mark.parametrize("refused", ["paths", "recent", "commits"])
async def test_one_refusal_is_a_gap_and_the_rest_is_read(repo: Repository, refused: str) -> None:
    history = Refusing(open_clone(repo.path), refused)
    facts, gaps = await read(history, asked(), observed(repo.tip))
    assert gaps == [f"no {refused} today"]
    assert facts.head == repo.tip
    assert bool(facts.frames) is (refused != "paths")
    assert bool(facts.commits) is (refused == "paths")


async def test_a_repository_that_does_not_even_tell_its_head_is_refused(repo: Repository) -> None:
    with pytest.raises(SourceRefused, match="no head today"):
        await read(Refusing(open_clone(repo.path), "head"), asked(), observed(repo.tip))


# --- the issue's text ---


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Issue #1263 (commits dc0086952, dba8a2723)", [("dc0086952", "#1263"), ("dba8a2723", "#1263")]),
        ("#1 abc1234 and #2 def5678", [("abc1234", "#1"), ("def5678", "#2")]),
        ("fixed by abc1234\nsee #9", [("abc1234", None)]),
        ("`abc1234`", [("abc1234", None)]),
        ("defaced 12345678 abcdefa 20250915", []),
        ("trace 0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", []),
        ("image api@sha256:" + "ab12" * 16, []),
        ("https://github.com/o/r/commit/" + "ab12" * 10, [("ab12" * 10, None)]),
        ("revision api-00042-abc1234", []),
    ],
)
def test_commit_ids_in_the_text_of_an_issue(text: str, names: list[tuple[str, str | None]]) -> None:
    issue = IssueRef("octo/shop", 7, cut("Timeouts"), cut(text))
    assert [(mention.name, mention.issue) for mention in mentions_of(issue)] == names


def test_numbers_of_issues_are_the_own_one_and_those_in_the_text() -> None:
    issue = IssueRef("octo/shop", 7, cut("Like #3"), cut("see #12, &#39; and a/#5, octo/shop#6"))
    assert issue_numbers(issue) == {3, 7, 12}

"""Which commits are looked at as fixes, what ties them to a group, and which commits are suspected."""

from dataclasses import replace

import pytest

from app.diagnosis.changes import match_commits
from app.diagnosis.ledger import build_ledger, find_suspects
from app.diagnosis.model import FixVerdict, LedgerRow, Match, Suspect, plain
from app.evidence.model import CommitSha, ErrorGroup, ExceptionInfo, FixOrigin, Frame, Language, Onset, StackTrace
from app.redact import cut
from tests.repository import CODE, FIXED, Repository
from tests.scenarios.ledger.story import GROUP, Story, at


class Traced(Story):
    """The group has a stack trace through `connect` of `app/db.py`, and fits are judged, not given."""

    def group(self) -> ErrorGroup | None:
        plain_group = super().group()
        if plain_group is None:
            return None
        frame = Frame(cut("connect"), cut("/srv/app/db.py"), 9, None, True)
        info = ExceptionInfo(cut("ConnectTimeout"), cut("connect timed out after 8.0s"), (frame,))
        return replace(plain_group, trace=StackTrace(Language.PYTHON, (info,)))

    async def judge(self) -> tuple[tuple[LedgerRow, ...], tuple[Suspect, ...]]:
        evidence = await self.evidence()
        matches: list[Match] = []
        for group in evidence.observations.groups:
            matches += match_commits(group, evidence.history.commits, evidence.history)
        return build_ledger(evidence, matches), find_suspects(evidence, matches)


def _failing(repo: Repository, text: str, running: str | None = None) -> Traced:
    story = Traced(repo, issue_text=text)
    story.revision("api-1", running or repo.tip)
    story.requests("api-1", range(360))
    story.errors("api-1", range(0, 360, 3))
    return story


# --- unrelated ---


async def test_a_commit_that_touches_nothing_of_the_error_is_unrelated_though_the_issue_names_it(
    repo: Repository,
) -> None:
    other = repo.commit("Reword the greeting", {"README.md": "welcome\n"})
    rows, _ = await _failing(repo, f"Issue #7 was mended by {other}").judge()
    (row,) = rows
    assert (row.verdict, row.group) == (FixVerdict.UNRELATED, None)
    assert "touches the code or the words of any of the 1 error groups" in plain(row.because.text)
    assert plain(row.because.text).endswith("it runs in api-1")


async def test_an_unrelated_commit_that_does_not_run_stays_unrelated_and_that_is_said(repo: Repository) -> None:
    running = repo.tip
    other = repo.commit("Reword the greeting", {"README.md": "welcome\n"})
    rows, _ = await _failing(repo, f"#7: {other}", running).judge()
    assert rows[0].verdict is FixVerdict.UNRELATED
    assert plain(rows[0].because.text).endswith("it does not run in api-1")


async def test_a_commit_for_another_issue_whose_errors_are_not_in_the_window_is_unrelated(repo: Repository) -> None:
    auth = repo.commit("Refresh the login token", {"app/auth.py": "def refresh(token):\n    return token.renew()\n"})
    rows, _ = await _failing(repo, f"**Issue #1274**: login fails (commit {auth[:9]})").judge()
    assert [(row.fix.issue, row.verdict) for row in rows] == [("#1274", FixVerdict.UNRELATED)]


async def test_one_that_closes_the_issue_is_tied_to_what_the_issue_describes(repo: Repository) -> None:
    config = repo.commit("Longer limits", {"deploy/limits.yaml": "limit: 30\n"}, body="Fixes #7")
    rows, _ = await _failing(repo, "We see ConnectTimeout all over the place", config).judge()
    assert [(row.group, row.verdict) for row in rows] == [(GROUP, FixVerdict.INEFFECTIVE)]


async def test_one_that_closes_the_issue_is_not_tied_to_errors_that_the_issue_does_not_describe(
    repo: Repository,
) -> None:
    config = repo.commit("Longer limits", {"deploy/limits.yaml": "limit: 30\n"}, body="Fixes #7")
    rows, _ = await _failing(repo, "Totals on invoices are wrong", config).judge()
    assert [(row.group, row.verdict) for row in rows] == [(None, FixVerdict.UNRELATED)]


# --- candidates ---


async def test_commits_named_in_the_issue_carry_the_number_that_they_stand_with(repo: Repository) -> None:
    one = repo.commit("One", {"app/db.py": CODE + "\n# 1\n"})
    two = repo.commit("Two", {"app/db.py": CODE + "\n# 2\n"})
    three = repo.commit("Three", {"app/db.py": CODE + "\n# 3\n"})
    text = f"- **Issue #1263**: connectivity (commits {one[:9]}, {two[:9]})\n- see also {three}\n- defaced 1234567"
    evidence = await _failing(repo, text).evidence()
    assert [(fix.sha, fix.issue) for fix in evidence.history.fixes] == [(one, "#1263"), (two, "#1263"), (three, "#7")]


async def test_closing_words_and_numbers_in_messages_are_found_and_merges_and_reverts_are_not(repo: Repository) -> None:
    closes = repo.commit("Mend it", {"a.py": "1\n"}, body="Fixes #7.")
    names = repo.commit("Part of #7", {"b.py": "2\n"})
    repo.commit("About #70", {"a.py": "3\n"})
    repo.branch("topic")
    repo.commit("Loose end", {"c.py": "1\n"})
    repo.checkout("main")
    repo.merge("topic", subject="Merge branch for #7")
    repo.revert(names)
    evidence = await _failing(repo, "it fails").evidence()
    assert {(fix.sha, fix.origins) for fix in evidence.history.fixes} == {
        (closes, (FixOrigin.CLOSES_ISSUE,)),
        (names, (FixOrigin.NAMES_ISSUE,)),
    }


async def test_the_commits_of_a_merged_pull_request_that_the_issue_names_are_candidates(repo: Repository) -> None:
    repo.branch("topic")
    one = repo.commit("Limit", {"a.py": "1\n"})
    two = repo.commit("Retry", {"a.py": "2\n"})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    repo.merge("topic", subject="Merge pull request #12 from octo/topic")
    evidence = await _failing(repo, "should be fixed by #12").evidence()
    assert {(fix.sha, fix.issue) for fix in evidence.history.fixes} == {(one, "#12"), (two, "#12")}


async def test_the_merge_of_a_linked_pull_request_is_judged_as_the_fix(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    repo.commit("Deadline", {"app/db.py": FIXED})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    merge = repo.merge("topic", subject="Merge pull request #12 from octo/topic")
    story = _failing(repo, "ConnectTimeout", base)
    story.linked = (merge,)
    rows, _ = await story.judge()
    assert (rows[0].fix.sha, rows[0].fix.origins) == (merge, (FixOrigin.LINKED_PULL_REQUEST,))
    assert (rows[0].group, rows[0].verdict) == (GROUP, FixVerdict.NOT_DEPLOYED)


async def test_a_fix_that_nobody_named_is_found_by_what_it_changes(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("connect: wait for the configured timeout, not 8.0s", {"app/db.py": FIXED})
    rows, _ = await _failing(repo, "it fails", base).judge()
    assert [(row.fix.sha, row.fix.origins, row.verdict) for row in rows] == [
        (fix, (FixOrigin.MATCHES_GROUP,), FixVerdict.NOT_DEPLOYED)
    ]


async def test_what_ran_when_the_errors_began_is_no_fix_of_them(repo: Repository) -> None:
    repo.commit("connect: wait for the configured timeout, not 8.0s", {"app/db.py": FIXED})
    rows, _ = await _failing(repo, "it fails").judge()
    assert rows == ()


# --- suspects ---


def _rollout(repo: Repository, running: str, *, first_error: int = 62) -> Traced:
    """`api-1` is fine; `api-2` takes over at minute 60 and fails from `first_error` on."""
    base = CommitSha(repo.git("rev-list", "--max-parents=0", "HEAD"))
    story = Traced(repo, issue_text="it fails")
    story.revision("api-1", base)
    story.revision("api-2", running)
    story.requests("api-1", range(60))
    story.requests("api-2", range(60, 360))
    story.traffic(60, {"api-2": 100})
    story.errors("api-2", range(first_error, 360, 3))
    return story


async def test_the_commit_that_touches_the_failing_function_is_suspected_first(repo: Repository) -> None:
    repo.commit("Larger pool", {"app/pool.py": "size = 5\n"})
    culprit = repo.commit("connect: give up after 8.0s", {"app/db.py": CODE.replace("= 8.0", "= 8.0 * 0")})
    running = repo.commit("Other colours", {"app/page.py": "colour = 'blue'\n"})
    _, suspects = await _rollout(repo, running).judge()
    assert suspects[0].sha == culprit
    assert len(suspects) == 3
    assert suspects[0].score > 2 * suspects[1].score
    assert plain(suspects[0].reasons_for[0].text).startswith(
        "api-2 is the first revision with it and the first that logs"
    )


async def test_what_the_failing_code_has_of_a_commit_speaks_for_the_suspect(repo: Repository) -> None:
    repo.commit("Out of the way", {"app/db.py": "import socket\n"})
    culprit = repo.commit("Connect anew", {"app/db.py": CODE})
    _, suspects = await _rollout(repo, culprit).judge()
    suspect = next(suspect for suspect in suspects if suspect.sha == culprit)
    has_already = "already, which this commit brings"
    assert any(has_already in plain(reason.text) for reason in suspect.reasons_for)
    assert not any(has_already in plain(reason.text) for reason in suspect.reasons_against)


async def test_what_changes_nothing_that_runs_is_no_suspect(repo: Repository) -> None:
    repo.commit("connect: say what fails", {"README.md": "connect timed out after 8.0s\n"})
    repo.commit(
        "connect: try the timeout", {"tests/test_db.py": "def test_connect():\n    assert connect('x') is None\n"}
    )
    culprit = repo.commit("connect: give up after 8.0s", {"app/db.py": CODE.replace("= 8.0", "= 8.0 * 0")})
    _, suspects = await _rollout(repo, culprit).judge()
    assert [suspect.sha for suspect in suspects] == [culprit]


@pytest.mark.parametrize(("minute", "suspected"), [(62, True), (290, False)])
async def test_a_lone_error_after_the_rollout_does_not_stand_for_an_onset_hours_later(
    repo: Repository, minute: int, suspected: bool
) -> None:
    running = repo.commit("connect: give up after 8.0s", {"app/db.py": CODE.replace("= 8.0", "= 8.0 * 0")})
    evidence = await _rollout(repo, running).evidence()
    evidence = replace(evidence, onset=Onset(at(minute), GROUP, 0.0, 1.0, at_window_start=False))
    assert bool(find_suspects(evidence, ())) is suspected


async def test_nothing_is_suspected_without_a_rollout_near_the_begin(repo: Repository) -> None:
    running = repo.commit("connect: give up after 8.0s", {"app/db.py": FIXED})
    _, suspects = await _rollout(repo, running, first_error=300).judge()
    assert suspects == ()


async def test_nothing_is_suspected_when_it_failed_before_the_window_opened(repo: Repository) -> None:
    story = _failing(repo, "it fails")
    _, suspects = await story.judge()
    assert suspects == ()


async def test_errors_on_an_older_revision_speak_against_every_suspect(repo: Repository) -> None:
    running = repo.commit("connect: give up after 8.0s", {"app/db.py": CODE.replace("= 8.0", "= 8.0 * 0")})
    alone = (await _rollout(repo, running).judge())[1]
    story = _rollout(repo, running)
    story.errors("api-1", [64, 65])
    shared = (await story.judge())[1]
    assert shared[0].score < alone[0].score / 2
    assert any("api-1 logs this too" in plain(reason.text) for reason in shared[0].reasons_against)

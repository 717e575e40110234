"""Whether a fix that runs helped is decided by entries on the revisions that have it, and silence by its exposure."""

import pytest

from app.diagnosis.model import FixVerdict
from app.evidence.model import CommitSha
from tests.repository import FIXED, Repository
from tests.scenarios.ledger.story import Story


class Deployed(Story):
    """`api-1` without the fix fails until minute 120, then `api-2` with the fix takes all traffic."""

    def __init__(self, repo: Repository, *, switch: int = 120, until: int = 360) -> None:
        base = repo.tip
        self.fix = repo.commit("Fix", {"app/db.py": FIXED})
        super().__init__(repo, issue_text=f"#7 mended by {self.fix}", until=until)
        self.revision("api-1", base)
        self.revision("api-2", self.fix)
        self.traffic(switch, {"api-2": 100})


# --- ineffective ---


async def test_the_same_errors_on_the_revision_with_the_fix_make_it_ineffective(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 120, 2))
    story.errors("api-2", range(130, 360, 5))
    assert await story.verdict(story.fix) is FixVerdict.INEFFECTIVE
    assert "api-2 has it, takes traffic since 2025-09-15 10:00:00 UTC" in await story.because(story.fix)


async def test_one_entry_on_it_is_enough(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(120))
    story.errors("api-2", [300])
    assert await story.verdict(story.fix) is FixVerdict.INEFFECTIVE


async def test_starts_that_all_fail_are_seen_without_any_request(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    story = Story(repo, issue_text=f"#7 mended by {fix}")
    story.revision("api-1", base)
    story.revision("api-2", fix)
    story.errors("api-1", range(0, 100, 2))
    story.errors("api-2", range(110, 360, 2))
    assert await story.verdict(fix) is FixVerdict.INEFFECTIVE


async def test_old_revisions_that_still_log_never_count_against_the_fix(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 360, 2))
    assert await story.verdict(story.fix) is FixVerdict.EFFECTIVE


async def test_entries_of_the_new_revision_from_before_it_took_traffic_do_not_count(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 120, 2))
    story.errors("api-2", range(100, 118))
    assert await story.verdict(story.fix) is FixVerdict.UNKNOWN
    assert "nothing tells that it took traffic by then" in await story.because(story.fix)


async def test_a_revision_that_had_it_and_failed_outweighs_the_silence_of_the_next(repo: Repository) -> None:
    story = Deployed(repo)
    other = repo.commit("Another fix", {"README.md": "x\n"})
    story.revision("api-3", other)
    story.traffic(240, {"api-3": 100})
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 240))
    story.requests("api-3", range(240, 360))
    story.errors("api-1", range(120))
    story.errors("api-2", range(120, 240))
    assert await story.verdict(story.fix) is FixVerdict.INEFFECTIVE
    assert "not by this alone" in await story.because(story.fix)


# --- effective ---


async def test_silent_with_plenty_of_requests_is_effective(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 120, 3))
    assert await story.verdict(story.fix) is FixVerdict.EFFECTIVE
    assert "2,400 requests" in await story.because(story.fix)


async def test_bursts_are_judged_as_bursts_and_enough_quiet_after_many_of_them_is_effective(repo: Repository) -> None:
    story = Deployed(repo, switch=300, until=900)
    story.requests("api-1", range(300))
    story.requests("api-2", range(300, 900))
    for burst in range(0, 300, 25):
        story.errors("api-1", range(burst, burst + 3), per_minute=40)
    assert await story.verdict(story.fix) is FixVerdict.EFFECTIVE


async def test_starts_that_succeed_are_the_exposure_of_a_fault_at_start(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.starts("api-1", range(0, 120, 2))
    story.errors("api-1", range(0, 120, 2))
    story.instances = 60
    story.restarted("api-1", {0: 59})
    story.starts("api-2", range(120, 360, 10))
    assert await story.verdict(story.fix) is FixVerdict.EFFECTIVE


async def test_workers_without_requests_are_judged_by_their_starts(repo: Repository) -> None:
    story = Deployed(repo)
    story.starts("api-1", range(0, 120, 2))
    story.errors("api-1", range(0, 120, 4))
    story.starts("api-2", range(120, 360, 2))
    assert await story.verdict(story.fix) is FixVerdict.EFFECTIVE


async def test_every_revision_with_the_fix_adds_to_the_silence(repo: Repository) -> None:
    story, _ = _three(repo, quiet_until=690)
    assert await story.verdict(story.fix) is FixVerdict.EFFECTIVE
    assert "api-3 has it and is silent since 2025-09-15 10:00:00 UTC: 5,800 requests" in await story.because(story.fix)


async def test_instances_that_failed_at_once_though_they_were_new_rule_a_restart_out(repo: Repository) -> None:
    story = Deployed(repo, until=260)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 260))
    story.errors("api-1", range(0, 120, 3))
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY
    assert "few instances tell whether a restart alone helps, so 2 h 57 min of silence" in await story.because(
        story.fix
    )
    story.restarted("api-1", {0: 2, 3: 2})
    assert await story.verdict(story.fix) is FixVerdict.EFFECTIVE
    because = await story.because(story.fix)
    assert "4 instances that started while it failed took up to 3 min to fail" in because


async def test_where_both_served_side_by_side_the_old_one_must_have_gone_on_failing(repo: Repository) -> None:
    story = Deployed(repo, until=600)
    story.traffic(400, {"api-2": 100})
    story.requests("api-1", range(400))
    story.requests("api-2", range(120, 600))
    story.errors("api-1", range(0, 400, 3))
    assert await story.verdict(story.fix) is FixVerdict.EFFECTIVE


# --- too early ---


async def test_the_fix_is_not_why_when_the_old_revision_fell_silent_at_the_same_time(repo: Repository) -> None:
    story = Deployed(repo, until=600)
    story.traffic(400, {"api-2": 100})
    story.requests("api-1", range(400))
    story.requests("api-2", range(120, 600))
    story.errors("api-1", range(0, 120, 3))
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY
    assert "had stopped by themselves" in await story.because(story.fix)


async def test_instances_that_took_hours_to_fail_ask_for_twice_as_long_a_silence(repo: Repository) -> None:
    story = Deployed(repo, until=460)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 460))
    story.errors("api-1", range(0, 120, 3))
    story.restarted("api-1", {2: 5, 180: 1})
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY
    assert "took up to 3 h to fail, so 6 h of silence are asked for" in await story.because(story.fix)


@pytest.mark.parametrize(
    ("lives", "verdict"), [({20: 30}, FixVerdict.TOO_EARLY), ({20: 30, 240: 1}, FixVerdict.EFFECTIVE)]
)
async def test_instances_that_never_live_long_enough_to_fail_prove_nothing(
    repo: Repository, lives: dict[int, int], verdict: FixVerdict
) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 120, 3))
    story.restarted("api-1", {40: 2, 60: 1})
    story.lived("api-2", lives)
    assert await story.verdict(story.fix) is verdict


async def test_few_requests_since_are_too_early(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120), per_minute=100)
    story.errors("api-1", range(0, 120, 7))
    story.requests("api-2", range(120, 360, 60), per_minute=5)
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY


async def test_requests_from_before_it_took_traffic_are_no_exposure(repo: Repository) -> None:
    story = Deployed(repo, switch=350)
    story.requests("api-1", range(350))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 350, 3))
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY
    assert "silent for 10 min" in await story.because(story.fix)


async def test_silence_without_any_exposure_is_too_early(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.errors("api-1", range(120))
    story.chatter("api-2", range(120, 360))
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY
    assert "how much it was exercised" in await story.because(story.fix)


async def test_a_rare_burst_needs_more_than_the_quiet_that_was_usual(repo: Repository) -> None:
    story = Deployed(repo, switch=200)
    story.requests("api-1", range(200))
    story.requests("api-2", range(200, 360))
    for burst in (0, 90, 180):
        story.errors("api-1", range(burst, burst + 5), per_minute=200)
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY


async def test_errors_that_had_stopped_before_the_fix_came_do_not_make_it_effective(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(10, 40))
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY
    assert "had stopped by themselves" in await story.because(story.fix)


async def test_a_fault_at_start_is_not_cured_by_requests_alone(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.starts("api-1", range(0, 120, 4))
    story.errors("api-1", range(0, 120, 4))
    story.instances = 30
    story.starts("api-2", [120])
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY


async def test_requests_that_all_end_in_other_server_errors_exercise_nothing(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.errors("api-1", range(0, 120, 3))
    story.requests("api-2", range(120, 360))
    story.server_errors("api-2", range(120, 360), 10)
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY


async def test_a_leak_that_takes_hours_to_show_is_not_cured_by_a_restart(repo: Repository) -> None:
    story = Deployed(repo, switch=200)
    story.requests("api-1", range(10, 200))
    story.errors("api-1", range(190, 200), per_minute=20)
    story.requests("api-2", range(200, 360))
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY


async def test_logs_that_were_not_read_to_their_end_prove_no_silence(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 120, 3))
    story.truncated = "the budget of reads was spent"
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY


async def test_with_no_failure_read_at_all_there_is_no_rate_to_judge_by(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-2", range(120, 360))
    assert await story.verdict(story.fix) is FixVerdict.TOO_EARLY
    assert "no failure was read" in await story.because(story.fix)


# --- regressed ---


def _three(repo: Repository, *, quiet_until: int = 500) -> tuple[Deployed, str]:
    """`api-2` has the fix and is silent, then `api-3`, which has it too, takes over."""
    story = Deployed(repo, until=700)
    later = repo.commit("Feature", {"README.md": "new\n"})
    story.revision("api-3", later)
    story.requests("api-1", range(120))
    story.errors("api-1", range(0, 120, 3))
    story.requests("api-2", range(120, quiet_until))
    story.requests("api-3", range(quiet_until, 700))
    story.traffic(quiet_until, {"api-3": 100})
    return story, later


async def test_back_on_a_later_revision_after_it_had_helped_is_regressed(repo: Repository) -> None:
    story, _ = _three(repo)
    story.errors("api-3", range(510, 700, 4))
    assert await story.verdict(story.fix) is FixVerdict.REGRESSED
    assert "it had helped: api-2 was silent over 3,800 requests" in await story.because(story.fix)


async def test_back_on_a_later_revision_before_it_had_proved_itself_is_ineffective(repo: Repository) -> None:
    story, _ = _three(repo, quiet_until=124)
    story.errors("api-3", range(130, 700, 4))
    assert await story.verdict(story.fix) is FixVerdict.INEFFECTIVE


async def test_only_the_time_before_the_later_revision_counts_as_having_helped(repo: Repository) -> None:
    story, _ = _three(repo, quiet_until=124)
    story.requests("api-2", range(120, 700))
    story.traffic(124, {"api-2": 50, "api-3": 50})
    story.errors("api-3", range(130, 700, 4))
    assert await story.verdict(story.fix) is FixVerdict.INEFFECTIVE


async def test_back_on_the_same_revision_after_long_silence_is_ineffective(repo: Repository) -> None:
    story = Deployed(repo, until=900)
    story.requests("api-1", range(120))
    story.errors("api-1", range(0, 120, 3))
    story.requests("api-2", range(120, 900))
    story.errors("api-2", range(800, 900, 3))
    assert await story.verdict(story.fix) is FixVerdict.INEFFECTIVE


async def test_regressed_when_the_later_revision_holds_it_by_another_commit(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    squash = repo.squash("topic", "Mend (#8)")
    story = Story(repo, issue_text=f"#7 mended by {fix}", until=700)
    story.revision("api-1", base)
    story.revision("api-2", fix)
    story.revision("api-3", squash)
    story.requests("api-1", range(120))
    story.errors("api-1", range(0, 120, 3))
    story.requests("api-2", range(120, 500))
    story.requests("api-3", range(500, 700))
    story.errors("api-3", range(550, 700, 4))
    assert await story.verdict(fix) is FixVerdict.REGRESSED


async def test_regressed_on_one_of_two_that_share_the_traffic(repo: Repository) -> None:
    story, _ = _three(repo)
    story.requests("api-2", range(120, 700))
    story.traffic(500, {"api-2": 50, "api-3": 50})
    story.errors("api-3", range(510, 700, 4))
    assert await story.verdict(story.fix) is FixVerdict.REGRESSED


async def test_back_on_a_later_revision_that_reverted_it_is_not_deployed(repo: Repository) -> None:
    story = Deployed(repo, until=700)
    story.revision("api-3", repo.revert(story.fix))
    story.requests("api-1", range(120))
    story.errors("api-1", range(0, 120, 3))
    story.requests("api-2", range(120, 500))
    story.requests("api-3", range(500, 700))
    story.traffic(500, {"api-3": 100})
    story.errors("api-3", range(510, 700, 4))
    assert await story.verdict(story.fix) is FixVerdict.NOT_DEPLOYED


# --- unknown ---


async def test_entries_that_name_no_revision_leave_it_open_whether_they_came_back(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors(None, range(0, 360, 3))
    assert await story.verdict(story.fix) is FixVerdict.UNKNOWN
    assert "name no revision" in await story.because(story.fix)


async def test_without_any_revision_nothing_can_be_said(repo: Repository) -> None:
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    story = Story(repo, issue_text=f"mended by {fix}")
    story.errors(None, range(0, 360, 3))
    assert await story.verdict(fix) is FixVerdict.UNKNOWN
    assert "no source tells which revision serves" in await story.because(fix)


async def test_a_linked_merge_that_the_repository_does_not_have_is_unknown_and_said(repo: Repository) -> None:
    story = Deployed(repo)
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 120, 3))
    missing = CommitSha("c0ffee" * 6 + "c0ff")
    story.linked = (missing,)
    assert await story.verdict(missing) is FixVerdict.UNKNOWN
    assert "the repository does not tell of c0ffeec0ffee" in await story.because(missing)


@pytest.mark.parametrize("seen", ["c0ffee" * 6 + "c0ff", "c0ffee1"])
async def test_a_fix_that_the_repository_does_not_have_is_no_candidate_but_a_gap(repo: Repository, seen: str) -> None:
    story = Story(repo, issue_text=f"#7 mended by {seen}")
    story.revision("api-1", repo.tip)
    story.requests("api-1", range(120))
    story.errors("api-1", range(120))
    evidence = await story.evidence()
    assert evidence.history.fixes == ()
    assert [gap.reason for gap in evidence.gaps] == [f"the repository has no commit {seen}"]

"""Whether the fix is in what runs is decided by ancestry and patches, whatever the dates of commits say."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.diagnosis.model import FixVerdict
from tests.repository import BEGIN, CODE, FIXED, Repository
from tests.scenarios.ledger.conftest import by_clone
from tests.scenarios.ledger.story import CONTAINED, cured

LONG_AGO = BEGIN - timedelta(days=400)
LATER = BEGIN + timedelta(days=30)


async def test_a_fix_on_the_running_line_is_in_it_though_it_is_dated_after_the_deploy(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED}, date=LATER)
    running = repo.commit("Else", {"README.md": "x\n"}, date=LONG_AGO)
    assert await cured(repo, base, running, fix).verdict(fix) is CONTAINED


async def test_a_fix_that_is_older_than_what_runs_by_date_alone_is_not_deployed(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED}, date=LONG_AGO)
    repo.checkout("main")
    running = repo.commit("Else", {"README.md": "x\n"}, date=LATER)
    story = cured(repo, base, running, fix)
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED
    assert f"api-2 (runs {running[:12]}) serves and does not have it" in await story.because(fix)


async def test_a_fix_merged_after_the_deployed_commit_is_not_deployed(repo: Repository) -> None:
    base = repo.tip
    running = repo.commit("Else", {"README.md": "x\n"}, date=LATER)
    fix = repo.commit("Fix", {"app/db.py": FIXED}, date=LONG_AGO)
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_fix_that_came_through_a_merge_commit_is_in_it(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED}, date=LATER)
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    merge = repo.merge("topic")
    assert await cured(repo, base, merge, fix).verdict(fix) is CONTAINED


async def test_a_fix_squashed_as_one_commit_is_in_it(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED}, date=LATER)
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    squash = repo.squash("topic", "Mend the deadline (#8)")
    story = cured(repo, base, squash, fix)
    (fact,) = [f for f in (await story.row(fix)).facts if f.running == squash]
    assert (fact.via, await story.verdict(fix)) == (squash, CONTAINED)
    # Where the branch had one commit, a clone sees the same change; GitHub tells of the pull request.
    assert f"api-2 (by {squash[:12]}, the " in await story.because(fix)


async def test_one_of_several_commits_squashed_together_is_in_it(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    repo.commit("Prepare", {"app/settings.py": "connect_timeout = 30.0\n"})
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.commit("Polish", {"app/db.py": FIXED.replace("timeout or 25.0", "timeout or 26.0")})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    squash = repo.squash("topic", "Timeouts (#8)")
    running = repo.commit("More", {"README.md": "y\n"})
    story = cured(repo, base, running, fix)
    fact = next(f for f in (await story.row(fix)).facts if f.running == running)
    assert (fact.via, await story.verdict(fix)) == (squash, CONTAINED)


async def test_a_squash_is_found_though_the_code_around_it_moved(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    repo.commit("Header", {"app/db.py": CODE.replace("timeout = settings", "t0 = 1\n    timeout = settings")})
    squash = repo.squash("topic", "Mend (#8)")
    assert await cured(repo, base, squash, fix).verdict(fix) is CONTAINED


async def test_a_rebased_fix_is_in_it_under_its_new_id(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED}, date=LATER)
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    repo.checkout("topic")
    repo.git("rebase", "--quiet", "main", date=LONG_AGO)
    rebased = repo.tip
    assert rebased != fix
    assert await cured(repo, base, rebased, fix).verdict(fix) is CONTAINED


async def test_a_cherry_picked_fix_is_in_it(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    picked = repo.cherry_pick(fix, date=LONG_AGO)
    assert await cured(repo, base, picked, fix).verdict(fix) is CONTAINED


async def test_a_backport_that_had_to_be_adapted_is_known_by_what_it_says(repo: Repository) -> None:
    repo.branch("release-1")
    base = repo.commit("Old style", {"app/db.py": CODE.replace("deadline = 8.0", "deadline = 8")})
    repo.checkout("main")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("release-1")
    adapted = repo.commit(
        "Fix",
        {"app/db.py": CODE.replace("deadline = 8.0", "deadline = int(timeout or 25)")},
        body=f"(cherry picked from commit {fix})",
    )
    assert await cured(repo, base, adapted, fix).verdict(fix) is CONTAINED


async def test_saying_that_it_was_picked_is_not_enough_when_it_touches_other_files(repo: Repository) -> None:
    base = repo.tip
    repo.branch("release-1")
    repo.checkout("main")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("release-1")
    liar = repo.commit("Fix", {"README.md": "fixed\n"}, body=f"(cherry picked from commit {fix})")
    assert await cured(repo, base, liar, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_backport_to_another_release_does_not_count_for_this_one(repo: Repository) -> None:
    repo.branch("release-1")
    repo.branch("release-2")
    base = repo.commit("Old", {"README.md": "2\n"})
    repo.checkout("main")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("release-1")
    repo.cherry_pick(fix, "-x")
    repo.checkout("release-2")
    running = repo.commit("Else", {"README.md": "3\n"}, date=LATER)
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_reverted_fix_is_not_deployed_and_the_revert_is_named(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    revert = repo.revert(fix, date=LONG_AGO)
    running = repo.commit("Else", {"README.md": "x\n"})
    story = cured(repo, base, running, fix)
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED
    assert f"{revert[:12]} took it out again, a revert of it, as it says" in await story.because(fix)


async def test_a_fix_reverted_by_hand_is_not_deployed(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.commit("Header", {"app/settings.py": "connect_timeout = 26.0\n"})
    running = repo.commit("Back to eight seconds", {"app/db.py": CODE})
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_fix_whose_merge_was_reverted_is_not_deployed(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.commit("More", {"app/pool.py": "size = 5\n"})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    merge = repo.merge("topic")
    running = repo.revert(merge, "-m", "1")
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_squashed_fix_that_was_reverted_is_not_deployed(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.commit("More", {"app/pool.py": "size = 5\n"})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    squash = repo.squash("topic", "Mend (#8)")
    running = repo.revert(squash)
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_revert_whose_message_was_rewritten_still_takes_it_out(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Mend the deadline", {"app/db.py": FIXED})
    repo.git("revert", "--no-commit", fix)
    running = repo.commit('Revert "Mend the deadline" (#9)', {}, body="Reverts octo/shop#8")
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_reverted_revert_puts_the_fix_back(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    again = repo.revert(repo.revert(fix), date=LONG_AGO)
    running = repo.commit("Else", {"README.md": "x\n"})
    story = cured(repo, base, running, fix)
    fact = next(f for f in (await story.row(fix)).facts if f.running == running)
    assert (fact.via, await story.verdict(fix)) == (again, CONTAINED)


async def test_three_reverts_in_a_row_leave_it_out(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    running = repo.revert(repo.revert(repo.revert(fix)))
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_fix_that_was_reverted_and_picked_again_is_in_it(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.revert(fix)
    running = repo.cherry_pick(fix, "-x", date=LONG_AGO)
    assert await cured(repo, base, running, fix).verdict(fix) is CONTAINED


async def test_a_revert_on_a_branch_that_does_not_run_takes_nothing_out(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.branch("experiment")
    repo.revert(fix)
    repo.checkout("main")
    running = repo.commit("Else", {"README.md": "x\n"}, date=LONG_AGO)
    assert await cured(repo, base, running, fix).verdict(fix) is CONTAINED


async def test_a_backport_reverted_on_its_release_and_merged_back_does_not_take_the_fix_out(repo: Repository) -> None:
    base = repo.tip
    repo.branch("release-1")
    repo.checkout("main")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("release-1")
    repo.revert(repo.cherry_pick(fix, "-x"))
    repo.commit("Note", {"NOTES": "1\n"})
    repo.checkout("main")
    running = repo.merge("release-1")
    assert (repo.path / "app/db.py").read_text() == FIXED
    assert await cured(repo, base, running, fix).verdict(fix) is CONTAINED


async def test_a_revert_merged_from_a_branch_that_had_the_fix_takes_it_out(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.branch("undo")
    repo.revert(fix)
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    running = repo.merge("undo")
    assert (repo.path / "app/db.py").read_text() == CODE
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_commit_that_the_repository_does_not_have_is_unknown(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    story = cured(repo, base, "c0ffee" + "0" * 34, fix)
    assert await story.verdict(fix) is FixVerdict.UNKNOWN


async def test_a_revision_of_which_nobody_tells_the_commit_is_unknown(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    story = cured(repo, base, fix, fix)
    story.revision("api-2", None)
    story.requests("api-2", range(120, 360))
    assert await story.verdict(fix) is FixVerdict.UNKNOWN
    assert "no source tells which commit runs in api-2" in await story.because(fix)


@pytest.mark.parametrize("source", [by_clone], indirect=True)
async def test_a_shallow_clone_that_cannot_tell_says_so(repo: Repository, tmp_path: Path) -> None:
    repo.branch("release")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    base = repo.commit("Step", {"n": "1\n"})
    running = repo.commit("Step", {"n": "2\n"})
    story = cured(repo, base, running, fix)
    repo.path = repo.shallow_clone(tmp_path / "shallow", 1)
    assert await story.verdict(fix) is FixVerdict.UNKNOWN
    assert "shallow" in await story.because(fix)


@pytest.mark.parametrize("source", [by_clone], indirect=True)
@pytest.mark.parametrize("depth", [2, 3])
async def test_a_shallow_clone_that_reaches_far_enough_tells(repo: Repository, tmp_path: Path, depth: int) -> None:
    base = repo.commit("Step", {"n": "1\n"})
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.commit("Step", {"n": "2\n"})
    story = cured(repo, base, repo.tip, fix)
    repo.path = repo.shallow_clone(tmp_path / "shallow", depth)
    assert await story.verdict(fix) is FixVerdict.EFFECTIVE


async def test_the_revert_of_another_commit_of_the_same_title_takes_nothing_out(repo: Repository) -> None:
    base = repo.tip
    other = repo.commit("Fix", {"app/db.py": CODE.replace('b"ping"', 'b"ping?"')})
    fix = repo.commit("Fix", {"app/db.py": FIXED.replace('b"ping"', 'b"ping?"')})
    running = repo.revert(other)
    assert await cured(repo, base, running, fix).verdict(fix) is CONTAINED


async def test_a_lone_bracket_in_both_makes_no_same_change(repo: Repository) -> None:
    base = repo.commit("Data", {"a.json": "[\n1\n2\n3\n4\n"})
    repo.branch("topic")
    fix = repo.commit("Close it", {"a.json": "[\n1\n2\n3\n4\n]\n"})
    repo.checkout("main")
    running = repo.commit("Close it elsewhere", {"a.json": "[\n1\n]\n2\n3\n4\n"})
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED

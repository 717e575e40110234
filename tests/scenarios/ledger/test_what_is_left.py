"""The files that run have the last word: no commit says that a merge left a fix out, or that a line was put back by hand."""

from app.diagnosis.model import FixVerdict
from tests.repository import CODE, FIXED, Repository
from tests.scenarios.ledger.story import CONTAINED, cured

PING = ('b"ping"', 'b"ping?"')
"""A change elsewhere in the same file."""


def _merged(repo: Repository, text: str | None, *, on_main: dict[str, str]) -> tuple[str, str, str]:
    """A fix on a branch, work on main, and a merge of both whose `app/db.py` is `text`; None: as git merges it."""
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    repo.commit("Else", on_main)
    if text is None:
        return base, fix, repo.merge("topic")
    repo.git("merge", "--no-ff", "--no-commit", "--quiet", "topic")
    return base, fix, repo.commit("Merge topic", {"app/db.py": text})


async def test_a_merge_that_took_what_came_before_leaves_it_out(repo: Repository) -> None:
    base, fix, merge = _merged(repo, CODE, on_main={"README.md": "x\n"})
    running = repo.commit("More", {"README.md": "y\n"})
    story = cured(repo, base, running, fix)
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED
    assert f"{merge[:12]} took it out again, a merge that left it out" in await story.because(fix)


async def test_so_does_one_that_kept_the_work_of_others_in_the_same_file(repo: Repository) -> None:
    base, fix, merge = _merged(repo, CODE.replace(*PING), on_main={"app/db.py": CODE.replace(*PING)})
    running = repo.commit("More", {"app/db.py": CODE.replace(*PING) + "\n\nRETRIES = 3\n"})
    story = cured(repo, base, running, fix)
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED
    assert f"{merge[:12]} took it out again, a merge that left it out" in await story.because(fix)


async def test_a_merge_that_keeps_both_has_it(repo: Repository) -> None:
    base, fix, running = _merged(repo, None, on_main={"app/db.py": CODE.replace(*PING)})
    assert await cured(repo, base, running, fix).verdict(fix) is CONTAINED


async def test_a_merge_that_left_a_new_file_out_takes_it_out(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/retry.py": "def again(work):\n    return work() or work()\n"})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    repo.git("merge", "--quiet", "--strategy=ours", "-m", "Merge topic", "topic")
    running = repo.tip
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_file_that_moved_since_has_it_still(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/retry.py": "def again(work):\n    return work() or work()\n"})
    repo.git("mv", "app/retry.py", "app/again.py")
    running = repo.commit("Move", {})
    assert await cured(repo, base, running, fix).verdict(fix) is CONTAINED


async def test_a_commit_that_puts_the_line_back_among_others_takes_it_out(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    culprit = repo.commit("Tidy", {"app/db.py": CODE.replace(*PING), "README.md": "x\n"})
    running = repo.commit("More", {"README.md": "y\n"})
    story = cured(repo, base, running, fix)
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED
    assert f"{culprit[:12]} took it out again, a change that puts back what it replaced" in await story.because(fix)


async def test_a_line_that_was_written_anew_since_is_not_taken_out(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    running = repo.commit("Longer", {"app/db.py": FIXED.replace("25.0", "30.0")})
    story = cured(repo, base, running, fix)
    assert await story.verdict(fix) is CONTAINED
    (fact,) = [fact for fact in (await story.row(fix)).facts if fact.running == running]
    assert "written anew since" in fact.reason


async def test_a_squash_that_a_later_merge_left_out_is_not_deployed(repo: Repository) -> None:
    base = repo.tip
    repo.branch("release")
    repo.commit("Release notes", {"NOTES": "1\n"})
    repo.checkout("main")
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.commit("Test", {"tests/db.py": "assert connect('db')\n"})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    repo.squash("topic", "Mend (#8)")
    repo.git("merge", "--no-ff", "--no-commit", "--quiet", "release")
    repo.git("rm", "-f", "-q", "tests/db.py")
    running = repo.commit("Merge release", {"app/db.py": CODE})
    assert await cured(repo, base, running, fix).verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_where_one_of_its_files_is_as_before_nobody_can_say(repo: Repository) -> None:
    base = repo.tip
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED, "app/settings.py": "connect_timeout = 30.0\n"})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "x\n"})
    repo.git("merge", "--no-ff", "--no-commit", "--quiet", "topic")
    running = repo.commit("Merge topic", {"app/db.py": CODE})
    story = cured(repo, base, running, fix)
    assert await story.verdict(fix) is FixVerdict.UNKNOWN
    assert "elsewhere the place is as it was before" in await story.because(fix)


async def test_a_reverted_fix_that_somebody_wrote_again_is_not_said_to_be_out(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.revert(fix)
    running = repo.commit("Rework", {"app/db.py": FIXED.replace(*PING)})
    story = cured(repo, base, running, fix)
    assert await story.verdict(fix) is FixVerdict.UNKNOWN
    assert "the files have all of it again" in await story.because(fix)


async def test_a_backport_among_other_changes_that_does_not_say_so_is_not_said_to_be_missing(repo: Repository) -> None:
    base = repo.tip
    repo.branch("release-1")
    repo.checkout("main")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("release-1")
    running = repo.commit("Several things", {"app/db.py": FIXED.replace(*PING), "README.md": "x\n"})
    story = cured(repo, base, running, fix)
    assert await story.verdict(fix) is FixVerdict.UNKNOWN
    assert "no commit says that it brought them" in await story.because(fix)


async def test_the_same_failure_on_lines_that_were_written_anew_says_so(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    running = repo.commit("Longer", {"app/db.py": FIXED.replace("25.0", "0.0")})
    story = cured(repo, base, running, fix)
    story.errors("api-2", range(130, 360, 5))
    assert await story.verdict(fix) is FixVerdict.INEFFECTIVE
    assert (await story.because(fix)).endswith("what it changed was written anew since")

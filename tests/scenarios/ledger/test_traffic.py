"""Several revisions and services: what serves is judged, what does not serve is told."""

from app.diagnosis.model import FixVerdict
from tests.repository import FIXED, Repository
from tests.scenarios.ledger.story import Story


def _two(repo: Repository) -> tuple[Story, str]:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    story = Story(repo, issue_text=f"#7 mended by {fix}")
    story.revision("api-1", base)
    story.revision("api-2", fix)
    return story, fix


# --- partly deployed ---


async def test_split_traffic_is_partly_deployed_and_only_the_new_one_is_judged(repo: Repository) -> None:
    story, fix = _two(repo)
    story.requests("api-1", range(360))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 360, 3))
    story.traffic(120, {"api-1": 50, "api-2": 50})
    assert await story.verdict(fix) is FixVerdict.PARTLY_DEPLOYED
    assert "serves too and does not have it" in await story.because(fix)


async def test_a_canary_is_seen_from_its_requests_alone(repo: Repository) -> None:
    story, fix = _two(repo)
    story.requests("api-1", range(360), per_minute=99)
    story.requests("api-2", range(120, 360, 2), per_minute=2)
    story.errors("api-1", range(0, 360, 3))
    assert await story.verdict(fix) is FixVerdict.PARTLY_DEPLOYED


async def test_one_of_two_services_without_it_is_partly_deployed(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    story = Story(repo, issue_text=f"#7 mended by {fix}")
    story.revision("api-1", base)
    story.revision("api-2", fix)
    story.revision("jobs-1", base, service="jobs")
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.requests("jobs-1", range(360))
    story.errors("api-1", range(0, 120, 3))
    story.errors("jobs-1", range(0, 360, 3))
    assert await story.verdict(fix) is FixVerdict.PARTLY_DEPLOYED
    assert "jobs-1 (runs " in await story.because(fix)


async def test_a_service_that_never_had_the_errors_is_left_out(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    story = Story(repo, issue_text=f"#7 mended by {fix}")
    story.revision("api-1", base)
    story.revision("api-2", fix)
    story.revision("jobs-1", base, service="jobs")
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.requests("jobs-1", range(360))
    story.errors("api-1", range(0, 120, 3))
    assert await story.verdict(fix) is FixVerdict.EFFECTIVE


async def test_the_same_errors_on_the_half_that_has_it_are_ineffective(repo: Repository) -> None:
    story, fix = _two(repo)
    story.requests("api-1", range(360))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 360, 3))
    story.errors("api-2", range(130, 360, 3))
    story.traffic(120, {"api-1": 50, "api-2": 50})
    assert await story.verdict(fix) is FixVerdict.INEFFECTIVE


async def test_a_serving_half_of_unknown_commit_leaves_it_open(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    story = Story(repo, issue_text=f"#7 mended by {fix}")
    story.revision("api-0", base)
    story.revision("api-1", None)
    story.revision("api-2", fix)
    story.requests("api-0", range(60))
    story.errors("api-0", range(0, 60, 3))
    story.requests("api-1", range(60, 360))
    story.requests("api-2", range(60, 360))
    assert await story.verdict(fix) is FixVerdict.UNKNOWN
    assert "whether api-1 has it is not known" in await story.because(fix)


async def test_disagreeing_sources_leave_the_commit_unknown_and_both_are_shown(repo: Repository) -> None:
    story, fix = _two(repo)
    story.revision("api-3", repo.tip)
    story.requests("api-1", range(120))
    story.errors("api-1", range(0, 120, 3))
    story.requests("api-3", range(120, 360))
    evidence_of_another = repo.git("rev-parse", "HEAD~1")
    story.states("api-3", evidence_of_another)
    assert await story.verdict(fix) is FixVerdict.UNKNOWN
    assert "sources disagree about what runs in api-3" in await story.because(fix)


# --- not deployed ---


async def test_a_rollback_makes_it_not_deployed_and_says_that_it_served(repo: Repository) -> None:
    story, fix = _two(repo)
    story.requests("api-1", [*range(120), *range(240, 360)])
    story.requests("api-2", range(120, 240))
    story.errors("api-1", [*range(0, 120, 3), *range(240, 360, 3)])
    story.traffic(120, {"api-2": 100})
    story.traffic(240, {"api-1": 100})
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED
    assert "api-2 has it, served from 2025-09-15 10:00:00 UTC and serves no more" in await story.because(fix)


async def test_a_rollback_is_seen_from_requests_alone(repo: Repository) -> None:
    story, fix = _two(repo)
    story.requests("api-1", [*range(120), *range(240, 360)])
    story.requests("api-2", range(120, 240))
    story.errors("api-1", [*range(0, 120, 3), *range(240, 360, 3)])
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_a_revision_with_it_that_never_became_ready_is_not_deployed(repo: Repository) -> None:
    story, fix = _two(repo)
    story.requests("api-1", range(360))
    story.errors("api-1", range(0, 360, 3))
    story.errors("api-2", [121, 122])
    story.deployed(120, "api-2", ready=False)
    story.traffic(0, {"api-1": 100})
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED
    assert "api-2 has it, did not become ready and logged this 2 times" in await story.because(fix)


async def test_a_tagged_revision_without_traffic_does_not_serve(repo: Repository) -> None:
    story, fix = _two(repo)
    story.requests("api-1", range(360))
    story.errors("api-1", range(0, 360, 3))
    story.live("api-1", 100)
    story.live("api-2", 0)
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_the_platform_outranks_what_entries_suggest(repo: Repository) -> None:
    story, fix = _two(repo)
    story.requests("api-1", range(350))
    story.requests("api-2", range(340, 360))
    story.errors("api-1", range(0, 340, 3))
    story.live("api-1", 100)
    story.live("api-2", 0)
    assert await story.verdict(fix) is FixVerdict.NOT_DEPLOYED


async def test_short_ids_of_deployers_are_resolved(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    story = Story(repo, issue_text=f"#7 mended by {fix[:9]}")
    story.revision("api-1", base[:8])
    story.revision("api-2", fix[:7])
    story.requests("api-1", range(120))
    story.requests("api-2", range(120, 360))
    story.errors("api-1", range(0, 120, 3))
    assert await story.verdict(fix) is FixVerdict.EFFECTIVE

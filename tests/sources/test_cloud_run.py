"""Revisions as the API tells them: traffic, readiness, and where the commit was read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.evidence.model import CommitSource, LiveRead, LiveRevision, Place, ServiceName
from app.sources.cloud_run import CloudRun
from app.sources.rest import Rest
from tests.fakes.google_rest import FakeGoogle, Trouble, serve_google

HOST = "run.googleapis.com"
SERVICE = "projects/shop-prod/locations/europe-west1/services/web"
PLACE = Place("cloud_run_revision", "shop-prod", "europe-west1", ServiceName("web"))
BUILD = "0d1f3e5a-1111-4222-8333-444455556666"


def revision(
    number: int, *, ready: str = "CONDITION_SUCCEEDED", image: str = "r.dev/web:1", **labels: str
) -> dict[str, Any]:
    return {
        "name": f"{SERVICE}/revisions/web-0000{number}",
        "createTime": f"2026-03-04T0{number}:00:00.123456789Z",
        "labels": {name.replace("_", "-"): value for name, value in labels.items()},
        "containers": [{"image": image, "env": [{"name": "TOKEN", "value": "s3cr3t"}]}],
        "conditions": [
            {"type": "ContainerReady", "state": "CONDITION_SUCCEEDED"},
            {"type": "Ready", "state": ready, "message": "the container did not start" if "FAILED" in ready else ""},
        ],
    }


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    fake = FakeGoogle()
    fake.put(
        f"{HOST}/v2/{SERVICE}",
        {
            "latestReadyRevision": f"{SERVICE}/revisions/web-00002",
            "trafficStatuses": [
                {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 90},
                {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "web-00001", "percent": 10},
                {"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION", "revision": "web-00001", "tag": "old"},
            ],
        },
    )
    fake.put(
        f"{HOST}/v2/{SERVICE}/revisions",
        {
            "revisions": [
                revision(3, ready="CONDITION_FAILED", gcb_build_id=BUILD, gcb_trigger_region="europe-west1"),
                revision(2, commit_sha="a" * 40),
                revision(1, image=f"r.dev/web:{'b' * 12}@sha256:{'c' * 64}"),
            ]
        },
    )
    fake.put(
        f"cloudbuild.googleapis.com/v1/projects/shop-prod/locations/europe-west1/builds/{BUILD}",
        {"substitutions": {"COMMIT_SHA": "d" * 40, "_DB_PASSWORD": "hunter2"}},
    )
    with serve_google(fake):
        yield fake
    assert fake.violations == []


async def read(google: FakeGoogle, *places: Place) -> tuple[LiveRevision, ...]:
    done = await asked(google, *places)
    assert done.gaps == ()
    return done.revisions


async def asked(google: FakeGoogle, *places: Place) -> LiveRead:
    async with httpx.AsyncClient() as http:
        rest = Rest(http, address=google.address, deadline=timedelta(seconds=1))
        return await CloudRun(rest, frozenset({"shop-prod"})).revisions(places or (PLACE,))


async def test_traffic_readiness_and_commits_are_told(google: FakeGoogle) -> None:
    third, second, first = await read(google)
    assert [r.traffic_percent for r in (third, second, first)] == [0, 90, 10]
    assert [r.ready for r in (third, second, first)] == [False, True, True]
    assert third.ready_reason == "the container did not start"
    assert first.created_at == datetime(2026, 3, 4, 1, 0, 0, 123456, UTC)
    assert [(claim.sha, claim.source) for r in (third, second, first) for claim in r.commits] == [
        ("d" * 40, CommitSource.BUILD),
        ("a" * 40, CommitSource.REVISION_LABEL),
        ("b" * 12, CommitSource.IMAGE_TAG),
    ]
    assert "hunter2" not in repr((third, second, first))


@pytest.mark.parametrize("trouble", [403, 404, 429, 500, "malformed", "slow", "reset"])
async def test_a_build_that_is_not_shown_leaves_the_commit_unknown(google: FakeGoogle, trouble: Trouble) -> None:
    google.troubles["cloudbuild.googleapis.com"] = trouble
    done = await asked(google)
    third, *others = done.revisions
    assert third.commits == ()
    if trouble == 404:
        assert done.gaps == ()
    else:
        (gap,) = done.gaps
        assert gap.meaning == "the commit of a revision that only its build tells stays unknown"
        assert trouble != 403 or gap.remedy == "grant roles/cloudbuild.builds.viewer to the auditor's account"
    assert all(other.commits for other in others)


async def test_without_permission_the_role_is_named(google: FakeGoogle) -> None:
    google.permissions["shop-prod"] = {"run.services.get"}
    (gap,) = (await asked(google)).gaps
    assert gap.remedy == "grant roles/run.viewer to the auditor's account"
    google.disabled.add(HOST)
    (gap,) = (await asked(google)).gaps
    assert gap.remedy == "run `gcloud services enable run.googleapis.com --project=4711`"


@pytest.mark.parametrize("trouble", [401, 429, 503, "malformed", "not an object", "slow", "reset"])
async def test_an_api_that_is_out_is_a_gap_and_no_absence(google: FakeGoogle, trouble: Trouble) -> None:
    google.troubles[HOST] = trouble
    done = await asked(google)
    (gap,) = done.gaps
    assert done.revisions == ()
    assert gap.source == "deployments"
    assert gap.reason.endswith("(web in shop-prod, europe-west1)")


@pytest.mark.parametrize("trouble", [403, 500, "malformed", "reset"])
async def test_a_place_that_cannot_be_read_costs_only_itself(google: FakeGoogle, trouble: Trouble) -> None:
    elsewhere = PLACE._replace(location="us-east1")
    google.troubles[f"{HOST}/v2/{SERVICE.replace('europe-west1', 'us-east1')}"] = trouble
    done = await asked(google, elsewhere, PLACE, PLACE._replace(location="us-east1", service=ServiceName("cart")))
    assert [r.name for r in done.revisions] == ["web-00003", "web-00002", "web-00001"]
    (gap,) = done.gaps
    assert gap.reason.endswith("(web in shop-prod, us-east1)")


async def test_one_reason_for_many_places_is_one_gap(google: FakeGoogle) -> None:
    google.troubles[HOST] = 503
    (gap,) = (await asked(google, PLACE, PLACE._replace(location="us-east1"))).gaps
    assert "web in shop-prod, europe-west1, web in shop-prod, us-east1" in gap.reason


async def test_a_function_of_the_second_generation_is_read_as_the_service_that_it_is(google: FakeGoogle) -> None:
    function = SERVICE.replace("services/web", "services/resize")
    one = revision(1, commit_sha="e" * 40, goog_managed_by="cloudfunctions")
    google.put(f"{HOST}/v2/{function}", {"latestReadyRevision": f"{function}/revisions/web-00001"})
    google.put(f"{HOST}/v2/{function}/revisions", {"revisions": [one]})
    (live,) = await read(google, PLACE._replace(service=ServiceName("resize")))
    assert live.commits[0].sha == "e" * 40


async def test_a_service_that_is_gone_has_no_revisions(google: FakeGoogle) -> None:
    assert await read(google, PLACE._replace(service=ServiceName("gone"))) == ()


@pytest.mark.parametrize(
    "place",
    [
        PLACE._replace(project="stranger"),
        PLACE._replace(resource_type="k8s_container"),
        PLACE._replace(resource_type="cloud_run_job"),
        PLACE._replace(resource_type="cloud_function"),
        PLACE._replace(location="../../stranger"),
        PLACE._replace(service=ServiceName("web?x=1")),
    ],
)
async def test_what_has_no_revisions_or_was_not_granted_is_not_asked(google: FakeGoogle, place: Place) -> None:
    assert await read(google, place) == ()
    assert google.calls == []

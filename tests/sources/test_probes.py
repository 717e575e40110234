"""Probes over real HTTP against a stand-in that checks every mask and answer by the official descriptions."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.evidence.model import ProbeKind, ProbeResult, ProbeState, ProbeTarget, Window
from app.redact import cut
from app.sources.probes import GoogleProbes, PublicFeed
from app.sources.rest import Rest
from tests.fakes.google_rest import FakeGoogle, Trouble, serve_google

START = datetime(2026, 3, 4, 5, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=6))
SQL = "projects/shop-prod/instances/main"
RUN = "projects/shop-prod/locations/europe-west1/services/web"
CONNECTOR = "projects/shop-prod/locations/europe-west1/connectors/link"
CLUSTER = "projects/shop-prod/locations/europe-west1/clusters/blue"
REDIS = "projects/shop-prod/locations/europe-west1/instances/cache"
JOB = "projects/shop-prod/locations/europe-west1/jobs/nightly"
SECRET = "projects/shop-prod/secrets/db-pass/versions/latest"
QUOTA = "projects/shop-prod/services/sheets.googleapis.com"
EVENTS = "projects/shop-prod/locations/global"
HOSTS = {
    ProbeKind.CLOUD_SQL: ("sqladmin.googleapis.com", SQL),
    ProbeKind.CLOUD_SQL_OPERATIONS: ("sqladmin.googleapis.com", SQL),
    ProbeKind.CLOUD_RUN: ("run.googleapis.com", RUN),
    ProbeKind.VPC_CONNECTOR: ("vpcaccess.googleapis.com", CONNECTOR),
    ProbeKind.GKE_CLUSTER: ("container.googleapis.com", CLUSTER),
    ProbeKind.REDIS: ("redis.googleapis.com", REDIS),
    ProbeKind.CLOUD_RUN_JOB: ("run.googleapis.com", JOB),
    ProbeKind.SECRET: ("secretmanager.googleapis.com", SECRET),
    ProbeKind.QUOTA: ("monitoring.googleapis.com", QUOTA),
    ProbeKind.SERVICE_HEALTH: ("servicehealth.googleapis.com", EVENTS),
    ProbeKind.PUBLIC_STATUS: ("status.cloud.google.com", "https://status.cloud.google.com/incidents.json"),
}


def instance(state: str = "RUNNABLE", policy: str = "ALWAYS", **more: Any) -> dict[str, Any]:
    return {
        "state": state,
        "databaseVersion": "POSTGRES_16",
        "ipAddresses": [{"type": "PRIMARY", "ipAddress": "203.0.113.7"}],
        "settings": {
            "activationPolicy": policy,
            "databaseFlags": [{"name": "max_connections", "value": "100"}],
            "ipConfiguration": {"ipv4Enabled": True, "privateNetwork": "projects/shop-prod/global/networks/core"},
        },
        **more,
    }


def service(**more: Any) -> dict[str, Any]:
    return {
        "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED"},
        "latestReadyRevision": f"{RUN}/revisions/web-00002-b",
        "latestCreatedRevision": f"{RUN}/revisions/web-00002-b",
        "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
        "template": {
            "vpcAccess": {"connector": CONNECTOR, "egress": "PRIVATE_RANGES_ONLY"},
            "containers": [
                {
                    "image": "europe-docker.pkg.dev/shop-prod/app/web:1",
                    "env": [{"name": "PASSWORD", "value": "hunter2hunter2"}],
                    "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
                }
            ],
        },
        **more,
    }


def job(status: str, **more: Any) -> dict[str, Any]:
    task = {"containers": [{"image": "r.dev/n:1", "env": [{"name": "A", "value": "x"}]}], "timeout": "600s"}
    return {
        "terminalCondition": {"state": "CONDITION_SUCCEEDED"},
        "latestCreatedExecution": {"name": "nightly-x2x9q", "completionStatus": status},
        "template": {"taskCount": 1, "template": task},
        **more,
    }


def quota(*values: int) -> dict[str, Any]:
    """A series of one quota, a minute apart from the window's start."""
    ends = [(START + timedelta(minutes=n)).strftime("%Y-%m-%dT%H:%M:%SZ") for n in range(len(values))]
    points = [
        {"interval": {"endTime": end}, "value": {"int64Value": str(n)}} for end, n in zip(ends, values, strict=True)
    ]
    return {"metric": {"labels": {"quota_metric": "sheets.googleapis.com/read_requests"}}, "points": points}


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    fake = FakeGoogle()
    fake.put(f"sqladmin.googleapis.com/v1/{SQL}", instance())
    fake.put(f"run.googleapis.com/v2/{RUN}", service())
    fake.put(f"vpcaccess.googleapis.com/v1/{CONNECTOR}", {"state": "READY", "minInstances": 2, "maxInstances": 3})
    fake.put(f"container.googleapis.com/v1/{CLUSTER}", {"status": "RUNNING", "nodePools": []})
    fake.put(f"redis.googleapis.com/v1/{REDIS}", {"state": "READY", "tier": "BASIC"})
    fake.put(f"run.googleapis.com/v2/{JOB}", job("EXECUTION_SUCCEEDED"))
    fake.put(f"secretmanager.googleapis.com/v1/{SECRET}", {"name": SECRET.replace("latest", "3"), "state": "ENABLED"})
    fake.series["serviceruntime.googleapis.com/quota/rate/net_usage"] = [quota(12, 58)]
    with serve_google(fake):
        yield fake
    assert fake.violations == []


async def probe(google: FakeGoogle, kind: ProbeKind, name: str | None = None) -> ProbeResult:
    target = ProbeTarget(kind, cut(name or HOSTS[kind][1]), cut("gcloud"))
    async with httpx.AsyncClient() as http:
        rest = Rest(http, address=google.address, deadline=timedelta(seconds=1))
        probes = GoogleProbes(rest, PublicFeed(rest), frozenset({"shop-prod"}), clock=lambda: START)
        (result,) = await probes.run((target,), WINDOW)
    return result


@pytest.mark.parametrize("kind", list(ProbeKind))
async def test_what_is_well_is_healthy(google: FakeGoogle, kind: ProbeKind) -> None:
    result = await probe(google, kind)
    assert (result.state, result.reason) == (ProbeState.HEALTHY, None)
    assert result.facts
    assert str(result.url).startswith("https://")


async def test_environment_values_are_never_asked_for(google: FakeGoogle) -> None:
    result = await probe(google, ProbeKind.CLOUD_RUN)
    facts = dict(result.facts)
    assert facts["template.vpcAccess.connector"] == CONNECTOR
    assert facts["template.vpcAccess.egress"] == "PRIVATE_RANGES_ONLY"
    assert facts["template.limits"] == "cpu 1, memory 512Mi"
    assert facts["traffic"] == "web-00002-b 100 %"
    assert "hunter2" not in str(result)
    assert all("env" not in call.query["fields"] for call in google.calls)


UNWELL: list[tuple[ProbeKind, str, dict[str, Any], ProbeState, str]] = [
    (ProbeKind.CLOUD_SQL, "v1", instance("MAINTENANCE"), ProbeState.UNHEALTHY, "its state is MAINTENANCE"),
    (ProbeKind.CLOUD_SQL, "v1", instance(policy="NEVER"), ProbeState.UNHEALTHY, "stopped by its owner"),
    (
        ProbeKind.CLOUD_SQL, "v1", instance(outOfDiskReport={"sqlOutOfDiskState": "SOFT_SHUTDOWN"}),
        ProbeState.UNHEALTHY, "its disk is full",
    ),
    (
        ProbeKind.CLOUD_SQL, "v1", instance("SUSPENDED", suspensionReason=["BILLING_ISSUE"]),
        ProbeState.UNHEALTHY, "its state is SUSPENDED",
    ),
    (ProbeKind.CLOUD_SQL, "v1", instance("PENDING_CREATE"), ProbeState.CHANGING, "PENDING_CREATE"),
    (ProbeKind.CLOUD_SQL, "v1", {}, ProbeState.FAILED, "the API tells no state"),
    (ProbeKind.VPC_CONNECTOR, "v1", {"state": "ERROR"}, ProbeState.UNHEALTHY, "its state is ERROR"),
    (ProbeKind.VPC_CONNECTOR, "v1", {"state": "UPDATING"}, ProbeState.CHANGING, "not settled"),
    (ProbeKind.REDIS, "v1", {"state": "FAILING_OVER"}, ProbeState.UNHEALTHY, "FAILING_OVER"),
    (ProbeKind.GKE_CLUSTER, "v1", {"status": "DEGRADED"}, ProbeState.UNHEALTHY, "DEGRADED"),
    (ProbeKind.GKE_CLUSTER, "v1", {"status": "RECONCILING"}, ProbeState.CHANGING, "not settled"),
    (
        ProbeKind.GKE_CLUSTER, "v1", {"status": "RUNNING", "nodePools": [{"name": "main", "status": "RUNNING_WITH_ERROR"}]},
        ProbeState.UNHEALTHY, "node pools with errors: main",
    ),
    (
        ProbeKind.CLOUD_RUN, "v2", service(latestCreatedRevision=f"{RUN}/revisions/web-00003-c"),
        ProbeState.UNHEALTHY, "web-00003-c never became ready; web-00002-b serves",
    ),
    (
        ProbeKind.CLOUD_RUN, "v2",
        service(terminalCondition={"state": "CONDITION_FAILED", "revisionReason": "HEALTH_CHECK_CONTAINER_ERROR"}),
        ProbeState.UNHEALTHY, "HEALTH_CHECK_CONTAINER_ERROR",
    ),
    (ProbeKind.CLOUD_RUN_JOB, "v2", job("EXECUTION_FAILED"), ProbeState.UNHEALTHY, "its newest execution failed"),
    (ProbeKind.CLOUD_RUN_JOB, "v2", job("EXECUTION_CANCELLED"), ProbeState.UNHEALTHY, "was cancelled"),
    (ProbeKind.CLOUD_RUN_JOB, "v2", job("EXECUTION_RUNNING"), ProbeState.CHANGING, "has not ended"),
    (ProbeKind.CLOUD_RUN_JOB, "v2", job("EXECUTION_SUCCEEDED", latestCreatedExecution={}), ProbeState.FAILED, "no execution"),
    (
        ProbeKind.CLOUD_RUN_JOB, "v2",
        job("EXECUTION_SUCCEEDED", terminalCondition={"state": "CONDITION_FAILED", "reason": "SECRETS_ACCESS_CHECK_FAILED"}),
        ProbeState.UNHEALTHY, "SECRETS_ACCESS_CHECK_FAILED",
    ),
    (ProbeKind.SECRET, "v1", {"state": "DISABLED"}, ProbeState.UNHEALTHY, "its state is DISABLED"),
    (ProbeKind.SECRET, "v1", {"state": "DESTROYED"}, ProbeState.UNHEALTHY, "its state is DESTROYED"),
    (ProbeKind.CLOUD_RUN, "v2", service(reconciling=True, terminalCondition={}), ProbeState.CHANGING, "under way"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "version", "resource", "state", "reason"), UNWELL)
async def test_a_state_says_what_it_means(
    google: FakeGoogle, kind: ProbeKind, version: str, resource: dict[str, Any], state: ProbeState, reason: str
) -> None:
    host, name = HOSTS[kind]
    google.put(f"{host}/{version}/{name}", resource)
    result = await probe(google, kind)
    assert result.state is state
    assert reason in str(result.reason)


TROUBLES: list[tuple[Trouble, ProbeState, str]] = [
    (401, ProbeState.NO_ACCESS, "does not accept the credentials"),
    (403, ProbeState.NO_ACCESS, "not permitted"),
    (404, ProbeState.NOT_FOUND, "does not exist under this name, or is hidden"),
    (429, ProbeState.FAILED, "quota"),
    (500, ProbeState.FAILED, "answered 500"),
    (302, ProbeState.FAILED, "answered 302"),
    ("malformed", ProbeState.FAILED, "no JSON"),
    ("slow", ProbeState.FAILED, "no answer within 1 s"),
    ("reset", ProbeState.FAILED, "no answer"),
]


@pytest.mark.parametrize(("trouble", "state", "reason"), TROUBLES)
@pytest.mark.parametrize("kind", list(ProbeKind))
async def test_trouble_is_a_state_of_its_own_and_never_health(
    google: FakeGoogle, kind: ProbeKind, trouble: Trouble, state: ProbeState, reason: str
) -> None:
    google.troubles[HOSTS[kind][0]] = trouble
    result = await probe(google, kind)
    assert result.state is state
    assert reason in str(result.reason)


@pytest.mark.parametrize("kind", [kind for kind in ProbeKind if kind is not ProbeKind.PUBLIC_STATUS])
async def test_an_answer_of_another_shape_is_not_read(google: FakeGoogle, kind: ProbeKind) -> None:
    google.troubles[HOSTS[kind][0]] = "not an object"
    result = await probe(google, kind)
    assert (result.state, result.reason) == (ProbeState.FAILED, "the answer is not what the API describes")


@pytest.mark.parametrize("kind", [kind for kind in ProbeKind if kind is not ProbeKind.PUBLIC_STATUS])
async def test_a_missing_permission_names_the_role_and_a_disabled_api_the_project(
    google: FakeGoogle, kind: ProbeKind
) -> None:
    google.permissions["shop-prod"] = set()
    result = await probe(google, kind)
    assert result.state is ProbeState.NO_ACCESS
    assert "(roles/" in str(result.reason)
    google.disabled.add(HOSTS[kind][0])
    result = await probe(google, kind)
    assert result.state is ProbeState.NO_ACCESS
    host = HOSTS[kind][0]
    assert result.reason == f"the API {host} is not enabled (gcloud services enable {host} --project=4711)"


async def test_a_quota_that_was_exceeded_is_told_by_its_name(google: FakeGoogle) -> None:
    google.series["serviceruntime.googleapis.com/quota/exceeded"] = [quota(0, 4, 2)]
    result = await probe(google, ProbeKind.QUOTA)
    assert (result.state, result.reason) == (
        ProbeState.UNHEALTHY,
        "exceeded in the window: sheets.googleapis.com/read_requests",
    )
    assert ("sheets.googleapis.com/read_requests exceeded", "in 2 of the window's minutes") in result.facts
    assert ("sheets.googleapis.com/read_requests used", "at most 58 a minute") in result.facts


async def test_no_sign_of_use_is_no_sign_of_health(google: FakeGoogle) -> None:
    google.series.clear()
    result = await probe(google, ProbeKind.QUOTA)
    assert (result.state, result.reason) == (
        ProbeState.FAILED,
        "Cloud Monitoring has no use of it in the window",
    )


async def test_a_project_that_was_not_granted_is_never_asked(google: FakeGoogle) -> None:
    result = await probe(google, ProbeKind.CLOUD_SQL, "projects/stranger/instances/main")
    assert result.state is ProbeState.NOT_ASKED
    result = await probe(google, ProbeKind.CLOUD_SQL, "projects/shop-prod/instances/../../stranger")
    assert result.state is ProbeState.FAILED
    assert google.calls == []


# --- metrics of a database --------------------------------------------------------------------------------------------


def points(*values: float, name: str = "doubleValue") -> list[dict[str, Any]]:
    """Newest first, as Monitoring gives them, a minute apart from the window's start."""
    found = [
        {"interval": {"endTime": f"2026-03-04T05:{minute:02}:00Z"}, "value": {name: str(v) if "int" in name else v}}
        for minute, v in enumerate(values)
    ]
    return [{"points": found[::-1]}]


async def test_a_database_that_was_down_in_the_window_is_not_healthy_now(google: FakeGoogle) -> None:
    google.series["cloudsql.googleapis.com/database/up"] = points(1, 0, 0, 1, name="int64Value")
    google.series["cloudsql.googleapis.com/database/postgresql/num_backends"] = points(12, 100, 3)
    google.series["cloudsql.googleapis.com/database/cpu/utilization"] = points(0.25, 0.985)
    result = await probe(google, ProbeKind.CLOUD_SQL)
    assert result.state is ProbeState.UNHEALTHY
    assert result.reason == "it was down from 2026-03-04 05:01 UTC to 2026-03-04 05:02 UTC (database/up is 0)"
    facts = dict(result.facts)
    assert facts["database/up"] == "0 in 2 of 4 intervals"
    assert facts["database/postgresql/num_backends"] == "at most 100, at 2026-03-04 05:01 UTC"
    assert facts["database/cpu/utilization"] == "at most 98%, at 2026-03-04 05:01 UTC"
    assert facts["settings.databaseFlags.max_connections"] == "100"
    asked = google.asked("monitoring.googleapis.com")[0].query
    assert 'resource.labels.database_id="shop-prod:main"' in asked["filter"]
    assert (asked["interval.startTime"], asked["aggregation.alignmentPeriod"]) == ("2026-03-04T04:45:00Z", "240s")


@pytest.mark.parametrize("trouble", [403, 429, 500, "malformed", "slow", "reset"])
async def test_metrics_that_cannot_be_read_leave_the_state_as_it_is(google: FakeGoogle, trouble: Trouble) -> None:
    google.troubles["monitoring.googleapis.com"] = trouble
    result = await probe(google, ProbeKind.CLOUD_SQL)
    assert result.state is ProbeState.HEALTHY
    assert "not read: " in dict(result.facts)["metrics"]


# --- lists ------------------------------------------------------------------------------------------------------------


def operation(kind: str, hour: float, *, minutes: int = 3, status: str = "DONE") -> dict[str, Any]:
    begun = START + timedelta(hours=hour)
    found = {"operationType": kind, "status": status, "insertTime": begun.isoformat(), "startTime": begun.isoformat()}
    return found if status != "DONE" else found | {"endTime": (begun + timedelta(minutes=minutes)).isoformat()}


@pytest.mark.parametrize(
    ("operations", "state"),
    [
        ([operation("FAILOVER", 2)], ProbeState.UNHEALTHY),
        ([operation("MAINTENANCE", -1, status="RUNNING")], ProbeState.UNHEALTHY),
        ([operation("BACKUP_VOLUME", 2)], ProbeState.HEALTHY),
        ([operation("RESTART", -3), operation("RESTART", 7)], ProbeState.HEALTHY),
    ],
)
async def test_operations_count_where_they_touch_the_window(
    google: FakeGoogle, operations: list[Any], state: ProbeState
) -> None:
    google.put("sqladmin.googleapis.com/v1/projects/shop-prod/operations", {"items": operations})
    result = await probe(google, ProbeKind.CLOUD_SQL_OPERATIONS)
    assert result.state is state


async def test_operations_are_read_back_to_the_window_or_told_to_be_incomplete(google: FakeGoogle) -> None:
    later = [operation("BACKUP_VOLUME", 900 - number) for number in range(150)]
    google.put(
        "sqladmin.googleapis.com/v1/projects/shop-prod/operations", {"items": [*later, operation("FAILOVER", 1)]}
    )
    result = await probe(google, ProbeKind.CLOUD_SQL_OPERATIONS)
    assert result.state is ProbeState.UNHEALTHY, "found on the second page"
    google.page_size = 10
    result = await probe(google, ProbeKind.CLOUD_SQL_OPERATIONS)
    assert (result.state, result.reason) == (ProbeState.FAILED, "there were more operations than were read")


def event(number: int, begun: timedelta, ended: timedelta | None, **more: Any) -> dict[str, Any]:
    found = {
        "name": f"projects/shop-prod/locations/global/events/e{number}",
        "title": "Connections to Cloud SQL fail",
        "state": "ACTIVE" if ended is None else "CLOSED",
        "startTime": (START + begun).isoformat(),
        "eventImpacts": [{"product": {"productName": "Cloud SQL"}, "location": {"locationName": "europe-west1"}}],
        **more,
    }
    return found if ended is None else found | {"endTime": (START + ended).isoformat()}


async def test_announced_incidents_count_where_they_touch_the_window(google: FakeGoogle) -> None:
    hour = timedelta(hours=1)
    address = "servicehealth.googleapis.com/v1/projects/shop-prod/locations/global/events"
    quiet = [
        event(1, -9 * hour, -2 * hour),
        event(2, hour, 2 * hour, relevance="NOT_IMPACTED"),
        event(3, 7 * hour, None),
    ]
    google.put(address, {"events": quiet})
    assert (await probe(google, ProbeKind.SERVICE_HEALTH)).state is ProbeState.HEALTHY
    google.put(address, {"events": [*quiet, event(4, -hour, None, relevance="IMPACTED")]})
    result = await probe(google, ProbeKind.SERVICE_HEALTH)
    assert result.state is ProbeState.UNHEALTHY
    assert dict(result.facts) == {
        "event.e4": "Connections to Cloud SQL fail · ACTIVE · IMPACTED · Cloud SQL · europe-west1"
    }
    google.page_size = 1
    google.put(address, {"events": [event(number, -9 * hour, -2 * hour) for number in range(9)]})
    result = await probe(google, ProbeKind.SERVICE_HEALTH)
    assert (result.state, result.reason) == (ProbeState.FAILED, "there were more events than were read")


async def test_the_public_feed_is_read_once_for_many_audits_and_without_credentials(google: FakeGoogle) -> None:
    google.feed = [
        {"id": "a1", "begin": "2026-03-04T06:00:00+00:00", "service_name": "Cloud SQL", "external_desc": "Down",
         "status_impact": "SERVICE_OUTAGE", "currently_affected_locations": [{"title": "Belgium", "id": "europe-west1"}]},
        {"id": "a2", "begin": "2026-01-04T06:00:00+00:00", "end": "2026-01-04T07:00:00+00:00"},
        "noise",
    ]  # fmt: skip
    now = START
    async with httpx.AsyncClient() as http, httpx.AsyncClient(headers={"Authorization": "Bearer x"}) as own:
        feed = PublicFeed(Rest(http, address=google.address), clock=lambda: now)
        target = ProbeTarget(
            ProbeKind.PUBLIC_STATUS, cut("https://status.cloud.google.com/incidents.json"), cut("curl")
        )
        for _ in range(3):
            probes = GoogleProbes(Rest(own, address=google.address), feed, frozenset({"shop-prod"}))
            (result,) = await probes.run((target,), WINDOW)
            assert result.state is ProbeState.UNHEALTHY
            assert dict(result.facts) == {"incident.a1": "Down · Cloud SQL · SERVICE_OUTAGE · europe-west1"}
        assert len(google.calls) == 1
        now += timedelta(minutes=3)
        await feed.incidents()
        assert len(google.calls) == 2
    assert {call.authorization for call in google.calls} == {None}

"""Whatever goes wrong on Google's side ends in a report that names it: never in a crash, never in a false all-clear."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import grpc
import httpx
import pytest
from google.auth import credentials, exceptions
from google.auth.transport.grpc import AuthMetadataPlugin
from google.auth.transport.requests import Request as TokenRequest

from app.errors import Unavailable
from app.evidence.model import ProbeKind, ProbeState, Request, ServiceName, Window
from app.investigate import Findings, Sources, investigate
from app.report import render
from app.sources.cloud_logging import CloudLogging, Limiter, Plan
from app.sources.cloud_run import CloudRun
from app.sources.doctor import NEEDS
from app.sources.error_reporting import ErrorReporting
from app.sources.gke import Clusters
from app.sources.google import Live
from app.sources.google_auth import GoogleAuth
from app.sources.monitoring import EntryCounts, Monitoring
from app.sources.probes import GoogleProbes, PublicFeed
from app.sources.rest import Rest
from tests.fakes.google import FakeLogging, Trouble, client_of, serve_logging
from tests.fakes.google_rest import FakeGoogle, permission_of, serve_google
from tests.fakes.google_rest import Trouble as RestTrouble
from tests.sources.test_cloud_logging import START, entry
from tests.sources.test_probes import CLUSTER, CONNECTOR, HOSTS, JOB, REDIS, RUN, SECRET, instance, job, service

NOW = START + timedelta(hours=6)
WINDOW = Window(START, NOW)
PASSING = {
    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.ABORTED,
    grpc.StatusCode.UNKNOWN, grpc.StatusCode.RESOURCE_EXHAUSTED,
}  # fmt: skip
"""What may pass: the worker tries the audit again later."""
CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
ALL_CLEAR = ("NO MATCHING FAILURES", "RESOLVED", "RECOVERING")


def incident(count: int = 30) -> list[dict[str, Any]]:
    labels = {
        "project_id": "shop-prod",
        "service_name": "web",
        "revision_name": "web-00002-b",
        "location": "europe-west1",
    }
    message = 'connection to server on socket "/cloudsql/shop-prod:europe-west1:main/.s.PGSQL.5432" failed: timeout'
    return [
        entry(
            60 * number, project="shop-prod", textPayload=f"psycopg.OperationalError: {message} {CONNECTOR}",
            resource={"type": "cloud_run_revision", "labels": labels},
        )
        for number in range(count)
    ]  # fmt: skip


def elsewhere() -> list[dict[str, Any]]:
    """A failure on everything else that can be looked at: with these, an audit asks all that it ever asks."""
    place = {"project_id": "shop-prod", "location": "europe-west1"}
    pod = place | {"cluster_name": "blue", "namespace_name": "shop", "pod_name": "cart-6d4cf56db6-x2x9q"}
    written = [
        ("k8s_container", pod | {"container_name": "server"}, TRACE),
        ("redis_instance", place | {"region": "europe-west1", "instance_id": "cache"}, "OOM command not allowed"),
        ("cloud_run_job", place | {"job_name": "nightly"}, f"Secret [{SECRET.replace('shop-prod', '4711')}] not found"),
        (
            "cloud_run_job", place | {"job_name": "nightly"},
            "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute' of service "
            "'sheets.googleapis.com' for consumer 'project_number:4711'.",
        ),
    ]  # fmt: skip
    return [
        entry(9_000 + number, project="shop-prod", textPayload=text, resource={"type": kind, "labels": labels})
        for number, (kind, labels, text) in enumerate(written)
    ]


@pytest.fixture
def logging() -> FakeLogging:
    return FakeLogging(projects={"shop-prod"}, entries=incident())


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    fake = FakeGoogle()
    fake.put("sqladmin.googleapis.com/v1/projects/shop-prod/instances/main", instance())
    fake.put(f"run.googleapis.com/v2/{RUN}", service())
    fake.put(f"vpcaccess.googleapis.com/v1/{CONNECTOR}", {"state": "READY"})
    with serve_google(fake):
        yield fake
    assert fake.violations == []


@asynccontextmanager
async def opened(logging: FakeLogging, google: FakeGoogle, plan: Plan) -> AsyncIterator[Sources]:
    async def no_wait(_seconds: float) -> None:
        return None

    projects = frozenset({"shop-prod"})
    with serve_logging(logging) as address:
        async with httpx.AsyncClient() as http:
            rest = Rest(http, address=google.address, deadline=timedelta(seconds=2))  # a loaded machine is slow too
            yield Sources(
                logs=CloudLogging(
                    client_of(address), ["projects/shop-prod"], projects, Limiter(),
                    counts=EntryCounts(Monitoring(rest), ["shop-prod"]), plan=plan, deadline=timedelta(seconds=1),
                    sleep=no_wait,
                ),
                deployments=Live((CloudRun(rest, projects), Clusters(Monitoring(rest), projects, clock=lambda: NOW))),
                probes=GoogleProbes(rest, PublicFeed(rest), projects, clock=lambda: NOW),
                errors=ErrorReporting(rest),
            )  # fmt: skip


async def audit(logging: FakeLogging, google: FakeGoogle, plan: Plan | None = None) -> Findings:
    async with opened(logging, google, plan or Plan()) as sources:
        return await investigate(Request(WINDOW, NOW), sources)


def shown(findings: Findings) -> str:
    """The report in every form; whatever is claimed below must hold in what people read."""
    report = findings.report
    assert render.html(report)
    assert render.to_json(report)
    assert render.text(report)
    return render.markdown(report)


async def test_without_trouble_the_resources_are_all_looked_at(logging: FakeLogging, google: FakeGoogle) -> None:
    findings = await audit(logging, google)
    kinds = {result.target.kind for result in findings.evidence.probes}
    assert kinds >= {
        ProbeKind.CLOUD_SQL, ProbeKind.CLOUD_SQL_OPERATIONS, ProbeKind.CLOUD_RUN, ProbeKind.VPC_CONNECTOR,
        ProbeKind.SERVICE_HEALTH, ProbeKind.PUBLIC_STATUS,
    }  # fmt: skip
    assert [gap.source for gap in findings.evidence.gaps] == ["history"]
    assert "30" in shown(findings)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
async def test_a_code_at_the_first_read_is_tried_later_or_named(
    logging: FakeLogging, google: FakeGoogle, code: grpc.StatusCode
) -> None:
    logging.troubles = [Trouble(code, times=-1)]
    if code in PASSING:
        with pytest.raises(Unavailable):
            await audit(logging, google)
        return
    findings = await audit(logging, google)
    text = shown(findings)
    assert "CANNOT TELL" in text
    assert not any(word in text for word in ALL_CLEAR)
    assert any(gap.source in ("logs", "Google Cloud") for gap in findings.evidence.gaps)
    assert all(gap.reason in text or gap.source in text for gap in findings.evidence.gaps)


@pytest.mark.parametrize(
    ("message", "reason", "remedy"),
    [
        ("Permission denied on restricted field jsonPayload.card", "", "roles/logging.fieldAccessor"),
        ("The API is disabled", "SERVICE_DISABLED", "gcloud services enable logging.googleapis.com --project=4711"),
        ("Permission 'logging.logEntries.list' denied", "IAM_PERMISSION_DENIED", "roles/logging.viewer"),
    ],
    ids=["a restricted field", "an API that is off", "a missing role"],
)
async def test_what_is_not_permitted_is_named_with_what_would_permit_it(
    logging: FakeLogging, google: FakeGoogle, message: str, reason: str, remedy: str
) -> None:
    logging.troubles = [Trouble(grpc.StatusCode.PERMISSION_DENIED, times=-1, message=message, reason=reason)]
    findings = await audit(logging, google)
    (gap,) = (gap for gap in findings.evidence.gaps if gap.source == "logs")
    assert remedy in str(gap.remedy)
    text = shown(findings)
    assert remedy in text
    assert "CANNOT TELL" in text


async def test_a_token_that_expired_for_good_is_named_for_logs_and_resources(
    logging: FakeLogging, google: FakeGoogle
) -> None:
    logging.troubles = [Trouble(grpc.StatusCode.UNAUTHENTICATED, times=-1, after=1)]
    google.troubles = dict.fromkeys((need.api for need in NEEDS), 401)
    findings = await audit(logging, google)
    assert "Cloud Logging does not accept the credentials" in {gap.reason for gap in findings.evidence.gaps}
    asked = [result for result in findings.evidence.probes if result.target.kind is not ProbeKind.PUBLIC_STATUS]
    assert {result.state for result in asked} == {ProbeState.NO_ACCESS}
    text = shown(findings)
    assert "infra-audit doctor" in text
    assert not any(word in text for word in ALL_CLEAR)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
async def test_a_code_after_the_first_page_keeps_what_was_read_and_names_the_rest(
    logging: FakeLogging, google: FakeGoogle, code: grpc.StatusCode
) -> None:
    logging.entries = incident(350 * 6)
    for number, one in enumerate(logging.entries):
        at = START + timedelta(seconds=10 * number)
        one["timestamp"] = at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    logging.troubles = [Trouble(code, times=-1, after=1)]
    findings = await audit(logging, google)
    assert findings.evidence.observations.entries == 1_000
    assert any(gap.source in ("logs", "Google Cloud") for gap in findings.evidence.gaps)
    assert findings.evidence.readings[0].truncated
    text = shown(findings)
    assert not any(word in text for word in ALL_CLEAR)
    assert "logs" in text


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Trouble(empty_page=True, times=-1), "the budget of 6 pages"),
        (Trouble(seconds=1.5, times=4, after=1), "DEADLINE_EXCEEDED"),
        (Trouble(reset=True, times=-1, after=1), "Cloud Logging is out"),
    ],
    ids=["empty pages without end", "a slow service", "a connection that is reset"],
)
async def test_a_search_that_did_not_end_is_never_an_all_clear(
    logging: FakeLogging, google: FakeGoogle, trouble: Trouble, reason: str
) -> None:
    logging.troubles = [trouble]
    findings = await audit(logging, google)
    assert any(reason in gap.reason for gap in findings.evidence.gaps)
    text = shown(findings)
    assert not any(word in text for word in ALL_CLEAR)


async def test_an_expired_page_token_is_named(logging: FakeLogging, google: FakeGoogle) -> None:
    logging.entries = [dict(one, insertId=f"x{number}") for number, one in enumerate(incident(25) * 60)]
    logging.tokens_expire = True
    findings = await audit(logging, google)
    assert any("page token is no longer taken" in gap.reason for gap in findings.evidence.gaps)
    assert not any(word in shown(findings) for word in ALL_CLEAR)


async def test_more_failures_than_were_read_are_counted_by_the_provider(
    logging: FakeLogging, google: FakeGoogle
) -> None:
    logging.entries = [dict(one, insertId=f"x{number}") for number, one in enumerate(incident(25) * 60)]
    point = {"interval": {"endTime": "2026-03-04T06:00:00Z"}, "value": {"int64Value": "12400"}}
    google.series["logging.googleapis.com/log_entry_count"] = [{"points": [point]}]
    findings = await audit(logging, google, Plan(failures=1, rest=0))
    (gap,) = (gap for gap in findings.evidence.gaps if gap.source == "logs")
    assert "1,000 of about 12,400, as Cloud Monitoring counts them, failing entries were read" in gap.reason
    (asked,) = (call for call in google.asked("monitoring.googleapis.com") if "log_entry_count" in call.query["filter"])
    assert 'metric.labels.severity="ERROR"' in asked.query["filter"]
    async with httpx.AsyncClient() as http:
        counts = EntryCounts(Monitoring(Rest(http, address=google.address)), ["shop-prod"])
        assert await counts.failures(WINDOW, [ServiceName("web")]) == 2 * 12_400, "the stand-in gives both the same"
    service, pods = (call.query["filter"] for call in google.asked("monitoring.googleapis.com")[-2:])
    assert 'resource.labels.service_name="web"' in service
    assert 'resource.labels.pod_name=monitoring.regex.full_match("(web)' in pods
    google.permissions["shop-prod"] = {"run.services.get", "run.revisions.list"}
    findings = await audit(logging, google, Plan(failures=1, rest=0))
    (gap,) = (gap for gap in findings.evidence.gaps if gap.source == "logs")
    assert "; 1,000 failing entries were read" in gap.reason


# --- what a whole audit asks, and what the doctor checks -----------------------------------------------------------------


def everything(google: FakeGoogle) -> None:
    """What lies behind `elsewhere`, and a build that alone knows a revision's commit."""
    build = "0d1f3e5a-1111-4222-8333-444455556666"
    google.put(f"container.googleapis.com/v1/{CLUSTER}", {"status": "RUNNING"})
    google.put(f"redis.googleapis.com/v1/{REDIS}", {"state": "READY"})
    google.put(f"run.googleapis.com/v2/{JOB}", job("EXECUTION_FAILED"))
    google.put(f"secretmanager.googleapis.com/v1/{SECRET}", {"state": "ENABLED"})
    google.put(
        f"run.googleapis.com/v2/{RUN}/revisions",
        {"revisions": [{"name": f"{RUN}/revisions/web-00002-b", "labels": {"gcb-build-id": build}}]},
    )


async def test_a_whole_audit_asks_what_the_doctor_checks_and_nothing_else(
    logging: FakeLogging, google: FakeGoogle
) -> None:
    logging.entries += elsewhere()
    everything(google)
    findings = await audit(logging, google)
    assert {result.target.kind for result in findings.evidence.probes} == set(ProbeKind)
    used = {permission_of(call) for call in google.calls if call.host != "status.cloud.google.com"}
    assert used | {"logging.logEntries.list"} == {permission for need in NEEDS for permission in need.permissions}
    assert {call.host for call in google.calls} - {"status.cloud.google.com"} == {need.api for need in NEEDS[1:]}


@pytest.mark.parametrize("permission", sorted({permission for need in NEEDS[1:] for permission in need.permissions}))
async def test_without_any_one_permission_the_report_still_comes_and_names_the_role(
    logging: FakeLogging, google: FakeGoogle, permission: str
) -> None:
    logging.entries += elsewhere()
    everything(google)
    google.permissions["shop-prod"] = {p for need in NEEDS for p in need.permissions if p != permission}
    text = shown(await audit(logging, google))
    assert not any(word in text for word in ALL_CLEAR)
    (need,) = (need for need in NEEDS if permission in need.permissions)
    assert need.role in text


TRACE = 'Traceback (most recent call last):\n  File "/app/web.py", line 3, in pay\n    charge()\nValueError: no price'


async def test_a_failure_that_is_older_than_the_window_is_not_said_to_begin_in_it(
    logging: FakeLogging, google: FakeGoogle
) -> None:
    for one in logging.entries:
        one["textPayload"] = TRACE
    deploy = entry(
        -60, project="shop-prod", severity="INFO", textPayload=None, resource=logging.entries[0]["resource"],
        logName="projects/shop-prod/logs/cloudaudit.googleapis.com%2Fsystem_event",
        protoPayload={
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "run.googleapis.com",
            "methodName": "/Services.ReplaceService", "status": {},
            "response": {"metadata": {"name": "web-00002-b"}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}},
        },
    )  # fmt: skip
    moved = START + timedelta(hours=2)
    for number, one in enumerate([deploy, *logging.entries]):
        one["timestamp"] = (moved + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    logging.entries.append(deploy)
    said = "after a deploy"
    assert said in shown(await audit(logging, google))
    old = {
        "count": "8123", "firstSeenTime": "2026-01-05T10:00:00Z", "lastSeenTime": "2026-03-04T06:00:00Z",
        "group": {"groupId": "CKa1"}, "representative": {"message": TRACE},
    }  # fmt: skip
    google.put("clouderrorreporting.googleapis.com/v1beta1/projects/shop-prod/groupStats", {"errorGroupStats": [old]})
    text = shown(await audit(logging, google))
    assert said not in text
    assert "Error Reporting knows it since 2026-01-05 10:00:00 UTC, about 8,123 times in 30 days" in text
    google.troubles["clouderrorreporting.googleapis.com"] = 403
    text = shown(await audit(logging, google))
    assert "roles/errorreporting.viewer on shop-prod" in text


REST_TROUBLES: list[RestTrouble] = [401, 403, 404, 429, 500, "malformed", "not an object", "slow", "reset"]


@pytest.mark.parametrize("trouble", REST_TROUBLES)
@pytest.mark.parametrize("host", sorted({host for host, _ in HOSTS.values()}))
async def test_a_resource_that_is_not_shown_is_named_with_the_reason(
    logging: FakeLogging, google: FakeGoogle, host: str, trouble: RestTrouble
) -> None:
    logging.entries += elsewhere()
    google.troubles[host] = trouble
    findings = await audit(logging, google)
    text = shown(findings)
    concerned = [r for r in findings.evidence.probes if HOSTS[r.target.kind][0] == host]
    assert concerned
    for result in concerned:
        assert result.state.value in ("no access", "not found", "could not be read")
        assert result.reason
        assert result.state.value in text
        assert f"{result.target.name} is up" not in text
    if host == "run.googleapis.com" and trouble != 404:
        assert "deployments" in {gap.source for gap in findings.evidence.gaps}


async def test_everything_of_google_but_the_logs_is_out(logging: FakeLogging, google: FakeGoogle) -> None:
    logging.entries += elsewhere()
    google.troubles = dict.fromkeys([*(host for host, _ in HOSTS.values()), *(need.api for need in NEEDS)], "reset")
    findings = await audit(logging, google)
    assert {result.state.value for result in findings.evidence.probes} == {"could not be read"}
    assert {gap.source for gap in findings.evidence.gaps} == {"deployments", "error reporting", "history"}
    assert "OperationalError" in shown(findings)


# --- credentials that give out no access token, or no longer -------------------------------------------------------------


class Expired(credentials.Credentials):
    """As google-auth's own, whose renewal is refused."""

    def refresh(self, request: Any) -> None:
        del request
        raise exceptions.RefreshError("Token has been expired or revoked: secret detail")


async def audit_without_token(logging: FakeLogging, google: FakeGoogle, *, logs_too: bool) -> Findings:
    token, projects = Expired(), frozenset({"shop-prod"})
    plugin = grpc.metadata_call_credentials(AuthMetadataPlugin(token, TokenRequest()))
    secured = grpc.composite_channel_credentials(grpc.local_channel_credentials(), plugin)
    with serve_logging(logging, secure=logs_too) as address:
        client = client_of(address, grpc.aio.secure_channel(address, secured) if logs_too else None)
        async with httpx.AsyncClient(auth=GoogleAuth(token)) as http, httpx.AsyncClient() as public:
            rest = Rest(http, address=google.address)
            feed = PublicFeed(Rest(public, address=google.address))
            return await investigate(
                Request(WINDOW, NOW),
                Sources(
                    logs=CloudLogging(client, ["projects/shop-prod"], projects, Limiter()),
                    deployments=CloudRun(rest, projects),
                    probes=GoogleProbes(rest, feed, projects, clock=lambda: NOW),
                ),
            )


async def test_logs_that_nobody_was_let_in_to_read_are_a_gap_of_the_report(
    logging: FakeLogging, google: FakeGoogle
) -> None:
    findings = await audit_without_token(logging, google, logs_too=True)
    assert logging.calls == [], "nothing is asked without a token"
    (gap,) = (gap for gap in findings.evidence.gaps if "no access token" in gap.reason)
    text = shown(findings)
    assert "CANNOT TELL" in text
    assert gap.reason in text
    assert "roles/iam.serviceAccountTokenCreator" in text
    assert "secret detail" not in text
    assert not any(word in text for word in ALL_CLEAR)


async def test_resources_that_nobody_was_let_in_to_see_are_named_beside_what_the_logs_show(
    logging: FakeLogging, google: FakeGoogle
) -> None:
    findings = await audit_without_token(logging, google, logs_too=False)
    assert {call.host for call in google.calls} <= {"status.cloud.google.com"}, "nothing is asked without a token"
    asked = [result for result in findings.evidence.probes if result.target.kind is not ProbeKind.PUBLIC_STATUS]
    assert asked
    assert {result.state for result in asked} == {ProbeState.NO_ACCESS}
    assert "deployments" in {gap.source for gap in findings.evidence.gaps}
    text = shown(findings)
    assert "OperationalError" in text
    assert "infra-audit doctor" in text
    assert "secret detail" not in text
    assert not any(word in text for word in ALL_CLEAR)

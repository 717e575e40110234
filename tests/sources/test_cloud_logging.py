"""Live logs through the real client against a stand-in at the wire: what is asked, what is spent, and every kind of trouble."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest

from app.errors import SourceRefused, Unavailable
from app.evidence.model import LogEntry, LogQuestion, LogsRead, ServiceName, Window
from app.sources.cloud_logging import CloudLogging, Limiter, Plan
from tests.fakes.google import FakeLogging, Trouble, client_of, serve_logging

START = datetime(2026, 3, 4, 5, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=6))
DEFAULT = Plan()


def entry(number: int, *, project: str = "shop", service: str = "web", **fields: Any) -> dict[str, Any]:
    at = START + timedelta(seconds=number)
    return {
        "insertId": f"i{number:06}",
        "logName": f"projects/{project}/logs/run.googleapis.com%2Fstderr",
        "resource": {
            "type": "cloud_run_revision",
            "labels": {"project_id": project, "service_name": service, "revision_name": f"{service}-00001-a"},
        },
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "severity": "ERROR",
        "textPayload": f"ValueError: order {number}",
        **fields,
    }


@pytest.fixture
def fake() -> FakeLogging:
    return FakeLogging(projects={"shop"})


@pytest.fixture
def address(fake: FakeLogging) -> Iterator[str]:
    with serve_logging(fake) as place:
        yield place


async def no_wait(_seconds: float) -> None:
    return None


async def read(
    address: str,
    *,
    services: tuple[str, ...] = (),
    plan: Plan = DEFAULT,
    resources: tuple[str, ...] = ("projects/shop",),
) -> tuple[list[LogEntry], LogsRead]:
    got: list[LogEntry] = []
    source = CloudLogging(client_of(address), resources, frozenset({"shop"}), Limiter(), plan=plan, sleep=no_wait)
    done = await source.read(LogQuestion(WINDOW, tuple(ServiceName(s) for s in services)), got.append)
    return got, done


async def test_failures_deployments_requests_and_the_onset_are_read(fake: FakeLogging, address: str) -> None:
    fake.entries = [
        entry(700, severity="INFO", textPayload="Starting new instance"),
        entry(800),
        entry(801, severity="INFO", textPayload="too long after"),
        entry(10, severity="INFO", logName="projects/shop/logs/run.googleapis.com%2Frequests", httpRequest={"status": 200}),
        entry(
            20, severity="NOTICE", logName="projects/shop/logs/cloudaudit.googleapis.com%2Factivity", textPayload=None,
            protoPayload={
                "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "run.googleapis.com",
                "methodName": "google.cloud.run.v1.Services.ReplaceService", "status": {},
                "response": {"metadata": {"labels": {"commit-sha": "a" * 40}}},
            },
        ),
        entry(900, severity="INFO", textPayload="nobody asks for this"),
        entry(30, service="other"),
    ]  # fmt: skip
    for row in fake.entries:
        if row.get("textPayload") is None:
            row.pop("textPayload")
    got, done = await read(address, services=("web",))
    assert sorted(e.insert_id for e in got) == ["i000010", "i000020", "i000700", "i000800", "i000801"]
    audit = next(e.audit for e in got if e.audit)
    assert audit.facts["metadata.labels.commit-sha"] == "a" * 40
    assert done.gaps == ()
    assert sum(reading.calls for reading in done.readings) == len(fake.calls) == 4
    assert all(reading.query and 'timestamp>="2026-03-04T05' in reading.query for reading in done.readings)


async def test_more_failures_than_fit_are_told_and_the_rest_is_sampled(fake: FakeLogging, address: str) -> None:
    fake.entries = [entry(number) for number in range(4_000)]
    plan = Plan(failures=2)
    got, done = await read(address, plan=plan)
    failures, sample, *_ = done.readings
    assert (failures.entries, failures.calls) == (2_000, 2)
    assert failures.truncated == "the budget of 2 pages for failures was spent"
    assert 50 < sample.entries < 160, "a twentieth of the 2,000 that were left"
    assert "lower bounds" in done.gaps[0].meaning
    assert len({e.insert_id for e in got}) == len(got)
    assert len(fake.calls) <= plan.reads


async def test_an_audit_never_spends_more_than_its_plan(fake: FakeLogging, address: str) -> None:
    fake.entries = [entry(number) for number in range(9_500)]
    _, done = await read(address)
    assert sum(reading.calls for reading in done.readings) == len(fake.calls) <= 12


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.DEADLINE_EXCEEDED,
    ],
)
async def test_what_may_pass_is_tried_again(fake: FakeLogging, address: str, code: grpc.StatusCode) -> None:
    fake.entries = [entry(1)]
    fake.troubles = [Trouble(code, times=2)]
    got, done = await read(address)
    assert len(got) == 1
    assert done.gaps == ()
    assert done.readings[0].calls == 3


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "quota"),
        (grpc.StatusCode.UNAVAILABLE, "out"),
        (grpc.StatusCode.DEADLINE_EXCEEDED, "answer"),
    ],
)
async def test_a_service_that_stays_out_is_unavailable(
    fake: FakeLogging, address: str, code: grpc.StatusCode, word: str
) -> None:
    fake.troubles = [Trouble(code, times=-1)]
    with pytest.raises(Unavailable, match=word):
        await read(address)


async def test_trouble_after_the_first_page_keeps_what_was_read_and_is_a_gap(fake: FakeLogging, address: str) -> None:
    fake.entries = [entry(number) for number in range(1_500)]
    fake.troubles = [Trouble(grpc.StatusCode.UNAVAILABLE, times=-1, after=1)]
    got, done = await read(address)
    assert len(got) == 1_000
    assert "lower bounds" in done.gaps[0].meaning
    assert done.readings[0].truncated is not None


async def test_no_permission_is_refused_with_the_role_named(fake: FakeLogging, address: str) -> None:
    fake.projects = set()
    with pytest.raises(SourceRefused) as refused:
        await read(address)
    assert "roles/logging.viewer on projects/shop" in str(refused.value.remedy)
    assert "says nothing about whether there are any" in refused.value.meaning


async def test_an_empty_page_with_a_successor_is_not_the_end(fake: FakeLogging, address: str) -> None:
    fake.entries = [entry(1)]
    fake.troubles = [Trouble(empty_page=True)]
    got, done = await read(address)
    assert len(got) == 1
    assert done.readings[0].calls == 2


async def test_empty_pages_without_end_are_an_incomplete_search(fake: FakeLogging, address: str) -> None:
    fake.entries = [entry(1)]
    fake.troubles = [Trouble(empty_page=True, times=-1)]
    got, done = await read(address)
    assert got == []
    assert done.readings[0].truncated == "the budget of 6 pages for failures was spent"
    assert done.gaps


async def test_an_expired_page_token_keeps_the_pages_before_it(fake: FakeLogging, address: str) -> None:
    fake.entries = [entry(number) for number in range(1_500)]
    fake.tokens_expire = True
    got, done = await read(address)
    assert len(got) >= 1_000
    assert "page token" in str(done.readings[0].truncated)


async def test_entries_of_another_project_are_refused_and_told(fake: FakeLogging, address: str) -> None:
    fake.entries = [entry(1), entry(2, project="stranger")]
    view = "projects/shop/locations/global/buckets/b/views/v"
    got, done = await read(address, resources=(view,))
    assert [e.insert_id for e in got] == ["i000001"]
    assert "entries of other projects were refused" in done.gaps[0].reason


class _NoToken(grpc.AuthMetadataPlugin):
    def __call__(self, context: Any, callback: Any) -> None:
        callback((), RuntimeError("refresh denied: secret detail"))


async def test_without_a_token_it_is_refused_and_not_taken_for_an_outage(fake: FakeLogging) -> None:
    with serve_logging(fake, secure=True) as address:
        local = grpc.local_channel_credentials()
        credentials = grpc.composite_channel_credentials(local, grpc.metadata_call_credentials(_NoToken()))
        client = client_of(address, grpc.aio.secure_channel(address, credentials))
        source = CloudLogging(client, ["projects/shop"], frozenset({"shop"}), Limiter(), sleep=no_wait)
        with pytest.raises(SourceRefused) as refused:
            await source.read(LogQuestion(WINDOW), lambda _entry: None)
    assert "serviceAccountTokenCreator" in str(refused.value.remedy)
    assert "secret detail" not in str(refused.value)
    assert fake.calls == []


async def test_the_limiter_keeps_the_minute_quota() -> None:
    now = 0.0
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        waits.append(seconds)
        now += seconds

    limiter = Limiter(3, clock=lambda: now, sleep=sleep)
    for _ in range(7):
        await limiter.take()
        now += 1
    assert waits == [57, 57]


async def test_who_would_wait_for_longer_than_a_minute_is_told_when_to_come_back() -> None:
    async def sleep(_seconds: float) -> None:
        return None

    limiter = Limiter(2, clock=lambda: 0.0, sleep=sleep)
    for _ in range(4):
        await limiter.take()
    with pytest.raises(Unavailable) as refused:
        await limiter.take()
    assert refused.value.retry_after == timedelta(seconds=120)
    assert limiter.spent == 2

"""What Error Reporting knows beyond the window, joined by our own identity of a failure and by nothing else."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.evidence.entries import parse_entry
from app.evidence.grouping import fingerprint_of_trace
from app.evidence.model import Fingerprint, KnownRead
from app.evidence.observe import Observer
from app.sources.error_reporting import ErrorReporting
from app.sources.rest import Rest
from tests.fakes.google_rest import FakeGoogle, Trouble, serve_google

HOST = "clouderrorreporting.googleapis.com"
TRACE = """Traceback (most recent call last):
  File "/app/shop/orders.py", line 7, in total
    return cart[key]
KeyError: 'order-17'"""
OTHER = TRACE.replace("total", "count")


def stats(message: str, first: str, count: int = 3, group: str = "CKa1", **fields: Any) -> dict[str, Any]:
    return {
        "group": {"groupId": group, "name": f"projects/shop/groups/{group}"},
        "count": str(count),
        "firstSeenTime": first,
        "lastSeenTime": "2026-03-04T05:00:00Z",
        "affectedServices": [{"service": "web", "version": "1"}, {"service": "cart"}],
        "representative": {"message": message, "eventTime": first},
        **fields,
    }


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with serve_google(FakeGoogle()) as fake:
        yield fake
    assert fake.violations == []


def put(google: FakeGoogle, *found: dict[str, Any]) -> None:
    google.put(f"{HOST}/v1beta1/projects/shop/groupStats", {"errorGroupStats": list(found)})


def group_of(message: str) -> Fingerprint:
    observer = Observer()
    entry = {"timestamp": "2026-03-04T05:00:00Z", "insertId": "i", "severity": "ERROR", "textPayload": message}
    observer.add(parse_entry(entry, "here"))
    return observer.finish().groups[0].id


async def read(google: FakeGoogle, *groups: Fingerprint) -> KnownRead:
    async with httpx.AsyncClient() as http:
        rest = Rest(http, address=google.address, deadline=timedelta(seconds=1))
        return await ErrorReporting(rest).known(("shop",), frozenset(groups or (group_of(TRACE),)))


def test_a_trace_has_the_same_identity_there_and_here() -> None:
    assert fingerprint_of_trace(TRACE.replace("17", "99")) == group_of(TRACE)
    assert fingerprint_of_trace(f"request failed\n{TRACE}") == group_of(f"request failed\n{TRACE}")
    assert fingerprint_of_trace("no trace at all") is None


async def test_what_is_known_of_our_failures_is_told_and_nothing_of_others(google: FakeGoogle) -> None:
    put(
        google,
        stats(OTHER, "2026-01-01T00:00:00Z"),
        stats(TRACE, "2026-02-01T00:00:00Z", 12_400),
        stats("x", "nonsense"),
    )
    (known,) = (await read(google)).errors
    assert (known.group, known.count) == (group_of(TRACE), 12_400)
    assert known.first_seen == datetime(2026, 2, 1, tzinfo=UTC)
    assert known.services == ("cart", "web")
    assert known.url == "https://console.cloud.google.com/errors/detail/CKa1;time=P30D?project=shop"


async def test_two_groups_there_that_are_one_here_are_added_up(google: FakeGoogle) -> None:
    put(google, stats(TRACE, "2026-02-02T00:00:00Z", 2), stats(TRACE.replace("17", "18"), "2026-02-01T00:00:00Z", 3))
    (known,) = (await read(google)).errors
    assert (known.count, known.first_seen.day) == (5, 1)


async def test_the_newest_groups_are_looked_through_and_then_it_ends(google: FakeGoogle) -> None:
    google.page_size = 1
    put(google, *(stats(OTHER, "2026-02-01T00:00:00Z") for _ in range(9)), stats(TRACE, "2026-02-01T00:00:00Z"))
    assert await read(google) == KnownRead(())
    assert len(google.asked(HOST)) == 3


@pytest.mark.parametrize("trouble", [401, 403, 404, 429, 500, "malformed", "not an object", "slow", "reset"])
async def test_what_cannot_be_read_is_a_gap(google: FakeGoogle, trouble: Trouble) -> None:
    google.troubles[HOST] = trouble
    done = await read(google)
    (gap,) = done.gaps
    assert done.errors == ()
    assert "Error Reporting of shop" in gap.reason
    if trouble == 403:
        assert gap.remedy == "grant roles/errorreporting.viewer on shop to the auditor's account"

"""What is kept, on both stores."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError

from app.archive import Archive, DeliveryState, Inbox, StoredDelivery
from app.errors import Unavailable
from tests.fakes.service import eventually
from tests.fakes.stores import postgres, store

__all__ = ["postgres", "store"]
NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)


def delivery(guid: str) -> StoredDelivery:
    return StoredDelivery(guid, "{}", "5#1")


def take(archive: Archive, *deliveries: StoredDelivery) -> list[StoredDelivery]:
    """Take deliveries in at once; what was handed on."""
    handed: list[StoredDelivery] = []
    inbox = Inbox(archive, handed.append)
    inbox.start()

    async def store_all() -> None:
        await asyncio.gather(*(inbox.store(one) for one in deliveries))

    asyncio.run(store_all())
    inbox.stop()
    return handed


def test_a_delivery_is_kept_and_handed_on_once(store: str) -> None:
    archive = Archive(store)
    assert [d.guid for d in take(archive, delivery("a"), delivery("a"), delivery("b"))] == ["a", "b"]
    assert take(archive, delivery("a")) == []
    assert archive.delivery("a") == delivery("a")
    assert archive.delivery("c") is None


def test_a_given_up_delivery_begins_anew_when_it_comes_again(store: str) -> None:
    archive = Archive(store)
    take(archive, delivery("a"))
    archive.mark_delivery("a", DeliveryState.FAILED)
    assert archive.known_deliveries(["a", "b"]) == frozenset()
    (again,) = take(archive, delivery("a"))
    assert again.attempt == 2
    assert again.job != delivery("a").job
    assert archive.known_deliveries(["a", "b"]) == {"a"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_was_acknowledged_before_a_crash_is_handed_on_at_the_next_start(store: str) -> None:
    archive = Archive(store)

    def crash(_delivery: StoredDelivery) -> None:
        raise SystemExit

    inbox = Inbox(archive, crash)
    inbox.start()
    asyncio.run(inbox.store(delivery("a")))
    eventually(lambda: archive.unqueued_deliveries() == (delivery("a"),))
    assert take(archive) == [delivery("a")]
    assert archive.unqueued_deliveries() == ()


def test_whoever_waits_hears_that_nothing_was_stored(tmp_path: object) -> None:
    archive = Archive(f"sqlite:///{tmp_path}/audit.db")
    inbox = Inbox(archive, lambda _delivery: None)
    inbox.start()
    with archive.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE deliveries RENAME TO elsewhere")
    with pytest.raises(OperationalError, match="deliveries"):
        asyncio.run(inbox.store(delivery("a")))
    with archive.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE elsewhere RENAME TO deliveries")
    asyncio.run(inbox.store(delivery("a")))
    inbox.stop()
    assert archive.delivery("a") is not None


def test_a_full_disk_is_told_and_lasts_no_longer_than_it_is_full(tmp_path: object) -> None:
    archive = Archive(f"sqlite:///{tmp_path}/audit.db")
    inbox = Inbox(archive, lambda _delivery: None)
    inbox.start()
    with archive.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1")
    with pytest.raises(Unavailable, match="the disk is full"):
        asyncio.run(inbox.store(replace(delivery("a"), event="x" * 500_000)))
    with archive.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    asyncio.run(inbox.store(delivery("a")))
    inbox.stop()
    assert archive.unqueued_deliveries() == ()


@pytest.mark.parametrize(
    "address", ["postgresql+psycopg://nobody@127.0.0.1:9/x", "sqlite:////proc/no-such-directory/audit.db"]
)
def test_a_store_that_is_out_is_no_bug(address: str) -> None:
    with pytest.raises(Unavailable, match="the store cannot be used"):
        Archive(address)


def test_jobs_that_are_out_for_a_while_lose_nothing(tmp_path: object) -> None:
    archive = Archive(f"sqlite:///{tmp_path}/audit.db")
    calls: list[str] = []

    def hand_on(one: StoredDelivery) -> None:
        calls.append(one.guid)
        if len(calls) == 1:
            raise OSError("out")

    inbox = Inbox(archive, hand_on)
    inbox.start()
    asyncio.run(inbox.store(delivery("a")))
    asyncio.run(inbox.store(delivery("b")))
    eventually(lambda: calls == ["a", "a", "b"])
    inbox.stop()
    assert archive.unqueued_deliveries() == ()


def test_the_same_job_keeps_its_page(store: str) -> None:
    archive = Archive(store)
    first = archive.begin_audit("job", 5, 1, "production", "{}", NOW)
    again = archive.begin_audit("job", 5, 1, "production", "{}", NOW + timedelta(minutes=1))
    other = archive.begin_audit("other", 5, 1, "", "{}", NOW)
    assert first == again
    assert first.page != other.page
    assert archive.audits_since(5, NOW - timedelta(hours=1)) == 2
    assert archive.audits_since(5, NOW - timedelta(hours=1), issue=2) == 0
    archive.drop_audit(other.page)
    assert archive.audit("other") is None


def test_old_rows_go_and_unfinished_deliveries_stay(store: str) -> None:
    archive = Archive(store)
    take(archive, delivery("done"), delivery("waiting"))
    archive.mark_delivery("done", DeliveryState.DONE)
    archive.begin_audit("job", 5, 1, "", "{}", NOW)
    later = datetime.now(UTC) + timedelta(days=1)
    archive.purge(deliveries_before=later, audits_before=later)
    assert archive.delivery("done") is None
    assert archive.delivery("waiting") is not None
    assert archive.audits_of(5, 1) == ()


def test_comments_and_incidents_are_remembered(store: str) -> None:
    archive = Archive(store)
    archive.remember_comment(5, 1, "m", 10)
    archive.remember_comment(5, 1, "m", 11)
    assert archive.comment(5, 1, "m") == 11
    archive.forget_comment(5, 1, "m")
    assert archive.comment(5, 1, "m") is None
    assert archive.change_incident(5, 1, lambda state: state + "one") == "{}"
    assert archive.change_incident(5, 1, lambda _state: "two") == "{}one"
    assert archive.incident(5, 1) == "two"
    assert archive.incidents_of(5) == ((1, "two"),)
    assert archive.incident(5, 2) is None


def test_a_forgotten_incident_goes_with_its_comments_unless_it_changes_meanwhile(store: str) -> None:
    archive = Archive(store)
    for issue, state in ((1, "old"), (2, "old"), (3, "new")):
        archive.change_incident(5, issue, lambda _state, told=state: told)
        archive.remember_comment(5, issue, "report", 10 + issue)
    archive.remember_comment(5, 4, "reply", 14)

    def is_forgotten(state: str) -> bool:
        archive.change_incident(5, 2, lambda _state: "somebody asks at this moment")
        return state == "old"

    archive.purge_incidents(is_forgotten)
    assert archive.incidents_of(5) == ((2, "somebody asks at this moment"), (3, "new"))
    assert [archive.comment(5, issue, "report") for issue in (1, 2, 3)] == [None, 12, 13]
    assert archive.comment(5, 4, "reply") is None
    archive.purge_incidents(lambda state: False)
    assert len(archive.incidents_of(5)) == 2

"""One contract on both stores: what was enqueued is done, once where it can be, again where it must be."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.archive import Archive
from app.errors import ConfigError
from app.jobs import RECOVERIES, Jobs, JobState, Later, _tick, lock_store
from tests.fakes.service import eventually
from tests.fakes.stores import postgres, store

__all__ = ["postgres", "store"]
FAST = timedelta(milliseconds=50)


class Notebook:
    """Handlers that note what they were given."""

    def __init__(self) -> None:
        self.ran: list[tuple[str, int]] = []
        self.running = 0
        self.most = 0
        self.cancelled: list[str] = []

    async def note(self, argument: str, attempt: int) -> None:
        self.ran.append((argument, attempt))

    async def stumble(self, argument: str, attempt: int) -> None:
        self.ran.append((argument, attempt))
        if attempt < 3:
            raise Later(timedelta(milliseconds=10))

    async def fail(self, argument: str, attempt: int) -> None:
        self.ran.append((argument, attempt))
        raise RuntimeError("a bug")

    async def take_long(self, argument: str, attempt: int) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0.3 if argument == "short" else 60)
            self.ran.append((argument, attempt))
        except asyncio.CancelledError:
            self.cancelled.append(argument)
            raise
        finally:
            self.running -= 1


@contextmanager
def jobs(store: str, notebook: Notebook, grace: timedelta = timedelta(seconds=1)) -> Iterator[Jobs]:
    Archive(store).close()  # sets an SQLite file to WAL, as the service does
    handlers = {
        "note": notebook.note,
        "stumble": notebook.stumble,
        "fail": notebook.fail,
        "long": notebook.take_long,
    }
    made = Jobs(store, handlers, concurrency=3, poll=FAST)
    made.start()
    try:
        yield made
    finally:
        made.stop(grace)


def test_a_job_is_done_once_however_often_it_is_enqueued(store: str) -> None:
    notebook = Notebook()
    with jobs(store, notebook) as made:
        for argument in ("first", "second", "third"):
            made.enqueue("note", argument, id="one")
        eventually(lambda: made.status("one") is JobState.DONE)
        made.enqueue("note", "after it was done", id="one")
        made.enqueue("note", "other", id="two")
        eventually(lambda: made.status("two") is JobState.DONE)
        assert notebook.ran == [("first", 1), ("other", 1)]
        assert made.status("never enqueued") is None


def test_a_job_that_asks_for_it_is_run_again(store: str) -> None:
    notebook = Notebook()
    with jobs(store, notebook) as made:
        made.enqueue("stumble", "a", id="one")
        eventually(lambda: len(notebook.ran) == 3)
        assert notebook.ran == [("a", 1), ("a", 2), ("a", 3)]


def test_a_failing_job_is_not_run_again(store: str) -> None:
    notebook = Notebook()
    with jobs(store, notebook) as made:
        made.enqueue("fail", "a", id="one")
        eventually(lambda: made.status("one") is JobState.FAILED)
        assert notebook.ran == [("a", 1)]


def test_a_delayed_job_waits_and_can_be_cancelled(store: str) -> None:
    notebook = Notebook()
    with jobs(store, notebook) as made:
        made.enqueue_in(timedelta(hours=1), "note", "never", id="far")
        made.enqueue_in(timedelta(milliseconds=100), "note", "soon", id="near")
        made.cancel("far")
        eventually(lambda: made.status("near") is JobState.DONE)
        assert made.status("far") is JobState.CANCELLED
        assert notebook.ran == [("soon", 1)]


def test_a_running_job_can_be_cancelled(store: str) -> None:
    notebook = Notebook()
    with jobs(store, notebook) as made:
        made.enqueue("long", "a", id="one")
        eventually(lambda: notebook.running == 1)
        made.cancel("one")
        eventually(lambda: notebook.cancelled == ["a"])
        assert made.status("one") is JobState.CANCELLED


def test_jobs_of_one_order_do_not_overlap(store: str) -> None:
    notebook = Notebook()
    with jobs(store, notebook) as made:
        for number in range(3):
            made.enqueue("long", "short", id=f"same{number}", order="1#1")
        eventually(lambda: len(notebook.ran) == 3)
        assert notebook.most == 1


def test_a_busy_issue_keeps_no_other_waiting(store: str) -> None:
    notebook = Notebook()
    with jobs(store, notebook) as made:
        for number in range(12):
            made.enqueue("long", "short", id=f"busy{number}", order="1#1")
        made.enqueue("note", "other", id="other", order="2#1")
        eventually(lambda: made.status("other") is JobState.DONE)
        assert made.status("busy11") is JobState.WAITING


def test_a_delayed_job_outlives_the_process_and_runs_once(store: str) -> None:
    first, second = Notebook(), Notebook()
    with jobs(store, first) as made:
        made.enqueue_in(timedelta(seconds=1), "note", "a", id="one")
    with jobs(store, second) as made:
        eventually(lambda: made.status("one") is JobState.DONE)
        made.enqueue_in(timedelta(0), "note", "again", id="one")
        made.enqueue("note", "last", id="last")
        eventually(lambda: made.status("last") is JobState.DONE)
    assert first.ran + second.ran == [("a", 1), ("last", 1)]


def test_a_tick_that_two_processes_see_is_one_job(store: str) -> None:
    """Every process on Postgres ticks; a clock that was set back ticks twice."""
    notebook = Notebook()
    with jobs(store, notebook) as made:
        at, context = datetime(2026, 1, 2, 12, 5, tzinfo=UTC), {"name": "sweep", "kind": "note", "argument": "x"}
        for _ in range(2):
            _tick(at, context)
        made.enqueue("note", "last", id="last")
        eventually(lambda: made.status("last") is JobState.DONE)
        assert notebook.ran == [("x", 1), ("last", 1)]


def test_a_schedule_ticks_and_is_replaced(store: str) -> None:
    notebook = Notebook()
    with jobs(store, notebook) as made:
        made.schedule("tick", "0 0 0 1 1 *", "note", "old")
        made.schedule("tick", "* * * * * *", "note", "new")
        eventually(lambda: len(notebook.ran) >= 2)
        assert {argument for argument, _ in notebook.ran} == {"new"}


def test_purged_jobs_are_forgotten(store: str) -> None:
    notebook = Notebook()
    with jobs(store, notebook) as made:
        made.enqueue("note", "a", id="one")
        made.enqueue_in(timedelta(hours=1), "note", "b", id="waiting")
        eventually(lambda: made.status("one") is JobState.DONE)
        assert made.purge(timedelta(hours=1)) == 0
        time.sleep(0.01)
        assert made.purge(timedelta(0)) == 1
        assert made.status("one") is None
        assert made.status("waiting") is JobState.WAITING


def test_work_cut_off_by_a_stop_is_done_after_the_next_start(store: str) -> None:
    first, second = Notebook(), Notebook()
    second.take_long = second.note  # type: ignore[method-assign]  # the cause is gone after the restart
    with jobs(store, first) as made:
        made.enqueue("long", "a", id="one")
        eventually(lambda: first.running == 1)
    with jobs(store, second) as made:
        eventually(lambda: made.status("one") is JobState.DONE)
    assert second.ran == [("a", 1)]


def test_a_job_that_ends_every_process_is_given_up_and_known(store: str) -> None:
    for _ in range(RECOVERIES + 1):
        notebook = Notebook()
        with jobs(store, notebook, grace=timedelta(0)) as made:
            made.enqueue("long", "a", id="one")
            eventually(lambda notebook=notebook: notebook.running == 1)
            assert made.given_up() == ()
    with jobs(store, Notebook()) as made:
        eventually(lambda: made.status("one") is JobState.FAILED)
        assert made.given_up() == (("one", "long", "a"),)
        made.enqueue("note", "b", id="two")
        eventually(lambda: made.status("two") is JobState.DONE)


def _run_until_killed(store: str, started: Path) -> None:
    async def hang(argument: str, attempt: int) -> None:
        started.write_text(argument)  # noqa: ASYNC240  a signal to the test
        await asyncio.sleep(600)

    made = Jobs(store, {"job": hang}, poll=FAST)
    made.start()
    made.enqueue("job", "a", id="one")
    time.sleep(600)


def test_work_of_a_killed_process_is_taken_over_by_another(
    postgres: object, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    from tests.fakes.stores import new_database

    store = new_database(request.getfixturevalue("postgres"))
    started = tmp_path / "started"
    other = multiprocessing.get_context("spawn").Process(target=_run_until_killed, args=(store, started))
    other.start()
    eventually(started.exists, seconds=60)
    notebook = Notebook()
    made = Jobs(store, {"job": notebook.note}, poll=FAST)
    made.start()
    try:
        assert other.pid is not None
        time.sleep(3)
        assert notebook.ran == []  # its owner lives
        os.kill(other.pid, signal.SIGKILL)
        other.join()
        eventually(lambda: notebook.ran == [("a", 1)])
        eventually(lambda: made.status("one") is JobState.DONE)
    finally:
        made.stop(timedelta(seconds=1))


def test_a_second_user_of_an_sqlite_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "audit.db"
    lock = lock_store(file)
    with pytest.raises(ConfigError, match="another process uses the store") as refusal:
        lock_store(file)
    assert "postgresql://" in refusal.value.fix
    lock.release()
    lock_store(file).release()


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be written: ") as refusal:
        lock_store(tmp_path / "file" / "audit.db")
    assert "INFRA_AUDIT_STORE" in refusal.value.fix

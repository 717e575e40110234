"""Durable jobs as six verbs: enqueue, enqueue_in, cancel, status, schedule, purge. Nothing else imports the engine.

Owns the engine (DBOS, on SQLite or Postgres), the thread and event loop that handlers run on, and who may use the store: one
process per SQLite file, any number on Postgres, where a process that died is noticed by its released lock and its work is
taken over. A job is a kind, a short argument and an id; bodies live in the archive. A handler runs at least once and must be
safe to repeat. Leaves what a job does, and how often it is tried, to `worker.py`.
"""

import asyncio
import concurrent.futures
import contextvars
import fcntl
import logging
import threading
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, TypeVar

import sqlalchemy
from dbos import DBOS, DBOSConfig, DBOSPortableJSONSerializer, SetEnqueueOptions, SetWorkflowID
from sqlalchemy.exc import SQLAlchemyError

from app.errors import ConfigError

_log = logging.getLogger(__name__)
T = TypeVar("T")

VERSION = "infra-audit-1"
"""Constant over releases: the engine would strand waiting work of another version. Changes only with the job format."""
QUEUE = "jobs"
ORDERED_QUEUE = "ordered"
RECOVERIES = 5
"""A job that is cut off more often is given up: it may be what kills its process, and must not keep the service down."""

_STORE_PAUSE = timedelta(seconds=2)

Handler = Callable[[str, int], Awaitable[None]]
"""Gets the argument and the attempt, counted from 1."""


class Later(Exception):
    """Raised by a handler: run the same job again after a while."""

    def __init__(self, after: timedelta) -> None:
        super().__init__(f"again in {after}")
        self.after = after


class Broken(Exception):
    """A handler failed. The engine keeps this instead of the error, whose words may quote what came from outside."""


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


_STATES = {
    "DELAYED": JobState.WAITING,
    "ENQUEUED": JobState.WAITING,
    "PENDING": JobState.RUNNING,
    "SUCCESS": JobState.DONE,
    "ERROR": JobState.FAILED,
    "MAX_RECOVERY_ATTEMPTS_EXCEEDED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
}


@dataclass(frozen=True, slots=True)
class Lock:
    """Held for the life of the process; the operating system lets go of it when the process dies."""

    file: IO[str]

    def release(self) -> None:
        self.file.close()


def lock_store(sqlite_file: Path) -> Lock:
    """Refuse a second process on one SQLite file: the engine would run its jobs twice. Raises `ConfigError`."""
    try:
        sqlite_file.parent.mkdir(parents=True, exist_ok=True)
        file = sqlite_file.with_name(sqlite_file.name + ".lock").open("a")
    except OSError as error:
        raise ConfigError(
            f"the store {sqlite_file} cannot be written: {error.strerror}",
            fix="Let INFRA_AUDIT_STORE name a file in a directory that this user may write, with space on its disk.",
        ) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise ConfigError(
            f"another process uses the store {sqlite_file}",
            fix="Stop it first, or set INFRA_AUDIT_STORE to a postgresql:// address, which any number of processes may use.",
        ) from error
    return Lock(file)


class Jobs:
    """One per process: the engine underneath is a singleton."""

    def __init__(
        self,
        store: str,
        handlers: Mapping[str, Handler],
        *,
        concurrency: int = 4,
        poll: timedelta = timedelta(milliseconds=200),
    ) -> None:
        """`store` is an SQLAlchemy address; the caller holds the lock of an SQLite file and has set it to WAL."""
        self._store = store
        self._handlers = handlers
        self._concurrency = concurrency
        self._poll = poll
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="jobs", daemon=True)
        self._executor = "embedded" if store.startswith("sqlite:") else f"process-{uuid.uuid4()}"
        self._reaper: _Reaper | None = None
        self._busy: set[str] = set()
        self._stopping = threading.Event()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Where handlers run; clients that they share are opened and closed on it."""
        return self._loop

    def open_loop(self) -> None:
        """Begin to run the loop, before `start`, for what handlers need opened on it."""
        self._thread.start()

    def start(self) -> None:
        """Take work up, what a dead process left behind included. Raises what the store raises."""
        global _current
        engine_log = logging.getLogger("dbos")
        engine_log.addHandler(logging.NullHandler())  # keeps the engine from adding a console handler of its own
        engine_log.addFilter(_not_ours)
        config = DBOSConfig(
            name="infra-audit",
            system_database_url=self._store,
            application_version=VERSION,
            executor_id=self._executor,
            serializer=DBOSPortableJSONSerializer(),
            log_level="WARNING",
            scheduler_polling_interval_sec=5.0,
            notification_listener_polling_interval_sec=self._poll.total_seconds(),  # idle, but a stop waits for it
        )
        _current = self
        if not self._thread.is_alive():
            self.open_loop()
        if not self._store.startswith("sqlite:"):
            self._reaper = _Reaper(self._store, self._executor)
            self._reaper.hold()
        DBOS(config=config)
        DBOS.launch()
        seconds = self._poll.total_seconds()
        DBOS.register_queue(
            QUEUE, worker_concurrency=self._concurrency, polling_interval_sec=seconds, on_conflict="always_update"
        )
        DBOS.register_queue(
            ORDERED_QUEUE,
            worker_concurrency=self._concurrency,
            partition_concurrency=1,
            polling_interval_sec=seconds,
            on_conflict="always_update",
        )
        if self._reaper is not None:
            self._reaper.start()

    def stop(
        self, grace: timedelta = timedelta(seconds=10), close: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Let running jobs finish within `grace`, in whole seconds; what is cut off then runs again at the next start.

        `close` runs last on the loop: for what was opened on it.
        """
        global _current
        if self._reaper is not None:
            self._reaper.stop()
        wait = int(grace.total_seconds()) if self._busy else 0  # the engine waits a second even for nothing
        DBOS.destroy(workflow_completion_timeout_sec=wait)
        self._stopping.set()
        asyncio.run_coroutine_threadsafe(_cancel_all(), self._loop).result(timeout=10)
        if close is not None:
            asyncio.run_coroutine_threadsafe(_close(close), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()
        _current = None

    # --- the six verbs ---

    def enqueue(self, kind: str, argument: str, *, id: str, order: str | None = None) -> None:  # noqa: A002
        """Durable when it returns. The same id again does nothing. Jobs of one `order` never run at the same time."""
        self._put(kind, argument, 1, id, order, None)

    def enqueue_in(self, delay: timedelta, kind: str, argument: str, *, id: str, order: str | None = None) -> None:  # noqa: A002
        """As `enqueue`, to run after `delay`; waiting costs nothing."""
        self._put(kind, argument, 1, id, order, delay)

    def cancel(self, id: str) -> None:  # noqa: A002
        """Whether it waits or runs, also in another process; a running handler sees a cancellation within a second."""

        def cancel() -> None:
            unfinished = ["DELAYED", "ENQUEUED", "PENDING"]
            found = DBOS.list_workflows(workflow_id_prefix=id, status=unfinished, load_input=False, load_output=False)
            mine = [one.workflow_id for one in found if one.workflow_id.partition("~")[0] == id]
            if mine:
                DBOS.cancel_workflows(mine)

        _apart(cancel)

    def status(self, id: str) -> JobState | None:  # noqa: A002
        """None: no such job, or it was purged. Of a job that was run again, its first run's."""
        found = _apart(lambda: DBOS.get_workflow_status(id))
        return _STATES[found.status] if found is not None else None

    def given_up(self) -> tuple[tuple[str, str, str], ...]:
        """Jobs that were cut off too often to be run once more, oldest first: id, kind, argument."""
        found = _apart(
            lambda: DBOS.list_workflows(status="MAX_RECOVERY_ATTEMPTS_EXCEEDED", name="job", load_output=False)
        )
        return tuple((one.workflow_id, *one.input["args"][:2]) for one in found if one.input is not None)

    def schedule(self, name: str, cron: str, kind: str, argument: str) -> None:
        """Enqueue at every tick of `cron` (UTC; six fields: seconds first). An earlier schedule of the name is replaced."""

        def replace() -> None:
            DBOS.delete_schedule(name)
            context = {"name": name, "kind": kind, "argument": argument}
            DBOS.create_schedule(schedule_name=name, workflow_fn=_tick, schedule=cron, context=context)

        _apart(replace)

    def purge(self, older_than: timedelta) -> int:
        """Forget finished jobs; their ids no longer keep a duplicate out, so stay above the time GitHub redelivers."""
        before = (datetime.now(UTC) - older_than).isoformat()

        def purge() -> int:
            gone = 0
            while found := DBOS.list_workflows(
                status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
                completed_before=before,
                limit=500,
                load_input=False,
                load_output=False,
            ):
                DBOS.delete_workflows([workflow.workflow_id for workflow in found])
                gone += len(found)
            return gone

        return _apart(purge)

    # --- inside ---

    def _put(
        self, kind: str, argument: str, attempt: int, job: str, order: str | None, delay: timedelta | None
    ) -> None:
        if kind not in self._handlers:
            raise ValueError(f"no handler for {kind!r}")
        options = SetEnqueueOptions(
            queue_partition_key=order, delay_seconds=delay.total_seconds() if delay is not None else None
        )
        with SetWorkflowID(job), options:
            DBOS.enqueue_workflow(
                ORDERED_QUEUE if order is not None else QUEUE, _job, kind, argument, attempt, order or ""
            )

    def _put_when_possible(
        self, kind: str, argument: str, attempt: int, root: str, order: str | None, delay: timedelta
    ) -> None:
        """The reason to run again may be that the store is out: then this waits for it, and the job stays as it is."""
        while not self._stopping.is_set():
            try:
                self._put(kind, argument, attempt, f"{root}~{attempt}", order, delay)
                return
            except SQLAlchemyError as error:
                _log.warning("%s cannot be put off yet: %s", root, type(error).__name__)
                self._stopping.wait(_STORE_PAUSE.total_seconds())
        raise RuntimeError(
            "stopped before the job was put off"
        )  # nothing of it is recorded: it runs again at the start

    def _run(self, kind: str, argument: str, attempt: int, order: str, job: str) -> None:
        self._busy.add(job)
        try:
            self._run_once(kind, argument, attempt, order, job)
        finally:
            self._busy.discard(job)

    def _run_once(self, kind: str, argument: str, attempt: int, order: str, job: str) -> None:
        # An empty context: the engine's own must not follow the handler onto the loop.
        future = contextvars.Context().run(
            asyncio.run_coroutine_threadsafe, _call(self._handlers[kind], argument, attempt), self._loop
        )
        while True:
            try:
                future.result(timeout=1)
                return
            except concurrent.futures.TimeoutError as error:
                if future.done():
                    raise Broken(type(error).__name__) from None  # the handler's own
                if self.status(job) is JobState.CANCELLED:
                    future.cancel()
                    return
            except Later as later:
                self._put_when_possible(kind, argument, attempt + 1, job.partition("~")[0], order or None, later.after)
                return
            except Exception as error:
                raise Broken(type(error).__name__) from None


_current: Jobs | None = None


def _apart(work: Callable[[], T]) -> T:
    """Run on a thread of its own, without context.

    The engine refuses these calls where a loop runs, and would record them as steps of a job where one does.
    """
    return _aside.submit(contextvars.Context().run, work).result()


_aside = concurrent.futures.ThreadPoolExecutor(4, thread_name_prefix="jobs-aside")


_CANCELLATIONS = 50
"""Of a task that goes on after one: a connection that is cancelled while it is made may be tried again."""


async def _cancel_all() -> None:
    """What still runs when the engine is gone; nothing of it is recorded as finished, so it runs again."""
    for _ in range(_CANCELLATIONS):
        rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        if not rest:
            return
        for task in rest:
            task.cancel()
        await asyncio.wait(rest, timeout=0.1)


async def _close(close: Callable[[], Awaitable[None]]) -> None:
    await close()


async def _call(handler: Handler, argument: str, attempt: int) -> None:
    await handler(argument, attempt)


@DBOS.workflow(name="job", max_recovery_attempts=RECOVERIES)
def _job(kind: str, argument: str, attempt: int, order: str) -> None:
    if _current is None:
        raise RuntimeError("a job runs without its owner")
    _current._run(kind, argument, attempt, order, DBOS.workflow_id or "")  # pyright: ignore[reportPrivateUsage]  # same module


@DBOS.workflow(name="tick", max_recovery_attempts=RECOVERIES)
def _tick(at: datetime, context: Any) -> None:
    if _current is not None:
        stamp = at.isoformat() if isinstance(at, datetime) else str(at)  # pyright: ignore[reportUnnecessaryIsInstance]  # a replayed time is text
        _current.enqueue(context["kind"], context["argument"], id=f"tick:{context['name']}:{stamp}")


def _not_ours(record: logging.LogRecord) -> bool:
    """The worker logs a failing job itself, once; the engine's copy of the trace is dropped."""
    return (
        record.exc_info is None or record.levelno >= logging.CRITICAL or "workflow" not in record.getMessage().lower()
    )


class _Reaper:
    """Failover on Postgres, which the engine leaves to its commercial side.

    Each process holds a session lock named by its executor id. Whoever can take the lock of an id with unfinished work knows
    that its owner is gone, and makes that work eligible again. The engine hands each job to one runner only, so two reapers
    that see the same dead process do no harm.
    """

    def __init__(self, store: str, executor: str, every: timedelta = timedelta(seconds=2)) -> None:
        self._engine = sqlalchemy.create_engine(store, isolation_level="AUTOCOMMIT", pool_size=2)
        self._executor = executor
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="reaper", daemon=True)
        self._held: sqlalchemy.Connection | None = None

    def hold(self) -> None:
        self._held = self._engine.connect()
        self._held.execute(_LOCK, {"name": self._executor})

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        if self._held is not None:
            self._held.close()
        self._engine.dispose()

    def _watch(self) -> None:
        while not self._stop.wait(self._every.total_seconds()):
            try:
                self._hold_on()
                self._take_over()
            except SQLAlchemyError as error:
                _log.warning("cannot look for work of dead processes: %s", type(error).__name__)

    def _hold_on(self) -> None:
        """A lost connection has lost the lock; take it anew before others see this process as dead."""
        try:
            assert self._held is not None
            self._held.execute(sqlalchemy.text("SELECT 1"))
        except SQLAlchemyError:
            self.hold()

    def _take_over(self) -> None:
        with self._engine.connect() as connection:
            owners = [row[0] for row in connection.execute(_OWNERS, {"me": self._executor, "version": VERSION})]
            for owner in owners:
                if connection.execute(_TRY_LOCK, {"name": owner}).scalar():
                    DBOS._recover_pending_workflows([owner])  # pyright: ignore[reportPrivateUsage]  # there is no public way that keeps the attempt count
                    connection.execute(_UNLOCK, {"name": owner})


_LOCK = sqlalchemy.text("SELECT pg_advisory_lock(hashtextextended(:name, 7))")
_TRY_LOCK = sqlalchemy.text("SELECT pg_try_advisory_lock(hashtextextended(:name, 7))")
_UNLOCK = sqlalchemy.text("SELECT pg_advisory_unlock(hashtextextended(:name, 7))")
_OWNERS = sqlalchemy.text(
    "SELECT DISTINCT executor_id FROM dbos.workflow_status"
    " WHERE status = 'PENDING' AND application_version = :version AND executor_id <> :me"
)

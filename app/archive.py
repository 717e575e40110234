"""What is kept: deliveries, saved evidence and reports, the comments we wrote, and what is watched.

Owns the tables, on SQLite (WAL) and on Postgres with the same statements, and the group commit that makes a delivery durable
before it is acknowledged. Text in it had its secrets cut before it came here. Leaves jobs to `jobs.py`.
"""

import asyncio
import logging
import queue
import secrets
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy
from pydantic import TypeAdapter
from sqlalchemy import Engine, ExceptionContext, event, text
from sqlalchemy.exc import OperationalError

from app.errors import Unavailable
from app.evidence.model import Evidence
from app.report.model import Report

_log = logging.getLogger(__name__)

_SCHEMA = (
    """CREATE TABLE IF NOT EXISTS deliveries (
        guid TEXT PRIMARY KEY, event TEXT NOT NULL, subject TEXT NOT NULL, received_ms BIGINT NOT NULL,
        state TEXT NOT NULL, attempt INTEGER NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS deliveries_by_state ON deliveries (state)",
    """CREATE TABLE IF NOT EXISTS audits (
        page TEXT PRIMARY KEY, job TEXT NOT NULL UNIQUE, repository_id BIGINT NOT NULL, issue BIGINT NOT NULL,
        environment TEXT NOT NULL, request TEXT NOT NULL, started_ms BIGINT NOT NULL, finished_ms BIGINT,
        audit_id TEXT, status TEXT, priority TEXT, target TEXT, evidence TEXT, report TEXT)""",
    "CREATE INDEX IF NOT EXISTS audits_by_issue ON audits (repository_id, issue, started_ms)",
    "CREATE INDEX IF NOT EXISTS audits_by_time ON audits (repository_id, started_ms)",
    "CREATE INDEX IF NOT EXISTS audits_unfinished ON audits (started_ms) WHERE finished_ms IS NULL",
    """CREATE TABLE IF NOT EXISTS comments (
        repository_id BIGINT NOT NULL, issue BIGINT NOT NULL, marker TEXT NOT NULL, comment_id BIGINT NOT NULL,
        PRIMARY KEY (repository_id, issue, marker))""",
    """CREATE TABLE IF NOT EXISTS sightings (
        repository_id BIGINT NOT NULL, fingerprint TEXT NOT NULL, issue BIGINT NOT NULL, page TEXT NOT NULL,
        seen_ms BIGINT NOT NULL, PRIMARY KEY (repository_id, fingerprint, issue))""",
    """CREATE TABLE IF NOT EXISTS incidents (
        repository_id BIGINT NOT NULL, issue BIGINT NOT NULL, state TEXT NOT NULL,
        PRIMARY KEY (repository_id, issue))""",
)

_EVIDENCE: TypeAdapter[Evidence] = TypeAdapter(Evidence)
_REPORT: TypeAdapter[Report] = TypeAdapter(Report)


class DeliveryState(StrEnum):
    RECEIVED = "received"
    """Durable; its job may not be enqueued yet."""
    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"
    """Given up: a redelivery starts it anew."""


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """`event` is JSON, read by `github/webhooks.py`. `attempt` counts redeliveries after failures, from 1."""

    guid: str
    event: str
    subject: str
    attempt: int = 1

    @property
    def job(self) -> str:
        return f"delivery:{self.guid}:{self.attempt}"


@dataclass(frozen=True, slots=True)
class SavedAudit:
    """One audit as it stands. `page` is the unguessable part of its address, `request` is JSON of `respond.py`'s own model.

    None: not finished, or not told.
    """

    page: str
    job: str
    repository_id: int
    issue: int
    environment: str
    request: str
    started_at: datetime
    finished_at: datetime | None
    audit_id: str | None
    status: str | None
    priority: str | None
    target: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """What is acknowledged and not finished: deliveries that wait or run, audits that wait or run, and how long the oldest of
    them has been there. `given_up`: deliveries that failed for good within the time that they are kept."""

    deliveries: int
    audits: int
    oldest_seconds: int
    given_up: int


class Archive:
    """Calls are short and block; handlers call them from the jobs' thread, routes from a pool."""

    def __init__(self, store: str) -> None:
        self._engine = open_engine(store)
        with self._engine.begin() as connection:
            for statement in _SCHEMA:
                connection.execute(text(statement))

    @property
    def engine(self) -> Engine:
        return self._engine

    def close(self) -> None:
        self._engine.dispose()

    def backlog(self, now: datetime) -> Backlog:
        """Raises `Unavailable` when the store is out."""
        states = "SELECT state, count(*), min(received_ms) FROM deliveries WHERE state <> 'done' GROUP BY state"
        audits = "SELECT count(*), min(started_ms) FROM audits WHERE finished_ms IS NULL"
        with self._engine.connect() as connection:
            deliveries = {state: (count, oldest) for state, count, oldest in connection.execute(text(states))}
            unfinished, begun = connection.execute(text(audits)).one()
        given_up, _ = deliveries.pop(DeliveryState.FAILED.value, (0, None))
        waiting = [*(oldest for _, oldest in deliveries.values()), *([begun] if begun is not None else [])]
        return Backlog(
            deliveries=sum(count for count, _ in deliveries.values()),
            audits=unfinished,
            oldest_seconds=max(0, (_ms(now) - min(waiting)) // 1000) if waiting else 0,
            given_up=given_up,
        )

    # --- deliveries ---

    def delivery(self, guid: str) -> StoredDelivery | None:
        with self._engine.connect() as connection:
            row = connection.execute(
                text("SELECT guid, event, subject, attempt FROM deliveries WHERE guid = :guid"), {"guid": guid}
            ).one_or_none()
        return StoredDelivery(*row) if row is not None else None

    def mark_delivery(self, guid: str, state: DeliveryState) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                text("UPDATE deliveries SET state = :state WHERE guid = :guid"), {"state": state.value, "guid": guid}
            )

    def unqueued_deliveries(self) -> tuple[StoredDelivery, ...]:
        """Acknowledged before a crash, but not yet handed to the jobs; oldest first."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                text(
                    "SELECT guid, event, subject, attempt FROM deliveries WHERE state = 'received' ORDER BY received_ms"
                )
            ).all()
        return tuple(StoredDelivery(*row) for row in rows)

    def known_deliveries(self, guids: Sequence[str]) -> frozenset[str]:
        """Those of `guids` that were received and not given up."""
        if not guids:
            return frozenset()
        statement = text("SELECT guid FROM deliveries WHERE guid IN :guids AND state <> 'failed'").bindparams(
            sqlalchemy.bindparam("guids", expanding=True)
        )
        with self._engine.connect() as connection:
            return frozenset(row[0] for row in connection.execute(statement, {"guids": list(guids)}))

    # --- audits ---

    def begin_audit(
        self, job: str, repository_id: int, issue: int, environment: str, request: str, now: datetime
    ) -> SavedAudit:
        """Reserve the page of the audit that `job` makes. The same job again gets the same page, so that a repeat after a
        crash writes the same report."""
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO audits (page, job, repository_id, issue, environment, request, started_ms)"
                    " VALUES (:page, :job, :repository_id, :issue, :environment, :request, :now) ON CONFLICT (job) DO NOTHING"
                ),
                {
                    "page": secrets.token_urlsafe(24),
                    "job": job,
                    "repository_id": repository_id,
                    "issue": issue,
                    "environment": environment,
                    "request": request,
                    "now": _ms(now),
                },
            )
            row = connection.execute(text(_BY_JOB), {"job": job}).one()
        return _saved(row)

    def audit(self, job: str) -> SavedAudit | None:
        found = self._one(_BY_JOB, job=job)
        return _saved(found) if found is not None else None

    def finish_audit(
        self, page: str, evidence: Evidence, report: Report, now: datetime, target: str | None = None
    ) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    "UPDATE audits SET finished_ms = :now, audit_id = :audit_id, status = :status, priority = :priority,"
                    " target = :target, evidence = :evidence, report = :report WHERE page = :page"
                ),
                {
                    "now": _ms(now),
                    "audit_id": report.header.audit_id,
                    "status": report.header.status.value,
                    "priority": report.header.priority.value if report.header.priority else None,
                    "target": target,
                    "evidence": _EVIDENCE.dump_json(evidence).decode(),
                    "report": _REPORT.dump_json(report).decode(),
                    "page": page,
                },
            )

    def page(self, page: str) -> SavedAudit | None:
        found = self._one(f"SELECT {_AUDIT} FROM audits WHERE page = :page", page=page)  # noqa: S608  a constant
        return _saved(found) if found is not None else None

    def note_groups(self, saved: SavedAudit, fingerprints: Sequence[str], now: datetime) -> None:
        """In which issue a fault was seen last, so that it is known again in another one."""
        if not fingerprints:
            return
        statement = text(
            "INSERT INTO sightings (repository_id, fingerprint, issue, page, seen_ms)"
            " VALUES (:repository_id, :fingerprint, :issue, :page, :now)"
            " ON CONFLICT (repository_id, fingerprint, issue) DO UPDATE SET page = excluded.page, seen_ms = excluded.seen_ms"
        )
        common = {"repository_id": saved.repository_id, "issue": saved.issue, "page": saved.page, "now": _ms(now)}
        with self._engine.begin() as connection:
            connection.execute(statement, [{**common, "fingerprint": one} for one in fingerprints])

    def seen_elsewhere(
        self, repository_id: int, issue: int, fingerprints: Sequence[str]
    ) -> tuple[tuple[int, datetime, str], ...]:
        """Other issues of the repository with one of these faults: issue, when it was seen last, page; newest first."""
        if not fingerprints:
            return ()
        statement = text(
            "SELECT issue, seen_ms, page FROM sightings"
            " WHERE repository_id = :repository_id AND issue <> :issue AND fingerprint IN :fingerprints"
            " ORDER BY seen_ms DESC, issue DESC LIMIT 50"
        ).bindparams(sqlalchemy.bindparam("fingerprints", expanding=True))
        values = {"repository_id": repository_id, "issue": issue, "fingerprints": list(fingerprints)}
        with self._engine.connect() as connection:
            rows = connection.execute(statement, values).all()
        newest: dict[int, tuple[int, datetime, str]] = {}
        for number, seen, page in rows:
            newest.setdefault(int(number), (int(number), _from_ms(seen), str(page)))
        return tuple(newest.values())

    def drop_audit(self, page: str) -> None:
        """Forget a reserved audit that never finished."""
        with self._engine.begin() as connection:
            connection.execute(text("DELETE FROM audits WHERE page = :page AND finished_ms IS NULL"), {"page": page})

    def report(self, page: str) -> Report | None:
        found = self._one("SELECT report FROM audits WHERE page = :page", page=page)
        return _REPORT.validate_json(found[0]) if found is not None and found[0] is not None else None

    def evidence(self, page: str) -> Evidence | None:
        found = self._one("SELECT evidence FROM audits WHERE page = :page", page=page)
        return _EVIDENCE.validate_json(found[0]) if found is not None and found[0] is not None else None

    def audits_of(self, repository_id: int, issue: int, *, limit: int = 20) -> tuple[SavedAudit, ...]:
        """Newest first; unfinished ones included."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                text(
                    f"SELECT {_AUDIT} FROM audits WHERE repository_id = :repository_id AND issue = :issue"  # noqa: S608  a constant
                    " ORDER BY started_ms DESC, page LIMIT :limit"
                ),
                {"repository_id": repository_id, "issue": issue, "limit": limit},
            ).all()
        return tuple(_saved(row) for row in rows)

    def audits_since(self, repository_id: int, since: datetime, issue: int | None = None) -> int:
        """How many were started, for the limits."""
        found = self._one(
            "SELECT count(*) FROM audits WHERE repository_id = :repository_id AND started_ms >= :since"
            " AND (:every OR issue = :issue)",
            repository_id=repository_id,
            since=_ms(since),
            every=issue is None,
            issue=issue or 0,
        )
        return int(found[0]) if found is not None else 0

    # --- comments we wrote ---

    def comment(self, repository_id: int, issue: int, marker: str) -> int | None:
        """Where the comment was last seen: a shortcut, never proof; the writer checks marker and authorship."""
        found = self._one(
            "SELECT comment_id FROM comments WHERE repository_id = :repository_id AND issue = :issue AND marker = :marker",
            repository_id=repository_id,
            issue=issue,
            marker=marker,
        )
        return int(found[0]) if found is not None else None

    def remember_comment(self, repository_id: int, issue: int, marker: str, comment_id: int) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO comments (repository_id, issue, marker, comment_id)"
                    " VALUES (:repository_id, :issue, :marker, :comment_id)"
                    " ON CONFLICT (repository_id, issue, marker) DO UPDATE SET comment_id = excluded.comment_id"
                ),
                {"repository_id": repository_id, "issue": issue, "marker": marker, "comment_id": comment_id},
            )

    def forget_comment(self, repository_id: int, issue: int, marker: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    "DELETE FROM comments WHERE repository_id = :repository_id AND issue = :issue AND marker = :marker"
                ),
                {"repository_id": repository_id, "issue": issue, "marker": marker},
            )

    # --- incidents: what follow-up knows of an issue, as JSON of its own model ---

    def incident(self, repository_id: int, issue: int) -> str | None:
        found = self._one(
            "SELECT state FROM incidents WHERE repository_id = :repository_id AND issue = :issue",
            repository_id=repository_id,
            issue=issue,
        )
        return str(found[0]) if found is not None else None

    def change_incident(self, repository_id: int, issue: int, change: Callable[[str], str]) -> str:
        """Replace the state by `change` of it, with nobody in between; it begins as `{}`. Returns the state from before."""
        names = {"repository_id": repository_id, "issue": issue}
        lock = "" if self._engine.dialect.name == "sqlite" else " FOR UPDATE"  # SQLite locks as a whole
        with self._engine.begin() as connection:
            connection.execute(
                text(
                    "INSERT INTO incidents (repository_id, issue, state) VALUES (:repository_id, :issue, '{}')"
                    " ON CONFLICT (repository_id, issue) DO NOTHING"
                ),
                names,
            )
            row = connection.execute(
                text(f"SELECT state FROM incidents WHERE repository_id = :repository_id AND issue = :issue{lock}"),  # noqa: S608  a constant
                names,
            ).one()
            before = str(row[0])
            after = change(before)
            if after != before:
                connection.execute(
                    text("UPDATE incidents SET state = :state WHERE repository_id = :repository_id AND issue = :issue"),
                    {**names, "state": after},
                )
        return before

    def incidents_of(self, repository_id: int) -> tuple[tuple[int, str], ...]:
        with self._engine.connect() as connection:
            rows = connection.execute(
                text("SELECT issue, state FROM incidents WHERE repository_id = :repository_id ORDER BY issue"),
                {"repository_id": repository_id},
            ).all()
        return tuple((int(issue), str(state)) for issue, state in rows)

    # --- retention ---

    def purge(self, *, deliveries_before: datetime, audits_before: datetime) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                text("DELETE FROM deliveries WHERE received_ms < :before AND state IN ('done', 'failed')"),
                {"before": _ms(deliveries_before)},
            )
            connection.execute(text("DELETE FROM audits WHERE started_ms < :before"), {"before": _ms(audits_before)})
            connection.execute(text("DELETE FROM sightings WHERE seen_ms < :before"), {"before": _ms(audits_before)})

    def purge_incidents(self, is_forgotten: Callable[[str], bool]) -> None:
        """Forget incidents by their state, unless it changes meanwhile, and where comments stand on issues without one."""
        with self._engine.connect() as connection:
            rows = connection.execute(text("SELECT repository_id, issue, state FROM incidents")).all()
        gone = [{"repository_id": r, "issue": issue, "state": state} for r, issue, state in rows if is_forgotten(state)]
        delete = "DELETE FROM incidents WHERE repository_id = :repository_id AND issue = :issue AND state = :state"
        orphans = (
            "DELETE FROM comments WHERE NOT EXISTS (SELECT 1 FROM incidents"
            " WHERE incidents.repository_id = comments.repository_id AND incidents.issue = comments.issue)"
        )
        with self._engine.begin() as connection:
            if gone:
                connection.execute(text(delete), gone)
            connection.execute(text(orphans))

    def _one(self, statement: str, **values: Any) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(text(statement), values).one_or_none()


def open_engine(store: str) -> Engine:
    """SQLite in WAL, which persists in the file and which the jobs' engine then finds set; every commit reaches the disk.

    A store that is out, full or may not be written raises `Unavailable`: what was to be done is done when it is back.
    """
    sqlite = store.startswith("sqlite:")
    options: dict[str, Any] = {} if sqlite else {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
    engine = sqlalchemy.create_engine(store, **options)

    @event.listens_for(engine, "handle_error")
    def tell(context: ExceptionContext) -> None:  # pyright: ignore[reportUnusedFunction]  # registered
        if (why := _outage(context, sqlite=sqlite)) is not None:
            raise Unavailable(f"the store cannot be used: {why}") from context.original_exception

    if sqlite:

        @event.listens_for(engine, "connect")
        def prepare(connection: Any, _record: Any) -> None:  # pyright: ignore[reportUnusedFunction]  # registered
            connection.isolation_level = "IMMEDIATE"  # a reader that turns writer would be refused at once
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA busy_timeout=30000")

    return engine


_SQLITE_OUTAGES = {
    sqlite3.SQLITE_BUSY: "another process holds it",
    sqlite3.SQLITE_READONLY: "its file or directory is read-only",
    sqlite3.SQLITE_IOERR: "its disk does not work, or is full",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_CANTOPEN: "its file cannot be opened",
}


def _outage(context: ExceptionContext, *, sqlite: bool) -> str | None:
    """What is wrong with the store itself; None: with what was asked of it, which is a bug."""
    error = context.original_exception
    if sqlite:
        code = getattr(error, "sqlite_errorcode", None)
        return _SQLITE_OUTAGES.get(code & 0xFF) if isinstance(code, int) else None
    if context.is_disconnect or isinstance(context.sqlalchemy_exception, OperationalError):
        return str(error).strip().partition("\n")[0] or type(error).__name__
    return None


_Arrival = tuple[StoredDelivery, asyncio.Future[None]]


class Inbox:
    """Makes deliveries durable, many in one commit, and then hands them on.

    One thread owns the writing: whatever arrives while a commit is under way shares the next one, so that sixteen at once
    cost one flush and not sixteen. Handing on happens only while nobody waits for a commit; after a crash `start` begins
    with what was stored and not handed on.
    """

    def __init__(self, archive: Archive, hand_on: Callable[[StoredDelivery], None]) -> None:
        self._archive = archive
        self._hand_on = hand_on
        self._arrivals: queue.SimpleQueue[_Arrival | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="inbox", daemon=True)
        self._pending: list[StoredDelivery] = []

    def start(self) -> None:
        self._pending.extend(self._archive.unqueued_deliveries())
        self._thread.start()

    @property
    def works(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """Everything that arrived is stored and handed on before this returns."""
        self._arrivals.put(None)
        self._thread.join(timeout=30)

    async def store(self, delivery: StoredDelivery) -> None:
        """Returns when the delivery is on disk. A known one is kept as it is, unless it had been given up."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._arrivals.put((delivery, future))
        await future

    def _write(self) -> None:
        running = True
        pause = 0.0
        while running or (self._pending and not pause):
            wait = pause or None if pause or not self._pending else 0.0
            batch, running = self._arrived(wait, running=running)
            try:
                if batch:
                    self._commit(batch)
                elif self._pending:
                    self._hand_some_on()
                pause = 0.0
            except Unavailable as out:
                _log.warning("stored deliveries cannot be handed on yet: %s", out)
                pause = 1.0
            except Exception:  # the thread must outlive whatever the jobs' engine does: deliveries still come in
                _log.exception("stored deliveries cannot be handed on yet")
                pause = 1.0

    def _arrived(self, wait: float | None, *, running: bool) -> tuple[list[_Arrival], bool]:
        """What came in; waits `wait` seconds for a first one, without end when None. False: `stop` was called."""
        batch: list[_Arrival] = []
        if not running:
            return batch, running
        try:
            while len(batch) < 256:
                item = self._arrivals.get(block=not batch and wait != 0.0, timeout=wait or None)
                if item is None:
                    return batch, False
                batch.append(item)
        except queue.Empty:
            pass
        return batch, running

    def _hand_some_on(self) -> None:
        """Until somebody waits for a commit, or enough are done to note it."""
        handed: list[str] = []
        try:
            while self._pending and len(handed) < 64 and self._arrivals.empty():
                self._hand_on(self._pending[0])
                handed.append(self._pending.pop(0).guid)
        finally:
            if handed:
                with self._archive.engine.begin() as connection:
                    connection.execute(_QUEUED, [{"guid": guid} for guid in handed])

    def _commit(self, batch: Sequence[_Arrival]) -> None:
        now = _ms(datetime.now(UTC))
        fresh: list[StoredDelivery] = []
        try:
            with self._archive.engine.begin() as connection:
                for delivery, _ in batch:
                    values = {"guid": delivery.guid, "event": delivery.event, "subject": delivery.subject, "now": now}
                    row = connection.execute(_STORE, values).one_or_none()
                    if row is not None:
                        fresh.append(StoredDelivery(delivery.guid, delivery.event, delivery.subject, row[0]))
        except Exception as error:  # whoever waits must hear of it; the delivery is then answered with an error
            _release(batch, error)
            return
        self._pending.extend(fresh)
        _release(batch, None)


def _release(batch: Sequence[_Arrival], error: Exception | None) -> None:
    """One call into the loop for the whole batch: waking it up costs more than the answer."""

    def settle(futures: Sequence[asyncio.Future[None]]) -> None:
        for future in futures:
            if future.done():
                continue  # whoever waited is gone
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

    by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
    for _, future in batch:
        by_loop.setdefault(future.get_loop(), []).append(future)
    for loop, futures in by_loop.items():
        with suppress(RuntimeError):  # a loop that was closed meanwhile: nobody waits
            loop.call_soon_threadsafe(settle, futures)


_STORE = text(
    "INSERT INTO deliveries (guid, event, subject, received_ms, state, attempt)"
    " VALUES (:guid, :event, :subject, :now, 'received', 1)"
    " ON CONFLICT (guid) DO UPDATE SET state = 'received', attempt = deliveries.attempt + 1"
    " WHERE deliveries.state = 'failed' RETURNING attempt"
)
_QUEUED = text("UPDATE deliveries SET state = 'queued' WHERE guid = :guid AND state = 'received'")
_AUDIT = (
    "page, job, repository_id, issue, environment, request, started_ms, finished_ms, audit_id, status, priority, target"
)
_BY_JOB = f"SELECT {_AUDIT} FROM audits WHERE job = :job"  # noqa: S608  a constant
KEEP_DELIVERIES = timedelta(days=14)
KEEP_AUDITS = timedelta(days=90)


def _saved(row: Any) -> SavedAudit:
    page, job, repository_id, issue, environment, request, started, finished, audit_id, status, priority, target = row
    return SavedAudit(
        page,
        job,
        repository_id,
        issue,
        environment,
        request,
        _from_ms(started),
        _from_ms(finished) if finished is not None else None,
        audit_id,
        status,
        priority,
        target,
    )


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _from_ms(value: int) -> datetime:
    return datetime.fromtimestamp(value / 1000, UTC)

"""The whole service on loopback, for tests: real web, jobs, store and client; a stand-in GitHub; logs out of a list.

Started as a program it is one server process that a test can kill.
"""

import asyncio
import functools
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from app.archive import Archive
from app.errors import Unavailable
from app.evidence.entries import parse_entry
from app.evidence.model import LogEntry, LogQuestion, LogsRead, Reading, Request
from app.investigate import Sources
from app.jobs import Jobs
from app.main import Parts, Running
from app.service import AuditedRepository
from app.settings import read_settings
from tests.fakes.deaths import Deaths, Mortal
from tests.fakes.github import FakeGitHub, serve


def failures(count: int = 6, *, now: datetime | None = None) -> list[dict[str, Any]]:
    """A service that cannot reach its database, one entry a minute up to now."""
    end = now or datetime.now(UTC)
    return [
        {
            "insertId": f"i{number}",
            "timestamp": (end - timedelta(minutes=count - number)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "severity": "ERROR",
            "logName": "projects/acme-prod/logs/run.googleapis.com%2Fstderr",
            "resource": {
                "type": "cloud_run_revision",
                "labels": {
                    "service_name": "checkout",
                    "revision_name": "checkout-00007-abc",
                    "project_id": "acme-prod",
                },
            },
            "textPayload": 'connection to server at "10.1.2.3", port 5432 failed: Connection timed out',
        }
        for number in range(count)
    ]


class ListedLogs:
    """A log source over entries in memory; `trouble` times it is out first."""

    def __init__(self, entries: Sequence[dict[str, Any]], trouble: int = 0) -> None:
        self.entries = list(entries)
        self.trouble = trouble
        self.reads = 0

    async def read(self, question: LogQuestion, sink: Callable[[LogEntry], None]) -> LogsRead:
        self.reads += 1
        if self.trouble > 0:
            self.trouble -= 1
            raise Unavailable("the log API is out", retry_after=timedelta(seconds=0.1))
        for raw in self.entries:
            sink(parse_entry(raw, "list"))
        reading = Reading("list", "severity>=ERROR", question.window, len(self.entries), calls=1)
        return LogsRead((reading,))


async def no_doctor(repository: AuditedRepository) -> tuple[tuple[str, str, str], ...]:
    return (("logs", "readable", ""),)


def parts_of(logs: ListedLogs) -> Parts:
    def sources(repository: AuditedRepository, request: Request, projects: tuple[str, ...]) -> Sources:
        return Sources(logs=logs)

    return Parts(sources=sources, doctor=no_doctor, pace=timedelta(0), poll=timedelta(milliseconds=50))


def environment(github: FakeGitHub, store: str, public: str = "http://127.0.0.1:1") -> dict[str, str]:
    return {
        "INFRA_AUDIT_APP_ID": str(github.app_id),
        "INFRA_AUDIT_PRIVATE_KEY": github.private_key,
        "INFRA_AUDIT_WEBHOOK_SECRET": github.secret,
        "INFRA_AUDIT_PUBLIC_URL": public,
        "INFRA_AUDIT_GITHUB_API": github.address,
        "INFRA_AUDIT_STORE": store,
    }


@functools.cache
def _begun_store() -> bytes:
    """An embedded store with nothing in it, as a first start leaves it: making it anew for every test takes a second."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "begun.db"
        archive, jobs = Archive(f"sqlite:///{file}"), Jobs(f"sqlite:///{file}", {})
        jobs.start()
        jobs.stop(timedelta(0))
        archive.close()
        return file.read_bytes()


@contextmanager
def service(
    github: FakeGitHub,
    store: str,
    logs: ListedLogs | None = None,
    parts: Parts | None = None,
    operator: Path | None = None,
) -> Iterator[Running]:
    """A started service; GitHub's deliveries go to it. It dies and comes back where the stand-in's `deaths` say so."""
    granted = {"INFRA_AUDIT_OPERATOR_FILE": str(operator)} if operator is not None else {}
    settings = read_settings({**environment(github, store), **granted})
    if settings.sqlite_file is not None and not settings.sqlite_file.exists():
        settings.sqlite_file.write_bytes(_begun_store())
    deaths = github.deaths if isinstance(github.deaths, Deaths) else None
    running = Mortal(settings, parts or parts_of(logs or ListedLogs(failures())), deaths)
    try:
        with serve(running) as address:
            github.target = f"{address}/webhooks/github"
            yield cast(Running, running)
    finally:
        running.stop()


def eventually(what: Callable[[], Any], seconds: float = 20) -> Any:
    """The first true answer of `what`; raises when there is none in time."""
    end = time.monotonic() + seconds
    while True:
        if answer := what():
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.02)


def main() -> None:
    """One server process. `argv`: port, store, and a file that holds it up while it exists, just before logs are read."""
    from app.main import serve as run

    held_up = Path(sys.argv[2])

    class HeldUp(ListedLogs):
        async def read(self, question: LogQuestion, sink: Callable[[LogEntry], None]) -> LogsRead:
            while held_up.exists():  # noqa: ASYNC110, ASYNC240  the signal of another process
                await asyncio.sleep(0.05)
            return await super().read(question, sink)

    settings = read_settings({**os.environ, "INFRA_AUDIT_PORT": sys.argv[1]})
    threading.current_thread().name = "server"
    run(settings, parts_of(HeldUp(failures())))


if __name__ == "__main__":
    main()

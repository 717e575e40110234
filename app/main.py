"""Composition root: settings in, everything opened once; a server, a worker, or both out.

Owns the order of opening and closing, and which real part stands behind each Protocol.
"""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import FrameType

import uvicorn

from app.archive import Archive, Inbox, StoredDelivery
from app.errors import ConfigError, Unavailable
from app.evidence.model import Request
from app.github.client import PACE, GitHub
from app.investigate import Sources, investigate
from app.jobs import Jobs, lock_store
from app.policy.operator import Operator, read_operator
from app.redact import cut
from app.report import render
from app.respond import may_show
from app.service import AuditedRepository, Diagnoser, Service, SourcesFactory
from app.settings import Settings
from app.web import Web, make_pages
from app.worker import handlers

_log = logging.getLogger(__name__)

GRACE = timedelta(seconds=6)
"""For running jobs when a stop is asked for; with the web side's below the ten seconds after which a container is killed."""
WEB_GRACE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Parts:
    """What may differ between a server, the demo and a test; everything else follows from the settings."""

    sources: SourcesFactory
    doctor: Diagnoser
    pace: timedelta = PACE
    poll: timedelta = timedelta(milliseconds=200)
    sweep_cron: str = "0 */5 * * * *"
    close: Callable[[], Awaitable[None]] | None = None
    """Closes what the sources opened, on the loop that they opened it on."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Where the operator's notification addresses are looked up."""


class Running:
    """A started server: the ASGI application, and everything behind it. `stop` closes in reverse order."""

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self.settings = settings
        self._parts = parts
        self._closing = ExitStack()
        self._service: Service | None = None
        self._grace = GRACE
        try:
            self._open()
        except BaseException:
            self._closing.close()
            raise

    def _open(self) -> None:
        settings, parts = self.settings, self._parts
        if settings.sqlite_file is not None:
            self._closing.callback(lock_store(settings.sqlite_file).release)
        operator = operator_of(settings)
        self.archive = _open_archive(settings)
        self._closing.callback(self.archive.close)
        self.jobs = Jobs(settings.store, handlers(self._get), concurrency=settings.concurrency, poll=parts.poll)
        self.jobs.open_loop()
        self._closing.callback(lambda: self.jobs.stop(self._grace, close=self._disconnect))
        github = asyncio.run_coroutine_threadsafe(self._connect(), self.jobs.loop).result()
        self._service = Service(
            github=github,
            archive=self.archive,
            jobs=self.jobs,
            operator=operator,
            sources=parts.sources,
            investigate=investigate,
            markdown=lambda report, limit: render.markdown(report, limit=limit),
            public_url=settings.public_url,
            clock=lambda: datetime.now(UTC),
            doctor=parts.doctor,
            notify=_notifier(operator, parts.environment),
        )
        self.jobs.start()
        self.jobs.schedule("sweep", parts.sweep_cron, "sweep", "")
        self.jobs.schedule("purge", "0 17 3 * * *", "purge", "")
        self.jobs.enqueue("sweep", "", id=f"sweep:start:{datetime.now(UTC).isoformat()}")
        self.inbox = Inbox(self.archive, self._hand_on)
        self.inbox.start()
        self._closing.callback(self.inbox.stop)
        pages = make_pages(self.archive, render.html, render.to_json, self._may_show, self._works, self._service.clock)
        self.web = Web(pages, settings.webhook_secrets, self.inbox)

    async def _connect(self) -> GitHub:
        settings = self.settings
        return GitHub(settings.app_id, settings.private_key, base_url=settings.github_api, pace=self._parts.pace)

    async def _disconnect(self) -> None:
        if self._service is not None:
            await self._service.github.close()
        if self._parts.close is not None:
            await self._parts.close()

    def _get(self) -> Service:
        assert self._service is not None
        return self._service

    def _may_show(self, page: str) -> bool:
        """Asked from a thread of the web side; GitHub's connections live on the jobs' loop."""
        return asyncio.run_coroutine_threadsafe(may_show(self._get(), page), self.jobs.loop).result(timeout=30)

    def _works(self) -> bool:
        return self.inbox.works and self.jobs.loop.is_running()

    def _hand_on(self, delivery: StoredDelivery) -> None:
        self.jobs.enqueue("delivery", delivery.guid, id=delivery.job)

    def stop(self, grace: timedelta = GRACE) -> None:
        """What is cut off after `grace` goes on at the next start."""
        self._grace = grace
        self._closing.close()


def _open_archive(settings: Settings) -> Archive:
    try:
        return Archive(settings.store)
    except Unavailable as out:
        fix = "Start the database, and check the address in INFRA_AUDIT_STORE."
        if settings.sqlite_file is not None:
            fix = f"Make {settings.sqlite_file} a file that this user may write, with space on its disk."
        raise ConfigError(str(out), fix=fix) from out


def operator_of(settings: Settings) -> Operator:
    """Raises `ConfigError` for a file that is wrong. Without a file nothing is granted to anybody."""
    return read_operator(settings.operator_file.read_text("utf-8")) if settings.operator_file else Operator()


def google_parts(settings: Settings, environment: Mapping[str, str]) -> Parts:
    """The parts of a real server: Google Cloud, as far as the operator grants it."""
    from app.sources.google import GoogleSources  # Google's libraries take long to import

    google = GoogleSources(operator_of(settings))

    def sources(
        repository: AuditedRepository,
        request: Request,  # noqa: ARG001  what may be read hangs on the ids alone
        projects: tuple[str, ...],
    ) -> Sources:
        return google.open(repository.installation, repository.id, projects)

    async def doctor(repository: AuditedRepository) -> tuple[tuple[str, str, str], ...]:
        return await google.examine(repository.installation, repository.id, datetime.now(UTC))

    return Parts(sources=sources, doctor=doctor, close=google.close, environment=environment)


class CutFormatter(logging.Formatter):
    """Errors quote what came from outside, and who reads the server's log need not be who may read what it audits."""

    def format(self, record: logging.LogRecord) -> str:
        return cut(super().format(record))


def log_to_stderr() -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(CutFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line a request, with its address


def serve(settings: Settings, parts: Parts) -> None:
    """Webhook, pages and jobs in one process, until a signal."""
    running = Running(settings, parts)
    try:
        config = uvicorn.Config(
            running.web,
            host=settings.host,
            port=settings.port,
            log_config=None,  # its words go the way of ours
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=int(WEB_GRACE.total_seconds()),
        )
        _log.info("listening on %s:%d", settings.host, settings.port)
        # uvicorn ends in order and then raises the signal once more: as it came, it would end the process before the jobs do.
        signal.signal(signal.SIGTERM, _is_stopping)
        uvicorn.Server(config).run()
    finally:
        running.stop()


def _is_stopping(_number: int, _frame: FrameType | None) -> None:
    _log.info("stopping; running audits have %d s", GRACE.total_seconds())


def work(settings: Settings, parts: Parts) -> None:
    """Jobs only, beside other processes on Postgres, until a signal."""
    running = Running(settings, parts)
    done = asyncio.Event()

    async def wait() -> None:
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, done.set)
        await done.wait()

    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(wait())
    finally:
        running.stop()


def _notifier(operator: Operator, environment: Mapping[str, str]) -> Callable[[str, str], Awaitable[None]]:
    """Tells people outside of GitHub. A channel that is out costs a log line, never the audit."""
    addresses: Sequence[str] = [
        environment[name] for name in operator.notify.environment_variables if environment.get(name)
    ]
    if not addresses:
        return _tell_nobody
    import apprise  # takes long to import, and most servers tell nobody

    channels = apprise.Apprise()
    for address in addresses:
        channels.add(address)  # pyright: ignore[reportUnknownMemberType]  # apprise's own types are partial

    async def tell(text: str, link: str) -> None:
        if not await channels.async_notify(title="Infra Audit", body=f"{text}\n{link}"):
            _log.warning("a notification was not delivered")

    return tell


async def _tell_nobody(_text: str, _link: str) -> None:
    pass

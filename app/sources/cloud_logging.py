"""Log source over the Cloud Logging API: filter, paging, quota, and what went wrong told as gaps.

Owns the plan of one audit's reads and the limiter that keeps a project's minute quota. Leaves the filter texts to `filters.py`,
reading an entry to `log_wire.py`, and which project may be read at all to its caller: entries of any other project are refused
here and reported.
"""

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from google.api_core import exceptions
from google.cloud.logging_v2.types import ListLogEntriesRequest

from app.errors import SourceRefused, Unavailable
from app.evidence.entries import BadEntry
from app.evidence.model import Gap, LogEntry, LogQuestion, LogsRead, Reading, ServiceName, Severity, Window
from app.redact import cut
from app.sources import filters, log_wire
from app.sources.filters import Filter
from app.sources.google_auth import no_token
from app.sources.rest import enabling, mapping, text

_log = logging.getLogger(__name__)

PAGE = 1_000
"""Entries of a page: the largest that the API accepts."""
DEADLINE = timedelta(seconds=20)
_TRIES = 3
_BACK_OFF = timedelta(seconds=2)
_BEFORE_ONSET = timedelta(minutes=5)
_AFTER_ONSET = timedelta(minutes=1)
_SHARE_OF_THE_REST = 0.05
_ERROR = Severity.ERROR


class Client(Protocol):
    """What is asked of `LoggingServiceV2AsyncClient`, over the transport of `log_wire.py`."""

    async def list_log_entries(self, request: Any, *, retry: Any, timeout: float) -> Any: ...  # noqa: ASYNC109 - the SDK's name


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pages each step may read; their sum is what an audit may spend. Unspent pages of one step go to no other."""

    deployments: int = 2
    failures: int = 6
    rest: int = 1
    """A sample of what lies before the oldest failure read, when there are more failures than fit."""
    requests: int = 1
    onset: int = 2

    @property
    def reads(self) -> int:
        return self.deployments + self.failures + self.rest + self.requests + self.onset


class Limiter:
    """At most `per_minute` reads in any 60 s, shared by all audits that are charged to a project; first come, first served."""

    def __init__(
        self,
        per_minute: int = 50,
        *,
        patience: timedelta = timedelta(seconds=65),
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.per_minute = per_minute
        self._patience = patience.total_seconds()
        self._slots: deque[float] = deque(maxlen=per_minute)
        self._clock = clock
        self._sleep = sleep

    @property
    def spent(self) -> int:
        """Reads of the last 60 s, and those that are waited for."""
        return sum(slot > self._clock() - 60 for slot in self._slots)

    async def take(self) -> None:
        """Waits for a turn. Raises `Unavailable` when that would take longer than `patience`, and then takes none."""
        now = self._clock()
        slot = max(now, self._slots[0] + 60) if len(self._slots) == self.per_minute else now
        if slot - now > self._patience:
            raise Unavailable(
                "other audits use up the read quota of Cloud Logging", retry_after=timedelta(seconds=slot - now)
            )
        self._slots.append(slot)
        if slot > now:
            await self._sleep(slot - now)


@dataclass(slots=True)
class _Step:
    """One filter read page by page, newest first."""

    name: str
    filter: Filter
    window: Window
    pages: int
    entries: int = 0
    calls: int = 0
    bad: int = 0
    oldest: datetime | None = None
    unread: str | None = None
    """Why there is more than was read; None when everything was."""
    origin: str = ""

    def __post_init__(self) -> None:
        self.origin = f"Cloud Logging, {self.name}"


@dataclass(slots=True)
class _Audit:
    """What one audit has seen so far."""

    sink: Callable[[LogEntry], None]
    seen: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """What was taken, the time by the insert id. Ids are unique among entries of one time only: `reused` has the others."""
    reused: set[tuple[str, datetime]] = field(default_factory=set[tuple[str, datetime]])
    foreign: int = 0
    first_failure: datetime | None = None
    counted: int | None = None
    """Entries of severity ERROR and above by the provider's own metric; None when it was not asked or not told."""
    gaps: list[Gap] = field(default_factory=list[Gap])


class Counts(Protocol):
    """How many failures there are, without pulling them."""

    async def failures(self, window: Window, services: Sequence[ServiceName]) -> int | None: ...


class CloudLogging:
    """Entries of `resources` (`projects/p`, or a log view) by a plan of reads.

    `allowed` are the project ids that entries may come from. Raises `SourceRefused` when the very first read is not permitted
    and `Unavailable` when the service is out at that point; later trouble becomes a gap, and what was read counts. `counts`
    says how many failures there are when not all were read; None: nothing can.
    """

    def __init__(
        self,
        client: Client,
        resources: Sequence[str],
        allowed: frozenset[str],
        limiter: Limiter,
        *,
        counts: Counts | None = None,
        plan: Plan = Plan(),
        deadline: timedelta = DEADLINE,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._client = client
        self._counts = counts
        self._resources = list(resources)
        self._allowed = allowed
        self._limiter = limiter
        self._plan = plan
        self._deadline = deadline.total_seconds()
        self._sleep = sleep

    async def read(self, question: LogQuestion, sink: Callable[[LogEntry], None]) -> LogsRead:
        window = question.window
        if window is None:
            raise ValueError("live logs need a window")
        services = filters.of_services(question.services)
        audit = _Audit(sink)
        steps: list[_Step] = []

        async def step(name: str, within: Window, pages: int, *clauses: Filter | None) -> _Step:
            one = _Step(name, filters.every(*clauses, filters.within(within)), within, pages)
            steps.append(one)
            await self._read(one, audit, first=len(steps) == 1)
            return one

        failed = await step("failures", window, self._plan.failures, services, filters.failures())
        if failed.unread is not None and self._counts is not None:
            audit.counted = await self._counts.failures(window, question.services)
        if failed.unread is not None and failed.oldest is not None and failed.oldest > window.start:
            earlier = Window(window.start, failed.oldest)
            share = filters.sampled(_SHARE_OF_THE_REST)
            await step("earlier failures, a sample", earlier, self._plan.rest, services, filters.failures(), share)
        events = filters.platform_events()
        told = filters.deployments() if services is None else Filter(f"({services} AND {filters.deployments()})")
        await step("deployments and platform events", window, self._plan.deployments, filters.either(told, events))
        await step("requests", window, self._plan.requests, services, filters.requests())
        if audit.first_failure is not None:
            around = Window(
                max(window.start, audit.first_failure - _BEFORE_ONSET),
                min(window.end, audit.first_failure + _AFTER_ONSET),
            )
            if around.start < around.end:
                await step("around the first failure", around, self._plan.onset, services)
        return LogsRead(tuple(self._reading(one) for one in steps), tuple(self._gaps(steps, audit)))

    async def newest(self, window: Window) -> datetime | None:
        """When the newest entry was written, by one call for one entry. Raises `SourceRefused` and `Unavailable`."""
        step = _Step("newest", filters.every(filters.within(window)), window, pages=1)
        page = await self._page(step, "", size=1)
        return log_wire.time_of(page.entries[0]) if page.entries else None

    # --- one step -----------------------------------------------------------------------------------------------------

    async def _read(self, step: _Step, audit: _Audit, *, first: bool) -> None:
        token = ""
        while step.calls < step.pages:
            try:
                page = await self._page(step, token)
            except SourceRefused as refused:
                if first and step.entries == 0:
                    raise
                step.unread = refused.reason
                audit.gaps.append(Gap(refused.source, cut(refused.reason), refused.meaning, refused.remedy))
                return
            except Unavailable as out:
                if first and step.entries == 0:
                    raise
                step.unread = str(out)
                meaning = f"the read of {step.name} stopped there; counts are lower bounds"
                audit.gaps.append(Gap("logs", cut(str(out)), meaning, "run the audit again later"))
                return
            for entry in page.entries:
                self._take(entry, step, audit)
            token = page.next_page_token
            if not token:
                return
            # A page may be empty and still have a successor: the service ran out of time, not out of entries.
        step.unread = f"the budget of {step.pages} pages for {step.name} was spent"

    async def _page(self, step: _Step, token: str, size: int = PAGE) -> Any:
        """One page as raw protobuf. Retries what may pass; raises `SourceRefused` or `Unavailable` otherwise."""
        request = ListLogEntriesRequest(
            resource_names=self._resources,
            filter=step.filter,
            order_by="timestamp desc",
            page_size=size,
            page_token=token,
        )
        trouble = ""
        for attempt in range(_TRIES):
            if step.calls >= step.pages:
                break
            if attempt:
                await self._sleep(_BACK_OFF.total_seconds() * 2 ** (attempt - 1))
            await self._limiter.take()
            step.calls += 1
            try:
                pager = await self._client.list_log_entries(request, retry=None, timeout=self._deadline)
                async for page in pager.pages:
                    return page
            except exceptions.ResourceExhausted:
                trouble = "the project's read quota is used up (RESOURCE_EXHAUSTED)"
            except (exceptions.DeadlineExceeded, exceptions.RetryError):
                trouble = f"no answer within {self._deadline:g} s (DEADLINE_EXCEEDED)"
            except (
                exceptions.ServiceUnavailable,
                exceptions.InternalServerError,
                exceptions.Aborted,
                exceptions.Unknown,
            ) as out:
                if "metadata from plugin failed" in out.message:  # how gRPC tells that there is no access token
                    raise no_token("the credentials were refused") from None
                trouble = f"Cloud Logging is out ({type(out).__name__})"
            except (exceptions.PermissionDenied, exceptions.Unauthenticated) as denied:
                raise self._denied(denied) from None
            except exceptions.NotFound:
                raise _refused(
                    "the project or log view does not exist, or is hidden (NOT_FOUND)",
                    "check the project ids of the operator's file",
                ) from None
            except exceptions.InvalidArgument as wrong:
                if token:
                    # Page tokens live a day and belong to one query; the pages so far stand.
                    raise Unavailable("the page token is no longer taken (INVALID_ARGUMENT)") from None
                _log.error("Cloud Logging refuses the query of %s: %s", step.name, str(wrong))
                raise _refused("the query was not accepted (INVALID_ARGUMENT)", "report this as a fault") from None
            except exceptions.GoogleAPICallError as other:
                raise _refused(f"Cloud Logging answered {type(other).__name__}", "run the audit again later") from None
        raise Unavailable(trouble or "the read budget was spent on retries", retry_after=timedelta(minutes=1))

    def _denied(self, denied: Any) -> SourceRefused:
        if denied.reason == "SERVICE_DISABLED":
            consumer = text(mapping(denied.metadata), "consumer").removeprefix("projects/")
            project = consumer if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", consumer) else None
            return _refused(
                "the Cloud Logging API is not enabled", f"run `{enabling('logging.googleapis.com', project)}`"
            )
        if isinstance(denied, exceptions.Unauthenticated):
            return _refused("Cloud Logging does not accept the credentials", "run `infra-audit doctor`")
        if "restricted" in str(denied).lower():
            return _refused(
                "a restricted field was asked for (PERMISSION_DENIED)",
                "grant roles/logging.fieldAccessor to the auditor's account",
            )
        role = "roles/logging.viewAccessor" if "/views/" in self._resources[0] else "roles/logging.viewer"
        return _refused(
            "not permitted to read the logs (PERMISSION_DENIED)",
            f"grant {role} on {', '.join(self._resources)} to the auditor's account",
        )

    def _take(self, raw: Any, step: _Step, audit: _Audit) -> None:
        try:
            entry = log_wire.read(raw, step.origin)
        except BadEntry:
            step.bad += 1
            return
        project = entry.writer.resource_labels.get("project_id") or _project_of(raw.log_name)
        if project not in self._allowed:
            audit.foreign += 1
            return
        at = entry.timestamp
        if step.oldest is None or at < step.oldest:
            step.oldest = at
        if number := entry.insert_id:
            known = audit.seen.setdefault(number, at)
            if known is not at:
                if known == at or (number, at) in audit.reused:
                    return
                audit.reused.add((number, at))
        if entry.severity >= _ERROR and (audit.first_failure is None or at < audit.first_failure):
            audit.first_failure = at
        step.entries += 1
        audit.sink(entry)

    # --- the manifest -------------------------------------------------------------------------------------------------

    def _reading(self, step: _Step) -> Reading:
        return Reading(
            source=f"Cloud Logging {', '.join(self._resources)}: {step.name}",
            query=step.filter,
            window=step.window,
            entries=step.entries,
            calls=step.calls,
            bad_lines=step.bad,
            truncated=step.unread,
        )

    def _gaps(self, steps: Sequence[_Step], audit: _Audit) -> list[Gap]:
        gaps = list(audit.gaps)
        if audit.foreign:
            # Alarmed as well as told: a log view or sink that shows other projects' entries is a breach of tenancy.
            _log.error("refused %d entries of projects outside of the operator's grant", audit.foreign)
            gaps.append(
                Gap(
                    "logs",
                    cut(f"{audit.foreign} entries of other projects were refused"),
                    "they are in no count; the log view shows more than the operator granted",
                    "narrow the log view, or grant the project in the operator's file",
                )
            )
        failed = steps[0]
        if failed.unread is not None and not audit.gaps:
            # Failures below ERROR are read too, so the metric may count less than was read; then it says nothing.
            more = audit.counted is not None and audit.counted > failed.entries
            of = f" of about {audit.counted:,}, as Cloud Monitoring counts them," if more else ""
            gaps.append(
                Gap(
                    "logs",
                    cut(f"{failed.unread}; {failed.entries:,}{of} failing entries were read"),
                    "there are more failures than were read; counts are lower bounds, and the onset may be earlier",
                    "ask for a shorter window or a single service",
                )
            )
        return gaps


def _refused(reason: str, remedy: str) -> SourceRefused:
    meaning = "no entry was shown, which says nothing about whether there are any"
    return SourceRefused("logs", reason, meaning=meaning, remedy=remedy)


def _project_of(log_name: str) -> str | None:
    kind, _, rest = log_name.partition("/")
    return rest.partition("/")[0] if kind == "projects" else None

"""Entries to observations: the streaming heart of an audit.

Owns which entries count (window, services), which of them report a failure, what each revision was exercised with, and how
many notices are kept. Leaves joining to `joining.py`, identity and counting to `grouping.py`, and deploy facts to
`deployments.py`. Memory grows with the number of groups, revisions and instances, never with the number of entries.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from app.evidence.deployments import deploy_events, may_deploy, tells_of_rollout
from app.evidence.entries import to_sample
from app.evidence.grouping import Grouper, GroupKey, Place, ReadTrace, is_request
from app.evidence.joining import Joiner
from app.evidence.model import (
    Exposure,
    Fingerprint,
    HttpRequest,
    LogEntry,
    Observations,
    PayloadField,
    ServiceName,
    Severity,
    Window,
    Writer,
)
from app.evidence.stacktrace import may_hold_trace
from app.redact import Tally

_MAX_NOTICES: Final = 200
_MAX_INSTANCES: Final = 20_000
"""Per revision. Beyond, starts are counted too low, which makes a verdict on silence more careful and never less."""
_MAX_HEARD: Final = 4_096
_MAX_DEPLOYS: Final = 2_000
"""Audit entries of deployments that are kept, the newest."""

PLATFORM_FAILURES: Final = (
    "Container called exit(",
    "Container terminated on signal",
    "Uncaught signal",
    "Memory limit of",
    "Default STARTUP",
    "STARTUP ",
    "LIVENESS ",
    "Liveness probe failed",
    "Readiness probe failed",
    "Startup probe failed",
    "Back-off restarting failed container",
    "The request was aborted",
    "The request failed because",
    "The request has been terminated",
    "Ready condition status changed to False",
)
"""Beginnings of lines that the platform writes about a failure, at WARNING or below for some of them."""
FAILED_EVENTS: Final = frozenset(
    {
        "BackOff", "BackoffLimitExceeded", "CrashLoopBackOff", "DeadlineExceeded", "ErrImageNeverPull", "ErrImagePull",
        "Evicted", "Failed", "FailedAttachVolume", "FailedCreate", "FailedCreatePodContainer", "FailedCreatePodSandBox",
        "FailedMapVolume", "FailedMount", "FailedPostStartHook", "FailedScheduling", "ImageInspectError",
        "ImagePullBackOff", "InspectFailed", "InvalidImageName", "NodeNotReady", "OOMKilled", "OOMKilling",
        "SystemOOM", "Unhealthy",
    }
)  # fmt: skip
"""Reasons of warnings of Kubernetes, which are never severer than WARNING, that say that a pod or its node failed."""
_ERROR: Final = Severity.ERROR
"""Every entry asks for it, and through the enum that costs as much as three more steps."""
_REFUSED_REQUESTS: Final = ("The request was not authenticated", "The request was not authorized")
_HEAD: Final = 6
_EARLIEST: Final = datetime.min.replace(tzinfo=UTC)
_LATEST: Final = datetime.max.replace(tzinfo=UTC)
_PLATFORM_HEADS: Final = frozenset(beginning[:_HEAD] for beginning in PLATFORM_FAILURES)


class Observer:
    """Takes entries one by one, ascending or descending in time, and says at the end what they showed.

    `window` None: no bound. `services` empty: all. `remember_origins` keeps for every entry which group it went to; memory
    then grows with the number of entries, so that is for measuring only.
    """

    def __init__(
        self, *, window: Window | None = None, services: Sequence[ServiceName] = (), remember_origins: bool = False
    ) -> None:
        self._start = window.start if window else None
        self._end = window.end if window else None
        self._services: frozenset[ServiceName | None] = frozenset((*services, None)) if services else frozenset()
        self._joiner = Joiner()
        self._grouper = Grouper()
        self._exposed: dict[tuple[str | None, str | None], _Exposed] = {}
        self._deploys: list[LogEntry] = []
        self._minute = 0
        self._minute_start = self._minute_end = datetime.fromtimestamp(0, UTC)
        self._heard: dict[int, Writer] = {}
        """Whose entry of this minute was taken already, by identity: labels and instances need no second look."""
        self._tally = Tally()
        self._entries = 0
        self._first = _LATEST
        self._last = _EARLIEST
        self._origins: dict[str, GroupKey] | None = {} if remember_origins else None
        self._fingerprints: Mapping[GroupKey, Fingerprint] = {}

    def add(self, entry: LogEntry) -> None:
        """Take one entry. Entries outside the window or of other services are passed over and not counted."""
        at = entry.timestamp
        if self._start is not None and self._end is not None and not self._start <= at < self._end:
            return
        # An entry that names no service (an audit or platform entry of another resource) may still explain a failure.
        # In a cluster people also say the container, or a label of the pod.
        if self._services and entry.service not in self._services and self._services.isdisjoint(entry.names):
            return
        self._entries += 1
        if at > self._last:
            self._last = at
        if at < self._first:
            self._first = at
        # Few entries deploy, and reading them needs a sample.
        if (entry.audit is not None and may_deploy(entry.audit.method)) or (
            entry.involved is not None and tells_of_rollout(entry.involved)
        ):
            self._deploys.append(entry)
            if len(self._deploys) >= 2 * _MAX_DEPLOYS:
                self._deploys = _newest(self._deploys)
        for occurrence in self._joiner.add(entry):
            self._observe(occurrence)

    def finish(self) -> Observations:
        """What was observed. Further entries must not be added."""
        for occurrence in self._joiner.flush():
            self._observe(occurrence)
        groups = self._grouper.finish()
        self._fingerprints = groups.fingerprints
        deploys = deploy_events([(entry, to_sample(entry, self._tally)) for entry in _newest(self._deploys)])
        return Observations(
            groups=groups.failures(
                self._tally, {exposed.place: exposed.births() for exposed in self._exposed.values()}
            ),
            notices=groups.notices(self._tally, _MAX_NOTICES, _notice_rank),
            exposure=self._exposures(),
            deploys=deploys,
            entries=self._entries,
            first_entry=self._first if self._entries else None,
            last_entry=self._last if self._entries else None,
            redactions=self._tally.counts,
        )

    def group_of(self) -> Mapping[str, Fingerprint]:
        """Origin of every grouped entry to its group; after `finish`, and only with `remember_origins`."""
        if self._origins is None:
            raise ValueError("origins were not remembered: construct the Observer with remember_origins=True")
        return {origin: self._fingerprints[key] for origin, key in self._origins.items()}

    def _observe(self, entry: LogEntry) -> None:
        """Count what happened once, as one entry or as several that were joined."""
        at = entry.timestamp
        if not self._minute_start <= at < self._minute_end:
            self._turn_to(at)
        minute, writer = self._minute, entry.writer
        # Asking the entry costs as much as what follows for most of them, which speak for nobody but their writer.
        place = writer.place if entry.audit is None and entry.involved is None else entry.place
        exposed = self._exposed.get(place)
        if exposed is None:
            exposed = self._exposed[place] = _Exposed(place)
        if entry.audit is None:
            if id(writer) not in self._heard or entry.involved is not None:
                if len(self._heard) >= _MAX_HEARD:
                    self._heard.clear()
                self._heard[id(writer)] = writer
                exposed.hear(writer, minute)
            exposed.add(entry, at, minute)
        text = entry.message if entry.trace_text is None else entry.trace_text
        trace = self._grouper.trace_of(entry) if may_hold_trace(text) else None
        failure = reports_failure(entry, trace)
        if not failure and entry.http is not None and self._origins is None and _answered(entry, entry.http):
            return
        key = self._grouper.add(entry, trace, failure, place, writer.instance, minute)
        if self._origins is not None:
            self._origins.update(dict.fromkeys(entry.joined or (entry.origin,), key))

    def _turn_to(self, at: datetime) -> None:
        """Neighbours in a log lie in one minute, and comparing times is cheaper than converting them."""
        self._heard.clear()
        self._minute = int(at.timestamp()) // 60
        self._minute_start = datetime.fromtimestamp(self._minute * 60, UTC)
        self._minute_end = self._minute_start + timedelta(minutes=1)

    def _exposures(self) -> tuple[Exposure, ...]:
        frozen = [exposure for exposed in self._exposed.values() if (exposure := exposed.frozen()) is not None]
        return tuple(sorted(frozen, key=lambda exposure: (exposure.service, exposure.revision)))


def _newest(entries: Sequence[LogEntry]) -> list[LogEntry]:
    """The newest of them, oldest first."""
    return sorted(entries, key=lambda entry: (entry.timestamp, entry.insert_id))[-_MAX_DEPLOYS:]


def reports_failure(entry: LogEntry, trace: ReadTrace | None) -> bool:
    """Whether the entry reports that something failed, rather than that something happened.

    A trace that the program itself logged at INFO or DEBUG was handled. The same severity on plain text says nothing: a
    node agent stamps it on all that a container prints.
    """
    if trace is not None:
        return entry.severity > Severity.INFO or entry.severity == Severity.DEFAULT or entry.field is PayloadField.TEXT
    if entry.audit is not None:
        return entry.audit.status_code != 0
    if entry.http is not None and is_request(entry, entry.http):
        return entry.http.status >= 500 or _says_platform_failure(entry.message)
    if entry.involved is not None and entry.involved.reason in FAILED_EVENTS:
        return entry.severity >= Severity.WARNING
    return entry.severity >= _ERROR or _says_platform_failure(entry.message)


def _answered(entry: LogEntry, http: HttpRequest) -> bool:
    """Whether it says nothing but that the program answered. What the platform refused never reached it, and says why."""
    return is_request(entry, http) and not entry.message.startswith(_REFUSED_REQUESTS)


def _says_platform_failure(message: str) -> bool:
    return message[:_HEAD] in _PLATFORM_HEADS and message.startswith(PLATFORM_FAILURES)


def _notice_rank(entry: LogEntry) -> int:
    """Which notices are kept first: what the platform says explains more than what the program says."""
    if entry.audit is not None or entry.log_id.endswith(("/system", "system_event", "events")):
        return 0
    if entry.resource_type not in ("cloud_run_revision", "cloud_run_job", "k8s_container"):
        return 1
    return 2 if entry.severity >= Severity.WARNING else 3


def _commit_of_pod(labels: Mapping[str, str]) -> str | None:
    """What the labels of a pod, which belong to its version, claim; numbers alone are releases and no commits."""
    told = labels.get("k8s-pod/commit-sha") or labels.get("k8s-pod/app_kubernetes_io/version")
    return told if told and not told.isdigit() else None


class _Exposed:
    """What one place was exercised with, while it is counted. `instances`: the minutes of the first and last entry of each."""

    __slots__ = ("announced", "commit", "errors", "first", "instances", "last", "place", "requests")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.commit: str | None = None
        self.first = _LATEST
        self.last = _EARLIEST
        self.requests: dict[int, int] = {}
        self.errors: dict[int, int] = {}
        self.announced: dict[int, int] = {}
        self.instances: dict[str, tuple[int, int]] = {}

    def hear(self, writer: Writer, minute: int) -> None:
        """Take what the writer of an entry tells of itself. Once a minute is enough."""
        labels, instance = writer.labels, writer.instance
        if "commit-sha" in labels:
            # One revision has one label; should entries differ, the choice must not depend on their order.
            label = labels["commit-sha"]
            self.commit = label if self.commit is None else min(self.commit, label)
        elif self.commit is None and "k8s-pod/pod-template-hash" in labels:
            self.commit = _commit_of_pod(labels)
        if instance is not None:
            seen = self.instances.get(instance)
            if seen is None:
                if len(self.instances) < _MAX_INSTANCES:
                    self.instances[instance] = (minute, minute)
            elif minute > seen[1]:
                self.instances[instance] = (seen[0], minute)
            elif minute < seen[0]:
                self.instances[instance] = (minute, seen[1])

    def add(self, entry: LogEntry, at: datetime, minute: int) -> None:
        if at > self.last:
            self.last = at
        if at < self.first:
            self.first = at
        http = entry.http
        if http is not None and is_request(entry, http):
            self.requests[minute] = self.requests.get(minute, 0) + 1
            if http.status >= 500:
                self.errors[minute] = self.errors.get(minute, 0) + 1
        elif entry.message[:8] == "Starting" and entry.message.startswith("Starting new instance"):
            self.announced[minute] = self.announced.get(minute, 0) + 1

    def frozen(self) -> Exposure | None:
        """None for what names no service or no revision, and for what only audit entries speak of: it ran nothing."""
        service, revision = self.place
        if service is None or revision is None or self.last < self.first:
            return None
        starts = self.announced
        # Both tell of the same starts, so they are not added up.
        if sum(starts.values()) < len(self.instances):
            starts = dict[int, int]()
            for minute, _ in self.instances.values():
                starts[minute] = starts.get(minute, 0) + 1
        lives: dict[int, int] = {}
        for first, last in self.instances.values():
            lives[last - first] = lives.get(last - first, 0) + 1
        return Exposure(
            service,
            revision,
            requests=dict(sorted(self.requests.items())),
            starts=dict(sorted(starts.items())),
            server_errors=dict(sorted(self.errors.items())),
            first_seen=self.first,
            last_seen=self.last,
            commit=self.commit,
            lives=dict(sorted(lives.items())),
        )

    def births(self) -> dict[str, int]:
        return {instance: first for instance, (first, _) in self.instances.items()}

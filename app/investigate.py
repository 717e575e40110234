"""One audit from request to report, and the Protocols that it asks of its sources.

Owns the order of the story: logs, revisions, history, probes, judgement, report. Leaves reading to the sources, judging to
`diagnosis/`, wording to `report/`, and publishing to the caller. A source that refuses becomes a `Gap`; it never sinks the
audit and is never silent.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from app.diagnosis.diagnose import diagnose, wanted_probes
from app.diagnosis.model import Diagnosis
from app.errors import SourceRefused, Unavailable
from app.evidence.deployments import assemble_revisions
from app.evidence.model import (
    Evidence,
    Fingerprint,
    Gap,
    GroupKind,
    HistoryFacts,
    KnownRead,
    LiveRead,
    LogEntry,
    LogQuestion,
    LogsRead,
    Observations,
    Onset,
    Place,
    ProbeResult,
    ProbeTarget,
    Request,
    Revision,
    RevisionName,
    Window,
)
from app.evidence.observe import Observer
from app.evidence.timeline import find_onset, logged_window
from app.history import History, confirm_commits, read_history
from app.redact import cut
from app.report.build import build_report
from app.report.model import Report


class Logs(Protocol):
    async def read(self, question: LogQuestion, sink: Callable[[LogEntry], None]) -> LogsRead:
        """Push every matching entry into `sink`, each once, in any order of time that is monotonic within a reading.

        Raises `SourceRefused` only when nothing at all can be read; partial trouble comes back as gaps.
        """
        ...


class Deployments(Protocol):
    async def revisions(self, places: Sequence[Place]) -> LiveRead:
        """The revisions that exist there now; a place that cannot be read costs only itself, as a gap."""
        ...


class Errors(Protocol):
    async def known(self, projects: Sequence[str], groups: Collection[Fingerprint]) -> KnownRead:
        """Of `groups`, what is known beyond the window; a project that cannot be read costs only itself, as a gap."""
        ...


class Probes(Protocol):
    async def run(self, targets: Sequence[ProbeTarget], window: Window) -> tuple[ProbeResult, ...]:
        """One result per target, in order; trouble is a state of the result, never an error."""
        ...


_PROBE_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Sources:
    """Where facts come from. None: there is no such source here, and the report says what it cannot know because of it."""

    logs: Logs
    history: History | None = None
    deployments: Deployments | None = None
    probes: Probes | None = None
    errors: Errors | None = None
    operator_claims: Mapping[RevisionName, str] = field(default_factory=dict[RevisionName, str])
    """Commits of revisions as stated on the command line; text, not yet resolved."""


@dataclass(frozen=True, slots=True)
class Findings:
    """All that one audit made: what it rests on, the judgement, and what is said."""

    evidence: Evidence
    diagnosis: Diagnosis
    report: Report


async def investigate(
    request: Request,
    sources: Sources,
    *,
    page_url: str | None = None,
    github_calls: Callable[[], int] | None = None,
    as_of_entries: bool = False,
) -> Findings:
    """Collect what is known about `request`, judge it, and say it. Publishing is the caller's.

    `as_of_entries`: judge at the time of the newest entry instead of `request.now`, so that a file gives the same report
    on any day.

    Raises `Unavailable` only from the log source: without logs there is nothing to audit yet, and the worker tries later.
    """
    gaps: list[Gap] = []
    observer = Observer(window=request.window, services=request.services)
    try:
        read = await sources.logs.read(LogQuestion(request.window, request.services), observer.add)
    except SourceRefused as refused:
        read = LogsRead((), (_gap(refused),))
    gaps += read.gaps
    observations = observer.finish()
    if as_of_entries and observations.last_entry is not None:
        request = replace(request, now=observations.last_entry + timedelta(seconds=1))
    window = request.window or _window_of(observations.first_entry, observations.last_entry, request.now)
    quiet_in = window if request.window else logged_window(observations, window)
    onset = find_onset(observations.groups, quiet_in, now=request.now)

    live = LiveRead(())
    if sources.deployments is not None and (places := _places(observations)):
        live = await sources.deployments.revisions(places)
        gaps += live.gaps
    revisions = assemble_revisions(observations, live.revisions, sources.operator_claims, window)
    revisions, history, more = await _history(sources, request, observations, revisions, onset)
    gaps += more
    known = KnownRead(())
    if sources.errors is not None and (traced := _traced(observations)):
        known = await sources.errors.known(*traced)
        gaps += known.gaps
    evidence = Evidence(
        request, window, observations, read.readings, onset, revisions, history, probes=(), gaps=tuple(gaps),
        known=known.errors,
    )  # fmt: skip
    if sources.probes is not None:
        evidence = await _probe(evidence, sources.probes)
    return conclude(evidence, page_url=page_url, github_calls=github_calls() if github_calls else None)


def conclude(evidence: Evidence, *, page_url: str | None = None, github_calls: int | None = None) -> Findings:
    """Judge saved or fresh evidence. Pure: the same evidence gives the same findings, byte for byte."""
    diagnosis = diagnose(evidence)
    report = build_report(evidence, diagnosis, page_url=page_url, github_calls=github_calls)
    return Findings(evidence, diagnosis, report)


async def _probe(evidence: Evidence, probes: Probes) -> Evidence:
    """Ask what judgement wants to know, and again when an answer names a further resource, such as a connector."""
    for _ in range(_PROBE_ROUNDS):
        asked = {result.target for result in evidence.probes}
        targets = [target for target in wanted_probes(evidence) if target not in asked]
        if not targets:
            break
        evidence = replace(evidence, probes=evidence.probes + await probes.run(targets, evidence.window))
    return evidence


def _traced(observations: Observations) -> tuple[tuple[str, ...], frozenset[Fingerprint]] | None:
    """Projects and failures that an error tracker may know: it groups by stack trace. None when there are none."""
    groups = [group for group in observations.groups if group.kind is GroupKind.TRACE]
    projects = tuple(sorted({group.latest.project for group in groups if group.latest.project}))
    return (projects, frozenset(group.id for group in groups)) if projects else None


def _places(observations: Observations) -> tuple[Place, ...]:
    """Where the services of the failing and deploying entries run, sorted."""
    samples = [sample for group in observations.groups for sample in (group.first, group.latest)]
    samples += [deploy.sample for deploy in observations.deploys]
    return tuple(
        sorted(
            {
                Place(sample.resource_type, sample.project, location, sample.service)
                for sample in samples
                if sample.project and sample.service and (location := sample.resource_labels.get("location"))
            }
        )
    )


async def _history(
    sources: Sources,
    request: Request,
    observations: Observations,
    revisions: tuple[Revision, ...],
    onset: Onset | None,
) -> tuple[tuple[Revision, ...], HistoryFacts, tuple[Gap, ...]]:
    meaning = "no fix, suspect or source line can be checked"
    if sources.history is None:
        remedy = "name a clone with --repo, or install the app on the repository"
        return revisions, HistoryFacts(), (Gap("history", cut("no repository was given"), meaning, remedy),)
    try:
        revisions = await confirm_commits(sources.history, revisions, environment=request.scope.environment)
        facts, gaps = await read_history(sources.history, request, observations, revisions, onset)
    except (SourceRefused, Unavailable) as refused:
        return revisions, HistoryFacts(web=sources.history.web), (_gap(refused, source="history", meaning=meaning),)
    return revisions, facts, gaps


def _gap(refused: SourceRefused | Unavailable, *, source: str = "", meaning: str = "") -> Gap:
    if isinstance(refused, SourceRefused):
        return Gap(refused.source, cut(refused.reason), refused.meaning, refused.remedy)
    return Gap(source, cut(str(refused)), meaning, "run the audit again later")


def _window_of(first: datetime | None, last: datetime | None, now: datetime) -> Window:
    """What the entries span, one second past the last so that it lies inside; of no length at `now` without any."""
    if first is None or last is None:
        return Window(now, now)
    return Window(first, last + timedelta(seconds=1))

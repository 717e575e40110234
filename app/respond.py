"""One delivery, one answer: check who asks, understand it, acknowledge it, run it, answer.

Owns the order of an answer and every decision between an event and a comment. Each function may run twice with the same
result: what was written is found again, what was finished is not done anew. Leaves retries and dead letters to `worker.py`,
decisions about time to `follow_up.py`, and how things are written to `github/publish.py`.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import TypeAdapter

from app import follow_up
from app.archive import Archive, SavedAudit
from app.evidence.model import Evidence, LayerOwner, Request, ServiceName, Window
from app.follow_up import INCIDENT, Incident
from app.github.client import GitHub, Refused, Session, web_address
from app.github.history import GitHubHistory
from app.github.publish import (
    LONGEST_COMMENT,
    Comment,
    Place,
    Reaction,
    marker,
    minimise,
    react,
    report_check,
    set_labels,
    upsert_comment,
)
from app.github.repository import (
    Issue,
    read_issue,
    read_proposed_config,
    read_repo_config,
    read_role,
    read_visibility,
)
from app.github.webhooks import Event, EventKind
from app.investigate import Findings, Sources
from app.jobs import Jobs
from app.policy import located
from app.policy.commands import (
    HELP,
    MOST_COMMANDS,
    Ack,
    Audit,
    Cancel,
    Command,
    Doctor,
    Escalate,
    Help,
    Mistake,
    Role,
    Status,
    Unwatch,
    Verb,
    Watch,
    parse_command,
    parse_duration,
    verb_of,
)
from app.policy.commands import Refused as RefusedLine
from app.policy.config import CONFIG_PATH, DEFAULT_LABEL, RepoConfig, to_scope, validate_config
from app.policy.operator import Operator
from app.replies import (
    CalledReply,
    ChangedReply,
    ConfigMistakeRow,
    ConfigReply,
    DeniedReply,
    DoctorReply,
    DoctorRow,
    FixReply,
    HelpReply,
    HelpRow,
    HistoryRow,
    HistorySection,
    LimitReply,
    MistakeRow,
    MistakesReply,
    ProgressReply,
    ReminderReply,
    Reply,
    SeenRow,
    StatusReply,
    StoppedReply,
    say,
)
from app.report.model import Report

_log = logging.getLogger(__name__)

CALLS_PER_AUDIT = 40
"""GitHub calls that one audit may make, the writes included."""
CALLS_KEPT = 12
"""Of these, what publishing needs: reading the source must not use it up."""
PRIORITY_COLOURS = {"P0": "b60205", "P1": "d93f0b", "P2": "fbca04", "P3": "c5def5"}
ESCALATED = "escalated:infrastructure"
MOST_FAULTS = 20
"""Of one audit that are known again in another issue."""


@dataclass(frozen=True, slots=True)
class AuditedRepository:
    """Whose resources are asked for. The ids decide what may be seen; the name is for addresses."""

    installation: int
    id: int
    name: str
    public: bool


class SourcesFactory(Protocol):
    """Opens the sources of one audit: logs, deployments and probes. History is added here, from the same session.

    Raises `UserError` when the operator granted this repository nothing.
    """

    def __call__(self, repository: AuditedRepository, request: Request, projects: tuple[str, ...]) -> Sources:
        """`projects`: what the repository's own file names, to narrow what the operator granted; empty: no narrowing."""
        ...


class Investigate(Protocol):
    def __call__(
        self, request: Request, sources: Sources, *, page_url: str | None, github_calls: Callable[[], int] | None
    ) -> Awaitable[Findings]: ...


class Diagnoser(Protocol):
    """What `doctor` says about the Google side: (what, state, what to do) rows."""

    def __call__(self, repository: AuditedRepository) -> Awaitable[tuple[tuple[str, str, str], ...]]: ...


@dataclass(frozen=True, slots=True)
class Service:
    """All that answering needs, made once in `main.py`. `notify` tells people outside of GitHub."""

    github: GitHub
    archive: Archive
    jobs: Jobs
    operator: Operator
    sources: SourcesFactory
    investigate: Investigate
    markdown: Callable[[Report, int], str]
    public_url: str
    clock: Callable[[], datetime]
    doctor: Diagnoser
    notify: Callable[[str, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class AuditOrder:
    """One audit as asked for; kept with its page, so that its job is only an id.

    `comment` is the comment that asked, None for labels and follow-ups. `watch` is the chain of looks that it belongs to.
    """

    installation: int
    repository_id: int
    repository: str
    issue: int
    environment: str | None
    services: tuple[str, ...]
    start: datetime
    end: datetime
    comment: int | None = None
    reacts: bool = True
    watch: int | None = None


ORDER: TypeAdapter[AuditOrder] = TypeAdapter(AuditOrder)


# --- deliveries -------------------------------------------------------------------------------------------------------


async def respond(service: Service, event: Event, delivery: str) -> None:
    """Answer one event. `delivery` names what is written because of it. Raises `Unavailable`, and `UserError` to be told."""
    session = service.github.installation(event.installation)
    match event.kind:
        case EventKind.LABELED:
            await _labeled(service, session, event, delivery)
        case EventKind.COMMANDED:
            await _commanded(service, session, event, delivery)
        case EventKind.CLOSED | EventKind.GONE:
            incident = load_incident(service, event.repository_id, event.issue or 0)
            save_incident(
                service, event.repository_id, event.issue or 0, replace(follow_up.unwatch(incident), closed=True)
            )
        case EventKind.REOPENED:
            await _reopened(service, session, event, delivery)
        case EventKind.DEPLOYED:
            await _deployed(service, session, event, delivery)
        case EventKind.PROPOSED:
            await _proposed(session, event)
        case EventKind.INSTALLED | EventKind.UNINSTALLED:
            _log.info("installation %d: %s", event.installation, event.kind)


async def _labeled(service: Service, session: Session, event: Event, delivery: str) -> None:
    config = await read_repo_config(session, event.repository)
    usable = config if isinstance(config, RepoConfig) else RepoConfig()
    environment = usable.environment_of_label(event.label or "")
    if environment is None:
        return
    role = await read_role(session, event.repository, event.sender)
    if role < usable.role(Verb.AUDIT):
        await _react(session, event, "confused")
        return
    await _react(session, event, "eyes")
    if not isinstance(config, RepoConfig):
        await _reply(service, session, event, delivery, _config_reply(config), "confused")
        return
    order = _order(service, event, config, Audit(environment=environment or None))
    await _begin(service, session, event, delivery, order)


async def _commanded(service: Service, session: Session, event: Event, delivery: str) -> None:
    role = await read_role(session, event.repository, event.sender)
    await _react(session, event, "eyes")
    config = await read_repo_config(session, event.repository)
    usable = config if isinstance(config, RepoConfig) else RepoConfig()
    for number, line in enumerate(event.lines):
        name = f"{delivery}:{number}"
        if number >= MOST_COMMANDS:
            extra = Mistake(line, f"at most {MOST_COMMANDS} commands in one comment")
            await _reply(service, session, event, name, _mistakes_reply(line, (extra,)), "confused")
            break
        command = parse_command(line, now=service.clock(), known=usable.known)
        needed = usable.role(verb_of(command)) if not isinstance(command, RefusedLine) else usable.role(Verb.AUDIT)
        if role < needed:
            verb = verb_of(command).value if not isinstance(command, RefusedLine) else Verb.AUDIT.value
            denied = DeniedReply(event.sender, verb, role.name.lower(), needed.name.lower(), usable.path)
            # One per person and issue: a stranger must not be able to make us write a comment for each of theirs.
            await _reply(service, session, event, f"denied:{event.sender}", denied, "confused")
        elif isinstance(command, RefusedLine):
            await _reply(service, session, event, name, _mistakes_reply(line, command.mistakes), "confused")
        elif not isinstance(config, RepoConfig) and not isinstance(command, Help):
            await _reply(service, session, event, name, _config_reply(config), "confused")
        else:
            await _run(service, session, event, name, usable, command, role)


async def _run(
    service: Service,
    session: Session,
    event: Event,
    name: str,
    config: RepoConfig,
    command: Command,
    role: Role,
) -> None:
    issue = event.issue or 0
    incident = load_incident(service, event.repository_id, issue)
    match command:
        case Audit():
            await _begin(service, session, event, name, _order(service, event, config, command))
        case Help():
            await _reply(service, session, event, name, _help_reply(config, role), "rocket")
        case Status():
            await _reply(service, session, event, name, _status_reply(service, event, incident), "rocket")
        case Watch():
            length = command.length or _length(config.file.follow_up.watch)
            environment = command.environment or config.default_environment
            watched = follow_up.watch(incident, service.clock(), length, environment)
            save_incident(service, event.repository_id, issue, watched)
            enqueue_look(service, event, watched, timedelta(seconds=1), 1)
            await _react(session, event, "rocket")
        case Unwatch():
            save_incident(service, event.repository_id, issue, follow_up.unwatch(incident))
            await _react(session, event, "rocket")
        case Ack():
            acked = replace(incident, acked_by=event.sender)
            save_incident(service, event.repository_id, issue, acked)
            await _react(session, event, "rocket")
        case Cancel():
            for saved in service.archive.audits_of(event.repository_id, issue):
                if saved.finished_at is None:
                    service.jobs.cancel(saved.job)
                    order = ORDER.validate_json(saved.request)
                    service.archive.drop_audit(saved.page)
                    await _end_progress(service, session, _place(event), order, StoppedReply(event.sender))
            await _react(session, event, "rocket")
        case Escalate():
            await _escalate(service, session, event, name, config, command, incident)
        case Doctor():
            await _reply(service, session, event, name, await _doctor_reply(service, session, event), "rocket")


async def _reopened(service: Service, session: Session, event: Event, delivery: str) -> None:
    """An incident that comes back is looked at again, if it ever was."""
    incident = load_incident(service, event.repository_id, event.issue or 0)
    save_incident(service, event.repository_id, event.issue or 0, replace(incident, closed=False))
    if not service.archive.audits_of(event.repository_id, event.issue or 0, limit=1):
        return
    config = await read_repo_config(session, event.repository)
    if isinstance(config, RepoConfig):
        environment = incident.watch_environment or config.default_environment
        order = _order(service, event, config, Audit(environment=environment))
        await _begin(service, session, event, delivery, replace(order, reacts=False))


async def _deployed(service: Service, session: Session, event: Event, delivery: str) -> None:
    """A deployment is when a fix may have arrived: every watched issue of that environment is looked at again."""
    config = await read_repo_config(session, event.repository)
    if not isinstance(config, RepoConfig):
        return
    names = {n for n, e in config.file.environments.items() if event.environment in (n, *e.deployments)}
    now = service.clock()
    for issue, state in service.archive.incidents_of(event.repository_id):
        incident = INCIDENT.validate_json(state)
        if follow_up.is_due(incident, incident.chain, now) and incident.watch_environment in names:
            order = _order(service, replace(event, issue=issue), config, Audit(environment=incident.watch_environment))
            watched = replace(order, reacts=False, watch=incident.chain)
            await _begin(service, session, replace(event, issue=issue), f"{delivery}:{issue}", watched)


async def _proposed(session: Session, event: Event) -> None:
    """Mistakes of the configuration are told where they are made, before they reach the default branch."""
    sha = event.sha or ""
    text = await read_proposed_config(session, event.repository, event.issue or 0, sha)
    if text is None:
        return
    try:
        await report_check(session, event.repository, sha, CONFIG_PATH, validate_config(text))
    except Refused as refused:
        _log.info("no check on %s: %s", event.repository, refused)  # the permission is optional


# --- audits -----------------------------------------------------------------------------------------------------------


def _order(service: Service, event: Event, config: RepoConfig, command: Audit) -> AuditOrder:
    environment = command.environment or config.default_environment
    chosen = config.file.environments.get(environment) if environment else None
    now = service.clock()
    end = _moment(command.until, now) if command.until is not None else now
    default = _length(chosen.window) if chosen is not None and chosen.window else config.window
    start = _moment(command.since, now) if command.since is not None else end - default
    start = max(start, end - config.longest_window)
    services = command.services or tuple(ServiceName(s) for s in (chosen.services if chosen is not None else ()))
    return AuditOrder(
        installation=event.installation,
        repository_id=event.repository_id,
        repository=event.repository,
        issue=event.issue or 0,
        environment=environment,
        services=services,
        start=start,
        end=end,
        comment=event.comment,
    )


async def _begin(service: Service, session: Session, event: Event, name: str, order: AuditOrder) -> None:
    """Reserve the audit and enqueue its job, within the limits. The job's id is the delivery's, so a repeat is none."""
    job = f"audit:{name}"
    now = service.clock()
    if service.archive.audit(job) is None:
        hour = now - timedelta(hours=1)
        limits = service.operator.limits
        for count, limit, where in (
            (service.archive.audits_since(order.repository_id, hour, order.issue), limits.per_issue, "on this issue"),
            (service.archive.audits_since(order.repository_id, hour), limits.per_repository, "in this repository"),
        ):
            if count >= limit:
                at = f"{now + timedelta(hours=1):%Y-%m-%d %H:%M} UTC"
                reply = LimitReply(count, limit, where, at)
                await _reply(service, session, event, f"limit:{where}", reply, "confused")
                return
    service.archive.begin_audit(
        job, order.repository_id, order.issue, order.environment or "", ORDER.dump_json(order).decode(), now
    )
    service.jobs.enqueue("audit", job, id=job, order=event.subject)


async def run_audit(service: Service, job: str) -> None:
    """Audit and publish. After a crash it begins anew, or goes on with publishing when the report was saved."""
    saved = service.archive.audit(job)
    if saved is None:
        return  # cancelled
    order = ORDER.validate_json(saved.request)
    session = service.github.installation(order.installation)
    session.limit = CALLS_PER_AUDIT
    place = Place(order.repository, order.repository_id, order.issue)
    issue = await read_issue(session, order.repository, order.issue)
    config = await read_repo_config(session, order.repository)
    if issue is None:
        service.archive.drop_audit(saved.page)
        return
    if not isinstance(config, RepoConfig):
        service.archive.drop_audit(saved.page)
        if order.reacts:
            await tell_broken(service, order, _config_reply(config), f"config:{job}")
        return
    public = await read_visibility(session, order.repository)
    report = service.archive.report(saved.page)
    evidence = service.archive.evidence(saved.page)
    if evidence is not None and evidence.request.scope.public != public:
        report = None  # made for other readers than there are now
    if report is None:
        await _show_progress(service, session, place, order)
        report = await _investigate(service, session, saved, order, issue, config, public)
    session.limit = None  # what is found must be told, however long the thread is
    await publish(service, session, place, order, saved, report, issue)
    if order.reacts:
        await _react_to(session, place, order.comment, "rocket")
    incident = load_incident(service, order.repository_id, order.issue)
    if config.file.follow_up.automatic and order.watch is None and incident.chain == 0:
        watched = follow_up.watch(incident, service.clock(), _length(config.file.follow_up.watch), order.environment)
        save_incident(service, order.repository_id, order.issue, watched)
        enqueue_look(service, order, watched, _length(config.file.follow_up.every), 1)


async def _investigate(
    service: Service,
    session: Session,
    saved: SavedAudit,
    order: AuditOrder,
    issue: Issue,
    config: RepoConfig,
    public: bool,
) -> Report:
    repository = AuditedRepository(order.installation, order.repository_id, order.repository, public)
    request = Request(
        window=Window(order.start, order.end),
        now=service.clock(),
        services=tuple(ServiceName(s) for s in order.services),
        issue=issue.ref,
        scope=to_scope(config, order.environment, public=public),
    )
    chosen = config.file.environments.get(order.environment) if order.environment else None
    projects = tuple(chosen.projects) if chosen is not None else ()
    sources = service.sources(repository, request, projects)
    if sources.history is None:
        history = GitHubHistory(session, order.repository, limit=CALLS_PER_AUDIT - CALLS_KEPT)
        sources = replace(sources, history=history)
    findings = await service.investigate(
        request, sources, page_url=page_address(service, saved.page), github_calls=lambda: session.calls
    )
    target = findings.report.escalation.target
    service.archive.finish_audit(saved.page, findings.evidence, findings.report, service.clock(), target)
    service.archive.note_groups(saved, _faults(findings.evidence), service.clock())
    return findings.report


async def _show_progress(service: Service, session: Session, place: Place, order: AuditOrder) -> None:
    """Only where no report stands yet: a standing one stays readable while the next is made."""
    mark = report_marker(order)
    if service.archive.comment(place.repository_id, place.issue, mark) is None:
        reply = ProgressReply(f"{service.clock():%Y-%m-%d %H:%M} UTC", order.environment, order.services)
        await _upsert(service, session, place, mark, say(reply))


async def publish(
    service: Service,
    session: Session,
    place: Place,
    order: AuditOrder,
    saved: SavedAudit,
    report: Report,
    issue: Issue,
) -> None:
    """The living comment, its labels, and a short comment when verdict, priority or target changed."""
    past = [
        a
        for a in service.archive.audits_of(place.repository_id, place.issue)
        if a.finished_at is not None and a.page != saved.page and a.environment == saved.environment
    ]
    now = service.archive.audit(saved.job) or saved
    newer = [a for a in past if a.started_at > now.started_at]
    if newer:
        return  # an earlier audit that was repeated late must not overwrite what is known since
    section = _history_section(service, place, now, past)
    tail = say(section) if section.rows or section.seen else ""
    body = service.markdown(report, LONGEST_COMMENT - 2_000 - len(tail))
    await _upsert(service, session, place, report_marker(order), f"{body.rstrip()}\n\n{tail}".rstrip() + "\n")
    wanted: dict[str, str] = {}
    if report.header.priority is not None:
        wanted[f"priority:{report.header.priority}"] = PRIORITY_COLOURS[report.header.priority.value]
    if report.escalation.owner is LayerOwner.INFRASTRUCTURE and report.header.owner is LayerOwner.INFRASTRUCTURE:
        wanted[ESCALATED] = "5319e7"
    await set_labels(session, place, issue.labels, wanted)
    if past:
        await _tell_change(service, session, place, order, past[0], now)


def _history_section(service: Service, place: Place, now: SavedAudit, past: Sequence[SavedAudit]) -> HistorySection:
    evidence = service.archive.evidence(now.page)
    before = service.archive.evidence(past[0].page) if past else None
    elsewhere = service.archive.seen_elsewhere(place.repository_id, place.issue, _faults(evidence)) if evidence else ()
    seen = tuple(SeenRow(n, f"{at:%Y-%m-%d %H:%M} UTC", page_address(service, p)) for n, at, p in elsewhere[:3])
    changes = follow_up.what_changed(before, evidence) if before is not None and evidence is not None else ()
    return HistorySection(tuple(_history_row(service, a) for a in past[:10]), changes, seen)


def _faults(evidence: Evidence) -> tuple[str, ...]:
    """The ids by which its faults are known again, the most frequent first."""
    failing = [group for group in evidence.observations.groups if group.failure]
    return tuple(group.id for group in sorted(failing, key=lambda group: (-group.count, group.id))[:MOST_FAULTS])


async def _tell_change(
    service: Service, session: Session, place: Place, order: AuditOrder, before: SavedAudit, now: SavedAudit
) -> None:
    """Editing a comment notifies nobody, so a change that people must know of gets a comment of its own."""
    if (before.status, before.priority, before.target) == (now.status, now.priority, now.target):
        return
    mark = marker("changed", audit=now.page[:16])
    superseded = [a for a in service.archive.audits_of(place.repository_id, place.issue) if a.page != now.page]
    reply = ChangedReply(
        before.status or "unknown", now.status or "unknown", before.priority, now.priority, order.environment
    )
    await _upsert(service, session, place, mark, say(reply))
    for old in superseded:
        old_mark = marker("changed", audit=old.page[:16])
        known = service.archive.comment(place.repository_id, place.issue, old_mark)
        if known is not None:
            await _fold(service, session, place, old_mark, known)
    text = f"{order.repository}#{order.issue}: {reply.after} (was {reply.before})"
    await service.notify(text, f"{web_address(service.github.base_url)}/{order.repository}/issues/{order.issue}")


async def _fold(service: Service, session: Session, place: Place, mark: str, comment_id: int) -> None:
    try:
        raw = await session.get(f"/repos/{place.repository}/issues/comments/{comment_id}")
        await minimise(session, raw["node_id"])
    except Refused as refused:
        _log.info("comment %d stays unfolded: %s", comment_id, refused)
    service.archive.forget_comment(place.repository_id, place.issue, mark)


# --- looks ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """One link of a watch's chain."""

    installation: int
    repository_id: int
    repository: str
    issue: int
    chain: int
    number: int


LOOK: TypeAdapter[Look] = TypeAdapter(Look)


def enqueue_look(
    service: Service, event: Event | Look | AuditOrder, incident: Incident, after: timedelta, number: int
) -> None:
    look = Look(event.installation, event.repository_id, event.repository, event.issue or 0, incident.chain, number)
    job = f"watch:{look.repository_id}#{look.issue}:{look.chain}:{number}"
    service.jobs.enqueue_in(
        after, "look", LOOK.dump_json(look).decode(), id=job, order=f"{look.repository_id}#{look.issue}"
    )


async def run_look(service: Service, look: Look) -> None:
    """Audit once more if the watch goes on, then enqueue the next look."""
    incident = load_incident(service, look.repository_id, look.issue)
    if not follow_up.is_due(incident, look.chain, service.clock()):
        return
    session = service.github.installation(look.installation)
    config = await read_repo_config(session, look.repository)
    every = timedelta(minutes=30)
    if isinstance(config, RepoConfig):
        every = _length(config.file.follow_up.every)
        event = Event(EventKind.COMMANDED, look.installation, look.repository_id, look.repository, issue=look.issue)
        order = _order(service, event, config, Audit(environment=incident.watch_environment))
        job = f"audit:watch:{look.repository_id}#{look.issue}:{look.chain}:{look.number}"
        order = replace(order, reacts=False, watch=look.chain)
        service.archive.begin_audit(
            job,
            order.repository_id,
            order.issue,
            order.environment or "",
            ORDER.dump_json(order).decode(),
            service.clock(),
        )
        await run_audit(service, job)
        done = service.archive.audit(job)
        if done is not None and done.status is not None:
            fresh = load_incident(service, look.repository_id, look.issue)
            if fresh.chain == look.chain:
                incident = follow_up.after_look(fresh, done.status)
                save_incident(service, look.repository_id, look.issue, incident)
    if follow_up.is_due(incident, look.chain, service.clock() + every):
        enqueue_look(service, look, incident, every, look.number + 1)


def load_incident(service: Service, repository_id: int, issue: int) -> Incident:
    state = service.archive.incident(repository_id, issue)
    return INCIDENT.validate_json(state) if state is not None else Incident()


def save_incident(service: Service, repository_id: int, issue: int, incident: Incident) -> None:
    service.archive.save_incident(repository_id, issue, INCIDENT.dump_json(incident).decode())


# --- escalation -------------------------------------------------------------------------------------------------------


async def _escalate(
    service: Service,
    session: Session,
    event: Event,
    name: str,
    config: RepoConfig,
    command: Escalate,
    incident: Incident,
) -> None:
    """Call a configured team, once. The mention comes from configuration, never from the comment."""
    audits = service.archive.audits_of(event.repository_id, event.issue or 0)
    latest = next((a for a in audits if a.finished_at is not None), None)
    report = service.archive.report(latest.page) if latest is not None else None
    owner = command.team or (report.header.owner.value if report is not None and report.header.owner else None)
    mention = getattr(config.file.owners, owner) if owner is not None else None
    if owner is None or mention is None:
        fix = FixReply(
            "there is no team to call",
            "name one that the configuration's owners have, or run an audit first: its diagnosis names the team",
        )
        await _reply(service, session, event, name, fix, "confused")
        return
    if name not in incident.calls and not follow_up.may_call(incident, owner):
        why = f"taken over by {incident.acked_by}" if incident.acked_by else "called before"
        await _reply(service, session, event, name, FixReply(f"{owner}: {why}", "no second call is made"), "confused")
        return
    place = _place(event)
    reply = CalledReply(
        mention, event.sender, report.header.status.value if report is not None else None, _page(service, latest)
    )
    await _upsert(service, session, place, marker("escalation", team=owner), say(reply))
    save_incident(service, event.repository_id, event.issue or 0, follow_up.called(incident, owner, name))
    if config.file.follow_up.remind is not None:
        _enqueue_reminder(service, event, owner, _length(config.file.follow_up.remind), 1)
    await service.notify(
        f"{event.repository}#{event.issue}: escalated to {owner}",
        f"{web_address(service.github.base_url)}/{event.repository}/issues/{event.issue}",
    )
    await _react(session, event, "rocket")


@dataclass(frozen=True, slots=True)
class Reminder:
    """One of a chain, each enqueueing the next. `every` is between two of them."""

    installation: int
    repository_id: int
    repository: str
    issue: int
    team: str
    every: timedelta
    number: int


REMINDER: TypeAdapter[Reminder] = TypeAdapter(Reminder)


def _enqueue_reminder(service: Service, where: Event | Reminder, team: str, every: timedelta, number: int) -> None:
    reminder = Reminder(
        where.installation, where.repository_id, where.repository, where.issue or 0, team, every, number
    )
    subject = f"{reminder.repository_id}#{reminder.issue}"
    job = f"remind:{subject}:{team}:{number}"
    service.jobs.enqueue_in(every, "remind", REMINDER.dump_json(reminder).decode(), id=job, order=subject)


async def run_reminder(service: Service, reminder: Reminder) -> None:
    """Say once more that a call waits, unless somebody took over or the issue is closed."""
    incident = load_incident(service, reminder.repository_id, reminder.issue)
    if not follow_up.must_remind(incident, reminder.team, reminder.number):
        return
    session = service.github.installation(reminder.installation)
    place = Place(reminder.repository, reminder.repository_id, reminder.issue)
    reply = ReminderReply(reminder.team, reminder.number, follow_up.MOST_REMINDERS)
    mark = marker("reminder", team=reminder.team, number=str(reminder.number))
    await _upsert(service, session, place, mark, say(reply))
    _enqueue_reminder(service, reminder, reminder.team, reminder.every, reminder.number + 1)


async def may_show(service: Service, page: str) -> bool:
    """Whether a report may be shown to whoever has its address: one made for a private repository is not shown any more
    when that is public now. Raises `Unavailable` when GitHub cannot be asked."""
    saved = service.archive.page(page)
    evidence = service.archive.evidence(page)
    if saved is None or evidence is None:
        return False
    if evidence.request.scope.public:
        return True
    order = ORDER.validate_json(saved.request)
    try:
        return not await read_visibility(service.github.installation(order.installation), order.repository)
    except Refused:
        return True  # gone or uninstalled: nobody new can read it


# --- replies ----------------------------------------------------------------------------------------------------------


async def _reply(service: Service, session: Session, event: Event, name: str, reply: Reply, reaction: Reaction) -> None:
    await _upsert(service, session, _place(event), marker("reply", to=name), say(reply))
    await _react(session, event, reaction)


async def tell_broken(service: Service, event: Event | AuditOrder, reply: Reply, name: str) -> None:
    """The last word of something that will not be tried again."""
    session = service.github.installation(event.installation)
    place = Place(event.repository, event.repository_id, event.issue or 0)
    if not isinstance(event, AuditOrder) or not await _end_progress(service, session, place, event, reply):
        await _upsert(service, session, place, marker("reply", to=name), say(reply))
    await _react_to(session, place, event.comment, "confused")


async def _end_progress(service: Service, session: Session, place: Place, order: AuditOrder, reply: Reply) -> bool:
    """Put `reply` where "in progress" stands. False: no such comment, or a report stands there, which stays."""
    mark = report_marker(order)
    known = service.archive.comment(place.repository_id, place.issue, mark)
    done = any(
        a.finished_at is not None and a.environment == (order.environment or "")
        for a in service.archive.audits_of(place.repository_id, place.issue)
    )
    if known is None or done:
        return False
    await _upsert(service, session, place, mark, say(reply))
    return True


async def _upsert(service: Service, session: Session, place: Place, mark: str, body: str) -> Comment:
    known = service.archive.comment(place.repository_id, place.issue, mark)
    comment = await upsert_comment(session, place, mark, body, remembered=known)
    service.archive.remember_comment(place.repository_id, place.issue, mark, comment.id)
    return comment


async def _react(session: Session, event: Event, content: Reaction) -> None:
    await _react_to(session, _place(event), event.comment, content)


async def _react_to(session: Session, place: Place, comment: int | None, content: Reaction) -> None:
    try:
        await react(session, place, comment, content)
    except Refused as refused:
        _log.info("no reaction on %s#%d: %s", place.repository, place.issue, refused)  # deleted meanwhile


def _help_reply(config: RepoConfig, role: Role) -> HelpReply:
    rows = tuple(
        HelpRow(entry.usage, entry.what, role >= config.role(verb), config.role(verb).name.lower())
        for verb, entry in HELP.items()
    )
    return HelpReply(rows, next(iter(config.file.labels), DEFAULT_LABEL))


def _mistakes_reply(line: str, mistakes: tuple[Mistake, ...]) -> MistakesReply:
    return MistakesReply(line, tuple(MistakeRow(m.word, m.what, m.instead) for m in mistakes))


def _config_reply(mistakes: tuple[located.Mistake, ...]) -> ConfigReply:
    return ConfigReply(CONFIG_PATH, tuple(ConfigMistakeRow(m.line, m.column, m.what, m.instead) for m in mistakes))


def _status_reply(service: Service, event: Event, incident: Incident) -> StatusReply:
    audits = service.archive.audits_of(event.repository_id, event.issue or 0)
    rows = tuple(_history_row(service, a) for a in audits if a.finished_at is not None)[:5]
    running = sum(1 for a in audits if a.finished_at is None)
    until = f"{incident.watch_until:%Y-%m-%d %H:%M} UTC" if incident.watch_until is not None else None
    return StatusReply(rows, running, until, incident.acked_by, incident.escalated)


async def _doctor_reply(service: Service, session: Session, event: Event) -> DoctorReply:
    repository = AuditedRepository(event.installation, event.repository_id, event.repository, not event.private)
    rows = [DoctorRow("GitHub", "reads this issue and its configuration", "")]
    bound = service.operator.binding(event.installation, event.repository_id)
    if bound is None:
        ask = f"ask the operator to bind installation {event.installation}, repository {event.repository_id}"
        rows.append(DoctorRow("Google Cloud", "nothing is granted to this repository", ask))
    else:
        rows += [DoctorRow(*row) for row in await service.doctor(repository)]
    rows.append(DoctorRow("GitHub calls", f"{session.calls} so far for this answer", ""))
    return DoctorReply(tuple(rows))


def _history_row(service: Service, audit: SavedAudit) -> HistoryRow:
    at = f"{audit.started_at:%Y-%m-%d %H:%M} UTC"
    return HistoryRow(at, audit.status or "", audit.priority, page_address(service, audit.page))


def page_address(service: Service, page: str) -> str:
    """Where the report can be opened. The page's name is the key to it."""
    return f"{service.public_url}/audits/{page}"


def report_marker(order: AuditOrder) -> str:
    """One living comment per issue and environment."""
    return marker("report", environment=order.environment or "default")


def _page(service: Service, audit: SavedAudit | None) -> str | None:
    return page_address(service, audit.page) if audit is not None else None


def _place(event: Event) -> Place:
    return Place(event.repository, event.repository_id, event.issue or 0)


def _moment(value: datetime | timedelta, now: datetime) -> datetime:
    return now - value if isinstance(value, timedelta) else value


def _length(value: str) -> timedelta:
    length = parse_duration(value)
    assert length is not None  # the schema has checked it
    return length

"""One delivery, one answer: check who asks, understand it, acknowledge it, run it, answer.

Owns the order of an answer and every decision between an event and a comment. Each function may run twice with the same
result: what was written is found again, what was finished is not done anew. Leaves retries and dead letters to `worker.py`,
decisions about time to `follow_up.py`, and how things are written to `github/publish.py`.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol

from pydantic import TypeAdapter

from app import follow_up
from app.archive import Archive, SavedAudit
from app.diagnosis.model import Status as ReportStatus
from app.evidence.model import Evidence, Request, ServiceName, Window
from app.follow_up import INCIDENT, Incident
from app.github.client import GitHub, Refused, Session, web_address
from app.github.history import GitHubHistory
from app.github.publish import (
    LONGEST_COMMENT,
    VERDICT_CHECK,
    Comment,
    Place,
    Reaction,
    Verdict,
    assign,
    marker,
    minimise,
    react,
    report_check,
    report_verdict,
    set_labels,
    upsert_comment,
)
from app.github.repository import (
    Issue,
    read_issue,
    read_proposed_config,
    read_repo_config,
    read_repository,
    read_role,
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
MOST_CHECKS = 5
"""Commits that get a check with the verdict of one audit."""
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

    `comment` is the comment that asked, None for labels and follow-ups. `reacts` False: nobody asked, it is a follow-up.
    `watch` is the chain of looks that it belongs to, `commit` the deployed one that it looks after.
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
    commit: str | None = None


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
            change_incident(service, event, lambda known: replace(follow_up.unwatch(known), closed=True))
        case EventKind.REOPENED:
            await _reopened(service, session, event, delivery)
        case EventKind.DEPLOYED:
            await _deployed(service, session, event)
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
    await _begin(
        service, session, event, delivery, _order(service, event, config, Audit(environment=environment or None))
    )


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
            await _reply(service, session, event, name, _status_reply(service, event, incident, config), "rocket")
        case Watch():
            length = command.length or _length(config.file.follow_up.watch)
            environment = command.environment or config.default_environment
            now = service.clock()
            watched = change_incident(service, event, lambda i: follow_up.watch(i, now, length, environment))
            enqueue_look(service, event, watched, timedelta(seconds=1), 1)
            await _react(session, event, "rocket")
        case Unwatch():
            change_incident(service, event, follow_up.unwatch)
            await _react(session, event, "rocket")
        case Ack():
            change_incident(service, event, lambda known: replace(known, acked_by=event.sender))
            await _react(session, event, "rocket")
        case Cancel():
            for saved in service.archive.audits_of(event.repository_id, issue):
                if saved.finished_at is None:
                    service.jobs.cancel(saved.job)
                    order = ORDER.validate_json(saved.request)
                    await _end_progress(service, session, _place(event), order, StoppedReply(event.sender))
                    service.archive.drop_audit(saved.page)  # last: a repeat after a crash finds what is to be stopped
            await _react(session, event, "rocket")
        case Escalate():
            await _escalate(service, session, event, name, config, command, incident)
        case Doctor():
            await _reply(service, session, event, name, await _doctor_reply(service, session, event), "rocket")


async def _reopened(service: Service, session: Session, event: Event, delivery: str) -> None:
    """An incident that comes back is looked at again, if it ever was."""
    incident = change_incident(service, event, lambda known: replace(known, closed=False))
    if not service.archive.audits_of(event.repository_id, event.issue or 0, limit=1):
        return
    config = await read_repo_config(session, event.repository)
    if not isinstance(config, RepoConfig):
        return
    configured = [c.environment or None for c in incident.courses if _is_configured(config, c.environment)]
    for environment in configured or [incident.watch_environment or config.default_environment]:
        order = _order(service, event, config, Audit(environment=environment))
        name = f"{delivery}:{environment or ''}"
        await _begin(service, session, event, name, replace(order, reacts=False))


async def _deployed(service: Service, session: Session, event: Event) -> None:
    """A deployment is when a fix may have arrived: what is watched or not over in that environment is looked at again."""
    now = service.clock()
    waiting = [
        (issue, incident, environment)
        for issue, state in service.archive.incidents_of(event.repository_id)
        for incident in [INCIDENT.validate_json(state)]
        for environment in sorted({*(c.environment for c in incident.courses), incident.watch_environment or ""})
        if follow_up.is_watched(incident, environment, now) or follow_up.goes_on(incident, environment, now)
    ]
    if not waiting:
        return  # nothing needs to be read, which is so for almost every deployment
    config = await read_repo_config(session, event.repository)
    if not isinstance(config, RepoConfig) or not config.file.follow_up.deployments:
        return
    meant = _deployed_environments(config, event)
    for issue, incident, environment in waiting:
        if environment in meant:
            there = replace(event, issue=issue)
            order = replace(_order(service, there, config, Audit(environment=environment or None)), reacts=False)
            chain = incident.chain if follow_up.is_watched(incident, environment, now) else None
            order = replace(order, watch=chain, commit=event.sha)
            await _begin(service, session, there, _deployment_name(service, order, now), order)


def _deployed_environments(config: RepoConfig, event: Event) -> frozenset[str]:
    """Which of ours were deployed. Without configured ones, whatever is called production is the unnamed one."""
    if not config.file.environments:
        return frozenset({""} if (event.environment or "").lower().startswith("prod") else ())
    return frozenset(
        name
        for name, said in config.file.environments.items()
        if event.environment in (name, *said.deployments) or event.workflow in said.workflows
    )


def _deployment_name(service: Service, order: AuditOrder, now: datetime) -> str:
    """The same for every event about one deployment; another one when the same commit is deployed again later."""
    earlier = 0
    for saved in service.archive.audits_of(order.repository_id, order.issue, limit=100):
        past = ORDER.validate_json(saved.request)
        same = past.commit == order.commit and past.environment == order.environment
        earlier += same and saved.started_at <= now - follow_up.SAME_DEPLOYMENT
    return f"deployed:{order.repository_id}#{order.issue}:{order.environment or ''}:{order.commit}:{earlier}"


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
    """What is not said is taken from configuration, and for an issue that was audited before from that."""
    environment = command.environment or config.default_environment
    chosen = config.file.environments.get(environment) if environment else None
    course = load_incident(service, event.repository_id, event.issue or 0).course(environment)
    now = service.clock()
    end = _moment(command.until, now) if command.until is not None else now
    default = _length(chosen.window) if chosen is not None and chosen.window else config.window
    if command.since is not None:
        start = max(_moment(command.since, now), end - config.longest_window)
    else:
        start = follow_up.start_of(course, now, default=default, longest=config.longest_window, end=end)
    configured = tuple(ServiceName(s) for s in (chosen.services if chosen is not None else ()))
    before = tuple(ServiceName(s) for s in course.services) if course is not None else ()
    return AuditOrder(
        installation=event.installation,
        repository_id=event.repository_id,
        repository=event.repository,
        issue=event.issue or 0,
        environment=environment,
        services=command.services or before or configured,
        start=start,
        end=end,
        comment=event.comment,
    )


def _is_configured(config: RepoConfig, environment: str) -> bool:
    """Configuration may have lost an environment since it was audited."""
    return environment in config.file.environments or (not environment and config.default_environment is None)


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
            if count >= limit and not order.reacts:
                _log.info("no follow-up on %s#%d: the limit of %d is reached", order.repository, order.issue, limit)
                return
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
    repository = await read_repository(session, order.repository, order.repository_id)
    if repository is None or repository.archived:
        _leave(service, saved, order)
        return
    order = replace(order, repository=repository.name)
    place = Place(order.repository, order.repository_id, order.issue)
    issue = await read_issue(session, order.repository, order.issue)
    if issue is None or not (issue.open or order.reacts):
        _leave(service, saved, order)
        return
    config = await read_repo_config(session, order.repository)
    if not isinstance(config, RepoConfig):
        service.archive.drop_audit(saved.page)
        if order.reacts:
            await tell_broken(service, order, _config_reply(config), f"config:{job}")
        return
    public = repository.public
    report = service.archive.report(saved.page)
    evidence = service.archive.evidence(saved.page)
    if evidence is not None and evidence.request.scope.public != public:
        report = None  # made for other readers than there are now
    if report is None:
        await _show_progress(service, session, place, order)
        report = await _investigate(service, session, saved, order, issue, config, public)
    session.limit = None  # what is found must be told, however long the thread is
    change_incident(
        service,
        order,
        lambda known: follow_up.after_audit(
            known,
            order.environment,
            report.header.status.value,
            start=order.start,
            services=order.services,
            now=saved.started_at,
            asked=order.reacts,
        ),
    )
    await publish(service, session, place, order, saved, report, issue, config)
    if order.reacts:
        await _react_to(session, place, order.comment, "rocket")
    _go_on(service, order, saved, config)


def _leave(service: Service, saved: SavedAudit, order: AuditOrder) -> None:
    """The issue or its repository is gone, closed or read-only: nothing is written, and nothing is looked at again."""
    service.archive.drop_audit(saved.page)
    change_incident(service, order, lambda known: replace(follow_up.unwatch(known), closed=True))


def _go_on(service: Service, order: AuditOrder, saved: SavedAudit, config: RepoConfig) -> None:
    """What follows by time: a watch after the first audit, or one more audit as long as it is not over."""
    wanted, now = config.file.follow_up, service.clock()
    incident = load_incident(service, order.repository_id, order.issue)
    if wanted.automatic and order.watch is None and incident.chain == 0:
        length = _length(wanted.watch)
        incident = change_incident(service, order, lambda i: follow_up.watch(i, now, length, order.environment))
        enqueue_look(service, order, incident, _length(wanted.every), 1)
    course = incident.course(order.environment)
    recheck = _length(wanted.recheck) if wanted.recheck is not None else None
    after = follow_up.next_recheck(course, recheck, now) if course is not None else None
    if after is not None and follow_up.goes_on(incident, order.environment, now):
        look = Look(order.installation, order.repository_id, order.repository, order.issue, 0, 0, saved.page)
        job = f"recheck:{saved.page}"
        service.jobs.enqueue_in(after, "look", LOOK.dump_json(look).decode(), id=job, order=_subject(look))


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
    config: RepoConfig,
) -> None:
    """The living comment, labels, checks, and a short comment when verdict, priority or target changed."""
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
    text = f"{body.rstrip()}\n\n{tail}".rstrip() + "\n"
    if await _upsert(service, session, place, report_marker(order), text, anew=order.reacts) is None:
        _log.info("the report on %s#%d was deleted, and stays so until somebody asks", place.repository, place.issue)
        change_incident(service, order, lambda known: follow_up.dropped(known, order.environment))
        return
    await _label(service, session, place, order, report, issue, config)
    await _check(session, place, order, report, issue, config)
    if past:
        await _tell_change(service, session, place, order, past[0], now)


async def _label(
    service: Service,
    session: Session,
    place: Place,
    order: AuditOrder,
    report: Report,
    issue: Issue,
    config: RepoConfig,
) -> None:
    """Of several environments of one issue the worst priority counts, and every team that has to act."""
    incident = load_incident(service, place.repository_id, place.issue)
    others = [c.environment for c in incident.courses if c.environment != (order.environment or "")]
    reports = [report, *(r for name in others if (r := _latest_report(service, place, name)) is not None)]
    kinds = [min((r.header.priority.value for r in reports if r.header.priority is not None), default="")]
    kinds += sorted({r.header.owner.value for r in reports if r.header.owner and r.escalation.owner is r.header.owner})
    wanted = dict(label for kind in kinds if (label := config.status_label(kind)) is not None)
    add, away = follow_up.plan_labels(incident, issue.labels, wanted, config.status_labels)
    if set(wanted) == set(incident.labels or ()):
        return
    present = await set_labels(session, place, add, away, issue.labels)
    ids = tuple(sorted(number for name, number in present.items() if name in wanted))
    change_incident(service, order, lambda known: replace(known, labels=tuple(sorted(wanted)), label_ids=ids))


def _latest_report(service: Service, place: Place, environment: str) -> Report | None:
    audits = service.archive.audits_of(place.repository_id, place.issue)
    page = next((a.page for a in audits if a.finished_at is not None and a.environment == environment), None)
    return service.archive.report(page) if page is not None else None


async def _check(
    session: Session, place: Place, order: AuditOrder, report: Report, issue: Issue, config: RepoConfig
) -> None:
    """The verdict at the commits that configuration names. On a public repository, too, it says what labels would say."""
    wanted = config.file.verdict_check
    commits = [*(issue.linked.proposed if "pull_request" in wanted.at else ())]
    if "default_branch" in wanted.at and issue.linked.newest is not None:
        commits.insert(0, issue.linked.newest)
    status, priority = report.header.status, report.header.priority
    verdict = Verdict(
        name=f"{VERDICT_CHECK} ({order.environment})" if order.environment else VERDICT_CHECK,
        title=f"{status}, {priority}" if priority is not None else f"{status}",
        summary=f"The report stands on issue #{place.issue}.",
        conclusion=_conclusion(status) if wanted.conclusion == "verdict" else "neutral",
        link=f"{web_address(session.github.base_url)}/{place.repository}/issues/{place.issue}",
    )
    for sha in dict.fromkeys(commits[:MOST_CHECKS]):
        try:
            await report_verdict(session, place.repository, sha, verdict)
        except Refused as refused:
            _log.info("no check on %s: %s", place.repository, refused)  # the permission is optional


def _conclusion(status: ReportStatus) -> Literal["neutral", "success", "failure"]:
    if status.value in follow_up.OVER:
        return "success"
    return "neutral" if status in (ReportStatus.CANNOT_TELL, ReportStatus.RECOVERING) else "failure"


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
        before.status or "unknown",
        now.status or "unknown",
        before.priority,
        now.priority,
        order.environment,
        before.target,
        now.target,
    )
    await _upsert(service, session, place, mark, say(reply))
    for old in superseded:
        old_mark = marker("changed", audit=old.page[:16])
        known = service.archive.comment(place.repository_id, place.issue, old_mark)
        if known is not None:
            await _fold(service, session, place, old_mark, known)
    text = f"{order.repository}#{order.issue}: {reply.after} (was {reply.before})"
    await _notify(service, order, f"changed:{now.page}", text)


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
    """One link of a watch's chain; with `after`, a look that is due unless an audit followed the one with that page."""

    installation: int
    repository_id: int
    repository: str
    issue: int
    chain: int
    number: int
    after: str | None = None


LOOK: TypeAdapter[Look] = TypeAdapter(Look)


def enqueue_look(
    service: Service, event: Event | Look | AuditOrder, incident: Incident, after: timedelta, number: int
) -> None:
    look = Look(event.installation, event.repository_id, event.repository, event.issue or 0, incident.chain, number)
    job = f"watch:{look.repository_id}#{look.issue}:{look.chain}:{number}"
    service.jobs.enqueue_in(after, "look", LOOK.dump_json(look).decode(), id=job, order=_subject(look))


def _subject(look: Look) -> str:
    return f"{look.repository_id}#{look.issue}"


async def run_look(service: Service, look: Look) -> None:
    """Audit once more if the watch goes on, then enqueue the next look."""
    if look.after is not None:
        await _recheck(service, look, look.after)
        return
    incident = load_incident(service, look.repository_id, look.issue)
    if not follow_up.is_due(incident, look.chain, service.clock()):
        return
    session = service.github.installation(look.installation)
    config = await read_repo_config(session, look.repository)
    every = timedelta(minutes=30)
    if isinstance(config, RepoConfig):
        every = _length(config.file.follow_up.every)
        job = f"audit:watch:{look.repository_id}#{look.issue}:{look.chain}:{look.number}"
        done = await _look(service, look, config, incident.watch_environment, job, chain=look.chain)
        if done is not None and done.status is not None:
            status = done.status
            incident = change_incident(
                service, look, lambda i: follow_up.after_look(i, status) if i.chain == look.chain else i
            )
    incident = load_incident(service, look.repository_id, look.issue)
    if follow_up.is_due(incident, look.chain, service.clock() + every):
        enqueue_look(service, look, incident, every, look.number + 1)


async def _recheck(service: Service, look: Look, page: str) -> None:
    """One more audit of an issue that nobody watches. It enqueues the next one itself; any other audit since has done so."""
    before = service.archive.page(page)
    now = service.clock()
    incident = load_incident(service, look.repository_id, look.issue)
    if before is None or not follow_up.goes_on(incident, before.environment, now):
        return
    audits = service.archive.audits_of(look.repository_id, look.issue)
    if any(a.started_at > before.started_at and a.environment == before.environment for a in audits):
        return
    if follow_up.is_watched(incident, before.environment, now):
        return
    config = await read_repo_config(service.github.installation(look.installation), look.repository)
    recovers = any(c.status == follow_up.RECOVERING for c in incident.courses if c.environment == before.environment)
    if isinstance(config, RepoConfig) and (recovers or config.file.follow_up.recheck is not None):
        await _look(service, look, config, before.environment or None, f"audit:recheck:{page}")


async def _look(
    service: Service, look: Look, config: RepoConfig, environment: str | None, job: str, chain: int | None = None
) -> SavedAudit | None:
    """The audit of one look, made within its job, so that the looks of an issue never overlap."""
    event = Event(EventKind.COMMANDED, look.installation, look.repository_id, look.repository, issue=look.issue)
    order = replace(_order(service, event, config, Audit(environment=environment)), reacts=False, watch=chain)
    kept = ORDER.dump_json(order).decode()
    service.archive.begin_audit(job, order.repository_id, order.issue, order.environment or "", kept, service.clock())
    await run_audit(service, job)
    return service.archive.audit(job)


def load_incident(service: Service, repository_id: int, issue: int) -> Incident:
    state = service.archive.incident(repository_id, issue)
    return INCIDENT.validate_json(state) if state is not None else Incident()


def change_incident(
    service: Service, where: "Event | AuditOrder | Look | Reminder", change: Callable[[Incident], Incident]
) -> Incident:
    """The incident as it is after `change`, which nothing else can come between."""
    after = Incident()

    def changed(state: str) -> str:
        nonlocal after
        after = change(INCIDENT.validate_json(state))
        return INCIDENT.dump_json(after).decode()

    service.archive.change_incident(where.repository_id, where.issue or 0, changed)
    return after


async def _notify(service: Service, where: "Event | AuditOrder | Reminder", note: str, text: str) -> None:
    """Tell people outside of GitHub, at most once per `note`: a channel that pages people must not ring twice, so it is noted
    before it is sent. What a crash at this moment loses stands on the issue in any case."""
    fresh = False

    def noted(incident: Incident) -> Incident:
        nonlocal fresh
        told = follow_up.tell(incident, note)
        fresh = told is not incident
        return told

    change_incident(service, where, noted)
    if fresh:
        link = f"{web_address(service.github.base_url)}/{where.repository}/issues/{where.issue}"
        await service.notify(text, link)


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
    people: list[str] = getattr(config.file.assignees, owner) if owner is not None else []
    if owner is None or (mention is None and not people):
        await _reply(service, session, event, name, _nobody_to_call(config, owner), "confused")
        return
    if name not in incident.calls and not follow_up.may_call(incident, owner):
        why = f"taken over by {incident.acked_by}" if incident.acked_by else "called before"
        await _reply(service, session, event, name, FixReply(f"{owner}: {why}", "No second call is made."), "confused")
        return
    place = _place(event)
    able, unable = await _assign(session, place, people, once=owner in incident.assigned)
    change_incident(service, event, lambda i: replace(i, assigned=tuple(dict.fromkeys((*i.assigned, owner)))))
    reply = CalledReply(
        owner,
        mention,
        event.sender,
        report.header.status.value if report is not None else None,
        _page(service, latest),
        tuple(able),
        tuple(unable),
    )
    await _upsert(service, session, place, marker("escalation", team=owner), say(reply))
    change_incident(service, event, lambda i: follow_up.called(i, owner, name))
    if config.file.follow_up.remind is not None:
        _enqueue_reminder(service, event, owner, _length(config.file.follow_up.remind), 1)
    await _notify(service, event, f"call:{owner}", f"{event.repository}#{event.issue}: escalated to {owner}")
    await _react(session, event, "rocket")


async def _assign(session: Session, place: Place, people: Sequence[str], *, once: bool) -> tuple[list[str], list[str]]:
    """A refusal costs the assignment, never the call."""
    try:
        return await assign(session, place, people, once=once)
    except Refused as refused:
        _log.info("nobody is assigned on %s#%d: %s", place.repository, place.issue, refused)
        return [], [*people]


def _nobody_to_call(config: RepoConfig, owner: str | None) -> FixReply:
    known = ", ".join(config.known.teams)
    if owner is not None:
        return FixReply(
            f"The diagnosis names {owner}, and the configuration names nobody for them.",
            f"Add {owner} to `owners` in {config.path}" + (f", or call one of: {known}." if known else "."),
        )
    return FixReply(
        "No audit of this issue has named a team yet.",
        f"Name one of: {known}." if known else f"Add `owners` to {config.path}, or run /audit first.",
    )


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
    repository = await read_repository(session, reminder.repository, reminder.repository_id)
    if repository is None or repository.archived:
        return
    reminder = replace(reminder, repository=repository.name)
    place = Place(reminder.repository, reminder.repository_id, reminder.issue)
    reply = ReminderReply(reminder.team, reminder.number, follow_up.MOST_REMINDERS)
    mark = marker("reminder", team=reminder.team, number=str(reminder.number))
    await _upsert(service, session, place, mark, say(reply))
    text = f"{reminder.repository}#{reminder.issue}: {reminder.team} was called, and nobody took over yet"
    await _notify(service, reminder, f"reminder:{reminder.team}:{reminder.number}", text)
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
    session = service.github.installation(order.installation)
    try:
        repository = await read_repository(session, order.repository, order.repository_id)
    except Refused:
        return True  # uninstalled: nobody new can read it
    return repository is None or not repository.public


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


async def _upsert(
    service: Service, session: Session, place: Place, mark: str, body: str, *, anew: bool = True
) -> Comment | None:
    """None only without `anew`: somebody deleted the comment."""
    known = service.archive.comment(place.repository_id, place.issue, mark)
    comment = await upsert_comment(session, place, mark, body, remembered=known, anew=anew)
    if comment is not None:
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
    known = config.known
    label = next(iter(config.file.labels), DEFAULT_LABEL)
    return HelpReply(rows, label, known.environments[:20], known.services[:20], known.teams)


def _mistakes_reply(line: str, mistakes: tuple[Mistake, ...]) -> MistakesReply:
    return MistakesReply(line, tuple(MistakeRow(m.word, m.what, m.instead) for m in mistakes))


def _config_reply(mistakes: tuple[located.Mistake, ...]) -> ConfigReply:
    return ConfigReply(CONFIG_PATH, tuple(ConfigMistakeRow(m.line, m.column, m.what, m.instead) for m in mistakes))


def _status_reply(service: Service, event: Event, incident: Incident, config: RepoConfig) -> StatusReply:
    audits = service.archive.audits_of(event.repository_id, event.issue or 0)
    done = [a for a in audits if a.finished_at is not None][:5]
    rows = tuple(replace(_history_row(service, a), environment=a.environment or None) for a in done)
    running = sum(1 for a in audits if a.finished_at is None)
    again = _looks_again(incident, config, service.clock())
    return StatusReply(rows, running, again, incident.acked_by, incident.escalated)


def _looks_again(incident: Incident, config: RepoConfig, now: datetime) -> str:
    wanted = config.file.follow_up
    deployment = "after a deployment" if wanted.deployments else None
    if follow_up.is_due(incident, incident.chain, now):
        said = [f"every {wanted.every} until {incident.watch_until:%Y-%m-%d %H:%M} UTC, as it is watched", deployment]
    elif going := [c for c in incident.courses if follow_up.goes_on(incident, c.environment, now)]:
        recovers = any(course.status == follow_up.RECOVERING for course in going)
        by_time = "more and more seldom, as it recovers" if recovers else None
        said = [f"every {wanted.recheck}" if wanted.recheck else by_time, deployment]
    else:
        said = []
    return ", and ".join(one for one in said if one) or "no"


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

"""One delivery, one answer: check who asks, understand it, acknowledge it, run it, answer.

Owns the order of an answer and every decision between an event and a comment. Each function may run twice with the same
result: what was written is found again, what was finished is not done anew. Leaves retries and dead letters to `worker.py`,
decisions about time to `follow_up.py`, reports onto issues to `publishing.py`, and calling people to `escalation.py`.
"""

import logging
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from app import follow_up
from app.archive import SavedAudit
from app.escalation import escalate
from app.evidence.model import Request, ServiceName, Window
from app.follow_up import INCIDENT, Incident
from app.github.client import Refused, Session
from app.github.history import GitHubHistory
from app.github.publish import Place, marker, report_check
from app.github.repository import (
    Issue,
    read_issue,
    read_proposed_config,
    read_repo_config,
    read_repository,
    read_role,
)
from app.github.webhooks import Event, EventKind
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
    verb_of,
)
from app.policy.commands import Refused as RefusedLine
from app.policy.config import CONFIG_PATH, DEFAULT_LABEL, RepoConfig, to_scope, validate_config
from app.publishing import faults, history_row, publish
from app.replies import (
    ConfigMistakeRow,
    ConfigReply,
    DeniedReply,
    DoctorReply,
    DoctorRow,
    HelpReply,
    HelpRow,
    LimitReply,
    MistakeRow,
    MistakesReply,
    ProgressReply,
    Reply,
    StatusReply,
    StoppedReply,
    say,
)
from app.report.model import Report
from app.service import (
    ORDER,
    AuditedRepository,
    AuditOrder,
    Service,
    answer,
    change_incident,
    length_of,
    load_incident,
    page_address,
    place_of,
    react_to,
    react_to_event,
    report_marker,
    upsert,
)

_log = logging.getLogger(__name__)

CALLS_PER_AUDIT = 40
"""GitHub calls that one audit may make, the writes included."""
CALLS_KEPT = 12
"""Of these, what publishing needs: reading the source must not use it up."""


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
            # Most issues are none of ours.
            if service.archive.incident(event.repository_id, event.issue or 0) is not None:
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
        await react_to_event(session, event, "confused")
        return
    await react_to_event(session, event, "eyes")
    if not isinstance(config, RepoConfig):
        await answer(service, session, event, delivery, _config_reply(config), "confused")
        return
    await _begin(
        service, session, event, delivery, _order(service, event, config, Audit(environment=environment or None))
    )


async def _commanded(service: Service, session: Session, event: Event, delivery: str) -> None:
    role = await read_role(session, event.repository, event.sender)
    await react_to_event(session, event, "eyes")
    config = await read_repo_config(session, event.repository)
    usable = config if isinstance(config, RepoConfig) else RepoConfig()
    for number, line in enumerate(event.lines):
        name = f"{delivery}:{number}"
        if number >= MOST_COMMANDS:
            extra = Mistake(line, f"at most {MOST_COMMANDS} commands in one comment")
            await answer(service, session, event, name, _mistakes_reply(line, (extra,)), "confused")
            break
        command = parse_command(line, now=service.clock(), known=usable.known)
        needed = usable.role(verb_of(command)) if not isinstance(command, RefusedLine) else usable.role(Verb.AUDIT)
        if role < needed:
            verb = verb_of(command).value if not isinstance(command, RefusedLine) else Verb.AUDIT.value
            denied = DeniedReply(event.sender, verb, role.name.lower(), needed.name.lower(), usable.path)
            # One per person and issue: a stranger must not be able to make us write a comment for each of theirs.
            await answer(service, session, event, f"denied:{event.sender}", denied, "confused")
        elif isinstance(command, RefusedLine):
            await answer(service, session, event, name, _mistakes_reply(line, command.mistakes), "confused")
        elif not isinstance(config, RepoConfig) and not isinstance(command, Help):
            await answer(service, session, event, name, _config_reply(config), "confused")
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
            await answer(service, session, event, name, _help_reply(config, role), "rocket")
        case Status():
            await answer(service, session, event, name, _status_reply(service, event, incident, config), "rocket")
        case Watch():
            length = command.length or length_of(config.file.follow_up.watch)
            environment = command.environment or config.default_environment
            now = service.clock()
            watched = change_incident(service, event, lambda i: follow_up.watch(i, now, length, environment))
            enqueue_look(service, event, watched, timedelta(seconds=1), 1)
            await react_to_event(session, event, "rocket")
        case Unwatch():
            change_incident(service, event, follow_up.unwatch)
            await react_to_event(session, event, "rocket")
        case Ack():
            change_incident(service, event, lambda known: replace(known, acked_by=event.sender))
            await react_to_event(session, event, "rocket")
        case Cancel():
            for saved in service.archive.audits_of(event.repository_id, issue):
                if saved.finished_at is None:
                    service.jobs.cancel(saved.job)
                    order = ORDER.validate_json(saved.request)
                    await _end_progress(service, session, place_of(event), order, StoppedReply(event.sender))
                    service.archive.drop_audit(saved.page)  # last: a repeat after a crash finds what is to be stopped
            await react_to_event(session, event, "rocket")
        case Escalate():
            await escalate(service, session, event, name, config, command, incident)
        case Doctor():
            await answer(service, session, event, name, await _doctor_reply(service, session, event), "rocket")


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
    default = length_of(chosen.window) if chosen is not None and chosen.window else config.window
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
                await answer(service, session, event, f"limit:{where}", reply, "confused")
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
            replace(known, closed=not issue.open),
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
        await react_to(session, place, order.comment, "rocket")
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
        length = length_of(wanted.watch)
        incident = change_incident(service, order, lambda i: follow_up.watch(i, now, length, order.environment))
        enqueue_look(service, order, incident, length_of(wanted.every), 1)
    course = incident.course(order.environment)
    recheck = length_of(wanted.recheck) if wanted.recheck is not None else None
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
    service.archive.note_groups(saved, faults(findings.evidence), service.clock())
    return findings.report


async def _show_progress(service: Service, session: Session, place: Place, order: AuditOrder) -> None:
    """Only where no report stands yet: a standing one stays readable while the next is made."""
    mark = report_marker(order)
    if service.archive.comment(place.repository_id, place.issue, mark) is None:
        reply = ProgressReply(f"{service.clock():%Y-%m-%d %H:%M} UTC", order.environment, order.services)
        await upsert(service, session, place, mark, say(reply))


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
        every = length_of(config.file.follow_up.every)
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


async def tell_broken(service: Service, event: Event | AuditOrder, reply: Reply, name: str) -> None:
    """The last word of something that will not be tried again."""
    session = service.github.installation(event.installation)
    place = Place(event.repository, event.repository_id, event.issue or 0)
    if not isinstance(event, AuditOrder) or not await _end_progress(service, session, place, event, reply):
        await upsert(service, session, place, marker("reply", to=name), say(reply))
    await react_to(session, place, event.comment, "confused")


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
    await upsert(service, session, place, mark, say(reply))
    return True


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
    rows = tuple(replace(history_row(service, a), environment=a.environment or None) for a in done)
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


def _moment(value: datetime | timedelta, now: datetime) -> datetime:
    return now - value if isinstance(value, timedelta) else value

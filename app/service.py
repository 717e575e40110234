"""What answering needs, and the small steps that every answer is made of.

Owns the parts that are opened once in `main.py`, an audit as it was asked for, and how the state of an incident is read and
changed in one step. Leaves what is answered to `respond.py`, `publishing.py` and `escalation.py`.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from pydantic import TypeAdapter

from app import follow_up
from app.archive import Archive, SavedAudit
from app.evidence.model import Request
from app.follow_up import INCIDENT, Incident
from app.github.client import GitHub, Refused, Session, web_address
from app.github.publish import Comment, Place, Reaction, marker, minimise, react, upsert_comment
from app.github.webhooks import Event
from app.investigate import Findings, Sources
from app.jobs import Jobs
from app.policy.commands import parse_duration
from app.policy.operator import Operator
from app.replies import Reply, say
from app.report.model import Report

_log = logging.getLogger(__name__)


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


class Where(Protocol):
    """Whatever belongs to an issue: an event, an order, a look, a reminder."""

    @property
    def repository_id(self) -> int: ...

    @property
    def repository(self) -> str: ...

    @property
    def issue(self) -> int | None: ...


# --- incidents --------------------------------------------------------------------------------------------------------


def load_incident(service: Service, repository_id: int, issue: int) -> Incident:
    state = service.archive.incident(repository_id, issue)
    return INCIDENT.validate_json(state) if state is not None else Incident()


def change_incident(service: Service, where: Where, change: Callable[[Incident], Incident]) -> Incident:
    """The incident as it is after `change`, which nothing else can come between."""
    after = Incident()

    def changed(state: str) -> str:
        nonlocal after
        before = INCIDENT.validate_json(state)
        after = change(before)
        if after != before:
            after = replace(after, touched_at=service.clock())
        return INCIDENT.dump_json(after).decode()

    service.archive.change_incident(where.repository_id, where.issue or 0, changed)
    return after


async def notify(service: Service, where: Where, note: str, text: str) -> None:
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


# --- writing ----------------------------------------------------------------------------------------------------------


async def answer(service: Service, session: Session, event: Event, name: str, reply: Reply, reaction: Reaction) -> None:
    await upsert(service, session, place_of(event), marker("reply", to=name), say(reply))
    await react_to_event(session, event, reaction)


async def upsert(
    service: Service, session: Session, place: Place, mark: str, body: str, *, anew: bool = True
) -> Comment | None:
    """None only without `anew`: somebody deleted the comment."""
    known = service.archive.comment(place.repository_id, place.issue, mark)
    comment = await upsert_comment(session, place, mark, body, remembered=known, anew=anew)
    if comment is not None:
        service.archive.remember_comment(place.repository_id, place.issue, mark, comment.id)
    return comment


async def fold(service: Service, session: Session, place: Place, mark: str) -> None:
    """Fold away the comment of `mark`, if there is one, that a newer one supersedes. A refusal changes nothing that matters."""
    comment_id = service.archive.comment(place.repository_id, place.issue, mark)
    if comment_id is None:
        return
    try:
        raw = await session.get(f"/repos/{place.repository}/issues/comments/{comment_id}")
        await minimise(session, raw["node_id"])
    except Refused as refused:
        _log.info("comment %d stays unfolded: %s", comment_id, refused)
    service.archive.forget_comment(place.repository_id, place.issue, mark)


async def react_to_event(session: Session, event: Event, content: Reaction) -> None:
    await react_to(session, place_of(event), event.comment, content)


async def react_to(session: Session, place: Place, comment: int | None, content: Reaction) -> None:
    try:
        await react(session, place, comment, content)
    except Refused as refused:
        _log.info("no reaction on %s#%d: %s", place.repository, place.issue, refused)  # deleted meanwhile


def page_address(service: Service, page: str) -> str:
    """Where the report can be opened. The page's name is the key to it."""
    return f"{service.public_url}/audits/{page}"


def report_marker(order: AuditOrder) -> str:
    """One living comment per issue and environment."""
    return marker("report", environment=order.environment or "default")


def page_of(service: Service, audit: SavedAudit | None) -> str | None:
    return page_address(service, audit.page) if audit is not None else None


def place_of(event: Event) -> Place:
    return Place(event.repository, event.repository_id, event.issue or 0)


def length_of(value: str) -> timedelta:
    length = parse_duration(value)
    assert length is not None  # the schema has checked it
    return length

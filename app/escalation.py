"""Calling people: a configured team once, the people to assign, and reminders until somebody takes over.

Owns the order of a call, safe to repeat. Leaves whether one may be made to `follow_up.py`, and who is called to configuration:
a mention is never taken from a comment.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import TypeAdapter

from app import follow_up
from app.follow_up import Incident
from app.github.client import Refused, Session
from app.github.publish import Place, assign, marker
from app.github.repository import read_repository
from app.github.webhooks import Event
from app.policy.commands import Escalate
from app.policy.config import RepoConfig
from app.replies import CalledReply, FixReply, ReminderReply, say
from app.service import (
    Service,
    answer,
    change_incident,
    fold,
    length_of,
    load_incident,
    notify,
    page_of,
    place_of,
    react_to_event,
    upsert,
)

_log = logging.getLogger(__name__)


async def escalate(
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
        await answer(service, session, event, name, _nobody_to_call(config, owner), "confused")
        return
    if name not in incident.calls and not follow_up.may_call(incident, owner):
        why = f"taken over by {incident.acked_by}" if incident.acked_by else "called before"
        await answer(service, session, event, name, FixReply(f"{owner}: {why}", "No second call is made."), "confused")
        return
    place = place_of(event)
    able, unable = await _assign(session, place, people, once=owner in incident.assigned)
    if able:  # a repeat after a crash would take a refusal for done
        change_incident(service, event, lambda i: replace(i, assigned=tuple(dict.fromkeys((*i.assigned, owner)))))
    reply = CalledReply(
        owner,
        mention,
        event.sender,
        report.header.status.value if report is not None else None,
        page_of(service, latest),
        tuple(able),
        tuple(unable),
    )
    await upsert(service, session, place, marker("escalation", team=owner), say(reply))
    change_incident(service, event, lambda i: follow_up.called(i, owner, name))
    if config.file.follow_up.remind is not None:
        _enqueue_reminder(service, event, owner, length_of(config.file.follow_up.remind), 1)
    await notify(service, event, f"call:{owner}", f"{event.repository}#{event.issue}: escalated to {owner}")
    await react_to_event(session, event, "rocket")


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
    await upsert(service, session, place, mark, say(reply))
    before = marker("reminder", team=reminder.team, number=str(reminder.number - 1))
    await fold(service, session, place, before)
    text = f"{reminder.repository}#{reminder.issue}: {reminder.team} was called, and nobody took over yet"
    await notify(service, reminder, f"reminder:{reminder.team}:{reminder.number}", text)
    _enqueue_reminder(service, reminder, reminder.team, reminder.every, reminder.number + 1)

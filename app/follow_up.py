"""What is to happen later with an issue: look again, call a team once, or leave it.

Owns the state of an incident and every decision about time, as plain functions over values. Leaves the delayed jobs that carry
it (a chain, each look enqueueing the next) to `worker.py`, and reading and writing to `respond.py`.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from app.evidence.model import Evidence

MOST_REMINDERS = 3
"""Of one call: who has not answered three times is not reached this way."""

QUIET = frozenset({"RESOLVED", "NO MATCHING FAILURES"})
"""Statuses after which a watch has nothing left to look for."""
LOOKS_UNTIL_QUIET = 2
"""A watch ends when this many looks in a row found it quiet: one silent half hour may be a pause."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What is known of an issue between two events. Times are aware UTC.

    `watch_until` None: not watched. `chain` numbers watches, so that the looks of an ended one find out. `acked_by` is the
    login of whoever took over. `escalated` are the configured keys (`infrastructure`) that were called; each is called once.
    `calls` names the commands that made these calls, so that a repeat of one after a crash is no second call.
    """

    watch_until: datetime | None = None
    watch_environment: str | None = None
    chain: int = 0
    quiet_looks: int = 0
    acked_by: str | None = None
    escalated: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    closed: bool = False


INCIDENT: TypeAdapter[Incident] = TypeAdapter(Incident)


def watch(incident: Incident, now: datetime, length: timedelta, environment: str | None) -> Incident:
    """Begin a new chain of looks; an earlier one ends with it."""
    return replace(
        incident,
        watch_until=now + length,
        watch_environment=environment,
        chain=incident.chain + 1,
        quiet_looks=0,
        closed=False,
    )


def unwatch(incident: Incident) -> Incident:
    return replace(incident, watch_until=None, chain=incident.chain + 1, quiet_looks=0)


def is_due(incident: Incident, chain: int, now: datetime) -> bool:
    """Whether a look of `chain` still has to be made: the watch is the same, goes on, and the issue is open."""
    return (
        incident.chain == chain
        and not incident.closed
        and incident.watch_until is not None
        and now <= incident.watch_until
    )


def after_look(incident: Incident, status: str) -> Incident:
    """Count quiet looks; enough of them in a row end the watch."""
    quiet = incident.quiet_looks + 1 if status in QUIET else 0
    if quiet >= LOOKS_UNTIL_QUIET:
        return replace(incident, watch_until=None, quiet_looks=quiet)
    return replace(incident, quiet_looks=quiet)


def may_call(incident: Incident, team: str) -> bool:
    """A team is called once, and not after somebody took over."""
    return team not in incident.escalated and incident.acked_by is None


def called(incident: Incident, team: str, command: str) -> Incident:
    """The same command again changes nothing."""
    if command in incident.calls:
        return incident
    return replace(incident, escalated=(*incident.escalated, team), calls=(*incident.calls, command))


def must_remind(incident: Incident, team: str, number: int) -> bool:
    """Whether the call of `team` still waits for somebody; `number` counts its reminders from 1."""
    return team in incident.escalated and incident.acked_by is None and not incident.closed and number <= MOST_REMINDERS


def what_changed(before: Evidence, after: Evidence) -> tuple[str, ...]:
    """What two audits of one environment saw differently, in plain words; empty: the same faults, as often."""
    old = {group.id: group for group in before.observations.groups if group.failure}
    new = {group.id: group for group in after.observations.groups if group.failure}
    said: list[str] = []
    counts = sum(group.count for group in old.values()), sum(group.count for group in new.values())
    if counts[0] != counts[1]:
        said.append(f"failures in the window: {counts[0]} before, {counts[1]} now")
    for words, ids in (("new", sorted(new.keys() - old.keys())), ("gone", sorted(old.keys() - new.keys()))):
        if ids:
            shown = ", ".join(f"`{one}`" for one in ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")
            said.append(f"{words}: {shown}")
    return tuple(said)

"""What is to happen later with an issue: look again, call a team once, or leave it.

Owns the state of an incident and every decision about time, as plain functions over values. Leaves the delayed jobs that carry
it (a chain, each look enqueueing the next) to `worker.py`, and reading and writing to `respond.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import TypeAdapter

from app.evidence.model import Evidence

MOST_REMINDERS = 3
"""Of one call: who has not answered three times is not reached this way."""

OVER = frozenset({"RESOLVED", "NO MATCHING FAILURES"})
"""Statuses that ask nothing of anybody. Only judgement says them: time that passes never makes one of another."""
RECOVERING = "RECOVERING"
SOONEST, LATEST = timedelta(minutes=30), timedelta(hours=24)
"""Between two looks at what recovers: as long as it has recovered already, within these."""
LOOKS_UNTIL_QUIET = 2
"""A watch ends when this many looks in a row found it quiet: one silent half hour may be a pause."""
LONGEST_RECHECK = timedelta(days=14)
"""Since somebody last asked: who has not looked at it for two weeks is not helped by a fresh report."""
SAME_DEPLOYMENT = timedelta(minutes=30)
"""Within it, two events about one commit tell of one deployment."""
MOST_NOTES = 50
"""Of what was told outside of GitHub; older ones cannot be repeated any more."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is known of one environment of an issue. `environment` "": the unnamed one.

    `since` is where its first audit began to read: follow-ups read from there on, so that a failure that stopped is still
    seen. `services` are those that were asked for. `asked_at` is when a person last asked, `changed_at` when the status was
    first this one. `published` is the page of the audit whose report was last written onto the issue. `dropped`: somebody
    deleted the report, which ends follow-ups until somebody asks.
    """

    environment: str
    status: str
    since: datetime
    services: tuple[str, ...]
    asked_at: datetime
    changed_at: datetime
    published: str = ""
    dropped: bool = False

    @property
    def over(self) -> bool:
        return self.status in OVER


@dataclass(frozen=True, slots=True)
class Incident:
    """What is known of an issue between two events. Times are aware UTC.

    `watch_until` None: not watched. `chain` numbers watches, so that the looks of an ended one find out. `acked_by` is the
    login of whoever took over. `escalated` are the configured keys (`infrastructure`) that were called; each is called once.
    `calls` names the commands that made these calls, so that a repeat of one after a crash is no second call. `assigned` are
    the keys whose people were assigned, `told` what was sent outside of GitHub. `labels` are those that we last wanted there,
    None: none were ever written; `label_ids` are theirs, by which a renamed one is known again. `touched_at` is when any of
    this last changed.
    """

    watch_until: datetime | None = None
    watch_environment: str | None = None
    chain: int = 0
    quiet_looks: int = 0
    acked_by: str | None = None
    escalated: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    closed: bool = False
    courses: tuple[Course, ...] = ()
    assigned: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    label_ids: tuple[int, ...] = ()
    touched_at: datetime | None = None

    def course(self, environment: str | None) -> Course | None:
        return next((course for course in self.courses if course.environment == (environment or "")), None)


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
    quiet = incident.quiet_looks + 1 if status in OVER else 0
    if quiet >= LOOKS_UNTIL_QUIET:
        return replace(incident, watch_until=None, quiet_looks=quiet)
    return replace(incident, quiet_looks=quiet)


def after_audit(
    incident: Incident,
    environment: str | None,
    status: str,
    *,
    start: datetime,
    services: tuple[str, ...],
    now: datetime,
    asked: bool,
) -> Incident:
    """Note what an audit found. `asked`: by a person, not by time or an event."""
    known = incident.course(environment)
    if known is None:
        course = Course(environment or "", status, start, services, now, now)
    else:
        changed = known.changed_at if known.status == status else now
        course = replace(known, status=status, since=min(known.since, start), changed_at=changed)
        if asked:
            course = replace(course, services=services, asked_at=now, dropped=False)
    others = tuple(one for one in incident.courses if one.environment != course.environment)
    return replace(incident, courses=tuple(sorted((*others, course), key=lambda one: one.environment)))


def published(incident: Incident, environment: str | None, page: str) -> Incident:
    """Note that the report with that page stands on the issue: a repeat of its audit must not bring back a deleted one."""
    return _change_course(incident, environment, lambda course: replace(course, published=page))


def dropped(incident: Incident, environment: str | None) -> Incident:
    """Somebody deleted the report of `environment`: nothing more is written by itself."""
    return unwatch(_change_course(incident, environment, lambda course: replace(course, dropped=True)))


def _change_course(incident: Incident, environment: str | None, change: Callable[[Course], Course]) -> Incident:
    courses = (change(one) if one.environment == (environment or "") else one for one in incident.courses)
    return replace(incident, courses=tuple(courses))


def start_of(
    course: Course | None, now: datetime, *, default: timedelta, longest: timedelta, end: datetime
) -> datetime:
    """Where an audit begins to read when nobody says: where the incident's first one did, as far as configuration lets it.

    What is over and lies further back than that is another incident.
    """
    start = end - default
    if course is None or (course.over and now - course.since > longest):
        return start
    return max(min(start, course.since), end - longest)


def goes_on(incident: Incident, environment: str | None, now: datetime) -> bool:
    """Whether an environment of the issue is still to be looked at by time or after a deployment, without being watched."""
    course = incident.course(environment)
    return (
        course is not None
        and not course.over
        and not course.dropped
        and not incident.closed
        and now - course.asked_at <= LONGEST_RECHECK
    )


def next_recheck(course: Course, configured: timedelta | None, now: datetime) -> timedelta | None:
    """How long until an environment that goes on is looked at again by time; None: not by time.

    What recovers is looked at without being asked to: when a fix runs, nobody should have to ask whether it helped. Each
    look waits as long as all of them before, so that they stay few.
    """
    if course.status != RECOVERING:
        return configured
    own = min(max(now - course.changed_at, SOONEST), LATEST)
    return own if configured is None else min(own, configured)


def is_watched(incident: Incident, environment: str | None, now: datetime) -> bool:
    return is_due(incident, incident.chain, now) and (incident.watch_environment or "") == (environment or "")


def is_forgotten(incident: Incident, now: datetime, keep: timedelta) -> bool:
    """Whether nothing happened on the issue for `keep`. Open or closed: who comes back then begins a new incident."""
    quiet = incident.touched_at is not None and now - incident.touched_at > keep
    return quiet and not is_due(incident, incident.chain, now)


def tell(incident: Incident, note: str) -> Incident:
    """Note that `note` is about to be told; the same incident when it was already."""
    return incident if note in incident.told else replace(incident, told=(*incident.told, note)[-MOST_NOTES:])


def plan_labels(
    incident: Incident, present: Mapping[str, int], wanted: Mapping[str, str], ours: frozenset[str]
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Labels to add, with their colour, and labels to take away.

    What people did to our labels since we last wrote them stays so until something else is wanted: what was taken away is
    not put back, and what was put there is left. `present` are ids by name, `ours` the names that we may ever have used.
    """
    before = incident.labels or ()
    if set(before) == set(wanted):
        return {}, ()
    add = {name: colour for name, colour in wanted.items() if name not in present and name not in before}
    away = (
        name
        for name, number in present.items()
        if name not in wanted and (name in ours or number in incident.label_ids)
    )
    return add, tuple(sorted(away))


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

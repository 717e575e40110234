"""Decisions about time, as plain values: from where to read, when to look again, which labels to write."""

from datetime import UTC, datetime, timedelta

import pytest

from app.follow_up import (
    LONGEST_RECHECK,
    MOST_NOTES,
    Incident,
    after_audit,
    dropped,
    goes_on,
    is_forgotten,
    next_recheck,
    plan_labels,
    start_of,
    tell,
    watch,
)

NOW = datetime(2026, 1, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def audited(
    status: str,
    *,
    start: datetime = NOW - 6 * HOUR,
    now: datetime = NOW,
    known: Incident | None = None,
    asked: bool = True,
) -> Incident:
    return after_audit(
        known or Incident(), "production", status, start=start, services=("checkout",), now=now, asked=asked
    )


def start(incident: Incident, now: datetime, longest: timedelta = timedelta(days=7)) -> timedelta:
    """How long before `now` an audit begins to read."""
    return now - start_of(incident.course("production"), now, default=6 * HOUR, longest=longest, end=now)


def test_a_first_audit_reads_the_default_window() -> None:
    assert start(Incident(), NOW) == 6 * HOUR


def test_a_later_one_reads_from_where_the_first_began_but_no_longer_than_is_allowed() -> None:
    failing = audited("APPLICATION FIX REQUIRED")
    assert start(failing, NOW + 2 * HOUR) == 8 * HOUR
    assert start(failing, NOW + timedelta(days=30)) == timedelta(days=7)
    assert start(failing, NOW + 2 * HOUR, longest=7 * HOUR) == 7 * HOUR


def test_what_is_over_stays_in_sight_for_its_return_and_not_for_ever() -> None:
    over = audited("RESOLVED", known=audited("RECOVERING"))
    assert start(over, NOW + timedelta(days=2)) == timedelta(days=2) + 6 * HOUR
    assert start(over, NOW + timedelta(days=8)) == 6 * HOUR


def test_a_follow_up_goes_on_until_it_is_over_closed_dropped_or_forgotten() -> None:
    failing = audited("CANNOT TELL")
    assert goes_on(failing, "production", NOW)
    assert not goes_on(failing, "staging", NOW)
    assert not goes_on(audited("RESOLVED", known=failing), "production", NOW)
    assert not goes_on(dropped(failing, "production"), "production", NOW)
    late = NOW + LONGEST_RECHECK + HOUR
    assert not goes_on(failing, "production", late)
    assert not goes_on(audited("CANNOT TELL", known=failing, now=late, asked=False), "production", late)
    assert goes_on(audited("CANNOT TELL", known=failing, now=late), "production", late)


def test_a_deleted_report_is_wanted_again_by_whoever_asks() -> None:
    gone = dropped(audited("CANNOT TELL"), "production")
    assert not goes_on(audited("CANNOT TELL", known=gone, asked=False), "production", NOW)
    assert goes_on(audited("CANNOT TELL", known=gone), "production", NOW)


@pytest.mark.parametrize(
    ("status", "hours", "configured", "wait"),
    [
        ("APPLICATION FIX REQUIRED", 5, None, None),
        ("APPLICATION FIX REQUIRED", 5, 6 * HOUR, 6 * HOUR),
        ("RECOVERING", 0, None, HOUR / 2),
        ("RECOVERING", 2, None, 2 * HOUR),
        ("RECOVERING", 99, None, 24 * HOUR),
        ("RECOVERING", 99, 6 * HOUR, 6 * HOUR),
        ("RECOVERING", 1, 6 * HOUR, HOUR),
    ],
)
def test_what_recovers_is_looked_at_without_being_asked(
    status: str, hours: int, configured: timedelta | None, wait: timedelta | None
) -> None:
    incident = audited(status, known=audited(status), now=NOW + HOUR / 4, asked=False)
    course = incident.course("production")
    assert course is not None
    assert next_recheck(course, configured, NOW + hours * HOUR) == wait


OURS = frozenset({"priority:P0", "priority:P1", "sev-1"})


def plan(before: tuple[str, ...] | None, present: dict[str, int], *wanted: str) -> tuple[list[str], list[str]]:
    incident = Incident(labels=before, label_ids=(77,) if before else ())
    add, away = plan_labels(incident, present, dict.fromkeys(wanted, "b60205"), OURS)
    return list(add), list(away)


def test_labels_are_brought_to_what_is_wanted_and_then_left_to_people() -> None:
    assert plan(None, {"bug": 1, "priority:P0": 2}, "priority:P1") == (["priority:P1"], ["priority:P0"])
    assert plan(("priority:P1",), {"bug": 1}, "priority:P1") == ([], [])
    assert plan(("priority:P1",), {"priority:P0": 2}, "priority:P1") == ([], [])
    assert plan(("priority:P1",), {"priority:P1": 3}, "priority:P0") == (["priority:P0"], ["priority:P1"])


def test_one_that_is_still_wanted_is_not_put_back_when_another_changes() -> None:
    before = ("escalated:infrastructure", "priority:P1")
    assert plan(before, {"priority:P1": 3}, "escalated:infrastructure", "priority:P0") == (
        ["priority:P0"],
        ["priority:P1"],
    )


def test_one_that_was_renamed_by_hand_goes_when_it_does_not_hold_any_more() -> None:
    assert plan(("priority:P1",), {"urgent": 77, "bug": 1}, "priority:P0") == (["priority:P0"], ["urgent"])


def test_without_labels_nothing_is_touched() -> None:
    assert plan(None, {"priority:P0": 2}) == ([], [])
    assert plan(("priority:P0",), {"priority:P0": 2}) == ([], ["priority:P0"])


def test_what_was_told_is_known_and_the_notes_do_not_grow() -> None:
    once = tell(Incident(), "call:infrastructure")
    assert tell(once, "call:infrastructure") is once
    many = once
    for number in range(MOST_NOTES + 5):
        many = tell(many, f"changed:{number}")
    assert len(many.told) == MOST_NOTES


def test_an_incident_is_forgotten_when_nothing_happened_for_long_and_nobody_watches() -> None:
    keep = timedelta(days=90)
    known = Incident(touched_at=NOW)
    assert not is_forgotten(known, NOW + keep, keep)
    assert is_forgotten(known, NOW + keep + HOUR, keep)
    assert not is_forgotten(watch(known, NOW, 2 * keep, None), NOW + keep + HOUR, keep)
    assert not is_forgotten(Incident(), NOW + keep + HOUR, keep)

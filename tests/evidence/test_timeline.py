"""When did it begin: the step is found, background is not, and what began before the window is said to have."""

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.evidence.model import (
    DeployEvent,
    DeployKind,
    ErrorGroup,
    Exposure,
    Fingerprint,
    GroupKind,
    Observations,
    Onset,
    PayloadField,
    RevisionName,
    Sample,
    ServiceName,
    Severity,
    Window,
)
from app.evidence.timeline import find_onset, logged_window
from app.redact import cut

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=6))
NOW = WINDOW.end


def group(counts: Mapping[int, int], name: str = "a", second: int = 20) -> ErrorGroup:
    """A group with `counts` occurrences in the given minutes after the window's start."""
    low = int(START.timestamp()) // 60
    first = START + timedelta(minutes=min(counts), seconds=second)
    last = START + timedelta(minutes=max(counts), seconds=40)
    sample = Sample(
        "i", first, Severity.ERROR, "stderr", None, "cloud_run_revision", {}, None, None, None, PayloadField.TEXT,
        cut("boom"), None, None, None, None, "file:1",
    )  # fmt: skip
    return ErrorGroup(
        Fingerprint(f"g1-{name:0>12}"), GroupKind.MESSAGE, True, cut("boom"), cut("boom"), Severity.ERROR,
        sum(counts.values()), sum(counts.values()), first, last, {low + m: n for m, n in counts.items()}, (), (), 0,
        sample, sample, None,
    )  # fmt: skip


def noise(rate: float, minutes: range, seed: int = 1) -> dict[int, int]:
    """Independent errors at `rate` a minute."""
    random_ = random.Random(seed)
    counts = {minute: sum(random_.random() < rate / 20 for _ in range(20)) for minute in minutes}
    return {minute: count for minute, count in counts.items() if count}


def test_no_failures_no_onset() -> None:
    assert find_onset([], WINDOW, now=NOW) is None


def test_a_new_failure_began_with_its_first_entry() -> None:
    onset = find_onset([group(noise(5, range(200, 300)) | {200: 3})], WINDOW, now=NOW)
    assert onset is not None
    assert onset.at == START + timedelta(minutes=200, seconds=20)
    assert (onset.baseline_rate, onset.at_window_start) == (0.0, False)
    assert 4 < onset.rate < 6


def test_a_step_is_found_above_a_groups_own_background() -> None:
    counts = noise(0.5, range(360))
    for minute, count in noise(6, range(240, 300), seed=2).items():
        counts[minute] = counts.get(minute, 0) + count
    onset = find_onset([group(counts)], WINDOW, now=NOW)
    assert onset is not None
    assert abs(onset.at - (START + timedelta(minutes=240))) <= timedelta(minutes=2)
    assert 0.3 < onset.baseline_rate < 0.8
    assert 5 < onset.rate < 8


def test_steady_unrelated_errors_do_not_hide_the_step() -> None:
    steady = group(noise(10, range(360)), "steady")
    fault = group(noise(2, range(300, 340), seed=3) | {300: 2}, "fault")
    onset = find_onset([steady, fault], WINDOW, now=NOW)
    assert onset is not None
    assert onset.group == fault.id
    assert onset.at == fault.first_seen


def test_one_stray_error_is_not_the_onset_of_a_large_steady_failure() -> None:
    steady, stray = group(noise(10, range(360)), "steady"), group({200: 1}, "stray")
    onset = find_onset([steady, stray], WINDOW, now=NOW)
    assert onset is not None
    assert (onset.at, onset.at_window_start, onset.group) == (START, True, steady.id)


def test_a_single_failure_began_when_it_was_seen() -> None:
    only = group({200: 1})
    onset = find_onset([only], WINDOW, now=NOW)
    assert onset is not None
    assert (onset.at, onset.at_window_start) == (only.first_seen, False)


def test_what_failed_from_the_first_minute_began_earlier() -> None:
    onset = find_onset([group(noise(3, range(360)))], WINDOW, now=NOW)
    assert onset is not None
    assert (onset.at, onset.at_window_start) == (START, True)


def test_bursts_of_a_scheduled_job_are_no_step() -> None:
    hourly = dict.fromkeys(range(30, 360, 60), 20)
    onset = find_onset([group(hourly)], WINDOW, now=NOW)
    assert onset is not None
    assert onset.at_window_start


def test_the_earliest_of_a_cascade_begins_it() -> None:
    cause = group(noise(3, range(200, 360), seed=4) | {200: 1}, "cause")
    symptom = group(noise(30, range(203, 360), seed=5) | {203: 5}, "symptom")
    onset = find_onset([symptom, cause], WINDOW, now=NOW)
    assert onset is not None
    assert onset.at == cause.first_seen


def test_entries_after_now_are_ignored() -> None:
    late = group(noise(9, range(300, 360)) | {300: 1})
    assert find_onset([late], WINDOW, now=START + timedelta(minutes=250)) is None


def test_the_order_of_groups_does_not_matter() -> None:
    groups = [group(noise(2, range(start, 360), seed=start), str(start)) for start in (40, 90, 200, 205)]
    assert find_onset(groups, WINDOW, now=NOW) == find_onset(groups[::-1], WINDOW, now=NOW)


FAILING = group(noise(9, range(200, 300)) | {200: 3})


def exported(*, requests_from: int | None = 200, deployed: int = 0) -> Observations:
    """An export whose service failed from minute 200 on, with requests and one rollout in the given minutes."""
    service, revision = ServiceName("shop"), RevisionName("shop-00001-aaa")
    exposure: tuple[Exposure, ...] = ()
    if requests_from is not None:
        low = int(START.timestamp()) // 60
        first, last = START + timedelta(minutes=requests_from), START + timedelta(minutes=300)
        requests = {low + minute: 20 for minute in range(requests_from, 300)}
        exposure = (Exposure(service, revision, requests, {}, {}, first, last),)
    at = START + timedelta(minutes=deployed)
    word = replace(FAILING.first, timestamp=at)
    rollout = DeployEvent(DeployKind.READY, at, service, revision, None, {}, None, word)
    return Observations((FAILING,), (), exposure, (rollout,), 900, at, WINDOW.end)


def onset_of(observations: Observations) -> Onset:
    onset = find_onset(observations.groups, logged_window(observations, WINDOW), now=NOW)
    assert onset is not None
    return onset


def test_minutes_of_which_nothing_was_exported_are_no_quiet_minutes() -> None:
    """A rollout of hours ago is in the file, then nothing until requests begin, failing: since when is not known."""
    onset = onset_of(exported())
    assert onset.at_window_start
    assert onset.at == START + timedelta(minutes=200)


def test_requests_that_were_served_before_make_quiet_minutes() -> None:
    onset = onset_of(exported(requests_from=60))
    assert not onset.at_window_start
    assert onset.at == FAILING.first_seen


def test_a_rollout_explains_why_nothing_was_logged_before() -> None:
    assert onset_of(exported(deployed=196)) == find_onset([FAILING], WINDOW, now=NOW)


def test_an_export_of_failures_alone_cannot_tell_quiet_from_unread_and_keeps_its_window() -> None:
    assert logged_window(exported(requests_from=None), WINDOW) == WINDOW

"""When the failures began.

Owns the onset: which group stepped up, when, from what rate, and what part of an export can be called quiet before
it. Leaves deploys, and every judgement of what caused the step, to `deployments.py` and `diagnosis/`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from math import log
from typing import Final

from app.evidence.model import ErrorGroup, GroupKind, Observations, Onset, Window

STRONG: Final = 12.0
"""Evidence that makes a step stand on its own, in nats. A day has 1,440 minutes to begin in, and a hundred groups may be
tried: odds of e^12 (160,000 to 1) leave less than one false step in such an audit."""
LEAST: Final = 3.0
"""Below this (odds of 20 to 1) counts that rise are no step."""
RISE: Final = 2.0
"""A step at least doubles the rate. Less is within what traffic does by itself over a day."""
CASCADE: Final = timedelta(minutes=5)
"""Symptoms follow their cause within minutes: a group that stepped up so shortly before the strongest one begins it."""
SILENCE: Final = 4.6
"""So many expected occurrences, and none seen, have odds of 100 to 1 against (e^-4.6): then there was silence."""

UNEXPLAINED: Final = timedelta(minutes=10)
"""A rollout so shortly before the first entry explains why there was none before; without one, nobody logged or exported."""


def logged_window(observations: Observations, window: Window) -> Window:
    """The part of an export's `window` in which the services are known to have logged: what may count as quiet.

    An export often holds a rollout of days ago, and the services' own entries only from some later moment on. Where served
    requests are among them, failures would have been too, so silence before that moment says nothing. The whole window is
    kept where no requests were exported, since then quiet services write nothing, and where a rollout began it all.
    """
    if not any(exposure.requests for exposure in observations.exposure):
        return window
    groups = (g for g in observations.groups + observations.notices if g.kind is not GroupKind.AUDIT)
    began = min(item.first_seen for item in (*observations.exposure, *groups))
    if any(began - UNEXPLAINED <= deploy.at <= began for deploy in observations.deploys):
        return window
    return Window(min(max(window.start, began), window.end), window.end)


def find_onset(groups: Sequence[ErrorGroup], window: Window, *, now: datetime) -> Onset | None:
    """When failures left their baseline, or None when there are none before `now`.

    Each group is judged by itself, so that steady unrelated errors do not hide a step: of all intervals of its minutes the
    one is taken in which occurrences are most likely to come at a higher rate than outside (Poisson likelihood ratio, the
    generalised form of a cumulative sum, divided by the dispersion, since errors come in bursts). The strongest step is the
    onset. Where nothing stepped up with enough evidence, the largest group was failing when the window opened, and the
    onset is the window's start, marked as such.
    """
    horizon = Window(window.start, min(window.end, now))
    series = [(group, counts) for group in groups if (counts := _counts(group.per_minute, horizon))]
    if not series:
        return None
    steps = [(step, group) for group, counts in series if (step := _step(group, counts, horizon)) is not None]
    steady = max((sum(c.values()) for g, c in series if all(g.id != stepped.id for _, stepped in steps)), default=0)
    telling = [(step, group) for step, group in steps if step.evidence >= STRONG or step.occurrences >= steady]
    if not telling:
        group, counts = max(series, key=lambda pair: (sum(pair[1].values()), pair[0].id))
        rate = sum(counts.values()) / _minutes_between(horizon.start, horizon.end)
        return Onset(horizon.start, group.id, baseline_rate=rate, rate=rate, at_window_start=True)
    strongest, group = max(telling, key=lambda pair: (pair[0].evidence, pair[1].id))
    at = min(step.at for step, _ in telling if strongest.at - CASCADE <= step.at <= strongest.at)
    return Onset(at, group.id, baseline_rate=strongest.before, rate=strongest.rate, at_window_start=False)


@dataclass(frozen=True, slots=True)
class _Step:
    """`evidence` in nats. `before` and `rate` are occurrences per minute, `occurrences` those within the raised interval."""

    at: datetime
    evidence: float
    before: float
    rate: float
    occurrences: int


def _counts(per_minute: Mapping[int, int], horizon: Window) -> Mapping[int, int]:
    low, high = int(horizon.start.timestamp()) // 60, horizon.end.timestamp() / 60
    return {minute: count for minute, count in sorted(per_minute.items()) if low <= minute < high}


class _Series:
    """One group's occurrences, as minutes from the horizon's start in which there were any."""

    def __init__(self, counts: Mapping[int, int], low: int, length: int) -> None:
        self.low = low
        self.length = length
        self.minutes = [minute - low for minute in counts]
        self.counts = list(counts.values())
        self.sums = [0, *accumulate(self.counts)]
        self.squares = [0, *accumulate(count * count for count in self.counts)]

    def span(self, start: int, end: int) -> int:
        return self.minutes[end - 1] + 1 - self.minutes[start]

    def evidence(self, start: int, end: int) -> float:
        """Log of how much likelier the counts are with a higher rate in the interval than with one rate throughout."""
        inside, span = self.sums[end] - self.sums[start], self.span(start, end)
        outside, rest = self.sums[-1] - inside, self.length - span
        overall = self.sums[-1] / self.length
        if inside / span <= overall:
            return 0.0
        value = inside * log(inside / span / overall)
        return value + outside * log(outside / rest / overall) if outside and rest else value

    def dispersion(self, start: int, end: int) -> float:
        """Variance over mean around the two rates: 1 for independent errors, more for bursts; never taken below 1."""
        inside, span = self.sums[end] - self.sums[start], self.span(start, end)
        squares = self.squares[end] - self.squares[start]
        value = 0.0
        for count, minutes, square in (
            (inside, span, squares),
            (self.sums[-1] - inside, self.length - span, self.squares[-1] - squares),
        ):
            if count and minutes:
                mean = count / minutes
                value += (square - count * mean) / mean
        return max(1.0, value / max(1, self.length - 2))


def _step(group: ErrorGroup, counts: Mapping[int, int], horizon: Window) -> _Step | None:
    low = int(horizon.start.timestamp()) // 60
    series = _Series(counts, low, max(1, -(-int(horizon.end.timestamp()) // 60) - low))
    start, end = _raised(series)
    earlier = series.minutes[start]
    inside = series.sums[end] - series.sums[start]
    rate = inside / series.span(start, end)
    before = series.sums[start] / earlier if earlier else 0.0
    if not earlier or rate < RISE * before:
        return None
    # A first occurrence ends a silence only if the rate that follows makes such a silence improbable.
    if start == 0 and inside > 1 and rate * earlier < SILENCE:
        return None
    evidence = series.evidence(start, end) / series.dispersion(start, end)
    # Zero is a baseline of its own kind; to rise above occurrences is a claim that needs more.
    if evidence < (STRONG if before else LEAST):
        return None
    minute = datetime.fromtimestamp((low + earlier) * 60, UTC)
    at = group.first_seen if start == 0 and minute <= group.first_seen < minute + timedelta(minutes=1) else minute
    return _Step(at, evidence, before, rate, inside)


def _raised(series: _Series) -> tuple[int, int]:
    """The interval with the most evidence, as indexes. Start and end are bettered in turn, which settles within three."""
    start, end = 0, len(series.minutes)
    for _ in range(3):
        start = max(range(end), key=lambda i: (series.evidence(i, end), -i))
        better = max(range(start + 1, len(series.minutes) + 1), key=lambda i: (series.evidence(start, i), i))
        if better == end:
            break
        end = better
    return start, end


def _minutes_between(start: datetime, end: datetime) -> float:
    return max(1.0, (end - start) / timedelta(minutes=1))

"""Whether the silence of an error group after a fix says anything.

Owns one question: if nothing had changed, how probable would it be to see no failure for this long? Leaves to `ledger.py`
which revisions are compared. The model and its assumptions are argued in docs/decisions/0006-silence.md.

Failures come in bursts, so they are not counted one by one. Time is cut into blocks of equal exposure (as many minutes as
it takes to see the median minute's requests), each block fails or is quiet, and the next block depends on the last one: how
long bursts last and how long quiet stretches last are both learned from before the fix, with the doubt that few bursts leave.
"""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Literal

IMPROBABLE = 0.01
_USUAL = 0.1
"""Quiet before the fix that had less than this chance: the failures had stopped already."""
_ALTERNATIONS = 3
"""Bursts seen to begin after a quiet stretch, from which on bursts are taken to return."""

_LEAST_MINUTES, _MOST_MINUTES = 30, 120
"""Silence must last as long as the failures were watched, within these bounds."""
_LEAST_UNPROVEN, _MOST_UNPROVEN = 60, 1440
"""And half as long again, within these, where a restart alone may have quietened the fault: every fix comes with one."""
_SURVIVED = 3
"""Instances that started while it failed and failed too, from which on a restart alone is no cure."""
OUTLIVED = 3
"""How often instances with the fix must live as long as the slowest of these took to fail."""

Unit = Literal["requests", "starts"]
_LEAST_BLOCKS: Mapping[Unit, int] = {"requests": 10, "starts": 3}
_LEAST_EXPOSURE: Mapping[Unit, int] = {"requests": 20, "starts": 3}


@dataclass(frozen=True, slots=True)
class Restarts:
    """What instances tell of a start: `leads`, the minutes that those which started while it failed took to fail, and
    `lives`, the minutes that those with the fix were seen to live, both to the number of instances."""

    leads: Mapping[int, int] = field(default_factory=dict[int, int])
    lives: Mapping[int, int] = field(default_factory=dict[int, int])

    @property
    def survived(self) -> int:
        """Instances that did not help by being new; 0 as well when too few tell."""
        count = sum(self.leads.values())
        return count if count >= _SURVIVED else 0

    @property
    def longest(self) -> int:
        return max(self.leads, default=0)

    def outlived(self) -> bool:
        """Whether instances with the fix lived long enough to fail as late as the slowest one before; True if none is named."""
        times = sum(life // max(1, self.longest) * count for life, count in self.lives.items())
        return not self.survived or not self.lives or times >= OUTLIVED


@dataclass(frozen=True, slots=True)
class Silence:
    """`probability`: of this silence had nothing changed. `exposure` and `earlier` count `unit`s after and before.

    `minutes` is how long the exposure lasted, `blocks` how many blocks it made; `needed_minutes` and `needed` are what the
    guards ask of them. `burst_ended`: the failures had stopped before the fix came, or may just have ended by themselves.
    """

    unit: Unit
    probability: float
    exposure: int
    earlier: int
    blocks: int
    needed: int
    minutes: int
    needed_minutes: int
    burst_ended: bool
    size: int = 1
    """Exposure of one block."""
    restarts: Restarts = Restarts()

    @property
    def asked_exposure(self) -> int:
        """The least exposure that the guards ask for, about."""
        return max(self.needed * self.size, _LEAST_EXPOSURE[self.unit])

    @property
    def convincing(self) -> bool:
        return (
            self.probability < IMPROBABLE
            and self.blocks >= self.needed
            and self.exposure >= _LEAST_EXPOSURE[self.unit]
            and self.minutes >= self.needed_minutes
            and not self.burst_ended
            and self.restarts.outlived()
        )


def judge_silence(
    unit: Unit,
    before: Mapping[int, int],
    failures: Mapping[int, int],
    after: Mapping[int, int],
    lead: int = 0,
    restarts: Restarts = Restarts(),
) -> Silence | None:
    """Judge `after` (exposure by epoch minute, all without a failure) by `before` and the `failures` in it.

    `lead` is the exposure that an earlier revision took before it showed the fault for the first time. None: the failures
    or the exposure before are not known, so there is no earlier rate.
    """
    if not failures or not any(before.values()):
        return None
    onset = min(failures)
    minutes = sorted(minute for minute in before.keys() | failures.keys() if minute >= onset)
    size = max(1, int(median([count for minute in minutes if (count := before.get(minute, 0))] or [1])))
    states = _blocks(minutes, before, failures, size)
    blocks = _count_blocks(after, size)
    stays, stops, starts, rests = 0, 0, 0, 0
    for now, following in itertools.pairwise(states):
        if now:
            stays, stops = stays + following, stops + (not following)
        else:
            starts, rests = starts + following, rests + (not following)
    stop = (stops + 0.5) / (stays + stops + 1)
    failing_at_end = states[-1]
    if failing_at_end:
        probability = stop * _stays_quiet(rests, starts, blocks - 1) if blocks else 1.0
    else:
        probability = _stays_quiet(rests, starts, blocks)
    alternates = starts >= _ALTERNATIONS
    resting = max(0, states[::-1].index(True) - 1)
    burst_ended = not alternates and not (failing_at_end and stop < IMPROBABLE)
    burst_ended = burst_ended or _stays_quiet(rests - resting, starts, resting) < _USUAL
    needed = max(_LEAST_BLOCKS[unit], 2 * _longest_quiet(states), math.ceil(2 * lead / size))
    span = max(after) - min(after) + 1 if after else 0
    # How long a revision without the fix goes on failing beside it is no reason to wait longer.
    until, switch = max(failures) + 1, min(after, default=onset)
    watched = (min(until, switch) if switch > onset else until) - onset
    if restarts.survived:
        asked = max(2 * restarts.longest, min(_MOST_MINUTES, max(_LEAST_MINUTES, watched)))
    else:
        asked = min(_MOST_UNPROVEN, max(_LEAST_UNPROVEN, watched * 3 // 2))
    earlier = sum(before.get(minute, 0) for minute in minutes)
    return Silence(
        unit, probability, sum(after.values()), earlier, blocks, needed, span, asked, burst_ended, size, restarts
    )


def _stays_quiet(rests: int, starts: int, blocks: int) -> float:
    """Chance that `blocks` quiet blocks follow a quiet one, averaged over what `rests` and `starts` leave open."""
    a, b = rests + 0.5, starts + 0.5
    if blocks <= 0:
        return 1.0
    return math.exp(math.lgamma(a + blocks) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(a + b + blocks))


def _blocks(minutes: list[int], before: Mapping[int, int], failures: Mapping[int, int], size: int) -> list[bool]:
    """Whether each block failed, in order; the first did."""
    states: list[bool] = []
    seen, failed = 0, False
    for minute in minutes:
        failed = failed or failures.get(minute, 0) > 0
        seen += max(before.get(minute, 0), int(failures.get(minute, 0) > 0))
        if seen >= size:
            states.append(failed)
            seen, failed = 0, False
    if failed or not states:
        states.append(failed)
    return states


def _count_blocks(exposure: Mapping[int, int], size: int) -> int:
    blocks, seen = 0, 0
    for minute in sorted(exposure):
        seen += exposure[minute]
        if seen >= size:
            blocks, seen = blocks + 1, 0
    return blocks


def _longest_quiet(states: list[bool]) -> int:
    longest, run = 0, 0
    for failed in states:
        run = 0 if failed else run + 1
        longest = max(longest, run)
    return longest

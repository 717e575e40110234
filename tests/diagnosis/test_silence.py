"""Silence is worth what its exposure and the rhythm of the failures before it make of it."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.diagnosis.silence import Restarts, Silence, Unit, judge_silence


def judge(
    failing: Iterable[int],
    *,
    before: int = 120,
    after: int = 240,
    rate: int = 10,
    lead: int = 0,
    restarts: Restarts | None = None,
) -> Silence:
    """`before` minutes of exposure with failures in the `failing` ones, then `after` silent minutes."""
    silence = judge_silence(
        "requests",
        dict.fromkeys(range(before), rate),
        dict.fromkeys(failing, 1),
        dict.fromkeys(range(before, before + after), rate),
        lead,
        restarts or Restarts(),
    )
    assert silence is not None
    return silence


def test_a_steady_fault_that_falls_silent_was_cured() -> None:
    assert judge(range(0, 120, 3)).convincing


def test_the_longer_the_silence_the_less_probable_it_is() -> None:
    chances = [judge(range(0, 120, 7), after=minutes).probability for minutes in (10, 30, 60, 120)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.1
    assert chances[-1] < 0.01


def test_many_failures_in_one_burst_are_one_event() -> None:
    heavy = judge_silence(
        "requests", dict.fromkeys(range(120), 10), {5: 900, 6: 900}, dict.fromkeys(range(120, 360), 10)
    )
    assert heavy is not None
    assert not heavy.convincing
    assert heavy.burst_ended


def test_one_long_outage_that_lasted_to_the_fix_is_told_from_one_that_had_ended() -> None:
    assert judge(range(60, 120)).convincing
    assert judge(range(80, 120)).burst_ended
    assert judge(range(40, 100)).burst_ended
    assert not judge(range(40, 100), after=5000).convincing


def test_quiet_that_is_no_longer_than_usual_proves_nothing() -> None:
    bursts = [minute for begin in range(0, 480, 60) for minute in range(begin, begin + 4)]
    assert judge(bursts, before=484, after=90).needed == 2 * 60
    assert not judge(bursts, before=484, after=90).convincing
    assert judge(bursts, before=484, after=900).convincing


@pytest.mark.parametrize(("minutes", "convincing"), [(179, False), (180, True)])
def test_silence_lasts_half_as_long_again_as_the_failures_were_watched(minutes: int, convincing: bool) -> None:
    assert judge(range(120), after=minutes).convincing is convincing


@pytest.mark.parametrize(
    ("leads", "asked"),
    [({0: 2}, 180), ({0: 3}, 120), ({0: 2, 55: 1}, 120), ({0: 2, 61: 1}, 122)],
    ids=["too few new ones", "new ones fail at once", "soon enough", "one took longer"],
)
def test_new_instances_that_fail_too_say_what_a_restart_is_worth(leads: dict[int, int], asked: int) -> None:
    assert judge(range(120), restarts=Restarts(leads)).needed_minutes == asked


@pytest.mark.parametrize(("failing", "proven", "unproven"), [(10, 30, 60), (90, 90, 135), (1000, 120, 1440)])
def test_how_long_silence_must_last_has_bounds(failing: int, proven: int, unproven: int) -> None:
    assert judge(range(failing), before=failing).needed_minutes == unproven
    assert judge(range(failing), before=failing, restarts=Restarts({0: 3})).needed_minutes == proven


@pytest.mark.parametrize(
    ("lives", "enough"), [({}, True), ({19: 100}, False), ({20: 2}, False), ({20: 3}, True), ({60: 1}, True)]
)
def test_instances_with_the_fix_live_three_times_as_long_as_the_slowest_took_to_fail(
    lives: dict[int, int], enough: bool
) -> None:
    assert judge(range(120), restarts=Restarts({0: 2, 20: 1}, lives)).convincing is enough


def test_a_revision_that_goes_on_failing_beside_the_fix_asks_for_no_longer_silence() -> None:
    served, failing = dict.fromkeys(range(120), 10), dict.fromkeys(range(360), 1)
    silence = judge_silence("requests", served, failing, dict.fromkeys(range(120, 360), 10))
    assert silence is not None
    assert (silence.needed_minutes, silence.convincing) == (180, True)


def test_the_chance_is_that_of_a_chain_of_two_states_with_the_doubt_that_its_counts_leave() -> None:
    """Blocks fail, rest, fail, rest, fail: two bursts of one block ended, two quiet blocks were followed by a failure."""
    one = judge([0, 2, 4], before=5, after=1, rate=1)
    assert one.probability == pytest.approx(2.5 / 3)
    three = judge([0, 2, 4], before=5, after=3, rate=1)
    assert three.probability == pytest.approx(2.5 / 3 * (0.5 / 3) * (1.5 / 4))
    assert judge([0, 2, 4], before=6, after=2, rate=1).probability == pytest.approx(0.5 / 3 * (1.5 / 4))


def test_a_minute_that_failed_counts_though_no_request_of_it_was_logged() -> None:
    after = dict.fromkeys(range(10, 20), 1)
    failures = dict.fromkeys(range(10), 1)
    unlogged = judge_silence("requests", {0: 1}, failures, after)
    logged = judge_silence("requests", dict.fromkeys(range(10), 1), failures, after)
    assert unlogged is not None
    assert logged is not None
    assert unlogged.probability == logged.probability


def test_what_is_left_of_a_block_is_not_carried_into_the_next() -> None:
    silence = judge_silence("requests", dict.fromkeys(range(5), 10), {0: 1}, {5: 15, 6: 9})
    assert silence is not None
    assert (silence.blocks, silence.asked_exposure) == (1, 100)


@pytest.mark.parametrize(("unit", "blocks", "exposure"), [("requests", 10, 20), ("starts", 3, 3)])
def test_small_numbers_prove_nothing(unit: Unit, blocks: int, exposure: int) -> None:
    silence = judge_silence(unit, {0: 1}, {0: 1}, {1: 1})
    assert silence is not None
    assert (silence.needed, silence.asked_exposure) == (blocks, exposure)


def test_few_bursts_leave_so_much_doubt_that_silence_is_not_improbable_yet() -> None:
    silence = judge([0, 40, 80, 119], after=180)
    assert silence.probability > 0.01
    assert silence.blocks >= silence.needed
    assert silence.minutes >= silence.needed_minutes
    assert not silence.burst_ended
    assert not silence.convincing


def test_failures_that_became_rare_before_the_fix_had_stopped_by_themselves() -> None:
    assert not judge(range(0, 100, 10), before=100).burst_ended
    assert judge(range(0, 100, 10), before=130).burst_ended


def test_a_fault_that_took_long_to_show_needs_as_long_to_be_called_gone() -> None:
    assert judge(range(120)).convincing
    assert not judge(range(120), lead=10_000).convincing


def test_without_failures_or_exposure_before_there_is_no_rate() -> None:
    assert judge_silence("requests", {1: 5}, {}, {2: 5}) is None
    assert judge_silence("requests", {}, {1: 5}, {2: 5}) is None


def test_without_exposure_after_nothing_is_convincing() -> None:
    silence = judge_silence("requests", {1: 5, 2: 5}, {1: 1, 2: 1}, {})
    assert silence is not None
    assert (silence.probability, silence.convincing) == (1.0, False)


@given(
    st.dictionaries(st.integers(0, 300), st.integers(0, 500), max_size=60),
    st.dictionaries(st.integers(0, 300), st.integers(1, 500), max_size=60),
    st.dictionaries(st.integers(301, 900), st.integers(0, 500), max_size=60),
)
def test_it_is_a_probability_whatever_is_logged(
    before: dict[int, int], failures: dict[int, int], after: dict[int, int]
) -> None:
    silence = judge_silence("requests", before, failures, after)
    if silence is not None:
        assert 0 <= silence.probability <= 1
        assert silence.exposure == sum(after.values())

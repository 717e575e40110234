"""Whatever way the lines of a failure arrive, it is one occurrence, and lines around it stay what they are."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.evidence.joining import Joiner
from app.evidence.model import LogEntry, PayloadField, Severity, Split, Writer
from app.evidence.stacktrace import parse_trace, trace_identity
from tests.evidence.test_stacktrace import ALL, DOTNET, GO, JAVA, MONO, NODE, PHP, PYTHON_GROUP, RUBY

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def entry(
    text: str,
    ms: float = 0,
    *,
    origin: str = "",
    instance: str = "i1",
    stream: str = "run.googleapis.com/stderr",
    severity: Severity = Severity.DEFAULT,
    split: Split | None = None,
    field: PayloadField = PayloadField.TEXT,
) -> LogEntry:
    return LogEntry(
        insert_id=origin or text[:20],
        timestamp=START + timedelta(milliseconds=ms),
        severity=severity,
        writer=Writer(stream, "cloud_run_revision", {"service_name": "shop"}, {"instanceId": instance}),
        field=field,
        message=text,
        split=split,
        origin=origin or text,
    )


def join(*entries: LogEntry) -> list[LogEntry]:
    joiner = Joiner()
    found = [occurrence for one in entries for occurrence in joiner.add(one)]
    found += joiner.flush()
    return found


def lines(text: str, start: float = 0, instance: str = "i1") -> list[LogEntry]:
    return [
        entry(line, start + at * 0.3, origin=f"{instance} {start} {at}", instance=instance)
        for at, line in enumerate(text.split("\n"))
    ]


def texts(found: list[LogEntry]) -> list[str]:
    return sorted(occurrence.message for occurrence in found)


PYTHON = """\
2026-03-01 12:00:00 ERROR shop: order 12 failed
Traceback (most recent call last):
  File "/app/server.py", line 10, in main
    charge(order)
  File "/app/shop/orders.py", line 20, in charge
    raise ValueError("bad amount")
ValueError: bad amount"""


def test_a_trace_that_came_a_line_at_a_time_is_one_occurrence() -> None:
    (whole,) = join(*lines(PYTHON))
    assert whole.message == PYTHON
    assert len(whole.joined) == 7
    assert whole.joined == tuple(f"i1 0 {at}" for at in range(7))


def test_newest_first_gives_the_same_occurrence() -> None:
    assert join(*reversed(lines(PYTHON))) == join(*lines(PYTHON))


def test_lines_of_other_instances_and_streams_in_between_stay_alone() -> None:
    others = [
        entry("GET /orders 200", 0.4, stream="run.googleapis.com/stdout"),
        entry("Traceback (most recent call last):", 0.7, instance="i2"),
    ]
    mixed = sorted([*lines(PYTHON), *others], key=lambda one: one.timestamp)
    assert texts(join(*mixed)) == sorted([PYTHON, *(one.message for one in others)])


def test_the_next_failure_of_the_same_instance_is_another_occurrence() -> None:
    assert texts(join(*lines(PYTHON), *lines(PYTHON, start=60))) == [PYTHON, PYTHON]


def test_split_entries_are_put_together_in_their_order() -> None:
    pieces = ["Traceback (most recent call last):\n", '  File "/app/a.py", line 1, in f\n', "ValueError: x"]
    parts = [entry(text, split=Split("u", at, 3), origin=str(at)) for at, text in enumerate(pieces)]
    (whole,) = join(parts[2], parts[0], parts[1])
    assert whole.message == "".join(pieces)
    assert whole.joined == ("0", "1", "2")


def test_a_split_whose_pieces_are_not_all_there_is_still_told() -> None:
    (part,) = join(entry("half of it", split=Split("u", 1, 2)))
    assert part.message == "half of it"


LOGGED = {
    "python": PYTHON,
    "python group": "2026-03-01 12:00:00 ERROR shop: jobs failed\n" + PYTHON_GROUP,
    "java": "Mar 01, 2026 12:00:00 PM com.example.shop.Main main\nSEVERE: request 3f2a failed\n"
    + JAVA.removeprefix('Exception in thread "main" '),
    "java uncaught": JAVA,
    "node": NODE,
    "node logged": "request 3f2a failed TypeError: x is not a function\n    at charge (/app/orders.js:3:9)\n"
    "    at /app/a.js:1:1",
    "node aggregate": "[AggregateError: All promises were rejected] {\n  [errors]: [\n    Error: mirror a is stale\n"
    "        at ask (/app/m.js:5:9),\n    Error: mirror b is stale\n        at ask (/app/m.js:5:9)\n  ]\n}",
    "go": GO,
    "go served": "2026/03/01 12:00:00 http: panic serving 127.0.0.1:4000: boom\n" + GO.split("\n\n", 2)[1],
    "ruby": RUBY,
    "php": PHP,
    "dotnet": "fail: Shop.Program[0]\n      request 3f2a failed\n" + DOTNET.removeprefix("Unhandled exception. "),
    "mono": MONO,
}
FOREIGN = ["GET /orders/12 200 5 ms", "retrying in 3 s (attempt 2), last error: none", "    at 11:39 the import starts"]


@pytest.mark.parametrize("text", LOGGED.values(), ids=LOGGED.keys())
def test_every_language_is_joined_again_and_again(text: str) -> None:
    found = join(*lines(text), *lines(text, start=60), *lines(text, start=120))
    assert texts(found) == [text] * 3


@pytest.mark.parametrize("text", LOGGED.values(), ids=LOGGED.keys())
def test_blank_lines_that_were_dropped_are_not_missed(text: str) -> None:
    kept = [one for one in lines(text) if one.message.strip()]
    (whole,) = join(*kept)
    assert len(whole.joined) == len(kept)


@given(
    text=st.sampled_from(sorted(LOGGED.values())),
    other=st.sampled_from(sorted(LOGGED.values())),
    order=st.lists(st.booleans(), min_size=80, max_size=80),
    descending=st.booleans(),
)
def test_two_instances_that_fail_at_once_are_kept_apart(
    text: str, other: str, order: list[bool], descending: bool
) -> None:
    one, two = lines(text, instance="i1"), lines(other, instance="i2")
    mixed: list[LogEntry] = []
    for first in order:
        source = (one or two) if first else (two or one)
        if source:
            mixed.append(replace(source.pop(0), timestamp=START + timedelta(milliseconds=len(mixed))))
    mixed += [replace(line, timestamp=START + timedelta(milliseconds=100 + at)) for at, line in enumerate([*one, *two])]
    found = join(*(reversed(mixed) if descending else mixed))
    assert texts(found) == sorted([text, other])


@given(
    text=st.sampled_from(ALL),
    foreign=st.lists(st.tuples(st.integers(1, 30), st.sampled_from(FOREIGN)), max_size=4),
    descending=st.booleans(),
)
def test_lines_of_the_same_stream_in_between_do_not_cost_the_identity(
    text: str, foreign: list[tuple[int, str]], descending: bool
) -> None:
    mixed = [line.message for line in lines(text)]
    for at, line in foreign:
        mixed.insert(min(len(mixed) - 1, 5 + at), line)
    entries = [entry(line, at * 0.3, origin=str(at), severity=Severity.DEFAULT) for at, line in enumerate(mixed)]
    found = join(*(reversed(entries) if descending else entries))
    whole = max(found, key=lambda occurrence: len(occurrence.joined))
    expected, got = parse_trace(text), parse_trace(whole.message)
    assert expected is not None
    assert got is not None
    assert trace_identity(got) == trace_identity(expected)


@given(cuts=st.lists(st.integers(1, 400), max_size=5), order=st.randoms(use_true_random=False))
def test_a_split_text_is_whole_again_wherever_it_was_cut(cuts: list[int], order: Random) -> None:
    ends = [*sorted({min(cut, len(JAVA) - 1) for cut in cuts}), len(JAVA)]
    pieces = [JAVA[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    parts = [entry(piece, split=Split("u", at, len(pieces)), origin=str(at)) for at, piece in enumerate(pieces)]
    order.shuffle(parts)
    (whole,) = join(*parts)
    assert whole.message == JAVA
    assert whole.joined == tuple(str(at) for at in range(len(pieces)))


def test_a_long_run_is_let_go_in_pieces_without_cutting_a_trace() -> None:
    busy: list[LogEntry] = []
    for at in range(300):
        busy += [entry(f"order {at} stored", at * 90)]
        busy += lines(PYTHON, start=at * 90 + 30)
    assert (
        texts(join(*busy))
        == texts(join(*reversed(busy)))
        == sorted([PYTHON] * 300 + [f"order {at} stored" for at in range(300)])
    )


def test_ordinary_lines_pass_one_by_one() -> None:
    ordinary = [entry(f"order {number} stored", number) for number in range(500)]
    found = join(*ordinary)
    assert found == ordinary


def test_a_line_is_let_go_as_soon_as_no_trace_can_reach_back_to_it() -> None:
    joiner = Joiner()
    first, close, later = entry("cache warmed"), entry("listening", 5), entry("ready", 26)
    assert [*joiner.add(first), *joiner.add(close)] == []
    assert list(joiner.add(later)) == [first, close]
    assert list(joiner.flush()) == [later]


def test_a_trace_behind_a_prefix_is_held_until_its_slow_lines_are_there() -> None:
    slow = [
        entry("12:00:00 ERROR shop Traceback (most recent call last):", 0),
        entry('  File "/app/shop/orders.py", line 20, in charge', 300),
        entry("    raise ValueError(amount)", 301),
        entry("ValueError: 12", 302),
    ]
    (whole,) = join(*slow)
    assert len(whole.joined) == 4


RUBY_FRAMES = "/app/lib/depot.rb:7:in `take'\n/app/main.rb:3:in `run'\n/app/main.rb:9:in `<main>'"
TAG = "F, [2026-03-01T10:11:12.5 #17] FATAL -- : [8f5] "
BY_LOGGERS = {
    "ruby logger": f"E, [2026-03-01T10:11:12.5 #17] ERROR -- : shelf 12 is empty (Depot::Empty)\n{RUBY_FRAMES}",
    "puma": f'2026-03-01 10:11:12 +0000 Rack app ("GET /take"): #<Depot::Empty: shelf 12 is empty>\n{RUBY_FRAMES}',
    "sidekiq": f"2026-03-01T10:11:12.5Z pid=17 tid=k5 elapsed=0.1 WARN: Depot::Empty: shelf 12 is empty\n"
    f"2026-03-01T10:11:12.5Z pid=17 tid=k5 WARN: {RUBY_FRAMES}",
    "rails": "\n".join(TAG + line for line in ["Depot::Empty (shelf 12 is empty):", "  ", *RUBY_FRAMES.split("\n")]),
    "monolog": '[2026-03-01T10:11:12+00:00] app.ERROR: failed {"exception":"[object] (Failed(code: 0): gave up '
    "at /app/a.php:9)\n"
    "[stacktrace]\n#0 /app/index.php(5): Job->run()\n#1 {main}\n\n[previous exception] [object] (DomainException(code: 0): "
    'no number at /app/b.php:28)\n[stacktrace]\n#0 /app/index.php(5): Job->run()\n#1 {main}\n"} []',
    "go error with its stack": "2026/03/01 10:11:12 request failed: shelf is empty\ntake 12\nshop/depot.take\n"
    "\t/app/depot/depot.go:7\nmain.main\n\t/app/main.go:3",
    "coloured": "\x1b[31m[Nest] 17  - \x1b[39m \x1b[31m  ERROR\x1b[39m \x1b[31mno shelf\x1b[39m\nError: no shelf\n"
    "    at take (/app/depot.js:3:9)\n    at run (/app/main.js:5:1)",
}


@pytest.mark.parametrize("text", BY_LOGGERS.values(), ids=BY_LOGGERS.keys())
def test_what_a_logger_makes_of_a_trace_is_one_occurrence_each_time(text: str) -> None:
    found = join(*lines(text), *lines(text, start=60), *lines(text, start=500))
    assert texts(found) == [text] * 3

"""Whatever way the lines of a failure arrive, it is one occurrence, and lines around it stay what they are."""

from datetime import UTC, datetime, timedelta

from app.evidence.joining import Joiner, Occurrence
from app.evidence.model import LogEntry, PayloadField, Severity, Split

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
        log_id=stream,
        resource_type="cloud_run_revision",
        resource_labels={"service_name": "shop"},
        labels={"instanceId": instance},
        field=field,
        message=text,
        trace_text=None,
        exception_type=None,
        logger=None,
        location=None,
        http=None,
        audit=None,
        trace=None,
        split=split,
        origin=origin or text,
    )


def join(*entries: LogEntry) -> list[Occurrence]:
    joiner = Joiner()
    found = [occurrence for one in entries for occurrence in joiner.add(one)]
    found += joiner.flush()
    return found


def lines(text: str, start: float = 0, **more: object) -> list[LogEntry]:
    return [entry(line, start + at * 0.3, **more) for at, line in enumerate(text.split("\n"))]  # pyright: ignore


def texts(found: list[Occurrence]) -> list[str]:
    return sorted(occurrence.entry.message for occurrence in found)


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
    assert whole.entry.message == PYTHON
    assert whole.entries == 7
    assert whole.origins == tuple(PYTHON.split("\n"))


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
    assert whole.entry.message == "".join(pieces)
    assert whole.origins == ("0", "1", "2")


def test_a_split_whose_pieces_are_not_all_there_is_still_told() -> None:
    (part,) = join(entry("half of it", split=Split("u", 1, 2)))
    assert part.entry.message == "half of it"


def test_ordinary_lines_pass_one_by_one() -> None:
    ordinary = [entry(f"order {number} stored", number) for number in range(500)]
    found = join(*ordinary)
    assert [occurrence.entry for occurrence in found] == ordinary
    assert all(occurrence.entries == 1 for occurrence in found)

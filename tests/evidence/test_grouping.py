"""What makes two occurrences one fault, and what is kept of a group."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from app.evidence.entries import parse_entry
from app.evidence.grouping import Grouper, Groups
from app.evidence.model import ErrorGroup
from app.redact import Tally

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
JAVA = """java.lang.IllegalStateException: cart {n} is locked
\tat com.acme.shop.Cart.lock(Cart.java:{line})
\tat com.acme.shop.Main.main(Main.java:12)"""


def collect(messages: list[str], *, seed: int | None = None, failure: bool = True, **fields: Any) -> Groups:
    grouper = Grouper()
    numbered = list(enumerate(messages))
    if seed is not None:
        random.Random(seed).shuffle(numbered)
    for number, message in numbered:
        raw = {
            "insertId": f"i{number:06}",
            "timestamp": (START + timedelta(seconds=number)).isoformat(),
            "logName": "projects/demo/logs/run.googleapis.com%2Fstderr",
            "textPayload": message,
            "severity": "ERROR",
            **fields,
        }
        entry = parse_entry(raw, f"log.jsonl:{number}")
        place = entry.service, entry.revision
        trace = grouper.trace_of(entry)
        grouper.add(entry, trace, failure, place, entry.instance, int(entry.timestamp.timestamp()) // 60)
    return grouper.finish()


def failures(messages: list[str], **options: Any) -> tuple[ErrorGroup, ...]:
    return collect(messages, **options).failures(Tally())


MESSAGES = [
    *(
        f"payment {n} of user {name} refused"
        for n, name in enumerate(["ann", "bob", "cy", "dee", "eve", "fay", "gus"] * 9)
    ),
    *(f"dial tcp 10.0.0.{n}:5432: connect: connection refused" for n in range(40)),
    *(JAVA.format(n=n, line=40 + n % 3) for n in range(12)),
    *(f"disk {n} is full" for n in range(5)),
]


def test_a_group_is_the_same_whatever_the_order_of_arrival() -> None:
    expected = failures(MESSAGES)
    assert [group.count for group in expected] == [63, 40, 12, 5]
    for seed in range(5):
        assert failures(MESSAGES, seed=seed) == expected


def test_a_fingerprint_says_its_algorithm_and_comes_from_content_alone() -> None:
    (group,) = failures(["disk 1 is full"])
    (later,) = failures(["disk 99 is full", "disk 3 is full"])
    assert group.id == later.id
    assert group.id.startswith("g2-")
    assert len(group.id) == 15


def test_the_same_sentence_as_failure_and_as_notice_is_two_groups() -> None:
    (failed,) = failures(["disk 1 is full"])
    (said,) = collect(["disk 1 is full"], failure=False).notices(Tally(), 10, lambda _: 0)
    assert failed.id != said.id
    assert (failed.failure, said.failure) == (True, False)


def test_a_trace_is_known_by_its_frames_and_not_by_its_lines_or_values() -> None:
    (group,) = failures([JAVA.format(n=n, line=40 + n) for n in range(5)])
    assert group.title == "java.lang.IllegalStateException: cart <*> is locked"
    assert group.trace is not None
    assert group.trace.innermost.frames[0].line == 44


def test_a_secret_is_no_part_of_a_sentence() -> None:
    token = "xoxb-" + "123456789012-abcdefABCDEFghijklmnopqr"
    (group,) = failures([f"posting with {token} failed for kim@example.org"])
    for text in (group.title, group.template, group.latest.message):
        assert token not in text
        assert "kim@example.org" not in text


def test_counts_by_minute_add_up() -> None:
    (group,) = failures([f"disk {n} is full" for n in range(150)])
    low = int(START.timestamp()) // 60
    assert group.per_minute == {low: 60, low + 1: 60, low + 2: 30}
    assert (group.first_seen, group.last_seen) == (START, START + timedelta(seconds=149))


def test_a_long_message_gives_a_short_title() -> None:
    (group,) = failures(["lost connection " + "and again " * 500])
    assert len(group.title) <= 240
    assert "\n" not in group.title


def test_an_empty_message_has_a_title_too() -> None:
    (group,) = failures([""])
    assert group.title == "(no text)"


def test_notices_are_chosen_by_rank_then_rarity() -> None:
    groups = collect(["common 1", "common 2", "rare word", "ranked word"], failure=False)
    kept = groups.notices(Tally(), 2, lambda entry: 0 if entry.message.startswith("ranked") else 1)
    assert [group.title for group in kept] == ["ranked word", "rare word"]

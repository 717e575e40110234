"""Which messages are one sentence with other values in it."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.evidence.templates import TemplateMiner, mask_path, merge_shapes, render, shape_of


def templates(messages: list[str]) -> list[str]:
    miner = TemplateMiner()
    shapes = [miner.add(message) for message in messages]
    found = miner.finish()
    return [render(found[shape]) for shape in shapes]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("retry 1 of order 77 failed", "retry 2 of order 123456 failed"),
        ("dial tcp 10.0.0.7:5432: i/o timeout", "dial tcp 34.1.2.3:3307: i/o timeout"),
        ("took 1.5 ms", "took 12 s"),
        ("open /var/lib/a/b: no such file", "open /tmp/x: no such file"),
        ("user=alice rejected", "user=bob rejected"),
        ("sent 12 B", "sent 1.5 MB"),
        ("job 6ba7b810-9dad-11d1-80b4-00c04fd430c8 lost", "job 00000000-0000-0000-0000-000000000000 lost"),
        ("drop 1, 2, 3 done", "drop 1, 2 done"),
        ("resolve api.shop.example.com failed", "resolve db.example.com failed"),
        ("7 of 12345678901234567890123456789012345 rows", "12345678901234567890123456789012345 of 7 rows"),
        ("\t5 retries,  code 9", "123 retries, code 77"),
    ],
)  # fmt: skip
def test_values_do_not_part_messages(one: str, other: str) -> None:
    assert shape_of(one) == shape_of(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("connection refused", "connection reset"),
        ("java.net.ConnectException: failed", "java.net.SocketTimeoutException: failed"),
        ("read timed out after 5 s", "write timed out after 5 s"),
        ("queue full", "queue full, dropping 5 messages"),
        ("rows left", "5 rows left"),
        ("exit code", "exit code 3"),
    ],
)
def test_sentences_part_messages(one: str, other: str) -> None:
    first, second = templates([one, other])
    assert first != second


def test_a_place_with_many_different_words_is_a_slot() -> None:
    messages = [
        f"cannot load plugin {name} from registry"
        for name in ["alpha", "beta", "gamma", "delta", "kappa", "omega", "sigma"]
    ]
    assert set(templates(messages)) == {"cannot load plugin <*> from registry"}


def test_a_word_of_digits_shows_that_its_place_is_a_slot() -> None:
    assert set(templates(["no space on node-17 left", "no space on backup left"])) == {"no space on <*> left"}


WORDS = st.sampled_from(
    [
        "error",
        "user",
        "alice",
        "bob",
        "17",
        "0x1f",
        "10.0.0.1",
        "/a/b",
        "k=v",
        "[x:",
        "'q'",
        "failed",
        "root",
        "state",
        "IDLE",
        "till-a",
        "Paper",
        "Bin",
        "->",
        "(the",
        "bin)",
        "USER=x",
        "[]",
        "3ms",
        "for",
        "é",
        "",
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(WORDS, max_size=7).map(" ".join), max_size=30), st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_matters(messages: list[str], shuffler: random.Random) -> None:
    expected = dict(zip(messages, templates(messages), strict=True))
    again = messages * 2
    shuffler.shuffle(again)
    assert dict(zip(again, templates(again), strict=True)) == expected


def test_merging_does_not_depend_on_the_order_of_shapes() -> None:
    shapes = [tuple(f"no route to {name} today".split()) for name in ["a", "b", "c", "d", "e", "f", "g", "h"]]
    assert merge_shapes(shapes) == merge_shapes(reversed(shapes))


def test_templates_do_not_multiply_with_volume() -> None:
    miner = TemplateMiner()
    generator = random.Random(3)
    letters = "abcdefghijklmnopqrstuvwxyz"
    for _ in range(30_000):
        name = "".join(generator.choices(letters, k=7))
        miner.add(f"session opened for user {name} by admin")
        miner.add(f"unknown tag {name} in queue {generator.randrange(10**6)}")
    assert {render(template) for template in miner.finish()} == {
        "session opened for user <*> by admin",
        "unknown tag <*> in queue <*>",
    }


def test_a_message_of_any_text_has_a_shape() -> None:
    assert shape_of("") == ()
    assert shape_of("\ud800 broken \x00 text")
    assert len(shape_of("word " * 100_000)) <= 200


def test_route_keeps_its_version_and_masks_its_ids() -> None:
    assert mask_path("/api/v1/orders/8812/items/6ba7b8109dad11d1") == ("api", "v1", "orders", "<*>", "items", "<*>")


def test_lines_that_have_nothing_in_common_do_not_fill_memory() -> None:
    miner = TemplateMiner()
    generator = random.Random(5)
    for _ in range(20_000):
        miner.add(" ".join("".join(generator.choices("abcdefghij", k=6)) for _ in range(3)))
    assert len(set(miner.finish())) < 10_000


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("uid=0, gid=7 by root", "uid=<*>, gid=<*> by root"),
        ("Rect(0, 12 - 34, 56)", "Rect(<*> - <*>)"),
        ("at Tue Mar 3 10:00:00 UTC 2026 it ended", "at <*> it ended"),
        ("handshake via SOCKS5 failed", "handshake via SOCKS<*> failed"),
        ("jk2_init() found child 17", "jk<*>_init() found child <*>"),
        ("views.py:17 raised ValueError", "views.py:<*> raised ValueError"),
        ("lifetime <1 sec", "lifetime <*>"),
        ("till-a.shop:80 lost cart.topPadding:12, from=<ann>", "<*> lost cart.topPadding:<*>, from=<<*>>"),
        ("ws=WorkSource{10113}, pid=3", "ws=<*>, pid=<*>"),
        ("peer fe80::1c:ff at fa:de:ca:fb:ad:ed", "peer <*> at <*>"),
    ],
)
def test_what_stands_for_a_value(message: str, template: str) -> None:
    assert render(shape_of(message)) == template

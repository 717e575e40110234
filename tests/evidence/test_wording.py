"""Which words without a digit are values, and which part sentences."""

import pytest

from app.evidence.templates import TemplateMiner, render
from app.evidence.wording import look, mask_whole, outline, run_together


def templates(*messages: str) -> list[str]:
    miner = TemplateMiner()
    shapes = [miner.add(message) for message in messages]
    found = miner.finish()
    return [render(found[shape]) for shape in shapes]


@pytest.mark.parametrize(
    "messages",
    [
        # the place announces a value
        ("lease moved from alpha to beta", "lease moved from gamma to alpha"),
        ("mail accepted for root by relay", "mail accepted for cron by relay"),
        ("worker entered state IDLE", "worker entered state DRAINING"),
        ("order changed to packing today", "order changed to shipped today"),
        ("lamp 3 goes open -> shut again", "lamp 3 goes shut -> open again"),
        ("vote 3 (round), OPEN (mine), OPEN (theirs)", "vote 4 (round), SHUT (mine), OPEN (theirs)"),
        ("logged on. Name: ann Kind: 3", "logged on. Name: bob Kind: 4"),
        ('probe "live" of the pod failed', 'probe "ready" of the pod failed'),
        ("no route left to realm north", "no route left to realm south"),
        # the word looks like a name
        ("plugin tls-helper was loaded late", "plugin log_shipper was loaded late"),
        ("queue shop.orders holds 3 jobs", "queue shop.invoices holds 12 jobs"),
        # several at once, each too rare to be seen in one place alone
        ("copied snap-a of user ann to store-x", "copied snap-b of user bob to store-y"),
        ("session of <ann> ended in zone eu-a", "session of <bob> ended in zone eu-b"),
    ],
)
def test_names_and_states_do_not_part_messages(messages: tuple[str, ...]) -> None:
    assert len(set(templates(*messages))) == 1


@pytest.mark.parametrize(
    "messages",
    [
        ("door 3 opened by guard 7", "door 3 closed by guard 7"),
        ("loading rules of shop 3", "unloading rules of shop 3"),
        ("backup of shop 3 succeeded", "backup of shop 3 failed"),
        ("shop 3 is up again now", "shop 3 is down again now"),
        ("failed to read the ledger of shop 3", "failed to write the ledger of shop 3"),
        ("disk usage of shop 3 rose", "memory usage of shop 3 rose"),
        ("node 7 became leader of shop 3", "node 7 became follower of shop 3"),
        ("ConnectError: shop 3 lost its till", "ReadTimeout: shop 3 lost its till"),
        ("call to till failed with status UNAVAILABLE", "call to till failed with status INTERNAL"),
        ("read of 3 failed { code: 'ECONNRESET' }", "read of 3 failed { code: 'ETIMEDOUT' }"),
        ("pod till-3 is held back with CrashLoopBackOff: 3 s", "pod till-3 is held back with ErrImagePull: 3 s"),
        ("(shop) till 3 stopped again", "[shop] till 3 stopped again"),
        ("3: get_rows of shop 4 took 3 s", "3: drop_rows of shop 4 took 3 s"),
        ("PUSH of 7 parcels took 3 s", "PULL of 7 parcels took 3 s"),
    ],
)
def test_what_is_said_parts_messages(messages: tuple[str, ...]) -> None:
    assert len(set(templates(*messages))) == len(messages)


@pytest.mark.parametrize(
    "messages",
    [
        ("killing job 7 (Mail)", "killing job 8 (Paper Bin)"),
        ('cannot open "Mail" in room 7', 'cannot open "Paper Bin" in room 8'),
        ("lost link with Desk Lamp in room 7", "lost link with Lamp in room 8"),
        ("rows of shops ['north', 'south'] moved", "rows of shops ['east'] moved", "rows of shops [] moved"),
        ('take lock=7, tag="Mail", by=3', 'take lock=8, tag="Open Mail", by=4'),
        ("USER=ann ROLE=clerk RUN=/bin/tar -x old now", "USER=bob ROLE=boss RUN=/bin/ls"),
        ("heap [old] 3 MB->[4 MB]/[9 MB] used", "heap [old] 3 KB->[4 GB]/[9 B] used"),
    ],
)
def test_a_value_may_be_of_several_words(messages: tuple[str, ...]) -> None:
    assert len(set(templates(*messages))) == 1


def test_the_more_different_words_a_place_has_the_less_else_is_needed() -> None:
    three = [f"aggregate {name} hours in 3 rows" for name in ("walk", "ride", "swim")]
    assert len(set(templates(*three[:1], "aggregate run hours in 3 rows"))) == 2
    five = [*three, "aggregate golf hours in 3 rows", "aggregate judo hours in 3 rows"]
    assert set(templates(*five)) == {"aggregate <*> hours in <*> rows"}


def test_a_word_that_is_a_value_elsewhere_is_one_everywhere() -> None:
    names = ("ann", "bob", "cyd", "dee", "eve", "fay", "gus")
    greeted = [f"teller {name} greets till 3" for name in names]
    answers = templates(*greeted, "ann : wrong key for till 3", "gus : wrong key for till 3")
    assert answers[-1] == answers[-2] == "<*> : wrong key for till <*>"


def test_a_name_at_the_head_of_a_sentence_is_its_subject() -> None:
    """Methods log their own names; only files and hosts are taken for values there."""
    assert len(set(templates("drawFrame called from thread 3", "dropFrame called from thread 3"))) == 2
    assert len(set(templates("mail.exe blocked by rule 3", "web.exe blocked by rule 3"))) == 1


def test_look_adds_no_product_names() -> None:
    assert look("kube-proxy") > look("zorblax") > look("SendWorker") > look("memory") > look("opened")
    assert look("read-only") == look("opening") == look("size=3") > look("java.io.IOException:") == look("EPIPE")


def test_too_little_of_a_sentence_is_no_sentence() -> None:
    words = ("Owner:", "ann")
    assert outline(words, frozenset()) == words


def test_masked_words_keep_their_brackets_and_punctuation() -> None:
    assert [mask_whole(word) for word in ('"shop",', "(shop)", "<shop>", 'Kind:"shop"}', '","', "<*>=<*>")] == [
        '"<*>",',
        "(<*>)",
        "<<*>>",
        'Kind:"<*>"}',
        '"<*>"',
        "<*>",
    ]


def test_neighbouring_values_run_together() -> None:
    assert run_together(("for", "<*>", "<*>", "/", "<*>.", "now", "-")) == ("for", "<*>.", "now", "-")

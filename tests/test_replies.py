"""The short replies, as somebody reads them at night: in few and plain words, with a next step, and safe from foreign text."""

import re
from dataclasses import fields, replace

import pytest
from hypothesis import given
from markdown_it import MarkdownIt

from app.policy.commands import command_lines
from app.replies import (
    BrokenReply,
    CalledReply,
    ChangedReply,
    ConfigMistakeRow,
    ConfigReply,
    DeniedReply,
    DoctorReply,
    DoctorRow,
    FixReply,
    HelpReply,
    HelpRow,
    HistoryRow,
    HistorySection,
    LimitReply,
    MistakeRow,
    MistakesReply,
    ProgressReply,
    ReminderReply,
    Reply,
    SeenRow,
    StatusReply,
    StoppedReply,
    say,
    templates_directory,
)
from tests.report.hostile import texts

PAGE = "https://audit.example.com/audits/x"
ROW = HistoryRow("2026-01-01 10:00 UTC", "RECOVERING", "P3", PAGE, "production")


def every(text: str) -> tuple[Reply, ...]:
    """Each reply, with `text` wherever something from outside may stand."""
    return (
        HelpReply((HelpRow("/audit help", "This list.", True, "none"),), text, (text,), (text,), ("infrastructure",)),
        MistakesReply(text, (MistakeRow(text, "a time needs its zone", text),)),
        DeniedReply(text, "escalate", "read", "write", ".github/infra-audit.yml"),
        ConfigReply(".github/infra-audit.yml", (ConfigMistakeRow(2, 1, text, text),)),
        LimitReply(6, 6, "on this issue", "2026-01-01 10:00 UTC"),
        BrokenReply("audit:7"),
        FixReply(text, text),
        ProgressReply("2026-01-01 10:00 UTC", text, (text, text)),
        HistorySection((ROW,), ("failures in the window: 6 before, 5 now",), (SeenRow(3, "2026-01-01", PAGE),)),
        StatusReply((replace(ROW, environment=text),) * 2, 1, "after a deployment", text, ("infrastructure",)),
        ChangedReply("RESOLVED", "APPLICATION FIX REQUIRED", "P3", "P1", text, None, text),
        CalledReply("infrastructure", "@acme/sre", text, "RECOVERING", PAGE, (text,), (text,)),
        ReminderReply("infrastructure", 1, 3),
        StoppedReply(text),
        DoctorReply((DoctorRow("GitHub", text, text),)),
    )


NAMES = [type(reply).__name__ for reply in every("x")]


def test_every_template_belongs_to_a_reply_that_is_read_here() -> None:
    assert {type(reply).template for reply in every("x")} == {
        path.name for path in templates_directory().glob("reply_*.j2")
    }


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_a_reply_is_short_and_leaves_no_blank_behind(number: int) -> None:
    text = say(every("checkout")[number])
    assert len(text) < 700
    assert text == text.strip() + "\n"
    assert "\n\n\n" not in text
    assert not re.search(r"None|\{\{|\bTrue\b|\bFalse\b|  \.", text)


@pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)
def test_a_reply_is_no_command_itself(number: int) -> None:
    assert command_lines(say(every("/audit\n/audit escalate")[number])) == ()


@given(texts)
def test_foreign_text_becomes_nothing_but_text(text: str) -> None:
    reader = MarkdownIt("gfm-like", {"linkify": False})
    plain = [shape(reader, say(reply)) for reply in every("checkout")]
    assert [shape(reader, say(reply)) for reply in every(text)] == plain


def shape(reader: MarkdownIt, markdown: str) -> list[str]:
    """What kinds of things the markdown is made of, in order, without the words."""
    found: list[str] = []
    for token in reader.parse(markdown):
        found.append(token.type)
        for inner in token.children or ():
            if inner.type != "text":
                found.append(f"{inner.type} {inner.attrGet('href') or ''}")
            else:
                assert "<script" not in inner.content
                mentions = re.findall(r"@[A-Za-z]\S*", inner.content)
                assert mentions in ([], ["@acme/sre:"])
    return found


@pytest.mark.parametrize(
    ("reply", "step"),
    [
        (every("x")[1], "Write a new comment"),
        (every("x")[2], "Ask somebody with that role"),
        (every("x")[3], "Mend it on the default branch"),
        (every("x")[4], "ask again after"),
        (every("x")[5], "Commenting the same line once more"),
        (every("x")[6], "To do"),
        (every("x")[11], "/audit ack"),
        (every("x")[12], "/audit ack"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_whoever_is_refused_or_called_reads_what_to_do_next(reply: Reply, step: str) -> None:
    assert step in say(reply)


def test_many_mistakes_of_a_file_are_counted_and_not_all_listed() -> None:
    rows = tuple(ConfigMistakeRow(n, 1, "wrong", None) for n in range(1, 31))
    text = say(ConfigReply(".github/infra-audit.yml", rows))
    assert "has 30 mistakes" in text
    assert "and 20 more" in text
    assert text.count("\n- ") == 11


def test_a_field_that_no_template_shows_does_not_exist() -> None:
    for reply in every("x"):
        template = (templates_directory() / type(reply).template).read_text("utf-8")
        assert [f.name for f in fields(reply) if not re.search(rf"\b{f.name}\b", template)] == []

"""What people write, and what they meant."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from app.policy.commands import (
    HELP,
    MOST_COMMANDS,
    Ack,
    Audit,
    Cancel,
    Doctor,
    Escalate,
    Help,
    Known,
    Refused,
    Status,
    Unwatch,
    Verb,
    Watch,
    command_lines,
    parse_command,
    parse_duration,
    verb_of,
)

NOW = datetime(2026, 3, 4, 12, tzinfo=UTC)
KNOWN = Known(("checkout", "search"), ("production", "staging"), ("developers", "infrastructure"))


def parse(line: str, known: Known = KNOWN) -> object:
    return parse_command(line, now=NOW, known=known)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/audit", Audit()),
        ("/AUDIT", Audit()),
        ("/audit checkout search", Audit(("checkout", "search"))),
        ("/audit checkout env=production", Audit(("checkout",), "production")),
        ("/audit since=6h until=30m", Audit(since=timedelta(hours=6), until=timedelta(minutes=30))),
        ("/audit since=2026-03-04T10:00Z", Audit(since=datetime(2026, 3, 4, 10, tzinfo=UTC))),
        ("/audit since=2026-03-04T10:00+02:00", Audit(since=datetime(2026, 3, 4, 8, tzinfo=UTC))),
        ('/audit since="2026-03-04 10:00 Europe/Berlin"', Audit(since=datetime(2026, 3, 4, 9, tzinfo=UTC))),
        ("/audit since=“2026-03-04 10:00 UTC”", Audit(since=datetime(2026, 3, 4, 10, tzinfo=UTC))),
        ("/audit service=checkout,search", Audit(("checkout", "search"))),
        ("/audit status", Status()),
        ("/audit watch", Watch()),
        ("/audit watch for=1d12h env=staging", Watch(timedelta(hours=36), "staging")),
        ("/audit unwatch", Unwatch()),
        ("/audit escalate", Escalate()),
        ("/audit escalate infrastructure", Escalate("infrastructure")),
        ("/audit ack", Ack()),
        ("/audit cancel", Cancel()),
        ("/audit doctor", Doctor()),
        ("/audit help", Help()),
    ],
)
def test_commands(line: str, command: object) -> None:
    assert parse(line) == command


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("/audit statsu", "/audit status"),
        ("/audit chekcout", "checkout"),
        ("/audit env=prodction", "env=production"),
        ("/audit sinc=6h", "since=6h"),
        ("/audit since=10:00", "since=2026-03-04T10:00Z"),
        ("/audit since=2026-03-04T10:00", "since=2026-03-04T10:00Z"),
        ("/audit since=", "since=6h"),
        ("/audit since=2027-01-01T00:00Z", "since=6h"),
        ("/audit since=1h until=6h", "since=6h until=1h"),
        ("/audit escalate infra", "/audit escalate infrastructure"),
        ("/audit escalate @acme/sre", None),
        ("/audit status now", "/audit status"),
        ("/audit watch for=soon", "for=24h"),
        ('/audit since="6h', None),
        ("/audit env=production env=staging", None),
        ("/audit since=2026-02-30T10:00Z", "since=2026-03-04T12:00Z"),
        ("/audit Check$out", None),
    ],
)
def test_mistakes_come_with_a_suggestion(line: str, instead: str | None) -> None:
    refused = parse(line)
    assert isinstance(refused, Refused)
    assert instead in {mistake.instead for mistake in refused.mistakes}


def test_every_mistake_is_found_in_one_go() -> None:
    refused = parse("/audit sinc=6h env=nowhere until=never nothing")
    assert isinstance(refused, Refused)
    assert len(refused.mistakes) == 4


def test_without_configuration_any_well_formed_service_is_taken() -> None:
    assert parse("/audit billing-api", Known()) == Audit(("billing-api",))


def test_a_service_called_like_a_command_can_be_named() -> None:
    assert parse("/audit service=status", Known()) == Audit(("status",))
    assert parse("/audit status", Known(("status",))) == Audit(("status",))


@pytest.mark.parametrize(
    "body",
    [
        "    /audit",
        "\t/audit",
        "> /audit",
        "> quoted\n/auditing",
        "```\n/audit\n```",
        "````\n```\n/audit\n````",
        "~~~ sh\n/audit\n```\n~~~",
        "<!-- \n/audit\n-->",
        "see /audit",
        "- /audit",
        "/audits",
        "`/audit`",
    ],
)
def test_no_command_where_markdown_shows_it_only(body: str) -> None:
    assert command_lines(body) == ()


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        ("/audit", ("/audit",)),
        ("thanks\r\n/audit help\r\n", ("/audit help",)),
        ("   /audit", ("/audit",)),
        ("```\ncode\n```\n/audit\n/audit ack", ("/audit", "/audit ack")),
        ("<!-- x -->\n/audit", ("/audit",)),
        ("a `<!--` sign\n-->\n/audit", ("/audit",)),
        ("> quoted\n\n/audit", ("/audit",)),
    ],
)
def test_commands_in_plain_text(body: str, lines: tuple[str, ...]) -> None:
    assert command_lines(body) == lines


def test_a_pasted_list_of_commands_is_cut() -> None:
    assert len(command_lines("/audit\n" * 100)) == MOST_COMMANDS + 1


@given(st.text(alphabet="ab/audit `~>\n\t-<!1.", max_size=80))
def test_what_a_markdown_parser_calls_code_is_never_a_command(body: str) -> None:
    tokens = MarkdownIt("commonmark").parse(body)
    code = {
        number
        for token in tokens
        if token.type in ("fence", "code_block") and token.map
        for number in range(*token.map)
    }
    lines = body.split("\n")
    outside = [line.strip() for number, line in enumerate(lines) if number not in code]
    for found in command_lines(body):
        assert found in outside


@given(st.text(max_size=200))
def test_no_line_is_too_strange(line: str) -> None:
    command = parse_command(f"/audit {line}", now=NOW)
    assert isinstance(command, Refused) or verb_of(command) in Verb


def test_help_lists_every_command() -> None:
    assert set(HELP) == set(Verb)


@pytest.mark.parametrize("word", ["", "0m", "6", "h", "-1h", "6x", "1h 2m", "400d", "999999999h"])
def test_no_duration(word: str) -> None:
    assert parse_duration(word) is None

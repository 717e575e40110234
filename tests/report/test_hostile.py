"""Text from outside stays text, in every format. Shapes are compared: a hostile report has the shape of a harmless one."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.gfm import gfm_plugin

from app.redact import Redacted
from app.report import mermaid, render
from app.report.build import build_report
from app.report.escape import md_code, md_words, mermaid_label, safe_url, visible
from app.report.terminal import display_width
from tests.report.build_sample import diagnosis, incident
from tests.report.hostile import ATTACKS, poisoned, texts

HARMLESS = "plain text Q!"
NO_LIMIT = 10**9
REPORT = build_report(incident(), diagnosis(), page_url="https://audit.example.com/r/1")
ALL_AT_ONCE = "".join(ATTACKS) + "Q!"

PARSER = MarkdownIt("commonmark", {"linkify": True}).use(gfm_plugin)


def shape(markdown: str) -> list[tuple[str, str, str]]:
    """The parsed document without what stands in code, and without addresses."""

    def walk(tokens: list[Token]) -> list[tuple[str, str, str]]:
        found: list[tuple[str, str, str]] = []
        for token in tokens:
            hidden = token.type in ("code_inline", "fence", "inline")
            found.append((token.type, token.tag, "" if hidden else token.content))
            found += walk(token.children or [])
        return found

    return walk(PARSER.parse(markdown))


EXPECTED = shape(render.markdown(poisoned(REPORT, HARMLESS), limit=NO_LIMIT))


@settings(max_examples=80, deadline=None)
@given(texts)
@example(ALL_AT_ONCE)
@example("`" * 300 + "Q!")
@example("\\|`|\\\\|``Q!")
@example("x]: https://e.example Q!")
def test_in_markdown_foreign_text_never_leaves_its_code(text: str):
    made = render.markdown(poisoned(REPORT, text), limit=NO_LIMIT)
    assert shape(made) == EXPECTED


@settings(max_examples=30, deadline=None)
@given(texts)
@example(ALL_AT_ONCE)
def test_no_line_of_the_comment_is_a_command(text: str):
    made = render.markdown(poisoned(REPORT, text), limit=NO_LIMIT)
    assert not re.search(r"(?m)^[\s>*-]*/[a-z]", made)


@settings(max_examples=20, deadline=None)
@given(texts)
@example(ALL_AT_ONCE)
def test_from_hostile_evidence_to_markdown_nothing_becomes_markup(text: str):
    def made(foreign: str) -> list[tuple[str, str, str]]:
        return shape(render.markdown(build_report(incident(foreign), diagnosis(foreign)), limit=NO_LIMIT))

    tags = {kind for kind, _, _ in made(text)}
    assert tags <= {kind for kind, _, _ in made(HARMLESS)}
    assert [content for kind, _, content in made(text) if kind in ("html_inline", "html_block")] == [
        content for kind, _, content in made(HARMLESS) if kind in ("html_inline", "html_block")
    ]


class Tags(HTMLParser):
    """Tags with the names of their attributes; lines of text inside pictures vary with the length of labels."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag != "text":
            self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_comment(self, data: str) -> None:
        self.found.append(("comment", ()))


def tags(page: str) -> Tags:
    parser = Tags()
    parser.feed(page)
    return parser


PAGE = tags(render.html(poisoned(REPORT, HARMLESS)))


@settings(max_examples=30, deadline=None)
@given(texts)
@example(ALL_AT_ONCE)
def test_on_the_page_foreign_text_adds_no_tag_attribute_or_scheme(text: str):
    page = tags(render.html(poisoned(REPORT, text)))
    assert page.found == PAGE.found
    assert all(link.startswith(("https://", "#E")) for link in page.links)


@settings(max_examples=30, deadline=None)
@given(texts, st.integers(40, 200), st.booleans())
@example(ALL_AT_ONCE, 80, True)
def test_in_a_terminal_nothing_moves_the_cursor_or_runs_over_the_width(text: str, width: int, color: bool):
    made = render.text(poisoned(REPORT, text), width=width, color=color)
    plain = re.sub(r"\x1b\[(?:0|1|2|36|1;4|1;31|1;32|1;33)m", "", made)
    assert color or plain == made
    assert re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069]", plain) is None
    lines = plain.splitlines()
    assert [line for line in lines if display_width(line) > width and not re.match(r" *(\$ |https://)", line)] == []


QUOTED = r'"[^"\n\[\]{}()<>|;`%]*(?:(?:#\d+;|<br/>)[^"\n\[\]{}()<>|;`%]*)*"'
FLOW_LINES = (
    r"flowchart TB",
    rf"  n\d+\[{QUOTED}\]:::(?:component|cause|symptom|other)",
    rf"  n\d+ (?:-->|-\.->)\|{QUOTED}\| n\d+",
    r"  classDef \w+ fill:#\w+,stroke:#\w+,color:#\w+",
)
GANTT_LINES = (
    r"gantt|  (?:title|dateFormat|axisFormat|section) [\w :%,-]+",
    r"  [\d,]+ failures :crit, [\d: -]{19}, [\d: -]{19}",
    r"  (?:onset|revision|failed revision|traffic to|first failure|last failure)"
    r"(?: (?:[^:;#\n\"<>%]|#\d+;)*)? :milestone, [\d: -]{19}, 0m",
)


@settings(max_examples=80, deadline=None)
@given(texts)
@example(ALL_AT_ONCE)
def test_no_label_of_a_picture_closes_its_quotes(text: str):
    made = poisoned(REPORT, text)
    flow = mermaid.chain(made.chain_nodes, made.chain_edges)
    assert made.timeline is not None
    gantt = mermaid.timeline(made.timeline)
    assert [line for line in flow if not any(re.fullmatch(pattern, line) for pattern in FLOW_LINES)] == []
    assert [line for line in gantt if not any(re.fullmatch(pattern, line) for pattern in GANTT_LINES)] == []


@given(st.text(max_size=40))
@example("/audit")
@example("www.e.example")
@example("**a** <b> @c #1 https://e.example")
def test_even_own_words_would_become_nothing_else(text: str):
    """They hold no foreign text; if a mistake ever put some there, it would still be text."""
    kinds = {kind for kind, _, _ in shape("a " + md_words(text).strip() + " z")}
    assert kinds <= {"paragraph_open", "inline", "text", "text_special", "paragraph_close"}


@given(st.text())
def test_what_cannot_be_seen_is_cut(text: str):
    assert not re.search("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]", visible(text))
    assert visible(visible(text)) == visible(text)


@given(st.text(max_size=60))
def test_a_code_span_is_one_code_span(text: str):
    tokens = PARSER.parseInline("a " + md_code(text) + " z")[0].children or []
    assert [token.type for token in tokens] == ["text", "code_inline", "text"]


def test_a_code_span_shows_what_was_written():
    (_, code, _) = PARSER.parseInline("a " + md_code("`x` | ``y``") + " z")[0].children or []
    assert code.content == "`x` | ``y``"


def test_a_bar_stays_in_its_cell():
    table = render.markdown(poisoned(REPORT, "a|b\\|c"), limit=NO_LIMIT)
    rows = [line for line in table.splitlines() if line.startswith("| **cause**")]
    assert rows
    assert all("a\\|b¦c" in row for row in rows)


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "data:text/html,x", "//e.example/x", "ftp://e.example", "https://", "", "x"],
)
def test_only_web_addresses_become_links(url: str):
    assert safe_url(url) is None


@given(st.text())
def test_an_address_cannot_end_its_link(text: str):
    url = safe_url("https://e.example/" + text)
    assert url is not None
    assert not re.search(r"[\s()<>\[\]\"'`|\\^{}]", url)


def test_a_mention_calls_people_only_when_it_is_nothing_else():
    assert "| @netra/platform (Infrastructure team) |" in render.markdown(REPORT)
    for text in ("@netra/platform @everyone", "@a/b/c", "netra", "@-x", "@netra/platform\n@x"):
        escalation = replace(REPORT.escalation, target=Redacted(text))
        made = render.markdown(
            replace(REPORT, header=replace(REPORT.header, act=Redacted(text)), escalation=escalation)
        )
        assert f"| {md_code(text)} (Infrastructure team) |" in made


def test_labels_keep_their_letters():
    assert mermaid_label("Datenbank läuft (1)") == "Datenbank läuft #40;1#41;"

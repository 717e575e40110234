"""The Logging query language against tables worked out by hand, and against an independent reading of its precedence."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.sources.query_language import LONGEST, QueryError, matches, parse

ENTRY: dict[str, Any] = {
    "insertId": "abc",
    "logName": "projects/p1/logs/run.googleapis.com%2Fstderr",
    "timestamp": "2026-03-04T05:06:07.5Z",
    "severity": "ERROR",
    "resource": {"type": "cloud_run_revision", "labels": {"service_name": "Web", "revision_name": "web-00002-abc"}},
    "labels": {"instanceId": "i-1", "compute.googleapis.com/resource_id": "77"},
    "textPayload": "Connection refused by 10.0.0.7",
    "jsonPayload": {"user": "Zoë", "count": 5, "big": "9007199254740993", "tags": ["red", "blue"], "nothing": None, "ok": True,
                    "ip": "10.1.2.3", "nested": {"Deep": "x"}},
    "protoPayload": {"methodName": "Create", "status": {"code": 7}},
    "httpRequest": {"status": 503, "latency": "1.250s", "requestMethod": "GET"},
    "operation": {"first": True},
}  # fmt: skip

TRUE = [
    "",
    "-- only a comment",
    'severity="ERROR"',
    "severity>=WARNING",
    "severity<CRITICAL",
    "severity>=400",
    'severity=("INFO" OR "ERROR")',
    'resource.type="cloud_run_revision"',
    'resource.type = "CLOUD_RUN_REVISION"',
    'resource.labels.service_name="web"',
    'resource.labels."service_name"="web"',
    'labels."compute.googleapis.com/resource_id"="77"',
    "labels.instanceId:*",
    'labels:"instanceid"',
    'textPayload:"REFUSED"',
    'textPayload=~"refused by \\\\d+"',
    'textPayload=~"(?i)CONNECTION"',
    'textPayload!~"accepted"',
    'jsonPayload.user="ZOË"',
    "jsonPayload.count=5",
    "jsonPayload.count>4.5",
    "jsonPayload.big>9007199254740000",
    'jsonPayload.tags="blue"',
    'jsonPayload.tags:"lu"',
    "jsonPayload.ok=true",
    "jsonPayload.nothing=NULL_VALUE",
    'jsonPayload.nested.Deep="x"',
    'protoPayload.methodname="create"',
    "protoPayload.status.code=7",
    "httpRequest.status>=500",
    "http_request.status>=500",
    'httpRequest.latency>"1s"',
    'NOT jsonPayload.missing="x"',
    '-jsonPayload.missing="x"',
    'timestamp>="2026-03-04"',
    'timestamp<"2026-03-04T06:06:07+00:30"',
    'timestamp>="2026-03-04T05:06:07Z" timestamp<"2026-03-04T05:06:08Z"',
    'log_id("run.googleapis.com/stderr")',
    'SEARCH("refused connection")',
    'SEARCH("`Connection refused`")',
    'SEARCH(textPayload, "10")',
    'ip_in_net(jsonPayload.ip, "10.0.0.0/8")',
    "source(projects/p1)",
    "sample(insertId, 1)",
    'cast(jsonPayload.big, INT64)>"1"',
    'regexp_extract(textPayload, "by (\\\\d+)")="10"',
    'cast(regexp_extract(textPayload, "by (\\\\d+)"), INT64)<11',
    "refused",
    '"refused by"',
    'insertId:("a" AND "c")',
    "operation.first=true",
    'severity="ERROR"\n  -- a comment\n  resource.type:"run"',
    "traceSampled=false OR refused",
]
FALSE = [
    "severity>ERROR",
    'severity=("INFO" OR "DEBUG")',
    'jsonPayload.missing="x"',
    'jsonPayload.missing!="x"',
    "jsonPayload.missing:*",
    'textPayload=~"REFUSED"',
    'textPayload:"accepted"',
    'jsonPayload.nested.deep="x"',
    'jsonPayload.user="Zo"',
    'jsonPayload.count="six"',
    'log_id("run.googleapis.com/stdout")',
    'SEARCH("Refuse")',
    'SEARCH("`refused connection`")',
    'ip_in_net(jsonPayload.user, "10.0.0.0/8")',
    'ip_in_net(jsonPayload.ip, "192.168.0.0/16")',
    "source(projects/p)",
    "sample(jsonPayload.missing, 1)",
    "accepted",
    'insertId:("a" AND "z")',
    'timestamp<"2026-03-04T05:06:07Z"',
    'textPayload="a" AND severity="ERROR"',
]
WRONG = {
    "AND": 1,
    "severity=": 10,
    'severity="LOUD"': 10,
    '(severity="ERROR"': 18,
    'severity="ERROR")': 17,
    'nonsense="x"': 1,
    'resource.kind="x"': 1,
    'httpRequest.colour="x"': 1,
    'severity="ERROR" AND': 21,
    'textPayload=~"("': 14,
    'textPayload=~"(?=x)"': 14,
    "textPayload=~x": 14,
    'textPayload="open': 13,
    'nofunction("x")': 1,
    'ip_in_net(jsonPayload.ip, "300.0.0.0/8")': 27,
    "sample(insertId, 2)": 18,
    'timestamp>="soon"': 12,
    'regexp_extract(textPayload, "none")="x"': 29,
    "timestamp>=2026-03-04T05:00:00Z": 25,
}


@pytest.mark.parametrize("text", TRUE)
def test_selects(text: str) -> None:
    assert matches(parse(text), ENTRY)


@pytest.mark.parametrize("text", FALSE)
def test_does_not_select(text: str) -> None:
    assert not matches(parse(text), ENTRY)


@pytest.mark.parametrize("text", WRONG)
def test_bad_syntax_is_refused_with_the_column(text: str) -> None:
    with pytest.raises(QueryError) as refused:
        parse(text)
    assert refused.value.column == WRONG[text]


def test_an_unset_severity_is_default_and_an_unset_payload_field_is_missing() -> None:
    assert matches(parse("severity=DEFAULT"), {})
    assert matches(parse('NOT textPayload:"x"'), {})
    assert not matches(parse('jsonPayload.x!="y"'), {})


def test_a_filter_over_the_limit_is_refused() -> None:
    with pytest.raises(QueryError):
        parse("x " * LONGEST)


TABLE = [
    # OR binds tighter than AND: a AND (b OR c), where the other reading would be true without a.
    ("a AND b OR c", [(0, 0, 1, False), (1, 0, 1, True), (1, 0, 0, False), (0, 1, 1, False)]),
    ("a OR b AND c", [(1, 0, 0, False), (1, 0, 1, True), (0, 0, 1, False), (0, 1, 1, True)]),
    ("NOT a OR b", [(0, 0, 0, True), (1, 0, 0, False), (1, 1, 0, True)]),
    ("NOT (a OR b)", [(0, 0, 0, True), (0, 1, 0, False)]),
    ("a b OR c", [(0, 0, 1, False), (1, 0, 1, True)]),
    ("a -b", [(1, 0, 0, True), (1, 1, 0, False)]),
]


def three(a: int, b: int, c: int) -> dict[str, Any]:
    return {"jsonPayload": {name: "y" for name, on in zip("abc", (a, b, c), strict=True) if on}}


@pytest.mark.parametrize(("text", "rows"), TABLE)
def test_precedence(text: str, rows: list[tuple[int, int, int, bool]]) -> None:
    spelled = " ".join(
        f"jsonPayload.{w}:*" if w in "abc" else w for w in text.replace("(", "( ").replace(")", " )").split()
    )
    spelled = spelled.replace("-b", "-jsonPayload.b:*")
    for *truth, expected in rows:
        assert matches(parse(spelled), three(*truth)) is expected, truth


@st.composite
def chains(draw: st.DrawFn) -> list[str]:
    """`[NOT] x (AND|OR|) [NOT] y …` as words, without parentheses."""
    words: list[str] = []
    for number in range(draw(st.integers(1, 7))):
        if number:
            words += draw(st.sampled_from([["AND"], ["OR"], []]))
        words += ["NOT"] * draw(st.integers(0, 2)) + [draw(st.sampled_from("abc"))]
    return words


def independent(words: list[str], truth: dict[str, bool]) -> bool:
    """NOT first, then OR, then AND, by cutting the words apart from the outside."""
    value: list[bool] = []
    for part in _cut_and(words):
        one = False
        for alternative in _cut(part, "OR"):
            term = truth[alternative[-1]]
            one = one or (term if (len(alternative) - 1) % 2 == 0 else not term)
        value.append(one)
    return all(value)


def _cut(words: list[str], at: str) -> list[list[str]]:
    parts: list[list[str]] = [[]]
    for word in words:
        if word == at:
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


def _cut_and(words: list[str]) -> list[list[str]]:
    """At every AND, written or left out (a term that follows a term)."""
    spelled: list[str] = []
    for word in words:
        if spelled and spelled[-1] in "abc" and word not in ("AND", "OR"):
            spelled.append("AND")
        spelled.append(word)
    return _cut(spelled, "AND")


@given(chains(), st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_precedence_agrees_with_an_independent_reading(words: list[str], truth: tuple[bool, bool, bool]) -> None:
    text = " ".join(f"jsonPayload.{word}:*" if word in "abc" else word for word in words)
    expected = independent(words, dict(zip("abc", truth, strict=True)))
    assert matches(parse(text), three(*map(int, truth))) is expected


@given(st.text(alphabet='ab.:=<>!~()"-* \n\\ANDORT', max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        outcome: object = matches(parse(text), ENTRY)
    except QueryError as refused:
        outcome = "refused" if 1 <= refused.column <= len(text) + 1 else refused
    assert outcome in (True, False, "refused")


@given(st.text(min_size=1, max_size=30))
def test_a_quoted_literal_means_itself(value: str) -> None:
    quoted = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert matches(parse(f"jsonPayload.v={quoted}"), {"jsonPayload": {"v": value}})

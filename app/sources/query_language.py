"""The Logging query language: text to a tree, and a tree evaluated over entries as JSON.

Owns grammar, precedence (NOT, then OR, then AND), what a missing field means, and the functions. It checks filters before
they cost quota and answers in the stand-in for Cloud Logging. Leaves building filters to `filters.py`.

Source: the Logging query language page of Google Cloud's documentation. Where it leaves a case open, this module refuses.
"""

import hashlib
import ipaddress
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any, NoReturn, cast
from urllib.parse import unquote

from app.evidence.model import Severity

LONGEST = 20_000
"""Characters of a filter, comments included."""
_DEEPEST = 60


class QueryError(ValueError):
    """INVALID_ARGUMENT. `column` counts characters of the filter from 1."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(f"{message} at column {column}")
        self.column = column


# --- the tree ---------------------------------------------------------------------------------------------------------


class Operator(StrEnum):
    EQUAL = "="
    NOT_EQUAL = "!="
    LESS = "<"
    LESS_EQUAL = "<="
    GREATER = ">"
    GREATER_EQUAL = ">="
    HAS = ":"
    MATCHES = "=~"
    MATCHES_NOT = "!~"


@dataclass(frozen=True, slots=True)
class Text:
    """A literal. `quoted` matters for `*` (presence) and NULL_VALUE only."""

    value: str
    quoted: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A path as written, its quotes taken off. `column` for errors about it."""

    path: tuple[str, ...]
    column: int


@dataclass(frozen=True, slots=True)
class Cast:
    """`cast(inner, kind)`; `kind` is one of STRING, INT64, FLOAT64, BOOL, TIMESTAMP, DURATION."""

    inner: "Operand"
    kind: str


@dataclass(frozen=True, slots=True)
class Extract:
    """`regexp_extract(inner, pattern)`, with exactly one group."""

    inner: "Operand"
    pattern: re.Pattern[str]


Operand = Field | Cast | Extract


@dataclass(frozen=True, slots=True)
class Comparison:
    left: Operand
    operator: Operator
    right: Text
    pattern: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class Anywhere:
    """A bare value: a substring of any field."""

    text: str


@dataclass(frozen=True, slots=True)
class LogId:
    id: str


@dataclass(frozen=True, slots=True)
class Search:
    """`field` None: any field. Each phrase is a run of tokens that must stand together; a single token is a run of one."""

    field: Field | None
    phrases: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    field: Field
    share: float


@dataclass(frozen=True, slots=True)
class InNet:
    field: Field
    net: ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Source:
    name: str


@dataclass(frozen=True, slots=True)
class Not:
    inner: "Query"


@dataclass(frozen=True, slots=True)
class And:
    parts: tuple["Query", ...]


@dataclass(frozen=True, slots=True)
class Or:
    parts: tuple["Query", ...]


Query = Comparison | Anywhere | LogId | Search | Sample | InNet | Source | Not | And | Or


# --- text to tokens ---------------------------------------------------------------------------------------------------


class _Kind(StrEnum):
    WORD = "word"
    STRING = "string"
    SIGN = "sign"
    END = "end"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: _Kind
    text: str
    column: int
    after_space: bool


_TOKEN = re.compile(
    r"(?P<space>(?:\s|--[^\n]*)+)"
    r"|(?P<string>\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*')"
    r"|(?P<sign>=~|!~|!=|<=|>=|[=<>:(),.*-])"
    r"|(?P<word>[^\s\"'=<>:(),.*~!-][^\s\"'=<>:(),.*~!]*)",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-7]{3})|(.))", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v"}


def _tokens(text: str) -> list[_Token]:
    if len(text) > LONGEST:
        raise QueryError(f"the filter has {len(text):,} characters, more than {LONGEST:,}", LONGEST + 1)
    tokens: list[_Token] = []
    at, spaced = 0, True
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise QueryError("an unterminated string" if text[at] in "\"'" else f"unexpected {text[at]!r}", at + 1)
        kind = found.lastgroup
        if kind == "string":
            tokens.append(_Token(_Kind.STRING, _unescape(found[0][1:-1]), at + 1, spaced))
        elif kind != "space":
            tokens.append(_Token(_Kind.SIGN if kind == "sign" else _Kind.WORD, found[0], at + 1, spaced))
        spaced = kind == "space"
        at = found.end()
    tokens.append(_Token(_Kind.END, "", len(text) + 1, True))
    return tokens


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[1] or match[2]:
            return chr(int(match[1] or match[2], 16))
        if match[3]:
            return chr(int(match[3], 8))
        return _ESCAPED.get(match[4], match[4])

    return _ESCAPE.sub(one, text) if "\\" in text else text


# --- tokens to the tree -----------------------------------------------------------------------------------------------


def parse(text: str) -> Query | None:
    """The filter as a tree; None when it is empty, which matches everything. Raises `QueryError`."""
    parser = _Parser(_tokens(text))
    if parser.peek().kind is _Kind.END:
        return None
    query = parser.conjunction(0)
    if parser.peek().kind is not _Kind.END:
        parser.fail(f"unexpected {parser.peek().text!r}")
    return query


_FUNCTIONS = {"log_id", "search", "sample", "ip_in_net", "source", "cast", "regexp_extract"}
_CASTS = {"STRING", "INT64", "FLOAT64", "BOOL", "TIMESTAMP", "DURATION"}


class _Parser:
    def __init__(self, tokens: Sequence[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def peek(self, ahead: int = 0) -> _Token:
        return self._tokens[min(self._at + ahead, len(self._tokens) - 1)]

    def take(self) -> _Token:
        token = self.peek()
        self._at += 1
        return token

    def fail(self, message: str, token: _Token | None = None) -> NoReturn:
        raise QueryError(message, (token or self.peek()).column)

    def sign(self, text: str) -> bool:
        if self.peek().kind is _Kind.SIGN and self.peek().text == text:
            self._at += 1
            return True
        return False

    def word(self, text: str) -> bool:
        if self.peek().kind is _Kind.WORD and self.peek().text == text:
            self._at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.sign(text):
            self.fail(f"expected {text!r}")

    def conjunction(self, depth: int) -> Query:
        if depth > _DEEPEST:
            self.fail("too many nested parentheses")
        parts = [self.disjunction(depth)]
        while True:
            if self.word("AND"):
                parts.append(self.disjunction(depth))
            elif self.peek().kind is _Kind.END or (self.peek().text == ")" and self.peek().kind is _Kind.SIGN):
                return parts[0] if len(parts) == 1 else And(tuple(parts))
            else:
                parts.append(self.disjunction(depth))

    def disjunction(self, depth: int) -> Query:
        parts = [self.negation(depth)]
        while self.word("OR"):
            parts.append(self.negation(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def negation(self, depth: int) -> Query:
        if depth > _DEEPEST:
            self.fail("too many negations")
        if self.word("NOT") or self.sign("-"):
            return Not(self.negation(depth + 1))
        return self.primary(depth)

    def primary(self, depth: int) -> Query:
        token = self.peek()
        if self.sign("("):
            inner = self.conjunction(depth + 1)
            self.expect(")")
            return inner
        if token.kind is _Kind.WORD and token.text in ("AND", "OR"):
            self.fail(f"{token.text} without a comparison before it")
        if token.kind is _Kind.END:
            self.fail("the filter ends where a comparison should stand")
        following = self.peek(1)
        if (
            token.kind is _Kind.WORD
            and following.text == "("
            and following.kind is _Kind.SIGN
            and not following.after_space
        ):
            left = self.function()
            if not isinstance(left, Cast | Extract):
                return left
        elif token.kind in (_Kind.WORD, _Kind.STRING):
            left = self.path()
        else:
            self.fail(f"unexpected {token.text!r}")
        operator = self.operator()
        if operator is not None:
            return self.values(left, operator, 0)
        if not isinstance(left, Field):
            self.fail("a function's value must be compared with something")
        return Anywhere(".".join(left.path))

    def operator(self) -> Operator | None:
        token = self.peek()
        if token.kind is _Kind.SIGN and token.text in set(Operator):
            self._at += 1
            return Operator(token.text)
        return None

    def path(self) -> Field:
        first = self.take()
        parts = [first.text]
        while self.peek().text == "." and self.peek().kind is _Kind.SIGN and not self.peek().after_space:
            self._at += 1
            part = self.take()
            if part.kind not in (_Kind.WORD, _Kind.STRING) or part.after_space:
                self.fail("a field name should follow the dot", part)
            parts.append(part.text)
        return Field(tuple(parts), first.column)

    def values(self, left: Operand, operator: Operator, depth: int) -> Query:
        """A value, or values in parentheses to each of which the operator applies."""
        if not self.sign("("):
            return self.compare(left, operator, self.value())
        if depth > _DEEPEST:
            self.fail("too many nested parentheses")

        def one() -> Query:
            if self.word("NOT") or self.sign("-"):
                return Not(one())
            return self.values(left, operator, depth + 1)

        ands: list[Query] = []
        while True:
            ors = [one()]
            while self.word("OR"):
                ors.append(one())
            ands.append(ors[0] if len(ors) == 1 else Or(tuple(ors)))
            if self.sign(")"):
                return ands[0] if len(ands) == 1 else And(tuple(ands))
            self.word("AND")

    def value(self) -> Text:
        token = self.take()
        if token.kind is _Kind.STRING:
            return Text(token.text, quoted=True)
        if token.kind is _Kind.SIGN and token.text == "*":
            return Text("*", quoted=False)
        if (
            token.kind is _Kind.SIGN
            and token.text == "-"
            and self.peek().kind is _Kind.WORD
            and not self.peek().after_space
        ):
            token = _Token(_Kind.WORD, "-" + self.take().text, token.column, token.after_space)
        if token.kind is not _Kind.WORD:
            self.fail("expected a value", token)
        text = token.text
        # A number, or a name with dots; what else would need them must be quoted.
        while self.peek().text == "." and self.peek().kind is _Kind.SIGN and not self.peek().after_space:
            self._at += 1
            part = self.take()
            if part.kind is not _Kind.WORD or part.after_space:
                self.fail("a value with dots must be quoted", part)
            text += "." + part.text
        return Text(text, quoted=False)

    def compare(self, left: Operand, operator: Operator, right: Text) -> Query:
        if isinstance(left, Field):
            _check_field(left)
        pattern: re.Pattern[str] | None = None
        if operator in (Operator.MATCHES, Operator.MATCHES_NOT):
            if not right.quoted:
                self.fail("a regular expression must be quoted", self.peek(-1))
            pattern = self.regex(right.value)
        if isinstance(left, Field) and left.path[0].lower() == "severity" and len(left.path) == 1:
            known = {s.name for s in Severity}
            if not pattern and right.value != "*" and right.value.upper() not in known and not _is_number(right.value):
                self.fail(f"{right.value!r} is no severity", self.peek(-1))
        if (
            isinstance(left, Field)
            and _canonical(left.path)[0] in _TIMES
            and right.value != "*"
            and _time(right.value) is None
        ):
            self.fail(f"{right.value!r} is no time", self.peek(-1))
        return Comparison(left, operator, right, pattern)

    def regex(self, text: str) -> re.Pattern[str]:
        if re.search(r"\(\?(?:[=!]|<[=!]|>|\()|\\[1-9]|(?<!\\)[*+?}]\+", text):
            self.fail("the regular expression uses what RE2 does not have", self.peek(-1))
        try:
            return re.compile(text)
        except re.error as problem:
            self.fail(f"the regular expression is wrong: {problem.msg}", self.peek(-1))

    def function(self) -> Query | Cast | Extract:
        token = self.take()
        name = token.text.lower()
        if name not in _FUNCTIONS:
            self.fail(f"there is no function {token.text!r}", token)
        self.expect("(")
        match name:
            case "log_id":
                result: Query | Cast | Extract = LogId(self.string())
            case "search":
                result = self.search()
            case "sample":
                field = self.argument_field()
                self.expect(",")
                share = self.value().value
                if not _is_number(share) or not 0 < float(share) <= 1:
                    self.fail("the share must be above 0 and at most 1", self.peek(-1))
                result = Sample(field, float(share))
            case "ip_in_net":
                field = self.argument_field()
                self.expect(",")
                try:
                    result = InNet(field, ipaddress.ip_network(self.string(), strict=False))
                except ValueError:
                    self.fail("no such subnet", self.peek(-1))
            case "source":
                result = Source(self.argument_name())
            case "cast":
                inner = self.operand()
                self.expect(",")
                kind = self.take()
                if kind.text not in _CASTS:
                    self.fail(f"there is no type {kind.text!r}", kind)
                if self.sign(","):  # TIMEZONE("…") changes how a time without a zone is read; ours all have one
                    if not self.word("TIMEZONE"):
                        self.fail("expected TIMEZONE")
                    self.expect("(")
                    self.string()
                    self.expect(")")
                result = Cast(inner, kind.text)
            case _:
                inner = self.operand()
                self.expect(",")
                pattern = self.regex(self.string())
                if pattern.groups != 1:
                    self.fail("regexp_extract needs exactly one group", self.peek(-1))
                result = Extract(inner, pattern)
        self.expect(")")
        return result

    def operand(self) -> Operand:
        following = self.peek(1)
        if self.peek().text.lower() in ("cast", "regexp_extract") and following.text == "(":
            inner = self.function()
            if isinstance(inner, Cast | Extract):
                return inner
            self.fail("expected a field")
        return self.argument_field()

    def argument_field(self) -> Field:
        if self.peek().kind not in (_Kind.WORD, _Kind.STRING):
            self.fail("expected a field")
        field = self.path()
        _check_field(field)
        return field

    def argument_name(self) -> str:
        token = self.take()
        if token.kind not in (_Kind.WORD, _Kind.STRING):
            self.fail("expected a name", token)
        return token.text

    def string(self) -> str:
        token = self.take()
        if token.kind is not _Kind.STRING:
            self.fail("expected a quoted string", token)
        return token.text

    def search(self) -> Search:
        field: Field | None = None
        if self.peek().kind is _Kind.WORD:
            field = self.argument_field()
            self.expect(",")
        text = self.string()
        phrases: list[tuple[str, ...]] = []
        for number, piece in enumerate(text.split("`")):
            tokens = _search_tokens(piece)
            if number % 2:
                phrases.append(tokens)
            else:
                phrases += [(token,) for token in tokens]
        if not phrases or not all(phrases):
            self.fail("nothing to search for", self.peek(-1))
        return Search(field, tuple(phrases))


# --- fields -----------------------------------------------------------------------------------------------------------

_TIMES = {"timestamp", "receiveTimestamp"}
_STRINGS = {"logName", "insertId", "trace", "spanId", "textPayload"}
_OPEN = {"jsonPayload", "protoPayload", "labels"}
_KNOWN = {
    "resource": {"type", "labels"},
    "httpRequest": {
        "requestMethod", "requestUrl", "requestSize", "status", "responseSize", "userAgent", "remoteIp", "serverIp", "referer",
        "latency", "cacheLookup", "cacheHit", "cacheValidatedWithOriginServer", "cacheFillBytes", "protocol",
    },
    "operation": {"id", "producer", "first", "last"},
    "sourceLocation": {"file", "line", "function"},
    "split": {"uid", "index", "totalSplits"},
    "errorGroups": {"id"},
    "metadata": set[str](),
}  # fmt: skip
_TOP = _TIMES | _STRINGS | _OPEN | set(_KNOWN) | {"severity", "traceSampled"}


@lru_cache(maxsize=4096)
def _canonical(path: tuple[str, ...]) -> tuple[str, ...]:
    """`log_name` is `logName`; the names below payloads and labels stay as they are."""
    top = re.sub(r"_([a-z])", lambda m: m[1].upper(), path[0])
    for known in _TOP:
        if known.lower() == top.lower():
            top = known
    rest = path[1:]
    if top in _KNOWN and rest:
        rest = (re.sub(r"_([a-z])", lambda m: m[1].upper(), rest[0]), *rest[1:])
    return (top, *rest)


def _check_field(field: Field) -> None:
    top, *rest = _canonical(field.path)
    if top not in _TOP:
        raise QueryError(f"entries have no field {field.path[0]!r}", field.column)
    if top in _KNOWN and rest and _KNOWN[top] and rest[0] not in _KNOWN[top]:
        raise QueryError(f"{top} has no field {rest[0]!r}", field.column)
    if top in (_TIMES | _STRINGS | {"severity"}) and rest:
        raise QueryError(f"{top} has no fields", field.column)


def _values(entry: Mapping[str, Any], path: tuple[str, ...]) -> list[Any]:
    """Every value at a path; none when it is missing. A member of the envelope that is unset has its default."""
    top, *rest = _canonical(path)
    value: Any = entry.get(top)
    if value is None and not rest:
        return ["DEFAULT" if top == "severity" else ""] if top in _STRINGS | {"severity"} else []
    found = [value]
    for part in rest:
        inner: list[Any] = []
        for one in found:
            for item in cast("list[Any]", one) if isinstance(one, list) else [one]:
                if isinstance(item, Mapping):
                    inner += _member(cast("Mapping[str, Any]", item), part, exact=top != "protoPayload")
        found = inner
    flat: list[Any] = []
    for one in found:
        flat += cast("list[Any]", one) if isinstance(one, list) else [one]
    return flat


def _member(mapping: Mapping[str, Any], name: str, *, exact: bool) -> list[Any]:
    if name in mapping:
        return [mapping[name]]
    if exact:
        return []
    return [value for key, value in mapping.items() if key.lower() == name.lower()]


# --- evaluation -------------------------------------------------------------------------------------------------------


def matches(query: Query | None, entry: Mapping[str, Any]) -> bool:
    """Whether an entry, as JSON of the API, is selected. A comparison with what is missing is false, whatever the operator."""
    match query:
        case None:
            return True
        case And(parts):
            return all(matches(part, entry) for part in parts)
        case Or(parts):
            return any(matches(part, entry) for part in parts)
        case Not(inner):
            return not matches(inner, entry)
        case Comparison(left, operator, right, pattern):
            return any(_compare(value, operator, right, pattern, left) for value in _operand(left, entry))
        case Anywhere(text):
            wanted = _folded(text)
            return any(wanted in _folded(value) for value in _all_text(entry))
        case LogId(id):
            return unquote(str(entry.get("logName") or "").partition("/logs/")[2]) == id
        case Search(field, phrases):
            texts = (
                _all_text(entry)
                if field is None
                else [str(v) for v in _values(entry, field.path) if isinstance(v, str)]
            )
            return _found(phrases, [_search_tokens(text) for text in texts])
        case Sample(field, share):
            return any(_hash_share(str(value)) < share for value in _values(entry, field.path)[:1] if value != "")
        case InNet(field, net):
            return any(_in_net(value, net) for value in _values(entry, field.path))
        case Source(name):
            return str(entry.get("logName") or "").startswith(f"{name}/logs/")


def _operand(operand: Operand, entry: Mapping[str, Any]) -> list[Any]:
    match operand:
        case Field(path):
            return _values(entry, path)
        case Extract(inner, pattern):
            found = [pattern.search(value) for value in _operand(inner, entry) if isinstance(value, str)]
            return [match[1] for match in found if match is not None and match[1] is not None]
        case Cast(inner, kind):
            return [value for one in _operand(inner, entry) if (value := _cast(one, kind)) is not None]


def _cast(value: Any, kind: str) -> Any:
    text = str(value)
    try:
        match kind:
            case "STRING":
                return text
            case "INT64":
                return int(text)
            case "FLOAT64":
                return float(text)
            case "BOOL":
                return {"true": True, "false": False}.get(text.lower())
            case "TIMESTAMP":
                return text if _time(text) is not None else None
            case _:
                return text if _duration(text) is not None else None
    except ValueError:
        return None


def _compare(value: Any, operator: Operator, right: Text, pattern: re.Pattern[str] | None, left: Operand) -> bool:
    if operator is Operator.HAS:
        return _has(value, right)
    if pattern is not None:
        if not isinstance(value, str):
            return False
        return (pattern.search(value) is not None) == (operator is Operator.MATCHES)
    if right.value == "NULL_VALUE" and not right.quoted:
        return (value is None) == (operator is Operator.EQUAL)
    if value is None or isinstance(value, Mapping):
        return False
    order = _order(value, right.value, left)
    if order is None:
        return operator is Operator.NOT_EQUAL
    match operator:
        case Operator.EQUAL:
            return order == 0
        case Operator.NOT_EQUAL:
            return order != 0
        case Operator.LESS:
            return order < 0
        case Operator.LESS_EQUAL:
            return order <= 0
        case Operator.GREATER:
            return order > 0
        case _:
            return order >= 0


def _has(value: Any, right: Text) -> bool:
    if right.value == "*" and not right.quoted:
        return value not in (None, "")
    if isinstance(value, Mapping):
        return any(_folded(key) == _folded(right.value) for key in cast("Mapping[str, Any]", value))
    if value is None:
        return False
    if isinstance(value, bool):
        return _folded(right.value) == ("true" if value else "false")
    if isinstance(value, int | float):
        return _is_number(right.value) and float(right.value) == value
    return _folded(right.value) in _folded(str(value))


def _order(value: Any, wanted: str, left: Operand) -> int | None:
    """-1, 0 or 1 of the entry's value against the literal; None when they cannot be compared."""
    if isinstance(left, Field):
        top = _canonical(left.path)
        if top == ("severity",):
            ours, theirs = _severity(value), _severity(wanted)
            return None if ours is None or theirs is None else (ours > theirs) - (ours < theirs)
        if top[0] in _TIMES:
            return _sign(_time(str(value)), _time(wanted))
        if top == ("httpRequest", "latency"):
            return _sign(_duration(str(value)), _duration(wanted))
    if isinstance(left, Cast) and left.kind == "TIMESTAMP":
        return _sign(_time(str(value)), _time(wanted))
    if isinstance(left, Cast) and left.kind == "DURATION":
        return _sign(_duration(str(value)), _duration(wanted))
    if isinstance(value, bool):
        truth = {"true": True, "false": False}.get(wanted.lower())
        return None if truth is None else int(value) - int(truth)
    if isinstance(value, int | float):
        return _sign(float(value), float(wanted)) if _is_number(wanted) else None
    text = str(value)
    if _is_number(text) and _is_number(wanted):  # 64-bit integers arrive as strings
        return _sign(float(text), float(wanted))
    ours, theirs = _folded(text), _folded(wanted)
    return (ours > theirs) - (ours < theirs)


def _sign(ours: Any, theirs: Any) -> int | None:
    return None if ours is None or theirs is None else (ours > theirs) - (ours < theirs)


def _severity(value: Any) -> int | None:
    text = str(value).upper()
    if text in Severity.__members__:
        return int(Severity[text])
    return int(float(text)) if _is_number(text) else None


@lru_cache(maxsize=1024)
def _time(text: str) -> datetime | None:
    if not re.match(r"\d{4}-\d{2}-\d{2}(?:$|[T ])", text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


_UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _duration(text: str) -> float | None:
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?)(ns|us|ms|s|m|h|d)", text)
    return float(found[1]) * _UNITS[found[2]] if found else None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", text) is not None


def _folded(value: object) -> str:
    """NFKC_CF, near enough: compatibility forms and case are no difference."""
    text = str(value)
    return (
        text.lower()
        if text.isascii()
        else unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    )


def _all_text(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in cast("Mapping[str, Any]", value).values():
            yield from _all_text(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _all_text(inner)
    elif isinstance(value, bool):
        yield "true" if value else "false"
    elif value is not None:
        yield str(value)


def _search_tokens(text: str) -> tuple[str, ...]:
    return tuple(_folded(token) for token in re.findall(r"\w+", text))


def _found(phrases: Sequence[tuple[str, ...]], texts: Sequence[tuple[str, ...]]) -> bool:
    def stands(phrase: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
        size = len(phrase)
        return any(tokens[i : i + size] == phrase for i in range(len(tokens) - size + 1))

    return all(any(stands(phrase, tokens) for tokens in texts) for phrase in phrases)


def _hash_share(value: str) -> float:
    return int.from_bytes(hashlib.sha256(value.encode()).digest()[:8], "big") / 2**64


def _in_net(value: Any, net: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    try:
        return ipaddress.ip_address(str(value)) in net
    except ValueError:
        return False

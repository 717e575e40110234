"""The only parser of log entries: a LogEntry becomes a `LogEntry`, and what is kept of it a `Sample`.

It has three doors and one meaning: `parse_line` for lines of JSON as the API writes them, `parse_entry` for a mapping in any
form, and `read_entry` behind both, which is also the door of `sources/log_wire.py`.

Owns where the text, the level, the trace and the place of an entry stand in the payloads of the common loggers, and which
part of an entry may be kept at all (an allow-list; secrets are cut from it here). Leaves reading files and the API to
`sources/`, joining to `joining.py`, and reading of traces to `stacktrace.py`.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast
from urllib.parse import unquote

from msgspec import MsgspecError, Raw, Struct
from msgspec.json import Decoder

from app.evidence.model import (
    AuditCall,
    HttpRequest,
    Involved,
    LogEntry,
    PayloadField,
    Sample,
    Severity,
    SourceLocation,
    Split,
    Writer,
)
from app.evidence.stacktrace import may_hold_trace, with_head
from app.redact import Redacted, Tally, cut_name, ends_of, start_of

KEPT_MESSAGE = 8_000
"""Characters of a message that a sample keeps: its head and its tail, where traces say what happened."""


class BadEntry(Exception):
    """The mapping is no log entry. `reason` is our own wording and holds nothing of its content."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_NOTHING: Mapping[str, Any] = {}
_SEVERITIES = {severity.name: severity for severity in Severity}
_DEFAULT, _ERROR = Severity.DEFAULT, Severity.ERROR
_TEXT, _JSON = PayloadField.TEXT, PayloadField.JSON
"""What every entry asks for. Through their enums each would cost as much as reading a field, several times an entry."""


class Envelope(Struct, rename="camel", gc=False):
    """The fields of a LogEntry that every door fills in and `read_entry` reads; a default stands for what is absent."""

    insert_id: str = ""
    trace: str = ""
    text_payload: str = ""
    json_payload: Mapping[str, Any] | None = None
    proto_payload: Mapping[str, Any] | None = None
    http_request: Mapping[str, Any] | None = None
    source_location: Mapping[str, Any] | None = None
    operation: Mapping[str, Any] | None = None
    split: Mapping[str, Any] | None = None


def read_entry(envelope: Envelope, at: datetime, severity: Severity, writer: Writer, origin: str) -> LogEntry:
    """The entry of an envelope that was written at `at` (in UTC). `origin` says where it stood, for the reader."""
    if payload := envelope.json_payload:
        return _from_json(envelope, payload, at, severity, writer, origin)
    if payload := envelope.proto_payload:
        return _from_proto(envelope, payload, at, severity, writer, origin)
    return _from_text(envelope, at, severity, writer, origin)


def parse_entry(raw: Mapping[str, Any], origin: str) -> LogEntry:
    """Read one entry, whatever it holds. `origin` says where it stood, for the reader: `file:line` or the query.

    Wrong types inside are taken as absent: an entry with a strange payload is still an entry. Raises `BadEntry` when there
    is no time in it.
    """
    get = raw.get
    text, trace, resource = get("textPayload"), get("trace"), _mapping(get("resource"))
    envelope = Envelope(
        str(get("insertId") or ""),
        trace if isinstance(trace, str) else "",
        text if isinstance(text, str) else "",
        _mapping(get("jsonPayload")) or None,
        _mapping(get("protoPayload")) or None,
        _mapping(get("httpRequest")) or None,
        _mapping(get("sourceLocation")) or None,
        _mapping(get("operation")) or None,
        _mapping(get("split")) or None,
    )
    writer = _writer(
        str(get("logName") or ""),
        str(resource.get("type") or ""),
        tuple(_labels(resource.get("labels")).items()),
        tuple(_labels(get("labels")).items()),
    )
    at = _time(get("timestamp") or get("receiveTimestamp"))
    return read_entry(envelope, at, _severity(get("severity")), writer, origin)


@lru_cache(maxsize=4_096)
def _writer(
    log_name: str, kind: str, resource: tuple[tuple[str, str], ...], labels: tuple[tuple[str, str], ...]
) -> Writer:
    return Writer(log_id(log_name), kind, dict(resource), dict(labels))


# --- JSON lines ---------------------------------------------------------------------------------------------------------


class _Line(Envelope, rename="camel", gc=False):
    timestamp: str = ""
    severity: str = ""
    log_name: str = ""
    resource: Raw = Raw(b"{}")
    labels: Raw = Raw(b"{}")


class _Resource(Struct):
    type: str = ""
    labels: dict[str, str] = {}


_decode = Decoder(_Line).decode
_decode_resource = Decoder(_Resource).decode
_decode_labels = Decoder(dict[str, str]).decode


def parse_line(line: bytes, origin: str) -> LogEntry | None:
    """The entry of a line of JSON, as `parse_entry` would read it, at a third of the price: only what is read is decoded.

    None when the line is no JSON, or when anything in it has another form than the API gives it: `parse_entry` decides then.
    """
    try:
        found = _decode(line)
        at = datetime.fromisoformat(found.timestamp)
        if at.tzinfo is not UTC:
            at = _utc(at)
        writer = _writer_of_line(found.log_name, bytes(found.resource), bytes(found.labels))
    except (MsgspecError, ValueError, OverflowError, RecursionError):
        return None
    severity = _SEVERITIES.get(found.severity)
    return read_entry(found, at, _severity(found.severity) if severity is None else severity, writer, origin)


@lru_cache(maxsize=4_096)
def _writer_of_line(log_name: str, resource: bytes, labels: bytes) -> Writer:
    """By the text of its labels, as entries of an incident name a few over and over. Raises `MsgspecError` and `ValueError`."""
    found = _decode_resource(resource)
    return Writer(log_id(log_name), found.type, found.labels, _decode_labels(labels))


# --- what may have any type ---------------------------------------------------------------------------------------------


class Closed(Struct):
    """A mapping inside a payload that nobody has looked into: `decode` makes one of `packed`."""

    decode: Callable[[bytes], Mapping[str, Any]]
    packed: bytes


def _mapping(value: object) -> Mapping[str, Any]:
    """`value` as a mapping, or an empty one when it is none. The first tests are the cheap ones."""
    if type(value) is dict:
        return cast("dict[str, Any]", value)
    if type(value) is Closed:
        return value.decode(value.packed)
    if value is None or type(value) is str:
        return _NOTHING
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else _NOTHING


def _items(value: object) -> Sequence[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else ()


def _labels(value: object) -> Mapping[str, str]:
    labels = _mapping(value)
    for text in labels.values():
        if type(text) is not str:
            return {str(key): str(text) for key, text in labels.items()}
    return labels


def _time(value: object) -> datetime:
    if not isinstance(value, str):
        if isinstance(value, datetime):
            return value
        raise BadEntry("no timestamp")
    try:
        return _utc(datetime.fromisoformat(value))
    except (ValueError, OverflowError):
        raise BadEntry("timestamp is not RFC 3339") from None


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo is UTC else at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


@lru_cache(maxsize=4096)
def log_id(log_name: str) -> str:
    """`projects/p/logs/run.googleapis.com%2Fstderr` is `run.googleapis.com/stderr`."""
    return unquote(log_name.partition("/logs/")[2] or log_name)


def _split(raw: Mapping[str, Any] | None) -> Split | None:
    if not raw:
        return None
    try:
        return Split(str(raw["uid"]), int(raw.get("index") or 0), int(raw.get("totalSplits") or 0))
    except (KeyError, TypeError, ValueError):
        return None


def _severity(value: object) -> Severity:
    if isinstance(value, str):
        known = _SEVERITIES.get(value)
        return _LEVELS.get(value.lower(), _DEFAULT) if known is None else known
    if isinstance(value, int) and not isinstance(value, bool):
        return Severity(value) if value in set(Severity) else _DEFAULT
    return _DEFAULT


# --- levels that Cloud Logging did not map ----------------------------------------------------------------------------

_LEVELS = {
    "trace": Severity.DEBUG, "verbose": Severity.DEBUG, "debug": Severity.DEBUG, "d": Severity.DEBUG,
    "info": Severity.INFO, "information": Severity.INFO, "i": Severity.INFO, "success": Severity.INFO, "log": Severity.INFO,
    "notice": Severity.NOTICE,
    "warn": Severity.WARNING, "warning": Severity.WARNING, "w": Severity.WARNING,
    "err": Severity.ERROR, "error": Severity.ERROR, "severe": Severity.ERROR, "e": Severity.ERROR, "exception": Severity.ERROR,
    "crit": Severity.CRITICAL, "critical": Severity.CRITICAL, "fatal": Severity.CRITICAL, "dpanic": Severity.CRITICAL,
    "panic": Severity.CRITICAL, "f": Severity.CRITICAL, "c": Severity.CRITICAL,
    "alert": Severity.ALERT, "emerg": Severity.EMERGENCY, "emergency": Severity.EMERGENCY,
}  # fmt: skip

_PINO = (
    (60, Severity.CRITICAL),
    (50, Severity.ERROR),
    (40, Severity.WARNING),
    (30, Severity.INFO),
    (10, Severity.DEBUG),
)
"""pino and bunyan write numbers, in steps of ten up to 60; Python's logging reaches 50 for CRITICAL and calls it so."""


def _level(payload: Mapping[str, Any]) -> Severity:
    """The level that a logging library wrote itself; DEFAULT when it wrote none that is known."""
    value = payload.get("severity")
    for key in ("level", "levelname", "log.level", "lvl", "loglevel", "logLevel", "severity_text", "@level"):
        if value is not None:
            break
        value = payload.get(key)
    if value is None:
        value = _mapping(payload.get("record")).get("level") or _mapping(payload.get("log")).get("level")
    if named := _mapping(value):
        value = named.get("name")
    if isinstance(value, str):
        return _LEVELS.get(value.lower(), Severity.DEFAULT)
    if isinstance(value, int | float) and not isinstance(value, bool):
        for floor, severity in _PINO:
            if value >= floor:
                return severity
    return Severity.DEFAULT


_LEVEL_WORD = re.compile(
    r"(?:^|[\s\[|<(\"=:])(TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|SEVERE|PANIC|ALERT|EMERG(?:ENCY)?)"
    r"(?=[\s\]|>):,\"]|$)"
    r"|\b(?:level|lvl|severity|levelname)\"?\s?[=:]\s?\"?([A-Za-z]+)"
    r"|^(?:\S+ ){0,3}\[([a-z]+)\]"
    r"|^(error|warning|fatal|panic|critical):"
)
_RAISED = re.compile(
    r"^\s*(?:Traceback \(most recent call last\)|panic: |fatal error: |Exception in thread |Unhandled |Uncaught |goroutine \d"
    r"|Fatal Python error|Segmentation fault|Killed\b|PHP (?:Fatal|Parse) error|(?:Fatal|Parse) error: |npm ERR!|Error: "
    r"|(?:[\w$]+[.:\\]+)*[A-Z]\w*(?:Error|Exception|Exit|Interrupt|Fault|Failure)\b(?: \[\w+\])?(?:: |$|\n))"
)
_TROUBLE = re.compile(
    r"\b(?:fail(?:ed|ure)\b|refused\b|timed out\b|i/o timeout\b|denied\b|unreachable\b|could not\b|couldn't\b|can't\b|cannot\b"
    r"|unable to\b|not permitted\b|out of memory\b|no such file\b|no space left\b|crash(?:ed|ing)\b|abort(?:ed|ing)\b"
    r"|terminated unexpectedly\b|closed unexpectedly\b|unhealthy\b|exceeded\b|fatal\b|error[:!])",
    re.IGNORECASE,
)
_NO_TROUBLE = re.compile(
    r"\b(?:0|no|zero|without|if|fail(?:ed|ure)s?[=:] ?0) ?(?:fail|error|timed|cannot)|fail(?:ed|ure)s?\"?[=:] ?0\b|error[=:] ?"
    r"(?:none|null|nil|0|false)\b",
    re.IGNORECASE,
)


def level_of_text(text: str) -> Severity:
    """The severity of a line that Cloud Logging left at DEFAULT: its own level word first, then how failures begin.

    A line without a level that speaks of a failure counts as an ERROR: leaving it out would hide the very line that tells
    the cause. DEFAULT: nothing in it speaks of a level or a failure.
    """
    head = text[:160]
    if len(head) > 5 and head[0] in "IWEF" and head[1:5].isdigit() and head[5] == " ":
        return _LEVELS[head[0].lower()]
    for found in _LEVEL_WORD.finditer(head):  # the first in brackets may be a thread: `[main] ERROR`
        word = found[1] or found[2] or found[3] or found[4]
        if (severity := _LEVELS.get(word.lower())) is not None:
            return severity
    if _RAISED.search(head):
        return Severity.ERROR
    if _TROUBLE.search(head) and not _NO_TROUBLE.search(head):
        return Severity.ERROR
    return Severity.DEFAULT


# --- text -------------------------------------------------------------------------------------------------------------


def _from_text(envelope: Envelope, at: datetime, severity: Severity, writer: Writer, origin: str) -> LogEntry:
    text = envelope.text_payload
    http = None if envelope.http_request is None else _http(envelope.http_request)
    if text:
        if severity is _DEFAULT:
            severity = level_of_text(text)
        elif severity is _ERROR and writer.is_cluster and writer.log_id.endswith("stderr"):
            # Cluster agents stamp all of stderr as ERROR; the line's own level is better, where it has one.
            severity = level_of_text(text) or severity
    elif http is not None:
        text = f"{http.method} {http.path} {http.status}"
        if severity is _DEFAULT and http.status >= 500:
            severity = _ERROR
    trace, split = envelope.trace, envelope.split
    return LogEntry(
        envelope.insert_id,
        at,
        severity,
        writer,
        _TEXT,
        text,
        origin,
        trace.rpartition("/")[2] if trace else None,
        None if split is None else _split(split),
        http,
    )


def _http(request: Mapping[str, Any] | None) -> HttpRequest | None:
    if not request:
        return None
    try:
        status = int(request.get("status") or 0)
    except (TypeError, ValueError):
        status = 0
    latency: float | None = None
    if isinstance(text := request.get("latency"), str):
        try:
            latency = float(text.rstrip("s"))
        except ValueError:
            latency = None
    return HttpRequest(
        str(request.get("requestMethod") or ""), status, _path(str(request.get("requestUrl") or "")), latency
    )


def _path(url: str) -> str:
    """Host and query hold names and secrets; what a route is told by is the path."""
    url = url.partition("?")[0].partition("#")[0]
    scheme, found, rest = url.partition("://")
    if found:
        _, slash, path = rest.partition("/")
        return slash + path if slash else "/"
    return scheme


# --- JSON -------------------------------------------------------------------------------------------------------------

_MESSAGE_KEYS = (
    "message",
    "msg",
    "event",
    "MESSAGE",
    "text",
    "log",
    "body",
    "textPayload",
    "errorMessage",
    "error_message",
)
_TRACE_KEYS = (
    "errorVerbose",  # of zap, whose `stacktrace` tells where the error was logged
    "stack_trace",
    "stacktrace",
    "stackTrace",
    "exception",
    "exc_info",
    "traceback",
    "backtrace",
    "stack",
    "exc_text",
)
_ERROR_KEYS = ("error", "err", "exception", "exc", "exc_info", "cause", "panic")
_ABOUT_ERRORS = frozenset((*_TRACE_KEYS, *_ERROR_KEYS))
_LOGGER_KEYS = ("logger", "logger_name", "loggerName", "name")
_ABOUT_LOGGERS = frozenset((*_LOGGER_KEYS, "logging.googleapis.com/labels", "context", "record"))
_ABOUT_PLACES = frozenset(("logging.googleapis.com/sourceLocation", "labels", "record", "funcName", "lineno"))
"""All that errors, loggers and places are read from. Most payloads hold none of it, and one question for all is cheaper."""
_FALLBACK_CHARS = 2_000
_DEEPEST = 6


def _from_json(
    envelope: Envelope, payload: Mapping[str, Any], at: datetime, severity: Severity, writer: Writer, origin: str
) -> LogEntry:
    message = _first_text(payload, _MESSAGE_KEYS)
    exception_type: str | None = None
    value: str | None = None
    trace_text: str | None = None
    if not _ABOUT_ERRORS.isdisjoint(payload):
        trace_text = _first_trace(payload, _TRACE_KEYS)
        if trace_text is not None and "\n" not in trace_text and not may_hold_trace(trace_text):
            # `exception: "ValueError"` is a name, `stack: "prod"` a label; a trace has lines.
            trace_text = None
        exception_type, value, trace_text = _error_of(payload, trace_text)

    if "record" in payload:  # loguru: the whole text stands in `text`, the bare message in the record
        record = _mapping(payload["record"])
        text = payload.get("text")
        message = str(record.get("message") or message or "")
        if isinstance(text, str) and record.get("exception"):
            trace_text = text
    if trace_text is not None:
        trace_text = with_head(trace_text, exception_type, message if value is None else value)
    if message is None:
        message = value if value is not None else _flat_text(payload)
        if exception_type and value is not None:
            message = f"{exception_type}: {value}"
    elif value and value not in message and not (trace_text and value in trace_text):
        message = f"{message}: {exception_type}: {value}" if exception_type else f"{message}: {value}"
    involved: Involved | None = None
    if "involvedObject" in payload:  # an event of Kubernetes
        about = _mapping(payload["involvedObject"])
        reason = payload.get("reason")
        involved = Involved(
            str(about.get("kind") or ""), str(about.get("name") or ""), reason if isinstance(reason, str) else ""
        )
        if involved.reason not in message:
            message = f"{involved.reason}: {message}"

    if severity is _DEFAULT:
        severity = _level(payload)
        if severity is _DEFAULT:
            severity = _ERROR if trace_text or exception_type else level_of_text(message)
    place, request, split, trace = envelope.source_location, envelope.http_request, envelope.split, envelope.trace
    return LogEntry(
        envelope.insert_id,
        at,
        severity,
        writer,
        _JSON,
        message,
        origin,
        trace.rpartition("/")[2] if trace else None,
        None if split is None else _split(split),
        None if request is None else _http(request),
        trace_text,
        exception_type,
        None if _ABOUT_LOGGERS.isdisjoint(payload) else _logger(payload),
        None if place is None and _ABOUT_PLACES.isdisjoint(payload) else _location(place, payload),
        None,
        involved,
    )


def _first_text(payload: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    for key in keys:
        if key in payload and isinstance(value := payload[key], str) and value:
            return value
    return None


def _first_trace(payload: Mapping[str, Any], keys: Sequence[str]) -> str | None:
    """As `_first_text`, also of lists of lines."""
    for key in keys:
        if key not in payload:
            continue
        value = payload[key]
        if isinstance(value, str) and value:
            return value
        if (lines := _items(value)) and all(isinstance(line, str) for line in lines):
            return "\n".join(lines)
    return None


def _error_of(payload: Mapping[str, Any], trace_text: str | None) -> tuple[str | None, str | None, str | None]:
    """Type, message and trace out of an error object, in the forms that loggers give it."""
    for key in _ERROR_KEYS:
        if key not in payload:
            continue
        error = payload[key]
        if key == "panic" and isinstance(error, str | int | float):
            return None, str(error), trace_text
        if fields := _mapping(error):
            kind = _first_text(fields, ("type", "name", "class", "kind", "exc_type", "code", "className"))
            value = _first_text(fields, ("value", "message", "msg", "exc_value", "description"))
            trace = _first_trace(fields, ("traceback", "stack", "stack_trace", "stackTrace", "stacktrace", "backtrace"))
            return kind, value, trace or trace_text
        stacks = [_mapping(stack) for stack in _items(error)]
        if stacks and "exc_type" in stacks[0]:
            kind, value = _first_text(stacks[0], ("exc_type",)), _first_text(stacks[0], ("exc_value",))
            return kind, value, python_traceback(stacks)
        if isinstance(error, str) and error and "\n" not in error and key != "exc_info":
            return None, error, trace_text
    return None, None, trace_text


def python_traceback(stacks: Sequence[Mapping[str, Any]]) -> str:
    """structlog's dictionaries as the text that Python itself prints: causes first, what was reported last.

    Local variables, which structlog may add to frames, are left out: they hold secrets.
    """
    blocks: list[str] = []
    for stack in reversed(stacks):
        lines = ["Traceback (most recent call last):"]
        for frame in _items(stack.get("frames")):
            if place := _mapping(frame):
                file, line, name = place.get("filename"), place.get("lineno"), place.get("name")
                lines.append(f'  File "{file}", line {line}, in {name}')
        value = stack.get("exc_value")
        lines.append(f"{stack.get('exc_type')}: {value}" if value else f"{stack.get('exc_type')}")
        if group := _items(stack.get("exceptions")):
            blocks.append(python_traceback([_mapping(inner) for inner in _items(group[0])]))
        blocks.append("\n".join(lines))
        is_cause = stack.get("is_cause")
        blocks.append(
            "\nThe above exception was the direct cause of the following exception:\n"
            if is_cause
            else "\nDuring handling of the above exception, another exception occurred:\n"
        )
    return "\n".join(blocks[:-1])


def _logger(payload: Mapping[str, Any]) -> str | None:
    return (
        _first_text(payload, _LOGGER_KEYS)
        or _first_text(_mapping(payload.get("logging.googleapis.com/labels")), ("python_logger",))
        or _first_text(_mapping(payload.get("context")), ("name",))
        or _first_text(_mapping(payload.get("record")), ("name",))
    )


_LOGGING_OWN_FRAMES = {"callHandlers", "emit", "handle", "_log", "log_message"}


def _location(recorded: Mapping[str, Any] | None, payload: Mapping[str, Any]) -> SourceLocation | None:
    """Where the entry was written, unless what stands there is the logging library's own frame."""
    for place in (
        recorded,
        payload.get("logging.googleapis.com/sourceLocation"),
        payload.get("labels"),
        payload.get("record"),
        payload if "funcName" in payload or "lineno" in payload else None,
    ):
        if not place:
            continue
        fields = _mapping(place)
        function = fields.get("function") or fields.get("funcName")
        file = fields.get("file") or fields.get("pathname") or fields.get("filename") or fields.get("module")
        if named := _mapping(file):
            file = named.get("path")
        if not isinstance(function, str) or function in _LOGGING_OWN_FRAMES:
            continue
        line = fields.get("line") or fields.get("lineno")
        try:
            number = int(line) if line is not None else 0
        except (TypeError, ValueError):
            number = 0
        return SourceLocation(file if isinstance(file, str) else "", number if number > 0 else None, function)
    return None


def _flat_text(payload: Mapping[str, Any]) -> str:
    """A payload without a message, as `a.b=value` words: health checks, autoscaler decisions, load balancer lines."""
    words: list[str] = []
    size = 0
    for path, value in _scalars(payload, "", 0):
        words.append(f"{path}={value}")
        size += len(words[-1]) + 1
        if size > _FALLBACK_CHARS:
            break
    return " ".join(words)[:_FALLBACK_CHARS]


def _scalars(value: Mapping[str, Any], prefix: str, depth: int) -> Iterator[tuple[str, str]]:
    # In the order of names, as `gcloud` writes exports: maps on the wire have none.
    for key in sorted(value):
        if key != "@type":
            yield from _leaves(value[key], f"{prefix}{key}", depth)


def _leaves(value: object, path: str, depth: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping | Closed):
        if depth < _DEEPEST:
            yield from _scalars(_mapping(cast("object", value)), f"{path}.", depth + 1)
    elif isinstance(value, list):
        if depth < _DEEPEST:
            for i, item in enumerate(_items(cast("object", value))[:20]):
                yield from _leaves(item, f"{path}.{i}", depth + isinstance(item, list))
    elif value is not None:
        yield path, str(value)


# --- audit entries ----------------------------------------------------------------------------------------------------

_FACTS = re.compile(
    r"(?:(?:service|job|function)\.)?(?:"
    r"(?:spec\.template\.|template\.)?(?:metadata\.)?(?:name|labels\.[\w./-]{1,100}|revision)"
    r"|metadata\.(?:generation|creationTimestamp|annotations\.(?:run\.googleapis\.com/operation-id"
    r"|serving\.knative\.dev/(?:revision|service)))"
    r"|(?:(?:spec\.template\.){1,2}spec\.|spec\.|(?:template\.){1,2})?containers\.\d+\.(?:image|name)"
    r"|(?:status|spec)?\.?latest(?:Ready|Created)Revision(?:Name)?"
    r"|status\.conditions\.\d+\.\w+|status\.observedGeneration|conditions\.\d+\.(?:type|state|reason|message|lastTransitionTime)"
    r"|(?:status\.|spec\.)?(?:traffic|trafficStatuses)\.\d+\.\w+|terminalCondition\.\w+"
    r"|createTime|updateTime|reconciling|uid"
    r"|error\.(?:code|message|errors\.\d+\.(?:code|message|reason|domain))|operationType|statusMessage|httpErrorMessage"
    r")\Z"
)
"""What is picked from `response` and `request`. Everything else of them stays out: they hold plain environment values."""
_WRAPPED = re.compile(r"\A(?:service|job|function)\.")
"""The second API wraps what is made or changed in its request."""
_METADATA_FACTS = re.compile(
    r"(?:violationReason|vpcServiceControlsUniqueId|securityPolicyInfo\.servicePerimeterName|dryRun"
    r"|(?:ingress|egress)Violations\.\d+\.(?:targetResource|servicePerimeter|source)|resourceNames\.\d+|event\.\d+\.eventType"
    r"|jobChange\.job\.jobStatus\.(?:errorResult\.(?:code|message)|jobState)|preempted|operationType)\Z"
)


def _from_proto(
    envelope: Envelope, payload: Mapping[str, Any], at: datetime, severity: Severity, writer: Writer, origin: str
) -> LogEntry:
    http: HttpRequest | None = _http(envelope.http_request)
    audit: AuditCall | None = None
    kind = payload.get("@type")
    if isinstance(kind, str) and kind.endswith("RequestLog"):
        http, message = _app_engine(payload)
        severity = severity or (_ERROR if http.status >= 500 else _DEFAULT)
    elif "methodName" in payload or "serviceName" in payload:
        http = None
        audit = _audit_call(payload, envelope.operation or _NOTHING)
        message = audit.status_message or f"{audit.method} {audit.resource_name}"
        severity = severity or (_ERROR if audit.status_code else Severity.NOTICE)
    else:
        message = _first_text(payload, _MESSAGE_KEYS) or _flat_text(payload)
        severity = severity or level_of_text(message)
    return LogEntry(
        envelope.insert_id,
        at,
        severity,
        writer,
        PayloadField.PROTO,
        message,
        origin,
        envelope.trace.rpartition("/")[2] if envelope.trace else None,
        _split(envelope.split),
        http,
        audit=audit,
    )


def _audit_call(payload: Mapping[str, Any], marks: Mapping[str, Any]) -> AuditCall:
    fields = _mapping(payload.get("status"))
    try:
        code = int(fields.get("code") or 0)
    except (TypeError, ValueError):
        code = 2  # UNKNOWN: there is a status, and it is not success
    text = fields.get("message")
    status_message = text if isinstance(text, str) else ""
    facts = _facts(payload)
    if not status_message and (inner := facts.get("error.message") or facts.get("error.errors.0.message")):
        status_message = inner
        code = code or _grpc_of_http(facts.get("error.code"))
    return AuditCall(
        service=str(payload.get("serviceName") or ""),
        method=str(payload.get("methodName") or ""),
        resource_name=str(payload.get("resourceName") or ""),
        status_code=code,
        status_message=status_message,
        facts=facts,
        first=bool(marks.get("first")),
        last=bool(marks.get("last")),
    )


def _grpc_of_http(code: str | None) -> int:
    return {"400": 3, "401": 16, "403": 7, "404": 5, "409": 6, "429": 8, "500": 13, "503": 14, "504": 4}.get(
        code or "", 2
    )


def _facts(payload: Mapping[str, Any]) -> Mapping[str, str]:
    facts: dict[str, str] = {}
    for part, allowed in (("response", _FACTS), ("request", _FACTS), ("metadata", _METADATA_FACTS)):
        if part not in payload:
            continue
        for path, value in _scalars(_mapping(payload[part]), "", 0):
            if allowed.match(path):
                facts.setdefault(_WRAPPED.sub("", path), value)
    _name_conditions(facts)
    for info in map(_mapping, _items(payload.get("authorizationInfo"))):
        if info.get("permission") and not info.get("granted"):
            facts.setdefault("denied.permission", str(info["permission"]))
            if info.get("resource"):
                facts.setdefault("denied.resource", str(info["resource"]))
    return facts


def _name_conditions(facts: dict[str, str]) -> None:
    """`status.conditions.0.reason` becomes `status.conditions.Ready.reason`: the list's order is not promised."""
    for key in [key for key in facts if key.endswith(".type") and "conditions." in key]:
        stem, kind = key.removesuffix("type"), facts[key]
        lead = stem.rstrip(".").rpartition(".")[0]
        for field in ("status", "state", "reason", "message", "lastTransitionTime"):
            if (value := facts.pop(stem + field, None)) is not None:
                facts.setdefault(f"{lead}.{kind}.{field}", value)
        del facts[key]


def _app_engine(payload: Mapping[str, Any]) -> tuple[HttpRequest, str]:
    texts = [str(line.get("logMessage") or "") for line in map(_mapping, _items(payload.get("line")))]
    status = payload.get("status")
    http = HttpRequest(
        str(payload.get("method") or ""),
        int(status) if isinstance(status, int | float) else 0,
        _path(str(payload.get("resource") or "")),
        None,
    )
    return http, "\n".join(text for text in texts if text) or f"{http.method} {http.path} {http.status}"


# --- what is kept -----------------------------------------------------------------------------------------------------

_KEPT_FACTS = re.compile(
    r"(?:.*labels\.(?:commit-sha|managed-by|gcb-[\w-]+|serving\.knative\.dev/\w+)|.*containers\.\d+\.image|.*conditions\..+"
    r"|.*[Rr]evision(?:Name)?|.*traffic\w*\..+|terminalCondition\..+|error\..+|denied\..+|violationReason|name|metadata\.name"
    r"|.*\.name|.*operationType|.*[vV]iolations.+|.*jobStatus.+|vpcServiceControlsUniqueId)\Z"
)


def to_sample(entry: LogEntry, tally: Tally) -> Sample:
    """The part of an entry that reports may show: allow-listed fields, their secrets cut and counted in `tally`."""
    counted = tally.cut
    labels = entry.resource_labels
    return Sample(
        insert_id=_identifier(entry.insert_id),
        timestamp=entry.timestamp,
        severity=entry.severity,
        log_id=cut_name(entry.log_id, counted),
        project=cut_name(str(labels["project_id"]), counted) if "project_id" in labels else None,
        resource_type=entry.resource_type,
        resource_labels={key: cut_name(str(labels[key]), counted) for key in sorted(labels)},
        service=entry.service,
        revision=entry.revision,
        instance=None if entry.instance is None else _identifier(entry.instance),
        field=entry.field,
        message=ends_of(entry.message, KEPT_MESSAGE, counted),
        logger=None if entry.logger is None else counted(entry.logger),
        location=entry.location and _kept_location(entry.location, counted),
        http=entry.http
        and entry.http._replace(
            path=start_of(entry.http.path, 500, counted), method=cut_name(entry.http.method[:20], counted)
        ),
        audit=entry.audit and _kept_audit(entry.audit, tally),
        origin=entry.origin,
        trace=None if entry.trace is None else _identifier(entry.trace),
    )


def _identifier(value: str) -> Redacted:
    """An id is opaque by nature and opens the evidence, so it stays, unless it holds what is known to be a secret."""
    shown = start_of(value, 200)
    return Redacted(value) if shown in (value, "[opaque]") and len(value) <= _LONGEST_ID else shown


_LONGEST_ID = 200


def _kept_location(location: SourceLocation, cut: Any) -> SourceLocation:
    return location._replace(file=cut(location.file), function=cut(location.function))


def _kept_audit(audit: AuditCall, tally: Tally) -> AuditCall:
    return audit._replace(
        resource_name=tally.cut(audit.resource_name),
        status_message=ends_of(audit.status_message, KEPT_MESSAGE, tally.cut),
        facts={
            key: ends_of(audit.facts[key], KEPT_MESSAGE, tally.cut)
            for key in sorted(audit.facts)
            if _KEPT_FACTS.match(key)
        },
    )

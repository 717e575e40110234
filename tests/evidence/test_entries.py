"""What a reader of logs expects to find in an entry, whichever logger wrote it."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.json import decode

from app.evidence.entries import BadEntry, level_of_text, parse_entry, parse_line, to_sample
from app.evidence.model import HttpRequest, LogEntry, PayloadField, Severity
from app.redact import Tally

AT = "2026-03-04T05:06:07.123456789Z"


def entry(**fields: Any) -> LogEntry:
    raw: dict[str, Any] = {
        "timestamp": AT,
        "insertId": "i1",
        "logName": "projects/demo/logs/run.googleapis.com%2Fstderr",
        "resource": {"type": "cloud_run_revision", "labels": {"service_name": "web", "revision_name": "web-00002-abc"}},
        "labels": {"instanceId": "inst-1"},
    }
    return parse_entry({**raw, **fields}, "f:1")


def test_the_envelope_names_service_revision_instance_and_log() -> None:
    read = entry(textPayload="hello", severity="INFO")
    assert (read.service, read.revision, read.instance) == ("web", "web-00002-abc", "inst-1")
    assert read.log_id == "run.googleapis.com/stderr"
    assert read.timestamp == datetime(2026, 3, 4, 5, 6, 7, 123456, tzinfo=UTC)
    assert (read.message, read.field, read.origin) == ("hello", PayloadField.TEXT, "f:1")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [({}, "no timestamp"), ({"timestamp": 3}, "no timestamp"), ({"timestamp": "soon"}, "timestamp is not RFC 3339")],
)
def test_an_entry_without_a_time_is_refused_with_the_reason(raw: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadEntry, match=reason):
        parse_entry(raw, "f:1")


def test_times_with_an_offset_become_utc() -> None:
    assert entry(timestamp="2026-03-04T05:06:07+02:00").timestamp == datetime(2026, 3, 4, 3, 6, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("E0304 05:06:07.000000 1 server.go:10] no route", Severity.ERROR),
        ("I0304 05:06:07.000000 1 server.go:10] ready", Severity.INFO),
        ("2026-03-04 05:06:07,123 WARNING pool is small", Severity.WARNING),
        ("[2026-03-04 05:06:07 +0000] [7] [CRITICAL] WORKER TIMEOUT (pid:9)", Severity.CRITICAL),
        ('time="2026-03-04T05:06:07Z" level=error msg="no route"', Severity.ERROR),
        ("2026/03/04 05:06:07 [emerg] 1#1: bind() failed", Severity.EMERGENCY),
        ("05:06:07.123 [main] ERROR shop.Cart - no price", Severity.ERROR),
        ("05:06:07.123 [worker] paid", Severity.DEFAULT),
        ("Traceback (most recent call last):", Severity.ERROR),
        ("TypeError: Cannot read properties of undefined", Severity.ERROR),
        ("panic: runtime error: index out of range", Severity.CRITICAL),
        ("dial tcp 10.0.0.3:5432: i/o timeout", Severity.ERROR),
        ("INFO:     Application startup complete.", Severity.INFO),
        ("Listening on port 8080", Severity.DEFAULT),
        ("sync done: 12 ok, 0 failed", Severity.DEFAULT),
    ],
)
def test_a_level_that_was_not_mapped_is_worked_out(line: str, severity: Severity) -> None:
    assert level_of_text(line) == severity
    assert entry(textPayload=line).severity == severity
    assert entry(textPayload=line, severity="NOTICE").severity == Severity.NOTICE


@pytest.mark.parametrize(
    "payload",
    [
        {"message": "pay failed", "levelname": "ERROR"},
        {"event": "pay failed", "level": "error", "logger": "shop"},
        {"text": "05:06 | pay failed\n", "record": {"message": "pay failed", "level": {"name": "ERROR", "no": 40}}},
        {"msg": "pay failed", "level": 50},
        {"message": "pay failed", "severity": "ERROR"},
    ],
    ids=["python-json-logger", "structlog", "loguru", "pino", "hand-made"],
)
def test_each_logger_tells_its_message_and_level(payload: dict[str, Any]) -> None:
    read = entry(jsonPayload=payload)
    assert (read.message, read.severity, read.field) == ("pay failed", Severity.ERROR, PayloadField.JSON)


def test_a_structlog_traceback_reads_like_pythons_own_without_local_variables() -> None:
    stacks = [
        {"exc_type": "PayError", "exc_value": "no", "frames": [{"filename": "/app/pay.py", "lineno": 9, "name": "pay"}]},
        {
            "exc_type": "KeyError", "exc_value": "'card'", "is_cause": True,
            "frames": [{"filename": "/app/card.py", "lineno": 3, "name": "get", "locals": {"pin": "9911"}}],
        },
    ]  # fmt: skip
    read = entry(jsonPayload={"event": "pay failed", "level": "error", "exception": stacks})
    assert read.trace_text is not None
    assert (
        read.trace_text.index("KeyError: 'card'")
        < read.trace_text.index("direct cause")
        < read.trace_text.index("PayError: no")
    )
    assert 'File "/app/card.py", line 3, in get' in read.trace_text
    assert "9911" not in str(read)
    assert read.exception_type == "PayError"


def test_an_error_object_tells_type_value_and_place() -> None:
    read = entry(
        jsonPayload={
            "message": "startup failed",
            "error": {"type": "StartupError", "value": "database timeout after 8.0s", "traceback": "Traceback …\n  x"},
            "labels": {"function": "init_db", "line": "1018", "module": "boot"},
            "context": {"name": "app.boot"},
        }
    )
    assert read.message == "startup failed: StartupError: database timeout after 8.0s"
    assert read.trace_text == "Traceback …\n  x"
    assert (read.exception_type, read.logger, read.severity) == ("StartupError", "app.boot", Severity.ERROR)
    assert read.location is not None
    assert (read.location.function, read.location.line) == ("init_db", 1018)


@pytest.mark.parametrize(
    ("payload", "trace"),
    [
        (
            {
                "message": "take failed",
                "exception": {"class": "Empty", "message": "no shelf", "backtrace": ["/a.rb:7:in `take'"]},
            },
            "Empty: no shelf\n/a.rb:7:in `take'",
        ),
        (
            {"message": "Empty: no shelf", "backtrace": "/a.rb:7:in `take'\n/b.rb:1:in `run'"},
            "Empty: no shelf\n/a.rb:7:in `take'\n/b.rb:1:in `run'",
        ),
        (
            {
                "msg": "panic recovered",
                "panic": "no shelf",
                "stack": "goroutine 1 [running]:\nmain.take()\n\t/a.go:7 +0x1",
            },
            "no shelf\ngoroutine 1 [running]:\nmain.take()\n\t/a.go:7 +0x1",
        ),
        (
            {
                "error": "no shelf",
                "errorVerbose": "no shelf\nmain.take\n\t/a.go:7",
                "stacktrace": "main.log\n\t/b.go:1",
            },
            "no shelf\nmain.take\n\t/a.go:7",
        ),
    ],
)
def test_an_exception_that_a_logger_took_apart_is_whole_again(payload: dict[str, Any], trace: str) -> None:
    assert entry(jsonPayload=payload).trace_text == trace


def test_the_logging_librarys_own_frame_is_no_place() -> None:
    assert (
        entry(jsonPayload={"message": "m", "labels": {"function": "callHandlers", "module": "logging"}}).location
        is None
    )


def test_a_request_keeps_its_path_without_host_and_query() -> None:
    read = entry(
        httpRequest={
            "requestMethod": "GET",
            "requestUrl": "https://h.example/pay/7?token=abc",
            "status": 503,
            "latency": "1.5s",
        },
        severity="ERROR",
    )
    assert read.http == HttpRequest("GET", 503, "/pay/7", 1.5)
    assert read.message == "GET /pay/7 503"


def test_an_audit_entry_keeps_the_deployment_and_no_environment() -> None:
    read = entry(
        logName="projects/demo/logs/cloudaudit.googleapis.com%2Fsystem_event",
        protoPayload={
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "run.googleapis.com",
            "methodName": "/Services.ReplaceService",
            "resourceName": "namespaces/demo/revisions/web-00002-abc",
            "status": {"code": 9, "message": "Ready condition status changed to False for Revision web-00002-abc"},
            "response": {
                "metadata": {"name": "web-00002-abc", "labels": {"commit-sha": "a" * 40}},
                "spec": {
                    "containers": [{"image": "reg/web@sha256:1", "env": [{"name": "DB_PASSWORD", "value": "hunter22"}]}]
                },
                "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "HealthCheckContainerError"}]},
            },
        },
        operation={"id": "o", "first": True},
    )
    assert read.audit is not None
    facts = read.audit.facts
    assert facts["metadata.labels.commit-sha"] == "a" * 40
    assert facts["spec.containers.0.image"] == "reg/web@sha256:1"
    assert facts["status.conditions.Ready.reason"] == "HealthCheckContainerError"
    assert (read.audit.status_code, read.audit.first, read.audit.last) == (9, True, False)
    assert read.severity == Severity.ERROR
    assert "hunter22" not in str(read)


def test_a_denied_permission_is_named() -> None:
    read = entry(
        protoPayload={
            "serviceName": "run.googleapis.com", "methodName": "m", "status": {"code": 7, "message": "denied"},
            "authorizationInfo": [{"permission": "run.services.get", "granted": True}, {"permission": "x.y.z"}],
        }
    )  # fmt: skip
    assert read.audit is not None
    assert read.audit.facts["denied.permission"] == "x.y.z"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("no volume to mount", "FailedMount: no volume to mount"),
        ("FailedMount of a volume", "FailedMount of a volume"),
    ],
)
def test_an_event_of_kubernetes_says_its_reason(message: str, said: str) -> None:
    event = {"reason": "FailedMount", "message": message, "involvedObject": {"kind": "Pod", "name": "web-1"}}
    assert entry(jsonPayload=event).message == said


def test_a_payload_without_a_message_is_read_as_words() -> None:
    read = entry(jsonPayload={"noScaleUp": {"reason": {"messageId": "no.scale.up.in.backoff"}}})
    assert read.message == "noScaleUp.reason.messageId=no.scale.up.in.backoff"


def test_a_sample_holds_no_secret_and_counts_what_was_cut() -> None:
    tally = Tally()
    sample = to_sample(entry(textPayload="login with password=hunter2xyz from 203.0.113.7"), tally)
    assert sample.message == "login with password=[secret] from [public-ip]"
    assert tally.counts == {"address": 1, "named secret": 1}


def test_a_huge_message_keeps_head_and_tail() -> None:
    sample = to_sample(entry(textPayload="head " + "x " * 50_000 + "tail"), Tally())
    assert len(sample.message) <= 8_000
    assert sample.message.startswith("head ")
    assert sample.message.endswith("tail")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)
KNOWN_KEYS = st.sampled_from(
    ["textPayload", "jsonPayload", "protoPayload", "resource", "labels", "httpRequest", "severity", "split", "operation",
     "trace", "logName", "insertId", "sourceLocation"]
)  # fmt: skip
INNER_KEYS = st.sampled_from(
    ["message", "exception", "error", "record", "level", "labels", "status", "response", "authorizationInfo", "methodName",
     "type", "frames", "exc_type", "line", "uid", "context", "@type", "metadata"]
)  # fmt: skip


# How fast values are drawn says how busy the machine is.
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(KNOWN_KEYS, JSON | st.dictionaries(INNER_KEYS, JSON, max_size=4), max_size=6))
def test_an_entry_of_any_shape_is_read_and_kept(raw: dict[str, Any]) -> None:
    read = parse_entry({**raw, "timestamp": AT}, "f:1")
    sample = to_sample(read, Tally())
    assert sample.severity == read.severity


# --- the two ways to read a line ----------------------------------------------------------------------------------------

LABELS = st.dictionaries(st.sampled_from(["service_name", "pod_name", "project_id", "instanceId"]), st.text(max_size=9))
FINITE = JSON.filter(lambda value: "Infinity" not in json.dumps(value))
WRITTEN = st.fixed_dictionaries(
    {"timestamp": st.sampled_from([AT, "2026-03-04T05:06:07Z", "2026-03-04T05:06:07.9999999Z", "2026-03-04T07:06:07+02:00"])},
    optional={
        "insertId": st.text(max_size=8),
        "logName": st.sampled_from(["projects/demo/logs/run.googleapis.com%2Fstderr", "projects/demo/logs/stderr", ""]),
        "resource": st.fixed_dictionaries(
            {"type": st.sampled_from(["cloud_run_revision", "k8s_container", "k8s_cluster", ""])},
            optional={"labels": LABELS},
        ),
        "labels": LABELS,
        "severity": st.sampled_from(["DEFAULT", "INFO", "ERROR", "EMERGENCY", "warn", "odd", ""]),
        "trace": st.sampled_from(["projects/demo/traces/0af7", "0af7", ""]),
        "textPayload": st.text(max_size=30),
        "jsonPayload": st.dictionaries(INNER_KEYS, FINITE, max_size=5),
        "protoPayload": st.dictionaries(INNER_KEYS, FINITE, max_size=5),
        "httpRequest": st.fixed_dictionaries(
            {"requestMethod": st.just("GET")}, optional={"requestUrl": st.just("https://h/a?b"), "status": FINITE}
        ),
        "sourceLocation": st.dictionaries(st.sampled_from(["file", "line", "function"]), st.text(max_size=5) | st.integers()),
        "operation": st.fixed_dictionaries({"id": st.text(max_size=3)}, optional={"first": st.booleans()}),
        "split": st.fixed_dictionaries({"uid": st.text(max_size=3), "index": st.integers(), "totalSplits": st.integers()}),
        "spanId": st.text(max_size=3),
        "receiveTimestamp": st.just("2026-03-04T05:06:09Z"),
    },
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(WRITTEN)
def test_a_line_as_the_api_writes_it_is_read_at_once_and_says_the_same(raw: dict[str, Any]) -> None:
    line = json.dumps(raw).encode()
    assert parse_line(line, "f:1") == parse_entry(decode(line), "f:1")


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    st.dictionaries(
        KNOWN_KEYS | st.just("timestamp"), FINITE | st.just(AT) | st.dictionaries(INNER_KEYS, FINITE, max_size=4)
    )
)
def test_a_line_in_any_other_form_says_the_same_or_is_left_to_the_patient_way(raw: dict[str, Any]) -> None:
    line = json.dumps(raw).encode()
    read = parse_line(line, "f:1")
    try:
        patiently = parse_entry(decode(line), "f:1")
    except BadEntry:
        assert read is None
    else:
        assert read in (None, patiently)


@pytest.mark.parametrize(
    "line",
    [
        b"", b"5", b"[]", b"null", b"{", b"{}", b'{"timestamp": null}', b'{"timestamp": "soon"}', b"\xff",
        b'{"timestamp": "2026-03-04T05:06:07Z", "labels": {"a": 1}}',
        b'{"timestamp": "2026-03-04T05:06:07Z", "labels": {"a": "\xff"}}',
        b'{"timestamp": "2026-03-04T05:06:07Z", "textPayload": 5}',
        b'{"timestamp": "2026-03-04T05:06:07Z", "textPayload": "\xff"}',
        b'{"timestamp": "2026-03-04T05:06:07Z", "resource": "web"}',
        b'{"timestamp": "0001-01-01T00:00:00+02:00"}',
        b'{"timestamp": "2026-03-04T05:06:07Z", "jsonPayload": ' + b"[" * 100_000,
        b'{"timestamp": "2026-03-04T05:06:07Z", "other": ' + b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_not_in_the_form_of_the_api_is_left_to_the_patient_way(line: bytes) -> None:
    assert parse_line(line, "f:1") is None

"""What comes over the wire is the same entry as in an export, however little of it is decoded."""

import json
from typing import Any, cast

import pytest
from google.cloud.logging_v2.types import ListLogEntriesResponse, LogEntry
from google.protobuf import struct_pb2
from google.protobuf.json_format import ParseDict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.evidence.entries import BadEntry, parse_entry
from app.sources import log_wire
from tests.evidence.test_entries import AT, INNER_KEYS, LABELS

LOG_ENTRY, PAGE = (cast("Any", kind).pb() for kind in (LogEntry, ListLogEntriesResponse))
ORIGINALS = {
    "Page": PAGE.DESCRIPTOR,
    "Entry": LOG_ENTRY.DESCRIPTOR,
    "Stamp": LOG_ENTRY.DESCRIPTOR.fields_by_name["timestamp"].message_type,
    "Label": LOG_ENTRY.DESCRIPTOR.nested_types_by_name["LabelsEntry"],
    "Struct": struct_pb2.Struct.DESCRIPTOR,
}


def over_the_wire(raw: dict[str, Any]) -> Any:
    page = PAGE(entries=[ParseDict(raw, LOG_ENTRY(), ignore_unknown_fields=True)])
    return log_wire.CLASSES["Page"].FromString(page.SerializeToString()).entries[0]


def test_every_field_has_the_number_and_the_kind_of_the_published_message() -> None:
    for name, original in ORIGINALS.items():
        for field in log_wire.CLASSES[name].DESCRIPTOR.fields:
            published = original.fields_by_name[field.name]
            assert field.number == published.number
            closed = field.type == field.TYPE_BYTES and published.type == field.TYPE_MESSAGE
            as_number = field.type == field.TYPE_INT32 and published.type == field.TYPE_ENUM
            assert closed or as_number or field.type == published.type, (name, field.name)


# The API writes whole numbers without a fraction.
NUMBERS = st.integers(1 - 2**53, 2**53 - 1) | st.floats(-1e9, 1e9).filter(lambda number: not number.is_integer())
TEXTS = st.text(max_size=8) | st.sampled_from(["", "x" * 127, "x" * 128, "é" * 70, "x" * 16_383, "x" * 16_384])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(INNER_KEYS | st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)
PAYLOADS = st.dictionaries(INNER_KEYS | st.text(max_size=6), VALUES, min_size=1, max_size=5)
ENTRIES = st.fixed_dictionaries(
    {"timestamp": st.sampled_from([AT, "2026-03-04T05:06:07Z", "1969-12-31T23:59:59.25Z", "9999-12-31T23:59:59.999999999Z"])},
    optional={
        "insertId": st.text(max_size=8),
        "logName": st.sampled_from(["projects/demo/logs/run.googleapis.com%2Fstderr", "projects/demo/logs/stderr"]),
        "resource": st.fixed_dictionaries(
            {"type": st.sampled_from(["cloud_run_revision", "k8s_container"])},
            optional={"labels": LABELS},
        ),
        "labels": LABELS,
        "severity": st.sampled_from(["DEFAULT", "INFO", "ERROR", "EMERGENCY"]),
        "trace": st.sampled_from(["projects/demo/traces/0af7", "0af7"]),
        "httpRequest": st.fixed_dictionaries(
            {"requestMethod": st.just("GET")}, optional={"requestUrl": st.just("https://h/a?b"), "latency": st.just("0.25s")}
        ),
        "sourceLocation": st.fixed_dictionaries({"file": st.text(min_size=1, max_size=3), "function": st.text(max_size=3)}),
        "split": st.fixed_dictionaries({"uid": st.text(min_size=1, max_size=3), "index": st.integers(0, 9)}),
    },
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    ENTRIES, st.builds(lambda text: {"textPayload": text}, TEXTS) | st.builds(lambda p: {"jsonPayload": p}, PAYLOADS)
)
def test_an_entry_says_the_same_over_the_wire_and_in_an_export(raw: dict[str, Any], payload: dict[str, Any]) -> None:
    raw |= payload
    assert log_wire.read(over_the_wire(raw), "here") == parse_entry(json.loads(json.dumps(raw)), "here")


def test_numbers_are_whole_where_they_were_and_lists_and_structs_open_when_looked_into() -> None:
    payload = {
        "a": 3,
        "b": 2.5,
        "c": [1, {"d": None}],
        "e": {"f": {"g": True}},
        "h": "x" * 20_000,
        "i": {"j": "x" * 20_000},
    }
    read = log_wire.read(over_the_wire({"timestamp": AT, "jsonPayload": payload}), "here")
    assert read.message.startswith(f"a=3 b=2.5 c.0=1 e.f.g=True h={'x' * 1_000}")


@pytest.mark.parametrize(
    "broken", [b"\x1a\x05", b"\x1a\x01\xff", b"\x1a", b"\x2a\x02\x0a\x05", b"\x32\x05", b"\x11\x00"]
)
def test_an_entry_with_a_value_that_cannot_be_opened_is_bad_and_sinks_no_other(broken: bytes) -> None:
    raw = over_the_wire({"timestamp": AT, "jsonPayload": {"error": "x"}})
    raw.json_payload.fields["error"] = broken
    with pytest.raises(BadEntry):
        log_wire.read(raw, "here")


@pytest.mark.parametrize("broken", [{"http_request": b"\x0a\x05"}, {"labels": [b"\x0a\x05"]}, {"timestamp": None}])
def test_an_entry_that_cannot_be_opened_is_bad(broken: dict[str, Any]) -> None:
    raw = over_the_wire({"timestamp": AT})
    for name, value in broken.items():
        raw.ClearField(name)
        if isinstance(value, list):
            getattr(raw, name).extend(value)
        elif value is not None:
            setattr(raw, name, value)
    with pytest.raises(BadEntry):
        log_wire.read(raw, "here")


def test_a_time_beyond_all_calendars_is_no_time() -> None:
    raw = over_the_wire({"timestamp": AT})
    raw.timestamp.seconds = 10**15
    with pytest.raises(BadEntry):
        log_wire.time_of(raw)

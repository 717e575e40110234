"""What the Cloud Logging API writes on the wire, decoded no deeper than the parser looks.

Owns the messages that an answer is decoded into, and the step from one of them to a `LogEntry`. Leaves asking, paging and
quota to `cloud_logging.py`, and what an entry means to `evidence/entries.py`.

An audit takes a hundred thousand entries and looks at a few fields of each. The SDK's own classes decode every entry to its
last leaf. Here the parts of an entry that are messages themselves are declared as `bytes`, which on the wire is the same:
they are opened when somebody looks, and who wrote an entry is recognised by its bytes.
"""

import struct
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, Final, cast

from google.api.monitored_resource_pb2 import MonitoredResource
from google.cloud.appengine_logging_v1.types import RequestLog
from google.cloud.audit.audit_log_pb2 import AuditLog
from google.cloud.logging_v2.services.logging_service_v2.transports import LoggingServiceV2GrpcAsyncIOTransport
from google.cloud.logging_v2.types import (
    ListLogEntriesRequest,
    LogEntryOperation,
    LogEntrySourceLocation,
    LogSplit,
)
from google.logging.type.http_request_pb2 import HttpRequest
from google.protobuf import any_pb2, struct_pb2
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from app.evidence import entries, model
from app.evidence.entries import BadEntry, Closed, Envelope, read_entry
from app.evidence.model import Severity, Writer

# --- the messages -------------------------------------------------------------------------------------------------------


_MESSAGES: Final[Mapping[str, Mapping[str, tuple[int, str]]]] = {
    "Page": {"entries": (1, "repeated Entry"), "next_page_token": (2, "string")},
    "Entry": {
        "proto_payload": (2, "bytes"),
        "text_payload": (3, "string"),
        "insert_id": (4, "string"),
        "json_payload": (6, "Struct"),
        "http_request": (7, "bytes"),
        "resource": (8, "bytes"),
        "timestamp": (9, "Stamp"),
        "severity": (10, "int32"),
        "labels": (11, "repeated bytes"),
        "log_name": (12, "string"),
        "operation": (15, "bytes"),
        "trace": (22, "string"),
        "source_location": (23, "bytes"),
        "receive_timestamp": (24, "Stamp"),
        "split": (35, "bytes"),
    },
    "Stamp": {"seconds": (1, "int64"), "nanos": (2, "int32")},
    "Label": {"key": (1, "string"), "value": (2, "string")},
    "Struct": {"fields": (1, "repeated FieldsEntry")},
    "FieldsEntry": {"key": (1, "string"), "value": (2, "bytes")},
}
"""What is decoded, with the numbers of `google.logging.v2` and of `google.protobuf.Struct`."""


def _classes() -> dict[str, Any]:
    scalars = {
        name: FieldDescriptorProto.Type.Value(f"TYPE_{name.upper()}") for name in ("bytes", "string", "int32", "int64")
    }
    file = FileDescriptorProto(name="picked.proto", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = DescriptorProto(name=name)
        for field, (number, kind) in fields.items():
            label, _, kind = kind.rpartition(" ")
            own = message.field.add(name=field, number=number, label=FieldDescriptorProto.LABEL_OPTIONAL)
            if label:
                own.label = FieldDescriptorProto.LABEL_REPEATED
            if kind in scalars:
                own.type = scalars[kind]
            else:
                own.type, own.type_name = FieldDescriptorProto.TYPE_MESSAGE, kind
        if name == "FieldsEntry":
            message.options.map_entry = True
            next(m for m in file.message_type if m.name == "Struct").nested_type.append(message)
        else:
            file.message_type.append(message)
    pool = DescriptorPool()
    pool.Add(file)
    return {name: GetMessageClass(pool.FindMessageTypeByName(name)) for name in _MESSAGES if name != "FieldsEntry"}


def _raw(kind: Any) -> Any:
    """The protobuf class behind one of the SDK's, whose own wrapper costs more than everything else here."""
    return kind.pb()


CLASSES: Final = _classes()
_open_page, _open_label, _open_struct = (CLASSES[name].FromString for name in ("Page", "Label", "Struct"))
_open_value, _open_any = struct_pb2.Value.FromString, any_pb2.Any.FromString
_open_operation, _open_split = _raw(LogEntryOperation).FromString, _raw(LogSplit).FromString
_open_place, _open_request_log = _raw(LogEntrySourceLocation).FromString, _raw(RequestLog).FromString


class Transport(LoggingServiceV2GrpcAsyncIOTransport):
    """The SDK's transport, but for what it decodes an answer of `ListLogEntries` into: raw, and picked."""

    @cached_property
    def list_log_entries(self) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - read like the property it was
        return self.grpc_channel.unary_unary(
            "/google.logging.v2.LoggingServiceV2/ListLogEntries",
            request_serializer=cast("Any", ListLogEntriesRequest).serialize,
            response_deserializer=_open_page,
        )


# --- one entry ----------------------------------------------------------------------------------------------------------

_WRITERS: Final = 4_096
_SEVERITIES = {int(severity): severity for severity in Severity}
_DEFAULT: Final = Severity.DEFAULT
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


def read(raw: Any, origin: str) -> model.LogEntry:
    """The entry of a raw, picked message. Raises `BadEntry` where it has no time, or cannot be opened."""
    try:
        envelope = Envelope(raw.insert_id, raw.trace, text := raw.text_payload)
        if not text:
            _put_payload(raw, envelope)
        if packed := raw.http_request:
            envelope.http_request = _request(packed)
        if packed := raw.split:
            split = _open_split(packed)
            envelope.split = {"uid": split.uid, "index": split.index, "totalSplits": split.total_splits}
        writer = _writer(raw.log_name, raw.resource, *raw.labels)
        severity = _SEVERITIES.get(raw.severity, _DEFAULT)
        return read_entry(envelope, time_of(raw), severity, writer, origin)
    except (DecodeError, UnicodeDecodeError):
        raise BadEntry("a part of it cannot be decoded") from None


def time_of(raw: Any) -> datetime:
    """When it was written, else when it was received. Raises `BadEntry`."""
    stamp = raw.timestamp
    if not (seconds := stamp.seconds):
        stamp = raw.receive_timestamp
        if not (seconds := stamp.seconds):
            raise BadEntry("no timestamp")
    try:  # `ToDatetime` costs six times as much
        return _EPOCH + timedelta(0, seconds, stamp.nanos // 1000)
    except OverflowError:
        raise BadEntry("timestamp is out of range") from None


@lru_cache(maxsize=_WRITERS)
def _writer(log_name: str, resource: bytes, *labels: bytes) -> Writer:
    found = MonitoredResource.FromString(resource)
    pairs = map(_open_label, labels)
    return Writer(entries.log_id(log_name), found.type, dict(found.labels), {pair.key: pair.value for pair in pairs})


def _put_payload(raw: Any, envelope: Envelope) -> None:
    if fields := raw.json_payload.fields:
        envelope.json_payload = _read_members(fields)
        if packed := raw.source_location:
            place = _open_place(packed)
            envelope.source_location = {"file": place.file, "line": place.line, "function": place.function}
    elif packed := raw.proto_payload:
        envelope.proto_payload = _unpacked(_open_any(packed))
        if packed := raw.operation:
            operation = _open_operation(packed)
            envelope.operation = {"id": operation.id, "first": operation.first, "last": operation.last}


def _request(packed: bytes) -> Mapping[str, Any]:
    request = HttpRequest.FromString(packed)
    latency = request.latency
    return {
        "requestMethod": request.request_method,
        "requestUrl": request.request_url,
        "status": request.status,
        "latency": f"{latency.seconds + latency.nanos / 1e9}s" if request.HasField("latency") else None,
    }


# --- structs ------------------------------------------------------------------------------------------------------------

# How a Value begins: the number of its field, and in three bits that eight bytes follow, or a length and a body.
_NUMBER, _TEXT, _STRUCT = 2 << 3 | 1, 3 << 3 | 2, 5 << 3 | 2
_double = struct.Struct("<d").unpack_from


def _members(packed: bytes) -> dict[str, Any]:
    return _read_members(_open_struct(packed).fields)


def _read_members(fields: Any) -> dict[str, Any]:
    """The names of a struct with their values. A struct in it stays closed until somebody looks."""
    found: dict[str, Any] = {}
    for name in fields:  # `items()` of such a map is Python, and half as fast
        value = fields[name]
        kind, size = (value[0], len(value)) if len(value) > 1 else (0, 0)
        # Nearly all are of these three kinds, and to have the library open them would double what an entry costs.
        if kind == _TEXT and value[1] == size - 2 < 128:
            found[name] = value[2:].decode()
        elif kind == _NUMBER and size == 9:
            found[name] = _number(_double(value, 1)[0])
        elif kind in (_TEXT, _STRUCT) and (body := _body(value, size)) is not None:
            found[name] = body.decode() if kind == _TEXT else _closed(body)
        else:
            found[name] = _opened(_open_value(value))
    return found


def _body(value: bytes, size: int) -> bytes | None:
    """What follows a length of one byte or of two, if it is all that there is; None otherwise."""
    if value[1] == size - 2 < 128:
        return value[2:]
    return value[3:] if size > 130 and value[2] < 128 and value[1] & 127 | value[2] << 7 == size - 3 else None


def _closed(packed: bytes) -> Closed:
    return Closed(_few_members if len(packed) <= _SMALL else _members, packed)


_SMALL: Final = 256
"""Bytes. Small structs (who logs, from which line, in which context) are the same few over and over."""
_few_members = lru_cache(maxsize=1_024)(_members)


def _number(value: float) -> float:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _opened(value: Any) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "struct_value":
            return _closed(value.struct_value.SerializeToString())
        case "number_value":
            return _number(value.number_value)
        case "list_value":
            return [_opened(item) for item in value.list_value.values]
        case "bool_value":
            return value.bool_value
        case _:
            return None


def _unpacked(packed: Any) -> dict[str, Any]:
    """An audit or App Engine entry out of its envelope, field by field; other payload types are named and stay closed.

    The whole is never opened: messages inside may be of types that nobody knows here, and `request` of a caller's secrets.
    """
    found: dict[str, Any] = {"@type": packed.type_url}
    try:
        if packed.type_url.endswith("google.cloud.audit.AuditLog"):
            found |= _audit(AuditLog.FromString(packed.value))
        elif packed.type_url.endswith("google.appengine.logging.v1.RequestLog"):
            found |= _request_log(_open_request_log(packed.value))
    except DecodeError:
        pass  # what cannot be opened is still an entry, of a type that is named
    return found


def _audit(audit: Any) -> dict[str, Any]:
    return {
        "serviceName": audit.service_name,
        "methodName": audit.method_name,
        "resourceName": audit.resource_name,
        "status": {"code": audit.status.code, "message": audit.status.message},
        "authorizationInfo": [
            {"permission": info.permission, "granted": info.granted, "resource": info.resource}
            for info in audit.authorization_info
        ],
        **{
            part: _members(getattr(audit, part).SerializeToString())
            for part in ("request", "response", "metadata")
            if audit.HasField(part)
        },
    }


def _request_log(request: Any) -> dict[str, Any]:
    return {
        "method": request.method,
        "resource": request.resource,
        "status": request.status,
        "line": [{"logMessage": line.log_message} for line in request.line],
    }

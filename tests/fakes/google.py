"""A stand-in for Cloud Logging at the wire: gRPC on loopback, entries out of memory, filters really evaluated.

It misbehaves on request. Serves tests and the demo.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import grpc
from google.cloud.audit.audit_log_pb2 import AuditLog
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient
from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse, LogEntry
from google.protobuf.any_pb2 import Any as Any_
from google.protobuf.json_format import ParseDict
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from app.sources import log_wire
from app.sources.query_language import QueryError, matches, parse

assert AuditLog.DESCRIPTOR.full_name == "google.cloud.audit.AuditLog", (
    "registers the type that audit payloads are packed as"
)

REQUEST, RESPONSE, ENTRY = (
    cast("Any", kind).pb() for kind in (ListLogEntriesRequest, ListLogEntriesResponse, LogEntry)
)


@dataclass
class Trouble:
    """What the next call answers instead. `after` calls are answered first; `times` -1 goes on for ever.

    `code` None with `empty_page`: an empty page that has a successor. `reset`: the server goes away in the middle of it.
    `message` and `reason` are what the service says about `code`, in words and for machines (`ErrorInfo`).
    """

    code: grpc.StatusCode | None = None
    reset: bool = False
    times: int = 1
    after: int = 0
    seconds: float = 0
    empty_page: bool = False
    message: str = "told to fail"
    reason: str = ""


@dataclass
class Call:
    filter: str
    page_token: str
    resource_names: tuple[str, ...]


@dataclass
class FakeLogging:
    """`projects` are those that the caller may read. Page tokens are bound to their query, as the real ones are."""

    entries: list[dict[str, Any]] = field(default_factory=list)
    projects: set[str] = field(default_factory=set)
    troubles: list[Trouble] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    tokens_expire: bool = False
    stop: Callable[[], object] | None = None
    _converted: dict[int, Any] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def list(self, request: Any, context: grpc.ServicerContext) -> Any:
        with self._lock:
            self.calls.append(Call(request.filter, request.page_token, tuple(request.resource_names)))
            trouble = self._next_trouble()
        if trouble is not None:
            time.sleep(trouble.seconds)
            if trouble.reset and self.stop is not None:
                self.stop()
            if trouble.code is not None:
                if trouble.reason:
                    context.set_trailing_metadata(_details(trouble))
                context.abort(trouble.code, trouble.message)
            if trouble.empty_page:
                return RESPONSE(next_page_token=f"0|{request.filter}")
        if not request.resource_names:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "resource_names is required")
        for name in request.resource_names:
            if name.split("/")[1] not in self.projects:
                context.abort(
                    grpc.StatusCode.PERMISSION_DENIED, f"Permission 'logging.logEntries.list' denied on {name}"
                )
        if request.page_size < 0 or request.page_size > 1000:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "page_size must be between 0 and 1000")
        if request.order_by not in ("", "timestamp asc", "timestamp desc"):
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "order_by must be timestamp asc or timestamp desc")
        try:
            query = parse(request.filter)
        except QueryError as wrong:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"Unparseable filter: {wrong}")
        start = 0
        if request.page_token:
            place, _, of = request.page_token.partition("|")
            if of != request.filter or self.tokens_expire:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "page_token is not valid for this request")
            start = int(place)
        wanted = {name.split("/")[1] for name in request.resource_names}
        chosen = [
            entry
            for entry in self.entries
            if entry["logName"].split("/")[1] in wanted | self._shared(request.resource_names) and matches(query, entry)
        ]
        chosen.sort(key=lambda e: (e["timestamp"], e["insertId"]), reverse=request.order_by == "timestamp desc")
        size = request.page_size or 50
        page = chosen[start : start + size]
        more = f"{start + size}|{request.filter}" if start + size < len(chosen) else ""
        return RESPONSE(entries=[self._pb(entry) for entry in page], next_page_token=more)

    def _shared(self, names: Sequence[str]) -> set[str]:
        """A log view may hold entries of projects other than its own."""
        return {e["logName"].split("/")[1] for e in self.entries} if any("/views/" in name for name in names) else set()

    def _next_trouble(self) -> Trouble | None:
        for trouble in self.troubles:
            if trouble.after > 0:
                trouble.after -= 1
                return None
            if trouble.times != 0:
                trouble.times -= 1
                return trouble
        return None

    def _pb(self, entry: dict[str, Any]) -> Any:
        if id(entry) not in self._converted:
            self._converted[id(entry)] = ParseDict(entry, ENTRY())
        return self._converted[id(entry)]


def _details(trouble: Trouble) -> tuple[tuple[str, bytes], ...]:
    info = ErrorInfo(reason=trouble.reason, domain="googleapis.com", metadata={"consumer": "projects/4711"})
    packed = Any_()
    packed.Pack(info)
    status = Status(code=cast("Any", trouble.code).value[0], message=trouble.message, details=[packed])
    return (("grpc-status-details-bin", status.SerializeToString()),)


@contextmanager
def serve_logging(fake: FakeLogging, *, secure: bool = False) -> Iterator[str]:
    """Serve on loopback; gives `host:port`. `secure`: a channel that call credentials may be used on."""
    handler = grpc.unary_unary_rpc_method_handler(
        fake.list, request_deserializer=REQUEST.FromString, response_serializer=RESPONSE.SerializeToString
    )
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("google.logging.v2.LoggingServiceV2", {"ListLogEntries": handler}),)
    )
    if secure:
        port = server.add_secure_port("127.0.0.1:0", grpc.local_server_credentials())
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    fake.stop = lambda: server.stop(0)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def client_of(address: str, channel: Any = None) -> LoggingServiceV2AsyncClient:
    """The real client on an open channel. Must be made on the loop that uses it."""
    channel = channel or grpc.aio.insecure_channel(address, options=[("grpc.max_receive_message_length", -1)])
    return LoggingServiceV2AsyncClient(transport=log_wire.Transport(channel=channel))


def shifted(entries: Sequence[dict[str, Any]], newest: datetime) -> list[dict[str, Any]]:
    """The same entries, moved in time so that the newest stands at `newest`."""
    times = [datetime.fromisoformat(entry["timestamp"]) for entry in entries]
    by = newest - max(times)
    return [
        {
            **entry,
            "timestamp": (at + by).isoformat().replace("+00:00", "Z"),
            "receiveTimestamp": (at + by).isoformat().replace("+00:00", "Z"),
        }
        for entry, at in zip(entries, times, strict=True)
    ]

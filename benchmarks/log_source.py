"""What reading live logs costs: entries a second over loopback gRPC, beside the bare client and the documented way.

    python -m benchmarks.log_source [--entries 100000] [--rounds 3]

A server in a process of its own answers with pages of 1,000 entries, half of them tracebacks and half nested JSON of some
1.5 KB, serialised beforehand, so that only the reader is measured. The bare client iterates over its entries and looks at
nothing, and over the raw messages behind them, which is the least that any reader of the SDK can do; the documented way reads
the time, the severity, the resource's labels and the text or the payload of each entry; the log source reads, parses, checks
and hands on every entry. All run in turn, in one process, by CPU time, which moves less than the clock with whatever else the
machine does. Peak memory is that of a third process that reads through the log source alone.
"""

import argparse
import asyncio
import json
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import grpc
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient
from google.cloud.logging_v2.services.logging_service_v2.transports import LoggingServiceV2GrpcAsyncIOTransport
from google.cloud.logging_v2.types import ListLogEntriesRequest, ListLogEntriesResponse, LogEntry
from google.logging.type.log_severity_pb2 import LogSeverity
from google.protobuf.json_format import ParseDict

from app.evidence.model import LogEntry as Entry
from app.evidence.model import LogQuestion, Window
from app.sources import log_wire
from app.sources.cloud_logging import CloudLogging, Limiter, Plan

START = datetime(2026, 3, 4, 5, tzinfo=UTC)
PAGE = 1_000
TRACE = "Traceback (most recent call last):\n" + "".join(
    f'  File "/app/shop/layer_{depth}.py", line {depth * 17 + 3}, in step_{depth}\n    return self.next(order, depth={depth})\n'
    for depth in range(12)
)


def entry(number: int) -> dict[str, Any]:
    at = START + timedelta(milliseconds=20 * number)
    base = {
        "insertId": f"{number:016x}",
        "logName": "projects/shop-prod/logs/run.googleapis.com%2Fstderr",
        "resource": {
            "type": "cloud_run_revision",
            "labels": {
                "project_id": "shop-prod",
                "service_name": "checkout",
                "revision_name": f"checkout-{number % 3:05}-abc",
                "configuration_name": "checkout",
                "location": "europe-west1",
            },
        },
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "receiveTimestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "severity": "ERROR",
        "labels": {"instanceId": f"00c5{number % 40:060x}", "commit-sha": "9f" * 20},
        "trace": f"projects/shop-prod/traces/{number:032x}",
    }
    if number % 2:
        return base | {"textPayload": f"{TRACE}ValueError: order {number} has no price"}
    return base | {
        "jsonPayload": {
            "message": f"charging order {number} failed",
            "level": "error",
            "error": {"type": "PaymentRefused", "value": f"card of order {number} was refused"},
            "context": {"name": "shop.payments", "attempt": number % 4, "limits": {"cpu": 2, "memory": "512Mi"}},
            "order": {
                "id": number,
                "items": [{"sku": f"sku-{i}", "price": 1.5 * i, "tags": ["a", "b"]} for i in range(12)],
            },
            "user_agent": "shop/1.4 " + "x" * 300,
        }
    }


def serve(entries: int) -> None:
    """Serves until its input ends; prints its port first."""
    response, one = cast("Any", ListLogEntriesResponse).pb(), cast("Any", LogEntry).pb()
    pages: list[bytes] = []
    for start in range(0, entries, PAGE):
        rows = [ParseDict(entry(number), one()) for number in range(start, min(start + PAGE, entries))]
        token = str(len(pages) + 1) if start + PAGE < entries else ""
        pages.append(response(entries=rows, next_page_token=token).SerializeToString())

    def list_entries(request: Any, _context: grpc.ServicerContext) -> bytes:
        return pages[int(request.page_token or 0)]

    handler = grpc.unary_unary_rpc_method_handler(
        list_entries, request_deserializer=cast("Any", ListLogEntriesRequest).pb().FromString
    )
    server = grpc.server(ThreadPoolExecutor(2), options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("google.logging.v2.LoggingServiceV2", {"ListLogEntries": handler}),)
    )
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()


def client_of(
    port: int, transport: type[LoggingServiceV2GrpcAsyncIOTransport] = LoggingServiceV2GrpcAsyncIOTransport
) -> LoggingServiceV2AsyncClient:
    channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", -1)])
    return LoggingServiceV2AsyncClient(transport=transport(channel=channel))


async def pager_of(port: int) -> Any:
    request = ListLogEntriesRequest(resource_names=["projects/shop-prod"], page_size=PAGE, order_by="timestamp desc")
    return await client_of(port).list_log_entries(request)


async def bare(port: int) -> int:
    count = 0
    async for _ in await pager_of(port):
        count += 1
    return count


async def raw(port: int) -> int:
    count = 0
    async for page in (await pager_of(port)).pages:
        for _ in type(page).pb(page).entries:
            count += 1
    return count


async def documented(port: int) -> int:
    count = characters = 0
    async for one in await pager_of(port):
        labels = one.resource.labels
        if one.timestamp >= START and one.severity >= LogSeverity.ERROR and labels["service_name"]:
            characters += len(one.text_payload or one.json_payload["message"])
            count += 1
    return count if characters else 0


async def ours(port: int, entries: int) -> int:
    count = 0

    def sink(_entry: Entry) -> None:
        nonlocal count
        count += 1

    pages = -(-entries // PAGE)
    plan = Plan(deployments=0, failures=pages, rest=0, requests=0, onset=0)
    source = CloudLogging(
        client_of(port, log_wire.Transport),
        ["projects/shop-prod"],
        frozenset({"shop-prod"}),
        Limiter(10 * pages),
        plan=plan,
    )
    await source.read(LogQuestion(Window(START, START + timedelta(days=1))), sink)
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--read", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.entries)
        return
    if options.read:
        asyncio.run(ours(options.read, options.entries))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    me = [sys.executable, "-m", "benchmarks.log_source", "--entries", str(options.entries)]
    begun = time.perf_counter()
    with subprocess.Popen([*me, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        seconds: dict[str, list[float]] = {"raw": [], "bare": [], "documented": [], "ours": []}
        for number in range(options.rounds):
            runs = {
                "raw": raw(port),
                "bare": bare(port),
                "documented": documented(port),
                "ours": ours(port, options.entries),
            }
            for name, run in runs.items():
                start = time.process_time()
                count = asyncio.run(run)
                seconds[name].append(time.process_time() - start)
                if count != options.entries:
                    raise SystemExit(f"{name} gave {count:,} entries of {options.entries:,}")
                print(
                    f"round {number + 1}  {name:<10} {count / seconds[name][-1]:>10,.0f} entries per CPU second",
                    flush=True,
                )
        alone = subprocess.run([*me, "--read", str(port)], capture_output=True, text=True, check=True)
        assert server.stdin is not None
        server.stdin.close()
    rate = {name: options.entries / statistics.median(times) for name, times in seconds.items()}
    print(
        json.dumps(
            {
                "cases": options.entries,
                "seconds": round(time.perf_counter() - begun, 1),
                "peak_rss_mb": round(int(alone.stdout) / 1024),
                **{f"{name}_per_s": round(per_second) for name, per_second in rate.items()},
                "ratio": round(rate["ours"] / rate["bare"], 3),
                "ratio_to_raw": round(rate["ours"] / rate["raw"], 3),
                "ratio_to_documented": round(rate["ours"] / rate["documented"], 2),
            }
        )
    )


if __name__ == "__main__":
    main()

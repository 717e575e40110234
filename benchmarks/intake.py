"""How fast deliveries are taken in: ours beside a bare receiver, in one run.

The bare receiver is uvicorn with a signature check and a counter, and stores nothing: the floor for any Python server. Ours
answers events that do not concern us, and stores relevant ones durably (SQLite, fsync before the 202). Each server is a
process pinned to one core, the load comes from another. CPU is what the server process itself used.

    python -m benchmarks.intake [--seconds 3] [--store postgresql://…]
"""

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

SECRET = "benchmark-secret-0123456789"
CONNECTIONS = (1, 16, 64)


def delivery_body(size: int = 12_600) -> bytes:
    """A signed `issues` payload of GitHub's usual size; `%` stands where the label differs."""
    payload: dict[str, Any] = {
        "action": "labeled",
        "issue": {"number": 1, "state": "open", "title": "checkout fails", "body": ""},
        "label": {"name": "infra-audit"},
        "repository": {"id": 5, "full_name": "acme/shop", "private": True},
        "sender": {"login": "dana", "type": "User"},
        "installation": {"id": 9},
    }
    payload["issue"]["body"] = "x" * (size - len(json.dumps(payload)))
    return json.dumps(payload).encode()


def request_bytes(body: bytes, event: str, guid: str) -> bytes:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    head = (
        f"POST /webhooks/github HTTP/1.1\r\nHost: 127.0.0.1\r\nX-GitHub-Event: {event}\r\nX-GitHub-Delivery: {guid}\r\n"
        f"X-Hub-Signature-256: sha256={digest}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def load(port: int, event: str, connections: int, seconds: float) -> list[float]:
    """Latencies in seconds; every request is a delivery of its own."""
    body = delivery_body()
    template = request_bytes(body, event, "#" * 36)
    before, _, after = template.partition(b"#" * 36)
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (start := time.perf_counter()) < end:
            writer.write(before + str(uuid.uuid4()).encode() + after)
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 202 " not in head.split(b"\r\n", 1)[0]:
                raise SystemExit(f"unexpected answer: {head[:80]!r}")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            await reader.readexactly(int(lengths[0].partition(b":")[2]))
            latencies.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return latencies


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(kind: str, event: str, connections: int, seconds: float, store: str | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        target = store or f"sqlite:///{directory}/audit.db"
        command = [sys.executable, "-m", "benchmarks.intake", "--server", kind, str(port), target]
        process = subprocess.Popen(command)
        try:
            wait_for(port)
            asyncio.run(load(port, event, connections, 0.5))
            before = cpu_of(process.pid)
            latencies = sorted(asyncio.run(load(port, event, connections, seconds)))
            cpu = cpu_of(process.pid) - before
        finally:
            process.terminate()
            process.wait()
    return {
        "receiver": kind,
        "event": event,
        "connections": connections,
        "per_second": round(len(latencies) / seconds),
        "p50_ms": round(statistics.median(latencies) * 1000, 2),
        "p99_ms": round(latencies[int(len(latencies) * 0.99)] * 1000, 2),
        "cpu_us": round(cpu / len(latencies) * 1e6),
    }


def wait_for(port: int) -> None:
    for _ in range(400):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("the server did not start")


def serve(kind: str, port: int, store: str) -> None:
    """The measured process, on one core where there are several."""
    import uvicorn

    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-1:])
    config: dict[str, Any] = {"host": "127.0.0.1", "port": port, "log_level": "error", "access_log": False}
    if kind == "bare":
        uvicorn.run(bare, lifespan="off", **config)
        return
    from fastapi import FastAPI

    from app.archive import Archive, Inbox, StoredDelivery
    from app.web import Web

    archive = Archive(store)
    if kind == "ours, jobs included":
        from app.jobs import Jobs

        async def done(_argument: str, _attempt: int) -> None:
            """The delivery's answer is not part of taking it in."""

        jobs = Jobs(store, {"delivery": done})
        jobs.start()

        def hand_on(delivery: StoredDelivery) -> None:
            jobs.enqueue("delivery", delivery.guid, id=delivery.job)
    else:

        def hand_on(delivery: StoredDelivery) -> None:
            """Stored is what the 202 promises; the jobs are measured in their own row."""

    inbox = Inbox(archive, hand_on)
    inbox.start()
    uvicorn.run(Web(FastAPI(), (SECRET,), inbox), lifespan="off", **config)
    os._exit(0)


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Verify and answer: nothing is parsed, nothing is stored."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    given = dict(scope["headers"])[b"x-hub-signature-256"]
    expected = b"sha256=" + hmac.digest(SECRET.encode(), body, "sha256").hex().encode()
    status = 202 if hmac.compare_digest(given, expected) else 401
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--store", help="a postgresql:// address instead of a temporary SQLite file")
    parser.add_argument("--server", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.server:
        kind, port, store = arguments.server
        serve(kind, int(port), store)
        return
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    begun = time.perf_counter()
    rows = [
        measure(kind, event, connections, arguments.seconds, arguments.store)
        for connections in CONNECTIONS
        for kind, event in (
            ("bare", "issues"),
            ("ours", "push"),
            ("ours", "issues"),
            ("ours, jobs included", "issues"),
        )
    ]
    print(f"{'receiver':22} {'event':8} {'at once':>7} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>8}")
    for row in rows:
        print("{receiver:22} {event:8} {connections:7} {per_second:8} {p50_ms:8} {p99_ms:8} {cpu_us:8}".format(**row))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    totals = {"cases": len(rows), "seconds": round(time.perf_counter() - begun, 1), "peak_rss_mb": round(peak, 1)}
    print(json.dumps({**totals, "rows": rows}))


if __name__ == "__main__":
    main()

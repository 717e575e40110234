"""How fast deliveries are taken in: ours beside Probot and a bare receiver, in one run.

The bare receiver is uvicorn with a signature check, and stores nothing: the floor for a Python server. Probot verifies, parses
and hands the event to a handler that counts, and stores nothing. Ours answers events that do not concern us, and stores
relevant ones durably (SQLite, fsync before the 202). Each server is a process pinned to one core, the load comes from another.
CPU is what the server process itself used. The receivers take turns, and the median of the rounds is shown.

    python -m benchmarks.intake [--seconds 3] [--rounds 3] [--probot DIRECTORY] [--store postgresql://…]

DIRECTORY holds an installed Probot, or will hold it: npm installs it there when it is not. It lies outside of this repository.
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

import uvloop

from tests.fakes.github import FakeGitHub

PROBOT = "Probot"
PEER = Path(__file__).with_name("probot_peer.mjs")
SECRET = "benchmark-secret-0123456789"
CONNECTIONS = (16,)


RELEVANT = {"relevant": "labeled", "ignored": "edited"}
"""Actions of an `issues` event: both are delivered to the App, and one of them leads to a job."""


def delivery_body(action: str = "labeled", size: int = 12_600) -> bytes:
    """An `issues` payload of GitHub's usual size."""
    payload: dict[str, Any] = {
        "action": action,
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


async def load(port: int, delivery: str, connections: int, seconds: float) -> list[float]:
    """Latencies in seconds; every request is a delivery of its own."""
    template = request_bytes(delivery_body(RELEVANT[delivery]), "issues", "#" * 36)
    before, _, after = template.partition(b"#" * 36)
    latencies: list[float] = []
    end = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (start := time.perf_counter()) < end:
            writer.write(before + str(uuid.uuid4()).encode() + after)
            head = await reader.readuntil(b"\r\n\r\n")
            if head[9:12] not in (b"200", b"202"):
                raise SystemExit(f"unexpected answer: {head[:80]!r}")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if lengths:
                await reader.readexactly(int(lengths[0].partition(b":")[2]))
            else:  # sent in chunks
                await reader.readuntil(b"0\r\n\r\n")
            latencies.append(time.perf_counter() - start)
        writer.close()

    await asyncio.gather(*(client() for _ in range(connections)))
    return latencies


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(
    kind: str, delivery: str, connections: int, seconds: float, store: str | None, probot: Path | None
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as directory, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        target = store or f"sqlite:///{directory}/audit.db"
        command = [sys.executable, "-m", "benchmarks.intake", "--server", kind, str(port), target]
        if kind == PROBOT:
            key = Path(directory, "key.pem")
            key.write_text(FakeGitHub().private_key)
            command = ["node", str(PEER), str(probot), str(port), SECRET, str(key)]
        process = subprocess.Popen(command, preexec_fn=pin_to_the_last_core)
        try:
            wait_for(port)
            uvloop.run(load(port, delivery, connections, 1.0))
            before = cpu_of(process.pid)
            latencies = sorted(uvloop.run(load(port, delivery, connections, seconds)))
            cpu = cpu_of(process.pid) - before
        finally:
            process.terminate()
            process.wait()
    return {
        "receiver": kind,
        "delivery": delivery,
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


def pin_to_the_last_core() -> None:
    """The server's, where there are several; the load has the first one."""
    os.sched_setaffinity(0, {(os.cpu_count() or 1) - 1})


def installed(probot: Path) -> Path:
    if not (probot / "node_modules" / "probot").is_dir():
        probot.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "probot@14"], cwd=probot, check=True
        )
    return probot.absolute()


def serve(kind: str, port: int, store: str) -> None:
    """The measured process."""
    import uvicorn

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


def compare(seconds: float, rounds: int, probot: Path | None, store: str | None = None) -> list[dict[str, Any]]:
    """One row per receiver and number of connections: medians over the rounds."""
    os.sched_setaffinity(0, {0})
    kinds = [("bare", "relevant"), ("ours", "ignored"), ("ours", "relevant"), ("ours, jobs included", "relevant")]
    if probot is not None:
        probot = installed(probot)
        kinds = [kinds[0], (PROBOT, "ignored"), kinds[1], (PROBOT, "relevant"), *kinds[2:]]
    rows: list[dict[str, Any]] = []
    for connections in CONNECTIONS:
        taken = [[measure(k, e, connections, seconds, store, probot) for k, e in kinds] for _ in range(rounds)]
        for tries in zip(*taken, strict=True):
            numbers = {n: statistics.median(t[n] for t in tries) for n in ("per_second", "p50_ms", "p99_ms", "cpu_us")}
            rows.append({**tries[0], **numbers})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--probot", type=Path, help="where Probot is installed, or will be")
    parser.add_argument("--store", help="a postgresql:// address instead of a temporary SQLite file")
    parser.add_argument("--server", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.server:
        kind, port, store = arguments.server
        serve(kind, int(port), store)
        return
    begun = time.perf_counter()
    try:
        rows = compare(arguments.seconds, arguments.rounds, arguments.probot, arguments.store)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"Probot cannot be had: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    print(f"{'receiver':22} {'delivery':8} {'at once':>7} {'req/s':>8} {'p50 ms':>8} {'p99 ms':>8} {'CPU us':>8}")
    for row in rows:
        print(
            "{receiver:22} {delivery:8} {connections:7} {per_second:8.0f} {p50_ms:8.1f} {p99_ms:8.1f} {cpu_us:8.0f}".format(
                **row
            )
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    totals = {"cases": len(rows), "seconds": round(time.perf_counter() - begun, 1), "peak_rss_mb": round(peak, 1)}
    print(json.dumps({**totals, "rows": rows}))


if __name__ == "__main__":
    main()

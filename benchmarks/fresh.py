"""Fresh log lines of a made-up shop: endless, no two equal, and for each the sentence that it was made from.

Owns the lines that the speed and volume benchmarks run on where no outside data is at hand. The values are drawn anew for
every line, and three in a hundred lines carry a name that was never seen before, since that is what makes groups multiply.
The sentences may also come from a file of templates, as labelled collections of logs have them.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

Sentence = tuple[tuple[str, str], ...]
"""Pieces of it: the kind of the value that comes first (empty for none), and the text after it."""

SENTENCES = (
    "order {n} of customer {id} paid with {n} cents in {ms} ms",
    "order {n} refused: card of customer {id} declined by issuer {n}",
    "GET /api/v1/orders/{n}/items took {ms} ms, {n} rows",
    "cache miss for key cart:{id}:{hex}",
    "cache hit for key cart:{id}:{hex} ({n} bytes)",
    "dial tcp {ip}:{port}: connect: connection refused",
    "dial tcp {ip}:{port}: i/o timeout",
    "upstream {host}:{port} answered {n} after {ms} ms, retry {n} of {n}",
    "session {uuid} opened for user {name} from {ip}",
    "session {uuid} closed for user {name}",
    "user {name} has no permission on bucket {path}",
    "moved {path}/{hex}.parquet to {path}",
    "worker {n} took job {uuid} from queue orders, {n} waiting",
    "worker {n} gave job {uuid} back after {ms} ms: deadline exceeded",
    "pool exhausted: {n} of {n} connections in use, waited {ms} ms",
    "slow query ({ms} ms): select by id {n} on table orders",
    "memory at {n} MiB of {n} MiB, {n} objects collected",
    "published message {n}-{hex} to topic shipments with {n} attributes",
    "rejected message {n}-{hex} of topic shipments: schema {n} unknown",
    "feature flags read: version={n} source={host} stale=false",
    "tls handshake with {host} failed after {ms} ms: certificate expired",
    "request {uuid} finished status={n} bytes={n} duration={ms}ms",
    "snapshot {hex} of volume {id} written, {n} blocks",
    "lease {n} renewed by {host} until {n}",
    "lease {n} lost by {host}",
    "batch {n}: {n} read, {n} written, {n} skipped",
    "config reloaded from {path}, checksum {hex}",
    "rate limit for {ip} reached: {n} requests in {n} s",
    "payment provider says: code={n} trace={uuid}",
    "shutting down after {n} s, {n} requests in flight",
)
_LETTERS = "abcdefghijklmnoprstuvwz"


def shop() -> tuple[Sentence, ...]:
    return tuple(_pieces(sentence) for sentence in SENTENCES)


def _pieces(sentence: str) -> Sentence:
    first, *others = sentence.split("{")
    pieces = [("", first)]
    for other in others:
        kind, _, text = other.partition("}")
        pieces.append((kind, text))
    return tuple(pieces)


def templates(path: Path, seed: int = 1) -> tuple[Sentence, ...]:
    """The distinct lines of a file, `<*>` where a value belongs; every place keeps one kind of value."""
    draw = random.Random(seed)
    distinct = dict.fromkeys(path.read_text(encoding="utf-8").splitlines())
    return tuple(
        tuple(
            (draw.choice(("n", "n", "n", "hex", "ip", "id")) if place else "", text)
            for place, text in enumerate(line.split("<*>"))
        )
        for line in distinct
    )


def lines(count: int, sentences: tuple[Sentence, ...], seed: int = 1) -> Iterator[tuple[int, str]]:
    """Number of the sentence and the message, `count` times."""
    draw = random.Random(seed)
    names = ["".join(draw.choices(_LETTERS, k=draw.randint(4, 9))) for _ in range(40)]
    for _ in range(count):
        number = draw.randrange(len(sentences))
        message = "".join(_value(kind, draw, names) + text if kind else text for kind, text in sentences[number])
        yield number, message


def _value(kind: str, draw: random.Random, names: list[str]) -> str:
    match kind:
        case "n":
            return str(draw.randrange(10 ** draw.randint(1, 6)))
        case "ms":
            return str(draw.randrange(20_000))
        case "port":
            return str(draw.randint(1_024, 65_535))
        case "id":
            return f"c-{draw.randrange(10**8)}"
        case "hex":
            return f"{draw.getrandbits(48):012x}"
        case "uuid":
            bits = f"{draw.getrandbits(128):032x}"
            return "-".join((bits[:8], bits[8:12], bits[12:16], bits[16:20], bits[20:]))
        case "ip":
            return ".".join(str(draw.randrange(256)) for _ in range(4))
        case "host":
            return f"node-{draw.randrange(300)}.shop.internal"
        case "path":
            return "/" + "/".join(draw.choices(names, k=3))
        case "name":
            return "".join(draw.choices(_LETTERS, k=8)) if draw.random() < 0.3 else draw.choice(names)
        case _:
            raise ValueError(f"no such value: {kind}")


def entries(count: int, sentences: tuple[Sentence, ...], seed: int = 1) -> Iterator[tuple[int, bytes]]:
    """As `lines`, but each message as a LogEntry in JSON, 20 ms apart, from two services in two revisions each."""
    start = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
    for number, (sentence, message) in enumerate(lines(count, sentences, seed)):
        at = (start + timedelta(milliseconds=20 * number)).isoformat().replace("+00:00", "Z")
        service = ("shop", "cart")[number % 2]
        revision = f"{service}-0000{1 + (number > count // 2)}-abc"
        entry = {
            "insertId": f"{number:024x}",
            "logName": "projects/demo/logs/run.googleapis.com%2Fstderr",
            "resource": {
                "type": "cloud_run_revision",
                "labels": {
                    "project_id": "demo",
                    "location": "europe-west1",
                    "service_name": service,
                    "revision_name": revision,
                },
            },
            "timestamp": at,
            "receiveTimestamp": at,
            "labels": {"instanceId": f"{number % 7:064x}"},
            "severity": "ERROR" if sentence % 3 == 1 else "INFO",
            "textPayload": message,
        }
        yield sentence, json.dumps(entry).encode() + b"\n"

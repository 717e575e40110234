"""One contract for both log sources: the same entries in, the same observations out, read from a file or over the wire."""

import gzip
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from app.errors import SourceRefused
from app.evidence.model import LogQuestion, LogsRead, Observations, ServiceName, Window
from app.evidence.observe import Observer
from app.investigate import Logs
from app.sources.cloud_logging import CloudLogging, Limiter
from app.sources.jsonl import FileLogs
from tests.fakes.google import FakeLogging, client_of, serve_logging

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/logs.jsonl.gz"))
START = datetime(2026, 3, 4, 5, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))


async def observe(
    source: Logs, window: Window, services: Sequence[str] = (), seen: list[str] | None = None
) -> tuple[Observations, LogsRead]:
    names = tuple(ServiceName(service) for service in services)
    observer = Observer(window=window, services=names)

    def sink(entry: Any) -> None:
        if seen is not None:
            seen.append(entry.insert_id)
        observer.add(entry)

    done = await source.read(LogQuestion(window, names), sink)
    return observer.finish(), done


async def over_the_wire(
    entries: list[dict[str, Any]], window: Window, services: Sequence[str] = (), seen: list[str] | None = None
) -> tuple[Observations, LogsRead]:
    projects = {entry["logName"].split("/")[1] for entry in entries}
    fake = FakeLogging(entries=entries, projects=projects)
    with serve_logging(fake) as address:
        resources = [f"projects/{project}" for project in sorted(projects)]
        source = CloudLogging(client_of(address), resources, frozenset(projects), Limiter())
        return await observe(source, window, services, seen)


async def from_file(
    entries: list[dict[str, Any]], window: Window, folder: Path, services: Sequence[str] = ()
) -> tuple[Observations, LogsRead]:
    path = folder / "logs.json"
    path.write_text(json.dumps(entries))
    return await observe(FileLogs([path]), window, services)


def plain(observations: Observations) -> Any:
    """Without where each entry stood, which is the one thing that must differ."""

    def strip(value: Any) -> Any:
        match value:
            case dict():
                return {key: strip(inner) for key, inner in value.items() if key != "origin"}
            case list():
                return [strip(item) for item in value]
            case _:
                return value

    return strip(TypeAdapter(Observations).dump_python(observations, mode="json"))


# --- entries of every shape -------------------------------------------------------------------------------------------


def entry(number: int, **fields: Any) -> dict[str, Any]:
    at = START + timedelta(minutes=10, seconds=number)
    labels = {
        "project_id": "shop-prod",
        "service_name": "web",
        "revision_name": "web-00001-a",
        "location": "europe-west1",
    }
    return {
        "insertId": f"i{number:04}",
        "logName": "projects/shop-prod/logs/run.googleapis.com%2Fstderr",
        "resource": {"type": "cloud_run_revision", "labels": labels},
        "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z",
        "severity": "ERROR",
        **fields,
    }


def audit(number: int, **payload: Any) -> dict[str, Any]:
    return entry(
        number,
        logName="projects/shop-prod/logs/cloudaudit.googleapis.com%2Factivity",
        severity="NOTICE",
        protoPayload={
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "run.googleapis.com",
            "methodName": "google.cloud.run.v1.Services.ReplaceService",
            "resourceName": "namespaces/shop-prod/services/web",
            **payload,
        },
    )


TRACE = (
    'Traceback (most recent call last):\n  File "/app/shop/cart.py", line 41, in total\n    pay()\nValueError: no price'
)
CLUSTER = {"project_id": "shop-prod", "location": "europe-west1", "cluster_name": "blue"}
SHAPES: dict[str, dict[str, Any]] = {
    "text": entry(1, textPayload="ValueError: order 17 has no price"),
    "a trace in text": entry(2, textPayload=TRACE),
    "plain stderr": entry(3, severity="DEFAULT", textPayload=TRACE, labels={"instanceId": "00aa", "commit-sha": "a" * 40}),
    "structlog": entry(
        4, severity="DEFAULT",
        jsonPayload={
            "event": "charge failed", "level": "error", "order": 17, "ratio": 0.5, "big": 12345678901, "ok": False,
            "none": None,
            "exception": [{"exc_type": "ValueError", "exc_value": "no price", "is_cause": False,
                           "frames": [{"filename": "/app/cart.py", "lineno": 41, "name": "total", "locals": {"pin": "1"}}]}],
        },
    ),
    "loguru": entry(
        5, severity="DEFAULT",
        jsonPayload={"text": TRACE, "record": {"level": {"name": "ERROR"}, "message": "pay", "exception": {"type": "E"},
                                              "name": "shop.cart", "function": "total", "line": 41}},
    ),
    "an error object": entry(
        6,
        jsonPayload={"message": "pay", "error": {"type": "ValueError", "value": "no price", "traceback": TRACE},
                     "labels": {"function": "total", "line": "41", "module": "cart"}, "context": {"name": "shop"}},
        sourceLocation={"file": "/app/shop/cart.py", "line": "41", "function": "total"},
        trace="projects/shop-prod/traces/0af7651916cd43dd8448eb211c80319c",
    ),
    "a payload without a message": entry(7, jsonPayload={"code": 502, "peer": {"host": "db", "ports": [5432, 5433]}}),
    "a failed request": entry(
        8, logName="projects/shop-prod/logs/run.googleapis.com%2Frequests",
        httpRequest={"requestMethod": "GET", "requestUrl": "https://shop.example/cart?a=b", "status": 503, "latency": "1.5s"},
    ),
    "a request": entry(
        9, severity="INFO", logName="projects/shop-prod/logs/run.googleapis.com%2Frequests",
        httpRequest={"requestMethod": "POST", "requestUrl": "https://shop.example/pay", "status": 200, "latency": "0.020s"},
    ),
    "a deploy": audit(
        10,
        request={"service": {"spec": {"template": {"spec": {"containers": [{"env": [{"name": "PIN", "value": "4711"}]}]}}}}},
        response={"metadata": {"labels": {"commit-sha": "b" * 40}, "generation": 7},
                  "status": {"conditions": [{"type": "Ready", "status": "True"}], "traffic": [{"percent": 100}]}},
        authenticationInfo={"principalEmail": "person@example.com"},
    ) | {"operation": {"id": "o1", "producer": "run.googleapis.com", "first": True}},
    "a refused call": audit(
        11,
        status={"code": 7, "message": "Permission 'run.services.update' denied"},
        authorizationInfo=[{"permission": "run.services.update", "granted": False, "resource": "namespaces/shop-prod"}],
    ) | {"severity": "ERROR"},
    "an App Engine request": entry(
        12, logName="projects/shop-prod/logs/appengine.googleapis.com%2Frequest_log",
        resource={"type": "gae_app", "labels": {"project_id": "shop-prod", "module_id": "front", "version_id": "v7"}},
        protoPayload={"@type": "type.googleapis.com/google.appengine.logging.v1.RequestLog", "method": "GET",
                      "resource": "/cart?x=1", "status": 500, "line": [{"logMessage": "no price"}]},
    ),
    "a container of a cluster": entry(
        13, logName="projects/shop-prod/logs/stderr", textPayload="E0304 05:10:13.000000 1 main.go:7] no price",
        resource={"type": "k8s_container",
                  "labels": {"project_id": "shop-prod", "location": "europe-west1", "cluster_name": "blue",
                             "namespace_name": "shop", "pod_name": "web-5d9-x", "container_name": "web"}},
        labels={"k8s-pod/app": "web", "k8s-pod/pod-template-hash": "5d9"},
    ),
    "a job": entry(
        14, textPayload="no price",
        resource={"type": "cloud_run_job",
                  "labels": {"project_id": "shop-prod", "location": "europe-west1", "job_name": "web"}},
        labels={"run.googleapis.com/execution_name": "web-1"},
    ),
    "a function": entry(
        15, textPayload="no price",
        resource={"type": "cloud_function",
                  "labels": {"project_id": "shop-prod", "region": "europe-west1", "function_name": "web"}},
    ),
    "a database": entry(
        16, logName="projects/shop-prod/logs/cloudsql.googleapis.com%2Fpostgres.log",
        textPayload="FATAL: remaining connection slots are reserved",
        resource={"type": "cloudsql_database",
                  "labels": {"project_id": "shop-prod", "region": "europe", "database_id": "shop-prod:main"}},
    ),
    "the first half of a large entry": entry(17, textPayload="half", split={"uid": "s1", "index": 0, "totalSplits": 2}),
    "the second half of a large entry": entry(18, textPayload="whole", split={"uid": "s1", "index": 1, "totalSplits": 2}),
    "an exit": entry(
        19, severity="WARNING", logName="projects/shop-prod/logs/run.googleapis.com%2Fvarlog%2Fsystem",
        textPayload="Container called exit(3).",
    ),
    "a warning of a cluster": entry(
        20, severity="WARNING", logName="projects/shop-prod/logs/events",
        resource={"type": "k8s_pod", "labels": CLUSTER | {"namespace_name": "shop", "pod_name": "web-6d4cf56db6-x2x9q"}},
        jsonPayload={
            "involvedObject": {"kind": "Pod", "name": "web-6d4cf56db6-x2x9q", "fieldPath": "spec.containers{server}"},
            "reason": "BackOff", "message": "Back-off restarting failed container", "count": 3,
        },
    ),
    "a rollout that a cluster tells": entry(
        21, severity="INFO", logName="projects/shop-prod/logs/events",
        resource={"type": "k8s_cluster", "labels": CLUSTER},
        jsonPayload={
            "involvedObject": {"kind": "Deployment", "name": "web"}, "reason": "ScalingReplicaSet",
            "message": "Scaled up replica set web-6d4cf56db6 from 0 to 1",
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
async def test_an_entry_of_any_shape_is_observed_alike(shape: str, tmp_path: Path) -> None:
    entries = [SHAPES[shape]]
    wire, _ = await over_the_wire(entries, WINDOW)
    file, _ = await from_file(entries, WINDOW, tmp_path)
    assert wire.entries == 1
    assert plain(wire) == plain(file)


async def test_all_shapes_together_are_observed_alike_in_any_order_of_the_file(tmp_path: Path) -> None:
    entries = list(SHAPES.values())
    wire, _ = await over_the_wire(entries, WINDOW)
    for rows in (entries, entries[::-1]):
        file, _ = await from_file(rows, WINDOW, tmp_path)
        assert plain(wire) == plain(file)


@pytest.mark.parametrize(
    ("service", "shapes"),
    [
        ("front", ["an App Engine request"]),
        ("shop-prod:main", ["a database"]),
        ("web", [name for name in SHAPES if name not in ("an App Engine request", "a database")]),
    ],
)
async def test_a_service_is_found_by_whatever_label_names_it(service: str, shapes: list[str], tmp_path: Path) -> None:
    seen: list[str] = []
    wire, _ = await over_the_wire(list(SHAPES.values()), WINDOW, (service,), seen)
    assert sorted(seen) == sorted(SHAPES[name]["insertId"] for name in shapes)
    file, _ = await from_file(list(SHAPES.values()), WINDOW, tmp_path, (service,))
    assert plain(wire) == plain(file)


@pytest.mark.parametrize("name", NAMES)
async def test_an_incident_is_observed_alike(name: str, tmp_path: Path) -> None:
    """Over the wire only what bears on failures is pulled: of those entries, both sources say the same."""
    lines = gzip.decompress((EXAMPLES / name / "logs.jsonl.gz").read_bytes()).splitlines()
    entries = [entry for entry in map(json.loads, lines) if "timestamp" in entry]
    if not entries:
        wire, done = await over_the_wire([SHAPES["text"]], Window(START - timedelta(hours=1), START))
        assert wire.entries == 0
        assert done.gaps == ()
        return
    times = [datetime.fromisoformat(row["timestamp"]) for row in entries]
    window = Window(min(times), max(times) + timedelta(seconds=1))
    seen: list[str] = []
    wire, _ = await over_the_wire(entries, window, seen=seen)
    file, _ = await from_file([row for row in entries if row["insertId"] in set(seen)], window, tmp_path)
    assert plain(wire) == plain(file)
    whole, _ = await from_file(entries, window, tmp_path)
    assert {group.id for group in wire.groups} == {group.id for group in whole.groups}, "no failure is left behind"


@pytest.mark.parametrize("open_one", [FileLogs], ids=["file"])
async def test_a_file_says_where_each_entry_stood(open_one: Callable[..., Logs], tmp_path: Path) -> None:
    path = tmp_path / "logs.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in (SHAPES["text"], SHAPES["a trace in text"])))
    file, done = await observe(open_one([path]), WINDOW)
    assert {group.latest.origin for group in file.groups} == {"logs.jsonl:1", "logs.jsonl:2"}
    assert [reading.source for reading in done.readings] == ["logs.jsonl"]
    wire, done = await over_the_wire([SHAPES["text"]], WINDOW)
    assert {group.latest.origin for group in wire.groups} == {"Cloud Logging, failures"}
    assert all(reading.query for reading in done.readings)


async def test_neither_says_healthy_of_what_it_cannot_read(tmp_path: Path) -> None:
    fake = FakeLogging(projects=set())
    with serve_logging(fake) as address, pytest.raises(SourceRefused):
        await observe(CloudLogging(client_of(address), ["projects/p"], frozenset({"p"}), Limiter()), WINDOW)
    path = tmp_path / "logs.json"
    path.write_text('[{"insertId": "no time"}, ')
    file, done = await observe(FileLogs([path]), WINDOW)
    assert file.entries == 0
    assert done.readings[0].bad_lines or done.gaps

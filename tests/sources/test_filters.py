"""No input, however hostile, widens a filter: proven by evaluating what was built."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import BadInput
from app.evidence.entries import parse_entry
from app.evidence.model import ServiceName, Severity, Window
from app.evidence.observe import Observer
from app.sources import filters
from app.sources.query_language import matches, parse

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
WINDOW = Window(AT, AT + timedelta(hours=1))


def entry(**fields: Any) -> dict[str, Any]:
    return {
        "timestamp": "2026-03-04T05:30:00Z",
        "severity": "ERROR",
        "logName": "projects/p/logs/run.googleapis.com%2Fstderr",
        "resource": {"type": "cloud_run_revision", "labels": {"service_name": "web"}},
        "textPayload": "x",
        **fields,
    }


def asks(services: list[str], given_entry: dict[str, Any]) -> bool:
    text = filters.every(filters.of_services(services), filters.failures(), filters.within(WINDOW))
    return matches(parse(text), given_entry)


def test_a_failure_of_the_service_in_the_window_is_asked_for() -> None:
    assert asks(["web"], entry())
    assert asks([], entry())
    assert not asks(["other"], entry())
    assert not asks(["web"], entry(timestamp="2026-03-04T06:06:00Z"))
    assert not asks(["web"], entry(severity="INFO"))


@pytest.mark.parametrize(
    "fields",
    [
        {"severity": "WARNING", "textPayload": "Container called exit(3)."},
        {"severity": "DEFAULT", "textPayload": "psycopg.OperationalError: no"},
        {"severity": "WARNING", "httpRequest": {"status": 503}},
    ],
    ids=["exit line", "stderr without a level", "5xx"],
)
def test_a_failure_below_error_is_asked_for_too(fields: dict[str, Any]) -> None:
    assert asks(["web"], entry(**fields))


TRACE = 'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\nValueError: no'
STDOUT = "projects/shop/logs/run.googleapis.com%2Fstdout"
UNMAPPED: dict[str, dict[str, Any]] = {
    "structlog": {"jsonPayload": {"level": "error", "event": "pay failed"}},
    "python-json-logger": {"jsonPayload": {"levelname": "CRITICAL", "message": "pay failed"}},
    "loguru": {"jsonPayload": {"text": "pay failed", "record": {"level": {"name": "ERROR"}, "message": "pay failed"}}},
    "pino": {"jsonPayload": {"level": 50, "msg": "pay failed"}},
    "zap": {"jsonPayload": {"level": "dpanic", "msg": "pay failed"}},
    "ECS": {"jsonPayload": {"log.level": "ERROR", "message": "pay failed"}},
    "hclog": {"jsonPayload": {"@level": "error", "message": "pay failed"}},
    "a stack alone": {"jsonPayload": {"message": "pay", "stack_trace": TRACE}},
    "an error object alone": {"jsonPayload": {"message": "pay", "err": {"type": "E", "message": "no"}}},
    "logback on standard output": {"logName": STDOUT, "textPayload": "12:00:01.123 [main] ERROR shop.Cart - no price"},
    "a trace on standard output": {"logName": STDOUT, "textPayload": TRACE},
}


@pytest.mark.parametrize("library", UNMAPPED)
def test_what_the_parser_calls_a_failure_is_asked_for_although_cloud_logging_has_no_level_of_it(library: str) -> None:
    fields = {"logName": STDOUT, **UNMAPPED[library], "severity": "DEFAULT"}
    written = entry(**fields)
    if "jsonPayload" in fields:
        written.pop("textPayload", None)
    assert parse_entry(written, "here").severity >= Severity.ERROR
    assert asks(["web"], written)


@pytest.mark.parametrize(
    "fields",
    [
        {"jsonPayload": {"level": "info", "event": "paid"}},
        {"jsonPayload": {"level": 30, "msg": "paid"}},
        {"logName": STDOUT, "textPayload": "12:00:01.123 [main] INFO shop.Cart - paid"},
    ],
)
def test_what_is_well_is_not_pulled(fields: dict[str, Any]) -> None:
    written = entry(**{"logName": STDOUT, **fields, "severity": "DEFAULT"})
    if "jsonPayload" in fields:
        written.pop("textPayload", None)
    assert not asks(["web"], written)


@pytest.mark.parametrize(
    "method",
    [
        "google.cloud.run.v1.Services.ReplaceService",
        "google.cloud.run.v2.Services.UpdateService",
        "google.cloud.serverless.internal.InternalServices.ReplaceInternalService",
        "google.cloud.run.v1.Jobs.ReplaceJob",
        "google.cloud.functions.v2.FunctionService.UpdateFunction",
        "/Services.ReplaceService",
    ],
)
def test_deploys_of_services_jobs_and_functions_are_asked_for(method: str) -> None:
    written = entry(
        severity="NOTICE",
        logName="projects/shop/logs/cloudaudit.googleapis.com%2Factivity",
        protoPayload={"methodName": method},
    )
    assert matches(parse(filters.deployments()), written)
    written["protoPayload"]["methodName"] = "google.cloud.run.v1.Services.GetService"
    assert not matches(parse(filters.deployments()), written)


HOSTILE = [
    'web" OR severity>=DEFAULT',
    "web\nOR x",
    "web) OR (x",
    'a\\" OR b',
    "-- x",
    "",
    "WEB",
    "web*",
    "p/../q",
    "w\u202eb",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_no_service_has_is_refused(name: str) -> None:
    with pytest.raises(BadInput):
        filters.of_services([name])


@given(st.lists(st.text(max_size=20), min_size=1, max_size=4))
def test_no_service_name_widens_the_filter(names: list[str]) -> None:
    """Whatever is asked for, an entry of another service, or outside of the window, is never selected."""
    try:
        selected = asks(names, entry()) or asks(names, entry(timestamp="2020-01-01T00:00:00Z"))
    except BadInput:
        selected = False
    assert selected == ("web" in names and all(filters.of_services([name]) for name in names))


@given(st.text(min_size=1, max_size=60))
def test_a_literal_selects_only_itself(text: str) -> None:
    try:
        clause = f"textPayload={filters.literal(text)}"
    except BadInput:
        clause = 'textPayload="refused"'
    assert not matches(parse(clause), {"textPayload": f"{text} and more"})
    assert not matches(parse(clause), {})


def test_times_are_written_in_utc_and_never_naive() -> None:
    local = datetime(2026, 3, 4, 7, 6, tzinfo=timezone(timedelta(hours=2)))
    assert filters.at(local) == '"2026-03-04T05:06:00.000000Z"'
    with pytest.raises(ValueError, match="naive"):
        filters.at(datetime(2026, 3, 4))  # noqa: DTZ001 - a naive time is what is refused


def test_a_filter_over_the_limit_is_refused() -> None:
    with pytest.raises(BadInput):
        filters.every(filters.of_services([f"service-{number:04}" for number in range(900)]))


def test_every_clause_is_valid_and_bounded_by_its_parentheses() -> None:
    for clause in (
        filters.failures(),
        filters.deployments(),
        filters.requests(),
        filters.platform_events(),
        filters.sampled(0.25),
    ):
        assert clause.startswith("(")
        assert clause.endswith(")")
        assert parse(clause) is not None


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("io.k8s.apps.v1.deployments.patch", True),
        ("io.k8s.apps.v1.replicasets.create", True),
        ("io.k8s.core.v1.pods.create", False),
        ("io.k8s.apps.v1.deployments.get", False),
    ],
)
def test_changes_of_cluster_workloads_are_deployments(method: str, asked: bool) -> None:
    written = entry(
        severity="NOTICE",
        logName="projects/p/logs/cloudaudit.googleapis.com%2Factivity",
        protoPayload={"methodName": method},
    )
    assert matches(parse(filters.deployments()), written) is asked


POD = {"cluster_name": "main", "namespace_name": "prod", "pod_name": "shop-6d4cf56db6-x2x9q"}
OTHER_POD = POD | {"pod_name": "shopping-6d4cf56db6-x2x9q"}


def cluster(kind: str, log: str, place: dict[str, str], **fields: Any) -> dict[str, Any]:
    written = entry(logName=f"projects/p/logs/{log}", resource={"type": kind, "labels": place}, **fields)
    if "textPayload" not in fields:
        del written["textPayload"]
    return written


def event(about: str, name: str, labels: dict[str, str] | None = None) -> dict[str, Any]:
    payload = {"involvedObject": {"kind": about, "name": name}, "reason": "FailedCreate", "message": "no"}
    kind = "k8s_pod" if about == "Pod" else "k8s_cluster"
    return cluster(kind, "events", labels or {"cluster_name": "main"}, severity="WARNING", jsonPayload=payload)


def change(path: str) -> dict[str, Any]:
    call = {"methodName": "io.k8s.apps.v1.deployments.patch", "resourceName": path, "status": {"code": 7}}
    return cluster(
        "k8s_cluster",
        "cloudaudit.googleapis.com%2Factivity",
        {"cluster_name": "main"},
        severity="ERROR",
        protoPayload=call,
    )


OF_A_CLUSTER = {
    "a pod": cluster("k8s_container", "stderr", POD | {"container_name": "server"}, textPayload="no"),
    "its event": event("Pod", POD["pod_name"], POD),
    "a pod with labels": cluster(
        "k8s_container", "stderr", OTHER_POD | {"container_name": "web"}, textPayload="no",
        labels={"k8s-pod/app": "front", "k8s-pod/app_kubernetes_io/name": "till"},
    ),
    "a pod whose controller is told": cluster(
        "k8s_container", "stderr", POD | {"pod_name": "x", "container_name": "web"}, textPayload="no",
        labels={"logging.gke.io/top_level_controller_name": "front"},
    ),
    "a deployment that is changed": change("apps/v1/namespaces/prod/deployments/shop"),
    "a replica set that cannot grow": event("ReplicaSet", "shop-6d4cf56db6"),
    "a deployment of another name": change("apps/v1/namespaces/prod/deployments/shopping"),
    "a set of pods with numbers": event("Pod", "shop-0", POD | {"pod_name": "shop-0"}),
}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["shop", "shopping", "server", "web", "front", "till", "shop-6d4cf56db6-x2x9q", "shop-0", "hop"]
)
@pytest.mark.parametrize("what", OF_A_CLUSTER)
def test_what_a_cluster_says_of_a_service_is_asked_for_and_counted_alike(name: str, what: str) -> None:
    written = OF_A_CLUSTER[what]
    observer = Observer(services=[ServiceName(name)])
    observer.add(parse_entry(written, "here"))
    assert asks([name], written) == (observer.finish().entries == 1)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("shop", 5),
        ("server", 1),
        ("web", 2),
        ("front", 2),
        ("till", 1),
        ("shopping", 2),
        ("hop", 0),
    ],
)
def test_a_service_of_a_cluster_is_found_by_workload_container_or_label(name: str, found: int) -> None:
    assert sum(asks([name], written) for written in OF_A_CLUSTER.values()) == found


def test_what_a_cluster_warns_of_is_asked_for_and_what_it_merely_tells_is_not() -> None:
    assert asks([], event("Pod", POD["pod_name"], POD))
    assert asks([], event("Node", "gke-pool-1"))
    assert not asks([], event("Pod", POD["pod_name"], POD) | {"severity": "INFO"})


@pytest.mark.parametrize("reason", ["ScalingReplicaSet", "Pulled"])
def test_rollouts_that_events_of_a_cluster_tell_are_asked_for(reason: str) -> None:
    written = event("Deployment", "shop") | {"severity": "INFO"}
    written["jsonPayload"] = written["jsonPayload"] | {"reason": reason}
    assert matches(parse(filters.deployments()), written)
    written["jsonPayload"]["reason"] = "SuccessfulCreate"
    assert not matches(parse(filters.deployments()), written)

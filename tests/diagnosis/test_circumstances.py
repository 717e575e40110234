"""The same message in another place: who is at fault then."""

from dataclasses import replace

import pytest

from app.diagnosis.circumstances import CIRCUMSTANCES, beside, circumstance
from app.diagnosis.model import Layer
from app.evidence.model import HttpRequest, LayerOwner, ServiceName
from tests.diagnosis.incident import cause, evidence, group

RUN, POD = "cloud_run_revision", "k8s_container"
MOVED = [
    ("upstream-connection-failure", Layer.DEPENDENCY, RUN, "connect ECONNREFUSED 127.0.0.1:5432"),
    (
        "cloud-sql-connection-timeout",
        Layer.INFRASTRUCTURE,
        RUN,
        'failed to dial (connection name = "demo-shop:europe-west1:main"): dial tcp 10.2.3.4:3307: i/o timeout',
    ),
    ("disk-full", Layer.INFRASTRUCTURE, RUN, "no space left on device"),
    ("dns-resolution-failure", Layer.INFRASTRUCTURE, RUN, "getaddrinfo ENOTFOUND postgres"),
    ("dns-resolution-failure", Layer.INFRASTRUCTURE, POD, "lookup cart.shop.svc.cluster.local: no such host"),
    (
        "pod-unschedulable",
        Layer.INFRASTRUCTURE,
        "k8s_pod",
        "0/3 nodes are available: 3 node(s) had untolerated taint {a: b}.",
    ),
    ("application-config-missing", Layer.APPLICATION, RUN, "KeyError: 'DATABASE_URL'"),
    (
        "health-probe-failed",
        Layer.APPLICATION,
        "k8s_pod",
        "Readiness probe failed: HTTP probe failed with statuscode: 404",
    ),
    ("application-exception", Layer.APPLICATION, RUN, "AttributeError: module 'numpy' has no attribute 'float'"),
    ("application-config-missing", Layer.APPLICATION, RUN, "Missing `secret_key_base` for 'production' environment"),
    (
        "iam-permission-denied",
        Layer.PERMISSIONS,
        RUN,
        "User does not have bigquery.jobs.create permission in project public-archive.",
    ),
    (
        "health-probe-failed",
        Layer.APPLICATION,
        "k8s_pod",
        'Readiness probe failed: Get "http://10.8.1.7:3001/": net/http: HTTP/1.x transport: malformed HTTP response "x"',
    ),
    (
        "host-memory-pressure",
        Layer.INFRASTRUCTURE,
        "k8s_pod",
        "The node was low on resource: memory. Container web was using 3001000Ki, which exceeds its request of 2Gi. ",
    ),
    (
        "upstream-connection-failure",
        Layer.DEPENDENCY,
        POD,
        'Get "https://sqladmin.googleapis.com/sql/v1": dial tcp 142.250.1.95:443: connect: connection refused',
    ),
    ("redis-unavailable", Layer.INFRASTRUCTURE, "gae_app", "RedisException: Connection timed out"),
    ("disk-full", Layer.INFRASTRUCTURE, "build", "write /workspace/x: no space left on device"),
]
STAYS = [
    (
        "host-memory-pressure",
        Layer.INFRASTRUCTURE,
        "k8s_pod",
        "The node was low on resource: memory. Container web was using 73712Ki, which exceeds its request of 0. ",
    ),
    (
        "disk-full",
        Layer.INFRASTRUCTURE,
        "k8s_pod",
        "The node was low on resource: ephemeral-storage. Container web was using 12Ki, request is 1Gi. ",
    ),
    (
        "upstream-connection-failure",
        Layer.DEPENDENCY,
        POD,
        'Get "https://api.example.com/v1": dial tcp 142.250.1.95:443: connect: connection refused',
    ),
    (
        "redis-unavailable",
        Layer.INFRASTRUCTURE,
        "gae_app",
        "RedisException: Connection timed out eu1.cache.example.com",
    ),
    ("redis-unavailable", Layer.INFRASTRUCTURE, POD, "RedisException: Connection timed out"),
    (
        "iam-permission-denied",
        Layer.PERMISSIONS,
        RUN,
        "User does not have bigquery.jobs.create permission in project demo-shop.",
    ),
    ("upstream-connection-failure", Layer.DEPENDENCY, RUN, "connect ECONNREFUSED 10.1.1.1:5432"),
    ("cloud-sql-connection-timeout", Layer.INFRASTRUCTURE, POD, "dial tcp 10.2.3.4:3307: i/o timeout"),
    ("cloud-sql-connection-timeout", Layer.INFRASTRUCTURE, RUN, "dial tcp 34.2.3.4:3307: i/o timeout"),
    ("upstream-connection-failure", Layer.DEPENDENCY, RUN, "cannot connect to 10.1.1.1:443: refused"),
    ("disk-full", Layer.INFRASTRUCTURE, "gce_instance", "no space left on device"),
    ("dns-resolution-failure", Layer.INFRASTRUCTURE, RUN, "getaddrinfo ENOTFOUND api.example.com"),
    ("dns-resolution-failure", Layer.INFRASTRUCTURE, RUN, "getaddrinfo EAI_AGAIN postgres"),
    (
        "pod-unschedulable",
        Layer.INFRASTRUCTURE,
        "k8s_pod",
        "2 Insufficient cpu, 1 node(s) had untolerated taint {a: b}.",
    ),
    ("application-config-missing", Layer.APPLICATION, RUN, "no theme chosen"),
    (
        "health-probe-failed",
        Layer.APPLICATION,
        "k8s_pod",
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
    ),
    ("application-exception", Layer.APPLICATION, RUN, "AttributeError: 'NoneType' object has no attribute 'id'"),
    ("application-import-error", Layer.APPLICATION, RUN, "cannot import name 'x' from 'shop.cart' (/srv/shop/cart.py)"),
    (
        "application-import-error",
        Layer.APPLICATION,
        RUN,
        "cannot import name 'x' from 'y' (/usr/lib/site-packages/y.py)",
    ),
    (
        "cloud-sql-connection-timeout",
        Layer.INFRASTRUCTURE,
        RUN,
        'server at "10.2.3.4", port 5432: Connection timed out',
    ),
]


@pytest.mark.parametrize(("failure_class", "layer", "place", "message"), MOVED)
def test_the_place_moves_the_layer(failure_class: str, layer: Layer, place: str, message: str) -> None:
    seen = group("x", message, resource_type=place)
    found = circumstance(cause(seen, failure_class, layer=layer), seen)
    assert found is not None
    assert found.layer is not layer


@pytest.mark.parametrize(("failure_class", "layer", "place", "message"), STAYS)
def test_elsewhere_the_message_means_what_it_says(failure_class: str, layer: Layer, place: str, message: str) -> None:
    seen = group("x", message, resource_type=place)
    assert circumstance(cause(seen, failure_class, layer=layer), seen) is None


def test_every_row_is_shown_by_an_example() -> None:
    rows = {
        circumstance(cause(seen, failure_class, layer=layer), seen)
        for failure_class, layer, place, message in MOVED
        for seen in [group("x", message, resource_type=place)]
    }
    # Those that read names and services have tests of their own.
    assert sorted(row.layer for row in set(CIRCUMSTANCES) - rows) == [
        "capacity",
        "configuration",
        "configuration",
        "platform",
    ]


def test_only_a_network_of_its_own_makes_it_the_network_team_s() -> None:
    owners = [row.owner for row in CIRCUMSTANCES]
    assert owners.count(LayerOwner.INFRASTRUCTURE) == 1


def test_an_add_on_that_gke_keeps_is_googles_and_a_neighbour_in_its_namespace_is_not() -> None:
    def of(pod: str, space: str) -> Layer | None:
        labels = {"namespace_name": space, "pod_name": pod}
        seen = group("x", "Back-off restarting failed container", resource_type="k8s_pod", labels=labels, service="")
        found = circumstance(cause(seen, "container-crash-loop", layer=Layer.APPLICATION), seen)
        return found.layer if found else None

    assert of("metrics-server-v0.5.2-abc", "kube-system") is Layer.PLATFORM
    assert of("collector-x1", "gke-managed-system") is Layer.PLATFORM
    assert of("house-agent-x1", "kube-system") is None
    assert of("metrics-server-abc", "shop") is None


@pytest.mark.parametrize(
    ("backend", "layer"), [("k8s1-179e90eb-shop-web-80-4cdd", Layer.CONFIGURATION), ("web-backend", None), ("", None)]
)
def test_a_backend_that_the_cluster_made_is_checked_by_the_workload_s_own_settings(
    backend: str, layer: Layer | None
) -> None:
    labels = {"backend_service_name": backend}
    seen = group("x", "failed_to_pick_backend", resource_type="http_load_balancer", labels=labels, service="")
    found = circumstance(cause(seen, "backend-unhealthy", layer=Layer.INFRASTRUCTURE), seen)
    assert (found.layer if found else None) is layer


@pytest.mark.parametrize(("services", "layer"), [(3, Layer.CAPACITY), (2, None)])
def test_a_maximum_of_one_service_does_not_explain_several_without_an_instance(
    services: int, layer: Layer | None
) -> None:
    seen = group("x", "The request was aborted because there was no available instance.")
    seen = replace(seen, services=tuple(ServiceName(f"shop-{n}") for n in range(services)))
    found = circumstance(cause(seen, "no-available-instance", layer=Layer.CONFIGURATION), seen)
    assert (found.layer if found else None) is layer


@pytest.mark.parametrize(
    ("seconds", "place", "layer"),
    [
        (30.0, "http_load_balancer", Layer.CONFIGURATION),
        (61.2, "http_load_balancer", None),
        (30.0, RUN, None),
        (None, "http_load_balancer", None),
    ],
)
def test_an_answer_cut_off_at_the_balancer_s_own_default_is_a_matter_of_that_limit(
    seconds: float | None, place: str, layer: Layer | None
) -> None:
    http = HttpRequest("GET", "/report", 504, seconds)
    seen = group("x", "backend_timeout", resource_type=place, http=http)
    found = circumstance(cause(seen, "request-timeout", layer=Layer.APPLICATION), seen)
    assert (found.layer if found else None) is layer


PROBE = 'Default STARTUP TCP probe failed 1 time consecutively for container "shop-1" on port 8080.'


@pytest.mark.parametrize(
    ("message", "line", "layer"),
    [
        (PROBE, "INFO: Uvicorn running on http://127.0.0.1:8080 (Press CTRL+C to quit)", Layer.APPLICATION),
        (PROBE, "Server listening on http://0.0.0.0:3000", Layer.CONFIGURATION),
        (PROBE, "Server listening on http://localhost:8080", None),
        (PROBE, "Server listening on 0.0.0.0:8080", None),
        (PROBE, "Loaded 3000 rows", None),
        (PROBE.replace("shop-1", "cloud-sql-proxy"), "Listening on 127.0.0.1:8080", None),
    ],
)
def test_where_the_program_says_it_listens_tells_why_a_probe_fails(
    message: str, line: str, layer: Layer | None
) -> None:
    failed, said = group("p", message), group("l", line, failure=False)
    found = beside(evidence(failed, notices=[said]), cause(failed, "health-probe-failed", layer=Layer.PLATFORM), failed)
    assert (found[0].layer if found else None) is layer


def test_what_another_service_says_tells_nothing() -> None:
    failed = group("p", PROBE)
    said = group("l", "Server listening on 0.0.0.0:3000", failure=False, service="mail")
    root = cause(failed, "health-probe-failed")
    assert beside(evidence(failed, notices=[said]), root, failed) is None


@pytest.mark.parametrize(("status", "layer"), [(404, Layer.CONFIGURATION), (200, None)])
def test_a_status_that_the_health_checker_gets_tells_why_a_backend_counts_as_unhealthy(
    status: int, layer: Layer | None
) -> None:
    failed = group("b", "failed_to_pick_backend", resource_type="http_load_balancer", labels={}, service="")
    said = group("l", f'10.0.0.1 - - "GET / HTTP/1.1" {status} 153 "-" "GoogleHC/1.0"', failure=False)
    root = cause(failed, "backend-unhealthy", layer=Layer.INFRASTRUCTURE)
    found = beside(evidence(failed, notices=[said]), root, replace(failed, services=()))
    assert (found[0].layer if found else None) is layer

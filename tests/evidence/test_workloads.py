"""Names of pods and objects of a cluster to the workload that people call a service."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.workloads import Workload, of_object, of_path, of_pod


@pytest.mark.parametrize(
    ("pod", "name", "version"),
    [
        ("shop-6d4cf56db6-x2x9q", "shop", "6d4cf56db6"),
        ("adservice-fb7bcb498-ph7hk", "adservice", "fb7bcb498"),
        ("shop-0", "shop", None),
        ("kube-dns-x2x9q", "kube-dns", None),
        ("backup-28391040-x2x9q", "backup", None),
        ("web-proxy", "web-proxy", None),
        ("api-backed-x2x9q", "api-backed", None),
        ("shop", "shop", None),
    ],
)
def test_a_pod_is_named_by_its_workload(pod: str, name: str, version: str | None) -> None:
    assert of_pod(pod) == Workload(name, version)


def test_the_version_of_a_label_is_taken_as_it_is() -> None:
    assert of_pod("shop-5d9-x", "5d9") == Workload("shop", "5d9")
    assert of_pod("shop-x2x9q", "5d9") == Workload("shop", "5d9")


@given(
    st.from_regex(r"[a-z][a-z0-9]{0,10}(-[a-z]{3,8}){0,2}", fullmatch=True),
    st.text("456789bcdf", min_size=8, max_size=10),
    st.text("bcdfghjklmnpqrstvwxz2456789", min_size=5, max_size=5),
)
def test_any_workload_is_read_back_from_its_pods_and_replica_sets(name: str, version: str, suffix: str) -> None:
    assert of_pod(f"{name}-{version}-{suffix}") == Workload(name, version)
    assert of_object("ReplicaSet", f"{name}-{version}") == Workload(name, version)


@pytest.mark.parametrize(
    ("kind", "name", "workload"),
    [
        ("Deployment", "shop-0", Workload("shop-0", None)),
        ("Job", "backup-28391040", Workload("backup", None)),
        ("Job", "migrate", Workload("migrate", None)),
        ("Node", "gke-pool-1", None),
        ("HorizontalPodAutoscaler", "shop", None),
    ],
)
def test_an_object_belongs_to_a_workload_by_its_kind(kind: str, name: str, workload: Workload | None) -> None:
    assert of_object(kind, name) == workload


def test_the_path_of_an_audit_entry_names_the_object() -> None:
    assert of_path("apps/v1/namespaces/shop/deployments/api/status") == Workload("api", None)
    assert of_path("core/v1/namespaces/shop/pods/api-6d4cf56db6-x2x9q/exec") == Workload("api", "6d4cf56db6")
    assert of_path("core/v1/nodes/n1") is None

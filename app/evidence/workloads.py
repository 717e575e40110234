"""Which workload of a cluster an entry speaks of, and which version of it: the rules that filters and evidence share.

Owns reading names: of pods, of replica sets, of the objects that events and audit entries are about. A cluster has no services
in the sense of Cloud Run; what people call one is the workload (a Deployment, StatefulSet, DaemonSet or CronJob), whose name
the entries of its pods do not always carry. Leaves entries to `model.py` and filters to `sources/filters.py`.

Source of the shapes: Kubernetes names a replica set by its workload and a hash, and a pod by its controller and a suffix of
five; both use letters and digits that spell no words. A job of a CronJob is named by the minute it was due in.
"""

import re
from functools import lru_cache
from typing import Final, NamedTuple

CONTROLLER: Final = "logging.gke.io/top_level_controller_name"
"""Label of entries in which the cluster itself names the workload."""
POD_LABELS: Final = ("app", "k8s-app", "app_kubernetes_io/name", "app_kubernetes_io/instance")
"""Labels of pods by which people call a workload, as entries spell them: `k8s-pod/` before, dots of the prefix as `_`."""

_SUFFIX = "[a-z0-9]{5}"
_SAFE = "[bcdfghjklmnpqrstvwxz2456789]{5}"
_HASH = "([4-9bcdf]{6,10}|[0-9a-f]{9,10})"
POD_TAIL: Final = f"(-{_HASH}-{_SUFFIX}|(-[0-9]{{8}})?-{_SAFE}|-[0-9]{{1,4}})"
"""What Kubernetes puts behind the name of a workload to name its pod; also valid in RE2, for a filter."""
SET_TAIL: Final = f"(-{_HASH}|-[0-9]{{8}})"
"""The same for a replica set, and for a job that a CronJob starts."""
_POD = re.compile(f"(.+?){POD_TAIL}")
_SET = re.compile(f"(.+?){SET_TAIL}")
_VERSION = re.compile(f"-{_HASH}(?:-{_SUFFIX})?")

WORKLOADS: Final = ("deployments", "statefulsets", "daemonsets", "replicasets", "cronjobs", "jobs", "pods")
"""The kinds of objects that belong to a workload, as paths of audit entries spell them."""
_PATH = re.compile(rf"/({'|'.join(WORKLOADS)})/([a-z0-9][a-z0-9.-]{{0,252}})(?=/|\Z)")


class Workload(NamedTuple):
    """`version` is the hash of its pod template (`pod-template-hash`), None where the name does not hold one."""

    name: str
    version: str | None


@lru_cache(maxsize=4_096)
def of_pod(pod: str, version: str | None = None) -> Workload:
    """`shop-6d4cf56db6-x2x9q` is `shop` at `6d4cf56db6`, `shop-0` and `shop-x2x9q` are `shop`; another name is its own.

    `version` where a label of the pod tells it: then it need not be made out.
    """
    if version is None:
        return _split(pod, _POD)
    name, found, _ = pod.rpartition(f"-{version}-")
    return Workload(name if found else _split(pod, _POD).name, version)


@lru_cache(maxsize=4_096)
def of_object(kind: str, name: str) -> Workload | None:
    """The workload of an object by its kind (`ReplicaSet` or `replicasets`); None for a kind that is no part of one."""
    match kind.lower().removesuffix("s"):
        case "pod":
            return of_pod(name)
        case "replicaset" | "job":
            return _split(name, _SET)
        case "deployment" | "statefulset" | "daemonset" | "cronjob":
            return Workload(name, None)
        case _:
            return None


@lru_cache(maxsize=4_096)
def of_path(resource_name: str) -> Workload | None:
    """The same of the resource name of an audit entry, `apps/v1/namespaces/shop/deployments/api`."""
    found = _PATH.search(resource_name)
    return None if found is None else of_object(found[1], found[2])


def _split(name: str, shape: re.Pattern[str]) -> Workload:
    found = shape.fullmatch(name)
    if found is None:
        return Workload(name, None)
    version = _VERSION.fullmatch(found[2])
    return Workload(found[1], version[1] if version else None)

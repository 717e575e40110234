"""Versions of a cluster's workloads as Cloud Monitoring sees them now: which have pods, and which image those run.

Owns the two questions that tell it. The cluster's own API is never reached: it lies in the cluster's network, has permissions
of its own, and would show more than an auditor needs. Leaves names of pods to `evidence/workloads.py`.

Source: the system metrics of GKE, sampled every minute and visible two minutes later; their metadata names the image.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from app.evidence.deployments import image_claim
from app.evidence.model import (
    CommitClaim,
    Gap,
    LiveRead,
    LiveRevision,
    Place,
    RevisionName,
    ServiceName,
    Window,
)
from app.evidence.workloads import of_pod
from app.redact import cut
from app.sources.filters import literal
from app.sources.monitoring import ROLE, Monitoring, Series
from app.sources.rest import NotRead

_METRIC = "kubernetes.io/container/uptime"
_SEEN = timedelta(hours=24)
"""How far back versions are looked for: what was replaced within it is known with its image."""
_NOW = timedelta(minutes=6)
_GROUPED = (
    "resource.labels.namespace_name",
    "resource.labels.pod_name",
    "resource.labels.container_name",
    "metadata.system_labels.container_image",
)
_MEANING = "which version of a workload runs is known from the logs only"


class Clusters:
    """Workloads within `allowed` projects."""

    def __init__(
        self,
        monitoring: Monitoring,
        allowed: frozenset[str],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._monitoring = monitoring
        self._allowed = allowed
        self._clock = clock

    async def revisions(self, places: Sequence[Place]) -> LiveRead:
        """Of the places that lie in clusters; all others are passed over. Never raises: what cannot be read is a gap."""
        asked: dict[tuple[str, str], list[ServiceName]] = {}
        for place in places:
            names = (place.project, place.location, place.service)
            if place.resource_type.startswith("k8s_") and place.project in self._allowed and _are_plain(names):
                asked.setdefault((place.project, place.location), []).append(place.service)
        read = await asyncio.gather(*(self._at(*place, sorted(set(names))) for place, names in sorted(asked.items())))
        return LiveRead(
            tuple(revision for one in read for revision in one.revisions),
            tuple(gap for one in read for gap in one.gaps),
        )

    async def _at(self, project: str, location: str, services: Sequence[ServiceName]) -> LiveRead:
        named = "|".join(name.replace(".", "[.]") for name in services)
        condition = (
            f'resource.type="k8s_container" AND resource.labels.location={literal(location)}'
            f" AND resource.labels.pod_name=monitoring.regex.full_match({literal(f'({named})-.*')})"
        )
        now = self._clock()
        try:
            earlier, current = await asyncio.gather(
                self._monitoring.grouped(
                    project, _METRIC, condition, Window(now - _SEEN, now), timedelta(hours=1), _GROUPED
                ),
                self._monitoring.grouped(
                    project, _METRIC, condition, Window(now - _NOW, now), timedelta(minutes=1), _GROUPED
                ),
            )
        except NotRead as refused:
            return LiveRead((), (_gap(project, location, services, refused),))
        found = _versions(earlier, current, services)
        unseen = [name for name in services if all(service != name for service, _ in found)]
        gaps = (_unseen(project, location, unseen),) if unseen else ()
        return LiveRead(tuple(version.live(*key) for key, version in sorted(found.items())), gaps)


@dataclass(slots=True)
class _Version:
    """`images` by container; `pods` that run."""

    images: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    pods: set[str] = field(default_factory=set[str])

    def live(self, service: ServiceName, version: str) -> LiveRevision:
        return LiveRevision(
            name=RevisionName(f"{service}@{version}"),
            service=service,
            commits=self._commits(service),
            created_at=None,
            ready=None,
            ready_reason=None,
            traffic_percent=None,
            instances=len(self.pods),
        )

    def _commits(self, service: ServiceName) -> tuple[CommitClaim, ...]:
        """Of the container that is called like the workload, else of the only one whose image names a commit: a sidecar's
        commit is that of another program."""
        chosen = self.images.get(service)
        images = chosen or {image for images in self.images.values() for image in images}
        claims = {claim for image in images if (claim := image_claim(image)) is not None}
        return tuple(claims) if len(claims) == 1 else ()


def _versions(
    earlier: Sequence[Series], current: Sequence[Series], services: Sequence[ServiceName]
) -> dict[tuple[ServiceName, str], _Version]:
    """A set of pods with numbers (StatefulSet) or one a node (DaemonSet) has names without a version, and is left out."""
    found: dict[tuple[ServiceName, str], _Version] = {}
    for series, runs in [(one, False) for one in earlier] + [(one, True) for one in current]:
        labels: Mapping[str, Any] = series.resource
        workload = of_pod(str(labels.get("pod_name", "")))
        if workload.version is None or workload.name not in services:
            continue
        version = found.setdefault((ServiceName(workload.name), workload.version), _Version())
        if image := series.system.get("container_image"):
            version.images.setdefault(str(labels.get("container_name", "")), set()).add(str(image))
        if runs:
            version.pods.add(f"{labels.get('namespace_name')}/{labels.get('pod_name')}")
    return found


def _are_plain(names: Sequence[str]) -> bool:
    return all(name and all(c.isascii() and (c.isalnum() or c in "-.") for c in name) for name in names)


def _kubectl(services: Sequence[str]) -> str:
    """What a person who may reach the cluster asks instead; names were checked before."""
    return f"kubectl get replicasets,statefulsets,daemonsets -A -o wide | grep -E '{'|'.join(services)}'"


def _gap(project: str, location: str, services: Sequence[str], refused: NotRead) -> Gap:
    remedy = f"{refused.advice(f'{ROLE} on {project}')}, or run `{_kubectl(services)}`"
    reason = f"{refused.reason} (metrics of {', '.join(services)} in {project}, {location})"
    return Gap("deployments", cut(reason), _MEANING, remedy)


def _unseen(project: str, location: str, services: Sequence[str]) -> Gap:
    reason = f"Cloud Monitoring has no versions of {', '.join(services)} in {project}, {location}"
    return Gap("deployments", cut(reason), _MEANING, f"run `{_kubectl(services)}`")

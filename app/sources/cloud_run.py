"""Revisions, images and traffic of Cloud Run services as the API tells them now, and the commit of each.

Owns which fields are asked and the order of trust between them: the revision's own label, the tag of its image, the Cloud Build
that made it. Leaves joining with what the logs tell to `evidence/deployments.py`.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.evidence.deployments import commit_claim, image_claim
from app.evidence.model import (
    CommitClaim,
    CommitSource,
    Gap,
    LiveRead,
    LiveRevision,
    Place,
    RevisionName,
    ServiceName,
)
from app.redact import cut, start_of
from app.sources.rest import NotRead, Refusal, Rest, inner, moment, rows, tail, text, whole

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*\Z")
_NEWEST = 25
"""Revisions asked of one service, newest first."""
_NO_BUILD = "the commit of a revision that only its build tells stays unknown"
_MEANING = "which revisions serve is known from the logs only"


class CloudRun:
    """Revisions of services within `allowed` projects, functions of the second generation among them. Jobs and functions of
    the first have none: of them only the logs tell what runs. Clusters are asked in `gke.py`.
    """

    def __init__(self, rest: Rest, allowed: frozenset[str]) -> None:
        self._rest = rest
        self._allowed = allowed

    async def revisions(self, places: Sequence[Place]) -> LiveRead:
        """Never raises: a place that cannot be read costs only itself, and equal reasons make one gap."""
        asked = [
            place
            for place in places
            if place.resource_type == "cloud_run_revision"
            and place.project in self._allowed
            and all(_NAME.match(part) for part in (place.project, place.location, place.service))
        ]
        found: list[LiveRevision] = []
        gaps = _Gaps()
        read = await asyncio.gather(*(self._of_service(place, gaps) for place in asked), return_exceptions=True)
        for place, answer in zip(asked, read, strict=True):
            if isinstance(answer, NotRead):
                gaps.add(place, answer, "roles/run.viewer", _MEANING)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += answer
        return LiveRead(tuple(found), gaps.told())

    async def _of_service(self, place: Place, gaps: "_Gaps") -> list[LiveRevision]:
        """Raises `NotRead`. A build that is not shown is added to `gaps`: it costs its revision's commit and nothing else."""
        path = f"/v2/projects/{place.project}/locations/{place.location}/services/{place.service}"
        service = await self._get(
            "run.googleapis.com", path, "latestReadyRevision,trafficStatuses(revision,percent,type)"
        )
        if service is None:
            return []  # deleted since, or a job: the logs tell what there was
        latest = tail(text(service, "latestReadyRevision"))
        percent: dict[str, int] = {}
        for status in rows(service.get("trafficStatuses")):
            name = tail(text(status, "revision")) or latest
            percent[name] = percent.get(name, 0) + whole(status, "percent")
        listed = await self._get(
            "run.googleapis.com",
            f"{path}/revisions",
            "revisions(name,createTime,labels,containers/image,conditions(type,state,reason,message))",
            {"pageSize": str(_NEWEST)},
        )
        return [
            await self._revision(place, raw, percent, gaps, told=bool(percent))
            for raw in rows((listed or {}).get("revisions"))
            if raw.get("name")
        ]

    async def _revision(
        self, place: Place, raw: Mapping[str, Any], percent: Mapping[str, int], gaps: "_Gaps", *, told: bool
    ) -> LiveRevision:
        name = tail(text(raw, "name"))
        labels = inner(raw, "labels")
        conditions = {text(condition, "type"): condition for condition in rows(raw.get("conditions"))}
        ready = inner(conditions, "Ready")
        message = text(ready, "message")
        claims = [
            commit_claim(text(labels, "commit-sha"), CommitSource.REVISION_LABEL),
            *(image_claim(text(container, "image")) for container in rows(raw.get("containers"))[:1]),
        ]
        if not any(claims):
            claims.append(await self._build(place, labels, gaps))
        return LiveRevision(
            name=RevisionName(name),
            service=ServiceName(place.service),
            commits=tuple(claim for claim in claims if claim is not None),
            created_at=moment(text(raw, "createTime")),
            ready={"CONDITION_SUCCEEDED": True, "CONDITION_FAILED": False}.get(text(ready, "state")),
            ready_reason=start_of(message, 500) if message else None,
            traffic_percent=percent.get(name, 0) if told else None,
        )

    async def _build(self, place: Place, labels: Mapping[str, Any], gaps: "_Gaps") -> CommitClaim | None:
        """The commit that Cloud Build says it built from; of its substitutions, which may hold secrets, no other is read."""
        build, region = text(labels, "gcb-build-id"), text(labels, "gcb-trigger-region") or "global"
        if not re.fullmatch(r"[0-9a-f-]{8,64}", build) or not _NAME.match(region):
            return None
        path = f"/v1/projects/{place.project}/locations/{region}/builds/{build}"
        try:
            raw = await self._get("cloudbuild.googleapis.com", path, "substitutions")
        except NotRead as refused:
            gaps.add(place, refused, "roles/cloudbuild.builds.viewer", _NO_BUILD)
            return None
        return commit_claim(text(inner(raw or {}, "substitutions"), "COMMIT_SHA"), CommitSource.BUILD)

    async def _get(
        self, host: str, path: str, fields: str, query: Mapping[str, str] | None = None
    ) -> Mapping[str, Any] | None:
        """The answer, None for 404. Raises `NotRead` for all else."""
        try:
            return await self._rest.get(host, path, fields, query)
        except NotRead as refused:
            if refused.refusal is Refusal.NOT_FOUND:
                return None
            raise


class _Gaps:
    """What could not be read, by reason: one gap for all places that share it."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str, str], list[Place]] = {}

    def add(self, place: Place, refused: NotRead, role: str, meaning: str) -> None:
        places = self._places.setdefault((refused.reason, meaning, refused.advice(role)), [])
        if place not in places:
            places.append(place)

    def told(self) -> tuple[Gap, ...]:
        return tuple(
            Gap("deployments", cut(f"{reason} ({', '.join(map(_named, places))})"), meaning, remedy)
            for (reason, meaning, remedy), places in sorted(self._places.items())
        )


def _named(place: Place) -> str:
    return f"{place.service} in {place.project}, {place.location}"

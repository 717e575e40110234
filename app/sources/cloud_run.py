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
from app.redact import cut
from app.sources.rest import NotRead, Refusal, Rest, inner, moment, rows, tail, text, whole

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*\Z")
_NEWEST = 25
"""Revisions asked of one service, newest first."""
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
        unread: dict[tuple[str, str], list[Place]] = {}
        for place, answer in zip(asked, await asyncio.gather(*map(self._at, asked)), strict=True):
            if isinstance(answer, NotRead):
                unread.setdefault((answer.reason, _remedy(answer)), []).append(place)
            else:
                found += answer
        return LiveRead(tuple(found), tuple(_gap(*why, at) for why, at in unread.items()))

    async def _at(self, place: Place) -> list[LiveRevision] | NotRead:
        try:
            return await self._of_service(place)
        except NotRead as refused:
            return refused

    async def _of_service(self, place: Place) -> list[LiveRevision]:
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
            await self._revision(place, raw, percent, told=bool(percent))
            for raw in rows((listed or {}).get("revisions"))
            if raw.get("name")
        ]

    async def _revision(
        self, place: Place, raw: Mapping[str, Any], percent: Mapping[str, int], *, told: bool
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
            claims.append(await self._build(place.project, labels))
        return LiveRevision(
            name=RevisionName(name),
            service=ServiceName(place.service),
            commits=tuple(claim for claim in claims if claim is not None),
            created_at=moment(text(raw, "createTime")),
            ready={"CONDITION_SUCCEEDED": True, "CONDITION_FAILED": False}.get(text(ready, "state")),
            ready_reason=cut(message[:500]) if message else None,
            traffic_percent=percent.get(name, 0) if told else None,
        )

    async def _build(self, project: str, labels: Mapping[str, Any]) -> CommitClaim | None:
        """The commit that Cloud Build says it built from; of its substitutions, which may hold secrets, no other is read."""
        build, region = text(labels, "gcb-build-id"), text(labels, "gcb-trigger-region") or "global"
        if not re.fullmatch(r"[0-9a-f-]{8,64}", build) or not _NAME.match(region):
            return None
        path = f"/v1/projects/{project}/locations/{region}/builds/{build}"
        try:
            raw = await self._get("cloudbuild.googleapis.com", path, "substitutions")
        except NotRead:
            return None  # an optional permission; the revision's commit stays unknown, and the report says so
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


def _remedy(refused: NotRead) -> str:
    match refused.refusal:
        case Refusal.NOT_PERMITTED:
            return "grant roles/run.viewer to the auditor's account"
        case Refusal.API_DISABLED:
            return f"run `{refused.remedy}`"
        case Refusal.CREDENTIALS:
            return "run `infra-audit doctor`"
        case _:
            return "run the audit again later"


def _gap(reason: str, remedy: str, places: Sequence[Place]) -> Gap:
    named = ", ".join(f"{place.service} in {place.project}, {place.location}" for place in places)
    return Gap("deployments", cut(f"{reason} ({named})"), _MEANING, remedy)

"""Revisions, images and traffic of Cloud Run services as the API tells them now, and the commit of each.

Owns which fields are asked and the order of trust between them: the revision's own label, the tag of its image, the Cloud Build
that made it. Leaves joining with what the logs tell to `evidence/deployments.py`.
"""

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.errors import SourceRefused, Unavailable
from app.evidence.deployments import commit_claim, image_claim
from app.evidence.model import CommitClaim, CommitSource, LiveRevision, Place, RevisionName, ServiceName
from app.redact import cut
from app.sources.rest import NotRead, Refusal, Rest, inner, moment, rows, tail, text, whole

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*\Z")
_NEWEST = 25
"""Revisions asked of one service, newest first."""
_SOURCE = "deployments"
_MEANING = "which revisions serve is known from the logs only"


class CloudRun:
    """Revisions of services within `allowed` projects. Jobs, functions of the first generation and clusters have none here:
    of them only the logs tell what runs.
    """

    def __init__(self, rest: Rest, allowed: frozenset[str]) -> None:
        self._rest = rest
        self._allowed = allowed

    async def revisions(self, places: Sequence[Place]) -> tuple[LiveRevision, ...]:
        """Raises `SourceRefused` when any of them may not be seen, `Unavailable` when the API is out."""
        asked = [
            self._of_service(place)
            for place in places
            if place.resource_type == "cloud_run_revision"
            and place.project in self._allowed
            and all(_NAME.match(part) for part in (place.project, place.location, place.service))
        ]
        found: list[LiveRevision] = []
        for answer in await asyncio.gather(*asked, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
            found += answer
        return tuple(found)

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
        except (SourceRefused, Unavailable):
            return None  # an optional permission; the revision's commit stays unknown, and the report says so
        return commit_claim(text(inner(raw or {}, "substitutions"), "COMMIT_SHA"), CommitSource.BUILD)

    async def _get(
        self, host: str, path: str, fields: str, query: Mapping[str, str] | None = None
    ) -> Mapping[str, Any] | None:
        """The answer, None for 404. Raises `SourceRefused` and `Unavailable`."""
        try:
            return await self._rest.get(host, path, fields, query)
        except NotRead as refused:
            match refused.refusal:
                case Refusal.NOT_FOUND:
                    return None
                case Refusal.NOT_PERMITTED:
                    remedy = "grant roles/run.viewer to the auditor's account"
                case Refusal.API_DISABLED:
                    remedy = f"run `{refused.remedy}`"
                case Refusal.CREDENTIALS:
                    remedy = "run `infra-audit doctor`"
                case Refusal.QUOTA | Refusal.OUT | Refusal.MALFORMED:
                    raise Unavailable(refused.reason) from None
            raise SourceRefused(_SOURCE, refused.reason, meaning=_MEANING, remedy=remedy) from None

"""Revisions, images and traffic of Cloud Run services as the API tells them now, and the commit of each.

Owns which fields are asked and the order of trust between them: the revision's own label, the tag of its image, the Cloud Build
that made it. Leaves joining with what the logs tell to `evidence/deployments.py`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

import httpx

from app.errors import SourceRefused, Unavailable
from app.evidence.deployments import commit_claim, image_claim
from app.evidence.model import CommitClaim, CommitSource, LiveRevision, Place, RevisionName, ServiceName
from app.redact import cut
from app.sources.probes import DEADLINE

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*\Z")
_NEWEST = 25
"""Revisions asked of one service, newest first."""
_SOURCE = "deployments"
_MEANING = "which revisions serve is known from the logs only"


class CloudRun:
    """Revisions of services within `allowed` projects. `address` as in `GoogleProbes`."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        allowed: frozenset[str],
        *,
        address: Callable[[str], str] = lambda host: f"https://{host}",
    ) -> None:
        self._http = http
        self._allowed = allowed
        self._address = address

    async def revisions(self, places: Sequence[Place]) -> tuple[LiveRevision, ...]:
        """Raises `SourceRefused` when any of them may not be seen, `Unavailable` when the API is out."""
        found: list[LiveRevision] = []
        for place in places:
            if place.resource_type != "cloud_run_revision" or place.project not in self._allowed:
                continue
            if all(_NAME.match(part) for part in (place.project, place.location, place.service)):
                found += await self._of_service(place)
        return tuple(found)

    async def _of_service(self, place: Place) -> list[LiveRevision]:
        path = f"/v2/projects/{place.project}/locations/{place.location}/services/{place.service}"
        service = await self._get(
            "run.googleapis.com", path, {"fields": "latestReadyRevision,trafficStatuses(revision,percent,type),labels"}
        )
        if service is None:
            return []  # deleted since, or a job: the logs tell what there was
        latest = _tail(service.get("latestReadyRevision"))
        percent: dict[str, int] = {}
        for status in _rows(service.get("trafficStatuses")):
            name = _tail(status.get("revision")) or latest
            percent[name] = percent.get(name, 0) + int(status.get("percent") or 0)
        listed = await self._get(
            "run.googleapis.com",
            f"{path}/revisions",
            {
                "pageSize": str(_NEWEST),
                "fields": "revisions(name,createTime,labels,containers/image,conditions(type,state,reason,message))",
            },
        )
        return [
            await self._revision(place, raw, percent, told=bool(percent))
            for raw in _rows((listed or {}).get("revisions"))
            if raw.get("name")
        ]

    async def _revision(
        self, place: Place, raw: Mapping[str, Any], percent: Mapping[str, int], *, told: bool
    ) -> LiveRevision:
        name = _tail(raw.get("name"))
        labels = _mapping(raw.get("labels"))
        ready = next((c for c in _rows(raw.get("conditions")) if c.get("type") == "Ready"), None)
        state = ready.get("state") if ready is not None else None
        message = ready.get("message") if ready is not None else None
        claims = [
            commit_claim(_text(labels.get("commit-sha")), CommitSource.REVISION_LABEL),
            *(image_claim(_text(container.get("image"))) for container in _rows(raw.get("containers"))[:1]),
        ]
        if not any(claims):
            claims.append(await self._build(place.project, labels))
        return LiveRevision(
            name=RevisionName(name),
            service=ServiceName(place.service),
            commits=tuple(claim for claim in claims if claim is not None),
            created_at=_time(raw.get("createTime")),
            ready={"CONDITION_SUCCEEDED": True, "CONDITION_FAILED": False}.get(str(state)),
            ready_reason=cut(str(message)[:500]) if message else None,
            traffic_percent=percent.get(name, 0) if told else None,
        )

    async def _build(self, project: str, labels: Mapping[str, Any]) -> CommitClaim | None:
        """The commit that Cloud Build says it built from; only that one substitution is asked for."""
        build, region = _text(labels.get("gcb-build-id")), _text(labels.get("gcb-trigger-region")) or "global"
        if not build or not re.fullmatch(r"[0-9a-f-]{8,64}", build) or not _NAME.match(region):
            return None
        path = f"/v1/projects/{project}/locations/{region}/builds/{build}"
        try:
            raw = await self._get("cloudbuild.googleapis.com", path, {"fields": "substitutions/COMMIT_SHA"})
        except SourceRefused:
            return None  # an optional permission; the revision's commit stays unknown, and the report says so
        return commit_claim(_text(_mapping((raw or {}).get("substitutions")).get("COMMIT_SHA")), CommitSource.BUILD)

    async def _get(self, host: str, path: str, query: Mapping[str, str]) -> Mapping[str, Any] | None:
        """The answer, None for 404. Raises `SourceRefused` and `Unavailable`."""
        try:
            answer = await self._http.get(
                f"{self._address(host)}{path}", params=query, timeout=DEADLINE.total_seconds(), follow_redirects=False
            )
        except httpx.TransportError as trouble:
            raise Unavailable(f"no answer of {host} ({type(trouble).__name__})") from None
        match answer.status_code:
            case 200:
                try:
                    return _mapping(answer.json())
                except ValueError:
                    raise Unavailable(f"{host} answered with what is no JSON") from None
            case 404:
                return None
            case 401 | 403:
                raise SourceRefused(
                    _SOURCE,
                    f"not permitted to look at {host}",
                    meaning=_MEANING,
                    remedy="grant roles/run.viewer to the auditor",
                )
            case status:
                raise Unavailable(f"{host} answered {status}")


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [_mapping(item) for item in cast("list[Any]", value)] if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _tail(value: object) -> str:
    return value.rpartition("/")[2] if isinstance(value, str) else ""


def _time(value: object) -> datetime | None:
    try:
        return datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None

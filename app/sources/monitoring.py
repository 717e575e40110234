"""Numbers of Cloud Monitoring: how many entries there are without pulling them, and what a database's own metrics say.

Owns the filters, the alignment and the reading of points. Metrics lag by up to four minutes and know no payload, so they are
shown beside counts of entries and never instead of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from app.evidence.model import ServiceName, Window
from app.evidence.workloads import POD_TAIL
from app.sources.filters import literal
from app.sources.rest import NotRead, Refusal, Rest, inner, moment, rows, text

HOST = "monitoring.googleapis.com"
ROLE = "roles/monitoring.viewer"
Align = Literal["ALIGN_MIN", "ALIGN_MAX", "ALIGN_SUM", "ALIGN_COUNT_TRUE"]
Reduce = Literal["REDUCE_MIN", "REDUCE_MAX", "REDUCE_SUM"]
_POINTS = 120
_PAGE = 20_000
"""Points of a page."""
_PAGES = 5
_GROUP_FIELDS = (
    "nextPageToken,timeSeries(resource/labels,metadata/systemLabels,metric/labels,points/value(int64Value,doubleValue))"
)
_FIELDS = "timeSeries(points(interval/endTime,value(int64Value,doubleValue)))"


@dataclass(frozen=True, slots=True)
class Point:
    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """A series of a group: the labels of its resource, and what the service adds about it (`systemLabels`).

    `metric` is its quota metric where it has one. `top` is the greatest value, `intervals` how many were above 0.
    """

    resource: Mapping[str, Any]
    system: Mapping[str, Any]
    metric: str = ""
    top: float = 0
    intervals: int = 0


class Monitoring:
    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def points(
        self,
        project: str,
        metric: str,
        condition: str,
        window: Window,
        *,
        align: Align,
        reduce: Reduce,
    ) -> list[Point]:
        """One series over all that fit, oldest first, in at most some 120 points. Raises `NotRead`."""
        seconds = window.length.total_seconds()
        query = {
            "filter": f"metric.type={literal(metric)} AND {condition}",
            "interval.startTime": _rfc3339(window.start),
            "interval.endTime": _rfc3339(window.end),
            "aggregation.alignmentPeriod": f"{max(60, 60 * math.ceil(seconds / _POINTS / 60))}s",
            "aggregation.perSeriesAligner": align,
            "aggregation.crossSeriesReducer": reduce,
        }
        raw = await self._rest.get(HOST, f"/v3/projects/{project}/timeSeries", _FIELDS, query)
        found: list[Point] = []
        for series in rows(raw.get("timeSeries")):
            for point in rows(series.get("points")):
                value = _value(point)
                at = moment(text(inner(point, "interval"), "endTime"))
                if at is not None and value is not None:
                    found.append(Point(at, value))
        return sorted(found, key=lambda point: point.at)

    async def grouped(
        self,
        project: str,
        metric: str,
        condition: str,
        window: Window,
        period: timedelta,
        fields: Sequence[str],
        *,
        align: Align = "ALIGN_MAX",
        reduce: Reduce = "REDUCE_MAX",
    ) -> list[Series]:
        """The series that have any point in `window`, one for each difference in `fields`. Raises `NotRead`, also where there
        are more than are read."""
        query: dict[str, str | Sequence[str]] = {
            "filter": f"metric.type={literal(metric)} AND {condition}",
            "interval.startTime": _rfc3339(window.start),
            "interval.endTime": _rfc3339(window.end),
            "aggregation.alignmentPeriod": f"{int(period.total_seconds())}s",
            "aggregation.perSeriesAligner": align,
            "aggregation.crossSeriesReducer": reduce,
            "aggregation.groupByFields": tuple(fields),
            "pageSize": str(_PAGE),
        }
        found: list[Series] = []
        for _ in range(_PAGES):
            raw = await self._rest.get(HOST, f"/v3/projects/{project}/timeSeries", _GROUP_FIELDS, query)
            found += [_series(series) for series in rows(raw.get("timeSeries"))]
            if not (token := text(raw, "nextPageToken")):
                return found
            query["pageToken"] = token
        raise NotRead(Refusal.MALFORMED, "there are more series than are read")


def _value(point: Mapping[str, Any]) -> float | None:
    value = inner(point, "value")
    try:
        return float(text(value, "int64Value") or text(value, "doubleValue"))
    except ValueError:
        return None


def _series(raw: Mapping[str, Any]) -> Series:
    values = [value for point in rows(raw.get("points")) if (value := _value(point)) is not None]
    return Series(
        inner(raw, "resource", "labels"),
        inner(raw, "metadata", "systemLabels"),
        text(inner(raw, "metric", "labels"), "quota_metric"),
        max(values, default=0),
        sum(value > 0 for value in values),
    )


class EntryCounts:
    """How many entries of severity ERROR and above the projects' logs took in."""

    def __init__(self, monitoring: Monitoring, projects: Sequence[str]) -> None:
        self._monitoring = monitoring
        self._projects = tuple(projects)

    async def failures(self, window: Window, services: Sequence[ServiceName]) -> int | None:
        """None when any project's count cannot be read: a part would be taken for the whole."""
        severe = " OR ".join(f'metric.labels.severity="{name}"' for name in ("ERROR", "CRITICAL", "ALERT", "EMERGENCY"))
        conditions = [f"({severe})"]
        if services:
            names = " OR ".join(f"resource.labels.service_name={literal(name)}" for name in services)
            pods = literal(f"({'|'.join(name.replace('.', '[.]') for name in services)}){POD_TAIL}")
            conditions = [
                f"({severe}) AND ({names})",
                f'({severe}) AND resource.type="k8s_container"'
                f" AND resource.labels.pod_name=monitoring.regex.full_match({pods})",
            ]
        total = 0.0
        try:
            for project in self._projects:
                for condition in conditions:
                    points = await self._monitoring.points(
                        project,
                        "logging.googleapis.com/log_entry_count",
                        condition,
                        window,
                        align="ALIGN_SUM",
                        reduce="REDUCE_SUM",
                    )
                    total += sum(point.value for point in points)
        except NotRead:
            return None
        return int(total)


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""What Error Reporting knows of the failures beyond what was read: since when, and about how often.

Owns asking for its groups and finding ours among them. Its own grouping is not taken over: the text that represents a group
there is read by our rules, and only one with the same fingerprint counts. Times and counts are approximate by its own word, end
now and not with the window, and are shown as such. Nothing of the texts is kept.

Source of fields: the service's discovery document.
"""

import asyncio
from collections.abc import Collection, Sequence
from urllib.parse import quote

from app.evidence.grouping import fingerprint_of_trace
from app.evidence.model import Fingerprint, Gap, KnownError, KnownRead
from app.redact import cut, start_of
from app.sources.rest import NotRead, Rest, inner, moment, rows, text, whole

HOST = "clouderrorreporting.googleapis.com"
ROLE = "roles/errorreporting.viewer"
_FIELDS = (
    "nextPageToken,errorGroupStats(count,firstSeenTime,lastSeenTime,affectedServices/service,group/groupId,"
    "representative/message)"
)
_PAGES = 3
_LONGEST = 100_000
_MEANING = "since when a failure is known, beyond the window, is not told"


class ErrorReporting:
    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    async def known(self, projects: Sequence[str], groups: Collection[Fingerprint]) -> KnownRead:
        """Of `groups`, those that any of `projects` has. Never raises: a project that cannot be read is a gap.

        The newest some hundred groups of a project are looked through; what is not among them is not known.
        """
        found: list[KnownError] = []
        gaps: list[Gap] = []
        answers = await asyncio.gather(*(self._of(project, groups) for project in projects))
        for project, answer in zip(projects, answers, strict=True):
            if isinstance(answer, NotRead):
                reason = cut(f"{answer.reason} (Error Reporting of {project})")
                gaps.append(Gap("error reporting", reason, _MEANING, answer.advice(f"{ROLE} on {project}")))
            else:
                found += answer
        return KnownRead(tuple(found), tuple(gaps))

    async def _of(self, project: str, groups: Collection[Fingerprint]) -> list[KnownError] | NotRead:
        found: dict[Fingerprint, KnownError] = {}
        query = {"timeRange.period": "PERIOD_30_DAYS", "order": "LAST_SEEN_DESC", "pageSize": "100"}
        try:
            for _ in range(_PAGES):
                raw = await self._rest.get(HOST, f"/v1beta1/projects/{project}/groupStats", _FIELDS, query)
                for stats in rows(raw.get("errorGroupStats")):
                    group = fingerprint_of_trace(text(inner(stats, "representative"), "message")[:_LONGEST])
                    first, last = moment(text(stats, "firstSeenTime")), moment(text(stats, "lastSeenTime"))
                    if group is None or group not in groups or first is None or last is None:
                        continue
                    services = sorted({text(one, "service") for one in rows(stats.get("affectedServices"))} - {""})
                    known = KnownError(
                        group, first, last, whole(stats, "count"), tuple(start_of(name, 100) for name in services[:20]),
                        _page(project, text(inner(stats, "group"), "groupId")),
                    )  # fmt: skip
                    found[group] = _both(found[group], known) if group in found else known
                if not (token := text(raw, "nextPageToken")):
                    break
                query["pageToken"] = token
        except NotRead as refused:
            return refused
        return list(found.values())


def _both(one: KnownError, other: KnownError) -> KnownError:
    """What is one group by our rules and two by theirs."""
    return KnownError(
        one.group,
        min(one.first_seen, other.first_seen),
        max(one.last_seen, other.last_seen),
        one.count + other.count,
        tuple(sorted({*one.services, *other.services})),
        one.url,
    )


def _page(project: str, group: str) -> str:
    return f"https://console.cloud.google.com/errors/detail/{quote(group, safe='')};time=P30D?project={project}"

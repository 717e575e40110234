"""The minutes and marks of the error timeline: how often it failed, and what was deployed when.

Owns which stretch of time is looked at, how it is cut into columns, and which marks are kept. Leaves the onset to
`evidence/timeline.py`, and drawing to `mermaid.py`, `pictures.py` and the text of the comment.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from app.diagnosis.model import FixVerdict, LedgerRow
from app.evidence.model import CommitSha, Containment, ContainmentFact, DeployKind, ErrorGroup, Evidence, Onset
from app.report.model import Timeline, TimelineMark

BUCKETS: Final = 48
"""About as many columns as a phone shows of a code block without scrolling sideways."""
_FEWEST_BUCKETS = 3
"""With fewer the timeline shows nothing that the counts do not say."""
_BUCKET_MINUTES = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 360, 720, 1440)
_SHORTEST_FOCUS = 15
_FOCUS_FROM = 6
"""A window this many times longer than the cause's own time would press it into a few columns. Lengths in minutes."""
_MARKS_KEPT = 12

_DEPLOYS: Mapping[DeployKind, Literal["deploy", "deploy failed", "traffic"]] = {
    DeployKind.READY: "deploy",
    DeployKind.FAILED: "deploy failed",
    DeployKind.TRAFFIC: "traffic",
}
_BRINGS_A_FIX = (FixVerdict.EFFECTIVE, FixVerdict.INEFFECTIVE, FixVerdict.TOO_EARLY, FixVerdict.PARTLY_DEPLOYED)


def draw_up(
    evidence: Evidence,
    failures: Sequence[ErrorGroup],
    causes: Sequence[ErrorGroup],
    onset: Onset | None,
    ledger: Sequence[LedgerRow],
) -> Timeline | None:
    """All `failures` by columns of time, around the `causes` among them, if any; None when there is too little to draw.

    `onset` is that of the incident, None when what began then is something else. Of several rows of `ledger` that one
    revision brings, the first names the fix.
    """
    minutes = per_minute(failures)
    if not minutes:
        return None
    first, last = _focus(evidence, minutes, per_minute(causes))
    wanted = -(-(last - first + 1) // BUCKETS)
    step = next((size for size in _BUCKET_MINUTES if size >= wanted), -(-wanted // 1440) * 1440)
    counts = [0] * ((last - first) // step + 1)
    if len(counts) < _FEWEST_BUCKETS:
        return None
    for minute, count in minutes.items():
        if first <= minute <= last:
            counts[(minute - first) // step] += count
    end = first + len(counts) * step
    marks = [mark for mark in _marks(evidence, onset, ledger) if first <= mark.at.timestamp() / 60 <= end]
    return Timeline(at_minute(first), step * 60, tuple(counts), tuple(_nearest(marks)))


def per_minute(groups: Iterable[ErrorGroup]) -> dict[int, int]:
    """Occurrences of all `groups` by epoch minute."""
    minutes: dict[int, int] = {}
    for group in groups:
        for minute, count in group.per_minute.items():
            minutes[minute] = minutes.get(minute, 0) + count
    return minutes


def at_minute(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


def _focus(evidence: Evidence, minutes: Mapping[int, int], causes: Mapping[int, int]) -> tuple[int, int]:
    """First and last minute of the picture: the window, or in a long one the cause's time and as much before and after."""
    window, onset = evidence.window, evidence.onset
    # Minutes of which nothing was read would look like minutes without failures.
    start = onset.at if onset is not None and onset.at_window_start else window.start
    first = min(int(start.timestamp()) // 60, min(minutes))
    last = max((int(window.end.timestamp()) - 1) // 60, max(minutes))
    if not causes:
        return first, last
    length = max(_SHORTEST_FOCUS, max(causes) - min(causes) + 1)
    if last - first < _FOCUS_FROM * length:
        return first, last
    return max(first, min(causes) - length), min(last, max(causes) + length)


def _marks(evidence: Evidence, onset: Onset | None, ledger: Sequence[LedgerRow]) -> Iterable[TimelineMark]:
    """The onset, and each revision once: by the fix that it brings, by its deploy, or by when it first served."""
    if onset is not None and not onset.at_window_start:
        yield TimelineMark(onset.at, "onset", "onset")
    fixes: dict[CommitSha, CommitSha] = {}
    for row in ledger:
        for fact in row.facts:
            if _brings_a_fix(row, fact):
                fixes.setdefault(fact.running, row.fix.sha)
    told: set[str] = set()
    for revision in evidence.revisions:
        if revision.commit is not None and revision.commit in fixes:
            told.add(revision.name)
            if at := revision.serving_since or revision.created_at:
                holds = f"{revision.commit[:7]}, has fix {fixes[revision.commit][:7]}"
                yield TimelineMark(at, "fix serving", f"{revision.name} ({holds})")
    deploys = [event for event in evidence.observations.deploys if event.kind in _DEPLOYS]
    for event in deploys:
        if not (event.kind is DeployKind.READY and event.revision in told):
            sha = event.commit.sha if event.commit else None
            yield TimelineMark(event.at, _DEPLOYS[event.kind], _label(event.revision or event.service, sha))
    told |= {event.revision for event in deploys if event.revision}
    for revision in evidence.revisions:
        if revision.name not in told and (at := revision.created_at or revision.serving_since):
            yield TimelineMark(at, "deploy", _label(revision.name, revision.commit))


def _label(name: str, sha: CommitSha | None) -> str:
    return f"{name} ({sha[:7]})" if sha else name


def _brings_a_fix(row: LedgerRow, fact: ContainmentFact) -> bool:
    return row.verdict in _BRINGS_A_FIX and fact.state in (Containment.CONTAINED, Containment.EQUIVALENT)


def _nearest(marks: Sequence[TimelineMark]) -> list[TimelineMark]:
    """Those nearest to the onset, which itself is always there, in order of time."""
    onset = next((mark.at for mark in marks if mark.what == "onset"), None)
    near = sorted(
        dict.fromkeys(marks),
        key=lambda mark: (abs(mark.at - onset) if onset else timedelta(), mark.at, mark.what, mark.label),
    )
    return sorted(near[:_MARKS_KEPT], key=lambda mark: (mark.at, mark.what, mark.label))

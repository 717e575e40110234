"""Timeline and causal chain as mermaid text. Only flowchart and gantt, which every version that GitHub ran can draw."""

from datetime import datetime, timedelta

from app.report.escape import mermaid_label
from app.report.model import ChainEdge, ChainNode, Timeline, TimelineMark
from app.report.wording import counted

_MARK_WORDS = {
    "onset": "onset",
    "deploy": "revision",
    "deploy failed": "failed revision",
    "traffic": "traffic to",
    "first": "first failure",
    "last": "last failure",
    "fix serving": "revision",
}
_MARKS_SHOWN = 12


def chain(nodes: tuple[ChainNode, ...], edges: tuple[ChainEdge, ...]) -> list[str]:
    """Lines of a flowchart from component to symptoms; a step that is not observed is dashed."""
    if not nodes:
        return []
    ids = {node.id: f"n{i}" for i, node in enumerate(nodes)}
    lines = ["flowchart TB"]
    for node in nodes:
        count = f"<br/>{counted(node.count, 'time')}" if node.count is not None else ""
        lines.append(f'  {ids[node.id]}["{mermaid_label(node.label)}{count}"]:::{node.role}')
    for edge in edges:
        arrow = "-->" if edge.basis.value == "observed" else "-.->"
        lines.append(f'  {ids[edge.cause]} {arrow}|"{mermaid_label(edge.label)}"| {ids[edge.effect]}')
    lines += [
        "  classDef component fill:#ddf4ff,stroke:#0969da,color:#1f2328",
        "  classDef cause fill:#ffebe9,stroke:#cf222e,color:#1f2328",
        "  classDef symptom fill:#fff8c5,stroke:#9a6700,color:#1f2328",
        "  classDef other fill:#f6f8fa,stroke:#59636e,color:#1f2328",
    ]
    return lines


def timeline(picture: Timeline) -> list[str]:
    """Lines of a gantt chart in UTC: stretches with failures, and what happened beside them."""
    lines = [
        "gantt",
        "  title Failures and deployments, UTC",
        "  dateFormat YYYY-MM-DD HH:mm:ss",
        f"  axisFormat {'%H:%M' if _span(picture) <= timedelta(hours=30) else '%m-%d %H:%M'}",
        "  section Failures",
    ]
    lines += [
        f"  {counted(count, 'failure')} :crit, {_time(start)}, {_time(end)}" for start, end, count in stretches(picture)
    ]
    if shown := picture.marks[:_MARKS_SHOWN]:
        lines.append("  section Events")
        lines += [f"  {mark_words(m, mermaid_label(m.label, 72))} :milestone, {_time(m.at)}, 0m" for m in shown]
    return lines


def stretches(picture: Timeline) -> list[tuple[datetime, datetime, int]]:
    """Runs of buckets with failures: start, end, failures."""
    bucket = timedelta(seconds=picture.bucket_s)
    found: list[tuple[datetime, datetime, int]] = []
    for i, count in enumerate(picture.counts):
        start = picture.start + i * bucket
        if not count:
            continue
        if found and found[-1][1] == start:
            found[-1] = (found[-1][0], start + bucket, found[-1][2] + count)
        else:
            found.append((start, start + bucket, count))
    return found


def mark_words(mark: TimelineMark, label: str) -> str:
    words = _MARK_WORDS[mark.what]
    return words if mark.label == words else f"{words} {label}"


def _span(picture: Timeline) -> timedelta:
    return timedelta(seconds=picture.bucket_s * len(picture.counts))


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")

"""What the templates may use: a report as rows and lines, with no choice left to make.

Owns our own words and signs beside the findings (icons, marks, heads), the same in every format. Leaves the look of each
kind of value to `as_markdown.py`, `as_page.py` and `as_text.py`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from app.diagnosis.model import (
    DeveloperAction,
    FixVerdict,
    Priority,
    Sentence,
    Status,
    Value,
    Words,
    sentence,
    span,
)
from app.evidence.model import NO_TIME, LayerOwner
from app.redact import cut
from app.report import mermaid
from app.report.escape import safe_url
from app.report.model import EvidenceId, EvidenceItem, Report, Statement, SuspectRow, Timeline, TimelineMark
from app.report.pictures import ChainPicture, TimelinePicture, draw_chain, draw_timeline
from app.report.references import short
from app.report.wording import between, clipped, counted

MARKS_SHOWN = 6
EXCERPTS_SHOWN = 3
_LABEL_LENGTH = 60
_FEWEST_EDGES = 2
"""One step is said by the whys already."""
_SPARKS = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Team:
    """A configured mention and what it owns. Only markdown makes it a live one, and only if it is nothing but a mention."""

    mention: str
    owner: Sentence


@dataclass(frozen=True, slots=True)
class Link:
    """Foreign text that opens something; shown as code, without a link when `url` is None."""

    text: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Check:
    """A read-only command for a person."""

    command: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Several statements in one cell, a line each."""

    items: tuple[Statement, ...]


Inline = Words | Sentence | Statement | Team | Link | Check | Lines | datetime | int | str | None
"""What can stand in a line or cell. None: not known, shown as a dash. A bare string is foreign and becomes code."""

Row = tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class WhyView:
    """One step. `basis` is empty where there is no answer; `open` are (what is not known, command) pairs, at most one."""

    question: Sentence
    answers: tuple[tuple[Sentence, Statement], ...]
    open: tuple[tuple[Sentence, Check], ...]


@dataclass(frozen=True, slots=True)
class ActionView:
    """`commands` and `already` hold one or none."""

    text: Sentence
    commands: tuple[Check, ...]
    already: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class ExcerptView:
    """A few lines of source; `lines` are ready, numbered, the meant one marked."""

    title: Link
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One piece of evidence and how it opens. `detail` are (name, value) pairs; `short` those that link and command lack."""

    id: EvidenceId
    what: Sentence
    url: str | None
    opens: tuple[Link, ...]
    commands: tuple[Check, ...]
    detail: tuple[tuple[Sentence, str], ...]
    short: tuple[tuple[Sentence, str], ...]


@dataclass(frozen=True, slots=True)
class ReportContext:
    """Everything that `report.md.j2`, `report.html.j2` and `report.txt.j2` may use: rows to loop over, no choices left.

    `report` is for plain values such as ids. Tuples that hold one or nothing stand for what may be missing.
    """

    report: Report
    icon: Words
    alert: Words
    title: Sentence
    about: tuple[tuple[Sentence, Inline], ...]
    decision: Row
    decision_pairs: tuple[tuple[Sentence, Inline], ...]
    sparkline: tuple[str, ...]
    whys: tuple[WhyView, ...]
    no_whys: Sentence
    unread: tuple[Sentence, ...]
    resolved: Sentence
    fixes: tuple[Row, ...]
    no_fixes: tuple[Statement, ...]
    active: Sentence
    groups: tuple[Row, ...]
    groups_left_out: tuple[Sentence, ...]
    scorecard: tuple[Sentence, ...]
    signals_for: tuple[Row, ...]
    signals_against: tuple[Row, ...]
    causes_left_out: tuple[Sentence, ...]
    technical: Sentence
    no_technical: tuple[Sentence, ...]
    infrastructure: Sentence
    no_infrastructure: tuple[Sentence, ...]
    frames: tuple[Row, ...]
    excerpts: tuple[ExcerptView, ...]
    mismatches: tuple[Row, ...]
    suspects: tuple[Row, ...]
    revisions: tuple[Row, ...]
    resources: tuple[Row, ...]
    latest: tuple[tuple[datetime, Link, EvidenceId, tuple[str, ...]], ...]
    escalation: Inline
    actions: tuple[ActionView, ...]
    recommendation: Sentence
    changes: tuple[tuple[Sentence, Check], ...]
    gaps: tuple[Row, ...]
    flowchart: tuple[str, ...]
    chain: tuple[Row, ...]
    gantt: tuple[str, ...]
    chain_picture: tuple[ChainPicture, ...]
    timeline_picture: tuple[TimelinePicture, ...]
    evidence: tuple[EvidenceView, ...]
    evidence_count: Sentence
    footer: Sentence
    readings: tuple[Row, ...]
    page: tuple[Link, ...]
    left_out: tuple[Sentence, ...] = ()


_ICONS = {
    Status.RECOVERING: "🟡",
    Status.RESOLVED: "🟢",
    Status.NO_FAILURES: "🟢",
    Status.CANNOT_TELL: "⚪",
}
_ALERTS = {
    Status.RECOVERING: "WARNING",
    Status.RESOLVED: "TIP",
    Status.NO_FAILURES: "NOTE",
    Status.CANNOT_TELL: "IMPORTANT",
}
_VERDICT_MARKS = {
    FixVerdict.EFFECTIVE: "✅",
    FixVerdict.TOO_EARLY: "⏳",
    FixVerdict.NOT_DEPLOYED: "🚫",
    FixVerdict.PARTLY_DEPLOYED: "🌓",
    FixVerdict.INEFFECTIVE: "❌",
    FixVerdict.REGRESSED: "❌",
    FixVerdict.UNRELATED: "➖",
    FixVerdict.UNKNOWN: "❔",
}
_MARKS = {"healthy": "✅", "unhealthy": "❌", "unknown": "❔"}


def icon(report: Report) -> str:
    severe = "🔴" if report.header.priority in (Priority.P0, Priority.P1) else "🟠"
    return _ICONS.get(report.header.status, severe)


def _alert(report: Report) -> str:
    severe = "CAUTION" if report.header.priority in (Priority.P0, Priority.P1) else "WARNING"
    return _ALERTS.get(report.header.status, severe)


def _own(words: str) -> Sentence:
    """Own words that are put together: numbers, enumerations, emoji."""
    return (Words(words),)


def _strong(words: str) -> Sentence:
    return (Words(words, strong=True),)


def context_of(report: Report) -> ReportContext:
    active, footer = report.active, report.footer
    return ReportContext(
        report=report,
        icon=Words(icon(report)),
        alert=Words(_alert(report)),
        title=_title(report),
        about=_about(report),
        decision=_decision(report),
        decision_pairs=tuple(zip(map(_own, ("Who acts", "Next", "Developers")), _decision(report), strict=True)),
        sparkline=tuple(sparkline(report.timeline)) if report.timeline else (),
        whys=tuple(
            WhyView(
                question=why.question,
                answers=((_own(why.answer.basis.value.capitalize()), why.answer),) if why.answer else (),
                open=((_ended(why.open_question or _own("not known")), Check(why.command)),) if why.command else (),
            )
            for why in report.whys
        ),
        no_whys=_own(_NO_WHYS[active.state]),
        unread=_unread(report),
        resolved=_resolved(report),
        fixes=tuple(
            (
                Link(short(fix.commit), fix.commit_url),
                fix.what,
                fix.issue,
                sentence("{} {}", _own(_VERDICT_MARKS[fix.verdict]), _strong(fix.verdict.value)),
                fix.because,
            )
            for fix in report.fixes
        ),
        no_fixes=(report.no_fixes_because,) if report.no_fixes_because else (),
        active=_active(report),
        groups=tuple(
            (
                sentence("{}", _strong("cause") if row.role == "cause" else _own(row.role)),
                row.title,
                sentence("{} ({} %)", row.count, round(100 * row.share)),
                _own(f"{row.per_minute:,.3g}"),
                _own(_times(row.first_seen, row.last_seen, report)),
                _names(row.revisions, "revision"),
                row.statement,
            )
            for row in active.groups
        ),
        groups_left_out=(sentence("{} smaller groups are not shown.", active.groups_left_out),)
        if active.groups_left_out
        else (),
        scorecard=tuple(
            _own(" · ".join(f"{layer.value} {score:+g}" for layer, score in active.scores)) for _ in active.scores[:1]
        ),
        signals_for=tuple((_own(f"{row.weight:+g}"), _own(row.layer.value), row.why) for row in active.signals_for),
        signals_against=tuple(
            (_own(f"{row.weight:+g}"), _own(row.layer.value), row.why) for row in active.signals_against
        ),
        causes_left_out=_causes_left_out(report),
        technical=_technical(report),
        no_technical=_no_technical(report),
        infrastructure=_infrastructure(report),
        no_infrastructure=_no_infrastructure(report),
        frames=tuple(
            (
                row.frame,
                Link(f"{row.path or '?'}:{row.line or '?'}", row.url),
                row.last_change,
                row.note,
            )
            for row in report.frames
        ),
        excerpts=tuple(
            ExcerptView(Link(f"{row.path}:{row.line}", row.url), tuple(_numbered(row.excerpt, row.line)))
            for row in [row for row in report.frames if row.excerpt][:EXCERPTS_SHOWN]
        ),
        mismatches=tuple(
            (_own("✅ agrees" if row.agrees else "❗ mismatch"), row.statement) for row in report.mismatches
        ),
        suspects=tuple(
            (
                Link(short(row.commit), row.commit_url),
                row.what,
                _suspected_of(row),
                _own(f"{row.score:.2f}"),
                Lines(row.reasons_for),
                Lines(row.reasons_against),
            )
            for row in report.suspects
        ),
        revisions=tuple(
            (
                row.revision,
                Link(short(row.commit), row.commit_url) if row.commit else None,
                _own(_yes(row.ready)),
                _own(_yes(row.serving)),
                row.note,
            )
            for row in report.revisions
        ),
        resources=tuple(
            (
                _own(_MARKS[row.mark]),
                row.resource,
                row.kind,
                row.read_at,
                row.note,
            )
            for row in report.resources
        ),
        latest=(
            (
                report.latest.at,
                Link("Logs Explorer", report.latest.url),
                report.latest.evidence,
                tuple(orjson.dumps(report.latest.fields, option=orjson.OPT_INDENT_2).decode().split("\n")),
            ),
        )
        if report.latest
        else (),
        escalation=_escalation(report),
        actions=tuple(
            ActionView(
                _ended(row.text, ":" if row.command else "."),
                (Check(row.command),) if row.command else (),
                (row.already,) if row.already else (),
            )
            for row in report.escalation.actions
        ),
        recommendation=_recommendation(report),
        changes=((_ended(report.advice.changes_if, ":"), Check(report.advice.command)),)
        if report.advice.changes_if and report.advice.command
        else (),
        gaps=tuple((row.source, row.reason, _own(row.meaning), row.remedy) for row in report.gaps),
        flowchart=tuple(mermaid.chain(report.chain_nodes, report.chain_edges))
        if len(report.chain_edges) >= _FEWEST_EDGES
        else (),
        chain=_chain(report),
        gantt=tuple(mermaid.timeline(report.timeline)) if report.timeline else (),
        chain_picture=(draw_chain(report.chain_nodes, report.chain_edges),)
        if len(report.chain_edges) >= _FEWEST_EDGES
        else (),
        timeline_picture=(draw_timeline(report.timeline),) if report.timeline else (),
        evidence=tuple(_evidence(item) for item in report.evidence),
        evidence_count=_own(counted(len(report.evidence), "item")),
        footer=_footer(report),
        readings=tuple(
            (row.source, row.entries, row.calls, row.query, row.truncated, row.digest) for row in footer.readings
        ),
        page=(Link("full report", footer.page_url),) if footer.page_url else (),
    )


def _title(report: Report) -> Sentence:
    header = report.header
    text = _own(header.status.value + (f" · {header.priority.value}" if header.priority else ""))
    return sentence("{} · {}", text, cut(header.environment)) if header.environment else text


def _about(report: Report) -> tuple[tuple[Sentence, Inline], ...]:
    header = report.header
    services: list[Sentence] = [sentence("{}", cut(name)) for name in header.services]
    pairs: list[tuple[Sentence, Inline]] = [
        (_own("Audit"), header.audit_id),
        (_own("Window"), _own(_window(report))),
        (_own("Environment"), header.environment or _own("not named")),
        (_own("Services"), _list(services) if services else _own("all that were read")),
        *(((_own("Judged"), header.judged_at),) if header.judged_at > NO_TIME else ()),
    ]
    return tuple(pairs)


def _window(report: Report) -> str:
    start, end = report.header.window_start, report.header.window_end
    return f"{between(start, end)} ({span(end - start)})" if end > start else "none given, and no entry tells one"


def _list(parts: Sequence[Sentence], between: str = ", ") -> Sentence:
    out: list[Words | Value] = []
    for i, part in enumerate(parts):
        out += (Words(between), *part) if i else part
    return tuple(out)


_OWNER_WORDS = {
    LayerOwner.DEVELOPERS: "Developers",
    LayerOwner.INFRASTRUCTURE: "Infrastructure team",
    LayerOwner.PROVIDER: "Cloud provider",
}
_ACTION_WORDS = {
    DeveloperAction.HOLD: "no code change helps yet",
    DeveloperAction.FIX: "a code change is needed",
    DeveloperAction.DEPLOY: "the fix exists, it has to run",
    DeveloperAction.ROLL_BACK: "go back to the revision before",
    DeveloperAction.CONFIGURE: "a setting has to change, not code",
    DeveloperAction.VERIFY: "watch it, change nothing",
    DeveloperAction.NONE: "nothing to do",
    DeveloperAction.CHECK: "it decides who acts",
}


_NOBODY_ACTS = (Status.RESOLVED, Status.NO_FAILURES)


def _decision(report: Report) -> Row:
    """Who acts, what next, what developers do."""
    header = report.header
    if header.act:
        who: Inline = Team(header.act, _owner(report))
    elif header.status in _NOBODY_ACTS:
        who = _own("nobody has to")
    elif header.owner:
        who = sentence("{} (nobody is configured)", _strong(_OWNER_WORDS[header.owner]))
    else:
        who = _own("not decided")
    return (
        who,
        header.next_step,
        sentence("{}: {}", _strong(header.action.value), _own(_ACTION_WORDS[header.action])),
    )


def _owner(report: Report) -> Sentence:
    owner = report.header.owner
    return _own(_OWNER_WORDS[owner]) if owner else _own("owner not decided")


def _escalation(report: Report) -> Inline:
    target = report.escalation.target
    if target:
        return Team(target, _owner(report))
    if report.header.status in _NOBODY_ACTS:
        return _own("nobody, there is nothing to act on")
    if report.escalation.owner is None:
        return _own("not decided, so nobody is called")
    return sentence("{}; nobody is configured for it", _owner(report))


_NO_WHYS = {
    "failing": "The evidence does not reach far enough to ask.",
    "quiet": "The evidence does not reach far enough to ask.",
    "none": "Nothing failed in what was read, so there is nothing to ask.",
    "cannot tell": "Nothing was read that could be asked about.",
}


def _unread(report: Report) -> tuple[Sentence, ...]:
    """What is missing, on the first screen; the reasons stand in a section of their own."""
    names = list(dict.fromkeys(row.source for row in report.gaps))
    if not names:
        return ()
    shown = _list([sentence("{}", cut(name)) for name in names[:3]])
    more = _own(f" and {len(names) - 3} more" if len(names) > 3 else "")
    return (sentence("❔ Not read, or not whole: {}{}.", shown, more),)


def _chain(report: Report) -> tuple[Row, ...]:
    """The causal chain in words, for who cannot see the picture; empty where there is no picture."""
    if len(report.chain_edges) < _FEWEST_EDGES:
        return ()
    labels = {node.id: clipped(node.label, _LABEL_LENGTH) for node in report.chain_nodes}
    return tuple(
        (labels[edge.cause], labels[edge.effect], Statement(_own(edge.label), edge.basis, edge.evidence))
        for edge in report.chain_edges
    )


def _resolved(report: Report) -> Sentence:
    if not report.fixes:
        return _own("no fix to judge")
    proven = sum(fix.verdict is FixVerdict.EFFECTIVE for fix in report.fixes)
    return sentence("{} of {} fixes proven effective", proven, len(report.fixes))


_STATE_WORDS = {
    "failing": "Still failing at the end of the window",
    "quiet": "Quiet at the end of the window",
    "none": "None seen",
    "cannot tell": "Cannot tell",
}


def _active(report: Report) -> Sentence:
    active = report.active
    causes = sum(row.role == "cause" for row in active.groups)
    symptoms = sum(row.role == "symptom" for row in active.groups)
    text = sentence("{}", _strong(_STATE_WORDS[active.state]))
    if causes:
        text = sentence("{}; {}, {}", text, _own(counted(causes, "cause")), _own(counted(symptoms, "symptom")))
    elif active.groups:
        kinds = counted(len(active.groups) + active.groups_left_out, "kind")
        text = sentence("{}; {} of failure, and which one is the cause is not told", text, _own(kinds))
    return sentence("{}. Layer {}, confidence {}.", text, _strong(active.layer.value), active.confidence)


def _causes_left_out(report: Report) -> tuple[Sentence, ...]:
    left = (report.active.also_left_out, "more cause"), (report.active.ruled_out_left_out, "more ruled-out cause")
    parts = [counted(number, words) for number, words in left if number]
    return (_own(f"And {' and '.join(parts)}."),) if parts else ()


def _technical(report: Report) -> Sentence:
    finding = sum(not row.agrees for row in report.mismatches)
    return _own(
        f"{counted(len(report.frames), 'frame')} audited, {counted(finding, 'mismatch', 'mismatches')}, "
        f"{counted(len(report.suspects), 'suspect')}"
    )


def _no_technical(report: Report) -> tuple[Sentence, ...]:
    if report.frames or report.mismatches or report.suspects:
        return ()
    return (_own("no frame of the program's own code stands in these entries, and nothing configured was compared."),)


def _infrastructure(report: Report) -> Sentence:
    unknown = sum(row.mark == "unknown" for row in report.resources)
    unhealthy = sum(row.mark == "unhealthy" for row in report.resources)
    return _own(
        f"{counted(len(report.resources), 'resource')} asked, {unhealthy} unhealthy, {unknown} could not be read; "
        f"{counted(len(report.revisions), 'revision')}"
    )


def _no_infrastructure(report: Report) -> tuple[Sentence, ...]:
    if report.resources or report.revisions:
        return ()
    return (_own("no resource was asked about its state, and no revision is known."),)


def _recommendation(report: Report) -> Sentence:
    advice = report.advice
    priority = advice.priority.value if advice.priority else "no priority"
    action = _own(f"Developer action: {advice.action.value}, {_ACTION_WORDS[advice.action]}.")
    return sentence("{} · {} · {}", _strong(advice.status.value), _strong(priority), action)


_SAID_BY_COMMAND = ("filter", "commit", "fix", "running", "path")


def _evidence(item: EvidenceItem) -> EvidenceView:
    url = safe_url(item.url)
    return EvidenceView(
        id=item.id,
        what=item.what,
        url=url,
        opens=(Link("open", url),) if url else (),
        commands=(Check(item.command),) if item.command else (),
        detail=tuple((_own(name), value) for name, value in item.detail),
        short=tuple((_own(name), value) for name, value in item.detail if name not in _SAID_BY_COMMAND),
    )


def _footer(report: Report) -> Sentence:
    footer, header = report.footer, report.header
    truncated = sum(row.truncated is not None for row in footer.readings)
    cuts = sum(footer.redactions.values())
    parts = [
        sentence("Audit {}", cut(header.audit_id)),
        *((_own(between(header.window_start, header.window_end)),) if header.window_end > header.window_start else ()),
        sentence(
            "{} entries read in {} calls{}",
            footer.entries,
            footer.log_reads,
            _own(f", {counted(truncated, 'reading')} stopped early" if truncated else ""),
        ),
        *((sentence("{} unreadable lines", footer.bad_lines),) if footer.bad_lines else ()),
        *((sentence("{} GitHub calls", footer.github_calls),) if footer.github_calls is not None else ()),
        sentence(
            "{} secrets cut{}",
            cuts,
            _own(f" ({', '.join(f'{n} {name}' for name, n in footer.redactions.items())})" if cuts else ""),
        ),
        sentence("evidence {}", cut(footer.evidence_digest[:12])),
        sentence("infra-audit {}", _own(footer.tool_version)),
    ]
    return _list(parts, " · ")


def _suspected_of(row: SuspectRow) -> Sentence:
    """The error that the reasons are about, then up to two more."""
    text = sentence("{}", cut(clipped(row.error, _LABEL_LENGTH)))
    for error in row.also[:2]:
        text = sentence("{}, also {}", text, cut(clipped(error, _LABEL_LENGTH)))
    return sentence("{} and {} more", text, len(row.also) - 2) if len(row.also) > 2 else text


def _names(names: tuple[str, ...], one: str) -> Inline:
    """The only one by name, more by number."""
    return names[0] if len(names) == 1 else _own(counted(len(names), one)) if names else None


def _ended(text: Sentence, end: str = ".") -> Sentence:
    """With `end` as its last sign, in the place of a full stop."""
    last = text[-1] if text else Words("")
    if isinstance(last, Value):
        return (*text, Words(end))
    words = last.text.rstrip()
    if words.endswith(("?", "!", ":", end)):
        return text
    return (*text[:-1], Words(words.removesuffix(".") + end, last.strong))


def _yes(value: bool | None) -> str:
    return "not told" if value is None else "yes" if value else "no"


def _times(first: datetime, last: datetime, report: Report) -> str:
    """Without the date, where it is the window's only one."""
    days = {at.date() for at in (first, last, report.header.window_start, report.header.window_end)}
    if len(days) > 1:
        return between(first, last)
    return (
        f"{first:%H:%M}"
        if first.replace(second=0, microsecond=0) == last.replace(second=0, microsecond=0)
        else (f"{first:%H:%M}–{last:%H:%M}")
    )


def _numbered(lines: Iterable[tuple[int, str]], meant: int | None) -> Iterable[str]:
    shown = list(lines)
    digits = len(str(max((number for number, _ in shown), default=0)))
    for number, line in shown:
        yield f"{'>' if number == meant else ' '} {number:>{digits}} | {line.rstrip()}"


def sparkline(picture: Timeline) -> Iterable[str]:
    """The timeline as a few lines of text: a bar for each bucket, an arrow under it for each mark."""
    top = max(*picture.counts, 1)
    bars = "".join(_SPARKS[max(0, -(-8 * count // top) - 1)] if count else "·" for count in picture.counts)
    minutes = picture.bucket_s // 60
    unit = "min" if minutes == 1 else f"{minutes} min"
    start, length = picture.start, timedelta(seconds=picture.bucket_s * len(picture.counts))
    lead = f"{start:%H:%M} "
    yield f"failures per {unit}, highest {top:,}, {between(start, start + length)}"
    yield f"{lead}{bars} {start + length:%H:%M}"
    shown = _shown_marks(picture)
    for mark in shown:
        column = int((mark.at - start).total_seconds() // picture.bucket_s)
        label = f"{mermaid.mark_words(mark, mark.label)} {mark.at:%H:%M}"
        place = len(lead) + max(0, min(column, len(picture.counts) - 1))
        if place > len(label) + 1 and column > len(picture.counts) // 2:
            yield f"{label} ▲".rjust(place + 1)
        else:
            yield " " * place + f"▲ {label}"
    if len(picture.marks) > len(shown):
        yield f"and {counted(len(picture.marks) - len(shown), 'more event')}"


def _shown_marks(picture: Timeline) -> list[TimelineMark]:
    """The onset and what is nearest to it."""
    onset = next((i for i, mark in enumerate(picture.marks) if mark.what == "onset"), 0)
    first = max(0, min(onset - MARKS_SHOWN // 2, len(picture.marks) - MARKS_SHOWN))
    return list(picture.marks[first : first + MARKS_SHOWN])

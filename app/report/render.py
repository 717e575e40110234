"""Report to GitHub markdown, HTML page, terminal text and JSON, through `templates/`.

Owns what each template may use (`ReportContext`), how each kind of value looks in each format, and what is left out when a
comment grows too long. Leaves what is said to `build.py`, escaping to `escape.py`. A bare string in a template comes out as
escaped code: whatever a template author forgets, foreign text stays text.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, assert_never, cast

import orjson
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape
from pydantic import TypeAdapter

import app
from app.diagnosis.model import (
    Basis,
    DeveloperAction,
    FixVerdict,
    LayerOwner,
    Priority,
    Sentence,
    Status,
    Value,
    Words,
    clock,
    plain,
    sentence,
    span,
)
from app.redact import cut
from app.report import mermaid, terminal
from app.report.escape import (
    inline,
    md_cell,
    md_code,
    md_fence,
    md_team,
    md_url,
    md_words,
    safe_url,
    visible,
)
from app.report.model import (
    EvidenceId,
    EvidenceItem,
    Report,
    Statement,
    Timeline,
)
from app.report.pictures import ChainPicture, TimelinePicture, draw_chain, draw_timeline
from app.report.references import rfc3339, short
from app.report.terminal import Run, Style

MARKS_SHOWN = 6
_SPARKS = "▁▂▃▄▅▆▇█"
_PACKAGE = Path(app.__file__).parent
_TEMPLATES = (_PACKAGE / "templates", _PACKAGE.parent / "templates")
"""Inside the installed package, and beside it in a source tree."""


# --- what templates see -----------------------------------------------------------------------------------------------


class Ready(str):
    """Finished output of a format: not escaped again."""

    __slots__ = ()


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


Inline = Sentence | Statement | Team | Link | Check | Lines | datetime | int | str | None
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
    """One piece of evidence and how it opens. `detail` are (name, value) pairs."""

    id: EvidenceId
    what: Sentence
    url: str | None
    opens: tuple[Link, ...]
    commands: tuple[Check, ...]
    detail: tuple[tuple[Sentence, str], ...]


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
    resolved: Sentence
    fixes: tuple[Row, ...]
    no_fixes: tuple[Statement, ...]
    active: Sentence
    groups: tuple[Row, ...]
    groups_left_out: tuple[Sentence, ...]
    scorecard: Sentence
    signals_for: tuple[Row, ...]
    signals_against: tuple[Row, ...]
    technical: Sentence
    infrastructure: Sentence
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
    gantt: tuple[str, ...]
    chain_picture: tuple[ChainPicture, ...]
    timeline_picture: tuple[TimelinePicture, ...]
    evidence: tuple[EvidenceView, ...]
    evidence_count: Sentence
    footer: tuple[Sentence, ...]
    readings: tuple[Row, ...]
    page: tuple[Link, ...]
    left_out: tuple[Sentence, ...] = ()


# --- the four formats -------------------------------------------------------------------------------------------------


def markdown(report: Report, *, limit: int = 60_000) -> str:
    """GitHub markdown of at most `limit` characters: whole sections are left out, least telling first, and it says which.

    With a limit too small for the first screen, the status line alone is returned.
    """
    template = _markdown().get_template("report.md.j2")
    context = _context(report)
    left_out: list[str] = []
    for dropped in ("", *_LEAST_TELLING):
        if dropped:
            left_out.append(dropped)
        said = tuple((Words(_SECTION_NAMES[name]),) for name in left_out)
        values = _values(replace(context, left_out=said))
        blocks = [name for name in template.blocks if name not in left_out]
        whole = "\n\n".join(text for name in blocks if (text := _block(template, name, values))) + "\n"
        if len(whole) <= limit:
            return whole
    return status_line(report) + "\n"


def html(report: Report) -> str:
    """A page that needs nothing but itself, and forbids itself everything else."""
    template = _html().get_template("report.html.j2")
    style = _style()
    return template.render(
        **_values(_context(report)),
        page_title=f"{report.header.status.value} · {report.header.audit_id}",
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def text(report: Report, *, width: int = 100, color: bool = False) -> str:
    """For a terminal of `width` columns (40 at least), plain unless `color`; no control character of outside gets through."""
    template = _terminal(max(40, width), color).get_template("report.txt.j2")
    return template.render(**_values(_context(report))).strip("\n") + "\n"


def to_json(report: Report) -> bytes:
    """The report under its published schema, two spaces deep, the same bytes for the same report."""
    return _adapter().dump_json(report, indent=2) + b"\n"


def json_schema() -> dict[str, object]:
    """JSON Schema of `to_json`, from the types."""
    schema = _adapter().json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Infra Audit report"}


def status_line(report: Report) -> str:
    """One line in our own words only, so that it can stand in a comment, a terminal or a notification as it is."""
    header, active = report.header, report.active
    failures = sum(row.count for row in active.groups)
    parts = [
        f"{_icon(report)} {header.status.value}",
        *((header.priority.value,) if header.priority else ()),
        f"developers: {header.action.value}",
        f"layer {active.layer.value}, confidence {active.confidence.value}",
        f"{failures:,} {'failure' if failures == 1 else 'failures'}" + (" and more" if active.groups_left_out else ""),
        f"audit {header.audit_id}",
    ]
    return " · ".join(parts)


@cache
def _adapter() -> TypeAdapter[Report]:
    return TypeAdapter(Report)


_SECTION_NAMES = {
    "pictures": "pictures",
    "signals": "scorecard",
    "excerpts": "source excerpts",
    "evidence": "list of evidence",
    "suspects": "suspects",
    "infrastructure": "infrastructure findings",
    "latest": "latest failure evidence",
    "code": "code audit",
    "impact": "business impact",
    "gaps": "what could not be read",
    "active": "active failure",
    "fixes": "resolved components",
    "whys": "five whys",
    "escalation": "escalation",
    "advice": "recommendation",
}
_LEAST_TELLING = tuple(_SECTION_NAMES)
"""Sections of the markdown that may be left out, in the order in which they are."""


def _block(template: Template, name: str, values: dict[str, Any]) -> str:
    return "".join(template.blocks[name](template.new_context(values))).strip("\n")


def _values(context: ReportContext) -> dict[str, Any]:
    return {name: getattr(context, name) for name in ReportContext.__slots__}


@cache
def _loader() -> FileSystemLoader:
    return FileSystemLoader([path for path in _TEMPLATES if path.is_dir()])


@cache
def _markdown() -> Environment:
    # Autoescaping is HTML's; here `finalize` escapes, and it knows code from words.
    env = Environment(  # noqa: S701
        loader=_loader(), undefined=StrictUndefined, finalize=_md, trim_blocks=True, lstrip_blocks=True
    )
    return _with_filters(
        env, row=_md_row, bold=_md_bold, claim=_md_claim, fence=_md_fence, refs=_md_refs, definition=_md_definition
    )


@cache
def _html() -> Environment:
    env = Environment(
        loader=_loader(),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_html_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return _with_filters(env, claim=_html_claim, refs=_html_refs, words=_html_words, line=_html_line)


@cache
def _style() -> str:
    """The page's style sheet: put into the page, since the page may load nothing, and pinned there by its hash."""
    source, _, _ = _loader().get_source(Environment(autoescape=True), "report.css")
    return source


@lru_cache(maxsize=8)
def _terminal(width: int, color: bool) -> Environment:
    def paint(lines: list[terminal.Line], indent: int) -> Ready:
        return Ready("\n".join((" " * indent + terminal.paint(line, color=color)).rstrip() for line in lines))

    def para(value: Inline | list[Inline], lead: str = "", indent: int = 0) -> Ready:
        """One paragraph with a hanging indent as deep as its `lead`."""
        hang = indent + terminal.display_width(lead)
        lines = terminal.wrap(_runs(value), width - hang)
        first = paint(lines[:1], indent).lstrip()
        return Ready("\n".join((" " * indent + lead + first, *paint(lines[1:], hang).split("\n"))).rstrip())

    def table(rows: Sequence[Row], *heads: str, indent: int = 2) -> Ready:
        head = [[Run(name, "dim")] for name in heads]
        return paint(terminal.table([head, *([_runs(cell) for cell in row] for row in rows)], width - indent), indent)

    def pairs(rows: Sequence[tuple[Inline, Inline]], indent: int = 2) -> Ready:
        """Names and values in two columns, without a head."""
        wide = max((terminal.width_of(_runs(name)) for name, _ in rows), default=0) + 2
        lines: list[terminal.Line] = []
        for name, value in rows:
            label = _runs(name)
            wrapped = terminal.wrap(_runs(value), width - indent - wide)
            for i, line in enumerate(wrapped):
                lead = [*label, Run(" " * (wide - terminal.width_of(label)))] if i == 0 else [Run(" " * wide)]
                lines.append([*lead, *line])
        return paint(lines, indent)

    def heading(words: str) -> Ready:
        return Ready(terminal.paint([Run(words, "head")], color=color))

    def title(value: Sentence, status: Words) -> Ready:
        style: Style = _TITLE_STYLES.get(status.text, "warn")
        runs = [Run(run.text, style) for run in _runs(value)]
        rule = terminal.paint([Run("━" * width, style)], color=color)
        return Ready("\n".join((rule, paint(terminal.wrap(runs, width), 0), rule)))

    def verbatim(lines: Sequence[str], indent: int = 2) -> Ready:
        """Lines as they are, cut at the width."""
        return paint([[Run(terminal.clip(visible(line), width - indent), "")] for line in lines], indent)

    def shown(value: Any) -> str:
        return value if isinstance(value, Ready) else terminal.paint(_runs(value), color=color)

    env = Environment(  # noqa: S701
        loader=_loader(), undefined=StrictUndefined, finalize=shown, trim_blocks=True, lstrip_blocks=True
    )
    return _with_filters(
        env,
        para=para,
        table=table,
        pairs=pairs,
        heading=heading,
        title=title,
        verbatim=verbatim,
        own=Words,
        lead=_lead,
        claim=_runs_claim,
        refs=_runs_refs,
    )


def _maybe(value: Any) -> tuple[Any, ...]:
    """What is there to loop over: itself, once, unless it is missing or empty."""
    return (value,) if value else ()


def _dot(last: bool) -> Ready:
    return Ready("" if last else " · ")


def _plain_id(id_: EvidenceId) -> Ready:
    return Ready(id_)


def _address(link: Link) -> Words:
    return Words(safe_url(link.url) or "")


def _with_filters(env: Environment, **filters: Callable[..., Any]) -> Environment:
    shared: dict[str, Callable[..., Any]] = {"maybe": _maybe, "dot": _dot, "id": _plain_id, "url": _address}
    env.filters.update(shared)
    env.filters.update(filters)
    return env


# --- markdown ---------------------------------------------------------------------------------------------------------


def _md(value: Any) -> str:
    match value:
        case Ready():
            return value
        case Words():
            return _md_part(value)
        case Statement():
            return f"{_md(value.text)}{_md_basis(value.basis)} {_md_refs(value.evidence)}"
        case tuple():
            return "".join(_md_part(part) for part in _merged(cast(Sentence, value)))
        case Lines():
            return "<br>".join(_md(item) for item in value.items) or "–"
        case Team():
            return f"{md_team(value.mention) or md_code(value.mention)} ({_md(value.owner)})"
        case Link():
            url = safe_url(value.url)
            return f"[{md_code(value.text)}]({md_url(url)})" if url else md_code(value.text)
        case Check():
            return md_code(value.command)
        case datetime():
            return clock(value)
        case int():
            return f"{value:,}"
        case str():
            return md_code(value)
        case None:
            return "–"
        case _:
            raise TypeError(f"no markdown for {type(value).__name__}")


def _merged(text: Sentence) -> Sentence:
    """Neighbouring words of one weight as one, so that markup does not open right where it closed."""
    out: list[Words | Value] = []
    for part in text:
        last = out[-1] if out else None
        if isinstance(part, Words) and isinstance(last, Words) and last.strong == part.strong:
            out[-1] = Words(last.text + part.text, part.strong)
        else:
            out.append(part)
    return tuple(out)


def _md_part(part: Words | Value) -> str:
    match part:
        case Value():
            return md_code(part.text)
        case Words():
            words = md_words(part.text)
            if not part.strong or not words.strip():
                return words
            inner = words.strip()
            lead, tail = words[: len(words) - len(words.lstrip())], words[len(words.rstrip()) :]
            return f"{lead}**{inner}**{tail}"
        case _:
            assert_never(part)


def _md_basis(basis: Basis) -> str:
    """What is observed needs no mark; the rest says what it is."""
    return "" if basis is Basis.OBSERVED else f" *({basis.value})*"


def _md_refs(ids: Sequence[EvidenceId]) -> Ready:
    """Short forms of links, whose addresses stand once at the end; without an address the id is looked up in the list."""
    return Ready(f"<sup>{' '.join(f'[{id_}]' for id_ in ids)}</sup>")


def _md_claim(statement: Statement) -> Ready:
    """Without the mark of its basis, where the line names it already."""
    return Ready(f"{_md(statement.text)} {_md_refs(statement.evidence)}")


def _md_bold(value: Sentence | Statement) -> Ready:
    text = value.text if isinstance(value, Statement) else value
    plain = tuple(replace(part, strong=False) if isinstance(part, Words) else part for part in text)
    bold = f"**{_md(plain).strip()}**"
    if isinstance(value, Statement):
        bold += f"{_md_basis(value.basis)} {_md_refs(value.evidence)}"
    return Ready(bold)


def _md_row(row: Row) -> Ready:
    return Ready("| " + " | ".join(md_cell(_md(cell)) for cell in row) + " |")


def _md_fence(lines: Sequence[str], language: str = "") -> Ready:
    return Ready(md_fence(list(lines), language))


def _md_definition(item: EvidenceView) -> Ready:
    return Ready(f"[{item.id}]: {md_url(item.url or '')}")


# --- the page ---------------------------------------------------------------------------------------------------------


def _html_value(value: Any) -> Any:
    match value:
        case Markup() | Ready():
            return Markup(value)  # noqa: S704 - finished output of this module
        case Words():
            return _html_part(value)
        case Statement():
            return _html_claim(value) + _html_basis(value.basis)
        case tuple():
            return Markup("").join(_html_part(part) for part in _merged(cast(Sentence, value)))
        case Lines():
            return Markup("<br>").join(_html_value(item) for item in value.items) or "–"
        case Team():
            return Markup("<strong>{}</strong> ({})").format(visible(value.mention), _html_value(value.owner))
        case Link():
            url = safe_url(value.url)
            code = _html_code(value.text)
            return Markup('<a href="{}" rel="noreferrer nofollow">{}</a>').format(url, code) if url else code
        case Check():
            return Markup('<code class="cmd">{}</code>').format(visible(value.command))
        case datetime():
            return Markup('<time datetime="{}">{}</time>').format(rfc3339(value), clock(value))
        case int():
            return f"{value:,}"
        case str():
            return _html_code(value)
        case None:
            return "–"
        case _:
            raise TypeError(f"no HTML for {type(value).__name__}")


def _html_part(part: Words | Value) -> Markup:
    match part:
        case Value():
            return _html_code(part.text)
        case Words():
            words = escape(visible(part.text))
            return Markup("<strong>{}</strong>").format(words) if part.strong else words
        case _:
            assert_never(part)


def _html_code(text: str) -> Markup:
    return Markup("<code>{}</code>").format(inline(text) or "(empty)")


def _html_words(value: object) -> Markup:
    """Bare text or a number, escaped but not code: attributes, picture labels, table heads."""
    return escape(visible(str(value)))


def _html_line(line: str) -> Markup:
    """A line inside `pre`; the meant line of an excerpt is marked."""
    shown = escape(visible(line))
    return Markup("<mark>{}</mark>").format(shown) if line.startswith(">") else shown


def _html_claim(statement: Statement) -> Markup:
    return Markup("{} {}").format(_html_value(statement.text), _html_refs(statement.evidence))


def _html_basis(basis: Basis) -> Markup:
    return Markup("") if basis is Basis.OBSERVED else Markup(' <em class="basis">{}</em>').format(basis.value)


def _html_refs(ids: Sequence[EvidenceId]) -> Markup:
    links = Markup(" ").join(Markup('<a href="#{0}">{0}</a>').format(id_) for id_ in ids)
    return Markup('<sup class="refs">{}</sup>').format(links)


# --- the terminal -----------------------------------------------------------------------------------------------------

_TITLE_STYLES: dict[str, Style] = {"🔴": "bad", "🟠": "warn", "🟡": "warn", "🟢": "good", "⚪": "strong"}


def _runs(value: Any) -> list[Run]:
    match value:
        case Run():
            return [value]
        case _Runs():
            return value
        case Words():
            return [Run(visible(value.text), "strong" if value.strong else "")]
        case Statement():
            return [
                *_runs_claim(value),
                *([] if value.basis is Basis.OBSERVED else [Run(f" ({value.basis.value})", "dim")]),
            ]
        case tuple():
            return [run for part in cast(Sentence, value) for run in _part_runs(part)]
        case list():
            return _spaced([_runs(item) for item in cast("list[Any]", value)])
        case Lines():
            return _spaced([_runs(item) for item in value.items]) or [Run("–", "dim")]
        case Team():
            return [Run(visible(value.mention), "strong"), Run(" ("), *_runs(value.owner), Run(")")]
        case Link():
            return [Run(inline(value.text), "code")]
        case Check():
            return [Run(visible(value.command), "code")]
        case datetime():
            return [Run(clock(value))]
        case int():
            return [Run(f"{value:,}")]
        case str():
            return [Run(inline(value), "code")]
        case None:
            return [Run("–", "dim")]
        case _:
            raise TypeError(f"no text for {type(value).__name__}")


def _part_runs(part: Words | Value) -> list[Run]:
    match part:
        case Value():
            return [Run(inline(part.text) or "(empty)", "code")]
        case Words():
            return [Run(visible(part.text), "strong" if part.strong else "")]
        case _:
            assert_never(part)


def _lead(words: Sentence) -> str:
    return f"{plain(words)}: "


class _Runs(list[Run]):
    """Finished runs, which are not a list of parts."""


def _spaced(runs: list[list[Run]]) -> list[Run]:
    out: list[Run] = []
    for part in runs:
        out += (Run(" "), *part) if out and part else part
    return out


def _runs_claim(statement: Statement) -> _Runs:
    return _Runs((*_runs(statement.text), Run(" "), *_runs_refs(statement.evidence)))


def _runs_refs(ids: Sequence[EvidenceId]) -> _Runs:
    return _Runs((Run(f"[{' '.join(ids)}]", "dim"),))


# --- the context ------------------------------------------------------------------------------------------------------

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
_ROLES = {"cause": "**cause**", "symptom": "symptom", "other": "other"}


def _icon(report: Report) -> str:
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


def _context(report: Report) -> ReportContext:
    active, footer = report.active, report.footer
    return ReportContext(
        report=report,
        icon=Words(_icon(report)),
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
                open=((why.open_question or _own("Not known."), Check(why.command)),) if why.command else (),
            )
            for why in report.whys
        ),
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
                _own(_between(row.first_seen, row.last_seen)),
                sentence("{}", len(row.revisions)) if len(row.revisions) != 1 else row.revisions[0],
                row.statement,
            )
            for row in active.groups
        ),
        groups_left_out=(sentence("{} smaller groups are not shown.", active.groups_left_out),)
        if active.groups_left_out
        else (),
        scorecard=_own(" · ".join(f"{layer.value} {score:+g}" for layer, score in active.scores)),
        signals_for=tuple((_own(f"{row.weight:+g}"), _own(row.layer.value), row.why) for row in active.signals_for),
        signals_against=tuple(
            (_own(f"{row.weight:+g}"), _own(row.layer.value), row.why) for row in active.signals_against
        ),
        technical=_technical(report),
        infrastructure=_infrastructure(report),
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
            for row in report.frames
            if row.excerpt
        ),
        mismatches=tuple(
            (_own("✅ agrees" if row.agrees else "❗ mismatch"), row.statement) for row in report.mismatches
        ),
        suspects=tuple(
            (
                Link(short(row.commit), row.commit_url),
                row.what,
                _own(f"{row.score:.2f}"),
                row.revision,
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
                row.text,
                (Check(row.command),) if row.command else (),
                (row.already,) if row.already else (),
            )
            for row in report.escalation.actions
        ),
        recommendation=_recommendation(report),
        changes=((report.advice.changes_if, Check(report.advice.command)),)
        if report.advice.changes_if and report.advice.command
        else (),
        gaps=tuple((row.source, row.reason, _own(row.meaning), row.remedy) for row in report.gaps),
        flowchart=tuple(mermaid.chain(report.chain_nodes, report.chain_edges)) if report.chain_edges else (),
        gantt=tuple(mermaid.timeline(report.timeline)) if report.timeline else (),
        chain_picture=(draw_chain(report.chain_nodes, report.chain_edges),) if report.chain_edges else (),
        timeline_picture=(draw_timeline(report.timeline),) if report.timeline else (),
        evidence=tuple(_evidence(item) for item in report.evidence),
        evidence_count=_own(_count(len(report.evidence), "item")),
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
    window = f"{_between(header.window_start, header.window_end)} ({span(header.window_end - header.window_start)})"
    services: list[Sentence] = [sentence("{}", cut(name)) for name in header.services]
    pairs: list[tuple[Sentence, Inline]] = [
        (_own("Audit"), header.audit_id),
        (_own("Window"), _own(window)),
        (_own("Environment"), header.environment),
        (_own("Services"), _list(services) if services else None),
        (_own("Judged"), header.judged_at),
    ]
    return tuple(pairs)


def _list(parts: Sequence[Sentence]) -> Sentence:
    out: list[Words | Value] = []
    for i, part in enumerate(parts):
        out += (Words(", "), *part) if i else part
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


def _decision(report: Report) -> Row:
    """Who acts, what next, what developers do."""
    header = report.header
    if header.act:
        who: Inline = Team(header.act, _owner(report))
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
    if report.escalation.owner is None:
        return _own("not decided, so nobody is called")
    return sentence("{}; nobody is configured for it", _owner(report))


def _resolved(report: Report) -> Sentence:
    if not report.fixes:
        return _own("no fix to judge")
    proven = sum(fix.verdict is FixVerdict.EFFECTIVE for fix in report.fixes)
    return sentence("{} of {} fixes proven effective", proven, len(report.fixes))


_STATE_WORDS = {
    "failing": "still failing at the end of the window",
    "quiet": "quiet at the end of the window",
    "none": "none seen",
    "cannot tell": "cannot tell",
}


def _active(report: Report) -> Sentence:
    active = report.active
    causes = sum(row.role == "cause" for row in active.groups)
    symptoms = sum(row.role == "symptom" for row in active.groups)
    text = sentence("{}", _strong(_STATE_WORDS[active.state]))
    if active.groups:
        text = sentence("{}; {} cause, {} symptoms", text, causes, symptoms)
    return sentence("{}. Layer {}, confidence {}.", text, _strong(active.layer.value), active.confidence)


def _technical(report: Report) -> Sentence:
    finding = sum(not row.agrees for row in report.mismatches)
    return _own(f"{_count(len(report.frames), 'frame')} audited, {_count(finding, 'mismatch', 'mismatches')}")


def _infrastructure(report: Report) -> Sentence:
    unknown = sum(row.mark == "unknown" for row in report.resources)
    unhealthy = sum(row.mark == "unhealthy" for row in report.resources)
    return _own(
        f"{_count(len(report.resources), 'resource')} asked, {unhealthy} unhealthy, {unknown} could not be read; "
        f"{_count(len(report.revisions), 'revision')}"
    )


def _recommendation(report: Report) -> Sentence:
    advice = report.advice
    priority = advice.priority.value if advice.priority else "no priority"
    action = _own(f"Developer action: {advice.action.value}, {_ACTION_WORDS[advice.action]}.")
    return sentence("{} · {} · {}", _strong(advice.status.value), _strong(priority), action)


def _count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _evidence(item: EvidenceItem) -> EvidenceView:
    url = safe_url(item.url)
    return EvidenceView(
        id=item.id,
        what=item.what,
        url=url,
        opens=(Link("open", url),) if url else (),
        commands=(Check(item.command),) if item.command else (),
        detail=tuple((_own(name), value) for name, value in item.detail),
    )


def _footer(report: Report) -> tuple[Sentence, ...]:
    footer, header = report.footer, report.header
    truncated = sum(row.truncated is not None for row in footer.readings)
    cuts = sum(footer.redactions.values())
    parts = [
        sentence("Audit {}", cut(header.audit_id)),
        _own(_between(header.window_start, header.window_end)),
        sentence(
            "{} entries read in {} calls{}",
            footer.entries,
            footer.log_reads,
            _own(f", {truncated} readings stopped early" if truncated else ""),
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
    return tuple(parts)


def _yes(value: bool | None) -> str:
    return "not told" if value is None else "yes" if value else "no"


def _between(start: datetime, end: datetime) -> str:
    """`2025-09-15 14:02–14:47 UTC`; both dates when they differ."""
    if start.date() == end.date():
        return f"{start:%Y-%m-%d %H:%M}–{end:%H:%M} UTC"
    return f"{start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M} UTC"


def _numbered(lines: Iterable[tuple[int, str]], meant: int | None) -> Iterable[str]:
    shown = list(lines)
    digits = len(str(max((number for number, _ in shown), default=0)))
    for number, line in shown:
        yield f"{'>' if number == meant else ' '} {number:>{digits}} | {line.rstrip()}"


def sparkline(picture: Timeline) -> Iterable[str]:
    """The timeline as a few lines of text: a bar for each bucket, an arrow under it for each mark."""
    top = max(picture.counts)
    bars = "".join(_SPARKS[max(0, -(-8 * count // top) - 1)] if count else "·" for count in picture.counts)
    minutes = picture.bucket_s // 60
    unit = "min" if minutes == 1 else f"{minutes} min"
    start = picture.start
    end = picture.start.timestamp() + picture.bucket_s * len(picture.counts)
    finish = datetime.fromtimestamp(end, start.tzinfo)
    lead = f"{start:%H:%M} "
    yield f"failures per {unit}, highest {top:,}"
    yield f"{lead}{bars} {finish:%H:%M} UTC"
    for mark in picture.marks[:MARKS_SHOWN]:
        column = int((mark.at - start).total_seconds() // picture.bucket_s)
        label = f"{mermaid.mark_words(mark, mark.label)} {mark.at:%H:%M}"
        place = len(lead) + max(0, min(column, len(picture.counts) - 1))
        if place > len(label) + 1 and column > len(picture.counts) // 2:
            yield f"{label} ▲".rjust(place + 1)
        else:
            yield " " * place + f"▲ {label}"
    if len(picture.marks) > MARKS_SHOWN:
        yield f"and {len(picture.marks) - MARKS_SHOWN} more events"

"""How each kind of value looks in a terminal: runs of text in a style, wrapped and lined up by `terminal.py`."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, assert_never, cast

from jinja2 import Environment, StrictUndefined, Undefined, UndefinedError

from app.diagnosis.model import Basis, Sentence, Value, Words, clock, plain
from app.report import terminal
from app.report.context import Check, Inline, Lines, Link, Row, Team
from app.report.escape import EMPTY, inline, visible
from app.report.model import EvidenceId, Statement
from app.report.templating import Ready, loader, with_filters
from app.report.terminal import Run, Style

_NARROW_COLUMN = 13
"""With fewer columns of the screen for each one of a table, a list of names and values is easier to read."""


@lru_cache(maxsize=8)
def environment(width: int, color: bool) -> Environment:
    def paint(lines: list[terminal.Line], indent: int) -> Ready:
        return Ready("\n".join((" " * indent + terminal.paint(line, color=color)).rstrip() for line in lines))

    def para(value: Inline | list[Inline], lead: str = "", indent: int = 0) -> Ready:
        """One paragraph with a hanging indent as deep as its `lead`."""
        hang = indent + terminal.display_width(lead)
        lines = terminal.wrap(_runs(value), width - hang)
        first = paint(lines[:1], indent).lstrip()
        return Ready("\n".join((" " * indent + lead + first, *paint(lines[1:], hang).split("\n"))).rstrip())

    def table(rows: Sequence[Row], *heads: str, indent: int = 2) -> Ready:
        if width - indent < len(heads) * _NARROW_COLUMN:
            blocks = [
                pairs([(Words(name), cell) for name, cell in zip(heads, row, strict=True)], indent) for row in rows
            ]
            return Ready("\n\n".join(blocks))
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

    def command(value: Check, indent: int = 0) -> Ready:
        """On one line however long it is, so that it can be copied."""
        return paint([[Run("$ ", "dim"), *_runs(value)]], indent)

    def heading(words: str) -> Ready:
        return Ready(terminal.paint([Run(words, "head")], color=color))

    def title(value: Sentence, status: Words) -> Ready:
        style: Style = _TITLE_STYLES.get(status.text, "warn")
        runs = [Run(f"{status.text} ", style), *(Run(run.text, style) for run in _runs(value))]
        rule = terminal.paint([Run("━" * width, style)], color=color)
        return Ready("\n".join((rule, paint(terminal.wrap(runs, width), 0), rule)))

    def verbatim(lines: Sequence[str], indent: int = 2) -> Ready:
        """Lines as they are, cut at the width."""
        return paint([[Run(terminal.clip(visible(line), width - indent), "")] for line in lines], indent)

    def shown(value: Any) -> str:
        return value if isinstance(value, Ready) else terminal.paint(_runs(value), color=color)

    env = Environment(  # noqa: S701
        loader=loader(), undefined=StrictUndefined, finalize=shown, trim_blocks=True, lstrip_blocks=True
    )
    return with_filters(
        env,
        para=para,
        table=table,
        pairs=pairs,
        heading=heading,
        title=title,
        verbatim=verbatim,
        command=command,
        own=Words,
        lead=_lead,
        claim=_runs_claim,
        refs=_runs_refs,
    )


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
            return _spaced([_runs(item) for item in value.items], "; ") or [Run("–", "dim")]
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
        case Undefined():
            raise UndefinedError(str(value))
        case _:
            raise TypeError(f"no text for {type(value).__name__}")


def _part_runs(part: Words | Value) -> list[Run]:
    match part:
        case Value():
            return [Run(inline(part.text) or EMPTY, "code")]
        case Words():
            return [Run(visible(part.text), "strong" if part.strong else "")]
        case _:
            assert_never(part)


def _lead(words: Sentence) -> str:
    return f"{plain(words)}: "


class _Runs(list[Run]):
    """Finished runs, which are not a list of parts."""


def _spaced(runs: list[list[Run]], between: str = " ") -> list[Run]:
    out: list[Run] = []
    for part in runs:
        out += (Run(between), *part) if out and part else part
    return out


def _runs_claim(statement: Statement) -> _Runs:
    return _Runs((*_runs(statement.text), Run(" "), *_runs_refs(statement.evidence)))


def _runs_refs(ids: Sequence[EvidenceId]) -> _Runs:
    return _Runs((Run(f"[{' '.join(ids)}]", "dim"),))

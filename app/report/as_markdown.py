"""How each kind of value looks in GitHub markdown. Foreign text stands in code spans and fences, and nowhere else."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, assert_never, cast

from jinja2 import Environment, StrictUndefined, Undefined, UndefinedError

from app.diagnosis.model import Basis, Sentence, Value, Words, clock
from app.report.context import Check, EvidenceView, Lines, Link, Row, Team
from app.report.escape import md_cell, md_code, md_fence, md_team, md_url, md_words, safe_url
from app.report.model import EvidenceId, Statement
from app.report.templating import Ready, loader, merged, with_filters


@cache
def environment() -> Environment:
    # Autoescaping is HTML's; here `finalize` escapes, and it knows code from words.
    env = Environment(  # noqa: S701
        loader=loader(), undefined=StrictUndefined, finalize=_md, trim_blocks=True, lstrip_blocks=True
    )
    return with_filters(
        env, row=_md_row, bold=_md_bold, claim=_md_claim, fence=_md_fence, refs=_md_refs, definition=_md_definition
    )


def _md(value: Any) -> str:
    match value:
        case Ready():
            return value
        case Words():
            return _md_part(value)
        case Statement():
            return f"{_md(value.text)}{_md_basis(value.basis)} {_md_refs(value.evidence)}"
        case tuple():
            return "".join(_md_part(part) for part in merged(cast(Sentence, value)))
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
        case Undefined():
            raise UndefinedError(str(value))
        case _:
            raise TypeError(f"no markdown for {type(value).__name__}")


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

"""How each kind of value looks on the HTML page. Autoescaping escapes; what is added here is built with it, never past it."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any, assert_never, cast

from jinja2 import Environment, StrictUndefined, Undefined, UndefinedError
from markupsafe import Markup, escape

from app.diagnosis.model import Basis, Sentence, Value, Words, clock
from app.report.context import Check, Lines, Link, Team
from app.report.escape import EMPTY, inline, safe_url, visible
from app.report.model import EvidenceId, Statement
from app.report.references import rfc3339
from app.report.templating import Ready, loader, merged, with_filters

_SHORT = 26


@cache
def environment() -> Environment:
    env = Environment(
        loader=loader(),
        undefined=StrictUndefined,
        autoescape=True,
        finalize=_html_value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return with_filters(env, claim=_html_claim, refs=_html_refs, words=_html_words, line=_html_line)


@cache
def style() -> str:
    """The page's style sheet: put into the page, since the page may load nothing, and pinned there by its hash."""
    source, _, _ = loader().get_source(Environment(autoescape=True), "report.css")
    return source


def _html_value(value: Any) -> Any:
    match value:
        case Markup() | Ready():
            return Markup(value)  # noqa: S704 - finished output of this module
        case Words():
            return _html_part(value)
        case Statement():
            return _html_claim(value) + _html_basis(value.basis)
        case tuple():
            return Markup("").join(_html_part(part) for part in merged(cast(Sentence, value)))
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
        case Undefined():
            raise UndefinedError(str(value))
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
    """A short value stays on one line; a long one breaks where it must."""
    shown = inline(text) or EMPTY
    return Markup('<code class="{}">{}</code>').format("short" if len(shown) <= _SHORT else "long", shown)


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

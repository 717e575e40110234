"""Finding the templates, and the few filters that all formats share. The templates hold loops and blanks, no decisions."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

import app
from app.diagnosis.model import Sentence, Value, Words
from app.report.context import Link
from app.report.escape import safe_url
from app.report.model import EvidenceId

_PACKAGE = Path(app.__file__).parent
_TEMPLATES = (_PACKAGE / "templates", _PACKAGE.parent / "templates")
"""Inside the installed package, and beside it in a source tree."""


class Ready(str):
    """Finished output of a format: not escaped again."""

    __slots__ = ()


@cache
def loader() -> FileSystemLoader:
    return FileSystemLoader([path for path in _TEMPLATES if path.is_dir()])


def _maybe(value: Any) -> tuple[Any, ...]:
    """What is there to loop over: itself, once, unless it is missing or empty."""
    return (value,) if value else ()


def _dot(last: bool) -> Ready:
    return Ready("" if last else " · ")


def _plain_id(id_: EvidenceId) -> Ready:
    return Ready(id_)


def _address(link: Link) -> Words:
    return Words(safe_url(link.url) or "")


def with_filters(env: Environment, **filters: Callable[..., Any]) -> Environment:
    shared: dict[str, Callable[..., Any]] = {"maybe": _maybe, "dot": _dot, "id": _plain_id, "url": _address}
    env.filters.update(shared)
    env.filters.update(filters)
    return env


def merged(text: Sentence) -> Sentence:
    """Neighbouring words of one weight as one, so that markup does not open right where it closed."""
    out: list[Words | Value] = []
    for part in text:
        last = out[-1] if out else None
        if isinstance(part, Words) and isinstance(last, Words) and last.strong == part.strong:
            out[-1] = Words(last.text + part.text, part.strong)
        else:
            out.append(part)
    return tuple(out)

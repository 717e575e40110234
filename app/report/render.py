"""Report to GitHub markdown, HTML page, terminal text and JSON, through `templates/`.

Owns what is left out when a comment grows too long. Leaves what is said to `build.py`, our own words beside it to
`context.py`, the look to `as_markdown.py`, `as_page.py` and `as_text.py`, escaping to `escape.py`. A bare string in a
template comes out as escaped code: whatever a template author forgets, foreign text stays text.
"""

import base64
import hashlib
import re
from dataclasses import replace
from functools import cache
from typing import Any

from jinja2 import Template
from markupsafe import Markup
from pydantic import TypeAdapter

from app.diagnosis.model import Words
from app.report import as_markdown, as_page, as_text
from app.report.context import ReportContext, context_of, icon
from app.report.model import Report


def markdown(report: Report, *, limit: int = 60_000) -> str:
    """GitHub markdown of at most `limit` characters: whole sections are left out, least telling first, and it says which.

    With a limit too small for the first screen, the status line alone is returned.
    """
    template = as_markdown.environment().get_template("report.md.j2")
    context = context_of(report)
    left_out: list[str] = []
    for dropped in ("", *_LEAST_TELLING):
        if dropped:
            left_out.append(dropped)
        said = tuple((Words(_SECTION_NAMES[name]),) for name in left_out)
        values = _values(replace(context, left_out=said))
        texts = {name: _block(template, name, values) for name in template.blocks if name not in (*left_out, *_LISTS)}
        # What only a left-out section rests on needs no address: a list of hundreds would crowd out the first screen.
        used = set(_USED.findall("\n".join(texts.values())))
        values["evidence"] = tuple(item for item in context.evidence if item.id in used)
        texts |= {name: _block(template, name, values) for name in _LISTS if name not in left_out}
        whole = "\n\n".join(text for name in template.blocks if (text := texts.get(name))) + "\n"
        if len(whole) <= limit:
            return whole
    return status_line(report) + "\n"


def html(report: Report) -> str:
    """A page that needs nothing but itself, and forbids itself everything else."""
    template = as_page.environment().get_template("report.html.j2")
    style = as_page.style()
    return template.render(
        **_values(context_of(report)),
        page_title=f"{report.header.status.value} · {report.header.audit_id}",
        style=Markup(style),  # noqa: S704 - our own file
        style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
    )


def text(report: Report, *, width: int = 100, color: bool = False) -> str:
    """For a terminal of `width` columns (40 at least), plain unless `color`; no control character of outside gets through."""
    template = as_text.environment(max(40, width), color).get_template("report.txt.j2")
    return template.render(**_values(context_of(report))).strip("\n") + "\n"


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
        f"{icon(report)} {header.status.value}",
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
_LISTS = ("evidence", "definitions")
"""Blocks of the markdown that list what the others rest on."""
_USED = re.compile(r"\[(E\d+)\]")
_LEAST_TELLING = tuple(_SECTION_NAMES)
"""Sections of the markdown that may be left out, in the order in which they are."""


def _block(template: Template, name: str, values: dict[str, Any]) -> str:
    return "".join(template.blocks[name](template.new_context(values))).strip("\n")


def _values(context: ReportContext) -> dict[str, Any]:
    return {name: getattr(context, name) for name in ReportContext.__slots__}

"""Texts that try to become more than text, and a report in which every foreign field is such a text."""

from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

from hypothesis import strategies as st

from app.diagnosis.model import Value, Words
from app.redact import Redacted
from app.report.model import Report

OWN = {
    "id", "kind", "audit_id", "cause", "effect", "evidence", "schema_version", "meaning", "tool_version", "redactions",
    "signals_for", "signals_against", "scores",
}  # fmt: skip
"""Fields that hold our own ids and words."""

ATTACKS = (
    "x]: https://e.example", "\\[x]: https://e.example",
    "`", "``", "```", "````\n", "~~~", "\n\n", "\r\n# head", "\n> [!CAUTION]", "\n- [ ] x", "|", "\\|", "\\\\|",
    "||", "\n|-|-|\n", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "</code></pre></details>",
    "<!-- ", " -->", "<details>", "&lt;", "&#96;", "![x](https://e.example/p.png)", "[x](javascript:alert(1))",
    "[E1]: https://e.example", "[^1]: x", "https://e.example", "www.e.example", "@everyone", "@org/team", "#1",
    "GH-1", "owner/repo#1", "a" * 40, ":tada:", "$`x`$", "$$x$$", "**", "__", "~~", "\n/audit", "\n/close",
    "\x1b[31m", "\x1b]8;;https://e.example\x07", "\u202e", "\u200b", "\ufeff", "\x00", "\x07", "\x9b2J", "\u2028",
    "\U000e0041", "\n```mermaid\nflowchart LR", '"]', '"', "#quot;", ";", "%%", "\nend", "click n0 call x()", "-->",
    ":::", "{{ 7 * 7 }}", "{% raw %}", "\n\tx", "\\", "1. ", "javascript:", "'", "()", "]](", ")", " ",
)  # fmt: skip

texts = st.lists(st.one_of(st.sampled_from(ATTACKS), st.text(max_size=6)), min_size=1, max_size=6).map(
    lambda parts: ("".join(parts) + "Q!").encode("utf-8", "replace").decode()
)


def poisoned(report: Report, text: str) -> Report:
    """The report with `text` in every field that can hold text from outside."""
    made: Report = _poison(report, None, text)
    return made


def _poison(value: Any, hint: Any, text: str) -> Any:
    if isinstance(value, Words):
        return value
    if isinstance(value, Value):
        return Value(Redacted(text))
    if is_dataclass(value) and not isinstance(value, type):
        hints = get_type_hints(type(value))
        changes = {
            f.name: _poison(getattr(value, f.name), hints[f.name], text) for f in fields(value) if f.name not in OWN
        }
        return replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(_poison(item, hint, text) for item in value)
    if isinstance(value, dict):
        return {text: text, "nested": {text: [text]}}
    if type(value) is str and "Literal" not in str(hint):
        return f"https://e.example/{text}" if value.startswith("https://") else text
    return value

"""Secrets out of text. The only module that makes a `Redacted` string.

Owns what callers see: a text without its secrets, whole, shortened, as source, and the tally. Leaves the rules to its modules
(`order.py` lists them), and to its callers *where* text enters: log entries (`evidence/entries.py`, `evidence/grouping.py`),
commits and files (`sources/git.py`, `github/repository.py`), issues and comments.

Rules fail closed: a value that might be a secret is cut, unless the reader needs what looks alike, such as a commit id.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NewType

from app.redact.order import RULES
from app.redact.rules import apply
from app.redact.source import cut_code, files_of, is_code

Redacted = NewType("Redacted", str)
"""Text from outside whose secrets were cut. It is still hostile: every renderer escapes it."""


@dataclass(frozen=True, slots=True)
class Redaction:
    text: Redacted
    cut: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many values each rule cut, by the rule's name; empty when nothing was cut."""


def shorten(text: Redacted, length: int) -> Redacted:
    """At most `length` characters, ended between two words with `…`; inside one only where nothing else comes near."""
    if len(text) <= length:
        return text
    kept = text[: length - 1]
    between = kept if text[length - 1].isspace() else kept.rpartition(" ")[0]
    if len(between) < length // 3:
        between = kept
    return Redacted(between.rstrip(" ,;:.–-(\"'") + "…")


class Tally:
    """Cuts texts and counts over many of them what was cut, for the report's footer."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def cut(self, text: str) -> Redacted:
        redaction = redact(text)
        for name, count in redaction.cut.items():
            self._counts[name] = self._counts.get(name, 0) + count
        return redaction.text

    @property
    def counts(self) -> Mapping[str, int]:
        return dict(sorted(self._counts.items()))


def cut(text: str) -> Redacted:
    """The text without its secrets, for callers that keep no tally."""
    return redact(text).text


def start_of(text: str, most: int, cut: Callable[[str], Redacted] = cut) -> Redacted:
    """At most `most` characters of the text without its secrets, those included that lie across the end."""
    return Redacted(cut(text[: most + _ACROSS])[:most])


def ends_of(text: str, most: int, cut: Callable[[str], Redacted] = cut) -> Redacted:
    """As `start_of`, with the end of a longer text as well, and what is left out between the two counted."""
    if len(text) <= most:
        return cut(text)
    half = most // 2 - 20
    end = cut(text[-half - _ACROSS :])[-half:]
    return Redacted(f"{start_of(text, half, cut)}\n… {len(text) - 2 * half} characters …\n{end}")


_ACROSS = 2_000
"""Characters beyond what is kept: what a rule must see to tell a secret by its beginning or its end."""


def cut_name(text: str, cut: Callable[[str], Redacted] = cut) -> Redacted:
    """`cut` for the name of a resource: of the signs and length that Google itself gives them it is no secret."""
    return Redacted(text) if _RESOURCE.fullmatch(text) else cut(text)


_RESOURCE = re.compile(r"[a-z][a-z0-9-]{0,62}|[A-Z]{1,20}|[a-z]+\.googleapis\.com/[a-z_/-]{1,60}|\d{1,20}")


def redact(text: str) -> Redaction:
    """Every rule, in order. Most text holds no trigger of most rules, and a substring test costs a fiftieth of a search."""
    counts: dict[str, int] = {}
    whole = text
    if "\x1b" in text or not text.isascii():
        text = _UNSEEN.sub("", text)
    lower = text.lower()
    for triggers, rule in _BY_TRIGGERS:
        for trigger in triggers:
            if trigger in lower:
                break
        else:
            continue
        text, cuts = apply(rule, text, lower)
        if cuts:
            counts[rule.name] = counts.get(rule.name, 0) + cuts
            lower = text.lower()
    return Redaction(Redacted(text if counts else whole), counts)


_BY_TRIGGERS = tuple((rule.triggers or ("",), rule) for rule in RULES)
_UNSEEN = re.compile(r"\x1b\[[0-9;]{0,20}[A-Za-z]|[\u200b-\u200d\u2060\ufeff\u00ad]")
"""Colours of a terminal and signs of no width: they may stand between a name and its value, or inside of either."""


def cut_source(path: str, text: str) -> Redacted:
    """`cut` for the source file `path`, or lines of it: in code a name that a secret is set to is none."""
    return Redacted(cut_code(text)) if is_code(path) else cut(text)


def cut_patch(text: str, most: int) -> Redacted:
    """`cut` for a unified diff: each file of it as `cut_source`, what stands above the first as any text.

    Of one longer than `most` characters the lines up to there, since half a line may hold half a secret.
    """
    if len(text) > most:
        text = text[: text.rfind("\n", 0, most) + 1]
    return Redacted("".join(cut_source(path, part) for path, part in files_of(text)))

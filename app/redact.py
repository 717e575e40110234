"""Secrets out of text. The only module that makes a `Redacted` string.

Owns the ordered rules and the tally. Leaves to its callers *where* text enters: log entries (`evidence/entries.py` and
`evidence/grouping.py`), commits and files (`sources/git.py`, `github/repository.py`), issues and comments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

Redacted = NewType("Redacted", str)
"""Text from outside whose secrets were cut. It is still hostile: every renderer escapes it."""


@dataclass(frozen=True, slots=True)
class Redaction:
    text: Redacted
    cut: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many values each rule cut, by the rule's name; empty when nothing was cut."""

"""Numbers and times as words, the same in every part and format."""

from datetime import datetime

from app.redact import Redacted, shorten


def counted(number: int, one: str, many: str = "") -> str:
    """`1 failure`, `1,284 failures`; `many` only where it is not `one` with an s."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def between(start: datetime, end: datetime) -> str:
    """`2025-09-15 14:02–14:47 UTC`; both dates when they differ, one time when they are the same minute."""
    if f"{start:%Y-%m-%d %H:%M}" == f"{end:%Y-%m-%d %H:%M}":
        return f"{start:%Y-%m-%d %H:%M} UTC"
    if start.date() == end.date():
        return f"{start:%Y-%m-%d %H:%M}–{end:%H:%M} UTC"
    return f"{start:%Y-%m-%d %H:%M} – {end:%Y-%m-%d %H:%M} UTC"


def clipped(text: str, length: int) -> str:
    """At most `length` signs, ended between two words where one ends near."""
    return shorten(Redacted(text), length)

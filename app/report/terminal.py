"""Lines of a terminal: wrapping and columns by what a character takes on the screen, with or without colour."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

Style = Literal["", "strong", "code", "dim", "head", "bad", "warn", "good"]

_SGR: dict[Style, str] = {
    "": "",
    "strong": "1",
    "code": "36",
    "dim": "2",
    "head": "1;4",
    "bad": "1;31",
    "warn": "1;33",
    "good": "1;32",
}
_MIN_COLUMN = 8
_GAP = "  "


class Run(NamedTuple):
    """A stretch of text in one style; no line breaks inside."""

    text: str
    style: Style = ""


Line = list[Run]


def display_width(text: str) -> int:
    """Columns on the screen: two for wide characters, none for combining ones."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def width_of(line: Iterable[Run]) -> int:
    return sum(display_width(run.text) for run in line)


def paint(line: Iterable[Run], *, color: bool) -> str:
    if not color:
        return "".join(run.text for run in line).rstrip()
    return "".join(f"\x1b[{_SGR[run.style]}m{run.text}\x1b[0m" if run.style else run.text for run in line)


def clip(text: str, width: int) -> str:
    return text if display_width(text) <= width else _fit(text, width - 1) + "…"


def wrap(runs: Iterable[Run], width: int) -> list[Line]:
    """Break at spaces; a word longer than the line is cut where the line ends."""
    width = max(1, width)
    lines: list[Line] = [[]]
    used = 0
    for word, spaced in _words(runs):
        space = 1 if spaced and used else 0
        length = width_of(word)
        if used and used + space + length > width:
            lines.append([])
            used, space = 0, 0
        if space:
            lines[-1].append(Run(" "))
            used += 1
        for piece in word:
            rest = piece.text
            while rest:
                room = width - used
                taken = _fit(rest, room)
                if not taken and used:
                    lines.append([])
                    used = 0
                    continue
                taken = taken or rest[0]
                lines[-1].append(Run(taken, piece.style))
                used += display_width(taken)
                rest = rest[len(taken) :]
    return lines


def table(rows: Sequence[Sequence[list[Run]]], width: int) -> list[Line]:
    """Columns side by side, the widest narrowed until they fit `width`, long cells wrapped. The first row is the head."""
    if not rows:
        return []
    columns = len(rows[0])
    widths = [max(1, *(width_of(row[i]) for row in rows)) for i in range(columns)]
    room = max(columns * _MIN_COLUMN, width - len(_GAP) * (columns - 1))
    while sum(widths) > room:
        widest = max(range(columns), key=lambda i: (widths[i], i))
        if widths[widest] <= _MIN_COLUMN:
            break
        second = max((w for i, w in enumerate(widths) if i != widest), default=0)
        widths[widest] = max(_MIN_COLUMN, min(second, widths[widest] - 1), widths[widest] - (sum(widths) - room))
    lines: list[Line] = []
    for number, row in enumerate(rows):
        cells = [wrap(cell, widths[i]) for i, cell in enumerate(row)]
        for k in range(max(len(cell) for cell in cells)):
            line: Line = []
            for i, cell in enumerate(cells):
                piece = cell[k] if k < len(cell) else []
                line += piece
                if i < columns - 1:
                    line.append(Run(" " * (widths[i] - width_of(piece)) + _GAP))
            lines.append(line)
        if number == 0:
            lines.append([Run(_GAP.join("─" * w for w in widths), "dim")])
    return lines


def _words(runs: Iterable[Run]) -> Iterable[tuple[Line, bool]]:
    """Words as runs, and whether a space stands before; a word may change its style inside."""
    word: Line = []
    spaced = False
    pending = False
    for run in runs:
        for i, piece in enumerate(run.text.split(" ")):
            if i:
                if word:
                    yield word, spaced
                    word = []
                pending = True
            if piece:
                if not word:
                    spaced = pending
                    pending = False
                word.append(Run(piece, run.style))
    if word:
        yield word, spaced


def _fit(text: str, room: int) -> str:
    """The longest beginning of `text` that takes at most `room` columns."""
    used = 0
    for i, c in enumerate(text):
        used += display_width(c)
        if used > room:
            return text[:i]
    return text

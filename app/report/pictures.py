"""Where things stand in the page's two pictures: plain numbers and texts, which the page's template draws as SVG.

Text is measured by its length, since no font is at hand; labels are cut to what their box holds.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.report.escape import visible
from app.report.mermaid import mark_words
from app.report.model import ChainEdge, ChainNode, Timeline
from app.report.wording import clipped, counted

_WIDTH = 960
_LEFT, _RIGHT = 44, 16
_BARS_TOP, _BARS_HEIGHT = 14, 132
_LANE = 24
_MARKS_SHOWN = 12
_TICKS = 8
_TICK_SECONDS = tuple(60 * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440))
_LETTER = 7.1
"""Width of one letter of the page's small monospace type, in units of the picture."""

_BOX_WIDTH, _BOX_HEIGHT, _BOX_GAP = 212, 100, 48
_BOX_LETTERS = 26


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    says: str


@dataclass(frozen=True, slots=True)
class Tick:
    """`x` for a time on the axis, `y` for a count beside it."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Flag:
    """A mark with its label in a lane below the bars; `anchor` is SVG's text-anchor."""

    x: float
    text_x: float
    y: float
    anchor: str
    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class TimelinePicture:
    width: int
    height: int
    base: float
    top: float
    left: float
    right: float
    bars: tuple[Bar, ...]
    times: tuple[Tick, ...]
    counts: tuple[Tick, ...]
    flags: tuple[Flag, ...]
    unit: str
    says: str


@dataclass(frozen=True, slots=True)
class Box:
    """`lines` are the label, broken to fit."""

    x: float
    y: float
    width: float
    height: float
    role: str
    lines: tuple[tuple[float, str], ...]
    foot: str


@dataclass(frozen=True, slots=True)
class Arrow:
    """A path from the right side of the cause to the left side of the effect; `basis` sets its stroke."""

    path: str
    basis: str
    label: str


@dataclass(frozen=True, slots=True)
class ChainPicture:
    width: float
    height: float
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    says: str


def draw_timeline(picture: Timeline) -> TimelinePicture:
    """Bars per bucket over a time axis, marks in lanes below, so that no two labels meet."""
    count = len(picture.counts)
    inner = _WIDTH - _LEFT - _RIGHT
    step = inner / count
    base = float(_BARS_TOP + _BARS_HEIGHT)
    top = max(*picture.counts, 1)
    bucket = timedelta(seconds=picture.bucket_s)

    def place(at: datetime) -> float:
        return _round(_LEFT + inner * max(0.0, min(1.0, (at - picture.start) / (count * bucket))))

    bars = tuple(
        Bar(
            _round(_LEFT + i * step + 0.5),
            _round(base - _BARS_HEIGHT * value / top),
            _round(max(1.0, step - 1)),
            _round(_BARS_HEIGHT * value / top),
            f"{_hour(picture.start + i * bucket, picture)}: {value:,}",
        )
        for i, value in enumerate(picture.counts)
        if value
    )
    times = tuple(Tick(place(at), _hour(at, picture)) for at in _round_times(picture))
    flags, lanes = _flags(picture, place)
    half = (Tick(_BARS_TOP + _BARS_HEIGHT / 2, f"{top // 2:,}"),) if top % 2 == 0 else ()
    minutes = picture.bucket_s // 60
    unit = "per minute" if minutes == 1 else f"per {minutes} minutes"
    says = (
        f"{counted(sum(picture.counts), 'failure')} between {picture.start:%Y-%m-%d %H:%M} and "
        f"{picture.start + count * bucket:%Y-%m-%d %H:%M} UTC, at most {max(picture.counts):,} {unit}."
    )
    return TimelinePicture(
        width=_WIDTH,
        height=int(base) + 28 + lanes * _LANE,
        base=base,
        top=float(_BARS_TOP),
        left=float(_LEFT),
        right=float(_WIDTH - _RIGHT),
        bars=bars,
        times=times,
        counts=(Tick(_BARS_TOP, f"{top:,}"), *half, Tick(base, "0")),
        flags=flags,
        unit=unit,
        says=says,
    )


def _flags(picture: Timeline, place: Callable[[datetime], float]) -> tuple[tuple[Flag, ...], int]:
    lanes: list[list[tuple[float, float]]] = []
    flags: list[Flag] = []
    for mark in picture.marks[:_MARKS_SHOWN]:
        label = clipped(f"{mark_words(mark, visible(mark.label))} {mark.at:%H:%M}", 60)
        x, long = place(mark.at), len(label) * _LETTER + 14
        anchor = "start" if x + long < _WIDTH - 4 else "end"
        span = (x, x + long) if anchor == "start" else (x - long, x)
        lane = next(
            (i for i, taken in enumerate(lanes) if all(span[1] < a or b < span[0] for a, b in taken)), len(lanes)
        )
        if lane == len(lanes):
            lanes.append([])
        lanes[lane].append(span)
        y = _BARS_TOP + _BARS_HEIGHT + 44 + lane * _LANE
        text_x = _round(x + 8 if anchor == "start" else x - 8)
        flags.append(Flag(x, text_x, float(y), anchor, mark.what.replace(" ", "-"), label))
    return tuple(flags), len(lanes)


def draw_chain(nodes: tuple[ChainNode, ...], edges: tuple[ChainEdge, ...]) -> ChainPicture:
    """Boxes in columns by their distance from the origin, arrows between them. A cycle ends where it began."""
    depth = _depths(nodes, edges)
    columns: dict[int, list[ChainNode]] = {}
    for node in nodes:
        columns.setdefault(depth[node.id], []).append(node)
    tallest = max(len(column) for column in columns.values())
    height = tallest * (_BOX_HEIGHT + 20) + 4
    places: dict[str, tuple[float, float]] = {}
    boxes: list[Box] = []
    for number, level in enumerate(sorted(columns)):
        column = columns[level]
        offset = (height - len(column) * (_BOX_HEIGHT + 20)) / 2
        for i, node in enumerate(column):
            x, y = 2.0 + number * (_BOX_WIDTH + _BOX_GAP), _round(offset + 12 + i * (_BOX_HEIGHT + 20))
            places[node.id] = (x, y)
            label = _broken(visible(node.label), _BOX_LETTERS, 4)
            lines = tuple((_round(y + 20 + k * 16), line) for k, line in enumerate(label))
            foot = node.role if node.count is None else f"{node.role} · {counted(node.count, 'time')}"
            boxes.append(Box(x, y, _BOX_WIDTH, _BOX_HEIGHT, node.role, lines, foot))
    arrows: list[Arrow] = []
    for edge in edges:
        (x1, y1), (x2, y2) = places[edge.cause], places[edge.effect]
        left, right, bend = x1 + _BOX_WIDTH, x2 - 6, _BOX_GAP / 2
        y1, y2 = y1 + _BOX_HEIGHT / 2, y2 + _BOX_HEIGHT / 2
        path = f"M{left:g},{y1:g} C{left + bend:g},{y1:g} {right - bend:g},{y2:g} {right:g},{y2:g}"
        arrows.append(Arrow(path, edge.basis.value, edge.label))
    names = {node.id: visible(node.label) for node in nodes}
    says = "; ".join(f"{names[e.cause]} led to {names[e.effect]} ({e.label}, {e.basis.value})" for e in edges)
    width = len(columns) * (_BOX_WIDTH + _BOX_GAP) - _BOX_GAP + 4
    return ChainPicture(float(width), float(height), tuple(boxes), tuple(arrows), says)


def _depths(nodes: tuple[ChainNode, ...], edges: tuple[ChainEdge, ...]) -> dict[str, int]:
    depth = {node.id: 0 for node in nodes}
    for _ in nodes:
        for edge in edges:
            depth[edge.effect] = min(len(nodes) - 1, max(depth[edge.effect], depth[edge.cause] + 1))
    return depth


def _broken(text: str, letters: int, most: int) -> tuple[str, ...]:
    """Lines of at most `letters`, broken at spaces where possible."""
    lines: list[str] = []
    rest = text.strip()
    while rest and len(lines) < most:
        if len(rest) <= letters:
            lines.append(rest)
            return tuple(lines)
        at = rest.rfind(" ", letters // 2, letters + 1)
        at = at if at > 0 else letters
        lines.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    lines[-1] = clipped(lines[-1] + " " + rest, letters)
    return tuple(lines)


def _round_times(picture: Timeline) -> list[datetime]:
    """Times that a clock face would show, at most eight of them."""
    length = picture.bucket_s * len(picture.counts)
    step = next(
        (s for s in _TICK_SECONDS if length / s <= _TICKS),
        _TICK_SECONDS[-1] * -(-length // (_TICK_SECONDS[-1] * _TICKS)),
    )
    start = int(picture.start.timestamp())
    first = -(-start // step) * step
    return [datetime.fromtimestamp(at, UTC) for at in range(first, start + length + 1, step)]


def _hour(at: datetime, picture: Timeline) -> str:
    long = picture.bucket_s * len(picture.counts) > 30 * 3600
    return f"{at:%m-%d %H:%M}" if long else f"{at:%H:%M}"


def _round(value: float) -> float:
    return round(value, 1)

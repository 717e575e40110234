"""Entries that are pieces of one failure, put together: split entries, and stack traces an entry a line.

Owns which entries of one stream of one instance belong together, whether they come oldest or newest first. Leaves reading
the joined text to `stacktrace.py`. Everything that is not such a piece passes through at once, or after the few lines that
may still turn out to be the head of a trace: a held entry is read again later, from colder memory, so few are held. Memory
is bounded by time (a run of lines ends at a gap of a second) and size.
"""

import itertools
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto

from msgspec.structs import replace

from app.evidence.model import LogEntry, PayloadField, Severity
from app.evidence.stacktrace import without_colours

_NO_TIME = timedelta()
_RUN_GAP = timedelta(seconds=1)
_RUN_GAP_BACK = -_RUN_GAP
_TIGHT = timedelta(milliseconds=20)
"""Lines of one write are microseconds apart; a line that only might belong to a trace must be this close to it."""
_QUIET_LINES = 64
_TRACE_LINES = 6_000
_LONGEST_LINE = 16_000
_KEEP = 24
_OPEN_SPLITS = 200
_SWEEP_EVERY = 4_096
_TEXT = PayloadField.TEXT
"""Through its enum this would cost every entry as much as all the rest that is asked of it."""


class _Run:
    """Lines of one stream of one instance, in order of arrival, none more than a second after the one before."""

    __slots__ = ("last", "lines", "marked")

    def __init__(self, last: datetime) -> None:
        self.lines: list[LogEntry] = []
        self.last = last
        self.marked = False


class Joiner:
    """Feed it entries in one direction of time; take occurrences as they become certain, the rest from `flush`.

    An occurrence is one thing that happened. Where it was written as several entries, it comes as one: the first of them,
    with the whole text and what all were `joined` from.
    """

    def __init__(self) -> None:
        self._runs: dict[tuple[str, str], _Run] = {}
        self._splits: dict[str, list[LogEntry]] = {}
        self._descending = False
        self._until_sweep = _SWEEP_EVERY

    def add(self, entry: LogEntry) -> Iterable[LogEntry]:
        """What became certain with this entry: itself, older entries that were held, or nothing yet."""
        if entry.split is not None:
            return self._add_split(entry)
        if entry.field is not _TEXT or entry.http is not None:
            return (entry,)
        text = entry.message
        if ("\n" in text and "\n" in text.rstrip("\n")) or len(text) > _LONGEST_LINE:
            return (entry,)
        key = entry.writer.stream
        at = entry.timestamp
        run = self._runs.get(key)
        if run is None:
            run = self._runs[key] = _Run(at)
        lines = run.lines
        done: Sequence[LogEntry] = ()
        gap = at - run.last
        if gap:
            run.last = at
            self._descending = gap < _NO_TIME
            # Looking back from the first sure line of a trace never reaches across a longer gap than `_TIGHT`.
            if not run.marked:
                if gap > _TIGHT or gap < _RUN_GAP_BACK:
                    done, lines = lines, []
                    run.lines = lines
            elif gap > _RUN_GAP or gap < _RUN_GAP_BACK:
                done = self._close(run)
                lines = run.lines = []
                run.marked = False
        lines.append(entry)
        if not run.marked and (text[:1] in _SUSPECT or text[-1:] in _SUSPECT_END or ":in " in text):
            run.marked = _marks_trace(text)
        if len(lines) >= _QUIET_LINES:
            done = [*done, *self._relieve(run)]
        self._until_sweep -= 1
        if not self._until_sweep:
            done = [*done, *self._sweep(at)]
        return done

    def flush(self) -> Iterable[LogEntry]:
        """What is still held, complete or not. Call it at the end of the input."""
        done = [joined for run in self._runs.values() for joined in self._close(run)]
        done += [_join_split(parts) for parts in self._splits.values()]
        self._runs.clear()
        self._splits.clear()
        return done

    def _add_split(self, entry: LogEntry) -> Iterable[LogEntry]:
        split = entry.split
        assert split is not None
        parts = self._splits.setdefault(split.uid, [])
        parts.append(entry)
        if len({part.split.part for part in parts if part.split is not None}) >= split.total:
            del self._splits[split.uid]
            return (_join_split(parts),)
        if len(self._splits) > _OPEN_SPLITS:
            return (_join_split(self._splits.pop(next(iter(self._splits)))),)
        return ()

    def _sweep(self, now: datetime) -> list[LogEntry]:
        self._until_sweep = _SWEEP_EVERY
        over = [key for key, run in self._runs.items() if abs(now - run.last) > _RUN_GAP]
        return [joined for key in over for joined in self._close(self._runs.pop(key))]

    def _ordered(self, run: _Run) -> list[LogEntry]:
        lines = run.lines
        if self._descending:
            lines = lines[::-1]
        return sorted(lines, key=_time_of)

    def _close(self, run: _Run) -> list[LogEntry]:
        if not run.marked:
            return run.lines
        lines = self._ordered(run)
        return [_joined([lines[at] for at in part]) for part in segment(lines)]

    def _relieve(self, run: _Run) -> list[LogEntry]:
        """Let go of what no later line can change: all but the parts that reach into the newest lines of the run."""
        if not run.marked:
            done = run.lines[:-_KEEP]
            run.lines = run.lines[-_KEEP:]
            return done
        if len(run.lines) % 1_024 and len(run.lines) < _TRACE_LINES:
            return []
        lines = self._ordered(run)
        parts = segment(lines)
        if len(run.lines) >= _TRACE_LINES:
            kept: list[list[int]] = []
        elif self._descending:
            kept = [part for part in parts if part[0] < _KEEP]
        else:
            kept = [part for part in parts if part[-1] >= len(lines) - _KEEP]
        staying = {at for part in kept for at in part}
        held = [lines[at] for at in sorted(staying)]
        run.lines = held[::-1] if self._descending else held
        run.marked = any(_marks_trace(entry.message) for entry in held)
        return [_joined([lines[at] for at in part]) for part in parts if part[0] not in staying]


def _time_of(entry: LogEntry) -> datetime:
    return entry.timestamp


def _joined(parts: Sequence[LogEntry]) -> LogEntry:
    first = parts[0]
    if len(parts) == 1:
        return first
    text = "\n".join(part.message.rstrip("\n") for part in parts)
    severity = max(part.severity for part in parts)
    joined = tuple(part.origin for part in parts)
    return replace(first, message=text, severity=severity, trace_text=None, joined=joined)


def _join_split(parts: Sequence[LogEntry]) -> LogEntry:
    ordered = sorted(parts, key=lambda part: (part.split.part if part.split else 0, part.insert_id))
    first = ordered[0]
    traces = [part.trace_text for part in ordered if part.trace_text is not None]
    return replace(
        first,
        message="".join(part.message for part in ordered),
        trace_text="".join(traces) if traces else None,
        severity=max(part.severity for part in ordered),
        joined=tuple(part.origin for part in ordered),
    )


# --- which lines belong together ----------------------------------------------------------------------------------------


_SUSPECT = frozenset(" \tTgr#S([\x1b")
_SUSPECT_END = frozenset("{:")
"""First and last characters of the lines that `_marks_trace` may know, beside those that name a Ruby place."""


def _marks_trace(text: str) -> bool:
    """Whether a line hardly stands outside a trace. Until one comes, a run of lines is let through unread."""
    if "\x1b" in text:
        text = without_colours(text)
    first = text[:1]
    if first in " \t":
        line = text.lstrip()
        return (
            line.startswith(("at ", 'File "', "from ", "| File", "+ Exception Group", "| Traceback", "|   File"))
            or _GO_FILE.match(text) is not None
        )
    return (
        text.startswith(
            (
                "Traceback (most",
                "goroutine ",
                "runtime stack:",
                "#0 ",
                "Stack trace:",
                "[stacktrace]",
                "(Use `node --trace-uncaught",
            )
        )
        or text.endswith(("] {", "Traceback (most recent call last):"))
        or (":in " in text and _RUBY_PLACE.search(text) is not None)
    )


class _Family(Enum):
    """Languages whose traces are put together by the same rules."""

    PYTHON = auto()
    AT = auto()
    GO = auto()
    RUBY = auto()
    PHP = auto()


class _Step(Enum):
    TAKE = auto()
    PASS = auto()
    """The line is not part of the trace; the trace goes on."""
    NEW = auto()
    """The line begins the next trace."""


_AT_FRAME = re.compile(
    r"\s*at (?!\[\w+: )(?:async )?(?:\(wrapper [^)]*\) )?"
    r"(?:[^\s(]+(?: \[as \S+\])? ?\(.*|new \S+ \(.*|.*:\d+:\d+\)?,?(?: \{)?|<anonymous>.*)$"
)
_AT_MORE = re.compile(
    r"\s*(?:Caused by: |Suppressed: |caused by: |\.\.\. \d+ (?:more|common|lines)|--- End of |---> |\[CIRCULAR"
    r"|\[cause\]: |\[errors\]: |\(Inner Exception #|<---|--- )"
)
_AT_TAIL = re.compile(
    r"[\]})]+,?$|Node\.js v\d|\[ERROR\] FATAL UNHANDLED|\(Use `node |\(node:\d+\)|Emitted 'error' event"
)
_NAMED = re.compile(
    r"(?:^|[\s\[(:])(?:[A-Za-z_$][\w$]*[.+/\\])*[\w$`]*(?:Exception|Error|Throwable|Failure|Fault|Rejection)"
    r"(?: \([^)]*\))?(?: \[[\w-]+\])?(?::|\]?(?: \{)?$)"
    r"|(?:^|\s)(?:[A-Za-z_$][\w$]*[.+])+[A-Z][\w$]*(?::|$)"
    r"|^\s*[A-Z][a-z]\w*(?:: |$)"
)
_LOUD = re.compile(
    r"\b(?:ERROR|CRITICAL|FATAL|SEVERE|WARN(?:ING)?|EMERGENCY|ALERT|Unhandled|Uncaught|Exception|Error|failed|FAILED|Failed"
    r"|panic|Traceback|crashed|aborted|level=error)\b"
)
_ABOVE_HEAD = (
    r"(?:file://)?\S+\.[cm]?[jt]sx?:\d+$|(?:node:\S+|undefined|<anonymous_script>):\d+$|(?:fail|crit|warn): \S"
    r"|Unhandled Exception:|[A-Z][a-z]{2} \d{1,2}, \d{4} \d"
)
"""Lines that Node.js, the loggers of .NET and Java, and Mono print above the one that names the exception."""
_LOG_HEAD = re.compile(_ABOVE_HEAD)
_PREAMBLE = re.compile(rf"{_ABOVE_HEAD}|\s*$|\s*[\^~]+\s*$|\s+\S|\[|(?:SEVERE|WARNING|ERROR|FATAL|Thrown at:)\b")
_PREAMBLE_AFTER = re.compile(rf"{_ABOVE_HEAD}|\s*[\^~]+\s*$|\s+\[errors\]: \[|.*\{{$|\s+triggerUncaught|\s+throw ")
"""The part of `_PREAMBLE` that is recognised even across a line of somebody else."""
_CARET = re.compile(r"\s*[\^~]+\s*$")
_LOG_LINE = re.compile(
    r"\d{4}[-/]\d\d[-/]\d\d|\d{1,3}(?:\.\d{1,3}){3} |\[?(?:DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL)\b"
    r"|(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) /|\{\"|[EWIDF], \[|\d\d:\d\d:\d\d"
)
_PY_BOXED = re.compile(r"\s*(?:\||\+-|\+ Exception Group)")
_PY_PRELUDE = re.compile(
    r"Exception (?:in thread |ignored in)|Task exception was never|(?:future|handle|task): <|Process \S+:$|message: |"
    r"Unhandled exception in|Traceback of"
)
_PY_RAISED = re.compile(r"[A-Za-z_][\w.]*(?:: |:?$)")
_GO_FILE = re.compile(r"\s+\S+\.(?:go|s|c):\d+")
_GO_HEAD = re.compile(r"(?:^|[\s:])(?:panic|fatal error): |panic serving ")
_RUBY_PLACE = re.compile(r"\S:\d+:in [`'].*'")
_RUBY_NAMED = re.compile(
    r"\([A-Z][\w:]*\)$|(?:^|\s)[A-Z][\w:]* \(.*\):$|#<[A-Z][\w:]*: "
    r"|(?:^|\s)(?:[A-Z]\w*::[A-Z][\w:]*|[A-Z]\w*(?:Error|Exception)): "
)
_DIGITS = re.compile(r"\d+")
_PHP_NAMED = re.compile(r"(?:^|\s)[A-Z][\w\\]*(?:\(code: \d+\))?: |Uncaught ")
_PHP_HEAD = re.compile(r"(?:PHP )?(?:Fatal|Parse|Recoverable fatal) error: |[ (](?:in|at) \S+(?::\d+|\(\d+\))")


class _Trace:
    """A trace while its lines are collected.

    `raised`: its last exception was named (in Go: a frame was seen), so it may be complete. `linked`: a line said that one
    more exception follows. `expects_head`: the next lines may be further lines of a message. `braces`: how many blocks of
    Node.js, or boxes of Python, are open. `passed`: lines since the last of its own that are not of it.
    """

    __slots__ = ("braces", "expects_head", "family", "last", "linked", "members", "passed", "raised", "severity")

    def __init__(self, family: _Family, members: list[int], entry: LogEntry) -> None:
        self.family = family
        self.members = members
        self.last = entry.timestamp
        self.severity = entry.severity
        self.raised = False
        self.linked = False
        self.expects_head = False
        self.braces = 0
        self.passed: list[int] = []


def segment(lines: Sequence[LogEntry]) -> list[list[int]]:
    """Cut lines of one stream, in order of time, into occurrences: positions of their lines, each line in exactly one."""
    parts: list[list[int]] = []
    taken = [False] * len(lines)
    trace: _Trace | None = None
    for at, entry in enumerate(lines):
        text = _line(entry)
        if trace is not None and entry.timestamp - trace.last > _RUN_GAP:
            trace = None
        if trace is not None:
            tight = entry.timestamp - trace.last <= _TIGHT
            step = _step(trace, lines, at, text, near=tight and not _quieter(entry, trace.severity))
            if step is _Step.TAKE:
                trace.members.append(at)
                trace.last = entry.timestamp
                trace.passed.clear()
                taken[at] = True
                continue
            if step is _Step.PASS:
                trace.passed.append(at)
                continue
            trace = None
        family = _opens(text)
        if family is None:
            continue
        head = _lookback(family, lines, at, taken)
        for index in (*head, at):
            taken[index] = True
        trace = _Trace(family, [*head, at], entry)
        if family is _Family.AT:
            trace.braces = sum(_line(lines[index]).endswith(("{", "[")) for index in trace.members)
        parts.append(trace.members)
    parts += [[at] for at, is_taken in enumerate(taken) if not is_taken]
    parts.sort()
    return parts


def _line(entry: LogEntry) -> str:
    """As much of the line as decides anything: what an entry holds must not choose what joining costs."""
    text = entry.message[:2_000].rstrip()
    return without_colours(text).rstrip() if "\x1b" in text else text


def _quieter(entry: LogEntry, severity: Severity) -> bool:
    """Whether a line was written at an explicit lower level than the trace around it."""
    return Severity.DEFAULT < entry.severity < Severity.WARNING and not Severity.DEFAULT < severity < Severity.WARNING


def _opens(text: str) -> _Family | None:
    line = text.lstrip()
    if line.startswith("at ") and text[:1] in " \t" and _AT_FRAME.match(text):
        return _Family.AT
    if (text.endswith("] {") and _NAMED.search(text)) or text.startswith("(Use `node --trace-uncaught"):
        return _Family.AT
    if "Traceback (most recent call last)" in line or line.startswith(('File "', '| File "', '|   File "')):
        return _Family.PYTHON
    if text.startswith("goroutine ") and "[" in text:
        return _Family.GO
    if text.startswith("runtime stack:") or (text[:1] == "\t" and _GO_FILE.match(text)):
        return _Family.GO
    if text.startswith(("#0 ", "Stack trace:", "[stacktrace]")):
        return _Family.PHP
    if ":in " in text and _RUBY_PLACE.search(text):
        return _Family.RUBY
    return None


def _above(lines: Sequence[LogEntry], at: int, taken: Sequence[bool], most: int) -> list[int]:
    """Free lines right before `at`, nearest first, as long as they are close in time and not written at a lower level."""
    found: list[int] = []
    last = lines[at].timestamp
    severity = lines[at].severity
    for index in range(at - 1, max(-1, at - 1 - most), -1):
        entry = lines[index]
        if last - entry.timestamp > _TIGHT or (taken[index] and not _quieter(entry, severity)):
            break
        if taken[index] or _quieter(entry, severity):
            continue
        last = entry.timestamp
        found.append(index)
    return found


def _lookback(family: _Family, lines: Sequence[LogEntry], at: int, taken: Sequence[bool]) -> list[int]:
    """The lines before the first sure line of a trace that belong to it, oldest first."""
    near = _above(lines, at, taken, 60)
    texts = [_line(lines[index]) for index in near]
    match family:
        case _Family.PYTHON:
            return _lookback_python(near, texts)
        case _Family.AT:
            text = _line(lines[at])
            if text.endswith("] {"):  # the error is named here, and its runtime may have printed something above
                return _lookback_at([at, *near], [text, *texts])[:-1] if text.startswith("[") else []
            return _lookback_at(near, texts)
        case _Family.GO:
            if _line(lines[at]).startswith("\t"):  # an error that was printed with its stack; its first call is above
                if head := _up_to(near[1:5], texts[1:5], _LOUD, only_found=True):
                    return sorted([*near[:1], *head])
                said = itertools.takewhile(lambda above: above and not _LOG_LINE.match(above), texts[:5])
                return sorted(near[: len(list(said))])
            head = _up_to(near, texts, _GO_HEAD)
            while head and lines[head[0]].message.startswith("\t"):  # raised while another was being recovered
                above = near.index(head[0]) + 1
                head = [*_up_to(near[above:], texts[above:], _GO_HEAD, only_found=True)[:1], *head]
                if near.index(head[0]) < above:
                    break
            above = near.index(min(head)) + 1 if head else 0
            head += [near[at] for at in range(above, len(near)) if texts[at].startswith("runtime: ")]
            return sorted(head)
        case _Family.RUBY:
            text = _line(lines[at])
            if text.lstrip().startswith("from "):
                return _up_to(near, texts, _RUBY_PLACE)
            if not text.endswith("'"):
                return []  # the exception is named here
            if prefix := _ruby_prefix(text):
                alike = itertools.takewhile(lambda above: _DIGITS.sub("0", above).startswith(prefix), texts[:8])
                if count := len(list(alike)):
                    return sorted(near[:count])
            return _up_to(near, texts, _RUBY_NAMED, only_found=True)
        case _Family.PHP:
            head = _up_to(near, texts, _PHP_HEAD)
            if head and not _PHP_NAMED.search(_line(lines[head[0]])):  # the message has several lines
                above = near.index(head[0]) + 1
                head += _up_to(near[above:], texts[above : above + 8], _PHP_NAMED, only_found=True)
            return sorted(head)


def _ruby_prefix(text: str) -> str:
    """What a logger put before a frame, numbers as zeros; "" when it stands alone."""
    place = _RUBY_PLACE.search(text)
    return "" if place is None else _DIGITS.sub("0", text[: text.rfind(" ", 0, place.start()) + 1]).strip()


def _up_to(near: Sequence[int], texts: Sequence[str], head: re.Pattern[str], *, only_found: bool = False) -> list[int]:
    """Everything up to the nearest line that `head` finds; else the nearest that tells of trouble, or at least says a word."""
    finders = (head,) if only_found else (head, _LOUD, re.compile(r"\S"))
    for finder, reach in zip(finders, (len(near), 4, 4), strict=False):
        for position, text in enumerate(texts[:reach]):
            if finder.search(text):
                return sorted(
                    near[at] for at in range(position + 1) if at == position or not _LOG_LINE.match(texts[at])
                )
    return []


def _lookback_python(near: Sequence[int], texts: Sequence[str]) -> list[int]:
    """The log line above the traceback, and what the interpreter says of threads and tasks in between."""
    found: list[int] = []
    for index, text in zip(near[:6], texts, strict=False):
        prelude = _PY_PRELUDE.match(text) is not None
        if prelude or _LOUD.search(text):
            found.append(index)
        if found and not prelude:
            break
    return sorted(found)


def _lookback_at(near: Sequence[int], texts: Sequence[str]) -> list[int]:
    """The head of a Java, Node.js or .NET trace: the line that names the exception, and what its runtime prints above."""
    head = next((position for position, text in enumerate(texts[:40]) if _NAMED.search(text)), None)
    if head is None:
        head = next((position for position, text in enumerate(texts[:4]) if text.strip()), None)
    if head is None:
        return []
    found = [near[at] for at in range(head + 1) if at == head or not _LOG_LINE.match(texts[at])]
    blank: list[int] = []
    below_caret = False
    passed = 0
    at = head + 1
    while at < len(texts) and passed < 3:
        text = texts[at]
        loud = _LOUD.search(text) is not None
        at += 1
        source = below_caret and not _LOG_LINE.match(text)
        outer = texts[at - 2].lstrip().startswith("---> ") and _NAMED.search(text) is not None
        if not (source or outer or loud or (_PREAMBLE_AFTER if passed else _PREAMBLE).match(text)):
            passed += bool(text.strip())  # a line of somebody else may stand in between
            blank += [near[at - 1]] if not text.strip() else []
            continue
        passed = 0
        found += [*blank, near[at - 1]]
        blank = []
        if loud and not outer and not below_caret and not any(_LOG_HEAD.match(text) for text in texts[at : at + 2]):
            break  # the log line above the trace
        below_caret = _CARET.match(text) is not None  # then this line's upper neighbour is the source line
    while len(found) > head + 1 and not texts[near.index(found[-1])].strip():
        found.pop()
    return sorted(found)


def _step(trace: _Trace, lines: Sequence[LogEntry], at: int, text: str, *, near: bool) -> _Step:
    """What line `at` is to the open `trace`. `near`: close enough in time and level to belong to it without a sure sign."""
    match trace.family:
        case _Family.PYTHON:
            return _step_python(trace, lines, at, text, near=near)
        case _Family.AT:
            return _step_at(trace, lines, text, near=near)
        case _Family.GO:
            return _step_go(trace, lines, at, text, near=near)
        case _Family.RUBY:
            return _step_ruby(trace, lines, text, near=near)
        case _Family.PHP:
            return _step_php(trace, lines, text, near=near)


def _step_python(trace: _Trace, lines: Sequence[LogEntry], at: int, text: str, *, near: bool) -> _Step:
    if _PY_BOXED.match(text):
        if "Exception Group Traceback" in text and trace.raised and not trace.linked and "|" not in text:
            return _Step.NEW
        trace.raised, trace.linked, trace.braces = True, False, 1
        return _Step.TAKE
    if "Traceback (most recent call last)" in text:
        if trace.linked:
            trace.raised = trace.linked = False
            trace.braces = 0
            return _Step.TAKE
        return _Step.NEW
    if text.startswith(("During handling of the above", "The above exception was the direct")):
        trace.linked = True
        return _Step.TAKE
    if not text.strip():
        return _Step.TAKE if near else _Step.PASS
    if not trace.raised:
        if text[0] in " \t>":
            return _Step.TAKE
        if _PY_RAISED.match(text):
            trace.raised = True
            return _Step.TAKE
        return _Step.PASS
    in_box = trace.braces and not trace.linked  # what a group says stands inside of its box
    if near and not in_box and not _LOG_LINE.match(text) and _opens(text) is None and not _heads_next(lines, at):
        return _Step.TAKE
    return _Step.PASS


def _heads_next(lines: Sequence[LogEntry], at: int) -> bool:
    """Whether the line is the log line above the next traceback."""
    return (
        at + 1 < len(lines)
        and "Traceback (most recent call last)" in lines[at + 1].message
        and lines[at + 1].timestamp - lines[at].timestamp <= _TIGHT
    )


def _step_at(trace: _Trace, lines: Sequence[LogEntry], text: str, *, near: bool) -> _Step:
    frame = text[:1] in " \t" and text.lstrip().startswith("at ") and _AT_FRAME.match(text) is not None
    more = not frame and _AT_MORE.match(text) is not None
    if frame or more:
        if trace.passed and (not near or any(_NAMED.search(_line(lines[index])) for index in trace.passed[-40:])):
            return _Step.NEW
        trace.expects_head = more
        trace.braces += text.rstrip().endswith(("{", "["))
        return _Step.TAKE
    if text.endswith("] {") and text[:1] not in " \t" and _NAMED.search(text):
        return _Step.NEW
    if trace.passed and text.startswith("(Use `node --trace-uncaught"):
        return _Step.NEW
    if _AT_TAIL.match(text.lstrip()):
        trace.expects_head = "FATAL UNHANDLED" in text  # Mono prints everything a second time
        trace.braces -= trace.braces > 0 and text.lstrip()[0] in "]}"
        return _Step.TAKE
    if not near:
        return _Step.PASS
    if not text.strip():
        return _Step.TAKE
    if trace.braces and text[0] in " \t":
        trace.braces += text.rstrip().endswith(("{", "["))
        return _Step.TAKE
    if trace.expects_head and not _LOG_LINE.match(text) and not _NAMED.search(text):
        return _Step.TAKE
    return _Step.PASS


def _step_go(trace: _Trace, lines: Sequence[LogEntry], at: int, text: str, *, near: bool) -> _Step:
    if text.startswith("goroutine "):
        again = bool(trace.raised and trace.passed) and (
            not near or any(_LOUD.search(_line(lines[index])) for index in trace.passed)
        )
        return _Step.NEW if again else _Step.TAKE
    if _GO_FILE.match(text):
        if trace.passed and not near:
            return _Step.NEW
        trace.raised = True
        return _Step.TAKE
    if text.startswith(("exit status", "...", "created by ", "runtime stack:")):
        return _Step.TAKE
    if _GO_HEAD.search(text):
        return _Step.NEW
    if not text.strip():
        return _Step.TAKE if near else _Step.PASS
    call = near and " " not in text.partition("(")[0]
    if call and (text.endswith(")") or (at + 1 < len(lines) and _GO_FILE.match(lines[at + 1].message))):
        return _Step.TAKE
    return _Step.PASS


def _step_ruby(trace: _Trace, lines: Sequence[LogEntry], text: str, *, near: bool) -> _Step:
    line = text.lstrip()
    if text[:1] in " \t" and line.startswith(("from ", "... ")):
        trace.raised = True
        return _Step.TAKE
    if ":in " in text and (place := _RUBY_PLACE.search(text)):
        if near and (
            " " not in text[: place.start()].strip()  # a frame without "from", or the cause
            or _ruby_prefix(text) == _ruby_prefix(_line(lines[trace.members[-1]]))
        ):
            return _Step.TAKE
        return _Step.NEW
    if not near:
        return _Step.PASS
    if not text.strip() or (not trace.raised and not _LOG_LINE.match(text)):
        return _Step.TAKE
    return _Step.PASS


def _step_php(trace: _Trace, lines: Sequence[LogEntry], text: str, *, near: bool) -> _Step:
    if text.startswith(("#0 ", "Stack trace:", "[stacktrace]")):
        before = lines[trace.members[-1]].message
        if text.startswith("#0 ") and before.startswith(("Stack trace:", "[stacktrace]")):
            return _Step.TAKE
        if trace.linked:
            trace.linked = text.startswith("#0 ")
            return _Step.TAKE
        return _Step.NEW
    if text.startswith("#"):
        trace.linked = False
        return _Step.TAKE
    if text.startswith('"}'):  # Monolog closes the JSON that it wrote the trace into
        trace.raised = True
        return _Step.TAKE
    if text.startswith(("Next ", "[previous exception]")):
        trace.linked = True
        trace.expects_head = _PHP_HEAD.search(text) is None
        return _Step.TAKE
    if text.startswith("  thrown in "):
        trace.raised = True
        return _Step.TAKE
    if not near or trace.raised:
        return _Step.PASS
    if not text.strip() or (trace.linked and trace.expects_head and not _LOG_LINE.match(text)):
        return _Step.TAKE
    return _Step.PASS

"""Log source over exported files: `gcloud logging read --format=json` arrays, JSON lines, REST answers; gzip and UTF-16 too.

Owns finding the entries in a file of any size without holding it, counting what is no entry, and the manifest line of each
file. Leaves reading an entry to `evidence/entries.py` and choosing among them (window, services) to `evidence/observe.py`.
"""

import codecs
import gzip
import hashlib
import io
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal, cast

from msgspec import MsgspecError
from msgspec.json import decode

from app.errors import BadInput
from app.evidence.entries import BadEntry, parse_entry, parse_line
from app.evidence.model import Gap, LogEntry, LogQuestion, LogsRead, Reading
from app.redact import cut, start_of

_CHUNK = 1 << 20
_LONGEST = 4 << 20
"""Characters in which an array element must end. An entry has at most 512 KiB; JSON escapes may multiply that."""


class FileLogs:
    """Entries of files, in the files' order; `-` is standard input.

    Lines and elements that are no entries are counted in the `Reading`, never fatal. With several files, an entry that two
    of them hold (same time and insertId) counts once. Raises `BadInput` for a file that cannot be opened or is no JSON.
    """

    def __init__(self, paths: Sequence[Path | Literal["-"]], *, stdin: IO[bytes] | None = None) -> None:
        self._paths = paths
        self._stdin = stdin

    async def read(self, question: LogQuestion, sink: Callable[[LogEntry], None]) -> LogsRead:
        readings: list[Reading] = []
        gaps: list[Gap] = []
        seen: set[tuple[datetime, str]] | None = set() if len(self._paths) > 1 else None
        for path in self._paths:
            reading, gap = self._read_one(path, question, sink, seen)
            readings.append(reading)
            gaps += gap
        return LogsRead(tuple(readings), tuple(gaps))

    def _read_one(
        self,
        path: Path | Literal["-"],
        question: LogQuestion,
        sink: Callable[[LogEntry], None],
        seen: set[tuple[datetime, str]] | None,
    ) -> tuple[Reading, list[Gap]]:
        name = "standard input" if path == "-" else path.name
        file = self._open(path)
        hashed = _Hashed(file)
        entries = bad = 0
        first_bad: str | None = None
        cut_off = False
        gaps: list[Gap] = []
        try:
            for line, value in _values(hashed, name):
                origin = f"{name}:{line}"
                entry = parse_line(value, origin) if type(value) is bytes else None
                if entry is not None:
                    if seen is None or _is_new(entry, seen):
                        entries += 1
                        sink(entry)
                    continue
                for found in _found(value, name, origin):
                    match found:
                        case LogEntry():
                            if seen is None or _is_new(found, seen):
                                entries += 1
                                sink(found)
                        case Gap():
                            gaps.append(found)
                        case _Broken():
                            bad += 1
                            first_bad = first_bad or f"{origin}: {found.reason}"
                            cut_off = cut_off or found.cut_off
        except (EOFError, gzip.BadGzipFile, OSError) as problem:
            cut_off = True
            first_bad = first_bad or f"{name}: {type(problem).__name__}"
        finally:
            digest = hashed.digest()
            if path != "-":
                file.close()
        if cut_off:
            meaning = "entries after that point are missing from every count"
            gaps.append(Gap("logs", cut(f"{name} ends in the middle"), meaning, "export the entries again"))
        if bad and not entries:
            meaning = "this file holds nothing that an audit could rest on"
            remedy = "export with: gcloud logging read FILTER --format=json"
            gaps.append(Gap("logs", cut(f"{first_bad}; none of {bad} lines is a log entry"), meaning, remedy))
        return (
            Reading(
                source=name,
                query=None,
                window=question.window,
                entries=entries,
                calls=0,
                bad_lines=bad,
                first_bad_line=first_bad,
                truncated="the file ends in the middle" if cut_off else None,
                digest=digest,
            ),
            gaps,
        )

    def _open(self, path: Path | Literal["-"]) -> IO[bytes]:
        if path == "-":
            return self._stdin if self._stdin is not None else sys.stdin.buffer
        try:
            return path.open("rb")
        except OSError as problem:
            reason = problem.strerror or type(problem).__name__
            raise BadInput(f"cannot read {path}: {reason}", fix="Name a file that exists and may be read.") from None


class _Hashed(io.RawIOBase):
    """The bytes of a file as they are read, and their SHA-256."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        self._hash.update(data)
        buffer[: len(data)] = data
        return len(data)

    def digest(self) -> str:
        while data := self._file.read(_CHUNK):  # what a reader did not want still counts
            self._hash.update(data)
        return self._hash.hexdigest()


class _Broken:
    """A line or element that is no JSON. `cut_off`: the file ended inside it."""

    def __init__(self, reason: str, *, cut_off: bool = False) -> None:
        self.reason = reason
        self.cut_off = cut_off


def _values(hashed: _Hashed, name: str) -> Iterator[tuple[int, Any]]:
    """Lines, or the values of an array, each with the line it begins on. Raises `BadInput` for what is something else."""
    stream: io.BufferedIOBase = io.BufferedReader(hashed, _CHUNK)
    head = stream.peek(4)[:4]  # type: ignore[attr-defined] - BufferedReader has it, its base class does not
    if head[:2] == b"\x1f\x8b":
        stream = io.BufferedReader(cast("Any", gzip.GzipFile(fileobj=cast("Any", stream), mode="rb")), _CHUNK)
        head = stream.peek(4)[:4]
    if head[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):  # what PowerShell's `>` writes
        stream = _Utf8(io.TextIOWrapper(stream, encoding="utf-16", errors="replace", newline=""))
    elif head[:3] == codecs.BOM_UTF8:
        stream.read(3)

    lines = 0
    for line in stream:
        lines += 1
        text = line.strip()
        if not text:
            continue
        if text[:1] == b"[":
            rest = line[line.index(b"[") + 1 :]
            yield from _array(rest, stream, lines)
            return
        if text == b"{":  # an object over several lines, as jq prints it
            yield from _array(line, stream, lines)
            return
        if text[:3] == b"---" or text.startswith((b"insertId:", b"logName:", b"labels:", b"httpRequest:")):
            raise BadInput(f"{name} is YAML, not JSON", fix="Export again with --format=json.")
        yield lines, line
        for line in stream:
            lines += 1
            yield lines, line


def _array(rest: bytes, stream: io.BufferedIOBase, line: int) -> Iterator[tuple[int, Any]]:
    """Elements of an array (or objects one after another), decoded one by one so that a file of any size fits.

    After an element that is no JSON, goes on at the next line that begins an object.
    """
    read = json.JSONDecoder().raw_decode
    text = codecs.getincrementaldecoder("utf-8")(errors="replace")
    buffer = text.decode(rest)
    at, ended = 0, False
    while True:
        while at < len(buffer) and buffer[at] in " \t\r\n,":
            line += buffer[at] == "\n"
            at += 1
        if at < len(buffer) and buffer[at] == "]":
            return
        if at < len(buffer):
            try:
                value, end = read(buffer, at)
            except (ValueError, RecursionError):
                pass
            else:
                if end < len(buffer) or ended:  # a number or word could go on in the next chunk
                    yield line, value
                    line += buffer.count("\n", at, end)
                    at = end
                    continue
            if len(buffer) - at > _LONGEST or ended:
                following = buffer.find("\n  {", at + 1)
                following = buffer.find("\n{", at + 1) if following < 0 else following
                yield line, _Broken("not JSON", cut_off=ended and following < 0)
                if following < 0:
                    if ended:
                        return
                    following = len(buffer)
                line += buffer.count("\n", at, following)
                at = following
                continue
        elif ended:
            return
        chunk = stream.read(_CHUNK)
        ended = not chunk
        buffer = buffer[at:] + text.decode(chunk, final=ended)
        at = 0


def _is_new(entry: LogEntry, seen: set[tuple[datetime, str]]) -> bool:
    """Whether no file before held it. An entry without an id is taken for new."""
    if not entry.insert_id:
        return True
    key = (entry.timestamp, entry.insert_id)
    if key in seen:
        return False
    seen.add(key)
    return True


def _found(value: object, name: str, origin: str) -> Iterator[LogEntry | Gap | _Broken]:
    """What a line or a decoded value holds, if it is anything but an entry as the API writes it."""
    if isinstance(value, bytes):
        try:
            value = decode(value)
        except (MsgspecError, ValueError, RecursionError):
            if value.strip():
                yield _Broken("not JSON", cut_off=not value.endswith(b"\n") and value[:1] == b"{")
            return
    if isinstance(value, _Broken):
        yield value
    elif refusal := _refusal(value, name):
        yield refusal
    else:
        for raw in _entries_of(value):
            try:
                if not isinstance(raw, dict):
                    raise BadEntry("not a JSON object")
                yield parse_entry(cast("dict[str, Any]", raw), origin)
            except BadEntry as problem:
                yield _Broken(problem.reason)


def _entries_of(value: object) -> Sequence[Any]:
    """An entry, or the `entries` of an answer of entries.list."""
    if isinstance(value, dict) and "entries" in value and "timestamp" not in value:
        inner = cast("dict[str, Any]", value)["entries"]
        return cast("list[Any]", inner) if isinstance(inner, list) else ()
    return (cast("object", value),)


def _refusal(value: object, name: str) -> Gap | None:
    """An answer of the API that is an error instead of entries: what was asked for was not shown, and is not absent."""
    if not isinstance(value, dict) or "timestamp" in value or "error" not in value:
        return None
    error = cast("dict[str, Any]", value)["error"]
    if not isinstance(error, dict) or "code" not in error:
        return None
    fields = cast("dict[str, Any]", error)
    denied = fields.get("code") in (401, 403)
    return Gap(
        f"logs {name}",
        start_of(f"{fields.get('status') or fields['code']}: {fields.get('message') or 'no message'}", 500),
        "the entries were not shown to this account, which says nothing about whether there are any"
        if denied
        else "the entries were not read, which says nothing about whether there are any",
        "grant roles/logging.viewer on the project to the account that exports"
        if denied
        else "export the entries again",
    )


class _Utf8(io.BufferedIOBase):
    """A text stream read as UTF-8 bytes."""

    def __init__(self, text: io.TextIOBase) -> None:
        self._text = text

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        return self._text.read(-1 if size is None else size).encode()

    def readline(self, size: int | None = -1, /) -> bytes:
        return self._text.readline(-1 if size is None else size).encode()

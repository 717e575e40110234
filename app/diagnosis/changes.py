"""Which commits fit an error group, and why.

Owns the patch parser, the way from a printed frame to a path of the repository, and the score of a commit against a group,
with its reasons for and against. Leaves containment and verdicts to `ledger.py`, reading of history to its sources.

A commit is judged on what it changed, by a few measures between 0 and 1 that are added up with the weights below. The
measures compare the stack trace (files, functions, lines, printed source) and the message (words, message text, kind of
exception) with the patch. Line numbers of a trace belong to the code that runs, those of a patch to the code that it was
written for, so a line is evidence of nearness only; functions and printed source survive drift.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from app.diagnosis.model import Claim, CommitRef, EntryRef, EvidenceRef, FileRef, Match, Sentence, sentence
from app.evidence.model import (
    Commit,
    ErrorGroup,
    FileChange,
    Frame,
    HistoryFacts,
    Hunk,
)
from app.redact import Redacted

# --- patches ----------------------------------------------------------------------------------------------------------

_HUNK = re.compile(r"@@+ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@+ ?(.*)", re.DOTALL)
_ESCAPE = re.compile(r'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPED = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}


@dataclass(slots=True)
class _OpenHunk:
    old: int
    new: int
    old_left: int
    new_left: int
    old_start: int
    new_start: int
    heading: str
    removed: list[tuple[int, Redacted]] = field(default_factory=list[tuple[int, Redacted]])
    added: list[tuple[int, Redacted]] = field(default_factory=list[tuple[int, Redacted]])
    context: list[tuple[int, Redacted]] = field(default_factory=list[tuple[int, Redacted]])

    def closed(self) -> Hunk:
        return Hunk(
            self.old_start,
            self.new_start,
            tuple(self.removed),
            tuple(self.added),
            tuple(self.context),
            Redacted(self.heading.strip()),
        )

    def take(self, line: str) -> bool:
        """Add one line; False when it belongs to the hunk no more."""
        mark = line[:1]
        if mark == "\\":
            return True
        if self.old_left <= 0 and self.new_left <= 0:
            return False
        text = Redacted(line[1:])
        if mark == "-":
            self.removed.append((self.old, text))
            self.old += 1
            self.old_left -= 1
        elif mark == "+":
            self.added.append((self.new, text))
            self.new += 1
            self.new_left -= 1
        elif mark in {" ", ""}:
            self.context.append((self.old, text))
            self.old += 1
            self.new += 1
            self.old_left -= 1
            self.new_left -= 1
        else:
            return False
        return True


@dataclass(slots=True)
class _OpenFile:
    old: str | None = None
    new: str | None = None
    created: bool = False
    deleted: bool = False
    hunks: list[Hunk] = field(default_factory=list[Hunk])

    def closed(self) -> FileChange | None:
        path = None if self.deleted else self.new or None
        old_path = None if self.created else self.old or None
        if path is None and old_path is None:
            return None
        return FileChange(path, old_path, tuple(self.hunks))


def parse_patch(text: Redacted) -> tuple[FileChange, ...]:
    """A unified diff as git prints it, secrets already cut: one `FileChange` per file, in its order.

    Never raises: what is no diff is passed over, binary files and pure renames have no hunks, merges' combined diffs keep
    their files only.
    """
    files: list[FileChange] = []
    current: _OpenFile | None = None
    hunk: _OpenHunk | None = None

    def close() -> None:
        nonlocal current, hunk
        if hunk is not None and current is not None:
            current.hunks.append(hunk.closed())
        if current is not None and (done := current.closed()) is not None:
            files.append(done)
        current, hunk = None, None

    for line in text.split("\n"):
        if hunk is not None:
            if hunk.take(line):
                continue
            if current is not None:
                current.hunks.append(hunk.closed())
            hunk = None
        if line.startswith("diff --"):
            close()
            current = _OpenFile(*_header_paths(line))
        elif line.startswith("@@ "):
            current = current or _OpenFile()
            hunk = _open_hunk(line)
        elif line.startswith("--- "):
            if current is None or current.hunks:
                close()
                current = _OpenFile()
            name = _file_name(line[4:])
            current.created = current.created or name is None
            current.old = name if name is not None else current.old
        elif line.startswith("+++ ") and current is not None:
            name = _file_name(line[4:])
            current.deleted = current.deleted or name is None
            current.new = name if name is not None else current.new
        elif current is not None:
            if line.startswith("new file mode"):
                current.created = True
            elif line.startswith("deleted file mode"):
                current.deleted = True
            elif line.startswith(("rename from ", "copy from ")):
                current.old = _unquote(line.partition(" from ")[2])
            elif line.startswith(("rename to ", "copy to ")):
                current.new = _unquote(line.partition(" to ")[2])
    close()
    return tuple(files)


def parse_hunks(text: Redacted) -> tuple[Hunk, ...]:
    """The hunks of one file's patch without its header, as GitHub's API gives it. Never raises."""
    hunks: list[Hunk] = []
    hunk: _OpenHunk | None = None
    for line in text.split("\n"):
        if hunk is not None:
            if hunk.take(line):
                continue
            hunks.append(hunk.closed())
            hunk = None
        if line.startswith("@@ "):
            hunk = _open_hunk(line)
    if hunk is not None:
        hunks.append(hunk.closed())
    return tuple(hunks)


def _open_hunk(line: str) -> _OpenHunk | None:
    found = _HUNK.match(line)
    if found is None:
        return None
    old, old_count, new, new_count, heading = found.groups()
    return _OpenHunk(
        int(old), int(new), int(old_count or 1), int(new_count or 1), int(old), int(new), heading.rstrip("\r")
    )


def _header_paths(line: str) -> tuple[str | None, str | None]:
    """Paths of `diff --git a/x b/x`, needed where no other line names them (binary, mode change)."""
    rest = line.partition(" --git ")[2] or line.rpartition(" ")[2]
    if rest.startswith('"'):
        old, _, new = rest[1:].partition('" ')
        return _plain(_unquote(f'"{old}"')), _plain(_unquote(new))
    middle = len(rest) // 2
    if len(rest) % 2 and rest[middle] == " ":
        return _plain(rest[:middle]), _plain(rest[middle + 1 :])
    old, _, new = rest.partition(" b/")
    return _plain(old), _plain(f"b/{new}" if new else old)


def _file_name(text: str) -> str | None:
    """None for /dev/null."""
    name = _unquote(text.partition("\t")[0].rstrip("\r"))
    return None if name == "/dev/null" else _plain(name)


def _plain(name: str) -> str:
    """Without git's one-letter prefix (a/ b/, or i/ w/ c/ o/ with mnemonic prefixes)."""
    return name[2:] if name[1:2] == "/" and name[:1] in "abiwco" else name


def _unquote(name: str) -> str:
    name = name.rstrip("\r")
    if len(name) < 2 or not (name.startswith('"') and name.endswith('"')):
        return name

    def byte(found: re.Match[str]) -> str:
        code = found[1]
        return chr(int(code, 8) & 0xFF if len(code) == 3 else _ESCAPED[code])

    plain = _ESCAPE.sub(byte, name[1:-1])
    try:
        return plain.encode("latin-1").decode("utf-8", "replace")
    except UnicodeEncodeError:
        return plain


# --- frames to paths --------------------------------------------------------------------------------------------------

_PACKAGE_SUFFIXES = (".java", ".kt", ".scala", ".groovy")
"""Languages whose traces print a bare file name beside the class; the package is the directory."""
_COMMON_NAMES = frozenset(
    {"__init__.py", "__main__.py", "main.py", "index.js", "index.ts", "index.tsx", "main.go", "index.php", "mod.rs"}
)
"""File names that say nothing without their directory."""


def map_frame(frame: Frame, paths: Sequence[str], source_roots: Sequence[str]) -> str | None:
    """The path of the repository that a printed frame stands in: the longest common suffix, of at least the file's name.

    `source_roots` are prefixes that the deployed path has over the repository's (`/app`). None: the frame names no file, no
    path shares its name, or several fit equally well.
    """
    parts = _frame_parts(frame, source_roots)
    if not parts:
        return None
    best: list[str] = []
    length = 0
    for path in paths:
        if path.rpartition("/")[2] != parts[-1]:
            continue
        common = _common_suffix(parts, path.split("/"))
        if common > length:
            best, length = [path], common
        elif common == length and path not in best:
            best.append(path)
    if length == 1 and parts[-1] in _COMMON_NAMES and len(parts) > 1:
        best = [path for path in best if "/" not in path and len(parts) <= 2]
    if len(best) > 1:
        # A path that lies wholly in the frame's beats one with more directories than the frame shows.
        whole = [path for path in best if path.count("/") + 1 == length]
        best = whole if len(whole) == 1 else best
    return best[0] if len(best) == 1 else None


def _frame_parts(frame: Frame, source_roots: Sequence[str]) -> list[str]:
    """Path parts of the frame's file, with the directory worked out from the class where a bare name is printed."""
    if frame.file is None:
        return []
    name = frame.file.replace("\\", "/").partition("?")[0]
    if "://" in name:
        name = name.partition("://")[2]
    for root in sorted(source_roots, key=len, reverse=True):
        prefix = root.rstrip("/") + "/"
        if name.startswith(prefix):
            name = name[len(prefix) :]
            break
    if name.rpartition("/")[2] in {"", "."}:
        return []
    parts = [part for part in name.split("/") if part not in {"", "."}]
    if len(parts) == 1 and parts[0].endswith(_PACKAGE_SUFFIXES):
        qualified = frame.module or frame.function.rpartition(".")[0]
        package = [part for part in qualified.partition("$")[0].split("/")[-1].split(".")[:-1] if part]
        return [*package, parts[0]]
    return parts


def _common_suffix(one: Sequence[str], other: Sequence[str]) -> int:
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count


# --- what an error says -----------------------------------------------------------------------------------------------

_HELPER = re.compile(
    r"_?(?:raise|throw|fail|error|abort|panic|require|check|assert|ensure|validate|wrap|report|weird|bad|invalid|unexpected)"
    r"(?:$|_|[A-Z])|<init>$|.*(?:Exception|Error)$|^from$|^new[A-Z]\w*(?:Exception|Error)$"
)
"""Functions that only raise what another one found: a fix is seldom there."""
_NAMELESS = frozenset(
    {"", "<module>", "<lambda>", "lambda", "<listcomp>", "<genexpr>", "<dictcomp>", "<anonymous>", "main"}
)
_PRINTED_SOURCE = re.compile(r'^[ \t]*File "([^"\n]+)", line (\d+), in [^\n]*\n[ \t]+([^\n]+)$', re.MULTILINE)
_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]+")
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_COMMON_WORDS = frozenset(
    """the and for with not from this that was but has have are can could cannot should must been its you your into than
    then when where which will value values type types object objects error errors exception failed failure invalid line
    file self none null true false return def class public private static final void int string import new raise throw
    throws try catch except else elif pass expected got java javax lang org com util python test tests main name get set
    app src object's argument arguments missing required given during handling above another occurred following
    """.split()  # noqa: SIM905  words read best as text
)
_FRAME_FADE = 0.25
"""How fast a frame loses weight with its distance from the fault: 1 / (1 + fade x rank)."""
_HELPER_SHARE = 0.6
_LIBRARY_SHARE = 0.4
_FRAMES_READ = 40


@dataclass(frozen=True, slots=True)
class _SeenFrame:
    """One frame of the group. `nearness` 1 at the fault, less further out. `source`: the line that the trace prints.

    `called`: what that line calls, the function of the next inner frame; where the fault was raised, the exception's type.
    """

    parts: tuple[str, ...]
    path: str | None
    function: str
    line: int | None
    nearness: float
    source: str
    called: str
    printed: Frame


@dataclass(frozen=True, slots=True)
class _Error:
    """What a group says, in the terms that a patch can be compared with. Word maps hold weights up to 1."""

    frames: tuple[_SeenFrame, ...]
    message_words: Mapping[str, float]
    stack_words: Mapping[str, float]
    message: str
    types: tuple[str, ...]
    group: ErrorGroup


def _read_error(group: ErrorGroup, facts: HistoryFacts) -> _Error:
    known = {(f.group, f.frame): f.path for f in facts.frames}
    sources = {(file, int(line)): text.strip() for file, line, text in _PRINTED_SOURCE.findall(group.latest.message)}
    frames: list[_SeenFrame] = []
    stack_words: dict[str, float] = {}
    rank = 0
    seen: set[tuple[str | None, int | None, str]] = set()
    for frame, called in _frames(group):
        key = (frame.file, frame.line, frame.function)
        if key in seen or len(frames) >= _FRAMES_READ:
            continue
        seen.add(key)
        function = _bare_function(frame)
        nearness = 1 / (1 + _FRAME_FADE * rank)
        helper = _HELPER.match(function) is not None
        nearness *= _HELPER_SHARE if helper else 1.0
        nearness *= 1.0 if frame.in_app else _LIBRARY_SHARE
        # A helper or a library frame does not push the program's own frames further from the fault.
        rank += 1 if frame.in_app and not helper else 0
        source = sources.get((frame.file or "", frame.line or 0), "")
        path = known.get((group.id, frame))
        frames.append(
            _SeenFrame(tuple(_frame_parts(frame, ())), path, function, frame.line, nearness, source, called, frame)
        )
        text = f"{function} {frame.module or ''} {PurePosixPath(frame.file or '').stem} {source}"
        for word in _words(text):
            stack_words[word] = max(stack_words.get(word, 0.0), nearness)
    message_words: dict[str, float] = {}
    chain = group.trace.chain if group.trace is not None else ()
    message = "\n".join(f"{info.type}: {info.message}" for info in reversed(chain))
    if not chain:
        message = _PRINTED_SOURCE.sub("", group.latest.message)
    for word in _words(message[:4000]):
        message_words[word] = 1.0
    types = tuple(dict.fromkeys(_simple(info.type) for info in reversed(chain)))
    return _Error(tuple(frames), message_words, stack_words, message, types, group)


def _frames(group: ErrorGroup) -> Iterator[tuple[Frame, str]]:
    """Frames from the fault outwards, the innermost exception first, each with what its line calls or raises."""
    if group.trace is not None:
        for info in reversed(group.trace.chain):
            called = _simple(info.type)
            for frame in info.frames:
                yield frame, called
                called = _bare_function(frame)
    elif (place := group.latest.location) is not None:
        yield Frame(Redacted(place.function), Redacted(place.file), place.line), ""


def _bare_function(frame: Frame) -> str:
    """`Orders$Line.lambda$total$0` is `total`; a constructor has the name of its class."""
    name = frame.function.rpartition(".")[2].rpartition("::")[2].rpartition("#")[2]
    if name in {"<init>", "<clinit>", ".ctor"}:
        owner = frame.module or frame.function.rpartition(".")[0]
        return owner.rpartition(".")[2].rpartition("$")[2]
    if name.startswith("lambda$"):
        name = name.split("$")[1]
    name = name.strip("()*&")
    return "" if name in _NAMELESS else name


def _simple(type_name: str) -> str:
    return type_name.rpartition(".")[2].rpartition("\\")[2].rpartition("::")[2].rpartition("$")[2]


def _words(text: str) -> Iterator[str]:
    """Identifiers, whole and in pieces, in lower case; a test's name also without its `test`."""
    for name in _WORD.findall(text):
        yield from _pieces(name)


def _pieces(name: str) -> tuple[str, ...]:
    parts = [part.lower() for part in _PIECE.findall(name)]
    out = [part for part in parts if len(part) > 2 and part not in _COMMON_WORDS and not part.isdigit()]
    if len(parts) > 1:
        whole = "".join(parts)
        if len(whole) > 3:
            out.append(whole)
        tested = [part for part in parts if part not in {"test", "tests"}]
        if len(tested) < len(parts) and tested and len("".join(tested)) > 3:
            out.append("".join(tested))
    return tuple(out)


# --- what a commit changed --------------------------------------------------------------------------------------------

_DEFINITIONS: Mapping[str, re.Pattern[str]] = {
    "py": re.compile(r"\s*(?:async\s+)?def\s+(\w+)"),
    "rb": re.compile(r"\s*def\s+(?:self\.)?(\w+[?!]?)"),
    "go": re.compile(r"\s*func\s+(?:\([^)]*\)\s*)?(\w+)"),
    "php": re.compile(r"\s*(?:(?:public|private|protected|static|final|abstract)\s+)*function\s+&?(\w+)"),
    "js": re.compile(
        r"\s*(?:export\s+|default\s+|async\s+|static\s+|public\s+|private\s+|protected\s+|readonly\s+|get\s+|set\s+|const\s+"
        r"|let\s+|var\s+)*(?:function\s*\*?\s*(\w+)|(?:[\w.]+\.)?(\w+)\s*[:=]\s*(?:async\s*)?(?:function\b|(?:\([^()]*\)"
        r"|\w+)\s*(?::[^=]+)?=>)|(?!if\b|for\b|while\b|switch\b|catch\b|return\b|function\b)(\w+)\s*\([^;]*\)[^;=]*\{\s*$)"
    ),
    "java": re.compile(
        r"\s*(?!return\b|new\b|throw\b|else\b|case\b|package\b|import\b|assert\b)(?:@\w+(?:\([^)]*\))?\s+)*"
        r"(?:(?:public|private|protected|internal|static|final|abstract|synchronized|override|virtual|async|default|native)\s+)*"
        r"(?:<[^>]+>\s*)?(?:[\w.]+(?:<[^()]*>)?(?:\[\])*\s+)?(?!if\b|for\b|while\b|switch\b|catch\b|super\b|this\b|new\b)(\w+)"
        r"\s*\([^;={}]*\)?\s*(?:throws\s+[\w.,\s]+)?\{?\s*$"
    ),
}
_KIND_OF_SUFFIX = {
    "py": "py", "pyx": "py", "pyi": "py", "rb": "rb", "go": "go", "php": "php", "java": "java", "kt": "java", "cs": "java",
    "scala": "java", "js": "js", "jsx": "js", "ts": "js", "tsx": "js", "mjs": "js", "cjs": "js",
}  # fmt: skip
_JAVA_METHOD_START = re.compile(
    r"\s*(?:public|private|protected|static|final|abstract|@|<|[A-Za-z_][\w.<>\[\]]*\s+\w+\s*\()"
)
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--|<!--|\"\"\"|''')")
_IMPORT = re.compile(
    r"\s*(?:import\b|from\s+\S+\s+import\b|using\s+[\w.]+;|package\b|use\s+[\w\\]+;|#include\b|require\b)"
)
_TEST_PATH = re.compile(
    r"(?:^|/)(?:tests?|specs?|__tests__|testing|fixtures)/|(?:^|/)test_[^/]*$|(?:_test|Test|Tests|TestCase|_spec|\.test|\.spec)\.\w+$"
)
_DOC_PATH = re.compile(
    r"(?:^|/)docs?/|(?:^|/)(?:changelog|changes|history|news|readme|authors|license|notice)[^/]*$|\.(?:md|rst|txt|adoc)$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class _Spot:
    """One run of changed lines: where in the old file, and in which function as far as the patch shows."""

    start: int
    end: int
    new_line: int
    function: str | None


@dataclass(slots=True)
class _ChangedFile:
    paths: tuple[tuple[str, ...], ...]
    path: str
    spots: list[_Spot]
    functions: frozenset[str]
    """Functions whose own lines changed."""
    shown: frozenset[str]
    """Functions that the patch only shows in its context."""
    old_lines: Mapping[str, bool]
    """Stripped lines of the old file that the patch shows; True where they were removed."""
    numbered: list[tuple[int, bool, str]]
    """The same lines in order: number in the old file, whether removed, text."""
    created: bool


@dataclass(slots=True)
class _Change:
    """One commit, read for comparison. Word sets are kept apart by where the words stand."""

    commit: Commit
    files: list[_ChangedFile]
    path_words: frozenset[str]
    function_words: frozenset[str]
    removed_words: frozenset[str]
    added_words: frozenset[str]
    context_words: frozenset[str]
    told_words: frozenset[str]
    removed_text: str
    added_text: str
    context_text: str
    lines: int
    tests_only: bool
    docs_only: bool
    cosmetic: bool


class _Reader:
    """Reads commits; remembers the pieces of identifiers, which repeat through the patches of one repository."""

    def __init__(self) -> None:
        self._memory: dict[str, tuple[str, ...]] = {}

    def words(self, text: str) -> frozenset[str]:
        out: set[str] = set()
        memory = self._memory
        for name in set(_WORD.findall(text)):
            pieces = memory.get(name)
            if pieces is None:
                pieces = memory[name] = _pieces(name)
            out.update(pieces)
        return frozenset(out)

    def read(self, commit: Commit) -> _Change:
        changes = commit.changes
        code = [c for c in changes if not _matches(_DOC_PATH, c)]
        program = [c for c in code if not _matches(_TEST_PATH, c)]
        # Tests and documents that came along say what the commit is about, but the program is what failed.
        judged = program or code or list(changes)
        files = [_read_file(change) for change in judged]
        removed, added, context = _texts(judged)
        paths = " ".join(" ".join(part) for file in files for parts in file.paths for part in parts)
        functions = " ".join(name for file in files for name in sorted(file.functions | file.shown))
        return _Change(
            commit,
            files,
            self.words(paths),
            self.words(functions),
            self.words(removed),
            self.words(added),
            self.words(context),
            self.words(f"{commit.subject}\n{commit.body}"),
            removed,
            added,
            context,
            lines=removed.count("\n") + added.count("\n"),
            tests_only=bool(changes) and not program and bool(code),
            docs_only=bool(changes) and not code,
            cosmetic=_squeezed(removed) == _squeezed(added) and bool(removed),
        )


def _matches(pattern: re.Pattern[str], change: FileChange) -> bool:
    return pattern.search(change.path or change.old_path or "") is not None


def _texts(changes: Iterable[FileChange]) -> tuple[str, str, str]:
    removed: list[str] = []
    added: list[str] = []
    context: list[str] = []
    for change in changes:
        for hunk in change.hunks:
            removed += [text for _, text in hunk.removed]
            added += [text for _, text in hunk.added]
            context += [text for _, text in hunk.context]
            context.append(hunk.heading)
    return "\n".join([*removed, ""]), "\n".join([*added, ""]), "\n".join([*context, ""])


def _squeezed(text: str) -> str:
    """Without white space and comment lines: equal before and after where only the formatting changed."""
    return "".join("".join(line.split()) for line in text.split("\n") if not _COMMENT.match(line))


def _read_file(change: FileChange) -> _ChangedFile:
    names = [name for name in (change.old_path, change.path) if name]
    spots: list[_Spot] = []
    shown: set[str] = set()
    old_lines: dict[str, bool] = {}
    numbered: list[tuple[int, bool, str]] = []
    kind = _KIND_OF_SUFFIX.get((names[-1] if names else "").rpartition(".")[2], "")
    for hunk in change.hunks:
        _read_hunk(hunk, kind, spots, shown, old_lines)
        numbered += [(n, True, text) for n, text in hunk.removed] + [(n, False, text) for n, text in hunk.context]
    touched = frozenset(spot.function for spot in spots if spot.function)
    return _ChangedFile(
        tuple(dict.fromkeys(tuple(name.split("/")) for name in names)),
        names[-1] if names else "",
        spots,
        touched,
        frozenset(shown) - touched,
        old_lines,
        numbered,
        created=change.old_path is None,
    )


def _read_hunk(hunk: Hunk, kind: str, spots: list[_Spot], shown: set[str], old_lines: dict[str, bool]) -> None:
    """Walk the hunk in its order, keep which function each changed line is in."""
    heading = _defined(kind, hunk.heading)
    open_functions: list[tuple[int, str]] = [(-1, heading)] if heading else []
    if heading:
        shown.add(heading)
    open_spot: _Spot | None = None
    for mark, old, new, text in _in_order(hunk):
        stripped = text.strip()
        if not stripped:
            continue
        indent = len(text) - len(text.lstrip())
        if name := _defined(kind, text):
            open_functions = [(i, n) for i, n in open_functions if i < indent]
            open_functions.append((indent, name))
            shown.add(name)
        elif kind in {"py", "rb"} or stripped not in {"}", "{", "});", ")"}:
            open_functions = [(i, n) for i, n in open_functions if i < indent]
        if mark != "+":
            old_lines[stripped] = old_lines.get(stripped, False) or mark == "-"
        if mark == " ":
            open_spot = None
            continue
        if _COMMENT.match(text) or _IMPORT.match(text):
            continue
        function = open_functions[-1][1] if open_functions else None
        if open_spot is not None and open_spot.function == function:
            open_spot.end = max(open_spot.end, old)
        else:
            open_spot = _Spot(old, old, new, function)
            spots.append(open_spot)


def _defined(kind: str, text: str) -> str:
    pattern = _DEFINITIONS.get(kind)
    if pattern is None or not text:
        return ""
    if kind == "java" and not _JAVA_METHOD_START.match(text):
        return ""
    found = pattern.match(text)
    return next((name for name in found.groups() if name), "") if found else ""


def _in_order(hunk: Hunk) -> Iterator[tuple[str, int, int, Redacted]]:
    """(mark, old line, new line, text) as the diff printed them."""
    removed, added, context = dict(hunk.removed), dict(hunk.added), dict(hunk.context)
    old, new = hunk.old_start, hunk.new_start
    for _ in range(len(removed) + len(added) + len(context)):
        if (text := removed.get(old)) is not None:
            yield "-", old, new, text
            old += 1
        elif (text := added.get(new)) is not None:
            yield "+", old, new, text
            new += 1
        elif (text := context.get(old)) is not None:
            yield " ", old, new, text
            old += 1
            new += 1
        else:
            return


# --- comparing --------------------------------------------------------------------------------------------------------

_CREATED_SHARE = 0.4
"""A file that the commit creates was not there when the code failed, unless the commit runs already."""
_DRIFT = 25.0
"""Lines by which running code and patched code differ without surprise; nearness halves at this distance."""


@dataclass(slots=True)
class _Tie:
    """The best tie between the stack trace and one commit by one measure."""

    value: float = 0.0
    frame: _SeenFrame | None = None
    file: _ChangedFile | None = None
    spot: _Spot | None = None

    def offer(self, value: float, frame: _SeenFrame, file: _ChangedFile, spot: _Spot | None = None) -> None:
        if value > self.value:
            self.value, self.frame, self.file, self.spot = value, frame, file, spot


def _same_file(frame: _SeenFrame, file: _ChangedFile) -> float:
    """How surely the frame stands in the file, 0 to 1."""
    if frame.path is not None:
        return 1.0 if any("/".join(parts) == frame.path for parts in file.paths) else 0.0
    if not frame.parts:
        return 0.0
    best = 0.0
    for parts in file.paths:
        if parts[-1] != frame.parts[-1]:
            continue
        common = _common_suffix(frame.parts, parts)
        if common in {len(parts), len(frame.parts)} and (common > 1 or parts[-1] not in _COMMON_NAMES):
            best = 1.0
        elif common > 1:
            best = max(best, 0.8)
        elif parts[-1] not in _COMMON_NAMES:
            best = max(best, 0.4)
    return best


_GUARDS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (
        re.compile(r"NullPointer|NoneType|NullReference|\bnull\b|undefined|NilClass|nil pointer|\bnil\b"),
        re.compile(
            r"[!=]==? ?null|is (?:not )?None|\?\.|\?\?|requireNonNull|Optional|[!=]= ?nil|\.nil\?|isset|if not \w|\bor \w"
            r"|undefined"
        ),
    ),
    (
        re.compile(r"IndexOutOfBounds|IndexError|OutOfRange|index out of range|out of bounds|RangeError"),
        re.compile(r"length|size\(\)|\blen\(|isEmpty|[<>]=? ?\w|\.empty\?|if not \w|min\(|max\("),
    ),
    (
        re.compile(r"KeyError|NoSuchElement|KeyNotFound|not found in|NoSuchField"),
        re.compile(r"\.get\(| in \w|containsKey|hasNext|setdefault|has\(|TryGet|\.fetch\("),
    ),
    (
        re.compile(r"TypeError|ClassCast|InvalidCast|unhashable|unsupported operand|not callable|incompatible types"),
        re.compile(r"isinstance|instanceof|typeof|\bas \w|str\(|int\(|list\(|tuple\(|hasattr|callable|np\.asarray"),
    ),
    (
        re.compile(r"unexpected keyword argument|positional argument|missing \d+ required|takes \d+"),
        re.compile(r"\*\*\w+|\*args|\bdef \w+\(|=None"),
    ),
    (
        re.compile(r"AttributeError|NoSuchMethod|has no attribute|is not a function|undefined method"),
        re.compile(r"hasattr|getattr|isinstance|@property|self\.\w+ = "),
    ),
    (
        re.compile(r"RecursionError|StackOverflow|recursion depth|Maximum call stack"),
        re.compile(r"seen|visited|depth|while |isinstance|!= this|is not self"),
    ),
    (
        re.compile(r"NumberFormat|ValueError|IllegalArgument|ParseException|could not convert|DateTimeParse"),
        re.compile(r"\btry\b|except|catch|isdigit|isDigit|strip\(|trim\(|charAt|float\(|int\("),
    ),
    (
        re.compile(r"UnicodeDecode|UnicodeEncode|codec can't"),
        re.compile(r"encod|decod|utf-?8|errors="),
    ),
    (
        re.compile(r"[Tt]ime ?d? ?out|DeadlineExceeded|deadline"),
        re.compile(r"[Tt]imeout|TIMEOUT|deadline|retry|backoff"),
    ),
    (
        re.compile(r"ModuleNotFound|ImportError|ClassNotFound|NoClassDefFound|Cannot find module"),
        re.compile(r"\bimport\b|require\(|\bfrom \w"),
    ),
)
"""Kind of fault, and what a patch adds that guards against it."""
_QUOTED = re.compile(r"\"((?:[^\"\\\n]|\\.){8,})\"|'((?:[^'\\\n]|\\.){8,})'")
_HOLE = re.compile(r"%[-0-9.]*[a-zA-Z]|\{[^{}]*\}|\$\{[^}]*\}|\\[nt]")
_LITERAL_LENGTH = 10
"""Shorter pieces of a message are in any source."""


def _holds_message(text: str, message: str) -> str:
    """The longest piece of a string literal of `text` that stands in the message; empty when none is long enough."""
    best = ""
    for groups in _QUOTED.findall(text):
        for piece in _HOLE.split(groups[0] or groups[1]):
            piece = piece.strip()
            if len(piece) > max(len(best), _LITERAL_LENGTH - 1) and " " in piece and piece in message:
                best = piece
    return best


WEIGHTS: Mapping[str, float] = {
    "file": 1.0,
    "function": 0.8,
    "shown": 0.2,
    "line": 3.5,
    "source": 1.0,
    "call": 1.6,
    "share": 0.5,
    "message_changed": 1.5,
    "message_context": 1.5,
    "message_named": 1.5,
    "stack_changed": 1.0,
    "stack_named": 1.5,
    "told": 0.5,
    "guard": 0.1,
    "literal": 0.5,
    "size": -2.0,
    "spread": -1.5,
    "tests_only": -2.0,
    "docs_only": -3.0,
    "cosmetic": -2.0,
    "merge": -1.0,
}
"""What each measure, 0 to 1, is worth. See docs/decisions for how they were chosen."""
_OFFSET = -3.6
_CUT_OFF = 0.5


@dataclass(slots=True)
class _Measured:
    """A commit against an error: each measure, 0 to 1, and what the reasons need."""

    values: dict[str, float]
    file: _Tie
    function: _Tie
    line: _Tie
    source: _Tie
    call: _Tie
    literal: str
    common_words: list[str]


def _measure(error: _Error, change: _Change, rarity: Mapping[str, float]) -> _Measured:
    file, function, shown, line, source, call = _Tie(), _Tie(), _Tie(), _Tie(), _Tie(), _Tie()
    covered = whole = 0.0
    first = 0.0
    for rank, frame in enumerate(error.frames):
        whole += frame.nearness
        best_here = 0.0
        for changed in change.files:
            same = _same_file(frame, changed)
            if not same:
                continue
            weight = frame.nearness * same * (_CREATED_SHARE if changed.created else 1.0)
            best_here = max(best_here, same)
            file.offer(weight, frame, changed)
            if frame.function and frame.function in changed.functions:
                spot = next(s for s in changed.spots if s.function == frame.function)
                function.offer(weight, frame, changed, spot)
            elif frame.function and frame.function in changed.shown:
                shown.offer(weight, frame, changed)
            if frame.line is not None:
                for spot in changed.spots:
                    away = max(spot.start - frame.line, frame.line - spot.end, 0)
                    # A function that is known to be another one is no neighbour, however near.
                    other = bool(spot.function and frame.function and spot.function != frame.function)
                    near = (0.5 if other else 1.0) / (1 + away / _DRIFT)
                    line.offer(weight * near, frame, changed, spot)
            if len(frame.source) > 7 and frame.source in changed.old_lines:
                source.offer(weight * (1.0 if changed.old_lines[frame.source] else 0.7), frame, changed)
            if frame.line is not None and len(frame.called) > 2 and not changed.created:
                for number, removed, text in changed.numbered:
                    away = abs(number - frame.line)
                    if away <= 4 * _DRIFT and _names(text, frame.called):
                        call.offer(weight * (1.0 if removed else 0.7) / (1 + away / (2 * _DRIFT)), frame, changed)
        covered += frame.nearness * best_here
        if rank == 0:
            first = best_here

    changed_words = change.removed_words | change.added_words
    named_words = change.path_words | change.function_words
    added_guard = removed_type = 0.0
    for fault, guard in _GUARDS:
        if fault.search(error.message[:2000]):
            added_guard = max(added_guard, 1.0 if guard.search(change.added_text) else 0.0)
    for name in error.types:
        if not name:
            continue
        if name in change.removed_text or name in change.added_text:
            removed_type = 1.0
        elif name in change.context_text:
            removed_type = max(removed_type, 0.5)
    literal = _holds_message(change.removed_text, error.message) or _holds_message(change.added_text, error.message)
    literal_value = 1.0 if literal else 0.0
    if not literal and (literal := _holds_message(change.context_text, error.message)):
        literal_value = 0.7
    spread = min(1.0, math.log1p(len(change.files)) / math.log(30))
    values = {
        "file": file.value,
        "function": function.value,
        "shown": shown.value,
        "line": line.value,
        "source": source.value,
        "call": call.value,
        "share": covered / whole if whole else 0.0,
        "first": first,
        "message_changed": _overlap(error.message_words, changed_words, rarity),
        "message_context": _overlap(error.message_words, change.context_words, rarity),
        "message_named": _overlap(error.message_words, named_words, rarity),
        "stack_changed": _overlap(error.stack_words, changed_words, rarity),
        "stack_named": _overlap(error.stack_words, named_words, rarity),
        "told": _overlap({**error.stack_words, **error.message_words}, change.told_words, rarity),
        "guard": added_guard,
        "raises": removed_type,
        "literal": literal_value,
        "size": min(1.0, math.log1p(change.lines) / math.log(1000)),
        "tests_only": float(change.tests_only),
        "docs_only": float(change.docs_only),
        "cosmetic": float(change.cosmetic),
        "merge": float(len(change.commit.parents) > 1),
        "spread": spread,
    }
    common = sorted(
        (w for w in error.message_words if w in changed_words or w in named_words),
        key=lambda w: (-rarity.get(w, 0.0), w),
    )
    return _Measured(values, file, function, line, source, call, literal, common[:4])


def _names(text: str, name: str) -> bool:
    return name in text and re.search(rf"\b{re.escape(name)}\b", text) is not None


_ENOUGH = 6.0
"""Rare words in common, in units of rarity, at which half of what words can say is said."""


def _overlap(words: Mapping[str, float], other: frozenset[str], rarity: Mapping[str, float]) -> float:
    common = sum(weight * rarity.get(word, 0.0) for word, weight in words.items() if word in other)
    return common / (common + _ENOUGH)


def _rarity(changes: Sequence[_Change]) -> Mapping[str, float]:
    """How much a word tells: few of the commits have it. A handful of commits is no sample, hence the floor."""
    count: Counter[str] = Counter()
    for change in changes:
        count.update(
            change.removed_words | change.added_words | change.path_words | change.function_words | change.context_words
        )
    total = len(changes) + 4
    return {word: math.log(total / (n + 0.5)) for word, n in count.items()}


def match_commits(group: ErrorGroup, commits: Sequence[Commit], facts: HistoryFacts) -> tuple[Match, ...]:
    """Each commit against the group, best first; equal scores in the order given. Commits without changes score 0.

    `facts.frames` is used where it maps this group's frames; patches alone are enough. `fits` is false for all of them
    when no commit touches the fault, which is a common answer.
    """
    error = _read_error(group, facts)
    reader = _Reader()
    changes = [reader.read(commit) for commit in commits]
    rarity = _rarity(changes)
    matches = [_judge(error, change, _measure(error, change, rarity)) for change in changes]
    return tuple(sorted(matches, key=lambda match: -match.score))


def _judge(error: _Error, change: _Change, measured: _Measured) -> Match:
    commit, group = change.commit, error.group.id
    here: tuple[EvidenceRef, ...] = (CommitRef(commit.sha), EntryRef(group))
    if not commit.changes:
        why = Claim(sentence("the commit's changes were not read"), here)
        return Match(commit.sha, group, 0.0, False, (), (why,))
    total = _OFFSET + sum(weight * measured.values[name] for name, weight in WEIGHTS.items())
    score = round(1 / (1 + math.exp(-total)), 4)
    reasons_for = tuple(Claim(text, refs) for text, refs in _reasons_for(error, change, measured, here))
    reasons_against = tuple(Claim(text, here) for text in _reasons_against(error, change, measured))
    return Match(commit.sha, group, score, score >= _CUT_OFF, reasons_for, reasons_against)


def _reasons_for(
    error: _Error, change: _Change, measured: _Measured, here: tuple[EvidenceRef, ...]
) -> Iterator[tuple[Sentence, tuple[EvidenceRef, ...]]]:
    sha = change.commit.sha
    told: set[str] = set()
    for tie, words in (
        (measured.source, "source"),
        (measured.function, "function"),
        (measured.line, "line"),
        (measured.call, "call"),
        (measured.file, "file"),
    ):
        frame, file = tie.frame, tie.file
        if frame is None or file is None or file.path in told:
            continue
        refs = (*here, FileRef(sha, file.path, tie.spot.new_line)) if tie.spot is not None else here
        path, function = Redacted(file.path), Redacted(frame.function)
        match words:
            case "source":
                told.add(file.path)
                yield (
                    sentence(
                        "it changes the lines around {}, which the trace prints, in {}", Redacted(frame.source), path
                    ),
                    refs,
                )
            case "function":
                told.add(file.path)
                yield sentence("it changes {} in {}, a function of the trace", function, path), refs
            case "line" if tie.spot is not None and frame.line is not None and tie.value > 0.4 * frame.nearness:
                told.add(file.path)
                away = max(tie.spot.start - frame.line, frame.line - tie.spot.end, 0)
                yield sentence("it changes {}, {} lines from line {} of the trace", path, away, frame.line), refs
            case "call" if tie.value > 0.4 * frame.nearness:
                told.add(file.path)
                yield (
                    sentence(
                        "it changes {} where {} is called or raised, as in the trace", path, Redacted(frame.called)
                    ),
                    refs,
                )
            case "file":
                told.add(file.path)
                yield sentence("it changes {}, a file of the trace", path), refs
            case _:
                pass
    if measured.literal:
        yield sentence("its patch holds the message text {}", Redacted(measured.literal)), here
    elif measured.common_words and measured.values["message_changed"] + measured.values["message_named"] > 0.3:
        yield sentence("it names {}, as the message does", Redacted(", ".join(measured.common_words))), here
    if measured.values["guard"]:
        yield (
            sentence(
                "it adds a check of the kind that {} asks for", Redacted(error.types[0] if error.types else "the error")
            ),
            here,
        )


def _reasons_against(error: _Error, change: _Change, measured: _Measured) -> Iterator[Sentence]:
    if error.frames and measured.file.frame is None:
        yield sentence("it touches no file of the stack trace")
    elif error.frames and not measured.function.frame and measured.values["line"] < 0.3:
        yield sentence("what it changes there is far from the lines and functions of the trace")
    if not error.frames:
        yield sentence("the error has no stack trace to compare with")
    if change.tests_only:
        yield sentence("it changes tests only")
    if change.docs_only:
        yield sentence("it changes documents only")
    if change.cosmetic:
        yield sentence("it changes formatting only")
    if len(change.commit.parents) > 1:
        yield sentence("it is a merge")
    if change.lines > 400:
        yield sentence("it is large: {} changed lines in {} files", change.lines, len(change.files))

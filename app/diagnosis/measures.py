"""What ties a commit to an error, measured: the error's frames and words beside what the commit's patch changes and shows.

Owns the measures, each between 0 and 1. Leaves to `changes.py` what each is worth, the decision, and the words.

Line numbers of a trace belong to the code that runs, those of a patch to the code that it was written for, so a line is
evidence of nearness only. Functions, printed source and calls survive drift. Words count by how few of the compared commits
have them.
"""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from app.diagnosis.touched import COMMENT, function_at, in_order
from app.evidence.model import (
    Commit,
    CommitSha,
    ErrorGroup,
    FileChange,
    Frame,
    FunctionSpan,
    HistoryFacts,
    Hunk,
    Language,
    UseOfChange,
)
from app.redact import Redacted

# --- frames and paths -------------------------------------------------------------------------------------------------

_PACKAGE_SUFFIXES = (".java", ".kt", ".scala", ".groovy")
"""Languages whose traces print a bare file name beside the class; the package is the directory."""
COMMON_NAMES = frozenset(
    {"__init__.py", "__main__.py", "main.py", "index.js", "index.ts", "index.tsx", "main.go", "index.php", "mod.rs"}
)
"""File names that say nothing without their directory."""


def frame_parts(frame: Frame, source_roots: Sequence[str]) -> list[str]:
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


def common_suffix(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts at the end are equal."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count


# --- words ------------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]+")
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_COMMON_WORDS = frozenset(
    """the and for with not from this that was but has have are can could cannot should must been its you your into than
    then when where which will value values type types object objects error errors exception failed failure invalid line
    file self none null true false return def class public private static final void int string import new raise throw
    throws try catch except else elif pass expected got java javax lang org com util python test tests main name get set
    app src argument arguments missing required given during handling above another occurred following
    """.split()  # noqa: SIM905  words read best as text
)
"""Words of languages and of every message; what is common in one repository only is found by counting."""


class Words:
    """Text to words: identifiers whole and in pieces, in lower case; a test's name also without its `test`.

    Remembers identifiers, which repeat through the patches of one repository.
    """

    def __init__(self) -> None:
        self._memory: dict[str, tuple[str, ...]] = {}

    def count(self, text: str) -> Counter[str]:
        out: Counter[str] = Counter()
        for name, times in Counter(_WORD.findall(text)).items():
            pieces = self._memory.get(name)
            if pieces is None:
                pieces = self._memory[name] = _pieces(name)
            for piece in pieces:
                out[piece] += times
        return out

    def set_of(self, text: str) -> frozenset[str]:
        return frozenset(self.count(text))


def _pieces(name: str) -> tuple[str, ...]:
    parts = [part.lower() for part in _PIECE.findall(name)]
    out = [part for part in parts if len(part) > 2 and part not in _COMMON_WORDS and not part.isdigit()]
    if len(parts) > 1:
        wholes = ["".join(parts)]
        tested = [part for part in parts if part not in {"test", "tests"}]
        if 0 < len(tested) < len(parts):
            wholes.append("".join(tested))
        out += [whole for whole in wholes if len(whole) > 3]
    return tuple(out)


# --- what an error says -----------------------------------------------------------------------------------------------

_HELPER = re.compile(
    r"_?(?:raise|throw|fail|error|abort|panic|require|check|assert|ensure|validate|wrap|report|weird|bad|invalid|unexpected)"
    r"(?:$|_|[A-Z])|.*(?:Exception|Error)$|^from$"
)
"""Functions that only raise what another one found: a fix is seldom there."""
_IMPLICIT = re.compile(
    r"NullPointer|NullReference|IndexOutOf|IndexError|KeyError|AttributeError|TypeError|ClassCast|NameError|UnboundLocal"
    r"|Arithmetic|ZeroDivision|NegativeArraySize|StackOverflow|Recursion|NoMethod|ReferenceError|RangeError|NoSuchElement"
)
"""Faults that the language raises by itself, where they happen: there is no helper in between."""
_NAMELESS = frozenset(
    {"", "<module>", "<lambda>", "lambda", "<listcomp>", "<genexpr>", "<dictcomp>", "<anonymous>", "main"}
)
_PRINTED_SOURCE = re.compile(r'^[ \t]*File "([^"\n]+)", line (\d+), in [^\n]*\n[ \t]+([^\n]+)$', re.MULTILINE)
_FRAME_LINE = re.compile(r"^[ \t]*(?:at [^\n]*\)|File [^\n]*|\.\.\. \d+ more)$", re.MULTILINE)
_FRAME_FADE = 0.15
"""How fast a frame loses weight with its distance from the fault: 1 / (1 + fade x rank)."""
_RAISER_SHARE = 0.7
"""The line that raises a fault only reports it; what led to it is further out."""
_HELPER_SHARE = 0.6
_LIBRARY_SHARE = 0.4
_FRAMES_READ = 40
_MESSAGE_READ = 4000
_TYPE_WEIGHT = 0.5
_SOURCE_LENGTH = 8
"""Shorter source lines (`return x`) stand anywhere."""


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """One frame of the group. `nearness` is 1 at the fault and less further out. `source`: the line that the trace prints.

    `called`: what that line calls, the function of the next inner frame; where the fault was raised, the exception's type.
    `path` is where history found the frame in the repository, None where it was not asked.
    """

    parts: tuple[str, ...]
    path: str | None
    function: str
    line: int | None
    nearness: float
    source: str
    called: str


@dataclass(frozen=True, slots=True)
class ReadError:
    """What a group says, in the terms that a patch can be compared with. Word maps hold weights up to 1.

    `implicit`: the language raised the fault by itself, where it happened, as it does for a null that is used. `uses`: by
    commit, the functions of it whose result a frame's line uses, each with that frame's nearness.
    """

    group: ErrorGroup
    frames: tuple[SeenFrame, ...]
    message: str
    types: tuple[str, ...]
    message_words: Mapping[str, float]
    stack_words: Mapping[str, float]
    implicit: bool
    uses: Mapping[CommitSha, list[tuple[float, UseOfChange]]]


def read_error(group: ErrorGroup, commits: Sequence[Commit], facts: HistoryFacts, words: Words) -> ReadError:
    """`commits` only tell which packages are the repository's own though they look like a library's."""
    known = {found.frame: found.path for found in facts.frames if found.group == group.id}
    own = _own_packages(group, commits)
    sources = {(file, int(line)): text.strip() for file, line, text in _PRINTED_SOURCE.findall(group.latest.message)}
    implicit = group.trace is not None and _IMPLICIT.search(group.trace.innermost.type) is not None
    frames: list[SeenFrame] = []
    uses: dict[CommitSha, list[tuple[float, UseOfChange]]] = {}
    stack_words: dict[str, float] = {}
    rank = 0
    for frame, called in dict.fromkeys(_frames(group)):
        if len(frames) >= _FRAMES_READ:
            break
        function = _bare_function(frame)
        helper = not implicit and _HELPER.match(function) is not None
        ours = frame.in_app or known.get(frame) is not None or _package(frame) in own
        nearness = 1 / (1 + _FRAME_FADE * rank) * (_HELPER_SHARE if helper else 1) * (1 if ours else _LIBRARY_SHARE)
        nearness *= _RAISER_SHARE if not frames and not implicit else 1
        # A helper or a library frame does not push the program's own frames further from the fault.
        rank += ours and not helper
        source = sources.get((frame.file or "", frame.line or 0), "")
        parts = tuple(frame_parts(frame, ()))
        frames.append(SeenFrame(parts, known.get(frame), function, frame.line, nearness, source, called))
        for use in facts.uses:
            if (use.group, use.frame) == (group.id, frame):
                uses.setdefault(use.changed.sha, []).append((nearness, use))
        stem = PurePosixPath(frame.file or "").stem
        for word in words.count(f"{function} {frame.module or ''} {stem} {source}"):
            stack_words[word] = max(stack_words.get(word, 0.0), nearness)
    message = _message(group)
    types = () if group.trace is None else tuple(dict.fromkeys(_simple(i.type) for i in reversed(group.trace.chain)))
    # A type names a kind of fault, which many commits are about.
    message_words = dict.fromkeys(words.count(message), 1.0) | dict.fromkeys(words.count(" ".join(types)), _TYPE_WEIGHT)
    return ReadError(group, tuple(frames), message, types, message_words, stack_words, implicit, uses)


def _message(group: ErrorGroup) -> str:
    text = ""
    if group.trace is not None:
        text = "\n".join(f"{info.type}: {info.message}" for info in reversed(group.trace.chain))
    if group.trace is None or group.trace.language is not Language.PYTHON:
        # A message may run over several lines, and the chain holds the last of them only; Python's is whole.
        text += "\n" + _FRAME_LINE.sub("", group.latest.message)
    return text[:_MESSAGE_READ]


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


def _package(frame: Frame) -> str:
    """The first three parts of the directory or package that a frame stands in."""
    return "/".join(frame_parts(frame, ())[:-1][:3])


def _own_packages(group: ErrorGroup, commits: Sequence[Commit]) -> frozenset[str]:
    """Packages of frames that the repository's commits change: its own, though they look like a library's."""
    changed = {path for commit in commits for change in commit.changes if (path := change.path or change.old_path)}
    tails = {tuple(path.split("/")[-3:]) for path in changed}
    return frozenset(
        package
        for frame, _ in _frames(group)
        if not frame.in_app and (package := _package(frame)) and tuple(frame_parts(frame, ())[-3:]) in tails
    )


def _bare_function(frame: Frame) -> str:
    """`Orders$Line.lambda$total$0` is `total`; a constructor has the name of its class."""
    name = frame.function.rpartition(".")[2].rpartition("::")[2].rpartition("#")[2]
    if name in {"<init>", "<clinit>", "ctor"}:
        owner = frame.module or frame.function.rpartition(".")[0]
        return owner.rpartition(".")[2].rpartition("$")[2]
    if name.startswith("lambda$"):
        name = name.split("$")[1]
    name = name.strip("()*&")
    return "" if name in _NAMELESS else name


def _simple(type_name: str) -> str:
    return type_name.rpartition(".")[2].rpartition("\\")[2].rpartition("::")[2].rpartition("$")[2]


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
"""Lines that open a function. A patch is no file that a parser could read, so its lines are all there is."""
_KIND_OF_SUFFIX = {
    "py": "py", "pyx": "py", "pyi": "py", "rb": "rb", "go": "go", "php": "php", "java": "java", "kt": "java", "cs": "java",
    "scala": "java", "js": "js", "jsx": "js", "ts": "js", "tsx": "js", "mjs": "js", "cjs": "js",
}  # fmt: skip
_JAVA_METHOD_START = re.compile(
    r"\s*(?:public|private|protected|static|final|abstract|@|<|[A-Za-z_][\w.<>\[\]]*\s+\w+\s*\()"
)
_LINE_LENGTH = 300
"""Longer lines nobody wrote, and they must not choose what reading them costs."""
_IMPORT = re.compile(
    r"\s*(?:import\b|from\s+\S+\s+import\b|using\s+[\w.]+;|package\b|use\s+[\w\\]+;|#include\b|require\b)"
)
_TEST_PATH = re.compile(
    r"(?:^|/)(?:tests?|specs?|__tests__|testing|fixtures)/|(?:^|/)test_[^/]*$"
    r"|(?:_test|Test|Tests|TestCase|_spec|\.test|\.spec)\.\w+$"
)
_DOC_PATH = re.compile(
    r"^docs?/|(?:^|/)(?:changelog|changes|history|news|readme|authors|license|notice)$|\.(?:md|rst|adoc)$"
    r"|(?:^|/)(?!requirements|constraints|CMakeLists)[^/]*\.txt$",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Spot:
    """One run of changed lines: where in the old file, in which function as far as the patch shows, and what it adds."""

    start: int
    end: int
    new_line: int
    function: str | None
    added: str = ""


@dataclass(slots=True)
class ChangedFile:
    """`functions`: those whose own lines changed. `brought`: those that the change adds.

    `old_lines`: stripped lines of the old file that the patch shows, True where they were removed; `numbered` the same by
    number. `new_lines`: stripped lines that only the new file has.
    """

    path: str
    paths: tuple[tuple[str, ...], ...]
    created: bool
    spots: list[Spot] = field(default_factory=list[Spot])
    functions: set[str] = field(default_factory=set[str])
    shown: set[str] = field(default_factory=set[str])
    brought: set[str] = field(default_factory=set[str])
    old_lines: dict[str, bool] = field(default_factory=dict[str, bool])
    new_lines: set[str] = field(default_factory=set[str])
    numbered: list[tuple[int, bool, str]] = field(default_factory=list[tuple[int, bool, str]])


@dataclass(slots=True)
class ReadChange:
    """One commit, read for comparison. `patch_words` counts the words of paths, changed lines and context together."""

    commit: Commit
    files: list[ChangedFile]
    patch_words: Counter[str]
    named_words: frozenset[str]
    removed_words: frozenset[str]
    told_words: frozenset[str]
    texts: tuple[str, str, str]
    lines: int
    tests_only: bool
    docs_only: bool
    cosmetic: bool


def read_change(commit: Commit, words: Words, failed: frozenset[str]) -> ReadChange:
    """`failed`: names of the files that the trace names; they are the program, whatever their path looks like."""
    changes = commit.changes
    code = [change for change in changes if _name(change) in failed or not _stands(_DOC_PATH, change)]
    program = [change for change in code if _name(change) in failed or not _stands(_TEST_PATH, change)]
    # Tests and documents that came along say what the commit is about, but the program is what failed.
    judged = program or code or list(changes)
    files = [_read_file(change) for change in judged]
    removed, added, context = texts = _texts(judged)
    paths = " ".join(part for file in files for parts in file.paths for part in parts)
    names = " ".join(name for file in files for name in sorted(file.functions | file.shown))
    return ReadChange(
        commit,
        files,
        patch_words=words.count("".join((removed, added, context, paths))),
        named_words=words.set_of(f"{paths} {names}"),
        removed_words=words.set_of(removed),
        told_words=words.set_of(f"{commit.subject}\n{commit.body}"),
        texts=texts,
        lines=removed.count("\n") + added.count("\n"),
        tests_only=bool(code) and not program,
        docs_only=bool(changes) and not code,
        cosmetic=bool(removed) and _squeezed(removed) == _squeezed(added),
    )


def _stands(pattern: re.Pattern[str], change: FileChange) -> bool:
    return pattern.search(change.path or change.old_path or "") is not None


def _name(change: FileChange) -> str:
    return (change.path or change.old_path or "").rpartition("/")[2]


def _texts(changes: Iterable[FileChange]) -> tuple[str, str, str]:
    """Removed, added and unchanged lines, each ending in a line break."""
    removed: list[str] = []
    added: list[str] = []
    context: list[str] = []
    for change in changes:
        for hunk in change.hunks:
            removed += [f"{text}\n" for _, text in hunk.removed]
            added += [f"{text}\n" for _, text in hunk.added]
            context += [f"{hunk.heading}\n", *(f"{text}\n" for _, text in hunk.context)]
    return "".join(removed), "".join(added), "".join(context)


def _squeezed(text: str) -> str:
    """Without white space and comment lines: equal before and after where only the formatting changed."""
    return "".join("".join(line.split()) for line in text.split("\n") if not COMMENT.match(line))


def _read_file(change: FileChange) -> ChangedFile:
    names = tuple(dict.fromkeys(name for name in (change.old_path, change.path) if name))
    file = ChangedFile(
        names[-1] if names else "", tuple(tuple(name.split("/")) for name in names), created=change.old_path is None
    )
    kind = _KIND_OF_SUFFIX.get(file.path.rpartition(".")[2], "")
    gone: set[str] = set()
    for hunk in change.hunks:
        _read_hunk(hunk, kind, file, gone, change.functions)
    file.numbered.sort()
    file.functions = {spot.function for spot in file.spots if spot.function}
    file.shown -= file.functions
    file.brought -= gone
    file.new_lines -= set(file.old_lines)
    return file


def _read_hunk(hunk: Hunk, kind: str, file: ChangedFile, gone: set[str], known: Sequence[FunctionSpan] | None) -> None:
    """Walk the hunk in its order, and keep which function each changed line is in. `gone`: functions it removes.

    `known`: what the syntax tree of the new file tells; the patch's own lines where it was not read.
    """
    open_functions: list[tuple[int, str]] = []
    if heading := _defined(kind, hunk.heading):
        open_functions.append((-1, heading))
        file.shown.add(heading)
    spot: Spot | None = None
    for mark, old, new, text in in_order(hunk):
        stripped = text.strip()
        if not stripped:
            continue
        indent = len(text) - len(text.lstrip())
        name = _defined(kind, text)
        # A line no deeper than a function's first one ends it; closing brackets stand at that depth and belong to it.
        if name or stripped[0] not in ")}]":
            open_functions = [(depth, opened) for depth, opened in open_functions if depth < indent]
        if name:
            open_functions.append((indent, name))
            file.shown.add(name)
            if mark != " ":
                (file.brought if mark == "+" else gone).add(name)
        if mark == "+":
            file.new_lines.add(stripped)
        else:
            file.old_lines[stripped] = file.old_lines.get(stripped, False) or mark == "-"
            file.numbered.append((old, mark == "-", text))
        if mark == " ":
            spot = None
        elif not COMMENT.match(text) and not _IMPORT.match(text):
            function = open_functions[-1][1] if open_functions else None
            if known is not None and function not in gone:
                span = function_at(known, mark, new)
                function = span.name.rpartition(".")[2] if span is not None else None
            if spot is None or spot.function != function:
                spot = Spot(old, old, new, function)
                file.spots.append(spot)
            spot.end = max(spot.end, old)
            if mark == "+":
                spot.added += f"{text}\n"


def _defined(kind: str, text: str) -> str:
    """The function that a line opens, "" when it opens none."""
    pattern = _DEFINITIONS.get(kind)
    if pattern is None or not text or len(text) > _LINE_LENGTH:
        return ""
    if kind == "java" and not _JAVA_METHOD_START.match(text):
        return ""
    found = pattern.match(text)
    return next((name for name in found.groups() if name), "") if found else ""


# --- measuring --------------------------------------------------------------------------------------------------------

_CREATED_SHARE = 0.4
"""A file that the commit creates was not there when the code failed, unless the commit runs already."""
_DRIFT = 25
"""Lines by which running code and patched code differ without surprise; nearness halves at this distance."""
_OTHER_FUNCTION_SHARE = 0.25
"""A function that is known to be another one is a poor neighbour, however near."""
_CONTEXT_SHARE = 0.7
"""What a patch shows without changing it."""
_GUARDS: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = (
    (
        re.compile(r"NullPointer|NoneType|NullReference|\bnull\b|undefined|NilClass|nil pointer|\bnil\b"),
        re.compile(
            r"[!=]==? ?null|is (?:not )?None|\?\.|\?\?|requireNonNull|Optional|[!=]= ?nil|\.nil\?|isset|if not \w|\bor \w"
            r"|undefined"
        ),
    ),
    (
        re.compile(r"IndexOutOf|IndexError|OutOfRange|index out of range|out of bounds|RangeError"),
        re.compile(r"length|size\(\)|\blen\(|isEmpty|[<>]=? ?\w|\.empty\?|if not \w|min\(|max\("),
    ),
    (
        re.compile(r"KeyError|NoSuchElement|KeyNotFound|not found in|NoSuchField"),
        re.compile(r"\.get\(| in \w|containsKey|hasNext|setdefault|has\(|TryGet|\.fetch\("),
    ),
    (
        re.compile(r"TypeError|ClassCast|InvalidCast|unhashable|unsupported operand|not callable|incompatible types"),
        re.compile(r"isinstance|instanceof|typeof|\bas \w|str\(|int\(|list\(|tuple\(|hasattr|callable|\*\*\w+|=None"),
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
    (re.compile(r"UnicodeDecode|UnicodeEncode|codec can't"), re.compile(r"encod|decod|utf-?8|errors=")),
    (
        re.compile(r"[Tt]ime ?d? ?out|DeadlineExceeded|deadline"),
        re.compile(r"[Tt]imeout|TIMEOUT|deadline|retry|backoff"),
    ),
    (
        re.compile(r"ModuleNotFound|ImportError|ClassNotFound|NoClassDefFound|Cannot find module"),
        re.compile(r"\bimport\b|require\(|\bfrom \w"),
    ),
)
"""Kind of fault, and what code adds that guards against it."""
_GUARD_READ = 2000
_QUOTED = re.compile(r"\"((?:[^\"\\\n]|\\.){8,300})\"|'((?:[^'\\\n]|\\.){8,300})'")
_HOLE = re.compile(r"%[-0-9.]*[a-zA-Z]|\{[^{}]*\}|\$\{[^}]*\}|\\[nt]")
_LITERAL_LENGTH = 10
"""Shorter pieces of a message are in any source."""
_ENOUGH = 10.0
"""Rare words in common, in units of rarity, at which half of what words can say is said."""
_ENOUGH_TO_SHARE: Mapping[str, float] = {"stack": 0.5, "stack_named": 0.25, "focus": 0.25}
"""Measures that count beside the best commit's too (`stack_share`), and what the best has at least: of a few commits that
have nothing to do with the fault, one is always the best."""
_PATCH_WORDS = 200
"""Words of a middling patch; in a longer one a word says less."""


@dataclass(slots=True)
class Tie:
    """The best tie between the stack trace and one commit by one measure."""

    value: float = 0.0
    frame: SeenFrame | None = None
    file: ChangedFile | None = None
    spot: Spot | None = None

    def offer(self, value: float, frame: SeenFrame, file: ChangedFile, spot: Spot | None = None) -> None:
        if value > self.value:
            self.value, self.frame, self.file, self.spot = value, frame, file, spot


@dataclass(slots=True)
class Measured:
    """One commit against one error. `values` are the measures, each 0 to 1; the rest is what the reasons need."""

    file: Tie = field(default_factory=Tie)
    function: Tie = field(default_factory=Tie)
    line: Tie = field(default_factory=Tie)
    source: Tie = field(default_factory=Tie)
    call: Tie = field(default_factory=Tie)
    guard: Tie = field(default_factory=Tie)
    already: Tie = field(default_factory=Tie)
    used: UseOfChange | None = None
    focus: float = 0.0
    literal: str = ""
    common_words: tuple[str, ...] = ()
    values: dict[str, float] = field(default_factory=dict[str, float])


def measure_all(
    group: ErrorGroup, commits: Sequence[Commit], facts: HistoryFacts
) -> tuple[ReadError, tuple[tuple[ReadChange, Measured], ...]]:
    """Every commit measured against the group, in the order given."""
    words = Words()
    error = read_error(group, commits, facts, words)
    failed = frozenset(frame.parts[-1] for frame in error.frames if frame.parts)
    changes = [read_change(commit, words, failed) for commit in commits]
    rarity = _rarity(changes)
    measured = tuple((change, _measure(error, change, rarity)) for change in changes)
    for name, least in _ENOUGH_TO_SHARE.items():
        best = max([least, *(one.values[name] for _, one in measured)])
        for _, one in measured:
            one.values[f"{name}_share"] = one.values[name] / best
    return error, measured


def _rarity(changes: Sequence[ReadChange]) -> Mapping[str, float]:
    """How much a word tells: few of the commits have it. A handful of commits is no sample, hence the four more."""
    count: Counter[str] = Counter()
    for change in changes:
        count.update(change.patch_words.keys() | change.named_words | change.told_words)
    total = len(changes) + 4
    return {word: math.log(total / (number + 0.5)) for word, number in count.items()}


def _measure(error: ReadError, change: ReadChange, rarity: Mapping[str, float]) -> Measured:
    measured = Measured()
    _tie_frames(error, change, measured)
    created = {file.path for file in change.files if file.created}
    uses = [
        (nearness * (_CREATED_SHARE if use.changed.path in created else 1.0), use)
        for nearness, use in error.uses.get(change.commit.sha, ())
        if not _in_trace(error, use)
    ]
    used, measured.used = max(uses, key=lambda one: one[0], default=(0.0, None))
    removed, added, context = change.texts
    measured.literal = _holds_message(removed + added, error.message) or _holds_message(context, error.message)
    measured.common_words = _in_common(error, change, rarity)
    said = {**error.stack_words, **error.message_words}
    message = _weight_of(error.message_words, change.patch_words, rarity)
    measured.values = {
        "file": measured.file.value,
        "function": measured.function.value,
        "line": measured.line.value,
        "focus": measured.focus,
        "source": measured.source.value,
        "call": measured.call.value,
        "already": measured.already.value,
        "used": used,
        "message": message,
        # What no frame leads to, words alone can find.
        "message_elsewhere": message if measured.file.frame is None else 0.0,
        "file_implicit": measured.file.value if error.implicit else 0.0,
        "call_implicit": measured.call.value if error.implicit else 0.0,
        "message_named": _cosine(error.message_words, change.named_words, rarity),
        "message_removed": _cosine(error.message_words, change.removed_words, rarity),
        "stack": _weight_of(error.stack_words, change.patch_words, rarity),
        "stack_named": _cosine(error.stack_words, change.named_words, rarity),
        "told": _cosine(said, change.told_words, rarity),
        "size": min(1.0, math.log1p(change.lines) / math.log(1000)),
        "spread": min(1.0, math.log1p(len(change.files)) / math.log(30)),
        "tests_only": float(change.tests_only),
        "docs_only": float(change.docs_only),
        "cosmetic": float(change.cosmetic),
        "merge": float(len(change.commit.parents) > 1),
    }
    return measured


def _in_trace(error: ReadError, use: UseOfChange) -> bool:
    """A frame of the trace ties more than a use of it."""
    function, name = use.changed.function.rpartition(".")[2], use.changed.path.rpartition("/")[2]
    return any(frame.function == function and frame.parts[-1:] == (name,) for frame in error.frames)


def _in_common(error: ReadError, change: ReadChange, rarity: Mapping[str, float]) -> tuple[str, ...]:
    """The rarest words that the message and the changed code share, at most four, no word beside its own pieces."""
    common = {word for word in error.message_words if word in change.removed_words or word in change.named_words}
    plain = [word for word in common if not any(word != other and word.startswith(other) for other in common)]
    return tuple(sorted(plain, key=lambda word: (-rarity.get(word, 0.0), word))[:4])


def _tie_frames(error: ReadError, change: ReadChange, measured: Measured) -> None:
    guards = [guard for fault, guard in _GUARDS if fault.search(error.message)]
    guarding = {
        id(spot)
        for file in change.files
        for spot in file.spots
        if any(guard.search(spot.added[:_GUARD_READ]) for guard in guards)
    }
    nearest: dict[int, float] = {}
    for frame in error.frames:
        for file in change.files:
            same = _same_file(frame, file)
            if not same:
                continue
            weight = frame.nearness * same * (_CREATED_SHARE if file.created else 1.0)
            measured.file.offer(weight, frame, file)
            if frame.function and frame.function in file.functions:
                spot = next(spot for spot in file.spots if spot.function == frame.function)
                measured.function.offer(weight, frame, file, spot)
            if frame.function in file.brought or frame.source in file.new_lines:
                measured.already.offer(same * max(0.5, frame.nearness), frame, file)
            if len(frame.source) >= _SOURCE_LENGTH and frame.source in file.old_lines:
                share = 1.0 if file.old_lines[frame.source] else _CONTEXT_SHARE
                measured.source.offer(weight * share, frame, file)
            if frame.line is None:
                continue
            for spot in file.spots:
                near = weight * _near(frame, frame.line, spot)
                measured.line.offer(near, frame, file, spot)
                nearest[id(spot)] = max(nearest.get(id(spot), 0.0), near)
                if id(spot) in guarding:
                    measured.guard.offer(near, frame, file, spot)
            if not file.created:
                _tie_call(frame, frame.line, file, weight, measured.call)
    spots = sum(len(file.spots) for file in change.files)
    measured.focus = sum(nearest.values()) / spots if spots else 0.0


def _same_file(frame: SeenFrame, file: ChangedFile) -> float:
    """How surely the frame stands in the file."""
    if frame.path is not None:
        return float(any("/".join(parts) == frame.path for parts in file.paths))
    best = 0.0
    for parts in file.paths:
        if not frame.parts or parts[-1] != frame.parts[-1]:
            continue
        common = common_suffix(frame.parts, parts)
        telling = parts[-1] not in COMMON_NAMES
        if common in {len(parts), len(frame.parts)} and (common > 1 or telling):
            best = 1.0
        elif common > 1:
            best = max(best, 0.8)
        elif telling:
            best = max(best, 0.4)
    return best


def _near(frame: SeenFrame, line: int, spot: Spot) -> float:
    other = spot.function and frame.function and spot.function != frame.function
    return (_OTHER_FUNCTION_SHARE if other else 1.0) / (1 + (distance(line, spot) / _DRIFT) ** 2)


def distance(line: int, spot: Spot) -> int:
    """Lines between; 0 inside."""
    return max(spot.start - line, line - spot.end, 0)


def _tie_call(frame: SeenFrame, line: int, file: ChangedFile, weight: float, call: Tie) -> None:
    """A line near the frame's that calls or raises what the trace says: the very line, moved by drift."""
    if len(frame.called) < 3:
        return
    name = re.compile(rf"\b{re.escape(frame.called)}\b")
    for number, removed, text in file.numbered[bisect_left(file.numbered, (line - 4 * _DRIFT, False, "")) :]:
        if number > line + 4 * _DRIFT:
            break
        if frame.called in text and name.search(text):
            away = abs(number - line) / (2 * _DRIFT)
            call.offer(weight * (1.0 if removed else _CONTEXT_SHARE) / (1 + away), frame, file)


def _holds_message(text: str, message: str) -> str:
    """The longest piece of a string literal of `text` that stands in the message; empty when none is long enough."""
    best = ""
    written = "\n".join(line for line in text.split("\n") if len(line) <= _LINE_LENGTH)
    for double, single in _QUOTED.findall(written):
        for piece in _HOLE.split(double or single):
            piece = piece.strip()
            if len(piece) >= max(len(best) + 1, _LITERAL_LENGTH) and " " in piece and piece in message:
                best = piece
    return best


def _weight_of(words: Mapping[str, float], patch: Counter[str], rarity: Mapping[str, float]) -> float:
    """BM25: rare words count more, repetition ever less, and long patches less."""
    damping = 1.2 * (0.4 + 0.6 * patch.total() / _PATCH_WORDS)
    common = 0.0
    for word, weight in words.items():
        times = patch.get(word, 0)
        if times:
            common += weight * rarity.get(word, 0.0) * times * 2.2 / (times + damping)
    return common / (common + _ENOUGH)


def _cosine(words: Mapping[str, float], other: frozenset[str], rarity: Mapping[str, float]) -> float:
    """Angle between both as bags of rare words; a word that no commit has still makes the error longer."""
    unknown = 2.5
    common = sum(weight * rarity.get(word, 0.0) ** 2 for word, weight in words.items() if word in other)
    one = math.sqrt(sum((weight * rarity.get(word, unknown)) ** 2 for word, weight in words.items()))
    # In an order of its own: a sum of floats depends on it, and a set has none.
    two = math.sqrt(sum(rarity[word] ** 2 for word in sorted(other)))
    return common / (one * two) if one and two else 0.0

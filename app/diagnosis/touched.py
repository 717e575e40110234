"""What a commit touches as the source shows it: the functions around its changed lines, and which of them failing code uses.

Owns the way from a patch and the text of its file to functions, and the tie that no patch shows by itself: the trace ends in
one function, and the commit mends another whose result fails there. Leaves syntax to `code.py` and what a tie is worth to
`changes.py`. Uses are followed one step and by name, into the same file, package or a file that the user's file names.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from app.diagnosis.code import functions, used_on
from app.evidence.model import Commit, FileChange, FrameSource, FunctionPlace, FunctionSpan, Hunk, UseOfChange
from app.redact import Redacted

COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|--|<!--|\"\"\"|''')")
_WORD = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_SHORTEST_NAME = 4
"""A shorter name (`get`, `set`, `run`) is that of many functions."""
_CONSTRUCTORS = frozenset({"__init__", "__new__", "constructor", "__construct"})
"""Called by the name of their class."""
_PACKAGE_SUFFIXES = (".java", ".go", ".cs", ".kt")
"""Languages in which files of one directory see each other without naming each other."""
_INDEX_STEMS = frozenset({"__init__", "index", "mod"})
"""Files that are imported by the name of their directory."""


def in_order(hunk: Hunk) -> Iterator[tuple[str, int, int, Redacted]]:
    """(mark, old line, new line, text) as the diff printed them; of a removed line, the new line that follows it."""
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


def function_at(spans: Sequence[FunctionSpan], mark: str, new: int) -> FunctionSpan | None:
    """The innermost of `spans` around a changed line; of a removed one that ended a function, the function before it."""
    inside = [span for span in spans if span.start <= new <= span.end]
    if not inside and mark == "-":
        inside = [span for span in spans if span.start < new <= span.end + 1]
    return min(inside, key=lambda span: span.end - span.start, default=None)


def touched_functions(change: FileChange, text: str) -> tuple[FunctionSpan, ...]:
    """The functions of the new file, whose text is `text`, that the change adds or removes lines of; comments are none."""
    spans = functions(change.path or "", text)
    touched: dict[FunctionSpan, None] = {}
    for hunk in change.hunks:
        for mark, _, new, line in in_order(hunk):
            if mark != " " and line.strip() and not COMMENT.match(line) and (span := function_at(spans, mark, new)):
                touched[span] = None
    return tuple(sorted(touched, key=lambda span: (span.start, -span.end, span.name)))


def names_in(text: str) -> frozenset[str]:
    """Identifiers and path parts of a source text, as `_plain` makes them comparable."""
    return frozenset(_plain(word) for word in set(_WORD.findall(text)))


def may_reach(path: str, names: frozenset[str], other: str) -> bool:
    """Whether the code of `path`, whose text holds `names`, can call what `other` defines."""
    if path == other or (path.rpartition("/")[0] == other.rpartition("/")[0] and other.endswith(_PACKAGE_SUFFIXES)):
        return True
    directory, _, name = other.rpartition("/")
    stem = name.partition(".")[0]
    if stem in _INDEX_STEMS:
        stem = directory.rpartition("/")[2]
    return path.rpartition(".")[2] == other.rpartition(".")[2] and _plain(stem) in names


def uses_of_changes(
    source: FrameSource, text: str, names: frozenset[str], commits: Iterable[Commit]
) -> tuple[UseOfChange, ...]:
    """Each function that one of `commits` changes and whose result the frame's line uses, with the last use of it.

    `text` is the file of the frame's excerpt, `names` are those in it. A function that changes in several files under one
    name is left out: which of them is used cannot be told.
    """
    excerpt = source.excerpt
    if excerpt is None or excerpt.function is None:
        return ()
    lines = {use.name: use.line for use in used_on(excerpt.path, text, excerpt.line) if len(use.name) >= _SHORTEST_NAME}
    places: dict[str, set[tuple[str, str]]] = {}
    found: list[tuple[str, UseOfChange]] = []
    for commit in commits:
        for change in commit.changes:
            if not change.functions or change.path is None or not may_reach(excerpt.path, names, change.path):
                continue
            for span in change.functions:
                name, here = _used_as(span), change.path == excerpt.path and span.name == excerpt.function
                if here or name not in lines:
                    continue
                places.setdefault(name, set()).add((change.path, span.name))
                user = FunctionPlace(excerpt.sha, excerpt.path, excerpt.function, lines[name])
                used = FunctionPlace(commit.sha, change.path, span.name, span.start)
                found.append((name, UseOfChange(source.group, source.frame, user, used)))
    return tuple(use for name, use in found if len(places[name]) == 1)


def _used_as(span: FunctionSpan) -> str:
    """The name that a call of the function uses."""
    owner, _, name = span.name.rpartition(".")
    return owner.rpartition(".")[2] if name in _CONSTRUCTORS else name


def _plain(name: str) -> str:
    """`user_store`, `user-store` and `UserStore` are one name."""
    return "".join(sign for sign in name if sign.isalnum()).lower()

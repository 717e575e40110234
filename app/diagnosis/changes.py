"""Which commits fit an error group, and why.

Owns the patch parser, the way from a printed frame to a path of the repository, and the score of a commit against a group,
with its reasons for and against. Leaves the measures to `measures.py`, containment and verdicts to `ledger.py`, and reading
of history to its sources.

A commit is judged on what it changed, by measures between 0 and 1 that are added up with the weights below; the sum becomes
a score between 0 and 1, and a cut-off says whether the commit fits. "No commit touches this" is a common and right answer.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.diagnosis.measures import (
    COMMON_NAMES,
    Measured,
    ReadChange,
    ReadError,
    Tie,
    common_suffix,
    distance,
    frame_parts,
    measure_all,
)
from app.diagnosis.model import Claim, CommitRef, EntryRef, EvidenceRef, FileRef, Match, Sentence, sentence
from app.evidence.model import Commit, ErrorGroup, FileChange, Frame, HistoryFacts, Hunk
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


PATCH_LIMIT = 100_000
"""Characters of one commit's patch that are kept, wherever it is read."""


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

    # Escapes are bytes; git leaves other letters as they are where it is told not to quote them.
    plain = bytearray()
    end = 0
    for found in _ESCAPE.finditer(name, 1, len(name) - 1):
        plain += name[end or 1 : found.start()].encode("utf-8", "surrogatepass")
        code = found[1]
        plain.append(int(code, 8) & 0xFF if len(code) == 3 else _ESCAPED[code])
        end = found.end()
    plain += name[end or 1 : -1].encode("utf-8", "surrogatepass")
    return plain.decode("utf-8", "replace")


# --- frames to paths --------------------------------------------------------------------------------------------------


def map_frame(frame: Frame, paths: Sequence[str], source_roots: Sequence[str]) -> str | None:
    """The path of the repository that a printed frame stands in: the longest common suffix, of at least the file's name.

    `source_roots` are prefixes that the deployed path has over the repository's (`/app`). None: the frame names no file, no
    path shares its name, or several fit equally well.
    """
    parts = frame_parts(frame, source_roots)
    if not parts:
        return None
    best: list[str] = []
    length = 0
    for path in paths:
        if path.rpartition("/")[2] != parts[-1]:
            continue
        common = common_suffix(parts, path.split("/"))
        if common > length:
            best, length = [path], common
        elif common == length and path not in best:
            best.append(path)
    if length == 1 and parts[-1] in COMMON_NAMES and len(parts) > 1:
        best = [path for path in best if "/" not in path and len(parts) <= 2]
    if len(best) > 1:
        # A path that lies wholly in the frame's beats one with more directories than the frame shows.
        whole = [path for path in best if path.count("/") + 1 == length]
        best = whole if len(whole) == 1 else best
    return best[0] if len(best) == 1 else None


# --- judging ----------------------------------------------------------------------------------------------------------

ORDER: Mapping[str, float] = {
    # where the trace and the patch meet
    "function": 0.5,  # a function of the trace
    "line": 1.7,  # lines near a frame's line
    "focus": 0.8,  # the share of the commit that is near the trace
    "focus_share": 1.0,  # the same beside the best commit's
    "source": 0.5,  # the very line that the trace prints
    "call": 0.7,  # a line that calls or raises what the trace says
    "used": 1.0,  # a function whose result the failing line uses; known where the source was read
    "already": -0.7,  # the trace shows what the commit brings: the failing code has it already
    # a fault that the language raises is mended where it happens, one that a check raises often elsewhere
    "file_implicit": 1.2,
    "call_implicit": 0.9,
    # what both say, by how rare the words are
    "message": 2.4,  # the message's words, anywhere in the patch
    "message_elsewhere": 2.9,  # the same, where the commit touches no file of the trace
    "message_named": 1.5,  # in its paths and function names
    "message_removed": 0.5,  # in the lines that it removes
    "stack_share": 1.1,  # the frames' words, anywhere in the patch, beside the best commit's
    "stack_named_share": 1.3,  # in its paths and function names
    "told": 1.0,  # either, in the commit's own message
    # what makes any commit a less likely fix
    "size": -1.0,
    "spread": -0.8,
    "tests_only": -2.0,
    "docs_only": -3.0,
    "cosmetic": -2.0,
    "merge": -1.0,
}
"""What each measure is worth when commits are put in order: among those asked, which one is it? Fitted so that the true fix
outranks its rivals, tested on projects left out, then rounded; docs/decisions/0008-matching.md has the figures and names
the five that are set by judgement."""
FIT: Mapping[str, float] = {
    "file": 0.8,  # a file of the trace
    "function": 0.9,
    "line": 2.2,
    "focus": 1.5,
    "source": 1.1,
    "call": 0.7,
    "used": 1.0,
    "already": -1.8,
    "file_implicit": 0.6,
    "call_implicit": 0.8,
    "message": 2.2,
    "message_elsewhere": 2.9,
    "message_named": 1.4,
    "message_removed": 0.5,
    "stack": 1.7,
    "stack_named": 1.7,
    "told": 1.0,
    "size": -2.0,
    "spread": -1.4,
    "tests_only": -2.0,
    "docs_only": -3.0,
    "cosmetic": -2.0,
    "merge": -1.0,
}
"""What each is worth when it is asked whether a commit has to do with the fault at all. Nothing in it is relative: of commits
that are all about something else, one is always the best. Fitted with "none of them" as one more answer."""
_WORTH = 0.62
_STANDS_OUT = 0.31
_DOUBT = 3.55
"""score = logistic(worth x sum + stands-out x lead - doubt): how likely the commit is the fix, where half of the cases have
none. The lead is over the best other patch: among rivals that tie alike, each is less likely the one."""
_PASSING = 0.5
"""The sum that a commit reaches which has nothing to do with the error; the rival where there is no better one."""
_CUT_OFF = 0.5
"""More likely the fix than not."""


def match_commits(group: ErrorGroup, commits: Sequence[Commit], facts: HistoryFacts) -> tuple[Match, ...]:
    """Each commit against the group, best first; equal scores in the order given. Commits without changes score 0.

    `facts.frames` is used where it maps this group's frames; patches alone are enough. `fits` is false for all of them
    when no commit touches the fault.
    """
    error, measured = measure_all(group, commits, facts)
    sums = [_sum(FIT, one) for _, one in measured]
    # A backport is no rival of the commit that it repeats.
    patches = [change.texts[:2] for change, _ in measured]
    of_patch: dict[tuple[str, str], float] = {}
    for patch, total in zip(patches, sums, strict=True):
        of_patch[patch] = max(total, of_patch.get(patch, total))
    best, second = sorted([*of_patch.values(), _PASSING, _PASSING], reverse=True)[:2]
    matches: list[Match] = []
    limit = 1.0
    for place in sorted(range(len(measured)), key=lambda place: -_sum(ORDER, measured[place][1])):
        change, one = measured[place]
        lead = sums[place] - (second if of_patch[patches[place]] == best else best)
        # No commit fits better than one before it: where order and fit disagree, neither is sure.
        limit = min(limit, _chance(sums[place], lead))
        already = FIT["already"] * one.values["already"]
        touch = _chance(sums[place] - already, lead - already)
        matches.append(_judge(error, change, one, round(limit, 4), round(touch, 4)))
    return tuple(sorted(matches, key=lambda match: -match.score))


def _chance(total: float, lead: float) -> float:
    return 1 / (1 + math.exp(_DOUBT - _WORTH * total - _STANDS_OUT * lead))


def _sum(weights: Mapping[str, float], measured: Measured) -> float:
    return sum(weight * measured.values[name] for name, weight in weights.items())


def _judge(error: ReadError, change: ReadChange, measured: Measured, score: float, touch: float) -> Match:
    commit, group = change.commit, error.group.id
    here: tuple[EvidenceRef, ...] = (CommitRef(commit.sha), EntryRef(group))
    if not commit.changes:
        why = Claim(sentence("the commit's changes were not read"), here)
        return Match(commit.sha, group, 0.0, False, (), (why,))
    reasons_for = tuple(Claim(text, refs) for text, refs in _reasons_for(error, change, measured, here))
    already = None if (text := _already(measured)) is None else Claim(text, here)
    reasons_against = tuple(Claim(text, here) for text in _reasons_against(error, change, measured))
    reasons_against = reasons_against if already is None else (already, *reasons_against)
    return Match(commit.sha, group, score, score >= _CUT_OFF, reasons_for, reasons_against, already, touch)


_TELLING = 0.4
"""Share of a frame's own weight."""


_SHARED = 0.2
"""Closeness of the message's words to the changed code at which they are worth a sentence."""


def _reasons_for(
    error: ReadError, change: ReadChange, measured: Measured, here: tuple[EvidenceRef, ...]
) -> Iterator[tuple[Sentence, tuple[EvidenceRef, ...]]]:
    """The strongest tie to each file of the trace, then what the words and the added code say."""
    told: set[str] = set()
    for text, tie in _ties(measured):
        if tie.file is not None and tie.file.path not in told:
            told.add(tie.file.path)
            place = (FileRef(change.commit.sha, tie.file.path, tie.spot.new_line),) if tie.spot is not None else ()
            yield text, (*here, *place)
    if (use := measured.used) is not None:
        text = sentence(
            "it changes {} in {}, and the trace's line of {} uses its result, got on line {}",
            _of(use.changed.function),
            _of(use.changed.path),
            _of(use.user.function),
            use.user.line,
        )
        yield text, (*here, *(FileRef(place.sha, place.path, place.line) for place in (use.changed, use.user)))
    if measured.guard.frame is not None:
        kind = Redacted(error.types[0] if error.types else "the error")
        yield sentence("near a frame it adds a check of the kind that {} asks for", kind), here
    if measured.literal:
        yield sentence("its patch holds the message text {}", Redacted(measured.literal)), here
    elif measured.common_words and measured.values["message_named"] + measured.values["message_removed"] > _SHARED:
        yield sentence("it changes {}, which the message names", Redacted(", ".join(measured.common_words))), here


def _ties(measured: Measured) -> Iterator[tuple[Sentence, Tie]]:
    """What can be said of each tie, the most telling first."""
    source, function, line, call = measured.source, measured.function, measured.line, measured.call
    if source.frame is not None:
        printed = _of(source.frame.source)
        yield sentence("its patch of {} holds the line {}, which the trace prints", _path(source), printed), source
    if function.frame is not None:
        name = _of(function.frame.function)
        yield sentence("it changes {} in {}, a function of the trace", name, _path(function)), function
    if call.frame is not None and _tells(call):
        name = _of(call.frame.called)
        yield sentence("it touches the line of {} that calls or raises {}, as in the trace", _path(call), name), call
    if line.frame is not None and line.frame.line is not None and line.spot is not None and _tells(line):
        away = distance(line.frame.line, line.spot)
        where = (
            sentence("at") if away == 0 else sentence("a line from") if away == 1 else sentence("{} lines from", away)
        )
        yield sentence("it changes {} {} line {} of the trace", _path(line), where, line.frame.line), line
    if measured.file.frame is not None:
        yield sentence("it changes {}, a file of the trace", _path(measured.file)), measured.file


def _tells(tie: Tie) -> bool:
    """Whether a nearby line or call is near enough for a sentence."""
    return tie.frame is not None and tie.value >= _TELLING * tie.frame.nearness


def _path(tie: Tie) -> Redacted:
    return _of(tie.file.path if tie.file is not None else "")


def _of(text: str) -> Redacted:
    """Text that comes out of kept, hence redacted, evidence."""
    return Redacted(text)


def _reasons_against(error: ReadError, change: ReadChange, measured: Measured) -> Iterator[Sentence]:
    if not error.frames:
        yield sentence("the error has no stack trace to compare with")
    elif measured.file.frame is None:
        yield sentence("it touches no file of the stack trace")
    elif measured.function.frame is None and measured.source.frame is None and measured.values["line"] < 0.3:
        yield sentence("what it changes there is far from the lines and functions of the trace")
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


def _already(measured: Measured) -> Sentence | None:
    already = measured.already
    if already.frame is None or already.file is None:
        return None
    source = already.frame.source
    name = source if source in already.file.new_lines else already.frame.function
    return sentence("the code that failed has {} already, which this commit brings", _of(name))

"""Who carries a fix and who undoes it, on the way from the fix to what runs, and what is left of it there.

Owns the judgement of one commit after the other, of the files as they run, and of both together, the same for a clone and for
the API. Leaves to the histories which commits lie between, what they change, and whether one is the ancestor of another.

Commits tell who carries a fix; the files have the last word. A merge can leave a fix out and no commit says so, a commit can
put back by hand what a fix replaced, and of a large commit not every change is told.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import StrEnum

from app.evidence.model import CommitSha, Containment, ContainmentFact

_REVERTS = re.compile(r"\breverts commit ([0-9a-f]{7,40})\b", re.IGNORECASE)
_REVERT_TITLE = re.compile(r'Revert "(.+)"(?: \(#\d+\))?')
_PICKED = re.compile(r"\(cherry picked from commit ([0-9a-f]{7,40})\)")


class Carries(StrEnum):
    """What a commit is that brings a fix under another id."""

    SAME = "the same change under another id"
    BRANCH = "a squash of its branch"
    PULL_REQUEST = "the commit that its pull request was merged as"
    PICKED = "a cherry-pick of it, as it says"
    AGAIN = "a revert of its revert"


class Undoes(StrEnum):
    """What a commit is that takes a fix out."""

    SAYS_SO = "a revert of it, as it says"
    PICKED = "a cherry-pick of its revert, as it says"
    INVERSE = "the inverse change"
    LEFT_OUT = "a merge that left it out"
    BY_HAND = "a change that puts back what it replaced"


class Left(StrEnum):
    """What the files that a change touches have left of it in a later commit."""

    WHOLE = "all of it"
    SOME = "some of it"
    CHANGED = "none of it: it was written anew since"
    UNDONE = "none of it: the place is as it was before"
    TORN = "part of it: elsewhere the place is as it was before"


@dataclass(frozen=True, slots=True)
class Step:
    """A commit that touches the fix's files. `same`: why its change counts as the fix's own; `inverse`: it undoes it."""

    sha: CommitSha
    subject: str
    message: str
    same: Carries | None = None
    inverse: bool = False


@dataclass(slots=True)
class Trail:
    """What became of a fix: its carriers and its reverts, each with why it counts as one, ancestors before descendants."""

    carriers: dict[CommitSha, str] = field(default_factory=dict[CommitSha, str])
    reverts: dict[CommitSha, str] = field(default_factory=dict[CommitSha, str])
    subjects: set[str] = field(default_factory=set[str])
    undone: set[str] = field(default_factory=set[str])
    """Titles of the carriers and of the reverts."""

    def _carries(self, commit: Step, why: str) -> None:
        self.carriers[commit.sha] = why
        self.subjects.add(commit.subject)

    def _undoes(self, commit: Step, why: str) -> None:
        self.reverts[commit.sha] = why
        self.undone.add(commit.subject)

    def take(self, commit: Step, fix: CommitSha, brought: Mapping[str, frozenset[str]]) -> None:
        targets = reverted_by(commit.message)
        picked = _PICKED.findall(commit.message)
        # A title alone counts only where no id says which commit of that title is meant.
        titled = None if targets else _REVERT_TITLE.fullmatch(commit.subject)
        title = titled[1] if titled else None
        own = (fix, *self.carriers)
        if any(names(sha, self.reverts) for sha in targets) or title in self.undone:
            self._carries(commit, Carries.AGAIN)
        elif any(names(sha, own) or brought.get(sha, frozenset()).intersection(own) for sha in targets):
            self._undoes(commit, Undoes.SAYS_SO)
        elif any(names(sha, own) for sha in picked):
            self._carries(commit, Carries.PICKED)
        elif any(names(sha, self.reverts) for sha in picked):
            self._undoes(commit, Undoes.PICKED)
        elif commit.same is not None:
            self._carries(commit, commit.same)
        elif commit.inverse:
            self._undoes(commit, Undoes.INVERSE)
        elif title in self.subjects and self.carriers:
            self._undoes(commit, Undoes.SAYS_SO)


def follow(
    fix: CommitSha, subject: str, steps: Iterable[Step], *, ancestor: str | None, brought: Mapping[str, frozenset[str]]
) -> Trail:
    """Read `steps`, ancestors before descendants.

    `ancestor`: how it is known that the fix is an ancestor of what runs; None: it is none. `brought`: for each id that a
    step says it reverts, as written there, what that commit brought when it is a merge.
    """
    trail = Trail({fix: ancestor} if ancestor is not None else {}, subjects={subject})
    for step in steps:
        trail.take(step, fix, brought)
    return trail


def settle(fix: CommitSha, running: CommitSha, trail: Trail, alive: Sequence[CommitSha]) -> ContainmentFact | None:
    """What the commits say; None when nothing carries the fix. `alive`: carriers that no revert came after."""
    if fix in alive:
        return ContainmentFact(fix, running, Containment.CONTAINED, None, trail.carriers[fix])
    if alive:
        via = alive[-1]
        reason = f"carried by {via[:12]}, {trail.carriers[via]}"
        return ContainmentFact(fix, running, Containment.EQUIVALENT, via, reason)
    if trail.carriers:
        via = list(trail.reverts)[-1]
        return undone_by(fix, running, via, trail.reverts[via])
    return None


def carrier_of(fix: CommitSha, told: ContainmentFact | None) -> CommitSha:
    """The commit by which what runs has the fix, as `settle` told; the fix itself where no other is named."""
    return told.via if told is not None and told.holds and told.via is not None else fix


def conclude(
    fix: CommitSha,
    running: CommitSha,
    told: ContainmentFact | None,
    *,
    left: Left | None,
    doubt: str,
    compared: int,
    undone: tuple[CommitSha, Undoes] | None = None,
) -> ContainmentFact:
    """What commits and files say together.

    `told`: of the commits, by `settle`. `left`: what the running files have of the fix, or of its carrier; None: they say
    nothing. `doubt`: what was not read of the commits, empty when all was. `compared`: commits that touch the fix's files.
    `undone`: who took it out, where `left` says that it is and the commits did not.
    """

    def unknown(reason: str) -> ContainmentFact:
        return ContainmentFact(fix, running, Containment.UNKNOWN, None, reason)

    if told is not None and told.state is Containment.REVERTED:
        return unknown(f"{told.reason}, but the files have all of it again") if left is Left.WHOLE else told
    if told is None:
        if left is Left.WHOLE:
            return unknown("no ancestor; what runs has its lines, and no commit says that it brought them")
        if doubt and left is not Left.UNDONE:
            return unknown(doubt)
        same = f"none of {compared} commits that touch its files makes the same change" if compared else ""
        reason = f"no ancestor, and {same or 'no commit since touches its files'}"
        return ContainmentFact(fix, running, Containment.ABSENT, None, reason)
    match left:
        case Left.UNDONE:
            if undone is not None:
                return undone_by(fix, running, *undone)
            reason = f"{told.reason}; but its lines are gone, and the place is as it was before"
            return ContainmentFact(fix, running, Containment.REVERTED, None, reason)
        case Left.TORN:
            return unknown(f"{told.reason}; but the files have {left}")
        case None if doubt:
            return unknown(f"{told.reason}; whether something undoes it is open: {doubt}")
        case Left.CHANGED:
            return ContainmentFact(
                fix, running, told.state, told.via, f"{told.reason}; of its lines what runs has {left}"
            )
        case _:
            return told


def left_of(
    before: Mapping[str, str | None],
    after: Mapping[str, str | None],
    now: Mapping[str, str | None],
    moved: Collection[str],
) -> Left | None:
    """What `now` has of the change from `before` to `after`, each the text of the same files; None: they do not tell.

    A text is None where there is no such file or none that can be read. `moved`: files that a commit since is known to have
    touched, so that their coming and going says nothing about the change.
    """
    found = {_left(before[path], after[path], now[path], path in moved) for path in sorted(after)} - {None}
    if len(found) <= 1:
        return next(iter(found), None)
    if found & {Left.UNDONE, Left.TORN}:
        return Left.TORN
    return Left.SOME


_FIRST, _LAST = "<first>", "<last>"
"""What stands before the first line and behind the last; no line looks so, for lines lose their blanks."""
NEEDED_SIGNS = 8
"""Letters and digits that a change must hold before an equal change elsewhere counts as the same one."""


def _left(before: str | None, after: str | None, now: str | None, moved: bool) -> Left | None:
    if before == after:
        return None
    if now == after:
        return Left.WHOLE
    if now == before:
        return None if moved and now is None else Left.UNDONE
    if after is None or now is None:
        return None
    old, new, here = _lines(before or ""), _lines(after), _lines(now)
    places = [
        (old[i - 1 : i_end + 1], new[j - 1 : j_end + 1])
        for what, i, i_end, j, j_end in SequenceMatcher(None, old, new).get_opcodes()
        if what != "equal"
    ]
    changed = "".join(line for place in places for side in place for line in side[1:-1])
    if sum(sign.isalnum() for sign in changed) < NEEDED_SIGNS:
        return None
    # A place that both texts have tells neither from the other.
    undone = [_has(here, was) for was, _ in places if not _has(new, was)]
    stands = [_has(here, became) for _, became in places if not _has(old, became)]
    if any(undone):
        return Left.UNDONE if all(undone) and not any(stands) else Left.TORN
    if stands and all(stands):
        return Left.WHOLE
    count, count_before = Counter(here), Counter(old)
    added, removed = Counter(new) - count_before, count_before - Counter(new)
    if any(stands) or any(count[line] > count_before[line] for line in added):
        return Left.SOME
    if added:
        return Left.CHANGED
    return Left.SOME if any(count[line] < count_before[line] for line in removed) else None


def _lines(text: str) -> list[str]:
    """Without blanks, so that indentation and spacing are no change."""
    lines = ["".join(line.split()) for line in text.split("\n")]
    return [_FIRST, *filter(None, lines), _LAST]


def _has(lines: Sequence[str], place: Sequence[str]) -> bool:
    starts = (i for i, line in enumerate(lines) if line == place[0])
    return any(lines[i : i + len(place)] == place for i in starts)


def undone_by(fix: CommitSha, running: CommitSha, via: CommitSha, what: str) -> ContainmentFact:
    return ContainmentFact(fix, running, Containment.REVERTED, via, f"undone by {via[:12]}, {what}")


def how(fact: ContainmentFact) -> Carries | Undoes | None:
    """What `fact.via` is, for a fact that `conclude` made."""
    said = fact.reason.partition(";")[0]
    return next((one for one in (*Carries, *Undoes) if fact.via is not None and said.endswith(one)), None)


def was_rewritten(fact: ContainmentFact) -> bool:
    """Whether what runs has the fix by its commits, and none of its lines any more."""
    return fact.reason.endswith(Left.CHANGED)


def reverted_by(message: str) -> list[str]:
    """Ids that a message says it reverts, perhaps short, in lower case."""
    return [sha.lower() for sha in _REVERTS.findall(message)]


def names(sha: str, commits: Iterable[str]) -> bool:
    """Whether `sha`, perhaps abbreviated, is one of `commits`."""
    return any(commit.startswith(sha) for commit in commits)

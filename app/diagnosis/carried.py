"""Who carries a fix and who undoes it, on the way from the fix to what runs.

Owns the judgement of one commit after the other, the same for a clone and for the API. Leaves to the histories which commits
lie between, what they change, and whether one is the ancestor of another.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
    """The answer when the trail holds one; None when nothing carries the fix. `alive`: carriers that no revert came after."""
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


def undone_by(fix: CommitSha, running: CommitSha, via: CommitSha, what: str) -> ContainmentFact:
    return ContainmentFact(fix, running, Containment.REVERTED, via, f"undone by {via[:12]}, {what}")


def how(fact: ContainmentFact) -> Carries | Undoes | None:
    """What `fact.via` is, for a fact that `settle` made."""
    return next((one for one in (*Carries, *Undoes) if fact.via is not None and fact.reason.endswith(one)), None)


def reverted_by(message: str) -> list[str]:
    """Ids that a message says it reverts, perhaps short, in lower case."""
    return [sha.lower() for sha in _REVERTS.findall(message)]


def names(sha: str, commits: Iterable[str]) -> bool:
    """Whether `sha`, perhaps abbreviated, is one of `commits`."""
    return any(commit.startswith(sha) for commit in commits)

"""What is known of a repository's commit graph, and what follows from it without asking.

Owns which commits lie between two others and whether one descends from the other, as far as the known part decides it for
certain; None where it does not. Parents decide, never dates. Leaves asking for more to `history.py`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from app.evidence.model import Commit, CommitSha


@dataclass(frozen=True, slots=True)
class Span:
    """Commits in `running` and not in `base`, ancestors before descendants.

    `ancestor`: `base` is an ancestor of `running`, or is it. `complete` False: there are more than are listed.
    """

    commits: tuple[Commit, ...]
    ancestor: bool
    complete: bool = True


class Ancestry:
    """Grows as commits are learned; nothing that it has said becomes untrue by that."""

    def __init__(self) -> None:
        self._commits: dict[CommitSha, Commit] = {}

    def learn(self, commit: Commit) -> None:
        self._commits[commit.sha] = commit

    def get(self, sha: str) -> Commit | None:
        return self._commits.get(CommitSha(sha))

    def named(self, name: str) -> list[Commit]:
        """Known commits whose id begins so."""
        return [commit for sha, commit in self._commits.items() if sha.startswith(name)]

    def between(self, base: CommitSha, running: CommitSha) -> Span | None:
        """None when the known part does not decide it."""
        older, older_open = self._walk(base, frozenset())
        if running in older:
            return Span((), base == running)
        newer, newer_open = self._walk(running, older)
        if newer_open or running not in self._commits:
            return None
        commits = tuple(self._commits[sha] for sha in self.in_order(newer))
        ancestor = any(base in commit.parents for commit in commits)
        # Behind an unknown part of the base's past may lie what was walked here; in one line that ends at the base it cannot.
        if older_open and not (ancestor and all(len(commit.parents) == 1 for commit in commits)):
            return None
        return Span(commits, ancestor)

    def descends(self, older: CommitSha, newer: CommitSha) -> bool | None:
        """Whether `newer` is `older` or comes after it; None when the known part does not decide it."""
        if older == newer:
            return True
        before, _ = self._walk(older, frozenset())
        found, unknown = self._walk(newer, frozenset(before - {older}))
        if older in found or newer in before:
            return older in found
        return None if unknown else False

    def in_order(self, shas: Iterable[CommitSha]) -> list[CommitSha]:
        """Ancestors before descendants; those that nothing orders, by id."""
        asked = set(shas)
        done: dict[CommitSha, None] = {}
        for start in sorted(asked):
            path = [(start, iter(self._parents(start)))]
            while path:
                sha, parents = path[-1]
                following = next((p for p in parents if p in asked and p not in done), None)
                if following is not None:
                    path.append((following, iter(self._parents(following))))
                else:
                    done.setdefault(sha)
                    path.pop()
        return list(done)

    def _parents(self, sha: CommitSha) -> tuple[CommitSha, ...]:
        commit = self._commits.get(sha)
        return commit.parents if commit is not None else ()

    def _walk(self, start: CommitSha, stop: frozenset[CommitSha] | set[CommitSha]) -> tuple[set[CommitSha], bool]:
        """`start` and its known past up to `stop`, and whether an unknown commit was met."""
        found: set[CommitSha] = set()
        unknown = False
        todo = [start]
        while todo:
            sha = todo.pop()
            if sha in found or sha in stop:
                continue
            found.add(sha)
            commit = self._commits.get(sha)
            if commit is None:
                unknown = True
            else:
                todo += commit.parents
        return found, unknown

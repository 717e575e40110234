"""What judgement needs of the repository, asked within a budget.

Owns the `History` Protocol and the choice of what is read: candidate fixes, what each rollout brought, the source behind
the frames, constants beside the observed values. Leaves reading to `sources/git.py` and `github/repository.py`, and every
verdict to `diagnosis/`.
"""

from collections.abc import Sequence
from typing import Protocol

from app.evidence.model import (
    Commit,
    CommitSha,
    ContainmentFact,
    Gap,
    HistoryFacts,
    LineBlame,
    Observations,
    Onset,
    Request,
    Revision,
)


class History(Protocol):
    """A repository: a local clone (`sources/git.py`) or the GitHub API (`github/repository.py`).

    Every method raises `SourceRefused` when the repository will not tell, and `Unavailable` when it is out.
    """

    @property
    def web(self) -> str | None:
        """`https://github.com/o/r`, for permalinks; None for a clone without such a remote."""
        ...

    async def head(self) -> CommitSha:
        """The default branch's commit."""
        ...

    async def resolve(self, name: str) -> CommitSha | None:
        """The full id of a commit that the repository has; None when it has none or several by that (short) id."""
        ...

    async def commits(self, shas: Sequence[CommitSha]) -> tuple[Commit, ...]:
        """Those commits with their changes, in the order asked; unknown ids are left out."""
        ...

    async def recent(self, *, limit: int) -> tuple[Commit, ...]:
        """The newest commits of the default branch (first parents and what they merged), without changes."""
        ...

    async def between(
        self, previous: CommitSha, running: CommitSha, *, limit: int
    ) -> tuple[tuple[CommitSha, ...], bool]:
        """Commits contained in `running` and not in `previous`, newest first; False when there are more than `limit`."""
        ...

    async def containment(self, fix: CommitSha, running: CommitSha) -> ContainmentFact:
        """Ancestry first, then patch identity (squash, cherry-pick, backport) and reverts; UNKNOWN with its reason."""
        ...

    async def paths(self, sha: CommitSha) -> tuple[str, ...]:
        """Every file of that commit's tree."""
        ...

    async def file(self, sha: CommitSha, path: str) -> str | None:
        """The file's text; None when the commit has no such text file, or one over 1 MB."""
        ...

    async def blame(self, sha: CommitSha, path: str, line: int) -> LineBlame | None:
        """Who changed that line last as of `sha`; formatting commits named in `.git-blame-ignore-revs` are passed over."""
        ...


async def read_history(
    history: History, request: Request, observations: Observations, revisions: Sequence[Revision], onset: Onset | None
) -> tuple[HistoryFacts, tuple[Gap, ...]]:
    """Everything that the repository can tell about this incident. What it refuses becomes a gap."""
    raise NotImplementedError

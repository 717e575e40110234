"""What judgement needs of the repository, asked within a budget.

Owns the `History` Protocol and the choice of what is read, most telling first: candidate fixes and whether they run, what
each rollout brought, the source behind the frames, constants beside the observed values, and who wrote a line. Leaves
reading to `sources/git.py` and `github/history.py`, and every verdict to `diagnosis/`.
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal, Protocol, runtime_checkable

from app.diagnosis.changes import map_frame, match_commits
from app.diagnosis.code import enclosing_function, has_grammar
from app.diagnosis.configured import ObservedValue, find_constants, observed_values
from app.diagnosis.touched import may_reach, names_in, touched_functions, uses_of_changes
from app.errors import SourceRefused, Unavailable
from app.evidence.model import (
    CodeExcerpt,
    Commit,
    CommitClaim,
    CommitSha,
    CommitSource,
    Constant,
    ContainmentFact,
    ErrorGroup,
    FixCandidate,
    FixOrigin,
    Frame,
    FrameSource,
    Gap,
    HistoryFacts,
    IssueRef,
    LineBlame,
    Observations,
    Onset,
    Request,
    Revision,
    RolloutRange,
    UseOfChange,
)
from app.redact import cut, cut_source


class History(Protocol):
    """A repository: a local clone (`sources/git.py`) or the GitHub API (`github/history.py`).

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

    async def touching(self, sha: CommitSha, paths: Sequence[str], *, limit: int) -> tuple[CommitSha, ...]:
        """Commits in `sha` that changed one of these files, the newest of each file."""
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


@runtime_checkable
class Searchable(Protocol):
    """A history that can also look for text in a whole tree at once; a clone can, the API cannot."""

    async def holding(self, sha: CommitSha, text: str, *, limit: int) -> tuple[str, ...]:
        """Files of that commit with `text` in one line, in order of path."""
        ...


@runtime_checkable
class Foresighted(Protocol):
    """A history that answers many questions in one call when it is told them before; the API is, a clone need not be."""

    async def foresee(
        self,
        *,
        names: Sequence[str] = (),
        held: Sequence[tuple[CommitSha, CommitSha]] = (),
        files: Sequence[tuple[CommitSha, str]] = (),
        blames: Sequence[tuple[CommitSha, str]] = (),
    ) -> None:
        """Names to resolve, fixes and what may contain them, files and their blame. Never refuses: the questions will."""
        ...

    @property
    def unread(self) -> frozenset[CommitSha]:
        """Commits that were given without their changes, because calls are bounded."""
        ...


@dataclass(frozen=True, slots=True)
class Deployed:
    """A deployment that succeeded: `sha` was brought to an environment between `began` and `done`."""

    sha: CommitSha
    began: datetime
    done: datetime


@runtime_checkable
class TellsDeployments(Protocol):
    """A history that also knows what was deployed; GitHub does, a clone does not."""

    async def deployments(self, environment: str) -> tuple[Deployed, ...]:
        """The newest successful deployments to an environment of that name, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Budget:
    """How much of a repository one audit reads at most. What did not fit becomes a gap."""

    groups: int = 5
    """Error groups, most frequent first, whose frames, values and commits are looked at."""
    frames: int = 6
    """Own frames per group, from the raise point."""
    recent: int = 300
    """Newest commits of the default branch whose messages are read."""
    named_fixes: int = 20
    """Commits tied to the issue."""
    changes: int = 60
    """Commits whose changes are read in all: named fixes first, then what rollouts brought, then the newest."""
    running: int = 6
    """Commits that run or ran, asked whether they hold a fix."""
    range: int = 200
    """Commits of one rollout."""
    files: int = 40
    """Files whose text is read for excerpts and constants."""
    changed_files: int = 40
    """Files of commits that are read for the functions around what changed."""


async def confirm_commits(
    history: History, revisions: Sequence[Revision], *, environment: str | None = None
) -> tuple[Revision, ...]:
    """`revisions` with every claimed commit looked up: short ids made full, and `in_history` told.

    A short image tag that the repository does not know was no claim about a commit, and is dropped. A revision of which
    nothing else tells the commit is claimed by every deployment to `environment` that was under way when it was made.
    """
    revisions = await _claim_deployments(history, revisions, environment)
    full: dict[CommitSha, CommitSha | None] = {}
    if isinstance(history, Foresighted):
        await history.foresee(names=[claim.sha for revision in revisions for claim in revision.commits])
    for claim in (claim for revision in revisions for claim in revision.commits):
        if claim.sha not in full:
            full[claim.sha] = await history.resolve(claim.sha)

    def confirmed(claim: CommitClaim) -> CommitClaim | None:
        sha = full[claim.sha]
        if sha is not None:
            return CommitClaim(sha, claim.source, True)
        if claim.source is CommitSource.IMAGE_TAG and len(claim.sha) < 40:
            return None
        return replace(claim, in_history=False)

    return tuple(
        replace(revision, commits=tuple(dict.fromkeys(c for claim in revision.commits if (c := confirmed(claim)))))
        for revision in revisions
    )


async def _claim_deployments(
    history: History, revisions: Sequence[Revision], environment: str | None
) -> Sequence[Revision]:
    silent = [revision for revision in revisions if not revision.commits and revision.created_at is not None]
    if not silent or environment is None or not isinstance(history, TellsDeployments):
        return revisions
    try:
        deployments = await history.deployments(environment)
    except SourceRefused:
        return revisions  # then the commit stays unknown, and the report says so

    def claimed(revision: Revision) -> Revision:
        made = revision.created_at
        if revision.commits or made is None:
            return revision
        shas = sorted({deployed.sha for deployed in deployments if deployed.began <= made <= deployed.done})
        return replace(revision, commits=tuple(CommitClaim(sha, CommitSource.GITHUB_DEPLOYMENT) for sha in shas))

    return [claimed(revision) for revision in revisions]


async def read_history(
    history: History,
    request: Request,
    observations: Observations,
    revisions: Sequence[Revision],
    onset: Onset | None,
    *,
    budget: Budget = Budget(),
) -> tuple[HistoryFacts, tuple[Gap, ...]]:
    """Everything that the repository can tell about this incident, most telling first. What it refuses becomes a gap.

    `revisions` as `confirm_commits` returns them.

    Raises `SourceRefused` or `Unavailable` only when not even the head can be read.
    """
    reader = _Reader(history, budget, request, observations, revisions, onset)
    await reader.start()
    steps = (
        reader.read_named_fixes,
        reader.read_fixes,
        reader.read_rollouts,
        reader.read_containment,
        reader.read_frames,
        reader.read_changes,
        reader.read_functions,
        reader.read_matching,
        reader.read_constants,
        reader.read_blame,
    )
    for step in steps:
        try:
            await step()
        except (SourceRefused, Unavailable) as refused:
            reader.refuse(refused)
    reader.tell_unread()
    return reader.facts(), tuple(reader.gaps)


# --- which commits may be fixes ---------------------------------------------------------------------------------------

_HEX_WORD = re.compile(r"(?:(?<![0-9A-Za-z_/.-])|(?<=/commit/)|(?<=/commits/))[0-9a-f]{7,40}(?![0-9A-Za-z_-])")
_NUMBER = re.compile(r"(?<![\w&/])#(\d{1,7})\b")
_CLOSES = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+(?:[\w.-]+/[\w.-]+)?#(\d{1,7})\b", re.IGNORECASE)
_MERGED = re.compile(r"Merge pull request #(\d{1,7}) ")


@dataclass(frozen=True, slots=True)
class Mention:
    """A commit id as written in an issue, and the `#number` it stands with on its line, None when none does."""

    name: str
    issue: str | None


def mentions_of(issue: IssueRef) -> tuple[Mention, ...]:
    """Commit ids named in the issue's text, each with the last `#number` before it on the same line.

    A word counts as an id when it has 7 hex digits or more, and among them both a letter and a digit (a number or a word
    such as `defaced` is none); whether there is such a commit is for the repository to say.
    """
    found: dict[str, str | None] = {}
    for line in f"{issue.title}\n{issue.body}".splitlines():
        numbers = [(match.start(), f"#{match[1]}") for match in _NUMBER.finditer(line)]
        for match in _HEX_WORD.finditer(line):
            if _looks_like_id(match[0]):
                before = [number for at, number in numbers if at < match.start()]
                found.setdefault(match[0], before[-1] if before else None)
    for name in issue.mentions:
        if _looks_like_id(name.lower()):
            found.setdefault(name.lower(), None)
    return tuple(Mention(name, number) for name, number in found.items())


def _looks_like_id(word: str) -> bool:
    return (
        7 <= len(word) <= 40
        and all(sign in "0123456789abcdef" for sign in word)
        and (len(word) == 40 or (not word.isdigit() and not word.isalpha()))
    )


def issue_numbers(issue: IssueRef) -> frozenset[int]:
    """The issue's own number and every `#number` in its text."""
    text = f"{issue.title}\n{issue.body}"
    return frozenset({issue.number, *(int(match[1]) for match in _NUMBER.finditer(text))})


def undoes_or_merges(commit: Commit) -> bool:
    """Reverts and merges carry no fix of their own."""
    return len(commit.parents) > 1 or commit.subject.startswith('Revert "') or "This reverts commit " in commit.body


_NEVER = datetime.min.replace(tzinfo=UTC)


_FEW = 8
"""So few commits are read without asking first which of them touch the failing code."""
_PATHS_TOUCHED = 8


class _Reader:
    """One reading: what was found so far, and what is left of the budget."""

    def __init__(
        self,
        history: History,
        budget: Budget,
        request: Request,
        observations: Observations,
        revisions: Sequence[Revision],
        onset: Onset | None,
    ) -> None:
        self._history = history
        self._budget = budget
        self._request = request
        self._revisions = revisions
        self._running = _running_commits(revisions, budget.running)
        self._groups = _looked_at(observations, onset, budget.groups)
        self._head: CommitSha | None = None
        self._recent: tuple[Commit, ...] = ()
        self._fixes: dict[CommitSha, FixCandidate] = {}
        self._commits: dict[CommitSha, Commit] = {}
        self._rollouts: list[RolloutRange] = []
        self._containment: list[ContainmentFact] = []
        self._frames: list[FrameSource] = []
        self._uses: list[UseOfChange] = []
        self._constants: list[Constant] = []
        self._texts: dict[tuple[CommitSha, str], str | None] = {}
        self.gaps: list[Gap] = []

    async def start(self) -> None:
        self._head = await self._history.head()

    def refuse(self, refused: SourceRefused | Unavailable) -> None:
        if isinstance(refused, SourceRefused):
            gap = Gap(refused.source, cut(refused.reason), refused.meaning, refused.remedy)
        else:
            meaning = "part of the repository was not read"
            gap = Gap("history", cut(str(refused)), meaning, "run the audit again later")
        if gap not in self.gaps:
            self.gaps.append(gap)

    def facts(self) -> HistoryFacts:
        commits = sorted(self._commits.values(), key=lambda c: (c.committed_at, c.sha), reverse=True)
        return HistoryFacts(
            web=self._history.web,
            head=self._head,
            commits=tuple(commits),
            fixes=tuple(self._fixes.values()),
            containment=tuple(self._containment),
            frames=tuple(self._frames),
            constants=tuple(dict.fromkeys(self._constants)),
            rollouts=tuple(self._rollouts),
            commits_read=len(set(self._commits) | {commit.sha for commit in self._recent}),
            uses=tuple(self._uses),
        )

    # --- candidates ---

    async def read_named_fixes(self) -> None:
        """Commits that the issue names, that close or name it, or that its pull requests merged."""
        self._recent = await self._history.recent(limit=self._budget.recent)
        issue = self._request.issue
        if issue is None:
            return
        own = f"#{issue.number}"
        for sha in issue.linked_commits:
            self._candidate(sha, FixOrigin.LINKED_PULL_REQUEST, own)
        unknown: list[str] = []
        if isinstance(self._history, Foresighted):
            await self._history.foresee(names=[mention.name for mention in mentions_of(issue)])
        for mention in mentions_of(issue):
            try:
                sha = await self._history.resolve(mention.name)
            except SourceRefused as refused:
                self.refuse(refused)
                break
            if sha is not None:
                self._candidate(sha, FixOrigin.NAMED_IN_ISSUE, mention.issue or own)
            elif mention.issue is not None or mention.name in issue.mentions:
                unknown.append(mention.name)
        if unknown:
            what = f"the repository has no commit {', '.join(unknown[:5])}"
            self.gaps.append(Gap("history", cut(what), "whether these fixes run cannot be told", "fetch their branch"))
        numbers = issue_numbers(issue)
        for commit in self._recent:
            text = f"{commit.subject}\n{commit.body}"
            if merged := _MERGED.match(commit.subject):
                if int(merged[1]) in numbers and len(commit.parents) == 2:
                    await self._merged_commits(commit, f"#{merged[1]}")
                continue
            if undoes_or_merges(commit):
                continue
            closed = {int(match[1]) for match in _CLOSES.finditer(text)} & numbers
            named = {int(match[1]) for match in _NUMBER.finditer(text)} & numbers
            if closed:
                self._candidate(commit.sha, FixOrigin.CLOSES_ISSUE, f"#{min(closed)}")
            elif named:
                self._candidate(commit.sha, FixOrigin.NAMES_ISSUE, f"#{min(named)}")

    async def _merged_commits(self, merge: Commit, issue: str) -> None:
        """The commits of a merged pull request that the issue names by number."""
        shas, _ = await self._history.between(merge.parents[0], merge.parents[1], limit=self._budget.named_fixes)
        known = {commit.sha: commit for commit in self._recent}
        for sha in shas:
            if sha not in known or not undoes_or_merges(known[sha]):
                self._candidate(sha, FixOrigin.NAMES_ISSUE, issue)

    def _candidate(self, sha: CommitSha, origin: FixOrigin, issue: str | None) -> None:
        old = self._fixes.get(sha)
        if old is None:
            if len(self._fixes) < self._budget.named_fixes:
                self._fixes[sha] = FixCandidate(sha, (origin,), issue)
            return
        order = tuple(FixOrigin)
        origins = tuple(sorted({*old.origins, origin}, key=order.index))
        self._fixes[sha] = FixCandidate(sha, origins, old.issue or issue)

    async def read_fixes(self) -> None:
        """What the candidates change. A revert is none."""
        await self._read(list(self._fixes)[: self._budget.changes])
        for sha in [sha for sha in self._fixes if (commit := self._commits.get(sha)) and _is_revert(commit)]:
            del self._fixes[sha]

    async def _read(self, shas: Sequence[CommitSha]) -> None:
        for start in range(0, len(shas), 20):
            for commit in await self._history.commits(shas[start : start + 20]):
                self._commits[commit.sha] = commit

    # --- what rollouts brought, and changes ---

    async def read_rollouts(self) -> None:
        """For each revision of which the commit is known: what it brought over the one that served before it."""
        for service in sorted({revision.service for revision in self._revisions}):
            served = [r for r in self._revisions if r.service == service and r.serving_since and _known_commit(r)]
            served.sort(key=lambda r: (r.serving_since or self._request.now, r.name))
            for before, after in itertools.pairwise(served):
                previous, running = _known_commit(before), _known_commit(after)
                if previous is None or running is None or previous == running:
                    continue
                try:
                    shas, complete = await self._history.between(previous, running, limit=self._budget.range)
                except SourceRefused as refused:
                    self.refuse(refused)
                    continue
                self._rollouts.append(RolloutRange(after.name, service, previous, running, shas, complete))

    async def read_changes(self) -> None:
        """Changes of what rollouts brought and of the newest commits, as far as the budget goes: first of those that touch
        the code behind the errors."""
        wanted = [sha for rollout in reversed(self._rollouts) for sha in rollout.commits]
        wanted += [commit.sha for commit in self._recent if not undoes_or_merges(commit)]
        wanted = [sha for sha in dict.fromkeys(wanted) if sha not in self._commits]
        paths = list(dict.fromkeys(source.path for source in self._frames if source.path))[:_PATHS_TOUCHED]
        if len(wanted) > _FEW and paths and self._head is not None:
            try:
                telling = set(await self._history.touching(self._head, paths, limit=self._budget.recent))
                wanted.sort(key=lambda sha: sha not in telling)
            except SourceRefused as refused:
                self.refuse(refused)
        await self._read(wanted[: max(0, self._budget.changes - len(self._commits))])

    async def read_functions(self) -> None:
        """Which functions the commits change, in the files that failing code stands in or can reach, and which it uses."""
        failing = [
            (source, (excerpt.sha, excerpt.path), text)
            for source in self._frames
            if (excerpt := source.excerpt) is not None
            and (text := self._texts.get((excerpt.sha, excerpt.path))) is not None
        ]
        texts_of = {place: text for _, place, text in failing}
        names = {place: names_in(text) for place, text in texts_of.items()}
        wanted = [
            (commit.sha, change.path)
            for commit in self._commits.values()
            for change in commit.changes
            if change.path is not None and change.hunks and has_grammar(change.path) and len(commit.parents) < 2
            if any(may_reach(path, told, change.path) for (_, path), told in names.items())
        ][: self._budget.changed_files]
        if isinstance(self._history, Foresighted):
            await self._history.foresee(files=wanted)
        texts = {(sha, path): await self._history.file(sha, path) for sha, path in wanted}
        for sha in dict.fromkeys(sha for sha, _ in wanted):
            commit = self._commits[sha]
            changes = tuple(
                replace(change, functions=touched_functions(change, text))
                if change.path is not None and (text := texts.get((sha, change.path))) is not None
                else change
                for change in commit.changes
            )
            self._commits[sha] = replace(commit, changes=changes)
        for source, place, text in failing:
            self._uses += uses_of_changes(source, text, names[place], self._commits.values())

    def tell_unread(self) -> None:
        unread = self._history.unread if isinstance(self._history, Foresighted) else frozenset[CommitSha]()
        if unread:
            what = f"the changes of {len(unread)} of {len(self._commits)} commits: the calls that one audit may make are spent"
            meaning = (
                "these are judged by their messages alone; fixes, and what touches the failing code, were read first"
            )
            self.gaps.append(Gap("GitHub", cut(what), meaning, "run the audit again: what was read is remembered"))

    # --- is it in what runs? ---

    async def read_containment(self) -> None:
        """Fix by fix against every commit that serves or served."""
        await self._ask_all([(fix, running) for fix in self._fixes for running in self._running])

    async def read_matching(self) -> None:
        """Commits that only match are asked too, when they came after what ran when the group was first seen: what was
        there before cannot have been its fix."""
        facts = self.facts()
        pairs: dict[tuple[CommitSha, CommitSha], None] = {}
        for group in self._groups:
            first = _first_commit(group, self._revisions)
            if first is None:
                continue
            for match in match_commits(group, facts.commits, facts):
                commit = self._commits.get(match.sha)
                if match.fits and match.sha not in self._fixes and commit is not None and not undoes_or_merges(commit):
                    pairs[match.sha, first] = None
        await self._ask_all(list(pairs))
        later = dict.fromkeys([sha for sha, first in pairs if (await self._ask(sha, first)) is False])
        for sha in list(later)[: self._budget.named_fixes]:
            self._fixes[sha] = FixCandidate(sha, (FixOrigin.MATCHES_GROUP,))
        await self._ask_all([(sha, running) for sha in later if sha in self._fixes for running in self._running])

    async def _ask_all(self, pairs: Sequence[tuple[CommitSha, CommitSha]]) -> None:
        if isinstance(self._history, Foresighted):
            await self._history.foresee(held=pairs)
        for fix, running in pairs:
            await self._ask(fix, running)

    async def _ask(self, fix: CommitSha, running: CommitSha) -> bool | None:
        """Whether `running` holds `fix`; None when that is not known. The answer is kept as a fact."""
        known = next((f for f in self._containment if f.fix == fix and f.running == running), None)
        if known is None:
            known = await self._history.containment(fix, running)
            self._containment.append(known)
        return known.holds

    # --- the code behind the errors ---

    async def read_frames(self) -> None:
        found: list[tuple[ErrorGroup, Frame, CommitSha, Literal["running", "head"], str | None]] = []
        for group in self._groups:
            sha, role = self._code_of(group)
            if sha is None or group.trace is None:
                continue
            try:
                paths = await self._history.paths(sha)
            except SourceRefused as refused:
                self.refuse(refused)
                continue
            frames = [frame for info in reversed(group.trace.chain) for frame in info.frames if frame.in_app]
            for frame in list(dict.fromkeys(frames))[: self._budget.frames]:
                path = map_frame(frame, paths, self._request.scope.source_roots)
                found.append((group, frame, sha, role, path))
        await self._foresee_texts([(sha, path) for _, _, sha, _, path in found if path is not None])
        for group, frame, sha, role, path in found:
            excerpt = await self._excerpt(sha, path, frame, role) if path is not None else None
            self._frames.append(FrameSource(group.id, frame, path, excerpt))

    async def read_blame(self) -> None:
        """Who changed the failing lines last."""
        shown = [source.excerpt for source in self._frames if source.excerpt is not None]
        if isinstance(self._history, Foresighted):
            await self._history.foresee(blames=list(dict.fromkeys((excerpt.sha, excerpt.path) for excerpt in shown)))
        for index, source in enumerate(self._frames):
            if (excerpt := source.excerpt) is not None:
                blame = await self._history.blame(excerpt.sha, excerpt.path, excerpt.line)
                self._frames[index] = replace(source, excerpt=replace(excerpt, blame=blame))

    def _code_of(self, group: ErrorGroup) -> tuple[CommitSha | None, Literal["running", "head"]]:
        """The commit that ran when the group was last seen; the head where that is not known."""
        for revision in self._revisions:
            if revision.name == group.latest.revision and (sha := _known_commit(revision)):
                return sha, "running"
        return self._head, "head"

    async def _excerpt(
        self, sha: CommitSha, path: str, frame: Frame, role: Literal["running", "head"]
    ) -> CodeExcerpt | None:
        text = await self._text(sha, path)
        line = frame.line
        if text is None or line is None:
            return None
        lines = text.split("\n")
        if not 1 <= line <= len(lines):
            return None
        numbers = range(max(1, line - 3), min(len(lines), line + 3) + 1)
        kept = cut_source(path, "\n".join(lines[number - 1][:400] for number in numbers)).split("\n")
        # A secret of several lines is cut as one; the numbers of what is left are then not told any more.
        shown = tuple((number, cut(text)) for number, text in zip(numbers, kept, strict=False))
        shown = shown if len(kept) == len(numbers) else ()
        span = enclosing_function(path, text, line)
        return CodeExcerpt(sha, path, line, span.name if span else None, shown, None, role)

    async def _foresee_texts(self, wanted: Sequence[tuple[CommitSha, str]]) -> None:
        if isinstance(self._history, Foresighted):
            new = [key for key in dict.fromkeys(wanted) if key not in self._texts]
            await self._history.foresee(files=new[: self._budget.files - len(self._texts)])

    async def _text(self, sha: CommitSha, path: str) -> str | None:
        """A file's text; None also when the budget is spent."""
        if (sha, path) not in self._texts:
            if len(self._texts) >= self._budget.files:
                return None
            self._texts[sha, path] = await self._history.file(sha, path)
        return self._texts[sha, path]

    # --- configured against observed ---

    async def read_constants(self) -> None:
        """What the code says beside what the errors say: in the frames' files, where the message stands, in the fixes."""
        await self._foresee_texts(self._compared_files())
        for group in self._groups:
            wanted = observed_values(group)
            if not wanted:
                continue
            sha, role = self._code_of(group)
            if sha is None:
                continue
            places = [source.path for source in self._frames if source.group == group.id and source.path]
            places += await self._places_of_message(sha, group)
            for fix in self._fixes:
                # What a fix sets is compared with what runs and with the head, wherever the trace points.
                places += await self._constants_of_fix(fix, wanted)
            places = list(dict.fromkeys(places))
            for path in places:
                if (text := await self._text(sha, path)) is not None:
                    self._constants += find_constants(path, text, sha, role, wanted)
                if self._head and self._head != sha and (text := await self._text(self._head, path)) is not None:
                    self._constants += find_constants(path, text, self._head, "head", wanted)

    def _compared_files(self) -> list[tuple[CommitSha, str]]:
        """Every text that constants are looked for in, as far as that is known before."""
        wanted: list[tuple[CommitSha, str]] = []
        for group in self._groups:
            sha, _ = self._code_of(group)
            if sha is None or not observed_values(group):
                continue
            places = [source.path for source in self._frames if source.group == group.id and source.path]
            for commit in (self._commits[fix] for fix in self._fixes if fix in self._commits):
                for change in commit.changes[:5]:
                    wanted += [(commit.sha, change.path)] if change.path else []
                    wanted += [(parent, change.old_path) for parent in commit.parents[:1] if change.old_path]
                    places += [path for path in (change.old_path, change.path) if path]
            wanted += [(at, path) for path in dict.fromkeys(places) for at in (sha, self._head) if at is not None]
        return wanted

    async def _constants_of_fix(self, fix: CommitSha, wanted: Sequence[ObservedValue]) -> list[str]:
        """Reads them before and after the fix, and returns the files that have some."""
        commit = self._commits.get(fix)
        paths: list[str] = []
        if commit is None:
            return paths
        for change in commit.changes[:5]:
            before = len(self._constants)
            if change.path and (text := await self._text(fix, change.path)) is not None:
                self._constants += find_constants(change.path, text, fix, "fix-after", wanted)
            if change.old_path and commit.parents:
                text = await self._text(commit.parents[0], change.old_path)
                if text is not None:
                    self._constants += find_constants(change.old_path, text, fix, "fix-before", wanted)
            if len(self._constants) > before:
                paths += [path for path in dict.fromkeys((change.old_path, change.path)) if path]
        return paths

    async def _places_of_message(self, sha: CommitSha, group: ErrorGroup) -> list[str]:
        """Files with a fixed piece of the message in them, the longest that is found; its values are not in the code.

        What stands before a colon is often put there by another hand (the exception's type, a prefix), so pieces end there.
        """
        if not isinstance(self._history, Searchable):
            return []
        pieces = {piece.strip(" \"'()=,.") for piece in re.split(r"<\*>|\n|: ", group.template)}
        telling = sorted((piece for piece in pieces if len(piece) >= 12), key=lambda piece: (-len(piece), piece))
        for piece in telling[:3]:
            if found := await self._history.holding(sha, piece, limit=5):
                return list(found)
        return []


def _looked_at(observations: Observations, onset: Onset | None, limit: int) -> tuple[ErrorGroup, ...]:
    """The most frequent failures, the one that began at the onset among them."""
    groups = list(observations.groups)
    groups.sort(key=lambda group: onset is None or group.id != onset.group)
    return tuple(groups[:limit])


def _is_revert(commit: Commit) -> bool:
    return len(commit.parents) < 2 and undoes_or_merges(commit)


def _known_commit(revision: Revision) -> CommitSha | None:
    """The one commit that the revision is claimed to run, unless the repository does not know it."""
    if any(claim.in_history is False for claim in revision.commits):
        return None
    return revision.commit


def _running_commits(revisions: Sequence[Revision], limit: int) -> tuple[CommitSha, ...]:
    """Commits of the revisions that serve, then of those that served, newest first."""
    ordered = sorted(
        revisions,
        key=lambda r: (r.serving is True, r.serving_since is not None, r.serving_since or _NEVER),
        reverse=True,
    )
    shas = [sha for revision in ordered if (sha := _known_commit(revision))]
    return tuple(dict.fromkeys(shas))[:limit]


def _first_commit(group: ErrorGroup, revisions: Sequence[Revision]) -> CommitSha | None:
    """What ran where the group was first seen."""
    named = [count for count in group.per_revision if count.revision is not None]
    if not named:
        return None
    first = min(named, key=lambda count: (count.first_seen, count.revision or ""))
    return next((_known_commit(r) for r in revisions if r.name == first.revision and r.service == first.service), None)

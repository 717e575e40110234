"""History of a repository by the GitHub API: the `History` that a server without a clone uses.

Owns the allowance of calls, the asking for many things at once, and what is known without asking: commits never change, so
what one audit read serves the next ones of the process. Ancestry is worked out from parents as far as they are known, else
it is GitHub's own comparison; never dates. GitHub leaves things out: large patches, files beyond the first 300, commits
beyond the first 250, and answers while it is unwell. What was left out and what the allowance does not reach is refused or
UNKNOWN with that reason, never guessed. Leaves the choice of what is read to `app/history.py` and every verdict to
`diagnosis/`.
"""

import base64
import binascii
import hashlib
import re
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from app.diagnosis.carried import (
    NEEDED_SIGNS,
    Carries,
    Left,
    Step,
    Undoes,
    carrier_of,
    conclude,
    follow,
    left_of,
    reverted_by,
    settle,
)
from app.diagnosis.changes import PATCH_LIMIT, parse_patch
from app.errors import SourceRefused, Unavailable
from app.evidence.model import Commit, CommitSha, Containment, ContainmentFact, LineBlame
from app.github.ancestry import Ancestry, Span
from app.github.client import Refused, Session, dig, web_address
from app.history import Deployed
from app.redact import cut, cut_patch

_SHA = re.compile(r"[0-9a-f]{7,40}\Z")
_FULL = re.compile(r"[0-9a-f]{40}\Z")
_FILE_LIMIT = 1 << 20
_PER_PAGE = 100
_COMPARED = 250
"""Commits that one comparison lists."""
_LISTED_FILES = 300
"""Files that one page of a commit lists."""
_AT_ONCE = 40
"""Objects of one query."""
_BLAMES_AT_ONCE = 6
"""Blames are slow, and a query has ten seconds."""
_PATHS = 8
"""Files of a fix whose past is asked for."""
_READ_WHOLE = 2
"""So few unread commits are read one by one; of more, only those that touch the fix's files."""
_FAILURES = 3
"""Questions that GitHub does not answer, after which one audit asks no more: each may have waited for a minute."""
ALLOWED = {"list": 2, "commit": 9, "compare": 5, "query": 10, "file": 2, "tree": 2}
"""Calls by kind within one audit, so that one question cannot use up what the others need."""


class Memory:
    """What a process knows of a repository: immutable facts only, the least used forgotten first."""

    def __init__(self, size: int = 20_000) -> None:
        self._facts: OrderedDict[tuple[str, ...], Any] = OrderedDict()
        self._size = size

    def get(self, key: tuple[str, ...]) -> Any:
        if key in self._facts:
            self._facts.move_to_end(key)
            return self._facts[key]
        return None

    def put(self, key: tuple[str, ...], value: Any) -> None:
        self._facts[key] = value
        while len(self._facts) > self._size:
            self._facts.popitem(last=False)


_memory = Memory()
_Part = TypeVar("_Part")


class _Ask(NamedTuple):
    """One object of a query: what it is called, what is wanted of it, and the path that is meant."""

    expression: str
    wanted: str
    path: str | None = None


_UNANSWERED: Mapping[str, Any] = {}
"""In the place of an object about which GitHub answered with an error: whether there is such a thing is not told."""


class _Touching(NamedTuple):
    """Newest commits that touch a file, as of some commit; not `complete`: there are older ones."""

    shas: tuple[CommitSha, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class _Change:
    """What a commit changes, as it can be compared with what another one changes: without where and without blanks, so that
    it keeps its identity when its surroundings moved.

    `lines`: for each file the digest of the removed and of the added lines, `undoing` the same of the inverse change. `blobs`:
    the new contents of files of which GitHub gives no patch, for they are large or no text. `whole`: all files are listed.
    """

    paths: tuple[str, ...]
    lines: Mapping[str, tuple[str, str]]
    undoing: Mapping[str, tuple[str, str]]
    blobs: Mapping[str, str]
    signs: int
    whole: bool

    def is_in(self, other: "_Change", *, undone: bool = False) -> bool | None:
        """Whether the other is the same change, or undoes this one; None when GitHub does not tell enough of the two."""
        theirs = other.undoing if undone else other.lines
        whole = self.whole and other.whole
        if any(self.lines[path] != theirs[path] for path in self.lines.keys() & theirs.keys()):
            return False
        if (whole and {*self.paths} != {*other.paths}) or not {*self.paths} & {*other.paths}:
            return False
        if not whole or self.lines.keys() != theirs.keys() or (self.blobs if undone else self.blobs != other.blobs):
            return None
        return self.signs >= NEEDED_SIGNS


class _Read(NamedTuple):
    """A commit that was read with its changes."""

    commit: Commit
    change: _Change


@dataclass(frozen=True, slots=True)
class _Way:
    """What the commits between a fix and what runs tell: `told` by `settle`, of `carrier`, which is the fix where no other is.

    `steps` touch the fix's files, `moved` are the files that they touch. `doubt`: what of all this was not read.
    """

    span: Span
    told: ContainmentFact | None
    carrier: CommitSha
    steps: Sequence[Step]
    moved: frozenset[str]
    doubt: str

    @property
    def asks_files(self) -> bool:
        """Whether the commits alone do not settle it."""
        merges = self.told is not None and any(len(commit.parents) > 1 for commit in self.span.commits)
        return bool(self.steps or self.doubt or merges)


class GitHubHistory:
    """One audit's view. `limit` bounds all calls of its session, by whomever."""

    def __init__(self, session: Session, repository: str, *, limit: int, memory: Memory = _memory) -> None:
        self._session = session
        self._repository = repository
        self._limit = limit
        self._memory = memory
        self._spent: dict[str, int] = {}
        self._graph = Ancestry()
        self._recent: list[Commit] = []
        self._pages = 0
        self._named: dict[str, CommitSha | None] = {}
        self._compared: dict[tuple[CommitSha, CommitSha], Span] = {}
        self._ways: dict[tuple[CommitSha, CommitSha], _Way | None] = {}
        self._failures: list[str] = []
        self._unread: set[CommitSha] = set()
        self._web = f"{web_address(session.github.base_url)}/{repository}"

    @property
    def web(self) -> str | None:
        return self._web

    async def head(self) -> CommitSha:
        recent = await self.recent(limit=1)
        if not recent:
            raise _refused("the repository has no commits")
        return recent[0].sha

    async def resolve(self, name: str) -> CommitSha | None:
        with suppress(_NotRead):  # a full id can be asked for by itself
            await self._name([name])
        if name not in self._named and (read := await self._commit(CommitSha(name.lower()))) is not None:
            self._named[name] = read.commit.sha
        if name not in self._named:
            raise _refused(f"GitHub does not answer whether there is a commit {name[:12]}")
        return self._named[name]

    async def commits(self, shas: Sequence[CommitSha]) -> tuple[Commit, ...]:
        """Those that the allowance does not reach come without changes, as far as they are known."""
        found: list[Commit] = []
        for sha in shas:
            try:
                read = await self._commit(sha)
                commit = read.commit if read is not None else None
            except _NotRead:
                commit = self._graph.get(sha)
                self._unread |= {sha}
            if commit is not None:
                found.append(commit)
        return tuple(found)

    @property
    def unread(self) -> frozenset[CommitSha]:
        return frozenset(sha for sha in self._unread if self._remembered(sha) is None)

    async def recent(self, *, limit: int) -> tuple[Commit, ...]:
        """The first page is read whole whatever `limit` is; pages are read once."""
        while len(self._recent) < limit and len(self._recent) == self._pages * _PER_PAGE:
            try:
                raw = await self._get("list", "/commits", absent=(409,), per_page=_PER_PAGE, page=self._pages + 1)
            except _NotRead:
                if self._pages:
                    break
                raise
            self._pages += 1
            self._recent += [self._learn(item) for item in raw or ()]
        return tuple(self._recent[:limit])

    async def between(
        self, previous: CommitSha, running: CommitSha, *, limit: int
    ) -> tuple[tuple[CommitSha, ...], bool]:
        span = await self._span(previous, running)
        if span is None:
            raise _refused(f"GitHub has no comparison of {previous[:12]} and {running[:12]}")
        shas = [commit.sha for commit in reversed(span.commits)]
        return tuple(shas[:limit]), span.complete and len(shas) <= limit

    async def touching(self, sha: CommitSha, paths: Sequence[str], *, limit: int) -> tuple[CommitSha, ...]:
        await self._learn_touching([(sha, path) for path in paths[:_PATHS]])
        found = [known.shas for path in paths[:_PATHS] if (known := self._touching(sha, path)) is not None]
        return tuple(dict.fromkeys(sha for shas in found for sha in shas))[:limit]

    # --- many things at once ---

    async def foresee(
        self,
        *,
        names: Sequence[str] = (),
        held: Sequence[tuple[CommitSha, CommitSha]] = (),
        files: Sequence[tuple[CommitSha, str]] = (),
        blames: Sequence[tuple[CommitSha, str]] = (),
    ) -> None:
        """Ask for all of it in few calls, and remember the answers. What cannot be had is found out when it is asked for."""
        try:
            await self._name(names)
            if held:
                await self._learn_ways(held)
                await self._learn_texts(held)
            asked = [ask for sha, path in files if (ask := self._ask_file(sha, path))]
            for part in _parts(asked, _AT_ONCE):
                self._keep_files(part, await self._query(part))
            asked = [ask for sha, path in blames if (ask := self._ask_blame(sha, path))]
            for part in _parts(asked, _BLAMES_AT_ONCE):
                self._keep_blames(part, await self._query(part))
        except SourceRefused:
            return

    async def _name(self, names: Iterable[str]) -> None:
        """Full ids of commits by their (short) names. An ambiguous one names nothing."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._named]
        unknown: list[str] = []
        for name in wanted:
            low = name.lower()
            if not _SHA.match(low):
                self._named[name] = None
            elif self._graph.get(low) or self._remembered(low):
                self._named[name] = CommitSha(low)
            else:
                unknown.append(name)
        if not unknown:
            return
        if not self._pages and any(_FULL.match(name) for name in unknown):
            await self.recent(limit=1)  # wanted anyway, and what runs is most often on the default branch
            await self._name(unknown)
            return
        for part in _parts(unknown, _AT_ONCE):
            answers = await self._query([_Ask(name.lower(), "commit") for name in part])
            for name, answer in zip(part, answers, strict=True):
                if answer is _UNANSWERED:
                    continue
                oid = str(dig(answer, "oid") or "")
                self._named[name] = CommitSha(oid) if oid.startswith(name.lower()) else None
                if self._named[name]:
                    self._learn_node(answer)

    async def _learn_ways(self, pairs: Sequence[tuple[CommitSha, CommitSha]]) -> None:
        """What stands between fixes and what runs: the graph around them, then who touched the fixes' files."""
        ends = dict.fromkeys(end for fix, running in pairs for end in (running, fix) if self._graph.get(end) is None)
        for part in _parts(list(ends), _AT_ONCE):
            for answer in await self._query([_Ask(end, "past") for end in part]):
                for node in dig(answer, "history", "nodes") or ():
                    self._learn_node(node)
        files: dict[tuple[CommitSha, str], None] = {}
        fixes: dict[CommitSha, None] = {}
        for fix, running in pairs:
            span = await self._span(fix, running)
            own = await self._commit(fix) if span is not None and (span.commits or not span.complete) else None
            if span is None or own is None:
                continue
            if not span.ancestor:
                fixes[fix] = None
            if self._asks_for_files(span):
                files |= {(running, path): None for path in own.change.paths[:_PATHS]}
        await self._learn_touching(
            list(files), [fix for fix in fixes if self._memory.get(self._key("pulls", fix)) is None]
        )

    async def _learn_touching(self, files: Sequence[tuple[CommitSha, str]], fixes: Sequence[CommitSha] = ()) -> None:
        wanted = [_Ask(sha, "touching", path) for sha, path in files if self._touching(sha, path) is None]
        wanted += [_Ask(fix, "pulls") for fix in fixes]
        for part in _parts(wanted, _AT_ONCE):
            for ask, answer in zip(part, await self._query(part), strict=True):
                if ask.path is None:
                    pulls = dig(answer, "associatedPullRequests", "nodes")
                    if pulls is None:
                        continue  # not permitted
                    merged = tuple(
                        str(oid) for pull in pulls if pull.get("merged") and (oid := dig(pull, "mergeCommit", "oid"))
                    )
                    self._memory.put(self._key("pulls", ask.expression), merged)
                    continue
                nodes = dig(answer, "history", "nodes")
                if nodes is not None:
                    shas = tuple(self._learn_node(node).sha for node in nodes)
                    complete = not dig(answer, "history", "pageInfo", "hasNextPage")
                    self._memory.put(self._key("touching", ask.expression, ask.path), _Touching(shas, complete))

    def _touching(self, sha: CommitSha, path: str) -> _Touching | None:
        return self._memory.get(self._key("touching", sha, path))

    # --- is a fix in what runs? ---

    async def containment(self, fix: CommitSha, running: CommitSha) -> ContainmentFact:
        """UNKNOWN with its reason also where GitHub does not answer."""
        key = self._key("contains", fix, running)
        fact: ContainmentFact | None = self._memory.get(key)
        if fact is None:
            try:
                fact = await self._containment(fix, running)
            except SourceRefused as refused:
                return _unknown(fix, running, refused.reason)
            if fact.state is not Containment.UNKNOWN:
                self._memory.put(key, fact)
        return fact

    async def _containment(self, fix: CommitSha, running: CommitSha) -> ContainmentFact:
        if fix == running:
            return ContainmentFact(fix, running, Containment.CONTAINED, None, "it is the running commit")
        way = await self._way(fix, running)
        if way is None:
            return _unknown(fix, running, "GitHub knows no comparison of the two commits")
        left, undone, doubt = None, None, way.doubt
        try:
            if way.asks_files:
                await self._learn_texts([(fix, running)])
                left = await self._left(way.carrier, running, way.moved)
            if left is Left.UNDONE and way.told is not None and way.told.holds:
                undone = await self._undoer(way)
        except _NotRead as refused:
            doubt = doubt or f"the files that run were not read: {refused.reason}"
        return conclude(fix, running, way.told, left=left, doubt=doubt, compared=len(way.steps), undone=undone)

    async def _way(self, fix: CommitSha, running: CommitSha) -> _Way | None:
        """None when GitHub knows no comparison of the two."""
        if (fix, running) not in self._ways:
            span = await self._span(fix, running)
            self._ways[fix, running] = await self._read_way(fix, running, span) if span is not None else None
        return self._ways[fix, running]

    async def _read_way(self, fix: CommitSha, running: CommitSha, span: Span) -> _Way:
        own, lacking = None, "GitHub has no such commit"
        if span.commits or not span.complete:
            try:
                own = await self._commit(fix)
                await self._learn_ways([(fix, running)])
            except _NotRead as refused:
                lacking = refused.reason
        steps, moved, doubt = await self._steps(fix, running, own, span)
        if own is None and doubt:
            doubt = f"{doubt}: {lacking}"
        how = "it is an ancestor of the running commit" if span.ancestor else None
        brought = {name: self._brought(name) for step in steps for name in reverted_by(step.message)}
        trail = follow(fix, own.commit.subject if own else "", steps, ancestor=how, brought=brought)
        alive = [sha for sha in trail.carriers if not await self._undone(sha, trail.reverts)]
        told = settle(fix, running, trail, alive)
        return _Way(span, told, carrier_of(fix, told), steps, moved, doubt)

    async def _learn_texts(self, pairs: Sequence[tuple[CommitSha, CommitSha]]) -> None:
        """The files by which the pairs are judged that their commits do not settle."""
        asked: dict[_Ask, None] = {}
        for fix, running in pairs:
            way = await self._way(fix, running) if fix != running else None
            if way is not None and way.asks_files and (own := self._remembered(way.carrier)):
                asked |= dict.fromkeys(self._ask_texts(own, [running, way.carrier, *own.commit.parents[:1]]))
        for part in _parts(list(asked), _AT_ONCE):
            self._keep_files(part, await self._query(part))

    def _ask_texts(self, own: _Read, shas: Iterable[CommitSha]) -> list[_Ask]:
        return [ask for sha in shas for path in own.change.paths[:_PATHS] if (ask := self._ask_file(sha, path))]

    async def _left(self, carrier: CommitSha, running: CommitSha, moved: frozenset[str]) -> Left | None:
        """What the files at `running` have of the change that `carrier` makes."""
        own = await self._commit(carrier)
        if own is None:
            return None
        paths = own.change.paths[:_PATHS]
        now, after = [{path: await self.file(sha, path) for path in paths} for sha in (running, carrier)]
        before: dict[str, str | None] = dict.fromkeys(paths)
        for parent in own.commit.parents[:1]:
            before = {path: await self.file(parent, path) for path in paths}
        return left_of(before, after, now, moved)

    async def _undoer(self, way: _Way) -> tuple[CommitSha, Undoes] | None:
        """The first commit after the carrier that has its files as they were before: a merge, or one that touches them."""
        own = self._remembered(way.carrier)
        touching = {step.sha for step in way.steps}
        after = [commit for commit in way.span.commits if self._graph.descends(way.carrier, commit.sha)]
        asked = [commit for commit in after if commit.sha in touching or len(commit.parents) > 1]
        if own is None or not asked:
            return None
        asked = asked[: _AT_ONCE // max(1, len(own.change.paths[:_PATHS]))]
        files = self._ask_texts(own, [commit.sha for commit in asked])
        self._keep_files(files, await self._query(files))
        for commit in asked:
            if await self._left(way.carrier, commit.sha, way.moved) is Left.UNDONE:
                return commit.sha, Undoes.LEFT_OUT if len(commit.parents) > 1 else Undoes.BY_HAND
        return None

    async def _span(self, base: CommitSha, running: CommitSha) -> Span | None:
        """None when GitHub knows no comparison of them."""
        span = self._graph.between(base, running) or self._compared.get((base, running))
        if span is not None:
            return span
        raw = await self._get("compare", f"/compare/{base}...{running}")
        if raw is None:
            return None
        listed = {self._learn(item).sha: None for item in raw["commits"][:_COMPARED]}
        commits = [commit for sha in self._graph.in_order(listed) if (commit := self._graph.get(sha))]
        ancestor = raw["status"] in ("ahead", "identical")
        span = Span(tuple(commits), ancestor, raw["total_commits"] <= len(commits))
        self._compared[base, running] = span
        return span

    def _asks_for_files(self, span: Span) -> bool:
        """Whether so many commits between are unread that those which touch the fix's files are asked for by file."""
        return not span.complete or sum(1 for c in span.commits if self._is_unread(c)) > _READ_WHOLE

    def _is_unread(self, commit: Commit) -> bool:
        return len(commit.parents) < 2 and self._remembered(commit.sha) is None

    async def _steps(
        self, fix: CommitSha, running: CommitSha, own: _Read | None, span: Span
    ) -> tuple[list[Step], frozenset[str], str]:
        """Commits between that touch the fix's files, ancestors before descendants; the files that they touch; and what was
        not read of them, if anything."""
        between = [commit for commit in span.commits if len(commit.parents) < 2]
        if own is None:
            return [_step(commit) for commit in between], frozenset(), "what it changes was not read" if between else ""
        lacking = ""
        paths = own.change.paths
        moved: set[str] = set()
        if self._asks_for_files(span):
            known = {path: one for path in paths[:_PATHS] if (one := self._touching(running, path)) is not None}
            if not known or len(known) < len(paths[:_PATHS]):
                lacking = "which commits touch its files was not read"
                return [_step(c) for c in between], frozenset(paths), lacking
            if any(not one.complete and fix not in one.shas for one in known.values()):
                lacking = "more commits touch its files than GitHub lists"
            before = {
                sha for one in known.values() if fix in one.shas for sha in one.shas[one.shas.index(fix) :]
            }  # fmt: skip
            inside = {commit.sha for commit in between}
            touching = dict.fromkeys(
                sha
                for one in known.values()
                for sha in one.shas
                if (sha in inside if span.complete else sha not in before)
            )
            moved |= {path for path, one in known.items() if set(one.shas) & touching.keys()}
            if span.complete:
                between = [commit for commit in between if commit.sha in touching]
            else:
                seen = [commit for sha in reversed(list(touching)) if (commit := self._graph.get(sha))]
                between = [commit for commit in seen if len(commit.parents) < 2]
        merged: tuple[str, ...] | None = self._memory.get(self._key("pulls", fix))
        if merged is None and not span.ancestor and between:
            lacking = lacking or "the pull request that it belongs to was not read"
        steps: list[Step] = []
        unread = 0
        for commit in between:
            try:
                read = await self._commit(commit.sha)
            except _NotRead:
                read = None
            if read is None:
                unread += 1
                moved |= {*paths}
                steps.append(_step(commit, Carries.PULL_REQUEST if commit.sha in (merged or ()) else None))
                continue
            moved |= {*read.change.paths}
            same, inverse = own.change.is_in(read.change), own.change.is_in(read.change, undone=True)
            if commit.sha in (merged or ()):
                steps.append(_step(commit, Carries.PULL_REQUEST))
            elif {*read.change.paths} & {*paths} or same is None:
                steps.append(_step(commit, Carries.SAME if same else None, inverse=bool(inverse)))
                if None in (same, inverse) and not (same or inverse):
                    lacking = lacking or f"GitHub does not give all that {commit.sha[:12]} or the fix changes"
        if unread:
            lacking = lacking or f"{unread} commits that may touch its files were not read"
        return steps, frozenset(moved), lacking

    def _brought(self, name: str) -> frozenset[str]:
        """What a reverted merge brought. Any merge that brought a carrier lies between, so it is known."""
        found = self._graph.named(name)
        if len(found) != 1 or len(found[0].parents) < 2:
            return frozenset()
        span = self._graph.between(found[0].parents[0], found[0].sha)
        return frozenset(commit.sha for commit in span.commits) if span is not None else frozenset()

    async def _undone(self, carrier: CommitSha, reverts: Iterable[CommitSha]) -> bool:
        """Whether a revert came after the carrier."""
        for revert in reverts:
            after = self._graph.descends(carrier, revert)
            if after is None:
                span = await self._span(carrier, revert)
                after = span is None or span.ancestor
            if after:
                return True
        return False

    # --- what was deployed ---

    async def deployments(self, environment: str) -> tuple[Deployed, ...]:
        owner, name = self._repository.split("/", 1)
        with self._asking("query", "deployments"):
            data, _ = await self._session.query_parts(_DEPLOYMENTS, owner=owner, name=name, environment=environment)
        found: list[Deployed] = []
        for node in dig(data, "repository", "deployments", "nodes") or ():
            statuses = dig(node, "statuses", "nodes") or ()
            done = [_time(status["createdAt"]) for status in statuses if status["state"] == "SUCCESS"]
            if done and node["commitOid"]:
                found.append(Deployed(CommitSha(node["commitOid"]), _time(node["createdAt"]), min(done)))
        return tuple(found)

    # --- files ---

    async def paths(self, sha: CommitSha) -> tuple[str, ...]:
        key = self._key("tree", sha)
        paths: tuple[str, ...] | None = self._memory.get(key)
        if paths is None:
            raw = await self._get("tree", f"/git/trees/{sha}", recursive="1")
            if raw is None:
                raise _refused(f"GitHub has no files of {sha[:12]}")
            if raw.get("truncated"):
                raise _refused("the repository's list of files is too long for GitHub to give")
            paths = tuple(item["path"] for item in raw["tree"] if item["type"] == "blob")
            self._memory.put(key, paths)
        return paths

    async def file(self, sha: CommitSha, path: str) -> str | None:
        if (ask := self._ask_file(sha, path)) is not None:
            self._keep_files([ask], await self._query([ask]))
        known: tuple[str | None] | None = self._memory.get(self._key("file", sha, path))
        if known is None:  # cut short in the answer to a query
            raw = await self._get("file", f"/contents/{quote(path)}", ref=sha)
            known = (_text(raw) if dig(raw, "type") == "file" else None,)
            self._memory.put(self._key("file", sha, path), known)
        return known[0]

    def _ask_file(self, sha: CommitSha, path: str) -> _Ask | None:
        """None when it is known."""
        if self._memory.get(self._key("file", sha, path)) is not None:
            return None
        if not path or "\n" in path or (path.startswith(("./", "../", "/"))):
            self._memory.put(self._key("file", sha, path), (None,))
            return None
        return _Ask(f"{sha}:{path}", "text")

    def _keep_files(self, asked: Sequence[_Ask], answers: Sequence[Any]) -> None:
        for ask, answer in zip(asked, answers, strict=True):
            sha, _, path = ask.expression.partition(":")
            no_text = dig(answer, "isBinary") or int(dig(answer, "byteSize") or 0) > _FILE_LIMIT
            if answer is not _UNANSWERED and (no_text or not dig(answer, "isTruncated")):
                self._memory.put(self._key("file", sha, path), (None if no_text else dig(answer, "text"),))

    async def blame(self, sha: CommitSha, path: str, line: int) -> LineBlame | None:
        if line < 1:
            return None
        if (ask := self._ask_blame(sha, path)) is not None:
            self._keep_blames([ask], await self._query([ask]))
        for one in self._memory.get(self._key("blame", sha, path)) or ():
            if one["startingLine"] <= line <= one["endingLine"]:
                commit = one["commit"]
                author = dig(commit, "author", "name") or ""
                at = _time(commit["committedDate"])
                return LineBlame(CommitSha(commit["oid"]), at, cut(author), cut(commit["messageHeadline"]))
        return None

    def _ask_blame(self, sha: CommitSha, path: str) -> _Ask | None:
        known = self._memory.get(self._key("blame", sha, path))
        return _Ask(sha, "blame", path) if known is None else None

    def _keep_blames(self, asked: Sequence[_Ask], answers: Sequence[Any]) -> None:
        for ask, answer in zip(asked, answers, strict=True):
            if answer is not _UNANSWERED:
                key = self._key("blame", ask.expression, ask.path or "")
                self._memory.put(key, dig(answer, "blame", "ranges") or [])

    # --- asking ---

    async def _commit(self, name: CommitSha) -> _Read | None:
        """With its changes; None when there is no such commit."""
        read = self._remembered(name)
        if read is None:
            raw = await self._get("commit", f"/commits/{quote(name, safe='')}")
            if raw is None or raw["sha"] != name:
                return None
            read = _Read(_commit(raw), _change(raw.get("files") or ()))
            self._memory.put(self._key("commit", name), read)
        self._graph.learn(read.commit)
        return read

    def _remembered(self, sha: str) -> _Read | None:
        read: _Read | None = self._memory.get(self._key("commit", sha))
        return read

    def _key(self, *parts: str) -> tuple[str, ...]:
        return (self._repository, *parts)

    @contextmanager
    def _asking(self, kind: str, what: str = "contents") -> Generator[None]:
        """One call: its allowance, and what it means when GitHub refuses or does not answer."""
        spent = self._spent.get(kind, 0)
        if self._session.calls >= self._limit or spent >= ALLOWED[kind]:
            raise _NotRead("the calls that one audit may make of GitHub are spent", again="what was read is remembered")
        if len(self._failures) >= _FAILURES:
            raise _NotRead(self._failures[-1])
        self._spent[kind] = spent + 1
        try:
            yield
        except Refused as refused:
            raise _refused(str(refused), f"give the App the permission to read {what}") from refused
        except Unavailable as out:
            # Nobody is let in before a limit is over; all else may be the trouble of this one answer.
            self._failures += [str(out)] * (1 if out.retry_after is None else _FAILURES)
            raise _NotRead(str(out)) from out

    async def _get(self, kind: str, path: str, *, absent: Sequence[int] = (404, 409, 422), **params: Any) -> Any:
        """None when there is no such thing."""
        with self._asking(kind):
            try:
                return await self._session.get(f"/repos/{self._repository}{path}", **params)
            except Refused as refused:
                if refused.status in absent:
                    return None
                raise

    async def _query(self, asked: Sequence[_Ask]) -> list[Any]:
        """One call for many objects, answered in order; None for what is not there, `_UNANSWERED` for what met an error. All
        text is given as variables."""
        if not asked:
            return []
        variables: dict[str, str] = dict(zip(("owner", "name"), self._repository.split("/", 1), strict=True))
        lines: list[str] = []
        for number, ask in enumerate(asked):
            variables[f"e{number}"] = ask.expression
            if ask.path is not None:
                variables[f"p{number}"] = ask.path
            lines.append(
                f"    o{number}: object(expression: $e{number}) {{ {_WANTED[ask.wanted].replace('$path', f'$p{number}')} }}"
            )
        declared = ", ".join(f"${name}: String!" for name in variables)
        document = (
            f"query({declared}) {{\n  repository(owner: $owner, name: $name) {{\n" + "\n".join(lines) + "\n  }\n}"
        )
        with self._asking("query"):
            data, unanswered = await self._session.query_parts(document, **variables)
        names = [f"o{number}" for number in range(len(asked))]
        return [_UNANSWERED if name in unanswered else dig(data, "repository", name) for name in names]

    def _learn(self, raw: Mapping[str, Any]) -> Commit:
        return self._learned(_commit(raw))

    def _learn_node(self, node: Mapping[str, Any]) -> Commit:
        subject, _, body = str(node["message"]).partition("\n")
        return self._learned(
            Commit(
                sha=CommitSha(node["oid"]),
                parents=tuple(CommitSha(parent["oid"]) for parent in node["parents"]["nodes"]),
                committed_at=_time(node["committedDate"]),
                author=cut(dig(node, "author", "name") or ""),
                subject=cut(subject.strip()),
                body=cut(body.strip()),
                url=node.get("url"),
            )
        )

    def _learned(self, commit: Commit) -> Commit:
        known = self._graph.get(commit.sha)
        if known is None and (read := self._remembered(commit.sha)) is not None:
            known = read.commit
        self._graph.learn(known or commit)
        return known or commit


class _NotRead(SourceRefused):
    """The allowance is used up, or GitHub does not answer."""

    def __init__(self, reason: str, *, again: str = "later") -> None:
        meaning = "part of the repository was not read"
        super().__init__("GitHub", reason, meaning=meaning, remedy=f"run the audit again: {again}")


_DEPLOYMENTS = """query($owner: String!, $name: String!, $environment: String!) {
  repository(owner: $owner, name: $name) {
    deployments(first: 50, environments: [$environment], orderBy: {field: CREATED_AT, direction: DESC}) {
      nodes { commitOid createdAt statuses(first: 20) { nodes { state createdAt } } } } } }"""
_NODE = "oid message committedDate url author { name } parents(first: 10) { nodes { oid } }"
_WANTED = {
    "commit": f"... on Commit {{ {_NODE} }}",
    "past": f"... on Commit {{ history(first: {_PER_PAGE}) {{ nodes {{ {_NODE} }} }} }}",
    "touching": f"... on Commit {{ history(first: {_PER_PAGE}, path: $path) {{ nodes {{ {_NODE} }}"
    " pageInfo { hasNextPage } } }",
    "pulls": "... on Commit { associatedPullRequests(first: 5) { nodes { merged mergeCommit { oid } } } }",
    "text": "... on Blob { text isBinary isTruncated byteSize }",
    "blame": "... on Commit { blame(path: $path) { ranges { startingLine endingLine commit { oid committedDate messageHeadline"
    " author { name } } } } }",
}


def _parts(items: Sequence[_Part], size: int) -> Iterator[Sequence[_Part]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _unknown(fix: CommitSha, running: CommitSha, reason: str) -> ContainmentFact:
    return ContainmentFact(fix, running, Containment.UNKNOWN, None, reason)


def _step(commit: Commit, same: Carries | None = None, *, inverse: bool = False) -> Step:
    return Step(commit.sha, commit.subject, f"{commit.subject}\n\n{commit.body}", same, inverse)


def _commit(raw: Mapping[str, Any]) -> Commit:
    details = raw["commit"]
    subject, _, body = str(details["message"]).partition("\n")
    return Commit(
        sha=CommitSha(raw["sha"]),
        parents=tuple(CommitSha(parent["sha"]) for parent in raw.get("parents", ())),
        committed_at=_time(dig(details, "committer", "date") or dig(details, "author", "date")),
        author=cut(dig(details, "author", "name") or ""),
        subject=cut(subject.strip()),
        body=cut(body.strip()),
        changes=parse_patch(cut_patch(_as_patch(raw.get("files") or ()), PATCH_LIMIT)),
        url=raw.get("html_url"),
    )


def _names(file: Mapping[str, Any]) -> tuple[str, str]:
    """What the file is called, and what it was called before."""
    return file["filename"], file.get("previous_filename") or file["filename"]


def _as_patch(files: Iterable[Mapping[str, Any]]) -> str:
    """The files of an answer as the one text that they were cut from."""
    parts: list[str] = []
    for file in files:
        new, old = _names(file)
        status = file.get("status")
        parts.append(f"diff --git a/{old} b/{new}")
        if status == "renamed":
            parts.append(f"rename from {old}\nrename to {new}")
        if patch := file.get("patch"):
            parts.append("--- /dev/null" if status == "added" else f"--- a/{old}")
            parts.append("+++ /dev/null" if status == "removed" else f"+++ b/{new}")
            parts.append(patch)
    return "\n".join(parts)


def _change(files: Sequence[Mapping[str, Any]]) -> _Change:
    paths: dict[str, None] = {}
    lines: dict[str, tuple[str, str]] = {}
    undoing: dict[str, tuple[str, str]] = {}
    blobs: dict[str, str] = {}
    signs = 0
    for file in files:
        new, old = _names(file)
        paths |= {new: None, old: None}
        if not (patch := file.get("patch")) and (file.get("status") != "renamed" or file.get("changes")):
            blobs[new] = str(file.get("sha"))
            signs += NEEDED_SIGNS
            continue
        sides = {sign: [line[1:] for line in (patch or "").split("\n") if line[:1] == sign] for sign in "-+"}
        removed, added = (
            hashlib.sha256("\n".join("".join(line.split()) for line in sides[sign]).encode()).hexdigest()
            for sign in "-+"
        )
        lines[new], undoing[old] = (removed, added), (added, removed)
        signs += sum(sign.isalnum() for side in sides.values() for line in side for sign in line)
    return _Change(tuple(paths), lines, undoing, blobs, signs, len(files) < _LISTED_FILES)


def _text(raw: Mapping[str, Any]) -> str | None:
    if raw.get("encoding") != "base64" or int(raw.get("size", 0)) > _FILE_LIMIT:
        return None
    try:
        data = base64.b64decode(str(raw.get("content", "")))
    except binascii.Error:
        return None
    return None if b"\0" in data[:8000] else data.decode("utf-8", errors="replace")


def _time(value: str | None) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC) if value else datetime.fromtimestamp(0, UTC)


def _refused(reason: str, remedy: str | None = None) -> SourceRefused:
    return SourceRefused("GitHub", reason, meaning="what the repository would tell is missing here", remedy=remedy)

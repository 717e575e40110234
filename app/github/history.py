"""History of a repository by the GitHub API: the `History` that a server without a clone uses.

Owns the allowance of calls, the asking for many things at once, and what is known without asking: commits never change, so
what one audit read serves the next ones of the process. Ancestry is worked out from parents as far as they are known, else
it is GitHub's own comparison; never dates. What the allowance does not reach is refused or UNKNOWN with that reason, never
guessed. Leaves the choice of what is read to `app/history.py` and every verdict to `diagnosis/`.
"""

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from app.diagnosis.carried import Carries, Step, follow, reverted_by, settle
from app.diagnosis.changes import parse_patch
from app.errors import SourceRefused
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
_AT_ONCE = 40
"""Objects of one query."""
_BLAMES_AT_ONCE = 6
"""Blames are slow, and a query has ten seconds."""
_PATHS = 8
"""Files of a fix whose past is asked for."""
_READ_WHOLE = 2
"""So few unread commits are read one by one; of more, only those that touch the fix's files."""
_NEEDED_SIGNS = 8
"""Letters and digits that a change must hold before an equal change elsewhere counts as the same one."""
ALLOWED = {"list": 2, "commit": 9, "compare": 5, "query": 8, "file": 2, "tree": 2}
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


class _Touching(NamedTuple):
    """Newest commits that touch a file, as of some commit; not `complete`: there are older ones."""

    shas: tuple[CommitSha, ...]
    complete: bool


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
        await self._name([name])
        return self._named[name]

    async def commits(self, shas: Sequence[CommitSha]) -> tuple[Commit, ...]:
        """Those that the allowance does not reach come without changes, as far as they are known."""
        found: list[Commit] = []
        for sha in shas:
            try:
                commit = await self._commit(sha)
            except _Spent:
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
                raw = await self._get("list", "/commits", per_page=_PER_PAGE, page=self._pages + 1)
            except _Spent:
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
                files |= {(running, path): None for path in _paths(own)[:_PATHS]}
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
        key = self._key("contains", fix, running)
        fact: ContainmentFact | None = self._memory.get(key)
        if fact is None:
            try:
                fact = await self._containment(fix, running)
            except _Spent as spent:
                return _unknown(fix, running, spent.reason)
            if fact.state is not Containment.UNKNOWN:
                self._memory.put(key, fact)
        return fact

    async def _containment(self, fix: CommitSha, running: CommitSha) -> ContainmentFact:
        if fix == running:
            return ContainmentFact(fix, running, Containment.CONTAINED, None, "it is the running commit")
        span = await self._span(fix, running)
        if span is None:
            return _unknown(fix, running, "GitHub knows no comparison of the two commits")
        own: Commit | None = None
        if span.commits or not span.complete:
            try:
                own = await self._commit(fix)
                await self._learn_ways([(fix, running)])
            except _Spent:
                pass  # what is lacking is told by what was not read
        steps, doubt, listed = await self._steps(fix, running, own, span)
        subject = own.subject if own is not None else ""
        how = "it is an ancestor of the running commit" if span.ancestor else None
        brought = {name: self._brought(name) for step in steps for name in reverted_by(step.message)}
        trail = follow(fix, subject, steps, ancestor=how, brought=brought)
        alive = [sha for sha in trail.carriers if not await self._undone(sha, trail.reverts)]
        settled = settle(fix, running, trail, alive)
        if settled is not None and (listed or alive != [fix]):
            note = f"; that nothing undoes it in silence was not seen: {doubt}" if doubt and alive == [fix] else ""
            return replace(settled, reason=settled.reason + note)
        if doubt:
            return _unknown(fix, running, doubt)
        compared = f"none of {len(steps)} commits that touch its files makes the same change" if steps else ""
        reason = f"no ancestor, and {compared or 'no commit since touches its files'}"
        if part := next((step for step in steps if own and self._makes_part(own, step.sha)), None):
            return _unknown(
                fix,
                running,
                f"no ancestor; {part.sha[:12]} makes its change among others, and nothing says that it carries it",
            )
        return ContainmentFact(fix, running, Containment.ABSENT, None, reason)

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
        self, fix: CommitSha, running: CommitSha, own: Commit | None, span: Span
    ) -> tuple[list[Step], str, bool]:
        """Commits between that touch the fix's files, ancestors before descendants; what was not read of them, if anything;
        and whether at least every message was."""
        between = [commit for commit in span.commits if len(commit.parents) < 2]
        if own is None:
            return (
                [_step(commit) for commit in between],
                "what it changes was not read" if between else "",
                span.complete,
            )
        lacking = ""
        listed = True
        paths = _paths(own)
        if self._asks_for_files(span):
            known = [self._touching(running, path) for path in paths]
            if not paths or None in known:
                return [_step(c) for c in between], "which commits touch its files was not read", span.complete
            told = [one for one in known if one is not None]
            if any(not one.complete and fix not in one.shas for one in told):
                lacking, listed = "more commits touch its files than GitHub lists", span.complete
            touching = dict.fromkeys(sha for one in told for sha in one.shas)
            if span.complete:
                between = [commit for commit in between if commit.sha in touching]
            else:
                before = {sha for one in told if fix in one.shas for sha in one.shas[one.shas.index(fix) :]}
                seen = [c for sha in reversed(list(touching)) if sha not in before and (c := self._graph.get(sha))]
                between = [commit for commit in seen if len(commit.parents) < 2]
        merged: tuple[str, ...] | None = self._memory.get(self._key("pulls", fix))
        if merged is None and not span.ancestor and between:
            lacking = lacking or "the pull request that it belongs to was not read"
        steps: list[Step] = []
        unread = 0
        for commit in between:
            try:
                whole = await self._commit(commit.sha)
            except _Spent:
                whole = None
            if commit.sha in (merged or ()):
                steps.append(_step(commit, Carries.PULL_REQUEST))
            elif whole is None:
                unread += 1
                steps.append(_step(commit))
            elif set(_paths(whole)) & set(paths):
                same = Carries.SAME if _lines(whole) == _lines(own) and _significant(own) else None
                inverse = _lines(whole) == _lines(own, inverse=True) and _significant(own)
                steps.append(_step(commit, same, inverse=inverse))
        if unread:
            lacking = lacking or f"{unread} commits that may touch its files were not read"
        return steps, lacking, listed

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

    def _makes_part(self, own: Commit, sha: CommitSha) -> bool:
        """Whether a commit makes all of the fix's change and more, as a squashed branch does."""
        other = self._remembered(sha)
        if other is None or not _significant(own):
            return False
        theirs = {path: (removed, added) for path, removed, added in _lines(other)}
        return all(
            path in theirs and set(removed) <= set(theirs[path][0]) and set(added) <= set(theirs[path][1])
            for path, removed, added in _lines(own)
        )

    # --- what was deployed ---

    async def deployments(self, environment: str) -> tuple[Deployed, ...]:
        self._spend("query")
        owner, name = self._repository.split("/", 1)
        try:
            data = await self._session.query_parts(_DEPLOYMENTS, owner=owner, name=name, environment=environment)
        except Refused as refused:
            raise _refused(str(refused), "give the App the permission to read deployments") from refused
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
            if raw is None or raw.get("truncated"):
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
            if dig(answer, "isTruncated"):
                continue
            text = (
                None
                if dig(answer, "isBinary") or int(dig(answer, "byteSize") or 0) > _FILE_LIMIT
                else dig(answer, "text")
            )
            self._memory.put(self._key("file", sha, path), (text,))

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
            self._memory.put(self._key("blame", ask.expression, ask.path or ""), dig(answer, "blame", "ranges") or [])

    # --- asking ---

    async def _commit(self, name: CommitSha) -> Commit | None:
        """With its changes; None when there is no such commit."""
        commit = self._remembered(name)
        if commit is None:
            raw = await self._get("commit", f"/commits/{quote(name, safe='')}")
            if raw is None or raw["sha"] != name:
                return None
            commit = _commit(raw)
            self._memory.put(self._key("commit", commit.sha), commit)
        self._graph.learn(commit)
        return commit

    def _remembered(self, sha: str) -> Commit | None:
        commit: Commit | None = self._memory.get(self._key("commit", sha))
        return commit

    def _key(self, *parts: str) -> tuple[str, ...]:
        return (self._repository, *parts)

    def _spend(self, kind: str) -> None:
        spent = self._spent.get(kind, 0)
        if self._session.calls >= self._limit or spent >= ALLOWED[kind]:
            raise _Spent(
                "GitHub",
                "the calls that one audit may make of GitHub are spent",
                meaning="part of the repository was not read",
                remedy="run the audit again: what was read is remembered",
            )
        self._spent[kind] = spent + 1

    async def _get(self, kind: str, path: str, **params: Any) -> Any:
        """None when there is no such thing."""
        self._spend(kind)
        try:
            return await self._session.get(f"/repos/{self._repository}{path}", **params)
        except Refused as refused:
            if refused.status in (404, 409, 422):
                return None
            raise _refused(str(refused), "give the App the permission to read contents") from refused

    async def _query(self, asked: Sequence[_Ask]) -> list[Any]:
        """One call for many objects, answered in order; None for what is not there. All text is given as variables."""
        if not asked:
            return []
        self._spend("query")
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
        try:
            data = await self._session.query_parts(document, **variables)
        except Refused as refused:
            raise _refused(str(refused), "give the App the permission to read contents") from refused
        return [dig(data, "repository", f"o{number}") for number in range(len(asked))]

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
        known = self._graph.get(commit.sha) or self._remembered(commit.sha)
        self._graph.learn(known or commit)
        return known or commit


class _Spent(SourceRefused):
    """The allowance is used up."""


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
        changes=parse_patch(cut_patch(_as_patch(raw.get("files") or ()))),
        url=raw.get("html_url"),
    )


def _as_patch(files: Iterable[Mapping[str, Any]]) -> str:
    """The files of an answer as the one text that they were cut from."""
    parts: list[str] = []
    for file in files:
        new, old = file["filename"], file.get("previous_filename") or file["filename"]
        status = file.get("status")
        parts.append(f"diff --git a/{old} b/{new}")
        if status == "renamed":
            parts.append(f"rename from {old}\nrename to {new}")
        if patch := file.get("patch"):
            parts.append("--- /dev/null" if status == "added" else f"--- a/{old}")
            parts.append("+++ /dev/null" if status == "removed" else f"+++ b/{new}")
            parts.append(patch)
    return "\n".join(parts)[:100_000]


def _paths(commit: Commit) -> tuple[str, ...]:
    paths = (path for change in commit.changes for path in (change.path, change.old_path) if path)
    return tuple(dict.fromkeys(paths))


def _lines(commit: Commit, *, inverse: bool = False) -> list[tuple[str, list[str], list[str]]]:
    """What a commit changes, file by file, without where and without blanks: its identity when its surroundings moved."""
    told: list[tuple[str, list[str], list[str]]] = []
    for change in commit.changes:
        removed = ["".join(text.split()) for hunk in change.hunks for _, text in hunk.removed]
        added = ["".join(text.split()) for hunk in change.hunks for _, text in hunk.added]
        path = (change.old_path or change.path) if inverse else (change.path or change.old_path)
        told.append((path or "", added, removed) if inverse else (path or "", removed, added))
    return sorted(told)


def _significant(commit: Commit) -> bool:
    """Whether the changed lines hold enough to be told from a chance likeness (a lone bracket, a binary file)."""
    texts = (text for _, removed, added in _lines(commit) for text in (*removed, *added))
    return sum(1 for text in texts for sign in text if sign.isalnum()) >= _NEEDED_SIGNS


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

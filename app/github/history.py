"""History of a repository by the GitHub API: the `History` that a server without a clone uses.

Owns the allowance of calls and what is known without asking: commits never change, so what one audit read serves the next ones
of the process. Ancestry is GitHub's own comparison, never dates. What the allowance does not reach is refused or UNKNOWN with
that reason, never guessed. Leaves the choice of what is read to `app/history.py` and every verdict to `diagnosis/`.
"""

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from app.diagnosis.changes import parse_patch
from app.errors import SourceRefused
from app.evidence.model import Commit, CommitSha, Containment, ContainmentFact, LineBlame
from app.github.client import Refused, Session, dig, web_address
from app.redact import cut

_SHA = re.compile(r"[0-9a-f]{7,40}\Z")
_FULL = re.compile(r"[0-9a-f]{40}\Z")
_REVERTS = re.compile(r"\breverts commit ([0-9a-f]{7,40})\b", re.IGNORECASE)
_PICKED = re.compile(r"\(cherry picked from commit ([0-9a-f]{7,40})\)")
_FILE_LIMIT = 1 << 20
_RECENT_PAGES = 2
_COMPARED = 250
"""Commits that one comparison lists."""
ALLOWED = {"commit": 8, "compare": 10, "file": 8, "blame": 3, "tree": 2, "pulls": 2}
"""Calls by kind within one audit, so that one question cannot use up what the others need."""


class Memory:
    """What a process knows of a repository: immutable facts only, the least used forgotten first."""

    def __init__(self, size: int = 5_000) -> None:
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


class GitHubHistory:
    """One audit's view. `limit` bounds all calls of its session, by whomever."""

    def __init__(self, session: Session, repository: str, *, limit: int, memory: Memory = _memory) -> None:
        self._session = session
        self._repository = repository
        self._limit = limit
        self._known = memory
        self._spent: dict[str, int] = {}
        self._graph: dict[str, Commit] = {}
        self._head: CommitSha | None = None
        self._web = f"{web_address(session.github.base_url)}/{repository}"

    @property
    def web(self) -> str | None:
        return self._web

    async def head(self) -> CommitSha:
        if self._head is None:
            await self.recent(limit=100)
        if self._head is None:
            raise _refused("the repository has no commits")
        return self._head

    async def resolve(self, name: str) -> CommitSha | None:
        name = name.lower()
        if not _SHA.match(name):
            return None
        if name in self._graph:
            return CommitSha(name)
        commit = await self._commit(name)
        return commit.sha if commit is not None else None

    async def commits(self, shas: Sequence[CommitSha]) -> tuple[Commit, ...]:
        found: list[Commit] = []
        for sha in shas:
            try:
                commit = await self._commit(sha)
            except _Spent:
                commit = self._graph.get(sha)  # without its changes, which says "not fetched"
            if commit is not None:
                found.append(commit)
        return tuple(found)

    async def recent(self, *, limit: int) -> tuple[Commit, ...]:
        pages = min(_RECENT_PAGES, -(-limit // 100))
        found: list[Commit] = []
        for page in range(1, pages + 1):
            raw = await self._get(None, "/commits", per_page=100, page=page)
            found += [self._learn(item) for item in raw or ()]
            if not raw or len(raw) < 100:
                break
        if found and self._head is None:
            self._head = found[0].sha
        return tuple(found[:limit])

    async def between(
        self, previous: CommitSha, running: CommitSha, *, limit: int
    ) -> tuple[tuple[CommitSha, ...], bool]:
        answer = await self._compare(previous, running)
        if answer is None:
            raise _refused(f"GitHub has no comparison of {previous[:12]} and {running[:12]}")
        shas = [CommitSha(c["sha"]) for c in reversed(answer["commits"])]
        complete = answer["total_commits"] <= len(shas) <= limit
        return tuple(shas[:limit]), complete

    # --- is a fix in what runs? ---

    async def containment(self, fix: CommitSha, running: CommitSha) -> ContainmentFact:
        key = (self._repository, "contains", fix, running)
        fact: ContainmentFact | None = self._known.get(key)
        if fact is None:
            try:
                fact = await self._containment(fix, running)
            except _Spent as spent:
                return ContainmentFact(fix, running, Containment.UNKNOWN, None, str(spent.reason))
            if fact.state is not Containment.UNKNOWN:
                self._known.put(key, fact)
        return fact

    async def _containment(self, fix: CommitSha, running: CommitSha) -> ContainmentFact:
        def fact(state: Containment, reason: str, via: CommitSha | None = None) -> ContainmentFact:
            return ContainmentFact(fix, running, state, via, reason)

        if fix == running:
            return fact(Containment.CONTAINED, "it is the running commit")
        answer = await self._compare(fix, running)
        if answer is None:
            return fact(Containment.UNKNOWN, "GitHub knows no comparison of the two commits")
        later = [self._learn(raw) for raw in answer["commits"]]
        complete = answer["total_commits"] <= len(later)
        ancestor = answer["status"] in ("ahead", "identical")
        carrier: CommitSha | None = fix if ancestor else None
        reason = "GitHub's comparison says that it is an ancestor of the running commit"
        if carrier is None and (merged := await self._merged_as(fix, later)) is not None:
            carrier, reason = merged, f"carried by {merged[:12]}, the commit that its pull request was merged as"
        undone: CommitSha | None = None
        for commit in later:  # oldest first
            text = f"{commit.subject}\n{commit.body}"
            reverted: list[str] = _REVERTS.findall(text.lower())
            picked = _PICKED.findall(text)
            if undone is not None and _names(reverted, (undone,)):
                carrier, undone = commit.sha, None
                reason = f"carried by {commit.sha[:12]}, which takes the revert back"
            elif _names(reverted, (fix, *((carrier,) if carrier else ()))):
                undone = commit.sha
            elif carrier is None and _names(picked, (fix,)):
                carrier = commit.sha
                reason = f"carried by {commit.sha[:12]}, which says that it was picked from it"
        if carrier is None:
            carrier = await self._same_change(fix, later)
            if carrier is not None:
                reason = f"carried by {carrier[:12]}, which makes the same change"
        if undone is not None and carrier is not None:
            return fact(Containment.REVERTED, f"undone by {undone[:12]}, which says that it reverts it", undone)
        if carrier == fix:
            if complete:
                return fact(Containment.CONTAINED, reason)
            return fact(
                Containment.CONTAINED, f"{reason}; the {len(later)} listed commits after it hold no revert of it"
            )
        if carrier is not None:
            return fact(Containment.EQUIVALENT, reason, carrier)
        if not complete:
            return fact(Containment.UNKNOWN, f"no ancestor, and only {len(later)} of the commits between were compared")
        return fact(
            Containment.ABSENT, f"no ancestor, and none of {len(later)} commits says or shows that it carries it"
        )

    async def _merged_as(self, fix: CommitSha, later: Sequence[Commit]) -> CommitSha | None:
        """The squash or merge commit of the fix's pull request, when it is among `later`."""
        try:
            pulls = await self._get("pulls", f"/commits/{fix}/pulls")
        except _Spent:
            return None
        merged = {pull.get("merge_commit_sha") for pull in pulls or () if pull.get("merged_at")}
        return next((commit.sha for commit in later if commit.sha in merged), None)

    async def _same_change(self, fix: CommitSha, later: Sequence[Commit]) -> CommitSha | None:
        """A commit of the same subject that adds and removes the same lines; subjects choose, changes decide."""
        own = await self._commit(fix)
        if own is None or not own.changes:
            return None
        for candidate in later:
            if candidate.subject.partition(" (#")[0] != own.subject.partition(" (#")[0]:
                continue
            other = await self._commit(candidate.sha)
            if other is not None and _lines(other) == _lines(own):
                return other.sha
        return None

    # --- files ---

    async def paths(self, sha: CommitSha) -> tuple[str, ...]:
        key = (self._repository, "tree", sha)
        paths: tuple[str, ...] | None = self._known.get(key)
        if paths is None:
            raw = await self._get("tree", f"/git/trees/{sha}", recursive="1")
            if raw is None or raw.get("truncated"):
                raise _refused("the repository's list of files is too long for GitHub to give")
            paths = tuple(item["path"] for item in raw["tree"] if item["type"] == "blob")
            self._known.put(key, paths)
        return paths

    async def file(self, sha: CommitSha, path: str) -> str | None:
        key = (self._repository, "file", sha, path)
        known: tuple[str | None] | None = self._known.get(key)
        if known is None:
            raw = await self._get("file", f"/contents/{quote(path)}", ref=sha)
            known = (_text(raw) if dig(raw, "type") == "file" else None,)
            self._known.put(key, known)
        return known[0]

    async def blame(self, sha: CommitSha, path: str, line: int) -> LineBlame | None:
        if line < 1:
            return None
        key = (self._repository, "blame", sha, path)
        ranges: list[Any] | None = self._known.get(key)
        if ranges is None:
            self._spend("blame")
            owner, _, name = self._repository.partition("/")
            try:
                data = await self._session.query(_BLAME, owner=owner, name=name, sha=sha, path=path)
            except Refused as refused:
                raise _refused(str(refused)) from refused
            ranges = dig(data, "repository", "object", "blame", "ranges") or []
            self._known.put(key, ranges)
        for one in ranges or ():
            if one["startingLine"] <= line <= one["endingLine"]:
                commit = one["commit"]
                author = dig(commit, "author", "name") or ""
                at = _time(commit["committedDate"])
                return LineBlame(CommitSha(commit["oid"]), at, cut(author), cut(commit["messageHeadline"]))
        return None

    # --- asking ---

    async def _commit(self, name: str) -> Commit | None:
        """With its changes. A short id is resolved by GitHub, which refuses an ambiguous one."""
        key = (self._repository, "commit", name)
        commit: Commit | None = self._known.get(key)
        if commit is None:
            raw = await self._get("commit", f"/commits/{quote(name, safe='')}")
            if raw is None or not str(raw["sha"]).startswith(name):
                return None
            commit = self._learn(raw)
            self._known.put((self._repository, "commit", commit.sha), commit)
            self._known.put(key, commit)
        self._graph[commit.sha] = commit
        return commit

    async def _compare(self, base: CommitSha, head: CommitSha) -> Mapping[str, Any] | None:
        key = (self._repository, "compare", base, head)
        answer: Mapping[str, Any] | None = self._known.get(key)
        if answer is None:
            raw = await self._get("compare", f"/compare/{base}...{head}")
            if raw is None:
                return None
            kept = [
                {name: item[name] for name in ("sha", "parents", "commit", "html_url")}
                for item in raw["commits"][:_COMPARED]
            ]
            answer = {"status": raw["status"], "total_commits": raw["total_commits"], "commits": kept}
            self._known.put(key, answer)
        return answer

    def _spend(self, kind: str | None) -> None:
        spent = self._spent.get(kind or "", 0)
        if self._session.calls >= self._limit or (kind is not None and spent >= ALLOWED[kind]):
            raise _Spent(
                "GitHub",
                "the calls that one audit may make of GitHub are spent",
                meaning="part of the repository was not read",
                remedy="run the audit again: what was read is remembered",
            )
        self._spent[kind or ""] = spent + 1

    async def _get(self, kind: str | None, path: str, **params: Any) -> Any:
        """None when there is no such thing."""
        self._spend(kind)
        try:
            return await self._session.get(f"/repos/{self._repository}{path}", **params)
        except Refused as refused:
            if refused.status in (404, 409, 422):
                return None
            raise _refused(str(refused), "give the App the permission to read contents") from refused

    def _learn(self, raw: Mapping[str, Any]) -> Commit:
        commit = _commit(raw)
        known = self._graph.get(commit.sha)
        if known is not None and known.changes:
            return known
        self._graph[commit.sha] = commit
        return commit


class _Spent(SourceRefused):
    """The allowance is used up."""


_BLAME = """query($owner: String!, $name: String!, $sha: String!, $path: String!) {
  repository(owner: $owner, name: $name) { object(expression: $sha) { ... on Commit { blame(path: $path) {
    ranges { startingLine endingLine commit { oid committedDate messageHeadline author { name } } } } } } } }"""


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
        changes=parse_patch(cut(_as_patch(raw.get("files") or ()))),
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


def _lines(commit: Commit) -> list[tuple[str | None, list[str], list[str]]]:
    """What a commit changes, without where: its identity when its surroundings moved."""
    return [
        (
            change.path or change.old_path,
            [text for hunk in change.hunks for _, text in hunk.removed],
            [text for hunk in change.hunks for _, text in hunk.added],
        )
        for change in commit.changes
    ]


def _text(raw: Mapping[str, Any]) -> str | None:
    if raw.get("encoding") != "base64" or int(raw.get("size", 0)) > _FILE_LIMIT:
        return None
    try:
        data = base64.b64decode(str(raw.get("content", "")))
    except binascii.Error:
        return None
    return None if b"\0" in data[:8000] else data.decode("utf-8", errors="replace")


def _names(named: Iterable[str], commits: Iterable[str]) -> bool:
    return any(commit.startswith(name) for name in named for commit in commits)


def _time(value: str | None) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC) if value else datetime.fromtimestamp(0, UTC)


def _refused(reason: str, remedy: str | None = None) -> SourceRefused:
    return SourceRefused("GitHub", reason, meaning="what the repository would tell is missing here", remedy=remedy)

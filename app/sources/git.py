"""History of a local clone, read with the git executable.

Owns how git is called: argument lists only, bounded in time and bytes, ids checked before they are arguments. git never
sees the clone's own configuration: it runs on a shadow, a directory of ours that borrows the clone's objects and refs and
holds no configuration, hook, attribute or remote. So nothing that the audited repository configures (hooks, fsmonitor,
external diff, text conversion, aliases, fetch on demand) can run, and ownership (`safe.directory`) is no question.

Leaves the choice of what is read to `history.py` and every verdict to `diagnosis/`.
"""

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.diagnosis.carried import (
    NEEDED_SIGNS,
    Carries,
    Left,
    Step,
    Trail,
    Undoes,
    carrier_of,
    conclude,
    follow,
    left_of,
    reverted_by,
    settle,
)
from app.diagnosis.changes import PATCH_LIMIT, parse_patch
from app.errors import BadInput, SourceRefused
from app.evidence.model import (
    Commit,
    CommitSha,
    Containment,
    ContainmentFact,
    LineBlame,
)
from app.redact import cut, cut_patch

_TIMEOUT = timedelta(seconds=30)
_OUTPUT_LIMIT = 64 << 20
"""Bytes that one call of git may print; a commit that rewrites a repository is shown without its changes."""
_FILE_LIMIT = 1 << 20
_TOUCHING_LIMIT = 3_000
"""Commits between a fix and what runs that touch the fix's files and are compared patch by patch."""
"""Characters of one commit's patch that are kept."""
_CHANGED_FILES_LIMIT = 300
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""What a first commit changed is told against it; git knows it without storing it."""
_TIPS_LIMIT = 20
_BOUNDARY_LIMIT = 50
_UNDOERS_LIMIT = 100
"""Commits that are looked at one by one for the one that took a fix out."""
_TEXTS_LIMIT = 40
"""Files of a fix that are compared with those that run."""

_HEX = re.compile(r"[0-9a-f]{4,40}\Z")
_FULL = re.compile(r"[0-9a-f]{40}\Z")
_BLOB = re.compile(r"([0-9a-f]{40}) blob (\d+)\Z")
_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/+-]{0,200}\Z")
_WEB = re.compile(r"(?:https://|ssh://git@|git@)(?:[^@/\s]*@)?([A-Za-z0-9.-]+)[:/]([\w.-]+)/([\w.-]+?)(?:\.git)?/?\Z")


def open_clone(path: Path, *, timeout: timedelta = _TIMEOUT) -> "Clone":
    """The clone at `path`: a work tree, a linked work tree or a bare repository. Raises `BadInput`."""
    git_dir = _git_dir(path)
    if git_dir is None:
        raise BadInput(f"{path} is not a git repository", fix="Name the root of a clone with --repo.")
    common = git_dir
    if (pointer := git_dir / "commondir").is_file():
        common = (git_dir / pointer.read_text().strip()).resolve()
    shadow = Path(tempfile.mkdtemp(prefix="infra-audit-git-"))
    clone = Clone(shadow, common / "objects", timeout)
    weakref.finalize(clone, shutil.rmtree, shadow, ignore_errors=True)
    (shadow / "objects").mkdir()
    (shadow / "refs").symlink_to(common / "refs")
    for name in ("packed-refs", "shallow"):
        (shadow / name).symlink_to(common / name)
    (shadow / "HEAD").write_bytes((git_dir / "HEAD").read_bytes())

    config = clone.read_config(common / "config")
    for key, value in (("extensions.objectformat", "sha1"), ("extensions.refstorage", "files")):
        if config.get(key, value) != value:
            raise BadInput(f"{path} is stored as {key} {config[key]}", fix="Name a clone in git's usual format.")
    clone.web = _web(config.get("remote.origin.url", ""))
    return clone


def _git_dir(path: Path) -> Path | None:
    """Where the repository of a work tree or bare repository is; found by files alone, git is not asked."""
    path = path.resolve()
    dot = path / ".git"
    if dot.is_file():
        text = dot.read_text(errors="replace")
        if not text.startswith("gitdir:"):
            return None
        return (path / text.removeprefix("gitdir:").strip()).resolve()
    for candidate in (dot, path):
        if (candidate / "HEAD").is_file() and ((candidate / "objects").is_dir() or (candidate / "commondir").is_file()):
            return candidate
    return None


def _web(remote: str) -> str | None:
    """`https://host/owner/name` of a remote on GitHub or a GitHub Enterprise host; user and token are left out."""
    found = _WEB.match(remote)
    return f"https://{found[1]}/{found[2]}/{found[3]}" if found else None


@dataclass(frozen=True, slots=True)
class _Made:
    """What a commit makes of its files: the text of each before and after it, None as of `Clone.file`."""

    carrier: str
    before: Mapping[str, str | None]
    after: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    out: bytes
    error: str
    cut_short: bool


@dataclass(frozen=True, slots=True)
class _Touching:
    """A commit between a fix and what runs that touches the fix's files; `patch` is its patch identity."""

    sha: CommitSha
    subject: str
    message: str
    patch: str | None


@dataclass(slots=True, weakref_slot=True)
class Clone:
    """A History. Made by `open_clone`. Answers are remembered: commits do not change, and one audit asks the same twice."""

    _shadow: Path
    _objects: Path
    _timeout: timedelta
    web: str | None = None
    _known: dict[str, bool] = field(default_factory=dict[str, bool])
    _ancestry: dict[tuple[str, str], bool] = field(default_factory=dict[tuple[str, str], bool])
    _facts: dict[tuple[str, str], ContainmentFact] = field(default_factory=dict[tuple[str, str], ContainmentFact])
    _trees: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    _ignored: dict[str, Path | None] = field(default_factory=dict[str, Path | None])

    # --- names ---

    async def head(self) -> CommitSha:
        """The default branch of the remote as last fetched, else what is checked out."""
        for ref in ("refs/remotes/origin/HEAD", "HEAD"):
            if sha := await self._ref(ref):
                return sha
        raise _refused("the clone has no commit yet")

    async def resolve(self, name: str) -> CommitSha | None:
        """Ids are looked up as ids, so a branch that is named like one cannot stand in for it; then tags and branches."""
        if _HEX.match(name.lower()):
            out = await self._out("rev-parse", f"--disambiguate={name.lower()}")
            found = [sha for sha in out.decode().split() if await self._has(sha)]
            if len(found) == 1:
                return CommitSha(found[0])
            if found or _FULL.match(name.lower()):
                return None
        if not _REF.match(name) or ".." in name:
            return None
        for kind in ("tags", "heads", "remotes/origin"):
            if sha := await self._ref(f"refs/{kind}/{name}"):
                return sha
        return None

    async def _ref(self, ref: str) -> CommitSha | None:
        answer = await self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        sha = answer.out.decode().strip()
        return CommitSha(sha) if answer.status == 0 and _FULL.match(sha) else None

    async def _has(self, sha: str) -> bool:
        """Whether that full id is a commit here."""
        if sha not in self._known:
            await self._look_up((sha,))
        return self._known[sha]

    async def _look_up(self, shas: Iterable[str]) -> None:
        asked = [sha for sha in shas if sha not in self._known]
        fits = [sha for sha in asked if _FULL.match(sha)]
        self._known.update(dict.fromkeys(asked, False))
        if fits:
            out = await self._out("cat-file", "--batch-check", stdin="\n".join(fits) + "\n")
            for line in out.decode().splitlines():
                sha, _, rest = line.partition(" ")
                self._known[sha] = rest.startswith("commit ")

    # --- commits ---

    async def commits(self, shas: Sequence[CommitSha]) -> tuple[Commit, ...]:
        """A merge shows what it changed against its first parent."""
        await self._look_up(shas)
        asked = list(dict.fromkeys(sha for sha in shas if self._known[sha]))
        if not asked:
            return ()
        answer = await self._show(asked)
        if not answer.cut_short:
            found = {commit.sha: commit for commit in _commits(answer.out)}
        else:
            found: dict[CommitSha, Commit] = {}
            for sha in asked:
                alone = await self._show([sha])
                if alone.cut_short:
                    alone = await self._show([sha], "--no-patch")
                found |= {commit.sha: commit for commit in _commits(alone.out)}
        return tuple(self._linked(found[sha]) for sha in asked if sha in found)

    async def _show(self, shas: Sequence[str], *options: str) -> _Answer:
        patch = options or ("--patch", "--unified=3", "--find-renames", "--diff-merges=first-parent")
        plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--src-prefix=a/", "--dst-prefix=b/")
        args = ("log", "--no-walk=unsorted", "--stdin", _FORMAT, *patch, *plain)
        return await self._run(*args, stdin="\n".join(shas) + "\n", must=True)

    async def recent(self, *, limit: int) -> tuple[Commit, ...]:
        head = await self.head()
        out = await self._out("log", f"--max-count={limit}", "--no-patch", _FORMAT, "--end-of-options", head)
        return tuple(self._linked(commit) for commit in _commits(out))

    def _linked(self, commit: Commit) -> Commit:
        if self.web is None:
            return commit
        return Commit(
            commit.sha,
            commit.parents,
            commit.committed_at,
            commit.author,
            commit.subject,
            commit.body,
            commit.changes,
            f"{self.web}/commit/{commit.sha}",
        )

    async def between(
        self, previous: CommitSha, running: CommitSha, *, limit: int
    ) -> tuple[tuple[CommitSha, ...], bool]:
        for sha in (previous, running):
            if not await self._has(sha):
                raise _refused(f"the clone has no commit {sha}", "fetch the branch that was deployed")
        shas, complete = await self._span(previous, running, limit)
        return tuple(map(CommitSha, shas)), complete

    async def _span(
        self, base: str | None, running: str, limit: int, paths: Sequence[str] = (), *options: str
    ) -> tuple[list[str], bool]:
        """Ids in `running` and not in `base`, newest first, that touch `paths`; False when there are more than `limit`."""
        stdin = f"{running}\n" + (f"^{base}\n" if base else "")
        if paths:
            stdin += "--\n" + "\n".join(paths) + "\n"
        out = await self._out("rev-list", f"--max-count={limit + 1}", "--topo-order", *options, "--stdin", stdin=stdin)
        shas = out.decode().split()
        return shas[:limit], len(shas) <= limit

    # --- is a fix in what runs? ---

    async def containment(self, fix: CommitSha, running: CommitSha) -> ContainmentFact:
        """A fix is carried by itself, by equal patches and by what says it was picked from it or applies it again.

        What runs holds the fix when it holds a carrier that no revert came after; "after" is ancestry, never a date.
        """
        key = (fix, running)
        if key not in self._facts:
            try:
                self._facts[key] = await self._containment(fix, running)
            except SourceRefused as refused:
                return ContainmentFact(fix, running, Containment.UNKNOWN, None, refused.reason)
        return self._facts[key]

    async def _containment(self, fix: CommitSha, running: CommitSha) -> ContainmentFact:
        def fact(state: Containment, reason: str) -> ContainmentFact:
            return ContainmentFact(fix, running, state, None, reason)

        for sha in (running, fix):
            if not await self._has(sha):
                return fact(Containment.UNKNOWN, f"the clone has no commit {sha[:12]}")
        if fix == running:
            return fact(Containment.CONTAINED, "it is the running commit")
        ancestor = await self._is_ancestor(fix, running)
        base = fix if ancestor else await self._merge_base(fix, running)
        paths = await self._paths_of(fix)
        touching, complete = await self._touching(base, running, paths) if paths else ([], True)
        trail = await self._trail(fix, running, base, touching, ancestor=ancestor)
        alive = [sha for sha in trail.carriers if not await self._reverted(sha, trail.reverts)]
        told = settle(fix, running, trail, alive)
        carrier = carrier_of(fix, told)
        left = await self._left(carrier, running)
        undone = None
        if left is Left.UNDONE and told is not None and told.holds:
            undone = await self._undoer(carrier, running, {commit.sha for commit in touching})
        doubt = "" if complete else f"more than {_TOUCHING_LIMIT} commits touch its files; not all were compared"
        if told is None:
            doubt = doubt or await self._doubt(fix, running)
        return conclude(fix, running, told, left=left, doubt=doubt, compared=len(touching), undone=undone)

    async def _trail(
        self, fix: CommitSha, running: CommitSha, base: str | None, touching: Sequence[_Touching], *, ancestor: bool
    ) -> Trail:
        """Who carries the fix and who undoes it, ancestors before descendants."""
        how = "it is an ancestor of the running commit" if ancestor else None
        if not touching:
            return follow(fix, "", (), ancestor=how, brought={})
        subject = await self._out("log", "--max-count=1", "--no-patch", "--format=%s", fix)
        same, undone = await self._patches(fix, running, base, squashed=not ancestor)
        steps = [
            Step(
                commit.sha,
                commit.subject,
                commit.message,
                same.get(commit.patch) if commit.patch else None,
                commit.patch is not None and commit.patch == undone,
            )
            for commit in touching
        ]
        targets = {target for commit in touching for target in reverted_by(commit.message)}
        brought = {target: await self._brought(target) for target in sorted(targets)}
        return follow(fix, subject.decode(errors="replace").strip(), steps, ancestor=how, brought=brought)

    async def _left(self, carrier: str, running: str) -> Left | None:
        """What the files at `running` have of the change that `carrier` makes."""
        paths = (await self._paths_of(carrier))[:_TEXTS_LIMIT]
        if not paths:
            return None
        if await self._has_all(carrier, running, paths):
            return Left.WHOLE
        return await self._left_at(running, await self._made(carrier, paths))

    async def _has_all(self, carrier: str, tree: str, paths: Sequence[str]) -> bool:
        """Whether the files are as the carrier left them; most are, and then none of them is read."""
        return (await self._run("diff-tree", "-r", "--quiet", carrier, tree, "--", *paths)).status == 0

    async def _made(self, carrier: str, paths: Sequence[str]) -> _Made:
        before = await self._texts(await self._before(carrier), paths)
        return _Made(carrier, before, await self._texts(carrier, paths))

    async def _left_at(self, tree: str, made: _Made) -> Left | None:
        now = await self._texts(tree, list(made.after))
        moved = [
            path
            for path, text in now.items()
            if text is None and (await self._span(made.carrier, tree, 1, [path], "--no-merges"))[0]
        ]
        return left_of(made.before, made.after, now, moved)

    async def _undoer(self, carrier: str, running: str, touching: Collection[str]) -> tuple[CommitSha, Undoes] | None:
        """The first commit after the carrier that has its files as they were before: a merge, or one of `touching`."""
        stdin = f"{running}\n^{carrier}\n"
        options = ("--ancestry-path", "--topo-order", "--reverse", "--parents")
        lines = (await self._out("rev-list", *options, "--stdin", stdin=stdin)).decode().splitlines()
        parents = {sha: rest.split() for sha, _, rest in (line.partition(" ") for line in lines)}
        asked = [sha for sha in parents if len(parents[sha]) > 1 or sha in touching]
        paths = (await self._paths_of(carrier))[:_TEXTS_LIMIT]
        made = await self._made(carrier, paths)
        for sha in asked[:_UNDOERS_LIMIT]:
            if not await self._has_all(carrier, sha, paths) and await self._left_at(sha, made) is Left.UNDONE:
                return CommitSha(sha), Undoes.LEFT_OUT if len(parents[sha]) > 1 else Undoes.BY_HAND
        return None

    async def _doubt(self, fix: str, running: str) -> str:
        """Why "not contained" cannot be said; empty when it can."""
        shallow = self._shadow / "shallow"
        if not shallow.exists():
            return ""
        ends = shallow.read_text().split()
        if len(ends) > _BOUNDARY_LIMIT:
            return "the clone is shallow, with too many ends to tell"
        for end in ends:
            # A fix that descends from every end of the running line cannot hide behind one of them.
            if await self._is_ancestor(end, running) and not await self._is_ancestor(end, fix):
                return "the clone is shallow and the fix may lie behind its end"
        return ""

    async def _is_ancestor(self, older: str, newer: str) -> bool:
        key = (older, newer)
        if key not in self._ancestry:
            answer = await self._run("merge-base", "--is-ancestor", older, newer)
            if answer.status not in (0, 1):
                raise _refused(answer.error)
            self._ancestry[key] = answer.status == 0
        return self._ancestry[key]

    async def _parents(self, sha: str) -> list[str]:
        return (await self._out("rev-list", "--max-count=1", "--parents", sha)).decode().split()[1:]

    async def _before(self, sha: str) -> str:
        """What a commit's change is told against."""
        return next(iter(await self._parents(sha)), _EMPTY_TREE)

    async def _merge_base(self, one: str, other: str) -> str | None:
        answer = await self._run("merge-base", one, other)
        return answer.out.decode().split()[0] if answer.status == 0 else None

    async def _reverted(self, carrier: str, reverts: Iterable[str]) -> bool:
        for revert in reverts:
            if await self._is_ancestor(carrier, revert):
                return True
        return False

    async def _brought(self, name: str) -> frozenset[str]:
        """What a reverted commit brought when it is a merge; nothing for another."""
        merge = await self.resolve(name)
        if merge is None:
            return frozenset()
        parents = await self._parents(merge)
        if len(parents) < 2:
            return frozenset()
        shas, _ = await self._span(parents[0], merge, _TOUCHING_LIMIT)
        return frozenset(shas)

    async def _paths_of(self, sha: str) -> tuple[str, ...]:
        """The files that a commit changes, a merge against its first parent."""
        out = await self._out("diff-tree", "-r", "-z", "--name-only", await self._before(sha), sha)
        paths = [path for path in out.decode(errors="surrogateescape").split("\0") if path and "\n" not in path]
        return tuple(paths[:_CHANGED_FILES_LIMIT])

    async def _touching(self, base: str | None, running: str, paths: Sequence[str]) -> tuple[list[_Touching], bool]:
        """Commits that touch `paths`, ancestors before descendants."""
        shas, complete = await self._span(base, running, _TOUCHING_LIMIT, paths, "--no-merges")
        if not shas:
            return [], complete
        stdin = "\n".join(shas) + "\n"
        out = await self._out("log", "--no-walk=unsorted", "--stdin", "--no-patch", "--format=%H%n%B%x00", stdin=stdin)
        patches = await self._patch_ids(await self._diff_tree("--stdin", stdin=stdin))
        touching: list[_Touching] = []
        for record in out.decode(errors="replace").split("\0"):
            sha, _, message = record.lstrip("\n").partition("\n")
            if sha:
                subject = message.lstrip("\n").partition("\n")[0].strip()
                touching.append(_Touching(CommitSha(sha), subject, message, patches.get(sha)))
        touching.reverse()
        return touching, complete

    async def _patches(
        self, fix: str, running: str, base: str | None, *, squashed: bool
    ) -> tuple[dict[str, Carries], str | None]:
        """Patch identities that carry the fix, each with what it then is, and the identity of the inverse change."""
        before = await self._before(fix)
        own = await self._diff_tree(before, fix)
        same: dict[str, Carries] = {}
        undone = None
        if _significant(own):
            inverse = await self._patch_ids(await self._diff_tree(fix, before), name=fix)
            own_id = await self._patch_ids(own, name=fix)
            same |= dict.fromkeys(own_id.values(), Carries.SAME)
            undone = next(iter(inverse.values()), None)
        if squashed and base is not None:
            for tip in await self._tips(fix, running):
                fork = await self._merge_base(tip, running)
                if fork is None or fork == tip:
                    continue
                whole = await self._diff_tree(fork, tip)
                if _significant(whole):
                    for patch in (await self._patch_ids(whole, name=tip)).values():
                        same.setdefault(patch, Carries.BRANCH)
        return same, undone

    async def _tips(self, fix: str, running: str) -> list[str]:
        """The fix and the tips of branches that hold it and are not in what runs: where its pull request may have ended."""
        out = await self._out(
            "for-each-ref", "--contains", fix, "--format=%(objectname)", "refs/heads", "refs/remotes", "refs/pull"
        )
        tips = list(dict.fromkeys([fix, *out.decode().split()]))[:_TIPS_LIMIT]
        await self._look_up(tips)
        return [tip for tip in tips if self._known[tip] and not await self._is_ancestor(tip, running)]

    async def _diff_tree(self, *trees: str, stdin: str = "") -> bytes:
        """Patches without context, so that a change keeps its identity when its neighbours move."""
        options = ("-p", "--unified=0", "--no-renames", "--no-ext-diff", "--no-textconv", "--full-index")
        return await self._out("diff-tree", "-r", *options, *trees, stdin=stdin)

    async def _patch_ids(self, patches: bytes, *, name: str = "") -> dict[str, str]:
        """Commit id to stable patch id; `name` is the commit of a single patch that does not tell its own."""
        if name:
            lines = patches.split(b"\n", 1)
            patches = lines[1] if len(lines) == 2 and _FULL.match(lines[0].decode(errors="replace")) else patches
            patches = name.encode() + b"\n" + patches
        out = await self._out("patch-id", "--stable", stdin=patches)
        pairs = (line.split() for line in out.decode().splitlines())
        return {sha: patch for patch, sha in pairs}

    # --- files ---

    async def paths(self, sha: CommitSha) -> tuple[str, ...]:
        if sha not in self._trees:
            if not await self._has(sha):
                raise _refused(f"the clone has no commit {sha}")
            out = await self._out("ls-tree", "-r", "-z", "--name-only", sha)
            self._trees[sha] = tuple(out.decode(errors="replace").rstrip("\0").split("\0")) if out else ()
        return self._trees[sha]

    async def file(self, sha: CommitSha, path: str) -> str | None:
        if "\n" in path or path.startswith(("./", "../")) or not await self._has(sha):
            return None
        return (await self._texts(sha, [path]))[path]

    async def _texts(self, tree: str, paths: Sequence[str]) -> dict[str, str | None]:
        """Each file's text; None for none, one that is no text, and one over the limit."""
        asked = "".join(f"{tree}:{path}\n" for path in paths)
        told = (await self._out("cat-file", "--batch-check", stdin=asked)).decode(errors="replace").split("\n")
        found = {path: _BLOB.match(line) for path, line in zip(paths, told, strict=False)}
        blobs = {path: blob[1] for path, blob in found.items() if blob is not None and int(blob[2]) <= _FILE_LIMIT}
        data = await self._out("cat-file", "--batch", stdin="".join(f"{blob}\n" for blob in blobs.values()))
        texts: dict[str, str | None] = dict.fromkeys(paths)
        at = 0
        for path in blobs:
            start = data.index(b"\n", at) + 1
            at = start + int(data[at : start - 1].rpartition(b" ")[2]) + 1
            content = data[start : at - 1]
            texts[path] = None if b"\0" in content[:8000] else content.decode("utf-8", errors="replace")
        return texts

    async def holding(self, sha: CommitSha, text: str, *, limit: int) -> tuple[str, ...]:
        """Files of that commit with `text` in one line, in order of path."""
        if "\n" in text or not text or not await self._has(sha):
            return ()
        answer = await self._run(
            "grep", "-I", "-l", "-z", "--fixed-strings", "--no-textconv", "--full-name", "-e", text, sha, "--"
        )
        if answer.status not in (0, 1):
            raise _refused(answer.error)
        found = answer.out.decode(errors="replace").split("\0")
        return tuple(sorted(name.removeprefix(f"{sha}:") for name in found if name))[:limit]

    async def touching(self, sha: CommitSha, paths: Sequence[str], *, limit: int) -> tuple[CommitSha, ...]:
        if not paths or not await self._has(sha):
            return ()
        shas, _ = await self._span(None, sha, limit, [path for path in paths if "\n" not in path])
        return tuple(map(CommitSha, shas))

    async def blame(self, sha: CommitSha, path: str, line: int) -> LineBlame | None:
        if line < 1 or not await self._has(sha):
            return None
        options = ["--porcelain", "--no-textconv", f"-L{line},{line}"]
        if ignored := await self._ignored_revisions(sha):
            options.append(f"--ignore-revs-file={ignored}")
        try:
            answer = await self._run("blame", *options, sha, "--", path)
        except SourceRefused:
            return None  # a file with a long past; its line is worth more than its author
        if answer.status != 0:
            return None
        head, *lines = answer.out.decode(errors="replace").split("\n")
        facts = {key: value for key, _, value in (entry.partition(" ") for entry in lines if entry[:1] != "\t")}
        at = _time(facts.get("committer-time", ""))
        return LineBlame(CommitSha(head[:40]), at, cut(facts.get("author", "")), cut(facts.get("summary", "")))

    async def _ignored_revisions(self, sha: CommitSha) -> Path | None:
        if sha not in self._ignored:
            self._ignored[sha] = None
            text = await self.file(sha, ".git-blame-ignore-revs") or ""
            named = [word for line in text.splitlines() if _FULL.match(word := line.partition("#")[0].strip())]
            await self._look_up(named)
            if kept := [word for word in named if self._known[word]]:
                target = self._shadow / f"ignore-{sha}"
                target.write_text("\n".join(kept) + "\n")
                self._ignored[sha] = target
        return self._ignored[sha]

    # --- calling git ---

    def read_config(self, path: Path) -> dict[str, str]:
        """The settings of one file, includes not followed; values are data here and never reach git as configuration."""
        if not path.is_file():
            return {}
        answer = self._call(("config", "--file", str(path), "--no-includes", "--null", "--list"), b"")
        pairs = (item.partition("\n") for item in answer.out.decode(errors="replace").split("\0") if item)
        return {key.lower(): value for key, _, value in pairs}

    async def _out(self, *args: str, stdin: str | bytes = "") -> bytes:
        answer = await self._run(*args, stdin=stdin, must=True)
        if answer.cut_short:
            raise _refused(f"git {args[0]} printed more than {_OUTPUT_LIMIT >> 20} MiB")
        return answer.out

    async def _run(self, *args: str, stdin: str | bytes = "", must: bool = False) -> _Answer:
        data = stdin.encode(errors="surrogateescape") if isinstance(stdin, str) else stdin
        answer = await asyncio.to_thread(self._call, args, data)
        if must and answer.status != 0 and not answer.cut_short:
            raise _refused(answer.error)
        return answer

    def _call(self, args: Sequence[str], stdin: bytes) -> _Answer:
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._shadow),
            "LC_ALL": "C",
            "GIT_DIR": str(self._shadow),
            "GIT_OBJECT_DIRECTORY": str(self._objects),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_LITERAL_PATHSPECS": "1",
        }
        fixed = ("-c", "core.hooksPath=/dev/null", "-c", "core.bigFileThreshold=2m")
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as errors:
            source.write(stdin)
            source.seek(0)
            try:
                process = subprocess.Popen(  # noqa: S603 - an argument list; every id in it was checked
                    ("git", "--no-pager", *fixed, *args),  # noqa: S607 - the operator's git
                    cwd=self._shadow,
                    env=env,
                    stdin=source,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                )
            except FileNotFoundError:
                raise _refused("there is no git executable", "install git") from None
            late = threading.Event()

            def stop() -> None:
                late.set()
                process.kill()

            clock = threading.Timer(self._timeout.total_seconds(), stop)
            clock.start()
            try:
                assert process.stdout is not None
                out = process.stdout.read(_OUTPUT_LIMIT + 1)
                if cut_short := len(out) > _OUTPUT_LIMIT:
                    process.kill()
                process.stdout.close()
                status = process.wait()
            finally:
                clock.cancel()
            if late.is_set():
                raise _refused(f"git {args[0]} took longer than {self._timeout.total_seconds():.0f} s")
            errors.seek(0)
            error = errors.read(2000).decode(errors="replace").strip().partition("\n")[0]
        return _Answer(status, out, error or f"git {args[0]} ended with status {status}", cut_short)


def _refused(reason: str, remedy: str | None = None) -> SourceRefused:
    return SourceRefused("history", reason, meaning="what the repository would tell is missing here", remedy=remedy)


def _significant(patch: bytes) -> bool:
    """Whether the changed lines hold enough to be told from a chance likeness (a lone bracket, a binary file)."""
    signs = 0
    for line in patch.split(b"\n"):
        if line[:1] in (b"+", b"-") and not line.startswith((b"+++ ", b"--- ")):
            signs += sum(1 for byte in line[1:] if chr(byte).isalnum())
            if signs >= NEEDED_SIGNS:
                return True
    return False


# --- what git log prints ----------------------------------------------------------------------------------------------

_FORMAT = "--format=%x01%H%x00%P%x00%ct%x00%an%x00%s%x00%b%x00"


def _commits(out: bytes) -> Iterator[Commit]:
    """Records of `_FORMAT`, each with its patch. A line of a patch never begins with the record's sign."""
    text = out.decode("utf-8", errors="replace")
    at = text.find("\x01")
    while at >= 0:
        fields: list[str] = []
        at += 1
        for _ in range(6):
            end = text.index("\0", at)
            fields.append(text[at:end])
            at = end + 1
        following = text.find("\n\x01", at)
        patch = text[at:following] if following >= 0 else text[at:]
        sha, parents, time, author, subject, body = fields
        yield Commit(
            CommitSha(sha),
            tuple(map(CommitSha, parents.split())),
            _time(time),
            cut(author),
            cut(subject),
            cut(body.strip()),
            parse_patch(cut_patch(patch, PATCH_LIMIT)),
        )
        at = following + 1 if following >= 0 else -1


def _time(seconds: str) -> datetime:
    """The epoch where a commit tells no time or one beyond the calendar: anybody can write any date into a commit."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)

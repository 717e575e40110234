"""A clone on disk answers what judgement asks, and runs nothing of what the repository brings along."""

import os
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.errors import BadInput, SourceRefused
from app.evidence.model import CommitSha, Containment
from app.sources.git import open_clone
from tests.repository import CODE, FIXED, Repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    repository = Repository(tmp_path / "repo")
    repository.commit("Begin", {"app/db.py": CODE, "README.md": "hello\n"})
    return repository


async def test_head_is_the_default_branch_of_the_remote_and_not_what_is_checked_out(repo: Repository) -> None:
    main = repo.tip
    repo.git("update-ref", "refs/remotes/origin/main", main)
    repo.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
    repo.branch("topic")
    repo.commit("Topic", {"a": "b"})
    assert await open_clone(repo.path).head() == main


async def test_an_empty_repository_has_no_head_and_says_so(tmp_path: Path) -> None:
    empty = Repository(tmp_path / "empty")
    with pytest.raises(SourceRefused, match="no commit yet"):
        await open_clone(empty.path).head()


def test_a_folder_that_is_no_repository_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="not a git repository"):
        open_clone(tmp_path)


@pytest.mark.parametrize(
    ("remote", "web"),
    [
        ("https://github.com/octo/shop.git", "https://github.com/octo/shop"),
        ("git@github.com:octo/shop.git", "https://github.com/octo/shop"),
        ("https://x-access-token:hunter2@github.com/octo/shop", "https://github.com/octo/shop"),
        ("ssh://git@github.example.com/octo/shop.git", "https://github.example.com/octo/shop"),
        ("../elsewhere", None),
    ],
)
def test_the_address_on_the_web_comes_from_the_remote_without_its_secrets(
    repo: Repository, remote: str, web: str | None
) -> None:
    repo.git("remote", "add", "origin", remote)
    assert open_clone(repo.path).web == web


async def test_bare_clones_linked_work_trees_and_packed_refs_read_alike(repo: Repository, tmp_path: Path) -> None:
    sha = repo.tip
    repo.git("clone", "--quiet", "--bare", str(repo.path), str(tmp_path / "bare"))
    repo.git("worktree", "add", "--quiet", str(tmp_path / "linked"), "-b", "linked")
    repo.git("gc", "--quiet")
    for path in (repo.path, tmp_path / "bare", tmp_path / "linked"):
        assert await open_clone(path).head() == sha


# --- names ---


async def test_short_ids_resolve_and_what_is_no_commit_does_not(repo: Repository) -> None:
    clone = open_clone(repo.path)
    blob = repo.git("rev-parse", "HEAD:README.md")
    assert await clone.resolve(repo.tip[:9]) == repo.tip
    assert await clone.resolve(repo.tip.upper()) == repo.tip
    assert await clone.resolve(blob) is None
    assert await clone.resolve("f" * 40) is None


async def test_an_id_cannot_be_impersonated_by_a_branch_of_that_name(repo: Repository) -> None:
    first = repo.tip
    second = repo.commit("Second", {"x": "y"})
    repo.git("update-ref", f"refs/heads/{first[:9]}", second)
    assert await open_clone(repo.path).resolve(first[:9]) == first


async def test_tags_and_branches_resolve_and_hostile_names_are_refused(repo: Repository) -> None:
    repo.git("tag", "-a", "v1.2", "-m", "one")
    clone = open_clone(repo.path)
    assert await clone.resolve("v1.2") == repo.tip
    assert await clone.resolve("main") == repo.tip
    for name in ("--output=/tmp/x", "-h", "main..HEAD", "HEAD@{1}", "main^", ":/Begin", "a b", "", "main\n--all"):
        assert await clone.resolve(name) is None


# --- nothing of the repository runs ---


async def test_hooks_configuration_and_attributes_of_the_repository_run_nothing(
    repo: Repository, tmp_path: Path
) -> None:
    trace = tmp_path / "ran"
    spy = tmp_path / "spy"
    spy.write_text(f'#!/bin/sh\necho "$0 $@" >> \'{trace}\'\ncat "$1" 2>/dev/null\nexit 0\n')
    spy.chmod(spy.stat().st_mode | stat.S_IXUSR)
    old = repo.tip
    repo.commit("Mark", {".gitattributes": "*.py diff=spy filter=spy\n", "app/db.py": FIXED})
    (repo.path / ".git" / "info").mkdir(exist_ok=True)
    (repo.path / ".git" / "info" / "attributes").write_text("*.py diff=spy filter=spy\n")
    tip = repo.tip
    for key in (
        "diff.external",
        "diff.spy.command",
        "diff.spy.textconv",
        "filter.spy.smudge",
        "filter.spy.clean",
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "gpg.program",
        "credential.helper",
        "alias.log",
    ):
        repo.git("config", key, str(spy) if key != "alias.log" else f"!{spy}")
    repo.git("config", "core.hooksPath", str(tmp_path))
    trace.unlink(missing_ok=True)

    clone = open_clone(repo.path)
    assert await clone.head() == tip
    assert [change.path for change in (await clone.commits([tip]))[0].changes] == [".gitattributes", "app/db.py"]
    assert (await clone.containment(old, tip)).state is Containment.CONTAINED
    assert await clone.blame(tip, "app/db.py", 8) is not None
    assert await clone.file(tip, "app/db.py") == FIXED
    assert await clone.holding(tip, "deadline", limit=5) == ("app/db.py",)
    assert await clone.recent(limit=5)
    assert not trace.exists()


async def test_replaced_objects_and_grafts_do_not_rewrite_history(repo: Repository) -> None:
    base = repo.tip
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.branch("other", base)
    other = repo.commit("Other", {"x": "1"})
    repo.git("replace", "--graft", other, fix)
    (repo.path / ".git" / "info").mkdir(exist_ok=True)
    (repo.path / ".git" / "info" / "grafts").write_text(f"{other} {fix}\n")
    assert (await open_clone(repo.path).containment(fix, other)).state is Containment.ABSENT


async def test_a_clone_without_its_blobs_is_refused_and_nothing_is_fetched(repo: Repository, tmp_path: Path) -> None:
    repo.git("config", "uploadpack.allowFilter", "true")
    partial = tmp_path / "partial"
    repo.git("clone", "--quiet", "--filter=blob:none", "--no-checkout", f"file://{repo.path}", str(partial))
    clone = open_clone(partial)
    assert await clone.head() == repo.tip
    with pytest.raises(SourceRefused):
        await clone.commits([repo.tip])


async def test_the_clone_itself_is_left_as_it_was(repo: Repository) -> None:
    def state() -> dict[str, float]:
        return {str(path): path.lstat().st_mtime for path in repo.path.rglob("*")}

    before = state()
    clone = open_clone(repo.path)
    await clone.commits([await clone.head()])
    await clone.blame(await clone.head(), "app/db.py", 1)
    assert state() == before


def test_its_working_folder_is_gone_with_the_clone(repo: Repository) -> None:
    clone = open_clone(repo.path)
    shadow = clone._shadow  # pyright: ignore[reportPrivateUsage]
    assert shadow.is_dir()
    del clone
    assert not shadow.exists()


# --- commits and files ---


async def test_commits_come_with_their_changes_in_the_order_asked(repo: Repository) -> None:
    first = repo.tip
    when = datetime(2024, 2, 3, 4, 5, tzinfo=UTC)
    fix = repo.commit("Fix the deadline", {"app/db.py": FIXED}, body="Closes #7", date=when)
    commits = await open_clone(repo.path).commits([fix, CommitSha("0" * 40), first])
    assert [commit.sha for commit in commits] == [fix, first]
    assert (commits[0].subject, commits[0].body, commits[0].committed_at) == ("Fix the deadline", "Closes #7", when)
    assert commits[0].parents == (first,)
    (change,) = commits[0].changes
    (hunk,) = change.hunks
    assert hunk.removed == ((8, "    deadline = 8.0"),)
    assert hunk.added == ((8, "    deadline = timeout or 25.0"),)


async def test_renames_deletions_odd_names_and_binary_files(repo: Repository) -> None:
    odd = 'odd "name"\twith ü and space.py'
    repo.commit("Add", {odd: "x = 1\n", "old.py": "a\nb\nc\nd\n", "gone.py": "z\n"})
    (repo.path / "picture").write_bytes(bytes(range(256)))
    (repo.path / "gone.py").unlink()
    repo.git("mv", "old.py", "new.py")
    sha = repo.commit("Change", {odd: "x = 2\n"})
    changes = {(change.old_path, change.path) for change in (await open_clone(repo.path).commits([sha]))[0].changes}
    assert changes == {(odd, odd), ("old.py", "new.py"), ("gone.py", None), (None, "picture")}


async def test_a_message_cannot_pass_for_another_commit_or_a_patch(repo: Repository) -> None:
    body = "\x01" + "0" * 40 + "\n\ndiff --git a/evil.py b/evil.py\n--- a/evil.py\n+++ b/evil.py\n@@ -1 +1 @@\n-a\n+b"
    sha = repo.commit("Odd", {"app/db.py": FIXED}, body=body)
    (commit,) = await open_clone(repo.path).commits([sha])
    assert [change.path for change in commit.changes] == ["app/db.py"]


async def test_secrets_are_cut_from_messages_and_changes(repo: Repository) -> None:
    secret = "ghp_" + "a1B2" * 9
    sha = repo.commit(f"Use {secret}", {"app/key.py": f"TOKEN = '{secret}'\n"}, body=f"token {secret}")
    clone = open_clone(repo.path)
    (commit,) = await clone.commits([sha])
    assert secret not in repr(commit)
    blame = await clone.blame(sha, "app/key.py", 1)
    assert blame is not None
    assert secret not in blame.subject


async def test_a_merge_shows_what_it_brought(repo: Repository) -> None:
    repo.branch("topic")
    repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    repo.commit("Else", {"README.md": "more\n"})
    merge = repo.merge("topic")
    (commit,) = await open_clone(repo.path).commits([merge])
    assert [change.path for change in commit.changes] == ["app/db.py"]
    assert len(commit.parents) == 2


async def test_what_lies_between_two_commits_is_newest_first_and_says_when_it_is_cut(repo: Repository) -> None:
    first = repo.tip
    shas = [repo.commit(f"Step {i}", {"n": str(i)}) for i in range(5)]
    clone = open_clone(repo.path)
    assert await clone.between(first, shas[-1], limit=10) == (tuple(reversed(shas)), True)
    assert await clone.between(first, shas[-1], limit=2) == ((shas[4], shas[3]), False)
    assert await clone.between(shas[-1], first, limit=10) == ((), True)
    with pytest.raises(SourceRefused, match="no commit"):
        await clone.between(first, CommitSha("a" * 40), limit=10)


async def test_files_and_paths_at_a_commit(repo: Repository) -> None:
    first = repo.tip
    (repo.path / "blob").write_bytes(b"\0\1")
    (repo.path / "big.txt").write_text("x" * 1_100_000)
    tip = repo.commit("More", {"app/db.py": FIXED})
    clone = open_clone(repo.path)
    assert await clone.paths(first) == ("README.md", "app/db.py")
    assert await clone.file(first, "app/db.py") == CODE
    assert await clone.file(tip, "app/db.py") == FIXED
    for path in ("blob", "big.txt", "app", "missing", "../../etc/passwd", "--help", "a\nb"):
        assert await clone.file(tip, path) is None


async def test_blame_passes_over_commits_that_only_format(repo: Repository) -> None:
    first = repo.tip
    format_ = repo.commit("Format", {"app/db.py": CODE.replace("deadline = 8.0", "deadline  =  8.0")})
    tip = repo.commit("Ignore it", {".git-blame-ignore-revs": f"# format\n{format_}\n{'0' * 40}\nnonsense\n"})
    clone = open_clone(repo.path)
    blame = await clone.blame(tip, "app/db.py", 8)
    assert blame is not None
    assert (blame.sha, blame.subject, blame.author) == (first, "Begin", "A Developer")
    before = await clone.blame(format_, "app/db.py", 8)
    assert before is not None
    assert before.sha == format_
    assert await clone.blame(tip, "app/db.py", 4000) is None
    assert await clone.blame(tip, "missing.py", 1) is None


async def test_text_is_found_as_it_stands_and_never_as_an_option(repo: Repository) -> None:
    tip = repo.commit("Say", {"b.py": 'log("--all done [x] (.*)")\n', "a.py": 'log("--all done [x] (.*)")\n'})
    clone = open_clone(repo.path)
    assert await clone.holding(tip, "--all done [x] (.*)", limit=9) == ("a.py", "b.py")
    assert await clone.holding(tip, "not there", limit=9) == ()


async def test_a_call_that_takes_too_long_is_stopped_and_said(repo: Repository, tmp_path: Path) -> None:
    slow = tmp_path / "bin"
    slow.mkdir()
    clone = open_clone(repo.path, timeout=timedelta(seconds=0.2))
    (slow / "git").write_text("#!/bin/sh\nexec sleep 30\n")
    (slow / "git").chmod(0o755)
    old = os.environ["PATH"]
    os.environ["PATH"] = f"{slow}:{old}"
    try:
        with pytest.raises(SourceRefused, match="took longer"):
            await clone.head()
    finally:
        os.environ["PATH"] = old


# --- containment in a shallow clone ---


async def test_a_shallow_clone_still_knows_what_lies_before_its_end(repo: Repository, tmp_path: Path) -> None:
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    running = repo.commit("Else", {"a": "1"})
    later = repo.commit("Later", {"b": "1"})
    clone = open_clone(repo.shallow_clone(tmp_path / "s", 3))
    assert (await clone.containment(fix, running)).state is Containment.CONTAINED
    assert (await clone.containment(later, running)).state is Containment.ABSENT


async def test_a_fix_that_may_hide_behind_the_end_of_a_shallow_clone_is_unknown(
    repo: Repository, tmp_path: Path
) -> None:
    repo.branch("release")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    for i in range(5):
        running = repo.commit(f"Step {i}", {"n": str(i)})
    fact = await open_clone(repo.shallow_clone(tmp_path / "s", 1)).containment(fix, running)
    assert fact.state is Containment.UNKNOWN
    assert "shallow" in fact.reason


def _dated(repo: Repository, date: str) -> CommitSha:
    """A commit on top of all, with that date as git would never write it."""
    tree, parent = repo.git("rev-parse", "HEAD^{tree}"), repo.tip
    text = f"tree {tree}\nparent {parent}\nauthor A <a@b> {date} +0000\ncommitter A <a@b> {date} +0000\n\nOdd\n"
    options = ["git", "hash-object", "--literally", "-t", "commit", "-w", "--stdin"]
    made = subprocess.run(options, cwd=repo.path, input=text, capture_output=True, text=True, check=True)
    repo.git("update-ref", "refs/heads/main", made.stdout.strip())
    return repo.tip


@pytest.mark.parametrize("date", ["99999999999999", "-5", ""])
async def test_a_date_beyond_the_calendar_costs_only_the_date(repo: Repository, date: str) -> None:
    parent, odd = repo.tip, _dated(repo, date)
    clone = open_clone(repo.path)
    assert [(c.sha, c.subject, c.committed_at.year) for c in await clone.commits([odd])] == [(odd, "Odd", 1970)]
    assert (await clone.recent(limit=5))[0].sha == odd
    assert (await clone.containment(parent, odd)).state is Containment.CONTAINED


@pytest.mark.parametrize("strategy", ["ours", "by hand"])
async def test_a_merge_that_left_the_fix_out_undoes_it(repo: Repository, strategy: str) -> None:
    repo.branch("topic")
    fix = repo.commit("Fix", {"app/db.py": FIXED})
    repo.checkout("main")
    repo.commit("Else", {"NOTES": "x\n"})
    if strategy == "ours":
        repo.git("merge", "--quiet", "--strategy=ours", "-m", "Merge topic", "topic")
    else:
        repo.git("merge", "--no-ff", "--no-commit", "--quiet", "topic")
        repo.commit("Merge topic", {"app/db.py": CODE})
    merge = repo.tip
    running = repo.commit("More", {"NOTES": "y\n"})
    fact = await open_clone(repo.path).containment(fix, running)
    assert (fact.state, fact.via) == (Containment.REVERTED, merge)
    assert "a merge that left it out" in fact.reason

"""Reads of one repository: its configuration, who may do what, the issue that asks.

Owns which calls these take and what their answers mean. Leaves commits and code to `history.py` beside it, parsing of the
configuration to `policy/config.py`, and writes to `publish.py`.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from app.evidence.model import CommitSha, IssueRef
from app.github.client import Refused, Session, dig
from app.policy.commands import Role
from app.policy.config import CONFIG_PATH, RepoConfig, read_config
from app.policy.located import Mistake
from app.redact import cut

_SHA = re.compile(r"\b[0-9a-f]{7,40}\b")
MOST_MENTIONS = 20


@dataclass(frozen=True, slots=True)
class Issue:
    """The issue as it is now. `labels` are ids by name: a label that is renamed keeps its id."""

    ref: IssueRef
    open: bool
    labels: Mapping[str, int]
    author: str
    linked: "Linked"


async def read_role(session: Session, repository: str, login: str) -> Role:
    """What `login` may do. Fails closed: whoever GitHub does not know as a collaborator may nothing.

    The old field `permission` folds maintain into write and triage into read, so the exact flags are asked first.
    """
    try:
        answer = await session.get(f"/repos/{repository}/collaborators/{quote(login, safe='')}/permission")
    except Refused:
        return Role.NONE
    by_flag = (("admin", Role.ADMIN), ("maintain", Role.MAINTAIN), ("push", Role.WRITE), ("triage", Role.TRIAGE))
    for name, role in by_flag:
        if dig(answer, "user", "permissions", name) is True:
            return role
    named = {"admin": Role.ADMIN, "maintain": Role.MAINTAIN, "write": Role.WRITE, "triage": Role.TRIAGE}
    if (role := named.get(str(answer.get("role_name", "")))) is not None:
        return role
    return named.get(str(answer.get("permission", "")), Role.READ if answer.get("permission") == "read" else Role.NONE)


async def read_repo_config(session: Session, repository: str) -> RepoConfig | tuple[Mistake, ...]:
    """From the default branch, else from the organisation's `.github` repository; without either, the defaults.

    No reference is passed, so GitHub answers with the default branch: a pull request cannot bring its own configuration.
    """
    owner = repository.partition("/")[0]
    for place in (repository, f"{owner}/.github"):
        try:
            answer = await session.get(f"/repos/{place}/contents/{CONFIG_PATH}")
        except Refused as refused:
            if refused.status in (403, 404):
                continue
            raise
        text = base64.b64decode(answer.get("content", "")).decode("utf-8", "replace")
        return read_config(text, CONFIG_PATH if place == repository else f"{place}/{CONFIG_PATH}")
    return RepoConfig()


async def read_proposed_config(session: Session, repository: str, pull: int, sha: str) -> str | None:
    """The configuration's text at the head of a pull request; None when the pull request leaves it alone or removes it."""
    files = await session.pages(f"/repos/{repository}/pulls/{pull}/files", most=3)
    if not any(file["filename"] == CONFIG_PATH and file["status"] != "removed" for file in files):
        return None
    try:
        answer = await session.get(f"/repos/{repository}/contents/{CONFIG_PATH}", ref=sha)
    except Refused as refused:
        if refused.status == 404:
            return None
        raise
    return base64.b64decode(answer.get("content", "")).decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Repository:
    """As it is now: `name` may be another than it was asked by, and who can read it may have changed since."""

    name: str
    public: bool
    archived: bool


async def read_repository(session: Session, repository: str, repository_id: int) -> Repository | None:
    """Asked before anything is written. A former name leads to where the repository is now, unless somebody else has taken
    the name: then it is another repository, and ours counts as gone. None: gone."""
    try:
        answer = await session.get(f"/repos/{repository}")
    except Refused as refused:
        if refused.status in Refused.GONE:
            return None
        raise
    if answer.get("id") != repository_id:
        return None
    return Repository(str(answer["full_name"]), not answer.get("private", False), bool(answer.get("archived", False)))


async def read_issue(session: Session, repository: str, number: int) -> Issue | None:
    """None: gone, moved, turned into a discussion, or a pull request. Reads the thread for commit ids that people named.

    `repository` is its present name: an issue that GitHub shows under another one was moved.
    """
    try:
        raw = await session.get(f"/repos/{repository}/issues/{number}")
    except Refused as refused:
        if refused.status in Refused.GONE:
            return None
        raise
    if "pull_request" in raw or not str(raw.get("url", "")).lower().endswith(f"/{repository.lower()}/issues/{number}"):
        return None
    texts = [raw.get("title") or "", raw.get("body") or ""]
    if raw.get("comments"):
        thread = await session.pages(f"/repos/{repository}/issues/{number}/comments", most=3)
        texts += [c.get("body") or "" for c in thread if not _by_an_app(c)]
    mentions = tuple(dict.fromkeys(found for text in texts for found in _SHA.findall(text)))[:MOST_MENTIONS]
    linked = await read_linked_commits(session, repository, number)
    reference = IssueRef(
        repository=repository,
        number=number,
        title=cut(texts[0]),
        body=cut(texts[1]),
        url=raw.get("html_url"),
        mentions=mentions,
        linked_commits=linked.merged,
    )
    labels = {str(label["name"]): int(label.get("id") or 0) for label in raw.get("labels", [])}
    return Issue(reference, raw.get("state") == "open", labels, dig(raw, "user", "login") or "", linked)


def _by_an_app(comment: Mapping[str, Any]) -> bool:
    return comment.get("performed_via_github_app") is not None or dig(comment, "user", "type") == "Bot"


_LINKED = """query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) {
    defaultBranchRef { target { oid } }
    issue(number: $number) {
      closedByPullRequestsReferences(first: 20, includeClosedPrs: true) {
        nodes { merged state headRefOid mergeCommit { oid } repository { nameWithOwner } } }
      timelineItems(last: 20, itemTypes: [CLOSED_EVENT]) {
        nodes { ... on ClosedEvent { closer { ... on Commit { oid } } } } } } } }"""


@dataclass(frozen=True, slots=True)
class Linked:
    """Commits around an issue: merged ones that would close it or did, heads of open pull requests that would, and the
    newest of the default branch. Empty and None when GitHub does not tell."""

    merged: tuple[CommitSha, ...] = ()
    proposed: tuple[CommitSha, ...] = ()
    newest: CommitSha | None = None


async def read_linked_commits(session: Session, repository: str, number: int) -> Linked:
    owner, _, name = repository.partition("/")
    try:
        data = await session.query(_LINKED, owner=owner, name=name, number=number)
    except Refused:
        return Linked()
    issue = dig(data, "repository", "issue")
    merged: dict[CommitSha, None] = {}
    proposed: dict[CommitSha, None] = {}
    for node in dig(issue, "closedByPullRequestsReferences", "nodes") or ():
        if node["repository"]["nameWithOwner"].lower() != repository.lower():
            continue
        if node.get("merged") and node.get("mergeCommit"):
            merged[CommitSha(node["mergeCommit"]["oid"])] = None
        elif node.get("state") == "OPEN" and node.get("headRefOid"):
            proposed[CommitSha(node["headRefOid"])] = None
    for node in dig(issue, "timelineItems", "nodes") or ():
        if oid := dig(node, "closer", "oid"):
            merged[CommitSha(oid)] = None
    newest = dig(data, "repository", "defaultBranchRef", "target", "oid")
    return Linked(tuple(merged), tuple(proposed), CommitSha(newest) if newest else None)

"""Writes, safe to repeat: a comment found by hidden marker and own authorship, reactions, labels, folding away.

Owns how something is written so that doing it twice, or losing the answer, leaves one of it. Leaves the words to `templates/`
and the report's own renderer. A marker in somebody else's comment means nothing: anyone can paste one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

from app.errors import Unavailable
from app.github.client import Refused, Session, dig
from app.policy.located import Mistake

CONFIG_CHECK = "infra-audit configuration"
VERDICT_CHECK = "infra-audit verdict"
MOST_ANNOTATIONS = 50
"""Of one request; GitHub refuses more."""
LONGEST_COMMENT = 65_536
"""Characters; GitHub refuses more."""

Reaction = Literal["eyes", "rocket", "confused"]


@dataclass(frozen=True, slots=True)
class Place:
    """An issue, as addressed: names go into paths, ids key what is remembered."""

    repository: str
    repository_id: int
    issue: int

    @property
    def path(self) -> str:
        return f"/repos/{self.repository}/issues/{self.issue}"


@dataclass(frozen=True, slots=True)
class Comment:
    """`body` as GitHub holds it. `created` False: it was there, and was rewritten or already said the same."""

    id: int
    node_id: str
    url: str
    body: str
    created: bool = False


def marker(kind: str, **values: str) -> str:
    """The hidden first line by which a comment of ours is found again. Values keep to letters, digits and `._:-`."""
    words = "".join(f" {name}={_plain(value)}" for name, value in sorted(values.items()))
    return f"<!-- infra-audit {kind}{words} -->"


def _plain(value: str) -> str:
    return "".join(sign if sign.isalnum() or sign in "._:" else "-" for sign in value)[:120]


def is_ours(comment: Mapping[str, Any], app_id: int) -> bool:
    """Written by this App, not merely through it and not by somebody who copied a marker."""
    return dig(comment, "performed_via_github_app", "id") == app_id and dig(comment, "user", "type") == "Bot"


async def find_comment(session: Session, place: Place, mark: str, remembered: int | None = None) -> Comment | None:
    """Our comment with that marker. `remembered` saves reading the whole thread when it is still right."""
    app_id = session.github.app_id
    if remembered is not None:
        try:
            known = await session.get(f"/repos/{place.repository}/issues/comments/{remembered}")
        except Refused as refused:
            if refused.status not in (404, 410):
                raise
        else:
            if is_ours(known, app_id) and known["body"].startswith(mark):
                return _comment(known)
    for comment in await session.pages(f"{place.path}/comments"):
        if is_ours(comment, app_id) and (comment["body"] or "").startswith(mark):
            return _comment(comment)
    return None


async def upsert_comment(
    session: Session, place: Place, mark: str, body: str, *, remembered: int | None = None, anew: bool = True
) -> Comment | None:
    """Exactly one comment with `mark`, saying `body`. After a lost answer it looks whether the comment arrived.

    `anew` False: one that was remembered and is gone was deleted by somebody, and stays so; None then.
    """
    text = f"{mark}\n{body}"
    if len(text) > LONGEST_COMMENT:
        raise ValueError(f"a comment of {len(text)} characters; GitHub takes {LONGEST_COMMENT}")
    found = await find_comment(session, place, mark, remembered)
    if found is not None:
        if found.body == text:
            return found
        answer = await session.write("PATCH", f"/repos/{place.repository}/issues/comments/{found.id}", {"body": text})
        return _comment(answer)
    if remembered is not None and not anew:
        return None
    try:
        answer = await session.write("POST", f"{place.path}/comments", {"body": text})
    except Unavailable:
        arrived = await find_comment(session, place, mark)
        if arrived is None:
            raise
        return arrived
    return _comment(answer, created=True)


async def react(session: Session, place: Place, comment: int | None, content: Reaction) -> None:
    """On the comment that asked, else on the issue. The same reaction again is no second one."""
    path = (
        f"/repos/{place.repository}/issues/comments/{comment}/reactions"
        if comment is not None
        else f"{place.path}/reactions"
    )
    await session.write("POST", path, {"content": content})


async def set_labels(
    session: Session, place: Place, add: Mapping[str, str], away: Sequence[str], present: Mapping[str, int]
) -> Mapping[str, int]:
    """Add labels (name to colour) and take others away. Returns what the issue has then, ids by name."""
    now = dict(present)
    for name in sorted(add):
        await _have_label(session, place.repository, name, add[name])
    if add:
        answer = await session.write("POST", f"{place.path}/labels", {"labels": sorted(add)})
        now = {str(label["name"]): int(label.get("id") or 0) for label in answer}
    for name in away:
        try:
            await session.write("DELETE", f"{place.path}/labels/{quote(name, safe='')}")
        except Refused as refused:
            if refused.status != 404:  # 404: somebody was faster
                raise
        now.pop(name, None)
    return now


async def _have_label(session: Session, repository: str, name: str, colour: str) -> None:
    """Asked before it is made: a question does not wait for the pace of writes, and mostly the answer is yes."""
    try:
        await session.get(f"/repos/{repository}/labels/{quote(name, safe='')}")
    except Refused as refused:
        if refused.status != 404:
            raise
        try:
            await session.write("POST", f"/repos/{repository}/labels", {"name": name, "color": colour})
        except Refused as made:
            if made.status != 422:  # 422: somebody was faster
                raise


async def assign(session: Session, place: Place, logins: Sequence[str], *, once: bool) -> tuple[list[str], list[str]]:
    """Assign those of `logins` who can be; returns them, and those who cannot be. `once`: it was done before, so that who
    took an assignment away since is not overruled."""
    able: list[str] = []
    for login in logins:
        try:
            await session.get(f"{place.path}/assignees/{quote(login, safe='')}")
            able.append(login)
        except Refused as refused:
            if refused.status != 404:
                raise
    if able and not once:
        answer = await session.write("POST", f"{place.path}/assignees", {"assignees": able})
        assigned = {str(one["login"]).lower() for one in answer.get("assignees") or ()}
        able = [login for login in able if login.lower() in assigned]
    return able, [login for login in logins if login not in able]


async def report_check(session: Session, repository: str, sha: str, path: str, mistakes: Sequence[Mistake]) -> None:
    """A check run on a commit: each mistake of the configuration at its line. The newest of the name is what GitHub shows."""
    annotations = [
        {
            "path": path,
            "start_line": mistake.line,
            "end_line": mistake.line,
            "annotation_level": "failure",
            "message": mistake.what + (f" Did you mean {mistake.instead!r}?" if mistake.instead else ""),
        }
        for mistake in mistakes[:MOST_ANNOTATIONS]
    ]
    count = len(mistakes)
    title = "The configuration is valid" if not count else f"{count} mistake{'s' if count > 1 else ''}"
    summary = f"`{path}` was read as the audits would read it."
    check = {
        "name": CONFIG_CHECK,
        "head_sha": sha,
        "status": "completed",
        "conclusion": "failure" if mistakes else "success",
        "output": {"title": title, "summary": summary, "annotations": annotations},
    }
    await session.write("POST", f"/repos/{repository}/check-runs", check)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A check with what an audit found. `name` tells environments apart; `link` is where the issue stands."""

    name: str
    title: str
    summary: str
    conclusion: Literal["neutral", "success", "failure"]
    link: str


async def report_verdict(session: Session, repository: str, sha: str, verdict: Verdict) -> None:
    """One check of the name on a commit: written anew when there is none of ours, and changed only when it says other."""
    listed = await session.get(
        f"/repos/{repository}/commits/{sha}/check-runs",
        check_name=verdict.name,
        filter="latest",
        app_id=session.github.app_id,
    )
    output = {"title": verdict.title, "summary": verdict.summary}
    said = {
        "name": verdict.name,
        "status": "completed",
        "conclusion": verdict.conclusion,
        "details_url": verdict.link,
        "output": output,
    }
    for known in listed.get("check_runs") or ():
        same = known.get("conclusion") == verdict.conclusion and known.get("details_url") == verdict.link
        if not same or {key: dig(known, "output", key) for key in output} != output:
            await session.write("PATCH", f"/repos/{repository}/check-runs/{known['id']}", said)
        return
    await session.write("POST", f"/repos/{repository}/check-runs", {**said, "head_sha": sha})


async def minimise(session: Session, node_id: str) -> None:
    """Fold a superseded comment away. A refusal changes nothing that matters, and is the caller's to judge."""
    await session.mutate(
        "mutation($id: ID!) { minimizeComment(input: {subjectId: $id, classifier: OUTDATED})"
        " { minimizedComment { isMinimized } } }",
        id=node_id,
    )


def _comment(raw: Mapping[str, Any], *, created: bool = False) -> Comment:
    return Comment(raw["id"], raw.get("node_id", ""), raw.get("html_url", ""), raw.get("body") or "", created)

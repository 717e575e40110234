"""Deliveries: verify the signature over the raw bytes, then read only the fields that we use.

Owns the small tolerant models of what GitHub sends and their mapping to a frozen `Event`. Leaves storing to `archive.py` and
answering to `respond.py`. Of a comment only its command lines are kept, with secrets cut: the rest of it is nobody's business.
The SDK's own models are not used: they refuse deliveries that GitHub really sends, and take a thousand times longer.
"""

import hmac
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.policy.commands import command_lines
from app.redact import cut, start_of

T = TypeVar("T")

WEBHOOK_PATH = "/webhooks/github"
LARGEST_BODY = 25 * 1024 * 1024
"""Bytes; GitHub sends nothing larger."""


class EventKind(StrEnum):
    """What happened, as far as it concerns us."""

    LABELED = "labeled"
    COMMANDED = "commanded"
    REOPENED = "reopened"
    CLOSED = "closed"
    GONE = "gone"
    """The issue was deleted or moved to another repository."""
    DEPLOYED = "deployed"
    PROPOSED = "proposed"
    """A pull request was opened or got new commits; its configuration is checked."""
    INSTALLED = "installed"
    UNINSTALLED = "uninstalled"


@dataclass(frozen=True, slots=True)
class Event:
    """One delivery, mapped. Ids key everything, because names change; names are for addresses and for the reader.

    `issue` None for deployments and installations; of a pull request it is the number. `lines` are the command lines of a
    comment, `label` the added label. `environment` belongs to a deployment, `workflow` is the name of one that
    may have deployed, `sha` belongs to either or to the head of a pull request.
    `sender` is a login, `sender_is_bot` by its account type.
    """

    kind: EventKind
    installation: int
    repository_id: int = 0
    repository: str = ""
    private: bool = True
    issue: int | None = None
    sender: str = ""
    sender_is_bot: bool = False
    comment: int | None = None
    lines: tuple[str, ...] = ()
    label: str | None = None
    environment: str | None = None
    sha: str | None = None
    workflow: str | None = None

    @property
    def subject(self) -> str:
        """What jobs are kept in order by."""
        return f"{self.repository_id}#{self.issue}" if self.issue is not None else f"{self.repository_id}"


EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class BadDelivery(Exception):
    """The body is no JSON object, or lacks what its event always has."""


def verify(body: bytes, signature: str | None, secrets: Sequence[str]) -> bool:
    """Whether one of `secrets` signed `body`. Compares in constant time and tries every secret, whatever the first says."""
    if signature is None or not signature.startswith("sha256="):
        return False
    given = signature[7:].encode("ascii", "replace")
    matches = False
    for secret in secrets:
        expected = hmac.digest(secret.encode(), body, "sha256").hex().encode()
        matches |= hmac.compare_digest(expected, given)
    return matches


class _Tolerant(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Id(_Tolerant):
    id: int


class _Account(_Tolerant):
    login: str
    type: str = "User"


class _Repository(_Tolerant):
    id: int
    full_name: str
    private: bool = True
    default_branch: str = ""


class _Label(_Tolerant):
    name: str


class _Issue(_Tolerant):
    number: int
    state: str = "open"
    body: str | None = None
    pull_request: dict[str, Any] | None = None


class _Comment(_Tolerant):
    id: int
    body: str | None = None
    performed_via_github_app: _Id | None = None


class _Was(_Tolerant):
    """`from` is how GitHub names the text before an edit."""

    text: str = Field(default="", alias="from")


class _Changes(_Tolerant):
    body: _Was | None = None


class _Head(_Tolerant):
    sha: str


class _PullRequest(_Tolerant):
    number: int
    head: _Head


class _Deployment(_Tolerant):
    sha: str
    environment: str


class _DeploymentStatus(_Tolerant):
    state: str


class _WorkflowRun(_Tolerant):
    name: str | None = None
    head_sha: str
    head_branch: str | None = None
    event: str = ""
    conclusion: str | None = None


class _Payload(_Tolerant):
    """Everything optional: which parts must be there depends on the event, and `_need` says so."""

    action: str = ""
    installation: _Id | None = None
    repository: _Repository | None = None
    sender: _Account | None = None
    issue: _Issue | None = None
    label: _Label | None = None
    comment: _Comment | None = None
    changes: _Changes | None = None
    pull_request: _PullRequest | None = None
    deployment: _Deployment | None = None
    deployment_status: _DeploymentStatus | None = None
    workflow_run: _WorkflowRun | None = None


HANDLED = frozenset({"issues", "issue_comment", "deployment_status", "workflow_run", "pull_request", "installation"})
_ISSUE_KINDS = {
    "labeled": EventKind.LABELED,
    "reopened": EventKind.REOPENED,
    "closed": EventKind.CLOSED,
    "deleted": EventKind.GONE,
    "transferred": EventKind.GONE,
}


def read_event(name: str, body: bytes) -> Event | None:
    """The event of a verified delivery; None when it does not concern us. Raises `BadDelivery`."""
    if name not in HANDLED or (name == "issue_comment" and b"audit" not in body.lower()):
        return None
    if name == "workflow_run" and b'"success"' not in body:
        return None  # most of them: three deliveries for every run of every workflow
    try:
        raw: object = orjson.loads(body)
        payload = _Payload.model_validate(raw)
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise BadDelivery(f"the {name} delivery is not readable: {type(error).__name__}") from error
    if payload.installation is None:
        return None  # a repository hook, not ours
    match name:
        case "issues":
            return _issue_event(payload)
        case "issue_comment":
            return _comment_event(payload)
        case "deployment_status":
            return _deployment_event(payload)
        case "workflow_run":
            return _workflow_event(payload)
        case "pull_request":
            return _proposal_event(payload)
        case _:
            kinds = {"created": EventKind.INSTALLED, "deleted": EventKind.UNINSTALLED}
            kind = kinds.get(payload.action)
            return Event(kind, payload.installation.id) if kind else None


def _issue_event(payload: _Payload) -> Event | None:
    if payload.action == "opened":
        return _opened_event(payload)
    kind = _ISSUE_KINDS.get(payload.action)
    if kind is None:
        return None
    issue = _need(payload.issue, "issue")
    if kind is EventKind.LABELED:
        label = _need(payload.label, "label").name
        if issue.state != "open" or issue.pull_request is not None or _is_our_label(label):
            return None
        return _event(kind, payload, issue=issue.number, label=str(cut(label)))
    return _event(kind, payload, issue=issue.number)


def _opened_event(payload: _Payload) -> Event | None:
    """An issue may ask in its own text. Labels that it is opened with come as deliveries of their own."""
    issue = _need(payload.issue, "issue")
    lines = command_lines(issue.body or "")
    if not lines or issue.pull_request is not None:
        return None
    return _event(EventKind.COMMANDED, payload, issue=issue.number, lines=_kept(lines))


def _kept(lines: Sequence[str]) -> tuple[str, ...]:
    return tuple(str(start_of(line, 500)) for line in lines)


def _is_our_label(label: str) -> bool:
    """Labels that we add ourselves never start an audit."""
    return label.startswith(("priority:", "escalated:"))


def _comment_event(payload: _Payload) -> Event | None:
    if payload.action not in ("created", "edited"):
        return None
    comment, issue = _need(payload.comment, "comment"), _need(payload.issue, "issue")
    lines = command_lines(comment.body or "")
    if payload.action == "edited":
        lines = _added(lines, payload.changes.body if payload.changes is not None else None)
    if not lines or comment.performed_via_github_app is not None or issue.pull_request is not None:
        return None
    return _event(EventKind.COMMANDED, payload, issue=issue.number, comment=comment.id, lines=_kept(lines))


def _added(lines: Sequence[str], before: _Was | None) -> tuple[str, ...]:
    """The commands that an edit brought. What stood there before was run, or is too old to be brought back to life."""
    if before is None:
        return ()
    old = Counter(command_lines(before.text))
    fresh: list[str] = []
    for line in lines:
        if old[line] > 0:
            old[line] -= 1
        else:
            fresh.append(line)
    return tuple(fresh)


def _proposal_event(payload: _Payload) -> Event | None:
    if payload.action not in ("opened", "reopened", "synchronize"):
        return None
    pull = _need(payload.pull_request, "pull_request")
    return _event(EventKind.PROPOSED, payload, issue=pull.number, sha=pull.head.sha.lower())


def _deployment_event(payload: _Payload) -> Event | None:
    deployment = _need(payload.deployment, "deployment")
    if _need(payload.deployment_status, "deployment_status").state != "success":
        return None
    return _event(EventKind.DEPLOYED, payload, environment=str(cut(deployment.environment)), sha=deployment.sha.lower())


def _workflow_event(payload: _Payload) -> Event | None:
    """A run that succeeded on the default branch may have deployed; configuration says which ones do."""
    run, repository = _need(payload.workflow_run, "workflow_run"), _need(payload.repository, "repository")
    if payload.action != "completed" or run.conclusion != "success" or not run.name:
        return None
    if run.head_branch != repository.default_branch or run.event.startswith("pull_request"):
        return None  # a branch of a stranger's copy may be called the same
    return _event(EventKind.DEPLOYED, payload, workflow=str(cut(run.name)), sha=run.head_sha.lower())


def _event(
    kind: EventKind,
    payload: _Payload,
    *,
    issue: int | None = None,
    comment: int | None = None,
    lines: tuple[str, ...] = (),
    label: str | None = None,
    environment: str | None = None,
    sha: str | None = None,
    workflow: str | None = None,
) -> Event | None:
    repository, sender = _need(payload.repository, "repository"), _need(payload.sender, "sender")
    is_bot = sender.type == "Bot" or sender.login.endswith("[bot]")
    if is_bot and kind in (EventKind.COMMANDED, EventKind.LABELED):
        return None  # other bots and ourselves: the shortest way to a loop
    return Event(
        kind=kind,
        installation=_need(payload.installation, "installation").id,
        repository_id=repository.id,
        repository=repository.full_name,
        private=repository.private,
        issue=issue,
        sender=sender.login,
        sender_is_bot=is_bot,
        comment=comment,
        lines=lines,
        label=label,
        environment=environment,
        sha=sha,
        workflow=workflow,
    )


def _need(part: T | None, name: str) -> T:
    if part is None:
        raise BadDelivery(f"the delivery lacks its {name}")
    return part

"""A stand-in GitHub that holds state and speaks HTTP on loopback: issues, comments, reactions, labels, roles, commits, tokens,
deliveries. It also misbehaves on request: throttles, drops answers, answers 502 after writing, revokes tokens.

Commits, comparisons, trees, files and blame come from a real local repository. It is started by the tests and by the demo:
`create_app(state)` is a small ASGI application.
"""

import asyncio
import base64
import functools
import hashlib
import hmac
import itertools
import json
import re
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt
import uvicorn
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

LONGEST_BODY = 65_536


class Contract(Protocol):
    """GitHub's own description; the tests set it, the demo does not need it."""

    def violations(
        self, method: str, path: str, query: Mapping[str, str], body: Any, status: int, answer: Any
    ) -> list[str]: ...


class Deaths(Protocol):
    """`at`: None, all is well; True, whoever asks dies after this is done; False, it died before."""

    def at(self, method: str, path: str, body: Any) -> bool | None: ...


ROLES = ("none", "read", "triage", "write", "maintain", "admin")


@dataclass
class FakeComment:
    id: int
    issue: int
    author: str
    body: str
    by_app: int | None
    reactions: set[tuple[str, str]] = field(default_factory=set)
    minimized: bool = False

    @property
    def node_id(self) -> str:
        return f"IC_{self.id}"


@dataclass
class FakeIssue:
    number: int
    title: str
    body: str
    author: str
    state: str = "open"
    labels: list[str] = field(default_factory=list)
    reactions: set[tuple[str, str]] = field(default_factory=set)
    linked_commits: list[str] = field(default_factory=list)
    linked_heads: list[str] = field(default_factory=list)
    """Heads of open pull requests that would close it."""
    assignees: list[str] = field(default_factory=list)
    gone: bool = False
    locked: bool = False


@dataclass
class FakeRepository:
    """`git` is a real repository, whose checked-out branch is the default one; `files` stand for it without one."""

    id: int
    full_name: str
    private: bool = True
    git: Path | None = None
    files: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    issues: dict[int, FakeIssue] = field(default_factory=dict)
    comments: dict[int, FakeComment] = field(default_factory=dict)
    pulls: dict[int, dict[str, str]] = field(default_factory=dict)
    """Files that a pull request changes, with their text at its head."""
    deployments: list[tuple[str, str, str, list[tuple[str, str]]]] = field(default_factory=list)
    """Environment, commit, beginning, and states with their times."""
    merged_pulls: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    """Commits of a pull request, and the commit that it was merged as."""
    checks: list[dict[str, Any]] = field(default_factory=list)
    label_ids: dict[str, int] = field(default_factory=dict)
    head: str = "f" * 40
    """Of the default branch, where there is no real repository."""
    archived: bool = False
    largest_patch: int = 100_000
    """Characters; of a larger change GitHub gives no patch."""
    broken: set[str] = field(default_factory=set)
    """Expressions whose object GraphQL cannot give: null in the answer, with an error beside it."""


@dataclass
class FakeDelivery:
    id: int
    guid: str
    event: str
    payload: dict[str, Any]
    delivered_at: datetime
    status_code: int = 0
    redelivery: bool = False


@dataclass
class Fault:
    """Misbehaviour for `times` requests that fit, after `skip` of them. `after_writing`: the work is done, the answer lost."""

    method: str
    path: str
    status: int
    times: int = 1
    skip: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    after_writing: bool = False
    message: str = "fault"
    answer: Any = None
    """The whole answer; None: the message alone."""

    def say(self) -> JSONResponse:
        return JSONResponse(
            self.answer if self.answer is not None else {"message": self.message}, self.status, self.headers
        )

    def strikes(self, method: str, path: str) -> bool:
        if self.times == 0 or self.method not in (method, "ANY") or not re.search(self.path, path):
            return False
        self.skip -= 1
        self.times -= self.skip < 0
        return self.skip < 0


@functools.cache
def _key() -> rsa.RSAPrivateKey:
    """One for all stand-ins of a process: making it takes long."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class FakeGitHub:
    """The state, and what people and GitHub itself do to it. Threads: the server's and the test's, one lock."""

    def __init__(self, *, app_id: int = 4711, slug: str = "infra-audit", secret: str = "a-long-enough-secret") -> None:
        self.app_id = app_id
        self.slug = slug
        self.secret = secret
        self.lock = threading.RLock()
        key = _key()
        self.private_key = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        ).decode()
        self.public_key = key.public_key()
        self.installation = 99
        self.suspended = False
        self.repositories: dict[str, FakeRepository] = {}
        self.moved: dict[str, int] = {}
        """Former names, and the ids of the repositories that had them."""
        self.tokens: dict[str, float] = {}
        self.token_requests = 0
        self.deliveries: list[FakeDelivery] = []
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, int]] = []
        self.contract: Contract | None = None
        self.violations: list[str] = []
        self.write_times: list[float] = []
        self.target: str | None = None
        self._sender = httpx.Client(
            timeout=10, verify=False, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)
        )
        self.repeats = 1
        """How often each delivery is sent; the scenarios send all of them twice."""
        self.address = "http://127.0.0.1"
        self.deaths: Deaths | None = None
        """At which writes whoever talks to us dies; only the scenarios have it."""
        self.manifest_codes: dict[str, dict[str, Any]] = {}
        self._ids = itertools.count(1000)

    @property
    def bot(self) -> str:
        return f"{self.slug}[bot]"

    # --- what people do ---

    def add_repository(self, full_name: str, **values: Any) -> FakeRepository:
        repository = FakeRepository(next(self._ids), full_name, **values)
        self.repositories[full_name] = repository
        return repository

    def rename(self, repository: FakeRepository, full_name: str) -> None:
        """Also a transfer: the former name leads to it until somebody else takes that."""
        with self.lock:
            self.moved[repository.full_name] = repository.id
            del self.repositories[repository.full_name]
            repository.full_name = full_name
            self.repositories[full_name] = repository

    def rename_label(self, repository: FakeRepository, old: str, new: str) -> None:
        with self.lock:
            repository.labels[new] = repository.labels.pop(old)
            repository.label_ids[new] = repository.label_ids.pop(old)
            for issue in repository.issues.values():
                issue.labels = [new if name == old else name for name in issue.labels]

    def delete_comment(self, repository: FakeRepository, comment: FakeComment) -> None:
        with self.lock:
            del repository.comments[comment.id]

    def open_issue(self, repository: FakeRepository, title: str, body: str = "", author: str = "dana") -> FakeIssue:
        with self.lock:
            number = max(repository.issues, default=0) + 1
            issue = FakeIssue(number, title, body, author)
            repository.issues[number] = issue
            return issue

    def comment(
        self, repository: FakeRepository, issue: FakeIssue, author: str, body: str, *, by_app: int | None = None
    ) -> FakeComment:
        """Write a comment as somebody; nothing is delivered yet."""
        with self.lock:
            comment = FakeComment(next(self._ids), issue.number, author, body, by_app)
            repository.comments[comment.id] = comment
            return comment

    def comment_delivery(
        self, repository: FakeRepository, issue: FakeIssue, comment: FakeComment, action: str = "created"
    ) -> FakeDelivery:
        return self.delivery(
            "issue_comment",
            repository,
            comment.author,
            action=action,
            issue=self.show_issue(repository, issue),
            comment=self.show_comment(repository, comment),
        )

    def say(self, repository: FakeRepository, issue: FakeIssue, author: str, body: str) -> FakeDelivery:
        return self.comment_delivery(repository, issue, self.comment(repository, issue, author, body))

    def label(self, repository: FakeRepository, issue: FakeIssue, author: str, label: str) -> FakeDelivery:
        with self.lock:
            repository.labels.setdefault(label, "ededed")
            if label not in issue.labels:
                issue.labels.append(label)
        return self.delivery(
            "issues",
            repository,
            author,
            action="labeled",
            issue=self.show_issue(repository, issue),
            label=self._show_label(repository, label),
        )

    def issue_event(self, repository: FakeRepository, issue: FakeIssue, author: str, action: str) -> FakeDelivery:
        with self.lock:
            issue.state = {"closed": "closed", "reopened": "open"}.get(action, issue.state)
            issue.gone = issue.gone or action in ("deleted", "transferred")
        return self.delivery("issues", repository, author, action=action, issue=self.show_issue(repository, issue))

    def propose(self, repository: FakeRepository, files: dict[str, str], action: str = "opened") -> FakeDelivery:
        """A pull request that changes these files."""
        number = len(repository.pulls) + 500
        repository.pulls[number] = files
        pull = {"number": number, "head": {"sha": f"{number:040x}"}}
        return self.delivery("pull_request", repository, "dana", action=action, number=number, pull_request=pull)

    def deployment(
        self, repository: FakeRepository, environment: str, sha: str, state: str = "success"
    ) -> FakeDelivery:
        return self.delivery(
            "deployment_status",
            repository,
            "deployer[bot]",
            action="created",
            deployment={"id": 1, "sha": sha, "environment": environment, "ref": "main"},
            deployment_status={"id": 1, "state": state},
        )

    def workflow_run(
        self, repository: FakeRepository, name: str, sha: str, *, branch: str = "main", conclusion: str = "success"
    ) -> FakeDelivery:
        run = {"id": 1, "name": name, "head_sha": sha, "head_branch": branch, "event": "push", "conclusion": conclusion}
        return self.delivery("workflow_run", repository, "dana", action="completed", workflow_run=run)

    def delivery(self, event: str, repository: FakeRepository, sender: str, **payload: Any) -> FakeDelivery:
        bot = sender.endswith("[bot]")
        full: dict[str, Any] = {
            **payload,
            "installation": {"id": self.installation},
            "repository": self.show_repository(repository),
            "sender": {"login": sender, "id": 1, "type": "Bot" if bot else "User"},
        }
        with self.lock:
            delivery = FakeDelivery(next(self._ids), str(uuid.uuid4()), event, full, datetime.now(UTC))
            self.deliveries.append(delivery)
        return delivery

    # --- what GitHub does ---

    def headers(self, delivery: FakeDelivery, body: bytes, secret: str | None = None) -> dict[str, str]:
        digest = hmac.new((secret or self.secret).encode(), body, hashlib.sha256).hexdigest()
        return {
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Delivery": delivery.guid,
            "X-Hub-Signature-256": f"sha256={digest}",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/fake",
        }

    def send(self, delivery: FakeDelivery, *, times: int | None = None) -> int:
        """Post it to `target`, as often as asked; returns the last status. A refused connection is a failed delivery."""
        body = json.dumps(delivery.payload).encode()
        for _ in range(times or self.repeats):
            try:
                answer = self._sender.post(f"{self.target}", content=body, headers=self.headers(delivery, body))
                delivery.status_code = answer.status_code
            except httpx.HTTPError:
                delivery.status_code = 502
        return delivery.status_code

    # --- how it shows things ---

    def show_repository(self, repository: FakeRepository) -> dict[str, Any]:
        owner, _, name = repository.full_name.partition("/")
        return {
            "id": repository.id,
            "name": name,
            "full_name": repository.full_name,
            "private": repository.private,
            "visibility": "private" if repository.private else "public",
            "archived": repository.archived,
            "default_branch": "main",
            "html_url": f"{self.address}/{repository.full_name}",
            "owner": {"login": owner, "id": 7, "type": "Organization"},
        }

    def show_issue(self, repository: FakeRepository, issue: FakeIssue) -> dict[str, Any]:
        return {
            "id": repository.id * 1000 + issue.number,
            "node_id": f"I_{issue.number}",
            "number": issue.number,
            "title": issue.title,
            "body": issue.body,
            "state": issue.state,
            "user": {"login": issue.author, "id": 1, "type": "User"},
            "labels": [self._show_label(repository, name) for name in issue.labels],
            "locked": issue.locked,
            "assignees": [{"login": login, "id": 1, "type": "User"} for login in issue.assignees],
            "comments": sum(1 for c in repository.comments.values() if c.issue == issue.number),
            "url": f"{self.address}/repos/{repository.full_name}/issues/{issue.number}",
            "html_url": f"{self.address}/{repository.full_name}/issues/{issue.number}",
        }

    def show_comment(self, repository: FakeRepository, comment: FakeComment) -> dict[str, Any]:
        bot = comment.author.endswith("[bot]")
        return {
            "id": comment.id,
            "node_id": comment.node_id,
            "body": comment.body,
            "user": {"login": comment.author, "id": 1, "type": "Bot" if bot else "User"},
            "performed_via_github_app": {"id": comment.by_app, "slug": self.slug} if comment.by_app else None,
            "html_url": f"{self.address}/{repository.full_name}/issues/{comment.issue}#issuecomment-{comment.id}",
            "created_at": "2026-01-01T00:00:00Z",
        }

    def _show_label(self, repository: FakeRepository, name: str) -> dict[str, Any]:
        number = repository.label_ids.setdefault(name, len(repository.label_ids) + 1)
        return {"id": number, "name": name, "color": repository.labels.get(name, "ededed")}

    def thread(self, repository: FakeRepository, issue: FakeIssue) -> list[FakeComment]:
        """The issue's comments as people see them, oldest first."""
        with self.lock:
            return [c for c in sorted(repository.comments.values(), key=lambda c: c.id) if c.issue == issue.number]

    def ours(self, repository: FakeRepository, issue: FakeIssue) -> list[FakeComment]:
        return [c for c in self.thread(repository, issue) if c.author == self.bot]


class _Answer(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def create_app(state: FakeGitHub) -> Any:
    """The REST and GraphQL surface that the product uses, and nothing else."""

    def route(path: str, method: str, work: Callable[[Request, Any], Any], *, auth: str = "installation") -> Route:
        async def endpoint(request: Request) -> Response:
            raw = await request.body()
            body = json.loads(raw) if raw else None
            deaths = state.deaths
            if deaths is not None and (dying := deaths.at(request.method, request.url.path, body)) is not None:
                if dying:
                    with state.lock:
                        _run(request, body)
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                return Response(status_code=503)  # to nobody
            with state.lock:
                fault = next((f for f in state.faults if f.strikes(request.method, request.url.path)), None)
                if request.method != "GET" and not request.url.path.endswith(("access_tokens", "/graphql")):
                    state.write_times.append(time.monotonic())
                if fault is not None and not fault.after_writing:
                    answer: Response = fault.say()
                else:
                    answer = _run(request, body)
                    if fault is not None:
                        answer = fault.say()
                tagged = _tagged(request, answer)
                state.requests.append((request.method, request.url.path, tagged.status_code))
                if state.contract is not None:
                    said = json.loads(answer.body) if answer.body else None
                    query = dict(request.query_params)
                    state.violations += state.contract.violations(
                        request.method, request.url.path, query, body, answer.status_code, said
                    )
            return tagged

        def _run(request: Request, body: Any) -> Response:
            try:
                _authorise(state, request, auth)
                result = work(request, body)
            except _Answer as refusal:
                return JSONResponse({"message": str(refusal)}, refusal.status)
            status, value = result if isinstance(result, tuple) else (200, result)
            headers: dict[str, str] = {}
            if isinstance(value, _Page):
                headers, value = value.headers, value.items
            return Response(status_code=204) if status == 204 else JSONResponse(value, status, headers)

        return Route(path, endpoint, methods=[method])

    def repository(request: Request) -> FakeRepository:
        name = f"{request.path_params['owner']}/{request.path_params['repo']}"
        found = state.repositories.get(name)
        if found is None:
            raise _Answer(404, "Not Found")
        if found.archived and request.method != "GET":
            raise _Answer(403, "Repository was archived so is read-only.")
        return found

    def issue(request: Request) -> tuple[FakeRepository, FakeIssue]:
        repo = repository(request)
        found = repo.issues.get(int(request.path_params["number"]))
        if found is None:
            raise _Answer(404, "Not Found")
        if found.gone:
            raise _Answer(410, "This issue was deleted")
        if found.locked and request.method == "POST":
            raise _Answer(403, "Unable to create comment because issue is locked.")
        return repo, found

    def comment(request: Request) -> tuple[FakeRepository, FakeComment]:
        repo = repository(request)
        found = repo.comments.get(int(request.path_params["comment"]))
        if found is None or repo.issues[found.issue].gone:
            raise _Answer(404, "Not Found")
        return repo, found

    def token(request: Request, _body: Any) -> Any:
        if state.suspended or int(request.path_params["installation"]) != state.installation:
            raise _Answer(403, "This installation has been suspended")
        state.token_requests += 1
        value = f"ghs_{uuid.uuid4().hex}"
        state.tokens[value] = time.time() + 3600
        expires = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        permissions = {"issues": "write", "contents": "read", "metadata": "read"}
        return 201, {"token": value, "expires_at": expires, "permissions": permissions}

    def role(request: Request, _body: Any) -> Any:
        login = request.path_params["login"]
        repo = repository(request)
        name = repo.roles.get(login, "none" if repo.private else "read")
        if name == "none":
            raise _Answer(404, "Not Found")
        rank = ROLES.index(name)
        flags = {"pull": 1, "triage": 2, "push": 3, "maintain": 4, "admin": 5}
        legacy = {"maintain": "write", "triage": "read"}.get(name, name)
        user = {"login": login, "id": 1, "permissions": {flag: rank >= least for flag, least in flags.items()}}
        return {"permission": legacy, "role_name": name, "user": user}

    def comments_of(request: Request, _body: Any) -> Any:
        repo, found = issue(request)
        items = [state.show_comment(repo, c) for c in state.thread(repo, found)]
        return _paged(request, items)

    def add_comment(request: Request, body: Any) -> Any:
        repo, found = issue(request)
        _check_body(body)
        made = state.comment(repo, found, state.bot, body["body"], by_app=state.app_id)
        return 201, state.show_comment(repo, made)

    def edit_comment(request: Request, body: Any) -> Any:
        repo, found = comment(request)
        _check_body(body)
        if found.by_app != state.app_id:
            raise _Answer(403, "Resource not accessible by integration")
        found.body = body["body"]
        return state.show_comment(repo, found)

    def add_reaction(reactions: set[tuple[str, str]], body: Any) -> Any:
        if body["content"] not in ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"):
            raise _Answer(422, "Validation Failed")
        entry = (state.bot, body["content"])
        status = 200 if entry in reactions else 201
        reactions.add(entry)
        return status, {"id": 1, "content": body["content"], "user": {"login": state.bot}}

    def add_labels(request: Request, body: Any) -> Any:
        repo, found = issue(request)
        for name in body["labels"]:
            repo.labels.setdefault(name, "ededed")
            if name not in found.labels:
                found.labels.append(name)
        return state.show_issue(repo, found)["labels"]

    def remove_label(request: Request, _body: Any) -> Any:
        repo, found = issue(request)
        name = request.path_params["label"]
        if name not in found.labels:
            raise _Answer(404, "Label does not exist")
        found.labels.remove(name)
        return state.show_issue(repo, found)["labels"]

    def create_label(request: Request, body: Any) -> Any:
        repo = repository(request)
        if body["name"] in repo.labels:
            raise _Answer(422, "Validation Failed")
        repo.labels[body["name"]] = body["color"]
        return 201, state._show_label(repo, body["name"])

    def get_label(request: Request, _body: Any) -> Any:
        repo, name = repository(request), request.path_params["label"]
        if name not in repo.labels:
            raise _Answer(404, "Not Found")
        return state._show_label(repo, name)

    def contents(request: Request, _body: Any) -> Any:
        repo, path = repository(request), request.path_params["path"]
        ref = request.query_params.get("ref")
        text = repo.files.get(path) if ref is None else None
        if ref is not None and re.fullmatch(r"0{30}[0-9a-f]{10}", ref):
            text = repo.pulls.get(int(ref, 16), {}).get(path)
        data = text.encode() if text is not None else _git_file(repo, ref or "HEAD", path)
        if data is None:
            raise _Answer(404, "Not Found")
        encoded = base64.encodebytes(data).decode()
        return {"type": "file", "encoding": "base64", "size": len(data), "path": path, "content": encoded}

    def commit(request: Request, _body: Any) -> Any:
        repo = repository(request)
        sha = _resolve(repo, request.path_params["ref"])
        if sha is None:
            raise _Answer(422, f"No commit found for SHA: {request.path_params['ref']}")
        return {**_show_commit(state, repo, sha), "files": _files(repo, f"{sha}^!")}

    def commits(request: Request, _body: Any) -> Any:
        repo = repository(request)
        shas = _git(repo, "rev-list", request.query_params.get("sha") or "HEAD").split() if repo.git else []
        if repo.git and not shas:
            raise _Answer(409, "Git Repository is empty.")
        page = _paged(request, shas)
        return _Page([_show_commit(state, repo, sha) for sha in page.items], page.headers)

    def compare(request: Request, _body: Any) -> Any:
        repo = repository(request)
        base, _, head = request.path_params["basehead"].partition("...")
        base_sha, head_sha = _resolve(repo, base), _resolve(repo, head)
        if base_sha is None or head_sha is None:
            raise _Answer(404, "Not Found")
        ahead = _git(repo, "rev-list", "--reverse", f"{base_sha}..{head_sha}").split()
        behind = _git(repo, "rev-list", f"{head_sha}..{base_sha}").split()
        status = ("diverged" if behind else "ahead") if ahead else ("behind" if behind else "identical")
        return {
            "status": status,
            "ahead_by": len(ahead),
            "behind_by": len(behind),
            "total_commits": len(ahead),
            "commits": [_show_commit(state, repo, sha) for sha in ahead[-250:]],
            "files": [],
        }

    def tree(request: Request, _body: Any) -> Any:
        repo = repository(request)
        names = _git(repo, "ls-tree", "-r", "--name-only", request.path_params["sha"]).splitlines()
        return {
            "sha": request.path_params["sha"],
            "truncated": False,
            "tree": [{"path": n, "type": "blob"} for n in names],
        }

    def hook_deliveries(request: Request, _body: Any) -> Any:
        shown = [
            {
                "id": d.id,
                "guid": d.guid,
                "event": d.event,
                "action": d.payload.get("action"),
                "delivered_at": d.delivered_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "redelivery": d.redelivery,
                "status": "OK" if 200 <= d.status_code < 300 else "failed",
                "status_code": d.status_code,
                "installation_id": state.installation,
                "repository_id": None,
                "duration": 0.1,
            }
            for d in reversed(state.deliveries)
        ]
        start, size = int(request.query_params.get("cursor", 0)), int(request.query_params.get("per_page", 30))
        more = start + size < len(shown)
        link = f'<{request.url.include_query_params(cursor=start + size)}>; rel="next"' if more else ""
        return _Page(shown[start : start + size], {"Link": link} if link else {})

    def redeliver(request: Request, _body: Any) -> Any:
        number = int(request.path_params["delivery"])
        old = next((d for d in state.deliveries if d.id == number), None)
        if old is None:
            raise _Answer(404, "Not Found")
        again = FakeDelivery(next(state._ids), old.guid, old.event, old.payload, datetime.now(UTC), redelivery=True)
        state.deliveries.append(again)
        threading.Thread(target=state.send, args=(again,), daemon=True).start()
        return 202, {}

    def convert(request: Request, _body: Any) -> Any:
        made = state.manifest_codes.pop(request.path_params["code"], None)
        if made is None:
            raise _Answer(404, "Not Found")
        return 201, made

    def graphql(request: Request, body: Any) -> Any:
        return _graphql(state, body["query"], body.get("variables") or {})

    def pull_files(request: Request, _body: Any) -> Any:
        files = repository(request).pulls[int(request.path_params["number"])]
        return _paged(request, [{"filename": name, "status": "modified"} for name in files])

    def add_check(request: Request, body: Any) -> Any:
        made = {**body, "id": next(state._ids)}
        repository(request).checks.append(made)
        return 201, shown_check(made)

    def edit_check(request: Request, body: Any) -> Any:
        found = next((c for c in repository(request).checks if c["id"] == int(request.path_params["check"])), None)
        if found is None:
            raise _Answer(404, "Not Found")
        found |= body
        return shown_check(found)

    def checks_of(request: Request, _body: Any) -> Any:
        sha, name = request.path_params["ref"], request.query_params.get("check_name")
        checks = [c for c in repository(request).checks if c["head_sha"] == sha and name in (None, c["name"])]
        return {"total_count": len(checks), "check_runs": [shown_check(c) for c in reversed(checks)]}

    def shown_check(check: dict[str, Any]) -> dict[str, Any]:
        said = {key: check.get(key) for key in ("id", "name", "head_sha", "status", "conclusion", "details_url")}
        return {**said, "output": {"title": check["output"]["title"], "summary": check["output"]["summary"]}}

    def may_be_assigned(request: Request, _body: Any) -> Any:
        if issue(request)[0].roles.get(request.path_params["login"], "none") == "none":
            raise _Answer(404, "Not Found")
        return 204, None

    def assign(request: Request, body: Any) -> Any:
        repo, found = issue(request)
        able = [login for login in body["assignees"] if repo.roles.get(login, "none") != "none"]
        found.assignees += [login for login in able if login not in found.assignees]
        return 201, state.show_issue(repo, found)

    repo_path = "/repos/{owner}/{repo}"
    issue_path = repo_path + "/issues/{number:int}"
    one_comment = repo_path + "/issues/comments/{comment:int}"
    routes = [
        route("/app/installations/{installation:int}/access_tokens", "POST", token, auth="app"),
        route("/app", "GET", lambda _r, _b: {"id": state.app_id, "slug": state.slug}, auth="app"),
        route("/app/hook/deliveries", "GET", hook_deliveries, auth="app"),
        route("/app/hook/deliveries/{delivery:int}/attempts", "POST", redeliver, auth="app"),
        route("/app-manifests/{code}/conversions", "POST", convert, auth="none"),
        route(repo_path, "GET", lambda r, _b: state.show_repository(repository(r))),
        route(repo_path + "/collaborators/{login}/permission", "GET", role),
        route(repo_path + "/labels", "POST", create_label),
        route(repo_path + "/labels/{label}", "GET", get_label),
        route(repo_path + "/contents/{path:path}", "GET", contents),
        route(repo_path + "/commits", "GET", commits),
        route(repo_path + "/commits/{ref}", "GET", commit),
        route(repo_path + "/compare/{basehead}", "GET", compare),
        route(repo_path + "/git/trees/{sha}", "GET", tree),
        route(one_comment, "GET", lambda r, _b: state.show_comment(*comment(r))),
        route(one_comment, "PATCH", edit_comment),
        route(one_comment + "/reactions", "POST", lambda r, b: add_reaction(comment(r)[1].reactions, b)),
        route(repo_path + "/pulls/{number:int}/files", "GET", pull_files),
        route(repo_path + "/check-runs", "POST", add_check),
        route(repo_path + "/check-runs/{check:int}", "PATCH", edit_check),
        route(repo_path + "/commits/{ref}/check-runs", "GET", checks_of),
        route(issue_path + "/assignees/{login}", "GET", may_be_assigned),
        route(issue_path + "/assignees", "POST", assign),
        route(issue_path, "GET", lambda r, _b: state.show_issue(*issue(r))),
        route(issue_path + "/comments", "GET", comments_of),
        route(issue_path + "/comments", "POST", add_comment),
        route(issue_path + "/reactions", "POST", lambda r, b: add_reaction(issue(r)[1].reactions, b)),
        route(issue_path + "/labels", "POST", add_labels),
        route(issue_path + "/labels/{label}", "DELETE", remove_label),
        route("/graphql", "POST", graphql),
    ]
    app = Starlette(routes=routes)

    async def forwarding(scope: Any, receive: Any, send: Any) -> None:
        """A former name answers with where its repository is now; an id is as good as a name."""
        if scope["type"] == "http" and (found := re.match(r"/repos/([^/]+/[^/]+)(.*)", scope["path"])):
            if found[1] not in state.repositories and (number := state.moved.get(found[1])) is not None:
                asked = scope["query_string"].decode()
                where = f"{state.address}/repositories/{number}{found[2]}{'?' + asked if asked else ''}"
                answer = Response(status_code=301 if scope["method"] == "GET" else 307, headers={"Location": where})
                await answer(scope, receive, send)
                return
        elif scope["type"] == "http" and (found := re.match(r"/repositories/(\d+)(.*)", scope["path"])):
            by_id = {r.id: r.full_name for r in state.repositories.values()}
            path = f"/repos/{by_id.get(int(found[1]), 'nobody/nothing')}{found[2]}"
            scope = {**scope, "path": path, "raw_path": path.encode()}
        await app(scope, receive, send)

    return forwarding


@dataclass
class _Page:
    items: list[Any]
    headers: dict[str, str]


def _tagged(request: Request, answer: Response) -> Response:
    """As GitHub marks what can be asked for again; 304 when the asker holds the same."""
    if request.method != "GET" or answer.status_code != 200:
        return answer
    tag = f'W/"{hashlib.sha256(answer.body).hexdigest()}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    answer.headers["ETag"] = tag
    return answer


def _paged(request: Request, items: list[Any]) -> _Page:
    page, size = int(request.query_params.get("page", 1)), min(int(request.query_params.get("per_page", 30)), 100)
    return _Page(items[(page - 1) * size : page * size], {})


def _check_body(body: Any) -> None:
    if not isinstance(body, dict) or set(body) != {"body"} or not body["body"]:
        raise _Answer(422, "Validation Failed")
    if len(body["body"]) > LONGEST_BODY:
        raise _Answer(422, f"Body is too long (maximum is {LONGEST_BODY} characters)")


def _authorise(state: FakeGitHub, request: Request, kind: str) -> None:
    value = request.headers.get("authorization", "").rpartition(" ")[2]
    if kind == "installation" and state.tokens.get(value, 0) < time.time():
        raise _Answer(401, "Bad credentials")
    if kind == "app":
        try:
            claims = jwt.decode(value, state.public_key, algorithms=["RS256"])
        except jwt.PyJWTError as error:
            raise _Answer(401, "A JSON web token could not be decoded") from error
        if claims["iss"] != str(state.app_id) or claims["exp"] - claims["iat"] > 660:
            raise _Answer(401, "Bad claims")


def _graphql(state: FakeGitHub, query: str, variables: dict[str, Any]) -> Any:
    if "minimizeComment" in query:
        for repo in state.repositories.values():
            for comment in repo.comments.values():
                if comment.node_id == variables["id"]:
                    comment.minimized = True
        return {"data": {"minimizeComment": {"minimizedComment": {"isMinimized": True}}}}
    repo = state.repositories.get(f"{variables['owner']}/{variables['name']}")
    if repo is None:
        return {"data": {"repository": None}, "errors": [{"type": "NOT_FOUND", "message": "no such repository"}]}
    if "deployments(" in query:
        nodes = [
            {
                "commitOid": sha,
                "createdAt": began,
                "statuses": {"nodes": [{"state": state, "createdAt": at} for state, at in statuses]},
            }
            for environment, sha, began, statuses in repo.deployments
            if environment == variables["environment"]
        ]
        return {"data": {"repository": {"deployments": {"nodes": nodes}}}}
    if asked := _OBJECT.findall(query):
        objects = {alias: _object(state, repo, query_part, variables, name) for alias, name, query_part in asked}
        broken = [alias for alias, name, _ in asked if variables[name] in repo.broken]
        objects |= dict.fromkeys(broken)
        errors = [{"path": ["repository", alias], "message": "Something went wrong"} for alias in broken]
        return {"data": {"repository": objects}, **({"errors": errors} if errors else {})}
    issue = repo.issues[variables["number"]]
    here = {"nameWithOwner": repo.full_name}
    nodes: list[dict[str, Any]] = [
        {"merged": True, "state": "MERGED", "headRefOid": sha, "mergeCommit": {"oid": sha}, "repository": here}
        for sha in issue.linked_commits
    ]
    nodes += [
        {"merged": False, "state": "OPEN", "headRefOid": sha, "mergeCommit": None, "repository": here}
        for sha in issue.linked_heads
    ]
    found = {"closedByPullRequestsReferences": {"nodes": nodes}, "timelineItems": {"nodes": []}}
    head = _resolve(repo, "HEAD") or repo.head
    return {"data": {"repository": {"defaultBranchRef": {"target": {"oid": head}}, "issue": found}}}


# --- the real repository ----------------------------------------------------------------------------------------------


def _git(repository: FakeRepository, *args: str) -> str:
    done = subprocess.run(["git", "-C", str(repository.git), *args], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else ""


def _resolve(repository: FakeRepository, name: str) -> str | None:
    if repository.git is None or name.startswith("-"):
        return None
    return _git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip() or None


def _git_file(repository: FakeRepository, ref: str, path: str) -> bytes | None:
    if repository.git is None:
        return None
    done = subprocess.run(["git", "-C", str(repository.git), "show", f"{ref}:{path}"], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def _show_commit(state: FakeGitHub, repository: FakeRepository, sha: str) -> dict[str, Any]:
    out = _git(repository, "show", "--no-patch", "--format=%P%x00%an%x00%cI%x00%B", sha)
    parents, author, date, message = out.split("\0", 3)
    return {
        "sha": sha,
        "parents": [{"sha": parent} for parent in parents.split()],
        "html_url": f"{state.address}/{repository.full_name}/commit/{sha}",
        "commit": {
            "message": message.strip("\n"),
            "author": {"name": author, "email": "nobody@example.com", "date": date},
            "committer": {"name": author, "email": "nobody@example.com", "date": date},
        },
    }


def _files(repository: FakeRepository, span: str) -> list[dict[str, Any]]:
    words = {"A": "added", "M": "modified", "D": "removed"}
    files: list[dict[str, Any]] = []
    for line in _git(repository, "diff-tree", "-r", "--no-renames", "--root", "--name-status", span).splitlines():
        state, tab, path = line.partition("\t")
        if not tab:
            continue
        patch = _git(repository, "diff-tree", "-p", "--root", "--no-renames", span, "--", path)
        hunks = patch[patch.index("@@") :].rstrip("\n") if "@@" in patch else ""
        blob = _git(repository, "ls-tree", "--format=%(objectname)", span.removesuffix("^!"), path).strip()
        shown = {"patch": hunks} if 0 < len(hunks) <= repository.largest_patch else {}
        changes = sum(line[:1] in ("+", "-") for line in hunks.split("\n"))
        what = words.get(state, "modified")
        files.append({"filename": path, "status": what, "sha": blob or None, "changes": changes, **shown})
    return files[:300]


_OBJECT = re.compile(r"(\w+): object\(expression: \$(\w+)\) \{ (.*) \}$", re.MULTILINE)
"""One line per object: all that our client writes, and no more of GraphQL."""


def _object(
    state: FakeGitHub, repository: FakeRepository, wanted: str, variables: dict[str, Any], name: str
) -> dict[str, Any] | None:
    if wanted.startswith("... on Blob"):
        ref, _, path = str(variables[name]).partition(":")
        data = _git_file(repository, ref, path)
        if data is None:
            return None
        binary = b"\0" in data[:8000]
        text = None if binary else data.decode(errors="replace")
        return {"text": text, "isBinary": binary, "isTruncated": False, "byteSize": len(data)}
    sha = _resolve(repository, variables[name])
    if sha is None:
        return None
    inner = re.search(r"path: \$(\w+)", wanted)
    path = str(variables[inner[1]]) if inner else None
    if "blame(" in wanted:
        return {"blame": {"ranges": _blame(repository, sha, path or "")}}
    if "associatedPullRequests(" in wanted:
        merged = [into for commits, into in repository.merged_pulls if sha in commits]
        return {
            "associatedPullRequests": {"nodes": [{"merged": True, "mergeCommit": {"oid": into}} for into in merged]}
        }
    if "history(" in wanted:
        shas = _git(repository, "rev-list", "--max-count=101", sha, *(("--", path) if path else ())).split()
        nodes = [_node(state, repository, one) for one in shas[:100]]
        return {"history": {"nodes": nodes, "pageInfo": {"hasNextPage": len(shas) > 100}}}
    return _node(state, repository, sha)


def _node(state: FakeGitHub, repository: FakeRepository, sha: str) -> dict[str, Any]:
    shown = _show_commit(state, repository, sha)
    return {
        "oid": sha,
        "message": shown["commit"]["message"],
        "committedDate": shown["commit"]["committer"]["date"],
        "url": shown["html_url"],
        "author": {"name": shown["commit"]["author"]["name"]},
        "parents": {"nodes": [{"oid": parent["sha"]} for parent in shown["parents"]]},
    }


def _blame(repository: FakeRepository, sha: str, path: str) -> list[dict[str, Any]]:
    out = _git(repository, "blame", "--line-porcelain", sha, "--", path)
    ranges: list[dict[str, Any]] = []
    for number, block in enumerate(re.split(r"\n\t[^\n]*\n", out)[:-1], 1):
        facts = dict(line.split(" ", 1) for line in block.splitlines() if " " in line)
        origin = block.split()[0]
        at = datetime.fromtimestamp(int(facts["committer-time"]), UTC).isoformat()
        commit = {
            "oid": origin,
            "committedDate": at,
            "messageHeadline": facts.get("summary", ""),
            "author": {"name": facts["author"]},
        }
        ranges.append({"startingLine": number, "endingLine": number, "commit": commit})
    return ranges


# --- serving ----------------------------------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """Ends when it is told to; by itself it looks ten times a second whether it should."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self._told.wait()

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._told.set)


@contextmanager
def serve(app: Any, *, port: int = 0) -> Iterator[str]:
    """Run an ASGI application on loopback in a thread of its own; gives its address."""
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        if time.monotonic() > deadline:
            raise RuntimeError("the server did not start")
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.end()
        thread.join(timeout=10)


@contextmanager
def running(state: FakeGitHub) -> Iterator[FakeGitHub]:
    with serve(create_app(state)) as address:
        state.address = address
        yield state

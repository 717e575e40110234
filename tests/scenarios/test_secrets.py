"""Secrets wherever text enters a served audit: nothing that is posted, shown, stored or logged holds one."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from app.main import CutFormatter, google_parts
from app.settings import read_settings
from app.sources import google as google_sources
from app.sources.google import Tenant
from app.sources.probes import PublicFeed
from tests.fakes import github as fake
from tests.fakes.github import FakeGitHub, FakeIssue, FakeRepository, Fault
from tests.fakes.google import FakeLogging, Trouble, client_of, serve_logging
from tests.fakes.google_rest import FakeGoogle, Hosts, serve_google
from tests.fakes.service import environment, eventually, service
from tests.repository import Repository
from tests.test_nothing_leaks import Planted, entries

PROJECT = "shop-prod"
RUN = f"projects/{PROJECT}/locations/europe-west1/services/checkout"


@dataclass
class Told:
    """Everything that left the service: what it asked GitHub to write, and its own log. The store is read as bytes."""

    writes: list[str] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)

    def violations(
        self, method: str, path: str, query: dict[str, str], asked: Any, status: int, answered: Any
    ) -> list[str]:
        """Listens where the stand-in holds requests against GitHub's own description of them."""
        if method != "GET" and not path.endswith("access_tokens"):
            self.writes.append(f"{method} {path} {json.dumps(asked, ensure_ascii=False)}")
        return []


@pytest.fixture
def planted() -> Planted:
    return Planted()


@pytest.fixture
def told() -> Iterator[Told]:
    told = Told()
    handler = logging.StreamHandler(told.log)
    handler.setFormatter(CutFormatter())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield told
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def github(told: Told) -> Iterator[FakeGitHub]:
    with fake.running(FakeGitHub()) as state:
        state.contract = told
        yield state


def shop(path: Path, planted: Planted) -> Repository:
    """A repository whose commits, files and configuration hold secrets, and whose tip runs."""
    code = (
        f"TOKEN = '{planted.token()}'\n# {planted.pair()}\ndef charge():\n    connect('{planted.url()}')\n" + "\n" * 7
    )
    code += f"    raise PaymentError('refused')  # {planted.mail()}\n"
    config = (
        "version: 1\nenvironments:\n  production: {services: [checkout]}\nservices:\n  checkout:\n"
        "    source_roots: [/app]\n"
        f"    impact: {{statement: 'nobody pays {planted.all_of_them()}', owner: 'the shop {planted.pair()}'}}\n"
    )
    repository = Repository(path)
    repository.git("config", "user.name", f"Jo {planted.pair()}")
    repository.git("config", "user.email", planted.mail())
    repository.commit(f"Pay {planted.token()}", {"shop/pay.py": code}, body=planted.all_of_them())
    files = {"shop/pay.py": code.replace("charge", "charged"), ".github/infra-audit.yml": config}
    files["settings.yaml"] = f"db:\n  password: {planted.token()}\n  url: {planted.url()}\n"
    repository.commit(f"Fix PaymentError: {planted.pair()}", files, body=planted.all_of_them())
    return repository


def recent(planted: Planted) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    written = json.dumps(entries(planted)).replace("projects/shop/", f"projects/{PROJECT}/")
    made = json.loads(written.replace('"project_id": "shop"', f'"project_id": "{PROJECT}"'))
    for number, entry in enumerate(made):
        entry["timestamp"] = (now - timedelta(minutes=20 - number)).isoformat().replace("+00:00", "Z")
    return made


@pytest.fixture
def repository(github: FakeGitHub, planted: Planted, tmp_path: Path) -> FakeRepository:
    clone = shop(tmp_path / "clone", planted)
    return github.add_repository("acme/shop", git=clone.path, roles={"dana": "admin"})


@pytest.fixture
def issue(github: FakeGitHub, repository: FakeRepository, planted: Planted) -> FakeIssue:
    issue = github.open_issue(
        repository, f"PaymentError in checkout {planted.token()}", f"{planted.all_of_them()}\n\n{planted.url()}"
    )
    github.comment(repository, issue, "dana", f"seen again {planted.all_of_them()}")
    return issue


@pytest.fixture
def logging_api(planted: Planted) -> FakeLogging:
    return FakeLogging(projects={PROJECT}, entries=recent(planted))


@pytest.fixture
def google(repository: FakeRepository, planted: Planted) -> FakeGoogle:
    google = FakeGoogle()
    said = f"the container did not start {planted.all_of_them()}"
    google.put(
        f"run.googleapis.com/v2/{RUN}",
        {
            "terminalCondition": {"type": "Ready", "state": "CONDITION_FAILED", "message": said, "reason": "UNKNOWN"},
            "latestReadyRevision": f"{RUN}/revisions/checkout-00001-abc",
            "latestCreatedRevision": f"{RUN}/revisions/checkout-00001-abc",
            "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
            "template": {"containers": [{"image": "r.dev/x:1", "env": [{"name": "A", "value": planted.token()}]}]},
        },
    )
    google.put(
        f"run.googleapis.com/v2/{RUN}/revisions",
        {
            "revisions": [
                {
                    "name": f"{RUN}/revisions/checkout-00001-abc",
                    "createTime": (datetime.now(UTC) - timedelta(hours=2)).isoformat().replace("+00:00", "Z"),
                    "labels": {"commit-sha": "0" * 40, "owner": planted.mail()},
                    "containers": [{"image": f"r.dev/web:{planted.token()}", "env": []}],
                    "conditions": [{"type": "Ready", "state": "CONDITION_FAILED", "message": said}],
                }
            ]
        },
    )
    return google


@pytest.fixture
def address(
    github: FakeGitHub,
    repository: FakeRepository,
    google: FakeGoogle,
    logging_api: FakeLogging,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """A running service that is bound to the project; where its pages lie."""
    operator = tmp_path / "operator.yml"
    operator.write_text(
        f"version: 1\nbindings:\n  - installation: {github.installation}\n    repository: {repository.id}\n"
        f"    projects: [{PROJECT}]\n    service_account: auditor@acme-ops.iam.gserviceaccount.com\n"
    )

    async def nothing_public(_feed: PublicFeed) -> list[Any]:
        return []

    store = str(tmp_path / "audit.db")
    settings = read_settings(environment(github, store) | {"INFRA_AUDIT_OPERATOR_FILE": str(operator)})
    with serve_google(google), serve_logging(logging_api) as cloud:

        def connect(account: str | None) -> Tenant:
            return Tenant(httpx.AsyncClient(transport=Hosts(google)), client_of(cloud), "acme-ops", account)

        monkeypatch.setattr(google_sources, "connect_account", connect)
        monkeypatch.setattr(PublicFeed, "incidents", nothing_public)
        with service(github, store, parts=google_parts(settings, {}), operator=operator):
            yield github.target.removesuffix("/webhooks/github")


def answered(github: FakeGitHub, repository: FakeRepository) -> bool:
    marks = {content for c in repository.comments.values() for author, content in c.reactions if author == github.bot}
    return bool(marks & {"rocket", "confused"})


@pytest.fixture
def leaked(planted: Planted, told: Told, tmp_path: Path, address: str) -> Callable[..., list[str]]:
    """The planted secrets that the service at `address` told: in what it wrote, its log, its store on the disk, or `pages`."""

    def leaked(*pages: str) -> list[str]:
        files = sorted(tmp_path.glob("audit.db*"))  # the store and its journal
        stored = [file.read_bytes().decode("latin-1") for file in files]
        everything = "\n".join([*told.writes, told.log.getvalue(), *pages, *stored])
        return [secret for secret in planted.secrets if secret in everything]

    return leaked


@pytest.mark.parametrize("private", [True, False])
def test_a_served_audit_tells_no_secret(
    github: FakeGitHub,
    repository: FakeRepository,
    issue: FakeIssue,
    leaked: Callable[..., list[str]],
    address: str,
    planted: Planted,
    private: bool,
) -> None:
    repository.private = private
    github.send(github.workflow_run(repository, f"deploy {planted.token()}", "a" * 40))
    github.send(github.deployment(repository, f"production {planted.pair()}", "a" * 40))
    github.send(github.label(repository, issue, "dana", f"bug {planted.pair()}"))
    github.send(github.say(repository, issue, "dana", f"/audit since=1h\n{planted.all_of_them()}"))
    eventually(lambda: answered(github, repository))
    report = github.ours(repository, issue)[0].body
    assert "PaymentError" in report
    page = re.search(r"/audits/([\w-]{20,})", report)
    assert page is not None, report[-3000:]
    pages = [httpx.get(f"{address}/audits/{page[1]}{kind}").text for kind in ("", ".json")]
    assert "PaymentError" in pages[0]
    assert leaked(*pages) == []


def test_mistakes_are_answered_without_the_secrets_in_them(
    github: FakeGitHub,
    repository: FakeRepository,
    issue: FakeIssue,
    leaked: Callable[..., list[str]],
    planted: Planted,
    told: Told,
) -> None:
    for words in (
        f"sinse=1h {planted.token()}",
        f"env={planted.token()}",
        f"{planted.token()}",
        f"since={planted.url()}",
    ):
        asked = github.comment(repository, issue, "dana", f"/audit {words}")
        github.send(github.comment_delivery(repository, issue, asked))
        eventually(lambda asked=asked: {content for _, content in asked.reactions} & {"rocket", "confused"})
    wrong = f"version: 1\n{planted.token()}: 1\nservices:\n  checkout: {{pasword: {planted.token()}}}\n"
    wrong += f"windows: {{default: {planted.token()}}}\nlabels: {{audit: {planted.token()}}}\n"
    github.send(github.propose(repository, {".github/infra-audit.yml": wrong}))
    eventually(lambda: any("check-runs" in write for write in told.writes))
    assert leaked() == []


@pytest.mark.parametrize("status", [403, 404, 410, 422])
def test_a_refusal_of_github_is_told_without_the_secrets_in_it(
    github: FakeGitHub,
    repository: FakeRepository,
    issue: FakeIssue,
    leaked: Callable[..., list[str]],
    planted: Planted,
    status: int,
) -> None:
    github.faults.append(
        Fault("GET", r"/(compare|commits|contents|git)/", status, times=99, message=f"no {planted.all_of_them()}")
    )
    github.faults.append(Fault("POST", r"/graphql", status, times=99, message=f"no {planted.all_of_them()}"))
    github.faults.append(Fault("POST", r"/labels", status, times=99, message=f"no {planted.all_of_them()}"))
    github.send(github.say(repository, issue, "dana", "/audit since=1h"))
    eventually(lambda: answered(github, repository))
    assert leaked() == []


@pytest.mark.parametrize("code", [grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.INVALID_ARGUMENT])
def test_a_refusal_of_the_logs_is_told_without_the_secrets_in_it(
    github: FakeGitHub,
    repository: FakeRepository,
    issue: FakeIssue,
    leaked: Callable[..., list[str]],
    planted: Planted,
    told: Told,
    logging_api: FakeLogging,
    google: FakeGoogle,
    code: grpc.StatusCode,
) -> None:
    logging_api.troubles.append(Trouble(code, times=-1, message=f"no {planted.all_of_them()}"))
    google.troubles["run.googleapis.com"] = 500
    github.send(github.say(repository, issue, "dana", "/audit since=1h"))
    eventually(lambda: answered(github, repository) or "bug" in told.log.getvalue(), 30)
    assert leaked() == []


def test_a_bug_is_logged_and_kept_without_the_secrets_in_it(
    github: FakeGitHub,
    repository: FakeRepository,
    issue: FakeIssue,
    leaked: Callable[..., list[str]],
    planted: Planted,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = f"cannot read {planted.all_of_them()}"

    def broken(*_: object) -> None:
        raise ValueError(words)

    monkeypatch.setattr("app.sources.google.GoogleSources.open", broken)
    github.send(github.say(repository, issue, "dana", "/audit since=1h"))
    eventually(lambda: "a bug" in told.log.getvalue() and answered(github, repository))
    assert leaked() == []

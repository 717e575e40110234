"""From a comment to a report over the wire: real service, real clients of Google Cloud, as the operator's file binds them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.main import google_parts
from app.settings import read_settings
from app.sources import google as google_sources
from app.sources.google import Tenant
from app.sources.probes import PublicFeed
from tests.fakes.github import FakeGitHub, FakeIssue, FakeRepository
from tests.fakes.google import FakeLogging, client_of, serve_logging
from tests.fakes.google_rest import FakeGoogle, Hosts, serve_google
from tests.fakes.service import environment, failures, service
from tests.scenarios.test_follow_up import say

AUDITOR = "auditor@acme-ops.iam.gserviceaccount.com"


@pytest.fixture
def repository(github: FakeGitHub) -> FakeRepository:
    return github.add_repository("acme/shop", roles={"dana": "write"})


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[FakeLogging, FakeGoogle, list[str | None]]]:
    """`acme-prod` on loopback, and the accounts that it was read as."""
    logging, google = FakeLogging(projects={"acme-prod"}, entries=failures()), FakeGoogle()
    accounts: list[str | None] = []
    with serve_google(google), serve_logging(logging) as address:

        def connect(account: str | None) -> Tenant:
            accounts.append(account)
            return Tenant(httpx.AsyncClient(transport=Hosts(google)), client_of(address), "acme-ops", account)

        async def nothing_public(_feed: PublicFeed) -> list[Any]:
            return []

        monkeypatch.setattr(google_sources, "connect_account", connect)
        monkeypatch.setattr(PublicFeed, "incidents", nothing_public)
        yield logging, google, accounts
    assert google.violations == []


@pytest.fixture
def operator(github: FakeGitHub, repository: FakeRepository, tmp_path: Path) -> Path:
    """The file of an operator who bound the repository to `acme-prod`."""
    file = tmp_path / "operator.yml"
    file.write_text(
        f"version: 1\nbindings:\n  - installation: {github.installation}\n    repository: {repository.id}\n"
        f"    projects: [acme-prod]\n    service_account: {AUDITOR}\n"
    )
    return file


@pytest.fixture
def running(github: FakeGitHub, cloud: Any, operator: Path, tmp_path: Path) -> Iterator[None]:
    store = str(tmp_path / "audit.db")
    settings = read_settings(environment(github, store) | {"INFRA_AUDIT_OPERATOR_FILE": str(operator)})
    with service(github, store, parts=google_parts(settings, {}), operator=operator):
        yield


@pytest.mark.usefixtures("running")
def test_a_comment_leads_to_a_report_on_what_the_bound_project_logs(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, cloud: Any
) -> None:
    logging, _, accounts = cloud
    assert say(github, repository, issue, "/audit since=1h") == "rocket"
    (body,) = (comment.body for comment in github.ours(repository, issue))
    assert "5432 failed: Connection timed out" in body
    assert accounts == [AUDITOR]
    assert {call.resource_names for call in logging.calls} == {("projects/acme-prod",)}
    assert len(logging.calls) <= 12


@pytest.mark.usefixtures("running")
def test_the_doctor_answers_in_the_thread_with_what_is_missing(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, cloud: Any
) -> None:
    _, google, _ = cloud
    google.permissions["acme-prod"] = {"logging.logEntries.list"}
    assert say(github, repository, issue, "/audit doctor") == "rocket"
    (body,) = (comment.body for comment in github.ours(repository, issue))
    assert "roles/run.viewer on acme-prod" in body
    assert f"--member=serviceAccount:{AUDITOR}" in body
    assert "logs of projects/acme-prod" in body

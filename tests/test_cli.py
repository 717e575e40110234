"""The command line as people meet it: what it costs to ask for help, what it refuses, and an audit of a live project."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.sources import google
from app.sources.google import Tenant
from app.sources.probes import PublicFeed
from tests.fakes.google import FakeLogging, client_of, serve_logging
from tests.fakes.google_rest import FakeGoogle, Hosts, serve_google
from tests.fakes.service import failures

HEAVY = (
    "google.cloud.logging",
    "google.cloud.logging_v2",
    "google.auth",
    "grpc",
    "githubkit",
    "dbos",
    "fastapi",
    "httpx",
)


@pytest.mark.parametrize("words", [["--help"], ["audit", "--help"], ["serve", "--help"], ["doctor", "--help"]])
def test_help_loads_no_heavy_library(words: list[str]) -> None:
    code = (
        "import sys; from app.cli import main; main(sys.argv[1:], standalone_mode=False);"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert "Usage: " in done.stdout
    assert done.stdout.endswith("LOADED []\n")


def test_an_audit_of_files_loads_no_client_of_google_cloud(tmp_path: Path) -> None:
    logs = tmp_path / "logs.json"
    logs.write_text("[]")
    code = (
        "import sys; from app.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "print('LOADED', [name for name in ('grpc', 'google.auth', 'dbos', 'fastapi') if name in sys.modules])"
    )
    words = [sys.executable, "-c", code, "audit", "--logs", str(logs), "--format", "json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("LOADED []\n")


def run(*words: str, environment: Mapping[str, str | None] | None = None) -> Result:
    return CliRunner().invoke(main, words, env=environment)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("audit",), "either files or projects"),
        (("audit", "--logs", "x.json", "--project", "shop-prod"), "either files or projects"),
        (("audit", "--logs", "x.json", "--account", "a@b-project.iam.gserviceaccount.com"), "--account reads live"),
        (("audit", "--project", "../x"), "no project id"),
        (("audit", "--project", "shop-prod", "--since", "soon"), "--since soon"),
        (("doctor", "--project", "x;y"), "no project id"),
        (("serve",), "INFRA_AUDIT_APP_ID is not set"),
        (("worker",), "INFRA_AUDIT_APP_ID is not set"),
        (("doctor",), "INFRA_AUDIT_APP_ID is not set"),
    ],
)
def test_what_is_wrong_is_said_with_what_to_do(words: tuple[str, ...], says: str) -> None:
    done = run(*words, environment={name: None for name in os.environ if name.startswith("INFRA_AUDIT_")})
    assert done.exit_code == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) >= 2, "what is wrong, and what to do"


def test_without_credentials_a_live_audit_cannot_tell_and_the_doctor_says_why(tmp_path: Path) -> None:
    nobody = {"HOME": str(tmp_path), "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json")}
    done = run("audit", "--project", "shop-prod", "--exit-code", environment=nobody)
    assert done.exit_code == 11
    assert "CANNOT TELL" in done.output
    assert "no usable Application Default Credentials" in done.output
    done = run("doctor", "--project", "shop-prod", environment=nobody)
    assert done.exit_code == 2
    assert "gcloud auth application-default login" in done.output


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`acme-prod` on loopback, with a service that cannot reach its database."""
    logging = FakeLogging(projects={"acme-prod"}, entries=failures())
    fake = FakeGoogle()
    with serve_google(fake), serve_logging(logging) as address:

        def connect(account: str | None) -> Tenant:
            return Tenant(httpx.AsyncClient(transport=Hosts(fake)), client_of(address), None, account)

        async def nothing_public(_feed: PublicFeed) -> list[Any]:
            return []

        monkeypatch.setattr(google, "connect_account", connect)
        monkeypatch.setattr(PublicFeed, "incidents", nothing_public)
        yield logging, fake
    assert fake.violations == []


def test_a_live_project_is_audited_with_ones_own_credentials(project: Any) -> None:
    logging, _ = project
    done = run("audit", "--project", "acme-prod", "--service", "checkout", "--since", "2h", "--format", "text")
    assert done.exit_code == 0
    assert "5432 failed: Connection timed out" in done.output
    assert "6 entries" in done.output or "6 times" in done.output
    since = (datetime.now(UTC) - timedelta(hours=2)).strftime("%Y-%m-%dT%H")
    assert all("checkout" in call.filter or "servicehealth" in call.filter for call in logging.calls)
    assert f'timestamp>="{since}' in logging.calls[0].filter


def test_the_doctor_of_a_live_project_prints_what_is_missing_and_exits_with_2(project: Any) -> None:
    _, fake = project
    done = run("doctor", "--project", "acme-prod")
    assert done.exit_code == 0
    assert "logs of projects/acme-prod: readable" in done.output
    fake.permissions["acme-prod"] = {"logging.logEntries.list"}
    done = run("doctor", "--project", "acme-prod")
    assert done.exit_code == 2
    assert (
        "gcloud projects add-iam-policy-binding acme-prod --member=user:YOUR_ADDRESS --role=roles/run.viewer"
        in done.output
    )

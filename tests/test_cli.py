"""The command line as people meet it: what it costs to ask for help, what it refuses, and an audit of a live project."""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
from click.testing import CliRunner, Result

from app import __version__
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
    assert done.output.endswith("Nothing is missing.\n")
    fake.permissions["acme-prod"] = {"logging.logEntries.list"}
    done = run("doctor", "--project", "acme-prod")
    assert done.exit_code == 2
    assert (
        "gcloud projects add-iam-policy-binding acme-prod --member=user:YOUR_ADDRESS --role=roles/run.viewer"
        in done.output
    )
    marked = [line for line in done.output.splitlines() if line.startswith("! ")]
    assert all("missing" in line for line in marked)
    assert f"{len(marked)} of " in done.output.splitlines()[-1]


# --- files ------------------------------------------------------------------------------------------------------------

INCIDENT = Path(__file__).parents[1] / "examples" / "fix-not-deployed"
OF_THE_INCIDENT = ("--logs", str(INCIDENT / "logs.jsonl.gz"), "--repo", str(INCIDENT / "repo.bundle"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with an empty export and files of several mistakes."""
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "empty.json": "[]",
        "export.yaml": "insertId: a\ntimestamp: 2026-01-01T00:00:00Z\n---\ninsertId: b\n",
        "two.yml": "version: 1\nenvironments:\n  production: {}\n  staging: {}\n",
        "misspelt.yml": "version: 1\nlabel: {a: b}\n",
        "other.json": '{"a": 1}',
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "plain").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", sorted(main.commands))
def test_each_command_says_what_it_does_and_each_option_what_it_is_for(name: str) -> None:
    done = run(name, "--help")
    assert done.exit_code == 0
    assert len((main.commands[name].help or "").splitlines()[0]) > 20
    options = [option for option in main.commands[name].params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_version_is_that_of_the_package() -> None:
    assert run("--version").output == f"infra-audit, version {__version__}\n"


@pytest.mark.parametrize(
    ("words", "says", "fix"),
    [
        (("--logs", "none.json"), "cannot read none.json", "Name a file that exists"),
        (("--logs", "plain"), "cannot read plain", "Name a file"),
        (("--logs", "export.yaml"), "export.yaml is YAML", "--format=json"),
        (("--logs", "empty.json", "--repo", "plain"), "plain is not a git repository", "root of a clone"),
        (("--logs", "empty.json", "--repo", "none"), "none is not a git repository", "root of a clone"),
        (("--logs", "empty.json", "--repo", "other.json"), "neither a folder nor a git bundle", "a bundle"),
        (("--logs", "empty.json", "--since", "yesterday"), "--since yesterday", "Write --since 6h."),
        (("--logs", "empty.json", "--at", "2026-01-01"), "a time needs its zone", "Write --at 2026-01-01T00:00Z."),
        (
            ("--logs", "empty.json", "--since", "2026-02-01T00:00Z", "--until", "2026-01-01T00:00Z"),
            "--since is not before --until",
            "Swap them",
        ),
        (("--logs", "empty.json", "--config", "misspelt.yml"), "line 2: 'label'", "infra-audit validate misspelt.yml"),
        (
            ("--logs", "empty.json", "--config", "two.yml", "--env", "prod"),
            "no environment 'prod'",
            "production, staging",
        ),
        (("--logs", "empty.json", "--env", "prod"), "there is no configuration", "--config"),
        (("--logs", "empty.json", "--running", "abc"), "--running abc", "REVISION=SHA"),
        (("--logs", "empty.json", "--issue", "none.md"), "cannot read none.md", "Name a file"),
        (("--logs", "empty.json", "-o", "none/report.md"), "cannot write none/report.md", "a folder that exists"),
        (("--logs", "-", "--since", "6h"), "standard input", "--at"),
    ],
)
def test_wrong_input_of_an_audit_is_refused_with_the_fix_named(
    words: tuple[str, ...], says: str, fix: str, folder: Path
) -> None:
    done = run("audit", *words)
    assert done.exit_code == 2
    assert says in done.stderr
    assert fix in done.stderr
    assert done.stdout == ""


def test_a_misspelt_command_is_answered_with_the_right_one() -> None:
    done = run("audti")
    assert done.exit_code == 2
    assert "Did you mean 'audit'?" in done.stderr


def test_the_exit_code_follows_the_verdict_when_asked(folder: Path) -> None:
    assert run("audit", *OF_THE_INCIDENT, "--output", "report.md").exit_code == 0
    assert run("audit", *OF_THE_INCIDENT, "--output", "report.md", "--exit-code").exit_code == 10
    assert run("audit", "--logs", "empty.json", "--output", "report.md", "--exit-code").exit_code == 11


def test_a_length_before_the_newest_entry_is_no_window_when_there_is_no_entry(folder: Path) -> None:
    result = run("audit", "--logs", "empty.json", "--since", "6h", "--format", "text")
    assert "Window none given" in " ".join(result.output.split())
    assert "1969" not in result.output


def test_a_saved_audit_replays_to_the_same_bytes(folder: Path) -> None:
    for form in ("markdown", "html", "text", "json"):
        first = run("audit", *OF_THE_INCIDENT, "--format", form, "--save", "evidence.json")
        again = run("replay", "evidence.json", "--format", form)
        assert first.stdout_bytes == again.stdout_bytes
        assert len(first.stdout_bytes) > 1_000


def test_what_is_no_saved_evidence_is_not_replayed(folder: Path) -> None:
    done = run("replay", "other.json")
    assert done.exit_code == 2
    assert "no saved evidence" in done.stderr
    assert "--save" in done.stderr


def test_an_export_may_come_by_standard_input(folder: Path) -> None:
    entry = '{"insertId": "a", "timestamp": "2026-01-01T00:00:00Z", "severity": "ERROR", "textPayload": "cannot pay: closed"}'
    done = CliRunner().invoke(main, ["audit", "--logs", "-"], input=entry)
    assert done.exit_code == 0
    assert "cannot pay: closed" in done.stdout


def test_the_service_and_the_window_narrow_an_audit(folder: Path) -> None:
    narrowed = run("audit", *OF_THE_INCIDENT, "--service", "none-of-them", "--exit-code")
    assert narrowed.exit_code in (0, 11)
    early = run("audit", *OF_THE_INCIDENT, "--until", "2001-01-01T00:00Z", "--exit-code")
    assert early.exit_code == 11


def test_mistakes_of_a_configuration_are_told_with_line_and_column(folder: Path) -> None:
    done = run("validate", "misspelt.yml", "two.yml")
    assert done.exit_code == 2
    first, second = done.stdout.splitlines()
    assert first.startswith("misspelt.yml:2:1: 'label' is not known here")
    assert first.endswith("Did you mean 'labels'?")
    assert second == "two.yml: valid"
    assert '"properties"' in run("validate", "--schema").stdout

"""The whole loop on this machine: a real server, store and worker, with GitHub and Cloud Logging stood in for at the wire.

The bundled reference incident is moved in time so that it ends now; an issue gets its label, a signed delivery reaches the
server, and what the server posts is shown. Nothing leaves the machine.
"""

import asyncio
import gzip
import json
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from app.errors import UserError
from app.evidence.model import Request
from app.investigate import Sources
from app.main import Parts, Running
from app.service import AuditedRepository
from app.settings import read_settings
from app.sources.cloud_logging import CloudLogging, Limiter
from tests.fakes.github import FakeComment, FakeGitHub, running, serve
from tests.fakes.google import FakeLogging, client_of, serve_logging, shifted

INCIDENT = Path(__file__).parent / "cloud-sql-unreachable"
PROJECT, REPOSITORY, MAINTAINER = "netra-staging", "acme/netra", "dana"
PATIENCE = timedelta(seconds=60)


def run() -> None:
    """Show one audit, then stay until Ctrl-C in a terminal. Raises `UserError` when no comment appears in time."""
    started = time.monotonic()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="infra-audit-demo-")))
        say("Cloud Logging stands in on loopback, with an incident that ends now.")
        logging = FakeLogging(entries=_entries(), projects={PROJECT})
        logs_at = stack.enter_context(serve_logging(logging))

        say("GitHub stands in on loopback, with the repository, its history and an issue.")
        github = stack.enter_context(running(FakeGitHub()))
        repository = github.add_repository(REPOSITORY, git=_clone(folder), roles={MAINTAINER: "write"})
        title, _, body = (INCIDENT / "issue.md").read_text().partition("\n")
        issue = github.open_issue(repository, title.lstrip("# "), body.strip(), author=MAINTAINER)

        settings = read_settings(_environment(github, folder))
        server = Running(
            settings, Parts(_sources(logs_at), _no_doctor, pace=timedelta(0), poll=timedelta(milliseconds=50))
        )
        stack.callback(server.stop)
        address = stack.enter_context(serve(server.web, port=settings.port))
        github.target = f"{address}/webhooks/github"
        say(f"The server listens on {address}, its store is one SQLite file.")

        say(f"{MAINTAINER} puts the label `infra-audit` on the issue; GitHub signs and sends `issues.labeled`.")
        asked = time.monotonic()
        status = github.send(github.label(repository, issue, MAINTAINER, "infra-audit"))
        say(f"The server answered {status} after {1000 * (time.monotonic() - asked):.0f} ms.")
        comment = _report_of(github, repository, issue)
        say(f"The report stood on the issue {time.monotonic() - asked:.1f} s after the label.")
        _show(comment.body)
        pages = re.findall(r"https?://127\.0\.0\.1:\d+/audits/[\w./-]+", comment.body)
        say(f"{len(logging.calls)} log reads; comments of ours on the issue: {len(github.ours(repository, issue))}.")
        if pages:
            say(f"The page with pictures and all evidence: {pages[0]}")
        if sys.stdout.isatty():
            say("Open it in a browser. Ctrl-C ends the demo.")
            try:
                while True:
                    time.sleep(3600)
            except KeyboardInterrupt:
                print()
        say(f"Done after {time.monotonic() - started:.1f} s.")


def say(text: str) -> None:
    print(f"▸ {text}", flush=True)


def _entries() -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in gzip.decompress((INCIDENT / "logs.jsonl.gz").read_bytes()).splitlines()]
    return shifted(rows, datetime.now(UTC) - timedelta(seconds=20))


def _clone(folder: Path) -> Path:
    target = folder / "repository"
    subprocess.run(["git", "clone", "--quiet", str(INCIDENT / "repo.bundle"), str(target)], check=True)
    return target


def _environment(github: FakeGitHub, folder: Path) -> dict[str, str]:
    port = _free_port()
    return {
        "INFRA_AUDIT_APP_ID": str(github.app_id),
        "INFRA_AUDIT_PRIVATE_KEY": github.private_key,
        "INFRA_AUDIT_WEBHOOK_SECRET": github.secret,
        "INFRA_AUDIT_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "INFRA_AUDIT_GITHUB_API": github.address,
        "INFRA_AUDIT_STORE": str(folder / "demo.db"),
        "INFRA_AUDIT_PORT": str(port),
    }


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _sources(logs_at: str) -> Any:
    limiter = Limiter()

    def sources(_repository: AuditedRepository, _request: Request, _projects: tuple[str, ...]) -> Sources:
        return Sources(CloudLogging(client_of(logs_at), [f"projects/{PROJECT}"], frozenset({PROJECT}), limiter))

    return sources


async def _no_doctor(_repository: AuditedRepository) -> tuple[tuple[str, str, str], ...]:
    await asyncio.sleep(0)
    return ()


def _report_of(github: FakeGitHub, repository: Any, issue: Any) -> FakeComment:
    end = time.monotonic() + PATIENCE.total_seconds()
    while time.monotonic() < end:
        for comment in github.ours(repository, issue):
            if "Recommendation" in comment.body:
                return comment
        time.sleep(0.05)
    raise UserError("no report appeared within a minute", fix="Run `make test`; if it passes, report this as a bug.")


def _show(body: str) -> None:
    """The comment as GitHub would show it, as far as a terminal can."""
    from rich.console import Console
    from rich.markdown import Markdown
    from rich.rule import Rule

    text = re.sub(r"<!--.*?-->", "", body, flags=re.DOTALL)
    text = re.sub(r"```mermaid\n.*?```", "*(picture: on GitHub and on the page)*", text, flags=re.DOTALL)
    text = re.sub(r"<details>\s*<summary>(.*?)</summary>.*?</details>", r"\n▸ \1 *(folded)*\n", text, flags=re.DOTALL)
    text = re.sub(r"<sup>\[(.*?)</sup>", "", text)
    text = re.sub(r"</?(?:details|b|sub|sup|a|br)\b[^>]*>", "", text)
    text = re.sub(r"> \[!(\w+)\]", r"> **\1**\n>", text)
    console = Console(width=min(Console().width, 120) if sys.stdout.isatty() else 110)
    console.print(Rule("the comment"))
    console.print(Markdown(text, hyperlinks=sys.stdout.isatty()))
    console.print(Rule())

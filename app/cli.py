"""The command line: the same audit that the bot runs, on files or live sources, and the server's own commands.

Owns options, exit codes and what is printed around a report. Everything heavy is imported inside the command that needs
it, so that `--help` answers at once.

Exit codes: 0 a report was made (or the command did its work); 1 a bug; 2 wrong usage or input, with the fix named;
3 a service is out, try again. With `audit --exit-code` the verdict decides: 0 nothing to do, 10 somebody must act,
11 the audit cannot tell.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

from app import __version__
from app.errors import BadInput, UserError

if TYPE_CHECKING:
    from app.evidence.model import IssueRef, LogEntry, LogQuestion, LogsRead, Scope, Window
    from app.investigate import Findings, Logs, Sources
    from app.policy.operator import Operator
    from app.report.model import Report
    from app.sources.doctor import Row
    from app.sources.google import Grant

Format = Literal["markdown", "html", "text", "json"]
_PROGRESS_EVERY = 20_000


class _Commands(click.Group):
    """Commands whose mistakes end with one line of what is wrong and one of what to do."""

    def invoke(self, ctx: click.Context) -> Any:
        from app.errors import Unavailable

        try:
            return super().invoke(ctx)
        except UserError as problem:
            _refuse(problem)
        except Unavailable as problem:
            click.echo(f"infra-audit: {problem}; try again later.", err=True)
            sys.exit(3)


def _refuse(problem: UserError) -> NoReturn:
    click.echo(f"infra-audit: {problem}\n{problem.fix}", err=True)
    sys.exit(2)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="infra-audit")
def main() -> None:
    """Audits Google Cloud incidents and proves whether the fix is really running.

    Start with `infra-audit demo`, or audit an export:

    \b
      gcloud logging read 'resource.type="cloud_run_revision"' --format=json > logs.json
      infra-audit audit --logs logs.json --repo .
    """


# --- audit ------------------------------------------------------------------------------------------------------------

# Of every command that prints a report.
_FORMAT = click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "html", "text", "json"]),
    help="Default: text in a terminal, else markdown.",
)
_OUTPUT = click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write the report there."
)


@main.command()
@click.option(
    "--logs",
    "logs",
    multiple=True,
    metavar="FILE",
    help="An export (JSON array or lines, also .gz); - is standard input. May be given more than once.",
)
@click.option(
    "--project",
    "projects",
    multiple=True,
    metavar="ID",
    help="Instead of --logs: read this Google Cloud project live, logs and resources. May be given more than once.",
)
@click.option("--account", metavar="ADDRESS", help="Read as this service account, by impersonation.")
@click.option(
    "--repo", type=click.Path(path_type=Path), metavar="DIR", help="A local git clone, for fixes, suspects and code."
)
@click.option(
    "--issue",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The issue: Markdown whose first line is the title, or JSON of `gh issue view N --json title,body,number,url`.",
)
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The configuration. Default: .github/infra-audit.yml of --repo, if there is one.",
)
@click.option("--env", "environment", metavar="NAME", help="The environment of the configuration to audit.")
@click.option(
    "--service", "services", multiple=True, metavar="NAME", help="Only this service. May be given more than once."
)
@click.option(
    "--since",
    metavar="TIME",
    help="Only entries from then on: 6h, 2d, or a time such as 2026-01-31T14:05Z. Default: all of a file, 6h of a project.",
)
@click.option("--until", metavar="TIME", help="Only entries before then.")
@click.option(
    "--at",
    metavar="TIME",
    help="Judge as of this time. Default: now; of a file the newest entry, so that it always gives the same report.",
)
@click.option(
    "--running", multiple=True, metavar="REVISION=SHA", help="The commit of a revision, where no entry tells it."
)
@_FORMAT
@_OUTPUT
@click.option(
    "--save", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Save the evidence, for `replay`."
)
@click.option(
    "--exit-code", is_flag=True, help="Exit with 10 when somebody must act and 11 when the audit cannot tell."
)
def audit(
    logs: Sequence[str],
    projects: Sequence[str],
    account: str | None,
    repo: Path | None,
    issue: Path | None,
    config: Path | None,
    environment: str | None,
    services: Sequence[str],
    since: str | None,
    until: str | None,
    at: str | None,
    running: Sequence[str],
    form: Format | None,
    output: Path | None,
    save: Path | None,
    exit_code: bool,
) -> None:
    """Audit exported log entries without network, or a project with your own credentials; no server either way."""
    from app.evidence.model import Request, RevisionName, ServiceName
    from app.investigate import investigate

    if bool(logs) == bool(projects):
        raise BadInput(
            "the audit needs either files or projects", fix="Give --logs FILE, or --project ID, and not both."
        )
    if account is not None and logs:
        raise BadInput("--account reads live, but --logs names files", fix="Give --project ID instead of --logs.")
    paths: list[Path | Literal["-"]] = ["-" if name == "-" else Path(name) for name in logs]
    if repo is not None and repo.is_file():
        repo = _unbundled(repo)
    history = None
    if repo is not None:
        from app.sources.git import open_clone

        history = open_clone(repo)
    scope = _scope(config, repo, environment)
    reference = _read_issue(issue) if issue is not None else None
    claims = dict(_claim(text) for text in running)

    if projects:
        now, as_of_entries = _moment("--at", at, datetime.now(UTC)) if at else datetime.now(UTC), False
        window = _window(since or "6h", until, now)
    else:
        now, as_of_entries = _now(at, since, until, paths)
        window = _window(since, until, now)
    request = Request(
        window=window, now=now, services=tuple(ServiceName(name) for name in services), issue=reference, scope=scope
    )
    known = {RevisionName(revision): sha for revision, sha in claims.items()}

    async def run() -> Findings:
        async with _opened(paths, projects, account) as sources:
            logs = _Progress(sources.logs) if sys.stderr.isatty() else sources.logs
            sources = replace(sources, logs=logs, history=history, operator_claims=known)
            return await investigate(request, sources, as_of_entries=as_of_entries)

    findings = asyncio.run(run())
    if save is not None:
        _save(findings, save)
    _print(findings.report, form, output)
    if exit_code:
        sys.exit(_exit_code(findings.report))


@asynccontextmanager
async def _opened(
    paths: Sequence[Path | Literal["-"]], projects: Sequence[str], account: str | None
) -> AsyncGenerator[Sources]:
    """The sources of one audit from a terminal. Clients of Google Cloud belong to the loop that opens them."""
    if not projects:
        from app.investigate import Sources
        from app.sources.jsonl import FileLogs

        yield Sources(FileLogs(paths))
        return
    from app.policy.operator import Operator
    from app.sources.google import GoogleSources

    google = GoogleSources(Operator())
    try:
        yield google.granted(_grant(projects), account)
    finally:
        await google.close()


def _grant(projects: Sequence[str]) -> Grant:
    """Whoever runs the command grants what it names; the credentials decide what that is worth."""
    from app.sources.google import Grant

    for project in projects:
        if not re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", project):
            raise BadInput(f"{project!r} is no project id", fix="Write it as `gcloud projects list` shows it.")
    return Grant(frozenset(projects))


@main.command()
@click.argument("evidence", type=click.Path(path_type=Path))
@_FORMAT
@_OUTPUT
def replay(evidence: Path, form: Format | None, output: Path | None) -> None:
    """Judge saved EVIDENCE again. The same evidence gives the same report, byte for byte."""
    from pydantic import TypeAdapter, ValidationError

    from app.evidence.model import Evidence
    from app.investigate import conclude

    try:
        saved = TypeAdapter(Evidence).validate_json(_read(evidence))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the top"
        raise BadInput(
            f"{evidence} is no saved evidence: {first['msg']} at {place}",
            fix="Save it with `infra-audit audit --save FILE`.",
        ) from None
    _print(conclude(saved).report, form, output)


def _print(report: Report, form: Format | None, output: Path | None) -> None:
    from app.report import render

    terminal = output is None and sys.stdout.isatty()
    match form or ("text" if terminal else "markdown"):
        case "markdown":
            data = render.markdown(report).encode()
        case "html":
            data = render.html(report).encode()
        case "json":
            data = render.to_json(report)
        case "text":
            width = min(shutil.get_terminal_size().columns, 120) if terminal else 100
            color = terminal and "NO_COLOR" not in os.environ
            data = render.text(report, width=width, color=color).encode()
    data = data if data.endswith(b"\n") else data + b"\n"
    if output is None:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    try:
        output.write_bytes(data)
    except OSError as problem:
        raise BadInput(
            f"cannot write {output}: {problem.strerror}", fix="Name a file in a folder that exists."
        ) from None
    click.echo(f"wrote {output}: {render.status_line(report)}", err=True)


def _exit_code(report: Report) -> int:
    from app.diagnosis.model import DeveloperAction

    match report.advice.action:
        case DeveloperAction.NONE:
            return 0
        case DeveloperAction.CHECK:
            return 11
        case _:
            return 10


def _save(findings: Findings, path: Path) -> None:
    from pydantic import TypeAdapter

    from app.evidence.model import Evidence

    try:
        path.write_bytes(TypeAdapter(Evidence).dump_json(findings.evidence, indent=1))
    except OSError as problem:
        raise BadInput(f"cannot write {path}: {problem.strerror}", fix="Name a file in a folder that exists.") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as problem:
        raise BadInput(
            f"cannot read {path}: {problem.strerror}", fix="Name a file that exists and may be read."
        ) from None
    except UnicodeDecodeError:
        raise BadInput(f"{path} is not UTF-8 text", fix="Save the file as UTF-8.") from None


def _scope(config: Path | None, repo: Path | None, environment: str | None) -> Scope:
    from app.evidence.model import Scope
    from app.policy.config import CONFIG_PATH, RepoConfig, read_config, to_scope

    if config is None and repo is not None and (repo / CONFIG_PATH).is_file():
        config = repo / CONFIG_PATH
    if config is None:
        if environment is not None:
            raise BadInput("--env names an environment, but there is no configuration", fix="Name one with --config.")
        return Scope()
    name = CONFIG_PATH if repo is not None and config == repo / CONFIG_PATH else config.name
    read = read_config(_read(config), name)
    if not isinstance(read, RepoConfig):
        first = "; ".join(f"line {m.line}: {m.what}" for m in read[:3])
        raise BadInput(f"{config} is not a valid configuration: {first}", fix=f"Run `infra-audit validate {config}`.")
    known = sorted(read.file.environments)
    if environment is not None and environment not in known:
        raise BadInput(
            f"the configuration has no environment {environment!r}",
            fix=f"Choose one of: {', '.join(known)}." if known else "Add it under `environments:`.",
        )
    if environment is None and len(known) == 1:
        environment = known[0]
    return to_scope(read, environment, public=False)


def _unbundled(bundle: Path) -> Path:
    """A clone of a bundle in a folder that goes with the process."""
    import atexit
    import subprocess
    import tempfile

    folder = tempfile.mkdtemp(prefix="infra-audit-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    command = ["git", "clone", "--quiet", "--", str(bundle.resolve()), folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - a list, no shell
    if done.returncode:
        raise BadInput(f"{bundle} is neither a folder nor a git bundle", fix="Name the root of a clone, or a bundle.")
    return Path(folder)


def _read_issue(path: Path) -> IssueRef:
    """An issue as Markdown (a heading is the title) or as GitHub's JSON, with its comments where the JSON has them."""
    import json

    from app.evidence.model import IssueRef
    from app.redact import cut, start_of

    text = _read(path)
    if text.lstrip().startswith("{"):
        try:
            raw = json.loads(text)
            comments = [str(comment.get("body") or "") for comment in raw.get("comments") or ()]
        except (ValueError, TypeError, AttributeError) as problem:
            raise BadInput(f"{path} is no issue as JSON: {problem}", fix="Save it anew with `gh issue view`.") from None
        url = raw.get("url") or raw.get("html_url")
        number = raw.get("number")
        return IssueRef(
            repository="",
            number=number if isinstance(number, int) else 0,
            title=cut(str(raw.get("title") or "")),
            body=start_of("\n\n".join([str(raw.get("body") or ""), *comments]), 60_000),
            url=url if isinstance(url, str) and url.startswith("https://") else None,
        )
    title, _, body = text.lstrip().partition("\n")
    title = title.lstrip("# ").strip()
    found = re.search(r"#(\d{1,7})\b", title)
    return IssueRef(repository="", number=int(found[1]) if found else 0, title=cut(title), body=start_of(body, 60_000))


def _claim(text: str) -> tuple[str, str]:
    revision, equals, sha = text.partition("=")
    if not equals or not revision or not 7 <= len(sha) <= 40 or not all(c in "0123456789abcdef" for c in sha.lower()):
        raise BadInput(f"--running {text} is no REVISION=SHA", fix="Write it like web-00042-abc=9fceb02d0ae5.")
    return revision, sha.lower()


# --- time -------------------------------------------------------------------------------------------------------------


def _moment(option: str, word: str, now: datetime) -> datetime:
    from app.policy.commands import Mistake, parse_moment

    moment = parse_moment(word, now)
    if isinstance(moment, Mistake):
        instead = (
            f"Write {option} {moment.instead}." if moment.instead else "Write a length like 6h or a time with its zone."
        )
        raise BadInput(f"{option} {word}: {moment.what}", fix=instead)
    return moment


def _now(
    at: str | None, since: str | None, until: str | None, paths: Sequence[Path | Literal["-"]]
) -> tuple[datetime, bool]:
    """The time of judging, and whether the newest entry decides it instead.

    Without any entry it stays `NO_TIME`: neither the clock nor the age of a file may enter a report. A length such as
    `--since 6h` counts back from `--at`, or from the newest entry, which then has to be found first.
    """
    from app.evidence.model import NO_TIME
    from app.policy.commands import parse_duration

    if at is not None:
        return _moment("--at", at, datetime.now(UTC)), False
    if any(word is not None and parse_duration(word) is not None for word in (since, until)):
        if "-" in paths:
            raise BadInput(
                "a length counts back from the newest entry, which standard input shows only at its end",
                fix="Give the time with --at, or a file instead of -.",
            )
        newest = asyncio.run(_newest(paths))
        if newest is not None:
            return newest + timedelta(seconds=1), False
    return NO_TIME, True


async def _newest(paths: Sequence[Path | Literal["-"]]) -> datetime | None:
    from app.evidence.model import LogQuestion
    from app.sources.jsonl import FileLogs

    newest: datetime | None = None

    def look(entry: LogEntry) -> None:
        nonlocal newest
        if newest is None or entry.timestamp > newest:
            newest = entry.timestamp

    await FileLogs(paths).read(LogQuestion(None), look)
    return newest


def _window(since: str | None, until: str | None, now: datetime) -> Window | None:
    from app.evidence.model import NO_TIME, Window
    from app.policy.commands import parse_duration

    if since is None and until is None:
        return None
    end = now if until is None else _moment("--until", until, now)
    start = datetime(1970, 1, 1, tzinfo=UTC) if since is None else _moment("--since", since, now)
    if now == NO_TIME and any(word is not None and parse_duration(word) is not None for word in (since, until)):
        return None  # no entry that a length could count back from
    if start >= end:
        raise BadInput("--since is not before --until", fix="Swap them, or widen the window.")
    return Window(start, end)


class _Progress:
    """A log source that tells on a terminal how far it is, and leaves no line behind."""

    def __init__(self, logs: Logs) -> None:
        self._logs = logs

    async def read(self, question: LogQuestion, sink: Callable[[LogEntry], None]) -> LogsRead:
        count = 0

        def counted(entry: LogEntry) -> None:
            nonlocal count
            count += 1
            if count % _PROGRESS_EVERY == 0:
                click.echo(f"\rreading: {count:,} entries", nl=False, err=True)
            sink(entry)

        done = await self._logs.read(question, counted)
        if count >= _PROGRESS_EVERY:
            click.echo("\r\x1b[K", nl=False, err=True)
        return done


# --- configuration ----------------------------------------------------------------------------------------------------


@main.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the file and stop.")
def validate(files: Sequence[Path], schema: bool) -> None:
    """Check configuration FILES (default: .github/infra-audit.yml): each mistake with line, column and suggestion."""
    from app.policy.config import CONFIG_PATH, config_schema, validate_config

    if schema:
        import json

        click.echo(json.dumps(config_schema(), indent=2))
        return
    wrong = False
    for path in files or (Path(CONFIG_PATH),):
        mistakes = validate_config(_read(path))
        wrong = wrong or bool(mistakes)
        for mistake in mistakes:
            hint = f" Did you mean {mistake.instead!r}?" if mistake.instead else ""
            click.echo(f"{path}:{mistake.line}:{mistake.column}: {mistake.what}.{hint}")
        if not mistakes:
            click.echo(f"{path}: valid")
    if wrong:
        sys.exit(2)


# --- set-up -----------------------------------------------------------------------------------------------------------


@main.command()
@click.option(
    "--public-url", required=True, metavar="URL", help="Where GitHub and people will reach the server, https://…"
)
@click.option("--organisation", metavar="NAME", help="Register the App for an organisation. Default: your own account.")
@click.option("--name", metavar="NAME", help="Name of the App, which must be free on GitHub. Default: that of app.yml.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("infra-audit-settings"),
    show_default=True,
    help="Where the settings and the private key are written, readable by you alone.",
)
@click.option(
    "--github-api",
    default="https://api.github.com",
    show_default=True,
    metavar="URL",
    help="The REST API; GitHub Enterprise Server: https://HOST/api/v3.",
)
@click.option(
    "--port", default=8770, show_default=True, type=click.IntRange(1, 65535), help="Port of the page on this machine."
)
def setup(
    public_url: str, organisation: str | None, name: str | None, directory: Path, github_api: str, port: int
) -> None:
    """Register the GitHub App from a browser on this machine, and store its credentials."""
    from app.github.manifest import read_manifest
    from app.setup import run_setup

    if not public_url.startswith("https://"):
        raise BadInput(
            f"--public-url {public_url} is not https", fix="GitHub delivers webhooks to https addresses only."
        )
    root = Path(__file__).parents[1]
    manifest = read_manifest(
        _read(root / "app.yml"), public_url=public_url, done_url=f"http://127.0.0.1:{port}/setup/done", name=name
    )
    click.echo(f"Open http://127.0.0.1:{port}/setup in a browser on this machine. Ctrl-C stops.")
    try:
        written = asyncio.run(
            run_setup(
                manifest,
                api=github_api,
                organisation=organisation,
                public_url=public_url,
                directory=directory,
                port=port,
            )
        )
    except KeyboardInterrupt:
        click.echo("\nStopped; nothing was registered.", err=True)
        sys.exit(2)
    click.echo(
        f"Registered. The settings are in {written}; keep it secret.\n"
        "Next:\n"
        "  1. Install the App on your repositories: GitHub, Settings, Developer settings, GitHub Apps, Install App.\n"
        "  2. Write the operator's file and grant the read-only roles: docs/install.md, docs/access/.\n"
        f"  3. set -a; . {written}; set +a; infra-audit doctor; infra-audit serve"
    )


# --- the server -------------------------------------------------------------------------------------------------------


@main.command()
def serve() -> None:
    """Serve webhook, report pages and jobs in one process. Settings come from the environment: docs/settings.md."""
    from app.main import google_parts, log_to_stderr
    from app.main import serve as run
    from app.settings import read_settings

    settings = read_settings(os.environ)
    log_to_stderr()
    run(settings, google_parts(settings, os.environ))


@main.command()
def worker() -> None:
    """Do jobs only, beside other processes on the same Postgres store. Settings as of `serve`."""
    from app.main import google_parts, log_to_stderr, work
    from app.settings import read_settings

    settings = read_settings(os.environ)
    log_to_stderr()
    work(settings, google_parts(settings, os.environ))


@main.command()
@click.option(
    "--project", "projects", multiple=True, metavar="ID", help="Check this project with your own credentials."
)
@click.option("--account", metavar="ADDRESS", help="Check as this service account, by impersonation.")
def doctor(projects: Sequence[str], account: str | None) -> None:
    """Check what may be read, and print the command for each thing that is missing.

    Without --project it checks the settings of the server and everything that the operator's file binds. Exits with 2 when
    something is missing.
    """
    from app.policy.operator import Operator

    operator = Operator()
    if not projects:
        from app.main import operator_of
        from app.settings import read_settings

        operator = operator_of(read_settings(os.environ))
        click.echo("settings: complete")
        if not operator.bindings:
            raise BadInput(
                "nothing is bound to any repository", fix="Name an operator's file with INFRA_AUDIT_OPERATOR_FILE."
            )
    rows = asyncio.run(_examined(operator, projects, account))
    missing = [row for row in rows if row.remedy]
    for row in (*(row for row in rows if not row.remedy), *missing):
        click.echo(
            f"{'!' if row.remedy else ' '} {row.what}: {row.state}" + (f"\n    {row.remedy}" if row.remedy else "")
        )
    if missing:
        click.echo(f"\n{len(missing)} of {len(rows)} need a hand: the lines below each ! mend it.")
        sys.exit(2)
    click.echo("\nNothing is missing.")


async def _examined(operator: Operator, projects: Sequence[str], account: str | None) -> tuple[Row, ...]:
    from app.sources.google import GoogleSources

    google = GoogleSources(operator)
    now = datetime.now(UTC)
    try:
        if projects:
            return await google.check(_grant(projects), account, now)
        rows: list[Row] = []
        for binding in operator.bindings:
            rows += await google.examine(binding.installation, binding.repository or 0, now)
        return tuple(dict.fromkeys(rows))
    finally:
        await google.close()


# --- demo -------------------------------------------------------------------------------------------------------------


@main.command()
def demo() -> None:
    """Run the whole loop on this machine: server, webhook, audit, comment and page."""
    root = Path(__file__).parents[1]
    if not (root / "examples" / "demo.py").is_file():
        raise BadInput(
            "the demo and its stand-ins are in the source tree only", fix="Clone the repository and run `make demo`."
        )
    sys.path.insert(0, str(root))
    from examples.demo import run

    run()


if __name__ == "__main__":
    main()

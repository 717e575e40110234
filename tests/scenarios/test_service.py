"""The service as its users meet it: somebody writes on an issue, and reads the thread afterwards."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NoReturn

import httpx
import pytest
from sqlalchemy import make_url, text

from app.errors import ConfigError, SourceRefused
from app.evidence.model import LogEntry, LogQuestion, LogsRead
from app.main import Running, google_parts
from app.settings import read_settings
from tests.fakes import github as fake
from tests.fakes.deaths import Deaths
from tests.fakes.github import FakeGitHub, FakeIssue, FakeRepository
from tests.fakes.service import ListedLogs, environment, eventually, failures, parts_of, service
from tests.fakes.stores import new_database, postgres

__all__ = ["postgres"]


@pytest.fixture
def repository(github: FakeGitHub) -> FakeRepository:
    return github.add_repository("acme/shop", roles={"dana": "write", "tri": "triage", "rita": "read"})


@pytest.fixture
def issue(github: FakeGitHub, repository: FakeRepository) -> FakeIssue:
    return github.open_issue(repository, "checkout fails since noon")


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "audit.db")


def reactions(github: FakeGitHub, repository: FakeRepository, author: str) -> set[str]:
    found = [c for c in repository.comments.values() if c.author == author]
    return {content for comment in found for _, content in comment.reactions}


def is_report(body: str) -> bool:
    return body.startswith("<!-- infra-audit report") and "in progress" not in body


def test_a_command_leads_to_one_report(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    with service(github, store):
        assert github.send(github.say(repository, issue, "dana", "please look\n/audit since=1h")) == 202
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        ours = github.ours(repository, issue)
        assert [is_report(c.body) for c in ours] == [True]
        assert "Five Whys" in ours[0].body
        assert reactions(github, repository, "dana") == {"eyes", "rocket"}


def test_a_label_leads_to_one_report(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    with service(github, store):
        assert github.send(github.label(repository, issue, "tri", "infra-audit")) == 202
        eventually(lambda: (github.bot, "rocket") in issue.reactions)
        assert [is_report(c.body) for c in github.ours(repository, issue)] == [True]


def test_other_labels_do_nothing(github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str) -> None:
    with service(github, store) as running:
        delivery = github.label(repository, issue, "tri", "bug")
        github.send(delivery)
        eventually(lambda: delivered(running, delivery))
        assert github.ours(repository, issue) == []
        assert issue.reactions == set()


def test_delivered_again_and_again_there_is_one_report(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    logs = ListedLogs(failures())
    with service(github, store, logs) as running:
        delivery = github.say(repository, issue, "dana", "/audit")
        github.send(delivery, times=3)
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        github.send(delivery, times=2)
        last = github.say(repository, issue, "dana", "/audit help")
        github.send(last)
        eventually(lambda: delivered(running, last))
        assert logs.reads == 1
        assert len([c for c in github.ours(repository, issue) if is_report(c.body)]) == 1


def test_a_second_audit_rewrites_the_same_comment(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    with service(github, store):
        for _ in range(2):
            comment = github.comment(repository, issue, "dana", "/audit")
            github.send(github.comment_delivery(repository, issue, comment))
            eventually(lambda comment=comment: (github.bot, "rocket") in comment.reactions)
        ours = github.ours(repository, issue)
        assert len(ours) == 1
        assert "1 earlier audit" in ours[0].body


def test_events_out_of_order_lead_to_the_same_single_report(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    first = github.say(repository, issue, "dana", "/audit")
    second = github.label(repository, issue, "dana", "infra-audit")
    with service(github, store) as running:
        for delivery in (second, first, second):
            github.send(delivery)
        eventually(lambda: "rocket" in reactions(github, repository, "dana") and issue.reactions)
        eventually(lambda: delivered(running, first) and delivered(running, second))
        eventually(lambda: (github.bot, "rocket") in issue.reactions)
        assert len(github.ours(repository, issue)) == 1


def test_an_answer_lost_after_writing_leaves_one_comment(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    github.faults.append(fake.Fault("POST", r"/issues/1/comments$", 502, after_writing=True))
    github.faults.append(fake.Fault("PATCH", r"/issues/comments/", 502, after_writing=True))
    with service(github, store):
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        assert [is_report(c.body) for c in github.ours(repository, issue)] == [True]


def test_a_forged_marker_is_nobodys_report(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    forged = "<!-- infra-audit report environment=default -->\nAll is well."
    stranger = github.comment(repository, issue, "mallory", forged)
    other_app = github.comment(repository, issue, "other[bot]", forged, by_app=1)
    with service(github, store):
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        assert len([c for c in github.ours(repository, issue) if is_report(c.body)]) == 1
        assert stranger.body == other_app.body == forged


def test_whoever_may_not_is_refused_once(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    logs = ListedLogs(failures())
    with service(github, store, logs) as running:
        for author in ("rita", "rita", "stranger"):
            delivery = github.say(repository, issue, author, "/audit")
            github.send(delivery)
            eventually(lambda delivery=delivery: delivered(running, delivery))
        bodies = [c.body for c in github.ours(repository, issue)]
        assert len(bodies) == 2
        assert all("needs the role **triage**" in body for body in bodies)
        assert reactions(github, repository, "rita") == {"eyes", "confused"}
        assert logs.reads == 0


def test_when_the_role_cannot_be_read_nobody_may(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    github.faults.append(fake.Fault("GET", "/collaborators/", 403, times=9))
    logs = ListedLogs(failures())
    with service(github, store, logs) as running:
        delivery = github.say(repository, issue, "dana", "/audit")
        github.send(delivery)
        eventually(lambda: delivered(running, delivery))
        assert logs.reads == 0


@pytest.mark.parametrize(
    ("author", "by_app"), [("infra-audit[bot]", 4711), ("renovate[bot]", 12), ("dana", 12)], ids=str
)
def test_bots_and_apps_start_nothing(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str, author: str, by_app: int
) -> None:
    with service(github, store) as running:
        comment = github.comment(repository, issue, author, "/audit", by_app=by_app)
        assert github.send(github.comment_delivery(repository, issue, comment)) == 202
        assert running.archive.unqueued_deliveries() == ()
        assert comment.reactions == set()


def test_an_edited_comment_is_no_new_command(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    with service(github, store) as running:
        comment = github.comment(repository, issue, "dana", "/audit")
        edited = github.comment_delivery(repository, issue, comment, action="edited")
        assert github.send(edited) == 202
        assert running.archive.delivery(edited.guid) is None


def test_every_mistake_is_answered_with_a_suggestion(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    with service(github, store):
        github.send(github.say(repository, issue, "dana", "/audit sinc=6h until=10:00"))
        eventually(lambda: "confused" in reactions(github, repository, "dana"))
        (reply,) = github.ours(repository, issue)
        assert "Did you mean `since=6h`?" in reply.body
        assert "Did you mean `until=" in reply.body


def test_help_shows_what_the_caller_may_do(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    with service(github, store):
        github.send(github.say(repository, issue, "tri", "/audit help"))
        eventually(lambda: "rocket" in reactions(github, repository, "tri"))
        (reply,) = github.ours(repository, issue)
        assert "| `/audit status` | Say what is known now, without reading anything anew. | yes |" in reply.body
        assert "| needs write |" in reply.body


def test_a_wrong_configuration_is_answered_with_its_line(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    repository.files[".github/infra-audit.yml"] = "version: 1\nenvironmnets: {}\n"
    with service(github, store):
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: "confused" in reactions(github, repository, "dana"))
        (reply,) = github.ours(repository, issue)
        assert "line 2, column 1" in reply.body
        assert "did you mean `environments`?" in reply.body


def test_configured_labels_choose_the_environment(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    repository.files[".github/infra-audit.yml"] = (
        "version: 1\nlabels: {incident-staging: staging}\nenvironments: {production: {}, staging: {}}\n"
    )
    with service(github, store):
        github.send(github.label(repository, issue, "dana", "incident-staging"))
        eventually(lambda: (github.bot, "rocket") in issue.reactions)
        (report,) = github.ours(repository, issue)
        assert report.body.startswith("<!-- infra-audit report environment=staging -->")


def test_more_audits_than_allowed_are_refused(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    logs = ListedLogs(failures())
    with service(github, store, logs) as running:
        for _ in range(8):
            delivery = github.say(repository, issue, "dana", "/audit")
            github.send(delivery)
        eventually(lambda: delivered(running, delivery))
        eventually(lambda: logs.reads == 6)
        assert any("No audit was started" in c.body for c in github.ours(repository, issue))


def test_an_outage_is_waited_for(github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str) -> None:
    logs = ListedLogs(failures(), trouble=1)
    github.faults.append(fake.Fault("GET", "/permission$", 403, headers={"retry-after": "1"}))
    with service(github, store, logs):
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        assert logs.reads == 2
        assert [is_report(c.body) for c in github.ours(repository, issue)] == [True]


@pytest.mark.one_life("a token is kept as long as the process lives")
def test_a_revoked_token_is_replaced(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    with service(github, store):
        github.send(github.say(repository, issue, "dana", "/audit help"))
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        github.tokens.clear()
        github.send(github.say(repository, issue, "tri", "/audit help"))
        eventually(lambda: "rocket" in reactions(github, repository, "tri"))
        assert github.token_requests == 2


def test_a_bug_is_told_and_not_repeated(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str, deaths: Deaths | None
) -> None:
    class Broken(ListedLogs):
        async def read(self, question: object, sink: object) -> NoReturn:
            self.reads += 1
            raise RuntimeError("boom")

    logs = Broken([])
    with service(github, store, logs):
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: "confused" in reactions(github, repository, "dana"))
        (last_word,) = github.ours(repository, issue)
        assert "fault of ours" in last_word.body
        assert logs.reads <= 1 + (len(deaths.died) if deaths is not None else 0)


def test_the_report_has_a_page_that_cannot_be_guessed(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    with service(github, store) as running:
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        (saved,) = running.archive.audits_of(repository.id, issue.number)
        assert len(saved.page) >= 32
        assert f"/audits/{saved.page}" in github.ours(repository, issue)[0].body
        base = str(github.target).removesuffix("/webhooks/github")
        page = httpx.get(f"{base}/audits/{saved.page}")
        assert page.status_code == 200
        assert "<html" in page.text
        assert page.headers["referrer-policy"] == "no-referrer"
        assert "no-store" in page.headers["cache-control"]
        assert httpx.get(f"{base}/audits/{saved.page}.json").json()["header"]["audit_id"] == saved.audit_id
        assert httpx.get(f"{base}/audits/{saved.audit_id}").status_code == 404


def test_what_github_could_not_deliver_is_fetched(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    github.target = "http://127.0.0.1:9/nobody-listens"
    assert github.send(github.say(repository, issue, "dana", "/audit")) == 502
    with service(github, store):
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        assert len(github.ours(repository, issue)) == 1


@pytest.mark.one_life("real processes are killed here")
def test_a_killed_server_finishes_after_its_restart(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    with server_process(github, tmp_path, hold) as process:
        assert github.send(github.say(repository, issue, "dana", "/audit")) == 202
        eventually(lambda: "eyes" in reactions(github, repository, "dana"))
        process.kill()
        process.wait()
    hold.unlink()
    with server_process(github, tmp_path, hold):
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        assert [is_report(c.body) for c in github.ours(repository, issue)] == [True]


@pytest.mark.one_life("real processes are killed here")
def test_a_server_killed_right_after_the_202_has_lost_nothing(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    with server_process(github, tmp_path, hold) as process:
        assert github.send(github.say(repository, issue, "dana", "/audit")) == 202
        process.kill()
        process.wait()
    with server_process(github, tmp_path, hold):
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        assert [is_report(c.body) for c in github.ours(repository, issue)] == [True]


@pytest.mark.one_life("real processes are stopped here")
def test_a_server_that_is_asked_to_stop_does_so_in_time_and_goes_on_at_its_next_start(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, tmp_path: Path
) -> None:
    hold = tmp_path / "hold"
    hold.touch()
    with server_process(github, tmp_path, hold) as process:
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: any("in progress" in c.body for c in github.ours(repository, issue)))
        process.terminate()
        assert process.wait(timeout=30) == 0  # in order, not by the signal
    hold.unlink()
    with server_process(github, tmp_path, hold):
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        assert [is_report(c.body) for c in github.ours(repository, issue)] == [True]


@pytest.mark.one_life("its processes are real, and none of them dies")
def test_a_second_process_on_the_same_file_is_refused(github: FakeGitHub, tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    with server_process(github, tmp_path, hold):
        second = start_process(github, tmp_path, hold, port=free_port())
        assert second.wait(timeout=20) != 0
        assert second.stderr is not None
        assert "another process uses the store" in second.stderr.read()
        second.stderr.close()


def delivered(running: Running, delivery: fake.FakeDelivery) -> bool:
    with running.archive.engine.connect() as connection:
        state = connection.execute(
            text("SELECT state FROM deliveries WHERE guid = :guid"), {"guid": delivery.guid}
        ).scalar()
    return state == "done"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_process(github: FakeGitHub, directory: Path, hold: Path, port: int) -> subprocess.Popen[str]:
    settings = environment(github, str(directory / "audit.db"))
    return subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.service", str(port), str(hold)],
        env={**os.environ, **settings},
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def server_process(github: FakeGitHub, directory: Path, hold: Path) -> Iterator[subprocess.Popen[str]]:
    port = free_port()
    process = start_process(github, directory, hold, port)
    github.target = f"http://127.0.0.1:{port}/webhooks/github"
    try:
        eventually(lambda: process.poll() is not None or answers(port), seconds=60)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx.HTTPError:
        return False


def test_a_repository_that_was_granted_nothing_is_told_whom_to_ask(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    settings = read_settings(environment(github, store))
    parts = replace(google_parts(settings, {}), pace=timedelta(0), poll=timedelta(milliseconds=50))
    with service(github, store, parts=parts):
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: "confused" in reactions(github, repository, "dana"))
        assert any("Ask the operator" in c.body for c in github.ours(repository, issue))


def test_a_source_that_refuses_is_a_gap_of_the_report(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    class Refusing(ListedLogs):
        async def read(self, question: object, sink: object) -> NoReturn:
            raise SourceRefused("logs", "no credentials", meaning="nothing can be said about the failures")

    with service(github, store, Refusing([])):
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        (report,) = github.ours(repository, issue)
        assert "no credentials" in report.body


def test_on_a_public_repository_no_log_text_is_shown(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    repository.private = False
    entries = failures()
    names = [f"{number}f3a91c2{number}" for number in range(len(entries))]
    for entry, name in zip(entries, names, strict=True):
        entry["textPayload"] = f"order {name} could not be saved"
    with service(github, store, ListedLogs(entries)) as running:
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        (saved,) = running.archive.audits_of(repository.id, issue.number)
        base = str(github.target).removesuffix("/webhooks/github")
        page = httpx.get(f"{base}/audits/{saved.page}").text
        for text in (github.ours(repository, issue)[0].body, page):
            assert "could not be saved" in text
            assert not [name for name in names if name in text]


def test_a_pull_request_that_breaks_the_configuration_is_told_where(
    github: FakeGitHub, repository: FakeRepository, store: str
) -> None:
    path = ".github/infra-audit.yml"
    with service(github, store) as running:
        for files in ({path: "version: 1\nlables: {}\n"}, {path: "version: 1\n"}, {"README.md": "hello"}):
            delivery = github.propose(repository, files)
            github.send(delivery)
            eventually(lambda delivery=delivery: delivered(running, delivery))
    wrong, right = repository.checks
    (annotation,) = wrong["output"]["annotations"]
    assert (wrong["conclusion"], annotation["path"], annotation["start_line"]) == ("failure", path, 2)
    assert "'labels'" in annotation["message"]
    assert right["conclusion"] == "success"


def test_the_same_service_runs_on_postgres(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, request: pytest.FixtureRequest
) -> None:
    with service(github, new_database(request.getfixturevalue("postgres"))) as running:
        delivery = github.say(repository, issue, "dana", "/audit")
        github.send(delivery, times=2)
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        assert [is_report(c.body) for c in github.ours(repository, issue)] == [True]
        assert delivered(running, delivery)


@pytest.mark.one_life("its store dies instead")
def test_while_the_database_is_out_nothing_is_taken_in_and_nothing_is_lost(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres")
    store = new_database(server)
    name = make_url(store).database
    hold = threading.Event()

    class Waiting(ListedLogs):
        async def read(self, question: LogQuestion, sink: Callable[[LogEntry], None]) -> LogsRead:
            read = await super().read(question, sink)
            await asyncio.to_thread(hold.wait, 20)
            return read

    logs = Waiting(failures())
    with service(github, store, logs) as running:
        health = str(github.target).replace("/webhooks/github", "/health")
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: logs.reads == 1)
        server.psql(f"alter database {name} allow_connections false")
        server.psql(f"select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")
        hold.set()  # the audit that runs finds that it cannot be kept
        assert github.send(github.say(repository, issue, "tri", "/audit help"), times=1) == 503
        assert httpx.get(health).status_code == 503
        assert httpx.get(f"{health}/live").status_code == 200
        server.psql(f"alter database {name} allow_connections true")
        eventually(lambda: httpx.get(health).status_code == 200)
        running.jobs.enqueue("sweep", "", id="the next tick")
        eventually(lambda: "rocket" in reactions(github, repository, "tri"), 40)
        eventually(lambda: "rocket" in reactions(github, repository, "dana"), 40)
        assert len([c for c in github.ours(repository, issue) if is_report(c.body)]) == 1


def test_a_store_that_is_not_there_is_named_before_anything_is_served(github: FakeGitHub) -> None:
    settings = read_settings(environment(github, "postgresql://nobody@127.0.0.1:9/none"))
    with pytest.raises(ConfigError, match="Connection refused") as refusal:
        Running(settings, parts_of(ListedLogs([])))
    assert "INFRA_AUDIT_STORE" in refusal.value.fix


def test_an_audit_cut_off_before_the_repository_became_public_is_made_anew(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, store: str
) -> None:
    logs = ListedLogs(failures())
    github.faults.append(fake.Fault("PATCH", "/issues/comments/", 403, headers={"retry-after": "1"}))
    with service(github, store, logs) as running:
        github.send(github.say(repository, issue, "dana", "/audit"))
        eventually(lambda: logs.reads == 1)
        repository.private = False
        eventually(lambda: "rocket" in reactions(github, repository, "dana"))
        (saved,) = running.archive.audits_of(repository.id, issue.number)
        evidence = running.archive.evidence(saved.page)
        assert logs.reads == 2
        assert evidence is not None
        assert evidence.request.scope.public

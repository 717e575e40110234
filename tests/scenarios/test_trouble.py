"""GitHub in trouble, and repositories and issues that change meanwhile: each ends quietly, once, and in the right place."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from app.evidence.model import LogEntry, LogQuestion, LogsRead
from app.jobs import JobState
from app.main import Running
from tests.fakes import github as fake
from tests.fakes.github import FakeGitHub, FakeIssue, FakeRepository
from tests.fakes.service import ListedLogs, eventually, failures, service
from tests.scenarios.test_follow_up import bodies, incident, say
from tests.scenarios.test_service import delivered

CONFIG = """\
version: 1
environments: {production: {critical: true}}
owners: {infrastructure: "@acme/sre"}
assignees: {infrastructure: [tri]}
verdict_check: {at: [default_branch]}
"""


@pytest.fixture
def repository(github: FakeGitHub) -> FakeRepository:
    files = {".github/infra-audit.yml": CONFIG}
    return github.add_repository("acme/shop", files=files, roles={"dana": "write", "tri": "triage"})


def finished(running: Running, repository: FakeRepository, issue: FakeIssue) -> bool:
    found = running.archive.audits_of(repository.id, issue.number)
    return bool(found) and all(a.finished_at for a in found)


def ask(github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, body: str) -> None:
    """Say it, and wait until it was worked off, however that ended."""
    delivery = github.say(repository, issue, "dana", body)
    github.send(delivery)
    eventually(lambda: delivered(running, delivery))


WRITES = [
    ("POST", r"/issues/1/comments$"),
    ("PATCH", r"/issues/comments/"),
    ("POST", r"/acme/shop/labels$"),
    ("POST", r"/issues/1/labels$"),
    ("POST", r"/reactions$"),
    ("POST", r"/check-runs$"),
    ("POST", r"/issues/1/assignees$"),
]


@pytest.mark.one_life("one fault at a time: a write that died is not made again, and the fault would wait for it")
@pytest.mark.parametrize("after_writing", [True, False], ids=["after it was written", "before it was written"])
@pytest.mark.parametrize(("method", "path"), WRITES, ids=[path for _, path in WRITES])
def test_a_broken_gateway_leaves_one_of_everything(
    github: FakeGitHub,
    repository: FakeRepository,
    issue: FakeIssue,
    running: Running,
    method: str,
    path: str,
    after_writing: bool,
) -> None:
    github.faults.append(fake.Fault(method, path, 502, after_writing=after_writing))
    assert say(github, repository, issue, "/audit") == "rocket"
    assert say(github, repository, issue, "/audit escalate infrastructure") == "rocket"
    assert [c.body.split()[2] for c in github.ours(repository, issue)] == ["report", "escalation"]
    assert len(issue.labels) == len(set(issue.labels)) == 2
    assert issue.assignees == ["tri"]
    assert {check["name"] for check in repository.checks} == {"infra-audit verdict (production)"}
    assert len(repository.checks) <= 1 + (after_writing and path.startswith("/check-runs"))
    assert all(fault.times == 0 for fault in github.faults)


def test_a_broken_gateway_while_folding_away_leaves_one_change_to_read(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    fine = {**failures(1)[0], "severity": "INFO", "textPayload": "order 17 was saved"}
    for number, entries in enumerate(([fine], failures(), [fine])):
        say(github, repository, issue, "/audit")
        if number == 1:
            github.faults.append(fake.Fault("POST", "/graphql$", 502, times=3))
        logs.entries[:] = entries
    say(github, repository, issue, "/audit")
    told = [c for c in github.ours(repository, issue) if c.body.startswith("<!-- infra-audit changed")]
    assert [c.minimized for c in told] == [True] * (len(told) - 1) + [False]
    assert len(told) >= 2


@pytest.mark.parametrize(
    "fault",
    [
        fake.Fault("POST", "/issues/1/comments$", 403, headers={"retry-after": "1"}, message="secondary rate limit"),
        fake.Fault("GET", "/issues/1$", 429, headers={"retry-after": "1"}),
        fake.Fault(
            "GET",
            "/permission$",
            403,
            headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"},
            message="API rate limit exceeded",
        ),
    ],
    ids=["secondary limit", "too many", "the hour is used up"],
)
def test_a_limit_is_waited_for_and_then_it_goes_on(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, fault: fake.Fault
) -> None:
    github.faults.append(fault)
    assert say(github, repository, issue, "/audit") == "rocket"
    assert [c.body.split()[2] for c in github.ours(repository, issue)] == ["report"]


@pytest.mark.parametrize(
    ("status", "message", "fix"),
    [
        (403, "Resource not accessible by integration", "accept the permissions that the App asks for"),
        (404, "Not Found", "still installed on this repository"),
        (422, "Validation Failed", "give this id to whoever runs the App: audit:"),
    ],
)
def test_what_github_refuses_is_told_with_what_to_do_and_without_its_inner_address(
    github: FakeGitHub,
    repository: FakeRepository,
    issue: FakeIssue,
    running: Running,
    status: int,
    message: str,
    fix: str,
) -> None:
    github.faults.append(fake.Fault("POST", "/issues/1/labels$", status, times=99, message=message))
    assert say(github, repository, issue, "/audit") == "confused"
    report, reply = github.ours(repository, issue)
    assert "Five Whys" in report.body
    assert fix in reply.body
    assert not any(inner in reply.body for inner in ("/repos/", f"{status} {message}"))


# --- what people do to repositories and issues


def test_a_repository_that_was_renamed_gets_its_report_where_it_is_now(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    delivery = github.say(repository, issue, "dana", "/audit")
    github.rename(repository, "acme-corp/store")
    github.send(delivery)
    eventually(lambda: finished(running, repository, issue))
    eventually(lambda: issue.labels)
    assert [c.body.split()[2] for c in github.ours(repository, issue)] == ["report"]


def test_a_name_in_other_hands_is_not_written_to(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit watch")
    eventually(lambda: finished(running, repository, issue))
    github.rename(repository, "acme-corp/store")
    stranger = github.add_repository("acme/shop", roles={"dana": "write"})
    theirs = github.open_issue(stranger, "not yours")
    delivery = github.delivery(
        "issue_comment",
        repository,
        "dana",
        action="created",
        issue=github.show_issue(repository, issue),
        comment=github.show_comment(repository, github.comment(repository, issue, "dana", "/audit")),
    )
    delivery.payload["repository"]["full_name"] = "acme/shop"
    reads = logs.reads
    github.send(delivery)
    eventually(lambda: delivered(running, delivery))
    eventually(lambda: incident(running, repository, issue).closed)
    assert github.ours(stranger, theirs) == []
    assert logs.reads == reads


def test_an_archived_repository_is_left_alone(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    repository.archived = True
    ask(github, repository, issue, running, "/audit")
    eventually(lambda: incident(running, repository, issue).closed)
    assert github.ours(repository, issue) == []
    assert logs.reads == 0
    assert not running.archive.audits_of(repository.id, issue.number)


@pytest.mark.parametrize("status", [404, 410], ids=["it is hidden", "it became a discussion"])
def test_an_issue_that_is_no_issue_any_more_is_left_alone(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs, status: int
) -> None:
    github.faults.append(fake.Fault("GET", "/issues/1$", status, times=99))
    ask(github, repository, issue, running, "/audit")
    eventually(lambda: incident(running, repository, issue).closed)
    assert logs.reads == 0
    assert github.ours(repository, issue) == []


def test_an_issue_that_is_deleted_while_its_logs_are_read_ends_without_a_retry(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, tmp_path: Path
) -> None:
    class Deleting(ListedLogs):
        async def read(self, question: LogQuestion, sink: Callable[[LogEntry], None]) -> LogsRead:
            issue.gone = True
            return await super().read(question, sink)

    logs = Deleting(failures())
    with service(github, str(tmp_path / "other.db"), logs) as running:
        ask(github, repository, issue, running, "/audit")
        eventually(lambda: finished(running, repository, issue))
        (saved,) = running.archive.audits_of(repository.id, issue.number)
        eventually(lambda: running.jobs.status(saved.job) in (JobState.DONE, JobState.FAILED))
        assert logs.reads == 1
    assert len([path for method, path, _ in github.requests if method == "PATCH"]) <= 1


def test_a_locked_issue_keeps_its_lock_and_the_page_keeps_the_report(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    delivery = github.label(repository, issue, "dana", "infra-audit")
    issue.locked = True
    github.send(delivery)
    eventually(lambda: delivered(running, delivery))
    assert github.ours(repository, issue) == []
    issue.locked = False
    assert say(github, repository, issue, "/audit") == "rocket"
    assert [c.body.split()[2] for c in github.ours(repository, issue)] == ["report"]


def test_an_installation_that_was_taken_back_ends_its_work(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit")
    (saved,) = running.archive.audits_of(repository.id, issue.number)
    github.suspended = True
    github.tokens.clear()
    delivery = github.say(repository, issue, "dana", "/audit")
    github.send(delivery)
    eventually(lambda: running.archive.known_deliveries([delivery.guid]) == frozenset())
    assert logs.reads == 1
    base = str(github.target).removesuffix("/webhooks/github")
    assert httpx.get(f"{base}/audits/{saved.page}").status_code == 200
    assert httpx.get(f"{base}/health").status_code == 200


def test_a_report_that_somebody_deleted_is_written_again_when_it_is_asked_for(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    say(github, repository, issue, "/audit")
    github.delete_comment(repository, github.ours(repository, issue)[0])
    say(github, repository, issue, "/audit")
    assert [c.body.split()[2] for c in github.ours(repository, issue)] == ["report"]
    assert "1 earlier audit" in bodies(github, repository, issue)


@pytest.mark.one_life("what one life asks is counted")
def test_an_audit_makes_few_calls(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    say(github, repository, issue, "/audit")
    first = len(github.requests)
    say(github, repository, issue, "/audit")
    assert first <= 40
    assert len(github.requests) - first <= 20
    asked_again = [status for method, _, status in github.requests[first:] if method == "GET"]
    assert asked_again.count(304) >= 3

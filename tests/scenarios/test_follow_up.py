"""What happens after the first report: watching, calling people, deployments, closing, and telling what changed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.archive import KEEP_AUDITS
from app.escalation import REMINDER, Reminder
from app.follow_up import INCIDENT, Incident, after_look, called, is_due, may_call, must_remind, unwatch, watch
from app.jobs import JobState
from app.main import Running
from tests.fakes.github import FakeGitHub, FakeIssue, FakeRepository, serve
from tests.fakes.service import ListedLogs, eventually, failures, parts_of, service

CONFIG = """\
version: 1
environments:
  production: {critical: true, deployments: [prod-eu]}
owners: {infrastructure: "@acme/sre"}
follow_up: {every: 1m}
"""


@pytest.fixture
def repository(github: FakeGitHub) -> FakeRepository:
    files = {".github/infra-audit.yml": CONFIG}
    return github.add_repository("acme/shop", files=files, roles={"dana": "write", "tri": "triage"})


def say(github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, body: str, author: str = "dana") -> str:
    """Say it, and wait for the end of it: the reaction that ended it."""
    comment = github.comment(repository, issue, author, body)
    github.send(github.comment_delivery(repository, issue, comment))
    eventually(lambda: {r for _, r in comment.reactions} & {"rocket", "confused"})
    (last,) = {r for _, r in comment.reactions} & {"rocket", "confused"}
    return last


def incident(running: Running, repository: FakeRepository, issue: FakeIssue) -> Incident:
    state = running.archive.incident(repository.id, issue.number)
    return INCIDENT.validate_json(state) if state else Incident()


def bodies(github: FakeGitHub, repository: FakeRepository, issue: FakeIssue) -> str:
    return "\n".join(c.body for c in github.ours(repository, issue))


def test_a_watch_looks_at_once_and_unwatch_ends_it(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    assert say(github, repository, issue, "/audit watch for=2h") == "rocket"
    eventually(lambda: logs.reads == 1)
    assert incident(running, repository, issue).watch_until is not None
    assert say(github, repository, issue, "/audit unwatch") == "rocket"
    assert incident(running, repository, issue).watch_until is None


def test_configured_watching_begins_with_the_first_audit(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    repository.files[".github/infra-audit.yml"] = "version: 1\nfollow_up: {automatic: true}\n"
    say(github, repository, issue, "/audit")
    eventually(lambda: incident(running, repository, issue).watch_until)
    say(github, repository, issue, "/audit unwatch")
    say(github, repository, issue, "/audit")
    assert incident(running, repository, issue).watch_until is None


def test_a_deployment_makes_a_watched_issue_be_looked_at(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit watch")
    eventually(lambda: logs.reads == 1)
    github.send(github.deployment(repository, "elsewhere", "ab" * 20))
    github.send(github.deployment(repository, "prod-eu", "ab" * 20))
    eventually(lambda: logs.reads == 2)
    eventually(lambda: all(a.finished_at for a in running.archive.audits_of(repository.id, issue.number)))
    assert logs.reads == 2


def test_closing_ends_a_watch_and_reopening_audits_again(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit watch")
    eventually(lambda: logs.reads == 1)
    github.send(github.issue_event(repository, issue, "dana", "closed"))
    eventually(lambda: incident(running, repository, issue).closed)
    assert incident(running, repository, issue).watch_until is None
    github.send(github.issue_event(repository, issue, "dana", "reopened"))
    eventually(lambda: logs.reads == 2)


def test_an_issue_that_is_gone_is_left_alone(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    delivery = github.say(repository, issue, "dana", "/audit")
    issue.gone = True
    github.send(delivery)
    eventually(lambda: running.archive.audits_of(repository.id, issue.number) == () and logs.reads == 0)


def test_a_team_is_called_once_and_only_from_configuration(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    assert say(github, repository, issue, "/audit escalate infrastructure", author="tri") == "confused"
    assert say(github, repository, issue, "/audit escalate @everyone/all") == "confused"
    assert "@acme/sre" not in bodies(github, repository, issue)
    assert say(github, repository, issue, "/audit escalate infrastructure") == "rocket"
    assert say(github, repository, issue, "/audit escalate infrastructure") == "confused"
    assert bodies(github, repository, issue).count("@acme/sre") == 1
    assert "@everyone/all:" not in bodies(github, repository, issue)


def test_people_outside_of_github_are_told(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, tmp_path: Path, logs: ListedLogs
) -> None:
    told: list[str] = []

    async def hear(request: Request) -> Response:
        told.append((await request.json())["message"])
        return Response("ok")

    operator = tmp_path / "operator.yml"
    operator.write_text("version: 1\nnotify: {environment_variables: [CHAT, PAGER, UNSET]}\n")
    with serve(Starlette(routes=[Route("/chat", hear, methods=["POST"])])) as address:
        chat = address.replace("http://", "json://") + "/chat"
        parts = replace(parts_of(logs), environment={"CHAT": chat, "PAGER": "json://127.0.0.1:9/nobody"})
        with service(github, str(tmp_path / "other.db"), parts=parts, operator=operator):
            assert say(github, repository, issue, "/audit escalate infrastructure") == "rocket"
    (message,) = told
    assert "acme/shop#1: escalated to infrastructure" in message
    assert "/acme/shop/issues/1" in message


def test_a_call_repeated_after_a_crash_is_the_same_call(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    comment = github.comment(repository, issue, "dana", "/audit escalate infrastructure")
    delivery = github.comment_delivery(repository, issue, comment)
    github.send(delivery)
    eventually(lambda: (github.bot, "rocket") in comment.reactions)
    running.jobs.enqueue("delivery", delivery.guid, id="the job as it runs again")
    eventually(lambda: running.jobs.status("the job as it runs again") is JobState.DONE)
    assert incident(running, repository, issue).escalated == ("infrastructure",)
    assert (github.bot, "confused") not in comment.reactions
    assert bodies(github, repository, issue).count("@acme/sre") == 1


def test_a_call_that_nobody_answers_is_reminded_of_until_somebody_takes_over() -> None:
    waiting = called(Incident(), "infrastructure", "c")
    assert [must_remind(waiting, "infrastructure", n) for n in (1, 3, 4)] == [True, True, False]
    assert not must_remind(replace(waiting, acked_by="tri"), "infrastructure", 1)
    assert not must_remind(replace(waiting, closed=True), "infrastructure", 1)


def test_a_reminder_mentions_nobody_and_stops_with_an_ack(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    repository.files[".github/infra-audit.yml"] = CONFIG.replace("every: 1m", "every: 1m, remind: 1m")
    say(github, repository, issue, "/audit escalate infrastructure")
    reminder = Reminder(
        github.installation, repository.id, "acme/shop", issue.number, "infrastructure", timedelta(minutes=1), 1
    )

    def remind(number: int) -> None:
        body = REMINDER.dump_json(replace(reminder, number=number)).decode()
        running.jobs.enqueue("remind", body, id=f"test:{number}")
        eventually(lambda: running.jobs.status(f"test:{number}") is JobState.DONE)

    remind(1)
    assert "nobody took over yet (reminder 1 of 3)" in bodies(github, repository, issue)
    assert bodies(github, repository, issue).count("@acme/sre") == 1
    say(github, repository, issue, "/audit ack", author="tri")
    remind(2)
    assert "reminder 2" not in bodies(github, repository, issue)


def test_a_fault_that_came_back_is_known_from_another_issue(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit")
    assert "Seen before" not in bodies(github, repository, issue)
    again = github.open_issue(repository, "checkout fails again")
    say(github, repository, again, "/audit")
    assert f"Seen before in #{issue.number} ([" in bodies(github, repository, again)
    logs.entries.pop()
    say(github, repository, again, "/audit")
    assert "Since the last audit: failures in the window: 6 before, 5 now." in bodies(github, repository, again)


def test_a_page_made_while_private_is_gone_when_the_repository_is_public(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    say(github, repository, issue, "/audit")
    (saved,) = running.archive.audits_of(repository.id, issue.number)
    eventually(lambda: running.jobs.status(saved.job) is JobState.DONE)
    address = f"{str(github.target).removesuffix('/webhooks/github')}/audits/{saved.page}"
    assert httpx.get(address).status_code == 200
    repository.private = False
    assert httpx.get(address).status_code == 410
    say(github, repository, issue, "/audit")
    newest = running.archive.audits_of(repository.id, issue.number)[0]
    assert httpx.get(address.replace(saved.page, newest.page)).status_code == 200


def test_whoever_takes_over_is_not_called_on(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    assert say(github, repository, issue, "/audit ack", author="tri") == "rocket"
    assert say(github, repository, issue, "/audit escalate infrastructure") == "confused"
    assert "taken over by tri" in bodies(github, repository, issue)


def test_status_tells_without_reading_anew(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    assert say(github, repository, issue, "/audit status") == "rocket"
    assert "No audit of this issue is finished yet" in bodies(github, repository, issue)
    say(github, repository, issue, "/audit")
    say(github, repository, issue, "/audit status")
    (saved,) = running.archive.audits_of(repository.id, issue.number)
    assert f"Latest: **{saved.status}**" in bodies(github, repository, issue)
    assert logs.reads == 1


def test_a_changed_verdict_is_told_in_a_comment_of_its_own(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit")
    assert any(label.startswith("priority:") for label in issue.labels)
    logs.entries.clear()
    say(github, repository, issue, "/audit")
    told = [c for c in github.ours(repository, issue) if c.body.startswith("<!-- infra-audit changed")]
    assert len(told) == 1
    assert "Status changed from" in told[0].body
    logs.entries.extend(failures())
    say(github, repository, issue, "/audit")
    told = [c for c in github.ours(repository, issue) if c.body.startswith("<!-- infra-audit changed")]
    assert [c.minimized for c in told] == [True, False]
    assert len([c for c in github.ours(repository, issue) if c.body.startswith("<!-- infra-audit report")]) == 1


def test_a_change_folds_away_those_of_its_own_environment_alone(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    repository.files[".github/infra-audit.yml"] = CONFIG.replace("owners:", "  staging: {}\nowners:")
    for entries in (failures(), []):
        logs.entries[:] = entries
        for environment in ("production", "staging"):
            assert say(github, repository, issue, f"/audit env={environment}") == "rocket"
    logs.entries[:] = failures()
    say(github, repository, issue, "/audit env=staging")
    told = [c for c in github.ours(repository, issue) if c.body.startswith("<!-- infra-audit changed")]
    assert [("staging" in c.body, c.minimized) for c in told] == [(False, False), (True, True), (True, False)]


def test_an_issue_that_was_never_audited_leaves_no_trace_when_it_is_closed(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    closing = github.issue_event(repository, issue, "dana", "closed")
    github.send(closing)
    eventually(lambda: running.archive.known_deliveries([closing.guid]))
    eventually(lambda: running.jobs.status(f"delivery:{closing.guid}:1") is JobState.DONE)
    assert running.archive.incidents_of(repository.id) == ()


def test_what_nothing_happened_to_for_long_is_forgotten_and_its_report_is_found_again(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    say(github, repository, issue, "/audit")
    (first,) = running.archive.audits_of(repository.id, issue.number)
    eventually(lambda: running.jobs.status(first.job) is JobState.DONE)

    def long_ago(state: str) -> str:
        touched = datetime.now(UTC) - KEEP_AUDITS - timedelta(days=1)
        return INCIDENT.dump_json(replace(INCIDENT.validate_json(state), touched_at=touched)).decode()

    def purge(name: str) -> None:
        running.jobs.enqueue("purge", "", id=name)
        eventually(lambda: running.jobs.status(name) is JobState.DONE)

    purge("one night")
    assert incident(running, repository, issue).courses
    running.archive.change_incident(repository.id, issue.number, long_ago)
    purge("another night")
    assert running.archive.incidents_of(repository.id) == ()
    say(github, repository, issue, "/audit")
    assert [c.body.split()[2] for c in github.ours(repository, issue)] == ["report"]


def test_labels_of_others_stay(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    issue.labels += ["bug", "priority:P3"]
    say(github, repository, issue, "/audit")
    assert "bug" in issue.labels
    assert "priority:P3" not in issue.labels


def test_a_waiting_audit_can_be_cancelled(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    logs.trouble = 100
    comment = github.comment(repository, issue, "dana", "/audit")
    github.send(github.comment_delivery(repository, issue, comment))
    eventually(lambda: logs.reads >= 1)
    assert say(github, repository, issue, "/audit cancel") == "rocket"
    assert running.archive.audits_of(repository.id, issue.number) == ()
    assert "cancelled by `dana`" in bodies(github, repository, issue)
    assert "in progress" not in bodies(github, repository, issue)
    reads = logs.reads
    say(github, repository, issue, "/audit status")
    assert logs.reads <= reads + 1


def test_doctor_says_what_is_granted(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    assert say(github, repository, issue, "/audit doctor") == "rocket"
    assert f"bind installation 99, repository {repository.id}" in bodies(github, repository, issue)


NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_watch_ends_after_two_quiet_looks() -> None:
    watched = watch(Incident(), NOW, timedelta(hours=1), None)
    once = after_look(watched, "RESOLVED")
    assert once.watch_until is not None
    assert after_look(once, "APPLICATION FIX REQUIRED").quiet_looks == 0
    assert after_look(once, "NO MATCHING FAILURES").watch_until is None


def test_a_look_of_an_ended_watch_is_not_due() -> None:
    first = watch(Incident(), NOW, timedelta(hours=1), None)
    second = watch(first, NOW, timedelta(hours=1), None)
    assert is_due(first, first.chain, NOW)
    assert not is_due(second, first.chain, NOW)
    assert not is_due(unwatch(second), second.chain, NOW)
    assert not is_due(second, second.chain, NOW + timedelta(hours=2))


def test_nobody_is_called_twice_or_after_somebody_took_over() -> None:
    assert may_call(Incident(), "infrastructure")
    assert not may_call(called(Incident(), "infrastructure", "c"), "infrastructure")
    assert not may_call(Incident(acked_by="dana"), "infrastructure")

"""How the bot behaves on an issue beside its report: whom it assigns, its labels and checks, and when it looks again."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.escalation import REMINDER, Reminder
from app.jobs import JobState
from app.main import Running
from app.respond import LOOK, Look
from tests.fakes import github as fake
from tests.fakes.github import FakeGitHub, FakeIssue, FakeRepository, serve
from tests.fakes.service import ListedLogs, eventually, failures, parts_of, service
from tests.scenarios.test_follow_up import bodies, incident, say
from tests.scenarios.test_service import delivered

CONFIG = """\
version: 1
environments:
  production: {critical: true, deployments: [prod-eu], workflows: [Deploy]}
  staging: {}
owners: {infrastructure: "@acme/sre"}
"""
PATH = ".github/infra-audit.yml"


@pytest.fixture
def repository(github: FakeGitHub) -> FakeRepository:
    roles = {"dana": "write", "tri": "triage", "rita": "read"}
    return github.add_repository("acme/shop", files={PATH: CONFIG}, roles=roles)


def configure(repository: FakeRepository, *lines: str, base: str = CONFIG) -> None:
    repository.files[PATH] = base + "\n".join(lines) + "\n"


def quiet(logs: ListedLogs) -> None:
    """The service goes on and logs nothing bad."""
    entry = {**failures(1)[0], "insertId": "fine", "severity": "INFO", "textPayload": "order 17 was saved"}
    logs.entries[:] = [entry]


def audits(running: Running, repository: FakeRepository, issue: FakeIssue) -> int:
    return len(running.archive.audits_of(repository.id, issue.number))


def all_finished(running: Running, repository: FakeRepository, issue: FakeIssue) -> bool:
    found = running.archive.audits_of(repository.id, issue.number)
    return all(a.finished_at for a in found) and (
        {c.environment for c in incident(running, repository, issue).courses} >= {a.environment for a in found}
    )


# --- assignees


def test_an_escalation_assigns_who_can_be_assigned_and_says_who_cannot(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    configure(repository, "assignees: {infrastructure: [tri, ghost]}")
    assert say(github, repository, issue, "/audit escalate infrastructure") == "rocket"
    assert issue.assignees == ["tri"]
    text = bodies(github, repository, issue)
    assert "@acme/sre" in text
    assert "Assigned: `tri`." in text
    assert "Could not be assigned: `ghost`." in text


def test_a_repeat_after_a_crash_assigns_nobody_who_was_taken_off(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    configure(repository, "assignees: {infrastructure: [tri]}")
    comment = github.comment(repository, issue, "dana", "/audit escalate infrastructure")
    delivery = github.comment_delivery(repository, issue, comment)
    github.send(delivery)
    eventually(lambda: (github.bot, "rocket") in comment.reactions)
    issue.assignees.clear()
    running.jobs.enqueue("delivery", delivery.guid, id="once more")
    eventually(lambda: running.jobs.status("once more") is JobState.DONE)
    assert issue.assignees == []
    assert bodies(github, repository, issue).count("@acme/sre") == 1


def test_a_refused_assignment_costs_the_assignment_and_not_the_call(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    configure(repository, "assignees: {infrastructure: [tri]}")
    refusal = "Resource not accessible by integration"
    github.faults.append(fake.Fault("POST", "/assignees$", 403, times=9, message=refusal))
    assert say(github, repository, issue, "/audit escalate infrastructure") == "rocket"
    assert "@acme/sre" in bodies(github, repository, issue)
    assert "Could not be assigned: `tri`" in bodies(github, repository, issue)


def test_a_team_may_be_people_alone(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    configure(repository, "assignees: {provider: [tri]}")
    assert say(github, repository, issue, "/audit escalate provider") == "rocket"
    assert issue.assignees == ["tri"]
    assert "`dana` escalates to **provider**" in bodies(github, repository, issue)


def test_without_a_team_it_is_said_where_to_name_one(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    configure(repository, base="version: 1\n")
    assert say(github, repository, issue, "/audit escalate") == "confused"
    assert "Add `owners`" in bodies(github, repository, issue).replace("``", "")


# --- labels


def test_labels_carry_configured_names_and_colours(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    names = ", ".join(f"P{n}: {{name: sev-{n}, colour: 00000{n}}}" for n in range(4)).replace("00000", '"00000')
    configure(repository, f"status_labels: {{{names}}}".replace("}}", '"}}').replace("},", '"},'))
    say(github, repository, issue, "/audit env=production")
    (label,) = [name for name in issue.labels if name.startswith("sev-")]
    assert repository.labels[label] == f"00000{label[-1]}"
    assert not [name for name in issue.labels if name.startswith("priority:")]


def test_no_label_is_written_when_none_is_wanted(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    configure(repository, "status_labels: {write: false}")
    say(github, repository, issue, "/audit env=production")
    assert issue.labels == []


def test_what_people_do_to_a_label_stays_until_the_verdict_changes(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit env=production")
    (label,) = [name for name in issue.labels if name.startswith("priority:")]
    issue.labels[:] = ["priority:P3", "bug"]
    say(github, repository, issue, "/audit env=production")
    assert issue.labels == ["priority:P3", "bug"]
    quiet(logs)
    say(github, repository, issue, "/audit env=production")
    assert sorted(issue.labels) == ["bug", "priority:P3"]
    logs.entries[:] = failures()
    say(github, repository, issue, "/audit env=production")
    assert sorted(name for name in issue.labels if not name.startswith("escalated:")) == sorted(["bug", label])


def test_a_label_that_was_renamed_by_hand_is_still_ours(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit env=production")
    (label,) = [name for name in issue.labels if name.startswith("priority:")]
    github.rename_label(repository, label, "urgent")
    say(github, repository, issue, "/audit env=production")
    assert "urgent" in issue.labels
    assert label not in issue.labels
    quiet(logs)
    say(github, repository, issue, "/audit env=production")
    assert issue.labels == ["priority:P3"]


def test_of_two_environments_the_worse_one_counts(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit env=production")
    before = list(issue.labels)
    quiet(logs)
    say(github, repository, issue, "/audit env=staging")
    assert issue.labels == before


# --- the check with the verdict


def test_no_check_is_written_unless_it_is_asked_for(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    say(github, repository, issue, "/audit env=production")
    assert repository.checks == []


def test_the_verdict_stands_on_the_default_branch_and_on_linked_pull_requests(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    configure(repository, "verdict_check: {at: [default_branch, pull_request]}")
    issue.linked_heads.append("a" * 40)
    say(github, repository, issue, "/audit env=production")
    (saved,) = running.archive.audits_of(repository.id, issue.number)
    assert [check["head_sha"] for check in repository.checks] == [repository.head, "a" * 40]
    for check in repository.checks:
        assert (check["name"], check["conclusion"]) == ("infra-audit verdict (production)", "neutral")
        assert check["output"]["title"] == f"{saved.status}, {saved.priority}"
        assert check["details_url"].endswith("/acme/shop/issues/1")
    say(github, repository, issue, "/audit env=production")
    assert len(repository.checks) == 2
    quiet(logs)
    say(github, repository, issue, "/audit env=production")
    assert {check["output"]["title"] for check in repository.checks} == {"NO MATCHING FAILURES, P3"}
    assert len(repository.checks) == 2


def test_the_verdict_turns_red_only_when_that_is_asked_for(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    configure(repository, "verdict_check: {at: [default_branch], conclusion: verdict}")
    say(github, repository, issue, "/audit env=production")
    assert [check["conclusion"] for check in repository.checks] == ["failure"]
    quiet(logs)
    say(github, repository, issue, "/audit env=production")
    assert [check["conclusion"] for check in repository.checks] == ["success"]


def test_a_check_that_is_not_permitted_costs_nothing_else(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    configure(repository, "verdict_check: {at: [default_branch]}")
    github.faults.append(fake.Fault("GET", "/check-runs$", 403, times=9))
    assert say(github, repository, issue, "/audit env=production") == "rocket"
    assert "Five Whys" in bodies(github, repository, issue)


# --- looking again


def test_a_deployment_makes_an_open_issue_be_looked_at_that_is_not_over(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit checkout env=production since=2h")
    github.send(github.deployment(repository, "prod-eu", "ab" * 20))
    eventually(lambda: logs.reads == 2)
    eventually(lambda: all_finished(running, repository, issue))
    again, first = running.archive.audits_of(repository.id, issue.number)
    assert '"services":["checkout"]' in again.request.replace(" ", "")
    evidence = running.archive.evidence(again.page)
    earlier = running.archive.evidence(first.page)
    assert evidence is not None
    assert earlier is not None
    assert evidence.window.start <= earlier.window.start
    assert len([c for c in github.ours(repository, issue) if c.body.startswith("<!-- infra-audit report")]) == 1


@pytest.mark.parametrize("why", ["over", "closed", "switched off", "another environment", "never audited"])
def test_a_deployment_that_changes_nothing_starts_nothing(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs, why: str
) -> None:
    if why == "over":
        quiet(logs)
    if why == "switched off":
        configure(repository, "follow_up: {deployments: false}")
    if why != "never audited":
        say(github, repository, issue, "/audit env=production")
    if why == "closed":
        github.send(github.issue_event(repository, issue, "dana", "closed"))
        eventually(lambda: incident(running, repository, issue).closed)
    reads = logs.reads
    delivery = github.deployment(repository, "prod-us" if why == "another environment" else "prod-eu", "ab" * 20)
    github.send(delivery)
    eventually(lambda: delivered(running, delivery))
    assert audits(running, repository, issue) == (0 if why == "never audited" else 1)
    assert logs.reads == reads


def test_a_workflow_that_deploys_counts_as_a_deployment_and_both_of_one_commit_as_one(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit env=production")
    tests = github.workflow_run(repository, "Tests", "cd" * 20)
    github.send(tests)
    eventually(lambda: delivered(running, tests))
    assert logs.reads == 1
    github.send(github.workflow_run(repository, "Deploy", "cd" * 20))
    eventually(lambda: logs.reads == 2 and all_finished(running, repository, issue))
    same = github.deployment(repository, "prod-eu", "cd" * 20)
    github.send(same)
    eventually(lambda: delivered(running, same))
    assert audits(running, repository, issue) == 2
    github.send(github.deployment(repository, "prod-eu", "ef" * 20))
    eventually(lambda: logs.reads == 3)


def test_without_a_configuration_a_deployment_to_production_is_meant(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    del repository.files[PATH]
    say(github, repository, issue, "/audit")
    preview = github.deployment(repository, "preview-17", "ab" * 20)
    github.send(preview)
    eventually(lambda: delivered(running, preview))
    assert logs.reads == 1
    github.send(github.deployment(repository, "production", "ab" * 20))
    eventually(lambda: logs.reads == 2)


def test_an_open_issue_that_nobody_watches_is_looked_at_again_by_time(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    configure(repository, "follow_up: {recheck: 6h}")
    say(github, repository, issue, "/audit env=production")
    (first,) = running.archive.audits_of(repository.id, issue.number)
    eventually(lambda: running.jobs.status(f"recheck:{first.page}"))

    def recheck(page: str, name: str) -> None:
        look = Look(github.installation, repository.id, "acme/shop", issue.number, 0, 0, page)
        running.jobs.enqueue("look", LOOK.dump_json(look).decode(), id=name)
        eventually(lambda: running.jobs.status(name) is JobState.DONE)

    recheck(first.page, "six hours later")
    assert audits(running, repository, issue) == 2
    recheck(first.page, "the same again")
    assert audits(running, repository, issue) == 2
    newest = running.archive.audits_of(repository.id, issue.number)[0]
    quiet(logs)
    recheck(newest.page, "twelve hours later")
    last = running.archive.audits_of(repository.id, issue.number)[0]
    assert last.status == "NO MATCHING FAILURES"
    recheck(last.page, "when it is over")
    assert audits(running, repository, issue) == 3
    assert running.jobs.status(f"recheck:{last.page}") is None


def test_a_report_that_was_deleted_stays_so_until_somebody_asks(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit env=production")
    (first,) = running.archive.audits_of(repository.id, issue.number)
    eventually(lambda: running.jobs.status(first.job) is JobState.DONE)
    (report,) = github.ours(repository, issue)
    github.delete_comment(repository, report)
    github.send(github.deployment(repository, "prod-eu", "ab" * 20))
    eventually(lambda: logs.reads == 2)
    eventually(lambda: [c.dropped for c in incident(running, repository, issue).courses] == [True])
    assert github.ours(repository, issue) == []
    after = github.deployment(repository, "prod-eu", "cd" * 20)
    github.send(after)
    eventually(lambda: delivered(running, after))
    assert logs.reads == 2
    say(github, repository, issue, "/audit env=production")
    assert len(github.ours(repository, issue)) == 1


def test_a_repeat_after_a_crash_brings_no_deleted_report_back(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    say(github, repository, issue, "/audit env=production")
    (saved,) = running.archive.audits_of(repository.id, issue.number)
    eventually(lambda: running.jobs.status(saved.job) is JobState.DONE)
    github.delete_comment(repository, github.ours(repository, issue)[0])
    running.jobs.enqueue("audit", saved.job, id="once more")
    eventually(lambda: running.jobs.status("once more") is JobState.DONE)
    assert github.ours(repository, issue) == []
    assert [course.dropped for course in incident(running, repository, issue).courses] == [True]
    say(github, repository, issue, "/audit env=production")
    assert len(github.ours(repository, issue)) == 1


def test_follow_ups_over_the_limit_are_left_out_silently(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    say(github, repository, issue, "/audit env=production")
    for number in range(8):
        last = github.deployment(repository, "prod-eu", f"{number:040x}")
        github.send(last)
        eventually(lambda last=last: delivered(running, last))
    eventually(lambda: all_finished(running, repository, issue))
    assert audits(running, repository, issue) == 6
    assert "limit" not in bodies(github, repository, issue).partition("Five Whys")[0]
    assert not [c for c in github.ours(repository, issue) if c.body.startswith("<!-- infra-audit reply")]


def test_whoever_asks_on_a_closed_issue_starts_nothing_that_goes_on(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running, logs: ListedLogs
) -> None:
    issue.state = "closed"
    say(github, repository, issue, "/audit env=production")
    assert incident(running, repository, issue).closed
    issue.state = "open"
    say(github, repository, issue, "/audit env=production")
    eventually(lambda: not incident(running, repository, issue).closed)


def test_a_reminder_folds_the_one_before_it_away(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, running: Running
) -> None:
    say(github, repository, issue, "/audit escalate infrastructure")
    first = Reminder(github.installation, repository.id, "acme/shop", 1, "infrastructure", timedelta(hours=1), 1)
    for number in (1, 2):
        body = REMINDER.dump_json(replace(first, number=number)).decode()
        running.jobs.enqueue("remind", body, id=f"test:{number}")
        eventually(lambda number=number: running.jobs.status(f"test:{number}") is JobState.DONE)
    told = [c for c in github.ours(repository, issue) if c.body.startswith("<!-- infra-audit reminder")]
    assert [c.minimized for c in told] == [True, False]


# --- outside of GitHub


def test_a_repeat_after_a_crash_rings_nobody_twice(
    github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, tmp_path: Path, logs: ListedLogs
) -> None:
    told: list[str] = []

    async def hear(request: Request) -> Response:
        told.append((await request.json())["message"])
        return Response("ok")

    operator = tmp_path / "operator.yml"
    operator.write_text("version: 1\nnotify: {environment_variables: [CHAT]}\n")
    with serve(Starlette(routes=[Route("/chat", hear, methods=["POST"])])) as address:
        parts = replace(parts_of(logs), environment={"CHAT": address.replace("http://", "json://") + "/chat"})
        with service(github, str(tmp_path / "other.db"), parts=parts, operator=operator) as running:
            comment = github.comment(repository, issue, "dana", "/audit escalate infrastructure")
            delivery = github.comment_delivery(repository, issue, comment)
            github.send(delivery)
            eventually(lambda: (github.bot, "rocket") in comment.reactions)
            running.jobs.enqueue("delivery", delivery.guid, id="once more")
            eventually(lambda: running.jobs.status("once more") is JobState.DONE)
    assert [line.partition("\n")[0] for line in told] == ["acme/shop#1: escalated to infrastructure"]

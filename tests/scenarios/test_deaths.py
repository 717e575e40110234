"""One issue from its first label to the third verdict, told by a service that dies at every kind of write there is."""

import time
from pathlib import Path

import pytest

from app.jobs import RECOVERIES, JobState
from tests.fakes.deaths import Deaths
from tests.fakes.github import FakeGitHub, FakeIssue, FakeRepository
from tests.fakes.service import ListedLogs, eventually, failures, service

OF_THE_FIRST_AUDIT = ("comment", "edit", "new label", "label", "rocket")
WRITES = ("eyes", *OF_THE_FIRST_AUDIT, "unlabel", "fold", "confused", "check", "redelivery")


def answered(github: FakeGitHub, repository: FakeRepository, issue: FakeIssue, text: str) -> str:
    comment = github.comment(repository, issue, "dana", text)
    github.send(github.comment_delivery(repository, issue, comment))
    eventually(lambda: {r for _, r in comment.reactions} & {"rocket", "confused"})
    return ({r for _, r in comment.reactions} - {"eyes"}).pop()


@pytest.mark.one_life("it dies as told here")
@pytest.mark.parametrize("after", [False, True], ids=["before writing", "after writing"])
def test_whatever_the_service_dies_of_the_thread_is_the_same(github: FakeGitHub, tmp_path: Path, after: bool) -> None:
    assert len(OF_THE_FIRST_AUDIT) <= RECOVERIES  # one death more would be the job's last
    deaths = github.deaths = Deaths(*WRITES, after=after)
    repository = github.add_repository("acme/shop", roles={"dana": "write"})
    issue = github.open_issue(repository, "checkout fails since noon")
    logs = ListedLogs(failures())
    asked_while_down = github.say(repository, issue, "dana", "/audit status")
    github.target = "http://127.0.0.1:9/nobody-listens"
    assert github.send(asked_while_down) == 502
    with service(github, str(tmp_path / "audit.db"), logs) as running:
        eventually(lambda: any("No audit of this issue" in c.body for c in github.ours(repository, issue)))
        github.send(github.label(repository, issue, "dana", "infra-audit"))
        eventually(lambda: (github.bot, "rocket") in issue.reactions)
        first = {label for label in issue.labels if label.startswith("priority:")}
        logs.entries.clear()
        assert answered(github, repository, issue, "/audit") == "rocket"
        logs.entries.extend(failures())
        assert answered(github, repository, issue, "/audit") == "rocket"
        assert answered(github, repository, issue, "/audit sinc=1h") == "confused"
        github.send(github.propose(repository, {".github/infra-audit.yml": "version: 2\n"}))
        eventually(lambda: repository.checks)
        audits = running.archive.audits_of(repository.id, issue.number)
        eventually(lambda: all(running.jobs.status(a.job) is JobState.DONE for a in audits))
    ours = github.ours(repository, issue)
    assert sorted(deaths.died) == sorted(WRITES)
    assert len(audits) == 3
    assert len([c for c in ours if c.body.startswith("<!-- infra-audit report")]) == 1
    assert [c.minimized for c in ours if c.body.startswith("<!-- infra-audit changed")] == [True, False]
    assert len([c for c in ours if c.body.startswith("<!-- infra-audit reply")]) == 2
    assert first == {label for label in issue.labels if label.startswith("priority:")}


@pytest.mark.one_life("it dies as told here")
def test_whoever_asked_for_what_ends_every_process_is_told(github: FakeGitHub, tmp_path: Path) -> None:
    deaths = github.deaths = Deaths(*["comment"] * (RECOVERIES + 1))
    repository = github.add_repository("acme/shop", roles={"dana": "write"})
    issue = github.open_issue(repository, "checkout fails since noon")
    with service(github, str(tmp_path / "audit.db")) as running:
        asked = github.comment(repository, issue, "dana", "/audit")
        github.send(github.comment_delivery(repository, issue, asked))
        eventually(lambda: not deaths.left and deaths.alive.is_set())

        def told_at_a_tick() -> bool:
            """The sweep of the last start may have looked before the engine gave the job up."""
            running.jobs.enqueue("sweep", "", id=f"tick {int(time.monotonic())}")
            return (github.bot, "confused") in asked.reactions

        eventually(told_at_a_tick)
        assert answered(github, repository, issue, "/audit status") == "rocket"
        assert running.archive.audits_of(repository.id, issue.number) == ()
    assert ["fault of ours" in c.body for c in github.ours(repository, issue)] == [True, False]

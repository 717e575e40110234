"""The whole life of one incident, as its issue tells it: it fails, a fix is merged, deployed, watched, over, and it comes back.

The service judges by real logs, real commits and the traffic that its platform tells of. Between two chapters only the entries
change, told so that each chapter ends now.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.evidence.model import LiveRead, LiveRevision, Place, Request, RevisionName, ServiceName
from app.investigate import Sources
from app.jobs import JobState
from app.main import Parts, Running
from app.respond import LOOK, Look
from app.service import AuditedRepository
from tests.fakes import github as fake
from tests.fakes.github import FakeGitHub, FakeIssue, FakeRepository
from tests.fakes.service import ListedLogs, eventually, parts_of, service
from tests.repository import Repository
from tests.scenarios.test_follow_up import incident, say

CONFIG = """\
version: 1
environments: {production: {critical: true, services: [checkout]}}
services: {checkout: {source_roots: [/app]}}
follow_up: {recheck: 6h}
"""
BROKEN = "def total(order):\n    prices = [line.price for line in order.lines]\n    return sum(prices) / order.count\n"
MENDED = BROKEN.replace("/ order.count", "/ max(order.count, 1)")


@dataclass
class Chapter:
    """A revision that serves for some minutes, and whether each of them sees a failure."""

    revision: str
    commit: str
    minutes: int
    fails: bool


@dataclass
class Platform:
    """What runs, and the entries that it wrote, up to now."""

    logs: ListedLogs
    chapters: list[Chapter] = field(default_factory=list)
    began: list[datetime] = field(default_factory=list)

    def tell(self, *chapters: Chapter) -> None:
        self.chapters = list(chapters)
        at = datetime.now(UTC) - timedelta(minutes=sum(c.minutes for c in chapters))
        self.logs.entries.clear()
        self.began = []
        for chapter in chapters:
            self.began.append(at)
            for _ in range(chapter.minutes):
                self.logs.entries.extend(_minute(chapter, at))
                at += timedelta(minutes=1)

    async def revisions(self, places: Sequence[Place]) -> LiveRead:
        return LiveRead(
            tuple(
                LiveRevision(
                    RevisionName(chapter.revision),
                    ServiceName("checkout"),
                    (),
                    began,
                    True,
                    None,
                    100 if chapter is self.chapters[-1] else 0,
                )
                for chapter, began in zip(self.chapters, self.began, strict=True)
            )
        )


def _minute(chapter: Chapter, at: datetime) -> Iterator[dict[str, Any]]:
    labels = {
        "service_name": "checkout",
        "revision_name": chapter.revision,
        "project_id": "acme-prod",
        "location": "europe-west1",
    }
    for second in range(0, 60, 10):
        moment = at + timedelta(seconds=second)
        failing = chapter.fails and second == 30
        common = {
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "resource": {"type": "cloud_run_revision", "labels": labels},
            "labels": {"commit-sha": chapter.commit, "instanceId": f"{chapter.revision}-1"},
        }
        yield {
            **common,
            "insertId": f"r{moment.timestamp()}",
            "severity": "ERROR" if failing else "INFO",
            "logName": "projects/acme-prod/logs/run.googleapis.com%2Frequests",
            "httpRequest": {
                "requestMethod": "POST",
                "requestUrl": "https://shop.example.com/checkout",
                "status": 500 if failing else 200,
            },
        }
        if failing:
            yield {
                **common,
                "insertId": f"e{moment.timestamp()}",
                "severity": "ERROR",
                "logName": "projects/acme-prod/logs/run.googleapis.com%2Fstderr",
                "textPayload": "Traceback (most recent call last):\n"
                '  File "/app/shop/checkout.py", line 3, in total\n'
                "    return sum(prices) / order.count\n"
                "ZeroDivisionError: division by zero",
            }


@pytest.fixture
def code(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "code")
    made.commit("Checkout: the total of an order", {"shop/checkout.py": BROKEN, ".github/infra-audit.yml": CONFIG})
    return made


@pytest.fixture
def repository(github: FakeGitHub, code: Repository) -> FakeRepository:
    return github.add_repository("acme/shop", git=code.path, roles={"dana": "write"})


@pytest.fixture
def issue(github: FakeGitHub, repository: FakeRepository) -> FakeIssue:
    return github.open_issue(repository, "checkout answers 500")


@pytest.fixture
def platform() -> Platform:
    return Platform(ListedLogs([]))


@pytest.fixture
def running(github: FakeGitHub, tmp_path: Path, platform: Platform) -> Iterator[Running]:
    def sources(repository: AuditedRepository, request: Request, projects: tuple[str, ...]) -> Sources:
        return Sources(logs=platform.logs, deployments=platform)

    parts: Parts = replace(parts_of(platform.logs), sources=sources)
    with service(github, str(tmp_path / "audit.db"), parts=parts) as made:
        yield made


def test_from_the_first_failure_to_its_return(
    github: FakeGitHub,
    repository: FakeRepository,
    issue: FakeIssue,
    running: Running,
    platform: Platform,
    code: Repository,
) -> None:
    def newest_status(count: int) -> str:
        """Of the newest audit, when there are `count` and what follows from it was written."""

        def done() -> bool:
            audits = running.archive.audits_of(repository.id, issue.number)
            states = {c.status for c in incident(running, repository, issue).courses}
            return len(audits) == count and audits[0].status is not None and states == {audits[0].status}

        eventually(done)
        job = running.archive.audits_of(repository.id, issue.number)[0].job
        eventually(lambda: running.jobs.status(job) in (JobState.DONE, None))
        return str(running.archive.audits_of(repository.id, issue.number)[0].status)

    def of_kind(kind: str) -> list[fake.FakeComment]:
        return [c for c in github.ours(repository, issue) if c.body.startswith(f"<!-- infra-audit {kind}")]

    def look_again(name: str) -> None:
        page = running.archive.audits_of(repository.id, issue.number)[0].page
        look = Look(github.installation, repository.id, "acme/shop", issue.number, 0, 0, page)
        running.jobs.enqueue("look", LOOK.dump_json(look).decode(), id=name)
        eventually(lambda: running.jobs.status(name) is JobState.DONE)

    broken = str(code.tip)
    failing = Chapter("checkout-00001-aaa", broken, 60, fails=True)
    platform.tell(failing)
    assert say(github, repository, issue, "/audit") == "rocket"
    first = newest_status(1)
    assert first not in ("RESOLVED", "RECOVERING", "NO MATCHING FAILURES")

    fix = str(code.commit("Checkout: an empty order has a total", {"shop/checkout.py": MENDED}, body="Fixes #1"))
    issue.linked_commits.append(fix)
    look_again("the fix is merged")
    assert newest_status(2) == "FIX MERGED, NOT DEPLOYED"

    mended = Chapter("checkout-00002-bbb", fix, 3, fails=False)
    platform.tell(failing, mended)
    github.send(github.deployment(repository, "production", fix))
    assert newest_status(3) == "RECOVERING"

    platform.tell(failing, replace(mended, minutes=4))
    look_again("a minute later")
    assert newest_status(4) == "RECOVERING"

    platform.tell(failing, replace(mended, minutes=120))
    look_again("two hours later")
    assert newest_status(5) == "RESOLVED"

    github.send(github.issue_event(repository, issue, "dana", "closed"))
    eventually(lambda: incident(running, repository, issue).closed)
    later = str(code.commit("Checkout: totals are rounded", {"shop/round.py": "def rounded(x): return x\n"}))
    again = Chapter("checkout-00003-ccc", later, 20, fails=True)
    platform.tell(failing, replace(mended, minutes=120), again)
    github.send(github.issue_event(repository, issue, "dana", "reopened"))
    assert newest_status(6) == "FIX INEFFECTIVE"

    (report,) = of_kind("report")
    assert "regressed" in report.body
    assert "5 earlier audits" in report.body
    for status in ("FIX MERGED, NOT DEPLOYED", "RECOVERING", "RESOLVED"):
        assert status in report.body.rpartition("<details>")[2]
    told = of_kind("changed")
    assert [c.minimized for c in told] == [True] * (len(told) - 1) + [False]
    assert len(told) == 4, [c.body for c in told]
    assert "from **RESOLVED** to **FIX INEFFECTIVE**" in told[-1].body
    assert len(github.ours(repository, issue)) == 1 + len(told)

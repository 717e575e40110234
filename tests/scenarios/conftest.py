"""Every scenario is told three times: as it is, and with a service that dies at its writes, before or after they are done.

Each delivery is sent twice, and every request and answer is held against GitHub's own description of them.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.main import Running
from tests.fakes import github as fake
from tests.fakes.deaths import Deaths
from tests.fakes.github import FakeGitHub, FakeIssue, FakeRepository
from tests.fakes.openapi.contract import contract
from tests.fakes.service import ListedLogs, failures, service

BEFORE = ("eyes", "comment", "edit", "label", "check", "redelivery")
AFTER = ("comment", "edit", "new label", "rocket", "confused", "fold")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "one_life(why): a scenario whose service does not die")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "deaths" in metafunc.fixturenames:
        modes = ["lives"]
        if metafunc.definition.get_closest_marker("one_life") is None:
            modes += ["dies before writing", "dies after writing"]
        metafunc.parametrize("deaths", modes, indirect=True)


@pytest.fixture
def deaths(request: pytest.FixtureRequest) -> Deaths | None:
    match request.param:
        case "dies before writing":
            return Deaths(*BEFORE)
        case "dies after writing":
            return Deaths(*AFTER, after=True)
        case _:
            return None


@pytest.fixture
def github(deaths: Deaths | None) -> Iterator[FakeGitHub]:
    with fake.running(FakeGitHub()) as state:
        state.contract = contract()
        state.repeats = 2
        state.deaths = deaths
        yield state
        assert state.violations == []


@pytest.fixture
def issue(github: FakeGitHub, repository: FakeRepository) -> FakeIssue:
    return github.open_issue(repository, "checkout fails")


@pytest.fixture
def logs() -> ListedLogs:
    return ListedLogs(failures())


@pytest.fixture
def running(github: FakeGitHub, tmp_path: Path, logs: ListedLogs) -> Iterator[Running]:
    with service(github, str(tmp_path / "audit.db"), logs) as made:
        yield made

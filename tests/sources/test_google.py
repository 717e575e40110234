"""What an audit may see: the operator's binding, narrowed by the repository's file and never widened."""

from collections.abc import Iterator

import httpx
import pytest

from app.errors import Denied, SourceRefused
from app.evidence.model import LogQuestion, ProbeKind, ProbeState, ProbeTarget, Window
from app.policy.operator import Binding, Operator
from app.redact import cut
from app.sources.google import GoogleSources, Tenant, grant_of
from app.sources.google_auth import find_access, project_of
from tests.fakes.google import FakeLogging, client_of, serve_logging
from tests.fakes.google_rest import FakeGoogle, serve_google
from tests.sources.test_cloud_logging import START, WINDOW, entry

AUDITOR = "auditor@shop-prod.iam.gserviceaccount.com"
VIEW = "projects/shop-prod/locations/global/buckets/b/views/v"


def binding(**fields: object) -> Binding:
    return Binding.model_validate({"installation": 1, "projects": ["shop-prod", "shop-data"], **fields})


def test_a_repository_without_a_binding_sees_nothing() -> None:
    with pytest.raises(Denied, match="bound to no Google Cloud project"):
        grant_of(None, ("shop-prod",))


def test_the_file_of_a_repository_narrows_and_never_widens() -> None:
    assert grant_of(binding(), ()).resources == ("projects/shop-data", "projects/shop-prod")
    assert grant_of(binding(), ("shop-prod",)).resources == ("projects/shop-prod",)
    assert grant_of(binding(), ("shop-prod", "stranger")).projects == frozenset({"shop-prod"})
    with pytest.raises(Denied, match="not among those that the operator granted"):
        grant_of(binding(), ("stranger",))


def test_logs_are_read_through_the_views_alone_where_the_operator_names_any() -> None:
    assert grant_of(binding(log_views=[VIEW]), ()).resources == (VIEW,)
    with pytest.raises(Denied, match="no log view is granted"):
        grant_of(binding(log_views=[VIEW]), ("shop-data",))


@pytest.fixture
def logging() -> FakeLogging:
    return FakeLogging(
        projects={"shop-prod", "shop-data"}, entries=[entry(1, project="shop-prod"), entry(2, project="x")]
    )


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with serve_google(FakeGoogle()) as fake:
        yield fake
    assert fake.violations == []


async def test_each_account_has_its_own_clients_and_each_project_one_quota(
    logging: FakeLogging, google: FakeGoogle
) -> None:
    operator = Operator(
        (
            binding(repository=7, service_account=AUDITOR),
            binding(repository=8, service_account=AUDITOR.replace("auditor", "second")),
            binding(repository=9),
        )
    )
    asked: list[str | None] = []
    with serve_logging(logging) as address:

        def connect(account: str | None) -> Tenant:
            asked.append(account)
            return Tenant(httpx.AsyncClient(), client_of(address), account and project_of(account), account)

        sources = GoogleSources(operator, connect=connect, address=google.address)
        with pytest.raises(Denied):
            sources.open(2, 7, ())
        for repository in (7, 7, 8, 9):
            read = []
            done = await sources.open(1, repository, ("shop-prod",)).logs.read(LogQuestion(WINDOW), read.append)
            assert [e.insert_id for e in read] == ["i000001"]
            assert done.gaps == ()
        assert asked == [AUDITOR, AUDITOR.replace("auditor", "second"), None]
        assert {call.resource_names for call in logging.calls} == {("projects/shop-prod",)}
        rows = await sources.examine(1, 7, START)
        assert "14 of 50 reads" in next(row.state for row in rows if row.what == "read quota"), (
            "two accounts, one project"
        )
        await sources.close()


async def test_what_was_closed_is_opened_anew_when_it_is_asked_for(logging: FakeLogging, google: FakeGoogle) -> None:
    feed = "https://status.cloud.google.com/incidents.json"
    target = ProbeTarget(ProbeKind.PUBLIC_STATUS, cut(feed), cut("curl"))
    with serve_logging(logging) as address:

        def connect(account: str | None) -> Tenant:
            return Tenant(httpx.AsyncClient(), client_of(address), None, account)

        sources = GoogleSources(Operator((binding(),)), connect=connect, address=google.address)
        for _ in range(2):
            probes = sources.open(1, 7, ()).probes
            assert probes is not None
            (told,) = await probes.run([target], WINDOW)
            assert told.state is ProbeState.HEALTHY
            await sources.close()


async def test_without_credentials_the_log_source_refuses_for_the_report_to_say(google: FakeGoogle) -> None:
    def connect(account: str | None) -> Tenant:
        raise SourceRefused("Google Cloud", "none here", meaning="nothing", remedy="log in")

    sources = GoogleSources(Operator((binding(),)), connect=connect, address=google.address).open(1, 7, ())
    with pytest.raises(SourceRefused, match="none here"):
        await sources.logs.read(LogQuestion(Window(WINDOW.start, WINDOW.end)), lambda _entry: None)
    assert sources.probes is None


def test_no_credentials_on_this_machine_say_how_to_get_some(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")
    with pytest.raises(SourceRefused) as refused:
        find_access()
    assert "gcloud auth application-default login" in str(refused.value.remedy)

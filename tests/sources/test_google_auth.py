"""Tokens over real HTTP: fetched once, fetched anew when they end, and their troubles told apart."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from google.auth import exceptions

from app.errors import SourceRefused, Unavailable
from app.sources.google_auth import GoogleAuth, project_of
from app.sources.rest import NotRead, Refusal, Rest
from tests.fakes.google_rest import FakeGoogle, serve_google


class Credentials:
    """As google-auth's: `refresh` blocks and sets a token, or raises."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.token: str | None = None
        self.valid = False
        self.refreshed = 0
        self.trouble = trouble
        self.quota_project_id: str | None = None

    def refresh(self, _request: Any) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.refreshed += 1
        self.token, self.valid = f"token-{self.refreshed}", True


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    fake = FakeGoogle()
    fake.put("redis.googleapis.com/v1/projects/p/locations/l/instances/i", {"state": "READY"})
    with serve_google(fake):
        yield fake


async def ask(google: FakeGoogle, auth: GoogleAuth, times: int = 1) -> None:
    async with httpx.AsyncClient(auth=auth) as http:
        rest = Rest(http, address=google.address, deadline=timedelta(seconds=2))
        await asyncio.gather(
            *(rest.get("redis.googleapis.com", "/v1/projects/p/locations/l/instances/i", "state") for _ in range(times))
        )


async def test_many_requests_share_one_token(google: FakeGoogle) -> None:
    credentials = Credentials()
    await ask(google, GoogleAuth(credentials), times=5)
    assert credentials.refreshed == 1
    assert {call.authorization for call in google.calls} == {"Bearer token-1"}
    credentials.valid = False
    await ask(google, GoogleAuth(credentials))
    assert google.calls[-1].authorization == "Bearer token-2"


async def test_calls_are_charged_to_the_quota_project_that_the_credentials_name(google: FakeGoogle) -> None:
    credentials = Credentials()
    await ask(google, GoogleAuth(credentials))
    credentials.quota_project_id = "acme-ops"
    await ask(google, GoogleAuth(credentials))
    assert [call.quota_project for call in google.calls] == [None, "acme-ops"]


async def test_a_token_that_is_no_longer_taken_is_fetched_anew_once(google: FakeGoogle) -> None:
    credentials = Credentials()
    google.troubles["redis.googleapis.com"] = 401
    with pytest.raises(NotRead) as refused:
        await ask(google, GoogleAuth(credentials))
    assert refused.value.refusal is Refusal.CREDENTIALS
    assert [call.authorization for call in google.calls] == ["Bearer token-1", "Bearer token-2"]


async def test_no_token_is_refused_and_an_unreachable_giver_is_out(google: FakeGoogle) -> None:
    with pytest.raises(SourceRefused) as refused:
        await GoogleAuth(Credentials(exceptions.RefreshError("denied: secret detail"))).check()
    assert "roles/iam.serviceAccountTokenCreator" in str(refused.value.remedy)
    assert "secret detail" not in str(refused.value)
    with pytest.raises(Unavailable):
        await GoogleAuth(Credentials(exceptions.TransportError("no route"))).check()
    with pytest.raises(NotRead) as unread:
        await ask(google, GoogleAuth(Credentials(exceptions.RefreshError("denied"))))
    assert unread.value.refusal is Refusal.CREDENTIALS
    assert google.calls == [], "nothing is asked without a token"


def test_the_address_of_an_account_tells_whose_quota_it_spends() -> None:
    assert project_of("auditor@shop-prod.iam.gserviceaccount.com") == "shop-prod"
    assert project_of("somebody@example.com") is None

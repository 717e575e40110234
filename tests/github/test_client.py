"""The way to GitHub: tokens, pacing, limits, and what each answer means. Time is a number that the tests move."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.errors import Unavailable
from app.github.client import GitHub, Refused, web_address
from app.github.deliveries import redeliver_failed
from tests.fakes.github import FakeGitHub

KEY = FakeGitHub().private_key
TOKEN = {"token": "ghs_x", "expires_at": "2099-01-01T00:00:00Z", "permissions": {}}


class Wire:
    """Answers requests with `answer`, notes them, and counts time only when somebody sleeps."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        self.answer = answer
        self.seen: list[tuple[float, str, str]] = []
        self.now = 1000.0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen.append((self.now, request.method, request.url.path))
        if request.url.path.endswith("/access_tokens"):
            return httpx.Response(201, json=TOKEN)
        return self.answer(request)

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def github(self, base_url: str = "https://api.github.com") -> GitHub:
        transport = httpx.MockTransport(self)
        return GitHub(7, KEY, base_url=base_url, transport=transport, clock=lambda: self.now, sleep=self.sleep)

    def times(self, method: str) -> list[float]:
        return [at for at, verb, path in self.seen if verb == method and not path.endswith("/access_tokens")]


def ok(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={})


def answers(*responses: httpx.Response) -> Callable[[httpx.Request], httpx.Response]:
    waiting = list(responses)
    return lambda _request: waiting.pop(0) if len(waiting) > 1 else waiting[0]


async def test_writes_of_an_installation_keep_a_second_apart_and_reads_do_not_wait() -> None:
    wire = Wire(ok)
    github = wire.github()
    one, other = github.installation(1), github.installation(2)
    await asyncio.gather(*(one.write("POST", "/x", {}) for _ in range(3)), one.get("/y"), other.write("POST", "/x"))
    assert sorted(wire.times("POST")) == [1000.0, 1000.0, 1001.0, 1002.0]
    assert wire.times("GET")[0] <= 1002.0


async def test_a_cold_token_is_fetched_once() -> None:
    wire = Wire(ok)
    session = wire.github().installation(1)
    await asyncio.gather(*(session.get("/x") for _ in range(20)))
    assert len([path for _, _, path in wire.seen if path.endswith("/access_tokens")]) == 1
    assert session.calls == 20


async def test_what_has_not_changed_is_not_sent_again() -> None:
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("if-none-match"))
        if asked[-1] == '"one"':
            return httpx.Response(304)
        return httpx.Response(200, json={"page": request.url.params.get("page")}, headers={"etag": '"one"'})

    github = Wire(answer).github()
    session = github.installation(1)
    assert [await session.get("/x", page=1) for _ in range(2)] == [{"page": "1"}] * 2
    assert await session.get("/x", page=2) == {"page": "2"}
    assert await github.installation(2).get("/x", page=1) == {"page": "1"}
    assert asked == [None, '"one"', None, None]


async def test_a_broken_gateway_is_asked_again_for_reads_only() -> None:
    wire = Wire(answers(httpx.Response(502), httpx.Response(502), httpx.Response(200, json={"a": 1})))
    assert await wire.github().installation(1).get("/x") == {"a": 1}
    wire = Wire(answers(httpx.Response(502)))
    with pytest.raises(Unavailable):
        await wire.github().installation(1).write("POST", "/x", {})
    assert len(wire.times("POST")) == 1


@pytest.mark.parametrize(
    ("response", "wait"),
    [
        (httpx.Response(403, headers={"retry-after": "30"}, json={"message": "secondary rate limit"}), 30),
        (httpx.Response(429, headers={"retry-after": "90"}, json={}), 90),
        (httpx.Response(429, json={}), 60),
    ],
)
async def test_a_limit_is_waited_for_and_nobody_else_knocks(response: httpx.Response, wait: int) -> None:
    wire = Wire(answers(response))
    github = wire.github()
    with pytest.raises(Unavailable) as trouble:
        await github.installation(1).get("/x")
    assert trouble.value.retry_after == timedelta(seconds=wait)
    with pytest.raises(Unavailable):
        await github.installation(1).get("/y")
    assert len(wire.times("GET")) == 1


async def test_a_limit_that_only_its_words_tell_of_is_a_limit() -> None:
    said = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}
    wire = Wire(answers(httpx.Response(403, json=said)))
    session = wire.github().installation(1)
    for _ in range(2):
        with pytest.raises(Unavailable) as trouble:
            await session.write("POST", "/x", {})
        assert trouble.value.retry_after == timedelta(seconds=60)
    assert len(wire.times("POST")) == 1


async def test_the_hour_that_is_used_up_is_waited_for() -> None:
    reset = int((datetime.now(UTC) + timedelta(minutes=20)).timestamp())
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(reset)}
    wire = Wire(answers(httpx.Response(403, headers=headers, json={"message": "API rate limit exceeded"})))
    github = wire.github()
    with pytest.raises(Unavailable) as trouble:
        await github.installation(1).get("/x")
    assert trouble.value.retry_after is not None
    assert timedelta(minutes=19) < trouble.value.retry_after <= timedelta(minutes=20)
    wire.answer = ok
    await github.installation(2).get("/x")
    with pytest.raises(Unavailable):
        await github.installation(1).get("/y")
    await wire.sleep(1201)
    await github.installation(1).get("/y")


@pytest.mark.parametrize("headers", [{}, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9999999999"}])
async def test_a_limit_of_graphql_comes_with_status_200(headers: dict[str, str]) -> None:
    said = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}], "data": None}
    wire = Wire(answers(httpx.Response(200, headers=headers, json=said)))
    session = wire.github().installation(1)
    with pytest.raises(Unavailable) as trouble:
        await session.query("query { viewer { login } }")
    assert trouble.value.retry_after is not None
    assert (trouble.value.retry_after == timedelta(seconds=60)) == (headers == {})
    with pytest.raises(Unavailable):
        await session.get("/y")
    assert wire.times("GET") == []


@pytest.mark.parametrize("status", [403, 404, 410, 422])
async def test_a_refusal_is_a_refusal(status: int) -> None:
    wire = Wire(answers(httpx.Response(status, json={"message": "no"})))
    with pytest.raises(Refused) as refusal:
        await wire.github().installation(1).get("/x")
    assert (refusal.value.status, refusal.value.message) == (status, "no")


async def test_a_network_that_is_out_is_unavailable() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(Unavailable, match="ConnectError"):
        await Wire(broken).github().installation(1).get("/x")


async def test_an_audit_ends_at_its_own_limit() -> None:
    session = Wire(ok).github().installation(1)
    session.limit = 1
    await session.get("/x")
    with pytest.raises(Refused, match="limit of calls"):
        await session.get("/x")


@pytest.mark.parametrize(
    ("base", "rest", "graphql", "web"),
    [
        ("https://api.github.com", "/x", "/graphql", "https://github.com"),
        ("https://ghes.example.com/api/v3", "/api/v3/x", "/api/graphql", "https://ghes.example.com"),
    ],
)
async def test_addresses_of_the_cloud_and_of_an_own_server(base: str, rest: str, graphql: str, web: str) -> None:
    wire = Wire(lambda _request: httpx.Response(200, json={"data": {}}))
    session = wire.github(base).installation(1)
    await session.get("/x")
    await session.query("query { viewer { login } }")
    assert [path for _, _, path in wire.seen if not path.endswith("/access_tokens")] == [rest, graphql]
    assert web_address(base) == web


async def test_an_error_of_graphql_is_a_refusal_although_its_status_is_200() -> None:
    wire = Wire(lambda _request: httpx.Response(200, json={"errors": [{"message": "no"}]}))
    with pytest.raises(Refused, match="no"):
        await wire.github().installation(1).query("query { viewer { login } }")


async def test_missing_deliveries_are_asked_for_but_not_without_end() -> None:
    now = datetime(2026, 1, 4, tzinfo=UTC)

    def entry(number: int, guid: str, status: int, event: str = "issues", days: float = 0) -> dict[str, Any]:
        at = (now - timedelta(days=days)).isoformat()
        return {"id": number, "guid": guid, "status_code": status, "event": event, "delivered_at": at}

    listed = [
        entry(1, "missing", 502),
        entry(2, "arrived later", 502),
        entry(3, "arrived later", 202),
        entry(4, "not ours", 502, event="star"),
        entry(5, "known", 502),
        *(entry(10 + n, "hopeless", 500) for n in range(5)),
        entry(20, "too old", 502, days=3.5),
    ]
    wire = Wire(lambda request: httpx.Response(200 if request.method == "GET" else 202, json=listed))
    asked = await redeliver_failed(wire.github().app(), lambda _guids: frozenset({"known"}), now)
    assert asked == 1
    assert [path for _, verb, path in wire.seen if verb == "POST"] == ["/app/hook/deliveries/1/attempts"]

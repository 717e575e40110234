"""One way to GitHub: App and installation tokens, timeouts, rate limits, pacing of writes, and what each error means.

Owns the HTTP connection and the count of calls. Leaves which calls are made to `repository.py` and `publish.py`. The SDK signs
and caches tokens; its own retries (which repeat writes), its unbounded cache and its connection per call are switched off.
"""

import asyncio
import functools
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import orjson
from githubkit import AppAuthStrategy, AppInstallationAuthStrategy
from githubkit import GitHub as Sdk
from githubkit.cache import MemCacheStrategy
from githubkit.exception import GitHubException, RateLimitExceeded, RequestError, RequestFailed

from app.errors import Unavailable
from app.redact import cut, start_of

TIMEOUT = httpx.Timeout(20, connect=5)
PACE = timedelta(seconds=1)
"""Between two writes of one installation, as GitHub asks."""
TOKEN_LIFE = timedelta(minutes=50)
READS = 3
"""Attempts for a read that met a broken gateway; writes are never repeated here."""
UNTOLD = timedelta(seconds=60)
"""How long a limit holds when the answer does not say, as GitHub asks."""
REMEMBERED = 500
"""Answers kept for asking again with their tag: what has not changed since costs nothing of the hour's limit."""
LARGEST_REMEMBERED = 64 * 1024
"""Bytes; together with the number above the bound of what they take."""


class Refused(Exception):
    """GitHub answered no: 404 hidden or gone, 403 not permitted, 410 gone, 422 not acceptable.

    Its words and the path are shown to people, so their secrets are cut here.
    """

    GONE = (404, 410, 451)

    def __init__(self, status: int, message: str, path: str) -> None:
        super().__init__(cut(f"{status} {message} ({path})"))
        self.status = status
        self.message = cut(message)


class _Shared(httpx.AsyncBaseTransport):
    """Keeps the pool open when the SDK closes the client that it makes for every call."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self.transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self.transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Left to `GitHub.close`."""


class _Gate:
    """What the calls of one installation share: a cold token is fetched once, writes keep their distance."""

    def __init__(self) -> None:
        self.token_lock = asyncio.Lock()
        self.token_until = 0.0
        self.write_lock = asyncio.Lock()
        self.next_write = 0.0
        self.closed_until = 0.0


class GitHub:
    """Opened once per process, on the loop of the jobs."""

    def __init__(
        self,
        app_id: int,
        private_key: str,
        *,
        base_url: str = "https://api.github.com",
        pace: timedelta = PACE,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`clock` counts seconds and `sleep` waits them; both are given by tests."""
        self.app_id = app_id
        self._private_key = private_key
        self.base_url = base_url
        self._pace = pace
        self._clock = clock
        self._sleep = sleep
        self._transport = _Shared(
            transport or httpx.AsyncHTTPTransport(_tls(), limits=httpx.Limits(max_connections=50), retries=1)
        )
        self._clients: dict[int | None, Sdk[Any]] = {}
        self._gates: dict[int | None, _Gate] = {}
        self._answers: OrderedDict[tuple[int | None, str], httpx.Response] = OrderedDict()

    async def close(self) -> None:
        await self._transport.transport.aclose()

    def installation(self, installation_id: int) -> "Session":
        """A session for one piece of work, with a count of its own."""
        return Session(self, installation_id)

    def app(self) -> "Session":
        """As the App itself: its deliveries and installations."""
        return Session(self, None)

    def _client(self, installation: int | None) -> Sdk[Any]:
        if installation not in self._clients:
            strategy = (
                AppAuthStrategy(self.app_id, self._private_key)
                if installation is None
                else AppInstallationAuthStrategy(self.app_id, self._private_key, installation)
            )
            self._clients[installation] = Sdk(
                strategy,
                base_url=self.base_url,
                user_agent="infra-audit",
                timeout=TIMEOUT,
                http_cache=False,
                auto_retry=False,
                cache_strategy=MemCacheStrategy(),
                async_transport=self._transport,
            )
        return self._clients[installation]

    async def call(
        self, installation: int | None, method: str, path: str, params: Mapping[str, Any] | None, body: Any
    ) -> httpx.Response:
        """One exchange. Raises `Refused` and `Unavailable`."""
        gate = self._gates.setdefault(installation, _Gate())
        if (wait := gate.closed_until - self._clock()) > 0:
            raise Unavailable("GitHub asked us to wait", retry_after=timedelta(seconds=wait))
        if method in ("GET", "QUERY"):
            for attempt in range(1, READS + 1):
                try:
                    return await self._warm(gate, installation, method, path, params, body)
                except Unavailable as trouble:
                    if attempt == READS or trouble.retry_after is not None:
                        raise
                    await self._sleep(0.2 * attempt)
        async with gate.write_lock:
            if (wait := gate.next_write - self._clock()) > 0:
                await self._sleep(wait)
            try:
                return await self._warm(gate, installation, method, path, params, body)
            finally:
                gate.next_write = self._clock() + self._pace.total_seconds()

    def limited(self, installation: int | None, answer: httpx.Response) -> Unavailable:
        """What a limit means that GraphQL tells of in an answer with status 200; its headers say when it ends."""
        reset = answer.headers.get("x-ratelimit-reset", "")
        left = float(reset) - time.time() if answer.headers.get("x-ratelimit-remaining") == "0" and reset else 0.0
        after = timedelta(seconds=left) if left > 0 else UNTOLD
        return _closed(self._gates.setdefault(installation, _Gate()), self._clock(), after)

    async def _warm(
        self, gate: _Gate, installation: int | None, method: str, path: str, params: Mapping[str, Any] | None, body: Any
    ) -> httpx.Response:
        if installation is None or self._clock() < gate.token_until:
            try:
                return await self._send(gate, installation, method, path, params, body)
            except Refused as refused:
                if refused.status != 401:
                    raise
                gate.token_until = 0.0  # revoked before its time: once more with a new one
                self._clients.pop(installation, None)
        async with gate.token_lock:
            response = await self._send(gate, installation, method, path, params, body)
            gate.token_until = self._clock() + TOKEN_LIFE.total_seconds()
            return response

    async def _send(
        self, gate: _Gate, installation: int | None, method: str, path: str, params: Mapping[str, Any] | None, body: Any
    ) -> httpx.Response:
        client = self._client(installation)
        content = orjson.dumps(body) if body is not None else None
        headers = {"Content-Type": "application/json"} if content is not None else {}
        key = (installation, str(httpx.URL(path, params=dict(params or {}))))
        known = self._answers.get(key) if method == "GET" else None
        if known is not None:
            headers["If-None-Match"] = known.headers["etag"]
        try:
            verb = "POST" if method == "QUERY" else method
            response = await client.arequest(  # pyright: ignore[reportUnknownMemberType]  # an unused parameter of the SDK
                verb, path, params=dict(params or {}), content=content, headers=headers
            )
            return self._remember(key, response.raw_response, known) if method == "GET" else response.raw_response
        except GitHubException as error:
            raise _meaning(error, gate, path, self._clock()) from error

    def _remember(
        self, key: tuple[int | None, str], answer: httpx.Response, known: httpx.Response | None
    ) -> httpx.Response:
        """The answer itself, or the earlier one when GitHub says that it still holds. The oldest are forgotten."""
        if known is not None and answer.status_code == 304:
            self._answers.move_to_end(key)
            return known
        self._answers.pop(key, None)
        if "etag" in answer.headers and len(answer.content) <= LARGEST_REMEMBERED:
            self._answers[key] = answer
            if len(self._answers) > REMEMBERED:
                self._answers.popitem(last=False)
        return answer


@functools.cache
def _tls() -> ssl.SSLContext:
    """Reading the authorities takes longer than a call."""
    return httpx.create_ssl_context()


def _meaning(error: GitHubException, gate: _Gate, path: str, now: float) -> Refused | Unavailable:
    """The SDK wraps what goes wrong while it fetches a token, so the innermost of its errors counts."""
    inner: Exception = error
    while isinstance(inner, RequestError) and not isinstance(inner, RequestFailed):
        inner = cast(Exception, inner.exc)  # pyright: ignore[reportUnknownMemberType]  # generic without its argument
    if isinstance(inner, RateLimitExceeded):
        return _closed(gate, now, max(inner.retry_after, timedelta(seconds=1)))
    if isinstance(inner, RequestFailed):
        status, said = inner.response.status_code, _message(inner.response.raw_response)
        if status == 429 or (status == 403 and "rate limit" in said.lower()):
            return _closed(gate, now, UNTOLD)
        if status >= 500:
            return Unavailable(f"GitHub answered {status}")
        return Refused(status, said, path)
    if isinstance(inner, httpx.HTTPError):
        return Unavailable(f"GitHub cannot be reached: {type(inner).__name__}")
    raise error


def _closed(gate: _Gate, now: float, after: timedelta) -> Unavailable:
    """Nobody of the installation knocks before the time is over."""
    gate.closed_until = max(gate.closed_until, now + after.total_seconds())
    return Unavailable("GitHub's rate limit is reached", retry_after=after)


def _message(response: httpx.Response) -> str:
    try:
        answer = orjson.loads(response.content)
    except orjson.JSONDecodeError:
        return response.reason_phrase
    return start_of(str(dig(answer, "message") or response.reason_phrase), 200)


def web_address(api: str) -> str:
    """The web side that belongs to the API's address: `https://github.com`, or the server that `/api/v3` lies on."""
    parts = urlsplit(api)
    return "https://github.com" if parts.hostname == "api.github.com" else f"{parts.scheme}://{parts.netloc}"


def dig(answer: Any, *names: str) -> Any:
    """What stands at `names` in a JSON answer; None when any part of the way is missing or null."""
    for name in names:
        answer = cast(Mapping[str, Any], answer).get(name) if isinstance(answer, dict) else None
    return answer


class Session:
    """The calls of one piece of work. `limit` ends it: an audit must not spend an installation's hour."""

    def __init__(self, github: GitHub, installation: int | None, limit: int | None = None) -> None:
        self.github = github
        self.installation = installation
        self.calls = 0
        self.limit = limit

    async def get(self, path: str, **params: Any) -> Any:
        """The answer as JSON values; None for one without content."""
        content = (await self._call("GET", path, params, None)).content
        return orjson.loads(content) if content else None

    async def pages(self, path: str, *, most: int = 10, **params: Any) -> list[Any]:
        """A list read page by page, a hundred at a time; at most `most` pages."""
        found: list[Any] = []
        for page in range(1, most + 1):
            part = await self.get(path, per_page=100, page=page, **params)
            found.extend(part)
            if len(part) < 100:
                break
        return found

    async def cursor_page(self, path: str, **params: Any) -> tuple[list[Any], dict[str, str]]:
        """One page of a list that is paged by cursor, and the parameters of the next one; empty: it was the last."""
        response = await self._call("GET", path, params, None)
        following = response.links.get("next", {}).get("url")
        cursor = httpx.URL(following).params.get("cursor") if following else None
        return orjson.loads(response.content), {"cursor": cursor} if cursor else {}

    async def write(self, method: str, path: str, body: Any = None) -> Any:
        """None for an answer without content."""
        response = await self._call(method, path, None, body)
        return orjson.loads(response.content) if response.content else None

    async def query(self, document: str, **variables: Any) -> Any:
        """A GraphQL read. Its errors come with status 200 and are `Refused` with 422."""
        return (await self._graphql("QUERY", document, variables))["data"]

    async def query_parts(self, document: str, **variables: Any) -> tuple[Any, frozenset[str]]:
        """A GraphQL read of many things of a repository, and the names of those that were answered with an error.

        `Refused` when nothing is told.
        """
        answer = await self._graphql("QUERY", document, variables, parts=True)
        paths = [error.get("path") or () for error in answer.get("errors") or ()]
        told: Mapping[str, Any] = answer["data"]["repository"]
        nameless = any(len(path) < 2 for path in paths)
        failed = [name for name, value in told.items() if nameless and value is None]
        return answer["data"], frozenset([*failed, *(str(path[1]) for path in paths if len(path) > 1)])

    async def mutate(self, document: str, **variables: Any) -> Any:
        """A GraphQL write."""
        return (await self._graphql("POST", document, variables))["data"]

    async def _graphql(self, method: str, document: str, variables: Mapping[str, Any], *, parts: bool = False) -> Any:
        body = {"query": document, "variables": variables}
        response = await self._call(method, _graphql_address(self.github), None, body)
        answer = orjson.loads(response.content)
        if any(error.get("type") == "RATE_LIMITED" for error in answer.get("errors") or ()):
            raise self.github.limited(self.installation, response)
        told = parts and dig(answer, "data", "repository") is not None
        if answer.get("errors") and not told:
            raise Refused(422, start_of(str(answer["errors"][0].get("message", "")), 200), "graphql")
        return answer

    async def _call(self, method: str, path: str, params: Mapping[str, Any] | None, body: Any) -> httpx.Response:
        if self.limit is not None and self.calls >= self.limit:
            raise Refused(429, "the audit's own limit of calls is spent", path)
        self.calls += 1
        return await self.github.call(self.installation, method, path, params, body)


def _graphql_address(github: GitHub) -> str:
    """`/graphql` beside the REST root; on GitHub Enterprise Server `/api/graphql` beside `/api/v3`."""
    base = httpx.URL(github.base_url)
    root = base.path.rstrip("/").removesuffix("/v3")
    return str(base.copy_with(path=f"{root}/graphql"))

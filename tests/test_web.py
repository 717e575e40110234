"""The web side alone: what is taken in, what is refused, and what a page tells others."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.archive import Archive, StoredDelivery
from app.errors import Unavailable
from app.github.webhooks import LARGEST_BODY
from app.web import Web, make_pages

NOW = datetime(2026, 1, 2, 12, tzinfo=UTC)
SECRETS = ("the-new-secret-0123", "the-old-secret-0123")
LABELED = {
    "action": "labeled",
    "installation": {"id": 9},
    "repository": {"id": 5, "full_name": "acme/shop", "private": True},
    "sender": {"login": "dana", "type": "User"},
    "issue": {"number": 3},
    "label": {"name": "infra-audit"},
}


class Shelf:
    def __init__(self) -> None:
        self.stored: list[StoredDelivery] = []
        self.broken: Exception | None = None
        self.works = True

    async def store(self, delivery: StoredDelivery) -> None:
        if self.broken is not None:
            raise self.broken
        self.stored.append(delivery)


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def web(shelf: Shelf, tmp_path: Path) -> Web:
    archive = Archive(f"sqlite:///{tmp_path}/audit.db")
    pages = make_pages(
        archive, lambda _report: "", lambda _report: b"", lambda _page: True, lambda: shelf.works, lambda: NOW
    )
    return Web(pages, SECRETS, shelf)


@pytest.fixture
async def client(web: Web) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(web, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://audit") as made:
        yield made


async def deliver(
    client: httpx.AsyncClient,
    body: bytes,
    *,
    event: str = "issues",
    secret: str = SECRETS[0],
    **headers: str,
) -> httpx.Response:
    signature = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    sent = {"X-GitHub-Event": event, "X-GitHub-Delivery": "guid-1", "X-Hub-Signature-256": signature, **headers}
    return await client.post("/webhooks/github", content=body, headers=sent)


def body(**values: Any) -> bytes:
    return json.dumps({**LABELED, **values}).encode()


@pytest.mark.parametrize("secret", SECRETS)
async def test_a_signed_delivery_is_stored_before_it_is_accepted(
    client: httpx.AsyncClient, shelf: Shelf, secret: str
) -> None:
    assert (await deliver(client, body(), secret=secret)).status_code == 202
    (stored,) = shelf.stored
    assert (stored.guid, stored.subject) == ("guid-1", "5#3")


@pytest.mark.parametrize(("trouble", "status"), [(Unavailable("the disk is full"), 503), (OSError("a bug"), 500)])
async def test_what_cannot_be_stored_is_not_accepted(
    client: httpx.AsyncClient, shelf: Shelf, trouble: Exception, status: int
) -> None:
    shelf.broken = trouble
    assert (await deliver(client, body())).status_code == status


@pytest.mark.parametrize(
    ("status", "content", "values"),
    [
        (401, body(), {"secret": "some-other-secret-01"}),
        (401, body(), {"X-Hub-Signature-256": "sha256=00"}),
        (400, b"{", {}),
        (400, body(label=None), {}),
        (400, body(), {"X-GitHub-Delivery": ""}),
        (400, body(), {"X-GitHub-Event": ""}),
        (413, body(), {"Content-Length": str(LARGEST_BODY + 1)}),
        (413, body(), {"Content-Length": "many"}),
        (202, b"{}", {"event": "star"}),
        (202, body(action="unlabeled"), {}),
    ],
)
async def test_everything_else_is_answered_and_stored_nowhere(
    client: httpx.AsyncClient, shelf: Shelf, status: int, content: bytes, values: dict[str, str]
) -> None:
    assert (await deliver(client, content, **values)).status_code == status
    assert shelf.stored == []


async def test_without_a_signature_nothing_is_read(client: httpx.AsyncClient) -> None:
    answer = await client.post("/webhooks/github", content=b"{", headers={"X-GitHub-Event": "issues"})
    assert answer.status_code == 401


async def test_a_body_that_grows_past_its_announcement_is_refused(web: Web) -> None:
    sent: list[Any] = []
    pieces = iter([b"x" * (1 << 20)] * 30)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(pieces), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/webhooks/github", "method": "POST", "headers": [(b"content-length", b"5")]}
    await asyncio.wait_for(web(scope, receive, send), 10)
    assert sent[0]["status"] == 413


@pytest.mark.parametrize("path", ["/audits/x", "/audits/x.json", "/audits/x.txt", "/audits/a-0123456789ab", "/docs"])
async def test_unknown_pages_tell_nothing(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_health_tells_what_waits_and_whether_anybody_works(
    client: httpx.AsyncClient, shelf: Shelf, tmp_path: Path
) -> None:
    archive = Archive(f"sqlite:///{tmp_path}/audit.db")
    archive.begin_audit("job", 5, 1, "", "{}", NOW - timedelta(seconds=90))
    with archive.engine.begin() as connection:
        statement = "INSERT INTO deliveries VALUES (?, '{}', '5', ?, ?, 1)"
        for guid, state in (("a", "received"), ("b", "queued"), ("c", "failed"), ("d", "done")):
            connection.exec_driver_sql(statement, (guid, int(NOW.timestamp() * 1000), state))
    answer = await client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "deliveries": 2, "audits": 1, "oldest_seconds": 90, "given_up": 1}
    shelf.works = False
    assert (await client.get("/health")).status_code == 503


async def test_without_its_store_it_is_not_ready_but_lives(tmp_path: Path) -> None:
    archive = Archive(f"sqlite:///{tmp_path}/audit.db")
    pages = make_pages(archive, lambda _: "", lambda _: b"", lambda _: True, lambda: True, lambda: NOW)
    archive.close()
    (tmp_path / "audit.db").rename(tmp_path / "elsewhere.db")
    (tmp_path / "audit.db").mkdir()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(pages), base_url="http://audit") as client:
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()["ready"]) == (503, False)
        assert (await client.get("/health/live")).text == "ok\n"


async def test_deliveries_are_posted(client: httpx.AsyncClient) -> None:
    assert (await client.get("/webhooks/github")).status_code == 405

"""Routes only: webhook in, report page out, health.

The webhook does not pass through the framework: it is one path, the only one that is called hundreds of times a second, and
verifying, storing and answering is all it does. Leaves the meaning of deliveries to `github/webhooks.py`, their answer to the
jobs, and pages to `report/render.py`.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

import orjson
from fastapi import FastAPI, Request, Response

from app.archive import Archive, StoredDelivery
from app.errors import Unavailable
from app.github.webhooks import EVENT, LARGEST_BODY, WEBHOOK_PATH, BadDelivery, read_event, verify
from app.report.model import Report

_log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PRIVATE = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
}
"""On every report page: its address is its key, so it must not leak by caches, referrers or search machines."""


class Store(Protocol):
    async def store(self, delivery: StoredDelivery) -> None:
        """Returns when the delivery cannot be lost any more."""
        ...


class Web:
    """The ASGI application: the webhook first, everything else by the framework."""

    def __init__(self, pages: FastAPI, secrets: Sequence[str], inbox: Store) -> None:
        self._pages = pages
        self._secrets = secrets
        self._inbox = inbox

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == WEBHOOK_PATH:
            status, words = await self._take(scope, receive)
            await send(
                {
                    "type": "http.response.start",
                    "status": status,
                    "headers": [(b"content-type", b"text/plain"), (b"content-length", str(len(words)).encode())],
                }
            )
            await send({"type": "http.response.body", "body": words})
        else:
            await self._pages(scope, receive, send)

    async def _take(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        if scope["method"] != "POST":
            return 405, b"deliveries are posted\n"
        headers: dict[bytes, bytes] = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return 413, b"the delivery is larger than GitHub sends\n"
        body = await _read_body(receive)
        if body is None:
            return 413, b"the delivery is larger than GitHub sends\n"
        signature = headers.get(b"x-hub-signature-256")
        if not verify(body, signature.decode("latin-1") if signature is not None else None, self._secrets):
            return 401, b"the signature does not fit\n"
        guid = headers.get(b"x-github-delivery", b"").decode("latin-1")
        name = headers.get(b"x-github-event", b"").decode("latin-1")
        if not guid or len(guid) > 100 or not name:
            return 400, b"the delivery has no id or no event\n"
        try:
            event = read_event(name, body)
        except BadDelivery as bad:
            return 400, f"{bad}\n".encode()
        if event is None:
            return 202, b"nothing to do\n"
        try:
            await self._inbox.store(StoredDelivery(guid, EVENT.dump_json(event).decode(), event.subject))
        except Unavailable as out:
            _log.error("delivery %s is not stored, and will be asked for again: %s", guid, out)
            return 503, b"the delivery cannot be stored now\n"
        return 202, b"accepted\n"


async def _read_body(receive: Receive) -> bytes | None:
    """None: more than GitHub sends, whatever the announced length said."""
    message = await receive()
    if not message.get("more_body"):
        body: bytes = message.get("body", b"")
        return body if len(body) <= LARGEST_BODY else None
    parts: list[bytes] = [message.get("body", b"")]
    size = len(parts[0])
    while message.get("more_body"):
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY:
            return None
    return b"".join(parts)


def make_pages(
    archive: Archive,
    html: Callable[[Report], str],
    to_json: Callable[[Report], bytes],
    may_show: Callable[[str], bool],
    works: Callable[[], bool],
    now: Callable[[], datetime],
) -> FastAPI:
    """Report pages and health. No interactive documentation: nothing here is for browsing.

    `may_show` is asked for each page, since who may read a repository can change; it raises `Unavailable`. `works` says
    whether everything behind the routes still runs.
    """
    pages = FastAPI(title="Infra Audit", docs_url=None, redoc_url=None, openapi_url=None)

    def show(request: Request) -> Response:
        name = str(request.path_params["page"])
        page, dot, kind = name.partition(".")
        report = archive.report(page) if not dot or kind == "json" else None
        if report is None:
            return Response("There is no such report.\n", 404, PRIVATE, "text/plain")
        try:
            if not may_show(page):
                words = (
                    "This report was made while the repository was private. A new audit makes one that can be shown.\n"
                )
                return Response(words, 410, PRIVATE, "text/plain")
        except Unavailable:
            return Response("Whether this may be shown cannot be asked now.\n", 503, PRIVATE, "text/plain")
        if kind == "json":
            return Response(to_json(report), 200, PRIVATE, "application/json")
        return Response(html(report), 200, PRIVATE, "text/html; charset=utf-8")

    def health() -> Response:
        """Ready: the store answers and what works behind the routes runs. Also what an operator wants to know of it."""
        try:
            backlog, working = archive.backlog(now()), works()
        except Unavailable as out:
            return Response(orjson.dumps({"ready": False, "why": str(out)}), 503, media_type="application/json")
        told = {"ready": working, **asdict(backlog)}
        return Response(orjson.dumps(told), 200 if working else 503, media_type="application/json")

    def live() -> Response:
        """The process answers: starting it anew would not help when only the store is out."""
        return Response("ok\n", 200, media_type="text/plain")

    pages.add_api_route("/audits/{page}", show, methods=["GET"])
    pages.add_api_route("/health", health, methods=["GET"])
    pages.add_api_route("/health/live", live, methods=["GET"])
    return pages

"""Registering the App from a browser, on this machine only and only while nothing is registered.

Owns the two pages between the operator and GitHub and their protection: the server listens on loopback, the state token is
fresh, compared in constant time and used once, and the whole thing ends with the first success.
"""

import asyncio
import html
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response

from app.errors import Unavailable, UserError
from app.github.manifest import check_free, exchange, registration_address, write_credentials
from app.replies import templates_directory

_PRIVATE = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def make_setup(
    manifest: Mapping[str, Any],
    *,
    api: str,
    organisation: str | None,
    public_url: str,
    directory: Path,
    finished: Callable[[Path], None],
) -> FastAPI:
    """The pages `/setup` and `/setup/done`. `finished` gets the settings file that was written."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    expected = [secrets.token_urlsafe(32)]

    def begin(request: Request) -> Response:
        if not _is_local(request):
            return Response("Set up from this machine.\n", 403, _PRIVATE)
        if not expected:
            return Response("The App is registered.\n", 410, _PRIVATE)
        page = (templates_directory() / "setup.html").read_text("utf-8")
        address = registration_address(api, organisation, expected[0])
        page = page.replace("{{ address }}", html.escape(address))
        return Response(
            page.replace("{{ manifest }}", html.escape(json.dumps(manifest))), 200, _PRIVATE, "text/html; charset=utf-8"
        )

    async def done(request: Request) -> Response:
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        if not _is_local(request) or not expected or not secrets.compare_digest(state.encode(), expected[0].encode()):
            return Response("This is not the answer to a registration that was begun here.\n", 403, _PRIVATE)
        try:
            check_free(directory)
        except UserError as error:
            return Response(f"{error}\n{error.fix}\n", 409, _PRIVATE, "text/plain; charset=utf-8")
        expected.clear()
        try:
            credentials = await exchange(api, code)
            path = write_credentials(credentials, directory, public_url=public_url, api=api)
        except (UserError, Unavailable) as error:
            expected.append(secrets.token_urlsafe(32))
            fix = f"\n{error.fix}" if isinstance(error, UserError) else ""
            return Response(f"{error}{fix}\n", 502, _PRIVATE, "text/plain; charset=utf-8")
        finished(path)
        words = (
            f"Registered as {credentials.slug}. The settings are in {path}.\n"
            f"Next: install the App on your repositories at {credentials.page}/installations/new,\n"
            "name their projects in the operator's file, and start `infra-audit serve`.\n"
        )
        return Response(words, 200, _PRIVATE, "text/plain; charset=utf-8")

    app.add_api_route("/setup", begin, methods=["GET"])
    app.add_api_route("/setup/done", done, methods=["GET"])
    return app


def _is_local(request: Request) -> bool:
    """By the peer's address and by the name it asked for, so that a page elsewhere cannot rebind its name to us."""
    peer = request.client.host if request.client is not None else ""
    return peer in ("127.0.0.1", "::1") and (request.url.hostname in ("127.0.0.1", "localhost", "::1"))


async def run_setup(
    manifest: Mapping[str, Any], *, api: str, organisation: str | None, public_url: str, directory: Path, port: int
) -> Path:
    """Serve the pages until the App is registered. Returns the settings file."""
    written: asyncio.Future[Path] = asyncio.get_running_loop().create_future()

    def finished(path: Path) -> None:
        if not written.done():
            written.set_result(path)

    app = make_setup(
        manifest,
        api=api,
        organisation=organisation,
        public_url=public_url,
        directory=directory,
        finished=finished,
    )
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning", access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    await asyncio.wait((serving, written), return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    if not written.done():
        raise UserError("the set-up was stopped before the App was registered", fix="Start it again.")
    return written.result()

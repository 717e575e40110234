"""Registering the App: `app.yml` to the manifest that GitHub takes, and GitHub's code to credentials.

Owns the shape of both and where the credentials are put. Leaves the browser's way between them to `app/setup.py`.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

import httpx
import yaml

from app.errors import BadInput, Unavailable, UserError
from app.github.client import web_address
from app.github.webhooks import WEBHOOK_PATH
from app.settings import PREFIX


@dataclass(frozen=True, slots=True)
class Credentials:
    """What GitHub hands out once. Secrets stay out of the representation."""

    app_id: int
    slug: str
    page: str
    private_key: str = field(repr=False)
    webhook_secret: str | None = field(repr=False)


def read_manifest(text: str, *, public_url: str, done_url: str, name: str | None = None) -> dict[str, Any]:
    """The manifest for `public_url`; `done_url` is where GitHub sends the browser back to. Raises `BadInput`."""
    try:
        manifest = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput("app.yml is not readable as YAML", fix="restore it from the repository") from error
    if not isinstance(manifest, dict) or "default_permissions" not in manifest:
        raise BadInput("app.yml is no App manifest", fix="restore it from the repository")
    address = public_url.rstrip("/")
    return {
        **cast(dict[str, Any], manifest),
        **({"name": name} if name else {}),
        "hook_attributes": {"url": f"{address}{WEBHOOK_PATH}", "active": True},
        "redirect_url": done_url,
    }


def registration_address(api: str, organisation: str | None, state: str) -> str:
    """Where the manifest is posted: the web side that belongs to the API's address."""
    path = f"/organizations/{quote(organisation, safe='')}/settings/apps/new" if organisation else "/settings/apps/new"
    return f"{web_address(api)}{path}?{urlencode({'state': state})}"


async def exchange(api: str, code: str) -> Credentials:
    """Trade the code for credentials; it works once, within an hour. Raises `UserError` and `Unavailable`."""
    try:
        async with httpx.AsyncClient(timeout=20) as client:
            answer = await client.post(
                f"{api}/app-manifests/{quote(code, safe='')}/conversions", headers={"Accept": "application/json"}
            )
    except httpx.HTTPError as error:
        raise Unavailable(f"GitHub cannot be reached: {type(error).__name__}") from error
    if answer.status_code != 201:
        raise UserError(
            f"GitHub does not take the code (status {answer.status_code})",
            fix="Begin again: a code works once and within an hour.",
        )
    made = answer.json()
    return Credentials(made["id"], made["slug"], made["html_url"], made["pem"], made.get("webhook_secret"))


KEY_FILE, SETTINGS_FILE = "infra-audit.pem", "infra-audit.env"


def check_free(directory: Path) -> None:
    """Before GitHub's code is traded, since it works once. Raises `UserError` when credentials lie there already."""
    for path in (directory / KEY_FILE, directory / SETTINGS_FILE):
        if path.exists():
            raise UserError(f"{path} exists already", fix="Move it away, and load this page again.")


def write_credentials(credentials: Credentials, directory: Path, *, public_url: str, api: str) -> Path:
    """Two files that only their owner can read; an existing one is never overwritten. Returns the settings file.

    Raises `UserError` when there is one already.
    """
    key = directory / KEY_FILE
    settings = directory / SETTINGS_FILE
    lines = {
        "APP_ID": str(credentials.app_id),
        "PRIVATE_KEY": str(key.absolute()),
        "WEBHOOK_SECRET": credentials.webhook_secret or "",
        "PUBLIC_URL": public_url.rstrip("/"),
        "GITHUB_API": api,
    }
    text = "".join(f"{PREFIX}{name}={value}\n" for name, value in lines.items())
    try:
        _write_private(key, credentials.private_key)
        _write_private(settings, text)
    except FileExistsError as error:
        raise UserError(
            f"{error.filename} exists already", fix="Move it away, or set up in another directory."
        ) from error
    return settings


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)

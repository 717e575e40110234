"""Registering the App: from the page to credentials on disk."""

import html
import json
import re
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from app.errors import BadInput
from app.github.manifest import read_manifest, registration_address
from app.settings import read_settings
from app.setup import make_setup
from tests.fakes import github as fake
from tests.fakes.github import FakeGitHub
from tests.fakes.openapi.contract import contract

MANIFEST = (Path(__file__).parents[1] / "app.yml").read_text("utf-8")
PUBLIC = "https://audit.example.com"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with fake.running(FakeGitHub()) as state:
        state.contract = contract()
        state.manifest_codes["good-code"] = {
            "id": 77,
            "slug": "acme-audit",
            "html_url": "https://github.com/apps/acme-audit",
            "pem": state.private_key,
            "webhook_secret": "w" * 40,
        }
        yield state
        assert state.violations == []


@pytest.fixture
def written() -> list[Path]:
    return []


@pytest.fixture
async def browser(github: FakeGitHub, tmp_path: Path, written: list[Path]) -> AsyncIterator[httpx.AsyncClient]:
    manifest = read_manifest(MANIFEST, public_url=PUBLIC, done_url="http://127.0.0.1:8080/setup/done")
    app = make_setup(
        manifest,
        api=github.address,
        organisation="acme",
        public_url=PUBLIC,
        directory=tmp_path,
        finished=written.append,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8080") as client:
        yield client


async def begun(browser: httpx.AsyncClient) -> tuple[str, dict[str, object]]:
    page = (await browser.get("/setup")).text
    state = re.search(r"state=([\w-]+)", page)
    manifest = re.search(r'name="manifest" value="([^"]+)"', page)
    assert state is not None
    assert manifest is not None
    return state[1], json.loads(html.unescape(manifest[1]))


async def test_from_the_page_to_settings_that_a_server_starts_with(
    browser: httpx.AsyncClient, tmp_path: Path, written: list[Path]
) -> None:
    state, manifest = await begun(browser)
    assert manifest["hook_attributes"] == {"url": f"{PUBLIC}/webhooks/github", "active": True}
    assert (await browser.get("/setup/done", params={"code": "good-code", "state": state})).status_code == 200
    (path,) = written
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "infra-audit.pem").stat().st_mode) == 0o600
    settings = read_settings(dict(line.split("=", 1) for line in path.read_text().splitlines()))
    assert (settings.app_id, settings.public_url) == (77, PUBLIC)
    assert (await browser.get("/setup")).status_code == 410


@pytest.mark.parametrize("state", ["", "guessed", "é"])
async def test_only_the_answer_to_what_was_begun_here_counts(
    browser: httpx.AsyncClient, written: list[Path], state: str
) -> None:
    await begun(browser)
    assert (await browser.get("/setup/done", params={"code": "good-code", "state": state})).status_code == 403
    assert written == []


async def test_a_state_works_once(browser: httpx.AsyncClient, written: list[Path]) -> None:
    state, _ = await begun(browser)
    assert (await browser.get("/setup/done", params={"code": "stale", "state": state})).status_code == 502
    assert (await browser.get("/setup/done", params={"code": "good-code", "state": state})).status_code == 403
    assert written == []


async def test_existing_credentials_are_kept_and_the_code_with_them(
    browser: httpx.AsyncClient, tmp_path: Path, written: list[Path]
) -> None:
    (tmp_path / "infra-audit.pem").write_text("mine")
    state, _ = await begun(browser)
    answer = await browser.get("/setup/done", params={"code": "good-code", "state": state})
    assert answer.status_code == 409
    assert "exists already" in answer.text
    assert (tmp_path / "infra-audit.pem").read_text() == "mine"
    (tmp_path / "infra-audit.pem").rename(tmp_path / "former.pem")
    assert (await browser.get("/setup/done", params={"code": "good-code", "state": state})).status_code == 200
    assert len(written) == 1


async def test_a_name_from_elsewhere_is_refused(browser: httpx.AsyncClient) -> None:
    assert (await browser.get("/setup", headers={"Host": "evil.example.com"})).status_code == 403


@pytest.mark.parametrize(
    ("api", "organisation", "address"),
    [
        ("https://api.github.com", None, "https://github.com/settings/apps/new?state=s"),
        ("https://api.github.com", "acme", "https://github.com/organizations/acme/settings/apps/new?state=s"),
        ("https://ghes.example.com/api/v3", None, "https://ghes.example.com/settings/apps/new?state=s"),
    ],
)
def test_where_an_app_is_registered(api: str, organisation: str | None, address: str) -> None:
    assert registration_address(api, organisation, "s") == address


@pytest.mark.parametrize("text", ["", "[]", "a: [", "name: x"])
def test_what_is_no_manifest_is_said(text: str) -> None:
    with pytest.raises(BadInput):
        read_manifest(text, public_url=PUBLIC, done_url="")

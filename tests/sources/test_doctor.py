"""The doctor names exactly what is missing, and the command that mends it."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from app.sources.cloud_logging import Limiter
from app.sources.doctor import NEEDS, Doctor, Need, Row
from app.sources.google_auth import GoogleAuth
from app.sources.probes import ROLES
from app.sources.rest import Rest
from tests.fakes.google import FakeLogging, Trouble, client_of, serve_logging
from tests.fakes.google_rest import FakeGoogle, serve_google
from tests.sources.test_cloud_logging import START, entry
from tests.sources.test_google_auth import Credentials

PROJECT = "shop-prod"
AUDITOR = "auditor@shop-ops.iam.gserviceaccount.com"
ALL = {permission for need in NEEDS for permission in need.permissions}
VIEW = f"projects/{PROJECT}/locations/global/buckets/b/views/v"


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    with serve_google(FakeGoogle(permissions={PROJECT: set(ALL)})) as fake:
        yield fake
    assert fake.violations == []


@pytest.fixture
def logging() -> FakeLogging:
    return FakeLogging(projects={PROJECT})


async def examine(
    google: FakeGoogle, logging: FakeLogging, *, account: str | None = AUDITOR, views: tuple[str, ...] = ()
) -> tuple[Row, ...]:
    with serve_logging(logging) as address:
        async with httpx.AsyncClient() as http:
            rest = Rest(http, address=google.address)
            return await Doctor(rest, client_of(address), Limiter(), account, (PROJECT,), views).examine(START)


def wrong(rows: tuple[Row, ...]) -> list[Row]:
    return [row for row in rows if row.remedy]


async def test_with_everything_granted_nothing_is_to_be_done(google: FakeGoogle, logging: FakeLogging) -> None:
    logging.entries = [entry(-60, project=PROJECT)]
    rows = await examine(google, logging)
    assert wrong(rows) == []
    assert rows[0] == Row("credentials", f"acting as {AUDITOR}")
    assert Row(f"permissions on {PROJECT}", f"all {len(ALL)} are held") in rows
    assert Row("APIs", f"{len(NEEDS) - 1} of {len(NEEDS) - 1} answer") in rows
    assert Row(f"logs of projects/{PROJECT}", "readable, newest entry at 2026-03-04 04:59:00 UTC") in rows
    assert len(google.asked("cloudresourcemanager.googleapis.com")) == 1, "one call for all permissions of a project"


def of_quota(name: str, value: int) -> dict[str, Any]:
    point = {"interval": {"endTime": "2026-03-04T04:59:00Z"}, "value": {"int64Value": str(value)}}
    return {"metric": {"labels": {"limit_name": name}}, "points": [point]}


async def test_the_quota_is_told_as_it_is_allowed_and_used(google: FakeGoogle, logging: FakeLogging) -> None:
    google.series["serviceruntime.googleapis.com/quota/limit"] = [of_quota("ReadRequestsPerMinutePerProject", 60)]
    google.series["serviceruntime.googleapis.com/quota/rate/net_usage"] = [of_quota("", 17)]
    (row,) = (row for row in await examine(google, logging) if row.what == "read quota")
    assert row == Row(
        "read quota",
        "shop-prod is allowed 60 a minute and used at most 17 in the last hour; 1 of 50 reads a minute are spent here;"
        " one audit takes at most 12",
    )
    google.series["serviceruntime.googleapis.com/quota/limit"] = [of_quota("ReadRequestsPerMinutePerProject", 30)]
    (row,) = wrong(await examine(google, logging))
    assert row.remedy.startswith("ask for 50 or more at https://console.cloud.google.com/apis/api/logging")
    google.troubles["monitoring.googleapis.com"] = 500
    row = (await examine(google, logging))[-1]
    assert "what shop-prod is allowed is not told (monitoring.googleapis.com answered 500)" in row.state
    assert row.remedy == ""


@pytest.mark.parametrize("permission", sorted(ALL))
async def test_each_missing_permission_is_named_alone_with_its_role(
    google: FakeGoogle, logging: FakeLogging, permission: str
) -> None:
    google.permissions[PROJECT].discard(permission)
    if permission == "logging.logEntries.list":
        logging.projects = set()
    (row,) = wrong(await examine(google, logging))
    (need,) = (need for need in NEEDS if permission in need.permissions)
    assert row.what == f"{need.role} on {PROJECT}"
    assert row.state == f"missing {permission}: {need.without}"
    assert row.remedy == (
        f"gcloud projects add-iam-policy-binding {PROJECT} --member=serviceAccount:{AUDITOR} --role={need.role}"
        " --condition=None"
    )


@pytest.mark.parametrize("need", NEEDS[1:], ids=lambda need: need.api)
async def test_each_api_that_is_off_is_named_alone_with_the_project_that_is_charged(
    google: FakeGoogle, logging: FakeLogging, need: Need
) -> None:
    google.disabled.add(need.api)
    (row,) = wrong(await examine(google, logging))
    assert row == Row(
        f"API {need.api}", f"not enabled: {need.without}", f"gcloud services enable {need.api} --project=4711"
    )


async def test_a_persons_credentials_without_a_quota_project_are_told_to_name_one(
    google: FakeGoogle, logging: FakeLogging
) -> None:
    google.disabled, google.consumer = {"sqladmin.googleapis.com"}, "764086051850"
    (row,) = wrong(await examine(google, logging, account=None))
    assert row.remedy == "gcloud auth application-default set-quota-project PROJECT_ID"


async def test_logs_that_cannot_be_read_are_told_although_the_permission_is_held(
    google: FakeGoogle, logging: FakeLogging
) -> None:
    logging.troubles = [Trouble(grpc.StatusCode.RESOURCE_EXHAUSTED, times=-1)]
    (row,) = wrong(await examine(google, logging))
    assert row.what == f"logs of projects/{PROJECT}"
    assert "quota" in row.state


async def test_a_log_view_has_its_own_role(google: FakeGoogle, logging: FakeLogging) -> None:
    google.permissions[PROJECT].discard("logging.logEntries.list")
    assert wrong(await examine(google, logging, views=(VIEW,))) == [], "reading the view is enough"
    logging.projects = set()
    (row,) = wrong(await examine(google, logging, views=(VIEW,)))
    assert row.what == f"logs of {VIEW}"
    assert row.remedy == (
        f"gcloud logging views add-iam-policy-binding v --bucket=b --location=global --project={PROJECT}"
        f" --member=serviceAccount:{AUDITOR} --role=roles/logging.viewAccessor"
    )


@pytest.mark.parametrize("account", [AUDITOR, None])
async def test_without_a_token_only_the_credentials_are_told(
    google: FakeGoogle, logging: FakeLogging, account: str | None
) -> None:
    from google.auth import exceptions

    auth = GoogleAuth(Credentials(exceptions.RefreshError("denied")))
    with serve_logging(logging) as address:
        async with httpx.AsyncClient(auth=auth) as http:
            rest = Rest(http, address=google.address)
            rows = await Doctor(rest, client_of(address), Limiter(), account, (PROJECT,)).examine(START)
    (row,) = rows
    assert row.what == "credentials"
    assert ("serviceAccountTokenCreator" in row.remedy) is (account is not None)


@pytest.mark.parametrize("trouble", [404, 429, 500, "malformed", "reset"])
async def test_permissions_that_cannot_be_checked_are_not_called_missing(
    google: FakeGoogle, logging: FakeLogging, trouble: int
) -> None:
    google.troubles["cloudresourcemanager.googleapis.com"] = trouble
    (row,) = wrong(await examine(google, logging))
    assert row.what == f"permissions on {PROJECT}"
    assert "missing" not in row.state


ACCESS = Path(__file__).parents[2] / "docs" / "access"


def listed(file: str, name: str) -> set[str]:
    """The items of the list `name` in a script or in Terraform."""
    (items,) = re.findall(rf"\b{name} ?= ?[\[(]([^])]*)", (ACCESS / file).read_text("utf-8"))
    return set(re.findall(r"[\w./]+", items))


def test_script_terraform_page_doctor_and_probes_name_the_same_roles() -> None:
    roles = {need.role for need in NEEDS}
    assert listed("grant.sh", "roles") == listed("main.tf", "roles") == roles
    assert set(re.findall(r"^\| `(roles/[\w.]+)`", (ACCESS / "README.md").read_text("utf-8"), re.MULTILINE)) == roles
    assert set(ROLES.values()) <= roles
    assert not {"roles/viewer", "roles/editor", "roles/owner", "roles/logging.privateLogViewer"} & roles


def test_script_and_terraform_turn_on_what_is_asked() -> None:
    apis = {need.api for need in NEEDS} | {"cloudresourcemanager.googleapis.com", "iamcredentials.googleapis.com"}
    assert listed("grant.sh", "apis") == listed("main.tf", "apis") == apis


def test_the_script_grants_each_role_to_the_named_account_and_refuses_other_words(tmp_path: Path) -> None:
    gcloud = tmp_path / "gcloud"
    gcloud.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    gcloud.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin"}

    def run(*words: str) -> int:
        return subprocess.run(
            [ACCESS / "grant.sh", *words], env=environment, capture_output=True, check=False
        ).returncode

    assert run(PROJECT) == run(PROJECT, "--role=roles/owner") == run("--help", AUDITOR) == 2
    assert not (tmp_path / "calls").exists()
    assert run(PROJECT, AUDITOR) == 0
    enable, *grants = (tmp_path / "calls").read_text().splitlines()
    assert enable.endswith("--project=shop-ops --quiet")
    assert len(grants) == len(NEEDS)
    assert all(f"{PROJECT} --member=serviceAccount:{AUDITOR} --role=roles/" in grant for grant in grants)

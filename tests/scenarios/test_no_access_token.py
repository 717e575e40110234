"""Credentials that give out no access token, or no longer: the report names them, and nothing passes for healthy."""

from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest
from google.auth import credentials, exceptions
from google.auth.transport.grpc import AuthMetadataPlugin
from google.auth.transport.requests import Request as TokenRequest

from app.evidence.model import ProbeKind, ProbeState, Request
from app.investigate import Findings, Sources, investigate
from app.sources.cloud_logging import CloudLogging, Limiter
from app.sources.cloud_run import CloudRun
from app.sources.google_auth import GoogleAuth
from app.sources.probes import GoogleProbes, PublicFeed
from app.sources.rest import Rest
from tests.fakes.google import FakeLogging, client_of, serve_logging
from tests.fakes.google_rest import FakeGoogle, serve_google
from tests.scenarios.test_google_faults import ALL_CLEAR, NOW, WINDOW, incident, shown

PROJECTS = frozenset({"shop-prod"})


class Expired(credentials.Credentials):
    """As google-auth's own, whose renewal is refused."""

    def refresh(self, request: Any) -> None:
        del request
        raise exceptions.RefreshError("Token has been expired or revoked: secret detail")


@pytest.fixture
def logging() -> FakeLogging:
    return FakeLogging(projects={"shop-prod"}, entries=incident())


@pytest.fixture
def google() -> Iterator[FakeGoogle]:
    fake = FakeGoogle()
    with serve_google(fake):
        yield fake


async def audit(logging: FakeLogging, google: FakeGoogle, *, logs_too: bool) -> Findings:
    token = Expired()
    plugin = grpc.metadata_call_credentials(AuthMetadataPlugin(token, TokenRequest()))
    secured = grpc.composite_channel_credentials(grpc.local_channel_credentials(), plugin)
    with serve_logging(logging, secure=logs_too) as address:
        client = client_of(address, grpc.aio.secure_channel(address, secured) if logs_too else None)
        async with httpx.AsyncClient(auth=GoogleAuth(token)) as http, httpx.AsyncClient() as public:
            rest = Rest(http, address=google.address)
            feed = PublicFeed(Rest(public, address=google.address))
            return await investigate(
                Request(WINDOW, NOW),
                Sources(
                    logs=CloudLogging(client, ["projects/shop-prod"], PROJECTS, Limiter()),
                    deployments=CloudRun(rest, PROJECTS),
                    probes=GoogleProbes(rest, feed, PROJECTS, clock=lambda: NOW),
                ),
            )


async def test_logs_that_nobody_was_let_in_to_read_are_a_gap_of_the_report(
    logging: FakeLogging, google: FakeGoogle
) -> None:
    findings = await audit(logging, google, logs_too=True)
    assert logging.calls == [], "nothing is asked without a token"
    (gap,) = (gap for gap in findings.evidence.gaps if "no access token" in gap.reason)
    text = shown(findings)
    assert "CANNOT TELL" in text
    assert gap.reason in text
    assert "roles/iam.serviceAccountTokenCreator" in text
    assert "secret detail" not in text
    assert not any(word in text for word in ALL_CLEAR)


async def test_resources_that_nobody_was_let_in_to_see_are_named_beside_what_the_logs_show(
    logging: FakeLogging, google: FakeGoogle
) -> None:
    findings = await audit(logging, google, logs_too=False)
    assert {call.host for call in google.calls} <= {"status.cloud.google.com"}, "nothing is asked without a token"
    asked = [result for result in findings.evidence.probes if result.target.kind is not ProbeKind.PUBLIC_STATUS]
    assert asked
    assert {result.state for result in asked} == {ProbeState.NO_ACCESS}
    assert "deployments" in {gap.source for gap in findings.evidence.gaps}
    text = shown(findings)
    assert "OperationalError" in text
    assert "infra-audit doctor" in text
    assert "secret detail" not in text
    assert not any(word in text for word in ALL_CLEAR)

"""Deliveries: who signed them, and what of them concerns us."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.github.webhooks import BadDelivery, Event, EventKind, read_event, verify


def payload(**values: Any) -> bytes:
    base: dict[str, Any] = {
        "action": "created",
        "installation": {"id": 9},
        "repository": {"id": 5, "full_name": "acme/shop", "private": True},
        "sender": {"login": "dana", "type": "User"},
        "issue": {"number": 3, "state": "open"},
    }
    return json.dumps({**base, **values}).encode()


def test_githubs_published_example_verifies() -> None:
    signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert verify(b"Hello, World!", signature, ["It's a Secret to Everybody"])


@pytest.mark.parametrize("signature", [None, "", "sha1=00", "sha256=", "sha256=é", "sha256=" + "0" * 64])
def test_other_signatures_do_not(signature: str | None) -> None:
    assert not verify(b"Hello, World!", signature, ["It's a Secret to Everybody"])


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_only_the_signed_bytes_verify(body: bytes, other: bytes) -> None:
    import hashlib
    import hmac

    signature = "sha256=" + hmac.new(b"old-secret", body, hashlib.sha256).hexdigest()
    assert verify(body, signature, ["new-secret", "old-secret"])
    assert verify(other, signature, ["new-secret", "old-secret"]) == (body == other)


def test_of_a_comment_only_the_commands_are_kept() -> None:
    event = read_event(
        "issue_comment",
        payload(comment={"id": 7, "body": "our password is hunter2\n/audit shop since=6h\nthanks"}),
    )
    assert event == Event(
        EventKind.COMMANDED, 9, 5, "acme/shop", True, 3, "dana", comment=7, lines=("/audit shop since=6h",)
    )


def test_an_edit_brings_only_the_commands_that_it_adds() -> None:
    comment = {"id": 7, "body": "/audit status\n/audit shop\n/audit shop"}
    changes = {"body": {"from": "/audit status\ntext\n/audit shop"}}
    event = read_event("issue_comment", payload(action="edited", comment=comment, changes=changes))
    assert event is not None
    assert event.lines == ("/audit shop",)
    for before in ({}, {"body": {"from": comment["body"]}}):
        assert read_event("issue_comment", payload(action="edited", comment=comment, changes=before)) is None


def test_an_issue_may_ask_in_its_own_text() -> None:
    event = read_event("issues", payload(action="opened", issue={"number": 3, "body": "It fails.\n/audit shop"}))
    assert event is not None
    assert (event.kind, event.comment, event.lines) == (EventKind.COMMANDED, None, ("/audit shop",))
    assert read_event("issues", payload(action="opened", issue={"number": 3, "body": None})) is None


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("push", b"not even json"),
        ("issue_comment", payload(comment={"id": 7, "body": "no command"})),
        ("issue_comment", payload(action="edited", comment={"id": 7, "body": "/audit"})),
        ("issue_comment", payload(comment={"id": 7, "body": "/audit"}, issue={"number": 3, "pull_request": {}})),
        ("issue_comment", payload(comment={"id": 7, "body": "/audit"}, sender={"login": "x[bot]", "type": "Bot"})),
        ("issue_comment", payload(comment={"id": 7, "body": "/audit", "performed_via_github_app": {"id": 1}})),
        ("issue_comment", payload(comment={"id": 7, "body": "/audit"}, installation=None)),
        ("issues", payload(action="edited")),
        ("issues", payload(action="labeled", label={"name": "priority:P0"})),
        ("issues", payload(action="labeled", label={"name": "infra-audit"}, issue={"number": 3, "state": "closed"})),
        (
            "deployment_status",
            payload(deployment={"sha": "a", "environment": "p"}, deployment_status={"state": "queued"}),
        ),
        ("installation", payload(action="suspend")),
    ],
)
def test_what_does_not_concern_us_is_nothing(name: str, body: bytes) -> None:
    assert read_event(name, body) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"null", payload(action="labeled"), payload(action="labeled", label={"name": "x"}, issue=None)],
)
def test_what_cannot_be_read_is_said(body: bytes) -> None:
    with pytest.raises(BadDelivery):
        read_event("issues", body)


def test_a_successful_deployment_is_told() -> None:
    body = payload(
        deployment={"sha": "AB" * 20, "environment": "production"},
        deployment_status={"state": "success"},
        sender={"login": "deployer[bot]", "type": "Bot"},
    )
    event = read_event("deployment_status", body)
    assert event is not None
    assert (event.kind, event.environment, event.sha) == (EventKind.DEPLOYED, "production", "ab" * 20)


RUN = {"name": "Deploy", "head_sha": "AB" * 20, "head_branch": "main", "event": "push", "conclusion": "success"}
HERE = {"id": 1, "full_name": "acme/shop", "default_branch": "main"}


def run(**changes: object) -> bytes:
    return payload(action="completed", repository=HERE, workflow_run={**RUN, **changes})


def test_a_workflow_that_succeeded_on_the_default_branch_may_have_deployed() -> None:
    event = read_event("workflow_run", run())
    assert event is not None
    assert (event.kind, event.workflow, event.sha) == (EventKind.DEPLOYED, "Deploy", "ab" * 20)
    assert event.environment is None


@pytest.mark.parametrize(
    "changes",
    [
        {"conclusion": "failure"},
        {"conclusion": None},
        {"head_branch": "feature"},
        {"head_branch": None},
        {"event": "pull_request"},
        {"event": "pull_request_target"},
        {"name": None},
    ],
    ids=str,
)
def test_other_runs_are_nothing(changes: dict[str, object]) -> None:
    assert read_event("workflow_run", run(**changes)) is None

"""What the App asks for and what it uses: the same, neither more nor less."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.github.webhooks import HANDLED
from tests.fakes.openapi.build import OPERATIONS

TEXT = (Path(__file__).parents[2] / "app.yml").read_text("utf-8")
ALWAYS_SENT = {"installation"}
"""Cannot be subscribed to."""
EVENTS = {
    "issues": "issues",
    "issue_comment": "issues",
    "deployment_status": "deployments",
    "pull_request": "pull_requests",
    "workflow_run": "actions",
}
"""Which permission GitHub wants for subscribing; reading is enough."""
USES = (
    (r"/collaborators/", "metadata"),
    (r"/repos/{owner}/{repo}$", "metadata"),
    (r"/check-runs", "checks"),
    (r"/pulls", "pull_requests"),
    (r"/(contents|commits|compare|git)\b", "contents"),
    (r"/(issues|labels)\b", "issues"),
)
"""Which permission GitHub wants for an operation; the first that fits. GraphQL reads what these name, and deployments."""


def manifest(*, optional: bool) -> dict[str, Any]:
    return yaml.safe_load(TEXT.replace("# optional: ", "") if optional else TEXT)


@pytest.mark.parametrize("optional", [False, True])
def test_every_event_comes_with_its_permission(optional: bool) -> None:
    asked = manifest(optional=optional)
    for event in asked["default_events"]:
        assert EVENTS[event] in asked["default_permissions"], event


def test_what_is_subscribed_to_is_handled_and_what_is_handled_can_be_subscribed_to() -> None:
    assert set(manifest(optional=True)["default_events"]) == HANDLED - ALWAYS_SENT
    assert set(manifest(optional=False)["default_events"]) == HANDLED - ALWAYS_SENT - {"workflow_run"}


@pytest.mark.parametrize("operation", [o for o in OPERATIONS if o[1].startswith("/repos/")], ids=" ".join)
def test_every_call_is_permitted(operation: tuple[str, str]) -> None:
    method, path = operation
    needed = next(name for pattern, name in USES if re.search(pattern, path))
    granted = manifest(optional=False)["default_permissions"].get(needed)
    assert granted == "write" or (granted == "read" and method == "get")


def test_nothing_is_asked_for_that_nothing_needs() -> None:
    used = {
        next(name for pattern, name in USES if re.search(pattern, path)) for _, path in OPERATIONS if "/repos/" in path
    }
    assert set(manifest(optional=False)["default_permissions"]) == used | {"deployments"}
    written = {"issues", "checks"}
    permissions = manifest(optional=True)["default_permissions"].items()
    assert {name for name, level in permissions if level == "write"} == written

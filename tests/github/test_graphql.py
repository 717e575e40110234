"""Our GraphQL documents against GitHub's public schema, and the yardstick itself: it must find what GitHub would refuse."""

import json
from typing import Any

import httpx
import pytest

from app.github.client import GitHub
from app.github.history import _WANTED, GitHubHistory, _Ask
from app.github.publish import minimise
from app.github.repository import read_linked_commits
from tests.fakes.github import FakeGitHub
from tests.fakes.graphql.contract import schema

NAMES = {"owner": "acme", "name": "shop"}


def found(document: str, variables: dict[str, Any] | None = None, answer: Any = None) -> list[str]:
    return schema().violations(document, variables or {}, answer)


@pytest.mark.parametrize(
    ("document", "what"),
    [
        ('{ repository(owner: "a", name: "b") { nameWithOwner } }', "belongs"),
        ('query { repository(owner: "a", name: "b") { nonsense } }', "no field 'nonsense'"),
        ('query { repository(owner: "a") { nameWithOwner } }', "needs 'name'"),
        ('query { repository(owner: "a", name: 7) { nameWithOwner } }', "wants String"),
        ('query { repository(owner: "a", name: "b", nome: "c") { nameWithOwner } }', "no argument 'nome'"),
        ('query { repository(owner: "a", name: "b") { nameWithOwner { x } } }', "nothing to select"),
        ('query { repository(owner: "a", name: "b") { defaultBranchRef } }', "selects nothing"),
        (
            'query { repository(owner: "a", name: "b") { object(expression: "x") { ... on Issue { x } } } }',
            "never a Issue",
        ),
        ('query { repository(owner: "a", name: "b") { deployments { nodes { commitOid } } } }', "needs first or last"),
        (
            'query { repository(owner: "a", name: "b") { deployments(first: 101) { nodes { commitOid } } } }',
            "from 1 to 100",
        ),
        (
            'query { repository(owner: "a", name: "b") { issue(number: 1) {'
            " timelineItems(first: 1, itemTypes: [CLOSED]) { nodes { ... on ClosedEvent { closer { ... on Commit { oid } } } }"
            " } } } }",
            "is never",
        ),
        ('query($n: Int!) { repository(owner: "a", name: "b") { object(expression: $n) { oid } } }', "is Int!"),
        ('query($n: String!) { repository(owner: "a", name: "b") { nameWithOwner } }', "declared and not used"),
        ('query { repository(owner: "a", name: "b") { nameWithOwner } } query { x }', "more than one operation"),
        ('query { repository(owner: "a", name: "b") { nameWithOwner ', "the end where"),
    ],
)
def test_what_github_would_refuse_is_found(document: str, what: str) -> None:
    assert any(what in one for one in found(document)), found(document)


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        ({"nameWithOwner": 7}, "is String"),
        ({"other": "x"}, "was not asked for"),
        ({"defaultBranchRef": {"target": {"oid": ["x"]}}}, "is GitObjectID"),
    ],
)
def test_what_github_would_not_answer_is_found(answer: Any, what: str) -> None:
    document = 'query { repository(owner: "a", name: "b") { nameWithOwner defaultBranchRef { target { oid } } } }'
    assert any(what in one for one in found(document, {}, {"data": {"repository": answer}}))
    right = {"nameWithOwner": "a/b", "defaultBranchRef": None}
    assert found(document, {}, {"data": {"repository": right}}) == []


async def test_every_document_that_we_send_is_one_that_github_takes() -> None:
    sent: list[tuple[str, dict[str, Any]]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/access_tokens"):
            token = {"token": "ghs_x", "expires_at": "2099-01-01T00:00:00Z", "permissions": {}}
            return httpx.Response(201, json=token)
        if not request.url.path.endswith("/graphql"):
            return httpx.Response(404, json={"message": "Not Found"})
        body = json.loads(request.content)
        sent.append((body["query"], body["variables"]))
        return httpx.Response(200, json={"data": {"repository": {}, "minimizeComment": {}}})

    session = GitHub(7, FakeGitHub().private_key, transport=httpx.MockTransport(answer)).installation(1)
    await read_linked_commits(session, "acme/shop", 7)
    await minimise(session, "IC_1")
    history = GitHubHistory(session, "acme/shop", limit=99)
    await history.deployments("production")
    for wanted in _WANTED:
        await history._query([_Ask("a" * 40, wanted, "app/main.py" if wanted in ("touching", "blame") else None)])
    assert len(sent) == 3 + len(_WANTED)
    for document, variables in sent:
        assert found(document, variables) == [], document

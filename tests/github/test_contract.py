"""The yardstick itself: it must find what GitHub would refuse."""

from typing import Any

import pytest

from tests.fakes.openapi.contract import contract

COMMENTS = "/repos/acme/shop/issues/1/comments"


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "status", "answer", "found"),
    [
        ("GET", "/repos/acme/shop/nonsense", {}, None, 200, {}, "no such operation"),
        ("GET", COMMENTS, {"per-page": "100"}, None, 200, [], "no parameter 'per-page'"),
        ("POST", COMMENTS, {}, {"text": "x"}, 201, {}, "no field 'text'"),
        ("POST", COMMENTS, {}, {}, 201, {}, '"body" is a required property'),
        ("POST", COMMENTS, {}, {"body": "x"}, 299, {}, "never answers 299"),
        ("POST", COMMENTS, {}, {"body": "x"}, 201, {"id": "seven"}, "is not of type"),
        ("POST", "/repos/acme/shop/issues/1/reactions", {}, {"content": "thumbs"}, 201, {}, "is not one of"),
    ],
)
def test_what_github_would_refuse_is_found(
    method: str, path: str, query: dict[str, str], body: Any, status: int, answer: Any, found: str
) -> None:
    assert any(found in violation for violation in contract().violations(method, path, query, body, status, answer))


@pytest.mark.parametrize(
    ("method", "path", "query", "body", "status", "answer"),
    [
        ("GET", COMMENTS, {"per_page": "100", "page": "2"}, None, 200, [{"id": 7, "body": "x"}]),
        ("POST", COMMENTS, {}, {"body": "x"}, 201, {"id": 7}),
        ("GET", "/repos/acme/shop/contents/.github/infra-audit.yml", {"ref": "main"}, None, 200, {"type": "file"}),
        ("GET", "/repos/acme/shop/compare/aa...bb", {}, None, 404, {"message": "Not Found"}),
    ],
)
def test_what_github_takes_is_not(
    method: str, path: str, query: dict[str, str], body: Any, status: int, answer: Any
) -> None:
    assert contract().violations(method, path, query, body, status, answer) == []

"""Rebuild `github.json`: the operations that we call, cut from GitHub's OpenAPI description, stripped to bare facts.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    python -m tests.fakes.openapi.build package/generated/api.github.com.json

Source: npm package @octokit/openapi 23.0.2, generated from github/rest-api-description; licence MIT (see `LICENSE`). Kept are
paths, names, types, formats, enumerations and what is required. Descriptions, titles and examples are left out.
"""

import json
import sys
from pathlib import Path
from typing import Any

OPERATIONS = (
    ("post", "/app/installations/{installation_id}/access_tokens"),
    ("get", "/app/hook/deliveries"),
    ("post", "/app/hook/deliveries/{delivery_id}/attempts"),
    ("post", "/app-manifests/{code}/conversions"),
    ("get", "/repos/{owner}/{repo}"),
    ("get", "/repos/{owner}/{repo}/collaborators/{username}/permission"),
    ("get", "/repos/{owner}/{repo}/labels/{name}"),
    ("post", "/repos/{owner}/{repo}/labels"),
    ("get", "/repos/{owner}/{repo}/contents/{path}"),
    ("get", "/repos/{owner}/{repo}/commits"),
    ("get", "/repos/{owner}/{repo}/commits/{commit_sha}/pulls"),
    ("get", "/repos/{owner}/{repo}/commits/{ref}"),
    ("get", "/repos/{owner}/{repo}/compare/{basehead}"),
    ("get", "/repos/{owner}/{repo}/git/trees/{tree_sha}"),
    ("get", "/repos/{owner}/{repo}/issues/comments/{comment_id}"),
    ("patch", "/repos/{owner}/{repo}/issues/comments/{comment_id}"),
    ("post", "/repos/{owner}/{repo}/issues/comments/{comment_id}/reactions"),
    ("get", "/repos/{owner}/{repo}/issues/{issue_number}"),
    ("get", "/repos/{owner}/{repo}/issues/{issue_number}/comments"),
    ("post", "/repos/{owner}/{repo}/issues/{issue_number}/comments"),
    ("post", "/repos/{owner}/{repo}/issues/{issue_number}/reactions"),
    ("post", "/repos/{owner}/{repo}/issues/{issue_number}/labels"),
    ("delete", "/repos/{owner}/{repo}/issues/{issue_number}/labels/{name}"),
    ("get", "/repos/{owner}/{repo}/pulls/{pull_number}/files"),
    ("get", "/repos/{owner}/{repo}/issues/{issue_number}/assignees/{assignee}"),
    ("post", "/repos/{owner}/{repo}/issues/{issue_number}/assignees"),
    ("post", "/repos/{owner}/{repo}/check-runs"),
    ("patch", "/repos/{owner}/{repo}/check-runs/{check_run_id}"),
    ("get", "/repos/{owner}/{repo}/commits/{ref}/check-runs"),
)
STRUCTURE = (
    "type",
    "properties",
    "items",
    "required",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "$ref",
    "additionalProperties",
)
VALUES = (
    "enum",
    "format",
    "nullable",
    "pattern",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
)
KEPT = frozenset((*STRUCTURE, *VALUES))


def strip(schema: Any) -> Any:
    """The facts of a schema in JSON Schema's words: a nullable type becomes that type or null."""
    if isinstance(schema, list):
        return [strip(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: {name: strip(inner) for name, inner in value.items()} if key == "properties" else strip(value)
        for key, value in schema.items()
        if key in KEPT
    }
    if kept.pop("nullable", False):
        return {"anyOf": [kept, {"type": "null"}]}
    return kept


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(references, value)) if value else set()
    if not isinstance(value, dict):
        return set()
    found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
    return found.union(*(references(inner) for inner in value.values()))


def build(source: dict[str, Any]) -> dict[str, Any]:
    def resolved(value: Any) -> Any:
        while "$ref" in value:
            part: Any = source
            for name in value["$ref"].removeprefix("#/").split("/"):
                part = part[name]
            value = part
        return value

    def body(part: Any) -> Any:
        content = resolved(part).get("content", {}).get("application/json")
        return strip(content["schema"]) if content else None

    operations: dict[str, Any] = {}
    for method, path in OPERATIONS:
        raw = source["paths"][path][method]
        parameters = [resolved(p) for p in raw.get("parameters", ())]
        operations[f"{method.upper()} {path}"] = {
            "query": {p["name"]: strip(p["schema"]) for p in parameters if p["in"] == "query"},
            "request": body(raw["requestBody"]) if "requestBody" in raw else None,
            "responses": {status: body(answer) for status, answer in raw["responses"].items()},
        }
    schemas: dict[str, Any] = {}
    wanted = references(operations)
    while wanted:
        reference = wanted.pop()
        name = reference.removeprefix("#/components/schemas/")
        if name not in schemas:
            schemas[name] = strip(source["components"]["schemas"][name])
            wanted |= references(schemas[name])
    return {"operations": operations, "components": {"schemas": dict(sorted(schemas.items()))}}


if __name__ == "__main__":
    described = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    target = Path(__file__).with_name("github.json")
    target.write_text(json.dumps(build(described), separators=(",", ":"), sort_keys=True) + "\n", "utf-8")

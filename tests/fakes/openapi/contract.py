"""Holds the stand-in GitHub and our client to GitHub's own description, so that neither drifts into a private dialect.

A request must be an operation that exists, with parameters and body as described and no unknown ones. Of an answer, every
field that the stand-in gives must exist with that type; it may leave fields out, since we read only a few.
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from tests.fakes.graphql.contract import schema as graphql_schema

_SPANNING = ("path", "ref", "basehead")
"""Parameters that may hold slashes."""


class Contract:
    def __init__(self, described: Mapping[str, Any]) -> None:
        self._operations: Mapping[str, Any] = described["operations"]
        self._schemas = {"request": described["components"], "response": _partial(described["components"])}
        self._paths = sorted(
            ((key.partition(" ")[0], _pattern(key.partition(" ")[2]), key) for key in self._operations),
            key=lambda item: (item[2].count("{"), -item[2].count("/"), item[2]),
        )
        self._validators: dict[tuple[str, ...], Any] = {}

    def violations(
        self, method: str, path: str, query: Mapping[str, str], body: Any, status: int, answer: Any
    ) -> list[str]:
        """What GitHub would not have taken or said; empty when all is as described."""
        if path.endswith("/graphql"):
            return graphql_schema().violations(body["query"], body.get("variables") or {}, answer)
        key = next((key for verb, pattern, key in self._paths if verb == method and pattern.fullmatch(path)), None)
        if key is None:
            return [f"{method} {path}: no such operation"]
        operation = self._operations[key]
        found = [f"{key}: no parameter {name!r}" for name in query if name not in operation["query"]]
        if body is not None:
            schema = operation["request"]
            if schema is None:
                return [*found, f"{key}: takes no body"]
            known = _keys(schema, self._schemas["request"])
            if isinstance(body, dict) and known:
                found += [f"{key}: no field {name!r} in the body" for name in body if name not in known]
            found += self._errors((key, "request"), schema, body)
        if str(status) not in operation["responses"] and status < 400:
            found.append(f"{key}: never answers {status}")
        schema = operation["responses"].get(str(status))
        if schema is not None and status < 400:
            found += self._errors((key, "response", str(status)), _partial(schema), answer)
        return found

    def _errors(self, key: tuple[str, ...], schema: Any, value: Any) -> list[str]:
        if key not in self._validators:
            whole = {**schema, "components": self._schemas[key[1]]}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        return [f"{key[0]} {key[1]}: {error.message[:200]}" for error in self._validators[key].iter_errors(value)]


def _partial(schema: Any) -> Any:
    """The same types, with nothing required: then alternatives overlap, so one or more of them may fit."""
    if isinstance(schema, list):
        return [_partial(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        {"oneOf": "anyOf"}.get(name, name): _partial(value)
        for name, value in schema.items()
        if name != "required" or not isinstance(value, list)
    }


def _keys(schema: Mapping[str, Any], components: Mapping[str, Any]) -> set[str]:
    if reference := schema.get("$ref"):
        return _keys(components["schemas"][reference.rpartition("/")[2]], components)
    found = set(schema.get("properties", {}))
    for kind in ("oneOf", "anyOf", "allOf"):
        for inner in schema.get(kind, ()):
            found |= _keys(inner, components)
    return found


def _pattern(path: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", path)
    return re.compile(
        "".join(
            (r".+" if part in _SPANNING else r"[^/]+") if number % 2 else re.escape(part)
            for number, part in enumerate(parts)
        )
    )


@cache
def contract() -> Contract:
    return Contract(json.loads(Path(__file__).with_name("github.json").read_text("utf-8")))

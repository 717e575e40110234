"""Holds our GraphQL documents to GitHub's public schema: fields, arguments, variables, and the answers of the stand-in.

Reads as much of the language as our documents use: one operation, aliases, arguments, inline fragments. What it cannot read
is a violation, too, so a document never passes unread.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

_TOKEN = re.compile(r'\.\.\.|[A-Za-z_]\w*|-?\d+|"[^"\\\n]*"|[!$(){}\[\]:=]|(?P<odd>[^\s,])')
_SCALARS: Mapping[str, tuple[type, ...]] = {
    "String": (str,),
    "ID": (str,),
    "URI": (str,),
    "DateTime": (str,),
    "GitObjectID": (str,),
    "Int": (int,),
    "Boolean": (bool,),
}


class _Unread(Exception):
    pass


@dataclass
class _Field:
    """A selected field; of an inline fragment `on` is the type and `name` is empty."""

    name: str
    answer: str
    arguments: dict[str, Any] = field(default_factory=dict)
    selected: list["_Field"] = field(default_factory=list)
    on: str | None = None


@dataclass(frozen=True)
class _Variable:
    name: str


@dataclass(frozen=True)
class _Word:
    """A name as a value: a member of an enumeration."""

    name: str


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = [m.group() for m in _TOKEN.finditer(text)]
        if any(m.group("odd") for m in _TOKEN.finditer(text)):
            raise _Unread("a sign that is not read")
        self._at = 0

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self, wanted: str | None = None) -> str:
        token = self._peek()
        if not token or (wanted is not None and token != wanted):
            raise _Unread(f"{token or 'the end'} where {wanted or 'something'} belongs")
        self._at += 1
        return token

    def operation(self) -> tuple[str, dict[str, str], list[_Field]]:
        kind = self._next()
        variables: dict[str, str] = {}
        if self._peek() == "(":
            self._next("(")
            while self._peek() != ")":
                self._next("$")
                name = self._next()
                self._next(":")
                variables[name] = self._type()
            self._next(")")
        fields = self._selection()
        if self._peek():
            raise _Unread("more than one operation")
        return kind, variables, fields

    def _type(self) -> str:
        if self._peek() == "[":
            self._next("[")
            name = f"[{self._type()}]"
            self._next("]")
        else:
            name = self._next()
        if self._peek() == "!":
            name += self._next("!")
        return name

    def _selection(self) -> list[_Field]:
        self._next("{")
        fields: list[_Field] = []
        while self._peek() != "}":
            fields.append(self._field())
        self._next("}")
        return fields

    def _field(self) -> _Field:
        if self._peek() == "...":
            self._next("...")
            self._next("on")
            on = self._next()
            return _Field("", "", selected=self._selection(), on=on)
        name = answer = self._next()
        if self._peek() == ":":
            self._next(":")
            name = self._next()
        made = _Field(name, answer)
        if self._peek() == "(":
            self._next("(")
            while self._peek() != ")":
                key = self._next()
                self._next(":")
                made.arguments[key] = self._value()
            self._next(")")
        if self._peek() == "{":
            made.selected = self._selection()
        return made

    def _value(self) -> Any:
        match self._next():
            case "$":
                return _Variable(self._next())
            case "[":
                items: list[Any] = []
                while self._peek() != "]":
                    items.append(self._value())
                self._next("]")
                return items
            case "{":
                object_: dict[str, Any] = {}
                while self._peek() != "}":
                    key = self._next()
                    self._next(":")
                    object_[key] = self._value()
                self._next("}")
                return object_
            case "true" | "false" as word:
                return word == "true"
            case token if token.lstrip("-").isdigit():
                return int(token)
            case token if token[0] == '"':
                return token[1:-1]
            case token:
                return _Word(token)


class Schema:
    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = types

    def violations(self, document: str, variables: Mapping[str, Any], answer: Any = None) -> list[str]:
        """What GitHub would refuse of the document, or not have answered; empty when all is as described."""
        try:
            kind, declared, fields = _Reader(document).operation()
        except _Unread as unread:
            return [f"graphql: {unread}"]
        root = {"query": "Query", "mutation": "Mutation"}.get(kind)
        if root is None:
            return [f"graphql: no operation {kind!r}"]
        used: set[str] = set()
        found = list(self._selected(root, fields, declared, used))
        found += [f"variable ${name} is declared and not used" for name in declared.keys() - used]
        found += [f"variable ${name} is given and not declared" for name in variables.keys() - declared.keys()]
        found += [f"variable ${n} is not given" for n, t in declared.items() if t.endswith("!") and n not in variables]
        for name in declared.keys() & variables.keys():
            found += self._fits(declared[name], variables[name], declared, used, f"variable ${name}")
        if isinstance(answer, dict) and answer.get("data") is not None:
            found += self._answered(root, fields, answer["data"], "data")
        return [f"graphql: {one}" for one in found]

    def _selected(self, name: str, fields: list[_Field], declared: dict[str, str], used: set[str]) -> Iterator[str]:
        known = self._types[name].get("fields", {})
        for one in fields:
            if one.on is not None:
                if one.on != name and one.on not in self._types[name].get("possible", ()):
                    yield f"{name} is never a {one.on}"
                else:
                    yield from self._selected(one.on, one.selected, declared, used)
                continue
            if one.name not in known:
                yield f"{name} has no field {one.name!r} (or it stands not in USED)"
                continue
            args = known[one.name]["args"]
            where = f"{name}.{one.name}"
            yield from (f"{where} has no argument {key!r}" for key in one.arguments if key not in args)
            yield from (
                f"{where} needs {key!r}" for key, t in args.items() if t[-1] == "!" and key not in one.arguments
            )
            for key, value in one.arguments.items():
                if key in args:
                    yield from self._fits(args[key], value, declared, used, f"{where}({key})")
            if args.keys() >= {"first", "last"}:
                count = one.arguments.get("first", one.arguments.get("last"))
                if not isinstance(count, int) or not 1 <= count <= 100:
                    yield f"{where} needs first or last, from 1 to 100"
            inner = _bare(known[one.name]["type"])
            if (inner in self._types and self._types[inner]["kind"] != "ENUM") != bool(one.selected):
                yield f"{where} {'selects nothing' if not one.selected else 'has nothing to select'}"
            elif one.selected:
                yield from self._selected(inner, one.selected, declared, used)

    def _fits(self, wanted: str, value: Any, declared: dict[str, str], used: set[str], where: str) -> Iterator[str]:
        if isinstance(value, _Variable):
            used.add(value.name)
            given = declared.get(value.name)
            loose = wanted.endswith("!") and not (given or "").endswith("!")
            if given is None or loose or given.removesuffix("!") != wanted.removesuffix("!"):
                yield f"{where} wants {wanted}, and ${value.name} is {given}"
            return
        bare = wanted.removesuffix("!")
        if value is None:
            if wanted != bare:
                yield f"{where} is null"
        elif bare.startswith("["):
            for item in value if isinstance(value, list) else [value]:
                yield from self._fits(bare[1:-1], item, declared, used, where)
        elif bare in _SCALARS:
            if type(value) not in _SCALARS[bare]:
                yield f"{where} wants {bare}, not {value!r}"
        elif bare in self._types and self._types[bare]["kind"] == "ENUM":
            if (value.name if isinstance(value, _Word) else value) not in self._types[bare]["values"]:
                yield f"{where} is never {value!r}"
        elif bare in self._types and isinstance(value, dict):
            fields = self._types[bare]["fields"]
            yield from (f"{where} has no field {key!r}" for key in value if key not in fields)
            yield from (f"{where} needs {key!r}" for key in self._types[bare]["required"] if key not in value)
            for key in value.keys() & fields.keys():
                yield from self._fits(fields[key]["type"], value[key], declared, used, f"{where}.{key}")
        else:
            yield f"{where}: {bare} is not known here"

    def _answered(self, name: str, fields: list[_Field], answer: Any, where: str) -> Iterator[str]:
        """Only what was asked for, with its type; a union's or interface's member may be any that was asked for."""
        asked: dict[str, tuple[str, _Field]] = {}
        for one in fields:
            for inner in one.selected if one.on is not None else [one]:
                described = self._types[one.on or name].get("fields", {}).get(inner.name)
                if described is not None:
                    asked[inner.answer] = (described["type"], inner)
        for key, value in answer.items():
            if key not in asked:
                yield f"{where}.{key} was not asked for"
                continue
            wanted, one = asked[key]
            values = value if isinstance(value, list) else [value]
            if isinstance(value, list) != wanted.removesuffix("!").startswith("["):
                yield f"{where}.{key} is {wanted}"
                continue
            bare = _bare(wanted)
            for item in values:
                if item is None:
                    continue
                if bare in _SCALARS:
                    if type(item) not in _SCALARS[bare]:
                        yield f"{where}.{key} is {bare}, not {item!r}"
                elif self._types[bare]["kind"] == "ENUM":
                    if item not in self._types[bare]["values"]:
                        yield f"{where}.{key} is never {item!r}"
                else:
                    yield from self._answered(bare, one.selected, item, f"{where}.{key}")


def _bare(type_: str) -> str:
    return type_.replace("[", "").replace("]", "").replace("!", "")


@cache
def schema() -> Schema:
    return Schema(json.loads(Path(__file__).with_name("github.json").read_text("utf-8")))

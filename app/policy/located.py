"""YAML of people into strict models: every mistake with its line, its column and a suggestion.

Owns reading the text safely (no tags, no anchors, no double keys, bounded size) and pointing at the place of each mistake.
Leaves what is allowed to the models of `config.py` and `operator.py`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, cast, get_args, get_origin

import yaml
from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import PydanticCustomError
from yaml.composer import ComposerError

LONGEST_FILE = 64 * 1024
DEEPEST = 12

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Mistake:
    """`line` and `column` count from 1. `instead` is what to write, None when nothing comes near."""

    line: int
    column: int
    what: str
    instead: str | None = None

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.what}" + (
            f" (did you mean {self.instead!r}?)" if self.instead else ""
        )


@dataclass(frozen=True, slots=True)
class Located:
    """Plain values, and where each key or item stands: (line, column) by path."""

    value: Any
    places: Mapping[Path, tuple[int, int]]

    def place(self, path: Path) -> tuple[int, int]:
        """Of `path`, or of the nearest part around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, (1, 1))


def read_yaml(text: str) -> Located | tuple[Mistake, ...]:
    """The document, or what keeps it from being read. An empty one is an empty mapping."""
    if len(text) > LONGEST_FILE:
        return (Mistake(1, 1, f"the file is longer than {LONGEST_FILE // 1024} KiB"),)
    places: dict[Path, tuple[int, int]] = {}
    mistakes: list[Mistake] = []
    try:
        root = yaml.compose(text, Loader=_NoAnchors)
        value: Any = _value(root, (), places, mistakes) if root is not None else {}
    except yaml.MarkedYAMLError as error:
        return (_unreadable(error, text),)
    except yaml.YAMLError as error:
        return (Mistake(1, 1, f"not readable as YAML: {type(error).__name__}"),)
    return tuple(mistakes) if mistakes else Located(value, places)


def spelled(pattern: str, what: str, mend: Callable[[str], str]) -> BeforeValidator:
    """Stands beside the same pattern of a field: says `what` in plain words, with the word that `mend` makes of it."""

    def validate(value: object) -> object:
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            mended = mend(value)
            raise PydanticCustomError(
                "spelled", "{what}", {"what": what, "instead": mended if re.fullmatch(pattern, mended) else None}
            )
        return value

    return BeforeValidator(validate)


def check(model: type[M], located: Located) -> M | tuple[Mistake, ...]:
    """The model, or every mistake in order of the lines."""
    try:
        return model.model_validate(located.value)
    except ValidationError as error:
        mistakes = {_mistake(model, located, cast(Mapping[str, Any], found)) for found in error.errors()}
        return tuple(sorted(mistakes, key=lambda m: (m.line, m.column, m.what)))


class _NoAnchors(yaml.SafeLoader):
    """Aliases are how a small file becomes a huge value, and no configuration of ours needs them."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = cast(yaml.Event, self.peek_event())  # pyright: ignore[reportUnknownMemberType]  # untyped in the stubs
            mark = cast("yaml.Mark | None", event.start_mark)
            raise ComposerError(None, None, "anchors and aliases are not taken here", mark)
        return super().compose_node(parent, index)


def _value(node: yaml.Node, path: Path, places: dict[Path, tuple[int, int]], mistakes: list[Mistake]) -> Any:
    places.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if len(path) > DEEPEST:
        mistakes.append(Mistake(*places[path], "nested too deeply"))
        return None
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key_node, value_node in cast(list[tuple[yaml.Node, yaml.Node]], node.value):
            at = (key_node.start_mark.line + 1, key_node.start_mark.column + 1)
            if not isinstance(key_node, yaml.ScalarNode):
                mistakes.append(Mistake(*at, "a key must be a word"))
                continue
            key = str(key_node.value)
            if key in out:
                mistakes.append(Mistake(*at, f"{key!r} stands twice"))
            places[(*path, key)] = at
            out[key] = _value(value_node, (*path, key), places, mistakes)
        return out
    if isinstance(node, yaml.SequenceNode):
        items = cast(list[yaml.Node], node.value)
        return [_value(item, (*path, index), places, mistakes) for index, item in enumerate(items)]
    return _scalar(node, path, places, mistakes)


def _scalar(node: yaml.Node, path: Path, places: Mapping[Path, tuple[int, int]], mistakes: list[Mistake]) -> Any:
    text = str(node.value)
    match node.tag:
        case "tag:yaml.org,2002:null":
            return None
        case "tag:yaml.org,2002:bool":
            if text.lower() in ("true", "false"):
                return text.lower() == "true"
            return text  # yes, no, on and off are words here
        case "tag:yaml.org,2002:int" if text.lstrip("+-").isdigit():
            return int(text)
        case "tag:yaml.org,2002:float":
            try:
                return float(text)
            except ValueError:
                return text
        case tag if tag.startswith("tag:yaml.org,2002:"):
            return text
        case tag:
            mistakes.append(Mistake(*places[path], f"tags like {tag!r} are not taken here"))
            return None


def _mistake(model: type[BaseModel], located: Located, found: Mapping[str, Any]) -> Mistake:
    path: Path = tuple(part for part in found["loc"] if part != "[key]")
    instead: str | None = None
    match found["type"]:
        case "extra_forbidden":
            allowed = _fields_at(model, path[:-1])
            same = [name for name in allowed if name.lower() == str(path[-1]).lower()]
            near = same or get_close_matches(str(path[-1]), allowed, 1, 0.5)
            instead = near[0] if near else None
            what = f"{str(path[-1])!r} is not known here; known: {', '.join(allowed)}"
        case "missing":
            what = f"{str(path[-1])!r} is missing"
            instead = "version: 1" if path == ("version",) else None
            path = path[:-1]
        case "literal_error" | "enum":
            allowed = [word.strip("'\" ") for word in str(found["ctx"]["expected"]).replace(" or ", ", ").split(", ")]
            near = get_close_matches(str(found["input"]), allowed, 1, 0.4)
            instead = near[0] if near else None
            what = f"must be one of {', '.join(allowed)}"
        case "dict_type" | "model_type":
            what, instead = (
                "must be a block of keys, indented below",
                _as_block(found["input"], _fields_at(model, path)),
            )
        case _:
            what, instead = _in_words(found)
    return Mistake(*located.place(path), what, instead)


def _as_block(given: object, allowed: Sequence[str]) -> str | None:
    """What somebody may have meant who wrote a single word where keys belong."""
    match given:
        case None:
            return "{}"
        case bool() if "write" in allowed:
            return f"{{write: {str(given).lower()}}}"
        case str() if "name" in allowed:
            return f"{{name: {given}}}"
        case _:
            return None


def _in_words(found: Mapping[str, Any]) -> tuple[str, str | None]:
    """The validation library's own message where it is plain enough, else ours; and what to write."""
    given, details = found["input"], cast(Mapping[str, Any], found.get("ctx") or {})
    match found["type"]:
        case "string_type":
            listed = cast(list[object], given) if isinstance(given, list) else [given]
            alone = listed[0] if len(listed) == 1 else None
            return "must be text, one only", f'"{alone}"' if isinstance(alone, int | float | str) else None
        case "bool_type":
            word = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
            return "must be true or false, without quotation marks", word.get(str(given).lower())
        case "list_type":
            items = list(cast(Mapping[str, Any], given)) if isinstance(given, dict) else [given]
            return "must be a list", f"[{', '.join(str(item) for item in items)}]" if given is not None else None
        case "too_long":
            return f"at most {details['max_length']} may stand here", None
        case "too_short":
            return "at least one must stand here", None
        case "string_too_short":
            return "must not be empty", None
        case "string_too_long":
            return f"must be no longer than {details['max_length']} characters", None
        case _:
            return str(found["msg"]).removeprefix("Value error, "), details.get("instead")


_KEY_AND_TEXT = re.compile(r"(\s*(?:- )?[\w.-]+:\s+)(\S.*)")
_KEY_WITHOUT_BLANK = re.compile(r"(\s*)([\w.-]+):([^\s:/].*)")


def _unreadable(error: yaml.MarkedYAMLError, text: str) -> Mistake:
    """What is wrong with text that is no YAML, where, and what to write there."""
    problem, context = error.problem or error.context or "unknown", error.context or ""
    begun = error.context_mark
    mark = error.problem_mark or begun
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    lines = [*text.split("\n"), ""]
    here = lines[line - 1] if line <= len(lines) else ""
    rest = here[column - 1 :].strip()
    if "'\\t'" in problem:
        return Mistake(line, column, "a tab cannot indent in YAML; write spaces")
    if "cannot start any token" in problem and rest:
        return Mistake(line, column, f"a value that begins with {rest[0]!r} stands in quotation marks", f'"{rest}"')
    if "quoted scalar" in context and begun is not None:
        return Mistake(begun.line + 1, begun.column + 1, "a quotation mark begins here and does not end")
    if "flow" in context and begun is not None:
        opened = lines[begun.line][begun.column : begun.column + 1]
        return Mistake(begun.line + 1, begun.column + 1, f"{opened!r} is not closed, or a comma is missing after it")
    if "another document" in problem:
        return Mistake(line, column, "a second document begins here; only one is read")
    if "mapping values are not allowed" in problem:
        return _stray_colon(lines, line, column)
    if "expected <block end>" in problem:
        if "<scalar>" in problem:
            return Mistake(line, column, "text goes on behind a closed quotation mark; put all of it in one pair")
        if "block" in problem:
            return Mistake(line, column, "this line is indented otherwise than the lines that it belongs to")
        return Mistake(line, column, "keys and list items ('- ') cannot stand at the same level")
    return Mistake(line, column, f"not readable as YAML: {problem}")


def _stray_colon(lines: Sequence[str], line: int, column: int) -> Mistake:
    """A colon where no key can be: inside a value, or because the line before is not what it looks like."""
    here = lines[line - 1]
    if (found := _KEY_AND_TEXT.fullmatch(here)) is not None and len(found[1]) < column:
        value = found[2].strip().replace('"', "'")
        return Mistake(line, len(found[1]) + 1, "a value with a colon in it stands in quotation marks", f'"{value}"')
    before = next((n for n in range(line - 1, 0, -1) if lines[n - 1].strip()), None)
    if before is not None and (found := _KEY_WITHOUT_BLANK.fullmatch(lines[before - 1])) is not None:
        place = (before, len(found[1]) + 1)
        return Mistake(*place, "a blank is missing behind the colon", f"{found[2]}: {found[3].strip()}")
    return Mistake(line, column, "this line is indented otherwise than the lines that it belongs to")


def _fields_at(model: type[BaseModel], path: Path) -> list[str]:
    """The keys that the model allows at `path`."""
    annotations: list[Any] = [model]
    for part in path:
        annotations = [inner for outer in annotations for inner in _inside(outer, part)]
    names: list[str] = []
    for annotation in annotations:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            names += [field.alias or name for name, field in annotation.model_fields.items()]
    return sorted(set(names))


def _inside(annotation: Any, part: str | int) -> list[Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        by_name = {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
        return _models_of(by_name.get(str(part)))
    if isinstance(annotation, _Level):
        return _models_of(annotation.of)
    return []


def _models_of(annotation: Any) -> list[Any]:
    """The models that may stand at one level of a field: in it, in its mapping's values, in its list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    arguments: Sequence[Any] = get_args(annotation)
    if get_origin(annotation) in (dict, list):
        return [_Level(arguments[-1])]
    return [model for argument in arguments for model in _models_of(argument)]


@dataclass(frozen=True, slots=True)
class _Level:
    """A mapping or a list between two models: one more part of the path."""

    of: Any

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
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
        return (Mistake(line, column, *_unreadable(error, text, line, column)),)
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
            near = get_close_matches(str(path[-1]), allowed, 1, 0.5)
            instead = near[0] if near else None
            what = f"{str(path[-1])!r} is not known here; known: {', '.join(allowed)}"
        case "missing":
            what = f"{str(path[-1])!r} is missing"
            path = path[:-1]
        case "literal_error" | "enum":
            allowed = [word.strip("'\" ") for word in str(found["ctx"]["expected"]).replace(" or ", ", ").split(", ")]
            near = get_close_matches(str(found["input"]), allowed, 1, 0.4)
            instead = near[0] if near else None
            what = f"must be one of {', '.join(allowed)}"
        case _:
            what, instead = _in_words(found)
    return Mistake(*located.place(path), what, instead)


def _in_words(found: Mapping[str, Any]) -> tuple[str, str | None]:
    """The validation library's own message where it is plain enough, else ours; and what to write."""
    given, details = found["input"], cast(Mapping[str, Any], found.get("ctx") or {})
    match found["type"]:
        case "string_type":
            return "must be text", f'"{given}"' if isinstance(given, int | float) else None
        case "bool_type":
            word = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
            return "must be true or false, without quotation marks", word.get(str(given).lower())
        case "list_type":
            items = list(cast(Mapping[str, Any], given)) if isinstance(given, dict) else [given]
            return "must be a list", f"[{', '.join(str(item) for item in items)}]" if given is not None else None
        case "dict_type" | "model_type":
            return "must be a block of keys, indented below", None
        case "string_too_short":
            return "must not be empty", None
        case "string_too_long":
            return f"must be no longer than {details['max_length']} characters", None
        case _:
            return str(found["msg"]).removeprefix("Value error, "), details.get("instead")


def _unreadable(error: yaml.MarkedYAMLError, text: str, line: int, column: int) -> tuple[str, str | None]:
    """What is wrong with text that is no YAML, and what to write there."""
    problem = error.problem or error.context or "unknown"
    rest = text.splitlines()[line - 1][column - 1 :].strip() if line <= len(text.splitlines()) else ""
    if "'\\t'" in problem:
        return "a tab cannot indent in YAML; write spaces", None
    if "cannot start any token" in problem and rest:
        return f"a value that begins with {rest[0]!r} stands in quotation marks", f'"{rest}"'
    return f"not readable as YAML: {problem}", None


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

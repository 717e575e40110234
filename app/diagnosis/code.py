"""What source text says, by syntax tree: which function a line is in, which functions there are, which settings are set.

Owns the grammars and nothing of meaning: `configured.py` reads values out of the expressions found here, `changes.py`
compares functions with frames. A language without a grammar gives None and empty tuples, never an error: the text may be
anything that a repository holds, so trees are walked without recursion and broken code is read as far as it parses.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import tree_sitter_c_sharp
import tree_sitter_go
import tree_sitter_java
import tree_sitter_javascript
import tree_sitter_php
import tree_sitter_python
import tree_sitter_ruby
import tree_sitter_typescript
from tree_sitter import Language as Grammar
from tree_sitter import Node, Parser, TreeCursor

from app.evidence.model import FunctionSpan

_GRAMMARS = {
    ".py": tree_sitter_python.language,
    ".pyi": tree_sitter_python.language,
    ".java": tree_sitter_java.language,
    ".js": tree_sitter_javascript.language,
    ".jsx": tree_sitter_javascript.language,
    ".mjs": tree_sitter_javascript.language,
    ".cjs": tree_sitter_javascript.language,
    ".ts": tree_sitter_typescript.language_typescript,
    ".mts": tree_sitter_typescript.language_typescript,
    ".cts": tree_sitter_typescript.language_typescript,
    ".tsx": tree_sitter_typescript.language_tsx,
    ".go": tree_sitter_go.language,
    ".rb": tree_sitter_ruby.language,
    ".rake": tree_sitter_ruby.language,
    ".php": tree_sitter_php.language_php,
    ".cs": tree_sitter_c_sharp.language,
}

_BRACKET = re.compile(r"[(\[{)\]}]")
_FUNCTIONS = frozenset(
    {
        "function_definition",  # Python, PHP
        "function_declaration",  # JavaScript, TypeScript, Go
        "generator_function_declaration",
        "method_definition",
        "method_declaration",  # Java, Go, PHP, C#
        "constructor_declaration",
        "compact_constructor_declaration",
        "local_function_statement",
        "method",  # Ruby
        "singleton_method",
    }
)
_ANONYMOUS = frozenset({"arrow_function", "function_expression", "generator_function"})
"""Functions that get their name from what they are assigned to."""

_CLASSES = frozenset(
    {
        "class_definition",
        "class_declaration",
        "abstract_class_declaration",
        "interface_declaration",
        "enum_declaration",
        "record_declaration",
        "struct_declaration",
        "trait_declaration",
        "class",
        "module",
    }
)

_BINDERS = frozenset(
    {
        "assignment",
        "assignment_expression",
        "assignment_statement",
        "augmented_assignment",
        "operator_assignment",
        "named_expression",
        "short_var_declaration",
        "variable_declarator",
        "const_spec",
        "var_spec",
        "pair",
        "keyed_element",
        "keyword_argument",
        "default_parameter",
        "typed_default_parameter",
        "optional_parameter",
        "required_parameter",
        "keyword_parameter",
        "simple_parameter",
        "parameter",
        "property_element",
        "public_field_definition",
        "field_definition",
        "const_element",
        "array_element_initializer",
        "argument",
        "attribute_argument",
        "element_value_pair",
        "property_declaration",
    }
)
_CALLS = frozenset(
    {
        "call",
        "call_expression",
        "method_invocation",
        "invocation_expression",
        "function_call_expression",
        "member_call_expression",
        "scoped_call_expression",
    }
)
_CREATIONS = frozenset({"object_creation_expression", "new_expression"})
_READS = {"attribute": "attribute", "member_access_expression": "name"}
"""Languages in which an attribute may be a function: Python, C# and PHP. Field of the node that names it."""
_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_KEEPS = re.compile(r"(.*?)(?:=|\bin\b|\bof\b|:)")
_NOT_KEPT = frozenset({"self", "this", "const", "let", "var", "val", "final", "await", "for", "if", "elif", "while"})
_EXPRESSION_LIMIT = 200
"""Longer expressions are no settings; in characters."""
_NAME_LIMIT = 120
_SOURCE_LIMIT = 300_000
_LINE_LIMIT = 5_000
"""Longer files, and files with longer lines, are generated; in characters."""
_DEPTH_LIMIT = 1_000
"""Brackets left open at once. Nothing written by a person nests so deep, and error recovery takes seconds on what does."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A name bound to a short expression: assignment, keyword argument, dictionary entry, default, or call argument.

    `name` is the dotted way to it (`timeouts.staging.connect`); `function` the enclosing function's qualified name, None at
    the top of a file. `expression` is source text.
    """

    name: str
    expression: str
    line: int
    function: str | None


@dataclass(frozen=True, slots=True)
class Use:
    """What `line` calls, or reads as an attribute, by its bare name; a constructor by its class."""

    name: str
    line: int


def has_grammar(path: str) -> bool:
    return _suffix(path) in _GRAMMARS


def enclosing_function(path: str, source: str, line: int) -> FunctionSpan | None:
    """The innermost named function around `line` (from 1).

    None: no function there, no grammar for the file, or a file that nobody wrote (over 300,000 characters, absurdly nested).
    """
    parser = _parser(_suffix(path))
    lines = source.split("\n")
    if parser is None or not _readable(source) or not 1 <= line <= len(lines):
        return None
    text = lines[line - 1]
    indent = len(_bytes(text[: len(text) - len(text.lstrip())]))
    cursor = parser.parse(_bytes(source)).walk()
    found: FunctionSpan | None = None
    classes: list[str] = []
    bound = ""
    target = (line - 1, indent)
    start_row: int | None = None
    while True:
        node = _node(cursor)
        if node.type == "decorated_definition":
            start_row = node.start_point.row
        elif node.type in _CLASSES and (name := _field_text(node, "name")):
            classes.append(name)
            start_row = None
        elif (node.type in _FUNCTIONS or node.type in _ANONYMOUS) and (name := _function_name(node, bound)):
            top = node.start_point.row if start_row is None else start_row
            found = FunctionSpan(".".join([*_receiver(node), *classes, name]), top + 1, node.end_point.row + 1)
            start_row = None
        elif node.type in _BINDERS:
            bound = _bound_name(node)
        if not _descend(cursor, target):
            return found


def functions(path: str, source: str) -> tuple[FunctionSpan, ...]:
    """Every named function of the file, in order of their first line; empty without a grammar."""
    out: list[FunctionSpan] = []
    for node, scope in _walk(path, source):
        if scope.defines:
            out.append(FunctionSpan(scope.function or "", (scope.top or 0) + 1, node.end_point.row + 1))
    return tuple(sorted(out, key=lambda span: (span.start, -span.end, span.name)))


def used_on(path: str, source: str, line: int) -> tuple[Use, ...]:
    """What the result on `line` comes from: what is called or read there, and by the lines of the same function before it
    that keep what they get under a name which `line` has. In order of lines; empty without a function or a grammar.
    """
    around = enclosing_function(path, source, line)
    if around is None:
        return ()
    lines = source.split("\n")
    named = set(_IDENTIFIER.findall(lines[line - 1])) - _NOT_KEPT
    out: dict[Use, None] = {}
    for node, scope in _walk(path, source):
        first, last = node.start_point.row + 1, node.end_point.row + 1
        if scope.function != around.name or not around.start <= first <= line:
            continue
        name = _called(node) if node.type in _CALLS | _CREATIONS else _field_text(node, _READS.get(node.type, ""))
        if name and (line <= last or not named.isdisjoint(_kept(lines[first - 1], node))):
            out[Use(name, first)] = None
    return tuple(sorted(out, key=lambda use: (use.line, use.name)))


def _kept(text: str, node: Node) -> list[str]:
    """The names before an assignment or a loop's `in` that stands before `node` on its first line."""
    before = _KEEPS.match(_bytes(text)[: node.start_point.column].decode("utf-8", "replace"))
    return _IDENTIFIER.findall(before[1]) if before is not None else []


def settings(path: str, source: str) -> tuple[Setting, ...]:
    """Names bound to short expressions that hold a number or a string, in order of lines; empty without a grammar."""
    out: list[Setting] = []
    for node, scope in _walk(path, source):
        value = _value_node(node) if scope.binds else None
        if value is None:
            continue
        text = _text(value)
        if any(c.isdigit() or c in "\"'`" for c in text):
            name = ".".join(scope.names)[-_NAME_LIMIT:]
            out.append(Setting(name, text, value.start_point.row + 1, scope.function))
    return tuple(out)


@dataclass(slots=True)
class _Scope:
    """Where a node stands. `names`: what its value is bound to.

    `defines`: the node is itself a named function, from row `top`. `binds`: the node itself added the last name.
    """

    classes: tuple[str, ...] = ()
    function: str | None = None
    names: tuple[str, ...] = ()
    top: int | None = None
    defines: bool = False
    binds: bool = False


def _walk(path: str, source: str) -> Iterator[tuple[Node, _Scope]]:
    """Every node with its scope, parents first."""
    parser = _parser(_suffix(path))
    if parser is None or not _readable(source):
        return
    cursor = parser.parse(_bytes(source)).walk()
    scopes: list[_Scope] = [_Scope()]
    while True:
        node, outer = _node(cursor), scopes[-1]
        scope = _enter(node, outer)
        yield node, scope
        if cursor.goto_first_child():
            scopes.append(scope)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            scopes.pop()


def _enter(node: Node, outer: _Scope) -> _Scope:
    kind = node.type
    if kind == "decorated_definition":
        return _Scope(outer.classes, outer.function, top=node.start_point.row)
    if kind in _CLASSES and (name := _field_text(node, "name")):
        return _Scope((*outer.classes, name), outer.function)
    if kind in _FUNCTIONS or kind in _ANONYMOUS:
        name = _function_name(node, outer.names[-1] if outer.names else "")
        if name:
            qualified = ".".join([*_receiver(node), *outer.classes, name])
            decorated = outer.top is not None and not outer.defines
            return _Scope(outer.classes, qualified, (), outer.top if decorated else node.start_point.row, defines=True)
        return _Scope(outer.classes, outer.function)
    if kind in _BINDERS and (name := _bound_name(node)):
        return _Scope(outer.classes, outer.function, (*outer.names, name), binds=True)
    if kind in _CALLS and not outer.names and (name := _called(node)):
        return _Scope(outer.classes, outer.function, (name,), binds=True)
    return _Scope(outer.classes, outer.function, outer.names)


def _value_node(node: Node) -> Node | None:
    """The value that `node` binds, when it binds one and no other binder stands inside it."""
    if node.type in _CALLS:
        literal = [n for n in _arguments(node) if any(c.isdigit() for c in _text(n)) and not _binds_inside(n)]
        return literal[0] if len(literal) == 1 else None
    if node.type not in _BINDERS:
        return None
    value = node.child_by_field_name("right") or node.child_by_field_name("value")
    value = value or node.child_by_field_name("default_value")
    if value is None and node.named_child_count >= 2:
        value = node.named_children[-1]
    if value is None or _binds_inside(value):
        return None
    return value


def _binds_inside(value: Node) -> bool:
    if value.end_byte - value.start_byte > _EXPRESSION_LIMIT:
        return True
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if (node.type in _BINDERS and _bound_name(node)) or node.type in _FUNCTIONS or node.type in _ANONYMOUS:
            return True
        waiting.extend(node.named_children)
    return False


def _arguments(call: Node) -> list[Node]:
    arguments = call.child_by_field_name("arguments")
    return [] if arguments is None else arguments.named_children[:8]


def _called(call: Node) -> str:
    fields = ("function", "name", "method", "constructor", "type")
    function = next((child for field in fields if (child := call.child_by_field_name(field))), None)
    if function is None and call.type in _CREATIONS and call.named_child_count:
        function = call.named_children[0]
    return _plain_name(_text(function)) if function is not None else ""


def _bound_name(node: Node) -> str:
    target = node.child_by_field_name("left") or node.child_by_field_name("name")
    target = target or node.child_by_field_name("key") or node.child_by_field_name("pattern")
    if target is None and node.type in {"const_element", "array_element_initializer", "typed_default_parameter"}:
        target = node.named_children[0] if node.named_child_count >= 2 else None
    return _plain_name(_text(target)) if target is not None else ""


def _plain_name(text: str) -> str:
    """The last part of `self.db["timeout"]` or `$this->timeout`: letters, digits and what joins words."""
    text = text[-_NAME_LIMIT:].strip("\"'`[]() $:@")
    for mark in ('["', "['", "->", "::", ".", "?.", "$"):
        text = text.rpartition(mark)[2]
    text = text.strip("\"'`[]() :@")
    return text if text and all(c.isalnum() or c in "_-/ " for c in text) else ""


def _function_name(node: Node, bound: str) -> str:
    if node.type in _ANONYMOUS:
        return bound
    return _field_text(node, "name")


def _receiver(node: Node) -> list[str]:
    """Go: the type that a method belongs to."""
    receiver = node.child_by_field_name("receiver")
    if receiver is None or receiver.type != "parameter_list":
        return []
    words = _text(receiver).strip("() ").replace("*", " ").split()
    return [words[-1].partition("[")[0]] if words else []


def _descend(cursor: TreeCursor, target: tuple[int, int]) -> bool:
    """Move to the child around `target`; False when there is none."""
    if cursor.goto_first_child_for_point(target) is None:
        return False
    start = _node(cursor).start_point
    return (start.row, start.column) <= target


def _field_text(node: Node, field: str) -> str:
    child = node.child_by_field_name(field)
    return _text(child)[:_NAME_LIMIT] if child is not None else ""


def _text(node: Node) -> str:
    """Empty for what is too long to be a name or a setting, so that nested text is not copied at every level."""
    if node.end_byte - node.start_byte > _EXPRESSION_LIMIT:
        return ""
    return (node.text or b"").decode("utf-8", "replace")


def _node(cursor: TreeCursor) -> Node:
    node = cursor.node
    assert node is not None  # a cursor over a whole tree always stands on a node
    return node


def _bytes(source: str) -> bytes:
    return source.encode("utf-8", "replace")


def _readable(source: str) -> bool:
    if len(source) > _SOURCE_LIMIT or max(map(len, source.split("\n"))) > _LINE_LIMIT:
        return False
    depth = 0
    for bracket in _BRACKET.findall(source):
        depth += 1 if bracket in "([{" else -1
        if depth > _DEPTH_LIMIT:
            return False
        depth = max(depth, 0)
    return True


def _suffix(path: str) -> str:
    name = path.rpartition("/")[2]
    return "." + name.rpartition(".")[2].lower() if "." in name else ""


@cache
def _parser(suffix: str) -> Parser | None:
    grammar = _GRAMMARS.get(suffix)
    return Parser(Grammar(grammar())) if grammar is not None else None

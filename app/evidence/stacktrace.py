"""Text to stack traces, for Python, Java, Node.js, Go, Ruby, PHP and .NET, and the identity of a fault.

Owns what a trace looks like in each language, which frames are the program's own, and what of a trace stays the same each
time one fault happens. Leaves to `joining.py` putting a trace together from several entries, and to `grouping.py` what
becomes of a fault without a trace. `RawTrace` still holds secrets; `to_stack_trace` makes the kept form.

Nothing here raises on any text: what cannot be read as a trace is None.
"""

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from app.evidence.faultwords import fault_words
from app.evidence.model import ExceptionInfo, Frame, Language, StackTrace
from app.redact import Redacted

_MAX_TEXT = 400_000
_MAX_MESSAGE = 2_000
_MAX_FRAMES = 400
_REMEMBERED = 8_192
"""Frames recur: thousands of occurrences differ in their messages alone."""
_LONG_LINE = re.compile(r"^(.{2000}).+$", re.MULTILINE)
"""Nothing that is looked for stands further right, and text from outside must not choose what reading it costs."""


class RawFrame(NamedTuple):
    """As `model.Frame`, not redacted. `function` is "" when the trace names none."""

    function: str
    file: str | None
    line: int | None
    module: str | None
    in_app: bool


class RawException(NamedTuple):
    """As `model.ExceptionInfo`, not redacted: frames start at the raise point."""

    type: str
    message: str
    frames: tuple[RawFrame, ...]


class RawTrace(NamedTuple):
    """As `model.StackTrace`, not redacted: the chain goes from the outermost exception to the innermost cause."""

    language: Language
    chain: tuple[RawException, ...]

    @property
    def innermost(self) -> RawException:
        return self.chain[-1]

    @property
    def top_own_frame(self) -> tuple[RawException, RawFrame] | None:
        return _top_own_frame(self.chain)


def _top_own_frame(chain: Sequence[RawException]) -> tuple[RawException, RawFrame] | None:
    for raised in reversed(chain):
        for frame in raised.frames:
            if frame.in_app:
                return raised, frame
    return None


def may_hold_trace(text: str) -> bool:
    """Whether `parse_trace` is worth calling; true for every text that it reads, and for few others."""
    if "\n" in text:
        return (
            'File "' in text
            or ("at " in text and ("  at " in text or "\tat " in text or _AT_START.search(text) is not None))
            or ".go:" in text
            or ":in `" in text
            or ":in '" in text
            or "\n#0 " in text
            or " on line " in text
            or "\nNode.js v" in text
            or ("rror: " in text and _NODE_BARE.search(text) is not None)
        )
    if " on line " in text:
        return ".php" in text and _PHP_PLAIN.search(text) is not None
    if "rror: " in text:
        return _NODE_BARE.match(text) is not None
    return ".rb:" in text and ":in " in text


def parse_trace(text: str) -> RawTrace | None:
    """Read the stack trace that `text` is, or ends in after a log prefix. None: it holds no trace."""
    if not may_hold_trace(text):
        return None
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT]
    if "\r" in text:
        text = text.replace("\r\n", "\n")
    if "\x1b" in text:
        text = without_colours(text)
    if _LONG_LINE.search(text):
        text = _LONG_LINE.sub(r"\1", text)
    text = _without_prefix(text)
    for read in _readers(text):
        trace = read(text)
        if trace is not None:
            return trace
    return None


_GO_HEADLESS = re.compile(r"\s*(?:goroutine \d|\S+\n\t\S+\.(?:go|s):\d)")
_HEADLESS = re.compile(r"\s*(?:at \S|\S+:\d+:in [`'][^\n]*'\s*$)", re.MULTILINE)


def with_head(trace: str, name: str | None, said: str | None) -> str:
    """`trace` below the exception's `name` and what it `said`, where a logger keeps them apart from the frames."""
    if said is not None and _GO_HEADLESS.match(trace):
        return f"{said}\n{trace}"
    if not _HEADLESS.match(trace):
        return trace
    head = ": ".join(part for part in (name, said) if part)
    return f"{head}\n{trace}" if head else trace


_DIGITS = re.compile(r"\d+")
_PREFIX_END = re.compile(r".*\S(?=\s)")


def _without_prefix(text: str) -> str:
    """`text` without what a logger or a container's runtime put before each of its lines, alike but for numbers."""
    lines = text.rstrip("\n").split("\n")
    if len(lines) < 3:
        return text
    few = [_DIGITS.sub("0", lines[at][:200]) for at in (0, 1, len(lines) // 2, -1)]
    low, high = min(few), max(few)
    alike = next((at for at, (one, other) in enumerate(zip(low, high, strict=False)) if one != other), len(low))
    prefix = _PREFIX_END.match(low[:alike])
    # The frames of Ruby may all begin alike, and an indentation is no prefix.
    if prefix is None or prefix[0][0].isspace() or ":in " in prefix[0]:
        return text
    pattern = re.escape(prefix[0]).replace("0", r"\d+")
    return re.sub(rf"^{pattern}[ \t]?", "", text, flags=re.MULTILINE)


_COLOURS = re.compile(r"\x1b\[[\d;]*[A-Za-z]")


def without_colours(text: str) -> str:
    """`text` without what tells a terminal how to show it."""
    return _COLOURS.sub("", text)


def _readers(text: str) -> list[Callable[[str], RawTrace | None]]:
    readers: list[Callable[[str], RawTrace | None]] = []
    if 'File "' in text or "Traceback (most" in text:
        readers.append(_read_python)
    if ".go:" in text:
        readers.append(_read_go)
    if ":in `" in text or ":in '" in text:
        readers.append(_read_ruby)
    if "\n#0 " in text or " on line " in text:
        readers.append(_read_php)
    if "at " in text and (at := _AT_START.search(text)) is not None:
        readers.append(_at_reader(text, at.start()))
    if "rror: " in text or "--trace-uncaught" in text:
        readers.append(_read_bare_node)
    return readers


_KEPT_FRAMES = 60
_KEPT_LIBRARY_FRAMES = 30


def to_stack_trace(raw: RawTrace, cut: Callable[[str], Redacted]) -> StackTrace:
    """The kept form of `raw`, every text of it cut by `cut`.

    Of each exception 60 frames at most: library frames only near the raise point, own frames wherever they are.
    """
    return StackTrace(
        raw.language,
        tuple(
            ExceptionInfo(
                cut(raised.type),
                cut(raised.message),
                tuple(_kept_frame(frame, cut) for frame in _worth_keeping(raised.frames)),
            )
            for raised in raw.chain
        ),
    )


def _worth_keeping(frames: Sequence[RawFrame]) -> list[RawFrame]:
    return [frame for at, frame in enumerate(frames) if at < _KEPT_LIBRARY_FRAMES or frame.in_app][:_KEPT_FRAMES]


def _kept_frame(frame: RawFrame, cut: Callable[[str], Redacted]) -> Frame:
    return Frame(
        cut(frame.function),
        None if frame.file is None else cut(frame.file),
        frame.line,
        None if frame.module is None else cut(frame.module),
        frame.in_app,
    )


# --- identity ---------------------------------------------------------------------------------------------------------

_OVERFLOW = frozenset({"RecursionError", "StackOverflowError", "SystemStackError", "StackOverflowException"})
_NODE_TYPES = frozenset(
    {"TypeError", "RangeError", "ReferenceError", "SyntaxError", "URIError", "EvalError", "AggregateError"}
)
_DATA_DEPENDENT = frozenset({"UnicodeDecodeError", "UnicodeEncodeError", "SyntaxError", "IndentationError"})
"""Raised in the program's frame, as the interpreter's parsers and codecs have none; the data decides their messages."""
_GUARDS = re.compile(r"(?:^|\.)(?:require\w*|check[A-Z]\w*|notNull|isTrue|state|assert\w*|fail|raise\w*|[Tt]hrow\w*)$")


def trace_identity(raw: RawTrace) -> str:
    """What every occurrence of one fault has in common and no other fault has; readable, and not redacted by itself.

    It rests on the language, the types of the chain, the program's own function nearest to the raise point, and the words
    that the message of the innermost exception always has. Line numbers, addresses, generated numbers, path prefixes,
    depth of recursion, number of attempts and every value are left out. Without an own frame the raising function of the
    library stands in for it.
    """
    chain = _shown_always(raw)
    innermost = chain[-1]
    overflow = (
        _short_type(innermost.type) in _OVERFLOW
        or "stack size exceeded" in innermost.message
        or "stack overflow" in innermost.message
    )
    types = list(dict.fromkeys(_type_key(raw.language, raised.type) for raised in reversed(chain)))
    own = _top_own_frame(chain)
    if own is None:
        place = _function_key(raw.language, innermost.frames[0].function) if innermost.frames else ""
        words = fault_words(innermost.message)
    else:
        raised, frame = own
        if overflow:
            place = _cycle(raw.language, raised.frames)
            words = ""
        else:
            place = _place(raw.language, raised.frames)
            words = _message_key(raw.language, raised, innermost, frame)
    return "|".join((raw.language.value, "<".join(types), place, words))


def _shown_always(raw: RawTrace) -> tuple[RawException, ...]:
    """The part of the chain that every print of the failure shows.

    What Node.js and Ruby hand to a logger (`err.stack`, `backtrace`) ends before the causes; what they print when nobody
    catches the failure has them. So there the outermost exception with a frame of the program's own tells the fault.
    """
    if raw.language in (Language.NODE, Language.RUBY):
        for at, raised in enumerate(raw.chain):
            if any(frame.in_app for frame in raised.frames):
                return raw.chain[: at + 1]
    return raw.chain


_DOTNET_PARAMETER = re.compile(r"\s+\(Parameter '[^']*'\)|\s+Parameter name: .*")  # each runtime adds it its own way

_DOTNET_RUNTIME = frozenset(
    {
        "ArrayTypeMismatchException",
        "DivideByZeroException",
        "IndexOutOfRangeException",
        "InvalidCastException",
        "KeyNotFoundException",
        "NullReferenceException",
        "OutOfMemoryException",
        "OverflowException",
    }
)
"""Thrown by the runtime, and .NET and Mono word them differently."""


def _message_key(language: Language, raised: RawException, innermost: RawException, frame: RawFrame) -> str:
    """Words that tell two faults of one function apart.

    Where the program itself raises, its author wrote the message. Where a library raises, the message follows the data it
    was given (a parser names what it stumbled over), so only error codes are kept.
    """
    short = _short_type(innermost.type)
    if short in _DATA_DEPENDENT or (language is Language.DOTNET and short in _DOTNET_RUNTIME):
        return ""
    if language is Language.GO:  # its chain of causes is in the text, and what raised is always the program
        return fault_words(innermost.message)
    by_program = raised is innermost and (innermost.frames[0] is frame or _GUARDS.search(innermost.frames[0].function))
    message = _DOTNET_PARAMETER.sub("", innermost.message) if language is Language.DOTNET else innermost.message
    return fault_words(message, codes_only=not by_program)


def _cycle(language: Language, frames: Sequence[RawFrame]) -> str:
    """The functions of endless recursion; where in the cycle, or in which helper, the stack ran out is chance."""
    counts: dict[str, int] = {}
    for frame in frames:
        if frame.in_app:
            place = f"{_file_key(language, frame.file)}:{_function_key(language, frame.function)}"
            counts[place] = counts.get(place, 0) + 1
    often = max(counts.values())
    return min(place for place, count in counts.items() if 2 * count >= often)


def _place(language: Language, frames: Sequence[RawFrame]) -> str:
    """The own function nearest to the raise point; with its caller where it has no name of its own."""
    parts: list[str] = []
    for frame in frames:
        if not frame.in_app:
            continue
        name = _function_key(language, frame.function)
        if name in {"<listcomp>", "<dictcomp>", "<setcomp>"}:
            continue  # a frame until Python 3.11, inlined since
        parts.append(f"{_file_key(language, frame.file)}:{name}")
        if name not in {"", "<anonymous>", "<lambda>", "<genexpr>", "{closure}", "func"}:
            break
    return "<".join(dict.fromkeys(parts))


def _short_type(name: str) -> str:
    return re.split(r"[.\\$:+/]", name)[-1]


def _type_key(language: Language, name: str) -> str:
    """Loggers print a type with or without its package. Node prints the class of an error in some shapes only."""
    short = _short_type(name)
    if language is Language.NODE and short not in _NODE_TYPES:
        return "Error"
    return short


_ROOTS = frozenset(
    """
    app apps application workspace src srv code www html project repo build dist deploy release current task home root usr
    opt var tmp work data bundle service server function layers
    """.split()  # noqa: SIM905 - reads better than a column of literals
)


@lru_cache(maxsize=_REMEMBERED)
def _file_key(language: Language, file: str | None) -> str:
    """File name with its folder, unless the folder is one of those that programs are deployed into.

    None for Java and .NET, whose functions carry their class, and whose files are there only with symbols.
    """
    if file is None or language in (Language.JAVA, Language.DOTNET):
        return ""
    parts = re.split(r"[/\\]", file)[-2:]
    return "/".join(parts if len(parts) == 2 and parts[0] and parts[0] not in _ROOTS else parts[-1:])


_NODE_AS = re.compile(r" \[as .*\]$")
_JAVA_LAMBDA = re.compile(r"lambda\$(\w*?)(?:\$\d+)?$")
_NUMBERED = re.compile(r"\$+\d+\b|\$\$Lambda.*$|\$\$[A-Z]\w*?CGLIB\$\$\w+|@[0-9a-f]+\b")
_GO_FUNC = re.compile(r"\.(?:func)?\d+(?:\.(?:func)?\d+)*(?:\.gowrap\d+)*$")
_RUBY_IN = re.compile(r"^(?:(?:block|rescue|ensure)(?: \(\d+ levels\))? in )+")
_PHP_CLOSURE = re.compile(r"\{closure[^}]*\}")
_DOTNET_GENERATED = re.compile(r"<(\w+)>(?:[a-z]+__\w*(?:\|[\d_]+)?|c__\w+)")


@lru_cache(maxsize=_REMEMBERED)
def _function_key(language: Language, name: str) -> str:
    """`name` without what a compiler, a revision or an interpreter changes in it."""
    match language:
        case Language.PYTHON:
            return name
        case Language.JAVA:
            name = _NUMBERED.sub("", _JAVA_LAMBDA.sub(r"lambda$\1", name))
            return name.replace("lambda$", "")
        case Language.NODE:
            name = _NODE_AS.sub("", name).removeprefix("async ").removeprefix("new ")
            name = name.rsplit(".", 1)[-1]
            return name or "<anonymous>"
        case Language.GO:
            return _GO_FUNC.sub(".func", re.sub(r"\[[^\]]*\]", "", name))
        case Language.RUBY:
            return re.split(r"[#.]", _RUBY_IN.sub("", name))[-1]
        case Language.PHP:
            name = _PHP_CLOSURE.sub("{closure}", name)
            return "{closure}" if name.endswith("{closure}") else name
        case Language.DOTNET:
            return _dotnet_name(name)


def _dotnet_name(name: str) -> str:
    """`Shop.Orders+<>c__DisplayClass3_0.<Load>b__1` and `Shop.Orders/<Load>d__4.MoveNext` are both `Shop.Orders.Load`."""
    name = re.sub(r"`\d+|\[[^\]]*\]", "", name.replace("+", ".").replace("/", "."))
    if "<" in name:
        generated = _DOTNET_GENERATED.findall(name)
        owner = name.split("<", 1)[0].rstrip(".")
        if generated:
            return f"{owner}.{generated[-1]}"
    return name


# --- frames: whose code -----------------------------------------------------------------------------------------------

_PYTHON_LIBRARY = re.compile(r"/(?:site|dist)-packages/|/lib(?:64)?/python\d|^<(?!module)|[\\/]Lib[\\/]|/lib/pypy")
_JAVA_LIBRARY = (
    "java. javax. jakarta. jdk. sun. com.sun. kotlin. kotlinx. scala. groovy. clojure. akka. reactor. rx. io.reactivex. "
    "org.springframework. org.apache. org.hibernate. org.eclipse. org.jboss. org.junit. org.slf4j. org.postgresql. "
    "org.glassfish. org.codehaus. org.quartz. org.mongodb. org.redisson. org.aspectj. org.flywaydb. org.jooq. org.xnio. "
    "io.netty. io.grpc. io.vertx. io.quarkus. io.micronaut. io.undertow. io.lettuce. io.opentelemetry. io.micrometer. "
    "com.google. com.fasterxml. com.zaxxer. com.mysql. com.mongodb. com.squareup. com.amazonaws. com.microsoft. "
    "com.netflix. com.github.benmanes. ch.qos. okhttp3. okio. retrofit2. redis.clients. net.bytebuddy. net.sf. "
    "feign. liquibase. software.amazon. oracle. freemarker. brave."
)
_JAVA_LIBRARY_START = tuple(_JAVA_LIBRARY.split())
_GO_STANDARD = frozenset(
    """
    archive bufio bytes cmp compress container context crypto database debug embed encoding errors expvar flag fmt go hash
    html image index internal io iter log maps math mime net os path plugin reflect regexp runtime slices sort strconv
    strings sync syscall testing text time unicode unique unsafe vendor panic
    """.split()  # noqa: SIM905 - as above
)
_GO_LIBRARY = re.compile(r"/pkg/mod/|/vendor/|/(?:go|golang)/src/(?:runtime|net|internal)/|/go-?1[.\d]*/src/")
_RUBY_LIBRARY = re.compile(r"/lib/ruby/|/gems/|^<internal:|/bundler/|/vendor/bundle/|/rubygems|^\(eval")
_PHP_LIBRARY = re.compile(r"/vendor/|^/usr/share/php|^phar:")
_NODE_LIBRARY = re.compile(
    r"^node:|^internal/|/node_modules/|^<anonymous>|^native|^index \d|^wasm:|^evalmachine|"
    # Before version 15 the runtime's own files were printed by their bare names.
    r"^(?:assert|async_hooks|bootstrap_node|buffer|child_process|cluster|console|crypto|dgram|dns|domain|events|fs|http|http2|"
    r"https|inspector|module|net|node|os|path|perf_hooks|querystring|readline|repl|stream|string_decoder|timers|tls|url|util|"
    r"v8|vm|worker_threads|zlib|_[a-z_]+)\.js$"
)
_DOTNET_LIBRARY = (
    "System.",
    "Microsoft.",
    "Mono.",
    "Interop.",
    "Interop+",
    "Internal.",
    "Npgsql.",
    "MySql.",
    "MySqlConnector.",
    "Newtonsoft.",
    "Grpc.",
    "Google.",
    "Serilog.",
    "NLog.",
    "StackExchange.",
    "MediatR.",
    "AutoMapper.",
    "Dapper.",
    "Polly.",
    "RestSharp.",
    "MongoDB.",
    "Amazon.",
    "Azure.",
    "FluentValidation.",
    "Hangfire.",
    "MassTransit.",
    "RabbitMQ.",
    "Castle.",
    "Autofac.",
    "lambda_method",
    "(wrapper",
)


def _number(text: str | None) -> int | None:
    return int(text) if text and len(text) < 10 and text.isdecimal() and text != "0" else None


def _message(lines: Sequence[str]) -> str:
    return "\n".join(lines)[:_MAX_MESSAGE].rstrip()


# --- Python -----------------------------------------------------------------------------------------------------------

_PY_BOX = re.compile(r"^( *)([|+])(?: |-|$)(.*)$")
_PY_FRAME = re.compile(r'^ *>? ?File "([^"]*)", line (\d+)(?:, in (.*))?$')
_PY_RAISED = re.compile(r"^([A-Za-z_][\w.]*)(?:: ?(.*))?$")
_PY_LINKS = ("During handling of the above exception", "The above exception was the direct cause")


_PY_OUTSIDE = re.compile("|".join(("Traceback", *_PY_LINKS)))
"""What goes on behind the box of an exception group; other lines there are not of the trace."""


class _Block:
    """One exception of a Python traceback while it is read. `depth` is the column of its group's box, 0 without."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.frames: list[RawFrame] = []
        self.type = ""
        self.message: list[str] = []

    def raised(self) -> RawException:
        frames = self.frames[-_MAX_FRAMES:]
        frames.reverse()
        return RawException(self.type, _message(self.message), tuple(frames))


@lru_cache(maxsize=_REMEMBERED)
def _python_frame(line: str) -> RawFrame | None:
    frame = _PY_FRAME.match(line)
    if frame is None:
        return None
    return RawFrame(frame[3] or "<module>", frame[1], _number(frame[2]), None, not _PYTHON_LIBRARY.search(frame[1]))


def _read_python(text: str) -> RawTrace | None:
    blocks: list[_Block] = []
    block: _Block | None = None
    skip_from: int | None = None
    depth = 0
    for line in text.split("\n"):
        content = line
        stripped = line.lstrip(" ")
        if stripped[:1] in ("|", "+") and (box := _PY_BOX.match(line)):
            depth = len(box[1])
            content = box[3]
            if box[2] == "+" and "---" in content:
                number = content.strip("-+ ")
                if skip_from is not None and depth >= skip_from:
                    continue
                if number == "1":
                    block = _Block(depth + 2 if content.startswith("+") else depth)
                    blocks.append(block)
                    skip_from = None
                else:
                    skip_from, block = depth, None
                continue
        elif (not line and block is not None and block.depth) or (
            skip_from is not None and not _PY_OUTSIDE.match(line)
        ):
            continue
        else:
            depth = 0
        if skip_from is not None:
            if depth >= skip_from:
                continue
            skip_from = None
        if "Traceback (most recent call last)" in content:
            if block is None or block.type or block.frames:
                block = _Block(depth)
                blocks.append(block)
            continue
        frame = _python_frame(content) if 'File "' in content else None
        if frame is not None:
            if block is None or (block.type and content.startswith("  File")):
                block = _Block(depth)
                blocks.append(block)
            if block.type:
                block.message.append(content)
                continue
            block.frames.append(frame)
            continue
        if block is None:
            continue
        if block.type:
            if content.startswith(_PY_LINKS):
                block = None
            elif len(block.message) < 20:
                block.message.append(content)
        elif content and content[0] not in " \t│└" and (raised := _PY_RAISED.match(content)):
            block.type = raised[1]
            block.message.append(raised[2] or "")
    named = [b for b in blocks if b.type or b.frames]
    if not named or not any(b.frames for b in named):
        return None
    chain: list[RawException] = []
    for at in sorted({b.depth for b in named}):
        chain += [b.raised() for b in reversed([b for b in named if b.depth == at])]
    return RawTrace(Language.PYTHON, tuple(chain))


# --- Java, Node.js and .NET: lines that begin with "at" -----------------------------------------------------------------

_AT_START = re.compile(r"^[ \t]*at \S", re.MULTILINE)
_NODE_FRAME = re.compile(
    r"^\s*at (?:(async) )?(?:(.+?) \((?:file://)?(.*?)(?::(\d+):(\d+))?\)|(?:file://)?(\S*?)(?::(\d+):(\d+))?)"
    r"(,| \{)?\s*$"
)
_NODE_LOOK = re.compile(r":\d+:\d+\)?,?(?: \{)?\s*$|\((?:<anonymous>|native|index \d+)\)|at <anonymous>|at async ")
_JAVA_FRAME = re.compile(r"^\s*at (?:[\w.@-]*/)*([\w.$<>@/-]+)\.([\w$<>-]+)\(([^()]*?)(?::(\d+))?\)")
_JAVA_LOOK = re.compile(
    r"\((?:[^()]*\.(?:java|kt|scala|groovy|clj)(?::\d+)?|Native Method|Unknown Source|<generated>)\)"
)


def _at_reader(text: str, start: int) -> Callable[[str], RawTrace | None]:
    """The language of the first line that is surely a frame.

    A .NET frame without its file is not sure: a message may hold `at [Source: …] (…)`, as Jackson's do.
    """
    for line in text[start : start + 20_000].split("\n")[:80]:
        if not line.lstrip().startswith("at "):
            continue
        if _JAVA_LOOK.search(line):
            return _read_java
        if _NODE_LOOK.search(line):
            return _read_node
        if (frame := _DOTNET_FRAME.match(line)) is not None and frame[3] is not None:
            return _read_dotnet
    return _read_dotnet


_NAME = r"((?:[A-Za-z_$][\w$]*[.+/])*[A-Z_$][\w$`]*)"
_SURE_NAME = r"((?:[A-Za-z_$][\w$]*[.+/])*[\w$`]*(?:Exception|Error|Throwable|Failure|Fault|Rejection))"
_SAYS = r"(?: \[[\w-]+\])?(?:: ?(.*)|\]?(?: \{)?$)"
_HEAD_PREFIX = re.compile(r'Exception in thread ".*?" |Unhandled exception\. |Uncaught ')
_HEAD_FIRST = re.compile(rf"\[?{_NAME}{_SAYS}")
_HEAD_SURE = re.compile(rf"(?:^|[\s\[(]){_SURE_NAME}{_SAYS}")
_HEAD_LIKELY = re.compile(rf"(?:^|[\s\[(]){_NAME}{_SAYS}")
_DETAIL = re.compile(
    r"\s|(?:Detail|Hint|Where|Position|Query|Context|Path|Parameter name|Actual value|Require stack)\b"
)
"""How a further line of a message begins that might be taken for `Type: message`."""


class _Head(NamedTuple):
    type: str
    message: str


def _head(line: str) -> tuple[_Head | None, bool]:
    """What `prefix Type [CODE]: message` names, and whether it is sure to be an exception.

    At the start of the line a package or the name tells; further right only the name, as in `Error: no IOError: x`.
    """
    line = _HEAD_PREFIX.sub("", line, count=1)
    first = _HEAD_FIRST.match(line)
    if first is not None and ("." in first[1] or _HEAD_SURE.match(line)):
        return _Head(first[1], first[2] or ""), True
    if first is not None and (first[1].isupper() or first[2] is None):
        first = None
    if first is None and (sure := _HEAD_SURE.search(line)) is not None:
        return _Head(sure[1], sure[2] or ""), True
    found = first or _HEAD_LIKELY.search(line)
    return (None if found is None or found[1].isupper() else _Head(found[1], found[2] or "")), False


def _head_above(lines: Sequence[str], first: int) -> tuple[_Head, list[str]]:
    """The exception named above the first frame, and the further lines of its message; blank when there is none.

    A name inside the line right above (`THIS 1 [in x] : Object`) gives way to an exception that begins a line further up.
    """
    likely: tuple[_Head, list[str]] | None = None
    near = False
    for at in range(first - 1, max(-1, first - 40), -1):
        head, sure = _head(lines[at])
        if head is None:
            continue
        begins = _HEAD_FIRST.match(_HEAD_PREFIX.sub("", lines[at], count=1)) is not None
        above = at == first - 1 and not _DETAIL.match(lines[at])
        if (sure and (begins or not near)) or (above and begins):
            return head, list(lines[at + 1 : first])
        near = near or above
        likely = likely or (head, list(lines[at + 1 : first]))
    return likely or (_Head("", lines[first - 1].strip() if first else ""), [])


@lru_cache(maxsize=_REMEMBERED)
def _java_frame(line: str) -> RawFrame | None:
    frame = _JAVA_FRAME.match(line)
    if frame is None:
        return None
    owner, place = frame[1].rsplit("/", 1)[-1], frame[3]
    file = place if place and " " not in place and not place.startswith("<") else None
    return RawFrame(f"{owner}.{frame[2]}", file, _number(frame[4]), owner, not owner.startswith(_JAVA_LIBRARY_START))


def _read_java(text: str) -> RawTrace | None:
    lines = text.split("\n")
    chain: list[RawException] = []
    frames: list[RawFrame] = []
    head: _Head | None = None
    more: list[str] = []
    suppressed: int | None = None
    for at, line in enumerate(lines):
        stripped = line.lstrip()
        if not stripped:
            continue
        if suppressed is not None:
            if len(line) - len(stripped) >= suppressed:
                continue
            suppressed = None
        if stripped.startswith("at ") and (frame := _java_frame(stripped)) is not None:
            if head is None:
                head, more = _head_above(lines, at)
            if len(frames) < _MAX_FRAMES:
                frames.append(frame)
        elif head is not None:
            if stripped.startswith("Suppressed: "):
                suppressed = max(1, len(line) - len(stripped))
            elif stripped.startswith("Caused by: [CIRCULAR"):
                break
            elif stripped.startswith("Caused by: "):
                chain.append(RawException(head.type, _message([head.message, *more]), tuple(frames)))
                cause = stripped[11:]
                name, _, message = cause.partition(": ")
                head, more, frames = _Head(name.strip(), message), [], []
            elif not frames and not stripped.startswith("... "):
                more.append(line)
    if head is None:
        return None
    chain.append(RawException(head.type, _message([head.message, *more]), tuple(frames)))
    return RawTrace(Language.JAVA, tuple(chain))


@lru_cache(maxsize=_REMEMBERED)
def _node_frame(line: str) -> RawFrame | None:
    frame = _NODE_FRAME.match(line)
    if frame is None:
        return None
    if frame[2] is not None:
        function, file, at = frame[2], frame[3], frame[4]
    else:
        function, file, at = "<anonymous>", frame[6], frame[7]
    own = at is not None and not _NODE_LIBRARY.search(file)
    return RawFrame(function, file if at is not None else None, _number(at), None, own)


_NODE_PREFACE = re.compile(r"^(?:file://)?(/\S+\.[cm]?[jt]sx?|[A-Z]:\\\S+):(\d+)$", re.MULTILINE)


def _read_node(text: str) -> RawTrace | None:
    lines = text.split("\n")
    chain: list[RawException] = []
    head: _Head | None = None
    more: list[str] = []
    frames: list[RawFrame] = []
    leaf: int | None = None  # column of the first error of an aggregate: the others are left out
    in_errors = False

    def close() -> None:
        nonlocal head, more, frames
        if head is not None:
            chain.append(RawException(head.type, _message([head.message, *more]), tuple(frames)))
        head, more, frames = None, [], []

    for at, line in enumerate(lines):
        stripped = line.lstrip()
        if stripped.startswith("at ") and (frame := _node_frame(line)) is not None:
            if head is None:
                if chain:
                    continue
                head, more = _head_above(lines, at)
            if len(frames) < _MAX_FRAMES:
                frames.append(frame)
            continue
        if stripped.startswith(("[cause]: ", "caused by: ", "Caused by: ")):
            if (cause := _head(stripped.split(": ", 1)[1])[0]) is not None:
                if head is None and not chain:
                    head, more = _head_above(lines, at)
                close()
                head = cause
        elif stripped.startswith(("[errors]: [", "errors: [")):
            if head is None and not chain:
                head, more = _head_above(lines, at)
            close()
            in_errors = True
        elif in_errors and stripped and (inner := _HEAD_SURE.match(stripped)):
            column = len(line) - len(stripped)
            if leaf is None or column > leaf:
                leaf = column if leaf is None else leaf
                close()
                head = _Head(inner[1], inner[2] or "")
            else:
                break
        elif head is not None and not frames and stripped:
            more.append(line)
        elif frames and stripped in ("}", "]", "},", "],") and len(line) == len(stripped):
            break
    close()
    if not chain:
        return None
    return RawTrace(Language.NODE, tuple(chain))


_NODE_BARE = re.compile(
    r"^(?:Uncaught )?\[?(\w*Error)(?: \[(\w+)\])?: ((?:\w+ )?E[A-Z]{3,}\b[^\n]*?)(?:\] \{|\])?$"
    r"|^[^\n]*\[(\w*Error)(?: \[(\w+)\])?: ([^\n]*)\] \{$",
    re.MULTILINE,
)


def _read_bare_node(text: str) -> RawTrace | None:
    """An error of Node.js without a stack: system errors of promises have none, nor has a thrown value."""
    found = _NODE_BARE.search(text)
    frames: tuple[RawFrame, ...] = ()
    if preface := _NODE_PREFACE.search(text):
        own = not _NODE_LIBRARY.search(preface[1])
        frames = (RawFrame("", preface[1], _number(preface[2]), None, own),)
    if found is not None:
        name, message = found[1] or found[4], found[3] or found[6] or ""
        return RawTrace(Language.NODE, (RawException(name, message, frames),))
    if frames and "--trace-uncaught" in text:
        return RawTrace(Language.NODE, (RawException("", "", frames),))
    return None


_DOTNET_FRAME = re.compile(
    r"^\s*at (?:\(wrapper [^)]*\) )?([^\s(][^(]*?) ?\(([^)]*)\)(?: \[0x\w+\])?(?: in (.+?):(?:line )?(\d+))?\s*$"
)
_DOTNET_INNER = re.compile(r"\s*---> ")
_DOTNET_TYPE = r"((?:[A-Za-z_]\w*[.+])+[A-Z_]\w*(?:`\d+)?)(?: \((?:0x[0-9A-Fa-f]+|\d+)\))?"
_DOTNET_HEAD = re.compile(rf"(?:^|\s|\(){_DOTNET_TYPE}: (.*)|^(?:Unhandled exception\. )?\s*{_DOTNET_TYPE}:?$")


@lru_cache(maxsize=_REMEMBERED)
def _dotnet_frame(line: str) -> RawFrame | None:
    frame = _DOTNET_FRAME.match(line)
    if frame is None:
        return None
    function, file, number = frame[1], frame[3], _number(frame[4])
    if file is not None and file.startswith("<"):
        file, number = None, None
    own = not function.startswith(_DOTNET_LIBRARY) and "(wrapper " not in line
    return RawFrame(function, file, number, _dotnet_module(function), own)


def _read_dotnet(text: str) -> RawTrace | None:
    lines = text.split("\n")
    first = next((at for at, line in enumerate(lines) if _DOTNET_FRAME.match(line)), None)
    if first is None:
        return None
    heads: list[tuple[str, list[str]]] = []
    for line in lines[max(0, first - 60) : first]:
        for part in _DOTNET_INNER.split(line):
            if part.startswith("(Inner Exception #"):
                continue
            if found := _DOTNET_HEAD.search(part):
                heads.append((found[1] or found[3], [found[2] or ""]))
            elif heads:
                heads[-1][1].append(part.strip())
    if not heads:
        head, more = _head_above(lines, first)
        heads.append((head.type, [head.message, *more]))
    stacks: list[list[RawFrame]] = [[] for _ in heads]
    level = len(heads) - 1
    for line in lines[first:]:
        stripped = line.lstrip()
        if stripped.startswith("--- End of inner"):
            level -= 1
            if level < 0:
                break
        elif stripped.startswith("--->") or "FATAL UNHANDLED EXCEPTION" in line:
            break
        elif stripped.startswith("at ") and len(stacks[level]) < _MAX_FRAMES and (frame := _dotnet_frame(stripped)):
            stacks[level].append(frame)
    return RawTrace(
        Language.DOTNET,
        tuple(
            RawException(name, _message(message), tuple(frames))
            for (name, message), frames in zip(heads, stacks, strict=True)
        ),
    )


def _dotnet_module(function: str) -> str | None:
    owner, dot, _ = function.partition("<")[0].rstrip(".+/").rpartition(".")
    return owner if dot else None


# --- Go ---------------------------------------------------------------------------------------------------------------

_GO_PLACE = re.compile(r"^\s+(\S.*\.(?:go|s|c)):(\d+)(?: \+0x[0-9a-f]+)?(?: fp=.*)?\s*$")
_GO_CALL = re.compile(r"^(?:created by )?(\S+?)(?:\((?!\*).*\))?(?: in goroutine \d+)?$")
_GO_PANIC = re.compile(r"(?:^|[\s:])(panic|fatal error): (.*)$")
_GO_PASSED_ON = re.compile(
    r"(?!runtime error: )[^:]*\b(?:failed|failure|error|panic\w*|recovered|crashed|ERROR|FATAL)\b[^:]*: (?!$)"
)
"""What a logger says before it passes on the error that it recovered."""
_GO_SAYS_BELOW = re.compile(r".*\b(?:panic|recovered|error)\b:?\s*$")
"""A line of a logger that leaves to the next ones what happened."""
_GO_STAMP = re.compile(r"^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d+)? (?:\S+\.go:\d+: )?")


def _read_go(text: str) -> RawTrace | None:
    lines = text.split("\n")
    frames: list[RawFrame] = []
    header: list[str] = []
    panicked = started = system_stack = False
    for at, line in enumerate(lines):
        if line.startswith("goroutine ") and line.rstrip().endswith("]:"):
            if frames and not system_stack:
                break
            frames, started, system_stack = [], True, False
            continue
        if line.startswith("runtime stack:"):
            system_stack = started = True
            continue
        place = _GO_PLACE.match(line) if ".go:" in line or ".s:" in line else None
        if place is None or at == 0:
            if not frames and not started:
                header.append(line)
            elif frames and not line.strip() and not system_stack:
                break
            continue
        call = _GO_CALL.match(lines[at - 1].strip())
        if call is None:
            continue
        if header and header[-1] == lines[at - 1]:
            header.pop()
        function = call[1]
        if function in ("panic", "runtime.gopanic"):
            frames, panicked = [], True
            continue
        if len(frames) < _MAX_FRAMES and not lines[at - 1].startswith("created by"):
            frames.append(
                RawFrame(function, place[1], _number(place[2]), _go_package(function), _go_own(function, place[1]))
            )
    if not frames and not panicked:
        return None
    kind, message = _go_header(header, panicked)
    return RawTrace(Language.GO, (RawException(kind, message, tuple(frames)),))


def _go_header(header: Sequence[str], panicked: bool) -> tuple[str, str]:
    """What the panic said; of panics raised while recovering the first, which the others only pass on."""
    for at, line in enumerate(header):
        if found := _GO_PANIC.search(line):
            rest = [
                more
                for more in header[at + 1 :]
                if more.strip() and not more.lstrip().startswith(("panic:", "[signal"))
            ]
            said = re.sub(r" \[recovered(?:, repanicked)?\]$", "", found[2])
            return found[1], _message([said, *rest])
        if "panic serving" in line:
            return "panic", line.split("panic serving", 1)[1].partition(": ")[2]
    spoken = [line for line in header if line.strip()]
    stamped = [line for line in spoken if _GO_STAMP.match(line)] or [
        line for line in spoken if _GO_PASSED_ON.match(line)
    ]
    line = (stamped[-1:] or spoken[:1] or [""])[0]
    said = _GO_STAMP.sub("", line)
    if _GO_SAYS_BELOW.match(said):
        said = (spoken[spoken.index(line) + 1 :] or [said])[0]
    while colon := _GO_PASSED_ON.match(said):
        said = said[colon.end() :]
    return ("panic" if panicked else "error"), said


def _go_package(function: str) -> str:
    folder, slash, name = function.rpartition("/")
    return folder + slash + name.split(".", 1)[0]


def _go_own(function: str, file: str) -> bool:
    top = _go_package(function).split("/", 1)[0]
    return top not in _GO_STANDARD and not _GO_LIBRARY.search(file)


# --- Ruby -------------------------------------------------------------------------------------------------------------

_RUBY_RAISED = re.compile(
    r"(?:^|\s)((?:[A-Z]:)?[^\s:]+|<internal:[^>]+>|\(eval[^)]*\)):(\d+):in [`'](.*?)': (.*?)(?: \(([A-Z][\w:]*)\))?$"
)
_RUBY_FRAME = re.compile(r"^\s*(?:from )?((?:[A-Z]:)?[^\s:]+|<internal:[^>]+>|\(eval[^)]*\)):(\d+):in [`'](.*)'\s*$")
_RUBY_NUMBERED = re.compile(r"^\s*\d+: from (\S+?):(\d+):in [`'](.*)'\s*$")
"""A frame of a backtrace that begins at the bottom of the stack."""
_RUBY_AFTER_PREFIX = re.compile(r"^(.*\s)([^\s:]+):(\d+):in [`'](.*)'\s*$")
_RUBY_TYPE = r"([A-Z]\w*(?:::[A-Z]\w*)*)"
_RUBY_HEADS = (
    re.compile(rf"^(?P<said>.*?) ?\((?P<type>{_RUBY_TYPE})\)$"),  # Logger
    re.compile(rf"(?:^|\s)(?P<type>{_RUBY_TYPE}) \((?P<said>.*)\):\s*$"),  # Rails
    re.compile(rf"#<(?P<type>{_RUBY_TYPE}): (?P<said>.*?)>?$"),  # Puma, and whoever inspects it
    re.compile(
        r"(?:^|\s)(?P<type>(?:[A-Z]\w*::)+[A-Z]\w*|[A-Z]\w*(?:Error|Exception|Iteration|Interrupt)): ?(?P<said>.*)$"
    ),
)
"""How the loggers of Ruby name an exception above its backtrace."""


def _read_ruby(text: str) -> RawTrace | None:
    chain: list[RawException] = []
    name = ""
    message: list[str] = []
    frames: list[RawFrame] = []
    before: list[str] = []
    upside_down: list[RawFrame] = []
    for line in text.split("\n"):
        if ":in " in line:
            if frame := _RUBY_NUMBERED.match(line):
                upside_down.append(_ruby_frame(frame[1], frame[2], frame[3]))
                continue
            if frame := _RUBY_FRAME.match(line):
                if not frames and not name and before:
                    name, message = _ruby_logged(before)
                frames.append(_ruby_frame(frame[1], frame[2], frame[3]))
                continue
            if not frames and (frame := _RUBY_AFTER_PREFIX.match(line)):
                name, message = _ruby_logged([*before, frame[1]])
                frames.append(_ruby_frame(frame[2], frame[3], frame[4]))
                continue
            if raised := _RUBY_RAISED.search(line):
                if frames:
                    chain.append(_ruby_raised(name, message, frames))
                name, message = raised[5] or "RuntimeError", [raised[4]]
                frames = [_ruby_frame(raised[1], raised[2], raised[3]), *reversed(upside_down)]
                upside_down = []
                continue
        if frames and len(frames) == 1 and name:
            if line.strip():
                message.append(line)
        elif not frames:
            before.append(line)
    if not frames:
        return None
    chain.append(_ruby_raised(name, message, frames))
    return RawTrace(Language.RUBY, tuple(chain))


def _ruby_raised(name: str, message: Sequence[str], frames: Sequence[RawFrame]) -> RawException:
    """A method written in C stands at the place of its caller; the caller is the program's, the method is Ruby's."""
    kept = [
        frame._replace(in_app=False) if frame[1:3] == below[1:3] and frame.function != below.function else frame
        for frame, below in pairwise(frames[: _MAX_FRAMES + 1])
    ]
    return RawException(name, _message(message), (*kept, *frames[len(kept) : _MAX_FRAMES]))


def _ruby_logged(before: Sequence[str]) -> tuple[str, list[str]]:
    for at in range(len(before) - 1, -1, -1):
        for head in _RUBY_HEADS:
            if found := head.search(before[at]):
                said, more = found["said"], before[at + 1 :]
                if head is _RUBY_HEADS[0]:  # the name stands behind the message, which may have begun further up
                    start = next((up for up in range(at, -1, -1) if " -- " in before[up]), at)
                    said, more = "\n".join([*before[start:at], said]), []
                    said = said.rsplit(" -- : ", 1)[-1].rsplit(" -- ", 1)[-1]
                return found["type"], [said, *more]
    return "", [line for line in before if line.strip()][-1:]


@lru_cache(maxsize=_REMEMBERED)
def _ruby_frame(file: str, line: str, function: str) -> RawFrame:
    return RawFrame(function, file, _number(line), None, not _RUBY_LIBRARY.search(file))


# --- PHP --------------------------------------------------------------------------------------------------------------

_PHP_PLAIN = re.compile(
    r"(?:^|[\s\]])(?:PHP )?((?:Fatal|Parse|Recoverable fatal|Core|Compile) error|Warning|Notice|Deprecated): +(?!Uncaught )",
)
_PHP_FRAME = re.compile(r"^#\d+ (?:\[internal function\]|(.+?)\((\d+)\)): ([^({]*\{closure[^}]*\}|.*?)(?:\(.*)?$")
_PHP_TYPE = re.compile(
    r"(?:^|[\s:(])([A-Za-z_]\w*(?:\\\w+)+|[A-Z]\w*(?:Exception|Error)|[A-Z]\w+)(?:\(code: [^)]*\))?(: |$)"
)


def _read_php(text: str) -> RawTrace | None:
    if "[stacktrace]" in text:
        text = text.replace("\\\\", "\\")  # Monolog prints a trace inside of JSON
    lines = text.split("\n")
    blocks: list[tuple[list[str], list[tuple[str | None, str | None, str]]]] = []
    head: list[str] = []
    stack: list[tuple[str | None, str | None, str]] | None = None
    outermost_first = False
    for line in lines:
        if line.startswith("#") and stack is not None:
            if frame := _PHP_FRAME.match(line):
                stack.append((frame[1], frame[2], frame[3]))
            elif line.endswith("{main}"):
                stack.append((None, None, "{main}"))
            continue
        if line.startswith(("Stack trace:", "[stacktrace]")):
            stack = []
            blocks.append((head, stack))
            head = []
            continue
        if stack is not None and line.startswith("  thrown in "):
            break
        if stack is not None and line.startswith(("Next ", "[previous exception]")):
            outermost_first = line.startswith("[")
            stack = None
            head = [line]
        elif stack is None or line.strip():
            if stack is not None and stack:
                break
            head.append(line)
    chain = [raised for head, stack in blocks if (raised := _php_thrown("\n".join(head), stack)) is not None]
    if chain:
        if not outermost_first:
            chain.reverse()
        return RawTrace(Language.PHP, tuple(chain))
    return _php_plain(text)


def _php_plain(text: str) -> RawTrace | None:
    """`PHP Fatal error:  message in file on line n`, which PHP prints without a stack."""
    plain = _PHP_PLAIN.search(text)
    if plain is None:
        return None
    end = text.find(" on line ", plain.end())
    start = text.rfind(" in ", plain.end(), end)
    if end < 0 or start < 0:
        return None
    file = text[start + 4 : end]
    if not file.startswith("/") and ".php" not in file:
        return None
    digits = re.match(r"\d+", text[end + 9 : end + 19])
    frame = RawFrame("", file, _number(digits[0] if digits else None), None, not _PHP_LIBRARY.search(file))
    return RawTrace(Language.PHP, (RawException(plain[1], _message([text[plain.end() : start]]), (frame,)),))


_PHP_CALLED = re.compile(r", called in \S+ on line \d+(?: and defined)?$")
_PHP_PLACE = re.compile(r"(?:\S:\d+\)*|\(\d+\)(?: : .*)?)\s*$")


def _php_thrown(head: str, stack: Sequence[tuple[str | None, str | None, str]]) -> RawException | None:
    """The head names where it was thrown; frame n names a call, made in the function of frame n + 1."""
    lines = head.split("\n")
    while lines and not _PHP_PLACE.search(lines[-1]):  # a line of somebody else
        lines.pop()
    head = "\n".join(lines).rstrip()
    place = None
    for found in re.finditer(r" (?:in|at) (?=\S)", head):
        place = found
    if place is None:
        return None
    where = re.match(r"(.*?)(?::(\d+)\)*|\((\d+)\).*)$", head[place.end() :], re.DOTALL)
    if where is None:
        return None
    said = head[: place.start()]
    name, message = _php_type(_PHP_CALLED.sub("", said))
    at: tuple[str | None, str | None] = (where[1], where[2] or where[3])
    calls = list(stack)
    frames: list[RawFrame] = []
    if calls and calls[0][:2] == at:  # thrown inside a function of PHP itself, which has no place of its own
        frames.append(RawFrame(calls[0][2], None, None, None, False))
        calls = calls[1:]
    for file, line, function in calls or [(None, None, "{main}")]:
        own = at[0] is not None and not _PHP_LIBRARY.search(at[0])
        frames.append(RawFrame(function, at[0], _number(at[1]), None, own))
        at = file, line
    return RawException(name, _message([message]), tuple(frames[:_MAX_FRAMES]))


def _php_type(said: str) -> tuple[str, str]:
    if "[object] (" in said:
        said = said.rsplit("[object] (", 1)[1]
    elif "Uncaught " in said:
        said = said.split("Uncaught ", 1)[1]
    elif said.startswith("Next "):
        said = said[5:]
    best: re.Match[str] | None = None
    for found in _PHP_TYPE.finditer(said):
        sure = "\\" in found[1] or found[1].endswith(("Exception", "Error"))
        if sure:
            best = found
            break
        best = best or (found if found[2] else None)
    if best is None:
        return said.strip().split("\n")[-1], ""
    return best[1], said[best.end() :]

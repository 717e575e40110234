"""Configured against observed: the numbers, hosts and names of an error beside those that the code sets.

Owns which values of a message are limits worth comparing, how a setting's expression is read with its unit, which constant
an observed value belongs to, and the finding when both differ. Leaves which files are read to `history.py`.

A wrong mismatch is worse than none. So a value only contradicts a constant that shares its kind, its meaning (timeout,
pool, memory) and something particular: a word of the message, or the function of a frame. Measured values ("took 8.013 s")
contradict nothing.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from app.diagnosis.code import Setting, has_grammar, settings
from app.diagnosis.model import Basis, Claim, CommitRef, EntryRef, EvidenceRef, FileRef, Mismatch, Sentence, sentence
from app.evidence.model import Commit, CommitSha, Constant, ErrorGroup, Evidence, Fingerprint, HistoryFacts, Hunk
from app.redact import Redacted

Role = Literal["running", "head", "fix-before", "fix-after"]


class ValueKind(StrEnum):
    """What is measured. Durations compare in seconds, sizes in bytes, hosts as text."""

    DURATION = "duration"
    SIZE = "size"
    COUNT = "count"
    PORT = "port"
    HOST = "host"


@dataclass(frozen=True, slots=True)
class ObservedValue:
    """A value that an error names. `amount` in seconds or bytes, None for hosts; `text` as printed.

    `words` are the message's own words around it, in lower case; `functions` and `files` those of the program's own frames.
    """

    group: Fingerprint
    kind: ValueKind
    text: Redacted
    amount: float | None
    words: tuple[str, ...]
    functions: tuple[str, ...]
    files: tuple[str, ...]


# --- units ------------------------------------------------------------------------------------------------------------

_SECONDS: Mapping[str, float] = {
    "ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "msec": 1e-3, "msecs": 1e-3, "millis": 1e-3, "millisecond": 1e-3,
    "milliseconds": 1e-3, "s": 1, "sec": 1, "secs": 1, "second": 1, "seconds": 1, "m": 60, "min": 60, "mins": 60,
    "minute": 60, "minutes": 60, "h": 3600, "hour": 3600, "hours": 3600, "d": 86400, "day": 86400, "days": 86400,
}  # fmt: skip
_BYTES: Mapping[str, float] = {
    "b": 1, "byte": 1, "bytes": 1, "k": 2**10, "kb": 2**10, "ki": 2**10, "kib": 2**10, "m": 2**20, "mb": 2**20,
    "mi": 2**20, "mib": 2**20, "g": 2**30, "gb": 2**30, "gi": 2**30, "gib": 2**30, "t": 2**40, "ti": 2**40, "tib": 2**40,
}  # fmt: skip
"""Powers of two throughout: what people write as MB in a memory setting is MiB on the platforms that we read."""
_FAMILIES: Mapping[ValueKind, frozenset[str]] = {
    ValueKind.DURATION: frozenset(
        {"timeout", "deadline", "ttl", "wait", "delay", "interval", "expiry", "expires", "expiration", "grace",
         "lifetime", "recycle", "keepalive", "backoff", "latency", "duration"}
    ),
    ValueKind.SIZE: frozenset({"memory", "heap", "size", "limit", "storage", "disk", "buffer", "payload", "xmx"}),
    ValueKind.COUNT: frozenset(
        {"pool", "size", "overflow", "max", "maximum", "limit", "workers", "threads", "retries",
         "concurrency", "replicas", "instances", "batch", "capacity", "depth"}
    ),
    ValueKind.PORT: frozenset({"port", "ports"}),
    ValueKind.HOST: frozenset({"host", "hostname", "server", "address", "url", "uri", "endpoint", "instance", "addr"}),
}  # fmt: skip
"""Words that say what a setting means. At least one of them stands in the name of a constant that is compared."""
_GENERIC = frozenset(
    """the and for with not from was has have are after before than that this error failed failure exceeded reached in of to
    on at is seconds second milliseconds ms sec value default config configs settings setting options get set app main self
    critical during while could cannot unable exception runtime environment env none true false
    """.split()  # noqa: SIM905  words read best as text
)
"""Words that tie nothing to anything."""
_SYNONYMS: Mapping[str, str] = {
    "db": "database", "databases": "database", "postgres": "database", "postgresql": "database", "sql": "database",
    "init": "initialization", "initialize": "initialization", "initialise": "initialization", "startup": "start",
    "starting": "start", "connect": "connection", "connections": "connection", "conn": "connection",
    "connecting": "connection",
    "req": "request", "requests": "request", "mem": "memory", "limits": "limit", "stage": "staging", "prod": "production",
    "timeouts": "timeout", "timed": "timeout", "pools": "pool", "retry": "retries", "attempt": "retries",
    "attempts": "retries",
}  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def _words(text: str) -> tuple[str, ...]:
    """Words of identifiers and prose, in lower case, synonyms brought together, each once in order."""
    lower = (word.lower() for word in _WORD.findall(text))
    return tuple(dict.fromkeys(_SYNONYMS.get(word, word) for word in lower if len(word) > 1 and not word.isdigit()))


# --- what the error says ----------------------------------------------------------------------------------------------

_NUMBER = r"(\d{1,12}(?:\.\d{1,6})?)"
_DURATION = re.compile(
    rf"(?<![\w.:/-]){_NUMBER} ?(ms|msecs?|millis(?:econds?)?|secs?|seconds?|s|mins?|minutes?|hours?|h|m)\b(?![/:-])"
)
_SIZE = re.compile(rf"(?<![\w.:/-]){_NUMBER} ?([KMGT]i?B?|bytes)\b(?![/:-])", re.IGNORECASE)
_NAMED = re.compile(rf"\b([A-Za-z_]\w{{2,40}})(?:\s+of(?:\s+size)?|\s+is|\s+was)?\s*[:=]?\s*{_NUMBER}(?![\w.:/%-])")
_LIMITED = re.compile(rf"(?<![\w.:/-]){_NUMBER} +([a-z]{{3,20}})\b")
_PORT = re.compile(r"(?:\bport[ =:]{1,3}|(?:://|tcp |udp |@|\bto )[\w.\[\]-]{1,100}:)(\d{2,5})(?!\w|\.\d)")
_HOST = re.compile(
    r"(?<![\w@/.-])((?:[a-z0-9][a-z0-9-]{0,62}\.){1,6}(?:com|net|org|io|dev|app|cloud|internal|local|svc)"
    r"|[a-z][a-z0-9-]{4,29}:[a-z]+-[a-z]+\d:[a-z][a-z0-9-]+)(?![\w-])"
)
"""Host names, and instance connection names `project:region:instance`."""
_LIMIT_BEFORE = re.compile(
    r"(?:time[ds]?[ -]?out|deadline|limit|exceed\w*|expir\w*|max\w*|within|waiting|wait|after|gave up)[\w ,:=()]{0,40}$",
    re.IGNORECASE,
)
_LIMIT_AFTER = re.compile(r"^[ )]*(?:timeout|limit|deadline|elapsed|exceeded|expired|passed)", re.IGNORECASE)
_MEASURED_BEFORE = re.compile(
    r"(?:took|spent|used|using|usage|with|elapsed|latency|duration|since|ago|uptime|for the last)[\w ,:=()]{0,12}$",
    re.IGNORECASE,
)
_MESSAGE_READ = 2000
_VALUES = 12


def observed_values(group: ErrorGroup) -> tuple[ObservedValue, ...]:
    """The limits, ports and hosts that the group's newest message names, in order of their place, each once."""
    functions: list[str] = []
    files: list[str] = []
    types = ""
    if group.trace is not None:
        text = "\n".join(f"{info.message}" for info in reversed(group.trace.chain))
        types = " ".join(info.type.rpartition(".")[2] for info in group.trace.chain)
        for info in group.trace.chain:
            for frame in info.frames:
                if frame.in_app:
                    functions.append(frame.function.rpartition(".")[2])
                    files.append((frame.file or "").rpartition("/")[2])
    else:
        text = group.latest.message
    if (place := group.latest.location) is not None:
        functions.append(place.function.rpartition(".")[2])
        files.append(place.file.rpartition("/")[2])
    text = text[:_MESSAGE_READ]
    words = tuple(word for word in _words(f"{text} {types}") if word not in _GENERIC)
    found: dict[tuple[ValueKind, float | str], ObservedValue] = {}
    for _, kind, printed, amount in sorted(_values_in(text), key=lambda found: found[0]):
        key = (kind, amount if amount is not None else printed)
        if key not in found and len(found) < _VALUES:
            found[key] = ObservedValue(
                group.id,
                kind,
                Redacted(printed),
                amount,
                words,
                tuple(dict.fromkeys(functions)),
                tuple(dict.fromkeys(files)),
            )
    return tuple(found.values())


def _values_in(text: str) -> Iterator[tuple[int, ValueKind, str, float | None]]:
    """(place, kind, as printed, amount), no part of the text twice."""
    taken: list[tuple[int, int]] = []

    def free(match: re.Match[str]) -> bool:
        if any(start < match.end() and match.start() < end for start, end in taken):
            return False
        taken.append(match.span())
        return True

    for match in _DURATION.finditer(text):
        amount = float(match[1]) * _SECONDS[match[2].lower()]
        if _is_limit(text, match) and _is_round(amount) and free(match):
            yield match.start(), ValueKind.DURATION, match[0], amount
    for match in _SIZE.finditer(text):
        if _is_limit(text, match) and free(match):
            yield match.start(), ValueKind.SIZE, match[0], float(match[1]) * _BYTES[match[2].lower()]
    for match in _NAMED.finditer(text):
        family, printed, number = _family(_words(match[1])), match[0], float(match[2])
        # A bare whole number may be milliseconds; with a fraction it is seconds.
        if (family is ValueKind.DURATION and "." in match[2] and free(match)) or (
            family is ValueKind.COUNT and "." not in match[2] and free(match)
        ):
            yield match.start(), family, printed, number
    for match in _LIMITED.finditer(text):
        counted = _family(_words(match[2])) is ValueKind.COUNT and "." not in match[1]
        if counted and _is_limit(text, match) and free(match):
            yield match.start(), ValueKind.COUNT, match[0], float(match[1])
    for match in _PORT.finditer(text):
        if 10 <= int(match[1]) <= 65535 and free(match):
            yield match.start(), ValueKind.PORT, match[1], float(match[1])
    for match in _HOST.finditer(text):
        yield match.start(), ValueKind.HOST, match[1], None


def _is_limit(text: str, match: re.Match[str]) -> bool:
    """Whether the words around a number call it a limit rather than a measurement."""
    before, after = text[max(0, match.start() - 60) : match.start()], text[match.end() : match.end() + 20]
    if _MEASURED_BEFORE.search(before):
        return False
    return _LIMIT_BEFORE.search(before) is not None or _LIMIT_AFTER.match(after) is not None


def _is_round(seconds: float) -> bool:
    """Limits are set in round numbers; 8.013 s was measured."""
    return abs(seconds * 10 - round(seconds * 10)) < 1e-6 or (
        seconds < 1 and abs(seconds * 100 - round(seconds * 100)) < 1e-6
    )


def _family(words: Iterable[str]) -> ValueKind | None:
    """The kind that a name means; durations and ports first, as `pool_timeout` is no pool."""
    names = set(words)
    for kind in (ValueKind.DURATION, ValueKind.PORT, ValueKind.COUNT):
        if names & _FAMILIES[kind]:
            return kind
    return None


# --- what the code says -----------------------------------------------------------------------------------------------

_ENVIRONMENT = re.compile(
    r"(?:getenv|environ\.get|ENV\.fetch|env|Env|config|GetEnvironmentVariable|getOrDefault|get_env|lookup_env)\w*"
    r"\(\s*[\"'](\w{2,60})[\"'](?:\s*,\s*|\s*\)\s*(?:\?\?|\|\||\?:)\s*)([^)]*)"
    r"|process\.env\.(\w{2,60})\s*(?:\?\?|\|\|)\s*(.*)"
    r"|(?:ENV|environ)\[[\"'](\w{2,60})[\"']\]\s*(?:\|\||or)\s*(.*)"
    r"|\$\{(\w{2,60}):?-?([^}]+)\}"
)
_LITERAL = re.compile(r"(?<![\w.])(\d[\d_]*(?:\.\d+)?)(?:[LlFfDd](?!\w)|(?=\W|$)|(?=(?:ms|[smhd]|[KMGT]i?B?)\b))")
_SUFFIXED = re.compile(
    r"^\s*[\"'`]?(\d+(?:\.\d+)?) ?(ms|secs?|seconds?|s|minutes?|mins?|m|hours?|h|[KMGT]i?B?|bytes)[\"'`]?\s*$"
)
_CODE_UNITS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"time\.Millisecond|ofMillis|FromMilliseconds|MILLISECONDS|\.milliseconds?\b|milliseconds="), "ms"),
    (re.compile(r"time\.Second|ofSeconds|FromSeconds|TimeUnit\.SECONDS|\bSECONDS\b|\.seconds?\b|seconds="), "s"),
    (re.compile(r"time\.Minute|ofMinutes|FromMinutes|TimeUnit\.MINUTES|\bMINUTES\b|\.minutes?\b|minutes="), "min"),
    (re.compile(r"time\.Hour|ofHours|FromHours|TimeUnit\.HOURS|\.hours?\b|hours="), "h"),
)
_NAME_UNITS: Mapping[str, tuple[ValueKind, str]] = {
    "ms": (ValueKind.DURATION, "ms"), "msec": (ValueKind.DURATION, "ms"), "millis": (ValueKind.DURATION, "ms"),
    "milliseconds": (ValueKind.DURATION, "ms"), "s": (ValueKind.DURATION, "s"), "sec": (ValueKind.DURATION, "s"),
    "secs": (ValueKind.DURATION, "s"), "seconds": (ValueKind.DURATION, "s"), "second": (ValueKind.DURATION, "s"),
    "min": (ValueKind.DURATION, "min"), "mins": (ValueKind.DURATION, "min"), "minutes": (ValueKind.DURATION, "min"),
    "hours": (ValueKind.DURATION, "h"), "kb": (ValueKind.SIZE, "KiB"), "mb": (ValueKind.SIZE, "MiB"),
    "mib": (ValueKind.SIZE, "MiB"), "gb": (ValueKind.SIZE, "GiB"), "gib": (ValueKind.SIZE, "GiB"),
    "bytes": (ValueKind.SIZE, "bytes"),
}  # fmt: skip
_SECOND_LANGUAGES = (
    ".py",
    ".rb",
    ".php",
    ".yaml",
    ".yml",
    ".toml",
    ".env",
    ".ini",
    ".cfg",
    ".tf",
    "Dockerfile",
    ".conf",
)
"""Where a bare number of a timeout is seconds by custom; elsewhere it may be either, and then contradicts nothing."""
_NUMBERS_IN_EXPRESSION = 4
_CONSTANTS = 40


@dataclass(frozen=True, slots=True)
class _Read:
    """A setting's value. `amount` in seconds or bytes; `unit` None: the code does not tell, so `amount` is bare."""

    kind: ValueKind
    value: str
    unit: str | None
    amount: float | None
    variable: str | None


def find_constants(
    path: str, source: str, sha: CommitSha, role: Role, wanted: Sequence[ObservedValue]
) -> tuple[Constant, ...]:
    """Settings of one file that an observed value may be compared with, most related first, at most 40.

    Code is read by syntax tree; YAML, TOML, JSON, `.env`, Dockerfile, Terraform and the like line by line. Empty when
    nothing there has the kind and meaning of a wanted value.
    """
    found = settings(path, source) if has_grammar(path) else _plain_settings(source)
    return _related_constants(path, found, sha, role, wanted)


def _related_constants(
    path: str, found: Iterable[Setting], sha: CommitSha, role: Role, wanted: Sequence[ObservedValue]
) -> tuple[Constant, ...]:
    scored: list[tuple[float, Constant]] = []
    kinds = {value.kind for value in wanted}
    for setting in found:
        for read in _read_setting(path, setting):
            if read.kind not in kinds:
                continue
            constant = Constant(
                sha, path, setting.line, setting.name, read.value, read.unit, role, read.variable, setting.function
            )
            tie = max(_tie(value, constant).strength for value in wanted if value.kind is read.kind)
            if tie > 0:
                scored.append((tie, constant))
    scored.sort(key=lambda pair: (-pair[0], pair[1].line, pair[1].name, pair[1].value))
    return tuple(dict.fromkeys(constant for _, constant in scored[:_CONSTANTS]))


def _read_setting(path: str, setting: Setting) -> Iterator[_Read]:
    expression, variable = setting.expression.strip(), None
    if (env := _ENVIRONMENT.search(expression)) is not None:
        groups = env.groups()
        variable, expression = next((groups[i], groups[i + 1]) for i in range(0, 8, 2) if groups[i])
        expression = expression.strip().strip("\"'` ")
    name_words = _words(f"{setting.name} {variable or ''}")
    parts = f"{setting.name}.{variable or ''}".replace(".", "_").lower().split("_")
    family = _family(name_words)

    if (suffixed := _SUFFIXED.match(expression)) is not None:
        unit = suffixed[2]
        if unit.lower() in _SECONDS and (unit != "m" or family is ValueKind.DURATION) and unit != "M":
            yield _Read(ValueKind.DURATION, suffixed[1], unit, float(suffixed[1]) * _SECONDS[unit.lower()], variable)
        elif unit.lower() in _BYTES:
            yield _Read(ValueKind.SIZE, suffixed[1], unit, float(suffixed[1]) * _BYTES[unit.lower()], variable)
        return
    hosts = [match[1] for match in _HOST.finditer(expression)]
    if hosts and len(hosts) <= 2:
        for host in hosts:
            yield _Read(ValueKind.HOST, host, None, None, variable)
    literals = [text.replace("_", "") for text in _LITERAL.findall(expression)]
    if not literals or len(literals) > _NUMBERS_IN_EXPRESSION or len(max(literals, key=len)) > 18:
        return
    named = next((_NAME_UNITS[w] for w in (*reversed(parts), *reversed(name_words)) if w in _NAME_UNITS), None)
    unit = next((unit for pattern, unit in _CODE_UNITS if pattern.search(expression)), None)
    kind = ValueKind.DURATION if unit else named[0] if named else family
    unit = unit or (named[1] if named else None)
    if kind is None and set(name_words) & _FAMILIES[ValueKind.SIZE]:
        kind = ValueKind.SIZE
    if kind is None:
        return
    product = "*" in expression and re.fullmatch(r"[\w\s.*()]+", expression) is not None
    values = [str(_multiply(literals))] if product else literals
    for value in values:
        yield _with_unit(path, kind, value, unit, variable)


def _with_unit(path: str, kind: ValueKind, value: str, unit: str | None, variable: str | None) -> _Read:
    number = float(value)
    match kind:
        case ValueKind.DURATION:
            if unit is None and path.endswith(_SECOND_LANGUAGES) and number < 1000:
                unit = "s"
            elif unit is None and number >= 1000:
                unit = "ms"
            return _Read(kind, value, unit, number * _SECONDS[unit.lower()] if unit else number, variable)
        case ValueKind.SIZE:
            return _Read(kind, value, unit, number * _BYTES[unit.lower()] if unit else number, variable)
        case _:
            return _Read(kind, value, None, number, variable)


def _multiply(literals: Sequence[str]) -> float | int:
    result = 1.0
    for literal in literals:
        result *= float(literal)
    return int(result) if result == int(result) else result


_LINE = re.compile(
    r"^(?P<indent>[ \t]*)(?:ENV\s+|ARG\s+|export\s+|-\s+)?[\"']?(?P<name>[A-Za-z_][\w.-]{0,60})[\"']?"
    r"\s*(?:[:=]|\s(?=[\"']?\d))\s*(?P<value>[^#\n]{0,200})"
)
_FLAG = re.compile(r"--([a-z][a-z-]{2,40})[= \"',]{1,5}(\d[\w.]{0,12})")
_TABLE = re.compile(r"^\s*\[+([\w.\"-]{1,80})\]+\s*$")


def _plain_settings(source: str) -> tuple[Setting, ...]:
    """Name and value pairs of configuration files, by line; nesting by indentation gives the way to a name."""
    out: list[Setting] = []
    above: list[tuple[int, str]] = []
    table, last_name = "", ""
    for number, line in enumerate(source.split("\n"), start=1):
        if len(line) > 500 or line.lstrip().startswith(("#", "//", ";")):
            continue
        out += [Setting(flag[1], flag[2], number, None) for flag in _FLAG.finditer(line)]
        if (header := _TABLE.match(line)) is not None:
            table, above = header[1].strip('"') + ".", []
            continue
        found = _LINE.match(line)
        if found is None:
            continue
        indent, name, value = len(found["indent"].expandtabs(4)), found["name"], found["value"].strip().rstrip(",")
        above = [(i, n) for i, n in above if i < indent]
        if name == "name" and value and not value.startswith(("{", "[")):
            last_name = value.strip("\"' ")
        way = [n for _, n in above]
        if not value or value in {"{", "[", "|", ">"}:
            above.append((indent, name))
        elif any(c.isdigit() for c in value) or "." in value:
            # A list of `name:` / `value:` pairs, as environments are written for containers.
            told = last_name if name == "value" and last_name else ".".join([*way, name])
            out.append(Setting(table + told, value.strip("\"'"), number, None))
            last_name = "" if name == "value" else last_name
    return tuple(out)


# --- comparing --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Tie:
    """How much an observed value and a constant have to do with each other; strength 0: nothing.

    `particular`: something beyond the meaning ties them, a word of the message or the function of a frame. `foreign`: the
    constant's own name tells of something that the error does not (`HTTP_TIMEOUT` beside a database's timeout).
    """

    strength: float
    particular: bool
    foreign: bool


_NO_TIE = _Tie(0.0, False, True)
_ENVIRONMENTS = frozenset(
    {"production", "staging", "development", "dev", "local", "testing", "test", "qa", "preview", "canary"}
)


def _tie(value: ObservedValue, constant: Constant) -> _Tie:
    name = set(_words(f"{constant.name} {constant.variable or ''}"))
    family = _FAMILIES[value.kind]
    said = name & family
    function = (constant.function or "").rpartition(".")[2]
    same_function = bool(function) and function in value.functions
    message = set(value.words)
    if not said and not (same_function and value.kind is ValueKind.DURATION and constant.unit is not None):
        return _NO_TIE
    if (other := name & _ENVIRONMENTS) and message & _ENVIRONMENTS and not other & message:
        return _NO_TIE
    label = set(_words(value.text)) & family
    if value.kind is ValueKind.COUNT and label and not label & name:
        return _NO_TIE
    # The way to a constant, its function and its file say what it is for: `DATABASE["staging"]`, `_initialize_database`.
    about = name | set(_words(function)) | set(_words(constant.path.rpartition("/")[2].rpartition(".")[0]))
    heard = message.union(*(_words(called) for called in value.functions)) if value.functions else message
    shared = (heard & about) - family - _GENERIC
    meant = said & message
    if not meant and not same_function and not shared:
        return _NO_TIE
    # "pool limit of size 5" and `pool_size`: two words of one meaning are as good as one of another.
    named = value.kind in {ValueKind.COUNT, ValueKind.SIZE} and (len(meant) > 1 or "memory" in meant)
    leaf = set(_words(constant.name.rpartition(".")[2]))
    foreign = bool(leaf - heard - family - _GENERIC - _NAME_UNITS.keys() - _ENVIRONMENTS)
    strength = 0.5 * bool(said) + bool(meant) + 0.25 * min(2, len(meant)) + min(3, len(shared))
    same_file = constant.path.rpartition("/")[2] in value.files
    strength += 1.5 * same_function + 0.5 * same_file
    return _Tie(strength, bool(shared) or same_function or named, foreign)


_AGREES = 1.5
"""Strength at which an equal constant is taken for the one behind the value."""
_CONTRADICTS = 2.0
"""Strength at which a differing constant is taken for it; more, because nothing else speaks for the tie."""
_CLOSE = 0.5
"""Constants whose strength differs by less may each be the one."""


def compare_configured(evidence: Evidence) -> tuple[Mismatch, ...]:
    """For each observed value of each failure the one constant behind it, findings first.

    Nothing is said of a value without a constant that is surely its own.
    """
    facts = evidence.history
    out: list[Mismatch] = []
    environment = _words(evidence.request.scope.environment or "")
    for group in evidence.observations.groups:
        for observed in observed_values(group):
            value = replace(observed, words=tuple(dict.fromkeys((*observed.words, *environment))))
            constants = (*facts.constants, *_fix_constants(facts, value))
            found = _compare(value, constants)
            if found is not None:
                out.append(found)
    return tuple(sorted(out, key=lambda m: m.agrees))


def _fix_constants(facts: HistoryFacts, value: ObservedValue) -> Iterator[Constant]:
    """What each candidate fix's diff sets, before and after it."""
    fixes = {fix.sha for fix in facts.fixes}
    for commit in facts.commits:
        if commit.sha in fixes:
            yield from _diff_constants(commit, value)


def _diff_constants(commit: Commit, value: ObservedValue) -> Iterator[Constant]:
    for change in commit.changes:
        path = change.path or change.old_path or ""
        for hunk in change.hunks:
            for role, lines in (("fix-before", hunk.removed), ("fix-after", hunk.added)):
                found = _line_settings(path, hunk, lines, before=role == "fix-before")
                for constant in _related_constants(path, found, commit.sha, "fix-before", [value]):
                    yield replace(constant, role="fix-before" if role == "fix-before" else "fix-after")


def _line_settings(path: str, hunk: Hunk, lines: Sequence[tuple[int, Redacted]], *, before: bool) -> Iterator[Setting]:
    """Settings on the changed lines, read in the hunk's own text, so that nesting and keywords still show."""
    kept: dict[int, str] = dict(lines)
    numbers = set(kept)
    shift = hunk.new_start - hunk.old_start
    changed = [n for n, _ in hunk.removed], [n for n, _ in hunk.added]
    for number, text in hunk.context:
        if before:
            kept.setdefault(number, text)
        else:
            # Context keeps its old number; its new one is moved by what was removed and added before it.
            moved = number + shift - sum(n < number for n in changed[0])
            for added in changed[1]:
                moved += added <= moved
            kept.setdefault(moved, text)
    if not kept or not numbers:
        return
    first = min(kept)
    text = "\n".join(kept.get(n, "") for n in range(first, max(kept) + 1)) if max(kept) - first < 2000 else ""
    body = _dedented(text)
    found = settings(path, body) if has_grammar(path) else _plain_settings(body)
    seen: set[int] = set()
    for setting in found:
        if setting.line + first - 1 in numbers:
            seen.add(setting.line + first - 1)
            yield replace(setting, line=setting.line + first - 1)
    for number in sorted(numbers - seen):
        # A fragment may not parse; a plain name and value on the line itself still count.
        for setting in _plain_settings(kept[number].strip()):
            yield replace(setting, line=number)


def _dedented(text: str) -> str:
    lines = text.split("\n")
    indents = [len(line) - len(line.lstrip()) for line in lines if line.strip()]
    cut = min(indents, default=0)
    return "\n".join(line[cut:] for line in lines)


def _amount(constant: Constant, kind: ValueKind) -> float | None:
    """In seconds or bytes; the bare number where the code tells no unit; None for text."""
    if kind is ValueKind.HOST:
        return None
    number = float(constant.value)
    if constant.unit is None:
        return number
    unit = constant.unit.lower()
    return number * (_SECONDS if kind is ValueKind.DURATION else _BYTES).get(unit, 1.0)


def _kind(constant: Constant, kind: ValueKind) -> bool:
    """Whether the saved constant is of that kind: it is told by unit, value and name."""
    if kind is ValueKind.HOST:
        return constant.unit is None and _HOST.fullmatch(constant.value) is not None
    if re.fullmatch(r"\d{1,18}(?:\.\d{1,18})?", constant.value) is None:
        return False
    unit = (constant.unit or "").lower()
    words = _words(f"{constant.name} {constant.variable or ''}")
    match kind:
        case ValueKind.DURATION:
            return (unit in _SECONDS and constant.unit != "M") or (not unit and _family(words) is ValueKind.DURATION)
        case ValueKind.SIZE:
            return unit in _BYTES or (not unit and bool(set(words) & _FAMILIES[ValueKind.SIZE]))
        case _:
            return not unit and _family(words) is kind


def _equal(value: ObservedValue, constant: Constant) -> bool:
    amount = _amount(constant, value.kind)
    if amount is None or value.amount is None:
        return constant.value == value.text
    if constant.unit is None and value.kind is ValueKind.DURATION:
        return any(abs(amount * factor - value.amount) < 1e-6 * max(1.0, value.amount) for factor in (1.0, 1e-3))
    return abs(amount - value.amount) <= 1e-6 * max(1.0, value.amount)


def _compare(value: ObservedValue, constants: Sequence[Constant]) -> Mismatch | None:
    tied = [(c, tie) for c in dict.fromkeys(constants) if _kind(c, value.kind) and (tie := _tie(value, c)).strength]
    equal = [
        (c, tie)
        for c, tie in tied
        if _equal(value, c) and tie.strength >= _AGREES and (tie.particular or not tie.foreign)
    ]
    equal.sort(key=lambda pair: (-pair[1].strength, _ROLE_ORDER[pair[0].role], pair[0].path, pair[0].line))
    for constant, tie in equal:
        if not tie.foreign and (finding := _changed_elsewhere(value, constant, constants)) is not None:
            return finding
    if equal:
        return _agreement(value, equal[0][0])
    return _contradiction(value, tied)


_ROLE_ORDER: Mapping[Role, int] = {"running": 0, "head": 1, "fix-after": 2, "fix-before": 3}


def _changed_elsewhere(value: ObservedValue, constant: Constant, constants: Sequence[Constant]) -> Mismatch | None:
    """The same constant has another value at the head or after a fix: what the error says is the old code's."""
    if constant.role == "running" and (other := _successor(value, constant, constants, "head")) is not None:
        said = sentence(
            "{}: code at the running commit says {}, the head says {}, the error says {}",
            Redacted(constant.name), _shown(constant), _shown(other), value.text,
        )  # fmt: skip
        setters = [c for c in _places(constant, constants) if c.role == "fix-after" and _same_value(c, other)]
        finding = _mismatch(value, other, said, _file(constant), _file(other))
        return replace(finding, fixes=tuple(dict.fromkeys(c.sha for c in setters)))
    if constant.role in {"running", "fix-before"}:
        other = _successor(value, constant, constants, "fix-after")
        if other is not None and (constant.role == "running" or other.sha == constant.sha):
            said = sentence(
                "{}: the fix {} sets {}, and the error still says {}",
                Redacted(constant.name), Redacted(other.sha[:9]), _shown(other), value.text,
            )  # fmt: skip
            return replace(_mismatch(value, other, said, _file(other), _file(constant)), fixes=(other.sha,))
    return None


def _places(constant: Constant, constants: Sequence[Constant]) -> list[Constant]:
    """The constant itself at every commit that was read."""
    return [c for c in constants if (c.path, c.name, c.function) == (constant.path, constant.name, constant.function)]


def _same_value(one: Constant, other: Constant) -> bool:
    return (one.value, one.unit) == (other.value, other.unit)


def _successor(value: ObservedValue, constant: Constant, constants: Sequence[Constant], role: Role) -> Constant | None:
    """What became of a constant. One name may be set at several places, so only the one new value counts."""
    places = _places(constant, constants)
    before = {(c.value, c.unit) for c in places if c.role == constant.role and c.sha == constant.sha}
    after = [c for c in places if c.role == role]
    new = [c for c in after if (c.value, c.unit) not in before]
    if any(_equal(value, c) for c in after) or len({(c.value, c.unit) for c in new}) != 1:
        return None
    return new[0]


def _agreement(value: ObservedValue, constant: Constant) -> Mismatch:
    said = sentence(
        "{}: {} says {}, and so does the error", Redacted(constant.name), _state(constant), _shown(constant)
    )
    refs: tuple[EvidenceRef, ...] = (_file(constant), EntryRef(value.group))
    return Mismatch(value.group, value.text, constant, True, Claim(said, refs, Basis.INFERRED))


def _state(constant: Constant) -> Sentence:
    match constant.role:
        case "running":
            return sentence("code at the running commit")
        case "head":
            return sentence("code at the head")
        case "fix-before":
            return sentence("code before the fix {}", Redacted(constant.sha[:9]))
        case "fix-after":
            return sentence("the fix {}", Redacted(constant.sha[:9]))


def _contradiction(value: ObservedValue, tied: Sequence[tuple[Constant, _Tie]]) -> Mismatch | None:
    """The constant that is surely this value's own, and says something else. None when it is not sure."""
    sure = [(c, t) for c, t in tied if t.particular and not t.foreign and t.strength >= _CONTRADICTS]
    for role in ("running", "head", "fix-after"):
        here = [(c, tie) for c, tie in sure if c.role == role]
        if not here:
            continue
        top = max(tie.strength for _, tie in here)
        best = [c for c, tie in here if tie.strength > top - _CLOSE]
        amounts = {c.value if value.kind is ValueKind.HOST else _amount(c, value.kind) for c in best}
        constant = min(best, key=lambda c: (c.path, c.line))
        if len(amounts) > 1 or (value.kind in {ValueKind.DURATION, ValueKind.SIZE} and constant.unit is None):
            return None
        said = sentence(
            "{}: {} says {}, the error says {}", Redacted(constant.name), _state(constant), _shown(constant), value.text
        )
        if constant.variable is not None:
            note = sentence(
                "{}; that is a default, and the deployed value of {} may differ", said, Redacted(constant.variable)
            )
            return _mismatch(value, constant, note, _file(constant))
        return _mismatch(value, constant, said, _file(constant))
    return None


def _mismatch(value: ObservedValue, constant: Constant, said: Sentence, *refs: EvidenceRef) -> Mismatch:
    return Mismatch(
        value.group, value.text, constant, False, Claim(said, (*refs, EntryRef(value.group)), Basis.INFERRED)
    )


def _shown(constant: Constant) -> Redacted:
    return Redacted(f"{constant.value} {constant.unit}" if constant.unit else constant.value)


def _file(constant: Constant) -> EvidenceRef:
    """Where it opens. What stood before a fix has no line at the fix, so there the commit opens."""
    if constant.role == "fix-before":
        return CommitRef(constant.sha)
    return FileRef(constant.sha, constant.path, constant.line)

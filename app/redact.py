"""Secrets out of text. The only module that makes a `Redacted` string.

Owns the ordered rules and the tally. Leaves to its callers *where* text enters: log entries (`evidence/entries.py` and
`evidence/grouping.py`), commits and files (`sources/git.py`, `github/repository.py`), issues and comments.

Rules fail closed: a value that might be a secret is cut. Three things stay although they look alike, since the reader needs
them: commit ids and digests (hexadecimal), the e-mail form of machine identities (`…gserviceaccount.com`), and the *class*
and port of an address, because whether a refused address is public or private decides who must act.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import NewType

Redacted = NewType("Redacted", str)
"""Text from outside whose secrets were cut. It is still hostile: every renderer escapes it."""


@dataclass(frozen=True, slots=True)
class Redaction:
    text: Redacted
    cut: Mapping[str, int] = field(default_factory=dict[str, int])
    """How many values each rule cut, by the rule's name; empty when nothing was cut."""


def shorten(text: Redacted, length: int) -> Redacted:
    """At most `length` characters, ended between two words with `…`; inside one only where nothing else comes near."""
    if len(text) <= length:
        return text
    kept = text[: length - 1]
    between = kept if text[length - 1].isspace() else kept.rpartition(" ")[0]
    if len(between) < length // 3:
        between = kept
    return Redacted(between.rstrip(" ,;:.–-(\"'") + "…")


class Tally:
    """Cuts texts and counts over many of them what was cut, for the report's footer."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def cut(self, text: str) -> Redacted:
        redaction = redact(text)
        for name, count in redaction.cut.items():
            self._counts[name] = self._counts.get(name, 0) + count
        return redaction.text

    @property
    def counts(self) -> Mapping[str, int]:
        return dict(sorted(self._counts.items()))


def cut(text: str) -> Redacted:
    """The text without its secrets, for callers that keep no tally."""
    return redact(text).text


def start_of(text: str, most: int, cut: Callable[[str], Redacted] = cut) -> Redacted:
    """At most `most` characters of the text without its secrets, those included that lie across the end."""
    return Redacted(cut(text[: most + _ACROSS])[:most])


def ends_of(text: str, most: int, cut: Callable[[str], Redacted] = cut) -> Redacted:
    """As `start_of`, with the end of a longer text as well, and what is left out between the two counted."""
    if len(text) <= most:
        return cut(text)
    half = most // 2 - 20
    end = cut(text[-half - _ACROSS :])[-half:]
    return Redacted(f"{start_of(text, half, cut)}\n… {len(text) - 2 * half} characters …\n{end}")


_ACROSS = 2_000
"""Characters beyond what is kept: what a rule must see to tell a secret by its beginning or its end."""


def cut_name(text: str, cut: Callable[[str], Redacted] = cut) -> Redacted:
    """`cut` for the name of a resource: of the signs and length that Google itself gives them it is no secret."""
    return Redacted(text) if _RESOURCE.fullmatch(text) else cut(text)


_RESOURCE = re.compile(r"[a-z][a-z0-9-]{0,62}|[A-Z]{1,20}|[a-z]+\.googleapis\.com/[a-z_/-]{1,60}|\d{1,20}")


def redact(text: str) -> Redaction:
    """Apply every rule in order to the whole text. Order matters: blocks before tokens, tokens before key=value pairs."""
    counts: dict[str, int] = {}
    lower = text.lower()
    for rule in _RULES:
        # Most text holds no trigger of most rules, and a substring test costs a fiftieth of a search.
        for trigger in rule.triggers:
            if trigger in lower:
                break
        else:
            if rule.triggers:
                continue
        text, cuts = _apply(rule, text, lower)
        if cuts:
            counts[rule.name] = counts.get(rule.name, 0) + cuts
            lower = text.lower()
    return Redaction(Redacted(text), counts)


@dataclass(frozen=True, slots=True)
class _Rule:
    """`triggers`: lower-case substrings, one of which the text must hold; empty: always tried.

    `replace` gives what stands for the whole match, or None to leave it. `shape`: a cheap pattern without which the rule
    finds nothing in a text. `starts`: lower-case beginnings, one of which each match has, so that it is tried there only and
    costs nothing elsewhere, however long a line is. `near`: how far before a trigger a match begins at most; then as well
    nothing else is looked at. `whole`: what the rule cuts may lie lines away from its trigger; otherwise only lines that
    hold a trigger are looked at, each with the one below it.
    """

    name: str
    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str | None]
    shape: re.Pattern[str] | None = None
    whole: bool = False
    starts: tuple[str, ...] = ()
    near: int = 0


@dataclass(frozen=True, slots=True)
class _Scan:
    """A rule that one pattern cannot say. `scan` gives the new text and how many values it cut."""

    name: str
    triggers: tuple[str, ...]
    scan: Callable[[str], tuple[str, int]]


def _apply(rule: _Rule | _Scan, text: str, lower: str = "") -> tuple[str, int]:
    """The text without what the rule cuts, and how often it cut. `lower`: the text in lower case, where it is at hand."""
    if isinstance(rule, _Scan):
        return rule.scan(text)
    if rule.shape is not None and rule.shape.search(text) is None:
        return text, 0
    cuts = 0
    pieces: list[str] = []

    def one(match: re.Match[str]) -> str:
        nonlocal cuts
        new = rule.replace(match)
        if new is None or new == match[0]:
            return match[0]
        cuts += 1
        return new

    # A letter whose lower case is longer than itself moves all places behind it.
    if rule.starts and len(lower) == len(text):
        done = 0
        for at in _places_of(rule.starts, lower):
            if at >= done and (match := rule.pattern.match(text, at)) is not None:
                pieces += [text[done:at], one(match)]
                done = match.end()
        return "".join([*pieces, text[done:]]), cuts
    if rule.near and len(lower) == len(text):
        done = 0
        for at in _places_of(rule.triggers, lower):
            start = max(done, at - rule.near)
            while start <= at and (match := rule.pattern.search(text, start, at + _BEHIND)) is not None:
                pieces += [text[done : match.start()], one(match)]
                start = done = match.end()
        return "".join([*pieces, text[done:]]), cuts
    if rule.whole or not rule.triggers or len(lower) != len(text) or "\n" not in text:
        return rule.pattern.sub(one, text), cuts
    done = 0
    for start, end in _lines_with(rule.triggers, lower):
        window = text[start:end]
        if rule.shape is None or rule.shape.search(window) is not None:
            pieces += [text[done:start], rule.pattern.sub(one, window)]
            done = end
    return "".join([*pieces, text[done:]]), cuts


_BEHIND = 700
"""Characters from a trigger on to where the longest match of a rule with `near` ends at most."""


def _places_of(starts: tuple[str, ...], lower: str) -> list[int]:
    places: set[int] = set()
    for start in starts:
        at = lower.find(start)
        while at >= 0:
            places.add(at)
            at = lower.find(start, at + 1)
    return sorted(places)


def _lines_with(triggers: tuple[str, ...], lower: str) -> list[tuple[int, int]]:
    """Where the lines that hold a trigger lie, each with the line below it; what meets is one."""
    found: list[tuple[int, int]] = []
    for trigger in triggers:
        at = lower.find(trigger)
        while at >= 0:
            line_end = lower.find("\n", at + len(trigger))
            below = lower.find("\n", line_end + 1) if line_end >= 0 else -1
            found.append((lower.rfind("\n", 0, at) + 1, below if below >= 0 else len(lower)))
            at = lower.find(trigger, line_end) if line_end >= 0 else -1
    if not found:
        return found
    found.sort()
    joined = [found[0]]
    for start, end in found[1:]:
        if start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _always(placeholder: str) -> Callable[[re.Match[str]], str]:
    return lambda _: placeholder


def _keep_lead(placeholder: str) -> Callable[[re.Match[str]], str]:
    """Group 1 stays, the rest of the match goes."""
    return lambda match: match[1] + placeholder


# --- names that announce a secret -------------------------------------------------------------------------------------

_SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase|code|wort)|pswd|secret|token|credential|api[_-]?key|access[_-]?key|account[_-]?key"
    r"|shared[_-]?access|private[_-]?key|encryption[_-]?key|signing[_-]?key|master[_-]?key|auth[_-]?key|client[_-]?key"
    r"|subscription[_-]?key|license[_-]?key|storage[_-]?key|service[_-]?key|webhook[_-]?key|signature|x-goog-sig"
    r"|authorization|x-auth|session[_-]?(?:id|key)|mfa[_-]?code|pin[_-]?code|conn(?:ection)?[_-]?str|cookie"
    r"|code[_-]?verifier|saml(?:response|request)|mnemonic|seed[_-]?phrase|store[_-]?pass|key[_-]?pass|become[_-]?pass"
    r"|instrumentation[_-]?key|crumb|security[_ -]?answer|kennwort|contrase|mot[_-]?de[_-]?passe|senha|wachtwoord"
    r"|has[lł]o(?![a-z])|парол|密码|密碼|パスワード|비밀번호"
    # Short ones only as whole words: `classname` holds `ssn`.
    r"|(?<![a-z])(?:pass|pwd|pw|sid|otp|totp|cvv2?|cvc2?|ssn|salt|nonce|cnonce|dsn|jwt|csrf|xsrf|hmac|bearer|sas"
    r"|psk)(?![a-z])"
    r"|(?<![a-z])(?:bind|db|root|user|admin)_?(?:pw|pass)(?![a-z])",
    re.IGNORECASE,
)
_KEY_NAME = re.compile(
    r"(?:^|[._-]|(?-i:(?<=[a-z])(?=[KA])))(?:key|auth|pat|sess|key-data|aes|pin|code|hash|digest_response|md5"
    r"|license)$",
    re.IGNORECASE,
)
"""Names of much that is no secret: their value decides."""
# What such a name says when it ends like this is about the secret, not the secret; `TokenService.java:88` is a place.
_NOT_THE_SECRET = re.compile(
    r"(?:[._-](?:name|ref|path|file|type|count|ttl|expiry|expires(?:_in|_at)?|length|len|size|limit|timeout|version"
    r"|description|error|status|ur[il]|endpoint|algorithm|provider|method|policy|plugin|at|date)"
    r"|(?-i:Name|Error|Exception|Failure|Service|Provider|Factory|Manager|Handler|Filter|Encoder|Validator)"
    r"|tokens|\.(?:java|kt|scala|py|m?[jt]sx?|go|rb|php|cs|cpp|c|h|rs))$",
    re.IGNORECASE,
)
_SECRET_TRIGGERS = (
    "pass", "pwd", "pw", "pswd", "secret", "token", "credential", "key", "access", "hmac", "sig", "auth", "session", "sid",
    "csrf", "xsrf", "jwt", "bearer", "otp", "mfa", "pin", "cvv", "cvc", "ssn", "conn", "dsn", "salt", "nonce", "cookie",
    "verifier", "saml", "mnemonic", "phrase", "wort", "contrase", "mot", "senha", "wachtwoord", "has", "парол", "密",
    "パス", "비밀", "crumb", "answer", "sess", "instrument", "sas", "psk", "pat", "aes", "code",
)  # fmt: skip

_HARMLESS_VALUE = re.compile(
    # Words that stand where a value would and are none, our own placeholders, and resource names, which are no secrets;
    # then what code writes there: a call, the field of an object, a reference.
    r"""(?:none|null|nil|undefined|true|false|yes|no|empty|missing|required|invalid|expired|unset|redacted|hidden|n/a
        |malformed|mismatch|await|async|new|not|is|was|must|has|cannot|verification|validation|signature|failed|denied
        |password|secret|token|key|credentials?|bearer|basic|valuefrom|secretkeyref
        |string|str|bytes|int|object|<[^>]*>|\[[a-z-]*\]|\*+|x{3,}|\.{3}|…|\$\{?\w+\}?|%s|\{\w*\}|\$\{\{.*
        |(?:self|this|request|config|settings|cfg|conf|opts|options|args|env|environ|var|local|params|secrets)\.[\w.\[\]]*\(?
        |(?:get|load|read|fetch|create|make|generate|new|find|require)[A-Z_]\w*\(.*|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\(.*
        |projects/\S*|/\S*secrets?/\S*|os\.\S*|process\.\S*)[.,;:)\]}'"]*""",
    re.IGNORECASE | re.VERBOSE,
)


# key=value, "key": "value", key => value, <key>value, \"key\": \"value\", {"key": {"value": "..."}}; with a comma only where
# the key itself is quoted, as in ('x-api-key', '...'). Possessive, so that a long word costs one look.
_NAME_AND_SEPARATOR = re.compile(
    r"(?<![\w.-])([\w.-]{2,80}+)(?:(?:\\{0,7}+[\"'`\]]{0,2}+(?::(?:protected|private)\])?+"
    r"(?: ?\[(?:hidden|masked|required)?\])?+|&quot;|\\u0022)\s{0,20}+(?:=>|[:?]=|->|:(?!:)|={1,3}"
    r"|>|&gt;|;s:\d{1,5}:(?=\"))"
    r"|\\{0,7}+[\"']\s{0,3}+(?P<listed>,))"
    r"\s{0,20}+(?:[>|][+-]?[ \t]{0,9}\n\s{0,40}+)?"
    r"(?:\{\s{0,20}+\\{0,7}+[\"']?(?:value|plain\w{0,9}|data|content|secret"
    r"|string)\\{0,7}+[\"']?\s{0,9}+[:=]\s{0,20}+)?"
    r"(?:!{1,2}\w{1,12}\s|&\w{1,20}\s|<!\[CDATA\[|&quot;|\\u0022|\"\"(?=\")|''(?=')|[bBNuUrRf](?=[\"'])|<<(?=\")"
    r"|(?!getenv|env|get|input)\w{1,16}\((?:\d{1,6}\)\s?)?(?=\\{0,7}[\"']))?"
)
_QUOTE = re.compile(r"\\{0,7}[\"'`]")
_VALUE = re.compile(
    r"t=\d{1,12},v\d=[^\s\"']{1,400}|\"(?:[^\"\\\n]|\\.)*+\"?|'(?:[^'\\\n]|\\.)*+'?|\{(?=[^{])(?:[^\n:,\"'=\\{}]"
    r"|\}\}|\}(?=;)|\{){4,200}\}"
    r"|[^\s<>\"'){}\]\[]{1,4096}+|\[[^\]\n]{1,200}\]",
)
_VALUE_ENDS = re.compile(r"&quot;|&lt;|\\u0022|[,;&](?=\s|$|[\w.%-]{1,60}\s?[=:]|[\"'{\[])|:(?=\S*@)")
_OPAQUE_ENOUGH = re.compile(
    r"(?=[A-Z-]*\d)(?:[A-Z0-9]{4,6}-){3,}[A-Z0-9]{4,6}|(?=[^\s]*\d)(?=[^\s]*[A-Za-z])[A-Za-z0-9+/_~=-]{16,}"
    r"|[A-Za-z0-9+/]{12,}={1,2}|[0-9a-fA-F]{32,}"
)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SHORT_NUMBER = re.compile(r"\d{4,8}")


@lru_cache(maxsize=4096)
def _announces(name: str) -> bool | None:
    """Whether the value of this name is a secret: True for certain, False if it looks like one, None never."""
    if _SECRET_NAME.search(name):
        return None if _NOT_THE_SECRET.search(name) else True
    return False if _KEY_NAME.search(name) else None


def _cut_named(text: str) -> tuple[str, int]:
    """The values of names that announce a secret. A name that announces none does not swallow the one after it."""
    pieces: list[str] = []
    done = cuts = 0
    for match in _NAME_AND_SEPARATOR.finditer(text):
        name = match[1]
        if match.end() < done or match.end() == len(text):
            continue
        announces = _announces(name)
        if announces is None:
            continue
        # A name in quotes that ends with a sign: the quote that follows closes it.
        closed = text[match.end(1) : match.end(1) + 1] in ("`", "'")
        if (
            not closed
            and text[match.start() - 1 : match.start()] in ("`", "'")
            and text[match.end() - 1 : match.end() + 1]
            in (
                "='",
                ":'",
            )
        ):
            continue
        # What a long value begins with tells whether it is one; text full of such names is not read to its end for each.
        stop = len(text) if announces else min(len(text), match.end() + _BEGINNING)
        end, inner, quote = _value_at(text, match.end(), stop)
        if not inner or _HARMLESS_VALUE.fullmatch(inner):
            continue
        if match["listed"] and (not quote or text[end : end + 3].lstrip("\"' ")[:1] in (":", "=")):
            continue
        if (
            "\n" in match[0]
            and not quote
            and not _BLOCK_SCALAR.search(match[0])
            and not (_DIGIT.search(inner) and any(c.isalpha() for c in inner))
        ):
            continue  # the next line of a text that ends in `password:`
        if not announces and not _weak(name, inner):
            continue
        if end == stop < len(text):
            end, inner, quote = _value_at(text, match.end(), len(text))
        if not quote and _told(text, match, end, inner):
            continue
        pieces += [text[done : match.end()], f"{quote}[secret]{quote}"]
        done = end
        cuts += 1
    return "".join([*pieces, text[done:]]), cuts


_BLOCK_SCALAR = re.compile(r"[>|][+-]?[ \t]*\n")
_PASSWORD_NAME = re.compile(r"pass|pwd|pw(?![a-z])|secret|pin(?![a-z])|otp|key", re.IGNORECASE)
_VERSION = re.compile(r"v?\d{1,4}(?:\.\d{1,4}){2,4}")
_TAG = re.compile(r"v?\d{1,4}(?:\.\d{1,4}){1,4}(?:[.+-][\w.-]{1,40})?|(?:[a-z]{2,12}-)?[0-9a-f]{7,40}|[a-z]{2,12}")
_IMAGE = re.compile(r"(?<![\w./:@-])[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,5}(?::\d{2,5})?/(?:[\w.-]{1,100}/){0,8}$")
_TASK = re.compile(
    r"edit|show|create|list|get|rotate|delete|generate|migrate|clear|refresh|revoke|sync|init|install|update|check|verify"
    r"|validate|fetch|read|write|diff|seal|unseal"
)
"""What a tool is told to do, as in `credentials:edit`."""
_LOOKS_BACK = 300
_WORD = re.compile(r"(?=[a-z]{0,3}[aeiouy])[a-z]{2,14}")
_NO_WORD = re.compile(r"[^aeiouy]{4}|[aeiouy]{4}|[bcdfgjkmpqtvwxz][jqvxz]|[jvz][^aeiouyz]|q[^u]")
"""Neighbours that words do not have and that nearly every random run of their length has."""
_MORE_PROSE = re.compile(r" {1,2}[A-Za-z]{2,}(?![\w=-])")


def _told(text: str, match: re.Match[str], end: int, value: str) -> bool:
    """Whether what stands behind the name tells of it: the tag of an image, a version, or the first word of a sentence.

    A password may be a word, so that names of passwords lose it all the same.
    """
    separator = match[0][len(match[1]) :]
    start = match.start()
    if separator == ":" and text[start - 1 : start] == "/" and _TAG.fullmatch(value):
        return _IMAGE.search(text[max(0, start - _LOOKS_BACK) : start]) is not None
    if separator == ":" and _TASK.fullmatch(value):
        return True
    if _PASSWORD_NAME.search(match[1]):
        return False
    if _VERSION.fullmatch(value):
        return True
    return (
        separator == ": "
        and _WORD.fullmatch(value) is not None
        and _NO_WORD.search(value) is None
        and _MORE_PROSE.match(text, end) is not None
    )


_BEGINNING = 400


def _value_at(text: str, start: int, stop: int) -> tuple[int, str, str]:
    """Where the value that begins at `start` ends, at `stop` at most; what it holds, and its quote with its backslashes."""
    opening = _QUOTE.match(text, start)
    if opening and len(opening[0]) > 1:
        line_end = text.find("\n", start)
        line_end = len(text) if line_end < 0 else line_end
        closing = text.find(opening[0], opening.end(), line_end)
        if closing >= 0:
            return closing + len(opening[0]), text[opening.end() : closing], opening[0]
        return line_end, text[opening.end() : line_end], opening[0]
    value = _VALUE.match(text, start, stop)
    if value is None:
        return start, "", ""
    if value[0][0] in "\"'":
        return value.end(), value[0].strip("\"'`\\"), value[0][0]
    ending = _VALUE_ENDS.search(text, start, value.end())
    end = ending.start() if ending else value.end()
    if end == value.end() and value[0][-1] in ".,;&":
        end -= 1
    if (
        start
        and "\n" in text[max(0, text.rfind("\n", 0, start)) : start]
        and _INDENTED.search(text, *_line(text, start))
    ):
        # A line of its own in a configuration: the value may hold blanks.
        rest = text.find("\n", end)
        end = len(text) if rest < 0 else rest
    return end, text[start:end].strip("`\\ "), ""


_INDENTED = re.compile(r"\n[ \t]{1,40}(?:- )?[\w.-]{2,80}: \S[^\n:,{}\[\]()]*$")


def _line(text: str, at: int) -> tuple[int, int]:
    end = text.find("\n", at)
    return max(0, text.rfind("\n", 0, at)), len(text) if end < 0 else end


def _weak(name: str, value: str) -> bool:
    if name.lower().endswith("pin"):
        return _SHORT_NUMBER.fullmatch(value) is not None
    return _OPAQUE_ENOUGH.fullmatch(value) is not None and not _UUID.fullmatch(value)


_BESIDE = ("name", "key", "env", "variable", "id", "field")
_NAME_BESIDE = re.compile(
    r"(\b(?:name|key|env|variable|id"
    r"|field)\\{0,7}[\"']?\s{0,4}[:=]\s{0,4}\\{0,7}[\"']?([\w.-]{2,80})\\{0,7}[\"']?\s{0,4},?\s{1,40}"
    r"\\{0,7}[\"']?(?:value|val|default|string_?value)\\{0,7}[\"']?\s{0,4}[:=]\s{0,4})",
    re.IGNORECASE,
)


def _cut_beside(text: str) -> tuple[str, int]:
    """`{"name": "DB_PASSWORD", "value": "…"}` in JSON, YAML and XML: the name of the secret is a value itself."""
    pieces: list[str] = []
    done = cuts = 0
    lower = text.lower()
    # A letter whose lower case is longer than itself moves all places behind it.
    places = _places_of(_BESIDE, lower) if len(lower) == len(text) else range(len(text))
    for at in places:
        match = _NAME_BESIDE.match(text, at)
        if (
            match is None
            or match.start() < done
            or not _SECRET_NAME.search(match[2])
            or _NOT_THE_SECRET.search(match[2])
        ):
            continue
        end, inner, quote = _value_at(text, match.end(), len(text))
        if not inner or _HARMLESS_VALUE.fullmatch(inner):
            continue
        pieces += [text[done : match.end()], f"{quote}[secret]{quote}"]
        done, cuts = end, cuts + 1
    return "".join([*pieces, text[done:]]), cuts


_COLUMNS = re.compile(
    r"(?:^|(?<=\n))(?=[^\n]{0,400}(?:pass|pwd|secret|token|key|credential))((?:\"?[A-Za-z][\w .-]{0,40}\"?(?P<by>[,;\t|]) ?)"
    r"(?:\"?[A-Za-z][\w .-]{0,40}\"?(?P=by) ?){0,40}\"?[A-Za-z][\w .-]{0,40}\"?)\r?\n(?=[^\n]{0,2000}(?P=by))",
    re.IGNORECASE,
)
"""A line of names between commas, semicolons, tabs or bars, one of which announces a secret, above a line of values."""


def _cut_columns(text: str) -> tuple[str, int]:
    """The column of a table whose heading announces a secret, in the lines below that have as many columns."""
    head = _COLUMNS.search(text) if "\n" in text else None
    if head is None:
        return text, 0
    by, names = head["by"], [name.strip(' "\r') for name in head[1].split(head["by"])]
    at = [n for n, name in enumerate(names) if _announces(name.replace(" ", "_"))]
    if not at:
        return text, 0
    lines, cuts = text[head.end() :].split("\n"), 0
    for number, line in enumerate(lines):
        cells = line.split(by)
        if len(cells) != len(names):
            break
        for n in at:
            value = cells[n].strip(' "\r')
            if value and not _HARMLESS_VALUE.fullmatch(value):
                cells[n] = cells[n].replace(value, "[secret]")
                cuts += 1
        lines[number] = by.join(cells)
    return text[: head.end()] + "\n".join(lines), cuts


_RESOURCE_NAME = re.compile(r"[a-z][a-z0-9]{0,20}(?:-[a-z0-9]{1,20}){1,6}")


_LETTERS = re.compile(r"[a-z]{6,40}\.{0,3}")
_SAYS_IT = re.compile(r"(?:password|passphrase|passcode|pwd) (?:is|was|=|value) $")
_STATE = re.compile(
    r"(?:\w*(?:ed|ing|able|ible|ent|ory|less|ful|ous|ish|ect|ong|ort|tion|word|thing|ly)|invalid|required|missing|empty|blank"
    r"|unset|hidden|needed|being|simply|either|always|changed|wrong|broken|shorter|longer|weaker|stored|through|really"
    r"|within|without|strength|length)[.]?"
)
"""What a sentence says of a password instead of naming it."""


def _prose_value(match: re.Match[str]) -> str | None:
    """`password hunter2`: only values that no word would look like."""
    value = match[2]
    if value[0] == "[" or _HARMLESS_VALUE.fullmatch(value):
        return None
    lead = match[1].lower()
    password = lead.startswith(("pass", "pwd", "requirepass"))
    if lead[-1] in "\"'`" and lead.startswith("pass"):
        return match[1] + "[secret]"
    if (
        password
        and _LETTERS.fullmatch(value)
        and (_NO_WORD.search(value) or _SAYS_IT.search(lead))
        and not _STATE.fullmatch(value)
    ):
        return match[1] + "[secret]"
    if len(value) >= _LONG_PART and value.isalpha() and _changes(value) >= _NO_NAME and _NO_WORD.search(value.lower()):
        return match[1] + "[secret]"
    if not (any(c.isdigit() for c in value) and any(c.isalpha() for c in value)):
        return None
    if not match[1].lower().startswith("pass") and _RESOURCE_NAME.fullmatch(value) and not _UUID.fullmatch(value):
        return None
    return match[1] + "[secret]"


_ANNOUNCING_SEGMENT = re.compile(
    r"(?:\w{0,16}[_-])?(?:reset|password|passwd|invite|invitation|accept|verify|verification|confirm|confirmation"
    r"|activate|activation"
    r"|magic|unsubscribe|tokens?|key|session|share|join|auth|login|sso|oauth|callback|webhooks?|hooks?|email|link"
    r"|input|incomingwebhook)(?:[_-]\w{1,16})?/",
    re.IGNORECASE,
)


def _path_segment(match: re.Match[str]) -> str | None:
    """`/reset-password/…`: a segment that grants what the one before it says."""
    value = match[2]
    if "." in value or not _DIGIT.search(value) or not any(c.isalpha() for c in value) or _UUID.fullmatch(value):
        return None
    return f"/{match[1]}[secret]" if _ANNOUNCING_SEGMENT.fullmatch(match[1]) else None


_HEX_PAIR = re.compile(r"[0-9a-fA-F:]{32,}")


def _userinfo(match: re.Match[str]) -> str:
    return f"{match[1]}[secret]@"


_LITERAL = re.compile(r"\"(?:[^\"\\\n]|\\.)*+\"|'(?:[^'\\\n]|\\.)*+'")


def _keep_first_literal(match: re.Match[str]) -> str:
    """`login('bob', 'hunter2')`: every literal but the first."""
    seen = 0

    def one(literal: re.Match[str]) -> str:
        nonlocal seen
        seen += 1
        return literal[0] if seen == 1 else f"{literal[0][0]}[secret]{literal[0][0]}"

    return _LITERAL.sub(one, match[0])


def _every_literal(match: re.Match[str]) -> str:
    return match[1] + _LITERAL.sub(lambda literal: f"{literal[0][0]}[secret]{literal[0][0]}", match[2])


# --- people -----------------------------------------------------------------------------------------------------------

_KEPT_ADDRESSES = {"127.0.0.1", "0.0.0.0", "169.254.169.254", "255.255.255.255"}  # noqa: S104 - compared, not bound


def _email(match: re.Match[str]) -> str | None:
    if match[0].startswith("git@"):
        return None
    host = re.split(r"@|%(?:25)*40|\\u0040|&#0*64;|&commat;", match[0].lower())[-1]
    return None if host.endswith("gserviceaccount.com") else "[email]"


@lru_cache(maxsize=4096)
def _ip(text: str) -> str | None:
    if text in _KEPT_ADDRESSES:
        return None
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified:
        return None
    # Documentation ranges count as public: `is_private` covers more than what a private network uses.
    private = address.is_link_local or any(address in net for net in _PRIVATE_NETS if net.version == address.version)
    return "[private-ip]" if private else "[public-ip]"


_PRIVATE_NETS = tuple(
    ipaddress.ip_network(net)
    for net in (
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "169.254.0.0/16",
        "fc00::/7",
        "fe80::/10",
    )
)
_VERSION_WORDS = re.compile(
    r"\b(?:upgrad|downgrad|install|bump|requir|version|release|package|depend|-> ?\d|=>\s?\d)", re.IGNORECASE
)
_VERSION_LOOKS_BACK = 80


def _ipv4(match: re.Match[str]) -> str | None:
    text, start = match.string, match.start()
    before = text[max(0, start - _VERSION_LOOKS_BACK) : start]
    if before and (before[-1].isalnum() or before[-1] == "."):
        return None
    dashed = "-" in match[0]
    parts = match[0].split("-" if dashed else ".")
    if dashed:
        if not (_HOST_LEAD.search(before) or (before[-1:] != "-" and text[match.end() : match.end() + 1] == ".")):
            return None
    elif all(len(part) <= 2 for part in parts) and (_VERSION_LEAD.search(before) or _VERSION_WORDS.search(before)):
        # Four small numbers are a version as well as an address; words decide.
        return None
    return _ip(".".join(part.lstrip("0") or "0" for part in parts))


_HOST_LEAD = re.compile(r"(?<![A-Za-z])(?:ip|ec2|host|client|static|dyn|dhcp)-$", re.IGNORECASE)
_VERSION_LEAD = re.compile(
    r"(?:\b(?:version|ver|release|python|protobuf|java|jdk|jre|node|dotnet|chrome|firefox|edge|driver|sdk"
    r"|openssl)[ =:]{0,2}"
    r"|(?:\bv|==|>=|<=|~=) ?|[A-Za-z]/)$",
    re.IGNORECASE,
)


def _ipv6(match: re.Match[str]) -> str | None:
    text = match[0]
    if text.count(":") < 2 or not ("::" in text or any(c.isdigit() for c in text)) or len(text) < 4:
        return None
    return _ip(text)


def _unless_inside(match: re.Match[str]) -> str | None:
    before = match.string[match.start() - 1 : match.start()]
    return None if before.isalnum() or before in ("-", ".", "_") else "[personal-number]"


def _mac(match: re.Match[str]) -> str | None:
    before = match.string[match.start() - 1 : match.start()]
    if before.isalnum() or before in ("-", ":", "_", "."):
        return None
    return None if "." in match[0] and match[0].replace(".", "").isdigit() else "[mac]"


def _luhn(digits: str) -> bool:
    total = 0
    for i, c in enumerate(reversed(digits)):
        d = int(c)
        if i % 2:
            d = d * 2 - 9 if d > 4 else d * 2
        total += d
    return total % 10 == 0


def _card(match: re.Match[str]) -> str | None:
    before = match.string[match.start() - 1 : match.start()]
    escaped = match.string[match.start() - 3 : match.start()].lower() in ("%3d", "%20", "%22")
    if not escaped and (before.isalnum() or before in ("-", ".")):
        return None
    digits = re.sub(r"\D", "", match[0])
    return "[card]" if 13 <= len(digits) <= 19 and _luhn(digits) else None


_IBAN_COUNTRIES = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DK18 DO28 EE20 EG29 ES24 FI18 FO18 FR27 "
    "GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 LC32 LI21 LT20 LU20 LV21 LY25 MC27 "
    "MD24 ME22 MK19 MR27 MT31 MU30 NL18 NO15 PK24 PL28 PS29 PT25 QA29 RO24 RS22 SA24 SC31 SD18 SE24 SI19 SK24 SM27 ST25 SV28 "
    "TL23 TN24 TR26 UA29 VA22 VG24 XK20"
)
_IBAN_LENGTHS = {country[:2]: int(country[2:]) for country in _IBAN_COUNTRIES.split()}
"""How long an account number of each country is."""


def _iban(match: re.Match[str]) -> str | None:
    if match.string[match.start() - 1 : match.start()].isalnum():
        return None
    text = re.sub(r"[ -]", "", match[0]).upper()
    length = _IBAN_LENGTHS.get(text[:2], 0)
    if not length or len(text) < length:
        return None
    number = "".join(str(int(c, 36)) for c in text[4:length] + text[:4])
    return "[iban]" if int(number) % 97 == 1 else None


# --- opaque values ----------------------------------------------------------------------------------------------------

_CLASS_TABLE = {
    c: "1" if 48 <= c <= 57 else "A" if 65 <= c <= 90 else "a" if 97 <= c <= 122 else "-" for c in range(128)
}
_CHANGE = re.compile(r"1(?=[Aa])|A(?=[1a])|a(?=[1A])")
_SUBRESOURCE = re.compile(r"sha(?:256|384|512)-[A-Za-z0-9+/]{43,86}={0,2}")
_DIGEST = re.compile(r"(?:\b(?:SHA|sha)(?:1|256|384|512)|\bh1)[:=-]\Z")
"""What stands before a digest, which says what ran and grants nothing."""
_SEGMENT = re.compile(r"[A-Za-z0-9]+")
_VENDOR_WORD = re.compile(
    r"(?:^|[_-])(?:live|test|prod|sandbox|sec|secret|priv|pat|api|apikey|key|tok|token|tkn|pw|sk|rk|oauth|auth"
    r"|personal"
    r"|access|refresh|uat|svc)[_-]",
    re.IGNORECASE,
)
_ID_PREFIXES = (
    "id req request trace span commit sha sha1 sha256 sha512 md5 rev revision build job task run digest image layer uid evt "
    "event msg message container docker pod node op operation session corr correlation txn tx order user hash blob etag git "
    "tag version object"
)
_ID_WORDS = frozenset(_ID_PREFIXES.split())
_HEX = re.compile(r"[0-9a-f]+|[0-9A-F]+")
_ANNOUNCED_HEX = re.compile(r"(?:^|/)([A-Za-z]{2,12})_(?:[a-z0-9]{1,10}_)?[0-9a-fA-F]{32,}$")
_NO_NAME = 0.34
"""How often neighbours change class in what is no name."""
_RANDOM = 0.42
"""The same in what is random without doubt, so that a run with few or no digits needs no more."""


_JOB = re.compile(r"(?:bq)?job_")
"""How BigQuery names its jobs."""


def _opaque(match: re.Match[str]) -> str | None:
    """A run that mixes cases and digits without the rhythm of words: nobody named anything like that.

    The measure is how often neighbouring characters change class: about .6 in random base64, below .25 in identifiers. It
    is taken of the whole and of each part, so that words before it do not dilute it. A long hexadecimal part is an id or a
    digest unless a word that no id begins with stands before it.
    """
    text = match[0]
    if _JOB.match(text) or _DIGEST.search(match.string, max(0, match.start() - 8), match.start()):
        return None
    classes = text.translate(_CLASS_TABLE)
    digits, upper = classes.count("1"), classes.count("A")
    if not digits and upper < _MANY_CAPITALS:
        return None
    mixed = digits >= 2 and upper >= 2 and classes.count("a") >= 2
    if mixed and len(_CHANGE.findall(classes)) / len(text) >= _NO_NAME:
        return None if _SUBRESOURCE.fullmatch(text) else "[opaque]"
    longest = max(_SEGMENT.findall(text), key=len, default="")
    if len(longest) < _LONG_PART:
        return None
    if _HEX.fullmatch(longest):
        announced = _ANNOUNCED_HEX.search(text)
        return "[opaque]" if announced and announced[1].lower() not in _ID_WORDS else None
    classes = longest.translate(_CLASS_TABLE)
    digits, upper = classes.count("1"), classes.count("A")
    changes = len(_CHANGE.findall(classes)) / len(longest)
    if upper and upper + digits < len(longest):
        if digits:
            return "[opaque]" if changes >= _NO_NAME and upper >= 2 else None
        return "[opaque]" if changes >= _RANDOM and len(longest) >= _LONG_ONE_CASE else None
    random = digits >= _MANY_DIGITS and changes >= _ONE_CASE
    return "[opaque]" if random and (len(longest) >= _LONG_ONE_CASE or _VENDOR_WORD.search(text)) else None


_MANY_CAPITALS = 5
_MANY_DIGITS = 4
"""More than a version or a plain number in a name has."""
_LONG_PART = 16
_LONG_ONE_CASE = 30
_ONE_CASE = 0.25
"""Changes between letters and digits in a random run of one case: .4 of them."""


def _classes(text: str) -> list[int]:
    return [1 if c.isdigit() else 2 if c.isupper() else 3 if c.islower() else 0 for c in text]


def _changes(text: str) -> float:
    return sum(a != b for a, b in pairwise(_classes(text)) if a and b) / len(text)


_DIGIT = re.compile(r"\d")
_USERINFO = re.compile(r"://[^\s\"'<>?]{1,510}@")
_LONG_RUN = re.compile(r"[A-Za-z0-9+/]{60}")
_B64_LINE = r"[A-Za-z0-9+/]{40,}={0,2}"
_UUID_TAIL = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_IP_PART = r"(?:25[0-5]|2[0-4]\d|[01]?\d?\d)"

_RULES: tuple[_Rule | _Scan, ...] = (
    _Rule(
        "private key",
        ("private", "-----begin", "-----end", "key-file"),
        # A block cut off at either end is still a key: to the END line, or as far as base64 goes.
        re.compile(
            r"-----BEGIN [A-Z0-9 ]{0,40}(?:PRIVATE KEY|PGP MESSAGE|CERTIFICATE REQUEST)[A-Z ]{0,20}-----"
            r"(?:(?:(?!-----(?:END|BEGIN) )[\s\S]){0,20000}?-----END [A-Z0-9 ]{0,40}-----"
            r"|(?:\s|\\[nr]|[A-Za-z0-9+/=:,]|-(?!----))*)"
            r"|(?<![A-Za-z0-9+/])(?:" + _B64_LINE + r"(?:\s|\\[nr])+)+-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,20}-----"
            r"|(?:Private-Lines: \d{1,4}(?:\s|\\[nr]){1,4}(?:[A-Za-z0-9+/=]{16,}(?:\s"
            r"|\\[nr]){0,4})+(?:Private-MAC: \w{1,128})?)"
        ),
        _always("[private-key]"),
        whole=True,
    ),
    _Rule(
        "base64 block",
        (),
        re.compile(r"(?<![A-Za-z0-9+/])(?:[A-Za-z0-9+/]{60,}={0,2}(?:\s{1,4}|\\[nr]){1,4}){2,}[A-Za-z0-9+/]*={0,2}"),
        _always("[base64]"),
    ),
    _Rule(
        "url credentials",
        ("@",),
        re.compile(
            r"\b([a-z][a-z0-9+.-]{1,30}+://)"
            r"(?:[^\s/@:\"'<>]{0,200}:(?!\d{1,5}/)[^\s\"'<>?]{1,300}"
            r"|[^\s/@\"'<>]{1,500})@(?=[\w.\[-]{1,200}(?:[:/?,;\s\"'\\)\]]|$))",
            re.IGNORECASE,
        ),
        _userinfo,
        shape=_USERINFO,
    ),
    _Rule(
        "url credentials",
        ("@",),
        re.compile(r"\b([a-z][a-z0-9+.-]{1,30}+://)([^\s/@\"'<>]{1,500})@", re.IGNORECASE),
        lambda m: None if m[2] == "[secret]" else _userinfo(m),
        shape=_USERINFO,
    ),
    _Rule(
        "dsn credentials",
        ("@tcp(", "@unix(", "@("),
        re.compile(r"(?<![\w.%-])([\w.%-]{1,60}:)[^\s:@/]{1,200}@(?=(?:tcp|unix)?\()"),
        lambda m: f"{m[1]}[secret]@",
    ),
    _Rule(
        "dsn credentials",
        ("jdbc:oracle", "sqlplus", "impdp", "expdp", "rman"),
        re.compile(
            r"((?:jdbc:oracle:\w{2,6}:|\b(?:sqlplus|sqlldr|impdp|expdp|rman|exp"
            r"|imp)\s{1,3}(?:-\w\s)?)[\w$\"]{1,60}/)[^\s@]{1,200}@",
            re.IGNORECASE,
        ),
        lambda m: f"{m[1]}[secret]@",
    ),
    _Rule(
        "dsn credentials",
        (":5432:", ":5433:", ":6432:", ":*:"),
        re.compile(r"(?<![\w.*-])([\w.*-]{1,100}:(?:5432|5433|6432|\*):[\w*-]{1,63}:[\w*.@-]{1,63}:)[^\s:]{3,200}"),
        _keep_lead("[secret]"),
    ),
    _Rule("jwt", ("eyj",), re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){1,4}"), _always("[jwt]")),
    _Rule(
        "webhook address",
        ("hooks.", "webhook", "/with/key/", "chat.googleapis", "api.telegram"),
        re.compile(
            r"(https?://(?:hooks\.slack\.com/(?:services|workflows|triggers|commands|actions)"
            r"|[\w.-]{0,60}discord(?:app)?\.com/api/webhooks"
            r"|[\w.-]{0,100}webhook\.office\.com/\w{1,40}|outlook\.office\.com/webhook|hooks\.zapier\.com/hooks"
            r"|chat\.googleapis\.com/v1/spaces"
            r"|api\.telegram\.org(?=/bot)|maker\.ifttt\.com/trigger)/)\S+",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
    ),
    _Rule(
        "token",
        (),
        # The look ahead passes over short words: no token below is shorter.
        re.compile(
            r"(?<![A-Za-z0-9])(?=[\w.$:/+=-]{12})(?:"
            r"gh[pousr]_[\w-]{16,}(?:\.[\w-]+)*|github_pat_\w{20,}|gl(?:pat|ptt|dt|rt|cbt|ft|soat|sa|agent|oas|imt"
            r"|ffct)[-_][\w-]{16,}"
            r"|AKIA[A-Z0-9]{12,}|A(?:SIA|GPA|IDA|ROA|NPA|NVA|BIA|CCA)[A-Z0-9]{16,}|AIza[\w-]{30,}|ya29\.[\w.-]{10,}"
            r"|1//0[\w-]{20,}|GOCSPX-[\w-]{10,}|4/0[A-Za-z][\w-]{20,}|GOOG1?[A-Z0-9]{20,}|LTAI[A-Za-z0-9]{12,}"
            r"|SCW[A-Z0-9]{17}"
            r"|xox[a-z][-.][\w.-]{8,}|x(?:app|wfp|oxe)-[\w-]{10,}|[spr]k_(?:org_)?(?:live|test|prod)_\w{8,}"
            r"|whsec_[\w+/=-]{10,}"
            r"|[sprc]k-[\w-]{16,}|sk_[0-9a-f]{32,}|SG\.[\w-]{10,}\.[\w-]{10,}|key-[0-9a-f]{32}|npm_\w{20,}"
            r"|pypi-[\w-]{16,}"
            r"|hf_\w{20,}|csk-\w{20,}|(?:rzp|pay|shippo|duffel|flwsec|live|test)_(?:live|test|prod"
            r"|[0-9a-f]{32})[\w-]{0,120}"
            r"|do[opr]_v1_\w{20,}|shp(?:at|ca|pa|ss|tka)_\w{16,}|sq0\w{3}-[\w-]{16,}|EAA[A-Za-z0-9]{20,}"
            r"|PMAK-[\w-]{20,}"
            r"|access_token\$\w{4,20}\$\w{8,}\$\w{16,}|(?:access|public|link)-(?:production|sandbox"
            r"|development)-[\w-]{30,}"
            r"|NRAK-\w{16,}|NR[A-Z]{2}-\w{16,}|dckr_[po]at_[\w-]{16,}|ATATT3[\w=-]{16,}|ATBB\w{16,}|ATCTT3[\w=-]{16,}"
            r"|lin_(?:api|oauth)_\w{16,}|ntn_\w{16,}|hv[sbr]\.[\w-]{16,}|(?:dapi|dose|dkea|pub)[0-9a-f]{32}(?:-\d)?"
            r"|AGE-SECRET-KEY-1\w{20,}|dt0[a-z]\d\d\.\w{20,}\.\w{20,}|pat[A-Za-z0-9]{14}\.[0-9a-f]{32,}"
            r"|st\.[0-9a-f-]{20,}\.[0-9a-f]{20,}(?:\.[0-9a-f]{20,})?|\d/\d{12,}/\d{12,}:[0-9a-f]{20,}"
            r"|glc_[\w+/=]{16,}|glsa_\w{16,}|sntry[su]_[\w+/=-]{16,}|hc[abx]i[kc]_\w{20,}"
            r"|v1\.0-[0-9a-f]{20,}-[0-9a-f]{40,}"
            r"|rubygems_[0-9a-f]{20,}|pul-[0-9a-f]{30,}|tfp_\w{20,}|figd_[\w-]{20,}|fo1_[\w-]{20,}|r8_\w{20,}"
            r"|sgp_\w{20,}"
            r"|gsk_\w{20,}|xai-\w{20,}|pplx-\w{20,}|AC[0-9a-f]{32}|SK[0-9a-f]{32}|\d{8,10}:AA[\w-]{30,}|vercel_\w{16,}"
            r"|lsv2_\w{16,}|pscale_\w{2,10}_[\w-]{16,}|sbp_[0-9a-f]{30,}|oy2[a-z0-9]{43}|CFPAT-[\w-]{16,}"
            r"|CCIPAT_\w{16,}"
            r"|bkua_\w{16,}|dp\.(?:pt|st|ct|sa|scim|audit)\.\w{16,}|AAAA[\w-]{7}:[\w-]{60,}|sq[uap]_[0-9a-f]{40}"
            r"|HRKU-[\w-]{20,}|napi_\w{20,}|rdme_\w{20,}|[0-9a-f]{32}-(?:us\d{1,2}|[0-9a-f]{8}-[0-9a-f]{8})(?![\w-])"
            r"|(?:sdk|mob|api|rel|xaat|xapt|pat-[a-z]{2,3}\d|waka_|key|sk|token|tok|secret)[-_]?" + _UUID_TAIL +
            r"|[a-z][\w-]{13,20}\.atlasv1\.[\w-]{20,}"
            r")"
        ),
        _always("[token]"),
    ),
    _Rule(
        "token",
        (".atlasv1.", "xprv", "0x"),
        re.compile(
            r"(?<![\w-])(?:[A-Za-z0-9]{8,24}\.atlasv1\.[\w-]{20,}|[xyz]prv[1-9A-HJ-NP-Za-km-z]{90,}"
            r"|(?<=key )0x[0-9a-fA-F]{64})"
        ),
        _always("[token]"),
        shape=re.compile(r"\.atlasv1\.|[xyz]prv[1-9]|key 0x"),
    ),
    _Rule(
        "password hash",
        ("$", "{ssha", "{sha", "{crypt", "{md5", "hash", ":::"),
        re.compile(
            r"(?<![\w$])(?:(?:pbkdf2[\w:-]{0,20}|scrypt|bcrypt\w{0,8}|argon2\w{0,2}|sha\d{1,3}"
            r"|md5)[:$][\w:$=,./+-]{20,400}={0,2}"
            r"|\$(?:2[abxy]?|apr1|[156y]|7|argon2\w{0,2}|scrypt|pbkdf2[\w-]{0,10}|P|H|S"
            r"|md5)\$[\w:$=,./+-]{16,400}={0,2}"
            r"|\{(?:SSHA|SHA|CRYPT|MD5|SMD5)\d{0,3}\}[\w$./+=]{12,200}|[0-9a-f]{32}:[0-9a-f]{32}(?=:::)"
            r"|(?:(?<=ntlm hash )|(?<=nt hash )|(?<=password hash ))[0-9a-f]{32,128})",
            re.IGNORECASE,
        ),
        lambda m: "[hash]" if "$" in m[0] or m[0][0] == "{" or _HEX_PAIR.fullmatch(m[0]) else None,
    ),
    _Rule(
        "cookie",
        ("cookie",),
        # What a cookie holds has a sign or a digit; words alone tell of one.
        re.compile(
            r"((?:set-)?cookies?(?:[\"']?\s{0,3}(?:[:=]|=>)|[\"']\s{0,3},)\s{0,3}[\"']?)(?=\S)"
            r"(?!(?-i:[a-z]{1,14}(?: [a-z]{1,14}){1,20}[.,]?)(?:$|\n))[^\n\"']{2,}",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
        starts=("cookie", "set-cookie"),
    ),
    _Rule(
        "authorization",
        ("authorization",),
        # These schemes spread over the line; what follows their name is one secret.
        re.compile(
            r"((?:proxy-)?authorization[\\\"']{0,9}\s{0,3}(?:[:=,]|=>)\s{0,3}[\\\"'\[]{0,9}"
            r"(?:digest|aws4-hmac-sha256|hawk|oauth|mac|signature|goog4-\S{1,20}"
            r"|sharedkey\w{0,4})\s{1,3})[^\n]{3,2000}",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
        starts=("authorization", "proxy-authorization"),
    ),
    _Rule(
        "authorization",
        ("auth", "bearer", "basic", "digest", "negotiate", "apikey"),
        re.compile(
            r"((?:proxy-)?authorization[\\\"']{0,9}\s{0,3}(?:[:=,]"
            r"|=>)\s{0,3}[\\\"'\[]{0,9}(?:[A-Za-z][\w-]{1,20}\s{1,3})?)"
            r"[^\s\"',;\\]{3,}",
            re.IGNORECASE,
        ),
        lambda m: None if _HARMLESS_VALUE.fullmatch(m[0][len(m[1]) :]) else m[1] + "[secret]",
        starts=("authorization", "proxy-authorization"),
    ),
    _Rule(
        "bearer",
        ("bearer", "basic", "digest", "negotiate", "ntlm", "ssws", "auth plain", "auth login"),
        re.compile(
            r"(\b(?:bearer|basic|negotiate|ntlm|ssws|auth plain|auth login)\s{1,3})(?=[\w.~+/-]{0,4000}(?:\d|[A-Z]|=))"
            r"([\w.~+/-]{8,4000}={0,2})(?!=)",
            re.IGNORECASE,
        ),
        lambda m: (
            m[1] + "[secret]"
            if any(c.isdigit() for c in m[2]) or "=" in m[2] or not (m[2].islower() or m[2].istitle())
            else None
        ),
        starts=("bearer", "basic", "negotiate", "ntlm", "ssws", "auth plain", "auth login"),
    ),
    _Rule(
        "personal number",
        ("ssn", "sin", "nino", "insurance", "cpf", "cnpj", "aadha", "pan", "dni", "nie", "codice", "nir", "bsn", "tfn", "pesel",
         "passport", "tax", "national", "birth", "dob", "licen", "ein", "social", "steuer", "nhs",
         "medicare", "id_number", "curp",
         "rut", "personnummer"),
        re.compile(
            r"((?<![a-z])(?:ssn|sin|nino|national[ _-]?(?:insurance|id)|cpf|cnpj|aadhaar|aadhar|pan|dni|nie"
            r"|codice[ _-]?fiscale|nir|bsn|tfn|pesel"
            r"|passport|tax[ _-]?id|steuer[ _-]?id|date[ _-]?of[ _-]?birth|birth[ _-]?(?:date|day)|dob"
            r"|driv\w{2,4}[ _-]?licen[sc]e|ein|nhs|medicare|id[ _-]?number"
            r"|curp|rut|personnummer|social[ _-]?security(?:[ _-]?number)?)(?:[ _-]?(?:number|no|nr"
            r"|num))?[\\\"']{0,3}\s{0,2}[:=# ]\s{0,2}[\\\"']{0,3})"
            r"(?=(?:[ ./-]?[A-Z0-9]){0,12}\d(?:[ ./-]?[A-Z0-9]){0,6}\d(?:[ ./-]?[A-Z0-9]){0,6}\d)"
            r"[A-Z0-9](?:[ ./-]?[A-Z0-9]){5,24}(?![A-Za-z0-9])",
            re.IGNORECASE,
        ),
        _keep_lead("[personal-number]"),
        starts=("ssn", "sin", "nino", "national", "cpf", "cnpj", "aadhaar", "aadhar", "pan", "dni", "nie", "codice", "nir",
                "bsn", "tfn", "pesel", "passport", "tax", "steuer", "date", "birth", "dob", "driv", "ein", "nhs", "medicare",
                "id", "curp", "rut", "personnummer", "social"),
    ),
    _Rule(
        "secret in prose",
        ("mnemonic", "phrase"),
        re.compile(
            r"((?:mnemonic|(?:seed|recovery|backup"
            r"|secret) phrase)\W{1,6}(?:is\W{1,3})?)(?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8}", re.IGNORECASE),
        _keep_lead("[secret]"),
    ),
    _Scan("named secret", ("value", "val", "default"), _cut_beside),
    _Scan("named secret", _SECRET_TRIGGERS, _cut_named),
    _Rule(
        "named secret",
        ("%3", "%253", "%25253"),
        # key=value and "key": "value" with their signs percent-encoded, once or more often.
        re.compile(
            r"((?:pass(?:word|wd|phrase|code)?|pwd|secret|token|api_?key|access_?key|private_?key|credential"
            r"|session_?id|otp|auth)\w{0,20}"
            r"(?:%(?:25){0,3}(?:2[027]|5[BD])|\+|\s){0,4}%?(?:(?<=%)(?:25){0,3}3[DA]"
            r"|(?<=5D)=)(?:%(?:25){0,3}2[027]|\+|\s){0,4})"
            r"((?:[^\s&\"'<>%]|%(?!(?:25){0,3}2[0267C]|(?:25){0,3}7D)){1,400})",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
    ),
    _Rule(
        "named secret",
        ("</",),
        re.compile(
            r"(<[\w.:-]{0,40}(?:passw|passphrase|pwd|secret|token|apikey|api-key|credential|privatekey|cvv"
            r"|ssn)[\w.:-]{0,40}"
            r"(?:\s[^<>]{0,200})?>)(?!\[)[^<\n]{1,2000}(?=</)",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
    ),
    _Rule(
        "named secret",
        ("type=", "name="),
        # The field of a form, and the part of a posted one, whose value stands on a line of its own.
        re.compile(
            r"(\btype=[\"']?password[\"']?[^<>\n]{0,200}?\svalue=[\"']?|\bname=[\"']?[\w.-]{0,40}(?:passw|secret|token|pwd)"
            r"[\w.-]{0,40}[\"']?(?:;[^\n]{0,200})?\r?\n(?:[A-Z][\w-]{1,40}: [^\n]{1,200}\n)?\r?\n)(?!\[)"
            r"[^\s\"'<>][^\n\"'<>]{2,400}",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
        starts=("type=", "name="),
    ),
    _Rule(
        "secret literal",
        ("secret", "token", "key", "pass", "sensitive", "credential"),
        re.compile(
            r"(\b(?:Secret|Sensitive|Password|Passphrase|Token|ApiKey"
            r"|Credential)[A-Za-z]{0,12}\(\s?)(?:\"[^\"\n]{4,400}\"|'[^'\n]{4,400}')(?=\s?\))",
        ),
        _keep_lead("'[secret]'"),
        starts=("secret", "sensitive", "password", "passphrase", "token", "apikey", "credential"),
    ),
    _Rule(
        "SQL",
        ("identified", "password"),
        re.compile(
            r"(\bidentified\s{1,3}(?:with\s{1,3}\S{1,60}\s{1,3})?(?:by|as)\s{1,3}(?:password\s{1,3}|values\s{1,3}"
            r"|random\s{1,3}password)?"
            r"|(?<![\w\"'-])password(?:\s{1,3}|\s{0,3}=\s{0,3}|\s?\(\s?)N?(?=[\"']))(\"[^\"\n]{1,400}\""
            r"|'[^'\n]{1,400}'|[^\s;'\"()]{3,200})",
            re.IGNORECASE,
        ),
        lambda m: None if _HARMLESS_VALUE.fullmatch(m[2].strip("'\"")) else m[1] + "'[secret]'",
        starts=("identified", "password"),
    ),
    _Rule(
        "SQL",
        ("values",),
        re.compile(
            r"(\binto\s(?:[\w.`\"]{0,60}(?:user|account|member|credential|customer|login)[\w.`\"]{0,60}\s{1,3}"
            r"|[^()\n]{1,200}\([^()\n]{0,2000}(?:passw|secret|token|pwd|ssn|hash"
            r"|card)[^()\n]{0,2000}\)\s{0,3})values\s{0,3})"
            r"((?:\((?:[^()'\"\n]|'(?:[^'\\\n]|\\.)*+'|\"(?:[^\"\\\n]|\\.)*+\"){1,4000}\)[,\s]{0,3}){1,50})",
            re.IGNORECASE,
        ),
        _every_literal,
        whole=True,
    ),
    _Rule(
        "SQL",
        ("parameters: (", "params: (", "parameters: [(", "params=(", "args: ("),
        re.compile(
            r"(\b(?:parameters|params|args)[:=] ?\[?)(\((?:[^()'\"\n]|'(?:[^'\\\n]|\\.)*+'|\"(?:[^\"\\\n]"
            r"|\\.)*+\"){1,4000}\))"),
        _every_literal,
        whole=True,
    ),
    _Rule(
        "SQL",
        ("parameters: $", "binding parameter"),
        re.compile(
            r"(\bparameters: )(\$\d[^\n]{1,4000})|(binding parameter [^\n]{0,80} - )\[[^\n]{1,400}\]", re.IGNORECASE),
        lambda m: m[3] + "[secret]" if m[3] else _every_literal(m),
    ),
    _Rule(
        "SQL",
        ("row contains (",),
        re.compile(r"(row contains \()[^\n]{1,8000}(?=\))"),
        _keep_lead("[row]"),
    ),
    _Rule(
        "credentials of a call",
        ("construct(", "bind", "login(", "auth", "password(", "connect(", "pgp_sym", "credentials"),
        re.compile(
            r"\b(?:__construct|pgp_sym_\w{1,20}|auth\s?=\s?|credentials\s?=\s?|simple_bind\w{0,4}|login"
            r"|authenticate|\w{0,8}sql\w{0,8}connect|PlainAuth|HTTPBasicAuth|\w{0,8}basic_?auth"
            r"|check_password\w{0,8}|verify_password|set_password|create_user)\((?:[^()'\"\n]|'(?:[^'\\\n]|\\.)*+'"
            r"|\"(?:[^\"\\\n]|\\.)*+\"){1,2000}\)",
            re.IGNORECASE,
        ),
        _keep_first_literal,
        shape=re.compile(r"\([^()'\"\n]*['\"]"),
    ),
    _Rule(
        "secret option",
        ("--", "-p", "-u", "-var", "-store", "-key"),
        re.compile(
            r"(-(?<![\w-]-)-?[\w-]{0,24}(?:pass(?:word|wd|phrase)?|pwd|secret|token|api-?key|access-?key"
            r"|credential)[\w-]{0,16}\s{1,3})"
            r"(?!-)([^\s\"']{3,}|\"[^\"\n]*\"|'[^'\n]*')",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
    ),
    _Rule(
        "secret option",
        ("-u", "--user", "--proxy-user"),
        re.compile(
            r"((?<!\S)(?:-u|-U|--user|--proxy-user)[ =]?[\"']?[^\s:\"'=/-][^\s:\"'=/]{0,100}:)(?!//)[^\s\"']{2,200}"),
        _keep_lead("[secret]"),
    ),
    _Rule(
        "secret option",
        ("sshpass", "docker", "podman", "mysql", "mariadb", "redis-cli", "sqlcmd", "bcp ", "openssl", "ldap", "mongo", "helm ",
         "az ", "7z ", "zip ", "net use", "htpasswd", "smbclient", "osql ", "isql ", "snowsql", "cqlsh", "clickhouse",
         "rabbitmq", "twine", "lftp", "net user", "chpasswd", "-pw", "rclone", "ssh-keygen", "literal=", "vault", "http "),
        re.compile(
            r"(\b(?:sshpass|(?:docker|podman|helm|buildah|skopeo|az|oc)\b[^\n|;]{0,80}?\blogin|sqlcmd|osql|isql"
            r"|bcp|mongo\w{0,8}|cqlsh|az|7z[a-z]?|zip|unzip"
            r"|snowsql|smbclient|twine|mosquitto_\w{3})\b[^\n|;]{0,200}?\s-(?-i:[pP])\s{0,2}|(?<!\S)-pw\s"
            r"|\brclone obscure\s|\bssh-keygen\b[^\n|;]{0,100}?\s-N\s|\blftp\b[^\n|;]{0,60}?\s-u\s\w{1,40},"
            r"|\bnet user\s\S{1,60}\s|\bchpasswd\b[^\n]{0,40}?\w{1,40}:|--from-literal=[\w.-]{1,60}="
            r"|\bvault\s(?:kv\s)?(?:write|put)\s\S{1,100}\s\w{1,60}=|\bhttps?\s-a\s\w{1,40}:|\b(?:mysql"
            r"|mariadb)\w{0,10}\b[^\n|;]{0,200}?\s-p(?=\S)|\bredis-cli\b[^\n|;]{0,200}?\s-a\s{1,3}"
            r"|\bldap\w{2,10}\b[^\n|;]{0,200}?\s-w\s{1,3}|\bopenssl\b[^\n|;]{0,200}?(?:\s-[kK]\s{1,3}"
            r"|-pass\w{0,4}\spass:)|\bnet use\b[^\n|;]{0,120}?/user:\S{1,60}\s{1,3}"
            r"|\bhtpasswd\b[^\n|;]{0,80}?\s-\w{0,4}b\w{0,4}\s\S{1,80}\s\S{1,80}\s|\brabbitmqctl\s\w{3,20}_(?:user"
            r"|password)\s\S{1,60}\s)"
            r"(\"[^\"\n]{1,200}\"|'[^'\n]{1,200}'|[^\s\"'-][^\s\"']{2,200})",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
        starts=("sshpass", "docker", "podman", "helm", "buildah", "skopeo", "az", "oc", "sqlcmd", "osql", "isql", "bcp",
                "mongo", "cqlsh", "7z", "zip", "unzip", "snowsql", "smbclient", "twine", "mosquitto_", "-pw", "rclone",
                "ssh-keygen", "lftp", "net use", "chpasswd", "--from-literal=", "vault", "http", "mysql", "mariadb",
                "redis-cli", "ldap", "openssl", "htpasswd", "rabbitmqctl"),
    ),
    _Rule(
        "secret option",
        ("auth",),
        re.compile(r"(\bAUTH[\"']?,?\s{1,2}(?:[\"']?default[\"']?,?\s{1,2})?[\"']?)(?=[^\s\"]{0,200}\d)(?=[^\s\"]{0,200}[A-Za-z])[^\s\"]{6,200}"),
        _keep_lead("[secret]"),
        starts=("auth",),
    ),
    _Rule(
        "secret in prose",
        ("pass", "pwd", "secret", "token", "key", "credential"),
        re.compile(
            r"((?<![A-Za-z])(?:password|passwd|passphrase|passcode|pwd|pass|requirepass|secret|token|(?:api|access"
            r"|private|encryption|signing|master|secret)[ _-]?key"
            r"|credentials?(?: key)?)(?:(?:\s{1,2}(?:is|was|of|field|provided:?|supplied:?|given:?|entered:?"
            r"|received:?|value|=>"
            r"|->|=|used|using|to|from|set|changed|for(?:\s(?:user\s)?\S{1,60})?)){0,3}\s{1,9}[\"'`]?"
            r"|[|;\t]{1,2}))([^\s\"'`,;|)\]}]{6,})",
            re.IGNORECASE,
        ),
        _prose_value,
        starts=("password", "passwd", "passphrase", "passcode", "pwd", "pass", "requirepass", "secret", "token", "api",
                "access", "private", "encryption", "signing", "master", "credential"),
    ),
    _Rule(
        "secret in prose",
        ("credential", "auth: ", "login: "),
        re.compile(
            r"(\b(?:credentials?|auth|login):?\s{1,3}(?:for\s)?[\w.@+-]{2,64}(?::| ?/ ?))(?![/\\])"
            r"([^\s/\"'`,;)\]}]{6,200})(?![/\w])",
            re.IGNORECASE,
        ),
        lambda m: m[1] + "[secret]" if _DIGIT.search(m[2]) or _NO_WORD.search(m[2]) else None,
        starts=("credential", "auth", "login"),
    ),
    _Scan("named secret", (",", ";", "\t", "|"), _cut_columns),
    _Rule(
        "one-time code",
        ("otp", "code", "pin", "2fa"),
        re.compile(
            r"(\b(?:OTP|PIN|2FA(?: code)?|(?:one-time|verification|security|login|auth(?:entication)?|confirmation"
            r"|access|sms|backup|recovery) (?:codes?|password|pin)|passcode)"
            r"\s{0,2}(?:is|was|code|:|=|#){0,2}\s{0,2}[\"']?)(\d{4,8}|\d{3,5}[ -]\d{3,5})(?![\w.])",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
        starts=("otp", "pin", "2fa", "one-time", "verification", "security", "login", "auth", "confirmation", "access", "sms",
                "backup", "recovery", "passcode"),
    ),
    _Rule(
        "one-time code",
        (" is your ",),
        re.compile(r"\b(?:[A-Z]-)?\d{4,8}(?= is your )", re.IGNORECASE),
        _always("[secret]"),
    ),
    _Rule(
        "url parameter",
        ("?", "&"),
        re.compile(
            r"([?&;](?:code|state|key|sig|signature|token|auth|apikey|x-[\w-]{0,30}|hash|hmac|ticket|assertion|se"
            r"|sp|sv|magic|otp|pwd"
            r"|jwt|sid|session|nonce|invite|access|credential|samlrequest|samlresponse"
            r"|relaystate)=)([^\s&\"'<>#;]{6,})",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
    ),
    _Rule("url parameter", ("/",), re.compile(r"/([A-Za-z_-]{3,24}/)([\w.~=%-]{16,400})"), _path_segment),
    _Rule(
        "e-mail",
        ("@", "%40", "%2540", "&#", "\\u0040", "&commat"),
        re.compile(
            r"(?:\"[^\"\n@]{1,64}\"|(?<![\w.+'-])[\w.!#$&*+'/=?^{|}~-]{1,64}(?<!['/=|{}?&#!])|(?<=[/="
            r"|{}?&#!'])[\w.+~-]{1,64})"
            r"(?:@|%(?:25){0,3}40|\\u0040|&#0{0,3}64;|&#x40;|&commat;)(?:(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}|localhost)\b",
            re.IGNORECASE,
        ),
        _email,
        shape=re.compile(r"(?:@|40|64;|commat;)(?:[\w-]{1,63}\.|localhost)", re.IGNORECASE),
        near=70,
    ),
    _Rule(
        "e-mail",
        (" dot ", "[at]", "(at)", "{at}"),
        re.compile(
            r"(?<![\w.+-])[\w.+-]{1,64}\s?(?:\[at\]|\(at\)|\{at\}"
            r"| at (?=[\w-]{1,60} dot ))\s?[\w-]{1,63}(?:\s?(?:\.|\[dot\]|\(dot\)| dot )\s?[\w-]{2,24}){1,4}",
            re.IGNORECASE,
        ),
        _email,
    ),
    _Rule(
        "address",
        (".",),
        re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![A-Za-z0-9]|\.\d)"),
        _ipv4,
        shape=re.compile(r"\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"),
    ),
    _Rule(
        "address",
        ("ip-", "ec2-", "host-", "client-", "static-", "-"),
        re.compile(r"[0-9]{1,3}(?:-[0-9]{1,3}){3}(?![A-Za-z0-9-])"),
        _ipv4,
        shape=re.compile(r"-[0-9]{1,3}-[0-9]{1,3}-[0-9]"),
    ),
    _Rule(
        "address",
        ("::", ":"),
        re.compile(
            r"(?:(?<![\w:.])|(?<=[A-Za-z]{5}:)|(?<=[G-Zg-z]:))(?:[0-9A-Fa-f]{0,4}:){2,7}(?:[0-9A-Fa-f]{0,4}"
            r"|" + _IP_PART + r"(?:\." + _IP_PART + r"){3})(?![\w:])"
        ),
        _ipv6,
        shape=re.compile(r":(?::|[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){4})"),
    ),
    _Rule(
        "address",
        ("ipv6-literal", "ip6.arpa"),
        re.compile(
            r"(?<![\w-])(?:[0-9a-f]{0,4}-){2,7}[0-9a-fs]{1,8}(?=\.ipv6-literal)"
            r"|(?:[0-9a-f]\.){16,32}(?=ip6\.arpa)", re.IGNORECASE),
        _always("[public-ip]"),
    ),
    _Rule(
        "mac",
        (":", "-"),
        re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}(?:(?:[:-][0-9A-Fa-f]{2}){2,6})?(?![\w:-])"),
        _mac,
        shape=re.compile(r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]"),
    ),
    _Rule(
        "mac",
        (".",),
        re.compile(r"[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![\w.])"),
        _mac,
        shape=re.compile(r"\.[0-9a-f]{4}\.[0-9a-f]{4}"),
    ),
    _Rule(
        "mac",
        ("mac", "ether", "bssid", "hwaddr"),
        re.compile(
            r"(\b(?:mac(?:[ _-]?addr(?:ess)?)?|ether|hwaddr|bssid)[\"']?\s{0,2}[:= ]\s{0,2}[\"']?)(?:[0-9a-f]{12}"
            r"|[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4})(?!\w)", re.IGNORECASE),
        _keep_lead("[mac]"),
        starts=("mac", "ether", "hwaddr", "bssid"),
    ),
    _Rule(
        "card",
        (),
        re.compile(
            r"[2-6]\d{3}(?:([ .-]?)\d{4})(?:\1\d{4})\1?\d{1,7}(?![A-Za-z0-9]|-\d|\.\d)"
            r"|3\d{3}[ -]?\d{6}[ -]?\d{4,5}(?![A-Za-z0-9]|-\d|\.\d)"),
        _card,
    ),
    _Rule(
        "iban",
        (),
        re.compile(r"[A-Za-z]{2}\d{2}(?:[ -]?[A-Za-z0-9]{4}){2,7}(?:[ -]?[A-Za-z0-9]{1,3})?(?![A-Za-z0-9])"),
        _iban,
    ),
    _Rule(
        "personal number",
        ("-",),
        re.compile(
            r"[0-9]{3}(?:-\d{2}-\d{4}|\.\d{3}\.\d{3}-\d{2})(?![\w-])|[0-9]{2}\.\d{3}\.\d{3}/\d{4}-\d{2}(?![\w-])"),
        _unless_inside,
    ),
    _Rule(
        "personal number",
        (),
        re.compile(r"[A-Z]{2}(?:(?: ?\d{2}){3} ?[A-D]|[A-Z]{4}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z])(?![\w-])"),
        _unless_inside,
    ),
    _Rule(
        "phone",
        ("+", "%2b", "00", "8 (", "8("),
        re.compile(
            r"(?<![\w.+-])(?:\+|%2B|00(?=[1-9]\d{0,2}[ -])|8 ?(?=\(\d{3}\)))"
            r"(?:\d{1,3}[ .-]?)?(?:\(\d{1,4}\)[ .-]?)?\d{1,5}(?:[ ./-]?\d{2,5}){2,4}(?![\w-]|\.\d)",
            re.IGNORECASE,
        ),
        _always("[phone]"),
        starts=("+", "%2b", "00", "8 (", "8("),
    ),
    _Rule(
        "phone",
        (),
        re.compile(
            r"(?<![\w.+-])(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[.-])[2-9]\d\d[ .-]\d{4}(?![\w-]|\.\d)"),
        _always("[phone]"),
        shape=re.compile(r"[.) -][2-9]\d\d[ .-]\d{4}"),
    ),
    _Rule(
        "phone",
        ("phone", "tel", "mobile", "sms", "call", "fax", "msisdn", "whatsapp", "handy", "cell", "dial"),
        re.compile(
            r"((?:phone(?:[ _-]?(?:number|no))?|\b(?:tel|telephone|mobile(?:[ _-]?(?:number|no))?|sms(?: to)?"
            r"|call(?:ing|ed)?|fax|msisdn|whatsapp|handy|cell|dial(?:ing|ed)?))"
            r"(?: (?:to|from|number|user))?[\\\"']{0,3}\s{0,2}[:= ]\s{0,2}[\\\"']{0,3})(?:\+"
            r"|00)?\(?\d(?:[ ()./-]{0,3}\d){7,14}(?![\w]|\.\d)",
            re.IGNORECASE,
        ),
        _keep_lead("[phone]"),
        starts=("phone", "tel", "mobile", "sms", "call", "fax", "msisdn", "whatsapp", "handy", "cell", "dial"),
    ),
    _Rule(
        "place",
        ("lat", "lon", "lng", "coord", "geo", "gps", "ll=", "location", "position", "point", "at ", "@"),
        re.compile(
            r"((?<![a-z])(?:lat(?:itude)?|lon(?:gitude)?"
            r"|lng)[\\\"']{0,3}\s{0,2}[:= ]\s{0,2}[\\\"']{0,3})-?\d{1,3}\.\d{2,}"
            r"|(@(?=-?\d)|(?<![a-z])(?:coord\w{0,8}|geo\w{0,10}|gps|latlo?ng|ll|location|position|point"
            r"|at)[\\\"']{0,3}\s{0,2}[:=( ]\s{0,2}[\[(\\\"']{0,3})"
            r"-?\d{1,3}\.\d{4,},? ?-?\d{1,3}\.\d{4,}",
            re.IGNORECASE,
        ),
        lambda m: (m[1] or m[2]) + "[place]",
        shape=re.compile(r"\.\d\d"),
        starts=("lat", "lon", "lng", "@", "coord", "geo", "gps", "ll", "location", "position", "point", "at"),
    ),
    _Rule(
        "place",
        ("°",),
        re.compile(r"\d{1,3}° ?\d{1,2}['′] ?\d{1,2}(?:\.\d+)?[\"″]? ?[NSEWO]"),
        _always("[place]"),
    ),
    _Rule("opaque value", (), re.compile(r"(?<![A-Za-z0-9])[A-Za-z0-9+/_~-]{20,}={0,2}"), _opaque),
)  # fmt: skip


# --- source text ------------------------------------------------------------------------------------------------------

_CODE = re.compile(
    r"\.(?:pyx?|pyi|java|kt|scala|groovy|[cm]?[jt]sx?|go|rb|php|cs|c|h|cc|cpp|hpp|rs|swift|dart|ex|exs|clj)$",
    re.IGNORECASE,
)
"""Files in which an unquoted word is a name. In any other file (YAML, properties, shell) it may well be the value."""
_PATCHED_FILE = re.compile(r"^diff --", re.MULTILINE)
_NAME_IN_CODE = re.compile(
    r"(?<![\w.-])([\w.-]{2,80}+)(?:\\?[\"'`\]]{0,2}+[ \t]{0,3}+(?:=>|:=|[!=]==?|[:=])|\\?[\"'][ \t]{0,3}+,)"
    r"[ \t]{0,3}+\(?(?:\n[ +-]?[ \t]{0,60}+)?(?:[bBfFrRuU@$]{1,2}(?=[\"'`])|[\w.]{1,40}\((?=[\"'`]))?\\?"
)
_VALUE_IN_CODE = re.compile(
    r"\"(?:[^\"\\\n]|\\.)*+\"?|'(?:[^'\\\n]|\\.)*+'?|`[^`\n]*`?|[^\s,;&<>\"'`(){}\]\[]{1,4096}+"
)
"""The literal that a name is set to or compared with, on its line or the next; or the word that stands there."""
_WRITTEN = re.compile(r"[\"'`]|#|//|\*|--|<!")
"""Where a line of code holds words rather than names: literals and comments."""
_COMMENT_SIGN = re.compile(r"(?:^|[\s+-])(?:#|//|/\*|\*|--|<!--)")
_NUMBERS = re.compile(
    r"\d(?:[ .()-]{0,2}\d){5}|\d\.\d{1,3}\.\d|:[0-9A-Fa-f]{0,4}:|[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-|[A-Z]{2}\d{2} ?[A-Z0-9]{4}"
)
"""Telephone, card and account numbers, and addresses."""
_BEFORE_AT = re.compile(r"[^\s@]@")
_RUN = re.compile(r"(?=[A-Za-z_+/~.=:-]{0,60}\d)[A-Za-z0-9+/_~.=:-]{13,}")
"""A token or an opaque value; each has a digit."""
_WORD_RULES = frozenset({"cookie", "authorization", "bearer", "secret option", "secret in prose", "url parameter"})
_BLOCK_RULES = frozenset({"private key", "base64 block"})


def cut_source(path: str, text: str) -> Redacted:
    """`cut` for the source file `path`, or lines of it.

    In code what follows `token =` is no secret when it is a name, a call or an expression; a literal is. Files that are not
    code, and comments, are cut as any text.
    """
    return Redacted(_cut_code(text)) if _CODE.search(path) else cut(text)


def cut_patch(text: str, most: int) -> Redacted:
    """`cut` for a unified diff: each file of it as `cut_source`, what stands above the first as any text.

    Of one longer than `most` characters the lines up to there, since half a line may hold half a secret.
    """
    if len(text) > most:
        text = text[: text.rfind("\n", 0, most) + 1]
    starts = [match.start() for match in _PATCHED_FILE.finditer(text)]
    if not starts:
        return cut(text)
    pieces = [cut(text[: starts[0]])] if starts[0] else []
    for start, end in pairwise([*starts, len(text)]):
        header = text[start : text.find("\n", start)] if "\n" in text[start:end] else text[start:end]
        pieces.append(cut_source(header.rstrip().rstrip('"'), text[start:end]))
    return Redacted("".join(pieces))


def _cut_code(text: str) -> str:
    """Rules for blocks over the whole text, all others over the lines that may hold what they cut.

    Few lines of code do, and a look at each costs less than twenty searches of all.
    """
    if "-----" in text or _LONG_RUN.search(text):
        for rule in _RULES:
            if rule.name in _BLOCK_RULES:
                text = _apply(rule, text)[0]
    lower = text.lower()
    triggers = [trigger for trigger in _SECRET_TRIGGERS if trigger in lower]
    lines = text.split("\n")
    above = ""
    for at, line in enumerate(lines):
        if len(line) <= _NOTHING:
            above = line
            continue
        digit = _DIGIT.search(line) is not None
        written = _WRITTEN.search(line) is not None
        named = False
        if triggers and (digit or written):
            # A literal may stand on the line after its name.
            shown = f"{above}\n{line}" if above.rstrip().endswith(("=", ":", ",", "(")) else line
            lower = shown.lower()
            if named := any(trigger in lower for trigger in triggers):
                line = _cut_literals(shown).rpartition("\n")[2]
        if (
            (written and (named or "asic " in line or ("=" in line and ("?" in line or "&" in line))))
            or ("@" in line and _BEFORE_AT.search(line))
            or "%40" in line
            or (digit and (_NUMBERS.search(line) or _RUN.search(line)))
            or line.count(":") >= _COLONS_OF_AN_ADDRESS
        ):
            line = _cut_line(line)
        lines[at] = above = line
    return "\n".join(lines)


_NOTHING = 6
"""Characters of a line that holds no secret: the shortest address has seven."""
_COLONS_OF_AN_ADDRESS = 5


def _cut_line(line: str) -> str:
    lower = line.lower()
    written = _WRITTEN.search(line) is not None
    for rule in _RULES:
        if rule.name in _BLOCK_RULES or isinstance(rule, _Scan) or (rule.name in _WORD_RULES and not written):
            continue
        if not rule.triggers or any(trigger in lower for trigger in rule.triggers):
            line = _apply(rule, line)[0]
    return line


def _cut_literals(text: str) -> str:
    pieces: list[str] = []
    done = 0
    for match in _NAME_IN_CODE.finditer(text):
        if match.end() < done or not _SECRET_NAME.search(match[1]) or _NOT_THE_SECRET.search(match[1]):
            continue
        value = _VALUE_IN_CODE.match(text, match.end())
        if value is None:
            continue
        quote = value[0][0] if value[0][0] in "\"'`" else ""
        inner = value[0].strip("\"'`\\")
        if not inner or _HARMLESS_VALUE.fullmatch(inner):
            continue
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        setting = (
            not before.strip("+- \t")
            and match[0].rstrip().endswith(":")
            and text[value.end() : value.end() + 1] in _ENDS
        )
        if not quote and not _spells_a_secret(inner, before, setting):
            continue
        pieces += [text[done : match.end()], f"{quote}[secret]{quote}"]
        done = value.end()
    return "".join([*pieces, text[done:]])


def _spells_a_secret(word: str, before: str, setting: bool) -> bool:
    """Whether an unquoted word is a value: in a comment or inside a literal any, in code a number or what is no name.

    `setting`: the line is `name: word` and no more, as in YAML inside of a literal of several lines.
    """
    # Nobody wrote such a line, and reading it again for each of its names must not choose what that costs.
    if len(before) > _WRITTEN_LINE or _COMMENT_SIGN.search(before):
        return True
    if any(before.count(quote) % 2 for quote in "\"'`"):
        return True
    digits = sum(c.isdigit() for c in word)
    if digits == len(word):
        return digits >= _PIN
    if setting:
        return digits > 0
    return digits >= 2 and len(word) >= 8 and word.isalnum() and _changes(word) >= _NO_NAME


_WRITTEN_LINE = 1000
_ENDS = frozenset({"", "\n"})
_PIN = 4
"""Digits of the shortest number that is a secret."""

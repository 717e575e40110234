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


def redact(text: str) -> Redaction:
    """Apply every rule in order to the whole text. Order matters: blocks before tokens, tokens before key=value pairs."""
    counts: dict[str, int] = {}
    lower = text.lower()
    for rule in _RULES:
        # Most text holds no trigger of most rules, and a substring test costs a fiftieth of a search.
        if rule.triggers and not any(trigger in lower for trigger in rule.triggers):
            continue
        text, cuts = _apply(rule, text)
        if cuts:
            counts[rule.name] = counts.get(rule.name, 0) + cuts
            lower = text.lower()
    return Redaction(Redacted(text), counts)


@dataclass(frozen=True, slots=True)
class _Rule:
    """`triggers`: lower-case substrings, one of which the text must hold; empty: always tried.

    `replace` gives what stands for the whole match, or None to leave it.
    """

    name: str
    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str | None]


@dataclass(frozen=True, slots=True)
class _Scan:
    """A rule that one pattern cannot say. `scan` gives the new text and how many values it cut."""

    name: str
    triggers: tuple[str, ...]
    scan: Callable[[str], tuple[str, int]]


def _apply(rule: _Rule | _Scan, text: str) -> tuple[str, int]:
    if isinstance(rule, _Scan):
        return rule.scan(text)
    cuts = 0

    def one(match: re.Match[str]) -> str:
        nonlocal cuts
        new = rule.replace(match)
        if new is None or new == match[0]:
            return match[0]
        cuts += 1
        return new

    return rule.pattern.sub(one, text), cuts


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
    # Short ones only as whole words: `classname` holds `ssn`.
    r"|(?<![a-z])(?:pass|pwd|sid|otp|cvv|cvc|ssn|salt|nonce|dsn|jwt|csrf|xsrf|hmac|bearer)(?![a-z])",
    re.IGNORECASE,
)
# What such a name says when it ends like this is about the secret, not the secret; `TokenService.java:88` is a place.
_NOT_THE_SECRET = re.compile(
    r"(?:[._-](?:name|ref|path|file|type|count|ttl|expiry|expires(?:_in|_at)?|length|len|size|limit|timeout|version)|(?-i:Name)"
    r"|tokens|\.(?:java|kt|scala|py|m?[jt]sx?|go|rb|php|cs|cpp|c|h|rs))$",
    re.IGNORECASE,
)
_SECRET_TRIGGERS = (
    "pass", "pwd", "pswd", "secret", "token", "credential", "key", "access", "hmac", "sig", "auth", "session", "sid",
    "csrf", "xsrf", "jwt", "bearer", "otp", "mfa", "pin", "cvv", "cvc", "ssn", "conn", "dsn", "salt", "nonce", "cookie",
)  # fmt: skip

_HARMLESS_VALUE = re.compile(
    # Words that stand where a value would and are none, our own placeholders, and resource names, which are no secrets.
    r"""(?:none|null|nil|undefined|true|false|yes|no|empty|missing|required|invalid|expired|unset|redacted|hidden|n/a
        |string|str|bytes|int|object|<[^>]*>|\[[a-z-]*\]|\*+|x{3,}|\.{3}|…|\$\{?\w+\}?|%s|\{\w*\}
        |projects/\S*|/\S*secrets?/\S*|os\.\S*|process\.\S*)[.,;:)\]}'"]*""",
    re.IGNORECASE | re.VERBOSE,
)


# key=value, "key": "value", key => value, <key>value, \"key\": \"value\"; with a comma only where the key itself is quoted,
# as in ('x-api-key', '...'). Possessive, so that a long word costs one look.
_NAME_AND_SEPARATOR = re.compile(
    r"(?<![\w.-])([\w.-]{2,80}+)(?:\\?[\"'`\]]{0,2}+\s{0,3}+(?:=>|:=|[:=>])|\\?[\"']\s{0,3}+,)"
    r"\s{0,3}+(?:b(?=[\"'])|\w{1,12}\((?=[\"']))?\\?"
)
_VALUE = re.compile(
    r"\"(?:[^\"\\\n]|\\.)*+\"?|'(?:[^'\\\n]|\\.)*+'?|[^\s,;&<>\"'){}\]\[]{1,4096}+|\[[^\]\n]{1,200}\]",
)


def _cut_named(text: str) -> tuple[str, int]:
    """The values of names that announce a secret. A name that announces none does not swallow the one after it."""
    pieces: list[str] = []
    done = cuts = 0
    for match in _NAME_AND_SEPARATOR.finditer(text):
        if match.end() < done or not _SECRET_NAME.search(match[1]) or _NOT_THE_SECRET.search(match[1]):
            continue
        value = _VALUE.match(text, match.end())
        if value is None:
            continue
        quote = value[0][0] if value[0][0] in "\"'" else ""
        inner = value[0].strip("\"'`\\")
        if not inner or _HARMLESS_VALUE.fullmatch(inner):
            continue
        pieces += [text[done : match.end()], f"{quote}[secret]{quote}"]
        done = value.end()
        cuts += 1
    return "".join([*pieces, text[done:]]), cuts


def _prose_value(match: re.Match[str]) -> str | None:
    """`password hunter2`: only values that no word would look like."""
    value = match[2]
    if not (any(c.isdigit() for c in value) and any(c.isalpha() for c in value)):
        return None
    return match[1] + "[secret]"


def _userinfo(match: re.Match[str]) -> str:
    return f"{match[1]}[secret]@"


# --- people -----------------------------------------------------------------------------------------------------------

_KEPT_ADDRESSES = {"127.0.0.1", "0.0.0.0", "169.254.169.254", "255.255.255.255"}  # noqa: S104 - compared, not bound


def _email(match: re.Match[str]) -> str | None:
    host = match[0].lower().replace("%40", "@").rpartition("@")[2]
    return None if host.endswith("gserviceaccount.com") else "[email]"


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


def _ipv4(match: re.Match[str]) -> str | None:
    if match["version"]:
        return None
    new = _ip(match["ip"])
    return None if new is None else match[0].replace(match["ip"], new)


def _ipv6(match: re.Match[str]) -> str | None:
    return _ip(match[0]) if any(c.isdigit() for c in match[0]) and match[0].count(":") >= 2 else None


def _luhn(digits: str) -> bool:
    total = 0
    for i, c in enumerate(reversed(digits)):
        d = int(c)
        if i % 2:
            d = d * 2 - 9 if d > 4 else d * 2
        total += d
    return total % 10 == 0


def _card(match: re.Match[str]) -> str | None:
    digits = re.sub(r"\D", "", match[0])
    return "[card]" if 13 <= len(digits) <= 19 and _luhn(digits) else None


def _iban(match: re.Match[str]) -> str | None:
    text = match[0].replace(" ", "")
    if not 15 <= len(text) <= 34:
        return None
    number = "".join(str(int(c, 36)) for c in text[4:] + text[:4])
    return "[iban]" if int(number) % 97 == 1 else None


# --- opaque values ----------------------------------------------------------------------------------------------------


def _opaque(match: re.Match[str]) -> str | None:
    """A run that mixes cases and digits without the rhythm of words: nobody named anything like that.

    The measure is how often neighbouring characters change class: about .6 in random base64, below .25 in identifiers.
    """
    text = match[0]
    classes = _classes(text)
    if min(classes.count(1), classes.count(2), classes.count(3)) < 2:
        return None
    return "[opaque]" if _changes(text) >= _NO_NAME else None


_NO_NAME = 0.34
"""How often neighbours change class in what is no name."""


def _classes(text: str) -> list[int]:
    return [1 if c.isdigit() else 2 if c.isupper() else 3 if c.islower() else 0 for c in text]


def _changes(text: str) -> float:
    return sum(a != b for a, b in pairwise(_classes(text)) if a and b) / len(text)


_DIGIT = re.compile(r"\d")
_LONG_RUN = re.compile(r"[A-Za-z0-9+/]{60}")
_B64_LINE = r"[A-Za-z0-9+/]{40,}={0,2}"

_RULES: tuple[_Rule | _Scan, ...] = (
    _Rule(
        "private key",
        ("private key", "begin", "-----end"),
        # A block cut off at either end is still a key: to the END line, or as far as base64 goes.
        re.compile(
            r"-----BEGIN [A-Z0-9 ]*(?:PRIVATE KEY|PGP MESSAGE|CERTIFICATE REQUEST)[A-Z ]*-----(?:.*?-----END [A-Z0-9 ]*-----"
            r"|(?:\s|\\[nr]|[A-Za-z0-9+/=:,]|-(?!----))*)"
            r"|(?<![A-Za-z0-9+/])(?:" + _B64_LINE + r"(?:\s|\\[nr])+)+-----END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-----",
            re.DOTALL,
        ),
        _always("[private-key]"),
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
        re.compile(r"\b([a-z][a-z0-9+.-]{1,30}://)([^\s/@\"'<>]{1,500})@", re.IGNORECASE),
        _userinfo,
    ),
    _Rule(
        "dsn credentials",
        ("@tcp(", "@unix(", "@("),
        re.compile(r"\b([\w.%-]{1,60}:)[^\s:@/]{1,200}@(?=(?:tcp|unix)?\()"),
        lambda m: f"{m[1]}[secret]@",
    ),
    _Rule("jwt", ("eyj",), re.compile(r"\beyJ[\w-]{8,}(?:\.[\w-]*){1,4}"), _always("[jwt]")),
    _Rule(
        "webhook address",
        ("hooks.", "webhook"),
        re.compile(
            r"(https?://(?:hooks\.slack\.com/(?:services|workflows|triggers)|[\w.-]*discord(?:app)?\.com/api/webhooks"
            r"|[\w.-]*webhook\.office\.com/\w+|hooks\.zapier\.com/hooks|chat\.googleapis\.com/v1/spaces)/)\S+",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
    ),
    _Rule(
        "token",
        (),
        re.compile(
            r"(?<![A-Za-z0-9])(?:"
            r"gh[pousr]_[\w-]{16,}(?:\.[\w-]+)*|github_pat_\w{20,}|gl(?:pat|ptt|dt|rt|cbt|ft|soat|sa)[-_][\w-]{16,}"
            r"|AKIA[A-Z0-9]{12,}|A(?:SIA|GPA|IDA|ROA|NPA|NVA)[A-Z0-9]{16,}|AIza[\w-]{30,}|ya29\.[\w.-]{10,}"
            r"|1//0[\w-]{20,}|GOCSPX-[\w-]{10,}|4/0[A-Za-z][\w-]{20,}"
            r"|xox[a-z]-[\w-]{8,}|xapp-[\w-]{10,}|[spr]k_(?:live|test|prod)_\w{8,}|whsec_[\w+/=-]{10,}"
            r"|sk-[\w-]{16,}|SG\.[\w-]{10,}\.[\w-]{10,}|key-[0-9a-f]{32}|npm_\w{20,}|pypi-[\w-]{16,}|hf_\w{20,}"
            r"|do[opr]_v1_\w{20,}|shp(?:at|ca|pa|ss)_\w{16,}|sq0\w{3}-[\w-]{16,}|EAA[A-Za-z0-9]{20,}|PMAK-[\w-]{20,}"
            r"|NRAK-\w{16,}|NR[A-Z]{2}-\w{16,}|dckr_pat_[\w-]{16,}|ATATT3[\w=-]{16,}|ATBB\w{16,}|lin_api_\w{16,}|ntn_\w{16,}"
            r"|hv[sbr]\.[\w-]{16,}|dapi[0-9a-f]{32}|AGE-SECRET-KEY-1\w{20,}"
            r"|glc_[\w+/=]{16,}|glsa_\w{16,}|sntry[su]_[\w+/=-]{16,}"
            r"|rubygems_[0-9a-f]{20,}|pul-[0-9a-f]{30,}|tfp_\w{20,}|figd_[\w-]{20,}|fo1_[\w-]{20,}|rk-\w{20,}|r8_\w{20,}"
            r"|gsk_\w{20,}|xai-\w{20,}|pplx-\w{20,}|AC[0-9a-f]{32}|SK[0-9a-f]{32}|\d{8,10}:AA[\w-]{30,}|vercel_\w{16,}"
            r"|lsv2_\w{16,}|pscale_\w+_[\w-]{16,}|sbp_[0-9a-f]{30,}|oy2[a-z0-9]{43}|CFPAT-[\w-]{16,}|CCIPAT_\w{16,}"
            r"|bkua_\w{16,}|dp\.(?:pt|st|ct)\.\w{16,}|[\w-]{8,}\.atlasv1\.[\w-]{20,}|AAAA[\w-]{7}:[\w-]{60,}"
            r")"
        ),
        _always("[token]"),
    ),
    _Rule(
        "cookie",
        ("cookie",),
        re.compile(r"((?:set-)?cookie[\"']?\s{0,3}(?:[:=,]|=>)\s{0,3}[\"']?)(?=\S)[^\n\"']{2,}", re.IGNORECASE),
        _keep_lead("[secret]"),
    ),
    _Rule(
        "authorization",
        ("auth", "bearer", "basic", "digest", "negotiate", "apikey"),
        re.compile(
            r"((?:proxy-)?authorization[\\\"']{0,3}\s{0,3}(?:[:=,]|=>)\s{0,3}[\\\"'\[]{0,3}(?:[A-Za-z][\w-]{1,20}\s{1,3})?)"
            r"[^\s\"',;\\]{3,}",
            re.IGNORECASE,
        ),
        lambda m: None if _HARMLESS_VALUE.fullmatch(m[0][len(m[1]) :]) else m[1] + "[secret]",
    ),
    _Rule(
        "bearer",
        ("bearer", "basic", "digest"),
        re.compile(r"(\b(?:bearer|basic)\s{1,3})(?=[\w.~+/=-]*(?:\d|[A-Z]|=))([\w.~+/=-]{8,})", re.IGNORECASE),
        lambda m: (
            m[1] + "[secret]"
            if any(c.isdigit() for c in m[2]) or "=" in m[2] or not (m[2].islower() or m[2].istitle())
            else None
        ),
    ),
    _Scan("named secret", _SECRET_TRIGGERS, _cut_named),
    _Rule(
        "secret option",
        ("--", "-p", "-u"),
        re.compile(
            r"(--?[\w-]{0,24}(?:pass(?:word|wd|phrase)?|pwd|secret|token|api-?key|access-?key|credential)[\w-]{0,16}\s{1,3})"
            r"(?!-)([^\s\"']{3,}|\"[^\"\n]*\"|'[^'\n]*')",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
    ),
    _Rule(
        "secret in prose",
        ("pass", "pwd", "secret", "token", "key", "credential"),
        re.compile(
            r"(\b(?:password|passwd|passphrase|pwd|secret|token|api[ _-]?key|access[ _-]?key|credentials?)"
            r"(?:\s{1,2}(?:is|was|of|for|value|=>|->|used|using)){0,2}\s{1,2}[\"'`]?)([^\s\"'`,;)\]}]{8,})",
            re.IGNORECASE,
        ),
        _prose_value,
    ),
    _Rule(
        "url parameter",
        ("?", "&"),
        re.compile(
            r"([?&;](?:code|state|key|sig|signature|token|auth|apikey|x-[\w-]{0,30}|hash|hmac|ticket|assertion|se|sp|sv)=)"
            r"([^\s&\"'<>#;]{6,})",
            re.IGNORECASE,
        ),
        _keep_lead("[secret]"),
    ),
    _Rule(
        "e-mail",
        ("@", "%40"),
        re.compile(r"(?<![\w.+-])[\w.!#$&*+/=?^{|}~-]{1,64}(?:@|%40)(?:[\w-]{1,63}\.){1,8}[A-Za-z]{2,24}\b", re.IGNORECASE),
        _email,
    ),
    _Rule(
        "address",
        (".",),
        re.compile(
            r"(?P<version>\b(?:version|ver|v|release|==|>=|<=|~=)[ =:]{0,2})?"
            r"(?<![\w.])(?P<ip>(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3})(?![\w]|\.\d)",
            re.IGNORECASE,
        ),
        _ipv4,
    ),
    _Rule(
        "address",
        ("::", ":"),
        re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])"),
        _ipv6,
    ),
    _Rule("mac", (":", "-"), re.compile(r"\b[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}\b(?![:-])"), _always("[mac]")),
    _Rule(
        "card",
        (),
        re.compile(
            r"(?<![\w.-])[2-6]\d{3}(?:[ -]?\d{4}){2}[ -]?\d{1,7}(?![\w.]|-\d)"
            r"|(?<![\w.-])3[47]\d{2}[ -]?\d{6}[ -]?\d{5}(?![\w.])"
        ),
        _card,
    ),
    _Rule("iban", (), re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"), _iban),
    _Rule(
        "phone",
        (),
        re.compile(
            r"(?<![\w.-])(?:\+\d{1,3}[ .-]?(?:\(\d{1,4}\)|\d{1,4})(?:[ .-]?\d{2,4}){2,4}|\(\d{3}\) ?\d{3}[ .-]\d{4}"
            r"|\d{3}[.-]\d{3}[.-]\d{4})(?![\w-]|\.\d)"
        ),
        _always("[phone]"),
    ),
    _Rule("social security number", ("-",), re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])"), _always("[ssn]")),
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


def cut_patch(text: str) -> Redacted:
    """`cut` for a unified diff: each file of it as `cut_source`, what stands above the first as any text."""
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
    if _COMMENT_SIGN.search(before) or any(before.count(quote) % 2 for quote in "\"'`"):
        return True
    digits = sum(c.isdigit() for c in word)
    if digits == len(word):
        return digits >= _PIN
    if setting:
        return digits > 0
    return digits >= 2 and len(word) >= 8 and word.isalnum() and _changes(word) >= _NO_NAME


_ENDS = frozenset({"", "\n"})
_PIN = 4
"""Digits of the shortest number that is a secret."""

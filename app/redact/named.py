"""Values whose name says that they are secret: `password=…`, in every notation that people and programs write.

Owns which names those are, where a value ends, and which values are none: words that tell of the secret, references, code.
Leaves names before a value without a sign between them (`password hunter2`) to `places.py`, and source code to `source.py`.
"""

import re
from functools import lru_cache

from app.redact.looks import NO_WORD, UUID
from app.redact.rules import Rule, Scan, keep_lead, places_of

SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase|code|wort|ord)|pswd|secret|token|credential|api[_-]?key|access[_-]?key|account[_-]?key"
    r"|shared[_-]?access|private[_-]?key|encryption[_-]?key|signing[_-]?key|master[_-]?key|auth[_-]?key|client[_-]?key"
    r"|subscription[_-]?key|license[_-]?key|storage[_-]?key|service[_-]?key|webhook[_-]?key|signature|x-goog-sig"
    r"|authorization|x-auth|session[_-]?(?:id|key)|conn(?:ection)?[_-]?str|cookie"
    r"|(?:access|auth\w{0,10}|verification|confirmation|security|recovery|backup|invite|login|sms|otp|mfa|2fa|pin)[_-]?codes?"
    r"|code[_-]?verifier|saml(?:response|request)|mnemonic|seed[_-]?phrase|store[_-]?pass|key[_-]?pass|become[_-]?pass"
    r"|instrumentation[_-]?key|crumb|security[_ -]?answer|kennwort|contrase|mot[_-]?de[_-]?passe|senha|wachtwoord"
    r"|has[lł]o(?![a-z])|l[öo]senord|salasana|adgangskode|heslo|jelsz[óo]|парол|κωδικ|密码|密碼|口令|パスワード|비밀번호|암호"
    # Short ones only as whole words: `classname` holds `ssn`.
    r"|(?<![a-z])(?:pass|pwd|pw|sid|otp|totp|cvv2?|cvc2?|ssn|salt|nonce|cnonce|dsn|jwt|csrf|xsrf|hmac|bearer|sas|clave|parola|[sş]ifre"
    r"|psk)(?![a-z])"
    r"|(?<![a-z])(?:bind|db|root|user|admin)_?(?:pw|pass)(?![a-z])",
    re.IGNORECASE,
)
_KEY_NAME = re.compile(
    r"(?:^|[._-]|(?-i:(?<=[a-z])(?=[KA])))(?:key|auth|pat|sess|key-data|aes|pin|code|hash|sign|digest_response|md5"
    r"|license)$",
    re.IGNORECASE,
)
"""Names of much that is no secret: their value decides."""
# What such a name says when it ends like this is about the secret, not the secret; `TokenService.java:88` is a place.
NOT_THE_SECRET = re.compile(
    r"(?:[._-](?:name|ref|path|file|type|count|ttl|expiry|expires(?:_in|_at)?|length|len|size|limit|timeout|version"
    r"|source|description|error|status|ur[il]|endpoint|algorithm|provider|method|policy|plugin|at|date)"
    r"|stdin|(?<!private[._-])key[._-]?id|(?-i:Name|Ref|Info|Path|File|Type|Count|Version|Status|Url|Uri|Endpoint|Method|Policy|Error|Exception|Failure|Service"
    r"|Provider|Factory|Manager|Handler|Filter|Encoder|Validator)"
    r"|tokens|\.(?:java|kt|scala|py|m?[jt]sx?|go|rb|php|cs|cpp|c|h|rs))$",
    re.IGNORECASE,
)
SECRET_TRIGGERS = (
    "pass", "pwd", "pw", "pswd", "secret", "token", "credential", "key", "access", "hmac", "sig", "auth", "session", "sid",
    "csrf", "xsrf", "jwt", "bearer", "otp", "mfa", "pin", "cvv", "cvc", "ssn", "conn", "dsn", "salt", "nonce", "cookie",
    "verifier", "saml", "mnemonic", "phrase", "wort", "contrase", "mot", "senha", "wachtwoord", "has", "парол", "密",
    "パス", "비밀", "clave", "senord", "salasana", "kode", "heslo", "parola", "ifre", "jelsz", "κωδικ", "口令", "암호",
    "crumb", "answer", "sess", "instrument", "sas", "psk", "pat", "aes", "code",
)  # fmt: skip

HARMLESS_VALUE = re.compile(
    # Words that stand where a value would and are none, our own placeholders, and resource names, which are no secrets;
    # then what code writes there: a call, the field of an object, a reference.
    r"""(?:none|null|nil|undefined|true|false|yes|no|empty|missing|required|invalid|expired|unset|redacted|hidden|n/a
        |malformed|mismatch|await|async|new|not|is|was|must|has|cannot|verification|validation|signature|failed|denied
        |enabled|disabled|include|omit|same-origin|latest
        |password|secret|token|key|credentials?|bearer|basic|valuefrom|secretkeyref
        |string|str|bytes|int|object|<[^>]*>|\[[a-z-]*\]|\*+|x{3,}|\.{3}|…|\$\{?\w+\}?-?|[|>][+-]?|(?-i:[A-Z_]{2,60}=)[a-z0-9-]{2,80}:(?:latest|\d{1,4})|%\w+%?|\{\w*\}|\$\{\{.*|\(\w*|\$\([^()]*\)
        |(?:self|this|request|config|settings|cfg|conf|opts|options|args|env|environ|var|local|params|secrets)\.[\w.\[\]]*\(?
        |(?:get|load|read|fetch|create|make|generate|new|find|require)[A-Z_]\w*\(.*|[A-Za-z_]\w*(?:(?:\.|::)[A-Za-z_]\w*)+\(.*
        |projects/\S*|/\S*secrets?/\S*|os\.\S*|process\.\S*)[.,;:)\]}'"]*""",
    re.IGNORECASE | re.VERBOSE,
)


# key=value, "key": "value", key => value, <key>value, \"key\": \"value\", {"key": {"value": "..."}}; with a comma only where
# the key itself is quoted, as in ('x-api-key', '...'). Possessive, so that a long word costs one look.
_HTML_QUOTE = r"&(?:quot|apos|#0{0,3}3[49]|#x2[27]);"
_NAME_AND_SEPARATOR = re.compile(
    r"(?<![\w.-])([\w.-]{2,80}+)(?:(?:\\{0,7}+[\"'`\]]{0,2}+(?::(?:protected|private)\])?+"
    r"(?: ?\[(?:hidden|masked|required)?\])?+|" + _HTML_QUOTE + r"|\\u0022)\s{0,20}+"
    r"(?:=>|[:?]=|[~-]>|:(?!:)|={1,3}|[：＝]"
    r"|>|&gt;|\.(?= \")|,(?=<<\")|;s:\d{1,5}:(?=\"))"
    r"|\\{0,7}+[\"']\s{0,3}+(?P<listed>,))"
    r"\s{0,20}+(?:[>|][+-]?[ \t]{0,9}\n\s{0,40}+)?"
    r"(?:\[?\s{0,20}+\{\s{0,20}+\\{0,7}+[\"']?(?:value|plain\w{0,9}|data|content|secret"
    r"|string)\\{0,7}+[\"']?\s{0,9}+[:=]\s{0,20}+)?"
    r"(?:!{1,2}\w{1,12}\s|&\w{1,20}\s|<!\[CDATA\[|"
    + _HTML_QUOTE
    + r"|\\u0022|\"\"(?=\")|''(?=')|[bBNuUrRf](?=[\"'])|<<(?=\")"
    r"|(?!getenv|env|get|input)\w{1,16}\((?:\d{1,6}\)\s?)?(?=\\{0,7}[\"']))?"
)
_QUOTE = re.compile(r"\\{0,7}[\"'`]")
_VALUE = re.compile(
    r"\$\{\{[^{}\n]{0,200}\}\}|\$\{[^{}\n]{0,200}\}|\$\([^()\n]{0,200}\)|t=\d{1,12},v\d=[^\s\"']{1,400}|\"(?:[^\"\\\n]|\\.)*+\"?|'(?:[^'\\\n]|\\.)*+'?|\{(?=[^{])(?:[^\n:,\"'=\\{}]"
    r"|\}\}|\}(?=;)|\{){4,200}\}"
    r"|[^\s<>\"'){}\]\[]{1,4096}+|\[[^\]\n{}]{1,200}\]",
)
_VALUE_ENDS = re.compile(_HTML_QUOTE + r"|&lt;|\\u0022|[,;&](?=\s|$|[\w.%-]{1,60}\s?[=:]|[\"'{\[])|:(?=\S*@)")
_OPAQUE_ENOUGH = re.compile(
    r"(?=[A-Z-]*\d)(?:[A-Z0-9]{4,6}-){3,}[A-Z0-9]{4,6}|(?=[^\s]*\d)(?=[^\s]*[A-Za-z])[A-Za-z0-9+/_~=-]{16,}"
    r"|[A-Za-z0-9+/]{12,}={1,2}|[0-9a-fA-F]{32,}"
)
_SHORT_NUMBER = re.compile(r"\d{4,8}")


_OTHER_KEY = re.compile(
    r"(?:cache|partition|sort|primary|foreign|public|routing|object|row|index|group|lock|idempotency|dedup\w{0,10}|shard\w{0,4})"
    r"[ _.-]?key$",
    re.IGNORECASE,
)


@lru_cache(maxsize=4096)
def announces(name: str) -> bool | None:
    """Whether the value of this name is a secret: True for certain, False if it looks like one, None never."""
    if SECRET_NAME.search(name):
        return None if NOT_THE_SECRET.search(name) else True
    return False if _KEY_NAME.search(name) and not _OTHER_KEY.search(name) else None


def _cut_named(text: str, within: bool = False) -> tuple[str, int]:
    """The values of names that announce a secret. A name that announces none does not swallow the one after it.

    `within`: the text is such a value.
    """
    pieces: list[str] = []
    done = cuts = 0
    for match in _NAME_AND_SEPARATOR.finditer(text):
        if match.end() < done or match.end() == len(text):
            continue
        certain = announces(match[1])
        if certain is None or _is_a_quoted_sign(text, match) or _is_our_own(text, match):
            continue
        if certain and (inside := _OBJECT.match(text, match.end())) and _ANY_PASSWORD.search(match[1]):
            pieces += [text[done : match.end()], _LITERAL_OF_OBJECT.sub(_hidden_literal, inside[0])]
            done, cuts = inside.end(), cuts + 1
            continue
        # What a long value begins with tells whether it is one; text full of such names is not read to its end for each.
        stop = len(text) if certain else min(len(text), match.end() + _BEGINNING)
        end, inner, quote = _value_at(text, match.end(), stop)
        if not inner or _is_harmless(match[1], inner):
            continue
        if match["listed"] and (not quote or text[end : end + 3].lstrip("\"' ")[:1] in (":", "=")):
            continue
        if "\n" in match[0] and not quote and not _BLOCK_SCALAR.search(match[0]) and not _mixed(inner):
            continue  # the next line of a text that ends in `password:`
        if not certain and not _weak(text[max(0, match.start() - 20) : match.end(1)], inner):
            continue
        if end == stop < len(text):
            end, inner, quote = _value_at(text, match.end(), len(text))
        if not quote and _told(text, match, end, inner):
            continue
        shown = "[secret]"
        if not within and len(inner) <= _BEGINNING and _CONNECTION.search(match[1]):
            parts = _cut_named(inner, within=True)[0]
            shown = parts if shown in parts else shown
        pieces += [text[done : match.end()], quote, shown, quote]
        done = end
        cuts += 1
    return "".join([*pieces, text[done:]]), cuts


_ANY_PASSWORD = re.compile(r"pass|pwd", re.IGNORECASE)
_OBJECT = re.compile(r"\{(?=[^{}\n]{0,400}[\"'])[^{}\n]{1,400}\}")
_LITERAL_OF_OBJECT = re.compile(r"([:=]\s{0,3})([\"'])((?:[^\"'\\\n]|\\.)+)\2")


def _hidden_literal(match: re.Match[str]) -> str:
    """`{"current": "…", "new": "…"}`, what a name announces as a whole."""
    return match[0] if HARMLESS_VALUE.fullmatch(match[3]) else f"{match[1]}{match[2]}[secret]{match[2]}"


_CONNECTION = re.compile(r"conn(?:ection)?[_-]?str|(?<![a-z])dsn$", re.IGNORECASE)
"""What holds one is cut in its parts: the reader needs to know which database it names."""


def _last(name: str) -> str:
    """`password` of `form.password`: what is set to itself under another name is a variable."""
    return name.rpartition(".")[2].rstrip(",;)")


def _is_harmless(name: str, value: str) -> bool:
    """Whether the value is a word, the variable of the same name, or as in `--secret=db-password` the name of a secret."""
    if HARMLESS_VALUE.fullmatch(value) or _last(value) == _last(name) or value.endswith(":latest"):
        return True
    refers = name.lower().endswith(("secret", "credentials")) and _REFERENCE.fullmatch(value)
    return bool(refers and SECRET_NAME.search(value))


_REFERENCE = re.compile(r"[a-z]{2,20}(?:-[a-z]{2,20}){1,5}")


def _is_our_own(text: str, match: re.Match[str]) -> bool:
    """Whether the name is what an earlier rule put there, at the end of something else, as in `…/hooks/[secret] -> 404`."""
    at = match.start()
    return match[1] in ("secret", "token") and at > 1 and text[at - 1] == "[" and text[at - 2] not in " \t\n(,{"


def _is_a_quoted_sign(text: str, match: re.Match[str]) -> bool:
    """Whether a name in quotes ends with the sign: the quote that follows closes it, as in "undefined method `token='"."""
    return (
        text[match.end(1)] not in ("`", "'")
        and text[match.start() - 1 : match.start()] in ("`", "'")
        and text[match.end() - 1 : match.end() + 1] in ("='", ":'")
    )


def _mixed(value: str) -> bool:
    return any(c.isdecimal() for c in value) and any(c.isalpha() for c in value)


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
_OTHER_RESULTS = re.compile(r"[,;]?\s{1,3}#?\s?(?:\d{1,6} )?(?:x?fail|skip|error|warn|total)", re.IGNORECASE)
_CODE_WORD = re.compile(r"[a-z]{2,14}(?:_[a-z]{2,14}){1,4}")
"""As in `token: invalid_grant`."""
_PERMISSION = re.compile(r"[a-z]{2,20}(?:\.[A-Za-z]{2,30}){2,4}")
_WORD = re.compile(r"(?=[a-z]{0,3}[aeiouy])[a-z]{2,14}")
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
    if match[1].lower() == "pass" and (
        text[:start].endswith("--- ") or (value.isdigit() and _OTHER_RESULTS.match(text, end))
    ):
        return True  # of a test
    if match[1].lower() in ("pwd", "oldpwd") and value[0] == "/":
        return True  # the working directory
    if text[end : end + 1] == "[" and value.isidentifier():
        return True  # a type or an element
    if _PASSWORD_NAME.search(match[1]):
        return False
    if (
        _VERSION.fullmatch(value)
        or _PERMISSION.fullmatch(value)
        or (_CODE_WORD.fullmatch(value) and not any(map(NO_WORD.search, value.split("_"))))
    ):
        return True
    return (
        separator == ": "
        and _WORD.fullmatch(value) is not None
        and NO_WORD.search(value) is None
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
    ending = None if value[0][0] in "[$" else _VALUE_ENDS.search(text, start, value.end())
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
    """Whether the value of a name that may announce a secret looks like one. `name` with what stands before it."""
    if _OTHER_KEY.search(name):
        return False
    if name.lower().endswith("pin"):
        return _SHORT_NUMBER.fullmatch(value) is not None
    return _OPAQUE_ENOUGH.fullmatch(value) is not None and not UUID.fullmatch(value)


_BESIDE = ("name", "key", "env", "variable", "id", "field")
_NAME_BESIDE = re.compile(
    r"(\b(?:name|key|env|variable|id"
    r"|field)\\{0,7}[\"']?\s{0,4}[:=]\s{0,4}\\{0,7}[\"']?([\w.-]{2,80})\\{0,7}[\"']?(?:\s{0,4},\s{0,40}|\s{1,40})"
    r"\\{0,7}[\"']?(?:value|val|default|string_?value)\\{0,7}[\"']?\s{0,4}[:=]\s{0,4})",
    re.IGNORECASE,
)


def _cut_beside(text: str) -> tuple[str, int]:
    """`{"name": "DB_PASSWORD", "value": "…"}` in JSON, YAML and XML: the name of the secret is a value itself."""
    pieces: list[str] = []
    done = cuts = 0
    lower = text.lower()
    # A letter whose lower case is longer than itself moves all places behind it.
    places = places_of(_BESIDE, lower) if len(lower) == len(text) else range(len(text))
    for at in places:
        match = _NAME_BESIDE.match(text, at)
        if match is None or match.start() < done or not SECRET_NAME.search(match[2]) or NOT_THE_SECRET.search(match[2]):
            continue
        end, inner, quote = _value_at(text, match.end(), len(text))
        if not inner or HARMLESS_VALUE.fullmatch(inner):
            continue
        pieces += [text[done : match.end()], f"{quote}[secret]{quote}"]
        done, cuts = end, cuts + 1
    return "".join([*pieces, text[done:]]), cuts


_COLUMNS = re.compile(
    r"(?:^|(?<=\n))(?=[^\n]{0,400}(?:pass|pwd|secret|token|key|credential))"
    r"((?:\| ?)?(?:\"?[A-Za-z][\w .-]{0,40}\"?(?P<by>[,;\t|]) ?)"
    r"(?:\"?[A-Za-z][\w .-]{0,40}\"?(?P=by) ?){0,40}\"?[A-Za-z][\w .-]{0,40}\"?(?: ?\|)?)\r?\n"
    r"(?:[|+:= -]{3,400}\r?\n)?(?=[^\n]{0,2000}(?P=by))",
    re.IGNORECASE,
)
"""A line of names between commas, semicolons, tabs or bars, one of which announces a secret, above a line of values.

A drawn table has a rule between the two.
"""


def _cut_columns(text: str) -> tuple[str, int]:
    """The columns of tables whose heading announces a secret, in the lines below that have as many columns."""
    pieces: list[str] = []
    done = cuts = 0
    for head in _COLUMNS.finditer(text) if "\n" in text else ():
        if head.start() < done:
            continue
        by, names = head["by"], [name.strip(' "\r') for name in head[1].split(head["by"])]
        at = [n for n, name in enumerate(names) if announces(name.replace(" ", "_"))]
        start = head.end()
        while at and start < len(text):
            end = text.find("\n", start) + 1 or len(text)
            cells = text[start:end].split(by)
            if len(cells) != len(names):
                break
            for n in at:
                value = cells[n].strip(' "\r\n')
                if value and not HARMLESS_VALUE.fullmatch(value):
                    cells[n] = cells[n].replace(value, "[secret]")
                    cuts += 1
            pieces += [text[done:start], by.join(cells)]
            start = done = end
    return "".join([*pieces, text[done:]]), cuts


def _given_to_a_call(match: re.Match[str]) -> str | None:
    """`.setPassword('…')` is given the secret, `getSecret('db-password')` its name."""
    return None if _ASKS.search(match.string, max(0, match.start() - 40), match.start()) else match[1] + "'[secret]'"


_ASKS = re.compile(
    r"(?:\b|_)(?:get|load|read|fetch|find|has|is|need|require|lookup|delete|access|create)[A-Za-z_]{0,24}\Z",
    re.IGNORECASE,
)


NAMED: tuple[Rule | Scan, ...] = (
    Scan("named secret", ("value", "val", "default"), _cut_beside),
    Scan("named secret", SECRET_TRIGGERS, _cut_named),
    Scan("named secret", (",", ";", "\t", "|"), _cut_columns),
    Rule(
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
        keep_lead("[secret]"),
    ),
    Rule(
        "named secret",
        ("</",),
        re.compile(
            r"(<[\w.:-]{0,40}(?:passw|passphrase|pwd|secret|token|apikey|api-key|credential|privatekey|cvv"
            r"|ssn)[\w.:-]{0,40}"
            r"(?:\s[^<>]{0,200})?>)(?!\[)[^<\n]{1,2000}(?=</)",
            re.IGNORECASE,
        ),
        keep_lead("[secret]"),
    ),
    Rule(
        "named secret",
        ("type=", "name="),
        # The field of a form, and the part of a posted one, whose value stands on a line of its own.
        re.compile(
            r"(\btype=[\"']?password[\"']?[^<>\n]{0,200}?\svalue=[\"']?|\bname=[\"']?[\w.-]{0,40}(?:passw|secret|token|pwd)"
            r"[\w.-]{0,40}[\"']?(?:;[^\n]{0,200})?\r?\n(?:[A-Z][\w-]{1,40}: [^\n]{1,200}\n)?\r?\n)(?!\[)"
            r"[^\s\"'<>][^\n\"'<>]{2,400}",
            re.IGNORECASE,
        ),
        keep_lead("[secret]"),
        begins=True,
    ),
    Rule(
        "secret literal",
        ("secret", "sensitive", "password", "passphrase", "token", "apikey", "credential"),
        re.compile(
            r"((?:Secret|Sensitive|Password|Passphrase|Token|ApiKey|Credential)[A-Za-z]{0,12}\(\s?)"
            r"(?:\"[^\"\n]{4,400}\"|'[^'\n]{4,400}'|(?=[^()\s]{0,200}\d)(?=[^()\s]{0,200}[A-Za-z])[^()\s\"',=]{5,200})(?=\s?\))",
        ),
        _given_to_a_call,
        begins=True,
    ),
)  # fmt: skip

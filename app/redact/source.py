"""Source code, where what follows `token =` is a name, a call or an expression as a rule, and only a literal is a secret.

Owns which lines of code are looked at, by which rules, and what a literal is. Files that are not code, and comments, are text.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from app.redact.looks import NO_NAME, changes
from app.redact.named import HARMLESS_VALUE, NOT_THE_SECRET, SECRET_NAME, SECRET_TRIGGERS
from app.redact.order import RULES
from app.redact.rules import Rule, apply
from app.redact.shapes import BLOCKS

_LONG_RUN = re.compile(r"[A-Za-z0-9+/]{60}")
_DIGIT = re.compile(r"\d")
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
_OF_WORDS = frozenset({"cookie", "authorization", "bearer", "secret option", "secret in prose", "url parameter"})
"""Rules that find names and expressions where a line holds no words."""
_RULES = tuple(rule for rule in RULES if isinstance(rule, Rule) and rule not in BLOCKS)
"""For one line. What a name announces is looked for by `_cut_literals` instead."""
_RULES_WITHOUT_WORDS = tuple(rule for rule in _RULES if rule.name not in _OF_WORDS)


def is_code(path: str) -> bool:
    return _CODE.search(path) is not None


def files_of(patch: str) -> Iterator[tuple[str, str]]:
    """The parts of a unified diff: the path that each changes, and its text; empty for what stands above the first."""
    starts = [match.start() for match in _PATCHED_FILE.finditer(patch)]
    if not starts or starts[0]:
        starts.insert(0, 0)
    for start, end in pairwise([*starts, len(patch)]):
        text = patch[start:end]
        yield (text.partition("\n")[0].rstrip().rstrip('"') if _PATCHED_FILE.match(text) else ""), text


def cut_code(text: str) -> str:
    """Rules for blocks over the whole text, all others over the lines that may hold what they cut.

    Few lines of code do, and a look at each costs less than twenty searches of all.
    """
    if "-----" in text or _LONG_RUN.search(text):
        for rule in BLOCKS:
            text = apply(rule, text)[0]
    lower = text.lower()
    triggers = [trigger for trigger in SECRET_TRIGGERS if trigger in lower]
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
    for rule in _RULES if _WRITTEN.search(line) else _RULES_WITHOUT_WORDS:
        if not rule.triggers or any(trigger in lower for trigger in rule.triggers):
            line = apply(rule, line)[0]
    return line


def _cut_literals(text: str) -> str:
    pieces: list[str] = []
    done = 0
    for match in _NAME_IN_CODE.finditer(text):
        if match.end() < done or not SECRET_NAME.search(match[1]) or NOT_THE_SECRET.search(match[1]):
            continue
        value = _VALUE_IN_CODE.match(text, match.end())
        if value is None:
            continue
        quote = value[0][0] if value[0][0] in "\"'`" else ""
        inner = value[0].strip("\"'`\\")
        if not inner or HARMLESS_VALUE.fullmatch(inner):
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
    return digits >= 2 and len(word) >= 8 and word.isalnum() and changes(word) >= NO_NAME


_WRITTEN_LINE = 1000
_ENDS = frozenset({"", "\n"})
_PIN = 4
"""Digits of the shortest number that is a secret."""

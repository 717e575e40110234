"""How a run of characters looks: a word, an id, or random.

Owns the measures. Leaves what follows from a look to the rules that ask.
"""

import re

UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
NO_WORD = re.compile(r"[^aeiouy]{4}|[aeiouy]{4}|[bcdfgjkmpqtvwxz][jqvxz]|[jvz][^aeiouyz]|q[^u]")
"""Neighbours that words do not have and that nearly every random run of their length has."""

_CLASS_TABLE = {
    c: "1" if 48 <= c <= 57 else "A" if 65 <= c <= 90 else "a" if 97 <= c <= 122 else "-" for c in range(128)
}
_CHANGE = re.compile(r"1(?=[Aa])|A(?=[1a])|a(?=[1A])")
_SUBRESOURCE = re.compile(r"sha(?:256|384|512)-[A-Za-z0-9+/]{43,86}={0,2}")
_DIGEST = re.compile(
    r"(?:\b(?:SHA|sha)(?:1|256|384|512)|\bh1)[:=-]\Z|\b(?:etag|md5(?:hash|sum)?|crc32c|checksum)\"?[:=] ?(?:W/)?\"?\Z",
    re.IGNORECASE,
)
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
NO_NAME = 0.34
"""How often neighbours change class in what is no name."""
_RANDOM = 0.42
"""The same in what is random without doubt, so that a run with few or no digits needs no more."""

_JOB = re.compile(r"(?:bq)?job_")
"""How BigQuery names its jobs."""


def changes(text: str) -> float:
    """How often neighbours change between capitals, small letters and digits, for each character."""
    return len(_CHANGE.findall(text.translate(_CLASS_TABLE))) / len(text)


def opaque(match: re.Match[str]) -> str | None:
    """A run that mixes cases and digits without the rhythm of words: nobody named anything like that.

    The measure is how often neighbouring characters change class: about .6 in random base64, below .25 in identifiers. It
    is taken of the whole and of each part, so that words before it do not dilute it. A long hexadecimal part is an id or a
    digest unless a word that no id begins with stands before it.
    """
    text = match[0]
    if _JOB.match(text) or _DIGEST.search(match.string, max(0, match.start() - 16), match.start()):
        return None
    classes = text.translate(_CLASS_TABLE)
    digits, upper = classes.count("1"), classes.count("A")
    if not digits and upper < _MANY_CAPITALS:
        return None
    mixed = digits >= 2 and upper >= 2 and classes.count("a") >= 2
    if mixed and changes(text) >= NO_NAME:
        return None if _SUBRESOURCE.fullmatch(text) else "[opaque]"
    longest = max(_SEGMENT.findall(text), key=len, default="")
    if len(longest) < LONG_PART:
        return None
    if _HEX.fullmatch(longest):
        announced = _ANNOUNCED_HEX.search(text)
        return "[opaque]" if announced and announced[1].lower() not in _ID_WORDS else None
    classes = longest.translate(_CLASS_TABLE)
    digits, upper = classes.count("1"), classes.count("A")
    change = changes(longest)
    if upper and upper + digits < len(longest):
        if digits:
            return "[opaque]" if change >= NO_NAME and upper >= 2 else None
        return "[opaque]" if change >= _RANDOM and len(longest) >= _LONG_ONE_CASE else None
    random = digits >= _MANY_DIGITS and change >= _ONE_CASE
    return "[opaque]" if random and (len(longest) >= _LONG_ONE_CASE or _VENDOR_WORD.search(text)) else None


_MANY_CAPITALS = 5
_MANY_DIGITS = 4
"""More than a version or a plain number in a name has."""
LONG_PART = 16
_LONG_ONE_CASE = 30
_ONE_CASE = 0.25
"""Changes between letters and digits in a random run of one case: .4 of them."""

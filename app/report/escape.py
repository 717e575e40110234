"""One way per format to show text from outside so that it stays text. Nothing else in the reports escapes anything.

HTML is escaped by Jinja's autoescaping; `visible` prepares its text as for every other format.
"""

import re
from urllib.parse import quote, urlsplit

from app.report.wording import clipped

INLINE_LIMIT = 400
"""Characters of one value inside a sentence; whole messages stand in the JSON of the latest failure."""

EMPTY = "(empty)"

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\^_])|\x9b[0-?]*[ -/]*[@-~]")
_BREAKS = re.compile(r"\r\n|[\n\r\t\v\f\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f\ufeff\uffa0\ufff0-\uffff\U000e0000-\U000e0fff"
    "\U0001d173-\U0001d17a]"
)
"""Control, bidirectional, zero-width, filler, variation, tag and surrogate characters: what a reader cannot see."""

_MD_SIGNS = re.compile(r"[\\`*_\[\]<>#|~@$&{}]")
_MD_LINKS = re.compile(r"(?i)(://|\bwww(?=\.)|/(?=audit))")
_TEAM = re.compile(r"@[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?")
_MERMAID_PLAIN = re.compile(r"[A-Za-z0-9 ._,/\u00c0-\u024f-]")


def visible(text: str) -> str:
    """One line without anything that moves the cursor, turns the writing direction or cannot be seen."""
    return _INVISIBLE.sub("", _BREAKS.sub(" ", _ANSI.sub("", text)))


def inline(text: str) -> str:
    """`visible`, and short enough for a sentence."""
    return clipped(visible(text).strip(), INLINE_LIMIT)


def md_code(text: str) -> str:
    """A code span that its own backticks cannot close."""
    line = inline(text) or EMPTY
    fence = "`" * (_longest_run(line) + 1)
    pad = " " if line[0] == "`" or line[-1] == "`" else ""
    return f"{fence}{pad}{line}{pad}{fence}"


def md_words(text: str) -> str:
    """Our own words. They hold no foreign text, and if ever they did, nothing of it would become markdown."""
    line = _MD_SIGNS.sub(lambda sign: "\\" + sign[0], visible(text))
    return _MD_LINKS.sub(lambda start: f"&#{ord(start[0][0])};{start[0][1:]}", line)


def md_cell(markdown: str) -> str:
    """Ready markdown as a table cell. A backslash before a bar is read differently by parsers, so such a bar is drawn."""
    return re.sub(r"(?<!\\)\|", r"\\|", re.sub(r"\\\|", "¦", markdown))


def md_fence(lines: list[str], language: str = "") -> str:
    """A fenced block longer than any run of backticks inside."""
    shown = [visible(line) for line in lines]
    fence = "`" * max(3, max((_longest_run(line) for line in shown), default=0) + 1)
    return "\n".join((fence + language, *shown, fence))


def md_url(url: str) -> str:
    return url.replace("&", "&amp;")


def md_team(mention: str) -> str | None:
    """A mention that calls people, only if it is one and nothing else."""
    return mention if _TEAM.fullmatch(mention) else None


def safe_url(url: str | None) -> str | None:
    """The address with every sign encoded that could end a link; None when it is no web address."""
    if url is None:
        return None
    encoded = quote(_INVISIBLE.sub("", url.strip()), safe="%:/?#@!$&*+,;=~-._")
    try:
        parts = urlsplit(encoded)
    except ValueError:
        return None
    return encoded if parts.scheme in ("https", "http") and parts.netloc else None


def mermaid_label(text: str, limit: int = 60) -> str:
    """Everything but letters, digits and a few signs as mermaid's own entity codes; no quote can be closed."""
    line = clipped(visible(text).strip(), limit)
    return "".join(c if _MERMAID_PLAIN.fullmatch(c) else f"#{ord(c)};" for c in line) or "-"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)

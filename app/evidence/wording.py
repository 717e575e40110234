"""Words and places: what in a message looks like a value although it holds no digit.

Owns the judgement of single words. One message cannot tell whether `root` in `session of root closed` is a name or part of
the sentence, and a handful of messages hardly can. But some words look like names (`kube-proxy`, `SendWorker`, one that no
sentence uses), some like what a program says of itself (`opened`, `not`), and some places announce a value (after `from` or
`state`, in quotes). Both are added up, in halves: `look` for the word, `announced` for its place, and a value is what
reaches `VALUE`. No single entry of the lists below decides much; they may miss words, and need not know a product.

Leaves to `templates.py` what is masked by its look alone, and which messages end in one template.
"""

import re
from collections.abc import Set as AbstractSet
from functools import lru_cache
from typing import Final

from app.evidence.faultwords import is_common, is_system_error

MASK: Final = "<*>"

Tokens = tuple[str, ...]

VALUE: Final = 1.5
"""From here on a word is a value."""
NAME: Final = 2.0
"""Put together with punctuation, as names of things are: nothing else is needed."""
_STRANGE: Final = 1.0
"""In no list: more often a name than not."""
_MARKED: Final = 0.7
"""Capitals inside, or a mask in brackets: a name, a state, or an abbreviation."""
_COMMON: Final = 0.0
_SAID: Final = -2.0
"""What sentences are told apart by: verbs, and what is said of things."""

_TELLING: Final = 3 * _SAID
"""No place makes a value of it."""

_ACTIONS: Final = frozenset(
    """abort accept acknowledge acquire activate add allocate allow append apply assign attach backup begin bind block boot
    build call cancel check claim clean clear close commit compact complete compress configure connect copy create
    deactivate decode decrypt delete deny deregister destroy detach die disable discard disconnect download drop enable
    encode encrypt end enter establish evict execute exit expand expire export fail fetch find finish flush free freeze get
    grant handle head hold ignore import init initialize insert install invalidate join kill launch leave listen load lock
    login logout lose merge mount move notify open options parse pass patch pause ping poll post prepare process promote
    publish pull purge push put query read reboot rebuild receive reconnect recover refresh refuse register reject release
    reload remove rename renew repair replace reply report request reserve reset resize resolve respond restart restore
    resume retry return revoke roll rollback rotate run save scan schedule select send serve set shrink shut shutdown skip
    sleep spawn split start startup stop store submit subscribe succeed suspend sync synchronize terminate test truncate
    unblock uninstall unload unlock unmount unregister unsubscribe update upgrade upload validate verify vote wait wake
    watch win write""".split()  # noqa: SIM905 - a list of literals would be as long as the module
)
_QUALITIES: Final = frozenset(
    """a able abnormal absent active alive all already an and any are available bad be been before after begun bound both
    broken but busy cannot chosen clean closed critical dead did done down dry due early either empty external failure false
    fast fatal final first found free full gone good got had hard has have healthy held hidden high idle in inactive inbound
    incoming initial internal invalid is it kept known last late left local long lost low lower made major max maximum min
    minimum minor missing more must never new next no normal not now off offline ok old on once online only or out outbound
    outgoing over partial physical primary previous read ready remote running secondary sent short shown shut slow soft still
    success successful sure taken than that the then this thrown too took total true unable unavailable under unhealthy
    unknown up valid virtual was went were when while will with without won written wrong yes""".split()  # noqa: SIM905
)
_INFLECTED: Final = ("ed", "ing", "ly")
_ABSTRACT: Final = ("tion", "sion", "ment", "ness")
_ABSENT: Final = frozenset({"none", "null", "nil"})
_LETTER: Final = re.compile(r"[^\W\d_]")
_JOINED: Final = re.compile(r"\w[._:/@$#\\+~-]+\w|^[/\\~.$@]\w")
_MIXED: Final = re.compile(r"[a-z][A-Z]|^[A-Z]{2,}$")
_FAULT: Final = re.compile(
    r"\w(?:Exception|Error|Failure|Fault|Timeout|BackOff|Killed)$|^Err[A-Z]|^(?:CANCELLED|UNKNOWN|INVALID_ARGUMENT|DEADLINE_EXCEEDED"
    r"|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED|RESOURCE_EXHAUSTED|FAILED_PRECONDITION|ABORTED|OUT_OF_RANGE"
    r"|UNIMPLEMENTED|INTERNAL|UNAVAILABLE|DATA_LOSS|UNAUTHENTICATED)$"
)
"""Names of exceptions, gRPC's codes and Kubernetes' reasons tell faults apart, wherever they stand."""
_OPENED: Final = tuple("([{:\"'")


@lru_cache(maxsize=8_192)
def look(word: str) -> float:
    """How much the word itself looks like a value, from `_TELLING` to `NAME`; zero for a common noun."""
    if "=" in word:
        return _SAID
    bare = word.strip("()[]\"'`,;.!?{}")
    if bare.endswith(":"):
        return _before_colon(bare[:-1])
    if MASK in bare:
        head = bare[: bare.index(MASK)]
        # Dots that lead to a column of figures are the sentence's.
        return _SAID if "..." in bare else _MARKED if not head or head.endswith(_OPENED) else NAME
    if _FAULT.search(bare) or is_system_error(bare):
        return _TELLING
    low = bare.lower()
    if not _LETTER.search(bare):
        return _COMMON
    if low in _ABSENT:
        return _STRANGE
    if _JOINED.search(bare):
        return _look_joined(bare)
    if _MIXED.search(bare):
        return _SAID / 2 if bare.isupper() and _is_said(low) else _MARKED
    if _is_said(low):
        return _SAID
    if is_common(low) or low.endswith(_ABSTRACT) or len(bare) <= 2:
        return _COMMON
    return _STRANGE


def _look_joined(bare: str) -> float:
    parts = re.split(r"[-_]", bare.lower())
    if bare.islower() and "_" not in bare and all(map(_is_said, parts)):
        return _SAID
    # What begins or ends with a verb may be the name of what the program does.
    return _MARKED if len(parts) > 1 and (_is_action(parts[0]) or _is_action(parts[-1])) else NAME


def _before_colon(bare: str) -> float:
    """A word before a colon names what comes: it is a value itself only if it would be one anywhere."""
    value = look(bare)
    if value <= _SAID:
        return value
    if MASK in bare or bare.count(".") > 1 or bare.lower() in _ABSENT:
        return value
    return value - _STRANGE if value >= NAME else min(value, _COMMON)


def _is_said(low: str) -> bool:
    return low in _QUALITIES or _is_inflected(low) or _is_action(low)


def _is_inflected(low: str) -> bool:
    return len(low) > 4 and low.endswith(_INFLECTED)


def _is_action(low: str) -> bool:
    return (
        low in _ACTIONS
        or (low.startswith(("re", "de", "un")) and low[2:] in _ACTIONS)
        or (low.endswith("s") and (low[:-1] in _ACTIONS or low.removesuffix("es") in _ACTIONS))
    )


_QUOTED: Final = re.compile(r"^(?:'[^']+'|\"[^\"]+\"|\([^()]+\)|\[[^\[\]]+\]|<(?!\*>$)[^<>]+>)[.,;:]?$")
_KEYED: Final = re.compile(r"^(\W*[\w.-]+:)([\"'(\[{].+)$")
_BEFORE: Final = frozenset("from to of for by on in at via using with under named".split())  # noqa: SIM905
_BESIDE: Final = frozenset("after before during as into onto between through against without per".split())  # noqa: SIM905
_LABELS: Final = frozenset(
    """user username host hostname class device interface domain group queue service table region topic partition server
    node pool job volume database role bucket namespace pod""".split()  # noqa: SIM905
)
_FIELDS: Final = frozenset("pid id port uid gid size code type name path address".split())  # noqa: SIM905
_STATES: Final = frozenset({"state", "status", "phase"})
_BECOMING: Final = frozenset(
    "change changed changes changing set sets setting state status switched transition transitioned turned".split()  # noqa: SIM905
)
_BEING: Final = frozenset("is are was were be been being become became becomes not".split())  # noqa: SIM905
_ARTICLES: Final = frozenset("the a an this that all any its their".split())  # noqa: SIM905
_LINKS: Final = frozenset(
    """after against and are as at because been before but by during for from has have in into is not of on onto or per
    that through to until using via was were when which while will with without""".split()  # noqa: SIM905
)


def announced(words: Tokens, place: int) -> float:
    """How much the place in the sentence announces a value. Below zero where it speaks against one."""
    word = words[place]
    if _QUOTED.match(word):
        return 2 * NAME if word[0] in "\"'" else VALUE
    if (keyed := _KEYED.match(word)) and keyed[2][0] in "\"'":
        return 2 * NAME
    if place == 0:
        return -0.5 if word.islower() else -1.5
    low = word.lower()
    before = words[place - 1].lower()
    further = words[place - 2].lower() if place > 1 else ""
    after = words[place + 1] if place + 1 < len(words) else ""
    value = look(word)
    # `NEW -> DONE`, and lists of values with their names behind them: `3 (round), IDLE (state)`.
    if "->" in (before, after) or (before.endswith("),") and after.startswith("(")):
        return 2 * NAME
    if place > 1 and before.rstrip(":") in _STATES:
        if not after or before.endswith(":") or word.endswith((",", ";")) or word.isupper():
            return 2 * NAME
        if value > _SAID and not low.startswith(("chang", "machine")):
            return VALUE
    if before == "to" and (after in _ARTICLES or low in _ACTIONS) and word.islower():
        return 0
    if before == "to" and further in _BECOMING:
        return 2 * NAME
    is_label = _names_next(words, place, value)
    if before in _BEFORE:
        if word.isupper() and before in ("to", "from"):
            return VALUE + 1
        return 0 if is_label and value < NAME and not word[0].isupper() else VALUE
    if before in _LABELS and (place > 1 or value >= _MARKED):
        return 0 if is_label and (low in _LABELS or low in _FIELDS) else VALUE
    if before in _BEING:
        return -1
    if before in _BESIDE:
        return 1
    if before.endswith(":") and before[:-1] in _LABELS | _FIELDS:
        return VALUE
    if before.endswith(":"):
        ends = not after or word.endswith((",", ";"))
        return 1 if ends and before[:-1].isalpha() and look(before) >= 0 else 0
    if before.isalpha() and 0 <= look(before) <= _STRANGE:
        if further in _BEFORE and not is_label:
            return 1
        return 0.5 if value > 0 and look(before) < _STRANGE else 0
    return 0


def _names_next(words: Tokens, place: int, value: float) -> bool:
    """Whether the word may be the noun that says what the next one is, as `host` in `to host alpha`."""
    word = words[place]
    after = words[place + 1] if place + 1 < len(words) else ""
    if not after or not word[-1].isalnum() or (word[0].isupper() and after[0].isupper()):
        return False
    if not after.isalpha():
        return after.startswith((MASK, "'", '"')) or look(after) >= 0
    low = after.lower()
    if low in _LINKS:
        return False
    return word.lower() in _LABELS or look(after) >= 0 or (value < _STRANGE and not _is_inflected(low))


def is_value(words: Tokens, place: int, known: AbstractSet[str]) -> bool:
    """Whether the word stands like a value. `known` are words that others have shown to be values."""
    word = words[place]
    if word == MASK or "=" in word or (place == 0 and MASK in word):
        return False
    value = look(word)
    if word in known and (value >= _STRANGE or (place and announced(words, place) > 0)):
        return True
    if place == 0:
        is_host_or_file = value >= NAME and (word.count(".") > 1 or ("." in word and word.islower()))
        return is_host_or_file or (value > 0 and _QUOTED.match(word) is not None)
    return value + announced(words, place) >= VALUE


def are_values(words: Tokens, place: int, others: tuple[str, ...]) -> bool:
    """Whether `others`, which are found in one place of one sentence, are values: the more there are, the sooner."""
    looks = [look(word) for word in others]
    place_says = min(announced((*words[:place], word, *words[place + 1 :]), place) for word in others)
    if min(looks) <= _TELLING or (min(looks) <= _SAID and place_says < VALUE * 2):
        return False
    return sum(looks) / len(looks) + place_says + 0.5 * (len(others) - 2) >= VALUE


# --- outlines -----------------------------------------------------------------------------------------------------------

_WORD: Final = re.compile(r"\w")
_CONTENT: Final = re.compile(r"\w|<\*>")
_FIELD: Final = re.compile(r"^[A-Z_]+=<\*>$")
_HOLE: Final = "\0"
_OPENS: Final = re.compile(r"^(.*([\[(\"'<]))[^\])\"'>]+$")
_CLOSES: Final = {"[": "]", "(": ")", '"': '"', "'": "'", "<": ">"}
_JOINERS: Final = frozenset({"/", "-", "&", "+", "|"})
_STEPS: Final = (2 * _SAID, 0.0, VALUE)
"""A value is masked only if its place announces it by more than this."""
_LONGEST: Final = 6
"""Words between brackets or quotes that may be one value."""


def outline(words: Tokens, known: AbstractSet[str]) -> Tokens:
    """The sentence with a mask for every word that stands like a value.

    Where too little would be left, only values that their place announces are masked, then only those that it announces
    strongly, and where that is too much, none.
    """
    for least in _STEPS:
        if (out := _outline(words, known, least)) is not None:
            return out
    return words


def _outline(words: Tokens, known: AbstractSet[str], least: float) -> Tokens | None:
    out: list[str] = []
    in_fields = sum(_FIELD.match(word) is not None for word in words) >= 3
    certain = True
    in_title = False
    place = 0
    while place < len(words):
        word = words[place]
        was_title, in_title = in_title, False
        if in_fields and _FIELD.match(word):
            # In a list of fields, what follows a value up to the next field is the rest of it.
            while place + 1 < len(words) and "=" not in words[place + 1] and _CONTENT.search(words[place + 1]):
                place += 1
        elif end := _closing(words, place):
            word, place = _join_ends(word, words[end]), end
        elif MASK in word and not _WORD.search(word.replace(MASK, "")):
            word = mask_whole(word)
        elif word.startswith("[]"):
            word = f"[{MASK}]{word[2:]}"
        elif (was_title and word[0].isupper()) or (is_value(words, place, known) and announced(words, place) > least):
            in_title = word[0].isupper() and word.isalpha()
            certain = certain and (look(word) >= NAME or _QUOTED.match(word) is not None)
            word = mask_whole(word)
        elif was_title and word in _JOINERS:
            in_title = True
        out.append(word)
        place += 1
    constants = sum(_LETTER.search(word) is not None for word in out)
    masked = sum(MASK in word and "=" not in word for word in out)
    if not constants or constants * 3 < masked or (constants == 1 and not certain):
        return None
    return tuple(out)


def run_together(words: Tokens) -> Tokens:
    """Neighbouring values as one, since a value may be of several words."""
    out: list[str] = []
    for word, after in zip(words, (*words[1:], ""), strict=True):
        if not out or out[-1] != MASK:
            out.append(word)
        elif word.startswith(MASK):
            out[-1] = word
        elif word not in _JOINERS or not after.startswith(MASK):
            out.append(word)
    return tuple(out)


def _closing(words: Tokens, place: int) -> int:
    """The place where a bracket or quote opened here is closed after a few words that no sentence is made of, else 0."""
    opened = _OPENS.match(words[place].replace(MASK, _HOLE))
    if opened is None:
        return 0
    opening, closing = opened[2], _CLOSES[opened[2]]
    # What a field has in quotes is its value, whatever it says.
    in_field = opened[1].endswith(('="', "='"))
    if not in_field and look(words[place]) < 0:
        return 0
    for end in range(place + 1, min(place + _LONGEST, len(words))):
        word = words[end].replace(MASK, _HOLE)
        if closing in word:
            return end if in_field or (word.count(closing) == 1 and look(word.split(closing)[0]) >= 0) else 0
        if opening in word or (not in_field and look(word) < 0):
            return 0
    return 0


def _join_ends(first: str, last: str) -> str:
    opened = _OPENS.match(first.replace(MASK, _HOLE))
    if opened is None:
        raise ValueError(f"nothing is opened: {first}")
    return opened[1].replace(_HOLE, MASK) + MASK + last[last.rindex(_CLOSES[opened[2]]) :]


def mask_whole(word: str) -> str:
    """A mask in the word's own brackets, quotes and punctuation.

    >>> mask_whole('"kube-proxy",'), mask_whole("(root)"), mask_whole("<*>=<*>"), mask_whole('Type:"Started"')
    ('"<*>",', '(<*>)', '<*>', 'Type:"<*>"')
    """
    head, tail = "", ""
    if keyed := _KEYED.match(word):
        head, word = keyed[1], keyed[2]
    while word and (word[0] in "([{\"'`" or (word[0] == "<" and not word.startswith(MASK))):
        head, word = head + word[0], word[1:]
    while word and (word[-1] in ".,;:!?)]}\"'`" or (word[-1] == ">" and not word.endswith(MASK))):
        word, tail = word[:-1], word[-1] + tail
    if head and not word:  # a punctuation mark in quotes
        return head[0] + MASK + tail[max(0, tail.rfind(_CLOSES.get(head[0], head[0]))) :]
    return head + MASK + tail

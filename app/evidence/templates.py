"""Messages to templates: which parts of a message are its sentence, and which are values put into it.

Owns the two steps from text to template. The first looks at one message alone: digits are squeezed, then every word that is
by its own look a value (a number, an id, an address, a path, the right side of `key=value`) becomes `<*>`; what is left is
the message's *shape*. The second looks at all shapes together: where they differ only in words that stand like values
(`wording.py` judges that), in one place that looks like a slot for values, or in rare words only, they are one template.
Because the first step depends on the message alone and the second on the set of shapes, the result depends on neither order
nor count of the messages. (Only where one scope has more than some thousand shapes is part of the second step taken early, on
the shapes seen so far.)

Leaves to `grouping.py` what a group is and how it is counted, and to `redact/` the cutting of secrets: templates are not
redacted.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from app.evidence.wording import MASK, Tokens, are_values, look, mask_whole, outline, run_together

_SPACE: Final = b"\xff"
"""White space in a squeezed line: UTF-8 has no such byte."""
_DIGITS_TO_SPACE: Final = bytes.maketrans(b"0123456789 \t\n\r\x0b\x0c", b" " * 10 + _SPACE * 6)
_HEX_TAIL: Final = re.compile(rb"0x?[a-fA-F][0a-fA-F]*")
_HEX_HEAD: Final = re.compile(rb"0[a-fA-F]+(?![0-9A-Za-z_])")
"""Hexadecimal in a squeezed line, from its first digit on, and in the line reversed, before it. To begin with one plain
character makes both searches several times faster than one pattern for the whole."""
_VERSION: Final = re.compile(r"^v\d{1,2}(?:(?:alpha|beta)\d*)?$")
_HEX: Final = re.compile(r"^(?:0x)?[0-9a-fA-F]{8,}$")
_MAX_BYTES: Final = 4_096
"""Only the head of a message is looked at: what tells faults apart stands at its beginning."""
_MAX_WORDS: Final = 64
_MEMO: Final = 8_192
"""Entries of each memo. They are dropped together when full: the few hundred that matter are back at once."""
_LONG: Final = 1_024
"""Bytes. Longer lines are not remembered: they rarely come twice, and memory is counted in entries."""
_EARLY: Final = 4_096
"""From so many shapes of one scope on, the obvious slots are merged while messages still arrive."""
_MOST: Final = 8_192
"""Shapes of one scope kept apart. Beyond, what is new is told apart by its first word only: nothing is lost, detail is."""
_COARSE: Final = 1_024
"""First words so told apart. Beyond, what is new is one shape."""
_CERTAIN: Final = 48
"""So many shapes that are equal but for rare words are one sentence, whatever those words look like."""
_MANY: Final = 6
"""So many different words in one place of one sentence are values unless something speaks against it."""


class TemplateMiner:
    """Learns templates from a stream of messages, in memory that does not grow with their number.

    Messages of different scopes never share a template. `finish` says which template each shape ended in.
    """

    def __init__(self) -> None:
        self._scopes: dict[str, Scope] = {}
        self._owner: list[Scope] = []
        self._words = _Words()

    def scope(self, name: str) -> "Scope":
        found = self._scopes.get(name)
        if found is None:
            found = self._scopes[name] = Scope(self._words, self._owner)
        return found

    def add(self, message: str) -> int:
        """The number of the message's shape, in the scope that has no name."""
        return self.scope("").add(message)

    def finish(self) -> Sequence[Tokens]:
        """The template of every shape, by the shape's number."""
        templates: list[Tokens] = [()] * len(self._owner)
        for scope in self._scopes.values():
            merged = merge_shapes(scope.shapes)
            for shape, number in scope.shapes.items():
                templates[number] = merged[shape]
            for number in scope.moved:
                templates[number] = templates[scope.end_of(number)]
        return templates


def render(template: Tokens) -> str:
    return " ".join(template)


class Scope:
    """The shapes of messages that may share templates. A shape that was merged early has `moved` to another's number."""

    def __init__(self, words: "_Words", owner: list["Scope"]) -> None:
        self.shapes: dict[Tokens, int] = {}
        self.moved: dict[int, int] = {}
        self._words = words
        self._owner = owner
        self._lines: dict[bytes, int] = {}
        self._plain: dict[bytes, int] = {}
        self._masked: dict[bytes, int] = {}
        self._frequent: dict[int, Sequence[frozenset[str]]] = {}
        self._frames: dict[Tokens, int] = {}
        self._room = _EARLY

    def add(self, message: str) -> int:
        """The number of the message's shape."""
        line = _squeeze(message)
        number = self._lines.get(line)
        return self._learn(line) if number is None else number

    def add_words(self, words: Tokens) -> int:
        """As `add`, for what is no sentence: `words` stand as they are, values in them masked already."""
        return self._number(words)

    def _learn(self, line: bytes) -> int:
        """The number of a squeezed line that is not remembered."""
        plain = _squeeze_hex(line)
        number = self._plain.get(plain)
        if number is None:
            number = self._number_masked(b" ".join(map(self._words.__getitem__, _words_of(plain))))
            if len(plain) <= _LONG:
                if len(self._plain) >= _MEMO:
                    self._plain.clear()
                self._plain[plain] = number
        # A line with hexadecimal in it does not come again; it would only push out those that do.
        if plain == line and len(line) <= _LONG:
            if len(self._lines) >= _MEMO:
                self._lines.clear()
            self._lines[line] = number
        return number

    def _number_masked(self, masked: bytes) -> int:
        number = self._masked.get(masked)
        if number is None:
            number = self._number(collapse(masked.decode("utf-8", "replace").split(" ")))
            if len(masked) <= _LONG:
                if len(self._masked) >= _MEMO:
                    self._masked.clear()
                self._masked[masked] = number
        return number

    def _number(self, shape: Tokens) -> int:
        number = self.shapes.get(shape)
        if number is not None:
            return number
        if (frequent := self._frequent.get(len(shape))) is not None:
            number = self._frames.get(_frame(shape, frequent))
            if number is not None:
                return number
        if len(self.shapes) >= self._room:
            self._merge_early()
        if len(self.shapes) >= _MOST:
            shape = (*shape[:1], MASK) if len(self.shapes) < _MOST + _COARSE else (MASK,)
            if shape in self.shapes:
                return self.shapes[shape]
        return self._new(shape)

    def end_of(self, number: int) -> int:
        while number in self.moved:
            number = self.moved[number]
        return number

    def _new(self, shape: Tokens) -> int:
        number = self.shapes[shape] = len(self._owner)
        self._owner.append(self)
        return number

    def _merge_early(self) -> None:
        """Merge what is certain to be merged at the end, to make room."""
        by_length: dict[int, list[Tokens]] = {}
        for shape in self.shapes:
            by_length.setdefault(len(shape), []).append(shape)
        for length, same in by_length.items():
            self._frequent[length] = _frequent_words(same)
            for frame, shapes in _crowded(same, self._frequent[length]).items():
                template = _generalise(shapes)
                number = self.shapes.get(template)
                if number is None:
                    number = self._new(template)
                self._frames[frame] = number
                for shape in shapes:
                    if shape != template:
                        self.moved[self.shapes.pop(shape)] = number
        # Where nothing could be merged, trying again before the number has doubled would only cost time.
        self._room = max(_EARLY, 2 * len(self.shapes))


def _squeeze(message: str) -> bytes:
    """The head of the message, `_SPACE` around it, with every run of digits made one `0`.

    No other way to find runs is as fast as splitting at white space (half the time of replacing), so digits become that.
    Those at either end count because something stands around them.
    """
    line = f"\n{message}\n".encode("utf-8", "replace")
    if len(line) > 1 + _MAX_BYTES:
        line = line[: 1 + _MAX_BYTES] + b"\n"
    return b"0".join(line.translate(_DIGITS_TO_SPACE).split())


def _squeeze_hex(line: bytes) -> bytes:
    """A squeezed line with its hexadecimal made `0` too."""
    return _HEX_HEAD.sub(b"0", _HEX_TAIL.sub(b"0", line)[::-1])[::-1]


def _words_of(line: bytes) -> Sequence[bytes]:
    return line.replace(_SPACE, b" ").split(None, _MAX_WORDS)[:_MAX_WORDS]


def shape_of(message: str) -> Tokens:
    """The shape of one message, for texts that are shown but not compared."""
    return collapse([mask_word(word.decode("utf-8", "replace")) for word in _words_of(_squeeze_hex(_squeeze(message)))])


def mask_path(path: str) -> Tokens:
    """The segments of a request path, values masked. Versions such as `v1` are part of the route."""
    segments = path.strip("/").split("/")[:_MAX_WORDS]
    return tuple(segment if _VERSION.match(segment) else _mask_segment(segment) for segment in segments)


def _mask_segment(segment: str) -> str:
    if (
        len(segment) > 40
        or "@" in segment
        or "%" in segment
        or any(c.isdigit() for c in segment)
        or _HEX.match(segment)
    ):
        return MASK
    return segment


# --- the first step: one message ----------------------------------------------------------------------------------------


class _Words(dict[bytes, bytes]):
    """Word to masked word, remembered."""

    def __missing__(self, word: bytes) -> bytes:
        masked = mask_word(word.decode("utf-8", "replace")).encode()
        if len(word) <= _LONG // 4:
            if len(self) >= _MEMO:
                self.clear()
            self[word] = masked
        return masked


_DELIMITERS: Final = r"[=:,;()\[\]{}<>\"'|]"
_PIECES: Final = re.compile(rf"{_DELIMITERS}|\.\.")
_SPLIT: Final = re.compile(rf"((?:{_DELIMITERS}|\.\.+)+)")
_ENDS_VALUE: Final = re.compile(r"[,;)\]}]")
_VALUE_FOLLOWS: Final = re.compile(r"(?<![=!<>])=[\"'(\[{<]*$")
_COMPARED: Final = re.compile(r"^[<>~]=?(?=[-+.]?0)")
_COLONS: Final = re.compile(r"^(?:[0-9a-fA-F]{0,4}:){2,}[0-9a-fA-F.]*[,;.]?$")
"""Hardware and IPv6 addresses, whose groups need not hold a digit."""
_PATH: Final = re.compile(r"^(?:[A-Za-z]:)?[/\\].|.[/\\].+[/\\]|://")
_DOTTED: Final = re.compile(r"^[\w$-]+(?:\.[\w$-]+){2,}$")
_HOST: Final = re.compile(r"^(?!.*[a-z][A-Z])[\w-]+(?:\.[\w-]+)+$")
_SOURCE_FILE: Final = re.compile(r"\.(?:py|java|kt|scala|js|mjs|ts|go|rb|php|cs|c|cc|cpp|h|rs)$")
_ERROR_NAME: Final = re.compile(r"(?:Exception|Error|Failure|Fault|Timeout)$")
_ACRONYM: Final = re.compile(r"^(?=[A-Z]{3})[A-F]*[G-Z][A-Z]*0$")
"""`SOCKS5`, `SHA256`: a name of its own. All letters up to F would be hexadecimal."""
_LITERALS: Final = frozenset({"true", "false", "True", "False", "TRUE", "FALSE"})
_NESTED: Final = re.compile(r"<\*>(?:\{<\*>\}|\(<\*>\)|\[<\*>\])")
_RUN: Final = re.compile(r"<\*>(?:[:.,;/|@#+-]*<\*>)+")


def mask_word(word: str) -> str:
    """The word with its values masked. Digits arrive squeezed to `0`.

    >>> mask_word("uid=0,"), mask_word("[instance:"), mask_word("(0.0"), mask_word("/var/log/x"), mask_word("<0")
    ('uid=<*>,', '[instance:', '(<*>', '<*>', '<*>')
    """
    if word.isalpha():
        return MASK if word in _LITERALS or (len(word) >= 8 and _HEX.match(word)) else word
    word = _COMPARED.sub("", word)
    if word.count(":") >= 2 and _COLONS.match(word):
        return MASK
    if not _PIECES.search(word):
        return _mask_piece(word, "")
    out: list[str] = []
    parts = _SPLIT.split(word)
    is_value = False
    for index, part in enumerate(parts):
        if index % 2:
            is_value = (is_value and not _ENDS_VALUE.search(part)) or _VALUE_FOLLOWS.search(part) is not None
            out.append(part)
        elif part:
            follows = "".join(parts[index + 1 : index + 3])
            out.append(MASK if is_value and part != "?" else _mask_piece(part, follows))
    return _RUN.sub(MASK, _NESTED.sub(MASK, "".join(out)))


def _mask_number(word: str) -> str:
    if _ACRONYM.match(word):
        return word[:-1] + MASK
    return MASK + word[len(word.rstrip(".!?")) :]


def _mask_piece(piece: str, follows: str) -> str:
    """`follows` is the delimiter after the piece and the next piece."""
    if piece in _LITERALS:
        return MASK
    if "0" in piece:
        if follows.startswith("(") and len(piece) > 2 and piece[:2].isalpha():
            return piece.replace("0", MASK)
        return _mask_number(piece)
    if "@" in piece and len(piece) > 2:
        return MASK
    if ("/" in piece or "\\" in piece) and (_PATH.search(piece) or piece.count(".") >= 2):
        return MASK
    bare = piece.rstrip(".")
    if "." in bare:
        if bare.count(".") >= 2 and _DOTTED.match(bare) and not _ERROR_NAME.search(bare):
            return MASK + piece[len(bare) :]
        if follows.startswith(":0") and _HOST.match(bare) and not _SOURCE_FILE.search(bare):
            return MASK
    if len(piece) >= 8 and _HEX.match(piece):
        return MASK
    return piece


_UNIT: Final = re.compile(r"(?:[nuµm]?s|secs?|seconds?|mins?|minutes?|hours?|h|days?|[kKMGT]i?B|B|bytes?|%)")
_UNIT_THEN: Final = re.compile(rf"(?:{_UNIT.pattern})(?=[\])}}]*(?:->|[\[/(]))")
"""A unit with more behind it, as in `memory 1 MB]->[2 MB]/[3 MB]`."""
_CALENDAR: Final = re.compile(
    r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|UTC|GMT|[CEMP][DS]T|CES?T|AM|PM)"
)


def collapse(words: Sequence[str]) -> Tokens:
    """Masked words to a shape: a number swallows its unit, and a list of values counts as one value."""
    out: list[str] = []
    after_equals = False
    for word in _mask_dates(words):
        if after_equals and "=" not in word:
            core, tail = _trailing(word)
            word = MASK + tail if core else word
        after_equals = word in ("=", ":=")
        previous = out[-1] if out else ""
        if previous.endswith(MASK):
            core, tail = _trailing(word)
            if _UNIT.fullmatch(core):
                out[-1] = previous + tail
                continue
            if attached := _UNIT_THEN.match(word):
                out[-1] = previous + word[attached.end() :]
                continue
        if word.startswith(MASK) and word.rstrip(",;)]}") == MASK and previous.rstrip(",;").endswith(MASK):
            core = previous.rstrip(",;")
            if core == MASK or core.endswith(("=" + MASK, ":" + MASK, "(" + MASK, "[" + MASK)):
                out[-1] = core + word[len(MASK) :]
                continue
        out.append(word)
    if not any(map(_LIST_OPENS.search, out)):
        return tuple(out)
    return tuple(_LISTED.sub(f"[{MASK}]", " ".join(out)).split(" "))


_LIST_OPENS: Final = re.compile(r"\[u?['\"]")
_LISTED: Final = re.compile(r"\[u?(?:'[^']*'|\"[^\"]*\")(?:, u?(?:'[^']*'|\"[^\"]*\"))*\]")
"""A list of texts as Python prints it, which may be of any length."""


def _mask_dates(words: Sequence[str]) -> Sequence[str]:
    """Names of days, months and zones are values where they stand beside a number, as in `Tue Mar 3 10:00:00 UTC 2026`."""
    masked = list(words)
    for place in range(len(masked) - 1, -1, -1):
        core, tail = _trailing(masked[place])
        if _CALENDAR.fullmatch(core):
            after = masked[place + 1] if place + 1 < len(masked) else ""
            if after.startswith(MASK) or (place and masked[place - 1].endswith(MASK)):
                masked[place] = MASK + tail
    return masked


def _trailing(word: str) -> tuple[str, str]:
    core = word.rstrip(".,;:!?)]}")
    return core, word[len(core) :]


# --- the second step: all shapes ----------------------------------------------------------------------------------------


def merge_shapes(shapes: Iterable[Tokens]) -> Mapping[Tokens, Tokens]:
    """Each shape with the template that it ends in. The result does not depend on the order of `shapes`."""
    current = {shape: shape for shape in sorted(set(shapes))}
    known: frozenset[str] = frozenset()
    for _ in range(8):
        templates = sorted(set(current.values()))
        joined, found = _join(templates, known)
        current = {shape: joined[template] for shape, template in current.items()}
        if found <= known and all(joined[template] == template for template in templates):
            break
        known |= found
    return current


def _join(templates: Sequence[Tokens], known: frozenset[str]) -> tuple[Mapping[Tokens, Tokens], frozenset[str]]:
    """One round: all decisions are taken on the same state, then carried out together.

    `known` are the words that were found to be values in an earlier round; those of this round are the second result.
    """
    clusters = _Clusters(len(templates))
    outlines = [outline(template, known) for template in templates]
    shortened = [run_together(words) for words in outlines]
    clusters.unite_alike(shortened)
    number_of = {words: number for number, words in enumerate(outlines)}
    found: set[str] = set()
    for words in _slots(number_of):
        clusters.unite([number_of[one] for one in words.alike])
        found.update(word for word in words.values if MASK not in word and look(word) > -1)
    numbers = {template: number for number, template in enumerate(templates)}
    for same in _by_length(templates):
        for crowd in _crowded(same, _frequent_words(same)).values():
            clusters.unite([numbers[template] for template in crowd])
    result: dict[Tokens, Tokens] = {}
    for members in clusters.members():
        # Where a value is of one word here and of two there, the sentence is what is left when it counts as one.
        alike = [templates[number] for number in members]
        if len(set(map(len, alike))) > 1:
            alike = [shortened[number] for number in members]
        template = _generalise(alike) if len(set(map(len, alike))) == 1 else min(alike)
        result.update((templates[number], template) for number in members)
    return result, frozenset(found)


class _Slot(NamedTuple):
    """Sentences that are alike but for one place, and what is found there."""

    alike: Sequence[Tokens]
    values: Sequence[str]


def _slots(sentences: Iterable[Tokens]) -> Iterator[_Slot]:
    for same in _by_length(sentences):
        for place in range(len(same[0])):
            alike: dict[Tokens, list[Tokens]] = {}
            for words in same:
                if _CONTENT.search(words[place]):
                    alike.setdefault(words[:place] + words[place + 1 :], []).append(words)
            for members in alike.values():
                if len(members) > 1 and _is_slot(members[0], place, tuple(words[place] for words in members)):
                    yield _Slot(members, [words[place] for words in members])


def _by_length(sentences: Iterable[Tokens]) -> Iterable[Sequence[Tokens]]:
    lengths: dict[int, list[Tokens]] = {}
    for words in sentences:
        lengths.setdefault(len(words), []).append(words)
    return lengths.values()


def _frequent_words(shapes: Sequence[Tokens]) -> Sequence[frozenset[str]]:
    """For each place the words that many of the shapes, all of one length, have there."""
    frequent: list[frozenset[str]] = []
    for words in zip(*shapes, strict=True):
        counts: dict[str, int] = {}
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        frequent.append(frozenset(word for word, count in counts.items() if count >= _CERTAIN // 2))
    return frequent


def _frame(shape: Tokens, frequent: Sequence[frozenset[str]]) -> Tokens:
    return tuple(
        word if word in words or not _LETTER.search(word) else _HOLE
        for word, words in zip(shape, frequent, strict=True)
    )


def _crowded(shapes: Sequence[Tokens], frequent: Sequence[frozenset[str]]) -> Mapping[Tokens, Sequence[Tokens]]:
    """Frames that so many shapes share that what is not in the frame must be values, in one place or in several."""
    if len(shapes) < _CERTAIN:
        return {}
    alike: dict[Tokens, list[Tokens]] = {}
    for shape in shapes:
        alike.setdefault(_frame(shape, frequent), []).append(shape)
    return {frame: same for frame, same in alike.items() if len(same) >= _CERTAIN and any(map(_LETTER.search, frame))}


class _Clusters:
    """Numbers that belong together: disjoint sets."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def _root(self, number: int) -> int:
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def unite(self, numbers: Sequence[int]) -> None:
        first = self._root(numbers[0])
        for number in numbers[1:]:
            other = self._root(number)
            self._parent[max(first, other)] = first = min(first, other)

    def unite_alike(self, keys: Sequence[Tokens]) -> None:
        """Unite the numbers of equal keys."""
        first: dict[Tokens, int] = {}
        for number, key in enumerate(keys):
            self.unite([first.setdefault(key, number), number])

    def members(self) -> Iterable[list[int]]:
        sets: dict[int, list[int]] = {}
        for number in range(len(self._parent)):
            sets.setdefault(self._root(number), []).append(number)
        return sets.values()


_LETTER: Final = re.compile(r"[^\W\d_]")
_CONTENT: Final = re.compile(r"\w|<\*>")
"""Without any, a word is a shell such as `()`: that nothing was put into it is part of the sentence."""
_HOLE: Final = "\0"


def _is_slot(words: Tokens, place: int, others: tuple[str, ...]) -> bool:
    """Whether so different words in one place, all else equal, are values."""
    constants = sum(_LETTER.search(word) is not None for word in words[:place] + words[place + 1 :])
    if constants < 2:
        return constants == 1 and len(others) >= 2 * _MANY
    # One of the words is a value already, by its own look: so is what stands in its place elsewhere.
    if len(others) >= _MANY or _slot(others) in others:
        return True
    return len(set(map(mask_whole, others))) == 1 and are_values(words, place, others)


def _generalise(templates: Sequence[Tokens]) -> Tokens:
    return tuple(words[0] if len(set(words)) == 1 else _slot(words) for words in zip(*templates, strict=True))


_EDGE: Final = re.compile(r"[=:,(\[{\"']")
_END: Final = re.compile(r"[=:,)\]}\"';.]")


def _slot(words: Sequence[str]) -> str:
    """`<*>` inside what all words share at both ends, up to punctuation: `user=root,` and `user=bob,` give `user=<*>,`."""
    low, high = min(words), max(words)
    shared = 0
    while shared < min(len(low), len(high)) and low[shared] == high[shared]:
        shared += 1
    edges = [match.end() for match in _EDGE.finditer(low[:shared])]
    head = low[: edges[-1]] if edges else ""
    tail = ""
    for character in reversed(low[len(head) :]):
        candidate = character + tail
        if not _END.match(character) or not all(
            w.endswith(candidate) and len(w) > len(head + candidate) for w in words
        ):
            break
        tail = candidate
    return head + MASK + tail

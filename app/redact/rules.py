"""What a rule is, and how one is applied so that it looks only where it can find something.

Owns the search. Leaves what is looked for to the modules that list rules, and their order to the package.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern, and what stands for what it finds.

    `triggers`: lower-case substrings, one of which the text must hold; empty: always tried. By default only the lines that
    hold a trigger are looked at, each with the one below it. `begins`: each match begins with a trigger, so that it is tried
    there only and costs nothing elsewhere, however long a line is. `near`: how far before a trigger a match begins at most;
    then as well nothing else is looked at. `whole`: what the rule cuts may lie lines away from its trigger.
    `replace` gives what stands for the whole match, or None to leave it. `shape`: a cheap pattern without which the rule
    finds nothing in a text.
    """

    name: str
    triggers: tuple[str, ...]
    pattern: re.Pattern[str]
    replace: Callable[[re.Match[str]], str | None]
    shape: re.Pattern[str] | None = None
    begins: bool = False
    near: int = 0
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Scan:
    """A rule that one pattern cannot say. `scan` gives the new text and how many values it cut."""

    name: str
    triggers: tuple[str, ...]
    scan: Callable[[str], tuple[str, int]]


def apply(rule: Rule | Scan, text: str, lower: str = "") -> tuple[str, int]:
    """The text without what the rule cuts, and how often it cut. `lower`: the text in lower case, where it is at hand."""
    if isinstance(rule, Scan):
        return rule.scan(text)
    if rule.shape is not None and rule.shape.search(text) is None:
        return text, 0
    cuts = done = 0
    pieces: list[str] = []

    def one(match: re.Match[str]) -> str:
        nonlocal cuts
        new = rule.replace(match)
        if new is None or new == match[0]:
            return match[0]
        cuts += 1
        return new

    # A letter whose lower case is longer than itself moves all places behind it.
    located = rule.triggers and len(lower) == len(text)
    if located and rule.begins:
        for at in places_of(rule.triggers, lower):
            if at >= done and (match := rule.pattern.match(text, at)) is not None:
                pieces += [text[done:at], one(match)]
                done = match.end()
    elif located and rule.near:
        for at in places_of(rule.triggers, lower):
            start = max(done, at - rule.near)
            while start <= at and (match := rule.pattern.search(text, start, at + _BEHIND)) is not None:
                pieces += [text[done : match.start()], one(match)]
                start = done = match.end()
    elif located and not rule.whole and "\n" in text:
        for start, end in _lines_with(rule.triggers, lower):
            window = text[start:end]
            if rule.shape is None or rule.shape.search(window) is not None:
                pieces += [text[done:start], rule.pattern.sub(one, window)]
                done = end
    else:
        return rule.pattern.sub(one, text), cuts
    return "".join([*pieces, text[done:]]) if pieces else text, cuts


_BEHIND = 700
"""Characters from a trigger on to where the longest match of a rule with `near` ends at most."""


def places_of(triggers: tuple[str, ...], lower: str) -> list[int]:
    """Where one of them begins, in order."""
    places: set[int] = set()
    for trigger in triggers:
        at = lower.find(trigger)
        while at >= 0:
            places.add(at)
            at = lower.find(trigger, at + 1)
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
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def always(placeholder: str) -> Callable[[re.Match[str]], str]:
    return lambda _: placeholder


def keep_lead(placeholder: str) -> Callable[[re.Match[str]], str]:
    """Group 1 stays, the rest of the match goes."""
    return lambda match: match[1] + placeholder

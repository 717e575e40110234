"""Slash commands: where they stand in a comment, their grammar, the role each one needs, and their help.

A command becomes a frozen value with nothing but text in hand; acting on it is `respond.py`'s. Only a line that begins with
`/audit` in plain text counts: fenced and indented code, quotes and HTML comments are skipped, so that a report that shows a
command is not one. Every mistake of a line is found in one go, each with what to write instead.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from enum import IntEnum, StrEnum
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from app.evidence.model import ServiceName

MOST_COMMANDS = 5
"""Of one comment; the rest is answered with a mistake, so that a pasted list cannot start a hundred audits."""
MOST_SERVICES = 20


class Role(IntEnum):
    """What somebody may do in a repository, weakest first, so that roles compare."""

    NONE = 0
    READ = 1
    TRIAGE = 2
    WRITE = 3
    MAINTAIN = 4
    ADMIN = 5


class Verb(StrEnum):
    AUDIT = "audit"
    STATUS = "status"
    WATCH = "watch"
    UNWATCH = "unwatch"
    ESCALATE = "escalate"
    ACK = "ack"
    CANCEL = "cancel"
    DOCTOR = "doctor"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class VerbHelp:
    """`role` is the default; the repository's configuration may ask for more or for less."""

    usage: str
    what: str
    role: Role


HELP: dict[Verb, VerbHelp] = {
    Verb.AUDIT: VerbHelp(
        "/audit [service …] [env=NAME] [since=6h] [until=TIME]",
        "Read the failure logs, judge the fixes, and write or refresh the report.",
        Role.TRIAGE,
    ),
    Verb.STATUS: VerbHelp("/audit status", "Say what is known now, without reading anything anew.", Role.TRIAGE),
    Verb.WATCH: VerbHelp("/audit watch [for=24h] [env=NAME]", "Audit again by time until it is quiet.", Role.TRIAGE),
    Verb.UNWATCH: VerbHelp("/audit unwatch", "Stop watching this issue.", Role.TRIAGE),
    Verb.ESCALATE: VerbHelp("/audit escalate [TEAM]", "Call the configured team, once.", Role.WRITE),
    Verb.ACK: VerbHelp("/audit ack", "Say that you took over; no further calls are made.", Role.TRIAGE),
    Verb.CANCEL: VerbHelp("/audit cancel", "Stop the audits of this issue that wait or run.", Role.TRIAGE),
    Verb.DOCTOR: VerbHelp("/audit doctor", "Check what the app may read for this repository.", Role.WRITE),
    Verb.HELP: VerbHelp("/audit help", "This list.", Role.NONE),
}


@dataclass(frozen=True, slots=True)
class Audit:
    """`since` and `until` as asked: a time, or how long ago; None: the configured window, up to now."""

    services: tuple[ServiceName, ...] = ()
    environment: str | None = None
    since: datetime | timedelta | None = None
    until: datetime | timedelta | None = None


@dataclass(frozen=True, slots=True)
class Status:
    pass


@dataclass(frozen=True, slots=True)
class Watch:
    """`length` None: as configured."""

    length: timedelta | None = None
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class Unwatch:
    pass


@dataclass(frozen=True, slots=True)
class Escalate:
    """`team` is a key of the configured owners, never a mention; None: the team that the diagnosis names."""

    team: str | None = None


@dataclass(frozen=True, slots=True)
class Ack:
    pass


@dataclass(frozen=True, slots=True)
class Cancel:
    pass


@dataclass(frozen=True, slots=True)
class Doctor:
    pass


@dataclass(frozen=True, slots=True)
class Help:
    pass


Command = Audit | Status | Watch | Unwatch | Escalate | Ack | Cancel | Doctor | Help


@dataclass(frozen=True, slots=True)
class Mistake:
    """`word` is what was written (hostile), `instead` what to write, None when nothing comes near."""

    word: str
    what: str
    instead: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """The line is not understood; every mistake in it, never empty."""

    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, slots=True)
class Known:
    """Names that configuration knows. Empty: it says nothing, and any well-formed name is taken."""

    services: tuple[str, ...] = ()
    environments: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()


def verb_of(command: Command) -> Verb:
    match command:
        case Audit():
            return Verb.AUDIT
        case Status():
            return Verb.STATUS
        case Watch():
            return Verb.WATCH
        case Unwatch():
            return Verb.UNWATCH
        case Escalate():
            return Verb.ESCALATE
        case Ack():
            return Verb.ACK
        case Cancel():
            return Verb.CANCEL
        case Doctor():
            return Verb.DOCTOR
        case Help():
            return Verb.HELP


# --- where commands stand ---------------------------------------------------------------------------------------------

_FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})")
_QUOTE_OR_CODE = re.compile(r" {0,3}>|\t| {4,}| {1,3}\t")
_COMMAND = re.compile(r" {0,3}(/audit(?:[ \t].*)?)$", re.IGNORECASE)
_LAZY_END = re.compile(r"\s*$| {0,3}(?:#{1,6}[ \t]|`{3,}|~{3,}|[-+*][ \t]|\d{1,9}[.)][ \t])")


def command_lines(body: str) -> tuple[str, ...]:
    """The `/audit` lines of a comment, in order, without what surrounds them; at most `MOST_COMMANDS` and one more."""
    if "/audit" not in body and "/audit" not in body.lower():
        return ()
    found: list[str] = []
    fence: str | None = None
    in_comment = in_quote = False
    for line in body.splitlines():
        if fence is not None:
            stripped = line.strip()
            if len(stripped) >= len(fence) and not stripped.strip(fence[0]) and not _QUOTE_OR_CODE.match(line):
                fence = None
            continue
        if in_comment:
            if "-->" in line:
                in_comment = False
            continue
        if opening := _FENCE.match(line):
            fence = opening[1]
            in_quote = False
            continue
        if line.lstrip().startswith("<!--"):
            in_comment = "-->" not in line
            continue
        if _QUOTE_OR_CODE.match(line):
            in_quote = line.lstrip(" ").startswith(">")
            continue
        if in_quote and not _LAZY_END.match(line) and not _COMMAND.match(line):
            continue  # a paragraph inside a quote runs on without the sign
        in_quote = False
        if (command := _COMMAND.match(line)) and len(found) <= MOST_COMMANDS:
            found.append(command[1].strip())
        elif "<!--" in line and "-->" not in line[line.rindex("<!--") :]:
            in_comment = True
    return tuple(found)


# --- grammar ----------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"""(?:[^\s"'“”]|"[^"]*"|“[^”]*”|'[^']*')+""")
_SERVICE = re.compile(r"[a-z0-9](?:[a-z0-9_.-]{0,98}[a-z0-9])?")
_DAY_AND_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{1,2}:\d{2}(?::\d{2})?))?\s*(Z|UTC|[+-]\d{2}:?\d{2}|[A-Za-z]+(?:[/_+-][A-Za-z0-9]+)+)?"
)
DURATION = (
    r"^(?=.*[1-9])(?:([0-4]?[0-9]|5[0-2])w)?(?:([0-2]?[0-9]{1,2}|3[0-5][0-9]|36[0-6])d)?"
    r"(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m(?:in)?)?$"
)
"""Weeks, days, hours and minutes in that order, none of them much over a year, and not all of them zero. In words that editors
know, too: it stands in the published schema of the configuration."""
_DURATION = re.compile(DURATION)
_OPTIONS: dict[Verb, tuple[str, ...]] = {
    Verb.AUDIT: ("env", "since", "until", "service"),
    Verb.WATCH: ("for", "env"),
}


def parse_command(line: str, *, now: datetime, known: Known | None = None) -> Command | Refused:
    """Understand one `/audit` line. Pure: `now` is only the ground against which future times are refused."""
    names = known or Known()
    words = [word.group() for word in _WORD.finditer(line)][1:]
    unbalanced = re.sub(_WORD, "", line).strip()
    mistakes: list[Mistake] = []
    if unbalanced:
        mistakes.append(Mistake(unbalanced, "a quotation mark has no partner"))
    verb = Verb.AUDIT
    if words and (named := words[0].lower()) in {v.value for v in Verb} and named not in names.services:
        verb = Verb(named)
        words = words[1:]
    options: dict[str, str] = {}
    plain: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            plain.append(_unquoted(word))
            continue
        name = name.lower()
        allowed = _OPTIONS.get(verb, ())
        if name not in allowed:
            near = get_close_matches(name, allowed, 1, 0.5)
            listed = ", ".join(f"{o}=" for o in allowed) or "no options"
            mistakes.append(Mistake(word, f"`{verb}` has {listed}", f"{near[0]}={_unquoted(value)}" if near else None))
        elif not _unquoted(value):
            mistakes.append(Mistake(word, f"`{name}=` needs a value", _EXAMPLES[name]))
        elif name == "service":
            plain.extend(part for part in _unquoted(value).split(",") if part)
        elif name in options:
            mistakes.append(Mistake(word, f"`{name}=` stands twice"))
        else:
            options[name] = _unquoted(value)
    command = _build(verb, plain, options, "service=" in line.lower(), names, now, mistakes)
    return Refused(tuple(mistakes)) if mistakes else command


_EXAMPLES = {
    "env": "env=production",
    "since": "since=6h",
    "until": "until=30m",
    "for": "for=24h",
    "service": "service=checkout",
}


def _build(
    verb: Verb,
    plain: list[str],
    options: dict[str, str],
    services_named: bool,
    known: Known,
    now: datetime,
    mistakes: list[Mistake],
) -> Command:
    if verb not in (Verb.AUDIT, Verb.ESCALATE):
        mistakes.extend(Mistake(word, f"`{verb}` takes no names", f"/audit {verb}") for word in plain)
    environment = _environment(options.get("env"), known, mistakes)
    match verb:
        case Verb.AUDIT:
            services = _services(plain, services_named, known, mistakes)
            since = _moment("since", options.get("since"), now, mistakes)
            until = _moment("until", options.get("until"), now, mistakes)
            if not mistakes and until is not None:
                begin = _at(since, now) if since is not None else None
                if begin is not None and begin >= _at(until, now):
                    mistakes.append(Mistake(options["until"], "`until` lies before `since`", "since=6h until=1h"))
            return Audit(services, environment, since, until)
        case Verb.WATCH:
            length = _length("for", options.get("for"), mistakes)
            return Watch(length, environment)
        case Verb.ESCALATE:
            if len(plain) > 1:
                mistakes.append(Mistake(plain[1], "one team at a time", f"/audit escalate {plain[0]}"))
            team = plain[0] if plain else None
            if team is not None and team not in known.teams:
                listed = ", ".join(known.teams) or "no team"
                near = get_close_matches(team.lower().lstrip("@"), known.teams, 1, 0.5)
                mistakes.append(
                    Mistake(team, f"configuration names {listed}", f"/audit escalate {near[0]}" if near else None)
                )
            return Escalate(team)
        case Verb.STATUS:
            return Status()
        case Verb.UNWATCH:
            return Unwatch()
        case Verb.ACK:
            return Ack()
        case Verb.CANCEL:
            return Cancel()
        case Verb.DOCTOR:
            return Doctor()
        case Verb.HELP:
            return Help()


def _services(words: Sequence[str], named: bool, known: Known, mistakes: list[Mistake]) -> tuple[ServiceName, ...]:
    services: list[ServiceName] = []
    for word in words:
        if word in known.services:
            services.append(ServiceName(word))
            continue
        if not named and (near := get_close_matches(word.lower(), [v.value for v in Verb], 1, 0.75)):
            mistakes.append(Mistake(word, "this is neither a command nor a known service", f"/audit {near[0]}"))
        elif not _SERVICE.fullmatch(word):
            mistakes.append(Mistake(word, "this cannot be a service's name: small letters, digits and dashes"))
        elif known.services:
            near = get_close_matches(word, known.services, 1, 0.5)
            listed = ", ".join(known.services[:10])
            mistakes.append(Mistake(word, f"configuration names the services {listed}", near[0] if near else None))
        else:
            services.append(ServiceName(word))
    if len(services) > MOST_SERVICES:
        mistakes.append(Mistake(services[MOST_SERVICES], f"at most {MOST_SERVICES} services in one audit"))
    return tuple(dict.fromkeys(services))


def _environment(word: str | None, known: Known, mistakes: list[Mistake]) -> str | None:
    if word is None or word in known.environments:
        return word
    near = get_close_matches(word.lower(), known.environments, 1, 0.5)
    listed = ", ".join(known.environments) or "no environment"
    mistakes.append(Mistake(f"env={word}", f"configuration names {listed}", f"env={near[0]}" if near else None))
    return None


def _length(name: str, word: str | None, mistakes: list[Mistake]) -> timedelta | None:
    if word is None:
        return None
    length = parse_duration(word)
    if length is None:
        mistakes.append(Mistake(f"{name}={word}", "a length is written like 45m, 6h, 2d or 1d12h", _EXAMPLES[name]))
    return length


def _moment(name: str, word: str | None, now: datetime, mistakes: list[Mistake]) -> datetime | timedelta | None:
    if word is None:
        return None
    if (ago := parse_duration(word)) is not None:
        return ago
    moment = _parse_time(word, now)
    if isinstance(moment, Mistake):
        mistakes.append(Mistake(f"{name}={word}", moment.what, f"{name}={moment.instead}" if moment.instead else None))
        return None
    if moment > now:
        mistakes.append(Mistake(f"{name}={word}", "this time is still to come", _EXAMPLES[name]))
        return None
    return moment


def parse_moment(word: str, now: datetime) -> datetime | Mistake:
    """A time with its zone, or a length before `now`; what is wrong and what to write instead otherwise."""
    ago = parse_duration(word)
    return now - ago if ago is not None else _parse_time(word, now)


def parse_duration(word: str) -> timedelta | None:
    """`45m`, `6h`, `2d`, `1w`, `1d12h`; None when it is not one, is zero, or one of its parts is longer than a year."""
    found = _DURATION.fullmatch(word.strip().lower())
    if found is None:
        return None
    weeks, days, hours, minutes = (int(part or 0) for part in found.groups())
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes)


def _parse_time(word: str, now: datetime) -> datetime | Mistake:
    if re.fullmatch(r"\d{1,2}:\d{2}", word):
        clock = word.zfill(5)
        return Mistake(word, "a time needs its day and its zone", f"{now:%Y-%m-%d}T{clock}Z")
    found = _DAY_AND_TIME.fullmatch(word.strip())
    if found is None:
        return Mistake(word, "write a length like 6h or a time like 2026-01-31T14:05Z", "6h")
    day, clock, zone = found.groups()
    clock = (clock or "00:00").zfill(5)
    if zone is None:
        return Mistake(word, "a time needs its zone", f"{day}T{clock}Z")
    try:
        if zone in ("Z", "UTC"):
            return datetime.fromisoformat(f"{day}T{clock}+00:00")
        if zone[0] in "+-":
            return datetime.fromisoformat(f"{day}T{clock}{zone[:3]}:{zone[-2:]}").astimezone(UTC)
        local = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(zone))
        return local.astimezone(UTC)
    except (ValueError, ZoneInfoNotFoundError):
        return Mistake(word, "there is no such day, time or zone", f"{now:%Y-%m-%dT%H:%MZ}")


def _at(moment: datetime | timedelta, now: datetime) -> datetime:
    return now - moment if isinstance(moment, timedelta) else moment


def _unquoted(word: str) -> str:
    for opening, closing in ('""', "''", "“”"):
        if len(word) >= 2 and word[0] == opening and word[-1] == closing:
            return word[1:-1].strip()
    return word

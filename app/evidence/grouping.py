"""Occurrences to error groups: what makes two of them the same fault, and what is counted about it.

Owns a group's identity (its fingerprint), its counts, and the two occurrences that are kept to be shown. Leaves to
`templates.py` what a message template is, to `stacktrace.py` what makes two traces equal, to `joining.py` the joining of
pieces, and to `observe.py` whether an occurrence is a failure.

Identity rests on the best thing an occurrence has: its stack trace, else its failed call, else its request, else its text.
Nothing about place or time enters, so one fault in two services or on two days has one fingerprint.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NamedTuple

from app.evidence.entries import to_sample
from app.evidence.model import (
    AuditCall,
    ErrorGroup,
    ExceptionInfo,
    Fingerprint,
    GroupKind,
    HttpRequest,
    LogEntry,
    RevisionCount,
    RevisionName,
    Sample,
    ServiceName,
    StackTrace,
)
from app.evidence.stacktrace import RawTrace, may_hold_trace, parse_trace, to_stack_trace, trace_identity
from app.evidence.templates import MASK, TemplateMiner, Tokens, mask_path, render, shape_of
from app.redact import Redacted, Tally, shorten

_ALGORITHM: Final = 2
"""The digit in every fingerprint: raised when an equal fault would get another fingerprint than before."""
_MAX_INSTANCES: Final = 1_000
_TRACE_MEMO: Final = 4_096
_TITLE: Final = 240
_TEMPLATE: Final = 2_000


class GroupKey(NamedTuple):
    """Where an occurrence is counted until templates are known. `trace` is the trace's identity, `shape` the miner's."""

    failure: bool
    kind: GroupKind
    trace: str
    scope: str
    shape: int


class ReadTrace(NamedTuple):
    """A parsed trace with its identity."""

    raw: RawTrace
    identity: str


Place = tuple[ServiceName | None, RevisionName | None]
Births = Mapping[Place, Mapping[str, int]]
"""For each place, the minute in which each of its instances was first seen, whatever it said."""


class Grouper:
    """Counts occurrences by fault, in memory that grows with the number of faults and not of occurrences."""

    def __init__(self) -> None:
        self._miner = TemplateMiner()
        self._counts: dict[GroupKey, _Count] = {}
        # Most occurrences have nothing but their text, so these are found without building a key.
        self._scopes = (self._miner.scope("notice"), self._miner.scope("failure"))
        self._messages: tuple[dict[int, _Count], dict[int, _Count]] = ({}, {})
        self._traces: dict[str, ReadTrace | None] = {}

    def trace_of(self, entry: LogEntry) -> ReadTrace | None:
        """The stack trace that the entry holds, or None. Equal texts are parsed once."""
        text = entry.message if entry.trace_text is None else entry.trace_text
        if not may_hold_trace(text):
            return None
        if text in self._traces:
            return self._traces[text]
        raw = parse_trace(text)
        read = None if raw is None else ReadTrace(raw, trace_identity(raw))
        if len(self._traces) >= _TRACE_MEMO:
            self._traces.clear()
        self._traces[text] = read
        return read

    def add(
        self,
        entry: LogEntry,
        trace: ReadTrace | None,
        failure: bool,
        place: Place,
        instance: str | None,
        minute: int,
    ) -> GroupKey:
        """Count one occurrence; `minute` is its epoch minute.

        `trace` is what `trace_of` gave for `entry`. The rest could be read off the entry too, but the caller needs it as
        well, and a million entries ask.
        """
        if trace is None and entry.audit is None and entry.http is None:
            shape = self._scopes[failure].add(entry.message)
            count = self._messages[failure].get(shape)
            if count is None:
                key = GroupKey(failure, GroupKind.MESSAGE, "", "", shape)
                count = self._messages[failure][shape] = self._count(key, entry)
        else:
            count = self._count(self._key(entry, trace, failure), entry)
        count.add(entry, place, instance, minute)
        return count.key

    def _count(self, key: GroupKey, entry: LogEntry) -> "_Count":
        count = self._counts.get(key)
        if count is None:
            count = self._counts[key] = _Count(key, entry)
        return count

    def _key(self, entry: LogEntry, trace: ReadTrace | None, failure: bool) -> GroupKey:
        if trace is not None:
            return GroupKey(failure, GroupKind.TRACE, trace.identity, "", -1)
        mark = "failure" if failure else "notice"
        if (audit := entry.audit) is not None:
            scope = f"{audit.service} {audit.method} {audit.status_code}"
            shape = self._miner.scope(f"{mark} {scope}").add(audit.status_message)
            return GroupKey(failure, GroupKind.AUDIT, "", scope, shape)
        if (http := entry.http) is not None and is_request(entry, http):
            if entry.message and not entry.message.startswith(http.method):
                # The platform says why it answered for the program: that is one fault on every route.
                scope = str(http.status)
                shape = self._miner.scope(f"{mark} {scope}").add(entry.message)
            else:
                scope = f"{http.status} {http.method}"
                shape = self._miner.scope(f"{mark} {scope}").add_words(mask_path(http.path))
            return GroupKey(failure, GroupKind.REQUEST, "", scope, shape)
        return GroupKey(failure, GroupKind.MESSAGE, "", "", self._scopes[failure].add(entry.message))

    def finish(self) -> "Groups":
        """All groups as counted so far."""
        templates = self._miner.finish()
        groups: dict[Fingerprint, _Group] = {}
        found: dict[GroupKey, Fingerprint] = {}
        for key, count in self._counts.items():
            template = templates[key.shape] if key.shape >= 0 else ()
            fingerprint = _fingerprint(key, template)
            found[key] = fingerprint
            group = groups.get(fingerprint)
            if group is None:
                group = groups[fingerprint] = _Group(key, template)
            group.counts.append(count)
        return Groups(groups, found, self.trace_of)


def fingerprint_of_trace(text: str) -> Fingerprint | None:
    """The identity of the failure whose trace `text` is or holds, as `Grouper` would give it; None without a trace."""
    raw = parse_trace(text) if may_hold_trace(text) else None
    return None if raw is None else _fingerprint(GroupKey(True, GroupKind.TRACE, trace_identity(raw), "", -1), ())


def is_request(entry: LogEntry, http: HttpRequest) -> bool:
    """Whether the entry says nothing but that a request was answered: its text is empty or names the request again."""
    message = entry.message
    return not message or entry.log_id.endswith("/requests") or message.startswith(f"{http.method} ")


def _fingerprint(key: GroupKey, template: Tokens) -> Fingerprint:
    identity = key.trace if key.kind is GroupKind.TRACE else f"{key.scope}\n{render(template)}"
    text = f"{'failure' if key.failure else 'notice'}\n{key.kind}\n{identity}"
    return Fingerprint(f"g{_ALGORITHM}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}")


# --- counting -----------------------------------------------------------------------------------------------------------


class _Count:
    """What is counted of occurrences with one key. Oldest and newest are told by time and then by insert id."""

    __slots__ = (
        "count",
        "entries",
        "first",
        "first_at",
        "key",
        "latest",
        "latest_at",
        "minutes",
        "places",
        "severity",
    )

    def __init__(self, key: GroupKey, entry: LogEntry) -> None:
        self.key = key
        self.count = 0
        self.entries = 0
        self.first = self.latest = entry
        self.first_at = self.latest_at = entry.timestamp
        self.severity = entry.severity
        self.minutes: dict[int, int] = {}
        self.places: dict[Place, _Seen] = {}

    def add(self, entry: LogEntry, place: Place, instance: str | None, minute: int) -> None:
        self.count += 1
        self.entries += len(entry.joined) or 1
        at = entry.timestamp
        if at > self.latest_at:
            self.latest, self.latest_at = entry, at
        elif at < self.first_at:
            self.first, self.first_at = entry, at
        else:
            if at == self.latest_at and _order(entry) > _order(self.latest):
                self.latest = entry
            if at == self.first_at and _order(entry) < _order(self.first):
                self.first = entry
        if entry.severity > self.severity:
            self.severity = entry.severity
        self.minutes[minute] = self.minutes.get(minute, 0) + 1
        seen = self.places.get(place)
        if seen is None:
            seen = self.places[place] = _Seen(1, at, at)
        else:
            seen.count += 1
            if at > seen.last:
                seen.last = at
            elif at < seen.first:
                seen.first = at
        if instance is not None:
            known = seen.instances.get(instance)
            if minute < known if known is not None else len(seen.instances) < _MAX_INSTANCES:
                seen.instances[instance] = minute


@dataclass(slots=True)
class _Seen:
    """`instances`: the minute in which each showed it first."""

    count: int
    first: datetime
    last: datetime
    instances: dict[str, int] = field(default_factory=dict[str, int])


def _order(entry: LogEntry) -> tuple[datetime, str, str]:
    return entry.timestamp, entry.insert_id, entry.message


@dataclass(slots=True)
class _Group:
    key: GroupKey
    template: Tokens
    counts: list[_Count] = field(default_factory=list[_Count])

    @property
    def count(self) -> int:
        return sum(count.count for count in self.counts)

    @property
    def latest(self) -> LogEntry:
        return max((count.latest for count in self.counts), key=_order)


class Groups:
    """Finished groups, as counts still: only what is kept is redacted and built."""

    def __init__(
        self,
        groups: Mapping[Fingerprint, _Group],
        found: Mapping[GroupKey, Fingerprint],
        trace_of: Callable[[LogEntry], ReadTrace | None],
    ) -> None:
        self._groups = groups
        self._trace_of = trace_of
        self.fingerprints = found

    def failures(self, tally: Tally, born: Births | None = None) -> tuple[ErrorGroup, ...]:
        """Most frequent first."""
        chosen = [(group, i) for i, group in self._groups.items() if group.key.failure]
        chosen.sort(key=lambda pair: (-pair[0].count, pair[1]))
        return tuple(self._build(i, group, tally, born or {}) for group, i in chosen)

    def notices(self, tally: Tally, limit: int, rank: Callable[[LogEntry], int]) -> tuple[ErrorGroup, ...]:
        """The `limit` notices of lowest rank, the rarest first."""
        chosen = [(rank(group.latest), group.count, i) for i, group in self._groups.items() if not group.key.failure]
        return tuple(self._build(i, self._groups[i], tally, {}) for _, _, i in sorted(chosen)[:limit])

    def _build(self, fingerprint: Fingerprint, group: _Group, tally: Tally, born: Births) -> ErrorGroup:
        counts = group.counts
        seen = _seen(counts)
        first = min((count.first for count in counts), key=_order)
        latest = group.latest
        latest_sample = to_sample(latest, tally)
        trace = _stack_trace(group.key, latest, self._trace_of, tally)
        template = _template(group, latest, trace, latest_sample, tally)
        return ErrorGroup(
            id=fingerprint,
            kind=group.key.kind,
            failure=group.key.failure,
            title=shorten(tally.cut(" ".join(_title(group.key, latest, trace, template).split())), _TITLE),
            template=template,
            severity=max(count.severity for count in counts),
            count=group.count,
            entries=sum(count.entries for count in counts),
            first_seen=first.timestamp,
            last_seen=latest.timestamp,
            per_minute=_minutes(counts),
            per_revision=_revisions(seen, born),
            services=tuple(sorted({service for c in counts for service, _ in c.places if service is not None})),
            instances=min(_MAX_INSTANCES, len(set[str]().union(*(one.instances for one in seen.values())))),
            first=latest_sample if first is latest else to_sample(first, tally),
            latest=latest_sample,
            trace=trace,
        )


def _stack_trace(
    key: GroupKey, latest: LogEntry, trace_of: Callable[[LogEntry], ReadTrace | None], tally: Tally
) -> StackTrace | None:
    if key.kind is not GroupKind.TRACE:
        return None
    read = trace_of(latest)
    return None if read is None else to_stack_trace(read.raw, tally.cut)


def _template(group: _Group, latest: LogEntry, trace: StackTrace | None, sample: Sample, tally: Tally) -> Redacted:
    """The group's sentence. A word of it stays only if the redacted sample shows it too: a secret is no constant."""
    if trace is not None:
        return tally.cut(_exception(trace.innermost.type, trace.innermost)[:_TEMPLATE])
    shown = sample.message
    if latest.audit is not None:
        shown = Redacted(f"{shown} {tally.cut(latest.audit.status_message)}")
    if group.key.kind is GroupKind.REQUEST and " " in group.key.scope:
        status, method = group.key.scope.split(" ", 1)
        return tally.cut(f"{method} /{'/'.join(group.template)} answered {status}"[:_TEMPLATE])
    words = [word if all(part in shown for part in word.split(MASK)) else MASK for word in group.template]
    return tally.cut(" ".join(words)[:_TEMPLATE])


def _exception(name: str, info: ExceptionInfo) -> str:
    """`KeyError: <*>`, and the type alone of an exception that says nothing."""
    message = render(shape_of(info.message))
    return f"{name}: {message}" if message else name


def _title(key: GroupKey, latest: LogEntry, trace: StackTrace | None, template: Redacted) -> str:
    """What was reported comes before what caused it, with an arrow between, since readers know the one from their alerts."""
    if trace is not None and trace.chain[0].type != trace.innermost.type:
        reported = trace.chain[0]
        return f"{_exception(re.split(r'[./:]+', reported.type)[-1], reported)} ← {template}"
    if key.kind is GroupKind.AUDIT and latest.audit is not None:
        return _audit_title(latest.audit, template)
    return template or "(no text)"


def _audit_title(audit: AuditCall, template: Redacted) -> str:
    method = audit.method.rsplit(".", 1)[-1].lstrip("/")
    outcome = "" if not audit.status_code else f" failed with code {audit.status_code}"
    return f"{audit.service} {method}{outcome}" + (f": {template}" if template else "")


def _minutes(counts: Iterable[_Count]) -> Mapping[int, int]:
    total: dict[int, int] = {}
    for count in counts:
        for minute, number in count.minutes.items():
            total[minute] = total.get(minute, 0) + number
    return dict(sorted(total.items()))


def _seen(counts: Sequence[_Count]) -> dict[Place, _Seen]:
    """The counts of one group, put together by place."""
    total: dict[Place, _Seen] = {}
    for count in counts:
        for place, seen in count.places.items():
            known = total.setdefault(place, _Seen(0, seen.first, seen.last))
            known.count += seen.count
            known.first = min(known.first, seen.first)
            known.last = max(known.last, seen.last)
            for instance, minute in seen.instances.items():
                known.instances[instance] = min(minute, known.instances.get(instance, minute))
    return total


def _revisions(total: Mapping[Place, _Seen], born: Births) -> tuple[RevisionCount, ...]:
    begin = int(min(seen.first for seen in total.values()).timestamp()) // 60
    return tuple(
        RevisionCount(place[0], place[1], seen.count, seen.first, seen.last, _leads(seen, born.get(place, {}), begin))
        for place, seen in sorted(total.items(), key=lambda item: (item[0][0] or "", item[0][1] or ""))
    )


def _leads(seen: _Seen, born: Mapping[str, int], begin: int) -> dict[int, int]:
    """Minutes from the birth of an instance after `begin` to its first occurrence, to how many instances took so long."""
    leads: dict[int, int] = {}
    for instance, minute in seen.instances.items():
        if (birth := born.get(instance)) is not None and birth > begin:
            leads[minute - birth] = leads.get(minute - birth, 0) + 1
    return dict(sorted(leads.items()))

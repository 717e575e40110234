"""The one sentence that is read first: what users of the service experience, and the proven cause.

Owns its wording. Whatever it says was judged elsewhere: the root by `chain.py`, what is down by `recommend.py`. It names no
layer and no team, for the report shows both beside it, and no cause that nothing shows.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import LiteralString

from app.diagnosis.chain import Chain, exception_line, groups_by_id, said, times
from app.diagnosis.model import (
    Basis,
    Cause,
    Claim,
    CountRef,
    EntryRef,
    EvidenceRef,
    ExposureRef,
    FileRef,
    ReadingRef,
    RevisionRef,
    Sentence,
    Status,
    Value,
    Words,
    plain,
    sentence,
)
from app.diagnosis.recommend import HINT, about_logs, failing_starts, nothing_ready
from app.diagnosis.scorecard import raised_in_own_code
from app.evidence.model import ErrorGroup, Evidence, Frame, GroupKind
from app.redact import Redacted, cut, shorten

_QUOTED = 160
"""Characters of a message that a headline quotes: what a phone shows in four lines."""
_NAMED = 100

_SAYS: Mapping[str, tuple[LiteralString, LiteralString]] = {
    "api-disabled": ("calls {}, which is not enabled", "calls an API that is not enabled"),
    "api-rate-limit-exceeded": ("calls {} faster than its quota allows", "calls an API faster than its quota allows"),
    "cloud-sql-auth-failed": ("is refused by the database {} at login", "is refused by its database at login"),
    "cloud-sql-connection-timeout": ("fails to reach Cloud SQL {}", "fails to reach its database"),
    "cloud-sql-instance-unavailable": ("finds Cloud SQL {} not available", "finds its database not available"),
    "cloud-sql-too-many-connections": ("gets no connection: {} has no slot left", "gets no connection to its database"),
    "container-crash-loop": ("crashes again and again", "crashes again and again"),
    "dns-resolution-failure": ("cannot resolve {}", "cannot resolve the name of what it calls"),
    "image-not-found": ("names an image that does not exist: {}", "names an image that does not exist"),
    "image-pull-permission-denied": ("may not pull its image {}", "may not pull its image"),
    "ip-space-exhausted": ("finds no free address in {}", "finds no free address in its subnet"),
    "kms-access-denied": ("may not use the encryption key {}", "may not use its encryption key"),
    "memory-limit-exceeded": ("runs out of memory", "runs out of memory"),
    "metadata-server-unreachable": ("fails to reach the metadata server", "fails to reach the metadata server"),
    "no-available-instance": ("has no instance left to answer", "has no instance left to answer"),
    "platform-internal-error": ("gets internal errors from {}", "gets internal errors from a Google API"),
    "redis-unavailable": ("fails to reach Redis {}", "fails to reach Redis"),
    "vpc-connector-unavailable": ("cannot use the VPC connector {}", "cannot use its VPC connector"),
}
"""Class of a failure to what its service does or suffers, with and without a resource that the message names.

Only where the phrase is true of every message of the class; of the others the signature's title speaks. A phrase follows
the service's name and `every start since …` alike.
"""
_SECRETS = ("run-secret-denied", "secret-denied")
_NAMES = ("Redis", "BigQuery", "Cloud", "Terraform", "Secure", "Windows", "Identity-Aware", "HDFS", "MongoDB")
"""Beginnings of a title that are names, so that they keep their capital inside a sentence."""
_MEMORY_LIMIT = re.compile(r"memory limit of (\d+ ?[MG]i?B?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Known:
    """What a headline about a failure is made of. `group` is the root's, or the most frequent failure without a root."""

    evidence: Evidence
    chain: Chain
    group: ErrorGroup
    status: Status


def headline(evidence: Evidence, chain: Chain, group: ErrorGroup | None, status: Status) -> Claim:
    """`group` None: nothing failed, or nothing was read; the two are told apart."""
    if group is None:
        claim = _nothing(evidence)
    else:
        known, root = Known(evidence, chain, group, status), chain.root
        unexplained = root is None or root.symptom or status is Status.CANNOT_TELL or root.score < HINT
        claim = _unexplained(known, root) if root is None or unexplained else _explained(known, root)
    return replace(claim, text=sentence("{}.", claim.text))


# --- nothing to tell --------------------------------------------------------------------------------------------------


def _nothing(evidence: Evidence) -> Claim:
    refs = (ReadingRef(),)
    entries = evidence.observations.entries
    unread = next((gap.reason for gap in evidence.gaps if about_logs(gap)), None)
    cut_short = next((cut(reading.truncated) for reading in evidence.readings if reading.truncated), None)
    if not entries and unread is not None:
        return Claim(sentence("The logs could not be read: {}", shorten(cut(unread.rstrip(". ")), _QUOTED)), refs)
    if not entries:
        return Claim(sentence("No log entry was found: no data, and no sign that all is well"), refs)
    if (why := unread or cut_short) is not None:
        text = sentence("No failure among the {} entries read, but not all were: {}", entries, shorten(why, _QUOTED))
        return Claim(text, refs)
    return Claim(sentence("No failure among {} entries", entries), refs)


# --- a failure without a cause ----------------------------------------------------------------------------------------


def _unexplained(known: Known, root: Cause | None) -> Claim:
    group = known.group
    text = _quoted(group)
    if (subject := _subject(group)) is not None:
        text = sentence("{} {}: {}", subject, sentence("fails") if group.failure else sentence("is warned of"), text)
    text = sentence("{}, {}", text, _when(known, group))
    if root is not None and root.symptom:
        text = sentence("{}; that is a consequence, and no entry that was read shows its cause", text)
    else:
        text = sentence("{}; no entry that was read shows why", text)
    return Claim(text, (EntryRef(group.id), CountRef(group.id)))


def _quoted(group: ErrorGroup) -> Sentence:
    return tuple(Value(shorten(part.text, _QUOTED)) if isinstance(part, Value) else part for part in said(group))


# --- a failure with its cause -----------------------------------------------------------------------------------------


def _explained(known: Known, root: Cause) -> Claim:
    evidence, group = known.evidence, known.group
    refs: list[EvidenceRef] = [EntryRef(group.id), CountRef(group.id)]
    subject = _subject(group)
    says, more = _says(known, root)
    refs += more
    if known.status in (Status.RESOLVED, Status.RECOVERING):
        since = _moment(evidence, group.last_seen)
        text = (
            sentence("Not seen since {}: {} {}", since, subject, says)
            if subject
            else sentence("Not seen since {}: {}", since, says)
        )
        return Claim(text, tuple(refs), Basis.INFERRED)
    if subject is None:
        text = sentence("{}, {}", says, _when(known, group))
        return Claim(text, tuple(refs), Basis.INFERRED)
    starts = failing_starts(evidence, known.chain, group)
    if starts is not None:
        since = _moment(evidence, starts.since)
        refs.append(CountRef(starts.group.id))
        if starts.all_seen:
            text = sentence("{} cannot start: every start since {} {}", subject, since, says)
        else:
            text = sentence("{} cannot start: since {} it {}", subject, since, says)
        return Claim(text, tuple(dict.fromkeys(refs)), Basis.INFERRED)
    effect, seen = _effect(known)
    text = sentence("{} {}, {}{}", subject, says, _when(known, group), effect)
    return Claim(text, tuple(dict.fromkeys((*refs, *seen))), Basis.INFERRED)


def _says(known: Known, root: Cause) -> tuple[Sentence, tuple[EvidenceRef, ...]]:
    """The phrase after the service's name, and what it rests on beyond the entries themselves."""
    group = known.group
    if raised := _raised(known, root):
        return raised
    named = _named(known, root)
    if root.signature in _SECRETS and named is not None:
        return sentence("may not read the secret {}", named), ()
    if limit := _MEMORY_LIMIT.search(group.latest.message):
        return sentence("runs out of memory, at its limit of {}", cut(limit[1])), ()
    phrases = _SAYS.get(root.failure_class or "")
    if _subject(group) is None:
        text = root.title
    elif phrases is not None:
        whole, alone = phrases
        return (sentence(whole, named) if named is not None and "{}" in whole else sentence(alone)), ()
    else:
        text = sentence("fails: {}", _inside(root.title))
    return (sentence("{} ({})", text, named) if named is not None else text), ()


def _raised(known: Known, root: Cause) -> tuple[Sentence, tuple[EvidenceRef, ...]] | None:
    """An exception of the program itself, with the own function and line that it passes first."""
    trace = known.group.trace
    own = trace.top_own_frame if trace else None
    if own is None or not (root.failure_class == "application-exception" or raised_in_own_code(known.group)):
        return None
    info, frame = own
    where, refs = _place(known, frame)
    text = sentence("fails with {} in {}", shorten(exception_line(info), _QUOTED), frame.function)
    return (sentence("{} ({})", text, where) if where is not None else text), refs


def _place(known: Known, frame: Frame) -> tuple[Redacted | None, tuple[EvidenceRef, ...]]:
    """The file of the repository where it was found, else as the trace prints it."""
    for source in known.evidence.history.frames:
        if source.group == known.group.id and source.frame == frame and source.path and source.excerpt:
            excerpt = source.excerpt
            return cut(f"{source.path}:{frame.line}"), (FileRef(excerpt.sha, excerpt.path, excerpt.line),)
    if frame.file is None:
        return None, ()
    return cut(f"{frame.file}:{frame.line}" if frame.line else frame.file), ()


def _named(known: Known, root: Cause) -> Redacted | None:
    """The component, where it is another one than what the sentence is about."""
    group = known.group
    own = (*group.services, group.latest.revision, group.latest.instance, plain(_subject(group) or ()))
    if root.component is None or root.component in own:
        return None
    return shorten(root.component, _NAMED)


def _inside(title: Sentence) -> Sentence:
    first = next(iter(title), None)
    if isinstance(first, Words) and first.text.partition(" ")[0] not in _NAMES:
        return (Words(first.text[0].lower() + first.text[1:], first.strong), *title[1:])
    return title


def _subject(group: ErrorGroup) -> Sentence | None:
    """What fails and runs: a service, several by the first and their number, or a pod. None: the entries name none."""
    if group.services:
        first, *others = group.services
        return sentence("{} (and {} more)", cut(first), len(others)) if others else sentence("{}", cut(first))
    pod = group.latest.resource_labels.get("pod_name")
    return sentence("{}", pod) if pod else None


# --- since when, and how it shows -------------------------------------------------------------------------------------


def _when(known: Known, group: ErrorGroup) -> Sentence:
    if group.count == 1:
        return sentence("once, at {}", _moment(known.evidence, group.first_seen))
    onset = known.evidence.onset
    about = (None, group.id, *known.chain.symptoms)
    earlier = onset is not None and onset.at_window_start and onset.group in about
    text = sentence("{} since {}", times(group.count), _moment(known.evidence, group.first_seen))
    return sentence("{} or earlier", text) if earlier else text


def _moment(evidence: Evidence, at: datetime) -> Sentence:
    """Without the date where it is the day of the window's end."""
    near = at.date() == evidence.window.end.date()
    return (Words(f"{at:%H:%M} UTC" if near else f"{at:%Y-%m-%d %H:%M} UTC"),)


def _effect(known: Known) -> tuple[Sentence, tuple[EvidenceRef, ...]]:
    """How it shows to whom depends on the service: nothing ready, or the share of requests that fail by it."""
    evidence, group = known.evidence, known.group
    if nothing_ready(evidence, group):
        revisions = [r for r in evidence.revisions if r.service in group.services]
        refs = tuple(RevisionRef(r.service, r.name) for r in revisions)
        if len(revisions) == 1:
            return sentence("; its only known revision is not ready"), refs
        return sentence("; none of its {} known revisions is ready", len(revisions)), refs
    groups = groups_by_id(evidence)
    about = [groups[id_] for id_ in (group.id, *known.chain.symptoms)]
    failed = [g for g in about if g.kind is GroupKind.REQUEST and g.failure]
    return _failed_requests(evidence, group, failed)


def _failed_requests(
    evidence: Evidence, group: ErrorGroup, failed: Sequence[ErrorGroup]
) -> tuple[Sentence, tuple[EvidenceRef, ...]]:
    mine = [e for e in evidence.observations.exposure if e.service in group.services]
    began = int(min(g.first_seen for g in (group, *failed)).timestamp()) // 60
    asked = sum(n for e in mine for minute, n in e.requests.items() if minute >= began)
    count = sum(g.count for g in failed)
    if not count or asked < count:
        return (), ()
    exposed = (ExposureRef(e.service, e.revision) for e in mine if e.requests)
    refs = (*(CountRef(g.id) for g in failed), *exposed)
    return sentence("; {} of {} requests since then fail by it", count, asked), refs

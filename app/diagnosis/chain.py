"""What led to what: links between error groups, and which of them is the root.

Owns the rules by which one group is seen as the cause of another, and the ranking of roots. Leaves recognising to
`recognise.py`, and which layer the root belongs to to `scorecard.py`. A link always points from a group that says more of
its cause to one that says less, so there are no cycles, and two faults that only happen together are never linked.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from app.diagnosis.model import (
    Basis,
    CausalLink,
    Cause,
    Claim,
    CountRef,
    EntryRef,
    LinkKind,
    RejectedCause,
    Sentence,
    sentence,
)
from app.evidence.model import ErrorGroup, Evidence, Fingerprint, GroupKind, Sample
from app.redact import Redacted, cut

NEAR = timedelta(minutes=5)
"""How long before a symptom its cause is looked for: the longest start-up probe window of the platform is four minutes."""

_DEPTH = {
    "container-failed-to-start": 4,
    "worker-task-lost": 4,
    "container-crash-loop": 5,
    "health-probe-failed": 5,
    "node-not-ready": 5,
    "backend-unhealthy": 6,
    "no-available-instance": 6,
    "request-timeout": 6,
    "upstream-connection-failure": 6,
    "http-server-error": 7,
    "http-client-error": 7,
}
"""How far downstream a failure of that class stands: a process ends before its probe fails before its requests do."""
_SYMPTOM_DEPTH = 3
SAYS_ITS_CAUSE = 0.6
"""A message that says less than this (0..1) and is of a class above is taken for a consequence where a cause is near."""
_SHARE_WEIGHT = 0.5
"""What a message says (0..1) counts more than how often it stands there: a refusal is logged once, its echoes all day."""
_UNRECOGNISED_DEPTH = 2

_DATABASE = (
    "cloud-sql-connection-timeout",
    "cloud-sql-connection-refused",
    "cloud-sql-too-many-connections",
    "cloud-sql-instance-unavailable",
    "cloud-sql-auth-failed",
)
_START = ("container-failed-to-start", "container-crash-loop", "health-probe-failed")
_REQUESTS = ("http-server-error", "no-available-instance", "backend-unhealthy", "request-timeout")

CONSEQUENCES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_DATABASE, (*_START, *_REQUESTS, "application-exception", "upstream-dependency-error", *_DATABASE)),
    "connection-table-exhausted": (*_DATABASE, "upstream-connection-failure", "network-connectivity-blocked"),
    "ip-space-exhausted": (*_START, "autoscaler-scale-up-failed", "pod-unschedulable", "node-bootstrap-failed"),
    "vpc-connector-unavailable": (*_DATABASE, "redis-unavailable", "network-connectivity-blocked", *_START),
    "network-connectivity-blocked": (*_DATABASE, *_START, "upstream-dependency-error", "node-bootstrap-failed"),
    "dns-resolution-failure": (*_DATABASE, *_START, "upstream-dependency-error", "redis-unavailable"),
    "iam-permission-denied": (*_START, "build-failed", "application-exception", "http-server-error", *_DATABASE),
    "secret-unavailable": (*_START, "application-config-missing", "application-exception"),
    "api-disabled": ("iam-permission-denied", *_START, *_DATABASE, "build-failed"),
    "org-policy-violation": ("build-failed", "autoscaler-scale-up-failed", *_START),
    "quota-exceeded": ("autoscaler-scale-up-failed", "build-failed", *_START, "pod-unschedulable", "http-server-error"),
    "zone-capacity-exhausted": ("autoscaler-scale-up-failed", "pod-unschedulable", "node-bootstrap-failed"),
    "memory-limit-exceeded": (*_START, *_REQUESTS, "upstream-connection-failure", "worker-task-lost"),
    "host-memory-pressure": (*_START, *_REQUESTS, "node-not-ready", "worker-task-lost"),
    "disk-full": (*_START, "node-not-ready", "guest-service-failure", "vm-boot-failure"),
    "instance-preempted": ("node-not-ready", "worker-task-lost", "container-crash-loop", *_REQUESTS),
    "platform-maintenance": ("node-not-ready", "cloud-sql-instance-unavailable", "worker-task-lost", *_REQUESTS),
    "stopped-or-deleted-by-user": (*_DATABASE, "node-not-ready", "resource-not-found", "worker-task-lost"),
    "application-import-error": (*_START, *_REQUESTS, "application-exception"),
    "application-config-missing": (*_START, *_REQUESTS, "application-exception"),
    "application-exception": (*_START, *_REQUESTS),
    "image-not-found": (*_START, "pod-unschedulable"),
    "image-pull-permission-denied": _START,
    "image-pull-network-failure": _START,
    "container-failed-to-start": (*_START, *_REQUESTS),
    "health-probe-failed": ("container-crash-loop", *_REQUESTS),
    "container-crash-loop": (*_REQUESTS, "upstream-connection-failure"),
    "metadata-server-unreachable": ("credentials-invalid", *_START, *_DATABASE),
    "credentials-invalid": (*_START, *_DATABASE, "application-exception", "http-server-error"),
    "redis-unavailable": (*_START, *_REQUESTS, "application-exception"),
    "upstream-dependency-error": (*_REQUESTS, "application-exception", *_START),
    "upstream-connection-failure": (*_REQUESTS, "application-exception"),
    "tls-certificate-invalid": (*_START, "upstream-dependency-error", "application-exception"),
    "kms-access-denied": ("cloud-sql-instance-unavailable", "secret-unavailable", *_START),
    "workload-misconfigured": _START,
}
"""Class of a cause to the classes of what it is known to bring about, within one service and `NEAR`."""

_LINE = 240
"""Characters of a message that a sentence quotes."""

_CONNECTION_NAME = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]:[a-z]+-[a-z]+[0-9]+:[a-z][a-z0-9-]*")
_RESOURCE_PATH = re.compile(r"projects/[a-z0-9-]+/[a-zA-Z]+/[A-Za-z0-9._/-]+")
_MACHINE = re.compile(r"[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com")


@dataclass(frozen=True, slots=True)
class Chain:
    """`ranked` holds every cause, the likeliest root first; `root` is its first unless nothing may be a root.

    `symptoms` are the groups that the root leads to, nearest first.
    """

    root: Cause | None
    ranked: tuple[Cause, ...]
    rejected: tuple[RejectedCause, ...]
    links: tuple[CausalLink, ...]
    symptoms: tuple[Fingerprint, ...]


def trace_causes(evidence: Evidence, causes: Sequence[Cause]) -> Chain:
    """Link the failing groups and pick the root: what leads to most of the failures and says most of its cause.

    `causes` holds at most one per group. A pure symptom is a root only when nothing else is recognised; it is then the
    earliest thing known, and the caller does not decide a layer on it.
    """
    groups = groups_by_id(evidence)
    by_group = {cause.group: cause for cause in causes}
    links = _links(groups, by_group)
    effects = {cause.group: reach(cause.group, links) for cause in causes}
    total = sum(g.count for g in evidence.observations.groups) or 1

    def rank(cause: Cause) -> tuple[float | int | str, ...]:
        group = groups[cause.group]
        explained = [groups[effect] for effect in effects[cause.group] if groups[effect].failure]
        failing = group.failure or bool(explained)
        share = ((group.count if group.failure else 0) + sum(g.count for g in explained)) / total
        depth = _depth(cause) if _depth(cause) > _UNRECOGNISED_DEPTH else 0
        value = cause.score + _SHARE_WEIGHT * share
        return (not failing, depth, -round(value, 6), group.first_seen.timestamp(), cause.group)

    caused = {link.effect for link in links}
    ranked = sorted(causes, key=lambda cause: (cause.group in caused, *rank(cause)))
    root = next((cause for cause in ranked if _may_be_root(groups[cause.group], effects[cause.group], evidence)), None)
    symptoms = reach(root.group, links) if root else ()
    rejected = tuple(
        RejectedCause(cause, _folded(cause, links))
        for cause in ranked[1:]
        if cause.group in caused and not cause.symptom
    )
    return Chain(root, tuple(ranked), rejected, links, symptoms)


def _may_be_root(group: ErrorGroup, effects: Sequence[Fingerprint], evidence: Evidence) -> bool:
    """A notice only where nothing fails, where it leads to a failure, or where a failure is in the same place."""
    failures = evidence.observations.groups
    return group.failure or bool(effects) or not failures or any(_same_place(group, failure) for failure in failures)


def groups_by_id(evidence: Evidence) -> dict[Fingerprint, ErrorGroup]:
    """Failures and notices alike."""
    return {g.id: g for g in (*evidence.observations.groups, *evidence.observations.notices)}


def said(group: ErrorGroup) -> Redacted:
    """One line of what the newest occurrence says, values and all; a template hides the number that tells."""
    if group.trace is not None:
        outer = group.trace.chain[0]
        line = f"{outer.type}: {outer.message}" if outer.message else outer.type
    else:
        line = group.latest.message or group.title
    return cut(line.strip().partition("\n")[0][:_LINE])


def times(count: int) -> Sentence:
    return sentence("once") if count == 1 else sentence("{} times", count)


def reach(start: Fingerprint, links: Sequence[CausalLink]) -> tuple[Fingerprint, ...]:
    """Every group that follows from `start`, nearest first."""
    out: list[Fingerprint] = []
    edge = [start]
    while edge:
        following = sorted({link.effect for link in links if link.cause in edge} - {start, *out})
        out += following
        edge = following
    return tuple(out)


def _folded(cause: Cause, links: Sequence[CausalLink]) -> Claim:
    return next(link.claim for link in links if link.effect == cause.group)


# --- links ------------------------------------------------------------------------------------------------------------


def _links(groups: Mapping[Fingerprint, ErrorGroup], causes: Mapping[Fingerprint, Cause]) -> tuple[CausalLink, ...]:
    """One link per pair at most, by the strongest reason that holds; in order of the ids."""
    out: list[CausalLink] = []
    for before in sorted(causes):
        for after in sorted(groups):
            if before == after or not groups[after].failure:
                continue
            cause, effect = causes[before], causes.get(after)
            if not _may_lead(cause, effect, groups[after]):
                continue
            if link := _link(groups[before], groups[after], cause, effect):
                out.append(link)
    return tuple(out)


def _depth(cause: Cause | None) -> float:
    if cause is None:
        return _UNRECOGNISED_DEPTH
    downstream = _DEPTH.get(cause.failure_class or "")
    if cause.symptom:
        return _SYMPTOM_DEPTH if downstream is None else downstream
    if downstream is not None and cause.score < SAYS_ITS_CAUSE:
        return downstream
    return 1 - cause.score


def _may_lead(cause: Cause, effect: Cause | None, after: ErrorGroup) -> bool:
    """Only from what says more to what says less; an audit entry is a refusal of its own, never folded unrecognised."""
    if effect is None and after.kind is GroupKind.AUDIT:
        return False
    return _depth(cause) < _depth(effect)


def _link(before: ErrorGroup, after: ErrorGroup, cause: Cause, effect: Cause | None) -> CausalLink | None:
    seen = (EntryRef(before.id), EntryRef(after.id))
    if _within_chain(before, after):
        text = sentence("{} was raised on the way to {}", said(before), said(after))
        return CausalLink(before.id, after.id, LinkKind.EXCEPTION_CHAIN, Claim(text, seen))
    if _shared_trace(before, after):
        text = sentence("{} stands in the same request as {}", said(before), said(after))
        return CausalLink(before.id, after.id, LinkKind.SAME_REQUEST, Claim(text, seen, Basis.INFERRED))
    known = effect is not None and (effect.failure_class or "") in CONSEQUENCES.get(cause.failure_class or "", ())
    weak = effect is None or effect.symptom or known
    if weak and (gap := _instance_gap(before, after)) is not None:
        text = sentence("{} comes {} before {} on the same instance", said(before), gap, said(after))
        return CausalLink(before.id, after.id, LinkKind.SAME_INSTANCE, Claim(text, seen, Basis.INFERRED))
    if weak and _near(before, after) and (name := _named(before, after, cause)):
        text = sentence("both name {}, in the same minutes", name)
        return CausalLink(before.id, after.id, LinkKind.NAMED, Claim(text, seen, Basis.INFERRED))
    if known and _same_place(before, after) and _near(before, after):
        text = sentence("{} is a known consequence of {}, in the same place and minutes", said(after), said(before))
        refs = (CountRef(before.id), CountRef(after.id))
        return CausalLink(before.id, after.id, LinkKind.RULE, Claim(text, refs, Basis.INFERRED))
    return None


def _within_chain(before: ErrorGroup, after: ErrorGroup) -> bool:
    """Whether the fault of `before` is an inner exception of `after`, which wraps it."""
    if before.trace is None or after.trace is None or len(after.trace.chain) < 2:
        return False
    inner = before.trace.innermost
    wrapped = [(info.type, _shape(info.message)) for info in after.trace.chain[1:]]
    same_outer = before.trace.chain[0].type == after.trace.chain[0].type
    return not same_outer and (inner.type, _shape(inner.message)) in wrapped


_NUMBERS = re.compile(r"[0-9a-f]*[0-9][0-9a-f]*")


def _shape(message: str) -> str:
    return _NUMBERS.sub("#", message.partition("\n")[0]).strip()


def _samples(group: ErrorGroup) -> tuple[Sample, ...]:
    return (group.first,) if group.first == group.latest else (group.first, group.latest)


def _shared_trace(before: ErrorGroup, after: ErrorGroup) -> bool:
    earlier = {sample.trace for sample in _samples(before) if sample.trace}
    return any(sample.trace in earlier for sample in _samples(after) if sample.trace)


def _instance_gap(before: ErrorGroup, after: ErrorGroup) -> timedelta | None:
    """The shortest time from the cause to the effect on one instance; None when none was seen within `NEAR`."""
    gaps = [
        second.timestamp - first.timestamp
        for first in _samples(before)
        for second in _samples(after)
        if first.instance and first.instance == second.instance and first.service == second.service
    ]
    return min((gap for gap in gaps if timedelta(0) <= gap <= NEAR), default=None)


def _near(before: ErrorGroup, after: ErrorGroup) -> bool:
    return before.first_seen - NEAR <= after.last_seen and after.first_seen <= before.last_seen + NEAR


def _places(group: ErrorGroup) -> tuple[str, ...]:
    """Where a group happens, from the narrowest label that both a program and its platform carry."""
    out: list[str] = []
    for sample in _samples(group):
        labels = sample.resource_labels
        for key in ("service_name", "job_name", "function_name", "pod_name", "module_id", "build_id", "instance_id"):
            if value := labels.get(key):
                out.append(value)
                break
        else:
            out += [value for key in ("cluster_name", "database_id") if (value := labels.get(key))]
    return tuple(out)


def _same_place(before: ErrorGroup, after: ErrorGroup) -> bool:
    """One service, pod, build or machine; a cluster-wide event touches everything that runs in the cluster."""
    mine, theirs = _places(before), _places(after)
    if any(place in theirs for place in mine):
        return True
    clusters = tuple(s.resource_labels.get("cluster_name") for s in _samples(after))
    return before.first.resource_type in ("k8s_cluster", "k8s_node") and any(c in mine for c in clusters if c)


def _named(before: ErrorGroup, after: ErrorGroup, cause: Cause) -> Redacted | None:
    """A resource that both messages name."""
    text = after.latest.message
    component = cause.component
    if component and len(component) >= 6 and component in text:
        return component
    for pattern in (_CONNECTION_NAME, _RESOURCE_PATH, _MACHINE):
        for match in pattern.finditer(before.latest.message):
            if match[0] in text:
                return cut(match[0])
    return None

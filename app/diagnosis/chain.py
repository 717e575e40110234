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
from app.evidence.model import ErrorGroup, Evidence, ExceptionInfo, Fingerprint, GroupKind, Sample
from app.redact import Redacted, cut, shorten

NEAR = timedelta(minutes=5)
"""How long before a symptom its cause is looked for: the longest start-up probe window of the platform is four minutes."""

_DEPTH = {
    "container-failed-to-start": 4,
    "init-script-failed": 4,
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
_CLEARLY = 0.15
"""How much more of its cause a message must say (0..1) than another that it is taken to lead to."""
_MOST_READ = 2000
"""Characters of a message that names are looked for in; further down stand stack traces."""
_LEAST_NAME = 6
"""Characters from which on a name found in two messages is no accident."""
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
    "autoscaler-scale-up-failed": ("pod-unschedulable",),
    "connection-table-exhausted": (*_DATABASE, "upstream-connection-failure", "network-connectivity-blocked"),
    "ip-space-exhausted": (*_START, "autoscaler-scale-up-failed", "pod-unschedulable", "node-bootstrap-failed"),
    "vpc-connector-unavailable": (*_DATABASE, "redis-unavailable", "network-connectivity-blocked", *_START),
    "network-connectivity-blocked": (
        *_DATABASE,
        *_START,
        "upstream-dependency-error",
        "node-bootstrap-failed",
        "init-script-failed",
    ),
    "dns-resolution-failure": (
        *_DATABASE,
        *_START,
        "upstream-dependency-error",
        "redis-unavailable",
        "init-script-failed",
    ),
    "iam-permission-denied": (*_START, "build-failed", "application-exception", "http-server-error", *_DATABASE),
    "secret-unavailable": (*_START, "application-config-missing", "application-exception"),
    "api-disabled": ("iam-permission-denied", *_START, *_DATABASE, "build-failed"),
    "org-policy-violation": ("build-failed", "autoscaler-scale-up-failed", *_START),
    "quota-exceeded": ("autoscaler-scale-up-failed", "build-failed", *_START, "pod-unschedulable", "http-server-error"),
    "api-rate-limit-exceeded": (*_REQUESTS, "application-exception"),
    "platform-internal-error": (*_REQUESTS, "application-exception"),
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

LINE = 400
"""Characters of a message that a sentence quotes."""

CONNECTION_NAME = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]:[a-z]+-[a-z]+[0-9]+:[a-z][a-z0-9-]*")
"""How connectors name a Cloud SQL instance: project, region, instance."""
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
    titles = {cause.group: cause.title for cause in causes}
    rejected = tuple(
        RejectedCause(cause, _folded(cause, root.group if root else None, links, titles))
        for cause in ranked
        if cause is not root and cause.group in caused and not cause.symptom
    )
    return Chain(root, tuple(ranked), rejected, links, symptoms)


def _may_be_root(group: ErrorGroup, effects: Sequence[Fingerprint], evidence: Evidence) -> bool:
    """A notice only where nothing fails, where it leads to a failure, or where a failure is in the same place."""
    failures = evidence.observations.groups
    if group.failure or effects or not failures:
        return True
    mine = _see(group, None)
    return any(_same_place(mine, _see(failure, None)) for failure in failures)


def groups_by_id(evidence: Evidence) -> dict[Fingerprint, ErrorGroup]:
    """Failures and notices alike."""
    return {g.id: g for g in (*evidence.observations.groups, *evidence.observations.notices)}


def said(group: ErrorGroup) -> Sentence:
    """One line of what the newest occurrence says, values and all; a template hides the number that tells.

    What came from the log stays a value of its own, so that a report which may show templates only can find and hide it.
    """
    if group.trace is not None:
        return raised(group.trace.chain[0])
    line = group.latest.message or group.title
    return sentence("{}", shorten(cut(line.strip().partition("\n")[0].rstrip(". ")), LINE))


def raised(info: ExceptionInfo) -> Sentence:
    """`KeyError: 'rate'`, as programs print it."""
    return sentence("{}", exception_line(info))


def exception_line(info: ExceptionInfo) -> Redacted:
    message = info.message.strip().partition("\n")[0]
    return shorten(cut(f"{info.type}: {message}" if message else info.type), LINE)


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


def _folded(
    cause: Cause, root: Fingerprint | None, links: Sequence[CausalLink], titles: Mapping[Fingerprint, Sentence]
) -> Claim:
    """Why a recognised failure is no root: another one, which says more of its cause, leads to it."""
    link = next(link for link in links if link.effect == cause.group)
    if link.cause == root:
        text = sentence("it follows from the cause ({})", link.kind)
    else:
        text = sentence("it follows from another failure ({}): {}", link.kind, titles[link.cause])
    return Claim(text, link.claim.evidence, Basis.INFERRED)


# --- links ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Seen:
    """A group with what links are looked for by, read once.

    `depth` is how far downstream it stands: the more a message says of its cause, the nearer to the root. `names` are the
    resources that its message names.
    """

    group: ErrorGroup
    cause: Cause | None
    samples: tuple[Sample, ...]
    traces: frozenset[str]
    places: frozenset[str]
    clusters: frozenset[str]
    names: tuple[str, ...]
    depth: float


def _see(group: ErrorGroup, cause: Cause | None) -> _Seen:
    samples = (group.first,) if group.first == group.latest else (group.first, group.latest)
    names = [
        found[0]
        for named in (CONNECTION_NAME, _RESOURCE_PATH, _MACHINE)
        for found in named.finditer(group.latest.message[:_MOST_READ])
    ]
    component = cause.component if cause else None
    if component and len(component) >= _LEAST_NAME and component in group.latest.message:
        names.insert(0, component)
    return _Seen(
        group=group,
        cause=cause,
        samples=samples,
        traces=frozenset(sample.trace for sample in samples if sample.trace),
        places=frozenset(place for sample in samples for place in _places(sample)),
        clusters=frozenset(name for sample in samples if (name := sample.resource_labels.get("cluster_name"))),
        names=tuple(names),
        depth=_UNRECOGNISED_DEPTH if cause is None else _depth(cause),
    )


def _links(groups: Mapping[Fingerprint, ErrorGroup], causes: Mapping[Fingerprint, Cause]) -> tuple[CausalLink, ...]:
    """One link per pair at most, by the strongest reason that holds; in order of the ids.

    Where no entry is marked as a failure, as on a machine's serial console, notices are linked among themselves.
    """
    seen = [_see(groups[name], causes.get(name)) for name in sorted(groups)]
    effects = [one for one in seen if one.group.failure] or seen
    links = (
        _link(before, after, before.cause)
        for before in seen
        if before.cause is not None
        for after in effects
        if before is not after and _may_lead(before, after)
    )
    return tuple(link for link in links if link is not None)


def _depth(cause: Cause) -> float:
    downstream = _DEPTH.get(cause.failure_class or "")
    if cause.symptom:
        return _SYMPTOM_DEPTH if downstream is None else downstream
    if downstream is not None and cause.score < SAYS_ITS_CAUSE:
        return downstream
    return 1 - cause.score


def _known(before: _Seen, after: _Seen) -> bool:
    if before.cause is None or after.cause is None:
        return False
    return (after.cause.failure_class or "") in CONSEQUENCES.get(before.cause.failure_class or "", ())


def _may_lead(before: _Seen, after: _Seen) -> bool:
    """Only from what says more to what says less, clearly so unless the consequence is a known one.

    A refused call of an audit entry is a fault of its own, never folded unrecognised.
    """
    if after.cause is None and after.group.kind is GroupKind.AUDIT:
        return False
    further = after.depth - before.depth
    return further > 0 if _known(before, after) else further >= _CLEARLY


def _link(before: _Seen, after: _Seen, cause: Cause) -> CausalLink | None:
    one, other = before.group, after.group
    refs = (EntryRef(one.id), EntryRef(other.id))
    if _within_chain(one, other):
        text = sentence("{} was raised on the way to {}", said(one), said(other))
        return CausalLink(one.id, other.id, LinkKind.EXCEPTION_CHAIN, Claim(text, refs))
    if before.traces & after.traces:
        text = sentence("{} stands in the same request as {}", said(one), said(other))
        return CausalLink(one.id, other.id, LinkKind.SAME_REQUEST, Claim(text, refs, Basis.INFERRED))
    known = _known(before, after)
    if not (known or after.cause is None or after.cause.symptom):
        return None
    if (gap := _instance_gap(before, after)) is not None:
        text = sentence("{} comes {} before {} on the same instance", said(one), gap, said(other))
        return CausalLink(one.id, other.id, LinkKind.SAME_INSTANCE, Claim(text, refs, Basis.INFERRED))
    if not _near(one, other):
        return None
    if name := next((name for name in before.names if name in other.latest.message), None):
        text = sentence("both name {}, in the same minutes", cut(name))
        return CausalLink(one.id, other.id, LinkKind.NAMED, Claim(text, refs, Basis.INFERRED))
    if known and _same_place(before, after):
        text = sentence("{} is a known consequence of {}, in the same place and minutes", said(other), cause.title)
        counts = (CountRef(one.id), CountRef(other.id))
        return CausalLink(one.id, other.id, LinkKind.RULE, Claim(text, counts, Basis.INFERRED))
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


def _instance_gap(before: _Seen, after: _Seen) -> timedelta | None:
    """The shortest time from the cause to the effect on one instance; None when none was seen within `NEAR`."""
    gaps = [
        second.timestamp - first.timestamp
        for first in before.samples
        if first.instance
        for second in after.samples
        if first.instance == second.instance and first.service == second.service
    ]
    return min((gap for gap in gaps if timedelta(0) <= gap <= NEAR), default=None)


def _near(before: ErrorGroup, after: ErrorGroup) -> bool:
    return before.first_seen - NEAR <= after.last_seen and after.first_seen <= before.last_seen + NEAR


def _places(sample: Sample) -> tuple[str, ...]:
    """Where an entry comes from, by the narrowest label that both a program and its platform carry."""
    labels = sample.resource_labels
    for key in ("service_name", "job_name", "function_name", "pod_name", "module_id", "build_id", "instance_id"):
        if value := labels.get(key):
            return (value,)
    return tuple(value for key in ("cluster_name", "database_id") if (value := labels.get(key)))


def _same_place(before: _Seen, after: _Seen) -> bool:
    """One service, pod, build or machine; a cluster-wide event touches everything that runs in the cluster."""
    if before.places & after.places:
        return True
    wide = before.group.first.resource_type in ("k8s_cluster", "k8s_node")
    return wide and bool(before.clusters & after.clusters)

"""Which layer the root belongs to: an additive scorecard whose signals and weights are printed.

Owns the signals, their weights, the owner that follows, and the confidence. Leaves what the root is to `chain.py` and what
to do about it to `recommend.py`. The weights are few, whole or half numbers set by reasoning, one beside each signal; none
is fitted. The signature's own layer is the start, everything else moves it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import LiteralString

from app.diagnosis.chain import Chain, groups_by_id
from app.diagnosis.circumstances import LIMIT, address_class, beside, circumstance, egress_of
from app.diagnosis.model import (
    Basis,
    Cause,
    Claim,
    CommitRef,
    Confidence,
    CountRef,
    EntryRef,
    EvidenceRef,
    FixVerdict,
    IssueTextRef,
    Layer,
    LayerScore,
    LedgerRow,
    Mismatch,
    ProbeRef,
    RevisionRef,
    Signal,
    Suspect,
    sentence,
)
from app.diagnosis.signatures.model import Signature, Specificity
from app.evidence.model import (
    DeployEvent,
    DeployKind,
    ErrorGroup,
    Evidence,
    GroupKind,
    LayerOwner,
    ProbeKind,
    ProbeResult,
    ProbeState,
    RevisionName,
)
from app.redact import cut

DECIDED = 1.0
"""Below this score no layer is named."""
MARGIN = 0.5
"""Two layers closer than this are a tie: then the root's own layer stands, with low confidence."""
SUSPECTED = 0.5
"""From this score (0..1) on a commit of the failing revision is taken to have to do with the failure."""
DEPLOY_NEAR = timedelta(minutes=10)
"""A failure that begins this soon after a deploy is taken to have come with it: a rollout takes minutes."""

# One scale for all: 1 is a hint that several things could explain, 2 a sign, 3 an observation of the part itself, 4 a
# message that names its cause. docs/decisions/0007-scorecard.md argues them.
_RECOGNISED = {Specificity.SYMPTOM: 1.0, Specificity.GENERIC: 2.0, Specificity.PRODUCT: 3.0, Specificity.EXACT: 4.0}
"""What the words of the message say by themselves, by how much they say of the cause."""
_WORDS = 1.5
"""General words of an unknown message: less than a generic signature, so that confidence stays low."""
_OWN_CODE = 2.0
_OWN_LIMIT = 0.5
"""Below `DECIDED`: that a program sets its own limit decides nothing alone."""
_CIRCUMSTANCE = 2.5
"""Taken from one layer and given to the other: enough to overrule an exact message (4 - 2.5 < 2.5), never by much."""
_PROBE_ALONE = 2.5
"""As a circumstance: enough to overrule that a probe's failure is most often the program's own (2)."""
_EGRESS = 2.0
_DEPLOY = 2.0
_NO_DEPLOY = 1.0
_ONE_REVISION = 1.0
_ALL_REVISIONS = 1.0
_MANY_SERVICES = 1.0
_PROBE_UNHEALTHY = 3.0
_PROBE_HEALTHY = -1.0
"""Being up says nothing of the path to it, so it speaks against its layer only a little."""
_OPERATION = 2.0
_PLATFORM_INCIDENT = 2.5
"""More than what a generic message says of another layer, less than what an exact one does."""
_SLOTS = 1.0
"""That all slots are used is what the message says; the count shows it of this database."""
_MISMATCH = 1.0
_FIX_INEFFECTIVE = -1.0
_FIX_MATCHES = 1.0
_ISSUE_TEXT = 0.5
"""The reporter's view, and anybody's text: it decides ties only."""
_UNCHANGED = 1.5
_NOT_OURS = -1.0
"""That the team changed nothing is what it knows best. Together they outweigh a generic message (2), and no other."""

_SHARED = (Layer.PERMISSIONS, Layer.QUOTA, Layer.CAPACITY, Layer.INFRASTRUCTURE, Layer.PLATFORM, Layer.DEPENDENCY)
"""Layers that several services and revisions have in common."""

OWNERS: dict[Layer, LayerOwner] = {
    Layer.APPLICATION: LayerOwner.DEVELOPERS,
    Layer.DEPENDENCY: LayerOwner.DEVELOPERS,
    Layer.CONFIGURATION: LayerOwner.DEVELOPERS,
    Layer.PERMISSIONS: LayerOwner.INFRASTRUCTURE,
    Layer.QUOTA: LayerOwner.INFRASTRUCTURE,
    Layer.CAPACITY: LayerOwner.PROVIDER,
    Layer.INFRASTRUCTURE: LayerOwner.INFRASTRUCTURE,
    Layer.PLATFORM: LayerOwner.PROVIDER,
}
"""Who acts on a layer when the signature of the root does not say otherwise for it."""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """`layer` UNKNOWN and `owner` None are answers. `scores` are sorted, best first, and hold only layers with a signal."""

    layer: Layer
    owner: LayerOwner | None
    confidence: Confidence
    signals: tuple[Signal, ...]
    scores: tuple[LayerScore, ...]


def score_layers(
    evidence: Evidence,
    chain: Chain,
    signature: Signature | None,
    *,
    ledger: Sequence[LedgerRow] = (),
    suspects: Sequence[Suspect] = (),
    mismatches: Sequence[Mismatch] = (),
) -> Scorecard:
    """Add up what speaks for and against each layer for the root of `chain`; `signature` is the one that recognised it."""
    root = chain.root
    if root is None:
        return Scorecard(Layer.UNKNOWN, None, Confidence.LOW, (), ())
    group = groups_by_id(evidence)[root.group]
    signals = [
        *_message(root, signature),
        *_own_code(root, group),
        *_own_limit(chain, root, group, signature),
        *_circumstance(root, group),
        *_beside(evidence, root, group),
        *_probe_alone(evidence, chain, root, group),
        *_egress(evidence, root, group),
        *_rollout(evidence, chain, group),
        *_revisions(evidence, group),
        *_breadth(root, group),
        *_probes(evidence, root, group, signature),
        *_slots(evidence, root, signature),
        *_fixes(root, ledger, suspects),
        *_mismatches(root, mismatches),
        *_issue(evidence, root),
        *_unchanged(evidence, root, group, signature),
    ]
    scores = _totals(signals)
    layer = _decide(root, scores)
    return Scorecard(
        layer, _owner(root, group, layer), _confidence(root, layer, scores, evidence), tuple(signals), scores
    )


def _totals(signals: Sequence[Signal]) -> tuple[LayerScore, ...]:
    totals: dict[Layer, float] = {}
    for signal in signals:
        totals[signal.layer] = totals.get(signal.layer, 0.0) + signal.weight
    order = list(Layer)
    ranked = sorted(totals.items(), key=lambda item: (-item[1], order.index(item[0])))
    return tuple(LayerScore(layer, round(score, 3)) for layer, score in ranked)


def _decide(root: Cause, scores: Sequence[LayerScore]) -> Layer:
    best = scores[0] if scores else None
    if best is None or best.score < DECIDED:
        return Layer.UNKNOWN
    close = [score.layer for score in scores if best.score - score.score < MARGIN]
    return root.layer if len(close) > 1 and root.layer in close else best.layer


def _owner(root: Cause, group: ErrorGroup, layer: Layer) -> LayerOwner | None:
    if layer is Layer.UNKNOWN:
        return None
    found = circumstance(root, group)
    if found is not None and found.layer is layer:
        return found.owner
    return root.owner if layer is root.layer and root.owner else OWNERS[layer]


def _confidence(root: Cause, layer: Layer, scores: Sequence[LayerScore], evidence: Evidence) -> Confidence:
    """High only for a message that names its cause, clearly ahead, with nothing of it left unread."""
    if layer is Layer.UNKNOWN or root.symptom:
        return Confidence.LOW
    second = scores[1].score if len(scores) > 1 else 0.0
    lead = scores[0].score - max(second, 0.0)
    if lead < MARGIN or scores[0].score < 2.0:
        return Confidence.LOW
    cut_short = any(reading.truncated for reading in evidence.readings)
    return Confidence.HIGH if root.score >= 0.7 and lead >= 2.0 and not cut_short else Confidence.MEDIUM


# --- the signals ------------------------------------------------------------------------------------------------------


def _message(root: Cause, signature: Signature | None) -> list[Signal]:
    if root.layer is Layer.UNKNOWN:
        return []
    weight = _RECOGNISED[signature.specificity] if signature else _WORDS
    if signature is None:
        text = sentence("no known message; {} by itself points at {}", root.title, root.layer)
    elif signature.symptom:
        text = sentence(
            "{} reports a consequence; most often its cause is in {}", signature.said(signature.title), root.layer
        )
    else:
        text = sentence("the message is that of {}: {}", root.layer, signature.said(signature.title))
    return [Signal(root.layer, weight, Claim(text, (EntryRef(root.group),)))]


def raised_in_own_code(group: ErrorGroup) -> bool:
    """Whether the innermost exception was raised there. An own frame further up says little: every error passes one.

    Such a fault fails alike wherever the code runs, so how many revisions and services have it says nothing of a network.
    """
    frames = group.trace.innermost.frames if group.trace else ()
    return bool(frames) and frames[0].in_app


def _own_code(root: Cause, group: ErrorGroup) -> list[Signal]:
    if not raised_in_own_code(group) or root.layer not in (Layer.APPLICATION, Layer.UNKNOWN) or group.trace is None:
        return []
    text = sentence(
        "the exception is raised in the program's own code, in {}", group.trace.innermost.frames[0].function
    )
    return [Signal(Layer.APPLICATION, _OWN_CODE, Claim(text, (EntryRef(root.group),)))]


_ADDRESSED = re.compile(
    r"\[(?:public|private)-ip\]|:\d{2,5}\b|://|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|net|org|io|dev|app|internal|local|cloud)\b",
    re.IGNORECASE,
)
"""Where a message went: an address, a port or a host. A socket path in the container is none."""


_WATCHED = ("worker-task-lost", "node-bootstrap-failed", "autoscaler-scale-up-failed", "vm-boot-failure")
"""Classes in which the platform waits for a machine or worker of its own: the limit that it names is not the program's."""


def is_own_limit(group: ErrorGroup, signature: Signature | None) -> bool:
    """Whether the message blames something outside by the program's own time limit only, without where the time went."""
    if (
        signature is None
        or signature.specificity is not Specificity.GENERIC
        or signature.layer is not Layer.INFRASTRUCTURE
        or signature.failure_class in _WATCHED
    ):
        return False
    text = group.latest.message
    return bool(LIMIT.search(text)) and not _ADDRESSED.search(text)


def _own_limit(chain: Chain, root: Cause, group: ErrorGroup, signature: Signature | None) -> list[Signal]:
    """A wrapper's limit is no cause: it takes back what its words suggest, and hints at the program that set the limit."""
    if signature is None or not is_own_limit(group, signature):
        return []
    refs = (EntryRef(root.group),)
    text = sentence(
        "the message gives a time limit of the program and no address, so it does not show where the time went"
    )
    out = [Signal(root.layer, -_RECOGNISED[signature.specificity], Claim(text, refs))]
    if chain.symptoms:
        ended = sentence("the program ends by its own limit; how long it waits is its own setting")
        out.append(Signal(Layer.APPLICATION, _OWN_LIMIT, Claim(ended, refs, Basis.INFERRED)))
    return out


def _circumstance(root: Cause, group: ErrorGroup) -> list[Signal]:
    found = circumstance(root, group)
    if found is None:
        return []
    claim = Claim(sentence(found.words), (EntryRef(root.group),), Basis.INFERRED)
    return [Signal(found.layer, _CIRCUMSTANCE, claim), Signal(root.layer, -_CIRCUMSTANCE, claim)]


def _beside(evidence: Evidence, root: Cause, group: ErrorGroup) -> list[Signal]:
    found = beside(evidence, root, group) if circumstance(root, group) is None else None
    if found is None:
        return []
    row, line = found
    claim = Claim(sentence(row.words), (EntryRef(line.id), EntryRef(root.group)), Basis.INFERRED)
    return [Signal(row.layer, _CIRCUMSTANCE, claim), Signal(root.layer, -_CIRCUMSTANCE, claim)]


_RESTARTS = re.compile(
    r"(?:Liveness|Startup) probe (?:failed|errored)|failed (?:liveness|startup) probe", re.IGNORECASE
)
_RESTARTED = ("health-probe-failed", "container-crash-loop")
_ANSWERS = re.compile(r"statuscode: \d|HTTP \d{3}")


def _probe_alone(evidence: Evidence, chain: Chain, root: Cause, group: ErrorGroup) -> list[Signal]:
    """A probe of Kubernetes restarts a program that answers nothing yet and reports no failure of its own.

    Then the probe's own delay, timeout or threshold is asked first; a status that the program answers is the program's.
    """
    text = group.latest.message
    if root.failure_class != "health-probe-failed" or not _RESTARTS.search(text) or _ANSWERS.search(text):
        return []
    known = {group.id, *chain.symptoms, *(c.group for c in chain.ranked if c.symptom or c.failure_class in _RESTARTED)}
    if any(other.id not in known for other in evidence.observations.groups):
        return []
    words = sentence("a probe restarts the program, which reports no failure of its own; the probe's limits come first")
    claim = Claim(words, (EntryRef(root.group),), Basis.INFERRED)
    return [Signal(Layer.CONFIGURATION, _PROBE_ALONE, claim)]


def _egress(evidence: Evidence, root: Cause, group: ErrorGroup) -> list[Signal]:
    """The service's own egress setting beside the class of the address that does not answer."""
    setting, dialled = egress_of(evidence, group), address_class(group)
    if setting is None or not LIMIT.search(group.latest.message):
        return []
    refs = (EntryRef(root.group), ProbeRef(setting.result.target))
    if dialled == "public" and setting.all_traffic:
        text = sentence("the service sends all traffic through its network, and a public address then needs Cloud NAT")
        return [Signal(Layer.INFRASTRUCTURE, _EGRESS, Claim(text, refs, Basis.INFERRED))]
    if dialled == "private" and not setting.attached:
        text = sentence("the service is attached to no network, so no private address can be reached")
        claim = Claim(text, refs, Basis.INFERRED)
        signals = [Signal(Layer.CONFIGURATION, _EGRESS, claim)]
        moved = circumstance(root, group) is not None
        return signals if moved else [*signals, Signal(root.layer, -_EGRESS, claim)]
    return []


def _deploys(evidence: Evidence, group: ErrorGroup) -> list[DeployEvent]:
    services = set(group.services)
    return [event for event in evidence.observations.deploys if not services or event.service in services]


def deploy_at_onset(evidence: Evidence, group: ErrorGroup) -> DeployEvent | None:
    """The last deploy that shortly precedes the group's beginning; None when there is none or none is known, and when the
    failure is known to be older than the deploy."""
    began = group.first_seen
    near = [
        event
        for event in _deploys(evidence, group)
        if event.kind is not DeployKind.FAILED
        and began - DEPLOY_NEAR <= event.at <= began + timedelta(seconds=30)
        and not evidence.was_known(group.id, event.at)
    ]
    return max(near, key=lambda event: event.at, default=None)


def beginning(evidence: Evidence, chain: Chain, group: ErrorGroup) -> datetime | None:
    """When the root or what follows from it began; None when it was already so as the window opened, or nearly so.

    The onset of the evidence counts when it is theirs: some other failure may have begun earlier.
    """
    onset = evidence.onset
    if onset is not None and onset.group in (None, group.id, *chain.symptoms):
        return None if onset.at_window_start else onset.at
    return group.first_seen if group.first_seen - evidence.window.start > DEPLOY_NEAR else None


def _rollout(evidence: Evidence, chain: Chain, group: ErrorGroup) -> list[Signal]:
    if group.kind is GroupKind.AUDIT:
        return []  # a refused call is no product of what it deploys
    if event := deploy_at_onset(evidence, group):
        refs: tuple[EvidenceRef, ...] = (CountRef(group.id),)
        if event.revision is not None:
            refs = (*refs, RevisionRef(event.service, event.revision))
        text = sentence("it begins at {}, within {} after a deploy", group.first_seen, DEPLOY_NEAR)
        claim = Claim(text, refs, Basis.INFERRED)
        return [Signal(Layer.APPLICATION, _DEPLOY, claim), Signal(Layer.CONFIGURATION, _DEPLOY / 2, claim)]
    began = beginning(evidence, chain, group)
    rollouts_known = bool(evidence.observations.deploys) or any(r.created_at for r in evidence.revisions)
    if began is None or not rollouts_known or raised_in_own_code(group):
        return []
    created = [r.created_at for r in evidence.revisions if r.created_at]
    if any(began - DEPLOY_NEAR <= at <= began for at in created):
        return []
    text = sentence("it begins at {}, with no deploy within {} before", began, DEPLOY_NEAR)
    claim = Claim(text, (CountRef(group.id),), Basis.INFERRED)
    return [Signal(Layer.INFRASTRUCTURE, _NO_DEPLOY, claim), Signal(Layer.APPLICATION, -_NO_DEPLOY, claim)]


def active_revisions(evidence: Evidence, group: ErrorGroup) -> tuple[RevisionName, ...]:
    """Revisions of the group's services that were seen at work while it failed."""
    services = set(group.services)
    return tuple(
        sorted(
            {
                e.revision
                for e in evidence.observations.exposure
                if e.service in services and e.last_seen >= group.first_seen and e.first_seen <= group.last_seen
            }
        )
    )


def _revisions(evidence: Evidence, group: ErrorGroup) -> list[Signal]:
    active = active_revisions(evidence, group)
    failing = sorted({row.revision for row in group.per_revision if row.revision is not None})
    if len(active) < 2 or not failing:
        return []
    refs = (CountRef(group.id),)
    if len(failing) == 1:
        text = sentence("only revision {} fails, of {} at work", cut(failing[0]), len(active))
        claim = Claim(text, refs, Basis.INFERRED)
        return [Signal(Layer.APPLICATION, _ONE_REVISION, claim), Signal(Layer.CONFIGURATION, _ONE_REVISION / 2, claim)]
    if set(active) <= set(failing) and not raised_in_own_code(group):
        claim = Claim(sentence("all {} revisions at work fail alike", len(active)), refs, Basis.INFERRED)
        return [Signal(Layer.INFRASTRUCTURE, _ALL_REVISIONS, claim), Signal(Layer.APPLICATION, -_ALL_REVISIONS, claim)]
    return []


def _breadth(root: Cause, group: ErrorGroup) -> list[Signal]:
    if len(group.services) < 2 or raised_in_own_code(group):
        return []
    claim = Claim(
        sentence("{} services fail in the same way", len(group.services)), (CountRef(root.group),), Basis.INFERRED
    )
    layer = root.layer if root.layer in _SHARED else Layer.INFRASTRUCTURE
    return [Signal(layer, _MANY_SERVICES, claim)]


INSTANCES = (ProbeKind.CLOUD_SQL, ProbeKind.REDIS, ProbeKind.VPC_CONNECTOR, ProbeKind.GKE_CLUSTER)
"""Kinds of resources that a service depends on, whose own health can be the cause."""
_INCIDENTS = (ProbeKind.SERVICE_HEALTH, ProbeKind.PUBLIC_STATUS)


def _probes(evidence: Evidence, root: Cause, group: ErrorGroup, signature: Signature | None) -> list[Signal]:
    out: list[Signal] = []
    for result in evidence.probes:
        kind = result.target.kind
        refs = (ProbeRef(result.target),)
        match result.state:
            case ProbeState.UNHEALTHY if kind in _INCIDENTS:
                if not _concerns(result, root, group):
                    continue
                text = sentence("the provider reports an incident of this product in this place")
                out.append(Signal(Layer.PLATFORM, _PLATFORM_INCIDENT, Claim(text, refs)))
            case ProbeState.UNHEALTHY if kind is ProbeKind.CLOUD_SQL_OPERATIONS:
                if not _bears_on(root, signature, result):
                    continue
                text = sentence("{} was operated on", result.target.name)
                text = sentence("{} {}", text, result.reason) if result.reason else text
                out.append(Signal(Layer.INFRASTRUCTURE, _OPERATION, Claim(text, refs)))
            case ProbeState.UNHEALTHY if kind in INSTANCES and _bears_on(root, signature, result):
                text = sentence("{} is not healthy", result.target.name)
                text = sentence("{}: {}", text, result.reason) if result.reason else text
                out.append(Signal(Layer.INFRASTRUCTURE, _PROBE_UNHEALTHY, Claim(text, refs)))
            case ProbeState.HEALTHY if signature is not None and kind in signature.refuted_by:
                text = sentence("{} is healthy", result.target.name)
                out.append(Signal(root.layer, _PROBE_HEALTHY, Claim(text, refs)))
            case _:
                pass
    return out


_AT_MOST = re.compile(r"at most (\d+)")
_NEARLY_ALL = 0.9


def _slots(evidence: Evidence, root: Cause, signature: Signature | None) -> list[Signal]:
    """The most connections that the database had beside those that its own flag allows, where both were read."""
    for result in evidence.probes:
        facts = dict(result.facts)
        used = _AT_MOST.match(facts.get("database/postgresql/num_backends", ""))
        allowed = facts.get("settings.databaseFlags.max_connections", "")
        if root.failure_class != "cloud-sql-too-many-connections" or used is None or not allowed.isdecimal():
            continue
        if _bears_on(root, signature, result) and int(used[1]) >= _NEARLY_ALL * int(allowed):
            text = sentence("{} had {} connections of {}", result.target.name, int(used[1]), int(allowed))
            return [Signal(Layer.CONFIGURATION, _SLOTS, Claim(text, (ProbeRef(result.target),)))]
    return []


_PRODUCTS = (
    ("cloud-sql", "cloud sql"),
    ("redis", "memorystore"),
    ("cloud_run", "cloud run"),
    ("cloud_function", "functions"),
    ("k8s", "kubernetes engine"),
    ("gke", "kubernetes engine"),
    ("gce", "compute engine"),
    ("bigquery", "bigquery"),
    ("dataflow", "dataflow"),
    ("dataproc", "dataproc"),
    ("pubsub", "pub/sub"),
    ("build", "cloud build"),
    ("gae", "app engine"),
    ("http_load_balancer", "load balancing"),
    ("secret", "secret manager"),
)
"""A part of a failure class or resource type to what announcements call the product."""


def _concerns(result: ProbeResult, root: Cause, group: ErrorGroup) -> bool:
    """Whether an announced incident names a product of the failure, and its place unless it is everywhere.

    Incidents of something, somewhere, are announced on many days; only one that fits is a sign.
    """
    labels = group.latest.resource_labels
    place = next((labels[key] for key in ("location", "region", "zone") if labels.get(key)), None)
    about = f"{root.failure_class} {group.latest.resource_type} {root.signature}"
    products = [product for part, product in _PRODUCTS if part in about]
    for _, value in result.facts:
        told = value.lower()
        here = place is None or place.lower() in told or place.rpartition("-")[0].lower() in told or "global" in told
        if here and any(product in told for product in products):
            return True
    return False


def _bears_on(root: Cause, signature: Signature | None, result: ProbeResult) -> bool:
    """Whether the probed resource has to do with the root: its signature says so, or the root names it."""
    kind = result.target.kind
    of_database = kind is ProbeKind.CLOUD_SQL_OPERATIONS
    if signature is not None and (ProbeKind.CLOUD_SQL if of_database else kind) in signature.confirmed_by:
        return True
    tail = result.target.name.rpartition("/")[2]
    return root.component is not None and tail in re.split(r"[:/]", root.component)


def _fixes(root: Cause, ledger: Sequence[LedgerRow], suspects: Sequence[Suspect]) -> list[Signal]:
    out: list[Signal] = []
    for row in ledger:
        if row.group != root.group:
            continue
        if row.verdict is FixVerdict.INEFFECTIVE:
            text = sentence("a fix in the code is running and did not help")
            out.append(
                Signal(Layer.APPLICATION, _FIX_INEFFECTIVE, Claim(text, (CommitRef(row.fix.sha),), Basis.INFERRED))
            )
        elif row.verdict in (FixVerdict.NOT_DEPLOYED, FixVerdict.PARTLY_DEPLOYED) and row.match and row.match.fits:
            text = sentence("a change of the code that fits this failure is {}", row.verdict)
            out.append(Signal(Layer.APPLICATION, _FIX_MATCHES, Claim(text, (CommitRef(row.fix.sha),), Basis.INFERRED)))
    best = next((s for s in suspects if s.group == root.group and s.score >= SUSPECTED), None)
    if best is not None:
        text = sentence("a commit that came with the failing revision touches what fails")
        out.append(Signal(Layer.APPLICATION, _FIX_MATCHES, Claim(text, (CommitRef(best.sha),), Basis.INFERRED)))
    return out


def _mismatches(root: Cause, mismatches: Sequence[Mismatch]) -> list[Signal]:
    return [
        Signal(Layer.APPLICATION, _MISMATCH, found.claim)
        for found in [m for m in mismatches if m.group == root.group and not m.agrees][:1]
    ]


# --- the issue's own words --------------------------------------------------------------------------------------------

_SAYINGS: tuple[tuple[tuple[str, ...], Layer, LiteralString], ...] = (
    (
        ("works locally", "works on my", "locally everything works"),
        Layer.APPLICATION,
        "works elsewhere with the same code",
    ),
    (("old revision", "previous revision", "older revision"), Layer.APPLICATION, "another revision works"),
    (("all services", "every service", "all pods", "every pod"), Layer.INFRASTRUCTURE, "everything fails alike"),
    (
        ("after upgrad", "after updat", "since upgrad", "since the update", "new version of"),
        Layer.DEPENDENCY,
        "it came with a version",
    ),
    (("all projects", "new projects", "other accounts"), Layer.PLATFORM, "other projects fail too"),
)
"""Phrases of a report and what they hint at. Weak: the reporter may be wrong, and the text is anybody's."""


def _issue(evidence: Evidence, root: Cause) -> list[Signal]:
    issue = evidence.request.issue
    if issue is None:
        return []
    text = f"{issue.title}\n{issue.body}".lower()
    out: list[Signal] = []
    for phrases, layer, hint in _SAYINGS:
        if any(phrase in text for phrase in phrases):
            target = root.layer if layer is Layer.INFRASTRUCTURE and root.layer in _SHARED else layer
            words = sentence("the issue says that {}", sentence(hint))
            out.append(Signal(target, _ISSUE_TEXT, Claim(words, (IssueTextRef(),), Basis.HYPOTHESIS)))
    return out


_WHEN = "(?:today|yesterday|this morning|last night|last week|(?:mon|tues|wednes|thurs|fri|satur|sun)day)"
_NO_CHANGE = re.compile(
    r"\bno (?:code |config(?:uration)? )?changes?(?: (?:of|on|to|in|from|by) (?:ours?|us|(?:the )?code)\b|\s*(?:[.,;]|$))"
    r"|\b(?:nothing|no code)\b[^.]{0,20}\b(?:changed|deployed)\b"
    r"|\bunchanged (?:copy|code|image|version)\b|\b(?:code|configuration|image) (?:is |was |has )?(?:unchanged|not changed)\b"
    r"|\b(?:we|i) (?:did not|didn't|have not|haven't) changed? (?:anything|a thing)\b"
    rf"|\bworked (?:fine |well )?(?:for (?:a |many |some )?\w+|(?:until|till) {_WHEN})|\bsince {_WHEN}\b"
    r"|\b(?:the )?next day it works\b",
    re.IGNORECASE | re.MULTILINE,
)
"""How reporters say that something broke, or was mended, that nobody of them touched."""


def _unchanged(evidence: Evidence, root: Cause, group: ErrorGroup, signature: Signature | None) -> list[Signal]:
    """What worked and was not touched was changed by somebody else, if no deploy is known that says otherwise."""
    issue = evidence.request.issue
    ours = root.layer in (Layer.APPLICATION, Layer.CONFIGURATION)
    if issue is None or signature is None or not ours or raised_in_own_code(group) or deploy_at_onset(evidence, group):
        return []
    if _NO_CHANGE.search(f"{issue.title}\n{issue.body}") is None:
        return []
    words = sentence("the issue says that it worked and that nothing of the team's was changed")
    claim = Claim(words, (IssueTextRef(),), Basis.HYPOTHESIS)
    return [Signal(Layer.PLATFORM, _UNCHANGED, claim), Signal(root.layer, _NOT_OURS, claim)]

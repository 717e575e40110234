"""Five Whys, read off the causal chain: symptom, operation, mechanism, component, origin.

Owns which step is asked, what answers it, and where it stops. A step without evidence is not answered: it names the one
read-only command that would decide it, and the questions after it are not asked. Leaves the chain to `chain.py` and the
commands of a resource to the signature's checks.
"""

import re
from dataclasses import dataclass, replace

from app.diagnosis.chain import Chain, groups_by_id, raised, said, times
from app.diagnosis.circumstances import LIMIT, SERVERLESS, address_class, egress_of, service_probe
from app.diagnosis.model import (
    Basis,
    Cause,
    Claim,
    CommitRef,
    CountRef,
    DecidingCheck,
    EntryRef,
    EvidenceRef,
    FileRef,
    Layer,
    ProbeRef,
    RevisionRef,
    Sentence,
    Suspect,
    Why,
    sentence,
)
from app.diagnosis.scorecard import INSTANCES, Scorecard, beginning, deploy_at_onset, raised_in_own_code
from app.diagnosis.signatures.model import Signature
from app.evidence.model import ErrorGroup, Evidence, Frame, GroupKind, ProbeKind, ProbeResult, ProbeState
from app.redact import cut


@dataclass(frozen=True, slots=True)
class Judged:
    """What the whys are read off. `check` is the deciding command for the root, None when no command can be named."""

    evidence: Evidence
    chain: Chain
    card: Scorecard
    signature: Signature | None
    suspects: tuple[Suspect, ...]
    check: DecidingCheck | None


def ask_whys(judged: Judged) -> tuple[Why, ...]:
    """Up to five steps from what is seen to where it comes from; the last may be open.

    Without a recognised cause the first step still says what is observed, and the second is open.
    """
    evidence, root = judged.evidence, judged.chain.root
    groups = groups_by_id(evidence)
    failures = evidence.observations.groups
    if not failures and root is None:
        return ()
    cause_group = groups[root.group] if root else failures[0]
    shown = _most_visible(judged, cause_group)
    steps = [_symptom(shown)]
    operation = _operation(judged, shown, cause_group)
    if operation is not None:
        steps.append(operation)
    if root is None:
        return (*steps, Why(sentence("Why does that happen?"), None, judged.check))
    if root.symptom:
        text = sentence("What leads to {}? The entries read show the consequence only.", said(cause_group))
        return (*steps, Why(text, None, judged.check))
    if not _tells_all(operation, root):
        steps.append(_mechanism(root, cause_group, shown))
    component = _component(judged, root, cause_group)
    if component.answer is None:
        return (*steps, component)
    return (*steps, component, _origin(judged, root, cause_group))


def _most_visible(judged: Judged, cause_group: ErrorGroup) -> ErrorGroup:
    """What users and platform notice: the furthest consequence of the root, requests before process ends."""
    groups = groups_by_id(judged.evidence)
    symptoms = [groups[s] for s in judged.chain.symptoms if groups[s].failure]
    requests = [g for g in symptoms if g.kind is GroupKind.REQUEST]
    recognised = {c.group for c in judged.chain.ranked if c.symptom}
    platform = [g for g in symptoms if g.id in recognised]
    return next(iter((*requests, *reversed(platform), *reversed(symptoms))), cause_group)


def _place(group: ErrorGroup) -> Sentence:
    sample = group.latest
    for label in (
        "service_name",
        "job_name",
        "function_name",
        "container_name",
        "module_id",
        "pod_name",
        "node_name",
        "cluster_name",
        "database_id",
        "subscription_id",
        "queue_id",
        "instance_id",
        "build_id",
    ):
        if value := sample.resource_labels.get(label):
            return sentence("{}", value)
    if sample.audit is not None:
        return sentence("the call of {}", cut(sample.audit.method))
    return sentence("this resource")


def _symptom(shown: ErrorGroup) -> Why:
    question = sentence("Why does {} fail?", _place(shown))
    if shown.count == 1:
        text = sentence("{}, once, at {}.", said(shown), shown.last_seen)
    else:
        text = sentence("{}, {} times from {} to {}.", said(shown), shown.count, shown.first_seen, shown.last_seen)
    return Why(question, Claim(text, (EntryRef(shown.id), CountRef(shown.id))))


def _operation(judged: Judged, shown: ErrorGroup, cause_group: ErrorGroup) -> Why | None:
    """What the program was doing when it gave up: the outermost exception with a frame of its own, as it reported it."""
    groups = groups_by_id(judged.evidence)
    between = [groups[s] for s in judged.chain.symptoms]
    for group in (*[g for g in between if g.id != shown.id], cause_group, shown):
        own = next(
            (
                (info, frame)
                for info in (group.trace.chain if group.trace else ())
                for frame in info.frames
                if frame.in_app
            ),
            None,
        )
        if own is None:
            continue
        info, frame = own
        question = sentence("Why does that happen?") if group.id == shown.id else sentence("What brings that about?")
        text = sentence("{} ends with {}, {}.", frame.function, raised(info), _at(frame))
        return Why(question, Claim(text, (EntryRef(group.id),)))
    return None


def _tells_all(operation: Why | None, root: Cause) -> bool:
    """Whether the exception was said already: that it is one says nothing more."""
    said_of = operation.answer.evidence if operation is not None and operation.answer is not None else ()
    return root.failure_class == "application-exception" and EntryRef(root.group) in said_of


def _at(frame: Frame) -> Sentence:
    if frame.file is None:
        return sentence("whose file the trace does not name")
    return sentence("{}", cut(f"{frame.file}:{frame.line}") if frame.line else frame.file)


def _mechanism(root: Cause, group: ErrorGroup, shown: ErrorGroup) -> Why:
    title = root.title if root.signature else sentence("No known message, {}", root.title)
    if group.id == shown.id:
        return Why(sentence("What does that message say?"), Claim(sentence("{}.", title), (EntryRef(group.id),)))
    text = sentence("{}: {}, {}.", title, said(group), times(group.count))
    return Why(sentence("What leads to it?"), Claim(text, (EntryRef(group.id), CountRef(group.id))))


def _component(judged: Judged, root: Cause, group: ErrorGroup) -> Why:
    """Which part it is about, and what a look at that part showed."""
    if (line := _raising_line(judged, group)) is not None:
        return line
    layer = judged.card.layer
    refs: list[EvidenceRef] = [EntryRef(root.group)]
    states: list[Sentence] = []
    for result in judged.evidence.probes:
        if result.target.kind in INSTANCES:
            if result.state is ProbeState.HEALTHY:
                states.append(sentence("; {} itself is healthy", result.target.name))
                refs.append(ProbeRef(result.target))
            elif result.state is ProbeState.UNHEALTHY:
                states.append(sentence("; {} is not healthy", result.target.name))
                refs.append(ProbeRef(result.target))
    question = sentence("Which part is at fault?")
    for follows, read in (_address_says(judged.evidence, group), _limit_says(judged.evidence, root, group)):
        states.append(follows)
        refs += read
    if layer is Layer.UNKNOWN:
        return Why(question, None, judged.check)
    first = (
        sentence("The signs point at {} in the layer {}", root.component, layer)
        if root.component
        else sentence("The signs point at the layer {}; no entry names a resource", layer)
    )
    text = tuple(part for piece in (first, *states, sentence(".")) for part in piece)
    return Why(question, Claim(text, tuple(refs), Basis.INFERRED))


def _raising_line(judged: Judged, group: ErrorGroup) -> Why | None:
    """For a fault of the program's own code: the line that raises it and who changed it last, where the repository tells."""
    own = group.trace.top_own_frame if group.trace else None
    if own is None or not raised_in_own_code(group) or judged.card.layer is not Layer.APPLICATION:
        return None
    for source in judged.evidence.history.frames:
        excerpt = source.excerpt
        if source.group != group.id or source.frame != own[1] or excerpt is None or excerpt.blame is None:
            continue
        blame = excerpt.blame
        text = sentence(
            "{} raises it; at {} that line is from {} ({}), {}.",
            cut(f"{excerpt.path}:{excerpt.line}"),
            cut(excerpt.sha[:9]),
            cut(blame.sha[:9]),
            blame.subject,
            blame.committed_at,
        )
        refs = (FileRef(excerpt.sha, excerpt.path, excerpt.line), CommitRef(blame.sha))
        return Why(sentence("Which line raises it?"), Claim(text, refs))
    return None


def _address_says(evidence: Evidence, group: ErrorGroup) -> tuple[Sentence, tuple[EvidenceRef, ...]]:
    """What follows from the class of the address that was dialled in vain, and from the service's own egress setting."""
    dialled, setting = address_class(group), egress_of(evidence, group)
    if dialled is None or not LIMIT.search(group.latest.message):
        return (), ()
    read = (ProbeRef(setting.result.target),) if setting else ()
    if dialled == "public" and (closed := _only_private(evidence, group)) is not None:
        text = sentence("; the address is public, and {} has a private one only", closed.target.name)
        return text, (*read, ProbeRef(closed.target))
    if dialled == "public":
        if group.latest.resource_type not in SERVERLESS:
            return sentence("; the address is public, so the way out of its network comes first"), ()
        if setting is None:
            return sentence(
                "; the address is public, so the way out of the service's network is asked before any connector"
            ), ()
        if setting.all_traffic:
            return sentence(
                "; the address is public and all traffic goes through a network, where it needs Cloud NAT"
            ), read
        return sentence("; the address is public and is dialled past the service's network"), read
    if setting is None:
        return sentence("; the address is private, so the path inside the network comes first"), ()
    if not setting.attached:
        return sentence("; the address is private and the service is attached to no network"), read
    return sentence("; the address is private and the service is attached to a network"), read


def _only_private(evidence: Evidence, group: ErrorGroup) -> ProbeResult | None:
    """The database that the message names, when its addresses were read and none of them is public."""
    for result in evidence.probes:
        types = dict(result.facts).get("ipAddresses.type", cut(""))
        named = result.target.name.rpartition("/")[2] in group.latest.message
        if result.target.kind is ProbeKind.CLOUD_SQL and named and types and "PRIMARY" not in types:
            return result
    return None


def _limit_says(evidence: Evidence, root: Cause, group: ErrorGroup) -> tuple[Sentence, tuple[EvidenceRef, ...]]:
    """What the service may use now, beside a message that it went over its memory or that no instance was free."""
    setting = service_probe(evidence, group)
    if setting is None:
        return (), ()
    facts, read = dict(setting.facts), (ProbeRef(setting.target),)
    limits, scaling = facts.get("template.limits"), facts.get("template.scaling")
    if root.failure_class == "memory-limit-exceeded" and limits:
        return sentence("; its limits were {} when they were read at {}", limits, setting.read_at), read
    if root.failure_class == "no-available-instance" and scaling:
        text = sentence("; its instances were set to {}", scaling)
        if at_once := facts.get("template.maxInstanceRequestConcurrency"):
            text = sentence("{}, each with {} requests at once", text, at_once)
        return sentence("{}, when they were read at {}", text, setting.read_at), read
    return (), ()


def likely_causes(signature: Signature, evidence: Evidence, group: ErrorGroup) -> tuple[str, ...]:
    """The signature's causes in order, without those that the address or the egress setting excludes."""
    dialled, setting = address_class(group), egress_of(evidence, group)
    excluded = {"public": "private address", "private": "public address"}.get(dialled or "", "")
    past_network = dialled == "public" and setting is not None and not setting.all_traffic

    def possible(cause: str) -> bool:
        return not (excluded and cause.startswith(excluded)) and not (past_network and "NAT" in cause)

    return tuple(cause for cause in signature.causes if possible(cause)) or signature.causes


def likely_checks(signature: Signature, group: ErrorGroup) -> tuple[str, ...]:
    """The signature's checks, without a look at VPC connectors where only a public address does not answer."""
    if address_class(group) != "public":
        return signature.checks
    return tuple(check for check in signature.checks if "vpc-access" not in check)


def _origin(judged: Judged, root: Cause, group: ErrorGroup) -> Why:
    """Why now: a deploy and its suspect, or nothing that was read."""
    evidence = judged.evidence
    question = sentence("Why now?")
    suspect = next((s for s in judged.suspects if s.group == root.group), None)
    event = deploy_at_onset(evidence, group)
    if suspect is not None and event is not None and event.revision is not None:
        text = sentence("It begins with the revision that first holds the suspected commit, at {}.", event.at)
        refs = (CommitRef(suspect.sha), RevisionRef(event.service, event.revision), CountRef(group.id))
        return Why(question, Claim(text, refs, Basis.INFERRED))
    if event is not None:
        refs2: tuple[EvidenceRef, ...] = (CountRef(group.id),)
        if event.revision is not None:
            refs2 = (*refs2, RevisionRef(event.service, event.revision))
        text = sentence("It begins at {}, after the deploy at {}.", group.first_seen, event.at)
        return Why(question, Claim(text, refs2, Basis.INFERRED), judged.check)
    if (operated := _operated_on(evidence, root)) is not None:
        text = sentence("{} was operated on {}.", operated.target.name, operated.reason or cut("in the window"))
        return Why(question, Claim(text, (ProbeRef(operated.target), CountRef(group.id)), Basis.INFERRED), judged.check)
    signature, began = judged.signature, beginning(evidence, judged.chain, group)
    causes = likely_causes(signature, evidence, group) if signature else ()
    if not causes:
        return Why(sentence("Why now? Nothing that was read tells by what it began."), None, judged.check)
    supposed = signature.said(causes[0]) if signature else ()
    if began is not None and evidence.observations.deploys:
        text = sentence("No deploy that was read fits the beginning at {}. Most often: {}.", began, supposed)
    elif (onset := evidence.onset) is not None and onset.at_window_start and group.count > 1:
        text = sentence("It was failing already at {}, where what was read begins. Most often: {}.", onset.at, supposed)
    else:
        text = sentence("No entry says. Most often: {}.", supposed)
    check = judged.check
    if check is not None and set(supposed) <= set(check.question):
        check = replace(check, question=sentence("whether that is so here"))
    return Why(question, Claim(text, (EntryRef(group.id), CountRef(group.id)), Basis.HYPOTHESIS), check)


def _operated_on(evidence: Evidence, root: Cause) -> ProbeResult | None:
    """The operations on the root's own database that fall into the window, None when none was read."""
    for result in evidence.probes:
        operations = result.target.kind is ProbeKind.CLOUD_SQL_OPERATIONS and result.state is ProbeState.UNHEALTHY
        instance = result.target.name.rpartition("/")[2]
        if operations and root.component is not None and instance in re.split(r"[:/]", root.component):
            return result
    return None

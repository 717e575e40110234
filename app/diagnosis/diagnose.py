"""The story of judging: recognise, link, weigh, compare with fixes and configuration, explain, recommend.

Owns the order, and which resources are looked at. Leaves matching to `recognise.py`, what an unknown message is taken for to
`unknown.py`, links and root to `chain.py`, the layer to `scorecard.py`, fixes and suspects to `ledger.py`, constants to
`configured.py`, the explanation to `whys.py`, advice to `recommend.py` and the first sentence to `headline.py`. Pure: the
same evidence gives the same diagnosis.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import LiteralString

from app.diagnosis.chain import NEAR, Chain, groups_by_id, trace_causes
from app.diagnosis.changes import match_commits
from app.diagnosis.circumstances import SERVERLESS, address_class, egress_of
from app.diagnosis.configured import compare_configured
from app.diagnosis.headline import headline
from app.diagnosis.ledger import build_ledger, find_suspects
from app.diagnosis.model import (
    Basis,
    Cause,
    Claim,
    CountRef,
    DecidingCheck,
    Diagnosis,
    EntryRef,
    Layer,
    Match,
    Mismatch,
    ProbeRef,
    RejectedCause,
    RequiredAction,
    Sentence,
    Status,
    sentence,
)
from app.diagnosis.recognise import Recognition, recognise
from app.diagnosis.recommend import Situation, recommend
from app.diagnosis.scorecard import SUSPECTED, is_own_limit, raised_in_own_code, score_layers
from app.diagnosis.signatures.model import Signature, fill_check, signature_from_config
from app.diagnosis.unknown import unrecognised_causes
from app.diagnosis.whys import Judged, ask_whys, likely_causes, likely_checks
from app.evidence.model import (
    ErrorGroup,
    Evidence,
    Fingerprint,
    LayerOwner,
    ProbeKind,
    ProbeState,
    ProbeTarget,
    Sample,
)
from app.redact import Redacted, cut


def diagnose(evidence: Evidence, extra: Sequence[Signature] = ()) -> Diagnosis:
    """Judge the evidence, by `extra` signatures as well. Never guesses: `root` None, UNKNOWN and None stand.

    The repository's own signatures come with the evidence. Raises `ConfigError` for one that configuration did not check.
    """
    groups = groups_by_id(evidence)
    own = tuple(signature_from_config(fields) for fields in evidence.request.scope.signatures)
    recognised = best_recognitions(recognise(evidence, (*extra, *own)))
    causes = (
        *(_cause(groups[found.group], found) for found in recognised.values()),
        *unrecognised_causes(evidence, recognised),
    )
    chain = trace_causes(evidence, causes)
    signature = recognised[chain.root.group].signature if chain.root and chain.root.signature else None

    mismatches = compare_configured(evidence)
    matches = tied_by_constants(_matches(evidence, chain), mismatches)
    ledger = build_ledger(evidence, matches)
    suspects = find_suspects(evidence, matches)
    card = score_layers(evidence, chain, signature, ledger=ledger, suspects=suspects, mismatches=mismatches)

    check = _deciding_check(evidence, chain, signature)
    group = groups[chain.root.group] if chain.root else next(iter(evidence.observations.groups), None)
    if group is not None and not group.failure and not evidence.observations.groups and chain.root is None:
        group = None
    advice = recommend(
        Situation(
            evidence=evidence,
            chain=chain,
            card=card,
            signature=signature,
            group=group,
            ledger=ledger,
            suspects=suspects,
            check=check,
            supposed=_supposed(evidence, signature, group),
            look_again=_look_again(group),
        )
    )
    acts = advice.status not in _NOBODY_ACTS
    return Diagnosis(
        summary=headline(evidence, chain, group, advice.status),
        root=chain.root,
        causes=tuple(cause for cause in chain.ranked if all(cause != no.cause for no in chain.rejected)),
        rejected=(*chain.rejected, *_set_aside(evidence, chain)),
        links=chain.links,
        symptoms=chain.symptoms,
        failure_class=chain.root.failure_class if chain.root else None,
        layer=card.layer,
        component=chain.root.component if chain.root else None,
        owner=card.owner,
        confidence=card.confidence,
        signals=card.signals,
        scores=card.scores,
        ledger=ledger,
        suspects=suspects,
        mismatches=mismatches,
        whys=ask_whys(Judged(evidence, chain, card, signature, suspects, check if acts else None)),
        actions=_actions(evidence, chain, signature) if acts else (),
        recommendation=advice,
    )


_MOST_MATCHED = 40
"""Error groups held against every commit that was read: the root, what follows from it, then the most frequent."""


def _matches(evidence: Evidence, chain: Chain) -> list[Match]:
    history = evidence.history
    first = (chain.root.group, *chain.symptoms) if chain.root else ()
    groups = sorted(evidence.observations.groups, key=lambda g: g.id not in first)[:_MOST_MATCHED]
    return (
        [match for group in groups for match in match_commits(group, history.commits, history)]
        if history.commits
        else []
    )


def tied_by_constants(matches: Sequence[Match], mismatches: Sequence[Mismatch]) -> list[Match]:
    """Matches, in which a fix that sets the very value that the error names is tied to that error, and decides nothing else.

    Words and files need not show it: a commit that raises `8.0 s` belongs to an error that says `8.0 s`.
    """
    out = {(match.sha, match.group): match for match in matches}
    for found in mismatches:
        own = (found.constant.sha,) if found.constant.role in ("fix-before", "fix-after") else ()
        for sha in dict.fromkeys((*own, *found.fixes)):
            key = (sha, found.group)
            known = out.get(key) or Match(*key, 0.0, fits=False, reasons_for=(), reasons_against=())
            out[key] = replace(
                known, score=max(known.score, SUSPECTED), fits=True, reasons_for=(found.claim, *known.reasons_for)
            )
    return list(out.values())


_NOBODY_ACTS = (Status.RESOLVED, Status.NO_FAILURES)


# --- causes -----------------------------------------------------------------------------------------------------------


def best_recognitions(found: Iterable[Recognition]) -> dict[Fingerprint, Recognition]:
    """The one that says most per group; `found` is sorted, strongest first."""
    best: dict[Fingerprint, Recognition] = {}
    for recognition in found:
        best.setdefault(recognition.group, recognition)
    return best


def _cause(group: ErrorGroup, found: Recognition) -> Cause:
    signature = found.signature
    title = signature.said(signature.title)
    claim = Claim(sentence("{} is {}", group.title, title), (EntryRef(group.id), CountRef(group.id)))
    return Cause(
        group=group.id,
        signature=signature.id,
        failure_class=signature.failure_class,
        title=title,
        component=found.component,
        layer=signature.layer,
        owner=signature.owner,
        score=found.strength,
        symptom=signature.symptom,
        claim=claim,
    )


# --- what it is not -----------------------------------------------------------------------------------------------------

_UNREACHED_DATABASE = ("cloud-sql-connection-timeout", "cloud-sql-connection-refused")


def _set_aside(evidence: Evidence, chain: Chain) -> tuple[RejectedCause, ...]:
    """What people suspect first when a database is not reached, where what was read speaks against it."""
    root = chain.root
    if root is None or root.failure_class not in _UNREACHED_DATABASE:
        return ()
    seen = (EntryRef(root.group),)
    group = groups_by_id(evidence)[root.group]
    entry = group.latest
    out: list[RejectedCause] = []
    for result in evidence.probes:
        if result.target.kind is ProbeKind.CLOUD_SQL and result.state is ProbeState.HEALTHY:
            cause = _suspicion(root, "cloud-sql-instance-unavailable", sentence("The database itself is down"))
            throughout = dict(result.facts).get("database/up") == "1 throughout"
            words = sentence("was up all through the window") if throughout else sentence("is up")
            why = sentence("{} {}, read at {}", result.target.name, words, result.read_at)
            out.append(RejectedCause(cause, Claim(why, (ProbeRef(result.target),))))
        if result.target.kind is ProbeKind.VPC_CONNECTOR and result.state is ProbeState.HEALTHY:
            cause = _suspicion(root, "vpc-connector-unavailable", sentence("The VPC connector"))
            why = sentence("{} is ready, read at {}", result.target.name, result.read_at)
            out.append(RejectedCause(cause, Claim(why, (ProbeRef(result.target),))))
    asked = any(result.target.kind is ProbeKind.VPC_CONNECTOR for result in evidence.probes)
    setting = egress_of(evidence, group)
    if entry.resource_type in SERVERLESS and "connector" not in entry.message.lower() and not asked:
        cause = _suspicion(root, "vpc-connector-unavailable", sentence("A VPC connector"))
        if setting is not None and setting.connector is None:
            why = sentence("the service's own setting names none")
            out.append(RejectedCause(cause, Claim(why, (ProbeRef(setting.result.target),))))
        elif setting is None and address_class(group) != "private":
            why = sentence(
                "nothing that was read names one, and neither the socket path nor a public address implies one"
            )
            out.append(RejectedCause(cause, Claim(why, seen, Basis.INFERRED)))
    return tuple(out)


def _suspicion(root: Cause, failure_class: str, title: Sentence) -> Cause:
    claim = Claim(title, (EntryRef(root.group),), Basis.HYPOTHESIS)
    owner = LayerOwner.INFRASTRUCTURE
    return Cause(
        root.group, None, failure_class, title, None, Layer.INFRASTRUCTURE, owner, score=0.0, symptom=False, claim=claim
    )


# --- what would decide it --------------------------------------------------------------------------------------------


def _deciding_check(evidence: Evidence, chain: Chain, signature: Signature | None) -> DecidingCheck | None:
    """The check of the root's signature that can show the supposed cause; a look at the log around it where only that can.

    That is so for a consequence, for a time limit, and for a fault that the program's own code raised.
    """
    groups = groups_by_id(evidence)
    root = chain.root
    group = groups[root.group] if root else next(iter(evidence.observations.groups), None)
    if group is None:
        return None
    around = _read_around(group.latest)
    beside = DecidingCheck(sentence("what the same resource wrote in the minutes before"), around) if around else None
    own = raised_in_own_code(group)
    if root is None or signature is None or root.symptom or own or is_own_limit(group, signature):
        return beside
    causes = likely_causes(signature, evidence, group)
    commands = _filled_checks(signature, group, root)
    if not commands:
        return beside
    part = next((part for word, part in _DECIDES if causes and word in causes[0]), "")
    command = next((command for check, command in commands if part in check), commands[0][1])
    question = (
        sentence("whether it is this: {}", signature.said(causes[0])) if causes else sentence("what is behind it")
    )
    return DecidingCheck(question, command)


def _filled_checks(signature: Signature, group: ErrorGroup, root: Cause) -> list[tuple[str, Redacted]]:
    """Each check with its command, filled from the resource that the message names, else from the component.

    The two differ where a call is refused for want of something else: the call's resource is at fault, the other is looked at.
    """
    message = group.latest.message
    found = (re.search(pattern, message, re.IGNORECASE) for pattern in signature.component)
    named = next((cut(match[1]) for match in found if match and match[1]), root.component)
    labels = group.latest.resource_labels
    return [
        (check, command)
        for check in likely_checks(signature, group)
        if (command := fill_check(check, labels, named)) is not None
    ]


_DECIDES = (
    ("egress", "run services describe"),
    ("NAT", "run services describe"),
    ("role", "get-iam-policy"),
    ("address", "describe"),
    ("instance", "instances describe"),
    ("firewall", "firewall-rules"),
    ("subnet", "subnets"),
)
"""A word of a supposed cause to a part of the command that would show it, first fit; else the signature's first check."""


def _supposed(evidence: Evidence, signature: Signature | None, group: ErrorGroup | None) -> Sentence | None:
    """The likeliest cause of what the signature recognises, as its own words."""
    if signature is None or group is None or signature.symptom:
        return None
    causes = likely_causes(signature, evidence, group)
    return signature.said(causes[0]) if causes else None


_AFTER = timedelta(minutes=1)
_LABEL_VALUE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


def _read_around(sample: Sample) -> Redacted | None:
    """A read of everything that the failing resource logged in the minutes before; None without a project or a plain name."""
    since, until = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (sample.timestamp - NEAR, sample.timestamp + _AFTER))
    keys = ("revision_name", "service_name", "job_name", "function_name", "pod_name", "instance_id", "cluster_name")
    return _read_entries(sample, keys, f'timestamp>="{since}" timestamp<="{until}"')


def _look_again(group: ErrorGroup | None) -> Redacted | None:
    """A read of the failing service's errors since the last failure, on whatever revision."""
    if group is None:
        return None
    keys = ("service_name", "job_name", "function_name", "pod_name", "instance_id", "cluster_name")
    return _read_entries(group.latest, keys, f'severity>=ERROR timestamp>"{group.last_seen:%Y-%m-%dT%H:%M:%SZ}"')


def _read_entries(sample: Sample, keys: Sequence[str], condition: str) -> Redacted | None:
    if sample.project is None or not _LABEL_VALUE.fullmatch(sample.project):
        return None
    for key in keys:
        value = sample.resource_labels.get(key)
        if value and _LABEL_VALUE.fullmatch(value):
            query = f'resource.labels.{key}="{value}" {condition}'
            return cut(f"gcloud logging read '{query}' --project={sample.project} --limit=100")
    return None


def _actions(evidence: Evidence, chain: Chain, signature: Signature | None) -> tuple[RequiredAction, ...]:
    """The checks of the root's signature with the resource's real name, and the probes that could not be read."""
    out: list[RequiredAction] = []
    root = chain.root
    group = groups_by_id(evidence)[root.group] if root is not None else None
    # What the program's own code raises, no look at a resource explains.
    if root is not None and group is not None and signature is not None and not raised_in_own_code(group):
        out += [
            RequiredAction(_what_it_shows(check), command, _already(evidence, command))
            for check, command in _filled_checks(signature, group, root)
        ]
    known = {action.command for action in out}
    for result in evidence.probes:
        unread = result.state in (ProbeState.NO_ACCESS, ProbeState.FAILED, ProbeState.NOT_ASKED)
        if unread and result.target.command not in known:
            claim = Claim(sentence("could not be read by this audit: {}", result.state), (ProbeRef(result.target),))
            out.append(RequiredAction(sentence("Look at {}", result.target.name), result.target.command, claim))
    return tuple(out)


_SHOWS: tuple[tuple[str, LiteralString], ...] = (
    ("sql instances describe", "See the instance's state, addresses and activation policy"),
    ("sql users", "See which database users exist"),
    ("operations list", "See what was done to it, and when"),
    ("run services describe", "See the service's settings: egress, limits, probes, account"),
    ("run revisions describe", "See why the revision is ready or not"),
    ("connectors", "See whether a connector exists and is ready"),
    ("get-iam-policy", "See who may do what"),
    ("service-accounts", "See the accounts and whether they are enabled"),
    ("services list", "See which APIs are on"),
    ("project-info", "See limits and their use"),
    ("regions describe", "See limits and their use"),
    ("firewall-rules", "See what the firewall lets through"),
    ("subnets", "See the ranges and what is left of them"),
    ("routers", "See the routers and their NAT"),
    ("serial-port", "Read the machine's own log"),
    ("kubectl logs", "Read the last lines of the container"),
    ("kubectl", "See what the cluster says of it"),
    ("builds", "Read the build's own log and account"),
    ("backend-services", "See which backends are healthy"),
    ("logging read", "Read the entries around it"),
)
"""Part of a command to what a reader learns from it, first fit."""


def _what_it_shows(check: str) -> Sentence:
    return next((sentence(words) for part, words in _SHOWS if part in check), sentence("See its present state"))


def _already(evidence: Evidence, command: Redacted) -> Claim | None:
    for result in evidence.probes:
        if result.target.command == command:
            text = sentence("{} was {} at {}", result.target.name, result.state, result.read_at)
            return Claim(text, (ProbeRef(result.target),))
    return None


# --- probes -----------------------------------------------------------------------------------------------------------

_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?")
_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]{1,2}")
_ZONE_OR_REGION = re.compile(r"[a-z]+-[a-z]+[0-9]{1,2}(-[a-z])?")
_CONNECTION = re.compile(
    r"(?<![a-z0-9:-])([a-z][a-z0-9-]{4,28}[a-z0-9]):([a-z]+-[a-z]+[0-9]{1,2}):([a-z][a-z0-9-]{0,96}[a-z0-9])(?![a-z0-9:-])"
)
_MOST_TARGETS = 12
"""A bound on what one audit asks, whatever the entries name."""


def wanted_probes(evidence: Evidence) -> tuple[ProbeTarget, ...]:
    """The resources that the failing entries name, each once, database first; health of the platform last.

    So are the databases that a service's own state attaches. A VPC connector is asked only where an entry or the service's
    own state names one by its full name: no socket path and no address implies it. Names that are not plain identifiers are
    passed over.
    """
    targets: dict[tuple[ProbeKind, str], ProbeTarget] = {}

    def want(kind: ProbeKind, name: str, command: str) -> None:
        targets.setdefault((kind, name), ProbeTarget(kind, cut(name), cut(command)))

    projects: list[str] = []
    samples = [s for g in evidence.observations.groups for s in (g.latest, g.first)]
    for sample in samples:
        if sample.project and _PROJECT.fullmatch(sample.project) and sample.project not in projects:
            projects.append(sample.project)
    for sample in samples:
        _want_databases(_instances(sample), want)
    for sample in samples:
        _want_resource(sample, want)
    for result in evidence.probes:
        if result.target.kind is ProbeKind.CLOUD_RUN:
            facts = dict(result.facts)
            _want_databases(_named_instances(facts.get("template.cloudSqlInstance", "")), want)
            _want_connector(facts.get("template.vpcAccess.connector", ""), want)
    for project in projects:
        name = f"projects/{project}/locations/global"
        want(
            ProbeKind.SERVICE_HEALTH,
            name,
            f"gcloud beta service-health events list --project={project} --location=global",
        )
    if projects:
        status = "https://status.cloud.google.com/incidents.json"
        want(ProbeKind.PUBLIC_STATUS, status, f"curl -s {status}")
    return tuple(targets.values())[:_MOST_TARGETS]


_Want = Callable[[ProbeKind, str, str], None]


def _want_databases(instances: Iterable[tuple[str, str]], want: _Want) -> None:
    for project, instance in instances:
        name = f"projects/{project}/instances/{instance}"
        want(ProbeKind.CLOUD_SQL, name, f"gcloud sql instances describe {instance} --project={project}")
        listing = f"gcloud sql operations list --instance={instance} --project={project} --limit=10"
        want(ProbeKind.CLOUD_SQL_OPERATIONS, name, listing)


def _instances(sample: Sample) -> Iterable[tuple[str, str]]:
    """Project and name of each Cloud SQL instance that an entry names."""
    yield from _named_instances(sample.message)
    database = sample.resource_labels.get("database_id", "")
    project, _, instance = database.partition(":")
    if _PROJECT.fullmatch(project) and _NAME.fullmatch(instance):
        yield project, instance


def _named_instances(text: str) -> Iterable[tuple[str, str]]:
    return ((found[1], found[3]) for found in _CONNECTION.finditer(text))


_CONNECTOR = re.compile(
    r"projects/([a-z][a-z0-9-]{4,28}[a-z0-9])/locations/([a-z]+-[a-z]+[0-9]{1,2})/connectors/([a-z][a-z0-9-]*)"
)


def _want_connector(text: str, want: _Want) -> None:
    for found in _CONNECTOR.finditer(text):
        describe = "gcloud compute networks vpc-access connectors describe"
        want(ProbeKind.VPC_CONNECTOR, found[0], f"{describe} {found[3]} --region={found[2]} --project={found[1]}")


_SECRET = re.compile(r"projects/([a-z0-9-]{1,63})/secrets/([A-Za-z0-9_-]{1,255})(?:/versions/([a-z0-9]{1,20}))?")
_QUOTA_OF = re.compile(
    r"\bof service '([a-z][a-z0-9.-]{1,80}\.googleapis\.com)'|\bservice: ?\"?([a-z0-9.-]+\.googleapis\.com)"
)


def _want_secret(sample: Sample, project: str, want: _Want) -> None:
    """A message gives the project by its number, which is taken for the entry's own: a secret of another is not found there."""
    for found in _SECRET.finditer(sample.message):
        owner = found[1] if _PROJECT.fullmatch(found[1]) else project
        version = found[3] or "latest"
        name = f"projects/{owner}/secrets/{found[2]}/versions/{version}"
        want(
            ProbeKind.SECRET, name, f"gcloud secrets versions describe {version} --secret={found[2]} --project={owner}"
        )


def _want_quota(sample: Sample, project: str, want: _Want) -> None:
    if "quota" not in sample.message.lower():
        return
    for found in _QUOTA_OF.finditer(sample.message):
        api = found[1] or found[2]
        command = f"gcloud alpha services quota list --service={api} --consumer=projects/{project}"
        want(ProbeKind.QUOTA, f"projects/{project}/services/{api}", command)


def _want_resource(sample: Sample, want: _Want) -> None:
    labels, project = sample.resource_labels, sample.project
    _want_connector(sample.message, want)
    if project is None or not _PROJECT.fullmatch(project):
        return
    location = labels.get("location", "")
    service = labels.get("service_name", "")
    if sample.resource_type == "cloud_run_revision" and _NAME.fullmatch(service) and _REGION.fullmatch(location):
        command = f"gcloud run services describe {service} --region={location} --project={project}"
        want(ProbeKind.CLOUD_RUN, f"projects/{project}/locations/{location}/services/{service}", command)
    job = labels.get("job_name", "")
    if sample.resource_type == "cloud_run_job" and _NAME.fullmatch(job) and _REGION.fullmatch(location):
        command = f"gcloud run jobs describe {job} --region={location} --project={project}"
        want(ProbeKind.CLOUD_RUN_JOB, f"projects/{project}/locations/{location}/jobs/{job}", command)
    _want_secret(sample, project, want)
    _want_quota(sample, project, want)
    cluster = labels.get("cluster_name", "")
    if _NAME.fullmatch(cluster) and _ZONE_OR_REGION.fullmatch(location):
        command = f"gcloud container clusters describe {cluster} --location={location} --project={project}"
        want(ProbeKind.GKE_CLUSTER, f"projects/{project}/locations/{location}/clusters/{cluster}", command)
    instance, region = labels.get("instance_id", "").rpartition("/")[2], labels.get("region", "")
    if sample.resource_type == "redis_instance" and _NAME.fullmatch(instance) and _REGION.fullmatch(region):
        command = f"gcloud redis instances describe {instance} --region={region} --project={project}"
        want(ProbeKind.REDIS, f"projects/{project}/locations/{region}/instances/{instance}", command)

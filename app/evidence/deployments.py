"""Which commit runs in which revision, since when, and whether it serves.

Owns the reading of audit entries as deployments and the putting together of every signal about a revision. Leaves to
`history.confirm_commits` whether the repository has the claimed commits, and to `diagnosis/` what follows from it.

Order of trust for a commit: the revision's own label, the label in the audit entry of its deployment, the label of its log
entries, the tag of its image, a GitHub deployment that was under way when it was made (asked only where none of these tells),
what the operator states. Claims that disagree are all kept: then the commit is not known.
Order of trust for traffic: the platform's API (in a cluster, which has no split of traffic: the version that alone has pods),
the newest audit entry or event that tells traffic, then inference from requests, then from entries.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from app.evidence.model import (
    AuditCall,
    CommitClaim,
    CommitSha,
    CommitSource,
    DeployEvent,
    DeployKind,
    Exposure,
    Involved,
    LiveRevision,
    LogEntry,
    Observations,
    Revision,
    RevisionName,
    Sample,
    ServiceName,
    Window,
)
from app.evidence.workloads import of_object, of_path
from app.redact import Redacted, cut, cut_name

_TRUST = tuple(CommitSource)
_SHA = re.compile(r"[0-9a-f]{7,40}\Z")
_TAG = re.compile(r"(?:sha-|git-|commit-)?([0-9a-f]{7,40})\Z")
_OF_REVISION = re.compile(r"\bRevision '?([a-z0-9][a-z0-9.-]*[a-z0-9])'?")
_DEPLOYS = re.compile(r"\b(?:Create|Replace|Update)(?:(?:Internal)?Service|Job|Function)\Z", re.IGNORECASE)
_ROLLS_OUT = re.compile(
    r"io\.k8s\.apps\.v1\.(?:(?:deployments|statefulsets|daemonsets)\.(?:create|update|patch)|replicasets\.create)\Z"
)
_SCALED = re.compile(
    r"[Ss]caled (?:up|down) replica set ([a-z0-9][a-z0-9.-]*)(?: from (\d+))? to (\d+)(?: from (\d+))?"
)
_PULLED = re.compile(r'[Ii]mage "([^"\s]{1,512})"')
_TRAFFIC_PLACE = re.compile(r"(?:(status|spec)\.)?(traffic|trafficStatuses)\.(\d+)\.(\w+)\Z")
_STOPPED_BELOW = 0.01
_RECENT_MINUTES = 60
_ROLLS_OUT_WITHIN = timedelta(minutes=10)
"""How long a cluster usually takes to replace the pods of a workload; also its own limit for calling that stuck."""


# --- one audit entry --------------------------------------------------------------------------------------------------


def may_deploy(method: str) -> bool:
    """Whether calls of that method make, replace or update what runs."""
    return _DEPLOYS.search(method) is not None or _ROLLS_OUT.match(method) is not None


def tells_of_rollout(involved: Involved) -> bool:
    """Whether an event of Kubernetes is one that `deploy_events` reads."""
    return involved.reason in ("ScalingReplicaSet", "Pulled")


def deploy_events(entries: Sequence[tuple[LogEntry, Sample]]) -> tuple[DeployEvent, ...]:
    """What audit entries and events of clusters, oldest first, say about deployments, in that order.

    Only together do events of a cluster tell a rollout: that a version grows from nothing begins one, and that it is the only
    one left with pods ends it. An older version that grows again is a rollback, and reads the same. Pods that merely become
    more or fewer are no deployment.
    """
    images = _images(entry for entry, _ in entries)
    sizes: dict[tuple[str, ...], _Sizes] = {}
    out: list[DeployEvent] = []
    for entry, sample in entries:
        if entry.involved is not None:
            place = tuple(entry.resource_labels.get(key, "") for key in ("project_id", "location", "cluster_name"))
            out += _scaled(entry, sample, sizes.setdefault((*place, entry.involved.name), _Sizes()), images)
        elif event := deploy_event(entry, sample):
            out.append(event)
    return tuple(out)


@dataclass(slots=True)
class _Sizes:
    """Pods of each version of one workload, as far as events told, and which was the only one left last."""

    pods: dict[str, int] = field(default_factory=dict[str, int])
    alone: str | None = None


def _scaled(
    entry: LogEntry, sample: Sample, known: _Sizes, images: Mapping[RevisionName, CommitClaim]
) -> list[DeployEvent]:
    """Begin and end of a rollout by a `ScalingReplicaSet` event; empty for any other."""
    found = _SCALED.search(entry.message)
    if found is None or entry.involved is None or entry.involved.reason != "ScalingReplicaSet":
        return []
    workload = of_object("ReplicaSet", found[1])
    if workload is None or workload.version is None:
        return []
    service, version, told = ServiceName(cut_name(workload.name)), cut_name(workload.version), found[2] or found[4]
    before, now = known.pods.get(version, None if told is None else int(told)), int(found[3])
    known.pods[version] = now
    running = [name for name, pods in known.pods.items() if pods]

    def event(kind: DeployKind, of: str, traffic: Mapping[RevisionName, int]) -> DeployEvent:
        name = RevisionName(f"{service}@{of}")
        return DeployEvent(kind, entry.timestamp, service, name, images.get(name), traffic, None, sample)

    out: list[DeployEvent] = []
    if before == 0 and now:
        out.append(event(DeployKind.CALLED, version, {}))
    if len(running) == 1 and len(known.pods) > 1 and running[0] != known.alone:
        known.alone = running[0]
        out.append(event(DeployKind.TRAFFIC, known.alone, {RevisionName(f"{service}@{known.alone}"): 100}))
    return out


def _images(entries: Iterable[LogEntry]) -> dict[RevisionName, CommitClaim]:
    """The commit that is the tag of the image which pods of a version pulled; where tags differ, as those of a container and
    its sidecar may, none is taken.
    """
    claims: dict[RevisionName, set[CommitClaim]] = {}
    for entry in entries:
        name = entry.revision
        if name is None or entry.involved is None or entry.involved.reason != "Pulled":
            continue
        found = _PULLED.search(entry.message)
        if claim := image_claim(found[1] if found else None):
            claims.setdefault(name, set()).add(claim)
    return {name: next(iter(found)) for name, found in claims.items() if len(found) == 1}


def deploy_event(entry: LogEntry, sample: Sample) -> DeployEvent | None:
    """What an audit entry says about a deployment of a service, job, function or workload of a cluster; None when it is
    about another thing.

    The call (`activity`) tells who asked for what, the platform's own entry (`system_event`) tells whether the revision
    became ready. The second half of a long-running call repeats the first and counts only for what it adds.
    """
    audit = entry.audit
    if audit is not None and _ROLLS_OUT.match(audit.method):
        return _rollout(entry, audit, sample)
    if audit is None or not _DEPLOYS.search(audit.method):
        return None
    facts = audit.facts
    service = _service_of(entry, audit)
    if service is None:
        return None
    revision = _revision_of(entry, audit)
    traffic = _traffic_of(facts)
    ready = facts.get("status.conditions.Ready.status") or _v2_ready(facts)
    message = facts.get("status.conditions.Ready.message") or audit.status_message
    reason = cut(message) if message else None
    if audit.status_code != 0 or ready == "False":
        kind = DeployKind.FAILED
    elif entry.log_id.endswith("system_event"):
        kind = DeployKind.READY
    elif audit.last and not audit.first:
        if not traffic and ready != "True":
            return None
        kind = DeployKind.TRAFFIC if traffic else DeployKind.READY
    else:
        kind = DeployKind.CALLED
        # What a call asks for is not yet so: its traffic becomes true with the platform's answer.
        traffic = {} if audit.first else traffic
    return DeployEvent(
        kind, entry.timestamp, service, revision, _commit_of(facts, CommitSource.AUDIT_ENTRY), traffic, reason, sample
    )


def _rollout(entry: LogEntry, audit: AuditCall, sample: Sample) -> DeployEvent | None:
    """A workload of a cluster, where the call concerns its pods. Only a new replica set tells the hash that the entries of
    its pods bear; which revision another call leads to is not told."""
    facts = audit.facts
    workload = of_path(audit.resource_name)
    if workload is None or "spec.template.spec.containers.0.name" not in facts:
        return None
    name = cut_name(workload.name)
    version = facts.get("spec.template.metadata.labels.pod-template-hash") or workload.version
    revision = RevisionName(f"{name}@{cut_name(version)}") if version and ".replicasets." in audit.method else None
    kind = DeployKind.CALLED if audit.status_code == 0 else DeployKind.FAILED
    reason = cut(audit.status_message) if audit.status_message else None
    claim = _commit_of(facts, CommitSource.AUDIT_ENTRY)
    return DeployEvent(kind, entry.timestamp, ServiceName(name), revision, claim, {}, reason, sample)


def _service_of(entry: LogEntry, audit: AuditCall) -> ServiceName | None:
    if entry.service:
        return entry.service
    for kind in ("/services/", "/jobs/", "/functions/"):
        _, found, name = audit.resource_name.rpartition(kind)
        if found and name:
            return ServiceName(cut_name(name.partition("/")[0]))
    if name := audit.facts.get("metadata.labels.serving.knative.dev/service"):
        return ServiceName(cut_name(name))
    return None


def _revision_of(entry: LogEntry, audit: AuditCall) -> RevisionName | None:
    facts = audit.facts
    for name in (
        entry.resource_labels.get("revision_name"),
        facts.get("spec.template.metadata.name"),
        facts.get("template.revision"),
        facts.get("status.latestCreatedRevisionName"),
        facts.get("latestCreatedRevision"),
    ):
        if name:
            return RevisionName(cut_name(name.rpartition("/")[2]))
    found = _OF_REVISION.search(audit.status_message)
    return RevisionName(found[1]) if found else None


def _v2_ready(facts: Mapping[str, str]) -> str | None:
    match facts.get("terminalCondition.state"):
        case "CONDITION_SUCCEEDED":
            return "True"
        case "CONDITION_FAILED":
            return "False"
        case _:
            return None


def _traffic_of(facts: Mapping[str, str]) -> dict[RevisionName, int]:
    """Percent by revision; what is told of the state wins over what was asked for. Targets of 0 % (tags) are left out."""
    told: dict[tuple[int, str], dict[str, str]] = {}
    for key, value in facts.items():
        if found := _TRAFFIC_PLACE.match(key):
            state = 0 if found[1] == "status" or found[2] == "trafficStatuses" else 1
            told.setdefault((state, found[3]), {})[found[4]] = value
    if not told:
        return {}
    best = min(state for state, _ in told)
    latest = facts.get("status.latestReadyRevisionName") or facts.get("latestReadyRevision") or ""
    traffic: dict[RevisionName, int] = {}
    for (state, _), target in sorted(told.items()):
        if state != best:
            continue
        name = target.get("revisionName") or target.get("revision")
        if not name and (target.get("latestRevision") == "true" or target.get("type", "").endswith("LATEST")):
            name = latest
        percent = target.get("percent", "0")
        if name and percent.isdigit() and int(percent):
            revision = RevisionName(cut_name(name.rpartition("/")[2]))
            traffic[revision] = traffic.get(revision, 0) + int(percent)
    return traffic


def _commit_of(facts: Mapping[str, str], source: CommitSource) -> CommitClaim | None:
    """The template's label is the revision's; the service's own may be older or newer and comes second; then the image."""
    for key in (
        "spec.template.metadata.labels.commit-sha",
        "template.labels.commit-sha",
        "metadata.labels.commit-sha",
        "labels.commit-sha",
    ):
        if claim := commit_claim(facts.get(key), source):
            return claim
    for key in (
        "spec.template.spec.containers.0.image",
        "template.containers.0.image",
        "spec.containers.0.image",
        "spec.template.spec.template.spec.containers.0.image",
        "template.template.containers.0.image",
    ):
        if claim := image_claim(facts.get(key)):
            return claim
    return None


def commit_claim(text: str | None, source: CommitSource) -> CommitClaim | None:
    """A label's text as a claim, perhaps a short id; None when it is no commit id."""
    value = (text or "").strip().lower()
    return CommitClaim(CommitSha(value), source) if _SHA.match(value) else None


def image_claim(image: str | None) -> CommitClaim | None:
    """A commit id used as an image's tag. Tags of digits alone are dates or build numbers; a digest is no commit."""
    name = (image or "").partition("@")[0].rpartition("/")[2]
    found = _TAG.match(name.partition(":")[2].lower())
    if found is None or (found[1].isdigit() and len(found[1]) < 40):
        return None
    return CommitClaim(CommitSha(found[1]), CommitSource.IMAGE_TAG)


# --- all that is known of each revision -------------------------------------------------------------------------------


@dataclass(slots=True)
class _Known:
    """What was gathered about one revision so far."""

    name: RevisionName
    service: ServiceName
    commits: list[CommitClaim] = field(default_factory=list[CommitClaim])
    events: list[DeployEvent] = field(default_factory=list[DeployEvent])
    live: LiveRevision | None = None
    exposure: Exposure | None = None
    first_entry: datetime | None = None
    last_entry: datetime | None = None


def assemble_revisions(
    observations: Observations,
    live: Sequence[LiveRevision],
    operator_claims: Mapping[RevisionName, str],
    window: Window,
) -> tuple[Revision, ...]:
    """Every revision that any source names, by service and the time it began; `operator_claims` may hold short ids."""
    known = _gather(observations, live)
    for (_, name), revision in known.items():
        if claim := commit_claim(operator_claims.get(name), CommitSource.OPERATOR):
            revision.commits.append(claim)
    by_service: dict[ServiceName, list[_Known]] = {}
    for revision in known.values():
        by_service.setdefault(revision.service, []).append(revision)
    out: list[Revision] = []
    for service in sorted(by_service):
        out += _of_service(by_service[service], observations.deploys, window)
    return tuple(out)


def _gather(observations: Observations, live: Sequence[LiveRevision]) -> dict[tuple[ServiceName, RevisionName], _Known]:
    known: dict[tuple[ServiceName, RevisionName], _Known] = {}

    def at(service: ServiceName, name: RevisionName) -> _Known:
        return known.setdefault((service, name), _Known(name, service))

    for revision in live:
        entry = at(revision.service, revision.name)
        entry.live = revision
        entry.commits += revision.commits
    for event in sorted(observations.deploys, key=lambda event: (event.at, event.sample.insert_id)):
        if event.revision is not None:
            entry = at(event.service, event.revision)
            entry.events.append(event)
            if event.commit is not None:
                entry.commits.append(event.commit)
        for name in sorted(event.traffic):
            at(event.service, name)
    for exposure in observations.exposure:
        entry = at(exposure.service, exposure.revision)
        entry.exposure = exposure
        _saw(entry, exposure.first_seen, exposure.last_seen)
        if claim := commit_claim(exposure.commit, CommitSource.ENTRY_LABEL):
            entry.commits.append(claim)
    for group in observations.groups + observations.notices:
        for count in group.per_revision:
            if count.service is not None and count.revision is not None:
                _saw(at(count.service, count.revision), count.first_seen, count.last_seen)
    return known


def _saw(entry: _Known, first: datetime, last: datetime) -> None:
    entry.first_entry = first if entry.first_entry is None else min(entry.first_entry, first)
    entry.last_entry = last if entry.last_entry is None else max(entry.last_entry, last)


def _of_service(revisions: Sequence[_Known], deploys: Sequence[DeployEvent], window: Window) -> list[Revision]:
    service = revisions[0].service
    changes = sorted(
        ((event.at, event.traffic) for event in deploys if event.service == service and event.traffic),
        key=lambda change: change[0],
    )
    percent, since, told = _told_traffic(revisions, changes)
    undisturbed = told and not changes
    inferred = {} if told else _inferred_serving([r for r in revisions if not _is_gone(r)])
    out: list[Revision] = []
    for entry in revisions:
        requests = _first_minute(entry.exposure.requests) if entry.exposure else None
        serving = percent.get(entry.name, 0) > 0 if told else False if _is_gone(entry) else inferred.get(entry.name)
        serving_since = since.get(entry.name)
        serving_inferred = serving_since is None or not told
        ready, reason = _readiness(entry)
        created = entry.live.created_at if entry.live else None
        if created is None and entry.events:
            created = entry.events[0].at
        if serving_since is None and undisturbed and serving:
            # Nobody shifted traffic in the window, so it was there from the start, or since it was made.
            serving_since = max(window.start, created or window.start)
        elif serving_since is None and (requests or (serving and not told)):
            serving_since = requests or entry.first_entry
        if serving_since is None and "@" in entry.name and ready is not False:
            # A pod that writes has its share of the requests of its workload, which a cluster does not log.
            serving_since = entry.first_entry
        out.append(
            Revision(
                entry.name,
                service,
                _in_order_of_trust(entry.commits),
                created,
                ready,
                reason,
                serving,
                serving_since,
                serving_inferred,
                percent.get(entry.name, 0) if told else None,
                _evidence(entry),
            )
        )
    far = window.end
    return sorted(out, key=lambda r: (r.serving_since or r.created_at or far, r.name))


def _told_traffic(
    revisions: Sequence[_Known], changes: Sequence[tuple[datetime, Mapping[RevisionName, int]]]
) -> tuple[dict[RevisionName, int], dict[RevisionName, datetime], bool]:
    """Percent now, when each revision first took traffic as told, and whether anybody told the percent."""
    since: dict[RevisionName, datetime] = {}
    for at, traffic in changes:
        for name in traffic:
            since.setdefault(name, at)
    live = {r.name: r.live.traffic_percent for r in revisions if r.live and r.live.traffic_percent is not None}
    if live:
        return live, since, True
    running = [r.name for r in revisions if r.live and r.live.instances]
    if len(running) == 1:
        return {running[0]: 100}, since, True  # what alone has instances takes whatever there is
    if running:
        return {}, since, False
    if changes:
        return dict(changes[-1][1]), since, True
    return {}, since, False


def _is_gone(entry: _Known) -> bool:
    """Whether its platform tells that no instance of it runs."""
    return entry.live is not None and entry.live.instances == 0


def _inferred_serving(revisions: Sequence[_Known]) -> dict[RevisionName, bool]:
    """Who serves at the end, worked out from requests, or from entries where no requests were logged.

    By requests: a revision has stopped when so many requests went to others after its last one that, at its share of
    the traffic in the hour before, this would happen by chance in less than 1 %. By entries: the one whose first entry is
    the newest serves; whether the others still do is not told, for old revisions go on logging without traffic. In a cluster
    what still writes still has pods, and then it is not told which one serves.
    """
    requests: dict[RevisionName, Mapping[int, int]] = {
        r.name: r.exposure.requests for r in revisions if r.exposure and r.exposure.requests
    }
    if requests:
        return {name: serves for name in requests if (serves := _serves(name, requests)) is not None} | {
            r.name: False for r in revisions if r.name not in requests and r.events and _readiness(r)[0] is False
        }
    began = {r.name: at for r in revisions if (at := _began(r)) is not None and _readiness(r)[0] is not False}
    if not began:
        return {}
    newest = max(began, key=lambda name: (began[name], name))
    overdue = began[newest] + _ROLLS_OUT_WITHIN
    if any("@" in r.name and r.name != newest and r.last_entry and r.last_entry > overdue for r in revisions):
        return {}  # pods of an older version still write, so the rollout hangs or was taken back
    return {newest: True}


def _began(entry: _Known) -> datetime | None:
    ready = [event.at for event in entry.events if event.kind is DeployKind.READY]
    return max(ready, default=entry.first_entry)


def _serves(name: RevisionName, requests: Mapping[RevisionName, Mapping[int, int]]) -> bool | None:
    """None: others took over after its last request, but too few requests tell whether that was a change or chance."""
    own = requests[name]
    last = max(own)
    recent = range(max(min(own), last - _RECENT_MINUTES), last + 1)
    # The last request itself says nothing: there always is a last one.
    took = sum(own.get(minute, 0) for minute in recent) - 1
    others = [counts for other, counts in requests.items() if other != name]
    beside = sum(counts.get(minute, 0) for counts in others for minute in recent)
    later = sum(count for counts in others for minute, count in counts.items() if minute > last)
    if later and _passed_by(took, beside, later) < _STOPPED_BELOW:
        return False
    return None if any(min(counts) > last for counts in others) else True


def _passed_by(took: int, beside: int, later: int) -> float:
    """Chance that none of `later` requests comes to a revision that took `took` while others took `beside`, averaged over
    the shares of the traffic that these counts leave open."""
    a, b = took + 0.5, beside + 0.5
    return math.exp(math.lgamma(b + later) + math.lgamma(a + b) - math.lgamma(b) - math.lgamma(a + b + later))


def _first_minute(counts: Mapping[int, int]) -> datetime | None:
    return datetime.fromtimestamp(min(counts) * 60, UTC) if counts else None


def _readiness(entry: _Known) -> tuple[bool | None, Redacted | None]:
    if entry.live and entry.live.ready is not None:
        return entry.live.ready, entry.live.ready_reason
    for event in reversed(entry.events):
        if event.kind is DeployKind.READY:
            return True, event.reason
        if event.kind is DeployKind.FAILED:
            return False, event.reason
    return None, None


def _in_order_of_trust(claims: Iterable[CommitClaim]) -> tuple[CommitClaim, ...]:
    """Each claim once, most trusted first."""
    unique = {(claim.sha, claim.source): claim for claim in claims}
    return tuple(sorted(unique.values(), key=lambda claim: (_TRUST.index(claim.source), claim.sha)))


def _evidence(entry: _Known) -> tuple[Sample, ...]:
    return tuple(event.sample for event in entry.events)

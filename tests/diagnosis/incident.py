"""Groups and evidence with defaults, for tests of the judgement: a test names only what matters to it."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from app.diagnosis.model import Cause, Claim, EntryRef, Layer, sentence
from app.evidence.model import (
    AuditCall,
    ErrorGroup,
    Evidence,
    Exposure,
    Fingerprint,
    Gap,
    GroupKind,
    HistoryFacts,
    HttpRequest,
    Observations,
    PayloadField,
    ProbeResult,
    Reading,
    Request,
    Revision,
    RevisionCount,
    RevisionName,
    Sample,
    Scope,
    ServiceName,
    Severity,
    StackTrace,
    Window,
)
from app.redact import cut
from benchmarks.diagnose import evidence_of

START = datetime(2026, 3, 2, 14, 0, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(hours=1))


def at(minute: float) -> datetime:
    """That many minutes into the window."""
    return START + timedelta(minutes=minute)


def sample(
    message: str,
    *,
    minute: float = 5,
    service: str = "shop",
    revision: str | None = "shop-00002-abc",
    instance: str | None = None,
    trace: str | None = None,
    resource_type: str = "cloud_run_revision",
    labels: Mapping[str, str] | None = None,
    log_id: str = "run.googleapis.com/stderr",
    severity: Severity = Severity.ERROR,
    audit: AuditCall | None = None,
    http: HttpRequest | None = None,
) -> Sample:
    if labels is None:
        labels = {"service_name": service, "location": "europe-west1", "project_id": "demo-shop"}
    return Sample(
        insert_id=f"i-{minute}",
        timestamp=at(minute),
        severity=severity,
        log_id=log_id,
        project="demo-shop",
        resource_type=resource_type,
        resource_labels={key: cut(value) for key, value in labels.items()},
        service=ServiceName(service),
        revision=RevisionName(revision) if revision else None,
        instance=instance,
        field=PayloadField.PROTO if audit else PayloadField.TEXT,
        message=cut(message),
        logger=None,
        location=None,
        http=http,
        audit=audit,
        origin="logs.jsonl:1",
        trace=trace,
    )


def group(
    name: str,
    message: str,
    *,
    count: int = 1,
    kind: GroupKind = GroupKind.MESSAGE,
    failure: bool = True,
    last: float | None = None,
    minutes: Sequence[int] = (),
    stack: StackTrace | None = None,
    **kept: Any,
) -> ErrorGroup:
    """A group named by one letter or word; `last` is the minute of its newest entry, `minutes` are those it failed in."""
    if minutes:
        kept["minute"], last, count = minutes[0], minutes[-1], len(minutes)
    first = sample(message, **kept)
    latest = sample(message, **{**kept, "minute": last}) if last is not None else first
    revision = RevisionCount(first.service, first.revision, count, first.timestamp, latest.timestamp)
    return ErrorGroup(
        id=fingerprint(name),
        kind=kind,
        failure=failure,
        title=cut(message.partition("\n")[0][:120]),
        template=cut(message),
        severity=first.severity,
        count=count,
        entries=count,
        first_seen=first.timestamp,
        last_seen=latest.timestamp,
        per_minute={int(at(m).timestamp()) // 60: 1 for m in minutes}
        or {int(first.timestamp.timestamp()) // 60: count},
        per_revision=(revision,),
        services=(first.service,) if first.service else (),
        instances=1,
        first=first,
        latest=latest,
        trace=stack,
    )


def fingerprint(name: str) -> Fingerprint:
    return Fingerprint("g1-" + name.encode().hex().ljust(12, "0")[:12])


def evidence(
    *groups: ErrorGroup,
    notices: Sequence[ErrorGroup] = (),
    exposure: Sequence[Exposure] = (),
    revisions: Sequence[Revision] = (),
    probes: Sequence[ProbeResult] = (),
    gaps: Sequence[Gap] = (),
    entries: int = 100,
    request: Request | None = None,
    **more: Any,
) -> Evidence:
    """`more` replaces fields of the observations (`deploys`) and of the evidence (`onset`, `history`, `readings`)."""
    observed = Observations(
        groups=groups,
        notices=tuple(notices),
        exposure=tuple(exposure),
        deploys=tuple(more.pop("deploys", ())),
        entries=entries,
        first_entry=START if entries else None,
        last_entry=at(59) if entries else None,
    )
    return Evidence(
        request=request or Request(window=WINDOW, now=at(60), scope=Scope()),
        window=WINDOW,
        observations=observed,
        readings=more.pop("readings", (Reading("logs", "severity>=ERROR", WINDOW, entries, 1),)),
        onset=more.pop("onset", None),
        revisions=tuple(revisions),
        history=more.pop("history", HistoryFacts()),
        probes=tuple(probes),
        gaps=tuple(gaps),
    )


def cause(
    of: ErrorGroup,
    failure_class: str,
    *,
    score: float = 0.95,
    symptom: bool = False,
    layer: Layer = Layer.APPLICATION,
    component: str | None = None,
    **more: Any,
) -> Cause:
    return Cause(
        group=of.id,
        signature=None,
        failure_class=failure_class,
        title=sentence("a known failure"),
        component=cut(component) if component else None,
        layer=layer,
        owner=more.get("owner"),
        score=score,
        symptom=symptom,
        claim=Claim(sentence("it is known"), (EntryRef(of.id),)),
    )


def line(message: str, *, minute: float = 5, service: str = "shop", **fields: Any) -> dict[str, Any]:
    """A container line as `gcloud logging read --format=json` prints it."""
    return {
        "insertId": f"x{minute}{message[:12]}",
        "timestamp": at(minute).isoformat(),
        "severity": "ERROR",
        "resource": {
            "type": "cloud_run_revision",
            "labels": {
                "project_id": "demo-shop",
                "location": "europe-west1",
                "service_name": service,
                "revision_name": f"{service}-00002-abc",
            },
        },
        "logName": "projects/demo-shop/logs/run.googleapis.com%2Fstderr",
        "textPayload": message,
        **fields,
    }


def platform_line(message: str, **fields: Any) -> dict[str, Any]:
    return line(message, logName="projects/demo-shop/logs/run.googleapis.com%2Fvarlog%2Fsystem", **fields)


def read(*entries: Mapping[str, Any], title: str | None = None) -> Evidence:
    """What an audit of these entries holds, by the way they take in the product."""
    case = {"id": "case", "entries": entries, "issue_title": title}
    return evidence_of(case)

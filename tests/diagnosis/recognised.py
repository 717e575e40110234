"""Builders with defaults for what recognition reads: one sample, one group, evidence around it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from app.diagnosis.recognise import recognise
from app.diagnosis.signatures.model import Signature
from app.evidence.model import (
    AuditCall,
    ErrorGroup,
    Evidence,
    Fingerprint,
    GroupKind,
    HistoryFacts,
    HttpRequest,
    Observations,
    PayloadField,
    Request,
    Sample,
    Severity,
    StackTrace,
    Window,
)
from app.redact import cut

AT = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def sample_of(message: str, **changes: object) -> Sample:
    """A line of a Cloud Run service's standard error, unless `changes` say otherwise."""
    sample = Sample(
        insert_id="i1",
        timestamp=AT,
        severity=Severity.ERROR,
        log_id="run.googleapis.com/stderr",
        project="shop-prod",
        resource_type="cloud_run_revision",
        resource_labels={},
        service=None,
        revision=None,
        instance=None,
        field=PayloadField.TEXT,
        message=cut(message),
        logger=None,
        location=None,
        http=None,
        audit=None,
        origin="test",
    )
    return replace(sample, **changes)  # pyright: ignore[reportArgumentType]


def audit_of(status_message: str, *, code: int = 9, method: str = "google.test.v1.Create", name: str = "") -> AuditCall:
    return AuditCall("test.googleapis.com", method, name, code, status_message, {}, first=False, last=True)


def sample_for(signature: Signature, message: str) -> Sample:
    """`message` in the envelope that `signature` asks for."""
    when = signature.when
    field = when.fields[0] if when.fields else PayloadField.TEXT
    audit = None
    if when.methods or when.codes or when.api_answer or field is PayloadField.PROTO:
        method = f"google.test.{when.methods[0]}" if when.methods else "google.test.v1.Create"
        audit = audit_of(message, code=when.codes[0] if when.codes else 9, method=method)
    return sample_of(
        message,
        field=PayloadField.PROTO if audit else field,
        resource_type=when.resources[0] if when.resources else "cloud_run_revision",
        log_id=f"x/{when.logs[0]}" if when.logs else "run.googleapis.com/stderr",
        http=HttpRequest("GET", when.statuses[0], "/", None) if when.statuses else None,
        audit=audit,
    )


def group_of(
    sample: Sample,
    *,
    first: Sample | None = None,
    failure: bool = True,
    trace: StackTrace | None = None,
    name: str = "g1-000000000001",
    count: int = 1,
) -> ErrorGroup:
    return ErrorGroup(
        id=Fingerprint(name),
        kind=GroupKind.MESSAGE,
        failure=failure,
        title=sample.message,
        template=sample.message,
        severity=sample.severity,
        count=count,
        entries=count,
        first_seen=AT,
        last_seen=AT,
        per_minute={},
        per_revision=(),
        services=(),
        instances=1,
        first=first or sample,
        latest=sample,
        trace=trace,
    )


def evidence_of(*shown: Sample | ErrorGroup) -> Evidence:
    """Evidence whose groups are `shown`; a bare sample is a failure group of its own."""
    groups = tuple(x if isinstance(x, ErrorGroup) else group_of(x, name=f"g1-{n:012x}") for n, x in enumerate(shown))
    window = Window(AT - timedelta(hours=1), AT + timedelta(hours=1))
    observations = Observations(
        groups=tuple(g for g in groups if g.failure),
        notices=tuple(g for g in groups if not g.failure),
        exposure=(),
        deploys=(),
        entries=len(groups),
        first_entry=AT,
        last_entry=AT,
    )
    return Evidence(Request(window, AT), window, observations, (), None, (), HistoryFacts(), (), ())


def seen(sample: Sample) -> set[str]:
    """Ids of the signatures that a sample shows."""
    return {recognition.signature.id for recognition in recognise(evidence_of(sample))}

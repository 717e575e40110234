"""Evidence and diagnosis with defaults, in the shape of an incident: starts that fail at the database's front door."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from app.diagnosis.model import (
    Basis,
    CausalLink,
    Cause,
    Claim,
    CommitRef,
    CompareRef,
    Confidence,
    ConfigRef,
    CountRef,
    DecidingCheck,
    DeveloperAction,
    Diagnosis,
    EntryRef,
    ExposureRef,
    FileRef,
    FixVerdict,
    IssueTextRef,
    Layer,
    LayerScore,
    LedgerRow,
    LinkKind,
    Mismatch,
    Priority,
    ProbeRef,
    ReadingRef,
    Recommendation,
    RejectedCause,
    RequiredAction,
    RevisionRef,
    Sentence,
    Signal,
    Status,
    Suspect,
    Why,
    sentence,
)
from app.evidence.model import (
    CodeExcerpt,
    Commit,
    CommitClaim,
    CommitSha,
    CommitSource,
    ConfigLine,
    Constant,
    Containment,
    ContainmentFact,
    DeployEvent,
    DeployKind,
    ErrorGroup,
    Evidence,
    ExceptionInfo,
    Exposure,
    Fingerprint,
    FixCandidate,
    FixOrigin,
    Frame,
    FrameSource,
    Gap,
    GroupKind,
    HistoryFacts,
    IssueRef,
    Language,
    LayerOwner,
    LineBlame,
    Observations,
    Onset,
    PayloadField,
    ProbeKind,
    ProbeResult,
    ProbeState,
    ProbeTarget,
    Reading,
    Request,
    Revision,
    RevisionCount,
    RevisionName,
    Sample,
    Scope,
    ServiceName,
    Severity,
    SourceLocation,
    StackTrace,
    Window,
)
from app.redact import Redacted

START = datetime(2025, 9, 15, 14, 0, tzinfo=UTC)
END = START + timedelta(minutes=48)
SERVICE = ServiceName("netra-service")
REVISION = RevisionName("netra-service-00041-abc")
OLD_REVISION = RevisionName("netra-service-00039-xyz")
RUNNING = CommitSha("a1b2c3d4e5f60718293a4b5c6d7e8f9001122334")
FIX = CommitSha("dc00869521a2b3c4d5e6f708192a3b4c5d6e7f80")
OTHER_FIX = CommitSha("99c5087ca1b2c3d4e5f60718293a4b5c6d7e8f90")
DATABASE = Redacted("netra-staging:us-central1:staging-shared-postgres")
DIAL = Fingerprint("g1-000000000d1a")
TIMEOUT = Fingerprint("g1-00000000711e")
EXIT = Fingerprint("g1-00000000e817")
WEB = "https://github.com/netra/apex"
SQL = ProbeTarget(
    ProbeKind.CLOUD_SQL,
    Redacted("projects/netra-staging/instances/staging-shared-postgres"),
    Redacted("gcloud sql instances describe staging-shared-postgres --project=netra-staging"),
)
CONNECTOR = ProbeTarget(
    ProbeKind.VPC_CONNECTOR,
    Redacted("projects/netra-staging/locations/us-central1/connectors/staging"),
    Redacted("gcloud compute networks vpc-access connectors describe staging --region=us-central1"),
)


def sample(message: str = "boom", **changes: Any) -> Sample:
    at = changes.pop("timestamp", START + timedelta(minutes=47, seconds=9))
    base = Sample(
        insert_id="68c8271d000a1b2c3d4e5f60",
        timestamp=at,
        severity=Severity.ERROR,
        log_id="run.googleapis.com/stderr",
        project="netra-staging",
        resource_type="cloud_run_revision",
        resource_labels={
            "service_name": Redacted(SERVICE),
            "revision_name": Redacted(REVISION),
            "location": Redacted("us-central1"),
        },
        service=SERVICE,
        revision=REVISION,
        instance="00f1",
        field=PayloadField.JSON,
        message=Redacted(message),
        logger=Redacted("netra_backend.app.smd"),
        location=SourceLocation("netra_backend/app/smd.py", 1018, "_initialize_database"),
        http=None,
        audit=None,
        origin="projects/netra-staging (failures)",
    )
    return replace(base, **changes)


def group(id_: str = TIMEOUT, title: str = "Boom", **changes: Any) -> ErrorGroup:
    latest = changes.pop("latest", None) or sample(title)
    minutes = {int(START.timestamp()) // 60 + minute: 20 + (minute * 7) % 11 for minute in range(2, 48)}
    base = ErrorGroup(
        id=Fingerprint(id_),
        kind=GroupKind.MESSAGE,
        failure=True,
        title=Redacted(title),
        template=Redacted(title),
        severity=Severity.ERROR,
        count=sum(minutes.values()),
        entries=sum(minutes.values()),
        first_seen=START + timedelta(minutes=2, seconds=10),
        last_seen=START + timedelta(minutes=47, seconds=9),
        per_minute=minutes,
        per_revision=(RevisionCount(SERVICE, REVISION, sum(minutes.values()), START + timedelta(minutes=2), END),),
        services=(SERVICE,),
        instances=40,
        first=replace(
            latest, timestamp=START + timedelta(minutes=2, seconds=10), insert_id="68c8271d000000000000first"
        ),
        latest=latest,
        trace=None,
    )
    return replace(base, **changes)


def incident(foreign: str | None = None, **changes: Any) -> Evidence:
    """The incident. With `foreign`, every text that comes from outside is that text."""

    def said(text: str) -> Redacted:
        return Redacted(text if foreign is None else foreign)

    own = Frame(said("_initialize_database"), said("/app/netra_backend/app/smd.py"), 1018)
    outer = Frame(said("lifespan"), said("/app/netra_backend/app/lifespan.py"), 44)
    trace = StackTrace(
        Language.PYTHON,
        (
            ExceptionInfo(
                said("DeterministicStartupError"), said("Database initialization timeout after 8.0s"), (own, outer)
            ),
            ExceptionInfo(said("TimeoutError"), said("timed out"), ()),
        ),
    )
    timeout_title = "DeterministicStartupError: Database initialization timeout after <*> in staging environment"
    timeout = group(
        TIMEOUT,
        said(timeout_title),
        template=said("Database initialization timeout after <*> in staging environment"),
        kind=GroupKind.TRACE,
        trace=trace,
        latest=sample(
            said("CRITICAL STARTUP FAILURE: Database initialization timeout after 8.0s in staging environment"),
            logger=said("netra_backend.app.smd"),
            location=SourceLocation(said("netra_backend/app/smd.py"), 1018, said("_initialize_database")),
        ),
    )
    dial = group(
        DIAL,
        said(f"failed to connect to instance {DATABASE}: dial tcp [public-ip]:3307: i/o timeout"),
        latest=sample(said(f"failed to connect to instance {DATABASE}: dial tcp [public-ip]:3307: i/o timeout")),
        count=1190,
        entries=1190,
    )
    stopped = group(
        EXIT, said("Container called exit(3)."), latest=sample(said("Container called exit(3).")), count=1150
    )
    head = CommitSha("f" * 40)
    excerpt = CodeExcerpt(
        RUNNING,
        "netra_backend/app/smd.py",
        1018,
        "_initialize_database",
        (
            (1016, said("    except asyncio.TimeoutError as error:")),
            (1017, said('        message = f"Database initialization timeout after {timeout}s"')),
            (1018, said("        raise DeterministicStartupError(message) from error")),
        ),
        LineBlame(RUNNING, START - timedelta(days=9), said("A. Developer"), said("Start in phases")),
        "running",
    )
    revision = Revision(
        REVISION,
        SERVICE,
        (CommitClaim(RUNNING, CommitSource.REVISION_LABEL, True),),
        START - timedelta(minutes=38),
        False,
        said("The user-provided container failed to start"),
        True,
        START - timedelta(minutes=36),
        False,
        100,
        (sample(said("Ready condition status changed to False")),),
    )
    old = Revision(OLD_REVISION, SERVICE, (), None, True, None, False, START - timedelta(days=1), True, None, ())
    evidence = Evidence(
        request=Request(
            Window(START, END),
            END,
            (SERVICE,),
            IssueRef("netra/apex", 1278, said("Staging does not start"), said("should be fixed"), f"{WEB}/issues/1278"),
            Scope(
                environment="staging" if foreign is None else foreign,
                critical=ConfigLine(said("critical: true"), ".github/infra-audit.yml", 9),
                is_critical=True,
                teams={LayerOwner.INFRASTRUCTURE: ConfigLine(said("@netra/platform"), ".github/infra-audit.yml", 21)},
                impact=(ConfigLine(said("validation pipeline, $500K+ ARR"), ".github/infra-audit.yml", 14),),
            ),
        ),
        window=Window(START, END),
        observations=Observations(
            groups=(timeout, dial, stopped),
            notices=(),
            exposure=(
                Exposure(
                    SERVICE,
                    REVISION,
                    {int(START.timestamp()) // 60 + m: 10 for m in range(48)},
                    {int(START.timestamp()) // 60 + m: 27 for m in range(2, 48)},
                    {int(START.timestamp()) // 60 + m: 9 for m in range(2, 48)},
                    START,
                    END,
                ),
            ),
            deploys=(
                DeployEvent(
                    DeployKind.READY,
                    START + timedelta(minutes=12),
                    SERVICE,
                    REVISION,
                    CommitClaim(RUNNING, CommitSource.AUDIT_ENTRY),
                    {REVISION: 100},
                    None,
                    sample(said("deployed")),
                ),
            ),
            entries=10_000,
            first_entry=START,
            last_entry=END,
            redactions={"email": 2},
        ),
        readings=(
            Reading(
                "projects/netra-staging (failures)",
                '(severity>=ERROR OR "Container called exit")\nresource.labels.service_name="netra-service"',
                Window(START, END),
                10_000,
                7,
                truncated="stopped at 10,000 entries",
            ),
        ),
        onset=Onset(START + timedelta(minutes=2), TIMEOUT, 0.0, 25.1, False),
        revisions=(revision, old),
        history=HistoryFacts(
            web=WEB,
            head=head,
            commits=(
                Commit(
                    FIX,
                    (),
                    START - timedelta(days=1),
                    said("A. Developer"),
                    said("raise database timeout 8.0 to 25.0 s"),
                    said(""),
                ),
                Commit(
                    OTHER_FIX,
                    (),
                    START - timedelta(days=2),
                    said("B. Developer"),
                    said("authentication cascade"),
                    said(""),
                ),
            ),
            containment=(
                ContainmentFact(FIX, RUNNING, Containment.ABSENT, None, "not an ancestor of it"),
                ContainmentFact(OTHER_FIX, RUNNING, Containment.CONTAINED, None, "an ancestor of it"),
            ),
            frames=(
                FrameSource(TIMEOUT, own, "netra_backend/app/smd.py", excerpt),
                FrameSource(TIMEOUT, outer, None, None),
            ),
            commits_read=212,
        ),
        probes=(
            ProbeResult(
                SQL,
                ProbeState.HEALTHY,
                (("state", said("RUNNABLE")), ("settings.activationPolicy", said("ALWAYS"))),
                None,
                END,
                "https://console.cloud.google.com/sql/instances/staging-shared-postgres?project=netra-staging",
            ),
            ProbeResult(CONNECTOR, ProbeState.NO_ACCESS, (), said("needs roles/vpcaccess.viewer"), END),
        ),
        gaps=(
            Gap(
                "deployments",
                said("403 run.revisions.list"),
                "which revisions serve is known from the logs only",
                "grant roles/run.viewer",
            ),
        ),
    )
    return replace(evidence, **changes)


def diagnosis(foreign: str | None = None, **changes: Any) -> Diagnosis:
    """What a judgement of `incident` may look like; it uses every kind of evidence."""

    def said(text: str) -> Redacted:
        return Redacted(text if foreign is None else foreign)

    service = said(SERVICE)
    root = Cause(
        group=DIAL,
        signature="cloud-sql/dial-timeout",
        failure_class="network-egress",
        title=sentence("The Cloud SQL connector cannot reach the instance"),
        component=said(DATABASE),
        layer=Layer.INFRASTRUCTURE,
        owner=LayerOwner.INFRASTRUCTURE,
        score=7.0,
        symptom=False,
        claim=Claim(sentence("the dial to {} times out", said(DATABASE)), (EntryRef(DIAL), CountRef(DIAL))),
    )
    rejected = replace(root, title=sentence("The database is stopped"), group=TIMEOUT)
    fix = FixCandidate(FIX, (FixOrigin.NAMED_IN_ISSUE,), said("#1263"))
    other = FixCandidate(OTHER_FIX, (FixOrigin.LINKED_PULL_REQUEST,), said("#1274"))
    value = Diagnosis(
        summary=Claim(
            sentence(
                "{} cannot start: every start since {} fails to reach Cloud SQL {}.",
                service,
                START + timedelta(minutes=2),
                said(DATABASE),
            ),
            (EntryRef(DIAL), EntryRef(TIMEOUT)),
        ),
        root=root,
        causes=(root,),
        rejected=(
            RejectedCause(
                rejected, Claim(sentence("state is {} and it is always on", said("RUNNABLE")), (ProbeRef(SQL),))
            ),
        ),
        links=(
            CausalLink(
                DIAL,
                TIMEOUT,
                LinkKind.SAME_INSTANCE,
                Claim(sentence("same instances, same minutes"), (CountRef(DIAL),), Basis.INFERRED),
            ),
            CausalLink(TIMEOUT, EXIT, LinkKind.RULE, Claim(sentence("start-up failed"), (EntryRef(EXIT),))),
        ),
        symptoms=(TIMEOUT, EXIT),
        failure_class="network-egress",
        layer=Layer.INFRASTRUCTURE,
        component=said(DATABASE),
        owner=LayerOwner.INFRASTRUCTURE,
        confidence=Confidence.HIGH,
        signals=(
            Signal(Layer.INFRASTRUCTURE, 3.0, Claim(sentence("a dial timeout text"), (EntryRef(DIAL),))),
            Signal(
                Layer.INFRASTRUCTURE, 2.0, Claim(sentence("no deploy near the onset"), (ReadingRef(),), Basis.INFERRED)
            ),
            Signal(
                Layer.APPLICATION,
                1.0,
                Claim(sentence("own frames raise it"), (FileRef(RUNNING, "netra_backend/app/smd.py", 1018),)),
            ),
        ),
        scores=(LayerScore(Layer.INFRASTRUCTURE, 5.0), LayerScore(Layer.APPLICATION, 1.0)),
        ledger=(
            LedgerRow(
                fix,
                TIMEOUT,
                FixVerdict.NOT_DEPLOYED,
                Claim(
                    sentence(
                        "not an ancestor of {}, which runs; the errors still say {}", said(RUNNING[:9]), said("8.0 s")
                    ),
                    (CompareRef(FIX, RUNNING), EntryRef(TIMEOUT)),
                ),
            ),
            LedgerRow(
                other,
                None,
                FixVerdict.EFFECTIVE,
                Claim(
                    sentence("in {} and silent for {} at {} starts", said(OLD_REVISION), timedelta(hours=19), 210),
                    (RevisionRef(SERVICE, OLD_REVISION), ExposureRef(SERVICE, REVISION)),
                ),
            ),
        ),
        suspects=(
            Suspect(
                OTHER_FIX,
                TIMEOUT,
                REVISION,
                0.21,
                (Claim(sentence("touches {}", said("netra_backend/app/auth.py")), (CommitRef(OTHER_FIX),)),),
                (Claim(sentence("no frame stands in its files"), (EntryRef(TIMEOUT),)),),
            ),
        ),
        mismatches=(
            Mismatch(
                TIMEOUT,
                said("8.0 s"),
                Constant(FIX, "netra_backend/app/config.py", 12, "DB_TIMEOUT", "25.0", "s", "head"),
                False,
                Claim(
                    sentence(
                        "the head says {} = {}, the error says {}", said("DB_TIMEOUT"), said("25.0 s"), said("8.0 s")
                    ),
                    (FileRef(FIX, "netra_backend/app/config.py", 12), EntryRef(TIMEOUT)),
                ),
            ),
        ),
        whys=(
            Why(
                sentence("Why is the service down?"),
                Claim(
                    sentence("Its container ends before it listens: {}.", said("Container called exit(3).")),
                    (EntryRef(EXIT),),
                ),
            ),
            Why(
                sentence("Why does start-up fail?"),
                Claim(
                    sentence("{} gives up after **{}**.", said("_initialize_database"), said("8.0 s")),
                    (EntryRef(TIMEOUT),),
                ),
            ),
            Why(
                sentence("Why does it give up?"),
                Claim(
                    sentence("The connector cannot dial {}, {} times.", said("[public-ip]:3307"), 1190),
                    (EntryRef(DIAL), CountRef(DIAL)),
                ),
            ),
            Why(
                sentence("Why does the dial time out?"),
                Claim(
                    sentence("The address is public, and the issue says so too."),
                    (IssueTextRef(), EntryRef(DIAL)),
                    Basis.INFERRED,
                ),
            ),
            Why(
                sentence("Why now?"),
                None,
                DecidingCheck(
                    sentence("No deploy fits the onset; an egress change would."),
                    said("gcloud compute routers nats list --router=main --region=us-central1"),
                ),
            ),
        ),
        actions=(
            RequiredAction(
                sentence("Check egress from {} to the instance.", service),
                said(
                    "gcloud run services describe netra-service --region=us-central1 "
                    "--format='value(spec.template.metadata.annotations)'"
                ),
            ),
            RequiredAction(
                sentence("Check the instance."),
                said("gcloud sql operations list --instance=staging-shared-postgres"),
                Claim(sentence("state {}", said("RUNNABLE")), (ProbeRef(SQL),)),
            ),
        ),
        recommendation=Recommendation(
            Status.INFRASTRUCTURE_ESCALATION,
            DeveloperAction.HOLD,
            Priority.P0,
            Claim(sentence("layer infrastructure with high confidence"), (EntryRef(DIAL),), Basis.INFERRED),
            Claim(
                sentence("no revision is ready in an environment marked critical"),
                (RevisionRef(SERVICE, REVISION), ConfigRef(".github/infra-audit.yml", 9)),
            ),
            (
                sentence("Check egress from {} to port {}.", service, said("3307")),
                sentence("Deploy {} afterwards.", said(FIX[:9])),
            ),
            DecidingCheck(
                sentence("NAT and firewall allow the port: then the instance's own listener comes next."),
                said("gcloud sql instances describe staging-shared-postgres"),
            ),
        ),
    )
    return replace(value, **changes)


def quiet_diagnosis(status: Status = Status.NO_FAILURES) -> Diagnosis:
    """The judgement of evidence without a failure."""
    nothing = Claim(sentence("No failure matches in the window."), (ReadingRef(),))
    return Diagnosis(
        summary=nothing,
        root=None,
        causes=(),
        rejected=(),
        links=(),
        symptoms=(),
        failure_class=None,
        layer=Layer.UNKNOWN,
        component=None,
        owner=None,
        confidence=Confidence.LOW,
        signals=(),
        scores=(),
        ledger=(),
        suspects=(),
        mismatches=(),
        whys=(),
        actions=(),
        recommendation=Recommendation(status, DeveloperAction.NONE, None, nothing, nothing, (), None),
    )


def without_failures(evidence: Evidence | None = None) -> Evidence:
    """The same window, and nothing in it."""
    evidence = evidence or incident()
    observations = Observations((), (), (), (), 120, START, END)
    return replace(evidence, observations=observations, onset=None, revisions=(), probes=(), history=HistoryFacts())


def values_of(sentences: Sequence[Sentence]) -> list[str]:
    return [part.text for text in sentences for part in text if part.kind == "value"]


REF_KINDS = tuple(
    kind.__dataclass_fields__["kind"].default
    for kind in get_args(__import__("app.diagnosis.model", fromlist=["EvidenceRef"]).EvidenceRef)
)

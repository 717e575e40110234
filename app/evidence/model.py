"""The nouns of the evidence: what was read, from where, and what could not be read.

Every value is frozen and saves as JSON and loads again (`archive.py`), so that judging, rendering, replaying and testing
enter by the same door. Text from outside is `Redacted` in everything that is kept. The one exception is `LogEntry`, which
lives between the parser and the grouper only, is never stored, and is therefore cheap enough for a million lines.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from functools import cached_property
from typing import Literal, NamedTuple, NewType

from msgspec import Struct

from app.evidence import workloads
from app.evidence.workloads import Workload
from app.redact import Redacted, cut_name

CommitSha = NewType("CommitSha", str)
"""A full 40-hex commit id, lower case; shorter forms are resolved before they get this type."""
RevisionName = NewType("RevisionName", str)
"""What runs: a Cloud Run revision, or a version of a cluster's workload, `workload@pod-template-hash`."""
ServiceName = NewType("ServiceName", str)
Fingerprint = NewType("Fingerprint", str)
"""Identity of an error group, `g2-` and 12 hex digits: from content alone; the digit after g is the algorithm's version."""


class Severity(IntEnum):
    """LogSeverity of Cloud Logging, with its numbers."""

    DEFAULT = 0
    DEBUG = 100
    INFO = 200
    NOTICE = 300
    WARNING = 400
    ERROR = 500
    CRITICAL = 600
    ALERT = 700
    EMERGENCY = 800


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open interval [start, end) of aware UTC times."""

    start: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        return self.end - self.start


NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)
"""The time of judging where nobody gave one and no entry tells one; it is never shown."""


# --- one log entry, on its way to a group -----------------------------------------------------------------------------


class PayloadField(StrEnum):
    """Where the text of an entry stood; signatures match by field, not over everything."""

    TEXT = "textPayload"
    JSON = "jsonPayload"
    PROTO = "protoPayload"


class SourceLocation(NamedTuple):
    """As recorded by the logging library. `line` is None when it was not a positive number."""

    file: str
    line: int | None
    function: str


class HttpRequest(NamedTuple):
    """`path` is without host and query string (they hold secrets). `latency_s` in seconds, None when not recorded."""

    method: str
    status: int
    path: str
    latency_s: float | None


class AuditCall(NamedTuple):
    """The allow-listed part of an audit entry; `request` and `response` are never kept whole (they hold plain env values).

    `status_code` is the gRPC code, 0 for success. `facts` holds the picked response fields, by dotted name: commit labels,
    image, ready condition, traffic. `first`/`last` mark the two halves of a long-running operation.
    """

    service: str
    method: str
    resource_name: str
    status_code: int
    status_message: str
    facts: Mapping[str, str]
    first: bool
    last: bool


class Split(NamedTuple):
    """Which piece of a large entry this is, `part` from 0 of `total`."""

    uid: str
    part: int
    total: int


class Involved(NamedTuple):
    """The object that an event of Kubernetes is about, and its `reason`: the one word of it that is not prose."""

    kind: str
    name: str
    reason: str


@dataclass(frozen=True)
class Writer:
    """Who wrote an entry: one log of one resource. An incident has few, so one value serves very many entries.

    What is worked out from it is worked out once, hence no slots. It speaks for itself alone: what an entry tells of another
    (an audit entry, an event of Kubernetes) is asked of the `LogEntry`.
    """

    log_id: str
    resource_type: str
    resource_labels: Mapping[str, str]
    labels: Mapping[str, str]

    @cached_property
    def service(self) -> ServiceName | None:
        """Cloud Run service or job, function, workload of a cluster, App Engine module, database: what people call it."""
        return self.service_beside(self.workload)

    def service_beside(self, workload: Workload | None) -> ServiceName | None:
        """The service, when `workload` is what a cluster's entry speaks of."""
        labels = self.resource_labels
        for key in ("service_name", "job_name", "function_name"):
            if labels.get(key):
                return ServiceName(cut_name(labels[key]))
        if self.is_cluster and workload is not None:
            return ServiceName(cut_name(workload.name))
        for key in ("container_name", "module_id", "database_id"):
            if labels.get(key):
                return ServiceName(cut_name(labels[key]))
        return None

    @cached_property
    def revision(self) -> RevisionName | None:
        return self.revision_beside(self.workload)

    def revision_beside(self, workload: Workload | None) -> RevisionName | None:
        """The revision, when `workload` is what a cluster's entry speaks of."""
        labels = self.resource_labels
        if name := labels.get("revision_name") or labels.get("version_id"):
            return RevisionName(cut_name(name))
        if self.is_cluster and workload is not None and workload.version:
            return RevisionName(f"{cut_name(workload.name)}@{cut_name(workload.version)}")
        if version := self.labels.get("k8s-pod/pod-template-hash"):
            return RevisionName(f"{cut_name(labels.get('container_name', '?'))}@{cut_name(version)}")
        return None

    @cached_property
    def place(self) -> tuple[ServiceName | None, RevisionName | None]:
        return self.service, self.revision

    @cached_property
    def instance(self) -> str | None:
        """The container instance or pod."""
        return (
            self.labels.get("instanceId")
            or self.resource_labels.get("pod_name")
            or self.resource_labels.get("instance_id")
        )

    @cached_property
    def stream(self) -> tuple[str, str]:
        """What its lines have in common: the log, and the instance or, where none is named, the place."""
        if named := self.labels.get("instanceId"):
            return self.log_id, named
        labels = self.resource_labels
        place = (
            self.instance or "",
            self.service or "",
            labels.get("container_name", ""),
            labels.get("revision_name", ""),
        )
        return self.log_id, "|".join(place)

    @cached_property
    def workload(self) -> Workload | None:
        """The workload of the pod that it is; None where it is no pod."""
        pod = self.resource_labels.get("pod_name")
        if not pod:
            return None
        labels = self.labels
        named = workloads.of_pod(pod, labels.get("k8s-pod/pod-template-hash"))
        return named._replace(name=labels.get(workloads.CONTROLLER) or named.name)

    @cached_property
    def is_cluster(self) -> bool:
        return self.resource_type.startswith("k8s_")


class LogEntry(Struct, frozen=True, gc=False):
    """One parsed entry, secrets still inside: never stored, logged or shown. Kept parts become a `Sample`.

    A `Struct` because a million of them are built in one audit, each at a third of a tuple's price. `message` is what a
    person reads; `trace_text` is the stack trace where it stood in a field of its own, else None (then `message` may hold
    one). `severity` is worked out: a library's own level is mapped where Cloud Logging left DEFAULT.
    `origin` is `file:line` of the export, or the name of the query that returned it.
    `joined` holds the origins of all entries, in order of time, when this one was put together from several.
    """

    insert_id: str
    timestamp: datetime
    severity: Severity
    writer: Writer
    field: PayloadField
    message: str
    origin: str
    trace: str | None = None
    split: Split | None = None
    http: HttpRequest | None = None
    trace_text: str | None = None
    exception_type: str | None = None
    logger: str | None = None
    location: SourceLocation | None = None
    audit: AuditCall | None = None
    involved: Involved | None = None
    joined: tuple[str, ...] = ()

    @property
    def log_id(self) -> str:
        return self.writer.log_id

    @property
    def resource_type(self) -> str:
        return self.writer.resource_type

    @property
    def resource_labels(self) -> Mapping[str, str]:
        return self.writer.resource_labels

    @property
    def labels(self) -> Mapping[str, str]:
        return self.writer.labels

    @property
    def instance(self) -> str | None:
        return self.writer.instance

    @property
    def service(self) -> ServiceName | None:
        return self.place[0]

    @property
    def revision(self) -> RevisionName | None:
        return self.place[1]

    @property
    def place(self) -> tuple[ServiceName | None, RevisionName | None]:
        """Service and revision: the writer's, or those that it tells of."""
        writer = self.writer
        if (self.audit is None and self.involved is None) or not writer.is_cluster or writer.workload is not None:
            return writer.place
        told = self.workload
        return writer.service_beside(told), writer.revision_beside(told)

    @property
    def workload(self) -> Workload | None:
        """The workload of a cluster whose pod wrote it, or whose object it is about; None where nothing names one."""
        if (own := self.writer.workload) is not None:
            return own
        if self.involved is not None:
            return workloads.of_object(self.involved.kind, self.involved.name)
        return None if self.audit is None else workloads.of_path(self.audit.resource_name)

    @property
    def names(self) -> tuple[str, ...]:
        """By what people may call its service: `service`, its container or pod, and the usual labels of the pod."""
        labels = self.labels
        found = (
            self.service,
            self.resource_labels.get("container_name"),
            self.resource_labels.get("pod_name"),
            self.involved and self.involved.name,
            *(labels.get(f"k8s-pod/{label}") for label in workloads.POD_LABELS),
        )
        return tuple(name for name in found if name)


# --- stack traces -----------------------------------------------------------------------------------------------------


class Language(StrEnum):
    PYTHON = "python"
    JAVA = "java"
    NODE = "node"
    GO = "go"
    RUBY = "ruby"
    PHP = "php"
    DOTNET = "dotnet"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame. `file` is as printed (a path, or a bare file name in Java), None when the trace names none.

    `in_app`: by its own look (no standard library, no site-packages, no vendor), before any repository was asked.
    `module` is the class, package or namespace where the trace prints one.
    """

    function: Redacted
    file: Redacted | None
    line: int | None
    module: Redacted | None = None
    in_app: bool = True


@dataclass(frozen=True, slots=True)
class ExceptionInfo:
    """One exception of a chain. `frames` start at the raise point (innermost call first)."""

    type: Redacted
    message: Redacted
    frames: tuple[Frame, ...] = ()


@dataclass(frozen=True, slots=True)
class StackTrace:
    """`chain` goes from the outermost exception (what was reported last) to the innermost cause; never empty."""

    language: Language
    chain: tuple[ExceptionInfo, ...]

    @property
    def innermost(self) -> ExceptionInfo:
        return self.chain[-1]

    @property
    def top_own_frame(self) -> tuple[ExceptionInfo, Frame] | None:
        """The program's own frame nearest to where the innermost exception was raised, and its exception."""
        for info in reversed(self.chain):
            for frame in info.frames:
                if frame.in_app:
                    return info, frame
        return None


# --- groups -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sample:
    """A kept entry: the allow-listed, redacted part of it that reports may show."""

    insert_id: str
    timestamp: datetime
    severity: Severity
    log_id: str
    project: str | None
    resource_type: str
    resource_labels: Mapping[str, Redacted]
    service: ServiceName | None
    revision: RevisionName | None
    instance: str | None
    field: PayloadField
    message: Redacted
    logger: Redacted | None
    location: SourceLocation | None
    http: HttpRequest | None
    audit: AuditCall | None
    origin: str
    trace: str | None = None


class GroupKind(StrEnum):
    """What the identity of a group rests on, in this order of preference."""

    TRACE = "trace"
    AUDIT = "audit"
    REQUEST = "request"
    MESSAGE = "message"


@dataclass(frozen=True, slots=True)
class RevisionCount:
    """How often a group was seen on one revision of one service; `revision` None: the entries name none.

    `leads` tells what a start is worth: of the instances whose first entry came after the group had begun, how many minutes
    passed from it to their first occurrence, to the number of such instances.
    """

    service: ServiceName | None
    revision: RevisionName | None
    count: int
    first_seen: datetime
    last_seen: datetime
    leads: Mapping[int, int] = field(default_factory=dict[int, int])


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """All entries of one fault.

    `failure` is False for notices: grouped entries that report no failure but explain one (a deploy, a preemption, a
    maintenance notice). `title` is one line: `Type: message template`, or the template. `count` counts occurrences (a
    joined trace of 30 entries is one), `entries` counts log entries. `per_minute` maps epoch minutes to occurrences.
    `instances` counts distinct instances, exact up to 1,000. `first` and `latest` are the oldest and newest occurrences by
    time; they are the same sample when there is one. `trace` belongs to `latest`.
    """

    id: Fingerprint
    kind: GroupKind
    failure: bool
    title: Redacted
    template: Redacted
    severity: Severity
    count: int
    entries: int
    first_seen: datetime
    last_seen: datetime
    per_minute: Mapping[int, int]
    per_revision: tuple[RevisionCount, ...]
    services: tuple[ServiceName, ...]
    instances: int
    first: Sample
    latest: Sample
    trace: StackTrace | None


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one revision of one service was exercised with: the ground that silence is judged on.

    Maps are epoch minute to count. `requests`: request-log entries. `starts`: instances seen for the first time, or
    platform lines that announce one. `server_errors`: requests answered with 5xx. `commit`: what the `commit-sha` label of
    its entries claims, as written; None when no entry carries one. `lives`: minutes from the first to the last entry of an
    instance, to the number of such instances.
    """

    service: ServiceName
    revision: RevisionName
    requests: Mapping[int, int]
    starts: Mapping[int, int]
    server_errors: Mapping[int, int]
    first_seen: datetime
    last_seen: datetime
    commit: str | None = None
    lives: Mapping[int, int] = field(default_factory=dict[int, int])


@dataclass(frozen=True, slots=True)
class Reading:
    """What one read of one source gave: a line of the evidence manifest.

    `source` names the file or the log API; `query` is the exact filter, None for files. `calls` is the quota spent.
    `digest` is the SHA-256 of a file's bytes, None where nothing can be hashed. `truncated` gives the reason when there is
    more than was read, else None.
    """

    source: str
    query: str | None
    window: Window | None
    entries: int
    calls: int
    bad_lines: int = 0
    first_bad_line: str | None = None
    truncated: str | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class Observations:
    """Everything that the log entries showed. `groups` are failures, most frequent first; `notices` are the rest."""

    groups: tuple[ErrorGroup, ...]
    notices: tuple[ErrorGroup, ...]
    exposure: tuple[Exposure, ...]
    deploys: tuple["DeployEvent", ...]
    entries: int
    first_entry: datetime | None
    last_entry: datetime | None
    redactions: Mapping[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Onset:
    """When the failures left their baseline. Rates are occurrences per minute.

    `at_window_start`: it was already failing when the window opened, so the true onset is earlier and not known.
    """

    at: datetime
    group: Fingerprint | None
    baseline_rate: float
    rate: float
    at_window_start: bool


# --- deployments ------------------------------------------------------------------------------------------------------


class CommitSource(StrEnum):
    """Where a revision's commit was read, most trusted first."""

    REVISION_LABEL = "revision label"
    AUDIT_ENTRY = "audit entry"
    ENTRY_LABEL = "entry label"
    IMAGE_TAG = "image tag"
    BUILD = "Cloud Build"
    GITHUB_DEPLOYMENT = "GitHub deployment"
    OPERATOR = "command line"


@dataclass(frozen=True, slots=True)
class CommitClaim:
    """A label is the deployer's claim: `in_history` says whether the repository has that commit (None: not asked).

    `sha` may be a short id (7 hex digits and more) until the repository was asked; see `history.confirm_commits`.
    """

    sha: CommitSha
    source: CommitSource
    in_history: bool | None = None


class DeployKind(StrEnum):
    CALLED = "deploy called"
    READY = "revision ready"
    FAILED = "revision failed"
    TRAFFIC = "traffic changed"


@dataclass(frozen=True, slots=True)
class DeployEvent:
    """One deployment fact out of an audit entry. `traffic` maps revisions to percent, empty when not told."""

    kind: DeployKind
    at: datetime
    service: ServiceName
    revision: RevisionName | None
    commit: CommitClaim | None
    traffic: Mapping[RevisionName, int]
    reason: Redacted | None
    sample: Sample


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision, put together from every signal. None always means "not told by any source".

    `commits` holds each claim, most trusted first; more than one sha is a disagreement and is shown.
    `serving_since` is when it first took traffic (or its first request or entry, then `serving_inferred`).
    `serving` is whether it takes traffic at the end of the window.
    """

    name: RevisionName
    service: ServiceName
    commits: tuple[CommitClaim, ...]
    created_at: datetime | None
    ready: bool | None
    ready_reason: Redacted | None
    serving: bool | None
    serving_since: datetime | None
    serving_inferred: bool
    traffic_percent: int | None
    evidence: tuple[Sample, ...]

    @property
    def commit(self) -> CommitSha | None:
        """The commit that runs in it; None when no source tells or when the sources disagree."""
        shas = {claim.sha for claim in self.commits}
        return next(iter(shas)) if len(shas) == 1 else None


class Place(NamedTuple):
    """Where a service runs, as its entries' resource labels say."""

    resource_type: str
    project: str
    location: str
    service: ServiceName


@dataclass(frozen=True, slots=True)
class LiveRevision:
    """A revision as its platform's API tells it now. None: the API does not tell.

    `instances` are its running pods, where there is no split of traffic to tell.
    """

    name: RevisionName
    service: ServiceName
    commits: tuple[CommitClaim, ...]
    created_at: datetime | None
    ready: bool | None
    ready_reason: Redacted | None
    traffic_percent: int | None
    instances: int | None = None


# --- history ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Hunk:
    """`removed` and `added` are lines with their number in the old and in the new file.

    `context` are the unchanged lines around them, with their number in the old file; `heading` is what stood behind the
    `@@`: often the line that opens the enclosing function or class, empty when the diff told none.
    """

    old_start: int
    new_start: int
    removed: tuple[tuple[int, Redacted], ...]
    added: tuple[tuple[int, Redacted], ...]
    context: tuple[tuple[int, Redacted], ...] = ()
    heading: Redacted = Redacted("")


@dataclass(frozen=True, slots=True)
class FunctionSpan:
    """`name` is qualified by its classes (`Orders.total`). Lines count from 1, both ends belong to it."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FileChange:
    """`old_path` differs from `path` after a rename; None for a new file. `path` is None for a deleted file.

    `functions`: those of the new file that the change touches, by syntax tree; None where the file was not read.
    """

    path: str | None
    old_path: str | None
    hunks: tuple[Hunk, ...]
    functions: tuple[FunctionSpan, ...] | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """`committed_at` is the committer's date: shown, never used to decide containment. `changes` empty: not fetched."""

    sha: CommitSha
    parents: tuple[CommitSha, ...]
    committed_at: datetime
    author: Redacted
    subject: Redacted
    body: Redacted
    changes: tuple[FileChange, ...] = ()
    url: str | None = None


class Containment(StrEnum):
    """Whether a running commit holds a fix. `REVERTED`: it did, and a later commit of the same line took it out."""

    CONTAINED = "contained"
    EQUIVALENT = "contained as another commit"
    REVERTED = "reverted"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ContainmentFact:
    """Answer of the history to "is `fix` in `running`?", by ancestry and patch identity.

    `via` is the commit that carries it (squash, cherry-pick, backport) or that reverted it; None otherwise.
    `reason` says what was compared, or why the answer is unknown.
    """

    fix: CommitSha
    running: CommitSha
    state: Containment
    via: CommitSha | None
    reason: str

    @property
    def holds(self) -> bool | None:
        """Whether what runs has the fix; None when that is not known."""
        if self.state is Containment.UNKNOWN:
            return None
        return self.state in (Containment.CONTAINED, Containment.EQUIVALENT)


class FixOrigin(StrEnum):
    """Why a commit is looked at as a fix, strongest tie first."""

    LINKED_PULL_REQUEST = "linked pull request"
    CLOSES_ISSUE = "closes the issue"
    NAMED_IN_ISSUE = "named in the issue"
    NAMES_ISSUE = "names the issue"
    MATCHES_GROUP = "matches the errors"


@dataclass(frozen=True, slots=True)
class FixCandidate:
    """`issue` is the reference as written (`#1263`), None when the commit was found by matching alone."""

    sha: CommitSha
    origins: tuple[FixOrigin, ...]
    issue: str | None = None


@dataclass(frozen=True, slots=True)
class LineBlame:
    """Who changed a line last, as of `at`."""

    sha: CommitSha
    committed_at: datetime
    author: Redacted
    subject: Redacted


@dataclass(frozen=True, slots=True)
class CodeExcerpt:
    """A few lines of one file at one commit. `lines` are (number, text). `blame` belongs to `line`, None when not read."""

    sha: CommitSha
    path: str
    line: int
    function: str | None
    lines: tuple[tuple[int, Redacted], ...]
    blame: LineBlame | None
    role: Literal["running", "head"]


@dataclass(frozen=True, slots=True)
class FrameSource:
    """A printed frame and the file of the repository that it is. `path` None: no file of the repository fits."""

    group: Fingerprint
    frame: Frame
    path: str | None
    excerpt: CodeExcerpt | None


@dataclass(frozen=True, slots=True)
class FunctionPlace:
    """A line of `function`, qualified by its classes, in a file at a commit."""

    sha: CommitSha
    path: str
    function: str
    line: int


@dataclass(frozen=True, slots=True)
class UseOfChange:
    """The failing line of a frame uses the result of a function that a commit changes, as far as names tell.

    `user`: the frame's function where it calls or reads the other; `changed`: that one's first line, as of the commit.
    """

    group: Fingerprint
    frame: Frame
    user: FunctionPlace
    changed: FunctionPlace


@dataclass(frozen=True, slots=True)
class Constant:
    """A number, host or name that the code sets: `DB_TIMEOUT = 25.0`. `value` is normalised text, `unit` e.g. "s", "MiB".

    `role` says which state of the code holds it: the running commit, the head, or a fix's diff (then `sha` is the fix).
    `variable` is the environment variable whose default it is: then the deployed value may differ. `function` is the
    enclosing function, None at the top of a file or where the file's language has no grammar.
    """

    sha: CommitSha
    path: str
    line: int
    name: str
    value: str
    unit: str | None
    role: Literal["running", "head", "fix-before", "fix-after"]
    variable: str | None = None
    function: str | None = None


@dataclass(frozen=True, slots=True)
class HistoryFacts:
    """Everything that the repository told. `web` is its base address (`https://github.com/o/r`), None for a bare clone.

    `commits` are the candidates and suspects looked at, newest first; `head` is the default branch, None when unreadable.
    """

    web: str | None = None
    head: CommitSha | None = None
    commits: tuple[Commit, ...] = ()
    fixes: tuple[FixCandidate, ...] = ()
    containment: tuple[ContainmentFact, ...] = ()
    frames: tuple[FrameSource, ...] = ()
    constants: tuple[Constant, ...] = ()
    rollouts: tuple["RolloutRange", ...] = ()
    commits_read: int = 0
    uses: tuple[UseOfChange, ...] = ()


@dataclass(frozen=True, slots=True)
class RolloutRange:
    """The commits that one revision brought: contained in `running`, not in `previous` (what served before it).

    `complete` False: more commits than were read.
    """

    revision: RevisionName
    service: ServiceName
    previous: CommitSha
    running: CommitSha
    commits: tuple[CommitSha, ...]
    complete: bool


# --- probes -----------------------------------------------------------------------------------------------------------


class ProbeKind(StrEnum):
    CLOUD_SQL = "cloud-sql"
    CLOUD_SQL_OPERATIONS = "cloud-sql-operations"
    CLOUD_RUN = "cloud-run"
    VPC_CONNECTOR = "vpc-connector"
    GKE_CLUSTER = "gke-cluster"
    REDIS = "redis"
    CLOUD_RUN_JOB = "cloud-run-job"
    SECRET = "secret"  # noqa: S105 - the kind of thing, and none of them
    QUOTA = "quota"
    SERVICE_HEALTH = "service-health"
    PUBLIC_STATUS = "public-status"


class ProbeState(StrEnum):
    """No data, no access and healthy are different things. CHANGING: read, but in the middle of a change, so neither."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    CHANGING = "changing"
    NOT_ASKED = "not asked"
    NO_ACCESS = "no access"
    NOT_FOUND = "not found"
    FAILED = "could not be read"


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """`name` is the resource's full name, e.g. `projects/p/instances/i`; `command` is the read-only twin for a human."""

    kind: ProbeKind
    name: Redacted
    command: Redacted


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """`facts` are (field, value) as read, allow-listed. `reason` explains every state but HEALTHY. `url` opens it."""

    target: ProbeTarget
    state: ProbeState
    facts: tuple[tuple[str, Redacted], ...]
    reason: Redacted | None
    read_at: datetime
    url: str | None = None


# --- the whole --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that could not be read. `source` e.g. "logs", "history", "probe cloud-sql"; `remedy` is what would mend it."""

    source: str
    reason: Redacted
    meaning: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True)
class LiveRead:
    """The revisions that exist at the asked places now, and a gap for each place that could not be read."""

    revisions: tuple[LiveRevision, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class KnownError:
    """What an error tracker knows of a group beyond what was read; approximate, by its own word.

    `count` is of the 30 days up to the time of reading. `services` may be cut short. `url` opens it there.
    """

    group: Fingerprint
    first_seen: datetime
    last_seen: datetime
    count: int
    services: tuple[Redacted, ...]
    url: str


@dataclass(frozen=True, slots=True)
class KnownRead:
    """The groups that an error tracker has, and a gap for each project that could not be read."""

    errors: tuple[KnownError, ...]
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class LogQuestion:
    """What to look for. `services` empty: all that the source is bound to. `window` None: all there is (files only)."""

    window: Window | None
    services: tuple[ServiceName, ...] = ()


@dataclass(frozen=True, slots=True)
class LogsRead:
    """What the reads gave, for the manifest. The entries themselves went to the sink."""

    readings: tuple[Reading, ...]
    gaps: tuple[Gap, ...] = ()


class LayerOwner(StrEnum):
    """The team that has to act."""

    DEVELOPERS = "developers"
    INFRASTRUCTURE = "infrastructure"
    PROVIDER = "provider"


@dataclass(frozen=True, slots=True)
class ConfigLine:
    """A configured statement and where it stands. `path` is the file in the repository."""

    text: Redacted
    path: str
    line: int


@dataclass(frozen=True, slots=True)
class Scope:
    """What configuration says about the audited environment.

    `critical` None: nobody said. `teams` maps an owner to a mention (`@org/team`), only ever from configuration.
    `source_roots` are prefixes that the deployed path has over the repository's (`/app` -> ``). `priority` is what the
    environment's failures count as whatever the rules say; its text is `P0` to `P3`. `signatures` are the repository's own,
    as the fields that `signature_from_config` takes and has accepted, so that saved evidence is judged by the same ones.
    """

    environment: str | None = None
    critical: ConfigLine | None = None
    is_critical: bool = False
    teams: Mapping[LayerOwner, ConfigLine] = field(default_factory=dict[LayerOwner, ConfigLine])
    impact: tuple[ConfigLine, ...] = ()
    source_roots: tuple[str, ...] = ()
    public: bool = False
    priority: ConfigLine | None = None
    signatures: tuple[Mapping[str, str | tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class IssueRef:
    """The issue that asks. Its text is a weak signal and hostile. `mentions` are commit ids found in it and its comments."""

    repository: str
    number: int
    title: Redacted
    body: Redacted
    url: str | None = None
    mentions: tuple[str, ...] = ()
    linked_commits: tuple[CommitSha, ...] = ()
    """Merge commits of the pull requests linked to the issue."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `services` empty: whatever the entries show. `now` is the time of judging, not of rendering."""

    window: Window | None
    now: datetime
    services: tuple[ServiceName, ...] = ()
    issue: IssueRef | None = None
    scope: Scope = Scope()


_TRACKER_IS_OFF_BY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a judgement may rest on. Same evidence, same report, byte for byte."""

    request: Request
    window: Window
    observations: Observations
    readings: tuple[Reading, ...]
    onset: Onset | None
    revisions: tuple[Revision, ...]
    history: HistoryFacts
    probes: tuple[ProbeResult, ...]
    gaps: tuple[Gap, ...]
    known: tuple[KnownError, ...] = ()

    def known_error(self, group: Fingerprint) -> KnownError | None:
        """The earliest that any project's tracker has of it."""
        return min((one for one in self.known if one.group == group), key=lambda one: one.first_seen, default=None)

    def was_known(self, group: Fingerprint, before: datetime) -> bool:
        """Whether the failure was seen before a time, by more than what the tracker's times may be off."""
        known = self.known_error(group)
        return known is not None and before - known.first_seen > _TRACKER_IS_OFF_BY

"""The report: what is said, in which order, resting on which evidence.

Its JSON form is published (`docs/report.schema.json`) under `SCHEMA_VERSION`. `build.py` makes it, `render.py` shows
it.
A plain `str` here is an identifier, command or file name put together from evidence: as foreign as `Redacted` text, and
escaped like it by every renderer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NewType

from app.diagnosis.model import (
    Basis,
    Confidence,
    DeveloperAction,
    FixVerdict,
    Layer,
    LayerOwner,
    Priority,
    Sentence,
    Status,
)
from app.redact import Redacted

SCHEMA_VERSION = 1

EvidenceId = NewType("EvidenceId", str)
"""`E1`, `E2`, … in the order in which the report first rests on them."""


@dataclass(frozen=True, slots=True)
class EvidenceItem:
    """One thing a reader can open: by `url`, by `command`, or both; never by neither.

    `what` is one line; `detail` are (name, value) pairs shown behind it: insertId, filter, field, time read.
    """

    id: EvidenceId
    kind: Literal[
        "entry", "count", "commit", "file", "revision", "compare", "probe", "config", "exposure", "reading", "issue"
    ]
    what: Sentence
    url: str | None
    command: str | None
    detail: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.url is None and self.command is None:
            raise ValueError(f"evidence that does not open: {self.id} {self.kind}")


@dataclass(frozen=True, slots=True)
class Statement:
    """A claim with its evidence numbered. Never without: law 1."""

    text: Sentence
    basis: Basis
    evidence: tuple[EvidenceId, ...]

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError("a statement without evidence")


@dataclass(frozen=True, slots=True)
class Header:
    """`audit_id` is `a-` and 12 hex digits of the evidence's hash. `act` is a configured mention, None: nobody is configured.

    `facts` counts what was read; `fixes` is the ledger in one line, None when no fix was looked at. `environment` None: not
    named. `services` are the asked ones, or those that fail.
    """

    audit_id: str
    status: Status
    priority: Priority | None
    environment: str | None
    services: tuple[str, ...]
    issue: str | None
    issue_url: str | None
    window_start: datetime
    window_end: datetime
    judged_at: datetime
    summary: Statement
    facts: Statement
    fixes: Statement | None
    act: Redacted | None
    owner: LayerOwner | None
    next_step: Sentence
    action: DeveloperAction


@dataclass(frozen=True, slots=True)
class WhyStep:
    question: Sentence
    answer: Statement | None
    open_question: Sentence | None
    command: Redacted | None


@dataclass(frozen=True, slots=True)
class FixRow:
    """One row of the ledger. `what` is the commit's subject, None when it was not read; `group` None: no group fits it."""

    commit: str
    commit_url: str | None
    what: Redacted | None
    issue: str | None
    group: str | None
    verdict: FixVerdict
    because: Statement


@dataclass(frozen=True, slots=True)
class SignalRow:
    layer: Layer
    weight: float
    why: Statement


@dataclass(frozen=True, slots=True)
class SuspectRow:
    """A commit and the group that it is most likely the cause of: score and reasons are about `group`, titled `error`.

    `revision` is the one that brought the commit, and on which the group first appears; a reason says so. `also`: titles of
    further groups that suspect no other commit more.
    """

    commit: str
    commit_url: str | None
    what: Redacted | None
    group: str
    error: Redacted
    also: tuple[Redacted, ...]
    revision: str
    score: float
    reasons_for: tuple[Statement, ...]
    reasons_against: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One error group as the report shows it. `share` is of all failures, 0..1; `per_minute` over its own span."""

    group: str
    title: Redacted
    count: int
    share: float
    per_minute: float
    first_seen: datetime
    last_seen: datetime
    revisions: tuple[str, ...]
    role: Literal["cause", "symptom", "other"]
    statement: Statement


@dataclass(frozen=True, slots=True)
class ActiveFailure:
    """`state`: whether it still fails at the end of the window. `also` are causes that fit beside the root.

    `scores` are the sums of the signals, best layer first.
    """

    state: Literal["failing", "quiet", "none", "cannot tell"]
    pattern: Statement | None
    groups: tuple[GroupRow, ...]
    groups_left_out: int
    layer: Layer
    confidence: Confidence
    signals_for: tuple[SignalRow, ...]
    signals_against: tuple[SignalRow, ...]
    scores: tuple[tuple[Layer, float], ...]
    also: tuple[Statement, ...]
    ruled_out: tuple[Statement, ...]
    also_left_out: int = 0
    ruled_out_left_out: int = 0


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One frame of the program's own. `path` None: no file of the repository fits it, or none could be read.

    `excerpt` are lines (number, text) around `line` at the running commit, empty when not read.
    """

    frame: str
    path: str | None
    line: int | None
    url: str | None
    last_change: Statement | None
    note: Statement
    excerpt: tuple[tuple[int, Redacted], ...]


@dataclass(frozen=True, slots=True)
class MismatchRow:
    """Configured against observed. `agrees` False is a finding."""

    agrees: bool
    statement: Statement


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """`commit` None: no source tells, or the sources disagree (`note` says which). `ready`, `serving` None: not told."""

    revision: str
    service: str
    commit: str | None
    commit_url: str | None
    ready: bool | None
    serving: bool | None
    note: Statement


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """`mark`: healthy, unhealthy, or unknown with its reason."""

    resource: Redacted
    kind: str
    mark: Literal["healthy", "unhealthy", "unknown"]
    read_at: datetime | None
    note: Statement


@dataclass(frozen=True, slots=True)
class LatestFailure:
    """`fields` is the allow-listed, redacted entry as JSON-ready values."""

    at: datetime
    url: str | None
    evidence: EvidenceId
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ActionRow:
    text: Sentence
    command: Redacted | None
    already: Statement | None


@dataclass(frozen=True, slots=True)
class Escalation:
    """`target` is the configured mention; None: nobody is configured for `owner`, and the report says so."""

    owner: LayerOwner | None
    target: Redacted | None
    configured: Statement | None
    actions: tuple[ActionRow, ...]
    checked: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Impact:
    measured: tuple[Statement, ...]
    configured: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Advice:
    status: Status
    priority: Priority | None
    action: DeveloperAction
    rule: Statement
    priority_rule: Statement
    next_steps: tuple[Sentence, ...]
    changes_if: Sentence | None
    command: Redacted | None


@dataclass(frozen=True, slots=True)
class TimelineMark:
    at: datetime
    what: Literal["onset", "deploy", "deploy failed", "traffic", "first", "last", "fix serving"]
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """`counts` are failures per `bucket_s` seconds from `start`; `marks` in order of time."""

    start: datetime
    bucket_s: int
    counts: tuple[int, ...]
    marks: tuple[TimelineMark, ...]


@dataclass(frozen=True, slots=True)
class ChainNode:
    """`count` None: a component, which is named but not counted."""

    id: str
    label: str
    count: int | None
    role: Literal["component", "cause", "symptom", "other"]


@dataclass(frozen=True, slots=True)
class ChainEdge:
    """`label` is how the one leads to the other, in words of ours."""

    cause: str
    effect: str
    label: Literal[
        "named in the entries",
        "raised from",
        "then, on the same instance",
        "in the same request",
        "named in both",
        "known consequence",
    ]
    basis: Basis
    evidence: tuple[EvidenceId, ...]


@dataclass(frozen=True, slots=True)
class GapRow:
    source: str
    reason: Redacted
    meaning: str
    remedy: str | None


@dataclass(frozen=True, slots=True)
class ReadingRow:
    source: str
    query: str | None
    entries: int
    calls: int
    bad_lines: int
    truncated: str | None
    digest: str | None


@dataclass(frozen=True, slots=True)
class Footer:
    """`page_url` None: no server keeps this report."""

    entries: int
    bad_lines: int
    readings: tuple[ReadingRow, ...]
    redactions: Mapping[str, int]
    evidence_digest: str
    tool_version: str
    page_url: str | None
    github_calls: int | None
    log_reads: int


@dataclass(frozen=True, slots=True)
class Report:
    """The eleven parts, in order, and what they rest on."""

    schema_version: int
    header: Header
    whys: tuple[WhyStep, ...]
    fixes: tuple[FixRow, ...]
    no_fixes_because: Statement | None
    active: ActiveFailure
    suspects: tuple[SuspectRow, ...]
    frames: tuple[FrameRow, ...]
    mismatches: tuple[MismatchRow, ...]
    revisions: tuple[RevisionRow, ...]
    resources: tuple[ResourceRow, ...]
    latest: LatestFailure | None
    escalation: Escalation
    impact: Impact
    advice: Advice
    footer: Footer
    timeline: Timeline | None
    chain_nodes: tuple[ChainNode, ...]
    chain_edges: tuple[ChainEdge, ...]
    gaps: tuple[GapRow, ...]
    evidence: tuple[EvidenceItem, ...]

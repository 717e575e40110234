"""The report: what is said, in which order, resting on which evidence.

Its JSON form is published (`docs/report.schema.json`) under `SCHEMA_VERSION`. `build.py` makes it, `render.py` shows
it.
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
    command: Redacted | None
    detail: tuple[tuple[str, Redacted], ...] = ()

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
    """`audit_id` is `a-` and 12 hex digits of the evidence's hash. Mentions are configured teams only."""

    audit_id: str
    status: Status
    priority: Priority | None
    environment: str | None
    services: tuple[Redacted, ...]
    window_start: datetime
    window_end: datetime
    judged_at: datetime
    summary: Statement
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
    """One row of the ledger. `what` is the commit's subject (foreign)."""

    commit: Redacted
    commit_url: str | None
    what: Redacted
    issue: Redacted | None
    group: Redacted | None
    verdict: FixVerdict
    because: Statement


@dataclass(frozen=True, slots=True)
class SignalRow:
    layer: Layer
    weight: float
    why: Statement


@dataclass(frozen=True, slots=True)
class SuspectRow:
    commit: Redacted
    commit_url: str | None
    what: Redacted
    score: float
    reasons_for: tuple[Statement, ...]
    reasons_against: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One error group as the report shows it."""

    group: Redacted
    title: Redacted
    count: int
    share: float
    per_minute: float
    first_seen: datetime
    last_seen: datetime
    revisions: tuple[Redacted, ...]
    role: Literal["cause", "symptom", "other"]
    statement: Statement


@dataclass(frozen=True, slots=True)
class ActiveFailure:
    """`state`: whether it still fails at the end of the window."""

    state: Literal["failing", "quiet", "none", "cannot tell"]
    pattern: Statement | None
    groups: tuple[GroupRow, ...]
    groups_left_out: int
    layer: Layer
    confidence: Confidence
    signals_for: tuple[SignalRow, ...]
    signals_against: tuple[SignalRow, ...]
    not_decided: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class FrameRow:
    frame: Redacted
    path: Redacted | None
    url: str | None
    last_change: Sentence | None
    note: Statement


@dataclass(frozen=True, slots=True)
class ResourceRow:
    """`mark`: healthy, unhealthy, or unknown with its reason."""

    resource: Redacted
    kind: Redacted
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
    label: Redacted


@dataclass(frozen=True, slots=True)
class Timeline:
    """`counts` are failures per `bucket_s` seconds from `start`; `marks` in order of time."""

    start: datetime
    bucket_s: int
    counts: tuple[int, ...]
    marks: tuple[TimelineMark, ...]


@dataclass(frozen=True, slots=True)
class ChainNode:
    id: str
    label: Redacted
    count: int
    role: Literal["cause", "symptom", "other"]


@dataclass(frozen=True, slots=True)
class ChainEdge:
    cause: str
    effect: str
    label: str
    basis: Basis


@dataclass(frozen=True, slots=True)
class GapRow:
    source: Redacted
    reason: Redacted
    meaning: str
    remedy: Redacted | None


@dataclass(frozen=True, slots=True)
class ReadingRow:
    source: Redacted
    query: Redacted | None
    entries: int
    calls: int
    bad_lines: int
    truncated: Redacted | None
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
    mismatches: tuple[Statement, ...]
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

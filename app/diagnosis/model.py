"""Judgement as values. A claim cannot be built without its evidence, nor a sentence from text of outside.

Owns the vocabulary of verdicts. `diagnose.py` fills a `Diagnosis`; `report/build.py` reads it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal, LiteralString

from app.evidence.model import (
    CommitSha,
    Constant,
    ContainmentFact,
    Fingerprint,
    FixCandidate,
    LayerOwner,
    ProbeTarget,
    RevisionName,
    ServiceName,
)
from app.redact import Redacted

# --- sentences --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Words:
    """Our own words. Built from literals only (`sentence` demands it), so they may hold no foreign text."""

    text: str
    strong: bool = False
    kind: Literal["words"] = "words"


@dataclass(frozen=True, slots=True)
class Value:
    """A value out of the evidence; every renderer shows it as code, escaped."""

    text: Redacted
    kind: Literal["value"] = "value"


Sentence = tuple[Words | Value, ...]


def sentence(
    words: LiteralString, *values: Redacted | Sentence | StrEnum | datetime | timedelta | int | float
) -> Sentence:
    """Fill the `{}` of `words` with values, in order; `**strong**` marks our own strong words.

    Text becomes a `Value` (shown as code), numbers, times and enumerations become words, a sentence is spliced in. Raises
    `ValueError` when the number of `{}` and of values differ.
    """
    parts = words.split("{}")
    if len(parts) != len(values) + 1:
        raise ValueError(f"{len(parts) - 1} places for {len(values)} values in {words!r}")
    out: list[Words | Value] = []
    strong = False

    def add(text: str) -> None:
        nonlocal strong
        for i, piece in enumerate(text.split("**")):
            if i:
                strong = not strong
            if piece:
                out.append(Words(piece, strong))

    add(parts[0])
    for value, part in zip(values, parts[1:], strict=True):
        match value:
            case tuple():
                out.extend(value)
            case datetime():
                out.append(Words(clock(value), strong))
            case timedelta():
                out.append(Words(span(value), strong))
            case StrEnum():
                out.append(Words(value.value, strong))
            case str():
                out.append(Value(value))
            case int():
                out.append(Words(f"{value:,}", strong))
            case float():
                out.append(Words(f"{value:,.4g}", strong))
        add(part)
    return tuple(out)


def clock(at: datetime) -> str:
    """`2025-09-15 14:47:09 UTC`."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def span(length: timedelta) -> str:
    """`45 min`, `3 h 20 min`, `2 d 4 h`, `8 s`: two units at most."""
    seconds = int(length.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if minutes < 120:
        return f"{minutes} min"
    if hours < 48:
        return f"{hours} h {minutes % 60} min" if minutes % 60 else f"{hours} h"
    return f"{days} d {hours % 24} h" if hours % 24 else f"{days} d"


def plain(text: Sentence) -> str:
    """The sentence without marks, for sorting, logs and tests."""
    return "".join(part.text for part in text)


# --- what a claim rests on --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class EntryRef:
    """One log entry: a group's `first` or `latest` sample."""

    group: Fingerprint
    which: Literal["first", "latest"] = "latest"
    kind: Literal["entry"] = "entry"


@dataclass(frozen=True, slots=True)
class CountRef:
    """The counts of a group over the window; `group` None: of all failures read."""

    group: Fingerprint | None
    kind: Literal["count"] = "count"


@dataclass(frozen=True, slots=True)
class CommitRef:
    sha: CommitSha
    kind: Literal["commit"] = "commit"


@dataclass(frozen=True, slots=True)
class FileRef:
    """A line of a file at a commit."""

    sha: CommitSha
    path: str
    line: int
    kind: Literal["file"] = "file"


@dataclass(frozen=True, slots=True)
class RevisionRef:
    """What is known of a revision, and from which signals."""

    service: ServiceName
    name: RevisionName
    kind: Literal["revision"] = "revision"


@dataclass(frozen=True, slots=True)
class CompareRef:
    """Is `fix` in `running`? Opens as a comparison of the two commits."""

    fix: CommitSha
    running: CommitSha
    kind: Literal["compare"] = "compare"


@dataclass(frozen=True, slots=True)
class ProbeRef:
    target: ProbeTarget
    kind: Literal["probe"] = "probe"


@dataclass(frozen=True, slots=True)
class ConfigRef:
    path: str
    line: int
    kind: Literal["config"] = "config"


@dataclass(frozen=True, slots=True)
class ExposureRef:
    """Requests and starts of one revision."""

    service: ServiceName
    revision: RevisionName
    kind: Literal["exposure"] = "exposure"


@dataclass(frozen=True, slots=True)
class ReadingRef:
    """The reads themselves: what was searched, and where it stopped. Evidence of absence rests on it."""

    kind: Literal["reading"] = "reading"


@dataclass(frozen=True, slots=True)
class IssueTextRef:
    """The issue's own text: a weak signal."""

    kind: Literal["issue"] = "issue"


EvidenceRef = (
    EntryRef
    | CountRef
    | CommitRef
    | FileRef
    | RevisionRef
    | CompareRef
    | ProbeRef
    | ConfigRef
    | ExposureRef
    | ReadingRef
    | IssueTextRef
)


class Basis(StrEnum):
    """How sure a step is: read off the evidence, following from it by a printed rule, or a guess that says so."""

    OBSERVED = "observed"
    INFERRED = "inferred"
    HYPOTHESIS = "hypothesis"


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement about the incident and what it rests on. Raises `ValueError` without evidence: law 1."""

    text: Sentence
    evidence: tuple[EvidenceRef, ...]
    basis: Basis = Basis.OBSERVED

    def __post_init__(self) -> None:
        if not self.evidence:
            raise ValueError(f"a claim without evidence: {plain(self.text)}")


@dataclass(frozen=True, slots=True)
class DecidingCheck:
    """What would settle an open question: one read-only command, with the resource's real name."""

    question: Sentence
    command: Redacted


# --- verdict vocabulary -----------------------------------------------------------------------------------------------


class Layer(StrEnum):
    APPLICATION = "application"
    CONFIGURATION = "configuration"
    PERMISSIONS = "permissions"
    QUOTA = "quota"
    CAPACITY = "capacity"
    INFRASTRUCTURE = "infrastructure"
    PLATFORM = "platform"
    DEPENDENCY = "dependency"
    UNKNOWN = "unknown"


class Confidence(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Status(StrEnum):
    INFRASTRUCTURE_ESCALATION = "INFRASTRUCTURE ESCALATION REQUIRED"
    PROVIDER_ESCALATION = "PROVIDER ESCALATION REQUIRED"
    APPLICATION_FIX = "APPLICATION FIX REQUIRED"
    FIX_NOT_DEPLOYED = "FIX MERGED, NOT DEPLOYED"
    FIX_INEFFECTIVE = "FIX INEFFECTIVE"
    ROLLBACK = "ROLLBACK RECOMMENDED"
    CONFIGURATION_CHANGE = "CONFIGURATION CHANGE REQUIRED"
    RECOVERING = "RECOVERING"
    RESOLVED = "RESOLVED"
    NO_FAILURES = "NO MATCHING FAILURES"
    CANNOT_TELL = "CANNOT TELL"


class DeveloperAction(StrEnum):
    HOLD = "HOLD"
    FIX = "FIX"
    DEPLOY = "DEPLOY"
    ROLL_BACK = "ROLL BACK"
    CONFIGURE = "CONFIGURE"
    VERIFY = "VERIFY"
    NONE = "NONE"
    CHECK = "RUN THE DECIDING CHECK"


class Priority(StrEnum):
    P0 = "P0"
    P1 = "P1"
    P2 = "P2"
    P3 = "P3"


class FixVerdict(StrEnum):
    """One verdict per fix and error group; the definitions are the product's contract."""

    UNRELATED = "unrelated"
    NOT_DEPLOYED = "not deployed"
    PARTLY_DEPLOYED = "partly deployed"
    INEFFECTIVE = "ineffective"
    EFFECTIVE = "effective"
    TOO_EARLY = "too early"
    REGRESSED = "regressed"
    UNKNOWN = "unknown"


# --- the fix ledger ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Match:
    """How well a commit fits an error group. `score` in 0..1; `fits` is the decision at the cut-off.

    Reasons are printed as they are: for and against. `already`, one of those against: the code that failed has what the
    commit brings, so that it is hardly the fix, and may well be the cause. `touch` is the score without that: how surely the
    commit is about the fault, as its fix or as its cause.
    """

    sha: CommitSha
    group: Fingerprint
    score: float
    fits: bool
    reasons_for: tuple[Claim, ...]
    reasons_against: tuple[Claim, ...]
    already: Claim | None = None
    touch: float = 0.0


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One fix against one group. `because` is the sentence that decides; `facts` are the containments it rests on."""

    fix: FixCandidate
    group: Fingerprint | None
    verdict: FixVerdict
    because: Claim
    facts: tuple[ContainmentFact, ...] = ()
    match: Match | None = None


@dataclass(frozen=True, slots=True)
class Suspect:
    """A commit first contained in the revision where the group first appears."""

    sha: CommitSha
    group: Fingerprint
    revision: RevisionName
    score: float
    reasons_for: tuple[Claim, ...]
    reasons_against: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Configured against observed. `agrees` False is a finding; True is shown as checked.

    `fixes`: those that set the value in question.
    """

    group: Fingerprint
    observed: Redacted
    constant: Constant
    agrees: bool
    claim: Claim
    fixes: tuple[CommitSha, ...] = ()


# --- causes -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Signal:
    """One line of the scorecard: `weight` speaks for `layer`, or against it when negative."""

    layer: Layer
    weight: float
    claim: Claim


@dataclass(frozen=True, slots=True)
class LayerScore:
    layer: Layer
    score: float


@dataclass(frozen=True, slots=True)
class Cause:
    """A recognised or worked-out cause. `failure_class` is an id of the catalogue, None when no signature fits.

    `signature` is the stable id of the signature that recognised it. `component` is the resource or part as it stands in
    the entries, None when they name none. `symptom`: the signature only reports a consequence.
    """

    group: Fingerprint
    signature: str | None
    failure_class: str | None
    title: Sentence
    component: Redacted | None
    layer: Layer
    owner: LayerOwner | None
    score: float
    symptom: bool
    claim: Claim


@dataclass(frozen=True, slots=True)
class RejectedCause:
    cause: Cause
    refuted_by: Claim


class LinkKind(StrEnum):
    """Why one group is seen as the cause of another."""

    EXCEPTION_CHAIN = "exception chain"
    SAME_INSTANCE = "same instance, earlier"
    SAME_REQUEST = "same request"
    NAMED = "named in its message"
    RULE = "known consequence"


@dataclass(frozen=True, slots=True)
class CausalLink:
    """`cause` led to `effect`."""

    cause: Fingerprint
    effect: Fingerprint
    kind: LinkKind
    claim: Claim


@dataclass(frozen=True, slots=True)
class Why:
    """One step. `answer` None: evidence stops here, and `check` says what would decide it."""

    question: Sentence
    answer: Claim | None
    check: DecidingCheck | None = None


@dataclass(frozen=True, slots=True)
class RequiredAction:
    """For the team that must act. `already` is what we checked of it, None when nothing could be."""

    text: Sentence
    command: Redacted | None
    already: Claim | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """`rule` and `priority_rule` are the printed rules of the decision table."""

    status: Status
    action: DeveloperAction
    priority: Priority | None
    rule: Claim
    priority_rule: Claim
    next_steps: tuple[Sentence, ...]
    changes_if: DecidingCheck | None


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The judgement. `root` None: cannot tell. `symptoms` are groups folded as consequences of it.

    `failure_class`, `layer`, `component` and `owner` repeat the root's after the scorecard; UNKNOWN and None are answers.
    """

    summary: Claim
    root: Cause | None
    causes: tuple[Cause, ...]
    rejected: tuple[RejectedCause, ...]
    links: tuple[CausalLink, ...]
    symptoms: tuple[Fingerprint, ...]
    failure_class: str | None
    layer: Layer
    component: Redacted | None
    owner: LayerOwner | None
    confidence: Confidence
    signals: tuple[Signal, ...]
    scores: tuple[LayerScore, ...]
    ledger: tuple[LedgerRow, ...]
    suspects: tuple[Suspect, ...]
    mismatches: tuple[Mismatch, ...]
    whys: tuple[Why, ...]
    actions: tuple[RequiredAction, ...]
    recommendation: Recommendation

"""What to do: the decision tables for status, developer action and priority, as data.

Owns the rules and their order. Each is one row: when it holds, what is recommended, and the sentence that is printed as its
reason. Leaves the judgement that they read to `chain.py`, `scorecard.py` and `ledger.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from app.diagnosis.chain import NEAR, Chain
from app.diagnosis.model import (
    Claim,
    CommitRef,
    ConfigRef,
    CountRef,
    DecidingCheck,
    DeveloperAction,
    EvidenceRef,
    ExposureRef,
    FixVerdict,
    Layer,
    LayerOwner,
    LedgerRow,
    Priority,
    ReadingRef,
    Recommendation,
    RevisionRef,
    Sentence,
    Status,
    Suspect,
    sentence,
)
from app.diagnosis.scorecard import SUSPECTED, Scorecard, deploy_at_onset, is_own_limit
from app.diagnosis.signatures.model import Signature
from app.diagnosis.silence import Unit, judge_silence
from app.evidence.model import ErrorGroup, Evidence, Exposure, Gap, GroupKind, Revision
from app.redact import Redacted, cut

QUIET = 0.05
"""Below this chance the silence is worth watching, without being proof."""

ACTIONS: dict[Status, DeveloperAction] = {
    Status.INFRASTRUCTURE_ESCALATION: DeveloperAction.HOLD,
    Status.PROVIDER_ESCALATION: DeveloperAction.HOLD,
    Status.APPLICATION_FIX: DeveloperAction.FIX,
    Status.FIX_NOT_DEPLOYED: DeveloperAction.DEPLOY,
    Status.FIX_INEFFECTIVE: DeveloperAction.FIX,
    Status.ROLLBACK: DeveloperAction.ROLL_BACK,
    Status.CONFIGURATION_CHANGE: DeveloperAction.CONFIGURE,
    Status.RECOVERING: DeveloperAction.VERIFY,
    Status.RESOLVED: DeveloperAction.NONE,
    Status.NO_FAILURES: DeveloperAction.NONE,
    Status.CANNOT_TELL: DeveloperAction.CHECK,
}


HINT = 0.4
"""A root that says less than this (0..1) was not recognised, but taken for something by general words."""

LIFECYCLE = (
    "autoscaler-scale-down-blocked",
    "instance-auto-repaired",
    "instance-preempted",
    "platform-maintenance",
    "stopped-or-deleted-by-user",
)
"""Classes whose notices are part of normal life: alone, without one failure, they call nobody."""
_START = ("container-failed-to-start", "container-crash-loop", "health-probe-failed")


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the tables read. `group` is the root's, or the most frequent failure; None when there is none.

    `check` None: no command can be named from what the entries hold. `supposed` is the likeliest cause behind the root.
    `look_again` reads what the service has logged since.
    """

    evidence: Evidence
    chain: Chain
    card: Scorecard
    signature: Signature | None
    group: ErrorGroup | None
    ledger: tuple[LedgerRow, ...]
    suspects: tuple[Suspect, ...]
    check: DecidingCheck | None
    supposed: Sentence | None = None
    look_again: Redacted | None = None

    @property
    def verdicts(self) -> tuple[LedgerRow, ...]:
        """The ledger's rows about the failure at hand."""
        return tuple(row for row in self.ledger if self.group is not None and row.group == self.group.id)

    def first_with(self, *wanted: FixVerdict) -> LedgerRow | None:
        return next((row for row in self.verdicts if row.verdict in wanted), None)

    @property
    def code_can_cure(self) -> bool:
        """Whether a change of the code may end it: not when another team's layer is shown to be at fault."""
        return self.card.owner in (None, LayerOwner.DEVELOPERS)


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. `because` gives the printed reason when the row holds, None when it does not."""

    status: Status
    because: Callable[[Situation], Claim | None]


def recommend(situation: Situation) -> Recommendation:
    """The first row of `STATUS_RULES` that holds, with its priority. The last row always holds."""
    status, rule = _status(situation)
    priority, priority_rule = _priority(situation, status)
    return Recommendation(
        status,
        ACTIONS[status],
        priority,
        rule,
        priority_rule,
        _next_steps(situation, status),
        _changes_if(situation, status),
    )


def _changes_if(situation: Situation, status: Status) -> DecidingCheck | None:
    """What would overturn the advice, phrased to follow "this changes if"."""
    if status in _SEEN_AGAIN:
        again = situation.look_again
        return DecidingCheck(sentence(_SEEN_AGAIN[status]), again) if again else None
    check = situation.check
    if check is None or status in (Status.NO_FAILURES, Status.CANNOT_TELL):
        return None  # where nothing is decided, the check is the next step itself
    if situation.supposed is None:
        return DecidingCheck(sentence("the check names another cause"), check.command)
    return DecidingCheck(sentence("the check shows something else than this: {}", situation.supposed), check.command)


_SEEN_AGAIN: Mapping[Status, LiteralString] = {
    Status.RESOLVED: "the same failure is seen again",
    Status.RECOVERING: "the same failure is seen again",
    Status.FIX_NOT_DEPLOYED: "it is still seen where the fix runs",
    Status.FIX_INEFFECTIVE: "what is seen on the revision with the fix turns out to be another fault",
    Status.ROLLBACK: "it is seen on the revision before as well",
}
"""Advice that the service's next entries decide."""


def _status(situation: Situation) -> tuple[Status, Claim]:
    for rule in STATUS_RULES:
        if claim := rule.because(situation):
            return rule.status, claim
    raise AssertionError("the last rule always holds")


# --- status -----------------------------------------------------------------------------------------------------------


def about_logs(gap: Gap) -> bool:
    return gap.source.startswith("logs")


def _nothing_read(s: Situation) -> Claim | None:
    if s.group is not None:
        return None
    if any(map(about_logs, s.evidence.gaps)):
        return Claim(
            sentence("the logs could not be read, or not to the end, so the absence of failures proves nothing"), _READ
        )
    if s.evidence.observations.entries == 0:
        return Claim(sentence("not one entry of any kind was found, which is no data and not health"), _READ)
    if any(reading.truncated for reading in s.evidence.readings):
        return Claim(sentence("the search was cut short, so the absence of failures proves nothing"), _READ)
    return None


def _no_failures(s: Situation) -> Claim | None:
    if s.group is None:
        return Claim(
            sentence("{} entries were read and none reports a failure", s.evidence.observations.entries), _READ
        )
    root = s.chain.root
    if s.evidence.observations.groups or root is None:
        return None
    if root.failure_class in LIFECYCLE or _few_refused(s.evidence, s.group):
        refs = (*_READ, CountRef(root.group))
        return Claim(sentence("no entry reports a failure; {} is noted only", root.title), refs)
    return None


def _few_refused(evidence: Evidence, group: ErrorGroup) -> bool:
    """Whether most requests of the services were let in: a few that are refused are anybody's knocking."""
    if group.kind is not GroupKind.REQUEST:
        return False
    mine = [e for e in evidence.observations.exposure if e.service in group.services]
    return 2 * group.count < sum(sum(e.requests.values()) for e in mine)


def _resolved_by_fix(s: Situation) -> Claim | None:
    row = s.first_with(FixVerdict.EFFECTIVE)
    if row is None or s.first_with(FixVerdict.INEFFECTIVE, FixVerdict.REGRESSED):
        return None
    return row.because


def _recovering_by_fix(s: Situation) -> Claim | None:
    row = s.first_with(FixVerdict.TOO_EARLY)
    if row is None or s.first_with(FixVerdict.INEFFECTIVE, FixVerdict.REGRESSED):
        return None
    return row.because


def _resolved_by_silence(s: Situation) -> Claim | None:
    return _silent(s, convincing=True)


def _recovering_by_silence(s: Situation) -> Claim | None:
    return _silent(s, convincing=False)


def _fix_ineffective(s: Situation) -> Claim | None:
    row = s.first_with(FixVerdict.INEFFECTIVE, FixVerdict.REGRESSED)
    return row.because if row and s.code_can_cure else None


def _fix_not_deployed(s: Situation) -> Claim | None:
    row = s.first_with(FixVerdict.NOT_DEPLOYED, FixVerdict.PARTLY_DEPLOYED)
    fits = row is not None and (row.match is None or row.match.fits)
    return row.because if row and fits and s.code_can_cure else None


def _rollback(s: Situation) -> Claim | None:
    """Only when it began with a deploy, what ran before was healthy, and a commit is suspected."""
    if s.group is None or not s.code_can_cure:
        return None
    event = deploy_at_onset(s.evidence, s.group)
    suspect = next((x for x in s.suspects if x.group == s.group.id and x.score >= SUSPECTED), None)
    previous = _healthy_before(s)
    if event is None or event.revision is None or suspect is None or previous is None:
        return None
    refs = (
        RevisionRef(event.service, event.revision),
        RevisionRef(previous.service, previous.name),
        CommitRef(suspect.sha),
        CountRef(s.group.id),
    )
    return Claim(
        sentence(
            "it began with a deploy, the revision before it served without this failure, and a commit is suspected"
        ),
        refs,
    )


def _healthy_before(s: Situation) -> Revision | None:
    """The revision that served before the failing one: seen at work, without one entry of this group."""
    if s.group is None:
        return None
    failing = {row.revision for row in s.group.per_revision}
    worked = {e.revision for e in s.evidence.observations.exposure if e.first_seen < s.group.first_seen}
    before = [
        r
        for r in s.evidence.revisions
        if r.name in worked and r.name not in failing and r.service in s.group.services and r.ready is not False
    ]
    oldest = s.group.first_seen
    return max(before, key=lambda r: (r.serving_since or r.created_at or oldest, r.name), default=None)


def _owned_by(owner: LayerOwner) -> Callable[[Situation], Claim | None]:
    def because(s: Situation) -> Claim | None:
        return _points_at(s) if s.card.owner is owner else None

    return because


def _developers_configure(s: Situation) -> Claim | None:
    return _points_at(s) if s.card.owner is LayerOwner.DEVELOPERS and s.card.layer is Layer.CONFIGURATION else None


def _developers_fix(s: Situation) -> Claim | None:
    return _points_at(s) if s.card.owner is LayerOwner.DEVELOPERS else None


def _points_at(s: Situation) -> Claim | None:
    """None for a root that reports a consequence, a time limit or general words: a place to look first, no verdict."""
    root = s.chain.root
    if root is None or root.symptom or s.card.owner is None or s.group is None or is_own_limit(s.group, s.signature):
        return None
    if root.score < HINT:
        return None
    text = sentence("the layer is {} with {} confidence; to act: {}", s.card.layer, s.card.confidence, s.card.owner)
    return Claim(text, (CountRef(s.group.id),))


def _cannot_tell(s: Situation) -> Claim | None:
    root = s.chain.root
    if s.group is None:
        return Claim(sentence("nothing was read that a verdict could rest on"), _READ)
    refs: tuple[EvidenceRef, ...] = (CountRef(s.group.id),)
    if root is not None and root.symptom:
        return Claim(sentence("the entries read show a consequence only, not its cause"), refs)
    return Claim(sentence("no entry that was read shows the cause"), refs)


_READ: tuple[EvidenceRef, ...] = (ReadingRef(),)

STATUS_RULES: tuple[Rule, ...] = (
    Rule(Status.CANNOT_TELL, _nothing_read),
    Rule(Status.NO_FAILURES, _no_failures),
    Rule(Status.RESOLVED, _resolved_by_fix),
    Rule(Status.RESOLVED, _resolved_by_silence),
    Rule(Status.RECOVERING, _recovering_by_fix),
    Rule(Status.FIX_INEFFECTIVE, _fix_ineffective),
    Rule(Status.FIX_NOT_DEPLOYED, _fix_not_deployed),
    Rule(Status.RECOVERING, _recovering_by_silence),
    Rule(Status.ROLLBACK, _rollback),
    Rule(Status.INFRASTRUCTURE_ESCALATION, _owned_by(LayerOwner.INFRASTRUCTURE)),
    Rule(Status.PROVIDER_ESCALATION, _owned_by(LayerOwner.PROVIDER)),
    Rule(Status.CONFIGURATION_CHANGE, _developers_configure),
    Rule(Status.APPLICATION_FIX, _developers_fix),
    Rule(Status.CANNOT_TELL, _cannot_tell),
)
"""In order; the first that holds decides. What is over comes before who is to blame, a running fix before a new one."""


# --- silence ----------------------------------------------------------------------------------------------------------


def _silent(s: Situation, *, convincing: bool) -> Claim | None:
    """Whether the failure has stopped while its services were exercised as before.

    By the rule of the fix ledger (`silence.py`), taken without a fix: what was seen until the last failure against what
    came after it. Without exposure after it, silence proves nothing.
    """
    if s.group is None or not s.group.failure:
        return None
    end = int(s.group.last_seen.timestamp()) // 60
    mine = [e for e in s.evidence.observations.exposure if e.service in s.group.services]
    refs = (CountRef(s.group.id), *(ExposureRef(e.service, e.revision) for e in mine))
    unit: Unit
    for unit in ("requests", "starts"):
        before: dict[int, int] = {}
        after: dict[int, int] = {}
        for exposure in mine:
            for minute, count in (exposure.requests if unit == "requests" else exposure.starts).items():
                side = before if minute <= end else after
                side[minute] = side.get(minute, 0) + count
        silence = judge_silence(unit, before, s.group.per_minute, after) if after else None
        if silence is None:
            continue
        if silence.convincing if convincing else silence.probability < QUIET and silence.blocks > 0:
            text = sentence(
                "silent since {} through {} of exposure; the chance of that at the earlier rate is {}",
                s.group.last_seen,
                sentence("{} starts" if unit == "starts" else "{} requests", silence.exposure),
                silence.probability,
            )
            return Claim(text, refs)
    return None


# --- priority ---------------------------------------------------------------------------------------------------------


def _priority(s: Situation, status: Status) -> tuple[Priority | None, Claim]:
    """P0 to P3 by the first rule that holds; None when nothing is known to fail."""
    refs: tuple[EvidenceRef, ...] = (CountRef(s.group.id),) if s.group else _READ
    scope = s.evidence.request.scope
    if scope.critical is not None:
        refs = (*refs, ConfigRef(scope.critical.path, scope.critical.line))
    if status is Status.NO_FAILURES:
        return Priority.P3, Claim(sentence("P3: nothing fails"), refs)
    if s.group is None:
        return None, Claim(sentence("no priority: nothing is known to fail"), refs)
    if status in (Status.RESOLVED, Status.RECOVERING):
        return Priority.P3, Claim(sentence("P3: the failure has stopped"), refs)
    if (stated := scope.priority) is not None:
        priority = Priority(stated.text)
        text = sentence("{}: stated for this environment by configuration", priority)
        return priority, Claim(text, (*refs, ConfigRef(stated.path, stated.line)))
    starts = failing_starts(s.evidence, s.chain, s.group)
    down = nothing_ready(s.evidence, s.group) or (
        starts is not None and not _others_at_work(s.evidence, s.group, starts)
    )
    if down and scope.is_critical:
        return Priority.P0, Claim(sentence("P0: nothing is ready to serve in an environment marked critical"), refs)
    if down:
        return Priority.P1, Claim(
            sentence("P1: nothing is ready to serve; the environment is not marked critical"), refs
        )
    if scope.is_critical:
        return Priority.P1, Claim(sentence("P1: failures go on in an environment marked critical"), refs)
    return Priority.P2, Claim(
        sentence("P2: it fails, and nothing that was read says that nothing serves any more"), refs
    )


@dataclass(frozen=True, slots=True)
class FailingStarts:
    """`group` tells of most of them. `all_seen`: as many ended as were seen to begin, so it may be said of every start."""

    group: ErrorGroup
    since: datetime
    all_seen: bool


def failing_starts(evidence: Evidence, chain: Chain, group: ErrorGroup) -> FailingStarts | None:
    """The starts that fail because of `group`, when since then no request was answered well and no start outlived it.

    Without a request or a start that was seen, nothing says so, and the answer is None. That a revision was ready when it
    was deployed says nothing of now, so it is not asked here.
    """
    about = (group.id, *chain.symptoms)
    failing = [c.group for c in chain.ranked if c.failure_class in _START and c.group in about]
    starting = [g for g in evidence.observations.groups if g.id in failing]
    if not starting:
        return None
    since = min(g.first_seen for g in (group, *starting))
    began = int(since.timestamp()) // 60
    mine = [e for e in evidence.observations.exposure if e.service in group.services]

    def seen_since(minute: int, counts: Callable[[Exposure], Mapping[int, int]]) -> int:
        return sum(n for e in mine for at, n in counts(e).items() if at >= minute)

    def ended(of: ErrorGroup) -> int:
        return sum(n for at, n in of.per_minute.items() if at >= began)

    # Requests of the first minute may still have been answered before it began.
    asked, failed = seen_since(began + 1, lambda e: e.requests), seen_since(began + 1, lambda e: e.server_errors)
    starts = seen_since(began, lambda e: e.starts)
    most = max(starting, key=lambda g: (ended(g), g.id))
    all_seen = 0 < starts <= ended(most)
    if asked > failed or not (asked or all_seen):
        return None
    return FailingStarts(most, since, all_seen)


def _others_at_work(evidence: Evidence, group: ErrorGroup, starts: FailingStarts) -> bool:
    """Whether pods of a version that does not fail wrote on after the starts began to fail: a rollout that hangs leaves them,
    and they take the requests. On Cloud Run an old revision may write without being asked for anything."""
    failing = {count.revision for count in group.per_revision}
    return any(
        e.service in group.services
        and "@" in e.revision
        and e.revision not in failing
        and e.last_seen > starts.since + NEAR
        for e in evidence.observations.exposure
    )


def nothing_ready(evidence: Evidence, group: ErrorGroup) -> bool:
    """Whether every revision known of a failing service is known not to be ready.

    Unknown counts as ready, and so does one that answered a request without a server error after the failure began.
    """
    services = set(group.services)
    known = [r for r in evidence.revisions if r.service in services]
    for exposure in evidence.observations.exposure:
        if exposure.service in services:
            began = int(group.first_seen.timestamp()) // 60
            served = sum(n for minute, n in exposure.requests.items() if minute > began)
            failed = sum(n for minute, n in exposure.server_errors.items() if minute > began)
            if served > failed:
                return False
    return bool(known) and all(r.ready is False for r in known)


# --- next steps -------------------------------------------------------------------------------------------------------


def _waiting_fix(s: Situation) -> LedgerRow | None:
    """A fix of the root or of what follows from it that does not run everywhere."""
    about = (s.group.id if s.group else None, *s.chain.symptoms)
    waiting = (FixVerdict.NOT_DEPLOYED, FixVerdict.PARTLY_DEPLOYED)
    return next((row for row in s.ledger if row.group in about and row.verdict in waiting), None)


def _next_steps(s: Situation, status: Status) -> tuple[Sentence, ...]:
    steps: list[Sentence] = []
    remedy = (s.signature.said(s.signature.remedy),) if s.signature and not s.signature.symptom else ()
    match status:
        case Status.INFRASTRUCTURE_ESCALATION | Status.PROVIDER_ESCALATION:
            steps += remedy
            if row := _waiting_fix(s):
                steps.append(sentence("Deploy {} afterwards; alone it would not cure this.", cut(row.fix.sha[:9])))
        case Status.APPLICATION_FIX | Status.CONFIGURATION_CHANGE:
            steps += remedy
        case Status.FIX_NOT_DEPLOYED:
            if row := s.first_with(FixVerdict.NOT_DEPLOYED, FixVerdict.PARTLY_DEPLOYED):
                steps.append(sentence("Deploy {} to every serving revision.", cut(row.fix.sha[:9])))
        case Status.FIX_INEFFECTIVE:
            steps.append(sentence("Look at the failure again: the fix runs and it still happens."))
            steps += remedy
        case Status.ROLLBACK:
            if previous := _healthy_before(s):
                undo = "Roll the workload back to {}." if "@" in previous.name else "Send the traffic back to {}."
                steps.append(sentence(undo, cut(previous.name)))
            if suspect := next((x for x in s.suspects if s.group and x.group == s.group.id), None):
                steps.append(sentence("Then look at {}.", cut(suspect.sha[:9])))
        case Status.RECOVERING:
            steps.append(sentence("Wait until the silence is long enough, then look again."))
        case Status.CANNOT_TELL:
            if s.check is not None:
                steps.append(sentence("Run the deciding check: {}", s.check.command))
            elif s.group is None:
                remedies = dict.fromkeys(gap.remedy for gap in s.evidence.gaps if gap.remedy)
                steps += [sentence("{}, then audit again.", cut(remedy)) for remedy in remedies]
                if not s.evidence.observations.entries and not any(map(about_logs, s.evidence.gaps)):
                    steps.insert(
                        0, sentence("Check that service, window and project are the meant ones, then audit again.")
                    )
        case Status.RESOLVED | Status.NO_FAILURES:
            steps.append(sentence("Nothing to do for this failure."))
    return tuple(steps)

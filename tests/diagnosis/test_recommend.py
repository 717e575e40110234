"""What is advised in which situation, and by which printed rule."""

import pytest

from app.diagnosis.chain import Chain
from app.diagnosis.model import (
    Claim,
    CommitRef,
    Confidence,
    ConfigRef,
    DeveloperAction,
    FixVerdict,
    Layer,
    LedgerRow,
    Priority,
    Status,
    Suspect,
    plain,
    sentence,
)
from app.diagnosis.recommend import ACTIONS, Situation, recommend
from app.diagnosis.scorecard import Scorecard
from app.evidence.model import (
    CommitSha,
    ConfigLine,
    DeployEvent,
    DeployKind,
    ErrorGroup,
    Evidence,
    Exposure,
    FixCandidate,
    FixOrigin,
    Gap,
    LayerOwner,
    Reading,
    Request,
    Revision,
    RevisionName,
    Scope,
    ServiceName,
)
from app.redact import cut
from tests.diagnosis.incident import START, WINDOW, at, cause, evidence, group

FIX = CommitSha("a" * 40)
SHOP = ServiceName("shop")
OLD, NEW = RevisionName("shop-00001-aaa"), RevisionName("shop-00002-abc")
CRITICAL = Scope(critical=ConfigLine(cut("critical: true"), ".github/infra-audit.yml", 7), is_critical=True)


def situation(
    found: Evidence,
    failing: ErrorGroup | None,
    *,
    layer: Layer = Layer.APPLICATION,
    owner: LayerOwner | None = LayerOwner.DEVELOPERS,
    symptom: bool = False,
    ledger: tuple[LedgerRow, ...] = (),
    suspects: tuple[Suspect, ...] = (),
) -> Situation:
    root = cause(failing, "application-exception", symptom=symptom) if failing and owner else None
    chain = Chain(root, (root,) if root else (), (), (), ())
    card = Scorecard(layer, owner, Confidence.HIGH, (), ())
    return Situation(found, chain, card, None, failing, ledger, suspects, None)


def row(verdict: FixVerdict, failing: ErrorGroup) -> LedgerRow:
    fix = FixCandidate(FIX, (FixOrigin.CLOSES_ISSUE,), "#12")
    return LedgerRow(fix, failing.id, verdict, Claim(sentence("the ledger says {}", verdict), (CommitRef(FIX),)))


def revision(name: RevisionName, *, ready: bool | None, since: float = 0) -> Revision:
    return Revision(name, SHOP, (), at(since), ready, None, None, at(since), False, None, ())


def exposure(name: RevisionName, minutes: range, *, errors: bool = False) -> Exposure:
    start = int(START.timestamp()) // 60
    requests = {start + minute: 10 for minute in minutes}
    return Exposure(SHOP, name, requests, {}, dict(requests) if errors else {}, at(minutes[0]), at(minutes[-1]))


@pytest.mark.parametrize(
    ("layer", "owner", "status", "action"),
    [
        (Layer.APPLICATION, LayerOwner.DEVELOPERS, Status.APPLICATION_FIX, DeveloperAction.FIX),
        (Layer.DEPENDENCY, LayerOwner.DEVELOPERS, Status.APPLICATION_FIX, DeveloperAction.FIX),
        (Layer.CONFIGURATION, LayerOwner.DEVELOPERS, Status.CONFIGURATION_CHANGE, DeveloperAction.CONFIGURE),
        (Layer.CONFIGURATION, LayerOwner.INFRASTRUCTURE, Status.INFRASTRUCTURE_ESCALATION, DeveloperAction.HOLD),
        (Layer.QUOTA, LayerOwner.INFRASTRUCTURE, Status.INFRASTRUCTURE_ESCALATION, DeveloperAction.HOLD),
        (Layer.PLATFORM, LayerOwner.PROVIDER, Status.PROVIDER_ESCALATION, DeveloperAction.HOLD),
        (Layer.UNKNOWN, None, Status.CANNOT_TELL, DeveloperAction.CHECK),
    ],
)
def test_who_can_change_the_layer_acts(
    layer: Layer, owner: LayerOwner | None, status: Status, action: DeveloperAction
) -> None:
    failing = group("f", "failure")
    advice = recommend(situation(evidence(failing), failing, layer=layer, owner=owner))
    assert (advice.status, advice.action) == (status, action)


def test_every_status_has_a_developer_action() -> None:
    assert set(ACTIONS) == set(Status)


def test_a_consequence_alone_is_no_verdict() -> None:
    failing = group("f", "Container called exit(3).")
    advice = recommend(situation(evidence(failing), failing, symptom=True))
    assert advice.status is Status.CANNOT_TELL
    assert "consequence" in plain(advice.rule.text)


def test_no_failure_among_entries_that_were_read_is_health() -> None:
    advice = recommend(situation(evidence(entries=900), None, owner=None, layer=Layer.UNKNOWN))
    assert (advice.status, advice.action, advice.priority) == (Status.NO_FAILURES, DeveloperAction.NONE, Priority.P3)


@pytest.mark.parametrize(
    "found",
    [
        evidence(entries=0),
        evidence(entries=900, gaps=[Gap("logs", cut("403"), "nothing is known", None)]),
        evidence(entries=900, gaps=[Gap("logs other.json", cut("403"), "nothing is known", None)]),
        evidence(entries=900, readings=(Reading("logs", "q", WINDOW, 900, 12, truncated="budget"),)),
    ],
    ids=["no data", "no access", "one file refused", "cut short"],
)
def test_no_data_no_access_and_a_cut_search_are_not_health(found: Evidence) -> None:
    advice = recommend(situation(found, None, owner=None, layer=Layer.UNKNOWN))
    assert advice.status is Status.CANNOT_TELL
    assert advice.priority is None


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        (FixVerdict.NOT_DEPLOYED, Status.FIX_NOT_DEPLOYED),
        (FixVerdict.PARTLY_DEPLOYED, Status.FIX_NOT_DEPLOYED),
        (FixVerdict.INEFFECTIVE, Status.FIX_INEFFECTIVE),
        (FixVerdict.REGRESSED, Status.FIX_INEFFECTIVE),
        (FixVerdict.EFFECTIVE, Status.RESOLVED),
        (FixVerdict.TOO_EARLY, Status.RECOVERING),
        (FixVerdict.UNRELATED, Status.APPLICATION_FIX),
        (FixVerdict.UNKNOWN, Status.APPLICATION_FIX),
    ],
)
def test_what_the_ledger_says_of_the_fix_decides(verdict: FixVerdict, status: Status) -> None:
    failing = group("f", "failure")
    assert recommend(situation(evidence(failing), failing, ledger=(row(verdict, failing),))).status is status


def test_a_fix_that_is_not_deployed_does_not_excuse_the_network() -> None:
    failing = group("f", "failure")
    advice = recommend(
        situation(
            evidence(failing),
            failing,
            layer=Layer.INFRASTRUCTURE,
            owner=LayerOwner.INFRASTRUCTURE,
            ledger=(row(FixVerdict.NOT_DEPLOYED, failing),),
        )
    )
    assert advice.status is Status.INFRASTRUCTURE_ESCALATION
    assert any("would not cure" in plain(step) for step in advice.next_steps)


def test_a_fix_of_another_failure_decides_nothing() -> None:
    failing, other = group("f", "failure"), group("o", "other")
    advice = recommend(situation(evidence(failing, other), failing, ledger=(row(FixVerdict.EFFECTIVE, other),)))
    assert advice.status is Status.APPLICATION_FIX


def test_rollback_needs_deploy_healthy_predecessor_and_suspect() -> None:
    failing = group("f", "failure", minute=20, revision=NEW)
    seen = failing.first
    event = DeployEvent(DeployKind.READY, at(18), SHOP, NEW, None, {}, None, seen)
    suspect = Suspect(FIX, failing.id, NEW, 0.8, (Claim(sentence("touches it"), (CommitRef(FIX),)),), ())
    both = [revision(OLD, ready=True), revision(NEW, ready=True, since=18)]
    worked = [exposure(OLD, range(18))]

    def status(*, deploys: list[DeployEvent], suspects: tuple[Suspect, ...], known: list[Exposure]) -> Status:
        found = evidence(failing, deploys=deploys, revisions=both, exposure=known)
        return recommend(situation(found, failing, suspects=suspects)).status

    assert status(deploys=[event], suspects=(suspect,), known=worked) is Status.ROLLBACK
    assert status(deploys=[], suspects=(suspect,), known=worked) is Status.APPLICATION_FIX
    assert status(deploys=[event], suspects=(), known=worked) is Status.APPLICATION_FIX
    assert status(deploys=[event], suspects=(suspect,), known=[]) is Status.APPLICATION_FIX


def test_silence_with_exposure_ends_it_and_silence_without_does_not() -> None:
    failing = group("f", "failure", minutes=range(1, 56))
    exercised = evidence(failing, exposure=[exposure(NEW, range(300))])
    idle = evidence(failing, exposure=[exposure(NEW, range(56))])
    assert recommend(situation(exercised, failing)).status is Status.RESOLVED
    assert recommend(situation(idle, failing)).status is Status.APPLICATION_FIX


def test_a_short_silence_is_watched() -> None:
    failing = group("f", "failure", minutes=range(1, 56))
    advice = recommend(situation(evidence(failing, exposure=[exposure(NEW, range(60))]), failing))
    assert (advice.status, advice.action) == (Status.RECOVERING, DeveloperAction.VERIFY)


@pytest.mark.parametrize(
    ("scope", "ready", "priority"),
    [
        (CRITICAL, False, Priority.P0),
        (CRITICAL, True, Priority.P1),
        (CRITICAL, None, Priority.P1),
        (Scope(), False, Priority.P1),
        (Scope(), True, Priority.P2),
        (Scope(), None, Priority.P2),
    ],
)
def test_priority_follows_its_printed_rule(scope: Scope, ready: bool | None, priority: Priority) -> None:
    failing = group("f", "failure")
    found = evidence(failing, revisions=[revision(NEW, ready=ready)], request=Request(WINDOW, at(60), scope=scope))
    advice = recommend(situation(found, failing))
    assert advice.priority is priority
    assert plain(advice.priority_rule.text).startswith(priority.value)


def test_a_service_whose_starts_fail_and_whose_requests_all_fail_is_down() -> None:
    failing = group("f", "failure")
    ended = group("e", "Container called exit(3).", minute=6)
    causes = (cause(failing, "bad-input-data"), cause(ended, "container-failed-to-start", symptom=True))
    chain = Chain(causes[0], causes, (), (), (ended.id,))
    card = Scorecard(Layer.APPLICATION, LayerOwner.DEVELOPERS, Confidence.HIGH, (), ())
    for errors, priority in ((True, Priority.P0), (False, Priority.P1)):
        request = Request(WINDOW, at(60), scope=CRITICAL)
        found = evidence(failing, ended, exposure=[exposure(NEW, range(5, 7), errors=errors)], request=request)
        advice = recommend(Situation(found, chain, card, None, failing, (), (), None))
        assert advice.priority is priority


@pytest.mark.parametrize(("starts", "priority"), [(3, Priority.P0), (4, Priority.P1), (0, Priority.P1)])
def test_a_service_none_of_whose_starts_outlived_it_is_down(starts: int, priority: Priority) -> None:
    ended = group("e", "Container called exit(3).", minute=6, count=3)
    root = cause(ended, "container-failed-to-start", symptom=True)
    card = Scorecard(Layer.APPLICATION, LayerOwner.DEVELOPERS, Confidence.LOW, (), ())
    minute = int(at(6).timestamp()) // 60
    seen = Exposure(SHOP, NEW, {}, {minute: starts} if starts else {}, {}, at(6), at(7))
    found = evidence(ended, exposure=[seen], request=Request(WINDOW, at(60), scope=CRITICAL))
    advice = recommend(Situation(found, Chain(root, (root,), (), (), ()), card, None, ended, (), (), None))
    assert advice.priority is priority


def test_a_preemption_alone_calls_nobody() -> None:
    notice = group("n", "Instance was preempted.", failure=False)
    root = cause(notice, "instance-preempted", layer=Layer.PLATFORM)
    card = Scorecard(Layer.PLATFORM, LayerOwner.PROVIDER, Confidence.HIGH, (), ())
    chain = Chain(root, (root,), (), (), ())
    advice = recommend(Situation(evidence(notices=[notice]), chain, card, None, notice, (), (), None))
    assert advice.status is Status.NO_FAILURES


def test_a_service_that_still_answers_is_not_down_whatever_its_revisions_say() -> None:
    failing = group("f", "failure")
    request = Request(WINDOW, at(60), scope=CRITICAL)
    served = evidence(
        failing, revisions=[revision(NEW, ready=False)], exposure=[exposure(OLD, range(60))], request=request
    )
    broken = evidence(
        failing,
        revisions=[revision(NEW, ready=False)],
        exposure=[exposure(NEW, range(6), errors=True)],
        request=request,
    )
    assert recommend(situation(served, failing, symptom=True)).priority is not Priority.P0
    assert recommend(situation(broken, failing)).priority is Priority.P0


def test_a_configured_priority_overrules_the_rules_while_something_fails() -> None:
    stated = Scope(priority=ConfigLine(cut("P0"), ".github/infra-audit.yml", 9))
    failing = group("a", "boom")
    found = evidence(failing, request=Request(window=WINDOW, now=at(60), scope=stated))
    advice = recommend(situation(found, failing))
    assert advice.priority is Priority.P0
    assert "stated for this environment" in plain(advice.priority_rule.text)
    assert ConfigRef(".github/infra-audit.yml", 9) in advice.priority_rule.evidence
    quiet = evidence(request=Request(window=WINDOW, now=at(60), scope=stated))
    assert recommend(situation(quiet, None)).priority is Priority.P3

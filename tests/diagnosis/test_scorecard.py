"""Which layer a root belongs to: what speaks for and against is listed with its weight."""

from datetime import UTC, datetime

import pytest

from app.diagnosis.chain import Chain
from app.diagnosis.model import Cause, Confidence, EntryRef, Layer, plain
from app.diagnosis.scorecard import score_layers
from app.diagnosis.signatures import CATALOGUE
from app.diagnosis.signatures.model import Signature
from app.evidence.model import (
    DeployEvent,
    DeployKind,
    ErrorGroup,
    Evidence,
    ExceptionInfo,
    Exposure,
    Frame,
    GroupKind,
    IssueRef,
    Language,
    LayerOwner,
    Onset,
    ProbeKind,
    ProbeResult,
    ProbeState,
    ProbeTarget,
    Request,
    RevisionName,
    ServiceName,
    StackTrace,
)
from app.redact import cut
from tests.diagnosis.incident import WINDOW, at, cause, evidence, group

MEMORY = next(s for s in CATALOGUE if s.id == "run-memory-limit")


def chain_of(root: Cause | None) -> Chain:
    return Chain(root, (root,) if root else (), (), (), ())


def from_signature(of: ErrorGroup, signature: Signature) -> Cause:
    return cause(
        of, signature.failure_class, layer=signature.layer, owner=signature.owner, symptom=signature.symptom, score=0.95
    )


def deploy(minute: float, revision: str = "shop-00002-abc") -> DeployEvent:
    seen = group("deploy", "deployed", failure=False, minute=minute).first
    kind = DeployKind.READY
    return DeployEvent(kind, at(minute), ServiceName("shop"), RevisionName(revision), None, {}, None, seen)


def exposure(revision: str, *, first: float = 0, last: float = 59) -> Exposure:
    return Exposure(ServiceName("shop"), RevisionName(revision), {}, {}, {}, at(first), at(last))


def layers(found: Evidence, root: Cause, signature: Signature | None = None) -> dict[Layer, float]:
    return {score.layer: score.score for score in score_layers(found, chain_of(root), signature).scores}


def test_a_message_that_names_its_cause_decides_layer_and_owner() -> None:
    memory = group("m", "Memory limit of 512 MiB exceeded with 530 MiB used.")
    card = score_layers(evidence(memory), chain_of(from_signature(memory, MEMORY)), MEMORY)
    assert (card.layer, card.owner, card.confidence) == (
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        Confidence.HIGH,
    )
    assert [signal.weight for signal in card.signals] == [4.0]


def test_without_a_root_nothing_is_said() -> None:
    card = score_layers(evidence(group("x", "odd")), chain_of(None), None)
    assert (card.layer, card.owner, card.signals) == (Layer.UNKNOWN, None, ())


def test_a_known_deploy_just_before_speaks_for_the_program_and_its_absence_against() -> None:
    odd = group("x", "odd", minute=20)
    root = cause(odd, "upstream-dependency-error", layer=Layer.DEPENDENCY)
    soon = layers(evidence(odd, deploys=[deploy(15)]), root)
    onset = Onset(at(20), odd.id, 0.0, 4.0, at_window_start=False)
    long_ago = layers(evidence(odd, deploys=[deploy(2)], onset=onset), root)
    assert soon[Layer.APPLICATION] > 0
    assert long_ago[Layer.APPLICATION] < 0
    assert long_ago[Layer.INFRASTRUCTURE] > 0


def test_the_onset_of_another_failure_is_not_its_own() -> None:
    odd = group("x", "odd", minute=20)
    root = cause(odd, "upstream-dependency-error", layer=Layer.DEPENDENCY)
    noise = Onset(at(3), group("n", "noise").id, 0.0, 4.0, at_window_start=False)
    card = score_layers(evidence(odd, deploys=[deploy(2)], onset=noise), chain_of(root), None)
    assert any("14:20:00 UTC, with no deploy" in plain(signal.claim.text) for signal in card.signals)


def test_a_refused_call_is_not_laid_to_what_it_deploys() -> None:
    refused = group("a", "refused", minute=20, kind=GroupKind.AUDIT)
    root = cause(refused, "iam-permission-denied", layer=Layer.PERMISSIONS)
    assert set(layers(evidence(refused, deploys=[deploy(19)]), root)) == {Layer.PERMISSIONS}


def test_a_missing_deploy_says_nothing_when_no_deploy_could_be_seen() -> None:
    odd = group("x", "odd", minute=20)
    onset = Onset(at(20), odd.id, 0.0, 4.0, at_window_start=False)
    assert Layer.INFRASTRUCTURE not in layers(evidence(odd, onset=onset), cause(odd, "bad-input-data"))


def test_one_failing_revision_of_two_speaks_for_what_it_brought() -> None:
    odd = group("x", "odd")
    both = [exposure("shop-00001-aaa"), exposure("shop-00002-abc")]
    root = cause(odd, "upstream-dependency-error", layer=Layer.DEPENDENCY)
    assert layers(evidence(odd, exposure=both), root)[Layer.APPLICATION] == 1.0
    assert Layer.APPLICATION not in layers(evidence(odd, exposure=both[1:]), root)


def test_an_exception_raised_in_own_code_counts_and_one_that_only_passes_through_it_does_not() -> None:
    def raised(*, in_app: bool) -> ErrorGroup:
        frames = (Frame(cut("parse"), cut("/srv/a.py"), 3, in_app=in_app), Frame(cut("main"), cut("/srv/b.py"), 9))
        stack = StackTrace(Language.PYTHON, (ExceptionInfo(cut("KeyError"), cut("'x'"), frames),))
        return group("t", "KeyError: 'x'", kind=GroupKind.TRACE, stack=stack)

    own, passing = raised(in_app=True), raised(in_app=False)
    assert layers(evidence(own), cause(own, "application-exception")) == {Layer.APPLICATION: 3.5}
    assert layers(evidence(passing), cause(passing, "application-exception")) == {Layer.APPLICATION: 1.5}


def test_how_many_revisions_fail_says_nothing_of_a_fault_in_own_code() -> None:
    frames = (Frame(cut("total"), cut("/srv/cart.py"), 3),)
    stack = StackTrace(Language.PYTHON, (ExceptionInfo(cut("KeyError"), cut("'x'"), frames),))
    own = group("t", "KeyError: 'x'", kind=GroupKind.TRACE, stack=stack, minute=20)
    onset = Onset(at(20), own.id, 0.0, 4.0, at_window_start=False)
    found = evidence(own, exposure=[exposure("shop-00002-abc")], deploys=[deploy(2)], onset=onset)
    assert set(layers(found, cause(own, "application-exception"))) == {Layer.APPLICATION}


def test_a_library_that_calls_another_wrongly_speaks_for_their_versions() -> None:
    frames = (
        Frame(cut("<module>"), cut("/site-packages/flask/x.py"), 3, in_app=False),
        Frame(cut("m"), cut("/srv/b.py"), 9),
    )
    error = ExceptionInfo(cut("TypeError"), cut("render() got an unexpected keyword argument 'safe'"), frames)
    misfit = group("t", "TypeError", kind=GroupKind.TRACE, stack=StackTrace(Language.PYTHON, (error,)))
    card = score_layers(evidence(misfit), chain_of(cause(misfit, "application-exception")), None)
    assert (card.layer, card.owner) == (Layer.DEPENDENCY, LayerOwner.DEVELOPERS)


def test_a_name_that_two_libraries_do_not_share_is_the_team_s_choice_of_versions() -> None:
    frames = (Frame(cut("<module>"), cut("/site-packages/flask/x.py"), 3, in_app=False),)
    error = ExceptionInfo(cut("ImportError"), cut("cannot import name 'escape' from 'jinja2'"), frames)
    misfit = group("t", "ImportError", kind=GroupKind.TRACE, stack=StackTrace(Language.PYTHON, (error,)))
    card = score_layers(evidence(misfit), chain_of(cause(misfit, "application-import-error")), None)
    assert (card.layer, card.owner) == (Layer.APPLICATION, LayerOwner.DEVELOPERS)


@pytest.mark.parametrize(
    ("message", "layer"),
    [
        ("connect ECONNREFUSED 127.0.0.1:5432", Layer.CONFIGURATION),
        ("connect ECONNREFUSED 10.1.2.3:5432", Layer.DEPENDENCY),
        ("connect ETIMEDOUT 10.1.2.3:5432, timed out", Layer.CONFIGURATION),
        ("connect ETIMEDOUT 34.1.2.3:5432, timed out", Layer.DEPENDENCY),
    ],
)
def test_the_class_of_the_address_speaks(message: str, layer: Layer) -> None:
    odd = group("x", message)
    assert score_layers(evidence(odd), chain_of(cause(odd, "x", layer=Layer.DEPENDENCY)), None).layer is layer


def test_an_unhealthy_database_that_the_failure_names_speaks_for_infrastructure() -> None:
    odd = group("x", "gave up on demo-shop:europe-west1:main")
    target = ProbeTarget(
        ProbeKind.CLOUD_SQL, cut("projects/demo-shop/instances/main"), cut("gcloud sql instances list")
    )
    sick = ProbeResult(target, ProbeState.UNHEALTHY, (), cut("SUSPENDED"), datetime(2026, 3, 2, tzinfo=UTC))
    root = cause(odd, "request-timeout", component="demo-shop:europe-west1:main")
    card = score_layers(evidence(odd, probes=[sick]), chain_of(root), None)
    assert card.layer is Layer.INFRASTRUCTURE
    assert card.owner is LayerOwner.INFRASTRUCTURE
    other = cause(odd, "request-timeout", component="demo-shop:europe-west1:other")
    assert Layer.INFRASTRUCTURE not in layers(evidence(odd, probes=[sick]), other)


def test_a_probe_that_could_not_look_says_nothing() -> None:
    odd = group("x", "gave up on demo-shop:europe-west1:main")
    target = ProbeTarget(
        ProbeKind.CLOUD_SQL, cut("projects/demo-shop/instances/main"), cut("gcloud sql instances list")
    )
    shut = ProbeResult(target, ProbeState.NO_ACCESS, (), cut("403"), datetime(2026, 3, 2, tzinfo=UTC))
    root = cause(odd, "request-timeout", component="demo-shop:europe-west1:main")
    assert layers(evidence(odd, probes=[shut]), root) == layers(evidence(odd), root)


def test_the_issue_text_alone_never_outweighs_the_message() -> None:
    memory = group("m", "Memory limit of 512 MiB exceeded with 530 MiB used.")
    title = cut("All services and every pod fail, all projects too, the old revision works, works locally")
    request = Request(WINDOW, at(60), issue=IssueRef("o/r", 1, title, cut("")))
    card = score_layers(evidence(memory, request=request), chain_of(from_signature(memory, MEMORY)), MEMORY)
    assert card.layer is Layer.CONFIGURATION
    hints = [signal for signal in card.signals if "the issue says" in plain(signal.claim.text)]
    assert hints
    assert all(signal.weight == 0.5 for signal in hints)


BUILD = next(s for s in CATALOGUE if s.id == "function-build")


def told(text: str, *, signature: Signature = BUILD, deployed: bool = False) -> Layer:
    failed = group("b", "Build failed: Build has timed out", minute=20)
    request = Request(WINDOW, at(60), issue=IssueRef("o/r", 1, cut("Deploys fail"), cut(text)))
    found = evidence(failed, request=request, deploys=[deploy(15)] if deployed else ())
    return score_layers(found, chain_of(from_signature(failed, signature)), signature).layer


@pytest.mark.parametrize(
    "text",
    [
        "Worked for months.",
        "No change of ours.",
        "Nothing of ours was deployed.",
        "An unchanged copy of the sample.",
        "We didn't change anything.",
        "Fails since yesterday",
    ],
)
def test_what_worked_and_was_not_touched_was_changed_by_the_provider_if_the_message_says_little(text: str) -> None:
    assert told(text) is Layer.PLATFORM


@pytest.mark.parametrize(
    "text",
    [
        "No change after a longer timeout.",
        "The error is unchanged.",
        "Worked until we renamed the step.",
        "Stopped working with our last change.",
        "",
    ],
)
def test_that_a_remedy_changed_nothing_is_no_word_on_who_changed_what(text: str) -> None:
    assert told(text) is Layer.APPLICATION


def test_no_word_of_an_unchanged_program_outweighs_a_message_that_names_its_cause_or_a_deploy_that_is_known() -> None:
    assert told("Worked for months.", signature=MEMORY) is Layer.CONFIGURATION
    assert told("Worked for months.", deployed=True) is Layer.APPLICATION


def test_another_line_of_the_service_overrules_a_probe_s_message_and_is_what_the_signal_rests_on() -> None:
    slow = next(s for s in CATALOGUE if s.id == "run-startup-probe-too-slow")
    failed = group("p", 'STARTUP TCP probe failed for container "shop-1" on port 8080. DEADLINE_EXCEEDED')
    said = group("l", "INFO: Uvicorn running on http://127.0.0.1:8080", failure=False)
    card = score_layers(evidence(failed, notices=[said]), chain_of(from_signature(failed, slow)), slow)
    assert card.layer is Layer.APPLICATION
    assert EntryRef(said.id) in card.signals[1].claim.evidence


def test_a_consequence_alone_is_never_more_than_a_hint() -> None:
    ended = group("e", "Container called exit(3).")
    signature = next(s for s in CATALOGUE if s.id == "run-container-exit")
    card = score_layers(evidence(ended), chain_of(from_signature(ended, signature)), signature)
    assert card.confidence is Confidence.LOW


def test_scores_are_the_sums_of_the_signals() -> None:
    odd = group("x", "odd", minute=20)
    both = [exposure("shop-00001-aaa"), exposure("shop-00002-abc")]
    root = cause(odd, "application-exception")
    card = score_layers(evidence(odd, exposure=both, deploys=[deploy(15)]), chain_of(root), None)
    for score in card.scores:
        assert score.score == sum(signal.weight for signal in card.signals if signal.layer is score.layer)
    assert list(card.scores) == sorted(card.scores, key=lambda s: -s.score)


def probe_failed(
    message: str = 'Liveness probe failed: Get "http://10.4.2.7:8000/": dial tcp: connection refused',
) -> ErrorGroup:
    return group("probe", message, service="", resource_type="k8s_pod")


def test_a_probe_that_restarts_a_silent_program_speaks_for_its_own_limits() -> None:
    probe = probe_failed()
    root = cause(probe, "health-probe-failed", layer=Layer.APPLICATION)
    assert layers(evidence(probe), root)[Layer.CONFIGURATION] > layers(evidence(probe), root)[Layer.APPLICATION]


def test_a_probe_that_gets_an_answer_or_stands_beside_another_failure_says_nothing_of_its_limits() -> None:
    answered = probe_failed("Liveness probe failed: HTTP probe failed with statuscode: 503")
    assert Layer.CONFIGURATION not in layers(evidence(answered), cause(answered, "health-probe-failed"))
    probe = probe_failed()
    beside = group("own", "panic: runtime error: index out of range", service="")
    assert Layer.CONFIGURATION not in layers(evidence(probe, beside), cause(probe, "health-probe-failed"))

"""Five Whys: each answer rests on evidence, and the last one says what would decide it."""

from app.diagnosis.chain import trace_causes
from app.diagnosis.diagnose import diagnose
from app.diagnosis.model import Basis, Cause, Confidence, DecidingCheck, Layer, LayerOwner, Why, plain, sentence
from app.diagnosis.scorecard import Scorecard
from app.diagnosis.whys import Judged, ask_whys
from app.evidence.model import (
    CodeExcerpt,
    CommitSha,
    ErrorGroup,
    Evidence,
    ExceptionInfo,
    Frame,
    FrameSource,
    GroupKind,
    HistoryFacts,
    Language,
    LineBlame,
    StackTrace,
)
from app.redact import cut
from tests.diagnosis.incident import at, cause, evidence, group, line, read

CHECK = DecidingCheck(sentence("whether a route exists"), cut("gcloud compute routers list --project=demo-shop"))


def ask(found: Evidence, causes: list[Cause], layer: Layer = Layer.INFRASTRUCTURE) -> tuple[Why, ...]:
    owner = LayerOwner.INFRASTRUCTURE if causes else None
    card = Scorecard(layer if causes else Layer.UNKNOWN, owner, Confidence.HIGH, (), ())
    return ask_whys(Judged(found, trace_causes(found, causes), card, None, (), CHECK))


def wrapper() -> ErrorGroup:
    frame = Frame(cut("_open_pool"), cut("/srv/shop/start.py"), 1018)
    stack = StackTrace(Language.PYTHON, (ExceptionInfo(cut("StartupError"), cut("gave up after 8.0s"), (frame,)),))
    return group("w", "StartupError: gave up after 8.0s", kind=GroupKind.TRACE, stack=stack, instance="i1", minute=5.1)


def test_from_the_visible_end_to_the_cause() -> None:
    dial = group("d", "dial tcp [public-ip]:3307: i/o timeout", instance="i1", count=7)
    ended = group("e", "Container called exit(3)", instance="i1", minute=5.2)
    middle = wrapper()
    steps = ask(
        evidence(ended, middle, dial),
        [
            cause(dial, "cloud-sql-connection-timeout", component="demo-shop:europe-west1:main"),
            cause(middle, "application-exception", score=0.4),
            cause(ended, "container-failed-to-start", score=0.2, symptom=True),
        ],
    )
    answers = [plain(step.answer.text) if step.answer else "" for step in steps]
    assert len(steps) == 5
    assert "Container called exit(3)" in answers[0]
    assert "_open_pool" in answers[1]
    assert "/srv/shop/start.py:1018" in answers[1]
    assert "dial tcp" in answers[2]
    assert "demo-shop:europe-west1:main" in answers[3]
    assert steps[-1].check == CHECK


def test_each_answer_says_how_sure_it_is() -> None:
    dial = group("d", "dial tcp [public-ip]:3307: i/o timeout")
    steps = ask(evidence(dial), [cause(dial, "cloud-sql-connection-timeout")])
    sure = [step.answer.basis for step in steps if step.answer]
    assert sure[0] is Basis.OBSERVED
    assert sure[-1] is not Basis.OBSERVED


def test_without_a_cause_it_stops_after_what_is_seen_and_names_the_check() -> None:
    middle = wrapper()
    steps = ask(evidence(middle), [])
    assert [step.answer is None for step in steps] == [False, False, True]
    assert steps[-1].check == CHECK


def test_a_consequence_alone_leaves_its_cause_open() -> None:
    ended = group("e", "Container called exit(3)")
    steps = ask(evidence(ended), [cause(ended, "container-failed-to-start", score=0.2, symptom=True)])
    assert steps[-1].answer is None
    assert "consequence only" in plain(steps[-1].question)


def test_nothing_failed_nothing_is_asked() -> None:
    assert ask(evidence(), []) == ()


def test_no_step_says_more_than_five() -> None:
    groups = [group(f"s{n}", f"GET /{n} 500", kind=GroupKind.REQUEST, minute=6) for n in range(6)]
    root = group("r", "remaining connection slots are reserved")
    causes = [cause(root, "cloud-sql-too-many-connections")]
    causes += [cause(g, "http-server-error", score=0.15, symptom=True) for g in groups]
    assert len(ask(evidence(*groups, root), causes)) <= 5


def test_a_fault_of_the_own_code_is_followed_to_its_line_and_who_changed_it_last() -> None:
    raised = wrapper()
    assert raised.trace is not None
    frame, running, author = raised.trace.innermost.frames[0], CommitSha("a" * 40), CommitSha("b" * 40)
    blame = LineBlame(author, at(0), cut("Example Team"), cut("Open the pool at start"))
    excerpt = CodeExcerpt(running, "shop/start.py", 1018, "_open_pool", ((1018, cut("raise")),), blame, "running")
    history = HistoryFacts(frames=(FrameSource(raised.id, frame, "shop/start.py", excerpt),))
    steps = ask(evidence(raised, history=history), [cause(raised, "application-exception")], Layer.APPLICATION)
    answers = [plain(step.answer.text) for step in steps if step.answer]
    assert (
        "shop/start.py:1018 raises it; at aaaaaaaaa that line is from bbbbbbbbb (Open the pool at start)" in answers[2]
    )
    assert len([answer for answer in answers if "StartupError" in answer]) == 2


def test_one_entry_is_not_called_a_failure_of_long_standing() -> None:
    """That a single refused call stands at the beginning of what was read does not make it older than that."""
    verdict = diagnose(read(line("Memory limit of 512 MiB exceeded with 530 MiB used.")))
    assert not any("already" in plain(why.answer.text) for why in verdict.whys if why.answer)


def test_a_machine_is_named_and_its_way_out_is_no_service_s() -> None:
    message = "startup-script: Could not connect to archive.ubuntu.com:80 (34.1.2.3), connection timed out"
    machine = {"type": "gce_instance", "labels": {"project_id": "demo-shop", "instance_id": "bastion-1"}}
    whys = diagnose(read(line(message, resource=machine))).whys
    assert plain(whys[0].question) == "Why does bastion-1 fail?"
    assert "the way out of its network comes first" in " ".join(plain(w.answer.text) for w in whys if w.answer)

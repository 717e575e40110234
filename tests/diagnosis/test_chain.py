"""What leads to what, and what is only seen at the same time."""

from app.diagnosis.chain import trace_causes
from app.diagnosis.model import LinkKind
from app.evidence.model import ErrorGroup, ExceptionInfo, Frame, GroupKind, Language, StackTrace
from app.redact import cut
from tests.diagnosis.incident import cause, evidence, fingerprint, group


def trace(*chain: tuple[str, str]) -> StackTrace:
    frame = Frame(cut("connect"), cut("/srv/db.py"), 12)
    return StackTrace(Language.PYTHON, tuple(ExceptionInfo(cut(t), cut(m), (frame,)) for t, m in chain))


def exit_line(**more: object) -> ErrorGroup:
    return group("exit", "Container called exit(1).", log_id="run.googleapis.com/varlog/system", **more)


def test_a_process_end_is_folded_under_what_the_same_instance_wrote_just_before() -> None:
    dial = group("dial", "dial tcp [public-ip]:3307: i/o timeout", minute=5, instance="i1")
    ended = exit_line(minute=5.2, instance="i1")
    chain = trace_causes(
        evidence(ended, dial),
        [
            cause(dial, "cloud-sql-connection-timeout"),
            cause(ended, "container-failed-to-start", score=0.2, symptom=True),
        ],
    )
    assert chain.root is not None
    assert chain.root.group == dial.id
    assert chain.symptoms == (ended.id,)
    assert [link.kind for link in chain.links] == [LinkKind.SAME_INSTANCE]


def test_what_ends_before_the_error_is_not_its_consequence_by_instance() -> None:
    dial = group("dial", "some failure", minute=9, instance="i1")
    ended = exit_line(minute=1, instance="i1", service="shop")
    chain = trace_causes(
        evidence(ended, dial),
        [cause(dial, "bad-input-data"), cause(ended, "container-failed-to-start", score=0.2, symptom=True)],
    )
    assert chain.links == ()


def test_two_faults_that_both_name_their_cause_are_never_linked() -> None:
    memory = group("memory", "Memory limit exceeded", count=3, instance="i1")
    denied = group("denied", "permission denied", count=2, instance="i1", minute=5.1)
    chain = trace_causes(
        evidence(memory, denied), [cause(memory, "memory-limit-exceeded"), cause(denied, "bad-input-data")]
    )
    assert chain.links == ()
    assert chain.symptoms == ()


def test_an_inner_exception_that_is_logged_by_itself_is_the_cause_of_its_wrapper() -> None:
    inner = group("inner", "TimeoutError", kind=GroupKind.TRACE, stack=trace(("TimeoutError", "waited 8 s")))
    outer = group(
        "outer",
        "StartupError",
        kind=GroupKind.TRACE,
        stack=trace(("StartupError", "gave up"), ("TimeoutError", "waited 9 s")),
    )
    chain = trace_causes(
        evidence(outer, inner),
        [cause(inner, "request-timeout", score=0.9), cause(outer, "application-exception", score=0.4)],
    )
    assert chain.root is not None
    assert chain.root.group == inner.id
    assert chain.links[0].kind is LinkKind.EXCEPTION_CHAIN


def test_a_failed_request_follows_from_an_error_of_the_same_trace() -> None:
    error = group("error", "ValueError: bad", trace="t1")
    request = group("request", "GET /pay 500", kind=GroupKind.REQUEST, trace="t1", count=9)
    chain = trace_causes(
        evidence(request, error),
        [
            cause(request, "http-server-error", score=0.15, symptom=True),
            cause(error, "application-exception", score=0.4),
        ],
    )
    assert chain.root is not None
    assert chain.root.group == error.id
    assert chain.links[0].kind is LinkKind.SAME_REQUEST


def test_a_known_consequence_needs_the_same_place() -> None:
    slots = group("slots", "remaining connection slots are reserved", service="orders")
    here = group("here", "GET /orders 500", kind=GroupKind.REQUEST, service="orders", minute=6)
    elsewhere = group("there", "GET /mail 500", kind=GroupKind.REQUEST, service="mail", minute=6)
    causes = [
        cause(slots, "cloud-sql-too-many-connections"),
        cause(here, "http-server-error", score=0.15, symptom=True),
        cause(elsewhere, "http-server-error", score=0.15, symptom=True),
    ]
    chain = trace_causes(evidence(here, elsewhere, slots), causes)
    assert chain.symptoms == (here.id,)
    assert chain.links[0].kind is LinkKind.RULE


def test_a_shared_resource_name_ties_the_client_to_the_proxy() -> None:
    proxy = group("proxy", "failed to dial demo-shop:europe-west1:main: i/o timeout", service="proxy")
    client = group("client", "socket /cloudsql/demo-shop:europe-west1:main/.s.PGSQL.5432 closed", service="shop")
    chain = trace_causes(
        evidence(client, proxy),
        [cause(proxy, "cloud-sql-connection-timeout", component="demo-shop:europe-west1:main")],
    )
    assert chain.symptoms == (client.id,)
    assert chain.links[0].kind is LinkKind.NAMED


def test_of_symptoms_alone_the_earliest_in_the_order_of_things_comes_first() -> None:
    probe = group("probe", "STARTUP TCP probe failed", count=5)
    ended = exit_line(count=2)
    chain = trace_causes(
        evidence(probe, ended),
        [
            cause(probe, "health-probe-failed", score=0.25, symptom=True),
            cause(ended, "container-failed-to-start", score=0.2, symptom=True),
        ],
    )
    assert chain.root is not None
    assert chain.root.group == ended.id


def test_what_explains_most_failures_wins_over_what_happens_beside_it() -> None:
    main = group("main", "quota exceeded", count=900)
    rare = group("rare", "certificate has expired", count=1)
    chain = trace_causes(
        evidence(main, rare), [cause(rare, "tls-certificate-invalid"), cause(main, "quota-exceeded", score=0.9)]
    )
    assert chain.root is not None
    assert chain.root.group == main.id


def test_a_notice_is_a_root_only_when_it_leads_to_a_failure() -> None:
    preempted = group("pre", "Instance was preempted.", failure=False, service="batch")
    failure = group("app", "KeyError: 'x'", service="shop")
    chain = trace_causes(
        evidence(failure, notices=[preempted]),
        [cause(preempted, "instance-preempted"), cause(failure, "application-exception", score=0.4)],
    )
    assert chain.root is not None
    assert chain.root.group == failure.id


def test_a_notice_elsewhere_is_not_blamed_for_a_failure_that_nobody_knows() -> None:
    preempted = group("pre", "Instance was preempted.", failure=False, service="batch")
    failure = group("app", "something odd", service="shop")
    chain = trace_causes(evidence(failure, notices=[preempted]), [cause(preempted, "instance-preempted")])
    assert chain.root is None


def test_the_order_in_which_causes_come_does_not_matter() -> None:
    groups = [group(name, name, count=n) for n, name in enumerate(("a", "b", "c"), 1)]
    causes = [cause(g, "application-exception", score=0.5) for g in groups]
    one = trace_causes(evidence(*groups), causes)
    other = trace_causes(evidence(*groups), list(reversed(causes)))
    assert one == other


def test_nothing_recognised_has_no_root() -> None:
    chain = trace_causes(evidence(group("x", "something odd")), [])
    assert chain.root is None
    assert chain.links == ()
    assert fingerprint("x") not in chain.symptoms

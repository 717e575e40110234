"""Entries in, observations out: what failed, what else was said, and what the revisions were exercised with."""

import json
import random
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.evidence.entries import parse_entry
from app.evidence.model import GroupKind, Observations, ServiceName, Severity, Window
from app.evidence.observe import Observer

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)

TRACE = """Traceback (most recent call last):
  File "/app/shop/orders.py", line {line}, in total
    return cart[key]
KeyError: 'order-{key}'"""


def raw(at: float = 0, *, log: str = "run.googleapis.com/stderr", **fields: Any) -> dict[str, Any]:
    """A Cloud Run entry `at` seconds after the start; fields replace or add."""
    number = fields.pop("insert_id", f"i{at}")
    service, revision = fields.pop("service", "shop"), fields.pop("revision", "shop-00001-abc")
    instance = fields.pop("instance", "instance-1")
    return {
        "insertId": number,
        "timestamp": (START + timedelta(seconds=at)).isoformat(),
        "logName": f"projects/demo/logs/{log.replace('/', '%2F')}",
        "resource": {
            "type": "cloud_run_revision",
            "labels": {"project_id": "demo", "service_name": service, "revision_name": revision},
        },
        "labels": {"instanceId": instance},
        **fields,
    }


def request(at: float, status: int, path: str = "/orders/17", text: str | None = None) -> dict[str, Any]:
    entry = raw(
        at,
        log="run.googleapis.com/requests",
        httpRequest={"requestMethod": "GET", "requestUrl": f"https://shop.example.com{path}?key=1", "status": status},
        severity="ERROR" if status >= 500 else "INFO",
    )
    return entry | ({"textPayload": text} if text else {})


def audit(
    at: float, code: int = 0, message: str = "", method: str = "google.cloud.sql.v1.Instances.Update"
) -> dict[str, Any]:
    return raw(
        at,
        log="cloudaudit.googleapis.com/activity",
        protoPayload={
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "cloudsql.googleapis.com",
            "methodName": method,
            "resourceName": "projects/demo/instances/main",
            "status": {"code": code, "message": message} if code else {},
        },
    )


def observe(entries: Iterable[Mapping[str, Any]], **options: Any) -> Observations:
    observer = Observer(**options)
    for number, entry in enumerate(entries, 1):
        observer.add(parse_entry(entry, f"log.jsonl:{number}"))
    return observer.finish()


def test_errors_of_one_sentence_are_one_group() -> None:
    seen = observe(raw(n, severity="ERROR", textPayload=f"payment {n} refused by bank {n % 7}") for n in range(100))
    (group,) = seen.groups
    assert (group.kind, group.failure, group.count, group.entries) == (GroupKind.MESSAGE, True, 100, 100)
    assert group.title == "payment <*> refused by bank <*>"
    assert (group.first.insert_id, group.latest.insert_id) == ("i0", "i99")
    assert sum(group.per_minute.values()) == 100
    assert group.services == ("shop",)
    assert group.instances == 1
    assert seen.entries == 100


def test_what_happened_is_a_notice_and_what_failed_a_failure() -> None:
    seen = observe(
        [
            raw(1, severity="INFO", textPayload="listening on port 8080"),
            raw(2, severity="WARNING", textPayload="cache is cold"),
            raw(3, severity="WARNING", log="run.googleapis.com/varlog/system", textPayload="Container called exit(3)."),
            raw(4, severity="CRITICAL", textPayload="disk is gone"),
            request(5, 200),
            request(6, 404),
        ]
    )
    assert {group.title for group in seen.groups} == {"Container called exit(<*>).", "disk is gone"}
    assert {group.title for group in seen.notices} == {"listening on port <*>", "cache is cold"}


def test_equal_traces_are_one_group_whatever_their_values() -> None:
    seen = observe(raw(n * 10, textPayload=TRACE.format(line=40 + n, key=n)) for n in range(20))
    (group,) = seen.groups
    assert (group.kind, group.count) == (GroupKind.TRACE, 20)
    assert group.title.startswith("KeyError: ")
    assert group.trace is not None
    assert group.trace.innermost.frames[0].line == 59


def test_a_trace_that_the_program_logged_as_handled_is_a_notice() -> None:
    trace = TRACE.format(line=40, key=1)
    handled = raw(1, severity="INFO", jsonPayload={"message": "retrying", "stack_trace": trace})
    stamped = raw(2, severity="INFO", textPayload=trace)
    assert [group.count for group in observe([handled]).notices] == [1]
    assert [group.count for group in observe([stamped]).groups] == [1]


def test_failed_calls_are_grouped_by_call_and_reason() -> None:
    seen = observe(
        [audit(n, 7, f"caller {n} has no permission") for n in range(3)]
        + [audit(10, 9, "caller 1 has no permission"), audit(11)]
    )
    assert [(group.kind, group.count) for group in seen.groups] == [(GroupKind.AUDIT, 3), (GroupKind.AUDIT, 1)]
    assert seen.groups[0].title == "cloudsql.googleapis.com Update failed with code 7: caller <*> has no permission"
    assert [group.kind for group in seen.notices] == [GroupKind.AUDIT]


def test_failed_requests_are_grouped_by_route_or_by_what_the_platform_says() -> None:
    said = "The request was aborted because there was no available instance."
    seen = observe(
        [request(n, 500, f"/orders/{n}/items") for n in range(3)]
        + [request(10 + n, 503, f"/route{n}/x", said) for n in range(4)]
        + [request(20, 200, "/orders/1/items")]
    )
    assert [(group.kind, group.count, group.title) for group in seen.groups] == [
        (GroupKind.REQUEST, 4, said),
        (GroupKind.REQUEST, 3, "GET /orders/<*>/items answered 500"),
    ]


def test_exposure_counts_requests_starts_and_server_errors() -> None:
    seen = observe(
        [request(n, 200) for n in range(0, 120, 30)]
        + [request(121, 500)]
        + [raw(200, instance=f"instance-{n}", textPayload="hello", severity="INFO") for n in range(3)]
    )
    (exposure,) = seen.exposure
    minute = int(START.timestamp()) // 60
    assert exposure.requests == {minute: 2, minute + 1: 2, minute + 2: 1}
    assert exposure.server_errors == {minute + 2: 1}
    assert sum(exposure.starts.values()) == 3
    assert exposure.first_seen == START


def test_entries_outside_the_window_or_of_other_services_do_not_count() -> None:
    window = Window(START, START + timedelta(seconds=10))
    entries = [
        raw(-1, severity="ERROR", textPayload="too early"),
        raw(0, severity="ERROR", textPayload="inside"),
        raw(1, severity="ERROR", textPayload="other service", service="cart"),
        raw(10, severity="ERROR", textPayload="too late"),
    ]
    seen = observe(entries, window=window, services=[ServiceName("shop")])
    assert [group.title for group in seen.groups] == ["inside"]
    assert seen.entries == 1


def test_secrets_are_cut_from_all_that_is_kept() -> None:
    token = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z42"
    seen = observe([raw(1, severity="ERROR", textPayload=f"push with {token} failed for max@example.com")])
    kept = repr(seen)
    assert token not in kept
    assert "max@example.com" not in kept
    assert sum(seen.redactions.values()) >= 2


def test_few_notices_are_kept_and_the_platforms_first() -> None:
    words = ["".join(random.Random(n).choices("abcdefghij", k=6)) for n in range(600)]
    chatter = [raw(n, severity="INFO", textPayload=f"{a} {a}x {a}y") for n, a in enumerate(words)]
    system = raw(700, severity="INFO", log="run.googleapis.com/varlog/system", textPayload="Starting new instance.")
    seen = observe([*chatter, system])
    assert len(seen.notices) == 200
    assert seen.notices[0].title == "Starting new instance."


def mixed() -> list[dict[str, Any]]:
    entries = [
        raw(n, severity="ERROR", textPayload=f"user {name} lost {n}")
        for n, name in enumerate(["ab", "cd", "ef", "gh", "ij"])
    ]
    entries += [
        raw(10 + n, textPayload=TRACE.format(line=n, key=n), revision=f"shop-0000{n % 2}-abc") for n in range(6)
    ]
    entries += [request(20 + n, 503 if n % 2 else 200) for n in range(6)]
    entries += [audit(30 + n, 7, "no") for n in range(2)]
    entries += [raw(40, severity="INFO", textPayload="same time", insert_id=name) for name in ("z", "a", "m")]
    return entries


@pytest.mark.parametrize("order", ["descending", "same"])
def test_observations_do_not_depend_on_the_direction_of_reading(order: str) -> None:
    entries = mixed()
    again = entries[::-1] if order == "descending" else list(entries)

    def without_origin(seen: Observations) -> str:
        return json.dumps(json.loads(json.dumps(repr(seen))))

    numbered = {json.dumps(entry): f"log.jsonl:{number}" for number, entry in enumerate(entries)}

    def run(these: list[dict[str, Any]]) -> Observations:
        observer = Observer()
        for entry in these:
            observer.add(parse_entry(entry, numbered[json.dumps(entry)]))
        return observer.finish()

    assert without_origin(run(again)) == without_origin(run(entries))


def test_a_deployment_is_told_from_its_audit_entry() -> None:
    method = "google.cloud.run.v1.Services.ReplaceService"
    called = audit(3, method=method)
    called["protoPayload"] |= {"serviceName": "run.googleapis.com", "resourceName": "namespaces/demo/services/shop"}
    other = audit(4, method="google.cloud.run.v1.Services.GetService")
    seen = observe([other, called])
    assert [(event.service, event.at) for event in seen.deploys] == [("shop", START + timedelta(seconds=3))]
    assert {notice.kind for notice in seen.notices} == {GroupKind.AUDIT}


def test_origins_are_remembered_only_when_asked() -> None:
    observer = Observer(remember_origins=True)
    observer.add(parse_entry(raw(1, severity="ERROR", textPayload="boom"), "log.jsonl:1"))
    (group,) = observer.finish().groups
    assert observer.group_of() == {"log.jsonl:1": group.id}
    with pytest.raises(ValueError, match="remember_origins"):
        Observer().group_of()


def test_nothing_seen_is_nothing_claimed() -> None:
    seen = observe([])
    assert (seen.groups, seen.notices, seen.exposure, seen.deploys, seen.entries) == ((), (), (), (), 0)
    assert seen.first_entry is None


def test_the_highest_severity_of_a_group_is_shown() -> None:
    seen = observe(
        [raw(n, severity=s, textPayload=f"lost shard {n}") for n, s in enumerate(["ERROR", "CRITICAL", "ERROR"])]
    )
    assert seen.groups[0].severity is Severity.CRITICAL


def test_a_request_that_the_platform_refused_is_a_notice_and_no_failure() -> None:
    text = "The request was not authenticated. Either allow unauthenticated invocations or set the proper header."
    seen = observe([request(1, 403, text=text), request(2, 403), request(3, 200)])
    assert seen.groups == ()
    assert [(notice.kind, notice.count, notice.title[:33]) for notice in seen.notices] == [
        (GroupKind.REQUEST, 1, "The request was not authenticated")
    ]
    assert sum(seen.exposure[0].requests.values()) == 3


@pytest.mark.parametrize(
    ("reason", "severity", "failure"),
    [
        ("BackOff", "WARNING", True),
        ("OOMKilling", "WARNING", True),
        ("Failed", "WARNING", True),
        ("FailedScheduling", "WARNING", True),
        ("Unhealthy", "WARNING", True),
        ("Pulled", "INFO", False),
        ("Preempted", "WARNING", False),
    ],
)
def test_a_warning_of_a_cluster_is_a_failure_by_its_reason(reason: str, severity: str, failure: bool) -> None:
    event = {
        "insertId": "e1",
        "timestamp": START.isoformat(),
        "severity": severity,
        "logName": "projects/demo/logs/events",
        "resource": {"type": "k8s_pod", "labels": {"pod_name": "shop-6d4cf56db6-x2x9q"}},
        "jsonPayload": {"involvedObject": {"kind": "Pod", "name": "x"}, "reason": reason, "message": "what it says"},
    }
    seen = observe([event])
    (group,) = seen.groups or seen.notices
    assert group.failure is failure
    assert group.services == ("shop",)
    assert group.per_revision[0].revision == "shop@6d4cf56db6"


def test_instances_tell_how_soon_after_their_start_they_failed_and_how_long_they_lived() -> None:
    def at(minute: int, instance: str, **fields: Any) -> dict[str, Any]:
        return raw(minute * 60, instance=instance, **fields)

    fails = {"severity": "ERROR", "textPayload": "payment refused"}
    says = {"severity": "INFO", "textPayload": "listening"}
    entries = [
        at(0, "there before", **says),
        at(5, "there before", **fails),
        at(5, "as old as the fault", **says),
        at(9, "as old as the fault", **fails),
        at(10, "new", **says),
        at(17, "new", **fails),
        at(18, "new", **fails),
        at(20, "fails at once", **fails),
        at(20, "never fails", **says),
        at(50, "never fails", **says),
    ]
    for order in (entries, entries[::-1]):
        seen = observe(order)
        assert seen.groups[0].per_revision[0].leads == {0: 1, 7: 1}
        assert seen.exposure[0].lives == {0: 1, 4: 1, 5: 1, 8: 1, 30: 1}

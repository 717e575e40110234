"""What the link of an error group finds: its own entries, however they were written, and as little else as can be."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from app.evidence.entries import parse_entry
from app.evidence.model import ErrorGroup
from app.evidence.observe import Observer
from app.report.references import group_filter
from app.sources import query_language

RUBY = (
    "/srv/shop/stock.rb:12:in `take': no stock for {item} (Shop::StockError)\n"
    "\tfrom /srv/shop/order.rb:31:in `place'\n\tfrom /srv/shop/app.rb:8:in `<main>'"
)
JAVA = "{reported}\n\tat shop.Ledger.book(Ledger.java:{line})\n\tat shop.Api.order(Api.java:12)\n"


def run(service: str = "orders", **fields: Any) -> dict[str, Any]:
    return {
        "severity": "ERROR",
        "logName": "projects/shop/logs/run.googleapis.com%2Fstderr",
        "resource": {
            "type": "cloud_run_revision",
            "labels": {"service_name": service, "revision_name": f"{service}-1"},
        },
        **fields,
    }


def pod(suffix: str, **fields: Any) -> dict[str, Any]:
    labels = {"cluster_name": "c", "namespace_name": "prod", "pod_name": f"api-6d4cf56db6-{suffix}"}
    return {
        "severity": "ERROR",
        "logName": "projects/shop/logs/stderr",
        "resource": {"type": "k8s_container", "labels": {**labels, "container_name": "server"}},
        **fields,
    }


def event(suffix: str, reason: str, message: str) -> dict[str, Any]:
    name = f"api-6d4cf56db6-{suffix}"
    return {
        "severity": "WARNING",
        "logName": "projects/shop/logs/events",
        "resource": {"type": "k8s_pod", "labels": {"cluster_name": "c", "namespace_name": "prod", "pod_name": name}},
        "jsonPayload": {
            "kind": "Event", "type": "Warning", "reason": reason, "message": message,
            "involvedObject": {"kind": "Pod", "name": name, "namespace": "prod"},
        },
    }  # fmt: skip


def request(path: str, status: int, **fields: Any) -> dict[str, Any]:
    url = f"https://shop.example{path}"
    http = {"requestMethod": "GET", "requestUrl": url, "status": status, "latency": "0.1s"}
    return run(httpRequest=http, logName="projects/shop/logs/run.googleapis.com%2Frequests", **fields)


def audit(method: str, code: int, message: str) -> dict[str, Any]:
    return run(
        logName="projects/shop/logs/cloudaudit.googleapis.com%2Factivity",
        protoPayload={
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog", "serviceName": "run.googleapis.com",
            "methodName": method, "status": {"code": code, "message": message} if code else {},
        },
    )  # fmt: skip


OTHERS = [
    run(textPayload="ERROR:    Application is not listening"),
    run(textPayload="no stock list was loaded"),
    run("carts", jsonPayload={"message": "payment refused: card 9 of shop"}),
    event("zzzzz", "Unhealthy", "Liveness probe failed: connection refused"),
    request("/health", 500),
    request("/orders/7", 404),
    request("/orders", 500),
    audit("google.cloud.run.v2.Services.UpdateService", 0, ""),
    pod("x2x9q", textPayload="carrier wave lost, giving up on wave 3"),
]

CASES: Mapping[str, Sequence[dict[str, Any]]] = {
    "blanks that a template tidies": [run(textPayload="ERROR:    Application startup failed. Exiting.")] * 3,
    "a message that follows its place": [run(textPayload=RUBY.format(item=item)) for item in ("tea", "milk", "rice")],
    "a message that a trace carries": [
        run(textPayload=JAVA.format(reported=f"shop.LedgerError: booking of {who} failed", line=line))
        for who, line in (("ann", 17), ("bo", 19))
    ],
    "a type and a message in two fields": [
        run(jsonPayload={"error": {"type": "LedgerLocked", "message": f"ledger {n} is locked by the closing"}})
        for n in (1, 2, 3)
    ],
    "a message and an error in two fields": [
        run(jsonPayload={"message": "payment refused", "err": f"card {n} is beyond its day"}) for n in (1, 2)
    ],
    "fields without a message": [run(jsonPayload={"lost": n, "why": "the spool of mail is full"}) for n in (1, 2)],
    "an event of a cluster": [
        event(suffix, "BackOff", f"Back-off restarting failed container server in pod api-6d4cf56db6-{suffix}_prod(u1)")
        for suffix in ("c5v8d", "k9l2m")
    ],
    "pods that came and went": [
        pod(suffix, textPayload=f"carrier lost, giving up after {n} tries")
        for n, suffix in enumerate(("c5v8d", "k9l2m"), 3)
    ],
    "a route": [request(f"/orders/{n}", 500) for n in (7, 8, 9)],
    "the root": [request("/", 500)] * 2,
    "what the platform says of a request": [
        request(f"/orders/{n}", 503, textPayload="The request failed because the instance could not start successfully.")
        for n in (1, 2)
    ],
    "an audit entry": [
        audit("google.cloud.run.v2.Services.UpdateService", 9, f"Revision 'orders-{n}' is not ready") for n in (1, 2)
    ],
    "a secret amid the sentence": [
        run(textPayload=f"login refused for the agent, password={word} was sent in the clear")
        for word in ("hunter2hunter2", "correcthorse9")
    ],
    "quotes and backslashes": [run(textPayload=f'cannot open "C:\\shop\\{n}.db" for writing twice') for n in (1, 2)],
    "two services": [run(name, textPayload=f"broker mq-{n} closed the channel") for n, name in enumerate(("a", "b"))],
}  # fmt: skip


def read(raw: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {**entry, "insertId": f"id{n}", "timestamp": f"2026-02-03T10:{n:02}:00Z"} for n, entry in enumerate(raw)
    ]  # fmt: skip


def group_of(entries: Sequence[Mapping[str, Any]], ids: set[str]) -> ErrorGroup:
    observer = Observer()
    for number, entry in enumerate(entries):
        observer.add(parse_entry(entry, f"logs.jsonl:{number + 1}"))
    observations = observer.finish()
    (group,) = [g for g in (*observations.groups, *observations.notices) if g.latest.insert_id in ids]
    assert group.count == len(ids)
    return group


@pytest.mark.parametrize("case", CASES)
def test_the_link_of_a_group_finds_its_entries_and_no_others(case: str) -> None:
    entries = read([*CASES[case], *OTHERS])
    ids = {f"id{n}" for n in range(len(CASES[case]))}
    query = query_language.parse(group_filter(group_of(entries, ids)))
    assert {entry["insertId"] for entry in entries if query_language.matches(query, entry)} == ids

"""Which commit runs in which revision, since when, and whether it serves: from audit entries and all other signals."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.evidence.deployments import assemble_revisions, commit_claim, deploy_event, image_claim
from app.evidence.entries import parse_entry, to_sample
from app.evidence.model import (
    CommitClaim,
    CommitSha,
    CommitSource,
    DeployEvent,
    DeployKind,
    Exposure,
    LiveRevision,
    Observations,
    Revision,
    RevisionName,
    ServiceName,
    Window,
)
from app.evidence.observe import Observer
from app.redact import Tally

BEGIN = datetime(2025, 9, 15, 8, 0, tzinfo=UTC)
API = ServiceName("api")
ONE, TWO = RevisionName("api-00001-abc"), RevisionName("api-00002-def")
SHA_ONE, SHA_TWO = CommitSha("1a" * 20), CommitSha("2b" * 20)
WINDOW = Window(BEGIN, BEGIN + timedelta(hours=6))


def audit(
    method: str,
    *,
    minute: int = 0,
    log: str = "activity",
    labels: Mapping[str, str] | None = None,
    resource: str = "namespaces/shop/services/api",
    operation: Mapping[str, bool] | None = None,
    **payload: Any,
) -> dict[str, Any]:
    return {
        "insertId": f"i{minute}",
        "timestamp": (BEGIN + timedelta(minutes=minute)).isoformat(),
        "severity": "NOTICE",
        "logName": f"projects/shop/logs/cloudaudit.googleapis.com%2F{log}",
        "resource": {
            "type": "cloud_run_revision",
            "labels": {"project_id": "shop", "service_name": "api"} if labels is None else dict(labels),
        },
        **({"operation": operation} if operation else {}),
        "protoPayload": {
            "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
            "serviceName": "run.googleapis.com",
            "methodName": method,
            "resourceName": resource,
            **payload,
        },
    }


def event_of(raw: dict[str, Any]) -> DeployEvent | None:
    entry = parse_entry(raw, "logs.jsonl:1")
    return deploy_event(entry, to_sample(entry, Tally()))


def _must(event: DeployEvent | None) -> DeployEvent:
    assert event is not None
    return event


# --- one audit entry ---


def test_a_deploy_call_names_the_service_and_the_commit_of_the_template_first() -> None:
    event = _must(
        event_of(
            audit(
                "google.cloud.run.v1.Services.ReplaceService",
                request={
                    "service": {
                        "metadata": {"name": "api", "labels": {"commit-sha": SHA_ONE}},
                        "spec": {
                            "template": {
                                "metadata": {"name": TWO, "labels": {"commit-sha": SHA_TWO}},
                                "spec": {"containers": [{"image": "gcr.io/shop/api:latest", "env": [{"value": "x"}]}]},
                            },
                            "traffic": [{"percent": 100, "latestRevision": True}],
                        },
                    }
                },
            )
        )
    )
    assert (event.kind, event.service, event.revision) == (DeployKind.CALLED, API, TWO)
    assert event.commit == CommitClaim(SHA_TWO, CommitSource.AUDIT_ENTRY)


def test_the_platform_says_that_a_revision_is_ready_and_takes_all_traffic() -> None:
    event = _must(
        event_of(
            audit(
                "/Services.ReplaceService",
                log="system_event",
                response={
                    "metadata": {"name": "api", "labels": {"commit-sha": SHA_TWO}},
                    "status": {
                        "latestCreatedRevisionName": TWO,
                        "latestReadyRevisionName": TWO,
                        "conditions": [{"type": "RoutesReady", "status": "True"}, {"type": "Ready", "status": "True"}],
                        "traffic": [{"revisionName": TWO, "percent": 90}, {"revisionName": ONE, "percent": 10}],
                    },
                },
            )
        )
    )
    assert (event.kind, event.revision, dict(event.traffic)) == (DeployKind.READY, TWO, {TWO: 90, ONE: 10})


def test_the_platform_says_that_a_revision_failed_and_why() -> None:
    event = _must(
        event_of(
            audit(
                "/Services.ReplaceService",
                log="system_event",
                labels={"service_name": "api", "revision_name": TWO},
                status={
                    "code": 9,
                    "message": f"Ready condition status changed to False for Revision {TWO} with message: no listener.",
                },
            )
        )
    )
    assert (event.kind, event.revision) == (DeployKind.FAILED, TWO)
    assert event.reason is not None
    assert event.reason.endswith("no listener.")


def test_the_revision_is_read_from_the_message_when_nothing_else_names_it() -> None:
    message = f"Ready condition status changed to True for Revision {TWO} with message: Deploying Revision."
    event = _must(event_of(audit("/Services.ReplaceService", log="system_event", status={"message": message})))
    assert (event.kind, event.revision) == (DeployKind.READY, TWO)


def test_a_refused_call_is_a_failed_deployment_without_a_revision() -> None:
    event = _must(
        event_of(
            audit(
                "google.cloud.run.v2.Services.CreateService",
                labels={"service": "run.googleapis.com", "method": "CreateService"},
                resource="projects/shop/locations/us-central1/services/api",
                status={"code": 7, "message": "Permission denied on service account"},
            )
        )
    )
    assert (event.kind, event.service, event.revision) == (DeployKind.FAILED, API, None)


def test_the_second_api_version_and_its_long_running_halves() -> None:
    method = "google.cloud.run.v2.Services.UpdateService"
    request = {"service": {"template": {"revision": TWO, "labels": {"commit-sha": SHA_TWO}}}}
    first = _must(event_of(audit(method, operation={"first": True}, request=request)))
    assert (first.kind, first.revision, first.commit) == (
        DeployKind.CALLED,
        TWO,
        CommitClaim(SHA_TWO, CommitSource.AUDIT_ENTRY),
    )
    name = f"projects/shop/locations/us-central1/services/api/revisions/{TWO}"
    last = _must(
        event_of(
            audit(
                method,
                operation={"last": True},
                response={
                    "latestReadyRevision": name,
                    "terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED"},
                    "trafficStatuses": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
                },
            )
        )
    )
    assert (last.kind, dict(last.traffic)) == (DeployKind.TRAFFIC, {TWO: 100})
    assert event_of(audit(method, operation={"last": True}, response={})) is None


def test_other_audit_entries_and_plain_entries_are_no_deployments() -> None:
    assert event_of(audit("google.cloud.run.v1.Services.GetService")) is None
    assert event_of(audit("google.api.serviceusage.v1.ServiceUsage.ListServices")) is None
    assert event_of(audit("google.cloud.run.v1.Services.ReplaceService", resource="namespaces/shop", labels={})) is None
    plain = {"timestamp": BEGIN.isoformat(), "textPayload": "ReplaceService", "logName": "projects/p/logs/stdout"}
    assert event_of(plain) is None


@pytest.mark.parametrize(
    ("image", "sha"),
    [
        ("gcr.io/shop/api:" + SHA_ONE, SHA_ONE),
        (f"us-docker.pkg.dev/shop/images/api:{SHA_ONE}@sha256:{'0' * 64}", SHA_ONE),
        ("registry.example.com:5000/shop/api:sha-1a2b3c4", "1a2b3c4"),
        ("gcr.io/shop/api:1A2B3C4", "1a2b3c4"),
        ("gcr.io/shop/api:20250915", None),
        ("gcr.io/shop/api:latest", None),
        ("gcr.io/shop/api:v1.2.3", None),
        (f"gcr.io/shop/api@sha256:{'a' * 64}", None),
        ("registry.example.com:5000/api", None),
        (None, None),
    ],
)
def test_a_commit_as_the_tag_of_an_image(image: str | None, sha: str | None) -> None:
    claim = image_claim(image)
    assert (claim.sha if claim else None) == sha


@pytest.mark.parametrize("text", ["", None, "main", "xyz1234", "--help", "abc123", "g" * 40, "a" * 41])
def test_what_is_no_commit_id_makes_no_claim(text: str | None) -> None:
    assert commit_claim(text, CommitSource.ENTRY_LABEL) is None


# --- all signals together ---


def exposure(name: RevisionName, requests: Mapping[int, int], *, commit: str | None = None) -> Exposure:
    base = int(BEGIN.timestamp()) // 60
    minutes = sorted(requests) or [0]
    first, last = (BEGIN + timedelta(minutes=minute) for minute in (minutes[0], minutes[-1]))
    return Exposure(API, name, {base + m: n for m, n in requests.items()}, {}, {}, first, last, commit)


def observed(*exposures: Exposure, deploys: tuple[DeployEvent | None, ...] = ()) -> Observations:
    told = tuple(event for event in deploys if event is not None)
    return Observations((), (), tuple(exposures), told, 0, None, None)


def live(name: RevisionName, percent: int | None, *commits: CommitClaim) -> LiveRevision:
    return LiveRevision(name, API, commits, None, None, None, percent)


def assemble(
    observations: Observations,
    *revisions: LiveRevision,
    claims: Mapping[RevisionName, str] | None = None,
) -> dict[RevisionName, Revision]:
    return {r.name: r for r in assemble_revisions(observations, revisions, claims or {}, WINDOW)}


def traffic(minute: int, **percent: int) -> DeployEvent | None:
    names = {"one": ONE, "two": TWO}
    told = [{"revisionName": names[name], "percent": share} for name, share in percent.items()]
    return event_of(
        audit("/Services.ReplaceService", log="system_event", minute=minute, response={"status": {"traffic": told}})
    )


def test_claims_are_kept_in_order_of_trust_and_disagreement_hides_the_commit() -> None:
    told = assemble(
        observed(exposure(ONE, {0: 1}, commit=SHA_ONE)),
        live(ONE, 100, CommitClaim(SHA_ONE, CommitSource.REVISION_LABEL), CommitClaim(SHA_ONE, CommitSource.IMAGE_TAG)),
        claims={ONE: SHA_TWO},
    )[ONE]
    assert [claim.source for claim in told.commits] == [
        CommitSource.REVISION_LABEL,
        CommitSource.ENTRY_LABEL,
        CommitSource.IMAGE_TAG,
        CommitSource.OPERATOR,
    ]
    assert told.commit is None
    assert assemble(observed(exposure(ONE, {0: 1}, commit=SHA_ONE)))[ONE].commit == SHA_ONE


def test_the_label_that_entries_carry_tells_the_commit_of_their_revision() -> None:
    observer = Observer()
    for minute in range(3):
        raw = {
            "timestamp": (BEGIN + timedelta(minutes=minute)).isoformat(),
            "logName": "projects/shop/logs/run.googleapis.com%2Fstderr",
            "resource": {"type": "cloud_run_revision", "labels": {"service_name": "api", "revision_name": TWO}},
            "labels": {"instanceId": "a", "commit-sha": SHA_TWO},
            "severity": "ERROR",
            "textPayload": "it failed",
        }
        observer.add(parse_entry(raw, "logs.jsonl:1"))
    told = assemble(observer.finish())[TWO]
    assert told.commits == (CommitClaim(SHA_TWO, CommitSource.ENTRY_LABEL),)
    assert told.commit == SHA_TWO


def test_the_newest_told_traffic_decides_who_serves_and_the_first_since_when() -> None:
    events = (traffic(10, one=100), traffic(20, one=50, two=50), traffic(30, two=100))
    told = assemble(observed(exposure(ONE, {5: 1, 40: 1}), deploys=events))
    assert (told[ONE].serving, told[ONE].traffic_percent) == (False, 0)
    assert (told[TWO].serving, told[TWO].traffic_percent) == (True, 100)
    assert told[TWO].serving_since == BEGIN + timedelta(minutes=20)
    assert not told[TWO].serving_inferred


def test_a_rollback_is_the_newest_word_on_traffic() -> None:
    told = assemble(observed(deploys=(traffic(10, two=100), traffic(20, one=100))))
    assert (told[ONE].serving, told[TWO].serving) == (True, False)
    assert told[TWO].serving_since == BEGIN + timedelta(minutes=10)


def test_the_platform_outranks_audit_entries_on_traffic() -> None:
    told = assemble(observed(deploys=(traffic(10, two=100),)), live(ONE, 100), live(TWO, 0))
    assert (told[ONE].serving, told[TWO].serving) == (True, False)


def test_who_serves_is_inferred_from_requests_and_marked_so() -> None:
    told = assemble(
        observed(exposure(ONE, dict.fromkeys(range(60), 10)), exposure(TWO, dict.fromkeys(range(60, 90), 10)))
    )
    assert (told[ONE].serving, told[TWO].serving) == (False, True)
    assert (told[TWO].serving_since, told[TWO].serving_inferred) == (BEGIN + timedelta(minutes=60), True)
    assert told[TWO].traffic_percent is None


def test_a_revision_that_is_merely_idle_for_a_moment_still_serves() -> None:
    told = assemble(observed(exposure(ONE, {0: 1, 10: 1, 20: 1}), exposure(TWO, {5: 1, 15: 1, 21: 1})))
    assert (told[ONE].serving, told[TWO].serving) == (True, True)


def test_two_requests_after_a_handover_do_not_tell_yet_that_the_old_one_stopped() -> None:
    told = assemble(observed(exposure(ONE, {0: 1, 30: 1}), exposure(TWO, {40: 2})))
    assert (told[ONE].serving, told[TWO].serving) == (None, True)


def test_traffic_as_it_is_outranks_traffic_as_it_was_asked_for() -> None:
    event = event_of(
        audit(
            "/Services.ReplaceService",
            log="system_event",
            response={
                "spec": {"traffic": [{"revisionName": TWO, "percent": 100}]},
                "status": {"traffic": [{"revisionName": ONE, "percent": 100}]},
            },
        )
    )
    assert dict(_must(event).traffic) == {ONE: 100}


def test_old_revisions_that_still_log_without_requests_do_not_serve() -> None:
    quiet = exposure(ONE, {})
    still_logging = Exposure(API, ONE, {}, {}, {}, BEGIN, BEGIN + timedelta(hours=5))
    new = exposure(TWO, dict.fromkeys(range(60, 90), 10))
    assert assemble(observed(still_logging, new))[ONE].serving is not True
    assert assemble(observed(quiet))[ONE].serving is True


def test_without_requests_the_newest_to_appear_serves_unless_it_failed() -> None:
    old = Exposure(API, ONE, {}, {}, {}, BEGIN, BEGIN + timedelta(hours=5))
    new = Exposure(API, TWO, {}, {}, {}, BEGIN + timedelta(hours=1), BEGIN + timedelta(hours=2))
    told = assemble(observed(old, new))
    assert (told[ONE].serving, told[TWO].serving) == (None, True)
    failed = event_of(
        audit(
            "/Services.ReplaceService",
            log="system_event",
            minute=61,
            labels={"service_name": "api", "revision_name": TWO},
            status={"code": 9, "message": "failed"},
        )
    )
    told = assemble(observed(old, new, deploys=(failed,)))
    assert (told[ONE].serving, told[TWO].serving, told[TWO].ready) == (True, None, False)


def test_what_serves_now_and_was_not_deployed_in_the_window_served_all_along() -> None:
    told = assemble(observed(), live(ONE, 100))[ONE]
    assert (told.serving_since, told.serving_inferred) == (WINDOW.start, True)


def test_two_services_do_not_mix_and_the_order_is_stable() -> None:
    other = Exposure(ServiceName("jobs"), ONE, {}, {}, {}, BEGIN, BEGIN)
    revisions = assemble_revisions(observed(exposure(TWO, {9: 1}), exposure(ONE, {1: 1}), other), (), {}, WINDOW)
    assert [(r.service, r.name) for r in revisions] == [(API, ONE), (API, TWO), ("jobs", ONE)]


# --- clusters, jobs, functions ---


def _workload(method: str, resource: str, tag: str, **labels: str) -> DeployEvent | None:
    template = {
        "metadata": {"labels": {"app": "api", **labels}},
        "spec": {
            "containers": [{"name": "api", "image": f"gcr.io/shop/api:{tag}", "env": [{"name": "A", "value": "x"}]}]
        },
    }
    raw = audit(
        f"io.k8s.apps.v1.{method}",
        labels={"cluster_name": "main", "location": "europe-west1"},
        resource=f"apps/v1/namespaces/shop/{resource}",
        response={"metadata": {"name": "api"}, "spec": {"replicas": 2, "template": template}},
    )
    raw["resource"]["type"] = "k8s_cluster"
    return event_of(raw)


def test_a_new_replica_set_tells_the_revision_that_the_entries_of_its_pods_bear() -> None:
    told = {"pod-template-hash": "6d4cf56db6"}
    event = _must(_workload("replicasets.create", "replicasets/api-6d4cf56db6", SHA_ONE, **told))
    assert (event.kind, event.service, event.revision) == (DeployKind.CALLED, API, "api@6d4cf56db6")
    assert event.commit == CommitClaim(SHA_ONE, CommitSource.IMAGE_TAG)
    pod = {
        "timestamp": (BEGIN + timedelta(minutes=1)).isoformat(),
        "insertId": "p1",
        "logName": "projects/shop/logs/stderr",
        "resource": {"type": "k8s_container", "labels": {"container_name": "api", "pod_name": "api-6d4cf56db6-x2x9q"}},
        "labels": {"k8s-pod/pod-template-hash": "6d4cf56db6"},
        "severity": "ERROR",
        "textPayload": "connection refused",
    }
    assert parse_entry(pod, "logs.jsonl:1").revision == event.revision


def _event(minute: float, reason: str, message: str, kind: str = "Deployment", name: str = "api") -> dict[str, Any]:
    """An event of Kubernetes as the cluster exports it."""
    place = {"project_id": "shop", "cluster_name": "main", "location": "europe-west1"}
    pod = {"namespace_name": "prod", "pod_name": name} if kind == "Pod" else {}
    return {
        "insertId": f"e{minute}{name}",
        "timestamp": (BEGIN + timedelta(minutes=minute)).isoformat(),
        "severity": "INFO",
        "logName": "projects/shop/logs/events",
        "resource": {"type": "k8s_pod" if kind == "Pod" else "k8s_cluster", "labels": place | pod},
        "jsonPayload": {
            "involvedObject": {"kind": kind, "name": name, "namespace": "prod"},
            "reason": reason,
            "message": message,
        },
    }


def _scaled(minute: float, version: str, before: int, now: int) -> dict[str, Any]:
    way = "up" if now > before else "down"
    return _event(minute, "ScalingReplicaSet", f"Scaled {way} replica set api-{version} from {before} to {now}")


def _observed(*entries: dict[str, Any]) -> Observations:
    observer = Observer()
    for entry in entries:
        observer.add(parse_entry(entry, "logs.jsonl:1"))
    return observer.finish()


OLD, NEW = "6d4cf56db6", "7f9b8d5c44"


def test_events_of_a_cluster_tell_when_a_rollout_began_and_when_it_was_done() -> None:
    seen = _observed(
        _scaled(10, NEW, 0, 1), _scaled(11, OLD, 3, 2), _scaled(12, NEW, 1, 3), _scaled(13, OLD, 2, 0),
        _event(10.5, "Pulled", f'Successfully pulled image "gcr.io/shop/api:{SHA_TWO}"', "Pod", f"api-{NEW}-x2x9q"),
    )  # fmt: skip
    told = [(e.kind, e.at, e.revision) for e in seen.deploys]
    assert told == [
        (DeployKind.CALLED, BEGIN + timedelta(minutes=10), f"api@{NEW}"),
        (DeployKind.TRAFFIC, BEGIN + timedelta(minutes=13), f"api@{NEW}"),
    ]
    (revision,) = (r for r in assemble_revisions(seen, (), {}, WINDOW) if r.name == f"api@{NEW}")
    assert (revision.commit, revision.serving) == (SHA_TWO, True)
    assert revision.serving_since == BEGIN + timedelta(minutes=13)


def test_a_rollback_is_the_older_version_growing_again() -> None:
    seen = _observed(
        _scaled(10, NEW, 0, 3), _scaled(13, OLD, 3, 0), _scaled(40, OLD, 0, 3), _scaled(43, NEW, 3, 0),
    )  # fmt: skip
    serving = {r.name: r.serving for r in assemble_revisions(seen, (), {}, WINDOW)}
    assert serving == {f"api@{OLD}": True, f"api@{NEW}": False}
    assert seen.deploys[-1].traffic == {f"api@{OLD}": 100}


def test_more_or_fewer_pods_of_one_version_are_no_deployment() -> None:
    assert _observed(_scaled(10, NEW, 3, 5), _scaled(20, NEW, 5, 3), _scaled(30, NEW, 3, 0)).deploys == ()


def test_events_without_the_earlier_size_begin_nothing_and_still_tell_the_end() -> None:
    up = _event(10, "ScalingReplicaSet", f"Scaled up replica set api-{NEW} to 3")
    down = _event(12, "ScalingReplicaSet", f"Scaled down replica set api-{OLD} to 0")
    assert [e.kind for e in _observed(up, down).deploys] == [DeployKind.TRAFFIC]


def test_images_of_two_containers_leave_the_commit_open() -> None:
    pod = f"api-{NEW}-x2x9q"
    seen = _observed(
        _scaled(10, NEW, 0, 1),
        _event(10.5, "Pulled", f'Container image "gcr.io/shop/api:{SHA_TWO}" already present on machine', "Pod", pod),
        _event(10.6, "Pulled", f'Successfully pulled image "gcr.io/shop/side:{SHA_ONE}"', "Pod", pod),
    )
    assert seen.deploys[0].commit is None


def _writes(minute: float, version: str) -> dict[str, Any]:
    labels = {"container_name": "server", "pod_name": f"api-{version}-x2x9q"}
    return {
        "timestamp": (BEGIN + timedelta(minutes=minute)).isoformat(),
        "insertId": f"w{minute}{version}",
        "logName": "projects/shop/logs/stdout",
        "resource": {"type": "k8s_container", "labels": labels},
        "textPayload": "served",
    }


@pytest.mark.parametrize(("last", "serving"), [(25, {True, None}), (60, {None})])
def test_a_rollout_that_hangs_leaves_open_which_version_serves(last: float, serving: set[bool | None]) -> None:
    seen = _observed(_writes(0, OLD), _writes(20, NEW), _writes(last, OLD))
    revisions = assemble_revisions(seen, (), {}, WINDOW)
    assert {r.serving for r in revisions} == serving
    assert {r.name: r.serving_since for r in revisions} == {
        f"api@{OLD}": BEGIN,
        f"api@{NEW}": BEGIN + timedelta(minutes=20),
    }


@pytest.mark.parametrize(
    ("label", "value", "sha"),
    [
        ("commit-sha", SHA_ONE, SHA_ONE),
        ("app_kubernetes_io/version", SHA_ONE, SHA_ONE),
        ("app_kubernetes_io/version", "20260304", None),
        ("app_kubernetes_io/version", "1.4.2", None),
    ],
)
def test_the_labels_of_a_pod_tell_the_commit_of_its_version(label: str, value: str, sha: str | None) -> None:
    written = {
        "timestamp": BEGIN.isoformat(),
        "insertId": "p1",
        "logName": "projects/shop/logs/stderr",
        "resource": {"type": "k8s_container", "labels": {"container_name": "server", "pod_name": f"api-{OLD}-x2x9q"}},
        "labels": {"k8s-pod/pod-template-hash": OLD, f"k8s-pod/{label}": value},
        "severity": "ERROR",
        "textPayload": "connection refused",
    }
    (revision,) = assemble_revisions(_observed(written), (), {}, WINDOW)
    assert (revision.name, revision.service, revision.commit) == (f"api@{OLD}", API, sha)


@pytest.mark.parametrize("verb", ["create", "update", "patch"])
def test_a_changed_deployment_is_a_rollout_of_a_revision_that_is_not_told(verb: str) -> None:
    event = _must(_workload(f"deployments.{verb}", "deployments/api", SHA_ONE))
    assert (event.service, event.revision) == (API, None)
    assert event.commit == CommitClaim(SHA_ONE, CommitSource.IMAGE_TAG)


@pytest.mark.parametrize(
    "method", ["deployments.scale.update", "deployments.status.patch", "deployments.delete", "pods.create"]
)
def test_scaling_and_status_are_no_rollouts(method: str) -> None:
    assert _workload(method, "deployments/api", SHA_ONE) is None


@pytest.mark.parametrize(
    ("method", "resource", "request_body"),
    [
        (
            "google.cloud.run.v1.Jobs.ReplaceJob",
            "namespaces/shop/jobs/api",
            {
                "spec": {
                    "template": {
                        "spec": {"template": {"spec": {"containers": [{"image": f"gcr.io/shop/api:{SHA_ONE}"}]}}}
                    }
                }
            },
        ),
        (
            "google.cloud.run.v2.Jobs.UpdateJob",
            "projects/shop/locations/europe-west1/jobs/api",
            {"template": {"template": {"containers": [{"image": f"gcr.io/shop/api:{SHA_ONE}"}]}}},
        ),
        (
            "google.cloud.functions.v2.FunctionService.UpdateFunction",
            "projects/shop/locations/europe-west1/functions/api",
            {"labels": {"commit-sha": SHA_ONE}},
        ),
        (
            "google.cloud.run.v2.Jobs.UpdateJob",
            "projects/shop/locations/europe-west1/jobs/api",
            {"job": {"template": {"template": {"containers": [{"image": f"gcr.io/shop/api:{SHA_ONE}"}]}}}},
        ),
        (
            "google.cloud.functions.v2.FunctionService.UpdateFunction",
            "projects/shop/locations/europe-west1/functions/api",
            {"function": {"labels": {"commit-sha": SHA_ONE}}},
        ),
        (
            "google.cloud.functions.v1.CloudFunctionsService.UpdateFunction",
            "projects/shop/locations/europe-west1/functions/api",
            {"function": {"labels": {"commit-sha": SHA_ONE}}},
        ),
    ],
)
def test_jobs_and_functions_tell_their_commit(method: str, resource: str, request_body: dict[str, Any]) -> None:
    event = _must(event_of(audit(method, labels={}, resource=resource, request=request_body)))
    assert (event.service, event.revision) == (API, None)
    assert event.commit is not None
    assert event.commit.sha == SHA_ONE

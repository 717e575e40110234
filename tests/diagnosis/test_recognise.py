"""Recognition over evidence: the right field, the right words, the resource that the message names, a fixed order."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.diagnosis.recognise import recognise
from app.diagnosis.signatures.model import signature_from_config
from app.evidence.model import (
    ExceptionInfo,
    HttpRequest,
    Language,
    PayloadField,
    Severity,
    StackTrace,
)
from app.redact import cut
from tests.diagnosis.recognised import audit_of, evidence_of, group_of, sample_of, seen

DIAL = 'dial error: failed to dial (connection name = "shop:europe-west1:orders"): dial tcp 10.0.0.3:3307: i/o timeout'


def test_the_message_names_the_database_instance() -> None:
    (first, *_) = recognise(evidence_of(sample_of(f"Cloud SQL connection failed. Please see the docs: {DIAL}")))
    assert first.signature.id == "sql-dial-timeout"
    assert first.component == "shop:europe-west1:orders"


def test_the_more_specific_signature_of_a_line_stands_before_its_envelope() -> None:
    found = [
        r.signature.id for r in recognise(evidence_of(sample_of(f"Cloud SQL connection failed. Please see {DIAL}")))
    ]
    assert found.index("sql-dial-timeout") < found.index("sql-connection-failed-envelope")


def test_a_message_without_a_resource_falls_back_to_the_entry() -> None:
    labels = {"service_name": cut("shop"), "revision_name": cut("shop-7"), "project_id": cut("shop-prod")}
    sample = sample_of("Memory limit of 512 MiB exceeded with 530 MiB used.", resource_labels=labels)
    assert [r.component for r in recognise(evidence_of(sample))] == ["shop"]


def test_an_audit_entry_names_the_resource_of_the_call() -> None:
    audit = audit_of("Image 'x/y:1' is fine", name="namespaces/shop-prod/services/shop")
    audit = audit._replace(
        status_message="service-1@serverless-robot-prod.iam.gserviceaccount.com must have permission to read the image, x."
    )
    sample = sample_of("CreateService failed", field=PayloadField.PROTO, audit=audit)
    first = recognise(evidence_of(sample))[0]
    assert (first.signature.id, first.component) == ("run-image-permission", "shop")


def test_a_name_that_redaction_cut_into_gives_way_to_the_entrys_own() -> None:
    message = 'Failed to pull image "gcr.io/shop/web:[secret]": rpc error: 403 Forbidden'
    sample = sample_of(message, resource_type="k8s_pod", resource_labels={"pod_name": cut("web-1")})
    assert {r.component for r in recognise(evidence_of(sample))} == {"web-1"}


def test_a_collection_keeps_its_whole_name() -> None:
    audit = audit_of("must have permission to read the image", name="projects/p/locations/l/builds")
    sample = sample_of("", field=PayloadField.PROTO, audit=audit)
    assert {r.component for r in recognise(evidence_of(sample))} == {"projects/p/locations/l/builds"}


def test_the_status_decides_between_two_meanings_of_one_text() -> None:
    text = "The request was aborted because there was no available instance."
    throttled = recognise(evidence_of(sample_of(text, http=HttpRequest("GET", 429, "/", None))))
    broken = recognise(evidence_of(sample_of(text, http=HttpRequest("GET", 503, "/", None))))
    assert throttled[0].signature.id == "run-max-instances"
    assert "run-max-instances" not in {r.signature.id for r in broken}
    assert "run-no-instance" in {r.signature.id for r in broken}


def test_the_resource_decides_between_two_meanings_of_one_text() -> None:
    text = "could not extend file base/1/2: No space left on device"
    assert "sql-disk-full" in seen(sample_of(text, resource_type="cloudsql_database"))
    assert "sql-disk-full" not in seen(sample_of(text, resource_type="gce_instance"))


def test_an_exception_kept_in_a_trace_of_its_own_is_read() -> None:
    chain = (
        ExceptionInfo(cut("RuntimeError"), cut("start failed")),
        ExceptionInfo(cut("psycopg2.OperationalError"), cut("FATAL: sorry, too many clients already")),
    )
    group = group_of(sample_of("start failed"), trace=StackTrace(Language.PYTHON, chain))
    assert recognise(evidence_of(group))[0].signature.id == "sql-too-many-connections"


def test_the_oldest_sample_counts_as_well_as_the_newest() -> None:
    group = group_of(sample_of("retrying"), first=sample_of("FATAL: the database system is starting up"))
    assert [r.signature.id for r in recognise(evidence_of(group))] == ["sql-restarting"]


def test_a_notice_can_explain_a_failure() -> None:
    notice = group_of(sample_of("FATAL: the database system is shutting down"), failure=False)
    assert [r.signature.id for r in recognise(evidence_of(notice))] == ["sql-restarting"]


def test_words_that_also_mean_no_failure_do_not_count_in_a_notice() -> None:
    text = "Database initialization timeout after 8.0s"
    assert [r.signature.id for r in recognise(evidence_of(sample_of(text)))] == ["sql-wrapper-timeout"]
    assert not recognise(evidence_of(group_of(sample_of(text), failure=False)))


def test_fragments_far_apart_are_not_one_message() -> None:
    near = "OperationalError: connect: Connection timed out"
    far = f"OperationalError: {'x' * 500} Connection timed out"
    assert "sql-tcp-timeout" in seen(sample_of(near))
    assert "sql-tcp-timeout" not in seen(sample_of(far))


def test_case_of_the_text_does_not_matter() -> None:
    assert seen(sample_of("fatal: SORRY, too many clients ALREADY")) == {"sql-too-many-connections"}


def test_same_evidence_same_order_whatever_the_order_of_the_groups() -> None:
    shown = [
        group_of(sample_of(text), name=f"g1-{n:012x}", count=n + 1)
        for n, text in enumerate((DIAL, "sorry, too many clients already", "Container called exit(1).", "no failure"))
    ]
    one = recognise(evidence_of(*shown))
    assert one == recognise(evidence_of(*reversed(shown)))
    assert [r.strength for r in one] == sorted((r.strength for r in one), reverse=True)


def test_a_wrapper_gives_way_to_what_stands_inside_it() -> None:
    inside = "Error message from worker: io.grpc.StatusRuntimeException: 14 UNAVAILABLE: no path"
    found = recognise(evidence_of(sample_of(inside, resource_type="dataflow_step")))
    assert [r.signature.id for r in found] == ["grpc-unavailable", "dataflow-failed"]
    alone = recognise(evidence_of(sample_of("Error message from worker: no more", resource_type="dataflow_step")))
    assert [r.signature.id for r in alone] == ["dataflow-failed"]


def test_a_symptom_is_weaker_than_any_cause() -> None:
    log = "run.googleapis.com/varlog/system"
    found = recognise(evidence_of(sample_of("Container called exit(1).", log_id=log), sample_of(DIAL)))
    assert [
        (r.signature.id, r.signature.symptom)
        for r in found
        if r.signature.id in ("run-container-exit", "sql-dial-timeout")
    ] == [
        ("sql-dial-timeout", False),
        ("run-container-exit", True),
    ]


def test_a_repository_signature_replaces_ours_of_the_same_id() -> None:
    own = signature_from_config(
        {
            "id": "sql-too-many-connections",
            "title": "Our pool is full",
            "failure_class": "cloud-sql-too-many-connections",
            "layer": "application",
            "owner": "developers",
            "wording": ["too many clients already"],
            "remedy": "Shrink the pool.",
        }
    )
    found = recognise(evidence_of(sample_of("sorry, too many clients already")), (own,))
    assert [r.signature.title for r in found] == ["Our pool is full"]


ORDINARY = Path(__file__).with_name("healthy_lines.txt").read_text(encoding="utf-8").splitlines()
WRITERS = (
    ("cloud_run_revision", "run.googleapis.com/stdout"),
    ("gce_instance", "serialconsole.googleapis.com/serial_port_1_output"),
    ("cloudsql_database", "cloudsql.googleapis.com/postgres.log"),
    ("dataflow_step", "dataflow.googleapis.com/job-message"),
    ("vpn_gateway", "cloud.googleapis.com/ipsec_events"),
    ("bigquery_dataset", "cloudaudit.googleapis.com/data_access"),
    ("k8s_pod", "events"),
)


@pytest.mark.parametrize(("resource_type", "log_id"), WRITERS)
def test_ordinary_lines_are_not_recognised_whoever_writes_them(resource_type: str, log_id: str) -> None:
    assert len(ORDINARY) > 300
    for line in ORDINARY:
        sample = sample_of(line, resource_type=resource_type, log_id=log_id, severity=Severity.INFO)
        found = recognise(evidence_of(group_of(sample, failure=False)))
        assert not found, (line, [r.signature.id for r in found])


def test_a_kubernetes_warning_counts_as_a_failure() -> None:
    text = 'Failed to reach the registry: "docker.io": 429 Too Many Requests'
    warning = sample_of(text, log_id="events", severity=Severity.WARNING)
    assert [r.signature.id for r in recognise(evidence_of(group_of(warning, failure=False)))] == ["quota-rate"]
    normal = replace(warning, severity=Severity.INFO)
    assert not recognise(evidence_of(group_of(normal, failure=False)))


@pytest.mark.parametrize(
    ("answer", "failure_class"),
    [
        ("Widgets exceed quota limits in this region", "quota-exceeded"),
        ("The widget is currently being moved, try again once it is done", "resource-conflict"),
        ("Ensure the account has the widgets.admin role", "iam-permission-denied"),
        ("Widgets are out of stock: not enough capacity in this zone", "zone-capacity-exhausted"),
        ("A widget may not have more than 12 arms", "resource-limit-exceeded"),
        ("The widget's colour cannot be changed", "invalid-operation"),
    ],
)
def test_an_api_answer_without_a_known_wording_is_read_by_its_ordinary_words(answer: str, failure_class: str) -> None:
    audit = sample_of("", field=PayloadField.PROTO, audit=audit_of(answer, code=9))
    relayed = sample_of(f"googleapi: Error 400: {answer}, failedPrecondition")
    for sample in (audit, relayed):
        assert recognise(evidence_of(sample))[0].signature.failure_class == failure_class
    own = sample_of(answer, audit=None)
    assert not {r for r in recognise(evidence_of(own)) if r.signature.id.startswith("api-")}


def test_a_products_own_wording_goes_before_ordinary_words() -> None:
    answer = "The zone 'z' does not have enough resources available to fulfill the request. Try a different zone."
    found = recognise(evidence_of(sample_of("", field=PayloadField.PROTO, audit=audit_of(answer, code=8))))
    assert found[0].signature.id == "vm-stockout"


def test_the_programs_own_address_names_no_resource() -> None:
    refused = 'connection to server at "localhost" (127.0.0.1), port 5432 failed: Connection refused'
    sample = sample_of(refused, resource_labels={"service_name": cut("reports")})
    assert recognise(evidence_of(sample))[0].component == "reports"


def test_a_refused_query_names_the_project_that_it_was_to_run_in() -> None:
    message = (
        "403 Access Denied: Project public-archive: User does not have bigquery.jobs.create permission in project x."
    )
    sample = sample_of(message, resource_labels={"pod_name": cut("reader-1")})
    assert recognise(evidence_of(sample))[0].component == "public-archive"

"""From entries to a verdict, and what is asked of the resources they name."""

import json
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from app.diagnosis.diagnose import diagnose, wanted_probes
from app.diagnosis.model import Confidence, Diagnosis, Layer, Status, plain
from app.evidence.model import Evidence, LayerOwner, ProbeKind, ProbeResult, ProbeState, ProbeTarget
from app.redact import cut
from tests.diagnosis.incident import at, evidence, group, line, platform_line, read

DIAL = (
    "Cloud SQL connection failed. Please see https://cloud.google.com/sql/docs/postgres/connect-run for additional details: "
    'dial error: failed to dial (connection name = "demo-shop:europe-west1:main"): dial tcp {}:3307: i/o timeout'
)
GAVE_UP = (
    "Traceback (most recent call last):\n"
    '  File "/srv/shop/start.py", line 1018, in _initialize_database\n'
    "    raise StartupError(f'gave up')\n"
    "StartupError: Database initialization timeout after 8.0s in staging environment"
)
ENDED = "Container called exit(3)."


def startup(*middle: dict[str, object]) -> Evidence:
    return read(*middle, line(GAVE_UP, minute=5.2), platform_line(ENDED, minute=5.3, severity="WARNING"))


def test_the_dial_line_is_the_cause_and_wrapper_and_exit_follow_from_it() -> None:
    found = startup(line(DIAL.format("34.10.20.30"), minute=5))
    verdict = diagnose(found)
    assert verdict.failure_class == "cloud-sql-connection-timeout"
    assert (verdict.layer, verdict.owner) == (Layer.INFRASTRUCTURE, LayerOwner.INFRASTRUCTURE)
    assert verdict.component == "demo-shop:europe-west1:main"
    assert verdict.recommendation.status is Status.INFRASTRUCTURE_ESCALATION
    assert len(verdict.symptoms) == 2


def test_the_wrapper_alone_gives_a_time_limit_and_no_cause() -> None:
    verdict = diagnose(startup())
    assert verdict.recommendation.status is Status.CANNOT_TELL
    assert verdict.layer is Layer.UNKNOWN
    assert verdict.owner is None
    assert "gcloud logging read" in plain(verdict.recommendation.next_steps[0])
    assert "8.0s" in str(verdict.whys)


def test_a_vpc_connector_is_set_aside_and_not_blamed() -> None:
    verdict = diagnose(startup(line(DIAL.format("34.10.20.30"), minute=5)))
    set_aside = {no.cause.failure_class: plain(no.refuted_by.text) for no in verdict.rejected}
    assert "socket path" in set_aside["vpc-connector-unavailable"]
    assert not any("vpc-access" in (action.command or "") for action in verdict.actions)
    assert verdict.recommendation.changes_if is not None
    assert "run services describe" in verdict.recommendation.changes_if.command


def test_a_recognised_consequence_is_kept_with_what_refutes_it_as_the_cause() -> None:
    verdict = diagnose(startup(line(DIAL.format("34.10.20.30"), minute=5)))
    wrapper = next(no for no in verdict.rejected if no.cause.signature == "sql-wrapper-timeout")
    assert "it follows from the cause" in plain(wrapper.refuted_by.text)
    assert wrapper.cause not in verdict.causes


def test_a_private_address_from_a_serverless_service_points_at_its_own_egress() -> None:
    verdict = diagnose(read(line(DIAL.format("10.20.30.4"))))
    assert (verdict.layer, verdict.owner) == (Layer.CONFIGURATION, LayerOwner.INFRASTRUCTURE)


def test_an_exit_code_alone_decides_nothing() -> None:
    verdict = diagnose(read(platform_line(ENDED, severity="WARNING")))
    assert verdict.recommendation.status is Status.CANNOT_TELL
    assert verdict.whys[-1].answer is None


def test_an_unknown_message_stays_unknown() -> None:
    verdict = diagnose(read(line("the frobnicator is out of cheese")))
    assert verdict.root is None
    assert verdict.failure_class is None
    assert (verdict.layer, verdict.owner, verdict.component) == (Layer.UNKNOWN, None, None)
    assert verdict.recommendation.status is Status.CANNOT_TELL


def test_an_exception_of_its_own_code_is_the_program_s() -> None:
    trace = (
        'Traceback (most recent call last):\n  File "/srv/shop/cart.py", line 40, in total\n'
        "    return prices[item]\nKeyError: 'tea'"
    )
    verdict = diagnose(read(line(trace)))
    assert verdict.failure_class == "application-exception"
    assert (verdict.layer, verdict.owner) == (Layer.APPLICATION, LayerOwner.DEVELOPERS)
    assert verdict.recommendation.status is Status.APPLICATION_FIX


def test_healthy_entries_raise_no_alarm() -> None:
    verdict = diagnose(read(line("listening on 8080", severity="INFO"), line("ready", severity="INFO", minute=6)))
    assert verdict.root is None
    assert verdict.recommendation.status is Status.NO_FAILURES


@pytest.mark.parametrize("swap", [False, True])
def test_the_order_of_the_entries_does_not_matter(swap: bool) -> None:
    entries = [
        line(DIAL.format("34.10.20.30"), minute=5),
        line("TypeError: x is not a function", minute=6),
        platform_line(ENDED, minute=7, severity="WARNING"),
    ]
    one = diagnose(read(*entries))
    other = diagnose(read(*(reversed(entries) if swap else entries)))
    assert plain(one.summary.text) == plain(other.summary.text)
    assert one.links == other.links


POOL = (
    line(DIAL.format("34.10.20.30"), minute=1, labels={"instanceId": "a"}),
    line(GAVE_UP, minute=2, labels={"instanceId": "a"}),
    platform_line(ENDED, minute=3, severity="WARNING", labels={"instanceId": "a"}),
    line("Permission 'x.y.get' denied on resource 'r' (or it may not exist)", minute=4, service="mail"),
    platform_line("Memory limit of 512 MiB exceeded with 530 MiB used.", minute=5, service="mail"),
    line("the frobnicator is out of cheese", minute=6),
    line("sender: invalid_auth", minute=7),
    line("connect ECONNREFUSED 127.0.0.1:6379", minute=8, service="cart"),
    line("ready", minute=9, severity="INFO"),
)


@given(st.lists(st.sampled_from(POOL), min_size=1, max_size=12), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_any_mix_of_failures_has_one_verdict_with_evidence(entries: list[dict[str, object]], random: Random) -> None:
    shuffled = list(entries)
    random.shuffle(shuffled)
    one, other = diagnose(read(*entries)), diagnose(read(*shuffled))
    assert (one.failure_class, one.layer, one.owner, one.links) == (
        other.failure_class,
        other.layer,
        other.owner,
        other.links,
    )
    assert one.root is None or one.root.group not in {link.effect for link in one.links}
    assert (one.owner is None) == (one.layer is Layer.UNKNOWN)


def test_the_same_evidence_gives_the_same_bytes_also_after_it_was_saved() -> None:
    found = startup(line(DIAL.format("34.10.20.30"), minute=5))
    evidence, diagnosis = TypeAdapter(Evidence), TypeAdapter(Diagnosis)
    loaded = evidence.validate_json(evidence.dump_json(found))
    assert diagnosis.dump_json(diagnose(found)) == diagnosis.dump_json(diagnose(loaded))


def test_every_claim_of_a_verdict_rests_on_evidence() -> None:
    dumped = TypeAdapter(Diagnosis).dump_python(
        diagnose(startup(line(DIAL.format("34.10.20.30"), minute=5))), mode="json"
    )
    claims = [found for found in _walk(dumped) if "basis" in found]
    assert len(claims) > 8
    assert all(claim["evidence"] for claim in claims)


def _walk(value: object) -> list[dict[str, object]]:
    if isinstance(value, dict):
        return [value, *(found for inner in value.values() for found in _walk(inner))]
    if isinstance(value, list):
        return [found for inner in value for found in _walk(inner)]
    return []


def test_a_check_is_filled_with_what_the_message_names() -> None:
    call = {
        "serviceName": "run.googleapis.com",
        "methodName": "/Services.ReplaceService",
        "resourceName": "namespaces/demo-shop/revisions/shop-00002-abc",
        "status": {
            "code": 9,
            "message": "Ready condition status changed to False for Revision shop-00002-abc with message: Permission denied on "
            "secret: projects/12345/secrets/shop-db/versions/latest for Revision service account "
            "shop@demo-shop.iam.gserviceaccount.com.",
        },
    }
    entry = line("", protoPayload=call, logName="projects/demo-shop/logs/cloudaudit.googleapis.com%2Fsystem_event")
    del entry["textPayload"]
    verdict = diagnose(read(entry))
    assert verdict.layer is Layer.PERMISSIONS
    commands = [action.command or "" for action in verdict.actions]
    assert any(command.startswith("gcloud secrets get-iam-policy shop-db ") for command in commands)


# --- what the probes say -------------------------------------------------------------------------------------------------


def answered(kind: ProbeKind, name: str, state: ProbeState, **facts: str) -> ProbeResult:
    target = ProbeTarget(kind, cut(name), cut(f"gcloud {kind} describe"))
    pairs = tuple((key.replace("_", "."), cut(value)) for key, value in facts.items())
    return ProbeResult(target, state, pairs, None, at(60))


def with_service(address: str, **facts: str) -> Evidence:
    name = "projects/demo-shop/locations/europe-west1/services/shop"
    found = startup(line(DIAL.format(address), minute=5))
    return replace(found, probes=(answered(ProbeKind.CLOUD_RUN, name, ProbeState.UNHEALTHY, **facts),))


EGRESS, CONNECTOR = "template_vpcAccess_egress", "template_vpcAccess_connector"


def test_all_traffic_through_a_network_leaves_a_public_address_to_cloud_nat() -> None:
    verdict = diagnose(with_service("34.10.20.30", **{EGRESS: "ALL_TRAFFIC", CONNECTOR: "main"}))
    assert verdict.layer is Layer.INFRASTRUCTURE
    assert any("Cloud NAT" in plain(signal.claim.text) for signal in verdict.signals)
    assert not any(no.cause.failure_class == "vpc-connector-unavailable" for no in verdict.rejected)


def test_a_public_address_that_is_dialled_past_the_network_is_not_laid_to_nat() -> None:
    verdict = diagnose(with_service("34.10.20.30", template_timeout="300s"))
    assert verdict.whys[-1].answer is not None
    assert "NAT" not in plain(verdict.whys[-1].answer.text)
    refuted = next(no for no in verdict.rejected if no.cause.failure_class == "vpc-connector-unavailable")
    assert "own setting names none" in plain(refuted.refuted_by.text)


def test_a_service_without_a_network_cannot_reach_a_private_address() -> None:
    verdict = diagnose(with_service("10.1.2.3", template_timeout="300s"))
    assert verdict.layer is Layer.CONFIGURATION
    assert verdict.confidence is Confidence.HIGH


@pytest.mark.parametrize(
    ("told", "counts"),
    [
        ("Connection errors · Cloud SQL · europe-west1", True),
        ("Connection errors · Cloud SQL · asia-east1", False),
        ("Slow dashboards · Looker · europe-west1", False),
    ],
)
def test_an_announced_incident_counts_only_for_this_product_in_this_place(told: str, counts: bool) -> None:
    incident = answered(ProbeKind.PUBLIC_STATUS, "https://status.example", ProbeState.UNHEALTHY, incident_1=told)
    found = replace(startup(line(DIAL.format("34.10.20.30"), minute=5)), probes=(incident,))
    assert any(signal.layer is Layer.PLATFORM for signal in diagnose(found).signals) is counts


def test_a_database_that_is_up_is_set_aside_with_the_time_it_was_read() -> None:
    sql = answered(ProbeKind.CLOUD_SQL, "projects/demo-shop/instances/main", ProbeState.HEALTHY, settings="ALWAYS")
    verdict = diagnose(replace(startup(line(DIAL.format("34.10.20.30"), minute=5)), probes=(sql,)))
    refuted = next(no for no in verdict.rejected if no.cause.failure_class == "cloud-sql-instance-unavailable")
    assert "2026-03-02 15:00:00 UTC" in plain(refuted.refuted_by.text)


def test_a_database_whose_metric_was_up_throughout_is_said_to_have_been() -> None:
    up = {"database/up": "1 throughout"}
    sql = answered(ProbeKind.CLOUD_SQL, "projects/demo-shop/instances/main", ProbeState.HEALTHY, **up)
    verdict = diagnose(replace(startup(line(DIAL.format("34.10.20.30"), minute=5)), probes=(sql,)))
    refuted = next(no for no in verdict.rejected if no.cause.failure_class == "cloud-sql-instance-unavailable")
    assert "was up all through the window" in plain(refuted.refuted_by.text)


PLAIN_DIAL = 'connection to server at "10.20.0.3", port 5432 failed: Connection timed out'


@pytest.mark.parametrize(
    ("facts", "layer"),
    [
        (None, Layer.INFRASTRUCTURE),
        ({"template_timeout": "300s"}, Layer.CONFIGURATION),
        ({"template_vpcAccess_network": "main"}, Layer.INFRASTRUCTURE),
    ],
)
def test_a_private_database_that_does_not_answer_is_the_network_s_unless_the_service_has_none(
    facts: dict[str, str] | None, layer: Layer
) -> None:
    name = "projects/demo-shop/locations/europe-west1/services/shop"
    read_state = (answered(ProbeKind.CLOUD_RUN, name, ProbeState.HEALTHY, **facts),) if facts else ()
    for text in (PLAIN_DIAL, f"{PLAIN_DIAL}\n\tIs the server running on that host and accepting TCP/IP connections?"):
        verdict = diagnose(replace(read(line(text)), probes=read_state))
        assert (verdict.failure_class, verdict.layer) == ("cloud-sql-connection-timeout", layer)


@pytest.mark.parametrize(("used", "counts"), [("100", True), ("91", True), ("40", False)])
def test_connections_near_the_flag_speak_for_the_slots(used: str, counts: bool) -> None:
    target = ProbeTarget(
        ProbeKind.CLOUD_SQL, cut("projects/demo-shop/instances/main"), cut("gcloud sql instances describe")
    )
    facts = (
        ("settings.databaseFlags.max_connections", cut("100")),
        ("database/postgresql/num_backends", cut(f"at most {used}, at 2026-03-02 14:05 UTC")),
    )
    found = read(line("FATAL: sorry, too many clients already"))
    verdict = diagnose(replace(found, probes=(ProbeResult(target, ProbeState.HEALTHY, facts, None, at(60)),)))
    said = [plain(signal.claim.text) for signal in verdict.signals]
    assert (f"projects/demo-shop/instances/main had {used} connections of 100" in said) is counts


def test_a_worker_that_the_platform_waited_for_is_no_limit_of_the_program() -> None:
    text = "A work item has failed 4 times: worker etl-1: Timed out waiting for an update from the worker"
    verdict = diagnose(read(line(text)))
    assert verdict.failure_class == "worker-task-lost"
    assert verdict.layer is Layer.INFRASTRUCTURE
    assert verdict.owner is not None


def test_a_warning_of_kubernetes_that_nobody_knows_is_no_sign_of_health() -> None:
    event = platform_line("", severity="WARNING")
    del event["textPayload"]
    event["logName"] = "projects/demo-shop/logs/events"
    event["jsonPayload"] = {
        "reason": "WidgetStuck",
        "message": "the widget of pod web-1 does not turn",
        "involvedObject": {"kind": "Pod", "name": "web-1"},
    }
    verdict = diagnose(read(event))
    assert verdict.recommendation.status is Status.CANNOT_TELL
    assert (verdict.layer, verdict.confidence) == (Layer.UNKNOWN, Confidence.LOW)
    assert plain(verdict.summary.text).startswith(
        "shop is warned of: WidgetStuck: the widget of pod web-1 does not turn, "
    )


def test_an_operation_on_the_database_says_why_now() -> None:
    operated = ProbeResult(
        ProbeTarget(
            ProbeKind.CLOUD_SQL_OPERATIONS, cut("projects/demo-shop/instances/main"), cut("gcloud sql operations list")
        ),
        ProbeState.UNHEALTHY,
        (("operations.0", cut("RESTART DONE")),),
        cut("in the window: RESTART DONE from 2026-03-02T14:04:00Z"),
        at(60),
    )
    verdict = diagnose(replace(startup(line(DIAL.format("34.10.20.30"), minute=5)), probes=(operated,)))
    answer = verdict.whys[-1].answer
    assert answer is not None
    assert "RESTART DONE from 2026-03-02T14:04:00Z" in plain(answer.text)
    other = replace(operated, target=replace(operated.target, name=cut("projects/demo-shop/instances/other")))
    elsewhere = read(line("TypeError: x is not a function"))
    assert diagnose(replace(elsewhere, probes=(other,))).signals == diagnose(elsewhere).signals


def test_a_database_without_a_public_address_is_said_to_have_none() -> None:
    name = "projects/demo-shop/instances/main"
    facts = (("ipAddresses.type", cut("PRIVATE")),)
    target = ProbeTarget(ProbeKind.CLOUD_SQL, cut(name), cut("gcloud sql instances describe main"))
    sql = ProbeResult(target, ProbeState.HEALTHY, facts, None, at(60))
    verdict = diagnose(replace(startup(line(DIAL.format("34.10.20.30"), minute=5)), probes=(sql,)))
    assert any("has a private one only" in plain(why.answer.text) for why in verdict.whys if why.answer)


def test_the_memory_that_the_service_may_use_stands_beside_the_message() -> None:
    name = "projects/demo-shop/locations/europe-west1/services/shop"
    run = answered(ProbeKind.CLOUD_RUN, name, ProbeState.HEALTHY, template_limits="cpu 1, memory 512Mi")
    found = read(platform_line("Memory limit of 512 MiB exceeded with 530 MiB used."))
    verdict = diagnose(replace(found, probes=(run,)))
    assert any("memory 512Mi" in plain(why.answer.text) for why in verdict.whys if why.answer)


def test_the_number_of_instances_stands_beside_the_message_that_none_was_free() -> None:
    name = "projects/demo-shop/locations/europe-west1/services/shop"
    facts = {"template_scaling": "0 to 3", "template_maxInstanceRequestConcurrency": "80"}
    run = answered(ProbeKind.CLOUD_RUN, name, ProbeState.HEALTHY, **facts)
    text = "The request was aborted because there was no available instance."
    verdict = diagnose(replace(read(platform_line(text)), probes=(run,)))
    told = " ".join(plain(why.answer.text) for why in verdict.whys if why.answer)
    assert "its instances were set to 0 to 3, each with 80 requests at once" in told


# --- which probes are wanted ------------------------------------------------------------------------------------------------


def probes(found: Evidence) -> dict[ProbeKind, str]:
    return {target.kind: target.name for target in wanted_probes(found)}


def test_what_the_entries_name_is_looked_at_by_its_full_name() -> None:
    wanted = probes(startup(line(DIAL.format("34.10.20.30"), minute=5)))
    assert wanted[ProbeKind.CLOUD_SQL] == "projects/demo-shop/instances/main"
    assert wanted[ProbeKind.CLOUD_SQL_OPERATIONS] == "projects/demo-shop/instances/main"
    assert wanted[ProbeKind.CLOUD_RUN] == "projects/demo-shop/locations/europe-west1/services/shop"
    assert wanted[ProbeKind.SERVICE_HEALTH] == "projects/demo-shop/locations/global"
    assert ProbeKind.PUBLIC_STATUS in wanted


def test_a_socket_path_names_the_database_and_no_vpc_connector() -> None:
    text = "could not connect to /cloudsql/demo-shop:europe-west1:main/.s.PGSQL.5432"
    wanted = probes(read(line(text)))
    assert wanted[ProbeKind.CLOUD_SQL] == "projects/demo-shop/instances/main"
    assert ProbeKind.VPC_CONNECTOR not in wanted


def test_a_connector_is_looked_at_when_an_entry_names_it() -> None:
    text = "VPC connector projects/demo-shop/locations/europe-west1/connectors/main-vpc does not exist"
    assert probes(read(line(text)))[ProbeKind.VPC_CONNECTOR].endswith("/connectors/main-vpc")


def test_a_connector_is_looked_at_when_the_service_s_own_setting_names_it() -> None:
    name = "projects/demo-shop/locations/europe-west1/connectors/main-vpc"
    assert ProbeKind.VPC_CONNECTOR not in probes(startup(line(DIAL.format("34.10.20.30"), minute=5)))
    assert probes(with_service("34.10.20.30", **{CONNECTOR: name}))[ProbeKind.VPC_CONNECTOR] == name
    hostile = with_service("34.10.20.30", **{CONNECTOR: "projects/demo-shop/locations/x/connectors/$(id)"})
    assert ProbeKind.VPC_CONNECTOR not in probes(hostile)


def test_the_database_that_the_service_s_own_setting_attaches_is_looked_at() -> None:
    name = "projects/demo-shop/locations/europe-west1/services/shop"
    run = answered(
        ProbeKind.CLOUD_RUN, name, ProbeState.HEALTHY, template_cloudSqlInstance="demo-shop:europe-west1:books"
    )
    found = read(line("TypeError: boom"))
    assert ProbeKind.CLOUD_SQL not in probes(found)
    assert probes(replace(found, probes=(run,)))[ProbeKind.CLOUD_SQL] == "projects/demo-shop/instances/books"


@pytest.mark.parametrize("name", ["shop; rm -rf /", "$(id)", "--project=other", "Shop", "a b", "x`y`"])
def test_a_name_that_is_no_identifier_becomes_no_command(name: str) -> None:
    hostile = line("TypeError: boom")
    hostile["resource"]["labels"]["service_name"] = name
    hostile["textPayload"] = f'failed to dial (connection name = "demo-shop:europe-west1:{name}") i/o timeout'
    for target in wanted_probes(read(hostile)):
        assert name not in target.command
        assert target.kind is not ProbeKind.CLOUD_RUN


def test_a_secret_that_an_entry_names_is_looked_at_in_the_project_of_the_entry() -> None:
    text = "Permission denied on secret: projects/4711/secrets/db-pass/versions/2 for Revision service account x"
    assert probes(read(line(text)))[ProbeKind.SECRET] == "projects/demo-shop/secrets/db-pass/versions/2"
    named = "Secret projects/other-shop/secrets/db-pass was not found"
    assert probes(read(line(named)))[ProbeKind.SECRET] == "projects/other-shop/secrets/db-pass/versions/latest"


def test_the_api_whose_quota_is_exceeded_is_looked_at() -> None:
    text = "Quota exceeded for quota metric 'Read requests' of service 'sheets.googleapis.com' for consumer 'x'."
    assert probes(read(line(text)))[ProbeKind.QUOTA] == "projects/demo-shop/services/sheets.googleapis.com"
    assert ProbeKind.QUOTA not in probes(read(line("call of service 'sheets.googleapis.com' failed")))


def test_a_job_that_fails_is_looked_at() -> None:
    failing = line("no price")
    failing["resource"] = {
        "type": "cloud_run_job",
        "labels": {"project_id": "demo-shop", "location": "europe-west1", "job_name": "nightly"},
    }
    wanted = probes(read(failing))
    assert wanted[ProbeKind.CLOUD_RUN_JOB] == "projects/demo-shop/locations/europe-west1/jobs/nightly"


def test_no_failure_asks_nothing() -> None:
    assert wanted_probes(read(line("ready", severity="INFO"))) == ()


def test_each_resource_is_asked_once() -> None:
    found = read(*(line(DIAL.format("34.10.20.30") + f" try {n}", minute=n) for n in range(1, 9)))
    targets = [(target.kind, target.name) for target in wanted_probes(found)]
    assert len(targets) == len(set(targets))
    assert json.dumps(targets).count("instances/main") == 2


def test_the_repository_s_own_signature_is_judged_by_and_replays_from_saved_evidence() -> None:
    own: dict[str, str | tuple[str, ...]] = {
        "id": "gateway-closed",
        "title": "The payment gateway is closed",
        "failure_class": "upstream-dependency-error",
        "layer": "dependency",
        "owner": "developers",
        "wording": ("gateway … is closed for settlement",),
        "remedy": "Wait for the settlement.",
    }
    found = read(line("gateway eu-1 is closed for settlement"))
    found = replace(found, request=replace(found.request, scope=replace(found.request.scope, signatures=(own,))))
    evidence = TypeAdapter(Evidence)
    saved = evidence.validate_json(evidence.dump_json(found))
    for judged in (diagnose(found), diagnose(saved)):
        assert judged.root is not None
        assert judged.root.signature == "gateway-closed"
        assert (judged.layer, judged.owner) == (Layer.DEPENDENCY, LayerOwner.DEVELOPERS)
        assert plain(judged.recommendation.next_steps[0]) == "Wait for the settlement."
    assert diagnose(found) == diagnose(saved)


def test_a_start_up_script_that_cannot_reach_its_packages_is_the_networks_matter() -> None:
    """The serial console marks nothing as an error: what leads to what is seen among its notices."""
    console = {"resource_type": "gce_instance", "labels": {"instance_id": "bastion-1"}, "failure": False, "service": ""}
    unreached = group(
        "n", "startup-script: Could not connect to archive.ubuntu.com:80, connection timed out", **console
    )
    ended = group("s", "startup-script exit status 100", minute=6, **console)
    found = diagnose(evidence(notices=[unreached, ended]))
    assert (found.failure_class, found.layer) == ("network-connectivity-blocked", Layer.INFRASTRUCTURE)

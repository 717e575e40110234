"""The sentence that is read first."""

from dataclasses import replace

import pytest

from app.diagnosis.diagnose import diagnose
from app.diagnosis.model import Basis, CountRef, ReadingRef, Status, plain
from app.evidence.model import Evidence, Gap, Reading, Window
from app.redact import cut
from tests.diagnosis.incident import START, at, evidence, group, line, platform_line, read

KEY_ERROR = (
    'Traceback (most recent call last):\n  File "/srv/shop/cart.py", line 40, in total\n'
    "    return prices[item]\nKeyError: 'tea'"
)
DIAL = (
    "Cloud SQL connection failed. Please see https://cloud.google.com/sql/docs/postgres/connect-run for additional details: "
    'dial error: failed to dial (connection name = "demo-shop:europe-west1:main"): dial tcp 34.10.20.30:3307: i/o timeout'
)


def said(of: Evidence) -> str:
    return plain(diagnose(of).summary.text)


def request(minute: float, status: int) -> dict[str, object]:
    return line(
        "",
        minute=minute,
        insertId=f"r{minute}",
        severity="ERROR" if status >= 500 else "INFO",
        logName="projects/demo-shop/logs/run.googleapis.com%2Frequests",
        httpRequest={"requestMethod": "GET", "requestUrl": "https://shop.example/total", "status": status},
        trace=f"projects/demo-shop/traces/{int(minute * 60):032x}",
    )


def test_an_exception_of_the_program_is_named_with_its_function_and_place() -> None:
    assert said(read(line(KEY_ERROR, minute=5), line(KEY_ERROR, minute=6, insertId="b"))) == (
        "shop fails with KeyError: 'tea' in total (/srv/shop/cart.py:40), 2 times since 14:05 UTC or earlier."
    )


def test_the_requests_that_fail_by_it_are_counted_against_all_since_then() -> None:
    raised = [
        line(KEY_ERROR, minute=m, insertId=f"e{m}", trace=f"projects/demo-shop/traces/{int(m * 60):032x}")
        for m in (5, 6)
    ]
    answered = [request(m, 500) for m in (5, 6)] + [request(m, 200) for m in (5.5, 6.5, 7)]
    found = diagnose(read(*raised, *answered))
    assert plain(found.summary.text).endswith("; 2 of 5 requests since then fail by it.")
    assert sum(isinstance(ref, CountRef) for ref in found.summary.evidence) == 2


def test_a_service_whose_every_start_fails_cannot_start() -> None:
    entries = [
        entry
        for m in (5, 6)
        for entry in (
            line(DIAL, minute=m, insertId=f"d{m}", labels={"instanceId": f"i{m}"}),
            platform_line(
                "Container called exit(3).", minute=m + 0.1, insertId=f"x{m}", labels={"instanceId": f"i{m}"}
            ),
        )
    ]
    assert said(read(*entries)) == (
        "shop cannot start: every start since 14:05 UTC fails to reach Cloud SQL demo-shop:europe-west1:main."
    )


def test_a_service_that_also_answers_is_not_said_to_be_down() -> None:
    entries = [
        line(DIAL, minute=5, labels={"instanceId": "a"}),
        platform_line("Container called exit(3).", minute=5.1, labels={"instanceId": "a"}),
        *(request(m, 200) for m in (7, 8)),
    ]
    text = said(read(*entries))
    assert text.startswith("shop fails to reach Cloud SQL demo-shop:europe-west1:main, once, at 14:05 UTC")
    assert "cannot start" not in text


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("Memory limit of 512 MiB exceeded with 530 MiB used.", "shop runs out of memory, at its limit of 512 MiB"),
        (
            "Permission denied on secret: projects/12/secrets/db-pass/versions/latest for Revision service account "
            "app@demo-shop.iam.gserviceaccount.com.",
            "shop may not read the secret db-pass",
        ),
        (
            "429 Quota exceeded for quota metric 'Reads' and limit 'Reads per minute' of service 'x.googleapis.com' for "
            "consumer 'project_number:1'.",
            "shop calls x.googleapis.com faster than its quota allows",
        ),
    ],
)
def test_the_cause_is_said_as_what_its_service_suffers(message: str, wanted: str) -> None:
    assert said(read(platform_line(message))).startswith(wanted)


def test_what_is_not_known_is_quoted_and_not_explained() -> None:
    found = diagnose(read(line("the frobnicator is out of cheese")))
    assert plain(found.summary.text) == (
        "shop fails: the frobnicator is out of cheese, once, at 14:05 UTC; no entry that was read shows why."
    )
    assert found.summary.basis is Basis.OBSERVED


def test_a_consequence_is_called_one() -> None:
    text = said(read(platform_line("Container called exit(3).", severity="WARNING")))
    assert "that is a consequence" in text


def test_a_long_message_ends_between_two_words() -> None:
    text = said(evidence(group("a", "the frobnicator is out of cheese " * 20)))
    quoted = text.partition(": ")[2].partition("…")[0]
    assert len(quoted) < 160
    assert quoted.endswith(("the", "frobnicator", "is", "out", "of", "cheese"))


def test_logs_that_were_refused_are_not_logs_without_entries() -> None:
    refused = Gap(
        "logs", cut("PERMISSION_DENIED: logging.logEntries.list"), "says nothing", "grant roles/logging.viewer"
    )
    closed, empty = evidence(entries=0, gaps=(refused,)), evidence(entries=0)
    assert said(closed) == "The logs could not be read: PERMISSION_DENIED: logging.logEntries.list."
    assert said(empty) == "No log entry was found: no data, and no sign that all is well."
    assert diagnose(closed).summary.evidence == (ReadingRef(),)


def test_the_next_step_is_what_would_open_the_logs() -> None:
    refused = Gap("logs", cut("PERMISSION_DENIED"), "says nothing", "grant roles/logging.viewer")
    steps = [plain(step) for step in diagnose(evidence(entries=0, gaps=(refused,))).recommendation.next_steps]
    assert steps == ["grant roles/logging.viewer, then audit again."]


def test_healthy_entries_are_no_failure_unless_the_search_was_cut_short() -> None:
    assert said(evidence()) == "No failure among 100 entries."
    short = Reading("logs", "severity>=ERROR", Window(START, at(60)), 100, 1, truncated="the limit of 100 was reached")
    assert "the limit of 100 was reached" in said(replace(evidence(), readings=(short,)))


REFUSED = "The request was not authenticated. Either allow unauthenticated invocations or set the proper header."


def test_callers_that_are_all_refused_are_an_incident_and_a_few_are_not() -> None:
    refused = [request(m, 403) | {"textPayload": REFUSED, "severity": "WARNING"} for m in (5, 6, 7)]
    let_in = [request(m, 200) for m in (5.5, 6.5, 7.5, 8.5)]
    alone, among_others = diagnose(read(*refused)), diagnose(read(*refused, *let_in))
    assert alone.recommendation.status is Status.INFRASTRUCTURE_ESCALATION
    assert among_others.recommendation.status is Status.NO_FAILURES


def test_what_runs_nowhere_is_told_by_its_title_and_its_resource() -> None:
    pull = line('Failed to pull image "gcr.io/demo-shop/shop:1": pull access denied for gcr.io/demo-shop/shop')
    pull["resource"] = {"type": "k8s_cluster", "labels": {"project_id": "demo-shop", "cluster_name": "main"}}
    text = said(read(pull))
    assert "may not pull the image (gcr.io/demo-shop/shop" in text
    assert not text.startswith("gcr.io")


def test_a_program_s_own_limit_is_not_told_as_a_proven_cause() -> None:
    text = said(read(line("Error: pool timed out while waiting for an open connection")))
    assert "fails to reach" not in text
    assert text.endswith("no entry that was read shows why.")

"""What an unknown message is taken for, and that it stays a hint."""

import pytest

from app.diagnosis.diagnose import diagnose
from app.diagnosis.model import Confidence, Layer, Status, plain
from app.diagnosis.unknown import unrecognised_causes
from app.evidence.model import AuditCall, GroupKind
from tests.diagnosis.incident import evidence, group, line, platform_line, read


@pytest.mark.parametrize(
    ("message", "failure_class", "layer"),
    [
        ("widget sync: daily quota of the vendor is used up", "quota-exceeded", Layer.QUOTA),
        ("sender: invalid_auth", "credentials-invalid", Layer.CONFIGURATION),
        ("the gatekeeper says: forbidden", "iam-permission-denied", Layer.PERMISSIONS),
        ("HTTP 502 bad gateway from https://api.example.com/v1", "upstream-dependency-error", Layer.DEPENDENCY),
        ("waiting for 34.1.2.3:27017 timed out", "network-connectivity-blocked", Layer.INFRASTRUCTURE),
        ("peer: connection was reset", "upstream-connection-failure", Layer.DEPENDENCY),
        ("setting COLOUR is not set", "application-config-missing", Layer.APPLICATION),
        ("shelf 12 does not exist", "resource-not-found", Layer.CONFIGURATION),
    ],
)
def test_general_words_say_where_to_look(message: str, failure_class: str, layer: Layer) -> None:
    found = unrecognised_causes(evidence(group("x", message)), ())
    assert [(cause.failure_class, cause.layer) for cause in found] == [(failure_class, layer)]


@pytest.mark.parametrize("message", ["the frobnicator is out of cheese", "retrying", "timed out after 8 s", "code 7"])
def test_words_that_say_nothing_stay_unknown(message: str) -> None:
    assert unrecognised_causes(evidence(group("x", message)), ()) == []


def test_a_hint_is_no_verdict() -> None:
    verdict = diagnose(read(line("widget sync: the gatekeeper says: forbidden by policy of the house")))
    assert verdict.recommendation.status is Status.CANNOT_TELL
    assert verdict.confidence is Confidence.LOW


@pytest.mark.parametrize(("code", "known"), [(7, True), (5, True), (3, False), (8, False), (9, False)])
def test_a_code_counts_only_where_it_says_something_without_its_text(code: int, known: bool) -> None:
    call = AuditCall("x.googleapis.com", "x.Create", "projects/p/things/t", code, "odd", {}, first=False, last=False)
    found = unrecognised_causes(evidence(group("x", "odd", kind=GroupKind.AUDIT, audit=call)), ())
    assert bool(found) is known


def test_what_a_signature_knows_is_left_alone() -> None:
    seen = group("x", "quota of the vendor is used up")
    assert unrecognised_causes(evidence(seen), (seen.id,)) == []


def test_an_exception_of_a_library_explains_the_end_of_its_program() -> None:
    trace = (
        "Error: glorp module has no engine\n    at load (/app/node_modules/glorp/lib/load.js:11:9)\n"
        "    at Module._compile (node:internal/modules/cjs/loader:1554:14)"
    )
    verdict = diagnose(read(line(trace), platform_line("Container called exit(1).", minute=5.1)))
    assert (verdict.failure_class, verdict.layer) == ("application-exception", Layer.APPLICATION)


def test_the_whys_say_that_the_message_is_not_known() -> None:
    verdict = diagnose(read(line("widget sync: the gatekeeper says: forbidden by policy of the house")))
    answers = [plain(why.answer.text) for why in verdict.whys if why.answer]
    assert "No known message, words of a refused permission." in answers

"""The catalogue as its reader sees it: every signature is complete, matches its example and lets its near miss pass."""

import re
from dataclasses import replace
from typing import Any

import pytest

from app.diagnosis.model import Layer, Value, Words
from app.diagnosis.recognise import recognise
from app.diagnosis.signatures import CATALOGUE
from app.diagnosis.signatures.model import Signature, Specificity, fill_check, signature_from_config
from app.errors import ConfigError
from app.evidence.model import LayerOwner
from app.redact import cut
from tests.diagnosis.recognised import evidence_of, sample_for, seen

WORDED = [s for s in CATALOGUE if s.when.wording]

# Read-only: nothing that a reader pastes may change a thing.
READ_ONLY = re.compile(
    r"(gcloud( alpha| beta)?( [a-z0-9-]+)+? "
    r"(describe|list|read|get-iam-policy|get-effective-policy|get-nat-mapping-info|get-status|get-health"
    r"|get-serial-port-output|get-iam|describe-job|show)\b|kubectl (get|describe|logs|top) |bq (show|ls) |dig |nslookup )"
)


def test_ids_are_stable_names_and_each_is_used_once() -> None:
    ids = [s.id for s in CATALOGUE]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name) for name in ids)


@pytest.mark.parametrize("signature", WORDED, ids=lambda s: s.id)
def test_the_example_is_recognised_and_the_near_miss_is_not(signature: Signature) -> None:
    assert signature.id in seen(sample_for(signature, signature.example))
    assert signature.id not in seen(sample_for(signature, signature.near_miss))


@pytest.mark.parametrize("signature", [s for s in CATALOGUE if not s.when.wording], ids=lambda s: s.id)
def test_a_signature_without_words_is_bound_by_its_envelope(signature: Signature) -> None:
    when = signature.when
    assert when.methods or when.statuses or when.codes or (when.pattern and when.resources)
    assert signature.id in seen(sample_for(signature, signature.example))
    assert signature.id not in seen(replace(sample_for(signature, ""), resource_type="global", audit=None, http=None))


@pytest.mark.parametrize("signature", CATALOGUE, ids=lambda s: s.id)
def test_a_signature_says_what_to_do_and_where_it_rests(signature: Signature) -> None:
    assert signature.title[0].isupper()
    assert not signature.title.endswith(".")
    assert signature.causes
    assert signature.remedy.endswith(".")
    assert re.fullmatch(r"https://[a-z0-9.-]+/\S*", signature.source)
    assert (signature.specificity is Specificity.SYMPTOM) == signature.symptom


@pytest.mark.parametrize("signature", CATALOGUE, ids=lambda s: s.id)
def test_checks_only_read(signature: Signature) -> None:
    for check in signature.checks:
        assert READ_ONLY.match(check), check
        assert not re.search(r"[;&|<>`$\\]", check), check


@pytest.mark.parametrize("signature", CATALOGUE, ids=lambda s: s.id)
def test_component_patterns_have_one_group(signature: Signature) -> None:
    for pattern in signature.component:
        assert re.compile(pattern).groups == 1, pattern


@pytest.mark.parametrize("signature", CATALOGUE, ids=lambda s: s.id)
def test_no_pattern_begins_with_an_endless_repeat(signature: Signature) -> None:
    """A line of eight thousand letters would be tried from each of them."""
    for pattern in (*signature.component, signature.when.pattern or ""):
        assert not re.match(r"(\(\?i\))?\(?(\[[^\]]*\]|\\[wSsdD]|\.)[+*]", pattern), pattern


def test_every_word_of_the_wording_can_be_found_in_one_order() -> None:
    for signature in WORDED:
        for wording in signature.when.wording:
            text = wording.replace("…", " some text ")
            found = seen(sample_for(signature, text))
            excluded = signature.when.without or signature.when.pattern
            assert signature.id in found or excluded, (signature.id, wording)


# --- checks -----------------------------------------------------------------------------------------------------------


def test_a_check_is_filled_from_the_labels_of_the_resource() -> None:
    labels = {"service_name": cut("shop"), "location": cut("europe-west1")}
    filled = fill_check("gcloud run services describe {service_name} --region={location}", labels)
    assert filled == "gcloud run services describe shop --region=europe-west1"


def test_a_connection_name_gives_its_instance_and_project() -> None:
    check = "gcloud sql instances describe {connection_instance} --project={connection_project}"
    assert fill_check(check, {}, cut("shop-prod:europe-west1:orders")) == (
        "gcloud sql instances describe orders --project=shop-prod"
    )


@pytest.mark.parametrize("hostile", ["", "--project=evil", "a;rm -rf", "a b", "$(id)", "a\nb", "`id`", "x|y"])
def test_a_check_is_left_out_when_a_value_is_missing_or_not_plain(hostile: str) -> None:
    assert fill_check("gcloud run services describe {service_name}", {"service_name": cut(hostile)}) is None
    assert fill_check("gcloud run services describe {service_name}", {}) is None


# --- a repository's own signatures ------------------------------------------------------------------------------------

OWN = {
    "id": "ledger-shard-down",
    "title": "A ledger shard is down",
    "failure_class": "upstream-dependency-error",
    "layer": "dependency",
    "owner": "developers",
    "wording": ["shard … refused the batch"],
    "remedy": "Restart the shard.",
    "causes": ["the shard is overloaded"],
    "component": "service_name",
}


def test_a_repository_signature_is_recognised_like_ours() -> None:
    own = signature_from_config(OWN)
    sample = sample_for(own, "Shard 7 refused the batch")
    assert [r.signature.id for r in recognise(evidence_of(sample), (own,))] == ["ledger-shard-down"]
    assert not recognise(evidence_of(sample))


def test_its_words_are_quoted_and_ours_are_not() -> None:
    own = signature_from_config(OWN)
    assert own.said(own.title) == (Value(cut("A ledger shard is down")),)
    assert CATALOGUE[0].said("ours") == (Words("ours"),)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "Not Kebab"}, "id"),
        ({"id": None}, "id"),
        ({"failure_class": "no good"}, "failure_class"),
        ({"layer": "hardware"}, "layer"),
        ({"owner": "nobody"}, "owner"),
        ({"wording": []}, "wording"),
        ({"wording": "text"}, "wording"),
        ({"wording": ["a"]}, "wording"),
        ({"wording": ["…"]}, "wording"),
        ({"wording": [3]}, "wording"),
        ({"without": [" "]}, "without"),
        ({"title": 3}, "title"),
        ({"component": "not a label"}, "component"),
        ({"source": "javascript:alert(1)"}, "source"),
        ({"pattern": "(a+)+$"}, "pattern"),
    ],
)
def test_a_faulty_repository_signature_is_refused_by_the_field_at_fault(change: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as refused:
        signature_from_config({**OWN, **change})
    assert f"`{field}`" in str(refused.value)
    assert refused.value.fix.endswith(".")


def test_layers_and_owners_cover_the_product() -> None:
    assert {s.layer for s in CATALOGUE} <= set(Layer)
    assert {s.owner for s in CATALOGUE} == set(LayerOwner)

"""The configuration file: what is wrong in it, and what it says."""

import json
from pathlib import Path

import jsonschema_rs
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigError
from app.evidence.model import LayerOwner
from app.policy.commands import DURATION, Role, Verb, parse_duration
from app.policy.config import CONFIG_PATH, RepoConfig, config_schema, read_config, to_scope, validate_config
from app.policy.operator import read_operator

GOOD = """\
version: 1
labels:
  incident: production
environments:
  production:
    projects: [acme-prod]
    services: [checkout]
    critical: true
    window: 3h
  staging: {}
services:
  checkout:
    source_roots: [/app, /workspace/app]
    impact: {statement: Customers cannot pay., owner: payments team}
owners:
  infrastructure: "@acme/sre"
roles:
  escalate: maintain
"""


def config(text: str = GOOD) -> RepoConfig:
    result = read_config(text)
    assert isinstance(result, RepoConfig)
    return result


def test_each_statement_keeps_its_line() -> None:
    scope = to_scope(config(), "production", public=False)
    assert scope.is_critical
    assert scope.critical is not None
    assert (scope.critical.path, scope.critical.line) == (CONFIG_PATH, 8)
    assert scope.teams[LayerOwner.INFRASTRUCTURE].text == "@acme/sre"
    assert scope.teams[LayerOwner.INFRASTRUCTURE].line == 16
    assert [(i.text, i.line) for i in scope.impact] == [
        ("checkout: Customers cannot pay. (stated by payments team)", 14)
    ]
    assert scope.source_roots == ("/workspace/app", "/app")


def test_a_critical_service_makes_its_environment_critical() -> None:
    text = GOOD.replace("    critical: true\n", "").replace("  checkout:\n", "  checkout:\n    critical: true\n")
    scope = to_scope(config(text), "production", public=False)
    assert scope.is_critical
    assert scope.critical is not None
    assert (scope.critical.text, scope.critical.line) == ("checkout: critical: true", 12)
    assert not to_scope(
        config(GOOD.replace("critical: true", "critical: false")), "production", public=False
    ).is_critical


def test_what_is_not_said_is_not_known() -> None:
    scope = to_scope(config(), "staging", public=True)
    assert (scope.critical, scope.is_critical, scope.public) == (None, False, True)
    assert to_scope(RepoConfig(), None, public=False).teams == {}


def test_labels_and_defaults() -> None:
    assert config().environment_of_label("incident") == "production"
    assert config().environment_of_label("infra-audit") == ""
    assert config().environment_of_label("bug") is None
    assert config().default_environment == "production"
    assert config().role(Verb.ESCALATE) is Role.MAINTAIN
    assert config().role(Verb.AUDIT) is Role.TRIAGE
    assert config().role(Verb.HELP) is Role.NONE


@pytest.mark.parametrize(
    ("old", "new", "place", "instead"),
    [
        ("environments:", "environnements:", (4, 1), "environments"),
        ("critical: true", "critcal: true", (8, 5), "critical"),
        ("critical: true", "critical: yes", (8, 5), "true"),
        ("window: 3h", "window: 3 hours", (9, 5), "3h"),
        ("escalate: maintain", "escalate: maintainer", (18, 3), "maintain"),
        ("incident: production", "incident: prod", (3, 3), "production"),
        ("version: 1", "version: 2", (1, 1), None),
        ('"@acme/sre"', "acme/sre", (16, 3), "@acme/sre"),
        ("[acme-prod]", "[Acme Prod!]", (6, 16), "acme-prod"),
        ("staging: {}", "production: {}", (10, 3), None),
    ],
)
def test_mistakes_are_told_with_place_and_suggestion(
    old: str, new: str, place: tuple[int, int], instead: str | None
) -> None:
    mistakes = validate_config(GOOD.replace(old, new, 1))
    assert place in {(m.line, m.column) for m in mistakes}
    assert instead in {m.instead for m in mistakes}


def test_every_mistake_is_found_in_one_go() -> None:
    wrong = GOOD.replace("window: 3h", "window: x").replace("maintain", "boss").replace("owners:", "owner:")
    assert [m.line for m in validate_config(wrong)] == [9, 15, 18]


@pytest.mark.parametrize(
    "text",
    [
        "a: &x [1]\nb: *x",
        "!!python/object/apply:os.system [id]",
        "version: 1\nversion: 1",
        "version: 1\n? [a]\n: b",
        "[" * 100,
        "version: 1 # " + "x" * 70_000,
        "\tversion: 1",
        "just words",
        "",
    ],
)
def test_strange_files_are_refused(text: str) -> None:
    assert validate_config(text)


@given(st.text(max_size=300))
def test_no_file_is_too_strange(text: str) -> None:
    assert isinstance(validate_config(text), list)


def test_the_published_schema_is_the_one_in_force() -> None:
    published = Path(__file__).parents[2] / "docs" / "infra-audit.schema.json"
    assert json.loads(published.read_text("utf-8")) == json.loads(json.dumps(config_schema()))


LENGTHS = st.one_of(
    st.text(alphabet="0123456789wdhmin ", max_size=12),
    st.from_regex(DURATION),
    st.from_regex(r"([0-9]{0,7}[wdhm]){1,4}", fullmatch=True),
    st.text(max_size=6),
)


@given(LENGTHS)
def test_an_editor_and_the_program_agree_on_what_a_length_is(word: str) -> None:
    length = jsonschema_rs.validator_for(config_schema()["$defs"]["FollowUp"])
    text = f"version: 1\nfollow_up: {{every: {json.dumps(word)}}}\n"
    assert length.is_valid({"every": word}) == (validate_config(text) == [])
    if validate_config(text) == []:
        assert parse_duration(word) is not None


def test_the_editor_takes_the_example_and_refuses_what_the_program_refuses() -> None:
    editor = jsonschema_rs.validator_for(config_schema())
    page = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text("utf-8")
    whole = page.partition("```yaml\n")[2].partition("```")[0]
    assert validate_config(whole) == []
    assert list(editor.iter_errors(yaml.safe_load(whole))) == []
    for wrong in ("recheck: 6 hours", "verdict_check: {at: [main]}", "assignees: {provider: ['@x']}"):
        where = f"follow_up: {{{wrong}}}" if wrong.startswith("recheck") else wrong
        assert validate_config(f"version: 1\n{where}\n")
        assert not editor.is_valid(yaml.safe_load(f"version: 1\n{where}\n"))


def test_labels_have_names_of_their_own_and_can_be_switched_off() -> None:
    text = GOOD + "status_labels: {P0: {name: sev-1, colour: FF0000}, P3: {write: false}}\n"
    assert config(text).status_label("P0") == ("sev-1", "ff0000")
    assert config(text).status_label("P1") == ("priority:P1", "d93f0b")
    assert config(text).status_label("P3") is None
    assert {"sev-1", "priority:P0"} <= config(text).status_labels
    assert config(GOOD + "status_labels: {write: false}\n").status_label("P0") is None


OPERATOR = """\
version: 1
bindings:
  - installation: 9
    projects: [acme-shared]
  - installation: 9
    repository: 5
    projects: [acme-prod]
    log_views: [projects/acme-prod/locations/global/buckets/_Default/views/_AllLogs]
    service_account: audit@acme-prod.iam.gserviceaccount.com
"""


def test_the_repositorys_own_binding_comes_first() -> None:
    operator = read_operator(OPERATOR)
    own, shared, none = operator.binding(9, 5), operator.binding(9, 6), operator.binding(8, 5)
    assert own is not None
    assert own.projects == ["acme-prod"]
    assert shared is not None
    assert shared.projects == ["acme-shared"]
    assert none is None


@pytest.mark.parametrize("old", ["installation: 9", "acme-shared", "_AllLogs", "version: 1"])
def test_a_wrong_operators_file_is_refused_with_its_line(old: str) -> None:
    with pytest.raises(ConfigError, match=r"line \d+, column \d+"):
        read_operator(OPERATOR.replace(old, "'!'", 1))


SIGNATURE = """\
signatures:
  - id: gateway-closed
    title: The payment gateway is closed
    failure_class: upstream-dependency-error
    layer: dependency
    owner: developers
    wording: ["gateway … is closed for settlement"]
    remedy: Wait for the settlement.
"""


def test_own_signatures_and_a_priority_reach_the_scope() -> None:
    text = GOOD.replace("    window: 3h\n", "    window: 3h\n    priority: P1\n") + SIGNATURE
    scope = to_scope(config(text), "production", public=False)
    assert scope.priority is not None
    assert (scope.priority.text, scope.priority.line) == ("P1", 10)
    (fields,) = scope.signatures
    assert fields["wording"] == ("gateway … is closed for settlement",)
    assert to_scope(config(text), "staging", public=False).priority is None


@pytest.mark.parametrize(
    ("change", "line", "what"),
    [
        (("gateway … is closed for settlement", "a … b"), 20, "would match too much"),
        (("layer: dependency", "layer: weather"), 23, "must be one of"),
        (("    remedy: Wait for the settlement.\n", ""), 20, "'remedy' is missing"),
        (("failure_class: upstream-dependency-error", "failure_class: up.stream"), 20, "lower-case words"),
    ],
)
def test_a_wrong_signature_is_told_with_its_line(change: tuple[str, str], line: int, what: str) -> None:
    (mistake,) = validate_config(GOOD + SIGNATURE.replace(*change))
    assert (mistake.line, what in mistake.what) == (line, True), str(mistake)


def test_two_signatures_of_one_id_are_one_too_many() -> None:
    twice = SIGNATURE + SIGNATURE.removeprefix("signatures:\n")
    assert ["twice" in mistake.what for mistake in validate_config(GOOD + twice)] == [True]

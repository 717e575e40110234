"""From evidence and judgement to a report: every claim rests on something that opens."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import TypeAdapter

from app.diagnosis.model import (
    CausalLink,
    Claim,
    CountRef,
    EntryRef,
    Layer,
    LinkKind,
    ProbeRef,
    Signal,
    Status,
    plain,
    sentence,
)
from app.evidence.model import (
    ContainmentFact,
    Evidence,
    Fingerprint,
    Gap,
    HistoryFacts,
    ProbeKind,
    ProbeResult,
    ProbeState,
    ProbeTarget,
    Reading,
    RevisionName,
    Window,
)
from app.redact import Redacted, cut
from app.report import render
from app.report.build import build_report, evidence_digest
from app.report.model import EvidenceItem, Report
from benchmarks.evidence import statements
from tests.report.build_sample import (
    DIAL,
    END,
    EXIT,
    FIX,
    START,
    TIMEOUT,
    diagnosis,
    group,
    incident,
    quiet_diagnosis,
    sample,
    without_failures,
)


def report(evidence: Evidence | None = None, **changes: Any) -> Report:
    return build_report(evidence or incident(), diagnosis(), **changes)


def item(made: Report, kind: str) -> EvidenceItem:
    return next(found for found in made.evidence if found.kind == kind)


def test_every_statement_rests_on_evidence_that_is_listed_and_opens():
    made = report()
    listed = {found.id for found in made.evidence}
    used = {id_ for statement in statements(made) for id_ in statement.evidence}
    assert len(used) > 15
    assert used <= listed
    assert all(found.url or found.command for found in made.evidence)


def test_every_kind_of_evidence_can_be_opened():
    assert {found.kind for found in report().evidence} == {
        "entry", "count", "commit", "file", "revision", "compare", "probe", "config", "exposure", "reading", "issue",
    }  # fmt: skip


def test_ids_rise_in_the_order_of_reading():
    made = report()
    assert made.header.summary.evidence[0] == "E1"
    assert [found.id for found in made.evidence] == [f"E{i + 1}" for i in range(len(made.evidence))]


def test_a_claim_about_evidence_that_is_not_there_is_a_bug_and_says_so():
    ghost = Claim(sentence("something"), (EntryRef(Fingerprint("g1-ffffffffffff")),))
    with pytest.raises(LookupError, match="g1-ffffffffffff"):
        build_report(incident(), diagnosis(summary=ghost))
    unasked = ProbeTarget(
        ProbeKind.REDIS, Redacted("projects/p/instances/r"), Redacted("gcloud redis instances describe r")
    )
    with pytest.raises(LookupError, match="instances/r"):
        build_report(incident(), diagnosis(summary=Claim(sentence("something"), (ProbeRef(unasked),))))


def test_an_entry_opens_in_logs_explorer_with_its_insert_id_and_absolute_times():
    entry = item(report(), "entry")
    assert entry.url is not None
    assert entry.url.startswith(
        "https://console.cloud.google.com/logs/query;query=insertId%3D%2268c8271d000a1b2c3d4e5f60%22"
    )
    assert "startTime=2025-09-15T14:46:09Z;endTime=2025-09-15T14:48:09Z" in entry.url
    assert ("insertId", "68c8271d000a1b2c3d4e5f60") in entry.detail


def test_an_entry_of_an_export_opens_by_its_line():
    evidence = incident()
    latest = sample("boom", project=None, origin="logs/it's.jsonl:14")
    file = Reading("logs/it's.jsonl", None, None, 20, 0, digest="0" * 64)
    observed = replace(
        evidence.observations, groups=(*evidence.observations.groups, group("g1-00000000f11e", latest=latest))
    )
    claim = Claim(sentence("something"), (EntryRef(Fingerprint("g1-00000000f11e")),))
    made = build_report(replace(evidence, observations=observed, readings=(file,)), diagnosis(summary=claim))
    assert made.evidence[0].url is None
    assert made.evidence[0].command == """sed -n 14p 'logs/it'"'"'s.jsonl'"""


def test_a_count_does_not_search_for_what_was_cut():
    """The entries say an address where the template says `[public-ip]`: a search for that finds nothing."""
    counted = next(found for found in report().evidence if found.kind == "count" and DIAL in plain(found.what))
    assert counted.command is not None
    assert "failed to connect to instance" in counted.command
    assert "[public-ip]" not in counted.command


def test_without_a_known_home_of_the_repository_commits_open_by_command():
    evidence = incident()
    made = report(replace(evidence, history=replace(evidence.history, web=None)))
    commit = item(made, "commit")
    assert commit.url is None
    assert commit.command is not None
    assert commit.command.startswith("git show ")


def test_no_link_can_end_early():
    made = report()
    urls = [found.url for found in made.evidence if found.url]
    assert urls
    assert not [url for url in urls if re.search(r"[\s()<>\[\]\"'`|\\]", url)]


def test_the_same_evidence_gives_the_same_audit_id_even_after_saving_and_loading():
    evidence = incident()
    adapter = TypeAdapter(Evidence)
    loaded = adapter.validate_json(adapter.dump_json(evidence))
    assert evidence_digest(loaded) == evidence_digest(evidence)
    assert build_report(loaded, diagnosis()) == report(evidence)
    assert report(evidence).header.audit_id == f"a-{evidence_digest(evidence)[:12]}"


def test_other_evidence_gives_another_audit_id():
    assert report().header.audit_id != report(incident(window=Window(START, END.replace(second=1)))).header.audit_id


def test_a_truncated_reading_makes_every_total_a_lower_bound_and_a_gap():
    made = report()
    assert plain(made.header.facts.text).startswith("At least 3,493 failures of 3 kinds")
    assert plain(made.impact.measured[0].text).startswith("At least 3,493 failures of 3 kinds")
    assert any("stopped at 10,000 entries" in row.reason for row in made.gaps)


def test_a_probe_without_access_is_a_gap_and_never_healthy():
    made = report()
    (row,) = [row for row in made.resources if "connectors" in row.resource]
    assert row.mark == "unknown"
    assert row.read_at is None
    assert any(gap.source == "probe vpc-connector" for gap in made.gaps)


@pytest.mark.parametrize(("counted", "mark"), [(True, "unhealthy"), (False, "unknown")])
def test_an_announced_incident_is_a_fault_only_where_the_verdict_counts_it(counted: bool, mark: str):
    target = ProbeTarget(ProbeKind.PUBLIC_STATUS, cut("https://status.example"), cut("curl -s https://status.example"))
    announced = ProbeResult(target, ProbeState.UNHEALTHY, (), cut("public in this window"), END)
    sign = Signal(Layer.PLATFORM, 2.5, Claim(sentence("an incident"), (ProbeRef(target),)))
    signals = (*diagnosis().signals, sign) if counted else diagnosis().signals
    made = build_report(incident(probes=(*incident().probes, announced)), replace(diagnosis(), signals=signals))
    row = made.resources[-1]
    assert row.mark == mark
    assert ("another product or place" in plain(row.note.text)) is not counted


def test_a_resource_in_the_middle_of_a_change_was_read_and_is_neither():
    target = ProbeTarget(ProbeKind.CLOUD_RUN, cut("projects/p/locations/l/services/s"), cut("gcloud run services list"))
    changing = ProbeResult(target, ProbeState.CHANGING, (), cut("a deployment is under way"), END)
    row = report(incident(probes=(*incident().probes, changing))).resources[-1]
    assert (row.mark, row.read_at) == ("unknown", END)


def test_impact_states_only_what_was_measured_or_configured():
    made = report(incident(request=replace(incident().request, scope=replace(incident().request.scope, impact=()))))
    assert made.impact.configured == ()
    assert "ARR" not in render.markdown(made)


def test_nobody_is_called_when_nothing_fails():
    made = build_report(without_failures(), quiet_diagnosis())
    assert made.header.act is None
    assert made.escalation.target is None
    assert made.active.state == "none"
    assert made.latest is None
    assert "@netra" not in render.markdown(made)


def test_what_is_resolved_calls_nobody_and_does_not_complain_about_it():
    advice = replace(diagnosis().recommendation, status=Status.RESOLVED)
    made = render.markdown(build_report(incident(), diagnosis(recommendation=advice)))
    assert "@netra/platform" not in made
    assert "nobody is configured" not in made
    assert "| nobody has to |" in made


def test_nothing_read_is_not_nothing_found():
    made = build_report(replace(without_failures(), readings=()), quiet_diagnosis(Status.CANNOT_TELL))
    assert made.active.state == "cannot tell"
    assert item(made, "reading").command == "infra-audit doctor"


def test_other_failures_are_not_mixed_into_the_incident():
    evidence = incident()
    old = group("g1-0000000e15e0", "elsewhere", count=114, first_seen=START - timedelta(days=1))
    made = report(
        replace(evidence, observations=replace(evidence.observations, groups=(*evidence.observations.groups, old)))
    )
    facts = plain(made.header.facts.text)
    assert facts.startswith("At least 3,493 failures of 3 kinds in 44 min")
    assert facts.endswith("; 114 of other kinds.")
    rests_on = [found for found in made.evidence if found.id in made.header.facts.evidence]
    assert any("in 4 groups" in plain(found.what) for found in rests_on)


def test_one_word_for_one_failure():
    steady = {int(START.timestamp()) // 60 + i: 1 for i in range(40)}
    gaps = {minute: 1 for minute in steady if minute % 3 == 0}
    burst = {int(START.timestamp()) // 60: 9}

    def pattern(minutes: dict[int, int]) -> str:
        evidence = incident()
        groups = tuple(
            replace(g, per_minute=minutes, count=sum(minutes.values())) for g in evidence.observations.groups
        )
        made = report(replace(evidence, observations=replace(evidence.observations, groups=groups)))
        assert made.active.pattern is not None
        return plain(made.active.pattern.text).split(":")[0].split(",")[0]

    assert (pattern(steady), pattern(gaps), pattern(burst)) == ("Continuous", "Intermittent", "One burst")


def test_on_a_public_repository_log_text_is_reduced_to_templates():
    evidence = incident()
    scope = replace(evidence.request.scope, public=True)
    made = report(replace(evidence, request=replace(evidence.request, scope=scope)))
    shown = render.markdown(made) + render.to_json(made).decode() + render.html(made) + render.text(made)
    assert "after 8.0s in staging" not in shown
    assert "Database initialization timeout after <*>" in render.markdown(made)


def test_a_history_that_was_not_read_says_so_instead_of_no_fix():
    made = build_report(incident(history=HistoryFacts()), quiet_diagnosis())
    assert made.no_fixes_because is not None
    assert "was not read" in plain(made.no_fixes_because.text)


def test_a_probe_that_failed_shows_its_reason():
    evidence = incident()
    broken = replace(evidence.probes[1], state=ProbeState.FAILED, reason=Redacted("timeout after 10 s"))
    made = report(replace(evidence, probes=(evidence.probes[0], broken)))
    assert any("timeout after 10 s" in gap.reason for gap in made.gaps)


def test_in_a_long_window_the_timeline_looks_at_the_incident():
    """Two days in 48 columns would show one."""
    whole = report()
    assert whole.timeline is not None
    assert (whole.timeline.start, whole.timeline.bucket_s, len(whole.timeline.counts)) == (START, 60, 48)
    long = report(incident(window=Window(START - timedelta(days=2), END)))
    assert long.timeline is not None
    assert long.timeline.bucket_s <= 180
    assert START - timedelta(hours=1) < long.timeline.start < START
    assert sum(long.timeline.counts) == sum(whole.timeline.counts)


def test_the_onset_is_always_among_the_marks():
    evidence = incident()
    deploys = evidence.observations.deploys
    many = tuple(
        replace(deploys[0], at=START + timedelta(minutes=30 + i), revision=RevisionName(f"netra-service-{i:05}"))
        for i in range(15)
    )
    made = report(replace(evidence, observations=replace(evidence.observations, deploys=many)))
    assert made.timeline is not None
    assert len(made.timeline.marks) == 12
    assert [mark.at for mark in made.timeline.marks if mark.what == "onset"] == [START + timedelta(minutes=2)]


def test_a_revision_is_marked_with_a_fix_only_if_it_holds_it():
    evidence = incident()
    absent, contained = evidence.history.containment
    late = replace(diagnosis().ledger[1], facts=(contained,))
    serving = replace(evidence.revisions[0], serving_since=START + timedelta(minutes=5))
    evidence = replace(evidence, revisions=(serving,))

    def marks(fact: ContainmentFact) -> list[str]:
        made = build_report(evidence, diagnosis(ledger=(replace(late, facts=(fact,)),)))
        assert made.timeline is not None
        return [mark.label for mark in made.timeline.marks if mark.what == "fix serving"]

    assert marks(contained) == ["netra-service-00041-abc (a1b2c3d, has fix 99c5087)"]
    assert marks(absent) == []


def test_a_count_searches_for_words_as_the_entries_write_them():
    """Templates are tidied: blanks are joined, values cut. What they say is searched only where an entry says the same."""
    evidence = incident()
    tidied = group(
        "g1-00000000b1a4",
        "ERROR: Application startup failed. Exiting.",
        latest=sample("ERROR:    Application startup failed. Exiting."),
    )
    claim = Claim(sentence("something"), (CountRef(tidied.id),))
    file = Reading("log.jsonl", None, None, 20, 0, digest="0" * 64)
    observed = replace(evidence.observations, groups=(tidied, *evidence.observations.groups))
    made = build_report(replace(evidence, observations=observed, readings=(file,)), diagnosis(summary=claim))
    assert made.evidence[0].command == "grep -hcF -- 'Application startup failed. Exiting.' log.jsonl"


def test_a_suspect_stands_once_with_its_best_reasons():
    (suspect,) = diagnosis().suspects
    weaker = replace(suspect, group=DIAL, score=0.1)
    made = build_report(incident(), diagnosis(suspects=(weaker, suspect)))
    (row,) = made.suspects
    assert (row.commit, row.score, row.group) == (suspect.sha, 0.21, suspect.group)
    assert row.also == tuple(shown.title for shown in made.active.groups if shown.group == DIAL) != ()


def test_a_suspect_is_not_told_for_an_error_that_suspects_another_commit_more():
    (suspect,) = diagnosis().suspects
    weaker, other = replace(suspect, group=DIAL, score=0.1), replace(suspect, sha=FIX, group=DIAL, score=0.15)
    made = build_report(incident(), diagnosis(suspects=(weaker, suspect, other)))
    assert [(row.commit, row.group, row.also) for row in made.suspects] == [
        (suspect.sha, suspect.group, ()),
        (FIX, DIAL, ()),
    ]


def test_the_chain_leaves_out_what_a_longer_way_tells():
    first, second = diagnosis().links
    shortcut = CausalLink(DIAL, EXIT, LinkKind.SAME_INSTANCE, first.claim)
    elsewhere = group("g1-0000000e15e0", "elsewhere")
    stray = CausalLink(elsewhere.id, EXIT, LinkKind.RULE, first.claim)
    evidence = incident()
    observed = replace(evidence.observations, groups=(*evidence.observations.groups, elsewhere))
    made = build_report(replace(evidence, observations=observed), diagnosis(links=(shortcut, first, stray, second)))
    assert [(edge.cause, edge.effect) for edge in made.chain_edges] == [
        ("component", DIAL),
        (DIAL, TIMEOUT),
        (TIMEOUT, EXIT),
    ]


def test_what_was_refuted_or_is_a_consequence_is_no_further_cause():
    root = diagnosis().root
    assert root is not None
    symptom = replace(root, group=TIMEOUT, signature="start/timeout")
    other = replace(root, group=Fingerprint("g1-0000000e15e0"), signature="app/fault")
    evidence = incident()
    observed = replace(
        evidence.observations, groups=(*evidence.observations.groups, group("g1-0000000e15e0", "elsewhere"))
    )
    made = build_report(replace(evidence, observations=observed), diagnosis(causes=(root, symptom, other)))
    assert len(made.active.also) == 1


def test_a_cause_that_nobody_logged_as_a_failure_is_counted_as_a_notice():
    evidence = incident()
    told = group(DIAL, "a certificate is not issued", failure=False, count=3)
    observed = replace(evidence.observations, groups=(), notices=(told,))
    claim = Claim(sentence("something"), (CountRef(DIAL),))
    made = build_report(
        replace(evidence, observations=observed, onset=None),
        replace(quiet_diagnosis(), root=diagnosis().root, summary=claim),
    )
    assert plain(made.header.facts.text).startswith("At least 3 notices in 44 min")
    assert "no entry is logged as a failure" in plain(made.header.facts.text)
    assert made.active.state == "failing"
    assert [row.role for row in made.active.groups] == ["cause"]


def test_what_was_not_read_stands_on_the_first_screen():
    first = "\n".join(render.markdown(report()).splitlines()[:10])
    assert (
        "❔ Not read, or not whole: `deployments`, `logs projects/netra-staging (failures)`, `probe vpc-connector`."
        in first
    )


def test_an_audit_that_cannot_tell_says_how_to_go_on():
    lost = replace(
        without_failures(),
        readings=(),
        gaps=(Gap("logs", Redacted("denied"), "nothing is known", "grant roles/logging.viewer"),),
    )
    made = build_report(lost, quiet_diagnosis(Status.CANNOT_TELL))
    assert plain(made.header.next_step) == "audit again with a wider window or more services"
    assert "grant roles/logging.viewer" in render.markdown(made)
    assert "there is nothing to ask" not in render.markdown(made)


def test_the_order_of_hashes_does_not_show():
    """Sets and string hashes differ between processes; reports must not."""
    code = (
        "from tests.report.build_sample import diagnosis, incident\n"
        "from app.report.build import build_report\n"
        "from app.report import render\n"
        "import hashlib\n"
        "r = build_report(incident(), diagnosis())\n"
        "print(hashlib.sha256((render.markdown(r) + render.html(r) + render.text(r)).encode() + render.to_json(r)).hexdigest())"
    )
    root = Path(__file__).parents[2]

    def digest(seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": seed}
        return subprocess.run(
            [sys.executable, "-c", code], env=env, cwd=root, capture_output=True, text=True, check=True
        ).stdout

    assert digest("1") == digest("2")


def test_every_id_used_in_the_json_resolves_in_the_document():
    document = orjson.loads(render.to_json(report()))
    listed = {found["id"] for found in document["evidence"]}

    def used(value: Any) -> set[str]:
        match value:
            case {"evidence": list(ids), **rest} if all(isinstance(id_, str) for id_ in ids):
                return set(ids) | used(rest)
            case dict():
                return {id_ for part in value.values() for id_ in used(part)}
            case list():
                return {id_ for part in value for id_ in used(part)}
            case _:
                return set()

    assert len(used(document)) > 15
    assert used(document) <= listed
    assert document["schema_version"] == 1


def test_the_beginning_of_other_failures_is_not_the_incident_s():
    found = incident()
    assert found.onset is not None
    other = replace(found, onset=replace(found.onset, group=Fingerprint("g1-000000000000")))

    def told(made: Report) -> tuple[bool, bool]:
        marks = made.timeline.marks if made.timeline else ()
        return any("Onset" in plain(line.text) for line in made.impact.measured), any(m.what == "onset" for m in marks)

    assert told(build_report(found, diagnosis())) == (True, True)
    assert told(build_report(other, diagnosis())) == (False, False)

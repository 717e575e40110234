"""The verdict on each bundled incident, and what the hand-made report on the reference incident got wrong."""

import json
import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main
from app.diagnosis.model import DeveloperAction, FixVerdict, Layer, Status, plain
from app.evidence.model import LayerOwner
from app.report import render
from app.report.model import Report
from tests.examples import NAMES, ROOT, audited, commits, run

VERDICTS = {
    "bad-deploy": (Status.ROLLBACK, DeveloperAction.ROLL_BACK, Layer.APPLICATION),
    "cloud-sql-unreachable": (Status.INFRASTRUCTURE_ESCALATION, DeveloperAction.HOLD, Layer.INFRASTRUCTURE),
    "fix-effective": (Status.RESOLVED, DeveloperAction.NONE, Layer.APPLICATION),
    "fix-ineffective": (Status.FIX_INEFFECTIVE, DeveloperAction.FIX, Layer.APPLICATION),
    "fix-not-deployed": (Status.FIX_NOT_DEPLOYED, DeveloperAction.DEPLOY, Layer.APPLICATION),
    "gke-crash-loop": (Status.ROLLBACK, DeveloperAction.ROLL_BACK, Layer.APPLICATION),
    "hostile-text": (Status.CANNOT_TELL, DeveloperAction.CHECK, Layer.UNKNOWN),
    "no-access": (Status.CANNOT_TELL, DeveloperAction.CHECK, Layer.UNKNOWN),
    "no-data": (Status.CANNOT_TELL, DeveloperAction.CHECK, Layer.UNKNOWN),
    "noise-buried": (Status.CONFIGURATION_CHANGE, DeveloperAction.CONFIGURE, Layer.CONFIGURATION),
    "permission-denied": (Status.INFRASTRUCTURE_ESCALATION, DeveloperAction.HOLD, Layer.PERMISSIONS),
    "platform-incident": (Status.PROVIDER_ESCALATION, DeveloperAction.HOLD, Layer.PLATFORM),
    "quota": (Status.INFRASTRUCTURE_ESCALATION, DeveloperAction.HOLD, Layer.QUOTA),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_verdict(name: str) -> None:
    findings = audited(name)
    advice = findings.report.advice
    assert (advice.status, advice.action, findings.diagnosis.layer) == VERDICTS[name]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_command_gives_the_same_bytes(name: str) -> None:
    for form in ("json", "markdown"):
        assert run(name, "--format", form).stdout_bytes == run(name, "--format", form).stdout_bytes


@pytest.mark.parametrize("name", NAMES)
def test_every_evidence_id_resolves_and_opens(name: str) -> None:
    report = audited(name).report
    known = {item.id: item for item in report.evidence}
    used = set(re.findall(r'"(E\d+)"', render.to_json(report).decode()))
    assert used == set(known)
    assert all(item.url or item.command for item in known.values())


@pytest.mark.parametrize("name", ["no-access", "no-data"])
def test_no_access_and_no_data_are_told_apart(name: str) -> None:
    text = render.text(audited(name).report)
    assert ("PERMISSION_DENIED" in text) == (name == "no-access")
    assert "healthy" not in text.lower()


def test_a_crash_loop_after_a_rollout_of_a_cluster_names_the_commit_and_what_still_runs(tmp_path: Path) -> None:
    findings = audited("gke-crash-loop")
    named = commits("gke-crash-loop", tmp_path).of("The region is named")
    assert {suspect.sha for suspect in findings.diagnosis.suspects} == {named}
    assert {r.name for r in findings.evidence.revisions} == {"orders@6d4cf56db6", "orders@7f9b8d5c44"}
    kinds = {(g.services, g.count) for g in findings.evidence.observations.groups}
    assert kinds == {(("orders",), 11)}, "what the container says and what the cluster says of it are of one service"
    steps = [plain(step) for step in findings.report.advice.next_steps]
    assert steps[0] == "Roll the workload back to orders@6d4cf56db6."
    assert findings.report.advice.priority == "P2", "pods of the version before still answer"


def test_a_workload_is_audited_by_its_name_or_that_of_its_container() -> None:
    shown = json.loads(run("gke-crash-loop", "--service", "orders", "--format", "json").stdout)
    assert shown["advice"]["status"] == "ROLLBACK RECOMMENDED"
    assert "SHOP_REGION" in run("gke-crash-loop", "--service", "server", "--format", "markdown").stdout


# --- the reference incident -------------------------------------------------------------------------------------------


def reference() -> Report:
    return audited("cloud-sql-unreachable").report


def everything(report: Report) -> str:
    return render.markdown(report)


def test_a_timeout_that_the_code_no_longer_has_is_a_finding() -> None:
    found = [plain(row.statement.text) for row in reference().mismatches]
    said = "code at the running commit says 8.0 s, the head says 25.0 s, the error says 8.0s"
    assert any(text.endswith(said) for text in found), found


def test_the_connector_is_not_blamed() -> None:
    findings = audited("cloud-sql-unreachable")
    assert findings.diagnosis.component == "netra-staging:us-central1:staging-shared-postgres"
    assert "VPC" not in plain(findings.diagnosis.summary.text)
    assert not any(
        "connector" in plain(s.claim.text).lower() and s.weight > 1
        for s in findings.diagnosis.signals
        if "VPC" in plain(s.claim.text)
    )


def test_the_frames_that_are_audited_are_those_of_the_evidence() -> None:
    places = {(str(frame.path), str(frame.frame)) for frame in reference().frames if frame.path}
    assert any("smd.py" in path and "_initialize_database" in frame for path, frame in places), places
    assert "1294" not in everything(reference())


def test_each_fix_has_a_verdict_and_only_a_proven_one_is_resolved(tmp_path: Path) -> None:
    shas = commits("cloud-sql-unreachable", tmp_path)
    verdicts = {row.fix.sha: row.verdict for row in audited("cloud-sql-unreachable").diagnosis.ledger}
    assert verdicts[shas.of("Give the database 25 s")] is FixVerdict.NOT_DEPLOYED
    assert verdicts[shas.of("Sessions without an entry")] is FixVerdict.EFFECTIVE


def test_one_failure_has_one_pattern() -> None:
    text = everything(reference()).lower()
    assert not ("continuous" in text and "intermittent" in text)


def test_what_nobody_measured_or_configured_is_not_said() -> None:
    text = everything(reference())
    assert "ARR" not in text
    assert "$" not in re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)
    exit_lines = [item for item in reference().evidence if "exit(" in plain(item.what)]
    assert ("exit(3)" not in text and "exit code 3" not in text.lower()) or exit_lines


def test_counts_window_and_zone_are_there() -> None:
    text = everything(reference())
    assert "78" in text
    assert "14:02" in text
    assert "UTC" in text


def test_infrastructure_must_act_and_is_called_by_its_configured_name() -> None:
    report = reference()
    assert (report.escalation.owner, report.escalation.target) == (LayerOwner.INFRASTRUCTURE, "@acme/platform")
    assert report.advice.priority == "P0"


@pytest.mark.parametrize("name", ["no-access", "no-data"])
def test_a_file_without_entries_gives_the_same_report_on_any_day(name: str, tmp_path: Path) -> None:
    """Neither the clock nor the age of the file shows."""
    told = []
    for age in (0, 86_400):
        logs = tmp_path / f"{age}" / "logs.jsonl.gz"
        logs.parent.mkdir()
        logs.write_bytes((ROOT / name / "logs.jsonl.gz").read_bytes())
        os.utime(logs, (1_700_000_000 - age, 1_700_000_000 - age))
        done = CliRunner().invoke(main, ["audit", "--logs", str(logs), "--format", "markdown"], catch_exceptions=False)
        told.append(done.stdout)
    assert told[0] == told[1]
    assert "1970" not in told[0]
    assert "60 min" not in told[0]
    assert "Nothing to do" not in told[0]

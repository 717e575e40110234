"""Every piece of evidence of the bundled reports is opened as readers would: its command run, its filter searched for."""

import gzip
import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.report.model import EvidenceItem, Report
from app.sources import query_language
from tests.examples import NAMES, ROOT, audited, findings

ARRAY = "an array, as gcloud writes an export"
ELSEWHERE = ("gcloud ", "kubectl ", "gh ", "infra-audit ")
"""Commands that ask a service; all others read the exported files and the clone."""


@dataclass(frozen=True)
class Opened:
    """A report, and a clone of its repository with the export that was read beside its files."""

    report: Report
    folder: Path
    entries: Sequence[Mapping[str, Any]]

    def here(self) -> list[EvidenceItem]:
        items = [item for item in self.report.evidence if not item.command.startswith(ELSEWHERE)]
        assert items
        return items


@pytest.fixture(scope="module", params=[*NAMES, ARRAY])
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    name = "bad-deploy" if request.param == ARRAY else request.param
    folder = tmp_path_factory.mktemp(name)
    subprocess.run(["git", "clone", "--quiet", str(ROOT / name / "repo.bundle"), str(folder)], check=True)
    export = (ROOT / name / "logs.jsonl.gz").read_bytes()
    entries = [json.loads(line) for line in gzip.decompress(export).splitlines()]
    if request.param != ARRAY:
        (folder / "logs.jsonl.gz").write_bytes(export)
        return Opened(audited(name).report, folder, entries)
    logs = folder / "logs.json"
    logs.write_text(json.dumps(entries, indent=2))
    return Opened(findings(["audit", "--logs", str(logs), "--repo", str(folder)]).report, folder, entries)


def opened(item: EvidenceItem, folder: Path) -> str:
    done = subprocess.run(["bash", "-o", "pipefail", "-c", item.command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{item.id} does not open: {item.command}\n{done.stderr}"
    return done.stdout


def test_each_command_shows_what_is_claimed(example: Opened) -> None:
    shown = {item.id: opened(item, example.folder) for item in example.here()}
    for item in example.here():
        detail = dict(item.detail)
        match item.kind:
            case "entry":
                (entry,) = [entry for entry in example.entries if entry["insertId"] == detail["insertId"]]
                assert json.loads(shown[item.id].rstrip().rstrip(",")) == entry
            case "count" if "filter" in detail:
                assert shown[item.id].strip() == detail["entries"], item.command
            case "count" | "reading":
                assert detail["sha256"] in shown[item.id]
            case "commit":
                assert detail["commit"] in shown[item.id]
            case "compare":
                assert shown[item.id].strip() in {"0", "1"}
            case _:
                assert shown[item.id].strip(), f"{item.id} shows nothing: {item.command}"


def test_each_filter_finds_what_is_counted(example: Opened) -> None:
    for item in example.report.evidence:
        detail = dict(item.detail)
        if "filter" not in detail:
            continue
        query = query_language.parse(detail["filter"])
        found = [entry for entry in example.entries if query_language.matches(query, entry)]
        match item.kind:
            case "entry":
                assert [entry["insertId"] for entry in found] == [detail["insertId"]]
            case "count":
                assert str(len(found)) == detail["entries"], detail["filter"]
            case "exposure":
                requests = re.search(r"(\d+) requests?", "".join(str(part) for part in item.what))
                assert requests is not None
                assert len(found) >= int(requests[1])
            case _:
                raise AssertionError(f"what should {item.id} find?")

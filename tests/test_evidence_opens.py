"""Every piece of evidence of the bundled reports is opened as readers would: its command run, its filter searched for."""

import gzip
import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from app.report.model import EvidenceItem
from app.sources import query_language
from tests.examples import NAMES, ROOT, audited

ELSEWHERE = ("gcloud ", "kubectl ", "gh ", "infra-audit ")
"""Commands that ask a service; all others read the exported files and the clone."""


@pytest.fixture(scope="module", params=NAMES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """An incident, and a clone of its repository with the export beside its files."""
    folder = tmp_path_factory.mktemp(request.param)
    source = ROOT / request.param
    subprocess.run(["git", "clone", "--quiet", str(source / "repo.bundle"), str(folder)], check=True)
    (folder / "logs.jsonl.gz").write_bytes((source / "logs.jsonl.gz").read_bytes())
    return request.param, folder


def opened(item: EvidenceItem, folder: Path) -> str:
    done = subprocess.run(["bash", "-o", "pipefail", "-c", item.command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, f"{item.id} does not open: {item.command}\n{done.stderr}"
    return done.stdout


def test_each_command_shows_what_is_claimed(example: tuple[str, Path]) -> None:
    name, folder = example
    shown = {item.id: opened(item, folder) for item in here(name)}
    for item in here(name):
        detail = dict(item.detail)
        match item.kind:
            case "entry":
                assert detail["insertId"] in shown[item.id]
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


def test_each_filter_finds_what_is_counted(example: tuple[str, Path]) -> None:
    name, folder = example
    with gzip.open(folder / "logs.jsonl.gz", "rt") as lines:
        entries: list[Mapping[str, Any]] = [json.loads(line) for line in lines]
    for item in audited(name).report.evidence:
        detail = dict(item.detail)
        if "filter" not in detail:
            continue
        query = query_language.parse(detail["filter"])
        found = [entry for entry in entries if query_language.matches(query, entry)]
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


def here(name: str) -> list[EvidenceItem]:
    items = [item for item in audited(name).report.evidence if not item.command.startswith(ELSEWHERE)]
    assert items
    return items

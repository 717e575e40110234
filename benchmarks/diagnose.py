"""Verdicts for benchmark cases, by the product's own path: entries to observations to evidence to diagnosis.

    python -m benchmarks.diagnose --cases CASES.jsonl --out PREDICTIONS.jsonl

One case per line: `id`, `entries` (LogEntry JSON), and the reporter's `issue_title` and `issue_body_short` where there are
any. Nothing else of a case is read. Verdicts that the product leaves open are written as null, and the last line printed
says how many there are, since a figure of what was right means little without it.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.diagnosis.diagnose import diagnose
from app.diagnosis.model import Diagnosis, Layer, Status
from app.evidence.deployments import assemble_revisions
from app.evidence.entries import BadEntry, parse_entry
from app.evidence.model import Evidence, HistoryFacts, IssueRef, Reading, Request, Window
from app.evidence.observe import Observer
from app.evidence.timeline import find_onset, logged_window
from app.redact import cut


def evidence_of(case: Mapping[str, Any]) -> Evidence:
    """What the product would hold after reading the case's entries from a file, without a repository."""
    observer = Observer()
    read = bad = 0
    for number, raw in enumerate(case["entries"]):
        try:
            observer.add(parse_entry(raw, f"{case['id']}:{number + 1}"))
            read += 1
        except BadEntry:
            bad += 1
    observations = observer.finish()
    first, last = observations.first_entry, observations.last_entry
    if first is None or last is None:
        raise SystemExit(f"case {case['id']} holds no readable entry")
    window = Window(first, last + timedelta(seconds=1))
    issue = None
    if case.get("issue_title"):
        issue = IssueRef("example/example", 1, cut(case["issue_title"]), cut(case.get("issue_body_short") or ""))
    request = Request(window=None, now=window.end, issue=issue)
    onset = find_onset(observations.groups, logged_window(observations, window), now=window.end)
    return Evidence(
        request=request,
        window=window,
        observations=observations,
        readings=(Reading("case", None, None, read, 0, bad),),
        onset=onset,
        revisions=assemble_revisions(observations, (), {}, window),
        history=HistoryFacts(),
        probes=(),
        gaps=(),
    )


def predict(case_id: str, diagnosis: Diagnosis) -> dict[str, object]:
    failure_class = diagnosis.failure_class
    if diagnosis.root is None and diagnosis.recommendation.status is Status.NO_FAILURES:
        failure_class = "no-failure"
    return {
        "id": case_id,
        "failure_class": failure_class,
        "layer": None if diagnosis.layer is Layer.UNKNOWN else diagnosis.layer.value,
        "component": diagnosis.component,
        "owner": diagnosis.owner.value if diagnosis.owner else None,
        "confidence": diagnosis.confidence.value,
        "status": diagnosis.recommendation.status.value,
        "alternatives": [c.failure_class for c in diagnosis.causes[1:] if c.failure_class],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    options = parser.parse_args()
    if not options.cases.is_file():
        print(f"no cases at {options.cases}", file=sys.stderr)
        raise SystemExit(2)
    started = time.perf_counter()
    predictions: list[dict[str, object]] = []
    with options.cases.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                case = json.loads(line)
                predictions.append(predict(case["id"], diagnose(evidence_of(case))))
    seconds = time.perf_counter() - started
    with options.out.open("w", encoding="utf-8") as out:
        for prediction in predictions:
            out.write(json.dumps(prediction) + "\n")
    totals = {
        "cases": len(predictions),
        "class_unknown": sum(p["failure_class"] is None for p in predictions),
        "layer_unknown": sum(p["layer"] is None for p in predictions),
        "cannot_tell": sum(p["status"] == Status.CANNOT_TELL.value for p in predictions),
        "seconds": round(seconds, 2),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(totals))


if __name__ == "__main__":
    main()

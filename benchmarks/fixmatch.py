"""Commits ranked for benchmark cases: error text to a group, patches to commits, both to matches, by the product's own path.

    python -m benchmarks.fixmatch --cases CASES.jsonl --out PREDICTIONS.jsonl

One case per line: `id`, `error` (one text: `stack_trace` or `message`) and `candidates` (`sha`, `message`, `patch`). Nothing
else of a case is read. A prediction holds the ranking, the best score, and whether the best commit is said to fit.
`seconds` is the time of grouping, parsing and matching; cutting secrets out of the patches, which the product does once when
it reads a commit, is `cut_seconds`.
"""

import argparse
import json
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.diagnosis.changes import PATCH_LIMIT, match_commits, parse_patch
from app.evidence.entries import parse_entry
from app.evidence.model import Commit, CommitSha, ErrorGroup, HistoryFacts
from app.evidence.observe import Observer
from app.redact import Redacted, cut, cut_patch

_THEN = datetime(2026, 1, 1, tzinfo=UTC)


def group_of(case: Mapping[str, Any]) -> ErrorGroup:
    """The group that the product makes of one entry with the case's error text."""
    error = case["error"]
    entry = {
        "insertId": "error",
        "timestamp": _THEN.isoformat(),
        "severity": "ERROR",
        "logName": "projects/example/logs/run.googleapis.com%2Fstderr",
        "resource": {"type": "cloud_run_revision", "labels": {"service_name": "example"}},
        "textPayload": error.get("stack_trace") or error.get("message") or "",
    }
    observer = Observer()
    observer.add(parse_entry(entry, f"case:{case['id']}"))
    observations = observer.finish()
    return (observations.groups or observations.notices)[0]


def commit_of(candidate: Mapping[str, Any], patch: Redacted) -> Commit:
    subject, _, body = candidate["message"].partition("\n")
    return Commit(CommitSha(candidate["sha"]), (), _THEN, cut(""), cut(subject), cut(body), parse_patch(patch))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    if not options.cases.is_file():
        print(f"no cases: {options.cases} is not there", file=sys.stderr)
        return 2
    cases = cutting = matching = 0.0
    with options.cases.open(encoding="utf-8") as lines, options.out.open("w", encoding="utf-8") as out:
        for line in lines:
            if not line.strip():
                continue
            case = json.loads(line)
            start = time.perf_counter()
            patches = [cut_patch(candidate["patch"], PATCH_LIMIT) for candidate in case["candidates"]]
            read = time.perf_counter()
            group = group_of(case)
            commits = [commit_of(c, patch) for c, patch in zip(case["candidates"], patches, strict=True)]
            matches = match_commits(group, commits, HistoryFacts())
            done = time.perf_counter()
            cases, cutting, matching = cases + 1, cutting + read - start, matching + done - read
            prediction = {
                "id": case["id"],
                "ranking": [match.sha for match in matches],
                "match": bool(matches) and matches[0].fits,
                "score": matches[0].score if matches else 0.0,
            }
            out.write(json.dumps(prediction) + "\n")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    totals = {
        "cases": int(cases),
        "seconds": round(matching, 3),
        "cut_seconds": round(cutting, 3),
        "peak_rss_mb": round(peak, 1),
    }
    print(json.dumps(totals))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

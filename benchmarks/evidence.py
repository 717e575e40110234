"""Whether what reports say can be opened: claims with evidence, and evidence whose search finds what was counted.

    python -m benchmarks.evidence [--cases CASES.jsonl] [--misses N]

One case per line, as for `benchmarks.diagnose`; without a file, the incidents under `examples/`. Each is audited by the
product's own path up to the report. Then every claim of the report must name evidence, every piece of evidence must have a
link or a command, and the search behind it is asked of the case's own entries, by the query language as it is documented.
*found*: all entries that the report counts. *exact*: and no others. A failure that is spread over several entries counts as
found when each occurrence is.
"""

import argparse
import gzip
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, cast

from app.diagnosis.diagnose import diagnose
from app.evidence.model import Evidence
from app.report.build import build_report
from app.report.model import EvidenceItem, Statement
from app.sources import query_language
from benchmarks.diagnose import evidence_of

_EXAMPLES = Path(__file__).parents[1] / "examples"


def measure(case: Mapping[str, Any], misses: list[str]) -> Counter[str]:
    evidence = evidence_of(case)
    report = build_report(evidence, diagnose(evidence))
    listed = {item.id for item in report.evidence if item.url or item.command}
    totals: Counter[str] = Counter()
    for statement in statements(report):
        totals["claims"] += 1
        totals["claims_that_open"] += bool(statement.evidence) and set(statement.evidence) <= listed
    for item in report.evidence:
        if (least := _least(item, evidence)) is None:
            continue
        query = query_language.parse(dict(item.detail)["filter"])
        found = sum(query_language.matches(query, entry) for entry in case["entries"])
        totals["searches"] += 1
        totals["found"] += found >= least
        totals["exact"] += least <= found <= max(least, _most(item, found))
        if found < least:
            misses.append(f"{case['id']} {item.id}: {found} of {least}: {dict(item.detail)['filter']!r}")
    return totals


def read(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def bundled() -> Iterator[Mapping[str, Any]]:
    for export in sorted(_EXAMPLES.glob("*/logs.jsonl.gz")):
        with gzip.open(export, "rt", encoding="utf-8") as lines:
            entries = [json.loads(line) for line in lines]
        if any("timestamp" in entry for entry in entries):  # some show what is said without any
            yield {"id": export.parent.name, "entries": entries}


def statements(value: object) -> Iterator[Statement]:
    """Every claim anywhere in a report."""
    if isinstance(value, Statement):
        yield value
    elif isinstance(value, tuple):
        for item in cast("tuple[object, ...]", value):
            yield from statements(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from statements(getattr(value, field.name))


def _least(item: EvidenceItem, evidence: Evidence) -> int | None:
    """How many entries its search must find; None for what is not opened by searching for entries."""
    if "filter" not in dict(item.detail):
        return None
    if item.kind != "count":
        return 1
    observations = evidence.observations
    counts = {str(group.id): group.count for group in (*observations.groups, *observations.notices)}
    return next(count for id_, count in counts.items() if id_ in str(item.what))


def _most(item: EvidenceItem, found: int) -> int:
    """How many entries the report counts; what a revision was exercised with is counted by minutes, not by entries."""
    match item.kind:
        case "count":
            return int(dict(item.detail)["entries"])
        case "entry":
            return 1
        case _:
            return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--misses", type=int, default=0, help="searches that find too little to print")
    options = parser.parse_args()
    if options.cases is not None and not options.cases.is_file():
        print(f"no cases at {options.cases}", file=sys.stderr)
        raise SystemExit(2)
    started = time.perf_counter()
    totals: Counter[str] = Counter(cases=0)
    misses: list[str] = []
    for case in bundled() if options.cases is None else read(options.cases):
        totals += measure(case, misses)
        totals["cases"] += 1
    for miss in misses[: options.misses]:
        print(miss)
    seconds = round(time.perf_counter() - started, 2)
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(json.dumps({**totals, "seconds": seconds, "peak_rss_mb": peak}))


if __name__ == "__main__":
    main()

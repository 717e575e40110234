"""A whole audit of many entries: its time beside plain JSON decoding of the same file, its memory, and the calls it spends.

    python -m benchmarks.audit [--entries 100000] [--file FILE]

Makes a file of fresh LogEntry lines (or takes FILE), decodes it once without looking at anything, then runs the audit that
the product runs: file source, investigation, judgement, report.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from app.evidence.model import Request
from app.investigate import Findings, Sources, investigate
from app.report.render import markdown
from app.sources.jsonl import FileLogs
from benchmarks.fresh import entries

NOW = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)


def decode(path: Path) -> float:
    started = time.process_time()
    with path.open("rb") as lines:
        for line in lines:
            orjson.loads(line)
    return time.process_time() - started


def audit(path: Path) -> Findings:
    return asyncio.run(investigate(Request(window=None, now=NOW), Sources(FileLogs([path]))))


def measure(path: Path, count: int) -> dict[str, Any]:
    plain = decode(path)
    before = _peak_mb()
    started = time.process_time()
    findings = audit(path)
    seconds = time.process_time() - started
    observations = findings.evidence.observations
    return {
        "cases": count,
        "seconds": round(seconds, 2),
        "entries_per_second": round(count / seconds),
        "decode_seconds": round(plain, 2),
        "peak_rss_mb": round(_peak_mb(), 1),
        "above_start_mb": round(_peak_mb() - before, 1),
        "groups": len(observations.groups),
        "notices": len(observations.notices),
        "calls": sum(reading.calls for reading in findings.evidence.readings),
        "report_characters": len(markdown(findings.report)),
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.file is not None:
        if not options.file.is_file():
            print(f"there is no file {options.file}: the benchmark's data is not here", file=sys.stderr)
            return 2
        with options.file.open("rb") as lines:
            count = sum(1 for _ in lines)
        print(json.dumps(measure(options.file, count)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "entries.jsonl"
        with path.open("wb") as out:
            out.writelines(line for _, line in entries(options.entries))
        print(json.dumps(measure(path, options.entries)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

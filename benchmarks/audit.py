"""A whole audit of many entries, as a user starts it: its time beside plain decoding of the same file, its memory, its calls.

    python -m benchmarks.audit [--entries 100000] [--file FILE]

Makes a file of fresh LogEntry lines (or takes FILE), decodes it line by line without looking at anything, once with the
standard library and once with orjson, then runs `infra-audit audit` on it in a process of its own. Seconds are CPU time,
those of the audit from the interpreter's start to its end; `wall_seconds` is what the user waits.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from pydantic import TypeAdapter

from app.evidence.model import Evidence
from benchmarks.fresh import entries, shop


def decode(path: Path, loads: Callable[[bytes], object]) -> float:
    started = time.process_time()
    with path.open("rb") as lines:
        for line in lines:
            loads(line)
    return time.process_time() - started


def measure(path: Path, count: int, folder: Path) -> dict[str, Any]:
    saved, report = folder / "evidence.json", folder / "report.md"
    command = [sys.executable, "-m", "app.cli", "audit", "--logs", str(path)]
    plain, fast = decode(path, json.loads), decode(path, orjson.loads)
    started = time.monotonic()
    quiet = subprocess.DEVNULL
    audit = subprocess.Popen([*command, "--save", str(saved), "--output", str(report)], stdout=quiet, stderr=quiet)
    _, status, used = os.wait4(audit.pid, 0)
    wall = time.monotonic() - started
    audit.returncode = os.waitstatus_to_exitcode(status)
    if audit.returncode:
        raise SystemExit(f"infra-audit ended with {audit.returncode}")
    seconds = used.ru_utime + used.ru_stime
    evidence = TypeAdapter(Evidence).validate_json(saved.read_bytes())
    return {
        "cases": count,
        "seconds": round(seconds, 2),
        "wall_seconds": round(wall, 2),
        "entries_per_second": round(count / seconds),
        "json_per_second": round(count / plain),
        "orjson_per_second": round(count / fast),
        "of_json": round(plain / seconds, 2),
        "peak_rss_mb": round(used.ru_maxrss / 1024, 1),
        "groups": len(evidence.observations.groups),
        "notices": len(evidence.observations.notices),
        "calls": sum(reading.calls for reading in evidence.readings),
        "report_characters": len(report.read_text(encoding="utf-8")),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=int, default=100_000)
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path: Path = options.file or folder / "entries.jsonl"
        if options.file is None:
            with path.open("wb") as out:
                out.writelines(line for _, line in entries(options.entries, shop()))
        elif not path.is_file():
            print(f"there is no file {path}: the benchmark's data is not here", file=sys.stderr)
            return 2
        with path.open("rb") as lines:
            count = sum(1 for _ in lines)
        print(json.dumps(measure(path, count, folder)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Are the entries of one failure joined, and all failures of one fault put into one group? Reads LogEntry JSON, a line each.

python -m benchmarks.traces --entries FILE --out PREDICTIONS

Writes, per entry: `{"line", "group", "top"}`: its number, the error group it belongs to (null: it reports no failure), and
the exception and own frame that the product reads from the joined trace.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from app.evidence.entries import BadEntry, parse_entry
from app.evidence.joining import Joiner
from app.evidence.model import LogEntry
from app.evidence.observe import Observer
from app.evidence.stacktrace import parse_trace


def read(path: Path) -> list[LogEntry]:
    entries: list[LogEntry] = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                entries.append(parse_entry(json.loads(line), str(number)))
            except BadEntry:
                continue
    return entries


def top(entry: LogEntry) -> dict[str, Any]:
    """What was read from the trace; an exception without a name for a failure that shows none."""
    trace = parse_trace(entry.message if entry.trace_text is None else entry.trace_text)
    if trace is None:
        return {"exception": entry.exception_type or "error", "file": None, "function": None, "line": None}
    own = trace.top_own_frame
    if own is None:
        return {"exception": trace.innermost.type, "file": None, "function": None, "line": None}
    _, frame = own
    return {
        "exception": trace.innermost.type,
        "file": frame.file,
        "function": frame.function,
        "line": frame.line,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entries", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    if not options.entries.is_file():
        print(f"there is no file {options.entries}: the benchmark's data is not here", file=sys.stderr)
        return 2
    entries = read(options.entries)
    started = time.process_time()
    observer = Observer(remember_origins=True)
    for entry in entries:
        observer.add(entry)
    observations = observer.finish()
    seconds = time.process_time() - started
    failures = {group.id for group in observations.groups}
    group_of = observer.group_of()

    joiner = Joiner()
    occurrences = [occurrence for entry in entries for occurrence in joiner.add(entry)]
    occurrences += joiner.flush()
    with options.out.open("w", encoding="utf-8") as out:
        for occurrence in occurrences:
            origins = occurrence.joined or (occurrence.origin,)
            group = group_of.get(origins[0])
            row: dict[str, Any] = {"group": group} if group in failures else {"group": None}
            if row["group"] is not None:
                row["top"] = top(occurrence)
            for origin in origins:
                out.write(json.dumps({"line": int(origin)} | row) + "\n")
    print(
        json.dumps(
            {
                "cases": len(entries),
                "occurrences": len(occurrences),
                "groups": len(failures),
                "seconds": round(seconds, 3),
                "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
            }
        )
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

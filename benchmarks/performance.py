"""Measures everything that docs/performance.md says and writes that page anew.

    python -m benchmarks.performance --peer DIRECTORY [--sentences FILE]

DIRECTORY holds the environment of Drain3, or will hold it: it is made when it is not there. FILE holds templates of real
logs, one a line with `<*>` for values; without it only the lines of the made-up shop are measured.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.grouping import compare, table

_SMALL = 10_000
"""Entries that an ordinary incident brings."""
PAGE = Path(__file__).parent.parent / "docs" / "performance.md"


def page(rows: list[dict[str, Any]], audits: list[dict[str, Any]]) -> str:
    lines = [
        "# Performance",
        "",
        "Written by `python -m benchmarks.performance`; edit that, not this. CPU time of one process each, made one after the",
        f"other on {os.cpu_count()} cores, Python {platform.python_version()}, {platform.system()} {platform.machine()}.",
        "Figures move with whatever else the machine does; the ratio of two columns moves less.",
        "",
        "## Grouping fresh lines, beside Drain3",
        "",
        "No two lines are equal, and names never seen before keep coming, which is what makes groups multiply. The sentences",
        "are those of a made-up shop, or, where there are hundreds, templates of labelled public logs with values drawn anew.",
        "*messages*: one message a line in, one group id a line out. *entries*: LogEntry JSON in, decoded, parsed, joined,",
        "classified, grouped and counted per minute, revision and instance; Drain3 gets the text out of decoded JSON and only",
        "groups it. FGA: share of sentences whose lines are exactly one group's, as F1. Memory: the whole process.",
        "",
        table(rows),
        "",
        "## A whole audit of a file",
        "",
        "`infra-audit audit --logs FILE` in a process of its own, from the interpreter's start to the finished report. *json*",
        "and *orjson*: the same file decoded line by line and nothing else. *of json*: the share of the standard decoder's",
        "speed that the whole audit reaches; starting takes most of the time of a small one. No API is called.",
        "",
        "| entries | seconds | entries/s | json/s | orjson/s | of json | peak MB | groups | notices |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {a['cases']:,} | {a['seconds']:.1f} | {a['entries_per_second']:,} |"
        f" {a['json_per_second']:,} | {a['orjson_per_second']:,} | {a['of_json']:.2f} | {a['peak_rss_mb']:.0f} |"
        f" {a['groups']} | {a['notices']} |"
        for a in audits
    ]
    return "\n".join([*lines, ""])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--sentences", type=Path)
    parser.add_argument("--lines", type=int, nargs="+", default=[200_000, 1_000_000])
    options = parser.parse_args()
    rows = compare(options.peer, options.lines, None)
    if options.sentences is not None:
        rows += compare(options.peer, options.lines, options.sentences)
    audits = [_audit(count) for count in (_SMALL, *options.lines)]
    PAGE.write_text(page(rows, audits), encoding="utf-8")
    print(json.dumps({"cases": sum(options.lines), "grouping": rows, "audits": audits}))
    return 0


def _audit(count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.audit", "--entries", str(count)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())

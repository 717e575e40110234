"""Measures everything that docs/performance.md says and writes that page anew.

    python -m benchmarks.performance --peer DIRECTORY [--sentences FILE]
    python -m benchmarks.performance --probot DIRECTORY
    python -m benchmarks.performance --live

With --peer, everything but the intake of deliveries: DIRECTORY holds the environment of Drain3, or will hold it. FILE holds
templates of real logs, one a line with `<*>` for values; without it only the lines of the made-up shop are measured. With
--probot, the intake: DIRECTORY holds Probot, or will hold it. With --live, the reading of live logs alone. What is not
measured stays on the page as it is.
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
_INTAKE = "## Taking deliveries in, beside Probot"
_LIVE = "## Reading live logs, beside the client alone"
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


def intake_section(rows: list[dict[str, Any]]) -> list[str]:
    lines = [
        _INTAKE,
        "",
        "Signed deliveries of 12.6 kB, each its own, to one server process on one core, whatever else the machine does.",
        "*bare*: uvicorn and a signature check. *Probot*: verifies, parses and calls a handler that counts. Both store",
        "nothing. *ignored*: an event that leads to no job. *relevant*: one that does; of ours it is in SQLite, flushed to the",
        "disk, before the 202. *with jobs*: they are enqueued beside it, in the same process. CPU: of the server process, per",
        "delivery.",
        "",
        "| receiver | delivery | at once | per second | p50 ms | p99 ms | CPU µs | per second of CPU |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    names = {"ours": "Infra Audit", "ours, jobs included": "Infra Audit, with jobs"}
    lines += [
        f"| {names.get(r['receiver'], r['receiver'])} | {r['delivery']} | {r['connections']} |"
        f" {r['per_second']:,.0f} | {r['p50_ms']:.1f} | {r['p99_ms']:.1f} | {r['cpu_us']:.0f} |"
        f" {1e6 / r['cpu_us']:,.0f} |"
        for r in rows
    ]
    return [*lines, ""]


def live_section(figures: dict[str, Any]) -> list[str]:
    """`figures` are those that `benchmarks.log_source` prints."""
    lines = [
        _LIVE,
        "",
        f"{figures['cases']:,} entries in pages of 1,000 over loopback gRPC, half of them tracebacks, half nested JSON of some",
        "1.5 KB, by CPU time of the reader. *raw*: the messages behind the client's entries, looked at by nobody. *bare*: the",
        "client iterates over its entries and looks at nothing. *documented*:",
        "it yields its own entries, and time, severity, a label and the text are read of each. *Infra Audit*: each entry is",
        f"read, checked and handed on; it peaked at {figures['peak_rss_mb']} MB, the interpreter and the client included.",
        "",
        "| reader | entries/s of CPU | CPU µs per entry | of the bare client |",
        "|---|---:|---:|---:|",
    ]
    for name, rate in (("raw", "raw"), ("bare", "bare"), ("documented", "documented"), ("Infra Audit", "ours")):
        each = figures[f"{rate}_per_s"]
        lines.append(f"| {name} | {each:,} | {1e6 / each:.1f} | {each / figures['bare_per_s']:.2f} |")
    return [*lines, ""]


def with_section(page: str, section: list[str]) -> str:
    """The page with `section` at its end, in place of the one that has the same heading."""
    before = "\n".join(section_of(page, section[0]))
    return "\n".join([(page.replace(before, "") if before else page).rstrip(), "", *section])


def section_of(page: str, heading: str) -> list[str]:
    """Its lines, from the heading to the next one; empty: it is not there."""
    lines = page.splitlines()
    if heading not in lines:
        return []
    start = lines.index(heading)
    end = next((n for n in range(start + 1, len(lines)) if lines[n].startswith("## ")), len(lines))
    return lines[start:end]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--peer", type=Path, help="where Drain3 is installed, or will be")
    what.add_argument("--probot", type=Path, help="where Probot is installed, or will be")
    what.add_argument("--live", action="store_true", help="the reading of live logs alone")
    parser.add_argument("--sentences", type=Path)
    parser.add_argument("--lines", type=int, nargs="+", default=[200_000, 1_000_000])
    options = parser.parse_args()
    old = PAGE.read_text("utf-8")
    if options.probot is not None:
        # Only here: a process that is started counts the peak of the one that starts it as its own, and a server is large.
        from benchmarks import intake

        taken = intake.compare(2.0, 3, options.probot)
        PAGE.write_text(with_section(old, intake_section(taken)), encoding="utf-8")
        print(json.dumps({"cases": len(taken), "intake": taken}))
        return 0
    if options.live:
        figures = _run("benchmarks.log_source")
        PAGE.write_text(with_section(old, live_section(figures)), encoding="utf-8")
        print(json.dumps(figures))
        return 0
    rows = compare(options.peer, options.lines, None)
    if options.sentences is not None:
        rows += compare(options.peer, options.lines, options.sentences)
    audits = [_run("benchmarks.audit", "--entries", str(count)) for count in (_SMALL, *options.lines)]
    written = with_section(page(rows, audits), live_section(_run("benchmarks.log_source")))
    if intakes := section_of(old, _INTAKE):
        written = with_section(written, [*intakes, ""])
    PAGE.write_text(written, encoding="utf-8")
    print(json.dumps({"cases": sum(options.lines), "grouping": rows, "audits": audits}))
    return 0


def _run(program: str, *options: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", program, *options], check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())

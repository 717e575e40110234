"""Are messages of one kind put into one group, how fast, and in how much memory?

    python -m benchmarks.grouping --messages FILE [--groups OUT] [--templates OUT]
    python -m benchmarks.grouping --entries FILE [--groups OUT]
    python -m benchmarks.grouping --peer DIRECTORY [--lines 200000 1000000] [--sentences FILE]

The first reads one message a line and writes one group id a line; the second does the same for LogEntry JSON, through parser
and Observer (without --groups it keeps no entry). The third makes fresh lines, groups them with Infra Audit and with Drain3,
each in a process of its own, and prints a table; Drain3 is installed into DIRECTORY when it is not there yet. The sentences
of the lines are those of a made-up shop, or the templates in FILE, one a line with `<*>` for values.
"""

import argparse
import json
import resource
import signal
import subprocess
import sys
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import orjson

from app.evidence.entries import BadEntry, parse_entry, parse_line
from app.evidence.observe import Observer
from app.evidence.templates import TemplateMiner, render
from benchmarks.fresh import entries, lines, shop, templates

DRAIN3 = "drain3==0.9.11"
_PATIENCE = 600
"""Seconds of CPU that the peer gets for one input."""


def group_messages(source: Path, groups: Path | None, templates: Path | None) -> dict[str, Any]:
    miner = TemplateMiner()
    add = miner.scope("").add
    shapes = array("L")
    with source.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for line in file:
            shapes.append(add(line.rstrip("\n")))
    by_shape = [render(template) for template in miner.finish()]
    ids = {text: number for number, text in enumerate(sorted(set(by_shape)))}
    if groups:
        _write(groups, [f"{ids[text]}\n" for text in by_shape], shapes)
    if templates:
        _write(templates, [text + "\n" for text in by_shape], shapes)
    return {"cases": len(shapes), "groups": len(ids)}


def _write(path: Path, texts: Sequence[str], numbers: Iterable[int]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(map(texts.__getitem__, numbers))


def group_entries(source: Path, groups: Path | None) -> dict[str, Any]:
    observer = Observer(remember_origins=groups is not None)
    count = bad = 0
    with source.open("rb") as file:
        for count, line in enumerate(file, 1):
            try:
                observer.add(parse_line(line, str(count)) or parse_entry(orjson.loads(line), str(count)))
            except (BadEntry, orjson.JSONDecodeError):
                bad += 1
    seen = observer.finish()
    if groups:
        group_of = observer.group_of()
        with groups.open("w", encoding="utf-8") as out:
            out.writelines(f"{group_of.get(str(number), '-')}\n" for number in range(1, count + 1))
    return {"cases": count, "bad": bad, "failures": len(seen.groups), "notices": len(seen.notices)}


# --- beside Drain3 ------------------------------------------------------------------------------------------------------


def compare(directory: Path, counts: Sequence[int], sentences: Path | None) -> list[dict[str, Any]]:
    """One row per volume and kind of input. A peer that runs out of time is told of as such: its figures are None."""
    peer = _peer(directory)
    script = str(Path(__file__).with_name("drain3_peer.py"))
    drawn = shop() if sentences is None else templates(sentences)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        source, groups = Path(folder) / "lines", Path(folder) / "groups"
        for count in counts:
            for kind, flag in (("messages", "--messages"), ("entries", "--entries")):
                truth = array("H")
                with source.open("wb") as out:
                    made = (
                        entries(count, drawn)
                        if kind == "entries"
                        else ((sentence, f"{message}\n".encode()) for sentence, message in lines(count, drawn))
                    )
                    for sentence, line in made:
                        truth.append(sentence)
                        out.write(line)
                own = [sys.executable, "-m", "benchmarks.grouping", flag, str(source)]
                ours = _run([*own, "--groups", str(groups)])
                right = fga(truth, groups)
                if kind == "entries":  # to say which line went where, every line's place is kept; an audit keeps none
                    ours = _run(own)
                theirs = _peer_run(
                    [peer, script, str(source), str(groups), *(["--entries"] if kind == "entries" else [])]
                )
                rows.append(
                    {
                        "input": kind,
                        "sentences": len(drawn),
                        "lines": count,
                        "ours_us": ours["seconds"] / count * 1e6,
                        "peer_us": theirs and theirs["seconds"] / count * 1e6,
                        "times": (theirs["seconds"] if theirs else _PATIENCE) / ours["seconds"],
                        "ours_fga": right,
                        "peer_fga": theirs and fga(truth, groups),
                        "ours_mb": ours["peak_rss_mb"],
                        "peer_mb": theirs and theirs["peak_rss_mb"],
                    }
                )
    return rows


def fga(truth: Iterable[int], groups: Path) -> float:
    """F1 of the groups that hold exactly the lines of one sentence."""
    with groups.open(encoding="utf-8") as file:
        both = Counter(zip(truth, (line.rstrip("\n") for line in file), strict=True))
    sentences, found = Counter[int](), Counter[str]()
    for (sentence, group), count in both.items():
        sentences[sentence] += count
        found[group] += count
    right = sum(count == sentences[s] == found[g] for (s, g), count in both.items())
    return 2 * right / (len(sentences) + len(found))


def table(rows: Sequence[dict[str, Any]]) -> str:
    head = "| input | sentences | lines | Infra Audit, µs/line | Drain3, µs/line | times | FGA | Drain3 | peak MB | Drain3 |"
    body = [
        f"| {r['input']} | {r['sentences']} | {r['lines']:,} | {r['ours_us']:.1f} | {_figure(r['peer_us'], 1)} |"
        f" {'' if r['peer_us'] else 'over '}{r['times']:.1f} | {r['ours_fga']:.3f} | {_figure(r['peer_fga'], 3)} |"
        f" {r['ours_mb']:.0f} | {_figure(r['peer_mb'], 0)} |"
        for r in rows
    ]
    return "\n".join([head, "|---|" + "---:|" * 9, *body])


def _figure(value: float | None, digits: int) -> str:
    return f"stopped after {_PATIENCE} s" if value is None else f"{value:.{digits}f}"


def _peer(directory: Path) -> str:
    python = directory / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", DRAIN3], check=True, stderr=subprocess.DEVNULL)
    return str(python)


def _peer_run(command: Sequence[str]) -> dict[str, Any] | None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (_PATIENCE, _PATIENCE))

    done = subprocess.run(command, check=False, capture_output=True, text=True, preexec_fn=limited)
    if done.returncode == -signal.SIGKILL:
        return None
    done.check_returncode()
    return json.loads(done.stdout.splitlines()[-1])


def _run(command: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--messages", type=Path)
    what.add_argument("--entries", type=Path)
    what.add_argument("--peer", type=Path)
    parser.add_argument("--groups", type=Path)
    parser.add_argument("--templates", type=Path)
    parser.add_argument("--lines", type=int, nargs="+", default=[200_000])
    parser.add_argument("--sentences", type=Path)
    options = parser.parse_args()
    if options.sentences is not None and not options.sentences.is_file():
        print(f"there is no file {options.sentences}: the benchmark's data is not here", file=sys.stderr)
        return 2
    if options.peer is not None:
        rows = compare(options.peer, options.lines, options.sentences)
        print(table(rows))
        print(json.dumps({"cases": sum(row["lines"] for row in rows), "rows": rows}))
        return 0
    source: Path = options.messages or options.entries
    if not source.is_file():
        print(f"there is no file {source}: the benchmark's data is not here", file=sys.stderr)
        return 2
    started = time.process_time()
    if options.messages:
        totals = group_messages(source, options.groups, options.templates)
    else:
        totals = group_entries(source, options.groups)
    totals["seconds"] = round(time.process_time() - started, 3)
    totals["peak_rss_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
    print(json.dumps(totals))
    return 0


if __name__ == "__main__":
    sys.exit(main())

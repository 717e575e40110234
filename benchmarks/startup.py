"""How soon a server is there again: from the start of its process to its first answer, and from kill -9 to the comment.

    python -m benchmarks.startup [--rounds 3]

A real server process on SQLite, a stand-in GitHub on loopback. In each round a command is delivered and acknowledged, the
server is killed while it reads logs, and started again: the comment must then stand there, once. Times are seconds from the
start of the second process, its imports included; CPU is that process's own, whatever else the machine does. The distance of a
second between writes is left out, as in the tests.
"""

import argparse
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.intake import cpu_of
from tests.fakes.github import FakeGitHub, running
from tests.fakes.service import environment, eventually


def start(github: FakeGitHub, directory: str, hold: Path, port: int) -> subprocess.Popen[bytes]:
    values = {**os.environ, **environment(github, f"{directory}/audit.db")}
    return subprocess.Popen([sys.executable, "-m", "tests.fakes.service", str(port), str(hold)], env=values)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def one_round() -> tuple[float, float, float]:
    with tempfile.TemporaryDirectory() as directory, running(FakeGitHub()) as github:
        repository = github.add_repository("acme/shop", roles={"dana": "write"})
        issue = github.open_issue(repository, "checkout fails")
        hold, port = Path(directory, "hold"), free_port()
        hold.touch()
        github.target = f"http://127.0.0.1:{port}/webhooks/github"
        first = start(github, directory, hold, port)
        try:
            eventually(lambda: answers(port), 60)
            comment = github.comment(repository, issue, "dana", "/audit")
            assert github.send(github.comment_delivery(repository, issue, comment)) == 202
            eventually(lambda: any("in progress" in c.body for c in github.ours(repository, issue)))
        finally:
            first.kill()
            first.wait()
        hold.unlink()
        begun = time.perf_counter()
        second = start(github, directory, hold, port)
        try:
            eventually(lambda: answers(port), 60)
            ready = time.perf_counter() - begun
            eventually(lambda: (github.bot, "rocket") in comment.reactions, 60)
            done = time.perf_counter() - begun
            cpu = cpu_of(second.pid)
        finally:
            second.terminate()
            second.wait(timeout=30)
        assert len(github.ours(repository, issue)) == 1
    return ready, done, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    begun = time.perf_counter()
    measured = [one_round() for _ in range(rounds)]
    ready, done, cpu = (statistics.median(values) for values in zip(*measured, strict=True))
    print(f"answers after {ready:.2f} s, the comment after {done:.2f} s, CPU {cpu:.2f} s (median of {rounds})")
    totals = {
        "cases": rounds,
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024, 1),
        "ready_seconds": round(ready, 2),
        "comment_seconds": round(done, 2),
        "cpu_seconds": round(cpu, 2),
    }
    print(json.dumps(totals))


if __name__ == "__main__":
    main()

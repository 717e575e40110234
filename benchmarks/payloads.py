"""GitHub's own example deliveries, every one of them, signed and posted to the running server.

    python -m benchmarks.payloads [--payloads FILE]

The examples are those of the npm package `@octokit/webhooks-examples`; npm puts them into a directory that is gone afterwards,
unless FILE (its `api.github.com/index.json`) is given. The server is the real one, with its store, its jobs and a stand-in
GitHub on loopback. Each answer is held against the rule for that event, written down here a second time, and each relevant
delivery against the job that it must lead to. Examples that come from a repository's hook carry no installation, which the
App's own deliveries always do: one is added, and their number is printed. The example comments are posted once more with a
command in them, since none of them has one.

Exit code 1 when anything differs from the rule, 2 when the examples cannot be had.
"""

import argparse
import copy
import json
import resource
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text

from tests.fakes.github import FakeDelivery, FakeGitHub, running
from tests.fakes.service import eventually, service

PACKAGE = "@octokit/webhooks-examples@7.6"
NPM = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", PACKAGE]
TRIGGER = "bug"
"""The label in the examples; the stand-in's configuration makes it a trigger, so that labelled examples lead to an audit."""
CONFIG = f"version: 1\nlabels: {{{TRIGGER}: production}}\nenvironments: {{production: {{}}}}\n"
RULE = {
    ("issues", "labeled"): "labeled",
    ("issues", "reopened"): "reopened",
    ("issues", "closed"): "closed",
    ("issues", "deleted"): "gone",
    ("issues", "transferred"): "gone",
    ("deployment_status", "created"): "deployed",
    ("pull_request", "opened"): "proposed",
    ("pull_request", "reopened"): "proposed",
    ("pull_request", "synchronize"): "proposed",
    ("installation", "created"): "installed",
    ("installation", "deleted"): "uninstalled",
}


def examples(path: Path) -> list[tuple[str, dict[str, Any]]]:
    return [(one["name"], payload) for one in json.loads(path.read_text("utf-8")) for payload in one["examples"]]


def expected(name: str, payload: dict[str, Any]) -> str:
    """What must become of it: the kind of its job, or "ignored"."""
    if name == "deployment_status" and payload["deployment_status"]["state"] != "success":
        return "ignored"
    if name == "issue_comment" and payload["action"] == "created" and "/audit" in payload["comment"]["body"]:
        return "commanded"
    return RULE.get((name, payload.get("action", "")), "ignored")


def signed(github: FakeGitHub, name: str, payload: dict[str, Any]) -> tuple[str, int]:
    """Post it; the delivery's id and the answer's status."""
    guid, body = str(uuid.uuid4()), json.dumps(payload).encode()
    delivery = FakeDelivery(0, guid, name, payload, delivered_at=None)  # pyright: ignore[reportArgumentType]  # not listed
    return guid, httpx.post(str(github.target), content=body, headers=github.headers(delivery, body)).status_code


def run(path: Path) -> int:
    begun = time.perf_counter()
    given = examples(path)
    lacking = sum("installation" not in payload for _, payload in given)
    with_command = [copy.deepcopy(one) for one in given if one[0] == "issue_comment" and one[1]["action"] == "created"]
    for _, payload in with_command:
        payload["comment"]["body"] += "\n/audit since=1h\n"
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as directory, running(FakeGitHub()) as github:
        for full_name in ("Codertocat/Hello-World", "octo-org/octo-repo"):
            repository = github.add_repository(full_name, files={".github/infra-audit.yml": CONFIG})
            repository.roles["Codertocat"] = "admin"
            github.open_issue(repository, "an example")
            for _, payload in given:
                if (number := payload.get("number")) is not None and "pull_request" in payload:
                    repository.pulls[number] = {"README.md": "an example"}
        with service(github, f"{directory}/audit.db") as server:
            sent: dict[str, tuple[str, str]] = {}
            for name, payload in given + with_command:
                full = {**payload, "installation": {"id": github.installation}}
                wanted = expected(name, full)
                guid, status = signed(github, name, full)
                sent[guid] = f"{name} {full.get('action', '')}", wanted
                if status != 202:
                    wrong.append(f"{name} {full.get('action', '')}: answered {status}")

            def states() -> dict[str, tuple[str, str]]:
                with server.archive.engine.connect() as connection:
                    rows = connection.execute(text("SELECT guid, event, state FROM deliveries")).all()
                return {row[0]: (json.loads(row[1])["kind"], row[2]) for row in rows}

            eventually(lambda: all(state in ("done", "failed") for _, state in states().values()), seconds=120)
            found = states()
            for guid, (what, wanted) in sent.items():
                kind, state = found.get(guid, ("ignored", "done"))
                outcomes[kind if state == "done" else f"{kind}, {state}"] += 1
                if kind != wanted or state != "done":
                    wrong.append(f"{what}: {kind} ({state}) instead of {wanted}")
    for outcome, count in sorted(outcomes.items(), key=lambda one: (-one[1], one[0])):
        print(f"{count:5} {outcome}")
    print(f"{lacking} of {len(given)} examples carry no installation; one was added to each")
    print(f"{len(with_command)} example comments were posted once more with a command in them")
    for line in wrong:
        print(f"WRONG {line}")
    totals = {
        "cases": len(sent),
        "wrong": len(wrong),
        "seconds": round(time.perf_counter() - begun, 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    print(json.dumps({**totals, "outcomes": dict(sorted(outcomes.items()))}))
    return 1 if wrong else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--payloads", type=Path, help="the package's api.github.com/index.json")
    arguments = parser.parse_args()
    if arguments.payloads is not None:
        if not arguments.payloads.is_file():
            print(f"{arguments.payloads} is no file", file=sys.stderr)
            raise SystemExit(2)
        raise SystemExit(run(arguments.payloads))
    with tempfile.TemporaryDirectory() as directory:
        try:
            subprocess.run(NPM, cwd=directory, check=True, capture_output=True, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            print(f"the examples cannot be had: {error}; name them with --payloads", file=sys.stderr)
            raise SystemExit(2) from error
        path = Path(directory, "node_modules", "@octokit", "webhooks-examples", "api.github.com", "index.json")
        raise SystemExit(run(path))


if __name__ == "__main__":
    main()

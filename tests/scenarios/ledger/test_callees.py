"""What the source tells beyond patches: which function a change is in, and that failing code uses what another gave.

The trace ends in one function, and the commit that mends it often changes another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from app.diagnosis.changes import match_commits
from app.diagnosis.model import FileRef, Match, plain
from app.evidence.deployments import assemble_revisions
from app.evidence.entries import parse_entry
from app.evidence.model import CommitSha, HistoryFacts, Request, Scope, Window
from app.evidence.observe import Observer
from app.history import confirm_commits, read_history
from tests.repository import Repository
from tests.scenarios.ledger.story import Story, at


@dataclass(frozen=True, slots=True)
class Fault:
    """`files` as they run, the `trace` that they print, what mends it, and commits that are about something else."""

    files: Mapping[str, str]
    trace: str
    fix: Mapping[str, str]
    others: tuple[Mapping[str, str], ...]


PYTHON = Fault(
    {
        "shop/api.py": """\
from shop.users import load_user


def ping():
    return {"ok": True}


def serialize(order):
    user = load_user(order.user_id)
    lines = [str(line) for line in order.lines]
    return {"id": order.id, "name": user.name, "lines": lines}
""",
        "shop/users.py": """\
ROWS = {}


class User:
    def __init__(self, name):
        self.name = name


def load_user(user_id):
    row = ROWS.get(user_id)
    if row is None:
        return None
    return User(row["name"])


def forget(user_id):
    ROWS.pop(user_id, None)
""",
        "shop/stock.py": "LEFT = {}\n\n\ndef reserve(item):\n    LEFT[item] -= 1\n    return LEFT[item]\n",
    },
    """\
Traceback (most recent call last):
  File "/srv/shop/api.py", line 11, in serialize
    return {"id": order.id, "name": user.name, "lines": lines}
AttributeError: 'NoneType' object has no attribute 'name'""",
    {"shop/users.py": "        return None\n|        return User('deleted')\n"},
    (
        {"shop/users.py": "    ROWS.pop(user_id, None)\n|    ROWS.pop(user_id, 0)\n"},
        {"shop/stock.py": "    LEFT[item] -= 1\n|    LEFT[item] = LEFT.get(item, 0) - 1\n"},
    ),
)
JAVA = Fault(
    {
        "src/main/java/com/acme/shop/OrderView.java": """\
package com.acme.shop;

class OrderView {
  private final UserStore users = new UserStore();

  String serialize(Order order) {
    User user = users.findUser(order.userId());
    StringBuilder out = new StringBuilder();
    out.append(order.id());
    out.append(user.name());
    return out.toString();
  }
}
""",
        "src/main/java/com/acme/shop/UserStore.java": """\
package com.acme.shop;

class UserStore {
  User findUser(long id) {
    Row row = Rows.find(id);
    if (row == null) {
      return null;
    }
    return new User(row);
  }

  int countUsers() {
    return Rows.count();
  }
}
""",
        "src/main/java/com/acme/shop/Stock.java": "class Stock {\n  int left() {\n    return 1;\n  }\n}\n",
    },
    """\
java.lang.NullPointerException
\tat com.acme.shop.OrderView.serialize(OrderView.java:10)
\tat com.acme.shop.Orders.show(Orders.java:31)""",
    {"src/main/java/com/acme/shop/UserStore.java": "      return null;\n|      return User.DELETED;\n"},
    (
        {"src/main/java/com/acme/shop/UserStore.java": "    return Rows.count();\n|    return Rows.size();\n"},
        {"src/main/java/com/acme/shop/Stock.java": "    return 1;\n|    return 2;\n"},
    ),
)
SCRIPT = Fault(
    {
        "src/view.js": """\
const { findUser } = require('./user-store');

function serialize(order) {
  const user = findUser(order.userId);
  const lines = order.lines.map(String);
  return { id: order.id, name: user.name, lines };
}

module.exports = { serialize };
""",
        "src/user-store.js": """\
const rows = new Map();

function findUser(id) {
  const row = rows.get(id);
  return row && { name: row.name };
}

function forget(id) {
  rows.delete(id);
}

module.exports = { findUser, forget };
""",
        "src/stock.js": "function reserve(item) {\n  item.left -= 1;\n}\n\nmodule.exports = { reserve };\n",
    },
    """\
TypeError: Cannot read properties of undefined (reading 'name')
    at serialize (/srv/src/view.js:6:39)
    at show (/srv/src/pages.js:12:10)""",
    {"src/user-store.js": "  return row && { name: row.name };\n|  return { name: row ? row.name : 'deleted' };\n"},
    (
        {"src/user-store.js": "  rows.delete(id);\n|  rows.set(id, null);\n"},
        {"src/stock.js": "  item.left -= 1;\n|  item.left = Math.max(0, item.left - 1);\n"},
    ),
)
GO = Fault(
    {
        "view/order.go": """\
package view

import "acme.example/shop/users"

func Serialize(o Order) string {
	user, _ := users.FindUser(o.UserID)
	id := o.ID
	return id + user.Name
}
""",
        "users/users.go": """\
package users

func FindUser(id int) (*User, error) {
	row, found := rows[id]
	if !found {
		return nil, nil
	}
	return &User{row}, nil
}

func Forget(id int) {
	delete(rows, id)
}
""",
        "stock/stock.go": "package stock\n\nfunc Reserve(item string) {\n\tleft[item]--\n}\n",
    },
    """\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x47d8a5]

goroutine 1 [running]:
acme.example/shop/view.Serialize({0x1, 0x2})
\t/srv/view/order.go:8 +0x25
main.main()
\t/srv/main.go:9 +0x1d""",
    {"users/users.go": "\t\treturn nil, nil\n|\t\treturn &Deleted, nil\n"},
    (
        {"users/users.go": "\tdelete(rows, id)\n|\trows[id] = gone\n"},
        {"stock/stock.go": "\tleft[item]--\n|\tleft[item] = max(0, left[item]-1)\n"},
    ),
)
FAULTS = {"python": PYTHON, "java": JAVA, "javascript": SCRIPT, "go": GO}


def edited(files: Mapping[str, str], change: Mapping[str, str]) -> dict[str, str]:
    """`change` holds, by path, a line of the file and what it becomes, parted by a bar at the begin of a line."""
    out: dict[str, str] = {}
    for path, edit in change.items():
        old, new = edit.split("|", 1)
        assert files[path].count(old) == 1, (path, old)
        out[path] = files[path].replace(old, new)
    return out


async def told(repo: Repository, fault: Fault) -> tuple[CommitSha, CommitSha, HistoryFacts, tuple[Match, ...]]:
    """What runs, the fix, and how every commit after it is judged. Each commit stands alone: the next one takes it back."""
    running = repo.commit("Shop", fault.files)
    shas: list[CommitSha] = []
    for change in (*fault.others, fault.fix):
        shas.append(repo.commit("Change", edited(fault.files, change)))
        repo.commit("Change", fault.files)
    observer = Observer()
    raw = {
        "timestamp": at(1).isoformat(),
        "insertId": "i",
        "logName": "projects/shop/logs/run.googleapis.com%2Fstderr",
        "resource": {"type": "cloud_run_revision", "labels": {"service_name": "api", "revision_name": "api-1"}},
        "labels": {"commit-sha": running},
        "severity": "ERROR",
        "textPayload": fault.trace,
    }
    observer.add(parse_entry(raw, "logs.jsonl:1"))
    observations = observer.finish()
    window = Window(at(0), at(60))
    source = Story.source(repo)
    revisions = await confirm_commits(source, assemble_revisions(observations, (), {}, window))
    request = Request(window, at(60), scope=Scope(source_roots=("/srv",)))
    facts, gaps = await read_history(source, request, observations, revisions, None)
    assert gaps == ()
    commits = [commit for commit in facts.commits if commit.sha in shas]
    return running, shas[-1], facts, match_commits(observations.groups[0], commits, facts)


@pytest.mark.parametrize("language", FAULTS)
async def test_the_commit_that_changes_what_the_failing_line_got_comes_first(tmp_path: Path, language: str) -> None:
    running, fix, _, matches = await told(Repository(tmp_path / "uses"), FAULTS[language])
    assert matches[0].sha == fix
    assert matches[0].score > 1.2 * matches[1].score
    (reason,) = [reason for match in matches for reason in match.reasons_for if "uses its result" in plain(reason.text)]
    assert reason in matches[0].reasons_for
    assert [ref.sha for ref in reason.evidence if isinstance(ref, FileRef)] == [fix, running]


async def test_a_namesake_in_a_file_that_the_failing_code_does_not_know_is_another_function(tmp_path: Path) -> None:
    stock = "def load_user(item):\n    return LEFT[item]\n"
    fault = replace(
        PYTHON,
        files={**PYTHON.files, "shop/stock.py": stock},
        others=(),
        fix={"shop/stock.py": "    return LEFT[item]\n|    return LEFT.get(item)\n"},
    )
    _, fix, facts, _ = await told(Repository(tmp_path / "namesake"), fault)
    assert fix not in {use.changed.sha for use in facts.uses}


async def test_a_namesake_that_the_failing_code_may_mean_leaves_open_which_is_used(tmp_path: Path) -> None:
    api = PYTHON.files["shop/api.py"].replace("import load_user", "import load_user\nfrom shop import stock")
    fault = replace(
        PYTHON,
        files={**PYTHON.files, "shop/api.py": api, "shop/stock.py": "def load_user(item):\n    return LEFT[item]\n"},
        trace=PYTHON.trace.replace("line 11", "line 12"),
        others=({"shop/stock.py": "    return LEFT[item]\n|    return LEFT.get(item)\n"},),
    )
    _, fix, facts, _ = await told(Repository(tmp_path / "namesakes"), fault)
    assert fix not in {use.changed.sha for use in facts.uses}


async def test_a_comment_in_what_the_failing_line_uses_is_no_change_of_it(tmp_path: Path) -> None:
    fault = replace(PYTHON, others=(), fix={"shop/users.py": "    if row is None:\n|    # gone\n    if row is None:\n"})
    _, fix, facts, _ = await told(Repository(tmp_path / "comment"), fault)
    assert fix not in {use.changed.sha for use in facts.uses}


async def test_a_change_far_below_the_begin_of_its_function_is_known_to_be_in_it(tmp_path: Path) -> None:
    steps = "".join(f"        total = total + self.part({i})\n" for i in range(12))
    cart = (
        f"class Cart:\n    def part(self, i):\n        return self.parts[i]\n\n"
        f"    def total(self):\n        total = 0\n{steps}        return self.rounded(total)\n"
    )
    fault = Fault(
        {"shop/cart.py": cart},
        """\
Traceback (most recent call last):
  File "/srv/shop/cart.py", line 9, in total
    total = total + self.part(2)
TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'""",
        {"shop/cart.py": "        return self.rounded(total)\n|        return self.rounded(total or 0)\n"},
        (),
    )
    _, fix, facts, matches = await told(Repository(tmp_path / "below"), fault)
    (change,) = next(commit.changes for commit in facts.commits if commit.sha == fix)
    assert change.hunks[0].heading == "class Cart:"
    assert [span.name for span in change.functions or ()] == ["Cart.total"]
    assert "it changes total in shop/cart.py, a function of the trace" in [
        plain(r.text) for r in matches[0].reasons_for
    ]

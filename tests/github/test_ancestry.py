"""What follows from the known part of a commit graph, and what does not."""

from datetime import UTC, datetime

from app.evidence.model import Commit, CommitSha
from app.github.ancestry import Ancestry
from app.redact import cut

AT = datetime(2025, 9, 15, tzinfo=UTC)


def graph(**parents: str) -> Ancestry:
    """Commits by name, each with the names of its parents; who is named and not given is unknown."""
    ancestry = Ancestry()
    for name, text in parents.items():
        ids = tuple(CommitSha(parent) for parent in text.split())
        ancestry.learn(Commit(CommitSha(name), ids, AT, cut("a"), cut(name), cut("")))
    return ancestry


def between(ancestry: Ancestry, base: str, running: str) -> tuple[list[str], bool] | None:
    span = ancestry.between(CommitSha(base), CommitSha(running))
    return None if span is None else ([commit.sha for commit in span.commits], span.ancestor)


def test_a_line_that_ends_at_the_base_is_known_whatever_lies_before_the_base() -> None:
    assert between(graph(base="unknown", one="base", two="one"), "base", "two") == (["one", "two"], True)


def test_what_a_merge_brought_may_lie_in_the_unknown_past_of_the_base() -> None:
    assert between(graph(base="unknown", root="", merge="base root"), "base", "merge") is None
    assert between(graph(base="root", root="", merge="base root"), "base", "merge") == (["merge"], True)


def test_a_line_beside_the_base_may_lie_in_its_unknown_past() -> None:
    assert between(graph(base="unknown", root="", running="root"), "base", "running") is None
    assert between(graph(base="root", root="", running="root"), "base", "running") == (["running"], False)


def test_an_unknown_commit_on_the_running_line_leaves_it_open() -> None:
    assert between(graph(base="root", root="", running="unknown"), "base", "running") is None
    assert between(graph(base="root", root=""), "base", "running") is None


def test_what_runs_behind_the_base_brought_nothing() -> None:
    assert between(graph(base="running", running=""), "base", "running") == ([], False)
    assert between(graph(base=""), "base", "base") == ([], True)


def test_who_descends_from_whom_is_said_only_where_it_is_known() -> None:
    ancestry = graph(base="unknown", one="base", two="one", root="", aside="root")
    ask = [("base", "two"), ("two", "base"), ("two", "two"), ("root", "two"), ("two", "aside")]
    assert [ancestry.descends(CommitSha(a), CommitSha(b)) for a, b in ask] == [True, False, True, None, False]


def test_ancestors_come_before_descendants_and_commits_that_nothing_orders_by_id() -> None:
    ancestry = graph(base="", one="base", two="one", aside="base", merge="two aside")
    asked = [CommitSha(name) for name in ("two", "merge", "one", "base", "aside")]
    assert ancestry.in_order(asked) == ["base", "aside", "one", "two", "merge"]
    assert ancestry.in_order([CommitSha("two"), CommitSha("base")]) == ["base", "two"]

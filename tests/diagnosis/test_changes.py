"""Patches parsed, frames mapped to paths, commits held against an error group."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from app.diagnosis.changes import map_frame, match_commits, parse_patch
from app.diagnosis.model import Match, plain
from app.evidence.model import (
    Commit,
    CommitSha,
    ErrorGroup,
    ExceptionInfo,
    FileChange,
    Fingerprint,
    Frame,
    FrameSource,
    GroupKind,
    HistoryFacts,
    Language,
    PayloadField,
    Sample,
    Severity,
    StackTrace,
)
from app.redact import Redacted, cut

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)

PATCH = """\
diff --git a/shop/orders.py b/shop/orders.py
index 1111111..2222222 100644
--- a/shop/orders.py
+++ b/shop/orders.py
@@ -40,4 +40,6 @@ def total(self, lines):
     amount = 0
     for line in lines:
-        amount += line.price.value
+        if line.price is None:
+            continue
+        amount += line.price.value * line.count
     return amount
"""


def commit(patch: str, *, sha: str = "a" * 40, subject: str = "Change", parents: int = 1) -> Commit:
    parent_shas = tuple(CommitSha(str(i) * 40) for i in range(parents))
    return Commit(CommitSha(sha), parent_shas, T0, cut("dev"), cut(subject), cut(""), parse_patch(cut(patch)))


def one_file(path: str, *lines: str, heading: str = "", start: int = 10) -> str:
    old = sum(1 for line in lines if line[:1] != "+")
    new = sum(1 for line in lines if line[:1] != "-")
    head = f"diff --git a/{path} b/{path}\n--- a/{path}\n+++ b/{path}\n@@ -{start},{old} +{start},{new} @@ {heading}\n"
    return head + "\n".join(lines) + "\n"


def frame(file: str, function: str, line: int | None = 10, *, module: str | None = None, own: bool = True) -> Frame:
    return Frame(Redacted(function), Redacted(file), line, Redacted(module) if module else None, own)


def group(kind: str, message: str, *frames: Frame, language: Language = Language.PYTHON, text: str = "") -> ErrorGroup:
    trace = StackTrace(language, (ExceptionInfo(Redacted(kind), Redacted(message), frames),)) if frames else None
    sample = Sample(
        "e1", T0, Severity.ERROR, "stderr", None, "cloud_run_revision", {}, None, None, None, PayloadField.TEXT,
        Redacted(text or f"{kind}: {message}"), None, None, None, None, "test:1",
    )  # fmt: skip
    title = Redacted(f"{kind}: {message}")
    return ErrorGroup(
        Fingerprint("g1-0123456789ab"), GroupKind.TRACE, True, title, title, Severity.ERROR, 1, 1, T0, T0, {}, (), (), 1,
        sample, sample, trace,
    )  # fmt: skip


NONE_PRICE = group(
    "AttributeError",
    "'NoneType' object has no attribute 'value'",
    frame("/app/shop/orders.py", "total", 58),
    frame("/app/shop/web.py", "checkout", 12),
)


# --- patches


def test_a_patch_keeps_lines_with_their_numbers_and_the_heading():
    (change,) = parse_patch(cut(PATCH))
    assert (change.old_path, change.path) == ("shop/orders.py", "shop/orders.py")
    (hunk,) = change.hunks
    assert hunk.heading == "def total(self, lines):"
    assert hunk.removed == ((42, "        amount += line.price.value"),)
    assert [number for number, _ in hunk.added] == [42, 43, 44]
    assert [number for number, _ in hunk.context] == [40, 41, 43]


def test_new_deleted_renamed_and_binary_files_are_told_apart():
    text = """\
diff --git a/new.py b/new.py
new file mode 100644
--- /dev/null
+++ b/new.py
@@ -0,0 +1 @@
+x = 1
diff --git a/old.py b/old.py
deleted file mode 100644
--- a/old.py
+++ /dev/null
@@ -1 +0,0 @@
-x = 1
diff --git a/was.py b/is now.py
similarity index 100%
rename from was.py
rename to is now.py
diff --git a/logo.png b/logo.png
index 1..2 100644
Binary files a/logo.png and b/logo.png differ
"""
    assert [(c.old_path, c.path, len(c.hunks)) for c in parse_patch(cut(text))] == [
        (None, "new.py", 1),
        ("old.py", None, 1),
        ("was.py", "is now.py", 0),
        ("logo.png", "logo.png", 0),
    ]


def test_a_changed_line_that_looks_like_a_header_stays_a_line():
    text = "--- a/q.sql\n+++ b/q.sql\n@@ -1,2 +1,2 @@\n--- drop it\n+++ keep it\n select 1\n"
    (change,) = parse_patch(cut(text))
    assert change.path == "q.sql"
    assert change.hunks[0].removed == ((1, "-- drop it"),)
    assert change.hunks[0].added == ((1, "++ keep it"),)


def test_quoted_names_are_read_as_git_meant_them():
    text = 'diff --git "a/caf\\303\\251.py" "b/caf\\303\\251.py"\n--- "a/caf\\303\\251.py"\n+++ "b/caf\\303\\251.py"\n'
    assert [c.path for c in parse_patch(cut(text))] == ["café.py"]


def test_a_quoted_name_may_hold_letters_as_they_are_beside_escapes():
    text = '--- "a/café \\"日本\\".py"\n+++ "b/caf\\303\\251 \\"日本\\".py"\n@@ -1 +1 @@\n-a\n+b\n'
    (change,) = parse_patch(cut(text))
    assert (change.old_path, change.path) == ('café "日本".py', 'café "日本".py')


@given(st.text(max_size=300))
def test_no_text_makes_the_patch_parser_raise(text: str):
    for change in parse_patch(Redacted(text)):
        assert change.path or change.old_path


@given(
    st.lists(st.sampled_from([*PATCH.split("\n"), "@@ -1 +1 @@", "@@ bad", "--- ", "+++ ", '"', "\\", "rename to x"]))
)
def test_no_shuffled_patch_makes_the_parser_raise(lines: list[str]):
    for change in parse_patch(Redacted("\n".join(lines))):
        assert change.path or change.old_path


# --- frames to paths

PATHS = ["shop/orders.py", "shop/web.py", "tests/orders.py", "api/shop/orders.py", "shop/__init__.py"]


def test_a_frame_maps_to_the_longest_common_suffix():
    assert map_frame(frame("/srv/api/shop/orders.py", "total"), PATHS, ()) == "api/shop/orders.py"
    assert map_frame(frame("/app/shop/web.py", "checkout"), PATHS, ()) == "shop/web.py"


def test_a_frame_that_fits_two_paths_equally_maps_to_none():
    assert map_frame(frame("orders.py", "total"), ["a/orders.py", "b/orders.py"], ()) is None


def test_a_path_that_lies_wholly_in_the_frame_wins_over_a_deeper_one():
    assert map_frame(frame("/app/shop/orders.py", "total"), PATHS, ()) == "shop/orders.py"


def test_a_source_root_is_taken_off_first():
    assert map_frame(frame("/workspace/main.py", "run"), ["main.py", "jobs/main.py"], ("/workspace",)) == "main.py"


def test_a_file_name_that_every_package_has_does_not_map_by_itself():
    assert map_frame(frame("/app/other/__init__.py", "x"), PATHS, ()) is None


def test_a_java_frame_maps_by_its_package():
    paths = ["core/src/main/java/com/acme/shop/Orders.java", "core/src/main/java/com/acme/old/Orders.java"]
    java = frame("Orders.java", "total", module="com.acme.shop.Orders$Line")
    assert map_frame(java, paths, ()) == paths[0]


def test_a_frame_without_file_maps_to_none():
    assert map_frame(Frame(Redacted("total"), None, 3), PATHS, ()) is None


@given(
    st.text(alphabet="ab/.\\:", max_size=12),
    st.lists(st.text(alphabet="ab/.", min_size=1, max_size=8), max_size=6),
    st.lists(st.text(alphabet="ab/", max_size=4), max_size=2),
)
def test_a_mapped_path_always_has_the_name_of_the_frames_file(file: str, paths: list[str], roots: list[str]):
    found = map_frame(frame(file, "f"), paths, roots)
    if found is not None:
        assert found in paths
        assert found.rpartition("/")[2] == file.replace("\\", "/").rpartition("/")[2]


# --- matching


def test_the_commit_that_changes_the_failing_function_comes_first_and_says_why():
    other = commit(one_file("shop/stock.py", "-a = 1", "+a = 2"), sha="b" * 40)
    fix = commit(PATCH, sha="c" * 40)
    best, rest = match_commits(NONE_PRICE, [other, fix], HistoryFacts())
    assert best.sha == fix.sha
    assert best.score > rest.score
    assert best.fits
    assert not rest.fits
    assert any("total" in plain(reason.text) for reason in best.reasons_for)
    assert any("no file of the stack trace" in plain(reason.text) for reason in rest.reasons_against)


def test_a_function_still_ties_when_lines_drifted_away():
    fix = commit(
        one_file("shop/orders.py", "-    x = 1", "+    x = 2", heading="def total(self):", start=900), sha="b" * 40
    )
    near = commit(
        one_file("shop/orders.py", "-    y = 1", "+    y = 2", heading="def refund(self):", start=890), sha="c" * 40
    )
    assert match_commits(NONE_PRICE, [near, fix], HistoryFacts())[0].sha == fix.sha


def test_a_rename_does_not_hide_the_file():
    text = PATCH.replace("+++ b/shop/orders.py", "+++ b/store/orders.py").replace(
        "b/shop/orders.py\nindex", "b/store/orders.py\nindex"
    )
    moved = commit(text)
    assert moved.changes[0].path == "store/orders.py"
    (match,) = match_commits(NONE_PRICE, [moved], HistoryFacts())
    assert match.reasons_for


def test_a_known_path_of_a_frame_is_believed_over_its_looks():
    printed = NONE_PRICE.trace.innermost.frames[0] if NONE_PRICE.trace else frame("x.py", "x")
    facts = HistoryFacts(frames=(FrameSource(NONE_PRICE.id, printed, "legacy/orders.py", None),))
    (known,) = match_commits(NONE_PRICE, [commit(PATCH.replace("shop/orders", "legacy/orders"))], facts)
    (wrong,) = match_commits(NONE_PRICE, [commit(PATCH)], facts)
    assert known.score > wrong.score


def test_tests_documents_formatting_and_merges_count_less():
    plain_fix = match_commits(NONE_PRICE, [commit(PATCH)], HistoryFacts())[0]
    merge = match_commits(NONE_PRICE, [commit(PATCH, parents=2)], HistoryFacts())[0]
    formatting = commit(
        one_file("shop/orders.py", "-    x  = 1", "+    x = 1", heading="def total(self, lines):", start=42)
    )
    tests = commit(one_file("tests/test_orders.py", "-    assert total() == 1", "+    assert total() == 2"))
    documents = commit(one_file("docs/orders.md", "-total", "+total of value"))
    assert merge.score < plain_fix.score
    for match, words in (
        (match_commits(NONE_PRICE, [formatting], HistoryFacts())[0], "formatting"),
        (match_commits(NONE_PRICE, [tests], HistoryFacts())[0], "tests only"),
        (match_commits(NONE_PRICE, [documents], HistoryFacts())[0], "documents only"),
        (merge, "merge"),
    ):
        assert any(words in plain(reason.text) for reason in match.reasons_against)


def test_requirements_are_no_document_and_a_failing_test_helper_is_no_test():
    pinned = commit(one_file("requirements.txt", "-orders==1.0", "+orders==1.1"))
    assert not says(match_commits(NONE_PRICE, [pinned], HistoryFacts())[0], "documents only")
    failing = group("AttributeError", "x", frame("/app/shop/test/client.py", "send", 11))
    helper = commit(one_file("shop/test/client.py", "-    x = 1", "+    x = 2", heading="def send(self):"))
    assert not says(match_commits(failing, [helper], HistoryFacts())[0], "tests only")


def test_a_commit_whose_changes_were_not_read_scores_nothing_and_says_so():
    unread = Commit(CommitSha("d" * 40), (), T0, cut("dev"), cut("Fix total"), cut(""))
    (match,) = match_commits(NONE_PRICE, [unread], HistoryFacts())
    assert (match.score, match.fits, match.reasons_for) == (0.0, False, ())
    assert "not read" in plain(match.reasons_against[0].text)


def test_an_error_without_trace_is_matched_by_its_words():
    silent = group("ConfigError", "unknown currency code for warehouse ledger")
    fix = commit(
        one_file("shop/ledger.py", '-    raise ConfigError("unknown currency code for warehouse ledger")', "+    pass")
    )
    other = commit(one_file("shop/web.py", "-    a = 1", "+    a = 2"), sha="b" * 40)
    best = match_commits(silent, [other, fix], HistoryFacts())[0]
    assert best.sha == fix.sha
    assert any("message text" in plain(reason.text) for reason in best.reasons_for)


def test_same_input_same_output_in_any_order():
    commits = [commit(PATCH, sha="c" * 40), commit(one_file("shop/web.py", "-a", "+b"), sha="b" * 40)]
    once = match_commits(NONE_PRICE, commits, HistoryFacts())
    assert once == match_commits(NONE_PRICE, list(reversed(commits)), HistoryFacts())


def test_every_reason_carries_the_commit_and_the_entry():
    (match,) = match_commits(NONE_PRICE, [commit(PATCH)], HistoryFacts())
    for reason in (*match.reasons_for, *match.reasons_against):
        assert {ref.kind for ref in reason.evidence} >= {"commit", "entry"}


def test_a_change_without_any_hunk_is_no_error():
    bare = Commit(CommitSha("e" * 40), (), T0, cut("dev"), cut("x"), cut(""), (FileChange("a.bin", "a.bin", ()),))
    assert not match_commits(NONE_PRICE, [bare], HistoryFacts())[0].fits


def says(match: Match, words: str) -> bool:
    return any(words in plain(reason.text) for reason in (*match.reasons_for, *match.reasons_against))


def test_the_printed_source_line_ties_through_any_drift():
    text = (
        "Traceback (most recent call last):\n"
        '  File "/app/shop/orders.py", line 58, in total\n'
        "    amount += line.price.value\n"
        "AttributeError: 'NoneType' object has no attribute 'value'"
    )
    failing = group("AttributeError", "x", frame("/app/shop/orders.py", "total", 58), text=text)
    moved = commit(one_file("shop/orders.py", "-        amount += line.price.value", "+        pass", start=900))
    (match,) = match_commits(failing, [moved], HistoryFacts())
    assert says(match, "holds the line amount += line.price.value, which the trace prints")


def test_a_call_of_the_trace_that_the_patch_changes_ties_without_a_function_name():
    failing = group(
        "java.lang.IllegalStateException",
        "closed",
        frame("Store.java", "write", 310, module="com.acme.Store"),
        frame("Orders.java", "save", 88, module="com.acme.Orders"),
        language=Language.JAVA,
    )
    fix = commit(
        one_file("src/com/acme/Orders.java", "-        write(order);", "+        flush();", start=110), sha="b" * 40
    )
    other = commit(one_file("src/com/acme/Orders.java", "-        x = 1;", "+        x = 2;", start=112), sha="c" * 40)
    best = match_commits(failing, [other, fix], HistoryFacts())[0]
    assert best.sha == fix.sha
    assert says(best, "calls or raises write")


def test_a_commit_that_brings_the_failing_function_is_hardly_its_fix():
    bringing = one_file("shop/orders.py", "+def total(self):", "+    return self.price.value", start=40)
    (match,) = match_commits(NONE_PRICE, [commit(bringing)], HistoryFacts())
    assert says(match, "the code that failed has total already, which this commit brings")
    assert match.score < match_commits(NONE_PRICE, [commit(PATCH)], HistoryFacts())[0].score


def test_a_commit_that_brings_the_printed_line_is_told_by_that_line():
    text = 'Traceback:\n  File "/app/shop/orders.py", line 58, in total\n    rate = order["rate"]\nKeyError: \'rate\''
    failing = group("KeyError", "'rate'", frame("/app/shop/orders.py", "total", 58), text=text)
    culprit = commit(one_file("shop/orders.py", '-    rate = order.get("rate")', '+    rate = order["rate"]', start=58))
    (match,) = match_commits(failing, [culprit], HistoryFacts())
    assert says(match, 'the code that failed has rate = order["rate"] already, which this commit brings')


def test_what_the_failing_code_has_already_speaks_against_a_fix_and_not_against_a_cause():
    text = 'Traceback:\n  File "/app/shop/orders.py", line 58, in total\n    rate = order["rate"]\nKeyError: \'rate\''
    failing = group("KeyError", "'rate'", frame("/app/shop/orders.py", "total", 58), text=text)
    culprit = commit(one_file("shop/orders.py", '-    rate = order.get("rate")', '+    rate = order["rate"]', start=58))
    nearby = commit(one_file("shop/orders.py", "-    x = compute()", "+    x = other()", start=66), sha="b" * 40)
    by_sha = {match.sha: match for match in match_commits(failing, [culprit, nearby], HistoryFacts())}
    assert by_sha[culprit.sha].score < by_sha[culprit.sha].touch
    assert by_sha[nearby.sha].touch < by_sha[culprit.sha].touch


def test_a_check_near_the_frame_is_named():
    (match,) = match_commits(NONE_PRICE, [commit(PATCH)], HistoryFacts())
    assert says(match, "adds a check of the kind that AttributeError asks for")


def test_a_package_that_looks_like_a_library_is_the_repositorys_own_when_its_commits_change_it():
    place = frame("Util.java", "strip", 49, module="org.apache.commons.cli.Util", own=False)
    failing = group("NullPointerException", "", place, language=Language.JAVA)
    own = commit(one_file("src/java/org/apache/commons/cli/Util.java", "-  a();", "+  b();", start=48))
    elsewhere = commit(one_file("lib/vendored/Util.java", "-  a();", "+  b();", start=48))
    known = match_commits(failing, [own], HistoryFacts())[0].score
    assert known > match_commits(failing, [elsewhere], HistoryFacts())[0].score


def test_a_rival_that_ties_alike_makes_each_less_sure():
    twin = commit(PATCH.replace("is None", "== None"), sha="b" * 40)
    alone = match_commits(NONE_PRICE, [commit(PATCH)], HistoryFacts())[0].score
    assert alone > match_commits(NONE_PRICE, [commit(PATCH), twin], HistoryFacts())[0].score


def test_a_backport_is_no_rival_of_the_commit_that_it_repeats():
    alone = match_commits(NONE_PRICE, [commit(PATCH)], HistoryFacts())[0]
    backport = commit(PATCH, sha="b" * 40)
    both = match_commits(NONE_PRICE, [commit(PATCH), backport], HistoryFacts())
    assert [match.fits for match in both] == [True, True]
    # Words that two commits have are less rare, which is all that the second one takes away.
    assert alone.score - both[0].score < 0.1


def test_a_fault_of_the_language_fits_a_commit_to_its_file_where_a_raised_one_does_not():
    place = frame("/app/shop/orders.py", "total", 58)
    nearby = commit(one_file("shop/orders.py", "-    x = compute()", "+    x = other()", start=70))
    null = group("AttributeError", "'NoneType' object has no attribute 'value'", place)
    rule = group("OrderError", "order refused", place)
    assert match_commits(null, [nearby], HistoryFacts())[0].fits
    assert not match_commits(rule, [nearby], HistoryFacts())[0].fits


def test_the_best_of_unrelated_commits_does_not_fit_for_being_the_best():
    others = [
        commit(one_file("shop/mail.py", "-    send(value)", "+    send(value, retry=2)"), sha="b" * 40),
        commit(one_file("shop/ads.py", "-    show(1)", "+    show(2)"), sha="c" * 40),
    ]
    matches = match_commits(NONE_PRICE, others, HistoryFacts())
    assert not any(match.fits for match in matches)
    assert matches[0].score < 0.2


def test_what_no_frame_leads_to_is_found_by_the_words_of_the_message():
    raised = group("ConfigError", "unknown currency KRW in price list", frame("/app/shop/check.py", "fail", 9))
    checker = commit(one_file("shop/check.py", "-    log(1)", "+    log(2)", start=300), sha="b" * 40)
    currencies = commit(
        one_file("shop/currency.py", '-    "JPY": 0,', '+    "JPY": 0,', '+    "KRW": 0,  # price list')
    )
    assert match_commits(raised, [checker, currencies], HistoryFacts())[0].sha == currencies.sha


def test_scores_fall_in_the_order_of_the_matches():
    others = [
        commit(one_file(f"shop/part{i}.py", f"-    a{i}()", f"+    value{i}()"), sha=f"{i}" * 40) for i in range(1, 6)
    ]
    matches = match_commits(NONE_PRICE, [*others, commit(PATCH)], HistoryFacts())
    assert [m.score for m in matches] == sorted((m.score for m in matches), reverse=True)
    assert matches[0].sha == "a" * 40


def test_nothing_fits_when_no_commit_touches_the_fault():
    commits = [
        commit(one_file(f"docs_tool/page{i}.py", f"-width = {i}", f"+width = {i + 1}"), sha=str(i) * 40)
        for i in range(5)
    ]
    assert not any(match.fits for match in match_commits(NONE_PRICE, commits, HistoryFacts()))


@given(
    st.text(max_size=200), st.text(max_size=200), st.sampled_from(["a.py", "A.java", "a.js", "a.go", "a.rb", "a.php"])
)
def test_no_line_makes_matching_raise(removed: str, added: str, path: str):
    lines = [f"-{line}" for line in removed.split("\n")] + [f"+{line}" for line in added.split("\n")]
    failing = group("Error", removed, frame(path, "f", 10), text=added)
    for match in match_commits(failing, [commit(one_file(path, *lines))], HistoryFacts()):
        assert 0 <= match.score <= 1

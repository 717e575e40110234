"""Values of an error beside the constants of the code."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.diagnosis.changes import parse_patch
from app.diagnosis.configured import Role, ValueKind, compare_configured, find_constants, observed_values
from app.diagnosis.model import Mismatch, plain
from app.evidence.model import (
    Commit,
    CommitSha,
    Constant,
    ErrorGroup,
    Evidence,
    ExceptionInfo,
    Fingerprint,
    FixCandidate,
    FixOrigin,
    Frame,
    GroupKind,
    HistoryFacts,
    Language,
    Observations,
    PayloadField,
    Request,
    Sample,
    Scope,
    Severity,
    StackTrace,
    Window,
)
from app.redact import Redacted, cut

T0 = datetime(2026, 3, 1, 12, tzinfo=UTC)
RUNNING, HEAD, FIX = CommitSha("a" * 40), CommitSha("b" * 40), CommitSha("c" * 40)
STARTUP = "Database initialization timeout after 8.0s in staging environment"


def group(
    message: str, *, kind: str = "StartupError", function: str = "", file: str = "/app/shop/smd.py"
) -> ErrorGroup:
    frames = (Frame(Redacted(function), Redacted(file), 1018),) if function else ()
    trace = StackTrace(Language.PYTHON, (ExceptionInfo(Redacted(kind), Redacted(message), frames),)) if frames else None
    sample = Sample(
        "e1", T0, Severity.ERROR, "stderr", None, "cloud_run_revision", {}, None, None, None, PayloadField.TEXT,
        Redacted(message), None, None, None, None, "test:1",
    )  # fmt: skip
    return ErrorGroup(
        Fingerprint("g1-0123456789ab"), GroupKind.TRACE, True, Redacted(message), Redacted(message), Severity.ERROR, 1, 1,
        T0, T0, {}, (), (), 1, sample, sample, trace,
    )  # fmt: skip


def evidence(failure: ErrorGroup, *constants: Constant, commits: tuple[Commit, ...] = ()) -> Evidence:
    fixes = tuple(FixCandidate(c.sha, (FixOrigin.CLOSES_ISSUE,), "#1") for c in commits)
    facts = HistoryFacts(head=HEAD, commits=commits, fixes=fixes, constants=constants)
    seen = Observations((failure,), (), (), (), 1, T0, T0)
    window = Window(T0, T0 + timedelta(hours=1))
    return Evidence(Request(window, T0), window, seen, (), None, (), facts, (), ())


def constants(failure: ErrorGroup, path: str, source: str, role: Role = "running") -> tuple[Constant, ...]:
    sha = {"running": RUNNING, "head": HEAD}.get(role, FIX)
    return find_constants(path, source, sha, role, observed_values(failure))


def compared(failure: ErrorGroup, *sources: tuple[str, str, Role]) -> tuple[Mismatch, ...]:
    found = [c for path, source, role in sources for c in constants(failure, path, source, role)]
    return compare_configured(evidence(failure, *found))


CONFIG = """\
def get_database_timeouts(environment):
    timeouts = {{
        "production": {{"initialization_timeout": 60.0, "pool_timeout": 70.0}},
        "staging": {{"initialization_timeout": {staging}, "pool_timeout": 50.0}},
    }}
    return timeouts[environment]
"""


# --- what an error says


@pytest.mark.parametrize(
    ("message", "kind", "amount"),
    [
        (STARTUP, ValueKind.DURATION, 8.0),
        ("request timeout after 30000ms", ValueKind.DURATION, 30.0),
        ("context deadline of 10s exceeded", ValueKind.DURATION, 10.0),
        ("Memory limit of 512 MiB exceeded with 532 MiB used", ValueKind.SIZE, 512 * 2**20),
        ("pool gave up: connection timed out, timeout 30.00", ValueKind.DURATION, 30.0),
        ("gave up after 3 retries", ValueKind.COUNT, 3.0),
        ("dial tcp [private-ip]:3307: i/o timeout", ValueKind.PORT, 3307.0),
        ("no route to db.internal", ValueKind.HOST, None),
    ],
)
def test_limits_ports_and_hosts_are_read_from_the_message(message: str, kind: ValueKind, amount: float | None):
    assert [(v.kind, v.amount) for v in observed_values(group(message)) if v.kind is kind] == [(kind, amount)]


def test_every_figure_of_a_pool_message_is_read_with_its_name():
    found = observed_values(group("pool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00"))
    assert [(v.kind, v.amount) for v in found] == [
        (ValueKind.COUNT, 5.0),
        (ValueKind.COUNT, 10.0),
        (ValueKind.DURATION, 30.0),
    ]


@pytest.mark.parametrize(
    "message",
    [
        "request took 12.3s",
        "request timeout after 8.013s",
        "worker was up for 300 s",
        "job 12345 failed at 2026-03-01T10:00:00Z",
        "line 8, column 30",
        "version 1.2.3 is not supported",
    ],
)
def test_measurements_times_and_versions_are_no_limits(message: str):
    assert observed_values(group(message)) == ()


# --- what the code says


@pytest.mark.parametrize(
    ("path", "source", "value", "unit", "variable"),
    [
        ("a.py", "DATABASE_TIMEOUT = 8.0", "8.0", "s", None),
        ("a.py", "DATABASE_TIMEOUT_MS = 8000", "8000", "ms", None),
        ("a.py", 'timeout = float(os.environ.get("DB_TIMEOUT", "8"))', "8", "s", "DB_TIMEOUT"),
        ("a.py", "connect(database, timeout=timedelta(seconds=8))", "8", "s", None),
        ("a.go", "package a\nconst databaseTimeout = 8 * time.Second", "8", "s", None),
        ("A.java", "class A { Duration databaseTimeout = Duration.ofSeconds(8); }", "8", "s", None),
        ("a.js", "const databaseTimeoutMs = 8 * 1000;", "8000", "ms", None),
        ("a.js", "const timeout = process.env.DB_TIMEOUT_SECONDS || '8'", "8", "s", "DB_TIMEOUT_SECONDS"),
        ("app.yaml", "database:\n  timeout: 8s\n", "8", "s", None),
        ("app.toml", "[database]\ntimeout = 8\n", "8", "s", None),
        ("deploy.yaml", "env:\n- name: DATABASE_TIMEOUT\n  value: '8'\n", "8", "s", None),
        (".env", "DATABASE_TIMEOUT=8\n", "8", "s", None),
        ("Dockerfile", "ENV DATABASE_TIMEOUT=8\n", "8", "s", None),
        ("main.tf", 'resource "x" "y" {\n  database_timeout = "8s"\n}\n', "8", "s", None),
        ("conf.json", '{\n  "database": {\n    "timeoutSeconds": 8\n  }\n}\n', "8", "s", None),
        ("application.properties", "database.timeout=${DB_TIMEOUT:8s}\n", "8", "s", "DB_TIMEOUT"),
    ],
)
def test_a_setting_is_read_with_its_unit_in_every_format(
    path: str, source: str, value: str, unit: str, variable: str | None
):
    found = constants(group(STARTUP), path, source)
    assert [(c.value, c.unit, c.variable) for c in found] == [(value, unit, variable)]


def test_the_way_to_a_constant_is_its_name():
    (first, *_) = constants(group(STARTUP), "shop/config.py", CONFIG.format(staging="8.0"))
    assert first.name == "timeouts.staging.initialization_timeout"
    assert (first.line, first.function, first.sha) == (4, "get_database_timeouts", RUNNING)


# --- both together


def test_the_head_is_mended_and_the_running_commit_is_not():
    found = compared(
        group(STARTUP, function="_initialize_database"),
        ("shop/config.py", CONFIG.format(staging="8.0"), "running"),
        ("shop/config.py", CONFIG.format(staging="25.0"), "head"),
    )
    (mismatch,) = found
    assert not mismatch.agrees
    assert plain(mismatch.claim.text) == (
        "timeouts.staging.initialization_timeout: code at the running commit says 8.0 s, the head says 25.0 s,"
        " the error says 8.0s"
    )
    assert {ref.kind for ref in mismatch.claim.evidence} == {"file", "entry"}


def test_the_code_that_runs_says_something_else_than_the_error():
    found = compared(
        group(STARTUP, function="_initialize_database"), ("shop/config.py", CONFIG.format(staging="25.0"), "running")
    )
    (mismatch,) = found
    assert not mismatch.agrees
    assert "code at the running commit says 25.0 s, the error says 8.0s" in plain(mismatch.claim.text)
    assert mismatch.constant.value == "25.0"


def test_equal_values_are_shown_as_checked():
    found = compared(
        group(STARTUP, function="_initialize_database"), ("shop/config.py", CONFIG.format(staging="8.0"), "running")
    )
    assert [m.agrees for m in found] == [True]
    assert "so does the error" in plain(found[0].claim.text)


def test_seconds_and_milliseconds_are_the_same_time():
    found = compared(group("database timeout after 8000ms"), ("a.py", "DATABASE_TIMEOUT = 8.0", "running"))
    assert [m.agrees for m in found] == [True]


def test_a_default_of_the_environment_is_told_as_a_default():
    source = 'DATABASE_INITIALIZATION_TIMEOUT = float(os.environ.get("DB_INIT_TIMEOUT", "25"))'
    (mismatch,) = compared(group(STARTUP), ("shop/config.py", source, "running"))
    assert not mismatch.agrees
    assert "that is a default, and the deployed value of DB_INIT_TIMEOUT may differ" in plain(mismatch.claim.text)


@pytest.mark.parametrize(
    "source",
    [
        "CACHE_TTL = 25.0",
        "HTTP_TIMEOUT = 25.0",
        "retries = 25",
        "TIMEOUT = 25.0",
        "PORT = 8080",
        "x = 25.0",
        "DATABASE_TIMEOUT = 8.0 if staging else 25.0",
        "DATABASE_POOL_SIZE = 25",
        "DATABASE_POOL_TIMEOUT = 25.0",
        "PRODUCTION_DATABASE_INITIALIZATION_TIMEOUT = 25.0",
    ],
)
def test_a_constant_that_is_not_surely_its_own_contradicts_nothing(source: str):
    assert not [m for m in compared(group(STARTUP), ("shop/other.py", source, "running")) if not m.agrees]


def test_two_constants_that_fit_alike_and_differ_contradict_nothing():
    source = "DATABASE_READ_TIMEOUT = 25.0\nDATABASE_WRITE_TIMEOUT = 30.0\n"
    assert compared(group("database timeout after 8.0s"), ("shop/config.py", source, "running")) == ()


def test_a_number_whose_unit_is_not_told_contradicts_nothing():
    java = "class A { static final int DATABASE_INITIALIZATION_TIMEOUT = 25; }"
    assert compared(group(STARTUP), ("A.java", java, "running")) == ()


def test_a_name_that_is_set_at_several_places_is_only_compared_where_it_changed():
    source = "def open_database():\n    connect(timeout={})\n    ping(timeout=3.0)\n"
    failing = group("database timeout after 8.0s", function="open_database", file="/app/shop/database.py")
    (mismatch,) = compared(
        failing,
        ("shop/database.py", source.format("8.0"), "running"),
        ("shop/database.py", source.format("25.0"), "head"),
    )
    assert mismatch.constant.value == "25.0"
    assert (
        compared(
            failing,
            ("shop/database.py", source.format("8.0"), "running"),
            ("shop/database.py", source.format("8.0"), "head"),
        )[0].agrees
        is True
    )


def test_another_timeout_that_happens_to_be_equal_is_not_taken_for_the_one():
    found = compared(
        group(STARTUP),
        ("shop/web.py", "HTTP_TIMEOUT = 8.0", "running"),
        ("shop/web.py", "HTTP_TIMEOUT = 10.0", "head"),
    )
    assert found == ()


def test_the_environment_of_the_audit_tells_which_constant_is_meant():
    failing = group("database initialization timeout after 8.0s")
    found = constants(failing, "shop/config.py", CONFIG.format(staging="25.0"))
    asked = replace(evidence(failing, *found), request=Request(None, T0, scope=Scope(environment="staging")))
    (mismatch,) = compare_configured(asked)
    assert mismatch.constant.value == "25.0"
    assert compare_configured(evidence(failing, *found)) == ()


def test_a_pool_that_is_set_to_another_size_is_a_finding():
    message = "pool limit of size 5 overflow 10 reached, connection timed out"
    source = "engine = create_engine(url, pool_size=20, max_overflow=10)"
    found = compared(group(message), ("shop/database.py", source, "running"))
    assert [(m.agrees, m.constant.value) for m in found] == [(False, "20"), (True, "10")]


def test_a_memory_limit_that_is_configured_higher_is_a_finding():
    source = "resources:\n  requests:\n    memory: 256Mi\n  limits:\n    memory: 1Gi\n"
    found = compared(group("Memory limit of 512 MiB exceeded with 532 MiB used"), ("service.yaml", source, "running"))
    assert [(m.agrees, m.constant.name) for m in found] == [(False, "resources.limits.memory")]


def test_pool_figures_agree_with_the_keyword_arguments_that_set_them():
    message = "pool limit of size 5 overflow 10 reached, connection timed out, timeout 30.00"
    source = "engine = create_engine(url, pool_size=5, max_overflow=10, pool_timeout=30)"
    found = compared(group(message), ("shop/database.py", source, "running"))
    assert [m.agrees for m in found] == [True, True, True]


def test_a_memory_limit_is_compared_with_the_deployment():
    source = "resources:\n  limits:\n    memory: 512Mi\n"
    found = compared(group("Memory limit of 512 MiB exceeded with 532 MiB used"), ("service.yaml", source, "running"))
    assert [(m.agrees, m.constant.name) for m in found] == [(True, "resources.limits.memory")]


def test_the_diff_of_a_fix_tells_that_it_is_not_there_yet():
    patch = """\
diff --git a/shop/config.py b/shop/config.py
--- a/shop/config.py
+++ b/shop/config.py
@@ -12,7 +12,7 @@ def get_database_timeouts(environment):
     timeouts = {
         "staging": {
-            "initialization_timeout": 8.0,
+            "initialization_timeout": 25.0,
             "pool_timeout": 50.0,
         },
     }
"""
    fix = Commit(FIX, (), T0, cut("dev"), cut("Raise timeout"), cut(""), parse_patch(cut(patch)))
    (mismatch,) = compare_configured(evidence(group(STARTUP), commits=(fix,)))
    assert not mismatch.agrees
    assert "sets 25.0 s, and the error still says 8.0s" in plain(mismatch.claim.text)
    assert mismatch.constant.role == "fix-after"
    assert mismatch.constant.line == 14


def test_without_constants_nothing_is_said():
    assert compare_configured(evidence(group(STARTUP))) == ()


def test_findings_come_before_what_agrees():
    message = "database timeout after 8.0s, pool size 5"
    failing = group(message, function="connect")
    source = "DATABASE_POOL_SIZE = 5\nDATABASE_CONNECT_TIMEOUT = 25.0\n"
    found = compared(failing, ("shop/config.py", source, "running"))
    assert [m.agrees for m in found] == [False, True]
    assert found == compare_configured(
        replace(evidence(failing), history=HistoryFacts(constants=constants(failing, "shop/config.py", source)))
    )


@given(st.text(max_size=300), st.sampled_from(["a.py", "a.yaml", "Dockerfile", "a.js", "a.properties"]))
def test_no_text_makes_it_raise(text: str, path: str):
    wanted = observed_values(group(f"{STARTUP} {text}"))
    find_constants(path, text, RUNNING, "running", wanted)


PIECES = [
    "timeout",
    "=",
    ":",
    "8",
    "8.0s",
    " ",
    "\n",
    '"',
    "{",
    "os.environ.get(",
    "'T'",
    ",",
    ")",
    "512Mi",
    "- name: A",
]


@given(st.lists(st.sampled_from(PIECES)))
def test_no_broken_setting_makes_it_raise(parts: list[str]):
    failure = group(STARTUP)
    found = constants(failure, "a.yaml", "".join(parts)) + constants(failure, "a.py", "".join(parts))
    compare_configured(evidence(failure, *found))

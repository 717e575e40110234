"""Source text in, functions and settings out, in every language with a grammar."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.diagnosis.code import enclosing_function, functions, has_grammar, settings, used_on
from app.evidence.model import FunctionSpan

SUFFIXES = [".py", ".java", ".js", ".ts", ".tsx", ".go", ".rb", ".php", ".cs", ".txt"]

PYTHON = """\
import asyncio

class Startup:
    @traced
    async def open(self, timeout=8.0):
        limits = {"staging": {"connect": 8.0}, "production": 25.0}

        def inner():
            return limits

        await asyncio.wait_for(self._dial(), timeout=timeout)
"""


def test_a_line_is_in_its_innermost_named_function():
    assert enclosing_function("a.py", PYTHON, 6) == FunctionSpan("Startup.open", 4, 11)
    assert enclosing_function("a.py", PYTHON, 7) == FunctionSpan("Startup.open", 4, 11)
    assert enclosing_function("a.py", PYTHON, 9) == FunctionSpan("Startup.inner", 8, 9)


@pytest.mark.parametrize("line", [-1, 0, 1, 2, 3, 12, 13, 999])
def test_a_line_outside_of_functions_is_in_none(line: int):
    assert enclosing_function("a.py", PYTHON, line) is None


@pytest.mark.parametrize(
    ("path", "source", "line", "name"),
    [
        ("Shop.java", "class Shop {\n  int total(int a) {\n    return a;\n  }\n}", 3, "Shop.total"),
        ("Shop.java", "class Shop {\n  Shop() {\n    x();\n  }\n}", 3, "Shop.Shop"),
        ("shop.go", "package x\nfunc (s *Shop) Total() int {\n\treturn 1\n}", 3, "Shop.Total"),
        ("shop.js", "const total = (a) => {\n  return a;\n};", 2, "total"),
        ("shop.ts", "export class Shop {\n  total(a: number): number {\n    return a;\n  }\n}", 3, "Shop.total"),
        ("shop.tsx", "export function Shop() {\n  return <b/>;\n}", 2, "Shop"),
        ("shop.rb", "class Shop\n  def total\n    1\n  end\nend", 3, "Shop.total"),
        ("shop.php", "<?php\nclass Shop {\n  function total() {\n    return 1;\n  }\n}", 4, "Shop.total"),
        ("Shop.cs", "class Shop {\n  int Total() {\n    return 1;\n  }\n}", 3, "Shop.Total"),
    ],
)
def test_every_language_names_the_function_with_its_class(path: str, source: str, line: int, name: str):
    span = enclosing_function(path, source, line)
    assert span is not None
    assert span.name == name
    assert functions(path, source)[-1].name == name


def test_a_language_without_grammar_is_not_an_error():
    assert not has_grammar("query.sql")
    assert enclosing_function("query.sql", "select 1", 1) is None
    assert functions("query.sql", "select 1") == ()
    assert settings("Makefile", "A = 1") == ()


@pytest.mark.parametrize(
    ("path", "source", "line"),
    [
        ("a.py", "def f(x):\n    log(x)\n    user = load(x)\n    return user.name", 4),
        ("a.py", "def f(x):\n    log(x)\n    user = None\n    return x.load.name", 4),
        ("a.py", "def f(x):\n    log(x)\n    for user in load(x):\n        print(user.name)", 4),
        ("A.java", "class A { String f() {\n log(1);\n User user = users.load(1);\n return user.name; } }", 4),
        ("A.java", "class A { String f() {\n log(1);\n return new\n load(1).name; } }", 4),
        ("a.js", "function f() {\n  log(1);\n  const user = new load(1);\n  return user.name;\n}", 4),
        (
            "a.ts",
            "const f = async (x: X) => {\n  log(x);\n  const { user } = await load(x);\n  return user.name;\n};",
            4,
        ),
        ("a.go", "package a\nfunc f() {\n\tlog(1); user, err := load(1)\n\tsay(user, err)\n}", 4),
        ("a.rb", "def f\n  log(1)\n  user = store.load(1)\n  user.name\nend", 4),
        ("a.php", "<?php function f() {\n log(1);\n $user = $this->users->load(1);\n return $user->name; }", 4),
        ("A.cs", "class A { string F() {\n Log(1);\n var user = users.load(1);\n return user.Name; } }", 4),
    ],
)
def test_what_a_line_uses_is_called_there_or_by_the_line_that_keeps_it(path: str, source: str, line: int):
    used = {use.name: use.line for use in used_on(path, source, line)}
    assert "load" in used
    assert not {"log", "Log"} & used.keys()


def test_what_a_function_does_after_the_line_or_elsewhere_is_not_used_on_it():
    source = "def f(x):\n    return x.name\n\n    x = load()\n\ndef g(x):\n    x = load()\n"
    assert [use.name for use in used_on("a.py", source, 2)] == ["name"]
    assert used_on("a.py", "x = load()\nx.name", 2) == ()
    assert used_on("a.sql", "select 1", 1) == ()


def test_settings_carry_the_way_to_them_and_their_function():
    found = {(s.name, s.expression, s.line, s.function) for s in settings("a.py", PYTHON)}
    assert ("timeout", "8.0", 5, "Startup.open") in found
    assert ("limits.staging.connect", "8.0", 6, "Startup.open") in found
    assert ("limits.production", "25.0", 6, "Startup.open") in found


@pytest.mark.parametrize(
    ("path", "source", "name", "expression"),
    [
        ("a.py", "T: float = float(os.environ.get('T', '8'))", "T", "float(os.environ.get('T', '8'))"),
        ("a.py", "wait(timedelta(seconds=8))", "wait.seconds", "8"),
        ("a.py", "asyncio.wait_for(x, 8.0)", "wait_for", "8.0"),
        ("A.java", "class A { static final Duration T = Duration.ofSeconds(8); }", "T", "Duration.ofSeconds(8)"),
        ("a.go", "package a\nconst T = 8 * time.Second", "T", "8 * time.Second"),
        ("a.go", "package a\nvar c = Client{Timeout: 5}", "c.Timeout", "5"),
        ("a.js", "x({timeout: 5000})", "x.timeout", "5000"),
        ("a.js", "setTimeout(f, 8000)", "setTimeout", "8000"),
        ("a.ts", "const q: number = 80", "q", "80"),
        ("a.rb", "x = {'b' => 9}", "x.b", "9"),
        ("a.php", "<?php $x = ['timeout' => 5];", "x.timeout", "5"),
        ("A.cs", "class A { void F() { G(timeout: 7); } }", "G.timeout", "7"),
    ],
)
def test_every_language_tells_what_a_number_is_bound_to(path: str, source: str, name: str, expression: str):
    assert (name, expression) in {(s.name, s.expression) for s in settings(path, source)}


def test_a_setting_is_told_once():
    assert len(settings("a.py", "x = f(timeout=float(g('8')))")) == 1


def test_deep_nesting_is_read_without_recursion_and_absurd_nesting_not_at_all():
    deep = "def f():\n  x = " + "[" * 900 + "1" + "]" * 900
    assert [span.name for span in functions("a.py", deep)] == ["f"]
    absurd = "def f():\n  x = " + "[\n" * 2_000 + "1" + "]" * 2_000
    assert functions("a.py", absurd) == ()
    assert enclosing_function("a.py", absurd, 2) is None


def test_a_generated_file_is_not_read():
    long_file = "def f():\n  pass\n" + "# filler\n" * 40_000
    long_line = "def f():\n  pass\n#" + "filler " * 1_000
    assert enclosing_function("a.py", long_file, 2) is None
    assert enclosing_function("a.py", long_line, 2) is None


@given(st.sampled_from(SUFFIXES), st.text(max_size=400), st.integers(-5, 50))
def test_no_text_makes_it_raise(suffix: str, source: str, line: int):
    span = enclosing_function("dir/file" + suffix, source, line)
    assert span is None or 1 <= span.start <= span.end
    for setting in settings("dir/file" + suffix, source):
        assert setting.name


@given(
    st.sampled_from(SUFFIXES),
    st.lists(st.sampled_from([*PYTHON.split("\n"), "}", "{", "=>", "def", "\ud800", "class"])),
)
def test_broken_code_never_makes_it_raise(suffix: str, lines: list[str]):
    source = "\n".join(lines)
    for line in range(1, len(lines) + 1):
        enclosing_function("file" + suffix, source, line)
    functions("file" + suffix, source)

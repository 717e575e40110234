"""One fault has one identity, however its trace was printed; and what is read from a trace is what a person would read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.model import Language
from app.evidence.stacktrace import RawTrace, may_hold_trace, parse_trace, to_stack_trace, trace_identity, with_head
from app.redact import Redacted

PYTHON = """\
Traceback (most recent call last):
  File "/app/server.py", line 10, in main
    dispatch(name)
    ~~~~~~~~^^^^^^
  File "/app/shop/stock.py", line 31, in reserve
    json.loads(body)
  File "/usr/local/lib/python3.12/json/decoder.py", line 337, in decode
    obj, end = self.raw_decode(s)
json.decoder.JSONDecodeError: Expecting value: line 1 column 1 (char 0)

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/server.py", line 12, in main
    raise BadOrder("order 7 cannot be read") from error
shop.errors.BadOrder: order 7 cannot be read"""

PYTHON_GROUP = """\
  + Exception Group Traceback (most recent call last):
  |   File "/app/jobs.py", line 8, in run_all
  |     raise ExceptionGroup("jobs failed", errors)
  | ExceptionGroup: jobs failed (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/app/jobs.py", line 3, in first
    |     raise ValueError("no key in row 12")
    | ValueError: no key in row 12
    +---------------- 2 ----------------
    | Traceback (most recent call last):
    |   File "/app/jobs.py", line 5, in second
    |     raise TypeError("row 12 is not text")
    | TypeError: row 12 is not text
    +------------------------------------"""

JAVA = """\
Exception in thread "main" com.example.shop.BookingException: booking 12 failed
	at com.example.shop.Ledger.book(Ledger.java:44)
	at com.example.shop.Main.main(Main.java:9)
	Suppressed: java.io.IOException: close failed
		at com.example.shop.Ledger.close(Ledger.java:70)
		... 1 more
Caused by: java.net.ConnectException: Connection refused
	at java.base/sun.nio.ch.Net.pollConnect(Native Method)
	at java.base/java.net.Socket.connect(Socket.java:633)
	at com.example.shop.Ledger.open(Ledger.java:28)
	at com.example.shop.Ledger.book(Ledger.java:42)
	... 1 more"""

NODE = """\
/app/lib/ledger.js:14
  throw new Error('booking failed', { cause })
        ^

Error: booking failed
    at book (/app/lib/ledger.js:14:9)
    at async handle (/app/server.js:23:10)
    at node:internal/main/run_main_module:28:49 {
  code: 'E_BOOKING',
  [cause]: Error: connect ECONNREFUSED 127.0.0.1:5432
      at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)
      at Ledger.open [as connect] (/app/lib/ledger.js:5:11) {
    errno: -111
  }
}

Node.js v20.11.0"""

GO = """\
panic: runtime error: index out of range [5] with length 3 [recovered]
	panic: wrapped

goroutine 1 [running]:
main.guard.func1()
	/app/main.go:12 +0x59
panic({0x9961c0?, 0x6f0530?})
	/usr/local/go/src/runtime/panic.go:884 +0x125
example.com/shop/orders.(*Cart).pick(...)
	/app/orders/cart.go:51
main.main()
	/app/main.go:56 +0x5a

goroutine 7 [chan receive]:
main.worker()
	/app/worker.go:9 +0x10
exit status 2"""

RUBY = """\
/app/lib/ledger.rb:12:in `rescue in book': booking 7 failed (Shop::BookingError)
	from /app/lib/ledger.rb:9:in `book'
	from /app/server.rb:25:in `<main>'
/usr/lib/ruby/3.1.0/socket.rb:61:in `connect': Connection refused (Errno::ECONNREFUSED)
	from /app/lib/ledger.rb:5:in `block (2 levels) in open'
	from /app/server.rb:25:in `<main>'"""

PHP = """\
PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000] [2002] Connection refused in /app/src/Ledger.php:20
Stack trace:
#0 /app/src/Ledger.php(20): PDO->__construct()
#1 /app/src/Ledger.php(30): Shop\\Ledger->open()
#2 {main}

Next Shop\\BookingFailed: booking 7 failed in /app/src/Ledger.php:33
Stack trace:
#0 /app/index.php(22): Shop\\Ledger->book()
#1 {main}
  thrown in /app/src/Ledger.php on line 33"""

DOTNET = """\
Unhandled exception. Shop.BookingException: booking 7 failed
 ---> System.Net.Sockets.SocketException (111): Connection refused
   at System.Net.Sockets.Socket.Connect(EndPoint remoteEP)
   at Shop.Ledger.<>c__DisplayClass1_0.<Open>b__0(Int32 port) in /app/Ledger.cs:line 12
   --- End of inner exception stack trace ---
   at Shop.Ledger.Book(Int32 id) in /app/Ledger.cs:line 23"""

MONO = """\
Unhandled Exception:
Shop.BookingException: booking 7 failed ---> System.Net.Sockets.SocketException: Connection refused
  at System.Net.Sockets.Socket.Connect (System.Net.EndPoint remoteEP) [0x000e6] in <a3f2e5bbd787>:0
  at Shop.Ledger+<>c__DisplayClass1_0.<Open>b__0 (System.Int32 port) [0x00012] in <bb3f2e5bd787>:0
   --- End of inner exception stack trace ---
  at Shop.Ledger.Book (System.Int32 id) [0x00017] in <bb3f2e5bd787>:0"""

ALL = [PYTHON, PYTHON_GROUP, JAVA, NODE, GO, RUBY, PHP, DOTNET, MONO]


def read(text: str) -> RawTrace:
    trace = parse_trace(text)
    assert trace is not None
    return trace


@pytest.mark.parametrize(
    ("text", "language", "types", "message", "own"),
    [
        (
            PYTHON,
            Language.PYTHON,
            ["shop.errors.BadOrder", "json.decoder.JSONDecodeError"],
            "Expecting value: line 1 column 1 (char 0)",
            ("reserve", "/app/shop/stock.py", 31),
        ),
        (
            PYTHON_GROUP,
            Language.PYTHON,
            ["ExceptionGroup", "ValueError"],
            "no key in row 12",
            ("first", "/app/jobs.py", 3),
        ),
        (
            JAVA,
            Language.JAVA,
            ["com.example.shop.BookingException", "java.net.ConnectException"],
            "Connection refused",
            ("com.example.shop.Ledger.open", "Ledger.java", 28),
        ),
        (
            NODE,
            Language.NODE,
            ["Error", "Error"],
            "connect ECONNREFUSED 127.0.0.1:5432",
            ("Ledger.open [as connect]", "/app/lib/ledger.js", 5),
        ),
        (
            GO,
            Language.GO,
            ["panic"],
            "runtime error: index out of range [5] with length 3",
            ("example.com/shop/orders.(*Cart).pick", "/app/orders/cart.go", 51),
        ),
        (
            RUBY,
            Language.RUBY,
            ["Shop::BookingError", "Errno::ECONNREFUSED"],
            "Connection refused",
            ("block (2 levels) in open", "/app/lib/ledger.rb", 5),
        ),
        (
            PHP,
            Language.PHP,
            ["Shop\\BookingFailed", "PDOException"],
            "SQLSTATE[HY000] [2002] Connection refused",
            ("Shop\\Ledger->open", "/app/src/Ledger.php", 20),
        ),
        (
            DOTNET,
            Language.DOTNET,
            ["Shop.BookingException", "System.Net.Sockets.SocketException"],
            "Connection refused",
            ("Shop.Ledger.<>c__DisplayClass1_0.<Open>b__0", "/app/Ledger.cs", 12),
        ),
    ],
)
def test_the_cause_and_the_own_frame_nearest_to_it_are_read(
    text: str, language: Language, types: list[str], message: str, own: tuple[str, str, int]
) -> None:
    trace = read(text)
    assert trace.language is language
    assert [raised.type for raised in trace.chain] == types
    assert trace.innermost.message == message
    top = trace.top_own_frame
    assert top is not None
    assert top[1][:3] == own


@pytest.mark.parametrize("text", ALL)
def test_a_log_line_above_the_trace_changes_nothing(text: str) -> None:
    bare = text.removeprefix("PHP Fatal error:  Uncaught ")
    logged = "2026-03-01 12:00:00 ERROR shop: request 3f2a failed\n" + bare
    assert trace_identity(read(logged)) == trace_identity(read(text))


@pytest.mark.parametrize("text", [text for text in ALL if text != MONO])
def test_other_lines_of_code_and_another_folder_change_nothing(text: str) -> None:
    moved = re.sub(
        r"(\.(?:py\", line|java:|js:|go:|rb:|php:|php\(|cs:line) ?)(\d+)", lambda m: f"{m[1]}{int(m[2]) + 17}", text
    )
    moved = moved.replace("/app/", "/usr/src/app/")
    assert moved != text
    assert trace_identity(read(moved)) == trace_identity(read(text))


def test_dotnet_and_mono_print_one_fault_in_two_ways() -> None:
    assert trace_identity(read(DOTNET)) == trace_identity(read(MONO))


def test_dotnet_without_symbols_is_the_same_fault() -> None:
    bare = re.sub(r" in /app/Ledger\.cs:line \d+", "", DOTNET)
    assert trace_identity(read(bare)) == trace_identity(read(DOTNET))
    top = read(bare).top_own_frame
    assert top is not None
    assert top[1].file is None


def raised(function: str, message: str, type_: str = "ValueError") -> str:
    return (
        "Traceback (most recent call last):\n"
        '  File "/app/server.py", line 3, in main\n    run()\n'
        f'  File "/app/shop/orders.py", line 9, in {function}\n    raise\n{type_}: {message}'
    )


def test_equal_errors_of_two_functions_are_two_faults() -> None:
    one, two = raised("charge", "invalid amount"), raised("refund", "invalid amount")
    assert trace_identity(read(one)) != trace_identity(read(two))


def test_two_errors_of_one_function_are_two_faults() -> None:
    one, two = raised("charge", "amount 12 is negative"), raised("charge", "currency xyz is unknown")
    assert trace_identity(read(one)) != trace_identity(read(two))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("no rate for qwzxv", "no rate for bvnmk"),
        ("'sku-12'", "'sku-9'"),
        ("order 12 expired at 2026-03-01T12:00:00Z", "order 77 expired at 2026-04-11T01:00:00Z"),
        ("cart:52f35472-3e51-4c15-8afe-7677ca9040cb expired", "cart:6169848c-12f6-488a-91c0-d08cbd52eeaf expired"),
        ("<Order object at 0x7f46bd528220> is closed", "<Order object at 0x7f46bd5380e0> is closed"),
        ("cannot open /data/in/a.csv", "cannot open /data/in/b.csv"),
    ],
)
def test_values_in_the_message_do_not_split_a_fault(one: str, two: str) -> None:
    assert trace_identity(read(raised("charge", one))) == trace_identity(read(raised("charge", two)))


def test_what_a_parser_stumbles_over_is_not_another_fault() -> None:
    one = read(PYTHON)
    two = read(PYTHON.replace("Expecting value:", "Unterminated string starting at:"))
    assert trace_identity(one) == trace_identity(two)


@given(depth=st.integers(1, 200), cycle=st.integers(1, 3))
def test_depth_of_endless_recursion_does_not_matter(depth: int, cycle: int) -> None:
    def trace(frames: int, turn: int) -> str:
        walked = "".join(
            f"\tat com.example.Tree.{'abc'[(at + turn) % cycle]}(Tree.java:{at})\n" for at in range(frames)
        )
        return "java.lang.StackOverflowError\n" + walked.rstrip("\n")

    assert trace_identity(read(trace(6 * cycle, 0))) == trace_identity(read(trace((depth + 5) * cycle, depth)))


@given(depth=st.integers(1, 100))
def test_depth_of_recursion_that_fails_does_not_matter(depth: int) -> None:
    def trace(frames: int) -> str:
        return (
            "panic: leaf has no value\n\ngoroutine 1 [running]:\n"
            + "main.walk(0x1?)\n\t/app/tree.go:9 +0x2d\n" * frames
        )

    assert trace_identity(read(trace(depth))) == trace_identity(read(trace(3)))


def test_a_fault_without_an_own_frame_has_an_identity() -> None:
    text = "Error: getaddrinfo ENOTFOUND db.internal\n    at GetAddrInfoReqWrap.onlookupall [as oncomplete] (node:dns:118:26)"
    trace = read(text)
    assert trace.top_own_frame is None
    assert trace_identity(trace) == trace_identity(read(text.replace("db.internal", "cache.internal")))


def test_a_fatal_error_of_php_without_a_stack_is_a_trace() -> None:
    line = "PHP Fatal error:  Allowed memory size of 3355 bytes exhausted (tried to allocate 16 bytes) in /app/a.php on line 6"
    trace = read(line)
    assert trace.innermost.type == "Fatal error"
    assert trace.top_own_frame is not None
    assert trace.top_own_frame[1][1:3] == ("/app/a.php", 6)


@pytest.mark.parametrize(
    "text",
    [
        "order 12 stored",
        "    at 11:39 the nightly import starts",
        "two lines\n    at 11:39 the nightly import starts",
        "retrying in 3 s (attempt 2), last error: none",
        "PHP Warning: none",
        "Traceback (most recent call last):",
        "GET /a.rb:in 200",
        "",
    ],
)
def test_other_text_is_no_trace(text: str) -> None:
    assert parse_trace(text) is None


def test_everything_that_is_kept_went_through_the_cutter() -> None:
    seen: list[str] = []

    def cut(text: str) -> Redacted:
        seen.append(text)
        return Redacted("x")

    kept = to_stack_trace(read(JAVA), cut)
    assert {raised.message for raised in kept.chain} == {"x"}
    assert {frame.function for raised in kept.chain for frame in raised.frames} == {"x"}
    assert "booking 12 failed" in seen


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (
            'com.example.json.MappingException: no type id\n at [Source: {}; line: 1, column: 9] (through Order["id"])\n'
            "\tat com.example.json.Reader.read(Reader.java:12)",
            "com.example.json.MappingException",
        ),
        (
            "java.lang.IllegalArgumentException: cannot refine\nTHIS 1 [in script] : Object\n"
            "\tat com.example.json.Reader.read(Reader.java:12)",
            "java.lang.IllegalArgumentException",
        ),
    ],
)
def test_a_message_of_several_lines_is_neither_a_frame_nor_another_exception(text: str, kind: str) -> None:
    raised = read(text).innermost
    assert raised.type == kind
    assert [frame.file for frame in raised.frames] == ["Reader.java"]


def test_of_a_deep_stack_the_own_frames_are_kept() -> None:
    deep = (
        "java.lang.IllegalStateException: closed\n" + "\tat org.springframework.web.Filter.run(Filter.java:1)\n" * 300
    )
    kept = to_stack_trace(read(deep + "\tat com.example.Main.main(Main.java:9)"), Redacted)
    assert len(kept.innermost.frames) < 60
    assert kept.top_own_frame is not None
    assert kept.top_own_frame[1].line == 9


PIECES = [line for text in ALL for line in text.split("\n")]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=40)), max_size=25))
def test_no_text_makes_reading_fail(pieces: list[str]) -> None:
    text = "\n".join(pieces)
    trace = parse_trace(text)
    if trace is not None:
        assert may_hold_trace(text)
        assert trace.chain
        assert trace_identity(trace).startswith(trace.language.value)


def test_the_own_files_of_an_old_node_are_no_code_of_the_program() -> None:
    text = """\
Error: connect ECONNREFUSED 10.0.0.4:5432
    at Object._errnoException (util.js:1022:11)
    at TCPConnectWrap.afterConnect [as oncomplete] (net.js:1191:14)
    at Ledger.util (/app/lib/util.js:5:11)
    at emitTwo (events.js:126:13)"""
    raw = parse_trace(text)
    assert raw is not None
    assert [frame.file for frame in raw.chain[0].frames if frame.in_app] == ["/app/lib/util.js"]


COLOURED = """\
/app/lib/depot.rb:7:in `take': \x1b[1mshelf 12 is empty (\x1b[1;4mDepot::Empty\x1b[m\x1b[1m)\x1b[m
\tfrom /app/main.rb:3:in `run'"""
RUBY_FRAMES = "/app/lib/depot.rb:7:in `take'\n/app/main.rb:3:in `run'"
TAGGED = "F, [2026-03-01T10:11:12.5{at} #17] FATAL -- : [8f5] "


@pytest.mark.parametrize(
    "text",
    [
        COLOURED,
        f"E, [2026-03-01T10:11:12.5 #17] ERROR -- : shelf 12 is empty (Depot::Empty)\n{RUBY_FRAMES}",
        f'2026-03-01 10:11:12 +0000 Rack app ("GET /take"): #<Depot::Empty: shelf 12 is empty>\n{RUBY_FRAMES}',
        f"2026-03-01T10:11:12.5Z pid=17 tid=k5 WARN: Depot::Empty: shelf 12 is empty\n2026-03-01T10:11:12.5Z pid=17 tid=k5 "
        f"WARN: {RUBY_FRAMES}",
        "\n".join(
            TAGGED.format(at=at) + line
            for at, line in enumerate(["", "Depot::Empty (shelf 12 is empty):", "", *RUBY_FRAMES.split("\n")])
        ),
    ],
    ids=["coloured", "logger", "puma", "sidekiq", "rails"],
)
def test_every_logger_of_ruby_tells_the_same_fault(text: str) -> None:
    plain = f"{RUBY_FRAMES.split(chr(10))[0]}: shelf 12 is empty (Depot::Empty)\n\tfrom /app/main.rb:3:in `run'"
    assert read(text).innermost.type == "Depot::Empty"
    assert trace_identity(read(text)) == trace_identity(read(plain))


def test_what_node_gives_a_logger_ends_before_the_causes_and_is_the_same_fault() -> None:
    stack = "StoreError: cannot settle 12\n    at settle (/app/store.js:3:9)\n    at async run (/app/main.js:5:34)"
    whole = (
        f"{stack} {{\n  [cause]: TypeError: no rate for EUR\n      at rate (/app/rates.js:7:1)\n"
        "      at async settle (/app/store.js:2:5)\n}"
    )
    assert trace_identity(read(stack)) == trace_identity(read(whole))
    assert read(whole).innermost.type == "TypeError"


MONOLOG = """\
[2026-03-01T10:11:12+00:00] app.ERROR: request 5 failed {"exception":"[object] (Depot\\\\Failed(code: 0): job 5 gave up \
at /app/src/Job.php:9)
[stacktrace]
#0 /app/index.php(5): Depot\\\\Job->run()
#1 {main}

[previous exception] [object] (DomainException(code: 0): row 5 has no number at /app/src/Row.php:28)
[stacktrace]
#0 /app/src/Job.php(8): Depot\\\\Row->read()
#1 /app/index.php(5): Depot\\\\Job->run()
#2 {main}
"} []"""


def test_monolog_names_the_cause_last() -> None:
    trace = read(MONOLOG)
    assert [raised.type for raised in trace.chain] == ["Depot\\Failed", "DomainException"]
    assert trace.innermost.message == "row 5 has no number"


GO_STACK = (
    "{call}\n\t/usr/lib/go/src/runtime/panic.go:884\nshop/depot.take\n\t/app/depot/depot.go:7\nmain.main\n\t/app/m.go:3"
)


def test_what_a_logger_says_above_the_stack_of_a_recovered_panic_is_not_the_panic() -> None:
    uncaught = "panic: shelf is empty\n\ngoroutine 1 [running]:\nshop/depot.take()\n\t/app/depot/depot.go:7 +0x1d"
    zap = GO_STACK.format(call="main.run.func1\n\t/app/main.go:44\nruntime.gopanic")
    for said in ("recovered: shelf is empty", "2026/03/01 10:11:12 [Recovery] panic recovered:\nshelf is empty"):
        assert trace_identity(read(with_head(zap, None, said))) == trace_identity(read(uncaught))


@pytest.mark.parametrize("text", ALL)
def test_a_whole_trace_needs_no_other_head(text: str) -> None:
    assert with_head(text, "KeyError", "'x'") == text


@pytest.mark.parametrize("prefix", ["2026-03-01T10:11:{at}Z stderr F ", "Mar 01 10:11:{at} vm shop[17]: ", "web_1  | "])
@pytest.mark.parametrize("text", ALL)
def test_what_stands_before_every_line_is_no_part_of_it(text: str, prefix: str) -> None:
    marked = "\n".join(prefix.format(at=10 + at) + line for at, line in enumerate(text.split("\n")))
    assert trace_identity(read(marked)) == trace_identity(read(text))

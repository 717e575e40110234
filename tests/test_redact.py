"""Planted secrets vanish; what a reader needs stays. Every value here is generated for this test."""

import base64
import random
import string

import pytest

from app.redact import Redacted, Tally, cut, cut_patch, cut_source, redact, shorten

ALNUM = string.ascii_letters + string.digits


def made(length: int, alphabet: str = ALNUM, seed: int = 11) -> str:
    rng = random.Random(seed * 1000 + length)
    return "".join(rng.choice(alphabet) for _ in range(length))


HEX = "0123456789abcdef"
PEM_LINE = made(64, ALNUM + "+/")
PLANTED = {
    "named in JSON": ('{"user": "bo", "db_password": "%s"}', made(12)),
    "named in escaped JSON": ('{\\"client_secret\\": \\"%s\\"}', made(20)),
    "named, no quotes": ("retry with PGPASSWORD=%s as app", made(9)),
    "named, property file": ("spring.datasource.password: %s", made(11)),
    "named, header pair": ("headers [('x-api-key', '%s')]", made(24)),
    "named, environment lookup": ('os.environ["SIGNING_KEY"] = "%s"', made(18)),
    "named after a harmless pair": ("user=bo password=%s", made(10)),
    "option": ("exec: worker --auth-token %s --verbose", made(16)),
    "URL credentials": ("dial amqp://svc:%s@queue:5672/v1", made(15)),
    "driver string": ("open root:%s@tcp(db:3306)/shop", made(15)),
    "bearer": ("Authorization: Bearer %s", made(50)),
    "basic": ("authorization=Basic %s", base64.b64encode(b"svc:" + made(12).encode()).decode()),
    "cookie": ("Cookie: sid=%s; theme=dark", made(30)),
    "JWT": ("verify eyJhbGciOiJIUzI1NiJ9.%s failed", made(30) + "." + made(43)),
    "GitHub": ("remote: ghp_%s denied", made(36)),
    "GitHub installation, long form": ("using ghs_%s", "1234567_eyJ" + made(80)),
    "Google API key": ("key AIza%s rejected", made(35)),
    "signed URL": ("GET https://storage.googleapis.com/b/o?X-Goog-Signature=%s&x=1", made(256, HEX)),
    "one-time code in a URL": ("GET /cb?state=1&code=%s HTTP/1.1", made(20)),
    "key without its first line": (PEM_LINE + "\n%s\n" + PEM_LINE + "\n-----END PRIVATE KEY-----", made(64, ALNUM + "+/", 5)),
    "key without its last line": ("-----BEGIN RSA PRIVATE KEY-----\n" + PEM_LINE + "\n%s", made(64, ALNUM + "+/", 6)),
    "key with written newlines": ('"-----BEGIN PRIVATE KEY-----\\n%s\\n"', made(64, ALNUM + "+/", 7)),
    "opaque": ("handshake with %s refused", "aZ3kQ9" + made(28, ALNUM, 3)),
    "e-mail": ("no mailbox %s", "some.one+x@mail.example.org"),
    "card": ("declined %s", "5555-5555-5555-4444"),
    "phone": ("sms to %s", "+49 30 901820 12"),
    "public address": ("from %s refused", "203.0.113.9"),
    "IPv6 address": ("peer %s reset", "2001:db8::42:1"),
}  # fmt: skip

HARMLESS = [
    'KeyError: "token"',
    "at com.example.auth.TokenService.validate(TokenService.java:88)",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "request_id=3f2504e0-4f89-11d3-9a0c-0305e82c3301 status=500",
    "pod checkout-7d9f8b6c5d-x2x9k killed (exit code 137)",
    "mod_wsgi version 1.2.3.4 loaded",
    "FATAL:  password authentication failed for user",
    "Access denied for user 'root'@'cloudsqlproxy' (using password: YES)",
    "Permission denied on secret: projects/1234/secrets/db-pass/versions/latest for Revision service account",
    "Permission 'run.routes.invoke' denied for web@demo.iam.gserviceaccount.com",
    "listening on 127.0.0.1:8080, metadata at 169.254.169.254",
    "at java.base/java.util.AbstractList$RandomAccessSpliterator.forEachRemaining(AbstractList.java:720)",
    "2026-11-01T12:00:00.123456Z ERROR [orders] done",
    "max_tokens=4096 exceeded",
]


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_secret_vanishes(name: str) -> None:
    line, secret = PLANTED[name]
    redaction = redact(line % secret)
    assert secret not in redaction.text
    assert sum(redaction.cut.values()) >= 1


@pytest.mark.parametrize("line", HARMLESS)
def test_what_a_reader_needs_stays(line: str) -> None:
    assert redact(line).text == line


def test_the_class_and_port_of_an_address_stay() -> None:
    assert cut("dial tcp 34.171.226.17:3307: i/o timeout") == "dial tcp [public-ip]:3307: i/o timeout"
    assert cut("dial tcp 10.40.0.3:5432") == "dial tcp [private-ip]:5432"


def test_cutting_twice_changes_nothing_more() -> None:
    for line, secret in PLANTED.values():
        once = cut(line % secret)
        assert cut(once) == once


def test_the_tally_adds_up_over_texts() -> None:
    tally = Tally()
    tally.cut("from 203.0.113.9")
    tally.cut("to 203.0.113.10 as a@b.example.org")
    assert tally.counts == {"address": 2, "e-mail": 1}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("short", "short"),
        ("dial tcp [public-ip]:3307: i/o timeout", "dial tcp…"),
        ("the first, second and third", "the first, second…"),
        ("averylongwordwithoutanyspaceinside", "averylongwordwithou…"),
    ],
)
def test_a_shortened_text_ends_between_two_words(text: str, wanted: str) -> None:
    assert shorten(Redacted(text), 20) == wanted


@pytest.mark.parametrize(("text", "secret"), [pytest.param(*case, id=name) for name, case in PLANTED.items()])
@pytest.mark.parametrize("line", ["    # seen: {}", "    log.debug(f'seen: {}')", "+        // {}"])
def test_planted_secrets_vanish_from_source_as_well(text: str, secret: str, line: str) -> None:
    assert secret not in cut_source("app/main.py", line.format(text % secret))


@pytest.mark.parametrize(
    "line",
    [
        "unreadToken = NO_UNREAD_TOKEN;",
        "if (token == JsonToken.FIELD_NAME || token != LP) {",
        "String password = credentials.password();",
        "def login(password: str, token: Token | None = None) -> Session:",
        "case SECRET: return readSecret(key, access_token=token2);",
        "session_key = self._keys[name] + suffix",
    ],
)
def test_what_code_sets_and_compares_is_no_secret(line: str) -> None:
    assert cut_source("src/Parser.java", line) == line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('PASSWORD = "%s"', 'PASSWORD = "[secret]"'),
        ("if (token === '%s') {", "if (token === '[secret]') {"),
        ('+    api_key = (\n+        "%s"', '+    api_key = (\n+        "[secret]"'),
        ('-    client_secret =\n-        "%s"', '-    client_secret =\n-        "[secret]"'),
        ('password := os.Getenv("%s")', 'password := os.Getenv("[secret]")'),
        ("  // password: %s", "  // password: [secret]"),
        ("pin_code = 93841", "pin_code = [secret]"),
        ('text = """\n  password: letter5\n"""', 'text = """\n  password: [secret]\n"""'),
    ],
)
def test_a_literal_in_code_is_one(line: str, shown: str) -> None:
    value = line % made(14) if "%s" in line else line
    assert cut_source("src/login.ts", value) == shown


def test_a_patch_is_cut_by_what_each_file_is() -> None:
    value = made(12, string.ascii_lowercase)
    header = "diff --git a/{0} b/{0}\n--- a/{0}\n+++ b/{0}\n@@ -1 +1 @@\n+{1}\n"
    code, settings = "token = next_word", f"token: {value}"
    patch = header.format("src/parse.py", code) + header.format("deploy/service.yaml", settings)
    assert cut_patch(patch) == patch.replace(value, "[secret]")
    assert cut_patch(patch.replace("src/parse.py", "src/parse.cfg")) != patch.replace(value, "[secret]")
    assert cut_patch(f"mail to some.one@mail.example.org\n{patch}").startswith("mail to [email]\n")

"""The author's words of a message stay, the values of one occurrence go, without a second message to compare with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.faultwords import fault_words


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("leaf qzxvbn has no value", "leaf has no value"),
        ("No rate for 'EUR'", "no rate for"),
        ("order ord-12 is already closed", "order is already closed"),
        ("cart:52f35472-3e51 expired", "expired"),
        ("cannot write /var/data/file.csv", "cannot write"),
        ("limit=12 exceeded by <Order object at 0x7f>", "exceeded by"),
        ("ledger is read-only", "ledger is read only"),
        ("", ""),
    ],
)
def test_words_stay_and_values_go(message: str, words: str) -> None:
    assert fault_words(message) == words


def test_one_and_many_are_the_same_message() -> None:
    assert fault_words("1 item is missing") == fault_words("3 items are missing")


def test_names_out_of_the_code_stay_where_the_language_writes_them() -> None:
    assert fault_words("'NoneType' object has no attribute 'cursor'") != fault_words(
        "'NoneType' object has no attribute 'execute'"
    )
    assert fault_words("no user named 'cursor'") == fault_words("no user named 'execute'")


def test_the_hints_of_newer_interpreters_do_not_count() -> None:
    plain = "name 'jsn' is not defined"
    assert fault_words(plain + ". Did you mean: 'json'?") == fault_words(plain)


def test_of_a_librarys_message_only_the_codes_count() -> None:
    assert fault_words("connect ECONNREFUSED 127.0.0.1:5432", codes_only=True) == "ECONNREFUSED"
    assert fault_words("no rate for EURUSD", codes_only=True) == ""


def test_a_sentence_that_is_quoted_as_a_whole_is_a_sentence() -> None:
    assert fault_words("'order 12 not found'") == "order not found"
    assert fault_words("'sku-12'") == ""


def test_the_first_line_decides() -> None:
    assert fault_words("2 errors for the order\nid\n  field required") == fault_words(
        "1 error for the order\nname too long"
    )


@given(st.text())
def test_any_text_has_words(text: str) -> None:
    assert fault_words(text) == fault_words(text).strip()

"""Exports as people have them: arrays, lines, cut off, compressed, from PowerShell, with rubbish in between."""

import gzip
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest

from app.errors import BadInput
from app.evidence.model import LogEntry, LogQuestion, LogsRead
from app.sources.jsonl import FileLogs


def entries(count: int) -> list[dict[str, Any]]:
    return [
        {"timestamp": f"2026-03-04T05:{i // 60:02}:{i % 60:02}Z", "insertId": f"i{i}", "textPayload": f"line {i} é"}
        for i in range(count)
    ]


async def read(*paths: Path, stdin: bytes | None = None) -> tuple[list[LogEntry], LogsRead]:
    got: list[LogEntry] = []
    source = FileLogs(["-"], stdin=io.BytesIO(stdin)) if stdin is not None else FileLogs(paths)
    return got, await source.read(LogQuestion(None), got.append)


FORMS = {
    "pretty array": lambda rows: json.dumps(rows, indent=2, ensure_ascii=False).encode(),
    "compact array": lambda rows: json.dumps(rows).encode(),
    "lines": lambda rows: "\n".join(json.dumps(row) for row in rows).encode() + b"\n",
    "objects over several lines": lambda rows: "\n".join(json.dumps(row, indent=2) for row in rows).encode(),
    "answer of entries.list": lambda rows: json.dumps({"entries": rows, "nextPageToken": "t"}).encode(),
    "gzip": lambda rows: gzip.compress(json.dumps(rows).encode()),
    "UTF-16 with a mark": lambda rows: json.dumps(rows, indent=2, ensure_ascii=False).encode("utf-16"),
    "UTF-8 with a mark": lambda rows: b"\xef\xbb\xbf" + json.dumps(rows).encode(),
    "blank lines between": lambda rows: b"\n\n".join(json.dumps(row).encode() for row in rows),
}


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_export_gives_the_same_entries(form: str, tmp_path: Path) -> None:
    path = tmp_path / "logs"
    path.write_bytes(FORMS[form](entries(50)))
    got, done = await read(path)
    assert [e.message for e in got] == [f"line {i} é" for i in range(50)]
    (reading,) = done.readings
    assert (reading.entries, reading.bad_lines, reading.truncated, done.gaps) == (50, 0, None, ())
    assert reading.digest == hashlib.sha256(path.read_bytes()).hexdigest()


async def test_an_array_larger_than_the_read_buffer_is_streamed(tmp_path: Path) -> None:
    path = tmp_path / "big.json"
    rows = [{**row, "textPayload": "y" * 3_000} for row in entries(1_000)]
    path.write_text(json.dumps(rows, indent=2))
    got, _ = await read(path)
    assert len(got) == 1_000
    assert got[-1].origin == f"big.json:{1 + 999 * 5 + 1}"


async def test_bad_lines_are_counted_with_the_first_named_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    good = [json.dumps(row) for row in entries(3)]
    path.write_text("\n".join([good[0], "not json", good[1], "[1]", '{"textPayload": "no time"}', good[2], ""]))
    got, done = await read(path)
    assert len(got) == 3
    assert done.readings[0].bad_lines == 3
    assert done.readings[0].first_bad_line == "mixed.jsonl:2: not JSON"


async def test_a_broken_element_of_an_array_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    text = json.dumps(entries(5), indent=2).replace('"insertId": "i2"', '"insertId": oops')
    path.write_text(text)
    got, done = await read(path)
    assert [e.insert_id for e in got] == ["i0", "i1", "i3", "i4"]
    assert done.readings[0].bad_lines == 1
    assert done.gaps == ()


async def test_a_file_that_was_cut_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    text = json.dumps(entries(5), indent=2)
    path.write_text(text[: text.index('"i4"')])
    got, done = await read(path)
    assert len(got) == 4
    assert done.readings[0].truncated == "the file ends in the middle"
    assert "middle" in done.gaps[0].reason


async def test_a_gzip_that_was_cut_off_says_so(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(json.dumps(entries(500)).encode())[:-200])
    _, done = await read(path)
    assert done.readings[0].truncated is not None


async def test_a_file_without_a_single_entry_is_a_gap_that_names_the_export_command(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello\nworld\n")
    _, done = await read(path)
    assert done.readings[0].bad_lines == 2
    assert "gcloud logging read" in str(done.gaps[0].remedy)


async def test_an_empty_export_is_no_trouble(tmp_path: Path) -> None:
    for text in ("", "[]", "[\n]\n", "\n"):
        path = tmp_path / "empty.json"
        path.write_text(text)
        got, done = await read(path)
        assert (got, done.gaps, done.readings[0].bad_lines) == ([], (), 0)


async def test_yaml_is_refused_with_the_fix_named(tmp_path: Path) -> None:
    path = tmp_path / "out.yaml"
    path.write_text("---\ninsertId: a\n")
    with pytest.raises(BadInput) as refused:
        await read(path)
    assert refused.value.fix == "Export again with --format=json."


async def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read .*gone: No such file"):
        await read(tmp_path / "gone")


async def test_standard_input_is_a_source_too() -> None:
    got, done = await read(stdin=json.dumps(entries(2)).encode())
    assert len(got) == 2
    assert done.readings[0].source == "standard input"


async def test_an_entry_that_two_files_hold_counts_once(tmp_path: Path) -> None:
    one, two = tmp_path / "1.json", tmp_path / "2.json"
    one.write_text(json.dumps(entries(5)))
    two.write_text(json.dumps(entries(8)))
    got, done = await read(one, two)
    assert len(got) == 8
    assert [r.entries for r in done.readings] == [5, 3]


async def test_an_answer_that_denies_access_is_no_access_and_not_no_data(tmp_path: Path) -> None:
    path = tmp_path / "denied.json"
    path.write_text(json.dumps({"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "not for you"}}))
    got, done = await read(path)
    assert got == []
    assert done.readings[0].bad_lines == 0
    assert done.gaps[0].reason == "PERMISSION_DENIED: not for you"
    assert "roles/logging.viewer" in str(done.gaps[0].remedy)

"""The report on each bundled incident, whole, as its readers get it.

`pytest tests/test_golden.py --update-golden` writes the folders anew. A change of wording, order or verdict then shows as a
difference of text, and is reviewed as such.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.diagnosis.model import sentence
from app.report import render
from app.report.model import Report
from tests.examples import NAMES, audited

GOLDEN = Path(__file__).parent / "golden"
FORMS: dict[str, Callable[[Report], str]] = {"md": render.markdown, "txt": render.text, "html": render.html}


@pytest.mark.parametrize("name", NAMES)
def test_the_report_reads_as_it_was_reviewed(name: str, request: pytest.FixtureRequest) -> None:
    report = audited(name).report
    folder = GOLDEN / name
    for form, made in FORMS.items():
        path = folder / f"report.{form}"
        if request.config.getoption("--update-golden"):
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(made(report), encoding="utf-8")
        assert made(report) == path.read_text(encoding="utf-8"), f"{path.name} of {name} reads differently"


def test_what_is_over_is_not_asked_about_further() -> None:
    whys = audited("fix-effective").report.whys
    assert whys[-1].question == sentence("Why now?")
    assert [why for why in whys if why.command is not None or why.open_question is not None] == []


def test_every_folder_is_of_an_example() -> None:
    assert sorted(folder.name for folder in GOLDEN.iterdir()) == NAMES

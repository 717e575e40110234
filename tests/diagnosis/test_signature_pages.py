"""Every signature has its page, and the pages are what the catalogue says today."""

import importlib.util
from pathlib import Path
from types import ModuleType

from app.diagnosis.signatures import CATALOGUE

DOCS = Path(__file__).parents[2] / "docs"


def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_signature_pages", DOCS / "build_signature_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_current() -> None:
    kept = {path.name: path.read_text(encoding="utf-8") for path in (DOCS / "signatures").glob("*.md")}
    assert kept == builder().pages(), "run `python docs/build_signature_pages.py`"


def test_a_page_says_what_a_reader_needs() -> None:
    page = (DOCS / "signatures" / "sql-dial-timeout.md").read_text(encoding="utf-8")
    for part in (
        "## Recognised by",
        "Does not match:",
        "## Causes, most likely first",
        "## What to do",
        "Source: <https",
    ):
        assert part in page


def test_the_index_links_every_page() -> None:
    index = (DOCS / "signatures" / "README.md").read_text(encoding="utf-8")
    assert all(f"({signature.id}.md)" in index for signature in CATALOGUE)

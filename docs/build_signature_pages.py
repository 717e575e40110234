"""Write a page for every signature, and their index, from the catalogue: `python docs/build_signature_pages.py`.

The pages are kept in the repository so that a report can link them; a test says when they are behind the catalogue.
"""

from collections.abc import Iterator
from pathlib import Path

from app.diagnosis.signatures import CATALOGUE
from app.diagnosis.signatures.model import Predicate, Signature, Specificity

PAGES = Path(__file__).parent / "signatures"

_SPECIFICITY = {
    Specificity.SYMPTOM: "It reports a consequence and is never taken for the root: the cause is in other entries.",
    Specificity.GENERIC: "It names the kind of fault; a more specific message of the same failure goes before it.",
    Specificity.PRODUCT: "The product itself names the fault.",
    Specificity.EXACT: "The message names both the cause and what is at fault.",
}


def pages() -> dict[str, str]:
    """File name to text, for every page and the index."""
    return {f"{s.id}.md": "\n".join(_page(s)) for s in CATALOGUE} | {"README.md": "\n".join(_index())}


def _page(signature: Signature) -> Iterator[str]:
    yield f"# {signature.title}"
    yield ""
    yield (
        f"`{signature.id}` · {signature.product} · class `{signature.failure_class}` · "
        f"look first at: {signature.layer} · usually acts: {signature.owner}"
    )
    yield ""
    yield _SPECIFICITY[signature.specificity]
    if signature.wrapper:
        yield "Other failures stand inside such a message: it counts only where none of them is known."
    yield ""
    yield "## Recognised by"
    yield ""
    yield from _recognised_by(signature.when)
    if signature.example:
        yield from _code("Matches, for example:", signature.example)
    if signature.near_miss:
        yield from _code("Does not match:", signature.near_miss)
    yield "## Causes, most likely first"
    yield ""
    yield from (f"{number}. {cause}" for number, cause in enumerate(signature.causes, 1))
    yield ""
    yield "## What to do"
    yield ""
    yield signature.remedy
    yield ""
    if signature.checks:
        yield from _code("Read-only checks, filled with the names of the resource:", *signature.checks)
    if signature.confirmed_by:
        yield f"Speaks for it when unhealthy: {', '.join(signature.confirmed_by)}."
        yield ""
    if signature.refuted_by:
        yield f"Speaks against it when healthy: {', '.join(signature.refuted_by)}."
        yield ""
    yield f"Source: <{signature.source}>"
    yield ""


def _recognised_by(when: Predicate) -> Iterator[str]:
    if when.wording:
        yield from _code("Any of these, `…` standing for other text:", *when.wording)
    if when.without:
        yield from _code("And none of these:", *when.without)
    if when.pattern:
        yield from _code("And this pattern:", when.pattern)
    conditions = (
        ("fields", when.fields),
        ("resource types", when.resources),
        ("log ids that end in", when.logs),
        ("audit methods that end in", when.methods),
        ("gRPC codes", when.codes),
        ("HTTP statuses", when.statuses),
    )
    for name, values in conditions:
        if values:
            yield f"- only {name}: {', '.join(f'`{value}`' for value in values)}"
    if when.failures_only:
        yield "- only entries that report a failure"
    if when.api_answer:
        yield "- only what a Google API answered: audit entries, managed jobs, and lines that relay such an answer"
    if when.failures_only or when.api_answer or any(values for _, values in conditions):
        yield ""


def _code(heading: str, *lines: str) -> Iterator[str]:
    yield heading
    yield ""
    yield "```text"
    yield from lines
    yield "```"
    yield ""


def _index() -> Iterator[str]:
    classes = {s.failure_class for s in CATALOGUE}
    yield "# Signatures"
    yield ""
    yield f"{len(CATALOGUE)} known failures of {len(classes)} classes. Written by `docs/build_signature_pages.py`."
    yield ""
    products = sorted({s.product for s in CATALOGUE}, key=str.lower)
    for product in products:
        yield f"## {product}"
        yield ""
        for signature in sorted((s for s in CATALOGUE if s.product == product), key=lambda s: s.id):
            yield f"- [{signature.title}]({signature.id}.md): `{signature.failure_class}`"
        yield ""


def main() -> None:
    wanted = pages()
    PAGES.mkdir(exist_ok=True)
    for stale in PAGES.glob("*.md"):
        if stale.name not in wanted:
            stale.unlink()
    for name, text in wanted.items():
        (PAGES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

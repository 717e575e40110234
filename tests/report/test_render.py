"""The same report in four formats: all parts, in order, and short enough."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import UndefinedError
from markdown_it import MarkdownIt
from mdit_py_plugins.gfm import gfm_plugin
from pydantic import TypeAdapter

from app.diagnosis.diagnose import diagnose
from app.diagnosis.model import Priority, Status
from app.report import as_markdown, render
from app.report.build import build_report
from app.report.model import Report
from tests.diagnosis.incident import evidence, group
from tests.report.build_sample import diagnosis, incident, quiet_diagnosis, without_failures

PAGE = "https://audit.example.com/r/1"
REPORT = build_report(incident(), diagnosis(), page_url=PAGE)
QUIET = build_report(without_failures(), quiet_diagnosis())
HEADINGS = (
    "INFRASTRUCTURE ESCALATION REQUIRED", "Five Whys", "Resolved components", "Active failure", "Technical Findings",
    "Infrastructure", "Latest Failure Evidence", "Escalation", "Business Impact", "Recommendation", "infra-audit 0.",
)  # fmt: skip
TEMPLATES = Path(__file__).parents[2] / "templates"


@pytest.mark.parametrize("made", [render.markdown(REPORT), render.html(REPORT), render.text(REPORT)])
def test_all_eleven_parts_stand_in_the_order_of_the_report(made: str):
    places = [made.lower().find(heading.lower()) for heading in HEADINGS]
    body = [made.lower().rfind(heading.lower()) for heading in HEADINGS]
    assert -1 not in places
    assert [place for place in body[-3:] if place] == sorted(body[-3:])
    for emoji in "🔍📊✅❌🔧🧾🚨💼🎯":
        assert emoji in made


def test_the_first_screen_tells_what_is_wrong_who_acts_and_what_developers_do():
    first = "\n".join(render.markdown(REPORT).splitlines()[:20])
    assert first.startswith(
        "## 🔴 INFRASTRUCTURE ESCALATION REQUIRED · P0 · `staging`\n\n> [!CAUTION]\n> **`netra-service` cannot start"
    )
    assert "@netra/platform" in first
    assert "**HOLD**" in first
    assert "**not deployed**" in first
    assert "onset 14:02" in first


def test_an_alert_stands_at_the_top_level_only():
    """Inside a list, table or fold GitHub shows its marker as text."""
    lines = render.markdown(REPORT).splitlines()
    assert [i for i, line in enumerate(lines) if "[!" in line] == [2]


def test_references_are_links_where_there_is_an_address_and_listed_with_a_command_otherwise():
    parsed = MarkdownIt("commonmark").use(gfm_plugin).render(render.markdown(REPORT))
    for item in REPORT.evidence:
        assert (f">{item.id}</a>" in parsed) == (item.url is not None)
        assert f"{item.id}" in parsed
    unlinked = next(item for item in REPORT.evidence if item.url is None)
    assert unlinked.command is not None
    assert f"`{unlinked.command}`" in render.markdown(REPORT)


def test_a_report_within_the_limit_leaves_nothing_out():
    assert len(render.markdown(REPORT)) < 60_000
    assert "Left out" not in render.markdown(REPORT)


@pytest.mark.parametrize("limit", [20_000, 15_000, 12_000, 10_000, 8_000])
def test_a_long_report_leaves_out_whole_sections_and_says_which(limit: int):
    made = render.markdown(REPORT, limit=limit)
    assert len(made) <= limit
    assert "**Left out for length:** pictures" in made
    assert PAGE in made
    assert made.count("```") % 2 == 0
    assert made.count("<details>") == made.count("</details>")
    assert "Who acts" in made


def test_a_saved_report_loads_again_and_says_the_same():
    loaded = TypeAdapter(Report).validate_json(render.to_json(REPORT))
    assert loaded == REPORT
    assert render.markdown(loaded) == render.markdown(REPORT)
    assert render.html(loaded) == render.html(REPORT)


def test_a_limit_below_the_first_screen_leaves_the_status():
    assert render.markdown(REPORT, limit=300) == render.status_line(REPORT) + "\n"


def test_the_status_line_is_one_line_of_our_own_words():
    line = render.status_line(REPORT)
    assert line.startswith("🔴 INFRASTRUCTURE ESCALATION REQUIRED · P0 · developers: HOLD · layer infrastructure")
    assert "\n" not in line
    assert "netra" not in line


def test_without_failures_there_is_nothing_to_alarm():
    made = render.markdown(QUIET)
    assert made.startswith("## 🟢 NO MATCHING FAILURES · `staging`\n\n> [!NOTE]\n")
    assert "Nothing failed" in made
    assert "Latest Failure" not in made
    assert "120 entries, none reported as failed" in made


@pytest.mark.parametrize(
    ("status", "priority", "start"),
    [
        (Status.APPLICATION_FIX, Priority.P2, "## 🟠 APPLICATION FIX REQUIRED · P2"),
        (Status.RECOVERING, Priority.P1, "## 🟡 RECOVERING · P1"),
        (Status.RESOLVED, None, "## 🟢 RESOLVED"),
        (Status.CANNOT_TELL, None, "## ⚪ CANNOT TELL"),
    ],
)
def test_the_sign_tells_the_status(status: Status, priority: Priority | None, start: str):
    advice = replace(diagnosis().recommendation, status=status, priority=priority)
    assert render.markdown(build_report(incident(), diagnosis(recommendation=advice))).startswith(start)


def test_the_page_needs_nothing_from_outside_and_runs_nothing():
    page = render.html(REPORT)
    assert re.findall(r"<(?:script|link|img|iframe|object|embed|base)\b", page) == []
    assert re.findall(r"\s(?:on\w+|style)=", page) == []
    assert "url(" not in page.replace("url(#tip)", "")
    assert re.search(r"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-[\w+/]+=*'", page)


def test_every_reference_on_the_page_leads_to_its_evidence():
    page = render.html(REPORT)
    targets = set(re.findall(r'href="#(E\d+)"', page))
    assert len(targets) > 15
    assert targets <= set(re.findall(r'<li id="(E\d+)"', page))


def test_pictures_on_the_page_have_a_title_and_a_description():
    page = render.html(REPORT)
    assert page.count("<svg ") == 2
    assert page.count("<desc id=") == 2
    assert "3,459 failures between 2025-09-15 14:00" in page


def test_a_terminal_of_any_width_is_filled_and_no_command_is_broken():
    for width in (40, 72, 100, 160):
        made = render.text(REPORT, width=width)
        assert "gcloud sql operations list --instance=staging-shared-postgres\n" in made


def test_the_terminal_is_plain_unless_colour_is_asked_for():
    assert "\x1b" not in render.text(REPORT)
    assert "\x1b[1;31m" in render.text(REPORT, color=True)
    assert re.sub(r"\x1b\[[\d;]*m", "", render.text(REPORT, color=True)).split() == render.text(REPORT).split()


@pytest.mark.parametrize("report", [REPORT, QUIET])
def test_the_same_report_gives_the_same_bytes(report: Report):
    again = build_report(incident(), diagnosis(), page_url=PAGE) if report is REPORT else report
    assert render.markdown(again) == render.markdown(report)
    assert render.html(again) == render.html(report)
    assert render.text(again) == render.text(report)
    assert render.to_json(again) == render.to_json(report)


def test_templates_hold_loops_and_blanks_and_no_decisions():
    for name in ("report.md.j2", "report.html.j2", "report.txt.j2"):
        source = (TEMPLATES / name).read_text()
        assert set(re.findall(r"{%-?\s*(\w+)", source)) <= {
            "for",
            "else",
            "endfor",
            "block",
            "endblock",
            "macro",
            "endmacro",
        }


def test_a_name_that_a_template_does_not_have_fails():
    with pytest.raises(UndefinedError):
        as_markdown.environment().from_string("{{ reprot }}").render()


def test_a_bare_string_in_a_template_comes_out_as_code():
    assert as_markdown.environment().from_string("{{ x }}").render(x="@everyone") == "`@everyone`"


def test_hundreds_of_failures_do_not_crowd_out_the_first_screen():
    """What only left-out or unshown rows rest on is not listed, so a large incident still fits one comment."""
    message = 'dial tcp [public-ip]:3307: i/o timeout (connection name = "demo-shop:europe-west1:main{}")'
    groups = [group(f"{n:x}", message.format(n), minute=n % 50, count=20, service=f"shop{n % 5}") for n in range(400)]
    found = evidence(*groups)
    made = build_report(found, diagnose(found))
    comment = render.markdown(made)
    assert len(comment) <= 60_000
    assert "### 🔍 Five Whys" in comment
    assert "### 🚨 Escalation" in comment
    listed = set(re.findall(r"^- \*\*\[(E\d+)\]", comment, re.MULTILINE))
    assert set(re.findall(r"\[(E\d+)\]", comment)) == listed

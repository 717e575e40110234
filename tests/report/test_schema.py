"""The published schema of the JSON form."""

from pathlib import Path

import jsonschema_rs
import orjson

from app.report import render
from app.report.build import build_report
from tests.report.build_sample import diagnosis, incident, quiet_diagnosis, without_failures

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


def test_the_published_schema_is_the_one_of_the_types():
    assert orjson.loads(PUBLISHED.read_bytes()) == render.json_schema(), (
        "run: python -m app.report > docs/report.schema.json"
    )


def test_reports_follow_the_published_schema():
    validator = jsonschema_rs.validator_for(orjson.loads(PUBLISHED.read_bytes()))
    for report in (build_report(incident(), diagnosis()), build_report(without_failures(), quiet_diagnosis())):
        document = orjson.loads(render.to_json(report))
        assert list(validator.iter_errors(document)) == []
        assert not validator.is_valid({**document, "advice": None})

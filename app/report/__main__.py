"""`python -m app.report` prints the JSON Schema of a report, for `docs/report.schema.json`."""

import json
import sys

from app.report.render import json_schema

sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")

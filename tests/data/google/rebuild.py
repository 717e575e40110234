"""Rebuilds `apis.json`: the bare facts of the Google APIs that the auditor reads.

    python tests/data/google/rebuild.py DOCUMENTS SERVICEHEALTH

DOCUMENTS is the folder `googleapiclient/discovery_cache/documents` of the package google-api-python-client (Apache-2.0);
SERVICEHEALTH is a folder into which google-cloud-servicehealth (Apache-2.0) was installed, since that API is not among the
documents. Kept are addresses, parameters, names and types of properties, and enum values; no descriptions.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

WANTED = {
    "cloudbuild.v1": ["projects.locations.builds.get", "projects.builds.list"],
    "clouderrorreporting.v1beta1": ["projects.groupStats.list"],
    "cloudresourcemanager.v3": ["projects.testIamPermissions"],
    "container.v1": ["projects.locations.clusters.get", "projects.locations.clusters.list"],
    "monitoring.v3": ["projects.timeSeries.list"],
    "secretmanager.v1": ["projects.secrets.versions.get"],
    "redis.v1": ["projects.locations.instances.get", "projects.locations.instances.list"],
    "run.v2": ["projects.locations.jobs.get", "projects.locations.services.get", "projects.locations.services.list",
               "projects.locations.services.revisions.list"],
    "sqladmin.v1": ["instances.get", "instances.list", "operations.list"],
    "vpcaccess.v1": ["projects.locations.connectors.get", "projects.locations.connectors.list"],
}  # fmt: skip
DEPTH = 4
"""How deep below an answer's own properties schemas are kept: deeper than any mask reaches."""


def main(documents: Path, servicehealth: Path) -> None:
    apis: dict[str, Any] = {}
    for name, methods in WANTED.items():
        document = json.loads((documents / f"{name}.json").read_text("utf-8"))
        host = document["rootUrl"].removeprefix("https://").rstrip("/")
        apis[host] = {"revision": document["revision"], **api(document, methods)}
    apis["servicehealth.googleapis.com"] = service_health(servicehealth)
    source = (
        "google-api-python-client (discovery_cache) and google-cloud-servicehealth, Apache-2.0, stripped to bare facts"
    )
    lines = [f"  {json.dumps(host)}: {json.dumps(apis[host], sort_keys=True)}" for host in sorted(apis)]
    text = f'{{"source": {json.dumps(source)}, "apis": {{\n' + ",\n".join(lines) + "\n}}\n"
    (Path(__file__).parent / "apis.json").write_text(text, "utf-8")


def api(document: Any, wanted: list[str]) -> dict[str, Any]:
    methods: dict[str, Any] = {}
    kept: dict[str, dict[str, Any]] = {}
    for path in wanted:
        node = document
        *resources, last = path.split(".")
        for part in resources:
            node = node["resources"][part]
        method = node["methods"][last]
        parameters = {**document["parameters"], **method["parameters"]}
        template = document["servicePath"] + method.get("flatPath", method["path"])
        methods[f"{method['httpMethod']} {re.sub(r'{[^}]+}', '{}', template)}"] = {
            "id": method["id"],
            "query": {n: typed(p) for n, p in sorted(parameters.items()) if p["location"] == "query"},
            "answer": method["response"]["$ref"],
            **({"body": method["request"]["$ref"]} if "request" in method else {}),
        }
        for role in ("response", "request"):
            if role in method:
                keep(document["schemas"], method[role]["$ref"], DEPTH, kept)
    return {"methods": methods, "schemas": kept}


def keep(schemas: Any, name: str, depth: int, kept: dict[str, dict[str, Any]]) -> None:
    """Property names and types of `name`, and of what it refers to. A name kept once is not looked into again."""
    if name in kept:
        return
    properties = {n: typed(p) for n, p in sorted(schemas[name].get("properties", {}).items())}
    kept[name] = properties
    if depth:
        for text in re.findall(r"\"ref\": \"(\w+)\"", json.dumps(properties)):
            keep(schemas, text, depth - 1, kept)


def typed(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if "$ref" in value:
        found["ref"] = value["$ref"]
    if "type" in value:
        found["type"] = value["type"]
    if "enum" in value:
        found["enum"] = value["enum"]
    for key in ("items", "additionalProperties"):
        if key in value:
            found["items" if key == "items" else "values"] = typed(value[key])
    return found


def service_health(folder: Path) -> dict[str, Any]:
    """The same from protobuf descriptors, in JSON names."""
    sys.path.insert(0, str(folder))
    import google.cloud

    google.cloud.__path__.append(str(folder / "google" / "cloud"))
    from google.cloud.servicehealth_v1.types import Event, EventView, ListEventsResponse
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

    schemas: dict[str, Any] = {}

    def one(descriptor: Descriptor) -> str:
        name = descriptor.name
        if name not in schemas:
            schemas[name] = {}
            for field in descriptor.fields:
                kind = value(field)
                schemas[name][field.json_name] = {"type": "array", "items": kind} if field.is_repeated else kind
        return name

    def value(field: FieldDescriptor) -> dict[str, Any]:
        if field.message_type is not None:
            return {"type": "string"} if field.message_type.name == "Timestamp" else {"ref": one(field.message_type)}
        if field.enum_type is not None:
            return {"type": "string", "enum": [v.name for v in field.enum_type.values]}
        return {"type": "string"}

    one(Event.pb().DESCRIPTOR)
    schemas["ListEventsResponse"] = {}
    answer = one(ListEventsResponse.pb().DESCRIPTOR)
    schemas["ListEventsResponse"] = {
        "events": {"type": "array", "items": {"ref": "Event"}},
        "nextPageToken": {"type": "string"},
        "unreachable": {"type": "array", "items": {"type": "string"}},
    }
    query = {name: {"type": "string"} for name in ("fields", "filter", "pageToken", "alt")}
    query |= {"pageSize": {"type": "integer"}, "view": {"type": "string", "enum": [v.name for v in EventView]}}
    methods = {"GET v1/projects/{}/locations/{}/events": {"id": "events.list", "query": query, "answer": answer}}
    return {"revision": "0.5.1", "methods": methods, "schemas": schemas}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))

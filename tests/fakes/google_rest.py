"""A stand-in for Google's REST services on loopback: resources out of memory, `fields=` masks really evaluated.

Each host is a path prefix: `http://127.0.0.1:PORT/run.googleapis.com/v2/…`. Permissions decide what is shown, as they do there.
What is asked and what is answered is held against the bare facts of the official discovery documents
(`tests/data/google/apis.json`); what does not fit them is kept in `violations`, and a mask that does not is refused, as the
real services do.
"""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote

import httpx

from tests.fakes.github import serve

APIS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "google" / "apis.json").read_text("utf-8"))[
    "apis"
]

PERMISSIONS = {
    "clouderrorreporting.projects.groupStats.list": "errorreporting.groups.list",
    "cloudbuild.projects.builds.list": "cloudbuild.builds.list",
    "cloudbuild.projects.locations.builds.get": "cloudbuild.builds.get",
    "container.projects.locations.clusters.get": "container.clusters.get",
    "container.projects.locations.clusters.list": "container.clusters.list",
    "events.list": "servicehealth.events.list",
    "monitoring.projects.timeSeries.list": "monitoring.timeSeries.list",
    "redis.projects.locations.instances.get": "redis.instances.get",
    "redis.projects.locations.instances.list": "redis.instances.list",
    "run.projects.locations.jobs.get": "run.jobs.get",
    "run.projects.locations.services.get": "run.services.get",
    "run.projects.locations.services.list": "run.services.list",
    "run.projects.locations.services.revisions.list": "run.revisions.list",
    "secretmanager.projects.secrets.versions.get": "secretmanager.versions.get",
    "sql.instances.get": "cloudsql.instances.get",
    "sql.instances.list": "cloudsql.instances.list",
    "sql.operations.list": "cloudsql.instances.get",
    "vpcaccess.projects.locations.connectors.get": "vpcaccess.connectors.get",
    "vpcaccess.projects.locations.connectors.list": "vpcaccess.connectors.list",
}
"""A method to the permission that it needs. A caller without an entry in `FakeGoogle.permissions` has them all."""

Trouble = int | Literal["malformed", "not an object", "slow", "reset"]


@dataclass
class Call:
    method: str
    host: str
    path: str
    query: Mapping[str, str]
    authorization: str | None
    quota_project: str | None


@dataclass
class FakeGoogle:
    """`resources` maps `host/path` to what a GET gives; a list that lies there is found by its own path.

    `series` maps a metric type to the time series that Monitoring has of it. `permissions` maps a project to what the caller
    may do there. `troubles` maps a host, or an address of it, to what is answered instead: a status, or a kind of damage.
    """

    resources: dict[str, Any] = field(default_factory=dict)
    series: dict[str, list[Any]] = field(default_factory=dict)
    permissions: dict[str, set[str]] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    consumer: str = "4711"
    troubles: dict[str, Trouble] = field(default_factory=dict)
    feed: Any = field(default_factory=list)
    page_size: int = 1000
    calls: list[Call] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    base: str = ""

    def address(self, host: str) -> str:
        return f"{self.base}/{host}"

    def put(self, address: str, resource: Any) -> None:
        self.resources[address] = resource

    def asked(self, host: str) -> list[Call]:
        return [call for call in self.calls if call.host == host]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        host, _, path = unquote(scope["path"]).lstrip("/").partition("/")
        query: dict[str, str] = {}
        for name, value in parse_qsl(scope["query_string"].decode(), keep_blank_values=True):
            query[name] = f"{query[name]},{value}" if name in query else value
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        charged = headers.get("x-goog-user-project")
        self.calls.append(Call(scope["method"], host, path, query, headers.get("authorization"), charged))
        match self.troubles.get(f"{host}/{path}", self.troubles.get(host)):
            case "slow":
                await asyncio.sleep(5)
                status, answer = 200, b"{}"
            case "malformed":
                status, answer = 200, b'{"state": '
            case "not an object":
                status, answer = 200, b'["what is this"]'
            case "reset":
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
                await send({"type": "http.response.body", "body": b'{"sta', "more_body": True})
                return  # the server closes a connection whose answer is not whole
            case int() as code:
                status, answer = code, json.dumps(failure(code, "told to fail")).encode()
            case None:
                status, found = self.answer(scope["method"], host, path, query, body)
                answer = json.dumps(found).encode()
        await send(
            {"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}
        )
        await send({"type": "http.response.body", "body": answer})

    def answer(self, verb: str, host: str, path: str, query: Mapping[str, str], body: bytes) -> tuple[int, Any]:
        if host == "status.cloud.google.com":
            return (200, self.feed) if path == "incidents.json" else (404, None)
        api = APIS.get(host)
        method = None if api is None else method_of(api, verb, path)
        if api is None or method is None:
            self.violations.append(f"{host} has no {verb} {path}")
            return 404, failure(404, "no such method")
        self.violations += [f"{method['id']} takes no {name}" for name in query if name not in method["query"]]
        for name, value in query.items():
            known = method["query"].get(name, {}).get("enum")
            if known and value not in known:
                self.violations.append(f"{method['id']}: {name} is never {value}")
        if host in self.disabled:
            return 403, disabled(host, self.consumer)
        project = re.split(r"[/:]", path.partition("projects/")[2])[0]
        granted = self.permissions.get(project)
        if path.endswith(":testIamPermissions"):
            asked = json.loads(body)["permissions"]
            held = [name for name in asked if granted is None or name in granted]
            return 200, {"permissions": held} if held else {}
        needed = PERMISSIONS[method["id"]]
        if granted is not None and needed not in granted:
            return 403, failure(403, f"Permission '{needed}' denied on resource '//{host}/{path}'", "PERMISSION_DENIED")
        if host == "monitoring.googleapis.com":
            found = self._series(query)
        elif method["id"].endswith(".list"):
            found = self._page(f"{host}/{path}", method, query)
        else:
            found = self.resources.get(f"{host}/{path}")
        if found is None:
            return 404, failure(404, f"{path} was not found", "NOT_FOUND")
        self.violations += wrong(api["schemas"], {"ref": method["answer"]}, found, method["id"])
        try:
            mask = parse_mask(query.get("fields", "*"))
            self.violations += [f"{method['id']} asks for everything"] if "*" in mask else []
            check_mask(api["schemas"], {"ref": method["answer"]}, mask)
        except ValueError as invalid:
            self.violations.append(f"{method['id']}: {invalid}")
            return 400, failure(400, f"Request contains an invalid argument: {invalid}", "INVALID_ARGUMENT")
        return 200, apply_mask(found, mask)

    def _series(self, query: Mapping[str, str]) -> Any:
        kinds = re.findall(r'metric\.type ?= ?"([^"]+)"', query["filter"])
        if len(kinds) != 1:
            self.violations.append("a filter of time series names one metric type")
        start, end = query.get("interval.startTime", ""), query["interval.endTime"]
        found: list[Any] = []
        for series in self.series.get(kinds[0], []):
            points = [p for p in series["points"] if start <= p["interval"]["endTime"] <= end]
            found += [series | {"points": points}] if points else []
        return {"timeSeries": found}

    def _page(self, address: str, method: Any, query: Mapping[str, str]) -> Any:
        """A page of a list; an address that holds nothing is an empty list, as it is there."""
        found = self.resources.get(address, {})
        size = min(self.page_size, int(query.get("pageSize") or query.get("maxResults") or 50))
        start = int(query.get("pageToken") or 0)
        page: dict[str, Any] = {}
        for key, rows in found.items():
            page[key] = rows[start : start + size]
            if start + size < len(rows):
                page["nextPageToken"] = str(start + size)
        return page


@contextmanager
def serve_google(fake: FakeGoogle) -> Iterator[FakeGoogle]:
    with serve(fake) as address:
        fake.base = address
        yield fake


class Hosts(httpx.AsyncHTTPTransport):
    """A transport that sends each request to the stand-in, whatever host it is for."""

    def __init__(self, fake: FakeGoogle) -> None:
        super().__init__()
        self._fake = fake

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = httpx.URL(f"{self._fake.base}/{request.url.host}{request.url.raw_path.decode()}")
        return await super().handle_async_request(request)


def failure(code: int, message: str, status: str = "UNKNOWN", details: Sequence[Any] = ()) -> Any:
    return {"error": {"code": code, "message": message, "status": status, "details": list(details)}}


def disabled(host: str, consumer: str) -> Any:
    """As the services answer for a project that has not turned them on: the consumer is the caller's own project."""
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {"service": host, "consumer": f"projects/{consumer}"},
    }
    message = f"{host} has not been used in project {consumer} before or it is disabled."
    return failure(403, message, "PERMISSION_DENIED", [info])


def permission_of(call: Call) -> str:
    """The permission that a recorded call needs."""
    method = method_of(APIS[call.host], call.method, call.path)
    assert method is not None, f"{call.host} has no {call.path}"
    return PERMISSIONS[method["id"]]


def method_of(api: Any, verb: str, path: str) -> Any | None:
    for template, method in api["methods"].items():
        name, _, pattern = template.partition(" ")
        if name == verb and re.fullmatch(re.escape(pattern).replace(r"\{\}", "[^/:]+"), path):
            return method
    return None


# --- masks ------------------------------------------------------------------------------------------------------------

Mask = dict[str, Any]


def parse_mask(text: str) -> Mask:
    """`a,b/c,d(e,f)` as a tree; an empty subtree means the whole field. Raises `ValueError`."""
    tokens = re.findall(r"[^,/()]+|[,/()]", text)
    at = 0

    def group(closing: str) -> Mask:
        nonlocal at
        mask: Mask = {}
        while True:
            node = mask
            while True:
                if at >= len(tokens) or tokens[at] in ",/()":
                    raise ValueError("Invalid field selection")
                node = node.setdefault(tokens[at], {})
                at += 1
                if at < len(tokens) and tokens[at] == "/":
                    at += 1
                    continue
                if at < len(tokens) and tokens[at] == "(":
                    at += 1
                    node.update(group(")"))
                break
            if at >= len(tokens):
                if closing:
                    raise ValueError("Invalid field selection")
                return mask
            at += 1
            if tokens[at - 1] == closing:
                return mask
            if tokens[at - 1] != ",":
                raise ValueError("Invalid field selection")

    return group("")


def check_mask(schemas: Any, kind: Any, mask: Mask) -> None:
    while "items" in kind:
        kind = kind["items"]
    for name, inner in mask.items():
        if name == "*":
            continue
        if "ref" in kind:
            properties = schemas[kind["ref"]]
            if name not in properties:
                raise ValueError(f"Invalid field selection {name} of {kind['ref']}")
            check_mask(schemas, properties[name], inner)
        else:
            raise ValueError(f"Invalid field selection {name}")


def apply_mask(value: Any, mask: Mask) -> Any:
    if not mask or "*" in mask:
        return value
    if isinstance(value, list):
        return [apply_mask(item, mask) for item in value]
    if not isinstance(value, dict):
        return value
    return {name: apply_mask(value[name], inner) for name, inner in mask.items() if name in value}


def wrong(schemas: Any, kind: Any, value: Any, place: str) -> list[str]:
    """Where `value` is not what the documents describe."""
    if "ref" in kind:
        if not isinstance(value, dict):
            return [f"{place} is no object"]
        if kind["ref"] not in schemas:
            return []
        properties = schemas[kind["ref"]]
        found = [f"{place} has no {name}" for name in value if name not in properties]
        for name, inner in value.items():
            found += wrong(schemas, properties[name], inner, f"{place}.{name}") if name in properties else []
        return found
    match kind.get("type"):
        case "array":
            if not isinstance(value, list):
                return [f"{place} is no list"]
            return [fault for item in value for fault in wrong(schemas, kind["items"], item, place)]
        case "object":
            if not isinstance(value, dict):
                return [f"{place} is no object"]
            return [f for n, v in value.items() for f in wrong(schemas, kind.get("values", {}), v, f"{place}.{n}")]
        case "string":
            if not isinstance(value, str):
                return [f"{place} is no text"]
            return [f"{place} is never {value}"] if "enum" in kind and value not in kind["enum"] else []
        case "boolean":
            return [] if isinstance(value, bool) else [f"{place} is no truth value"]
        case "integer":
            return [] if isinstance(value, int) else [f"{place} is no whole number"]
        case _:
            return []

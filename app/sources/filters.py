"""Filters for Cloud Logging, built from typed parts only.

Owns quoting, the allow-lists and the clauses that an audit asks for. No text from an issue, a comment or a log entry becomes
a filter: names must be on an allow-list of characters, times are formatted here, and every clause stands in parentheses, since
OR binds tighter than AND. Leaves sending to `cloud_logging.py`.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NewType

from app.errors import BadInput
from app.evidence import workloads
from app.evidence.model import Severity, Window
from app.sources.query_language import LONGEST

Filter = NewType("Filter", str)
"""A filter, or a clause of one in parentheses; only made here."""

_SERVICE = re.compile(r"[a-z0-9]([a-z0-9_.:-]{0,98}[a-z0-9])?\Z")
"""A database's is `project:instance`."""
_PLATFORM_LINES = (
    "Container called exit",
    "Container terminated on signal",
    "Uncaught signal",
    "Memory limit of",
    "probe failed",
    "no available instance",
)
"""Platform lines that tell a failure below ERROR, by their literals."""
_EVENTS = 'log_id("events")'
"""Where clusters write events; Cloud Logging has no log of this name else."""
_SERVICE_LABELS = ("service_name", "job_name", "function_name", "container_name", "module_id", "database_id")


def literal(text: str) -> str:
    """`text` as a quoted value. Raises `BadInput` for control characters and for more than 1,000 characters."""
    if len(text) > 1_000 or any(not c.isprintable() for c in text):
        raise BadInput("this text cannot stand in a filter", fix="Use printable characters only, at most 1,000.")
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def at(moment: datetime) -> str:
    """A time as the language takes it, in UTC to the microsecond. Raises `ValueError` for a naive time."""
    if moment.tzinfo is None:
        raise ValueError("a naive time")
    return '"' + moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") + '"'


def within(window: Window) -> Filter:
    return Filter(f"(timestamp>={at(window.start)} AND timestamp<{at(window.end)})")


def of_services(services: Sequence[str]) -> Filter | None:
    """Entries of any of `services`, by whichever label their resource names them with; None for no services.

    Raises `BadInput` for a name that no service can have: it is refused, not escaped.
    """
    for name in services:
        if not _SERVICE.match(name):
            raise BadInput(
                f"{name!r} is no service name", fix="Use lower-case letters, digits, dots, colons and hyphens."
            )
    if not services:
        return None
    values = " OR ".join(literal(name) for name in services)
    labels = [f"resource.labels.{label}=({values})" for label in _SERVICE_LABELS]
    return Filter(f"({' OR '.join(labels)} OR {_of_workloads(services, values)})")


def _of_workloads(services: Sequence[str], values: str) -> str:
    """What clusters log of workloads or pods of these names, by the rules of `evidence/workloads.py`.

    Changes and events are about objects, and name the service in a path or an object's name only.
    """
    # No name holds anything that a pattern reads otherwise but the dot.
    names = "|".join(name.replace(".", "[.]") for name in services)
    labels = [workloads.CONTROLLER, *(f"k8s-pod/{label}" for label in workloads.POD_LABELS)]
    paths = f"/({'|'.join(workloads.WORKLOADS)})/({names})({workloads.SET_TAIL}|{workloads.POD_TAIL})?(/|$)"
    pods = (
        *(f'labels."{label}"=({values})' for label in labels),
        f"resource.labels.pod_name=~{literal(f'^({names}){workloads.POD_TAIL}?$')}",
    )
    objects = (
        f"protoPayload.resourceName=~{literal(paths)}",
        f"jsonPayload.involvedObject.name=~{literal(f'^({names})({workloads.SET_TAIL}|{workloads.POD_TAIL})?$')}",
    )
    return (
        f'(resource.type=("k8s_container" OR "k8s_pod") AND ({" OR ".join(pods)}))'
        f' OR (resource.type="k8s_cluster" AND ({" OR ".join(objects)}))'
    )


_LEVEL_FIELDS = (
    "level", "levelname", "lvl", "loglevel", "logLevel", "severity_text", '"log.level"', '"@level"', "record.level.name",
)  # fmt: skip
_LEVEL = r"(?i)^(err(or)?|severe|exception|crit(ical)?|fatal|d?panic|alert|emerg(ency)?)$"
"""Where libraries write a level that Cloud Logging does not map, and what they call a failure; pino and bunyan count."""
_TRACE_FIELDS = (
    "exception",
    "stack_trace",
    "stacktrace",
    "stackTrace",
    "stack",
    "traceback",
    "exc_info",
    "error",
    "err",
)
_FAILING_LINE = (
    r"(?i)\b(error|fatal|severe|critical|exception|traceback|panic|failed|failure)\b"
    r"|^\s+(at |File )|^Caused by: |Error: "
)
"""Lines of standard output that may belong to a failure; the parser decides."""


def failures() -> Filter:
    """What can tell of a failure: errors, failed requests, platform lines, and lines that no library gave a severity.

    `severity>=ERROR` alone misses a container that exits (WARNING), all that a cluster says of its pods (WARNING at most), and
    loggers whose level Cloud Logging does not map.
    """
    lines = " OR ".join(f"textPayload:{literal(text)}" for text in _PLATFORM_LINES)
    unmapped = [
        *(f"jsonPayload.{field}=~{literal(_LEVEL)}" for field in _LEVEL_FIELDS),
        "jsonPayload.level=(50 OR 60)",
        *(f"jsonPayload.{field}:*" for field in _TRACE_FIELDS),
        f"({_log_of('stderr')})",
        f"(({_log_of('stdout')}) AND textPayload=~{literal(_FAILING_LINE)})",
    ]
    return Filter(
        f"(severity>={Severity.ERROR.name} OR httpRequest.status>=500 OR ({lines})"
        f" OR (severity=DEFAULT AND ({' OR '.join(unmapped)}))"
        f" OR ({_EVENTS} AND severity>=WARNING))"
    )


def _log_of(stream: str) -> str:
    """A stream of a container, on Cloud Run and in a cluster."""
    return f"log_id({literal(f'run.googleapis.com/{stream}')}) OR log_id({literal(stream)})"


def deployments() -> Filter:
    """The audit entries and events that tell which revision began when and with which image, and refused calls: few."""
    logs = " OR ".join(f"log_id({literal(f'cloudaudit.googleapis.com/{log}')})" for log in ("system_event", "activity"))
    serverless = "(Create|Replace|Update|Delete)(Internal)?(Service|Job|Function)$"
    cluster = "^io[.]k8s[.](apps|batch)[.]v1[.](deployments|statefulsets|daemonsets|replicasets|jobs)[.](create|update|patch)$"
    calls = f'protoPayload.methodName=~"({serverless}|{cluster})"'
    rollouts = f'({_EVENTS} AND jsonPayload.reason=("ScalingReplicaSet" OR "Pulled"))'
    return Filter(f"((({logs}) AND ({calls} OR severity>=WARNING)) OR {rollouts})")


def requests() -> Filter:
    return Filter(f"(log_id({literal('run.googleapis.com/requests')}))")


def platform_events() -> Filter:
    """What the provider itself announces for the project."""
    return Filter(f"(log_id({literal('servicehealth.googleapis.com/activity')}))")


def sampled(share: float) -> Filter:
    """A share of the entries, the same ones at every read. Raises `ValueError` outside of 0..1."""
    if not 0 < share <= 1:
        raise ValueError(f"a share of {share}")
    return Filter(f"(sample(insertId, {share:.6f}))")


def every(*clauses: Filter | None) -> Filter:
    """All clauses at once. Raises `BadInput` when the result is longer than the language allows."""
    text = " AND ".join(clause for clause in clauses if clause is not None)
    if len(text) > LONGEST:
        raise BadInput("the filter is too long", fix="Name fewer services.")
    return Filter(text)


def either(*clauses: Filter) -> Filter:
    return Filter("(" + " OR ".join(clauses) + ")")

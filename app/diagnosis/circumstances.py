"""Where the same message means something else: a table of circumstances that move the layer and say who acts.

Owns what a platform's own nature makes of a message: an address that is the container itself, a private address dialled from
a service without a network of its own, a file system that is memory. Each row is one such fact about a product, with the
sentence that is printed. Owns too what the look at the failing service told of its way out. Leaves the weights to
`scorecard.py`, and the message alone to the signatures.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, LiteralString

from app.diagnosis.chain import CONNECTION_NAME
from app.diagnosis.model import Cause, Layer
from app.evidence.model import ErrorGroup, Evidence, LayerOwner, ProbeKind, ProbeResult
from app.redact import Redacted

SERVERLESS = ("cloud_run_revision", "cloud_run_job", "cloud_function", "gae_app")
"""Monitored resources of services that run in no network of the project's own."""

LIMIT = re.compile(r"time[d ]?[ -]?out|gave up|deadline", re.IGNORECASE)
"""Some time limit was reached."""


@dataclass(frozen=True, slots=True)
class Circumstance:
    """When `holds`, the failure belongs to `layer` rather than to that of its message, and `owner` acts."""

    holds: Callable[[Cause, ErrorGroup], bool]
    layer: Layer
    owner: LayerOwner
    words: LiteralString


def circumstance(root: Cause, group: ErrorGroup) -> Circumstance | None:
    """The first row that holds for the root, None when its message means what it says."""
    return next((row for row in CIRCUMSTANCES if row.layer is not root.layer and row.holds(root, group)), None)


def _message(group: ErrorGroup) -> str:
    inner = group.trace.innermost if group.trace else None
    return f"{group.latest.message}\n{inner.type}: {inner.message}" if inner else group.latest.message


_OUTSIDE = (Layer.INFRASTRUCTURE, Layer.DEPENDENCY)
_LOOPBACK = re.compile(r"\b127\.0\.0\.1\b|\blocalhost\b|\[::1\]")
_UNREACHED = re.compile(r"refused|can(?:no|')t (?:reach|connect)|could not connect|unable to connect", re.IGNORECASE)


def _loopback(root: Cause, group: ErrorGroup) -> bool:
    text = _message(group)
    return root.layer in _OUTSIDE and bool(_LOOPBACK.search(text)) and bool(_UNREACHED.search(text))


_SILENT = re.compile(rf"{LIMIT.pattern}|cannot connect|connect call failed|unreachable|no route", re.IGNORECASE)


def _private_from_serverless(root: Cause, group: ErrorGroup) -> bool:
    """Of a database only where a connector dials it by name: the API told the address, so what is left is the way to it.

    An address that a setting tells may be wrong, or closed by a network that the service does reach. Memorystore has private
    addresses only, so that a Redis of which the message tells no address or name is taken for one.
    """
    text = _message(group)
    if root.failure_class == "cloud-sql-connection-timeout" and not CONNECTION_NAME.search(text):
        return False
    unnamed = root.failure_class == "redis-unavailable" and "[public-ip]" not in text and not _PUBLIC_NAME.search(text)
    return (
        root.layer in _OUTSIDE
        and group.latest.resource_type in SERVERLESS
        and ("[private-ip]" in text or unnamed)
        and bool(_SILENT.search(text))
        and "refused" not in text.lower()
    )


_PUBLIC_NAME = re.compile(r"\b[a-z0-9-]+\.(?:com|net|org|io|dev|app|cloud)\b", re.IGNORECASE)


def _memory_file_system(root: Cause, group: ErrorGroup) -> bool:
    return root.failure_class == "disk-full" and group.latest.resource_type in SERVERLESS


def _disk_of_build(root: Cause, group: ErrorGroup) -> bool:
    return root.failure_class == "disk-full" and group.latest.resource_type == "build"


_BALANCERS = ("http_load_balancer", "internal_http_lb_rule", "http_external_regional_lb_rule")
_CUT_AT = (29.5, 31.0)
"""Seconds: the time limit of a backend service is 30 s unless somebody sets another."""


def _default_of_balancer(root: Cause, group: ErrorGroup) -> bool:
    http = group.latest.http
    slow = root.failure_class == "request-timeout" and group.latest.resource_type in _BALANCERS
    return slow and http is not None and _CUT_AT[0] <= (http.latency_s or 0.0) <= _CUT_AT[1]


_UNKNOWN_NAME = re.compile(
    r"(?:ENOTFOUND |lookup |host name [\"']|hostname |host[=: ][\"']?)"
    r"([A-Za-z0-9_-]+(?:\.[a-z0-9-]+)?(?:\.svc(?:\.cluster\.local)?)?)(?=[\s\"':,)]|$)",
)
_NO_SUCH = re.compile(r"ENOTFOUND|no such host|not known|NXDOMAIN|unknown host", re.IGNORECASE)


def _local_name(root: Cause, group: ErrorGroup) -> bool:
    """A name without a domain, or of the cluster itself, that the resolver says does not exist."""
    text = _message(group)
    if root.failure_class != "dns-resolution-failure" or not _NO_SUCH.search(text):
        return False
    found = _UNKNOWN_NAME.search(text)
    return found is not None and ("." not in found[1] or ".svc" in found[1])


_WRONG_NODE = re.compile(r"affinity|selector|taint|didn't match|didn't satisfy", re.IGNORECASE)


def _no_such_node(root: Cause, group: ErrorGroup) -> bool:
    text = _message(group)
    return root.failure_class == "pod-unschedulable" and bool(_WRONG_NODE.search(text)) and "Insufficient" not in text


_VARIABLE = re.compile(
    r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b|environment variable|env(?:ironment)? var|os\.environ|process\.env"
    r"|Missing `\w+` for '\w+' environment|in the current environment"
)


def _missing_variable(root: Cause, group: ErrorGroup) -> bool:
    return root.failure_class == "application-config-missing" and bool(_VARIABLE.search(_message(group)))


_JOBS_IN = re.compile(r"bigquery\.jobs\.create permission in project ([a-z][a-z0-9-]*[a-z0-9])")


def _jobs_of_others(root: Cause, group: ErrorGroup) -> bool:
    """A query may read other projects' data, but runs and is paid for in a project of its own, which a setting names."""
    found = _JOBS_IN.search(_message(group)) if root.layer is Layer.PERMISSIONS else None
    return found is not None and group.latest.project not in (None, found[1])


_GOOGLES_SPACES = re.compile(r"gke-managed-[\w-]+|gke-system|gmp-system")
_GOOGLES_PODS = re.compile(
    r"(?:metrics-server|kube-dns|konnectivity-agent|gke-metadata-server|gke-metrics-agent|fluentbit-gke|fluentd-gcp"
    r"|event-exporter-gke|kube-proxy-gke|l7-default-backend|pdcsi-node|filestore-node|gcsfusecsi-node|anetd|netd"
    r"|ip-masq-agent|stackdriver-metadata-agent|node-local-dns|antrea|maintenance-handler|collector-)[\w.-]*"
)
_OF_A_PROGRAM = ("container-failed-to-start", "container-crash-loop", "health-probe-failed", "application-exception")


def _runs_for_google(root: Cause, group: ErrorGroup) -> bool:
    """Add-ons that GKE itself installs and updates; what others put into `kube-system` is not among them."""
    labels = group.latest.resource_labels
    space, pod = labels.get("namespace_name", ""), labels.get("pod_name", "")
    managed = _GOOGLES_SPACES.fullmatch(space) or (space == "kube-system" and _GOOGLES_PODS.match(pod))
    return root.failure_class in _OF_A_PROGRAM and bool(managed)


_WRONG_PATH = re.compile(
    r"statuscode: (?:30[1278]|40[0-9])|HTTP (?:30[1278]|40[0-9])\b"
    r"|malformed HTTP (?:response|version)|server gave HTTP response to HTTPS client|does not look like a TLS handshake"
)
"""A status that speaks of the path, or what Go's client says of a server that speaks another protocol."""


def _probe_path(root: Cause, group: ErrorGroup) -> bool:
    return root.failure_class == "health-probe-failed" and bool(_WRONG_PATH.search(_message(group)))


_OF_CLUSTER = re.compile(r"k8s\d*-|gkegw\d*-|gkemcg\d*-")
"""Beginnings of the names that GKE gives to the backend services of its Ingresses and Gateways."""


def _backend_of_cluster(root: Cause, group: ErrorGroup) -> bool:
    """GKE makes such a backend's health check from the readiness probe and the port of the workload behind it."""
    name = group.latest.resource_labels.get("backend_service_name", "")
    return root.failure_class == "backend-unhealthy" and bool(_OF_CLUSTER.match(name))


_USED = re.compile(r"was using (\d+)([KMG]i?)?, (?:which exceeds its request of|request is) (\d+)([KMG]i?)?")
_UNIT = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


def _above_its_request(root: Cause, group: ErrorGroup) -> bool:
    """An evicted pod that used more than it asked for. One that asked for nothing was only found on a node that is full."""
    found = _USED.search(_message(group)) if root.failure_class in ("host-memory-pressure", "disk-full") else None
    if found is None:
        return False
    used, asked = (int(found[n]) * _UNIT[found[n + 1] or ""] for n in (1, 3))
    return 0 < asked < used


_GOOGLE_REFUSES = re.compile(
    r"\bgoogleapis\.com\b.{0,400}(?:connection refused|ECONNREFUSED)"
    r"|(?:connection refused|ECONNREFUSED).{0,400}\bgoogleapis\.com\b",
    re.IGNORECASE | re.DOTALL,
)


def _google_refuses(root: Cause, group: ErrorGroup) -> bool:
    """The front ends of Google's APIs refuse no connection on their port; a mesh's sidecar that is not up yet does."""
    in_cluster = group.latest.resource_type.startswith("k8s_")
    return root.layer in _OUTSIDE and in_cluster and bool(_GOOGLE_REFUSES.search(_message(group)))


_SEVERAL = 3


def _no_instance_anywhere(root: Cause, group: ErrorGroup) -> bool:
    """A maximum is set for one service; that several reach theirs at once is no accident of settings."""
    return root.failure_class == "no-available-instance" and len(group.services) >= _SEVERAL


_MISFIT = re.compile(
    r"generated code is out of date|Descriptors cannot be created directly|ERR_OSSL_EVP_UNSUPPORTED|"
    r"digital envelope routines::unsupported|dtype size changed|binary incompatibility|only supports OpenSSL|"
    r"has been moved to the .* package|module '[\w.]+' has no attribute|"
    r"No module named '(?:distutils|imp|asyncore|asynchat|pkg_resources)\b",
    re.IGNORECASE,
)
_RAISED_IN_LIBRARY = re.compile(
    r"has no attribute|unexpected keyword argument|positional argument|NoSuchMethodError|"
    r"NoSuchFieldError|AbstractMethodError|NoClassDefFoundError|IncompatibleClassChangeError|TypeLoadException",
    re.IGNORECASE,
)
"""What a runtime says when code meets another version of a module than it was written for.

A name that cannot be imported is none of these: which versions go together was chosen when the image was built.
"""


def _library_misfit(root: Cause, group: ErrorGroup) -> bool:
    text = _message(group)
    if root.layer is not Layer.APPLICATION:
        return False
    if _MISFIT.search(text):
        return True
    frames = group.trace.innermost.frames if group.trace else ()
    return bool(frames) and not frames[0].in_app and bool(_RAISED_IN_LIBRARY.search(text))


# --- what other lines say ---------------------------------------------------------------------------------------------

_START = ("container-failed-to-start", "health-probe-failed")
_ON_LOOPBACK = re.compile(
    r"\b(?:running|listening|serving|started|available)\b[^\n]{0,60}(?:127\.0\.0\.1|\[::1\])", re.IGNORECASE
)
"""Servers print `localhost` for any address; the loopback address itself only where they are bound to it."""
_OF_SIDECAR = re.compile(r'container "[^"]*proxy')
"""A proxy beside the program is for the program alone: there the probe is at fault."""
_LISTENS_ON = re.compile(
    r"\b(?:listening|running|serving|started|available)\b[^\n]{0,60}?(?::|\bport[ =:]{1,3})(\d{2,5})\b", re.IGNORECASE
)
_ASKED_ON = re.compile(r"\bon port (\d{2,5})\b|\bPORT=(\d{2,5})\b")
_TO_CHECKER = re.compile(r'HTTP/[\d.]+" [34]\d\d\b.*\bGoogleHC\b')
_Others = Sequence[ErrorGroup]


def _bound_to_loopback(message: str, others: _Others) -> ErrorGroup | None:
    if _OF_SIDECAR.search(message):
        return None
    return next((other for other in others if _ON_LOOPBACK.search(other.latest.message)), None)


def _another_port(message: str, others: _Others) -> ErrorGroup | None:
    asked = _ASKED_ON.search(message)
    told = [(other, found[1]) for other in others if (found := _LISTENS_ON.search(other.latest.message))]
    if asked is None or any(port in asked.groups() for _, port in told):
        return None
    return next((other for other, _ in told), None)


def _checker_refused(_message: str, others: _Others) -> ErrorGroup | None:
    return next((other for other in others if _TO_CHECKER.search(other.latest.message)), None)


@dataclass(frozen=True, slots=True)
class Beside:
    """When `find` shows a line, a failure of one of `classes` belongs to `layer`: what its own message does not tell."""

    classes: tuple[str, ...]
    find: Callable[[str, _Others], ErrorGroup | None]
    layer: Layer
    words: LiteralString


BESIDE: tuple[Beside, ...] = (
    Beside(
        _START,
        _bound_to_loopback,
        Layer.APPLICATION,
        "the program listens on the loopback address, where no probe reaches it",
    ),
    Beside(
        _START,
        _another_port,
        Layer.CONFIGURATION,
        "the program listens on another port than it is asked on: the two settings do not fit",
    ),
    Beside(
        ("backend-unhealthy",),
        _checker_refused,
        Layer.CONFIGURATION,
        "the backend answers its health checker with another status than 200: the path of the check does not fit",
    ),
)


def beside(evidence: Evidence, root: Cause, group: ErrorGroup) -> tuple[Beside, ErrorGroup] | None:
    """The first row with the line that shows it; only lines of the same service, where the failure has one."""
    observed = evidence.observations
    others = [
        other
        for other in (*observed.groups, *observed.notices)
        if other.id != group.id and (not group.services or set(group.services) & set(other.services))
    ]
    for row in BESIDE:
        if root.failure_class in row.classes and (line := row.find(group.latest.message, others)) is not None:
            return None if row.layer is root.layer else (row, line)
    return None


# --- what the service's own setting says ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Egress:
    """How a Cloud Run service reaches out, as its probe read it. `attached`: it has a connector or a network of its own."""

    result: ProbeResult
    attached: bool
    all_traffic: bool
    connector: Redacted | None


def egress_of(evidence: Evidence, group: ErrorGroup) -> Egress | None:
    """The egress setting of the group's service; None when it is no such service or the setting was not read."""
    result = service_probe(evidence, group)
    if result is None or not result.facts:
        return None
    facts = dict(result.facts)
    connector = facts.get("template.vpcAccess.connector")
    attached = bool(connector or facts.get("template.vpcAccess.network"))
    all_traffic = "ALL_TRAFFIC" in facts.get("template.vpcAccess.egress", "")
    return Egress(result, attached, all_traffic, connector or None)


def service_probe(evidence: Evidence, group: ErrorGroup) -> ProbeResult | None:
    """What the look at the group's own Cloud Run service gave, None when it is none or was not asked."""
    service = group.latest.resource_labels.get("service_name")
    for result in evidence.probes:
        of_service = result.target.kind is ProbeKind.CLOUD_RUN and bool(service)
        if of_service and result.target.name.endswith(f"/services/{service}"):
            return result
    return None


def address_class(group: ErrorGroup) -> Literal["public", "private"] | None:
    """Of the one address that a message names; None when it names none, or both kinds."""
    text = _message(group)
    public, private = "[public-ip]" in text, "[private-ip]" in text
    return None if public == private else "public" if public else "private"


CIRCUMSTANCES: tuple[Circumstance, ...] = (
    Circumstance(
        _runs_for_google,
        Layer.PLATFORM,
        LayerOwner.PROVIDER,
        "the program is an add-on that GKE installs and updates by itself",
    ),
    Circumstance(
        _loopback,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "the address is the container itself, where nothing listens on that port",
    ),
    Circumstance(
        _private_from_serverless,
        Layer.CONFIGURATION,
        LayerOwner.INFRASTRUCTURE,
        "a private address does not answer, and only the service's own egress setting leads to private addresses",
    ),
    Circumstance(
        _memory_file_system,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "the file system of this kind of service is memory and counts against its own limit",
    ),
    Circumstance(
        _disk_of_build,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "the size of a build's disk is an option of the build itself",
    ),
    Circumstance(
        _default_of_balancer,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "the answer was cut off at 30 s, the time limit of a backend service that nobody set",
    ),
    Circumstance(
        _local_name,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "the name has no domain or is of the cluster itself, and the resolver answers that there is none: a setting names it",
    ),
    Circumstance(
        _no_such_node,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "the workload asks for a kind of node that the cluster does not offer",
    ),
    Circumstance(
        _missing_variable,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "an environment variable is a setting of the deployment",
    ),
    Circumstance(
        _jobs_of_others,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "the query is to run in a project that is not the program's own, which its setting of the project decides",
    ),
    Circumstance(
        _probe_path,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "the program answers, but not on the path or in the protocol that the probe asks: the two settings do not fit",
    ),
    Circumstance(
        _backend_of_cluster,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "the cluster made this backend and takes its health check from the workload's own readiness probe and port",
    ),
    Circumstance(
        _above_its_request,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "the evicted pod used more than it asked for, and such pods are evicted first",
    ),
    Circumstance(
        _google_refuses,
        Layer.CONFIGURATION,
        LayerOwner.DEVELOPERS,
        "Google's APIs refuse no connection: something in the pod does, such as a sidecar that is not up yet",
    ),
    Circumstance(
        _no_instance_anywhere,
        Layer.CAPACITY,
        LayerOwner.PROVIDER,
        "several services have no instance at the same time, which the maximum of one of them does not explain",
    ),
    Circumstance(
        _library_misfit,
        Layer.DEPENDENCY,
        LayerOwner.DEVELOPERS,
        "a library meets another version than it was written for",
    ),
)

"""Live health of Google Cloud resources over httpx, one function per kind, reading only.

Owns the address, the `fields=` mask and the reading of each answer. Every request names the fields it wants, because a whole
service also holds plain environment values. Leaves what follows from a state to `diagnosis/`, and credentials to
`google_auth.py`. 403 and 404 mean "cannot see" and never "unhealthy".

Source of fields and states: the services' discovery documents.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import httpx

from app.errors import SourceRefused
from app.evidence.model import ProbeKind, ProbeResult, ProbeState, ProbeTarget, Window
from app.redact import Redacted, cut

Facts = tuple[tuple[str, str], ...]

DEADLINE = timedelta(seconds=10)
STATUS_AGE = timedelta(minutes=2)
"""How long the public incident feed is taken as read."""
_AT_ONCE = 6
_RECENT = timedelta(hours=6)
_CONSOLE = "https://console.cloud.google.com"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe found: `reason` explains every state but HEALTHY."""

    state: ProbeState
    facts: Facts = ()
    reason: str | None = None
    url: str | None = None


class GoogleProbes:
    """Probes within `allowed` projects.

    `http` carries the credentials of the tenant; `public` is a client without any, for the public feed. `address` maps a
    service's host to where it is reached (the stand-ins of tests). Answers of one audit are not shared with another, but for
    the public feed.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        public: httpx.AsyncClient,
        allowed: frozenset[str],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        address: Callable[[str], str] = lambda host: f"https://{host}",
    ) -> None:
        self._http = http
        self._public = public
        self._allowed = allowed
        self._clock = clock
        self._address = address
        self._feed: tuple[datetime, list[Any]] | None = None
        self._feed_turn = asyncio.Lock()

    async def run(self, targets: Sequence[ProbeTarget], window: Window) -> tuple[ProbeResult, ...]:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(target: ProbeTarget) -> ProbeResult:
            async with slots:
                answer = await self._ask(target, window)
            return ProbeResult(
                target,
                answer.state,
                tuple((name, cut(value)) for name, value in answer.facts),
                None if answer.reason is None else cut(answer.reason),
                self._clock(),
                answer.url,
            )

        return tuple(await asyncio.gather(*(one(target) for target in targets)))

    async def _ask(self, target: ProbeTarget, window: Window) -> Answer:
        """One probe, with every kind of trouble turned into a state."""
        found = re.match(r"projects/([^/]+)/", target.name)
        if target.kind is not ProbeKind.PUBLIC_STATUS and (found is None or found[1] not in self._allowed):
            return Answer(ProbeState.NOT_ASKED, reason="the operator granted no look at this project")
        probe: Callable[[Redacted, Window], Awaitable[Answer]]
        match target.kind:
            case ProbeKind.CLOUD_SQL:
                probe = self.cloud_sql
            case ProbeKind.CLOUD_SQL_OPERATIONS:
                probe = self.cloud_sql_operations
            case ProbeKind.CLOUD_RUN:
                probe = self.cloud_run
            case ProbeKind.VPC_CONNECTOR:
                probe = self.vpc_connector
            case ProbeKind.GKE_CLUSTER:
                probe = self.gke_cluster
            case ProbeKind.REDIS:
                probe = self.redis
            case ProbeKind.SERVICE_HEALTH:
                probe = self.service_health
            case ProbeKind.PUBLIC_STATUS:
                probe = self.public_status
        try:
            return await probe(target.name, window)
        except _NotShown as refused:
            return refused.answer
        except SourceRefused as refused:
            return Answer(ProbeState.NO_ACCESS, reason=refused.reason)
        except (httpx.TransportError, httpx.InvalidURL) as trouble:
            return Answer(ProbeState.FAILED, reason=f"no answer ({type(trouble).__name__})")
        except _Malformed:
            return Answer(ProbeState.FAILED, reason="the answer is not what the API describes")

    # --- one function per kind ----------------------------------------------------------------------------------------

    async def cloud_sql(self, name: Redacted, _window: Window) -> Answer:
        project, instance = _parts(name, "instances")
        raw = await self._get(
            "sqladmin.googleapis.com",
            f"/v1/projects/{project}/instances/{instance}",
            "state,suspensionReason,databaseVersion,gceZone,secondaryGceZone,outOfDiskReport,ipAddresses/type,connectorEnforcement,"
            "scheduledMaintenance,settings(activationPolicy,availabilityType,tier,dataDiskSizeGb,storageAutoResize,"
            "ipConfiguration(ipv4Enabled,privateNetwork,sslMode,requireSsl))",
            role="roles/cloudsql.viewer",
        )
        settings = _inner(raw, "settings")
        network = _inner(settings, "ipConfiguration")
        state, policy = _text(raw, "state"), _text(settings, "activationPolicy")
        facts = _facts(
            ("state", state),
            ("settings.activationPolicy", policy),
            ("suspensionReason", ", ".join(_texts(raw.get("suspensionReason")))),
            ("outOfDiskReport", _text(_inner(raw, "outOfDiskReport"), "sqlOutOfDiskState")),
            ("ipAddresses.type", ", ".join(_text(_mapping(a), "type") for a in _list(raw.get("ipAddresses")))),
            ("settings.ipConfiguration.ipv4Enabled", _text(network, "ipv4Enabled")),
            ("settings.ipConfiguration.privateNetwork", _text(network, "privateNetwork").rpartition("/")[2]),
            ("settings.ipConfiguration.sslMode", _text(network, "sslMode")),
            ("connectorEnforcement", _text(raw, "connectorEnforcement")),
            ("settings.availabilityType", _text(settings, "availabilityType")),
            ("settings.tier", _text(settings, "tier")),
            ("databaseVersion", _text(raw, "databaseVersion")),
            ("gceZone", _text(raw, "gceZone")),
            ("scheduledMaintenance.startTime", _text(_inner(raw, "scheduledMaintenance"), "startTime")),
        )
        url = f"{_CONSOLE}/sql/instances/{instance}/overview?project={project}"
        # RUNNABLE means running or stopped by its owner; the activation policy tells which.
        if state == "RUNNABLE" and policy == "NEVER":
            return Answer(ProbeState.UNHEALTHY, facts, "it was stopped by its owner (activationPolicy NEVER)", url)
        if _text(_inner(raw, "outOfDiskReport"), "sqlOutOfDiskState") == "SQL_OUT_OF_DISK_STATE_SOFT_SHUTDOWN":
            return Answer(ProbeState.UNHEALTHY, facts, "its disk is full", url)
        if state == "RUNNABLE":
            return Answer(ProbeState.HEALTHY, facts, None, url)
        if not state:
            return Answer(ProbeState.FAILED, facts, "the API tells no state", url)
        return Answer(ProbeState.UNHEALTHY, facts, f"its state is {state}", url)

    async def cloud_sql_operations(self, name: Redacted, window: Window) -> Answer:
        project, instance = _parts(name, "instances")
        raw = await self._get(
            "sqladmin.googleapis.com",
            f"/v1/projects/{project}/operations",
            "items(operationType,status,insertTime,startTime,endTime,error/errors/code)",
            {"instance": instance, "maxResults": "20"},
            role="roles/cloudsql.viewer",
        )
        facts: list[tuple[str, str]] = []
        near: list[str] = []
        for number, item in enumerate(_mapping(i) for i in _list(raw.get("items"))):
            kind, status, begun = _text(item, "operationType"), _text(item, "status"), _text(item, "startTime")
            codes = ", ".join(_text(_mapping(e), "code") for e in _list(_inner(item, "error").get("errors")))
            facts.append(
                (f"operations.{number}", " ".join(filter(None, (kind, status, begun, _text(item, "endTime"), codes))))
            )
            if kind in _DISTURBING and (at := _time(begun)) is not None and window.start - _RECENT <= at < window.end:
                ended = _time(_text(item, "endTime"))
                if ended is None or ended >= window.start:
                    near.append(f"{kind} {status} from {begun}")
        url = f"{_CONSOLE}/sql/instances/{instance}/operations?project={project}"
        if near:
            return Answer(ProbeState.UNHEALTHY, tuple(facts), f"in the window: {'; '.join(near)}", url)
        return Answer(ProbeState.HEALTHY, tuple(facts[:5]) or (("operations", "none"),), None, url)

    async def cloud_run(self, name: Redacted, _window: Window) -> Answer:
        project, location, service = _parts(name, "locations", "services")
        raw = await self._get(
            "run.googleapis.com",
            f"/v2/projects/{project}/locations/{location}/services/{service}",
            "terminalCondition,reconciling,latestReadyRevision,latestCreatedRevision,trafficStatuses(revision,percent,type),"
            "generation,observedGeneration,template(vpcAccess,serviceAccount,scaling,timeout,maxInstanceRequestConcurrency,"
            "containers/resources/limits,volumes/cloudSqlInstance)",
            role="roles/run.viewer",
        )
        condition, template = _inner(raw, "terminalCondition"), _inner(raw, "template")
        vpc = _inner(template, "vpcAccess")
        ready, created = (
            _text(raw, key).rpartition("/")[2] for key in ("latestReadyRevision", "latestCreatedRevision")
        )
        limits = [_inner(_inner(_mapping(c), "resources"), "limits") for c in _list(template.get("containers"))]
        scaling = _inner(template, "scaling")
        attached = [
            connection
            for volume in _list(template.get("volumes"))
            for connection in _texts(_inner(_mapping(volume), "cloudSqlInstance").get("instances"))
        ]
        networks = [_mapping(n) for n in _list(vpc.get("networkInterfaces"))]
        facts = _facts(
            ("terminalCondition.state", _text(condition, "state")),
            ("terminalCondition.reason", _text(condition, "reason") or _text(condition, "revisionReason")),
            ("terminalCondition.message", _text(condition, "message")[:500]),
            ("latestReadyRevision", ready),
            ("latestCreatedRevision", created),
            ("traffic", ", ".join(_traffic(_mapping(t), ready) for t in _list(raw.get("trafficStatuses")))),
            ("template.vpcAccess.connector", _text(vpc, "connector")),
            ("template.vpcAccess.egress", _text(vpc, "egress")),
            ("template.vpcAccess.network", ", ".join(_text(n, "network").rpartition("/")[2] for n in networks)),
            ("template.cloudSqlInstance", ", ".join(attached)),
            ("template.scaling", _range(_text(scaling, "minInstanceCount"), _text(scaling, "maxInstanceCount"))),
            ("template.maxInstanceRequestConcurrency", _text(template, "maxInstanceRequestConcurrency")),
            ("template.limits", ", ".join(f"{k} {v}" for one in limits for k, v in sorted(one.items()))),
            ("template.timeout", _text(template, "timeout")),
            ("template.serviceAccount", _text(template, "serviceAccount")),
        )
        url = f"{_CONSOLE}/run/detail/{location}/{service}/revisions?project={project}"
        state = _text(condition, "state")
        if state == "CONDITION_SUCCEEDED" and ready == created:
            return Answer(ProbeState.HEALTHY, facts, None, url)
        if state == "CONDITION_FAILED":
            reason = _text(condition, "reason") or _text(condition, "revisionReason") or "no reason told"
            return Answer(ProbeState.UNHEALTHY, facts, f"its newest revision is not ready: {reason}", url)
        if ready and created and ready != created:
            return Answer(ProbeState.UNHEALTHY, facts, f"{created} never became ready; {ready} serves", url)
        if raw.get("reconciling") or state in ("CONDITION_PENDING", "CONDITION_RECONCILING"):
            return Answer(ProbeState.FAILED, facts, "it is changing right now, so its state is not settled", url)
        return Answer(ProbeState.FAILED, facts, "the API tells no state", url)

    async def vpc_connector(self, name: Redacted, _window: Window) -> Answer:
        project, location, connector = _parts(name, "locations", "connectors")
        raw = await self._get(
            "vpcaccess.googleapis.com",
            f"/v1/projects/{project}/locations/{location}/connectors/{connector}",
            "state,minInstances,maxInstances,machineType,network,subnet/name,minThroughput,maxThroughput",
            role="roles/vpcaccess.viewer",
        )
        state = _text(raw, "state")
        facts = _facts(
            ("state", state),
            ("instances", _range(_text(raw, "minInstances"), _text(raw, "maxInstances"))),
            ("machineType", _text(raw, "machineType")),
            ("network", _text(raw, "network").rpartition("/")[2]),
            ("subnet", _text(_inner(raw, "subnet"), "name")),
        )
        url = f"{_CONSOLE}/networking/connectors/details/{location}/{connector}?project={project}"
        return _by_state(state, {"READY"}, {"CREATING", "UPDATING"}, facts, url)

    async def gke_cluster(self, name: Redacted, _window: Window) -> Answer:
        project, location, cluster = _parts(name, "locations", "clusters")
        raw = await self._get(
            "container.googleapis.com",
            f"/v1/projects/{project}/locations/{location}/clusters/{cluster}",
            "status,statusMessage,conditions(canonicalCode,message),currentMasterVersion,currentNodeVersion,currentNodeCount,"
            "nodePools(name,status,statusMessage,version,conditions/canonicalCode)",
            role="roles/container.clusterViewer",
        )
        pools = [_mapping(p) for p in _list(raw.get("nodePools"))]
        status = _text(raw, "status")
        facts = _facts(
            ("status", status),
            ("statusMessage", _text(raw, "statusMessage")[:500]),
            ("conditions", ", ".join(_text(_mapping(c), "canonicalCode") for c in _list(raw.get("conditions")))),
            ("currentMasterVersion", _text(raw, "currentMasterVersion")),
            ("currentNodeCount", _text(raw, "currentNodeCount")),
            *(
                (f"nodePools.{_text(p, 'name')}", f"{_text(p, 'status')} {_text(p, 'version')}".strip())
                for p in pools[:20]
            ),
        )
        url = f"{_CONSOLE}/kubernetes/clusters/details/{location}/{cluster}/details?project={project}"
        bad = [_text(p, "name") for p in pools if _text(p, "status") in ("ERROR", "RUNNING_WITH_ERROR")]
        if status == "RUNNING" and bad:
            return Answer(ProbeState.UNHEALTHY, facts, f"node pools with errors: {', '.join(bad)}", url)
        return _by_state(status, {"RUNNING"}, {"RECONCILING", "PROVISIONING"}, facts, url)

    async def redis(self, name: Redacted, _window: Window) -> Answer:
        project, location, instance = _parts(name, "locations", "instances")
        raw = await self._get(
            "redis.googleapis.com",
            f"/v1/projects/{project}/locations/{location}/instances/{instance}",
            "state,statusMessage,suspensionReasons,tier,memorySizeGb,redisVersion,currentLocationId,authorizedNetwork",
            role="roles/redis.viewer",
        )
        state = _text(raw, "state")
        facts = _facts(
            ("state", state),
            ("statusMessage", _text(raw, "statusMessage")[:500]),
            ("suspensionReasons", ", ".join(_texts(raw.get("suspensionReasons")))),
            ("tier", _text(raw, "tier")),
            ("memorySizeGb", _text(raw, "memorySizeGb")),
            ("redisVersion", _text(raw, "redisVersion")),
            ("currentLocationId", _text(raw, "currentLocationId")),
            ("authorizedNetwork", _text(raw, "authorizedNetwork").rpartition("/")[2]),
        )
        url = (
            f"{_CONSOLE}/memorystore/redis/locations/{location}/instances/{instance}/details/overview?project={project}"
        )
        return _by_state(state, {"READY"}, {"CREATING", "UPDATING"}, facts, url)

    async def service_health(self, name: Redacted, window: Window) -> Answer:
        """Events that Google announced to this project, and that lie in the window."""
        (project,) = _parts(name.removesuffix("/locations/global"))
        raw = await self._get(
            "servicehealth.googleapis.com",
            f"/v1/projects/{project}/locations/global/events",
            "events(name,title,state,detailedState,relevance,startTime,endTime,eventImpacts(product/productName,location/locationName))",
            {"pageSize": "100", "filter": f'start_time<="{window.end.strftime("%Y-%m-%dT%H:%M:%SZ")}"'},
            role="roles/servicehealth.viewer",
        )
        facts: list[tuple[str, str]] = []
        for event in (_mapping(e) for e in _list(raw.get("events"))):
            if not _overlaps(_text(event, "startTime"), _text(event, "endTime"), window):
                continue
            if _text(event, "detailedState") == "FALSE_POSITIVE" or _text(event, "relevance") == "NOT_IMPACTED":
                continue
            impacts = [_mapping(i) for i in _list(event.get("eventImpacts"))]
            products = sorted({_text(_inner(i, "product"), "productName") for i in impacts} - {""})
            places = sorted({_text(_inner(i, "location"), "locationName") for i in impacts} - {""})
            told = [
                _text(event, "title"),
                _text(event, "state"),
                _text(event, "relevance"),
                ", ".join(products),
                ", ".join(places),
            ]
            facts.append((f"event.{_text(event, 'name').rpartition('/')[2]}", " · ".join(filter(None, told))))
        url = f"{_CONSOLE}/servicehealth/incidents?project={project}"
        if facts:
            return Answer(ProbeState.UNHEALTHY, tuple(facts[:10]), f"announced for this window: {facts[0][1]}", url)
        return Answer(ProbeState.HEALTHY, (("events", "none in the window"),), None, url)

    async def public_status(self, _name: Redacted, window: Window) -> Answer:
        """Widespread incidents that are public. That none is named proves nothing, and the note says so."""
        facts: list[tuple[str, str]] = []
        for incident in map(_mapping, await self._public_feed()):
            if not _overlaps(_text(incident, "begin"), _text(incident, "end"), window):
                continue
            places = [
                _text(_mapping(place), "id")
                for key in ("currently_affected_locations", "previously_affected_locations")
                for place in _list(incident.get(key))
            ]
            told = [
                _text(incident, "external_desc")[:300],
                _text(incident, "service_name"),
                _text(incident, "status_impact"),
            ]
            facts.append(
                (
                    f"incident.{_text(incident, 'id')}",
                    " · ".join(filter(None, [*told, ", ".join(sorted(set(places))[:8])])),
                )
            )
        url = "https://status.cloud.google.com/summary"
        if facts:
            return Answer(ProbeState.UNHEALTHY, tuple(facts[:10]), f"public in this window: {facts[0][1]}", url)
        return Answer(
            ProbeState.HEALTHY, (("incidents", "none public in the window, which proves nothing"),), None, url
        )

    # --- asking -------------------------------------------------------------------------------------------------------

    async def _get(
        self, host: str, path: str, fields: str, query: Mapping[str, str] | None = None, *, role: str
    ) -> Mapping[str, Any]:
        answer = await self._http.get(
            f"{self._address(host)}{path}",
            params={"fields": fields, **(query or {})},
            timeout=DEADLINE.total_seconds(),
            follow_redirects=False,
        )
        return _read(answer, host, role)

    async def _public_feed(self) -> list[Any]:
        async with self._feed_turn:
            now = self._clock()
            if self._feed is None or now - self._feed[0] > STATUS_AGE:
                answer = await self._public.get(
                    f"{self._address('status.cloud.google.com')}/incidents.json", timeout=DEADLINE.total_seconds()
                )
                if answer.status_code != 200:
                    raise _NotShown(Answer(ProbeState.FAILED, reason=f"the feed answered {answer.status_code}"))
                try:
                    feed = answer.json()
                except ValueError:
                    raise _Malformed from None
                if not isinstance(feed, list):
                    raise _Malformed
                self._feed = (now, cast("list[Any]", feed))
            return self._feed[1]


class _NotShown(Exception):
    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.reason)
        self.answer = answer


class _Malformed(Exception):
    pass


_DISTURBING = {
    "RESTART", "AUTO_RESTART", "FAILOVER", "SWITCHOVER", "MAINTENANCE", "CLUSTER_MAINTENANCE", "SELF_SERVICE_MAINTENANCE",
    "UPDATE", "RESTORE_VOLUME", "MAJOR_VERSION_UPGRADE", "DELETE", "DEMOTE_MASTER", "PROMOTE_REPLICA",
}  # fmt: skip
"""Operations during which connections are refused or dropped."""


def _read(answer: httpx.Response, host: str, role: str) -> Mapping[str, Any]:
    match answer.status_code:
        case 200:
            try:
                raw = answer.json()
            except ValueError:
                raise _Malformed from None
            if not isinstance(raw, Mapping):
                raise _Malformed
            return cast("Mapping[str, Any]", raw)
        case 401 | 403:
            told = _text(_inner(_mapping(_json(answer)), "error"), "message")
            if "has not been used" in told or "is disabled" in told or "SERVICE_DISABLED" in answer.text[:5_000]:
                reason = f"the API {host} is not enabled in the project (gcloud services enable {host})"
            else:
                reason = f"not permitted to look ({role})"
            raise _NotShown(Answer(ProbeState.NO_ACCESS, reason=reason))
        case 404:
            raise _NotShown(Answer(ProbeState.NOT_FOUND, reason="it does not exist under this name, or is hidden"))
        case 429:
            raise _NotShown(Answer(ProbeState.FAILED, reason="the API's quota is used up"))
        case status:
            raise _NotShown(Answer(ProbeState.FAILED, reason=f"the API answered {status}"))


def _json(answer: httpx.Response) -> object:
    try:
        return answer.json()
    except ValueError:
        return None


def _parts(name: str, *kinds: str) -> tuple[str, ...]:
    """`projects/p/locations/l/services/s` with ("locations", "services") is (p, l, s). Raises `_Malformed` otherwise."""
    pattern = "/".join(f"{kind}/([a-zA-Z0-9][a-zA-Z0-9._:-]*)" for kind in ("projects", *kinds))
    found = re.fullmatch(pattern, name)
    if found is None:
        raise _Malformed
    return found.groups()


def _by_state(state: str, healthy: set[str], changing: set[str], facts: Facts, url: str) -> Answer:
    if state in healthy:
        return Answer(ProbeState.HEALTHY, facts, None, url)
    if not state or state.endswith("_UNSPECIFIED"):
        return Answer(ProbeState.FAILED, facts, "the API tells no state", url)
    if state in changing:
        return Answer(ProbeState.UNHEALTHY, facts, f"it is being changed (state {state})", url)
    return Answer(ProbeState.UNHEALTHY, facts, f"its state is {state}", url)


def _traffic(status: Mapping[str, Any], latest: str) -> str:
    revision = _text(status, "revision").rpartition("/")[2]
    if not revision and _text(status, "type") == "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST":
        revision = latest
    return f"{revision} {_text(status, 'percent') or '0'} %"


def _range(least: str, most: str) -> str:
    return f"{least or '0'} to {most}" if most else ""


def _overlaps(begin: str, end: str, window: Window) -> bool:
    """An event without an end is still going on; one without a beginning is none."""
    begun, ended = _time(begin), _time(end)
    return begun is not None and begun < window.end and (ended is None or ended >= window.start)


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def _facts(*pairs: tuple[str, str]) -> Facts:
    return tuple((name, value) for name, value in pairs if value)


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _inner(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return _mapping(raw.get(key))


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


def _text(raw: Mapping[str, Any], key: str) -> str:
    value = raw.get(key)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def _texts(value: object) -> list[str]:
    return [str(item) for item in _list(value)]

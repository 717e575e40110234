"""Live health of Google Cloud resources over httpx, one function per kind, reading only.

Owns the address, the `fields=` mask and the reading of each answer. Leaves what follows from a state to `diagnosis/`, the
transport to `rest.py`, and credentials to `google_auth.py`. 403 and 404 mean "cannot see" and never "unhealthy".

Source of fields and states: the services' discovery documents.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from app.evidence.model import ProbeKind, ProbeResult, ProbeState, ProbeTarget, Window
from app.redact import Redacted, cut, start_of
from app.sources.filters import literal
from app.sources.monitoring import ROLE as MONITORING_ROLE
from app.sources.monitoring import Align, Monitoring, Point, Series
from app.sources.rest import NotRead, Refusal, Rest, inner, moment, rows, tail, text, texts

Facts = tuple[tuple[str, str], ...]

FEED_AGE = timedelta(minutes=2)
"""How long the public incident feed is taken as read."""
_AT_ONCE = 6
_RECENT = timedelta(hours=6)
_BEFORE = timedelta(minutes=15)
"""How long before the window metrics are looked at: what went down before the first error is its cause."""
_PAGES = 5
_LONGEST_FACT = 500
_CONSOLE = "https://console.cloud.google.com"

ROLES: Mapping[ProbeKind, str] = {
    ProbeKind.CLOUD_SQL: "roles/cloudsql.viewer",
    ProbeKind.CLOUD_SQL_OPERATIONS: "roles/cloudsql.viewer",
    ProbeKind.CLOUD_RUN: "roles/run.viewer",
    ProbeKind.VPC_CONNECTOR: "roles/vpcaccess.viewer",
    ProbeKind.GKE_CLUSTER: "roles/container.clusterViewer",
    ProbeKind.REDIS: "roles/redis.viewer",
    ProbeKind.CLOUD_RUN_JOB: "roles/run.viewer",
    ProbeKind.SECRET: "roles/secretmanager.viewer",
    ProbeKind.QUOTA: MONITORING_ROLE,
    ProbeKind.SERVICE_HEALTH: "roles/servicehealth.viewer",
}
"""What lets the auditor look, for the reader who can grant it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a probe found: `reason` explains every state but HEALTHY."""

    state: ProbeState
    facts: Facts = ()
    reason: str | None = None
    url: str | None = None


class PublicFeed:
    """The provider's public incidents, read at most once in `FEED_AGE` by all audits of a process."""

    def __init__(self, rest: Rest, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._rest = rest
        self._clock = clock
        self._read: tuple[datetime, list[Mapping[str, Any]]] | None = None
        self._turn = asyncio.Lock()

    async def incidents(self) -> list[Mapping[str, Any]]:
        """Raises `NotRead`."""
        async with self._turn:
            now = self._clock()
            if self._read is None or now - self._read[0] > FEED_AGE:
                raw = await self._rest.public("status.cloud.google.com", "/incidents.json")
                incidents = [row for row in rows(raw) if row.get("begin")]
                if not isinstance(raw, list) or (raw and not incidents):
                    raise NotRead(Refusal.MALFORMED, "the feed is no list of incidents")
                self._read = (now, incidents)
            return self._read[1]


class GoogleProbes:
    """Probes within `allowed` projects. `rest` carries the credentials of the tenant, `feed` none."""

    def __init__(
        self,
        rest: Rest,
        feed: PublicFeed,
        allowed: frozenset[str],
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._rest = rest
        self._monitoring = Monitoring(rest)
        self._feed = feed
        self._allowed = allowed
        self._clock = clock

    async def run(self, targets: Sequence[ProbeTarget], window: Window) -> tuple[ProbeResult, ...]:
        slots = asyncio.Semaphore(_AT_ONCE)

        async def one(target: ProbeTarget) -> ProbeResult:
            async with slots:
                answer = await self._ask(target, window)
            return ProbeResult(
                target,
                answer.state,
                tuple((name, start_of(value, _LONGEST_FACT)) for name, value in answer.facts),
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
            case ProbeKind.CLOUD_RUN_JOB:
                probe = self.cloud_run_job
            case ProbeKind.SECRET:
                probe = self.secret
            case ProbeKind.QUOTA:
                probe = self.quota
            case ProbeKind.SERVICE_HEALTH:
                probe = self.service_health
            case ProbeKind.PUBLIC_STATUS:
                probe = self.public_status
        try:
            return await probe(target.name, window)
        except NotRead as refused:
            return _unread(refused, target.kind)

    # --- one function per kind ----------------------------------------------------------------------------------------

    async def cloud_sql(self, name: Redacted, window: Window) -> Answer:
        project, instance = _parts(name, "instances")
        raw = await self._rest.get(
            "sqladmin.googleapis.com",
            f"/v1/projects/{project}/instances/{instance}",
            "state,suspensionReason,databaseVersion,gceZone,secondaryGceZone,outOfDiskReport,ipAddresses/type,"
            "scheduledMaintenance,settings(activationPolicy,availabilityType,tier,dataDiskSizeGb,storageAutoResize,"
            "connectorEnforcement,databaseFlags,ipConfiguration(ipv4Enabled,privateNetwork,sslMode,requireSsl))",
        )
        settings = inner(raw, "settings")
        network = inner(settings, "ipConfiguration")
        state, policy = text(raw, "state"), text(settings, "activationPolicy")
        disk = text(inner(raw, "outOfDiskReport"), "sqlOutOfDiskState")
        most = [text(flag, "value") for flag in rows(settings.get("databaseFlags")) if flag.get("name") == _MOST_FLAG]
        metrics, downtime = await self._database_metrics(project, instance, window)
        facts = _facts(
            ("state", state),
            ("settings.activationPolicy", policy),
            ("suspensionReason", ", ".join(texts(raw.get("suspensionReason")))),
            ("outOfDiskReport", disk),
            ("ipAddresses.type", ", ".join(text(address, "type") for address in rows(raw.get("ipAddresses")))),
            ("settings.ipConfiguration.ipv4Enabled", text(network, "ipv4Enabled")),
            ("settings.ipConfiguration.privateNetwork", tail(text(network, "privateNetwork"))),
            ("settings.ipConfiguration.sslMode", text(network, "sslMode")),
            ("settings.connectorEnforcement", text(settings, "connectorEnforcement")),
            ("settings.availabilityType", text(settings, "availabilityType")),
            ("settings.tier", text(settings, "tier")),
            (f"settings.databaseFlags.{_MOST_FLAG}", "".join(most[:1])),
            ("databaseVersion", text(raw, "databaseVersion")),
            ("gceZone", text(raw, "gceZone")),
            ("scheduledMaintenance.startTime", text(inner(raw, "scheduledMaintenance"), "startTime")),
            *metrics,
        )
        url = f"{_CONSOLE}/sql/instances/{instance}/overview?project={project}"
        # RUNNABLE means running or stopped by its owner; the activation policy tells which.
        if state == "RUNNABLE" and policy == "NEVER":
            return Answer(ProbeState.UNHEALTHY, facts, "it was stopped by its owner (activationPolicy NEVER)", url)
        if disk == "SOFT_SHUTDOWN":
            return Answer(ProbeState.UNHEALTHY, facts, "its disk is full", url)
        if downtime is not None:
            return Answer(ProbeState.UNHEALTHY, facts, downtime, url)
        if state == "RUNNABLE":
            return Answer(ProbeState.HEALTHY, facts, None, url)
        return _by_state(state, set(), {"PENDING_CREATE", "ONLINE_MAINTENANCE"}, facts, url)

    async def _database_metrics(self, project: str, instance: str, window: Window) -> tuple[Facts, str | None]:
        """What the database's metrics show in and just before the window, and how long it was down, None when it was not.

        Without the permission this is one fact that says so: the instance's state is then all that is known.
        """
        condition = f"resource.labels.database_id={literal(f'{project}:{instance}')}"
        around = Window(window.start - _BEFORE, window.end)

        def points(metric: str, align: Any, reduce: Any) -> Awaitable[list[Point]]:
            name = f"cloudsql.googleapis.com/database/{metric}"
            return self._monitoring.points(project, name, condition, around, align=align, reduce=reduce)

        try:
            up, backends, cpu = await asyncio.gather(
                points("up", "ALIGN_MIN", "REDUCE_MIN"),
                points("postgresql/num_backends", "ALIGN_MAX", "REDUCE_SUM"),
                points("cpu/utilization", "ALIGN_MAX", "REDUCE_MAX"),
            )
        except NotRead as refused:
            return (("metrics", f"not read: {refused.reason} ({MONITORING_ROLE})"),), None
        facts: list[tuple[str, str]] = []
        down = [point for point in up if point.value == 0]
        downtime = None
        if up:
            facts.append(("database/up", "1 throughout" if not down else f"0 in {len(down)} of {len(up)} intervals"))
        if down:
            downtime = f"it was down from {_clock(down[0].at)} to {_clock(down[-1].at)} (database/up is 0)"
        if backends:
            top = max(backends, key=lambda point: point.value)
            facts.append(("database/postgresql/num_backends", f"at most {top.value:g}, at {_clock(top.at)}"))
        if cpu:
            top = max(cpu, key=lambda point: point.value)
            facts.append(("database/cpu/utilization", f"at most {top.value:.0%}, at {_clock(top.at)}"))
        return tuple(facts), downtime

    async def cloud_sql_operations(self, name: Redacted, window: Window) -> Answer:
        """What was done to the instance near the window; the list is newest first."""
        project, instance = _parts(name, "instances")
        facts: list[tuple[str, str]] = []
        near: list[str] = []
        token, oldest = "", window.end
        since = window.start - _RECENT
        for _ in range(_PAGES):
            raw = await self._rest.get(
                "sqladmin.googleapis.com",
                f"/v1/projects/{project}/operations",
                "nextPageToken,items(operationType,status,insertTime,startTime,endTime,error/errors/code)",
                {"instance": instance, "maxResults": "100", **({"pageToken": token} if token else {})},
            )
            for item in rows(raw.get("items")):
                kind, status, begun = text(item, "operationType"), text(item, "status"), text(item, "startTime")
                codes = ", ".join(text(error, "code") for error in rows(inner(item, "error").get("errors")))
                told = " ".join(filter(None, (kind, status, begun, text(item, "endTime"), codes)))
                inserted = moment(text(item, "insertTime")) or moment(begun)
                oldest = min(oldest, inserted or oldest)
                at, ended = moment(begun), moment(text(item, "endTime"))
                fits = at is not None and since <= at < window.end and (ended is None or ended >= window.start)
                if fits and kind in _DISTURBING:
                    near.append(f"{kind} {status} from {begun}")
                if fits or len(facts) < _FEW:
                    facts.append((f"operations.{len(facts)}", told))
            token = text(raw, "nextPageToken")
            if not token or oldest < since:
                break
        url = f"{_CONSOLE}/sql/instances/{instance}/operations?project={project}"
        if near:
            return Answer(ProbeState.UNHEALTHY, tuple(facts[:20]), f"in the window: {'; '.join(near[:5])}", url)
        if token and oldest >= since:
            return Answer(ProbeState.FAILED, tuple(facts[:20]), "there were more operations than were read", url)
        return Answer(ProbeState.HEALTHY, tuple(facts[:_FEW]) or (("operations", "none"),), None, url)

    async def cloud_run(self, name: Redacted, _window: Window) -> Answer:
        project, location, service = _parts(name, "locations", "services")
        raw = await self._rest.get(
            "run.googleapis.com",
            f"/v2/projects/{project}/locations/{location}/services/{service}",
            "terminalCondition,reconciling,latestReadyRevision,latestCreatedRevision,trafficStatuses(revision,percent,type),"
            "generation,observedGeneration,template(vpcAccess,serviceAccount,scaling,timeout,maxInstanceRequestConcurrency,"
            "containers/resources/limits,volumes/cloudSqlInstance)",
        )
        condition, template = inner(raw, "terminalCondition"), inner(raw, "template")
        vpc = inner(template, "vpcAccess")
        ready, created = (tail(text(raw, key)) for key in ("latestReadyRevision", "latestCreatedRevision"))
        limits = [inner(container, "resources", "limits") for container in rows(template.get("containers"))]
        scaling = inner(template, "scaling")
        attached = [
            connection
            for volume in rows(template.get("volumes"))
            for connection in texts(inner(volume, "cloudSqlInstance").get("instances"))
        ]
        networks = rows(vpc.get("networkInterfaces"))
        facts = _facts(
            ("terminalCondition.state", text(condition, "state")),
            ("terminalCondition.reason", text(condition, "reason") or text(condition, "revisionReason")),
            ("terminalCondition.message", text(condition, "message")),
            ("latestReadyRevision", ready),
            ("latestCreatedRevision", created),
            ("traffic", ", ".join(_traffic(t, ready) for t in rows(raw.get("trafficStatuses")))),
            ("template.vpcAccess.connector", text(vpc, "connector")),
            ("template.vpcAccess.egress", text(vpc, "egress")),
            ("template.vpcAccess.network", ", ".join(tail(text(n, "network")) for n in networks)),
            ("template.cloudSqlInstance", ", ".join(attached)),
            ("template.scaling", _range(text(scaling, "minInstanceCount"), text(scaling, "maxInstanceCount"))),
            ("template.maxInstanceRequestConcurrency", text(template, "maxInstanceRequestConcurrency")),
            ("template.limits", ", ".join(f"{k} {v}" for one in limits for k, v in sorted(one.items()))),
            ("template.timeout", text(template, "timeout")),
            ("template.serviceAccount", text(template, "serviceAccount")),
        )
        url = f"{_CONSOLE}/run/detail/{location}/{service}/revisions?project={project}"
        state = text(condition, "state")
        if state == "CONDITION_SUCCEEDED" and ready == created:
            return Answer(ProbeState.HEALTHY, facts, None, url)
        if raw.get("reconciling") is True or state in ("CONDITION_PENDING", "CONDITION_RECONCILING"):
            return Answer(ProbeState.CHANGING, facts, "a deployment is under way, so its state is not settled", url)
        if state == "CONDITION_FAILED":
            reason = text(condition, "reason") or text(condition, "revisionReason") or "no reason told"
            return Answer(ProbeState.UNHEALTHY, facts, f"its newest revision is not ready: {reason}", url)
        if ready and created and ready != created:
            return Answer(ProbeState.UNHEALTHY, facts, f"{created} never became ready; {ready} serves", url)
        return Answer(ProbeState.FAILED, facts, "the API tells no state", url)

    async def vpc_connector(self, name: Redacted, _window: Window) -> Answer:
        project, location, connector = _parts(name, "locations", "connectors")
        raw = await self._rest.get(
            "vpcaccess.googleapis.com",
            f"/v1/projects/{project}/locations/{location}/connectors/{connector}",
            "state,minInstances,maxInstances,machineType,network,subnet/name,minThroughput,maxThroughput",
        )
        state = text(raw, "state")
        facts = _facts(
            ("state", state),
            ("instances", _range(text(raw, "minInstances"), text(raw, "maxInstances"))),
            ("machineType", text(raw, "machineType")),
            ("network", tail(text(raw, "network"))),
            ("subnet", text(inner(raw, "subnet"), "name")),
        )
        url = f"{_CONSOLE}/networking/connectors/details/{location}/{connector}?project={project}"
        return _by_state(state, {"READY"}, {"CREATING", "UPDATING"}, facts, url)

    async def gke_cluster(self, name: Redacted, _window: Window) -> Answer:
        project, location, cluster = _parts(name, "locations", "clusters")
        raw = await self._rest.get(
            "container.googleapis.com",
            f"/v1/projects/{project}/locations/{location}/clusters/{cluster}",
            "status,statusMessage,conditions(canonicalCode,message),currentMasterVersion,currentNodeVersion,currentNodeCount,"
            "nodePools(name,status,statusMessage,version,conditions/canonicalCode)",
        )
        pools = rows(raw.get("nodePools"))
        status = text(raw, "status")
        facts = _facts(
            ("status", status),
            ("statusMessage", text(raw, "statusMessage")),
            ("conditions", ", ".join(text(c, "canonicalCode") for c in rows(raw.get("conditions")))),
            ("currentMasterVersion", text(raw, "currentMasterVersion")),
            ("currentNodeCount", text(raw, "currentNodeCount")),
            *(
                (f"nodePools.{text(p, 'name')}", f"{text(p, 'status')} {text(p, 'version')}".strip())
                for p in pools[:20]
            ),
        )
        url = f"{_CONSOLE}/kubernetes/clusters/details/{location}/{cluster}/details?project={project}"
        bad = [text(p, "name") for p in pools if text(p, "status") in ("ERROR", "RUNNING_WITH_ERROR")]
        if status == "RUNNING" and bad:
            return Answer(ProbeState.UNHEALTHY, facts, f"node pools with errors: {', '.join(bad)}", url)
        return _by_state(status, {"RUNNING"}, {"RECONCILING", "PROVISIONING"}, facts, url)

    async def redis(self, name: Redacted, _window: Window) -> Answer:
        project, location, instance = _parts(name, "locations", "instances")
        raw = await self._rest.get(
            "redis.googleapis.com",
            f"/v1/projects/{project}/locations/{location}/instances/{instance}",
            "state,statusMessage,suspensionReasons,tier,memorySizeGb,redisVersion,currentLocationId,authorizedNetwork",
        )
        state = text(raw, "state")
        facts = _facts(
            ("state", state),
            ("statusMessage", text(raw, "statusMessage")),
            ("suspensionReasons", ", ".join(texts(raw.get("suspensionReasons")))),
            ("tier", text(raw, "tier")),
            ("memorySizeGb", text(raw, "memorySizeGb")),
            ("redisVersion", text(raw, "redisVersion")),
            ("currentLocationId", text(raw, "currentLocationId")),
            ("authorizedNetwork", tail(text(raw, "authorizedNetwork"))),
        )
        url = (
            f"{_CONSOLE}/memorystore/redis/locations/{location}/instances/{instance}/details/overview?project={project}"
        )
        return _by_state(state, {"READY"}, {"CREATING", "UPDATING"}, facts, url)

    async def cloud_run_job(self, name: Redacted, _window: Window) -> Answer:
        """A job is as its newest execution ended; one that runs or waits is not settled."""
        project, location, job = _parts(name, "locations", "jobs")
        raw = await self._rest.get(
            "run.googleapis.com",
            f"/v2/projects/{project}/locations/{location}/jobs/{job}",
            "terminalCondition(state,reason,message),latestCreatedExecution,executionCount,template(parallelism,taskCount,"
            "template(timeout,maxRetries,serviceAccount,vpcAccess,containers(image,resources/limits)))",
        )
        condition, newest = inner(raw, "terminalCondition"), inner(raw, "latestCreatedExecution")
        template = inner(raw, "template")
        task = inner(template, "template")
        limits = [inner(container, "resources", "limits") for container in rows(task.get("containers"))]
        status = text(newest, "completionStatus")
        facts = _facts(
            ("terminalCondition.state", text(condition, "state")),
            ("terminalCondition.reason", text(condition, "reason")),
            ("terminalCondition.message", text(condition, "message")),
            ("latestCreatedExecution", tail(text(newest, "name"))),
            ("latestCreatedExecution.completionStatus", status),
            ("latestCreatedExecution.createTime", text(newest, "createTime")),
            ("latestCreatedExecution.completionTime", text(newest, "completionTime")),
            ("template.taskCount", text(template, "taskCount")),
            ("template.timeout", text(task, "timeout")),
            ("template.maxRetries", text(task, "maxRetries")),
            ("template.limits", ", ".join(f"{k} {v}" for one in limits for k, v in sorted(one.items()))),
            ("template.vpcAccess.connector", text(inner(task, "vpcAccess"), "connector")),
            ("template.serviceAccount", text(task, "serviceAccount")),
        )
        url = f"{_CONSOLE}/run/jobs/details/{location}/{job}/executions?project={project}"
        if text(condition, "state") == "CONDITION_FAILED":
            reason = text(condition, "reason") or "no reason told"
            return Answer(ProbeState.UNHEALTHY, facts, f"the job itself is not ready: {reason}", url)
        match status:
            case "EXECUTION_SUCCEEDED":
                return Answer(ProbeState.HEALTHY, facts, None, url)
            case "EXECUTION_FAILED" | "EXECUTION_CANCELLED":
                word = "failed" if status.endswith("FAILED") else "was cancelled"
                return Answer(ProbeState.UNHEALTHY, facts, f"its newest execution {word}", url)
            case "EXECUTION_RUNNING" | "EXECUTION_PENDING":
                return Answer(ProbeState.CHANGING, facts, "its newest execution has not ended", url)
            case _:
                return Answer(ProbeState.FAILED, facts, "the API tells of no execution", url)

    async def secret(self, name: Redacted, _window: Window) -> Answer:
        """Whether a version exists and is enabled. Its value is never asked for, and the role does not show it."""
        project, secret, version = _parts(name, "secrets", "versions")
        raw = await self._rest.get(
            "secretmanager.googleapis.com",
            f"/v1/projects/{project}/secrets/{secret}/versions/{version}",
            "name,state,createTime,destroyTime",
        )
        state = text(raw, "state")
        facts = _facts(
            ("state", state),
            ("version", tail(text(raw, "name"))),
            ("createTime", text(raw, "createTime")),
            ("destroyTime", text(raw, "destroyTime")),
        )
        url = f"{_CONSOLE}/security/secret-manager/secret/{secret}/versions?project={project}"
        return _by_state(state, {"ENABLED"}, set(), facts, url)

    async def quota(self, name: Redacted, window: Window) -> Answer:
        """Which quotas of an API the project exceeded in the window, by the provider's own metrics.

        No series of "exceeded" proves nothing by itself, so the use of the same API in the same time is read beside it.
        """
        project, api = _parts(name, "services")
        condition = f'resource.type="consumer_quota" AND resource.labels.service={literal(api)}'

        def series(metric: str, align: Align) -> Awaitable[list[Series]]:
            return self._monitoring.grouped(
                project, f"serviceruntime.googleapis.com/quota/{metric}", condition, window, timedelta(minutes=1),
                ("metric.labels.quota_metric",), align=align, reduce="REDUCE_SUM",
            )  # fmt: skip

        exceeded, used = await asyncio.gather(
            series("exceeded", "ALIGN_COUNT_TRUE"), series("rate/net_usage", "ALIGN_SUM")
        )
        over = {one.metric: one for one in exceeded if one.top}
        facts = [(f"{metric} exceeded", f"in {one.intervals} of the window's minutes") for metric, one in over.items()]
        facts += [(f"{one.metric} used", f"at most {one.top:,.0f} a minute") for one in used if one.metric]
        url = f"{_CONSOLE}/apis/api/{api}/quotas?project={project}"
        if over:
            named = ", ".join(sorted(over)[:5])
            return Answer(ProbeState.UNHEALTHY, tuple(sorted(facts)[:20]), f"exceeded in the window: {named}", url)
        if used:
            return Answer(ProbeState.HEALTHY, tuple(sorted(facts)[:20]), None, url)
        return Answer(ProbeState.FAILED, (), "Cloud Monitoring has no use of it in the window", url)

    async def service_health(self, name: Redacted, window: Window) -> Answer:
        """Events that Google announced to this project, and that lie in the window."""
        (project,) = _parts(name.removesuffix("/locations/global"))
        since = window.start.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        events: list[Mapping[str, Any]] = []
        token = ""
        for _ in range(_PAGES):
            raw = await self._rest.get(
                "servicehealth.googleapis.com",
                f"/v1/projects/{project}/locations/global/events",
                "nextPageToken,events(name,title,state,detailedState,relevance,startTime,endTime,"
                "eventImpacts(product/productName,location/locationName))",
                # What ended before the window may have been updated since; what is active may be older than any update.
                {
                    "pageSize": "100",
                    "filter": f'state=ACTIVE OR update_time>="{since}"',
                    **({"pageToken": token} if token else {}),
                },
            )
            events += rows(raw.get("events"))
            token = text(raw, "nextPageToken")
            if not token:
                break
        facts: list[tuple[str, str]] = []
        for event in events:
            if not _overlaps(text(event, "startTime"), text(event, "endTime"), window):
                continue
            if text(event, "detailedState") == "FALSE_POSITIVE" or text(event, "relevance") == "NOT_IMPACTED":
                continue
            impacts = rows(event.get("eventImpacts"))
            products = sorted({text(inner(i, "product"), "productName") for i in impacts} - {""})
            places = sorted({text(inner(i, "location"), "locationName") for i in impacts} - {""})
            told = [
                text(event, "title"),
                text(event, "state"),
                text(event, "relevance"),
                ", ".join(products),
                ", ".join(places),
            ]
            facts.append((f"event.{tail(text(event, 'name'))}", " · ".join(filter(None, told))))
        url = f"{_CONSOLE}/servicehealth/incidents?project={project}"
        if facts:
            return Answer(ProbeState.UNHEALTHY, tuple(facts[:10]), f"announced for this window: {facts[0][1]}", url)
        if token:
            return Answer(ProbeState.FAILED, (), "there were more events than were read", url)
        return Answer(ProbeState.HEALTHY, (("events", "none in the window"),), None, url)

    async def public_status(self, _name: Redacted, window: Window) -> Answer:
        """Widespread incidents that are public. That none is named proves nothing, and the note says so."""
        facts: list[tuple[str, str]] = []
        for incident in await self._feed.incidents():
            if not _overlaps(text(incident, "begin"), text(incident, "end"), window):
                continue
            places = [
                text(place, "id")
                for key in ("currently_affected_locations", "previously_affected_locations")
                for place in rows(incident.get(key))
            ]
            told = [
                start_of(text(incident, "external_desc"), 300),
                text(incident, "service_name"),
                text(incident, "status_impact"),
            ]
            facts.append(
                (
                    f"incident.{text(incident, 'id')}",
                    " · ".join(filter(None, [*told, ", ".join(sorted(set(places))[:8])])),
                )
            )
        url = "https://status.cloud.google.com/summary"
        if facts:
            return Answer(ProbeState.UNHEALTHY, tuple(facts[:10]), f"public in this window: {facts[0][1]}", url)
        return Answer(
            ProbeState.HEALTHY, (("incidents", "none public in the window, which proves nothing"),), None, url
        )


_DISTURBING = {
    "RESTART", "AUTO_RESTART", "FAILOVER", "SWITCHOVER", "MAINTENANCE", "CLUSTER_MAINTENANCE", "SELF_SERVICE_MAINTENANCE",
    "UPDATE", "RESTORE_VOLUME", "MAJOR_VERSION_UPGRADE", "DELETE", "DEMOTE_MASTER", "PROMOTE_REPLICA",
}  # fmt: skip
"""Operations during which connections are refused or dropped."""
_FEW = 5
_MOST_FLAG = "max_connections"


def _unread(refused: NotRead, kind: ProbeKind) -> Answer:
    role = ROLES.get(kind)
    match refused.refusal:
        case Refusal.NOT_FOUND:
            return Answer(ProbeState.NOT_FOUND, reason=refused.reason)
        case Refusal.NOT_PERMITTED:
            return Answer(ProbeState.NO_ACCESS, reason=f"{refused.reason} ({role})" if role else refused.reason)
        case Refusal.API_DISABLED:
            return Answer(ProbeState.NO_ACCESS, reason=f"{refused.reason} ({refused.remedy})")
        case Refusal.CREDENTIALS:
            return Answer(ProbeState.NO_ACCESS, reason=refused.reason)
        case Refusal.QUOTA | Refusal.OUT | Refusal.MALFORMED:
            return Answer(ProbeState.FAILED, reason=refused.reason)


def _parts(name: str, *kinds: str) -> tuple[str, ...]:
    """`projects/p/locations/l/services/s` with ("locations", "services") is (p, l, s). Raises `NotRead` otherwise."""
    pattern = "/".join(f"{kind}/([a-zA-Z0-9][a-zA-Z0-9._:-]*)" for kind in ("projects", *kinds))
    found = re.fullmatch(pattern, name)
    if found is None:
        raise NotRead(Refusal.MALFORMED, "its name is not one of such a resource")
    return found.groups()


def _by_state(state: str, healthy: set[str], changing: set[str], facts: Facts, url: str) -> Answer:
    if state in healthy:
        return Answer(ProbeState.HEALTHY, facts, None, url)
    if not state or state.endswith("_UNSPECIFIED"):
        return Answer(ProbeState.FAILED, facts, "the API tells no state", url)
    if state in changing:
        return Answer(ProbeState.CHANGING, facts, f"its state is {state}, so its health is not settled", url)
    return Answer(ProbeState.UNHEALTHY, facts, f"its state is {state}", url)


def _traffic(status: Mapping[str, Any], latest: str) -> str:
    revision = tail(text(status, "revision"))
    if not revision and text(status, "type") == "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST":
        revision = latest
    return f"{revision} {text(status, 'percent') or '0'} %"


def _range(least: str, most: str) -> str:
    return f"{least or '0'} to {most}" if most else ""


def _overlaps(begin: str, end: str, window: Window) -> bool:
    """An event without an end is still going on; one without a beginning is none."""
    begun, ended = moment(begin), moment(end)
    return begun is not None and begun < window.end and (ended is None or ended >= window.start)


def _clock(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _facts(*pairs: tuple[str, str]) -> Facts:
    return tuple((name, value) for name, value in pairs if value)

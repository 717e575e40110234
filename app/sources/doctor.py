"""What the auditor may read, checked one by one, and for each missing thing the command that grants it.

Owns the list of roles, permissions and APIs that an audit uses: `docs/access/` grants exactly these. Reads only. Leaves
printing to its callers.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from app.errors import SourceRefused, Unavailable
from app.evidence.model import Window
from app.sources.cloud_logging import Client, CloudLogging, Limiter, Plan
from app.sources.monitoring import Monitoring
from app.sources.rest import NotRead, Refusal, Rest, texts

_NOBODY = "infra-audit-doctor"
"""The name of a resource that does not exist: that it is not found shows that the API answers."""
_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Need:
    """One role and what of it is used. `without` says what the report then does not know.

    `question` is a path of `api` that reads next to nothing, `query` and `fields` go with it; empty for the logs, which are
    read in earnest.
    """

    role: str
    permissions: tuple[str, ...]
    api: str
    without: str
    question: str = ""
    fields: str = "name"
    query: tuple[tuple[str, str], ...] = ()


NEEDS: tuple[Need, ...] = (
    Need("roles/logging.viewer", ("logging.logEntries.list",), "logging.googleapis.com", "nothing can be audited"),
    Need(
        "roles/run.viewer",
        ("run.services.get", "run.revisions.list", "run.jobs.get"),
        "run.googleapis.com",
        "which revision serves, and with which commit, is known from the logs only",
        f"/v2/projects/{{project}}/locations/us-central1/services/{_NOBODY}",
    ),
    Need(
        "roles/cloudsql.viewer",
        ("cloudsql.instances.get",),
        "sqladmin.googleapis.com",
        "the state of databases and what was done to them stays unknown",
        f"/v1/projects/{{project}}/instances/{_NOBODY}",
    ),
    Need(
        "roles/vpcaccess.viewer",
        ("vpcaccess.connectors.get",),
        "vpcaccess.googleapis.com",
        "the state of VPC connectors stays unknown",
        f"/v1/projects/{{project}}/locations/us-central1/connectors/{_NOBODY}",
    ),
    Need(
        "roles/container.clusterViewer",
        ("container.clusters.get",),
        "container.googleapis.com",
        "the state of clusters stays unknown",
        f"/v1/projects/{{project}}/locations/us-central1/clusters/{_NOBODY}",
    ),
    Need(
        "roles/redis.viewer",
        ("redis.instances.get",),
        "redis.googleapis.com",
        "the state of Memorystore instances stays unknown",
        f"/v1/projects/{{project}}/locations/us-central1/instances/{_NOBODY}",
    ),
    Need(
        "roles/secretmanager.viewer",
        ("secretmanager.versions.get",),
        "secretmanager.googleapis.com",
        "whether a secret's version exists and is enabled stays unknown (its value is never read)",
        f"/v1/projects/{{project}}/secrets/{_NOBODY}/versions/latest",
    ),
    Need(
        "roles/monitoring.viewer",
        ("monitoring.timeSeries.list",),
        "monitoring.googleapis.com",
        "counts beyond what was read, and the metrics of databases, stay unknown",
        "/v3/projects/{project}/timeSeries",
        "nextPageToken",
        (
            ("filter", 'metric.type="logging.googleapis.com/log_entry_count"'),
            ("pageSize", "1"),
            ("interval.endTime", "{now}"),
        ),
    ),
    Need(
        "roles/errorreporting.viewer",
        ("errorreporting.groups.list",),
        "clouderrorreporting.googleapis.com",
        "since when a failure is known, beyond the window, is not told",
        "/v1beta1/projects/{project}/groupStats",
        "nextPageToken",
        (("pageSize", "1"), ("timeRange.period", "PERIOD_1_HOUR")),
    ),
    Need(
        "roles/servicehealth.viewer",
        ("servicehealth.events.list",),
        "servicehealth.googleapis.com",
        "incidents that the provider announced to the project stay unknown",
        "/v1/projects/{project}/locations/global/events",
        "nextPageToken",
        (("pageSize", "1"),),
    ),
    Need(
        "roles/cloudbuild.builds.viewer",
        ("cloudbuild.builds.get",),
        "cloudbuild.googleapis.com",
        "the commit of a revision that carries no label of it stays unknown",
        "/v1/projects/{project}/locations/global/builds/00000000-0000-0000-0000-000000000000",
        "id",
    ),
)
"""Everything that an audit uses. The first is what nothing works without."""


class Row(NamedTuple):
    """`remedy` is empty where nothing is to be done."""

    what: str
    state: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Doctor:
    """Checks one account over the projects granted to it.

    `views`: logs are read through these and nowhere else. `quota_project` is charged for the calls, None when not known.
    """

    rest: Rest
    logging: Client
    limiter: Limiter
    account: str | None
    projects: Sequence[str]
    views: tuple[str, ...] = ()
    quota_project: str | None = None

    async def examine(self, now: datetime) -> tuple[Row, ...]:
        """Never raises: what cannot be checked is a row that says so."""
        who = self.account or "the credentials found here"
        try:
            held = await asyncio.gather(*(self._permissions(project) for project in self.projects))
        except NotRead as refused:  # the credentials, without which nothing else can be told
            return (Row("credentials", f"{who}: {refused.reason}", self._impersonate()),)
        rows = [Row("credentials", f"acting as {who}")]
        missing_logs: set[str] = set()
        for project, found in zip(self.projects, held, strict=True):
            rows += found
            missing_logs |= {project for row in found if NEEDS[0].role in row.what}
        rows += await self._apis(now)
        for resource in self.views or [f"projects/{project}" for project in self.projects]:
            if resource.split("/")[1] not in missing_logs:
                rows.append(await self._logs(resource, now))
        rows.append(await self._quota(now))
        return tuple(rows)

    async def _quota(self, now: datetime) -> Row:
        """What the provider allows and what was used of it, where its metrics of the charged project can be read."""
        ours = self.limiter.per_minute
        takes = f"{self.limiter.spent} of {ours} reads a minute are spent here; one audit takes at most {Plan().reads}"
        project = self.quota_project or self.projects[0]
        condition = (
            'resource.type="consumer_quota" AND resource.labels.service="logging.googleapis.com"'
            ' AND metric.labels.quota_metric="logging.googleapis.com/read_requests"'
        )
        # Limits are written once a day, their use every minute.
        monitoring, day, minute = Monitoring(self.rest), timedelta(days=1), timedelta(minutes=1)
        by = ("metric.labels.limit_name",)
        whole = 'metric.labels.limit_name="ReadRequestsPerMinutePerProject"'
        quota = "serviceruntime.googleapis.com/quota"
        try:
            limits, used = await asyncio.gather(
                monitoring.grouped(
                    project, f"{quota}/limit", f"{condition} AND {whole}", Window(now - 2 * day, now), day, by
                ),
                monitoring.grouped(
                    project, f"{quota}/rate/net_usage", condition, Window(now - _HOUR, now), minute,
                    ("resource.labels.service",), align="ALIGN_SUM", reduce="REDUCE_SUM",
                ),
            )  # fmt: skip
        except NotRead as refused:
            return Row("read quota", f"{takes}; what {project} is allowed is not told ({refused.reason})")
        allowed = max((series.top for series in limits), default=0)
        peak = max((series.top for series in used), default=0)
        if not allowed:
            return Row("read quota", f"{takes}; what {project} is allowed is not told")
        state = f"{project} is allowed {allowed:.0f} a minute and used at most {peak:.0f} in the last hour; {takes}"
        page = f"https://console.cloud.google.com/apis/api/logging.googleapis.com/quotas?project={project}"
        return Row("read quota", state, f"ask for {ours} or more at {page}" if allowed < ours else "")

    async def _permissions(self, project: str) -> list[Row]:
        """Raises `NotRead` for credentials only."""
        needs = [need for need in NEEDS if not (self.views and need is NEEDS[0])]
        asked = [permission for need in needs for permission in need.permissions]
        host = "cloudresourcemanager.googleapis.com"
        try:
            answer = await self.rest.post(host, f"/v3/projects/{project}:testIamPermissions", {"permissions": asked})
        except NotRead as refused:
            match refused.refusal:
                case Refusal.CREDENTIALS:
                    raise
                case Refusal.API_DISABLED:
                    return [Row(f"permissions on {project}", "cannot be checked", refused.remedy)]
                case Refusal.NOT_PERMITTED | Refusal.NOT_FOUND:
                    state = "the project does not exist, or nothing in it is granted"
                    return [
                        Row(f"permissions on {project}", state, "check the project id, then run docs/access/grant.sh")
                    ]
                case _:
                    return [Row(f"permissions on {project}", f"cannot be checked: {refused.reason}", "try again later")]
        held = set(texts(answer.get("permissions")))
        rows: list[Row] = []
        for need in needs:
            lacking = [permission for permission in need.permissions if permission not in held]
            if lacking:
                state = f"missing {', '.join(lacking)}: {need.without}"
                rows.append(Row(f"{need.role} on {project}", state, self._grant(project, need.role)))
        return rows or [Row(f"permissions on {project}", f"all {len(asked)} are held")]

    async def _apis(self, now: datetime) -> list[Row]:
        """APIs are turned on in the project that the calls are charged to, so one project's answer is everybody's."""
        asked = [need for need in NEEDS if need.question]
        answers = await asyncio.gather(*(self._api(need, now) for need in asked))
        wrong = [row for row in answers if row is not None]
        on = len(asked) - len(wrong)
        return [*wrong, Row("APIs", f"{on} of {len(asked)} answer")]

    async def _api(self, need: Need, now: datetime) -> Row | None:
        moment = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {name: value.replace("{now}", moment) for name, value in need.query}
        try:
            await self.rest.get(need.api, need.question.format(project=self.projects[0]), need.fields, query)
        except NotRead as refused:
            match refused.refusal:
                case Refusal.NOT_FOUND | Refusal.NOT_PERMITTED:
                    return None  # it answers; what is not permitted is named with its permission
                case Refusal.API_DISABLED:
                    return Row(f"API {need.api}", f"not enabled: {need.without}", refused.remedy)
                case _:
                    return Row(f"API {need.api}", refused.reason, "try again later")
        return None

    async def _logs(self, resource: str, now: datetime) -> Row:
        project = resource.split("/")[1]
        source = CloudLogging(self.logging, (resource,), frozenset({project}), self.limiter)
        try:
            newest = await source.newest(Window(now - _HOUR, now))
        except SourceRefused as refused:
            remedy = self._grant_view(resource) if "/views/" in resource else str(refused.remedy)
            return Row(f"logs of {resource}", refused.reason, remedy)
        except Unavailable as out:
            return Row(f"logs of {resource}", str(out), "try again later")
        told = "no entry within the last hour" if newest is None else f"newest entry at {newest:%Y-%m-%d %H:%M:%S} UTC"
        return Row(f"logs of {resource}", f"readable, {told}")

    def _member(self) -> str:
        return f"serviceAccount:{self.account}" if self.account else "user:YOUR_ADDRESS"

    def _grant(self, project: str, role: str) -> str:
        return (
            f"gcloud projects add-iam-policy-binding {project} --member={self._member()} --role={role} --condition=None"
        )

    def _grant_view(self, view: str) -> str:
        _, project, _, location, _, bucket, _, name = view.split("/")
        return (
            f"gcloud logging views add-iam-policy-binding {name} --bucket={bucket} --location={location}"
            f" --project={project} --member={self._member()} --role=roles/logging.viewAccessor"
        )

    def _impersonate(self) -> str:
        if self.account is None:
            return "gcloud auth application-default login"
        return (
            f"gcloud iam service-accounts add-iam-policy-binding {self.account} --member=serviceAccount:SERVER_ACCOUNT"
            " --role=roles/iam.serviceAccountTokenCreator"
        )

"""The Google side of one audit: which projects a repository may see, and clients that see nothing else.

Owns turning the operator's binding into sources, one set of clients an account. The repository's own file can only narrow the
binding. Leaves the reading to `cloud_logging.py`, `cloud_run.py`, `gke.py` and `probes.py`.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import httpx
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient

from app.errors import Denied, SourceRefused
from app.evidence.model import LiveRead, LogEntry, LogQuestion, LogsRead, Place
from app.investigate import Deployments, Sources
from app.policy.operator import Binding, Operator
from app.sources import log_wire
from app.sources.cloud_logging import Client, CloudLogging, Limiter
from app.sources.cloud_run import CloudRun
from app.sources.doctor import Doctor, Row
from app.sources.error_reporting import ErrorReporting
from app.sources.gke import Clusters
from app.sources.google_auth import GoogleAuth, find_access
from app.sources.monitoring import EntryCounts, Monitoring
from app.sources.probes import GoogleProbes, PublicFeed
from app.sources.rest import Rest


@dataclass(frozen=True, slots=True)
class Tenant:
    """The clients of one account. `quota_project` is charged for its calls; `account` is its address, None when not told."""

    http: httpx.AsyncClient
    logging: Client
    quota_project: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """What one audit may read: project ids, and the log views that their logs are read through, none for whole projects."""

    projects: frozenset[str]
    views: tuple[str, ...] = ()

    @property
    def resources(self) -> tuple[str, ...]:
        """Where Cloud Logging is asked."""
        return self.views or tuple(f"projects/{project}" for project in sorted(self.projects))


def grant_of(binding: Binding | None, narrowed: Sequence[str]) -> Grant:
    """The binding, narrowed to the projects that the repository's file names; none named is no narrowing.

    Raises `Denied` when nothing is bound, or nothing is left.
    """
    if binding is None:
        raise Denied(
            "this repository is bound to no Google Cloud project",
            fix="Ask the operator of this server to bind its ids of installation and repository in the operator's file.",
        )
    projects = frozenset(binding.projects) & frozenset(narrowed or binding.projects)
    if not projects:
        raise Denied(
            "the projects that this repository's configuration names are not among those that the operator granted",
            fix="Name granted projects, or ask the operator to grant these.",
        )
    views = tuple(view for view in binding.log_views if view.split("/")[1] in projects)
    if binding.log_views and not views:
        raise Denied(
            "no log view is granted for these projects",
            fix="Ask the operator to name a log view of theirs, or none at all.",
        )
    return Grant(projects, views)


class GoogleSources:
    """Opens the sources of an audit. Clients are made once an account, on the loop that first asks for them.

    `connect` makes the clients of an account (None: the server's own).
    """

    def __init__(
        self,
        operator: Operator,
        *,
        connect: Callable[[str | None], Tenant] | None = None,
        address: Callable[[str], str] = lambda host: f"https://{host}",
    ) -> None:
        self._operator = operator
        self._connect = connect or connect_account
        self._address = address
        self._tenants: dict[str | None, Tenant] = {}
        self._limiters: dict[str | None, Limiter] = {}
        self._public: httpx.AsyncClient | None = None
        self._feed: PublicFeed | None = None

    def open(self, installation: int, repository: int, narrowed: Sequence[str]) -> Sources:
        """Sources without history. Raises `Denied`. Without credentials the log source refuses, and the report says so."""
        binding = self._operator.binding(installation, repository)
        grant = grant_of(binding, narrowed)
        assert binding is not None, "grant_of denies without one"
        return self.granted(grant, binding.service_account)

    def granted(self, grant: Grant, account: str | None = None) -> Sources:
        """Sources of exactly `grant`, read as `account` (None: with the credentials that are here)."""
        try:
            tenant = self._tenant(account)
        except SourceRefused as refused:
            return Sources(logs=_NoLogs(refused))
        if self._public is None or self._feed is None:
            self._public = httpx.AsyncClient()
            self._feed = PublicFeed(Rest(self._public, address=self._address))
        rest = Rest(tenant.http, address=self._address)
        # A view may show less than its project, so the project's own counts and errors would say nothing about it.
        counts = None if grant.views else EntryCounts(Monitoring(rest), sorted(grant.projects))
        return Sources(
            logs=CloudLogging(tenant.logging, grant.resources, grant.projects, self._limiter(tenant), counts=counts),
            deployments=Live((CloudRun(rest, grant.projects), Clusters(Monitoring(rest), grant.projects))),
            errors=None if grant.views else ErrorReporting(rest),
            probes=GoogleProbes(rest, self._feed, grant.projects),
        )

    async def examine(self, installation: int, repository: int, now: datetime) -> tuple[Row, ...]:
        """What `doctor` finds for a repository: all that its binding grants, whatever its own file narrows."""
        binding = self._operator.binding(installation, repository)
        return await self.check(grant_of(binding, ()), binding and binding.service_account, now)

    async def check(self, grant: Grant, account: str | None, now: datetime) -> tuple[Row, ...]:
        """Whether exactly `grant` can be read as `account`, thing by thing. Never raises."""
        try:
            tenant = self._tenant(account)
        except SourceRefused as refused:
            return (Row("credentials", refused.reason, refused.remedy or ""),)
        rest, projects = Rest(tenant.http, address=self._address), sorted(grant.projects)
        doctor = Doctor(
            rest, tenant.logging, self._limiter(tenant), tenant.account, projects, grant.views, tenant.quota_project
        )
        return await doctor.examine(now)

    async def close(self) -> None:
        """Closes every client, on the loop that opened them; what is opened afterwards makes new ones."""
        for tenant in self._tenants.values():
            await tenant.http.aclose()
            await cast("Any", tenant.logging).transport.close()
        if self._public is not None:
            await self._public.aclose()
        self._public = self._feed = None
        self._tenants.clear()

    def _tenant(self, account: str | None) -> Tenant:
        if account not in self._tenants:
            self._tenants[account] = self._connect(account)
        return self._tenants[account]

    def _limiter(self, tenant: Tenant) -> Limiter:
        """One for all accounts of a project: the quota is the project's that the calls are charged to."""
        return self._limiters.setdefault(tenant.quota_project, Limiter())


class Live:
    """What runs now, whatever it runs on: each of `sources` answers for the places that it knows."""

    def __init__(self, sources: Sequence[Deployments]) -> None:
        self._sources = sources

    async def revisions(self, places: Sequence[Place]) -> LiveRead:
        read = await asyncio.gather(*(source.revisions(places) for source in self._sources))
        return LiveRead(tuple(r for one in read for r in one.revisions), tuple(g for one in read for g in one.gaps))


class _NoLogs:
    def __init__(self, refused: SourceRefused) -> None:
        self._refused = refused

    async def read(self, question: LogQuestion, sink: Callable[[LogEntry], None]) -> LogsRead:
        del question, sink
        raise self._refused


def connect_account(account: str | None) -> Tenant:
    """Clients with Application Default Credentials, or impersonating `account` with them. Raises `SourceRefused`."""
    access = find_access(account)
    logging: Any = LoggingServiceV2AsyncClient(credentials=access.credentials, transport=log_wire.Transport)
    http = httpx.AsyncClient(auth=GoogleAuth(access.credentials))
    return Tenant(http, logging, access.quota_project, access.account)

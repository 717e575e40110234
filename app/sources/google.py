"""The Google side of one audit: which projects a repository may see, and clients that see nothing else.

Owns turning the operator's binding into sources, one set of clients an account. The repository's own file can only narrow the
binding. Leaves the reading to `cloud_logging.py`, `cloud_run.py` and `probes.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2AsyncClient

from app.errors import Denied
from app.investigate import Sources
from app.policy.operator import Binding, Operator
from app.sources.cloud_logging import Client, CloudLogging, Limiter
from app.sources.cloud_run import CloudRun
from app.sources.google_auth import GoogleAuth, find_credentials
from app.sources.probes import GoogleProbes


@dataclass(frozen=True, slots=True)
class Tenant:
    """The clients of one account. `limiter` is its read quota, which all its audits share."""

    http: httpx.AsyncClient
    logging: Client
    limiter: Limiter


@dataclass(frozen=True, slots=True)
class Grant:
    """What one audit may read: project ids, and where their logs are read."""

    projects: frozenset[str]
    resources: tuple[str, ...]


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
    return Grant(projects, views or tuple(f"projects/{project}" for project in sorted(projects)))


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
        self._public: httpx.AsyncClient | None = None

    def open(self, installation: int, repository: int, narrowed: Sequence[str]) -> Sources:
        """Sources without history. Raises `Denied`, or `SourceRefused` when there are no credentials."""
        binding = self._operator.binding(installation, repository)
        grant = grant_of(binding, narrowed)
        assert binding is not None
        tenant = self.tenant(binding.service_account)
        if self._public is None:
            self._public = httpx.AsyncClient()
        return Sources(
            logs=CloudLogging(tenant.logging, grant.resources, grant.projects, tenant.limiter),
            deployments=CloudRun(tenant.http, grant.projects, address=self._address),
            probes=GoogleProbes(tenant.http, self._public, grant.projects, address=self._address),
        )

    def tenant(self, account: str | None) -> Tenant:
        if account not in self._tenants:
            self._tenants[account] = self._connect(account)
        return self._tenants[account]


def connect_account(account: str | None) -> Tenant:
    """Clients with Application Default Credentials, or impersonating `account` with them. Raises `SourceRefused`."""
    credentials: Any = find_credentials(account)
    logging: Any = LoggingServiceV2AsyncClient(credentials=credentials)
    return Tenant(httpx.AsyncClient(auth=GoogleAuth(credentials)), logging, Limiter())

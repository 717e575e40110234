"""Access to Google Cloud for httpx and gRPC: whose credentials, refreshed before they run out.

Owns finding Application Default Credentials (a key file, workload identity federation, gcloud's own, the metadata server) and
impersonating a tenant's auditor account with them. Leaves which account and which projects to the operator's file.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, cast

import google.auth
import httpx
from google.auth import exceptions, impersonated_credentials
from google.auth.transport.requests import Request

from app.errors import SourceRefused, Unavailable

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""Cloud SQL Admin and Serverless VPC Access know no read-only scope, so reading only is enforced by IAM roles."""
_LIFETIME_S = 3_600
_MEANING = "nothing of Google Cloud was shown, which says nothing about its health"


@dataclass(frozen=True, slots=True)
class Access:
    """`quota_project` is the project whose quotas the calls count against, None when nothing tells it. `account` is who
    calls, None when the credentials do not say (a person's own).
    """

    credentials: Any
    quota_project: str | None
    account: str | None


def find_access(account: str | None = None) -> Access:
    """Application Default Credentials, or those of `account` by impersonation. Raises `SourceRefused` without any."""
    try:
        found, project = cast("Any", google.auth).default(scopes=SCOPES)
    except exceptions.GoogleAuthError:
        raise SourceRefused(
            "Google Cloud",
            "there are no usable Application Default Credentials here",
            meaning=_MEANING,
            remedy="run `gcloud auth application-default login`, or run the server with an attached service account",
        ) from None
    if account is None:
        own = getattr(found, "service_account_email", None)
        return Access(found, found.quota_project_id or project, own if own != "default" else None)
    target = impersonated_credentials.Credentials(
        source_credentials=found, target_principal=account, target_scopes=list(SCOPES), lifetime=_LIFETIME_S
    )
    return Access(target, project_of(account), account)


def project_of(account: str) -> str | None:
    """The project that a service account belongs to, by its address: calls count against that project's quotas."""
    domain = account.partition("@")[2]
    return domain.removesuffix(".iam.gserviceaccount.com") if domain.endswith(".iam.gserviceaccount.com") else None


class GoogleAuth(httpx.Auth):
    """Puts the access token on each request, and a new one when it is no longer taken.

    One refresh at a time, off the loop, since the library's refresh blocks. Raises `SourceRefused` when there is no token
    to be had, `Unavailable` when who gives it out cannot be reached.
    """

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._turn = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        token = await self._token(None)
        request.headers["Authorization"] = f"Bearer {token}"
        if quota_project := getattr(self._credentials, "quota_project_id", None):
            request.headers["X-Goog-User-Project"] = quota_project  # a person's own credentials belong to no project
        answer = yield request
        if answer.status_code == 401:
            request.headers["Authorization"] = f"Bearer {await self._token(token)}"
            yield request

    async def check(self) -> None:
        """Gets a token. Raises as above."""
        await self._token(None)

    async def _token(self, refused: str | None) -> str:
        """A valid token that is not `refused`, which some service did not take."""
        async with self._turn:
            if not self._credentials.valid or self._credentials.token == refused:
                try:
                    await asyncio.to_thread(self._credentials.refresh, Request())
                except exceptions.GoogleAuthError as trouble:
                    if cast("Any", trouble).retryable or isinstance(trouble, exceptions.TransportError):
                        raise Unavailable("the token service gives no answer") from None
                    raise no_token(type(trouble).__name__) from None
            return self._credentials.token


def no_token(reason: str) -> SourceRefused:
    return SourceRefused(
        "Google Cloud",
        f"no access token was given out ({reason})",
        meaning=_MEANING,
        remedy="run `infra-audit doctor`; to act as another account needs roles/iam.serviceAccountTokenCreator on it",
    )

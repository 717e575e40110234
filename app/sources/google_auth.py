"""Access to Google Cloud for httpx and gRPC: whose credentials, refreshed before they run out.

Owns finding Application Default Credentials (a key file, workload identity federation, gcloud's own, the metadata server) and
impersonating a tenant's auditor account with them. Leaves which account and which projects to the operator's file.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any, cast

import google.auth
import httpx
from google.auth import exceptions, impersonated_credentials
from google.auth.transport.requests import Request

from app.errors import SourceRefused

SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
"""Cloud SQL Admin and Serverless VPC Access know no read-only scope, so reading only is enforced by IAM roles."""
_LIFETIME_S = 3_600


def find_credentials(account: str | None = None) -> Any:
    """Application Default Credentials, or those of `account` by impersonation. Raises `SourceRefused` without any."""
    try:
        found, _ = cast("Any", google.auth).default(scopes=SCOPES)
    except exceptions.DefaultCredentialsError:
        raise SourceRefused(
            "Google Cloud",
            "there are no Application Default Credentials here",
            meaning="no log and no resource can be read",
            remedy="run `gcloud auth application-default login`, or run the server with an attached service account",
        ) from None
    if account is None:
        return found
    return impersonated_credentials.Credentials(
        source_credentials=found, target_principal=account, target_scopes=list(SCOPES), lifetime=_LIFETIME_S
    )


class GoogleAuth(httpx.Auth):
    """Puts the access token on each request. One refresh at a time, off the loop, since the library's refresh blocks."""

    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials
        self._turn = asyncio.Lock()

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        async with self._turn:
            if not self._credentials.valid:
                try:
                    await asyncio.to_thread(self._credentials.refresh, Request())
                except exceptions.GoogleAuthError as refused:
                    raise SourceRefused(
                        "Google Cloud",
                        f"no access token: {type(refused).__name__}",
                        meaning="the resource was not shown, which says nothing about its health",
                        remedy="run `infra-audit doctor`; impersonation needs roles/iam.serviceAccountTokenCreator",
                    ) from None
        request.headers["Authorization"] = f"Bearer {self._credentials.token}"
        yield request

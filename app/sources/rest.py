"""One GET to a REST service of Google Cloud: the answer as a mapping, or why there is none.

Owns the deadline and what each kind of refusal means. Every request names the fields it wants, because a whole resource may
hold plain environment values. Leaves what follows from a refusal to the caller: a state, a gap or a row of `doctor`.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, cast

import httpx

from app.errors import SourceRefused, Unavailable

DEADLINE = timedelta(seconds=10)


class Refusal(StrEnum):
    """403 and 404 say that it is not shown, never that it is unhealthy."""

    CREDENTIALS = "credentials"
    NOT_PERMITTED = "not permitted"
    API_DISABLED = "API disabled"
    NOT_FOUND = "not found"
    QUOTA = "quota"
    OUT = "out"
    MALFORMED = "malformed"


class NotRead(Exception):
    """`reason` is our own wording. `remedy` is the command that turns a disabled API on; empty for all else."""

    def __init__(self, refusal: Refusal, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.refusal = refusal
        self.reason = reason
        self.remedy = remedy

    def advice(self, role: str) -> str:
        """What a gap advises. `role`: what permits the read, and on what it is granted where that is known."""
        match self.refusal:
            case Refusal.NOT_PERMITTED:
                return f"grant {role} to the auditor's account"
            case Refusal.API_DISABLED:
                return f"run `{self.remedy}`"
            case Refusal.CREDENTIALS:
                return "run `infra-audit doctor`"
            case _:
                return "run the audit again later"


_NO_PROJECT = "764086051850"
"""The project of gcloud itself: what a person's credentials are charged to while they name no quota project."""


def enabling(api: str, consumer: str | None) -> str:
    """The command that makes a disabled API answer."""
    if consumer == _NO_PROJECT:
        return "gcloud auth application-default set-quota-project PROJECT_ID"
    return f"gcloud services enable {api}" + (f" --project={consumer}" if consumer else "")


class Rest:
    """`http` carries the credentials. `address` maps a service's host to where it is reached (the stand-ins of tests)."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        *,
        address: Callable[[str], str] = lambda host: f"https://{host}",
        deadline: timedelta = DEADLINE,
    ) -> None:
        self._http = http
        self._address = address
        self._deadline = deadline

    async def get(
        self, host: str, path: str, fields: str, query: Mapping[str, str | Sequence[str]] | None = None
    ) -> Mapping[str, Any]:
        """A value of `query` that is several is sent several times. Raises `NotRead`."""
        return _mapping_or_malformed(await self._send("GET", host, path, {"fields": fields, **(query or {})}))

    async def post(self, host: str, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """For reads that are spelt as a POST. Raises `NotRead`."""
        return _mapping_or_malformed(await self._send("POST", host, path, {}, body))

    async def public(self, host: str, path: str) -> object:
        """A public document, whole. Raises `NotRead`."""
        return await self._send("GET", host, path, {})

    async def _send(
        self,
        verb: str,
        host: str,
        path: str,
        query: Mapping[str, str | Sequence[str]],
        body: Mapping[str, Any] | None = None,
    ) -> object:
        seconds = self._deadline.total_seconds()
        try:
            # The client's own time-outs are per read: an answer that trickles would never end.
            async with asyncio.timeout(seconds):
                answer = await self._http.request(
                    verb,
                    f"{self._address(host)}{path}",
                    params=query,
                    json=body,
                    timeout=seconds,
                    follow_redirects=False,
                )
        except (TimeoutError, httpx.TimeoutException):
            raise NotRead(Refusal.OUT, f"{host} gave no answer within {seconds:g} s") from None
        except (httpx.RequestError, httpx.InvalidURL) as trouble:
            raise NotRead(Refusal.OUT, f"no answer of {host} ({type(trouble).__name__})") from None
        except SourceRefused as refused:
            raise NotRead(Refusal.CREDENTIALS, refused.reason) from None
        except Unavailable as out:
            raise NotRead(Refusal.OUT, str(out)) from None
        if answer.status_code != 200:
            raise _refused(answer, host)
        try:
            return cast("object", answer.json())
        except (ValueError, RecursionError):
            raise NotRead(Refusal.MALFORMED, f"the answer of {host} is no JSON") from None


def _mapping_or_malformed(raw: object) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise NotRead(Refusal.MALFORMED, "the answer is not what the API describes")
    return cast("Mapping[str, Any]", raw)


def _refused(answer: httpx.Response, host: str) -> NotRead:
    match answer.status_code:
        case 401:
            return NotRead(Refusal.CREDENTIALS, f"{host} does not accept the credentials")
        case 403:
            is_disabled, consumer = _disabled(answer)
            if is_disabled:
                return NotRead(Refusal.API_DISABLED, f"the API {host} is not enabled", enabling(host, consumer))
            return NotRead(Refusal.NOT_PERMITTED, "not permitted to look")
        case 404:
            return NotRead(Refusal.NOT_FOUND, "it does not exist under this name, or is hidden")
        case 429:
            return NotRead(Refusal.QUOTA, f"the quota of {host} is used up")
        case status:
            return NotRead(Refusal.OUT, f"{host} answered {status}")


def _disabled(answer: httpx.Response) -> tuple[bool, str | None]:
    """Whether a 403 says that the API is off, and for which project: the caller's own, not the one that is looked at."""
    try:
        raw: object = answer.json()
    except (ValueError, RecursionError):
        return False, None
    error = inner(mapping(raw), "error")
    for detail in rows(error.get("details")):
        if detail.get("reason") == "SERVICE_DISABLED":
            consumer = text(inner(detail, "metadata"), "consumer").removeprefix("projects/")
            return True, consumer if re.fullmatch(r"[a-z0-9][a-z0-9-]{0,40}", consumer) else None
    return "is disabled" in text(error, "message"), None


# --- reading JSON whose shape nobody guarantees -----------------------------------------------------------------------


def mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def inner(raw: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        raw = mapping(raw.get(key))
    return raw


def rows(value: object) -> list[Mapping[str, Any]]:
    return [mapping(item) for item in cast("list[Any]", value)] if isinstance(value, list) else []


def text(raw: Mapping[str, Any], key: str) -> str:
    """A scalar as the API writes it; empty when it is absent or no scalar."""
    value = raw.get(key)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else ""


def texts(value: object) -> list[str]:
    return [str(item) for item in cast("list[Any]", value)] if isinstance(value, list) else []


def tail(name: str) -> str:
    """The last part of a resource name."""
    return name.rpartition("/")[2]


def moment(written: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(written)
    except ValueError:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def whole(raw: Mapping[str, Any], key: str) -> int:
    """A number, which the API may write as text; 0 when it is absent or none."""
    try:
        return int(text(raw, key) or 0)
    except ValueError:
        return 0

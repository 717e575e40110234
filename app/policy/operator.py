"""The operator's file: which repository may see which Google Cloud projects, and whom the server calls.

Owns the only statement that widens access. It lies on the server, is keyed by the numeric ids of installation and repository
(names can change hands), and is read once at start. A repository's own file can only narrow what stands here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.errors import ConfigError
from app.policy.located import check, read_yaml, spelled

_PROJECT = r"^[a-z][a-z0-9-]{4,28}[a-z0-9]$"


def _a_project(word: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")


ProjectId = Annotated[
    str,
    StringConstraints(pattern=_PROJECT),
    spelled(_PROJECT, "a project id has 6 to 30 small letters, digits and dashes", _a_project),
]
LogViewName = Annotated[
    str,
    StringConstraints(
        pattern=r"^projects/[a-z][a-z0-9-]{4,28}[a-z0-9]/locations/[a-z0-9-]+/buckets/[\w.-]+/views/[\w.-]+$"
    ),
]
ServiceAccount = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]+@[a-z0-9-]+\.iam\.gserviceaccount\.com$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Binding(_Strict):
    """`repository` None: every repository of the installation that has no binding of its own.

    `projects` may be read for logs and state. `log_views`: when given, logs are read through these views and nowhere else.
    `service_account` is impersonated for all calls, so that Google's own audit log tells tenants apart; None: the server's.
    """

    installation: int
    repository: int | None = None
    projects: list[ProjectId] = Field(min_length=1, max_length=50)
    log_views: list[LogViewName] = []
    service_account: ServiceAccount | None = None


class Limits(_Strict):
    """Audits that may start within an hour."""

    per_issue: int = Field(default=6, ge=1, le=1000)
    per_repository: int = Field(default=30, ge=1, le=10000)


class Notify(_Strict):
    """`urls` are addresses of the apprise library; they hold secrets, so they stand as names of environment variables."""

    environment_variables: list[Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9_]*$")]] = []


class OperatorFile(_Strict):
    version: int = Field(ge=1, le=1)
    bindings: list[Binding] = []
    limits: Limits = Limits()
    notify: Notify = Notify()


@dataclass(frozen=True, slots=True)
class Operator:
    bindings: tuple[Binding, ...] = ()
    limits: Limits = field(default_factory=Limits)
    notify: Notify = field(default_factory=Notify)

    def binding(self, installation: int, repository: int) -> Binding | None:
        """The repository's own binding, else that of its installation; None: it may see nothing in Google Cloud."""
        candidates: Mapping[int | None, Binding] = {
            b.repository: b for b in self.bindings if b.installation == installation
        }
        return candidates.get(repository) or candidates.get(None)


def read_operator(text: str) -> Operator:
    """Raises `ConfigError` naming every mistake with its line."""
    located = read_yaml(text)
    result = located if isinstance(located, tuple) else check(OperatorFile, located)
    if isinstance(result, tuple):
        listed = "\n".join(f"  - {mistake}" for mistake in result)
        raise ConfigError(f"the operator's file is wrong:\n{listed}", fix="Mend these lines and start again.")
    return Operator(tuple(result.bindings), result.limits, result.notify)

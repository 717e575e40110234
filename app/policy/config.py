"""A repository's `.github/infra-audit.yml`: text to `RepoConfig`, or every line that is wrong and why.

Owns the strict schema (published as `docs/infra-audit.schema.json`), its defaults and the mapping to `Scope`. Leaves reading
the file, always from the default branch, to `github/repository.py`, and what Google Cloud may be seen to `operator.py`: the
projects named here can only narrow that.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from app.diagnosis.signatures.model import signature_from_config
from app.errors import ConfigError
from app.evidence.model import ConfigLine, LayerOwner, Scope
from app.policy.commands import DURATION, HELP, Known, Role, Verb, parse_duration
from app.policy.located import Located, Mistake, check, read_yaml, spelled
from app.policy.operator import ProjectId
from app.redact import cut

CONFIG_PATH = ".github/infra-audit.yml"
DEFAULT_LABEL = "infra-audit"
SCHEMA_ID = "infra-audit-config-1"


_NAME = r"^[a-z0-9]([a-z0-9_.-]{0,61}[a-z0-9])?$"
_TEAM = r"^@[A-Za-z0-9-]+(/[A-Za-z0-9._-]+)?$"


_LOGIN = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,60}$"
_LABEL = r"^[^\s,\x00-\x1f](?:[^,\x00-\x1f]{0,48}[^\s,\x00-\x1f])?$"
_COLOUR = r"^[0-9A-Fa-f]{6}$"
SHORTEST_RECHECK = timedelta(hours=1)


def _a_duration(value: object) -> object:
    """Also of a bare number, which forgot its unit. The suggestion is the nearest that is a length, if any is."""
    if isinstance(value, str) and re.fullmatch(DURATION, value):
        return value
    number, unit = re.match(r"\s*(\d*)\s*([a-z]?)", str(value).lower(), re.ASCII).groups()  # pyright: ignore[reportOptionalMemberAccess]  # matches anything
    near = f"{number}{unit or 'h'}"
    raise PydanticCustomError(
        "length",
        "a length is written like 45m, 6h, 2d or 1d12h",
        {"instead": near if parse_duration(near) is not None else None},
    )


def _a_name(word: str) -> str:
    return re.sub(r"[^a-z0-9_.-]+", "-", word.lower()).strip("-_.")


def _a_mention(word: str) -> str:
    """The first of several."""
    first = re.split(r"[,;\s]+", word.strip())[0]
    return f"@{first.lstrip('@')}"


def _a_login(word: str) -> str:
    return word.strip().lstrip("@")


def _a_colour(value: object) -> object:
    """Six digits are a number to YAML, and a sign in front begins a comment."""
    if isinstance(value, str) and re.fullmatch(_COLOUR, value):
        return value
    near = str(value).lstrip("#").removeprefix("0x").zfill(6)
    raise PydanticCustomError(
        "colour",
        "a colour is six digits or letters from a to f, in quotation marks and without a sign before them",
        {"instead": f'"{near}"' if re.fullmatch(_COLOUR, near) and value is not None else None},
    )


Duration = Annotated[str, BeforeValidator(_a_duration), WithJsonSchema({"type": "string", "pattern": DURATION})]
Login = Annotated[
    str,
    StringConstraints(pattern=_LOGIN),
    spelled(_LOGIN, "a person is named by login, without @; teams cannot be assigned", _a_login),
]
LabelName = Annotated[
    str,
    StringConstraints(pattern=_LABEL),
    spelled(
        _LABEL, "a label has at most 50 characters, no comma and no blank at its ends", lambda word: word.strip()[:50]
    ),
]
Colour = Annotated[str, BeforeValidator(_a_colour), WithJsonSchema({"type": "string", "pattern": _COLOUR})]
Name = Annotated[
    str,
    StringConstraints(pattern=_NAME),
    spelled(_NAME, "a name has small letters, digits and single signs of `._-` between them", _a_name),
]
TeamMention = Annotated[
    str,
    StringConstraints(pattern=_TEAM),
    spelled(_TEAM, "one team is mentioned as @organisation/team, or one person as @login", _a_mention),
]
Statement = Annotated[str, StringConstraints(min_length=1, max_length=500)]
RoleName = Literal["read", "triage", "write", "maintain", "admin"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Environment(_Strict):
    """`projects` narrows what the operator granted. `services` are audited when nobody names any.

    `priority` is given to whatever fails there, instead of what the rules say.
    """

    projects: list[ProjectId] = []
    services: list[Name] = []
    critical: bool | None = None
    priority: Literal["P0", "P1", "P2", "P3"] | None = None
    window: Duration | None = None
    deployments: list[str] = []
    """GitHub environment names whose successful deployments start a follow-up of this environment."""
    workflows: list[Statement] = []
    """Names of workflows that deploy it without telling GitHub of a deployment: a run of one that succeeds on the default
    branch counts as a deployment."""


class Impact(_Strict):
    """A sentence about what depends on the service, and who answers for it. Printed as stated, never computed."""

    statement: Statement
    owner: Statement


class Service(_Strict):
    """`source_roots` are the directories that the program lies in when it runs (`/app`), as printed in stack traces."""

    source_roots: list[str] = []
    impact: Impact | None = None
    critical: bool | None = None
    """One critical service makes an audit of its environment critical."""


class Owners(_Strict):
    developers: TeamMention | None = None
    infrastructure: TeamMention | None = None
    provider: TeamMention | None = None


class Assignees(_Strict):
    """Logins that an issue is assigned to when it is escalated to that team; GitHub takes ten."""

    developers: Annotated[list[Login], Field(max_length=10)] = []
    infrastructure: Annotated[list[Login], Field(max_length=10)] = []
    provider: Annotated[list[Login], Field(max_length=10)] = []


class StatusLabel(_Strict):
    """`name` None: the default one, such as `priority:P0`. `write` False: this one is not used."""

    name: LabelName | None = None
    colour: Colour | None = None
    write: bool = True


class StatusLabels(_Strict):
    """What the issue is labelled with: its priority, and the team outside of development that has to act."""

    write: bool = True
    P0: StatusLabel = StatusLabel()
    P1: StatusLabel = StatusLabel()
    P2: StatusLabel = StatusLabel()
    P3: StatusLabel = StatusLabel()
    infrastructure: StatusLabel = StatusLabel()
    provider: StatusLabel = StatusLabel()


class VerdictCheck(_Strict):
    """`at`: commits that get a check with the verdict; empty: none. `conclusion` neutral never turns anything red."""

    at: list[Literal["default_branch", "pull_request"]] = []
    conclusion: Literal["neutral", "verdict"] = "neutral"


class Windows(_Strict):
    default: Duration = "6h"
    longest: Duration = "7d"


class Roles(_Strict):
    audit: RoleName = "triage"
    escalate: RoleName = "write"


class FollowUp(_Strict):
    """`watch`: how long `/audit watch` goes on; `every`: between two looks; `automatic`: watch after each audit.

    `remind`: between two reminders of a call that nobody took over; None: no reminders. `recheck`: between two audits of an
    open issue that nobody watches, as long as its status asks for something; None: none. `deployments`: such an issue is
    also looked at after each deployment of its environment.
    """

    watch: Duration = "24h"
    every: Duration = "30m"
    automatic: bool = False
    remind: Duration | None = None
    recheck: Duration | None = None
    deployments: bool = True


class OwnSignature(_Strict):
    """A failure message of the repository's own and what it means; `signature_from_config` says what a wording may be."""

    id: Name
    title: Statement
    failure_class: Name
    layer: Literal[
        "application", "configuration", "permissions", "quota", "capacity", "infrastructure", "platform", "dependency"
    ]
    owner: Literal["developers", "infrastructure", "provider"]
    wording: Annotated[list[Statement], Field(min_length=1, max_length=20)]
    remedy: Statement
    without: list[Statement] = []
    causes: list[Statement] = []
    resources: list[Name] = []
    logs: list[Statement] = []
    component: Name | None = None
    source: Statement | None = None

    @property
    def fields(self) -> dict[str, str | tuple[str, ...]]:
        """What is given, with tuples for lists, as evidence keeps it."""
        given: dict[str, str | list[str]] = self.model_dump(exclude_defaults=True)
        return {name: value if isinstance(value, str) else tuple(value) for name, value in given.items()}


class ConfigFile(_Strict):
    version: Literal[1]
    labels: dict[str, Name] = {}
    environments: dict[Name, Environment] = {}
    services: dict[Name, Service] = {}
    owners: Owners = Owners()
    assignees: Assignees = Assignees()
    status_labels: StatusLabels = StatusLabels()
    verdict_check: VerdictCheck = VerdictCheck()
    windows: Windows = Windows()
    roles: Roles = Roles()
    follow_up: FollowUp = Field(default=FollowUp())
    signatures: Annotated[list[OwnSignature], Field(max_length=50)] = []


_LABELS = {
    "P0": ("priority:P0", "b60205"),
    "P1": ("priority:P1", "d93f0b"),
    "P2": ("priority:P2", "fbca04"),
    "P3": ("priority:P3", "c5def5"),
    "infrastructure": ("escalated:infrastructure", "5319e7"),
    "provider": ("escalated:provider", "5319e7"),
}


@dataclass(frozen=True, slots=True)
class RepoConfig:
    """What configuration says; without a file, the defaults. `path` and `lines` are where each statement stands."""

    file: ConfigFile = field(default_factory=lambda: ConfigFile(version=1))
    path: str = CONFIG_PATH
    places: Mapping[tuple[str | int, ...], tuple[int, int]] = field(
        default_factory=dict[tuple[str | int, ...], tuple[int, int]]
    )

    @property
    def known(self) -> Known:
        people = self.file.owners, self.file.assignees
        teams = tuple(owner.value for owner in LayerOwner if any(getattr(said, owner.value) for said in people))
        services = dict.fromkeys(s for e in self.file.environments.values() for s in e.services)
        return Known(tuple({**dict.fromkeys(self.file.services), **services}), tuple(self.file.environments), teams)

    @property
    def window(self) -> timedelta:
        return _length(self.file.windows.default)

    @property
    def longest_window(self) -> timedelta:
        return _length(self.file.windows.longest)

    def environment_of_label(self, label: str) -> str | None:
        """The environment that a trigger label asks for, "" for the default one; None: no trigger."""
        if label in self.file.labels:
            return self.file.labels[label]
        return "" if label == DEFAULT_LABEL else None

    def status_label(self, kind: str) -> tuple[str, str] | None:
        """Name and colour of the label for a priority or a team; None: none is written."""
        if kind not in _LABELS or not self.file.status_labels.write:
            return None
        name, colour = _LABELS[kind]
        said: StatusLabel = getattr(self.file.status_labels, kind)
        return (said.name or name, (said.colour or colour).lower()) if said.write else None

    @property
    def status_labels(self) -> frozenset[str]:
        """Every name that a label of ours may have, the default ones included: configuration may have renamed them since."""
        said: list[StatusLabel] = [getattr(self.file.status_labels, kind) for kind in _LABELS]
        return frozenset(name for name, _ in _LABELS.values()) | {label.name for label in said if label.name}

    @property
    def default_environment(self) -> str | None:
        """The only one, or the one called production; None when there is none to choose."""
        names = tuple(self.file.environments)
        if len(names) == 1:
            return names[0]
        return "production" if "production" in names else None

    def role(self, verb: Verb) -> Role:
        """What configuration asks for, above or below the default; nobody needs a role for help."""
        match HELP[verb].role:
            case Role.TRIAGE:
                return Role[self.file.roles.audit.upper()]
            case Role.WRITE:
                return Role[self.file.roles.escalate.upper()]
            case other:
                return other


def read_config(text: str, path: str = CONFIG_PATH) -> RepoConfig | tuple[Mistake, ...]:
    """The configuration, or every mistake in it, without the secrets of what it quotes."""
    read = _read(text, path)
    if isinstance(read, RepoConfig):
        return read
    return tuple(replace(m, what=cut(m.what), instead=cut(m.instead) if m.instead else None) for m in read)


def _read(text: str, path: str) -> RepoConfig | tuple[Mistake, ...]:
    located = read_yaml(text)
    if isinstance(located, tuple):
        return located
    file = check(ConfigFile, located)
    if isinstance(file, tuple):
        return file
    wrong = (
        *_names_without_meaning(file, located),
        *_labels_without_meaning(file, located),
        *_lengths_without_meaning(file, located),
        *_signatures_without_meaning(file, located),
    )
    return tuple(sorted(wrong, key=lambda m: (m.line, m.column))) or RepoConfig(file, path, located.places)


def validate_config(text: str) -> list[Mistake]:
    """Every mistake of the file, in order of its lines; empty when it is right."""
    result = read_config(text)
    return list(result) if isinstance(result, tuple) else []


def config_schema() -> dict[str, Any]:
    """The JSON Schema that editors check the file with."""
    schema = ConfigFile.model_json_schema()
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID, **schema}


def _names_without_meaning(file: ConfigFile, located: Located) -> tuple[Mistake, ...]:
    known = file.environments
    return tuple(
        Mistake(*located.place(("labels", label)), f"environment {name!r} is not configured", next(iter(known), None))
        for label, name in file.labels.items()
        if name not in known
    )


def _labels_without_meaning(file: ConfigFile, located: Located) -> tuple[Mistake, ...]:
    """A label that says two things, or one that would start the audit that writes it."""
    wrong: list[Mistake] = []
    triggers = {*file.labels, DEFAULT_LABEL}
    seen: dict[str, str] = {}
    for kind, (default, _) in _LABELS.items():
        said: StatusLabel = getattr(file.status_labels, kind)
        name = said.name or default
        place = located.place(("status_labels", kind, "name"))
        if name in triggers:
            place = place if said.name else located.place(("labels", name))
            wrong.append(Mistake(*place, f"label {name!r} starts an audit, so it cannot show the status", default))
        elif (other := seen.get(name.lower())) is not None:
            wrong.append(Mistake(*place, f"label {name!r} stands for {other} already", default))
        seen[name.lower()] = kind
    return tuple(wrong)


def _lengths_without_meaning(file: ConfigFile, located: Located) -> tuple[Mistake, ...]:
    wrong: list[Mistake] = []
    recheck = file.follow_up.recheck
    if recheck is not None and _length(recheck) < SHORTEST_RECHECK:
        place = located.place(("follow_up", "recheck"))
        wrong.append(Mistake(*place, "an issue that nobody watches is looked at once an hour at most", "1h"))
    for path, said in ((("windows", "default"), file.windows.default), *_own_windows(file)):
        if _length(said) > _length(file.windows.longest):
            what = f"longer than the longest window, which is {file.windows.longest}"
            wrong.append(Mistake(*located.place(path), what, file.windows.longest))
    return tuple(wrong)


def _own_windows(file: ConfigFile) -> list[tuple[tuple[str, ...], str]]:
    return [(("environments", n, "window"), e.window) for n, e in file.environments.items() if e.window is not None]


def _signatures_without_meaning(file: ConfigFile, located: Located) -> tuple[Mistake, ...]:
    """What only the signatures' own rules can tell, such as a wording that would match too much."""
    wrong: list[Mistake] = []
    known: set[str] = set()
    for number, signature in enumerate(file.signatures):
        place = located.place(("signatures", number))
        if signature.id in known:
            wrong.append(Mistake(*place, f"signature {signature.id!r} is there twice"))
        known.add(signature.id)
        try:
            signature_from_config(signature.fields)
        except ConfigError as error:
            wrong.append(Mistake(*place, str(error)))
    return tuple(wrong)


def to_scope(config: RepoConfig, environment: str | None, *, public: bool) -> Scope:
    """What configuration says about one environment, each statement with its line."""
    file = config.file
    chosen = file.environments.get(environment) if environment else None
    served = [name for name in file.services if chosen is None or not chosen.services or name in chosen.services]

    def line(text: str, *path: str | int) -> ConfigLine:
        at: tuple[str | int, ...] = path
        while at and at not in config.places:
            at = at[:-1]
        return ConfigLine(cut(text), config.path, config.places.get(at, (1, 1))[0])

    stated: list[tuple[bool, ConfigLine]] = []
    if chosen is not None and chosen.critical is not None:
        place = ("environments", str(environment), "critical")
        stated.append((chosen.critical, line(f"critical: {str(chosen.critical).lower()}", *place)))
    stated += [
        (said, line(f"{name}: critical: {str(said).lower()}", "services", name, "critical"))
        for name in served
        if (said := file.services[name].critical) is not None
    ]
    is_critical, critical = next((one for one in stated if one[0]), stated[0] if stated else (False, None))
    teams: dict[LayerOwner, ConfigLine] = {}
    for owner in LayerOwner:
        mention = getattr(file.owners, owner.value)
        if mention is not None:
            teams[owner] = line(mention, "owners", owner.value)
    impact = tuple(
        line(f"{name}: {said.statement} (stated by {said.owner})", "services", name, "impact", "statement")
        for name in served
        if (said := file.services[name].impact) is not None
    )
    roots = tuple(sorted({root for name in served for root in file.services[name].source_roots}, key=_longest_first))
    return Scope(
        environment=environment,
        critical=critical,
        is_critical=is_critical,
        teams=teams,
        impact=impact,
        source_roots=roots,
        public=public,
        priority=line(chosen.priority, "environments", str(environment), "priority")
        if chosen is not None and chosen.priority is not None
        else None,
        signatures=tuple(signature.fields for signature in file.signatures),
    )


def _longest_first(root: str) -> tuple[int, str]:
    return -len(root), root


def _length(value: str) -> timedelta:
    length = parse_duration(value)
    assert length is not None  # the schema has checked it
    return length

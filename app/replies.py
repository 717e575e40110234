"""Short comments: one frozen value per message, and the template in `templates/` that words it.

Owns what each template may use; undefined names fail. Text from outside is a plain field here and is shown as code by the
template. The long report is `report/render.py`'s.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import ClassVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.report.escape import md_cell, md_code


@dataclass(frozen=True, slots=True)
class HelpRow:
    """`role` is the one that is needed."""

    usage: str
    what: str
    allowed: bool
    role: str


@dataclass(frozen=True, slots=True)
class HelpReply:
    template: ClassVar[str] = "reply_help.j2"
    rows: Sequence[HelpRow]
    label: str
    environments: Sequence[str] = ()
    services: Sequence[str] = ()
    teams: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class MistakeRow:
    word: str
    what: str
    instead: str | None


@dataclass(frozen=True, slots=True)
class MistakesReply:
    template: ClassVar[str] = "reply_mistakes.j2"
    line: str
    mistakes: Sequence[MistakeRow]


@dataclass(frozen=True, slots=True)
class DeniedReply:
    """`role` is what the caller has, `needed` what the command asks for; `path` is the configuration file."""

    template: ClassVar[str] = "reply_denied.j2"
    login: str
    verb: str
    role: str
    needed: str
    path: str


@dataclass(frozen=True, slots=True)
class ConfigMistakeRow:
    line: int
    column: int
    what: str
    instead: str | None


@dataclass(frozen=True, slots=True)
class ConfigReply:
    template: ClassVar[str] = "reply_config.j2"
    path: str
    mistakes: Sequence[ConfigMistakeRow]


@dataclass(frozen=True, slots=True)
class LimitReply:
    """`where` is "on this issue" or "in this repository"; `at` is a time with its zone."""

    template: ClassVar[str] = "reply_limit.j2"
    count: int
    limit: int
    where: str
    at: str


@dataclass(frozen=True, slots=True)
class BrokenReply:
    """`id` finds the fault in the log."""

    template: ClassVar[str] = "reply_broken.j2"
    id: str


@dataclass(frozen=True, slots=True)
class FixReply:
    """Something that somebody can mend: what is wrong, and what to do."""

    template: ClassVar[str] = "reply_fix.j2"
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class ProgressReply:
    """Stands where the report will be."""

    template: ClassVar[str] = "reply_progress.j2"
    at: str
    environment: str | None
    services: Sequence[str]


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One finished audit. `page` is its address, `environment` None where it goes without saying."""

    at: str
    status: str
    priority: str | None
    page: str
    environment: str | None = None


@dataclass(frozen=True, slots=True)
class SeenRow:
    """Another issue in which one of the faults was seen. `page` is the address of its report."""

    issue: int
    at: str
    page: str


@dataclass(frozen=True, slots=True)
class HistorySection:
    """Stands below a report: other issues with the same fault, what changed, and folded the audits before it, newest first."""

    template: ClassVar[str] = "reply_history.j2"
    rows: Sequence[HistoryRow]
    changes: Sequence[str] = ()
    seen: Sequence[SeenRow] = ()


@dataclass(frozen=True, slots=True)
class StatusReply:
    """`running` counts audits under way; `again` is when it looks again by itself; `called` are keys of configured owners."""

    template: ClassVar[str] = "reply_status.j2"
    rows: Sequence[HistoryRow]
    running: int
    again: str
    acked_by: str | None
    called: Sequence[str]


@dataclass(frozen=True, slots=True)
class ChangedReply:
    """Why a new comment is worth a notification. `before` and `after` are statuses, targets are configured mentions: they are
    shown as code, since nobody is called by a change."""

    template: ClassVar[str] = "reply_changed.j2"
    before: str
    after: str
    priority_before: str | None
    priority_after: str | None
    environment: str | None
    target_before: str | None = None
    target_after: str | None = None


@dataclass(frozen=True, slots=True)
class CalledReply:
    """The only message that calls people. `mention` stands in configuration, None: only people to assign do; `page` None: no
    audit was made yet. `assigned` and `unassigned` are logins."""

    template: ClassVar[str] = "reply_called.j2"
    team: str
    mention: str | None
    by: str
    status: str | None
    page: str | None
    assigned: Sequence[str] = ()
    unassigned: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ReminderReply:
    """Calls nobody anew: whoever the call reached hears of it by the issue. `number` of `most` counts from 1."""

    template: ClassVar[str] = "reply_reminder.j2"
    team: str
    number: int
    most: int


@dataclass(frozen=True, slots=True)
class StoppedReply:
    """Stands where the report would have been. `by` is the login of whoever stopped it."""

    template: ClassVar[str] = "reply_stopped.j2"
    by: str


@dataclass(frozen=True, slots=True)
class DoctorRow:
    what: str
    state: str
    remedy: str


@dataclass(frozen=True, slots=True)
class DoctorReply:
    template: ClassVar[str] = "reply_doctor.j2"
    rows: Sequence[DoctorRow]


Reply = (
    HelpReply
    | MistakesReply
    | DeniedReply
    | ConfigReply
    | LimitReply
    | BrokenReply
    | FixReply
    | ProgressReply
    | HistorySection
    | StatusReply
    | ChangedReply
    | CalledReply
    | ReminderReply
    | StoppedReply
    | DoctorReply
)


def say(reply: Reply) -> str:
    """The comment's markdown."""
    values = {field.name: getattr(reply, field.name) for field in fields(reply)}
    text = _environment.get_template(reply.template).render(values).strip()
    return re.sub(r"\n{3,}", "\n\n", text) + "\n"  # what loops leave behind


def templates_directory() -> Path:
    """Beside the package in a clone, inside it when installed."""
    here = Path(__file__).parent
    return next(d for d in (here / "templates", here.parent / "templates") if d.is_dir())


def _make_environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(templates_directory()),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701  the output is markdown; `code` is its escape
        trim_blocks=False,
        keep_trailing_newline=False,
    )
    environment.filters["code"] = md_code
    environment.filters["cell"] = md_cell
    return environment


_environment = _make_environment()

"""One report onto its issue: the living comment, labels, checks, and a short comment when something changed.

Owns the order of these and what is left out: a report that somebody deleted, an audit that a newer one overtook. Leaves how
each is written to `github/publish.py`, what the labels shall be to `follow_up.py`, and the words to the templates.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from app import follow_up
from app.archive import SavedAudit
from app.diagnosis.model import Status
from app.evidence.model import Evidence
from app.github.client import Refused, Session, web_address
from app.github.publish import (
    LONGEST_COMMENT,
    VERDICT_CHECK,
    Place,
    Verdict,
    marker,
    report_verdict,
    set_labels,
)
from app.github.repository import Issue
from app.policy.config import RepoConfig
from app.replies import ChangedReply, HistoryRow, HistorySection, SeenRow, say
from app.report.model import Report
from app.service import (
    AuditOrder,
    Service,
    change_incident,
    fold,
    load_incident,
    notify,
    page_address,
    report_marker,
    upsert,
)

_log = logging.getLogger(__name__)

MOST_CHECKS = 5
"""Commits that get a check with the verdict of one audit."""
MOST_FAULTS = 20
"""Of one audit that are known again in another issue."""


async def publish(
    service: Service,
    session: Session,
    place: Place,
    order: AuditOrder,
    saved: SavedAudit,
    report: Report,
    issue: Issue,
    config: RepoConfig,
) -> None:
    """The living comment, labels, checks, and a short comment when verdict, priority or target changed."""
    past = [
        a
        for a in service.archive.audits_of(place.repository_id, place.issue)
        if a.finished_at is not None and a.page != saved.page and a.environment == saved.environment
    ]
    now = service.archive.audit(saved.job) or saved
    newer = [a for a in past if a.started_at > now.started_at]
    if newer:
        return  # an earlier audit that was repeated late must not overwrite what is known since
    section = _history_section(service, place, now, past)
    tail = say(section) if section.rows or section.seen else ""
    body = service.markdown(report, LONGEST_COMMENT - 2_000 - len(tail))
    text = f"{body.rstrip()}\n\n{tail}".rstrip() + "\n"
    course = load_incident(service, place.repository_id, place.issue).course(order.environment)
    anew = order.reacts and (course is None or course.published != saved.page)
    if await upsert(service, session, place, report_marker(order), text, anew=anew) is None:
        _log.info("the report on %s#%d was deleted, and stays so until somebody asks", place.repository, place.issue)
        change_incident(service, order, lambda known: follow_up.dropped(known, order.environment))
        return
    change_incident(service, order, lambda known: follow_up.published(known, order.environment, saved.page))
    await _label(service, session, place, order, report, issue, config)
    await _check(session, place, order, report, issue, config)
    if past:
        await _tell_change(service, session, place, order, past, now)


async def _label(
    service: Service,
    session: Session,
    place: Place,
    order: AuditOrder,
    report: Report,
    issue: Issue,
    config: RepoConfig,
) -> None:
    """Of several environments of one issue the worst priority counts, and every team that has to act."""
    incident = load_incident(service, place.repository_id, place.issue)
    others = [c.environment for c in incident.courses if c.environment != (order.environment or "")]
    reports = [report, *(r for name in others if (r := _latest_report(service, place, name)) is not None)]
    kinds = [min((r.header.priority.value for r in reports if r.header.priority is not None), default="")]
    kinds += sorted({r.header.owner.value for r in reports if r.header.owner and r.escalation.owner is r.header.owner})
    wanted = dict(label for kind in kinds if (label := config.status_label(kind)) is not None)
    add, away = follow_up.plan_labels(incident, issue.labels, wanted, config.status_labels)
    if set(wanted) == set(incident.labels or ()):
        return
    present = await set_labels(session, place, add, away, issue.labels)
    ids = tuple(sorted(number for name, number in present.items() if name in wanted))
    change_incident(service, order, lambda known: replace(known, labels=tuple(sorted(wanted)), label_ids=ids))


def _latest_report(service: Service, place: Place, environment: str) -> Report | None:
    audits = service.archive.audits_of(place.repository_id, place.issue)
    page = next((a.page for a in audits if a.finished_at is not None and a.environment == environment), None)
    return service.archive.report(page) if page is not None else None


async def _check(
    session: Session, place: Place, order: AuditOrder, report: Report, issue: Issue, config: RepoConfig
) -> None:
    """The verdict at the commits that configuration names. On a public repository, too, it says what labels would say."""
    wanted = config.file.verdict_check
    commits = [*(issue.linked.proposed if "pull_request" in wanted.at else ())]
    if "default_branch" in wanted.at and issue.linked.newest is not None:
        commits.insert(0, issue.linked.newest)
    status, priority = report.header.status, report.header.priority
    verdict = Verdict(
        name=f"{VERDICT_CHECK} ({order.environment})" if order.environment else VERDICT_CHECK,
        title=f"{status}, {priority}" if priority is not None else f"{status}",
        summary=f"The report stands on issue #{place.issue}.",
        conclusion=_conclusion(status) if wanted.conclusion == "verdict" else "neutral",
        link=f"{web_address(session.github.base_url)}/{place.repository}/issues/{place.issue}",
    )
    for sha in dict.fromkeys(commits[:MOST_CHECKS]):
        try:
            await report_verdict(session, place.repository, sha, verdict)
        except Refused as refused:
            _log.info("no check on %s: %s", place.repository, refused)  # the permission is optional


def _conclusion(status: Status) -> Literal["neutral", "success", "failure"]:
    if status.value in follow_up.OVER:
        return "success"
    return "neutral" if status in (Status.CANNOT_TELL, Status.RECOVERING) else "failure"


def _history_section(service: Service, place: Place, now: SavedAudit, past: Sequence[SavedAudit]) -> HistorySection:
    evidence = service.archive.evidence(now.page)
    before = service.archive.evidence(past[0].page) if past else None
    elsewhere = service.archive.seen_elsewhere(place.repository_id, place.issue, faults(evidence)) if evidence else ()
    seen = tuple(SeenRow(n, f"{at:%Y-%m-%d %H:%M} UTC", page_address(service, p)) for n, at, p in elsewhere[:3])
    changes = follow_up.what_changed(before, evidence) if before is not None and evidence is not None else ()
    return HistorySection(tuple(history_row(service, a) for a in past[:10]), changes, seen)


def faults(evidence: Evidence) -> tuple[str, ...]:
    """The ids by which its faults are known again, the most frequent first."""
    failing = [group for group in evidence.observations.groups if group.failure]
    return tuple(group.id for group in sorted(failing, key=lambda group: (-group.count, group.id))[:MOST_FAULTS])


async def _tell_change(
    service: Service, session: Session, place: Place, order: AuditOrder, past: Sequence[SavedAudit], now: SavedAudit
) -> None:
    """Editing a comment notifies nobody, so a change that people must know of gets a comment of its own, which folds away
    those of the same environment before it."""
    before = past[0]
    if (before.status, before.priority, before.target) == (now.status, now.priority, now.target):
        return
    mark = marker("changed", audit=now.page[:16])
    reply = ChangedReply(
        before.status or "unknown",
        now.status or "unknown",
        before.priority,
        now.priority,
        order.environment,
        before.target,
        now.target,
    )
    await upsert(service, session, place, mark, say(reply))
    for old in past:
        await fold(service, session, place, marker("changed", audit=old.page[:16]))
    text = f"{order.repository}#{order.issue}: {reply.after} (was {reply.before})"
    await notify(service, order, f"changed:{now.page}", text)


def history_row(service: Service, audit: SavedAudit) -> HistoryRow:
    at = f"{audit.started_at:%Y-%m-%d %H:%M} UTC"
    return HistoryRow(at, audit.status or "", audit.priority, page_address(service, audit.page))

"""What happened, told to the ledger: a real repository, revisions with their traffic, and entries minute by minute.

Times are minutes from `BEGIN`. A story tells only what a test is about; the rest has plain defaults.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from app.diagnosis.ledger import build_ledger
from app.diagnosis.model import FixVerdict, LedgerRow, Match, plain
from app.evidence.deployments import assemble_revisions
from app.evidence.model import (
    CommitSha,
    DeployEvent,
    DeployKind,
    ErrorGroup,
    Evidence,
    Exposure,
    Fingerprint,
    GroupKind,
    IssueRef,
    LiveRevision,
    Observations,
    PayloadField,
    Reading,
    Request,
    RevisionCount,
    RevisionName,
    Sample,
    ServiceName,
    Severity,
    Window,
)
from app.history import History, confirm_commits, read_history
from app.redact import cut
from tests.repository import BEGIN, Repository

SERVICE = ServiceName("api")
GROUP = Fingerprint("g1-00000000000a")


def at(minute: float) -> datetime:
    return BEGIN + timedelta(minutes=minute)


def epoch(minute: int) -> int:
    return int(BEGIN.timestamp()) // 60 + minute


def sample(minute: float, *, revision: str | None = None, message: str = "connect timed out after 8.0s") -> Sample:
    return Sample(
        insert_id=f"i{minute}",
        timestamp=at(minute),
        severity=Severity.ERROR,
        log_id="run.googleapis.com/stderr",
        project="shop",
        resource_type="cloud_run_revision",
        resource_labels={},
        service=SERVICE,
        revision=RevisionName(revision) if revision else None,
        instance=None,
        field=PayloadField.TEXT,
        message=cut(message),
        logger=None,
        location=None,
        http=None,
        audit=None,
        origin="logs.jsonl:1",
    )


@dataclass(slots=True)
class _Revision:
    service: ServiceName
    commit: str | None
    requests: dict[int, int] = field(default_factory=dict[int, int])
    server_errors: dict[int, int] = field(default_factory=dict[int, int])
    starts: dict[int, int] = field(default_factory=dict[int, int])
    errors: dict[int, int] = field(default_factory=dict[int, int])
    other_entries: list[int] = field(default_factory=list[int])
    leads: dict[int, int] = field(default_factory=dict[int, int])
    lives: dict[int, int] = field(default_factory=dict[int, int])


class Story:
    """One incident of one error group. The commit of a revision comes from the label of its entries."""

    source: Callable[[Repository], History]
    """How the repository is read; see `conftest.py`."""

    def __init__(self, repository: Repository, *, issue_text: str = "", until: int = 360) -> None:
        self.repository = repository
        self.until = until
        self._issue_text = issue_text
        self._revisions: dict[str, _Revision] = {}
        self._live: dict[str, LiveRevision] = {}
        self._deploys: list[DeployEvent] = []
        self._stated: dict[RevisionName, str] = {}
        self._nameless: dict[int, int] = {}
        self.linked: tuple[CommitSha, ...] = ()
        self.instances = 1
        self.truncated: str | None = None

    # --- telling ---

    def revision(self, name: str, commit: str | None, *, service: str = SERVICE) -> None:
        self._revisions[name] = _Revision(ServiceName(service), commit)

    def requests(self, name: str, minutes: Iterable[int], per_minute: int = 10) -> None:
        self._revisions[name].requests |= dict.fromkeys(minutes, per_minute)

    def starts(self, name: str, minutes: Iterable[int]) -> None:
        self._revisions[name].starts |= dict.fromkeys(minutes, 1)

    def errors(self, name: str | None, minutes: Iterable[int], per_minute: int = 1) -> None:
        target = self._nameless if name is None else self._revisions[name].errors
        for minute in minutes:
            target[minute] = target.get(minute, 0) + per_minute

    def server_errors(self, name: str, minutes: Iterable[int], per_minute: int) -> None:
        self._revisions[name].server_errors |= dict.fromkeys(minutes, per_minute)

    def chatter(self, name: str, minutes: Iterable[int]) -> None:
        """Entries that are no failures and no requests."""
        self._revisions[name].other_entries += minutes

    def restarted(self, name: str, leads: Mapping[int, int]) -> None:
        """Instances that started while it failed, by the minutes that each took to fail."""
        self._revisions[name].leads |= leads

    def lived(self, name: str, lives: Mapping[int, int]) -> None:
        """Instances by the minutes that each was seen to live."""
        self._revisions[name].lives |= lives

    def live(self, name: str, percent: int | None, *, ready: bool | None = True) -> None:
        """What the platform's API says of a revision now."""
        service = self._revisions[name].service
        self._live[name] = LiveRevision(RevisionName(name), service, (), None, ready, None, percent)

    def traffic(self, minute: float, percent: Mapping[str, int], *, service: str = SERVICE) -> None:
        """An audit entry that tells how traffic is split from then on."""
        split = {RevisionName(name): share for name, share in percent.items()}
        self._deploy(DeployKind.TRAFFIC, minute, service, None, split)

    def states(self, name: str, commit: str) -> None:
        """What the operator states on the command line."""
        self._stated[RevisionName(name)] = commit

    def deployed(self, minute: float, name: str, *, ready: bool = True) -> None:
        kind = DeployKind.READY if ready else DeployKind.FAILED
        self._deploy(kind, minute, self._revisions[name].service, name, {})

    def _deploy(
        self, kind: DeployKind, minute: float, service: str, name: str | None, split: Mapping[RevisionName, int]
    ) -> None:
        revision = RevisionName(name) if name else None
        self._deploys.append(
            DeployEvent(kind, at(minute), ServiceName(service), revision, None, split, None, sample(minute))
        )

    # --- hearing ---

    def group(self) -> ErrorGroup | None:
        """None when nothing failed."""
        per_minute: dict[int, int] = {}
        counts: list[RevisionCount] = []
        sources = [(r.service, RevisionName(name), r.errors, r.leads) for name, r in self._revisions.items()]
        for service, name, errors, leads in [*sources, (SERVICE, None, self._nameless, dict[int, int]())]:
            for minute, count in errors.items():
                per_minute[epoch(minute)] = per_minute.get(epoch(minute), 0) + count
            if errors:
                first, last = at(min(errors) + 0.5), at(max(errors) + 0.5)
                counts.append(RevisionCount(service, name, sum(errors.values()), first, last, leads))
        if not counts:
            return None
        total = sum(per_minute.values())
        first, last = min(c.first_seen for c in counts), max(c.last_seen for c in counts)
        latest = max(counts, key=lambda c: c.last_seen)
        text = cut("connect timed out after <*>s")
        return ErrorGroup(
            id=GROUP,
            kind=GroupKind.MESSAGE,
            failure=True,
            title=text,
            template=text,
            severity=Severity.ERROR,
            count=total,
            entries=total,
            first_seen=first,
            last_seen=last,
            per_minute=per_minute,
            per_revision=tuple(counts),
            services=tuple(sorted({c.service for c in counts if c.service})),
            instances=self.instances,
            first=replace(sample(0), timestamp=first),
            latest=replace(sample(0), timestamp=last, revision=latest.revision),
            trace=None,
        )

    def observations(self) -> Observations:
        exposure: list[Exposure] = []
        for name, told in self._revisions.items():
            minutes = [*told.requests, *told.starts, *told.errors, *told.other_entries]
            if minutes:
                exposure.append(
                    Exposure(
                        told.service,
                        RevisionName(name),
                        {epoch(m): n for m, n in told.requests.items()},
                        {epoch(m): n for m, n in told.starts.items()},
                        {epoch(m): n for m, n in told.server_errors.items()},
                        at(min(minutes)),
                        at(max(minutes) + 0.5),
                        told.commit,
                        lives=told.lives,
                    )
                )
        group = self.group()
        return Observations((group,) if group else (), (), tuple(exposure), tuple(self._deploys), 100, at(0), at(360))

    async def evidence(self) -> Evidence:
        observations = self.observations()
        window = Window(at(0), at(self.until))
        live = list(self._live.values())
        claims = {
            RevisionName(name): told.commit
            for name, told in self._revisions.items()
            if told.commit and not any(e.revision == name for e in observations.exposure)
        }
        claims |= self._stated
        issue = IssueRef("octo/shop", 7, cut("Database times out"), cut(self._issue_text), linked_commits=self.linked)
        request = Request(window, at(self.until), issue=issue)
        revisions = assemble_revisions(observations, live, claims, window)
        source = self.source(self.repository)
        revisions = await confirm_commits(source, revisions)
        history, gaps = await read_history(source, request, observations, revisions, None)
        reading = Reading("logs.jsonl", None, window, 100, 0, truncated=self.truncated)
        return Evidence(request, window, observations, (reading,), None, revisions, history, (), gaps)

    async def row(self, fix: str) -> LedgerRow:
        """The ledger's row for `fix`, taken to fit the group."""
        evidence = await self.evidence()
        match = Match(CommitSha(fix), GROUP, 0.9, True, (), ())
        rows = [row for row in build_ledger(evidence, (match,)) if row.fix.sha == fix]
        assert len(rows) == 1, rows
        return rows[0]

    async def verdict(self, fix: str) -> FixVerdict:
        return (await self.row(fix)).verdict

    async def because(self, fix: str) -> str:
        return plain((await self.row(fix)).because.text)


CONTAINED = FixVerdict.EFFECTIVE
"""What `cured` comes to when the new revision has the fix."""


def cured(repo: Repository, before: str, running: str, fix: str) -> Story:
    """`before` fails for two hours, then `running` takes over and all is silent."""
    story = Story(repo, issue_text=f"#7 should be mended by {fix}")
    story.revision("api-1", before)
    story.requests("api-1", range(120))
    story.errors("api-1", range(0, 120, 2))
    story.revision("api-2", running)
    story.requests("api-2", range(120, 360))
    story.traffic(120, {"api-2": 100})
    return story

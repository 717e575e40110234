"""Evidence and Diagnosis to Report: what is said, in which order, resting on what.

Owns the wording of what no judgement needs (counts, times, states of resources), the order of rows and what is left out.
Leaves every verdict to `diagnosis/`, how evidence opens to `references.py`, and looks to `render.py`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import cache
from typing import Literal, assert_never

import orjson
from pydantic import TypeAdapter

from app import __version__
from app.diagnosis.model import (
    Basis,
    CausalLink,
    Cause,
    Claim,
    CommitRef,
    ConfigRef,
    CountRef,
    Diagnosis,
    EntryRef,
    EvidenceRef,
    ExposureRef,
    FileRef,
    FixVerdict,
    LedgerRow,
    LinkKind,
    ProbeRef,
    ReadingRef,
    RejectedCause,
    RequiredAction,
    RevisionRef,
    Sentence,
    Signal,
    Status,
    Suspect,
    Value,
    Why,
    Words,
    sentence,
)
from app.evidence.model import (
    CodeExcerpt,
    CommitSha,
    ConfigLine,
    ErrorGroup,
    Evidence,
    Exposure,
    Fingerprint,
    Frame,
    FrameSource,
    Onset,
    ProbeKind,
    ProbeResult,
    ProbeState,
    Revision,
    Sample,
    StackTrace,
)
from app.redact import Redacted, cut, shorten
from app.report import timeline
from app.report.model import (
    SCHEMA_VERSION,
    ActionRow,
    ActiveFailure,
    Advice,
    ChainEdge,
    ChainNode,
    Escalation,
    FixRow,
    Footer,
    FrameRow,
    GapRow,
    GroupRow,
    Header,
    Impact,
    LatestFailure,
    MismatchRow,
    ReadingRow,
    Report,
    ResourceRow,
    RevisionRow,
    SignalRow,
    Statement,
    SuspectRow,
    WhyStep,
)
from app.report.public import Shown
from app.report.references import References, rfc3339, short
from app.report.wording import clipped, counted

GROUPS_SHOWN = 8
FRAMES_SHOWN = 12
SUSPECTS_SHOWN = 5
REVISIONS_SHOWN = 8
CAUSES_SHOWN = 3
"""Of those that fit as well and of those that are ruled out: in a large incident each consequence is one of these."""

_SUBJECT_LENGTH = 60
_REASON_LENGTH = 160
_QUIET_AFTER = timedelta(minutes=5)

_VERDICT_ORDER = {
    FixVerdict.INEFFECTIVE: 0,
    FixVerdict.REGRESSED: 1,
    FixVerdict.NOT_DEPLOYED: 2,
    FixVerdict.PARTLY_DEPLOYED: 3,
    FixVerdict.TOO_EARLY: 4,
    FixVerdict.UNKNOWN: 5,
    FixVerdict.EFFECTIVE: 6,
    FixVerdict.UNRELATED: 7,
}


def build_report(
    evidence: Evidence, diagnosis: Diagnosis, *, page_url: str | None = None, github_calls: int | None = None
) -> Report:
    """Say what was judged. Pure: the same arguments give the same report.

    Raises `LookupError` when a claim rests on something that the evidence does not hold: a bug of the judgement.
    """
    return _Builder(evidence, diagnosis).report(page_url, github_calls)


def evidence_digest(evidence: Evidence) -> str:
    """SHA-256 over the evidence as JSON with sorted keys, so that fresh and loaded evidence have one digest."""
    plain = _adapter().dump_python(evidence, mode="json")
    if not evidence.known:
        del plain["known"]  # so that what was saved before there was such a field keeps its id
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).hexdigest()


@cache
def _adapter() -> TypeAdapter[Evidence]:
    return TypeAdapter(Evidence)


class _Builder:
    """Holds the numbering of evidence while the parts are made in the order in which they are read."""

    def __init__(self, evidence: Evidence, diagnosis: Diagnosis) -> None:
        self._evidence = evidence
        self._diagnosis = diagnosis
        self._shown = Shown(evidence)
        self._refs = References(evidence, self._shown.text)
        self._symptoms = frozenset(diagnosis.symptoms)
        # A cause may be told by entries that nobody logged as a failure: then they are what there is to count.
        self._told = evidence.observations.groups
        self._noun, self._total_ref = "failure", CountRef(None)
        if not self._told and diagnosis.root is not None:
            self._told = (self._refs.group(diagnosis.root.group),)
            self._noun, self._total_ref = "notice", CountRef(diagnosis.root.group)

    def report(self, page_url: str | None, github_calls: int | None) -> Report:
        digest = evidence_digest(self._evidence)
        header = self._header(digest)
        whys = tuple(self._why(why) for why in self._diagnosis.whys)
        chain_nodes, chain_edges = self._chain()
        fixes = self._fixes()
        active = self._active()
        suspects = self._suspects()
        frames = self._frames()
        mismatches = self._mismatches()
        revisions = self._revisions()
        resources = tuple(self._resource(probe) for probe in self._evidence.probes)
        latest = self._latest()
        escalation = self._escalation()
        impact = self._impact()
        advice = self._advice()
        return Report(
            schema_version=SCHEMA_VERSION,
            header=header,
            whys=whys,
            fixes=fixes,
            no_fixes_because=None if fixes else self._no_fixes(),
            active=active,
            suspects=suspects,
            frames=frames,
            mismatches=mismatches,
            revisions=revisions,
            resources=resources,
            latest=latest,
            escalation=escalation,
            impact=impact,
            advice=advice,
            footer=self._footer(digest, page_url, github_calls),
            timeline=timeline.draw_up(
                self._evidence,
                self._told,
                self._caused() if self._diagnosis.root else self._told,
                self._onset(),
                self._ledger(),
            ),
            chain_nodes=chain_nodes,
            chain_edges=chain_edges,
            gaps=self._gaps(),
            evidence=self._refs.items(),
        )

    # --- statements ----------------------------------------------------------------------------------------------------

    def _state(self, claim: Claim) -> Statement:
        return Statement(self._shown.sentence(claim.text), claim.basis, self._refs.number(claim.evidence))

    def _observe(self, text: Sentence, *refs: EvidenceRef) -> Statement:
        return Statement(self._shown.sentence(text), Basis.OBSERVED, self._refs.number(refs))

    # --- header --------------------------------------------------------------------------------------------------------

    def _header(self, digest: str) -> Header:
        evidence, advice = self._evidence, self._diagnosis.recommendation
        request = evidence.request
        summary = self._state(self._diagnosis.summary)
        facts = self._facts()
        fixes = self._fix_line()
        issue = request.issue
        return Header(
            audit_id=f"a-{digest[:12]}",
            status=advice.status,
            priority=advice.priority,
            environment=request.scope.environment,
            services=request.services or self._failing_services(),
            issue=f"{issue.repository}#{issue.number}" if issue else None,
            issue_url=issue.url if issue else None,
            window_start=evidence.window.start,
            window_end=evidence.window.end,
            judged_at=request.now,
            summary=summary,
            facts=facts,
            fixes=fixes,
            act=self._target(),
            owner=self._diagnosis.owner,
            next_step=self._first_step(),
            action=advice.action,
        )

    def _facts(self) -> Statement:
        groups = self._told
        if not self._evidence.observations.entries:
            return self._observe(self._looked(), ReadingRef())
        if not groups:
            return self._observe(self._healthy(), ReadingRef())
        groups, refs = self._incident()
        text = sentence("{} {}", self._total(groups), _over(groups))
        if revisions := _revision_names(groups):
            text = sentence("{}, on {}", text, _counted(len(revisions), "revision"))
        if others := sum(group.count for group in self._told) - sum(group.count for group in groups):
            text, refs = sentence("{}; {} of other kinds", text, others), (*refs, self._total_ref)
        if self._noun == "notice":
            text = sentence("{}; no entry is logged as a failure", text)
        return self._observe(sentence("{}.", text), *dict.fromkeys(refs))

    def _looked(self) -> Sentence:
        """Where the entries were looked for, when there are none."""
        evidence = self._evidence
        places = list(dict.fromkeys(reading.source for reading in evidence.readings))
        if not places:
            return sentence("No log source could be asked.")
        text = sentence("Looked in {}", _joined([sentence("{}", cut(place)) for place in places], sentence(", ")))
        if evidence.window.length:
            text = sentence("{}, from {} to {}", text, evidence.window.start, evidence.window.end)
        else:
            text = sentence("{}, at any time", text)
        if services := evidence.request.services:
            text = sentence("{}, for {}", text, _joined([sentence("{}", cut(s)) for s in services], sentence(", ")))
        return sentence("{}.", text)

    def _healthy(self) -> Sentence:
        """What the entries without a failure do show."""
        evidence = self._evidence
        exposure = evidence.observations.exposure
        requests = sum(sum(e.requests.values()) for e in exposure)
        starts = sum(sum(e.starts.values()) for e in exposure)
        read = _counted(evidence.observations.entries, "entry", "entries")
        seen = [_counted(n, word) for n, word in ((requests, "request"), (starts, "start")) if n]
        told = sentence(" ({})", _joined(seen, sentence(", "))) if seen else ()
        return sentence("In {}: {}, none reported as failed{}.", evidence.window.length, read, told)

    def _incident(self) -> tuple[tuple[ErrorGroup, ...], tuple[EvidenceRef, ...]]:
        """The cause and its consequences with what counts them; without a known cause, everything that fails."""
        root = self._diagnosis.root
        if root is None or all(group.id != root.group for group in self._told):
            return self._told, (self._total_ref,)
        groups = tuple(group for group in self._told if self._role(group.id) != "other")
        refs = (CountRef(root.group), self._total_ref) if len(groups) > 1 else (CountRef(root.group),)
        return groups, tuple(dict.fromkeys(refs))

    def _total(self, groups: Sequence[ErrorGroup]) -> Sentence:
        """`At least **1,284 failures** of 3 kinds`."""
        least = sentence("At least ") if self._partly_read() else sentence("")
        kinds = sentence(" of {} kinds", len(groups)) if len(groups) > 1 else sentence("")
        return sentence("{}{}{}", least, _counted(sum(group.count for group in groups), self._noun, strong=True), kinds)

    def _partly_read(self) -> bool:
        """Counts are a lower bound then."""
        return any(reading.truncated for reading in self._evidence.readings)

    def _fix_line(self) -> Statement | None:
        """The most pressing verdicts in one line; unrelated fixes say nothing about the incident."""
        rows = [row for row in self._ledger() if row.verdict is not FixVerdict.UNRELATED]
        if not rows:
            return None
        parts = [self._fix_words(row) for row in rows[:3]]
        text = _joined(parts, sentence(" · "))
        if len(rows) > 3:
            text = sentence("{} · and {} more", text, len(rows) - 3)
        refs = tuple(dict.fromkeys(ref for row in rows[:3] for ref in row.because.evidence))
        return self._observe(text, *refs)

    def _fix_words(self, row: LedgerRow) -> Sentence:
        commit = self._refs.commit(row.fix.sha)
        subject = sentence(" ({})", cut(clipped(commit.subject, _SUBJECT_LENGTH))) if commit else sentence("")
        return sentence("Fix {}{}: **{}**", short(row.fix.sha), subject, row.verdict)

    def _first_step(self) -> Sentence:
        advice = self._diagnosis.recommendation
        if advice.next_steps:
            return self._shown.sentence(advice.next_steps[0])
        if self._diagnosis.actions:
            return self._shown.sentence(self._diagnosis.actions[0].text)
        if advice.status is Status.CANNOT_TELL:
            return sentence("audit again with a wider window or more services")
        return sentence("nothing to do")

    def _target(self) -> Redacted | None:
        line = self._team()
        return line.text if line else None

    def _team(self) -> ConfigLine | None:
        owner = self._diagnosis.owner
        if owner is None or self._diagnosis.recommendation.status in (Status.RESOLVED, Status.NO_FAILURES):
            return None
        return self._evidence.request.scope.teams.get(owner)

    def _failing_services(self) -> tuple[str, ...]:
        return tuple(sorted({service for group in self._told for service in group.services}))

    # --- five whys, fixes ----------------------------------------------------------------------------------------------

    def _why(self, why: Why) -> WhyStep:
        return WhyStep(
            question=self._shown.sentence(why.question),
            answer=self._state(why.answer) if why.answer else None,
            open_question=self._shown.sentence(why.check.question) if why.check else None,
            command=self._shown.command(why.check.command) if why.check else None,
        )

    def _ledger(self) -> list[LedgerRow]:
        return sorted(
            self._diagnosis.ledger, key=lambda row: (_VERDICT_ORDER[row.verdict], row.fix.sha, row.group or "")
        )

    def _fixes(self) -> tuple[FixRow, ...]:
        rows: list[FixRow] = []
        for row in self._ledger():
            commit = self._refs.commit(row.fix.sha)
            rows.append(
                FixRow(
                    commit=row.fix.sha,
                    commit_url=self._refs.commit_url(row.fix.sha),
                    what=commit.subject if commit else None,
                    issue=row.fix.issue,
                    group=row.group,
                    verdict=row.verdict,
                    because=self._state(row.because),
                )
            )
        return tuple(rows)

    def _no_fixes(self) -> Statement:
        history = self._evidence.history
        if history.head is None and not history.commits_read:
            text = sentence("No fix could be checked: the repository's history was not read.")
        else:
            text = sentence(
                "No fix commit is linked to the issue or fits these errors; {} looked at.",
                _counted(history.commits_read, "commit"),
            )
        return self._observe(text, *((CommitRef(history.head),) if history.head else (ReadingRef(),)))

    # --- active failure ------------------------------------------------------------------------------------------------

    def _active(self) -> ActiveFailure:
        diagnosis = self._diagnosis
        groups = self._ranked_groups()
        also, rejected = self._other_causes(), self._rejected()
        return ActiveFailure(
            state=self._failure_state(),
            pattern=self._pattern(),
            groups=tuple(self._group(group) for group in groups[:GROUPS_SHOWN]),
            groups_left_out=max(0, len(groups) - GROUPS_SHOWN),
            layer=diagnosis.layer,
            confidence=diagnosis.confidence,
            signals_for=tuple(self._signal(s) for s in self._signals() if s.weight > 0 and s.layer is diagnosis.layer),
            signals_against=tuple(
                self._signal(s) for s in self._signals() if s.weight <= 0 or s.layer is not diagnosis.layer
            ),
            scores=tuple(
                (score.layer, score.score) for score in sorted(diagnosis.scores, key=lambda s: (-s.score, s.layer))
            ),
            also=tuple(self._also(cause) for cause in also[:CAUSES_SHOWN]),
            also_left_out=max(0, len(also) - CAUSES_SHOWN),
            ruled_out_left_out=max(0, len(rejected) - CAUSES_SHOWN),
            ruled_out=tuple(
                self._state(
                    Claim(
                        sentence("{}: {}", no.cause.title, no.refuted_by.text),
                        no.refuted_by.evidence,
                        no.refuted_by.basis,
                    )
                )
                for no in rejected[:CAUSES_SHOWN]
            ),
        )

    def _rejected(self) -> list[RejectedCause]:
        """What something else than the chain refutes first: a reader may have suspected it."""
        consequences = (*self._symptoms,)
        return sorted(self._diagnosis.rejected, key=lambda rejected: rejected.cause.group in consequences)

    def _signals(self) -> list[Signal]:
        return sorted(self._diagnosis.signals, key=lambda s: (-abs(s.weight), s.layer))

    def _signal(self, signal: Signal) -> SignalRow:
        return SignalRow(signal.layer, signal.weight, self._state(signal.claim))

    def _other_causes(self) -> list[Cause]:
        """What else fits: neither the root, nor its consequences, nor what evidence refutes."""
        diagnosis = self._diagnosis
        refuted = {(rejected.cause.group, rejected.cause.signature) for rejected in diagnosis.rejected}
        return [
            cause
            for cause in diagnosis.causes
            if cause != diagnosis.root
            and not cause.symptom
            and cause.group not in self._symptoms
            and (cause.group, cause.signature) not in refuted
        ]

    def _also(self, cause: Cause) -> Statement:
        group = self._refs.group(cause.group)
        said = cut(clipped(self._shown.text(group.title), _SUBJECT_LENGTH))
        text = sentence("{} ({}), {}: {}", cause.title, cause.layer, _counted(group.count, "time"), said)
        return self._state(Claim(text, cause.claim.evidence, cause.claim.basis))

    def _role(self, group: Fingerprint) -> Literal["cause", "symptom", "other"]:
        root = self._diagnosis.root
        if root is not None and root.group == group:
            return "cause"
        return "symptom" if group in self._symptoms else "other"

    def _ranked_groups(self) -> list[ErrorGroup]:
        order = {"cause": 0, "symptom": 1, "other": 2}
        groups = list(self._told)
        root = self._diagnosis.root
        if root is not None and all(group.id != root.group for group in groups):
            groups.append(self._refs.group(root.group))
        return sorted(groups, key=lambda group: (order[self._role(group.id)], -group.count, group.id))

    def _group(self, group: ErrorGroup) -> GroupRow:
        total = sum(g.count for g in self._told)
        minutes = max(1.0, (group.last_seen - group.first_seen) / timedelta(minutes=1))
        text = sentence("{}", group.instances) if group.instances else sentence("not named")
        return GroupRow(
            group=group.id,
            title=self._shown.text(group.title),
            count=group.count,
            share=group.count / total if group in self._told else 0.0,
            per_minute=group.count / minutes,
            first_seen=group.first_seen,
            last_seen=group.last_seen,
            revisions=_revision_names((group,)),
            role=self._role(group.id),
            statement=self._observe(text, CountRef(group.id), EntryRef(group.id)),
        )

    def _failure_state(self) -> Literal["failing", "quiet", "none", "cannot tell"]:
        """Quiet when the last failure is further from the end of the window than failures were from each other."""
        groups = self._told
        if not groups:
            unread = not self._evidence.readings or self._diagnosis.recommendation.status is Status.CANNOT_TELL
            return "cannot tell" if unread else "none"
        if self._diagnosis.recommendation.status in (Status.RECOVERING, Status.RESOLVED):
            return "quiet"
        last = max(group.last_seen for group in groups)
        first = min(group.first_seen for group in groups)
        usual = 3 * (last - first) / max(1, sum(group.count for group in groups) - 1)
        return "failing" if self._evidence.window.end - last <= max(_QUIET_AFTER, usual) else "quiet"

    def _pattern(self) -> Statement | None:
        """One word for the cause (else for all failures): by the share of minutes between its first and last that hold it."""
        causes = self._caused()
        ref = CountRef(causes[0].id) if causes else self._total_ref
        minutes = timeline.per_minute(causes or self._told)
        if not minutes:
            return None
        count, first, last = sum(minutes.values()), min(minutes), max(minutes)
        length = last - first + 1
        peak = max(minutes, key=lambda minute: (minutes[minute], -minute))
        active = len(minutes)
        if count == 1:
            text = sentence("**Once**, {}.", timeline.at_minute(first))
        elif length <= 2:
            text = sentence(
                "**One burst**: {} within {}, {}.",
                _counted(count, self._noun),
                _counted(length, "minute"),
                timeline.at_minute(first),
            )
        else:
            word = sentence("**Continuous**") if active >= 0.9 * length else sentence("**Intermittent**")
            text = sentence(
                "{}: in {} of {} minutes, {} a minute on average, at most {} ({}).",
                word,
                active,
                length,
                round(count / length, 1),
                minutes[peak],
                timeline.at_minute(peak),
            )
        if causes and self._evidence.was_known(causes[0].id, self._evidence.window.start):
            text = (*text, *self._known_since(causes[0].id))
        return self._observe(text, ref)

    def _known_since(self, group: Fingerprint) -> Sentence:
        known = self._evidence.known_error(group)
        assert known is not None, "it was known"
        words = " Error Reporting knows it since {}, about {} times in 30 days: it is older than this window."
        return sentence(words, known.first_seen, known.count)

    # --- code ----------------------------------------------------------------------------------------------------------

    def _suspects(self) -> tuple[SuspectRow, ...]:
        """Each commit once, by the group it is most likely for; the cause's own group first among equals.

        The further groups that it is told for are those that suspect no other commit more.
        """
        root = self._diagnosis.root
        ranked = sorted(
            self._diagnosis.suspects,
            key=lambda s: (-s.score, root is None or s.group != root.group, s.sha, s.group),
        )
        best: dict[CommitSha, Suspect] = {}
        first: dict[Fingerprint, Suspect] = {}
        for suspect in ranked:
            best.setdefault(suspect.sha, suspect)
            first.setdefault(suspect.group, suspect)
        return tuple(
            self._suspect(suspect, [s for s in first.values() if s.sha == suspect.sha and s.group != suspect.group])
            for suspect in list(best.values())[:SUSPECTS_SHOWN]
        )

    def _suspect(self, suspect: Suspect, also: Sequence[Suspect]) -> SuspectRow:
        commit = self._refs.commit(suspect.sha)
        titles = [self._shown.text(self._refs.group(one.group).title) for one in (suspect, *also)]
        return SuspectRow(
            commit=suspect.sha,
            commit_url=self._refs.commit_url(suspect.sha),
            what=commit.subject if commit else None,
            group=suspect.group,
            error=titles[0],
            also=tuple(titles[1:]),
            revision=suspect.revision,
            score=suspect.score,
            reasons_for=tuple(self._state(claim) for claim in suspect.reasons_for),
            reasons_against=tuple(self._state(claim) for claim in suspect.reasons_against),
        )

    def _frames(self) -> tuple[FrameRow, ...]:
        """Own frames of the groups in order of rank; of several excerpts of one frame the running commit's."""
        rows: dict[tuple[str, str | None, int | None], FrameRow] = {}
        for group in self._ranked_groups():
            if group.trace is None or len(rows) >= FRAMES_SHOWN:
                continue
            sources = {source.frame: source for source in self._sources(group.id)}
            own = [(info, frame) for info in reversed(group.trace.chain) for frame in info.frames if frame.in_app]
            for info, frame in own:
                key = (frame.function, frame.file, frame.line)
                raised = frame == info.frames[0]
                if key not in rows and len(rows) < FRAMES_SHOWN:
                    rows[key] = self._frame(group, frame, info.type if raised else None, sources.get(frame))
        return tuple(rows.values())

    def _sources(self, group: Fingerprint) -> list[FrameSource]:
        """Running last, so that it wins over the head."""
        found = [source for source in self._evidence.history.frames if source.group == group]
        return sorted(found, key=lambda s: s.excerpt is not None and s.excerpt.role == "running")

    def _frame(self, group: ErrorGroup, frame: Frame, raised: Redacted | None, source: FrameSource | None) -> FrameRow:
        refs: list[EvidenceRef] = [EntryRef(group.id)]
        note = sentence("raises {}", raised) if raised else sentence("on the way")
        url, last_change, lines = None, None, ()
        if source is None:
            note = sentence("{}; the file was not looked up", note)
        elif source.path is None:
            note = sentence("{}; no file of the repository fits it", note)
        elif source.excerpt is None:
            note = sentence("{}; the file was found, its text was not read", note)
        else:
            excerpt = source.excerpt
            refs.append(FileRef(excerpt.sha, excerpt.path, excerpt.line))
            url, lines = self._refs.file_url(excerpt.sha, excerpt.path, excerpt.line), excerpt.lines
            where = (
                sentence("running commit")
                if excerpt.role == "running"
                else sentence("head, **not** the running commit")
            )
            note = sentence("{}; read at {} {}", note, where, short(excerpt.sha))
            last_change = self._last_change(excerpt)
        return FrameRow(
            frame=frame.function,
            path=(source.path if source else None) or frame.file,
            line=frame.line,
            url=url,
            last_change=last_change,
            note=self._observe(note, *refs),
            excerpt=lines,
        )

    def _last_change(self, excerpt: CodeExcerpt) -> Statement | None:
        blame = excerpt.blame
        if blame is None:
            return None
        text = sentence("{} {} by {}, {}", short(blame.sha), blame.subject, blame.author, blame.committed_at)
        return self._observe(text, CommitRef(blame.sha))

    def _mismatches(self) -> tuple[MismatchRow, ...]:
        ordered = sorted(
            self._diagnosis.mismatches, key=lambda m: (m.agrees, m.constant.path, m.constant.line, m.observed)
        )
        return tuple(MismatchRow(mismatch.agrees, self._state(mismatch.claim)) for mismatch in ordered)

    # --- infrastructure ------------------------------------------------------------------------------------------------

    def _revisions(self) -> tuple[RevisionRow, ...]:
        """Serving first, then newest first."""
        failing = set(_revision_names(self._told))

        def rank(revision: Revision) -> tuple[bool, bool, float, str]:
            since = revision.created_at or revision.serving_since
            return (
                not revision.serving,
                revision.name not in failing,
                -since.timestamp() if since else 0.0,
                revision.name,
            )

        return tuple(self._revision(r) for r in sorted(self._evidence.revisions, key=rank)[:REVISIONS_SHOWN])

    def _revision(self, revision: Revision) -> RevisionRow:
        parts: list[Sentence] = []
        if revision.serving_since is not None:
            how = sentence(" or earlier (by its entries)") if revision.serving_inferred else sentence("")
            parts.append(sentence("serving since {}{}", revision.serving_since, how))
        if revision.traffic_percent is not None:
            parts.append(sentence("{} % of traffic", revision.traffic_percent))
        if revision.ready_reason and revision.ready is not True:
            parts.append(sentence("says {}", shorten(revision.ready_reason, _REASON_LENGTH)))
        if revision.commits:
            sources = sorted({claim.source.value for claim in revision.commits})
            parts.append(sentence("commit by {}", _joined([_words(s) for s in sources], sentence(", "))))
        if len({claim.sha for claim in revision.commits}) > 1:
            shas = [sentence("{}", short(sha)) for sha in dict.fromkeys(claim.sha for claim in revision.commits)]
            parts.append(sentence("the sources **disagree** about the commit: {}", _joined(shas, sentence(", "))))
        elif not revision.commits:
            parts.append(sentence("no source tells its commit"))
        if any(claim.in_history is False for claim in revision.commits):
            parts.append(sentence("the repository does **not** have that commit"))
        return RevisionRow(
            revision=revision.name,
            service=revision.service,
            commit=revision.commit,
            commit_url=self._refs.commit_url(revision.commit) if revision.commit else None,
            ready=revision.ready,
            serving=revision.serving,
            note=self._observe(_joined(parts, sentence("; ")), RevisionRef(revision.service, revision.name)),
        )

    def _resource(self, probe: ProbeResult) -> ResourceRow:
        marks: Mapping[ProbeState, Literal["healthy", "unhealthy"]] = {
            ProbeState.HEALTHY: "healthy",
            ProbeState.UNHEALTHY: "unhealthy",
        }
        facts = [sentence("{} = {}", cut(name), value) for name, value in probe.facts]
        elsewhere = self._announced_elsewhere(probe)
        text = sentence("announced, **of another product or place**") if elsewhere else sentence("**{}**", probe.state)
        if probe.reason:
            text = sentence("{}: {}", text, probe.reason)
        if facts:
            text = sentence("{}; {}", text, _joined(facts, sentence(", ")))
        read = probe.state in (
            ProbeState.HEALTHY,
            ProbeState.UNHEALTHY,
            ProbeState.CHANGING,
            ProbeState.NOT_FOUND,
        )
        return ResourceRow(
            resource=self._shown.text(probe.target.name),
            kind=probe.target.kind.value,
            mark="unknown" if elsewhere else marks.get(probe.state, "unknown"),
            read_at=probe.read_at if read else None,
            note=self._observe(text, ProbeRef(probe.target)),
        )

    def _announced_elsewhere(self, probe: ProbeResult) -> bool:
        """Whether the provider's incident was judged to have nothing to do with the failure: no sign rests on it."""
        announced = probe.target.kind in (ProbeKind.SERVICE_HEALTH, ProbeKind.PUBLIC_STATUS)
        counted = any(ProbeRef(probe.target) in signal.claim.evidence for signal in self._diagnosis.signals)
        return announced and probe.state is ProbeState.UNHEALTHY and not counted

    # --- latest failure ------------------------------------------------------------------------------------------------

    def _latest(self) -> LatestFailure | None:
        """The newest entry of the cause's group, else of the group seen last."""
        groups = self._told
        if not groups:
            return None
        caused = self._caused()
        group = caused[0] if caused else max(groups, key=lambda g: (g.last_seen, g.count, g.id))
        (id_,) = self._refs.number((EntryRef(group.id),))
        sample = group.latest
        return LatestFailure(sample.timestamp, self._refs.entry_url(sample), id_, self._fields(group, sample))

    def _fields(self, group: ErrorGroup, sample: Sample) -> dict[str, object]:
        value: str = self._shown.message(group)
        error: dict[str, object] = {"value": value}
        if group.trace is not None:
            error = {"type": group.trace.chain[0].type, "value": value, **self._trace_fields(group.trace)}
        location = sample.location
        fields: dict[str, object] = {
            "timestamp": rfc3339(sample.timestamp),
            "severity": sample.severity.name,
            "insertId": sample.insert_id,
            "error": error,
            "context": _present(
                {"name": sample.logger, "service": sample.service, "revision": sample.revision, "log": sample.log_id}
            ),
            "labels": _present({"function": location.function, "file": location.file, "line": location.line})
            if location
            else {},
            "httpRequest": {"method": sample.http.method, "status": sample.http.status, "path": sample.http.path}
            if sample.http and not self._evidence.request.scope.public
            else {},
            "protoPayload": _present(
                {
                    "methodName": sample.audit.method,
                    "resourceName": sample.audit.resource_name,
                    "statusCode": sample.audit.status_code,
                }
            )
            if sample.audit and not self._evidence.request.scope.public
            else {},
            "resource": {"type": sample.resource_type, "labels": dict(sorted(sample.resource_labels.items()))},
        }
        return _present(fields)

    def _trace_fields(self, trace: StackTrace) -> dict[str, object]:
        own = trace.top_own_frame
        fields: dict[str, object] = {}
        if len(trace.chain) > 1:
            fields["causedBy"] = [info.type for info in trace.chain[1:]]
        if own is not None:
            frame = own[1]
            fields["at"] = f"{frame.file or '?'}:{frame.line or '?'} in {frame.function}"
        return fields

    # --- escalation, impact, advice ------------------------------------------------------------------------------------

    def _escalation(self) -> Escalation:
        checked = [self._checked(probe) for probe in self._evidence.probes]
        line = self._team()
        return Escalation(
            owner=self._diagnosis.owner,
            target=line.text if line else None,
            configured=self._observe(sentence("{}", line.text), ConfigRef(line.path, line.line)) if line else None,
            actions=tuple(self._action(action) for action in self._diagnosis.actions),
            checked=tuple(checked),
        )

    def _action(self, action: RequiredAction) -> ActionRow:
        return ActionRow(
            text=self._shown.sentence(action.text),
            command=self._shown.command(action.command) if action.command else None,
            already=self._state(action.already) if action.already else None,
        )

    def _checked(self, probe: ProbeResult) -> Statement:
        text = sentence("{} {}: **{}**", cut(probe.target.kind.value), probe.target.name, probe.state)
        return self._observe(text, ProbeRef(probe.target))

    def _impact(self) -> Impact:
        evidence = self._evidence
        measured: list[Statement] = []
        if self._told:
            failing, refs = self._incident()
            names = sorted({service for group in failing for service in group.services})
            services = [sentence("{}", cut(name)) for name in names]
            where = sentence(" in {}", _joined(services, sentence(", "))) if services else sentence("")
            text = sentence("{}{} {}.", self._total(failing), where, _over(failing))
            measured.append(self._observe(text, *refs))
            onset = self._onset()
            if onset is not None and onset.at_window_start:
                text = sentence(
                    "It was failing already at {}, where what was read begins; since when is **not known**.", onset.at
                )
                measured.append(self._observe(text, self._total_ref))
            elif onset is not None:
                text = sentence(
                    "Onset {}: from {} to {} failures a minute.",
                    onset.at,
                    round(onset.baseline_rate, 2),
                    round(onset.rate, 2),
                )
                measured.append(self._observe(text, CountRef(onset.group)))
        measured += self._failing_share()
        if not measured:
            text = sentence("No failure was read, so nothing was measured.")
            measured.append(self._observe(text, ReadingRef()))
        configured = tuple(
            self._observe(sentence("{}", line.text), ConfigRef(line.path, line.line))
            for line in evidence.request.scope.impact
        )
        return Impact(tuple(measured), configured)

    def _caused(self) -> list[ErrorGroup]:
        """The group of the root, if there is one and it is told of."""
        root = self._diagnosis.root
        return [group for group in self._told if root is not None and group.id == root.group]

    def _onset(self) -> Onset | None:
        """When the incident began; None when what left its baseline is something else that fails in the same window."""
        onset = self._evidence.onset
        groups, _ = self._incident()
        return onset if onset is not None and onset.group in (None, *(group.id for group in groups)) else None

    def _failing_share(self) -> Iterable[Statement]:
        """Of requests only: how many starts failed is not what a count of starts tells."""
        by_service: dict[str, list[Exposure]] = {}
        for exposure in self._evidence.observations.exposure:
            by_service.setdefault(exposure.service, []).append(exposure)
        for service, exposures in sorted(by_service.items()):
            requests = sum(sum(e.requests.values()) for e in exposures)
            errors = sum(sum(e.server_errors.values()) for e in exposures)
            if not requests:
                continue
            text = sentence(
                "{}: **{} % of requests** answered with 5xx ({} of {} seen in the logs).",
                cut(service),
                round(100 * errors / requests, 1),
                errors,
                requests,
            )
            ordered = sorted(exposures, key=lambda e: e.revision)
            yield self._observe(text, *(ExposureRef(e.service, e.revision) for e in ordered))

    def _advice(self) -> Advice:
        advice = self._diagnosis.recommendation
        return Advice(
            status=advice.status,
            priority=advice.priority,
            action=advice.action,
            rule=self._state(advice.rule),
            priority_rule=self._state(advice.priority_rule),
            next_steps=tuple(self._shown.sentence(step) for step in advice.next_steps),
            changes_if=self._shown.sentence(advice.changes_if.question) if advice.changes_if else None,
            command=self._shown.command(advice.changes_if.command) if advice.changes_if else None,
        )

    # --- pictures ------------------------------------------------------------------------------------------------------

    def _chain(self) -> tuple[tuple[ChainNode, ...], tuple[ChainEdge, ...]]:
        """Component, cause, consequences; empty without a root."""
        root = self._diagnosis.root
        if root is None:
            return (), ()
        links = _essential(self._diagnosis.links, root.group)
        linked = dict.fromkeys(id_ for link in links for id_ in (link.cause, link.effect))
        wanted = list(dict.fromkeys((root.group, *linked)))[: GROUPS_SHOWN + 1]
        nodes: list[ChainNode] = []
        edges: list[ChainEdge] = []
        if self._diagnosis.component:
            nodes.append(ChainNode("component", self._shown.text(self._diagnosis.component), None, "component"))
            edges.append(
                ChainEdge(
                    "component",
                    root.group,
                    "named in the entries",
                    root.claim.basis,
                    self._refs.number(root.claim.evidence),
                )
            )
        for id_ in wanted:
            group = self._refs.group(id_)
            nodes.append(ChainNode(id_, self._shown.text(group.title), group.count, self._role(id_)))
        edges += [
            ChainEdge(
                link.cause,
                link.effect,
                _link_words(link.kind),
                link.claim.basis,
                self._refs.number(link.claim.evidence),
            )
            for link in links
            if link.cause in wanted and link.effect in wanted
        ]
        return tuple(nodes), tuple(edges)

    # --- gaps, footer --------------------------------------------------------------------------------------------------

    def _gaps(self) -> tuple[GapRow, ...]:
        rows = [GapRow(gap.source, gap.reason, gap.meaning, gap.remedy) for gap in self._evidence.gaps]
        for reading in self._evidence.readings:
            if reading.truncated:
                meaning = "counts are a lower bound, and a missing entry proves nothing"
                rows.append(GapRow(f"logs {reading.source}", cut(reading.truncated), meaning, None))
            if reading.bad_lines:
                reason = cut(f"{reading.bad_lines:,} unreadable lines, first: {reading.first_bad_line or '?'}")
                rows.append(GapRow(f"logs {reading.source}", reason, "those lines are not counted", None))
        for probe in self._evidence.probes:
            if probe.state in (ProbeState.NO_ACCESS, ProbeState.FAILED, ProbeState.NOT_ASKED):
                source = f"probe {probe.target.kind.value}"
                if any(gap.source == source for gap in self._evidence.gaps):
                    continue
                reason = probe.reason or cut(probe.state.value)
                meaning = "the state of that resource is not known"
                rows.append(GapRow(source, reason, meaning, self._shown.command(probe.target.command)))
        return tuple(dict.fromkeys(rows))

    def _footer(self, digest: str, page_url: str | None, github_calls: int | None) -> Footer:
        readings = tuple(
            ReadingRow(r.source, r.query, r.entries, r.calls, r.bad_lines, r.truncated, r.digest)
            for r in self._evidence.readings
        )
        return Footer(
            entries=self._evidence.observations.entries,
            bad_lines=sum(reading.bad_lines for reading in self._evidence.readings),
            readings=readings,
            redactions=dict(sorted(self._evidence.observations.redactions.items())),
            evidence_digest=digest,
            tool_version=__version__,
            page_url=page_url,
            github_calls=github_calls,
            log_reads=sum(reading.calls for reading in self._evidence.readings),
        )


# --- small words ------------------------------------------------------------------------------------------------------


def _joined(parts: Sequence[Sentence], between: Sentence) -> Sentence:
    out: list[Words | Value] = []
    for i, part in enumerate(parts):
        out += (*between, *part) if i else part
    return tuple(out)


def _words(text: str) -> Sentence:
    """A value of one of our own enumerations, or a time."""
    return (Words(text),)


def _counted(count: int, one: str, many: str = "", *, strong: bool = False) -> Sentence:
    """`one` and `many` are our own words."""
    return (Words(counted(count, one, many), strong),)


def _over(groups: Sequence[ErrorGroup]) -> Sentence:
    """`in 44 min, 2025-09-15 14:02:13–14:46:32 UTC`, or the one time."""
    first, last = min(group.first_seen for group in groups), max(group.last_seen for group in groups)
    if last - first < timedelta(seconds=1):
        return sentence("at {}", first)
    if first.date() == last.date():
        return sentence("in {}, {}", last - first, _words(f"{first:%Y-%m-%d %H:%M:%S}–{last:%H:%M:%S} UTC"))
    return sentence("in {}, first {}, last {}", last - first, first, last)


def _revision_names(groups: Sequence[ErrorGroup]) -> tuple[str, ...]:
    return tuple(sorted({seen.revision for group in groups for seen in group.per_revision if seen.revision}))


def _present(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value not in (None, "", {}, ())}


def _essential(links: Sequence[CausalLink], root: Fingerprint) -> list[CausalLink]:
    """The links reached from the root, without those that a longer way tells as well."""
    after: dict[Fingerprint, list[Fingerprint]] = {}
    for link in links:
        after.setdefault(link.cause, []).append(link.effect)

    def reached(start: Fingerprint, *, past: Fingerprint | None = None) -> set[Fingerprint]:
        """From `start`; with `past`, not by the one step to it."""
        seen: set[Fingerprint] = set()
        todo = [effect for effect in after.get(start, []) if effect != past]
        while todo:
            here = todo.pop()
            if here not in seen and here != start:
                seen.add(here)
                todo += after.get(here, [])
        return seen

    below = {root} | reached(root)
    return [link for link in links if link.cause in below and link.effect not in reached(link.cause, past=link.effect)]


def _link_words(
    kind: LinkKind,
) -> Literal["raised from", "then, on the same instance", "in the same request", "named in both", "known consequence"]:
    match kind:
        case LinkKind.EXCEPTION_CHAIN:
            return "raised from"
        case LinkKind.SAME_INSTANCE:
            return "then, on the same instance"
        case LinkKind.SAME_REQUEST:
            return "in the same request"
        case LinkKind.NAMED:
            return "named in both"
        case LinkKind.RULE:
            return "known consequence"
        case _:
            assert_never(kind)

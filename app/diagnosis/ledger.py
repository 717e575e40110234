"""The fix ledger: did the fix reach what runs, and did it help? And its mirror image, the suspects.

Owns the verdicts and what each of them rests on. Leaves to `changes.py` whether a commit fits an error group, to the
history whether a commit holds a fix, and to `silence.py` what a silence is worth.

One rule stands above the others: ancestry decides what is deployed and entries on a revision that has the fix decide whether
it helped. No date of a commit is read here, and what old revisions log never counts against a fix.
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from app.diagnosis.carried import how, was_rewritten
from app.diagnosis.measures import Words, read_change
from app.diagnosis.model import (
    Basis,
    Claim,
    CommitRef,
    CompareRef,
    CountRef,
    EvidenceRef,
    ExposureRef,
    FixVerdict,
    LedgerRow,
    Match,
    ReadingRef,
    RevisionRef,
    Sentence,
    Suspect,
    sentence,
)
from app.diagnosis.silence import OUTLIVED, Restarts, Silence, Unit, judge_silence
from app.evidence.model import (
    Commit,
    CommitSha,
    Containment,
    ContainmentFact,
    ErrorGroup,
    Evidence,
    FixCandidate,
    FixOrigin,
    Revision,
    RevisionCount,
    RolloutRange,
    ServiceName,
)
from app.redact import Redacted, cut

_ROWS_PER_FIX = 3
_INFERRED_SLACK = timedelta(seconds=60)
"""A time of first traffic that was inferred from a minute's requests is true to the minute."""
_NEAR_ROLLOUT = timedelta(hours=2)
_SUSPECT_GROUPS = 5
_SUSPECTS = 5


def build_ledger(evidence: Evidence, matches: Sequence[Match]) -> tuple[LedgerRow, ...]:
    """One row per fix and error group that it is tied to; a fix that nothing ties to any group has one row without."""
    ledger = _Ledger(evidence)
    by_fix: dict[CommitSha, list[Match]] = {}
    for match in matches:
        by_fix.setdefault(match.sha, []).append(match)
    rows: list[LedgerRow] = []
    for fix in evidence.history.fixes:
        found = sorted(by_fix.get(fix.sha, ()), key=lambda match: (-match.score, match.group))
        rows += ledger.rows(fix, found)
    return tuple(rows)


@dataclass(frozen=True, slots=True)
class _Holding:
    """A revision that serves or served, and whether it holds the fix (`fact` None: its commit is not known)."""

    revision: Revision
    fact: ContainmentFact | None

    @property
    def holds(self) -> bool | None:
        return self.fact.holds if self.fact is not None else None


@dataclass(frozen=True, slots=True)
class _Verdict:
    verdict: FixVerdict
    text: Sentence
    refs: tuple[EvidenceRef, ...]


class _Ledger:
    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._groups = {group.id: group for group in evidence.observations.groups}
        self._commits = {commit.sha: commit for commit in evidence.history.commits}
        self._facts = {(fact.fix, fact.running): fact for fact in evidence.history.containment}
        self._exposure = {(e.service, e.revision): e for e in evidence.observations.exposure}

    def rows(self, fix: FixCandidate, matches: Sequence[Match]) -> list[LedgerRow]:
        tied = [match for match in matches if match.fits and match.group in self._groups][:_ROWS_PER_FIX]
        if tied:
            return [self._judge(fix, self._groups[match.group], match) for match in tied]
        named = self._named_by_issue(fix)
        if named:
            by_group = {match.group: match for match in matches}
            return [self._judge(fix, group, by_group.get(group.id)) for group in named]
        if not self._groups:
            return [self._without_failures(fix)]
        return [self._untied(fix, matches)]

    # --- what ties a fix to a group ---

    def _named_by_issue(self, fix: FixCandidate) -> list[ErrorGroup]:
        """Groups that the audited issue describes, for a fix that closes that issue or was merged for it."""
        issue = self._evidence.request.issue
        closing = {FixOrigin.LINKED_PULL_REQUEST, FixOrigin.CLOSES_ISSUE}
        if issue is None or fix.issue != f"#{issue.number}" or not closing & set(fix.origins):
            return []
        text = f"{issue.title}\n{issue.body}"
        return [group for group in self._groups.values() if describes(text, group)][:_ROWS_PER_FIX]

    def _untied(self, fix: FixCandidate, matches: Sequence[Match]) -> LedgerRow:
        commit = self._commits.get(fix.sha)
        if commit is None or (not commit.changes and not matches):
            because = Claim(
                sentence("what {} changes could not be read, so it was compared with nothing", _short(fix.sha)),
                (CommitRef(fix.sha), ReadingRef()),
            )
            return LedgerRow(fix, None, FixVerdict.UNKNOWN, because, self._facts_of(fix))
        runs = self._where_it_runs(fix)
        text = sentence(
            "nothing in {} touches the code or the words of any of the {} error groups in this window; {}",
            _short(fix.sha),
            len(self._groups),
            runs,
        )
        because = Claim(text, (CommitRef(fix.sha), CountRef(None)), Basis.INFERRED)
        return LedgerRow(fix, None, FixVerdict.UNRELATED, because, self._facts_of(fix), next(iter(matches), None))

    def _where_it_runs(self, fix: FixCandidate) -> Sentence:
        serving = [self._against(fix, revision) for revision in self._evidence.revisions if revision.serving]
        holding = [item for item in serving if item.holds]
        if holding:
            return sentence("it runs in {}", _revisions(item.revision for item in holding))
        if serving and all(item.holds is False for item in serving):
            return sentence("it does not run in {}", _revisions(item.revision for item in serving))
        return sentence("whether it runs is not known")

    def _without_failures(self, fix: FixCandidate) -> LedgerRow:
        """No failure was read at all: there is no earlier rate, so the silence is worth nothing yet."""
        known = [self._against(fix, revision) for revision in self._evidence.revisions]
        serving = [item for item in known if item.revision.serving]
        verdict = self._not_in_what_serves(fix, None, known)
        if verdict is None:
            text = sentence(
                "{} has it and no failure was read; with none before it, there is no rate to judge the silence by",
                _holders(item for item in serving if item.holds),
            )
            verdict = _Verdict(FixVerdict.TOO_EARLY, text, _compared(serving))
        because = Claim(verdict.text, (ReadingRef(), *verdict.refs), Basis.INFERRED)
        return LedgerRow(fix, None, verdict.verdict, because, self._facts_of(fix))

    # --- the verdict ---

    def _judge(self, fix: FixCandidate, group: ErrorGroup, match: Match | None) -> LedgerRow:
        known = [self._against(fix, revision) for revision in self._revisions_of(group)]
        serving = [item for item in known if item.revision.serving]
        verdict = self._not_in_what_serves(fix, group, known) or self._on_those_that_hold(group, known, serving)
        because = Claim(verdict.text, (CountRef(group.id), *verdict.refs), Basis.INFERRED)
        return LedgerRow(fix, group.id, verdict.verdict, because, self._facts_of(fix), match)

    def _on_those_that_hold(
        self, group: ErrorGroup, known: Sequence[_Holding], serving: Sequence[_Holding]
    ) -> _Verdict:
        """At least one serving revision has the fix; what the others log is not read."""
        holding = [item for item in serving if item.holds]
        for item in holding:
            if count := self._after_traffic(group, item.revision):
                return self._recurred(group, known, item, count)
        names = _holders(holding)
        unsure = [item for item in holding if self._count(group, item.revision)]
        if unsure:
            text = sentence(
                "{} has it and logged this, but nothing tells that it took traffic by then",
                _holders(unsure),
            )
            return _Verdict(FixVerdict.UNKNOWN, text, _compared(unsure))
        unknown = [item for item in serving if item.holds is None]
        if unknown:
            others = _revisions(item.revision for item in unknown)
            text = sentence("{} has it and is silent; whether {} has it is not known", names, others)
            return _Verdict(FixVerdict.UNKNOWN, text, _compared(serving))
        lacking = [item for item in serving if item.holds is False]
        if lacking:
            text = sentence(
                "{} has it and did not log this since it took traffic; {} serves too and does not have it",
                names,
                _runners(lacking),
            )
            return _Verdict(FixVerdict.PARTLY_DEPLOYED, text, _compared(serving))
        return self._judge_silent(group, known, holding)

    def _recurred(self, group: ErrorGroup, known: Sequence[_Holding], item: _Holding, count: RevisionCount) -> _Verdict:
        shown = sentence(
            "{} has it, takes traffic since {} and logged this {} times, last at {}",
            _holders([item]),
            _since(item.revision),
            count.count,
            count.last_seen,
        )
        if item.fact is not None and was_rewritten(item.fact):
            shown = sentence("{}; what it changed was written anew since", shown)
        refs = _compared([item])
        if earlier := self._was_effective(group, known, item.revision):
            good, silence = earlier
            text = sentence(
                "it had helped: {} was silent over {} {}; but {}",
                _name(good),
                silence.exposure,
                _unit(silence.unit),
                shown,
            )
            return _Verdict(FixVerdict.REGRESSED, text, (*refs, RevisionRef(good.service, good.name)))
        return _Verdict(FixVerdict.INEFFECTIVE, shown, refs)

    def _not_in_what_serves(
        self, fix: FixCandidate, group: ErrorGroup | None, known: Sequence[_Holding]
    ) -> _Verdict | None:
        """The verdicts for a fix that no serving revision is known to hold; None when one does."""
        serving = [item for item in known if item.revision.serving]
        if any(item.holds for item in serving):
            return None
        name = _short(fix.sha)
        if fix.sha not in self._commits and all(fact.holds is None for fact in self._facts_of(fix)):
            text = sentence("the repository does not tell of {}", name)
            return _Verdict(FixVerdict.UNKNOWN, text, (CommitRef(fix.sha), ReadingRef()))
        if not serving:
            text = sentence("no source tells which revision serves, so whether {} runs is not known", name)
            return _Verdict(FixVerdict.UNKNOWN, text, (*_compared(known), ReadingRef()))
        unknown = [item for item in serving if item.holds is None]
        if unknown:
            return _Verdict(FixVerdict.UNKNOWN, _why_unknown(unknown[0]), _compared(serving))
        waiting = [item for item in known if item.holds and item.revision.serving is None]
        if waiting:
            names = _holders(waiting)
            text = sentence("{} has it, and no source tells whether it takes traffic yet", names)
            return _Verdict(FixVerdict.UNKNOWN, text, _compared(waiting))
        for item in serving:
            if item.fact and item.fact.state is Containment.REVERTED:
                via, what = item.fact.via, how(item.fact)
                text = sentence("{} does not have it any more: ", _runners([item]))
                if via is None:
                    text = sentence("{}{}", text, cut(item.fact.reason))
                else:
                    text = sentence("{}{} took it out again", text, _short(via))
                if what is not None:
                    text = sentence("{}, {}", text, what)
                out = (CommitRef(via),) if via is not None else ()
                return _Verdict(FixVerdict.NOT_DEPLOYED, text, (*_compared(serving), *out))
        text = sentence(
            "{} serves and does not have it: it is no ancestor of what runs, and no commit there makes its change",
            _runners(serving),
        )
        if group is not None and (note := self._held_elsewhere(fix, group)):
            text = sentence("{}; {}", text, note)
        return _Verdict(FixVerdict.NOT_DEPLOYED, text, _compared(serving))

    def _held_elsewhere(self, fix: FixCandidate, group: ErrorGroup) -> Sentence | None:
        """A revision that has the fix and does not serve: rolled back, or never ready."""
        for revision in reversed(self._revisions_of(group)):
            item = self._against(fix, revision)
            if revision.serving or not item.holds:
                continue
            count = self._count(group, revision)
            if revision.ready is False and count is not None:
                return sentence(
                    "{} has it, did not become ready and logged this {} times", _name(revision), count.count
                )
            if revision.ready is False:
                return sentence("{} has it and did not become ready", _name(revision))
            if revision.serving_since is not None:
                return sentence("{} has it, served from {} and serves no more", _name(revision), _since(revision))
        return None

    # --- silence ---

    def _judge_silent(self, group: ErrorGroup, known: Sequence[_Holding], holding: Sequence[_Holding]) -> _Verdict:
        """Every serving revision has the fix and none of them logged the group."""
        names = _holders(holding)
        refs = _compared(holding)
        for item in known:
            if item.holds and not item.revision.serving and (count := self._after_traffic(group, item.revision)):
                text = sentence(
                    "{} had it too, took traffic since {} and logged this {} times; if {} is silent, it is not by this alone",
                    _holders([item]),
                    _since(item.revision),
                    count.count,
                    names,
                )
                return _Verdict(FixVerdict.INEFFECTIVE, text, (*refs, *_compared([item])))
        first = min(
            (item.revision.serving_since for item in known if item.holds and item.revision.serving_since), default=None
        )
        nameless = [count for count in group.per_revision if count.revision is None]
        if first is None or any(count.last_seen >= first for count in nameless):
            text = sentence(
                "{} has it, but entries of this name no revision, so whether it came back is not known", names
            )
            if first is None:
                text = sentence("{} has it and is silent, but since when it takes traffic is not known", names)
            return _Verdict(FixVerdict.UNKNOWN, text, refs)
        if any(reading.truncated for reading in self._evidence.readings):
            text = sentence("{} has it and is silent in what was read, but the logs were not read to their end", names)
            return _Verdict(FixVerdict.TOO_EARLY, text, (*refs, ReadingRef()))
        # What served with the fix before was silent too, or the verdict were another by now.
        since_then = [item for item in known if item.holds and item.revision.serving_since is not None]
        exposed = tuple(ExposureRef(item.revision.service, item.revision.name) for item in since_then)
        silences = self._silences(group, known, since_then, None)
        if not silences:
            text = sentence("{} has it and is silent, but no requests or starts tell how much it was exercised", names)
            return _Verdict(FixVerdict.TOO_EARLY, text, (*refs, *exposed))
        weakest = max(silences, key=lambda silence: (not silence.convincing, silence.probability))
        if weakest.convincing:
            text = sentence(
                "{} has it and is silent since {}: {} {} without this failure, after {} in {} before; had nothing changed, the "
                "chance of it were below 1 %; {}",
                names,
                first,
                weakest.exposure,
                _unit(weakest.unit),
                group.count,
                weakest.earlier,
                _restarted(weakest)
                if weakest.restarts.survived
                else sentence("it lasts for {}, longer than a restart is likely to quieten it", _lasted(weakest)),
            )
            return _Verdict(FixVerdict.EFFECTIVE, text, (*refs, *exposed))
        return _Verdict(FixVerdict.TOO_EARLY, _why_too_early(names, weakest), (*refs, *exposed))

    def _was_effective(
        self, group: ErrorGroup, known: Sequence[_Holding], later: Revision
    ) -> tuple[Revision, Silence] | None:
        """An earlier revision that had the fix and was convincingly silent for as long as it served."""
        until = later.serving_since
        for item in known:
            since = item.revision.serving_since
            if not item.holds or since is None or until is None or since >= until or self._count(group, item.revision):
                continue
            silences = self._silences(group, known, [item], until)
            if silences and all(silence.convincing for silence in silences):
                return item.revision, silences[0]
        return None

    def _silences(
        self,
        group: ErrorGroup,
        known: Sequence[_Holding],
        holding: Sequence[_Holding],
        until: datetime | None,
    ) -> list[Silence]:
        """The silence on `holding` by each kind of exposure that the group depends on; empty when none is known.

        The earlier rate is that of the revisions without the fix. It is read on while they serve beside the first one with
        it: if they fall silent as well, the fix is not why.
        """
        others = [item.revision for item in known if not item.holds]
        before_end = _minute(until or self._evidence.window.end) + (until is None)
        failures = {minute: count for minute, count in group.per_minute.items() if minute < before_end}
        found: list[Silence] = []
        for unit in ("requests", "starts"):
            before: dict[int, int] = {}
            for revision in others:
                _add(before, self._exercised(revision, unit, None, before_end))
            after: dict[int, int] = {}
            exercised: set[ServiceName] = set()
            for item in holding:
                end = _minute(until) if until else None
                counts = self._exercised(item.revision, unit, item.revision.serving_since, end, served=True)
                if any(counts.values()):
                    exercised.add(item.revision.service)
                _add(after, counts)
            needed = {count.service for count in group.per_revision if count.service is not None}
            if not needed & {item.revision.service for item in holding} <= exercised:
                continue
            restarts = self._restarts(group, others, [item.revision for item in holding])
            if silence := judge_silence(unit, before, failures, after, self._lead(group, others, unit), restarts):
                found.append(silence)
        if len(found) == 2 and not _fails_at_start(group):
            return found[:1]
        return found

    def _exercised(
        self, revision: Revision, unit: Unit, since: datetime | None, end: int | None, *, served: bool = False
    ) -> dict[int, int]:
        """Exposure by minute; with `served`, requests that ended in a server error are left out."""
        exposure = self._exposure.get((revision.service, revision.name))
        if exposure is None:
            return {}
        counts = exposure.requests if unit == "requests" else exposure.starts
        start = _minute(since) if since else None
        failed: Mapping[int, int] = exposure.server_errors if served and unit == "requests" else {}
        return {
            minute: max(0, count - failed.get(minute, 0))
            for minute, count in counts.items()
            if (start is None or minute >= start) and (end is None or minute < end)
        }

    def _restarts(self, group: ErrorGroup, others: Sequence[Revision], holding: Sequence[Revision]) -> Restarts:
        leads: dict[int, int] = {}
        for revision in others:
            if (count := self._count(group, revision)) is not None:
                _add(leads, count.leads)
        lives: dict[int, int] = {}
        for revision in holding:
            if (exposure := self._exposure.get((revision.service, revision.name))) is not None:
                _add(lives, exposure.lives)
        return Restarts(leads, lives)

    def _lead(self, group: ErrorGroup, others: Sequence[Revision], unit: Unit) -> int:
        """The most that a revision without the fix was seen to be exercised before it showed the fault.

        A fault that needs time after a start (a leak, a token that expires) comes back no sooner than that.
        """
        lead = 0
        for revision in others:
            count = self._count(group, revision)
            minutes = self._exercised(revision, unit, None, None)
            if count is None:
                continue
            shown = _minute(count.first_seen)
            lead = max(lead, sum(n for minute, n in minutes.items() if minute < shown))
        return lead

    # --- reading the evidence ---

    def _revisions_of(self, group: ErrorGroup) -> list[Revision]:
        """Revisions of the services that log the group; of all services when it belongs to none that has revisions."""
        services = set(group.services)
        own = [revision for revision in self._evidence.revisions if revision.service in services]
        return own or list(self._evidence.revisions)

    def _against(self, fix: FixCandidate, revision: Revision) -> _Holding:
        if revision.commit is None or any(claim.in_history is False for claim in revision.commits):
            return _Holding(revision, None)
        return _Holding(revision, self._facts.get((fix.sha, revision.commit)))

    def _facts_of(self, fix: FixCandidate) -> tuple[ContainmentFact, ...]:
        return tuple(fact for fact in self._evidence.history.containment if fact.fix == fix.sha)

    def _count(self, group: ErrorGroup, revision: Revision) -> RevisionCount | None:
        for count in group.per_revision:
            if count.revision == revision.name and count.service in (revision.service, None):
                return count
        return None

    def _after_traffic(self, group: ErrorGroup, revision: Revision) -> RevisionCount | None:
        """The group's entries on that revision, if the last of them came after it took traffic."""
        count, since = self._count(group, revision), revision.serving_since
        if count is None or since is None:
            return None
        slack = _INFERRED_SLACK if revision.serving_inferred else timedelta(0)
        return count if count.last_seen > since + slack else None


def _why_unknown(item: _Holding) -> Sentence:
    revision = item.revision
    shas = sorted({claim.sha for claim in revision.commits})
    name = _name(revision)
    if len(shas) > 1:
        return sentence("sources disagree about what runs in {}: {} or {}", name, _short(shas[0]), _short(shas[1]))
    if not shas:
        return sentence("no source tells which commit runs in {}", name)
    if any(claim.in_history is False for claim in revision.commits):
        return sentence("{} claims to run {}, which the repository does not have", name, _short(shas[0]))
    if item.fact is None:
        return sentence("whether {}, which runs in {}, holds it was not asked", _short(shas[0]), name)
    return sentence("whether {} has it is not known: {}", name, cut(item.fact.reason))


def _why_too_early(names: Sentence, silence: Silence) -> Sentence:
    if silence.burst_ended:
        return sentence(
            "{} has it and is silent over {} {}, but the failures had stopped by themselves before or may have just then",
            names,
            silence.exposure,
            _unit(silence.unit),
        )
    if silence.minutes < silence.needed_minutes:
        return sentence(
            "{} has it and is silent for {}; {}, so {} of silence are asked for",
            names,
            _lasted(silence),
            _restarted(silence),
            timedelta(minutes=silence.needed_minutes),
        )
    if not silence.restarts.outlived():
        return sentence(
            "{} has it and is silent, but {}, and its own instances have not lived that long {} times over",
            names,
            _restarted(silence),
            OUTLIVED,
        )
    if silence.asked_exposure > silence.exposure:
        return sentence(
            "{} has it and is silent, but {} {} are few beside the pauses and the rate before: at least {} are asked for",
            names,
            silence.exposure,
            _unit(silence.unit),
            silence.asked_exposure,
        )
    return sentence(
        "{} has it and is silent over {} {}, but had nothing changed, the chance of it would be {} %; below 1 % is asked for",
        names,
        silence.exposure,
        _unit(silence.unit),
        max(1, round(100 * silence.probability)),
    )


def _lasted(silence: Silence) -> timedelta:
    return timedelta(minutes=silence.minutes)


def _restarted(silence: Silence) -> Sentence:
    """What is known of a restart as the cure: every fix comes with one."""
    restarts = silence.restarts
    if not restarts.survived:
        return sentence("few instances tell whether a restart alone helps")
    if not restarts.longest:
        return sentence(
            "a restart alone did not help before: {} instances failed in their first minute", restarts.survived
        )
    return sentence(
        "a restart alone did not help before: {} instances that started while it failed took up to {} to fail",
        restarts.survived,
        timedelta(minutes=restarts.longest),
    )


def _fails_at_start(group: ErrorGroup) -> bool:
    """Nearly every occurrence is on an instance of its own: then starts count, not requests alone."""
    return group.count >= 3 and group.instances >= 0.8 * min(group.count, 1000)


_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{3,}")


def describes(text: str, group: ErrorGroup) -> bool:
    """Whether a person's text speaks of this group: it names the exception's type, or most words of the message."""
    words = {word.lower() for word in _WORD.findall(text)}
    if group.trace is not None:
        types = {info.type.rpartition(".")[2].rpartition(":")[2].lower() for info in group.trace.chain}
        if types & words - {"exception", "error", "runtimeerror", "valueerror", "typeerror"}:
            return True
    said = {word.lower() for word in _WORD.findall(group.template)}
    return len(said) >= 3 and len(said & words) >= 0.6 * len(said)


# --- suspects ---------------------------------------------------------------------------------------------------------


def find_suspects(evidence: Evidence, matches: Sequence[Match]) -> tuple[Suspect, ...]:
    """Commits that the revision brought on which a group first appears, most suspect first, for the leading groups.

    Nothing is suspected where the group was there when the window opened, where its first entries name no revision, or
    where no rollout of a known range lies shortly before them and before the onset. A commit of tests and documents alone
    changes nothing that runs and is no suspect.
    """
    commits = {commit.sha: commit for commit in evidence.history.commits}
    by_pair = {(match.sha, match.group): match for match in matches}
    out: list[Suspect] = []
    for group in evidence.observations.groups[:_SUSPECT_GROUPS]:
        found = _first_rollout(evidence, group)
        if found is None:
            continue
        revision, rollout = found
        suspects = [
            _suspect(evidence, group, revision, rollout, commit, by_pair.get((sha, group.id)))
            for sha in rollout.commits
            if (commit := commits.get(sha)) is not None and len(commit.parents) < 2
        ]
        suspects.sort(key=lambda suspect: (-suspect.score, suspect.sha))
        running = (suspect for suspect in suspects if _changes_what_runs(commits[suspect.sha], group))
        out += itertools.islice(running, _SUSPECTS)
    return tuple(out)


def _changes_what_runs(commit: Commit, group: ErrorGroup) -> bool:
    """A file that the trace names is the program, whatever its path looks like."""
    frames = [frame for info in group.trace.chain for frame in info.frames] if group.trace is not None else []
    failed = frozenset(re.split(r"[/\\]", frame.file)[-1] for frame in frames if frame.file)
    change = read_change(commit, Words(), failed)
    return not (change.tests_only or change.docs_only)


def _first_rollout(evidence: Evidence, group: ErrorGroup) -> tuple[Revision, RolloutRange] | None:
    named = [count for count in group.per_revision if count.revision is not None and count.service is not None]
    if not named or any(c.revision is None and c.first_seen <= group.first_seen for c in group.per_revision):
        return None
    first = min(named, key=lambda count: (count.first_seen, count.revision or ""))
    for revision in evidence.revisions:
        if (revision.service, revision.name) != (first.service, first.revision):
            continue
        since = revision.serving_since or revision.created_at
        if since is None or since <= evidence.window.start or group.first_seen - since > _NEAR_ROLLOUT:
            return None
        if evidence.was_known(group.id, since):
            return None  # by an error tracker, which looks further back than the window
        onset = evidence.onset
        if (
            onset is not None
            and onset.group == group.id
            and (onset.at_window_start or onset.at - since > _NEAR_ROLLOUT)
        ):
            return None
        for rollout in evidence.history.rollouts:
            if (rollout.service, rollout.revision) == (revision.service, revision.name):
                return revision, rollout
    return None


def _suspect(
    evidence: Evidence,
    group: ErrorGroup,
    revision: Revision,
    rollout: RolloutRange,
    commit: Commit,
    match: Match | None,
) -> Suspect:
    since = revision.serving_since or revision.created_at or group.first_seen
    delay = max(timedelta(0), group.first_seen - since)
    place = (RevisionRef(revision.service, revision.name), CompareRef(rollout.previous, rollout.running))
    reasons_for = [
        Claim(
            sentence(
                "{} is the first revision with it and the first that logs this, {} after it took traffic",
                _name(revision),
                delay,
            ),
            (CommitRef(commit.sha), CountRef(group.id), *place),
        )
    ]
    reasons_against: list[Claim] = []
    score = 0.3 / len(rollout.commits) + 0.1 * (1 - delay / _NEAR_ROLLOUT)
    if len(rollout.commits) == 1:
        text = sentence("it is the only commit that {} brought", _name(revision))
        reasons_for.append(Claim(text, place))
    if match is not None:
        score += 0.6 * max(match.score, match.touch)
        # What the failing code has of a commit speaks against a fix, and for a cause.
        reasons_for += [match.already] if match.already is not None else []
        reasons_for += match.reasons_for
        reasons_against += [reason for reason in match.reasons_against if reason != match.already]
    else:
        text = sentence("nothing in it touches the code or the words of the error")
        reasons_against.append(Claim(text, (CommitRef(commit.sha), CountRef(group.id)), Basis.INFERRED))
    older = [
        other
        for other in evidence.revisions
        if other.service == revision.service
        and other.serving_since is not None
        and other.serving_since < since
        and any(count.revision == other.name for count in group.per_revision)
    ]
    if older:
        score *= 0.3
        text = sentence("{} logs this too and does not have it", _revisions(older))
        refs = tuple(RevisionRef(other.service, other.name) for other in older)
        reasons_against.append(Claim(text, (CountRef(group.id), *refs)))
    if not rollout.complete:
        text = sentence("{} brought more commits than were read", _name(revision))
        reasons_against.append(Claim(text, place))
    return Suspect(commit.sha, group.id, revision.name, round(score, 4), tuple(reasons_for), tuple(reasons_against))


# --- words ------------------------------------------------------------------------------------------------------------


def _short(sha: CommitSha) -> Redacted:
    return cut(sha[:12])


def _name(revision: Revision) -> Redacted:
    return cut(revision.name)


def _since(revision: Revision) -> Sentence:
    return sentence("{}", revision.serving_since) if revision.serving_since else sentence("an unknown time")


def _unit(unit: Unit) -> Sentence:
    return sentence("requests") if unit == "requests" else sentence("starts")


def _revisions(revisions: Iterable[Revision]) -> Sentence:
    """Up to three names, then how many more."""
    names = [_name(revision) for revision in revisions]
    text: Sentence = ()
    for i, name in enumerate(names[:3]):
        text = sentence("{}, {}", text, name) if i else sentence("{}", name)
    return sentence("{} and {} more", text, len(names) - 3) if len(names) > 3 else text


def _holders(items: Iterable[_Holding]) -> Sentence:
    """Revisions that have it, and by which commit where that is another one."""
    items = list(items)
    names = _revisions(item.revision for item in items)
    for item in items:
        if item.fact is not None and item.fact.via is not None and (what := how(item.fact)) is not None:
            return sentence("{} (by {}, {})", names, _short(item.fact.via), what)
    return names


def _runners(items: Sequence[_Holding]) -> Sentence:
    """Revisions, and which commit they run where it is one."""
    names = _revisions(item.revision for item in items)
    running = {item.revision.commit for item in items if item.revision.commit is not None}
    return sentence("{} (runs {})", names, _short(running.pop())) if len(running) == 1 else names


def _compared(items: Iterable[_Holding]) -> tuple[EvidenceRef, ...]:
    refs: list[EvidenceRef] = []
    for item in items:
        refs.append(RevisionRef(item.revision.service, item.revision.name))
        if item.fact is not None:
            refs.append(CompareRef(item.fact.fix, item.fact.running))
    return tuple(dict.fromkeys(refs))


def _minute(at: datetime) -> int:
    return int(at.timestamp()) // 60


def _add(total: dict[int, int], counts: Mapping[int, int]) -> None:
    for minute, count in counts.items():
        total[minute] = total.get(minute, 0) + count

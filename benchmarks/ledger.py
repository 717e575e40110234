"""Simulated incidents with a known truth, judged by the fix ledger.

    python -m benchmarks.ledger [--cases 1000] [--seed 1] [--shape leak]

Each incident draws how the fault behaves (`SHAPES`), how the service is used and how long its instances live, how the fix
reaches it (all at once, step by step, as a canary, rolled back, never, of unknown commit), how long was looked, and whether the
fix truly helps. A verdict of "effective" is wrong when the fix does not help, "ineffective" when it does or is not what
serves. The last line is one JSON object of totals.
"""

import argparse
import itertools
import json
import math
import random
import resource
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from app.diagnosis.ledger import build_ledger
from app.diagnosis.model import FixVerdict, Match
from app.evidence.deployments import assemble_revisions
from app.evidence.model import (
    Commit,
    CommitSha,
    Containment,
    ContainmentFact,
    DeployEvent,
    DeployKind,
    ErrorGroup,
    Evidence,
    Exposure,
    Fingerprint,
    FixCandidate,
    FixOrigin,
    GroupKind,
    HistoryFacts,
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
from app.redact import cut

BEGIN = datetime(2025, 9, 15, tzinfo=UTC)
API = ServiceName("api")
OLD, NEW = RevisionName("api-00001-old"), RevisionName("api-00002-new")
BASE, FIX = CommitSha("1" * 40), CommitSha("2" * 40)
GROUP = Fingerprint("g1-000000000001")
SHAPES = {
    "steady": 4,
    "bursts": 3,
    "clusters": 3,
    "periodic": 2,
    "cron": 2,
    "outage": 3,
    "starts": 3,
    "diurnal": 2,
    "leak": 1,
    "expiry": 0.25,
    "coincidence": 0,
}
"""How often each behaviour is drawn. What needs time after the start of an instance (leak) or of a whole revision (expiry) is
quietened by the restart that comes with every fix. A coincidence is drawn by `--shape` alone: something else ends the fault
within minutes of the fix, which no log can tell from the fix."""


class Rollout(StrEnum):
    ALL = "all at once"
    STEPS = "step by step"
    CANARY = "canary"
    ROLLED_BACK = "rolled back"
    NEVER = "never"
    NOT_SAID = "commit not known"


@dataclass(slots=True)
class Instance:
    """Lives from `start` until `end`, minutes of the incident; `start` is negative when it ran before the window opened."""

    start: int
    end: int
    failed: int | None = None
    """The minute of its first failure."""


@dataclass(slots=True)
class Incident:
    """The truth of one incident, and what its logs show."""

    shape: str
    rollout: Rollout
    helps: bool
    minutes: int
    switch: int
    requests: dict[RevisionName, dict[int, int]] = field(default_factory=lambda: {OLD: {}, NEW: {}})
    starts: dict[RevisionName, dict[int, int]] = field(default_factory=lambda: {OLD: {}, NEW: {}})
    failures: dict[RevisionName, dict[int, int]] = field(default_factory=lambda: {OLD: {}, NEW: {}})
    instances: dict[RevisionName, list[Instance]] = field(default_factory=lambda: {OLD: [], NEW: []})
    tells_traffic: bool = True
    names_instances: bool = True
    """Whether entries name the instance that wrote them."""
    shares: list[float] = field(default_factory=list[float])
    """What part of the traffic the new revision takes, minute by minute."""
    need: int = 0
    """Minutes that an instance lives before a leak shows."""

    def alive(self, name: RevisionName, minute: int) -> list[Instance]:
        return [instance for instance in self.instances[name] if instance.start <= minute < instance.end]


# --- drawing an incident ----------------------------------------------------------------------------------------------


def draw(rng: random.Random, shape: str | None = None) -> Incident:
    rollout = rng.choices(list(Rollout), weights=(10, 2, 3, 2, 2, 1))[0]
    before = rng.randint(30, 480)
    after = int(math.exp(rng.uniform(math.log(3), math.log(2880))))
    shape = shape or rng.choices(list(SHAPES), weights=list(SHAPES.values()))[0]
    incident = Incident(shape, rollout, rng.random() < 0.5, before + after, before)
    if shape == "coincidence":
        incident.helps = False
    incident.tells_traffic = rng.random() < 0.6
    incident.names_instances = rng.random() < 0.8
    _draw_exposure(rng, incident)
    fails = _SHAPES[incident.shape](rng, incident)
    for name in (OLD, NEW):
        for minute in range(incident.minutes):
            if name == NEW and incident.helps:
                continue
            if count := fails(name, minute):
                incident.failures[name][minute] = count
                _fail_on(rng, incident, name, minute, count)
    return incident


def _fail_on(rng: random.Random, incident: Incident, name: RevisionName, minute: int, count: int) -> None:
    """Which instances show the failures of that minute."""
    able = incident.alive(name, minute)
    if incident.shape == "starts":
        able = [instance for instance in able if instance.start == minute]
    elif incident.shape == "leak":
        able = [instance for instance in able if minute - instance.start >= incident.need]
    for instance in rng.sample(able, min(count, len(able))):
        instance.failed = minute if instance.failed is None else instance.failed


def _draw_exposure(rng: random.Random, incident: Incident) -> None:
    rate = math.exp(rng.uniform(math.log(0.05), math.log(200)))
    back = incident.switch + max(2, (incident.minutes - incident.switch) // 2)
    step = rng.randint(5, 60)
    canary = rng.choice((0.05, 0.2, 0.5))

    def share(minute: int) -> float:
        """Of the new revision."""
        if minute < incident.switch or incident.rollout is Rollout.NEVER:
            return 0.0
        match incident.rollout:
            case Rollout.CANARY:
                return canary
            case Rollout.STEPS:
                return min(1.0, (0.1, 0.25, 0.5, 1.0)[min(3, (minute - incident.switch) // step)])
            case Rollout.ROLLED_BACK:
                return float(minute < back)
            case _:
                return 1.0

    incident.shares = [share(minute) for minute in range(incident.minutes)]
    _draw_instances(rng, incident)
    for minute, part in enumerate(incident.shares):
        day = 1 + 0.6 * math.sin(2 * math.pi * minute / 1440)
        for name, own in ((NEW, part), (OLD, 1 - part)):
            if requests := _poisson(rng, rate * own * day):
                incident.requests[name][minute] = requests


def _draw_instances(rng: random.Random, incident: Incident) -> None:
    """A few at a time, each replaced when it ends; a revision has some for as long as it takes traffic."""
    slots, life = rng.randint(1, 8), math.exp(rng.uniform(math.log(15), math.log(3000)))
    for name in (OLD, NEW):
        minutes = [m for m, part in enumerate(incident.shares) if (part > 0 if name == NEW else part < 1)]
        if not minutes:
            continue
        first, last = minutes[0], minutes[-1] + 1
        for _ in range(slots):
            start = first if name == NEW else first - 1 - int(rng.expovariate(1 / life))
            while start < last:
                end = start + 1 + int(rng.expovariate(1 / life))
                end = max(end, 1) if start < 0 else end
                incident.instances[name].append(Instance(start, min(end, last)))
                if start >= 0:
                    incident.starts[name][start] = incident.starts[name].get(start, 0) + 1
                start = end


_Fails = Callable[[RevisionName, int], int]


def _steady(rng: random.Random, incident: Incident) -> _Fails:
    p = math.exp(rng.uniform(math.log(0.002), math.log(0.9)))
    return lambda name, minute: _binomial(rng, incident.requests[name].get(minute, 0), p)


def _diurnal(rng: random.Random, incident: Incident) -> _Fails:
    p = math.exp(rng.uniform(math.log(0.005), math.log(0.5)))
    phase = rng.uniform(0, 1440)

    def fails(name: RevisionName, minute: int) -> int:
        now = p * max(0.0, math.sin(2 * math.pi * (minute + phase) / 1440)) ** 2
        return _binomial(rng, incident.requests[name].get(minute, 0), now)

    return fails


def _cron(rng: random.Random, incident: Incident) -> _Fails:
    """A task of its own fails whenever it is due, whatever else is asked of the service."""
    period = rng.choice((10, 30, 60, 60, 120, 240, 720, 1440))
    offset, p = rng.randint(0, period - 1), rng.choice((1.0, 1.0, 0.5))

    def fails(name: RevisionName, minute: int) -> int:
        if (minute + offset) % period or not incident.alive(name, minute):
            return 0
        if name == OLD and incident.alive(NEW, minute) and incident.rollout is not Rollout.CANARY:
            return 0
        incident.requests[name][minute] = incident.requests[name].get(minute, 0) + 1
        return int(rng.random() < p)

    return fails


def _in_states(rng: random.Random, incident: Incident, failing: Iterable[int], p: float) -> _Fails:
    on = set(failing)
    return lambda name, minute: _binomial(rng, incident.requests[name].get(minute, 0), p) if minute in on else 0


def _bursts(rng: random.Random, incident: Incident) -> _Fails:
    on_mean, off_mean = rng.uniform(2, 40), rng.uniform(5, 180)
    failing: list[int] = []
    minute, on = 0.0, rng.random() < 0.5
    while minute < incident.minutes:
        length = rng.expovariate(1 / (on_mean if on else off_mean))
        if on:
            failing += range(int(minute), int(minute + length) + 1)
        minute, on = minute + length, not on
    return _in_states(rng, incident, failing, rng.uniform(0.1, 1.0))


def _clusters(rng: random.Random, incident: Incident) -> _Fails:
    per_hour = math.exp(rng.uniform(math.log(0.2), math.log(6)))
    failing: list[int] = []
    minute = rng.expovariate(per_hour / 60)
    while minute < incident.minutes:
        failing += range(int(minute), int(minute) + rng.randint(1, 5))
        minute += rng.expovariate(per_hour / 60)
    return _in_states(rng, incident, failing, rng.uniform(0.3, 1.0))


def _periodic(rng: random.Random, incident: Incident) -> _Fails:
    period, length, offset = rng.choice((5, 15, 30, 60, 120, 180, 360)), rng.randint(1, 4), rng.randint(0, 59)
    failing = [m for m in range(incident.minutes) if (m + offset) % period < length]
    return _in_states(rng, incident, failing, rng.uniform(0.3, 1.0))


def _outage(rng: random.Random, incident: Incident) -> _Fails:
    """Begins by itself before the fix is deployed and ends by itself, mostly after people had time to react."""
    begin = rng.randint(0, max(1, incident.switch - 10))
    length = rng.lognormvariate(math.log(90), 0.8)
    return _in_states(rng, incident, range(begin, int(begin + length) + 1), rng.uniform(0.3, 1.0))


def _coincidence(rng: random.Random, incident: Incident) -> _Fails:
    """An outage that something else ends about when the fix comes."""
    begin = rng.randint(0, max(1, incident.switch - 10))
    end = incident.switch + rng.randint(-20, 20)
    return _in_states(rng, incident, range(begin, end), rng.uniform(0.3, 1.0))


def _starts(rng: random.Random, incident: Incident) -> _Fails:
    p = rng.uniform(0.1, 1.0)
    return lambda name, minute: _binomial(rng, incident.starts[name].get(minute, 0), p)


def _leak(rng: random.Random, incident: Incident) -> _Fails:
    """Each instance fails for good some time after its start."""
    need = incident.need = max(5, int(rng.lognormvariate(math.log(120), 1.0)))
    p = rng.uniform(0.3, 1.0)

    def fails(name: RevisionName, minute: int) -> int:
        alive = incident.alive(name, minute)
        old = sum(minute - instance.start >= need for instance in alive)
        requests = incident.requests[name].get(minute, 0)
        return _binomial(rng, requests, p * old / len(alive)) if old else 0

    return fails


def _expiry(rng: random.Random, incident: Incident) -> _Fails:
    """All instances of a revision fail for good some time after its start; the old one started before the window opened."""
    need = rng.randint(20, 400)
    begins = {OLD: need - rng.randint(0, 600), NEW: incident.switch + need}
    p = rng.uniform(0.3, 1.0)
    return lambda name, minute: (
        _binomial(rng, incident.requests[name].get(minute, 0), p) if minute >= begins[name] else 0
    )


_SHAPES: dict[str, Callable[[random.Random, Incident], _Fails]] = {
    "steady": _steady,
    "bursts": _bursts,
    "clusters": _clusters,
    "periodic": _periodic,
    "outage": _outage,
    "starts": _starts,
    "cron": _cron,
    "leak": _leak,
    "expiry": _expiry,
    "coincidence": _coincidence,
    "diurnal": _diurnal,
}


def _poisson(rng: random.Random, mean: float) -> int:
    if mean > 30:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count


def _binomial(rng: random.Random, n: int, p: float) -> int:
    if n * p > 30 and n * (1 - p) > 30:
        return min(n, max(0, round(rng.gauss(n * p, math.sqrt(n * p * (1 - p))))))
    return sum(rng.random() < p for _ in range(n))


# --- what its logs show -----------------------------------------------------------------------------------------------


def _at(minute: float) -> datetime:
    return BEGIN + timedelta(minutes=minute)


def _epoch(counts: dict[int, int]) -> dict[int, int]:
    first = int(BEGIN.timestamp()) // 60
    return {first + minute: count for minute, count in counts.items()}


def _sample(minute: float) -> Sample:
    return Sample(
        insert_id=f"i{minute}",
        timestamp=_at(minute),
        severity=Severity.ERROR,
        log_id="run.googleapis.com/stderr",
        project="shop",
        resource_type="cloud_run_revision",
        resource_labels={},
        service=API,
        revision=None,
        instance=None,
        field=PayloadField.TEXT,
        message=cut("it failed"),
        logger=None,
        location=None,
        http=None,
        audit=None,
        origin="simulated",
    )


def evidence_of(incident: Incident) -> Evidence | None:
    """What an audit would have seen; None when nothing failed, so that nobody would have asked."""
    counts = [
        RevisionCount(
            API,
            name,
            sum(failed.values()),
            _at(min(failed) + 0.1),
            _at(max(failed) + 0.9),
            _leads(incident, name),
        )
        for name, failed in incident.failures.items()
        if failed
    ]
    if not counts or min(incident.failures[OLD], default=incident.switch) >= incident.switch:
        return None
    per_minute: Counter[int] = Counter()
    for failed in incident.failures.values():
        per_minute.update(_epoch(failed))
    first, last = min(c.first_seen for c in counts), max(c.last_seen for c in counts)
    failed_on = sum(one.failed is not None for lived in incident.instances.values() for one in lived)
    group = ErrorGroup(
        id=GROUP,
        kind=GroupKind.MESSAGE,
        failure=True,
        title=cut("it failed"),
        template=cut("it failed"),
        severity=Severity.ERROR,
        count=per_minute.total(),
        entries=per_minute.total(),
        first_seen=first,
        last_seen=last,
        per_minute=dict(per_minute),
        per_revision=tuple(counts),
        services=(API,),
        instances=failed_on if incident.names_instances else 0,
        first=replace(_sample(0), timestamp=first),
        latest=replace(_sample(0), timestamp=last),
        trace=None,
    )
    exposure: list[Exposure] = []
    for name, commit in ((OLD, BASE), (NEW, FIX)):
        requests, starts, failed = incident.requests[name], incident.starts[name], incident.failures[name]
        minutes = [*requests, *starts, *failed]
        if minutes:
            said = None if name == NEW and incident.rollout is Rollout.NOT_SAID else commit
            # A start that fails takes its requests with it, one that is refused by the fault ends in a server error.
            errors = {} if incident.shape == "starts" else {m: min(n, requests.get(m, 0)) for m, n in failed.items()}
            span = (_at(min(minutes)), _at(max(minutes) + 0.9))
            lives = _lives(incident, name)
            exposure.append(Exposure(API, name, _epoch(requests), _epoch(starts), _epoch(errors), *span, said, lives))
    window = Window(BEGIN, _at(incident.minutes))
    observations = Observations(
        (group,), (), tuple(exposure), _deploys(incident), group.count, window.start, window.end
    )
    revisions = assemble_revisions(observations, (), {}, window)
    facts = tuple(
        ContainmentFact(FIX, running, state, None, "simulated")
        for running, state in ((BASE, Containment.ABSENT), (FIX, Containment.CONTAINED))
    )
    history = HistoryFacts(
        commits=(Commit(FIX, (BASE,), BEGIN, cut("a"), cut("Fix"), cut("")),),
        fixes=(FixCandidate(FIX, (FixOrigin.NAMED_IN_ISSUE,), "#1"),),
        containment=facts,
    )
    reading = Reading("simulated", None, window, group.count, 0)
    return Evidence(
        Request(window, window.end), window, observations, (reading,), None, revisions, history, probes=(), gaps=()
    )


def _leads(incident: Incident, name: RevisionName) -> dict[int, int]:
    begin = min(minute for failed in incident.failures.values() for minute in failed)
    lived = incident.instances[name] if incident.names_instances else []
    return Counter(one.failed - one.start for one in lived if one.failed is not None and one.start > begin)


def _lives(incident: Incident, name: RevisionName) -> dict[int, int]:
    lived = incident.instances[name] if incident.names_instances else []
    return Counter(one.end - max(0, one.start) for one in lived)


def _deploys(incident: Incident) -> tuple[DeployEvent, ...]:
    if not incident.tells_traffic:
        return ()
    told: list[tuple[int, float]] = []
    for minute, (before, part) in enumerate(itertools.pairwise(incident.shares), start=1):
        if part != before:
            told.append((minute, part))
    return tuple(
        DeployEvent(DeployKind.TRAFFIC, _at(minute), API, None, None, _split(part), None, _sample(minute))
        for minute, part in told
    )


def _split(part: float) -> dict[RevisionName, int]:
    percent = {NEW: round(100 * part), OLD: 100 - round(100 * part)}
    return {name: share for name, share in percent.items() if share}


# --- judging ----------------------------------------------------------------------------------------------------------


def what_is_wrong(incident: Incident, verdict: FixVerdict) -> str | None:
    """What the verdict says that is not so: about the fix, or about what serves. "Too early" and "unknown" say neither."""
    serves = incident.shares[-1] > 0
    match verdict:
        case FixVerdict.EFFECTIVE:
            return None if incident.helps and serves else "fix"
        case FixVerdict.INEFFECTIVE | FixVerdict.REGRESSED:
            if incident.helps or incident.rollout is Rollout.NEVER:
                return "fix"
            return None if serves else "serving"
        case FixVerdict.NOT_DEPLOYED:
            return "serving" if serves else None
        case FixVerdict.PARTLY_DEPLOYED:
            return None if 0 < incident.shares[-1] < 1 else "serving"
        case FixVerdict.UNRELATED:
            return "fix"
        case FixVerdict.TOO_EARLY | FixVerdict.UNKNOWN:
            return None


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shape", choices=list(SHAPES), help="draw this behaviour alone")
    parser.add_argument("--wrong", action="store_true", help="print every wrong verdict")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    verdicts: Counter[FixVerdict] = Counter()
    wrong: Counter[tuple[FixVerdict, str]] = Counter()
    by_shape: dict[str, Counter[str]] = {shape: Counter() for shape in SHAPES}
    judging = 0.0
    done = 0
    match = Match(FIX, GROUP, 0.9, True, (), ())
    while done < options.cases:
        incident = draw(rng, options.shape)
        evidence = evidence_of(incident)
        if evidence is None:
            continue
        begun = time.perf_counter()
        (row,) = build_ledger(evidence, (match,))
        judging += time.perf_counter() - begun
        done += 1
        verdicts[row.verdict] += 1
        by_shape[incident.shape][row.verdict] += 1
        if (what := what_is_wrong(incident, row.verdict)) is not None:
            wrong[row.verdict, what] += 1
            by_shape[incident.shape][f"{row.verdict} wrongly ({what})"] += 1
            if options.wrong:
                after = incident.minutes - incident.switch
                print(row.verdict, incident.shape, incident.rollout, f"helps={incident.helps}", incident.switch, after)
    for verdict in FixVerdict:
        if verdicts[verdict]:
            about_fix, about_serving = wrong[verdict, "fix"], wrong[verdict, "serving"]
            print(
                f"{verdict:16} {verdicts[verdict]:5}  wrong about the fix {about_fix}, about what serves {about_serving}"
            )
    for shape, counts in by_shape.items():
        if counts:
            print(f"{shape:11}", ", ".join(f"{verdict} {count}" for verdict, count in counts.most_common()))
    effective, ineffective = verdicts[FixVerdict.EFFECTIVE], verdicts[FixVerdict.INEFFECTIVE]
    print(
        json.dumps(
            {
                "cases": done,
                "effective": effective,
                "effective_wrong": wrong[FixVerdict.EFFECTIVE, "fix"],
                "effective_wrong_share": round(wrong[FixVerdict.EFFECTIVE, "fix"] / max(1, effective), 4),
                "ineffective": ineffective,
                "ineffective_wrong": wrong[FixVerdict.INEFFECTIVE, "fix"],
                "serving_wrong": sum(count for (_, what), count in wrong.items() if what == "serving"),
                "too_early_share": round(verdicts[FixVerdict.TOO_EARLY] / done, 4),
                "unknown_share": round(verdicts[FixVerdict.UNKNOWN] / done, 4),
                "seconds": round(judging, 2),
                "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            }
        )
    )


if __name__ == "__main__":
    main()

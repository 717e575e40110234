"""Simulated incidents with a known truth, judged by the fix ledger.

    python -m benchmarks.ledger [--cases 1000] [--seed 1]

Each incident draws how the fault behaves (steady, in bursts, periodic, one outage that ends by itself, at start, a leak that
needs time, by the hour of the day), how the service is used, how the fix reaches it (all at once, as a canary, rolled back,
never, of unknown commit), how long was looked, and whether the fix truly helps. A verdict of "effective" is wrong when the
fix does not help, "ineffective" when it does or is not what serves. The last line is one JSON object of totals.
"""

import argparse
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
SHAPES = {"steady": 4, "bursts": 3, "clusters": 3, "periodic": 2, "outage": 3, "starts": 3, "diurnal": 2, "leak": 1}
"""How often each behaviour is drawn. A leak that the fix's own restart quietens for a while cannot be told from a cure by any
log; it is in the draw so that what it costs is counted."""


class Rollout(StrEnum):
    ALL = "all at once"
    CANARY = "canary"
    ROLLED_BACK = "rolled back"
    NEVER = "never"
    NOT_SAID = "commit not known"


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
    tells_traffic: bool = True
    instances: int = 1


# --- drawing an incident ----------------------------------------------------------------------------------------------


def draw(rng: random.Random) -> Incident:
    rollout = rng.choices(list(Rollout), weights=(12, 3, 2, 2, 1))[0]
    before = rng.randint(30, 480)
    after = int(math.exp(rng.uniform(math.log(3), math.log(2880))))
    incident = Incident(
        rng.choices(list(SHAPES), weights=list(SHAPES.values()))[0], rollout, rng.random() < 0.5, before + after, before
    )
    incident.tells_traffic = rng.random() < 0.6
    _draw_exposure(rng, incident)
    fails = _SHAPES[incident.shape](rng, incident)
    for name in (OLD, NEW):
        for minute in range(incident.minutes):
            if name == NEW and incident.helps:
                continue
            if count := fails(name, minute):
                incident.failures[name][minute] = count
    if incident.shape == "starts":
        incident.instances = sum(sum(f.values()) for f in incident.failures.values())
    return incident


def _draw_exposure(rng: random.Random, incident: Incident) -> None:
    rate = math.exp(rng.uniform(math.log(0.2), math.log(200)))
    share = {Rollout.ALL: 1.0, Rollout.CANARY: rng.choice((0.05, 0.2, 0.5))}.get(incident.rollout, 1.0)
    back = incident.switch + max(2, (incident.minutes - incident.switch) // 2)
    start_rate = math.exp(rng.uniform(math.log(0.01), math.log(0.5)))
    for minute in range(incident.minutes):
        on_new = minute >= incident.switch and incident.rollout is not Rollout.NEVER
        if incident.rollout is Rollout.ROLLED_BACK and minute >= back:
            on_new = False
        day = 1 + 0.6 * math.sin(2 * math.pi * minute / 1440)
        for name, part in ((NEW, share if on_new else 0.0), (OLD, 1 - share if on_new else 1.0)):
            if requests := _poisson(rng, rate * part * day):
                incident.requests[name][minute] = requests
            if starts := _poisson(rng, start_rate * part):
                incident.starts[name][minute] = starts
    if incident.rollout is not Rollout.NEVER:
        incident.starts[NEW].setdefault(incident.switch, 1)


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


def _starts(rng: random.Random, incident: Incident) -> _Fails:
    p = rng.uniform(0.1, 1.0)
    return lambda name, minute: _binomial(rng, incident.starts[name].get(minute, 0), p)


def _leak(rng: random.Random, incident: Incident) -> _Fails:
    """Fails for good some time after a revision's start; the old one started before the window opened."""
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
    "leak": _leak,
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
        RevisionCount(API, name, sum(failed.values()), _at(min(failed) + 0.1), _at(max(failed) + 0.9))
        for name, failed in incident.failures.items()
        if failed
    ]
    if not counts or min(incident.failures[OLD], default=incident.switch) >= incident.switch:
        return None
    per_minute: Counter[int] = Counter()
    for failed in incident.failures.values():
        per_minute.update(_epoch(failed))
    first, last = min(c.first_seen for c in counts), max(c.last_seen for c in counts)
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
        instances=max(1, incident.instances),
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
            exposure.append(Exposure(API, name, _epoch(requests), _epoch(starts), _epoch(errors), *span, said))
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


def _deploys(incident: Incident) -> tuple[DeployEvent, ...]:
    if not incident.tells_traffic or incident.rollout is Rollout.NEVER:
        return ()
    canary = {OLD: 50, NEW: 50} if incident.rollout is Rollout.CANARY else {NEW: 100}
    told = [(incident.switch, canary)]
    if incident.rollout is Rollout.ROLLED_BACK:
        told.append((incident.switch + max(2, (incident.minutes - incident.switch) // 2), {OLD: 100}))
    return tuple(
        DeployEvent(DeployKind.TRAFFIC, _at(minute), API, None, None, split, None, _sample(minute))
        for minute, split in told
    )


# --- judging ----------------------------------------------------------------------------------------------------------


def what_is_wrong(incident: Incident, verdict: FixVerdict) -> str | None:
    """What the verdict says that is not so: about the fix, or about what serves. "Too early" and "unknown" say neither."""
    serves = incident.rollout in (Rollout.ALL, Rollout.CANARY, Rollout.NOT_SAID)
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
            return None if incident.rollout is Rollout.CANARY else "serving"
        case FixVerdict.UNRELATED:
            return "fix"
        case FixVerdict.TOO_EARLY | FixVerdict.UNKNOWN:
            return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--wrong", action="store_true", help="print every wrong verdict")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    verdicts: Counter[FixVerdict] = Counter()
    wrong: Counter[tuple[FixVerdict, str]] = Counter()
    by_shape: dict[str, Counter[FixVerdict]] = {shape: Counter() for shape in SHAPES}
    judging = 0.0
    done = 0
    match = Match(FIX, GROUP, 0.9, True, (), ())
    while done < options.cases:
        incident = draw(rng)
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
        print(f"{shape:9}", ", ".join(f"{verdict} {count}" for verdict, count in counts.most_common()))
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

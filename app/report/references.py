"""Numbers what the report rests on, and says how each of it opens: a link, a read-only command, or both.

Owns the Logs Explorer links, permalinks and commands. Leaves to `build.py` what is said, and to the renderers how ids are
shown. A reference to something that the evidence does not hold is a bug of the judgement and raises `LookupError`.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple, assert_never
from urllib.parse import quote

from app.diagnosis.model import (
    CommitRef,
    CompareRef,
    ConfigRef,
    CountRef,
    EntryRef,
    EvidenceRef,
    ExposureRef,
    FileRef,
    IssueTextRef,
    ProbeRef,
    ReadingRef,
    RevisionRef,
    Words,
    sentence,
)
from app.evidence import workloads
from app.evidence.model import (
    Commit,
    CommitSha,
    ErrorGroup,
    Evidence,
    Fingerprint,
    GroupKind,
    KnownError,
    PayloadField,
    ProbeResult,
    Reading,
    RevisionName,
    Sample,
    ServiceName,
    Window,
)
from app.redact import Redacted, cut
from app.report.model import EvidenceId, EvidenceItem
from app.report.wording import counted

_FILE_ORIGIN = re.compile(r"(?P<file>.+):(?P<line>\d+)", re.DOTALL)
_SERVICE_LABELS = ("service_name", "job_name", "function_name", "module_id", "database_id")
_CLUSTER_LABELS = ("cluster_name", "namespace_name", "container_name")
_PART_END = re.compile(r"<\*>|\[[a-z][a-z-]*\]|[\"\\\x00-\x1f\x7f]")
_FIELD_END = re.compile(r": |(?:^| )[^ =]+=")
"""Where a message that was put together of several fields of JSON may leave one of them."""
_ONE_OF_ARRAY = r"${p;/^  },\{0,1\}$/q;/^{.*}$/q}"
"""Has `sed` print until an entry ends: at its brace in an array as gcloud writes it, or with its line."""
_SHORTEST_LITERAL = 6
_LITERAL_LENGTH = 120
_MOST_LITERALS = 3
"""More of them, or longer ones, find nothing more and make the link unreadable."""


class References:
    """Gives each reference its id at its first use, so that ids rise in the order of reading."""

    def __init__(self, evidence: Evidence, shown: Callable[[Redacted], Redacted]) -> None:
        """`shown` reduces text of logs to what this report's readers may see."""
        self._evidence = evidence
        self._shown = shown
        self._ids: dict[EvidenceRef, EvidenceId] = {}
        self._groups: dict[Fingerprint, ErrorGroup] = {}
        for group in (*evidence.observations.notices, *evidence.observations.groups):
            self._groups[group.id] = group
        self._commits: dict[CommitSha, Commit] = {commit.sha: commit for commit in evidence.history.commits}

    def number(self, refs: Sequence[EvidenceRef]) -> tuple[EvidenceId, ...]:
        for ref in refs:
            if ref not in self._ids:
                self._ids[ref] = EvidenceId(f"E{len(self._ids) + 1}")
        return tuple(dict.fromkeys(self._ids[ref] for ref in refs))

    def items(self) -> tuple[EvidenceItem, ...]:
        return tuple(self._item(ref, id_) for ref, id_ in self._ids.items())

    def group(self, id_: Fingerprint) -> ErrorGroup:
        if (group := self._groups.get(id_)) is None:
            raise LookupError(f"no group {id_} in the evidence")
        return group

    def commit(self, sha: CommitSha) -> Commit | None:
        return self._commits.get(sha)

    def commit_url(self, sha: CommitSha) -> str | None:
        known = self._commits.get(sha)
        if known is not None and known.url is not None:
            return known.url
        web = self._evidence.history.web
        return f"{web}/commit/{_path(sha)}" if web else None

    def file_url(self, sha: str, path: str, line: int | None) -> str | None:
        web = self._evidence.history.web
        anchor = f"#L{line}" if line else ""
        return f"{web}/blob/{_path(sha)}/{_path(path)}{anchor}" if web else None

    def entry_url(self, sample: Sample) -> str | None:
        """The entry in Logs Explorer; None when it names no project."""
        if sample.project is None:
            return None
        around = timedelta(minutes=1)
        window = Window(sample.timestamp - around, sample.timestamp + around)
        return logs_explorer_url(sample.project, entry_filter(sample), window)

    # --- one reference, one item ---------------------------------------------------------------------------------------

    def _item(self, ref: EvidenceRef, id_: EvidenceId) -> EvidenceItem:
        match ref:
            case EntryRef():
                return self._entry(ref, id_)
            case CountRef():
                return self._count(ref, id_)
            case CommitRef():
                return self._commit(ref, id_)
            case FileRef():
                what = sentence("{} line {} at {}", cut(ref.path), cut(str(ref.line)), short(ref.sha))
                command = f"git show {shlex.quote(f'{ref.sha}:{ref.path}')} | sed -n {ref.line}p"
                url = self.file_url(ref.sha, ref.path, ref.line)
                return EvidenceItem(id_, "file", what, url, command, (("commit", ref.sha), ("path", ref.path)))
            case RevisionRef():
                return self._revision(ref, id_)
            case CompareRef():
                return self._compare(ref, id_)
            case ProbeRef():
                return self._probe(ref, id_)
            case ConfigRef():
                what = sentence("configuration, {} line {}", cut(ref.path), cut(str(ref.line)))
                head = self._evidence.history.head or "HEAD"
                command = f"git show {shlex.quote(f'{head}:{ref.path}')} | sed -n {ref.line}p"
                return EvidenceItem(id_, "config", what, self.file_url(head, ref.path, ref.line), command)
            case ExposureRef():
                return self._exposure(ref, id_)
            case ReadingRef():
                return self._reading(id_)
            case IssueTextRef():
                return self._issue(id_)
            case _:
                assert_never(ref)

    def _entry(self, ref: EntryRef, id_: EvidenceId) -> EvidenceItem:
        group = self.group(ref.group)
        sample = group.latest if ref.which == "latest" else group.first
        which = "newest" if ref.which == "latest" else "oldest"
        what = sentence(f"{which} entry of {{}}: {{}}", cut(group.id), self._shown(group.title))
        detail = (
            ("insertId", sample.insert_id or "(none recorded)"),
            ("time", rfc3339(sample.timestamp)),
            ("severity", sample.severity.name),
            ("log", sample.log_id),
            ("field", sample.field.value),
            *((("revision", sample.revision),) if sample.revision else ()),
            ("read from", sample.origin),
            ("filter", entry_filter(sample)),
        )
        return EvidenceItem(id_, "entry", what, self.entry_url(sample), self._entry_command(sample), detail)

    def _entry_command(self, sample: Sample) -> str:
        """The place in the export where the entry was read, or the same entry from the API."""
        if (origin := _FILE_ORIGIN.fullmatch(sample.origin)) and (file := self._file(origin["file"])):
            lines = f"{origin['line']}p" if _is_json_lines(file) else f"'{origin['line']},{_ONE_OF_ARRAY}'"
            if file.endswith(".gz"):
                return f"gzip -dc {shlex.quote(file)} | sed -n {lines}"
            return f"sed -n {lines} {shlex.quote(file)}"
        return _gcloud_read(entry_filter(sample), sample.project)

    def _count(self, ref: CountRef, id_: EvidenceId) -> EvidenceItem:
        window = self._evidence.window
        if ref.group is None:
            total = sum(group.count for group in self._evidence.observations.groups)
            kinds = len(self._evidence.observations.groups)
            entries = self._evidence.observations.entries
            what = (
                Words(
                    f"{counted(total, 'failure')} in {counted(kinds, 'group')}, of {counted(entries, 'entry', 'entries')}"
                ),
            )
            url, command, detail = self._readings()
            return EvidenceItem(id_, "count", what, url, command, detail)
        group = self.group(ref.group)
        times = (Words(counted(group.count, "time")),)
        what = sentence("{} {}: {}", times, cut(group.id), self._shown(group.title))
        query = group_filter(group)
        project = group.latest.project
        url = logs_explorer_url(project, query, window) if project else None
        command = self._count_command(group) or _gcloud_read(f"{query}\n{_between(window)}", project)
        detail = (
            ("first", rfc3339(group.first_seen)),
            ("last", rfc3339(group.last_seen)),
            ("entries", str(group.entries)),
            ("filter", query),
            *_known_detail(self._evidence.known_error(group.id)),
        )
        return EvidenceItem(id_, "count", what, url, command, detail)

    def _count_command(self, group: ErrorGroup) -> str | None:
        """Counts the group in the exported files; None without files, or where nothing in it is fit to be searched for."""
        if not (files := self._files()):
            return None
        if route := _route(group):
            path = shlex.quote('"' + _url_pattern(route.path, '"'))
            status = f"""-cE -- '"status": ?{route.status}'"""
            if all(_is_json_lines(file) for file in files):
                return f"{_grep(files)} -hE -- {path} {_quoted(files)} | grep {status}"
            return f"{_grep(files)} -h {status} {_quoted(files)}"
        found = _literals(group) or ((group.latest.audit.method,) if group.latest.audit else ())
        if not found:
            return None
        first, *others = (shlex.quote(literal) for literal in found)
        if not others or not all(_is_json_lines(file) for file in files):
            return f"{_grep(files)} -hcF -- {first} {_quoted(files)}"
        *between, last = others
        narrowed = "".join(f" | grep -F -- {literal}" for literal in between)
        return f"{_grep(files)} -hF -- {first} {_quoted(files)}{narrowed} | grep -cF -- {last}"

    def _commit(self, ref: CommitRef, id_: EvidenceId) -> EvidenceItem:
        known = self._commits.get(ref.sha)
        if known is None:
            what = sentence("commit {}", short(ref.sha))
            detail = (("commit", ref.sha),)
        else:
            what = sentence("commit {}: {}", short(ref.sha), known.subject)
            detail = (("commit", ref.sha), ("committed", rfc3339(known.committed_at)))
        return EvidenceItem(id_, "commit", what, self.commit_url(ref.sha), f"git show {shlex.quote(ref.sha)}", detail)

    def _compare(self, ref: CompareRef, id_: EvidenceId) -> EvidenceItem:
        facts = [f for f in self._evidence.history.containment if (f.fix, f.running) == (ref.fix, ref.running)]
        what = sentence("is {} in {}?", short(ref.fix), short(ref.running))
        if facts:
            what = sentence(
                "is {} in {}? {}: {}", short(ref.fix), short(ref.running), facts[0].state, cut(facts[0].reason)
            )
        web = self._evidence.history.web
        url = f"{web}/compare/{_path(ref.fix)}...{_path(ref.running)}" if web else None
        command = f"git merge-base --is-ancestor {shlex.quote(ref.fix)} {shlex.quote(ref.running)}; echo $?"
        detail = (("fix", ref.fix), ("running", ref.running), *(("carried by", f.via) for f in facts if f.via))
        return EvidenceItem(id_, "compare", what, url, command, detail)

    def _revision(self, ref: RevisionRef, id_: EvidenceId) -> EvidenceItem:
        known = [r for r in self._evidence.revisions if (r.service, r.name) == (ref.service, ref.name)]
        sample = known[0].evidence[0] if known and known[0].evidence else self._sample_on(ref.service, ref.name)
        url = self.entry_url(sample) if sample else None
        detail: list[tuple[str, str]] = []
        for revision in known:
            detail += [("commit", f"{claim.sha} ({claim.source.value})") for claim in revision.commits]
            if revision.serving_since:
                how = " or earlier (by its entries)" if revision.serving_inferred else ""
                detail.append(("serving since", rfc3339(revision.serving_since) + how))
            detail += [("read from", sample.origin) for sample in revision.evidence]
        what = sentence("revision {} of {}", cut(ref.name), cut(ref.service))
        command = self._revision_command(ref.name, sample)
        return EvidenceItem(id_, "revision", what, url, command, tuple(dict.fromkeys(detail)))

    def _revision_command(self, name: RevisionName, sample: Sample | None) -> str:
        if "@" in name:
            selector = shlex.quote(f"pod-template-hash={name.rpartition('@')[2]}")
            return f"kubectl get replicasets --all-namespaces -o wide --selector={selector}"
        # The format leaves out the environment: its plain values may be secrets.
        shape = "--format='yaml(metadata.labels,metadata.creationTimestamp,status.conditions,spec.containers[].image)'"
        region = str(sample.resource_labels.get("location", "")) if sample else ""
        place = (f" --region={shlex.quote(region)}" if region else "") + _in_project(sample.project if sample else None)
        return f"gcloud run revisions describe {shlex.quote(name)}{place} {shape}"

    def _probe(self, ref: ProbeRef, id_: EvidenceId) -> EvidenceItem:
        result = self.probe(ref)
        if result is None:
            raise LookupError(f"no result of the probe of {ref.target.name} in the evidence")
        what = sentence("{} of {}, read {}", cut(ref.target.kind.value), ref.target.name, result.read_at)
        detail = (("state", result.state.value), ("read at", rfc3339(result.read_at)), *result.facts)
        return EvidenceItem(id_, "probe", what, result.url, ref.target.command, detail)

    def probe(self, ref: ProbeRef) -> ProbeResult | None:
        return next((result for result in self._evidence.probes if result.target == ref.target), None)

    def _exposure(self, ref: ExposureRef, id_: EvidenceId) -> EvidenceItem:
        known = [
            e for e in self._evidence.observations.exposure if (e.service, e.revision) == (ref.service, ref.revision)
        ]
        requests = sum(sum(e.requests.values()) for e in known)
        starts = sum(sum(e.starts.values()) for e in known)
        counts = (Words(f"{counted(requests, 'request')} and {counted(starts, 'start')}"),)
        what = sentence("{} of revision {}", counts, cut(ref.revision))
        sample = self._sample_on(ref.service, ref.revision) or self._any_sample()
        query = revision_filter(ref.revision)
        project = sample.project if sample else None
        url = logs_explorer_url(project, query, self._evidence.window) if project else None
        if files := self._files():
            needle = ref.revision.rpartition("@")[2]
            command = f"{_grep(files)} -hF -- {shlex.quote(needle)} {_quoted(files)}"
        else:
            command = _gcloud_read(f"{query}\n{_between(self._evidence.window)}", project)
        return EvidenceItem(id_, "exposure", what, url, command, (("filter", query),))

    def _reading(self, id_: EvidenceId) -> EvidenceItem:
        observations = self._evidence.observations
        what = sentence(
            "all that was read: {} entries in {} readings", observations.entries, len(self._evidence.readings)
        )
        url, command, detail = self._readings()
        return EvidenceItem(id_, "reading", what, url, command, detail)

    def _readings(self) -> tuple[str | None, str, tuple[tuple[str, str], ...]]:
        """How the search itself opens. Without a single reading, what shows why: the access check."""
        readings = self._evidence.readings
        detail = tuple(pair for reading in readings for pair in _reading_detail(reading))
        if not readings:
            return None, "infra-audit doctor", (("readings", "none succeeded"),)
        query = next((reading.query for reading in readings if reading.query), None)
        if query is None:
            if files := self._files():
                return None, f"sha256sum -- {_quoted(files)}", detail
            return None, "infra-audit doctor", detail
        sample = self._any_sample()
        project = sample.project if sample else None
        url = logs_explorer_url(project, query, self._evidence.window) if project else None
        return url, _gcloud_read(query, project), detail

    def _issue(self, id_: EvidenceId) -> EvidenceItem:
        issue = self._evidence.request.issue
        if issue is None:
            raise LookupError("no issue in the evidence")
        what = sentence("text of issue {}: {}", cut(f"{issue.repository}#{issue.number}"), issue.title)
        command = f"gh issue view {issue.number} --repo {shlex.quote(issue.repository)}"
        return EvidenceItem(id_, "issue", what, issue.url, command)

    # --- where things stand --------------------------------------------------------------------------------------------

    def _files(self) -> tuple[str, ...]:
        """Exported files that were read and can be opened again."""
        return tuple(dict.fromkeys(r.source for r in self._evidence.readings if r.query is None and r.digest))

    def _file(self, name: str) -> str | None:
        return name if name in self._files() else None

    def _any_sample(self) -> Sample | None:
        observations = self._evidence.observations
        samples = [group.latest for group in (*observations.groups, *observations.notices)]
        return next((sample for sample in samples if sample.project), None)

    def _sample_on(self, service: ServiceName, revision: RevisionName) -> Sample | None:
        observations = self._evidence.observations
        samples = (
            sample for group in (*observations.groups, *observations.notices) for sample in (group.latest, group.first)
        )
        return next((s for s in samples if s.service == service and s.revision == revision), None)


# --- filters and links ------------------------------------------------------------------------------------------------


def logs_explorer_url(project: str, query: str, window: Window) -> str:
    """Absolute times, so that it shows the same tomorrow; every sign encoded, parentheses too, so that markdown keeps it."""
    start, end = rfc3339(window.start), rfc3339(window.end)
    return (
        f"https://console.cloud.google.com/logs/query;query={quote(query, safe='')}"
        f";startTime={quote(start, safe=':')};endTime={quote(end, safe=':')}?project={quote(project, safe='')}"
    )


def entry_filter(sample: Sample) -> str:
    at = f'timestamp="{rfc3339(sample.timestamp)}"'
    if sample.insert_id:
        return f"insertId={_quote(sample.insert_id)}\n{at}"
    return "\n".join((at, *_resource(sample.resource_type, sample.resource_labels)))


def group_filter(group: ErrorGroup) -> str:
    """Finds the entries of a group, by what all of them share; it may find a few more, and says nothing of values."""
    lines = _shared_resource(group)
    if (audit := group.latest.audit) is not None:
        lines.append(f"protoPayload.methodName={_quote(audit.method)}")
        if audit.status_code:
            lines.append(f"protoPayload.status.code={int(audit.status_code)}")
    elif route := _route(group):
        lines.append(f"httpRequest.status={route.status}")
        lines.append(f"httpRequest.requestUrl=~{_quote('^' + _url_pattern(route.path, '$'))}")
    else:
        lines += [_quote(literal) for literal in _literals(group)]
    return "\n".join(lines)


def revision_filter(revision: RevisionName) -> str:
    if "@" in revision:
        # Not every entry of a pod carries its labels; its name holds the same hash.
        version = revision.rpartition("@")[2]
        return f'(labels."k8s-pod/pod-template-hash"={_quote(version)} OR resource.labels.pod_name:{_quote(f"-{version}-")})'
    return f"resource.labels.revision_name={_quote(revision)}"


def rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds" if at.microsecond else "seconds").replace("+00:00", "Z")


def short(sha: str) -> Redacted:
    return cut(sha[:9])


def _resource(kind: str, labels: Mapping[str, Redacted]) -> list[str]:
    names = _CLUSTER_LABELS if kind.startswith("k8s_") else [key for key in _SERVICE_LABELS if labels.get(key)][:1]
    lines = [f"resource.type={_quote(kind)}"] if kind else []
    return lines + [f"resource.labels.{key}={_quote(labels[key])}" for key in names if labels.get(key)]


def _shared_resource(group: ErrorGroup) -> list[str]:
    """What the oldest and the newest entry name alike. Pods come and go, so of a pod the workload's part of its name."""
    oldest, newest = (sample.resource_labels for sample in (group.first, group.latest))
    alike = {key: value for key, value in newest.items() if oldest.get(key) == value}
    lines = _resource(group.latest.resource_type, alike) if len(group.services) <= 1 else []
    pod = newest.get("pod_name", "")
    if lines and pod and (workload := workloads.of_pod(pod).name) != pod:
        lines.append(f"resource.labels.pod_name:{_quote(f'{workload}-')}")
    return lines


def _between(window: Window) -> str:
    return f'timestamp>="{rfc3339(window.start)}"\ntimestamp<"{rfc3339(window.end)}"'


def _quote(text: str) -> str:
    """A string literal of the query language: one line, nothing in it can end the literal."""
    flat = re.sub(r"[\x00-\x1f\x7f]+", " ", text)
    return '"' + flat.replace("\\", "\\\\").replace('"', '\\"') + '"'


class _Route(NamedTuple):
    path: str
    status: int


def _route(group: ErrorGroup) -> _Route | None:
    """What a group has in common that is told by its answers alone; the path is a template."""
    http = group.latest.http
    if http is None or group.kind is not GroupKind.REQUEST or not group.template.startswith(f"{http.method} /"):
        return None
    return _Route(group.template.removeprefix(f"{http.method} ").rpartition(" answered ")[0], int(http.status))


def _url_pattern(path: str, end: str) -> str:
    """Matches the addresses of a route, in RE2 and in `grep -E` alike; `end` is what stands behind an address."""
    constant = (re.sub(r"[.\[\]*+?(){}|^$\\]", r"\\\g<0>", part) for part in path.rstrip("/").split("<*>"))
    return f"(https?://[^/]+)?{'[^/?#]*'.join(constant)}/?([?#]|{end})"


def _literals(group: ErrorGroup) -> tuple[str, ...]:
    """Runs of words that every entry of a group says as they are, longest first; none when all are too short to search for.

    A template is tidied (blanks, values, cut secrets), so a run of its words counts only if the kept entries hold it as it
    is. JSON writes quotes, backslashes and line breaks differently, and a message may be put together of several of its
    fields, so no run goes beyond one. Where an occurrence is of several entries, only one run is sure to be in one of them.
    """
    parts = [part for text in (group.template, group.title) for part in _PART_END.split(text)]
    if group.latest.field is PayloadField.JSON:
        parts = [piece for part in parts for piece in _FIELD_END.split(part)]
    chain = group.trace.chain if group.trace else ()
    # Some loggers leave out the package of a type.
    types = [re.split(r"[./:]+", info.type)[-1] for info in reversed(chain)]
    of_all = [
        run for part in parts for run in _runs(part, lambda run: _in_newest(run, group) and _in_oldest(run, group))
    ]
    of_newest = [run for part in parts for run in _runs(part, lambda run: _in_newest(run, group))]
    several = group.kind is not GroupKind.TRACE and group.entries == group.count
    for candidates in (of_all, types, of_newest):
        found: list[str] = []
        for run in sorted(candidates, key=len, reverse=True):
            if len(run) >= _SHORTEST_LITERAL and not any(run in longer for longer in found):
                found.append(run)
        if found:
            return tuple(run[:_LITERAL_LENGTH].strip() for run in found[: _MOST_LITERALS if several else 1])
    return ()


def _runs(part: str, held: Callable[[str], bool]) -> list[str]:
    """The longest runs of words of `part` that are `held`: all of it, or as far as each goes."""
    if held(whole := part.strip()):
        return [whole]
    words = part.split()
    runs: list[str] = []
    start = 0
    for end in range(1, len(words) + 1):
        while start < end and not held(" ".join(words[start:end])):
            start += 1
        runs.append(" ".join(words[start:end]))
    return runs


def _in_newest(run: str, group: ErrorGroup) -> bool:
    said = [group.latest.message, group.latest.audit.status_message if group.latest.audit else ""]
    for info in group.trace.chain if group.trace else ():
        said += [info.type, info.message]
    return any(run in text for text in said)


def _in_oldest(run: str, group: ErrorGroup) -> bool:
    """Asked of traces alone: the words of a template are those of all, a trace is the newest's; all have its types."""
    return group.trace is None or run in group.first.message or any(run in info.type for info in group.trace.chain)


def _known_detail(known: KnownError | None) -> list[tuple[str, str]]:
    if known is None:
        return []
    told = f"first seen {rfc3339(known.first_seen)}, last seen {rfc3339(known.last_seen)}, about {known.count:,} in 30 days"
    services = [("its services", ", ".join(known.services))] if known.services else []
    return [("Error Reporting", told), *services, ("its page", known.url)]


def _reading_detail(reading: Reading) -> list[tuple[str, str]]:
    lines: Mapping[Literal["read from", "filter", "sha256", "stopped"], str | None] = {
        "read from": f"{reading.source}: {counted(reading.entries, 'entry', 'entries')}",
        "filter": reading.query,
        "sha256": reading.digest,
        "stopped": reading.truncated,
    }
    return [(name, value) for name, value in lines.items() if value]


def _gcloud_read(query: str, project: str | None) -> str:
    flat = " AND ".join(line for line in query.split("\n") if line.strip())
    return f"gcloud logging read {shlex.quote(flat)}{_in_project(project)} --limit=20 --format=json"


def _in_project(project: str | None) -> str:
    return f" --project={shlex.quote(project)}" if project else ""


def _grep(files: Sequence[str]) -> str:
    return "zgrep" if any(file.endswith(".gz") for file in files) else "grep"


def _is_json_lines(file: str) -> bool:
    return file.removesuffix(".gz").endswith((".jsonl", ".ndjson"))


def _quoted(files: Sequence[str]) -> str:
    return " ".join(shlex.quote(file) for file in files)


def _path(path: str) -> str:
    return quote(path, safe="/")

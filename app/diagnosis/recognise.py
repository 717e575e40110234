"""Which known failures the error groups show.

Owns the matching of signatures and finding the resource that a message names. Leaves to `diagnose.py` which of the recognised
failures is the root. A signature is matched by field, resource type, log, method and code, and by the product's own words;
an index by one rare word of each wording keeps a case at a few hundred microseconds however long the catalogue grows.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from app.diagnosis.signatures import CATALOGUE
from app.diagnosis.signatures.model import GAP, GAP_LENGTH, Predicate, Signature, Specificity
from app.evidence.model import AuditCall, ErrorGroup, Evidence, Fingerprint, Sample
from app.redact import Redacted, cut


@dataclass(frozen=True, slots=True)
class Recognition:
    """A signature seen in an error group. `component` None: neither message nor entry names a resource.

    `strength` in 0..1 orders recognitions: first how much the message says of its cause (`Specificity`), then how long the
    matched wording is. It is no probability.
    """

    signature: Signature
    group: Fingerprint
    component: Redacted | None
    strength: float


def recognise(evidence: Evidence, extra: Sequence[Signature] = ()) -> tuple[Recognition, ...]:
    """Every signature that a group or notice shows, strongest first; ties by count of the group, then by id.

    A repository's own signatures come as `extra`; one with the id of the catalogue's replaces it.
    """
    index = _index(tuple(extra))
    counts: dict[Fingerprint, int] = {}
    found: list[Recognition] = []
    observed = evidence.observations
    for group in (*observed.groups, *observed.notices):
        counts[group.id] = group.count
        found += _in_group(group, index)
    return tuple(sorted(found, key=lambda r: (-r.strength, -counts[r.group], r.signature.id, r.group)))


def _in_group(group: ErrorGroup, index: "_Index") -> Iterator[Recognition]:
    """Each signature once, by the newest sample that shows it."""
    seen: set[str] = set()
    samples = (group.latest,) if group.first == group.latest else (group.latest, group.first)
    for sample in samples:
        text = _text_of(sample, group)
        for signature, length in index.find(sample, text, failure=group.failure):
            if signature.id not in seen:
                seen.add(signature.id)
                component = component_of(signature, sample, text)
                yield Recognition(signature, group.id, component, _strength(signature.specificity, length))


def _text_of(sample: Sample, group: ErrorGroup) -> str:
    """Everything that the sample says: status of the call, message, and the exceptions of a trace kept in its own field."""
    parts = [sample.audit.status_message] if sample.audit else []
    parts.append(sample.message)
    if group.trace is not None:
        parts += [f"{info.type}: {info.message}" for info in group.trace.chain]
    return "\n".join(part for part in parts if part)


_BASE = {Specificity.SYMPTOM: 0.2, Specificity.GENERIC: 0.45, Specificity.PRODUCT: 0.7, Specificity.EXACT: 0.9}


def _strength(specificity: Specificity, length: int) -> float:
    return round(_BASE[specificity] + min(length, 90) / 1000, 4)


# --- matching ---------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A signature made ready: wordings and exclusions as lower-case fragments, in order."""

    signature: Signature
    wordings: tuple[tuple[str, ...], ...]
    without: tuple[tuple[str, ...], ...]

    def matches(self, sample: Sample, text: str, *, failure: bool) -> int | None:
        """Length of the longest wording found (0 for one without words), or None."""
        when = self.signature.when
        if (when.failures_only and not failure) or not _envelope_fits(when, sample):
            return None
        lengths = [sum(map(len, wording)) for wording in self.wordings if _stands(wording, text)]
        if self.wordings and not lengths:
            return None
        if any(_stands(wording, text) for wording in self.without):
            return None
        if when.pattern is not None and not re.search(when.pattern, text, re.IGNORECASE):
            return None
        return max(lengths, default=0)


@dataclass(frozen=True, slots=True)
class _Index:
    """Entries by a whole word that their wording holds; `wordless` are those that must always be tried."""

    entries: tuple[_Entry, ...]
    by_word: dict[str, tuple[int, ...]]
    wordless: tuple[int, ...]

    def find(self, sample: Sample, text: str, *, failure: bool) -> list[tuple[Signature, int]]:
        lowered = text.lower()
        candidates = set(self.wordless)
        for word in set(_WORD.findall(lowered)) & self.by_word.keys():
            candidates.update(self.by_word[word])
        out: list[tuple[Signature, int]] = []
        for number in sorted(candidates):
            entry = self.entries[number]
            if (length := entry.matches(sample, lowered, failure=failure)) is not None:
                out.append((entry.signature, length))
        return out


@lru_cache(maxsize=8)
def _index(extra: tuple[Signature, ...]) -> _Index:
    """A pure function of its argument, kept because building costs more than a case."""
    replaced = {signature.id for signature in extra}
    signatures = (*extra, *(s for s in CATALOGUE if s.id not in replaced))
    entries = tuple(_Entry(s, _fragments(s.when.wording), _fragments(s.when.without)) for s in signatures)
    by_word: dict[str, list[int]] = {}
    wordless: list[int] = []
    for number, entry in enumerate(entries):
        keys = [_key(wording) for wording in entry.wordings]
        if not keys or None in keys:
            wordless.append(number)
        for key in keys:
            if key is not None:
                by_word.setdefault(key, []).append(number)
    return _Index(entries, {word: tuple(numbers) for word, numbers in by_word.items()}, tuple(wordless))


def _fragments(wordings: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(part.strip() for part in wording.lower().split(GAP)) for wording in wordings)


def _key(wording: tuple[str, ...]) -> str | None:
    """The longest word that a text with this wording must hold whole: one with another sign on both of its sides.

    None when there is none, since a word at the end of a fragment may go on in the text.
    """
    inner = [
        match[0]
        for fragment in wording
        for match in _WORD.finditer(fragment)
        if match.start() > 0 and match.end() < len(fragment)
    ]
    return max(inner, key=lambda word: (len(word), word), default=None)


def _envelope_fits(when: Predicate, sample: Sample) -> bool:
    if when.fields and sample.field not in when.fields:
        return False
    if when.resources and sample.resource_type not in when.resources:
        return False
    if when.logs and not sample.log_id.endswith(when.logs):
        return False
    if when.statuses and (sample.http is None or sample.http.status not in when.statuses):
        return False
    if when.methods or when.codes:
        return sample.audit is not None and _call_fits(when, sample.audit)
    return True


def _call_fits(when: Predicate, call: AuditCall) -> bool:
    return (not when.methods or call.method.endswith(when.methods)) and (
        not when.codes or call.status_code in when.codes
    )


def _stands(wording: tuple[str, ...], text: str) -> bool:
    """Whether the fragments stand in `text` in this order, each gap of bounded length."""
    first = wording[0]
    at = text.find(first)
    while at >= 0:
        end = at + len(first)
        for fragment in wording[1:]:
            found = text.find(fragment, end, end + GAP_LENGTH + len(fragment))
            if found < 0:
                break
            end = found + len(fragment)
        else:
            return True
        at = text.find(first, at + 1)
    return False


# --- which resource ---------------------------------------------------------------------------------------------------

_NAMES = (
    "service_name",
    "job_name",
    "function_name",
    "pod_name",
    "node_name",
    "instance_group_manager_name",
    "instance_group_name",
    "instance_name",
    "backend_service_name",
    "url_map_name",
    "subscription_id",
    "topic_id",
    "queue_id",
    "snapshot_id",
    "database_id",
    "bucket_name",
    "dataset_id",
    "connector_name",
    "environment_name",
    "gateway_name",
    "router_id",
    "cluster_name",
    "module_id",
    "build_id",
    "instance_id",
    "job_id",
    "service",
    "project_id",
)
"""Resource labels that name a resource, the narrowest first."""


def component_of(signature: Signature, sample: Sample, text: str) -> Redacted | None:
    """The resource at fault: as the message names it, else the call's resource, else the entry's own.

    None when the entry names none at all.
    """
    if signature.component_label and (named := sample.resource_labels.get(signature.component_label)):
        return named
    for pattern in signature.component:
        if (match := re.search(pattern, text, re.IGNORECASE)) and match[1]:
            return cut(match[1])
    if sample.audit is not None and sample.audit.resource_name:
        return cut(_short(sample.audit.resource_name))
    for label in _NAMES:
        if value := sample.resource_labels.get(label):
            return value
    return None


def _short(resource_name: str) -> str:
    """The last part of a full resource name; a name that ends in a collection (`…/locations/l/builds`) stays whole."""
    parts = resource_name.strip("/").split("/")
    return parts[-1] if len(parts) % 2 == 0 else resource_name

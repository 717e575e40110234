"""Which known failures the error groups show.

Owns the matching of signatures and finding the resource that a message names. Leaves to `diagnose.py` which of the recognised
failures is the root. A signature is matched by field, resource type, log, method and code, and by the product's own words;
an index by one rare word of each wording keeps a case at a few hundred microseconds however long the catalogue grows.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from app.diagnosis.model import Layer
from app.diagnosis.signatures import CATALOGUE
from app.diagnosis.signatures.model import GAP, GAP_LENGTH, Predicate, Signature, Specificity
from app.evidence.model import AuditCall, ErrorGroup, Evidence, Fingerprint, Sample, Severity
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


def _in_group(group: ErrorGroup, index: "_Index") -> list[Recognition]:
    """Each signature once, by the newest sample that shows it."""
    found: dict[str, Recognition] = {}
    samples = (group.latest,) if group.first == group.latest else (group.latest, group.first)
    for sample in samples:
        text = _text_of(sample, group)
        for signature, length in index.find(sample, text, failure=group.failure):
            if signature.id not in found:
                component = component_of(signature, sample, text)
                strength = _strength(signature, length)
                found[signature.id] = Recognition(signature, group.id, component, strength)
    return list(found.values())


def _text_of(sample: Sample, group: ErrorGroup) -> str:
    """Everything that the sample says, in one line: status of the call, message, exceptions of a trace in its own field."""
    parts = [sample.audit.status_message] if sample.audit else []
    parts.append(sample.message)
    if group.trace is not None:
        parts += [f"{info.type}: {info.message}" for info in group.trace.chain]
    return " ".join(" ".join(parts).split())


_BASE = {Specificity.SYMPTOM: 0.2, Specificity.GENERIC: 0.45, Specificity.PRODUCT: 0.7, Specificity.EXACT: 0.9}


_WRAPPER = 0.42
"""Above symptoms and below every message that says more; of two wrappers the longer wording speaks."""


def _strength(signature: Signature, length: int) -> float:
    if signature.wrapper:
        return round(_WRAPPER + min(length, 90) / 10_000, 4)
    return round(_BASE[signature.specificity] + min(length, 90) / 1000, 4)


# --- matching ---------------------------------------------------------------------------------------------------------

_WORD = re.compile(r"[a-z0-9_]+")


class _Fragment(NamedTuple):
    """A lower-case piece of a wording. `from_start`, `to_end`: it may not begin or end inside a longer word of the text."""

    text: str
    from_start: bool
    to_end: bool

    def end_in(self, text: str, start: int, limit: int) -> int:
        """Where it ends at its first place in `text[start:limit]`; -1 when it stands nowhere there."""
        at = text.find(self.text, start, limit)
        while at >= 0:
            end = at + len(self.text)
            inside = (self.from_start and at > 0 and _is_word(text[at - 1])) or (
                self.to_end and end < len(text) and _is_word(text[end])
            )
            if not inside:
                return end
            at = text.find(self.text, at + 1, limit)
        return -1


_Wording = tuple[_Fragment, ...]


@dataclass(frozen=True, slots=True)
class _Index:
    """Signatures, and by a whole word that their wording holds, which wording of which signature to try.

    `always`: those to try on every text, since no word of theirs is surely whole; `wordless`: signatures that have none.
    """

    signatures: tuple[Signature, ...]
    wordings: tuple[tuple[_Wording, ...], ...]
    without: tuple[tuple[_Wording, ...], ...]
    by_word: dict[str, tuple[tuple[int, int], ...]]
    always: tuple[tuple[int, int], ...]
    wordless: tuple[int, ...]

    def find(self, sample: Sample, text: str, *, failure: bool) -> list[tuple[Signature, int]]:
        """Signatures that fit, each with the length of the longest wording found (0 for one without words)."""
        lowered = text.lower()
        tries = list(self.always)
        for word in set(_WORD.findall(lowered)) & self.by_word.keys():
            tries += self.by_word[word]
        lengths = dict.fromkeys(self.wordless, 0)
        for number, which in tries:
            wording = self.wordings[number][which]
            length = sum(len(fragment.text) for fragment in wording)
            if length > lengths.get(number, 0) and _stands(wording, lowered):
                lengths[number] = length
        asked = any(self.signatures[number].when.api_answer for number in lengths)
        answer = asked and _is_api_answer(sample, text)
        return [
            (self.signatures[number], lengths[number])
            for number in sorted(lengths)
            if (answer or not self.signatures[number].when.api_answer)
            and self._fits(number, sample, text, lowered, failure=failure)
        ]

    def _fits(self, number: int, sample: Sample, text: str, lowered: str, *, failure: bool) -> bool:
        when = self.signatures[number].when
        if (when.failures_only and not (failure or warns(sample))) or not _envelope_fits(when, sample):
            return False
        if when.pattern is not None and re.search(when.pattern, text) is None:
            return False
        return not any(_stands(wording, lowered) for wording in self.without[number])


@lru_cache(maxsize=8)
def _index(extra: tuple[Signature, ...]) -> _Index:
    """A pure function of its argument, kept because building costs more than a case."""
    replaced = {signature.id for signature in extra}
    signatures = (*extra, *(s for s in CATALOGUE if s.id not in replaced))
    wordings = tuple(_wordings(s.when.wording) for s in signatures)
    by_word: dict[str, list[tuple[int, int]]] = {}
    always: list[tuple[int, int]] = []
    for number, of_signature in enumerate(wordings):
        for which, wording in enumerate(of_signature):
            key = _key(wording)
            (always if key is None else by_word.setdefault(key, [])).append((number, which))
    return _Index(
        signatures,
        wordings,
        tuple(_wordings(s.when.without) for s in signatures),
        {word: tuple(places) for word, places in by_word.items()},
        tuple(always),
        tuple(number for number, of_signature in enumerate(wordings) if not of_signature),
    )


def _wordings(texts: Sequence[str]) -> tuple[_Wording, ...]:
    """Cut at the gaps. A fragment that touches a gap without a space between may begin or end inside a word there."""
    out: list[_Wording] = []
    for text in texts:
        pieces = " ".join(text.lower().split()).split(GAP)
        last = len(pieces) - 1
        out.append(
            tuple(
                _Fragment(
                    piece.strip(),
                    from_start=_is_word(piece.strip()[0]) and (n == 0 or piece[0] == " "),
                    to_end=_is_word(piece.strip()[-1]) and (n == last or piece[-1] == " "),
                )
                for n, piece in enumerate(pieces)
                if piece.strip()
            )
        )
    return tuple(out)


def _key(wording: _Wording) -> str | None:
    """The longest word that a text with this wording must hold whole; None when each of its words may go on."""
    whole = [
        match[0]
        for fragment in wording
        for match in _WORD.finditer(fragment.text)
        if (match.start() > 0 or fragment.from_start) and (match.end() < len(fragment.text) or fragment.to_end)
    ]
    return max(whole, key=lambda word: (len(word), word), default=None)


def _is_word(char: str) -> bool:
    return char == "_" or (char.isascii() and char.isalnum())


def _stands(wording: _Wording, text: str) -> bool:
    """Whether the fragments stand in `text` in this order, each gap of bounded length."""
    first, *others = wording
    end = first.end_in(text, 0, len(text))
    while end >= 0:
        at = end
        for fragment in others:
            at = fragment.end_in(text, at, at + GAP_LENGTH + len(fragment.text))
            if at < 0:
                break
        else:
            return True
        end = first.end_in(text, end - len(first.text) + 1, len(text))
    return False


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


def warns(sample: Sample) -> bool:
    """Whether it is an event that Kubernetes itself calls a warning: it writes its failures so, never as errors."""
    return sample.log_id == "events" and sample.severity >= Severity.WARNING


_ANSWERED_BY = ("dataflow.googleapis.com/job-message", "google.dataproc.agent", "cloudaudit.googleapis.com/activity")
_RELAYED = re.compile(
    r"googleapi: |\bError waiting for |\bError creating |Error from server \(|google\.api_core|\(gcloud\.|rpc error: code"
    r"|GaxiosError|gax\.rpc|\bStatusCode\.|Error code \d{1,3}, message|(?:Response|Operation)Error: code|\bHttpError \d"
    r"|HTTP Error: 4|\bError 4\d\d:|boss::|StatusRuntimeException|generic::[a-z_]+:|RESOURCE_ERROR|\bError Response: \["
    r"|AiPlatformException|\b(?:INVALID_ARGUMENT|FAILED_PRECONDITION|NOT_FOUND|ALREADY_EXISTS|PERMISSION_DENIED"
    r"|UNAUTHENTICATED|ABORTED|RESOURCE_EXHAUSTED|OUT_OF_RANGE|UNIMPLEMENTED|INTERNAL)\b"
)
"""How clients print what a Google API or a Kubernetes server answered."""


def _is_api_answer(sample: Sample, text: str) -> bool:
    return (
        sample.audit is not None
        or "googleapis.com/" in sample.resource_type
        or sample.log_id in _ANSWERED_BY
        or _RELAYED.search(text) is not None
    )


def _call_fits(when: Predicate, call: AuditCall) -> bool:
    return (not when.methods or call.method.endswith(when.methods)) and (
        not when.codes or call.status_code in when.codes
    )


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
    "workflow_id",
    "endpoint_id",
    "tunnel_id",
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


_REFUSED = (7, 16)
"""gRPC codes of a call that was refused to its caller: permission denied and unauthenticated."""


_NO_NAME = re.compile(r"\[(?:secret|token|password|email)\]|(?:localhost|127\.0\.0\.1|\[?::1\]?)(?::\d+)?\Z")
"""What names nothing: a name that redaction cut into, and the address of the program itself. The entry's own resource does."""


def component_of(signature: Signature, sample: Sample, text: str) -> Redacted | None:
    """The resource at fault: as the message names it, else the call's resource, else the entry's own.

    A call that was itself refused is about the resource that it was made on, whatever permission of another one it lacked;
    an entry that only reports a state, such as a revision that is not ready, names what is at fault in its message. None
    when the entry names none at all.
    """
    if signature.component_label and (named := sample.resource_labels.get(signature.component_label)):
        return named
    called = _called(sample)
    if called and signature.layer is Layer.PERMISSIONS and sample.audit and sample.audit.status_code in _REFUSED:
        return cut(called)
    for pattern in signature.component:
        if (match := re.search(pattern, text, re.IGNORECASE)) and match[1]:
            if _NO_NAME.search(match[1]):
                break
            return cut(match[1])
    if called:
        return cut(called)
    for label in _NAMES:
        if value := sample.resource_labels.get(label):
            return value
    return None


def _called(sample: Sample) -> str:
    """The resource that an audit entry is about, empty for other entries; of a revision the service, which people know."""
    if sample.audit is None:
        return ""
    service = sample.resource_labels.get("service_name")
    return service if service and "/revisions/" in sample.audit.resource_name else _short(sample.audit.resource_name)


def _short(resource_name: str) -> str:
    """The last part of a full resource name, past a place; a name that ends in a collection (`…/builds`) stays whole."""
    parts = resource_name.strip("/").split("/")
    if len(parts) > 2 and parts[-2] in ("locations", "regions", "zones"):
        parts = parts[:-2]
    return parts[-1] if len(parts) % 2 == 0 else resource_name

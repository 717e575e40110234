"""What a failure without a known message is taken for: by the kind of its entry, else by the words that all programs use.

Owns the last resort before "unknown". What it says is a hint of where to look, kept below everything that a signature
recognises, and never a verdict by itself: `recommend.py` asks for the deciding check.
"""

import re
from collections.abc import Collection, Mapping
from typing import LiteralString

from app.diagnosis.model import Basis, Cause, Claim, CountRef, EntryRef, Layer, Sentence, sentence
from app.diagnosis.recognise import warns
from app.diagnosis.scorecard import OWNERS
from app.evidence.model import ErrorGroup, Evidence, Fingerprint, GroupKind, LayerOwner, Sample
from app.redact import Redacted, cut

_KIND_SCORE = 0.4
_WORDS_SCORE = 0.3
_SYMPTOM_SCORE = 0.15
"""All below a generic signature (0.45), so that a known message always speaks first."""

_BY_CODE: Mapping[int, tuple[str, Layer]] = {
    5: ("resource-not-found", Layer.CONFIGURATION),
    6: ("resource-conflict", Layer.CONFIGURATION),
    7: ("iam-permission-denied", Layer.PERMISSIONS),
    10: ("concurrent-update-conflict", Layer.APPLICATION),
    13: ("platform-internal-error", Layer.PLATFORM),
    14: ("platform-internal-error", Layer.PLATFORM),
    16: ("credentials-invalid", Layer.PERMISSIONS),
}
"""What the gRPC code of a refused call says by itself, when its text is not known.

Left out are the codes that need the text: 3 and 9 (anything can be invalid or in the wrong state), and 8, which is used for
quotas, for stockouts and for exhausted address ranges alike.
"""

_Hint = tuple[str, str, Layer, LiteralString]
_BY_WORDS: tuple[_Hint, ...] = (
    (
        r"quota|rate.?limit|too many requests|resource.?exhausted",
        "quota-exceeded",
        Layer.QUOTA,
        "words of a quota or rate limit",
    ),
    (
        r"(?:googleapis\.com|googleapi).*(?:\b50[0-4]\b|backend error|internal error)|an internal error occurred",
        "platform-internal-error",
        Layer.PLATFORM,
        "an API of the platform answers with an error of its own",
    ),
    (
        r"\b50[0-4]\b.*(?:server error|bad gateway|unavailable|gateway time).*|(?:server error|bad gateway).*://",
        "upstream-dependency-error",
        Layer.DEPENDENCY,
        "another service answers with a server error",
    ),
    (
        r"invalid[_ ](?:auth|api[_ ]?key|token|credential)|(?:token|signature|key) (?:has |is )?(?:expired|invalid|revoked)",
        "credentials-invalid",
        Layer.CONFIGURATION,
        "words of a credential that is not accepted",
    ),
    (
        r"permission|not authori[sz]ed|unauthori[sz]ed|forbidden|access denied|authenticat|\b40[13]\b",
        "iam-permission-denied",
        Layer.PERMISSIONS,
        "words of a refused permission",
    ),
    (
        r"out of memory|\boom\b|heap limit",
        "memory-limit-exceeded",
        Layer.CONFIGURATION,
        "words of a memory limit",
    ),
    (
        r"connect ENOENT|no such file or directory.*\.sock\b|\.sock\b.*no such file",
        "resource-not-found",
        Layer.CONFIGURATION,
        "the local socket it connects to does not exist",
    ),
    (r"no space left|disk (?:is )?full|enospc", "disk-full", Layer.INFRASTRUCTURE, "words of a full disk"),
    (
        r"certificate|x509|tls handshake",
        "tls-certificate-invalid",
        Layer.CONFIGURATION,
        "words of a refused certificate",
    ),
    (
        r"no such host|name resolution|unknown host|could not resolve|getaddrinfo",
        "dns-resolution-failure",
        Layer.INFRASTRUCTURE,
        "words of a name that could not be resolved",
    ),
    (
        r"(?:time[d ]?[ -]?out|deadline).*(?:\[(?:public|private)-ip\]|:\d{2,5}\b|://)"
        r"|(?:\[(?:public|private)-ip\]|:\d{2,5}\b|://).*(?:time[d ]?[ -]?out|deadline)",
        "network-connectivity-blocked",
        Layer.INFRASTRUCTURE,
        "an address does not answer in time",
    ),
    (
        r"connection (?:was )?(?:refused|reset|closed)|broken pipe|rst_stream|socket hang up",
        "upstream-connection-failure",
        Layer.DEPENDENCY,
        "the other side refuses or closes the connection",
    ),
    (
        r"environment variable|missing (?:required )?(?:setting|config|key|option)|must be set|is not set",
        "application-config-missing",
        Layer.APPLICATION,
        "words of a missing setting",
    ),
    (
        r"(?:command )?not found$|failed to start|could not start|cannot start",
        "container-failed-to-start",
        Layer.APPLICATION,
        "words of a program that cannot start",
    ),
    (
        r"not found|does not exist|no such",
        "resource-not-found",
        Layer.CONFIGURATION,
        "words of something that does not exist",
    ),
)
"""General words, most telling first: expression, class, layer, what it is called."""
_COMPILED: tuple[tuple[re.Pattern[str], str, Layer, LiteralString], ...] = tuple(
    (re.compile(words, re.IGNORECASE), name, layer, said) for words, name, layer, said in _BY_WORDS
)


def unrecognised_causes(evidence: Evidence, recognised: Collection[Fingerprint]) -> list[Cause]:
    """One cause per failing group that no signature knows and that says anything at all; the rest stay unknown.

    Where nothing fails and nothing is known, what Kubernetes calls a warning is no sign of health: it stands open.
    """
    causes = (_cause_of(group) for group in evidence.observations.groups if group.id not in recognised)
    found = [cause for cause in causes if cause is not None]
    if evidence.observations.groups or recognised:
        return found
    return [
        _cause(group, None, Layer.UNKNOWN, sentence("a warning of Kubernetes that is not known"), _SYMPTOM_SCORE)
        for group in evidence.observations.notices
        if warns(group.latest)
    ]


def _cause_of(group: ErrorGroup) -> Cause | None:
    sample = group.latest
    if group.kind is GroupKind.REQUEST:
        title = sentence("requests answered with a server error")
        return _cause(group, "http-server-error", Layer.UNKNOWN, title, _SYMPTOM_SCORE, symptom=True)
    if group.kind is GroupKind.AUDIT and sample.audit is not None and sample.audit.status_code in _BY_CODE:
        failure_class, layer = _BY_CODE[sample.audit.status_code]
        return _cause(
            group, failure_class, layer, sentence("a call refused with code {}", sample.audit.status_code), _KIND_SCORE
        )
    for expression, failure_class, layer, said in _COMPILED:
        if expression.search(_text(group)):
            return _cause(group, failure_class, layer, sentence(said), _WORDS_SCORE)
    if group.trace is not None:
        title = sentence("an exception that the program did not handle")
        return _cause(group, "application-exception", Layer.APPLICATION, title, _KIND_SCORE)
    return None


def _text(group: ErrorGroup) -> str:
    """One line: the innermost exception of a trace, else the first lines of the message."""
    if group.trace is not None:
        inner = group.trace.innermost
        return f"{inner.type}: {inner.message}".replace("\n", " ")[:600]
    return group.latest.message.strip()[:600].replace("\n", " ")


def _cause(
    group: ErrorGroup, failure_class: str | None, layer: Layer, title: Sentence, score: float, *, symptom: bool = False
) -> Cause:
    claim = Claim(sentence("{} is {}", group.title, title), (EntryRef(group.id), CountRef(group.id)), Basis.INFERRED)
    owner: LayerOwner | None = OWNERS.get(layer)
    return Cause(group.id, None, failure_class, title, resource_of(group.latest), layer, owner, score, symptom, claim)


def resource_of(sample: Sample) -> Redacted | None:
    """The entry's own resource by its narrowest name; None when its labels name none."""
    for key in ("service_name", "job_name", "function_name", "pod_name", "module_id", "database_id", "instance_id"):
        if value := sample.resource_labels.get(key):
            return value
    if sample.audit is not None and sample.audit.resource_name:
        return cut(sample.audit.resource_name.rstrip("/").rpartition("/")[2])
    return None

"""What a signature is: one known failure message, with what it means, who acts, and what would prove it.

Owns the value, its rules, and how a repository's own signature is read. `recognise.py` matches; the sibling modules hold the
catalogue, one per product family; `diagnose.py` decides which recognised cause is the root.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeVar

from app.diagnosis.model import Layer, Sentence, Value, Words
from app.errors import ConfigError
from app.evidence.model import LayerOwner, PayloadField, ProbeKind
from app.redact import Redacted, cut

GAP = "…"
"""Stands in a wording for any text of up to `GAP_LENGTH` characters."""
GAP_LENGTH = 400

LINES = (PayloadField.TEXT, PayloadField.JSON)
"""Where programs, agents and platforms write lines."""
AUDIT = (PayloadField.PROTO,)
"""Where Cloud Audit Logs keep the status of a call."""


class Specificity(IntEnum):
    """How much a message says about its cause; of two matches in one group the more specific one speaks.

    SYMPTOM: reports a consequence only, never a root. GENERIC: names the kind of fault, as wrappers and client libraries
    do. PRODUCT: the product names the fault. EXACT: the message names cause and object.
    """

    SYMPTOM = 1
    GENERIC = 2
    PRODUCT = 3
    EXACT = 4


@dataclass(frozen=True, slots=True)
class Predicate:
    """When an error group shows this failure: every condition that is given holds for one of its samples.

    `wording` are alternatives, matched as whole words without regard to case: literals of the product, `…` where its own
    text varies, also inside a word (`Cannot read propert…`). `without` are wordings that must not stand beside them.
    `pattern` is a regular expression that must be found as well, in the text as written, for what literals cannot say
    (upper case, the value of one field). Empty `fields`, `resources` (monitored resource types), `logs` (ends of log ids),
    `methods` (ends of audit method names), `codes` (gRPC codes of an audit entry) and `statuses` (HTTP codes) mean "any".
    `failures_only` leaves notices out, except Kubernetes warnings: the wording is also used for what is no failure.
    `api_answer` keeps to what a Google API answered: an audit entry, an event of a managed job, or a line that relays one.
    """

    wording: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    pattern: str | None = None
    fields: tuple[PayloadField, ...] = ()
    resources: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    codes: tuple[int, ...] = ()
    statuses: tuple[int, ...] = ()
    failures_only: bool = False
    api_answer: bool = False


@dataclass(frozen=True, slots=True)
class Signature:
    """One known failure.

    `id` is stable: reports, pages and configuration name it. `failure_class` is the kind of failure, shared by signatures of
    different products. `layer` and `owner` are where to look first; the scorecard decides. `causes` are in order of
    likelihood. `confirmed_by` are probes whose unhealthy state supports it, `refuted_by` those whose healthy state speaks
    against it. `checks` are read-only commands; `{name}` is filled by `fill_check`. `component` are regular expressions with
    one group, tried in order on the message, that find the resource it names; when none fits the entry's own resource is it.
    `source` is the page it rests on. `example` matches and `near_miss` must not; both are ours, around the literal.
    `wrapper`: other failures stand inside its message, so it speaks only where none of them is known.
    `configured`: its words come from a repository's file and are shown as quoted values.
    """

    id: str
    failure_class: str
    product: str
    title: str
    when: Predicate
    layer: Layer
    owner: LayerOwner
    specificity: Specificity
    causes: tuple[str, ...]
    remedy: str
    source: str
    example: str
    near_miss: str
    checks: tuple[str, ...] = ()
    component: tuple[str, ...] = ()
    component_label: str | None = None
    confirmed_by: tuple[ProbeKind, ...] = ()
    refuted_by: tuple[ProbeKind, ...] = ()
    wrapper: bool = False
    configured: bool = False

    @property
    def symptom(self) -> bool:
        return self.specificity is Specificity.SYMPTOM

    def said(self, text: str) -> Sentence:
        """Our own title, cause or remedy as words; a configured one as a quoted value."""
        return (Value(cut(text)),) if self.configured else (Words(text),)


# --- checks -----------------------------------------------------------------------------------------------------------

_PLACE = re.compile(r"\{([a-z_]+)\}")
_SAFE = re.compile(r"[A-Za-z0-9_.:@/][A-Za-z0-9_.:@/-]*")
_CONNECTION_NAME = re.compile(r"(.+):([a-z0-9-]+):([a-z0-9-]+)")


def fill_check(check: str, labels: Mapping[str, Redacted], component: Redacted | None = None) -> Redacted | None:
    """Fill `{label}` of a check from resource labels; None when a value is missing or is not plain enough for a shell.

    `{component}` is the recognised resource; for a Cloud SQL connection name its parts are `{connection_project}`,
    `{connection_region}` and `{connection_instance}`.
    """
    values: dict[str, str] = dict(labels)
    if component is not None:
        values["component"] = component
        if parts := _CONNECTION_NAME.fullmatch(component):
            values |= zip(
                ("connection_project", "connection_region", "connection_instance"), parts.groups(), strict=True
            )
    names = set(_PLACE.findall(check))
    if not all(_SAFE.fullmatch(values.get(name, "")) for name in names):
        return None
    return cut(_PLACE.sub(lambda place: values[place[1]], check))


# --- a repository's own signature -------------------------------------------------------------------------------------

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LABEL = re.compile(r"[a-z][a-z0-9_]*")
_TEXTS = ("id", "title", "failure_class", "layer", "owner", "remedy", "source", "component")
_LISTS = ("wording", "without", "resources", "logs", "causes")
_REQUIRED = ("id", "title", "failure_class", "layer", "owner", "wording", "remedy")
_SHORTEST_FRAGMENT = 6
_E = TypeVar("_E", Layer, LayerOwner)


def signature_from_config(mapping: Mapping[str, object]) -> Signature:
    """A signature of a repository's configuration. Raises `ConfigError` that names the field at fault.

    It matches by literal wordings only: a regular expression out of a repository could stall the audit. `component` is the
    name of a resource label.
    """
    known = (*_TEXTS, *_LISTS)
    for key in mapping:
        if key not in known:
            raise _wrong(key, "is not a field of a signature", f"Use only {', '.join(known)}.")
    for key in _REQUIRED:
        if not mapping.get(key):
            raise _wrong(key, "is missing", f"Give the signature a `{key}`.")
    text = {key: _text(key, mapping[key]) for key in _TEXTS if mapping.get(key) is not None}
    lists = {key: _list(key, mapping.get(key)) for key in _LISTS}
    if not _ID.fullmatch(text["id"]):
        raise _wrong("id", "is not in lower-case words joined by hyphens", "Write it like `payment-gateway-timeout`.")
    if not _ID.fullmatch(text["failure_class"]):
        raise _wrong(
            "failure_class", "is not in lower-case words joined by hyphens", "Write it like `request-timeout`."
        )
    for wording in (*lists["wording"], *lists["without"]):
        if max(len(fragment.strip()) for fragment in wording.split(GAP)) < _SHORTEST_FRAGMENT:
            key = "wording" if wording in lists["wording"] else "without"
            raise _wrong(key, f"{wording!r} would match too much", "Quote at least six characters of the message.")
    label = text.get("component")
    if label is not None and not _LABEL.fullmatch(label):
        raise _wrong("component", "is not the name of a resource label", "Write it like `service_name`.")
    if (source := text.get("source", "")) and not source.startswith("https://"):
        raise _wrong("source", "is not an https address", "Link the page that explains the failure.")
    return Signature(
        id=text["id"],
        failure_class=text["failure_class"],
        product="configured",
        title=text["title"],
        when=Predicate(lists["wording"], lists["without"], resources=lists["resources"], logs=lists["logs"]),
        layer=_member("layer", text["layer"], Layer),
        owner=_member("owner", text["owner"], LayerOwner),
        specificity=Specificity.EXACT,
        causes=lists["causes"],
        remedy=text["remedy"],
        source=source,
        example="",
        near_miss="",
        component_label=label,
        configured=True,
    )


def _text(key: str, value: object) -> str:
    if not isinstance(value, str):
        raise _wrong(key, "is not text", f"Write `{key}` as one line of text.")
    return value


def _list(key: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise _wrong(key, "is not a list", f"Write `{key}` as a list of texts.")
    return tuple(_text(key, item) for item in value)  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType] -- each is checked


def _member(key: Literal["layer", "owner"], value: str, kind: type[_E]) -> _E:
    try:
        return kind(value)
    except ValueError:
        raise _wrong(key, f"{value!r} is not known", f"Use one of {', '.join(kind)}.") from None


def _wrong(key: str, what: str, fix: str) -> ConfigError:
    return ConfigError(f"signature field `{key}` {what}", fix=fix)

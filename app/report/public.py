"""What a report may show of the text of logs: all of it (redacted), or on public repositories templates only.

A value that stands in a sample but in no template is log text, wherever a judgement put it; it is shown as `<*>`.
"""

import re

from app.diagnosis.model import Sentence, Value
from app.evidence.model import ErrorGroup, Evidence
from app.redact import Redacted, cut

HIDDEN = "<*>"


class Shown:
    """Passes everything through unless the repository is public (`Scope.public`)."""

    def __init__(self, evidence: Evidence) -> None:
        self._public = evidence.request.scope.public
        groups = (*evidence.observations.groups, *evidence.observations.notices) if self._public else ()
        self._samples = "\n".join(text for group in groups for text in _sample_texts(group))
        self._templates = "\n".join(text for group in groups for text in (group.template, group.title))

    def text(self, value: Redacted) -> Redacted:
        return cut(HIDDEN) if self._hides(value) else value

    def sentence(self, text: Sentence) -> Sentence:
        return tuple(Value(self.text(part.text)) if isinstance(part, Value) else part for part in text)

    def command(self, command: Redacted) -> Redacted:
        """Word by word: a command without a resource's name is of use, and one with a secret name is not public."""
        if not self._public:
            return command
        words = re.split(r"([\s=\"']+)", command)
        return cut("".join(HIDDEN if _names_something(word) and self._hides(word) else word for word in words))

    def message(self, group: ErrorGroup) -> Redacted:
        return group.template if self._public else group.latest.message

    def _hides(self, value: str) -> bool:
        return bool(self._public and value and value in self._samples and value not in self._templates)


def _names_something(word: str) -> bool:
    """Names of resources hold a digit or a sign inside; words of a command line do not."""
    return len(word) >= 4 and not word.startswith("-") and re.search(r"[0-9:/._@-]", word) is not None


def _sample_texts(group: ErrorGroup) -> list[str]:
    texts: list[str] = []
    for sample in (group.first, group.latest):
        texts.append(sample.message)
        if sample.http is not None:
            texts.append(sample.http.path)
        if sample.audit is not None:
            texts += [sample.audit.resource_name, sample.audit.status_message, *sample.audit.facts.values()]
    if group.trace is not None:
        texts += [info.message for info in group.trace.chain]
    return texts

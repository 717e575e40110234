"""The families of errors.

    UserError           someone can fix it: a command, a permission, a setting, a file. Shown with the fix named.
      BadInput          a file or option of the command line
      ConfigError       settings or repository configuration
      Denied            the actor may not do this
    Unavailable         a service is out or throttles; the worker tries again at `retry_after`
    SourceRefused       a source answered that it will not tell (permission, unknown commit); becomes a Gap

Anything else is a bug: not caught on the way, logged once with its trace where work is run.
"""

from datetime import timedelta


class UserError(Exception):
    """`fix` is one imperative sentence that tells what to do about it."""

    def __init__(self, message: str, *, fix: str) -> None:
        super().__init__(message)
        self.fix = fix


class BadInput(UserError):
    pass


class ConfigError(UserError):
    pass


class Denied(UserError):
    pass


class Unavailable(Exception):
    """`retry_after` None: the caller's own back-off decides."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class SourceRefused(Exception):
    """`meaning` says what the report cannot know because of it; `remedy` what would mend it."""

    def __init__(self, source: str, reason: str, *, meaning: str, remedy: str | None = None) -> None:
        super().__init__(f"{source}: {reason}")
        self.source = source
        self.reason = reason
        self.meaning = meaning
        self.remedy = remedy

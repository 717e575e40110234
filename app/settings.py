"""The environment read into frozen settings. Every fault is named at once, before anything is opened or served.

Owns the names `INFRA_AUDIT_*`, their defaults and their checks; `docs/settings.md` lists them. Leaves the operator's file
to `policy/operator.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from app.errors import ConfigError

PREFIX = "INFRA_AUDIT_"


@dataclass(frozen=True, slots=True)
class Settings:
    """`webhook_secrets`: the current one first, then the one that a rotation is leaving. `store` is an SQLAlchemy URL.

    Secrets stay out of the representation, so that a logged value shows none.
    """

    app_id: int
    private_key: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    public_url: str
    store: str = field(repr=False)
    github_api: str = "https://api.github.com"
    operator_file: Path | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    concurrency: int = 4

    @property
    def sqlite_file(self) -> Path | None:
        """The file of the embedded store; None on Postgres."""
        return Path(self.store.removeprefix("sqlite:///")) if self.store.startswith("sqlite:") else None


@dataclass(frozen=True, slots=True)
class Setting:
    """One variable, for the documentation and for what a refusal says. `default` None: it must be set."""

    name: str
    what: str
    example: str
    default: str | None = None


SETTINGS: tuple[Setting, ...] = (
    Setting("APP_ID", "numeric id of the GitHub App, on its settings page", "123456"),
    Setting(
        "PRIVATE_KEY",
        "the App's private key: the PEM text, or the path of a file that holds it",
        "/run/secrets/infra-audit.pem",
    ),
    Setting("WEBHOOK_SECRET", "the secret that signs deliveries, at least 16 characters", "$(openssl rand -hex 32)"),
    Setting("WEBHOOK_SECRET_OLD", "the former secret, accepted beside the new one while it is rotated", "…", ""),
    Setting(
        "PUBLIC_URL", "where people open this server; report pages are linked under it", "https://audit.example.com"
    ),
    Setting(
        "STORE",
        "a file for the embedded store, or a postgresql:// address for several processes",
        "postgresql://user@host/infra_audit",
        "infra-audit.db",
    ),
    Setting(
        "GITHUB_API",
        "address of the REST API; GitHub Enterprise Server: https://HOST/api/v3",
        "https://ghes.example.com/api/v3",
        "https://api.github.com",
    ),
    Setting(
        "OPERATOR_FILE", "which repository may see which Google Cloud projects", "/etc/infra-audit/operator.yml", ""
    ),
    Setting("HOST", "address to listen on", "0.0.0.0", "127.0.0.1"),  # noqa: S104  an example in a text
    Setting("PORT", "port to listen on", "8080", "8080"),
    Setting("CONCURRENCY", "audits that run at once in one process, 1 to 32", "4", "4"),
)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Raises `ConfigError` that names everything missing or wrong, and how to set it."""
    faults: list[str] = []

    def text(name: str) -> str:
        setting = next(s for s in SETTINGS if s.name == name)
        value = environment.get(PREFIX + name, "").strip() or setting.default
        if value is None:
            faults.append(f"{PREFIX}{name} is not set: {setting.what}. Example: {PREFIX}{name}={setting.example}")
        return value or ""

    def number(name: str, lowest: int, highest: int) -> int:
        value = text(name)
        if value and not (value.isascii() and value.isdigit() and lowest <= int(value) <= highest):
            faults.append(f"{PREFIX}{name} must be a whole number from {lowest} to {highest}, not {value!r}")
            return lowest
        return int(value or lowest)

    def address(name: str) -> str:
        value = text(name).rstrip("/")
        parts = urlsplit(value)
        if value and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username):
            faults.append(f"{PREFIX}{name} must be an http(s) address without credentials and query, not {value!r}")
        return value

    app_id = number("APP_ID", 1, 2**53)
    private_key = _private_key(text("PRIVATE_KEY"), faults.append)
    secret, old = text("WEBHOOK_SECRET"), text("WEBHOOK_SECRET_OLD")
    faults.extend(
        f"{PREFIX}{name} is too short: at least 16 characters"
        for name, value in (("WEBHOOK_SECRET", secret), ("WEBHOOK_SECRET_OLD", old))
        if value and len(value) < 16
    )
    public_url, github_api = address("PUBLIC_URL"), address("GITHUB_API")
    store = _store(text("STORE"), faults.append)
    operator = text("OPERATOR_FILE")
    if operator and not Path(operator).is_file():
        faults.append(f"{PREFIX}OPERATOR_FILE names {operator!r}, which is no readable file")
    host, port, concurrency = text("HOST"), number("PORT", 0, 65535), number("CONCURRENCY", 1, 32)
    if faults:
        raise ConfigError(
            "the settings are not complete:\n" + "\n".join(f"  - {fault}" for fault in faults),
            fix="Set these environment variables, or run `infra-audit setup`.",
        )
    return Settings(
        app_id=app_id,
        private_key=private_key,
        webhook_secrets=tuple(s for s in (secret, old) if s),
        public_url=public_url,
        store=store,
        github_api=github_api,
        operator_file=Path(operator) if operator else None,
        host=host,
        port=port,
        concurrency=concurrency,
    )


def _private_key(value: str, fault: Callable[[str], None]) -> str:
    """The PEM text. Variables often carry it with `\\n` written out, which is mended."""
    if not value:
        return ""
    if not value.startswith("-----BEGIN"):
        try:
            value = Path(value).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            fault(f"{PREFIX}PRIVATE_KEY is neither PEM text nor a readable file")
            return ""
    value = value.replace("\\n", "\n")
    if not value.startswith("-----BEGIN") or "PRIVATE KEY-----" not in value:
        fault(f"{PREFIX}PRIVATE_KEY holds no PEM private key")
    return value


def _store(value: str, fault: Callable[[str], None]) -> str:
    """An address that both SQLAlchemy and the engine understand."""
    scheme, separator, rest = value.partition("://")
    if not separator:
        return f"sqlite:///{Path(value).expanduser().absolute()}"
    match scheme:
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return f"postgresql+psycopg://{rest}"
        case "sqlite":
            return f"sqlite:///{Path(rest.lstrip('/') if not rest.startswith('//') else rest[1:]).absolute()}"
        case _:
            fault(f"{PREFIX}STORE must be a file or a postgresql:// address, not {scheme}://")
            return value

"""Settings: everything wrong is named at once."""

import pytest

from app.errors import ConfigError
from app.settings import PREFIX, SETTINGS, read_settings

KEY = "-----BEGIN RSA PRIVATE KEY-----\\nx\\n-----END RSA PRIVATE KEY-----"
GOOD = {
    "INFRA_AUDIT_APP_ID": "7",
    "INFRA_AUDIT_PRIVATE_KEY": KEY,
    "INFRA_AUDIT_WEBHOOK_SECRET": "s" * 16,
    "INFRA_AUDIT_PUBLIC_URL": "https://audit.example.com/",
}


def test_everything_missing_is_named_with_how_to_set_it() -> None:
    with pytest.raises(ConfigError) as refusal:
        read_settings({})
    for setting in SETTINGS:
        assert (f"{PREFIX}{setting.name} is not set" in str(refusal.value)) == (setting.default is None)
    assert "infra-audit setup" in refusal.value.fix


def test_defaults() -> None:
    settings = read_settings(GOOD)
    assert settings.public_url == "https://audit.example.com"
    assert settings.github_api == "https://api.github.com"
    assert settings.store.startswith("sqlite:////")
    assert settings.private_key.count("\n") == 2
    assert KEY not in repr(settings)
    assert "s" * 16 not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("APP_ID", "seven"),
        ("APP_ID", "-1"),
        ("PRIVATE_KEY", "/nowhere/key.pem"),
        ("PRIVATE_KEY", "-----BEGIN CERTIFICATE-----"),
        ("WEBHOOK_SECRET", "short"),
        ("WEBHOOK_SECRET_OLD", "short"),
        ("PUBLIC_URL", "audit.example.com"),
        ("PUBLIC_URL", "https://user:pass@audit.example.com"),
        ("GITHUB_API", "ftp://x"),
        ("STORE", "mysql://x"),
        ("OPERATOR_FILE", "/nowhere.yml"),
        ("PORT", "80000"),
        ("CONCURRENCY", "0"),
    ],
)
def test_a_wrong_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=PREFIX + name):
        read_settings({**GOOD, PREFIX + name: value})


def test_during_a_rotation_both_secrets_are_known() -> None:
    settings = read_settings({**GOOD, "INFRA_AUDIT_WEBHOOK_SECRET_OLD": "o" * 16})
    assert settings.webhook_secrets == ("s" * 16, "o" * 16)

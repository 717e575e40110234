"""An export and a clone whose every field holds a secret: neither a report nor the saved evidence holds one."""

import json
import random
import string
from typing import Any

import pytest
from click.testing import CliRunner

from app.cli import main
from tests.repository import Repository

RNG = random.Random(20)
ALNUM = string.ascii_letters + string.digits


def made(length: int) -> str:
    return "".join(RNG.choice(ALNUM) for _ in range(length))


class Planted:
    """Hands out secrets in forms that people write, and remembers each."""

    def __init__(self) -> None:
        self.secrets: list[str] = []

    def _keep(self, secret: str) -> str:
        self.secrets.append(secret)
        return secret

    def token(self) -> str:
        return self._keep("ghp_" + made(36))

    def pair(self) -> str:
        return f"password={self._keep(made(14) + '7')}"

    def url(self) -> str:
        return f"postgresql://app:{self._keep(made(14))}@db/orders"

    def mail(self) -> str:
        return self._keep(f"jo.{made(6).lower()}@mail.example.org")

    def all_of_them(self) -> str:
        return f"{self.token()} {self.pair()} {self.url()} {self.mail()}"


def entries(planted: Planted) -> list[dict[str, Any]]:
    def entry(number: int, log: str, **more: Any) -> dict[str, Any]:
        return {
            "insertId": f"id{number} {planted.mail()}",
            "timestamp": f"2026-03-02T14:0{number}:00Z",
            "severity": "ERROR",
            "logName": f"projects/shop/logs/{log}",
            "resource": {
                "type": "cloud_run_revision",
                "labels": {
                    "project_id": "shop",
                    "service_name": "checkout",
                    "revision_name": "checkout-00001-abc",
                    "location": "europe-west1",
                    "note": planted.all_of_them(),
                },
            },
            "labels": {"instanceId": "0087599d42", "owner": planted.mail(), "env": planted.pair()},
            "trace": f"projects/shop/traces/{planted.token()}",
            **more,
        }

    trace = (
        "Traceback (most recent call last):\n"
        '  File "/app/shop/pay.py", line 12, in charge\n'
        f"    connect('{planted.url()}')\n"
        f"shop.errors.PaymentError: refused {planted.all_of_them()}"
    )
    return [
        entry(1, "stderr", textPayload=f"ERROR cannot pay {planted.all_of_them()}"),
        entry(2, "stderr", textPayload=trace),
        entry(
            3,
            "app",
            jsonPayload={
                "message": f"cannot pay {planted.all_of_them()}",
                "logger": f"shop {planted.pair()}",
                "password": planted.token(),
                "error": {"type": "PaymentError", "message": planted.all_of_them(), "stack": trace},
                "user": {"email": planted.mail()},
            },
            sourceLocation={"file": f"/app/{planted.token()}.py", "line": "7", "function": f"pay {planted.pair()}"},
        ),
        entry(4, "app", jsonPayload={"anything": planted.all_of_them(), "cookie": planted.token()}),
        entry(
            5,
            "requests",
            httpRequest={
                "requestMethod": "GET",
                "requestUrl": f"https://shop.example.org/users/{planted.mail()}/{planted.token()}?{planted.pair()}",
                "status": 500,
                "userAgent": planted.all_of_them(),
                "remoteIp": planted.mail(),
            },
        ),
        entry(
            6,
            "cloudaudit.googleapis.com%2Factivity",
            protoPayload={
                "@type": "type.googleapis.com/google.cloud.audit.AuditLog",
                "serviceName": "run.googleapis.com",
                "methodName": "/Services.ReplaceService",
                "resourceName": f"namespaces/shop/services/checkout {planted.pair()}",
                "authenticationInfo": {"principalEmail": planted.mail()},
                "request": {"spec": {"env": [{"name": "DB_PASSWORD", "value": planted.token()}]}},
                "response": {"metadata": {"name": "checkout", "labels": {"commit-sha": planted.token()}}},
                "status": {"code": 9, "message": f"not ready {planted.all_of_them()}"},
            },
        ),
        {
            **entry(7, "stderr", textPayload=f"shop.errors.PaymentError: refused {planted.all_of_them()}"),
            "resource": {
                "type": "k8s_container",
                "labels": {
                    "project_id": "shop",
                    "location": planted.token(),
                    "cluster_name": planted.token(),
                    "namespace_name": planted.pair(),
                    "pod_name": f"checkout-{planted.token()}-x2x9q",
                    "container_name": planted.mail(),
                },
            },
        },
        {
            **entry(8, "worker", textPayload="FATAL out of memory"),
            "resource": {
                "type": "generic_task",
                "labels": {
                    "project_id": "shop",
                    "location": planted.mail(),
                    "namespace": planted.token(),
                    "job": planted.pair(),
                    "task_id": planted.url(),
                },
            },
        },
        {
            **entry(9, "stderr", textPayload="ERROR out of memory"),
            "resource": {
                "type": "cloud_run_revision",
                "labels": {
                    "project_id": "shop",
                    "service_name": planted.token(),
                    "revision_name": planted.token(),
                    "location": "europe-west1",
                },
            },
        },
    ]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, str]]:
    """The planted secrets, and everything that the audit wrote, by its kind."""
    folder = tmp_path_factory.mktemp("leaks")
    planted = Planted()
    repository = Repository(folder / "clone")
    code = (
        f"TOKEN = '{planted.token()}'\n# {planted.pair()}\ndef charge():\n    connect('{planted.url()}')\n" + "\n" * 6
    )
    code += f"    raise PaymentError('refused')  # {planted.mail()}\n"
    repository.git("config", "user.email", planted.mail())
    repository.commit(f"Pay again {planted.token()}", {"shop/pay.py": code}, body=planted.all_of_them())
    repository.commit(
        f"Fix PaymentError: refused {planted.pair()}",
        {"shop/pay.py": code.replace("charge", "charged"), "settings.yaml": f"db:\n  password: {planted.token()}\n"},
        body=planted.all_of_them(),
    )
    logs = folder / "logs.json"
    logs.write_text(json.dumps(entries(planted)))
    issue = folder / "issue.md"
    issue.write_text(f"# Payments fail {planted.token()}\n\n{planted.all_of_them()}\nPaymentError in checkout\n")
    wrote: dict[str, str] = {}
    for form in ("markdown", "html", "text", "json"):
        saved = folder / "evidence.json"
        words = ["audit", "--logs", str(logs), "--repo", str(repository.path), "--issue", str(issue)]
        done = CliRunner().invoke(main, [*words, "--format", form, "--save", str(saved)])
        assert done.exit_code == 0, done.output
        wrote[form], wrote["saved"], wrote[f"said with {form}"] = done.stdout, saved.read_text(), done.stderr
    return planted.secrets, wrote


@pytest.mark.parametrize("form", ["markdown", "html", "text", "json", "saved"])
def test_no_planted_secret_is_written_anywhere(form: str, told: tuple[list[str], dict[str, str]]) -> None:
    secrets, wrote = told
    assert len(secrets) > 60
    assert [secret for secret in secrets if secret in wrote[form]] == []


def test_the_report_still_tells_what_fails(told: tuple[list[str], dict[str, str]]) -> None:
    _, wrote = told
    assert "checkout" in wrote["markdown"]
    assert "PaymentError" in wrote["json"]

"""Thirty configuration files, each broken in its own way: the line that is wrong, and what to write instead."""

import pytest

from app.policy.config import CONFIG_PATH, RepoConfig, read_config, validate_config

RIGHT = """\
version: 1
labels:
  incident: production
environments:
  production:
    projects: [acme-prod]
    services: [checkout]
    critical: true
    window: 3h
    deployments: [prod-eu]
  staging: {}
services:
  checkout:
    source_roots: [/app]
    impact:
      statement: Customers cannot pay.
      owner: payments team
owners:
  infrastructure: "@acme/sre"
windows:
  default: 6h
roles:
  escalate: maintain
follow_up:
  every: 30m
  automatic: true
"""

MISTAKES = [
    # what was written, what stands there instead, the line, and words that the answer must hold
    ("version: 1", "versoin: 1", 1, "'version'"),
    ("version: 1", 'version: "1"', 1, "1"),
    ("version: 1", "version: 3", 1, "1"),
    ("labels:", "label:", 2, "'labels'"),
    ("incident: production", "incident: prodction", 3, "'production'"),
    ("incident: production", "incident: [production]", 3, "text"),
    ("environments:", "enviroments:", 4, "'environments'"),
    ("  production:\n    projects", "  Production:\n    projects", 5, "'production'"),
    ("projects: [acme-prod]", "projects: acme-prod", 6, "[acme-prod]"),
    ("projects: [acme-prod]", "projects: [Acme_Prod]", 6, "'acme-prod'"),
    ("projects: [acme-prod]", "project: [acme-prod]", 6, "'projects'"),
    ("services: [checkout]", "services: [check out]", 7, "'check-out'"),
    ("incident: production", "incident: prod", 3, "'production'"),
    ("critical: true", 'critical: "true"', 8, "true"),
    ("critical: true", "critical: yes", 8, "true"),
    ("critical: true", "critcal: true", 8, "'critical'"),
    ("window: 3h", "window: 3 hours", 9, "'3h'"),
    ("window: 3h", "window: 3", 9, "3h"),
    ("deployments: [prod-eu]", "deployments: {prod-eu: true}", 10, "[prod-eu]"),
    ("staging: {}", "production: {}", 11, "twice"),
    ("source_roots: [/app]", "source-roots: [/app]", 14, "'source_roots'"),
    ("      owner: payments team\n", "", 15, "'owner'"),
    ("statement: Customers cannot pay.", "statement: ''", 16, "empty"),
    ("infrastructure: ", "infra: ", 19, "'infrastructure'"),
    ('"@acme/sre"', "@acme/sre", 19, "quot"),
    ('"@acme/sre"', "acme/sre", 19, "'@acme/sre'"),
    ("default: 6h", "defualt: 6h", 21, "'default'"),
    ("escalate: maintain", "escalate: maintainer", 23, "'maintain'"),
    ("every: 30m", "\tevery: 30m", 25, "tab"),
    ("automatic: true", "automatic: true\n  automatic: false", 27, "twice"),
]


def test_the_file_is_right_before_it_is_broken() -> None:
    assert isinstance(read_config(RIGHT, CONFIG_PATH), RepoConfig)


@pytest.mark.parametrize(("old", "new", "line", "words"), MISTAKES, ids=[new.strip()[:30] for _, new, _, _ in MISTAKES])
def test_the_line_and_a_suggestion(old: str, new: str, line: int, words: str) -> None:
    mistakes = validate_config(RIGHT.replace(old, new, 1))
    told = [str(mistake) for mistake in mistakes if mistake.line == line]
    assert any(words in one for one in told), [str(m) for m in mistakes]

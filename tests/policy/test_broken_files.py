"""Configuration files, each broken in its own way: the line that is wrong, and what to write instead."""

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
    # what people do to a file in a hurry
    ("every: 30m", "every:30m", 25, "'every: 30m'"),
    ("every: 30m", "every: 30M", 25, "'30m'"),
    ("    window: 3h", "   window: 3h", 9, "indented otherwise"),
    ("    window: 3h", "    window: '3h", 9, "does not end"),
    ("window: 3h", "window: 9d", 9, "'7d'"),
    ("staging: {}", "staging:", 11, "'{}'"),
    ("staging: {}", "staging: {deployments: [x]", 11, "is not closed"),
    ("version: 1\n", "version: 1\n---\n", 2, "second document"),
    ("version: 1\n", "", 1, "'version: 1'"),
    ("owners:", "OWNERS:", 18, "'owners'"),
    ("statement: Customers cannot pay.", "statement: Down: nobody can pay.", 16, '"Down: nobody can pay."'),
    ("statement: Customers cannot pay.", "statement: 'All' of them.", 16, "closed quotation mark"),
    ('"@acme/sre"', '"@acme/sre, @acme/dba"', 19, "'@acme/sre'"),
    ('"@acme/sre"', '["@acme/sre"]', 19, '"@acme/sre"'),
    ("roles:", "assignees: {infrastructure: ['@dana']}\nroles:", 22, "'dana'"),
    ("roles:", "assignees: {infrastructure: dana}\nroles:", 22, "[dana]"),
    ("roles:", "status_labels: false\nroles:", 22, "write: false"),
    ("roles:", "status_labels: {P0: sev-1}\nroles:", 22, "{name: sev-1}"),
    ("roles:", "status_labels: {P0: {color: ff0000}}\nroles:", 22, "'colour'"),
    ("roles:", "status_labels: {P0: {colour: 000000}}\nroles:", 22, '"000000"'),
    ("roles:", "status_labels: {P0: {name: incident}}\nroles:", 22, "starts an audit"),
    ("roles:", "status_labels: {P0: {name: sev}, P1: {name: Sev}}\nroles:", 22, "P0 already"),
    ("incident: production", "'priority:P0': production", 3, "starts an audit"),
    ("roles:", "verdict_check: {at: pull_request}\nroles:", 22, "[pull_request]"),
    ("roles:", "verdict_check: {at: [pull_requests]}\nroles:", 22, "'pull_request'"),
    ("automatic: true", "recheck: 10m", 26, "'1h'"),
]


def test_the_file_is_right_before_it_is_broken() -> None:
    assert isinstance(read_config(RIGHT, CONFIG_PATH), RepoConfig)


@pytest.mark.parametrize(("old", "new", "line", "words"), MISTAKES, ids=[new.strip()[:40] for _, new, _, _ in MISTAKES])
def test_the_line_and_a_suggestion(old: str, new: str, line: int, words: str) -> None:
    mistakes = validate_config(RIGHT.replace(old, new, 1))
    told = [str(mistake) for mistake in mistakes if mistake.line == line]
    assert any(words in one for one in told), [str(m) for m in mistakes]

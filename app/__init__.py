"""Infra Audit: a GitHub App that audits Google Cloud incidents. Start with `evidence/model.py`, then `investigate.py`."""

__version__ = "0.1.0"

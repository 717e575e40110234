"""The catalogue of known failures: one module per product family, listed here and nowhere else.

A new signature goes into its product's module with an example, a near miss and the page it rests on; its page under
`docs/signatures/` is written by `docs/build_signature_pages.py`.
"""

from app.diagnosis.signatures import cloud_run, cloud_sql
from app.diagnosis.signatures.model import Signature

CATALOGUE: tuple[Signature, ...] = (
    *cloud_run.SIGNATURES,
    *cloud_sql.SIGNATURES,
)

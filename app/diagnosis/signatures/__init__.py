"""The catalogue of known failures: one module per product family, listed here and nowhere else.

A new signature goes into its product's module with an example, a near miss and the page it rests on; its page under
`docs/signatures/` is written by `docs/build_signature_pages.py`.
"""

from app.diagnosis.signatures import (
    bigquery,
    build,
    cloud_run,
    cloud_sql,
    compute,
    functions,
    general,
    gke,
    iam,
    messaging,
    network,
    platform,
    processing,
    redis,
    runtimes,
    services,
    storage,
)
from app.diagnosis.signatures.model import Signature

CATALOGUE: tuple[Signature, ...] = (
    *bigquery.SIGNATURES,
    *build.SIGNATURES,
    *cloud_run.SIGNATURES,
    *cloud_sql.SIGNATURES,
    *compute.SIGNATURES,
    *functions.SIGNATURES,
    *general.SIGNATURES,
    *gke.SIGNATURES,
    *iam.SIGNATURES,
    *messaging.SIGNATURES,
    *network.SIGNATURES,
    *platform.SIGNATURES,
    *processing.SIGNATURES,
    *redis.SIGNATURES,
    *runtimes.SIGNATURES,
    *services.SIGNATURES,
    *storage.SIGNATURES,
)

"""Stored data: Cloud Storage, Firestore and Datastore, Spanner, Bigtable, Filestore."""

from functools import partial

from app.diagnosis.model import Layer
from app.diagnosis.signatures.model import Predicate, Signature, Specificity
from app.evidence.model import LayerOwner

_gcs = partial(Signature, product="Cloud Storage")
_docs = partial(Signature, product="Firestore")
_BUCKETS = "gcloud storage buckets list --project={project_id}"
_BUCKET = (r"gs://([\w.-]+)", r"/b/([\w.-]+)", r"buckets/([\w.-]+)", r"bucket[ :]+'?([\w.-]+)")

SIGNATURES: tuple[Signature, ...] = (
    _gcs(
        id="gcs-not-found",
        failure_class="resource-not-found",
        title="A bucket or object does not exist",
        when=Predicate(
            (
                "Staged package … is inaccessible",
                "bucket … does not exist",
                "The specified bucket does not exist",
                "BucketNotFoundException",
                "No such object:",
                "storage: object doesn't exist",
                "storage: bucket doesn't exist",
                "The specified key does not exist",
                "NoSuchBucket",
                "NoSuchKey",
                "One or more URLs matched no objects",
                "matched no objects or files",
                "Input path does not exist:",
                "Path does not exist:",
            )
        ),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("a wrong name", "a lifecycle rule deleted it", "it was not written yet"),
        checks=(_BUCKETS,),
        component=(r"No such object: (\S+)", *_BUCKET),
        remedy="Correct the name, or look at lifecycle rules and deletes of the bucket.",
        source="https://cloud.google.com/storage/docs/troubleshooting",
        example="google.api_core.exceptions.NotFound: 404 GET: The specified bucket does not exist.",
        near_miss="The specified bucket exists.",
    ),
    _gcs(
        id="gcs-precondition",
        failure_class="concurrent-update-conflict",
        title="Two writers changed one object",
        when=Predicate(
            (
                "412 Precondition Failed",
                "At least one of the pre-conditions you specified did not hold",
                "conditionNotMet",
                "PreconditionFailed: 412",
            ),
            without=("Org Policy", "Constraint constraints/"),
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("two writers with a generation match", "a lock file that another run holds"),
        checks=(_BUCKETS,),
        component=_BUCKET,
        remedy="Let one writer at a time change the object, or read and retry.",
        source="https://cloud.google.com/storage/docs/request-preconditions",
        example="412 Precondition Failed: At least one of the pre-conditions you specified did not hold.",
        near_miss="All pre-conditions held.",
    ),
    _gcs(
        id="gcs-retention",
        failure_class="invalid-operation",
        title="The bucket's settings forbid the change",
        when=Predicate(
            (
                "is subject to bucket's retention policy",
                "Cannot get legacy ACL for an object when uniform bucket-level access is enabled",
                "Cannot insert legacy ACL for an object when uniform bucket-level access is enabled",
                "cannot be deleted because it is under active Event-Based hold",
                "The bucket you tried to delete is not empty",
                "BucketNotEmpty",
            )
        ),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("a retention policy or hold", "access lists on a bucket with uniform access"),
        checks=(_BUCKETS,),
        component=_BUCKET,
        remedy="Change the call as the bucket's settings ask.",
        source="https://cloud.google.com/storage/docs/bucket-lock",
        example="Object 'a' is subject to bucket's retention policy and cannot be deleted.",
        near_miss="The bucket has a retention policy.",
    ),
    _docs(
        id="firestore-contention",
        failure_class="concurrent-update-conflict",
        title="Transactions meet on one document or row",
        when=Predicate(
            (
                "Too much contention on these documents",
                "Transaction was aborted",
                "10 ABORTED",
                "code = Aborted",
                "StatusCode.ABORTED",
                "The transaction has expired or is no longer valid",
                "Aborted due to cross-transaction contention",
                "AbortedException",
                "ConcurrentModificationException: too much contention",
                "TransactionAborted",
            )
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.PRODUCT,
        causes=("a hot document or row", "long transactions"),
        component=(r"documents/([\w./-]+)",),
        remedy="Spread the hot key, shorten transactions, and retry.",
        source="https://cloud.google.com/firestore/docs/transactions",
        example="10 ABORTED: Too much contention on these documents. Please try again.",
        near_miss="The transaction was committed.",
    ),
    _docs(
        id="firestore-index",
        failure_class="invalid-operation",
        title="A query needs an index that does not exist",
        when=Predicate(("The query requires an index", "no matching index found", "index is not ready to serve")),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("the composite index was not made, or is still built",),
        checks=("gcloud firestore indexes composite list --project={project_id}",),
        remedy="Create the index that the message links.",
        source="https://cloud.google.com/firestore/docs/query-data/indexing",
        example="9 FAILED_PRECONDITION: The query requires an index.",
        near_miss="The query used an index.",
    ),
    Signature(
        id="spanner-session-lost",
        product="Spanner",
        failure_class="resource-not-found",
        title="The client library uses a session that the database has ended",
        when=Predicate(("Session not found: projects/", "Session not found: [opaque]")),
        layer=Layer.DEPENDENCY,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=(
            "a version of the library that does not make lost sessions anew",
            "sessions idle for longer than an hour",
        ),
        component=(r"Session not found: projects/[\w:.-]+/instances/[\w-]+/databases/([\w-]+)",),
        checks=("gcloud spanner instances list --project={project_id}",),
        remedy="Update the client library, and run the call again.",
        source="https://cloud.google.com/spanner/docs/sessions",
        example="Session not found: projects/p/instances/i/databases/shop/sessions/s1",
        near_miss="Session opened: projects/p/instances/i/databases/shop/sessions/s1",
    ),
    Signature(
        id="spanner-deadline",
        product="Spanner",
        failure_class="upstream-dependency-error",
        title="The database call took longer than its deadline",
        when=Predicate(
            (
                "SpannerException: DEADLINE_EXCEEDED",
                "spanner … DEADLINE_EXCEEDED",
                "bigtable … DEADLINE_EXCEEDED",
                "Spanner … code = DeadlineExceeded",
            )
        ),
        layer=Layer.DEPENDENCY,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("a hot row or full scan", "too few nodes", "a commit that is too large"),
        checks=("gcloud spanner instances list --project={project_id}",),
        remedy="Look at CPU and hot rows of the instance, and make commits smaller.",
        source="https://cloud.google.com/spanner/docs/deadline-exceeded",
        example="com.google.cloud.spanner.SpannerException: DEADLINE_EXCEEDED: deadline exceeded after 3599.9s",
        near_miss="com.google.cloud.spanner.Spanner started",
    ),
    Signature(
        id="filestore-mount",
        product="Filestore",
        failure_class="storage-unavailable",
        title="A shared file system does not answer",
        when=Predicate(
            (
                "nfs: server … not responding",
                "Stale file handle",
                "mount.nfs: Connection refused",
                "mount system call failed",
            )
        ),
        layer=Layer.INFRASTRUCTURE,
        owner=LayerOwner.INFRASTRUCTURE,
        specificity=Specificity.PRODUCT,
        causes=("the instance is in maintenance or overloaded", "a firewall", "it was made again"),
        checks=("gcloud filestore instances list --project={project_id}",),
        component=(r"nfs: server (\S+) not",),
        remedy="Look at the instance's state and the firewall on port 2049.",
        source="https://cloud.google.com/filestore/docs/troubleshooting",
        example="nfs: server 10.0.0.2 not responding, still trying",
        near_miss="nfs: server 10.0.0.2 OK",
    ),
)

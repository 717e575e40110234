"""Messages between services: Pub/Sub, Eventarc, Cloud Tasks, Cloud Scheduler, Workflows."""

from functools import partial

from app.diagnosis.model import Layer
from app.diagnosis.signatures.model import Predicate, Signature, Specificity
from app.evidence.model import LayerOwner, PayloadField

_pubsub = partial(Signature, product="Pub/Sub")
_SUBSCRIPTION = "gcloud pubsub subscriptions describe {subscription_id} --project={project_id}"
_TOPICS = "gcloud pubsub topics list --project={project_id}"
_JOB = "gcloud scheduler jobs describe {job_id} --location={location} --project={project_id}"
_QUEUE = "gcloud tasks queues describe {queue_id} --location={location} --project={project_id}"

SIGNATURES: tuple[Signature, ...] = (
    _pubsub(
        id="pubsub-not-found",
        failure_class="resource-not-found",
        title="A topic or subscription does not exist",
        when=Predicate(
            ("Resource not found (resource=", "_deleted-topic_", "Subscription does not exist", "Topic not found")
        ),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("it was deleted", "another project", "a wrong name"),
        checks=(_TOPICS, _SUBSCRIPTION),
        component=(r"Resource not found \(resource=([\w./-]+)\)",),
        remedy="Create it, or name one that exists.",
        source="https://cloud.google.com/pubsub/docs/troubleshooting",
        example="404 Resource not found (resource=orders).",
        near_miss="Resource found (resource=orders).",
    ),
    _pubsub(
        id="pubsub-backlog-too-old",
        failure_class="invalid-operation",
        title="The subscription's state does not allow this",
        when=Predicate(
            (
                "source subscription's backlog is too old",
                "Some acknowledgement ids in the request were invalid",
                "The supplied HTTP URL is not registered in the subscription's parent project",
                "Invalid push endpoint given",
                "incompatible with the schema",
                "Request contains an invalid message: … schema",
                "Incompatible schema",
            )
        ),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("messages wait longer than the operation allows", "settings that do not fit the request"),
        checks=(_SUBSCRIPTION,),
        remedy="Work off the backlog or seek, then repeat; or correct the setting.",
        source="https://cloud.google.com/pubsub/docs/replay-overview",
        example="The operation could not be completed because the requested source subscription's backlog is too old.",
        near_miss="The subscription's backlog is empty.",
    ),
    _pubsub(
        id="pubsub-stream-ended",
        failure_class="request-timeout",
        title="Pulling messages was interrupted",
        when=Predicate(
            (
                "Streaming pull … terminated",
                "google.pubsub.v1.Subscriber … DEADLINE_EXCEEDED",
                "StreamingPull … failed",
                "Retrying the streaming pull failed",
                "Observed non-recoverable stream error",
            ),
            failures_only=True,
        ),
        layer=Layer.DEPENDENCY,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.GENERIC,
        causes=("rare: the stream is renewed, no failure", "often: a slow handler or flow control"),
        checks=(_SUBSCRIPTION,),
        remedy="Compare the age of the oldest message with the handler's time.",
        source="https://cloud.google.com/pubsub/docs/pull-troubleshooting",
        example="Observed non-recoverable stream error 503 The service was unable to fulfill your request",
        near_miss="Streaming pull started",
    ),
    _pubsub(
        id="pubsub-dead-letter",
        failure_class="processing-stuck",
        title="Messages pile up or go to the dead-letter topic",
        when=Predicate(
            ("exceeded the maximum delivery attempts", "forwarded to dead letter topic", "CloudPubSubDeadLetter…")
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.PRODUCT,
        causes=("the handler refuses the message", "an ack deadline shorter than the work"),
        checks=(_SUBSCRIPTION,),
        remedy="Read the handler's lines for that message.",
        source="https://cloud.google.com/pubsub/docs/handling-failures",
        example="CloudPubSubDeadLetterSourceDeliveryCount: 5",
        near_miss="Delivery attempts: 1",
    ),
    Signature(
        id="scheduler-attempt-failed",
        product="Cloud Scheduler",
        failure_class="upstream-dependency-error",
        title="A scheduled job's target did not answer well",
        when=Predicate(
            (
                "URL_CRAWLED. Original HTTP response code number = 5…",
                "Original HTTP response code number = 5…",
                "URL_UNREACHABLE",
                "URL_ERROR-ERROR_…",
                "URL_CRAWLED … ERROR",
                "UNREACHABLE_5xx",
                "URL_REJECTED",
                "AttemptFinished … PERMISSION_DENIED",
                "AttemptFinished … DEADLINE_EXCEEDED",
                "AttemptFinished … UNAVAILABLE",
                "AttemptFinished … INTERNAL",
            )
        ),
        layer=Layer.DEPENDENCY,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.GENERIC,
        causes=("the target answers with an error", "missing authentication", "its deadline is short"),
        checks=(_JOB,),
        component=(r"jobs/([\w-]+)",),
        remedy="Read the target's lines at that time.",
        source="https://cloud.google.com/scheduler/docs/troubleshooting",
        example="AttemptFinished URL_ERROR-ERROR_AUTHENTICATION",
        near_miss="AttemptStarted",
    ),
    Signature(
        id="tasks-attempt-failed",
        product="Cloud Tasks",
        failure_class="upstream-dependency-error",
        title="A task's handler did not answer well",
        when=Predicate(
            (
                "attemptResponseLog … UNAVAILABLE",
                "attemptResponseLog … INTERNAL",
            ),
            fields=(PayloadField.JSON,),
        ),
        layer=Layer.DEPENDENCY,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.GENERIC,
        causes=("an error in the handler", "the dispatch deadline"),
        checks=(_QUEUE,),
        component=(r"queues/([\w-]+)",),
        remedy="Read the handler's lines of that task.",
        source="https://cloud.google.com/tasks/docs/common-pitfalls",
        example='{"attemptResponseLog": {"status": "UNAVAILABLE"}}',
        near_miss='{"attemptResponseLog": {"status": "OK"}}',
    ),
    Signature(
        id="tasks-handler-slow",
        product="Cloud Tasks",
        failure_class="request-timeout",
        title="A task's handler did not answer before the task's deadline",
        when=Predicate(("attemptResponseLog … DEADLINE_EXCEEDED",), fields=(PayloadField.JSON,)),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.PRODUCT,
        causes=(
            "the handler works longer than the task's dispatch deadline",
            "the deadline is shorter than it has to be",
        ),
        checks=(_QUEUE,),
        component=(r"queues/([\w-]+)",),
        remedy="Compare the attempt's duration with the dispatch deadline of the task.",
        source="https://cloud.google.com/tasks/docs/common-pitfalls",
        example='{"attemptResponseLog": {"status": "DEADLINE_EXCEEDED", "attemptDuration": "60s"}}',
        near_miss='{"attemptResponseLog": {"status": "OK", "attemptDuration": "60s"}}',
    ),
    Signature(
        id="workflows-failed",
        product="Workflows",
        failure_class="upstream-dependency-error",
        title="A workflow failed",
        when=Predicate(("exception", "FAILED"), logs=("executions_system",), pattern=r"(?i)\bstate\W+failed"),
        layer=Layer.DEPENDENCY,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.GENERIC,
        causes=("a called service failed", "a missing role", "an error that no step handles"),
        checks=("gcloud workflows executions list {workflow_id} --location={location} --project={project_id}",),
        remedy="Read the exception of the step that failed.",
        source="https://cloud.google.com/workflows/docs/troubleshoot",
        example='{"state": "FAILED", "exception": "HTTP server responded with error code 500"}',
        near_miss='{"state": "SUCCEEDED", "previous": "not FAILED"}',
    ),
    Signature(
        id="eventarc-delivery",
        product="Eventarc",
        failure_class="iam-permission-denied",
        title="Events cannot be delivered to their target",
        when=Predicate(
            (
                'Invalid resource state for "": Permission denied while using the Eventarc Service Agent',
                "Permission denied while using the Eventarc Service Agent",
                'Permission "eventarc.events.receiveEvent" denied',
                "eventarc.events.receiveEvent",
            )
        ),
        layer=Layer.PERMISSIONS,
        owner=LayerOwner.INFRASTRUCTURE,
        specificity=Specificity.EXACT,
        causes=("the trigger's account has no invoker or receiver role", "the service agent was just made"),
        checks=("gcloud eventarc triggers list --location={location} --project={project_id}",),
        component=(r"triggers/([\w-]+)",),
        remedy="Grant eventReceiver and run.invoker to the trigger's account.",
        source="https://cloud.google.com/eventarc/docs/troubleshooting",
        example="Permission denied while using the Eventarc Service Agent.",
        near_miss="The Eventarc Service Agent was created.",
    ),
)

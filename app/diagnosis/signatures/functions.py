"""Cloud Functions and App Engine."""

from functools import partial

from app.diagnosis.model import Layer
from app.diagnosis.signatures.model import Predicate, Signature, Specificity
from app.evidence.model import LayerOwner

_function = partial(Signature, product="Cloud Functions")
_app = partial(Signature, product="App Engine")
_DOCS = "https://cloud.google.com/functions/docs/troubleshooting"
_ENGINE = "https://cloud.google.com/appengine/docs/standard/troubleshooting"
_FUNCTION = "gcloud functions describe {function_name} --region={region} --project={project_id}"
_VERSIONS = "gcloud app versions list --service={module_id} --project={project_id}"
_NAME = (r"functions/([\w-]+)", r"Cloud Run service (?:\S+/)?([\w-]+?)[,.\s]")

SIGNATURES: tuple[Signature, ...] = (
    _function(
        id="function-memory",
        failure_class="memory-limit-exceeded",
        title="The function went over its memory limit",
        when=Predicate(
            ("Function invocation was interrupted. Error: memory limit exceeded", "Error: memory limit exceeded")
        ),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("the setting is below the need", "memory kept between calls"),
        checks=(_FUNCTION,),
        remedy="Raise the memory setting, or keep less between calls.",
        source=_DOCS,
        example="Function invocation was interrupted. Error: memory limit exceeded.",
        near_miss="Function execution took 3 ms.",
    ),
    _function(
        id="function-timeout",
        failure_class="request-timeout",
        title="The function ran into its time limit",
        when=Predicate(("finished with status: 'timeout'", "Finished with status: timeout", "invocation timed out")),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.PRODUCT,
        causes=("a promise that never ends", "a slow dependency", "a short limit"),
        checks=(_FUNCTION,),
        remedy="Find what the call waited for; end every path.",
        source=_DOCS,
        example="Function execution took 60003 ms, finished with status: 'timeout'",
        near_miss="Function execution took 3 ms, finished with status: 'ok'",
    ),
    _function(
        id="function-crash",
        failure_class="application-exception",
        title="The function crashed",
        when=Predicate(
            (
                "finished with status: 'crash'",
                "finished with status: 'error'",
                "finished with status: 'connection error'",
                "Finished with status code: 500",
                "Finished with status: error",
                "Finished with status: crash",
                "Process exited with code",
            )
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.GENERIC,
        causes=("an exception that nothing catches: the lines before name it", "the process ends itself"),
        checks=(_FUNCTION,),
        remedy="Read the lines of the same execution.",
        source=_DOCS,
        example="Function execution took 30 ms, finished with status: 'crash'",
        near_miss="Function execution took 30 ms. Finished with status code: 200",
    ),
    _function(
        id="function-load",
        failure_class="container-failed-to-start",
        title="The function's code cannot be loaded",
        when=Predicate(
            (
                "Function failed on loading user code",
                "Could not load the function, shutting down",
                "Provided code is not a loadable module",
                "Function cannot be initialized",
                "is not defined in the provided module",
                "Provided module can't be loaded",
                "User code failed to load",
                "MissingTargetException",
                "Did you specify the correct target function",
                "is decommissioned and no longer allowed",
            )
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.PRODUCT,
        causes=("an error at import", "a wrong entry point", "another runtime version"),
        checks=(_FUNCTION,),
        component=_NAME,
        remedy="Read the trace beside it, and compare the entry point with the code.",
        source=_DOCS,
        example="Function failed on loading user code. This is likely due to a bug in the user code.",
        near_miss="The function was loaded.",
    ),
    _function(
        id="function-health-check",
        failure_class="container-failed-to-start",
        title="The function's container does not start",
        when=Predicate(
            (
                "Container Healthcheck failed",
                "Could not create or update Cloud Run service",
                "Function deployment failed due to a health check failure",
                "Cloud Run error: Container Healthcheck failed",
            )
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.GENERIC,
        causes=("an error in the global scope", "the text after it: a quota"),
        checks=(_FUNCTION,),
        component=_NAME,
        remedy="Read the container's first lines of that deployment.",
        source=_DOCS,
        example="Could not create or update Cloud Run service hook, Container Healthcheck failed.",
        near_miss="Cloud Run service hook was updated.",
    ),
    _function(
        id="function-build",
        failure_class="build-failed",
        title="The function could not be built",
        when=Predicate(
            ("Build failed with status: FAILURE", "Build failed:", "Build error details"),
            resources=("cloud_function", "cloud_run_revision", "audited_resource", "build"),
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.GENERIC,
        causes=("installing or compiling failed: the build's lines name it",),
        checks=(_FUNCTION,),
        component=_NAME,
        remedy="Read the build's log.",
        source=_DOCS,
        example="Build failed: npm ERR! missing script",
        near_miss="Build succeeded",
    ),
    _function(
        id="function-account",
        failure_class="iam-permission-denied",
        title="The deployer may not act as the runtime account",
        when=Predicate(("Missing necessary permission iam.serviceAccounts.actAs for", "iam.serviceAccounts.actAs")),
        layer=Layer.PERMISSIONS,
        owner=LayerOwner.INFRASTRUCTURE,
        specificity=Specificity.EXACT,
        causes=("no serviceAccountUser role on the runtime account", "the account is gone"),
        checks=("gcloud iam service-accounts list --project={project_id}",),
        component=(r"(?<![\w.@-])([\w.-]{1,64}@[\w.-]{1,64}gserviceaccount\.com)",),
        remedy="Grant roles/iam.serviceAccountUser on the runtime account to the deployer.",
        source="https://cloud.google.com/iam/docs/service-account-permissions",
        example="Missing necessary permission iam.serviceAccounts.actAs for a@p.iam.gserviceaccount.com.",
        near_miss="All permissions are there.",
    ),
    _app(
        id="gae-deadline",
        failure_class="request-timeout",
        title="A request ran into its deadline",
        when=Predicate(
            (
                "Process terminated because the request deadline was exceeded",
                "the request deadline was exceeded",
                "Error code 123",
                "DeadlineExceededError",
            )
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.PRODUCT,
        causes=("a slow handler or first request",),
        checks=(_VERSIONS,),
        remedy="Move long work to tasks, or use another scaling kind.",
        source=_ENGINE,
        example="Process terminated because the request deadline was exceeded. (Error code 123)",
        near_miss="The request took 3 s.",
    ),
    _app(
        id="gae-no-instance",
        failure_class="no-available-instance",
        title="Requests waited too long for an instance",
        when=Predicate(("Request was aborted after waiting too long to attempt to service your request",)),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.PRODUCT,
        causes=("the maximum of instances", "a slow start", "a burst"),
        checks=(_VERSIONS,),
        remedy="Raise the maximum, keep idle instances, and shorten the start.",
        source=_ENGINE,
        example="Request was aborted after waiting too long to attempt to service your request.",
        near_miss="The request was served.",
    ),
    _app(
        id="gae-memory",
        failure_class="memory-limit-exceeded",
        title="The instance went over its memory limit",
        when=Predicate(
            (
                "Exceeded soft memory limit of",
                "Exceeded soft private memory limit of",
                "Exceeded hard memory limit",
                "this process exceeded its memory limit",
                "found that this process was using too much memory",
            )
        ),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("the instance class is too small", "a leak", "too many workers"),
        checks=(_VERSIONS,),
        remedy="Choose a larger instance class, or fewer workers.",
        source=_ENGINE,
        example="Exceeded soft memory limit of 256 MB with 270 MB after servicing 9 requests total.",
        near_miss="The memory limit is 256 MB.",
    ),
    _app(
        id="gae-flex-unhealthy",
        failure_class="health-probe-failed",
        title="A deployment did not become healthy",
        when=Predicate(
            ("Your deployment has failed to become healthy in the allotted time", "Readiness check … failing")
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.PRODUCT,
        causes=("not listening on 8080", "the readiness path", "a slow start"),
        checks=(_VERSIONS,),
        remedy="Listen on 8080, and answer the readiness path early.",
        source="https://cloud.google.com/appengine/docs/flexible/troubleshooting",
        example="Your deployment has failed to become healthy in the allotted time and therefore was rolled back.",
        near_miss="Your deployment is healthy.",
    ),
    _app(
        id="gae-start",
        failure_class="container-failed-to-start",
        title="The application does not start",
        when=Predicate(
            (
                "Application startup error!",
                "Container failed",
                "Instance startup failed",
                "Process terminated because it failed to respond to the start request",
            ),
            resources=("gae_app", "gae_instance", "build"),
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.GENERIC,
        causes=("a crash at start: the lines beside it name it",),
        checks=(_VERSIONS,),
        remedy="Read the application's own first lines.",
        source="https://cloud.google.com/appengine/docs/flexible/troubleshooting",
        example="Application startup error!",
        near_miss="Application startup complete.",
    ),
    _app(
        id="gae-process-exit",
        failure_class="application-exception",
        title="The process that served a request ended",
        when=Predicate(
            (
                "A serious problem was encountered with the process that handled this request",
                "A problem was encountered with the process that handled this request",
            )
        ),
        layer=Layer.APPLICATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.PRODUCT,
        causes=("an exit in handler or start",),
        checks=(_VERSIONS,),
        remedy="Read the lines of the same request.",
        source=_ENGINE,
        example="A serious problem was encountered with the process that handled this request, causing it to exit.",
        near_miss="The process handled this request.",
    ),
)

"""Services of third parties that programs depend on: document stores, search, queues, mail, payment and model APIs."""

from functools import partial

from app.diagnosis.model import Layer
from app.diagnosis.signatures.model import Predicate, Signature, Specificity
from app.evidence.model import LayerOwner

_service = partial(
    Signature,
    layer=Layer.DEPENDENCY,
    owner=LayerOwner.DEVELOPERS,
    checks=("gcloud run services describe {service_name} --region={location} --project={project_id}",),
)
_HOST = (r"(?<![\w.-])([\w-]{1,63}(?:\.[\w-]{1,63}){1,8}:\d{2,5})", r"(\[(?:public|private)-ip\]:\d{2,5})")

SIGNATURES: tuple[Signature, ...] = (
    _service(
        id="mongodb-unreachable",
        product="MongoDB",
        failure_class="upstream-dependency-error",
        title="MongoDB cannot be reached",
        when=Predicate(
            (
                "MongoServerSelectionError",
                "MongooseServerSelectionError",
                "MongoNetworkError",
                "MongoNetworkTimeoutError",
                "ServerSelectionTimeoutError",
                "MongoTimeoutException",
                "Could not connect to any servers in your MongoDB Atlas cluster",
                "pymongo.errors.AutoReconnect",
                "buffering timed out after",
            )
        ),
        specificity=Specificity.PRODUCT,
        causes=(
            "the service's egress address is not on the database's access list",
            "the cluster is paused or down",
            "no path from the service's network",
        ),
        component=_HOST,
        remedy="Compare the service's egress address with the access list, then the cluster's state.",
        source="https://www.mongodb.com/docs/atlas/troubleshoot-connection/",
        example="MongoServerSelectionError: connection timed out",
        near_miss="connected to MongoDB",
    ),
    _service(
        id="search-unreachable",
        product="Elasticsearch",
        failure_class="upstream-dependency-error",
        title="The search service fails",
        when=Predicate(
            (
                "elasticsearch.exceptions.ConnectionTimeout",
                "elasticsearch.exceptions.ConnectionError",
                "NoNodeAvailableException",
                "No Living connections",
                "all shards failed",
                "ClusterBlockException",
                "circuit_breaking_exception",
            )
        ),
        specificity=Specificity.PRODUCT,
        causes=("the cluster is down, full or overloaded", "no path to it"),
        component=_HOST,
        remedy="See the cluster's health, then the path to it.",
        source="https://www.elastic.co/guide/en/elasticsearch/reference/current/troubleshooting.html",
        example="elasticsearch.exceptions.ConnectionTimeout: ConnectionTimeout caused by ReadTimeoutError",
        near_miss="elasticsearch answered in 3 ms",
    ),
    _service(
        id="broker-unreachable",
        product="Kafka and AMQP",
        failure_class="upstream-dependency-error",
        title="The message broker cannot be reached",
        when=Predicate(
            (
                "NoBrokersAvailable",
                "KafkaConnectionError",
                "KafkaTimeoutError",
                "KafkaJSConnectionError",
                "KafkaJSNumberOfRetriesExceeded",
                "Bootstrap broker … disconnected",
                "Connection to node … could not be established. Broker may not be available",
                "org.apache.kafka.common.errors.TimeoutException",
                "AMQPConnectionError",
                "AMQPConnectorException",
                "kombu.exceptions.OperationalError",
                "celery … Cannot connect to",
            )
        ),
        specificity=Specificity.PRODUCT,
        causes=("the broker is down", "no path to it", "its advertised address is another"),
        component=_HOST,
        remedy="See the broker's state and advertised address, then the path to it.",
        source="https://kafka.apache.org/documentation/",
        example="kafka.errors.NoBrokersAvailable: NoBrokersAvailable",
        near_miss="kafka: broker 1 is available",
    ),
    _service(
        id="mail-refused",
        product="SMTP",
        failure_class="upstream-dependency-error",
        title="Mail cannot be handed over",
        when=Predicate(
            (
                "SMTPServerDisconnected",
                "SMTPConnectError",
                "SMTPException",
                "SMTPRecipientsRefused",
                "javax.mail.MessagingException",
                "Greeting never received",
            )
        ),
        specificity=Specificity.PRODUCT,
        causes=("the relay is down or refuses the sender", "port 25 is blocked on Google Cloud"),
        component=_HOST,
        remedy="Use the relay's port 587 or its HTTP interface.",
        source="https://cloud.google.com/compute/docs/tutorials/sending-mail",
        example="smtplib.SMTPServerDisconnected: Connection unexpectedly closed",
        near_miss="SMTP: message accepted",
    ),
    _service(
        id="partner-credentials",
        product="Partner APIs",
        failure_class="credentials-invalid",
        title="A partner's service refuses our key or login",
        when=Predicate(
            (
                "MongoError: Authentication failed",
                "MongoServerError: Authentication failed",
                "SMTPAuthenticationError",
                "openai.AuthenticationError",
                "Incorrect API key provided",
                "anthropic.AuthenticationError",
                "stripe.error.AuthenticationError",
                "StripeAuthenticationError",
                "Invalid API Key provided",
                "InvalidClientTokenId",
                "InvalidAccessKeyId",
                "SignatureDoesNotMatch",
                "MongoServerError: bad auth",
                "Authentication failed … MongoServerError",
                "could not read Username for 'https://",
            )
        ),
        specificity=Specificity.EXACT,
        causes=("the key was rotated, revoked or never set on this revision",),
        remedy="Put the current key into the secret, and deploy a revision that reads it.",
        source="https://cloud.google.com/secret-manager/docs/best-practices",
        example="openai.AuthenticationError: Error code: 401",
        near_miss="openai client was made",
    ),
    _service(
        id="partner-rate",
        product="Partner APIs",
        failure_class="api-rate-limit-exceeded",
        title="A partner's service refuses calls for their rate",
        when=Predicate(
            (
                "openai.RateLimitError",
                "anthropic.RateLimitError",
                "stripe.error.RateLimitError",
                "StripeRateLimitError",
                "overloaded_error",
                "RequestLimitExceeded",
                "Error code: 429",
            )
        ),
        specificity=Specificity.EXACT,
        causes=("more calls than the plan allows", "no back-off"),
        remedy="Back off, batch, or raise the plan.",
        source="https://cloud.google.com/architecture/rate-limiting-strategies-techniques",
        example="openai.RateLimitError: Error code: 429",
        near_miss="openai answered",
    ),
    _service(
        id="partner-failed",
        product="Partner APIs",
        failure_class="upstream-dependency-error",
        title="A partner's service fails",
        when=Predicate(
            (
                "openai.APIConnectionError",
                "openai.APITimeoutError",
                "openai.InternalServerError",
                "anthropic.APIConnectionError",
                "anthropic.InternalServerError",
                "stripe.error.APIConnectionError",
                "StripeConnectionError",
                "StripeAPIError",
                "botocore.exceptions.EndpointConnectionError",
                "botocore.exceptions.ConnectTimeoutError",
                "twilio.base.exceptions.TwilioRestException",
                "FirebaseError: Error while making request",
            )
        ),
        specificity=Specificity.PRODUCT,
        causes=("the partner's service is down or slow", "no path to it"),
        remedy="See the partner's status page, then the egress path.",
        source="https://cloud.google.com/architecture/scalable-and-resilient-apps",
        example="stripe.error.APIConnectionError: Unexpected error communicating",
        near_miss="stripe answered",
    ),
)

"""Memorystore for Redis as its clients see it."""

from functools import partial

from app.diagnosis.model import Layer
from app.diagnosis.signatures.model import Predicate, Signature, Specificity
from app.evidence.model import LayerOwner, ProbeKind

_redis = partial(Signature, product="Memorystore")
_DOCS = "https://cloud.google.com/memorystore/docs/redis/"
_INSTANCES = "gcloud redis instances list --region={location} --project={project_id}"
_CONNECTORS = "gcloud compute networks vpc-access connectors list --region={location} --project={project_id}"
_ADDRESS = (
    r"connecting to ([\w.\[\]-]+:\d+)",
    r"(?:ETIMEDOUT|ECONNREFUSED) ([\w.\[\]-]+:6379)",
    r"(?<![\w.\[\]-])([\w.\[\]-]{1,100}:6379)",
)

SIGNATURES: tuple[Signature, ...] = (
    _redis(
        id="redis-unreachable",
        failure_class="redis-unavailable",
        title="Redis cannot be reached",
        when=Predicate(
            (
                "ClusterAllFailedError",
                "Failed to refresh slots cache",
                "Reached the max retries per request limit",
                "redis: connection refused",
                "Error while reading from …:6379",
                "Command timed out … lettuce",
                "RedisCommandTimeoutException",
                "RedisTimeoutException",
                "redis.exceptions.ConnectionError",
                "redis.exceptions.TimeoutError",
                "Error 111 connecting to",
                "Error 110 connecting to",
                "Error 113 connecting to",
                "Error -2 connecting to",
                "connect ETIMEDOUT …:6379",
                "connect ECONNREFUSED …:6379",
                "dial tcp …:6379:",
                "MaxRetriesPerRequestError",
                "Redis connection to … failed",
                "RedisConnectionException",
                "RedisConnectionFailureException",
                "JedisConnectionException",
                "RedisException: Connection timed out",
                "RedisException: Connection refused",
                "RedisException: Operation timed out",
                "RedisException: read error on connection",
                "RedisException: php_network_getaddresses",
                "Predis…ConnectionException",
                "Unable to connect to Redis",
                "Redis::CannotConnectError",
                "redis: connection pool timeout",
                "It was not possible to connect to the redis server",
                "Timeout reading from socket",
                "Socket closed unexpectedly",
            )
        ),
        layer=Layer.INFRASTRUCTURE,
        owner=LayerOwner.INFRASTRUCTURE,
        specificity=Specificity.PRODUCT,
        causes=(
            "refused: the instance is down, or wrong port",
            "timeout: no path from the service's network to its private address",
            "the name is unknown",
        ),
        checks=(_INSTANCES, _CONNECTORS),
        component=_ADDRESS,
        remedy="See the instance's state and network, then the service's egress.",
        source=_DOCS + "troubleshoot-issues",
        example="redis.exceptions.ConnectionError: Error 111 connecting to 10.0.0.4:6379. Connection refused.",
        near_miss="connected to 10.0.0.4:6379",
        confirmed_by=(ProbeKind.REDIS, ProbeKind.VPC_CONNECTOR),
        refuted_by=(ProbeKind.REDIS,),
    ),
    _redis(
        id="redis-full",
        failure_class="redis-unavailable",
        title="Redis has no memory left",
        when=Predicate(
            ("OOM command not allowed when used memory", "MISCONF Redis is configured to save RDB snapshots")
        ),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("keys without expiry", "a policy that evicts nothing"),
        checks=(_INSTANCES,),
        component=_ADDRESS,
        remedy="Give keys an expiry, choose an evicting policy, or enlarge the instance.",
        source=_DOCS + "memory-management-best-practices",
        example="OOM command not allowed when used memory > 'maxmemory'.",
        near_miss="used memory: 3 GB",
        confirmed_by=(ProbeKind.REDIS,),
    ),
    _redis(
        id="redis-auth",
        failure_class="redis-unavailable",
        title="Redis refuses the client's password",
        when=Predicate(
            (
                "NOPERM",
                "called without any password configured",
                "NOAUTH Authentication required",
                "WRONGPASS",
                "ERR AUTH",
                "ERR invalid password",
            )
        ),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("authentication is on and the client sends none", "a rotated string"),
        checks=(_INSTANCES,),
        component=_ADDRESS,
        remedy="Give the client the instance's current authentication string.",
        source=_DOCS + "about-redis-auth",
        example="NOAUTH Authentication required.",
        near_miss="Authentication was accepted.",
        confirmed_by=(ProbeKind.REDIS,),
    ),
    _redis(
        id="redis-failover",
        failure_class="redis-unavailable",
        title="Redis fails over or is scaled",
        when=Predicate(
            (
                "READONLY You can't write against a read only",
                "LOADING Redis is loading the dataset in memory",
                "MASTERDOWN",
                "CLUSTERDOWN",
                "UNBLOCKED force unblock from blocking operation",
            )
        ),
        layer=Layer.PLATFORM,
        owner=LayerOwner.INFRASTRUCTURE,
        specificity=Specificity.EXACT,
        causes=("maintenance, failover or scaling", "the client uses the read endpoint"),
        checks=(_INSTANCES,),
        component=_ADDRESS,
        remedy="Let clients reconnect and retry; compare with the instance's operations.",
        source=_DOCS + "high-availability-for-memorystore-for-redis",
        example="READONLY You can't write against a read only replica.",
        near_miss="The replica is in sync.",
        confirmed_by=(ProbeKind.REDIS,),
    ),
    _redis(
        id="redis-clients",
        failure_class="redis-unavailable",
        title="Redis has too many clients",
        when=Predicate(("max number of clients reached",)),
        layer=Layer.CONFIGURATION,
        owner=LayerOwner.DEVELOPERS,
        specificity=Specificity.EXACT,
        causes=("connections are not given back", "a pool for each request"),
        checks=(_INSTANCES,),
        component=_ADDRESS,
        remedy="Use one bounded pool for each process.",
        source="https://redis.io/docs/latest/develop/reference/clients/",
        example="ERR max number of clients reached",
        near_miss="connected clients: 10",
        confirmed_by=(ProbeKind.REDIS,),
    ),
)

"""PURE apart from the cluster's random id: the files a small Kafka node is configured by."""

import base64
import secrets
from collections.abc import Mapping

from posta_sandbox.embedded.ports import LOOPBACK

CONFIG = "server.properties"
LOGGING_CONFIG = "log4j2.properties"
DATA = "data"
"""These are relative to the home, in which the broker runs: a comma or an accent in an
absolute path would be read as a list or in the wrong encoding."""

LOGGING = """\
# Warnings and errors only, to standard output, which is the server's log file.
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSX}{UTC} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


def cluster_id() -> str:
    """Return a new id: 16 random bytes in URL-safe base64, 22 characters, not beginning with `-`."""
    while True:
        text = base64.urlsafe_b64encode(secrets.token_bytes(16)).decode("ascii").rstrip("=")
        if not text.startswith("-"):
            return text


def server_properties(*, port: int, controllers: Mapping[int, int], node_id: int = 1) -> str:
    """Return `server.properties` of a node that is broker and controller, on loopback only.

    `controllers` maps every node of the cluster to its controller port. With three nodes or more
    each partition is kept three times and a write with `acks=all` needs two of them, as in production.
    """
    copies = min(3, len(controllers))
    in_sync = max(1, copies - 1)
    settings = {
        "process.roles": "broker,controller",
        "node.id": node_id,
        "controller.quorum.voters": ",".join(
            f"{node}@{LOOPBACK}:{at}" for node, at in sorted(controllers.items())
        ),
        "listeners": f"PLAINTEXT://{LOOPBACK}:{port},CONTROLLER://{LOOPBACK}:{controllers[node_id]}",
        "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "log.dirs": DATA,
        # Topics are declared in posta.topics and applied by a command, never by accident.
        "auto.create.topics.enable": "false",
        "num.partitions": 4,
        "default.replication.factor": copies,
        "min.insync.replicas": in_sync,
        # Everything internal is kept in few partitions.
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": in_sync,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": copies,
        "share.coordinator.state.topic.min.isr": in_sync,
        "share.coordinator.state.topic.num.partitions": 4,
        # Members join at once, and tests may use short sessions.
        "group.initial.rebalance.delay.ms": 0,
        "group.min.session.timeout.ms": 1000,
        # A killed broker may come back only when its old session has ended: 9 s by default.
        "broker.session.timeout.ms": 3000,
        "broker.heartbeat.interval.ms": 500,
        # Small: two cores, little memory, sparse index files of 1 MiB.
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        "log.cleaner.dedupe.buffer.size": 2_097_152,
        "log.index.size.max.bytes": 1_048_576,
    }
    return "".join(f"{key}={value}\n" for key, value in settings.items())

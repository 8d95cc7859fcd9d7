"""Apache Kafka, one KRaft node, from jars on the bundled Java."""

import asyncio
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from posta_sandbox.embedded.child import Child, Command
from posta_sandbox.embedded.errors import StartFailed
from posta_sandbox.embedded.jars import JarStore
from posta_sandbox.embedded.java import java_argv
from posta_sandbox.embedded.kafka_config import DATA, LOGGING, cluster_id, server_properties
from posta_sandbox.embedded.ports import LOOPBACK
from posta_sandbox.embedded.server import EmbeddedServer, listens, plain_environment

_FORMAT_TIMEOUT_S = 60.0
_PROBE_TIMEOUT_MS = 3_000


class EmbeddedKafka(EmbeddedServer):
    """A real broker on loopback; its topics outlive stops and kills.

    `home` gets configuration, log and data. `port` None: a free one, the same after a restart if
    still free. `heap_mb`: the most Java heap it may use, in MiB.
    """

    name = "kafka"
    start_timeout_s = 60.0

    def __init__(self, home: Path, *, port: int | None = None, heap_mb: int = 256) -> None:
        super().__init__(home)
        self._asked_port = port
        self._heap_mb = heap_mb
        self._config = self.home / "server.properties"
        self._class_path: list[Path] = []
        self.bootstrap_servers = ""

    async def _prepare(self) -> None:
        self._class_path = await JarStore().class_path("kafka")
        port = self.ports.choose("kafka", self._asked_port)
        controller_port = self.ports.choose("kafka-controller")
        self.bootstrap_servers = f"{LOOPBACK}:{port}"
        self._config.write_text(
            server_properties(port=port, controller_port=controller_port),
            encoding="utf-8",
        )
        (self.home / "log4j2.properties").write_text(LOGGING, encoding="utf-8")
        if not (self.home / DATA / "meta.properties").exists():
            await self._format()

    async def _format(self) -> None:
        arguments = ("format", "-t", cluster_id(), "-c", str(self._config), "--ignore-formatted")
        child = Child(self._run("kafka.tools.StorageTool", *arguments))
        child.start()
        try:
            async with asyncio.timeout(_FORMAT_TIMEOUT_S):
                code = await child.wait()
        finally:
            child.kill()
        if code != 0:
            raise StartFailed(f"kafka's data folder could not be formatted; see {self.log}")

    def _command(self) -> Command:
        return self._run("kafka.Kafka", str(self._config))

    def _run(self, main_class: str, *arguments: str) -> Command:
        return Command(
            argv=java_argv(
                main_class,
                *arguments,
                class_path=self._class_path,
                heap_mb=self._heap_mb,
                home=self.home,
                properties={"log4j2.configurationFile": "log4j2.properties"},
            ),
            log=self.log,
            cwd=self.home,
            env=plain_environment(self.home),
        )

    async def _answers(self) -> bool:
        host, port = self.bootstrap_servers.split(":")
        return await listens(host, int(port)) and await can_create_topics(self.bootstrap_servers)


async def can_create_topics(bootstrap_servers: str) -> bool:
    """Whether the cluster would create a topic now (it is asked, nothing is created)."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=_PROBE_TIMEOUT_MS)
    try:
        await client.start()
        topic = NewTopic("posta-readiness-probe", num_partitions=1, replication_factor=1)
        response = await client.create_topics([topic], validate_only=True)
    except (KafkaError, OSError):
        return False
    finally:
        await client.close()
    return all(error[1] == 0 for error in response.topic_errors)

"""Apache Kafka, one KRaft node, from jars on the bundled Java."""

import asyncio
import tempfile
from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from posta_sandbox.embedded.archive import Flags, archive_flags
from posta_sandbox.embedded.child import Child, Command, log_tail
from posta_sandbox.embedded.errors import StartFailed
from posta_sandbox.embedded.jars import JarStore
from posta_sandbox.embedded.java import java_argv
from posta_sandbox.embedded.kafka_config import (
    CONFIG,
    DATA,
    LOGGING,
    LOGGING_CONFIG,
    cluster_id,
    server_properties,
)
from posta_sandbox.embedded.ports import LOOPBACK
from posta_sandbox.embedded.server import ATTEMPTS, EmbeddedServer, listens, plain_environment

_FORMAT_TIMEOUT_S = 60.0
_RECORDING_STOP_S = 60.0
"""Writing the archive is part of the stop: 4 s on an idle machine."""
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
        self._class_path: list[Path] = []
        self._flags: Flags = ()
        self.bootstrap_servers = ""

    async def _prepare(self, attempt: int) -> None:
        jars = JarStore()
        self._class_path = await jars.class_path("kafka")
        # The last attempt is plain, in case it is the archive that is damaged.
        self._flags = await self._java_flags(jars.folder) if attempt < ATTEMPTS else ()
        port = self.ports.choose("kafka", self._asked_port)
        self.bootstrap_servers = f"{LOOPBACK}:{port}"
        (self.home / CONFIG).write_text(self._properties(port), encoding="utf-8")
        (self.home / LOGGING_CONFIG).write_text(LOGGING, encoding="utf-8")
        if not (self.home / DATA / "meta.properties").exists():
            await self._format()

    def _properties(self, port: int) -> str:
        """The node's configuration: a cluster of one."""
        return server_properties(port=port, controllers={1: self.ports.choose("kafka-controller")})

    def _cluster_id(self) -> str:
        """The id that the data folder is given when it is made."""
        return cluster_id()

    async def _java_flags(self, cache: Path) -> Flags:
        return await archive_flags(cache, self._class_path, _record)

    async def _format(self) -> None:
        arguments = ("format", "-t", self._cluster_id(), "-c", CONFIG, "--ignore-formatted")
        child = Child(self._run("kafka.tools.StorageTool", *arguments))
        child.start()
        try:
            async with asyncio.timeout(_FORMAT_TIMEOUT_S):
                code = await child.wait()
        except TimeoutError:
            code = None
        finally:
            child.kill()
        if code != 0:
            raise StartFailed(
                f"kafka's data folder could not be formatted; the end of {self.log}:\n{log_tail(self.log)}"
            )

    def _command(self) -> Command:
        return self._run("kafka.Kafka", CONFIG)

    def _run(self, main_class: str, *arguments: str) -> Command:
        return Command(
            argv=java_argv(
                main_class,
                *arguments,
                class_path=self._class_path,
                heap_mb=self._heap_mb,
                home=self.home,
                flags=self._flags,
                properties={"log4j2.configurationFile": LOGGING_CONFIG},
            ),
            log=self.log,
            cwd=self.home,
            env=plain_environment(self.home),
        )

    async def _answers(self) -> bool:
        host, port = self.bootstrap_servers.split(":")
        return await listens(host, int(port)) and await can_create_topics(self.bootstrap_servers)


class _Recorded(EmbeddedKafka):
    """A broker whose classes are being recorded while it runs."""

    def __init__(self, home: Path, recording: Flags) -> None:
        super().__init__(home)
        self._recording = recording

    async def _java_flags(self, cache: Path) -> Flags:
        del cache
        return ()  # the format is not what should be recorded

    def _command(self) -> Command:
        self._flags = self._recording
        return super()._command()


async def _record(recording: Flags) -> None:
    """Run a broker once, from format to stop, with the flags that record its classes."""
    with tempfile.TemporaryDirectory(prefix="posta-recording-") as folder:
        broker = _Recorded(Path(folder), recording)
        await broker.start()
        await broker.stop(_RECORDING_STOP_S)


async def can_create_topics(bootstrap_servers: str) -> bool:
    """Whether the cluster would create a topic now (it is asked, nothing is created)."""
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap_servers, request_timeout_ms=_PROBE_TIMEOUT_MS)
    try:
        await client.start()
        topic = NewTopic("posta-readiness-probe", num_partitions=1, replication_factor=1)
        response = await client.create_topics([topic], validate_only=True)
    except (KafkaError, OSError):
        return False
    except AttributeError:
        # aiokafka asks the controller, and takes it for granted that the metadata name one.
        if client._client.cluster.controller is None:  # noqa: SLF001 - there is no other way to know
            return False
        raise
    finally:
        await client.close()
    return all(error[1] == 0 for error in response.topic_errors)

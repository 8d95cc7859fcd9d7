"""Apache Kafka as a cluster of three nodes, each a process that a test may kill, freeze and start again."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from posta_sandbox.embedded.errors import home_errors
from posta_sandbox.embedded.kafka import EmbeddedKafka
from posta_sandbox.embedded.kafka_config import cluster_id, server_properties
from posta_sandbox.embedded.ports import PortBook

_NODES = 3
_ID_FILE = "cluster.id"


class KafkaNode(EmbeddedKafka):
    """One of the nodes, broker and controller at once.

    It counts as started when the cluster would create a topic, so while the others are away
    too, start them at the same time: a quorum is needed for an answer.
    """

    def __init__(
        self, home: Path, *, node_id: int, controllers: Mapping[int, int], cluster: str, heap_mb: int
    ) -> None:
        super().__init__(home, heap_mb=heap_mb)
        self.node_id = node_id
        self._controllers = controllers
        self._cluster = cluster

    def _properties(self, port: int) -> str:
        # The others know this port by number, so it is that one or none.
        self.ports.choose("kafka-controller", self._controllers[self.node_id])
        return server_properties(port=port, controllers=self._controllers, node_id=self.node_id)

    def _cluster_id(self) -> str:
        return self._cluster


class EmbeddedKafkaCluster:
    """Three nodes on loopback; their topics outlive stops and kills.

    `home` gets a folder for each node. `nodes` maps ids, 1 to 3, to nodes once it was started;
    `bootstrap_servers` names all of them. Each takes about 250 MiB: `heap_mb` is the most Java
    heap of one, in MiB.
    """

    def __init__(self, home: Path, *, heap_mb: int = 256) -> None:
        self._home = home.absolute()
        self._heap_mb = heap_mb
        self.nodes: dict[int, KafkaNode] = {}

    @property
    def bootstrap_servers(self) -> str:
        """Every node's `host:port`, separated by commas."""
        return ",".join(node.bootstrap_servers for node in self.nodes.values())

    async def start(self) -> None:
        """Start every node that does not run, all at once; return when all answer.

        Raises EmbeddedError (see `errors.py`) when one cannot run; those that do are stopped then.
        """
        with home_errors(self._home):
            self.nodes = self.nodes or self._plan()
        try:
            async with asyncio.TaskGroup() as starting:
                for node in self.nodes.values():
                    starting.create_task(node.start())
        except ExceptionGroup as failed:
            await self.stop()
            # One reason is enough: the others failed with it, or because of it.
            raise failed.exceptions[0] from failed

    async def stop(self, timeout_s: float = 10) -> None:
        """End every node: asked first, killed after `timeout_s` seconds."""
        # One after the other: the last of them cannot hand over and would wait in vain.
        for node in list(self.nodes.values())[:-1]:
            await node.stop(timeout_s)
        for node in list(self.nodes.values())[-1:]:
            await node.stop(min(timeout_s, 3))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.stop()

    def _plan(self) -> dict[int, KafkaNode]:
        self._home.mkdir(parents=True, exist_ok=True)
        book, ids = PortBook(self._home), range(1, _NODES + 1)
        controllers = {number: book.choose(f"controller-{number}") for number in ids}
        return {
            number: KafkaNode(
                self._home / f"node-{number}",
                node_id=number,
                controllers=controllers,
                cluster=self._read_id(),
                heap_mb=self._heap_mb,
            )
            for number in ids
        }

    def _read_id(self) -> str:
        path = self._home / _ID_FILE
        if not path.exists():
            path.write_text(cluster_id(), encoding="utf-8")
        return path.read_text(encoding="utf-8")

"""Named points at which a member kills itself with SIGKILL, as ``kill -9`` at that very moment would.

began        a handler was called
handled      it did its work; nothing of it is published
publishing   a publish is about to be sent (results, lanes and dead letters alike)
published    Kafka confirmed it; nothing of it is committed
committing   a commit has been given to the client, which is sending it
committed    Kafka confirmed the commit
"""

import asyncio
import os
import signal
from collections import Counter
from typing import Any

from aiokafka import AIOKafkaConsumer


class KillPoints:
    """Counts passages; ``at`` is ``<point>:<times>``, or empty."""

    def __init__(self, at: str) -> None:
        self._point, _, times = at.partition(":")
        self._times = int(times or 0)
        self._passages: Counter[str] = Counter()

    def passed(self, point: str) -> None:
        """Die here if it is time."""
        self._passages[point] += 1
        if point == self._point and self._passages[point] == self._times:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch_commits(self) -> None:
        """Make the client's own commit pass its two points."""
        original, points = AIOKafkaConsumer.commit, self

        async def commit(consumer: AIOKafkaConsumer, *arguments: Any) -> None:
            sending = asyncio.ensure_future(original(consumer, *arguments))
            await asyncio.sleep(0)  # lets it write to its socket
            points.passed("committing")
            await sending
            points.passed("committed")

        AIOKafkaConsumer.commit = commit

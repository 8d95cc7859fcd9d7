"""Commits watermarks, and what is finished above them: explicit offsets, bounded in time.

A commit that fails costs nothing but work done twice after a crash, so it is counted and left to
the next one. Never without explicit offsets: the assignment can change under the call (A1).
"""

import asyncio
from collections.abc import Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from aiokafka.structs import OffsetAndMetadata

from posta.domain.commit_metadata import MAX_BYTES, encode
from posta.engine.membership import is_forgotten
from posta.engine.meters import Meters
from posta.engine.partition import Partition
from posta.tasks import within
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_TIMEOUT_S = 3.0
_CROWDED_SHARE = 0.75
"""Of the metadata's room; beyond it the partition takes in nothing more (as Parallel Consumer does)."""


class Committer:
    """Commits what has moved; one at a time."""

    def __init__(self, group: str, partitions: Mapping[TopicPartition, Partition], meters: Meters) -> None:
        self._group = group
        self._meters = meters
        self._partitions = partitions
        self._turn = asyncio.Lock()

    async def commit(self, consumer: AIOKafkaConsumer) -> None:
        """Commit every watermark that moved since its last commit."""
        async with self._turn:
            moved = {
                partition: mark
                for partition in self._partitions.values()
                if (mark := partition.to_commit) is not None
            }
            if not moved:
                return
            if is_forgotten(consumer):
                # Without a member id the commit would count as an operator's, and be taken while the
                # group is empty: a zombie would undo what others have committed since.
                self._meters.committed("failed")
                log.warning("commit_failed", group=self._group, error="the group has forgotten this member")
                return
            offsets = {p.tp: _described(p, mark) for p, mark in moved.items()}
            for partition in moved:
                partition.unsaved = False
            try:
                # A12: commit() itself retries for ever.
                await within(_TIMEOUT_S, consumer.commit(offsets))
            except (TimeoutError, KafkaError) as exc:
                for partition in moved:
                    partition.unsaved = True
                self._meters.committed("failed")
                log.warning("commit_failed", group=self._group, error=type(exc).__name__)
                return
            self._meters.committed("ok")


def _described(partition: Partition, mark: int) -> OffsetAndMetadata:
    """The watermark and, in its metadata, what is finished above it."""
    # Also what an earlier owner finished and this one has not read yet: this commit replaces the one
    # that named it.
    text = encode(mark, partition.watermark.finished_above | partition.restored)
    partition.crowded = len(text) > _CROWDED_SHARE * MAX_BYTES
    return OffsetAndMetadata(mark, text)

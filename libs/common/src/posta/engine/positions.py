"""Decides where to read on when a partition has no offset of ours, or one that Kafka no longer has.

    no commit            ──▶ the beginning
    before the beginning ──▶ the beginning: what lay between is lost, and that is an ERROR with its numbers
    behind the end       ──▶ the beginning: the topic was made anew or cut short; better doubles than losses

aiokafka would do all three without a word (``auto_offset_reset``), so it is told ``none`` and asks us.
"""

import time
from collections.abc import Callable, Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from posta.tasks import within
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
NoPosition = (NoOffsetForPartitionError, OffsetOutOfRangeError)
"""What a poll raises when a partition has no position to be read from."""
_LOOK_UP_S = 5.0
_STALE_S = 2.0
_NONE = -1


class Positions:
    """Where one engine reads on; ``made_anew`` is told a partition whose offsets begin again."""

    def __init__(
        self, group: str, *, prefix: str, made_anew: Callable[[TopicPartition], object] = lambda _tp: None
    ) -> None:
        self._group = group
        self._made_anew = made_anew
        self._prefix = prefix
        self._moved: dict[TopicPartition, tuple[int, float]] = {}
        """The offset that could not be read, and when it was dealt with."""

    async def begin(self, consumer: AIOKafkaConsumer, fresh: Collection[TopicPartition]) -> None:
        """Read partitions that have no commit from their beginning.

        If Kafka does not say where that is, ``recover`` is asked for each of them later.
        """
        self._moved.clear()
        if not fresh:
            return
        try:
            begins = await within(_LOOK_UP_S, consumer.beginning_offsets(list(fresh)))
        except (TimeoutError, KafkaError) as exc:
            log.warning("beginnings_not_read", group=self._group, error=type(exc).__name__)
            return
        for tp, begin in begins.items():
            self._move(consumer, tp, _NONE, begin)

    async def recover(self, consumer: AIOKafkaConsumer, error: KafkaError) -> None:
        """Move the partition that ``error``, one of ``NoPosition``, names to where it can be read.

        Raises ``KafkaError`` or TimeoutError when Kafka does not say where that is.
        """
        for tp, offset in _named(error).items():
            if tp not in consumer.assignment() or self._is_known(tp, offset):
                continue
            begins = await within(_LOOK_UP_S, consumer.beginning_offsets([tp]))
            begin = begins[tp]
            if _NONE < offset < begin:
                self._lost(tp, offset, begin)
            elif offset > begin:
                self._beyond(tp, offset, begin)
                self._made_anew(tp)
            self._move(consumer, tp, offset, begin)

    def _is_known(self, tp: TopicPartition, offset: int) -> bool:
        """Whether the client repeats an error it met before we moved the partition."""
        moved, at = self._moved.get(tp, (None, 0.0))
        return moved == offset and time.monotonic() - at < _STALE_S

    def _move(self, consumer: AIOKafkaConsumer, tp: TopicPartition, failed: int, to: int) -> None:
        if tp in consumer.assignment():
            consumer.seek(tp, to)
            self._moved[tp] = failed, time.monotonic()

    def _lost(self, tp: TopicPartition, offset: int, begin: int) -> None:
        topic = tp.topic.removeprefix(self._prefix)
        names.OFFSETS_LOST.labels(self._group, topic).inc(begin - offset)
        names.POSITION_MOVED.labels(self._group, topic, "retention passed").inc()
        log.error(
            "records_lost_before_they_were_read",
            group=self._group,
            topic=topic,
            partition=tp.partition,
            from_offset=offset,
            to_offset=begin,
            lost=begin - offset,
        )

    def _beyond(self, tp: TopicPartition, offset: int, begin: int) -> None:
        topic = tp.topic.removeprefix(self._prefix)
        names.POSITION_MOVED.labels(self._group, topic, "behind the end").inc()
        log.error(
            "position_behind_the_end",
            group=self._group,
            topic=topic,
            partition=tp.partition,
            from_offset=offset,
            to_offset=begin,
            why="the topic was deleted and made anew, or its log was cut short",
        )


def _named(error: KafkaError) -> Mapping[TopicPartition, int]:
    """The partitions that the error is about, and the offset of each that could not be read."""
    about = error.args[0]
    return {about: _NONE} if isinstance(error, NoOffsetForPartitionError) else dict(about)

"""Brings the spool's events to Kafka in the order they were accepted, whenever Kafka is there."""

import asyncio
import time
from collections.abc import Sequence

from ingress.courier import Publisher
from ingress.spool import Spool
from ingress.spool_file import Spooled
from ingress.switch import Switch, Way
from posta.errors import Failure, Permanent, Transient
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_BATCH = 500
_BATCH_BYTES = 256 * 1024
"""Few enough that all are one batch for Kafka, also with what rounds before left in the client: so none of a
key is written before an earlier one that failed. See ``posta.kafka.producer.MAX_BATCH_BYTES``."""
_FEW = 100
"""So many more than a batch came while it was read; with them the spool runs empty within moments."""
_PUBLISH_S = 5.0
_SPOOL_S = 5.0
_PROBE_S = 2.0
_IDLE_S = 1.0
_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0
_STUCK_S = 30.0
"""Longer than every bounded wait of one round together."""


class Drainer:
    """The one task that empties the spool, and so the one that knows when Kafka is back."""

    def __init__(self, publisher: Publisher, spool: Spool, switch: Switch) -> None:
        self._publisher = publisher
        self._spool = spool
        self._switch = switch
        self._wait_s = _FIRST_WAIT_S
        self._met = False
        """Whether Kafka answered since events began to go to the spool."""
        self._delivered: set[str] = set()
        """Ids of events that Kafka has, while the file fails to forget them."""
        self._beat = time.monotonic()

    async def run(self) -> None:
        """Drain until cancelled; what is in the spool then stays for the next start."""
        while True:
            self._beat = time.monotonic()
            if not await self._switch.left_direct(timeout_s=_IDLE_S):
                self._met = False
                self._look_for_strays()
                continue
            try:
                await self._round()
            except Failure as exc:
                await self._back_off(exc)

    async def live_fault(self) -> str | None:
        """What is wrong with the drainer or the spool's thread, or None."""
        if not self._spool.alive:
            return "the spool's thread has ended"
        silent_s = time.monotonic() - self._beat
        return f"the drainer has been stuck for {silent_s:.0f} s" if silent_s > _STUCK_S else None

    async def ready_fault(self) -> str | None:
        """Why no event could be accepted now, or None: Kafka or the spool is enough."""
        if self._switch.way is Way.DIRECT:
            return None
        if self._spool.fault is not None:
            return f"Kafka is away and the spool fails: {self._spool.fault}"
        return "Kafka is away and the spool is full" if self._spool.full else None

    async def _back_off(self, failure: Failure) -> None:
        self._met = False
        names.LEGACY_RETRIES.inc()
        self._switch.to_spool()
        if self._wait_s == _FIRST_WAIT_S:
            log.warning("spool_not_drained", waiting=self._spool.depth, reason=str(failure))
        await asyncio.sleep(self._wait_s)
        self._wait_s = min(self._wait_s * 2, _LONGEST_WAIT_S)

    def _look_for_strays(self) -> None:
        """An event may reach the spool after its request gave up waiting for that."""
        if self._spool.depth:
            self._switch.to_spool()

    async def _round(self) -> None:
        """Drain one batch, or find that there is none. Raises ``Failure`` when Kafka or the file fails."""
        if not self._met:
            # Asked first, so that nothing piles up in the client while Kafka is away.
            self._met = await self._publisher.ready(timeout_s=_PROBE_S)
            if not self._met:
                raise Transient("Kafka does not answer")
        batch = await self._spool.first(_BATCH, max_bytes=_BATCH_BYTES, timeout_s=_SPOOL_S)
        if self._spool.contents.waiting - len(batch) <= _FEW:
            self._switch.to_handover()
        await self._deliver([record for record in batch if record.event_id not in self._delivered])
        if batch:
            await self._spool.remove(up_to=batch[-1].seq, timeout_s=_SPOOL_S)
            self._delivered.clear()
        self._wait_s = _FIRST_WAIT_S
        if self._spool.depth == 0:
            log.info("spool_empty_publishing_directly")
            self._switch.to_direct()

    async def _deliver(self, records: Sequence[Spooled]) -> None:
        """Publish in order within each topic; a key never has records in two."""
        by_topic: dict[str, list[Spooled]] = {}
        for record in records:
            by_topic.setdefault(record.topic, []).append(record)
        for topic, group in by_topic.items():
            try:
                await self._publish(topic, group)
            except Permanent:
                await self._deliver_singly(topic, group)
            self._delivered.update(record.event_id for record in group)

    async def _deliver_singly(self, topic: str, group: Sequence[Spooled]) -> None:
        """Find the records that Kafka will never take, and put them aside for an operator."""
        for record in group:
            try:
                await self._publish(topic, [record])
            except Permanent as exc:
                log.error("spooled_event_refused", event_id=record.event_id, topic=topic, reason=str(exc))
                await self._spool.refuse(record.seq, timeout_s=_SPOOL_S)

    async def _publish(self, topic: str, group: Sequence[Spooled]) -> None:
        await self._publisher.publish(topic, [record.wire for record in group], timeout_s=_PUBLISH_S)

"""Publishes on behalf of records in flight: in batches, until Kafka confirms or the record is not ours.

    records ─▶ one stream per topic ─▶ a batch at a time ─┬─ confirmed ─▶ its records go on
               (and partition, if given)                  └─ not ───────▶ again, less what is not ours

While a batch is on its way the next one collects, so a round trip is shared by all who wait for it.
What is bound for a topic that is *unhurried*, such as a lane, collects for ``_COLLECT_S`` at least, unless
it is the first for so long: a request to Kafka costs as much for one record as for fifty.
A failed publish never loses anything: the record it belongs to stays undone.
"""

import asyncio
import math
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from posta.domain.envelope import Wire
from posta.engine.blockage import Blockages
from posta.engine.partition import Partition
from posta.kafka.producer import Producer, PublishFailed, TooLarge
from posta.tasks import end

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_MOST_AT_ONCE = 500
_COLLECT_S = 0.1
Outgoing = tuple[str, Wire]
"""A topic, without the deployment's prefix, and a record for it."""


class Abandoned(Exception):
    """The partition was lost before the publish was confirmed; its next owner does it again."""


@dataclass(slots=True, eq=False)
class Parcel:
    """A record to be published, for one of ``partition``."""

    wire: Wire
    partition: Partition
    confirmed: asyncio.Future[None]
    has_failed: bool = False

    def is_wanted(self) -> bool:
        """Whether somebody still waits for it; if its partition was lost, that one is told."""
        if self.confirmed.done():
            return False
        if self.partition.is_closed:
            self.confirmed.set_exception(Abandoned())
            return False
        return True


class Outlet:
    """A producer that does not give up while the record is ours.

    What is bound for ``unhurried`` topics may wait a little, and is in no order.
    """

    def __init__(self, producer: Producer, *, timeout_s: float, unhurried: Collection[str] = ()) -> None:
        self._producer = producer
        self._timeout_s = timeout_s
        self._blockages = Blockages()
        self._streams: dict[tuple[str, int | None], deque[Parcel]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._unhurried = frozenset(unhurried)
        self._began: dict[tuple[str, int | None], float] = {}
        """When the last batch of an unhurried stream began, by the loop's clock."""

    def post(
        self, topic: str, wire: Wire, partition: Partition, *, to: int | None = None
    ) -> asyncio.Future[None]:
        """Like ``record``, for who does not wait here: it ends as ``record`` does."""
        parcel = Parcel(wire, partition, asyncio.get_running_loop().create_future())
        stream = self._streams.get((topic, to))
        if stream is None:
            stream = self._streams[topic, to] = deque()
            task = asyncio.create_task(self._run(topic, to, stream), name=f"publish to {topic}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        stream.append(parcel)
        return parcel.confirmed

    async def records(self, outgoing: Sequence[Outgoing], partition: Partition) -> None:
        """Write all of ``outgoing``; those of one topic in their order. Raises as ``record`` does."""
        waiting = [self.post(topic, wire, partition) for topic, wire in outgoing]
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    async def record(self, topic: str, wire: Wire, partition: Partition, *, to: int | None = None) -> None:
        """Write one record to ``topic``: to its partition ``to``, or to the one that its key says.

        Raises ``Abandoned`` when the partition closes first, ``TooLarge`` when Kafka will never
        take the record.
        """
        await self.post(topic, wire, partition, to=to)

    async def stop(self) -> None:
        """Publish no more; what is not confirmed stays undone."""
        await end(*self._tasks)

    async def _run(self, topic: str, to: int | None, stream: deque[Parcel]) -> None:
        pause_s = _FIRST_PAUSE_S
        left: list[Parcel] = []
        try:
            while left or stream:
                if topic in self._unhurried:
                    await self._collect(topic, to)
                # What has collected meanwhile goes along with what has to be tried again.
                # However many these are: a partition without a leader must not keep all others of its topic.
                left += [stream.popleft() for _ in range(min(len(stream), _MOST_AT_ONCE))]
                left = await self._try(topic, to, [parcel for parcel in left if parcel.is_wanted()])
                if left:
                    await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S) if left else _FIRST_PAUSE_S
        finally:
            # No await since the stream was seen empty: nothing can have been added to it.
            del self._streams[topic, to]

    async def _collect(self, topic: str, to: int | None) -> None:
        loop = asyncio.get_running_loop()
        wait_s = self._began.get((topic, to), -math.inf) + _COLLECT_S - loop.time()
        if 0 < wait_s <= _COLLECT_S:
            await asyncio.sleep(wait_s)
        self._began[topic, to] = loop.time()

    async def _try(self, topic: str, to: int | None, batch: list[Parcel]) -> list[Parcel]:
        """Publish ``batch``; return what is neither confirmed nor refused for good, to be tried again."""
        if not batch:
            return []
        try:
            wires = [parcel.wire for parcel in batch]
            await self._producer.publish(topic, wires, timeout_s=self._timeout_s, partition=to)
        except PublishFailed as exc:
            left = self._left_of(topic, batch, exc.confirmed)
            self._note_failed(topic, [*left, *self._streams[topic, to]], exc)
            return left
        except TooLarge as exc:
            left = self._left_of(topic, batch, exc.confirmed)
            if len(batch) > 1:
                return await self._one_by_one(topic, to, left)
            _refuse(left, exc)
        except Exception as exc:  # noqa: BLE001 - the records that wait for it tell what it was
            _refuse(batch, exc)
        else:
            _confirm(batch)
        return []

    def _left_of(self, topic: str, batch: list[Parcel], confirmed: frozenset[int]) -> list[Parcel]:
        return _left_of(batch, confirmed, keys_in_order=topic not in self._unhurried)

    async def _one_by_one(self, topic: str, to: int | None, batch: list[Parcel]) -> list[Parcel]:
        """One of them is too large, and only alone it says so; they keep their order."""
        for number, parcel in enumerate(batch):
            if parcel.is_wanted() and await self._try(topic, to, [parcel]):
                return batch[number:]
        return []

    def _note_failed(self, topic: str, waiting: list[Parcel], error: PublishFailed) -> None:
        """Tell of those that were tried, and of those that wait behind them."""
        for parcel in waiting:
            self._blockages.failed(topic, error, is_first=not parcel.has_failed)
            if not parcel.has_failed:
                parcel.has_failed = True
                parcel.confirmed.add_done_callback(lambda end: self._note_end(topic, end))

    def _note_end(self, topic: str, confirmed: asyncio.Future[None]) -> None:
        published = not confirmed.cancelled() and confirmed.exception() is None
        self._blockages.ended(topic, published=published)


def _left_of(batch: list[Parcel], confirmed: frozenset[int], *, keys_in_order: bool) -> list[Parcel]:
    """What of ``batch`` has to be tried again.

    Also what Kafka has, when one of its key before it has not been taken and their order counts for more.
    """
    left: list[Parcel] = []
    keys: set[bytes | None] = set()
    for place, parcel in enumerate(batch):
        in_turn = not keys_in_order or parcel.wire.key is None or parcel.wire.key not in keys
        if place in confirmed and in_turn:
            _confirm([parcel])
        else:
            left.append(parcel)
            keys.add(parcel.wire.key)
    return left


def _confirm(batch: list[Parcel]) -> None:
    for parcel in batch:
        if not parcel.confirmed.done():
            parcel.confirmed.set_result(None)


def _refuse(batch: list[Parcel], error: Exception) -> None:
    for parcel in batch:
        if not parcel.confirmed.done():
            parcel.confirmed.set_exception(error)

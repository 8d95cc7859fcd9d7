"""Where a record waits: in a retry lane, or in memory for what no lane is short enough for.

wait ─┬─ a lane fits ─▶ published to it ─▶ finished here; it comes back when the lane's delay is over
      └─ none does ───▶ memory, its line kept, until its time ─▶ a worker again
                          └─ the partition goes first: the shortest lane, so that no next owner is early
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace

from posta.domain.envelope import Wire
from posta.domain.failure import Delivery, delivery_headers, with_headers
from posta.domain.lanes import Lanes, lane_label
from posta.engine.endings import Endings, Fate, Rest
from posta.engine.meters import Meters
from posta.engine.ordered import Ordered
from posta.engine.outlet import Outlet
from posta.engine.partition import Partition, Work
from posta.engine.timers import Timers
from posta.kafka.producer import TooLarge
from posta.topics import Group, lane_topic


class Waiting:
    """The waits of one engine's records; ``resume`` hands one back to the workers."""

    def __init__(
        self,
        group: Group,
        *,
        outlet: Outlet,
        endings: Endings,
        timers: Timers,
        resume: Callable[[Work], None],
        meters: Meters,
        clock: Callable[[], float],
        ordered: Ordered | None,
    ) -> None:
        self._group = group.name
        self._lanes = Lanes(delays_s=group.lane_delays_s)
        self._lane_names = {lane_topic(group.name, s): lane_label(s) for s in group.lane_delays_s}
        self._outlet = outlet
        self._endings = endings
        self._timers = timers
        self._resume = resume
        self._meters = meters
        self._clock = clock
        self._ordered = ordered
        self._parked: set[Work] = set()
        self.refused: Callable[[Work, TooLarge], Rest] = _never
        """What becomes of a record that a lane refuses; set by whoever may give it up."""

    def line_of(self, work: Work) -> Ordered | None:
        """Where the key's order is kept, if it is; a record without a key has none."""
        return None if self._ordered is None or work.record.key is None else self._ordered

    def until_due(self, work: Work, *, cause: str) -> Fate:
        """Let ``work`` wait for its not-before time."""
        lane = self._lanes.lane_for(work.delivery.not_before - self._clock())
        if lane is not None:
            return self.ride(work, lane, cause=cause)
        self._meters.waits("memory", cause)
        return self.park(work)

    def park(self, work: Work) -> Fate:
        """Keep ``work`` in memory until its not-before time; it keeps its line."""
        if not work.partition.is_open:
            return Fate.ENDED
        self._parked.add(work)
        self._timers.at(work.delivery.not_before, lambda: self._unpark(work))
        return Fate.PARKED

    def send_on(self, partitions: Collection[Partition]) -> None:
        """What waits in memory rides the shortest lane now: ``partitions`` are about to be handed back.

        Their next owner would read it from its source and know nothing of the wait. Without lanes
        there is nowhere to send it to.
        """
        going = [work for work in self._parked if work.partition in partitions]
        self._parked.difference_update(going)
        if self._lanes.delays_s:
            for work in going:
                self.ride(work, self._lanes.delays_s[0], cause="handover")

    def ride(self, work: Work, lane: int, *, cause: str) -> Fate:
        """Send ``work`` to the lane of this delay; here it is finished when Kafka has it."""
        self._meters.waits(lane_label(lane), cause)
        line = self.line_of(work)
        riding = replace(work.delivery, lane_due=self._clock() + lane)
        if line is not None:
            riding = replace(riding, place=line.place(work), rides=riding.rides + 1)
        fate = self._endings.when_confirmed(
            work,
            self._to_lane(work, lane, riding),
            lambda: self._rode(work, line, riding),
            lambda error: self.refused(work, error),
        )
        if self._ordered is None:
            # Later records of its key go ahead of it from now on, so they need not wait for Kafka's word.
            self._endings.free_line(work)
        return fate

    def keep(self, work: Work) -> Fate:
        """Let ``work`` be handled again, with its attempt unused, when intake is held no more."""
        self._meters.ended(work.partition.topic, "waiting")
        if not work.partition.is_open:
            return Fate.ENDED
        self._resume(work)
        return Fate.PARKED

    def note_lateness(self, work: Work) -> None:
        """``work`` is about to be handled, after a wait or none."""
        if work.delivery.not_before:
            lane = self._lane_names.get(work.partition.topic, "memory")
            self._meters.was_late(lane, self._clock() - work.delivery.not_before)

    async def hold(self, work: Work, line: Ordered) -> None:
        """Put a stand-in into a lane first: the dead letter is never seen without its key being held."""
        lane = line.hold_lane_s
        if lane is None:
            return
        stand_in = replace(
            work.delivery,
            not_before=0.0,
            lane_due=self._clock() + lane,
            place=line.place(work),
            rides=1,
            stand_in=True,
        )
        if line.hold(work, stand_in):
            await self._to_lane(work, lane, stand_in)

    @staticmethod
    def _rode(work: Work, line: Ordered | None, riding: Delivery) -> None:
        if line is None:
            work.partition.finish(work)
        else:
            line.rode(work, riding)

    def _to_lane(self, work: Work, lane: int, riding: Delivery) -> asyncio.Future[None]:
        """Publish ``work``, or what stands in for it, to a lane; ordered keys keep their partition number."""
        record = work.raw()
        value, headers = (None, ()) if riding.stand_in else (record.value, record.headers)
        wire = Wire(key=record.key, value=value, headers=with_headers(headers, delivery_headers(riding)))
        # Whatever partitioner the source was written with, the lines of its keys are there.
        to = None if self.line_of(work) is None else record.partition
        return self._outlet.post(lane_topic(self._group, lane), wire, work.partition, to=to)

    def _unpark(self, work: Work) -> None:
        self._parked.discard(work)
        if work.partition.is_open:
            self._resume(work)


async def _never(_work: Work, error: TooLarge) -> Fate:
    raise error

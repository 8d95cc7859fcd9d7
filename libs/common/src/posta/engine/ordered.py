"""Ordered retries at work: carries out what the lines of keys say, one order per partition number.

    intake ──arrived──▶ line of the key ──next──▶ dispatcher ──▶ worker ──▶ settlement
                          ▲  look again (timer)                               │
                          └───────────── rode, ended, died ───────────────────┘

The sources and lanes of a group are co-partitioned and assigned by range, so one member has
partition *i* of all of them, and one ``KeyOrder`` sees every record of the keys in it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from posta.domain.failure import Delivery
from posta.domain.key_line import Identity
from posta.domain.key_order import Divert, Handle, KeyOrder, Look, OnDeadLetter, Waiting
from posta.domain.lanes import Lanes
from posta.engine.dispatch import Dispatcher
from posta.engine.partition import Work
from posta.engine.timers import Timers
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)


class Ordered:
    """The orders of the partition numbers that are ours and rebuilt; it starts only their records."""

    def __init__(
        self,
        group: str,
        lanes: Lanes,
        *,
        on_dead_letter: OnDeadLetter,
        dispatcher: Dispatcher,
        timers: Timers,
        clock: Callable[[], float],
    ) -> None:
        self._group = group
        self._lanes = lanes
        self._on_dead_letter = on_dead_letter
        self._dispatcher = dispatcher
        self._timers = timers
        self._clock = clock
        self._orders: dict[int, KeyOrder[Work]] = {}
        self._starts = True

    @property
    def hold_lane_s(self) -> int | None:
        """The delay of the lane that stand-ins ride; None without lanes."""
        return KeyOrder[Work](self._lanes).hold_lane_s

    def restore(self, number: int, found: Iterable[Waiting], read_again_from: Mapping[str, int]) -> None:
        """Begin with partition ``number``: its lanes hold ``found``."""
        order: KeyOrder[Work] = KeyOrder(self._lanes, on_dead_letter=self._on_dead_letter)
        order.restore(found, read_again_from)
        self._orders[number] = order
        self._starts = True

    def stop_starting(self) -> None:
        """Start nothing more; what runs still reports its end."""
        self._starts = False

    def forget(self) -> None:
        """The partitions are not ours any more."""
        self._orders.clear()

    def arrived(self, work: Work) -> None:
        """Line up a fetched record that has a key."""
        key = _key(work)
        order = self._orders[_number(work)]
        self._check_place(work)
        for done in order.arrived(key, work.delivery, work, (work.partition.topic, work.record.offset)):
            done.partition.finish(done)
        self._go_on(order, key)

    def place(self, work: Work) -> int | None:
        """The place of ``work`` in its line, which has to travel with it."""
        order = self._order(work)
        return None if order is None else order.place(_key(work))

    def rode(self, work: Work, delivery: Delivery) -> None:
        """``work`` is confirmed in a lane, as ``delivery`` says."""
        order = self._order(work)
        if order is not None:
            order.rode(_key(work), delivery)
        work.partition.finish(work)
        self._go_on(order, _key(work))

    def ended(self, work: Work) -> None:
        """``work`` was handled well."""
        order = self._order(work)
        done = (work,) if order is None else order.ended(_key(work))
        for one in done:
            one.partition.finish(one)
        self._go_on(order, _key(work))

    def died(self, work: Work) -> None:
        """``work`` is a dead letter."""
        order = self._order(work)
        done = (work,) if order is None else order.died(_key(work))
        for one in done:
            one.partition.finish(one)
        self._go_on(order, _key(work))

    def hold(self, work: Work, stand_in: Delivery) -> bool:
        """Hold the key for ``work``, which is about to die; False: it is held for it already."""
        order = self._order(work)
        if order is None or order.is_held_by(_key(work)):
            return False
        order.hold(_key(work), stand_in)
        log.warning("key_held", group=self._group, topic=work.delivery.origin.topic)
        return True

    def holders(self) -> Iterator[Identity]:
        """The dead letters that hold keys now, by where they came from."""
        for order in self._orders.values():
            yield from order.holders()

    def show(self) -> None:
        """Set the metrics."""
        orders = self._orders.values()
        names.ORDER_WAITING.labels(self._group).set(sum(order.riding for order in orders))
        names.ORDER_KEYS.labels(self._group).set(sum(len(order) for order in orders))
        names.ORDER_HELD.labels(self._group).set(sum(len(order.held) for order in orders))

    def _order(self, work: Work) -> KeyOrder[Work] | None:
        """The order ``work`` stands in; None when its partition is lost."""
        return None if work.partition.is_closed else self._orders.get(_number(work))

    def _go_on(self, order: KeyOrder[Work] | None, key: bytes) -> None:
        if order is not None and self._starts:
            self._carry_out(order, key, order.next(key, self._clock()))

    def _look(self, order: KeyOrder[Work], key: bytes) -> None:
        if self._starts and any(order is current for current in self._orders.values()):
            self._carry_out(order, key, order.look(key, self._clock()))

    def _carry_out(
        self, order: KeyOrder[Work], key: bytes, step: Handle[Work] | Divert[Work] | Look | None
    ) -> None:
        match step:
            case Handle(work):
                work.divert_s = None
                self._dispatcher.push(work)
            case Divert(work, delay_s):
                work.divert_s = delay_s
                self._dispatcher.push(work)
            case Look(at):
                self._timers.at(at, lambda: self._look(order, key))
            case None:
                pass

    def _check_place(self, work: Work) -> None:
        """Whether the record's original was in the partition of the same number, as order needs."""
        if work.delivery.origin.partition != _number(work):
            names.ORDER_MISPLACED.labels(self._group).inc()
            log.error(
                "lane_record_misplaced",
                topic=work.partition.topic,
                partition=_number(work),
                original_partition=work.delivery.origin.partition,
            )


def _key(work: Work) -> bytes:
    key = work.record.key
    assert isinstance(key, bytes)  # noqa: S101 - a record without a key is in no line
    return key


def _number(work: Work) -> int:
    return int(work.partition.tp.partition)

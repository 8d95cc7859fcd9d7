"""The consumer engine: many keys of a partition at once, each key strictly in order, nothing lost.

    Kafka ─▶ poll ─▶ partition ─▶ key queues ─▶ workers ─▶ settlement ─▶ watermark ─▶ commit
                        │ lane records: wait until due ┘        └─▶ lanes, DLQ, what was returned

One asyncio loop; ``concurrency`` long-lived workers; explicit commits of the contiguous watermark.
The names A1 to A26 in comments are known traps of aiokafka.
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from posta.domain.key_order import OnDeadLetter
from posta.domain.lanes import Lanes
from posta.engine.dispatch import Dispatcher
from posta.engine.endings import Endings
from posta.engine.floodgate import HOLD, Floodgate
from posta.engine.gate import Gate
from posta.engine.gatekeeper import Gatekeeper
from posta.engine.handling import Handling
from posta.engine.intake import Intake
from posta.engine.message import Handler, Interpret, OnGivenUp, as_message
from posta.engine.meters import Meters
from posta.engine.ordered import Ordered
from posta.engine.outlet import Outlet
from posta.engine.policy import EnginePolicy, Retries
from posta.engine.settlement import Settlement
from posta.engine.status import EngineStatus, read_status
from posta.engine.steady_clock import SteadyClock
from posta.engine.timers import Timers
from posta.engine.waiting import Waiting
from posta.engine.watch import Watch
from posta.engine.workers import Workers
from posta.kafka.producer import Producer
from posta.settings import KafkaSettings
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import Passage
from posta.topics import Group

log = get_logger(__name__)
_STALLED_S = 30.0
_OPERATOR = "operator"
_DUE_BEFORE_FRESH = 3
"""Records of each lane that go first before fresh ones get a share of the starts."""


class Engine:
    """Consumes what ``group`` reads and calls ``handler`` for each record.

    ``gates`` are the dependencies whose absence pauses the group (see ``posta.engine.gate``);
    ``on_given_up`` is asked for an apology before a record becomes a dead letter; ``interpret``
    makes of a record what the handler is given (a decoded ``Message`` by default); ``clock``
    returns seconds since the epoch (by default a ``SteadyClock``, which no set clock moves).
    """

    def __init__(
        self,
        group: Group,
        handler: Handler,
        *,
        kafka: KafkaSettings,
        producer: Producer,
        policy: EnginePolicy | None = None,
        on_given_up: OnGivenUp | None = None,
        gates: Sequence[Gate] = (),
        interpret: Interpret = as_message,
        clock: Callable[[], float] | None = None,
    ) -> None:
        clock = clock or SteadyClock()
        self._group = group
        self._policy = policy or EnginePolicy()
        self._meters = Meters(group.name)
        self._dispatcher = Dispatcher(weights=_shares(group, self._policy))
        self._timers = Timers(clock)
        self._ordered = self._order_of_keys(clock)
        self._gatekeeper = Gatekeeper(gates, self._dispatcher, group=group.name)
        self._floodgate = Floodgate(self._policy.flood, self._dispatcher, group=group.name)
        names.INTAKE_PAUSED.labels(group.name, _OPERATOR).set(0)
        self._intake = Intake(
            group,
            kafka,
            policy=self._policy,
            dispatcher=self._dispatcher,
            timers=self._timers,
            meters=self._meters,
            clock=clock,
            ordered=self._ordered,
            each_look=self._floodgate.count,
        )
        self._endings = Endings(self._dispatcher, self._floodgate, self._meters, self._intake.relieve)
        self._outlet = Outlet(
            producer,
            timeout_s=self._policy.publish_timeout_s,
            # A key whose records ride one after another must not wait for each of them.
            unhurried=[lane.name for lane in group.lanes] if self._ordered is None else (),
        )
        self._watch = Watch(self._policy.handler_timeout_s)
        self._handler, self._interpret, self._clock = handler, interpret, clock
        self._settlement = self._settle_with(on_given_up)

    async def run(self, stop: asyncio.Event) -> None:
        """Consume until ``stop`` is set and everything in flight is finished or handed back."""
        handling = Handling(
            self.group,
            self._handler,
            self._interpret,
            max_attempts=self._policy.retry.max_attempts,
            settlement=self._settlement,
            watch=self._watch,
            passage=Passage(),
            clock=self._clock,
        )
        workers = Workers(self._policy.concurrency, handling, self._dispatcher, self._endings, self._meters)
        workers.start()
        try:
            await self._intake.run(stop)
        finally:
            await workers.stop()
            await self._outlet.stop()
            await self._gatekeeper.stop()
            self._floodgate.stop()
            self._watch.stop()
            self._timers.cancel_all()

    @property
    def group(self) -> str:
        """The consumer group's name, without the deployment's prefix."""
        return self._group.name

    def pause(self, why: str) -> None:
        """Start nothing more until ``resume``; what runs goes on, and so does polling.

        The pause is this process's alone, and ends with it.
        """
        self._dispatcher.hold(f"{_OPERATOR}: {why}")
        names.INTAKE_PAUSED.labels(self.group, _OPERATOR).set(1)
        log.warning("intake_paused_by_operator", group=self.group, reason=why)

    def resume(self, why: str | None = None) -> tuple[str, ...]:
        """End the pause for ``why`` (``flood``: the flood breaker's); None: every one of them.

        Returns the holds that ended. A gate is not an operator's to open: it asks its dependency.
        """
        paused = [hold for hold in self._dispatcher.holds if hold.startswith(f"{_OPERATOR}: ")]
        ended = sorted(hold for hold in paused if why is None or hold == f"{_OPERATOR}: {why}")
        for hold in ended:
            self._dispatcher.release(hold)
        if ended and len(ended) == len(paused):
            names.INTAKE_PAUSED.labels(self.group, _OPERATOR).set(0)
        if why in {None, HOLD} and self._floodgate.resume():
            ended.append(HOLD)
        log.info("intake_resumed_by_operator", group=self.group, ended=ended)
        return tuple(ended)

    def status(self) -> EngineStatus:
        """How this member of the group is now."""
        return read_status(self.group, self._intake, self._dispatcher, self._floodgate, self._ordered)

    async def live_fault(self) -> str | None:
        """Why the process should be restarted, if it should: its own loop makes no progress."""
        idle_s = time.monotonic() - self._intake.last_progress
        return f"the consumer loop has been stuck for {idle_s:.0f} s" if idle_s > _STALLED_S else None

    async def ready_fault(self) -> str | None:
        """Why no record would be handled now, if so."""
        if self._dispatcher.holds:
            return f"intake is paused: {', '.join(sorted(self._dispatcher.holds))}"
        if not self._intake.joined:
            return "not yet a member of the consumer group"
        return self._intake.order_fault or self._intake.topic_fault()

    def _order_of_keys(self, clock: Callable[[], float]) -> Ordered | None:
        if self._policy.retries is not Retries.ORDERED:
            return None
        lanes = Lanes(delays_s=self._group.lane_delays_s)
        if self._policy.on_dead_letter is OnDeadLetter.HOLD_KEY and not lanes.delays_s:
            raise ValueError(f"group {self._group.name} has no lanes, so it cannot hold a key")
        return Ordered(
            self._group.name,
            lanes,
            on_dead_letter=self._policy.on_dead_letter,
            dispatcher=self._dispatcher,
            timers=self._timers,
            clock=clock,
        )

    def _settle_with(self, on_given_up: OnGivenUp | None) -> Settlement:
        waiting = Waiting(
            self._group,
            outlet=self._outlet,
            endings=self._endings,
            timers=self._timers,
            resume=self._dispatcher.resume,
            meters=self._meters,
            clock=self._clock,
            ordered=self._ordered,
        )
        self._intake.when_handing_back(waiting.send_on)
        return Settlement(
            self._group,
            on_given_up,
            policy=self._policy,
            outlet=self._outlet,
            endings=self._endings,
            waiting=waiting,
            gatekeeper=self._gatekeeper,
            floodgate=self._floodgate,
            meters=self._meters,
            clock=self._clock,
        )


def _shares(group: Group, policy: EnginePolicy) -> dict[str, int]:
    """The weight of each topic; what comes off a lane is due, and goes before what is fresh."""
    fresh = {topic.name: policy.topic_weights.get(topic.name, 1) for topic in group.reads}
    unknown = policy.topic_weights.keys() - fresh.keys()
    if unknown:
        raise ValueError(f"group {group.name} reads no {', '.join(sorted(unknown))}")
    due = _DUE_BEFORE_FRESH * sum(fresh.values())
    return {lane.name: due for lane in group.lanes} | fresh

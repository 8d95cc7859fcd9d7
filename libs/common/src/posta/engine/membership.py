"""How a process is a member of its consumer group: the client's settings, and what a rebalance does."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest

from posta.engine.assignor import Assignor
from posta.engine.fencing import Fencing
from posta.engine.holder import holder_of
from posta.kafka.connection import connection_options
from posta.settings import KafkaSettings
from posta.tasks import end, within
from posta.telemetry.logs import get_logger
from posta.topics import Group

log = get_logger(__name__)
_FETCH_BYTES = 256 * 1024
_REBALANCE_MARGIN_S = 10.0
_HEARTBEAT_MS = 750
"""A member hears of a rebalance by its heartbeat, and all wait for the last to hear of it."""
_ASIDE_AFTER_S = 0.5
"""So long a client may take to leave before the coordinator is told on another connection."""
_ASIDE_S = 1.0
_STOP_S = 5.0
_ASK_S = 5.0
"""So long it may take to learn who has our instance id."""


class Owner(Protocol):
    """Who owns partitions while they are assigned to this process."""

    async def release(self) -> None:
        """Give every partition back."""

    async def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Take over what is ours now."""


def new_member(
    group: Group, kafka: KafkaSettings, *, assignor: Assignor, drain_s: float, poll_ms: int
) -> AIOKafkaConsumer:
    """A consumer, not yet started, that belongs to the group and has joined nothing."""
    session_ms = int(kafka.session_timeout_s * 1000)
    return AIOKafkaConsumer(
        **connection_options(kafka, client_id=group.name),
        group_id=kafka.topic_prefix + group.name,
        # A18: with an id, stop() does not leave the group, and a restart within the session timeout
        # gets its partitions back without a rebalance.
        group_instance_id=kafka.group_instance_id,
        enable_auto_commit=False,  # A25
        auto_offset_reset="none",  # A25: a jump is decided, and told, by ``positions``
        partition_assignment_strategy=(assignor,),
        session_timeout_ms=session_ms,
        heartbeat_interval_ms=min(session_ms // 3, _HEARTBEAT_MS),
        # A2: the default is the session timeout, which a drain may exceed.
        rebalance_timeout_ms=int((drain_s + _REBALANCE_MARGIN_S) * 1000),
        max_partition_fetch_bytes=_FETCH_BYTES,  # A10, A24
        fetch_max_wait_ms=poll_ms,
        request_timeout_ms=int(kafka.request_timeout_s * 1000),
        metadata_max_age_ms=30_000,
    )


def join(
    consumer: AIOKafkaConsumer,
    group: Group,
    kafka: KafkaSettings,
    owner: Owner,
    *,
    fencing: Fencing,
    drain_s: float,
) -> None:
    """Have a started ``consumer`` read the group's sources and lanes and tell ``owner``.

    Not before it is started: aiokafka's ``start()`` would wait for every topic to be there and fail
    when one is not, so that a missing lane would keep the group from all others.
    """
    topics = [kafka.topic_prefix + topic.name for topic in (*group.reads, *group.lanes)]
    consumer.subscribe(topics=topics, listener=_Listener(owner, consumer, fencing, drain_s))


def share_out_anew(consumer: AIOKafkaConsumer) -> None:
    """Have the leader join again, which begins a round. Nothing public does so."""
    consumer._coordinator.request_rejoin()  # noqa: SLF001


async def started(
    consumer: AIOKafkaConsumer, stop: asyncio.Event, waited: Callable[[], None], *, step_s: float = 0.5
) -> bool:
    """Start ``consumer``; False when ``stop`` was set first. ``waited`` is called each ``step_s`` seconds.

    That no broker answers is no reason to be restarted, and no reason to miss a SIGTERM.
    Raises the ``KafkaError`` that it fails with.
    """
    starting = asyncio.create_task(consumer.start(), name="join the group")
    stopping = asyncio.create_task(stop.wait())
    try:
        while not starting.done() and not stopping.done():
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED, timeout=step_s)
            waited()
        if starting.done():
            starting.result()
        return starting.done()
    finally:
        await end(starting, stopping)


async def leave(consumer: AIOKafkaConsumer) -> None:
    """Stop ``consumer`` and leave the group, within ``_STOP_S`` (A13: ``stop()`` alone can hang).

    In a rebalance ``stop()`` waits for the answer to its JoinGroup, which comes when all members have
    joined or a dead one's time is over, and a broker answers one request of a connection at a time.
    So then the farewell takes another connection: the broker answers the join, and nobody waits for us.
    """
    try:
        await within(_STOP_S, _stopped(consumer))
    except (TimeoutError, KafkaError) as exc:
        log.warning("consumer_stop_unclean", error=type(exc).__name__)


async def _stopped(consumer: AIOKafkaConsumer) -> None:
    stopping = asyncio.create_task(consumer.stop())
    try:
        _, late = await asyncio.wait({stopping}, timeout=_ASIDE_AFTER_S)
        if late:
            await _leave_aside(consumer)
        await stopping
    except BaseException:
        stopping.cancel()
        raise


async def _leave_aside(consumer: AIOKafkaConsumer) -> None:
    """Tell the coordinator on a connection of its own that this member leaves; as little as aiokafka does.

    Nothing public does so. A static member does not leave: its partitions wait for it.
    """
    coordinator = getattr(consumer, "_coordinator", None)
    if coordinator is None or coordinator.coordinator_id is None or is_forgotten(consumer):
        return
    if coordinator._group_instance_id is not None:  # noqa: SLF001
        return
    request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
    try:
        await within(_ASIDE_S, coordinator._client.send(coordinator.coordinator_id, request))  # noqa: SLF001
    except (TimeoutError, KafkaError) as exc:
        log.warning("group_not_left", error=type(exc).__name__)


def is_forgotten(consumer: AIOKafkaConsumer) -> bool:
    """Whether the coordinator called us unknown: then the client has dropped its member id (A4).

    Nothing public says so.
    """
    coordinator = getattr(consumer, "_coordinator", None)
    return coordinator is not None and coordinator.member_id == JoinGroupRequest.UNKNOWN_MEMBER_ID


# aiokafka has no types
class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    """Bounds what aiokafka would await without bound (A3); takes no lock (A5)."""

    def __init__(self, owner: Owner, consumer: AIOKafkaConsumer, fencing: Fencing, drain_s: float) -> None:
        self._owner = owner
        self._consumer = consumer
        self._fencing = fencing
        self._limit_s = drain_s + _REBALANCE_MARGIN_S / 2

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:  # noqa: ARG002 - all are
        """Eager rebalancing takes everything; A4: it may be lost already, then the commit fails."""
        async with asyncio.timeout(self._limit_s):
            await self._owner.release()
        await self._ask_for_holder()
        if self._fencing.is_fenced:
            # Nothing else keeps aiokafka from joining again, and so from replacing who replaced us.
            raise asyncio.CancelledError

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Start afresh with what is ours now."""
        self._fencing.joined()
        await self._owner.assigned(assigned)

    async def _ask_for_holder(self) -> None:
        """Before we join as nobody, who would replace whoever has our instance id."""
        process = self._fencing.process
        if process is not None and self._fencing.was_member and is_forgotten(self._consumer):
            holder = await holder_of(process.instance_id, self._consumer, within_s=_ASK_S)
            self._fencing.held_by(holder)

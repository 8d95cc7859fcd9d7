"""Brings to Kafka together what many requests hand over at the same moment.

Each group is one publish with one time limit; how it ends is told to every request of it. There is no waiting
for a group to grow: it is what came in one turn of the event loop.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from posta.domain.envelope import Wire
from posta.errors import Permanent, Transient
from posta.tasks import within

_CANCEL_S = 0.1
"""How long a publish may take to notice that its time is over."""


class Publisher(Protocol):
    """What publishes records; ``posta.kafka.producer.Producer`` or a fake in tests."""

    async def publish(self, topic: str, records: Sequence[Wire], *, timeout_s: float) -> None:
        """Write all, in order, confirmed by acks=all; raise ``Transient`` or ``Permanent`` otherwise."""

    async def ready(self, *, timeout_s: float) -> bool:
        """Whether Kafka answers now."""


_Waiting = tuple[Wire, "asyncio.Future[bool]"]


class Courier:
    """Publishes for many requests at once."""

    def __init__(self, publisher: Publisher, *, budget_s: float, on_failure: Callable[[str], None]) -> None:
        """``on_failure`` is told, once a group, why Kafka did not confirm it."""
        self._publisher = publisher
        self._budget_s = budget_s
        self._on_failure = on_failure
        self._groups: dict[str, list[_Waiting]] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def delivered(self, topic: str, wire: Wire) -> bool:
        """Whether Kafka confirmed the record within the budget. Raises ``Permanent`` when it never will."""
        loop = asyncio.get_running_loop()
        group = self._groups.get(topic)
        if group is None:
            group = self._groups[topic] = []
            loop.call_soon(self._set_out, topic)
        done: asyncio.Future[bool] = loop.create_future()
        group.append((wire, done))
        return await done

    def _set_out(self, topic: str) -> None:
        task = asyncio.get_running_loop().create_task(self._bring(topic, self._groups.pop(topic)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _bring(self, topic: str, group: Sequence[_Waiting]) -> None:
        try:
            is_confirmed = await self._published(topic, [wire for wire, _ in group])
        except Permanent as exc:
            if len(group) == 1:
                _fail(group, exc)
                return
            # One of them is refused for good; which one, each learns alone.
            for one in group:
                await self._bring(topic, [one])
        except Exception as exc:
            _fail(group, exc)
            raise
        except asyncio.CancelledError:
            for _, done in group:
                done.cancel()
            raise
        else:
            for _, done in group:
                if not done.done():
                    done.set_result(is_confirmed)

    async def _published(self, topic: str, records: Sequence[Wire]) -> bool:
        try:
            # The client may take seconds to give up (replacing a dead connection); the person has three.
            await within(
                self._budget_s + _CANCEL_S,
                self._publisher.publish(topic, records, timeout_s=self._budget_s),
            )
        except TimeoutError:
            self._on_failure("no answer")
        except Transient as exc:
            self._on_failure(str(exc))
        else:
            return True
        return False


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for _, done in group:
        if not done.done():
            done.set_exception(error)

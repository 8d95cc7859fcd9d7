"""Whose turn it is: weighted round robin over topics, round robin over the partitions of each.

    topic A (weight 3):  partition 0, partition 2      a round: A A A B, then again
    topic B (weight 1):  partition 1

Within a round the heavier topic goes first, so it is preferred; a round ends when every topic that
has something ready has used up its weight, so none starves: a topic of weight w gets at least
w / (sum of all weights) of the starts. Partitions of a topic, and keys of a partition, take turns;
where lines are ranked, the partition goes first whose first record has the earliest turn.
"""

from bisect import insort
from collections import deque
from collections.abc import Mapping
from typing import Generic

from posta.domain.keyqueue import KeyQueues, L


class Ring(Generic[L]):
    """The partitions of one topic that have something ready, in turn."""

    __slots__ = ("left", "partitions", "weight")

    def __init__(self, weight: int) -> None:
        self.weight = weight
        self.left = weight
        """Starts it may still have in this round."""
        self.partitions: deque[KeyQueues[L]] = deque()


class Turns(Generic[L]):
    """The order of starts over all key queues; ``weights`` by topic, 1 for any other."""

    __slots__ = ("_open", "_rings", "_weights")

    def __init__(self, weights: Mapping[str, int]) -> None:
        if any(weight < 1 for weight in weights.values()):
            raise ValueError(f"a topic's weight must be at least 1: {dict(weights)}")
        self._weights = dict(weights)
        self._rings: dict[str, Ring[L]] = {}
        self._open: list[Ring[L]] = []
        """Those with something ready, heaviest first."""

    def __bool__(self) -> bool:
        """Whether anything is ready."""
        return bool(self._open)

    def join(self, topic: str, queues: KeyQueues[L]) -> None:
        """Something of ``queues`` is ready; to be called when it is not in turn already."""
        ring = self._rings.get(topic)
        if ring is None:
            ring = self._rings[topic] = Ring(self._weights.get(topic, 1))
        queues.is_in_turn = True
        if not ring.partitions:
            insort(self._open, ring, key=_heaviest_first)
        ring.partitions.append(queues)

    def next(self) -> L | None:
        """Take the record whose turn it is."""
        for ring in self._open:
            if ring.left:
                break
        else:
            if not self._open:
                return None
            for every in self._rings.values():
                every.left = every.weight
            ring = self._open[0]
        ring.left -= 1
        partitions = ring.partitions
        queues = partitions[0]
        if len(partitions) > 1 and queues.first_turn is not None:
            queues = _most_urgent_first(partitions)
        link = queues.ready.popleft()
        if not queues.ready:
            self._leave(ring, queues)
        elif len(partitions) > 1:
            partitions.rotate(-1)
        return link

    def drop(self, topic: str, queues: KeyQueues[L]) -> None:
        """Forget what is ready of ``queues``."""
        if queues.is_in_turn:
            self._leave(self._rings[topic], queues)

    def _leave(self, ring: Ring[L], queues: KeyQueues[L]) -> None:
        queues.is_in_turn = False
        ring.partitions.remove(queues)
        if not ring.partitions:
            self._open.remove(ring)


def _most_urgent_first(partitions: "deque[KeyQueues[L]]") -> KeyQueues[L]:
    """Put the partition with the earliest turn in front; of equal ones that which waited longest."""
    queues = min(partitions, key=_first_turn)
    if queues is not partitions[0]:
        partitions.remove(queues)
        partitions.appendleft(queues)
    return queues


def _first_turn(queues: KeyQueues[L]) -> float:
    return queues.first_turn or 0.0


def _heaviest_first(ring: "Ring[L]") -> int:
    return -ring.weight

"""Key queues: which record may start next, when each key's records must run one after another.

    key a:  a1 (running)  a2  a3         ready: [b, c]     next() -> b1, then c1
    key b:  b1  b2
    key c:  c1                           done(a) -> a joins the end of ready with a2

A key is *ready* when it has a record and none of its own running. Ready keys take turns, so that a
key with a long queue holds nobody up; records of one key start strictly in the order they came.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class KeyQueues(Generic[K, T]):
    """A FIFO per key and a turn-taking order over the keys that may start."""

    __slots__ = ("_queues", "_ready", "_running", "_size")

    def __init__(self) -> None:
        self._queues: dict[K, deque[T]] = {}
        self._ready: deque[K] = deque()
        self._running: set[K] = set()
        self._size = 0

    def __len__(self) -> int:
        """How many records wait; running ones are not counted."""
        return self._size

    @property
    def has_ready(self) -> bool:
        """Whether ``next`` would return a record."""
        return bool(self._ready)

    def push(self, key: K, item: T) -> None:
        """Add a record behind the others of its key."""
        queue = self._queues.get(key)
        self._size += 1
        if queue is not None:
            queue.append(item)
            return
        self._queues[key] = deque((item,))
        if key not in self._running:
            self._ready.append(key)

    def next(self) -> tuple[K, T] | None:
        """Start the first record of the key whose turn it is; None when no key is ready."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        queue = self._queues[key]
        item = queue.popleft()
        if not queue:
            del self._queues[key]
        self._running.add(key)
        self._size -= 1
        return key, item

    def done(self, key: K) -> None:
        """The running record of ``key`` has ended; its next one, if any, becomes ready."""
        self._running.discard(key)
        if key in self._queues:
            self._ready.append(key)

    def drop(self, belongs: Callable[[K], bool]) -> list[T]:
        """Forget every key that ``belongs`` holds for, and return the records that waited."""
        keys = [key for key in self._queues if belongs(key)]
        dropped = [item for key in keys for item in self._queues.pop(key)]
        gone = set(keys)
        self._ready = deque(key for key in self._ready if key not in gone)
        self._running = {key for key in self._running if not belongs(key)}
        self._size -= len(dropped)
        return dropped

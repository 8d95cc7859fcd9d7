"""Key queues: which record may start next, when each key's records must run one after another.

    key a:  a1 (running) ─▶ a2 ─▶ a3      ready: [b1, c1]     done(a1) -> a2 joins the end of ready
    key b:  b1 ─▶ b2
    key c:  c1

A key is *ready* when it has a record and none of its own running; its first record stands in
``ready`` then, in turn with those of the other keys, so that a key with a long queue holds nobody up.
The line of a key is linked from record to record: it costs no memory of its own and no hashing but
one look-up when a record comes.
"""

from collections import deque
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

from posta.domain.rank import Rank


class Link:
    """What stands in the line of a key."""

    __slots__ = ("behind", "line", "rank")

    line: Hashable | None
    """The key, or whatever must run in order together; None: nothing, it stands alone."""
    behind: "Link | None"
    """The next of the line, once there is one."""
    rank: Rank | None
    """How urgent it is, where lines are ranked; see ``posta.domain.ranked_lines``."""


L = TypeVar("L", bound=Link)


class Ready(Protocol[L]):
    """What may start, in turn: a deque, or what is sorted otherwise."""

    def __len__(self) -> int: ...
    def append(self, link: L, /) -> None:
        """Put it in."""

    def popleft(self) -> L:
        """Take out the one whose turn it is."""

    def clear(self) -> None:
        """Forget everything."""


class KeyQueues(Generic[L]):
    """The lines of one partition; ``is_in_turn`` belongs to whoever gives out the turns."""

    __slots__ = ("_last", "is_in_turn", "ready")

    def __init__(self) -> None:
        self._last: dict[Hashable, L] = {}
        self.ready: Ready[L] = deque()
        self.is_in_turn = False

    @property
    def first_turn(self) -> float | None:
        """How soon the first that may start must, where lines are ranked; None: no sooner than any other."""
        return None

    def push(self, link: L) -> None:
        """Add a record behind the others of its line."""
        line = link.line
        if line is not None:
            last = self._last.get(line)
            self._last[line] = link
            if last is not None:
                last.behind = link
                return
        self.ready.append(link)

    def done(self, link: L) -> None:
        """The running record ``link`` has ended; the one behind it, if any, becomes ready.

        To be called once for each record taken from ``ready``.
        """
        behind = link.behind
        if behind is not None:
            link.behind = None
            # What is behind was pushed here, so it is one of ours.
            self.ready.append(behind)  # type: ignore[arg-type]
        elif link.line is not None:
            del self._last[link.line]

    def clear(self) -> None:
        """Forget everything; records that still run must not be reported as done any more."""
        self._last.clear()
        self.ready.clear()

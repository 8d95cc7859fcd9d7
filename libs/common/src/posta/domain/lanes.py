"""Retry lanes: which delay topic a waiting record rides, and when it gets off.

    wait >= 5 s ──▶ the longest lane not longer than the wait ──▶ (lane's delay passed) ──▶ rest?
    wait <  5 s ──▶ stays in memory, holding its key                rest >= 5 s: next lane
                                                                    rest <  5 s: memory
                                                                    none: the handler

Every record of a lane waits exactly that lane's delay, so a partition of it is due in order and
looking at its head is enough: no record that waits can be in front of one that is due. A wait that
no single lane fits is ridden in several hops, none of which uses an attempt. The exact time a
record may be handled (not-before) travels with it, and the last rest is waited out in memory, so
that it is never handled early.
"""

from dataclasses import dataclass

DEFAULT_DELAYS_S = (5, 30, 120, 600, 3600)
SLACK_S = 0.1
"""A record may come off its lane this much later than its not-before time, never earlier."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lanes:
    """The delays of one group's lanes, in seconds, shortest first; empty means memory only."""

    delays_s: tuple[int, ...] = DEFAULT_DELAYS_S

    def __post_init__(self) -> None:
        if list(self.delays_s) != sorted(set(self.delays_s)) or any(d < 1 for d in self.delays_s):
            raise ValueError(f"lane delays must be positive and ascending, not {self.delays_s}")

    def lane_for(self, wait_s: float) -> int | None:
        """The delay of the lane to ride next for a wait of ``wait_s``; None: wait in memory.

        A lane that is longer by no more than ``SLACK_S`` fits too: by the time a wait of exactly a
        lane's delay gets here, a moment of it has passed, and it should not ride in small hops.
        """
        fitting = [delay for delay in self.delays_s if delay <= wait_s + SLACK_S]
        return fitting[-1] if fitting else None


def lane_label(delay_s: int) -> str:
    """How a lane is named in its topic: ``5s``, ``2m``, ``1h``."""
    for unit, size in (("h", 3600), ("m", 60)):
        if delay_s % size == 0:
            return f"{delay_s // size}{unit}"
    return f"{delay_s}s"

"""How long to wait after the n-th failure.

Two formulas: exponential growth with *full jitter* (a uniform share of the ceiling, which spreads a
crowd of retries best; M. Brooker, "Exponential Backoff And Jitter", 2015), and a fixed table.
"""

from dataclasses import dataclass
from typing import Protocol


class Backoff(Protocol):
    """A formula from the number of failed attempts to a wait."""

    def delay_s(self, attempt: int, jitter: float) -> float:
        """Seconds to wait after failed attempt ``attempt`` (1 for the first), ``jitter`` in [0, 1)."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FullJitter:
    """``jitter * min(cap_s, base_s * factor ** (attempt - 1))``, never below ``floor_s``."""

    base_s: float = 1.0
    factor: float = 2.0
    cap_s: float = 600.0
    floor_s: float = 0.2

    def delay_s(self, attempt: int, jitter: float) -> float:
        """See ``Backoff``. Lies in [floor_s, max(floor_s, cap_s)]."""
        # The exponent is bounded so that a record retried for weeks cannot overflow a float.
        ceiling = min(self.cap_s, self.base_s * self.factor ** min(attempt - 1, 64))
        return max(self.floor_s, ceiling * jitter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The n-th entry after the n-th failure, the last one from then on; jitter is not used."""

    delays_s: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0)

    def delay_s(self, attempt: int, jitter: float) -> float:  # noqa: ARG002 - the protocol's form
        """See ``Backoff``."""
        return self.delays_s[min(attempt, len(self.delays_s)) - 1]

"""A gate: something the whole group needs, probed while it is away so that intake can resume."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A dependency by the name that ``Unavailable`` carries, and how to ask whether it is back."""

    name: str
    probe: Callable[[], Awaitable[None]]
    """Returns when the dependency answers; raises any ``Failure`` while it does not."""
    interval_s: float = 0.5

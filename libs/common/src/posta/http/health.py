"""What a service says of itself: live (its loop makes progress) and ready (it can do its work).

Liveness never asks Kafka or PostgreSQL: an outage there must not get every service restarted.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

Check = Callable[[], Awaitable[str | None]]
"""Returns None when all is well, otherwise what is wrong."""


@dataclass(slots=True)
class Health:
    """Named checks; ``app.py`` adds one for each thing it opens."""

    live_checks: dict[str, Check] = field(default_factory=dict)
    ready_checks: dict[str, Check] = field(default_factory=dict)

    def live(self, name: str, check: Check) -> None:
        """Add a check of the process's own progress."""
        self.live_checks[name] = check

    def ready(self, name: str, check: Check) -> None:
        """Add a check of something the service needs."""
        self.ready_checks[name] = check

    async def liveness(self) -> dict[str, str]:
        """What is wrong, by name; empty when live."""
        return await _faults(self.live_checks)

    async def readiness(self) -> dict[str, str]:
        """What is wrong, by name; empty when ready."""
        return await _faults({**self.live_checks, **self.ready_checks})


async def _faults(checks: dict[str, Check]) -> dict[str, str]:
    faults = {}
    for name, check in checks.items():
        fault = await check()
        if fault is not None:
            faults[name] = fault
    return faults

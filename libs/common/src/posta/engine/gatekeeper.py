"""Keeps intake closed while a dependency of the whole group is away, and opens it by itself.

    open ──a handler raises Unavailable(name)──▶ closed ──the gate's probe returns──▶ open

While closed nothing is started and no attempt is used; polling goes on, so no member is evicted.
"""

import asyncio
from collections.abc import Sequence

from posta.engine.dispatch import Dispatcher
from posta.engine.gate import Gate
from posta.errors import Failure
from posta.tasks import end
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_PROBE_TIMEOUT_S = 5.0


class Gatekeeper:
    """The gates of one engine; ``probes`` are its running tasks."""

    def __init__(self, gates: Sequence[Gate], dispatcher: Dispatcher, *, group: str) -> None:
        self._gates = {gate.name: gate for gate in gates}
        self._dispatcher = dispatcher
        self._group = group
        self._probes: dict[str, asyncio.Task[None]] = {}
        for name in self._gates:
            names.INTAKE_PAUSED.labels(group, name).set(0)

    def close(self, name: str) -> bool:
        """Close the gate ``name`` until its probe succeeds; False when there is no such gate."""
        gate = self._gates.get(name)
        if gate is None:
            return False
        self._dispatcher.hold(name)
        if name not in self._probes:
            log.warning("intake_paused", group=self._group, dependency=name)
            names.INTAKE_PAUSED.labels(self._group, name).set(1)
            self._probes[name] = asyncio.create_task(self._reopen(gate), name=f"probe {name}")
        return True

    async def stop(self) -> None:
        """End the probes."""
        await end(*self._probes.values())

    async def _reopen(self, gate: Gate) -> None:
        while True:
            await asyncio.sleep(gate.interval_s)
            try:
                async with asyncio.timeout(_PROBE_TIMEOUT_S):
                    await gate.probe()
            except (Failure, TimeoutError, OSError):
                continue
            break
        del self._probes[gate.name]
        names.INTAKE_PAUSED.labels(self._group, gate.name).set(0)
        log.info("intake_resumed", group=self._group, dependency=gate.name)
        self._dispatcher.release(gate.name)

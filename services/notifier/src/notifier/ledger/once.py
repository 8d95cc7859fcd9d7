"""Delivers effectively once: the ledger is written before and after the call, and asked first.

    begin ── SENT ────▶ skip
      ├──── UNKNOWN ──▶ look, where that is possible ──found──▶ sent
      ▼                      │ not found, or cannot look
    send ◀───────────────────┘
      ├── delivered ──────▶ sent
      ├── OutcomeUnknown ─▶ stays 'sending'
      └── refused ────────▶ 'failed'

A crash between the call and ``sent`` leaves ``sending``: an edit is then looked up, a mail sent
again under its own Message-ID, and a webhook's post, which cannot be looked up, sent a second time.
That one double for each crash in that window is the price of at-least-once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import StrEnum

from notifier.ledger.ledger import Begun, Delivery, Ledger
from notifier.refusals import OutcomeUnknown
from posta.errors import Failure
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)

Send = Callable[[], Awaitable[str | None]]
"""Makes the call; returns the message's id when the other side told one."""
Look = Callable[[], Awaitable[bool]]
"""Whether what is to be delivered is already there."""


class Outcome(StrEnum):
    """How a delivery ended well."""

    SENT = "sent"
    SKIPPED = "skipped"
    """The ledger knew it as delivered."""
    FOUND = "found"
    """An earlier call had delivered it, as a look at the target showed."""


class Once:
    """One process's deliveries; remembers those whose ``sent`` the ledger could not take yet."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._unwritten: dict[str, str | None] = {}
        self._writing: set[asyncio.Task[None]] = set()

    async def deliver(self, delivery: Delivery, send: Send, *, look: Look | None = None) -> Outcome:
        """Deliver it unless that was done before. Raises what ``send``, ``look`` and the ledger raise."""
        try:
            outcome = await self._deliver(delivery, send, look)
        except Failure as exc:
            names.DELIVERIES.labels(delivery.medium, _label(exc)).inc()
            raise
        names.DELIVERIES.labels(delivery.medium, outcome.value).inc()
        log.info("delivery_done", event_id=delivery.event_id, medium=delivery.medium, outcome=outcome.value)
        return outcome

    async def _deliver(self, delivery: Delivery, send: Send, look: Look | None) -> Outcome:
        event_id = delivery.event_id
        if event_id in self._unwritten:
            await self._note_sent(event_id, self._unwritten[event_id])
            return Outcome.SKIPPED
        begun = await self._ledger.begin(delivery)
        if begun is Begun.SENT:
            return Outcome.SKIPPED
        if begun is Begun.UNKNOWN:
            log.warning("delivery_outcome_unknown", event_id=event_id, medium=delivery.medium)
            names.UNKNOWN_OUTCOMES.labels(delivery.medium).inc()
            if look is not None and await look():
                await self._note_sent(event_id, None)
                return Outcome.FOUND
        await self._send(event_id, send)
        return Outcome.SENT

    async def _send(self, event_id: str, send: Send) -> None:
        try:
            message_id = await send()
        except OutcomeUnknown:
            raise
        except Failure:
            await self._ledger.refused(event_id)
            raise
        await self._note_sent(event_id, message_id)

    async def _note_sent(self, event_id: str, message_id: str | None) -> None:
        """Write it down, to the end even if the handling is cancelled meanwhile."""
        self._unwritten[event_id] = message_id
        writing = asyncio.create_task(self._write(event_id, message_id))
        self._writing.add(writing)
        writing.add_done_callback(self._written)
        await asyncio.shield(writing)

    async def _write(self, event_id: str, message_id: str | None) -> None:
        await self._ledger.sent(event_id, message_id=message_id)
        self._unwritten.pop(event_id, None)

    def _written(self, writing: asyncio.Task[None]) -> None:
        self._writing.discard(writing)
        if not writing.cancelled() and writing.exception() is not None:
            log.warning("delivery_not_noted", error=type(writing.exception()).__name__)


def _label(error: Failure) -> str:
    return "unknown" if isinstance(error, OutcomeUnknown) else type(error).__name__.lower()

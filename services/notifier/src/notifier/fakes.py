"""A ledger in memory, for tests: it passes the contract suite of the real one."""

from dataclasses import dataclass, replace

from notifier.ledger.ledger import Begun, Delivery
from posta.errors import Unavailable


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is kept of one delivery."""

    delivery: Delivery
    state: str
    attempts: int = 1


class MemoryLedger:
    """See ``notifier.ledger.ledger.Ledger``; while ``away`` is set every call raises ``Unavailable``."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.away = False

    async def begin(self, delivery: Delivery) -> Begun:
        """See ``Ledger``."""
        self._check()
        row = self.rows.get(delivery.event_id)
        if row is None:
            self.rows[delivery.event_id] = Row(delivery=delivery, state="sending")
            return Begun.FRESH
        if row.state == "sent":
            return Begun.SENT
        known_id = row.delivery.message_id or delivery.message_id
        self.rows[delivery.event_id] = Row(
            delivery=replace(delivery, message_id=known_id), state="sending", attempts=row.attempts + 1
        )
        return Begun.UNKNOWN if row.state == "sending" else Begun.FRESH

    async def sent(self, event_id: str, *, message_id: str | None) -> None:
        """See ``Ledger``."""
        self._check()
        row = self.rows.get(event_id)
        if row is not None:
            known = replace(row.delivery, message_id=message_id or row.delivery.message_id)
            self.rows[event_id] = replace(row, delivery=known, state="sent")

    async def refused(self, event_id: str) -> None:
        """See ``Ledger``."""
        self._check()
        row = self.rows.get(event_id)
        if row is not None and row.state == "sending":
            self.rows[event_id] = replace(row, state="failed")

    def _check(self) -> None:
        if self.away:
            raise Unavailable("postgres", "the test said so")

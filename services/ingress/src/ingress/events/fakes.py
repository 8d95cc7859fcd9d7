"""Published events in memory, for tests: it passes the contract suite of the real table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from posta.domain.envelope import Event
from posta.domain.event_state import EventTraces
from posta.domain.payloads import EventPublished
from posta.errors import Unavailable
from posta.postgres.event_fates import Found, Noted
from posta.postgres.published_events import Cancelled, noted_of


@dataclass(slots=True)
class Row:
    """What is kept of one event."""

    noted: Noted
    is_claimed: bool = False
    copies: int | None = None
    """Not None: it is settled."""
    cancelled_by: str | None = None
    deliveries: list[str] = field(default_factory=list)
    folded_into: tuple[str, ...] = ()


class MemoryPublishedEvents:
    """See ``posta.postgres.published_events``; while ``away`` is set every call raises ``Unavailable``."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.away = False

    async def note(self, events: Sequence[Noted]) -> None:
        """See ``PublishedEvents``."""
        self._check()
        for noted in events:
            self.rows.setdefault(noted.event_id, Row(noted))

    async def claim(self, event: Event[EventPublished]) -> bool:
        """See ``PublishedEvents``."""
        self._check()
        row = self.rows.setdefault(event.id, Row(noted_of(event)))
        if row.cancelled_by is not None:
            return False
        row.is_claimed = True
        return True

    async def release(self, event_id: str) -> None:
        """See ``PublishedEvents``."""
        self._check()
        if event_id in self.rows:
            self.rows[event_id].is_claimed = False

    async def settle(self, event_id: str, *, copies: int) -> None:
        """See ``PublishedEvents``."""
        self._check()
        if event_id in self.rows:
            self.rows[event_id].copies = copies

    async def cancel(self, event_id: str, *, by: str) -> Cancelled:
        """See ``PublishedEvents``."""
        self._check()
        row = self.rows.get(event_id)
        if row is None:
            return Cancelled.UNKNOWN
        if row.is_claimed or {"sending", "sent"} & set(row.deliveries):
            return Cancelled.TOO_LATE
        row.cancelled_by = row.cancelled_by or by
        return Cancelled.DONE

    async def find(self, event_id: str) -> Found | None:
        """See ``PublishedEvents``."""
        self._check()
        row = self.rows.get(event_id)
        if row is None:
            return None
        return Found(
            noted=row.noted,
            traces=EventTraces(
                deliver_at=row.noted.deliver_at,
                is_claimed=row.is_claimed,
                is_cancelled=row.cancelled_by is not None,
                deliveries=tuple(row.deliveries),
                is_settled=row.copies is not None,
                copies=row.copies or 0,
                folds=len(row.folded_into),
            ),
            attempts=len(row.deliveries),
            updated_at=datetime.now(UTC),
            reason=None,
            cancelled_by=row.cancelled_by,
            shown_with=row.folded_into,
        )

    def _check(self) -> None:
        if self.away:
            raise Unavailable("postgres", "the test said so")

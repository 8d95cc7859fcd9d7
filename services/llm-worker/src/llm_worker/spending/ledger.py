"""The books of money in PostgreSQL, apart from what is written with claims and answers.

Answers that needed no call are noted in batches, in the background: they cost nothing, so a crash may lose
the count of a second. What a call came to, and could not be written with its claim, is written later too.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from llm_worker.spending.budget import BudgetUsedUp
from llm_worker.spending.call import Call, Ended
from llm_worker.spending.sql import SETTLE, reserve, reserve_values, settle_values
from posta.background import regularly
from posta.errors import Failure
from posta.postgres.pool import Database
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_EVERY_S = 1.0
_MOST_KEPT = 10_000
_WRITE_S = 5.0
_NAMESPACE = uuid.UUID("5b0b3b1e-4f3a-4a53-9a0c-0f5e6a7c9d21")
_BEGIN = f"""
WITH source AS (SELECT 1), {reserve(1, source="source")} SELECT count(*) FROM budget
"""  # noqa: S608 - constants, put together
_UNCALLED = """
INSERT INTO llm_usage (id, event_id, conversation, tenant, day, outcome, is_used, ended_at)
SELECT id, event_id, conversation, tenant, (clock_timestamp() AT TIME ZONE zone)::date, source, true,
       clock_timestamp()
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
       AS u (id, event_id, conversation, tenant, source, zone)
ON CONFLICT (id) DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncalled:
    """An answer that needed no call."""

    event_id: str
    conversation: str
    tenant: str
    source: str
    """``faq``, ``cache``, ``delivery`` (an answer that was paid for before), …"""
    time_zone: str

    @property
    def id(self) -> UUID:
        """The same for every redelivery."""
        return uuid.uuid5(_NAMESPACE, f"{self.source}\\n{self.event_id}")


class Ledger:
    """What is written apart; only within ``writing`` is what was noted kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._uncalled: deque[Uncalled] = deque(maxlen=_MOST_KEPT)
        self._unsettled: deque[tuple[Ended, UUID | None]] = deque(maxlen=_MOST_KEPT)

    async def begin(self, call: Call) -> None:
        """Reserve what ``call`` may cost. Raises ``BudgetUsedUp``, or ``Unavailable``."""
        async with self._database.connection() as connection:
            if not await connection.fetchval(_BEGIN, *reserve_values(call)):
                raise BudgetUsedUp(call.tenant)

    def settle(self, ended: Iterable[Ended], *, used: UUID | None = None) -> None:
        """Write soon what calls came to; ``used`` is the one whose answer was of use."""
        self._unsettled.extend((one, used) for one in ended)

    def note(self, uncalled: Uncalled) -> None:
        """Write soon that an answer needed no call."""
        self._uncalled.append(uncalled)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[None]:
        """Write in the background for the block, and once more at its end."""
        try:
            async with regularly(self._try, name="ledger", every_s=_EVERY_S, first_s=_EVERY_S):
                yield
        finally:
            await self._try()

    async def write(self) -> None:
        """Write what was noted. Raises ``Unavailable``, and keeps it."""
        settling, noting = list(self._unsettled), list(self._uncalled)
        if not settling and not noting:
            return
        async with self._database.connection() as connection:
            # By tenant, so that two workers that write at once lock their rows in one order.
            by_tenant = sorted(settling, key=lambda pair: pair[0].call.tenant)
            await connection.executemany(SETTLE, [settle_values(one, used=used) for one, used in by_tenant])
            if noting:
                await connection.execute(_UNCALLED, *_columns(noting))
        for _ in settling:
            self._unsettled.popleft()
        for _ in noting:
            self._uncalled.popleft()

    async def _try(self) -> None:
        try:
            async with asyncio.timeout(_WRITE_S):
                await self.write()
        except (Failure, TimeoutError) as exc:
            log.warning("usage_not_written", reason=type(exc).__name__)
        except Exception:
            log.exception("usage_writing_broken")


def _columns(noting: list[Uncalled]) -> tuple[list[object], ...]:
    return (
        [one.id for one in noting],
        [one.event_id for one in noting],
        [one.conversation for one in noting],
        [one.tenant for one in noting],
        [one.source for one in noting],
        [one.time_zone for one in noting],
    )

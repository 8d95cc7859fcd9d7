"""Dead letters in PostgreSQL."""

import asyncpg

from dlq_admin import queries
from dlq_admin.dead_letter import (
    Action,
    Alike,
    Bytes,
    DeadLetter,
    Decided,
    Decision,
    Filter,
    KeyReused,
    Reading,
    RequestKey,
    State,
    Summary,
    refusal,
)
from dlq_admin.rows import audit_entry_of, columns_of, reading_of, record_of, summary_of
from dlq_admin.store import Backlog, Chosen, Claimed
from dlq_admin.stored_headers import dump_headers
from posta.postgres.pool import Connection, Database

_LIKE_SPECIAL = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})


class PostgresStore:
    """See ``Store``; every change of state and its audit entry are one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, reading: Reading, record: Bytes) -> bool:
        """See ``Store.add``."""
        async with self._database.connection() as connection:
            added = await connection.fetchval(
                queries.ADD,
                *columns_of(reading),
                record.key,
                record.value,
                dump_headers(record.headers),
            )
        return added is not None

    async def find(self, wanted: Filter, *, before: int | None, limit: int) -> list[Summary]:
        """See ``Store.find``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(queries.FIND, *_conditions(wanted), before, limit)
        return [summary_of(row) for row in rows]

    async def get(self, dead_letter_id: int) -> DeadLetter | None:
        """See ``Store.get``."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(queries.GET, dead_letter_id)
            if row is None:
                return None
            audit = await connection.fetch(queries.AUDIT, dead_letter_id)
            event_id, group = row["event_id"], row["consumer_group"]
            others = await connection.fetch(queries.SAME_EVENT, event_id, group, dead_letter_id)
        return DeadLetter(
            summary=summary_of(row),
            record=record_of(row),
            audit=tuple(audit_entry_of(entry) for entry in audit),
            others=tuple(summary_of(other) for other in others),
        )

    async def alike(self, wanted: Filter, *, limit: int) -> list[Alike]:
        """See ``Store.alike``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(queries.ALIKE, *_conditions(wanted), limit)
        return [
            Alike(
                fingerprint=row["fingerprint"],
                group=row["consumer_group"],
                error_class=row["error_class"],
                exception_type=row["exception_type"],
                reason=row["reason"],
                count=row["count"],
                oldest=row["oldest"],
                newest=row["newest"],
            )
            for row in rows
        ]

    async def claim(
        self, chosen: Chosen, decision: Decision, *, lease_s: float, request: RequestKey | None = None
    ) -> Decided:
        """See ``Store.claim``."""
        async with self._database.transaction() as connection:
            if request is not None and (known := await _known(connection, request)) is not None:
                return known
            decided = await _choose(connection, chosen, Action.REPLAY)
            ids = list(decided.ids)
            if ids:
                await connection.execute(queries.MARK_REPLAYING, ids, lease_s, decision.from_scratch)
                await _note(connection, ids, decision, "started")
            if request is not None:
                await _complete(connection, request, ids)
        return decided

    async def discard(self, chosen: Chosen, decision: Decision) -> Decided:
        """See ``Store.discard``."""
        async with self._database.transaction() as connection:
            decided = await _choose(connection, chosen, Action.DISCARD)
            ids = list(decided.ids)
            if ids:
                await connection.execute(queries.MARK_DISCARDED, ids)
                await _note(connection, ids, decision, "discarded")
        return decided

    async def release(self, chosen: Chosen, decision: Decision) -> Decided:
        """See ``Store.release``."""
        async with self._database.transaction() as connection:
            decided = await _choose(connection, chosen, Action.RELEASE)
            ids = list(decided.ids)
            if ids:
                await connection.execute(queries.MARK_RELEASING, ids)
                await _note(connection, ids, decision, "started")
        return decided

    async def lease_releases(self, *, limit: int, lease_s: float) -> list[Claimed]:
        """See ``Store.lease_releases``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(queries.LEASE_RELEASES, lease_s, limit)
        return sorted(map(_claimed, rows), key=lambda one: one.id)

    async def released(self, dead_letter_id: int, *, outcome: str) -> bool:
        """See ``Store.released``."""
        async with self._database.connection() as connection:
            return await connection.fetchval(queries.END_RELEASE, dead_letter_id, outcome) is not None

    async def lease(self, *, ids: tuple[int, ...] | None, limit: int, lease_s: float) -> list[Claimed]:
        """See ``Store.lease``."""
        async with self._database.connection() as connection:
            wanted = None if ids is None else list(ids)
            rows = await connection.fetch(queries.LEASE, lease_s, wanted, limit)
        return sorted(map(_claimed, rows), key=lambda one: one.id)

    async def finish(self, dead_letter_id: int) -> bool:
        """See ``Store.finish``."""
        return await self._end(dead_letter_id, State.REPLAYED, "replayed")

    async def reopen(self, dead_letter_id: int, *, why: str) -> bool:
        """See ``Store.reopen``."""
        return await self._end(dead_letter_id, State.OPEN, f"refused: {why}")

    async def backlog(self) -> Backlog:
        """See ``Store.backlog``."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(queries.BACKLOG)
        return Backlog(
            open_by_group={row["consumer_group"]: row["count"] for row in rows},
            oldest_s=max((row["oldest_s"] for row in rows), default=0.0),
        )

    async def forget_requests(self, *, older_than_s: float) -> None:
        """See ``Store.forget_requests``."""
        async with self._database.connection() as connection:
            await connection.execute(queries.FORGET_REQUESTS, older_than_s)

    async def _end(self, dead_letter_id: int, state: State, outcome: str) -> bool:
        async with self._database.connection() as connection:
            noted = await connection.fetchval(queries.END_REPLAY, dead_letter_id, state.value, outcome)
        return noted is not None


async def _known(connection: Connection, request: RequestKey) -> Decided | None:
    """What an earlier request with this key did; None when this is the first."""
    # A concurrent first request holds the row until it commits: this waits for it.
    first = await connection.fetchval(
        queries.REMEMBER_REQUEST, request.actor, request.key, request.request_sha256
    )
    if first is not None:
        return None
    row = await connection.fetchrow(queries.KNOWN_REQUEST, request.actor, request.key)
    if row is None or row["request_sha256"] != request.request_sha256:
        raise KeyReused
    return Decided(ids=tuple(row["dead_letter_ids"]), repeated=True)


async def _complete(connection: Connection, request: RequestKey, ids: list[int]) -> None:
    if ids:
        await connection.execute(queries.COMPLETE_REQUEST, request.actor, request.key, ids)
    else:
        # Nothing was done, so the same key may be tried again.
        await connection.execute(queries.DROP_REQUEST, request.actor, request.key)


async def _choose(connection: Connection, chosen: Chosen, action: Action) -> Decided:
    """Lock what was chosen and tell what can be done from what cannot."""
    if chosen.filter is None:
        rows = await connection.fetch(queries.CHOOSE_IDS, list(chosen.ids))
    else:
        rows = await connection.fetch(queries.CHOOSE_FITTING, *_conditions(chosen.filter), chosen.limit)
    reasons = {row["id"]: refusal(State(row["state"]), action=action) for row in rows}
    return Decided(
        ids=tuple(found for found, why in reasons.items() if why is None),
        refused={found: why for found, why in reasons.items() if why is not None},
        missing=tuple(sorted(set(chosen.ids) - set(reasons))),
    )


def _claimed(row: asyncpg.Record) -> Claimed:
    return Claimed(
        id=row["id"], reading=reading_of(row), record=record_of(row), from_scratch=row["from_scratch"]
    )


async def _note(connection: Connection, ids: list[int], decision: Decision, outcome: str) -> None:
    await connection.execute(
        queries.NOTE, ids, decision.action.value, decision.actor, decision.reason, outcome
    )


def _conditions(wanted: Filter) -> tuple[str | bool | None, ...]:
    text = None if wanted.text is None else f"%{wanted.text.translate(_LIKE_SPECIAL)}%"
    return (
        wanted.group,
        wanted.error_class,
        None if wanted.state is None else wanted.state.value,
        wanted.fingerprint,
        wanted.event_type,
        text,
        wanted.holding,
    )

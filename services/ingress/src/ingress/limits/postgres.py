"""Sliding windows that all instances share, in PostgreSQL."""

import json
from collections.abc import Sequence

from ingress.limits.window import Hits, Quota, Request, keys_of, longest_window_s, take_all
from posta.postgres.pool import Database

# Locks each key's row, in one order for everybody, and tells the one clock that counts.
_LOCK = """
INSERT INTO governor_window AS w (key, ends_at)
SELECT key, clock_timestamp() FROM unnest($1::text[]) WITH ORDINALITY AS k (key, number) ORDER BY number
ON CONFLICT (key) DO UPDATE SET key = excluded.key
RETURNING w.key, w.hits, extract(epoch FROM clock_timestamp())::float8 AS now
"""
_STORE = """
UPDATE governor_window AS w
SET hits = (SELECT array_agg(value::float8) FROM jsonb_array_elements_text(n.hits) AS value),
    ends_at = to_timestamp(n.ends_at)
FROM jsonb_to_recordset($1::jsonb) AS n (key text, hits jsonb, ends_at float8)
WHERE w.key = n.key
"""
_CLEAN = "DELETE FROM governor_window WHERE ends_at < now()"
_COUNT = "SELECT count(*) FROM governor_window WHERE ends_at >= now()"


class PostgresWindows:
    """Many requests share one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, requests: Sequence[Request]) -> list[Quota | None]:
        """Count each request, or name the quota that refuses it. Raises ``Unavailable``."""
        async with self._database.transaction() as connection:
            rows = await connection.fetch(_LOCK, keys_of(requests))
            now = max(row["now"] for row in rows)
            before: dict[str, Hits] = {row["key"]: tuple(row["hits"]) for row in rows}
            after = dict(before)
            verdicts = take_all(requests, after, now)
            windows = longest_window_s(requests)
            changed = [
                {"key": key, "hits": list(hits), "ends_at": now + windows[key]}
                for key, hits in after.items()
                if hits != before[key]
            ]
            if changed:
                await connection.execute(_STORE, json.dumps(changed))
        return verdicts

    async def clean(self) -> None:
        """Forget the windows that are over. Raises ``Unavailable``."""
        async with self._database.connection() as connection:
            await connection.execute(_CLEAN)

    async def active(self) -> int:
        """How many keys had a hit within their window. Raises ``Unavailable``."""
        async with self._database.connection() as connection:
            count: int = await connection.fetchval(_COUNT)
        return count

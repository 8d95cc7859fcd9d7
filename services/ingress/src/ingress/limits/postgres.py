"""Sliding windows that all instances share, in PostgreSQL.

Each request is counted first and judged by what was counted before it, so that one statement is enough;
those that are refused are taken back by a second one. In between they count for others: for a moment
somebody may be refused who shares a key with somebody that is refused by another one.
"""

from collections.abc import Mapping, Sequence

from ingress.limits.window import Hits, Quota, Request, counts_of, longest_window_s, take_all
from posta.postgres.pool import Database

# By key in one order for everybody, so that no two instances wait for each other. Each hit is unlike the
# others of its key; behind the window's end nothing is kept: now - window = now - (end - now).
_COUNT_IN = """
INSERT INTO governor_window AS w (key, hits, ends_at)
SELECT k.key, ARRAY(SELECT c.now + i * 1e-6 FROM generate_series(0, k.count - 1) AS i),
       to_timestamp(c.now + k.window_s)
FROM unnest($1::text[], $2::int[], $3::float8[]) WITH ORDINALITY AS k (key, count, window_s, place),
     (SELECT extract(epoch FROM statement_timestamp())::float8 AS now) AS c
ORDER BY k.place
ON CONFLICT (key) DO UPDATE SET
    hits = ARRAY(SELECT hit FROM unnest(w.hits) AS hit
                 WHERE hit > 2 * extract(epoch FROM statement_timestamp())::float8
                             - extract(epoch FROM excluded.ends_at)::float8) || excluded.hits,
    ends_at = greatest(w.ends_at, excluded.ends_at)
RETURNING w.key, w.hits
"""
_TAKE_BACK = """
INSERT INTO governor_window AS w (key, hits, ends_at)
SELECT k.key, ($2::float8[])[k.first:k.last], now()
FROM unnest($1::text[], $3::int[], $4::int[]) WITH ORDINALITY AS k (key, first, last, place)
ORDER BY k.place
ON CONFLICT (key) DO UPDATE SET
    hits = ARRAY(SELECT hit FROM unnest(w.hits) AS hit WHERE NOT hit = ANY (excluded.hits))
"""
_CLEAN = "DELETE FROM governor_window WHERE ends_at < now()"
_COUNT = "SELECT count(*) FROM governor_window WHERE ends_at >= now() AND hits <> '{}'"


class PostgresWindows:
    """Many requests share one statement."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, requests: Sequence[Request]) -> list[Quota | None]:
        """Count each request, or name the quota that refuses it. Raises ``Unavailable``."""
        counts, windows = counts_of(requests), longest_window_s(requests)
        keys = list(counts)
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _COUNT_IN, keys, list(counts.values()), [windows[key] for key in keys]
            )
            hits: dict[str, list[float]] = {row["key"]: row["hits"] for row in rows}
            before: dict[str, Hits] = {key: hits[key][: -counts[key]] for key in keys}
            verdicts = take_all(requests, before, hits[keys[0]][-counts[keys[0]]])
            back = _refused_hits(requests, verdicts, hits)
            if back:
                await connection.execute(_TAKE_BACK, *_columns(back))
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


def _refused_hits(
    requests: Sequence[Request], verdicts: Sequence[Quota | None], hits: Mapping[str, Sequence[float]]
) -> dict[str, Sequence[float]]:
    """By key, in the order of keys, the hits that are to be taken back: the last ones, as many as refused."""
    refused = [request for request, verdict in zip(requests, verdicts, strict=True) if verdict is not None]
    return {key: hits[key][-count:] for key, count in counts_of(refused).items()}


def _columns(back: Mapping[str, Sequence[float]]) -> tuple[list[str], list[float], list[int], list[int]]:
    """Keys, all hits behind each other, and each key's first and last of them."""
    flat: list[float] = []
    firsts, lasts = [], []
    for hits in back.values():
        firsts.append(len(flat) + 1)
        flat.extend(hits)
        lasts.append(len(flat))
    return list(back), flat, firsts, lasts

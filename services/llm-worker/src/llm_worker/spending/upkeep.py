"""Keeps the books of money small: old calls are summed up by day, calls of dead workers closed.

begun ──an hour without an end──▶ lost (what was reserved stays spent; its worker may still correct it)
a call ──retention──▶ part of its day's sum ──daily retention──▶ deleted

A row is either single or in its day's sum, never both: it moves in one statement. So any number of workers
may do this at once.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from posta.background import regularly
from posta.postgres.pool import Database
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_LOST_AFTER_S = 3_600.0
"""Longer than any call may take, and than any answer is kept until it can be stored."""
_BATCH = 5_000
_LOST = """
UPDATE llm_usage SET outcome = 'lost', ended_at = clock_timestamp()
 WHERE outcome = 'begun' AND begun_at < clock_timestamp() - make_interval(secs => $1)
RETURNING model, cost
"""
_SUM_UP = """
WITH moved AS (
    DELETE FROM llm_usage WHERE id IN (
        SELECT id FROM llm_usage
         WHERE day < (clock_timestamp() - make_interval(days => $1))::date AND outcome <> 'begun'
         ORDER BY day LIMIT $2 FOR UPDATE SKIP LOCKED)
    RETURNING *
), summed AS (
    INSERT INTO llm_usage_day AS d (day, tenant, provider, model, outcome, is_used, currency,
                                    calls, tokens_in, tokens_cached, tokens_out, cost)
    SELECT day, tenant, provider, model, outcome, is_used, currency,
           count(*), sum(tokens_in), sum(tokens_cached), sum(tokens_out), sum(cost)
      FROM moved GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (day, tenant, provider, model, outcome, is_used, currency) DO UPDATE
       SET calls = d.calls + excluded.calls, tokens_in = d.tokens_in + excluded.tokens_in,
           tokens_cached = d.tokens_cached + excluded.tokens_cached,
           tokens_out = d.tokens_out + excluded.tokens_out, cost = d.cost + excluded.cost
)
SELECT count(*)::int FROM moved
"""
_FORGET = """
WITH days AS (
    DELETE FROM llm_usage_day WHERE day < (clock_timestamp() - make_interval(days => $1))::date RETURNING 1
), budgets AS (
    DELETE FROM llm_tenant_day WHERE day < (clock_timestamp() - make_interval(days => $1))::date RETURNING 1
)
SELECT (SELECT count(*) FROM days)::int + (SELECT count(*) FROM budgets)::int
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpkeepPolicy:
    """How long what is kept, and how often that is looked at."""

    retention_days: int = 90
    daily_retention_days: int = 1_095
    every_s: float = 3_600.0


def keeping_up(database: Database, policy: UpkeepPolicy) -> AbstractAsyncContextManager[None]:
    """Keep the books small for the block."""

    async def upkeep() -> None:
        done = await keep_up(database, policy)
        if any(done.values()):
            log.info("usage_kept_up", **done)

    return regularly(upkeep, name="usage upkeep", every_s=policy.every_s)


async def keep_up(database: Database, policy: UpkeepPolicy) -> dict[str, int]:
    """Do it once; returns how many rows were closed, summed up and deleted. Raises ``Unavailable``."""
    async with database.connection() as connection:
        lost = await connection.fetch(_LOST, _LOST_AFTER_S)
        for row in lost:
            names.LLM_COST_WASTED.labels(row["model"], "lost").inc(float(row["cost"]))
        summed, moved = 0, _BATCH
        while moved == _BATCH:
            moved = await connection.fetchval(_SUM_UP, policy.retention_days, _BATCH)
            summed += moved
        deleted = await connection.fetchval(_FORGET, policy.daily_retention_days)
    return {"lost": len(lost), "summed_up": summed, "deleted": deleted}

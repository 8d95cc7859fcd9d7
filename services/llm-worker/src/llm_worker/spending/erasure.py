"""Takes a person out of the books of money: the sums stay, nothing says any more whose they were.

What counts against their budget of today stays until tomorrow: else whoever is forgotten could begin it anew.
"""

from collections.abc import Sequence

from posta.postgres.pool import Connection

_NOBODY = "person:erased"
_CALLS = """
UPDATE llm_usage SET event_id = '', conversation = '', tenant = CASE WHEN tenant = $1 THEN $2 ELSE tenant END
 WHERE tenant = $1 OR event_id = ANY($3) OR conversation = ANY($4)
"""
_SUMS = """
WITH whose AS (DELETE FROM llm_usage_day WHERE tenant = $1 RETURNING *)
INSERT INTO llm_usage_day AS d (day, tenant, provider, model, outcome, is_used, currency,
                                calls, tokens_in, tokens_cached, tokens_out, cost)
SELECT day, $2, provider, model, outcome, is_used, currency, calls, tokens_in, tokens_cached, tokens_out, cost
  FROM whose
ON CONFLICT (day, tenant, provider, model, outcome, is_used, currency) DO UPDATE
   SET calls = d.calls + excluded.calls, tokens_in = d.tokens_in + excluded.tokens_in,
       tokens_cached = d.tokens_cached + excluded.tokens_cached,
       tokens_out = d.tokens_out + excluded.tokens_out, cost = d.cost + excluded.cost
"""
_BUDGETS = (
    "DELETE FROM llm_tenant_day WHERE tenant = $1 AND day < (clock_timestamp() - interval '1 day')::date"
)


async def forget_usage(
    connection: Connection, person: str, *, events: Sequence[str], conversations: Sequence[str]
) -> None:
    """Make nobody's what ``person`` (``discord:<id>``, ``email:<address>``) used, within the transaction.

    Conversations are those that they took part in; a call in one that several share is nobody's afterwards.
    """
    tenant = person.replace("discord:", "person:", 1)
    await connection.execute(_CALLS, tenant, _NOBODY, list(events), list(conversations))
    await connection.execute(_SUMS, tenant, _NOBODY)
    await connection.execute(_BUDGETS, tenant)

"""Takes a person out of the books of money: the sums stay, nothing says any more whose they were.

What counts against their budget of today stays until tomorrow: else whoever is forgotten could begin it anew.
"""

from collections.abc import Sequence

from posta.postgres.pool import Connection

_NOBODY = "person:erased"
_CALLS = """
UPDATE llm_usage SET event_id = '', conversation = '', tenant = CASE WHEN tenant = $1 THEN $2 ELSE tenant END
 WHERE tenant = $1 OR event_id = ANY($3) OR conversation = ANY($4) OR conversation LIKE $5
RETURNING 1
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
) -> int:
    """Make nobody's what ``person`` (``discord:<id>``, ``email:<address>``) used, within the transaction.

    Conversations are those that they took part in; a call in one that several share is nobody's afterwards.
    Returns how many calls it were, sums of days not counted.
    """
    medium, _, id_ = person.partition(":")
    # Only who writes directly on Discord is a tenant; only there a conversation's name ends in the person,
    # by which it is known after its turns were deleted for their age.
    is_named = medium == "discord" and id_.isdigit()
    tenant, ending = (f"person:{id_}", f"discord:%:{id_}") if is_named else (None, None)
    calls = await connection.fetch(_CALLS, tenant, _NOBODY, list(events), list(conversations), ending)
    await connection.execute(_SUMS, tenant, _NOBODY)
    await connection.execute(_BUDGETS, tenant)
    return len(calls)

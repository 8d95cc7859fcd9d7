"""SQL of the books of money, written to stand inside the statements that claim and store answers.

A call's cost counts against its tenant's day from before it is made: the most it can come to, corrected
when it ended. So workers that call at once cannot together spend more than is left.
"""

from uuid import UUID

from llm_worker.spending.call import Call, Ended

_RESERVE = """
budget AS (
    INSERT INTO llm_tenant_day AS b (day, tenant, cost, tokens, currency, warned_at)
    SELECT (statement_timestamp() AT TIME ZONE ${zone}::text)::date, ${tenant}::text, ${cost}::numeric,
           ${tokens}::bigint, ${currency}::text,
           CASE WHEN ${cost} >= ${warn_cost}::numeric OR ${tokens} >= ${warn_tokens}::bigint
                THEN statement_timestamp() END
      FROM {source}
     WHERE (${most_cost}::numeric IS NULL OR ${cost} <= ${most_cost})
       AND (${most_tokens}::bigint IS NULL OR ${tokens} <= ${most_tokens})
    ON CONFLICT (day, tenant) DO UPDATE
       SET cost = b.cost + excluded.cost, tokens = b.tokens + excluded.tokens, currency = excluded.currency,
           warned_at = coalesce(b.warned_at, CASE WHEN b.cost + excluded.cost >= ${warn_cost}::numeric
                OR b.tokens + excluded.tokens >= ${warn_tokens}::bigint THEN statement_timestamp() END)
     WHERE (${most_cost} IS NULL OR b.cost + excluded.cost <= ${most_cost})
       AND (${most_tokens} IS NULL OR b.tokens + excluded.tokens <= ${most_tokens})
    RETURNING day, cost, tokens, coalesce(warned_at = statement_timestamp(), false) AS warns
), begun AS (
    INSERT INTO llm_usage (id, event_id, conversation, tenant, day, provider, model, outcome,
                           tokens_in, tokens_out, is_estimated, cost, currency)
    SELECT ${id}::uuid, ${event}::text, ${conversation}::text, ${tenant}, budget.day, ${provider}::text,
           ${model}::text, 'begun', ${most_in}::int, ${most_out}::int, true, ${cost}, ${currency}
      FROM budget
)"""
_RESERVE_NAMES = (
    "id", "event", "conversation", "tenant", "provider", "model", "most_in", "most_out", "cost", "tokens",
    "currency", "zone", "most_cost", "most_tokens", "warn_cost", "warn_tokens",
)  # fmt: skip
# One call at a time: a statement for several is planned while the table is small, and then reads it from its
# first row to its last for each answer, until PostgreSQL next looks how large it has become.
_SETTLE = """
before AS (
    SELECT cost, tokens_in + tokens_out AS tokens FROM llm_usage
     WHERE id = ${at}::uuid AND outcome IN ('begun', 'lost') FOR UPDATE
), settled AS (
    UPDATE llm_usage u
       SET outcome = ${outcome}::text, tokens_in = ${tokens_in}::int, tokens_cached = ${cached}::int,
           tokens_out = ${tokens_out}::int, is_estimated = ${estimated}::bool, cost = ${cost}::numeric,
           is_used = ${used}::bool AND {is_kept}, ended_at = clock_timestamp()
      FROM before b WHERE u.id = ${at}
    RETURNING u.day, u.tenant, u.cost - b.cost AS cost, u.tokens_in + u.tokens_out - b.tokens AS tokens
), corrected AS (
    UPDATE llm_tenant_day d SET cost = d.cost + s.cost, tokens = d.tokens + s.tokens
      FROM settled s WHERE d.day = s.day AND d.tenant = s.tenant
)"""
_SETTLE_NAMES = ("at", "outcome", "cached", "tokens_in", "tokens_out", "estimated", "cost", "used")


def reserve(first: int, *, source: str) -> str:
    """CTEs ``budget`` (a row when it allows the call) and ``begun``, if ``source`` has a row.

    Their parameters begin with number ``first``: those of ``reserve_values``.
    """
    numbers = {name: first + at for at, name in enumerate(_RESERVE_NAMES)}
    return _numbered(_RESERVE, numbers, {"source": source})


def reserve_values(call: Call) -> tuple[object, ...]:
    """The parameters of ``reserve``."""
    limit, most = call.limit, call.most
    return (
        call.id, call.event_id, call.conversation, call.tenant, call.provider, call.model,
        most.tokens_in, most.tokens_out, call.most_cost, most.tokens,
        call.price.currency, limit.time_zone, limit.cost, limit.tokens, *limit.warnings,
    )  # fmt: skip


def settle(first: int, *, is_kept: str = "true") -> str:
    """CTEs that enter what a call came to, once; ``is_kept``: a condition without which it was not used.

    Their parameters begin with number ``first``: those of ``settle_values``.
    """
    numbers = {name: first + at for at, name in enumerate(_SETTLE_NAMES)}
    return _numbered(_SETTLE, numbers, {"is_kept": is_kept})


def settle_values(one: Ended, *, used: UUID | None) -> tuple[object, ...]:
    """The parameters of ``settle``; ``used`` is the call whose answer is given."""
    usage = one.usage
    return (
        one.call.id, one.outcome, usage.tokens_cached, usage.tokens_in, usage.tokens_out,
        one.is_estimated, one.cost, one.call.id == used,
    )  # fmt: skip


def _numbered(text: str, numbers: dict[str, int], texts: dict[str, str]) -> str:
    return text.replace("${", "{").format(**{name: f"${at}" for name, at in numbers.items()}, **texts)


SETTLE = f"WITH {settle(1)} SELECT count(*) FROM settled"  # noqa: S608 - constants, put together
"""Enters what a call came to by itself; parameters as of ``settle``."""

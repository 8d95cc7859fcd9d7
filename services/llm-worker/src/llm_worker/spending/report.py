"""What was spent and saved, by day, tenant, conversation, model or outcome: what an operator is shown."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from llm_worker.spending.rules import BudgetRules
from posta.postgres.pool import Connection, Database

_ALL = """
WITH used AS (
    SELECT day, tenant, conversation, model, outcome, is_used, currency, 1::bigint AS calls,
           tokens_in::bigint AS tokens_in, tokens_cached::bigint AS tokens_cached,
           tokens_out::bigint AS tokens_out, cost
      FROM llm_usage
    UNION ALL
    SELECT day, tenant, '', model, outcome, is_used, currency, calls,
           tokens_in, tokens_cached, tokens_out, cost
      FROM llm_usage_day
), chosen AS (
    SELECT * FROM used
     WHERE day BETWEEN $1 AND $2 AND ($3::text IS NULL OR tenant = $3) AND ($4::text IS NULL OR model = $4)
       AND outcome <> 'not_made'
)"""
_SUMS = """
       coalesce(sum(calls) FILTER (WHERE model <> ''), 0)::bigint AS calls,
       coalesce(sum(calls) FILTER (WHERE model = ''), 0)::bigint AS uncalled,
       coalesce(sum(tokens_in), 0)::bigint AS tokens_in,
       coalesce(sum(tokens_cached), 0)::bigint AS tokens_cached,
       coalesce(sum(tokens_out), 0)::bigint AS tokens_out,
       coalesce(sum(cost) FILTER (WHERE currency = $5), 0) AS cost,
       coalesce(sum(cost) FILTER (WHERE currency = $5 AND NOT is_used AND outcome <> 'begun'), 0) AS wasted,
       coalesce(sum(cost) FILTER (WHERE currency = $5 AND outcome = 'begun'), 0) AS under_way
  FROM chosen
"""
_TOTAL = f"{_ALL} SELECT '' AS name, {_SUMS}"
_SAVED = f"""{_ALL}
SELECT outcome, sum(calls)::bigint AS answers FROM chosen WHERE model = '' AND $5::text IS NOT NULL GROUP BY 1
"""  # noqa: S608 - as above
_TODAY = "SELECT (statement_timestamp() AT TIME ZONE $1::text)::date"
_BUDGETS = """
SELECT tenant, cost, tokens, refused, warned_at, stopped_at FROM llm_tenant_day
 WHERE day = $1 AND ($2::text IS NULL OR tenant = $2)
 ORDER BY refused DESC, cost DESC, tokens DESC, tenant LIMIT $3
"""


class By(StrEnum):
    """What a line of the report is about."""

    DAY = "day"
    TENANT = "tenant"
    CONVERSATION = "conversation"
    """Kept for as long as single calls are; older days are summed up."""
    MODEL = "model"
    OUTCOME = "outcome"


_NAMES = {
    By.DAY: "day::text",
    By.TENANT: "tenant",
    By.CONVERSATION: "conversation",
    By.MODEL: "model",
    By.OUTCOME: "outcome",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which part of the books."""

    by: By = By.DAY
    days: int = 7
    """So many, today the last; unless ``first`` is given."""
    first: date | None = None
    last: date | None = None
    tenant: str | None = None
    model: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one day, tenant, … came to."""

    name: str
    calls: int
    uncalled: int
    """Answers that needed no call."""
    tokens_in: int
    tokens_cached: int
    """Of ``tokens_in``."""
    tokens_out: int
    cost: Decimal
    """Calls under way at the most that they can come to."""
    wasted: Decimal
    """Of it, for calls whose answer was not used."""
    under_way: Decimal
    """Of it, reserved and not yet known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetToday:
    """How far a tenant is with its budget of today."""

    tenant: str
    cost: Decimal
    cost_limit: Decimal | None
    tokens: int
    tokens_limit: int | None
    share: float | None
    """Of the limit that is nearer; null: it has none."""
    refused: int
    """Questions that were not asked for want of it."""
    warned_at: datetime | None
    stopped_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageReport:
    """The whole answer."""

    currency: str
    """Of every amount; what was paid in another is not in the sums."""
    time_zone: str
    first: date
    last: date
    by: By
    total: Line
    saved: dict[str, int]
    """Answers that needed no call, by where they came from; ``delivery``: paid for before."""
    saved_cost: Decimal
    """What they would have cost at the mean price of a used call: an estimate."""
    lines: tuple[Line, ...]
    """By day the newest first, else the most expensive first."""
    budgets: tuple[BudgetToday, ...]
    """Of tenants that asked today, the refused ones first."""


class Usage:
    """Reads the books; every call raises ``Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, wanted: Wanted, rules: BudgetRules, *, currency: str) -> UsageReport:
        """What was spent, in ``currency``, on days of ``rules``' time zone."""
        async with self._database.connection() as connection:
            today = await connection.fetchval(_TODAY, rules.time_zone)
            last = wanted.last or today
            first = wanted.first or date.fromordinal(max(1, last.toordinal() - wanted.days + 1))
            values = (first, last, wanted.tenant, wanted.model, currency)
            total = _line(await connection.fetchrow(_TOTAL, *values))
            saved = {row["outcome"]: row["answers"] for row in await connection.fetch(_SAVED, *values)}
            lines = await _lines(connection, wanted, values)
            days = await connection.fetch(_BUDGETS, today, wanted.tenant, wanted.limit)
        return UsageReport(
            currency=currency,
            time_zone=rules.time_zone,
            first=first,
            last=last,
            by=wanted.by,
            total=total,
            saved=saved,
            saved_cost=_saved_cost(total),
            lines=lines,
            budgets=tuple(_budget(row, rules) for row in days),
        )


async def _lines(connection: Connection, wanted: Wanted, values: tuple[Any, ...]) -> tuple[Line, ...]:
    order = "name DESC" if wanted.by is By.DAY else "cost DESC, calls DESC, uncalled DESC, name"
    statement = f"{_ALL} SELECT {_NAMES[wanted.by]} AS name, {_SUMS} GROUP BY 1 ORDER BY {order} LIMIT $6"
    return tuple(_line(row) for row in await connection.fetch(statement, *values, wanted.limit))


def _line(row: Any) -> Line:
    return Line(**dict(row))


def _saved_cost(total: Line) -> Decimal:
    paid = total.cost - total.under_way
    return (paid / total.calls * total.uncalled).quantize(Decimal("0.000001")) if total.calls else Decimal(0)


def _budget(row: Any, rules: BudgetRules) -> BudgetToday:
    limit = rules.tenants.get(row["tenant"], rules.daily)
    shares = [
        float(used / most) if most else 1.0
        for used, most in ((row["cost"], limit.cost), (row["tokens"], limit.tokens))
        if most is not None
    ]
    return BudgetToday(
        tenant=row["tenant"],
        cost=row["cost"],
        cost_limit=limit.cost,
        tokens=row["tokens"],
        tokens_limit=limit.tokens,
        share=round(max(shares), 4) if shares else None,
        refused=row["refused"],
        warned_at=row["warned_at"],
        stopped_at=row["stopped_at"],
    )

"""``GET /admin/usage``: what was spent and saved; ``DELETE /admin/cache``: forget shared answers."""

from collections.abc import Callable
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from llm_worker.cache.postgres import AnswerCache
from llm_worker.providers.lineup import Lineup
from llm_worker.spending.report import By, Usage, UsageReport, Wanted
from posta.auth import Keys, Principal
from posta.engine.routes import OPERATE, READ
from posta.errors import Unavailable
from posta.http.bearer import authorize
from posta.http.problem import Problem
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
_Text = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]


class UsageQuery(BaseModel):
    """Which part of the books, and what each line of the answer is about."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    by: By = By.DAY
    days: Annotated[int, Field(ge=1, le=3_660)] = 7
    """So many, today the last; not used with ``first``."""
    first: date | None = None
    last: date | None = None
    tenant: _Text | None = None
    model: _Text | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 50
    """Most lines, and most budgets."""

    def wanted(self) -> Wanted:
        """The same in the books' words."""
        return Wanted(**self.model_dump())


class Cleared(BaseModel):
    """How many shared answers were forgotten."""

    cleared: int


def usage_router(usage: Usage, cache: AnswerCache, lineup: Callable[[], Lineup], keys: Keys) -> APIRouter:
    """The routes, open to keys with ``engine:read``, and ``engine:operate`` to forget."""
    router = APIRouter(prefix="/admin", tags=["llm"])

    def reader(request: Request) -> Principal:
        return authorize(request, keys, scope=READ)

    def operator(request: Request) -> Principal:
        return authorize(request, keys, scope=OPERATE)

    @router.get("/usage")
    async def report(
        query: Annotated[UsageQuery, Query()], _principal: Annotated[Principal, Depends(reader)]
    ) -> UsageReport:
        """Money and tokens by day, tenant, conversation, model or outcome; savings; today's budgets."""
        if query.first is not None and query.last is not None and query.first > query.last:
            raise Problem(
                400, "The days are the wrong way round", "Give a first day that is not after the last."
            )
        now = lineup()
        try:
            return await usage.read(query.wanted(), now.budget, currency=now.currency)
        except Unavailable as exc:
            raise _away(exc) from exc

    @router.delete("/cache")
    async def clear(
        principal: Annotated[Principal, Depends(operator)],
        scope: Annotated[
            _Text | None, Query(description="A guild, person or mailbox; left out: all.")
        ] = None,
    ) -> Cleared:
        """Forget the answers that are given again to repeated questions."""
        try:
            cleared = await cache.clear(scope=scope)
        except Unavailable as exc:
            raise _away(exc) from exc
        log.info("answer_cache_cleared", scope=scope, cleared=cleared, actor=principal.name)
        return Cleared(cleared=cleared)

    return router


def _away(exc: Unavailable) -> Problem:
    return Problem(503, "The books cannot be read", f"{exc}. No model is asked until PostgreSQL is back.")

"""``GET /admin/llm``: why a question is waiting, in one look; Bearer API keys with ``engine:read``."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from llm_worker.asking.status import LlmReport, LlmStatus
from posta.auth import Keys, Principal
from posta.engine.routes import READ
from posta.errors import Unavailable
from posta.http.bearer import authorize
from posta.http.problem import Problem


def llm_router(status: LlmStatus, keys: Keys) -> APIRouter:
    """The routes, open to keys with the scope ``engine:read``."""
    router = APIRouter(prefix="/admin", tags=["llm"])

    def reader(request: Request) -> Principal:
        return authorize(request, keys, scope=READ)

    @router.get("/llm")
    async def report(_principal: Annotated[Principal, Depends(reader)]) -> LlmReport:
        """Every model's allowance, circuit and room for the whole group, and who waits in this process."""
        try:
            return await status.read()
        except Unavailable as exc:
            raise Problem(
                503,
                "The books cannot be read",
                f"{exc}. No model is asked until PostgreSQL is back.",
            ) from exc

    return router

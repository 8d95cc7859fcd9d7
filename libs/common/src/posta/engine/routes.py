"""The HTTP face of one engine under ``/v1/engine``: see how it is, pause it, resume it; Bearer API keys.

It speaks for the process that answers: each replica of a service is paused and resumed on its own.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field

from posta.auth import Keys, Principal
from posta.engine.engine import Engine
from posta.engine.status import EngineStatus
from posta.http.bearer import authorize
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
READ, OPERATE = "engine:read", "engine:operate"


class PauseBody(BaseModel):
    """Why intake is to pause."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", str_strip_whitespace=True, use_attribute_docstrings=True
    )

    reason: str = Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    """Shown to whoever wonders why nothing happens."""


def engine_router(engine: Engine, keys: Keys) -> APIRouter:
    """The routes, each open to keys with the scope it names; every change is logged with its key's name."""
    router = APIRouter(prefix="/v1/engine", tags=["engine"])
    operator = Depends(_holder(keys, OPERATE))

    @router.get("", dependencies=[Depends(_holder(keys, READ))])
    async def status() -> EngineStatus:
        """What the engine owns and holds, and why it stands still if it does."""
        return engine.status()

    @router.post("/pause")
    async def pause(body: PauseBody, principal: Annotated[Principal, operator]) -> EngineStatus:
        """Start no further record in this process until it is resumed or restarted; what runs goes on."""
        engine.pause(body.reason)
        log.info("engine_pause_requested", group=engine.group, actor=principal.name, reason=body.reason)
        return engine.status()

    @router.post("/resume")
    async def resume(principal: Annotated[Principal, operator]) -> EngineStatus:
        """End the pauses of operators and of the flood breaker; a missing dependency still holds intake."""
        resumed = engine.resume()
        log.info("engine_resume_requested", group=engine.group, actor=principal.name, resumed=list(resumed))
        return engine.status()

    return router


def _holder(keys: Keys, scope: str) -> Callable[[Request], Principal]:
    def authorized(request: Request) -> Principal:
        return authorize(request, keys, scope=scope)

    return authorized

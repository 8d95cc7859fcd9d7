"""``GET /v1/interactions/{id}``: what became of one interaction."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from posta.auth import Keys
from posta.domain.interaction_state import InteractionState
from posta.errors import Unavailable
from posta.http.bearer import authorize
from posta.http.problem import Problem
from posta.postgres.interactions import InteractionLog

PATH = "/v1/interactions/{interaction_id}"
SCOPE = "interactions:read"
_RETRY_AFTER_S = 5
InteractionId = Annotated[str, Path(pattern=r"^[0-9]{1,20}$", description="Discord's id of the interaction.")]


class InteractionView(BaseModel):
    """An interaction as operators see it; never what was asked or answered."""

    id: str
    state: InteractionState
    attempts: int
    """Of the service that needed most; 0 while nobody has taken it."""
    reason: str | None
    """Why it failed or is tried again: classes of errors, no texts."""
    trace_id: str | None
    """The trace that shows every step."""
    application_id: str | None
    kind: int | None
    """Discord's interaction type: 2 command, 3 component, 5 modal."""
    command: str | None
    guild_id: str | None
    accepted_at: datetime | None
    started_at: datetime | None
    """When it was first taken."""
    finished_at: datetime | None
    noted_at: datetime
    """When anything was last noted of it."""


def inquiry_router(interactions: InteractionLog, keys: Keys) -> APIRouter:
    """The route for operators whose key has the scope ``interactions:read``."""
    router = APIRouter()

    @router.get(PATH, summary="What became of an interaction")
    async def show_interaction(request: Request, interaction_id: InteractionId) -> InteractionView:
        authorize(request, keys, scope=SCOPE)
        try:
            row = await interactions.find(interaction_id)
        except Unavailable as exc:
            raise Problem(
                503,
                "The database cannot be reached",
                f"Ask again in {_RETRY_AFTER_S} seconds; interactions are answered all the same.",
                headers={"retry-after": str(_RETRY_AFTER_S)},
            ) from exc
        if row is None:
            raise Problem(404, "The interaction is not known", "Check the id; old ones are forgotten.")
        return InteractionView.model_validate(dict(row))

    return router

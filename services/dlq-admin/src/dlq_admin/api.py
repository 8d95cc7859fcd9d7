"""The HTTP API under ``/v1/dead-letters``, for scripts and the ``posta`` command; Bearer API keys."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import JSONResponse

from dlq_admin.bodies import (
    ID_MOST,
    DiscardBody,
    DiscardManyBody,
    ListQuery,
    PageQuery,
    ReleaseBody,
    ReplayBody,
    ReplayManyBody,
    request_key,
)
from dlq_admin.dead_letter import State
from dlq_admin.decisions import Decisions
from dlq_admin.shown import Reveal
from dlq_admin.store import Store
from dlq_admin.views import alike_view, dead_letter_view, decided_view, summary_view
from posta.auth import Principal
from posta.http.bearer import identified
from posta.http.problem import Problem
from posta.postgres.keyring import KeyRing
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
READ, WRITE, INSPECT = "dlq:read", "dlq:write", "dlq:inspect"
GROUPS_MOST = 200

Id = Annotated[int, Path(ge=1, le=ID_MOST)]


def api_router(store: Store, decisions: Decisions, keys: KeyRing) -> APIRouter:
    """The routes, each open to keys with the scope it names."""
    router = APIRouter(prefix="/v1/dead-letters", tags=["dead letters"])
    _add_reading(router, store, decisions, keys)
    _add_deciding(router, decisions, keys)
    return router


def _holder(keys: KeyRing, scope: str) -> Callable[[Request], Awaitable[Principal]]:
    async def authorized(request: Request) -> Principal:
        return await identified(request, keys, scope=scope)

    return authorized


def _add_reading(router: APIRouter, store: Store, decisions: Decisions, keys: KeyRing) -> None:
    reader = Depends(_holder(keys, READ))

    @router.get("", dependencies=[reader])
    async def newest(query: Annotated[PageQuery, Query()]) -> dict[str, Any]:
        """The newest dead letters that fit, without their payloads."""
        found = await store.find(query.as_filter(), before=query.before, limit=query.limit + 1)
        page = found[: query.limit]
        more = len(found) > query.limit
        return {
            "items": [summary_view(one) for one in page],
            "next_before": page[-1].id if more else None,
        }

    @router.get("/groups", dependencies=[reader])
    async def groups(query: Annotated[ListQuery, Query()]) -> dict[str, Any]:
        """How many failed in the same way, the most frequent first."""
        return {"items": [alike_view(g) for g in await store.alike(query.as_filter(), limit=GROUPS_MOST)]}

    @router.get("/{dead_letter_id}")
    async def one(
        dead_letter_id: Id, principal: Annotated[Principal, reader], *, reveal: bool = False
    ) -> dict[str, Any]:
        """One dead letter with its masked payload; ``reveal`` shows addresses to inspectors."""
        if reveal and INSPECT not in principal.scopes:
            raise Problem(403, "The API key may not do this", f"Use a key that has the scope {INSPECT}.")
        dead_letter, whole = await decisions.with_original(dead_letter_id)
        if reveal:
            log.info("dead_letter_revealed", dead_letter=dead_letter_id, actor=principal.name)
        how = Reveal.INSPECTED if reveal else Reveal.MASKED
        # In a thread: a large hostile payload must not hold up the loop.
        return await asyncio.to_thread(dead_letter_view, dead_letter, reveal=how, whole=whole)


def _add_deciding(router: APIRouter, decisions: Decisions, keys: KeyRing) -> None:
    writer = Depends(_holder(keys, WRITE))

    @router.post("/replay", status_code=202)
    async def replay_many(
        request: Request, body: ReplayManyBody, principal: Annotated[Principal, writer]
    ) -> dict[str, Any]:
        """Replay up to 1000 open ones, paced, in the background."""
        known_as = request_key(request, principal, content=body.model_dump_json())
        decided = await decisions.replay_many(
            body.chosen(),
            actor=principal.name,
            reason=body.reason,
            request=known_as,
            from_scratch=body.from_scratch,
        )
        return decided_view(decided)

    @router.post("/discard")
    async def discard_many(body: DiscardManyBody, principal: Annotated[Principal, writer]) -> dict[str, Any]:
        """Discard up to 1000 open ones."""
        return decided_view(
            await decisions.discard_many(body.chosen(), actor=principal.name, reason=body.reason)
        )

    @router.post("/{dead_letter_id}/replay")
    async def replay(
        dead_letter_id: Id,
        request: Request,
        principal: Annotated[Principal, writer],
        body: ReplayBody | None = None,
    ) -> JSONResponse:
        """Replay one; 202 while Kafka has not confirmed it: it is published as soon as that is back."""
        reason = body.reason if body else None
        anew = body is not None and body.from_scratch
        content = f"{reason or ''}\nfrom scratch" if anew else reason or ""
        known_as = request_key(request, principal, content=content)
        dead_letter = await decisions.replay_one(
            dead_letter_id, actor=principal.name, reason=reason, request=known_as, from_scratch=anew
        )
        status = 202 if dead_letter.summary.state is State.REPLAYING else 200
        return JSONResponse(summary_view(dead_letter.summary), status_code=status)

    @router.post("/{dead_letter_id}/discard")
    async def discard(
        dead_letter_id: Id, body: DiscardBody, principal: Annotated[Principal, writer]
    ) -> dict[str, Any]:
        """Discard one, for good."""
        dead_letter = await decisions.discard_one(dead_letter_id, actor=principal.name, reason=body.reason)
        return summary_view(dead_letter.summary)

    @router.post("/{dead_letter_id}/release", status_code=202)
    async def release(
        dead_letter_id: Id, body: ReleaseBody, principal: Annotated[Principal, writer]
    ) -> dict[str, Any]:
        """Let the records go on that wait behind one (ordered retries); it stays what it is."""
        dead_letter = await decisions.release_one(dead_letter_id, actor=principal.name, reason=body.reason)
        return summary_view(dead_letter.summary)

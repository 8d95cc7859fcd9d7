"""The Pull API: bots that cannot be called fetch their events here, and say what became of them."""

from collections.abc import Awaitable
from typing import Annotated, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse

from ingress.pull.shapes import (
    CleanedUp,
    Done,
    EventId,
    Failed,
    LentEvents,
    MailboxHealth,
    Returned,
    Stats,
    Wanted,
    lent_event,
)
from posta.auth import Principal
from posta.errors import Unavailable
from posta.http.bearer import bearer_key, permitted, unknown_key
from posta.http.problem import Problem
from posta.postgres import pull_mailbox as mailboxes
from posta.postgres.keyring import KeyRing
from posta.postgres.pull_mailbox import MOST_ATTEMPTS, PullMailbox, Reach
from posta.telemetry import names

PREFIX = "/discord"
CONSUME = "pull:consume"
OPERATE = "pull:operate"
"""To retry what failed and to clean up."""
R = TypeVar("R")


class Pull:
    """Serves the mailbox to bots."""

    def __init__(self, mailbox: PullMailbox, keys: KeyRing) -> None:
        self._mailbox = mailbox
        self._keys = keys

    async def health(self) -> JSONResponse:
        """Whether events can be fetched; 503 when not."""
        try:
            await self._mailbox.ping()
        except Unavailable:
            shown = MailboxHealth(status="unavailable", database="away")
            return JSONResponse(shown.model_dump(), status_code=503)
        return JSONResponse(MailboxHealth(status="ok", database="ok").model_dump())

    async def lend(self, request: Request, wanted: Wanted) -> LentEvents:
        """Lend the oldest events. Raises ``Problem`` 401, 403 or 503."""
        who = await self._who(request, CONSUME)
        lent = await _reached(
            self._mailbox.lend(
                consumer=who.name,
                reach=_reach(who),
                sources=wanted.source,
                limit=wanted.limit,
                lease_s=wanted.lease_s,
                max_attempts=wanted.max_attempts,
            )
        )
        names.PULLED.labels("lent").inc(len(lent))
        return LentEvents(events=[lent_event(one) for one in lent], count=len(lent))

    async def processed(self, request: Request, event_id: str, done: Done) -> Returned:
        """The event was shown. Raises ``Problem`` 401, 403, 404, 409 or 503."""
        who = await self._who(request, CONSUME)
        ended = await _reached(self._mailbox.processed(event_id, lease=done.lease, reach=_reach(who)))
        return _returned(ended, event_id, "processed")

    async def failed(self, request: Request, event_id: str, failed: Failed) -> Returned:
        """The event could not be shown. Raises as ``processed`` does."""
        who = await self._who(request, CONSUME)
        ended = await _reached(
            self._mailbox.failed(event_id, lease=failed.lease, error=failed.error, reach=_reach(who))
        )
        return _returned(ended, event_id, "failed")

    async def retry(self, request: Request, event_id: str) -> Returned:
        """Lend a failed event anew. Raises ``Problem`` 404 when it is none."""
        who = await self._who(request, OPERATE)
        if not await _reached(self._mailbox.retry(event_id, reach=_reach(who))):
            raise Problem(404, "There is no such failed event", "See GET /discord/stats, and the event's id.")
        names.PULLED.labels("retried").inc()
        return Returned(id=event_id, status="pending")

    async def stats(self, request: Request) -> Stats:
        """How the mailbox is."""
        who = await self._who(request, CONSUME)
        found = await _reached(self._mailbox.stats(reach=_reach(who)))
        return Stats(
            **found.by_state,
            total=sum(found.by_state.values()),
            by_source=found.by_source,
            oldest_pending_s=found.oldest_waiting_s,
            max_attempts=MOST_ATTEMPTS,
        )

    async def cleanup(self, request: Request, days: int) -> CleanedUp:
        """Forget what was processed or given up so many days ago."""
        who = await self._who(request, OPERATE)
        deleted = await _reached(self._mailbox.cleanup(older_than_s=days * 86400.0, reach=_reach(who)))
        return CleanedUp(deleted=deleted, days=days)

    async def _who(self, request: Request, scope: str) -> Principal:
        principal = await self._keys.identify(bearer_key(request))
        if principal is None:
            raise unknown_key()
        return permitted(principal, scope=scope)


def pull_router(pull: Pull) -> APIRouter:
    """The routes of the Pull API."""
    router = APIRouter(prefix=PREFIX)

    @router.get("/health", summary="Whether events can be fetched", response_model=MailboxHealth)
    async def mailbox_health() -> JSONResponse:
        return await pull.health()

    @router.get("/events", summary="Borrow the oldest events")
    async def lend_events(request: Request, wanted: Annotated[Wanted, Query()]) -> LentEvents:
        return await pull.lend(request, wanted)

    @router.post("/events/{event_id}/processed", summary="Say that an event was shown")
    async def processed_event(request: Request, event_id: EventId, done: Done | None = None) -> Returned:
        return await pull.processed(request, event_id, done or Done())

    @router.post("/events/{event_id}/failed", summary="Say that an event could not be shown")
    async def failed_event(request: Request, event_id: EventId, failed: Failed | None = None) -> Returned:
        return await pull.failed(request, event_id, failed or Failed())

    @router.post("/events/{event_id}/retry", summary="Lend a failed event anew")
    async def retry_event(request: Request, event_id: EventId) -> Returned:
        return await pull.retry(request, event_id)

    @router.get("/stats", summary="How the mailbox is")
    async def mailbox_stats(request: Request) -> Stats:
        return await pull.stats(request)

    @router.post("/cleanup", summary="Forget what is done")
    async def clean_up(request: Request, days: Annotated[int, Query(ge=1, le=365)] = 7) -> CleanedUp:
        return await pull.cleanup(request, days)

    return router


def _reach(principal: Principal) -> Reach:
    return Reach(destinations=principal.destinations, sources=principal.sources)


def _returned(ended: mailboxes.Returned, event_id: EventId, status: str) -> Returned:
    match ended:
        case mailboxes.Returned.UNKNOWN:
            raise Problem(404, "There is no such event in the mailbox", "Check its id.")
        case mailboxes.Returned.LOST:
            raise Problem(
                409, "The event is no longer yours", "Its lease ran out, or it was ended before: let it be."
            )
        case mailboxes.Returned.DONE:
            names.PULLED.labels(status).inc()
            return Returned.model_validate({"id": event_id, "status": status})


async def _reached(asking: Awaitable[R]) -> R:
    try:
        return await asking
    except Unavailable as exc:
        raise Problem(
            503, "The mailbox is away", "Ask again in some seconds.", headers={"retry-after": "5"}
        ) from exc

"""``GET`` and ``DELETE /v1/events/{id}``: what became of an event, and keeping one from being sent."""

from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel

from ingress.events.journal import Journal
from ingress.events.route import PATH, SCOPE
from posta.auth import Principal
from posta.domain.event_state import EventState, event_state
from posta.errors import Unavailable
from posta.http.bearer import bearer_key, unknown_key
from posta.http.problem import Problem
from posta.postgres.event_fates import Found
from posta.postgres.keyring import KeyRing
from posta.postgres.published_events import Cancelled
from posta.tasks import within
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
EventId = Annotated[str, Path(pattern=r"^[^\x00]*$", max_length=300)]
"""PostgreSQL knows no U+0000."""
READ_SCOPE = "events:read"
"""To see, and to cancel, the events of every publisher."""
_DATABASE_S = 2.0


class Outcome(BaseModel):
    """What became of one event."""

    id: str
    status: EventState
    """See the states in docs/publish-events.md."""
    type: str
    destination: str
    publisher: str
    """Name of the API key that handed it over."""
    accepted_at: datetime
    updated_at: datetime
    """When something last happened to it."""
    deliver_at: datetime | None
    expires_at: datetime | None
    attempts: int
    reason: str | None
    """Why it, or the digest that holds it, was given up."""
    shown_with: list[str]
    """Events whose messages show it: the first of its ``dedupe_key``, or the digests that sum it up."""
    digest_due_at: datetime | None
    """When the digest that it waits in, or waited in, is made up."""
    cancelled_by: str | None
    """Name of the API key that cancelled it."""
    trace_id: str | None
    """Of the request that brought it."""


class Fates(Protocol):
    """Where it is known; ``posta.postgres.published_events.PublishedEvents`` or a fake."""

    def find(self, event_id: str) -> Coroutine[Any, Any, Found | None]:
        """What became of it. Raises ``Unavailable``."""
        ...

    def cancel(self, event_id: str, *, by: str) -> Coroutine[Any, Any, Cancelled]:
        """Keep it from being sent. Raises ``Unavailable``."""
        ...


class Outcomes:
    """Tells publishers of their events."""

    def __init__(
        self,
        fates: Fates,
        keys: KeyRing,
        journal: Journal,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._fates = fates
        self._keys = keys
        self._journal = journal
        self._clock = clock

    async def show(self, request: Request, event_id: str) -> Outcome:
        """What became of the event. Raises ``Problem`` 401, 403, 404 or 503."""
        principal = await self._principal(request)
        return self._outcome(await self._find(principal, event_id))

    async def cancel(self, request: Request, event_id: str) -> Outcome:
        """Keep it from being sent. Raises ``Problem`` 401, 403, 404, 409 (too late) or 503."""
        principal = await self._principal(request)
        await self._find(principal, event_id)
        try:
            ended = await within(_DATABASE_S, self._fates.cancel(event_id, by=principal.name))
        except (Unavailable, TimeoutError) as exc:
            raise _away() from exc
        names.EVENTS_CANCELLED.labels(ended.value.replace(" ", "_")).inc()
        outcome = self._outcome(await self._find(principal, event_id))
        if ended is not Cancelled.DONE:
            raise Problem(
                409,
                "It is too late to cancel the event",
                "It was sent, or is being sent.",
                event_status=outcome.status,
            )
        log.info("event_cancelled", event_id=event_id, by=principal.name)
        return outcome

    async def _principal(self, request: Request) -> Principal:
        principal = await self._keys.identify(bearer_key(request))
        if principal is None:
            raise unknown_key()
        if not principal.scopes & {SCOPE, READ_SCOPE}:
            raise Problem(
                403, "The API key may not do this", f"Use a key that has the scope {SCOPE} or {READ_SCOPE}."
            )
        return principal

    async def _find(self, principal: Principal, event_id: str) -> Found:
        """The event, if it is one that ``principal`` may know of."""
        try:
            found = await within(_DATABASE_S, self._noted_and_found(event_id))
        except (Unavailable, TimeoutError) as exc:
            raise _away() from exc
        if found is None or (found.noted.publisher != principal.name and READ_SCOPE not in principal.scopes):
            raise Problem(
                404,
                "There is no such event",
                "Check its id. One accepted while PostgreSQL was away is known when it is sent.",
            )
        return found

    async def _noted_and_found(self, event_id: str) -> Found | None:
        await self._journal.flush()
        return await self._fates.find(event_id)

    def _outcome(self, found: Found) -> Outcome:
        noted = found.noted
        return Outcome(
            id=noted.event_id,
            status=event_state(found.traces, now=self._clock()),
            type=noted.client_type,
            destination=noted.destination,
            publisher=noted.publisher,
            accepted_at=noted.accepted_at,
            updated_at=found.updated_at,
            deliver_at=noted.deliver_at,
            expires_at=noted.expires_at,
            attempts=found.attempts,
            reason=found.reason,
            shown_with=list(found.shown_with),
            digest_due_at=found.digest_due_at,
            cancelled_by=found.cancelled_by,
            trace_id=noted.trace_id,
        )


def _away() -> Problem:
    return Problem(
        503,
        "What became of events is not known at the moment",
        "Try again; events are accepted and delivered all the same.",
        headers={"retry-after": "5"},
    )


def outcomes_router(outcomes: Outcomes) -> APIRouter:
    """The routes by which publishers follow their events."""
    router = APIRouter()

    @router.get(PATH + "/{event_id}", summary="What became of an event")
    async def show_event(request: Request, event_id: EventId) -> Outcome:
        return await outcomes.show(request, event_id)

    @router.delete(PATH + "/{event_id}", summary="Keep an event from being sent")
    async def cancel_event(request: Request, event_id: EventId) -> Outcome:
        return await outcomes.cancel(request, event_id)

    return router

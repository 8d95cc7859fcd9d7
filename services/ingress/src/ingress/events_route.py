"""``POST /v1/events``: who publishes, what it is, where it goes, and then keeping it safe."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from ingress.acceptor import Acceptor
from ingress.body import read_body
from ingress.cloudevent import NotJson, Published, WrongFields, WrongMediaType, parse_event
from ingress.publication import BadIdempotencyKey, UnknownDestination, compose
from posta.auth import ApiKeys
from posta.destinations import Destinations
from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.errors import Permanent, Transient
from posta.http.bearer import authorize
from posta.http.problem import Problem, invalid
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.topics import EVENTS_PUBLISHED

log = get_logger(__name__)
PATH = "/v1/events"
SCOPE = "events:publish"
_KIND = "event"
_RETRY_AFTER_S = 5


class Accepted(BaseModel):
    """The event is safe and will be delivered."""

    id: str
    """Posta's id for the event; the same for every repetition of it."""
    status: Literal["accepted"] = "accepted"


class Events:
    """Takes events from scripts."""

    def __init__(
        self,
        acceptor: Acceptor,
        keys: ApiKeys,
        destinations: Destinations,
        *,
        max_body_bytes: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._acceptor = acceptor
        self._keys = keys
        self._destinations = destinations
        self._max_body_bytes = max_body_bytes
        self._clock = clock

    async def receive(self, request: Request) -> Accepted:
        """Accept one event. Raises ``Problem`` 400, 401, 403, 413, 415, 422 or 503."""
        try:
            event = await self._read(request)
            await self._keep(event)
        except Problem as problem:
            names.INGRESS_REJECTED.labels(_KIND, f"status_{problem.status}").inc()
            raise
        return Accepted(id=event.id)

    async def _read(self, request: Request) -> Event[EventPublished]:
        principal = authorize(request, self._keys, scope=SCOPE)
        body = await read_body(request, max_bytes=self._max_body_bytes)
        published = _parse(request, body)
        try:
            return compose(
                published,
                publisher=principal.name,
                idempotency_key=request.headers.get("idempotency-key"),
                destinations=self._destinations,
                now=self._clock(),
            )
        except UnknownDestination as exc:
            raise invalid([{"loc": ("destination",), "msg": str(exc)}]) from None
        except BadIdempotencyKey as exc:
            raise invalid([{"loc": ("Idempotency-Key",), "msg": str(exc)}]) from None

    async def _keep(self, event: Event[EventPublished]) -> None:
        try:
            await self._acceptor.accept(_KIND, EVENTS_PUBLISHED, event)
        except Transient as exc:
            log.error("event_not_accepted", event_id=event.id, reason=str(exc))
            raise Problem(
                503,
                "The event cannot be kept safe at the moment",
                f"Send it again in {_RETRY_AFTER_S} seconds, with the same id or Idempotency-Key.",
                headers={"retry-after": str(_RETRY_AFTER_S)},
            ) from exc
        except Permanent as exc:
            raise Problem(413, "The event is too large", "Send less data.") from exc


def _parse(request: Request, body: bytes) -> Published:
    try:
        return parse_event(request.headers, body)
    except NotJson as exc:
        raise Problem(400, "The body is not JSON", str(exc)) from None
    except WrongMediaType as exc:
        raise Problem(415, "The content type is not supported", str(exc)) from None
    except WrongFields as exc:
        raise invalid(exc.errors) from None


_REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "Plain JSON, or a CloudEvents 1.0 event in structured or binary content mode.",
        "content": {"application/json": {"schema": Published.model_json_schema()}},
    }
}


def events_router(events: Events) -> APIRouter:
    """The route that scripts publish to."""
    router = APIRouter()

    @router.post(PATH, status_code=202, summary="Hand an event over", openapi_extra=_REQUEST_BODY)
    async def publish_event(request: Request) -> Accepted:
        return await events.receive(request)

    return router

"""``POST /v1/events``: who publishes, what it is, whether it was here before, and then keeping it safe."""

from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from ingress.body import read_body
from ingress.events.cloudevent import (
    BATCH_MOST,
    NotJson,
    Published,
    Submission,
    WrongFields,
    WrongMediaType,
    parse_events,
)
from ingress.events.idempotency import Answer, Held, Idempotency, Refused, request_of
from ingress.events.intake import KIND, Intake
from ingress.events.publication import BadIdempotencyKey, check_key
from posta.domain.envelope import Event
from posta.domain.payloads import EventPublished
from posta.http.bearer import bearer_key, permitted, unknown_key
from posta.http.problem import Problem, invalid
from posta.postgres.keyring import KeyRing
from posta.telemetry import names

PATH = "/v1/events"
SCOPE = "events:publish"
_ACCEPTED = 202


class Accepted(BaseModel):
    """The event is safe and will be delivered."""

    id: str
    """Posta's id for the event; the same for every repetition of it."""
    status: Literal["accepted"] = "accepted"


class AcceptedBatch(BaseModel):
    """All events of the batch are safe, in its order."""

    events: list[Accepted]


class Events:
    """Takes events from scripts."""

    def __init__(
        self, intake: Intake, keys: KeyRing, idempotency: Idempotency, *, max_body_bytes: int
    ) -> None:
        self._intake = intake
        self._keys = keys
        self._idempotency = idempotency
        self._max_body_bytes = max_body_bytes

    async def receive(self, request: Request) -> Response:
        """Accept what is published. Raises ``Problem`` 400, 401, 403, 409, 413, 415, 422 or 503."""
        try:
            return await self._receive(request)
        except Problem as problem:
            names.INGRESS_REJECTED.labels(KIND, f"status_{problem.status}").inc()
            raise

    async def _receive(self, request: Request) -> Response:
        principal = await self._keys.identify(bearer_key(request))
        if principal is None:
            raise unknown_key()
        permitted(principal, scope=SCOPE)
        body = await read_body(request, max_bytes=self._max_body_bytes)
        submission = _parse(request, body)
        key = request.headers.get("idempotency-key")
        _check(key)
        events = await self._intake.compose(
            submission.events, publisher=principal, idempotency_key=key, is_batch=submission.is_batch
        )
        answer = _answer(events, is_batch=submission.is_batch)
        if key is None:
            await self._intake.keep(events)
            return _response(answer)
        return await self._once(request, body, principal.name, key, events, answer)

    async def _once(
        self,
        request: Request,
        body: bytes,
        publisher: str,
        key: str,
        events: list[Event[EventPublished]],
        answer: Answer,
    ) -> Response:
        begun = await self._idempotency.begin(
            request_of(
                publisher=publisher,
                key=key,
                media_type=request.headers.get("content-type", ""),
                attributes="\n".join(
                    sorted(f"{n}: {v}" for n, v in request.headers.items() if n[:3] == "ce-")
                ),
                body=body,
            )
        )
        match begun:
            case Answer():
                return _response(begun, {"idempotent-replayed": "true"})
            case Refused():
                raise _refusal(begun)
            case Held():
                await self._keep(begun, events, answer)
                return _response(answer, {"posta-idempotency": "best-effort"} if begun.is_best_effort else {})

    async def _keep(self, held: Held, events: list[Event[EventPublished]], answer: Answer) -> None:
        try:
            await self._intake.keep(events)
        except Problem:
            await held.released()
            raise
        await held.answered(answer)


def _parse(request: Request, body: bytes) -> Submission:
    try:
        return parse_events(request.headers, body)
    except NotJson as exc:
        raise Problem(400, "The body is not JSON", str(exc)) from None
    except WrongMediaType as exc:
        raise Problem(415, "The content type is not supported", str(exc)) from None
    except WrongFields as exc:
        raise invalid(exc.errors) from None


def _check(key: str | None) -> None:
    try:
        check_key(key)
    except BadIdempotencyKey as exc:
        raise invalid([{"loc": ("Idempotency-Key",), "msg": str(exc)}]) from None


def _answer(events: list[Event[EventPublished]], *, is_batch: bool) -> Answer:
    accepted = [Accepted(id=event.id) for event in events]
    body: BaseModel = AcceptedBatch(events=accepted) if is_batch else accepted[0]
    return Answer(status=_ACCEPTED, text=body.model_dump_json())


def _response(answer: Answer, headers: dict[str, str] | None = None) -> Response:
    return Response(
        answer.text, status_code=answer.status, headers=headers, media_type=JSONResponse.media_type
    )


def _refusal(refused: Refused) -> Problem:
    if refused is Refused.OTHER_BODY:
        return Problem(
            422,
            "The Idempotency-Key was used for another request",
            "Send the first request again, or choose a new key for a new event.",
        )
    return Problem(
        409,
        "A request with this Idempotency-Key is still in flight",
        "Send it again in a second to get its answer.",
        headers={"retry-after": "1"},
    )


_REQUEST_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": (
            "Plain JSON, a CloudEvents 1.0 event in structured or binary content mode, or a batch of at most"
            f" {BATCH_MOST} (application/cloudevents-batch+json)."
        ),
        "content": {"application/json": {"schema": Published.model_json_schema()}},
    }
}


def events_router(events: Events) -> APIRouter:
    """The route that scripts publish to."""
    router = APIRouter()

    @router.post(
        PATH,
        status_code=_ACCEPTED,
        summary="Hand an event over",
        response_model=Accepted | AcceptedBatch,
        openapi_extra=_REQUEST_BODY,
    )
    async def publish_event(request: Request) -> Response:
        return await events.receive(request)

    return router

"""``POST /v1/receivers/{name}``: what other systems already send, taken as events."""

from collections.abc import Mapping

from fastapi import APIRouter, Request
from pydantic import BaseModel

from ingress.body import read_body
from ingress.events.cloudevent import Published, WrongFields
from ingress.events.intake import Intake
from ingress.events.route import SCOPE, Accepted
from ingress.receivers.alerts import alert_events
from ingress.receivers.arrival import NotUnderstood, read_json
from ingress.receivers.generic import mapped_events
from ingress.receivers.github import github_event, is_signed
from ingress.receivers.live import LiveReceivers
from ingress.receivers.rules import Alertmanager, GitHub, Grafana, Json, Receiver
from posta.auth import Principal
from posta.http.bearer import bearer_key, permitted, unknown_key
from posta.http.problem import Problem, invalid
from posta.postgres.keyring import KeyRing
from posta.telemetry import names

PATH = "/v1/receivers/{name}"
_GITHUB_PING = "ping"


class Received(BaseModel):
    """What the request became; empty when its kind of event is not wanted."""

    events: list[Accepted]


class ReceiverDoor:
    """Takes the webhooks of other systems."""

    def __init__(
        self,
        intake: Intake,
        keys: KeyRing,
        receivers: LiveReceivers,
        *,
        max_body_bytes: int,
    ) -> None:
        self._intake = intake
        self._keys = keys
        self._receivers = receivers
        self._max_body_bytes = max_body_bytes

    async def receive(self, request: Request, name: str) -> Received:
        """Take one request. Raises ``Problem`` 400, 401, 403, 404, 413, 422 or 503."""
        receiver = self._receivers.receivers.get(name)
        if receiver is None:
            names.RECEIVED_ALERTS.labels("unknown", "status_404").inc()
            raise Problem(404, "There is no such receiver", "See receivers.yaml for those there are.")
        try:
            received = await self._receive(request, name, receiver)
        except Problem as problem:
            names.RECEIVED_ALERTS.labels(name, f"status_{problem.status}").inc()
            raise
        names.RECEIVED_ALERTS.labels(name, "accepted" if received.events else "not_wanted").inc()
        return received

    async def _receive(self, request: Request, name: str, receiver: Receiver) -> Received:
        if isinstance(receiver, GitHub):
            body = await read_body(request, max_bytes=self._max_body_bytes)
            publisher = self._signer(request, name, body)
        else:
            publisher = await self._publisher(request)
            body = await read_body(request, max_bytes=self._max_body_bytes)
        try:
            published = _events(receiver, request.headers, body)
        except NotUnderstood as exc:
            raise Problem(400, "The body is not what this receiver expects", str(exc)) from None
        except WrongFields as exc:
            raise invalid(exc.errors) from None
        events = await self._intake.compose(
            published, publisher=publisher, idempotency_key=None, is_batch=len(published) > 1
        )
        await self._intake.keep(events)
        return Received(events=[Accepted(id=event.id) for event in events])

    async def _publisher(self, request: Request) -> Principal:
        principal = await self._keys.identify(bearer_key(request))
        if principal is None:
            raise unknown_key()
        return permitted(principal, scope=SCOPE)

    def _signer(self, request: Request, name: str, body: bytes) -> Principal:
        secret = self._receivers.secrets.get(name)
        if secret is None:
            raise Problem(
                404, "The receiver is off", "Set the variable that receivers.yaml names for its secret."
            )
        if not is_signed(body, request.headers.get("x-hub-signature-256"), secret):
            raise Problem(401, "The signature is wrong", "Give the webhook the same secret on both sides.")
        return Principal(name=f"receiver:{name}", scopes=frozenset({SCOPE}))


def _events(receiver: Receiver, headers: Mapping[str, str], body: bytes) -> tuple[Published, ...]:
    content = read_json(body)
    match receiver:
        case Alertmanager() | Grafana():
            return alert_events(content, system=receiver.kind, destination=receiver.destination)
        case GitHub():
            kind = headers.get("x-github-event", "")
            if kind == _GITHUB_PING or (receiver.events and kind not in receiver.events):
                return ()
            return (github_event(headers, content, destination=receiver.destination),)
        case Json():
            return mapped_events(content, receiver)


def receivers_router(door: ReceiverDoor) -> APIRouter:
    """The route that other systems call."""
    router = APIRouter()

    @router.post(PATH, status_code=202, summary="Take a webhook of another system")
    async def receive_webhook(request: Request, name: str) -> Received:
        return await door.receive(request, name)

    return router

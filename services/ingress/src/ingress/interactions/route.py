"""``POST /discord-interactions``: size, signature, JSON, type, and then what the person wants."""

import time
from collections.abc import Callable

from fastapi import APIRouter, Request, Response
from nacl.signing import VerifyKey

from ingress.acceptor import Acceptor
from ingress.body import read_body
from ingress.commands.rules import Commands
from ingress.interactions import answers
from ingress.interactions.answers import Notice, notice_body
from ingress.interactions.decision import AnswerNow, KeepThenAnswer, decide
from ingress.interactions.interaction import (
    Kind,
    Misshapen,
    UnknownKind,
    Unreadable,
    kind_of,
    parse_body,
    parse_interaction,
)
from ingress.interactions.signature import signature_fault
from posta.errors import Failure
from posta.http.problem import Problem
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.topics import DISCORD_INTERACTIONS

log = get_logger(__name__)
PATH = "/discord-interactions"
_KIND = "interaction"
Clock = Callable[[], float]


class Interactions:
    """Answers Discord; everything in here runs within its three seconds."""

    def __init__(
        self,
        acceptor: Acceptor,
        commands: Commands,
        *,
        keys: tuple[VerifyKey, ...],
        max_body_bytes: int,
        clock: Clock = time.time,
    ) -> None:
        self._acceptor = acceptor
        self._commands = commands
        self._keys = keys
        self._max_body_bytes = max_body_bytes
        self._clock = clock

    async def receive(self, request: Request) -> Response:
        """Answer one interaction. Raises ``Problem`` 400, 401 or 413 for what is none."""
        started = time.monotonic()
        body = await self._signed_body(request)
        answer = await self._answer(body)
        names.ACK_SECONDS.observe(time.monotonic() - started)
        return Response(answer, media_type="application/json")

    async def _signed_body(self, request: Request) -> bytes:
        try:
            body = await read_body(request, max_bytes=self._max_body_bytes)
        except Problem as problem:
            _reject(f"status_{problem.status}")
            raise
        fault = signature_fault(
            self._keys,
            signature=request.headers.get("x-signature-ed25519"),
            timestamp=request.headers.get("x-signature-timestamp"),
            body=body,
            now=self._clock(),
        )
        if fault is not None:
            _reject(fault.value)
            # One answer for every fault: whoever forges learns nothing from it.
            raise Problem(401, "The request signature is not valid", "Only Discord can call this address.")
        return body

    async def _answer(self, raw: bytes) -> bytes:
        try:
            body = parse_body(raw)
            kind = kind_of(body)
            if kind is Kind.PING:
                return answers.PONG
            decision = decide(parse_interaction(body), self._commands)
        except Unreadable as exc:
            _reject("not_json")
            raise Problem(400, "The interaction cannot be read", str(exc)) from None
        except UnknownKind as exc:
            _reject("unknown_type")
            raise Problem(400, "The interaction's type is unknown", str(exc)) from None
        except Misshapen as exc:
            _reject("misshapen")
            raise Problem(400, "The interaction lacks what is needed", str(exc)) from None
        if isinstance(decision, AnswerNow):
            if decision.reason:
                _reject(decision.reason)
            return decision.body
        return await self._keep(decision)

    async def _keep(self, decision: KeepThenAnswer) -> bytes:
        event = decision.event
        try:
            await self._acceptor.accept(_KIND, DISCORD_INTERACTIONS, event)
        except Failure as exc:
            # An answer the person can read, instead of "the application did not respond".
            _reject("busy")
            log.error("interaction_not_accepted", event_id=event.id, reason=str(exc))
            return notice_body(Notice.BUSY, locale=event.data.locale)
        return decision.body


def _reject(reason: str) -> None:
    names.INGRESS_REJECTED.labels(_KIND, reason).inc()


def interactions_router(interactions: Interactions) -> APIRouter:
    """The route that Discord's "Interactions Endpoint URL" names."""
    router = APIRouter()

    @router.post(PATH, summary="Discord calls this for every use of a command")
    async def discord_interactions(request: Request) -> Response:
        return await interactions.receive(request)

    return router

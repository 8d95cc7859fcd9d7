"""``POST /discord-interactions``: size, signature, JSON, type, and then what the person wants."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

from fastapi import APIRouter, Request, Response

from ingress.acceptor import Acceptor
from ingress.body import read_body
from ingress.interactions import answers
from ingress.interactions.answers import Notice, notice_body
from ingress.interactions.decision import AnswerNow, Decision, KeepThenAnswer, Rulebook, decide
from ingress.interactions.interaction import (
    Interaction,
    Kind,
    Misshapen,
    NoKind,
    Unreadable,
    kind_of,
    parse_body,
    parse_interaction,
)
from ingress.interactions.repeats import Repeats
from ingress.interactions.signature import Fault, PublicKey, signer_of
from ingress.interactions.tally import Tally
from ingress.limits.admission import Admission
from posta.domain.interaction_state import InteractionState, Note
from posta.errors import Failure
from posta.http.problem import Problem
from posta.lifecycle import Notes
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import current_trace_id

log = get_logger(__name__)
PATH = "/discord-interactions"
_KIND = "interaction"
_TYPES = {kind.value: kind.name.lower() for kind in Kind}
Clock = Callable[[], float]


class Interactions:
    """Answers Discord; everything in here runs within its three seconds."""

    def __init__(
        self,
        acceptor: Acceptor,
        rules: Callable[[], Rulebook],
        admission: Admission,
        notes: Notes,
        *,
        keys: tuple[PublicKey, ...],
        max_body_bytes: int,
        log_interactions: bool = False,
        clock: Clock = time.time,
    ) -> None:
        self._acceptor = acceptor
        self._rules = rules
        self._admission = admission
        self._notes = notes
        self._keys = keys
        self.max_body_bytes = max_body_bytes
        """Larger bodies are refused before they are read whole."""
        self._log_interactions = log_interactions
        self._clock = clock
        self._repeats = Repeats()
        self._ack_seconds = names.ACK_SECONDS.labels()
        self.tally = Tally()

    async def receive(self, request: Request) -> Response:
        """Answer one interaction. Raises ``Problem`` 400, 401 or 413 for what is none."""
        try:
            body = await read_body(request, max_bytes=self.max_body_bytes)
        except Problem as problem:
            _reject(f"status_{problem.status}")
            raise
        given = request.headers
        answer = await self.answer(
            body,
            signature=given.get("x-signature-ed25519"),
            timestamp=given.get("x-signature-timestamp"),
        )
        return Response(answer, media_type="application/json")

    async def answer(self, body: bytes, *, signature: str | None, timestamp: str | None) -> bytes:
        """What Discord is told to ``body``. Raises ``Problem`` 400 or 401 for what is no interaction."""
        started = time.monotonic()
        signer = signer_of(self._keys, signature=signature, timestamp=timestamp, body=body, now=self._clock())
        if isinstance(signer, Fault):
            raise _forged(signer)
        self.tally.begun()
        try:
            answer = await self._answer(body, signer)
        finally:
            self.tally.left()
        took_s = time.monotonic() - started
        self._ack_seconds.observe(took_s)
        self.tally.answered(took_s)
        return answer

    async def _answer(self, raw: bytes, signer: PublicKey) -> bytes:
        try:
            body = parse_body(raw)
            kind = kind_of(body)
            _check_application(body, signer)
            if kind == Kind.PING:
                _count(kind, "pong")
                return answers.PONG
            interaction = parse_interaction(body)
        except Unreadable as exc:
            _reject("not_json")
            raise Problem(400, "The interaction cannot be read", str(exc)) from None
        except NoKind as exc:
            _reject("no_type")
            raise Problem(400, "The interaction has no type", str(exc)) from None
        except Misshapen as exc:
            _reject("misshapen")
            raise Problem(400, "The interaction lacks what is needed", str(exc)) from None
        return await self._decided(interaction)

    async def _decided(self, interaction: Interaction) -> bytes:
        decision = decide(interaction, self._rules())
        if isinstance(decision, AnswerNow):
            self._say(interaction, decision, decision.reason or "now")
            return decision.body
        return await self._repeats.once(interaction.id, lambda: self._take(interaction, decision))

    async def _take(self, interaction: Interaction, message: KeepThenAnswer) -> tuple[bytes, bool]:
        """The answer to ``message``, and whether a repetition gets it, too, or tries anew."""
        refusal = await self._admission.refusal(message, locale=interaction.language_tag)
        if refusal is not None:
            self._say(interaction, message, refusal.notice.value)
            return refusal.body, True
        try:
            await self._acceptor.accept(_KIND, message.topic, message.event)
        except Failure as exc:
            # An answer the person can read, instead of "the application did not respond".
            self._say(interaction, message, Notice.BUSY.value)
            log.error("interaction_not_accepted", event_id=message.event.id, reason=str(exc))
            return notice_body(Notice.BUSY, locale=interaction.language_tag), False
        self._notes.note(_pending(interaction, message, now=self._clock()))
        self._say(interaction, message, "kept")
        return message.body, True

    def _say(self, interaction: Interaction, decision: Decision, outcome: str) -> None:
        """Count how it ended, and log it if that is wanted: never what was said."""
        if outcome not in ("now", "kept"):
            _reject(outcome)
        self.tally.ended(outcome)
        _count(interaction.type, outcome)
        if self._log_interactions:
            log.info(
                "interaction",
                interaction_id=interaction.id,
                type=_TYPES.get(interaction.type, "other"),
                name=decision.name if isinstance(decision, KeepThenAnswer) else interaction.data.name,
                answer=outcome,
            )


def _pending(interaction: Interaction, message: KeepThenAnswer, *, now: float) -> Note:
    return Note(
        id=interaction.id,
        state=InteractionState.PENDING,
        at=now,
        accepted_at=now,
        trace_id=current_trace_id(),
        application_id=interaction.application_id,
        kind=interaction.type,
        command=message.name,
        guild_id=interaction.guild_id,
    )


def _check_application(body: dict[str, Any], signer: PublicKey) -> None:
    """A key speaks for its own application only."""
    if signer.application_id is not None and body.get("application_id") != signer.application_id:
        raise _forged(Fault.APPLICATION)


def _forged(fault: Fault) -> Problem:
    """One answer for every fault: whoever forges learns nothing from it."""
    _reject(fault.value)
    return Problem(401, "The request signature is not valid", "Only Discord can call this address.")


def _reject(reason: str) -> None:
    names.INGRESS_REJECTED.labels(_KIND, reason).inc()


@cache
def _counter(kind: str, answer: str) -> Any:
    # Looked up once: a label costs more than the count, and there are few of either.
    return names.INTERACTIONS.labels(kind, answer)


def _count(kind: int, answer: str) -> None:
    _counter(_TYPES.get(kind, "other"), answer).inc()


def interactions_router(interactions: Interactions) -> APIRouter:
    """The route that Discord's "Interactions Endpoint URL" names."""
    router = APIRouter()

    @router.post(PATH, summary="Discord calls this for every use of a command")
    async def discord_interactions(request: Request) -> Response:
        return await interactions.receive(request)

    return router

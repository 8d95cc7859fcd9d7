"""Notes what becomes of an interaction while a service handles it; the handler does not know of it."""

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Protocol

from posta.domain.interaction_state import InteractionState, Note
from posta.domain.payloads import DiscordInteraction, DiscordTarget, EventPublished, Payload, ReplyReady
from posta.engine.message import GivenUp, Handler, Message, OnGivenUp, Publish
from posta.telemetry.tracing import current_trace_id

DISCORD_PUBLISHER = "discord"
"""The publisher of events that a command, button or form made; their client id is the interaction's."""


class Notes(Protocol):
    """What takes notes; ``posta.postgres.interactions.InteractionLog``, or a list in tests."""

    def note(self, note: Note) -> None:
        """Take ``note`` over; never waits and never fails."""


def interaction_of(data: Payload) -> str | None:
    """The id of the interaction that an event is about, or None."""
    match data:
        case DiscordInteraction():
            return data.interaction_id
        case ReplyReady(target=DiscordTarget() as target):
            return target.interaction_id
        case EventPublished(publisher=publisher) if publisher == DISCORD_PUBLISHER:
            return data.client_id
        case _:
            return None


def watched(handler: Handler, notes: Notes) -> Handler:
    """``handler``, with what becomes of interactions noted."""

    async def handle(message: Message[Any]) -> Iterable[Publish] | None:
        found = interaction_of(message.event.data)
        if found is None:
            return await handler(message)
        note = _begun(found, message)
        notes.note(note)
        try:
            published = await handler(message)
        except Exception as exc:
            notes.note(
                replace(note, state=InteractionState.RETRYING, reason=type(exc).__name__, at=time.time())
            )
            raise
        outcome = _outcome(message.event.data)
        if outcome is not None:
            now = time.time()
            notes.note(replace(note, state=outcome, at=now, finished_at=now))
        return published

    return handle


def watched_given_up(on_given_up: OnGivenUp, notes: Notes) -> OnGivenUp:
    """``on_given_up``, with the failure noted."""

    async def give_up(message: Message[Any], given_up: GivenUp) -> Iterable[Publish]:
        found = interaction_of(message.event.data)
        if found is not None:
            now = time.time()
            note = _begun(found, message)
            reason = f"{given_up.error_class.value}: {type(given_up.error).__name__}"
            failed = replace(note, state=InteractionState.FAILED, at=now, finished_at=now, reason=reason)
            notes.note(failed)
        return await on_given_up(message, given_up)

    return give_up


def _begun(interaction_id: str, message: Message[Any]) -> Note:
    now = time.time()
    return Note(
        id=interaction_id,
        state=InteractionState.PROCESSING,
        at=now,
        attempts=message.attempt,
        trace_id=current_trace_id(),
        started_at=now,
    )


def _outcome(data: Payload) -> InteractionState | None:
    """How an interaction ended that ``data`` was the last step of; None for an earlier step."""
    if isinstance(data, ReplyReady):
        return InteractionState.COMPLETED if data.kind == "answer" else InteractionState.FAILED
    return InteractionState.COMPLETED if isinstance(data, EventPublished) else None

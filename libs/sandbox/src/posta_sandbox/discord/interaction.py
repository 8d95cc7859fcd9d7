"""One interaction's life, from the press of Enter to the last edit. Pure: now is given.

    pending --valid answer within 3 s--> thinking --edit or first follow-up--> answered
       |            (type 4, 7, 8, 9, PONG: straight to answered)
       +--no or bad answer--> failed <--token life over-- thinking

Rule: every state and every transition lives in this file.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from posta_sandbox.discord import interactions
from posta_sandbox.discord.errors import (
    DiscordError,
    already_acknowledged,
    invalid_form,
    invalid_webhook_token,
    unknown_webhook,
)
from posta_sandbox.discord.interactions import Use
from posta_sandbox.discord.limits import FLAG_EPHEMERAL, message_problems, problem
from posta_sandbox.discord.message import Message


class State(StrEnum):
    """Where an interaction is in its life."""

    PENDING = "pending"
    THINKING = "thinking"
    ANSWERED = "answered"
    FAILED = "failed"


class Callback(IntEnum):
    """The types of an initial response."""

    PONG = 1
    MESSAGE = 4
    DEFERRED_MESSAGE = 5
    DEFERRED_UPDATE = 6
    UPDATE = 7
    CHOICES = 8
    MODAL = 9
    LAUNCH_ACTIVITY = 12


_ALLOWED = {
    interactions.PING: {1},
    interactions.COMMAND: {4, 5, 9, 12},
    interactions.COMPONENT: {4, 5, 6, 7, 9, 12},
    interactions.AUTOCOMPLETE: {8},
    interactions.MODAL: {4, 5, 6, 7},
}


@dataclass(slots=True, kw_only=True)
class Interaction:
    """One use of a command, and everything that came of it."""

    id: str
    token: str
    use: Use
    created_at: float
    expires_at: float
    state: State = State.PENDING
    reason: str | None = None
    initial: dict[str, Any] | None = None
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    """What each delivery was answered with, when the same request is delivered several times."""
    callback_type: int | None = None
    acknowledged_at: float | None = None
    original: Message | None = None
    edits: list[dict[str, Any]] = field(default_factory=list)
    followups: list[Message] = field(default_factory=list)
    acknowledged: asyncio.Event = field(default_factory=asyncio.Event)
    """Set with the initial response, for whoever waits for the callback endpoint."""

    def check_token(self, token: str, now: float) -> None:
        """Raise as Discord does for a wrong, dead or expired token (protocols: A4)."""
        if token != self.token:
            raise invalid_webhook_token()
        if self.acknowledged_at is None or now < self.acknowledged_at:
            raise unknown_webhook()
        if now >= self.expires_at:
            raise invalid_webhook_token()

    def check_callback(self, body: Mapping[str, Any]) -> None:
        """Raise when an initial response is not one that this interaction takes."""
        if self.acknowledged_at is not None:
            raise already_acknowledged()
        kind = body.get("type")
        allowed = _ALLOWED.get(self.use.type, set())
        if kind not in allowed:
            message = f"Value must be one of {sorted(allowed)}."
            raise invalid_form({"type": problem("BASE_TYPE_CHOICES", message)})
        data = body.get("data") or {}
        errors = message_problems(data) if kind in (Callback.MESSAGE, Callback.UPDATE) else {}
        if kind == Callback.DEFERRED_MESSAGE and data.get("flags", 0) not in (0, FLAG_EPHEMERAL):
            errors = {"flags": problem("MESSAGE_FLAGS_INVALID", "Only EPHEMERAL can be set here.")}
        if errors:
            raise invalid_form({"data": errors})

    def acknowledge(self, kind: int, now: float) -> None:
        """Take note of a valid initial response."""
        self.callback_type = kind
        self.acknowledged_at = now
        self.acknowledged.set()
        deferred = kind in (Callback.DEFERRED_MESSAGE, Callback.DEFERRED_UPDATE)
        self.state = State.THINKING if deferred else State.ANSWERED

    def fail(self, reason: str) -> None:
        """Show "the application did not respond"; the token never comes alive."""
        if self.state is State.PENDING:
            self.state = State.FAILED
            self.reason = reason

    def edited(self, message: Message, now: float, *, via: str) -> None:
        """Take note of an edit of the original response."""
        self.edits.append({"at": now, "content": message.content, "embeds": message.embeds, "via": via})
        self.state = State.ANSWERED

    @property
    def takes_followup_as_edit(self) -> bool:
        """Whether the next follow-up replaces "thinking…" (deprecated by Discord, still so)."""
        return self.original is not None and self.original.is_loading

    def state_at(self, now: float) -> State:
        """Return the state, an expired token counted as a failure."""
        if self.state is State.THINKING and now >= self.expires_at:
            return State.FAILED
        return self.state

    def view(self, now: float) -> dict[str, Any]:
        """The interaction as ``GET /api/interactions/{id}`` shows it."""
        state = self.state_at(now)
        expired = state is State.FAILED and self.state is State.THINKING
        return {
            "id": self.id,
            "state": state.value,
            "reason": "the token expired before an answer came" if expired else self.reason,
            "at": self.created_at,
            "type": self.use.type,
            "command": self.use.command,
            "command_type": self.use.command_type,
            "custom_id": self.use.custom_id,
            "options": dict(self.use.options),
            "user": self.use.user.username,
            "user_name": self.use.user.global_name,
            "guild": self.use.place.guild,
            "channel": self.use.place.channel,
            "locale": self.use.locale,
            "initial": self.initial,
            "deliveries": self.deliveries,
            "original": self.original.view() if self.original else None,
            "edits": self.edits,
            "followups": [message.view() for message in self.followups],
        }

    def callback_response(self) -> dict[str, Any]:
        """The callback object of Discord's API; it shows the message only when there is one now."""
        original = self.original
        about: dict[str, Any] = {"id": self.id, "type": self.use.type}
        if original is None:
            return {"interaction": about}
        about |= {
            "response_message_id": original.id,
            "response_message_loading": original.is_loading,
            "response_message_ephemeral": original.is_ephemeral,
        }
        if self.callback_type != Callback.MESSAGE:
            return {"interaction": about}
        resource = {"type": self.callback_type, "message": original.response()}
        return {"interaction": about, "resource": resource}


def reason_of(error: DiscordError) -> str:
    """Return why an initial response was refused, in words."""
    return f"{error.message} ({error.code}): {error.errors or ''}".rstrip(": ")

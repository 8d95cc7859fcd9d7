"""A message as the look-alike keeps it, and as Discord's API shows it. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from posta_sandbox.discord.limits import FLAG_EPHEMERAL, FLAG_LOADING
from posta_sandbox.discord.people import Place

REPLY_TO_COMMAND = 20
"""Message type CHAT_INPUT_COMMAND."""
DEFAULT = 0
"""Message type of a webhook's own post."""
_USER_MENTION = re.compile(r"<@!?(\d{1,20})>")


@dataclass(slots=True, kw_only=True)
class Message:
    """One message of a webhook or an interaction."""

    id: str
    webhook_id: str
    place: Place
    author: dict[str, Any]
    created_at: float
    type: int = DEFAULT
    content: str = ""
    embeds: list[dict[str, Any]] = field(default_factory=list)
    components: list[Any] = field(default_factory=list)
    attachments: list[dict[str, Any]] = field(default_factory=list)
    mentions: list[dict[str, Any]] = field(default_factory=list)
    mention_everyone: bool = False
    flags: int = 0
    edited_at: float | None = None
    deleted: bool = False
    application_id: str | None = None
    interaction_metadata: dict[str, Any] | None = None
    thread_id: str | None = None
    nonce: str | int | None = None

    @property
    def is_loading(self) -> bool:
        """Whether it still says "thinking…"."""
        return bool(self.flags & FLAG_LOADING)

    @property
    def is_ephemeral(self) -> bool:
        """Whether only the person who asked sees it."""
        return bool(self.flags & FLAG_EPHEMERAL)

    def fill(self, body: Mapping[str, Any]) -> None:
        """Take over the fields of a request that are there; null empties one."""
        if "content" in body:
            self.content = str(body["content"] if body["content"] is not None else "").strip()
        if "embeds" in body:
            self.embeds = [shown_embed(embed) for embed in body["embeds"] or []]
        if "components" in body:
            self.components = list(body["components"] or [])
        if "attachments" in body:
            self.attachments = list(body["attachments"] or [])
        self._ping(body.get("allowed_mentions"))

    def _ping(self, allowed: Mapping[str, Any] | None) -> None:
        """Work out who is pinged; without allowed_mentions, webhooks ping users only."""
        named = list(dict.fromkeys(_USER_MENTION.findall(self.content)))
        kinds = ["users"] if allowed is None else allowed.get("parse") or []
        if "users" not in kinds:
            chosen = {str(i) for i in (allowed or {}).get("users") or []}
            named = [i for i in named if i in chosen]
        self.mentions = [{"id": i} for i in named]
        shouted = "@everyone" in self.content or "@here" in self.content
        self.mention_everyone = shouted and "everyone" in kinds

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.content or self.embeds or self.components or self.attachments)

    def response(self) -> dict[str, Any]:
        """The message object of Discord's API."""
        message: dict[str, Any] = {
            "attachments": self.attachments,
            "author": self.author,
            "channel_id": self.thread_id or self.place.channel_id,
            "components": self.components,
            "content": self.content,
            "edited_timestamp": None if self.edited_at is None else iso(self.edited_at),
            "embeds": self.embeds,
            "flags": self.flags,
            "id": self.id,
            "mention_everyone": self.mention_everyone,
            "mention_roles": [],
            "mentions": [_mentioned(m["id"]) for m in self.mentions],
            "pinned": False,
            "timestamp": iso(self.created_at),
            "tts": False,
            "type": self.type,
            "webhook_id": self.webhook_id,
        }
        optional = {
            "application_id": self.application_id,
            "interaction_metadata": self.interaction_metadata,
            "nonce": self.nonce,
        }
        return message | {name: value for name, value in optional.items() if value is not None}

    def view(self) -> dict[str, Any]:
        """The message for tests and the page."""
        return {
            "id": self.id,
            "at": self.created_at,
            "edited_at": self.edited_at,
            "channel": self.place.channel,
            "thread": self.thread_id,
            "guild": self.place.guild,
            "author": self.author.get("global_name") or self.author["username"],
            "content": self.content,
            "embeds": self.embeds,
            "components": self.components,
            "files": [one.get("filename") or "" for one in self.attachments],
            "flags": self.flags,
            "loading": self.is_loading,
            "ephemeral": self.is_ephemeral,
            "deleted": self.deleted,
            "mentions": [m["id"] for m in self.mentions],
            "mention_everyone": self.mention_everyone,
        }


def shown_embed(embed: Mapping[str, Any]) -> dict[str, Any]:
    """Return an embed as Discord gives it back: typed, empty parts gone, colour as a number."""
    shown = {
        name: value
        for name, value in embed.items()
        if name in _EMBED_PARTS and value not in (None, [], {}, "")
    }
    if "fields" in shown:
        shown["fields"] = [
            {"name": str(f["name"]), "value": str(f["value"]), "inline": bool(f.get("inline"))}
            for f in shown["fields"]
        ]
    if "timestamp" in shown:
        moment = datetime.fromisoformat(shown["timestamp"])
        shown["timestamp"] = moment.replace(tzinfo=moment.tzinfo or UTC).isoformat()
    return shown | {"type": "rich"}


_EMBED_PARTS = frozenset(
    {"title", "description", "url", "timestamp", "color", "footer", "author", "image", "thumbnail", "fields"}
)


def iso(at: float) -> str:
    """Return a time in seconds since the epoch as Discord writes it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds")


def _mentioned(user_id: str) -> dict[str, Any]:
    return {
        "id": user_id,
        "username": f"user{user_id[-4:]}",
        "avatar": None,
        "discriminator": "0",
        "public_flags": 0,
        "flags": 0,
        "global_name": None,
        "primary_guild": None,
    }

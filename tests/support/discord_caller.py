"""Calls ingress the way Discord does: interactions with current ids, signed with a key of the test."""

import itertools
import json
import time
from typing import Any

from nacl.signing import SigningKey

DISCORD_EPOCH_MS = 1_420_070_400_000
APPLICATION = "1380486651436073092"
_counter = itertools.count()


def snowflake_now() -> str:
    """An id made now, unlike any other of this process."""
    return str(((int(time.time() * 1000) - DISCORD_EPOCH_MS) << 22) + next(_counter) % (1 << 22))


def ask(
    question: str = "Why is the sky blue?",
    *,
    person: str = "300000000000000001",
    channel: str | None = "1100000000000000002",
    locale: str = "en-GB",
    private: bool | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """A use of ``/ask`` in a guild; ``fields`` replace members of the body."""
    options: list[dict[str, Any]] = [{"name": "question", "type": 3, "value": question}]
    if private is not None:
        options.append({"name": "private", "type": 5, "value": private})
    number = snowflake_now()
    body: dict[str, Any] = {
        "id": number,
        "application_id": APPLICATION,
        "type": 2,
        "token": f"aW50ZXJhY3Rpb246{number}TOKEN",
        "data": {"id": "1380490000000000001", "name": "ask", "type": 1, "options": options},
        "guild_id": "1100000000000000001",
        "locale": locale,
        "guild_locale": "en-US",
        "member": {"nick": None, "user": {"id": person, "username": "alex.k", "global_name": "Alex"}},
        "version": 1,
    }
    if channel is not None:
        body["channel_id"] = channel
    return body | fields


class DiscordCaller:
    """Holds a key pair of its own."""

    def __init__(self) -> None:
        self._key = SigningKey.generate()
        self.public_key = self._key.verify_key.encode().hex()

    def sign(self, raw: bytes, *, timestamp: str | None = None) -> dict[str, str]:
        """The headers Discord sends with ``raw``."""
        timestamp = timestamp or str(int(time.time()))
        signature = self._key.sign(timestamp.encode() + raw).signature.hex()
        return {
            "content-type": "application/json",
            "x-signature-ed25519": signature,
            "x-signature-timestamp": timestamp,
        }

    def request(self, body: Any) -> dict[str, Any]:
        """``content`` and ``headers`` for an httpx call."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return {"content": raw, "headers": self.sign(raw)}

"""Sends interactions to ingress as Discord does: signed, and with three seconds to answer."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nacl.signing import SigningKey

from posta_sandbox.discord import interactions
from posta_sandbox.discord.errors import DiscordError
from posta_sandbox.discord.ingress_line import Answered, IngressUnreachable
from posta_sandbox.discord.interaction import Interaction, State, reason_of
from posta_sandbox.discord.interactions import Use
from posta_sandbox.discord.lookalike import Discord
from posta_sandbox.ledger import Call, Ledger, readable
from posta_sandbox.masking import masked_headers

ENDPOINT = "/discord-interactions"
_OK, _ACCEPTED = 200, 202

Send = Callable[[str, Mapping[str, str], bytes], Awaitable[Answered]]
"""Sends a request to a URL with headers and body; raises IngressUnreachable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tampering:
    """What tests change in a genuine request."""

    signature: str | None = None
    """``bad``, ``missing`` or ``malformed``; None signs truly."""
    timestamp_offset_s: int = 0
    payload: Mapping[str, Any] = field(default_factory=dict)
    """Fields laid over the payload's own before it is signed."""
    raw_body: str | None = None
    """Sent (and signed) instead of the payload."""
    repeat: int = 1
    """The same request is delivered this many times, one after the other."""


class Deliverer:
    """Delivers interactions to one ingress."""

    def __init__(
        self,
        discord: Discord,
        *,
        send: Send,
        key: SigningKey,
        ledger: Ledger,
        ingress_url: str,
    ) -> None:
        self._discord = discord
        self._post = send
        self._key = key
        self._ledger = ledger
        self.ingress_url = ingress_url

    async def deliver(self, use: Use, tampering: Tampering) -> Interaction:
        """Begin an interaction, deliver it, and take ingress's answer in."""
        discord = self._discord
        token = "aW50ZXJhY3Rpb246" + secrets.token_urlsafe(96)
        interaction = discord.state.begin(
            use, token=token, now=discord.clock(), token_life_s=discord.rules.token_life_s
        )
        raw = self._raw(interaction, tampering)
        headers = interactions.signed_headers(
            self._key, raw, timestamp_s=int(discord.clock()) + tampering.timestamp_offset_s
        )
        if tampering.signature:
            headers = interactions.spoiled(headers, tampering.signature)
        for _ in range(tampering.repeat):
            await self._send(interaction, raw, headers)
        return interaction

    def _raw(self, interaction: Interaction, tampering: Tampering) -> bytes:
        if tampering.raw_body is not None:
            return tampering.raw_body.encode()
        payload = interactions.payload(
            interaction.use,
            interaction_id=interaction.id,
            token=interaction.token,
            application_id=self._discord.state.application_id,
        )
        overlaid = payload | dict(tampering.payload)
        return json.dumps(overlaid, separators=(",", ":"), ensure_ascii=False).encode()

    async def _send(self, interaction: Interaction, raw: bytes, headers: dict[str, str]) -> None:
        discord = self._discord
        started = discord.clock()
        call = self._ledger.record("ingress", "POST", ENDPOINT, raw, interaction=interaction.id)
        if call.exchange is not None:
            call.exchange.request_headers = masked_headers(headers)
        try:
            async with asyncio.timeout(discord.rules.answer_within_s):
                response = await self._post(self.ingress_url.rstrip("/") + ENDPOINT, headers, raw)
                self._note(interaction, call, response, started)
                if response.status == _ACCEPTED:
                    # a 202 says that the answer comes to the callback endpoint
                    await interaction.acknowledged.wait()
        except TimeoutError:
            reason = f"no answer within {discord.rules.answer_within_s:g} s"
            self._failed(interaction, call, reason, started)
        except IngressUnreachable as exc:
            reason = f"ingress could not be reached: {exc}"
            self._failed(interaction, call, reason, started)
        else:
            self._take(interaction, response)
        discord.state.version += 1

    def _note(self, interaction: Interaction, call: Call, response: Answered, started: float) -> None:
        if call.exchange is not None:
            call.exchange.response_headers = masked_headers(response.headers)
            call.exchange.response_body = readable(response.body)
        self._ledger.finish(call, status=response.status)
        body = response.content()
        seen = {
            "status": response.status,
            "type": body.get("type") if isinstance(body, dict) else None,
            "body": body,
            "ms": self._ms(started),
        }
        self._seen(interaction, seen)

    def _take(self, interaction: Interaction, response: Answered) -> None:
        if interaction.state is not State.PENDING:
            return
        body = response.content()
        if response.status != _OK or not isinstance(body, dict):
            interaction.fail(f"ingress answered {response.status}")
            return
        try:
            self._discord.state.answer(interaction, body, self._discord.clock())
        except DiscordError as error:
            interaction.fail(reason_of(error))

    def _failed(self, interaction: Interaction, call: Call, reason: str, started: float) -> None:
        if call.ms is None:
            self._ledger.finish(call, status=None)
            nothing = {"status": None, "type": None, "body": None}
            self._seen(interaction, nothing | {"ms": self._ms(started), "error": reason})
        interaction.fail(reason)

    @staticmethod
    def _seen(interaction: Interaction, seen: dict[str, Any]) -> None:
        interaction.deliveries.append({"status": seen["status"], "ms": seen["ms"]})
        interaction.initial = interaction.initial or seen

    def _ms(self, started: float) -> float:
        return round((self._discord.clock() - started) * 1000, 2)

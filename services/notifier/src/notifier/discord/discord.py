"""Calls Discord: paced by its rate limits, each answer turned into the outcome it means."""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
from opentelemetry.trace import Span, SpanKind
from pydantic import SecretStr

from notifier.discord.endpoint import Endpoint
from notifier.discord.verdict import (
    MISCONFIGURED_RETRY_S,
    Answer,
    Blocked,
    Closed,
    Delivered,
    Gone,
    Refused,
    Retry,
    Unknown,
    Verdict,
    judge,
)
from notifier.limits.buckets import read_told
from notifier.limits.limits import Limits
from notifier.limits.refusals_budget import counts
from notifier.refusals import BotRefused, ContentRefused, OutcomeUnknown, TargetGone
from posta.errors import NotNow, Transient
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import span

log = get_logger(__name__)
UPSTREAM = "discord"
_UNAUTHORIZED = 401
_NEWEST = 200
"""So many calls make the mean that users of earlier systems watch."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""No byte of the request can have left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file to send along."""

    name: str
    content: bytes
    media_type: str = "text/markdown; charset=utf-8"


class Client(Protocol):
    """What makes calls; ``posta.http.kept_connections.KeptConnections``, or httpx's own client."""

    async def request(self, method: str, url: str, **request: Any) -> httpx.Response:
        """The answer. Raises ``httpx.HTTPError``."""
        ...


class Discord:
    """One process's way to Discord; safe for many tasks at once."""

    def __init__(
        self,
        client: Client,
        limits: Limits,
        *,
        timeout_s: float,
        bot_token: SecretStr | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._limits = limits
        self._timeout_s = timeout_s
        self._bot_token = bot_token
        self._clock = clock
        self._bot_refused_until = 0.0
        self._newest_s: deque[float] = deque(maxlen=_NEWEST)
        names.LEGACY_RESPONSE_MS.set_function(self._mean_ms)

    @property
    def has_bot(self) -> bool:
        """Whether calls that need the bot's token can be made at all."""
        return self._bot_token is not None

    def check_open(self, endpoint: Endpoint) -> None:
        """Raise ``NotNow`` when a call could not be sent now, without counting one."""
        self._check_bot(endpoint)
        self._limits.check_open(endpoint.target)

    def wait_s(self, endpoint: Endpoint) -> float:
        """Seconds until a call may be sent, as far as is known; 0: now."""
        return self._limits.wait_s(endpoint.target)

    async def call(
        self,
        endpoint: Endpoint,
        body: Mapping[str, Any] | None = None,
        *,
        files: Sequence[File] = (),
        token_age_s: float | None = None,
    ) -> Answer:
        """Call and return the answer of a success.

        ``token_age_s`` is the age of an interaction's token, None for webhooks. Raises ``NotNow``
        (rate limit, nothing sent or nothing done), ``Transient`` (refused for now),
        ``OutcomeUnknown``, ``TargetGone`` or ``ContentRefused``.
        """
        self._check_bot(endpoint)
        async with self._limits.passage(endpoint.target) as passage:
            started = time.monotonic()
            answer = await self._exchange(endpoint, body, files)
            passage.took_s = time.monotonic() - started
            self._newest_s.append(passage.took_s)
            passage.told = read_told(answer.headers)
        if counts(answer.status, answer.headers.get("x-ratelimit-scope")):
            self._limits.refused()
        if endpoint.authorized and answer.status == _UNAUTHORIZED:
            self._refuse_bot()
        self._carry_out(endpoint, judge(answer, token_age_s=token_age_s))
        return answer

    def _mean_ms(self) -> float:
        return 1000 * sum(self._newest_s) / len(self._newest_s) if self._newest_s else 0.0

    def _check_bot(self, endpoint: Endpoint) -> None:
        if not endpoint.authorized:
            return
        if self._bot_token is None:
            raise TargetGone("no bot token is set: set POSTA_DISCORD__BOT_TOKEN and replay")
        wait_s = self._bot_refused_until - self._clock()
        if wait_s > 0:
            raise BotRefused(
                "Discord refuses the bot's token: correct POSTA_DISCORD__BOT_TOKEN", wait_s=wait_s
            )

    def _refuse_bot(self) -> None:
        self._bot_refused_until = self._clock() + MISCONFIGURED_RETRY_S
        names.DISCORD_BOT_REFUSED.inc()
        log.error("discord_bot_token_refused", advice="correct POSTA_DISCORD__BOT_TOKEN and restart")
        raise BotRefused("Discord refuses the bot's token", wait_s=MISCONFIGURED_RETRY_S)

    async def _exchange(
        self, endpoint: Endpoint, body: Mapping[str, Any] | None, files: Sequence[File]
    ) -> Answer:
        started = time.monotonic()
        outcome = "failed"
        attributes = {
            "http.request.method": endpoint.method,
            "server.address": urlsplit(endpoint.url).hostname or "",
            "url.template": endpoint.template,
        }
        with span(f"{endpoint.method} {endpoint.template}", kind=SpanKind.CLIENT, attributes=attributes) as s:
            try:
                answer = await self._send(endpoint, body, files)
                outcome = f"{answer.status // 100}xx" if answer.status != 429 else "429"  # noqa: PLR2004 - shown as is
                _mark(s, answer)
            finally:
                names.UPSTREAM_REQUESTS.labels(UPSTREAM, outcome).inc()
                names.UPSTREAM_SECONDS.labels(UPSTREAM).observe(time.monotonic() - started)
        return answer

    async def _send(
        self, endpoint: Endpoint, body: Mapping[str, Any] | None, files: Sequence[File]
    ) -> Answer:
        headers: dict[str, str] = {}
        if endpoint.authorized and self._bot_token is not None:
            headers["authorization"] = f"Bot {self._bot_token.get_secret_value()}"
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.request(
                    endpoint.method, endpoint.url, **_content(body, files, headers)
                )
        except _NOT_SENT as exc:
            raise Transient(f"Discord cannot be reached: {type(exc).__name__}") from exc
        except httpx.HTTPError as exc:
            raise OutcomeUnknown(f"Discord's answer is missing: {type(exc).__name__}") from exc
        except TimeoutError as exc:
            raise OutcomeUnknown(f"Discord did not answer in {self._timeout_s:g} s") from exc
        return Answer(status=response.status_code, headers=_lower(response.headers), body=_json(response))

    def _carry_out(self, endpoint: Endpoint, verdict: Verdict) -> None:
        if not isinstance(verdict, Blocked | Unknown):
            self._limits.buckets.got_through()
        match verdict:
            case Delivered():
                return
            case Closed():
                self._limits.closed(endpoint.target, verdict)
                raise NotNow(f"Discord's rate limit ({verdict.scope}) is used up", wait_s=verdict.wait_s)
            case Blocked():
                wait_s = self._limits.blocked()
                log.error("discord_blocks_us", cool_down_s=round(wait_s))
                raise NotNow("Discord blocks this address for now", wait_s=wait_s)
            case Retry(reason, after_s):
                raise Transient(reason, retry_after_s=after_s)
            case Unknown(reason):
                raise OutcomeUnknown(reason)
            case Gone(reason, code):
                raise TargetGone(reason, code=code)
            case Refused(reason):
                raise ContentRefused(reason)


def _content(
    body: Mapping[str, Any] | None, files: Sequence[File], headers: dict[str, str]
) -> dict[str, Any]:
    """What httpx is to send: JSON, or a form with files as Discord wants it."""
    if body is None:
        return {"headers": headers}
    raw = json.dumps(body, ensure_ascii=False).encode()
    if not files:
        return {"content": raw, "headers": {**headers, "content-type": "application/json"}}
    parts: list[tuple[str, tuple[str | None, bytes, str]]] = [
        ("payload_json", (None, raw, "application/json"))
    ]
    parts += [(f"files[{n}]", (one.name, one.content, one.media_type)) for n, one in enumerate(files)]
    return {"files": parts, "headers": headers}


def _mark(current: Span, answer: Answer) -> None:
    current.set_attribute("http.response.status_code", answer.status)
    if answer.status >= 400:  # noqa: PLR2004 - the class of HTTP status codes
        current.set_attribute("error.type", str(answer.status))


def _lower(headers: httpx.Headers) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None

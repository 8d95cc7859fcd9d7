"""Calls Discord: paced by its rate limits, each answer turned into the outcome it means."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
from opentelemetry.trace import Span, SpanKind

from notifier.discord.endpoint import Endpoint
from notifier.discord.verdict import (
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
from notifier.limits.buckets import Buckets, read_told
from notifier.refusals import ContentRefused, OutcomeUnknown, TargetGone
from posta.errors import NotNow, Transient
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import span

log = get_logger(__name__)
UPSTREAM = "discord"
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""No byte of the request can have left."""


class Discord:
    """One process's way to Discord; safe for many tasks at once."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        timeout_s: float,
        buckets: Buckets | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._timeout_s = timeout_s
        self._buckets = buckets or Buckets()
        self._clock = clock

    def check_open(self, endpoint: Endpoint) -> None:
        """Raise ``NotNow`` when a call could not be sent now, without counting one."""
        _wait(self._buckets.wait_s(endpoint.target, self._clock()))

    async def call(
        self,
        endpoint: Endpoint,
        body: Mapping[str, Any] | None = None,
        *,
        token_age_s: float | None = None,
    ) -> Answer:
        """Call and return the answer of a success.

        ``token_age_s`` is the age of an interaction's token, None for webhooks. Raises ``NotNow``
        (rate limit, nothing sent or nothing done), ``Transient`` (refused for now),
        ``OutcomeUnknown``, ``TargetGone`` or ``ContentRefused``.
        """
        _wait(self._buckets.take(endpoint.target, self._clock()))
        answer: Answer | None = None
        try:
            answer = await self._exchange(endpoint, body)
        finally:
            told = None if answer is None else read_told(answer.headers)
            self._buckets.answered(endpoint.target, told, self._clock())
        self._carry_out(endpoint, judge(answer, token_age_s=token_age_s))
        return answer

    async def _exchange(self, endpoint: Endpoint, body: Mapping[str, Any] | None) -> Answer:
        started = time.monotonic()
        outcome = "failed"
        attributes = {
            "http.request.method": endpoint.method,
            "server.address": urlsplit(endpoint.url).hostname or "",
            "url.template": endpoint.template,
        }
        with span(f"{endpoint.method} {endpoint.template}", kind=SpanKind.CLIENT, attributes=attributes) as s:
            try:
                answer = await self._send(endpoint, body)
                outcome = f"{answer.status // 100}xx" if answer.status != 429 else "429"  # noqa: PLR2004 - shown as is
                _mark(s, answer)
            finally:
                names.UPSTREAM_REQUESTS.labels(UPSTREAM, outcome).inc()
                names.UPSTREAM_SECONDS.labels(UPSTREAM).observe(time.monotonic() - started)
        return answer

    async def _send(self, endpoint: Endpoint, body: Mapping[str, Any] | None) -> Answer:
        content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
        headers = {} if body is None else {"content-type": "application/json"}
        try:
            async with asyncio.timeout(self._timeout_s):
                response = await self._client.request(
                    endpoint.method, endpoint.url, content=content, headers=headers
                )
        except _NOT_SENT as exc:
            raise Transient(f"Discord cannot be reached: {type(exc).__name__}") from exc
        except httpx.HTTPError as exc:
            raise OutcomeUnknown(f"Discord's answer is missing: {type(exc).__name__}") from exc
        except TimeoutError as exc:
            raise OutcomeUnknown(f"Discord did not answer in {self._timeout_s:g} s") from exc
        return Answer(status=response.status_code, headers=_lower(response.headers), body=_json(response))

    def _carry_out(self, endpoint: Endpoint, verdict: Verdict) -> None:
        now = self._clock()
        if not isinstance(verdict, Blocked | Unknown):
            self._buckets.got_through()
        match verdict:
            case Delivered():
                return
            case Closed():
                names.DISCORD_RATE_LIMITED.labels(verdict.scope).inc()
                self._buckets.closed(endpoint.target, verdict, now)
                raise NotNow(f"Discord's rate limit ({verdict.scope}) is used up", wait_s=verdict.wait_s)
            case Blocked():
                names.DISCORD_RATE_LIMITED.labels("blocked").inc()
                wait_s = self._buckets.blocked(now)
                log.error("discord_blocks_us", cool_down_s=round(wait_s))
                raise NotNow("Discord blocks this address for now", wait_s=wait_s)
            case Retry(reason, after_s):
                raise Transient(reason, retry_after_s=after_s)
            case Unknown(reason):
                raise OutcomeUnknown(reason)
            case Gone(reason):
                raise TargetGone(reason)
            case Refused(reason):
                raise ContentRefused(reason)


def _wait(wait_s: float) -> None:
    if wait_s > 0:
        raise NotNow("Discord's rate limit leaves nothing for now", wait_s=wait_s)


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

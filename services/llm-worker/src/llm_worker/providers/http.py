"""One model at one provider over HTTP: one call is one request, everything that can go wrong has a name.

    start ──connect_s──▶ connected ──first_token_s──▶ first token ──between_tokens_s──▶ … ──▶ whole
      └──────────────────────────────────── total_s ────────────────────────────────────────┘

The answer is streamed even though it is delivered whole: a generation that stalls is cut early. The
engine and ``llm_worker.asking`` own the retries, so that none is hidden in here.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx
from opentelemetry.trace import Span, SpanKind

from llm_worker.providers.completion import ALERTING, Completion, Failed, Outcome
from llm_worker.providers.form import Gathering, Progress, error_status
from llm_worker.providers.lineup import Model
from llm_worker.providers.port import Request, Result
from llm_worker.providers.sse import EventReader
from llm_worker.providers.throttle import retry_after_s
from llm_worker.providers.told import NOTHING, Told, form_of, limits_told
from llm_worker.providers.verdict import Response, judge
from posta.errors import NotNow, Transient
from posta.http.bounded import PLAIN, compression_of, read_at_most
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import fail, span

log = get_logger(__name__)
UPSTREAM = "llm"
_MAX_BODY_BYTES = 2 * 1_048_576
_CHARS_PER_TOKEN = 4
"""A rule of thumb for servers that count no tokens."""
_OK = 200
_REST_S = 0.5
"""So long the end of a stream is waited for once its answer is whole, for the connection's sake."""


class Client(Protocol):
    """What makes calls; ``posta.http.kept_connections.KeptConnections``, or httpx's own client."""

    def stream(self, method: str, url: str, **request: Any) -> AbstractAsyncContextManager[httpx.Response]:
        """The answer from its headers on. Raises ``httpx.HTTPError``."""
        ...


class HttpProvider:
    """Calls one model; safe for many tasks at once. See ``llm_worker.providers.port.Provider``."""

    def __init__(self, client: Client, model: Model, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._model = model
        self._form = model.endpoint.form
        self._clock = clock
        self._url = f"{model.endpoint.base_url}{self._form.path}"
        self._host = urlsplit(model.endpoint.base_url)

    async def ask(self, request: Request) -> Result:
        """See ``Provider``."""
        with span(
            f"chat {self._model.name}", kind=SpanKind.CLIENT, attributes=self._attributes(request)
        ) as current:
            result = await self._counted(request, current)
            if isinstance(result.verdict, Failed):
                _report(result.verdict, self._model)
                fail(current, result.verdict.failure)
            else:
                _describe(current, result.verdict)
        if isinstance(result.verdict, Completion):
            _count_tokens(result.verdict, request, self._model.name)
        return result

    async def _counted(self, request: Request, current: Span) -> Result:
        started = time.monotonic()
        outcome = Outcome.CANCELLED
        try:
            result = await self._call(request, current, started)
            verdict = result.verdict
            outcome = verdict.outcome if isinstance(verdict, Failed) else Outcome.OK
        finally:
            names.UPSTREAM_REQUESTS.labels(UPSTREAM, outcome.value).inc()
            names.UPSTREAM_SECONDS.labels(UPSTREAM).observe(time.monotonic() - started)
            current.set_attribute("posta.outcome", outcome.value)
        return result

    async def _call(self, request: Request, current: Span, started: float) -> Result:
        call = _Call(self._model, request, started)
        told = NOTHING
        verdict: Completion | Failed
        try:
            response = await self._exchange(call)
        except (httpx.TimeoutException, TimeoutError) as exc:
            verdict = _failed(Outcome.TIMEOUT, f"the LLM provider {call.too_slow(exc)}")
        except _Compressed as exc:
            said = f"the LLM provider's answer is compressed ({exc}) although it was asked not to be"
            verdict = _failed(Outcome.COMPRESSED, said)
        except _BrokenOff as exc:
            verdict = _failed(Outcome.TRUNCATED, f"the LLM provider's answer broke off: {exc}")
        except (httpx.ConnectError, httpx.UnsupportedProtocol) as exc:
            verdict = _failed(Outcome.CONNECTION, f"the LLM provider cannot be reached: {_kind(exc)}")
        except httpx.RequestError as exc:
            verdict = _failed(Outcome.CONNECTION, f"the connection to the LLM provider broke: {_kind(exc)}")
        else:
            current.set_attribute("http.response.status_code", response.status)
            shaped = call.shaped
            verdict = judge(response, model=self._model.name, now=self._clock(), shaped=shaped)
            told = self._told(response, verdict)
        return Result(
            verdict=verdict,
            told=told,
            sent_after_s=call.sent_after_s,
            headers_after_s=call.headers_after_s,
            seconds=time.monotonic() - started,
        )

    async def _exchange(self, call: "_Call") -> Response:
        model, limits = self._model, call.request.timeouts
        body = self._form.request_body(call.request, model=model.name, stream=model.stream)
        answering = self._client.stream(
            "POST",
            self._url,
            json=body,
            headers={**PLAIN, **self._form.headers(model.endpoint.key.get_secret_value())},
            timeout=httpx.Timeout(limits.total_s, connect=limits.connect_s),
            extensions={"trace": call.trace},
            follow_redirects=False,
        )
        try:
            async with (
                asyncio.timeout(limits.first_token_s if model.stream else limits.total_s) as limit,
                answering as response,
            ):
                call.headers_after_s = time.monotonic() - call.started
                return await _read(response, call, limit)
        except (httpx.HTTPError, TimeoutError, _BrokenOff):
            if call.whole is None:
                raise
            return call.whole  # what broke after it is only its connection

    def _told(self, response: Response, verdict: Completion | Failed) -> Told:
        now = self._clock()
        form = form_of(response.headers, self._model.endpoint.limits_form)
        limits = limits_told(response.headers, form, now=now)
        if not isinstance(verdict, Failed):
            return Told(limits=limits)
        limits += verdict.limits
        if isinstance(verdict.failure, NotNow):
            return Told(limits=limits, retry_after_s=verdict.failure.wait_s)
        wait_s = retry_after_s(response.headers, now=now)
        return Told(limits=limits, retry_after_s=wait_s, is_refusal=False)

    def _attributes(self, request: Request) -> dict[str, str | int]:
        port = self._host.port or (443 if self._host.scheme == "https" else 80)
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": self._form.provider_name,  # the API's form, not who runs it
            "gen_ai.request.model": self._model.name,
            "gen_ai.request.max_tokens": request.max_tokens,
            "http.request.method": "POST",
            "server.address": self._host.hostname or "",
            "server.port": port,
        }


@dataclass(slots=True)
class _Call:
    """One call under way: how far it has come."""

    model: Model
    request: Request
    started: float
    sent_after_s: float = 0.0
    headers_after_s: float = 0.0
    first_token: bool = False
    is_streamed: bool = False
    whole: Response | None = None
    """The streamed answer, once nothing of it is missing."""

    @property
    def ends_at(self) -> float:
        """The loop's time at which it ends at the latest."""
        gone_s = time.monotonic() - self.started
        return asyncio.get_running_loop().time() + self.request.timeouts.total_s - gone_s

    async def trace(self, event: str, _info: Mapping[str, object]) -> None:
        """Note when the request was on the wire (httpx's trace extension)."""
        if event.endswith("send_request_body.complete"):
            self.sent_after_s = time.monotonic() - self.started

    def shaped(self, body: object) -> object:
        """The response's JSON as a chat completion; a gathered stream is one already."""
        return body if self.is_streamed else self.model.endpoint.form.as_chat_completion(body)

    def too_slow(self, error: BaseException) -> str:
        """What it did not do in time."""
        limits, took_s = self.request.timeouts, time.monotonic() - self.started
        if isinstance(error, httpx.ConnectTimeout):
            return f"did not take the connection in {limits.connect_s:.3g} s"
        if took_s >= limits.total_s:
            return f"did not answer in {limits.total_s:.3g} s"
        if self.first_token:
            return f"stalled: nothing for {limits.between_tokens_s:.3g} s in the middle of its answer"
        return f"did not begin to answer in {limits.first_token_s:.3g} s"


class _BrokenOff(Exception):
    """The answer began and did not end as it should."""


class _Compressed(Exception):
    """The answer is compressed; what it comes to nobody knows."""


async def _read(response: httpx.Response, call: _Call, limit: asyncio.Timeout) -> Response:
    kind = response.headers.get("content-type", "")
    compression = compression_of(response)
    if compression is not None:
        if response.status_code == _OK:
            raise _Compressed(compression)
        return Response(status=response.status_code, headers=response.headers, body=b"")
    try:
        if response.status_code == _OK and kind.startswith("text/event-stream"):
            call.is_streamed = True
            return await _gather(response, call, limit)
        limit.reschedule(call.ends_at)
        # Cut off when it is too long, it is judged as what it is: no readable answer.
        body = await read_at_most(response, _MAX_BODY_BYTES)
    except (httpx.NetworkError, httpx.ProtocolError) as exc:
        raise _BrokenOff(_kind(exc)) from exc
    return Response(status=response.status_code, headers=response.headers, body=body)


async def _gather(response: httpx.Response, call: _Call, limit: asyncio.Timeout) -> Response:
    """The streamed answer as one body; a time limit runs from each token to the next.

    When it is whole it is in ``call.whole``. Then only the stream's end is waited for, and not long: a
    connection is kept when all of its answer was read.
    """
    limits, loop = call.request.timeouts, asyncio.get_running_loop()
    reader, gathering, size = EventReader(), call.model.endpoint.form.gathering(), 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > _MAX_BODY_BYTES:
            raise _BrokenOff(f"it is longer than {_MAX_BODY_BYTES} bytes")
        for event in reader.feed(chunk) if call.whole is None else ():
            match gathering.feed(event):
                case Progress.END:
                    call.whole = _gathered(gathering, response.headers)
                    limit.reschedule(loop.time() + _REST_S)
                    break
                case Progress.TOKEN:
                    if not call.first_token:
                        call.first_token = True
                        names.LLM_FIRST_TOKEN_SECONDS.observe(time.monotonic() - call.started)
                    limit.reschedule(min(call.ends_at, loop.time() + limits.between_tokens_s))
                case Progress.NOTHING:
                    pass
    if call.whole is not None:
        return call.whole
    raise _BrokenOff(f"the stream ended after {gathering.words} characters without saying that it was whole")


def _gathered(gathering: Gathering, headers: Mapping[str, str]) -> Response:
    body = gathering.body
    error = body.get("error")
    status = error_status(error) if isinstance(error, dict) else _OK
    return Response(status=status, headers=headers, body=json.dumps(body).encode())


def _failed(outcome: Outcome, reason: str) -> Failed:
    return Failed(outcome=outcome, failure=Transient(reason))


def _kind(error: httpx.RequestError) -> str:
    """The error's class; its text may hold an address with credentials."""
    return type(error).__name__


def _report(failed: Failed, model: Model) -> None:
    said = log.error if failed.outcome in ALERTING else log.warning
    event = "llm_unusable" if failed.outcome in ALERTING else "llm_call_failed"
    said(event, model=model.id, outcome=failed.outcome.value, reason=str(failed.failure))


def _describe(current: Span, completion: Completion) -> None:
    current.set_attribute("gen_ai.response.model", completion.model)
    current.set_attribute("gen_ai.response.id", completion.response_id)
    current.set_attribute("gen_ai.response.finish_reasons", [completion.finish_reason])
    for kind, tokens in (("input", completion.tokens_in), ("output", completion.tokens_out)):
        if tokens is not None:
            current.set_attribute(f"gen_ai.usage.{kind}_tokens", tokens)


def _count_tokens(completion: Completion, request: Request, model: str) -> None:
    """Count what the provider counted; what it did not is estimated, under a kind of its own."""
    for oddity in completion.oddities:
        names.LLM_ODDITIES.labels(model, oddity).inc()
        log.warning("llm_answer_odd", model=model, oddity=oddity, answered_by=completion.model)
    spent = (
        ("input", completion.tokens_in, request.prompt.text),
        ("output", completion.tokens_out, completion.text),
    )
    for kind, tokens, text in spent:
        if tokens is None:
            estimate = -(-len(text) // _CHARS_PER_TOKEN)
            names.LLM_TOKENS.labels(model, f"{kind}_estimated").inc(estimate)
        else:
            names.LLM_TOKENS.labels(model, kind).inc(tokens)

"""The LLM over HTTP: one chat completion, everything that can go wrong under its own name.

Any server that speaks OpenAI's chat completions will do (OpenAI, Groq, vLLM, Ollama, the sandbox).
One call is one request: the engine owns the retries, so that none is hidden in here.
"""

import asyncio
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
from opentelemetry.trace import Span, SpanKind

from llm_worker.completion import ALERTING, Completion, Failed, Outcome
from llm_worker.prompt import Prompt
from llm_worker.settings import LlmSettings
from llm_worker.verdict import Response, judge
from posta.errors import Transient
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import span

log = get_logger(__name__)
UPSTREAM = "llm"
CONNECT_S = 5.0
_MAX_BODY_BYTES = 2 * 1_048_576
_CHARS_PER_TOKEN = 4
"""A rule of thumb for servers that count no tokens."""


class ChatCompletions:
    """Calls one provider; safe for many tasks at once."""

    def __init__(
        self, client: httpx.AsyncClient, settings: LlmSettings, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._url = f"{settings.base_url}/chat/completions"
        self._host = urlsplit(settings.base_url)

    async def complete(self, prompt: Prompt, *, timeout_s: float) -> Completion:
        """Ask once, for at most ``timeout_s`` seconds in all.

        Raises ``Transient``, ``NotNow`` or ``Permanent`` as ``llm_worker.verdict`` says.
        """
        model = self._settings.model
        with span(f"chat {model}", kind=SpanKind.CLIENT, attributes=self._attributes()) as current:
            verdict = await self._counted(prompt, timeout_s, current)
            if isinstance(verdict, Failed):
                _report(verdict)
                raise verdict.failure
            _describe(current, verdict)
        _count_tokens(verdict, prompt, model)
        return verdict

    async def _counted(self, prompt: Prompt, timeout_s: float, current: Span) -> Completion | Failed:
        started = time.monotonic()
        outcome = Outcome.CANCELLED
        try:
            verdict = await self._call(prompt, timeout_s, current)
            outcome = verdict.outcome if isinstance(verdict, Failed) else Outcome.OK
        finally:
            names.UPSTREAM_REQUESTS.labels(UPSTREAM, outcome.value).inc()
            names.UPSTREAM_SECONDS.labels(UPSTREAM).observe(time.monotonic() - started)
            current.set_attribute("posta.outcome", outcome.value)
        return verdict

    async def _call(self, prompt: Prompt, timeout_s: float, current: Span) -> Completion | Failed:
        try:
            async with asyncio.timeout(timeout_s):
                response = await self._post(prompt, timeout_s)
        except (httpx.TimeoutException, TimeoutError):
            return _transient(Outcome.TIMEOUT, f"the LLM provider did not answer in {timeout_s:.3g} s")
        except _BrokenOff as exc:
            return _transient(Outcome.TRUNCATED, f"the LLM provider's answer broke off: {exc}")
        except (httpx.ConnectError, httpx.UnsupportedProtocol) as exc:
            return _transient(Outcome.CONNECTION, f"the LLM provider cannot be reached: {_kind(exc)}")
        except httpx.RequestError as exc:
            return _transient(Outcome.CONNECTION, f"the connection to the LLM provider broke: {_kind(exc)}")
        current.set_attribute("http.response.status_code", response.status)
        return judge(response, model=self._settings.model, now=self._clock())

    async def _post(self, prompt: Prompt, timeout_s: float) -> Response:
        request = self._client.build_request(
            "POST",
            self._url,
            json={
                "model": self._settings.model,
                "messages": prompt.messages,
                "max_completion_tokens": self._settings.max_tokens,
            },
            headers=self._headers(),
            timeout=httpx.Timeout(timeout_s, connect=min(CONNECT_S, timeout_s)),
        )
        response = await self._client.send(request, stream=True, follow_redirects=False)
        try:
            body = await _read_body(response)
        finally:
            await response.aclose()
        return Response(status=response.status_code, headers=response.headers, body=body)

    def _headers(self) -> dict[str, str]:
        key = self._settings.api_key.get_secret_value()
        return {"authorization": f"Bearer {key}"} if key else {}

    def _attributes(self) -> dict[str, str | int]:
        port = self._host.port or (443 if self._host.scheme == "https" else 80)
        return {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",  # the API's form, not who runs it: see server.address
            "gen_ai.request.model": self._settings.model,
            "gen_ai.request.max_tokens": self._settings.max_tokens,
            "http.request.method": "POST",
            "server.address": self._host.hostname or "",
            "server.port": port,
        }


class _BrokenOff(Exception):
    """The answer began and did not end as it should."""


async def _read_body(response: httpx.Response) -> bytes:
    body = bytearray()
    try:
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > _MAX_BODY_BYTES:
                break  # cut off here, it is judged as what it is: no readable answer
    except (httpx.NetworkError, httpx.ProtocolError, httpx.DecodingError) as exc:
        raise _BrokenOff(_kind(exc)) from exc
    return bytes(body)


def _transient(outcome: Outcome, reason: str) -> Failed:
    return Failed(outcome=outcome, failure=Transient(reason))


def _kind(error: httpx.RequestError) -> str:
    """The error's class; its text may hold an address with credentials."""
    return type(error).__name__


def _report(failed: Failed) -> None:
    if failed.outcome in ALERTING:
        log.error("llm_unusable", outcome=failed.outcome.value, reason=str(failed.failure))
    else:
        log.warning("llm_call_failed", outcome=failed.outcome.value, reason=str(failed.failure))


def _describe(current: Span, completion: Completion) -> None:
    current.set_attribute("gen_ai.response.model", completion.model)
    current.set_attribute("gen_ai.response.id", completion.response_id)
    current.set_attribute("gen_ai.response.finish_reasons", [completion.finish_reason])
    for kind, tokens in (("input", completion.tokens_in), ("output", completion.tokens_out)):
        if tokens is not None:
            current.set_attribute(f"gen_ai.usage.{kind}_tokens", tokens)


def _count_tokens(completion: Completion, prompt: Prompt, model: str) -> None:
    """Count what the provider counted; what it did not is estimated, under a kind of its own."""
    spent = (
        ("input", completion.tokens_in, prompt.system + prompt.user),
        ("output", completion.tokens_out, completion.text),
    )
    for kind, tokens, text in spent:
        if tokens is None:
            estimate = -(-len(text) // _CHARS_PER_TOKEN)
            names.LLM_TOKENS.labels(model, f"{kind}_estimated").inc(estimate)
        else:
            names.LLM_TOKENS.labels(model, kind).inc(tokens)

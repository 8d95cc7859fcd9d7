"""The OpenAI-compatible API of the LLM look-alike: chat completions, streamed or whole."""

import asyncio
import itertools
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from posta_sandbox.faults import Fault, Kind
from posta_sandbox.llm import answer
from posta_sandbox.llm.completion import Completion, stream, whole
from posta_sandbox.llm.errors import LlmError
from posta_sandbox.llm.oddity import odd_answer
from posta_sandbox.llm.quota import Quota, Refused
from posta_sandbox.llm.request import checked
from posta_sandbox.rules import LlmLimits, LlmSettings

PREFIX = "/llm/v1"
DEFAULT_MODEL = "posta-sandbox-1"


@dataclass(slots=True, kw_only=True)
class Llm:
    """The look-alike: its manners, its limits, what was used of them."""

    settings: LlmSettings
    clock: Callable[[], float]
    limits: LlmLimits = field(default_factory=LlmLimits)
    quota: Quota = field(default_factory=Quota)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


def llm_routes(llm: Llm) -> APIRouter:
    """Return the routes of the look-alike."""
    router = APIRouter(prefix=PREFIX)

    @router.get("/models")
    async def models(request: Request) -> Response:
        _check_key(request)
        shown = [
            {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "posta"}
            for name in llm.settings.models or [DEFAULT_MODEL]
        ]
        return JSONResponse({"object": "list", "data": shown})

    @router.post("/chat/completions")
    async def complete(request: Request) -> Response:
        _check_key(request)
        body = checked(await request.body(), llm.settings)
        question = answer.question_of(body["messages"])
        prompt_tokens = answer.count_prompt_tokens(body["messages"])
        text, finish_reason = _answer(question, body, llm.settings)
        tokens = prompt_tokens + answer.count_tokens(text)
        refused = llm.quota.take(
            llm.limits,
            tokens=tokens,
            model=body["model"],
            now=llm.clock(),
        )
        headers = llm.quota.headers(llm.limits, llm.clock())
        if refused is not None:
            raise _over_quota(refused, headers)
        request.state.hints["tokens"] = tokens
        llm.quota.running += 1
        try:
            await asyncio.sleep(llm.settings.latency_s)
        finally:
            llm.quota.running -= 1
        completion = Completion(
            id=f"chatcmpl-sandbox-{next(llm.ids)}",
            created=int(llm.clock()),
            model=body["model"],
            text=text,
            finish_reason=finish_reason,
            prompt_tokens=prompt_tokens,
            seconds=llm.settings.latency_s,
        )
        if llm.settings.oddity is not None and llm.settings.oddity_match in question:
            odd = odd_answer(llm.settings.oddity, completion)
            return Response(odd.body, media_type=odd.content_type, headers=headers)
        if body.get("stream"):
            usage = bool((body.get("stream_options") or {}).get("include_usage"))
            events = stream(completion, include_usage=usage, before_word=_pace(llm))
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        return JSONResponse(whole(completion), headers=headers)

    return router


def injected(fault: Fault) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return status, headers and body of an injected 429 or server error."""
    if fault.kind is Kind.TOO_MANY:
        message = f"Rate limit reached (injected). Please try again in {fault.retry_after:g}s."
        error = {"message": message, "type": "tokens", "code": "rate_limit_exceeded"}
        return 429, {"retry-after": str(math.ceil(fault.retry_after))}, {"error": error}
    error = {
        "message": f"The server failed (injected {fault.status}).",
        "type": "internal_server_error",
        "code": "service_unavailable",
    }
    return fault.status, {}, {"error": error}


def _pace(llm: Llm) -> Callable[[int], Awaitable[None]]:
    async def before_word(number: int) -> None:
        await asyncio.sleep(llm.settings.token_s)
        if number == llm.settings.stall_after_words:
            await asyncio.sleep(llm.settings.stall_s)

    return before_word


def _check_key(request: Request) -> None:
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise LlmError(401, "Give an API key: Authorization: Bearer <any>.", code="invalid_api_key")


def hints(raw: bytes) -> dict[str, str]:
    """Say which question a request asks, for the ledger; nothing when it cannot be read."""
    try:
        question = answer.question_of(json.loads(raw)["messages"])
    except (ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {"prompt": answer.fingerprint(question), "question": question[:80]}


def _answer(question: str, body: dict[str, Any], settings: LlmSettings) -> tuple[str, str]:
    text = answer.answer(question, at_least_chars=settings.answer_chars)
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    if limit is None or answer.count_tokens(text) <= limit:
        return text, "stop"
    return answer.cut_to_tokens(text, limit), "length"


def _over_quota(refused: Refused, headers: dict[str, str]) -> LlmError:
    wait = {"retry-after": str(math.ceil(refused.retry_after_s))} if refused.status == 429 else {}  # noqa: PLR2004  # HTTP's own number
    return LlmError(
        refused.status,
        refused.message,
        type=refused.type,
        code="rate_limit_exceeded",
        headers=headers | wait,
    )

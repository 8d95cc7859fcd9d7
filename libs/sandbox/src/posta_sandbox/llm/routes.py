"""The OpenAI-compatible API of the LLM look-alike: chat completions, streamed or whole."""

import asyncio
import itertools
import json
import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from posta_sandbox.faults import Fault, Kind
from posta_sandbox.llm import answer
from posta_sandbox.llm.quota import Quota, Refused
from posta_sandbox.rules import LlmLimits, LlmSettings

PREFIX = "/llm/v1"
DEFAULT_MODEL = "posta-sandbox-1"
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


@dataclass(slots=True, kw_only=True)
class Llm:
    """The look-alike: its manners, its limits, what was used of them."""

    settings: LlmSettings
    clock: Callable[[], float]
    limits: LlmLimits = field(default_factory=LlmLimits)
    quota: Quota = field(default_factory=Quota)
    ids: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))


class LlmError(Exception):
    """A refusal in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002  # OpenAI's name for it
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.body = {"error": {"message": message, "type": type, "param": param, "code": code}}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Completion:
    """One answer, ready to be sent."""

    id: str
    created: int
    model: str
    text: str
    finish_reason: str
    usage: dict[str, Any]


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
        body = _checked(await request.body(), llm.settings)
        question = answer.question_of(body["messages"])
        prompt_tokens = answer.count_prompt_tokens(body["messages"])
        text, finish_reason = _answer(question, body, llm.settings)
        refused = llm.quota.take(
            llm.limits,
            tokens=prompt_tokens + answer.count_tokens(text),
            model=body["model"],
            now=llm.clock(),
        )
        headers = llm.quota.headers(llm.limits, llm.clock())
        if refused is not None:
            raise _over_quota(refused, headers)
        await asyncio.sleep(llm.settings.latency_s)
        completion = _completion(llm, body["model"], text, finish_reason, prompt_tokens)
        if body.get("stream"):
            usage = bool((body.get("stream_options") or {}).get("include_usage"))
            events = _stream(completion, include_usage=usage)
            return StreamingResponse(events, media_type="text/event-stream", headers=headers)
        return JSONResponse(_whole(completion), headers=headers)

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


def _checked(raw: bytes, settings: LlmSettings) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise LlmError(400, f"The request body is not JSON: {exc}") from exc
    if not isinstance(body, dict):
        raise LlmError(400, "The request body must be a JSON object.")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise LlmError(400, "You must provide a model parameter.", param="model")
    if settings.models and body["model"] not in settings.models:
        raise LlmError(
            404,
            f"The model `{body['model']}` does not exist or you do not have access to it.",
            code="model_not_found",
        )
    _check_messages(body.get("messages"))
    for name in ("max_tokens", "max_completion_tokens"):
        value = body.get(name)
        if value is not None and (not isinstance(value, int) or value < 1):
            raise LlmError(400, f"'{name}' must be an integer of at least 1.", param=name)
    if body.get("n") not in (None, 1):
        raise LlmError(400, "'n': number must be at most 1.", param="n")
    temperature = body.get("temperature")
    if temperature is not None and not (
        isinstance(temperature, int | float) and 0 <= temperature <= 2  # noqa: PLR2004  # OpenAI's range
    ):
        raise LlmError(400, "'temperature' must be between 0 and 2.", param="temperature")
    return body


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise LlmError(400, "'messages': expected an array with at least one message.", param="messages")
    for index, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            param = f"messages.[{index}].role"
            raise LlmError(400, f"Invalid value {role!r}: not a role.", param=param)
        content = message.get("content")
        if not isinstance(content, str | list) and not (content is None and role == "assistant"):
            param = f"messages.[{index}].content"
            raise LlmError(400, "Invalid content: expected text or parts.", param=param)


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


def _completion(llm: Llm, model: str, text: str, finish_reason: str, prompt_tokens: int) -> _Completion:
    completion_tokens = answer.count_tokens(text)
    seconds = llm.settings.latency_s
    usage = {
        "queue_time": 0.001,
        "prompt_tokens": prompt_tokens,
        "prompt_time": 0.001,
        "completion_tokens": completion_tokens,
        "completion_time": seconds,
        "total_tokens": prompt_tokens + completion_tokens,
        "total_time": round(seconds + 0.001, 3),
    }
    return _Completion(
        id=f"chatcmpl-sandbox-{next(llm.ids)}",
        created=int(llm.clock()),
        model=model,
        text=text,
        finish_reason=finish_reason,
        usage=usage,
    )


def _whole(completion: _Completion) -> dict[str, Any]:
    message = {"role": "assistant", "content": completion.text}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": completion.finish_reason,
    }
    return _head(completion, "chat.completion") | {
        "choices": [choice],
        "usage": completion.usage,
        "x_groq": {"id": completion.id.replace("chatcmpl", "req")},
    }


def _head(completion: _Completion, kind: str) -> dict[str, Any]:
    return {
        "id": completion.id,
        "object": kind,
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": "fp_sandbox",
    }


async def _stream(completion: _Completion, *, include_usage: bool) -> AsyncIterator[str]:
    def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        body = _head(completion, "chat.completion.chunk") | {"choices": [] if delta is None else [choice]}
        if delta is None:
            body["usage"] = completion.usage
        return f"data: {json.dumps(body)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    for piece in answer.pieces(completion.text):
        yield chunk({"content": piece})
    yield chunk({}, completion.finish_reason)
    if include_usage:
        yield chunk(None)
    yield "data: [DONE]\n\n"


async def show_llm_error(_request: Request, error: Exception) -> Response:
    """Answer a refusal in OpenAI's shape."""
    assert isinstance(error, LlmError)  # noqa: S101  # registered for this class only
    return JSONResponse(error.body, status_code=error.status, headers=error.headers)

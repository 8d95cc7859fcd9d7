"""Reads a provider's HTTP response: the completion in it, or the failure it means.

    200 with content                 ▶ Completion
    200 without anything usable      ▶ Transient   (the next try usually has it)
    408 409 498 5xx                  ▶ Transient   (with Retry-After if given)
    429                              ▶ NotNow      (uses no attempt), or Permanent when no wait helps
    400 413 429 about the length     ▶ Permanent   (asked again shortened, by whoever knows the prompt)
    401 403 and every other 4xx, 3xx ▶ Permanent

Sources: OpenAI's and Groq's error references. Reasons quote the provider's error *codes* only: its
messages may repeat the prompt or a part of the key.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from llm_worker.providers.completion import Completion, Failed, Outcome, Usage
from llm_worker.providers.throttle import retry_after_s, throttle_wait_s
from llm_worker.providers.told import limits_in_message
from llm_worker.text import sanitize
from posta.errors import NotNow, Permanent, Transient

_OK = 200
_REDIRECTS = range(300, 400)
_SERVER_ERRORS = range(500, 600)
_TRANSIENT_4XX = frozenset({408, 409, 498})
_UNAUTHORIZED = frozenset({401, 403})
_TOO_LARGE = 413
_THROTTLED = 429
_NO_QUOTA = re.compile(
    r"insufficient_quota|credit_balance_exhausted|spend_limit_exceeded|usage_limit_exceeded|billing_hard_limit"
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|prompt is too long"
    r"|reduce the length of the messages"
)
"""OpenAI and Groq; llama.cpp; vLLM; Anthropic; Groq."""
_LABEL_CHARS = 200
_MOST_TOKENS = 10_000_000
"""No context is so large: a count beyond it is a mistake."""
_CODE = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back over HTTP, whole."""

    status: int
    headers: Mapping[str, str]
    """Case-insensitive, or with lower-case names."""
    body: bytes


def judge(
    response: Response, *, model: str, now: float, shaped: Callable[[Any], Any] = lambda body: body
) -> Completion | Failed:
    """What the response means; ``model`` is what was asked for, ``now`` in seconds since the epoch.

    ``shaped`` brings the JSON of a 200 into the shape of a chat completion.
    """
    if response.status == _OK:
        return _read(response, model, shaped)
    error = _error_of(response.body)
    status = response.status
    said = f"the LLM provider answered {status}{error.named}"
    if status == _THROTTLED:
        return _throttled(response, error, said, now)
    if status in _SERVER_ERRORS or status in _TRANSIENT_4XX:
        wait_s = retry_after_s(response.headers, now=now)
        return Failed(outcome=Outcome.SERVER_ERROR, failure=Transient(said, retry_after_s=wait_s))
    outcome, advice = _never(status, error)
    return _permanent(outcome, said + advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Error:
    """The ``error`` object of a body, as far as it can be read."""

    type: str = ""
    code: str = ""
    message: str = ""

    @property
    def named(self) -> str:
        """`` (code, type)`` for a reason, or nothing."""
        names = [name for name in (self.code, self.type) if _CODE.fullmatch(name)]
        return f" ({', '.join(dict.fromkeys(names))})" if names else ""


def _error_of(body: bytes) -> _Error:
    try:
        error = json.loads(body).get("error")
    except (ValueError, AttributeError, RecursionError):
        return _Error()
    if not isinstance(error, dict):
        return _Error(message=error if isinstance(error, str) else "")
    return _Error(
        type=str(error.get("type") or ""),
        code=str(error.get("code") or ""),
        message=str(error.get("message") or ""),
    )


def _never(status: int, error: _Error) -> tuple[Outcome, str]:
    """Why a status that no repetition changes came, and what to do about it."""
    if status in _UNAUTHORIZED:
        return Outcome.UNAUTHORIZED, ": check POSTA_LLM__API_KEY and what it may use"
    if status == _TOO_LARGE:
        return Outcome.TOO_LARGE, ": the request is larger than it ever takes"
    if status in _REDIRECTS:
        return Outcome.REDIRECTED, ": POSTA_LLM__BASE_URL is not the API's own address"
    if error.code == "content_filter":
        return Outcome.CONTENT_REFUSED, ""
    if _TOO_LONG.search(f"{error.code} {error.type} {error.message}".lower()):
        return Outcome.CONTEXT_TOO_LONG, ": the prompt is longer than the model's context"
    return Outcome.REFUSED, ": check POSTA_LLM__MODEL and what this API takes"


def _throttled(response: Response, error: _Error, said: str, now: float) -> Failed:
    if _NO_QUOTA.search(f"{error.code} {error.type}"):
        return _permanent(Outcome.QUOTA_EXHAUSTED, f"{said}: the account is out of credit")
    if "request too large" in error.message.lower():
        return _permanent(Outcome.TOO_LARGE, f"{said}: the request is larger than the limit ever allows")
    wait_s = throttle_wait_s(response.headers, message=error.message, limit=error.type, now=now)
    return Failed(
        outcome=Outcome.THROTTLED,
        failure=NotNow(f"{said}, to wait {wait_s:g} s", wait_s=wait_s),
        limits=limits_in_message(error.message),
    )


def _read(response: Response, model: str, shaped: Callable[[Any], Any]) -> Completion | Failed:
    try:
        body = shaped(json.loads(response.body))
    except (ValueError, RecursionError):
        return _unreadable(response)
    choice = _first_choice(body)
    if choice is None:
        return _transient(Outcome.NO_CHOICES, "its answer holds no choices")
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    finish_reason = str(choice.get("finish_reason") or "")
    text = message.get("content")
    if isinstance(text, str) and text.strip():
        if finish_reason == "content_filter":
            cut_off = _permanent(Outcome.CONTENT_REFUSED, "the provider's content filter cut the answer off")
            return replace(cut_off, usage=_usage(body))
        return _completion(body, text, finish_reason, model)
    return replace(_empty(message, finish_reason), usage=_usage(body))


def _usage(body: Mapping[str, Any]) -> Usage | None:
    """What was counted for an answer that cannot be used; it is paid for all the same."""
    counted = _completion(body, "", "", "")
    if counted.tokens_in is None or counted.tokens_out is None:
        return None
    return Usage(
        tokens_in=counted.tokens_in,
        tokens_cached=min(counted.tokens_cached or 0, counted.tokens_in),
        tokens_out=counted.tokens_out,
    )


def _unreadable(response: Response) -> Failed:
    start = response.body.lstrip()[:1]
    if start == b"{":
        return _transient(Outcome.TRUNCATED, "its answer is JSON that breaks off or is malformed")
    kind = response.headers.get("content-type", "no content type").split(";")[0][:60]
    return _transient(Outcome.NOT_JSON, f"its answer is not JSON but {kind}")


def _first_choice(body: Any) -> dict[str, Any] | None:
    choices = body.get("choices") if isinstance(body, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    return first if isinstance(first, dict) else None


def _empty(message: Mapping[str, Any], finish_reason: str) -> Failed:
    if finish_reason == "content_filter" or message.get("refusal"):
        return _permanent(Outcome.CONTENT_REFUSED, "the model refused to answer this")
    if message.get("tool_calls") or finish_reason in {"tool_calls", "function_call"}:
        return _transient(Outcome.TOOL_CALLS, "it asks for a tool that was not offered")
    if finish_reason == "length":
        return _transient(Outcome.CUT_OFF, "it used up POSTA_LLM__MAX_TOKENS before its first visible word")
    return _transient(Outcome.NO_CONTENT, "its answer has no content")


def _completion(body: Mapping[str, Any], text: str, finish_reason: str, model: str) -> Completion:
    usage = body.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("prompt_tokens_details")
    said = usage.get("prompt_tokens"), usage.get("completion_tokens")
    tokens_in, tokens_out = _count(said[0]), _count(said[1])
    named = _label(body.get("model"))
    odd = {
        "wrong_model": bool(named) and not _is_that_model(named, model),
        "wrong_usage": any(
            value is not None and count is None
            for value, count in zip(said, (tokens_in, tokens_out), strict=True)
        ),
    }
    return Completion(
        text=text,
        model=named or model,
        finish_reason=_label(finish_reason) or "unknown",
        response_id=_label(body.get("id")),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        tokens_cached=_count(details.get("cached_tokens")) if isinstance(details, dict) else None,
        oddities=tuple(name for name, is_odd in odd.items() if is_odd),
    )


def _is_that_model(named: str, asked: str) -> bool:
    """Whether the name of the model that answered fits the one asked for, dates and vendors aside."""
    named, asked = named.lower(), asked.lower()
    return named in asked or asked in named or named.rsplit("/", 1)[-1].startswith(asked.rsplit("/", 1)[-1])


def _label(value: object) -> str:
    """A name from the provider, fit to be stored and to stand on a span."""
    return sanitize(value)[:_LABEL_CHARS] if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    """A plausible token count; some servers send null, floats or -1."""
    plausible = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS
    return value if plausible and isinstance(value, int) else None


def _transient(outcome: Outcome, what: str) -> Failed:
    return Failed(outcome=outcome, failure=Transient(f"the LLM provider answered 200 but {what}"))


def _permanent(outcome: Outcome, reason: str) -> Failed:
    return Failed(outcome=outcome, failure=Permanent(reason))

"""One completion in OpenAI's shape, whole or as the chunks of a stream. Pure."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from posta_sandbox.llm import answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """One answer, ready to be sent."""

    id: str
    created: int
    model: str
    text: str
    finish_reason: str
    prompt_tokens: int
    seconds: float
    """How long it was thought about."""

    def usage(self) -> dict[str, Any]:
        """Return what the request is charged with, Groq's times included."""
        completion_tokens = answer.count_tokens(self.text)
        return {
            "queue_time": 0.001,
            "prompt_tokens": self.prompt_tokens,
            "prompt_time": 0.001,
            "completion_tokens": completion_tokens,
            "completion_time": self.seconds,
            "total_tokens": self.prompt_tokens + completion_tokens,
            "total_time": round(self.seconds + 0.001, 3),
        }


def whole(completion: Completion) -> dict[str, Any]:
    """Return the answer in one piece."""
    message = {"role": "assistant", "content": completion.text}
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": completion.finish_reason,
    }
    return _head(completion, "chat.completion") | {
        "choices": [choice],
        "usage": completion.usage(),
        "x_groq": {"id": completion.id.replace("chatcmpl", "req")},
    }


def _head(completion: Completion, kind: str) -> dict[str, Any]:
    return {
        "id": completion.id,
        "object": kind,
        "created": completion.created,
        "model": completion.model,
        "system_fingerprint": "fp_sandbox",
    }


async def stream(
    completion: Completion, *, include_usage: bool, before_word: Callable[[int], Awaitable[None]]
) -> AsyncIterator[str]:
    """Give the answer as server-sent events, word by word, ended by [DONE].

    ``before_word`` is awaited before each word, with how many have been sent.
    """

    def chunk(delta: dict[str, Any] | None, finish_reason: str | None = None) -> str:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        body = _head(completion, "chat.completion.chunk") | {"choices": [] if delta is None else [choice]}
        if delta is None:
            body["usage"] = completion.usage()
        return f"data: {json.dumps(body)}\n\n"

    yield chunk({"role": "assistant", "content": ""})
    for number, piece in enumerate(answer.pieces(completion.text)):
        await before_word(number)
        yield chunk({"content": piece})
    yield chunk({}, completion.finish_reason)
    if include_usage:
        yield chunk(None)
    yield "data: [DONE]\n\n"

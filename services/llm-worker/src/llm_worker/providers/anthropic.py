"""Anthropic's Messages API, brought into the shape of chat completions.

Sources: Anthropic's API reference (messages, streaming, errors, version 2023-06-01).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_worker.providers.form import Progress
from llm_worker.providers.port import Request
from llm_worker.providers.sse import ServerSentEvent

VERSION = "2023-06-01"
_FINISH: Mapping[str, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnthropicForm:
    """See ``ApiForm``."""

    path: str = "/messages"
    provider_name: str = "anthropic"

    def headers(self, key: str) -> dict[str, str]:
        """See ``ApiForm``."""
        version = {"anthropic-version": VERSION}
        return {**version, "x-api-key": key} if key else version

    def request_body(self, request: Request, *, model: str, stream: bool) -> dict[str, Any]:
        """See ``ApiForm``."""
        system = [m["content"] for m in request.prompt.messages if m["role"] == "system"]
        body: dict[str, Any] = {
            "model": model,
            "max_tokens": request.max_tokens,
            "messages": [m for m in request.prompt.messages if m["role"] != "system"],
        }
        if system:
            body["system"] = "\n\n".join(system)
        if stream:
            body["stream"] = True
        return body

    def as_chat_completion(self, body: Any) -> Any:
        """See ``ApiForm``."""
        if not isinstance(body, dict) or not isinstance(body.get("content"), list):
            return body
        blocks = [block for block in body["content"] if isinstance(block, dict)]
        text = "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text")
        return _chat(body, text, body.get("stop_reason"), body.get("usage"))

    def gathering(self) -> "MessageGathering":
        """See ``ApiForm``."""
        return MessageGathering()


class MessageGathering:
    """Puts the events of one streamed message together; see ``Gathering``."""

    def __init__(self) -> None:
        self._head: dict[str, Any] | None = None
        self._text: list[str] = []
        self._stop_reason: Any = None
        self._usage: dict[str, Any] = {}
        self._error: dict[str, Any] | None = None
        self.words = 0

    def feed(self, event: ServerSentEvent) -> Progress:
        """See ``Gathering``."""
        try:
            data = json.loads(event.data)
        except (ValueError, RecursionError):
            return Progress.NOTHING
        if not isinstance(data, dict):
            return Progress.NOTHING
        match data.get("type"):
            case "message_start" if isinstance(data.get("message"), dict):
                self._head = data["message"]
                self._count(data["message"].get("usage"))
            case "content_block_delta":
                return self._delta(data.get("delta"))
            case "message_delta":
                delta = data.get("delta")
                self._stop_reason = delta.get("stop_reason") if isinstance(delta, dict) else None
                self._count(data.get("usage"))
            case "error":
                error = data.get("error")
                self._error = error if isinstance(error, dict) else {}
                return Progress.END
            case "message_stop":
                return Progress.END
        return Progress.NOTHING

    @property
    def body(self) -> dict[str, Any]:
        """See ``Gathering``."""
        if self._error is not None:
            return {"error": self._error}
        if self._head is None:
            return {"choices": []}
        return _chat(self._head, "".join(self._text), self._stop_reason, self._usage)

    def _delta(self, delta: Any) -> Progress:
        if not isinstance(delta, dict):
            return Progress.NOTHING
        text = delta.get("text")
        if isinstance(text, str) and text:
            self._text.append(text)
            self.words += len(text)
        return Progress.TOKEN if text or delta.get("thinking") else Progress.NOTHING

    def _count(self, usage: Any) -> None:
        if isinstance(usage, dict):
            self._usage.update({k: v for k, v in usage.items() if v is not None})


def _chat(head: Mapping[str, Any], text: str, stop_reason: Any, usage: Any) -> dict[str, Any]:
    usage = usage if isinstance(usage, dict) else {}
    cached = usage.get("cache_read_input_tokens")
    parts = [usage.get("input_tokens"), cached, usage.get("cache_creation_input_tokens")]
    counts = [part for part in parts if isinstance(part, int)]
    message: dict[str, Any] = {"content": text or None}
    finish = _FINISH.get(str(stop_reason), str(stop_reason or ""))
    if finish == "tool_calls":
        message["tool_calls"] = [{}]
    return {
        "id": head.get("id"),
        "model": head.get("model"),
        "choices": [{"message": message, "finish_reason": finish}],
        "usage": {
            # Anthropic counts what came from its cache apart; a chat completion counts it within.
            "prompt_tokens": sum(counts) if isinstance(usage.get("input_tokens"), int) else None,
            "completion_tokens": usage.get("output_tokens"),
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }

"""OpenAI's chat completions, as most servers speak them: OpenAI, Groq, Mistral, vLLM, Ollama, llama.cpp."""

import json
from dataclasses import dataclass
from typing import Any, Literal

from llm_worker.providers.form import Progress
from llm_worker.providers.port import Request
from llm_worker.providers.sse import ServerSentEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAiForm:
    """See ``ApiForm``."""

    max_tokens_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """The older name is the only one that some servers know."""
    asks_usage: bool = True
    """Whether streams are asked for their usage (``stream_options``); a few servers refuse the field."""
    path: str = "/chat/completions"
    provider_name: str = "openai"

    def headers(self, key: str) -> dict[str, str]:
        """See ``ApiForm``."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def request_body(self, request: Request, *, model: str, stream: bool) -> dict[str, Any]:
        """See ``ApiForm``."""
        body: dict[str, Any] = {
            "model": model,
            "messages": request.prompt.messages,
            self.max_tokens_field: request.max_tokens,
        }
        if stream:
            body["stream"] = True
            if self.asks_usage:
                body["stream_options"] = {"include_usage": True}
        return body

    def as_chat_completion(self, body: Any) -> Any:
        """See ``ApiForm``."""
        return body

    def gathering(self) -> "ChatGathering":
        """See ``ApiForm``."""
        return ChatGathering()


class ChatGathering:
    """Puts the chunks of one streamed chat completion together; see ``Gathering``."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._refusal: list[str] = []
        self._head: dict[str, Any] = {}
        self._finish_reason: str | None = None
        self._usage: Any = None
        self._error: dict[str, Any] | None = None
        self._calls_tools = False
        self._chose = False
        self.words = 0

    def feed(self, event: ServerSentEvent) -> Progress:
        """See ``Gathering``."""
        if event.data.strip() == "[DONE]":
            return Progress.END
        try:
            chunk = json.loads(event.data)
        except (ValueError, RecursionError):
            return Progress.NOTHING
        if not isinstance(chunk, dict):
            return Progress.NOTHING
        error = chunk.get("error") or _of(chunk, "x_groq").get("error")
        if error:
            self._error = error if isinstance(error, dict) else {"message": str(error)}
            return Progress.END
        self._note(chunk)
        choices = chunk.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        return self._choice(first) if isinstance(first, dict) else Progress.NOTHING

    @property
    def body(self) -> dict[str, Any]:
        """See ``Gathering``."""
        if self._error is not None:
            return {"error": self._error}
        if not self._chose:
            return {**self._head, "choices": [], "usage": self._usage}
        message: dict[str, Any] = {"content": "".join(self._text) or None}
        if self._refusal:
            message["refusal"] = "".join(self._refusal)
        if self._calls_tools:
            message["tool_calls"] = [{}]
        choice = {"index": 0, "message": message, "finish_reason": self._finish_reason}
        return {**self._head, "choices": [choice], "usage": self._usage}

    def _note(self, chunk: dict[str, Any]) -> None:
        for name in ("id", "model"):
            if isinstance(chunk.get(name), str):
                self._head.setdefault(name, chunk[name])
        self._usage = chunk.get("usage") or _of(chunk, "x_groq").get("usage") or self._usage

    def _choice(self, choice: dict[str, Any]) -> Progress:
        self._chose = True
        self._finish_reason = choice.get("finish_reason") or self._finish_reason
        delta = _of(choice, "delta")
        self._calls_tools = self._calls_tools or bool(delta.get("tool_calls"))
        content, refusal = delta.get("content"), delta.get("refusal")
        if isinstance(content, str) and content:
            self._text.append(content)
            self.words += len(content)
        if isinstance(refusal, str) and refusal:
            self._refusal.append(refusal)
        # Thinking models show life in a field of their own (``reasoning``, ``reasoning_content``).
        return Progress.TOKEN if any(v for k, v in delta.items() if k != "role") else Progress.NOTHING


def _of(chunk: dict[str, Any], name: str) -> dict[str, Any]:
    value = chunk.get(name)
    return value if isinstance(value, dict) else {}

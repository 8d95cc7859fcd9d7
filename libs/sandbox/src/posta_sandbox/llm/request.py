"""What OpenAI checks in a chat completion request before it thinks. Pure."""

import json
from typing import Any

from posta_sandbox.llm.errors import LlmError
from posta_sandbox.rules import LlmSettings

_ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def checked(raw: bytes, settings: LlmSettings) -> dict[str, Any]:
    """Return the request's JSON. Raises LlmError 400 or 404."""
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

"""The odd ways in which a provider may answer 200, for whoever must cope with them. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from posta_sandbox.llm.completion import Completion, whole
from posta_sandbox.rules import Oddity


@dataclass(frozen=True, slots=True, kw_only=True)
class OddAnswer:
    """What is sent instead of an answer in one piece."""

    content_type: str
    body: bytes


def odd_answer(oddity: Oddity, completion: Completion) -> OddAnswer:
    """Return the answer, made odd."""
    if oddity == "html":
        page = b"<!doctype html><title>502</title><h1>Bad gateway</h1>"
        return OddAnswer(content_type="text/html", body=page)
    if oddity == "truncated":
        raw = json.dumps(whole(completion)).encode()
        return OddAnswer(content_type="application/json", body=raw[: len(raw) // 2])
    return OddAnswer(
        content_type="application/json", body=json.dumps(_odd(oddity, whole(completion))).encode()
    )


def _odd(oddity: Oddity, body: dict[str, Any]) -> dict[str, Any]:
    message = body["choices"][0]["message"]
    match oddity:
        case "empty_choices":
            body["choices"] = []
        case "null_content":
            message["content"] = None
        case "wrong_usage":
            body["usage"] = {"prompt_tokens": -1, "completion_tokens": "many", "total_tokens": None}
        case "wrong_model":
            body["model"] = "quite-another-model"
        case "tool_calls":
            call = {"id": "call_1", "type": "function", "function": {"name": "rm", "arguments": "{}"}}
            message.update({"content": None, "tool_calls": [call]})
            body["choices"][0]["finish_reason"] = "tool_calls"
        case "refusal":
            message.update({"content": None, "refusal": "I cannot help with that."})
        case _:
            error = {"message": "The server failed.", "type": "server_error", "code": None}
            body = {"error": error}
    return body

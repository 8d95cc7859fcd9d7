"""Answers in Discord's shape: every one tells its bucket, refusals tell code and place."""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from posta_sandbox.discord import throttle
from posta_sandbox.discord.buckets import Verdict
from posta_sandbox.discord.errors import DiscordError
from posta_sandbox.discord.lookalike import Throttled


def answer(request: Request, status: int, body: Any = None) -> Response:
    """Return an answer with the headers of the bucket that the request was counted in."""
    verdict: Verdict | None = getattr(request.state, "verdict", None)
    headers = throttle.headers(verdict) if verdict else {}
    if body is None:
        return Response(status_code=status, headers=headers)
    return JSONResponse(body, status_code=status, headers=headers)


async def show_discord_error(request: Request, error: Exception) -> Response:
    """Answer a refusal in Discord's shape."""
    assert isinstance(error, DiscordError)  # noqa: S101  # registered for this class only
    return answer(request, error.status, error.body())


async def show_throttled(_request: Request, error: Exception) -> Response:
    """Answer a closed bucket: 429 with Discord's headers and body."""
    assert isinstance(error, Throttled)  # noqa: S101  # registered for this class only
    extra, body = throttle.refusal(error.verdict.reset_after_s, error.scope)
    headers = throttle.headers(error.verdict) | extra
    return JSONResponse(body, status_code=429, headers=headers)

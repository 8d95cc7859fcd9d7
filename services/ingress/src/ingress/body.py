"""Reads a request's raw body, and stops as soon as it is known to be too large."""

from fastapi import Request
from starlette.requests import ClientDisconnect

from posta.http.problem import Problem


async def read_body(request: Request, *, max_bytes: int) -> bytes:
    """The body as it came, at most ``max_bytes`` long.

    Raises ``Problem`` 413 by Content-Length or at the chunk that goes over, 400 when the sender
    hangs up midway.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    chunks = []
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_bytes:
                raise _too_large(max_bytes)
            chunks.append(chunk)
    except ClientDisconnect:
        raise Problem(400, "The request ended early", "Send the whole body.") from None
    return b"".join(chunks)


def _too_large(max_bytes: int) -> Problem:
    return Problem(
        413,
        "The request body is too large",
        f"Send at most {max_bytes} bytes.",
        # What was not read would be taken for the next request.
        headers={"connection": "close"},
    )

"""Asks a process over HTTP whether it is ready."""

import asyncio

_MAX_ANSWER_BYTES = 64 * 1024
_OK = 200


async def answers_ok(host: str, port: int, path: str, *, timeout_s: float = 2.0) -> bool:
    """Tell whether `GET path` answers 200 within `timeout_s`; raises nothing for an absent server."""
    status, _ = await get(host, port, path, timeout_s=timeout_s)
    return status == _OK


async def listens(host: str, port: int, *, timeout_s: float = 2.0) -> bool:
    """Tell whether anything accepts a TCP connection there within `timeout_s`."""
    try:
        async with asyncio.timeout(timeout_s):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def get(host: str, port: int, path: str, *, timeout_s: float) -> tuple[int, bytes]:
    """Return the status and body of a plain GET; status 0 when there was no HTTP answer."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _get(host, port, path)
    except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
        return 0, b""


async def _get(host: str, port: int, path: str) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("ascii"))
        answer = await reader.read(_MAX_ANSWER_BYTES)
        while answer and not reader.at_eof() and len(answer) < _MAX_ANSWER_BYTES:
            answer += await reader.read(_MAX_ANSWER_BYTES)
    finally:
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    protocol, _, rest = head.partition(b" ")
    if not protocol.startswith(b"HTTP/1."):
        raise ValueError("not an HTTP answer")
    return int(rest[:3]), body

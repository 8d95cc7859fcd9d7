"""Lets other shells ask the supervisor: a loopback server that answers JSON lines to a secret token.

    → {"token": "…", "command": "status"}          ← {"ok": true, "status": {…}}
    → {"token": "…", "command": "restart", "name"} ← {"ok": true, "status": {…}}
    → {"token": "…", "command": "stop"}            ← {"ok": true}

A refusal is `{"ok": false, "what": …, "remedy": …}`. The address and the token lie in
`run/supervisor.json`, which only the owner of the home may read.
"""

import asyncio
import contextlib
import hmac
import json
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from posta_cli.errors import CommandError
from posta_cli.home import Home, write_private

_MAX_REQUEST_BYTES = 64 * 1024
_REQUEST_TIMEOUT_S = 10.0

Answer: TypeAlias = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


@asynccontextmanager
async def serving(home: Home, answers: Mapping[str, Answer]) -> AsyncIterator[None]:
    """Serve `answers` (command → what answers it) until left; the address file lives as long."""
    token = secrets.token_urlsafe(32)
    conversations: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            conversations.add(task)
            task.add_done_callback(conversations.discard)
        await _converse(reader, writer, token=token, answers=answers)

    server = await asyncio.start_server(converse, "127.0.0.1", 0, limit=_MAX_REQUEST_BYTES)
    host, port = server.sockets[0].getsockname()
    address = {"pid": os.getpid(), "host": host, "port": port, "token": token}
    try:
        write_private(home, home.address_file, address)
        yield
    finally:
        home.address_file.unlink(missing_ok=True)
        server.close()
        for conversation in conversations:
            conversation.cancel()
        if conversations:
            await asyncio.wait(conversations)


async def _converse(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    *,
    token: str,
    answers: Mapping[str, Answer],
) -> None:
    try:
        async with asyncio.timeout(_REQUEST_TIMEOUT_S):
            line = await reader.readline()
        answer = await _answer(line, token=token, answers=answers)
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    except (TimeoutError, OSError, ValueError):
        return  # the other side went away or never spoke our language: nobody is left to tell
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _answer(line: bytes, *, token: str, answers: Mapping[str, Answer]) -> dict[str, Any]:
    try:
        request = json.loads(line)
        given, command = str(request["token"]), request["command"]
    except (ValueError, KeyError, TypeError):
        return _refusal("The request is no JSON object with a token and a command.", "Ask `posta`.")
    if not hmac.compare_digest(given.encode(), token.encode()):
        return _refusal("The token is wrong.", "Read it from run/supervisor.json.")
    if command not in answers:
        known = ", ".join(sorted(answers))
        return _refusal(f"There is no command {command!r}.", f"The commands are {known}.")
    try:
        return {"ok": True, **await answers[command](request)}
    except CommandError as exc:
        return _refusal(exc.what, exc.remedy)


def _refusal(what: str, remedy: str) -> dict[str, Any]:
    return {"ok": False, "what": what, "remedy": remedy}

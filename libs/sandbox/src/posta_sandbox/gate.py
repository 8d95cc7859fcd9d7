"""The gate before both look-alikes: every call is written down, then a fault may strike it."""

import asyncio
import json
import random
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posta_sandbox.connections import Connections
from posta_sandbox.faults import Fault, Faults, Kind, Service
from posta_sandbox.ledger import Call, Ledger, readable
from posta_sandbox.masking import masked_headers

MAX_BODY_BYTES = 26 * 1024 * 1024
"""Discord takes requests up to 25 MiB; more is cut off unread."""
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}.*")
_FLUSH_S = 0.05
"""Time for the first half of a truncated answer to leave before the connection ends."""

Refusal = Callable[[Fault], tuple[int, dict[str, str], dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What the gate knows of the look-alike behind a path prefix."""

    service: Service
    refusal: Refusal
    """Builds the answer of an injected 429 or server error."""
    hints: Callable[[str, bytes], dict[str, str]]
    """Says from path and body what a call is about, before any fault can strike it."""


@dataclass(slots=True)
class _Answer:
    """What the application answered, caught before it is sent."""

    status: int = 500
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)


class Gate:
    """ASGI middleware: records calls under the given path prefixes and applies faults to them."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        guards: dict[str, Guard],
        ledger: Ledger,
        faults: Faults,
        connections: Connections,
    ) -> None:
        self._app = app
        self._guards = guards
        self._ledger = ledger
        self._faults = faults
        self._connections = connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request through, or strike it."""
        guard = self._guard(scope)
        if guard is None:
            await self._app(scope, receive, send)
            return
        refusal = guard.refusal
        body = await _read(receive)
        call = self._record(guard, scope, body)
        subject = f"{scope['method']} {scope['path']} {body.decode('utf-8', 'replace')}"
        fault = self._faults.decide(guard.service, subject, chance=random.random())
        scope.setdefault("state", {})["hints"] = call.hints
        call.fault = fault.kind.value if fault else None
        if len(body) > MAX_BODY_BYTES:
            fault, refusal = _TOO_LARGE, _too_large
        passage = _Passage(self, call, scope, body, receive, send)
        try:
            await passage.run(fault, refusal)
        finally:
            if call.ms is None:
                self._ledger.finish(call, status=call.status)

    def _guard(self, scope: Scope) -> Guard | None:
        if scope["type"] != "http":
            return None
        return next(
            (guard for prefix, guard in self._guards.items() if scope["path"].startswith(prefix)),
            None,
        )

    def _record(self, guard: Guard, scope: Scope, body: bytes) -> Call:
        query = scope["query_string"].decode("latin-1")
        path = scope["path"] + (f"?{query}" if query else "")
        hints = guard.hints(scope["path"], body) | _trace_hint(scope["headers"])
        call = self._ledger.record(guard.service.value, scope["method"], path, body, **hints)
        if call.exchange is not None:
            call.exchange.request_headers = masked_headers(_text(scope["headers"]))
        return call

    async def through(self, call: Call, scope: Scope, body: bytes, send: Send) -> None:
        """Let a call through as it is, noting what is answered."""
        seen = _Answer()

        async def noting(message: Message) -> None:
            _catch(seen, message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.note(call, seen)
            await send(message)

        await self._app(scope, _replayed(body), noting)

    async def caught(self, call: Call, scope: Scope, body: bytes) -> _Answer:
        """Let the effect of a call happen and keep its answer back."""
        answer = _Answer()

        async def catching(message: Message) -> None:
            _catch(answer, message)

        await self._app(scope, _replayed(body), catching)
        self.note(call, answer)
        return answer

    def note(self, call: Call, answer: _Answer) -> None:
        """Write down how a call was answered."""
        if call.exchange is not None:
            call.exchange.response_headers = masked_headers(_text(answer.headers))
            call.exchange.response_body = readable(bytes(answer.body))
        self._ledger.finish(call, status=answer.status)

    async def cut(self, scope: MutableMapping[str, Any], *, reset: bool) -> None:
        """End the connection of a request."""
        await self._connections.cut(dict(scope), reset=reset)


@dataclass(slots=True)
class _Passage:
    """One call on its way through the gate."""

    gate: Gate
    call: Call
    scope: Scope
    body: bytes
    receive: Receive
    send: Send

    async def run(self, fault: Fault | None, refusal: Refusal) -> None:
        match fault.kind if fault else None:
            case None:
                await self.gate.through(self.call, self.scope, self.body, self.send)
            case Kind.LATENCY:
                await asyncio.sleep(fault.wait_s if fault else 0)
                await self.gate.through(self.call, self.scope, self.body, self.send)
            case Kind.TOO_MANY | Kind.SERVER_ERROR if fault:
                await self._refuse(*refusal(fault))
            case Kind.RESET:
                await self.gate.cut(self.scope, reset=True)
            case Kind.HANG if fault:
                await self._hang(fault.wait_s)
            case Kind.TRUNCATED:
                await self._truncate()
            case Kind.LOST_ANSWER:
                await self.gate.caught(self.call, self.scope, self.body)
                await self.gate.cut(self.scope, reset=True)

    async def _refuse(self, status: int, headers: dict[str, str], body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(raw))} | headers
        answer = _Answer(status, [(k.encode(), v.encode()) for k, v in headers.items()], bytearray(raw))
        self.gate.note(self.call, answer)
        await _start(self.send, answer)
        await self.send({"type": "http.response.body", "body": raw})

    async def _hang(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while (await self.receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            await self.gate.cut(self.scope, reset=True)

    async def _truncate(self) -> None:
        answer = await self.gate.caught(self.call, self.scope, self.body)
        await _start(self.send, answer)
        half = bytes(answer.body[: len(answer.body) // 2])
        await self.send({"type": "http.response.body", "body": half, "more_body": True})
        await asyncio.sleep(_FLUSH_S)
        await self.gate.cut(self.scope, reset=False)


_TOO_LARGE = Fault(kind=Kind.SERVER_ERROR, status=413)


def _too_large(fault: Fault) -> tuple[int, dict[str, str], dict[str, Any]]:
    return fault.status, {"connection": "close"}, {"message": "Request entity too large", "code": 40005}


def _trace_hint(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the trace a call belongs to, from its W3C traceparent."""
    parent = dict(headers).get(b"traceparent", b"").decode("latin-1")
    found = _TRACEPARENT.fullmatch(parent)
    return {"trace": found.group(1)} if found else {}


async def _start(send: Send, answer: _Answer) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})


def _catch(answer: _Answer, message: Message) -> None:
    if message["type"] == "http.response.start":
        answer.status = message["status"]
        answer.headers = list(message["headers"])
    elif message["type"] == "http.response.body":
        answer.body.extend(message.get("body", b""))


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return bytes(body)
        body.extend(message.get("body", b""))
        if not message.get("more_body") or len(body) > MAX_BODY_BYTES:
            return bytes(body)


def _replayed(body: bytes) -> Callable[[], Awaitable[Message]]:
    """Give the application the body that the gate has already read, then silence."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await asyncio.Event().wait()
        raise AssertionError("unreachable: nobody sets that event")

    return receive


def _text(headers: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]

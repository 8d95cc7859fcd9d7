"""One IMAP session through the proxy; each command is one call.

Two pumps run side by side, because the server may speak at any time. Both know literals
(``{n}`` and n bytes), so that a mail's text is never taken for a command or an answer.
"""

import asyncio
import re
from dataclasses import dataclass

from posta_sandbox.faults import Fault, Kind, Service
from posta_sandbox.ledger import Call
from posta_sandbox.mail.proxy import Cut, Line, Protocol

UNAVAILABLE = b"* BYE [UNAVAILABLE] Temporary failure, try again later\r\n"
_LITERAL = re.compile(rb"\{(\d+)\+?\}\r?\n$")
_MAX_LITERAL_BYTES = 50 * 1024 * 1024
_CONVERSATIONS = frozenset({"IDLE", "AUTHENTICATE"})
"""Commands during which the client sends lines that are no commands."""
_SECRET = frozenset({"LOGIN", "AUTHENTICATE"})


def imap_protocol() -> Protocol:
    """Return the protocol of the IMAP proxy."""

    async def session(line: Line) -> None:
        await _Session(line).run()

    return Protocol(service=Service.IMAP, unavailable=UNAVAILABLE, session=session)


@dataclass(slots=True, kw_only=True)
class _Asked:
    """A command whose answer is due."""

    verb: str
    call: Call
    fault: Fault | None


class _Session:
    """One client's commands and the server's answers."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._asked: dict[bytes, _Asked] = {}
        self._withheld = bytearray()

    async def run(self) -> None:
        pumps = [asyncio.create_task(self._commands()), asyncio.create_task(self._answers())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            results = await asyncio.gather(*pumps, return_exceptions=True)
            for asked in self._asked.values():
                self._line.ledger.finish(asked.call, status=None)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def _commands(self) -> None:
        while True:
            line = await self._line.client.line()
            if not self._in_conversation():
                await self._ask(line)
            await self._line.upstream.send(line)
            while literal := _LITERAL.search(line):
                await self._line.upstream.send(await self._line.client.reader.readexactly(_size(literal)))
                line = await self._line.client.line()
                await self._line.upstream.send(line)

    def _in_conversation(self) -> bool:
        return any(asked.verb in _CONVERSATIONS for asked in self._asked.values())

    async def _ask(self, line: bytes) -> None:
        tag, verb, rest = _parts(line)
        shown = "***" if verb in _SECRET else rest
        call = self._line.ledger.record("imap", verb, shown, b"" if shown != rest else line)
        fault = self._line.decide(f"{verb} {shown}")
        call.fault = fault.kind.value if fault else None
        try:
            await self._strike(fault, tag)
        except Cut:
            self._line.ledger.finish(call, status=None)
            raise
        self._asked[tag] = _Asked(verb=verb, call=call, fault=fault)

    async def _strike(self, fault: Fault | None, tag: bytes) -> None:
        """Strike before the command has any effect."""
        match fault.kind if fault else None:
            case Kind.LATENCY if fault:
                await asyncio.sleep(fault.wait_s)
            case Kind.RESET:
                await self._line.reset()
            case Kind.HANG if fault:
                await asyncio.sleep(fault.wait_s)
                await self._line.reset()
            case Kind.TOO_MANY:
                await self._line.client.send(tag + b" NO [LIMIT] Too many commands\r\n")
                raise Cut
            case Kind.SERVER_ERROR:
                await self._line.client.send(UNAVAILABLE)
                raise Cut

    async def _answers(self) -> None:
        while True:
            answer = await self._answer()
            tag, _, rest = answer.partition(b" ")
            asked = self._asked.pop(tag, None)
            if asked is not None:
                status = rest.split(None, 1)[0].decode("ascii", "replace")
                self._line.ledger.finish(asked.call, status=status)
            await self._pass_on(answer, asked)

    async def _answer(self) -> bytes:
        """Return one answer of the server, with its literals."""
        line = await self._line.upstream.line()
        answer = bytearray(line)
        while literal := _LITERAL.search(line):
            answer += await self._line.upstream.reader.readexactly(_size(literal))
            line = await self._line.upstream.line()
            answer += line
        return bytes(answer)

    async def _pass_on(self, answer: bytes, asked: _Asked | None) -> None:
        """Pass an answer on, unless it is the one to withhold (all of it, then the cut)."""
        struck = [a.fault.kind for a in (asked, *self._asked.values()) if a and a.fault]
        if Kind.LOST_ANSWER not in struck and Kind.TRUNCATED not in struck:
            await self._line.client.send(answer)
            return
        self._withheld += answer
        if asked is None or asked.fault is None:
            return
        if asked.fault.kind is Kind.TRUNCATED:
            await self._line.truncate(bytes(self._withheld[: len(self._withheld) // 2]))
        await self._line.reset()


def _parts(line: bytes) -> tuple[bytes, str, str]:
    """Return a command's tag, its verb (``UID FETCH`` is one) and the rest."""
    tag, _, rest = line.strip().partition(b" ")
    words = rest.decode("utf-8", "replace").split(" ")
    many = 2 if words[0].upper() == "UID" and len(words) > 1 else 1
    return tag, " ".join(words[:many]).upper(), " ".join(words[many:])


def _size(literal: re.Match[bytes]) -> int:
    size = int(literal.group(1))
    if size > _MAX_LITERAL_BYTES:
        raise Cut
    return size

"""One SMTP session through the proxy, in lock-step; each message that is handed in is one call.

The proxy answers DATA itself and holds the message back until the faults have had their say,
so that a message struck before its effect never reaches the mail server.
"""

import asyncio
import re
from collections.abc import Callable
from email.parser import BytesHeaderParser
from typing import Any

from posta_sandbox.faults import Fault, Kind, Service
from posta_sandbox.mail.proxy import Cut, Line, Protocol

UNAVAILABLE = b"421 4.3.2 Service not available, closing transmission channel\r\n"
_SEND_IT = b"354 Start mail input; end with <CRLF>.<CRLF>\r\n"
_ADDRESS = re.compile(rb"<([^<>]*)>")
_MAX_MESSAGE_BYTES = 50 * 1024 * 1024
_ENHANCED = {
    421: "4.3.2",
    450: "4.2.1",
    451: "4.3.0",
    452: "4.2.2",
    535: "5.7.8",
    550: "5.1.1",
    552: "5.2.2",
    554: "5.7.1",
}
_TOO_MANY = 450
_CLOSING = 421
_GO_ON = 334
"""The server asks for the next line of an AUTH exchange."""
_START_TLS = 220


def smtp_protocol(meet: Callable[[str], None]) -> Protocol:
    """Return the protocol of the SMTP proxy; meet is told each recipient that was accepted."""

    async def session(line: Line) -> None:
        await _Session(line, meet).run()

    return Protocol(service=Service.SMTP, unavailable=UNAVAILABLE, session=session)


class _Session:
    """One client's commands, one after the other."""

    def __init__(self, line: Line, meet: Callable[[str], None]) -> None:
        self._line = line
        self._meet = meet
        self._sender = ""
        self._recipients: list[str] = []

    async def run(self) -> None:
        await self._pass_reply()
        authenticating = False
        while True:
            command = await self._line.client.line()
            verb = b"" if authenticating else command.strip().partition(b" ")[0].upper()
            if verb == b"DATA" and self._recipients:
                await self._data()
                continue
            code = await self._command(command)
            authenticating = code == _GO_ON
            if verb == b"STARTTLS" and code == _START_TLS:
                await self._pipe()
            if not authenticating:
                self._learn(verb, command, code)

    async def _command(self, command: bytes) -> int:
        await self._line.upstream.send(command)
        return await self._pass_reply()

    def _learn(self, verb: bytes, command: bytes, code: int) -> None:
        found = _ADDRESS.search(command)
        address = found.group(1).decode("utf-8", "replace") if found else ""
        if verb == b"MAIL":
            self._sender, self._recipients = address, []
        elif verb == b"RCPT" and code // 100 == 2:  # noqa: PLR2004  # SMTP's "done"
            self._recipients.append(address)
            self._meet(address)
        elif verb in (b"RSET", b"HELO", b"EHLO"):
            self._recipients = []

    async def _data(self) -> None:
        await self._line.client.send(_SEND_IT)
        stuffed, message = await self._message()
        ledger = self._line.ledger
        path = f"{self._sender or '<>'} -> {', '.join(self._recipients)}"
        call = ledger.record("smtp", "DATA", path, message, **self._hints(message))
        fault = self._line.decide(f"DATA {path} {message.decode('utf-8', 'replace')}")
        call.fault = fault.kind.value if fault else None
        self._recipients = []
        status: int | None = None
        try:
            refusal = await self._before(fault)
            if refusal is not None:
                status = refusal
                await self._say_refused(refusal)
                return
            reply = await self._hand_over(stuffed)
            status = int(reply[:3])
            await self._after(fault, reply)
        finally:
            ledger.finish(call, status=status)

    async def _message(self) -> tuple[bytes, bytes]:
        """Return the message as it was sent, and with the doubled dots undone."""
        stuffed, plain = bytearray(), bytearray()
        while (line := await self._line.client.line()) != b".\r\n":
            stuffed += line
            plain += line[1:] if line.startswith(b"..") else line
            if len(stuffed) > _MAX_MESSAGE_BYTES:
                raise Cut
        return bytes(stuffed), bytes(plain)

    def _hints(self, message: bytes) -> dict[str, Any]:
        headers = BytesHeaderParser().parsebytes(message)
        names = ("Message-ID", "In-Reply-To", "Subject", "Auto-Submitted")
        shown = {n.lower().replace("-", "_"): str(headers[n]) for n in names if headers[n]}
        return shown | {"from": self._sender, "to": list(self._recipients)}

    async def _before(self, fault: Fault | None) -> int | None:
        """Strike before the message has any effect; return the code it was refused with."""
        match fault.kind if fault else None:
            case Kind.LATENCY if fault:
                await asyncio.sleep(fault.wait_s)
            case Kind.RESET:
                await self._line.reset()
            case Kind.HANG if fault:
                await asyncio.sleep(fault.wait_s)
                await self._line.reset()
            case Kind.TOO_MANY | Kind.SERVER_ERROR if fault:
                if "status" in fault.model_fields_set:
                    return fault.status
                return _TOO_MANY if fault.kind is Kind.TOO_MANY else _CLOSING
        return None

    async def _say_refused(self, code: int) -> None:
        if code == _CLOSING:
            await self._line.client.send(UNAVAILABLE)
            raise Cut
        enhanced = _ENHANCED.get(code, f"{code // 100}.0.0")
        await self._line.upstream.send(b"RSET\r\n")
        await self._reply()
        await self._line.client.send(f"{code} {enhanced} Refused by a sandbox fault\r\n".encode())

    async def _hand_over(self, stuffed: bytes) -> bytes:
        """Give the message to the mail server and return its answer to the final dot."""
        await self._line.upstream.send(b"DATA\r\n")
        reply = await self._reply()
        if not reply.startswith(b"354"):
            return reply
        await self._line.upstream.send(stuffed + b".\r\n")
        return await self._reply()

    async def _after(self, fault: Fault | None, reply: bytes) -> None:
        """Pass the answer on, or strike now that the message is accepted."""
        match fault.kind if fault else None:
            case Kind.TRUNCATED:
                await self._line.truncate(reply[:2])
            case Kind.LOST_ANSWER:
                await self._line.reset()
            case _:
                await self._line.client.send(reply)

    async def _pass_reply(self) -> int:
        reply = await self._reply()
        await self._line.client.send(reply)
        return int(reply[:3])

    async def _reply(self) -> bytes:
        """Return one reply of the mail server, all lines of it."""
        reply = bytearray()
        while True:
            line = await self._line.upstream.line()
            reply += line
            if line[3:4] != b"-":
                return bytes(reply)

    async def _pipe(self) -> None:
        """Encrypted from here on: pass bytes both ways without looking."""
        line = self._line
        done, rest = await asyncio.wait(
            [
                asyncio.create_task(_copy(line.client.reader, line.upstream.writer)),
                asyncio.create_task(_copy(line.upstream.reader, line.client.writer)),
            ],
            return_when=asyncio.FIRST_COMPLETED,
        )
        for task in rest:
            task.cancel()
        await asyncio.gather(*done, *rest, return_exceptions=True)
        raise Cut


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()

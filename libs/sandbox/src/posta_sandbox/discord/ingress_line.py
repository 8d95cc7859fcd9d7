"""One request to ingress on a connection of its own, with as little of our own time in it as can be.

How long ingress took is what the sandbox judges it by, so no connection pool stands in between.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import h11

_READ_BYTES = 65_536
_MAX_ANSWER_BYTES = 1024 * 1024
_DEFAULT_PORTS = {"http": 80, "https": 443}


class IngressUnreachable(Exception):
    """No HTTP answer came: nobody listens there, or the connection broke."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What ingress answered."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def content(self) -> Any:
        """Return the JSON of the body, or its beginning as text when it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return self.body[:2000].decode("utf-8", "replace")


async def post(url: str, headers: Mapping[str, str], body: bytes) -> Answered:
    """Send a request and return its answer. Raises IngressUnreachable; the caller sets a timeout."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _DEFAULT_PORTS.get(parts.scheme, 0)
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=parts.scheme == "https" or None)
    except (OSError, ValueError) as exc:
        raise IngressUnreachable(type(exc).__name__) from exc
    try:
        line = h11.Connection(our_role=h11.CLIENT)
        whole = {**headers, "host": parts.netloc, "content-length": str(len(body)), "connection": "close"}
        request = h11.Request(method="POST", target=parts.path or "/", headers=list(whole.items()))
        for event in (request, h11.Data(data=body), h11.EndOfMessage()):
            writer.write(line.send(event) or b"")
        return await _answer(line, reader)
    except (OSError, h11.ProtocolError) as exc:
        raise IngressUnreachable(type(exc).__name__) from exc
    finally:
        writer.close()


async def _answer(line: h11.Connection, reader: asyncio.StreamReader) -> Answered:
    head: h11.Response | None = None
    body = bytearray()
    while True:
        event = line.next_event()
        if event is h11.NEED_DATA:
            line.receive_data(await reader.read(_READ_BYTES))
        elif isinstance(event, h11.Response):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
            return Answered(status=head.status_code, headers=headers, body=bytes(body))
        elif isinstance(event, h11.ConnectionClosed) or len(body) > _MAX_ANSWER_BYTES:
            raise IngressUnreachable("the answer broke off or never ends")

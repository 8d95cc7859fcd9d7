"""The one HTTP request that Discord makes, told from all others, and the answer to it. PURE.

Only its plain form is read here (HTTP/1.1, one Content-Length, nothing asked of the connection). Whatever
differs in anything, malformed requests above all, is left to the whole HTTP parser.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

_REQUEST_LINE = b"POST /discord-interactions HTTP/1.1\r\n"
_HEAD_END = b"\r\n\r\n"
HEAD_MOST_BYTES = 16 * 1024
"""A longer head is left to the whole parser."""
# RFC 9110 §5.1 and §5.5: a token, and visible characters, blanks and obsolete text; no folded lines.
_FIELDS = re.compile(rb"(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_BLANKS = b" \t"
_NOT_PLAIN = frozenset({b"transfer-encoding", b"expect", b"upgrade", b"trailer", b"te"})
"""What changes how a body is read, or wants something of the connection."""
_SIGNED = {b"x-signature-ed25519", b"x-signature-timestamp"}
_ONCE = frozenset({b"host", b"content-length", b"connection", b"traceparent"} | _SIGNED)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A plain request."""

    body: bytes
    headers: Mapping[bytes, bytes]
    """By lower-case name; of several the last, and what is read here came once."""
    size: int
    """How many bytes it took, head and body."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """So far it is plain; more bytes are needed."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """Another request, or another form of it."""


INCOMPLETE = Incomplete()
FOREIGN = Foreign()


def read(data: bytes, *, max_body_bytes: int) -> Arrival | Incomplete | Foreign:
    """What ``data``, which begins a request, is."""
    if not data.startswith(_REQUEST_LINE):
        return INCOMPLETE if _REQUEST_LINE.startswith(data) else FOREIGN
    end = data.find(_HEAD_END, len(_REQUEST_LINE) - 2, HEAD_MOST_BYTES)
    if end < 0:
        return FOREIGN if len(data) >= HEAD_MOST_BYTES else INCOMPLETE
    headers = _fields(data[len(_REQUEST_LINE) : end + 2])
    if headers is None or not _LENGTH.fullmatch(headers.get(b"content-length", b"")):
        return FOREIGN
    length = int(headers[b"content-length"])
    if length > max_body_bytes:
        return FOREIGN
    start = end + len(_HEAD_END)
    size = start + length
    return Arrival(data[start:size], headers, size) if len(data) >= size else INCOMPLETE


def _fields(lines: bytes) -> dict[bytes, bytes] | None:
    """The headers by name, or None when they are not plain."""
    if not _FIELDS.fullmatch(lines):
        return None
    found: dict[bytes, bytes] = {}
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b":")
        name = name.lower()
        if name in _NOT_PLAIN or (name in found and name in _ONCE):
            return None
        found[name] = value.strip(_BLANKS)
    if b"host" not in found or found.get(b"connection", b"keep-alive").lower() != b"keep-alive":
        return None
    return found


def head(status: int, headers: Iterable[tuple[bytes, bytes]], *, length: int) -> bytes:
    """An answer's head; ``headers`` hold no Content-Length."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in headers if name != b"content-length"]
    lines.append(f"content-length: {length}".encode())
    return b"\r\n".join((*lines, b"", b""))

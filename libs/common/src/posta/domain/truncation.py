"""A dead letter that is too large for its topic: less of it, and a pointer to the whole original.

The pointer is the origin that every dead letter carries (topic, partition, offset) and, with it, the
size and the SHA-256 of the whole value, so that whoever fetches the original can tell that it is the one.
"""

import hashlib
from collections.abc import Iterator

from posta.domain.envelope import Headers, Wire
from posta.domain.failure import PREFIX

TRUNCATED = "posta-truncated"
"""How many bytes of the value were kept; present only when that is not the whole record."""
SIZE = "posta-original-size"
"""Bytes of the whole value."""
SHA256 = "posta-original-sha256"
"""Of the whole value, in hex."""
_KEPT_BYTES = (64 * 1024, 4 * 1024, 0)
_FEW_HEADERS_BYTES = 8 * 1024
KEPT_KEY_BYTES = 1024
"""A key of a truncated dead letter that is as long may be the beginning of a longer one."""


def shortened(wire: Wire) -> Iterator[Wire]:
    """Ever smaller forms of ``wire``, for a broker that says only *too large* and not how large is not.

    The first three keep less and less of the value; the last also drops the original's own headers beyond
    8 KiB and a key beyond 1 KiB. All keep the headers that Posta added.
    """
    value = wire.value or b""
    pointer: Headers = (
        (SIZE, str(len(value)).encode()),
        (SHA256, hashlib.sha256(value).hexdigest().encode()),
    )
    for kept in _KEPT_BYTES:
        marked = (*wire.headers, (TRUNCATED, str(min(kept, len(value))).encode()), *pointer)
        yield Wire(key=wire.key, value=value[:kept], headers=marked)
    bare = (*_few(wire.headers), (TRUNCATED, b"0"), *pointer)
    key = None if wire.key is None else wire.key[:KEPT_KEY_BYTES]
    yield Wire(key=key, value=b"", headers=bare)


def _few(headers: Headers) -> Headers:
    """Posta's own headers, and before them the first of the others that fit."""
    others, left = [], _FEW_HEADERS_BYTES
    for name, value in headers:
        if name.startswith(PREFIX):
            continue
        left -= len(name) + len(value)
        if left < 0:
            break
        others.append((name, value))
    return (*others, *(one for one in headers if one[0].startswith(PREFIX)))

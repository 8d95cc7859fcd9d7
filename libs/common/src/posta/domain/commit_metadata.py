"""The records finished above the watermark, written into the metadata of the commit.

    watermark 100, finished 102 103 104 109
    runs      2 3 4 1            2 open, 3 finished, 4 open, 1 finished
    bitmap    0011 1000 01       a bit per offset from the watermark on

A commit holds one offset and a short text (4 096 bytes by the broker's default). Whichever form is
shorter goes into that text, so that a crash, a restart or a rebalance redoes none of the records it
names. When neither fits, the highest are left out: those are redone, and that is the only cost.

Form: ``P1r`` or ``P1b`` and base64 without padding. An unknown text names nothing.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from itertools import pairwise

MAX_BYTES = 4096
"""``offset.metadata.max.bytes`` of a broker with default settings."""
_RUNS, _BITMAP = "P1r", "P1b"
_MOST_OFFSETS = 8 * MAX_BYTES
"""More than any text can name; a hostile one cannot make us allocate more."""


def encode(mark: int, finished: Iterable[int], *, max_bytes: int = MAX_BYTES) -> str:
    """Name the ``finished`` offsets above the watermark ``mark`` in at most ``max_bytes``."""
    offsets = sorted(offset for offset in finished if offset > mark)
    if not offsets:
        return ""
    room = (max_bytes - len(_RUNS)) * 3 // 4
    runs, named_by_runs = _encode_runs(mark, offsets, room)
    bitmap, named_by_bitmap = _encode_bitmap(mark, offsets, room)
    # More named first; as many named in fewer bytes second.
    if (named_by_runs, -len(runs)) >= (named_by_bitmap, -len(bitmap)):
        return _text(_RUNS, runs) if named_by_runs else ""
    return _text(_BITMAP, bitmap)


def decode(mark: int, text: str) -> frozenset[int]:
    """Read the offsets that ``encode`` named for the same ``mark``; nothing from a foreign text."""
    form, body = text[: len(_RUNS)], text[len(_RUNS) :]
    if form not in {_RUNS, _BITMAP}:
        return frozenset()
    try:
        data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except (binascii.Error, ValueError):
        return frozenset()
    return _decode_runs(mark, data) if form == _RUNS else _decode_bitmap(mark, data)


def _encode_runs(mark: int, offsets: Sequence[int], room: int) -> tuple[bytes, int]:
    """Pairs of (open, finished) counts as varints; returns the bytes and how many offsets they name."""
    encoded, named, position = bytearray(), 0, mark
    for first, last in _runs(offsets):
        pair = _varint(first - position) + _varint(last - first + 1)
        if len(encoded) + len(pair) > room:
            break
        encoded += pair
        named += last - first + 1
        position = last + 1
    return bytes(encoded), named


def _encode_bitmap(mark: int, offsets: Sequence[int], room: int) -> tuple[bytes, int]:
    beyond = mark + room * 8
    within = [offset for offset in offsets if offset < beyond]
    if not within:
        return b"", 0
    bits = bytearray((within[-1] - mark) // 8 + 1)
    for offset in within:
        bits[(offset - mark) // 8] |= 1 << ((offset - mark) % 8)
    return bytes(bits), len(within)


def _decode_runs(mark: int, data: bytes) -> frozenset[int]:
    found: set[int] = set()
    position, numbers = mark, _varints(data)
    for opened, finished in zip(numbers[::2], numbers[1::2], strict=False):
        if len(found) + finished > _MOST_OFFSETS:
            break
        found.update(range(position + opened, position + opened + finished))
        position += opened + finished
    return frozenset(found)


def _decode_bitmap(mark: int, data: bytes) -> frozenset[int]:
    return frozenset(
        mark + index * 8 + bit for index, byte in enumerate(data) for bit in range(8) if byte >> bit & 1
    )


def _runs(offsets: Sequence[int]) -> Iterable[tuple[int, int]]:
    first = offsets[0]
    for offset, following in pairwise(offsets):
        if following != offset + 1:
            yield first, offset
            first = following
    yield first, offsets[-1]


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte, the eighth says that more follow
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def _varints(data: bytes) -> list[int]:
    numbers, number, shift = [], 0, 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        shift += 7
        if not byte & 0x80:
            numbers.append(number)
            number, shift = 0, 0
    return numbers


def _text(form: str, data: bytes) -> str:
    return form + base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""Makes of a record's bytes what a person may see: masked, readable, bounded, harmless to look at."""

import codecs
import json
import re
from dataclasses import dataclass
from enum import StrEnum

from dlq_admin.masking import Mask, mask_all, mask_json, mask_secrets, names_a_secret
from posta.domain.envelope import Headers
from posta.domain.failure import PREFIX
from posta.domain.redaction import MASK

_LOOKED_AT_BYTES = 256 * 1024
_SHOWN_CHARS = 64 * 1024
_SHOWN_BYTES = 4 * 1024
_HEADER_CHARS = 2000
_TAIL_CHARS = 512
"""Dropped where bytes were cut: a secret cut in two may not look like one."""
_HEX_COLUMNS = 16
_OPEN_HEADERS = re.compile(r"ce_[a-z]+|content-type|traceparent|tracestate|" + PREFIX + r"[a-z-]+")
"""Headers that Posta writes; the value of any other is shown only to an inspector."""
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
"""Control characters, lone surrogates, and what reorders or hides text (Unicode TR 36): spelt out."""


class Reveal(StrEnum):
    """How much a viewer may see; credentials are shown to nobody."""

    MASKED = "masked"
    """Mail addresses are reduced, foreign headers are not shown."""
    INSPECTED = "inspected"
    """Addresses and foreign headers are shown."""


class Form(StrEnum):
    """How bytes are shown."""

    NONE = "none"
    """There are none: a null."""
    JSON = "json"
    TEXT = "text"
    HEX = "hex"
    """They are no UTF-8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Bytes made readable."""

    form: Form
    text: str
    size_bytes: int
    """Of the original."""
    is_cut: bool = False


def show_bytes(value: bytes | None, *, reveal: Reveal = Reveal.MASKED) -> Shown:
    """A record's key or value for a person's eyes; JSON is indented, other text is as it is."""
    if value is None:
        return Shown(form=Form.NONE, text="", size_bytes=0)
    parsed = _as_json(value, reveal)
    if parsed is not None:
        return _bounded(Form.JSON, parsed, size_bytes=len(value))
    is_cut = len(value) > _LOOKED_AT_BYTES
    text = _as_text(value[:_LOOKED_AT_BYTES], is_cut=is_cut)
    if text is None:
        return _hex(value, reveal)
    masked = _mask(reveal)(text)
    if is_cut:
        masked = masked[:-_TAIL_CHARS]
    return _bounded(Form.TEXT, masked, size_bytes=len(value), is_cut=is_cut)


def show_headers(headers: Headers, *, reveal: Reveal = Reveal.MASKED) -> tuple[tuple[str, str], ...]:
    """Header names and values in order, masked."""
    return tuple((spell_out(name[:_HEADER_CHARS]), _header(name, value, reveal)) for name, value in headers)


def show_text(text: str | None) -> str:
    """Metadata for a person's eyes: masked, invisible characters spelt out."""
    return spell_out(mask_all(text or ""))


def spell_out(text: str) -> str:
    r"""``text`` with control and reordering characters as ``\uXXXX``; newlines and tabs stay."""
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _header(name: str, value: bytes, reveal: Reveal) -> str:
    if names_a_secret(name):
        return MASK
    if reveal is Reveal.MASKED and not _OPEN_HEADERS.fullmatch(name):
        return f"[{len(value)} bytes, shown to inspectors only]"
    text = value[: _HEADER_CHARS * 4].decode("utf-8", "replace")
    return spell_out(_mask(reveal)(text)[:_HEADER_CHARS])


def _mask(reveal: Reveal) -> Mask:
    return mask_all if reveal is Reveal.MASKED else mask_secrets


def _as_json(value: bytes, reveal: Reveal) -> str | None:
    if len(value) > _LOOKED_AT_BYTES:
        return None
    try:
        # From bytes, so that UTF-16 and UTF-32 are recognised and masked too.
        masked = mask_json(json.loads(value), _mask(reveal))
        return json.dumps(masked, indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _as_text(value: bytes, *, is_cut: bool) -> str | None:
    # Incremental and not final: a character that the cut has split is left out, not held against it.
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return decoder.decode(value, final=not is_cut)
    except UnicodeDecodeError:
        return None


def _hex(value: bytes, reveal: Reveal) -> Shown:
    # Byte by byte as latin-1, so that a credential in a broken text is masked before it is dumped.
    text = value[: _SHOWN_BYTES + _TAIL_CHARS].decode("latin-1")
    masked = _mask(reveal)(text).encode("latin-1")
    is_cut = len(value) > _SHOWN_BYTES
    if is_cut:
        masked = masked[:_SHOWN_BYTES]
    rows = (masked[at : at + _HEX_COLUMNS] for at in range(0, len(masked), _HEX_COLUMNS))
    dump = "\n".join(
        f"{number * _HEX_COLUMNS:06x}  {row.hex(' '):<47}  {_printable(row)}"
        for number, row in enumerate(rows)
    )
    return Shown(form=Form.HEX, text=dump, size_bytes=len(value), is_cut=is_cut)


def _printable(row: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)  # noqa: PLR2004 - ASCII


def _bounded(form: Form, text: str, *, size_bytes: int, is_cut: bool = False) -> Shown:
    visible = spell_out(text)
    return Shown(
        form=form,
        text=visible[:_SHOWN_CHARS],
        size_bytes=size_bytes,
        is_cut=is_cut or len(visible) > _SHOWN_CHARS,
    )

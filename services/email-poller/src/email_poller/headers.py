"""PURE: reading header fields of mails that break the rules, without ever raising.

The standard library's header objects raise on real mail (group syntax, stray brackets, encoded line
breaks), so fields are taken raw and decoded here, piece by piece; what cannot be decoded stays as
it came.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses
from typing import TypeVar

MAX_HEADER_CHARS = 20_000
"""Longer fields are cut before anything looks at them."""
_MAX_IDS = 100
_BREAKS = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")
_MESSAGE_ID = re.compile(r"<[^<>\s\x00-\x1f]{1,500}@[^<>\s\x00-\x1f]{1,500}>")
_ADDRESS = re.compile(r"[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]{1,64}@[^\s@<>()\[\]\\,;:\"\x00-\x1f\x7f]{1,189}")
_CHARSETS = {
    "uft-8": "utf-8",
    "utf8mb4": "utf-8",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "shift_jis": "cp932",
    "x-sjis": "cp932",
    "windows-31j": "cp932",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "windows-874": "cp874",
    "x-mac-roman": "mac-roman",
    "ansi_x3.110-1983": "latin-1",
    "cp-850": "cp850",
}
_NO_TEXT_CODECS = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape")
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """An address and the name shown with it; the address is in RFC 5321's shape, or empty."""

    address: str
    name: str = ""


class Fields:
    """The header fields of one mail or part, by case-insensitive name, in order."""

    def __init__(self, message: Message) -> None:
        self._fields: dict[str, list[str]] = {}
        found: list[tuple[str, str]] = attempt(lambda: list(message.raw_items()), list[tuple[str, str]]())
        for name, value in found:
            self._fields.setdefault(str(name).strip().lower(), []).append(_raw(value))

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._fields

    def names(self) -> list[str]:
        """The names present, in lower case."""
        return list(self._fields)

    def raw(self, name: str) -> str:
        """The first field called ``name``, on one line and undecoded; empty when there is none."""
        return self._fields.get(name.lower(), [""])[0]

    def text(self, name: str) -> str:
        """The first field called ``name``, decoded, on one line; empty when there is none."""
        return decoded(self.raw(name))

    def ids(self, name: str) -> tuple[str, ...]:
        """The message ids in the field, with their brackets; malformed ones are left out."""
        return tuple(_MESSAGE_ID.findall(self.raw(name))[:_MAX_IDS])

    def mailbox(self, name: str) -> Mailbox | None:
        """The first usable address in the field, or None."""
        raw = self.raw(name)
        for shown, address in attempt(lambda: getaddresses([raw]), list[tuple[str, str]]()):
            if _ADDRESS.fullmatch(address):
                return Mailbox(address=address, name=decoded(shown)[:200])
        # An address in angle brackets is unambiguous even where the rest of the field is not.
        bracketed = re.findall(r"<([^<>]{3,254})>", raw)
        usable = [text for text in bracketed if _ADDRESS.fullmatch(text)]
        if usable:
            return Mailbox(address=usable[-1])
        bare = {word for word in raw.split() if _ADDRESS.fullmatch(word)}
        return Mailbox(address=bare.pop()) if len(bare) == 1 else None


def attempt(read: Callable[[], T], otherwise: T) -> T:
    """What ``read`` returns, or ``otherwise`` when the mail makes the standard library raise.

    Broad on purpose: on hostile input ``email`` has raised AttributeError, IndexError, LookupError,
    TypeError, ValueError and RecursionError, and a mail must not be able to stop the mailbox.
    """
    try:
        return read()
    except Exception:  # noqa: BLE001 - see the docstring; the caller goes on with what it could read
        return otherwise


def decoded(raw: str) -> str:
    """RFC 2047 encoded words decoded, on one line, without control characters or lone surrogates."""
    if "=?" not in raw:
        return one_line(raw)
    try:
        pieces = decode_header(raw)
    except (HeaderParseError, ValueError):
        return one_line(raw)
    return one_line("".join(_piece(value, charset) for value, charset in pieces))


def _piece(value: bytes | str, charset: str | None) -> str:
    if isinstance(value, str):
        return value
    if charset is not None:
        return decode_text(value, charset)
    try:
        # What stands between encoded words, in the form decode_header gives it.
        return value.decode("raw_unicode_escape")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def one_line(text: str) -> str:
    """``text`` with every run of control characters and line breaks as one space (header injection)."""
    return clean(_BREAKS.sub(" ", text)).strip()


def clean(text: str) -> str:
    """``text`` without NUL and lone surrogates, which PostgreSQL and UTF-8 refuse."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "")


def decode_text(data: bytes, charset: str | None) -> str:
    """``data`` in ``charset``; where that is unknown or wrong, as UTF-8, else as Windows-1252."""
    name = (charset or "").strip().strip("\"'").lower()
    name = _CHARSETS.get(name, name)
    if name and name not in _NO_TEXT_CODECS:
        try:
            return data.decode(name, "replace" if name not in ("us-ascii", "ascii", "utf-8") else "strict")
        except (LookupError, ValueError, TypeError):
            pass  # an invented or wrong name: the guess below reads more than nothing
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _raw(value: object) -> str:
    text = str(value)[:MAX_HEADER_CHARS]
    # Bytes above 127 came through the parser as surrogates.
    if any("\udc80" <= char <= "\udcff" for char in text):
        text = decode_text(text.encode("utf-8", "surrogateescape"), "utf-8")
    return clean(_BREAKS.sub(" ", text)).strip()

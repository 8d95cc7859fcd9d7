"""PURE: HTML as a sequence of tags and text, in time that grows with its length and no faster.

The standard library's ``html.parser`` takes hours on 400 kB of unclosed quotes, and a stranger may
send that. This reads what a mail program shows; it does not check anything.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9:]{0,30})")
_QUOTE_OR_END = re.compile(r"[>\"']")
_ALT = re.compile(r"\balt\s?=\s?(?:\"([^\"]{1,200})\"|'([^']{1,200})')", re.IGNORECASE)
_MAX_QUOTED_CHARS = 4096


@dataclass(frozen=True, slots=True)
class Opened:
    """A start tag, its name in lower case; ``alt`` is what stands for a picture."""

    name: str
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """An end tag, its name in lower case."""

    name: str


Token = str | Opened | Closed
"""Text, with character references resolved, or a tag."""


def html_tokens(html: str) -> Iterator[Token]:
    """The tags and text of ``html`` in order; declarations and unfinished tags are left out."""
    at = 0
    while (start := html.find("<", at)) >= 0:
        if start > at:
            yield unescape(html[at:start])
        tag = _TAG.match(html, start)
        if tag is None and html[start + 1 : start + 2] not in ("!", "?", "/"):
            yield "<"
            at = start + 1
            continue
        end = _end_of_tag(html, start + 1 if tag is None else tag.end())
        if end < 0:
            return
        if tag is not None:
            name = tag[1].lower()
            yield Closed(name) if html[start + 1] == "/" else Opened(name, _alt(name, html[tag.end() : end]))
        at = end + 1
    if at < len(html):
        yield unescape(html[at:])


def _end_of_tag(html: str, at: int) -> int:
    """Where the ``>`` is that ends the tag; in a value whose quote is closed soon, it does not."""
    plain_end = -1
    here = at
    while (found := _QUOTE_OR_END.search(html, here)) is not None:
        if found[0] == ">":
            return found.start()
        closing = html.find(found[0], found.end(), found.end() + _MAX_QUOTED_CHARS)
        if closing < 0:
            plain_end = html.find(">", found.end())
            break
        here = closing + 1
    return plain_end


def _alt(name: str, attributes: str) -> str:
    found = _ALT.search(attributes[:_MAX_QUOTED_CHARS]) if name == "img" else None
    return unescape(found[1] or found[2]) if found else ""

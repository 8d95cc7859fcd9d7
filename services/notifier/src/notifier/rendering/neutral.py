"""Makes text from outside harmless to look at: nothing invisible, nothing that turns it around.

Pure. ``readable`` is for an answer's own prose; ``disarmed`` for text of unknown origin in a channel
that people trust, where a link must show where it leads.
"""

import unicodedata

_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks, embeddings, overrides and isolates that change the direction text is shown in."""
_LINE_ENDS = {"\r\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n", "\x85": "\n"}


def readable(text: str) -> str:
    """``text`` without control characters and direction marks; line feeds and tabs stay."""
    return "".join(c for c in _one_line_end(text) if c in "\n\t" or not _is_control(c))


def disarmed(text: str) -> str:
    """``readable``, and also without invisible characters, and with Markdown links shown as text.

    ``[text](address)`` gets a space in the middle, which no escape in front of it can undo.
    """
    visible = "".join(c for c in readable(text) if unicodedata.category(c) != "Cf")
    return visible.replace("](", "] (")


def one_line(text: str) -> str:
    """``disarmed`` text on one line, each run of white space one blank."""
    return " ".join(disarmed(text).split())


def _one_line_end(text: str) -> str:
    for found, wanted in _LINE_ENDS.items():
        text = text.replace(found, wanted)
    return text


def _is_control(character: str) -> bool:
    return character in _TURNING or unicodedata.category(character) in ("Cc", "Cs")

"""Makes text from outside harmless to look at: nothing invisible, nothing that turns it around.

Pure. ``readable`` is for an answer's own prose; ``disarmed`` for text of unknown origin in a channel
that people trust, where a link must show where it leads, and a mention or an invitation is a text
like any other. What is taken apart is taken apart with a blank, which no escape in front can undo.
"""

import re
import unicodedata

_TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Marks, embeddings, overrides and isolates that change the direction text is shown in."""
_LINE_ENDS = {"\r\n": "\n", "\r": "\n", "\u2028": "\n", "\u2029": "\n", "\x85": "\n"}
MARKS_MOST = 4
"""So many combining marks in a row are writing; more of them are a tower over other people's lines."""

_MENTION = re.compile(r"<(?=[@#:/]|a:|t:|id:)")
_SHOUT = re.compile(r"@(?=everyone\b|here\b)", re.IGNORECASE)
_INVITATION = re.compile(r"(discord\s?\.\s?gg|discord(?:app)?\.com/invite)/", re.IGNORECASE)


def readable(text: str) -> str:
    """``text`` without control characters, direction marks and towers of marks; line feeds and tabs stay."""
    kept = (c for c in _one_line_end(text) if c in "\n\t" or not _is_control(c))
    return _without_towers("".join(kept))


def disarmed(text: str) -> str:
    """``readable`` without invisible characters; links, mentions and invitations are shown as text."""
    visible = "".join(c for c in readable(text) if unicodedata.category(c) != "Cf")
    visible = _MENTION.sub("< ", visible.replace("](", "] ("))
    return _INVITATION.sub(r"\1 /", _SHOUT.sub("@ ", visible))


def one_line(text: str) -> str:
    """``disarmed`` text on one line, each run of white space one blank."""
    return " ".join(disarmed(text).split())


def _one_line_end(text: str) -> str:
    for found, wanted in _LINE_ENDS.items():
        text = text.replace(found, wanted)
    return text


def _is_control(character: str) -> bool:
    return character in _TURNING or unicodedata.category(character) in ("Cc", "Cs")


def _without_towers(text: str) -> str:
    if text.isascii():
        return text
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if unicodedata.category(character) in ("Mn", "Me") else 0
        if marks <= MARKS_MOST:
            kept.append(character)
    return "".join(kept)

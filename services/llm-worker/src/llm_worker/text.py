"""Makes text from strangers (a person, a model) safe to store, to prompt with and to send."""

import re
import unicodedata

ELLIPSIS = "…"
_WORD_SEARCH_CHARS = 80
"""How far back a cut looks for a space to fall on."""
_LINE_ENDS = re.compile("\r\n?|[\u2028\u2029\u0085]")
# C0 and C1 controls but tab and newline; lone surrogates, which no UTF-8 can carry; the bidi
# overrides that make a text read other than it is written; and the byte order mark.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069\ufeff]")
_MANY_BLANK_LINES = re.compile("\n[ \t]*(?:\n[ \t]*){2,}")


def sanitize(text: str) -> str:
    """``text`` with Unix line ends, without unsafe characters, outer space or piles of blank lines."""
    text = _UNSAFE.sub("", _LINE_ENDS.sub("\n", text))
    return _MANY_BLANK_LINES.sub("\n\n", text).strip()


def cap(text: str, max_chars: int) -> str:
    """``text`` in at most ``max_chars`` code points; a cut falls on a space and shows as ``…``."""
    if len(text) <= max_chars:
        return text
    end = max_chars - len(ELLIPSIS)
    space = max(text.rfind(" ", 0, end + 1), text.rfind("\n", 0, end + 1))
    if space > 0 and end - space <= _WORD_SEARCH_CHARS:
        end = space
    else:
        # Between a letter and its accent, or inside a joined emoji, is no place to cut.
        while end > 0 and _joins(text, end):
            end -= 1
    return text[:end].rstrip() + ELLIPSIS


def _joins(text: str, index: int) -> bool:
    """Whether the characters before and at ``index`` are drawn as one."""
    at, before = text[index], text[index - 1]
    return bool(unicodedata.combining(at)) or at in "\u200d\ufe0f" or before == "\u200d"

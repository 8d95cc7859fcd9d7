"""Cuts text to a limit so that everyone sees it was cut.

Pure. Discord counts Unicode code points (discord-api-docs #1315), as ``len`` does.
"""

from posta.domain.language import Language

CONTENT_LIMIT = 2000
"""Code points in a message's content."""
_ELLIPSIS = "…"
_FENCE = "```"
_SHORTENED: dict[Language, str] = {
    "en": "… *(shortened to fit into one Discord message)*",
    "es": "… *(recortado para caber en un mensaje de Discord)*",
}
_BREAK_SHARE = 0.8
"""A cut goes back to the last white space unless that would lose more than a fifth."""


def clip(text: str, limit: int, *, ending: str = _ELLIPSIS) -> str:
    """``text`` in at most ``limit`` code points; what is cut off is replaced by ``ending``."""
    if len(text) <= limit:
        return text
    if limit <= len(ending):
        return ending[:limit]
    return _at_white_space(text[: limit - len(ending)]) + ending


def clip_content(text: str, language: Language, *, limit: int = CONTENT_LIMIT) -> str:
    """An answer as a message's content: trimmed, cut with a note, an open code fence closed."""
    text = text.strip()
    if len(text) <= limit:
        return text
    ending = _SHORTENED[language]
    cut = clip(text, limit - len(_FENCE) - 1, ending=ending)
    kept = cut.removesuffix(ending)
    if kept.count(_FENCE) % 2:
        return f"{kept}\n{_FENCE}{ending}"
    return cut


def _at_white_space(text: str) -> str:
    for position in range(len(text) - 1, int(len(text) * _BREAK_SHARE), -1):
        if text[position].isspace():
            return text[:position].rstrip()
    return text

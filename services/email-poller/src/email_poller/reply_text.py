"""PURE: what a person wrote now, without the mail they answer quoted below it and without signature.

Only quotes at the end are cut: text between quoted lines answers them and needs them.
"""

import re

_ATTRIBUTION_LINES = 3
_MAX_ATTRIBUTION_CHARS = 300
_ATTRIBUTION = re.compile(
    r"(?:on|el|le|am|em|il|op)\b.{4,280}(?:wrote|escribi[oó]|a [ée]crit|schrieb"
    r"|escreveu|ha scritto|schreef)\s?:?",
    re.IGNORECASE | re.DOTALL,
)
_ATTRIBUTION_START = re.compile(r"(?:on|el|le|am|em|il|op)\b", re.IGNORECASE)
_DATED = re.compile(r"\b(?:19|20)\d\d\b|\d{1,2}[:.]\d\d")
_SEPARATOR = re.compile(
    r"-{2,}\s*(?:original message|mensaje original|forwarded message|mensaje reenviado)\s*-{2,}"
    r"|-{2,} ?reply above this line ?-{2,}",
    re.IGNORECASE,
)
_OUTLOOK = re.compile(r"\*?(?:from|de|von):\*? .+", re.IGNORECASE)
_OUTLOOK_NEXT = re.compile(
    r"\*?(?:sent|date|to|enviado(?: el)?|fecha|para|gesendet|an):\*? .+", re.IGNORECASE
)
_SIGNATURE = re.compile(r"-- ?")


def reply_text(text: str) -> str:
    """``text`` without the quoted mail at its end; all of it when nothing else would be left."""
    lines = text.split("\n")
    kept = _without_signature(_without_quote(lines))
    written = "\n".join(kept).strip()
    return written or text.strip()


def _without_quote(lines: list[str]) -> list[str]:
    for at, line in enumerate(lines):
        rest = line.strip()
        if _SEPARATOR.fullmatch(rest) or _is_outlook_header(lines, at):
            return lines[:at]
        span = _attribution_span(lines, at)
        if span and _is_followed_by_quote(" ".join(lines[at : at + span]), lines[at + span :]):
            return lines[:at]
    end = len(lines)
    while end and _is_quote_or_blank(lines[end - 1]):
        end -= 1
    return lines[:end]


def _attribution_span(lines: list[str], at: int) -> int:
    """How many lines from ``at`` are "On … wrote:", which mail programs wrap; 0 when they are not."""
    first = lines[at].strip()
    if not first or not _ATTRIBUTION_START.match(first):
        return 0
    for span in range(1, _ATTRIBUTION_LINES + 1):
        joined = " ".join(line.strip() for line in lines[at : at + span])
        if len(joined) <= _MAX_ATTRIBUTION_CHARS and joined.endswith(":") and _ATTRIBUTION.fullmatch(joined):
            return span
    return 0


def _is_followed_by_quote(attribution: str, below: list[str]) -> bool:
    """Whether nothing but the quoted mail comes below: ``>`` lines, or unmarked ones under a dated line."""
    filled = [line for line in below if line.strip()]
    if filled and filled[0].lstrip().startswith(">"):
        return all(_is_quote_or_blank(line) for line in _before_signature(below))
    return _DATED.search(attribution) is not None


def _before_signature(lines: list[str]) -> list[str]:
    for at, line in enumerate(lines):
        if _SIGNATURE.fullmatch(line):
            return lines[:at]
    return lines


def _is_quote_or_blank(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith(">")


def _is_outlook_header(lines: list[str], at: int) -> bool:
    following = [line.strip() for line in lines[at + 1 : at + 3]]
    return bool(_OUTLOOK.fullmatch(lines[at].strip())) and any(map(_OUTLOOK_NEXT.fullmatch, following))


def _without_signature(lines: list[str]) -> list[str]:
    for at, line in enumerate(lines):
        if _SIGNATURE.fullmatch(line) and any(part.strip() for part in lines[:at]):
            return lines[:at]
    return lines

"""Reduces a question to the words that say what is asked.

Removed: quoted lines of mails, greetings, closings with the signature after them, case, accents and
punctuation. Two questions that differ only in these are the same question.
"""

import re
import unicodedata
from functools import lru_cache
from itertools import filterfalse

_WORD = re.compile(r"[a-z0-9]+")
_LONGEST_SIGNATURE = 6
"""Lines after a closing that still count as its signature."""
_GREETING = re.compile(
    r"^\W*(?:(?:hola|hello|hi|hey|muy buenas|buenos dias|buenas tardes|buenas noches|buenas|good morning"
    r"|good afternoon|good evening|dear|estimad[oa]s?|que tal|greetings|saludos)\b"
    r"(?:[ ]+(?:a todos|todos|all|team|equipo|there|everyone|sir or madam|senores|amigos|tienda|shop))?"
    r"[\s,.!:;)-]*)+"
)
_CLOSING = re.compile(
    r"^\W*(?:un saludo|saludos|muchas gracias|mil gracias|gracias|atentamente|cordialmente|un abrazo"
    r"|best regards|kind regards|warm regards|regards|best wishes|best|many thanks|thank you|thanks|cheers"
    r"|sincerely|yours)"
    r"(?:\W+\w+){0,5}\W*$"
)
_SIGNED = re.compile(
    r"(?<=[.?!,;)])\s*(?:(?i:gracias de antemano|muchas gracias|gracias|un saludo|saludos cordiales|saludos"
    r"|atentamente|un abrazo|many thanks|thanks in advance|thanks|thank you|cheers"
    r"|(?:best|kind|warm) regards|regards|best wishes|best)[\s,.!]+)+"
    r"[A-ZÁÉÍÓÚÑÜ][\w'-]*(?:\s+[A-ZÁÉÍÓÚÑÜ][\w'-]*){0,2}[\s.!]*$"
)
"""A closing and a name at the end of the question's own line; only capitals tell a name from a question."""
_SIGNED_MOST_CHARS = 120
"""The end of a line that is looked at for it, so that hostile text costs no more than any other."""
_QUOTED = re.compile(r"^\s*>")
_SIGNATURE_MARK = re.compile(r"^--\s*$")
_SENT_FROM = re.compile(r"^(?:sent from my|enviado desde mi)\b.*")


@lru_cache(maxsize=64)  # routes, frequent questions, cache and catalogue all look at the same text
def words_of(text: str) -> tuple[str, ...]:
    """The words of ``text`` in order: lower case, without accents, greeting and signature."""
    own = [_without_name(line) for line in text.splitlines() if not _QUOTED.match(line)]
    lines = [line for line in _without_signature(folded("\n".join(own)).splitlines()) if line.strip()]
    if len(lines) > 1:
        lines[1] = _GREETING.sub("", lines[1])  # the first line may be a mail's subject
    return tuple(_WORD.findall(_GREETING.sub("", " ".join(lines).strip())))


def folded(text: str) -> str:
    """``text`` in lower case and without accents, so that ``Envío`` and ``envio`` are one word."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(filterfalse(unicodedata.combining, decomposed))


def _without_name(line: str) -> str:
    start = max(0, len(line) - _SIGNED_MOST_CHARS)
    return line[:start] + _SIGNED.sub("", line[start:])


def _without_signature(lines: list[str]) -> list[str]:
    for number, line in enumerate(lines):
        if _SIGNATURE_MARK.match(line) or _SENT_FROM.match(line):
            return lines[:number]
        if number > 0 and _CLOSING.match(line):
            rest = [later for later in lines[number + 1 :] if later.strip()]
            if len(rest) <= _LONGEST_SIGNATURE:
                return lines[:number]
    return lines

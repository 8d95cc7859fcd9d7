"""PURE: English or Spanish, by counting the small words that only one of them has."""

import re

from posta.domain.language import Language

_MAX_WORDS = 400
_WORD = re.compile(r"[a-záéíóúüñ]+")
_SPANISH = frozenset(
    _WORD.findall(
        "el la los las un una unos de del que y en por para con se su sus mi mis tu es está están "
        "son hay lo le les como cómo qué cuál cuándo dónde quién pero más muy ya también porque "
        "cuando hola gracias puedo puede puedes tengo tiene quiero quisiera necesito sobre esta "
        "este esto estoy al si sí ni o sin desde hasta buenos buenas días tardes saludos ayuda "
        "cuánto cuesta hacer usted nosotros favor"
    )
)
_ENGLISH = frozenset(
    _WORD.findall(
        "the an and of to in is are was were be been it its that this these those for with on at "
        "by from as you your we our my i me they their he she his her have has had do does did "
        "can could would should will what when where who why how which but not if or so there "
        "please thanks thank hello hi help need want about"
    )
)


def guess_language(*texts: str) -> Language:
    """The language most of ``texts``' small words belong to; English when it is a draw."""
    joined = " ".join(texts).lower()
    words = [match.group() for match, _ in zip(_WORD.finditer(joined), range(_MAX_WORDS), strict=False)]
    spanish = sum(word in _SPANISH for word in words) + (2 if "¿" in joined or "¡" in joined else 0)
    english = sum(word in _ENGLISH for word in words)
    return "es" if spanish > english else "en"

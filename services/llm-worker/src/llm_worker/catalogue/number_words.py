"""Numbers in words, English and Spanish, below a million: ``two hundred and fifty``, ``mil doscientos``.

tens + unit             twenty-five, treinta y cinco
[n] hundred, cientos    one hundred and five, ciento cinco
[n] thousand, mil       twelve thousand, mil doscientos
n and then ten or more  twenty-nine ninety-five is 29.95
"""

import re
from decimal import Decimal


def _listed(text: str) -> list[str]:
    return text.split()


_ONES = _listed("zero one two three four five six seven eight nine")
_TEENS = _listed("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen")
_TENS = _listed("twenty thirty forty fifty sixty seventy eighty ninety")
_UNOS = _listed("cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince")
_DIECI = _listed("dieciséis diecisiete dieciocho diecinueve")
_VEINTI = _listed("veinte veintiuno veintidós veintitrés veinticuatro veinticinco veintiséis") + _listed(
    "veintisiete veintiocho veintinueve"
)
_TREINTA = _listed("treinta cuarenta cincuenta sesenta setenta ochenta noventa")
_CIENTOS = _listed("doscient trescient cuatrocient quinient seiscient setecient ochocient novecient")

_VALUES: dict[str, int] = {
    **{word: at for at, word in enumerate((*_ONES, *_TEENS))},
    **{word: 10 * at for at, word in enumerate(_TENS, start=2)},
    **{word: at for at, word in enumerate((*_UNOS, *_DIECI))},
    **{word: at for at, word in enumerate(_VEINTI, start=20)},
    **{word: 10 * at for at, word in enumerate(_TREINTA, start=3)},
    **{f"{word}{end}": 100 * at for at, word in enumerate(_CIENTOS, start=2) for end in ("os", "as")},
    "un": 1,
    "una": 1,
    "veintiún": 21,
    "veintiuna": 21,
    "cien": 100,
    "ciento": 100,
}
_VALUES.update({word.translate(str.maketrans("áéóú", "aeou")): n for word, n in list(_VALUES.items())})
_TIMES = {"hundred": 100, "thousand": 1000, "mil": 1000}
_JOINING = ("and", "y", "con")
_ANY = "|".join(sorted((*_VALUES, *_TIMES), key=len, reverse=True))

NUMBER_IN_WORDS = rf"(?:{_ANY})(?:[ -](?:(?:and|y|con) )?(?:{_ANY})){{0,9}}"
"""Matches one, without regard to case; bounded, so that hostile text costs no more than any other."""
_WORD = re.compile(r"[^\W\d_]+")


def mentions_number(text: str) -> bool:
    """Whether any word of ``text`` is a number; far quicker than to look for whole ones."""
    return any(word in _VALUES or word in _TIMES for word in _WORD.findall(text.casefold()))


def number_of(words: str) -> Decimal:
    """The number that ``words``, which match ``NUMBER_IN_WORDS``, name."""
    whole = part = 0
    cents: int | None = None
    for word in _WORD.findall(words.casefold()):
        if word in _JOINING:
            continue
        if word in _TIMES:
            part = max(part, 1) * _TIMES[word]
            if _TIMES[word] == 1000:  # noqa: PLR2004 - a thousand ends its part
                whole, part = whole + part, 0
        elif cents is not None:
            cents += _VALUES[word]
        elif _continues(part, _VALUES[word]):
            part += _VALUES[word]
        else:
            cents = _VALUES[word]
    return Decimal(whole + part) + Decimal(cents or 0) / 100


def _continues(part: int, value: int) -> bool:
    """Whether ``value`` can stand after ``part`` in one number: a hundred and five, twenty and five."""
    if part == 0 or part % 100 == 0:
        return value < 100 or part == 0  # noqa: PLR2004 - below the hundreds before it
    return part % 10 == 0 and part % 100 >= 20 and value < 10  # noqa: PLR2004 - a unit after its tens

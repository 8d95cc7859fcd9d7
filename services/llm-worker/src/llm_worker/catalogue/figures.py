"""Finds prices and stocks in an answer that the catalogue does not state: a model makes figures up.

A price is a number beside a currency: ``19,95 €``, ``€19.95``, ``20 euros``, ``USD 5``. A stock is a number
beside what is left: ``3 in stock``, ``2 units``, ``quedan 4``. Numbers in words count too: ``twenty euros``,
``quedan tres``; of what is left only from two on, for *the one available* is no stock.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache

from llm_worker.catalogue.number_words import NUMBER_IN_WORDS, mentions_number, number_of

# Bounded, so that hostile text costs no more than any other.
_NUMBER = r"\d{1,3}(?:[.,\u00a0 ]\d{3}){1,4}(?:[.,]\d{1,2})?|\d{1,15}(?:[.,]\d{1,2})?"
_CURRENCY = r"€|\$|£|euros?|eur|usd|gbp|d[oó]lar(?:es)?|dollars?|libras?|pounds?"
_PRICE = re.compile(
    rf"(?:(?:{_CURRENCY})\s?(?P<after>{_NUMBER})(?![\d.,]*\d))|(?:(?<![\d.,])(?P<before>{_NUMBER})\s?(?:{_CURRENCY})(?!\w))",
    re.IGNORECASE,
)
_PIECES = r"(?:units?|pieces?|pcs|unidad(?:es)?|uds|pieza?s?)\b\.?"
_STOCK = re.compile(
    rf"(?<![\d.,])(?P<left>\d{{1,7}})\s?(?:{_PIECES}\s?)?(?:are |is )?(?:still )?"
    r"(?:left|remaining|in stock|available|en stock|en existencias?|disponibles?|restantes?)\b"
    rf"|(?<![\d.,])(?P<pieces>\d{{1,7}})\s?{_PIECES}"
    r"|\b(?:quedan?|stock:?|existencias:)\s(?:only |solo |sólo |de |of )?(?P<told>\d{1,7})(?![.,]?\d)"
    rf"(?!\s?(?:{_CURRENCY}|%|tallas?|sizes?|colou?rs?|colores|d[ií]as?|days?|horas?|hours?))",
    re.IGNORECASE,
)
_PRICE_IN_WORDS = re.compile(rf"\b(?P<said>{NUMBER_IN_WORDS})\s(?:{_CURRENCY})(?!\w)", re.IGNORECASE)
_STOCK_IN_WORDS = re.compile(
    rf"\b(?P<left>{NUMBER_IN_WORDS})\s(?:{_PIECES}\s?)?(?:are |is )?(?:still )?"
    r"(?:left|remaining|in stock|available|en stock|en existencias?|disponibles?|restantes?)\b"
    rf"|\b(?P<pieces>{NUMBER_IN_WORDS})\s{_PIECES}"
    rf"|\bquedan?\s(?:solo |sólo )?(?P<told>{NUMBER_IN_WORDS})\b"
    rf"(?!\s(?:{_CURRENCY}|tallas?|colores|d[ií]as?|horas?))",
    re.IGNORECASE,
)
# A text without any of these (casefolded) states no price, and no stock: most do not, and to look for these
# strings costs a fiftieth of looking for the numbers beside them.
_HINTS = (
    "€", "$", "£", "eur", "usd", "gbp", "dolar", "dólar", "dollar", "libra", "pound",
    "left", "remaining", "stock", "available", "existencia", "disponible", "restante", "qued",
    "unit", "piece", "pcs", "unidad", "uds", "piez",
)  # fmt: skip
# Without these there is nothing for the two above to find: to look for whole numbers in words at every word
# of an instruction takes a millisecond.
_MAY_BE_PRICE_IN_WORDS = re.compile(rf"[^\W\d_]\s(?:{_CURRENCY})(?!\w)", re.IGNORECASE)
_MAY_BE_STOCK_IN_WORDS = re.compile(
    rf"[^\W\d_]\s(?:{_PIECES}|(?:are |is )?(?:still )?"
    r"(?:left|remaining|in stock|available|en stock|en existencias?|disponibles?|restantes?)\b)"
    r"|\bquedan?\s",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
_DECIMALS = 2
_LEAST_IN_WORDS = 2


class Kind(StrEnum):
    """What a figure says."""

    PRICE = "price"
    STOCK = "stock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number that a text states, and where it stands there."""

    kind: Kind
    value: Decimal
    start: int
    end: int


def figures_in(text: str) -> list[Figure]:
    """Every price and stock in ``text``, in its order."""
    casefolded = text.casefold()
    if not any(hint in casefolded for hint in _HINTS):
        return []
    in_digits = (*_prices(text), *_stocks(text)) if _DIGIT.search(text) else ()
    return sorted((*in_digits, *_in_words(text)), key=lambda figure: figure.start)


@lru_cache(maxsize=64)  # the instruction is the same for every answer, and products are asked for again
def stated_in(text: str) -> frozenset[tuple[Kind, Decimal]]:
    """The prices and stocks that ``text`` states."""
    return frozenset((figure.kind, figure.value) for figure in figures_in(text))


def unstated(text: str, *, stated: Collection[tuple[Kind, Decimal]]) -> list[Figure]:
    """The figures in ``text`` that are not among those ``stated``."""
    return [figure for figure in figures_in(text) if (figure.kind, figure.value) not in stated]


def without(text: str, figures: Collection[Figure], *, mark: str) -> str:
    """``text`` with ``mark`` in place of each of its ``figures``."""
    parts, at = [], 0
    for figure in sorted(figures, key=lambda figure: figure.start):
        if figure.start >= at:
            parts += [text[at : figure.start], mark]
            at = figure.end
    return "".join((*parts, text[at:]))


def _prices(text: str) -> Iterator[Figure]:
    for match in _PRICE.finditer(text):
        value = _decimal(match["after"] or match["before"])
        yield Figure(kind=Kind.PRICE, value=value, start=match.start(), end=match.end())


def _stocks(text: str) -> Iterator[Figure]:
    for match in _STOCK.finditer(text):
        group = match.lastgroup or ""
        yield Figure(
            kind=Kind.STOCK, value=Decimal(match[group]), start=match.start(group), end=match.end(group)
        )


def _in_words(text: str) -> Iterator[Figure]:
    may_be_price, may_be_stock = _MAY_BE_PRICE_IN_WORDS.search(text), _MAY_BE_STOCK_IN_WORDS.search(text)
    if not (may_be_price or may_be_stock) or not mentions_number(text):
        return
    for match in _PRICE_IN_WORDS.finditer(text) if may_be_price else ():
        value = number_of(match["said"])
        yield Figure(kind=Kind.PRICE, value=value, start=match.start(), end=match.end())
    for match in _STOCK_IN_WORDS.finditer(text) if may_be_stock else ():
        group = match.lastgroup or ""
        left = number_of(match[group])
        if left >= _LEAST_IN_WORDS:
            yield Figure(kind=Kind.STOCK, value=left, start=match.start(group), end=match.end(group))


def _decimal(text: str) -> Decimal:
    """The number, whichever of point and comma parts its decimals: three digits after it are thousands."""
    text = re.sub(r"[\u00a0 ]", "", text)
    last = max(text.rfind("."), text.rfind(","))
    if last >= 0 and len(text) - last - 1 <= _DECIMALS:
        whole, fraction = text[:last], text[last + 1 :]
        return Decimal(f"{re.sub(r'[.,]', '', whole)}.{fraction}")
    return Decimal(re.sub(r"[.,]", "", text))

"""Finds amounts of money in an answer that the catalogue does not state: a model makes prices up.

An amount is a number beside a currency: ``19,95 €``, ``€19.95``, ``20 euros``, ``USD 5``. It is fine when
the products shown to the model, the instruction or the person's own question state it.
"""

import re
from collections.abc import Iterable
from decimal import Decimal

_NUMBER = r"\d{1,3}(?:[.,\u00a0 ]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
_CURRENCY = r"€|\$|£|euros?|eur|usd|gbp|d[oó]lar(?:es)?|dollars?|libras?|pounds?"
_AMOUNT = re.compile(
    rf"(?:(?:{_CURRENCY})\s?(?P<after>{_NUMBER})(?![\d.,]*\d))|(?:(?<![\d.,])(?P<before>{_NUMBER})\s?(?:{_CURRENCY})(?!\w))",
    re.IGNORECASE,
)
_DECIMALS = 2


def amounts_in(text: str) -> list[Decimal]:
    """Every amount of money in ``text``, in its order."""
    return [_decimal(match["after"] or match["before"]) for match in _AMOUNT.finditer(text)]


def unknown_amounts(answer: str, *, stated: Iterable[Decimal]) -> list[Decimal]:
    """The amounts in ``answer`` that nobody stated."""
    known = set(stated)
    return [amount for amount in amounts_in(answer) if amount not in known]


def _decimal(text: str) -> Decimal:
    """The number, whichever of point and comma parts its decimals: three digits after it are thousands."""
    text = re.sub(r"[\u00a0 ]", "", text)
    last = max(text.rfind("."), text.rfind(","))
    if last >= 0 and len(text) - last - 1 <= _DECIMALS:
        whole, fraction = text[:last], text[last + 1 :]
        return Decimal(f"{re.sub(r'[.,]', '', whole)}.{fraction}")
    return Decimal(re.sub(r"[.,]", "", text))

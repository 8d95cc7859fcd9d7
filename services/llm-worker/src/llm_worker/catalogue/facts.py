"""What the catalogue says of a few products, for a person to read: prices and stocks, nothing else."""

from collections.abc import Collection, Sequence
from decimal import Decimal

from llm_worker.catalogue.figures import Kind
from llm_worker.catalogue.product import Product
from llm_worker.text import cap, sanitize
from posta.domain.language import Language

_NAME_CHARS = 80


def facts(products: Sequence[Product], language: Language) -> str:
    """One line for each product that has a price or a stock; empty: none has."""
    return "\n".join(line for product in products if (line := _line(product, language)))


def money(amount: Decimal, currency: str, language: Language) -> str:
    """An amount as people of that language write it, with the currency's code."""
    written = f"{amount:.2f}"
    return f"{written.replace('.', ',') if language == 'es' else written} {currency}"


def stated_by(products: Collection[Product]) -> set[tuple[Kind, Decimal]]:
    """The figures of ``products``."""
    prices = {(Kind.PRICE, product.price) for product in products if product.price is not None}
    stocks = {(Kind.STOCK, Decimal(product.stock)) for product in products if product.stock is not None}
    return prices | stocks


def _line(product: Product, language: Language) -> str:
    told = []
    if product.price is not None:
        told.append(money(product.price, product.currency, language))
    if product.stock == 0:
        told.append("agotado" if language == "es" else "sold out")
    elif product.stock is not None:
        told.append(f"{product.stock} {'en stock' if language == 'es' else 'in stock'}")
    return (
        f"- {cap(' '.join(sanitize(product.name).split()), _NAME_CHARS)}: {', '.join(told)}" if told else ""
    )

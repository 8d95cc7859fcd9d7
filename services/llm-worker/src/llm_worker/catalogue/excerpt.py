"""The part of the catalogue that a question's prompt carries: few products, the asked facts first.

intent            products   order
availability      1 to 3     those in stock first
price, size       1 to 3     as found
comparison        2 to 3     cheapest first
none of these     1          as found, one line
"""

from collections.abc import Collection, Sequence
from decimal import Decimal

from llm_worker.catalogue.intent import Intent
from llm_worker.catalogue.product import Product
from llm_worker.text import cap, sanitize

MOST_PRODUCTS = 3
MOST_CHARS = 2000
_DESCRIPTION_CHARS = 240


def excerpt(found: Sequence[Product], intents: Collection[Intent]) -> str:
    """Lines about at most three of the ``found`` products, in at most 2 000 characters; empty: none."""
    chosen = chosen_products(found, intents)
    lines: list[str] = []
    for product in chosen:
        line = _line(product, with_description=bool(intents))
        if sum(len(each) + 1 for each in lines) + len(line) > MOST_CHARS:
            break
        lines.append(line)
    return "\n".join(lines)


def chosen_products(found: Sequence[Product], intents: Collection[Intent]) -> list[Product]:
    """Which of ``found`` the prompt carries."""
    if not intents:
        return list(found[:1])
    chosen = list(found[:MOST_PRODUCTS])
    if Intent.COMPARISON in intents:
        chosen.sort(key=lambda product: (product.price is None, product.price or Decimal(0)))
    elif Intent.AVAILABILITY in intents:
        chosen.sort(key=lambda product: product.stock == 0)
    return chosen


def _line(product: Product, *, with_description: bool) -> str:
    facts = [f"- {_flat(product.name)} (SKU {_flat(product.sku)})"]
    if product.price is not None:
        facts.append(f"price {product.price:.2f} {product.currency}")
    if product.stock is not None:
        facts.append("sold out" if product.stock == 0 else f"{product.stock} in stock")
    if product.sizes:
        facts.append(f"sizes {', '.join(map(_flat, product.sizes))}")
    if product.url:
        facts.append(product.url)
    if with_description and product.description:
        facts.append(cap(_flat(product.description), _DESCRIPTION_CHARS))
    return cap("; ".join(facts), MOST_CHARS)


def _flat(text: str) -> str:
    """On one line, so that no product can pretend to be two, or a block of its own."""
    return " ".join(sanitize(text).split())

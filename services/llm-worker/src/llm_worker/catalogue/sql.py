"""SQL that finds products by their words, alone or beside what else a prompt is made of."""

from collections.abc import Sequence
from typing import Any

from llm_worker.catalogue.product import Product

COLUMNS = "sku, name, description, category, price, currency, stock, sizes, url"
VERSION = "(SELECT coalesce(max(version), 0) FROM catalogue_version)"
"""The number of the last import; 0 before the first."""


def found_column(first: int) -> str:
    """The column ``found``; two parameters from number ``first``: what ``query_of`` gives, most products.

    Materialised, or the words would be stemmed anew for each product.
    """
    return f"""
ARRAY(WITH asked AS MATERIALIZED (
          SELECT to_tsquery('spanish', ${first}) || to_tsquery('english', ${first}) AS query)
      SELECT ROW({COLUMNS}) FROM product, asked WHERE search @@ query
       ORDER BY ts_rank(search, query, 1) DESC, (stock = 0) NULLS FIRST, sku LIMIT ${first + 1}) AS found"""  # noqa: S608 - our own column names


def query_of(words: Sequence[str]) -> str | None:
    """A query for any of the words; None finds nothing."""
    return " | ".join(words) or None


def product_of(values: Sequence[Any]) -> Product:
    """The product of one element of ``found``, or of a row of ``COLUMNS``."""
    fields = dict(zip(COLUMNS.split(", "), values, strict=True))
    return Product(**{**fields, "sizes": tuple(fields["sizes"])})

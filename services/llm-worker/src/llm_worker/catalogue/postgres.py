"""The catalogue in PostgreSQL: imported in one transaction, searched in Spanish and English at once."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from llm_worker.catalogue.product import Diff, Product, diff
from llm_worker.catalogue.trigrams import ALIKE, SHORTEST, likeness, trigrams_of
from llm_worker.words.wording import folded, words_of
from posta.postgres.pool import Connection, Database

_COLUMNS = "sku, name, description, category, price, currency, stock, sizes, url"
_MOST_WORDS = 30
_CANDIDATES = 50
_LOCK = 7_041_010
"""Of the advisory lock that lets one import run at a time."""
_UPSERT = f"""
INSERT INTO product ({_COLUMNS}, version, search, trigrams)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
        setweight(to_tsvector('spanish', $11) || to_tsvector('english', $11), 'A')
        || setweight(to_tsvector('spanish', $12) || to_tsvector('english', $12), 'B')
        || setweight(to_tsvector('spanish', $13) || to_tsvector('english', $13), 'C'), $14)
ON CONFLICT (sku) DO UPDATE SET name = excluded.name, description = excluded.description,
    category = excluded.category, price = excluded.price, currency = excluded.currency,
    stock = excluded.stock, sizes = excluded.sizes, url = excluded.url,
    version = excluded.version, search = excluded.search, trigrams = excluded.trigrams
"""  # noqa: S608 - our own column names
_SEARCH = f"""
WITH asked AS (SELECT to_tsquery('spanish', $1) || to_tsquery('english', $1) AS query),
by_words AS (
    SELECT {_COLUMNS}, row_number() OVER (
               ORDER BY ts_rank(search, query, 1) DESC, (stock = 0) NULLS FIRST, sku) AS place
      FROM product, asked WHERE search @@ query ORDER BY place LIMIT $2
), by_letters AS (
    SELECT {_COLUMNS}, row_number() OVER (ORDER BY sku) AS place FROM product
     WHERE NOT EXISTS (SELECT FROM by_words) AND trigrams && $3 ORDER BY sku LIMIT $4
)
SELECT true AS exact, * FROM by_words UNION ALL SELECT false, * FROM by_letters ORDER BY place
"""  # noqa: S608


class Catalogue:
    """The products for sale. Every call raises ``Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version(self) -> int:
        """The number of the last import; 0 before the first. Answers are cached per version."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval("SELECT coalesce(max(version), 0) FROM catalogue_version"))

    async def plan(self, products: dict[str, Product], *, replace: bool) -> Diff:
        """What importing ``products`` would change, without changing it."""
        async with self._database.connection() as connection:
            return diff(await _all(connection), products, replace=replace)

    async def load(self, products: dict[str, Product], *, source: str, replace: bool) -> Diff:
        """Add and change ``products``, and with ``replace`` remove all others; all of it or nothing."""
        async with self._database.transaction() as connection:
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)
            changes = diff(await _all(connection), products, replace=replace)
            if changes.is_empty:
                return changes
            version = await connection.fetchval(
                "INSERT INTO catalogue_version (source, added, changed, removed) VALUES ($1, $2, $3, $4)"
                " RETURNING version",
                source, len(changes.added), len(changes.changed), len(changes.removed),
            )  # fmt: skip
            skus = (*changes.added, *(sku for sku, _ in changes.changed))
            await connection.executemany(_UPSERT, [_row(products[sku], version) for sku in skus])
            await connection.execute("DELETE FROM product WHERE sku = ANY($1)", list(changes.removed))
            return changes

    async def search(self, text: str, *, limit: int = 3) -> list[Product]:
        """The products that ``text`` speaks of, best first.

        Words are looked up by their stems; if that finds nothing, mistyped ones by their letters.
        """
        words = _search_words(text)
        if not words:
            return []
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SEARCH, " | ".join(words), limit, trigrams_of(words), _CANDIDATES)
        chosen = rows if rows and rows[0]["exact"] else _most_alike(rows, words)[:limit]
        return [_product(row) for row in chosen]


def _search_words(text: str) -> list[str]:
    """Distinct words, the longest first: a question has few that name a product."""
    return sorted({word for word in words_of(text) if len(word) > 1}, key=lambda word: (-len(word), word))[
        :_MOST_WORDS
    ]


def _most_alike(rows: Sequence[Any], words: Sequence[str]) -> list[Any]:
    """Of products found by their letters those whose name has a word that was meant, best first."""
    asked = [word for word in words if len(word) >= SHORTEST]
    scored = [
        (
            max((likeness(word, own) for word in asked for own in _words_of_name(row["name"])), default=0.0),
            row,
        )
        for row in rows
    ]
    return [
        row for score, row in sorted(scored, key=lambda pair: (-pair[0], pair[1]["sku"])) if score >= ALIKE
    ]


@lru_cache(maxsize=4096)  # the catalogue's come again with each question
def _words_of_name(name: str) -> tuple[str, ...]:
    return words_of(name)


async def _all(connection: Connection) -> dict[str, Product]:
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM product")  # noqa: S608
    return {row["sku"]: _product(row) for row in rows}


def _product(row: Any) -> Product:
    columns = {name: row[name] for name in _COLUMNS.split(", ")}
    return Product(**{**columns, "sizes": tuple(row["sizes"])})


def _row(product: Product, version: int) -> tuple[Any, ...]:
    return (
        product.sku, product.name, product.description, product.category, product.price, product.currency,
        product.stock, list(product.sizes), product.url, version,
        folded(f"{product.name} {product.sku}"), folded(product.category), folded(product.description),
        trigrams_of(words_of(product.name)),
    )  # fmt: skip

"""The catalogue in PostgreSQL: imported in one transaction, searched in Spanish and English at once."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

from llm_worker.catalogue.excerpt import MOST_PRODUCTS
from llm_worker.catalogue.product import Diff, Product, diff
from llm_worker.catalogue.spelling import Spelling
from llm_worker.catalogue.sql import COLUMNS, VERSION, found_column, product_of, query_of
from llm_worker.catalogue.summary import SUMMARY, Summary
from llm_worker.words.wording import folded, words_of
from posta.postgres.pool import Connection, Database

_MOST_WORDS = 30
_LOCK = 7_041_010
"""Of the advisory lock that lets one import run at a time."""
_UPSERT = f"""
INSERT INTO product ({COLUMNS}, version, search)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
        setweight(to_tsvector('spanish', $11) || to_tsvector('english', $11), 'A')
        || setweight(to_tsvector('spanish', $12) || to_tsvector('english', $12), 'B')
        || setweight(to_tsvector('spanish', $13) || to_tsvector('english', $13), 'C'))
ON CONFLICT (sku) DO UPDATE SET name = excluded.name, description = excluded.description,
    category = excluded.category, price = excluded.price, currency = excluded.currency,
    stock = excluded.stock, sizes = excluded.sizes, url = excluded.url,
    version = excluded.version, search = excluded.search
"""  # noqa: S608 - our own column names
_SEARCH = f"SELECT {VERSION} AS version, {found_column(1)}"


class Catalogue:
    """The products for sale. Every call raises ``Unavailable`` while the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._spelling = Spelling()
        self._spelled_version = 0
        self._reading = asyncio.Lock()

    async def version(self) -> int:
        """The number of the last import; 0 before the first. Answers are cached per version."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval(f"SELECT {VERSION}"))

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

    async def summary(self) -> Summary:
        """What it says as a whole."""
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(SUMMARY)
        return Summary(**{**row, "sizes": tuple(row["sizes"])})

    async def search(self, text: str) -> list[Product]:
        """The products that ``text`` speaks of, best first, and no more than a prompt carries.

        Words are looked up by their stems; if that finds nothing, mistyped ones by their letters.
        """
        words = searched_words(text)
        if not words:
            return []
        return await self.found(await self._look(words), words)

    async def found(self, row: Any, words: Iterable[str]) -> list[Product]:
        """What the ``found_column`` and the ``version`` of a row tell; mistyped words are looked up by it."""
        found = [product_of(values) for values in row["found"]]
        if found:
            return found
        meant = (await self._spelled(row["version"])).meant(words)
        if not meant:
            return []
        return [product_of(values) for values in (await self._look(meant))["found"]]

    async def _look(self, words: Sequence[str]) -> Any:
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(_SEARCH, query_of(words), MOST_PRODUCTS)
        return row

    async def _spelled(self, version: int) -> Spelling:
        """How the names of that version of the catalogue are spelled."""
        async with self._reading:
            if version != self._spelled_version:
                async with self._database.connection() as connection:
                    names = [row["name"] for row in await connection.fetch("SELECT name FROM product")]
                # Beside the loop: a large shop has hundreds of thousands of words.
                self._spelling = await asyncio.to_thread(_spelling_of, names)
                self._spelled_version = version
            return self._spelling


def searched_words(text: str) -> list[str]:
    """Distinct words, the longest first: a question has few that name a product."""
    return sorted({word for word in words_of(text) if len(word) > 1}, key=lambda word: (-len(word), word))[
        :_MOST_WORDS
    ]


def _spelling_of(names: Iterable[str]) -> Spelling:
    return Spelling(word for name in names for word in words_of(name))


async def _all(connection: Connection) -> dict[str, Product]:
    rows = await connection.fetch(f"SELECT {COLUMNS} FROM product")  # noqa: S608 - our own column names
    return {row["sku"]: product_of(tuple(row)) for row in rows}


def _row(product: Product, version: int) -> tuple[Any, ...]:
    return (
        product.sku, product.name, product.description, product.category, product.price, product.currency,
        product.stock, list(product.sizes), product.url, version,
        folded(f"{product.name} {product.sku}"), folded(product.category), folded(product.description),
    )  # fmt: skip

"""Looks up what a prompt is made of: what was said before and what is for sale, in one round trip."""

from dataclasses import dataclass

from llm_worker.catalogue.excerpt import MOST_PRODUCTS
from llm_worker.catalogue.postgres import Catalogue, searched_words
from llm_worker.catalogue.product import Product
from llm_worker.catalogue.sql import VERSION, found_column, query_of
from llm_worker.conversation.sql import past_columns, past_of
from llm_worker.conversation.turn import Past
from posta.postgres.pool import Database

_LOOK_UP = f"SELECT {VERSION} AS version, {past_columns(1)}, {found_column(3)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sourced:
    """What was found."""

    past: Past
    products: list[Product]
    """Best first."""
    catalogue_version: int
    """0: there is no catalogue."""


class Sources:
    """See the module."""

    def __init__(self, database: Database, catalogue: Catalogue) -> None:
        self._database = database
        self._catalogue = catalogue

    async def look_up(self, conversation: str, text: str, *, turns: int) -> Sourced:
        """The last ``turns`` turns, and the products that ``text`` speaks of. Raises ``Unavailable``."""
        words = searched_words(text)
        async with self._database.connection() as connection:
            (row,) = await connection.fetch(_LOOK_UP, conversation, turns, query_of(words), MOST_PRODUCTS)
        products = await self._catalogue.found(row, words)
        return Sourced(past=past_of(row), products=products, catalogue_version=row["version"])

"""The catalogue in PostgreSQL: imported whole or not at all, found in two languages and with typos."""

import asyncio
from decimal import Decimal

import pytest

from llm_worker.catalogue.postgres import Catalogue
from llm_worker.catalogue.product import Product
from posta.postgres.migrations import migrate
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings

pytestmark = pytest.mark.integration
GOODS = {
    product.sku: product
    for product in (
        Product(
            sku="S-1", name="Sudadera con capucha", category="Sudaderas", price=Decimal("29.95"), stock=4
        ),
        Product(sku="C-1", name="Camisetas de algodón", category="Camisetas", price=Decimal("9.95"), stock=0),
        Product(sku="J-1", name="Waterproof jackets", description="For rainy days", price=Decimal("79.00")),
    )
}


@pytest.fixture
async def catalogue(database_url):
    await migrate(database_url)
    database = Database(DatabaseSettings(url=database_url), application="catalogue-test")
    yield Catalogue(database)
    await database.close()


async def test_an_import_adds_changes_and_removes_and_counts_a_version_each_time(catalogue):
    assert await catalogue.version() == 0
    assert (await catalogue.plan(GOODS, replace=False)).added == ("C-1", "J-1", "S-1")
    assert await catalogue.version() == 0
    await catalogue.load(GOODS, source="goods.csv", replace=False)
    assert await catalogue.version() == 1

    again = await catalogue.load(GOODS, source="goods.csv", replace=False)
    assert again.is_empty
    assert await catalogue.version() == 1

    cheaper = {"S-1": Product(sku="S-1", name="Sudadera con capucha", price=Decimal("19.95"), stock=4)}
    changes = await catalogue.load(cheaper, source="sale.csv", replace=True)
    assert (changes.changed, changes.removed) == ((("S-1", ("category", "price")),), ("C-1", "J-1"))
    assert [product.price for product in await catalogue.search("sudadera")] == [Decimal("19.95")]
    assert await catalogue.search("camiseta") == []
    assert await catalogue.version() == 2


@pytest.mark.parametrize(
    ("text", "sku"),
    [
        ("¿Cuánto cuestan las sudaderas?", "S-1"),
        ("camiseta de algodon", "C-1"),
        ("Do you have a waterproof jacket?", "J-1"),
        ("something for a rainy day", "J-1"),
        ("una sudaera azul", "S-1"),
        ("watterproof", "J-1"),
    ],
)
async def test_a_product_is_found_by_its_stems_in_both_languages_and_when_mistyped(catalogue, text, sku):
    await catalogue.load(GOODS, source="goods.csv", replace=False)
    found = await catalogue.search(text)
    assert found
    assert found[0].sku == sku


@pytest.mark.parametrize(
    "text", ["", "¿?", "xyzzy plugh", "'; DROP TABLE product; --", "a & | ! ( )", "\x00"]
)
async def test_a_text_that_names_no_product_finds_none_and_harms_none(catalogue, text):
    await catalogue.load(GOODS, source="goods.csv", replace=False)
    assert await catalogue.search(text) == []
    assert len(await catalogue.search("sudadera camiseta jackets")) == 3


async def test_a_mistyped_product_is_found_among_thousands_whose_words_share_letters_with_it(catalogue):
    many = {f"A-{n:04}": Product(sku=f"A-{n:04}", name=f"Pantalón estampado {n}") for n in range(2_000)}
    await catalogue.load(many | GOODS, source="goods.csv", replace=False)
    found = await catalogue.search("una sudaera para estar en casa")
    assert [product.sku for product in found] == ["S-1"]


async def test_a_word_of_a_new_import_is_set_right_too(catalogue):
    await catalogue.load(GOODS, source="goods.csv", replace=False)
    assert await catalogue.search("gorroo") == []
    cap = {"G-1": Product(sku="G-1", name="Gorro de lana")}
    await catalogue.load(cap, source="caps.csv", replace=False)
    assert [product.sku for product in await catalogue.search("gorroo")] == ["G-1"]


async def test_two_imports_at_once_take_turns(catalogue):
    await asyncio.gather(*(catalogue.load(GOODS, source=f"{n}.csv", replace=True) for n in range(4)))
    assert await catalogue.version() == 1

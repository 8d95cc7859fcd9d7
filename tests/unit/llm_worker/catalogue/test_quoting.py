"""What of the catalogue a prompt carries, and which amounts of an answer nobody stated."""

import time
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_worker.catalogue.excerpt import MOST_CHARS, excerpt
from llm_worker.catalogue.facts import facts, stated_by
from llm_worker.catalogue.figures import Kind, figures_in, unstated, without
from llm_worker.catalogue.intent import Intent, intents_of
from llm_worker.catalogue.product import Product

DEAR = Product(
    sku="D", name="Dear", price=Decimal("90.00"), stock=0, description="Of wool.", sizes=("S", "M")
)
FAIR = Product(sku="F", name="Fair", price=Decimal("20.00"), stock=3, url="https://shop.example/f")
FREE = Product(sku="N", name="No price")


@pytest.mark.parametrize(
    ("text", "intents"),
    [
        ("¿Cuánto cuesta la sudadera?", {Intent.PRICE}),
        ("Is the hoodie in stock?", {Intent.AVAILABILITY}),
        ("¿Qué talla me recomiendas?", {Intent.SIZE, Intent.COMPARISON}),
        ("What is the difference between the two jackets?", {Intent.COMPARISON}),
        ("¿Os queda la gorra en XL y cuánto vale?", {Intent.AVAILABILITY, Intent.SIZE, Intent.PRICE}),
        ("Tell me a joke", set()),
    ],
)
def test_what_is_asked_of_a_product_is_found_without_a_model(text, intents):
    assert intents_of(text) == intents


def test_the_excerpt_states_price_stock_sizes_and_page():
    text = excerpt([DEAR, FAIR], {Intent.PRICE})
    assert text.splitlines() == [
        "- Dear (SKU D); price 90.00 EUR; sold out; sizes S, M; Of wool.",
        "- Fair (SKU F); price 20.00 EUR; 3 in stock; https://shop.example/f",
    ]


def test_what_is_in_stock_comes_first_when_that_is_asked_and_the_cheapest_when_comparing():
    assert excerpt([DEAR, FAIR], {Intent.AVAILABILITY}).startswith("- Fair")
    assert excerpt([DEAR, FREE, FAIR], {Intent.COMPARISON}).index("Fair") < 5


def test_without_an_intent_one_product_is_enough_and_a_fourth_is_never_shown():
    assert len(excerpt([DEAR, FAIR], set()).splitlines()) == 1
    assert len(excerpt([DEAR, FAIR, FREE, DEAR], {Intent.PRICE}).splitlines()) == 3
    assert excerpt([], {Intent.PRICE}) == ""


@given(st.lists(st.builds(Product, sku=st.text(), name=st.text(), description=st.text()), max_size=5))
def test_the_excerpt_keeps_its_bounds_and_one_line_for_each_product(products):
    text = excerpt(products, {Intent.PRICE})
    assert len(text) <= MOST_CHARS
    assert len(text.split("\n")) <= 3


@pytest.mark.parametrize(
    ("text", "prices"),
    [
        ("Cuesta 19,95 €.", ["19.95"]),
        ("It is €19.95 or $5", ["19.95", "5"]),
        ("1.299,00 € and 1,299.50 EUR", ["1299.00", "1299.50"]),
        ("20 euros, USD 7", ["20", "7"]),
        ("3 shirts in 24 hours, size 42", []),
        ("2.500 euros", ["2500"]),
    ],
)
def test_prices_are_read_as_people_write_them(text, prices):
    assert [(figure.kind, figure.value) for figure in figures_in(text)] == [
        (Kind.PRICE, Decimal(price)) for price in prices
    ]


@pytest.mark.parametrize(
    ("text", "stocks"),
    [
        ("There are 3 left.", [3]),
        ("Only 12 in stock, 2 units reserved", [12, 2]),
        ("We have 5 pieces; 7 are still available", [5, 7]),
        ("Quedan 4 en la talla M", [4]),
        ("quedan solo 2 unidades", [2]),
        ("Stock: 15. Hay 6 disponibles", [15, 6]),
        ("It is sold out", []),
        ("quedan 3 tallas y 2 días, stock de 5 €", []),
        ("We have 3 shops, 24 hours a day", []),
    ],
)
def test_stocks_are_read_as_people_write_them(text, stocks):
    found = [figure for figure in figures_in(text) if figure.kind is Kind.STOCK]
    assert [int(figure.value) for figure in found] == stocks


def test_a_figure_that_nobody_stated_is_found_and_can_be_taken_out():
    stated = {(Kind.PRICE, Decimal("19.95")), (Kind.STOCK, Decimal(4))}
    assert unstated("19,95 €, 4 in stock", stated=stated) == []
    text = "Only 18,95 € today, 3 left, not 19.95 €!"
    wrong = unstated(text, stated=stated)
    assert [(figure.kind, figure.value) for figure in wrong] == [
        (Kind.PRICE, Decimal("18.95")),
        (Kind.STOCK, Decimal(3)),
    ]
    assert without(text, wrong, mark="#") == "Only # today, # left, not 19.95 €!"


@given(st.text())
def test_no_text_upsets_the_reading_of_figures(text):
    found = figures_in(text)
    assert all(figure.value >= 0 for figure in found)
    assert len(without(text, found, mark="")) <= len(text)


@pytest.mark.parametrize("piece", ["1 ", "111 ", "1", "1.111", "€", "quedan ", "1 unidades "])
def test_hostile_text_is_read_in_a_time_that_grows_with_its_length_only(piece):
    begun = time.process_time()
    figures_in(piece * (100_000 // len(piece)))
    assert time.process_time() - begun < 1


def test_the_facts_of_products_are_told_in_the_persons_language():
    assert facts([DEAR, FAIR, FREE], "en").splitlines() == [
        "- Dear: 90.00 EUR, sold out",
        "- Fair: 20.00 EUR, 3 in stock",
    ]
    assert facts([DEAR, FAIR], "es").splitlines() == [
        "- Dear: 90,00 EUR, agotado",
        "- Fair: 20,00 EUR, 3 en stock",
    ]
    assert stated_by([DEAR, FREE]) == {(Kind.PRICE, Decimal("90.00")), (Kind.STOCK, Decimal(0))}


@pytest.mark.parametrize(
    "spelled", [str.lower, str.upper, str.title, lambda text: text.replace("s", "\u017f")]
)
@pytest.mark.parametrize(
    "text",
    [
        "5 €", "$5", "£ 5", "5 euros", "5 eur", "USD 5", "5 gbp", "5 dólares", "5 dolar", "5 dollars",
        "5 libras", "5 pounds", "3 left", "3 remaining", "3 in stock", "3 available", "3 en stock",
        "3 en existencias", "3 disponibles", "3 restantes", "3 units", "3 pieces", "3 pcs", "3 unidades",
        "3 uds.", "3 piezas", "queda 3", "quedan 3", "stock: 3", "existencias: 3", "twenty euros",
        "quedan tres", "three left", "tres unidades",
    ],
)  # fmt: skip
def test_every_word_that_makes_a_number_a_figure_is_looked_for_in_any_case(text, spelled):
    assert len(figures_in(f"well, {spelled(text)} then")) == 1

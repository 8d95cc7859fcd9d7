"""Numbers in words, English and Spanish, and the prices and stocks that are stated by them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_worker.catalogue import figures
from llm_worker.catalogue.figures import Kind, figures_in
from llm_worker.catalogue.number_words import number_of


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("seven", "7"),
        ("twenty-five", "25"),
        ("one hundred and five", "105"),
        ("two hundred fifty", "250"),
        ("a hundred".removeprefix("a "), "100"),
        ("twelve thousand three hundred and forty-five", "12345"),
        ("twenty-nine ninety-five", "29.95"),
        ("veinte", "20"),
        ("veintidós", "22"),
        ("veintidos", "22"),
        ("treinta y cinco", "35"),
        ("ciento veinte", "120"),
        ("doscientas cuarenta y una", "241"),
        ("mil doscientos", "1200"),
        ("tres mil quinientos", "3500"),
        ("veintinueve con noventa y cinco", "29.95"),
    ],
)
def test_a_number_in_words_is_read(words, number):
    assert number_of(words) == Decimal(number)


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("It costs twenty euros.", Kind.PRICE, "20"),
        ("Cuesta veinte euros.", Kind.PRICE, "20"),
        ("For twenty-nine ninety-five dollars it is yours", Kind.PRICE, "29.95"),
        ("Son ciento veinte euros en total", Kind.PRICE, "120"),
        ("There are three left.", Kind.STOCK, "3"),
        ("We have twelve in stock", Kind.STOCK, "12"),
        ("Quedan cuatro.", Kind.STOCK, "4"),
        ("Tenemos dos unidades", Kind.STOCK, "2"),
    ],
)
def test_what_is_stated_in_words_is_a_figure_like_one_in_digits(text, kind, value):
    (found,) = figures_in(text)
    assert (found.kind, found.value) == (kind, Decimal(value))


@pytest.mark.parametrize(
    "text",
    [
        "This is the one available in blue.",
        "Es la única disponible, una pieza única",
        "It takes two days and one visit.",
        "Quedan tres días para que llegue",
        "There are two sizes",
        "someone left", "at seven in the evening",
    ],
)  # fmt: skip
def test_other_numbers_in_words_are_no_figures(text):
    assert figures_in(text) == []


@pytest.mark.slow
def test_hostile_text_is_read_quickly():
    assert figures_in("twenty " * 20_000) == []


@given(
    st.lists(
        st.sampled_from(
            [
                "twenty",
                "veinte",
                "five",
                "y",
                "and",
                "mil",
                "euros",
                "€",
                "EUR",
                "$",
                "left",
                "remaining",
                "units",
                "unidades",
                "are",
                "still",
                "in",
                "stock",
                "disponibles",
                "quedan",
                "solo",
                "tallas",
                "the",
                "la",
                "3",
                "19,95",
                ".",
                ",",
                "\n",
                "-",
                "ten",
                "cien",
            ]
        ),
        max_size=12,
    ).map(" ".join)
)
def test_what_is_seen_at_a_glance_misses_nothing(text):
    """The quick look decides only whether the long one is worth it."""
    expected = {(m.start(), m.end()) for m in figures._PRICE_IN_WORDS.finditer(text)}
    stocks = [(m, m.lastgroup or "") for m in figures._STOCK_IN_WORDS.finditer(text)]
    expected |= {(m.start(g), m.end(g)) for m, g in stocks if number_of(m[g]) >= 2}
    assert {(one.start, one.end) for one in figures._in_words(text)} == expected

"""Words of names that a mistyped word may be: found without looking at all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_worker.catalogue.spelling import Spelling
from llm_worker.catalogue.trigrams import ALIKE, LONGEST, SHORTEST, likeness, trigrams

WORDS = st.text("abdeors", min_size=SHORTEST, max_size=12)

SPELLING = Spelling(["sudadera", "sudaderas", "camiseta", "waterproof", "gorro", "top"])


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (["sudaera"], ["sudadera"]),
        (["sudaderass"], ["sudaderas"]),
        (["watterproof", "camisseta"], ["camiseta", "waterproof"]),
        (["donde", "esta", "mi", "pedido"], []),
        (["tpo"], []),
        (["topp"], []),
        ([""], []),
        ([], []),
    ],
    ids=["a letter missing", "the nearest only", "each word", "other words", "short", "of a short one",
         "empty", "none"],
)  # fmt: skip
def test_a_mistyped_word_means_the_words_of_names_that_are_most_alike(asked, meant):
    assert SPELLING.meant(asked) == meant


def test_without_names_nothing_is_meant():
    assert Spelling().meant(["sudadera"]) == []


def test_how_alike_two_words_are_is_what_they_share_of_all_groups():
    assert likeness(trigrams("sudaera"), trigrams("sudadera")) == 6 / 11
    assert likeness(trigrams("sudadera"), trigrams("sudadera")) == 1
    assert likeness(trigrams("gorra"), trigrams("sudadera")) < ALIKE


@given(st.lists(WORDS, max_size=30), WORDS)
def test_nobody_alike_enough_is_overlooked(names, asked):
    scores = {name: likeness(trigrams(asked), trigrams(name)) for name in names}
    best = max(scores.values(), default=0.0)
    most_alike = sorted(name for name, score in scores.items() if score == best >= ALIKE)
    assert Spelling(names).meant([asked]) == most_alike


def test_a_word_that_is_longer_than_any_name_is_not_looked_at():
    word = "sudadera" * 1_000
    assert Spelling([word]).meant([word]) == []
    assert Spelling(["s" * LONGEST]).meant(["s" * LONGEST]) == ["s" * LONGEST]

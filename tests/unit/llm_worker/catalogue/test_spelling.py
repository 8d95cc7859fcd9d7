import pytest

from llm_worker.catalogue.spelling import Spelling

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

"""Which concepts are found in words, and which words each covers."""

import pytest

from llm_worker.words.vocabulary import Vocabulary

VOCABULARY = Vocabulary.of(
    {
        "shipping": ["envio", "envi*", "ship"],
        "how_long": ["how long", "cuanto tard*"],
        "home": ["a casa"],
        "letter": ["m"],
    }
)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("how long ship", {"how_long": {0, 1}, "shipping": {2}}, id="several words in a row"),
        pytest.param("how ship long", {"shipping": {1}}, id="not in a row"),
        pytest.param("enviarais", {"shipping": {0}}, id="the beginning of a word"),
        pytest.param("cuanto tardaria", {"how_long": {0, 1}}, id="the beginning of the second word"),
        pytest.param("shipyard", {}, id="a whole word is no beginning"),
        pytest.param("how", {}, id="cut off"),
        pytest.param("m m", {"letter": {0, 1}}, id="one letter, twice"),
        pytest.param("", {}, id="nothing"),
        pytest.param("envio a casa", {"shipping": {0}, "home": {1, 2}}, id="two concepts"),
    ],
)
def test_a_concept_covers_the_words_of_its_terms(words, expected):
    assert VOCABULARY.find(tuple(words.split())) == expected


def test_a_word_longer_than_any_term_is_found_by_its_beginning_alone():
    vocabulary = Vocabulary.of({"whole": ["a" * 60], "begun": ["a" * 60 + "*"]})
    assert vocabulary.find(["a" * 60]) == {"whole": {0}, "begun": {0}}
    for more in ("a", "b" * 10_000):
        assert vocabulary.find(["a" * 60 + more]) == {"begun": {0}}


def test_one_word_may_belong_to_two_concepts():
    both = Vocabulary.of({"a": ["size"], "b": ["size*"]})
    assert both.find(("size",)) == {"a": {0}, "b": {0}}

"""Which questions are the same, and which answers are nobody else's."""

import pytest

from llm_worker.cache.key import cache_key


def _key(text, scope="guild:1", language="es", context="1:a"):
    return cache_key(text, scope=scope, language=language, context=context)


def test_the_same_question_in_other_dress_has_the_same_name():
    key = _key("¿Qué material es la sudadera básica?")
    assert key is not None
    assert _key("Hola, buenas: que MATERIAL es la sudadera basica") == key


@pytest.mark.parametrize(
    "other", [{"scope": "guild:2"}, {"language": "en"}, {"context": "2:a"}, {"context": "1:b"}]
)
def test_another_scope_language_catalogue_or_instruction_has_another_name(other):
    assert _key("What is it made of?", **other) != _key("What is it made of?")


@pytest.mark.parametrize(
    "text",
    [
        "Where is my order?",
        "¿Dónde está mi pedido de ayer?",
        "What about 123456 then?",
        "My mail is marina@shop.example, what now?",
        "Me llamo Marina, ¿qué talla uso?",
        "I am allergic to wool, is this wool?",
        "Look at https://x.example/y, is it true?",
        "Is <@99> the owner here?",
        "Size?",
        "",
        "palabra " * 61,
    ],
)
def test_a_personal_a_tiny_or_a_long_question_has_none(text):
    assert _key(text) is None

"""Which questions are the same, and which answers are nobody else's."""

import pytest

from llm_worker.cache.key import cache_key


def _key(text, scope="guild:1", language="es", instruction="a"):
    return cache_key(text, scope=scope, language=language, instruction=instruction)


def test_the_same_question_in_other_dress_has_the_same_name():
    key = _key("¿Qué material es la sudadera básica?")
    assert key is not None
    assert _key("Hola, buenas: que MATERIAL es la sudadera basica") == key


@pytest.mark.parametrize("other", [{"scope": "guild:2"}, {"language": "en"}, {"instruction": "b"}])
def test_another_scope_language_or_instruction_has_another_name(other):
    assert _key("What is it made of?", **other) != _key("What is it made of?")


@pytest.mark.parametrize(
    "text",
    [
        "Is the order from Friday on its way?",
        "I paid twice, can you look?",
        "I ordered two hoodies last week, where are they?",
        "The name is Ana, is everything fine?",
        "Can you call me Mrs Carter, please?",
        "What about number #77 from last week?",
        "Is mine still in the warehouse?",
        "Our parcel is broken, what now?",
        "¿Ha salido ya el pedido del viernes?",
        "Pagué dos veces, ¿podéis mirarlo?",
        "He pedido dos sudaderas, ¿dónde están?",
        "Soy Marta, ¿está todo bien?",
        "¿Podéis llamar a la Sra. García?",
        "¿Qué pasa con el nº 77 de la semana pasada?",
        "¿El mío sigue en el almacén?",
        "Nuestro paquete llegó roto, ¿qué hacemos?",
        "Me habéis cobrado dos veces el envío",
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


@pytest.mark.parametrize(
    "text",
    [
        "What is the hoodie made of?",
        "Do you have a black cap in size L?",
        "How do I wash wool?",
        "¿De qué está hecha la sudadera?",
        "¿Tenéis gorras negras en la talla L?",
        "¿Cómo se lava la lana?",
    ],
)
def test_a_question_that_anybody_might_ask_has_one(text):
    assert _key(text) is not None

import pytest
from hypothesis import given
from hypothesis import strategies as st

from email_poller.language_guess import guess_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Hello, what are the opening hours of the shop?", "en"),
        ("Hola, ¿cuál es el horario de la tienda?", "es"),
        ("cuanto cuesta el envio a mexico por favor", "es"),
        ("No internet on my phone, please help", "en"),
        ("Precio", "en"),
        ("¿Precio?", "es"),
        ("", "en"),
        ("12345 !!!", "en"),
        ("The word 'para' appears here but the text is in English", "en"),
    ],
)
def test_the_language_is_the_one_of_the_small_words(text, language):
    assert guess_language(text) == language


def test_the_subject_counts_too():
    assert guess_language("Precio", "Hola, una pregunta sobre el envío") == "es"


@given(st.text())
def test_any_text_has_a_language(text):
    assert guess_language(text) in ("en", "es")

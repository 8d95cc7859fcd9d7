"""What is left of a question when all that says nothing is taken away."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_worker.words.wording import folded, words_of

_ASKED = ("do", "you", "ship")


@pytest.mark.parametrize(
    "text",
    [
        "Do you ship?",
        "  DO   you SHIP ???",
        "Hi there, do you ship?",
        "Hola! Buenas tardes: do you ship?",
        "Do you ship? Thanks, Sam",
        "Do you ship? Thank you. Kind regards, Ana María Gil",
        "Do you ship?, gracias, un saludo. Marta",
        "Do you ship?\n\nBest regards,\nEmily Carter\nAcme Ltd.",
        "Do you ship?\n-- \nSam\nhttps://example.org",
        "Do you ship?\nSent from my phone",
        "> How do I return this?\nDo you ship?\n> Earlier",
    ],
)
def test_greetings_closings_names_signatures_and_quotes_say_nothing(text):
    assert words_of(text) == _ASKED


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("Do you ship? Thanks, and can I pay later", "later"),
        ("Do you ship? Thanks. Can I pay later?", "later"),
        ("Do you ship? thanks, express", "express"),
        ("which one is best, Nike or Puma", "puma"),
    ],
)
def test_a_second_question_after_a_closing_is_no_name(text, last):
    assert words_of(text)[-1] == last


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Envío", "envio"), ("CAÑÓN", "canon"), ("ﬁne", "fine"), ("Straße", "strasse")],
)
def test_case_accents_and_ligatures_are_folded(text, expected):
    assert folded(text) == expected


@given(st.text(max_size=300))
def test_any_text_has_words_of_plain_letters_and_digits_only(text):
    assert all(word.isascii() and word.isalnum() and word == word.lower() for word in words_of(text))


@pytest.mark.parametrize("greeting", ["Hola,", "Hi there,", "Buenos días:", "Dear team,"])
def test_a_greeting_after_a_mails_subject_is_no_part_of_the_question(greeting):
    assert words_of(f"Gastos de envío\n{greeting}\n\n¿Cuánto cuesta?") == words_of(
        "Gastos de envío\n¿Cuánto cuesta?"
    )
    assert words_of(f"Gastos de envío\n{greeting} ¿cuánto cuesta?")[-2:] == ("cuanto", "cuesta")

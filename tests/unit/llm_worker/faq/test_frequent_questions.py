"""Which frequent question a text is, and that a different one is left to the model."""

from pathlib import Path

import pytest

from llm_worker.faq.file import read_faq
from llm_worker.faq.matcher import MOST_WORDS
from llm_worker.words.wording import words_of
from posta.errors import ConfigurationError

_CONFIG = Path(__file__).parents[4] / "deploy" / "config"
FAQ = read_faq(_CONFIG / "faq.yaml")
MATCHER = FAQ.matcher()
KNOWN = [
    ("shipping-time", "¿En cuánto tiempo llega mi pedido a casa?"),
    ("shipping-time", "cuantos dias tarda en llegar un pedido"),
    ("shipping-time", "What are your delivery times?"),
    ("shipping-time", "when would my order arrive if I buy today?"),
    ("shipping-time", "¿Cuándo me llegaría el pedido si lo hago hoy?"),
    ("shipping-cost", "gastos de envío?"),
    ("shipping-cost", "How much do you charge for delivery?"),
    ("shipping-cost", "¿Qué precio tiene el envío?"),
    ("shipping-free", "¿El envío es gratuito?"),
    ("shipping-free", "Do you offer free shipping?"),
    ("shipping-free", "From what amount is delivery free?"),
    ("shipping-where", "¿Hacéis envíos a Canarias?"),
    ("shipping-where", "Which countries do you deliver to?"),
    ("shipping-where", "Do you ship internationally?"),
    ("payment-methods", "What payment methods do you accept?"),
    ("payment-methods", "Do you take American Express?"),
    ("payment-methods", "¿Aceptáis transferencia bancaria?"),
    ("payment-methods", "formas de pago"),
    ("payment-methods", "¿Se puede pagar contra reembolso?"),
    ("payment-instalments", "¿Puedo pagar a plazos?"),
    ("payment-instalments", "Can I pay in instalments?"),
    ("payment-security", "¿Es seguro pagar con tarjeta en vuestra web?"),
    ("return-window", "¿Cuántos días tengo para devolver un producto?"),
    ("return-window", "How long do I have to return something?"),
    ("return-window", "What is the return period?"),
    ("return-how", "¿Cómo hago una devolución?"),
    ("return-how", "Quiero cambiar una prenda por otra talla, ¿cómo lo hago?"),
    ("return-how", "How can I exchange a t-shirt for another size?"),
    ("return-how", "I'd like to return my order because it doesn't fit"),
    ("return-cost", "¿Las devoluciones son gratis?"),
    ("return-cost", "Do I have to pay for returns?"),
    ("return-cost", "¿Cuánto cuesta devolver un pedido?"),
    ("refund-time", "¿Cuánto tarda el reembolso?"),
    ("refund-time", "when do I get my refund?"),
    ("refund-time", "How long do refunds take?"),
    ("size-guide", "¿Tenéis guía de tallas?"),
    ("size-guide", "Where can I find the size chart?"),
    ("size-guide", "¿Cómo sé cuál es mi talla?"),
    ("size-guide", "Do your clothes run small?"),
    ("size-between", "Estoy entre la M y la L, ¿cuál elijo?"),
    ("size-range", "What sizes do you have?"),
    ("size-range", "¿Hasta qué talla tenéis?"),
    ("stock-check", "How do I know if something is in stock?"),
    ("stock-check", "¿Cómo puedo ver si hay existencias?"),
    ("stock-restock", "¿Cuándo repondréis los vaqueros?"),
    ("stock-restock", "When will it be back in stock?"),
    ("stock-restock", "Está agotado, ¿vais a reponer?"),
    ("stock-restock", "Can you notify me when it is available again?"),
    ("stock-reserve", "¿Me podéis reservar una talla?"),
]
DIFFERENT = [
    "¿Dónde está mi pedido?",
    "My package hasn't arrived yet, what do I do?",
    "¿Puedo cambiar la dirección de envío?",
    "Can I change my payment method after ordering?",
    "Do you have gift cards?",
    "¿Tenéis tienda física?",
    "The return label does not print",
    "How do I cancel my order?",
    "Do you deliver on Sundays?",
    "¿El envío express cuánto cuesta?",
    "What is the capital of France?",
    "¿Cuánto cuesta la camiseta azul?",
    "¿Me han cobrado dos veces el pago?",
    "Can I get an invoice?",
    "Do you have this in red?",
    "¿Puedo recoger el pedido en tienda?",
    "How long does the battery take to charge?",
    "Can I return sale items?",
    "¿Qué material es la sudadera?",
]


@pytest.mark.parametrize(("entry", "text"), KNOWN)
def test_a_frequent_question_is_recognised(entry, text):
    found = MATCHER.match(text)
    assert found is not None
    assert found.id == entry


@pytest.mark.parametrize("text", DIFFERENT)
def test_a_different_question_is_left_to_the_model(text):
    assert MATCHER.match(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "¿CUÁNTO TARDA EL ENVÍO?",
        "Hola, buenas tardes:\n¿Cuánto tarda el envío?\n\nUn saludo,\nMarina Pérez\nTel. 600 000 000",
        "cuanto tarda el envio\n> On Monday you wrote:\n> How do I return this?",
        "¿Cuánto tarda el envío?\n-- \nMarina, Acme S.L.",
    ],
)
def test_case_accents_greetings_signatures_and_quotes_change_nothing(text):
    found = MATCHER.match(text)
    assert found is not None
    assert found.id == "shipping-time"


def test_two_questions_at_once_are_left_to_the_model():
    assert MATCHER.match("How long does shipping take? Can I pay with PayPal?") is None


def test_a_long_story_is_left_to_the_model():
    assert MATCHER.match("envio " * (MOST_WORDS + 1)) is None


@pytest.mark.parametrize("text", ["", "   ", "¿?", "Hola", "> only a quote", "\x00\ud800"])
def test_nothing_asked_is_no_frequent_question(text):
    assert MATCHER.match(text) is None


def test_a_closing_inside_a_question_is_no_signature():
    assert words_of("Thanks for your help.\nHow do I return an item?")[-4:] == ("i", "return", "an", "item")


def test_every_answer_is_whole_in_both_languages():
    answers = FAQ.answers()
    assert len(answers) == len(FAQ.entries)
    for texts in answers.values():
        assert "{" not in texts["en"] + texts["es"]
        assert texts["en"] != texts["es"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "concepts: {}\nentries: [{id: a, category: b, asks: [[x]], answer: {en: a, es: b}}]",
            "not defined: x",
        ),
        ("concepts: {x: [Envío]}\nentries: []", "concepts/x/0"),
        (
            "concepts: {x: [y]}\nentries: [{id: a, category: b, asks: [[x]], answer: {en: '{z}', es: b}}]",
            "facts that are not defined",
        ),
        (
            "concepts: {x: [y]}\nentries: [{id: a, category: b, asks: [[x]], answer: {en: '{', es: b}}]",
            "cannot be read",
        ),
        (
            "facts: {catalogue_sizes: {en: a, es: b}}\nconcepts: {}\nentries: []",
            "what the catalogue says by itself: catalogue_sizes",
        ),
    ],
)
def test_a_wrong_file_is_refused_with_its_reason(tmp_path, text, reason):
    path = tmp_path / "faq.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=reason):
        read_faq(path)

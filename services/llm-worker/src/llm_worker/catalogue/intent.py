"""What a question wants to know of a product: found by its words, without a call to any model."""

from enum import Enum

from llm_worker.words.vocabulary import Vocabulary
from llm_worker.words.wording import words_of


class Intent(Enum):
    """What is asked; it decides which facts of a product the prompt carries, and in which order."""

    AVAILABILITY = "availability"
    PRICE = "price"
    SIZE = "size"
    COMPARISON = "comparison"


_TERMS = {
    Intent.COMPARISON: """
        compar*, diferencia*, difference*, versus, vs, mejor, better, best, which one, cual de,
        cual es mejor, recom*, mas barat*, cheap*, cheaper, mas car*, otra opcion,
        alternativ*, parecid*, similar*
    """,
    Intent.PRICE: """
        precio*, price*, cost*, cuesta*, cuestan, vale, valen, how much, cuanto, oferta*, descuento*,
        discount*, rebaja*, sale, barat*, caro, cara, caros, caras, expensive
    """,
    Intent.AVAILABILITY: """
        stock, disponib*, availab*, queda, quedan, hay, teneis, tienen, tienes, do you have, have you got,
        in stock, agotad*, sold out, left, existencias, any left
    """,
    Intent.SIZE: """
        talla*, size*, medida*, measure*, grande, pequen*, large, small, medium, fit, fits, xs, xl, xxl,
        numero, largo, ancho, length, width
    """,
}
_VOCABULARY = Vocabulary.of(
    {intent.value: [term.strip() for term in terms.split(",")] for intent, terms in _TERMS.items()}
)


def intents_of(text: str) -> frozenset[Intent]:
    """Everything ``text`` wants to know; empty: nothing that a catalogue would say."""
    return frozenset(Intent(name) for name in _VOCABULARY.find(words_of(text)))

"""Names a question so that the same one, asked by another in the same scope, has the same name.

Never for what is personal (orders, addresses, numbers that name something, names after "I am") nor for
a question inside a conversation, whose answer may depend on what was said before.
"""

import hashlib
import re

from llm_worker.words.vocabulary import Vocabulary
from llm_worker.words.wording import words_of

_FEWEST_WORDS = 3
_MOST_WORDS = 60
_PERSONAL_TERMS = """
    my order, my orders, my parcel, my package, my account, my name, my address, my payment, my refund,
    my return, my invoice, i ordered, i bought, i paid, i received, i returned, mi pedido, mis pedidos,
    mi paquete, mi cuenta,
    mi nombre, mi direccion, mi pago, mi reembolso, mi devolucion, mi factura, me llamo, soy, i am, compre,
    pague,
    recibi, devolvi, he comprado, he pedido, he recibido, he pagado, order number, numero de pedido, tracking,
    seguimiento
"""
_PERSONAL = Vocabulary.of({"personal": [term.strip() for term in _PERSONAL_TERMS.split(",")]})
_NAMES_SOMETHING = re.compile(r"\d{4,}|\S@\S|https?://|<[@#:]")


def cache_key(text: str, *, scope: str, language: str, context: str) -> str | None:
    """The question's name within ``scope`` (a tenant) and ``context`` (catalogue and instruction version).

    None: its answer is nobody else's.
    """
    if _NAMES_SOMETHING.search(text):
        return None
    words = words_of(text)
    if not _FEWEST_WORDS <= len(words) <= _MOST_WORDS or _PERSONAL.find(words):
        return None
    named = "\x1f".join((scope, language, context, " ".join(words)))
    return hashlib.sha256(named.encode()).hexdigest()

"""Names a question so that the same one, asked by another in the same scope, has the same name.

Never for what is personal (orders, addresses, numbers that name something, names, "my" anything) nor for a
question inside a conversation, whose answer may depend on what was said before.
"""

import hashlib
import re
from functools import lru_cache

from llm_worker.words.vocabulary import Vocabulary
from llm_worker.words.wording import words_of

_FEWEST_WORDS = 3
_MOST_WORDS = 60
_PERSONAL_TERMS = """
    my, mine, our, ours, myself, the order, this order, that order, order number, order status, tracking,
    tracked, i ordered, i bought, i paid, i received, i returned, i sent, i am, i m, im, i have been,
    i was charged, call me, named, name is, mr, mrs, ms, miss,
    mi, mis, mio, mia, mios, mias, nuestro*, nuestra*, el pedido, este pedido, ese pedido, numero de pedido,
    estado del pedido, seguimiento, compre, pague, pedi, recibi, devolvi, envie, he comprado, he pedido,
    he recibido, he pagado, he devuelto, hemos comprado, me llamo, se llama, nombre es, soy, me han,
    me habeis, sr, sra, srta, dona
"""
_PERSONAL = Vocabulary.of({"personal": [term.strip() for term in _PERSONAL_TERMS.split(",")]})
_NAMES_SOMETHING = re.compile(r"\d{4,}|#\s?\d|\bn[.º°]\s?\d|\S@\S|https?://|<[@#:]", re.IGNORECASE)


def cache_key(text: str, *, scope: str, language: str, instruction: str) -> str | None:
    """The question's name within ``scope`` (a tenant) and the version of the ``instruction``.

    None: its answer is nobody else's. The catalogue's version is added where the answer is looked for.
    """
    if is_personal(text):
        return None
    named = "\x1f".join((scope, language, instruction, " ".join(words_of(text))))
    return hashlib.sha256(named.encode()).hexdigest()


@lru_cache(maxsize=64)  # asked when it comes, and when its answer is stored
def is_personal(text: str) -> bool:
    """Whether its answer is nobody else's, as far as the question itself tells, or it is hard to tell."""
    if _NAMES_SOMETHING.search(text):
        return True
    words = words_of(text)
    return not _FEWEST_WORDS <= len(words) <= _MOST_WORDS or bool(_PERSONAL.find(words))

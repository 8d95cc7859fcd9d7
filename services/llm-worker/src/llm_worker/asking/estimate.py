"""The most tokens a prompt can come to, without the model's own tokenizer.

A byte-pair tokenizer never makes more tokens than bytes, and prose has three to four bytes a token in
English and Spanish (Latin letters), fewer in other scripts. Counted here: one token for each two bytes
of ASCII and one for each byte of anything else, and what frames a message. It errs on the safe side;
what it errs by is given back as soon as the provider has counted.
"""

from llm_worker.prompt import Prompt

_ASCII_BYTES_PER_TOKEN = 2
_FRAME_TOKENS = 16


def most_tokens(text: str) -> int:
    """At most so many tokens."""
    size = len(text.encode("utf-8", "surrogatepass"))
    ascii_chars = sum(map(str.isascii, text)) if not text.isascii() else len(text)
    return -(-ascii_chars // _ASCII_BYTES_PER_TOKEN) + (size - ascii_chars)


def most_tokens_of(prompt: Prompt) -> int:
    """At most so many tokens, roles and framing included."""
    return sum(most_tokens(message["content"]) + _FRAME_TOKENS for message in prompt.messages)

"""The most tokens a text can come to, without the model's own tokenizer.

    ordinary words       one token for each three letters begun, and one more for each letter with a mark,
                         two for one that is not of Western Europe
    everything else      one for each character of ASCII, for each run of white space, and for each byte of
                         other scripts: digits, signs, keys, mixed strings, what no vowel holds together

Byte-pair tokenizers make between half as many and as many of prose (measured with six of them, see
docs/llm-worker.md), and up to one per digit and per letter of a key. What is estimated too high is given
back as soon as the provider has counted.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from llm_worker.prompt import Prompt

_FRAME_TOKENS = 16
_LETTERS_PER_TOKEN = 3
_LONGEST = 24
_TOKENS = [-(-letters // _LETTERS_PER_TOKEN) for letters in range(_LONGEST + 1)]
_WORD = rf"([A-Za-z\u00c0-\u024f][a-z\u00df-\u024f]{{0,{_LONGEST - 1}}}|[A-Z]{{2,4}})\b"
_CLUSTER = "[bcdfghjklmnpqrstvwxz]{6}"
_ORDINARY = re.compile(rf"[ ]?\b{_WORD}")
_ORDINARY_AMONG_CLUSTERS = re.compile(rf"[ ]?\b(?!\w{{0,18}}{_CLUSTER}){_WORD}")
"""No word holds six consonants in a row; to look for them word by word takes twice as long."""
_HOLDS_CLUSTER = re.compile(_CLUSTER).search
_MARKED, _RARE = re.compile(r"[^\x00-\x7f]"), re.compile(r"[^\x00-\xff]")
_SIGN_OR_GAP = re.compile(r"\s+|[!-/:-@\[-`{-~]")


@dataclass(frozen=True, slots=True)
class Estimate:
    """At most so many tokens, of each sort."""

    prose: int
    """Of ordinary words, signs, gaps and framing: a model's own counts teach more about them."""
    hard: int
    """Of digits, keys and other scripts: what is learned from prose does not hold for them."""

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.prose + self.hard


@lru_cache(maxsize=64)  # one prompt is estimated for its place, its turn, its account and what is learned
def estimate(text: str) -> Estimate:
    """At most so many tokens, by sort."""
    pieces = (_ORDINARY_AMONG_CLUSTERS if _HOLDS_CLUSTER(text) else _ORDINARY).split(text)
    words, left = pieces[1::2], "".join(pieces[::2])
    ordinary = sum(map(_TOKENS.__getitem__, map(len, words)))
    if not text.isascii():
        joined = "".join(words)
        ordinary += len(_MARKED.findall(joined)) + len(_RARE.findall(joined))
    hard, signs_and_gaps = _SIGN_OR_GAP.subn("", left)
    return Estimate(ordinary + signs_and_gaps, len(hard.encode("utf-8", "surrogatepass")))


def estimate_of(prompt: Prompt) -> Estimate:
    """At most so many tokens, roles and framing included."""
    parts = [estimate(piece) for piece in prompt.pieces]
    framing = _FRAME_TOKENS * len(prompt.messages)
    return Estimate(framing + sum(part.prose for part in parts), sum(part.hard for part in parts))


def most_tokens(text: str) -> int:
    """At most so many tokens."""
    return estimate(text).tokens


def most_tokens_of(prompt: Prompt) -> int:
    """At most so many tokens, roles and framing included."""
    return estimate_of(prompt).tokens

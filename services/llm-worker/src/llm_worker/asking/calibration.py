"""How many tokens a model makes of prose, learned from its own counts and kept on the safe side.

    first 20 answers     as ``estimate`` says: twice what prose comes to
    from then on         ordinary words by the worst of the last 200 ratios and 15 % more; digits, signs, long
                         strings and other scripts as before, for no ratio learned from prose holds for them

What is reserved and not used is lost to the other questions of that moment, so a closer guess
is more answers a minute.
"""

import math
import re
from collections import deque

from llm_worker.asking.estimate import most_tokens_of
from llm_worker.prompt import Prompt

_KEPT = 200
_ENOUGH = 20
_MARGIN = 1.15
_ORDINARY = re.compile(r"\b[A-Za-z]{1,20}\b ?")
_CHARS_PER_TOKEN = 2
"""As ``estimate`` counts them."""


class Calibration:
    """The ratios of what one model counted to what was estimated."""

    def __init__(self) -> None:
        self._ratios: deque[float] = deque(maxlen=_KEPT)

    def note(self, prompt: Prompt, counted: int) -> None:
        """The model counted so many tokens in ``prompt``."""
        self._ratios.append(counted / most_tokens_of(prompt))

    @property
    def scale(self) -> float:
        """What an estimate of prose is multiplied with; 1 until enough is known."""
        if len(self._ratios) < _ENOUGH:
            return 1.0
        return min(1.0, max(self._ratios) * _MARGIN)

    def most_tokens_of(self, prompt: Prompt) -> int:
        """At most so many tokens, roles and framing included."""
        most, scale = most_tokens_of(prompt), self.scale
        if scale >= 1:
            return most
        ordinary = sum(
            len(word) for message in prompt.messages for word in _ORDINARY.findall(message["content"])
        )
        return math.ceil(most - ordinary / _CHARS_PER_TOKEN * (1 - scale))

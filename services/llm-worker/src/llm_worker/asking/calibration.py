"""How many tokens a model makes of prose, learned from its own counts and kept on the safe side.

    first three answers  as ``estimate`` says: up to twice what prose comes to
    from then on         words and signs by the worst of the last 200 ratios and a margin, 20 % after three
                         answers and 3.3 % in the long run; digits, keys and other scripts as before, for no
                         ratio learned from prose holds for them

What is reserved and not used is lost to the other questions of that moment, so a closer guess
is more answers a minute.
"""

import math
from collections import deque

from llm_worker.asking.estimate import Estimate, estimate_of
from llm_worker.prompt import Prompt

_KEPT = 200
_ENOUGH = 3
_MARGIN, _MARGIN_OF_FEW = 0.03, 0.5
"""The margin is the first, and the second divided by how many answers are known."""


class Calibration:
    """The ratios of what one model counted to what was estimated."""

    def __init__(self) -> None:
        self._ratios: deque[float] = deque(maxlen=_KEPT)

    def note(self, prompt: Prompt, counted: int) -> None:
        """The model counted so many tokens in ``prompt``."""
        self._ratios.append(counted / estimate_of(prompt).tokens)

    @property
    def scale(self) -> float:
        """What an estimate of prose is multiplied with; 1 until enough is known."""
        known = len(self._ratios)
        if known < _ENOUGH:
            return 1.0
        return min(1.0, max(self._ratios) * (1 + _MARGIN + _MARGIN_OF_FEW / known))

    def most_tokens_of(self, prompt: Prompt) -> int:
        """At most so many tokens, roles and framing included."""
        return self.scaled(estimate_of(prompt))

    def scaled(self, most: Estimate) -> int:
        """At most so many tokens, of a prompt that was estimated already."""
        return math.ceil(most.prose * self.scale) + most.hard

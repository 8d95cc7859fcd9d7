"""What a worker without any of Posta's ideas does with a mail: it puts everything into the prompt. PURE.

Its prompt has the same instruction as ours, the whole price list (it cannot search), the whole mail with
greeting, signature and quotes, and everything that was said in the thread before.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from posta_cli.bench.mailbox.goods import PRICE_LIST
from posta_cli.bench.mailbox.sample import Letter

PAUSES_S = (30.0, 60.0, 120.0)
"""After the first, second and every later 429 in a row, as such workers do."""
MAX_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Said:
    """One turn of a thread."""

    question: str
    answer: str


def pause_s(refusals: int, *, minute_s: float) -> float:
    """How long to sleep after so many refusals in a row, when a minute takes ``minute_s``."""
    return PAUSES_S[min(refusals, len(PAUSES_S)) - 1] * minute_s / 60


def messages(letter: Letter, history: Sequence[Said], instruction: str) -> list[dict[str, str]]:
    """The prompt of a mail."""
    prompt = [{"role": "system", "content": f"{instruction}\n\nPrice list:\n{PRICE_LIST}"}]
    for turn in history:
        prompt.append({"role": "user", "content": turn.question})
        prompt.append({"role": "assistant", "content": turn.answer})
    prompt.append({"role": "user", "content": f"{letter.subject}\n\n{letter.body}"})
    return prompt

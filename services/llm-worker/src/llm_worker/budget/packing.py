"""Which of the questions that wait are let through, when not all of them fit: PURE.

    room is plenty      in turn
    room is short       the largest that fits, of those that may go in any order; then the next largest

Whatever is smaller than what is left over is room for nobody until more ages out, so a close fit is
what uses an allowance of tokens up. Nobody is overtaken for long: see ``llm_worker.budget.line``.
"""

from collections.abc import Sequence

_PLENTY = 3
"""Room for so many of the largest is no reason to leave the order."""


def packed(sizes: Sequence[int], *, calls: float, tokens: float, any_order: int) -> list[int]:
    """The positions of those that fit, in the order in which they were let through.

    ``sizes`` are tokens, best first; the first ``any_order`` may go in any order, the others only in turn and
    after all of those.
    """
    chosen: list[int] = []
    left = tokens
    free = list(range(any_order))
    largest = max(sizes, default=0)
    while free and len(chosen) < calls:
        if left >= _PLENTY * largest:
            best = free[0]
        else:
            fitting = [at for at in free if sizes[at] <= left]
            if not fitting:
                return chosen
            best = max(fitting, key=lambda at: (sizes[at], -at))
        free.remove(best)
        chosen.append(best)
        left -= sizes[best]
    if not free:
        for at in range(any_order, len(sizes)):
            if len(chosen) >= calls or sizes[at] > left:
                break
            chosen.append(at)
            left -= sizes[at]
    return chosen

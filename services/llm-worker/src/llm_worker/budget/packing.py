"""Which of the questions that wait are let through, when not all of them fit: PURE.

    room is plenty      in turn
    room is short       what leaves least over once the calls under way have given back what they do not use;
                        of equals the largest

What is left over is room for nobody until more ages out, which after a burst is nearly a minute. The
largest that fits leaves little over now; but each call gives back what it did not come to, and what several
give back may be just too little for one more. So the sum of all that can still be let through is what is
maximised. Nobody is overtaken for long: see ``llm_worker.budget.line``.
"""

from collections.abc import Sequence

_PLENTY = 3
"""Room for so many of the largest is no reason to leave the order."""


def packed(
    sizes: Sequence[int], *, calls: float, tokens: float, any_order: int, coming: int = 0, spare: int = 0
) -> list[int]:
    """The positions of those that fit, in the order in which they were let through.

    ``sizes`` are tokens, best first; the first ``any_order`` may go in any order, the others only in turn
    and after all of those. ``coming`` is what calls under way are likely to give back soon, and ``spare``
    what one of these will: neither is used, they only decide between those that fit.
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
            best = _closest(sizes, free, fitting, room=int(left) + coming, spare=spare)
        free.remove(best)
        chosen.append(best)
        left -= sizes[best]
        coming += spare
    if not free:
        for at in range(any_order, len(sizes)):
            if len(chosen) >= calls or sizes[at] > left:
                break
            chosen.append(at)
            left -= sizes[at]
    return chosen


def _closest(
    sizes: Sequence[int], free: Sequence[int], fitting: Sequence[int], *, room: int, spare: int
) -> int:
    """Who of ``fitting`` goes, so that most of ``room`` will be used by it and those of ``free`` after it."""
    # The last one of all needs room for all that it may come to.
    room = max(0, room - spare)
    within = (1 << (room + 1)) - 1
    comes_to = {at: max(1, sizes[at] - spare) for at in free}
    most, best = -1, fitting[0]
    for at in sorted(fitting, key=lambda at: (-sizes[at], at)):
        sums = 1 << comes_to[at]  # bit n: n tokens can be come to
        for other in free:
            if other != at:
                sums |= (sums << comes_to[other]) & within
        used = (sums & within).bit_length() - 1
        if used > most:
            most, best = used, at
        if most == room:
            break
    return best

"""Which of the questions that wait are let through, when not all of them fit: PURE.

    room is plenty      in turn
    room is short       what leaves least over once the calls under way have given back what they do not use,
                        and what ages out within moments is free too; of those that leave about equally
                        little the largest

What is left over is room for nobody until more ages out, which after a burst is nearly a minute. The
largest that fits leaves little over now; but each call gives back what it did not come to, and what several
give back may be just too little for one more. So the sum of all that can still be let through is what is
maximised. Small ones fit where nothing else does: they are not spent on a few tokens. Nobody is
overtaken for long: see ``llm_worker.budget.line``.
"""

from collections.abc import Sequence

_PLENTY = 3
"""Room for so many of the largest is no reason to leave the order."""
_FAR = 4
"""More than so many of the largest is not looked ahead: as many fill any room exactly."""
_FINENESS = 1000
"""Parts of the largest in which sizes are compared."""


def packed(
    sizes: Sequence[int], *, calls: float, tokens: float, any_order: int, coming: int = 0, spare: int = 0
) -> list[int]:
    """The positions of those that fit, in the order in which they were let through.

    ``sizes`` are tokens, best first; the first ``any_order`` may go in any order, the others only in turn
    and after all of those. ``coming`` is what will be free soon, given back by calls under way or aged out,
    and ``spare`` what one call gives back: neither is used, they only decide between those that fit.
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
            room = int(left) + min(coming, _FAR * largest)
            best = _closest(sizes, free, fitting, room=room, spare=spare)
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
    """Who of ``fitting`` goes, so that most of ``room`` will be used by it and those of ``free`` after it.

    What differs by less than what one call gives back is no difference.
    """
    unit = max(1, max(sizes[at] for at in free) // _FINENESS)
    # The last one of all needs room for all that it may come to.
    room = max(0, room - spare) // unit
    within = (1 << (room + 1)) - 1
    comes_to = {at: max(1, -(-(sizes[at] - spare) // unit)) for at in free}
    no_difference = spare // unit
    most, best, last = -1, fitting[0], 0
    for at in sorted(fitting, key=lambda at: (-sizes[at], at)):
        if sizes[at] == last:
            continue
        last = sizes[at]
        sums = 1 << comes_to[at]  # bit n: n units can be come to
        for other in free:
            if other != at:
                sums |= (sums << comes_to[other]) & within
        used = (sums & within).bit_length() - 1
        if most < 0 or used > most + no_difference:
            most, best = used, at
        if most >= room - no_difference:
            break
    return best

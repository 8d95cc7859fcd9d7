"""What becomes of a question for which there is no room: PURE.

room comes after its deadline ─────────▶ Expired: the person is told while that is still possible
only its tenant is over its share ─────▶ NotNow: others go on
another model may have room for others ─▶ NotNow
nothing has room ──────────────────────▶ Unavailable("llm"): the whole group's intake waits, in Kafka
    but many that have time wait here already ─▶ NotNow: a worker stays free for who has none
    but intake is looked through just now ─────▶ NotNow, until that is over: those behind it have their look
"""

from dataclasses import dataclass

from posta.errors import Expired, Failure, NotNow, Unavailable

GATE = "llm"
"""Name of the engine's gate for room at any model."""
_SOONEST_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """Why a question cannot be asked now."""

    why: str
    wait_s: float
    over_share: bool = False
    everywhere: bool = True
    """Whether no model has room for anybody."""


def failure_of(
    shortage: Shortage, *, last_start: float | None, now: float, crowded: bool, look_left_s: float = 0.0
) -> Failure:
    """What the engine is to be told.

    ``last_start`` is the latest time at which a call could still begin (epoch seconds; None: any),
    ``crowded`` says that many questions of this process wait already. For ``look_left_s`` its gate is open
    although there is no room.
    """
    said = f"no room at any LLM for {shortage.wait_s:.3g} s ({shortage.why})"
    if last_start is not None and now + shortage.wait_s > last_start:
        return Expired(f"{said}, which is too late for this question")
    if 0 < look_left_s < shortage.wait_s and shortage.everywhere:
        return NotNow(said, wait_s=look_left_s + _SOONEST_S)
    if shortage.over_share or crowded or not shortage.everywhere:
        return NotNow(said, wait_s=max(_SOONEST_S, shortage.wait_s))
    return Unavailable(GATE, said)

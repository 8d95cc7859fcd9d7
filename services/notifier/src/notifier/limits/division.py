"""How the members of the group divide a limit: by what each can use, and fairly between destinations.

Pure. Weighted max-min: everyone is offered a part in proportion to its weight; who wants less gives
the rest back to the others; what nobody wants is spread as room for bursts.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one member asks for."""

    wanted: int
    """Slots it could use."""
    weight: int
    """Destinations that it serves now; at least 1."""


def divide(total: int, claims: Mapping[str, Claim]) -> dict[str, int]:
    """How many of ``total`` each claimant gets; never more than ``total`` together.

    Equal arguments give equal results in every process, whatever the order of the mapping.
    """
    names = sorted(claims)
    exact = dict.fromkeys(names, 0.0)
    open_names = list(names)
    left = float(total)
    while open_names:
        weights = sum(claims[name].weight for name in open_names)
        modest = [n for n in open_names if claims[n].wanted <= left * claims[n].weight / weights]
        if not modest:
            for name in open_names:
                exact[name] = left * claims[name].weight / weights
            left = 0.0
            break
        for name in modest:
            exact[name] = float(claims[name].wanted)
        left -= sum(claims[name].wanted for name in modest)
        open_names = [name for name in open_names if name not in modest]
    all_weights = sum(claim.weight for claim in claims.values())
    if left > 0 and all_weights:
        exact = {name: exact[name] + left * claims[name].weight / all_weights for name in names}
    return _whole(total, exact)


def _whole(total: int, exact: Mapping[str, float]) -> dict[str, int]:
    """Whole numbers by the largest remainder, so that nothing is lost to rounding."""
    whole = {name: int(part + 1e-9) for name, part in exact.items()}
    spare = min(total, round(sum(exact.values()))) - sum(whole.values())
    by_rest = sorted(exact, key=lambda name: (whole[name] - exact[name], name))
    for name in by_rest[: max(0, spare)]:
        whole[name] += 1
    return whole

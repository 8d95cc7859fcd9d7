"""The line in front of a purse: whose turn it is, and who may go in which order.

A question keeps its place however often it comes again. Those whose tenants stand equally well may go in
any order, so that what little room is left is used by whom it fits; but whoever is first is overtaken by at
most so many, and then nobody goes before it.
"""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llm_worker.budget.lease import Reservation
from llm_worker.budget.queue import Waiting, in_turn
from llm_worker.budget.visit import Need

_OVERTAKEN_MOST = 8
_ONCE = "\0"
"""Begins the name of a question that gave none: it is not known again."""
_REMEMBERED_MOST = 4096
"""Places of questions that were turned away; older ones begin anew."""

Place = Waiting[asyncio.Future[Reservation]]


@dataclass(slots=True)
class _Standing:
    """What is remembered of a question that was turned away."""

    arrival: int
    overtaken: int = 0


class Line:
    """See the module."""

    def __init__(self) -> None:
        self._waiting: list[Place] = []
        self._arrivals = itertools.count()
        self._standings: dict[str, _Standing] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, need: Need, *, tenant: str, name: str, who: asyncio.Future[Reservation]) -> Place:
        """Stand in line, where it stood before if it did."""
        standing = self._standings.pop(name, None) or _Standing(next(self._arrivals))
        name = name or f"{_ONCE}{standing.arrival}"
        self._standings[name] = standing
        if len(self._standings) > _REMEMBERED_MOST:
            del self._standings[next(iter(self._standings))]
        place = Waiting(arrival=standing.arrival, need=need, tenant=tenant, who=who, name=name)
        self._waiting.append(place)
        return place

    def leave(self, place: Place) -> bool:
        """Whoever does not want to wait any more; False when it does not stand here."""
        if place not in self._waiting:
            return False
        self._waiting.remove(place)
        self._standings.pop(place.name, None)
        return True

    def in_turn(self, over_share: Mapping[str, float]) -> list[Place]:
        """Who waits, best first; who does not wait any more is gone."""
        self._waiting = [place for place in self._waiting if not place.who.done()]
        return in_turn(self._waiting, over_share=over_share)

    def any_order(self, line: Sequence[Place], over_share: Mapping[str, float]) -> int:
        """How many from the first on may go in any order: as urgent, and their tenants no worse."""
        first = line[0]
        standing = self._standings.get(first.name)
        if standing is not None and standing.overtaken >= _OVERTAKEN_MOST:
            return 1
        most = over_share.get(first.tenant, 0.0)
        same = itertools.takewhile(
            lambda one: (
                one.need.is_urgent == first.need.is_urgent and over_share.get(one.tenant, 0.0) <= most
            ),
            line,
        )
        return sum(1 for _ in same)

    def overtaken(self, line: Sequence[Place], served: Sequence[int]) -> None:
        """``served`` (positions) go now; the first may have been passed over."""
        standing = self._standings.get(line[0].name)
        if 0 not in served and standing is not None:
            standing.overtaken += len(served)

    def serve(self, place: Place, reservation: Reservation) -> None:
        """It goes."""
        self._waiting.remove(place)
        self._standings.pop(place.name, None)
        place.who.set_result(reservation)

    def dismiss(self) -> list[Place]:
        """Everybody goes away; their places are remembered."""
        waiting, self._waiting = self._waiting, []
        for place in waiting:
            if place.name.startswith(_ONCE):
                self._standings.pop(place.name, None)
        return [place for place in waiting if not place.who.done()]

"""One canary in the whole group, whatever workers, crashes and set clocks do; and it always comes."""

import asyncio
import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_worker.budget.allowance import Allowance
from llm_worker.budget.lease import NoRoom
from llm_worker.budget.purse import Purse
from llm_worker.budget.visit import Need, Rules
from llm_worker.circuit.breaker import Circuit, CircuitPolicy, Report
from llm_worker.fakes import FakeBooks
from posta.errors import Unavailable

LONGEST_CALL_S = 60.0
CIRCUIT = Circuit(CircuitPolicy(canary_s=LONGEST_CALL_S + 10.0))
WORKERS = 3
NEWS_S = 4.0
"""A worker carries its news to the book more often than this, also when it has none."""


@dataclass
class Call:
    """One call on its way; the provider works on it until ``ends``, also for a worker that died."""

    worker: int
    reservation: object
    begun: float
    ends: float


class Group:
    """Workers over one book, and a provider that is ill for ``ill_until``; ``now`` is the true time."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.now, self.set_by = 1000.0, 0.0
        self.ill_until = self.now + self.chance.uniform(100, 2000)
        self.books = FakeBooks(lambda: self.now + self.set_by, monotonic=lambda: self.now)
        self.rules = Rules(allowance=Allowance(rpm=600), circuit=CIRCUIT)
        self.started = 0
        self.purses = [self.new() for _ in range(WORKERS)]
        self.calls = []
        self.canaries = []
        self.answered_at = None

    def new(self):
        self.started += 1
        owner = str(self.started)
        return Purse("b", self.books, self.rules, owner=owner, monotonic=lambda: self.now)

    async def step(self):
        number = self.chance.randrange(WORKERS)
        await getattr(
            self, self.chance.choice(["ask", "ask", "pass_time", "pass_time", "crash", "set", "away"])
        )(number)

    async def ask(self, number):
        try:
            reservation = await self.purses[number].reserve(Need(tokens=1), tenant="t")
        except NoRoom:
            return
        ends = self.now + self.chance.uniform(0.1, LONGEST_CALL_S)
        if reservation.canary is not None:
            under_way = [call for call in self.canaries if call.ends > self.now]
            assert under_way == [], "a second canary while the first is under way"
        call = Call(number, reservation, self.now, ends)
        self.calls.append(call)
        if reservation.canary is not None:
            self.canaries.append(call)

    async def pass_time(self, _number):
        left_s = self.chance.choice([0.2, 3.0, 20.0, 90.0])
        while left_s > 0:
            self.now += min(left_s, NEWS_S)
            left_s -= NEWS_S
            await self._carry()

    async def _carry(self):
        for call in [call for call in self.calls if call.ends <= self.now]:
            self.calls.remove(call)
            failed = call.ends < self.ill_until
            if not failed:
                self.answered_at = self.answered_at or self.now
            self.purses[call.worker].settle(
                call.reservation, begun=call.begun, tokens=1, report=Report(ok=not failed, failed=failed)
            )
        for purse in self.purses:
            if purse.is_dirty:
                await purse.look()

    async def crash(self, number):
        """Its calls go on at the provider, and nobody ever says how they ended."""
        self.calls = [call for call in self.calls if call.worker != number]
        self.purses[number] = self.new()
        await self.purses[number].look()

    async def set(self, number):
        self.set_by += self.chance.choice([-600.0, -1.0, 30.0, 3600.0])
        await self.purses[number].look()

    async def away(self, number):
        """The book cannot be read: nothing is let through, and what was to be said may be lost."""
        self.books.away = True
        with pytest.raises(Unavailable):
            await self.purses[number].look()
        self.books.away = False


@pytest.mark.slow
@given(st.integers(0, 2**32))
def test_there_are_never_two_canaries_in_a_group(seed):
    async def live():
        group = Group(seed)
        for purse in group.purses:
            await purse.look()
        for _ in range(250):
            await group.step()
        return group

    asyncio.run(live())


@pytest.mark.parametrize("seed", range(6))
def test_a_provider_that_is_well_again_is_tried_again_within_the_circuits_longest_time(seed):
    async def live():
        group = Group(seed)
        for purse in group.purses:
            await purse.look()
        while group.answered_at is None:
            for number in range(WORKERS):
                await group.ask(number)
            await group.pass_time(0)
            assert group.now < group.ill_until + CIRCUIT.policy.longest_open_s + 2 * CIRCUIT.policy.canary_s
        return group

    assert asyncio.run(live()).canaries, "it was tried before everybody was let through"

"""Whatever workers, crashes and set clocks do, no sliding window ever holds more than its limit."""

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
from llm_worker.circuit.breaker import Report
from llm_worker.fakes import FakeBooks

RPM, TPM, CONCURRENCY = 8, 900, 12
MOST_TOKENS = 240
WORKERS = 3
STEPS = ("ask", "ask", "ask", "begin", "begin", "end", "end", "wait", "wait", "crash", "news", "set")


@dataclass
class Call:
    """A reservation on its way: had, begun, ended."""

    worker: int
    reservation: object
    begun: float | None = None


class Fleet:
    """Workers over one book; ``now`` is the true time, which only the monotonic clocks follow."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.now = 1000.0
        self.set_by = 0.0
        self.books = FakeBooks(lambda: self.now + self.set_by, monotonic=lambda: self.now)
        self.made = 0
        allowance = Allowance(rpm=RPM, tpm=TPM, concurrency=CONCURRENCY)
        self.rules = Rules(allowance=allowance)
        self.slack_s = allowance.windows[0].slack_s
        self.purses = {}
        self.calls = []
        self.arrivals = []
        self.refusals = 0

    async def start(self, number):
        self.made += 1
        self.purses[number] = Purse(
            "b", self.books, self.rules, owner=f"{number}/{self.made}", monotonic=lambda: self.now
        )
        await self.purses[number].look()

    async def take(self, step):
        number = self.chance.randrange(WORKERS)
        await getattr(self, step)(number)

    async def ask(self, number):
        for _ in range(self.chance.choice([1, 1, 2, 5, 12])):
            need = Need(tokens=self.chance.randint(1, MOST_TOKENS))
            try:
                reservation = await self.purses[number].reserve(need, tenant="t")
            except NoRoom as exc:
                self.refusals += 1
                assert exc.wait_s > 0
                return
            self.calls.append(Call(number, reservation))

    async def begin(self, number):
        for call in self.mine(number, begun=False):
            purse = self.purses[number]
            if not purse.is_fresh(call.reservation):
                purse.give_back(call.reservation)
                self.calls.remove(call)
                continue
            call.begun = self.now
            tokens = self.chance.randint(1, call.reservation.need.tokens)
            # The way to the provider takes a moment that nobody knows.
            self.arrivals.append((self.now + self.chance.uniform(0, self.slack_s * 0.9), tokens, call))

    async def end(self, number):
        for call in self.mine(number, begun=True):
            (tokens,) = (tokens for _, tokens, one in self.arrivals if one is call)
            self.purses[number].settle(call.reservation, begun=call.begun, tokens=tokens, report=Report(ok=1))
            self.calls.remove(call)

    async def crash(self, number):
        self.calls = [call for call in self.calls if call.worker != number]
        await self.start(number)

    async def news(self, number):
        await self.purses[number].look()

    async def set(self, number):
        """The database's clock is set; a worker that has run before sees it, not only a new one."""
        self.set_by += self.chance.choice([-600.0, -1.0, 0.5, 30.0, 3600.0])
        await self.purses[number].look()

    async def wait(self, _number):
        left_s = self.chance.choice([0.01, 0.05, 0.3, 0.9, 1.1, 4.0, 7.0, 20.0])
        while left_s > 0:
            self.now += min(left_s, 4.0)
            left_s -= 4.0
            for purse in self.purses.values():  # as the carrier does, but far less often
                if purse.is_dirty and self.chance.random() < 0.9:
                    await purse.look()

    def mine(self, number, *, begun):
        return [call for call in self.calls if call.worker == number and (call.begun is not None) is begun]


@pytest.mark.slow
@given(st.integers(0, 2**32))
def test_calls_and_tokens_stay_within_every_sliding_window(seed):
    async def live():
        fleet = Fleet(seed)
        for number in range(WORKERS):
            await fleet.start(number)
        for _ in range(200):
            await fleet.take(fleet.chance.choice(STEPS))
            begun = sum(call.begun is not None for call in fleet.calls)
            assert begun <= CONCURRENCY
        return fleet

    fleet = asyncio.run(live())
    arrivals = sorted((at, tokens) for at, tokens, _ in fleet.arrivals)
    for index, (end, _) in enumerate(arrivals):
        within = [tokens for at, tokens in arrivals[: index + 1] if at > end - 60.0]
        assert len(within) <= RPM
        assert sum(within) <= TPM


def test_a_backlog_uses_nearly_all_of_the_allowance():
    """Two workers, more questions than room, calls of two seconds: at least 95 % of 30 a minute is used."""
    minutes = 4

    async def live():
        fleet = Fleet(7)
        fleet.rules = Rules(allowance=Allowance(rpm=30))
        for number in range(2):
            await fleet.start(number)
        ends = fleet.now + minutes * 60
        while fleet.now < ends:
            waits = []
            for number in range(2):
                await end_after(fleet, number, 2.0)
                waits.append(await ask_all(fleet, number))
                await fleet.begin(number)
            fleet.now += max(0.02, min(waits))
        return fleet

    fleet = asyncio.run(live())
    assert 0.95 * 30 * minutes <= len(fleet.arrivals) <= 30 * minutes + 30


async def ask_all(fleet, number):
    """Take what there is; the seconds until there is more."""
    while True:
        try:
            reservation = await fleet.purses[number].reserve(Need(tokens=1), tenant="t")
        except NoRoom as exc:
            return exc.wait_s
        fleet.calls.append(Call(number, reservation))


async def end_after(fleet, number, seconds):
    for call in fleet.mine(number, begun=True):
        if fleet.now - call.begun >= seconds:
            purse = fleet.purses[number]
            purse.settle(call.reservation, begun=call.begun, tokens=1, report=Report(ok=1))
            fleet.calls.remove(call)

"""However greedy the others are, every question is asked within a bounded time."""

import asyncio
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from llm_worker.budget.allowance import Allowance
from llm_worker.budget.purse import NoRoom, Purse
from llm_worker.budget.visit import Need, Rules
from llm_worker.circuit.breaker import Report
from llm_worker.fakes import FakeBooks

RPM, WORKERS = 6, 3


@settings(max_examples=4)
@given(st.integers(0, 2**32))
def test_a_modest_tenant_is_served_within_two_minutes_of_asking(seed):
    """A greedy one has questions waiting at every worker all the time; a modest one asks anywhere."""
    longest_s = asyncio.run(_live(random.Random(seed)))
    assert longest_s <= 125


async def _live(chance):
    now = 0.0
    books = FakeBooks(lambda: now)
    rules = Rules(allowance=Allowance(rpm=RPM))
    purses = [Purse("b", books, rules, owner=str(number), monotonic=lambda: now) for number in range(WORKERS)]
    modest: list[tuple[int, float]] = []
    longest_s = 0.0
    while now < 400:
        if not modest:
            modest.append((chance.randrange(WORKERS), now))
        again_s = []
        for number in chance.sample(range(WORKERS), WORKERS):
            wishes = ["greedy"] * 7 + ["modest" for worker, _ in modest if worker == number]
            chance.shuffle(wishes)
            got = await asyncio.gather(
                *(purses[number].reserve(Need(tokens=1), tenant=tenant) for tenant in wishes),
                return_exceptions=True,
            )
            for tenant, one in zip(wishes, got, strict=True):
                if isinstance(one, NoRoom):
                    again_s.append(one.wait_s)
                    continue
                begun = one.last.begun
                purses[number].settle(one, begun=begun, tokens=1, report=Report(ok=1))
                if tenant == "modest":
                    longest_s = max(longest_s, now - modest.pop()[1])
        now += max(0.05, min(again_s))
    return max(longest_s, *(now - asked for _, asked in modest), 0.0)

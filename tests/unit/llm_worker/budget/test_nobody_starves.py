"""However greedy the others are, every question is asked within a bounded time."""

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_worker.budget.allowance import Allowance
from llm_worker.budget.lease import NoRoom
from llm_worker.budget.purse import Purse
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


@pytest.mark.slow
@settings(max_examples=4)
@given(st.integers(0, 2**32))
def test_an_urgent_question_is_asked_as_soon_as_anything_comes_free(seed):
    """Every worker has a mailbox waiting, and one of them dies now and then."""
    waits_s = asyncio.run(_urgent(random.Random(seed)))
    assert len(waits_s) > 3
    assert max(waits_s) <= 62.0, "within the minute in which the oldest use ages out"


async def _urgent(chance):
    now, started = 1000.0, WORKERS
    books = FakeBooks(lambda: now)
    rules = Rules(allowance=Allowance(rpm=RPM))

    def purse(owner):
        return Purse("b", books, rules, owner=str(owner), monotonic=lambda: now)

    purses = [purse(number) for number in range(WORKERS)]
    urgent, waits_s = (0, now), []
    while now < 1600:
        again_s = []
        for number in chance.sample(range(WORKERS), WORKERS):
            wishes = [False] * 7 + [True] * (urgent[0] == number)
            got = await asyncio.gather(
                *(purses[number].reserve(Need(tokens=1, is_urgent=one), tenant="t") for one in wishes),
                return_exceptions=True,
            )
            for is_urgent, one in zip(wishes, got, strict=True):
                if isinstance(one, NoRoom):
                    again_s.append(one.wait_s)
                    continue
                purses[number].settle(one, begun=one.last.begun, tokens=1, report=Report(ok=1))
                if is_urgent:
                    waits_s.append(now - urgent[1])
                    urgent = (chance.randrange(WORKERS), now)
        if chance.random() < 0.2:
            victim = chance.choice([number for number in range(WORKERS) if number != urgent[0]])
            started += 1
            purses[victim] = purse(started)
            await purses[victim].look()
        now += max(0.05, min(3.0, *again_s))
    return waits_s


TPM = 900


async def _asked(purse, tokens, *, is_urgent=False):
    """The wait in seconds that it was told, or None when it was let through."""
    try:
        one = await purse.reserve(Need(tokens=tokens, is_urgent=is_urgent), tenant="t", name=str(tokens))
    except NoRoom as exc:
        return exc.wait_s
    purse.settle(one, begun=one.last.begun, tokens=tokens, report=Report(ok=1))
    return None


class Two:
    """Two workers under 900 tokens a minute, of which 700 are used."""

    def __init__(self):
        self.now = 1000.0
        books, rules = FakeBooks(lambda: self.now), Rules(allowance=Allowance(tpm=TPM))
        self.purses = [
            Purse("b", books, rules, owner=name, monotonic=lambda: self.now) for name in ("first", "second")
        ]

    async def fill(self):
        assert await _asked(self.purses[0], 700) is None
        await self.purses[0].look()


async def test_room_that_is_too_little_for_the_worker_that_waits_first_is_let_to_another():
    two = Two()
    await two.fill()
    assert await _asked(two.purses[0], 500) is not None
    assert await _asked(two.purses[1], 150) is None


async def test_room_that_is_too_little_for_an_urgent_question_elsewhere_is_kept_for_it():
    two = Two()
    await two.fill()
    assert await _asked(two.purses[0], 500, is_urgent=True) is not None
    assert await _asked(two.purses[1], 90) is not None


async def test_a_large_question_is_asked_however_many_small_ones_another_worker_has():
    two = Two()
    waited_from = two.now
    while two.now - waited_from < 300:
        for _ in range(4):
            await _asked(two.purses[1], 200)
        await two.purses[1].look()
        if await _asked(two.purses[0], 850) is None:
            break
        two.now += 1.0
    assert 1 < two.now - waited_from <= 120

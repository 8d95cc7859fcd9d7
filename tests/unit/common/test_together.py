"""What is asked for at the same time is done together, and each is told its own."""

import asyncio

import pytest

from posta.errors import Unavailable
from posta.postgres.together import AT_ONCE, MOST, Together


class Statements:
    """Doubles numbers; each group waits until it is let go."""

    def __init__(self, *, is_open=True):
        self.groups, self.open = [], asyncio.Event()
        self.under_way = self.most_under_way = 0
        if is_open:
            self.open.set()

    async def __call__(self, numbers):
        self.groups.append(list(numbers))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.open.wait()
        finally:
            self.under_way -= 1
        if "away" in numbers:
            raise Unavailable("postgres", "the test said so")
        if "bad" in numbers:
            raise ValueError("bad")
        return [2 * number for number in numbers]


async def test_what_is_asked_for_at_one_moment_is_one_statement():
    statements = Statements()
    together = Together(statements)
    assert await asyncio.gather(*(together.ask(n) for n in range(50))) == [2 * n for n in range(50)]
    assert statements.groups == [list(range(50))]


async def test_while_groups_are_under_way_the_next_one_grows():
    statements = Statements(is_open=False)
    together = Together(statements)
    asked = []
    for number in range(10):
        asked.append(asyncio.create_task(together.ask(number)))
        await asyncio.sleep(0.001)
    assert statements.groups == [[0], [1]]
    statements.open.set()
    assert await asyncio.gather(*asked) == [2 * n for n in range(10)]
    assert statements.groups == [[0], [1], list(range(2, 10))]
    assert statements.most_under_way == AT_ONCE


async def test_a_group_is_bounded():
    statements = Statements()
    together = Together(statements)
    await asyncio.gather(*(together.ask(n) for n in range(2 * MOST + 1)))
    assert [len(group) for group in statements.groups] == [MOST, MOST, 1]


async def test_a_database_that_is_away_is_told_to_all_and_asked_once():
    statements = Statements()
    together = Together(statements)
    found = await asyncio.gather(*(together.ask(x) for x in (1, "away", 2)), return_exceptions=True)
    assert [type(one) for one in found] == [Unavailable] * 3
    assert len(statements.groups) == 1


async def test_one_that_is_at_fault_spoils_none_of_its_group():
    statements = Statements()
    together = Together(statements)
    found = await asyncio.gather(*(together.ask(x) for x in (1, "bad", 2)), return_exceptions=True)
    assert (found[0], type(found[1]), found[2]) == (2, ValueError, 4)


async def test_who_leaves_before_its_group_sets_out_has_asked_for_nothing():
    statements = Statements(is_open=False)
    together = Together(statements)
    first = []
    for number in range(AT_ONCE):
        first.append(asyncio.create_task(together.ask(number)))
        await asyncio.sleep(0.001)
    leaving, staying = (asyncio.create_task(together.ask(n)) for n in ("left", 7))
    await asyncio.sleep(0.001)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    statements.open.set()
    assert await staying == 14
    await asyncio.gather(*first)
    assert "left" not in [one for group in statements.groups for one in group]


async def test_who_leaves_a_group_under_way_takes_nobody_along():
    statements = Statements(is_open=False)
    together = Together(statements)
    leaving, staying = (asyncio.create_task(together.ask(n)) for n in (1, 2))
    await asyncio.sleep(0.001)
    leaving.cancel()
    statements.open.set()
    assert await staying == 4

"""Who gets the room when several want it: in one worker, and between workers."""

import asyncio

import pytest

from llm_worker.budget.allowance import Allowance
from llm_worker.budget.lease import NoRoom
from llm_worker.budget.purse import Purse
from llm_worker.budget.queue import Waiting, in_turn
from llm_worker.budget.visit import Need, Rules
from llm_worker.circuit.breaker import Report
from llm_worker.fakes import FakeBooks
from llm_worker.providers.told import LimitTold, Told


class Office:
    """Purses over one book at a time that the test sets."""

    def __init__(self, **limits):
        self.now = 0.0
        self.books = FakeBooks(lambda: self.now)
        self.rules = Rules(allowance=Allowance(**limits))

    def purse(self, owner="w"):
        return Purse("b", self.books, self.rules, owner=owner, monotonic=lambda: self.now)


def settled(purse, reservation, tokens=1, told=None):
    purse.settle(
        reservation, begun=reservation.last.begun, tokens=tokens, report=Report(ok=1), told=told or Told()
    )


async def reserved(purse, *wishes):
    """Reservations or refusals of all wishes at once; each is (tenant, urgent)."""
    return await asyncio.gather(
        *(purse.reserve(Need(tokens=1, is_urgent=urgent), tenant=tenant) for tenant, urgent in wishes),
        return_exceptions=True,
    )


def waiting(*wishes):
    return [
        Waiting(arrival=number, need=Need(tokens=1, is_urgent=urgent), tenant=tenant, who=f"{tenant}{number}")
        for number, (tenant, urgent) in enumerate(wishes)
    ]


@pytest.mark.parametrize(
    ("wishes", "over", "order"),
    [
        pytest.param([("a", False), ("b", True)], {}, ["b1", "a0"], id="urgent first"),
        pytest.param(
            [("a", False), ("a", False), ("a", False), ("b", False)], {}, ["a0", "b3", "a1", "a2"],
            id="tenants in turn",
        ),
        pytest.param([("a", False), ("b", False)], {"a": 1.0}, ["b1", "a0"], id="who had enough comes last"),
        pytest.param(
            [("a", False), ("b", False)], {"a": 7.0, "b": 0.4}, ["b1", "a0"], id="who had least goes first"
        ),
        pytest.param([("a", True), ("b", False)], {"a": 1.0}, ["a0", "b1"], id="but urgent is urgent"),
    ],
)  # fmt: skip
def test_the_line_is_served_in_turn(wishes, over, order):
    assert [one.who for one in in_turn(waiting(*wishes), over_share=over)] == order


async def test_urgent_questions_get_the_room_that_there_is():
    office = Office(rpm=2)
    got = await reserved(office.purse(), ("a", False), ("a", False), ("a", False), ("b", True), ("c", True))
    assert [isinstance(one, NoRoom) for one in got] == [True, True, True, False, False]


async def test_a_worker_that_was_turned_away_longest_is_served_before_a_greedy_one():
    office = Office(rpm=4)
    greedy, modest = office.purse("greedy"), office.purse("modest")
    for reservation in await reserved(greedy, *[("a", False)] * 4):
        settled(greedy, reservation)
    assert isinstance((await reserved(modest, ("b", False)))[0], NoRoom)
    office.now += 61.5
    got = await reserved(greedy, *[("a", False)] * 4)
    assert sum(isinstance(one, NoRoom) for one in got) == 1, "one place is kept for who waits longer"
    assert not isinstance((await reserved(modest, ("b", False)))[0], NoRoom)


async def test_a_look_at_the_book_does_not_give_a_place_in_line_away():
    """A gate that probes for room, and news that are carried, are no sign that nobody waits."""
    office = Office(rpm=4)
    greedy, modest = office.purse("greedy"), office.purse("modest")
    for reservation in await reserved(greedy, *[("a", False)] * 4):
        settled(greedy, reservation)
    await reserved(modest, ("b", False))
    await modest.look()
    office.now += 61.5
    got = await reserved(greedy, *[("a", False)] * 4)
    assert sum(isinstance(one, NoRoom) for one in got) == 1


async def test_a_place_kept_for_a_worker_that_died_is_free_a_moment_later():
    office = Office(rpm=1)
    first, dead, third = office.purse("first"), office.purse("dead"), office.purse("third")
    settled(first, (await reserved(first, ("a", False)))[0])
    await reserved(dead, ("b", False))
    office.now += 30
    await reserved(third, ("c", False))
    office.now += 32
    assert isinstance((await reserved(third, ("c", False)))[0], NoRoom)
    office.now += 4
    assert not isinstance((await reserved(third, ("c", False)))[0], NoRoom)


async def test_urgent_work_elsewhere_goes_before_standard_work_here():
    office = Office(rpm=1)
    first, mails, discord = office.purse("first"), office.purse("mails"), office.purse("discord")
    settled(first, (await reserved(first, ("a", False)))[0])
    await reserved(mails, ("a", False))
    await reserved(discord, ("b", True))
    office.now += 62.5
    assert isinstance((await reserved(mails, ("a", False)))[0], NoRoom)
    assert not isinstance((await reserved(discord, ("b", True)))[0], NoRoom)


async def test_a_tenant_over_its_share_waits_only_while_others_do():
    office = Office(rpm=10)
    purse = office.purse()
    for reservation in await reserved(purse, *[("greedy", False)] * 10):
        settled(purse, reservation)
    office.now += 1
    await purse.look()
    assert set(purse.view.over_s) == {"greedy"}
    alone = await reserved(purse, ("greedy", False))
    assert [one.over_share for one in alone] == [False]
    office.now += 4
    both = await reserved(purse, ("greedy", False), ("modest", False))
    assert [one.over_share for one in both] == [True, False]


async def test_most_calls_cost_no_round_trip():
    office = Office(rpm=100_000)
    purse = office.purse()
    for _ in range(50):
        for reservation in await reserved(purse, *[("a", False)] * 20):
            settled(purse, reservation)
        office.now += 0.2
    assert office.books.visits < 1000 / 8


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(Told(), id="nothing"),
        pytest.param(
            Told(limits=(LimitTold(window="rpd", limit=14_400), LimitTold(window="tpm", limit=500_000))),
            id="requests a day and tokens a minute, as Groq does",
        ),
    ],
)
async def test_while_no_requests_a_minute_are_told_as_many_more_go_through_as_were_answered(told):
    """Who has a limit tells it before many calls were refused; who has none is soon asked all at once."""
    office = Office()
    purse, at_once = office.purse(), []
    for _ in range(5):
        had = [one for one in await reserved(purse, *[("a", False)] * 64) if not isinstance(one, NoRoom)]
        at_once.append(len(had))
        for reservation in had:
            settled(purse, reservation, told=told)
        office.now += 1
        await purse.look()
    assert at_once == [4, 8, 16, 32, 64]


async def answered_before(office):
    """The model has answered another worker often enough to be asked many questions at once."""
    purse = office.purse("earlier")
    for _ in range(3):
        for reservation in await reserved(purse, *[("a", False)] * 4):
            settled(purse, reservation)
        office.now += 62
        await purse.look()


async def test_a_limit_that_the_provider_tells_counts_from_then_on():
    office = Office()
    purse = office.purse()
    (first,) = await reserved(purse, ("a", False))
    settled(purse, first, told=Told(limits=(LimitTold(window="rpm", limit=3),)))
    await purse.look()
    got = await reserved(purse, *[("a", False)] * 4)
    assert sum(not isinstance(one, NoRoom) for one in got) == 2


async def test_a_second_refusal_without_a_number_gives_the_limit_away():
    office = Office()
    purse = office.purse()
    await answered_before(office)
    known = []
    for calls in (6, 8):
        had = await reserved(purse, *[("a", False)] * calls)
        for reservation in had[1:]:
            settled(purse, reservation)
        settled(purse, had[0], told=Told(retry_after_s=40.0))
        await purse.look()
        known.append(purse.view.windows[0].limit)
        office.now += 62
    assert known == [None, 5]
    office.now += 600
    await purse.look()
    assert purse.view.windows[0].limit is None, "what was only inferred is forgotten again"


async def test_nothing_is_inferred_about_a_limit_from_a_server_that_is_away_for_a_while():
    office = Office()
    purse = office.purse()
    await answered_before(office)
    for calls in (6, 8):
        had = await reserved(purse, *[("a", False)] * calls)
        for reservation in had[1:]:
            settled(purse, reservation)
        settled(purse, had[0], told=Told(retry_after_s=40.0, is_refusal=False))
        await purse.look()
        assert purse.view.closed_s == pytest.approx(40.0)
        assert purse.view.windows[0].limit is None
        office.now += 62


async def test_what_others_use_of_the_same_account_is_noticed():
    office = Office(tpm=1000)
    purse = office.purse()
    (first,) = await reserved(purse, ("a", False))
    told = LimitTold(window="tpm", limit=1000, remaining=100, reset_s=20.0)
    settled(purse, first, tokens=50, told=Told(limits=(told,)))
    await purse.look()
    (tpm,) = (window for window in purse.view.windows if window.name == "tpm")
    assert tpm.used == 900
    office.now += 21
    await purse.look()
    (tpm,) = (window for window in purse.view.windows if window.name == "tpm")
    assert tpm.used == 50


async def test_a_need_larger_than_its_limit_is_named_so_that_it_can_be_shortened():
    office = Office(tpm=100)
    with pytest.raises(NoRoom, match="too_large"):
        await office.purse().reserve(Need(tokens=101), tenant="a")


async def test_what_is_leased_and_not_used_is_given_back_at_the_end():
    office = Office(rpm=1000)
    purse = office.purse()
    for reservation in await reserved(purse, *[("a", False)] * 20):
        settled(purse, reservation)
    await reserved(purse, ("a", False))
    await purse.close()
    other = office.purse("other")
    await other.look()
    assert other.view.windows[0].used == 21
    assert other.view.in_flight == 1


async def test_a_cancelled_wait_gives_its_place_back():
    office = Office(rpm=1)
    purse = office.purse()
    task = asyncio.create_task(purse.reserve(Need(tokens=1), tenant="a"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert not isinstance((await reserved(purse, ("a", False)))[0], NoRoom)


async def test_what_a_provider_said_as_a_long_answer_began_is_compared_with_what_was_used_then():
    """Its own use of a minute ago has aged out when the answer ends; it is nobody else's."""
    office = Office(tpm=1000)
    purse = office.purse()
    (early,) = await reserved(purse, ("a", False))
    settled(purse, early, tokens=900)
    office.now += 55
    await purse.look()
    (late,) = await reserved(purse, ("a", False))
    told_at, begun = office.now + 0.5, office.now
    office.now += 8
    said = Told(limits=(LimitTold(window="tpm", limit=1000, remaining=50, reset_s=55.0),))
    purse.settle(late, begun=begun, tokens=50, report=Report(ok=1), told=said, told_at=told_at)
    await purse.look()
    (tpm,) = (window for window in purse.view.windows if window.name == "tpm")
    assert tpm.used == 50


async def test_what_aged_out_while_the_provider_thought_is_nobody_elses():
    """It counted when it took the request, and answered seconds later."""
    office = Office(tpm=1000)
    purse = office.purse()
    (early,) = await reserved(purse, ("a", False))
    settled(purse, early, tokens=900)
    office.now += 59
    await purse.look()
    (late,) = await reserved(purse, ("a", False))
    begun = office.now
    office.now += 4
    said = Told(limits=(LimitTold(window="tpm", limit=1000, remaining=50, reset_s=60.0),))
    purse.settle(late, begun=begun, tokens=50, report=Report(ok=1), told=said, told_at=office.now)
    await purse.look()
    (tpm,) = (window for window in purse.view.windows if window.name == "tpm")
    assert tpm.used == 50


async def test_what_others_used_is_noticed_however_long_the_answer_took():
    office = Office(tpm=1000)
    purse = office.purse()
    (first,) = await reserved(purse, ("a", False))
    told_at = office.now + 0.5
    office.now += 8
    said = Told(limits=(LimitTold(window="tpm", limit=1000, remaining=100, reset_s=20.0),))
    purse.settle(first, begun=0.0, tokens=50, report=Report(ok=1), told=said, told_at=told_at)
    await purse.look()
    (tpm,) = (window for window in purse.view.windows if window.name == "tpm")
    assert tpm.used == 900
    office.now += 13
    await purse.look()
    (tpm,) = (window for window in purse.view.windows if window.name == "tpm")
    assert tpm.used == 50, "twenty seconds after it was told, not after it was heard"


async def test_a_refusals_wait_counts_from_when_it_was_said():
    office = Office(rpm=10)
    purse = office.purse()
    (one,) = await reserved(purse, ("a", False))
    office.now += 4
    purse.settle(
        one, begun=0.0, tokens=0, report=Report(ok=1), told=Told(retry_after_s=10.0), told_at=office.now - 3
    )
    await purse.look()
    assert purse.view.closed_s == pytest.approx(7.0)


async def test_a_smaller_question_takes_the_room_that_is_too_small_for_the_first_in_line():
    office = Office(tpm=1000)
    purse = office.purse()
    settled(purse, *await asked(purse, 600), tokens=600)
    large, small = await asked(purse, ("large", 500), ("small", 300))
    assert isinstance(large, NoRoom)
    assert not isinstance(small, NoRoom)


async def test_the_closest_fit_goes_first_when_little_is_left():
    office = Office(tpm=1000)
    purse = office.purse()
    settled(purse, *await asked(purse, 600), tokens=600)
    got = await asked(purse, ("a", 200), ("b", 390), ("c", 300))
    assert [isinstance(one, NoRoom) for one in got] == [True, False, True]


async def test_nobody_is_overtaken_by_more_than_eight():
    """Room for the large one comes as soon as nobody smaller may take it."""
    office = Office(tpm=1000)
    purse, smaller = office.purse(), 0
    settled(purse, *await asked(purse, 700), tokens=700)
    for _ in range(40):
        large, *small = await asked(purse, ("large", 900), *((f"s{n}", 250) for n in range(3)))
        for one in small:
            if not isinstance(one, NoRoom):
                smaller += 1
                settled(purse, one, tokens=250)
        if not isinstance(large, NoRoom):
            break
        office.now += 10
        await purse.look()
    assert not isinstance(large, NoRoom)
    assert 0 < smaller <= 8


async def test_nobody_is_overtaken_for_ever_by_small_ones_whose_room_comes_free_bit_by_bit():
    office = Office(tpm=1000)
    purse, smaller = office.purse(), 0
    for _ in range(4):
        settled(purse, *await asked(purse, 240), tokens=240)
        office.now += 15
        await purse.look()
    for _ in range(60):
        large, *small = await asked(purse, ("large", 900), *((f"s{n}", 240) for n in range(3)))
        for one in small:
            if not isinstance(one, NoRoom):
                smaller += 1
                settled(purse, one, tokens=240)
        if not isinstance(large, NoRoom):
            break
        office.now += 5
        await purse.look()
    assert not isinstance(large, NoRoom)
    assert 4 < smaller <= 8


async def test_what_a_dead_worker_held_under_a_limit_at_once_is_free_when_its_word_ends():
    office = Office(concurrency=1)
    assert not isinstance((await reserved(office.purse("dead"), ("a", False)))[0], NoRoom)
    purse = office.purse("alive")
    (refused,) = await reserved(purse, ("a", False))
    assert refused.why == "concurrency"
    office.now += 16
    await purse.look()
    assert not isinstance((await reserved(purse, ("a", False)))[0], NoRoom)


async def test_a_provider_that_allows_more_than_the_operator_changes_nothing():
    office = Office(rpm=5)
    purse = office.purse()
    (one,) = await reserved(purse, ("a", False))
    settled(purse, one, told=Told(limits=(LimitTold(window="rpm", limit=30),)))
    await purse.look()
    assert [window.limit for window in purse.view.windows if window.name == "rpm"] == [5]


async def test_a_standard_question_does_not_take_what_an_urgent_one_waits_for():
    office = Office(tpm=1000)
    purse = office.purse()
    settled(purse, *await asked(purse, 600), tokens=600)
    urgent = purse.reserve(Need(tokens=500, is_urgent=True), tenant="a", name="urgent")
    small = purse.reserve(Need(tokens=300), tenant="a", name="small")
    got = await asyncio.gather(urgent, small, return_exceptions=True)
    assert [isinstance(one, NoRoom) for one in got] == [True, True]


async def test_only_who_is_too_large_is_told_to_be_shorter():
    office = Office(tpm=1000)
    purse = office.purse()
    await purse.look()
    large, small = await asked(purse, ("large", 1200), ("small", 300))
    assert isinstance(large, NoRoom)
    assert large.why == "too_large"
    assert not isinstance(small, NoRoom)


async def test_a_refusal_is_not_believed_once_a_look_has_found_room():
    office = Office(tpm=1000)
    purse = office.purse()
    (first,) = await asked(purse, 900)
    assert isinstance((await asked(purse, 200))[0], NoRoom)
    assert purse.refusal() is not None
    settled(purse, first, tokens=500)
    await purse.look()
    assert purse.refusal() is None


async def asked(purse, *wishes):
    """Reservations or refusals of all wishes at once: tokens, or a name and tokens."""
    named = [wish if isinstance(wish, tuple) else ("", wish) for wish in wishes]
    return await asyncio.gather(
        *(purse.reserve(Need(tokens=tokens), tenant="a", name=name) for name, tokens in named),
        return_exceptions=True,
    )

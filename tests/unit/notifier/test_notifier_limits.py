import asyncio
import heapq
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.limits import own_limits
from support.logged import logged

from notifier.discord.endpoint import ADDRESS
from notifier.discord.verdict import Closed
from notifier.limits.buckets import Buckets, Target, Told
from notifier.limits.division import Claim, divide
from notifier.limits.global_limit import GlobalLimit
from notifier.limits.refusals_budget import RefusalBudget, counts
from notifier.limits.slots import HOLD_S, Slots
from notifier.limits.turns import Turns
from posta.errors import NotNow


@pytest.mark.slow
@given(
    share=st.integers(1, 10),
    there_s=st.lists(st.floats(0.001, 0.9), min_size=1, max_size=20),
    back_s=st.lists(st.floats(0.001, 0.9), min_size=1, max_size=20),
    calls=st.integers(1, 60),
)
def test_no_second_holds_more_calls_than_slots_however_long_they_are_on_their_way(
    share, there_s, back_s, calls
):
    slots = Slots(share, valid_until=float("inf"))
    served, tie = [], itertools.count()
    events = [(0.0, next(tie), "ask", n) for n in range(calls)]
    while events:
        now, _, kind, n = heapq.heappop(events)
        if kind == "ask" and not slots.take(now):
            heapq.heappush(events, (now + min(slots.wait_s(now), 0.05) + 1e-6, next(tie), "ask", n))
        elif kind == "ask":
            arrives = now + there_s[n % len(there_s)]
            served.append(arrives)
            heapq.heappush(events, (arrives + back_s[n % len(back_s)], next(tie), "answer", n))
        else:
            slots.answered(now)
    served.sort()
    assert len(served) == calls
    for n in range(len(served) - share):
        assert served[n + share] - served[n] >= 1.0, "more than the share within one second"


def cycles(slots, ways_s, now=0.0):
    """When each call could be sent, one after another by the only slot, each ``ways_s`` there and back."""
    sent_at = []
    for way_s in ways_s:
        assert slots.take(now)
        sent_at.append(now)
        slots.answered(now + way_s, took_s=way_s)
        now += way_s + slots.wait_s(now + way_s) + 1e-9
    return [*sent_at, now]


def test_a_way_that_every_call_needs_is_not_waited_for_twice():
    *_, before, last = cycles(Slots(1, valid_until=float("inf")), [0.1] * 150)
    assert 1.0 < last - before < 1.0 / 0.95, "a call each second is allowed, and 95 % of it is used"


def test_a_machine_that_is_busy_for_minutes_does_not_make_the_way_look_long():
    slots = Slots(1, valid_until=float("inf"))
    *_, now = cycles(slots, [0.02] * 150)
    *_, now = cycles(slots, [0.4] * 300, now)
    *_, before, last = cycles(slots, [0.4, 0.001], now)
    assert last - before >= HOLD_S, "the slow calls were slow here, not on their way"


def test_a_start_on_a_busy_machine_does_not_make_the_way_look_long():
    *_, before, last = cycles(Slots(1, valid_until=float("inf")), [0.4] * 60)
    assert last - before >= 0.4 + HOLD_S


def test_without_a_lease_there_is_no_slot():
    slots = Slots(5, valid_until=10.0)
    assert slots.take(9.9)
    assert not slots.take(10.0)


def test_a_slot_is_free_again_a_second_after_its_answer_or_at_once_when_nothing_was_sent():
    slots = Slots(1, valid_until=100.0)
    assert slots.take(0.0)
    assert not slots.take(5.0)
    slots.answered(5.0)
    assert slots.wait_s(5.5) == pytest.approx(HOLD_S - 0.5)
    assert slots.take(5.0 + HOLD_S)
    slots.unused()
    assert slots.take(5.0 + HOLD_S)


CLAIMS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.builds(Claim, wanted=st.integers(1, 50), weight=st.integers(1, 20)),
    min_size=1,
    max_size=6,
)


@given(st.integers(1, 100), CLAIMS)
def test_a_limit_is_divided_whole_and_nobody_gets_less_than_a_modest_wish_below_its_part(total, claims):
    parts = divide(total, claims)
    assert sum(parts.values()) == total
    weights = sum(claim.weight for claim in claims.values())
    for name, claim in claims.items():
        fair = total * claim.weight / weights
        assert parts[name] >= min(claim.wanted, int(fair)) - 1


@pytest.mark.parametrize(
    ("claims", "parts"),
    [
        pytest.param({"a": (50, 12), "b": (50, 8)}, {"a": 30, "b": 20}, id="by destinations"),
        pytest.param({"a": (50, 20), "b": (1, 1)}, {"a": 49, "b": 1}, id="an idle one leaves the rest"),
        pytest.param({"a": (1, 1), "b": (1, 1)}, {"a": 25, "b": 25}, id="room for bursts is shared"),
        pytest.param({"a": (1, 1)}, {"a": 50}, id="one alone has all"),
    ],
)
def test_shares(claims, parts):
    assert divide(50, {name: Claim(wanted=w, weight=n) for name, (w, n) in claims.items()}) == parts


def test_guilds_take_turns_and_the_call_that_opens_a_window_goes_first_in_its_guild():
    turns = Turns()
    for waiter in ("a1", "a2", "a3"):
        turns.push(waiter, guild="a", opens_window=False)
    turns.push("b1", guild="b", opens_window=False)
    turns.push("a4", guild="a", opens_window=True)
    assert [turns.pop() for _ in range(6)] == ["a4", "b1", "a1", "a2", "a3", None]


def target(name, guild=""):
    return Target("POST webhook", name, guild=guild, scope=ADDRESS)


async def test_those_who_wait_for_the_global_limit_are_served_guild_by_guild():
    limit = GlobalLimit(Slots(0, valid_until=float("inf")), most_waiting=10, clock=lambda: 0.0)
    served = []

    async def call(name, guild):
        await limit.enter(target(name, guild), opens_window=False)
        served.append(name)

    tasks = [asyncio.create_task(call(*who)) for who in (("a1", "a"), ("a2", "a"), ("a3", "a"), ("b1", "b"))]
    await asyncio.sleep(0)
    assert limit.waiting == 4
    for _ in range(4):
        limit.slots.share += 1
        limit.pump()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert served == ["a1", "b1", "a2", "a3"]


async def test_a_long_line_turns_callers_away_instead_of_holding_their_handlers():
    limit = GlobalLimit(Slots(0, valid_until=float("inf")), most_waiting=1, clock=lambda: 0.0)
    first = asyncio.create_task(limit.enter(target("a"), opens_window=False))
    await asyncio.sleep(0)
    with pytest.raises(NotNow):
        await limit.enter(target("b"), opens_window=False)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_the_slot_of_one_who_was_cancelled_goes_to_the_next():
    limit = GlobalLimit(Slots(0, valid_until=float("inf")), most_waiting=9, clock=lambda: 0.0)
    gone, stays = (
        asyncio.create_task(limit.enter(target(name), opens_window=False)) for name in ("gone", "stays")
    )
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.sleep(0)
    limit.slots.share = 1
    limit.pump()
    await stays
    assert gone.cancelled()
    assert limit.slots.in_use(0.0) == 1


async def test_a_slot_serves_the_next_a_second_after_its_call_was_answered_and_at_once_after_one_not_sent():
    now = 0.0
    limit = GlobalLimit(Slots(1, valid_until=float("inf")), most_waiting=9, clock=lambda: now)
    await limit.enter(target("first"), opens_window=False)
    limit.leave(sent=False)
    async with asyncio.timeout(5):
        await limit.enter(target("second"), opens_window=False)
    limit.leave(sent=True)
    waiting = asyncio.create_task(limit.enter(target("third"), opens_window=False))
    await asyncio.sleep(0)
    assert (limit.waiting, limit.slots.in_use(now)) == (1, 1)
    now += HOLD_S + 0.001
    limit.pump()
    async with asyncio.timeout(5):
        await waiting


async def test_calls_with_an_interactions_token_count_against_no_global_limit():
    limits = own_limits(slots=0)
    async with limits.passage(Target("PATCH @original", "t")) as passage:
        assert passage.sent


@pytest.mark.parametrize(
    ("status", "scope", "counted"),
    [(401, None, True), (403, None, True), (429, "user", True), (429, "global", True),
     (429, "shared", False), (404, None, False), (400, None, False), (500, None, False)],
)  # fmt: skip
def test_what_counts_as_an_invalid_request(status, scope, counted):
    assert counts(status, scope) is counted


def test_a_spent_budget_stops_everything_until_enough_of_it_is_ten_minutes_old():
    budget = RefusalBudget(most=3)
    for at in (0, 30, 61):
        assert budget.wait_s(at) == 0
        budget.refused(at)
    wait_s = budget.wait_s(62)
    assert wait_s == pytest.approx(11 * 60 - 62)
    assert budget.wait_s(62 + wait_s) == 0


def test_the_budget_counts_what_other_processes_were_refused_and_loses_nothing_when_telling_fails():
    budget = RefusalBudget(most=10)
    budget.refused(5)
    fresh = budget.hand_over()
    budget.take_back(fresh)
    assert budget.spent(6) == 1
    budget.learn({0: 9})
    assert budget.wait_s(6) > 0


async def test_a_spent_budget_lets_not_one_call_through():
    limits = own_limits(wall_clock=lambda: 100.0, refusals=2)
    limits.refused()
    limits.check_open(target("a"))
    limits.refused()
    with pytest.raises(NotNow, match="bans"):
        limits.check_open(target("a"))


def test_two_routes_whose_answers_name_one_bucket_share_it():
    buckets = Buckets()
    post, edit = Target("POST webhook", "a"), Target("PATCH message", "a")
    told = Told(limit=2, remaining=1, reset_after_s=5, reset_at=105, bucket="abcd")
    assert buckets.take(post, 0) == 0
    buckets.answered(post, told, 0)
    assert buckets.take(edit, 1) == 0, "its own until Discord names it"
    buckets.answered(edit, Told(limit=2, remaining=0, reset_after_s=4, reset_at=105, bucket="abcd"), 1)
    assert buckets.wait_s(post, 2) == pytest.approx(3)
    assert buckets.wait_s(Target("POST webhook", "b"), 2) == 0, "of another major parameter"


def test_a_shared_429_closes_every_webhook_of_its_channel():
    buckets = Buckets()
    one, other = Target("POST webhook", "a", channel="7"), Target("POST webhook", "b", channel="7")
    buckets.closed(one, Closed(40, "shared"), 0)
    assert buckets.wait_s(other, 10) == 30
    assert buckets.wait_s(Target("POST webhook", "c", channel="8"), 10) == 0


def test_a_closed_bucket_is_one_line_per_window_however_many_wait():
    now = 0.0
    limits = own_limits(clock=lambda: now)
    here, there = (Target("POST webhook", name, scope=ADDRESS) for name in ("hook-1", "hook-2"))
    with logged() as lines:
        for window in range(3):
            for target in (here, there):
                limits.closed(target, Closed(wait_s=2.0, scope="user"))
            for n in range(100):
                now = window * 2.0 + n / 100
                for target in (here, there):
                    with pytest.raises(NotNow):
                        limits.check_open(target)
            now = window * 2.0 + 2.0
            limits.check_open(here)
    told = lines["discord_bucket_closed"]
    assert [line["bucket"] for line in told] == ["hook-1", "hook-2"] * 3
    assert told[0] == {
        "event": "discord_bucket_closed",
        "log_level": "info",
        "route": "POST webhook",
        "bucket": "hook-1",
        "wait_s": 2.0,
    }

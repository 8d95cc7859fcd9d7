import heapq
import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.discord.verdict import Closed
from notifier.limits.buckets import BLOCK_MOST_S, PROBE_WAIT_S, Buckets, Target, Told, read_told

HOOK = Target("POST webhook", "a")
OTHER = Target("POST webhook", "b")


def told(remaining, *, limit=5, reset_after_s=2.0, reset_at=1002.0):
    return Told(limit=limit, remaining=remaining, reset_after_s=reset_after_s, reset_at=reset_at)


def test_an_unknown_bucket_lets_one_call_through_until_its_answer():
    buckets = Buckets()
    assert buckets.take(HOOK, 0) == 0
    assert buckets.take(HOOK, 0) == PROBE_WAIT_S
    assert buckets.take(OTHER, 0) == 0
    buckets.answered(HOOK, told(4), 0.1)
    assert [buckets.take(HOOK, 0.2) for _ in range(4)] == [0, 0, 0, 0]
    assert buckets.take(HOOK, 0.2) == pytest.approx(1.9)


def test_what_others_took_from_the_bucket_counts_and_so_do_calls_under_way():
    buckets = Buckets()
    buckets.take(HOOK, 0)
    buckets.answered(HOOK, told(4), 0)
    for _ in range(3):
        assert buckets.take(HOOK, 0.1) == 0
    buckets.answered(HOOK, told(1), 0.2)
    assert buckets.take(HOOK, 0.3) == pytest.approx(1.7)


def test_a_used_up_bucket_opens_when_it_was_told_to():
    buckets = Buckets()
    buckets.take(HOOK, 0)
    buckets.answered(HOOK, told(0, reset_after_s=3), 1)
    assert buckets.wait_s(HOOK, 3.5) == pytest.approx(0.5)
    assert buckets.take(HOOK, 4) == 0


def test_a_call_without_an_answer_leaves_the_bucket_to_be_found_out_again():
    buckets = Buckets()
    buckets.take(HOOK, 0)
    buckets.answered(HOOK, told(0), 0)
    assert buckets.take(HOOK, 5) == 0
    buckets.answered(HOOK, None, 5)
    assert buckets.take(HOOK, 5) == 0
    assert buckets.take(HOOK, 5) == PROBE_WAIT_S


@pytest.mark.parametrize("scope", ["user", "shared"])
def test_a_429_closes_its_own_bucket_for_as_long_as_it_says(scope):
    buckets = Buckets()
    buckets.take(HOOK, 0)
    buckets.answered(HOOK, told(9, limit=10, reset_after_s=64), 0)
    buckets.closed(HOOK, Closed(1337, scope), 0)
    assert buckets.wait_s(HOOK, 100) == 1237
    assert buckets.wait_s(OTHER, 100) == 0
    assert buckets.take(HOOK, 1337) == 0


def test_a_global_429_closes_everything():
    buckets = Buckets()
    buckets.closed(HOOK, Closed(5, "global"), 10)
    assert buckets.wait_s(OTHER, 12) == 3
    assert buckets.wait_s(OTHER, 15) == 0


def test_a_block_closes_everything_for_longer_each_time_until_a_call_gets_through():
    buckets = Buckets()
    assert buckets.blocked(0) == 60
    assert buckets.blocked(1) == 59, "a second call of the same block does not count"
    assert buckets.wait_s(OTHER, 30) == 30
    assert buckets.blocked(60) == 120
    assert buckets.blocked(180) == 240
    buckets.got_through()
    assert buckets.blocked(1000) == 60
    now = 2000.0
    for _ in range(30):
        now += buckets.blocked(now)
    assert buckets.blocked(now) == BLOCK_MOST_S


def test_headers_are_read_whole_or_not_at_all():
    headers = {
        "x-ratelimit-limit": "5",
        "x-ratelimit-remaining": "4",
        "x-ratelimit-reset": "1470173023.123",
        "x-ratelimit-reset-after": "1.5",
    }
    assert read_told(headers) == Told(limit=5, remaining=4, reset_after_s=1.5, reset_at=1470173023.123)
    for name in headers:
        assert read_told({**headers, name: "nan"}) is None
        assert read_told({k: v for k, v in headers.items() if k != name}) is None


class Server:
    """Discord's side: a fixed window that opens with its first call."""

    def __init__(self, limit, window_s):
        self.limit, self.window_s = limit, window_s
        self.end, self.used, self.refused = 0.0, 0, 0

    def call(self, now):
        if now >= self.end:
            self.end, self.used = now + self.window_s, 0
        if self.used >= self.limit:
            self.refused += 1
        self.used += 1
        left = max(0, self.limit - self.used)
        return told(left, limit=self.limit, reset_after_s=self.end - now, reset_at=5000 + self.end)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(
    limit=st.integers(1, 8),
    window_s=st.floats(0.2, 5),
    there_s=st.lists(st.floats(0.001, 1.5), min_size=1, max_size=20),
    back_s=st.lists(st.floats(0.001, 1.5), min_size=1, max_size=20),
    gaps_s=st.lists(st.floats(0, 1), min_size=1, max_size=20),
    calls=st.integers(1, 40),
    lost=st.sets(st.integers(0, 39), max_size=3),
)
def test_nothing_is_ever_sent_into_a_closed_bucket_while_answers_arrive(
    limit, window_s, there_s, back_s, gaps_s, calls, lost
):
    """Callers come whenever they like; requests and answers overtake each other; some answers are lost.

    A 429 may only follow from requests that were on their way while the window changed, which one
    who sends cannot know; with equal ways there is none.
    """
    equal_way_s = there_s[0]
    server, buckets = Server(limit, window_s), Buckets()
    tie = itertools.count()
    events = []
    arrival = 0.0
    for number in range(calls):
        arrival += gaps_s[number % len(gaps_s)]
        heapq.heappush(events, (arrival, next(tie), "ask", number, None))
    done = 0
    while events:
        now, _, kind, number, answer = heapq.heappop(events)
        if kind == "ask":
            wait_s = buckets.take(HOOK, now)
            assert math.isfinite(wait_s)
            if wait_s:
                heapq.heappush(events, (now + wait_s, next(tie), "ask", number, None))
            else:
                heapq.heappush(events, (now + equal_way_s, next(tie), "serve", number, None))
        elif kind == "serve":
            reply = server.call(now)
            come = now + back_s[number % len(back_s)]
            heapq.heappush(events, (come, next(tie), "answer", number, None if number in lost else reply))
        else:
            buckets.answered(HOOK, answer, now)
            done += 1
    assert done == calls, "every call gets its turn"
    if not lost:
        assert server.refused == 0

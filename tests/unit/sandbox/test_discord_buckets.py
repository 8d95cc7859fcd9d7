from hypothesis import given
from hypothesis import strategies as st

from posta_sandbox.discord.buckets import Buckets, Level


@given(st.lists(st.floats(0, 5), max_size=60), st.integers(1, 6))
def test_no_window_ever_lets_more_through_than_its_limit(waits, limit):
    buckets, now, windows = Buckets(), 0.0, {}
    for wait in waits:
        now += wait
        verdict = buckets.take("r", "k", limit=limit, window_s=2.0, now=now)
        windows.setdefault(verdict.reset_at, []).append(verdict.allowed)
        assert 0 <= verdict.remaining < limit
        assert 0 <= verdict.reset_after_s < 2.001
    assert all(sum(allowed) <= limit for allowed in windows.values())


def test_keys_have_buckets_of_their_own_and_share_the_bucket_name():
    buckets = Buckets()
    first = buckets.take("r", "a", limit=1, window_s=2, now=0)
    other = buckets.take("r", "b", limit=1, window_s=2, now=0)
    assert (first.allowed, other.allowed) == (True, True)
    assert first.bucket == other.bucket
    assert not buckets.take("r", "a", limit=1, window_s=2, now=1.9).allowed
    assert buckets.take("r", "a", limit=1, window_s=2, now=2.0).allowed


def test_a_limit_of_zero_is_none():
    buckets = Buckets()
    assert all(buckets.take("r", "a", limit=0, window_s=2, now=0).allowed for _ in range(100))


def test_how_full_a_bucket_is_can_be_seen_without_counting_a_call():
    buckets = Buckets()
    assert buckets.level("b", "me", limit=2, now=0.0) == Level(limit=2, remaining=2, opens_at=None, refused=0)
    for now in (0.0, 0.1, 0.2):
        buckets.take("b", "me", limit=2, window_s=1.0, now=now)
    assert buckets.level("b", "me", limit=2, now=0.5) == Level(limit=2, remaining=0, opens_at=1.0, refused=1)
    assert buckets.level("b", "me", limit=2, now=1.0) == Level(limit=2, remaining=2, opens_at=None, refused=1)
    assert buckets.level("b", "other", limit=2, now=0.5).remaining == 2

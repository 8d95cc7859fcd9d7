"""Back-off: within its bounds for every attempt, however large."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posta.domain.backoff import FullJitter, Table

JITTER = st.floats(0, 1, exclude_max=True)


@given(attempt=st.integers(1, 10**6), jitter=JITTER)
def test_full_jitter_lies_between_floor_and_cap(attempt, jitter):
    backoff = FullJitter(base_s=1, cap_s=60, floor_s=0.2)
    assert 0.2 <= backoff.delay_s(attempt, jitter) <= 60


@given(jitter=JITTER, attempt=st.integers(1, 30))
def test_full_jitter_is_a_share_of_the_ceiling(jitter, attempt):
    backoff = FullJitter(base_s=2, factor=3, cap_s=10**9, floor_s=0)
    assert backoff.delay_s(attempt, jitter) == pytest.approx(min(2 * 3 ** (attempt - 1), 10**9) * jitter)


@pytest.mark.parametrize(("attempt", "delay_s"), [(1, 1), (2, 2), (3, 5), (4, 10), (5, 10), (99, 10)])
def test_a_table_is_read_in_order_and_its_last_entry_stays(attempt, delay_s):
    assert Table(delays_s=(1, 2, 5, 10)).delay_s(attempt, 0.5) == delay_s

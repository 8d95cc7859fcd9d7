import pytest
from hypothesis import given
from hypothesis import strategies as st

from posta_cli.supervisor.backoff import RestartPolicy


@pytest.mark.parametrize(
    ("deaths", "lived_s", "expected"),
    [
        pytest.param(0, 0.1, (1, 0.2), id="the first death waits the first delay"),
        pytest.param(1, 0.1, (2, 0.4), id="the second waits twice as long"),
        pytest.param(5, 0.1, (6, 6.4), id="doubling"),
        pytest.param(6, 0.1, (7, 10.0), id="capped"),
        pytest.param(5_000, 0.1, (5_001, 10.0), id="no overflow after very many"),
        pytest.param(6, 30.0, (1, 0.2), id="a long life starts a new row"),
        pytest.param(6, 29.9, (7, 10.0), id="not quite long enough"),
    ],
)
def test_the_wait_doubles_up_to_a_cap_and_resets_after_a_steady_life(
    deaths: int, lived_s: float, expected: tuple[int, float]
) -> None:
    assert RestartPolicy().after_exit(deaths, lived_s=lived_s) == expected


@given(deaths=st.integers(0, 10_000), lived_s=st.floats(0, 1e9))
def test_the_wait_is_never_outside_its_bounds(deaths: int, lived_s: float) -> None:
    policy = RestartPolicy()
    after, delay_s = policy.after_exit(deaths, lived_s=lived_s)
    assert policy.first_delay_s <= delay_s <= policy.max_delay_s
    assert after >= 1

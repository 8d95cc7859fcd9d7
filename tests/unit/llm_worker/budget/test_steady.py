"""The group's clock: no set clock moves it, forward or back."""

import pytest

from llm_worker.budget.steady import Seen, Steady, advance

STEADY = Steady(at=100.0, database_at=5000.0)


@pytest.mark.parametrize(
    ("database_now", "seen", "at"),
    [
        pytest.param(5007.0, None, 107.0, id="a new worker believes the database"),
        pytest.param(5007.0, Seen(at=90.0, passed_s=17.0), 107.0, id="both agree"),
        pytest.param(
            8600.0, Seen(at=90.0, passed_s=17.0), 107.0, id="set forward: as far as was seen to pass"
        ),
        pytest.param(4400.0, Seen(at=90.0, passed_s=17.0), 100.0, id="set back: no time passes"),
    ],
)
def test_time_passes_as_workers_saw_it_pass(database_now, seen, at):
    assert advance(STEADY, database_now=database_now, seen=seen).at == pytest.approx(at, abs=0.03)

"""Static members in the simulation: a restart without a round, a double that is found out, two long stops."""

import pytest
from support.sim.scenario import Event, Outcome, Planned, Scenario, What
from support.sim.world import run

from posta.engine.fencing import Fencing

RECORDS = tuple(Planned(n / 4, f"key {n % 7}", (Outcome(lasts_s=0.4),)) for n in range(120))


def rounds_of(verdict) -> int:
    return verdict.cluster.group("sim").rebalances


def test_a_static_member_that_is_back_within_its_session_costs_no_round_and_no_double():
    restarts = (Event(8.0, What.TERM, 0, 2.0), Event(18.0, What.TERM, 1, 3.0))
    steady = run(Scenario(records=RECORDS, static=True))
    static = run(Scenario(records=RECORDS, events=restarts, static=True))
    dynamic = run(Scenario(records=RECORDS, events=restarts))
    assert rounds_of(static) == rounds_of(steady), "nobody else notices"
    assert rounds_of(dynamic) > rounds_of(steady)
    assert static.cluster.group("sim").takeovers >= 2
    assert {story.answers for story in static.ledger.stories.values()} == {1}


@pytest.mark.parametrize("seed", range(5))
def test_of_two_processes_with_one_instance_id_the_older_ends_and_nothing_is_lost(seed):
    verdict = run(Scenario(records=RECORDS, events=(Event(10.0, What.TWIN),), static=True, seed=seed))
    assert all(story.answers for story in verdict.ledger.stories.values())


def test_a_double_that_nobody_notices_is_reported(monkeypatch):
    monkeypatch.setattr(Fencing, "is_fenced", False)
    with pytest.raises(AssertionError, match="goes on beside the newer"):
        run(Scenario(records=RECORDS, events=(Event(10.0, What.TWIN),), static=True))


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_static_member_that_stood_still_twice_beyond_its_session_goes_on_and_is_not_taken_for_a_double(
    ordered, seed
):
    stops = (Event(5.0, What.FREEZE, 0, 9.0), Event(15.0, What.FREEZE, 0, 9.0))
    verdict = run(Scenario(records=RECORDS, events=stops, static=True, ordered=ordered, seed=seed))
    assert all(story.answers for story in verdict.ledger.stories.values())

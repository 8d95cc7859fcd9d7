"""A partition of a lane that has no leader for a while, in the simulation."""

import pytest
from support.sim.scenario import End, Event, Outcome, Planned, Scenario, What
from support.sim.world import run


@pytest.mark.parametrize("ordered", [False, True])
def test_a_lane_partition_without_a_leader_holds_up_only_what_needs_it(ordered):
    waits = Outcome(lasts_s=0.05)
    failing = tuple(
        Planned(1.0 + n / 10, f"key {n}", (Outcome(end=End.TRANSIENT, seconds=3.0), waits)) for n in range(40)
    )
    scenario = Scenario(
        records=failing, events=(Event(0.5, What.LEADERLESS, 0, 30.0),), partitions=2, ordered=ordered
    )
    verdict = run(scenario)
    answered_at = {
        line.split()[-1]: float(line.split()[0]) for line in verdict.ledger.history if "answered" in line
    }
    of_one = [name for name, story in verdict.ledger.stories.items() if story.origin[0].partition == 1]
    of_none = [name for name, story in verdict.ledger.stories.items() if story.origin[0].partition == 0]
    assert max(answered_at[name] for name in of_one) < 25
    assert min(answered_at[name] for name in of_none) > 30

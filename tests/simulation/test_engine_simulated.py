"""The whole engine on virtual time against everything that can go wrong, in orders that hypothesis draws."""

import pytest
from hypothesis import HealthCheck, given, settings
from support.sim.scenario import End, Outcome, Planned, Scenario, scenarios, seeded
from support.sim.world import run

# Half of the profile's examples: each is a run of a minute or more of virtual time.
_SETTINGS = settings(max_examples=settings().max_examples // 2, suppress_health_check=list(HealthCheck))


@_SETTINGS
@given(scenarios(ordered=False))
def test_the_invariants_hold_with_independent_retries(scenario: Scenario):
    run(scenario)


@_SETTINGS
@given(scenarios(ordered=True))
def test_the_invariants_hold_with_ordered_retries(scenario: Scenario):
    run(scenario)


@pytest.mark.parametrize("seed", range(6))
def test_a_scenario_runs_the_same_each_time(seed):
    """Otherwise a counterexample could be found and never seen again."""
    assert run(seeded(seed)).ledger.history == run(seeded(seed)).ledger.history


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("wait_s", [0.5, 1.9, 3.0, 12.0, 25.0, 47.0])
def test_a_record_that_waits_starts_when_it_is_due_among_others_that_do_not_wait(wait_s, ordered):
    others = tuple(Planned(1.0 + n / 2, f"other {n % 7}", (Outcome(lasts_s=0.4),)) for n in range(60))
    failing = Outcome(End.NOT_NOW, wait_s)
    scenario = Scenario(records=(Planned(1.0, "waiting", (failing, failing)), *others), ordered=ordered)
    late_s = run(scenario).ledger.stories["r0"].late_s
    assert len(late_s) == 2
    # Times travel in milliseconds, rounded up but for hundredths of one.
    assert all(-0.00001 <= one <= 0.25 for one in late_s)

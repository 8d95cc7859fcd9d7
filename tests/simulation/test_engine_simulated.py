"""The whole engine on virtual time against everything that can go wrong, in orders that hypothesis draws."""

from hypothesis import HealthCheck, given, settings
from support.sim.scenario import Scenario, scenarios
from support.sim.world import run

_SETTINGS = settings(suppress_health_check=list(HealthCheck))


@_SETTINGS
@given(scenarios(ordered=False))
def test_the_invariants_hold_with_independent_retries(scenario: Scenario):
    run(scenario)


@_SETTINGS
@given(scenarios(ordered=True))
def test_the_invariants_hold_with_ordered_retries(scenario: Scenario):
    run(scenario)

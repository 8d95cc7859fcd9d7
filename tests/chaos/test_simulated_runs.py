"""Long runs of the simulated engine: ``POSTA_SIM_RUNS`` seeds, from ``POSTA_SIM_SEED`` on."""

import os

import pytest
from support.sim.scenario import seeded
from support.sim.world import Broken, run

_RUNS = int(os.environ.get("POSTA_SIM_RUNS", "500"))
_FIRST = int(os.environ.get("POSTA_SIM_SEED", "0"))


@pytest.mark.chaos
def test_the_invariants_hold_in_every_seeded_run():
    virtual_s, broken = 0.0, {}
    for seed in range(_FIRST, _FIRST + _RUNS):
        try:
            virtual_s += run(seeded(seed)).ended_at
        except Broken as exc:
            broken[seed] = exc
    print(f"{_RUNS} runs from seed {_FIRST}: {virtual_s / 3600:.1f} hours of virtual time")
    for seed, exc in list(broken.items())[:3]:
        print(f"\nseed {seed}: {exc}")
    assert not broken, (
        f"seeds {sorted(broken)} broke {sorted(set().union(*(e.which for e in broken.values())))}"
    )

"""What the engine counts is what happened: its counters against the ledger outside of it."""

from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from support.sim.scenario import seeded
from support.sim.world import run


def total(name: str, **labels: str) -> float:
    """The sum over all series of the simulated group that have these labels."""
    wanted = {"group": "sim", **labels}
    return sum(
        sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name == name and wanted.items() <= sample.labels.items()
    )


def counts() -> dict[str, float]:
    return {
        "received": total("posta_messages_received_total", topic="work"),
        "answered": total("posta_messages_processed_total", outcome="ok"),
        "dead": total("posta_dead_letters_total"),
    }


@pytest.mark.parametrize("seed", [3, 11, 27, 40])
@pytest.mark.parametrize("ordered", [False, True])
def test_received_answered_and_dead_are_counted_as_the_ledger_has_them(seed, ordered):
    drawn = seeded(seed)
    scenario = replace(
        drawn, events=(), members=1, ordered=ordered, holds=False, ordering="KEY", flood_row=None
    )
    before = counts()
    stories = run(scenario).ledger.stories.values()
    counted = {name: value - before[name] for name, value in counts().items()}
    assert counted == {
        "received": len(scenario.records),
        "answered": sum(story.answers for story in stories),
        "dead": sum(story.dead for story in stories),
    }

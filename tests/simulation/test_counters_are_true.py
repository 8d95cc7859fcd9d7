"""What the engine counts is what happened: its counters against the ledger outside of it."""

from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from support.sim.ledger import Story
from support.sim.scenario import End, Outcome, seeded
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
        "again": sum(
            total("posta_messages_processed_total", outcome=outcome) for outcome in ("retry", "waiting")
        ),
    }


def again(story: Story) -> int:
    """How many of its handlings led to another one: all that failed, but for what it died of."""
    planned = story.planned.outcomes
    ends = [(planned[n] if n < len(planned) else Outcome()).end for n in range(story.handlings)]
    failed = sum(end not in {End.OK, End.SILENT} for end in ends)
    return failed - story.dead


@pytest.mark.parametrize("seed", [3, 11, 27, 40])
@pytest.mark.parametrize("ordered", [False, True])
def test_what_came_ended_and_was_tried_again_is_counted_as_the_ledger_has_it(seed, ordered):
    drawn = seeded(seed)
    scenario = replace(
        drawn,
        # What expires, or is refused, dies without having been handled.
        records=tuple(replace(one, expires_s=None) for one in drawn.records),
        events=(),
        members=1,
        ordered=ordered,
        holds=False,
        ordering="KEY",
        flood_row=None,
        lane_bytes=None,
    )
    before = counts()
    stories = run(scenario).ledger.stories.values()
    counted = {name: value - before[name] for name, value in counts().items()}
    assert counted == {
        "received": len(scenario.records),
        "answered": sum(story.answers for story in stories),
        "dead": sum(story.dead for story in stories),
        "again": sum(again(story) for story in stories),
    }

"""Runs that once broke an invariant, as small as they could be made."""

import pytest
from support.sim.scenario import End, Event, Outcome, Planned, Scenario, What
from support.sim.world import Broken, run

from posta.engine.assignor import Assignor, Process

COUNTEREXAMPLES = {
    "a record that its lane refused had those doubled that were published with it": Scenario(
        records=tuple(
            Planned(1.0, key, (Outcome(End.TRANSIENT, 3.0, lasts_s=0.0),), filling=filling)
            for key, filling in (("a", 0), ("b", 0), ("c", 20_000), ("d", 0), ("e", 0))
        ),
        members=1,
        partitions=1,
        concurrency=16,
        lane_bytes=8_000,
    ),
    "a zombie started what it fetched as it woke, though its key was held by then": Scenario(
        records=(
            Planned(6.0, "d", (Outcome(End.PERMANENT),)),
            *(Planned(12.5 + 0.5 * (n // 5), "dabce"[n % 5]) for n in range(30)),
        ),
        events=(Event(1.21, What.FREEZE, 1, 15.0),),
        members=2,
        partitions=2,
        ordered=True,
        holds=True,
        seed=5,
    ),
    "a follower that its lane refused became a dead letter that did not say when it had failed": Scenario(
        records=(
            Planned(0.5, "a", (Outcome(End.TRANSIENT, 12.0),)),
            Planned(2.0, "a", filling=20_000),
        ),
        members=1,
        partitions=1,
        ordered=True,
        lane_bytes=8_000,
    ),
    "a client replaced during a rebalance cancelled its worker twice, and it never worked again": Scenario(
        records=(Planned(1.75, "b"), Planned(3.3, "b"), Planned(4.75, "c"), Planned(17.75, "e")),
        events=(
            Event(4.47, What.PUBLISH_UNSENT, 0, 4.0),
            Event(5.0, What.FREEZE, 0, 15.0),
            Event(9.03, What.FETCH_FAILED, 0, 1.0),
            Event(21.78, What.FREEZE, 0, 5.0),
        ),
        members=1,
        partitions=1,
        concurrency=1,
    ),
    "the first commit after a rebalance forgot what was finished and not read again yet": Scenario(
        records=(
            Planned(0.1, "x", tuple(Outcome(End.NOT_NOW, 1.5) for _ in range(12))),
            *(Planned(0.2 + 0.1 * n, None) for n in range(1, 15)),
        ),
        events=tuple(Event(at, What.REBALANCE) for at in (6.0, 8.5, 11.0, 13.7)),
        members=1,
        partitions=1,
        max_held=2,
    ),
    "an older copy that a kill had reopened was handled beside its replay": Scenario(
        records=(
            *(Planned(0.0, "a") for _ in range(10)),
            Planned(
                11.0,
                "a",
                (
                    Outcome(End.TRANSIENT, 3.0, lasts_s=0.0),
                    Outcome(End.PERMANENT, lasts_s=0.0),
                    Outcome(End.AWAY, 25.0, lasts_s=0.0),
                ),
            ),
        ),
        events=(
            Event(0.0, What.COMMIT_FAILED, 0, 4.0),
            Event(0.0, What.KILL, 0, 0.5),
            Event(0.0, What.KILL, 0, 0.5),
            Event(13.5, What.KILL, 1, 0.5),
            Event(21.5, What.KILL, 0, 0.5),
        ),
        members=2,
        partitions=1,
        ordered=True,
        holds=True,
        concurrency=1,
        max_held=2,
        seed=749,
    ),
    "a static member that Kafka was away from twice took itself for another process": Scenario(
        records=(),
        events=(Event(15.5, What.KAFKA_AWAY, 0, 12.0), Event(30.89, What.KAFKA_AWAY, 0, 12.0)),
        members=1,
        partitions=1,
        static=True,
    ),
    "so did one whose requests to the group did not arrive after that": Scenario(
        records=(),
        events=(
            Event(6.67, What.KAFKA_AWAY, 0, 12.0),
            Event(21.71, What.GROUP_UNSENT, 0, 4.0),
            Event(29.23, What.GROUP_UNSENT, 0, 1.0),
        ),
        members=1,
        partitions=1,
        static=True,
    ),
    "and one that stood still after that": Scenario(
        records=(),
        events=(Event(12.04, What.KAFKA_AWAY, 0, 12.0), Event(38.87, What.FREEZE, 0, 15.0)),
        members=1,
        partitions=1,
        static=True,
    ),
    "a static member ended because its predecessor's join was carried out after its own": Scenario(
        records=(),
        events=(
            Event(19.47, What.GROUP_LATE, 0, 2.0),
            Event(21.29, What.TERM, 0, 0.5),
            Event(36.23, What.TERM, 0, 0.0),
        ),
        members=1,
        partitions=1,
        static=True,
    ),
    "partitions that were added before a static leader started again were nobody's": Scenario(
        records=(Planned(22.94, "d"),),
        events=(Event(4.29, What.GROW, 0, 1.0), Event(17.0, What.KILL, 0, 3.0)),
        members=1,
        partitions=1,
        static=True,
    ),
}


@pytest.mark.parametrize(
    "scenario", [pytest.param(scenario, id=name) for name, scenario in COUNTEREXAMPLES.items()]
)
def test_a_counterexample_stays_mended(scenario: Scenario):
    run(scenario)


@pytest.mark.parametrize(
    ("mend", "undone", "name", "broken"),
    [
        pytest.param(
            (Process, "succeeds"), lambda one, other: one != other, "predecessor's join", "I10", id="fencing"
        ),
        pytest.param((Assignor, "outdated"), lambda *_: {}, "partitions that were added", "I11", id="growth"),
    ],
)
def test_without_its_mend_a_counterexample_breaks_again(monkeypatch, mend, undone, name, broken):
    (scenario,) = (one for told, one in COUNTEREXAMPLES.items() if name in told)
    monkeypatch.setattr(*mend, undone)
    with pytest.raises(Broken, match=broken):
        run(scenario)

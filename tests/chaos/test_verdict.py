"""The judge of the chaos tests is itself put to the test: what is wrong with a run must show."""

import dataclasses

import pytest
from support.chaos.ledger import Did, Entry, Pen, Reader
from support.chaos.schedule import Kind, restarts
from support.chaos.slope import Slope
from support.chaos.verdict import Excuse, Written, judge

TOPIC = [Written(partition=0, offset=n, key="ab"[n % 2], number=n) for n in range(4)]
KILLED = [Excuse(why="kill -9", pid=1, since=7.0, until=9.0)]


def lines(*told: str) -> list[Entry]:
    """``<pid> <did> <offset>`` for each second of a ledger."""
    entries = []
    for at, line in enumerate(told):
        pid, did, offset = line.split()
        number = int(offset)
        entries.append(
            Entry(
                did=Did(did),
                at=at,
                pid=int(pid),
                partition=0,
                offset=number,
                attempt=1,
                key="ab"[number % 2],
                number=number,
            )
        )
    return entries


GOOD = (
    "1 began 0",
    "1 began 1",
    "1 ended 1",
    "1 ended 0",
    "1 began 2",
    "1 ended 2",
    "1 began 3",
    "1 ended 3",
)


def test_a_good_run_has_nothing_against_it():
    verdict = judge(TOPIC, lines(*GOOD), [])
    assert (verdict.lost, verdict.disordered, verdict.unexplained) == ((), (), ())
    assert (verdict.records, verdict.completions) == (4, 4)


def test_a_record_that_never_ended_is_lost():
    assert judge(TOPIC, lines(*GOOD[:-1]), []).lost == ((0, 3),)


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(("1 began 0", "1 began 2", "1 ended 0", "1 ended 2"), id="begun too soon"),
        pytest.param(("1 began 2", "1 ended 2", "1 began 0", "1 ended 0"), id="the other way round"),
        pytest.param(("1 began 2", "1 ended 2"), id="the first never"),
    ],
)
def test_a_record_begun_before_the_one_before_it_of_its_key_ended_is_out_of_order(told):
    assert len(judge(TOPIC, lines(*told), []).disordered) == 1


def test_a_key_of_which_a_handling_failed_may_change_its_order():
    told = ("1 began 0", "1 failed 0", "1 began 2", "1 ended 2", "1 began 0", "1 ended 0")
    assert judge(TOPIC, lines(*told), []).disordered == ()


@pytest.mark.parametrize(
    ("again", "explained"),
    [
        pytest.param(("2 began 3", "2 ended 3"), 1, id="it was killed just after"),
        pytest.param(("2 began 2", "2 ended 2"), 0, id="it was committed long before the kill"),
    ],
)
def test_what_is_done_again_is_explained_only_by_the_end_of_who_had_just_done_it(again, explained):
    verdict = judge(TOPIC, lines(*GOOD, *again), KILLED)
    assert verdict.explained == explained
    assert len(verdict.unexplained) == 1 - explained


def test_what_a_zombie_does_late_is_explained_by_its_lost_session_whoever_was_first():
    asleep = [Excuse(why="lost session", pid=1, since=0.0, until=20.0, also_late=True)]
    told = ("1 began 0", "2 began 0", "2 ended 0", "1 ended 0")
    verdict = judge(TOPIC[:1], lines(*told), asleep)
    assert (verdict.explained, verdict.unexplained) == (1, ())


def test_what_failed_just_before_a_kill_may_come_off_its_lane_twice():
    told = ("1 began 0", "1 failed 0", "2 began 0", "2 ended 0", "2 began 0", "2 ended 0")
    killed = [Excuse(why="kill -9", pid=1, since=0.5, until=2.0)]
    assert judge(TOPIC[:1], lines(*told), killed).unexplained == ()
    assert len(judge(TOPIC[:1], lines(*told), []).unexplained) == 1


def test_another_members_end_explains_nothing():
    verdict = judge(TOPIC, lines(*GOOD, "2 began 3", "2 ended 3"), [dataclasses.replace(KILLED[0], pid=2)])
    assert len(verdict.unexplained) == 1


def test_a_ledger_is_read_line_by_whole_line(tmp_path):
    path = tmp_path / "ledger"
    reader = Reader(path)
    assert reader.read() == []
    Pen(path).note(Did.BEGAN, partition=1, offset=2, attempt=3, key="k", number=4)
    with path.open("ab") as half:
        half.write(b"ended 5.0 1 1")
    (entry,) = reader.read()
    assert (entry.did, entry.record, entry.attempt, entry.key, entry.number) == (Did.BEGAN, (1, 2), 3, "k", 4)
    with path.open("ab") as rest:
        rest.write(b" 2 3 k 4\n")
    assert [one.did for one in reader.read()] == [Did.ENDED]


def test_a_seed_always_draws_the_same_faults():
    def drawn(seed: int) -> object:
        return restarts(seed, count=16, over_s=60, kinds=(Kind.KILL, Kind.TERMINATE), most_down_s=3)

    assert drawn(1) == drawn(1) != drawn(2)
    kinds = [fault.kind for fault in drawn(1)]
    assert kinds.count(Kind.KILL) == kinds.count(Kind.TERMINATE) == 8


@pytest.mark.parametrize(("step", "per_hour"), [(0.0, 0.0), (1.0, 360.0), (-0.5, -180.0)])
def test_a_slope_is_what_a_steady_growth_comes_to_in_an_hour(step, per_hour):
    slope = Slope()
    for number in range(100):
        slope.add(10.0 * number, 50 + step * number)
    assert slope.per_hour() == pytest.approx(per_hour)
    assert slope.growth() == pytest.approx(step * 79)

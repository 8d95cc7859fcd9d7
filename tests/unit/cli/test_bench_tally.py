"""The count that every contender keeps, and the task it is given."""

import json

from posta_cli.bench.memory import peak_mib, resident_mib
from posta_cli.bench.tally import Tally
from posta_cli.bench.task import Task, read_task, write_result


def test_all_is_done_only_when_each_record_has_been_handled():
    done: list[bool] = []
    tally = Tally((2, 1), handler_s=0, done=lambda: done.append(True))
    for partition, offset in [(0, 0), (0, 0), (1, 0)]:
        tally.note(partition, offset)
    assert (tally.handled, done) == (2, [])
    tally.note(0, 1)
    assert (tally.handled, done) == (3, [True])
    result = tally.result()
    assert (result["handled"], result["calls"], result["complete"]) == (3, 4, True)


def test_a_run_that_was_cut_off_reports_what_it_handled_and_for_how_long():
    tally = Tally((5,), handler_s=0.5, done=lambda: None)
    tally.note(0, 3)
    result = tally.result()
    assert (result["handled"], result["complete"]) == (1, False)
    assert result["seconds"] >= 0.5, "the first handling's own time counts"


def test_a_run_that_handled_nothing_reports_nothing():
    assert Tally((5,), handler_s=0, done=lambda: None).result()["handled"] == 0


def test_memory_is_told_in_mebibytes_and_the_peak_is_not_below_what_is_held():
    assert 5 < resident_mib() <= peak_mib() < 10_000


def test_a_task_survives_its_way_through_arguments():
    task = Task(
        bootstrap="127.0.0.1:9092",
        topic="t",
        group="g=1",
        ends=(1, 0, 20),
        result="/a folder/r.json",
        mode="raw",
        handler_s=0.2,
        lane_s=5,
        window_s=1.5,
    )
    assert read_task(task.argv()) == task


def test_a_result_appears_whole(tmp_path):
    path = tmp_path / "result.json"
    write_result(str(path), {"handled": 3})
    assert json.loads(path.read_text()) == {"handled": 3}
    assert [one.name for one in tmp_path.iterdir()] == ["result.json"]

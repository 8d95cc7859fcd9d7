"""Every scenario of the engine's table is there, and its parts fit one another."""

import json
from contextlib import asynccontextmanager

import pytest
import typer
from typer.testing import CliRunner

from posta_cli.bench.contenders import Program, Programs, environment
from posta_cli.bench.figures import Figures, spread
from posta_cli.bench.peers import JavaPeers, PythonPeers, python_peers
from posta_cli.bench.report import Outcome
from posta_cli.bench.scenario import Scenario, growth_mib, rate
from posta_cli.bench.scenarios import FULL, QUICK, scenarios, with_records
from posta_cli.bench.task import Task
from posta_cli.commands import bench
from posta_cli.errors import CommandError

EVERY = scenarios(FULL)


def test_the_full_run_has_the_numbers_of_the_table():
    by_name = {one.name: one for one in EVERY}
    assert list(by_name) == [
        "instant", "decoded", "sleeping", "hot-key", "zipf", "flaky", "lanes", "backlog", "start",
    ]  # fmt: skip
    assert by_name["instant"].ours.load.records == 1_000_000
    assert by_name["sleeping"].ours.concurrency == 256
    assert "50000 records waiting, 1000 of them due" in by_name["lanes"].title
    assert by_name["backlog"].ours.load.value_bytes == 1024


@pytest.mark.parametrize("scenario", EVERY, ids=lambda one: one.name)
def test_a_target_names_a_peer_or_a_note_that_the_scenario_has(scenario: Scenario):
    names = {one.name for one in scenario.peers} | set(scenario.notes)
    for target in scenario.targets:
        wanted = getattr(target, "peer", None) or getattr(target, "note", None)
        assert wanted is None or wanted in names


@pytest.mark.parametrize("scenario", EVERY, ids=lambda one: one.name)
def test_the_names_of_the_contenders_differ_and_ours_is_posta(scenario: Scenario):
    names = [one.name for one in scenario.entrants]
    assert names[0] == "posta"
    assert len(set(names)) == len(names)


def test_only_the_rows_without_decoding_hand_over_raw_records():
    modes = {one.name: one.ours.mode for one in EVERY}
    assert modes["decoded"] == "decoded"
    assert modes["instant"] == "raw"


def test_fewer_records_leave_what_is_not_counted_in_records():
    small = with_records(QUICK, 50)
    assert (small.instant, small.sleeping, small.backlog) == (50, 50, 50)
    assert small.paced_s == QUICK.paced_s
    assert with_records(QUICK, 10**9).instant == QUICK.instant


def test_a_rate_ends_when_the_last_record_was_first_seen():
    assert rate({"handled": 100, "seconds": 10.0, "seen_s": 5.0}) == 20
    assert rate({"handled": 100, "seconds": 10.0}) == 10
    assert rate({"handled": 1, "seconds": 0.0}) == 0


def test_growth_is_from_a_fifth_waiting_to_all_waiting():
    samples = [[0, 50.0], [100, 60.0], [250, 61.0], [500, 63.0], [495, 64.0], [10, 70.0]]
    assert growth_mib({"resident": samples}) == pytest.approx(4.0)
    assert growth_mib({"resident": []}) == 0


def task() -> Task:
    return Task(bootstrap="b", topic="t", group="g", ends=(1,), result="r", mode="key")


def test_a_peer_that_is_not_there_says_why_and_is_not_run(tmp_path):
    why = python_peers(tmp_path / "absent")
    assert isinstance(why, str)
    assert "make bench" in why
    programs = Programs(python_peers=why, java_peers="no network")
    assert programs.missing(Program.FASTSTREAM) == why
    assert programs.missing(Program.PARALLEL_CONSUMER) == "no network"
    assert programs.missing(Program.POSTA) is None
    with pytest.raises(ValueError, match="FASTSTREAM"):
        programs.argv(Program.FASTSTREAM, task())


def test_each_contender_is_given_the_task(tmp_path):
    programs = Programs(
        python_peers=PythonPeers(python=tmp_path / "python", versions={"faststream": "1"}),
        java_peers=JavaPeers(class_path="a:b", versions={"java": "25"}),
    )
    for program in Program:
        assert programs.argv(program, task())[-len(task().argv()) :] == task().argv()
    assert programs.argv(Program.FASTSTREAM, task())[0] == str(tmp_path / "python")
    assert programs.versions() == {"faststream": "1", "java": "25"}


def test_contenders_get_none_of_our_settings(monkeypatch):
    monkeypatch.setenv("POSTA_KAFKA__SASL_PASSWORD", "secret")
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    assert set(environment()) == {"PATH", "HOME", "LANG", "TZ", "PYTHONPATH"}


def test_an_unknown_scenario_is_named_and_the_known_ones_are_listed():
    with pytest.raises(CommandError, match="nonsense") as caught:
        bench._chosen(EVERY, ["nonsense", "start"])
    assert "backlog" in caught.value.remedy
    assert [one.name for one in bench._chosen(EVERY, ["start", "start", "instant"])] == ["start", "instant"]


def test_the_command_prints_the_json_form_and_renews_the_page(monkeypatch, tmp_path):
    one = spread([1.0])
    figures = Figures(value=one, cpu_s_per_1000=one, peak_mib=one, handled=(1,), complete=True)

    class Measuring:
        def __init__(self, **_given):
            pass

        async def measure(self, scenario):
            return Outcome(name=scenario.name, title="t", unit="s", targets=(), ours=figures, peers={})

    @asynccontextmanager
    async def no_broker(_folder):
        yield "nowhere"

    async def no_peers(_folder):
        return "there is no Java here"

    monkeypatch.setattr(bench, "Bench", Measuring)
    monkeypatch.setattr(bench, "broker", no_broker)
    monkeypatch.setattr(bench, "java_peers", no_peers)
    page = tmp_path / "benchmarks.md"
    app = typer.Typer()
    app.add_typer(bench.app, name="bench")
    argv = ["bench", "engine", "--quick", "--json", "--scenario", "start", "--write", str(page)]
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 0, done.output
    assert [one["name"] for one in json.loads(done.stdout)["scenarios"]] == ["start"]
    assert "(quick, 3 rounds)" in page.read_text()

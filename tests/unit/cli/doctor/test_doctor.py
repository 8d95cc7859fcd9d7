from pathlib import Path

import pytest

from posta_cli.assembly import imagine
from posta_cli.doctor import configuration, machine
from posta_cli.doctor.finding import Finding, Verdict, fail, ok
from posta_cli.home import Home, prepare
from posta_cli.supervisor import plan
from posta_cli.supervisor.surroundings import Surroundings, parts_to_start

REPOSITORY = Path(__file__).resolve().parents[4]


def surroundings(home: Path, given: dict[str, str] | None = None) -> Surroundings:
    given = given or {}
    return imagine(Home(home), given, parts_to_start(given, sandbox=True), REPOSITORY)


def verdicts(findings: list[Finding]) -> dict[str, Verdict]:
    return {finding.subject: finding.verdict for finding in findings}


def test_every_service_accepts_what_posta_up_gives_it(tmp_path: Path) -> None:
    found = configuration.services(surroundings(tmp_path))
    assert verdicts(found) == dict.fromkeys(plan.SERVICE_NAMES, Verdict.OK), found


def test_one_environment_may_serve_all_services(tmp_path: Path) -> None:
    around = surroundings(tmp_path)
    everything: dict[str, str] = {}
    for process in plan.services(around):
        everything |= process.env
    own = surroundings(tmp_path, {**everything, "POSTA_DISCORD__TIMEOUT_S": "5"})
    found = configuration.services(own)
    assert verdicts(found) == dict.fromkeys(plan.SERVICE_NAMES, Verdict.OK), found


def test_a_service_that_would_refuse_its_settings_is_named_without_the_value(
    tmp_path: Path,
) -> None:
    given = {"POSTA_LLM__TIMEOUT_S": "forever-and-a-day"}
    found = configuration.services(surroundings(tmp_path, given))
    bad = [finding for finding in found if finding.verdict is Verdict.FAIL]
    assert [finding.subject for finding in bad] == ["llm-worker"]
    assert "POSTA_LLM__TIMEOUT_S" in bad[0].text
    assert "forever-and-a-day" not in bad[0].text


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((3, 10, 9), Verdict.FAIL), ((3, 11, 0), Verdict.OK), ((4, 0, 0), Verdict.OK)],
)
def test_an_old_python_is_found(version: tuple[int, ...], verdict: Verdict) -> None:
    assert machine.python(version).verdict is verdict


def test_a_damaged_home_is_found_and_an_absent_one_is_fine(tmp_path: Path) -> None:
    home = Home(tmp_path / "state")
    assert machine.home_is_usable(home).verdict is Verdict.OK
    prepare(home)
    home.state_file.write_text("{")
    assert machine.home_is_usable(home).verdict is Verdict.FAIL


def test_a_wrong_port_is_found_with_its_variable() -> None:
    [finding] = machine.ports_are_free({"POSTA_KAFKA_PORT": "many"}, ["kafka", "ingress"])
    assert finding.verdict is Verdict.FAIL
    assert "POSTA_KAFKA_PORT" in finding.text


@pytest.mark.parametrize(("folder", "verdict"), [(None, Verdict.WARN), (Path("/nowhere"), Verdict.FAIL)])
def test_missing_rules_are_found(folder: Path | None, verdict: Verdict) -> None:
    assert configuration.rules_folder(folder).verdict is verdict


def test_a_finding_says_what_to_do_only_when_there_is_something() -> None:
    assert len(ok("disk", "fine").lines()) == 1
    assert "→ Free some space." in fail("disk", "full", "Free some space.").lines()[1]

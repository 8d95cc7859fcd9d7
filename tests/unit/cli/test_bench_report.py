"""The JSON form of docs/design.md, and the tables that take the last ones' place in a page."""

import pytest

from posta_cli.bench.figures import AtLeastTimes, AtMost, Figures, NoteAtMost, Spread, spread
from posta_cli.bench.markdown import markers, render, replace_section
from posta_cli.bench.report import Outcome, Report, as_json


def figures(*values: float, complete: bool | None = True) -> Figures:
    return Figures(
        value=spread(values),
        cpu_s_per_1000=Spread(median=0.01, min=0.009, max=0.02),
        peak_mib=Spread(median=70, min=69, max=71),
        handled=tuple(1000 for _ in values),
        complete=complete,
    )


def report(**changes) -> Report:
    outcome = {
        "name": "instant",
        "title": "handlers that return at once",
        "unit": "records/s",
        "targets": (AtLeastTimes(3, "other"), NoteAtMost(0, "early"), AtLeastTimes(2, "absent")),
        "ours": figures(300, 200, 400),
        "peers": {"other": figures(100, 90, 110, complete=False)},
        "notes": {"early": Spread(median=0, min=0, max=2)},
        "left_out": {"absent": "it is not installed"},
    } | changes
    return Report(
        name="engine",
        date="2026-11-21T09:00+00:00",
        size="quick",
        machine={"cores": 2},
        versions={"posta": "0.1.0"},
        outcomes=[Outcome(**outcome)],
    )


def test_the_json_form_has_what_the_design_fixes():
    form = as_json(report())
    assert {"name", "machine", "versions", "scenarios"} <= form.keys()
    (scenario,) = form["scenarios"]
    assert {"name", "unit", "ours", "peers", "ratio", "target", "met"} <= scenario.keys()
    assert {"median": 300, "min": 200, "max": 400}.items() <= scenario["ours"].items()
    assert {"median": 100, "min": 90, "max": 110}.items() <= scenario["peers"]["other"].items()
    assert scenario["ratio"] == {"other": 3}
    assert scenario["target"] == "≥ 3 × other; early ≤ 0; ≥ 2 × absent"  # noqa: RUF001 - times
    assert scenario["met"] is False
    assert [one["met"] for one in scenario["targets"]] == [True, False, None]


def test_a_note_counts_by_its_worst_run():
    (scenario,) = as_json(report(targets=(NoteAtMost(2, "early"),)))["scenarios"]
    assert scenario["met"] is True
    assert as_json(report(targets=(NoteAtMost(1, "early"),)))["scenarios"][0]["met"] is False


def test_a_peer_at_nought_has_no_ratio():
    (scenario,) = as_json(report(peers={"idle": figures(0)}, targets=(AtMost(1000),)))["scenarios"]
    assert scenario["ratio"] == {}


def test_the_table_tells_who_was_cut_off_and_who_did_not_run():
    text = render(report())
    assert "| **posta** | 300 (200 to 400) |  | 0.01 | 70 |" in text
    assert "| other | 100 (90 to 110) (cut off) | 3 | 0.01 | 70 |" in text
    assert "* target ≥ 3 × other: met" in text  # noqa: RUF001 - times
    assert "* target early ≤ 0: **missed**" in text
    assert "* target ≥ 2 × absent: not judged: the peer did not run" in text  # noqa: RUF001 - times
    assert "* absent did not run: it is not installed" in text
    assert "2026-11-21T09:00+00:00" in text
    assert "cores 2" in text


def test_a_section_is_replaced_between_its_markers_and_nothing_else_is_touched():
    page = replace_section("# Title\n\nIntroduction.\n", "engine", "old")
    page += "\nThe end.\n"
    renewed = replace_section(page, "engine", "new\n")
    assert renewed == page.replace("old", "new")
    assert renewed.startswith("# Title\n\nIntroduction.\n")
    assert renewed.endswith("\nThe end.\n")


def test_another_benchmarks_section_stays():
    page = replace_section(replace_section("", "ingress", "a"), "engine", "b")
    assert replace_section(page, "engine", "c") == page.replace("\nb\n", "\nc\n")


@pytest.mark.parametrize("kept", [0, 1])
def test_a_page_with_only_one_marker_is_refused(kept):
    with pytest.raises(ValueError, match="damaged"):
        replace_section(f"text\n{markers('engine')[kept]}\n", "engine", "new")


def test_a_page_with_its_markers_the_wrong_way_round_is_refused():
    begin, end = markers("engine")
    with pytest.raises(ValueError, match="damaged"):
        replace_section(f"{end}\n{begin}\n", "engine", "new")

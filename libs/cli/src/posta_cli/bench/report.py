"""A finished benchmark as the JSON form that ``docs/design.md`` ("Benchmarks") fixes.

PURE. Beyond that form each contender has its CPU and memory, each scenario what it measures, each
target by itself, and why a peer is absent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from posta_cli.bench.figures import OURS, Figures, Spread, Target, all_met


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One scenario, measured."""

    name: str
    title: str
    unit: str
    targets: Sequence[Target]
    ours: Figures
    peers: Mapping[str, Figures]
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Why a peer did not run."""
    notes: Mapping[str, Spread] = field(default_factory=dict)
    """What else was measured of ours, by what it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One benchmark, measured."""

    name: str
    date: str
    """RFC 3339, UTC."""
    size: str
    machine: Mapping[str, str | int | float]
    versions: Mapping[str, str]
    outcomes: Sequence[Outcome]


def as_json(report: Report) -> dict[str, Any]:
    """The report in its JSON form."""
    return {
        "name": report.name,
        "date": report.date,
        "size": report.size,
        "machine": dict(report.machine),
        "versions": dict(report.versions),
        "scenarios": [_scenario(outcome) for outcome in report.outcomes],
    }


def medians(outcome: Outcome) -> dict[str, float]:
    """The median of every contender, by name, and the worst of each note."""
    peers = {name: figures.value.median for name, figures in outcome.peers.items()}
    notes = {name: value.max for name, value in outcome.notes.items()}
    return {OURS: outcome.ours.value.median, **peers, **notes}


def ratios(outcome: Outcome) -> dict[str, float]:
    """Ours by each peer's; a peer at nought has no ratio."""
    ours = outcome.ours.value.median
    return {
        name: ours / figures.value.median for name, figures in outcome.peers.items() if figures.value.median
    }


def _scenario(outcome: Outcome) -> dict[str, Any]:
    found = medians(outcome)
    return {
        "name": outcome.name,
        "title": outcome.title,
        "unit": outcome.unit,
        "ours": _figures(outcome.ours),
        "peers": {name: _figures(figures) for name, figures in outcome.peers.items()},
        "ratio": {name: round(ratio, 4) for name, ratio in ratios(outcome).items()},
        "target": "; ".join(target.text(outcome.unit) for target in outcome.targets),
        "met": all_met(outcome.targets, found),
        "targets": [
            {"target": target.text(outcome.unit), "met": target.is_met(found)} for target in outcome.targets
        ],
        "notes": {name: _spread(value) for name, value in outcome.notes.items()},
        "left_out": dict(outcome.left_out),
    }


def _figures(figures: Figures) -> dict[str, Any]:
    cpu = figures.cpu_s_per_1000
    return {
        **_spread(figures.value),
        "cpu_s_per_1000": None if cpu is None else _spread(cpu),
        "peak_mib": _spread(figures.peak_mib),
        "handled": list(figures.handled),
        "complete": figures.complete,
    }


def _spread(value: Spread) -> dict[str, float]:
    return {name: round(number, 6) for name, number in asdict(value).items()}

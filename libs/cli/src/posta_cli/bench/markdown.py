"""A report as Markdown tables, and how it takes the place of the last one in a page.

PURE. The section stands between two comments that Markdown does not show.
"""

from collections.abc import Iterator

from posta_cli.bench.figures import Figures, Spread, Target
from posta_cli.bench.report import Outcome, Report, medians, ratios

_THOUSAND = 1000
_MET = {True: "met", False: "**missed**", None: "not judged: the peer did not run"}


def markers(name: str) -> tuple[str, str]:
    """The comments around a benchmark's section."""
    return f"<!-- bench:{name}:begin (written by `posta bench`) -->", f"<!-- bench:{name}:end -->"


def replace_section(page: str, name: str, section: str) -> str:
    """Put the section between its markers; a page without them gets both at its end.

    Raises ValueError when only one of them is there, or they stand in the wrong order.
    """
    begin, end = markers(name)
    block = f"{begin}\n\n{section.strip()}\n\n{end}"
    if begin not in page and end not in page:
        return f"{page.rstrip()}\n\n{block}\n".lstrip()
    before, found_begin, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found_begin and found_end):
        raise ValueError(f"the markers of the section {name!r} are damaged")
    return f"{before}{block}{after}"


def render(report: Report) -> str:
    """The whole section: machine, versions and date, then a table per scenario."""
    return "\n".join(_lines(report)).rstrip() + "\n"


def _lines(report: Report) -> Iterator[str]:
    machine = ", ".join(f"{name} {value}" for name, value in report.machine.items())
    versions = ", ".join(f"{name} {version}" for name, version in report.versions.items())
    yield f"Measured {report.date} ({report.size}). Machine: {machine}. Versions: {versions}."
    yield ""
    for outcome in report.outcomes:
        yield f"**`{outcome.name}`**: {outcome.title}"
        yield ""
        yield f"| contender | {outcome.unit} (min to max) | ours ÷ theirs | CPU s / 1 000 | peak MiB |"
        yield "|---|---:|---:|---:|---:|"
        yield _row("**posta**", outcome.ours, "")
        found = ratios(outcome)
        for name, figures in outcome.peers.items():
            yield _row(name, figures, _number(found[name]) if name in found else "")
        yield ""
        yield from _verdicts(outcome)


def _verdicts(outcome: Outcome) -> Iterator[str]:
    found = medians(outcome)
    for target in outcome.targets:
        yield f"* {_target(target, outcome.unit)}: {_MET[target.is_met(found)]}"
    for name, value in outcome.notes.items():
        yield f"* {name}: {_range(value)}"
    for name, why in outcome.left_out.items():
        yield f"* {name} did not run: {why}"
    yield ""


def _target(target: Target, unit: str) -> str:
    return f"target {target.text(unit)}"


def _row(name: str, figures: Figures, ratio: str) -> str:
    cpu = "" if figures.cpu_s_per_1000 is None else _number(figures.cpu_s_per_1000.median)
    cut = " (cut off)" if figures.complete is False else ""
    return f"| {name} | {_range(figures.value)}{cut} | {ratio} | {cpu} | {figures.peak_mib.median:.0f} |"


def _range(value: Spread) -> str:
    return f"{_number(value.median)} ({_number(value.min)} to {_number(value.max)})"


def _number(value: float) -> str:
    """Three significant digits below a thousand, whole and grouped from there on."""
    if abs(value) >= _THOUSAND:
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.3g}"

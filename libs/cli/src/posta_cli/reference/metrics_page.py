"""metrics.md: every metric, with its labels, by the part of Posta that exposes it."""

import ast
import inspect
import re
from collections.abc import Iterator

from prometheus_client.metrics import MetricWrapperBase

from posta.telemetry import names
from posta.telemetry.tally import TallyCounter, TallyHistogram
from posta_cli.reference.markdown import code, codes, page, table

_INTRODUCTION = """\
Each service serves its metrics at `GET /metrics`, in Prometheus' text format or in OpenMetrics, as the
scraper asks. A histogram `x` is exposed as `x_bucket`, `x_sum` and `x_count`. What the Prometheus client
library adds by itself (`process_…`, `python_…`) is not listed."""

_SECTION = re.compile(r"^# --- (?P<title>.+?) -{3,}$")


def render() -> str:
    """Return the page."""
    parts = [_INTRODUCTION]
    for title, metrics in _sections().items():
        parts += [f"## {title}", table(("metric", "type", "labels", "meaning"), map(_row, metrics))]
    return page("Metrics", *parts)


Defined = MetricWrapperBase | TallyCounter | TallyHistogram
"""What a metric may be defined as."""


def _sections() -> dict[str, list[Defined]]:
    """The metrics in the order of their file, below the headings that its comments give them."""
    found: dict[str, list[Defined]] = {}
    lines = inspect.getsource(names).splitlines()
    for name, line_number in _defined():
        titles = [match["title"] for match in map(_SECTION.match, lines[:line_number]) if match]
        found.setdefault(titles[-1], []).append(getattr(names, name))
    return found


def _defined() -> Iterator[tuple[str, int]]:
    for statement in ast.parse(inspect.getsource(names)).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)]) if isinstance(getattr(names, name), Defined):
                yield name, statement.lineno


def _row(metric: Defined) -> tuple[str, ...]:
    (family,) = metric.describe()
    suffix = "_total" if family.type == "counter" else ""
    # The library offers no public way to ask a metric for the names of its labels.
    labels = codes(metric._labelnames if isinstance(metric, MetricWrapperBase) else metric.label_names)  # noqa: SLF001
    return (code(family.name + suffix), family.type, labels, family.documentation)

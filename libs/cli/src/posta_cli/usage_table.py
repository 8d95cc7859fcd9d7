"""PURE: the lines `posta llm usage` prints of what llm-worker says of its spending."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

_COLUMNS = ("calls", "without a call", "tokens in", "cached", "tokens out", "cost", "in vain")


def usage_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the days and the sum, a row for each line, what was saved, and today's budgets."""
    currency = report["currency"]
    rows = [(report["by"], *_COLUMNS), *(_row(line, line["name"] or "(none)") for line in report["lines"])]
    rows.append(_row(report["total"], "all"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    head = f"{report['first']} to {report['last']}, days of {report['time_zone']}, money in {currency}."
    return [head, "", *(_aligned(row, widths) for row in rows), *_saved(report), *_budgets(report)]


def money(amount: str) -> str:
    """An amount with at least two digits behind the point, and no more than six."""
    exact = Decimal(amount).quantize(Decimal("0.000001"))
    whole, _, part = f"{exact:f}".partition(".")
    return f"{whole}.{part.rstrip('0').ljust(2, '0')}"


def _row(line: Mapping[str, Any], name: str) -> tuple[str, ...]:
    counts = (line[key] for key in ("calls", "uncalled", "tokens_in", "tokens_cached", "tokens_out"))
    return (name, *map(str, counts), money(line["cost"]), money(line["wasted"]))


def _aligned(row: tuple[str, ...], widths: list[int]) -> str:
    first, *others = (
        cell.ljust(width) if at == 0 else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join((first, *others)).rstrip()


def _saved(report: Mapping[str, Any]) -> Iterator[str]:
    saved = report["saved"]
    if saved:
        sources = ", ".join(f"{number} {source}" for source, number in sorted(saved.items()))
        yield ""
        about = f"{money(report['saved_cost'])} {report['currency']}"
        yield f"Answers without a call: {sources}; saved about {about}."


def _budgets(report: Mapping[str, Any]) -> Iterator[str]:
    limited = [budget for budget in report["budgets"] if budget["share"] is not None]
    if limited:
        yield ""
        yield "Budgets of today:"
    for budget in limited:
        refused = f", {budget['refused']} questions not asked" if budget["refused"] else ""
        yield f"  {budget['tenant']}: {budget['share']:.0%} used{refused}"

"""PURE: the lines `posta llm status` prints of what llm-worker says of its models."""

from collections.abc import Iterator, Mapping
from typing import Any

_COLUMNS = ("model", "room", "circuit", "in flight", "minute", "tokens/minute", "day", "tokens/day")
_WINDOWS = ("rpm", "tpm", "rpd", "tpd")


def lines(report: Mapping[str, Any]) -> list[str]:
    """Return one sentence, a row for each model, and what keeps questions waiting."""
    rows = [_COLUMNS, *(_row(model) for model in report["models"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [line.rstrip() for line in (report["summary"], "", *table, *_notes(report))]


def _row(model: Mapping[str, Any]) -> tuple[str, ...]:
    windows = {window["window"]: window for window in model["windows"]}
    room_in_s = model["room_in_s"]
    return (
        model["id"],
        "now" if not room_in_s else f"in {room_in_s:.1f} s",
        _circuit(model),
        str(model["in_flight"]),
        *(_use(windows.get(name)) for name in _WINDOWS),
    )


def _circuit(model: Mapping[str, Any]) -> str:
    if model["circuit"] == "open":
        return f"open, {model['circuit_opens_in_s']:.0f} s more"
    return "being tried" if model["circuit"] == "half_open" else "closed"


def _use(window: Mapping[str, Any] | None) -> str:
    if window is None:
        return "-"
    return f"{window['used']}/{'-' if window['limit'] is None else window['limit']}"


def _notes(report: Mapping[str, Any]) -> Iterator[str]:
    waiting = report["waiting"]
    if waiting["urgent"] + waiting["standard"]:
        yield (
            f"waiting here: {waiting['urgent']} with a deadline, {waiting['standard']} without,"
            f" the longest for {waiting['longest_s']:.0f} s"
        )
        for why, number in waiting["by_reason"].items():
            yield f"  {number} for {why}"
    if report["waiting_elsewhere"]:
        yield f"waiting in other workers: {report['waiting_elsewhere']}"
    for hold in report["holds"]:
        yield f"intake is held by {hold['why']} since {hold['since']}"
    if report["claims_orphaned"]:
        yield f"{report['claims_orphaned']} claims of workers that died wait to be taken over"

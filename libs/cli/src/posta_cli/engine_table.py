"""PURE: the lines `posta engine` prints of the engines' answers."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from posta_cli.engine_calls import Answer

_COLUMNS = ("engine", "state", "partitions", "in flight", "held", "gap", "oldest", "flood")


def lines(answers: Iterable[Answer], *, now: datetime) -> list[str]:
    """Return a table with a row for each engine, and what keeps one from working below it."""
    answered = list(answers)
    rows = [_COLUMNS, *(_row(answer) for answer in answered)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return [line.rstrip() for line in (*table, *(note for one in answered for note in _notes(one, now)))]


def _row(answer: Answer) -> tuple[str, ...]:
    status = answer.status
    if status is None:
        return (answer.service, "unknown", *("-" for _ in _COLUMNS[2:]))
    state = "paused" if status["holds"] else "working" if status["joined"] else "not joined"
    return (
        answer.service,
        state,
        str(len(status["assigned"])),
        str(status["in_flight"]),
        str(status["held"]),
        str(status["watermark_gap"]),
        f"{status['oldest_pending_s']:.1f} s",
        status["flood"]["state"],
    )


def _notes(answer: Answer, now: datetime) -> Iterator[str]:
    if answer.status is None:
        yield f"{answer.service}: {answer.fault}"
        return
    for hold in answer.status["holds"]:
        lasted_s = (now - datetime.fromisoformat(hold["since"])).total_seconds()
        yield f"{answer.service}: paused by {hold['why']} for {max(0.0, lasted_s):.0f} s"
    yield from _of_flood(answer.service, answer.status["flood"])
    for lane, count in answer.status["lanes_waiting"].items():
        yield f"{answer.service}: {count} waiting in {lane}"
    if answer.status.get("order_fault"):
        yield f"{answer.service}: {answer.status['order_fault']}"
    for held in answer.status.get("held_keys", ()):
        place = f"{held['topic']}/{held['partition']} offset {held['offset']}"
        yield f"{answer.service}: a key is held until the dead letter of {place} is replayed"


def _of_flood(service: str, flood: Mapping[str, Any]) -> Iterator[str]:
    if flood["state"] == "open":
        yield (
            f"{service}: {flood['in_a_row']} in a row, {flood['died']} of {flood['ended']} lately would be"
            f" dead letters; one is tried in {flood['canary_in_s']:.0f} s"
        )
    if flood["state"] == "probing":
        yield f"{service}: one record is being tried; its end decides"

"""What one contender is asked to do in one run, and how that travels to its process and back.

A task goes as ``name=value`` arguments, which every language reads; the result comes back as one
JSON object in the file that the task names.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One run of one contender."""

    bootstrap: str
    """Kafka's ``host:port``."""
    topic: str
    group: str
    ends: tuple[int, ...]
    """How many records each partition holds when all have been written."""
    result: str
    """The file the result is written to."""
    mode: str
    """Which of the contender's ways to work; each contender names its own."""
    concurrency: int = 256
    handler_s: float = 0.0
    """How long a handler sleeps."""
    limit_s: float = 60.0
    """A run that has not handled everything by then ends, and reports what it did handle."""
    lane_s: int = 0
    """Delay of the only retry lane; 0: the default lanes."""
    window_s: float = 0.0
    """How long the traffic lasts, where that matters."""

    def argv(self) -> list[str]:
        """The task as arguments."""
        fields = asdict(self) | {"ends": ",".join(map(str, self.ends))}
        return [f"{name}={value}" for name, value in fields.items()]


def read_task(argv: Sequence[str]) -> Task:
    """The task that ``Task.argv`` gave."""
    fields = dict(argument.split("=", 1) for argument in argv)
    return Task(
        bootstrap=fields["bootstrap"],
        topic=fields["topic"],
        group=fields["group"],
        ends=tuple(int(end) for end in fields["ends"].split(",")),
        result=fields["result"],
        mode=fields["mode"],
        concurrency=int(fields["concurrency"]),
        handler_s=float(fields["handler_s"]),
        limit_s=float(fields["limit_s"]),
        lane_s=int(fields["lane_s"]),
        window_s=float(fields["window_s"]),
    )


def write_result(path: str, result: Result) -> None:
    """Write the result whole: whoever sees the file sees all of it."""
    fresh = Path(f"{path}.new")
    fresh.write_text(json.dumps(dict(result)), encoding="utf-8")
    os.replace(fresh, path)  # noqa: PTH105 - the peers' Python may be any

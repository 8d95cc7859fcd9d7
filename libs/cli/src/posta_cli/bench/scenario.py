"""What a scenario is: who takes part in what, which figure counts, and what is to be reached."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from posta_cli.bench.contenders import Program
from posta_cli.bench.figures import Target
from posta_cli.bench.load import Load
from posta_cli.bench.task import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """One contender, the way it works in this scenario."""

    name: str
    program: Program
    mode: str
    load: Load
    concurrency: int = 256
    """Handlers at once, where the contender has such a setting."""
    handler_s: float = 0.0
    limit_s: float = 30.0
    lane_s: int = 0
    finishes: bool = True
    """Whether handling every record is the point; if not, it runs for ``limit_s``."""


Measure = Callable[[Result], float]
"""One figure of one run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One row of the comparison."""

    name: str
    title: str
    unit: str
    value: Measure
    ours: Entrant
    peers: tuple[Entrant, ...]
    targets: tuple[Target, ...]
    notes: Mapping[str, Measure] = field(default_factory=dict)

    @property
    def entrants(self) -> tuple[Entrant, ...]:
        """All of them, ours first."""
        return (self.ours, *self.peers)


def rate(result: Result) -> float:
    """Records per second: all, by the time the last one was seen for the first time."""
    seconds = result.get("seen_s") or result["seconds"]
    return float(result["handled"] / seconds) if seconds > 0 else 0.0


def peak_mib(result: Result) -> float:
    """The most memory that was resident."""
    return float(result["peak_mib"])


def start_s(result: Result) -> float:
    """From the start of the process to the end of the first handling."""
    return float(result["first_at"] - result["spawned_at"])


def late_p99_s(result: Result) -> float:
    """The lateness that one record in a hundred exceeded."""
    return float(result["late_p99_s"])


def early(result: Result) -> float:
    """How many records were handled before their time."""
    return float(result["early"])


def others_rate(result: Result) -> float:
    """Records per second of the keys that are not the hot one, while the traffic lasted."""
    return float(result["others"] / result["window_s"])


def growth_mib(result: Result) -> float:
    """How much more was resident with everything waiting than with a fifth of it."""
    samples = result["resident"]
    most = max((waiting for waiting, _ in samples), default=0)
    with_most = [mib for waiting, mib in samples if waiting >= most * 0.95]
    with_fifth = [mib for waiting, mib in samples if waiting >= most / 5]
    return float(with_most[-1] - with_fifth[0]) if with_most and with_fifth else 0.0

"""Why a question is waiting, right now, in one look: what an operator is shown of the models."""

from dataclasses import dataclass
from typing import Protocol

from llm_worker.asking.waiting import WaitingRoom
from llm_worker.budget.purses import Purses
from llm_worker.budget.visit import View
from llm_worker.providers.lineup import Model
from posta.engine.status import EngineStatus, Hold

_WINDOWS = {
    "rpm": "requests in the last minute",
    "tpm": "tokens in the last minute",
    "rpd": "requests in the last 24 hours",
    "tpd": "tokens in the last 24 hours",
}


class ClaimCounts(Protocol):
    """Counts claims by what has become of them."""

    async def count_claims(self) -> tuple[int, int]:
        """Claims whose lease runs, and those free to be taken over. Raises ``Unavailable``."""
        ...


class Seen(Protocol):
    """An engine that tells how it is."""

    def status(self) -> EngineStatus:
        """How it is now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowStatus:
    """One limit of a model."""

    window: str
    used: int
    limit: int | None
    """Null: none is known, and none is kept."""
    frees_in_s: float
    """Until the next part of it is free again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStatus:
    """One model, for the whole group."""

    id: str
    model: str
    provider: str
    room_in_s: float
    """Until a typical call would be let through; 0: now."""
    why: str
    """What it waits for, in words; empty while there is room."""
    circuit: str
    circuit_opens_in_s: float
    trips: int
    closed_by_provider_s: float
    """How long the provider still wants us to wait."""
    in_flight: int
    """Calls of all workers, leased ones included."""
    in_flight_here: int
    windows: tuple[WindowStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingStatus:
    """Questions of this process that wait for room."""

    urgent: int
    """With a deadline, as from Discord."""
    standard: int
    by_reason: dict[str, int]
    longest_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmReport:
    """The whole picture."""

    summary: str
    """One sentence: why questions wait, or that none does."""
    models: tuple[ModelStatus, ...]
    waiting: WaitingStatus
    waiting_elsewhere: int
    """Questions that other workers could not ask."""
    holds: tuple[Hold, ...]
    """What holds this process's intake."""
    claims_live: int
    claims_free: int
    """Begun, and free to be taken over when the question comes again: its call failed, or its worker died."""


class LlmStatus:
    """Reads the picture."""

    def __init__(self, purses: Purses, waiting: WaitingRoom, claims: ClaimCounts, engine: Seen) -> None:
        self._purses = purses
        self._waiting = waiting
        self._claims = claims
        self._engine = engine

    async def read(self) -> LlmReport:
        """The picture now. Raises ``Unavailable`` while the books cannot be read."""
        views = await self._purses.look()
        live, free = await self._claims.count_claims()
        here = self._purses.in_flight
        models = tuple(
            model_status(model, views[name], here[name]) for name, model in self._purses.lineup.models.items()
        )
        urgent, standard = self._waiting.counts()
        waiting = WaitingStatus(
            urgent=urgent,
            standard=standard,
            by_reason=self._waiting.by_reason(),
            longest_s=round(self._waiting.longest_s(), 1),
        )
        holds = self._engine.status().holds
        return LlmReport(
            summary=summary(models, waiting, [hold.why for hold in holds]),
            models=models,
            waiting=waiting,
            waiting_elsewhere=max((view.waiting for view in views.values()), default=0),
            holds=holds,
            claims_live=live,
            claims_free=free,
        )


def model_status(model: Model, view: View, in_flight_here: int) -> ModelStatus:
    """One model's part of the picture."""
    return ModelStatus(
        id=model.id,
        model=model.name,
        provider=model.endpoint.id,
        room_in_s=round(view.room_in_s, 2),
        why=_why(view),
        circuit=view.circuit,
        circuit_opens_in_s=round(view.circuit_s, 1),
        trips=view.trips,
        closed_by_provider_s=round(view.closed_s, 1),
        in_flight=view.in_flight,
        in_flight_here=in_flight_here,
        windows=tuple(
            WindowStatus(
                window=window.name,
                used=window.used,
                limit=window.limit,
                frees_in_s=round(window.frees_in_s, 2),
            )
            for window in view.windows
        ),
    )


def summary(models: tuple[ModelStatus, ...], waiting: WaitingStatus, holds: list[str]) -> str:
    """One sentence for somebody who wonders why no answer comes."""
    others = [hold for hold in holds if hold != "llm"]
    if others:
        return f"Intake is held by {', '.join(sorted(others))}: no question is started until that ends."
    full = [model for model in models if model.room_in_s > 0]
    if len(full) == len(models):
        soonest = min(full, key=lambda model: model.room_in_s)
        reasons = "; ".join(f"{model.id}: {model.why}" for model in full)
        return f"Questions wait for room at an LLM, the next in {soonest.room_in_s:.1f} s ({reasons})."
    if waiting.urgent + waiting.standard:
        reasons = "; ".join(f"{number} for {why}" for why, number in waiting.by_reason.items())
        fullest = "; ".join(f"{model.id}: {text}" for model in models if (text := _fullest(model)))
        now = f"; {fullest}" if fullest else ""
        return (
            f"Questions wait their turn ({reasons}){now}. There is room for one again, and it is being given."
        )
    if full:
        return f"There is room, but not at {', '.join(f'{model.id} ({model.why})' for model in full)}."
    return "There is room: no question waits for an LLM."


def _fullest(model: ModelStatus) -> str:
    """The limit of which most is used, in words; empty when none is known."""
    limited = [(one.used / one.limit, one) for one in model.windows if one.limit]
    if not limited:
        return ""
    _, one = max(limited, key=lambda pair: pair[0])
    return f"{one.used} of {one.limit} {_WINDOWS[one.window]} are used"


def _why(view: View) -> str:
    if view.room_in_s <= 0:
        return ""
    if view.room_why == "told":
        return f"the provider said to wait, {view.closed_s:.1f} s more"
    if view.room_why == "circuit":
        state = "half-open, one call is being tried" if view.circuit == "half_open" else "open"
        return f"its circuit is {state}, {view.circuit_s:.0f} s more"
    at_once = {
        "concurrency": "all its slots are taken",
        "unknown": "its limits are not known yet, so few are asked at once",
    }
    if view.room_why in at_once:
        return f"{at_once[view.room_why]} ({view.in_flight} calls now)"
    for window in view.windows:
        if window.name == view.room_why:
            return f"{window.used} of {window.limit} {_WINDOWS[window.name]} are used"
    return view.room_why

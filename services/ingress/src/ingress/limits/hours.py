"""Service hours: when questions are taken, and what people read otherwise. PURE but for reading its file."""

from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator

from ingress.commands.wording import Words
from posta.rules_file import read_rules

FILE_NAME = "service_hours.yaml"
Day = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
_DAYS: tuple[Day, ...] = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_Clock = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$")]


def _is_a_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("is no time zone such as Europe/Madrid") from None
    return name


class Span(BaseModel):
    """From one time of the day to another; the end is not included."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    start: _Clock
    end: _Clock

    @model_validator(mode="after")
    def _goes_forward(self) -> Self:
        if self.start >= self.end:
            raise ValueError("start must be before end; write a night as two spans")
        return self

    def holds(self, moment: time) -> bool:
        """Whether ``moment`` is within."""
        return self.start <= f"{moment:%H:%M}" < self.end


class ServiceHours(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    enabled: bool = False
    timezone: Annotated[str, AfterValidator(_is_a_zone)] = "UTC"
    open: dict[Day, tuple[Span, ...]] = {}
    """A day that is not named is closed."""
    closed_on: tuple[date, ...] = ()
    message: Words = Words(
        en="Nobody is on duty right now. Please ask again during service hours.",
        es="Ahora mismo no hay servicio. Pregunta de nuevo en el horario de atención.",
    )
    """What people read outside the hours."""

    def is_open(self, now: datetime) -> bool:
        """Whether questions are taken at ``now`` (with its time zone)."""
        if not self.enabled:
            return True
        here = now.astimezone(ZoneInfo(self.timezone))
        if here.date() in self.closed_on:
            return False
        return any(span.holds(here.time()) for span in self.open.get(_DAYS[here.weekday()], ()))


def load_hours(path: Path) -> ServiceHours:
    """Read the file ``path``; without one it is always open.

    Raises ``ConfigurationError`` naming file, path in it and reason.
    """
    return read_rules(path, ServiceHours) if path.exists() else ServiceHours()

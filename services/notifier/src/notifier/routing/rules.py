"""Where a published event goes, and when: the rules of ``routes.yaml``, asked once for each event.

    event ─▶ first route that matches ─▶ drop
                 │ none: as it says      ├▶ hold until quiet hours end
                 ▼                       ├▶ digest: one message for many
              deliver                    └▶ deliver to one destination, or fan out to several

Pure: ``now`` is given.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from posta.destinations import DestinationId
from posta.domain.payloads import EventPublished
from posta.rules_file import read_rules

FILE_NAME = "routes.yaml"
NAMED = "$named"
"""In ``to``: the destination that the event itself names."""
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Severity = Literal["low", "info", "warning", "high", "critical"]
_SEVERITIES: Mapping[str, Severity] = {
    "debug": "low", "low": "low", "minor": "low",
    "info": "info", "notice": "info", "ok": "info", "success": "info", "started": "info",
    "warning": "warning", "warn": "warning", "medium": "warning", "degraded": "warning",
    "error": "high", "high": "high", "failed": "high", "failure": "high", "major": "high",
    "critical": "critical", "fatal": "critical", "emergency": "critical", "alert": "critical",
    "down": "critical",
}  # fmt: skip
_SEVERITY_NAMES = ("severity", "level", "status")
_PATTERN = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class _Rules(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class QuietHours(_Rules):
    """A time of each day in which what may wait does."""

    start: time
    end: time
    """Earlier than ``start``: on the next day."""
    zone: str = "UTC"
    """An IANA time zone, such as ``Europe/Madrid``."""
    days: Annotated[tuple[Day, ...], Field(min_length=1)] = _DAYS
    """On which it begins."""

    @field_validator("zone")
    @classmethod
    def _is_known(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("is no IANA time zone, such as Europe/Madrid") from None
        return zone

    def ends_at(self, now: datetime) -> datetime | None:
        """When the quiet that holds at ``now`` ends; None when it is not quiet."""
        local = now.astimezone(ZoneInfo(self.zone))
        for days_ago in (0, 1):
            day = local.date() - timedelta(days=days_ago)
            if _DAYS[day.weekday()] not in self.days:
                continue
            start = datetime.combine(day, self.start, tzinfo=local.tzinfo)
            last_day = day + timedelta(days=1) if self.end <= self.start else day
            end = datetime.combine(last_day, self.end, tzinfo=local.tzinfo)
            if start <= local < end:
                return end
        return None


class DigestRule(_Rules):
    """Many events become one message."""

    every_s: Annotated[float, Field(ge=1, le=86_400)] = 900.0
    """From the first event to the message that sums up all until then."""


class Match(_Rules):
    """What a route is for; what is left out matches everything. Patterns take ``*`` and ``?``."""

    types: tuple[_PATTERN, ...] = ()
    sources: tuple[_PATTERN, ...] = ()
    publishers: tuple[_PATTERN, ...] = ()
    destinations: tuple[_PATTERN, ...] = ()
    severities: tuple[Severity, ...] = ()
    labels: dict[str, _PATTERN] = Field(default_factory=dict)
    """Of the event's ``data.labels``."""

    def fits(self, event: EventPublished) -> bool:
        """Whether the route is for ``event``."""
        labels = event.data.get("labels")
        known = labels if isinstance(labels, dict) else {}
        return (
            _any(self.types, event.client_type)
            and _any(self.sources, event.client_source)
            and _any(self.publishers, event.publisher)
            and _any(self.destinations, event.destination)
            and (not self.severities or severity_of(event) in self.severities)
            and all(fnmatchcase(str(known.get(name, "")), want) for name, want in self.labels.items())
        )


class Route(_Rules):
    """One rule."""

    match: Match = Match()
    to: Annotated[tuple[DestinationId | Literal["$named"], ...], Field(min_length=1)] = (NAMED,)
    """Destinations; ``$named`` is the one the event names."""
    quiet: str | None = None
    """Name of the quiet hours in which its events wait."""
    digest: DigestRule | None = None
    drop: bool = False
    """Deliver nothing."""


class Answers(_Rules):
    """What becomes of answers that are too late for their interaction."""

    fallback: Annotated[tuple[DestinationId, ...], Field(max_length=10)] = ("dm", "channel")
    """``dm``, ``channel`` (both need the bot) or ids of destinations, in the order they are tried."""


class Routes(_Rules):
    """The whole file."""

    quiet_hours: dict[str, QuietHours] = Field(default_factory=dict)
    dedupe_window_s: Annotated[float, Field(gt=0, le=7 * 86_400)] = 600.0
    """So long after the first event of a ``dedupe_key`` its repeats are counted on one message."""
    answers: Answers = Answers()
    routes: tuple[Route, ...] = ()

    @model_validator(mode="after")
    def _quiet_hours_exist(self) -> Self:
        for number, route in enumerate(self.routes):
            if route.quiet is not None and route.quiet not in self.quiet_hours:
                raise ValueError(f"routes/{number}/quiet: {route.quiet!r} is not among quiet_hours")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """Deliver nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Ask again when the quiet ends."""

    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """Sum it up with others."""

    destinations: tuple[str, ...]
    rule: str
    every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """Show it at each of these."""

    destinations: tuple[str, ...]


Decision = Drop | Hold | Digest | Deliver


def load_routes(config_dir: Path) -> Routes:
    """The rules in the folder; without the file events go where they say.

    Raises ``ConfigurationError`` naming the file, the path in it and the reason.
    """
    path = config_dir / FILE_NAME
    return read_rules(path, Routes) if path.exists() else Routes()


def route(routes: Routes, event: EventPublished, *, now: datetime) -> Decision:
    """What becomes of ``event`` at ``now``; the first route that fits decides."""
    number, found = next(
        ((n, one) for n, one in enumerate(routes.routes) if one.match.fits(event)), (-1, Route())
    )
    if found.drop:
        return Drop()
    destinations = tuple(dict.fromkeys(event.destination if to == NAMED else to for to in found.to))
    if found.digest is not None:
        return Digest(destinations=destinations, rule=f"route-{number}", every_s=found.digest.every_s)
    if found.quiet is not None:
        until = routes.quiet_hours[found.quiet].ends_at(now)
        if until is not None:
            return Hold(until=until)
    return Deliver(destinations=destinations)


def severity_of(event: EventPublished) -> Severity:
    """The event's severity, from its data or the last word of its type that says one; else ``info``."""
    for name in _SEVERITY_NAMES:
        found = _SEVERITIES.get(str(event.data.get(name, "")).strip().lower())
        if found is not None:
            return found
    words = event.client_type.lower().replace("_", ".").replace("-", ".").split(".")
    return next((_SEVERITIES[word] for word in reversed(words) if word in _SEVERITIES), "info")


def _any(patterns: tuple[str, ...], text: str) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)

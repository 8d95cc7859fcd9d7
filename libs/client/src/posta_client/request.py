"""One HTTP request to ingress, and the errors of httpx as verdicts."""

from dataclasses import dataclass

import httpx

from posta_client.event import Event, batch_body
from posta_client.settings import Settings
from posta_client.verdict import Later, Refused, Verdict

PATH = "/v1/events"
ONE = "application/cloudevents+json; charset=utf-8"
BATCH = "application/cloudevents-batch+json; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What to post."""

    url: str
    headers: dict[str, str]
    content: bytes


def prepare(settings: Settings, events: list[Event]) -> Prepared:
    """The request that hands over ``events``; one alone is no batch."""
    headers = {"content-type": ONE if len(events) == 1 else BATCH, "user-agent": "posta-client/0.1"}
    if settings.api_key:
        headers["authorization"] = f"Bearer {settings.api_key}"
    content = events[0].body if len(events) == 1 else batch_body(events)
    return Prepared(url=settings.url.rstrip("/") + PATH, headers=headers, content=content)


def timeouts(budget_s: float) -> httpx.Timeout:
    """No step of a request takes longer than the whole may."""
    return httpx.Timeout(max(0.01, budget_s))


def fault(error: Exception) -> Verdict:
    """What an exception of httpx means; its text might quote the request, its name does not."""
    if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
        return Later(f"POSTA_URL is no address: {type(error).__name__}")
    if isinstance(error, httpx.HTTPError):
        return Later(f"Posta cannot be reached: {type(error).__name__}")
    if isinstance(error, UnicodeEncodeError | ValueError):
        return Refused(f"it cannot be sent: {type(error).__name__}")
    return Later(f"it could not be sent: {type(error).__name__}")

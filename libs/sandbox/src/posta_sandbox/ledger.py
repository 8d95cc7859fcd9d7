"""The ledger: every call the sandbox received, faulted or not, newest kept, bounded per service.

It is the ground truth of the end-to-end tests: what it does not hold did not happen.
"""

import hashlib
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from posta_sandbox.masking import masked_text

CALLS_KEPT_PER_SERVICE = 20_000
"""Older calls of one service are forgotten; services do not push each other out."""
BODY_CHARS_KEPT = 16_384
"""How much of a body the drawer of the page can show; the hash always covers all of it."""
RECENT_BODIES_KEPT = 300
"""Only this many of the newest calls keep their headers and bodies."""


@dataclass(slots=True, kw_only=True)
class Exchange:
    """What travelled in one call, masked and shortened, for people to read."""

    request_headers: list[list[str]] = field(default_factory=list)
    request_body: str = ""
    response_headers: list[list[str]] = field(default_factory=list)
    response_body: str = ""


@dataclass(slots=True, kw_only=True)
class Call:
    """One request received (or, for service ``ingress``, one sent)."""

    id: int
    at: float
    service: str
    method: str
    path: str
    body_sha256: str
    body_bytes: int
    hints: dict[str, Any]
    status: int | str | None = None
    """HTTP status, SMTP code, or IMAP's OK, NO or BAD."""
    fault: str | None = None
    ms: float | None = None
    exchange: Exchange | None = None

    def summary(self) -> dict[str, Any]:
        """The call as ``GET /api/calls`` lists it; status is null while it is under way."""
        return {
            "id": self.id,
            "at": self.at,
            "service": self.service,
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "fault": self.fault,
            "ms": self.ms,
            "body_sha256": self.body_sha256,
            "body_bytes": self.body_bytes,
            "hints": self.hints,
        }

    def detail(self) -> dict[str, Any]:
        """The summary with headers and bodies, where they are still kept."""
        exchange = self.exchange or Exchange()
        return self.summary() | {
            "kept": self.exchange is not None,
            "request": {"headers": exchange.request_headers, "body": exchange.request_body},
            "response": {"headers": exchange.response_headers, "body": exchange.response_body},
        }


class Ledger:
    """Bounded record of calls; ``version`` grows with each change, for pages that poll."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._ids = itertools.count(1)
        self._calls: dict[str, deque[Call]] = {}
        self._with_bodies: deque[Call] = deque()
        self.version = 0

    def record(self, service: str, method: str, path: str, body: bytes, **hints: Any) -> Call:
        """Write a call down as it arrives, before anything is done about it."""
        call = Call(
            id=next(self._ids),
            at=self._clock(),
            service=service,
            method=method,
            path=masked_text(path),
            body_sha256=hashlib.sha256(body).hexdigest(),
            body_bytes=len(body),
            hints=hints,
            exchange=Exchange(request_body=readable(body)),
        )
        self._calls.setdefault(service, deque(maxlen=CALLS_KEPT_PER_SERVICE)).append(call)
        self._with_bodies.append(call)
        while len(self._with_bodies) > RECENT_BODIES_KEPT:
            self._with_bodies.popleft().exchange = None
        self.version += 1
        return call

    def finish(self, call: Call, *, status: int | str | None, fault: str | None = None) -> None:
        """Add how a call ended; a call cut off before its answer ends with no status."""
        call.status = status
        call.fault = fault or call.fault
        call.ms = round((self._clock() - call.at) * 1000, 2)
        self.version += 1

    def calls(self, service: str | None = None, *, after: int = 0, limit: int = 0) -> list[Call]:
        """Return calls oldest first, of one service or all, with id > after; 0 is no limit."""
        chosen = self._calls.values() if service is None else [self._calls.get(service, deque())]
        newest = (islice(reversed(calls), limit or None) for calls in chosen)
        found = sorted((c for calls in newest for c in calls if c.id > after), key=lambda c: c.id)
        return found[-limit:] if limit else found

    def find(self, call_id: int) -> Call | None:
        """Return one call, or None when it never was or is forgotten."""
        return next((c for calls in self._calls.values() for c in calls if c.id == call_id), None)

    def clear(self) -> None:
        """Forget all calls; ids go on."""
        self._calls.clear()
        self._with_bodies.clear()
        self.version += 1


def readable(body: bytes) -> str:
    """Return a body as masked, shortened text."""
    return masked_text(body[: BODY_CHARS_KEPT * 4].decode("utf-8", "replace"))[:BODY_CHARS_KEPT]

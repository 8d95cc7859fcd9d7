"""Gives the same ``Idempotency-Key`` the same answer for 24 hours, while the database is there.

    (none) ──begin──▶ held ──answered──▶ answered ──24 h──▶ (none)
      ▲                │ │
      └───released─────┘ └─ its holder is silent for 30 s: the next request with the same body takes over

While the database is away the keys of this process alone are known, in memory: that is *best effort*,
and the answer says so. An event sent twice with one key still is one event, because its id comes from
the key; only the 409 and the 422 may be missing, and of two bodies the first one wins.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from posta.errors import Unavailable
from posta.tasks import within
from posta.telemetry import names
from posta.telemetry.logs import get_logger

log = get_logger(__name__)
KEPT_S = 24 * 3600.0
HELD_S = 30.0
"""Longer than any request takes."""
_DATABASE_S = 0.5
_ASK_AGAIN_S = 5.0
"""How long the database is left alone after it did not answer, so that not every request waits for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request that brought a key."""

    publisher: str
    key: str
    sha256: bytes
    """Of all that makes it the same request."""
    owner: str
    """Made for this request alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the first request with a key was told."""

    status: int
    text: str


class Refused(Enum):
    """Why a request with a known key gets no first answer."""

    OTHER_BODY = "other body"
    IN_FLIGHT = "in flight"


Begun = Answer | Refused | None
"""None: it is the first one, and now holds the key."""


def request_of(*, publisher: str, key: str, media_type: str, attributes: str, body: bytes) -> Request:
    """The request with this body and these attributes from its headers."""
    digest = hashlib.sha256(f"{media_type}\n{attributes}\n".encode() + body).digest()
    return Request(publisher=publisher, key=key, sha256=digest, owner=secrets.token_hex(8))


def judge(*, is_same: bool, answer: Answer | None) -> Begun:
    """What a request is told whose key is known already."""
    if not is_same:
        return Refused.OTHER_BODY
    return Refused.IN_FLIGHT if answer is None else answer


class Store(Protocol):
    """Where answers are kept. Every method raises ``Unavailable`` when they cannot be."""

    async def begin(self, request: Request) -> Begun:
        """Hold the key for ``request``, or say what came before it."""
        ...

    async def answered(self, request: Request, answer: Answer) -> None:
        """Keep the answer, if ``request`` still holds the key."""
        ...

    async def released(self, request: Request) -> None:
        """Let the key go: the request failed and may be made again."""
        ...


class Idempotency:
    """The answers of all processes while they can be asked for, else those of this one."""

    def __init__(
        self, shared: Store | None, own: Store, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._shared = shared
        self._own = own
        self._clock = clock
        self._away_until = float("-inf")

    async def begin(self, request: Request) -> "Held | Answer | Refused":
        """What came before ``request``, or its hold on the key."""
        store = self._shared
        begun: Begun = None
        if store is not None and self._clock() >= self._away_until:
            try:
                begun = await within(_DATABASE_S, store.begin(request))
            except (Unavailable, TimeoutError) as exc:
                self._away(exc)
                store = None
        else:
            store = None
        if store is None:
            begun = await self._own.begin(request)
        names.IDEMPOTENT_REQUESTS.labels(_label(begun), "memory" if store is None else "database").inc()
        if begun is not None:
            return begun
        return Held(request, store or self._own, is_best_effort=store is None, on_fault=self._away)

    def _away(self, error: Exception) -> None:
        self._away_until = self._clock() + _ASK_AGAIN_S
        log.warning("idempotency_best_effort", reason=str(error) or type(error).__name__)


class Held:
    """One request's hold on its key, to be ended by exactly one of its methods."""

    def __init__(
        self, request: Request, store: Store, *, is_best_effort: bool, on_fault: Callable[[Exception], None]
    ) -> None:
        self._request = request
        self._store = store
        self._on_fault = on_fault
        self.is_best_effort = is_best_effort
        """Only this process knows of the key."""

    async def answered(self, answer: Answer) -> None:
        """Keep the answer for those that ask again."""
        try:
            await within(_DATABASE_S, self._store.answered(self._request, answer))
        except (Unavailable, TimeoutError) as exc:
            # The event is safe. Until the hold ends a repetition is told to wait; then its id folds it.
            self.is_best_effort = True
            self._on_fault(exc)

    async def released(self) -> None:
        """Let the key go."""
        try:
            await within(_DATABASE_S, self._store.released(self._request))
        except (Unavailable, TimeoutError) as exc:
            self._on_fault(exc)


def _label(begun: Begun) -> str:
    match begun:
        case None:
            return "first"
        case Answer():
            return "replayed"
        case Refused():
            return begun.value.replace(" ", "_")

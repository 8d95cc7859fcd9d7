"""Who is signed in on the page: random ids in a cookie, everything else here in memory.

    signed in ──used──▶ signed in ──idle too long, too old, signed out, or restarted──▶ gone

An API key is never kept, only its digest: when it is revoked or over, its sessions are, too.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from posta.auth import Principal

_MOST = 1000
"""Sessions kept; the least recently used goes first."""


@dataclass(frozen=True, slots=True)
class Flash:
    """A message shown once, on the next page."""

    kind: str
    """``good`` or ``bad``."""
    text: str


@dataclass(slots=True, kw_only=True)
class Session:
    """One signed-in browser."""

    principal: Principal
    key_sha256: bytes
    """Of the key it was opened with."""
    csrf: str
    """The token that each form of this session carries."""
    started_s: float
    used_s: float
    flashes: list[Flash] = field(default_factory=list)

    def flash(self, kind: str, text: str) -> None:
        """Have ``text`` shown on the next page."""
        self.flashes.append(Flash(kind, text))

    def take_flashes(self) -> list[Flash]:
        """What is to be shown now, and not again."""
        taken, self.flashes = self.flashes, []
        return taken

    def owns(self, csrf: str) -> bool:
        """Whether a form's token is this session's."""
        return secrets.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


class Sessions:
    """All sessions of this process. ``clock`` returns seconds that only grow."""

    def __init__(self, *, idle_s: float, most_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle_s = idle_s
        self._most_s = most_s
        self._clock = clock
        self._sessions: dict[bytes, Session] = {}

    def open(self, principal: Principal, *, key_sha256: bytes) -> str:
        """Sign ``principal`` in and return the id for the cookie."""
        session_id, now = secrets.token_urlsafe(32), self._clock()
        for key in [key for key, session in self._sessions.items() if self._is_over(session, now)]:
            del self._sessions[key]
        while len(self._sessions) >= _MOST:
            del self._sessions[next(iter(self._sessions))]
        self._sessions[_key(session_id)] = Session(
            principal=principal,
            key_sha256=key_sha256,
            csrf=secrets.token_urlsafe(32),
            started_s=now,
            used_s=now,
        )
        return session_id

    def find(self, session_id: str) -> Session | None:
        """The session of a cookie, now used; None when there is none any more."""
        key, now = _key(session_id), self._clock()
        session = self._sessions.pop(key, None)
        if session is None or self._is_over(session, now):
            return None
        session.used_s = now
        # Put back at the end: the front is the least recently used.
        self._sessions[key] = session
        return session

    def close(self, session_id: str) -> None:
        """Sign out."""
        self._sessions.pop(_key(session_id), None)

    def _is_over(self, session: Session, now: float) -> bool:
        return now - session.used_s >= self._idle_s or now - session.started_s >= self._most_s


def _key(session_id: str) -> bytes:
    # A digest, so that looking it up tells nothing about the id through its timing.
    return hashlib.sha256(session_id.encode("utf-8", "replace")).digest()

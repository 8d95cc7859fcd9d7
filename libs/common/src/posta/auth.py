"""API keys: random 32-byte secrets of which only the SHA-256 is kept (high entropy needs no slow hash).

A pattern is a text that must be equal, or one that ends in ``*`` and must be equal up to there.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from posta.errors import ConfigurationError

PREFIX = "posta_"
_HEX_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who a request comes from, and what it may do."""

    name: str
    scopes: frozenset[str]
    sources: tuple[str, ...] = ()
    """Patterns of the sources it may speak for; empty: any."""
    destinations: tuple[str, ...] = ()
    """Patterns of the destinations it may reach; empty: any."""

    def may_speak_for(self, source: str) -> bool:
        """Whether events of ``source`` may come from it."""
        return matches(self.sources, source)

    def may_reach(self, destination: str) -> bool:
        """Whether its events may go to ``destination``."""
        return matches(self.destinations, destination)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One known key."""

    principal: Principal
    sha256: bytes
    expires_at: float | None = None
    """Seconds since the epoch from when on it is not accepted; None: never."""


class Keys(Protocol):
    """What knows whose a key is."""

    def authenticate(self, key: str) -> Principal | None:
        """Whose key this is, or None."""


def new_key() -> str:
    """A fresh key, to be shown once."""
    return PREFIX + secrets.token_urlsafe(32)


def digest_of(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def matches(patterns: tuple[str, ...], text: str) -> bool:
    """Whether ``text`` fits one of ``patterns``, or there are none."""
    return not patterns or any(
        text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern for pattern in patterns
    )


def find_key(keys: Iterable[ApiKey], key: str, *, now: float) -> Principal | None:
    """Whose key this is at ``now``, in time that does not depend on how much of it is right."""
    return holder_of(keys, digest_of(key), now=now)


def holder_of(keys: Iterable[ApiKey], digest: bytes, *, now: float) -> Principal | None:
    """As ``find_key``, for the key that has this digest."""
    found = None
    for known in keys:
        is_valid = known.expires_at is None or now < known.expires_at
        if hmac.compare_digest(known.sha256, digest) and is_valid:
            found = known.principal
    return found


def describe_key(key: str, *, name: str, scopes: frozenset[str]) -> str:
    """The key as ``POSTA_API_KEYS`` lists it: ``name:scope+scope:sha256``."""
    return f"{name}:{'+'.join(sorted(scopes))}:{digest_of(key).hex()}"


class ApiKeys:
    """The keys a service accepts."""

    def __init__(self, keys: tuple[ApiKey, ...]) -> None:
        self._keys = keys

    def __bool__(self) -> bool:
        """Whether any key is accepted at all."""
        return bool(self._keys)

    @classmethod
    def parse(cls, text: str) -> "ApiKeys":
        """Read ``name:scope+scope:sha256[,…]``. Raises ``ConfigurationError`` naming the entry."""
        keys = []
        for number, entry in enumerate(filter(None, (e.strip() for e in text.split(","))), 1):
            # Scopes have colons of their own, a name and a digest have none.
            name, _, rest = entry.partition(":")
            scopes, _, digest = rest.rpartition(":")
            try:
                sha256 = bytes.fromhex(digest)
            except ValueError:
                sha256 = b""
            if not name or len(sha256) * 2 != _HEX_DIGITS:
                raise ConfigurationError(f"POSTA_API_KEYS: entry {number} is not name:scope+scope:sha256")
            principal = Principal(name=name, scopes=frozenset(filter(None, scopes.split("+"))))
            keys.append(ApiKey(principal=principal, sha256=sha256))
        return cls(tuple(keys))

    def holds(self, digest: bytes) -> bool:
        """Whether one of them has this digest."""
        return holder_of(self._keys, digest, now=0.0) is not None

    def authenticate(self, key: str) -> Principal | None:
        """Whose key this is, in time that does not depend on how much of it is right."""
        return find_key(self._keys, key, now=0.0)  # these never expire

"""API keys: random 32-byte secrets of which only the SHA-256 is kept (high entropy needs no slow hash)."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from posta.errors import ConfigurationError

PREFIX = "posta_"
_HEX_DIGITS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who a request comes from, and what it may do."""

    name: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """One known key."""

    principal: Principal
    sha256: bytes


def new_key() -> str:
    """A fresh key, to be shown once."""
    return PREFIX + secrets.token_urlsafe(32)


def describe_key(key: str, *, name: str, scopes: frozenset[str]) -> str:
    """The key as ``POSTA_API_KEYS`` lists it: ``name:scope+scope:sha256``."""
    return f"{name}:{'+'.join(sorted(scopes))}:{hashlib.sha256(key.encode()).hexdigest()}"


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

    def authenticate(self, key: str) -> Principal | None:
        """Whose key this is, in time that does not depend on how much of it is right."""
        digest = hashlib.sha256(key.encode()).digest()
        found = None
        for known in self._keys:
            if hmac.compare_digest(known.sha256, digest):
                found = known.principal
        return found

"""Authenticates a request by its ``Authorization: Bearer`` API key."""

from typing import Protocol

from fastapi import Request

from posta.auth import Keys, Principal
from posta.http.problem import Problem


def authorize(request: Request, keys: Keys, *, scope: str) -> Principal:
    """Who makes the request. Raises ``Problem`` 401 for no or a wrong key, 403 without ``scope``."""
    principal = keys.authenticate(bearer_key(request))
    if principal is None:
        raise unknown_key()
    return permitted(principal, scope=scope)


class Identifying(Protocol):
    """What finds out whose a key is; ``posta.postgres.keyring.KeyRing``."""

    async def identify(self, key: str) -> Principal | None:
        """Whose key this is, be it as fresh as it may; or None."""
        ...


async def identified(request: Request, keys: Identifying, *, scope: str) -> Principal:
    """As ``authorize``, and a key that was made a moment ago is known, too."""
    principal = await keys.identify(bearer_key(request))
    if principal is None:
        raise unknown_key()
    return permitted(principal, scope=scope)


def bearer_key(request: Request) -> str:
    """The key that the request brings. Raises ``Problem`` 401 when it brings none."""
    method, _, key = request.headers.get("authorization", "").partition(" ")
    if method.lower() != "bearer" or not key:
        raise Problem(
            401,
            "An API key is needed",
            "Send it as 'Authorization: Bearer posta_…'.",
            headers={"www-authenticate": "Bearer"},
        )
    return key.strip()


def unknown_key() -> Problem:
    """The answer to a key that nobody has."""
    return Problem(
        401,
        "The API key is not known",
        "Check the key, or ask an operator for a new one.",
        headers={"www-authenticate": 'Bearer error="invalid_token"'},
    )


def permitted(principal: Principal, *, scope: str) -> Principal:
    """``principal`` itself. Raises ``Problem`` 403 when it has not the ``scope``."""
    if scope not in principal.scopes:
        raise Problem(
            403,
            "The API key may not do this",
            f"Use a key that has the scope {scope}.",
        )
    return principal

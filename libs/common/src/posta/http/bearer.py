"""Authenticates a request by its ``Authorization: Bearer`` API key."""

from fastapi import Request

from posta.auth import ApiKeys, Principal
from posta.http.problem import Problem


def authorize(request: Request, keys: ApiKeys, *, scope: str) -> Principal:
    """Who makes the request. Raises ``Problem`` 401 for no or a wrong key, 403 without ``scope``."""
    method, _, key = request.headers.get("authorization", "").partition(" ")
    if method.lower() != "bearer" or not key:
        raise Problem(
            401,
            "An API key is needed",
            "Send it as 'Authorization: Bearer posta_…'.",
            headers={"www-authenticate": "Bearer"},
        )
    principal = keys.authenticate(key.strip())
    if principal is None:
        raise Problem(
            401,
            "The API key is not known",
            "Check the key, or ask an operator for a new one.",
            headers={"www-authenticate": 'Bearer error="invalid_token"'},
        )
    if scope not in principal.scopes:
        raise Problem(
            403,
            "The API key may not do this",
            f"Use a key that has the scope {scope}.",
        )
    return principal

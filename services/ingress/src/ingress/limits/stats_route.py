"""``GET /admin/governor/stats``: what the limits are, and what they do at the moment."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request

from ingress.limits.admission import Admission
from posta.auth import Keys
from posta.http.bearer import authorize

PATH = "/admin/governor/stats"
SCOPE = "governor:read"


def governor_router(admission: Admission, keys: Keys) -> APIRouter:
    """The route for operators whose key has the scope ``governor:read``."""
    router = APIRouter()

    @router.get(PATH, summary="The limits of interactions, and what they do at the moment")
    async def governor_stats(request: Request) -> Mapping[str, Any]:
        authorize(request, keys, scope=SCOPE)
        return await admission.stats()

    return router

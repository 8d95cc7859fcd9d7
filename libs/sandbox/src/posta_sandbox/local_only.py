"""The sandbox's API answers this machine's programs, and no web page of another site."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from posta_sandbox.problems import Problem
from posta_sandbox.settings import is_loopback

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}


class LocalOnly:
    """ASGI middleware against DNS rebinding (Host) and cross-site requests (Origin)."""

    def __init__(self, app: ASGIApp, *, allow_remote: bool) -> None:
        self._app = app
        self._allow_remote = allow_remote

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what comes under a foreign name; everything else goes on."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal.response()(scope, receive, send)

    def _refusal(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._allow_remote and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return Problem(421, "Wrong host", "Address the sandbox as 127.0.0.1 or localhost, not by a name.")
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return Problem(403, "Wrong origin", "Pages of other sites may not use the sandbox.")
        return None


def page_headers() -> dict[str, str]:
    """Return the headers of the page's files."""
    return dict(_HEADERS)

"""Who is looking at the page: the session of a request, its cookie, and the guards of its posts."""

from collections.abc import Callable
from urllib.parse import quote

from fastapi import Request, Response
from starlette.datastructures import FormData

from dlq_admin.api import WRITE
from dlq_admin.same_origin import is_same_origin, own_origin
from dlq_admin.sessions import Session, Sessions
from dlq_admin.settings import ConsoleSettings
from posta.http.problem import Problem

_COOKIE = "posta_dlq"


class SignInNeeded(Exception):
    """Nobody is signed in; ``url`` is where to sign in, and come back from."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.url = f"/login?next={quote(path, safe='')}"


class Visitors:
    """Recognises browsers."""

    def __init__(
        self, sessions: Sessions, console: ConsoleSettings, *, is_accepted: Callable[[bytes], bool]
    ) -> None:
        """``is_accepted`` says whether the key with that digest still is."""
        self.sessions = sessions
        self._console = console
        self._is_accepted = is_accepted

    def required(self, request: Request) -> Session:
        """The session of the request. Raises ``SignInNeeded``."""
        session_id = request.cookies.get(self._cookie(request), "")
        session = self.sessions.find(session_id)
        if session is not None and not self._is_accepted(session.key_sha256):
            self.sessions.close(session_id)
            session = None
        if session is None:
            raise SignInNeeded(request.url.path if request.method == "GET" else "/")
        return session

    async def form(self, request: Request) -> tuple[Session, FormData]:
        """The session and the fields of a form that may change something.

        Raises ``SignInNeeded``, or ``Problem`` 403 for a form of another site or another session,
        or of a key without the scope ``dlq:write``.
        """
        self.check_origin(request)
        session = self.required(request)
        form = await request.form()
        if not session.owns(str(form.get("csrf", ""))):
            raise Problem(403, "This form is no longer valid", "Go back, reload the page and try again.")
        if WRITE not in session.principal.scopes:
            raise Problem(403, "Your key may not do this", f"Sign in with a key that has the scope {WRITE}.")
        return session, form

    def check_origin(self, request: Request) -> None:
        """Refuse a post that another site made. Raises ``Problem`` 403."""
        own = own_origin(
            public_url=self._console.public_url,
            scheme=request.url.scheme,
            host=request.headers.get("host", ""),
        )
        if not is_same_origin(request.headers, own=own):
            raise Problem(
                403,
                "This request came from another site",
                "Use the page itself. Behind a proxy, set POSTA_CONSOLE__PUBLIC_URL to its address.",
            )

    def remember(self, request: Request, response: Response, session_id: str) -> None:
        """Set the cookie: for this browser session, for this host alone, out of scripts' reach."""
        response.set_cookie(
            self._cookie(request),
            session_id,
            path="/",
            secure=self._is_secure(request),
            httponly=True,
            samesite="strict",
        )

    def forget(self, request: Request, response: Response) -> None:
        """Sign out and drop the cookie."""
        name = self._cookie(request)
        self.sessions.close(request.cookies.get(name, ""))
        response.delete_cookie(
            name, path="/", secure=self._is_secure(request), httponly=True, samesite="strict"
        )

    def _cookie(self, request: Request) -> str:
        # The prefix makes browsers insist on Secure, on this host and on the path / (RFC 6265bis §4.1.3).
        return f"__Host-{_COOKIE}" if self._is_secure(request) else _COOKIE

    def _is_secure(self, request: Request) -> bool:
        return (self._console.public_url or f"{request.url.scheme}://").startswith("https://")

"""Turns a request away as soon as its body is known to be too large, before it is read whole."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posta.http.problem import Problem, problem_response


class BodyLimit:
    """ASGI middleware: 413 by Content-Length, or at the chunk that goes over ``max_bytes``."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value) > self._max_bytes:
                await self._refuse(scope, receive, send)
                return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._max_bytes:
                raise _TooLarge
            return message

        try:
            await self._app(scope, counted, send)
        except _TooLarge:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = problem_response(
            Problem(
                413,
                "The request body is too large",
                f"Send at most {self._max_bytes} bytes.",
                headers={"connection": "close"},
            )
        )
        await response(scope, receive, send)


class _TooLarge(BaseException):
    """Passes every ``except Exception`` on its way out to the middleware."""

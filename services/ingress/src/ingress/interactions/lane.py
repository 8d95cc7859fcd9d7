"""A lane of their own for interactions: past the framework, whose routing costs more than an answer does.

Everything else goes on to the application. Traced, counted and refused as there; see the route for
what is done. Measured: half of the processor time of an acknowledged interaction was the framework's.
"""

import time

from fastapi import Request
from opentelemetry import propagate
from opentelemetry.trace import SpanKind
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingress.interactions.route import PATH, Interactions
from posta.http.problem import Problem, problem_response
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import current_trace_id, span

log = get_logger(__name__)
_METHOD = "POST"
_NAME = f"{_METHOD} {PATH}"


class InteractionsLane:
    """The ASGI application that the server calls."""

    def __init__(self, app: ASGIApp, interactions: Interactions) -> None:
        self._app = app
        self._interactions = interactions
        self._seconds = names.HTTP_SECONDS.labels(PATH, _METHOD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an interaction here, and pass anything else on."""
        if scope["type"] != "http" or scope["path"] != PATH or scope["method"] != _METHOD:
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        code = 500

        async def note_status(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        request = Request(scope, receive)
        try:
            with span(_NAME, kind=SpanKind.SERVER, parent=propagate.extract(request.headers)) as current:
                response = await self._answer(request)
                if current.is_recording():
                    current.set_attributes(
                        {
                            "http.request.method": _METHOD,
                            "http.route": PATH,
                            "http.response.status_code": response.status_code,
                        }
                    )
            await response(scope, receive, note_status)
        finally:
            names.HTTP_REQUESTS.labels(PATH, _METHOD, str(code)).inc()
            self._seconds.observe(time.monotonic() - started)

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._interactions.receive(request)
        except Problem as problem:
            return problem_response(problem)
        except Exception as exc:
            # Whatever it is, Discord gets an answer and the operator the error.
            log.exception("http_unexpected_error", error=type(exc).__name__)
            return problem_response(
                Problem(
                    500,
                    "Something went wrong on our side",
                    "Try again; if it goes on, tell an operator the trace id.",
                    trace_id=current_trace_id(),
                )
            )

"""The HTTP face every service has: health, metrics, problem details, request metrics and traces."""

import time

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from posta.http.health import Health
from posta.http.metrics import metrics_router
from posta.http.problem import install_problem_details
from posta.telemetry import names


def create_app(*, title: str, version: str, health: Health) -> FastAPI:
    """A FastAPI application with its health and its metrics in place.

    ``/health`` says the same as ``/health/ready``, for those who know it by that name.
    """
    app = FastAPI(title=title, version=version, docs_url=None, redoc_url=None)
    install_problem_details(app)
    app.add_middleware(RequestMetrics)

    @app.get("/health/live", include_in_schema=False)
    async def live() -> JSONResponse:
        return _report(await health.liveness())

    @app.get("/health/ready", include_in_schema=False)
    async def ready() -> JSONResponse:
        return _report(await health.readiness())

    @app.get("/health", include_in_schema=False)
    async def whole() -> JSONResponse:
        return _report(await health.readiness())

    app.include_router(metrics_router())

    FastAPIInstrumentor.instrument_app(app, excluded_urls="health,metrics", exclude_spans=["receive", "send"])
    return app


def _report(faults: dict[str, str]) -> JSONResponse:
    if faults:
        return JSONResponse({"status": "failing", "faults": faults}, status_code=503)
    return JSONResponse({"status": "ok"})


class RequestMetrics:
    """Counts and times requests by route template, never by raw path: paths hold ids and secrets."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.monotonic()
        code = 500

        async def note_status(message: Message) -> None:
            nonlocal code
            if message["type"] == "http.response.start":
                code = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, note_status)
        finally:
            route = getattr(scope.get("route"), "path", "unknown")
            method = scope["method"]
            names.HTTP_REQUESTS.labels(route, method, str(code)).inc()
            names.HTTP_SECONDS.labels(route, method).observe(time.monotonic() - started)

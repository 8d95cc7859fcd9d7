"""Errors of an HTTP API as RFC 9457 problem details: what happened, and what to do."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from posta.telemetry.logs import get_logger
from posta.telemetry.tracing import current_trace_id

log = get_logger(__name__)
MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """Raised in a route to answer with problem details.

    ``title`` says what happened, ``detail`` what to do; ``members`` are extra members of the body.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers
        self.members = members


def problem_response(problem: Problem) -> JSONResponse:
    """The problem as its HTTP response."""
    body = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.members,
    }
    return JSONResponse(body, status_code=problem.status, media_type=MEDIA_TYPE, headers=problem.headers)


def install_problem_details(app: FastAPI) -> None:
    """Make every error of ``app`` a problem response; none of them quotes the request's values."""

    @app.exception_handler(Problem)
    async def _problem(_request: Request, exc: Problem) -> JSONResponse:
        return problem_response(exc)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, exc: RequestValidationError) -> JSONResponse:
        return problem_response(invalid(list(exc.errors())))

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, exc: HTTPException) -> JSONResponse:
        return problem_response(
            Problem(
                exc.status_code,
                str(exc.detail),
                "See the API reference for the paths and methods this service has.",
                headers=dict(exc.headers) if exc.headers else None,
            )
        )

    @app.exception_handler(Exception)
    async def _unexpected(_request: Request, exc: Exception) -> JSONResponse:
        log.error("http_unexpected_error", exc_info=exc)
        return problem_response(unexpected())


def unexpected() -> Problem:
    """What an error of ours is answered with: where to look for it, and nothing of what it was."""
    return Problem(
        500,
        "Something went wrong on our side",
        "Try again; if it goes on, tell an operator the trace id.",
        trace_id=current_trace_id(),
    )


def invalid(errors: list[Any]) -> Problem:
    """The 422 problem for pydantic ``errors``, each with the path of its field."""
    faults = [
        {
            "path": "/".join(str(part) for part in error["loc"] if part != "body") or "(body)",
            "reason": str(error["msg"]),
        }
        for error in errors
    ]
    first = faults[0]
    return Problem(
        422,
        "The request does not fit its schema",
        f"Correct {first['path']}: {first['reason']}",
        errors=faults,
    )

"""Errors of the sandbox's own API: RFC 9457 problem details that say what to do."""

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response


class Problem(Exception):
    """A request to the sandbox's own API that cannot be served."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(f"{title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail

    def body(self) -> dict[str, Any]:
        """The problem details object."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }

    def response(self) -> Response:
        """The HTTP answer."""
        return JSONResponse(self.body(), self.status, media_type="application/problem+json")


async def show_problem(_request: Request, error: Exception) -> Response:
    """Answer a problem."""
    assert isinstance(error, Problem)  # noqa: S101  # registered for this class only
    return error.response()


async def show_invalid_request(_request: Request, error: Exception) -> Response:
    """Answer a request whose fields do not fit, with each field's path."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for this class only
    fields = [{"path": ".".join(str(part) for part in e["loc"]), "reason": e["msg"]} for e in error.errors()]
    detail = "; ".join(f"{f['path']}: {f['reason']}" for f in fields)
    body = Problem(422, "The request does not fit", detail).body() | {"errors": fields}
    return JSONResponse(body, 422, media_type="application/problem+json")

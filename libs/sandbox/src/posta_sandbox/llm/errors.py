"""The LLM look-alike's refusals, in OpenAI's shape."""

from fastapi import Request
from fastapi.responses import JSONResponse, Response


class LlmError(Exception):
    """A refusal in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        type: str = "invalid_request_error",  # noqa: A002  # OpenAI's name for it
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.body = {"error": {"message": message, "type": type, "param": param, "code": code}}


async def show_llm_error(_request: Request, error: Exception) -> Response:
    """Answer a refusal in OpenAI's shape."""
    assert isinstance(error, LlmError)  # noqa: S101  # registered for this class only
    return JSONResponse(error.body, status_code=error.status, headers=error.headers)

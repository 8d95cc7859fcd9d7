"""Reads the form of a request: JSON, or multipart with files, as Discord takes it."""

import json
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile

from posta_sandbox.discord.errors import DiscordError, invalid_form, invalid_json
from posta_sandbox.discord.limits import ATTACHMENTS, problem


async def read_form(request: Request) -> dict[str, Any]:
    """Return the JSON form of a request; raises 50035 or 50109."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _multipart(request)
    if kind != "application/json":
        message = f'Expected "Content-Type" header to be one of application/json, got "{kind}".'
        raise invalid_form({"content_type": problem("CONTENT_TYPE_INVALID", message)})
    return _parsed(await request.body())


def _parsed(raw: bytes | str) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as exc:
        raise invalid_json() from exc
    if not isinstance(body, dict):
        message = "Only dictionaries may be used in a ModelType"
        raise invalid_form(problem("MODEL_TYPE_CONVERT", message))
    return body


async def _multipart(request: Request) -> dict[str, Any]:
    async with request.form(max_files=ATTACHMENTS + 1) as form:
        body = _parsed(str(form.get("payload_json") or "{}"))
        files = [(name, file) for name, file in form.multi_items() if isinstance(file, UploadFile)]
        if len(files) > ATTACHMENTS:
            raise DiscordError(400, 30015, "Maximum number of attachments reached (10)")
        if files:
            body["attachments"] = [_attachment(n, file) for n, (_, file) in enumerate(files)]
    return body


def _attachment(number: int, file: UploadFile) -> dict[str, Any]:
    name = file.filename or f"file{number}"
    url = f"https://cdn.discord.invalid/attachments/{number}/{name}"
    return {
        "id": str(number),
        "filename": name,
        "size": file.size or 0,
        "url": url,
        "proxy_url": url,
        "content_type": file.content_type or "application/octet-stream",
    }

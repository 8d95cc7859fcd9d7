"""Asks an application in this process what it answers, so that a page can say it."""

import asyncio
import re

import httpx
from fastapi import FastAPI

from posta_cli.reference.applications import KEY_WITHOUT_SCOPES

_SCOPE = re.compile(r"has the scope (?P<scope>[a-z:_-]+)")
_UNAUTHORIZED, _FORBIDDEN = 401, 403


def ask(app: FastAPI, method: str, path: str) -> httpx.Response:
    """Return the answer to a request without a body, with a key that has no scope."""
    return asyncio.run(_ask(app, method, path))


def needs(app: FastAPI, method: str, path: str) -> str:
    """Return the sentence that says what a caller must have, learnt from how one is turned away."""
    answer = ask(app, method, re.sub(r"\{\w+\}", "1", path))
    if answer.status_code == _FORBIDDEN:
        found = _SCOPE.search(answer.json()["detail"])
        if found is not None:
            return f"Needs an API key with the scope `{found['scope']}`."
    if answer.status_code in {_UNAUTHORIZED, _FORBIDDEN}:
        problem = answer.json()
        return f"{problem['detail']} Others get {answer.status_code}: {problem['title']}."
    return "Needs no key."


async def _ask(app: FastAPI, method: str, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    headers = {"authorization": f"Bearer {KEY_WITHOUT_SCOPES}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://reference") as client:
        return await client.request(method, path, headers=headers)

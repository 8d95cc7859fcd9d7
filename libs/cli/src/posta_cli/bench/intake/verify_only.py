"""The peer: a FastAPI application that verifies the signature, parses the body, and answers at once."""

import asyncio
import sys
from typing import Any

import uvicorn
import uvloop
from fastapi import FastAPI, Request, Response
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey
from pydantic import BaseModel

_DEFERRED = b'{"type":5}'


class Interaction(BaseModel):
    """What such a program reads of an interaction."""

    id: str
    type: int
    token: str
    data: dict[str, Any] = {}


def application(public_key: str) -> FastAPI:
    """Keeps nothing: what it was sent is gone when it ends."""
    key = VerifyKey(bytes.fromhex(public_key))
    app = FastAPI(docs_url=None, redoc_url=None)

    @app.post("/discord-interactions")
    async def interactions(request: Request) -> Response:
        body = await request.body()
        message = request.headers["x-signature-timestamp"].encode() + body
        try:
            key.verify(message, bytes.fromhex(request.headers["x-signature-ed25519"]))
        except BadSignatureError:
            return Response(status_code=401)
        Interaction.model_validate_json(body)
        return Response(_DEFERRED, media_type="application/json")

    @app.get("/health/ready")
    async def ready() -> dict[str, str]:
        return {"status": "ok"}

    return app


def main(port: str, public_key: str) -> None:
    """Serve on loopback until ended."""
    config = uvicorn.Config(
        application(public_key), host="127.0.0.1", port=int(port), log_config=None, access_log=False
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main(*sys.argv[1:])

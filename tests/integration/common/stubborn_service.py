"""A service that is never done with what it does, whoever asks it to stop."""

import asyncio

from posta.service import run
from posta.settings import ServiceSettings


async def serve(_settings, stop):
    await stop.wait()
    await asyncio.sleep(3600)


run("stubborn", ServiceSettings, serve)

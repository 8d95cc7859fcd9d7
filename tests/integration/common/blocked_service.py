"""A service whose loop blocks for good."""

import time

from posta.service import run
from posta.settings import ServiceSettings


async def serve(_settings, _stop):
    time.sleep(3600)  # noqa: ASYNC251 - the defect that the watchdog is there for


run("blocked", ServiceSettings, serve)

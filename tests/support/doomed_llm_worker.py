"""llm-worker to which something happens at a named step of its first question: ``DOOMED_AT``.

before the call        it has its turn and its claim; nothing was sent
during the call        the question is on its way, and nothing of an answer has been read
after the call         the answer is here and stored nowhere
after the store        the answer is stored; nothing is published

What happens says ``DOOMED_BY``: ``kill`` (SIGKILL, the default), ``freeze`` (SIGSTOP, until somebody sends
SIGCONT) or ``wait`` (it writes the file ``DOOMED_FILE`` and goes on when that is gone: time to take something
else away).
"""

import asyncio
import os
import signal
import time
from pathlib import Path
from typing import Any

from llm_worker.answers.postgres import PostgresAnswers
from llm_worker.app import NAME, serve
from llm_worker.providers import http
from llm_worker.providers.http import HttpProvider
from llm_worker.settings import Settings
from posta.service import run

_ask, _trace, _store = HttpProvider.ask, http._Call.trace, PostgresAnswers.store
_done: set[str] = set()


async def doom(step: str) -> None:
    """What is to happen at this very moment, once, if this is the step."""
    if os.environ["DOOMED_AT"] != step or step in _done:
        return
    _done.add(step)
    match os.environ.get("DOOMED_BY", "kill"):
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "freeze":
            os.kill(os.getpid(), signal.SIGSTOP)
        case _:
            await asyncio.to_thread(_wait, Path(os.environ["DOOMED_FILE"]))


def _wait(file: Path) -> None:
    file.touch()
    while file.exists():
        time.sleep(0.02)


async def ask(self: HttpProvider, request: Any) -> Any:
    await doom("before the call")
    return await _ask(self, request)


async def trace(self: http._Call, event: str, info: Any) -> None:
    await _trace(self, event, info)
    if self.sent_after_s:
        await doom("during the call")


async def store(self: PostgresAnswers, claim: Any, answer: Any, **how: Any) -> Any:
    await doom("after the call")
    stored = await _store(self, claim, answer, **how)
    await doom("after the store")
    return stored


if __name__ == "__main__":
    HttpProvider.ask, http._Call.trace = ask, trace  # type: ignore[method-assign]  # the point of it
    PostgresAnswers.store = store  # type: ignore[method-assign]
    run(NAME, Settings, serve)

"""llm-worker that kills itself with SIGKILL at a named step of its first question: ``DOOMED_AT``.

before the call        it has its turn and its claim; nothing was sent
after the call         the answer is here and stored nowhere
after the store        the answer is stored; nothing is published
"""

import os
import signal
from typing import Any

from llm_worker.answers.postgres import PostgresAnswers
from llm_worker.app import NAME, serve
from llm_worker.providers.http import HttpProvider
from llm_worker.settings import Settings
from posta.service import run

_ask, _store = HttpProvider.ask, PostgresAnswers.store


def die(step: str) -> None:
    """As ``kill -9`` at this very moment, if this is the step."""
    if os.environ["DOOMED_AT"] == step:
        os.kill(os.getpid(), signal.SIGKILL)


async def ask(self: HttpProvider, request: Any) -> Any:
    die("before the call")
    return await _ask(self, request)


async def store(self: PostgresAnswers, claim: Any, answer: Any) -> bool:
    die("after the call")
    stored = await _store(self, claim, answer)
    die("after the store")
    return stored


if __name__ == "__main__":
    HttpProvider.ask, PostgresAnswers.store = ask, store  # type: ignore[method-assign]  # the point of it
    run(NAME, Settings, serve)

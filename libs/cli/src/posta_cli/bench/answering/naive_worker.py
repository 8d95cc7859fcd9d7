"""Two naive workers in one process: one mail at a time each, sleeping on 429. Run: ``… RESULT TASK``."""

import asyncio
import json
import resource
import signal
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

from posta_cli.bench.answering.naive import MAX_TOKENS, Said, messages, pause_s
from posta_cli.bench.mailbox.sample import Letter, letters

WORKERS = 2
_TOO_MANY = 429
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NaiveTask:
    """What is to be done."""

    base_url: str
    mails: int
    seed: int
    minute_s: float
    instruction: dict[str, str]
    """By language."""


@dataclass(slots=True, kw_only=True)
class NaiveResult:
    """What came of it."""

    answered: int = 0
    calls: int = 0
    refused: int = 0
    tokens: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    cpu_s: float = 0.0
    peak_mib: float = 0.0


@dataclass(slots=True)
class Naive:
    """The workers and what they share: nothing but the result."""

    task: NaiveTask
    http: httpx.AsyncClient
    result: NaiveResult = field(default_factory=NaiveResult)

    async def work(self, mails: list[Letter]) -> None:
        """Answer the mails of one worker, one after the other."""
        said: dict[int, list[Said]] = defaultdict(list)
        for letter in mails:
            answer = await self._asked(letter, said[letter.thread])
            said[letter.thread].append(Said(letter.body, answer))
            self.result.answered += 1
            self.result.last_at = time.time()

    async def _asked(self, letter: Letter, history: list[Said]) -> str:
        body = {
            "model": "naive",
            "max_tokens": MAX_TOKENS,
            "messages": messages(letter, history, self.task.instruction[letter.language]),
        }
        refusals = 0
        while True:
            self.result.calls += 1
            answer = await self.http.post(f"{self.task.base_url}/chat/completions", json=body)
            if answer.status_code != _TOO_MANY:
                break
            refusals += 1
            self.result.refused += 1
            await asyncio.sleep(pause_s(refusals, minute_s=self.task.minute_s))
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        self.result.tokens += found["usage"]["total_tokens"]
        return str(found["choices"][0]["message"]["content"])


def _cancel(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()


async def run(task: NaiveTask) -> NaiveResult:
    """Answer all mails, or as many as there is time for until SIGTERM."""
    every = letters(task.mails, seed=task.seed)
    headers = {"authorization": "Bearer naive"}
    async with httpx.AsyncClient(timeout=_TIMEOUT_S, headers=headers, trust_env=False) as http:
        naive = Naive(task, http)
        naive.result.first_at = naive.result.last_at = time.time()
        working = [
            asyncio.create_task(naive.work([one for one in every if one.thread % WORKERS == number]))
            for number in range(WORKERS)
        ]
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _cancel, working)
        done, _ = await asyncio.wait(working)
        if any(one.cancelled() for one in done):
            naive.result.last_at = time.time()
        for one in done:
            if not one.cancelled():
                one.result()
    used = resource.getrusage(resource.RUSAGE_SELF)
    naive.result.cpu_s = used.ru_utime + used.ru_stime
    naive.result.peak_mib = used.ru_maxrss / 1024
    return naive.result


if __name__ == "__main__":
    given = NaiveTask(**json.loads(sys.argv[2]))
    Path(sys.argv[1]).write_text(json.dumps(asdict(asyncio.run(run(given)))), "utf-8")

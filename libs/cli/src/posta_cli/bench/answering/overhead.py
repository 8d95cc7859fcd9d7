"""What llm-worker itself costs on the whole path: a provider that answers at once, questions that need it."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from posta.domain.payloads import EmailReceived
from posta_cli.bench.answering.backlog import events_of
from posta_cli.bench.answering.stage import Stage, stage
from posta_cli.bench.intake.served import Served
from posta_cli.bench.mailbox.sample import Letter, letters
from posta_cli.errors import CommandError

AT_ONCE = 256
_LATENCY_S = 2.0
_LIMIT_S = 300.0
_MODELS = "models: {main: {provider: main, max_tokens: 150}}\n"
_QUARTERS = 4
_THOUSAND = 1000
Questions = Sequence[tuple[str, str, EmailReceived]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What was measured."""

    questions: int
    ms: float
    """Beside the call, one question at a time: the mean of the middle half."""
    cpu_ms: float
    """Processor time of the worker for each, the call included."""
    peak_mib: float
    """With 256 calls at once."""


async def overhead(folder: Path, bootstrap: str, *, questions: int) -> Overhead:
    """Measure one question at a time, then 256 at once."""
    asked = _needing_a_call(questions + 2 * AT_ONCE)
    async with stage(folder / "one", bootstrap) as place:
        await place.tell_sandbox("llm/settings", latency_s=0.0, answer_chars=400)
        async with place.worker(models=_MODELS, POSTA_LLM__CONCURRENCY="1") as worker:
            await _answer(place, asked[:20])  # connections and caches are there
            before, call_before = worker.cpu_s(), await _calls(worker)
            await _answer(place, asked[20:questions])
            cpu_s, calls = worker.cpu_s() - before, await _calls(worker)
        published = sorted(place.answered_at.values())[20:]
    call_s = (calls[0] - call_before[0]) / (calls[1] - call_before[1])
    between = sorted(later - earlier for earlier, later in itertools.pairwise(published))
    middle = between[len(between) // _QUARTERS : -(len(between) // _QUARTERS)]
    peak_mib = await _at_once(folder, bootstrap, asked[questions:])
    return Overhead(
        questions=questions,
        ms=_THOUSAND * (statistics.mean(middle) - call_s),
        cpu_ms=_THOUSAND * cpu_s / (questions - 20),
        peak_mib=peak_mib,
    )


async def _at_once(folder: Path, bootstrap: str, asked: Questions) -> float:
    async with stage(folder / "many", bootstrap) as place:
        await place.tell_sandbox("llm/settings", latency_s=_LATENCY_S, answer_chars=400)
        async with place.worker(models=_MODELS, POSTA_LLM__CONCURRENCY=str(AT_ONCE)) as worker:
            await _answer(place, asked)
            peak_mib: float = worker.peak_mib()
            return peak_mib


async def _answer(place: Stage, asked: Questions) -> None:
    already = len(place.answered_at)
    await place.ask(asked)
    if not await place.answered(already + len(asked), within_s=_LIMIT_S):
        raise CommandError("Not every question was answered in time.", "Look at the worker's log.")


async def _calls(worker: Served) -> tuple[float, float]:
    """Seconds spent in calls to the provider, and their number."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(f"http://127.0.0.1:{worker.port}/metrics")).text
    found = {}
    for line in text.splitlines():
        for end in ("sum", "count"):
            if line.startswith(f'posta_upstream_duration_seconds_{end}{{upstream="llm"}}'):
                found[end] = float(line.rpartition(" ")[2])
    return found["sum"], found["count"]


def _needing_a_call(count: int) -> Questions:
    """Questions about people's own orders: neither frequent nor cached."""
    personal: list[Letter] = [one for one in letters(count * 5, seed=7) if one.kind == "order"]
    return events_of(personal[:count])

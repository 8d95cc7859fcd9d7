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
from posta_cli.bench.mailbox.goods import GOODS
from posta_cli.bench.mailbox.phrases import COLOURS
from posta_cli.bench.mailbox.sample import Letter, letters
from posta_cli.errors import CommandError

AT_ONCE = 256
_LATENCY_S = 2.0
_LIMIT_S = 300.0
_MODELS = "models: {main: {provider: main, max_tokens: 150}}\n"
_QUARTERS = 4
_FIRST = 20
"""Not measured."""
_THOUSAND = 1000
Questions = Sequence[tuple[str, str, EmailReceived]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one question costs the worker."""

    ms: float
    """Beside the call, one question at a time: the mean of the middle half."""
    cpu_ms: float
    """Processor time, the call included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overhead:
    """What was measured."""

    questions: int
    personal: Cost
    """Of questions about somebody's own order, whose answers are nobody else's."""
    shareable: Cost
    """Of questions about products, each the first of its kind: looked for among the answers given before,
    asked, and shared."""
    peak_mib: float
    """With 256 calls at once."""


async def overhead(folder: Path, bootstrap: str, *, questions: int) -> Overhead:
    """Measure one question at a time, of each sort, then 256 at once."""
    personal = _personal(questions + 2 * AT_ONCE)
    async with stage(folder / "one", bootstrap) as place:
        await place.tell_sandbox("llm/settings", latency_s=0.0, answer_chars=400)
        async with place.worker(models=_MODELS, POSTA_LLM__CONCURRENCY="1") as worker:
            cost = await _one_at_a_time(place, worker, personal[:questions])
            shareable = await _one_at_a_time(place, worker, _shareable(questions))
    peak_mib = await _at_once(folder, bootstrap, personal[questions:])
    return Overhead(questions=questions, personal=cost, shareable=shareable, peak_mib=peak_mib)


async def _one_at_a_time(place: Stage, worker: Served, asked: Questions) -> Cost:
    await _answer(place, asked[:_FIRST])  # connections and caches are there
    already, before, call_before = len(place.answered_at), worker.cpu_s(), await _calls(worker)
    await _answer(place, asked[_FIRST:])
    cpu_s, calls = worker.cpu_s() - before, await _calls(worker)
    if calls[1] - call_before[1] != len(asked) - _FIRST:
        raise CommandError("Not every question was asked, and once.", "Mend the benchmark's questions.")
    published = sorted(place.answered_at.values())[already:]
    between = sorted(later - earlier for earlier, later in itertools.pairwise(published))
    middle = between[len(between) // _QUARTERS : -(len(between) // _QUARTERS)]
    call_s = (calls[0] - call_before[0]) / (calls[1] - call_before[1])
    return Cost(
        ms=_THOUSAND * (statistics.mean(middle) - call_s),
        cpu_ms=_THOUSAND * cpu_s / (len(asked) - _FIRST),
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


def _personal(count: int) -> Questions:
    """Questions about people's own orders: neither frequent nor shared."""
    personal: list[Letter] = [one for one in letters(count * 5, seed=7) if one.kind == "order"]
    return events_of(personal[:count])


def _shareable(count: int) -> Questions:
    """Questions about products, no two of them the same."""
    pairs = itertools.product(itertools.permutations(GOODS, 2), COLOURS["es"])
    texts = [
        f"¿Combina {one.name} con {other.name} en {colour}?"
        for (one, other), colour in itertools.islice(pairs, count)
    ]
    mails = events_of(letters(count, seed=11))
    return [
        (f"{id_}:shareable", f"{id_}:thread", mail.model_copy(update={"subject": "", "text": text}))
        for (id_, _, mail), text in zip(mails, texts, strict=True)
    ]

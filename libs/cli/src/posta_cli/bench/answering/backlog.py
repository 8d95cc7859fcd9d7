"""A full mailbox under a provider's limits: two llm-workers and two naive ones on the same mails at once."""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from email_poller.decision import Facts, MailId, Take, TakingPolicy, decide
from email_poller.parse import parse
from llm_worker.rules import load_rules
from posta.domain.ids import email_event_id
from posta.domain.payloads import EmailReceived
from posta.tasks import end
from posta_cli.bench.answering.measures import Allowed, LedgerCall
from posta_cli.bench.answering.naive_worker import NaiveResult, NaiveTask
from posta_cli.bench.answering.stage import Stage, clean_environment, config_dir, stage
from posta_cli.bench.intake.served import Served
from posta_cli.bench.mailbox.sample import ACCOUNT, Letter, letters
from posta_cli.bench.run import Say
from posta_cli.errors import CommandError

MAX_TOKENS = 150
ANSWER_CHARS = 400
_LATENCY_MINUTES = 1 / 60
"""The provider thinks for a second of a whole minute."""
_JITTER_MINUTES = 1 / 60
"""A second of a minute, where that is short: this machine is busy, and its seconds are not scaled."""
_LONG_S = 15.0
"""From so long a minute on llm-worker's own slack is a hundredth of it, as in life."""
_LIMIT_MINUTES = 180.0
_LOOK_MINUTES = 5.0
_TAIL_CHARS = 3000
_TABLES = """
models:
  main:
    provider: main
    max_tokens: {max_tokens}
    limits: {{minute_s: {minute_s}{jitter}}}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much, and how fast time goes."""

    mails: int
    minute_s: float
    """A provider's minute takes so many seconds."""
    seed: int = 500


@dataclass(slots=True, kw_only=True)
class Run:
    """What one run under one allowance showed."""

    letters: Sequence[Letter]
    allowed: Allowed
    calls: Sequence[LedgerCall]
    naive: NaiveResult
    naive_calls: Sequence[LedgerCall]
    called: frozenset[int]
    """Mails (by uid) that were answered by a call; the others needed none."""
    tokens: int
    begun: float
    ended: float
    waits_s: dict[int, float]
    """From the beginning to the reply, by uid."""
    cpu_s: float
    peak_mib: float
    complete: bool
    said: list[str] = field(default_factory=list)
    """What ``/admin/llm`` said while it ran."""

    @property
    def seconds(self) -> float:
        """From the first mail in Kafka to the last answer."""
        return self.ended - self.begun

    def waited_minutes(self, *, called: bool) -> float:
        """How long the middle one of the mails with a call, or without, waited, in the provider's minutes."""
        waits = [wait for uid, wait in self.waits_s.items() if (uid in self.called) is called]
        return statistics.median(waits or [0.0]) / self.allowed.minute_s


async def backlog(folder: Path, bootstrap: str, size: Size, *, rpm: int, tpm: int | None, say: Say) -> Run:
    """Answer the mailbox; the naive workers are cut off when ours are done."""
    every = letters(size.mails, seed=size.seed)
    allowed = Allowed(rpm=rpm, tpm=tpm, minute_s=size.minute_s)
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(stage(folder / "posta", bootstrap))
        theirs = await stack.enter_async_context(stage(folder / "naive", bootstrap))
        for one in (ours, theirs):
            await one.tell_sandbox(
                "llm/settings", latency_s=_LATENCY_MINUTES * size.minute_s, answer_chars=ANSWER_CHARS
            )
            await one.tell_sandbox(
                "llm/limits", rpm=rpm, tpm=tpm, window_s=size.minute_s, counts="sliding", form="groq"
            )
        jitter = "" if size.minute_s >= _LONG_S else f", jitter_s: {_JITTER_MINUTES * size.minute_s}"
        models = _TABLES.format(max_tokens=MAX_TOKENS, minute_s=size.minute_s, jitter=jitter)
        workers = [await stack.enter_async_context(ours.worker(models=models)) for _ in range(2)]
        naive = await stack.enter_async_context(_naive(folder, theirs, size))
        said: list[str] = []
        watching = asyncio.create_task(_watch(ours, workers[0], size, len(every), said, say), name="watch")
        try:
            begun = time.time()
            await ours.ask(events_of(every))
            complete = await ours.answered(len(every), within_s=_LIMIT_MINUTES * size.minute_s)
        finally:
            await end(watching)
        rows = await ours.rows("SELECT event_id, coalesce(tokens_in + tokens_out, 0) AS tokens FROM answer")
        uids = {_event_id(letter.uid): letter.uid for letter in every}
        return Run(
            letters=every,
            allowed=allowed,
            calls=await ours.calls(),
            naive=await naive.stopped(),
            naive_calls=await theirs.calls(),
            called=frozenset(uids[row["event_id"]] for row in rows),
            tokens=sum(row["tokens"] for row in rows),
            begun=begun,
            ended=max(ours.answered_at.values(), default=begun),
            waits_s={uids[id_]: at - begun for id_, at in ours.answered_at.items()},
            cpu_s=sum(worker.cpu_s() for worker in workers),
            peak_mib=max(worker.peak_mib() for worker in workers),
            complete=complete,
            said=said,
        )


async def _watch(ours: Stage, worker: Served, size: Size, count: int, said: list[str], say: Say) -> None:
    """Ask from time to time why questions wait, as an operator would."""
    while True:
        await asyncio.sleep(_LOOK_MINUTES * size.minute_s)
        said.append(await ours.why_waiting(worker))
        say(f"  {len(ours.answered_at)} of {count} answered. {said[-1]}")


@dataclass(slots=True)
class _Naive:
    """The running naive workers."""

    process: asyncio.subprocess.Process
    result: Path
    output: Path

    async def stopped(self) -> NaiveResult:
        """What they did until now; they end."""
        if self.process.returncode is None:
            self.process.terminate()
        await self.process.wait()
        if not self.result.exists():
            tail = self.output.read_text("utf-8", "replace")[-_TAIL_CHARS:]
            raise CommandError(f"The naive workers failed; they wrote:\n{tail}", "See the lines above.")
        return NaiveResult(**json.loads(self.result.read_text("utf-8")))


@asynccontextmanager
async def _naive(folder: Path, theirs: Stage, size: Size) -> AsyncIterator[_Naive]:
    rules = load_rules(config_dir())
    task = NaiveTask(
        base_url=theirs.provider_url,
        mails=size.mails,
        seed=size.seed,
        minute_s=size.minute_s,
        instruction={str(language): text for language, text in rules.system.items()},
    )
    result, output = folder / "naive.json", folder / "naive.log"
    argv = [
        sys.executable,
        "-m",
        "posta_cli.bench.answering.naive_worker",
        str(result),
        json.dumps(asdict(task)),
    ]
    with output.open("wb") as log:
        process = await asyncio.create_subprocess_exec(*argv, env=clean_environment(), stdout=log, stderr=log)
    try:
        yield _Naive(process, result, output)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def events_of(every: Sequence[Letter]) -> list[tuple[str, str, EmailReceived]]:
    """As email-poller would hand them on: read from the raw mail by its own code."""
    policy = TakingPolicy(own_addresses=frozenset({ACCOUNT}))
    found = []
    for letter in every:
        where = MailId(account=ACCOUNT, mailbox="INBOX", uidvalidity=1, uid=letter.uid)
        taken = decide(parse(letter.raw), where, Facts(), policy)
        if not isinstance(taken, Take):
            raise CommandError(f"Mail {letter.uid} of the sample is not a question: {taken.why}.", "Mend it.")
        found.append((_event_id(letter.uid), taken.key, taken.payload))
    return found


def _event_id(uid: int) -> str:
    return email_event_id(account=ACCOUNT, mailbox="INBOX", uidvalidity=1, uid=uid)

"""llm-worker beside naive workers on the same mailbox under two allowances, and what it costs by itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from posta_cli.bench.answering.backlog import Run, Size, backlog
from posta_cli.bench.answering.measures import after_learning, per_hour, refused_share, used_share
from posta_cli.bench.answering.overhead import AT_ONCE, overhead
from posta_cli.bench.figures import AtLeastTimes, AtMost, AtMostTimes, Figures, NoteAtMost, Target, spread
from posta_cli.bench.report import Outcome
from posta_cli.bench.run import Say, broker

PEER = "naive"
ALLOWANCES: Sequence[tuple[str, int, int | None]] = (("8rpm", 8, None), ("30rpm-6000tpm", 30, 6000))
"""Name, requests a minute, tokens a minute: Groq's free tier as it is assumed, and as it is documented."""
_TOO_MANY = 429
_REFUSED = "429 after the first minute, % of the calls"
_UNUSED = "of the allowance unused while mails waited, %"
_CALLED = "mails that needed a call, %"
_SHAREABLE = "the same for a question that others may ask, too, ms"
_CPU = "processor time per question, ms"
_MEMORY = f"resident with {AT_ONCE} calls at once, MiB"
_PERCENT = 100
_THOUSAND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweringBench:
    """Where it runs, and how much."""

    folder: Path
    size: Size
    questions: int
    """For the worker's own cost."""
    say: Say

    async def measure(self) -> list[Outcome]:
        """Every scenario, one after the other."""
        outcomes: list[Outcome] = []
        async with broker(self.folder) as bootstrap:
            for name, rpm, tpm in ALLOWANCES:
                self.say(f"{name}: {self.size.mails} mails, a minute takes {self.size.minute_s:g} s")
                run = await backlog(self.folder / name, bootstrap, self.size, rpm=rpm, tpm=tpm, say=self.say)
                outcomes += outcomes_of(name, run)
            self.say(f"overhead: {self.questions} questions")
            outcomes.append(await self._overhead(bootstrap))
        return outcomes

    async def _overhead(self, bootstrap: str) -> Outcome:
        found = await overhead(self.folder / "overhead", bootstrap, questions=self.questions)
        value = spread([found.personal.ms])
        shareable = spread([found.shareable.ms])
        cpu_ms = max(found.personal.cpu_ms, found.shareable.cpu_ms)
        return Outcome(
            name="overhead",
            title="handling a question beside the provider's call, one at a time, on the whole path",
            unit="ms",
            targets=(AtMost(5), NoteAtMost(5, _SHAREABLE), NoteAtMost(15, _CPU), NoteAtMost(200, _MEMORY)),
            ours=Figures(
                value=value,
                cpu_s_per_1000=spread([cpu_ms]),
                peak_mib=spread([found.peak_mib]),
                handled=(found.questions,),
                complete=True,
            ),
            peers={},
            notes={_SHAREABLE: shareable, _CPU: spread([cpu_ms]), _MEMORY: spread([found.peak_mib])},
        )


def outcomes_of(name: str, run: Run) -> list[Outcome]:
    """One run as the report's scenarios: how fast, how many tokens, how often refused."""
    minute_s, mails = run.allowed.minute_s, len(run.letters)
    told = f"{run.allowed.rpm} requests" + (
        "" if run.allowed.tpm is None else f" and {run.allowed.tpm} tokens"
    )
    learned = after_learning(run.calls, minute_s=minute_s)
    naive_s = run.naive.last_at - run.naive.first_at
    return [
        _outcome(
            name,
            f"a mailbox of {mails} under {told} a minute",
            "mails/hour",
            (AtLeastTimes(1, PEER), NoteAtMost(0, _REFUSED), NoteAtMost(5, _UNUSED), NoteAtMost(70, _CALLED)),
            run,
            per_hour(len(run.waits_s), seconds=run.seconds, minute_s=minute_s),
            per_hour(run.naive.answered, seconds=naive_s, minute_s=minute_s),
            {
                _REFUSED: _PERCENT * refused_share(learned),
                "429 in the first minute, calls": sum(call.status == _TOO_MANY for call in run.calls)
                - sum(call.status == _TOO_MANY for call in learned),
                _UNUSED: _PERCENT * (1 - used_share(run.calls, allowed=run.allowed)),
                "the same of naive, %": _PERCENT * (1 - used_share(run.naive_calls, allowed=run.allowed)),
                _CALLED: _PERCENT * len(run.called) / mails,
                "the middle mail with a call waited, minutes": run.waited_minutes(called=True),
                "the middle mail without a call waited, minutes": run.waited_minutes(called=False),
            },
        ),
        _outcome(
            f"{name}-tokens",
            "tokens for each mail answered, prompt and answer",
            "tokens/mail",
            (AtMostTimes(0.5, PEER),),
            run,
            run.tokens / max(1, len(run.waits_s)),
            run.naive.tokens / max(1, run.naive.answered),
            {"tokens for each mail that needed a call": run.tokens / max(1, len(run.called))},
        ),
        _outcome(
            f"{name}-refused",
            "calls that the provider refused with 429, of all, the first minute included",
            "%",
            (AtMost(5),),
            run,
            _PERCENT * refused_share(run.calls),
            _PERCENT * refused_share(run.naive_calls),
            {},
        ),
    ]


def _outcome(
    name: str,
    title: str,
    unit: str,
    targets: Sequence[Target],
    run: Run,
    ours: float,
    theirs: float,
    notes: dict[str, float],
) -> Outcome:
    answered = len(run.waits_s)
    return Outcome(
        name=name,
        title=title,
        unit=unit,
        targets=targets,
        ours=Figures(
            value=spread([ours]),
            cpu_s_per_1000=spread([_THOUSAND * run.cpu_s / max(1, answered)]),
            peak_mib=spread([run.peak_mib]),
            handled=(answered,),
            complete=run.complete,
        ),
        peers={
            PEER: Figures(
                value=spread([theirs]),
                cpu_s_per_1000=spread([_THOUSAND * run.naive.cpu_s / max(1, run.naive.answered)]),
                peak_mib=spread([run.naive.peak_mib]),
                handled=(run.naive.answered,),
                complete=run.naive.answered >= len(run.letters),
            )
        },
        notes={name_: spread([value]) for name_, value in notes.items()},
    )

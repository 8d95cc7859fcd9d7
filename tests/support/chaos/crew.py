"""The members of a test's group as processes: started, killed, asked to stop, frozen, woken.

Every fault is noted with its time, so that a verdict can tell what it explains.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from support.chaos.verdict import Excuse

TESTS = Path(__file__).resolve().parents[2]
STOP_LIMIT_S = 10.0
"""What a member has from SIGTERM to its exit; the service's own grace period is below it."""
COMMIT_SLACK_S = 3.0
"""Beyond the commit interval: a commit may itself take so long, and is then made up for by the next."""
_LOOK_S = 0.05
_EXPELLED = ("generation id is not", "member_id was not recognized", "Heartbeat session expired")
"""What aiokafka says when the group has gone on without this member."""


@dataclass
class Member:
    """One process, from its start to its exit."""

    number: int
    process: asyncio.subprocess.Process
    log: Path
    killed_at: float | None = None
    frozen: list[tuple[float, float]] = field(default_factory=list)
    """From SIGSTOP to SIGCONT, monotonic seconds."""
    stopped_in_s: float | None = None
    """From SIGTERM to its exit."""
    is_struck: bool = False
    """Whether a fault has it in its hands."""

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    @property
    def resident_mib(self) -> float:
        """What it has in memory now."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def lines(self) -> Iterator[dict[str, Any]]:
        """Its log; what is no JSON (a traceback of the interpreter) counts as an error."""
        for line in self.log.read_text(errors="replace").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                yield {"level": "error", "event": line}


class Crew:
    """All members of one test, past ones included."""

    def __init__(self, *, servers: str, prefix: str, folder: Path, settings: Mapping[str, object]) -> None:
        self._environment = {"POSTA_KAFKA__BOOTSTRAP_SERVERS": servers, "POSTA_KAFKA__TOPIC_PREFIX": prefix}
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._settings = {"session_timeout_s": 6, "ledger": folder / "ledger", **settings}
        # Members read from one end and leave when this process, which holds the other, has ended.
        self._life_end, self._life = os.pipe()
        self.members: list[Member] = []
        self.outages: list[tuple[float, float]] = []
        """When no broker could take a commit; what was done then may be done again."""

    @property
    def ledger(self) -> Path:
        return self._folder / "ledger"

    @property
    def alive(self) -> list[Member]:
        return [member for member in self.members if member.is_alive]

    async def start(self, count: int = 1, **settings: object) -> list[Member]:
        """Start members; ``settings`` are a Conduct's fields, or KafkaSettings' that begin otherwise."""
        return [await self._start(settings) for _ in range(count)]

    async def until_up(self, member: Member) -> None:
        """It has its signal handlers; before that no Python program can end well."""
        async with asyncio.timeout(60):
            while not (self._folder / f"up-{member.pid}").exists():
                assert member.is_alive, f"member {member.number} ended: {member.log.read_text()[-2000:]}"
                await asyncio.sleep(_LOOK_S)

    async def kill(self, member: Member) -> None:
        """kill -9."""
        member.killed_at = time.monotonic()
        member.process.send_signal(signal.SIGKILL)
        await member.process.wait()

    async def terminate(self, member: Member) -> None:
        """SIGTERM; it must end with 0 within ``STOP_LIMIT_S``."""
        await self.until_up(member)
        began = time.monotonic()
        member.process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_LIMIT_S + 20):
                await member.process.wait()
        finally:
            member.stopped_in_s = time.monotonic() - began

    async def freeze(self, member: Member, for_s: float) -> None:
        """SIGSTOP, and SIGCONT so much later."""
        member.process.send_signal(signal.SIGSTOP)
        since = time.monotonic()
        try:
            await asyncio.sleep(for_s)
        finally:
            # Noted before it can do anything again.
            member.frozen.append((since, time.monotonic()))
            member.process.send_signal(signal.SIGCONT)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """The block is a time without Kafka."""
        since = time.monotonic()
        yield
        self.outages.append((since, time.monotonic()))

    async def suicide(self, member: Member, *, within_s: float = 40) -> None:
        """Wait until the member has killed itself at its kill point."""
        async with asyncio.timeout(within_s):
            code = await member.process.wait()
        assert code == -signal.SIGKILL, f"member {member.number} ended with {code}"
        member.killed_at = time.monotonic()

    async def end(self) -> None:
        """Nobody stays, however the test went."""
        for member in self.alive:
            member.process.send_signal(signal.SIGKILL)
        for member in self.members:
            await member.process.wait()
        os.close(self._life)
        os.close(self._life_end)

    def errors(self) -> list[str]:
        """Every line of any member's log that is an error, or none of its log lines at all."""
        return [
            f"member {member.number}: {json.dumps(line)}"
            for member in self.members
            for line in member.lines()
            if line.get("level") in {"error", "critical"}
        ]

    def bad_stops(self) -> list[str]:
        """Members that did not end as SIGTERM asks."""
        return [
            f"member {member.number} ended with {member.process.returncode} after {member.stopped_in_s:.1f} s"
            for member in self.members
            if member.stopped_in_s is not None
            and (member.process.returncode != 0 or member.stopped_in_s > STOP_LIMIT_S)
        ]

    def excuses(self) -> list[Excuse]:
        """What members did that may be done again: all that a commit interval before their end held."""
        return [excuse for member in self.members for excuse in self._excuses_of(member)]

    def expulsions(self) -> list[str]:
        """Members without whom the group went on: their session had timed out."""
        return [
            f"member {member.number}: {line['event']}"
            for member in self.members
            for line in member.lines()
            if _tells_of_expulsion(line)
        ]

    def _excuses_of(self, member: Member) -> Iterator[Excuse]:
        interval_s = float(str(self._settings.get("commit_interval_s", 1.0))) + COMMIT_SLACK_S
        if member.killed_at is not None:
            since = member.killed_at - interval_s
            yield Excuse(why="kill -9", pid=member.pid, since=since, until=member.killed_at)
        session_s = float(str(self._settings["session_timeout_s"]))
        for since, until in member.frozen:
            if until - since > session_s / 2:
                # Its last heartbeat may have been long before; it goes on until it hears of its loss.
                yield Excuse(
                    why="frozen",
                    pid=member.pid,
                    since=since - interval_s,
                    until=until + STOP_LIMIT_S,
                    also_late=True,
                )
        away_s = interval_s + session_s
        for line in member.lines():
            if _tells_of_expulsion(line):
                noticed = (
                    datetime.fromisoformat(line["timestamp"]).timestamp() - time.time() + time.monotonic()
                )
                # It goes on with what it holds until its drain is over.
                yield Excuse(
                    why="lost session",
                    pid=member.pid,
                    since=noticed - away_s,
                    until=noticed + STOP_LIMIT_S,
                    also_late=True,
                )
        for since, until in self.outages:
            yield Excuse(
                why="broker away",
                pid=member.pid,
                since=since - interval_s,
                until=until + away_s,
                also_late=True,
            )

    async def _start(self, settings: Mapping[str, object]) -> Member:
        number = len(self.members)
        log = self._folder / f"member-{number}.log"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "support.chaos.member"),
                stdin=self._life_end,
                stdout=output,
                stderr=output,
                cwd=self._folder,
                env=self._env({**self._settings, **settings}),
            )
        self.members.append(Member(number=number, process=process, log=log))
        return self.members[-1]

    def _env(self, settings: Mapping[str, object]) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("POSTA_", "OTEL_"))}
        told = {
            f"POSTA_{'KAFKA' if name in _KAFKA else 'CHAOS'}__{name.upper()}": str(value)
            for name, value in settings.items()
        }
        return {
            **clean,
            **self._environment,
            **told,
            "POSTA_LOG__LEVEL": "warning",
            "POSTA_SHUTDOWN__GRACE_S": "9",
            "PYTHONPATH": str(TESTS),
        }


def _tells_of_expulsion(line: Mapping[str, Any]) -> bool:
    return any(word in str(line.get("event")) for word in _EXPELLED)


_KAFKA = {"session_timeout_s", "request_timeout_s", "group_instance_id"}


@asynccontextmanager
async def crew(*, servers: str, prefix: str, folder: Path, **settings: object) -> AsyncIterator[Crew]:
    """A crew for the block; none of it is left afterwards."""
    one = Crew(servers=servers, prefix=prefix, folder=folder, settings=settings)
    try:
        yield one
    finally:
        await one.end()

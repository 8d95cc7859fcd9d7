"""Ingress beside an application that only verifies and parses: same core, same client, in turns."""

import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

from posta.kafka.topics import apply
from posta.postgres.migrations import migrate
from posta.settings import KafkaSettings
from posta_cli.bench.figures import AtLeastTimes, AtMost, Figures, Target, spread
from posta_cli.bench.intake.caller import Seen, flood, signed_requests, steady
from posta_cli.bench.intake.served import Served, served
from posta_cli.bench.report import Outcome
from posta_cli.bench.run import Say
from posta_sandbox.embedded.kafka import EmbeddedKafka
from posta_sandbox.embedded.ports import free_port
from posta_sandbox.embedded.postgres import EmbeddedPostgres

PEER = "fastapi-verify-only"
_LINES = 256
"""Kept connections; each waits for its answer. With fewer, all of them wait for Kafka or PostgreSQL now and
then while the server under test has nothing to do, and the figure tells of delays, not of its pace."""
_WARM_UP = 2_000
_STEADY_PER_S = 1000.0
_THOUSAND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is sent."""

    requests: int
    steady_s: float
    rounds: int


@dataclass(slots=True, kw_only=True)
class _Runs:
    """One contender's runs of one scenario."""

    values: list[float] = field(default_factory=list)
    cpu_s_per_1000: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    handled: list[int] = field(default_factory=list)
    waits_p99_ms: list[float] = field(default_factory=list)
    complete: bool = True

    def add(self, seen: Seen, value: float, cpu_s: float, peak_mib: float) -> None:
        """Take one run over."""
        self.values.append(value)
        self.cpu_s_per_1000.append(_THOUSAND * cpu_s / max(1, seen.accepted))
        self.peak_mib.append(peak_mib)
        self.handled.append(seen.accepted)
        self.waits_p99_ms.append(seen.wait_ms(0.99))
        self.complete = self.complete and seen.other == 0

    def figures(self) -> Figures:
        """All runs together."""
        return Figures(
            value=spread(self.values),
            cpu_s_per_1000=spread(self.cpu_s_per_1000),
            peak_mib=spread(self.peak_mib),
            handled=tuple(self.handled),
            complete=self.complete,
        )


@dataclass(slots=True, kw_only=True)
class IntakeBench:
    """Where the servers run, and what they stand on."""

    folder: Path
    size: Size
    say: Say
    key: SigningKey = field(default_factory=SigningKey.generate)
    core: int | None = None
    bootstrap: str = ""
    database_url: str = ""

    async def measure(self) -> list[Outcome]:
        """Every scenario, one after the other."""
        self.core = _keep_off_the_last_core()
        async with (
            EmbeddedKafka(self.folder / "kafka") as kafka,
            EmbeddedPostgres(self.folder / "postgres") as postgres,
        ):
            self.bootstrap, self.database_url = kafka.bootstrap_servers, postgres.url
            await apply(KafkaSettings(bootstrap_servers=self.bootstrap))
            await migrate(self.database_url)
            kept = await self._rates("acks-all", "interactions acknowledged with acks=all", 0.85)
            latency = await self._latency()
            await kafka.stop()
            spooled = await self._rates("spool", "the same with Kafka stopped: on the local disk", 0.5)
        return [kept, latency, spooled]

    async def _rates(self, name: str, title: str, factor: float) -> Outcome:
        ours, peer = _Runs(), _Runs()
        for _ in range(self.size.rounds):
            for runs, server in ((ours, self._ingress()), (peer, self._peer())):
                async with server as running:
                    seen, cpu_s = await self._flood(running)
                    runs.add(seen, seen.rate, cpu_s, running.peak_mib())
                self.say(f"{name:<9} {'posta' if runs is ours else PEER:<21} {seen.rate:>10,.0f} requests/s")
        target: Sequence[Target] = (AtLeastTimes(factor, PEER),)
        return _outcome(name, title, "requests/s", target, ours, peer)

    async def _flood(self, running: Served) -> tuple[Seen, float]:
        await flood(running.port, signed_requests(self.key, _WARM_UP), lines=_LINES)
        requests = signed_requests(self.key, self.size.requests)
        before = running.cpu_s()
        seen = await flood(running.port, requests, lines=_LINES)
        return seen, running.cpu_s() - before

    async def _latency(self) -> Outcome:
        ours, peer = _Runs(), _Runs()
        for _ in range(self.size.rounds):
            for runs, server in ((ours, self._ingress()), (peer, self._peer())):
                async with server as running:
                    await flood(running.port, signed_requests(self.key, _WARM_UP), lines=_LINES)
                    requests = signed_requests(self.key, int(_STEADY_PER_S * self.size.steady_s))
                    before = running.cpu_s()
                    seen = await steady(running.port, requests, per_s=_STEADY_PER_S, lines=_LINES)
                    runs.add(seen, seen.wait_ms(0.99), running.cpu_s() - before, running.peak_mib())
                self.say(
                    f"{'p99':<9} {'posta' if runs is ours else PEER:<21} {seen.wait_ms(0.99):>10,.1f} ms"
                )
        title = "the slowest answer in a hundred, at 1 000 requests a second"
        return _outcome("p99", title, "ms", (AtMost(50),), ours, peer)

    def _ingress(self) -> Any:
        port = free_port()
        given = {
            "POSTA_HTTP__PORT": str(port),
            "POSTA_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap,
            "POSTA_DATABASE__URL": self.database_url,
            "POSTA_DISCORD__PUBLIC_KEYS": bytes(self.key.verify_key).hex(),
            "POSTA_STATE_DIR": str(self.folder / "state" / str(port)),
            "POSTA_CONFIG_DIR": str(_config_dir()),
            "POSTA_LOG__LEVEL": "warning",
            # Nobody works the questions off here.
            "POSTA_GOVERNOR__MAX_QUEUE_AGE_S": "0",
        }
        env = _clean_environment() | given
        argv = [sys.executable, "-m", "ingress"]
        return served(argv, env, port=port, core=self.core, output=self.folder / f"ingress-{port}.log")

    def _peer(self) -> Any:
        port = free_port()
        argv = [sys.executable, "-m", "posta_cli.bench.intake.verify_only", str(port)]
        argv.append(bytes(self.key.verify_key).hex())
        output = self.folder / f"peer-{port}.log"
        return served(argv, _clean_environment(), port=port, core=self.core, output=output)


def _outcome(
    name: str, title: str, unit: str, targets: Sequence[Target], ours: _Runs, peer: _Runs
) -> Outcome:
    return Outcome(
        name=name,
        title=title,
        unit=unit,
        targets=targets,
        ours=ours.figures(),
        peers={PEER: peer.figures()},
        notes={"p99 of ours, ms": spread(ours.waits_p99_ms)},
    )


def _keep_off_the_last_core() -> int | None:
    """Leave the last core to the server under test; None where there is one core, or no such choice."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:  # noqa: PLR2004 - one for the server, one for the rest
        return None
    os.sched_setaffinity(0, set(cores[:-1]))
    return cores[-1]


def _clean_environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith(("POSTA_", "OTEL_"))}


def _config_dir() -> Path:
    return Path(__file__).resolve().parents[6] / "deploy" / "config"


@asynccontextmanager
async def intake_bench(folder: Path, size: Size, say: Say) -> AsyncIterator[IntakeBench]:
    """The benchmark, with this process's cores as they were afterwards."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    try:
        yield IntakeBench(folder=folder, size=size, say=say)
    finally:
        if before is not None:
            os.sched_setaffinity(0, before)

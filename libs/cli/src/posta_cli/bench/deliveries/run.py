"""Notifier beside senders without order, ledger, limits or retries: answers to interactions, in turns.

One calls Discord by httpx, the other by ``discord-webhook``, where that is installed.
"""

import asyncio
import importlib.util
import os
import secrets
import sys
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import SecretStr

from posta.domain.envelope import Event, Wire, encode
from posta.domain.payloads import DiscordTarget, ReplyReady
from posta.kafka.producer import Producer
from posta.kafka.topics import apply
from posta.postgres.migrations import migrate
from posta.settings import KafkaSettings
from posta.topics import REPLIES_READY
from posta_cli.bench.deliveries.stub import Stub, stub
from posta_cli.bench.figures import Figures, spread
from posta_cli.bench.intake.served import Served, served
from posta_cli.bench.report import Outcome
from posta_cli.bench.run import Say
from posta_cli.errors import CommandError
from posta_sandbox.embedded.kafka import EmbeddedKafka
from posta_sandbox.embedded.ports import free_port
from posta_sandbox.embedded.postgres import EmbeddedPostgres

_PEERS = {"plain-sender": "httpx", "discord-webhook": "discord-webhook"}
"""By what each of them calls Discord."""
_EPOCH_MS = 1_420_070_400_000
_BATCH = 500
_LIMIT_S = 600.0
_THOUSAND = 1000


Serving = AbstractAsyncContextManager[Served]


@dataclass(slots=True, kw_only=True)
class _Runs:
    rates: list[float] = field(default_factory=list)
    cpu_s_per_1000: list[float] = field(default_factory=list)
    peak_mib: list[float] = field(default_factory=list)
    handled: list[int] = field(default_factory=list)

    def figures(self, wanted: int) -> Figures:
        """All runs together."""
        return Figures(
            value=spread(self.rates),
            cpu_s_per_1000=spread(self.cpu_s_per_1000),
            peak_mib=spread(self.peak_mib),
            handled=tuple(self.handled),
            complete=all(count >= wanted for count in self.handled),
        )


@dataclass(slots=True, kw_only=True)
class DeliveryBench:
    """Where it runs, and how much is sent."""

    folder: Path
    deliveries: int
    rounds: int
    say: Say

    async def measure(self) -> list[Outcome]:
        """The one scenario: answers, each of a conversation of its own."""
        ours, peers = _Runs(), {name: _Runs() for name in _peers()}
        async with (
            EmbeddedKafka(self.folder / "kafka") as kafka,
            EmbeddedPostgres(self.folder / "postgres") as postgres,
            stub() as discord,
        ):
            await migrate(postgres.url)
            for _ in range(self.rounds):
                for name, runs in {"posta": ours, **peers}.items():
                    settings = await self._fed(kafka.bootstrap_servers)
                    server = (
                        self._notifier(settings, postgres.url, discord)
                        if runs is ours
                        else self._plain(settings, discord, by=_PEERS[name])
                    )
                    await self._run(runs, server, discord)
                    cost_ms = runs.cpu_s_per_1000[-1]
                    self.say(f"{name:<16} {runs.rates[-1]:>8,.0f} deliveries/s {cost_ms:>8.2f} ms CPU each")
        return [
            Outcome(
                name="answers",
                title="answers to interactions, each edited in once, all waiting at the start",
                unit="deliveries/s",
                targets=(),
                ours=ours.figures(self.deliveries),
                peers={name: runs.figures(self.deliveries) for name, runs in peers.items()},
                notes={"CPU per delivery of ours, ms": spread(ours.cpu_s_per_1000)},
            )
        ]

    async def _run(self, runs: _Runs, server: Serving, discord: Stub) -> None:
        discord.expect(self.deliveries)
        async with server as running:
            before = running.cpu_s()
            try:
                async with asyncio.timeout(_LIMIT_S):
                    await discord.done.wait()
            except TimeoutError:
                raise CommandError(
                    f"Only {discord.calls} of {self.deliveries} deliveries were made.", "Try fewer."
                ) from None
            runs.rates.append(discord.rate)
            runs.handled.append(discord.calls)
            runs.cpu_s_per_1000.append(_THOUSAND * (running.cpu_s() - before) / discord.calls)
            runs.peak_mib.append(running.peak_mib())

    async def _fed(self, bootstrap: str) -> KafkaSettings:
        """Fresh topics with all deliveries in them."""
        prefix = f"b{secrets.token_hex(4)}."
        settings = KafkaSettings(bootstrap_servers=bootstrap, topic_prefix=prefix)
        await apply(settings)
        async with Producer(settings, client_id="bench") as producer:
            for first in range(0, self.deliveries, _BATCH):
                wires = [_answer(n) for n in range(first, min(self.deliveries, first + _BATCH))]
                await producer.publish(REPLIES_READY.name, wires, timeout_s=60)
        return settings

    def _notifier(self, settings: KafkaSettings, database_url: str, discord: Stub) -> Serving:
        port = free_port()
        env = _clean_environment() | {
            "POSTA_HTTP__PORT": str(port),
            "POSTA_KAFKA__BOOTSTRAP_SERVERS": settings.bootstrap_servers,
            "POSTA_KAFKA__TOPIC_PREFIX": settings.topic_prefix,
            "POSTA_DATABASE__URL": database_url,
            "POSTA_DISCORD__API_URL": f"http://127.0.0.1:{discord.port}/api/v10",
            "POSTA_CONFIG_DIR": str(Path(__file__).resolve().parents[6] / "deploy" / "config"),
            "POSTA_WEBHOOK_OPS": f"http://127.0.0.1:{discord.port}/api/v10/webhooks/1/x",
            "POSTA_LOG__LEVEL": "warning",
        }
        argv = [sys.executable, "-m", "notifier"]
        return served(argv, env, port=port, core=None, output=self.folder / f"notifier-{port}.log")

    def _plain(self, settings: KafkaSettings, discord: Stub, *, by: str) -> Serving:
        port = free_port()
        argv = [sys.executable, "-m", "posta_cli.bench.deliveries.plain_sender", settings.bootstrap_servers]
        argv += [f"{settings.topic_prefix}{REPLIES_READY.name}", f"{settings.topic_prefix}plain"]
        argv += [f"http://127.0.0.1:{discord.port}/api/v10", str(port), by]
        output = self.folder / f"plain-{port}.log"
        return served(argv, _clean_environment(), port=port, core=None, output=output)


def _peers() -> tuple[str, ...]:
    is_there = importlib.util.find_spec("discord_webhook") is not None
    return tuple(name for name in _PEERS if is_there or name != "discord-webhook")


def _answer(number: int) -> Wire:
    now = datetime.now(UTC)
    interaction = str(((int(now.timestamp() * _THOUSAND) - _EPOCH_MS) << 22) + number)
    token = SecretStr(f"token-{secrets.token_hex(8)}-{number}")
    target = DiscordTarget(interaction_id=interaction, application_id="1", token=token)
    event = Event(
        id=f"discord:{secrets.token_hex(8)}/answer",
        source="/bench",
        time=now,
        key=f"discord:g:{number}",
        expires_at=now + timedelta(minutes=14),
        data=ReplyReady(question_id=f"q{number}", kind="answer", target=target, text="Because it scatters."),
    )
    return encode(event)


def _clean_environment() -> dict[str, str]:
    return {name: text for name, text in os.environ.items() if not name.startswith(("POSTA_", "OTEL_"))}

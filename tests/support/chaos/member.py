"""One member of the group as a process of its own: ``python -m support.chaos.member``.

It runs as every service of Posta runs (``posta.service``), so signals, logs and exit codes are the
real ones. Its handler sleeps, fails and dies by seed, and writes each step into the ledger.
"""

import asyncio
import hashlib
import os
import resource
import sys
import threading
from collections.abc import Sequence
from functools import partialmethod
from pathlib import Path
from typing import Any

import support.chaos.skewed_clock  # noqa: F401 - first: it replaces the clock, to which others keep references
from aiokafka import AIOKafkaConsumer
from support.chaos.killpoints import KillPoints
from support.chaos.ledger import Did, Pen
from support.engine_rig import GROUP, number_of, result_of

from posta.domain.backoff import Table
from posta.domain.envelope import Wire
from posta.domain.retry import RetryPolicy
from posta.engine.engine import Engine
from posta.engine.message import Message, Publish
from posta.engine.policy import Bounds, EnginePolicy, Retries
from posta.errors import Transient
from posta.kafka.producer import Producer
from posta.service import run
from posta.settings import Group, ServiceSettings


class Conduct(Group):
    """How this member behaves; from ``POSTA_CHAOS__…``."""

    ledger: Path
    seed: int = 0
    handler_s: float = 0.0
    """The longest a handler takes; how long one does is drawn from the seed and the record."""
    slow_number: int = -1
    """The record whose handler takes ``slow_s``."""
    slow_s: float = 0.0
    fail_share: float = 0.0
    """Share of first attempts that fail."""
    flaky_keys_share: float = 1.0
    """Of which keys any fails."""
    retry_after_s: float = 1.05
    publishes: bool = True
    kill_at: str = ""
    """``<point>:<times>``: the member kills itself when it passes that point for that time."""
    clock_skew_s: float = 0.0
    clock_jump: Path | None = None
    """For ``support.chaos.skewed_clock``."""
    max_poll_interval_ms: int = 0
    """aiokafka's own limit, which the engine leaves at five minutes; 0: leave it."""
    most_files: int = 0
    """Limit of open file descriptors; 0: the machine's."""
    most_memory_mib: int = 0
    """What the process may allocate beyond what it has at its start; 0: no limit."""
    hoard_kib: int = 0
    """A leak: what the handler keeps of each record for ever."""
    concurrency: int = 64
    commit_interval_s: float = 1.0
    drain_s: float = 5.0
    handler_timeout_s: float = 60.0
    records_per_partition: int = 512
    ordered: bool = False


class Settings(ServiceSettings):
    """What a member is told."""

    chaos: Conduct


class Member:
    """The handler: seeded work on the ledger."""

    def __init__(self, conduct: Conduct, points: KillPoints) -> None:
        self._conduct = conduct
        self._points = points
        self._pen = Pen(conduct.ledger)
        self._hoard: list[bytes] = []

    async def handle(self, message: Message[Any]) -> list[Publish]:
        number, origin = number_of(message), message.delivery.origin

        def note(did: Did) -> None:
            self._pen.note(
                did,
                partition=origin.partition,
                offset=origin.offset,
                attempt=message.attempt,
                key=message.event.key,
                number=number,
            )

        note(Did.BEGAN)
        self._points.passed("began")
        if self._conduct.hoard_kib:
            self._hoard.append(b"\x01" * (self._conduct.hoard_kib * 1024))
        try:
            await asyncio.sleep(self._duration_s(number, message.attempt))
        except asyncio.CancelledError:
            note(Did.CUT)
            raise
        if message.attempt == 1 and self._fails(number, message.event.key):
            note(Did.FAILED)
            raise Transient("as the seed says", retry_after_s=self._conduct.retry_after_s)
        note(Did.ENDED)
        self._points.passed("handled")
        return [result_of(message)] if self._conduct.publishes else []

    def _duration_s(self, number: int, attempt: int) -> float:
        if number == self._conduct.slow_number:
            return self._conduct.slow_s
        return self._conduct.handler_s * self._chance("takes", number, attempt)

    def _fails(self, number: int, key: str) -> bool:
        is_flaky = self._chance("is flaky", key, 1) < self._conduct.flaky_keys_share
        return is_flaky and self._chance("fails", number, 1) < self._conduct.fail_share

    def _chance(self, what: str, of: int | str, attempt: int) -> float:
        """A number in [0, 1) that is the same in every member of a run."""
        text = f"{self._conduct.seed} {what} {of} {attempt}".encode()
        return int.from_bytes(hashlib.blake2b(text, digest_size=4).digest(), "big") / 2**32


class PublisherWithKillPoints(Producer):
    """Passes the points before and after Kafka confirmed a publish."""

    points: KillPoints

    async def publish(
        self, topic: str, records: Sequence[Wire], *, timeout_s: float, partition: int | None = None
    ) -> None:
        self.points.passed("publishing")
        await super().publish(topic, records, timeout_s=timeout_s, partition=partition)
        self.points.passed("published")


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Be a member until told to stop."""
    conduct = settings.chaos
    conduct.ledger.with_name(f"up-{os.getpid()}").touch()
    points = KillPoints(conduct.kill_at)
    points.watch_commits()
    async with PublisherWithKillPoints(settings.kafka, client_id="member") as producer:
        producer.points = points
        engine = Engine(
            GROUP,
            Member(conduct, points).handle,
            kafka=settings.kafka,
            producer=producer,
            policy=_policy(conduct),
        )
        await engine.run(stop)


def _policy(conduct: Conduct) -> EnginePolicy:
    return EnginePolicy(
        retry=RetryPolicy(max_attempts=None, backoff=Table(delays_s=(0.1,))),
        retries=Retries.ORDERED if conduct.ordered else Retries.INDEPENDENT,
        concurrency=conduct.concurrency,
        commit_interval_s=conduct.commit_interval_s,
        drain_s=conduct.drain_s,
        handler_timeout_s=conduct.handler_timeout_s,
        bounds=Bounds(records_per_partition=conduct.records_per_partition),
    )


def _limit(conduct: Conduct) -> None:
    if conduct.most_files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (conduct.most_files, conduct.most_files))
    if conduct.most_memory_mib:
        data_pages = int(Path("/proc/self/statm").read_text().split()[5])
        limit = data_pages * resource.getpagesize() + conduct.most_memory_mib * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def _end_with_parent() -> None:
    """No member outlives its test, however that ended: the pipe from it closes."""
    sys.stdin.buffer.read()
    os._exit(1)


async def _limited(settings: Settings, stop: asyncio.Event) -> None:
    if settings.chaos.max_poll_interval_ms:
        # aiokafka has no types
        AIOKafkaConsumer.__init__ = partialmethod(  # type: ignore[method-assign]
            AIOKafkaConsumer.__init__, max_poll_interval_ms=settings.chaos.max_poll_interval_ms
        )
    _limit(settings.chaos)
    await serve(settings, stop)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    run("member", Settings, _limited)

"""Many webhooks, many messages, several notifiers: what of the allowed rate they use, and how fairly."""

import statistics
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
from support.deliveries import published
from support.notifier_rig import World
from support.processes import ServiceProcess, service

from posta.destinations_sealed import Seal, checked_url
from posta.domain.envelope import encode
from posta.postgres.destinations import DestinationRegistry, Registered
from posta.postgres.pool import Database
from posta.settings import DatabaseSettings
from posta.topics import EVENTS_PUBLISHED

KEY_HEX = "7a" * 32
FED_AT_ONCE = 500


@dataclass
class Pace:
    """What the sandbox saw."""

    calls: int
    refused: int
    used: float
    """Share of the allowed rate, from the first call of the steady part to the last."""
    shares: list[float]
    """Each webhook's calls in the steady part, relative to the mean."""

    @property
    def furthest_from_fair(self) -> float:
        return max(abs(share - 1) for share in self.shares)


async def register(world: World, names: list[str]) -> None:
    """Webhooks of the sandbox as registered destinations, their URLs sealed with ``KEY_HEX``."""
    seal = Seal(bytes.fromhex(KEY_HEX))
    database = Database(DatabaseSettings(url=world.database_url), application="test")
    try:
        registry = DestinationRegistry(database)
        for name in names:
            webhook = world.sandbox.world.discord.state.create_webhook(name, channel=name)
            url = f"{world.sandbox.url}/api/v10/webhooks/{webhook.id}/{webhook.token}"
            host = world.sandbox.url.removeprefix("http://")
            checked = checked_url(url, more_hosts=frozenset({host}))
            await registry.add(
                Registered(
                    id=name,
                    kind="webhook",
                    description="a webhook of the test",
                    place_id=checked.webhook_id,
                    sealed_url=seal.close(name, checked.url),
                    channel_id=webhook.place.channel_id,
                    guild_id=webhook.place.guild_id,
                )
            )
    finally:
        await database.close()


async def run_paced(
    world: World,
    *,
    webhooks: int,
    messages: int,
    allowed_per_s: float,
    warm_up_s: float,
    logs: Path,
    processes: int = 2,
    within_s: float = 300,
) -> Pace:
    """Feed everything, start the notifiers, wait until all is sent."""
    names = [f"hook-{n}" for n in range(webhooks)]
    await register(world, names)
    limit = world.sandbox.world.discord.rules.global_limit
    env = {**world.env, "POSTA_DESTINATIONS__KEY": KEY_HEX, "POSTA_DISCORD__GLOBAL_LIMIT": str(limit)}
    with ExitStack() as stack:
        notifiers = [
            stack.enter_context(service("notifier", env, logs / f"notifier-{n}.log"))
            for n in range(processes)
        ]
        await world.until(lambda: len({_assigned(one) for one in notifiers}) == 1)
        for first in range(0, messages, FED_AT_ONCE):
            events = [
                published(n, destination=names[n % webhooks], data={"n": n})
                for n in range(first, min(messages, first + FED_AT_ONCE))
            ]
            wires = [encode(event) for event in events]
            await world.kafka.producer.publish(EVENTS_PUBLISHED.name, wires, timeout_s=60)
        posts = world.sandbox.world.discord.state.posts
        await world.until(lambda: len(posts) >= messages, within_s=within_s)
    return _pace(world, messages=messages, allowed_per_s=allowed_per_s, warm_up_s=warm_up_s)


def _assigned(notifier: ServiceProcess) -> str:
    """How many partitions it has, as its metrics say."""
    text = httpx.get(f"{notifier.url}/metrics", timeout=10).text
    return next(line for line in text.splitlines() if line.startswith("posta_partitions_assigned{"))


def _pace(world: World, *, messages: int, allowed_per_s: float, warm_up_s: float) -> Pace:
    calls = sorted(world.sandbox.calls("POST"), key=lambda call: call.at)
    # Steady: all webhooks have spoken, none has run out of messages.
    begins = max(min(c.at for c in calls if c.hints["webhook"] == w) for w in _webhooks(calls)) + warm_up_s
    ends = min(max(c.at for c in calls if c.hints["webhook"] == w) for w in _webhooks(calls))
    steady = [call for call in calls if begins <= call.at <= ends]
    each = Counter(call.hints["webhook"] for call in steady)
    mean = statistics.mean(each.values())
    return Pace(
        calls=len(calls),
        refused=sum(call.status == 429 for call in calls),
        used=len(steady) / (ends - begins) / allowed_per_s,
        shares=[count / mean for count in each.values()],
    )


def _webhooks(calls):
    return {call.hints["webhook"] for call in calls}

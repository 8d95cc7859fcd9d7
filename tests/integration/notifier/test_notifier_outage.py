"""Kafka and PostgreSQL away while notifier works: what was to be delivered is, and each thing once.

The runs of seconds are part of `make test`; the one of two minutes, at 50 deliveries a second before
and after, of `make chaos`.
"""

import asyncio
import itertools
import signal
from collections import Counter

import pytest
from support.deliveries import published
from support.notifier_rig import notifier_world
from support.sandbox_server import sandbox_server

pytestmark = pytest.mark.integration
_numbers = itertools.count(1)


@pytest.fixture
def sandbox():
    with sandbox_server() as sandbox:
        # What is tried is outages: a webhook's bucket would make them wait for another reason.
        sandbox.world.discord.rules.webhook_limit = 0
        sandbox.strike("discord", {"kind": "latency", "seconds": 0.1})
        yield sandbox


class Work:
    """Answers and events that were fed, and how they must look at Discord in the end."""

    def __init__(self, world):
        self._world = world
        self.asked, self.events = {}, []

    async def feed(self, answers, events):
        """Put so many of each where the other services put them."""
        asked = {}
        for _ in range(answers):
            number = next(_numbers)
            interaction, event = self._world.answer(f"Answer {number}.", number=number)
            asked[f"Answer {number}."] = (interaction, event)
        published_ = [published(next(_numbers)) for _ in range(events)]
        await self._world.feed(*(event for _, event in asked.values()), *published_)
        self.asked |= asked
        self.events += published_

    def __len__(self):
        return len(self.asked) + len(self.events)

    def assert_shown_once(self):
        """Discord carried out one call for each, and none twice."""
        sandbox = self._world.sandbox
        for text, (interaction, _) in self.asked.items():
            assert [edit["content"] for edit in interaction.edits] == [text]
        posts = Counter(sandbox.posts())
        assert posts == Counter(f"Backup {event.data.data['n']} failed." for event in self.events)


@pytest.mark.parametrize(
    ("away", "away_s", "answers", "events"),
    [
        pytest.param({"kafka"}, 8, 60, 20, id="kafka"),
        pytest.param({"postgres"}, 8, 60, 20, id="postgresql"),
        pytest.param({"kafka", "postgres"}, 8, 60, 20, id="both"),
        pytest.param(
            {"kafka", "postgres"}, 120, 2000, 500, id="both for two minutes", marks=pytest.mark.chaos
        ),
    ],
)
async def test_nothing_is_lost_or_shown_twice_while_servers_are_killed_amid_deliveries(
    own_kafka, own_postgres, sandbox, tmp_path, away, away_s, answers, events
):
    servers = {"kafka": own_kafka(), "postgres": own_postgres()}
    await asyncio.gather(*(server.start() for server in servers.values()))
    kafka, postgres = servers["kafka"], servers["postgres"]
    async with notifier_world(kafka.bootstrap_servers, "", postgres.url, sandbox, tmp_path) as world:
        work = Work(world)
        with world.notifier({"POSTA_DISCORD__CONCURRENCY": "4"}) as notifier:
            await work.feed(answers, events)
            await world.until(lambda: len(sandbox.calls()) >= (answers + events) // 4)
            for name in sorted(away):
                servers[name].signal(signal.SIGKILL if name == "kafka" else signal.SIGQUIT)
            await asyncio.sleep(away_s)
            # Without Kafka what is in hand goes on; without the ledger nothing does.
            if "postgres" in away:
                assert len(sandbox.calls()) < len(work)
            for name in sorted(away):
                await servers[name].stop()
            await asyncio.gather(*(servers[name].start() for name in sorted(away)))
            await work.feed(answers, events)
            await world.all_sent(len(work), within_s=60 + away_s + len(work) / 20)
            work.assert_shown_once()
            assert len(sandbox.calls("PATCH")) + len(sandbox.calls("POST")) == len(work)
            assert notifier.terminate() == 0

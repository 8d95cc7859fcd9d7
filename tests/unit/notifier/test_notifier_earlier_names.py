"""What users of earlier systems rely on: true values under the names they know, and their delays."""

from types import MethodType

import pytest
from prometheus_client import REGISTRY, Gauge
from support.deliveries import discord_reply
from support.notifier_hands import World

from notifier.pace import DEFAULT_RETRIES, retry_policy, webhook_retry_s
from notifier.settings import Settings
from posta.domain.retry import Wait, decide
from posta.earlier_names import adopt
from posta.errors import Transient
from posta.settings import load
from posta.telemetry import names


def value(name):
    return REGISTRY.get_sample_value(name)


async def test_workers_retries_and_times_are_what_the_names_of_earlier_systems_say(monkeypatch):
    world, retries = World(), value("discord_retry_count")
    seen, answer = [], world._answer

    def slow(request):
        seen.append(value("discord_active_workers"))
        return answer(request)

    monkeypatch.setattr(world, "_answer", slow)
    # A process that has been ingress, as one that runs all tests has, would go on saying ingress's number.
    own = MethodType(Gauge._child_samples, names.LEGACY_WORKERS)
    monkeypatch.setattr(names.LEGACY_WORKERS, "_child_samples", own)
    world.restarted()
    await world.handle(discord_reply(1))
    assert value("discord_retry_count") == retries, "a first attempt is no retry"
    await world.handle(discord_reply(2), attempt=2)
    assert value("discord_retry_count") == retries + 1
    assert set(seen) == {1.0}
    assert value("discord_active_workers") == 0
    assert value("discord_response_time_ms") > 0


@pytest.mark.parametrize("attempt_wait", [(1, 1.0), (2, 2.0), (3, 5.0), (4, 10.0)])
def test_the_first_delays_of_every_delivery_are_1_2_5_and_10_seconds(attempt_wait):
    attempt, wait_s = attempt_wait
    decision = decide(
        retry_policy(DEFAULT_RETRIES), Transient("503"), attempt=attempt, now=100.0, deadline=None, jitter=0.7
    )
    assert isinstance(decision, Wait)
    assert decision.not_before == 100.0 + wait_s
    assert webhook_retry_s(attempt) == wait_s


def test_the_variables_of_earlier_systems_set_workers_time_and_retries():
    environ = {"DISCORD_MAX_WORKERS": "9", "DISCORD_REQUEST_TIMEOUT": "4", "DISCORD_MAX_RETRIES": "3"}
    adopt(environ)
    discord = load(Settings, environ).discord
    assert (discord.concurrency, discord.timeout_s, discord.max_retries) == (9, 4.0, 3)

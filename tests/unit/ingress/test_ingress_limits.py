"""How often people may ask: the windows, the quotas, service hours, and who is turned away how."""

import asyncio
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from support.discord_caller import ask
from support.ingress_rig import CONFIG

from ingress.commands.rules import load_commands
from ingress.interactions.decision import KeepThenAnswer, Rulebook, decide
from ingress.interactions.interaction import parse_interaction
from ingress.limits.governor import Governor
from ingress.limits.hours import ServiceHours, load_hours
from ingress.limits.memory import MemoryWindows
from ingress.limits.quotas import LimitPolicy
from ingress.limits.window import Quota, take
from posta.errors import ConfigurationError, Unavailable

RULES = Rulebook(commands=load_commands(CONFIG / "commands.yaml"))


def quota(key="k", limit=2, window_s=10.0, reason="too_often"):
    return Quota(key=key, limit=limit, window_s=window_s, reason=reason)


def message(question="Why?", **fields):
    decision = decide(parse_interaction(ask(question, **fields)), RULES)
    assert isinstance(decision, KeepThenAnswer)
    return decision


# --- windows -------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(1, 5), st.floats(0.5, 20))
def test_no_window_ever_holds_more_than_its_limit(times, limit, window_s):
    hits = {}
    request = (quota(limit=limit, window_s=window_s),)
    passed = [now for now in sorted(times) if take(request, hits, now) is None]
    for start in passed:
        assert sum(start <= at < start + window_s for at in passed) <= limit


def test_a_request_counts_everywhere_or_nowhere():
    hits = {"b": (0.0,)}
    assert take((quota("a"), quota("b", limit=1)), hits, 1.0) == quota("b", limit=1)
    assert "a" not in hits
    assert take((quota("a"), quota("b", limit=1)), hits, 10.5) is None
    assert hits == {"a": (10.5,), "b": (10.5,)}


def test_memory_forgets_what_was_idle_longest():
    windows = MemoryWindows(keys_most=2)
    for key in "abc":
        windows.take([(quota(key, limit=1),)], now=0.0)
    assert windows.take([(quota("a", limit=1),)], now=1.0) == [None]
    assert windows.active(now=1.0) == 2
    assert windows.active(now=99.0) == 0


# --- which quotas --------------------------------------------------------------------------------


def test_a_message_must_fit_its_conversation_its_person_and_its_server():
    policy = LimitPolicy(per_conversation=1, per_user=2, per_guild=3, dedupe_window_ms=0)
    found = {q.key.partition(":")[0]: q.limit for q in policy.request(message())}
    assert found == {"conversation": 1, "user": 2, "guild": 3}


def test_every_limit_can_be_switched_off():
    policy = LimitPolicy(per_conversation=0, per_user=0, per_guild=0, dedupe_window_ms=0)
    assert policy.request(message()) == ()


def test_the_same_text_counts_as_a_repetition_whatever_its_case_and_another_does_not():
    policy = LimitPolicy(per_conversation=0, per_user=0, per_guild=0)
    keys = [policy.request(message(text))[0].key for text in ("Why?", "why?", "How?")]
    assert keys[0] == keys[1] != keys[2]
    assert "why" not in keys[0], "no text in a key"


# --- the governor --------------------------------------------------------------------------------


class Shared:
    """Shared windows in memory that can go away, or not answer."""

    def __init__(self):
        self.windows = MemoryWindows()
        self.away = self.silent = False
        self.batches = []

    async def take(self, requests):
        if self.silent:
            await asyncio.sleep(60)
        if self.away:
            raise Unavailable("postgres", "away")
        self.batches.append(len(requests))
        await asyncio.sleep(0)
        return self.windows.take(requests, now=0.0)

    async def active(self):
        if self.away:
            raise Unavailable("postgres", "away")
        return self.windows.active(now=0.0)


async def test_requests_that_come_together_share_a_question():
    shared = Shared()
    governor = Governor(shared)
    verdicts = await asyncio.gather(*(governor.admit((quota(limit=5),)) for _ in range(20)))
    assert verdicts.count(None) == 5
    assert sum(shared.batches) == 20
    assert len(shared.batches) <= 2


@pytest.mark.parametrize("fault", ["away", "silent"])
async def test_without_the_database_each_process_counts_alone_and_keeps_what_it_knew(fault):
    shared, now = Shared(), [0.0]
    governor = Governor(shared, budget_s=0.02, retry_s=2.0, clock=lambda: 0.0, monotonic=lambda: now[0])
    assert await governor.admit((quota(),)) is None
    setattr(shared, fault, True)
    assert await governor.admit((quota(),)) is None
    assert await governor.admit((quota(),)) == quota(), "the one before the outage counts, too"
    assert governor.memory_fallback
    assert await governor.active_keys() == 1
    setattr(shared, fault, False)
    now[0] = 3.0
    assert await governor.admit((quota("new"),)) is None
    assert not governor.memory_fallback


async def test_an_outage_costs_one_budget_and_not_one_each():
    shared = Shared()
    shared.silent = True
    governor = Governor(shared, budget_s=0.02, retry_s=60.0)
    async with asyncio.timeout(5):
        for number in range(200):
            assert await governor.admit((quota(str(number)),)) is None


async def test_a_close_lets_nobody_wait_for_ever():
    shared = Shared()
    shared.silent = True
    governor = Governor(shared, budget_s=60.0)
    asked = asyncio.create_task(governor.admit((quota("asked"),)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    behind = asyncio.create_task(governor.admit((quota("behind"),)))
    await asyncio.sleep(0)
    await governor.close()
    async with asyncio.timeout(5):
        assert (await asked, await behind) == (None, None)


# --- service hours -------------------------------------------------------------------------------

HOURS = yaml.safe_load((CONFIG / "service_hours.yaml").read_text())


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-23T07:00", True),  # a Monday, 8 o'clock in Madrid
        ("2026-11-23T06:59", False),
        ("2026-11-23T18:59", True),
        ("2026-11-23T19:00", False),
        ("2026-11-22T12:00", False),  # a Sunday
        ("2026-06-01T06:00", True),  # in summer Madrid is two hours ahead
        ("2026-12-25T12:00", False),  # closed, though a Friday
    ],
)
def test_hours_are_those_of_their_time_zone(moment, is_open):
    hours = ServiceHours.model_validate({**HOURS, "enabled": True})
    assert hours.is_open(datetime.fromisoformat(moment).replace(tzinfo=UTC)) is is_open


def test_without_hours_it_is_always_open():
    assert ServiceHours.model_validate(HOURS).is_open(datetime(2026, 12, 25, tzinfo=UTC))


def test_without_a_file_of_hours_it_is_always_open(tmp_path):
    assert load_hours(tmp_path / "service_hours.yaml").is_open(datetime(2026, 12, 25, tzinfo=UTC))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timezone": "Mars/Base"}, "is no time zone"),
        ({"open": {"monday": [{"start": "20:00", "end": "08:00"}]}}, "start must be before end"),
        ({"open": {"lunes": []}}, "open/lunes"),
        ({"open": {"monday": [{"start": "8", "end": "9"}]}}, "pattern"),
    ],
)
def test_wrong_hours_are_named_with_file_path_and_reason(tmp_path, change, reason):
    file = tmp_path / "service_hours.yaml"
    file.write_text(yaml.safe_dump({**HOURS, **change}))
    with pytest.raises(ConfigurationError, match=reason):
        load_hours(file)

"""A flood of dead letters pauses the group; a canary, or an operator, lets it go on. Nothing is lost."""

import asyncio
import time

import pytest
from support.engine_rig import GROUP, event, eventually, number_of, result_of, rig, running

from posta.domain.backoff import Table
from posta.domain.flood import FloodPolicy
from posta.domain.retry import RetryPolicy
from posta.engine.policy import EnginePolicy
from posta.errors import Permanent, Transient
from posta.telemetry import names

pytestmark = pytest.mark.integration
POISONED = 500


def policy(flood: FloodPolicy | None, **options) -> EnginePolicy:
    return EnginePolicy(flood=flood, **options)


def intake_paused(why: str) -> float:
    return names.INTAKE_PAUSED.labels(GROUP.name, why)._value.get()


async def poisoned(world, *, keys: int = 50) -> None:
    await asyncio.gather(*(world.feed(event(n, key=f"k{n % keys}")) for n in range(POISONED)))


async def test_a_poisoned_topic_is_not_emptied_into_the_dlq_and_all_is_handled_once_mended(
    kafka, topic_prefix
):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        mended, calls, apologies = False, [], []

        async def handler(message):
            calls.append((number_of(message), message.attempt))
            if not mended:
                raise Permanent("the template is broken")
            return [result_of(message)]

        async def apologise(message, _given_up):
            apologies.append(number_of(message))
            return []

        await poisoned(world)
        flood = FloodPolicy(in_a_row=20, cool_down_s=1, longest_cool_down_s=1)
        engine = world.engine(handler, policy=policy(flood, concurrency=64), on_given_up=apologise)
        async with running(engine):
            await eventually(lambda: "flood" in (engine._dispatcher.holds))
            await eventually(lambda: not engine.status().in_flight)
            tried = len(calls)
            assert tried <= 64 + 20
            assert intake_paused("flood") == 1
            assert "flood" in (await engine.ready_fault() or "")
            assert await engine.live_fault() is None
            await asyncio.sleep(3)
            assert tried <= len(calls) <= tried + 4, "canaries alone, one a second"
            assert len(apologies) == 19
            mended = True
            results = await world.read("results", count=POISONED - 19, timeout_s=30)
            assert engine.status().flood.state == "closed"
            assert intake_paused("flood") == 0
        dead = await world.read("workers.dlq", count=20, timeout_s=3)
        assert len(dead) == 19, "the one that would have been the twentieth was kept"
        assert {attempt for _, attempt in calls} == {1}, "no attempt was used by a pause"
        given_up = {int(record.value.split(b'"n":')[1].split(b"}")[0]) for record in dead}
        done = {int(record.value.split(b'"n":')[1].split(b"}")[0]) for record in results}
        assert given_up == set(apologies)
        assert given_up | done == set(range(POISONED))
        assert not given_up & done
        assert await world.committed() == POISONED


async def test_attempts_used_up_trip_it_too_and_the_kept_record_keeps_its_last_attempt(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        mended, attempts = False, {}

        async def handler(message):
            attempts.setdefault(number_of(message), []).append(message.attempt)
            if not mended:
                raise Transient("the provider said 500")
            return [result_of(message)]

        retry = RetryPolicy(max_attempts=2, backoff=Table(delays_s=(0.1,)))
        flood = FloodPolicy(in_a_row=1, cool_down_s=0.3, longest_cool_down_s=0.3)
        await world.feed(event(1))
        async with running(world.engine(handler, policy=policy(flood, retry=retry))):
            await eventually(lambda: len(attempts.get(1, [])) >= 4)
            mended = True
            assert len(await world.read("results", count=1)) == 1
        assert attempts[1][0] == 1
        assert set(attempts[1][1:]) == {2}
        assert await world.read("workers.dlq", count=1, timeout_s=1) == []


async def test_a_provider_that_is_down_costs_the_fresh_records_no_attempts(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        mended, calls = False, []

        async def handler(message):
            calls.append((number_of(message), message.attempt))
            if not mended:
                raise Transient("the provider said 500")
            return [result_of(message)]

        retry = RetryPolicy(max_attempts=2, backoff=Table(delays_s=(0.05,)))
        flood = FloodPolicy(in_a_row=5, cool_down_s=0.5, longest_cool_down_s=0.5)
        await asyncio.gather(*(world.feed(event(n, key=f"k{n}")) for n in range(200)))
        engine = world.engine(handler, policy=policy(flood, retry=retry, concurrency=8))
        async with running(engine):
            await eventually(lambda: engine.status().flood.state == "open")
            await eventually(lambda: not engine.status().in_flight)
            tried = len(calls)
            await asyncio.sleep(3)
            assert len(calls) - tried <= 7, "canaries, kept and fresh in turns"
            assert engine.status().flood.trips > 1
            mended = True
            assert len(await world.read("results", count=196, timeout_s=30)) == 196
        assert len(await world.read("workers.dlq", count=5, timeout_s=2)) == 4


async def test_a_share_of_failures_trips_it_although_others_succeed(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:

        async def handler(message):
            if number_of(message) % 3:
                raise Permanent("two in three")

        flood = FloodPolicy(in_a_row=None, share=0.5, at_least=30)
        await asyncio.gather(*(world.feed(event(n, key=f"k{n}")) for n in range(300)))
        engine = world.engine(handler, policy=policy(flood, concurrency=1))
        async with running(engine):
            await eventually(lambda: engine.status().flood.state == "open")
            status = engine.status().flood
            assert status.trips == 1
            assert 30 <= status.ended < 50, "at the first death once enough have ended"
            assert status.ended <= 2 * status.died <= 2 * status.ended
            assert 0 < status.canary_in_s <= 30
        assert len(await world.read("workers.dlq", count=status.died, timeout_s=2)) == status.died - 1


async def test_an_operator_resumes_before_the_canary_would(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        mended = False

        async def handler(message):
            if not mended:
                raise Permanent("wrong key")
            return [result_of(message)]

        await asyncio.gather(*(world.feed(event(n, key=f"k{n}")) for n in range(10)))
        engine = world.engine(handler, policy=policy(FloodPolicy(in_a_row=1, cool_down_s=600)))
        async with running(engine):
            await eventually(lambda: "flood" in engine._dispatcher.holds)
            mended = True
            assert engine.resume() == ("flood",)
            assert len(await world.read("results", count=10)) == 10
        assert await world.read("workers.dlq", count=1, timeout_s=1) == []


async def test_without_a_policy_every_dead_letter_is_sent(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:

        async def handler(_message):
            raise Permanent("no")

        await asyncio.gather(*(world.feed(event(n, key=f"k{n}")) for n in range(60)))
        engine = world.engine(handler, policy=policy(None))
        async with running(engine):
            assert len(await world.read("workers.dlq", count=60)) == 60
            assert engine.status().flood.state == "off"
        assert await world.committed() == 60


async def test_a_pause_longer_than_the_session_evicts_nobody_and_uses_no_attempt(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        handled = []

        async def handler(message):
            handled.append((number_of(message), message.attempt))

        engine = world.engine(handler)
        async with running(engine):
            await eventually(lambda: engine.status().joined)
            rebalances = names.REBALANCES.labels(GROUP.name)._value.get()
            engine.pause("changing the templates")
            await asyncio.gather(*(world.feed(event(n, key=f"k{n}")) for n in range(50)))
            await asyncio.sleep(world.settings.session_timeout_s + 2)
            assert handled == []
            assert intake_paused("operator") == 1
            assert names.REBALANCES.labels(GROUP.name)._value.get() == rebalances
            status = engine.status()
            assert (status.joined, status.held, status.in_flight) == (True, 50, 0)
            assert await engine.live_fault() is None
            assert "changing the templates" in (await engine.ready_fault() or "")
            assert engine.resume("changing the templates") == ("operator: changing the templates",)
            await eventually(lambda: len(handled) == 50)
            assert intake_paused("operator") == 0
        assert {attempt for _, attempt in handled} == {1}
        assert await world.committed() == 50


async def test_a_flood_that_outlasts_a_restart_loses_nothing(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        mended, done = False, []

        async def handler(message):
            if not mended:
                raise Permanent("no")
            done.append(number_of(message))

        await asyncio.gather(*(world.feed(event(n, key=f"k{n}")) for n in range(40)))
        flood = policy(FloodPolicy(in_a_row=5, cool_down_s=600))
        engine = world.engine(handler, policy=flood)
        async with running(engine) as stop:
            await eventually(lambda: "flood" in engine._dispatcher.holds)
            await eventually(lambda: not engine.status().in_flight)
            stop.set()
            before = time.monotonic()
        assert time.monotonic() - before < 5, "what is kept does not hold the drain up"
        mended = True
        async with running(world.engine(handler, policy=flood)):
            await eventually(lambda: len(done) == 36)
        dead = await world.read("workers.dlq", count=5, timeout_s=2)
        assert len(dead) == 4
        assert await world.committed() == 40


async def test_the_numbers_of_the_status_are_true(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        let_go = asyncio.Event()

        async def handler(message):
            number = number_of(message)
            if number == 0:
                await let_go.wait()
            if number == 1 and message.attempt == 1:
                raise Transient("later", retry_after_s=3.5)

        retry = RetryPolicy(backoff=Table(delays_s=(0.1,)))
        engine = world.engine(handler, policy=EnginePolicy(concurrency=4, retry=retry))
        for number in range(10):
            await world.feed(event(number, key="slow" if number in {0, 9} else f"k{number}"))
        async with running(engine):
            await eventually(lambda: engine.status().lanes_waiting == {"workers.retry.3s": 1})
            status = engine.status()
            assert status.group == "workers"
            assert status.joined
            assert set(status.assigned) == {"work/0", "workers.retry.1s/0", "workers.retry.3s/0"}
            assert (status.in_flight, status.held) == (1, 3), "number 0 runs; 9 is behind it, 1 rides"
            assert status.watermark_gap == 10
            assert 0 < status.oldest_pending_s < 15
            assert status.holds == ()
            assert (status.flood.state, status.flood.ended, status.flood.died) == ("closed", 7, 0)
            engine.pause("a")
            engine.pause("b")
            engine.resume("a")
            (hold,) = engine.status().holds
            assert hold.why == "operator: b"
            assert abs(hold.since.timestamp() - time.time()) < 5
            assert intake_paused("operator") == 1, "one pause is left"
            engine.resume()
            let_go.set()
            await eventually(lambda: engine.status().held == 0)
            status = engine.status()
            assert (status.watermark_gap, status.oldest_pending_s, status.lanes_waiting) == (0, 0, {})

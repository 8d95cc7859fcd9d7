"""The engine on real Kafka: order, retries, dead letters, gates, drain."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from support.engine_rig import event, eventually, number_of, result_of, rig, running

from posta.domain.backoff import Table
from posta.domain.envelope import Wire, encode, header
from posta.domain.retry import RetryPolicy
from posta.engine.gate import Gate
from posta.engine.message import as_raw
from posta.engine.policy import Bounds, EnginePolicy
from posta.errors import NotNow, Transient, Unavailable

pytestmark = pytest.mark.integration


async def test_keys_run_side_by_side_and_each_key_in_order(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        seen: dict[str, list[int]] = {}
        at_once = most = 0

        async def handler(message):
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.02)
            at_once -= 1
            seen.setdefault(message.event.key, []).append(number_of(message))
            return [result_of(message)]

        for number in range(60):
            await world.feed(event(number, key=f"k{number % 6}"))
        async with running(world.engine(handler)):
            results = await world.read("results", count=60)
        assert len(results) == 60
        assert most == 6, "one handling per key at a time, all keys at once"
        assert all(numbers == sorted(numbers) for numbers in seen.values())
        assert sum(map(len, seen.values())) == 60
        assert await world.committed() == 60


async def test_a_transient_failure_rides_the_lane_and_comes_back_not_early(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        attempts: list[tuple[int, float]] = []

        async def handler(message):
            attempts.append((message.attempt, time.time()))
            if message.attempt < 3:
                raise Transient("not yet", retry_after_s=1.5 if message.attempt == 1 else 0.3)
            return [result_of(message)]

        policy = EnginePolicy(retry=RetryPolicy(max_attempts=5, backoff=Table(delays_s=(0.1,))))
        await world.feed(event(1))
        async with running(world.engine(handler, policy=policy)):
            await world.read("results", count=1)
        assert [attempt for attempt, _ in attempts] == [1, 2, 3]
        first, second, third = (at for _, at in attempts)
        assert 1.5 <= second - first < 4, "a 1 s lane, the rest in memory"
        assert 0.3 <= third - second < 2
        (ridden,) = await world.read("workers.retry.1s", count=1)
        assert header(ridden.headers, "posta-attempt") == "2"
        assert header(ridden.headers, "posta-original-topic") == "work"
        assert ridden.value == encode(event(1)).value


async def test_a_short_wait_outlasts_a_restart_never_early_and_with_its_attempt(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        attempts: list[tuple[int, float]] = []
        failed = asyncio.Event()

        async def handler(message):
            attempts.append((message.attempt, time.time()))
            if message.attempt == 1:
                failed.set()
                raise Transient("not yet", retry_after_s=0.8)
            return [result_of(message)]

        policy = EnginePolicy(retry=RetryPolicy(max_attempts=5))
        await world.feed(event(1))
        async with running(world.engine(handler, policy=policy)):
            await asyncio.wait_for(failed.wait(), 30)
        async with running(world.engine(handler, policy=policy)):
            await world.read("results", count=1)
        (_, first), (attempt, second) = attempts
        assert attempt == 2
        assert second - first >= 0.8


async def test_exhausted_attempts_end_in_the_dlq_with_bytes_headers_and_an_apology(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:

        async def handler(_message):
            raise Transient("the provider said 500")

        async def apologise(message, given_up):
            assert given_up.error_class.value == "transient"
            return [result_of(message)]

        policy = EnginePolicy(retry=RetryPolicy(max_attempts=2, backoff=Table(delays_s=(0.1,))))
        await world.feed(event(7))
        async with running(world.engine(handler, policy=policy, on_given_up=apologise)):
            (dead,) = await world.read("workers.dlq", count=1)
        original = encode(event(7))
        assert dead.value == original.value
        assert dead.key == original.key
        headers = {name: value.decode() for name, value in dead.headers}
        assert headers["ce_id"] == "event:7"
        assert headers["posta-original-topic"] == "work"
        assert headers["posta-attempt"] == "2"
        assert headers["posta-error-class"] == "transient"
        assert headers["posta-exception-message"] == "the provider said 500"
        assert int(headers["posta-last-failure"]) >= int(headers["posta-first-failure"])
        assert len(headers["posta-fingerprint"]) == 16
        assert len(await world.read("results", count=1)) == 1, "the apology"


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(Wire(key=b"k", value=b"{not json", headers=encode(event(1)).headers), id="not JSON"),
        pytest.param(Wire(key=b"k", value=None, headers=()), id="nothing at all"),
        pytest.param(Wire(key=b"k", value=b"\xff\xfe" * 9, headers=(("ce_id", b"\xff"),)), id="no headers"),
        pytest.param(
            Wire(
                key=b"k",
                value=b"{}",
                headers=tuple(
                    (n, b"posta.unknown.v9" if n == "ce_type" else v) for n, v in encode(event(1)).headers
                ),
            ),
            id="unknown type",
        ),
        pytest.param(Wire(key=b"k", value=b"x" * 900_000, headers=encode(event(1)).headers), id="900 kB"),
    ],
)
async def test_a_bad_record_is_a_dead_letter_at_once_and_its_neighbours_are_fine(kafka, topic_prefix, wire):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:

        async def handler(message):
            return [result_of(message)]

        await world.feed(event(1))
        await world.send(wire)
        await world.feed(event(2))
        async with running(world.engine(handler)):
            (dead,) = await world.read("workers.dlq", count=1)
            assert len(await world.read("results", count=2)) == 2
        assert (dead.key, dead.value) == (wire.key, wire.value)
        assert header(dead.headers, "posta-error-class") == "permanent"
        assert header(dead.headers, "posta-attempt") == "1"


async def test_a_record_past_its_deadline_or_due_only_after_it_is_expired_at_once(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        handled = []

        async def handler(message):
            handled.append(number_of(message))
            raise Transient("later", retry_after_s=60)

        now = datetime.now(UTC)
        await world.feed(event(1, expires_at=now - timedelta(seconds=1)))
        await world.feed(event(2, expires_at=now + timedelta(seconds=30)))
        async with running(world.engine(handler)):
            dead = await world.read("workers.dlq", count=2)
        assert handled == [2]
        assert [header(d.headers, "posta-error-class") for d in dead] == ["expired", "expired"]


async def test_missing_capacity_waits_without_using_an_attempt(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        attempts = []

        async def handler(message):
            attempts.append(message.attempt)
            if len(attempts) < 4:
                raise NotNow("no tokens left", wait_s=0.2)
            return [result_of(message)]

        policy = EnginePolicy(retry=RetryPolicy(max_attempts=1))
        await world.feed(event(1))
        async with running(world.engine(handler, policy=policy)):
            await world.read("results", count=1)
        assert attempts == [1, 1, 1, 1]


async def test_an_absent_dependency_pauses_intake_and_it_resumes_by_itself(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        away = True
        calls: list[tuple[int, int]] = []

        async def probe():
            if away:
                raise Unavailable("postgres", "still away")

        async def handler(message):
            calls.append((number_of(message), message.attempt))
            if away:
                raise Unavailable("postgres", "gone")
            return [result_of(message)]

        policy = EnginePolicy(concurrency=1, retry=RetryPolicy(max_attempts=1))
        engine = world.engine(handler, policy=policy, gates=(Gate(name="postgres", probe=probe),))
        for number in range(10):
            await world.feed(event(number, key=f"k{number}"))
        async with running(engine):
            await eventually(lambda: len(calls) == 1)
            await asyncio.sleep(1)
            assert len(calls) == 1, "nothing is tried while the gate is closed"
            assert "postgres" in (await engine.ready_fault() or "")
            assert await engine.live_fault() is None
            away = False
            assert len(await world.read("results", count=10)) == 10
            assert await engine.ready_fault() is None
        assert {attempt for _, attempt in calls} == {1}


async def test_a_slow_handler_pauses_its_partition_and_memory_stays_bounded(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=1) as world:
        gate = asyncio.Event()
        done = []

        async def handler(message):
            await gate.wait()
            done.append(number_of(message))

        policy = EnginePolicy(bounds=Bounds(records_per_partition=20), concurrency=4)
        engine = world.engine(handler, policy=policy)
        for number in range(1200):
            await world.feed(event(number, key=f"k{number}"))
        async with running(engine):
            await asyncio.sleep(2)
            held = sum(p.held for p in engine._intake._partitions.values())
            assert 20 <= held <= 20 + 500, "at most one poll beyond the bound"
            assert all(p.paused for p in engine._intake._partitions.values())
            gate.set()
            await eventually(lambda: len(done) == 1200, within_s=30)


async def test_stop_drains_what_runs_commits_it_and_leaves_the_rest(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        started, finished = [], []

        async def handler(message):
            started.append(number_of(message))
            await asyncio.sleep(0.5)
            finished.append(number_of(message))

        for number in range(20):
            await world.feed(event(number, key="one key" if number < 10 else f"k{number}"))
        async with running(world.engine(handler)) as stop:
            await eventually(lambda: len(started) >= 5)
            stop.set()
            before = time.monotonic()
        assert time.monotonic() - before < 5
        assert sorted(started) == sorted(finished), "what had begun was finished"
        first_run = set(finished)
        async with running(world.engine(handler)):
            await eventually(lambda: set(finished) == set(range(20)), within_s=20)
        again = [n for n in finished if finished.count(n) > 1]
        assert set(again) <= first_run, "only what lay above the watermark is done twice"


async def test_a_handler_that_will_not_end_is_cut_at_the_drain_limit_and_done_again(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        started = []

        async def handler(message):
            started.append(number_of(message))
            await asyncio.sleep(60 if len(started) == 1 else 0)
            return [result_of(message)]

        policy = EnginePolicy(drain_s=0.5)
        await world.feed(event(1))
        async with running(world.engine(handler, policy=policy)) as stop:
            await eventually(lambda: bool(started))
            stop.set()
        assert await world.committed() == 0
        async with running(world.engine(handler, policy=policy)):
            assert len(await world.read("results", count=1)) == 1
        assert started == [1, 1]


async def test_a_handler_over_its_time_is_cancelled_and_retried(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        attempts = []

        async def handler(message):
            attempts.append(message.attempt)
            if message.attempt == 1:
                await asyncio.sleep(30)
            return [result_of(message)]

        retry = RetryPolicy(backoff=Table(delays_s=(0.1,)))
        await world.feed(event(1))
        async with running(world.engine(handler, policy=EnginePolicy(handler_timeout_s=0.3, retry=retry))):
            await world.read("results", count=1)
        assert attempts == [1, 2]


async def test_two_members_share_the_work_and_a_rebalance_doubles_nothing(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=4) as world:
        done: list[int] = []

        async def handler(message):
            await asyncio.sleep(0.01)
            done.append(number_of(message))

        async def feed():
            for number in range(400):
                await world.feed(event(number, key=f"k{number % 40}"))
                await asyncio.sleep(0.005)

        feeding = asyncio.create_task(feed())
        async with running(world.engine(handler)):
            await eventually(lambda: len(done) > 50)
            async with running(world.engine(handler)):
                await eventually(lambda: len(done) > 200)
            await feeding
            await eventually(lambda: len(set(done)) == 400, within_s=30)
        assert len(done) == 400, "drained before the partitions changed hands"


async def test_a_handler_may_ask_for_raw_records(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        seen = []

        async def handler(record):
            seen.append((record.topic, record.key, record.value))

        await world.send(Wire(key=b"\xff", value=b"anything", headers=()))
        async with running(world.engine(handler, interpret=as_raw)):
            await eventually(lambda: bool(seen))
        assert seen == [("work", b"\xff", b"anything")]


async def test_a_wait_of_exactly_a_lanes_delay_rides_that_lane_once(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        handled = []

        async def handler(message):
            handled.append(time.time())
            if message.attempt == 1:
                raise Transient("later", retry_after_s=3)
            return [result_of(message)]

        await world.feed(event(1))
        async with running(world.engine(handler)):
            await world.read("results", count=1)
            assert len(await world.read("workers.retry.3s", count=1)) == 1
            assert await world.read("workers.retry.1s", count=1, timeout_s=1) == []
        assert 3.0 <= handled[1] - handled[0] < 4


async def test_failure_headers_on_a_source_are_somebody_elses_words(kafka, topic_prefix):
    async with rig(kafka.bootstrap_servers, topic_prefix) as world:
        seen = []

        async def handler(message):
            seen.append((message.attempt, message.delivery.origin.topic))

        wire = encode(
            event(1), {"posta-not-before": "9" * 13, "posta-attempt": "9", "posta-original-topic": "x"}
        )
        await world.send(wire)
        async with running(world.engine(handler)):
            await eventually(lambda: bool(seen))
        assert seen == [(1, "work")]

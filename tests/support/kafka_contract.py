"""What the simulation's Kafka and the real one both do: the habits that the engine has to live with."""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from aiokafka.structs import OffsetAndMetadata

from posta.engine.assignor import Assignor, Process
from posta.engine.fencing import FencedInstanceId
from posta.engine.holder import holder_of

_PATIENCE_S = 30.0


class Kafka(Protocol):
    """The clients of one broker, and names that no other test uses."""

    prefix: str

    def consumer(self, *topics: str, **options: Any) -> AIOKafkaConsumer: ...
    def producer(self) -> AIOKafkaProducer: ...
    def admin(self) -> AIOKafkaAdminClient: ...
    async def create(self, topic: str, partitions: int) -> None: ...
    async def grow(self, topic: str, partitions: int) -> None: ...


class Told(ConsumerRebalanceListener):
    """Remembers what it was told, and does what it is given when partitions are revoked."""

    def __init__(self, on_revoked: Callable[[], Any] | None = None) -> None:
        self.told: list[tuple[str, frozenset[TopicPartition]]] = []
        self._on_revoked = on_revoked

    async def on_partitions_revoked(self, revoked):
        self.told.append(("revoked", frozenset(revoked)))
        if self._on_revoked is not None:
            await self._on_revoked()

    async def on_partitions_assigned(self, assigned):
        self.told.append(("assigned", frozenset(assigned)))

    @property
    def rounds(self) -> int:
        return sum(what == "assigned" for what, _ in self.told)


async def until(holds: Callable[[], Any], why: str) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)
    assert holds(), why


async def read(consumer: AIOKafkaConsumer, count: int) -> list[ConsumerRecord]:
    found: list[ConsumerRecord] = []
    async with asyncio.timeout(_PATIENCE_S):
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=200)).values():
                found += records
    return found


class KafkaContract:
    """Collected by the classes that inherit it and provide the fixture ``world``."""

    async def topic(self, world: Kafka) -> str:
        name = f"{world.prefix}topic"
        await world.create(name, 2)
        return name

    async def write(self, world: Kafka, topic: str, *values: bytes, partition: int = 0) -> None:
        producer = world.producer()
        await producer.start()
        for value in values:
            await (
                await producer.send(topic, value=value, key=b"k", partition=partition, headers=[("h", value)])
            )
        await producer.stop()

    def member(
        self, world: Kafka, *topics: str, listener: Told | None = None, **options: Any
    ) -> AIOKafkaConsumer:
        consumer = world.consumer(
            group_id=f"{world.prefix}group",
            enable_auto_commit=False,
            session_timeout_ms=6000,
            fetch_max_wait_ms=100,
            **{
                "partition_assignment_strategy": (RangePartitionAssignor,),
                "heartbeat_interval_ms": 300,
                "rebalance_timeout_ms": 10_000,
                "auto_offset_reset": "earliest",
                **options,
            },
        )
        if topics:
            consumer.subscribe(topics=list(topics), listener=listener)
        return consumer

    async def stored(
        self, world: Kafka, *partitions: TopicPartition
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        admin = world.admin()
        await admin.start()
        try:
            return await admin.list_consumer_group_offsets(
                f"{world.prefix}group", partitions=list(partitions)
            )
        finally:
            await admin.close()

    async def test_records_come_in_order_with_keys_values_and_headers(self, world):
        topic = await self.topic(world)
        await self.write(world, topic, b"1", b"2", b"3")
        consumer = world.consumer(topic, auto_offset_reset="earliest")
        await consumer.start()
        found = await read(consumer, 3)
        await consumer.stop()
        assert [(r.offset, r.key, r.value, tuple(r.headers)) for r in found] == [
            (n, b"k", b"%d" % (n + 1), (("h", b"%d" % (n + 1)),)) for n in range(3)
        ]

    async def test_an_empty_poll_ends_with_its_time_and_a_full_one_within_its_bound(self, world):
        topic = await self.topic(world)
        consumer = world.consumer(topic, auto_offset_reset="earliest")
        await consumer.start()
        assert await consumer.getmany(timeout_ms=100) == {}
        await self.write(world, topic, b"1", b"2", b"3")
        batches = [await consumer.getmany(timeout_ms=5000, max_records=2) for _ in range(2)]
        await consumer.stop()
        sizes = [sum(len(records) for records in batch.values()) for batch in batches]
        assert max(sizes) <= 2
        assert sum(sizes) >= 2

    async def test_without_a_group_it_reads_what_it_is_told_from_where_it_is_told(self, world):
        topic = await self.topic(world)
        await self.write(world, topic, b"1", b"2", b"3", partition=1)
        tp = TopicPartition(topic, 1)
        consumer = world.consumer(enable_auto_commit=False, auto_offset_reset="earliest")
        await consumer.start()
        assert await consumer.beginning_offsets([tp]) == {tp: 0}
        assert await consumer.end_offsets([tp]) == {tp: 3}
        consumer.assign([tp])
        consumer.seek(tp, 1)
        assert [r.value for r in await read(consumer, 2)] == [b"2", b"3"]
        consumer.seek(tp, 1000)
        assert (await read(consumer, 3))[0].offset == 0, "out of range: from the earliest"
        await consumer.stop()

    async def test_a_member_that_subscribes_after_its_start_reads_what_is_there_and_learns_of_the_rest(
        self, world
    ):
        topic, later = await self.topic(world), f"{world.prefix}later"
        await self.write(world, topic, b"1")
        told = Told()
        member = self.member(world, metadata_max_age_ms=500)
        await member.start()
        member.subscribe(topics=[topic, later], listener=told)
        assert [r.value for r in await read(member, 1)] == [b"1"], "a missing topic is in nobody's way"
        assert member.partitions_for_topic(later) is None
        await world.create(later, 1)
        await self.write(world, later, b"2")
        assert {r.value for r in await read(member, 2)} == {b"1", b"2"}, "again, as nothing was committed"
        assert {tp.topic for tp in member.assignment()} == {topic, later}
        assert told.rounds == 2
        await member.stop()

    async def test_what_is_paused_is_not_returned_and_not_lost(self, world):
        topic = await self.topic(world)
        tp = TopicPartition(topic, 0)
        consumer = world.consumer(topic, auto_offset_reset="earliest", fetch_max_wait_ms=100)
        await consumer.start()
        consumer.pause(tp)
        assert consumer.paused() == {tp}
        await self.write(world, topic, b"1", b"2")
        for _ in range(3):
            assert await consumer.getmany(timeout_ms=100) == {}
        consumer.resume(tp)
        assert [r.value for r in await read(consumer, 2)] == [b"1", b"2"]
        await consumer.stop()

    async def test_a_commit_carries_a_text_and_the_next_member_begins_there(self, world):
        topic = await self.topic(world)
        await self.write(world, topic, b"1", b"2", b"3")
        first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
        one = self.member(world, topic)
        await one.start()
        await read(one, 3)
        await one.commit({first: OffsetAndMetadata(2, "done: 5")})
        await one.stop()
        stored = await self.stored(world, first, second)
        assert stored[first] == OffsetAndMetadata(2, "done: 5")
        assert stored[second].offset == -1
        two = self.member(world, topic)
        await two.start()
        assert [r.offset for r in await read(two, 1)] == [2]
        await two.stop()

    async def test_a_poll_that_may_not_choose_names_the_partition_without_a_position(self, world):
        topic = await self.topic(world)
        tp = TopicPartition(topic, 0)
        await self.write(world, topic, b"1", b"2")
        one = self.member(world, topic, auto_offset_reset="none")
        await one.start()
        named = set()
        for _ in range(2):
            with pytest.raises(NoOffsetForPartitionError) as caught:
                await self.poll_until_it_raises(one)
            named.add(caught.value.args[0])
        assert named == {tp, TopicPartition(topic, 1)}
        one.seek(tp, 0)
        one.seek(TopicPartition(topic, 1), 0)
        assert [r.value for r in await self.read_past_errors(one, 2)] == [b"1", b"2"]
        await one.stop()

    async def test_an_offset_out_of_range_is_named_and_left_to_the_reader(self, world):
        topic = await self.topic(world)
        tp = TopicPartition(topic, 0)
        await self.write(world, topic, b"1")
        consumer = world.consumer(auto_offset_reset="none")
        await consumer.start()
        consumer.assign([tp])
        consumer.seek(tp, 7)
        with pytest.raises(OffsetOutOfRangeError) as caught:
            await self.poll_until_it_raises(consumer)
        assert caught.value.args[0] == {tp: 7}
        consumer.seek(tp, 0)
        assert [r.value for r in await self.read_past_errors(consumer, 1)] == [b"1"]
        await consumer.stop()

    @staticmethod
    async def poll_until_it_raises(consumer: AIOKafkaConsumer) -> None:
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                await consumer.getmany(timeout_ms=200)

    @staticmethod
    async def read_past_errors(consumer: AIOKafkaConsumer, count: int) -> list[ConsumerRecord]:
        """Read although an error that was met before the seek may come once more."""
        while True:
            try:
                return await read(consumer, count)
            except (NoOffsetForPartitionError, OffsetOutOfRangeError):
                await asyncio.sleep(0.05)

    async def test_only_what_is_assigned_can_be_committed(self, world):
        topic = await self.topic(world)
        one = self.member(world, topic)
        await one.start()
        with pytest.raises(IllegalStateError):
            await one.commit({TopicPartition("elsewhere", 0): OffsetAndMetadata(0, "")})
        await one.stop()

    async def test_members_share_by_range_so_that_one_has_the_same_number_of_every_topic(self, world):
        topic = await self.topic(world)
        other = f"{world.prefix}other"
        await world.create(other, 2)
        told = Told()
        one, two = self.member(world, topic, other, listener=told), self.member(world, topic, other)
        await one.start()
        assert one.assignment() == {TopicPartition(t, n) for t in (topic, other) for n in (0, 1)}
        await asyncio.gather(two.start(), until(lambda: told.rounds == 2, "the first is told of the second"))
        for member in (one, two):
            numbers = {tp.partition for tp in member.assignment()}
            assert len(numbers) == 1
            assert {tp.topic for tp in member.assignment()} == {topic, other}
        assert [what for what, _ in told.told] == ["revoked", "assigned", "revoked", "assigned"]
        assert told.told[2][1] == told.told[1][1], "everything is revoked"
        await two.stop()
        await until(lambda: told.rounds == 3, "a member that stops has left")
        assert len(one.assignment()) == 4
        await one.stop()

    async def test_a_pause_does_not_outlive_an_assignment(self, world):
        topic = await self.topic(world)
        told = Told()
        one, two = self.member(world, topic, listener=told), self.member(world, topic)
        await one.start()
        one.pause(*one.assignment())
        await asyncio.gather(two.start(), until(lambda: told.rounds == 2, "it was rebalanced"))
        assert one.paused() == set()
        await asyncio.gather(one.stop(), two.stop())

    async def test_a_commit_while_partitions_are_revoked_counts(self, world):
        topic = await self.topic(world)
        tp = TopicPartition(topic, 0)
        told = Told(lambda: one.commit({tp: OffsetAndMetadata(1, "")}) if told.rounds else asyncio.sleep(0))
        one, two = self.member(world, topic, listener=told), self.member(world, topic)
        await self.write(world, topic, b"1", b"2")
        await one.start()
        await read(one, 2)
        await asyncio.gather(two.start(), until(lambda: told.rounds == 2, "it was rebalanced"))
        assert (await self.stored(world, tp))[tp].offset == 1
        await asyncio.gather(one.stop(), two.stop())

    async def test_a_poll_waits_while_partitions_are_reassigned(self, world):
        topic = await self.topic(world)
        hold = asyncio.Event()
        told = Told(lambda: hold.wait() if told.rounds else asyncio.sleep(0))
        one, two = self.member(world, topic, listener=told), self.member(world, topic)
        await one.start()
        joining = asyncio.create_task(two.start())
        await until(lambda: len(told.told) == 3, "it is asked to give back")
        await self.write(world, topic, b"1")
        await self.write(world, topic, b"2", partition=1)
        polling = asyncio.create_task(one.getmany(timeout_ms=100))
        await asyncio.sleep(0.5)
        assert not polling.done(), "longer than its time"
        hold.set()
        await joining
        await asyncio.gather(polling)
        await asyncio.gather(one.stop(), two.stop())

    async def test_a_member_that_gives_back_too_late_is_out_and_its_commit_is_refused(self, world):
        topic = await self.topic(world)
        tp = TopicPartition(topic, 0)
        refused: list[BaseException] = []
        hold = asyncio.Event()

        async def linger() -> None:
            if told.rounds != 1:
                return
            await hold.wait()
            try:
                await one.commit({tp: OffsetAndMetadata(1, "")})
            except CommitFailedError as exc:
                refused.append(exc)

        told = Told(linger)
        one = self.member(world, topic, listener=told, rebalance_timeout_ms=1000)
        two = self.member(world, topic, rebalance_timeout_ms=1000)
        await self.write(world, topic, b"1", b"2")
        await one.start()
        await read(one, 2)
        await two.start()
        assert len(two.assignment()) == 2, "the others did not wait for it"
        hold.set()
        await until(lambda: told.rounds == 2, "it joins again, as somebody new")
        assert len(refused) == 1
        assert (await self.stored(world, tp))[tp].offset == -1
        await asyncio.gather(one.stop(), two.stop())

    async def test_a_key_goes_to_one_partition_and_an_explicit_one_wins(self, world):
        topic = await self.topic(world)
        producer = world.producer()
        await producer.start()
        homes = {(await (await producer.send(topic, value=b"v", key=b"a key"))).partition for _ in range(4)}
        assert len(homes) == 1
        other = 1 - homes.pop()
        written = await (await producer.send(topic, value=b"v", key=b"a key", partition=other))
        assert (written.partition, written.offset) == (other, 0)
        await producer.stop()

    # Static members (KIP-345)

    def static(self, world: Kafka, instance_id: str, topic: str, **options: Any) -> tuple[Any, Told]:
        told = Told()
        member = self.member(world, topic, listener=told, group_instance_id=instance_id, **options)
        return member, told

    async def test_a_static_member_that_is_back_has_its_share_and_learns_of_added_partitions_by_a_round(
        self, world
    ):
        topic = await self.topic(world)
        first, _ = self.static(world, "a", topic)
        await first.start()
        await first.stop()
        await world.grow(topic, 4)
        again, told = self.static(world, "a", topic, metadata_max_age_ms=500)
        await again.start()
        await until(lambda: len(again.partitions_for_topic(topic)) == 4, "the client knows of them")
        await asyncio.sleep(2)
        assert told.told[-1] == ("assigned", frozenset(TopicPartition(topic, n) for n in range(2)))
        assert told.rounds == 1, "it leads the group, and its client does not know that"
        again._coordinator.request_rejoin()
        await until(lambda: len(again.assignment()) == 4, "the leader's joining again begins a round")
        await again.stop()

    async def test_a_follower_that_joins_again_as_it_was_begins_no_round(self, world):
        topic = await self.topic(world)
        leader, leaders = self.static(world, "a", topic)
        await leader.start()
        follower, followers = self.static(world, "b", topic)
        await follower.start()
        await until(
            lambda: (
                all(told.told and told.told[-1][0] == "assigned" for told in (leaders, followers))
                and len(leader.assignment()) == 1
            ),
            "both have been told their share",
        )
        share, rounds = follower.assignment(), (leaders.rounds, followers.rounds)
        follower._coordinator.request_rejoin()
        await until(lambda: followers.rounds == rounds[1] + 1, "it is told its share again")
        await asyncio.sleep(1)
        assert (leaders.rounds, followers.rounds) == (rounds[0], rounds[1] + 1)
        assert follower.assignment() == share
        await follower.stop()
        await leader.stop()

    async def test_a_round_keeps_the_share_of_a_static_member_that_is_absent(self, world):
        topic = await self.topic(world)
        options = {"rebalance_timeout_ms": 1500}
        absent, _ = self.static(world, "a", topic, **options)
        await absent.start()
        await absent.stop()
        present, told = self.static(world, "b", topic, **options)
        await present.start()
        await until(lambda: told.rounds, "the round does not wait for the absent one for long")
        assert len(present.assignment()) == 1
        await until(lambda: len(present.assignment()) == 2, "but not for ever")
        await present.stop()

    async def test_who_joins_again_with_a_replaced_members_id_is_told_so(self, world):
        topic = await self.topic(world)
        older, _ = self.static(world, "a", topic, heartbeat_interval_ms=5000)
        await older.start()
        newer, _ = self.static(world, "a", topic)
        await newer.start()
        older._coordinator.request_rejoin()
        with pytest.raises(KafkaError, match=FencedInstanceId.__name__):
            await self.poll_until_it_raises(older)
        await newer.stop()
        await older.stop()

    async def test_the_group_tells_which_process_has_an_instance_id(self, world):
        topic = await self.topic(world)
        one, two = Process("a", 1, "one"), Process("a", 2, "two")

        def member(process):
            return self.static(world, "a", topic, partition_assignment_strategy=(Assignor(process),))[0]

        older, newer = member(one), member(two)
        await older.start()
        assert await holder_of("a", older, within_s=10) == one
        assert await holder_of("b", older, within_s=10) is None
        await newer.start()
        assert await holder_of("a", older, within_s=10) == two
        await newer.stop()
        await older.stop()

"""A record that the client itself cannot decode, on real Kafka."""

import pytest
from aiokafka.producer import message_accumulator, producer
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from support.engine_rig import SOURCE, event, eventually, number_of, rig, running
from support.kafka_admin import delete_records
from support.logged import logged

from posta.domain.envelope import Wire, encode
from posta.engine import unreadable

pytestmark = pytest.mark.integration
STANDS_STILL = "record_unreadable_partition_stands_still"


class NotUtf8(str):
    """A header name whose bytes are no UTF-8."""

    __slots__ = ()

    def encode(self, *_args: str) -> bytes:
        return b"\xff\xfe"


async def test_a_header_name_that_is_not_utf8_stops_its_partition_and_no_other_until_it_is_removed(
    kafka, topic_prefix, monkeypatch
):
    monkeypatch.setattr(unreadable, "_AGAIN_S", 0.5)
    # The compiled one takes no name of ours.
    for module in (message_accumulator, producer):
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", _DefaultRecordBatchBuilderPy)
    async with rig(kafka.bootstrap_servers, topic_prefix, partitions=2) as world:
        done: list[int] = []

        async def handler(message):
            done.append(number_of(message))

        async def put(number: int, partition: int, wire: Wire | None = None) -> None:
            wire = wire or encode(event(number, key=f"k{number}"))
            await world.producer.publish(SOURCE.name, [wire], timeout_s=10, partition=partition)

        await put(0, 0)
        await put(1, 0)
        await put(-1, 0, Wire(key=b"k", value=b"v", headers=((NotUtf8("x"), b""),)))
        await put(2, 0)
        await put(3, 1)
        engine = world.engine(handler)
        with logged() as lines:
            async with running(engine):
                await eventually(lambda: set(done) == {0, 1, 3}, within_s=30)
                await eventually(lambda: bool(lines[STANDS_STILL]), within_s=30)
                await put(4, 1)
                await eventually(lambda: 4 in done, within_s=30, why="the other partition goes on")
                assert await engine.live_fault() is None
                assert 2 not in done
                await delete_records(world, SOURCE.name, partition=0, before=3)
                await eventually(lambda: 2 in done, within_s=30, why="an operator removed the record")
                assert done.count(2) == 1
        assert [line["offset"] for line in lines[STANDS_STILL]] == [2]
        assert len(lines["poll_failed"]) == 1
        assert await world.committed() == 6

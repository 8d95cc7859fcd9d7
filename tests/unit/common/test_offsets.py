"""What a group has committed, asked by a client that is closed however the question ends."""

import asyncio

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata

from posta.errors import Transient
from posta.kafka import offsets
from posta.settings import KafkaSettings

TP = TopicPartition("t", 0)


class Admin:
    """Loses its connection when it is cancelled while it connects, as aiokafka does."""

    def __init__(self, *, takes_s: float = 0.0, error: Exception | None = None) -> None:
        self._takes_s = takes_s
        self._error = error
        self.open = 0
        self.leaked = 0

    async def start(self) -> None:
        try:
            await asyncio.sleep(self._takes_s)
        except asyncio.CancelledError:
            self.leaked += 1
            raise
        self.open += 1
        if self._error is not None:
            raise self._error

    async def list_consumer_group_offsets(self, _group, *, partitions):
        return {tp: OffsetAndMetadata(-1 if tp.partition else 7, "") for tp in partitions}

    async def close(self) -> None:
        self.open = 0


@pytest.fixture
def asked(monkeypatch):
    def ask(admin: Admin, timeout_s: float = 5.0):
        monkeypatch.setattr(offsets, "AIOKafkaAdminClient", lambda **_options: admin)
        wanted = [TP, TopicPartition("t", 1)]
        return offsets.committed(KafkaSettings(), group="g", partitions=wanted, timeout_s=timeout_s)

    return ask


async def test_a_partition_without_a_commit_is_absent_and_the_client_closed(asked):
    admin = Admin()
    assert await asked(admin) == {TP: OffsetAndMetadata(7, "")}
    assert (admin.open, admin.leaked) == (0, 0)


async def test_a_caller_that_is_cancelled_leaks_no_connection(asked):
    admin = Admin(takes_s=0.02)
    asking = asyncio.create_task(asked(admin))
    await asyncio.sleep(0.005)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.sleep(0.05)
    assert (admin.open, admin.leaked) == (0, 0)


async def test_a_question_that_lasts_too_long_leaks_no_connection(asked):
    admin = Admin(takes_s=0.03)
    with pytest.raises(Transient, match="TimeoutError"):
        await asked(admin, timeout_s=0.005)
    await asyncio.sleep(0.06)
    assert (admin.open, admin.leaked) == (0, 0)


async def test_a_client_that_fails_is_closed(asked):
    admin = Admin(error=KafkaConnectionError("nobody"))
    with pytest.raises(Transient, match="KafkaConnectionError"):
        await asked(admin)
    assert admin.open == 0

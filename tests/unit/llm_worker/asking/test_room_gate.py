"""The engine's gate for room: closed while there is none, open at once when there is."""

import pytest
from support.llm_asking import Worker
from support.questions import email_question, message_of

from llm_worker.asking.gate import RoomGate
from posta.errors import Unavailable

LIMITED = "models: {main: {provider: main, limits: {rpm: 1}}}"


class Sleep:
    """Takes no time, but moves the worker's clock."""

    def __init__(self, worker):
        self.worker = worker
        self.slept = []

    async def __call__(self, seconds):
        self.slept.append(seconds)
        self.worker.now += seconds


def gate_of(worker):
    sleep = Sleep(worker)
    return RoomGate(worker.purses, monotonic=lambda: worker.now, sleep=sleep, wait=sleep), sleep


async def full():
    worker = Worker(text=LIMITED)
    await worker.handler.handle(message_of(email_question(1)))
    return worker


async def test_with_room_the_probe_returns_at_once():
    worker = Worker(text=LIMITED)
    gate, sleep = gate_of(worker)
    await gate.probe()
    assert sleep.slept == []


async def test_the_probe_returns_when_there_is_room_and_not_before():
    worker = await full()
    worker.now += 25
    (gate, sleep), begun, refused = gate_of(worker), worker.now, 0
    while True:
        try:
            await gate.probe()
        except Unavailable:
            refused += 1
            assert worker.now - begun < 40
        else:
            if worker.now - begun > 33:
                break
            # A look through: who cannot wait any longer must be told.
            assert worker.now - begun > 29
    assert refused > 5
    assert 60 < worker.now - begun + 25 < 63
    assert max(sleep.slept) <= 3.5


async def test_while_the_books_are_away_it_does_not_spin():
    worker = await full()
    worker.books.away = True
    gate, sleep = gate_of(worker)
    with pytest.raises(Unavailable):
        await gate.probe()
    assert sleep.slept == [0.5]

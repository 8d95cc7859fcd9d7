"""The engine's gate for room: closed while there is none, open at once when there is."""

import pytest
from support.llm_asking import Worker
from support.questions import email_question, message_of

from llm_worker.asking.gate import RoomGate
from posta.errors import NotNow, Unavailable

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
    (gate, sleep), begun, refused, looked_at = gate_of(worker), worker.now, 0, worker.now
    while True:
        try:
            await gate.probe()
        except Unavailable:
            refused += 1
            assert worker.now - begun < 40
        else:
            if gate.look_left_s() == 0:
                break
            assert 10 < worker.now - looked_at < 14
            looked_at = worker.now
            worker.now += gate.look_left_s()  # those that need a model close it again
            assert gate.look_left_s() == 0
    assert refused > 5
    assert 60 < worker.now - begun + 25 < 63
    assert max(sleep.slept) <= 3.5


@pytest.mark.parametrize("waiting_most", [32, 0], ids=["few wait", "many wait"])
async def test_in_a_look_through_a_question_that_needs_a_model_lets_those_behind_it_have_theirs(waiting_most):
    """It would close the gate else, and go to a lane if many wait."""
    worker = Worker(text=LIMITED, waiting_most=waiting_most, look_left_s=lambda: 0.5)
    await worker.handler.handle(message_of(email_question(1)))
    with pytest.raises(NotNow) as waits:
        await worker.handler.handle(message_of(email_question(2)))
    assert waits.value.wait_s == pytest.approx(0.5, abs=0.1)


async def test_while_the_books_are_away_it_does_not_spin():
    worker = await full()
    worker.books.away = True
    gate, sleep = gate_of(worker)
    with pytest.raises(Unavailable):
        await gate.probe()
    assert sleep.slept == [0.5]

"""A published event waits for its time, can be cancelled until it is sent, and may go to a mailbox."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.deliveries import delivery_message as message
from support.deliveries import published

from ingress.events.fakes import MemoryPublishedEvents
from notifier.mailbox import into_mailboxes
from notifier.refusals import OutcomeUnknown
from notifier.scheduled import scheduled
from posta.errors import NotNow, Transient, Unavailable
from posta.postgres.published_events import Cancelled

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Deliver:
    """A handler that notes what it was given, or fails."""

    def __init__(self):
        self.given = []
        self.error = None
        self.outgoing = ()

    async def __call__(self, handled):
        self.given.append(handled.event.id)
        if self.error is not None:
            raise self.error
        return self.outgoing


@pytest.fixture
def deliver():
    return Deliver()


@pytest.fixture
def claims():
    return MemoryPublishedEvents()


@pytest.fixture
def handle(deliver, claims):
    return scheduled(deliver, claims, clock=NOW.timestamp)


def event_at(deliver_at=None):
    event = published()
    return replace(event, data=event.data.model_copy(update={"deliver_at": deliver_at}))


async def test_an_event_before_its_time_waits_exactly_until_then_and_is_not_claimed(handle, deliver, claims):
    with pytest.raises(NotNow) as caught:
        await handle(message(event_at(NOW + timedelta(hours=2))))
    assert caught.value.wait_s == 7200
    assert (deliver.given, claims.rows) == ([], {})


@pytest.mark.parametrize("deliver_at", [None, NOW, NOW - timedelta(days=1)])
async def test_an_event_whose_time_has_come_is_claimed_and_delivered(handle, deliver, claims, deliver_at):
    event = event_at(deliver_at)
    await handle(message(event))
    assert deliver.given == [event.id]
    assert await claims.cancel(event.id, by="x") is Cancelled.TOO_LATE


async def test_what_is_published_instead_of_a_delivery_is_counted(handle, deliver, claims):
    event = event_at()
    deliver.outgoing = ("a copy", "another")
    assert await handle(message(event)) == ["a copy", "another"]
    assert claims.rows[event.id].copies == 2


async def test_a_delivery_counts_even_when_it_cannot_be_noted(deliver):
    class Forgetful(MemoryPublishedEvents):
        async def settle(self, event_id, *, copies):
            raise Unavailable("postgres", "the test said so")

    assert await scheduled(deliver, Forgetful(), clock=NOW.timestamp)(message(event_at())) == []


async def test_a_cancelled_event_is_done_without_being_delivered(handle, deliver, claims):
    event = event_at()
    await claims.claim(event)
    await claims.release(event.id)
    assert await claims.cancel(event.id, by="x") is Cancelled.DONE
    assert await handle(message(event)) is None
    assert deliver.given == []


@pytest.mark.parametrize(
    ("error", "can_be_cancelled"),
    [
        pytest.param(Transient("503"), True, id="refused for now"),
        pytest.param(NotNow("429", wait_s=1), True, id="rate limited"),
        pytest.param(OutcomeUnknown("reset"), False, id="it may have been sent"),
        pytest.param(RuntimeError("a defect"), False, id="unexpected"),
    ],
)
async def test_after_a_failed_attempt_it_can_be_cancelled_unless_it_may_have_been_sent(
    handle, deliver, claims, error, can_be_cancelled
):
    deliver.error = error
    event = event_at()
    with pytest.raises(type(error)):
        await handle(message(event))
    assert (await claims.cancel(event.id, by="x") is Cancelled.DONE) is can_be_cancelled


async def test_without_the_database_nothing_is_sent(handle, deliver, claims):
    claims.away = True
    with pytest.raises(Unavailable):
        await handle(message(event_at()))
    assert deliver.given == []


async def test_an_event_for_a_mailbox_is_put_there_and_all_others_go_on(deliver):
    put = []

    class Mailbox:
        async def put(self, event):
            put.append(event.id)

    event = published()
    await into_mailboxes(deliver, Mailbox(), destinations={"bot"})(message(event))
    assert (put, deliver.given) == ([], [event.id])
    await into_mailboxes(deliver, Mailbox(), destinations={event.data.destination})(message(event))
    assert (put, deliver.given) == ([event.id], [event.id])

import asyncio

import pytest

from notifier.fakes import MemoryLedger
from notifier.ledger.ledger import Delivery
from notifier.ledger.once import Once, Outcome
from notifier.refusals import OutcomeUnknown
from posta.errors import NotNow, Permanent, Transient, Unavailable

DELIVERY = Delivery(event_id="e", medium="discord", body_sha256="00")


class Upstream:
    """What is called: raises the next of its script, or delivers."""

    def __init__(self, *script):
        self.script = list(script)
        self.calls = 0

    async def send(self):
        self.calls += 1
        if self.script and (error := self.script.pop(0)) is not None:
            raise error
        return "m1"


async def test_a_delivery_is_made_once_however_often_its_event_comes():
    ledger, upstream = MemoryLedger(), Upstream()
    assert await Once(ledger).deliver(DELIVERY, upstream.send) is Outcome.SENT
    assert await Once(ledger).deliver(DELIVERY, upstream.send) is Outcome.SKIPPED
    assert upstream.calls == 1
    assert ledger.rows["e"].delivery.message_id == "m1"


@pytest.mark.parametrize("error", [Transient("no"), NotNow("later", wait_s=1), Permanent("never")])
async def test_a_definite_refusal_leaves_a_fresh_start(error):
    ledger, upstream = MemoryLedger(), Upstream(error)
    once = Once(ledger)
    with pytest.raises(type(error)):
        await once.deliver(DELIVERY, upstream.send)
    assert ledger.rows["e"].state == "failed"

    async def look():
        raise AssertionError("there is nothing to look for")

    assert await once.deliver(DELIVERY, upstream.send, look=look) is Outcome.SENT
    assert upstream.calls == 2


@pytest.mark.parametrize(("found", "outcome", "calls"), [(True, Outcome.FOUND, 1), (False, Outcome.SENT, 2)])
async def test_after_an_unknown_outcome_it_looks_before_it_sends_again(found, outcome, calls):
    ledger, upstream = MemoryLedger(), Upstream(OutcomeUnknown("lost"))
    once = Once(ledger)
    with pytest.raises(OutcomeUnknown):
        await once.deliver(DELIVERY, upstream.send)
    assert ledger.rows["e"].state == "sending"

    async def look():
        return found

    assert await once.deliver(DELIVERY, upstream.send, look=look) is outcome
    assert upstream.calls == calls
    assert ledger.rows["e"].state == "sent"


async def test_a_look_that_fails_leaves_the_outcome_unknown():
    ledger, upstream = MemoryLedger(), Upstream(OutcomeUnknown("lost"))
    once = Once(ledger)
    with pytest.raises(OutcomeUnknown):
        await once.deliver(DELIVERY, upstream.send)

    async def look():
        raise Transient("cannot look")

    with pytest.raises(Transient):
        await once.deliver(DELIVERY, upstream.send, look=look)
    assert ledger.rows["e"].state == "sending"


async def test_without_the_ledger_nothing_is_sent():
    ledger, upstream = MemoryLedger(), Upstream()
    ledger.away = True
    with pytest.raises(Unavailable):
        await Once(ledger).deliver(DELIVERY, upstream.send)
    assert upstream.calls == 0


async def test_a_ledger_that_goes_away_after_the_call_makes_no_double():
    ledger, upstream = MemoryLedger(), Upstream()
    once = Once(ledger)

    async def send():
        ledger.away = True
        return await upstream.send()

    with pytest.raises(Unavailable):
        await once.deliver(DELIVERY, send)
    ledger.away = False
    assert await once.deliver(DELIVERY, send) is Outcome.SKIPPED
    assert upstream.calls == 1
    assert ledger.rows["e"].state == "sent"
    assert ledger.rows["e"].delivery.message_id == "m1"


async def test_a_handling_cancelled_after_the_call_still_writes_it_down():
    release = asyncio.Event()

    class SlowLedger(MemoryLedger):
        async def sent(self, event_id, *, message_id):
            await release.wait()
            await super().sent(event_id, message_id=message_id)

    ledger, upstream = SlowLedger(), Upstream()
    task = asyncio.create_task(Once(ledger).deliver(DELIVERY, upstream.send))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    await asyncio.sleep(0.01)
    assert ledger.rows["e"].state == "sent"


async def test_a_handling_cancelled_during_the_call_leaves_the_outcome_unknown():
    ledger = MemoryLedger()
    task = asyncio.create_task(Once(ledger).deliver(DELIVERY, asyncio.Event().wait))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ledger.rows["e"].state == "sending"

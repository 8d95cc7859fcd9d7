"""What holds for published events wherever they are noted: in PostgreSQL, or in memory."""

from datetime import UTC, datetime, timedelta

from support.deliveries import published

from posta.postgres.published_events import Cancelled, noted_of

AHEAD = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)


class PublishedEventsContract:
    """Tests of a fixture ``events``."""

    async def test_a_noted_event_is_found_with_all_that_was_noted(self, events):
        noted = noted_of(published(1, deliver_at=AHEAD), trace_id="ab" * 16)
        await events.note([noted])
        found = await events.find("event:1")
        assert found.noted == noted
        assert found.traces.deliver_at == AHEAD
        assert (found.attempts, found.reason, found.cancelled_by) == (0, None, None)
        assert await events.find("event:2") is None

    async def test_noting_it_again_changes_nothing(self, events):
        event = published(1)
        await events.note([noted_of(event)])
        await events.claim(event)
        await events.note([noted_of(published(1)), noted_of(published(1)), noted_of(published(2))])
        assert (await events.find("event:1")).traces.is_claimed
        assert await events.find("event:2")

    async def test_an_event_nobody_noted_is_known_from_its_claim_on(self, events):
        event = published(1)
        assert await events.claim(event)
        assert await events.claim(event)
        assert (await events.find("event:1")).noted == noted_of(event)

    async def test_a_cancelled_event_cannot_be_claimed_and_stays_cancelled(self, events):
        event = published(1)
        await events.note([noted_of(event)])
        assert await events.cancel("event:1", by="ana") is Cancelled.DONE
        assert await events.cancel("event:1", by="luis") is Cancelled.DONE
        assert await events.claim(event) is False
        found = await events.find("event:1")
        assert (found.traces.is_cancelled, found.traces.is_claimed, found.cancelled_by) == (
            True,
            False,
            "ana",
        )

    async def test_a_claimed_event_cannot_be_cancelled_until_it_is_released(self, events):
        event = published(1)
        await events.claim(event)
        assert await events.cancel("event:1", by="ana") is Cancelled.TOO_LATE
        await events.release("event:1")
        assert await events.cancel("event:1", by="ana") is Cancelled.DONE
        assert await events.claim(event) is False

    async def test_a_settled_event_knows_its_copies_and_cannot_be_cancelled(self, events):
        event = published(1)
        await events.claim(event)
        assert (await events.find("event:1")).traces.is_settled is False
        await events.settle("event:1", copies=2)
        traces = (await events.find("event:1")).traces
        assert (traces.is_settled, traces.copies) == (True, 2)
        assert await events.cancel("event:1", by="ana") is Cancelled.TOO_LATE

    async def test_what_is_not_noted_cannot_be_cancelled(self, events):
        assert await events.cancel("event:1", by="ana") is Cancelled.UNKNOWN

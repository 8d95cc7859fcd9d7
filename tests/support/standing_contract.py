"""What every store of standing messages must do: one suite for the fake and for PostgreSQL."""

from dataclasses import replace
from datetime import timedelta

from support.deliveries import published

from notifier.ledger.ledger import Delivery
from notifier.ledger.standing import Part

WINDOW_S = 60.0


async def post(standing, ledger, event, message_id):
    """Deliver the first event of a key."""
    await ledger.begin(Delivery(event_id=event.id, medium="webhook", body_sha256="00"))
    await ledger.sent(event.id, message_id=message_id)
    await standing.posted(event)


class StandingContract:
    """Collected by the classes that inherit it and provide the fixtures ``standing`` and ``ledger``."""

    async def test_the_first_event_of_a_key_makes_the_message_and_others_wait_for_it(self, standing, ledger):
        one, two = published(1, dedupe_key="k"), published(2, dedupe_key="k")
        assert (await standing.join(one, window_s=WINDOW_S)).part is Part.FIRST
        assert (await standing.join(two, window_s=WINDOW_S)).part is Part.WAITS
        assert (await standing.join(one, window_s=WINDOW_S)).part is Part.FIRST
        await post(standing, ledger, one, "7")
        joined = await standing.join(two, window_s=WINDOW_S)
        assert (joined.part, joined.message_id, joined.repeats) == (Part.EDITS, "7", 2)

    async def test_an_event_counts_once_however_often_it_comes(self, standing, ledger):
        one = published(1, dedupe_key="k")
        await standing.join(one, window_s=WINDOW_S)
        await post(standing, ledger, one, "7")
        for expected in (2, 2, 2):
            assert (await standing.join(published(2, dedupe_key="k"), window_s=WINDOW_S)).repeats == expected
        assert (await standing.join(published(3, dedupe_key="k"), window_s=WINDOW_S)).repeats == 3

    async def test_after_the_window_the_next_event_makes_a_new_message(self, standing, ledger):
        one = published(1, dedupe_key="k")
        await standing.join(one, window_s=WINDOW_S)
        await post(standing, ledger, one, "7")
        late = replace(published(2, dedupe_key="k"), time=one.time + timedelta(seconds=WINDOW_S + 1))
        assert (await standing.join(late, window_s=WINDOW_S)).part is Part.FIRST

    async def test_an_older_event_of_a_thread_changes_nothing_and_the_newest_may_come_again(
        self, standing, ledger
    ):
        one = published(1, thread_key="k")
        await standing.join(one, window_s=WINDOW_S)
        await post(standing, ledger, one, "7")
        newer = replace(published(3, thread_key="k"), time=one.time + timedelta(seconds=9))
        older = replace(published(2, thread_key="k"), time=one.time + timedelta(seconds=5))
        assert (await standing.join(newer, window_s=WINDOW_S)).part is Part.EDITS
        assert (await standing.join(older, window_s=WINDOW_S)).part is Part.SUPERSEDED
        assert (await standing.join(newer, window_s=WINDOW_S)).part is Part.EDITS

    async def test_a_message_that_is_gone_is_made_anew(self, standing, ledger):
        one, two = published(1, thread_key="k"), published(2, thread_key="k")
        await standing.join(one, window_s=WINDOW_S)
        await standing.gone(one)
        assert (await standing.join(two, window_s=WINDOW_S)).part is Part.FIRST
        await standing.gone(published(9))
        assert (await standing.join(two, window_s=WINDOW_S)).part is Part.FIRST

    async def test_keys_kinds_publishers_and_destinations_are_apart(self, standing, ledger):
        for event in (
            published(1, dedupe_key="k"),
            published(2, thread_key="k"),
            published(3, dedupe_key="l"),
            published(4, dedupe_key="k", publisher="other"),
            published(5, dedupe_key="k", destination="dba"),
        ):
            assert (await standing.join(event, window_s=WINDOW_S)).part is Part.FIRST

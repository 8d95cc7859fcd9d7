"""What every delivery ledger must do: one suite for the fake and for PostgreSQL."""

from notifier.ledger.ledger import Begun, Delivery


def delivery(event_id="e", **fields):
    return Delivery(**{"event_id": event_id, "medium": "discord", "body_sha256": "00", **fields})


class LedgerContract:
    """Collected by the classes that inherit it and provide the fixture ``ledger``."""

    async def test_a_delivery_begins_fresh(self, ledger):
        assert await ledger.begin(delivery()) is Begun.FRESH

    async def test_one_that_was_begun_and_never_ended_is_unknown(self, ledger):
        await ledger.begin(delivery())
        assert await ledger.begin(delivery()) is Begun.UNKNOWN
        assert await ledger.begin(delivery()) is Begun.UNKNOWN

    async def test_one_that_was_sent_stays_sent(self, ledger):
        await ledger.begin(delivery())
        await ledger.sent("e", message_id="7")
        assert await ledger.begin(delivery()) is Begun.SENT
        assert await ledger.begin(delivery()) is Begun.SENT

    async def test_a_refusal_after_it_was_sent_changes_nothing(self, ledger):
        await ledger.begin(delivery())
        await ledger.sent("e", message_id="7")
        await ledger.refused("e")
        assert await ledger.begin(delivery()) is Begun.SENT

    async def test_one_that_was_refused_begins_fresh_again(self, ledger):
        await ledger.begin(delivery())
        await ledger.refused("e")
        assert await ledger.begin(delivery()) is Begun.FRESH
        assert await ledger.begin(delivery()) is Begun.UNKNOWN

    async def test_deliveries_do_not_touch_each_other(self, ledger):
        await ledger.begin(delivery("e1"))
        await ledger.begin(delivery("e2", medium="email"))
        await ledger.sent("e1", message_id=None)
        assert await ledger.begin(delivery("e2", medium="email")) is Begun.UNKNOWN
        assert await ledger.begin(delivery("e3")) is Begun.FRESH

    async def test_the_message_id_is_kept_from_the_first_attempt_on(self, ledger, kept_message_id):
        await ledger.begin(delivery(message_id="<first@x>"))
        assert await kept_message_id("e") == "<first@x>"
        await ledger.begin(delivery(message_id="<second@x>"))
        assert await kept_message_id("e") == "<first@x>"
        await ledger.sent("e", message_id=None)
        assert await kept_message_id("e") == "<first@x>"

    async def test_the_message_id_that_discord_tells_is_kept(self, ledger, kept_message_id):
        await ledger.begin(delivery())
        await ledger.sent("e", message_id="7")
        assert await kept_message_id("e") == "7"

    async def test_the_end_of_something_unknown_is_nothing(self, ledger):
        await ledger.sent("never", message_id=None)
        await ledger.refused("never")
        assert await ledger.begin(delivery("never")) is Begun.FRESH

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from support.deliveries import discord_reply, email_reply, published
from support.notifier_hands import API, FakeSmtp, World

from notifier.refusals import ContentRefused, OutcomeUnknown, TargetGone
from posta import topics
from posta.domain.retry import ErrorClass
from posta.errors import Expired, NotNow, Permanent, Transient, Unavailable


async def test_an_answer_takes_the_place_of_thinking():
    world = World()
    reply = discord_reply(token="tok", text=" Because.\x00 @everyone ")
    assert list(await world.handle(reply)) == []
    (request,) = world.requests
    target = reply.data.target
    assert str(request.url) == f"{API}/webhooks/{target.application_id}/tok/messages/@original"
    assert json.loads(request.content) == {
        "content": "Because. @everyone",
        "embeds": [],
        "components": [],
        "allowed_mentions": {"parse": []},
    }


async def test_an_event_is_posted_through_its_destinations_webhook():
    world = World()
    await world.handle(published())
    (request,) = world.requests
    assert str(request.url) == f"{API}/webhooks/1/hook-secret?wait=true"
    assert json.loads(request.content)["embeds"][0]["description"] == "Backup 1 failed."
    assert world.ledger.rows["event:1"].delivery.message_id == "9"


async def test_a_mail_goes_out_under_an_id_the_ledger_had_before():
    world = World()
    reply = email_reply()
    await world.handle(reply)
    (letter,) = world.smtp.letters
    assert world.ledger.rows[reply.id].delivery.message_id == letter.message_id
    assert letter.recipient == "customer@example.test"


@pytest.mark.parametrize("event", [discord_reply(), published(), email_reply()])
async def test_a_redelivered_event_makes_no_second_call(event):
    world = World()
    await world.handle(event)
    world.restarted()
    await world.handle(event)
    assert len(world.requests) + len(world.smtp.letters) == 1


async def test_an_edit_whose_answer_was_lost_is_looked_up_and_not_made_again():
    world = World("lost")
    reply = discord_reply()
    with pytest.raises(OutcomeUnknown):
        await world.handle(reply)
    world.restarted()
    await world.handle(reply, attempt=2)
    assert world.methods == ["PATCH", "GET"]


async def test_an_edit_that_never_arrived_is_made_after_a_look():
    world = World(httpx.ReadError("reset"))
    reply = discord_reply()
    with pytest.raises(OutcomeUnknown):
        await world.handle(reply)
    await world.handle(reply, attempt=2)
    assert world.methods == ["PATCH", "GET", "PATCH"]
    assert world.shown["content"] == "Because it scatters."


async def test_a_post_whose_answer_was_lost_is_made_again():
    world = World("lost")
    with pytest.raises(OutcomeUnknown):
        await world.handle(published())
    await world.handle(published(), attempt=2)
    assert world.methods == ["POST", "POST"]


async def test_a_mail_whose_answer_was_lost_goes_out_again_under_the_same_id():
    world = World(smtp=FakeSmtp(OutcomeUnknown("lost")))
    reply = email_reply()
    with pytest.raises(OutcomeUnknown):
        await world.handle(reply)
    await world.handle(reply, attempt=2)
    first, second = world.smtp.letters
    assert first == second


async def test_a_token_at_its_end_is_not_tried():
    world = World()
    reply = discord_reply(at=datetime.now(UTC) - timedelta(minutes=15))
    with pytest.raises(Expired):
        await world.handle(reply)
    assert world.requests == []
    assert world.ledger.rows == {}


async def test_an_unknown_token_is_a_race_at_first_and_dead_later():
    unknown = httpx.Response(404, json={"code": 10015, "message": "Unknown Webhook"})
    world = World(unknown, unknown)
    reply = discord_reply()
    with pytest.raises(Transient):
        await world.handle(reply)
    world.now += 20
    with pytest.raises(TargetGone):
        await world.handle(reply, attempt=2)


async def test_an_apology_never_takes_the_place_of_an_answer():
    world = World()
    await world.handle(discord_reply(1, "The answer."))
    apology = discord_reply(2, "Sorry.", kind="apology", token="a-secret-token-1")
    await world.handle(apology)
    assert world.shown["content"] == "The answer."
    assert world.methods == ["PATCH", "GET"]


async def test_an_apology_takes_the_place_of_thinking():
    world = World()
    await world.handle(discord_reply(text="Sorry.", kind="apology"))
    assert world.shown["content"] == "Sorry."


async def test_a_reply_without_visible_text_is_refused_before_anything_is_sent():
    world = World()
    for event in (discord_reply(text=" \x00\n"), email_reply(text=" \n")):
        with pytest.raises(ContentRefused):
            await world.handle(event)
    assert world.requests == world.smtp.letters == []


async def test_what_has_nowhere_to_go_is_permanent():
    world = World()
    with pytest.raises(Permanent, match=r"destinations\.yaml"):
        await world.handle(published(destination="nowhere"))
    with pytest.raises(Permanent, match="another account"):
        await world.handle(email_reply(account="else@example.test"))


async def test_without_the_ledger_nothing_is_delivered():
    world = World()
    world.ledger.away = True
    for event in (discord_reply(), published(), email_reply()):
        with pytest.raises(Unavailable):
            await world.handle(event)
    assert world.requests == world.smtp.letters == []


async def test_a_closed_bucket_does_not_even_touch_the_ledger():
    world = World(httpx.Response(429, json={"retry_after": 30}))
    with pytest.raises(NotNow):
        await world.handle(published(1))
    with pytest.raises(NotNow):
        await world.handle(published(2))
    assert list(world.ledger.rows) == ["event:1"]
    assert world.ledger.rows["event:1"].state == "failed"


@pytest.mark.parametrize(
    ("event", "at_least_s"),
    [(discord_reply(), None), (published(), 600), (email_reply(), 3600)],
)
async def test_what_may_take_longer_waits_longer(event, at_least_s):
    world = World(httpx.ReadError("reset"), smtp=FakeSmtp(Transient("down")))
    with pytest.raises(Transient) as caught:
        await world.handle(event, attempt=5)
    assert caught.value.retry_after_s == at_least_s


async def test_an_answer_that_discord_refuses_is_apologised_for_once():
    world = World()
    reply = discord_reply(locale="es-ES")
    (publish,) = await world.apologise(reply, ContentRefused("50035"))
    assert publish.topic is topics.REPLIES_READY
    apology = publish.event
    assert apology.id == f"{reply.id}/apology"
    assert (apology.key, apology.expires_at) == (reply.key, reply.expires_at)
    assert apology.data.kind == "apology"
    assert apology.data.target == reply.data.target
    assert "Lo siento" in apology.data.text
    assert await world.apologise(apology, ContentRefused("50035")) == []


async def test_an_answer_that_discord_did_not_take_for_minutes_is_apologised_for():
    world = World()
    assert await world.apologise(discord_reply(), Transient("503"), ErrorClass.TRANSIENT)


@pytest.mark.parametrize(
    ("event", "error", "error_class"),
    [
        (discord_reply(), TargetGone("10015"), ErrorClass.PERMANENT),
        (discord_reply(), Expired("late"), ErrorClass.EXPIRED),
        (
            discord_reply(at=datetime.now(UTC) - timedelta(hours=1)),
            ContentRefused("50035"),
            ErrorClass.PERMANENT,
        ),
        (email_reply(), Transient("down"), ErrorClass.TRANSIENT),
        (email_reply(), TargetGone("5.1.1"), ErrorClass.PERMANENT),
        (published(), ContentRefused("50035"), ErrorClass.PERMANENT),
        (published(), Transient("503"), ErrorClass.TRANSIENT),
    ],
)
async def test_there_is_no_apology_where_it_could_reach_nobody_or_be_wrong(event, error, error_class):
    assert await World().apologise(event, error, error_class) == []

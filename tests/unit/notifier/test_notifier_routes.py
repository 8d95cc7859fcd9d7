import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from support.deliveries import DISCORD_EPOCH_MS, delivery_message, discord_reply, published
from support.notifier_hands import API, World

from notifier.refusals import TargetGone
from notifier.routing.digests import digest_event
from notifier.routing.rules import Deliver, Digest, Drop, Hold, Routes, route, severity_of
from posta import topics
from posta.domain.retry import ErrorClass
from posta.engine.message import GivenUp
from posta.errors import Expired, NotNow, Permanent, Undeliverable

NIGHT = {"night": {"start": "22:00", "end": "07:00", "zone": "Europe/Madrid"}}
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def rules(*routes, **more):
    return Routes.model_validate({"routes": list(routes), **more})


def late(**fields):
    """An answer whose token ended a minute ago."""
    reply = discord_reply(at=datetime.now(UTC) - timedelta(minutes=15), **fields)
    target = reply.data.target.model_copy(update={"user_id": "5", "channel_id": "6", "guild_id": "7"})
    return replace(reply, data=reply.data.model_copy(update={"target": target}))


# --- routes.yaml -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "event", "decision"),
    [
        pytest.param({}, {}, Deliver(destinations=("ops",)), id="nothing said: where the event says"),
        pytest.param({"match": {"types": ["backup.*"]}, "to": ["dba", "$named"]}, {},
                     Deliver(destinations=("dba", "ops")), id="fan-out by type"),
        pytest.param({"match": {"types": ["deploy.*"]}, "drop": True}, {},
                     Deliver(destinations=("ops",)), id="another type"),
        pytest.param({"match": {"sources": ["/backup/*"]}, "drop": True}, {}, Drop(), id="by source"),
        pytest.param({"match": {"labels": {"team": "db*"}}, "to": ["dba"]},
                     {"data": {"labels": {"team": "dbs"}}}, Deliver(destinations=("dba",)), id="by label"),
        pytest.param({"match": {"labels": {"team": "db"}}, "to": ["dba"]}, {},
                     Deliver(destinations=("ops",)), id="a label that is not there"),
        pytest.param({"match": {"severities": ["low"]}, "digest": {"every_s": 60}},
                     {"data": {"severity": "LOW"}},
                     Digest(destinations=("ops",), rule="route-0", every_s=60), id="a digest"),
    ],
)  # fmt: skip
def test_the_first_route_that_fits_decides(rule, event, decision):
    assert route(rules(rule), published(**event).data, now=NOON) == decision


@pytest.mark.parametrize(
    ("hour", "ends"),
    [(20, None), (21, 6), (23, 6), (3, 6), (6, None)],
)
def test_quiet_hours_are_those_of_their_time_zone_and_may_pass_midnight(hour, ends):
    quiet = rules({"quiet": "night"}, quiet_hours=NIGHT)
    now = datetime(2026, 1, 10, hour, 30, tzinfo=UTC)
    decision = route(quiet, published().data, now=now)
    if ends is None:
        assert isinstance(decision, Deliver)
    else:
        assert isinstance(decision, Hold)
        assert decision.until.astimezone(UTC).hour == ends


def test_severity_is_what_the_event_says_or_its_type_ends_in():
    assert severity_of(published(data={"severity": "Fatal"}).data) == "critical"
    assert severity_of(published(client_type="backup.failed", data={}).data) == "high"
    assert severity_of(published(client_type="tick", data={}).data) == "info"


async def test_fan_out_makes_an_event_of_its_own_for_each_destination_and_asks_no_route_twice():
    world = World(routes={"routes": [{"to": ["ops", "dba"]}]})
    copies = list(await world.handle(published(1)))
    assert [(one.topic, one.event.key, one.event.id) for one in copies] == [
        (topics.EVENTS_PUBLISHED, "ops", "event:1/to-ops"),
        (topics.EVENTS_PUBLISHED, "dba", "event:1/to-dba"),
    ]
    assert world.requests == []
    for copy in copies:
        assert list(await world.handle(copy.event)) == []
    assert [request.url.path for request in world.requests] == [
        "/api/v10/webhooks/1/hook-secret",
        "/api/v10/webhooks/2/hook-secret",
    ]


async def test_in_quiet_hours_an_event_waits_without_an_attempt():
    always = {"always": {"start": "00:00", "end": "00:00"}}
    world = World(routes={"quiet_hours": always, "routes": [{"quiet": "always"}]})
    with pytest.raises(NotNow) as caught:
        await world.handle(published())
    assert 0 < caught.value.wait_s <= 86_400
    assert world.requests == []


async def test_an_event_for_a_digest_is_kept_and_not_shown():
    world = World(routes={"routes": [{"digest": {"every_s": 60}}]})
    await world.handle(published(1))
    assert [event_id for event_id, _ in world.digests.entries] == ["event:1"]
    assert world.requests == []


def test_a_digest_is_the_same_event_whoever_makes_it():
    row = {"title": "Disk 80 %", "severity": "low", "source": "/db1", "at": NOON}
    one = digest_event("ops", "event:1/digest", [row] * 30)
    assert one == digest_event("ops", "event:1/digest", [row] * 30)
    assert (one.data.data["count"], one.data.data["more"], len(one.data.data["entries"])) == (30, 10, 20)
    assert one.data.routed


# --- one message for many events --------------------------------------------------------------------


async def test_repeats_of_a_dedupe_key_are_counted_on_one_message():
    world = World()
    for n in range(3):
        await world.handle(published(n, dedupe_key="disk"))
    assert world.methods == ["POST", "PATCH", "PATCH"]
    assert json.loads(world.requests[-1].content)["embeds"][0]["title"].startswith("(3 times) ")
    await world.handle(published(2, dedupe_key="disk"))
    assert len(world.requests) == 3, "a redelivery is no repeat"


async def test_after_the_window_a_repeat_is_a_new_message():
    world = World(routes={"dedupe_window_s": 60})
    await world.handle(published(1, dedupe_key="disk"))
    later = replace(published(2, dedupe_key="disk"), time=datetime.now(UTC) + timedelta(seconds=61))
    await world.handle(later)
    assert world.methods == ["POST", "POST"]


async def test_later_events_of_a_thread_key_edit_its_message_and_an_older_one_changes_nothing():
    world = World()
    first, second, third = (published(n, thread_key="backup", data={"message": f"m{n}"}) for n in range(3))
    await world.handle(first)
    await world.handle(third)
    await world.handle(replace(second, time=first.time))
    assert world.methods == ["POST", "PATCH"]
    assert json.loads(world.requests[-1].content)["embeds"][0]["description"] == "m2"


async def test_while_the_first_event_of_a_key_is_not_shown_the_others_wait_for_it():
    world = World(httpx.Response(503))
    with pytest.raises(Exception, match="503"):
        await world.handle(published(1, thread_key="backup"))
    with pytest.raises(NotNow, match="being made"):
        await world.handle(published(2, thread_key="backup"))
    await world.handler.apologise(
        *_given_up(published(1, thread_key="backup"), Expired("gone"), ErrorClass.EXPIRED)
    )
    await world.handle(published(2, thread_key="backup"))
    assert world.methods == ["POST", "POST"]


async def test_a_message_that_somebody_deleted_is_made_anew():
    world = World()
    await world.handle(published(1, thread_key="backup"))
    world.script.append(httpx.Response(404, json={"code": 10008, "message": "Unknown Message"}))
    with pytest.raises(NotNow):
        await world.handle(published(2, thread_key="backup"))
    await world.handle(published(2, thread_key="backup"))
    assert world.methods == ["POST", "PATCH", "POST"]


# --- destinations that are gone --------------------------------------------------------------------


def _given_up(event, error, error_class=ErrorClass.PERMANENT):
    return delivery_message(event), GivenUp(error_class=error_class, reason=str(error), error=error)


async def test_a_deleted_webhook_is_disabled_and_its_owner_told_through_another():
    gone = httpx.Response(404, json={"code": 10015, "message": "Unknown Webhook"})
    world = World(gone)
    with pytest.raises(TargetGone) as caught:
        await world.handle(published(1))
    (notice,) = await world.handler.apologise(*_given_up(published(1), caught.value))
    assert (notice.event.key, notice.event.data.destination) == ("dba", "dba")
    assert notice.event.data.data["destination"] == "ops"
    assert "10015" in notice.event.data.data["why"]
    with pytest.raises(Undeliverable, match="posta destinations enable ops"):
        await world.handle(published(2))
    assert len(world.requests) == 1, "a webhook that is gone is never called again"
    assert await world.handler.apologise(*_given_up(published(2), Undeliverable("x"))) == []
    await world.handle(notice.event)
    assert world.requests[-1].url.path.startswith("/api/v10/webhooks/2/")


# --- answers that are too late ----------------------------------------------------------------------


async def test_an_answer_too_late_for_its_token_goes_by_direct_message_with_a_reference():
    world = World(bot=True)
    reply = late(text="Because.")
    (other,) = await world.handle(reply)
    assert world.requests == [], "nothing is tried with a dead token"
    assert other.topic is topics.REPLIES_READY
    assert (other.event.key, other.event.data.target.route) == ("discord:dm:5", "dm")
    world.script = [httpx.Response(200, json={"id": "99"}), httpx.Response(200, json={"id": "1"})]
    await world.handle(other.event)
    opened, sent = world.requests
    assert json.loads(opened.content) == {"recipient_id": "5"}
    assert sent.url.path == "/api/v10/channels/99/messages"
    assert sent.headers["authorization"] == "Bot a-bot-secret"
    body = json.loads(sent.content)
    assert "Because." in body["content"]
    assert "reference" in body["content"]
    assert body["enforce_nonce"] is True
    assert len(body["nonce"]) == 25


async def test_who_takes_no_direct_messages_is_answered_in_the_channel_and_only_they_are_notified():
    world = World(bot=True)
    (by_dm,) = await world.handle(late(text="Porque sí.", locale="es-ES"))
    refused = TargetGone("Discord answered 403/50007", code=50007)
    (by_channel,) = await world.handler.apologise(*_given_up(by_dm.event, refused))
    assert by_channel.event.key == "discord:channel:6"
    assert by_channel.event.id.endswith("/fallback-2")
    await world.handle(by_channel.event)
    body = json.loads(world.requests[-1].content)
    assert body["content"].startswith("<@5> aquí tienes")
    assert body["allowed_mentions"] == {"parse": [], "users": ["5"]}
    assert await world.handler.apologise(*_given_up(by_channel.event, refused)) == []


@pytest.mark.parametrize("parts", [1, 3])
async def test_what_was_asked_in_private_is_answered_there_whole(parts):
    world = World()
    text = "\n\n".join(f"{number} " + "x" * 1800 for number in range(parts))
    reply = discord_reply(text=text)
    private = reply.data.target.model_copy(update={"ephemeral": True})
    await world.handle(replace(reply, data=reply.data.model_copy(update={"target": private})))
    edit, *follow_ups = world.requests
    assert edit.method == "PATCH"
    assert json.loads(edit.content)["content"].startswith("0 x")
    assert [json.loads(one.content)["flags"] for one in follow_ups] == [64] * (parts - 1)


async def test_what_was_asked_in_private_is_never_answered_in_public():
    world = World(bot=False, routes={"answers": {"fallback": ["channel", "ops"]}})
    reply = late(text="A secret.")
    private = reply.data.target.model_copy(update={"ephemeral": True})
    with pytest.raises(Expired):
        await world.handle(replace(reply, data=reply.data.model_copy(update={"target": private})))
    (public,) = await world.handle(reply)
    assert public.event.data.target.route == "destination"


async def test_an_answer_goes_to_a_destination_the_other_way_unless_nothing_is_sent_there_any_more():
    world = World(routes={"answers": {"fallback": ["ops", "nowhere"]}})
    (there,) = await world.handle(late(text="Because."))
    await world.handle(there.event)
    assert world.requests[-1].url.path == "/api/v10/webhooks/1/hook-secret"
    assert "Because." in json.loads(world.requests[-1].content)["content"]
    await world.directory.disable("ops", why="it was deleted")
    (there,) = await world.handle(late(number=2))
    with pytest.raises(Undeliverable, match="it was deleted") as refused:
        await world.handle(there.event)
    assert len(world.requests) == 1
    (nowhere,) = await world.handler.apologise(*_given_up(there.event, refused.value))
    with pytest.raises(Permanent, match="nowhere"):
        await world.handle(nowhere.event)


async def test_an_answer_whose_bucket_opens_too_late_does_not_wait_for_it():
    world = World(bot=True)
    reply = discord_reply(at=datetime.now(UTC) - timedelta(minutes=12))
    reply = replace(reply, expires_at=reply.time + timedelta(minutes=14))
    target = reply.data.target.model_copy(update={"user_id": "5"})
    reply = replace(reply, data=reply.data.model_copy(update={"target": target}))
    world.script = [httpx.Response(429, json={"retry_after": 300})]
    with pytest.raises(NotNow):
        await world.handle(reply)
    (other,) = await world.handle(reply)
    assert other.event.data.target.route == "dm"
    assert len(world.requests) == 1


# --- long answers -----------------------------------------------------------------------------------


async def test_a_long_answer_becomes_an_edit_and_follow_ups_as_private_as_the_original():
    world = World()
    world.shown["flags"] = 64 | 128
    text = "\n\n".join(f"Paragraph {n}: " + "word " * 150 for n in range(5))
    reply = discord_reply(text=text)
    world.script = [httpx.Response(200, json={"id": "1", "flags": 64})]
    await world.handle(reply)
    assert world.methods == ["PATCH", "POST", "POST"]
    bodies = [json.loads(request.content) for request in world.requests]
    assert all(len(body["content"]) <= 2000 for body in bodies)
    assert [body.get("flags") for body in bodies] == [None, 64, 64]
    assert all(body["allowed_mentions"] == {"parse": []} for body in bodies)
    world.restarted()
    await world.handle(reply, attempt=2)
    assert world.methods[3:] in ([], ["GET"]), "no part is sent twice"


async def test_what_is_too_long_for_five_messages_is_attached_to_the_last_as_a_file():
    world = World()
    await world.handle(discord_reply(text="word " * 5000))
    assert world.methods == ["PATCH", "POST", "POST", "POST", "POST"]
    last = world.requests[-1]
    assert last.headers["content-type"].startswith("multipart/form-data")
    assert b'filename="answer.md"' in last.content
    assert b'name="payload_json"' in last.content


async def test_a_part_whose_answer_was_lost_is_looked_for_among_the_channels_messages():
    world = World(bot=True)
    reply = discord_reply(text="\n\n".join("word " * 300 for _ in range(2)))
    target = reply.data.target.model_copy(update={"channel_id": "6", "guild_id": "7"})
    reply = replace(reply, data=reply.data.model_copy(update={"target": target}))
    world.script = [httpx.Response(200, json={"id": "1", "flags": 0}), "lost"]
    with pytest.raises(Exception, match="missing"):
        await world.handle(reply)
    part = json.loads(world.requests[1].content)["content"]
    listed = [{"id": "2", "content": part, "interaction_metadata": {"id": target.interaction_id}}]
    world.script = [httpx.Response(200, json={"flags": 0}), httpx.Response(200, json=listed)]
    await world.handle(reply, attempt=2)
    assert world.methods == ["PATCH", "POST", "GET", "GET"]


# --- posts whose outcome is unknown ------------------------------------------------------------------


async def test_with_a_bot_a_post_whose_answer_was_lost_is_looked_up_and_not_made_again():
    world = World("lost", bot=True)
    with pytest.raises(Exception, match="missing"):
        await world.handle(published(1))
    shown = json.loads(world.requests[0].content)
    ours = {"id": str((int(world.now * 1000) - DISCORD_EPOCH_MS) << 22), "webhook_id": "1", **shown}
    world.script = [httpx.Response(200, json=[{"id": "3", "webhook_id": "2", **shown}, ours])]
    await world.handle(published(1), attempt=2)
    assert world.methods == ["POST", "GET"]
    assert str(world.requests[1].url).startswith(f"{API}/channels/77/messages?after=")


async def test_a_look_that_shows_nothing_or_somebody_elses_message_lets_the_post_be_made():
    world = World("lost", bot=True)
    with pytest.raises(Exception, match="missing"):
        await world.handle(published(1))
    hidden = {"id": "9", "webhook_id": "1", "content": "", "embeds": []}
    world.script = [httpx.Response(200, json=[hidden])]
    await world.handle(published(1), attempt=2)
    assert world.methods == ["POST", "GET", "POST"]


async def test_a_bot_token_that_discord_refuses_stops_the_bots_calls_and_nothing_else():
    world = World(httpx.Response(401, json={"code": 0, "message": "401: Unauthorized"}), bot=True)
    (other,) = await world.handle(late())
    for _ in range(2):
        with pytest.raises(NotNow, match="token"):
            await world.handle(other.event)
    assert len(world.requests) == 1
    await world.handle(published(1))
    assert world.methods == ["POST", "POST"]

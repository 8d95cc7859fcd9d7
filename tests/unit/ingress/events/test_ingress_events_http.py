"""What publishers see of `/v1/events`: once for one key, batches, what became of it, and cancelling."""

import asyncio
import json
from types import SimpleNamespace

import pytest
from support.ingress_rig import CONFIG, NOW

from ingress.events import addresses
from ingress.events.addresses import AddressBook
from ingress.events.idempotency import Held, Idempotency, request_of
from ingress.events.idempotency_store import MemoryStore
from ingress.spool_file import SpoolFull
from posta.auth import ApiKey, ApiKeys, Principal, digest_of, new_key
from posta.destinations import load_destinations
from posta.domain.envelope import decode
from posta.errors import Unavailable
from posta.postgres.event_fates import Noted
from posta.postgres.keyring import KeyRing

EVENT = {"type": "backup.done", "data": {"gb": 3}}
CLOUD = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}


def problem(response, status):
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return response.json()


async def keyed(rig, body, key="k1"):
    return await rig.publish(body, **{"idempotency-key": key})


# --- Idempotency-Key -----------------------------------------------------------------------------


async def test_the_same_key_and_body_get_the_first_answer_and_publish_nothing(rig):
    first, second = await keyed(rig, EVENT), await keyed(rig, EVENT)
    assert (second.status_code, second.content) == (202, first.content)
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert len(rig.publisher.written) == 1


async def test_the_same_key_with_another_body_is_422(rig):
    await keyed(rig, EVENT)
    assert "another request" in problem(await keyed(rig, EVENT | {"type": "other"}), 422)["title"]
    assert len(rig.publisher.written) == 1


async def test_a_second_request_while_the_first_is_in_flight_is_409(rig):
    rig.publisher.delay_s = 0.1
    first = asyncio.ensure_future(keyed(rig, EVENT))
    while not rig.publisher.attempts:  # noqa: ASYNC110 - it only passes the turn on
        await asyncio.sleep(0)
    second = await keyed(rig, EVENT)
    problem(second, 409)
    assert second.headers["retry-after"] == "1"
    assert (await first).status_code == 202
    assert (await keyed(rig, EVENT)).headers["idempotent-replayed"] == "true"


async def test_a_request_that_failed_may_be_made_again_with_its_key(rig, monkeypatch):
    async def full(*_args, **_kwargs):
        raise SpoolFull("full")

    rig.publisher.away = True
    with monkeypatch.context() as patch:
        patch.setattr(rig.spool, "put", full)
        problem(await keyed(rig, EVENT), 503)
    assert (await keyed(rig, EVENT)).status_code == 202


async def test_without_the_database_the_answer_says_that_it_is_best_effort(rig):
    class Away(MemoryStore):
        async def begin(self, request):
            raise Unavailable("postgres", "the test said so")

    rig.events_of(idempotency=Idempotency(Away(), MemoryStore()))
    first, second = await keyed(rig, EVENT), await keyed(rig, EVENT)
    assert first.headers["posta-idempotency"] == "best-effort"
    assert second.headers["idempotent-replayed"] == "true"
    assert len(rig.publisher.written) == 1


async def test_a_key_is_forgotten_after_a_day_and_taken_over_from_a_holder_that_fell_silent():
    now = 0.0
    store = MemoryStore(clock=lambda: now)
    idempotency = Idempotency(store, MemoryStore())
    assert isinstance(await idempotency.begin(make_request()), Held)
    now = 29.9
    assert (await idempotency.begin(make_request())).value == "in flight"
    now = 30.0
    assert isinstance(await idempotency.begin(make_request()), Held)
    now = 30 + 24 * 3600
    assert isinstance(await idempotency.begin(make_request(body=b"other")), Held)


def make_request(body=b"{}"):
    return request_of(publisher="p", key="k", media_type="m", attributes="", body=body)


# --- batches -------------------------------------------------------------------------------------


async def batch(rig, *events, **headers):
    return await rig.http.post(
        "/v1/events",
        content=json.dumps(events),
        headers={
            "authorization": f"Bearer {rig.api_key}",
            "content-type": "application/cloudevents-batch+json",
            **headers,
        },
    )


async def test_a_batch_is_accepted_in_its_order_with_an_id_each(rig):
    response = await batch(rig, CLOUD, CLOUD | {"id": "2"}, CLOUD | {"id": "3"})
    assert response.status_code == 202
    ids = [event["id"] for event in response.json()["events"]]
    assert ids == rig.publisher.ids
    assert len(set(ids)) == 3


async def test_a_batch_with_one_wrong_event_publishes_none(rig):
    body = problem(await batch(rig, CLOUD, CLOUD | {"destination": "nope"}), 422)
    assert body["errors"][0]["path"] == "1/destination"
    assert rig.publisher.attempts == 0


async def test_a_batch_with_a_key_is_answered_once(rig):
    first = await batch(rig, CLOUD, CLOUD, **{"idempotency-key": "b"})
    second = await batch(rig, CLOUD, CLOUD, **{"idempotency-key": "b"})
    assert first.content == second.content
    assert len(set(rig.publisher.ids)) == 2


# --- what the record carries ---------------------------------------------------------------------


async def test_the_record_carries_times_priority_and_keys(rig):
    await rig.publish(
        EVENT
        | {
            "deliver_at": "2026-01-02T04:00:00Z",
            "expires_at": "2026-01-02T05:00:00Z",
            "priority": "low",
            "dedupe_key": "d",
            "thread_key": "t",
        }
    )
    ((_, wire),) = rig.publisher.written
    event = decode(key=wire.key, value=wire.value, headers=wire.headers)
    assert event.data.deliver_at.isoformat() == "2026-01-02T04:00:00+00:00"
    assert event.expires_at.isoformat() == "2026-01-02T05:00:00+00:00"
    assert (event.data.priority, event.data.dedupe_key, event.data.thread_key) == ("low", "d", "t")


async def test_a_time_that_is_over_is_422(rig):
    body = problem(await rig.publish(EVENT | {"expires_at": "2026-01-02T03:00:00Z"}), 422)
    assert body["errors"][0]["path"] == "expires_at"


# --- what became of it ---------------------------------------------------------------------------


async def ask(rig, event_id, method="GET", key=None):
    headers = {"authorization": f"Bearer {key or rig.api_key}"}
    return await rig.http.request(method, f"/v1/events/{event_id}", headers=headers)


async def test_its_publisher_can_follow_an_event_from_the_first_moment(rig):
    event_id = (await rig.publish(EVENT)).json()["id"]
    shown = (await ask(rig, event_id)).json()
    assert (shown["id"], shown["status"], shown["publisher"]) == (event_id, "ACCEPTED", "backup")
    rig.published.rows[event_id].deliveries.append("sent")
    assert (await ask(rig, event_id)).json()["status"] == "SENT"


async def test_an_event_that_another_one_shows_says_which(rig):
    event_id = (await rig.publish(EVENT)).json()["id"]
    await ask(rig, event_id)
    row = rig.published.rows[event_id]
    row.deliveries.append("sent")
    row.folded_into = ("event:0",)
    shown = (await ask(rig, event_id)).json()
    assert (shown["status"], shown["shown_with"], shown["digest_due_at"]) == ("FOLDED", ["event:0"], None)


async def test_an_event_is_cancelled_before_it_is_sent_and_stays_so(rig):
    later = EVENT | {"deliver_at": "2026-01-02T04:00:00Z"}
    event_id = (await rig.publish(later)).json()["id"]
    assert (await ask(rig, event_id)).json()["status"] == "SCHEDULED"
    for _ in range(2):
        gone = await ask(rig, event_id, "DELETE")
        assert (gone.status_code, gone.json()["status"], gone.json()["cancelled_by"]) == (
            200,
            "CANCELLED",
            "backup",
        )
    ((_, wire),) = rig.publisher.written
    event = decode(key=wire.key, value=wire.value, headers=wire.headers)
    assert await rig.published.claim(event) is False


async def test_it_is_too_late_to_cancel_what_is_being_sent(rig):
    event_id = (await rig.publish(EVENT)).json()["id"]
    await rig.journal.flush()
    rig.published.rows[event_id].is_claimed = True
    assert problem(await ask(rig, event_id, "DELETE"), 409)["event_status"] == "SENDING"


async def test_another_publishers_event_looks_like_none(rig):
    await rig.published.note([Noted(event_id="event:x", publisher="other", client_type="t", destination="ops",
                                    accepted_at=NOW)])  # fmt: skip
    for event_id in ("event:x", "event:nothing"):
        problem(await ask(rig, event_id), 404)
        problem(await ask(rig, event_id, "DELETE"), 404)


async def test_a_key_without_the_scope_sees_nothing(rig):
    problem(await ask(rig, "event:x", key=rig.useless_key), 403)
    problem(await ask(rig, "event:x", key="posta_wrong"), 401)
    problem(await ask(rig, "event:%00"), 422)


async def test_without_the_database_events_are_accepted_and_their_fate_is_503(rig):
    rig.published.away = True
    accepted = await rig.publish(EVENT)
    assert accepted.status_code == 202
    problem(await ask(rig, accepted.json()["id"]), 503)
    problem(await ask(rig, accepted.json()["id"], "DELETE"), 503)
    rig.published.away = False
    assert (await ask(rig, accepted.json()["id"])).json()["status"] == "ACCEPTED"


# --- what a key may ------------------------------------------------------------------------------


async def test_a_key_from_the_database_is_held_to_its_sources_and_destinations(rig):
    key = new_key()
    who = Principal(
        name="db", scopes=frozenset({"events:publish"}), sources=("/db/*",), destinations=("ops",)
    )

    class Table:
        async def usable(self):
            return (ApiKey(principal=who, sha256=digest_of(key)),)

        async def note_used(self, digests):
            pass

    rig.events_of(keys=KeyRing(ApiKeys.parse(""), Table()))
    rig.api_key = key
    assert (await rig.publish(EVENT | {"source": "/db/1"})).status_code == 202
    assert "/db/*" in problem(await rig.publish(EVENT | {"source": "/web"}), 403)["detail"]


async def test_a_key_from_the_database_opens_what_operators_ask_for_too(rig):
    key = new_key()
    who = Principal(name="ops", scopes=frozenset({"governor:read"}))

    class Table:
        async def usable(self):
            return (ApiKey(principal=who, sha256=digest_of(key)),)

        async def note_used(self, digests):
            pass

    ring = KeyRing(ApiKeys.parse(""), Table())
    await ring.refresh()
    rig.events_of(keys=ring)
    asked = {"authorization": f"Bearer {key}"}
    assert (await rig.http.get("/admin/governor/stats", headers=asked)).status_code == 200
    assert (await rig.http.get("/v1/events/x", headers=asked)).status_code == 403


class Registered:
    """Destinations as `posta destinations` keeps them."""

    def __init__(self, *names):
        self.names = names
        self.away = False

    async def all(self):
        if self.away:
            raise Unavailable("postgres", "the test said so")
        return [SimpleNamespace(id=name) for name in self.names]


async def test_the_only_destination_of_a_key_is_looked_for_as_if_it_were_named(rig):
    key, registry = new_key(), Registered()
    who = Principal(name="ci", scopes=frozenset({"events:publish"}), destinations=("deploys",))

    class Table:
        async def usable(self):
            return (ApiKey(principal=who, sha256=digest_of(key)),)

        async def note_used(self, digests):
            pass

    now = 0.0
    book = AddressBook(load_destinations(CONFIG / "destinations.yaml"), registry, clock=lambda: now)
    await book.refresh()
    registry.names, now = ("deploys",), 2.0
    rig.events_of(keys=KeyRing(ApiKeys.parse(""), Table()), book=book)
    rig.api_key = key
    assert (await rig.publish(EVENT)).status_code == 202
    ((_, wire),) = rig.publisher.written
    assert wire.key == b"deploys"


async def test_a_registered_destination_is_known_at_once_and_while_the_database_is_away(rig, tmp_path):
    configured = load_destinations(CONFIG / "destinations.yaml")
    registry, file = Registered(), tmp_path / "i" / "destinations.json"
    waits = []

    async def sleep(seconds):
        waits.append(seconds)

    now = 0.0
    rig.events_of(book=AddressBook(configured, registry, file=file, clock=lambda: now, sleep=sleep))
    problem(await rig.publish(EVENT | {"destination": "team"}), 422)
    registry.names, now = ("team",), 0.4
    assert (await rig.publish(EVENT | {"destination": "team"})).status_code == 202
    assert waits == [pytest.approx(0.6)]
    assert (await rig.publish(EVENT | {"destination": "team"})).status_code == 202
    assert len(waits) == 1
    registry.away = True
    rig.events_of(book=AddressBook(configured, registry, file=file))
    assert (await rig.publish(EVENT | {"destination": "team"})).status_code == 202
    assert rig.publisher.written[-1][1].key == b"team"


async def test_a_destination_that_cannot_be_looked_for_is_asked_for_again_later(rig):
    """It may have been registered a moment ago: 422 would have its publisher throw the event away."""
    registry = Registered("team")
    registry.away = True
    book = AddressBook(load_destinations(CONFIG / "destinations.yaml"), registry, clock=lambda: now)
    rig.events_of(book=book)
    now = 0.0
    response = await rig.publish(EVENT | {"destination": "team"})
    problem(response, 503)
    assert response.headers["retry-after"] == "5"
    assert (await rig.publish(EVENT)).status_code == 202, "one that is known needs no look"
    registry.away, now = False, 2.0
    assert (await rig.publish(EVENT | {"destination": "team"})).status_code == 202
    problem(await rig.publish(EVENT | {"destination": "nobody's"}), 422)


async def test_a_registry_that_hangs_is_no_reason_to_refuse_for_good(monkeypatch):
    monkeypatch.setattr(addresses, "_WAIT_S", 0.01)
    registry = Registered()
    registry.all = asyncio.Event().wait
    book = AddressBook(load_destinations(CONFIG / "destinations.yaml"), registry)
    with pytest.raises(Unavailable):
        await book.look_for(["team"])


async def test_all_who_ask_for_unknown_destinations_share_a_look_a_second():
    reads = []

    class Slow(Registered):
        async def all(self):
            reads.append(now)
            await asyncio.sleep(0)
            return await super().all()

    async def sleep(seconds):
        nonlocal now
        now += seconds
        await asyncio.sleep(0)

    def clock():
        nonlocal now
        now += 0.001
        return now

    now = 0.0
    configured = load_destinations(CONFIG / "destinations.yaml")
    book = AddressBook(configured, Slow(), clock=clock, sleep=sleep)
    for _ in range(3):
        await asyncio.gather(*(book.look_for([f"no-{n}"]) for n in range(20)))
    assert reads == pytest.approx([0.0, 1.0, 2.0, 3.0], abs=0.1)


@pytest.mark.parametrize("deliver_at", ["2026-03-01T00:00:00Z", "tomorrow"])
async def test_a_time_too_far_ahead_or_none_at_all_is_422(rig, deliver_at):
    problem(await rig.publish(EVENT | {"deliver_at": deliver_at}), 422)

import asyncio
from datetime import UTC, datetime

import pytest
from support.dead_letters import PAYLOAD, headers, record
from support.dlq_console import console
from support.engine_rig import eventually

from dlq_admin.dead_letter import Bytes
from dlq_admin.originals import Found, Whole
from posta.errors import Permanent, Transient

SECRET = PAYLOAD["token"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/dead-letters", None),
        ("GET", "/v1/dead-letters/groups", None),
        ("GET", "/v1/dead-letters/1", None),
        ("POST", "/v1/dead-letters/1/replay", None),
        ("POST", "/v1/dead-letters/1/discard", {"reason": "old"}),
        ("POST", "/v1/dead-letters/1/release", {"reason": "old"}),
        ("POST", "/v1/dead-letters/replay", {"ids": [1]}),
        ("POST", "/v1/dead-letters/discard", {"ids": [1], "reason": "old"}),
    ],
)
async def test_every_route_wants_a_key_with_its_scope(method, path, body):
    async with console() as given:
        await given.index(record())

        async def ask(headers):
            return (await given.client.request(method, path, json=body, headers=headers)).status_code

        assert await ask({}) == 401
        assert await ask({"authorization": "Bearer posta_wrong"}) == 401
        assert await ask(given.bearer("publisher")) == 403
        assert (await ask(given.bearer("viewer")) == 403) == (method == "POST")
        assert await ask(given.bearer("admin")) < 300


async def test_a_stored_key_opens_what_its_scopes_allow_and_no_more():
    async with console() as given:
        await given.index(record())
        holder = {"authorization": f"Bearer {given.stored.create('ana', 'dlq:read')}"}
        assert (await given.client.get("/v1/dead-letters/1", headers=holder)).status_code == 200
        assert (await given.client.get("/v1/dead-letters/1?reveal=true", headers=holder)).status_code == 403
        assert (await given.client.post("/v1/dead-letters/1/replay", headers=holder)).status_code == 403
        assert (await given.client.get("/v1/engine", headers=holder)).status_code == 403


async def test_the_list_shows_metadata_newest_first_page_by_page():
    async with console() as given:
        await given.index(*(record(offset) for offset in range(5)))
        first = (await given.client.get("/v1/dead-letters?limit=3", headers=given.bearer())).json()
        rest = (
            await given.client.get(
                f"/v1/dead-letters?limit=3&before={first['next_before']}", headers=given.bearer()
            )
        ).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == [5, 4, 3, 2, 1]
    assert rest["next_before"] is None
    assert "payload" not in first["items"][0]
    assert first["items"][0]["class"] == "transient"
    assert first["items"][0]["original"]["topic"] == "discord.interactions"


async def test_the_list_is_filtered_and_groups_count():
    async with console() as given:
        await given.index(
            record(0),
            record(1, headers=headers(posta_fingerprint="feed", posta_error_class="permanent")),
            record(2, topic="notifier.dlq", headers=headers(posta_reason="Discord said 404")),
        )

        async def ids(query):
            answer = await given.client.get(f"/v1/dead-letters?{query}", headers=given.bearer())
            return [item["id"] for item in answer.json()["items"]]

        assert await ids("group=notifier") == [3]
        assert await ids("class=permanent") == [2]
        assert await ids("fingerprint=feed") == [2]
        assert await ids("q=discord+said") == [3]
        assert await ids("state=discarded") == []
        assert await ids("type=posta.discord.interaction.v1") == [3, 2, 1]
        groups = (await given.client.get("/v1/dead-letters/groups", headers=given.bearer())).json()["items"]
    assert sorted((g["group"], g["fingerprint"], g["count"]) for g in groups) == [
        ("llm-worker", "0123456789abcdef", 1),
        ("llm-worker", "feed", 1),
        ("notifier", "0123456789abcdef", 1),
    ]


async def test_one_is_shown_whole_without_its_secrets():
    value = b'{"token": "%s", "text": "write to ada@example.org", "n": 1}' % SECRET.encode()
    async with console() as given:
        await given.index(record(value=value))
        answer = await given.client.get("/v1/dead-letters/1", headers=given.bearer())
        refused = await given.client.get("/v1/dead-letters/1?reveal=true", headers=given.bearer())
        revealed = await given.client.get("/v1/dead-letters/1?reveal=true", headers=given.bearer("inspector"))
    assert SECRET not in answer.text + revealed.text
    assert "ada@example.org" not in answer.text
    assert "a***@example.org" in answer.text
    assert refused.status_code == 403
    assert "ada@example.org" in revealed.text
    assert answer.json()["payload"]["form"] == "json"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_replay_puts_the_original_on_the_shortest_lane_and_is_audited():
    async with console() as given:
        await given.index(record())
        answer = await given.client.post(
            "/v1/dead-letters/1/replay", headers=given.bearer(), json={"reason": "provider is back"}
        )
        again = await given.client.post("/v1/dead-letters/1/replay", headers=given.bearer())
        letter = (await given.client.get("/v1/dead-letters/1", headers=given.bearer())).json()
    assert answer.status_code == 200
    assert answer.json()["state"] == "replayed"
    assert again.status_code == 409
    assert again.headers["content-type"] == "application/problem+json"
    [(topic, wire)] = given.published
    assert topic == "llm-worker.retry.5s"
    assert (wire.key, wire.value) == (record().key, record().value)
    assert [(e["actor"], e["reason"], e["outcome"]) for e in letter["audit"]] == [
        ("admin", "provider is back", "started"),
        ("admin", "provider is back", "replayed"),
    ]


def wishes(given):
    return [
        [value.decode() for name, value in wire.headers if name == "posta-from-scratch"]
        for _, wire in given.published
    ]


async def test_a_question_is_answered_from_scratch_only_when_that_is_asked_for_and_the_audit_says_so():
    async with console() as given:
        await given.index(record(0), record(1))
        await given.client.post("/v1/dead-letters/1/replay", headers=given.bearer())
        await given.client.post(
            "/v1/dead-letters/2/replay",
            headers=given.bearer(),
            json={"from_scratch": True, "reason": "better"},
        )
        letter = (await given.client.get("/v1/dead-letters/2", headers=given.bearer())).json()
    assert wishes(given) == [[], ["dead letter 2, replay 1"]]
    assert letter["audit"][-1]["reason"] == "from scratch: better"


async def test_an_earlier_replays_wish_does_not_come_along():
    async with console() as given:
        await given.index(record(headers=headers(posta_from_scratch="dead letter 7, replay 1")))
        await given.client.post("/v1/dead-letters/1/replay", headers=given.bearer())
    assert wishes(given) == [[]]


async def test_only_questions_are_answered_from_scratch():
    async with console(POSTA_REPLAY__RATE_PER_S="1000") as given:
        await given.index(record(topic="notifier.dlq"))
        one = await given.client.post(
            "/v1/dead-letters/1/replay", headers=given.bearer(), json={"from_scratch": True}
        )
        assert (one.status_code, given.published) == (422, [])
        await given.index(record(1))
        await given.client.post(
            "/v1/dead-letters/replay", headers=given.bearer(), json={"ids": [1, 2], "from_scratch": True}
        )
        await run_until(given, lambda: len(given.published) == 2)
    assert sorted(wishes(given)) == [[], ["dead letter 2, replay 1"]]


async def test_a_replay_from_scratch_that_is_published_again_is_the_same_wish():
    async with console() as given:
        await given.index(record())
        given.kafka_fault = Transient("no answer")
        await given.client.post(
            "/v1/dead-letters/1/replay", headers=given.bearer(), json={"from_scratch": True}
        )
        (claimed,) = await given.store.lease(ids=(1,), limit=1, lease_s=60)
    assert claimed.from_scratch


async def test_the_same_key_with_and_without_from_scratch_are_two_requests():
    async with console() as given:
        await given.index(record())
        key = given.bearer(**{"idempotency-key": "k1"})
        await given.client.post("/v1/dead-letters/1/replay", headers=key)
        other = await given.client.post("/v1/dead-letters/1/replay", headers=key, json={"from_scratch": True})
    assert other.status_code == 422


async def test_the_same_idempotency_key_replays_once():
    async with console() as given:
        await given.index(record(0), record(1))
        key = given.bearer(**{"idempotency-key": "k1"})
        first = await given.client.post("/v1/dead-letters/1/replay", headers=key)
        second = await given.client.post("/v1/dead-letters/1/replay", headers=key)
        other = await given.client.post("/v1/dead-letters/2/replay", headers=key)
        odd = await given.client.post(
            "/v1/dead-letters/2/replay", headers=given.bearer(**{"idempotency-key": "x" * 201})
        )
    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["state"] == "replayed"
    assert len(given.published) == 1
    assert other.status_code == 422
    assert odd.status_code == 400


async def test_a_truncated_dead_letter_is_refused_with_what_to_do():
    async with console() as given:
        await given.index(record(headers=headers(posta_truncated="1")))
        answer = await given.client.post("/v1/dead-letters/1/replay", headers=given.bearer())
    assert answer.status_code == 409
    assert "send the event again from its source" in answer.json()["detail"]
    assert given.published == []


@pytest.mark.parametrize(
    ("found", "status"), [(Found.THERE, 200), (Found.ANOTHER, 409), (Found.UNKNOWN, 202)]
)
async def test_a_truncated_one_shows_its_pointer_and_is_replayed_whole_where_the_original_is_still_there(
    found, status
):
    whole = Bytes(key=b"k", value=b"whole", headers=())
    pointer = headers(posta_truncated="3", posta_original_size="5", posta_original_sha256="ab" * 32)
    async with console() as given:
        given.original = Whole(found=found, record=whole if found is Found.THERE else None)
        await given.index(record(value=b"who", headers=pointer))
        shown = (await given.client.get("/v1/dead-letters/1", headers=given.bearer())).json()
        answer = await given.client.post("/v1/dead-letters/1/replay", headers=given.bearer())
        await given.sign_in()
        page = (await given.client.get("/dead-letters/1")).text
    assert shown["original_record"] == {
        "found": found.value,
        "topic": "discord.interactions",
        "partition": 2,
        "offset": 41,
        "bytes": 5,
        "sha256": "ab" * 32,
        "kept_bytes": 3,
    }
    assert ("ab" * 32) in page
    assert answer.status_code == status
    assert [wire.value for _, wire in given.published] == ([b"whole"] if found is Found.THERE else [])


async def test_held_keys_are_listed_and_released_by_an_admin():
    async with console() as given:
        await given.index(record(0, headers=headers(posta_holds_key="1")), record(1))
        url = "/v1/dead-letters"
        held = (await given.client.get(f"{url}?held=true&group=llm-worker", headers=given.bearer())).json()
        viewer = await given.client.post(
            f"{url}/1/release", headers=given.bearer("viewer"), json={"reason": "no"}
        )
        silent = await given.client.post(f"{url}/1/release", headers=given.bearer(), json={})
        answer = await given.client.post(f"{url}/1/release", headers=given.bearer(), json={"reason": "gone"})
        absent = await given.client.post(f"{url}/9/release", headers=given.bearer(), json={"reason": "gone"})
        assert await given.redrive._round() is True
        after = (await given.client.get(f"{url}/1", headers=given.bearer())).json()
    assert [(one["id"], one["key_hold"]) for one in held["items"]] == [(1, "held")]
    assert (viewer.status_code, silent.status_code, absent.status_code) == (403, 422, 404)
    assert (answer.status_code, answer.json()["key_hold"]) == (202, "releasing")
    assert (after["key_hold"], after["state"]) == ("released", "open")
    [(topic, wire)] = given.published
    assert topic == "llm-worker.retry.5s"
    assert (wire.key, dict(wire.headers)["posta-release"]) == (b"discord:1:11", b"1")
    assert [(entry["action"], entry["outcome"], entry["actor"]) for entry in after["audit"]] == [
        ("release", "started", "admin"),
        ("release", "released", "admin"),
    ]


@pytest.mark.parametrize(
    ("found", "key_hold", "released"),
    [(Found.THERE, "released", [b"k" * 3000]), (Found.UNKNOWN, "releasing", []), (Found.GONE, "held", [])],
)
async def test_a_key_of_more_than_a_kibibyte_is_released_whole_or_not_at_all(found, key_hold, released):
    whole = Bytes(key=b"k" * 3000, value=b"whole", headers=())
    cut = headers(posta_holds_key="1", posta_truncated="0", posta_original_size="5")
    async with console(POSTA_REPLAY__LEASE_S="11") as given:
        given.original = Whole(found=found, record=whole if found is Found.THERE else None)
        await given.index(record(key=b"k" * 1024, value=b"", headers=cut))
        url = "/v1/dead-letters/1"
        await given.client.post(f"{url}/release", headers=given.bearer(), json={"reason": "gone"})
        await given.redrive._round()
        after = (await given.client.get(url, headers=given.bearer())).json()
    assert [wire.key for _, wire in given.published] == released
    assert after["key_hold"] == key_hold
    if found is Found.GONE:
        assert "OnDeadLetter.GO_ON" in after["audit"][-1]["outcome"]


async def test_a_release_that_kafka_does_not_confirm_is_sent_again():
    async with console(POSTA_REPLAY__LEASE_S="11") as given:
        await given.index(record(headers=headers(posta_holds_key="1")))
        given.kafka_fault = Transient("Kafka did not confirm")
        body = {"reason": "of no use"}
        await given.client.post("/v1/dead-letters/1/discard", headers=given.bearer(), json=body)
        await given.redrive._round()
        shown = (await given.client.get("/v1/dead-letters/1", headers=given.bearer())).json()
        assert (shown["state"], shown["key_hold"]) == ("discarded", "releasing")
        given.kafka_fault = None
        given.store._rows[1].release_due = datetime.now(UTC)
        await given.redrive._round()
    assert len(given.published) == 1, "discarding releases the key"


async def test_while_kafka_is_away_a_replay_stays_claimed_and_is_taken_up():
    async with console(POSTA_REPLAY__LEASE_S="11") as given:
        await given.index(record())
        given.kafka_fault = Transient("Kafka did not confirm")
        answer = await given.client.post("/v1/dead-letters/1/replay", headers=given.bearer())
        assert answer.status_code == 202
        assert answer.json()["state"] == "replaying"
        discarded = await given.client.post(
            "/v1/dead-letters/1/discard", headers=given.bearer(), json={"reason": "no"}
        )
        assert discarded.status_code == 409
        given.kafka_fault = None
        given.store._rows[1].lease_until = None
        await run_until(given, lambda: bool(given.published))
        letter = (await given.client.get("/v1/dead-letters/1", headers=given.bearer())).json()
    assert letter["state"] == "replayed"


async def test_what_kafka_never_takes_is_open_again_with_the_reason():
    async with console() as given:
        await given.index(record())
        given.kafka_fault = Permanent("a record is larger than Kafka takes")
        answer = await given.client.post("/v1/dead-letters/1/replay", headers=given.bearer())
        letter = (await given.client.get("/v1/dead-letters/1", headers=given.bearer())).json()
    assert answer.json()["state"] == "open"
    assert letter["audit"][-1]["outcome"] == "refused: a record is larger than Kafka takes"


async def test_discarding_needs_a_reason_and_happens_once():
    async with console() as given:
        await given.index(record())

        async def discard(body):
            return await given.client.post("/v1/dead-letters/1/discard", headers=given.bearer(), json=body)

        assert (await discard({})).status_code == 422
        assert (await discard({"reason": "  "})).status_code == 422
        assert (await discard({"reason": "a\x00b"})).status_code == 422
        done = await discard({"reason": "test message"})
        assert (done.status_code, done.json()["state"]) == (200, "discarded")
        assert (await discard({"reason": "again"})).status_code == 409


async def test_many_are_replayed_in_the_background_and_each_refusal_is_named():
    async with console(POSTA_REPLAY__RATE_PER_S="1000") as given:
        await given.index(*(record(offset) for offset in range(4)))
        await given.client.post("/v1/dead-letters/2/discard", headers=given.bearer(), json={"reason": "x"})
        answer = await given.client.post(
            "/v1/dead-letters/replay", headers=given.bearer(), json={"ids": [1, 2, 3, 99]}
        )
        await run_until(given, lambda: len(given.published) == 2)
    assert answer.status_code == 202
    assert answer.json()["ids"] == [1, 3]
    assert answer.json()["refused"] == [
        {"id": 2, "why": "it was discarded"},
        {"id": 99, "why": "there is no such dead letter"},
    ]


async def test_many_are_chosen_by_filter_and_limit():
    async with console() as given:
        await given.index(*(record(offset) for offset in range(3)))
        answer = await given.client.post(
            "/v1/dead-letters/discard",
            headers=given.bearer(),
            json={"filter": {"group": "llm-worker"}, "limit": 2, "reason": "old"},
        )
    assert answer.json()["ids"] == [1, 2]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ids": []},
        {"ids": [1], "filter": {"group": "llm-worker"}},
        {"filter": {}},
        {"filter": {"group": ""}},
        {"ids": list(range(1, 1002))},
        {"ids": [0]},
        {"ids": [2**63]},
        {"filter": {"group": "llm-worker"}, "limit": 1001},
        {"filter": {"nonsense": "x"}},
    ],
)
async def test_a_bulk_request_that_means_nothing_or_too_much_is_refused(body):
    async with console() as given:
        await given.index(record())
        answer = await given.client.post("/v1/dead-letters/replay", headers=given.bearer(), json=body)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "before=0", f"before={2**63}", "state=odd", "nonsense=1", "q=%00"],
)
async def test_a_wrong_query_is_refused(query):
    async with console() as given:
        answer = await given.client.get(f"/v1/dead-letters?{query}", headers=given.bearer())
    assert answer.status_code == 422


@pytest.mark.parametrize(("number", "status"), [("7", 404), ("0", 422), (str(2**63), 422), ("x", 422)])
async def test_a_dead_letter_that_is_none_is_a_clear_error(number, status):
    async with console() as given:
        answers = [
            await given.client.get(f"/v1/dead-letters/{number}", headers=given.bearer()),
            await given.client.post(f"/v1/dead-letters/{number}/replay", headers=given.bearer()),
        ]
    assert [answer.status_code for answer in answers] == [status, status]
    assert all(answer.headers["content-type"] == "application/problem+json" for answer in answers)


async def run_until(given, holds):
    task = asyncio.create_task(given.redrive.run())
    try:
        await eventually(holds, within_s=5)
        await asyncio.sleep(0.02)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

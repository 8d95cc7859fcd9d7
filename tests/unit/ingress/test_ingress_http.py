"""What callers of ingress see: its answers, its refusals, and what they are told to do."""

import asyncio
import dataclasses
import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from prometheus_client import REGISTRY
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from support.discord_caller import ask
from support.fake_publisher import FakePublisher
from support.ingress_rig import CONFIG, FIXTURES, MAX_BODY, Rig, policy

from ingress.interactions import answers
from ingress.interactions.answers import Notice, notice_body
from ingress.interactions.decision import decide
from ingress.interactions.interaction import parse_interaction
from ingress.interactions.rulebook import LiveRules
from ingress.interactions.signature import parse_public_keys
from ingress.limits.quotas import LimitPolicy
from ingress.spool import Spool
from ingress.spool_file import SpoolFull
from posta.domain.envelope import header

PATH = "/discord-interactions"


def value(name, **labels):
    return REGISTRY.get_sample_value(name, labels) or 0.0


def assert_problem(response, status):
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


async def fail_to_keep(*_args, **_kwargs):
    raise SpoolFull("full")


# --- interactions --------------------------------------------------------------------------------


async def test_a_ping_is_answered(rig):
    response = await rig.interact({"type": 1})
    assert (response.status_code, response.json()) == (200, {"type": 1})
    assert response.headers["content-type"] == "application/json"


async def test_a_question_is_deferred_after_kafka_has_it(rig):
    body = ask(private=True)
    response = await rig.interact(body)
    assert response.json() == {"type": 5, "data": {"flags": 64}}
    assert rig.publisher.ids == [f"discord:{body['id']}"]


async def test_a_question_is_not_deferred_before_kafka_has_it(rig):
    rig.publisher.delay_s = 0.1
    asking = asyncio.ensure_future(rig.interact(ask()))
    await asyncio.sleep(0.05)
    assert not asking.done()
    assert (await asking).json() == {"type": 5}
    assert len(rig.publisher.written) == 1


@pytest.mark.parametrize(("locale", "text"), [("en-US", "try again"), ("es-ES", "Inténtalo de nuevo")])
async def test_when_nothing_takes_it_the_person_is_asked_to_try_again(rig, monkeypatch, locale, text):
    rig.publisher.away = True
    monkeypatch.setattr(rig.spool, "put", fail_to_keep)
    response = await rig.interact(ask(locale=locale))
    assert response.status_code == 200
    assert (response.json()["type"], response.json()["data"]["flags"]) == (4, 64)
    assert text in response.json()["data"]["content"]


def tampered(rig, kind):
    request = rig.caller.request(ask())
    headers = request["headers"]
    stale = rig.caller.sign(request["content"], timestamp=str(int(time.time()) - 301))
    changes = {
        "no signature": {"x-signature-ed25519": None},
        "no timestamp": {"x-signature-timestamp": None},
        "no headers": {"x-signature-ed25519": None, "x-signature-timestamp": None},
        "empty": {"x-signature-ed25519": ""},
        "no hex": {"x-signature-ed25519": "xy" * 64},
        "upper case": {"x-signature-ed25519": headers["x-signature-ed25519"].upper().replace("0", "A")},
        "short": {"x-signature-ed25519": "ab"},
        "not ASCII": {"x-signature-ed25519": b"\xff" * 128},
        "wrong": {"x-signature-ed25519": "ab" * 64},
        "bad timestamp": {"x-signature-timestamp": b"\xe9"},
        "stale": stale,
    }
    merged = {name: text for name, text in (headers | changes[kind]).items() if text is not None}
    return {"content": request["content"], "headers": merged}


FAULTS = ["no signature", "no timestamp", "no headers", "empty", "no hex", "upper case", "short", "not ASCII",
          "wrong", "bad timestamp", "stale"]  # fmt: skip


@pytest.mark.parametrize("kind", FAULTS)
async def test_every_signature_fault_is_401(rig, kind):
    response = await rig.http.post(PATH, **tampered(rig, kind))
    assert_problem(response, 401)
    assert rig.publisher.attempts == 0


async def test_all_signature_faults_look_the_same(rig):
    responses = [await rig.http.post(PATH, **tampered(rig, kind)) for kind in FAULTS]
    assert len({(response.content, tuple(response.headers.items())) for response in responses}) == 1


async def test_the_signature_comes_before_the_json(rig):
    headers = {"x-signature-ed25519": "ab" * 64, "x-signature-timestamp": str(int(time.time()))}
    assert (await rig.http.post(PATH, content=b"{", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff\xfe", b'"ping"', {"type": 6}, {"type": "1"}, {"type": True}, {}, ask(id="x"),
     ask(token=None), ask(type=2.5), ask(data={"name": "ask", "options": "?"})],
)  # fmt: skip
async def test_a_signed_body_that_makes_no_sense_is_400(rig, body):
    assert_problem(await rig.interact(body), 400)
    assert rig.publisher.attempts == 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.slow
@given(json_values | st.dictionaries(st.sampled_from(sorted(ask())), json_values, max_size=3).map(
    lambda spoilt: ask() | spoilt))  # fmt: skip
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_signed_json_is_ever_500(rig, body):
    response = await rig.interact(body)
    assert response.status_code in {200, 400, 413}


async def test_a_declared_oversize_body_is_413_before_anything_is_read(rig):
    read = []

    async def body():
        read.append(1)
        yield b"x"

    headers = {"content-length": str(MAX_BODY + 1)}
    assert_problem(await rig.http.post(PATH, content=body(), headers=headers), 413)
    # httpx's transport pulls the first chunk only when the application asks for it.
    assert read == []


async def test_an_undeclared_oversize_body_is_413_at_the_chunk_that_goes_over(rig):
    read = []

    async def body():
        for number in range(100):
            read.append(number)
            yield b"x" * 1024

    response = await rig.http.post(PATH, content=body())
    assert_problem(response, 413)
    assert response.headers["connection"] == "close"
    assert len(read) == MAX_BODY // 1024 + 1


async def test_a_body_at_the_limit_is_read(rig):
    raw = json.dumps(ask("?")).encode().ljust(MAX_BODY)
    assert (await rig.interact(raw)).json() == {"type": 5}


async def test_refusals_and_acknowledgements_are_counted(rig):
    names = {"kind": "interaction", "reason": "signature_wrong"}
    rejected = value("posta_ingress_rejected_total", **names)
    accepted = value("posta_ingress_accepted_total", kind="interaction", where="kafka")
    acks = value("posta_ingress_ack_seconds_count")
    await rig.http.post(PATH, **tampered(rig, "wrong"))
    await rig.interact(ask())
    assert value("posta_ingress_rejected_total", **names) == rejected + 1
    assert value("posta_ingress_accepted_total", kind="interaction", where="kafka") == accepted + 1
    assert value("posta_ingress_ack_seconds_count") == acks + 1


async def test_an_unknown_command_is_counted(rig):
    names = {"kind": "interaction", "reason": "unknown_command"}
    before = value("posta_ingress_rejected_total", **names)
    await rig.interact(ask(data={"name": "nope"}))
    assert value("posta_ingress_rejected_total", **names) == before + 1


async def test_a_new_type_of_interaction_is_answered_politely_and_counted(rig):
    names = {"kind": "interaction", "reason": "unknown_type"}
    before = value("posta_ingress_rejected_total", **names)
    response = await rig.interact(ask(type=6, locale="es-ES"))
    assert "todavía no lo conozco" in response.json()["data"]["content"]
    assert value("posta_ingress_rejected_total", **names) == before + 1


async def test_a_form_reaches_the_events_once_it_is_safe(rig):
    components = [{"type": 18, "component": {"type": 4, "custom_id": "summary", "value": "Disk full"}}]
    body = ask(type=5, data={"custom_id": "report", "components": components})
    assert (await rig.interact(body)).json()["type"] == 4
    ((topic, wire),) = rig.publisher.written
    assert (topic, wire.key) == ("events.published", b"ops")
    assert header(wire.headers, "ce_id") == f"discord:{body['id']}"


async def test_an_interaction_delivered_twice_is_kept_once_and_answered_the_same(rig):
    body = ask()
    rig.publisher.delay_s = 0.02
    first, second = await asyncio.gather(rig.interact(body), rig.interact(body))
    third = await rig.interact(body)
    assert first.content == second.content == third.content == answers.DEFERRED
    assert rig.publisher.ids == [f"discord:{body['id']}"]


async def test_an_interaction_that_could_not_be_kept_is_tried_anew_when_it_comes_again(rig, monkeypatch):
    body = ask()
    rig.publisher.away = True
    with monkeypatch.context() as patched:
        patched.setattr(rig.spool, "put", fail_to_keep)
        assert (await rig.interact(body)).json()["type"] == 4
    assert (await rig.interact(body)).json()["type"] == 5


async def test_an_accepted_interaction_is_noted_as_pending_without_its_text_or_token(rig):
    body = ask("something private")
    await rig.interact(body)
    (note,) = rig.notes.taken
    assert (note.id, note.state.value, note.command, note.kind) == (body["id"], "PENDING", "ask", 2)
    assert "private" not in repr(note)
    assert body["token"] not in repr(note)


@pytest.fixture
async def limited(tmp_path):
    """Two messages a minute of a conversation, three of a person."""
    limits = LimitPolicy(per_conversation=2, per_user=3, per_guild=0)
    async with Spool(policy(tmp_path)) as spool:
        made = Rig(spool, FakePublisher(), limits=limits)
        made.switch.to_direct()
        async with made.http:
            yield made


async def contents(rig, *bodies):
    answers_ = [(await rig.interact(body)).json() for body in bodies]
    return [answer.get("data", {}).get("content", "") for answer in answers_]


async def test_more_than_a_conversation_may_ask_is_refused_in_the_persons_language(limited):
    bodies = [ask(f"q{n}", locale="es-ES") for n in range(3)]
    assert await contents(limited, *bodies) == ["", "", notice_text(Notice.TOO_OFTEN, "es")]
    assert len(limited.publisher.written) == 2


async def test_a_persons_limit_holds_over_all_their_conversations(limited):
    bodies = [ask(f"q{n}", channel=str(900000 + n)) for n in range(4)]
    assert (await contents(limited, *bodies))[2:] == ["", notice_text(Notice.TOO_OFTEN, "en")]


async def test_the_same_text_again_is_folded_and_costs_no_quota(limited):
    found = await contents(limited, ask("Why?"), ask("why?"), ask("Why?"), ask("How?"))
    repeated = notice_text(Notice.REPEATED, "en")
    assert found == ["", repeated, repeated, ""]


async def test_a_repeated_delivery_costs_no_quota(limited):
    body = ask("one")
    assert await contents(limited, body, body, body, ask("two")) == [""] * 4


async def test_a_static_answer_and_a_suggestion_cost_no_quota(limited):
    help_ = [ask(data={"name": "help", "type": 1}) for _ in range(5)]
    found = await contents(limited, *help_, ask("one"))
    assert found[-1] == ""
    assert all("/ask" in text for text in found[:-1])


async def test_outside_the_service_hours_people_read_when_to_come_back(limited):
    limited.hours = limited.hours.model_copy(update={"enabled": True, "open": {}})
    assert await contents(limited, ask(locale="es-ES")) == [limited.hours.message.es]
    assert limited.publisher.attempts == 0


async def test_while_the_queue_is_too_old_new_questions_are_refused_and_forms_still_open(limited):
    limited.queue_age_s = 301.0
    found = await contents(limited, ask())
    assert found == [notice_text(Notice.OVERLOADED, "en")]
    assert (await limited.interact(ask(data={"name": "report", "type": 1}))).json()["type"] == 9
    limited.queue_age_s = 10.0
    assert await contents(limited, ask()) == [""]


async def test_the_governors_stats_have_the_names_its_users_know(limited):
    await contents(limited, *[ask(f"q{n}") for n in range(3)])
    headers = {"authorization": f"Bearer {limited.admin_key}"}
    found = (await limited.http.get("/admin/governor/stats", headers=headers)).json()
    assert found["config"]["maxRequestsPerMinute"] == 2
    assert found["config"]["dedupeWindowMs"] == 5000
    assert found["rateLimiter"] == {"memoryFallback": True, "activeKeys": 4}
    assert (found["admitted"], found["refused"]["too_often"]) == (2, 1)


@pytest.mark.parametrize(("key", "status"), [(None, 401), ("posta_x", 401), ("useless", 403)])
async def test_the_governors_stats_need_a_key_with_their_scope(rig, key, status):
    key = rig.useless_key if key == "useless" else key
    headers = {"authorization": f"Bearer {key}"} if key else {}
    assert_problem(await rig.http.get("/admin/governor/stats", headers=headers), status)


async def test_a_key_of_one_application_cannot_speak_for_another(rig):
    (key,) = parse_public_keys(rig.caller.public_key)
    mine = dataclasses.replace(key, application_id=ask()["application_id"])
    rig.interactions._keys = (mine,)
    assert (await rig.interact(ask())).json()["type"] == 5
    assert_problem(await rig.interact(ask(application_id="1380486651436073099")), 401)
    assert_problem(await rig.interact({"type": 1, "application_id": "1"}), 401)


async def test_what_earlier_systems_counted_is_counted_by_its_earlier_name(rig, monkeypatch):
    before = {name: value(name) for name in LEGACY}
    await rig.interact(ask())
    await rig.interact(ask())
    rig.publisher.away = True
    monkeypatch.setattr(rig.spool, "put", fail_to_keep)
    await rig.interact(ask())
    grown = {name: value(name) - before[name] for name in LEGACY}
    assert grown == {
        "discord_interactions_total": 3,
        "discord_interactions_success": 2,
        "discord_interactions_failed": 1,
    }
    assert value("discord_response_time_ms") > 0
    assert value("discord_active_workers") == 0


LEGACY = ("discord_interactions_total", "discord_interactions_success", "discord_interactions_failed")


def notice_text(notice, locale):
    return json.loads(notice_body(notice, locale=locale))["data"]["content"]


def answers_of_the_shipped_rules():
    """What every command, button and form of the shipped file answers at once, in both languages."""
    rules = LiveRules(CONFIG)
    book = rules.rulebook
    for locale in ("en-US", "es-ES"):
        bodies = [
            *(ask(data={"name": name, "type": 1}, locale=locale) for name in book.commands.commands),
            *(ask(type=3, data={"custom_id": name, "component_type": 2}, locale=locale,
                  message={"id": "1", "content": "x"}) for name in book.commands.components),
            *(ask(type=5, data={"custom_id": name, "components": []}, locale=locale)
              for name in book.commands.modals),
            ask(type=4, data={"name": "docs", "options": [{"name": "topic", "value": "", "focused": True}]}),
        ]  # fmt: skip
        for body in bodies:
            yield decide(parse_interaction(body), book).body


@pytest.fixture(scope="module")
def callback_schema():
    found = sorted(FIXTURES.glob("openapi_v10_*.json")) if isinstance(FIXTURES, Path) else []
    if not found:
        pytest.skip("Discord's OpenAPI description is not beside this repository")
    spec = json.loads(found[-1].read_text())
    resource = Resource.from_contents(spec, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:discord", resource)
    path = spec["paths"]["/interactions/{interaction_id}/{interaction_token}/callback"]["post"]
    names = [
        option["$ref"] for option in path["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    ]
    return Draft202012Validator(
        {"anyOf": [{"$ref": f"urn:discord{name}"} for name in names]}, registry=registry
    )


@pytest.mark.parametrize(
    "body",
    [answers.PONG, answers.DEFERRED, answers.DEFERRED_EPHEMERAL, answers.NO_CHOICES,
     answers.DEFERRED_UPDATE,
     *(notice_body(notice, locale=locale) for notice in Notice for locale in ("en-US", "es-ES")),
     *answers_of_the_shipped_rules()],
)  # fmt: skip
def test_every_answer_is_one_that_discord_describes(callback_schema, body):
    callback_schema.validate(json.loads(body))


# --- events --------------------------------------------------------------------------------------


async def test_an_event_is_accepted_after_kafka_has_it(rig):
    response = await rig.publish({"type": "backup.done", "destination": "ops", "data": {"gb": 3}})
    assert response.status_code == 202
    assert response.json() == {"id": rig.publisher.ids[0], "status": "accepted"}
    ((topic, wire),) = rig.publisher.written
    assert (topic, wire.key) == ("events.published", b"ops")
    assert header(wire.headers, "ce_type") == "posta.event.published.v1"
    assert json.loads(wire.value or b"")["publisher"] == "backup"


async def test_an_idempotency_key_makes_the_same_id_again(rig):
    first = await rig.publish({"type": "x"}, **{"idempotency-key": "k1"})
    second = await rig.publish({"type": "x"}, **{"idempotency-key": "k1"})
    third = await rig.publish({"type": "x"}, **{"idempotency-key": "k2"})
    assert first.json()["id"] == second.json()["id"] != third.json()["id"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Basic abc"}, {"authorization": "Bearer "}, {"authorization": "Bearer posta_x"}],
)
async def test_without_a_known_key_nothing_is_even_read(rig, headers):
    response = await rig.http.post("/v1/events", content=b"{", headers=headers)
    assert_problem(response, 401)
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_key_without_the_scope_is_403(rig):
    headers = {"authorization": f"Bearer {rig.useless_key}"}
    response = await rig.http.post("/v1/events", json={"type": "x"}, headers=headers)
    assert "events:publish" in assert_problem(response, 403)["detail"]


@pytest.mark.parametrize(
    ("body", "headers", "path"),
    [
        ({"type": "x", "destination": "nope"}, {}, "destination"),
        ({"destination": "ops"}, {}, "type"),
        ({"type": "x", "data": "text"}, {}, "data"),
        ({"type": "x", "time": "noon"}, {}, "time"),
        ({"type": "x", "destinaton": "ops"}, {}, "destinaton"),
        ({"type": "x"}, {"idempotency-key": ""}, "Idempotency-Key"),
        ({}, {"ce-id": "1", "ce-source": "/s", "ce-type": "t"}, "ce-specversion"),
        ([], {}, "(body)"),
    ],
)
async def test_a_schema_error_is_422_with_the_path_of_the_field(rig, body, headers, path):
    problem = assert_problem(await rig.publish(body, **headers), 422)
    assert path in [error["path"] for error in problem["errors"]]
    assert rig.publisher.attempts == 0


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"type=x", "application/x-www-form-urlencoded", 415),
        (b"[]", "application/cloudevents-batch+json", 422),
        (b"x" * (MAX_BODY + 1), "application/json", 413),
    ],
)
async def test_what_cannot_be_read_is_refused_as_what_it_is(rig, content, media_type, status):
    headers = {"authorization": f"Bearer {rig.api_key}", "content-type": media_type}
    assert_problem(await rig.http.post("/v1/events", content=content, headers=headers), status)


async def test_when_nothing_takes_an_event_it_is_503_with_a_time_to_come_back(rig, monkeypatch):
    rig.publisher.away = True
    monkeypatch.setattr(rig.spool, "put", fail_to_keep)
    response = await rig.publish({"type": "x"})
    assert_problem(response, 503)
    assert int(response.headers["retry-after"]) > 0


async def test_while_kafka_is_away_events_are_accepted_into_the_spool(rig):
    rig.publisher.away = True
    assert (await rig.publish({"type": "x"})).status_code == 202
    assert rig.spool.depth == 1


# --- health --------------------------------------------------------------------------------------


async def test_ready_while_kafka_is_away_and_not_when_the_spool_fails_too(rig):
    rig.switch.to_spool()
    assert (await rig.http.get("/health/ready")).status_code == 200
    rig.spool.fault = "gone"
    assert (await rig.http.get("/health/ready")).status_code == 503
    assert (await rig.http.get("/health/live")).status_code == 200


async def test_the_api_describes_what_it_takes(rig):
    paths = (await rig.http.get("/openapi.json")).json()["paths"]
    schema = paths["/v1/events"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema["required"] == ["type"]
    assert "202" in paths["/v1/events"]["post"]["responses"]


# --- the lane ------------------------------------------------------------------------------------


async def test_a_defect_in_an_answer_is_a_500_that_tells_nothing(rig, monkeypatch):
    def defect(*_args):
        raise RuntimeError("with a secret in it")

    monkeypatch.setattr(rig.interactions, "_rules", defect)
    response = await rig.interact(ask())
    problem = assert_problem(response, 500)
    assert "secret" not in response.text
    assert "trace_id" in problem


async def test_other_methods_and_paths_go_on_to_the_application(rig):
    assert (await rig.http.get(PATH)).status_code == 405
    assert (await rig.http.get("/nowhere")).status_code == 404
    assert (await rig.http.get("/health/live")).status_code == 200


async def test_the_lane_counts_requests_by_route_as_the_application_does(rig):
    labels = {"route": PATH, "method": "POST", "code": "200"}
    before = value("posta_http_requests_total", **labels)
    await rig.interact({"type": 1})
    assert value("posta_http_requests_total", **labels) == before + 1

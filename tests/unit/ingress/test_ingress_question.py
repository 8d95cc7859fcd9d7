"""What becomes of an interaction."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from support.discord_caller import ask
from support.ingress_rig import CONFIG

from ingress.commands.rules import load_commands
from ingress.interactions.decision import AnswerNow, KeepThenAnswer, decide
from ingress.interactions.interaction import parse_interaction
from ingress.interactions.snowflake import snowflake_time

COMMANDS = load_commands(CONFIG / "commands.yaml")


def decided(body):
    return decide(parse_interaction(body), COMMANDS)


def kept(body):
    decision = decided(body)
    assert isinstance(decision, KeepThenAnswer)
    return decision


def told(body):
    decision = decided(body)
    assert isinstance(decision, AnswerNow)
    return json.loads(decision.body)


def test_a_snowflake_tells_its_time():
    # The example of Discord's API reference.
    moment = datetime(2016, 4, 30, 11, 18, 25, 796000, tzinfo=UTC)
    assert snowflake_time("175928847299117063") == moment


def test_a_question_becomes_an_event_with_a_deadline():
    body = ask("  Why?  ", id="175928847299117063")
    event = kept(body).event
    assert event.id == "discord:175928847299117063"
    assert event.key == "discord:1100000000000000002:300000000000000001"
    assert event.source == "/ingress"
    assert event.time == snowflake_time("175928847299117063")
    assert event.expires_at == event.time + timedelta(minutes=14, seconds=30)
    assert event.data.text == "Why?"
    assert event.data.token.get_secret_value() == body["token"]
    assert event.data.application_id == body["application_id"]
    assert (event.data.guild_id, event.data.locale, event.data.kind) == ("1100000000000000001", "en-GB", 2)


@pytest.mark.parametrize(
    ("private", "answer"),
    [(None, {"type": 5}), (False, {"type": 5}), (True, {"type": 5, "data": {"flags": 64}})],
)
def test_the_person_chooses_who_sees_the_answer(private, answer):
    decision = kept(ask(private=private))
    assert json.loads(decision.body) == answer
    assert decision.event.data.ephemeral is (private is True)


def test_a_direct_message_has_a_user_and_maybe_no_channel():
    body = ask(channel=None, user={"id": "42", "username": "kim"})
    del body["member"], body["guild_id"], body["locale"], body["guild_locale"]
    event = kept(body).event
    assert event.key == "discord:dm:42"
    assert (event.data.person.name, event.data.locale, event.data.guild_id) == ("kim", "en-US", None)


def test_a_nickname_is_the_name_others_see():
    member = {"nick": "Boss", "user": {"id": "7", "username": "u", "global_name": "G"}}
    assert kept(ask(member=member)).event.data.person.name == "Boss"


@pytest.mark.parametrize(
    ("locale", "text"), [("es-ES", "está vacía"), ("es-419", "está vacía"), ("de", "is empty")]
)
def test_an_empty_question_is_told_at_once_in_the_persons_language(locale, text):
    answer = told(ask(" \t\n ", locale=locale))
    assert answer["type"] == 4
    assert answer["data"]["flags"] == 64
    assert answer["data"]["allowed_mentions"] == {"parse": []}
    assert text in answer["data"]["content"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        pytest.param(ask(data={"name": "nope"}), "do not know this command", id="an unknown command"),
        pytest.param(ask(data={"name": "nope"}, locale="es-MX"), "No conozco", id="the same in Spanish"),
        pytest.param(ask(member=None), "do not know this command", id="nobody used it"),
        pytest.param(ask(type=3, data={"custom_id": "x"}), "no longer in use", id="a button"),
        pytest.param(ask(type=5, data={"custom_id": "x"}, locale="es-ES"), "ya no se usa", id="a form"),
    ],
)
def test_what_cannot_be_taken_is_said_politely(body, text):
    answer = told(body)
    assert answer["type"] == 4
    assert answer["data"]["flags"] == 64
    assert text in answer["data"]["content"]


def test_autocomplete_cannot_be_deferred_and_gets_no_choices():
    assert told(ask(type=4)) == {"type": 8, "data": {"choices": []}}

"""What becomes of an interaction."""

import copy
import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from support.discord_caller import ask
from support.ingress_rig import CONFIG

from ingress.commands.options import Choice
from ingress.commands.rules import Commands, load_commands
from ingress.commands.wording import Words
from ingress.interactions.decision import AnswerNow, KeepThenAnswer, Rulebook, decide
from ingress.interactions.interaction import parse_interaction
from ingress.interactions.snowflake import snowflake_time

RULES = Rulebook(commands=load_commands(CONFIG / "commands.yaml"), default_destination="ops")
FILE = yaml.safe_load((CONFIG / "commands.yaml").read_text())


def decided(body, rules=RULES):
    return decide(parse_interaction(body), rules)


def rules_with(**command):
    """The shipped rules, with ``/ask`` changed."""
    file = copy.deepcopy(FILE)
    file["commands"]["ask"].update(command)
    return Rulebook(commands=Commands.model_validate(file))


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


# --- autocomplete --------------------------------------------------------------------------------


def typing(text, *, name="docs", option="topic", **fields):
    options = [{"name": option, "type": 3, "value": text, "focused": True}]
    return ask(type=4, data={"name": name, "type": 1, "options": options}, **fields)


def suggested(body):
    answer = told(body)
    assert answer["type"] == 8
    return [choice["name"] for choice in answer["data"]["choices"]]


@pytest.mark.parametrize(
    ("text", "locale", "names"),
    [
        ("", "en-US", ["Backups", "Billing", "Accounts and login", "Game servers"]),
        ("b", "en-US", ["Backups", "Billing"]),
        ("SER", "en-US", ["Game servers"]),
        ("fact", "es-ES", ["Facturación"]),
        ("copias", "es-419", ["Copias de seguridad"]),
        ("zzz", "en-US", []),
    ],
)
def test_autocomplete_suggests_at_once_what_fits_in_the_persons_language(text, locale, names):
    assert suggested(typing(text, locale=locale)) == names


@pytest.mark.parametrize(
    "body",
    [typing("b", name="nope"), typing("b", option="question"), typing("b", option="nope"), ask(type=4),
     ask(type=4, data={"name": "docs", "options": []})],
)  # fmt: skip
def test_autocomplete_of_what_suggests_nothing_is_empty_and_never_deferred(body):
    assert told(body) == {"type": 8, "data": {"choices": []}}


def test_a_providers_list_is_answered_from_memory():
    url = "https://lists.example/topics"
    option = {"name": "question", "type": "string", "required": True, "suggest": {"provider": {"url": url}},
              "description": {"en": "a", "es": "b"}}  # fmt: skip
    rules = rules_with(options=[option], ephemeral=False)
    body = typing("one", name="ask", option="question")
    assert told_by(body, rules) == []
    lists = {url: [Choice(label=Words(en="One", es="Uno"), value="1")]}
    assert told_by(body, dataclasses.replace(rules, lists=lists)) == [{"name": "One", "value": "1"}]


def told_by(body, rules):
    return json.loads(decided(body, rules).body)["data"]["choices"]


# --- menus, buttons, forms -----------------------------------------------------------------------


def message_menu(text):
    message = {"id": "900000000000000009", "content": text, "author": {"id": "9", "global_name": "Kim"}}
    return ask(data={"name": "Explain this", "type": 3, "target_id": message["id"],
                     "resolved": {"messages": {message["id"]: message}}})  # fmt: skip


def test_a_message_command_asks_about_the_message():
    decision = kept(message_menu("E=mc²"))
    assert decision.event.data.text == "Explain this message in simple words:\n\nE=mc²"
    assert json.loads(decision.body) == {"type": 5, "data": {"flags": 64}}
    assert decision.event.data.data["target_id"] == "900000000000000009"


def test_a_message_command_on_a_message_without_text_asks_nothing():
    assert "is empty" in told(message_menu(" "))["data"]["content"]


def test_a_user_command_is_about_the_person_chosen():
    data = {"name": "Say hello", "type": 2, "target_id": "42",
            "resolved": {"users": {"42": {"username": "kim", "global_name": "Kim"}},
                         "members": {"42": {"nick": "Kimmy"}}}}  # fmt: skip
    assert told(ask(data=data))["data"]["content"] == "Alex says hello to Kimmy."
    assert told(ask(data=data, locale="es-ES"))["data"]["content"] == "Alex saluda a Kimmy."


def press(custom_id, *, values=(), **fields):
    data = {"component_type": 3 if values else 2, "custom_id": custom_id, "values": list(values)}
    return ask(type=3, data=data, message={"id": "900000000000000009", "content": "Help"}, **fields)


def test_a_static_answer_carries_its_buttons_and_menus_in_the_persons_language():
    data = told(ask(data={"name": "help", "type": 1}, locale="es-ES"))["data"]
    assert data["flags"] == 64
    buttons, menu = data["components"]
    assert [b["label"] for b in buttons["components"]] == ["Avisar de un problema", "¿Qué puedo preguntar?"]
    assert menu["components"][0]["custom_id"] == "subject"


def test_a_button_can_replace_the_message_it_is_on():
    answer = told(press("examples"))
    assert answer["type"] == 7
    assert "restore a backup" in answer["data"]["content"]


def test_a_menu_can_ask_the_llm_about_what_was_chosen():
    decision = kept(press("subject", values=["backups"]))
    assert decision.event.data.text.endswith("about: backups")
    assert (decision.event.data.kind, decision.event.data.command) == (3, "subject")
    assert decision.event.data.options == {"values": ["backups"]}


def test_an_answer_may_take_the_place_of_the_message_pressed():
    file = copy.deepcopy(FILE)
    file["components"]["subject"]["action"]["acknowledge"] = "update"
    rules = Rulebook(commands=Commands.model_validate(file))
    assert json.loads(decided(press("subject", values=["billing"]), rules).body) == {"type": 6}


@pytest.mark.parametrize("body", [ask(data={"name": "report", "type": 1}), press("report:7")])
def test_a_command_or_a_button_opens_a_form(body):
    answer = told(body)
    assert answer["type"] == 9
    assert answer["data"]["title"] == "Report a problem"
    assert [label["component"]["custom_id"] for label in answer["data"]["components"]] == [
        "summary",
        "details",
    ]


def form(components, **fields):
    return ask(type=5, data={"custom_id": "report:7", "components": components}, **fields)


def as_labels(**texts):
    return [{"type": 18, "component": {"type": 4, "custom_id": k, "value": v}} for k, v in texts.items()]


def as_rows(**texts):
    return [{"type": 1, "components": [{"type": 4, "custom_id": k, "value": v}]} for k, v in texts.items()]


@pytest.mark.parametrize("shape", [as_labels, as_rows])
def test_a_form_becomes_an_event_in_either_shape_discord_sends(shape):
    decision = kept(form(shape(summary="Disk full", details="On db1"), locale="es-ES"))
    assert decision.topic.name == "events.published"
    assert decision.event.key == "ops"
    data = decision.event.data
    assert (data.publisher, data.client_type) == ("discord", "problem.reported")
    assert {"summary": "Disk full", "details": "On db1", "person": "Alex"}.items() <= data.data.items()
    answer = json.loads(decision.body)
    assert (answer["type"], answer["data"]["flags"]) == (4, 64)
    assert "Gracias" in answer["data"]["content"]


def test_a_subcommand_may_publish_an_event_with_names_for_ids():
    options = [
        {
            "name": "note",
            "type": 1,
            "options": [
                {"name": "text", "type": 3, "value": "Look into this"},
                {"name": "about", "type": 6, "value": "42"},
            ],
        }
    ]
    data = {"name": "ops", "type": 1, "options": options, "resolved": {"users": {"42": {"username": "kim"}}}}
    event = kept(ask(data=data)).event
    assert event.data.client_source == "/discord/ops/note"
    assert event.data.data["note"] == "Look into this"
    assert event.data.data["about"] == "kim"


def test_what_is_filled_in_pings_nobody():
    answer = told(ask(data={"name": "help", "type": 1}))
    assert answer["data"]["allowed_mentions"] == {"parse": []}


def test_a_new_kind_of_option_is_carried():
    body = ask()
    body["data"]["options"].append({"name": "mood", "type": 99, "value": {"x": [1]}})
    event = kept(body).event
    assert event.data.options["mood"] == {"x": [1]}
    assert event.data.data == body["data"]


# --- who may, and where --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"roles": ["1100000000000000099"]}, "another role"),
        ({"guilds": ["1100000000000000099"]}, "cannot be used here"),
        ({"applications": ["1100000000000000099"]}, "cannot be used here"),
    ],
)
def test_a_command_that_is_not_for_this_person_or_place_is_refused_politely(change, text):
    answer = json.loads(decided(ask(), rules_with(**change)).body)
    assert answer["data"]["flags"] == 64
    assert text in answer["data"]["content"]


def test_one_of_the_roles_is_enough():
    member = {"roles": ["1", "22222"], "user": {"id": "7", "username": "u"}}
    assert isinstance(decided(ask(member=member), rules_with(roles=["22222", "33333"])), KeepThenAnswer)

"""The commands in the form that Discord registers them in."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from support.ingress_rig import CONFIG, FIXTURES

from ingress.commands.registration import everywhere, guilds_of, in_guild, usable_in
from ingress.commands.rules import Commands, load_commands

COMMANDS = load_commands(CONFIG / "commands.yaml")
APP = "1380486651436073092"
HERE, THERE = "1100000000000000001", "1100000000000000002"


def changed(**changes):
    """The shipped rules, with some commands changed."""
    file = yaml.safe_load((CONFIG / "commands.yaml").read_text())
    for name, change in changes.items():
        file["commands"][name].update(change)
    return Commands.model_validate(file)


def named(forms):
    return [one["name"] for one in forms]


def test_every_shipped_command_is_one_that_discord_takes():
    found = sorted(FIXTURES.glob("openapi_v10_*.json"))
    if not found:
        pytest.skip("Discord's OpenAPI description is not beside this repository")
    spec = json.loads(found[-1].read_text())
    resource = Resource.from_contents(spec, default_specification=DRAFT202012)
    registry = Registry().with_resource("urn:discord", resource)
    path = spec["paths"]["/applications/{application_id}/commands"]["put"]
    schema = path["requestBody"]["content"]["application/json"]["schema"]
    validator = Draft202012Validator(_absolute(schema), registry=registry)
    validator.validate(everywhere(COMMANDS, application_id=APP))
    validator.validate(usable_in(changed(ask={"guilds": [HERE]}), HERE, application_id=APP))


def _absolute(schema):
    return json.loads(json.dumps(schema).replace('"#/', '"urn:discord#/'))


def test_names_and_descriptions_are_given_in_both_languages():
    (ask,) = [one for one in everywhere(COMMANDS, application_id=APP) if one["name"] == "ask"]
    assert ask["name_localizations"] == {"es-ES": "preguntar", "es-419": "preguntar"}
    assert ask["description_localizations"]["es-419"] == "Hazle una pregunta al asistente"
    assert ask["options"][0]["name_localizations"]["es-ES"] == "pregunta"
    limits = {"min_length", "max_length", "min_value", "max_value"} & ask["options"][0].keys()
    assert limits == {"max_length"}, "what the rules do not limit is not limited at Discord"
    assert (ask["contexts"], ask["integration_types"]) == ([0, 1, 2], [0, 1])


def test_subcommands_and_suggestions_are_registered_as_such():
    forms = {one["name"]: one for one in everywhere(COMMANDS, application_id=APP)}
    assert [(o["type"], o["name"]) for o in forms["ops"]["options"]] == [(1, "note")]
    assert [o["type"] for o in forms["ops"]["options"][0]["options"]] == [3, 6]
    assert forms["docs"]["options"][0]["autocomplete"] is True
    assert (forms["Explain this"]["type"], "description" in forms["Explain this"]) == (3, False)


def test_a_command_of_one_server_is_registered_there_only():
    commands = changed(ask={"guilds": [HERE]})
    assert "ask" not in named(everywhere(commands, application_id=APP))
    assert guilds_of(commands, application_id=APP) == [HERE]
    (form,) = in_guild(commands, HERE, application_id=APP)
    assert "contexts" not in form
    assert "ask" in named(usable_in(commands, HERE, application_id=APP))
    assert "ask" not in named(usable_in(commands, THERE, application_id=APP))
    assert "help" in named(usable_in(commands, THERE, application_id=APP))


def test_a_command_of_another_application_is_left_out():
    commands = changed(ask={"applications": ["999999"]})
    assert "ask" not in named(everywhere(commands, application_id=APP))
    assert "ask" in named(everywhere(commands, application_id="999999"))

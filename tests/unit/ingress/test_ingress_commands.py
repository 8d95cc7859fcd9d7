"""commands.yaml is checked at start, with file, path and reason."""

import pytest
import yaml
from support.ingress_rig import CONFIG

from ingress.commands.rules import load_commands
from posta.errors import ConfigurationError

GOOD = yaml.safe_load((CONFIG / "commands.yaml").read_text())


def test_the_shipped_file_declares_every_kind():
    commands = load_commands(CONFIG / "commands.yaml")
    command = commands.get("ask")
    assert command is not None
    assert command.use(()).ephemeral == "private"
    assert commands.get("other") is None
    assert {c.type for c in commands.commands.values()} == {"chat", "user", "message"}
    actions = [use.action.does for c in commands.commands.values() for _, use in c.uses]
    assert set(actions) == {"llm", "static", "event", "modal"}


def test_a_subcommand_is_found_by_its_path():
    ops = load_commands(CONFIG / "commands.yaml").get("ops")
    assert ops is not None
    assert ops.use(("note",)) is not None
    assert [ops.use(path) for path in [(), ("nope",), ("note", "deeper")]] == [None, None, None]


def ask_does(**action):
    return lambda rules: rules["commands"]["ask"]["action"].update(action)


def ask_is(**command):
    return lambda rules: rules["commands"]["ask"].update(command)


def first_option(**option):
    return lambda rules: rules["commands"]["ask"]["options"][0].update(option)


REPLY = {"text": {"en": "a", "es": "b"}}
CHOICE = {"label": {"en": "a", "es": "b"}, "value": "a"}


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        (lambda r: r["commands"].clear(), "commands", "at least 1 item"),
        (lambda r: r["commands"].update({"Ask Me": r["commands"].pop("ask")}), "(top)", "commands/Ask Me"),
        (lambda r: r["commands"]["ask"]["description"].pop("es"), "commands/ask/description/es", "required"),
        (ask_is(description={"en": "x" * 101, "es": "y"}), "commands/ask/description", "100 characters"),
        (ask_is(names={"es": "Preguntar"}), "(top)", "commands/ask: 1 to 32 letters"),
        (ask_is(ephemeral="question"), "commands/ask", "is not a boolean option"),
        (ask_is(colour="red"), "commands/ask/colour", "not permitted"),
        (ask_is(guilds=["here"]), "commands/ask/guilds/0", "pattern"),
        (ask_is(action=None), "commands/ask", "either an action or subcommands"),
        (ask_is(type="user"), "commands/ask", "description"),
        (ask_does(question="{nope}"), "(top)", "commands/ask: {nope} is nothing that can be filled in"),
        (ask_does(does="sing"), "commands/ask/action", "does"),
        (ask_does(acknowledge="update"), "(top)", "only for a button, menu or form"),
        (ask_is(action={"does": "modal", "modal": "nope"}), "(top)", "there is no form 'nope'"),
        (ask_is(action={"does": "event", "type": "x"}), "(top)", "a command must say something"),
        (ask_is(action={"does": "static", "reply": {**REPLY, "replaces": True}}), "(top)", "replaces"),
        (ask_is(action={"does": "static", "reply": {**REPLY, "rows": [{"buttons": [
            {"id": "nope", "label": {"en": "a", "es": "b"}}]}]}}), "(top)", "there is no component 'nope'"),
        (lambda r: r["modals"]["report"].update(action={"does": "modal", "modal": "report"}),
         "(top)", "a form cannot open another one"),
        (lambda r: r["commands"]["ask"]["options"].reverse(), "commands/ask", "required ones first"),
        (lambda r: r["commands"]["ask"]["options"].append(r["commands"]["ask"]["options"][1]),
         "commands/ask", "same name"),
        (first_option(type="colour"), "commands/ask/options/0/type", "should be"),
        (first_option(channel_types=[0]), "commands/ask/options/0", "only for an option of type channel"),
        (first_option(choices=[CHOICE], suggest={"choices": [CHOICE]}, max_length=None),
         "commands/ask/options/0", "no suggestions"),
        (first_option(choices=[{**CHOICE, "value": 1}]), "commands/ask/options/0", "is no string"),
        (first_option(suggest={}), "commands/ask/options/0/suggest", "either choices or a provider"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_file_path_and_reason(tmp_path, change, path, reason):
    file = tmp_path / "commands.yaml"
    rules = yaml.safe_load(yaml.safe_dump(GOOD))
    change(rules)
    file.write_text(yaml.safe_dump(rules))
    with pytest.raises(ConfigurationError) as caught:
        load_commands(file)
    assert str(caught.value).startswith(f"{file}: {path}")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"commands: [", "line 1, column 12: not YAML"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"", "(top)"),
        (b"- a\n", "(top)"),
        (b"x" * 1_048_577, "larger than"),
    ],
)
def test_what_is_no_rules_file_is_said_so(tmp_path, content, reason):
    file = tmp_path / "commands.yaml"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        load_commands(file)
    assert str(caught.value).startswith(f"{file}: ")
    assert reason in str(caught.value)


def test_a_missing_file_names_the_variable_of_its_folder(tmp_path):
    with pytest.raises(ConfigurationError, match=r"commands\.yaml: cannot be read.*POSTA_CONFIG_DIR"):
        load_commands(tmp_path / "commands.yaml")

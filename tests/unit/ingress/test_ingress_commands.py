"""commands.yaml is checked at start, with file, path and reason."""

import pytest
import yaml
from support.ingress_rig import CONFIG

from ingress.commands.rules import load_commands
from posta.errors import ConfigurationError

GOOD = yaml.safe_load((CONFIG / "commands.yaml").read_text())


def changed(change):
    rules = yaml.safe_load(yaml.safe_dump(GOOD))
    change(rules["commands"])
    return rules


def test_the_shipped_file_declares_ask():
    command = load_commands(CONFIG / "commands.yaml").get("ask")
    assert command is not None
    assert (command.question, command.ephemeral) == ("question", "private")
    assert load_commands(CONFIG / "commands.yaml").get("other") is None


@pytest.mark.parametrize(
    ("change", "path", "reason"),
    [
        (lambda c: c.clear(), "commands", "at least 1 item"),
        (lambda c: c.update({"Ask Me": c.pop("ask")}), "commands/Ask Me", "pattern"),
        (lambda c: c["ask"]["description"].pop("es"), "commands/ask/description/es", "required"),
        (lambda c: c["ask"]["description"].update(en="x" * 101), "commands/ask/description/en", "100"),
        (lambda c: c["ask"].update(question="private"), "commands/ask", "'private' is not a string option"),
        (lambda c: c["ask"].update(ephemeral="question"), "commands/ask", "is not a boolean option"),
        (lambda c: c["ask"].update(question="nope"), "commands/ask", "'nope' is not a string option"),
        (lambda c: c["ask"]["options"].reverse(), "commands/ask", "required ones first"),
        (lambda c: c["ask"]["options"].append(c["ask"]["options"][1]), "commands/ask", "same name"),
        (lambda c: c["ask"]["options"][0].update(type="colour"), "commands/ask/options/0/type", "should be"),
        (lambda c: c["ask"].update(colour="red"), "commands/ask/colour", "not permitted"),
    ],
)
def test_a_mistake_is_named_with_file_path_and_reason(tmp_path, change, path, reason):
    file = tmp_path / "commands.yaml"
    file.write_text(yaml.safe_dump(changed(change)))
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

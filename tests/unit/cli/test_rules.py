from pathlib import Path

from posta_cli.rules import find, webhook_name, webhook_variables


def test_the_destinations_file_names_the_webhooks_the_sandbox_must_offer(tmp_path: Path) -> None:
    (tmp_path / "destinations.yaml").write_text(
        "# POSTA_WEBHOOK_OLD is gone\n"
        "ops: {url_from: POSTA_WEBHOOK_OPS}\n"
        "games: {url_from: POSTA_WEBHOOK_GAME_OPS}  # not POSTA_WEBHOOK_OTHER\n"
    )
    assert webhook_variables(tmp_path) == ("POSTA_WEBHOOK_GAME_OPS", "POSTA_WEBHOOK_OPS")


def test_no_rules_name_no_webhooks(tmp_path: Path) -> None:
    assert webhook_variables(None) == ()
    assert webhook_variables(tmp_path) == ()


def test_a_webhook_has_the_name_of_its_variable() -> None:
    assert webhook_name("POSTA_WEBHOOK_GAME_OPS") == "game-ops"


def test_the_rules_are_those_asked_for_else_those_in_the_folder(tmp_path: Path) -> None:
    rules = tmp_path / "deploy" / "config"
    rules.mkdir(parents=True)
    assert find({"POSTA_CONFIG_DIR": "/etc/posta"}, tmp_path) == Path("/etc/posta")
    assert find({}, tmp_path) == rules

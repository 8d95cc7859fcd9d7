"""`posta destinations` on a real database: what it keeps, and what it never shows."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from posta.postgres.migrations import migrate
from posta_cli.__main__ import app
from posta_cli.errors import CommandError

pytestmark = pytest.mark.integration
URL = "https://discord.com/api/webhooks/123/a-Secret-token"


@pytest.fixture
def posta(database_url, tmp_path, monkeypatch):
    asyncio.run(migrate(database_url))
    monkeypatch.setenv("POSTA_DATABASE__URL", database_url)
    monkeypatch.setenv("POSTA_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("POSTA_DESTINATIONS__KEY", "ab" * 32)
    monkeypatch.setenv("POSTA_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)

    def call(*arguments, given=""):
        result = CliRunner().invoke(app, ["destinations", *arguments], input=given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.output

    return call


def test_a_webhook_is_registered_disabled_enabled_and_removed_and_its_url_never_shown(posta):
    said = posta("add", "game-ops", "--description", "Games", "--no-look", "--owner", "ops", given=URL + "\n")
    said += posta("list")
    (row,) = json.loads(posta("list", "--json"))
    assert (row["id"], row["place_id"], row["owner"], row["disabled"]) == ("game-ops", "123", "ops", None)
    said += posta("disable", "game-ops", "--why", "moved")
    assert "DISABLED: moved" in posta("list")
    said += posta("enable", "game-ops") + posta("remove", "game-ops")
    assert json.loads(posta("list", "--json")) == []
    assert "Secret" not in said + json.dumps(row)


def test_channels_and_people_need_no_url(posta):
    posta("add", "general", "--description", "The channel", "--channel", "42")
    posta("add", "ana", "--description", "Ana", "--person", "43", "--language", "es-ES")
    rows = {row["id"]: (row["kind"], row["language"]) for row in json.loads(posta("list", "--json"))}
    assert rows == {"general": ("channel", "en"), "ana": ("person", "es")}


@pytest.mark.parametrize(
    ("arguments", "given", "reason"),
    [
        (("Big Name",), URL, "no id"),
        (("ops2",), "https://evil.test/api/webhooks/1/a-Secret", "does not lead to Discord"),
        (("ops2",), "nothing", "Discord"),
        (("ops2", "--channel", "general"), "", "no id"),
    ],
)
def test_what_is_wrong_is_said_and_a_url_not_quoted(posta, arguments, given, reason):
    with pytest.raises(CommandError, match=reason) as caught:
        posta("add", *arguments, "--description", "x", "--no-look", given=given + "\n")
    assert "Secret" not in str(caught.value)


def test_one_place_has_one_id(posta):
    posta("add", "one", "--description", "x", "--no-look", given=URL + "\n")
    for name in ("one", "two"):
        with pytest.raises(CommandError, match="already"):
            posta("add", name, "--description", "x", "--no-look", given=URL + "\n")

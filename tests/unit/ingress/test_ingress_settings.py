"""A wrong setting stops ingress at start, by its name."""

import asyncio

import pytest
from support.discord_caller import DiscordCaller
from support.ingress_rig import CONFIG

from ingress.app import serve
from ingress.settings import Settings
from posta.errors import ConfigurationError
from posta.settings import load

KEY = DiscordCaller().public_key


def test_a_public_key_is_all_that_must_be_set():
    settings = load(Settings, {"POSTA_DISCORD__PUBLIC_KEYS": KEY, "POSTA_STATE_DIR": "/var/lib/posta"})
    assert str(settings.spool_file) == "/var/lib/posta/ingress/spool.sqlite3"
    assert settings.ingress.publish_budget_s == 0.8


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({}, "POSTA_DISCORD__PUBLIC_KEYS: Field required"),
        ({"POSTA_DISCORD__PUBLIC_KEYS": ""}, "POSTA_DISCORD__PUBLIC_KEYS: .*at least one"),
        ({"POSTA_DISCORD__PUBLIC_KEYS": f"{KEY},12"}, "POSTA_DISCORD__PUBLIC_KEYS: .*entry 2"),
        ({"POSTA_DISCORD__PUBLIC_KEY": KEY}, "POSTA_DISCORD__PUBLIC_KEYS: Field required"),
        (
            {"POSTA_DISCORD__PUBLIC_KEYS": KEY, "POSTA_INGRESS__PUBLISH_BUDGET_S": "3"},
            "POSTA_INGRESS__PUBLISH_BUDGET_S",
        ),
    ],
)
def test_what_is_wrong_is_named(environ, reason):
    with pytest.raises(ConfigurationError, match=reason):
        load(Settings, environ)


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({"POSTA_API_KEYS": "nonsense"}, "POSTA_API_KEYS: entry 1"),
        ({"POSTA_CONFIG_DIR": "/nowhere"}, r"/nowhere/commands\.yaml: cannot be read"),
        ({"POSTA_STATE_DIR": "/dev/null"}, "POSTA_STATE_DIR: cannot make /dev/null/ingress"),
    ],
)
async def test_a_wrong_rule_or_folder_stops_it_before_it_listens(environ, reason):
    given = {"POSTA_DISCORD__PUBLIC_KEYS": KEY, "POSTA_CONFIG_DIR": str(CONFIG)} | environ
    async with asyncio.timeout(5):
        with pytest.raises(ConfigurationError, match=reason):
            await serve(load(Settings, given), asyncio.Event())


def test_limits_are_what_is_set_and_nothing_when_they_are_off():
    given = {"POSTA_DISCORD__PUBLIC_KEYS": KEY, "POSTA_GOVERNOR__MAX_PER_USER_PER_MINUTE": "7"}
    limits = load(Settings, given).governor.limits
    assert (limits.per_conversation, limits.per_user, limits.per_guild) == (10, 7, 300)
    assert load(Settings, given | {"POSTA_GOVERNOR__ENABLED": "false"}).governor.limits is None

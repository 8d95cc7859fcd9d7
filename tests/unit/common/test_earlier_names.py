"""Variables of earlier systems are taken for the ones that mean the same here."""

import pytest

from ingress.settings import Settings as Ingress
from notifier.settings import Settings as Notifier
from posta.earlier_names import EARLIER_NAMES, adopt
from posta.settings import load

PUBLIC_KEY = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"


def test_a_variable_is_found_by_its_earlier_name_and_said_so():
    environ = {"GOVERNOR_DEDUPE_WINDOW_MS": "1000"}
    (found,) = adopt(environ)
    assert (found.name, found.means, found.is_overruled) == (
        "GOVERNOR_DEDUPE_WINDOW_MS", "POSTA_GOVERNOR__DEDUPE_WINDOW_MS", False)  # fmt: skip
    assert environ["POSTA_GOVERNOR__DEDUPE_WINDOW_MS"] == "1000"


def test_the_present_name_counts_when_both_are_set():
    environ = {"GOVERNOR_ENABLED": "true", "POSTA_GOVERNOR__ENABLED": "false"}
    (found,) = adopt(environ)
    assert found.is_overruled
    assert environ["POSTA_GOVERNOR__ENABLED"] == "false"


def test_ingress_takes_its_limits_by_their_earlier_names():
    environ = {
        "POSTA_DISCORD__PUBLIC_KEYS": PUBLIC_KEY,
        "GOVERNOR_MAX_MESSAGES_PER_MINUTE": "7",
        "GOVERNOR_DEDUPE_WINDOW_MS": "1500",
        "DISCORD_QUEUE_MAX_SIZE": "50",
        "DISCORD_LOG_INTERACTIONS": "true",
        "DISCORD_RATE_LIMIT_PER_MINUTE": "30",
        "DISCORD_METRICS_ENABLED": "false",
        "DISCORD_MAX_WORKERS": "9",
    }
    settings = load(Ingress, environ)
    assert settings.governor.max_messages_per_minute == 7
    assert settings.governor.max_per_user_per_minute == 30
    assert settings.governor.dedupe_window_ms == 1500
    assert settings.ingress.spool_max_events == 50
    assert settings.ingress.log_interactions
    assert not settings.http.metrics_enabled


def test_notifier_takes_its_workers_and_its_timeout_by_their_earlier_names():
    settings = load(Notifier, {"DISCORD_MAX_WORKERS": "9", "DISCORD_REQUEST_TIMEOUT": "4"})
    assert (settings.discord.concurrency, settings.discord.timeout_s) == (9, 4.0)


@pytest.mark.parametrize("name", [
    "DISCORD_MAX_WORKERS", "DISCORD_REQUEST_TIMEOUT", "DISCORD_MAX_RETRIES", "DISCORD_QUEUE_MAX_SIZE",
    "DISCORD_RATE_LIMIT_PER_MINUTE", "DISCORD_METRICS_ENABLED", "DISCORD_LOG_INTERACTIONS"])  # fmt: skip
def test_every_name_that_users_know_means_something(name):
    assert EARLIER_NAMES[name].startswith("POSTA_")

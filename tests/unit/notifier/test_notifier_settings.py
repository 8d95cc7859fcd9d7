import pytest

from notifier.settings import Settings
from posta.errors import ConfigurationError
from posta.settings import load


def test_one_environment_may_serve_all_services():
    settings = load(
        Settings,
        {
            "POSTA_DISCORD__PUBLIC_KEYS": "aa",
            "POSTA_DISCORD__API_URL": "http://127.0.0.1:8090/api/v10/",
            "POSTA_MAIL__IMAP_HOST": "mail.test",
            "POSTA_MAIL__SMTP_HOST": "mail.test",
            "POSTA_MAIL__ADDRESS": "posta@example.test",
        },
    )
    assert settings.discord.api_url == "http://127.0.0.1:8090/api/v10"
    assert settings.handler_timeout_s > settings.mail.smtp_timeout_s


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"POSTA_MAIL__SMTP_HOST": "mail.test"}, "POSTA_MAIL__ADDRESS"),
        ({"POSTA_MAIL__SMTP_SECURITY": "tls"}, "POSTA_MAIL__SMTP_SECURITY"),
        ({"POSTA_DISCORD__API_URL": "discord.com"}, "POSTA_DISCORD__API_URL"),
        ({"POSTA_DISCORD__USER_AGENT_URL": "http://a b"}, "POSTA_DISCORD__USER_AGENT_URL"),
        ({"POSTA_DISCORD__TIMEOUT_S": "0"}, "POSTA_DISCORD__TIMEOUT_S"),
    ],
)
def test_a_wrong_setting_is_named(environ, named):
    with pytest.raises(ConfigurationError, match=named):
        load(Settings, environ)

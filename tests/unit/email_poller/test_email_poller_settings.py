import pytest

from email_poller.settings import EmailPollerSettings
from posta.errors import ConfigurationError
from posta.settings import load

GIVEN = {
    "POSTA_MAIL__ADDRESS": "posta@example.test",
    "POSTA_MAIL__USERNAME": "posta",
    "POSTA_MAIL__PASSWORD": "secret",
    "POSTA_MAIL__IMAP_HOST": "imap.example.test",
}


def test_the_defaults_are_a_safe_connection():
    mail = load(EmailPollerSettings, GIVEN).mail
    assert (mail.imap_port, mail.imap_security, mail.mailbox, mail.poll_interval_s) == (
        993,
        "ssl",
        "INBOX",
        5.0,
    )


def test_every_missing_variable_is_named():
    with pytest.raises(ConfigurationError) as caught:
        load(EmailPollerSettings, {})
    for name in GIVEN:
        assert name in str(caught.value)


def test_the_notifiers_names_in_the_same_group_are_no_mistake():
    assert load(EmailPollerSettings, {**GIVEN, "POSTA_MAIL__SMTP_HOST": "smtp.example.test"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("POSTA_MAIL__MAILBOX", "INBOX\r\nA1 DELETE INBOX"),
        ("POSTA_MAIL__USERNAME", "x\ny"),
        ("POSTA_MAIL__ADDRESS", "nobody"),
        ("POSTA_MAIL__IMAP_SECURITY", "none"),
        ("POSTA_MAIL__POLL_INTERVAL_S", "0"),
    ],
)
def test_a_wrong_value_is_named_and_not_quoted(name, value):
    with pytest.raises(ConfigurationError) as caught:
        load(EmailPollerSettings, {**GIVEN, name: value})
    assert name in str(caught.value)


def test_a_wrong_password_is_never_quoted():
    with pytest.raises(ConfigurationError) as caught:
        load(EmailPollerSettings, {**GIVEN, "POSTA_MAIL__IMAP_PORT": "x"})
    assert "secret" not in str(caught.value)


def test_every_address_of_ours_is_known_in_lower_case():
    mail = load(
        EmailPollerSettings, {**GIVEN, "POSTA_MAIL__ALIASES": "Help@example.test, , sales@example.test"}
    ).mail
    assert mail.own_addresses == {"posta@example.test", "help@example.test", "sales@example.test"}

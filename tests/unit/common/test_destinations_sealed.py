import pytest
from pydantic import SecretStr

from posta.destinations_sealed import RefusedUrl, Seal, checked_url, hosts_of
from posta.errors import ConfigurationError

GOOD = "https://discord.com/api/webhooks/123/a-Secret_token"


@pytest.mark.parametrize("host", ["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"])
def test_discords_own_hosts_are_taken(host):
    checked = checked_url(GOOD.replace("discord.com", host))
    assert checked.webhook_id == "123"
    assert "Secret" not in repr(checked)


@pytest.mark.parametrize(
    "url",
    [
        GOOD.replace("https", "http"),
        GOOD.replace("discord.com", "discord.com.evil.test"),
        GOOD.replace("discord.com", "127.0.0.1"),
        GOOD.replace("discord.com", "169.254.169.254"),
        GOOD.replace("discord.com", "[::1]"),
        GOOD.replace("discord.com", "discord.com:8443"),
        GOOD.replace("discord.com", "discord.com@evil.test"),
        GOOD.replace("discord.com", "user:pw@discord.com"),
        GOOD + "?wait=true",
        GOOD + "#x",
        "https://discord.com/api/v10/channels/1/messages",
        "https://discord.com/api/webhooks/123/../../users",
        "file:///etc/passwd",
        "https://[",
        "",
    ],
)
def test_what_leads_anywhere_else_is_refused_and_not_quoted(url):
    with pytest.raises(RefusedUrl) as caught:
        checked_url(url)
    assert "Secret" not in str(caught.value)


def test_a_host_that_was_named_is_taken_and_no_other_port_of_it():
    hosts = hosts_of("127.0.0.1:8090, proxy.test")
    assert checked_url("http://127.0.0.1:8090/api/v10/webhooks/1/t", more_hosts=hosts).webhook_id == "1"
    assert checked_url("https://proxy.test/discord/webhooks/1/t", more_hosts=hosts).webhook_id == "1"
    with pytest.raises(RefusedUrl):
        checked_url("http://127.0.0.1:8091/api/v10/webhooks/1/t", more_hosts=hosts)


def test_a_sealed_url_opens_for_its_destination_and_key_only():
    seal = Seal(b"k" * 32)
    sealed = seal.close("ops", SecretStr(GOOD))
    assert b"Secret" not in sealed
    opened = seal.open("ops", sealed)
    assert opened is not None
    assert opened.get_secret_value() == GOOD
    assert seal.open("dba", sealed) is None
    assert Seal(b"j" * 32).open("ops", sealed) is None
    assert seal.open("ops", sealed[:-1] + bytes([sealed[-1] ^ 1])) is None


def test_a_key_is_64_hex_digits_or_none():
    assert Seal.of(SecretStr("")) is None
    assert Seal.of(SecretStr("ab" * 32)) is not None
    with pytest.raises(ConfigurationError, match="64 hex digits"):
        Seal.of(SecretStr("short"))

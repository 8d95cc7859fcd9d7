import pytest
from support.deliveries import discord_reply

from notifier.discord.endpoint import original_message, webhook_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://discord.com/api/webhooks/1/t-_k", "https://discord.com/api/v10/webhooks/1/t-_k?wait=true"),
        ("https://discord.com/api/v6/webhooks/1/t", "https://discord.com/api/v10/webhooks/1/t?wait=true"),
        ("https://ptb.discord.com/api/webhooks/1/t", "https://discord.com/api/v10/webhooks/1/t?wait=true"),
        ("https://discordapp.com/api/webhooks/1/t/", "https://discord.com/api/v10/webhooks/1/t?wait=true"),
        ("http://127.0.0.1:9/api/v10/webhooks/1/t", "http://127.0.0.1:9/api/v10/webhooks/1/t?wait=true"),
        ("http://127.0.0.1:9/api/webhooks/1/t", "http://127.0.0.1:9/api/v10/webhooks/1/t?wait=true"),
        ("http://proxy.test/discord/webhooks/1/t", "http://proxy.test/discord/webhooks/1/t?wait=true"),
    ],
)
def test_a_webhook_is_called_by_version_10_and_waits_until_the_message_is_saved(url, expected):
    assert webhook_of(url).post().url == expected


def test_what_is_no_webhook_is_refused():
    with pytest.raises(ValueError, match="no webhook URL"):
        webhook_of("https://discord.com/api/v10/channels/1").post()


def test_no_secret_shows_in_an_endpoint():
    webhook = webhook_of("https://discord.com/api/webhooks/1/a-webhook-secret").post()
    edit = original_message(
        "https://discord.com/api/v10", discord_reply(token="a-token-secret").data.target, "GET"
    )
    assert "secret" not in repr(webhook) + repr(edit) + webhook.template + edit.template


def test_each_webhook_and_each_method_on_an_original_has_a_bucket_of_its_own():
    api = "https://discord.com/api/v10"
    target = discord_reply().data.target
    endpoints = [
        webhook_of("https://discord.com/api/webhooks/1/t").post(),
        webhook_of("https://discord.com/api/webhooks/1/u").post(),
        original_message(api, target, "GET"),
        original_message(api, target, "PATCH"),
        original_message(api, discord_reply(2).data.target, "PATCH"),
    ]
    assert len({endpoint.target for endpoint in endpoints}) == len(endpoints)
    assert webhook_of("https://ptb.discord.com/api/webhooks/1/t").post().target == endpoints[0].target

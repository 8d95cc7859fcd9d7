"""What a message to each kind of place carries: a webhook's name and picture, a thread, a nonce."""

import json

import httpx
import pytest
from support.limits import own_limits

from notifier.discord.discord import Discord
from notifier.discord.endpoint import webhook_of
from notifier.discord.places import Places, WebhookPlace

API = "http://discord.test/api/v10"
BODY = {"content": "hi", "username": "of the template"}


class Told:
    """Places, and the requests they made."""

    def __init__(self):
        self.requests = []
        client = httpx.AsyncClient(transport=httpx.MockTransport(self.answer))
        self.places = Places(Discord(client, own_limits(), timeout_s=1), api_url=API)

    def answer(self, request):
        self.requests.append((request.url, json.loads(request.content)))
        return httpx.Response(200, json={"id": "9"})


@pytest.fixture
def told():
    return Told()


def place(**fields):
    return WebhookPlace(webhook=webhook_of(f"{API}/webhooks/1/s", thread_id="77"), **fields)


async def test_a_webhooks_name_and_picture_are_the_registered_ones_unless_the_template_has_its_own(told):
    await told.places.post(
        place(username="Backups", avatar_url="https://example.org/a.png"), {"content": "x"}, event_id="e"
    )
    await told.places.post(place(username="Backups"), BODY, event_id="e2")
    (url, first), (_, second) = told.requests
    assert (first["username"], first["avatar_url"]) == ("Backups", "https://example.org/a.png")
    assert second["username"] == "of the template"
    assert dict(url.params) == {"wait": "true", "thread_id": "77"}


async def test_an_edit_names_nobody_because_discord_refuses_that(told):
    await told.places.edit(place(username="Backups"), "9", BODY)
    ((url, body),) = told.requests
    assert "username" not in body
    assert url.path.endswith("/messages/9")
    assert url.params["thread_id"] == "77"

"""What the look-alike answers, held against Discord's official OpenAPI description.

One deviation is known and kept: the description types the ``code`` inside ``errors`` as an
integer, while Discord's documentation and its servers give strings such as BASE_TYPE_MAX_LENGTH.
"""

import copy
import json
from pathlib import Path

import httpx
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from posta_sandbox.discord import people
from posta_sandbox.discord.interactions import COMMAND, PING, Use, payload

FIXTURES = Path(__file__).parents[4] / "shared" / "fixtures" / "discord"
ROOT = "urn:discord"


@pytest.fixture(scope="module")
def description():
    found = sorted(FIXTURES.glob("openapi_v10_*.json"))
    if not found:
        pytest.skip("Discord's OpenAPI description is not beside this repository")
    spec = json.loads(found[-1].read_text())
    error = copy.deepcopy(spec["components"]["schemas"]["Error"])
    error["properties"]["code"] = {"type": "string"}
    spec["components"]["schemas"]["FieldError"] = error
    inner = spec["components"]["schemas"]["InnerErrors"]["properties"]["_errors"]
    inner["items"]["$ref"] = "#/components/schemas/FieldError"
    return spec


@pytest.fixture(scope="module")
def check(description):
    resource = Resource.from_contents(description, default_specification=DRAFT202012)
    registry = Registry().with_resource(ROOT, resource)

    def validate(body, schema):
        reference = {"$ref": f"{ROOT}#/components/schemas/{schema}"}
        Draft202012Validator(reference, registry=registry).validate(body)

    return validate


RICH = {
    "content": "**Ticket 42** <@123456789012345678>",
    "embeds": [
        {
            "title": "Ticket 42",
            "description": "escalated",
            "url": "https://example.org/42",
            "color": 0xCC3300,
            "timestamp": "2026-01-01T10:00:00Z",
            "footer": {"text": "Posta"},
            "author": {"name": "Alertmanager"},
            "image": {"url": "https://example.org/a.png"},
            "fields": [{"name": "Priority", "value": "high"}],
        }
    ],
}


@pytest.mark.parametrize("body", [{"content": "hello"}, RICH], ids=["plain", "rich"])
async def test_webhook_messages_conform(sandbox, check, body):
    response = await sandbox.http.post(sandbox.ops_path + "?wait=true", json=body)
    check(response.json(), "MessageResponse")
    message = f"{sandbox.ops_path}/messages/{response.json()['id']}"
    check((await sandbox.http.patch(message, json=RICH)).json(), "MessageResponse")


async def test_a_webhook_conforms(sandbox, check):
    webhook = (await sandbox.http.get(sandbox.ops_path)).json()
    check(webhook, "GuildIncomingWebhookResponse")


@pytest.mark.parametrize("guild", ["Posta HQ", None])
async def test_the_messages_of_an_interaction_conform(sandbox, check, guild):
    asked = await sandbox.ask(guild=guild)
    base = sandbox.reply_path(asked)
    path = base + "/messages/@original"
    check((await sandbox.http.get(path)).json(), "MessageResponse")
    check((await sandbox.http.patch(path, json=RICH)).json(), "MessageResponse")
    check((await sandbox.http.post(base, json=RICH)).json(), "MessageResponse")


async def test_files_conform(sandbox, check):
    response = await sandbox.http.post(
        sandbox.ops_path + "?wait=true",
        data={"payload_json": "{}"},
        files={"files[0]": ("a.txt", b"hello")},
    )
    check(response.json(), "MessageResponse")


@pytest.mark.parametrize(
    "body",
    [
        {"content": "x" * 2001, "embeds": [{"title": "x" * 257, "fields": [{"name": "n"}]}]},
        {"content": ""},
    ],
)
async def test_refusals_conform(sandbox, check, body):
    response = await sandbox.http.post(sandbox.ops_path, json=body)
    assert response.status_code == 400
    check(response.json(), "ErrorResponse")


async def test_a_missing_webhook_conforms(sandbox, check):
    response = await sandbox.http.post("/api/v10/webhooks/1/x", json={"content": "x"})
    assert response.status_code == 404
    check(response.json(), "ErrorResponse")


async def test_a_rate_limit_conforms_its_headers_included(sandbox, check, description):
    for _ in range(6):
        response = await sandbox.http.post(sandbox.ops_path, json={"content": "x"})
    assert response.status_code == 429
    check(response.json(), "RatelimitedResponse")
    told = description["components"]["responses"]["ClientRatelimitedResponse"]["headers"]
    assert {name.lower() for name in told} <= set(response.headers)


@pytest.mark.parametrize("answer", [{"type": 5}, {"type": 4, "data": {"content": "now"}}])
async def test_a_callback_with_response_conforms(sandbox, check, answer):
    shown = []

    async def by_callback(request):
        body = json.loads(request.content)
        path = f"/api/v10/interactions/{body['id']}/{body['token']}/callback?with_response=true"
        shown.append(await sandbox.http.post(path, json=answer))
        return httpx.Response(202)

    sandbox.answer = by_callback
    await sandbox.ask()
    assert shown[0].status_code == 200
    check(shown[0].json(), "InteractionCallbackResponse")


def test_the_interactions_have_the_fields_that_were_recorded():
    recorded = FIXTURES / "requests.json"
    if not recorded.exists():
        pytest.skip("the recorded interactions are not beside this repository")
    samples = json.loads(recorded.read_text())
    person = people.user("alex")
    cases = {
        "ping": (PING, people.direct_message(person), False),
        "guild_command": (COMMAND, people.guild_channel("g", "c"), False),
        "guild_user_install_command": (COMMAND, people.guild_channel("g", "c"), True),
        "dm_bot_command": (COMMAND, people.direct_message(person), False),
        "dm_user_install_command": (COMMAND, people.direct_message(person), True),
    }
    for name, (kind, place, user_install) in cases.items():
        use = Use(
            type=kind, command="ask", options={"question": "q", "private": True}, user=person,
            place=place, locale="en-GB", user_install=user_install,
        )  # fmt: skip
        built = payload(use, interaction_id="1", token="t", application_id="2")
        assert shape(built) == shape(samples[name]), name


def shape(value):
    """Field names all the way down; users differ in which optional fields were recorded."""
    if isinstance(value, dict) and "username" in value:
        return "user"
    if isinstance(value, dict) and set(value) <= {"0", "1"}:
        return sorted(value)
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items() if key != "options"}
    return None

"""The look-alike's REST API, called as a bot calls Discord's."""

import asyncio
import json

import httpx
import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey


async def test_an_interaction_is_signed_acknowledged_and_answered_by_an_edit(sandbox):
    asked = await sandbox.ask("why?", user="sam", channel="general", locale="es-ES")
    assert asked["state"] == "thinking"
    assert asked["initial"]["status"] == 200
    assert asked["initial"]["type"] == 5
    sandbox.now[0] += 1
    path = sandbox.reply_path(asked) + "/messages/@original"
    response = await sandbox.http.patch(path, json={"content": "because", "embeds": []})
    assert response.status_code == 200
    shown = await sandbox.shown(asked)
    assert shown["state"] == "answered"
    assert [(e["at"], e["content"]) for e in shown["edits"]] == [(sandbox.now[0], "because")]
    assert (shown["user"], shown["channel"], shown["locale"]) == ("sam", "general", "es-ES")
    assert not shown["original"]["loading"]


async def test_the_request_to_ingress_is_what_discord_sends(sandbox):
    await sandbox.ask("café 😀", user="alex")
    request = sandbox.received[0]
    signature = bytes.fromhex(request.headers["x-signature-ed25519"])
    signed = request.headers["x-signature-timestamp"].encode() + request.content
    VerifyKey(bytes.fromhex(sandbox.world.public_key)).verify(signed, signature)
    body = json.loads(request.content)
    assert request.url.path == "/discord-interactions"
    assert body["data"]["options"] == [{"name": "question", "type": 3, "value": "café 😀"}]
    assert body["member"]["user"]["username"] == "alex"
    assert body["authorizing_integration_owners"] == {"0": body["guild_id"]}


async def test_a_direct_message_has_a_user_and_no_guild(sandbox):
    await sandbox.ask(guild=None)
    body = json.loads(sandbox.received[0].content)
    assert body["context"] == 1
    assert body["authorizing_integration_owners"] == {"0": "0"}
    assert "guild_id" not in body
    assert "member" not in body
    assert body["user"]["username"] == "alex"


@pytest.mark.parametrize("how", ["bad", "missing", "malformed"])
async def test_a_spoiled_signature_does_not_verify(sandbox, how):
    await sandbox.ask(signature=how)
    request = sandbox.received[0]
    signed = request.headers["x-signature-timestamp"].encode() + request.content
    key = VerifyKey(bytes.fromhex(sandbox.world.public_key))
    with pytest.raises((KeyError, ValueError, BadSignatureError)):
        key.verify(signed, bytes.fromhex(request.headers["x-signature-ed25519"]))


async def test_the_same_request_can_be_delivered_twice(sandbox):
    await sandbox.ask(repeat=2)
    first, second = sandbox.received
    assert first.content == second.content
    assert first.headers["x-signature-ed25519"] == second.headers["x-signature-ed25519"]


async def test_no_answer_within_three_seconds_fails_and_the_token_never_lives(sandbox):
    sandbox.world.discord.rules.answer_within_s = 0.05

    async def slow(_request):
        await asyncio.sleep(5)

    sandbox.answer = slow
    asked = await sandbox.ask()
    assert asked["state"] == "failed"
    assert asked["initial"]["status"] is None
    response = await sandbox.http.patch(
        sandbox.reply_path(asked) + "/messages/@original", json={"content": "late"}
    )
    assert (response.status_code, response.json()["code"]) == (404, 10015)


async def test_an_edit_before_the_acknowledgement_finds_nothing(sandbox):
    seen = []

    async def edits_first(request):
        token = json.loads(request.content)["token"]
        app = sandbox.world.discord.state.application_id
        path = f"/api/v10/webhooks/{app}/{token}/messages/@original"
        seen.append(await sandbox.http.patch(path, json={"content": "too early"}))
        return httpx.Response(200, json={"type": 5})

    sandbox.answer = edits_first
    await sandbox.ask()
    assert (seen[0].status_code, seen[0].json()["code"]) == (404, 10015)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (httpx.Response(500), "ingress answered 500"),
        (httpx.Response(401, json={}), "ingress answered 401"),
        (httpx.Response(200, text="hello"), "ingress answered 200"),
        (httpx.Response(200, json={"type": 1}), "50035"),
        (httpx.Response(200, json={"type": 4, "data": {"content": ""}}), "50006"),
        (httpx.Response(200, json={"type": 4, "data": {"content": "x" * 2001}}), "50035"),
    ],
)
async def test_an_answer_that_discord_would_not_take_fails_the_interaction(sandbox, answer, why):
    async def give(_request):
        return answer

    sandbox.answer = give
    asked = await sandbox.ask()
    assert asked["state"] == "failed"
    assert why in asked["reason"]


async def test_an_immediate_message_is_an_answer(sandbox):
    async def now(_request):
        return httpx.Response(200, json={"type": 4, "data": {"content": "Done", "flags": 64}})

    sandbox.answer = now
    asked = await sandbox.ask()
    assert asked["state"] == "answered"
    assert asked["original"]["content"] == "Done"
    assert asked["original"]["ephemeral"]


async def test_the_callback_endpoint_acknowledges_once(sandbox):
    codes = []

    async def by_callback(request):
        body = json.loads(request.content)
        path = f"/api/v10/interactions/{body['id']}/{body['token']}/callback"
        answers = [await sandbox.http.post(path, json={"type": 5}) for _ in range(2)]
        codes.extend(answer.status_code for answer in answers)
        return httpx.Response(202)

    sandbox.answer = by_callback
    asked = await sandbox.ask()
    assert codes == [204, 400]
    assert asked["state"] == "thinking"


async def test_a_token_dies_after_its_life(sandbox):
    asked = await sandbox.ask()
    sandbox.now[0] += 900
    response = await sandbox.http.patch(
        sandbox.reply_path(asked) + "/messages/@original", json={"content": "late"}
    )
    assert (response.status_code, response.json()["code"]) == (401, 50027)
    assert (await sandbox.shown(asked))["state"] == "failed"


async def test_the_first_follow_up_after_a_defer_is_an_edit_and_the_second_a_message(sandbox):
    asked = await sandbox.ask()
    for text in ("answer", "more"):
        response = await sandbox.http.post(sandbox.reply_path(asked), json={"content": text})
        assert response.status_code == 200
    shown = await sandbox.shown(asked)
    assert [(e["content"], e["via"]) for e in shown["edits"]] == [("answer", "followup")]
    assert [f["content"] for f in shown["followups"]] == ["more"]


async def test_ephemeral_is_fixed_when_deferring(sandbox):
    async def privately(_request):
        return httpx.Response(200, json={"type": 5, "data": {"flags": 64}})

    sandbox.answer = privately
    asked = await sandbox.ask()
    path = sandbox.reply_path(asked) + "/messages/@original"
    edited = await sandbox.http.patch(path, json={"content": "psst", "flags": 0})
    assert edited.json()["flags"] == 64


async def test_a_follow_up_can_be_read_edited_and_deleted(sandbox):
    asked = await sandbox.ask()
    base = sandbox.reply_path(asked)
    await sandbox.http.patch(base + "/messages/@original", json={"content": "a"})
    made = (await sandbox.http.post(base, json={"content": "b"})).json()
    path = f"{base}/messages/{made['id']}"
    assert (await sandbox.http.patch(path, json={"content": "c"})).json()["content"] == "c"
    assert (await sandbox.http.get(path)).json()["content"] == "c"
    assert (await sandbox.http.delete(path)).status_code == 204
    assert (await sandbox.http.get(path)).json()["code"] == 10008


async def test_a_user_installed_application_follows_up_five_times(sandbox):
    sandbox.world.discord.rules.webhook_limit = 0
    asked = await sandbox.ask(user_install=True)
    base = sandbox.reply_path(asked)
    await sandbox.http.patch(base + "/messages/@original", json={"content": "a"})
    answers = [await sandbox.http.post(base, json={"content": "b"}) for _ in range(6)]
    assert [r.status_code for r in answers] == [200] * 5 + [400]
    assert answers[-1].json()["code"] == 40094


async def test_an_edit_that_would_leave_nothing_changes_nothing(sandbox):
    asked = await sandbox.ask()
    path = sandbox.reply_path(asked) + "/messages/@original"
    await sandbox.http.patch(path, json={"content": "kept"})
    refused = await sandbox.http.patch(path, json={"content": "   "})
    assert refused.json()["code"] == 50006
    assert (await sandbox.http.get(path)).json()["content"] == "kept"


async def test_a_webhook_posts_with_204_and_with_wait_shows_the_message(sandbox):
    silent = await sandbox.http.post(sandbox.ops_path, json={"content": "one"})
    assert (silent.status_code, silent.content) == (204, b"")
    shown = await sandbox.http.post(sandbox.ops_path + "?wait=true", json={"content": "two"})
    assert shown.json()["content"] == "two"
    posts = (await sandbox.http.get("/api/messages?webhook=ops")).json()
    assert [p["content"] for p in posts] == ["one", "two"]


async def test_a_deleted_webhook_is_unknown_and_a_wrong_token_invalid(sandbox):
    wrong = await sandbox.http.post(sandbox.ops_path + "x", json={"content": "one"})
    assert (wrong.status_code, wrong.json()["code"]) == (401, 50027)
    assert (await sandbox.http.delete("/api/webhooks/ops")).status_code == 204
    gone = await sandbox.http.post(sandbox.ops_path, json={"content": "one"})
    assert (gone.status_code, gone.json()) == (404, {"message": "Unknown Webhook", "code": 10015})
    await sandbox.http.post("/api/webhooks", json={"name": "ops"})
    again = await sandbox.http.post(sandbox.ops_path, json={"content": "back"})
    assert again.status_code == 204


async def test_the_sixth_post_within_two_seconds_is_refused_with_all_headers(sandbox):
    answers = [await sandbox.http.post(sandbox.ops_path, json={"content": "x"}) for _ in range(6)]
    assert [r.status_code for r in answers] == [204] * 5 + [429]
    assert [r.headers["x-ratelimit-remaining"] for r in answers] == ["4", "3", "2", "1", "0", "0"]
    refused = answers[-1]
    assert refused.headers["retry-after"] == "2"
    assert refused.headers["x-ratelimit-scope"] == "user"
    assert refused.json()["retry_after"] == 2.0
    assert refused.json()["global"] is False
    sandbox.now[0] += 2
    assert (await sandbox.http.post(sandbox.ops_path, json={"content": "x"})).status_code == 204


async def test_the_channel_limit_is_shared_and_the_global_one_says_so(sandbox):
    sandbox.world.discord.rules.channel_limit = 1
    await sandbox.http.post(sandbox.ops_path, json={"content": "x"})
    refused = await sandbox.http.post(sandbox.ops_path, json={"content": "x"})
    assert refused.headers["x-ratelimit-scope"] == "shared"
    sandbox.world.discord.rules.global_limit = 2
    refused = await sandbox.http.post(sandbox.ops_path, json={"content": "x"})
    assert refused.headers["x-ratelimit-global"] == "true"
    assert refused.json()["global"] is True


async def test_each_interaction_has_a_bucket_of_its_own(sandbox):
    sandbox.world.discord.rules.webhook_limit = 1
    for _ in range(3):
        asked = await sandbox.ask()
        path = sandbox.reply_path(asked) + "/messages/@original"
        assert (await sandbox.http.patch(path, json={"content": "x"})).status_code == 200


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"{", {"content-type": "application/json"}, 400, 50109),
        (b"[]", {"content-type": "application/json"}, 400, 50035),
        (b"{}", {"content-type": "text/plain"}, 400, 50035),
        (b"{}", {"content-type": "application/json"}, 400, 50006),
        (b"{}", {"user-agent": "python-httpx/0.28"}, 403, 40333),
    ],
)
async def test_what_is_no_form_is_refused(sandbox, content, headers, status, code):
    response = await sandbox.http.post(sandbox.ops_path, content=content, headers=headers)
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_a_file_is_an_attachment(sandbox):
    files = {"files[0]": ("a.txt", b"hello")}
    data = {"payload_json": json.dumps({"content": "see"})}
    response = await sandbox.http.post(sandbox.ops_path + "?wait=true", data=data, files=files)
    assert response.status_code == 200
    assert response.json()["attachments"][0]["filename"] == "a.txt"


async def test_nonces_hold_in_channels_and_only_there(sandbox):
    channel = (await sandbox.http.post(sandbox.ops_path + "?wait=true", json={"content": "x"})
               ).json()["channel_id"]  # fmt: skip
    bot = {"authorization": "Bot x"}
    body = {"content": "once", "nonce": "n1", "enforce_nonce": True}
    path = f"/api/v10/channels/{channel}/messages"
    first = await sandbox.http.post(path, json=body, headers=bot)
    second = await sandbox.http.post(path, json=body, headers=bot)
    assert first.json()["id"] == second.json()["id"]
    assert (await sandbox.http.post(path, json=body)).status_code == 401


async def test_mentions_ping_users_unless_told_otherwise(sandbox):
    text = {"content": "<@123> @everyone"}
    path = sandbox.ops_path + "?wait=true"
    usual = (await sandbox.http.post(path, json=text)).json()
    silent = (await sandbox.http.post(path, json=text | {"allowed_mentions": {"parse": []}})).json()
    assert ([m["id"] for m in usual["mentions"]], usual["mention_everyone"]) == (["123"], False)
    assert (silent["mentions"], silent["mention_everyone"]) == ([], False)


async def test_the_other_kinds_of_interaction_have_their_fields(sandbox):
    async def pong(_request):
        return httpx.Response(200, json={"type": 1})

    sandbox.answer = pong
    assert (await sandbox.ask(type="ping"))["state"] == "answered"
    await sandbox.ask(type="component", custom_id="ok:1")
    await sandbox.ask(type="autocomplete")
    await sandbox.ask(type="modal", custom_id="form:1")
    ping, component, complete, modal = (json.loads(r.content) for r in sandbox.received)
    assert "data" not in ping
    assert component["data"] == {"component_type": 2, "custom_id": "ok:1", "id": 2}
    assert complete["data"]["options"][0]["focused"] is True
    assert modal["data"]["components"][0]["component"]["custom_id"] == "question"


async def test_what_discord_does_not_have_is_not_found_in_its_own_words(sandbox):
    response = await sandbox.http.get("/api/v10/nothing/here")
    assert (response.status_code, response.json()) == (404, {"message": "404: Not Found", "code": 0})


async def test_a_body_beyond_25_mib_is_too_large(sandbox):
    body = b"x" * (27 * 1024 * 1024)
    response = await sandbox.http.post(sandbox.ops_path, content=body)
    assert (response.status_code, response.json()["code"]) == (413, 40005)


async def test_a_button_updates_the_message_it_is_on(sandbox):
    asked = await sandbox.ask()
    path = sandbox.reply_path(asked) + "/messages/@original"
    message = (await sandbox.http.patch(path, json={"content": "Approve?"})).json()

    async def update(_request):
        return httpx.Response(200, json={"type": 7, "data": {"content": "Approved"}})

    sandbox.answer = update
    pressed = await sandbox.ask(type="component", custom_id="ok:1", message_id=message["id"])
    assert pressed["state"] == "answered"
    assert json.loads(sandbox.received[-1].content)["message"]["content"] == "Approve?"
    assert (await sandbox.shown(asked))["original"]["content"] == "Approved"

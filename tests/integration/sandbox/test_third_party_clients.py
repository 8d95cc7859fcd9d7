"""Real clients of other people, unchanged, against the sandbox's Discord: it is the API they expect."""

import asyncio
import threading
import warnings

import aiohttp
import pytest
from support.sandbox_server import sandbox_server

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its voice part, which nobody uses here
    import discord
    from discord_webhook import DiscordEmbed, DiscordWebhook

pytestmark = pytest.mark.integration


@pytest.fixture
def sandbox():
    with sandbox_server() as sandbox:
        yield sandbox


@pytest.fixture
def api_of_the_sandbox(sandbox, monkeypatch):
    """discord.py knows one address only; where it is said is all that changes."""
    monkeypatch.setattr(discord.http.Route, "BASE", sandbox.api_url)


async def test_discord_py_posts_edits_fetches_and_deletes_through_a_webhook(sandbox, api_of_the_sandbox):
    webhook_id, token = sandbox.webhook_url.split("/")[-2:]
    async with aiohttp.ClientSession() as session:
        webhook = discord.Webhook.partial(int(webhook_id), token, session=session)
        embed = discord.Embed(title="Backup", description="failed", colour=discord.Colour.red())
        embed.add_field(name="Host", value="db1")
        message = await webhook.send("Hello <@1>", embed=embed, username="Backups", wait=True)
        assert (message.content, message.embeds[0].title) == ("Hello <@1>", "Backup")
        edited = await message.edit(content="Done")
        assert edited.content == "Done"
        assert (await webhook.fetch_message(message.id)).content == "Done"
        assert (await webhook.fetch()).channel_id is not None
        await webhook.delete_message(message.id)
        with pytest.raises(discord.NotFound) as caught:
            await webhook.fetch_message(message.id)
        assert caught.value.code == 10008


async def test_discord_py_waits_out_the_sandboxs_rate_limits(sandbox, api_of_the_sandbox):
    rules = sandbox.world.discord.rules
    rules.webhook_limit, rules.webhook_window_s = 2, 0.5
    webhook_id, token = sandbox.webhook_url.split("/")[-2:]
    async with aiohttp.ClientSession() as session:
        webhook = discord.Webhook.partial(int(webhook_id), token, session=session)
        await asyncio.gather(*(webhook.send(f"{n}") for n in range(5)))
    contents = sorted(message.content for message in sandbox.world.discord.state.posts)
    assert contents == ["0", "1", "2", "3", "4"]


async def test_discord_py_says_what_is_wrong_in_the_sandboxs_words(sandbox, api_of_the_sandbox):
    webhook_id, token = sandbox.webhook_url.split("/")[-2:]
    async with aiohttp.ClientSession() as session:
        webhook = discord.Webhook.partial(int(webhook_id), token, session=session)
        with pytest.raises(discord.HTTPException) as caught:
            await webhook.send(embed=discord.Embed(title="t" * 257))
    assert caught.value.code == 50035
    assert "256" in str(caught.value)


def in_thread(call):
    result = []
    thread = threading.Thread(target=lambda: result.append(call()))
    thread.start()
    thread.join(30)
    return result[0]


def test_discord_webhook_posts_edits_deletes_and_waits_for_its_turn(sandbox):
    rules = sandbox.world.discord.rules
    rules.webhook_limit, rules.webhook_window_s = 2, 0.5
    webhook = DiscordWebhook(url=sandbox.webhook_url, content="Hello", rate_limit_retry=True)
    embed = DiscordEmbed(title="Backup", description="failed", color="d83c3e")
    embed.add_embed_field(name="Host", value="db1")
    webhook.add_embed(embed)
    webhook.add_file(file=b"log", filename="backup.log")
    answer = in_thread(webhook.execute)
    assert answer.status_code == 200
    (shown,) = sandbox.world.discord.state.posts
    assert (shown.content, shown.embeds[0]["title"]) == ("Hello", "Backup")
    assert shown.attachments[0]["filename"] == "backup.log"
    for n in range(4):
        again = DiscordWebhook(url=sandbox.webhook_url, content=f"{n}", rate_limit_retry=True)
        assert in_thread(again.execute).status_code == 200
    again.content = "edited"
    in_thread(again.edit)
    assert sandbox.world.discord.state.posts[-1].content == "edited"
    in_thread(again.delete)
    assert sandbox.world.discord.state.posts[-1].deleted

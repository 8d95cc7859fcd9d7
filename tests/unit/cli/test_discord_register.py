"""`posta discord register`: what differs, and what the look-alike Discord knows afterwards."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from posta_cli.discord.api import CommandsApi
from posta_cli.discord.plan import Change, differences, plan
from posta_cli.discord.register import register, scopes
from posta_cli.discord.target import Target, find_target
from posta_cli.errors import CommandError, ConfigurationRefusedError
from posta_sandbox.app import create_app
from posta_sandbox.settings import SandboxSettings

CONFIG = Path(__file__).resolve().parents[3] / "deploy" / "config"
HERE = "1100000000000000001"
MINE = {"name": "ask", "type": 1, "description": "Ask"}
FOREIGN = {"name": "music", "type": 1, "description": "Of another program", "id": "5", "version": "6"}


def steps(found):
    return {step.name: step.change for step in found.steps}


def test_a_command_that_discord_does_not_know_is_added_and_others_are_kept():
    found = plan([MINE], [FOREIGN], guild_id=None, prune=False)
    assert steps(found) == {"ask": Change.ADD, "music": Change.KEEP}
    assert list(found.overwrite) == [MINE, FOREIGN]


def test_prune_removes_what_is_not_in_the_rules_but_never_an_entry_point():
    entry = {"name": "launch", "type": 4}
    found = plan([MINE], [FOREIGN, entry], guild_id=None, prune=True)
    assert steps(found) == {"ask": Change.ADD, "music": Change.REMOVE, "launch": Change.KEEP}
    assert list(found.overwrite) == [MINE, entry]


def test_what_discord_adds_by_itself_is_no_difference():
    registered = MINE | {
        "id": "1", "version": "2", "application_id": "3", "nsfw": False, "name_localizations": None,
        "default_member_permissions": None, "integration_types": [0], "options": []}  # fmt: skip
    found = plan([MINE], [registered], guild_id=None, prune=False)
    assert steps(found) == {"ask": Change.SAME}
    assert not found.changes


def test_a_difference_is_named_by_its_path():
    options = [{"type": 3, "name": "question", "description": "What", "max_length": 10}]
    changed = [{"type": 3, "name": "question", "description": "What?", "max_length": 10.0}]
    (step,) = plan(
        [MINE | {"options": options}], [MINE | {"options": changed}], guild_id=None, prune=False
    ).steps
    assert (step.change, step.differs) == (Change.UPDATE, ("options/question/description",))
    assert differences([1], [1, 2], "x") == ["x"]


class Through(httpx.BaseTransport):
    """Calls an ASGI application from code that waits for its answers."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = asyncio.run(self._call(request))
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    async def _call(self, request: httpx.Request) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self._app)) as http:
            headers = dict(request.headers)
            return await http.request(request.method, request.url, headers=headers, content=request.read())


@pytest.fixture
def sandbox() -> FastAPI:
    return create_app(SandboxSettings())


@pytest.fixture
def api(sandbox) -> Iterator[CommandsApi]:
    with an_api(sandbox) as made:
        yield made


def an_api(sandbox, **changes) -> CommandsApi:
    application = sandbox.state.world.discord.state.application_id
    given = {"api_url": "http://127.0.0.1/api/v10", "application_id": application, "bot_token": "t"} | changes
    return CommandsApi(transport=Through(sandbox), **given)


def shipped(api, **options):
    wanted = scopes(CONFIG, application_id="1", guild_id=options.pop("guild_id", None))
    shown = []
    differs = register(api, wanted, prune=options.get("prune", False), dry_run=options.get("dry_run", False),
                       show=shown.append)  # fmt: skip
    return differs, shown


def test_registering_twice_changes_nothing_the_second_time(api):
    differs, shown = shipped(api)
    assert differs
    assert set(steps(shown[0]).values()) == {Change.ADD}
    differs, shown = shipped(api)
    assert not differs
    assert {"ask", "ops", "Explain this"} <= set(steps(shown[0]))


def test_a_dry_run_sends_nothing(api):
    differs, _ = shipped(api, dry_run=True)
    assert differs
    assert api.registered(None) == []


def test_one_server_gets_everything_that_works_there_and_the_rest_stays(api):
    shipped(api, guild_id=HERE)
    assert len(api.registered(HERE)) == 8
    assert api.registered(None) == []


def test_commands_of_others_stay_registered(api):
    api.overwrite(None, [{"name": "music", "type": 1, "description": "Of another program"}])
    _, (shown,) = shipped(api)
    assert steps(shown)["music"] is Change.KEEP
    assert "music" in [one["name"] for one in api.registered(None)]


def test_a_refusal_names_the_field_and_what_to_do(sandbox, api):
    with pytest.raises(CommandError, match=r"50035|0/name: Command name is invalid"):
        api.overwrite(None, [{"name": "No Spaces", "type": 1, "description": "x"}])
    with pytest.raises(CommandError, match="POSTA_DISCORD__APPLICATION_ID"):
        an_api(sandbox, application_id="42").registered(None)


def test_a_wrong_file_is_refused_with_its_path(tmp_path):
    (tmp_path / "commands.yaml").write_text("commands: {}")
    with pytest.raises(ConfigurationRefusedError, match=r"commands\.yaml: commands: "):
        scopes(tmp_path, application_id="1", guild_id=None)


def test_the_application_is_the_one_that_is_set():
    given = {"POSTA_DISCORD__BOT_TOKEN": "secret", "POSTA_DISCORD__APPLICATION_ID": "123456"}
    found = find_target(given)
    assert found == Target(api_url="https://discord.com/api/v10", application_id="123456", bot_token="secret")
    assert "secret" not in repr(found)
    assert find_target(given, application_id="7").application_id == "7"


def test_without_a_token_and_a_running_system_it_is_said_what_to_set(tmp_path):
    with pytest.raises(CommandError, match=r"POSTA_DISCORD__BOT_TOKEN"):
        find_target({"POSTA_HOME": str(tmp_path)})


def test_the_look_alike_needs_a_bots_token(sandbox):
    async def ask():
        transport = httpx.ASGITransport(sandbox)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return await http.get(
                "/api/v10/applications/1/commands", headers={"user-agent": "DiscordBot (x, 1)"}
            )

    assert asyncio.run(ask()).status_code == 401

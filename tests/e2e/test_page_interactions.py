"""Commands, suggestions, buttons, menus and forms on the sandbox's page, answered by ingress itself.

Neither Kafka nor PostgreSQL runs: the spool keeps what is accepted, so that each answer at once is real.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright
from support.processes import REPOSITORY, ServiceProcess, free_port

from posta_cli.discord.api import CommandsApi
from posta_cli.discord.register import register, scopes
from posta_sandbox import keys

_NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next((path for name in _NAMES if (path := shutil.which(name))), None)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
SEED = "33" * 32
CONFIG = REPOSITORY / "deploy" / "config"
pytestmark = [
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


class Running:
    """Ingress and the sandbox, pointed at each other."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        port = free_port()
        self.ingress = ServiceProcess(
            "ingress",
            {
                "POSTA_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
                "POSTA_DATABASE__URL": "postgresql://posta@127.0.0.1:1/posta",
                "POSTA_STATE_DIR": str(self.state),
                "POSTA_DISCORD__PUBLIC_KEYS": keys.public_key_hex(SEED),
            },
            folder / "ingress.log",
        )
        self.sandbox = ServiceProcess(
            "posta_sandbox",
            {
                "POSTA_SANDBOX__PORT": str(port),
                "POSTA_SANDBOX__INGRESS_URL": self.ingress.url,
                "POSTA_SANDBOX__DISCORD_SEED": SEED,
            },
            folder / "sandbox.log",
        )
        self.sandbox.port, self.sandbox.url = port, f"http://127.0.0.1:{port}"

    def start(self) -> None:
        self.ingress.start().wait_ready()
        self.sandbox.start().wait_ready()
        application = keys.application_id(SEED)
        with CommandsApi(
            api_url=f"{self.sandbox.url}/api/v10", application_id=application, bot_token="t"
        ) as api:
            wanted = scopes(CONFIG, application_id=application, guild_id=None)
            assert register(api, wanted, prune=False, dry_run=False, show=lambda _plan: None)

    def sent(self) -> dict[str, Any]:
        """The ``data`` of the newest interaction that ingress was sent, suggestions left out."""
        calls = httpx.get(f"{self.sandbox.url}/api/calls", params={"service": "ingress"}).json()
        for call in reversed(calls):
            detail = httpx.get(f"{self.sandbox.url}/api/calls/{call['id']}").json()
            body = detail["request"]["body"]
            interaction = json.loads(body) if isinstance(body, str) else body
            if interaction["type"] != 4:
                return interaction["data"]
        raise AssertionError("nothing was sent")

    def close(self) -> None:
        self.sandbox.close()
        self.ingress.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    made = Running(tmp_path_factory.mktemp("interactions"))
    try:
        made.start()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, running):
    opened = browser.new_page(locale="en-US", viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(30_000)
    wrong: list[str] = []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    opened.goto(running.sandbox.url)
    expect(opened.locator("#commands option[value='ops note']")).to_be_attached(timeout=30_000)
    yield opened
    opened.close()
    assert wrong == []


def use(page: Page, command: str, text: str = "") -> None:
    page.get_by_test_id("command-input").fill(command)
    if text:
        page.get_by_test_id("question").fill(text)


def last(page: Page):
    return page.get_by_test_id("message").last


def test_suggestions_appear_while_typing_and_the_chosen_one_is_sent(page, running):
    use(page, "docs", "How often are they made?")
    page.get_by_test_id("option-topic").fill("back")
    suggestion = page.get_by_test_id("suggestions-topic").get_by_role("option")
    expect(suggestion).to_have_count(1)
    expect(suggestion).to_have_text("Backups")
    page.get_by_test_id("option-topic").press("ArrowDown")
    page.get_by_test_id("option-topic").press("Enter")
    expect(page.get_by_test_id("option-topic")).to_have_value("Backups")
    page.get_by_test_id("send").click()
    expect(last(page)).to_contain_text("Posta is thinking…")
    options = {option["name"]: option["value"] for option in running.sent()["options"]}
    assert options == {"topic": "backups", "question": "How often are they made?"}


def test_a_form_is_opened_by_a_button_and_what_is_written_is_kept(page, running):
    use(page, "help")
    page.get_by_test_id("send").click()
    expect(last(page)).to_contain_text("ask me anything")
    last(page).get_by_test_id("press-report").click()
    form = page.get_by_test_id("form")
    expect(form).to_contain_text("Report a problem")
    page.get_by_test_id("form-summary").fill("The disk is full")
    page.get_by_test_id("form-details").fill("On db1")
    page.get_by_test_id("form-send").click()
    expect(last(page)).to_contain_text("the operators know about it")
    components = [label["component"] for label in running.sent()["components"]]
    assert [one["value"] for one in components] == ["The disk is full", "On db1"]


def test_a_button_replaces_its_message_and_a_menu_asks(page, running):
    use(page, "help")
    page.get_by_test_id("send").click()
    message = last(page)
    expect(message).to_contain_text("ask me anything")
    message.get_by_test_id("choose-subject").select_option("backups")
    expect(last(page)).to_contain_text("Posta is thinking…")
    assert (running.sent()["custom_id"], running.sent()["values"]) == ("subject", ["backups"])
    page.get_by_test_id("press-examples").last.click()
    expect(page.get_by_test_id("messages")).to_contain_text("How do I restore a backup?")


def test_a_subcommand_names_a_person(page, running):
    use(page, "ops note", "Look into this")
    page.get_by_test_id("option-about").select_option("kim")
    page.get_by_test_id("send").click()
    expect(last(page)).to_contain_text("Noted for the operators.")
    (subcommand,) = running.sent()["options"]
    about = next(option for option in subcommand["options"] if option["name"] == "about")
    assert about["type"] == 6
    assert running.sent()["resolved"]["users"][about["value"]]["global_name"] == "Kim"


def test_the_menu_of_a_message_has_its_commands(page, running):
    use(page, "help")
    page.get_by_test_id("send").click()
    message = last(page)
    expect(message).to_contain_text("ask me anything")
    message.get_by_test_id("apps").click()
    message.get_by_test_id("menu-Say hello").click()
    expect(last(page)).to_contain_text("Alex says hello to Alex.")
    message.get_by_test_id("apps").click()
    message.get_by_test_id("menu-Explain this").click()
    expect(last(page)).to_contain_text("Posta is thinking…")
    data = running.sent()
    assert (data["type"], data["target_id"] in data["resolved"]["messages"]) == (3, True)


def test_a_spanish_speaker_reads_spanish(page):
    page.get_by_test_id("user").select_option("maría")
    use(page, "help")
    page.get_by_test_id("send").click()
    expect(last(page)).to_contain_text("preguntarme lo que quieras")


def test_the_registered_commands_are_listed_as_discord_lists_them(running):
    found = httpx.get(f"{running.sandbox.url}/api/commands").json()
    assert {one["name"] for one in found} >= {"ask", "docs", "help", "report", "ops", "Explain this"}

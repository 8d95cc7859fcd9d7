"""What the sandbox's page shows of Discord, through the real system. `make screenshots` keeps them."""

import os
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
PATIENCE_MS = 30_000
SIZE = {"width": 1180, "height": 720}
MOST_BYTES = 150_000
THREAD = "1380486651436074821"


@pytest.fixture
def page(chromium, posta) -> Page:
    page = chromium.new_page(locale="en-US", viewport=SIZE)
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(posta.sandbox)
    expect(page.locator("#commands option[value='ops note']")).to_be_attached(timeout=PATIENCE_MS)
    yield page
    page.close()
    assert faults == [], "a script of the page failed"


def shoot(page: Page, name: str) -> None:
    """Keep a picture where `POSTA_SCREENSHOTS` says; without it nothing is kept."""
    folder = os.environ.get("POSTA_SCREENSHOTS")
    if folder:
        path = Path(folder) / f"sandbox-{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path)
        assert path.stat().st_size < MOST_BYTES, "too large for a README"


def use(page: Page, command: str, text: str = "") -> None:
    page.get_by_test_id("command-input").fill(command)
    if text:
        page.get_by_test_id("question").fill(text)


def said(page: Page, text: str):
    return page.get_by_test_id("message").filter(has_text=text).last


def registered(posta, tmp_path: Path, name: str, *, channel: str, thread: str = "") -> None:
    """A webhook of the sandbox, registered as an operator would."""
    made = posta.http.post(f"{posta.sandbox}/api/webhooks", json={"name": name, "channel": channel}).json()
    url = tmp_path / "url"
    url.write_text(made["url"])
    options = ["--thread", thread] if thread else []
    done = posta.system.posta(
        "destinations", "add", name, "--description", f"#{channel}", "--url-file", str(url), *options
    )
    assert done.returncode == 0, done.stderr


def event(destination: str, type_: str, title: str, **data) -> dict:
    return {"type": type_, "source": "/ci", "destination": destination, "data": {"title": title, **data}}


def test_a_question_is_answered_and_its_raw_http_is_beside_it(posta, page):
    page.get_by_test_id("question").fill("How do I export my data?")
    page.get_by_test_id("send").click()
    message = said(page, "How do I export my data?")
    expect(message).to_have_attribute("data-state", "answered", timeout=PATIENCE_MS)
    message.get_by_test_id("raw-of-message").click()
    calls = page.get_by_test_id("raw-call")
    expect(calls.filter(has_text="PATCH")).to_be_visible()
    expect(calls.filter(has_text="discord-interactions")).to_be_visible()
    shoot(page, "question")


def test_suggestions_are_shown_while_typing(page):
    use(page, "docs", "How often are they made?")
    page.get_by_test_id("option-topic").press_sequentially("a")
    suggestions = page.get_by_test_id("suggestions-topic")
    expect(suggestions).to_be_visible()
    expect(suggestions.get_by_role("option").filter(has_text="Backups")).to_be_visible()
    page.get_by_test_id("option-topic").press("ArrowDown")
    expect(suggestions.locator("[aria-selected=true]")).to_have_count(1)
    shoot(page, "suggestions")
    page.get_by_test_id("option-topic").press("Escape")
    expect(suggestions).to_be_hidden()


def test_an_ephemeral_message_has_buttons_and_menus_and_a_button_opens_a_form(page):
    use(page, "help")
    page.get_by_test_id("send").click()
    message = said(page, "ask me anything")
    expect(message.get_by_test_id("row")).not_to_have_count(0)
    expect(message).to_contain_text("Only you can see this")
    shoot(page, "components")
    message.get_by_test_id("press-report").click()
    page.get_by_test_id("form-summary").fill("The disk is full")
    page.get_by_test_id("form-details").fill(
        "On db1, since this morning. The nightly backup stopped at 03:10."
    )
    shoot(page, "form")
    page.get_by_test_id("form-send").click()
    expect(page.get_by_test_id("message").last).to_contain_text("the operators know about it")


def test_another_person_does_not_see_an_ephemeral_answer(page):
    use(page, "help")
    page.get_by_test_id("send").click()
    expect(said(page, "ask me anything")).to_be_visible()
    page.get_by_test_id("user").select_option("kim")
    expect(page.get_by_test_id("message").last).to_contain_text("Only Alex can see the answer.")
    expect(page.get_by_test_id("message").last.get_by_test_id("row")).to_have_count(0)


def test_events_are_embeds_in_their_channel_or_thread(posta, page, tmp_path):
    registered(posta, tmp_path, "builds", channel="deploys")
    registered(posta, tmp_path, "nightly", channel="deploys", thread=THREAD)
    for one in (
        event("builds", "deploy.succeeded", "Shop 4.2.0 is live", took="3 min 12 s", commit="9f2c1ab"),
        event("nightly", "backup.succeeded", "Backup of db1 done", took="4 min", size="12.4 GiB"),
        event(
            "builds",
            "deploy.failed",
            "Shop 4.2.1 was rolled back",
            error="health check: 503",
            commit="77aa01d",
        ),
    ):
        assert posta.publish(one).status_code == 202
    page.get_by_test_id("channel-deploys").click(timeout=PATIENCE_MS)
    expect(page.get_by_test_id("message")).to_have_count(3, timeout=PATIENCE_MS)
    expect(said(page, "Backup of db1 done").get_by_test_id("thread")).to_have_text("in thread …4821")
    expect(said(page, "was rolled back").get_by_test_id("thread")).to_have_count(0)
    expect(said(page, "is live").locator(".embed")).to_be_visible()
    shoot(page, "events")


def test_a_full_bucket_is_closed_until_it_opens_and_nothing_is_sent_into_it(posta, page, tmp_path):
    registered(posta, tmp_path, "flooded", channel="alerts")
    for n in range(24):
        posta.publish(event("flooded", "backup.failed", f"Backup {n + 1} of 24 failed", error="disk full"))
    page.get_by_test_id("channel-alerts").click(timeout=PATIENCE_MS)
    hook = page.get_by_test_id("hook-flooded")
    expect(hook).to_have_attribute("data-state", "closed", timeout=PATIENCE_MS)
    expect(hook).to_contain_text(re.compile(r"bucket closed, opens in \d\.\d s"))
    shoot(page, "closed-bucket")
    expect(said(page, "Backup 24 of 24 failed")).to_be_visible(timeout=PATIENCE_MS)
    expect(hook).not_to_contain_text("429")


def test_a_webhook_deleted_on_the_page_is_called_once_more_and_its_owner_is_told(posta, page, tmp_path):
    registered(posta, tmp_path, "retired", channel="archive")
    assert posta.publish(event("retired", "backup.succeeded", "The last one that arrives")).status_code == 202
    page.get_by_test_id("channel-archive").click(timeout=PATIENCE_MS)
    expect(said(page, "The last one that arrives")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_test_id("delete-retired").click()
    hook = page.get_by_test_id("hook-retired")
    expect(hook).to_have_attribute("data-state", "deleted")
    assert posta.publish(event("retired", "backup.succeeded", "Nobody sees this")).status_code == 202
    page.get_by_test_id("channel-ops").click()
    expect(said(page, "retired")).to_be_visible(timeout=PATIENCE_MS)
    shoot(page, "owner-told")
    page.get_by_test_id("channel-archive").click()
    expect(page.get_by_test_id("message")).to_have_count(1)
    shoot(page, "deleted-webhook")
    page.get_by_test_id("restore-retired").click()
    expect(hook).to_have_attribute("data-state", "open")

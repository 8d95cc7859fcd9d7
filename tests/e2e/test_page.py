"""What a person sees: a question answered on the page, and an admin who repairs what failed."""

import json
import re
import uuid
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.e2e, pytest.mark.browser]
ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
PATIENCE_MS = 30_000


@pytest.fixture
def page(chromium) -> Page:
    page = chromium.new_page(locale="en-US", viewport={"width": 1280, "height": 860})
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    yield page
    page.close()
    assert faults == [], "a script of the page failed"


def shoot(page: Page, name: str) -> Path:
    ARTIFACTS.mkdir(exist_ok=True)
    path = ARTIFACTS / f"{name}.png"
    page.screenshot(path=path)
    assert path.stat().st_size > 10_000, "an empty picture"
    return path


def ask(page: Page, question: str):
    page.get_by_test_id("question").fill(question)
    page.get_by_test_id("send").click()
    return page.get_by_test_id("message").filter(has_text=question).last


def test_a_question_on_the_page_is_answered_by_the_real_system(posta, page):
    posta.http.put(f"{posta.sandbox}/api/llm/settings", json={"latency_s": 1.0})
    page.goto(posta.sandbox)
    question = f"What was a posta? {uuid.uuid4().hex[:6]}"
    message = ask(page, question)
    expect(message).to_have_attribute("data-state", "thinking", timeout=PATIENCE_MS)
    expect(message).to_have_attribute("data-state", "answered", timeout=PATIENCE_MS)
    expect(message.get_by_test_id("content")).to_contain_text(f'Answer to "{question}"')
    title = f"Backup done {uuid.uuid4().hex[:6]}"
    posta.publish({"type": "backup.succeeded", "source": "/cron", "data": {"title": title, "took": "4 min"}})
    page.get_by_test_id("channel-ops").click()
    expect(page.get_by_test_id("message").filter(has_text=title)).to_be_visible(timeout=PATIENCE_MS)
    shoot(page, "event-as-embed")
    page.get_by_test_id("channel-support").click()
    expect(message).to_be_visible()
    shoot(page, "question-answered")
    posta.http.put(f"{posta.sandbox}/api/llm/settings", json={"latency_s": 0.3})


def test_a_mail_written_on_the_page_is_answered_in_the_customers_box(posta, page):
    page.goto(posta.sandbox)
    page.get_by_test_id("tab-mail").click()
    subject = f"Delivery {uuid.uuid4().hex[:6]}"
    page.get_by_test_id("mail-subject").fill(subject)
    page.get_by_test_id("mail-text").fill("When does it arrive?")
    page.get_by_test_id("mail-send").click()
    answer = page.get_by_test_id("mail-customers").get_by_test_id("mail-message").filter(has_text=subject)
    expect(answer).to_be_visible(timeout=PATIENCE_MS)
    expect(answer).to_contain_text(f"Re: {subject}")
    shoot(page, "mail-answered")


def test_an_admin_finds_a_dead_letter_on_the_console_replays_it_and_the_person_is_answered(posta, page):
    question = f"Please <b>help</b> {uuid.uuid4().hex[:6]}"
    posta.fault("llm", kind="5xx", status=400, count=1, match=question[-6:])
    asked = posta.ask(question)
    page.goto(posta.url("dlq-admin"))
    page.get_by_test_id("login-key").fill(posta.status["credentials"]["admin_key"])
    page.get_by_test_id("login-submit").click()
    event_id = f"discord:{asked['id']}"
    letter = page.get_by_test_id("dead-letter").filter(has_text=event_id)
    for _ in range(60):
        if letter.count():
            break
        page.wait_for_timeout(250)
        page.reload()
    expect(letter).to_have_count(1)
    shoot(page, "dead-letters")
    letter.get_by_role("link").first.click()
    expect(page.get_by_text(question).first).to_be_visible()
    assert page.locator("b", has_text="help").count() == 0, "hostile text stays text"
    token = re.compile(r"aW50ZX|eyJ")
    assert not token.search(page.content()), "no interaction token on the page"
    shoot(page, "dead-letter")
    page.get_by_test_id("replay").click()
    expect(page.get_by_test_id("flash")).to_be_visible()
    page.goto(posta.sandbox)
    message = page.get_by_test_id("message").filter(has_text=question).last
    expect(message.get_by_test_id("content")).to_contain_text("Answer to", timeout=PATIENCE_MS)


def test_the_raw_http_of_a_message_is_one_click_away_and_holds_no_token(posta, page):
    page.goto(posta.sandbox)
    message = ask(page, f"raw {uuid.uuid4().hex[:6]}")
    expect(message).to_have_attribute("data-state", "answered", timeout=PATIENCE_MS)
    message.get_by_test_id("raw-of-message").click()
    expect(page.get_by_test_id("raw-call").first).to_be_visible()
    page.get_by_test_id("raw-call").first.click()
    detail = page.get_by_test_id("raw-detail").first
    expect(detail).to_be_visible()
    assert json.dumps(detail.inner_text()), "there is something to read"
    shoot(page, "raw-call")

import re
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect
from support.dead_letters import headers, record
from support.dlq_rig import dlq_world

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ATTACK = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"

pytestmark = [
    pytest.mark.integration,
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM.exists(), reason="no Chromium on this machine"),
]


@pytest.fixture
async def world(kafka, topic_prefix, database_url, tmp_path):
    async with dlq_world(kafka.bootstrap_servers, topic_prefix, database_url, tmp_path) as made:
        yield made


@pytest.fixture
async def page():
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        opened = await browser.new_page(viewport={"width": 390, "height": 844})
        opened.set_default_timeout(10_000)
        opened.complaints = []
        opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.on(
            "console",
            lambda said: opened.complaints.append(said.text) if said.type in {"error", "warning"} else None,
        )
        yield opened
        await browser.close()


async def sign_in(page, world, process):
    await page.goto(process.url)
    await page.get_by_test_id("login-key").fill(world.keys["admin"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_test_id("logout")).to_be_visible()


async def test_an_admin_finds_a_dead_letter_sees_why_and_replays_it(world, page):
    with world.dlq_admin() as process:
        await world.die(record(0), record(1, topic="notifier.dlq", headers=headers(ce_id="discord:2")))
        await world.indexed(2)
        await sign_in(page, world, process)
        await expect(page.get_by_test_id("dead-letter")).to_have_count(2)
        await page.get_by_label("Group", exact=True).select_option("llm-worker")
        await page.get_by_test_id("filter").click()
        await expect(page.get_by_test_id("dead-letter")).to_have_count(1)
        await page.get_by_test_id("dead-letter").get_by_role("link").click()
        await expect(page.get_by_test_id("reason")).to_have_text(
            "attempt 6 of 6 failed: the provider answered 503"
        )
        await expect(page.get_by_test_id("payload")).to_contain_text('"token": "[redacted]"')
        await page.get_by_label("Why (optional)").fill("provider is back")
        await page.get_by_test_id("replay").dblclick()
        await expect(page.get_by_test_id("flash")).to_contain_text("llm-worker.retry.5s")
        await expect(page.get_by_test_id("state").first).to_have_text("replayed")
        await expect(page.get_by_test_id("audit").last).to_contain_text("provider is back")
        assert len(await world.on_lane(2, timeout_s=2)) == 1
    assert page.complaints == []


async def test_an_admin_discards_all_that_failed_alike_with_the_keyboard(world, page):
    with world.dlq_admin() as process:
        await world.die(*(record(n) for n in range(3)), record(9, headers=headers(posta_fingerprint="ff")))
        await world.indexed(4)
        await sign_in(page, world, process)
        await page.keyboard.press("j")
        await expect(page.get_by_test_id("dead-letter").first.get_by_role("link")).to_be_focused()
        await page.get_by_test_id("alike").first.get_by_role("link").press("Enter")
        await page.get_by_label("Why (required)").fill("a test run")
        await page.keyboard.press("Tab")
        await expect(page.get_by_test_id("discard-all")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_test_id("flash")).to_have_text("3 dead letters were discarded.")
        await expect(page.get_by_test_id("dead-letter")).to_have_count(1)
        await page.get_by_test_id("dead-letter").get_by_role("link").press("Enter")
        await page.get_by_test_id("discard").click()
        await expect(page.get_by_test_id("discard-reason")).to_be_focused()
        await page.get_by_test_id("discard-reason").fill("also")
        await page.get_by_test_id("discard").click()
        await page.goto(process.url)
        await expect(page.get_by_test_id("empty")).to_contain_text("All is well")
    assert page.complaints == []


async def test_a_hostile_dead_letter_runs_nothing_and_fits_a_phone(world, page):
    hostile = headers(
        ce_id=ATTACK,
        ce_type=ATTACK,
        posta_reason=ATTACK * 20,
        posta_exception_type="x" * 400,
        posta_exception_stack=ATTACK,
        posta_fingerprint=ATTACK,
    )
    hostile += ((ATTACK, b"x"), ("ce_" + "y" * 300, ATTACK.encode()))
    with world.dlq_admin() as process:
        await world.die(record(key=ATTACK.encode(), value=ATTACK.encode() * 50, headers=hostile))
        await world.indexed(1)
        await sign_in(page, world, process)
        for path in ("/", "/dead-letters/1"):
            await page.goto(process.url + path)
            await expect(page.locator("main")).to_contain_text("<script>document.title='owned'</script>")
            await expect(page).to_have_title(re.compile("Posta$"))
            assert await page.locator("main script, main img").count() == 0
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await page.get_by_test_id("discard-reason").fill(ATTACK)
        await page.get_by_test_id("discard").click()
        await expect(page.get_by_test_id("audit")).to_contain_text("<img src=x")
        await expect(page).to_have_title(re.compile("Posta$"))
    assert page.complaints == []

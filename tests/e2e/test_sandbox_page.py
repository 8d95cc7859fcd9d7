"""The sandbox's page in a real browser, with a stub in the place of ingress and the services."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from playwright.async_api import Browser, Page, async_playwright, expect

from posta_sandbox import keys

SEED = "22" * 32
AGENT = {"user-agent": "DiscordBot (https://example.org, 1.0)"}
CHROMIUM = next(
    (p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))),
    None,
)
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
HOSTILE = (
    "<img src=x onerror=\"document.title='pwned'\"> **bold** `code` "
    "[click](javascript:alert(1)) https://example.org/a"
)
module_fixture = pytest_asyncio.fixture(scope="module", loop_scope="module")
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.e2e,
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
]


@dataclass
class StubPosta:
    """Acknowledges each interaction, then edits an answer in, as Posta would."""

    answer: dict[str, Any]
    think_s: float = 0.6
    sandbox_url: str = ""
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = json.loads((await receive())["body"])
        task = asyncio.create_task(self._edit(body))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'{"type":5}'})

    async def _edit(self, interaction: dict[str, Any]) -> None:
        await asyncio.sleep(self.think_s)
        path = f"/api/v10/webhooks/{interaction['application_id']}/{interaction['token']}"
        async with httpx.AsyncClient(base_url=self.sandbox_url, headers=AGENT) as client:
            await client.patch(path + "/messages/@original", json=self.answer)


@dataclass
class Stage:
    """The page, the sandbox behind it, and the stub."""

    page: Page
    http: httpx.AsyncClient
    stub: StubPosta

    async def ask(self, question: str) -> Any:
        await self.page.get_by_test_id("question").fill(question)
        await self.page.get_by_test_id("send").click()
        return self.page.get_by_test_id("message").last


@asynccontextmanager
async def serving(stub: StubPosta) -> AsyncIterator[str]:
    server = uvicorn.Server(
        uvicorn.Config(stub, host="127.0.0.1", port=0, lifespan="off", log_level="warning")
    )
    running = asyncio.create_task(server._serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has a flag, not an event
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await running


@asynccontextmanager
async def sandbox_process(ingress_url: str, port: int, log: Path) -> AsyncIterator[str]:
    env = {
        **{k: v for k, v in os.environ.items() if not k.startswith("POSTA_")},
        "POSTA_SANDBOX__PORT": str(port),
        "POSTA_SANDBOX__INGRESS_URL": ingress_url,
        "POSTA_SANDBOX__DISCORD_SEED": SEED,
    }
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "posta_sandbox", env=env, stdout=out, stderr=out
        )
    url = f"http://127.0.0.1:{port}"
    try:
        await ready(url, process)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 10) == 0, f"see {log}"


async def ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(20), httpx.AsyncClient() as client:
        while process.returncode is None:
            try:
                if (await client.get(url + "/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.05)
    raise AssertionError("the sandbox ended before it was ready")


@module_fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        await chromium.close()


@module_fixture
async def sandbox(
    unused_tcp_port_factory: Callable[[], int], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[StubPosta]:
    embed = {
        "title": "Sources",
        "color": 0x5BD28A,
        "fields": [{"name": "Page", "value": "12", "inline": True}],
        "footer": {"text": "Posta"},
    }
    stub = StubPosta({"content": HOSTILE, "embeds": [embed], "allowed_mentions": {"parse": []}})
    log = tmp_path_factory.mktemp("sandbox") / "sandbox.log"
    async with (
        serving(stub) as ingress,
        sandbox_process(ingress, unused_tcp_port_factory(), log) as url,
    ):
        stub.sandbox_url = url
        yield stub


@pytest_asyncio.fixture(loop_scope="module")
async def stage(browser: Browser, sandbox: StubPosta) -> AsyncIterator[Stage]:
    async with httpx.AsyncClient(base_url=sandbox.sandbox_url, headers=AGENT) as http:
        await http.post("/api/reset")
        page = await browser.new_page(locale="en-US", viewport={"width": 1280, "height": 800})
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        await page.goto(sandbox.sandbox_url)
        yield Stage(page, http, sandbox)
        await page.close()
    assert wrong == []


async def test_a_question_asked_before_the_page_knows_its_channels_is_not_lost(stage):
    async def late(route):
        await asyncio.sleep(1)
        await route.continue_()

    await stage.page.route("**/api/timeline*", late)
    await stage.page.reload()
    await expect(stage.page.get_by_test_id("send")).to_be_disabled()
    message = await stage.ask("How do I export my data?")
    await expect(message).to_have_attribute("data-state", "answered", timeout=20_000)
    await stage.page.unroute_all(behavior="ignoreErrors")


async def test_a_question_is_seen_thinking_and_then_answered(stage):
    message = await stage.ask("How do I export my data?")
    await expect(message).to_have_attribute("data-state", "thinking")
    await expect(message).to_contain_text("Posta is thinking…")
    await expect(message).to_have_attribute("data-state", "answered")
    await expect(message.locator(".embed-title")).to_have_text("Sources")
    await expect(message.locator("strong").first).to_have_text("bold")


async def test_hostile_text_stays_text(stage):
    message = await stage.ask("<script>document.title='pwned'</script>")
    await expect(message).to_have_attribute("data-state", "answered")
    content = message.get_by_test_id("content")
    await expect(content).to_contain_text("<img src=x onerror=")
    assert await content.locator("img").count() == 0
    links = await content.locator("a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    assert links == ["https://example.org/a"]
    assert await stage.page.title() == "Posta sandbox"


async def test_an_application_that_does_not_answer_is_shown_as_discord_shows_it(stage):
    await stage.http.put("/api/settings", json={"ingress_url": "http://127.0.0.1:9"})
    message = await stage.ask("anyone?")
    await expect(message).to_have_attribute("data-state", "failed")
    await expect(message).to_contain_text("The application did not respond")


async def test_what_a_webhook_posts_appears_in_its_channel(stage):
    await stage.page.get_by_test_id("channel-ops").click()
    url = keys.webhook_url("", SEED, "ops")
    await stage.http.post(url, json={"embeds": [{"title": "Backup done", "color": 1}]})
    await expect(stage.page.get_by_test_id("message")).to_contain_text("Backup done")


async def test_the_raw_http_of_a_message_is_one_click_away_and_masked(stage):
    message = await stage.ask("raw?")
    await expect(message).to_have_attribute("data-state", "answered")
    await message.get_by_test_id("raw-of-message").click()
    calls = stage.page.get_by_test_id("raw-call")
    await expect(calls).to_have_count(2)
    await calls.filter(has_text="PATCH").click()
    detail = stage.page.get_by_test_id("raw-detail")
    await expect(detail).to_contain_text("/***/messages/@original")
    await expect(detail).to_contain_text("x-ratelimit-remaining")


async def test_faults_are_set_and_mended_from_the_page(stage):
    page = stage.page
    await page.get_by_test_id("tab-faults").click()
    await page.get_by_test_id("fault-kind-llm").select_option("5xx")
    await page.get_by_test_id("fault-set-llm").click()
    await expect(page.get_by_test_id("fault-llm")).to_contain_text("1 left")
    assert (await stage.http.get("/api/faults/llm")).json()[0]["status"] == 503
    await page.get_by_test_id("fault-clear-llm").click()
    await expect(page.get_by_test_id("fault-llm")).to_have_count(0)


async def test_the_page_speaks_spanish(stage):
    await stage.page.get_by_test_id("language").click()
    await expect(stage.page.get_by_test_id("send")).to_have_text("Enviar")
    assert await stage.page.locator("html").get_attribute("lang") == "es"
    message = await stage.ask("¿Cómo?")
    await expect(message).to_contain_text("Posta está pensando…")


async def test_a_trace_is_drawn_as_a_waterfall(stage):
    export = ExportTraceServiceRequest()
    for service in ("ingress", "llm-worker"):
        resource = export.resource_spans.add()
        name = KeyValue(key="service.name", value=AnyValue(string_value=service))
        resource.resource.attributes.append(name)
        resource.scope_spans.add().spans.add(
            trace_id=b"t" * 16, span_id=service.encode()[:8].ljust(8), name=f"work of {service}",
            parent_span_id=b"" if service == "ingress" else b"ingress ",
            start_time_unix_nano=1_800_000_000_000_000_000, end_time_unix_nano=1_800_000_000_500_000_000,
        )  # fmt: skip
    await stage.http.post("/v1/traces", content=export.SerializeToString())
    await stage.page.get_by_test_id("tab-traces").click()
    await stage.page.get_by_test_id("trace").first.click()
    spans = stage.page.get_by_test_id("span")
    await expect(spans).to_have_count(2)
    await expect(spans.last).to_contain_text("work of llm-worker")
    await expect(spans.last).to_contain_text("500.0 ms")


async def test_the_page_works_by_keyboard_alone(stage):
    await expect(stage.page.get_by_test_id("question")).to_be_focused()
    await stage.page.keyboard.type("typed and sent with Enter")
    await stage.page.keyboard.press("Enter")
    await expect(stage.page.get_by_test_id("message")).to_contain_text("typed and sent with Enter")
    await stage.page.get_by_test_id("tab-chat").focus()
    await stage.page.keyboard.press("ArrowRight")
    await expect(stage.page.get_by_test_id("tab-mail")).to_have_attribute("aria-selected", "true")
    await stage.page.get_by_test_id("raw-toggle").click()
    await expect(stage.page.get_by_test_id("drawer")).to_be_visible()
    await stage.page.keyboard.press("Escape")
    await expect(stage.page.get_by_test_id("raw-toggle")).to_be_focused()


async def test_every_control_has_a_name(stage):
    for tab in ("chat", "mail", "faults", "traces"):
        await stage.page.get_by_test_id(f"tab-{tab}").click()
        nameless = await stage.page.evaluate(
            """() => [...document.querySelectorAll("input, select, textarea, button")]
                .filter((c) => c.offsetParent && !c.labels?.length && !c.getAttribute("aria-label")
                    && !c.textContent.trim())
                .map((c) => c.outerHTML)"""
        )
        assert nameless == []

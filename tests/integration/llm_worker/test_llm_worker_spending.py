"""What llm-worker spends as processes see it: on real Kafka and PostgreSQL, over HTTP, reloaded by SIGHUP."""

import signal
from datetime import UTC, datetime
from decimal import Decimal

import asyncpg
import httpx
import pytest
from support.llm_server import Reply
from support.llm_worker_rig import world
from support.questions import discord_question

from posta.auth import describe_key, new_key

pytestmark = pytest.mark.integration

MODELS = """
models: {{main: {{provider: main, price: {{input: 10, output: 20, currency: EUR}}}}}}
budget: {{daily: {{tokens: {tokens}}}}}
"""
KEY = new_key()
SCOPES = frozenset({"engine:read", "engine:operate"})


@pytest.fixture
async def around(kafka, topic_prefix, database_url, tmp_path):
    async with world(kafka.bootstrap_servers, topic_prefix, database_url, tmp_path) as made:
        made.env["POSTA_API_KEYS"] = describe_key(KEY, name="ops", scopes=SCOPES)
        yield made


def question(number):
    return discord_question(number, f"What about thing number {number}?", asked_at=datetime.now(UTC))


def admin(worker, method, path):
    answer = httpx.request(method, f"{worker.url}{path}", headers={"authorization": f"Bearer {KEY}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def calls(url):
    connection = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch("SELECT * FROM llm_usage ORDER BY begun_at")]
    finally:
        await connection.close()


async def test_a_budget_is_kept_shown_and_raised_without_a_restart(around):
    around.models(MODELS.format(tokens=0))
    folder = around.log.parent / "config" / "llm.yaml"
    with around.worker() as worker:
        await around.ask(question(1))
        (told,) = await around.replies(1)
        assert "tomorrow" in told.data.text
        assert around.llm.calls == []
        (budget,) = admin(worker, "GET", "/admin/usage")["budgets"]
        assert (budget["tenant"], budget["refused"], budget["cost_limit"]) == ("person:7", 1, None)

        folder.write_text("models: 5", encoding="utf-8")
        worker.signal(signal.SIGHUP)
        around.until(lambda: 'posta_config_reloads_total{outcome="refused"} 1.0' in metrics(worker))
        assert "rules_not_reloaded" in around.log.read_text()

        folder.write_text(MODELS.format(tokens=100_000), encoding="utf-8")
        worker.signal(signal.SIGHUP)
        around.until(lambda: 'posta_config_reloads_total{outcome="ok"} 1.0' in metrics(worker))
        await around.ask(question(2))
        replies = {reply.id: reply for reply in await around.replies(2)}
        assert "tomorrow" not in replies["discord:2/answer"].data.text

        report = admin(worker, "GET", "/admin/usage?by=tenant")
        # The provider counts 20 tokens of a prompt and 5 of an answer.
        assert Decimal(report["total"]["cost"]) == Decimal("0.0003")
        assert (report["total"]["calls"], report["lines"][0]["name"]) == (1, "person:7")
        assert report["currency"] == "EUR"
        assert admin(worker, "DELETE", "/admin/cache?scope=person:7") == {"cleared": 1}


async def test_a_worker_killed_during_a_call_leaves_what_it_reserved_spent(around):
    around.models(MODELS.format(tokens="null"))
    around.llm.script = lambda _call: Reply(delay_s=3)
    with around.worker() as worker:
        await around.ask(question(1))
        around.until(lambda: len(around.llm.calls) == 1)
        worker.kill()
    around.llm.script = lambda _call: Reply()
    with around.worker():
        await around.replies(1)
    first, second = await calls(around.database_url)
    assert (first["outcome"], first["is_used"]) == ("begun", False)
    assert first["cost"] > second["cost"] == Decimal("0.0003")
    assert (second["outcome"], second["is_used"]) == ("ok", True)


def metrics(worker):
    return httpx.get(f"{worker.url}/metrics").text

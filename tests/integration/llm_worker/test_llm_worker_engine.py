"""The engine of a real llm-worker, steered over HTTP: paused, seen, resumed; a flood stopped and mended."""

import asyncio
import json
from datetime import UTC, datetime

import httpx
import pytest
from support.llm_server import Reply
from support.llm_worker_rig import world
from support.questions import discord_question

from posta.auth import describe_key, new_key
from posta.domain.flood import FloodPolicy

pytestmark = pytest.mark.integration
KEY = new_key()
KEYS = describe_key(KEY, name="ops", scopes=frozenset({"engine:read", "engine:operate"}))
HEADERS = {"authorization": f"Bearer {KEY}"}
REACHED = (FloodPolicy().in_a_row or 0) - 1
"""Dead letters that the flood breaker lets pass before it trips."""
QUESTIONS = REACHED + 40


@pytest.fixture
async def around(kafka, topic_prefix, database_url, tmp_path):
    async with world(kafka.bootstrap_servers, topic_prefix, database_url, tmp_path) as made:
        made.env["POSTA_API_KEYS"] = KEYS
        yield made


def question(number):
    return discord_question(number, f"Question {number}?", asked_at=datetime.now(UTC))


def engine(worker, method="GET", path="", **options):
    answer = httpx.request(method, f"{worker.url}/v1/engine{path}", headers=HEADERS, timeout=5, **options)
    assert answer.status_code == 200, answer.text
    return answer.json()


def code(worker, path, method="GET"):
    return httpx.request(method, f"{worker.url}{path}", headers=HEADERS, timeout=5).status_code


def samples(worker, name):
    lines = httpx.get(f"{worker.url}/metrics", timeout=5).text.splitlines()
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith(name)
    }


async def test_an_operator_pauses_and_resumes_a_worker_that_keeps_its_place(around):
    with around.worker() as worker:
        paused = engine(worker, "POST", "/pause", json={"reason": "rotating the key"})
        assert [hold["why"] for hold in paused["holds"]] == ["operator: rotating the key"]
        rebalances = samples(worker, "posta_rebalances_total")
        await around.ask(*(question(n) for n in range(5)))
        around.until(lambda: engine(worker)["held"] == 5)
        await asyncio.sleep(7.5)  # longer than the rig's session timeout of 6 s
        assert around.llm.calls == []
        assert samples(worker, "posta_rebalances_total") == rebalances
        held = engine(worker)
        assert (held["joined"], held["in_flight"], held["held"]) == (True, 0, 5)
        assert samples(worker, 'posta_intake_paused{group="llm-worker",why="operator"}') == {
            'posta_intake_paused{group="llm-worker",why="operator"}': 1.0
        }
        assert code(worker, "/health/ready") == 503
        assert code(worker, "/health/live") == 200
        assert engine(worker, "POST", "/resume")["holds"] == []
        assert len(await around.replies(5)) == 5
        assert code(worker, "/health/ready") == 200
        assert worker.terminate() == 0
    said = around.log.read_text()
    requests = [json.loads(line) for line in said.splitlines() if "engine_pause_requested" in line]
    assert [(one["actor"], one["reason"]) for one in requests] == [("ops", "rotating the key")]
    assert KEY not in said


async def test_a_refusing_llm_costs_few_questions_and_an_operator_resumes_the_rest(around):
    around.llm.script = lambda _call: Reply(status=401)
    with around.worker() as worker:
        await around.ask(*(question(n) for n in range(QUESTIONS)))
        around.until(lambda: engine(worker)["flood"]["state"] == "open")
        around.until(lambda: engine(worker)["in_flight"] == 0)
        status = engine(worker)
        assert [hold["why"] for hold in status["holds"]] == ["flood"]
        assert status["held"] == QUESTIONS - REACHED
        assert 0 < status["flood"]["canary_in_s"] <= 30
        around.llm.script = lambda _call: Reply()
        assert engine(worker, "POST", "/resume")["flood"]["state"] == "closed"
        # An apology for each that reached the DLQ, and an answer to each of the others.
        replies = await around.replies(QUESTIONS)
        assert len({reply.id for reply in replies}) == QUESTIONS
    assert len(await around.records("llm-worker.dlq", REACHED + 1, timeout_s=2)) == REACHED
    assert sum("intake_paused_by_flood" in line for line in around.log.read_text().splitlines()) == 1


async def test_without_a_key_nobody_steers(around):
    around.env.pop("POSTA_API_KEYS")
    with around.worker() as worker:
        for method, path in (("GET", ""), ("POST", "/pause"), ("POST", "/resume")):
            assert code(worker, f"/v1/engine{path}", method) == 401


async def test_a_frequent_question_is_answered_while_others_wait_for_room(around):
    """Nothing that needs no model waits for one for long, whatever stands before it."""
    around.models("models: {main: {provider: main, limits: {rpm: 1}}}\n")
    with around.worker() as worker:
        await around.ask(*(question(n) for n in range(120)))
        around.until(lambda: engine(worker)["holds"])
        assert len(around.llm.calls) == 1
        await asyncio.sleep(2)
        for n in range(3):
            asked = discord_question(500 + n, "How long does shipping take?", asked_at=datetime.now(UTC))
            await around.ask(asked)
            # A look every ten seconds; on a busy machine one may not reach it.
            await around.replies(2 + n, timeout_s=25)
        assert len(around.llm.calls) == 1
        assert await around.records("llm-worker.dlq", 1, timeout_s=0.5) == []

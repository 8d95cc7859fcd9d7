"""What an operator is shown, and that only keys with the scope may see it."""

from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest
from fastapi import FastAPI
from support.llm_asking import Worker
from support.questions import email_question, message_of

from llm_worker.admin import llm_router
from llm_worker.asking.status import LlmStatus
from llm_worker.providers.completion import Failed, Outcome
from posta.auth import ApiKeys, describe_key, new_key
from posta.engine.status import Hold
from posta.errors import Transient, Unavailable
from posta.http.problem import install_problem_details

LIMITED = """
models: {main: {provider: main, limits: {rpm: 2}}}
"""
KEY, BLIND = new_key(), new_key()
KEYS = ApiKeys.parse(
    ",".join(
        describe_key(key, name="ops", scopes=frozenset({scope}))
        for key, scope in ((KEY, "engine:read"), (BLIND, "dlq:read"))
    )
)


class Claims:
    async def count_claims(self):
        return 2, 1


def status_of(worker, *holds):
    engine = SimpleNamespace(status=lambda: SimpleNamespace(holds=holds))
    return LlmStatus(worker.purses, worker.waiting, Claims(), engine)


async def ask(worker, number):
    return await worker.handler.handle(message_of(email_question(number)))


async def test_with_room_nothing_waits_and_that_is_said():
    worker = Worker(text=LIMITED)
    await ask(worker, 1)
    report = await status_of(worker).read()
    assert report.summary == "There is room: no question waits for an LLM."
    assert (report.claims_live, report.claims_free) == (2, 1)


async def test_a_used_up_limit_is_named_with_when_there_is_room_again():
    worker = Worker(text=LIMITED)
    for number in (1, 2):
        await ask(worker, number)
    with pytest.raises(Unavailable):
        await ask(worker, 3)
    report = await status_of(worker).read()
    assert "main: 2 of 2 requests in the last minute are used" in report.summary
    (model,) = report.models
    assert 55 < model.room_in_s < 65
    assert (report.waiting.standard, report.waiting.by_reason) == (1, {"main: rpm": 1})


async def test_who_still_waits_when_room_came_back_is_told_what_it_waited_for():
    worker = Worker(text=LIMITED)
    for number in (1, 2):
        await ask(worker, number)
    with pytest.raises(Unavailable):
        await ask(worker, 3)
    worker.now += 61.5
    report = await status_of(worker).read()
    assert report.models[0].room_in_s == 0
    assert report.summary.startswith("Questions wait their turn (1 for main: rpm); main: 0 of 2 requests")


async def test_an_open_circuit_is_named():
    failed = Failed(outcome=Outcome.SERVER_ERROR, failure=Transient("503"))
    worker = Worker(*[failed] * 3)
    for number in range(3):
        with pytest.raises(Transient):
            await ask(worker, number)
    report = await status_of(worker).read()
    assert "its circuit is open, 120 s more" in report.summary
    assert report.models[0].circuit == "open"


async def test_another_hold_is_what_matters_then():
    hold = Hold(why="operator: new key", since=datetime.now(UTC))
    report = await status_of(Worker(), hold).read()
    assert report.summary.startswith("Intake is held by operator: new key")


async def answered(worker, key):
    app = FastAPI()
    install_problem_details(app)
    app.include_router(llm_router(status_of(worker), KEYS))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://w") as client:
        return await client.get("/admin/llm", headers={"authorization": f"Bearer {key}"})


async def test_the_report_is_served_to_keys_that_may_read_it():
    answer = await answered(Worker(text=LIMITED), KEY)
    assert answer.status_code == 200
    assert answer.json()["models"][0]["windows"][0] == {
        "window": "rpm", "used": 0, "limit": 2, "frees_in_s": 0.0,
    }  # fmt: skip
    assert (await answered(Worker(), BLIND)).status_code == 403
    assert (await answered(Worker(), "posta_wrong")).status_code == 401


async def test_while_the_books_are_away_that_is_what_is_said():
    worker = Worker()
    worker.books.away = True
    answer = await answered(worker, KEY)
    assert answer.status_code == 503
    assert "PostgreSQL" in answer.json()["detail"]

"""llm-worker as a process on real Kafka and PostgreSQL, with everything around it going wrong."""

import asyncio
import signal
import time
from datetime import UTC, datetime

import pytest
from support.llm_server import Reply, answer_to
from support.llm_worker_rig import TRACEPARENT, world
from support.processes import ServiceProcess
from support.questions import TOKEN, discord_question, email_question

from posta.domain.envelope import Wire, encode, header
from posta.domain.ids import reference_number
from posta.postgres.migrations import migrate

pytestmark = pytest.mark.integration

DLQ = "llm-worker.dlq"
LANE = "llm-worker.retry.5s"


@pytest.fixture
async def around(kafka, topic_prefix, database_url, tmp_path):
    async with world(kafka.bootstrap_servers, topic_prefix, database_url, tmp_path) as made:
        yield made


def question(number, text="", **fields):
    return discord_question(number, text or f"Question {number}?", asked_at=datetime.now(UTC), **fields)


async def test_questions_from_discord_and_mail_are_answered_with_one_call_each(around):
    with around.worker() as worker:
        await around.ask(question(1), email_question(2, subject="", text="Question 2?"))
        replies = {reply.id: reply for reply in await around.replies(2)}
        assert replies["discord:1/answer"].data.text == answer_to("Question 1?")
        assert replies["email:box:1:2/answer"].data.target.in_reply_to == "<m2@example.test>"
        assert around.llm.calls_by_question == {"Question 1?": 1, "Question 2?": 1}
        row = (await around.rows())["discord:1"]
        assert (row["state"], row["calls"], row["tokens_in"], row["tokens_out"]) == ("answered", 1, 20, 5)
        assert worker.terminate() == 0
    (record,) = [
        r
        for r in await around.records("replies.ready", 2)
        if header(r.headers, "ce_id") == "discord:1/answer"
    ]
    assert (header(record.headers, "traceparent") or "").split("-")[1] == TRACEPARENT.split("-")[1]
    said = around.log.read_text()
    assert TOKEN not in said
    assert "sk-very-secret-key" not in said


async def test_the_same_question_in_another_conversation_is_answered_by_the_call_for_the_first(around):
    text = "What is the hoodie made of?"
    with around.worker():
        await around.ask(question(1, text), question(2, text))
        await around.replies(2)
        await around.ask(question(3, f"Hello! {text.upper()}"))
        replies = await around.replies(3)
    assert [reply.data.text for reply in replies] == [answer_to(text)] * 3
    assert around.llm.calls_by_question == {text: 1}
    assert len(await around.rows()) == 1


async def test_a_redelivered_question_is_answered_again_for_nothing(around):
    with around.worker():
        await around.ask(question(1))
        await around.replies(1)
        await around.ask(question(1), question(1))
        replies = await around.replies(3)
    assert {(reply.id, reply.data.text) for reply in replies} == {
        ("discord:1/answer", answer_to("Question 1?"))
    }
    assert len(around.llm.calls) == 1


async def test_a_worker_killed_while_it_waits_costs_at_most_one_call_more_for_each_question(around):
    around.models(
        "models: {main: {provider: main, limits: {rpm: 1000}}}"
    )  # or the first four alone would be asked
    asked = [question(n) for n in range(8)]
    around.llm.script = lambda call: Reply(delay_s=60 if call.number == 1 else 0.2)
    with around.worker() as worker:
        await around.ask(*asked)
        around.until(lambda: len(around.llm.calls) == 8)
        worker.kill()
    with around.worker():
        replies = await around.replies(8)
    assert {reply.data.question_id for reply in replies} == {event.id for event in asked}
    assert set(around.llm.calls_by_question.values()) == {2}
    assert {row["calls"] for row in (await around.rows()).values()} == {2}


async def test_a_second_worker_waits_for_the_lease_of_a_killed_one_and_takes_over(around, tmp_path):
    around.llm.script = lambda call: Reply(delay_s=60 if call.number == 1 else 0)
    first = ServiceProcess("llm_worker", {**around.env, "POSTA_LLM__LEASE_S": "9"}, tmp_path / "first.log")
    try:
        first.start().wait_ready()
        await around.ask(*[question(n) for n in range(4)])
        around.until(lambda: len(around.llm.calls) == 4)
        first.kill()
        with around.worker():
            replies = await around.replies(4, timeout_s=40)
    finally:
        first.close()
    assert len({reply.id for reply in replies}) == 4
    assert set(around.llm.calls_by_question.values()) == {2}


async def test_a_worker_that_was_frozen_and_wakes_changes_nothing(around, tmp_path):
    around.llm.script = lambda call: Reply(delay_s=3 if call.number == 1 else 0)
    zombie = ServiceProcess("llm_worker", around.env, tmp_path / "zombie.log")
    asked = [question(n) for n in range(4)]
    try:
        zombie.start().wait_ready()
        await around.ask(*asked)
        around.until(lambda: len(around.llm.calls) == 4)
        zombie.signal(signal.SIGSTOP)
        with around.worker():
            replies = await around.replies(4, timeout_s=40)
            zombie.signal(signal.SIGCONT)
            await asyncio.sleep(4)
            rows = await around.rows()
            await around.ask(question(9))
            await around.replies(5)
    finally:
        zombie.close()
    assert {reply.data.question_id for reply in replies} == {event.id for event in asked}
    assert {(row["state"], row["calls"], row["fence"]) for row in rows.values()} == {("answered", 2, 2)}
    assert all(around.llm.calls_by_question[event.data.text] == 2 for event in asked)


async def test_a_storm_of_failures_is_waited_out_in_memory_and_lanes(around):
    def storm(call):
        if call.number == 1:
            return Reply(status=503, body=b"<html>", headers={"retry-after": "6"})
        if call.number == 2:
            return (Reply(reset=True), Reply(body=b'{"choices":[{'), Reply(status=500, body=b""))[
                len(call.question) % 3
            ]
        return Reply()

    around.llm.script = storm
    around.models("circuit: {errors_in_a_row: 1000, at_least: 1000}")
    asked = [question(n, "?" * (n + 1)) for n in range(6)]
    with around.worker():
        await around.ask(*asked)
        replies = await around.replies(6)
    assert {reply.data.kind for reply in replies} == {"answer"}
    assert set(around.llm.calls_by_question.values()) == {3}
    lane = await around.records(LANE, 6)
    assert {header(r.headers, "posta-attempt") for r in lane} == {"2"}
    assert {r.value for r in lane} == {encode(event).value for event in asked}


@pytest.mark.parametrize(
    ("headers", "refusals"),
    [
        pytest.param({"retry-after": "0.5"}, 3, id="that says until when"),
        pytest.param({}, 1, id="that says nothing"),
    ],
)
async def test_a_rate_limit_uses_no_attempt(around, headers, refusals):
    limited = Reply(status=429, body=b"{}", headers=headers)
    around.llm.script = lambda call: limited if call.number <= refusals else Reply()
    with around.worker({"POSTA_RETRY__MAX_ATTEMPTS": "1"}):
        await around.ask(question(1))
        (reply,) = await around.replies(1)
    assert reply.data.kind == "answer"
    assert len(around.llm.calls) == refusals + 1


async def test_a_refused_question_becomes_a_dead_letter_and_the_person_is_told(around):
    refused = Reply(status=400, body=b'{"error":{"code":"bad_thing","message":"about sk-very-secret-key"}}')
    around.llm.script = lambda call: refused if "bad" in call.question else Reply()
    with around.worker():
        await around.ask(question(1, "a bad one", locale="es-ES"), question(2))
        replies = {reply.id: reply for reply in await around.replies(2)}
        (dead,) = await around.records(DLQ, 1)
    apology = replies["discord:1/apology"].data
    assert apology.kind == "apology"
    assert apology.text.startswith("Lo siento")
    assert reference_number("discord:1") in apology.text
    assert apology.target.token.get_secret_value() == TOKEN
    assert replies["discord:2/answer"].data.kind == "answer"
    assert header(dead.headers, "posta-error-class") == "permanent"
    assert header(dead.headers, "posta-attempt") == "1"
    assert "bad_thing" in (header(dead.headers, "posta-exception-message") or "")
    assert not any(b"sk-very-secret-key" in value for _, value in dead.headers)
    assert header(dead.headers, "ce_id") == "discord:1"
    assert TOKEN.encode() in dead.value
    assert around.llm.calls_by_question["a bad one"] == 1


async def test_when_all_attempts_failed_the_person_is_told(around):
    around.models("circuit: {errors_in_a_row: 1000}")
    around.llm.script = lambda _call: Reply(status=500, body=b"")
    with around.worker({"POSTA_RETRY__MAX_ATTEMPTS": "3"}):
        await around.ask(question(1))
        (reply,) = await around.replies(1)
        (dead,) = await around.records(DLQ, 1)
    assert reply.data.kind == "apology"
    assert header(dead.headers, "posta-error-class") == "transient"
    assert len(around.llm.calls) == 3


async def test_a_question_that_is_too_old_costs_nothing(around):
    with around.worker():
        await around.ask(question(1, life_s=10), question(2))
        await around.replies(2)
        (dead,) = await around.records(DLQ, 1)
    assert header(dead.headers, "posta-error-class") == "expired"
    assert around.llm.calls_by_question == {"Question 2?": 1}


async def test_what_cannot_be_read_is_dead_at_once_and_its_neighbours_are_fine(around):
    good = encode(question(1, key="same"))
    unknown = tuple((k, b"posta.nothing.v9" if k == "ce_type" else v) for k, v in good.headers)
    bad = [
        Wire(key=b"same", value=b"\xff{not json", headers=good.headers),
        Wire(key=b"same", value=good.value, headers=()),
        Wire(key=b"same", value=good.value, headers=unknown),
        Wire(key=None, value=None, headers=()),
    ]
    with around.worker():
        await around.ask(question(1, key="same"))
        for wire in bad:
            await around.send(wire)
        await around.ask(question(2, key="same"))
        replies = await around.replies(2)
        dead = await around.records(DLQ, 4)
    assert {reply.id for reply in replies} == {"discord:1/answer", "discord:2/answer"}
    assert sorted(r.value or b"" for r in dead) == sorted(w.value or b"" for w in bad)
    assert {header(r.headers, "posta-exception-type") for r in dead} == {"Malformed"}


async def test_sigterm_under_load_finishes_what_is_in_flight_and_loses_nothing(around):
    asked = [question(n) for n in range(40)]
    around.llm.script = lambda _call: Reply(delay_s=0.8)
    with around.worker({"POSTA_LLM__CONCURRENCY": "8"}) as worker:
        await around.ask(*asked)
        around.until(lambda: len(around.llm.calls) >= 12)
        assert worker.terminate() == 0
    assert len(around.llm.calls) < 40
    with around.worker():
        replies = await around.replies(40)
    assert {reply.data.question_id for reply in replies} == {event.id for event in asked}
    assert set(around.llm.calls_by_question.values()) == {1}


async def test_a_call_that_outlasts_the_drain_is_handed_back_and_made_again(around):
    around.llm.script = lambda call: Reply(delay_s=60 if call.number == 1 else 0)
    with around.worker({"POSTA_SHUTDOWN__GRACE_S": "3", "POSTA_LLM__LEASE_S": "300"}) as worker:
        await around.ask(question(1))
        around.until(lambda: len(around.llm.calls) == 1)
        begun = time.monotonic()
        assert worker.terminate() == 0
        assert time.monotonic() - begun < 4
    begun = time.monotonic()
    with around.worker():
        await around.replies(1)
    assert time.monotonic() - begun < 30, "the claim was released, its lease of 300 s need not end"
    assert len(around.llm.calls) == 2


async def test_postgres_restarted_under_load_costs_no_attempt_and_no_call(
    kafka, topic_prefix, own_postgres, tmp_path
):
    database = own_postgres()
    await database.start()
    async with world(kafka.bootstrap_servers, topic_prefix, database.url, tmp_path) as around:
        asked = [question(n) for n in range(40)]
        around.llm.script = lambda _call: Reply(delay_s=1.0)
        with around.worker({"POSTA_LLM__CONCURRENCY": "8", "POSTA_RETRY__MAX_ATTEMPTS": "1"}) as worker:
            await around.ask(*asked)
            around.until(lambda: len(around.llm.calls) >= 12)
            await database.stop()
            await asyncio.sleep(3)  # calls in flight come back to a database that is away
            assert is_paused(worker)
            during = len(around.llm.calls)
            await asyncio.sleep(1)
            assert len(around.llm.calls) == during, "without the database no call is begun"
            await database.start()
            replies = await around.replies(40)
        assert {reply.data.kind for reply in replies} == {"answer"}
        assert {reply.data.question_id for reply in replies} == {event.id for event in asked}
        assert set(around.llm.calls_by_question.values()) == {1}
        assert await around.records(DLQ, 1, timeout_s=1) == []
        assert await around.records(LANE, 1, timeout_s=1) == []


def is_paused(worker):
    import httpx  # noqa: PLC0415 - the only test that asks over HTTP

    answer = httpx.get(f"{worker.url}/health/ready", timeout=5)
    live = httpx.get(f"{worker.url}/health/live", timeout=5)
    return answer.status_code == 503 and "postgres" in answer.text and live.status_code == 200


async def test_a_worker_may_start_before_its_database_does(kafka, topic_prefix, own_postgres, tmp_path):
    database = own_postgres()
    await database.start()
    async with world(kafka.bootstrap_servers, topic_prefix, database.url, tmp_path) as around:
        await migrate(database.url)
        await database.stop()
        process = ServiceProcess("llm_worker", around.env, around.log).start()
        try:
            await around.ask(question(1))
            await asyncio.sleep(3)
            await database.start()
            await around.replies(1)
            assert process.terminate() == 0
        finally:
            process.close()
    assert len(around.llm.calls) == 1


@pytest.mark.parametrize(
    ("env", "reason"),
    [
        ({"POSTA_LLM__BASE_URL": "ftp://x"}, "POSTA_LLM__BASE_URL"),
        ({"POSTA_CONFIG_DIR": "/nowhere"}, "/nowhere/faq.yaml: cannot be read"),
    ],
)
def test_a_wrong_configuration_stops_the_start_and_is_named(tmp_path, env, reason):
    log = tmp_path / "log"
    process = ServiceProcess("llm_worker", env, log).start()
    try:
        assert process.wait(15) == 78
    finally:
        process.close()
    assert reason in log.read_text()

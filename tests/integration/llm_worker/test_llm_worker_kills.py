"""F1, F3, F11 and F16 at each step of answering: what a fault lost is paid at most once more."""

import asyncio
import signal
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.llm_server import Reply, answer_to
from support.llm_worker_rig import world
from support.processes import REPOSITORY, ServiceProcess
from support.questions import discord_question

from posta.domain.envelope import header

pytestmark = pytest.mark.integration


@pytest.fixture
async def around(kafka, topic_prefix, database_url, tmp_path):
    async with world(kafka.bootstrap_servers, topic_prefix, database_url, tmp_path) as made:
        yield made


def question(number):
    return discord_question(number, f"Question {number}?", asked_at=datetime.now(UTC))


@contextmanager
def doomed_worker(around, tmp_path, step, **env):
    """A worker to which something happens at ``step``."""
    given = {**around.env, "DOOMED_AT": step, "PYTHONPATH": str(REPOSITORY / "tests"), **env}
    doomed = ServiceProcess("support.doomed_llm_worker", given, tmp_path / "doomed.log")
    try:
        doomed.start().wait_ready()
        yield doomed
    finally:
        doomed.close()


@pytest.mark.parametrize(
    ("step", "calls"),
    [("before the call", 1), ("during the call", 2), ("after the call", 2), ("after the store", 1)],
)
async def test_a_kill_at_this_step_loses_nothing_and_pays_only_what_was_lost(around, tmp_path, step, calls):
    with doomed_worker(around, tmp_path, step) as doomed:
        await around.ask(question(1))
        assert doomed.wait(30) == -9
    with around.worker():
        (reply,) = await around.replies(1, timeout_s=60)
    assert reply.data.text == answer_to("Question 1?")
    assert len(around.llm.calls) == calls
    row = (await around.rows())["discord:1"]
    assert row["state"] == "answered"
    assert row["calls"] <= 2


async def test_a_stalled_a_refused_and_a_broken_call_are_each_made_once_more(around):
    """F16: a hang, a 429 with and without a time, a server error, a stream that breaks off."""
    broken = b'data: {"choices":[{"delta":{"content":"Half an ans"}}]}\n\n'
    first = {
        "Question 0?": Reply(status=429, body=b"{}", headers={"retry-after": "1"}),
        "Question 1?": Reply(status=429, body=b'{"error":{"message":"try again in 0.6s"}}'),
        "Question 2?": Reply(status=500, body=b""),
        "Question 3?": Reply(body=broken, headers={"content-type": "text/event-stream"}),
        "Question 4?": Reply(delay_s=60),
    }
    around.llm.script = lambda call: first[call.question] if call.number == 1 else Reply()
    around.models(
        # With a limit of requests, so that two refusals one after the other are not taken for one.
        "models: {main: {provider: main, limits: {rpm: 1000}, timeouts: {first_token_s: 1.5}}}\n"
        "circuit: {errors_in_a_row: 1000}"
    )
    with around.worker():
        await around.ask(*[question(number) for number in range(5)])
        replies = await around.replies(5, timeout_s=60)
    assert {reply.data.kind for reply in replies} == {"answer"}
    assert set(around.llm.calls_by_question.values()) == {2}
    assert {row["calls"] for row in (await around.rows()).values()} == {2}


@pytest.mark.parametrize(
    ("step", "calls"),
    [
        pytest.param("before the call", 2, id="before the call: it makes its own when it wakes"),
        pytest.param("during the call", 2, id="during the call: the other makes its own"),
        pytest.param("after the call", 2, id="after the call: its answer comes too late to be stored"),
        pytest.param("after the store", 1, id="after the store: the other finds the answer"),
    ],
)
async def test_a_worker_frozen_at_this_step_is_taken_over_and_changes_nothing_when_it_wakes(
    around, tmp_path, step, calls
):
    """F3: frozen for longer than Kafka's session and the claim's lease, then awake again."""
    with doomed_worker(around, tmp_path, step, DOOMED_BY="freeze") as zombie:
        await around.ask(question(1))
        await asyncio.to_thread(around.until, lambda: is_stopped(zombie))
        with around.worker():
            (reply,) = await around.replies(1, timeout_s=60)
            stored = (await around.rows())["discord:1"]
            zombie.signal(signal.SIGCONT)
            await asyncio.sleep(4)
            replies = await around.records("replies.ready", 9, timeout_s=2)
            row = (await around.rows())["discord:1"]
    assert reply.data.text == answer_to("Question 1?")
    assert {header(record.headers, "ce_id") for record in replies} == {"discord:1/answer"}
    assert len(around.llm.calls) == calls
    assert (row["text"], row["fence"]) == (stored["text"], stored["fence"]), "the older fence lost"


def is_stopped(process):
    return Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("step", ["before the call", "during the call", "after the call", "after the store"])
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["restarted", "killed"])
async def test_postgres_that_goes_away_at_this_step_costs_no_call_and_no_attempt(
    kafka, topic_prefix, own_postgres, tmp_path, step, how
):
    """F11: the one call that is made is enough, however PostgreSQL went and whenever."""
    database = own_postgres()
    await database.start()
    async with world(kafka.bootstrap_servers, topic_prefix, database.url, tmp_path) as around:
        here = tmp_path / "here"
        wait = {"DOOMED_BY": "wait", "DOOMED_FILE": str(here), "POSTA_RETRY__MAX_ATTEMPTS": "1"}
        with doomed_worker(around, tmp_path, step, **wait):
            await around.ask(question(1))
            await asyncio.to_thread(around.until, here.exists)
            database.signal(how)
            await database.stop()
            here.unlink()
            await asyncio.sleep(2)  # it finds the database away
            await database.start()
            (reply,) = await around.replies(1, timeout_s=60)
        assert reply.data.text == answer_to("Question 1?")
        assert len(around.llm.calls) == 1
        assert (await around.rows())["discord:1"]["state"] == "answered"
        assert await around.records("llm-worker.dlq", 1, timeout_s=1) == []

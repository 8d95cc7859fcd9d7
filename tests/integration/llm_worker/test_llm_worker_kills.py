"""F1 and F16 at each step of answering: what was killed, refused or cut off is paid at most once more."""

from datetime import UTC, datetime

import pytest
from support.llm_server import Reply, answer_to
from support.llm_worker_rig import world
from support.processes import REPOSITORY, ServiceProcess
from support.questions import discord_question

pytestmark = pytest.mark.integration


@pytest.fixture
async def around(kafka, topic_prefix, database_url, tmp_path):
    async with world(kafka.bootstrap_servers, topic_prefix, database_url, tmp_path) as made:
        yield made


def question(number):
    return discord_question(number, f"Question {number}?", asked_at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("step", "calls"),
    [("before the call", 1), ("after the call", 2), ("after the store", 1)],
)
async def test_a_kill_at_this_step_loses_nothing_and_pays_only_what_was_lost(around, tmp_path, step, calls):
    env = {**around.env, "DOOMED_AT": step, "PYTHONPATH": str(REPOSITORY / "tests")}
    doomed = ServiceProcess("support.doomed_llm_worker", env, tmp_path / "doomed.log")
    try:
        doomed.start().wait_ready()
        await around.ask(question(1))
        assert doomed.wait(30) == -9
    finally:
        doomed.close()
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
        "models: {main: {provider: main, timeouts: {first_token_s: 1.5}}}\ncircuit: {errors_in_a_row: 1000}"
    )
    with around.worker():
        await around.ask(*[question(number) for number in range(5)])
        replies = await around.replies(5, timeout_s=60)
    assert {reply.data.kind for reply in replies} == {"answer"}
    assert set(around.llm.calls_by_question.values()) == {2}
    assert {row["calls"] for row in (await around.rows()).values()} == {2}

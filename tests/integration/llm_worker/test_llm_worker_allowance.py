"""Two workers, one allowance, more questions than room: nothing is refused, nothing is left unused."""

import asyncio
import time
from contextlib import contextmanager

import pytest
from support.llm_worker_rig import world
from support.processes import ServiceProcess
from support.questions import email_question
from support.sandbox_server import sandbox_server

from posta_sandbox.rules import LlmLimits

pytestmark = pytest.mark.integration

MINUTE_S = 4.0
"""Time is scaled by 15: what Groq allows in a minute is allowed in four seconds."""
JITTER_S = 0.8
"""Other tests may take the processor away for so long; 60 s have room for it, four have not."""
MODELS = """
models:
  main:
    provider: main
    max_tokens: 150
    limits: {{{limits}, minute_s: {minute_s}, jitter_s: {jitter_s}}}
"""


@pytest.fixture
def sandbox():
    with sandbox_server() as running:
        running.world.llm.settings.latency_s = 0.05
        yield running


@pytest.fixture
async def around(kafka, topic_prefix, database_url, tmp_path, sandbox):
    async with world(kafka.bootstrap_servers, topic_prefix, database_url, tmp_path) as made:
        made.env["POSTA_LLM__BASE_URL"] = f"{sandbox.url}/llm/v1"
        yield made


@contextmanager
def two_workers(around, tmp_path):
    workers = [ServiceProcess("llm_worker", around.env, tmp_path / f"worker{n}.log") for n in range(2)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.wait_ready()
        yield workers
    finally:
        for worker in workers:
            worker.close()


@pytest.mark.parametrize(
    ("limits", "mails"),
    [
        pytest.param({"rpm": 8}, 24, id="8 a minute"),
        pytest.param({"rpm": 30, "tpm": 6000}, 70, id="30 a minute, 6000 tokens"),
    ],
)
async def test_a_backlog_is_answered_at_the_allowances_pace_without_one_refusal(
    around, sandbox, tmp_path, limits, mails
):
    sandbox.world.llm.limits = LlmLimits(**limits, window_s=MINUTE_S, counts="sliding")
    told = ", ".join(f"{name}: {limit}" for name, limit in limits.items())
    around.models(MODELS.format(limits=told, minute_s=MINUTE_S, jitter_s=JITTER_S))
    with two_workers(around, tmp_path):
        await around.ask(*[email_question(n, text=f"Question {n}?") for n in range(mails)])
        replies = await around.replies(mails, timeout_s=120)
    assert len({reply.id for reply in replies}) == mails
    calls = sandbox.calls(service="llm")
    assert [call.status for call in calls] == [200] * mails
    assert await around.records("llm-worker.dlq", 1, timeout_s=1) == []
    spent = sum(row["tokens_in"] + row["tokens_out"] for row in (await around.rows()).values())
    used = utilisation(calls, limits, spent // mails)
    print(f"{limits}: {used:.1%} of the allowance used, {spent // mails} tokens a mail")
    # The wide slack costs a sixth in the long run, a loaded machine more; neither costs a refusal.
    assert used > 0.5


def utilisation(calls, limits, tokens_each):
    """The share of what strict windows allow that was used, over the whole windows from the first call on."""
    times = sorted(call.at - calls[0].at for call in calls)
    windows = int(times[-1] / MINUTE_S)
    made = sum(at < windows * MINUTE_S for at in times)
    allowed = min(limits["rpm"], limits.get("tpm", 10**9) // tokens_each)
    return made / (windows * allowed)


async def test_a_question_from_discord_overtakes_a_mailbox_that_waits(around, sandbox):
    sandbox.world.llm.limits = LlmLimits(rpm=4, window_s=MINUTE_S, counts="sliding")
    around.models(MODELS.format(limits="rpm: 4", minute_s=MINUTE_S, jitter_s=JITTER_S))
    with around.worker({"POSTA_LLM__CONCURRENCY": "8"}):
        await around.ask(*[email_question(n, text=f"Question {n}?") for n in range(24)])
        around.until(lambda: len(sandbox.calls(service="llm")) >= 4)
        begun = time.monotonic()
        from datetime import UTC, datetime  # noqa: PLC0415

        from support.questions import discord_question  # noqa: PLC0415

        await around.ask(discord_question(1, "Urgent?", asked_at=datetime.now(UTC)))
        await asyncio.to_thread(
            around.until,
            lambda: any(
                "Urgent?" in str(call.hints.get("question")) for call in sandbox.calls(service="llm")
            ),
            within_s=60,
        )
        before = len(sandbox.calls(service="llm"))
        print(f"asked after {time.monotonic() - begun:.1f} s, as number {before}")
        assert before <= 4 + 3 * 4, "within three minutes' allowance, with 20 mails in front of it"
        assert len(await around.replies(25, timeout_s=90)) >= 25
    assert {call.status for call in sandbox.calls(service="llm")} == {200}

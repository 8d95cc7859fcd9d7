"""Whatever order failures, kills, freezes and outages come in, one answer is given and little is paid."""

import asyncio
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from support.llm_asking import Worker
from support.questions import AT, discord_question, message_of

from llm_worker.answers.claims import Claim
from llm_worker.fakes import FakeBooks, FakeTable
from llm_worker.providers.completion import Completion, Failed, Outcome
from llm_worker.providers.port import Result
from posta.errors import NotNow, Transient, Unavailable

LEASE_S = 15
STEPS = ("answer", "fail", "kill", "store away", "freeze", "rebalance", "wait")


class Fleet:
    """Worker processes of which one has the question's partition; each call gives another text."""

    def __init__(self):
        self.now = AT.timestamp()
        self.table = FakeTable()
        self.books = FakeBooks(lambda: self.now)
        self.made = 0
        self.calls = 0
        self.published = set()
        self.start_process()

    def start_process(self):
        self.made += 1
        self.step = "answer"
        worker = Worker(
            clock=lambda: self.now, table=self.table, books=self.books, owner=f"process {self.made}"
        )
        worker.provider.ask = self.ask
        self.answers, self.handler = worker.answers, worker.handler

    async def ask(self, _request):
        self.calls += 1
        text = f"Text {self.calls}"
        step, self.step = self.step, "answer"
        if step == "fail":
            return Result(verdict=Failed(outcome=Outcome.NO_CONTENT, failure=Transient("nothing said")))
        if step == "store away":
            self.answers.away = True
        if step == "freeze":
            frozen = self.handler, self.answers
            self.now += LEASE_S + 1
            self.start_process()
            await self.handle()
            self.handler, self.answers = frozen
        return Result(verdict=Completion(text=text, model="m"))

    async def handle(self):
        try:
            (publish,) = await self.handler.handle(message_of(discord_question(life_s=10**6)))
        except (Transient, NotNow):
            return
        self.published.add(publish.event.data.text)

    async def take(self, step):
        match step:
            case "wait":
                self.now += LEASE_S / 2
            case "rebalance":
                self.start_process()
            case "kill":
                if isinstance(await self.claim_or_none(), Claim):
                    self.calls += 1
                self.start_process()
            case _:
                self.step = step
                await self.handle()
                self.step, self.answers.away = "answer", False

    async def claim_or_none(self):
        """What a process that dies in its call has done: claimed, and begun."""
        try:
            return await self.answers.claim("discord:1")
        except Unavailable:
            return None


@settings(deadline=None)  # an event loop for each history, on machines that may be busy
@given(st.lists(st.sampled_from(STEPS), max_size=25))
def test_one_answer_is_given_and_each_call_more_has_its_reason(steps):
    async def live():
        fleet = Fleet()
        for step in steps:
            await fleet.take(step)
        fleet.now += LEASE_S + 1
        await fleet.handle()
        return fleet

    fleet = asyncio.run(live())
    assert len(fleet.published) == 1, "one text, however often it was published"
    happened = Counter(steps)
    reasons = happened["fail"] + happened["kill"] + happened["freeze"]
    # An answer kept in memory is lost with its process, as in a kill.
    reasons += min(happened["store away"], happened["kill"] + happened["rebalance"] + happened["freeze"])
    assert fleet.calls <= 1 + reasons
    assert fleet.table.rows["discord:1"].calls == fleet.calls

"""llm-worker's asking in memory, for tests: models, fake providers, books and answers under one clock."""

from collections.abc import Callable
from typing import Any

import yaml
from support.questions import AT

from llm_worker.asking.asker import Asker
from llm_worker.asking.seams import Desk, PlainPrompts
from llm_worker.asking.waiting import WaitingRoom
from llm_worker.budget.purses import Purses
from llm_worker.fakes import FakeAnswers, FakeBooks, FakeProvider, FakeTable
from llm_worker.handler import AnswerPolicy, AnswerQuestions
from llm_worker.providers.lineup import Lineup, lineup_of
from llm_worker.providers.rules import LlmRules
from llm_worker.rules import AnswerRules
from llm_worker.settings import LlmSettings
from llm_worker.spending.accounts import Accounts

RULES = AnswerRules(max_question_chars=1000, system={"en": "<question>", "es": "<question>"})
LEASE_S = 15.0
TWO_MODELS = """
providers: {one: {base_url: http://one.example/v1}, two: {base_url: http://two.example/v1}}
models: {a: {provider: one, name: a}, b: {provider: two, name: b}}
routes:
  - name: all
    choices: [{model: a}]
    fallback: {rate: [b], server: [b], timeout: [b]}
"""


def lineup(text: str = "", environ: dict[str, str] | None = None, **settings: Any) -> Lineup:
    """The models of an ``llm.yaml``; without text, the one that the environment names."""
    rules = LlmRules.model_validate(yaml.safe_load(text)) if text else LlmRules()
    return lineup_of(rules, LlmSettings(**settings), environ or {})


class Worker:
    """One process: a handler over fakes, at a time that the test sets through ``clock``."""

    def __init__(
        self,
        *script: Any,
        text: str = "",
        clock: Any = None,
        table: FakeTable | None = None,
        books: FakeBooks | None = None,
        owner: str = "me",
        lease_s: float = LEASE_S,
        waiting_most: int = 32,
        desk: Desk | None = None,
        accounts: Accounts | None = None,
        look_left_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.now = AT.timestamp()
        clock = clock or (lambda: self.now)
        self.lineup = lineup(text)
        self.table = table or FakeTable()
        self.books = books or FakeBooks(clock)
        self.answers = FakeAnswers(self.table, owner=owner, lease_s=LEASE_S, clock=clock)
        self.purses = Purses(self.lineup, self.books, owner=owner, keep_s=LEASE_S, monotonic=clock)
        self.providers = {name: FakeProvider() for name in self.lineup.models}
        self.provider = next(iter(self.providers.values()))
        self.provider.script(*script)
        self.waiting = WaitingRoom(look_left_s=look_left_s, clock=clock)
        self.prompts = PlainPrompts(RULES)
        self.asker = Asker(self.providers, self.purses, self.prompts, clock=clock, monotonic=clock)
        self.handler = AnswerQuestions(
            policy=AnswerPolicy(lease_s=lease_s, delivery_reserve_s=15, waiting_most=waiting_most),
            lineup=self.lineup,
            prompts=self.prompts,
            asker=self.asker,
            answers=self.answers,
            waiting=self.waiting,
            desk=desk,
            accounts=accounts,
            clock=clock,
        )

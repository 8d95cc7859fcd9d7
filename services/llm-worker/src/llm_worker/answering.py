"""All that has to do with answering a question, wired from settings and files; the files may change."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from llm_worker.answers.postgres import PostgresAnswers
from llm_worker.asking.asker import Asker
from llm_worker.asking.gate import RoomGate
from llm_worker.asking.waiting import WaitingRoom
from llm_worker.budget.postgres import PostgresBooks
from llm_worker.budget.purses import Purses
from llm_worker.catalogue.postgres import Catalogue
from llm_worker.handler import AnswerPolicy, AnswerQuestions
from llm_worker.knowledge import Knowledge, summarise_by
from llm_worker.live_rules import FromFiles
from llm_worker.prompts.finish import finishing
from llm_worker.providers.http import Client, HttpProvider
from llm_worker.providers.lineup import Lineup
from llm_worker.providers.port import Provider
from llm_worker.settings import LlmSettings, Settings
from llm_worker.spending.ledger import Ledger
from llm_worker.spending.upkeep import keeping_up
from posta.background import alongside
from posta.postgres.pool import Database


class Answering:
    """The parts of one process."""

    def __init__(self, settings: Settings, files: FromFiles, database: Database, client: Client) -> None:
        self._database = database
        self._client = client
        self._upkeep = settings.usage.policy()
        # A process is an owner: two starts of the same pod are two.
        owner, lease_s = str(uuid.uuid4()), settings.llm.lease_s
        self.purses = Purses(files.lineup, PostgresBooks(database), owner=owner, keep_s=lease_s)
        self.answers = PostgresAnswers(database, owner=owner, lease_s=lease_s)
        self.room = RoomGate(self.purses)
        self.waiting = WaitingRoom(look_left_s=self.room.look_left_s)
        self.knowledge = Knowledge(
            files.prompts,
            files.faq,
            database,
            settings.memory,
            settings.cache,
            files.lineup.handover,
            Catalogue(database),
        )
        prompts = self.knowledge.prompts()
        self._asker = Asker(self._providers(files.lineup), self.purses, prompts)
        self._ledger = Ledger(database)
        self._summaries = self.knowledge.summaries(
            summarise_by(self._asker, lambda: self.purses.lineup, self._ledger)
        )
        self.questions = AnswerQuestions(
            policy=_policy(settings.llm),
            lineup=files.lineup,
            prompts=prompts,
            asker=self._asker,
            answers=self.answers,
            waiting=self.waiting,
            accounts=self._ledger,
            desk=self.knowledge.desk(self._summaries),
            finish=finishing(files.prompts.other_figures),
        )

    def use(self, files: FromFiles) -> None:
        """Answer by these files from the next question on."""
        known = replace(self.knowledge, rules=files.prompts, faq=files.faq, handover=files.lineup.handover)
        self.purses.use(files.lineup)
        self._asker.use(self._providers(files.lineup))
        self.questions.use(
            files.lineup,
            known.desk(self._summaries),
            prompts=known.prompts(),
            finish=finishing(files.prompts.other_figures),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do the work beside the questions while the block runs; at its end give back what is leased."""
        async with (
            self.purses.running(),
            self._ledger.writing(),
            alongside(self._summaries.run, name="summaries"),
            keeping_up(self._database, self._upkeep),
        ):
            yield

    def _providers(self, lineup: Lineup) -> dict[str, Provider]:
        return {name: HttpProvider(self._client, model) for name, model in lineup.models.items()}


def _policy(llm: LlmSettings) -> AnswerPolicy:
    return AnswerPolicy(
        lease_s=llm.lease_s,
        delivery_reserve_s=llm.delivery_reserve_s,
        waiting_most=max(1, llm.concurrency // 2),
    )

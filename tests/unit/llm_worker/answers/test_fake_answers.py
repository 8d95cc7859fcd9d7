import pytest
from support.answers_contract import LEASE_S, AnswersContract, Stores

from llm_worker.fakes import FakeAnswers, FakeTable


class TestFakeAnswers(AnswersContract):
    @pytest.fixture
    def stores(self):
        table, time = FakeTable(), [0.0]

        async def sleep(seconds):
            time[0] += seconds

        return Stores(
            of=lambda owner: FakeAnswers(table, owner=owner, lease_s=LEASE_S, clock=lambda: time[0]),
            sleep=sleep,
        )

"""The fake store of answers keeps the books of money as the real one does."""

import pytest
from support.spending_contract import Books, SpendingContract

from llm_worker.fakes import FakeAnswers, FakeTable


class TestFakeBooks(SpendingContract):
    @pytest.fixture
    def books(self):
        table = FakeTable()

        async def spent(tenant):
            return table.spent(tenant)

        async def row(call):
            found = table.calls[call.id]
            return found.outcome, found.cost, found.is_used

        return Books(
            of=lambda owner: FakeAnswers(table, owner=owner, lease_s=15, clock=lambda: 0.0),
            spent=spent,
            row=row,
        )

import pytest
from support.standing_contract import StandingContract

from notifier.fakes import MemoryLedger, MemoryStanding


class TestMemoryStanding(StandingContract):
    @pytest.fixture
    def ledger(self):
        return MemoryLedger()

    @pytest.fixture
    def standing(self, ledger):
        return MemoryStanding(ledger)

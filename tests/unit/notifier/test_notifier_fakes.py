import pytest
from support.ledger_contract import LedgerContract

from notifier.fakes import MemoryLedger


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def ledger(self):
        return MemoryLedger()

    @pytest.fixture
    def kept_message_id(self, ledger):
        async def kept(event_id):
            return ledger.rows[event_id].delivery.message_id

        return kept

import pytest
from support.dead_letter_store_contract import StoreContract

from dlq_admin.fake_store import FakeStore


class TestFakeStore(StoreContract):
    @pytest.fixture
    def store(self):
        return FakeStore()

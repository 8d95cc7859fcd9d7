"""The published events in memory behave as the table does."""

import pytest
from support.published_events_contract import PublishedEventsContract

from ingress.events.fakes import MemoryPublishedEvents


class TestMemoryPublishedEvents(PublishedEventsContract):
    @pytest.fixture
    def events(self):
        return MemoryPublishedEvents()

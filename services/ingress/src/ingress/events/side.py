"""Everything of ingress that concerns published events, opened together and served by a few routes."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fastapi import APIRouter

from ingress.acceptor import Acceptor
from ingress.events.addresses import AddressBook
from ingress.events.idempotency import Idempotency
from ingress.events.idempotency_store import MemoryStore, PostgresStore
from ingress.events.intake import Intake
from ingress.events.journal import Journal
from ingress.events.outcomes import Outcomes, outcomes_router
from ingress.events.route import Events, events_router
from ingress.pull.route import Pull, pull_router
from ingress.receivers.live import LiveReceivers
from ingress.receivers.route import ReceiverDoor, receivers_router
from ingress.receivers.rules import Receivers
from posta.auth import ApiKeys
from posta.background import regularly
from posta.destinations import Destinations
from posta.postgres.api_keys import KeyTable
from posta.postgres.destinations import DestinationRegistry
from posta.postgres.keyring import KeyRing
from posta.postgres.pool import Database
from posta.postgres.published_events import PublishedEvents
from posta.postgres.pull_mailbox import PullMailbox

KEYS_FILE = "api_keys.json"
DESTINATIONS_FILE = "destinations.json"
EVENTS_KEPT_S = 60 * 24 * 3600.0
"""As long as notifier keeps its ledger: a replay from the dead letters may come as late."""
MAILBOX_KEPT_S = 7 * 24 * 3600.0
"""What bots are done with."""
_PRUNE_EVERY_S = 3600.0
_FIRST_PRUNE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRules:
    """What of the configuration concerns events."""

    api_keys: ApiKeys
    destinations: Destinations
    max_body_bytes: int
    memory: Path | None
    """The folder where what was last read from PostgreSQL is remembered."""
    receivers: LiveReceivers = field(default_factory=lambda: LiveReceivers(Receivers(), {}))


def event_routers(
    rules: EventRules,
    acceptor: Acceptor,
    *,
    keys: KeyRing,
    book: AddressBook,
    journal: Journal,
    idempotency: Idempotency,
    outcomes: Outcomes,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[APIRouter]:
    """The routes of these parts."""
    intake = Intake(acceptor, book, journal, clock=clock)
    events = Events(intake, keys, idempotency, max_body_bytes=rules.max_body_bytes)
    door = ReceiverDoor(intake, keys, rules.receivers, max_body_bytes=rules.max_body_bytes)
    return [events_router(events), outcomes_router(outcomes), receivers_router(door)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsSide:
    """What is served, and who may use it."""

    routers: tuple[APIRouter, ...]
    keys: KeyRing
    """The keys of ``POSTA_API_KEYS`` and those in PostgreSQL, for every route that asks for one."""


@asynccontextmanager
async def events_side(rules: EventRules, acceptor: Acceptor, database: Database) -> AsyncIterator[EventsSide]:
    """Lend the routes; keep the keys current, the notes written and the tables small while the block runs."""
    events, answers = PublishedEvents(database), PostgresStore(database)
    journal = Journal(events)
    keys = KeyRing(rules.api_keys, KeyTable(database), file=rules.memory and rules.memory / KEYS_FILE)
    book = AddressBook(
        rules.destinations,
        DestinationRegistry(database),
        file=rules.memory and rules.memory / DESTINATIONS_FILE,
    )
    routers = event_routers(
        rules,
        acceptor,
        keys=keys,
        book=book,
        journal=journal,
        idempotency=Idempotency(answers, MemoryStore()),
        outcomes=Outcomes(events, keys, journal),
    )
    mailbox = PullMailbox(database)
    routers.append(pull_router(Pull(mailbox, keys)))
    chores = (
        answers.prune,
        lambda: events.prune(older_than_s=EVENTS_KEPT_S),
        lambda: mailbox.cleanup(older_than_s=MAILBOX_KEPT_S),
    )
    pruning = regularly(*chores, name="prune events", every_s=_PRUNE_EVERY_S, first_s=_FIRST_PRUNE_S)
    async with keys.kept_current(), book.kept_current(), journal.writing(), pruning:
        yield EventsSide(routers=tuple(routers), keys=keys)

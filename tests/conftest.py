"""Real Kafka, PostgreSQL and mail for tests: shared ones for the session, own ones for faults.

`kafka`, `postgres` and `mail` start once per session, when the first test asks for them, in a
temporary folder. `POSTA_TEST_KAFKA` and `POSTA_TEST_DATABASE` name a broker and a server to use
instead. Tests share them, so each takes a `topic_prefix` and a `database_url` of its own. A test
that kills or stops a server takes it from `own_kafka` or `own_postgres`.

The fixtures are synchronous: an embedded server is tied to no event loop, so each start and stop
runs in a loop of its own, and the test's loop stays the test's.
"""

import asyncio
import gc
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import hypothesis
import pytest
import structlog

from posta_sandbox.embedded.greenmail import EmbeddedMail
from posta_sandbox.embedded.kafka import EmbeddedKafka
from posta_sandbox.embedded.postgres import EmbeddedPostgres, create_database, drop_database

# A property is tried on 30 examples at each run and on 1 000 with HYPOTHESIS_PROFILE=thorough (as `make
# chaos` does). No deadline: how long an example takes says how busy the machine is.
hypothesis.settings.register_profile("quick", max_examples=30, deadline=None)
hypothesis.settings.register_profile("thorough", max_examples=1000, deadline=None)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))

# A run keeps all that it imports: looking for garbage there again and again takes an eighth of the time.
gc.set_threshold(100_000, 50, 100)

# structlog's own way to show an exception, with colours and every local variable, takes seconds.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["event"]),
    ]
)

MAIL_ADDRESS = "posta@example.test"
CUSTOMER_ADDRESS = "customer@example.test"
MAIL_PASSWORD = "a password for tests"


class KafkaCluster(Protocol):
    """What a test may use of the shared broker."""

    bootstrap_servers: str


class Database(Protocol):
    """What a test may use of the shared PostgreSQL."""

    url: str


class Given:
    """A server that someone else runs, named by an environment variable."""

    def __init__(self, address: str) -> None:
        self.bootstrap_servers = address
        self.url = address


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """With several workers: a file's tests stay together, and so do all that share the running system."""
    for item in items:
        shared = "system" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("the running system" if shared else item.path.name))


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.freeze()
    # Without its groups each worker would start every server and a whole system of its own.
    is_grouped = all("@" in item.nodeid for item in session.items)
    assert is_grouped or not session.config.getoption("loadgroup", default=False), "see requirements-dev.in"


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """The session's broker; `.bootstrap_servers`. Do not stop it: see `own_kafka`."""
    if given := os.environ.get("POSTA_TEST_KAFKA"):
        yield Given(given)
        return
    server = EmbeddedKafka(tmp_path_factory.mktemp("kafka"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """The session's PostgreSQL; `.url`, of an account that may create databases."""
    if given := os.environ.get("POSTA_TEST_DATABASE"):
        yield Given(given)
        return
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture(scope="session")
def mail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedMail]:
    """The session's mail server, with one account for Posta and one for a customer."""
    users = {MAIL_ADDRESS: MAIL_PASSWORD, CUSTOMER_ADDRESS: MAIL_PASSWORD}
    server = EmbeddedMail(tmp_path_factory.mktemp("mail"), users=users)
    asyncio.run(server.start())
    yield server
    asyncio.run(server.stop())


@pytest.fixture
def topic_prefix() -> str:
    """A prefix no other test uses, for topics and group names."""
    return f"t{secrets.token_hex(4)}."


@pytest.fixture
def database_url(postgres: Database) -> Iterator[str]:
    """The url of an empty database of this test alone, dropped afterwards."""
    name = f"test_{secrets.token_hex(6)}"
    yield asyncio.run(create_database(postgres.url, name))
    asyncio.run(drop_database(postgres.url, name))


@pytest.fixture
def own_kafka(tmp_path: Path) -> Iterator[Callable[..., EmbeddedKafka]]:
    """Make brokers of this test alone: `own_kafka()` returns a new one, not yet started.

    Takes `name` (the folder) and what EmbeddedKafka takes; all are stopped after the test.
    """
    made: list[EmbeddedKafka] = []

    def make(name: str = "", **options: int) -> EmbeddedKafka:
        made.append(EmbeddedKafka(tmp_path / (name or f"kafka{len(made)}"), **options))
        return made[-1]

    yield make
    for server in made:
        asyncio.run(server.stop(timeout_s=5))


@pytest.fixture
def own_postgres(tmp_path: Path) -> Iterator[Callable[..., EmbeddedPostgres]]:
    """Make PostgreSQL servers of this test alone, in the manner of `own_kafka`."""
    made: list[EmbeddedPostgres] = []

    def make(name: str = "", **options: int) -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(tmp_path / (name or f"postgres{len(made)}"), **options))
        return made[-1]

    yield make
    for server in made:
        asyncio.run(server.stop(timeout_s=5))

"""Wiring of dlq-admin: the one place where its parts meet."""

import asyncio
from contextlib import AsyncExitStack

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from dlq_admin.api import api_router
from dlq_admin.decisions import Decisions
from dlq_admin.gauges import kept_current
from dlq_admin.handler import Indexer
from dlq_admin.originals import KafkaOriginals, Originals
from dlq_admin.page import page_router
from dlq_admin.postgres_store import PostgresStore
from dlq_admin.redrive import Redrive
from dlq_admin.security_headers import SecurityHeaders
from dlq_admin.settings import Settings
from dlq_admin.store import Store
from posta.auth import ApiKeys
from posta.background import alongside
from posta.collector import settle
from posta.domain.envelope import Wire
from posta.domain.retry import RetryPolicy
from posta.engine.engine import Engine
from posta.engine.gate import Gate
from posta.engine.message import as_raw
from posta.engine.policy import EnginePolicy
from posta.engine.routes import engine_router
from posta.errors import ConfigurationError, Unavailable
from posta.http.app import create_app
from posta.http.body_limit import BodyLimit
from posta.http.health import Health
from posta.http.problem import Problem, problem_response
from posta.http.server import serving
from posta.kafka.producer import NoSuchPartition, Producer
from posta.postgres.api_keys import KeyTable
from posta.postgres.keyring import KeyRing
from posta.postgres.pool import DEPENDENCY, Database
from posta.telemetry.logs import get_logger
from posta.topics import DLQ_ADMIN
from posta.version import service_version

log = get_logger(__name__)
_BODY_MOST_BYTES = 128 * 1024
_CONCURRENCY = 16
_HANDLER_TIMEOUT_S = 30.0
_DRAIN_SHARE = 0.7


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Index and serve until ``stop``. Raises ``ConfigurationError`` before anything connects."""
    configured = _checked(settings)
    health = Health()
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(Producer(settings.kafka, client_id="dlq-admin"))
        database = await stack.enter_async_context(Database(settings.database, application="dlq-admin"))
        store = PostgresStore(database)
        keys = KeyRing(configured, KeyTable(database))
        timeout_s = settings.kafka.request_timeout_s

        async def publish(topic: str, wire: Wire, partition: int) -> None:
            try:
                # The lines of its key are there, whatever partitioner the source was written with.
                await producer.publish(topic, [wire], timeout_s=timeout_s, partition=partition)
            except NoSuchPartition:
                await producer.publish(topic, [wire], timeout_s=timeout_s)

        originals = KafkaOriginals(settings.kafka)
        redrive = Redrive(store, publish, settings.replay, originals)
        engine = _engine(settings, producer, database, store)
        _watch(health, engine, database)
        app = build_app(
            settings,
            store=store,
            redrive=redrive,
            originals=originals,
            engine=engine,
            keys=keys,
            health=health,
        )
        await stack.enter_async_context(keys.kept_current())
        await stack.enter_async_context(serving(app, settings.http))
        await _run(engine, redrive, store, stop)


def build_app(
    settings: Settings,
    *,
    store: Store,
    redrive: Redrive,
    originals: Originals,
    engine: Engine,
    keys: KeyRing,
    health: Health,
) -> FastAPI:
    """The HTTP side: API, page, health and metrics."""
    app = create_app(title="Posta dead letters", version=service_version(), health=health)
    decisions = Decisions(store, redrive, originals, lease_s=settings.replay.lease_s)
    app.include_router(api_router(store, decisions, keys))
    app.include_router(engine_router(engine, keys))
    app.include_router(page_router(settings, store, decisions, keys))
    app.add_middleware(BodyLimit, max_bytes=_BODY_MOST_BYTES)
    app.add_middleware(SecurityHeaders)

    @app.exception_handler(Unavailable)
    async def _away(_request: Request, exc: Unavailable) -> JSONResponse:
        log.warning("request_refused", reason=str(exc))
        return problem_response(unavailable())

    return app


def unavailable() -> Problem:
    """What a request gets while the database is away."""
    return Problem(
        503,
        "The dead letters cannot be reached now",
        "The database is away. Nothing was lost; try again in a moment.",
        headers={"retry-after": "5"},
    )


async def _run(engine: Engine, redrive: Redrive, store: Store, stop: asyncio.Event) -> None:
    """Run the engine to its end, the background work beside it."""
    async with alongside(redrive.run, name="redrive"), kept_current(store):
        settle()
        await engine.run(stop)


def _engine(settings: Settings, producer: Producer, database: Database, store: Store) -> Engine:
    return Engine(
        DLQ_ADMIN,
        Indexer(store),
        kafka=settings.kafka,
        producer=producer,
        policy=EnginePolicy(
            # A dead letter is never given up: there is nothing behind this.
            retry=RetryPolicy(max_attempts=None),
            flood=None,
            concurrency=_CONCURRENCY,
            handler_timeout_s=_HANDLER_TIMEOUT_S,
            drain_s=settings.shutdown.grace_s * _DRAIN_SHARE,
        ),
        gates=(Gate(name=DEPENDENCY, probe=database.ping),),
        interpret=as_raw,
    )


def _watch(health: Health, engine: Engine, database: Database) -> None:
    async def database_fault() -> str | None:
        try:
            await database.ping()
        except Unavailable as exc:
            return str(exc)
        return None

    health.live("engine", engine.live_fault)
    health.ready("engine", engine.ready_fault)
    health.ready(DEPENDENCY, database_fault)


def _checked(settings: Settings) -> ApiKeys:
    if settings.replay.lease_s <= settings.kafka.request_timeout_s:
        raise ConfigurationError(
            f"POSTA_REPLAY__LEASE_S: {settings.replay.lease_s:g} s must be longer than "
            f"POSTA_KAFKA__REQUEST_TIMEOUT_S ({settings.kafka.request_timeout_s:g} s), or a replay is "
            "taken up again while it is still being published"
        )
    keys = ApiKeys.parse(settings.api_keys.get_secret_value())
    if not settings.api_keys.get_secret_value().strip():
        log.warning("no_api_keys", advice="make one: posta keys create NAME --scope dlq:read")
    return keys

"""Wiring of notifier: the only place where its objects meet."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from notifier.discord.discord import Discord
from notifier.discord.edits import Edits
from notifier.discord.posts import Posts
from notifier.handler import Deliveries
from notifier.ledger.ledger import PostgresLedger
from notifier.ledger.once import Once
from notifier.mail.mails import Mails
from notifier.mail.smtp import Smtp
from notifier.mailbox import into_mailboxes
from notifier.pace import RETRY_POLICY
from notifier.scheduled import scheduled
from notifier.settings import DiscordSettings, Settings
from posta import topics
from posta.auth import ApiKeys
from posta.destinations import FILE_NAME, load_destinations
from posta.engine.engine import Engine
from posta.engine.gate import Gate
from posta.engine.message import Handler
from posta.engine.policy import EnginePolicy
from posta.engine.routes import engine_router
from posta.errors import Unavailable
from posta.http.app import create_app
from posta.http.body_limit import BodyLimit
from posta.http.health import Health
from posta.http.server import serving
from posta.kafka.producer import Producer
from posta.lifecycle import watched, watched_given_up
from posta.postgres.interactions import InteractionLog
from posta.postgres.pool import DEPENDENCY, Database
from posta.postgres.published_events import PublishedEvents
from posta.postgres.pull_mailbox import PullMailbox
from posta.tasks import end
from posta.telemetry.logs import get_logger
from posta.version import service_version

log = get_logger(__name__)
NAME = "notifier"
_DRAIN_SHARE = 0.6
"""Of the grace period; the rest is for committing and leaving the group."""
_KEEPALIVE_S = 30.0
_BODY_MOST_BYTES = 16 * 1024
_PRUNE_EVERY_S = 3600.0
_KEPT_S = 60 * 24 * 3600.0
"""Twice as long as any event can come back: 30 days in the dead-letter topic, and a replay."""


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Deliver until ``stop`` is set. Raises ``ConfigurationError`` before anything connects."""
    destinations = load_destinations(settings.config_dir / FILE_NAME)
    webhooks = destinations.resolve_webhooks(os.environ)
    keys = ApiKeys.parse(settings.api_keys.get_secret_value())
    async with (
        _database(settings) as database,
        Producer(settings.kafka, client_id=NAME) as producer,
        _client(settings.discord) as client,
    ):
        ledger, notes = PostgresLedger(database), InteractionLog(database)
        deliveries = _deliveries(settings, webhooks, ledger, client)
        to_all = into_mailboxes(deliveries.handle, PullMailbox(database), destinations=destinations.mailboxes)
        in_time = scheduled(to_all, PublishedEvents(database), clock=time.time)
        engine = _engine(settings, deliveries, in_time, producer, database, notes)
        async with serving(build_app(engine, keys), settings.http), notes.recording(), _pruning(ledger):
            log.info("started", destinations=sorted(webhooks), mail=bool(settings.mail.smtp_host))
            await engine.run(stop)


def build_app(engine: Engine, keys: ApiKeys) -> FastAPI:
    """The HTTP side: health and metrics, and the engine's routes when there are keys for them."""
    health = Health()
    health.live("engine", engine.live_fault)
    health.ready("engine", engine.ready_fault)
    app = create_app(title=NAME, version=service_version(), health=health)
    app.add_middleware(BodyLimit, max_bytes=_BODY_MOST_BYTES)
    if keys:
        app.include_router(engine_router(engine, keys))
    return app


def _engine(
    settings: Settings,
    deliveries: Deliveries,
    handler: Handler,
    producer: Producer,
    database: Database,
    notes: InteractionLog,
) -> Engine:
    return Engine(
        topics.NOTIFIER,
        watched(handler, notes),
        kafka=settings.kafka,
        producer=producer,
        policy=EnginePolicy(
            retry=RETRY_POLICY,
            concurrency=settings.discord.concurrency,
            handler_timeout_s=settings.handler_timeout_s,
            drain_s=settings.shutdown.grace_s * _DRAIN_SHARE,
        ),
        on_given_up=watched_given_up(deliveries.apologise, notes),
        gates=(Gate(name=DEPENDENCY, probe=database.ping),),
    )


def _deliveries(
    settings: Settings,
    webhooks: Mapping[str, SecretStr],
    ledger: PostgresLedger,
    client: httpx.AsyncClient,
) -> Deliveries:
    once = Once(ledger)
    discord = Discord(client, timeout_s=settings.discord.timeout_s)
    smtp = Smtp(settings.mail) if settings.mail.smtp_host else None
    return Deliveries(
        edits=Edits(discord, once, api_url=settings.discord.api_url, clock=time.time),
        posts=Posts(discord, once, webhooks=webhooks),
        mails=Mails(smtp, once, address=settings.mail.address),
        clock=time.time,
    )


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.database, application=NAME)
    try:
        yield database
    finally:
        await database.close()


def _client(discord: DiscordSettings) -> httpx.AsyncClient:
    """One connection for each delivery that may run, so that none waits for another's."""
    return httpx.AsyncClient(
        timeout=discord.timeout_s,
        limits=httpx.Limits(
            max_connections=discord.concurrency,
            max_keepalive_connections=discord.concurrency,
            keepalive_expiry=_KEEPALIVE_S,
        ),
        # The form Discord requires; without it Cloudflare may refuse every call (40333).
        headers={"user-agent": f"DiscordBot ({discord.user_agent_url}, {service_version()})"},
    )


@asynccontextmanager
async def _pruning(ledger: PostgresLedger) -> AsyncIterator[None]:
    """Keep the ledger small while the block runs."""
    task = asyncio.create_task(_prune(ledger), name="prune ledger")
    try:
        yield
    finally:
        await end(task)


async def _prune(ledger: PostgresLedger) -> None:
    while True:
        await asyncio.sleep(_PRUNE_EVERY_S)
        try:
            await ledger.prune(older_than_s=_KEPT_S)
        except Unavailable as exc:
            log.warning("ledger_not_pruned", error=str(exc))

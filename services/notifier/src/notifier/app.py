"""Wiring of notifier: the only place where its objects meet."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI

from notifier.discord.answers import Answers
from notifier.discord.discord import Discord
from notifier.discord.endpoint import ADDRESS, BOT
from notifier.discord.events import Events
from notifier.discord.fallbacks import Fallbacks
from notifier.discord.places import Places
from notifier.handler import Deliveries
from notifier.ledger.ledger import PostgresLedger
from notifier.ledger.once import Once
from notifier.ledger.standing import PostgresStanding
from notifier.limits.buckets import Buckets
from notifier.limits.global_limit import GlobalLimit
from notifier.limits.limits import Limits
from notifier.limits.refusals_budget import RefusalBudget
from notifier.limits.sharing import SharedScope, Sharing
from notifier.limits.slots import Slots
from notifier.mail.mails import Mails
from notifier.mail.smtp import Smtp
from notifier.mailbox import into_mailboxes
from notifier.pace import retry_policy
from notifier.rendering.drawing import Drawing
from notifier.rendering.templates import Templates, load_templates
from notifier.routing.digests import Digests
from notifier.routing.directory import Directory, Known, configured
from notifier.routing.fan_out import Routing
from notifier.routing.rules import Routes, load_routes
from notifier.scheduled import scheduled
from notifier.settings import DiscordSettings, Settings
from notifier.urgency import rank_of
from posta import topics
from posta.auth import ApiKeys, Keys
from posta.background import regularly
from posta.collector import settle
from posta.destinations import FILE_NAME, load_destinations
from posta.destinations_sealed import Seal, hosts_of
from posta.engine.engine import Engine
from posta.engine.gate import Gate
from posta.engine.message import Handler
from posta.engine.policy import EnginePolicy
from posta.engine.routes import engine_router
from posta.http.app import create_app
from posta.http.body_limit import BodyLimit
from posta.http.health import Health
from posta.http.kept_connections import KeptConnections
from posta.http.server import serving
from posta.kafka.producer import Producer
from posta.lifecycle import watched, watched_given_up
from posta.postgres.api_keys import KeyTable
from posta.postgres.destinations import DestinationRegistry
from posta.postgres.interactions import InteractionLog
from posta.postgres.keyring import KeyRing
from posta.postgres.pool import DEPENDENCY, Database, Session
from posta.postgres.published_events import PublishedEvents
from posta.postgres.pull_mailbox import PullMailbox
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.version import service_version

log = get_logger(__name__)
NAME = "notifier"
_DRAIN_SHARE = 0.6
"""Of the grace period; the rest is for committing and leaving the group."""
_ANSWERS_WEIGHT = 4
"""Somebody waits for an answer, and its token ends: four of them begin for each event."""
_BODY_MOST_BYTES = 16 * 1024
_PRUNE_EVERY_S = 3600.0
_KEPT_S = 60 * 24 * 3600.0
"""Twice as long as any event can come back: 30 days in the dead-letter topic, and a replay."""


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Deliver until ``stop`` is set. Raises ``ConfigurationError`` before anything connects."""
    destinations = load_destinations(settings.config_dir / FILE_NAME)
    webhooks = destinations.resolve_webhooks(os.environ)
    rules = _Rules(
        routes=load_routes(settings.config_dir),
        templates=load_templates(settings.config_dir),
        known=configured(destinations, webhooks),
        default=destinations.default,
        seal=Seal.of(settings.destinations.key),
        hosts=hosts_of(settings.destinations.hosts),
    )
    configured_keys = ApiKeys.parse(settings.api_keys.get_secret_value())
    async with (
        Database(settings.database, application=NAME, session=Session.UNTOUCHED) as database,
        Producer(settings.kafka, client_id=NAME) as producer,
        _client(settings.discord) as client,
    ):
        keys = KeyRing(configured_keys, KeyTable(database))
        ledger, notes = PostgresLedger(database), InteractionLog(database)
        standing, digests = PostgresStanding(database), Digests(database, producer, clock=time.time)
        directory = Directory(
            rules.known,
            default=rules.default,
            registry=DestinationRegistry(database),
            seal=rules.seal,
            hosts=rules.hosts,
        )
        line = _line(settings.discord, database, client)
        deliveries = _deliveries(settings, rules, line.discord, directory, ledger, standing, digests)
        to_all = into_mailboxes(deliveries.handle, PullMailbox(database), destinations=destinations.mailboxes)
        in_time = scheduled(to_all, PublishedEvents(database), clock=time.time)
        engine = _engine(settings, deliveries, in_time, producer, database, notes)
        pruning = regularly(
            *(partial(kept.prune, older_than_s=_KEPT_S) for kept in (ledger, standing, digests)),
            name="prune ledger",
            every_s=_PRUNE_EVERY_S,
            first_s=_PRUNE_EVERY_S,
        )
        names.LEGACY_QUEUE.set_function(lambda: engine.status().held)
        async with (
            keys.kept_current(),
            serving(build_app(engine, keys), settings.http),
            notes.recording(),
            line.sharing.running(),
            directory.refreshing(),
            digests.publishing(),
            pruning,
        ):
            log.info("started", destinations=sorted(webhooks), mail=bool(settings.mail.smtp_host))
            settle()
            await engine.run(stop)


def build_app(engine: Engine, keys: Keys) -> FastAPI:
    """The HTTP side: health and metrics, and the engine's routes."""
    health = Health()
    health.live("engine", engine.live_fault)
    health.ready("engine", engine.ready_fault)
    app = create_app(title=NAME, version=service_version(), health=health)
    app.add_middleware(BodyLimit, max_bytes=_BODY_MOST_BYTES)
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
            retry=retry_policy(settings.discord.max_retries),
            concurrency=settings.discord.concurrency,
            handler_timeout_s=settings.handler_timeout_s,
            drain_s=settings.shutdown.grace_s * _DRAIN_SHARE,
            topic_weights={topics.REPLIES_READY.name: _ANSWERS_WEIGHT},
            rank=rank_of,
            flood=settings.engine.flood(),
        ),
        on_given_up=watched_given_up(deliveries.apologise, notes),
        gates=(Gate(name=DEPENDENCY, probe=database.ping),),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What the files of rules say."""

    routes: Routes
    templates: Templates
    known: Mapping[str, Known]
    default: str | None
    seal: Seal | None
    hosts: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """The way to Discord, and what shares its limits with other processes."""

    discord: Discord
    sharing: Sharing


def _line(settings: DiscordSettings, database: Database, client: KeptConnections) -> _Line:
    budget, buckets = RefusalBudget(most=settings.refusals_most), Buckets()
    most_waiting = max(1, settings.concurrency // 2)
    scopes = {
        name: GlobalLimit(Slots(), most_waiting=most_waiting, clock=time.monotonic) for name in (ADDRESS, BOT)
    }
    limits = Limits(buckets, scopes, budget, clock=time.monotonic, wall_clock=time.time)
    shared = {
        name: SharedScope(name=f"{name}:{settings.address}", total=settings.global_limit, limit=limit)
        for name, limit in scopes.items()
    }
    token = settings.bot_token if settings.bot_token.get_secret_value() else None
    return _Line(
        discord=Discord(client, limits, timeout_s=settings.timeout_s, bot_token=token),
        sharing=Sharing(
            database,
            shared,
            member=f"{socket.gethostname()[:60]}/{secrets.token_hex(6)}",
            buckets=buckets,
            budget=budget,
            address=settings.address,
        ),
    )


def _deliveries(
    settings: Settings,
    rules: _Rules,
    discord: Discord,
    directory: Directory,
    ledger: PostgresLedger,
    standing: PostgresStanding,
    digests: Digests,
) -> Deliveries:
    once, api_url = Once(ledger), settings.discord.api_url
    places = Places(discord, api_url=api_url)
    smtp = Smtp(settings.mail) if settings.mail.smtp_host else None
    return Deliveries(
        answers=Answers(
            discord, once, api_url=api_url, clock=time.time, most_parts=settings.discord.answer_parts
        ),
        events=Events(
            places,
            once,
            directory=directory,
            drawing=Drawing(rules.templates),
            standing=standing,
            ledger=ledger,
            window_s=rules.routes.dedupe_window_s,
        ),
        mails=Mails(smtp, once, address=settings.mail.address),
        fallbacks=Fallbacks(discord, places, once, directory=directory, routes=rules.routes.answers.fallback),
        routing=Routing(rules.routes, digests, clock=time.time),
        directory=directory,
        clock=time.time,
    )


def _client(discord: DiscordSettings) -> KeptConnections:
    # The form Discord requires; without it Cloudflare may refuse every call (40333).
    agent = f"DiscordBot ({discord.user_agent_url}, {service_version()})"
    return KeptConnections(timeout_s=discord.timeout_s, headers={"user-agent": agent})

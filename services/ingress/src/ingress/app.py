"""Wires ingress: opened from the inside out, closed in the other order."""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, FastAPI

from ingress.acceptor import Acceptor
from ingress.drain import Drainer
from ingress.events.side import EventRules, events_side
from ingress.interactions.lane import InteractionsLane
from ingress.interactions.reception import Reception
from ingress.interactions.rulebook import LiveRules
from ingress.interactions.side import interactions_side
from ingress.receivers.live import LiveReceivers, read_receivers
from ingress.settings import Settings
from ingress.spool import Spool
from ingress.spool_file import SpoolPolicy
from ingress.switch import Switch
from posta.auth import ApiKeys
from posta.collector import settle
from posta.destinations import FILE_NAME as DESTINATIONS_FILE
from posta.destinations import Destinations, load_destinations
from posta.http.app import create_app
from posta.http.health import Health
from posta.http.server import serving
from posta.kafka.producer import Producer
from posta.postgres.pool import Database
from posta.reloading import reloading
from posta.tasks import end
from posta.telemetry import names
from posta.version import service_version


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesFiles:
    """Everything that may be wrong in the configuration, read before anything is opened."""

    interactions: LiveRules
    destinations: Destinations
    receivers: LiveReceivers
    api_keys: ApiKeys

    @classmethod
    def read(cls, settings: Settings) -> "RulesFiles":
        """Read the files. Raises ``ConfigurationError`` naming file, path in it and reason."""
        interactions = LiveRules(settings.config_dir)
        destinations = load_destinations(settings.config_dir / DESTINATIONS_FILE)
        return cls(
            interactions=interactions,
            destinations=destinations,
            receivers=LiveReceivers(read_receivers(settings.config_dir), os.environ),
            api_keys=ApiKeys.parse(settings.api_keys.get_secret_value()),
        )

    def reload(self, settings: Settings) -> None:
        """Read the files again. Raises ``ConfigurationError``, and then everything stays as it was."""
        receivers = read_receivers(settings.config_dir)
        self.interactions.reload()
        self.receivers.use(receivers)


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run until ``stop``: then no new requests, those under way finished, the file closed.

    Raises ``ConfigurationError`` before anything is opened when a setting or a rules file is wrong.
    """
    rules = RulesFiles.read(settings)
    switch = Switch()
    async with (
        Spool(_spool_policy(settings)) as spool,
        Producer(settings.kafka, client_id="ingress") as producer,
        Database(settings.database, application="ingress") as database,
    ):
        _show(spool)
        drainer = Drainer(producer, spool, switch)
        acceptor = Acceptor(
            producer,
            spool,
            switch,
            publish_budget_s=settings.ingress.publish_budget_s,
            spool_budget_s=settings.ingress.spool_budget_s,
        )
        async with (
            interactions_side(
                settings, rules.interactions, acceptor, database, spool_oldest_s=lambda: _oldest_s(spool)
            ) as side,
            events_side(_event_rules(settings, rules), acceptor, database) as events,
            reloading(lambda: rules.reload(settings)),
        ):
            app = build_app(drainer, *side.routers(events.keys), *events.routers)
            lane = partial(InteractionsLane, Reception(side.interactions))
            settle()
            async with _draining(drainer) as draining, serving(app, settings.http, connection=lane):
                await _until(stop, draining)


def _event_rules(settings: Settings, rules: RulesFiles) -> EventRules:
    return EventRules(
        api_keys=rules.api_keys,
        destinations=rules.destinations,
        max_body_bytes=settings.ingress.max_body_bytes,
        memory=settings.spool_file.parent,
        receivers=rules.receivers,
    )


def build_app(drainer: Drainer, *routers: APIRouter) -> FastAPI:
    """The HTTP application of these parts."""
    health = Health()
    health.live("drainer", drainer.live_fault)
    health.ready("acceptance", drainer.ready_fault)
    app = create_app(title="Posta ingress", version=service_version(), health=health)
    for router in routers:
        app.include_router(router)
    return app


def _spool_policy(settings: Settings) -> SpoolPolicy:
    return SpoolPolicy(
        path=settings.spool_file,
        max_events=settings.ingress.spool_max_events,
        max_bytes=settings.ingress.spool_max_bytes,
    )


@asynccontextmanager
async def _draining(drainer: Drainer) -> AsyncIterator["asyncio.Task[None]"]:
    """Drain while the block runs; cancelled midway it has at worst published what it did not yet forget."""
    task = asyncio.create_task(drainer.run(), name="drainer")
    try:
        yield task
    finally:
        await end(task)


async def _until(stop: asyncio.Event, draining: "asyncio.Task[None]") -> None:
    """Return when ``stop`` is set. Raises what ended the drainer, should it end before."""
    stopping = asyncio.create_task(stop.wait(), name="stopping")
    try:
        await asyncio.wait({stopping, draining}, return_when=asyncio.FIRST_COMPLETED)
        if draining.done():
            draining.result()
    finally:
        stopping.cancel()


def _oldest_s(spool: Spool) -> float:
    """How long the oldest event has been in the spool."""
    oldest_at = spool.contents.oldest_at
    return 0.0 if oldest_at is None else max(0.0, time.time() - oldest_at)


def _show(spool: Spool) -> None:
    """Let every scrape read the spool as it is then."""
    names.SPOOL_DEPTH.set_function(lambda: spool.depth)
    names.LEGACY_QUEUE.set_function(lambda: spool.depth)
    names.SPOOL_REFUSED.set_function(lambda: spool.contents.refused)
    names.SPOOL_OLDEST.set_function(lambda: _oldest_s(spool))

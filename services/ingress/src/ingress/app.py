"""Wires ingress: opened from the inside out, closed in the other order."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from ingress.acceptor import Acceptor
from ingress.commands import FILE_NAME as COMMANDS_FILE
from ingress.commands import load_commands
from ingress.drain import Drainer
from ingress.events_route import Events, events_router
from ingress.interactions_route import Interactions, interactions_router
from ingress.settings import Settings
from ingress.signature import parse_public_keys
from ingress.spool import Spool
from ingress.spool_file import SpoolPolicy
from ingress.switch import Switch
from posta.auth import ApiKeys
from posta.destinations import FILE_NAME as DESTINATIONS_FILE
from posta.destinations import load_destinations
from posta.http.app import create_app
from posta.http.health import Health
from posta.http.server import serving
from posta.kafka.producer import Producer
from posta.telemetry import names
from posta.version import service_version


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run until ``stop``: then no new requests, those under way finished, the file closed.

    Raises ``ConfigurationError`` before anything is opened when a setting or a rules file is wrong.
    """
    acceptor_settings = settings.ingress
    commands = load_commands(settings.config_dir / COMMANDS_FILE)
    destinations = load_destinations(settings.config_dir / DESTINATIONS_FILE)
    api_keys = ApiKeys.parse(settings.api_keys.get_secret_value())
    public_keys = parse_public_keys(settings.discord.public_keys)
    switch = Switch()
    async with (
        Spool(_spool_policy(settings)) as spool,
        Producer(settings.kafka, client_id="ingress") as producer,
        _draining(Drainer(producer, spool, switch)) as drainer,
    ):
        acceptor = Acceptor(
            producer,
            spool,
            switch,
            publish_budget_s=acceptor_settings.publish_budget_s,
            spool_budget_s=acceptor_settings.spool_budget_s,
        )
        interactions = Interactions(
            acceptor, commands, keys=public_keys, max_body_bytes=acceptor_settings.max_body_bytes
        )
        events = Events(acceptor, api_keys, destinations, max_body_bytes=acceptor_settings.max_body_bytes)
        _show(spool)
        async with serving(build_app(drainer, interactions, events), settings.http):
            await stop.wait()


def build_app(drainer: Drainer, interactions: Interactions, events: Events) -> FastAPI:
    """The HTTP application of these parts."""
    health = Health()
    health.live("drainer", drainer.live_fault)
    health.ready("acceptance", drainer.ready_fault)
    app = create_app(title="Posta ingress", version=service_version(), health=health)
    app.include_router(interactions_router(interactions))
    app.include_router(events_router(events))
    return app


def _spool_policy(settings: Settings) -> SpoolPolicy:
    return SpoolPolicy(
        path=settings.spool_file,
        max_events=settings.ingress.spool_max_events,
        max_bytes=settings.ingress.spool_max_bytes,
    )


@asynccontextmanager
async def _draining(drainer: Drainer) -> AsyncIterator[Drainer]:
    """Drain while the block runs; should the drainer fail, the block is cancelled and the service ends."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(drainer.run(), name="drainer")
        yield drainer
        task.cancel()


def _show(spool: Spool) -> None:
    """Let every scrape read the spool as it is then."""

    def oldest_s() -> float:
        oldest_at = spool.contents.oldest_at
        return 0.0 if oldest_at is None else max(0.0, time.time() - oldest_at)

    names.SPOOL_DEPTH.set_function(lambda: spool.depth)
    names.SPOOL_REFUSED.set_function(lambda: spool.contents.refused)
    names.SPOOL_OLDEST.set_function(oldest_s)

"""Wiring of llm-worker: where its parts meet the engine, HTTP and the files."""

import asyncio
import os

from fastapi import APIRouter, FastAPI

from llm_worker.admin import llm_router
from llm_worker.answering import Answering
from llm_worker.asking.status import LlmStatus
from llm_worker.faq.file import FILE_NAME as FAQ_FILE
from llm_worker.faq.file import read_faq
from llm_worker.live_rules import FromFiles, LiveRules
from llm_worker.providers.lineup import Lineup, load_lineup
from llm_worker.rules import load_rules
from llm_worker.scratch import as_question
from llm_worker.settings import LlmSettings, Settings
from llm_worker.spending.report import Usage
from llm_worker.spending.routes import usage_router
from posta import topics
from posta.auth import ApiKeys, Keys
from posta.collector import settle
from posta.engine.engine import Engine
from posta.engine.gate import Gate
from posta.engine.policy import EnginePolicy
from posta.engine.routes import engine_router
from posta.http.app import create_app
from posta.http.body_limit import BodyLimit
from posta.http.health import Health
from posta.http.kept_connections import KeptConnections
from posta.http.server import serving
from posta.kafka.producer import Producer
from posta.postgres.api_keys import KeyTable
from posta.postgres.keyring import KeyRing
from posta.postgres.pool import DEPENDENCY, Database, Session
from posta.reloading import reloading
from posta.telemetry.logs import get_logger
from posta.version import service_version

log = get_logger(__name__)
NAME = "llm-worker"
_DRAIN_SHARE = 0.6
"""Of the grace period; the rest is for releasing claims, committing and leaving the group."""
_HANDLING_MARGIN_S = 20.0
"""What a handling may take beside its calls: claiming, storing, a slow database."""
_BODY_MOST_BYTES = 16 * 1024


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Answer questions until ``stop`` is set. Raises ``ConfigurationError`` before anything connects."""

    def load() -> FromFiles:
        return FromFiles(
            lineup=load_lineup(settings.config_dir, settings.llm, os.environ),
            faq=read_faq(settings.config_dir / FAQ_FILE),
            prompts=load_rules(settings.config_dir),
        )

    files = load()
    lineup = files.lineup
    configured_keys = ApiKeys.parse(settings.api_keys.get_secret_value())
    async with (
        Database(settings.database, application=NAME, session=Session.UNTOUCHED) as database,
        Producer(settings.kafka, client_id=NAME) as producer,
        _client(settings.llm) as client,
    ):
        keys = KeyRing(configured_keys, KeyTable(database))
        answering = Answering(settings, files, database, client)
        engine = _engine(settings, lineup, answering, producer, database)
        live = LiveRules(load, answering.use, handling_s=lineup.longest_call_s * lineup.most_calls)
        async with (
            answering.running(),
            keys.kept_current(),
            serving(build_app(engine, keys, *_routers(answering, engine, database, keys)), settings.http),
            reloading(live.reload),
        ):
            models = {name: model.name for name, model in lineup.models.items()}
            log.info("started", models=models)
            settle()
            await engine.run(stop)


def build_app(engine: Engine, keys: Keys, *routers: APIRouter) -> FastAPI:
    """The HTTP side: health and metrics, and the routes for operators."""
    health = Health()
    health.live("engine", engine.live_fault)
    health.ready("engine", engine.ready_fault)
    app = create_app(title=NAME, version=service_version(), health=health)
    app.add_middleware(BodyLimit, max_bytes=_BODY_MOST_BYTES)
    app.include_router(engine_router(engine, keys))
    for router in routers:
        app.include_router(router)
    return app


def _routers(answering: Answering, engine: Engine, database: Database, keys: Keys) -> tuple[APIRouter, ...]:
    """What operators may ask, and order, of llm-worker itself."""
    purses, cache = answering.purses, answering.knowledge.answer_cache()
    status = LlmStatus(purses, answering.waiting, answering.answers, engine)
    return (
        llm_router(status, keys),
        usage_router(Usage(database), cache, lambda: purses.lineup, keys),
    )


def _engine(
    settings: Settings,
    lineup: Lineup,
    answering: Answering,
    producer: Producer,
    database: Database,
) -> Engine:
    return Engine(
        topics.LLM_WORKER,
        answering.questions.handle,
        kafka=settings.kafka,
        producer=producer,
        policy=EnginePolicy(
            retry=settings.retry.policy(),
            concurrency=settings.llm.concurrency,
            handler_timeout_s=lineup.longest_call_s * lineup.most_calls + _HANDLING_MARGIN_S,
            drain_s=settings.shutdown.grace_s * _DRAIN_SHARE,
            flood=settings.engine.flood(),
        ),
        on_given_up=answering.questions.apologise,
        gates=(Gate(name=DEPENDENCY, probe=database.ping), answering.room.gate),
        interpret=as_question,
    )


def _client(llm: LlmSettings) -> KeptConnections:
    """As many connections as calls are made at once; each model's own limits are its calls' timeouts."""
    return KeptConnections(
        timeout_s=llm.timeout_s, headers={"user-agent": f"posta-llm-worker/{service_version()}"}
    )

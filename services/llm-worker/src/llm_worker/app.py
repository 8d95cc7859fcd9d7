"""Wiring of llm-worker: the only place where its objects meet."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from llm_worker.answers import PostgresAnswers
from llm_worker.handler import AnswerPolicy, AnswerQuestions
from llm_worker.provider import ChatCompletions
from llm_worker.rules import AnswerRules, load_rules
from llm_worker.settings import LlmSettings, Settings
from posta import topics
from posta.auth import ApiKeys
from posta.engine.engine import Engine
from posta.engine.gate import Gate
from posta.engine.policy import EnginePolicy
from posta.engine.routes import engine_router
from posta.http.app import create_app
from posta.http.body_limit import BodyLimit
from posta.http.health import Health
from posta.http.server import serving
from posta.kafka.producer import Producer
from posta.postgres.pool import DEPENDENCY, Database
from posta.telemetry.logs import get_logger
from posta.version import service_version

log = get_logger(__name__)
NAME = "llm-worker"
_DRAIN_SHARE = 0.6
"""Of the grace period; the rest is for releasing claims, committing and leaving the group."""
_KEEPALIVE_S = 30.0
_BODY_MOST_BYTES = 16 * 1024


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Answer questions until ``stop`` is set. Raises ``ConfigurationError`` before anything connects."""
    rules = load_rules(settings.config_dir)
    keys = ApiKeys.parse(settings.api_keys.get_secret_value())
    async with (
        _database(settings) as database,
        Producer(settings.kafka, client_id=NAME) as producer,
        _client(settings.llm) as client,
    ):
        engine = _engine(settings, _handler(settings, rules, database, client), producer, database)
        async with serving(build_app(engine, keys), settings.http):
            log.info("started", model=settings.llm.model, base_url=settings.llm.base_url)
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


def _engine(settings: Settings, questions: AnswerQuestions, producer: Producer, database: Database) -> Engine:
    return Engine(
        topics.LLM_WORKER,
        questions.handle,
        kafka=settings.kafka,
        producer=producer,
        policy=EnginePolicy(
            retry=settings.retry.policy(),
            concurrency=settings.llm.concurrency,
            handler_timeout_s=settings.handler_timeout_s,
            drain_s=settings.shutdown.grace_s * _DRAIN_SHARE,
        ),
        on_given_up=questions.apologise,
        gates=(Gate(name=DEPENDENCY, probe=database.ping),),
    )


def _handler(
    settings: Settings, rules: AnswerRules, database: Database, client: httpx.AsyncClient
) -> AnswerQuestions:
    llm = settings.llm
    return AnswerQuestions(
        rules=rules,
        policy=AnswerPolicy(
            timeout_s=llm.timeout_s, lease_s=llm.lease_s, delivery_reserve_s=llm.delivery_reserve_s
        ),
        provider=ChatCompletions(client, llm),
        # A process is an owner: two starts of the same pod are two.
        answers=PostgresAnswers(database, owner=str(uuid.uuid4()), lease_s=llm.lease_s),
    )


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    database = Database(settings.database, application=NAME)
    try:
        yield database
    finally:
        await database.close()


def _client(llm: LlmSettings) -> httpx.AsyncClient:
    """One connection for each call that may run, so that none waits for another's."""
    return httpx.AsyncClient(
        limits=httpx.Limits(
            max_connections=llm.concurrency,
            max_keepalive_connections=llm.concurrency,
            keepalive_expiry=_KEEPALIVE_S,
        ),
        headers={"user-agent": f"posta-llm-worker/{service_version()}"},
    )

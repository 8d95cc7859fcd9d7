"""Everything of ingress that has to do with interactions, opened together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import APIRouter

from ingress.acceptor import Acceptor
from ingress.interactions.inquiry_route import inquiry_router
from ingress.interactions.route import Interactions, interactions_router
from ingress.interactions.rulebook import LiveRules
from ingress.interactions.signature import parse_public_keys
from ingress.limits.admission import Admission
from ingress.limits.governor import Governor
from ingress.limits.postgres import PostgresWindows
from ingress.limits.queue_age import QueueAge
from ingress.limits.stats_route import governor_router
from ingress.settings import Settings
from posta.auth import Keys
from posta.background import regularly
from posta.postgres.interactions import InteractionLog
from posta.postgres.pool import Database

_CLEAN_EVERY_S = 600.0
_DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionsSide:
    """The parts that requests meet."""

    interactions: Interactions
    admission: Admission
    log: InteractionLog

    def routers(self, keys: Keys) -> tuple[APIRouter, ...]:
        """Its routes; those for operators take ``keys``."""
        return (
            interactions_router(self.interactions),
            inquiry_router(self.log, keys),
            governor_router(self.admission, keys),
        )


@asynccontextmanager
async def interactions_side(
    settings: Settings,
    rules: LiveRules,
    acceptor: Acceptor,
    database: Database,
    *,
    spool_oldest_s: Callable[[], float],
) -> AsyncIterator[InteractionsSide]:
    """Open it all, and keep it up to date while the block runs."""
    interaction_log = InteractionLog(database)
    windows = PostgresWindows(database)
    shared = windows if settings.governor.enabled else None
    governor = Governor(shared, budget_s=settings.governor.database_budget_s)
    wants_age = settings.governor.max_queue_age_s > 0
    age = QueueAge(interaction_log.queue_age_s if wants_age else None, spool_oldest_s)
    admission = Admission(
        governor,
        limits=settings.governor.limits,
        hours=lambda: rules.hours,
        queue_age=age,
        max_queue_age_s=settings.governor.max_queue_age_s,
    )
    interactions = Interactions(
        acceptor,
        lambda: rules.rulebook,
        admission,
        interaction_log,
        keys=parse_public_keys(settings.discord.public_keys),
        max_body_bytes=settings.ingress.max_body_bytes,
        log_interactions=settings.ingress.log_interactions,
    )
    kept_s = settings.ingress.interactions_kept_days * _DAY_S
    cleaning = regularly(
        lambda: interaction_log.clean(older_than_s=kept_s),
        windows.clean,
        name="clean interactions",
        every_s=_CLEAN_EVERY_S,
        first_s=_CLEAN_EVERY_S,
    )
    try:
        async with (
            interaction_log.recording(),
            age.watching(),
            rules.suggesters.refreshing(),
            cleaning,
        ):
            yield InteractionsSide(interactions=interactions, admission=admission, log=interaction_log)
    finally:
        await governor.close()

"""Keeps the gauges of the backlog current, and forgets old requests, for as long as the service runs."""

import asyncio

from dlq_admin.store import Store
from posta.errors import Unavailable
from posta.telemetry import names
from posta.telemetry.logs import get_logger
from posta.topics import GROUPS

log = get_logger(__name__)
_EVERY_S = 5.0
REMEMBER_REQUESTS_S = 7 * 24 * 3600.0
"""How long an ``Idempotency-Key`` is known."""
_RETRYING = tuple(group.name for group in GROUPS if group.lane_delays_s)


async def keep_current(store: Store) -> None:
    """Refresh every few seconds, for ever; while the database is away the last values stand."""
    while True:
        try:
            await refresh(store)
            await store.forget_requests(older_than_s=REMEMBER_REQUESTS_S)
        except Unavailable as exc:
            log.warning("backlog_unknown", reason=str(exc))
        await asyncio.sleep(_EVERY_S)


async def refresh(store: Store) -> None:
    """Set the gauges from the database. Raises ``Unavailable``."""
    backlog = await store.backlog()
    for group in _RETRYING:
        names.DLQ_OPEN.labels(group).set(backlog.open_by_group.get(group, 0))
    names.DLQ_OLDEST.set(backlog.oldest_s)

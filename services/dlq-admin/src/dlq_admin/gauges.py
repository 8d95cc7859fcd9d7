"""Keeps the gauges of the backlog current, and forgets old requests, for as long as the service runs."""

from contextlib import AbstractAsyncContextManager

from dlq_admin.store import Store
from posta.background import regularly
from posta.telemetry import names
from posta.topics import GROUPS

_EVERY_S = 5.0
REMEMBER_REQUESTS_S = 7 * 24 * 3600.0
"""How long an ``Idempotency-Key`` is known."""
_RETRYING = tuple(group.name for group in GROUPS if group.lane_delays_s)


def kept_current(store: Store) -> AbstractAsyncContextManager[None]:
    """Refresh every few seconds while the block runs; while the database is away the last values stand."""
    return regularly(
        lambda: refresh(store),
        lambda: store.forget_requests(older_than_s=REMEMBER_REQUESTS_S),
        name="backlog",
        every_s=_EVERY_S,
    )


async def refresh(store: Store) -> None:
    """Set the gauges from the database. Raises ``Unavailable``."""
    backlog = await store.backlog()
    for group in _RETRYING:
        names.DLQ_OPEN.labels(group).set(backlog.open_by_group.get(group, 0))
    names.DLQ_OLDEST.set(backlog.oldest_s)
